#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct str str_of(const char *text)
{
	return (struct str){ text ? text : "", text ? strlen(text) : 0 };
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool str_is(struct str a, const char *text)
{
	return str_eq(a, str_of(text));
}

bool str_ieq(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (tolower((unsigned char)a.p[i]) != tolower((unsigned char)b.p[i]))
			return false;
	return true;
}

int str_cmp(struct str a, struct str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
	return s.len >= suffix.len &&
	       (suffix.len == 0 || memcmp(s.p + s.len - suffix.len, suffix.p, suffix.len) == 0);
}

ptrdiff_t str_find(struct str s, struct str needle)
{
	if (needle.len == 0)
		return 0;
	const char *at = s.len ? memmem(s.p, s.len, needle.p, needle.len) : NULL;

	return at ? at - s.p : -1;
}

ptrdiff_t str_find_char(struct str s, char c)
{
	const char *at = s.len ? memchr(s.p, c, s.len) : NULL;

	return at ? at - s.p : -1;
}

static bool is_ascii_space(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_unicode_space(uint32_t c)
{
	return is_ascii_space(c) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

struct str str_trim(struct str s)
{
	while (s.len && is_ascii_space((unsigned char)s.p[0]))
		s = (struct str){ s.p + 1, s.len - 1 };
	while (s.len && is_ascii_space((unsigned char)s.p[s.len - 1]))
		s.len--;
	return s;
}

/* Length of the last code point of s; 1 for a stray byte. */
static size_t last_rune(struct str s, uint32_t *ret_rune)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++) {
		struct str tail = { s.p + s.len - n, n };

		if (((unsigned char)tail.p[0] & 0xc0) != 0x80 && utf8_next(&tail, ret_rune) == n)
			return n;
	}
	*ret_rune = 0xfffd;
	return s.len ? 1 : 0;
}

struct str str_trim_unicode(struct str s)
{
	uint32_t rune;

	for (struct str rest = s; utf8_next(&rest, &rune) && is_unicode_space(rune);)
		s = rest;
	for (size_t n; (n = last_rune(s, &rune)) && is_unicode_space(rune);)
		s.len -= n;
	return s;
}

bool str_cut(struct str *rest, char sep, struct str *ret_head)
{
	ptrdiff_t at = str_find_char(*rest, sep);

	if (at < 0)
		return false;
	*ret_head = (struct str){ rest->p, (size_t)at };
	*rest = (struct str){ rest->p + at + 1, rest->len - (size_t)at - 1 };
	return true;
}

bool str_number(struct str s, int64_t *ret)
{
	int64_t n = 0;

	if (!s.len || s.len > 15)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = n * 10 + (s.p[i] - '0');
	}
	*ret = n;
	return true;
}

char *str_dup(struct str s)
{
	return xmemdup0(s.p, s.len);
}

bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool ends_with(const char *text, const char *suffix)
{
	return str_ends(str_of(text), str_of(suffix));
}

size_t utf8_next(struct str *s, uint32_t *ret_rune)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t min;
	} forms[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };

	if (!s->len)
		return 0;
	unsigned char first = (unsigned char)s->p[0];
	size_t used = 1;

	*ret_rune = first < 0x80 ? first : 0xfffd;
	for (size_t n = 2; n <= ARRAY_LEN(forms); n++) {
		if ((first & forms[n - 1].mask) != forms[n - 1].lead)
			continue;
		uint32_t rune = first & (unsigned char)~forms[n - 1].mask;
		size_t i = 1;

		for (; i < n && i < s->len && ((unsigned char)s->p[i] & 0xc0) == 0x80; i++)
			rune = rune << 6 | ((unsigned char)s->p[i] & 0x3f);
		if (i == n && rune >= forms[n - 1].min && rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff)) {
			*ret_rune = rune;
			used = n;
		}
		break;
	}
	*s = (struct str){ s->p + used, s->len - used };
	return used;
}

size_t utf8_put(char out[4], uint32_t rune)
{
	if (rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
		rune = 0xfffd;
	if (rune < 0x80) {
		out[0] = (char)rune;
		return 1;
	}
	size_t n = rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--, rune >>= 6)
		out[i] = (char)(0x80 | (rune & 0x3f));
	out[0] = (char)((0xf00 >> n & 0xff) | rune);
	return n;
}

/* How many bytes at the start are ASCII; looks at eight at once. */
static size_t ascii_run(struct str s)
{
	uint64_t word;
	size_t n = 0;

	for (; s.len - n >= sizeof word; n += sizeof word) {
		memcpy(&word, s.p + n, sizeof word);
		if (word & 0x8080808080808080u)
			break;
	}
	while (n < s.len && (unsigned char)s.p[n] < 0x80)
		n++;
	return n;
}

bool utf8_valid(struct str s)
{
	uint32_t rune;

	for (size_t ascii; (ascii = ascii_run(s)) < s.len;) {
		s = (struct str){ s.p + ascii, s.len - ascii };
		bool three = (unsigned char)s.p[0] == 0xef; /* U+FFFD itself is valid */
		size_t n = utf8_next(&s, &rune);

		if (rune == 0xfffd && !(three && n == 3))
			return false;
	}
	return true;
}

unsigned str_distance(const char *a, const char *b, unsigned limit)
{
	size_t la = strlen(a), lb = strlen(b);
	unsigned row[64];

	if (lb >= ARRAY_LEN(row) || la >= ARRAY_LEN(row))
		return limit;
	for (unsigned j = 0; j <= lb; j++)
		row[j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned change = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
			unsigned best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

			diagonal = row[j];
			row[j] = best < change ? best : change;
		}
	}
	return row[lb] < limit ? row[lb] : limit;
}

const char *str_nearest(const char *typed, const char *const *names, size_t n)
{
	unsigned limit = strlen(typed) <= 3 ? 2 : strlen(typed) / 3 + 2;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned distance = str_distance(typed, names[i], limit);

		if (distance < limit) {
			limit = distance;
			nearest = names[i];
		}
	}
	return nearest;
}

void buf_release(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->p)
		b->p[0] = '\0';
}

/* Makes room for extra bytes and the NUL; false when that is over the limit. */
static bool buf_reserve(struct buf *b, size_t extra)
{
	if (b->overflow || (b->max && (extra > b->max || b->len > b->max - extra))) {
		b->overflow = true;
		return false;
	}
	size_t need = b->len + extra + 1;

	if (need <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap : 64;

	while (cap < need)
		cap *= 2;
	b->p = xrealloc(b->p, cap);
	b->cap = cap;
	return true;
}

void buf_add(struct buf *b, const char *bytes, size_t len)
{
	if (!buf_reserve(b, len))
		return;
	if (len)
		memcpy(b->p + b->len, bytes, len);
	b->len += len;
	b->p[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_add_str(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.len);
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_add_repeat(struct buf *b, char c, size_t count)
{
	if (!buf_reserve(b, count))
		return;
	memset(b->p + b->len, c, count);
	b->len += count;
	b->p[b->len] = '\0';
}

void buf_add_rune(struct buf *b, uint32_t rune)
{
	char bytes[4];

	buf_add(b, bytes, utf8_put(bytes, rune));
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	int len = vsnprintf(NULL, 0, fmt, again);

	va_end(again);
	if (len < 0 || !buf_reserve(b, (size_t)len))
		return;
	vsnprintf(b->p + b->len, (size_t)len + 1, fmt, ap);
	b->len += (size_t)len;
}

void escape_skip(struct str *s)
{
	uint32_t rune = 0;
	struct str rest = *s;

	if (!utf8_next(&rest, &rune))
		return;
	if (rune == '[') {
		while (utf8_next(&rest, &rune) && rune >= 0x20 && rune < 0x40)
			;
		*s = rest;
	} else if (rune == ']' || rune == 'P' || rune == 'X' || rune == '^' || rune == '_') {
		uint32_t before = 0;

		while (utf8_next(&rest, &rune) && rune != 7 && rune != '\n' && rune != 0x9c && !(before == 0x1b && rune == '\\'))
			before = rune;
		*s = rest;
	} else if (rune >= 0x20 && rune < 0x7f) {
		*s = rest;
	}
}

static bool is_direction_mark(uint32_t rune)
{
	return rune == 0x61c || rune == 0x200e || rune == 0x200f || (rune >= 0x202a && rune <= 0x202e) ||
	       (rune >= 0x2066 && rune <= 0x2069);
}

void buf_add_plain(struct buf *b, struct str text)
{
	uint32_t rune;

	while (utf8_next(&text, &rune)) {
		if (rune == 0x1b)
			escape_skip(&text);
		else if ((rune >= '\t' && rune <= '\r') || rune == 0x2028 || rune == 0x2029 || rune == 0x85)
			buf_addc(b, ' ');
		else if (rune >= 0x20 && (rune < 0x7f || rune > 0x9f) && !is_direction_mark(rune))
			buf_add_rune(b, rune);
	}
}

void buf_add_shell_word(struct buf *b, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";

	if (*word && strspn(word, plain) == strlen(word)) {
		buf_adds(b, word);
		return;
	}
	buf_addc(b, '\'');
	for (const char *c = word; *c; c++)
		if (*c == '\'')
			buf_adds(b, "'\\''");
		else
			buf_addc(b, *c);
	buf_addc(b, '\'');
}

void buf_truncate(struct buf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->p[len] = '\0';
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->len) {
		buf_reset(b);
		return;
	}
	memmove(b->p, b->p + n, b->len - n + 1);
	b->len -= n;
}

struct str buf_str(const struct buf *b)
{
	return (struct str){ buf_cstr(b), b->len };
}

char *buf_give(struct buf *b)
{
	char *text = b->p ? b->p : xstrdup("");

	*b = (struct buf){ .max = b->max };
	return text;
}

const char *buf_cstr(const struct buf *b)
{
	return b->p ? b->p : "";
}
