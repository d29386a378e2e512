/*
 * What a scalar means and how numbers and times are written: resolve.go of yaml.v3, strconv and time of Go.
 */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml_private.h"

/* ---- numbers ---- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits of the base only, at least one, no overflow. */
static bool parse_magnitude(struct str s, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)digit_of(s.p[i]);

		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*ret = value;
	return s.len > 0;
}

/* Cuts a base prefix of Go's syntax off: 0x, 0b, 0o in either case, or 0 for octal. */
static unsigned cut_base(struct str *s)
{
	static const struct {
		char letter;
		unsigned base;
	} prefixes[] = { { 'x', 16 }, { 'b', 2 }, { 'o', 8 } };

	if (s->len < 2 || s->p[0] != '0')
		return 10;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		if ((s->p[1] | 0x20) != prefixes[i].letter)
			continue;
		*s = (struct str){ s->p + 2, s->len - 2 };
		return prefixes[i].base;
	}
	*s = (struct str){ s->p + 1, s->len - 1 };
	return 8;
}

static bool cut_sign(struct str *s, bool *ret_negative)
{
	*ret_negative = s->len && s->p[0] == '-';
	if (!s->len || (s->p[0] != '-' && s->p[0] != '+'))
		return false;
	*s = (struct str){ s->p + 1, s->len - 1 };
	return true;
}

static bool set_int(struct yaml_node *ret, uint64_t magnitude, bool negative)
{
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return false;
	ret->kind = YAML_INT;
	ret->i = (int64_t)(negative ? -magnitude : magnitude);
	return true;
}

/* strconv.ParseInt(s, 0, 64), else strconv.ParseUint(s, 0, 64). */
static bool parse_int(struct str s, struct yaml_node *ret)
{
	bool negative, has_sign = cut_sign(&s, &negative);
	unsigned base = cut_base(&s);
	uint64_t magnitude;

	if (!parse_magnitude(s, base, &magnitude))
		return false;
	if (set_int(ret, magnitude, negative))
		return true;
	if (has_sign)
		return false;
	ret->kind = YAML_UINT;
	ret->u = magnitude;
	return true;
}

/* What yaml.v3 tries after that: "0b" and "0o" with a sign behind the prefix. */
static bool parse_odd_int(struct str s, struct yaml_node *ret)
{
	bool negative;
	uint64_t magnitude;

	if (s.len < 4 || s.p[0] != '0' || (s.p[1] != 'b' && s.p[1] != 'o'))
		return false;
	unsigned base = s.p[1] == 'b' ? 2 : 8;

	s = (struct str){ s.p + 2, s.len - 2 };
	return cut_sign(&s, &negative) && parse_magnitude(s, base, &magnitude) && set_int(ret, magnitude, negative);
}

/* `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` */
static bool looks_like_float(struct str s)
{
	size_t i = s.len && (s.p[0] == '-' || s.p[0] == '+'), start = i;

	while (i < s.len && is_digit(s.p[i]))
		i++;
	size_t whole = i - start, part = 0;

	if (i < s.len && s.p[i] == '.')
		for (i++; i < s.len && is_digit(s.p[i]); part++)
			i++;
	if (!whole && !part)
		return false;
	if (i == s.len)
		return true;
	if ((s.p[i] | 0x20) != 'e')
		return false;
	i++;
	i += i < s.len && (s.p[i] == '-' || s.p[i] == '+');
	if (i == s.len)
		return false;
	while (i < s.len && is_digit(s.p[i]))
		i++;
	return i == s.len;
}

static locale_t c_locale(void)
{
	return newlocale(LC_ALL_MASK, "C", (locale_t)0); /* glibc gives a constant, nothing to free */
}

/* strconv.ParseFloat of something that looks like a float; false on overflow. */
static bool parse_float(struct str s, struct yaml_node *ret)
{
	char small[64];
	AUTO_FREE char *large = NULL;
	char *text = small;

	if (!looks_like_float(s))
		return false;
	if (s.len >= sizeof small)
		text = large = str_dup(s);
	else
		*(char *)mempcpy(small, s.p, s.len) = '\0';
	double value = strtod_l(text, NULL, c_locale());

	if (isinf(value))
		return false;
	ret->kind = YAML_FLOAT;
	ret->f = value;
	return true;
}

/* Go allows underscores between digits of a float, and nowhere else. */
static bool drop_float_underscores(struct str s, char *out, size_t *ret_len)
{
	char before = '^';
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i], class = is_digit(c) ? '0' : c == '_' ? '_' : '!';

		if ((class == '_' && before != '0') || (class == '!' && before == '_'))
			return false;
		if (class != '_')
			out[n++] = c;
		before = class;
	}
	*ret_len = n;
	return before != '_';
}

/* ---- times ---- */

static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	unsigned yoe = (unsigned)(year - era * 400);
	unsigned doy = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;

	return era * 146097 + (int64_t)(yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719468;
}

static unsigned days_in(unsigned month, unsigned year)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month - 1];
}

/* One or two digits, as Go's getnum(). */
static bool cut_number(struct str *s, unsigned min, unsigned max, unsigned *ret)
{
	size_t n = 0;

	for (*ret = 0; n < 2 && n < s->len && is_digit(s->p[n]); n++)
		*ret = *ret * 10 + (unsigned)(s->p[n] - '0');
	*s = (struct str){ s->p + n, s->len - n };
	return n > 0 && *ret >= min && *ret <= max;
}

static bool cut_char(struct str *s, char c)
{
	if (!s->len || s->p[0] != c)
		return false;
	*s = (struct str){ s->p + 1, s->len - 1 };
	return true;
}

static int32_t cut_fraction(struct str *s)
{
	int32_t ns = 0, scale = 100000000;
	size_t n = 1;

	if (s->len < 2 || (s->p[0] != '.' && s->p[0] != ',') || !is_digit(s->p[1]))
		return 0;
	for (; n < s->len && is_digit(s->p[n]); n++, scale /= 10)
		ns += (s->p[n] - '0') * scale;
	*s = (struct str){ s->p + n, s->len - n };
	return ns;
}

static bool cut_zone(struct str *s, int32_t *ret_offset_s)
{
	struct str z = *s, minutes;
	unsigned hour, minute;

	if (cut_char(s, 'Z')) {
		*ret_offset_s = 0;
		return true;
	}
	if (z.len < 6 || z.p[3] != ':' || (z.p[0] != '+' && z.p[0] != '-'))
		return false;
	*s = (struct str){ z.p + 6, z.len - 6 };
	minutes = (struct str){ z.p + 4, 2 };
	z = (struct str){ z.p + 1, 2 };
	if (!cut_number(&z, 0, 24, &hour) || z.len || !cut_number(&minutes, 0, 60, &minute) || minutes.len)
		return false;
	*ret_offset_s = (int32_t)(hour * 60 + minute) * 60;
	if (s->p[-6] == '-')
		*ret_offset_s = -*ret_offset_s;
	return true;
}

/* The four layouts of yaml.v3, by the rules of time.Parse. */
static bool parse_time(struct str s, struct yaml_node *ret)
{
	unsigned year = 0, month, day, hour = 0, minute = 0, second = 0;
	struct yaml_time time = { 0 };

	if (s.len < 8 || s.p[4] != '-')
		return false;
	for (size_t i = 0; i < 4; i++) {
		if (!is_digit(s.p[i]))
			return false;
		year = year * 10 + (unsigned)(s.p[i] - '0');
	}
	s = (struct str){ s.p + 5, s.len - 5 };
	if (!cut_number(&s, 1, 12, &month) || !cut_char(&s, '-') || !cut_number(&s, 1, 31, &day) ||
	    day > days_in(month, year))
		return false;
	if (s.len) {
		bool has_zone = cut_char(&s, 'T') || cut_char(&s, 't');

		if (!has_zone) {
			if (!cut_char(&s, ' '))
				return false;
			while (cut_char(&s, ' '))
				;
		}
		if (!cut_number(&s, 0, 23, &hour) || !cut_char(&s, ':') || !cut_number(&s, 0, 59, &minute) ||
		    !cut_char(&s, ':') || !cut_number(&s, 0, 59, &second))
			return false;
		time.ns = cut_fraction(&s);
		if ((has_zone && !cut_zone(&s, &time.offset_s)) || s.len)
			return false;
	}
	time.unix_s = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - time.offset_s;
	ret->kind = YAML_TIMESTAMP;
	ret->time = time;
	return true;
}

void yaml_format_time(struct buf *out, struct yaml_time time)
{
	int64_t local = time.unix_s + time.offset_s;
	int64_t days = (local >= 0 ? local : local - 86399) / 86400;
	unsigned second = (unsigned)(local - days * 86400);
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	unsigned day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
	int64_t year = yoe + era * 400 + (month <= 2);

	buf_addf(out, "%04lld-%02u-%02uT%02u:%02u:%02u", (long long)year, month, day, second / 3600, second / 60 % 60,
		 second % 60);
	if (time.ns) {
		char fraction[16];
		int n = snprintf(fraction, sizeof fraction, ".%09d", (int)time.ns);

		while (fraction[n - 1] == '0')
			n--;
		buf_add(out, fraction, (size_t)n);
	}
	if (!time.offset_s) {
		buf_addc(out, 'Z');
		return;
	}
	int zone = time.offset_s / 60;

	buf_addf(out, "%c%02d:%02d", zone < 0 ? '-' : '+', abs(zone) / 60, abs(zone) % 60);
}

/* ---- floats as text ---- */

struct decimal {
	char digits[20];
	size_t n;
	int exponent; /* of d.ddd */
};

static bool reads_back(const struct decimal *d, double value)
{
	char text[48];

	snprintf(text, sizeof text, "%c.%.*se%d", d->digits[0], (int)d->n - 1, d->digits + 1, d->exponent);
	/* A lone "d.e5" is fine for strtod. */
	return strtod_l(text, NULL, c_locale()) == value;
}

/* snprintf writes the point of the current locale; only digits and the exponent are taken from its text. */
static void decimal_set(struct decimal *d, double value, int precision)
{
	char text[48];

	snprintf(text, sizeof text, "%.*e", precision, value);
	const char *e = strchr(text, 'e');

	d->n = 0;
	for (const char *c = text; c < e; c++)
		if (is_digit(*c) && d->n < sizeof d->digits)
			d->digits[d->n++] = *c;
	d->exponent = atoi(e + 1);
}

/* One more in the last place. */
static void decimal_bump(struct decimal *d)
{
	size_t i = d->n;

	while (i > 0 && d->digits[i - 1] == '9')
		d->digits[--i] = '0';
	if (i > 0) {
		d->digits[i - 1]++;
		return;
	}
	d->digits[0] = '1';
	d->exponent++;
}

/* The fewest digits that read back as value; the nearest of them. */
static void decimal_shortest(struct decimal *d, double value)
{
	for (int precision = 0; precision < 17; precision++) {
		decimal_set(d, value, precision);
		if (reads_back(d, value))
			break;
		/* At powers of two the neighbour below is nearer than the one above: the nearest decimal may fail
		 * where the next one up does not. */
		decimal_bump(d);
		if (reads_back(d, value))
			break;
	}
	while (d->n > 1 && d->digits[d->n - 1] == '0')
		d->n--;
}

void yaml_format_float_as(struct buf *out, double value, int min_exponent, int max_exponent)
{
	struct decimal d;

	if (signbit(value)) {
		buf_addc(out, '-');
		value = -value;
	}
	if (value == 0) {
		buf_addc(out, '0');
		return;
	}
	decimal_shortest(&d, value);
	if (d.exponent < min_exponent || d.exponent >= max_exponent) {
		buf_add(out, d.digits, 1);
		if (d.n > 1) {
			buf_addc(out, '.');
			buf_add(out, d.digits + 1, d.n - 1);
		}
		buf_addf(out, "e%c%02d", d.exponent < 0 ? '-' : '+', abs(d.exponent));
		return;
	}
	size_t whole = d.exponent < 0 ? 0 : (size_t)d.exponent + 1;

	if (!whole) {
		buf_adds(out, "0.");
		buf_add_repeat(out, '0', (size_t)(-d.exponent - 1));
		buf_add(out, d.digits, d.n);
		return;
	}
	buf_add(out, d.digits, d.n < whole ? d.n : whole);
	if (d.n < whole)
		buf_add_repeat(out, '0', whole - d.n);
	if (d.n > whole) {
		buf_addc(out, '.');
		buf_add(out, d.digits + whole, d.n - whole);
	}
}

void yaml_format_float(struct buf *out, double value)
{
	if (isnan(value))
		buf_adds(out, ".nan");
	else if (isinf(value))
		buf_adds(out, value > 0 ? ".inf" : "-.inf");
	else
		yaml_format_float_as(out, value, -4, 6);
}

/* ---- resolution ---- */

enum hint { HINT_NONE, HINT_SIGN_OR_DIGIT, HINT_WORD, HINT_POINT };

static enum hint hint_of(char c)
{
	switch (c) {
	case '0' ... '9':
	case '+':
	case '-':
		return HINT_SIGN_OR_DIGIT;
	case '.':
		return HINT_POINT;
	case 't':
	case 'T':
	case 'f':
	case 'F':
	case 'n':
	case 'N':
	case '~':
		return HINT_WORD;
	default:
		return HINT_NONE;
	}
}

static const struct word {
	struct str text;
	enum yaml_kind kind;
	bool truth;
	double number;
} words[] = {
#define WORD(literal, ...) { { literal, sizeof(literal) - 1 }, __VA_ARGS__ }
	WORD("true", YAML_BOOL, true, 0),	 WORD("True", YAML_BOOL, true, 0),
	WORD("TRUE", YAML_BOOL, true, 0),	 WORD("false", YAML_BOOL, false, 0),
	WORD("False", YAML_BOOL, false, 0),	 WORD("FALSE", YAML_BOOL, false, 0),
	WORD("~", YAML_NULL, false, 0),		 WORD("null", YAML_NULL, false, 0),
	WORD("Null", YAML_NULL, false, 0),	 WORD("NULL", YAML_NULL, false, 0),
	WORD(".nan", YAML_FLOAT, false, NAN),	 WORD(".NaN", YAML_FLOAT, false, NAN),
	WORD(".NAN", YAML_FLOAT, false, NAN),	 WORD(".inf", YAML_FLOAT, false, INFINITY),
	WORD(".Inf", YAML_FLOAT, false, INFINITY), WORD(".INF", YAML_FLOAT, false, INFINITY),
	WORD("+.inf", YAML_FLOAT, false, INFINITY), WORD("+.Inf", YAML_FLOAT, false, INFINITY),
	WORD("+.INF", YAML_FLOAT, false, INFINITY), WORD("-.inf", YAML_FLOAT, false, -INFINITY),
	WORD("-.Inf", YAML_FLOAT, false, -INFINITY), WORD("-.INF", YAML_FLOAT, false, -INFINITY),
#undef WORD
};

static bool resolve_word(struct str s, struct yaml_node *ret)
{
	if (s.len > 5)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const struct word *w = &words[i];

		if (!str_eq(w->text, s))
			continue;
		ret->kind = (uint8_t)w->kind;
		if (w->kind == YAML_BOOL)
			ret->b = w->truth;
		else if (w->kind == YAML_FLOAT)
			ret->f = w->number;
		return true;
	}
	return false;
}

static bool resolve_number(struct str s, struct yaml_node *ret)
{
	AUTO_FREE char *copy = NULL;

	if (memchr(s.p, '_', s.len)) {
		size_t n = 0;

		copy = xmalloc(s.len + 1);
		for (size_t i = 0; i < s.len; i++)
			if (s.p[i] != '_')
				copy[n++] = s.p[i];
		s = (struct str){ copy, n };
	}
	return parse_int(s, ret) || parse_float(s, ret) || parse_odd_int(s, ret);
}

/* After a point: strconv.ParseFloat, which allows some underscores. */
static bool resolve_fraction(struct str s, struct yaml_node *ret)
{
	if (!memchr(s.p, '_', s.len))
		return parse_float(s, ret);
	AUTO_FREE char *copy = xmalloc(s.len + 1);
	size_t n;

	return drop_float_underscores(s, copy, &n) && parse_float((struct str){ copy, n }, ret);
}

enum yaml_kind yaml_resolve(struct str text, struct yaml_node *ret)
{
	struct yaml_node ignored;
	enum hint hint = text.len ? hint_of(text.p[0]) : HINT_NONE;

	if (!ret)
		ret = &ignored;
	ret->kind = text.len ? YAML_STRING : YAML_NULL;
	if (hint == HINT_NONE || resolve_word(text, ret))
		return ret->kind;
	if (hint == HINT_POINT)
		resolve_fraction(text, ret);
	else if (hint == HINT_SIGN_OR_DIGIT && !parse_time(text, ret))
		resolve_number(text, ret);
	return ret->kind;
}

bool yaml_looks_like_time(struct str text, struct yaml_node *ret)
{
	return parse_time(text, ret);
}
