/*
 * moment: the types of Go's package time that a template can meet, with their methods.
 *
 * Every time is in UTC, also after Local; the methods that need time zones, and those that serve machines
 * (GobEncode, AppendFormat…), are not there.
 */
#ifndef SLOTDECK_TEMPLATE_MOMENT_H
#define SLOTDECK_TEMPLATE_MOMENT_H

#include "template/value.h"

/* Appends String() of a time, month, weekday, duration or location; false for other types. */
bool moment_string(struct value v, struct buf *out);
/* Appends GoString(); false for all but times. */
bool moment_go_string(struct value v, struct buf *out);
/* Appends the time in Go's layout. */
void moment_format(struct value time, struct str layout, struct buf *out);

#endif
