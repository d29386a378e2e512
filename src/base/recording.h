/*
 * recording: reads what base/record.h has written (docs/record.md).
 *
 * Opening looks through the whole file once: it must be a recording of a format that we know, and each line but the last must be whole;
 * errors name file and line. A last line that was cut off (the program was killed) is left out. Then records come one by one; memory does
 * not grow with the file, but for what was asked of servers. One thread.
 */
#ifndef SLOTDECK_BASE_RECORDING_H
#define SLOTDECK_BASE_RECORDING_H

#include <jansson.h>

#include "base/error.h"
#include "base/str.h"

struct recording;

struct record { /* one line; borrowed until the next is asked for */
	int64_t ms;	  /* since the beginning */
	const char *kind; /* "key", "data", … */
	json_t *json;
	size_t line;
};

/* ERR_NOT_FOUND, ERR_IO; ERR_INVALID: empty, none of ours, of a newer format, broken in the middle. */
bool recording_open(const char *path, struct recording **ret, struct error *err);
void recording_destroy(struct recording *recording);
DEFINE_AUTO(recording);
const char *recording_path(const struct recording *recording);
/* The first line. */
json_t *recording_header(const struct recording *recording);
int64_t recording_length_ms(const struct recording *recording);
/* It has an end, and was not cut off. */
bool recording_is_whole(const struct recording *recording);
/* All records of a kind that is short and few ("ask", "mark", "target"), known from the first look; NULL past the end. */
const struct record *recording_find(const struct recording *recording, const char *kind, size_t n);
/* True with ret->kind NULL at the end. */
bool recording_next(struct recording *recording, struct record *ret, struct error *err);

/* Members of a record or the header; otherwise where there is none. */
const char *record_text(const json_t *json, const char *name, const char *otherwise);
int64_t record_int(const json_t *json, const char *name, int64_t otherwise);

#endif
