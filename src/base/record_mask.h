/*
 * record_mask: takes out of what a server says whatever must not be kept in a recording.
 *
 * Masked are: all values of Secret objects, and what kubectl keeps of them in annotations; text under a name that speaks of a password,
 * token or key, also as name and value of a container's environment, as NAME=VALUE, "NAME": "VALUE" or --name VALUE inside of longer
 * text; credentials in URLs; bearer and basic authorisation; JSON web tokens; and every secret that the program itself holds
 * (base/secret.h). What is masked reads "***" and stays what it was: JSON stays JSON. It looks for shapes, so a secret that looks like
 * any other word in a log line is kept. Not thread-safe.
 */
#ifndef SLOTDECK_BASE_RECORD_MASK_H
#define SLOTDECK_BASE_RECORD_MASK_H

#include "base/str.h"

struct record_mask;
/* json: the bytes are JSON values, else lines of text. secret: they are of Secret objects. */
struct record_mask *record_mask_create(bool json, bool secret);
void record_mask_destroy(struct record_mask *mask);
DEFINE_AUTO(record_mask);
/* Appends to out what is sure by now; a string or line that has not ended yet waits. Chunks may be cut anywhere. */
void record_mask_feed(struct record_mask *mask, struct str bytes, struct buf *out);
/* The same for what still waits. */
void record_mask_finish(struct record_mask *mask, struct buf *out);
/* Appends a whole text, masked. */
void record_mask_text(struct str text, struct buf *out);

#endif
