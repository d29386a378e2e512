/*
 * manifest: the documents that name what an image is made of: OCI and docker manifests and indexes.
 *
 * The bytes stay as they were received, because their digest is the image's identity; nothing is ever written anew. What
 * can't be understood is refused with a reason: schema 1, sizes and digests that are none, a mediaType that contradicts
 * the header. Not thread-safe while made; then may be read by many.
 */
#ifndef SLOTDECK_REGISTRY_MANIFEST_H
#define SLOTDECK_REGISTRY_MANIFEST_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define MANIFEST_MAX_BYTES ((size_t)8 << 20)

struct descriptor {
	char *digest, *media_type;
	int64_t size_bytes;
	char *platform; /* of an index's entry: "linux/amd64", "linux/arm/v7"; "" when it has none */
	bool stays;	/* not to be distributed: it is left where it is */
};

struct manifest {
	char *media_type, *digest;
	struct buf bytes;
	bool is_index;
	struct descriptor *items; /* of an index its manifests, else config and layers */
	size_t n;
};

/* For Accept: all types that we understand. */
extern const char manifest_accept[];

/*
 * Takes bytes (also when it fails). content_type is the header, parameters allowed. expected: the digest that was asked
 * for, or NULL. ERR_SERVER: not what was asked for, or broken; ERR_LIMIT: larger than we accept.
 */
bool manifest_parse(struct buf *bytes_take, struct str content_type, const char *expected, struct manifest *ret, struct error *err);
void manifest_release(struct manifest *manifest);
DEFINE_AUTO_RELEASE(manifest);
/* The entry of an index for a platform such as "linux/amd64" (a variant may be left out); NULL. Borrowed. */
const struct descriptor *manifest_for_platform(const struct manifest *index, const char *platform);

#endif
