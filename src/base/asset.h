/*
 * asset: the files below assets/, compiled into the binary by the Makefile.
 */
#ifndef SLOTDECK_BASE_ASSET_H
#define SLOTDECK_BASE_ASSET_H

#include "base/str.h"

/* "demo/services.yaml" gives that file's bytes, borrowed for ever; false if there is none. */
bool asset_find(const char *path, struct str *ret_bytes);
/* The n-th asset, for those who list them; false past the end. */
bool asset_at(size_t n, const char **ret_path, struct str *ret_bytes);

#endif
