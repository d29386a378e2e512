/*
 * reference: the name of an image, taken apart.
 *
 * "nginx" is docker.io/library/nginx:latest, "host:5000/a/b@sha256:…" is what it says. Source: the reference grammar of
 * the OCI distribution spec and of docker. Everything is checked here, before a URL is built from it: no "..", no "%", no
 * upper case in repositories. Any thread.
 */
#ifndef SLOTDECK_REGISTRY_REFERENCE_H
#define SLOTDECK_REGISTRY_REFERENCE_H

#include "base/error.h"
#include "base/str.h"

struct reference { /* owns its texts */
	char *registry;	  /* "docker.io", "localhost:5000", "[::1]:5000" */
	char *repository; /* "library/nginx" */
	char *tag;	  /* NULL only when there is a digest and no tag */
	char *digest;	  /* "sha256:…", or NULL. Beside a tag it decides; the tag is a label then */
};

/* ERR_INVALID says what is wrong with the text. */
bool reference_parse(struct str text, struct reference *ret, struct error *err);
void reference_release(struct reference *reference);
DEFINE_AUTO_RELEASE(reference);
/* What a registry is asked for: the digest if there is one, else the tag. Borrowed. */
const char *reference_target(const struct reference *reference);
/* "docker.io/library/nginx:latest" */
void reference_format(const struct reference *reference, struct buf *out);

/* "sha256:" and 64, or "sha512:" and 128 hexadecimal digits in small letters. */
bool digest_is_valid(struct str digest);
/* 1 to 128 letters, digits, "_", ".", "-"; the first neither of the last two. */
bool tag_is_valid(struct str tag);

#endif
