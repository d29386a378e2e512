/*
 * record: writes a recording (docs/record.md): a file of JSON lines, each one thing that entered the program, with its time.
 *
 * Lines are handed to a thread of its own that writes them, so that a slow disk holds nobody up. When the disk is full, or so slow
 * that 64 MiB wait, the recording stops and record_trouble() says why once; the program goes on. Whoever adds a line masks what is secret
 * in it (base/record_mask.h). Any thread; a NULL recorder records nothing.
 *
 *     struct json_writer *w = record_begin(recorder, "key");
 *     if (w) {
 *             json_put_key(w, "key");
 *             json_put_int(w, key);
 *             record_end(recorder);
 *     }
 */
#ifndef SLOTDECK_BASE_RECORD_H
#define SLOTDECK_BASE_RECORD_H

#include "base/error.h"
#include "base/json.h"

#define RECORD_FORMAT 1

struct recorder;
/*
 * Makes the file, readable by its owner alone. header: more members of the first line, as JSON without braces (",\"cluster\":…"), or
 * empty. ERR_CONFLICT: there is such a file already. Times count from here.
 */
struct recorder *recorder_create(const char *path, struct str header, struct error *err);
/* Writes what waits and the line that says that the recording is whole. NULL is fine. */
void recorder_destroy(struct recorder *recorder);
DEFINE_AUTO(recorder);
/* Begins a line of that kind; NULL: nothing is recorded (any more). Holds the others up until record_end(), which must follow. */
struct json_writer *record_begin(struct recorder *recorder, const char *kind);
void record_end(struct recorder *recorder);
/* Why the recording has stopped; told once. */
bool record_trouble(struct recorder *recorder, struct error *err);

#endif
