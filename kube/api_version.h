/*
 * api_version: the two halves of "apps/v1".
 */
#ifndef SLOTDECK_KUBE_API_VERSION_H
#define SLOTDECK_KUBE_API_VERSION_H

#include "base/str.h"

struct api_version {
	struct str group; /* empty: the core group */
	struct str version;
};

/* Views into text. */
static inline struct api_version api_version_split(const char *text)
{
	struct api_version halves = { .group = STR(""), .version = str_of(text) };

	str_cut(&halves.version, '/', &halves.group);
	return halves;
}

#endif
