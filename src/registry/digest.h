/*
 * digest: the content address of bytes, counted while they pass by. One thread at a time.
 */
#ifndef SLOTDECK_REGISTRY_DIGEST_H
#define SLOTDECK_REGISTRY_DIGEST_H

#include "base/str.h"

struct digest;

/* Starts counting with the algorithm of a valid digest (registry/reference.h), or of "sha256:". */
struct digest *digest_create(const char *like);
void digest_destroy(struct digest *digest);
DEFINE_AUTO(digest);
void digest_add(struct digest *digest, struct str bytes);
/* Gives "sha256:…" of all that was added; ends the counting. */
char *digest_finish(struct digest *digest);
/* The same for bytes that are all there. */
char *digest_of(const char *like, struct str bytes);

#endif
