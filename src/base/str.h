/*
 * str: borrowed views of bytes, and growable buffers.
 *
 * A struct str never owns and is not NUL-terminated; print it with %.*s and STR_ARG(). A struct buf owns, is always
 * NUL-terminated when p is not NULL, has a limit and remembers having gone over it, so that a run of appends is
 * checked once. Not thread-safe.
 */
#ifndef SLOTDECK_BASE_STR_H
#define SLOTDECK_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct str {
	const char *p;
	size_t len;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
#define STR_ARG(s) (int)(s).len, (s).p

struct str str_of(const char *text); /* NULL gives the empty view */
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *text);
bool str_ieq(struct str a, struct str b); /* ASCII case ignored */
int str_cmp(struct str a, struct str b); /* byte order */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Index of needle in s, or -1. */
ptrdiff_t str_find(struct str s, struct str needle);
ptrdiff_t str_find_char(struct str s, char c);
/* Without leading and trailing white space: Unicode's for str_trim_unicode (as Go's strings.TrimSpace), else ASCII. */
struct str str_trim(struct str s);
struct str str_trim_unicode(struct str s);
/* "shop/web" gives head "shop" and leaves rest "web". Without sep: false, and nothing changes. */
bool str_cut(struct str *rest, char sep, struct str *ret_head);
/* Decimal digits and nothing else, 15 at most. False: it is something else. */
bool str_number(struct str s, int64_t *ret);
/* Gives a NUL-terminated copy. */
char *str_dup(struct str s);

/* Plain "starts with" and "ends with" for C strings. */
bool starts_with(const char *text, const char *prefix);
bool ends_with(const char *text, const char *suffix);

/*
 * Decodes one UTF-8 code point at s->p and moves s past it. Invalid bytes give U+FFFD with width 1, as Go does; the
 * bytes used are returned, 0 at the end.
 */
size_t utf8_next(struct str *s, uint32_t *ret_rune);
/* Writes rune to out (4 bytes at most), returns its length. Surrogates and values over U+10FFFF become U+FFFD. */
size_t utf8_put(char out[4], uint32_t rune);
bool utf8_valid(struct str s);

/* Edit distance for "did you mean"; stops counting at limit. */
unsigned str_distance(const char *a, const char *b, unsigned limit);
/* The name nearest to what was typed among n names, NULL if none is near enough. Borrowed from names. */
const char *str_nearest(const char *typed, const char *const *names, size_t n);

struct buf {
	char *p;
	size_t len, cap, max; /* max 0: no limit */
	bool overflow;	      /* an append would have gone over max; nothing was added since */
};

#define BUF_INIT(limit_bytes) { .max = (limit_bytes) }

void buf_release(struct buf *b);
DEFINE_AUTO_RELEASE(buf);
void buf_reset(struct buf *b); /* empties, keeps the memory */
void buf_add(struct buf *b, const char *bytes, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_add_str(struct buf *b, struct str s);
void buf_addc(struct buf *b, char c);
void buf_add_repeat(struct buf *b, char c, size_t count);
void buf_add_rune(struct buf *b, uint32_t rune);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *b, const char *fmt, va_list ap);
/*
 * Appends text of others (a server, a file, a program) as one harmless line: escape sequences, control characters and
 * marks of writing direction go, white space becomes a space, bytes that are not UTF-8 become U+FFFD.
 */
void buf_add_plain(struct buf *b, struct str text);
/* Appends word as one word of a shell's command line, quoted when it must be. */
void buf_add_shell_word(struct buf *b, const char *word);
/* Moves s past what follows an ESC: a CSI sequence (to its final byte), a string (to BEL or ESC \\), or a single character. */
void escape_skip(struct str *s);
/* Cuts to len bytes (no-op when shorter). */
void buf_truncate(struct buf *b, size_t len);
/* Removes the first n bytes. */
void buf_consume(struct buf *b, size_t n);
struct str buf_str(const struct buf *b);
/* Gives the text, never NULL, and empties b. */
char *buf_give(struct buf *b);
/* Borrowed text, never NULL. */
const char *buf_cstr(const struct buf *b);

#endif
