/*
 * base64: RFC 4648, standard and URL-safe.
 */
#ifndef SLOTDECK_BASE_BASE64_H
#define SLOTDECK_BASE_BASE64_H

#include "base/str.h"

enum base64_kind { BASE64_STANDARD, BASE64_URL };

/* Standard pads, URL-safe does not. */
void base64_encode(struct buf *out, struct str bytes, enum base64_kind kind);
/* Takes padding or none; skips line breaks as Go's decoder does. False (nothing appended) when text is no base64. */
bool base64_decode(struct buf *out, struct str text, enum base64_kind kind);

#endif
