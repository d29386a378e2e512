/*
 * build_ignore: which files of a build context a .dockerignore leaves out.
 *
 * Source of truth: docker's page on .dockerignore files and the moby/patternmatcher that builders use. One pattern a line, the last that
 * matches decides, "!" takes back in; "**" stands for any number of folders; what matches a folder matches all that is in it. Matching
 * takes time in proportion to pattern times path, whatever the pattern. Any thread once it is made.
 */
#ifndef SLOTDECK_JOB_BUILD_IGNORE_H
#define SLOTDECK_JOB_BUILD_IGNORE_H

#include "base/error.h"
#include "base/str.h"

struct build_ignore;

/* text: the file's. ERR_INVALID names the line that is no pattern. */
bool build_ignore_parse(struct str text, struct build_ignore **ret, struct error *err);
void build_ignore_destroy(struct build_ignore *ignore);
DEFINE_AUTO(build_ignore);
/* path: below the context, "a/b", without a slash at either end. NULL ignores nothing. */
bool build_ignore_matches(const struct build_ignore *ignore, struct str path);
/* There is a "!": what is in an ignored folder may still be wanted. */
bool build_ignore_has_exceptions(const struct build_ignore *ignore);

#endif
