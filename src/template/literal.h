/*
 * literal: Go's literals, read and written as its package strconv does.
 *
 * Independent of the locale. Any thread.
 */
#ifndef SLOTDECK_TEMPLATE_LITERAL_H
#define SLOTDECK_TEMPLATE_LITERAL_H

#include "base/str.h"

/* Appends s in double quotes with Go's escapes; ascii escapes everything else too (QuoteToASCII). */
void literal_quote(struct buf *out, struct str s, bool ascii);
/* Appends one character in single quotes. What is no character becomes U+FFFD. */
void literal_quote_rune(struct buf *out, uint64_t rune, bool ascii);
/* True if s could stand between back quotes. */
bool literal_can_backquote(struct str s);

/* Reads one character of a literal in quote, moving s behind it. multibyte: to be written as UTF-8, not as a byte. */
bool literal_unquote_char(struct str *s, char quote, uint32_t *ret_rune, bool *ret_multibyte);
/* Takes the quotes (double or back) off a literal; false when Go would say "invalid syntax". */
bool literal_unquote(struct arena *arena, struct str literal, struct str *ret);

/* ParseUint and ParseInt with base 0, and ParseFloat of 64 bits: the whole of s, or false. */
bool literal_parse_uint(struct str s, uint64_t *ret);
bool literal_parse_int(struct str s, int64_t *ret);
bool literal_parse_float(struct str s, double *ret);

/* FormatFloat: format is one of b e E f g G x X; precision -1 is the shortest that reads back the same. */
void literal_format_float(struct buf *out, double f, char format, int precision);

#endif
