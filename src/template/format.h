/*
 * format: prints values as Go's package fmt does, mistakes included: %!d(string=x).
 *
 * Source of truth: the documentation of fmt, and what Go 1.25 does where that is silent. Addresses print as the
 * addresses of our own memory, as they do in Go: not to be relied on. Independent of the locale.
 */
#ifndef SLOTDECK_TEMPLATE_FORMAT_H
#define SLOTDECK_TEMPLATE_FORMAT_H

#include "template/value.h"

/* Appends one value as Sprint would; no value and the nil interface are <nil>. */
void format_value(struct buf *out, struct value v);
/* Sprint, Sprintln and Sprintf of n arguments. */
void format_print(struct buf *out, const struct value *args, size_t n);
void format_println(struct buf *out, const struct value *args, size_t n);
void format_printf(struct buf *out, struct str format, const struct value *args, size_t n);
/* One value by the plain verb v or s, as error messages show a reflect.Value. */
void format_verb(struct buf *out, struct value v, char verb);
/* The name of the value's type as its holder sees it: "interface {}" for what is boxed. */
const char *format_static_type(struct value v);

#endif
