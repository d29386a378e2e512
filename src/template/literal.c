#include "template/literal.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template/unicode.h"

#define RUNE_MAX   0x10ffff
#define RUNE_ERROR 0xfffd

static bool rune_valid(uint64_t rune)
{
	return rune <= RUNE_MAX && !(rune >= 0xd800 && rune <= 0xdfff);
}

/* Writing */

static void add_hex(struct buf *out, uint32_t value, int digits)
{
	while (digits-- > 0)
		buf_addc(out, "0123456789abcdef"[value >> 4 * digits & 15]);
}

static void add_escaped(struct buf *out, uint32_t rune, char quote, bool ascii)
{
	static const char names[] = "abtnvfr"; /* \a is 7, \r is 13 */

	if (rune == (unsigned char)quote || rune == '\\') {
		buf_addc(out, '\\');
		buf_addc(out, (char)rune);
	} else if (unicode_is_printable(rune) && (!ascii || rune < 0x80)) {
		buf_add_rune(out, rune);
	} else if (rune >= 7 && rune <= 13) {
		buf_addc(out, '\\');
		buf_addc(out, names[rune - 7]);
	} else if (rune < ' ' || rune == 0x7f) {
		buf_adds(out, "\\x");
		add_hex(out, rune, 2);
	} else if (rune < 0x10000) {
		buf_adds(out, "\\u");
		add_hex(out, rune, 4);
	} else {
		buf_adds(out, "\\U");
		add_hex(out, rune, 8);
	}
}

void literal_quote(struct buf *out, struct str s, bool ascii)
{
	uint32_t rune;
	size_t width;

	buf_addc(out, '"');
	for (const char *at = s.p; (width = utf8_next(&s, &rune)); at = s.p) {
		if (width == 1 && rune == RUNE_ERROR) {
			buf_adds(out, "\\x");
			add_hex(out, (unsigned char)*at, 2);
		} else {
			add_escaped(out, rune, '"', ascii);
		}
	}
	buf_addc(out, '"');
}

void literal_quote_rune(struct buf *out, uint64_t rune, bool ascii)
{
	buf_addc(out, '\'');
	add_escaped(out, rune_valid(rune) ? (uint32_t)rune : RUNE_ERROR, '\'', ascii);
	buf_addc(out, '\'');
}

bool literal_can_backquote(struct str s)
{
	uint32_t rune;
	size_t width;

	while ((width = utf8_next(&s, &rune))) {
		if (width > 1) {
			if (rune == 0xfeff)
				return false;
		} else if (rune == RUNE_ERROR || (rune < ' ' && rune != '\t') || rune == '`' || rune == 0x7f) {
			return false;
		}
	}
	return true;
}

/* Reading quoted text */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* n digits of the base (a power of two given by its bits); false if there are fewer. */
static bool read_digits(struct str *s, size_t n, int bits, uint32_t *value)
{
	if (s->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int digit = hex_digit(s->p[i]);

		if (digit < 0 || digit >= 1 << bits)
			return false;
		*value = *value << bits | (uint32_t)digit;
	}
	*s = (struct str){ s->p + n, s->len - n };
	return true;
}

static bool read_escape(struct str *s, char quote, uint32_t *ret_rune, bool *ret_multibyte)
{
	static const char names[] = "abtnvfr";
	char c = s->p[0];
	const char *name = c ? strchr(names, c) : NULL;
	uint32_t value = 0;

	*s = (struct str){ s->p + 1, s->len - 1 };
	if (name) {
		*ret_rune = 7 + (uint32_t)(name - names);
	} else if (c == 'x') {
		if (!read_digits(s, 2, 4, &value))
			return false;
		*ret_rune = value;
	} else if (c == 'u' || c == 'U') {
		if (!read_digits(s, c == 'u' ? 4 : 8, 4, &value) || !rune_valid(value))
			return false;
		*ret_rune = value;
		*ret_multibyte = true;
	} else if (c >= '0' && c <= '7') {
		value = (uint32_t)(c - '0');
		if (!read_digits(s, 2, 3, &value) || value > 255)
			return false;
		*ret_rune = value;
	} else if (c == '\\' || ((c == '\'' || c == '"') && c == quote)) {
		*ret_rune = (unsigned char)c;
	} else {
		return false;
	}
	return true;
}

bool literal_unquote_char(struct str *s, char quote, uint32_t *ret_rune, bool *ret_multibyte)
{
	*ret_multibyte = false;
	if (!s->len || (s->p[0] == quote && (quote == '\'' || quote == '"')))
		return false;
	if ((unsigned char)s->p[0] >= 0x80) {
		utf8_next(s, ret_rune);
		*ret_multibyte = true;
		return true;
	}
	if (s->p[0] != '\\') {
		utf8_next(s, ret_rune);
		return true;
	}
	*s = (struct str){ s->p + 1, s->len - 1 };
	return s->len && read_escape(s, quote, ret_rune, ret_multibyte);
}

static struct str without_carriage_returns(struct arena *arena, struct str s)
{
	if (str_find_char(s, '\r') < 0)
		return s;

	char *copy = arena_alloc(arena, s.len);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] != '\r')
			copy[n++] = s.p[i];
	return (struct str){ copy, n };
}

bool literal_unquote(struct arena *arena, struct str literal, struct str *ret)
{
	if (literal.len < 2)
		return false;

	char quote = literal.p[0];
	struct str body = { literal.p + 1, literal.len - 2 };

	if (quote == '`') {
		*ret = without_carriage_returns(arena, body);
		return true;
	}
	if (str_find_char(body, '\\') < 0 && str_find_char(body, '\n') < 0 && utf8_valid(body)) {
		*ret = body;
		return true;
	}

	char *text = arena_alloc(arena, 3 * body.len + 1); /* an invalid byte becomes the three of U+FFFD */
	size_t n = 0;

	while (body.len) {
		uint32_t rune;
		bool multibyte;

		if (body.p[0] == '\n' || !literal_unquote_char(&body, quote, &rune, &multibyte))
			return false;
		if (rune < 0x80 || !multibyte)
			text[n++] = (char)rune;
		else
			n += utf8_put(text + n, rune);
	}
	*ret = (struct str){ text, n };
	return true;
}

/* Reading numbers */

/* An underscore must stand between digits, or between a base prefix and a digit. */
static bool underscores_fit(struct str s)
{
	size_t i = 0;
	char before = '^';
	bool hex = false;

	if (s.len && (s.p[0] == '-' || s.p[0] == '+'))
		i = 1;
	if (s.len >= i + 2 && s.p[i] == '0' && strchr("box", s.p[i + 1] | 32)) {
		hex = (s.p[i + 1] | 32) == 'x';
		before = '0';
		i += 2;
	}
	for (; i < s.len; i++) {
		int digit = hex_digit(s.p[i]);

		if (digit >= 0 && (hex || digit < 10)) {
			before = '0';
		} else if (s.p[i] == '_') {
			if (before != '0')
				return false;
			before = '_';
		} else {
			if (before == '_')
				return false;
			before = '!';
		}
	}
	return before != '_';
}

bool literal_parse_uint(struct str s, uint64_t *ret)
{
	struct str whole = s;
	uint64_t base = 10, value = 0;
	bool underscores = false;

	if (!s.len)
		return false;
	if (s.p[0] == '0') {
		char mark = s.len >= 3 ? s.p[1] | 32 : 0;
		size_t skip = mark == 'b' || mark == 'o' || mark == 'x' ? 2 : 1;

		base = mark == 'b' ? 2 : mark == 'x' ? 16 : 8;
		s = (struct str){ s.p + skip, s.len - skip };
	}
	for (size_t i = 0; i < s.len; i++) {
		int digit = hex_digit(s.p[i]);

		if (s.p[i] == '_') {
			underscores = true;
			continue;
		}
		if (digit < 0 || (uint64_t)digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			return false;
	}
	if (underscores && !underscores_fit(whole))
		return false;
	*ret = value;
	return true;
}

bool literal_parse_int(struct str s, int64_t *ret)
{
	bool negative = s.len && s.p[0] == '-';
	uint64_t value, most = (uint64_t)INT64_MAX + negative;

	if (s.len && (s.p[0] == '+' || s.p[0] == '-'))
		s = (struct str){ s.p + 1, s.len - 1 };
	if (!literal_parse_uint(s, &value) || value > most)
		return false;
	*ret = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

/* True if s is a floating-point number as Go's syntax has it, underscores aside. */
static bool float_syntax(struct str s, bool *ret_underscores)
{
	size_t i = s.len && (s.p[0] == '+' || s.p[0] == '-');
	bool hex = i + 2 < s.len && s.p[i] == '0' && (s.p[i + 1] | 32) == 'x';
	bool dot = false, digits = false;

	i += hex ? 2 : 0;
	for (; i < s.len; i++) {
		int digit = hex_digit(s.p[i]);

		if (s.p[i] == '_')
			*ret_underscores = true;
		else if (s.p[i] == '.' && !dot)
			dot = true;
		else if (digit >= 0 && (hex || digit < 10))
			digits = true;
		else
			break;
	}
	if (!digits)
		return false;
	if (i == s.len)
		return !hex; /* a hexadecimal mantissa needs its exponent */
	if ((s.p[i++] | 32) != (hex ? 'p' : 'e'))
		return false;
	if (i < s.len && (s.p[i] == '+' || s.p[i] == '-'))
		i++;
	if (i == s.len || s.p[i] < '0' || s.p[i] > '9')
		return false;
	for (; i < s.len; i++) {
		if (s.p[i] == '_')
			*ret_underscores = true;
		else if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return true;
}

/* The C locale, which needs no memory of its own. Numbers must not follow the user's. */
static locale_t c_locale(void)
{
	return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool literal_parse_float(struct str s, double *ret)
{
	bool underscores = false;

	if (!float_syntax(s, &underscores) || (underscores && !underscores_fit(s)))
		return false;

	AUTO_FREE char *clean = xmalloc(s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] != '_')
			clean[n++] = s.p[i];
	clean[n] = 0;
	*ret = strtod_l(clean, NULL, c_locale());
	return isfinite(*ret);
}

/* Writing floats */

/* Room for 17 digits in the form -d.dddde-ddd. */
#define SHORTEST_MAX 32

static bool is_power_of_two(double f)
{
	int exponent;

	return fabs(frexp(f, &exponent)) == 0.5;
}

/* The digits of the shortest decimal that reads back as f > 0, without a point; the exponent is that of the first. */
static int shortest_digits(double f, char digits[SHORTEST_MAX], int *ret_exponent)
{
	locale_t c = c_locale();
	char text[SHORTEST_MAX];
	int n;

	for (n = 1; n < 17; n++) {
		snprintf(text, sizeof text, "%.*e", n - 1, f);
		if (strtod_l(text, NULL, c) == f)
			break;
		/* Below a power of two the gap is half as wide as above: the neighbour above may be inside while the
		 * nearest decimal is not. */
		if (is_power_of_two(f)) {
			char *last = strchr(text, 'e') - 1;

			if (*last < '9' && (++*last, strtod_l(text, NULL, c) == f))
				break;
		}
	}
	if (n == 17)
		snprintf(text, sizeof text, "%.16e", f);

	char *e = strchr(text, 'e');
	int count = 0;

	for (char *p = text; p < e; p++)
		if (*p >= '0' && *p <= '9')
			digits[count++] = *p;
	while (count > 1 && digits[count - 1] == '0')
		count--;
	*ret_exponent = atoi(e + 1);
	return count;
}

static void add_exponent_form(struct buf *out, const char *digits, int n, int exponent, char e)
{
	buf_addc(out, digits[0]);
	if (n > 1) {
		buf_addc(out, '.');
		buf_add(out, digits + 1, (size_t)n - 1);
	}
	buf_addc(out, e);
	buf_addf(out, "%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

static void add_point_form(struct buf *out, const char *digits, int n, int exponent)
{
	if (exponent < 0) {
		buf_adds(out, "0.");
		buf_add_repeat(out, '0', (size_t)(-exponent - 1));
		buf_add(out, digits, (size_t)n);
	} else if (n <= exponent + 1) {
		buf_add(out, digits, (size_t)n);
		buf_add_repeat(out, '0', (size_t)(exponent + 1 - n));
	} else {
		buf_add(out, digits, (size_t)exponent + 1);
		buf_addc(out, '.');
		buf_add(out, digits + exponent + 1, (size_t)(n - exponent - 1));
	}
}

static void add_shortest(struct buf *out, double f, char format)
{
	char digits[SHORTEST_MAX] = "0";
	int exponent = 0, n = 1;

	if (f != 0)
		n = shortest_digits(f, digits, &exponent);
	if (format == 'e' || format == 'E')
		add_exponent_form(out, digits, n, exponent, format);
	else if ((format == 'g' || format == 'G') && (exponent < -4 || exponent >= 6))
		add_exponent_form(out, digits, n, exponent, format == 'g' ? 'e' : 'E');
	else
		add_point_form(out, digits, n, exponent);
}

/* 4503599627370496p-52 */
static void add_binary(struct buf *out, double f)
{
	uint64_t bits;
	int exponent;

	memcpy(&bits, &f, sizeof bits);
	exponent = (int)(bits >> 52 & 0x7ff);
	bits &= UINT64_C(0xfffffffffffff);
	if (exponent)
		bits |= UINT64_C(1) << 52;
	else
		exponent = 1;
	buf_addf(out, "%llup%+d", (unsigned long long)bits, exponent - 1023 - 52);
}

/* 0x1.8p+01, normalised even where the number is not */
static void add_hexadecimal(struct buf *out, double f, char format, int precision)
{
	const char *digits = format == 'x' ? "0123456789abcdef" : "0123456789ABCDEF";
	uint64_t mantissa;
	int exponent;

	memcpy(&mantissa, &f, sizeof mantissa);
	exponent = (int)(mantissa >> 52 & 0x7ff);
	mantissa &= UINT64_C(0xfffffffffffff);
	if (exponent)
		mantissa |= UINT64_C(1) << 52;
	else
		exponent = 1;
	exponent = mantissa ? exponent - 1023 : 0;
	mantissa <<= 8;
	while (mantissa && !(mantissa & UINT64_C(1) << 60)) {
		mantissa <<= 1;
		exponent--;
	}
	if (precision >= 0 && precision < 15) {
		int shift = precision * 4;
		uint64_t rest = mantissa << shift & ((UINT64_C(1) << 60) - 1);

		mantissa >>= 60 - shift;
		if ((rest | (mantissa & 1)) > UINT64_C(1) << 59)
			mantissa++;
		mantissa <<= 60 - shift;
		if (mantissa & UINT64_C(1) << 61) {
			mantissa >>= 1;
			exponent++;
		}
	}
	buf_addc(out, '0');
	buf_addc(out, format);
	buf_addc(out, (char)('0' + (mantissa >> 60 & 1)));
	mantissa <<= 4;
	if (precision > 0 || (precision < 0 && mantissa))
		buf_addc(out, '.');
	for (int i = 0; precision < 0 ? mantissa != 0 : i < precision; i++, mantissa <<= 4)
		buf_addc(out, digits[mantissa >> 60 & 15]);
	buf_addf(out, "%c%c%02d", format == 'x' ? 'p' : 'P', exponent < 0 ? '-' : '+', abs(exponent));
}

static void add_rounded(struct buf *out, double f, char format, int precision)
{
	const char template[] = { '%', '.', '*', format, 0 };

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	int n = snprintf(NULL, 0, template, precision, f);
	AUTO_FREE char *text = xmalloc((size_t)n + 1);

	snprintf(text, (size_t)n + 1, template, precision, f);
#pragma GCC diagnostic pop
	buf_add(out, text, (size_t)n);
}

void literal_format_float(struct buf *out, double f, char format, int precision)
{
	if (isnan(f)) {
		buf_adds(out, "NaN");
		return;
	}
	if (isinf(f)) {
		buf_adds(out, f < 0 ? "-Inf" : "+Inf");
		return;
	}
	if (signbit(f)) {
		buf_addc(out, '-');
		f = -f;
	}

	locale_t before = uselocale(c_locale());

	if (format == 'b')
		add_binary(out, f);
	else if (format == 'x' || format == 'X')
		add_hexadecimal(out, f, format, precision);
	else if (precision < 0)
		add_shortest(out, f, format);
	else
		add_rounded(out, f, format, precision);
	uselocale(before);
}
