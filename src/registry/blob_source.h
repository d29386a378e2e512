/*
 * blob_source: a blob read as it comes, with back-pressure, over redirects to the storage of the registry. Private to
 * src/registry. One thread at a time.
 */
#ifndef SLOTDECK_REGISTRY_BLOB_SOURCE_H
#define SLOTDECK_REGISTRY_BLOB_SOURCE_H

#include "registry/registry_private.h"

struct blob_source;
/* Begins at offset. *ret_temporary: whether the same may go well later. */
struct blob_source *blob_source_open(struct registry *registry, const char *repository, const char *digest, int64_t offset,
				     const struct registry_call *call, bool *ret_temporary, struct error *err);
void blob_source_destroy(struct blob_source *source);
DEFINE_AUTO(blob_source);
/* Reads 1 to room bytes; 0 at the end of what the server sent. False: it broke, which is always temporary, or cancelled. */
bool blob_source_read(struct blob_source *source, char *out, size_t room, size_t *ret_len, struct error *err);

#endif
