#include "base/asset.h"

#include <string.h>

struct asset {
	const char *path;
	const char *bytes;
	size_t len;
};

extern const struct asset asset_table[]; /* made by the Makefile, ends with a NULL path */

bool asset_at(size_t n, const char **ret_path, struct str *ret_bytes)
{
	for (size_t i = 0; i <= n; i++)
		if (!asset_table[i].path)
			return false;
	*ret_path = asset_table[n].path;
	*ret_bytes = (struct str){ asset_table[n].bytes, asset_table[n].len };
	return true;
}

bool asset_find(const char *path, struct str *ret_bytes)
{
	for (const struct asset *a = asset_table; a->path; a++) {
		if (strcmp(a->path, path) != 0)
			continue;
		*ret_bytes = (struct str){ a->bytes, a->len };
		return true;
	}
	return false;
}
