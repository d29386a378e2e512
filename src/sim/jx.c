#include "sim/jx.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *walk(const json_t *root, va_list ap)
{
	const json_t *at = root;
	const char *key;

	while (at && (key = va_arg(ap, const char *)))
		at = json_object_get(at, key);
	return (json_t *)at;
}

json_t *jx_get(const json_t *root, ...)
{
	va_list ap;

	va_start(ap, root);
	json_t *at = walk(root, ap);
	va_end(ap);
	return at;
}

const char *jx_str(const json_t *root, ...)
{
	va_list ap;

	va_start(ap, root);
	const char *text = json_string_value(walk(root, ap));
	va_end(ap);
	return text ? text : "";
}

int64_t jx_int(int64_t otherwise, const json_t *root, ...)
{
	va_list ap;

	va_start(ap, root);
	const json_t *at = walk(root, ap);
	va_end(ap);
	return json_is_integer(at) ? json_integer_value(at) : otherwise;
}

void jx_set(json_t *root, json_t *value, ...)
{
	va_list ap;
	json_t *at = root;

	va_start(ap, value);
	const char *key = va_arg(ap, const char *);
	for (const char *next; (next = va_arg(ap, const char *)); key = next) {
		json_t *child = json_object_get(at, key);

		if (!json_is_object(child)) {
			child = json_object();
			json_object_set_new(at, key, child);
		}
		at = child;
	}
	va_end(ap);
	json_object_set_new(at, key, value);
}

void jx_del(json_t *root, ...)
{
	va_list ap;
	json_t *at = root;

	va_start(ap, root);
	const char *key = va_arg(ap, const char *);
	for (const char *next; (next = va_arg(ap, const char *)); key = next)
		at = json_object_get(at, key);
	va_end(ap);
	json_object_del(at, key);
}

bool jx_is(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

bool jx_empty(const json_t *value)
{
	return !value || json_is_null(value) || (json_is_object(value) && !json_object_size(value)) ||
	       (json_is_array(value) && !json_array_size(value));
}

json_t *jx_parse(const char *text, size_t len, char **ret_error)
{
	json_error_t why;
	json_t *root = json_loadb(text ? text : "", len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);

	if (!root && ret_error)
		*ret_error = xstrdup(why.text);
	return root;
}

static int add(const char *bytes, size_t len, void *arg)
{
	buf_add(arg, bytes, len);
	return 0;
}

void jx_dump(const json_t *value, struct buf *out)
{
	json_dump_callback(value, add, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void jx_sort(json_t *object)
{
	size_t n = json_object_size(object), i = 0;
	const char *key, *last = "";
	bool sorted = true;
	json_t *value;

	if (n < 2)
		return;
	json_object_foreach(object, key, value) {
		sorted = sorted && strcmp(last, key) <= 0;
		last = key;
	}
	if (sorted)
		return;
	const char **keys = xcalloc(n, sizeof *keys);
	json_t *copy = json_copy(object);

	json_object_foreach(copy, key, value)
		keys[i++] = key;
	qsort(keys, n, sizeof *keys, by_key);
	json_object_clear(object);
	for (i = 0; i < n; i++)
		json_object_set(object, keys[i], json_object_get(copy, keys[i]));
	json_decref(copy);
	free(keys);
}

ptrdiff_t jx_find(const json_t *list, const char *key, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (jx_is(json_object_get(json_array_get(list, i), key), text))
			return (ptrdiff_t)i;
	return -1;
}

json_t *jx_time(int64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;
	char text[40];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

json_t *jx_micro_time(int64_t unix_us)
{
	time_t seconds = (time_t)(unix_us / 1000000);
	struct tm tm;
	char text[40];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
	return json_sprintf("%s.%06dZ", text, (int)(unix_us % 1000000));
}

int64_t jx_time_ms(const char *text)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!rest)
		return 0;
	int64_t ms = (int64_t)timegm(&tm) * 1000, scale = 100;

	if (*rest == '.')
		for (rest++; isdigit((unsigned char)*rest); rest++, scale /= 10)
			ms += (*rest - '0') * scale;
	if (*rest == '+' || *rest == '-') {
		int hours = 0, minutes = 0;

		sscanf(rest + 1, "%2d:%2d", &hours, &minutes);
		ms -= (*rest == '+' ? 1 : -1) * (hours * 60 + minutes) * (int64_t)60000;
	}
	return ms;
}

/* A quantity: sign, nano units (as two parts: a 128-bit count of 1e-9) and how it was spelled. */
struct quantity {
	__int128 nano;
	enum { DECIMAL, BINARY, EXPONENT } format;
};

static const struct suffix {
	const char *text;
	int ten, two;
} suffixes[] = {
	{ "", 0, 0 },	 { "n", -9, 0 },  { "u", -6, 0 },  { "m", -3, 0 },  { "k", 3, 0 },    { "M", 6, 0 },
	{ "G", 9, 0 },	 { "T", 12, 0 },  { "P", 15, 0 },  { "E", 18, 0 },  { "Ki", 0, 10 },  { "Mi", 0, 20 },
	{ "Gi", 0, 30 }, { "Ti", 0, 40 }, { "Pi", 0, 50 }, { "Ei", 0, 60 },
};

static __int128 shift10(__int128 value, int ten)
{
	for (; ten > 0 && value < ((__int128)1 << 120) / 10; ten--)
		value *= 10;
	for (; ten < 0; ten++)
		value = (value + 9) / 10; /* rounded up, as Go does */
	return value;
}

static bool quantity_parse(const char *text, struct quantity *ret)
{
	bool negative = *text == '-', digits = false, fraction = false;
	int decimals = 0;
	__int128 value = 0;

	if (*text == '-' || *text == '+')
		text++;
	for (; isdigit((unsigned char)*text) || (*text == '.' && !fraction); text++) {
		if (*text == '.') {
			fraction = true;
			continue;
		}
		digits = true;
		if (value < ((__int128)1 << 80)) {
			value = value * 10 + (*text - '0');
			decimals += fraction;
		}
	}
	if (!digits)
		return false;
	ret->format = DECIMAL;
	if ((*text == 'e' || *text == 'E') && (isdigit((unsigned char)text[1]) || text[1] == '-' || text[1] == '+')) {
		char *end;
		long ten = strtol(text + 1, &end, 10);

		if (*end || ten > 18 || ten < -18)
			return false;
		ret->format = EXPONENT;
		ret->nano = shift10(value, (int)ten + 9 - decimals);
	} else {
		size_t i = 0;

		while (i < ARRAY_LEN(suffixes) && strcmp(text, suffixes[i].text) != 0)
			i++;
		if (i == ARRAY_LEN(suffixes))
			return false;
		if (suffixes[i].two) {
			ret->format = BINARY;
			if (value >> (110 - suffixes[i].two) / 2 > ((__int128)1 << 30))
				return false;
			ret->nano = shift10(value << suffixes[i].two, 9 - decimals);
		} else {
			ret->nano = shift10(value, 9 + suffixes[i].ten - decimals);
		}
	}
	if (negative)
		ret->nano = -ret->nano;
	return true;
}

char *jx_quantity(const char *text)
{
	static const char *const binary[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
	static const char *const decimal[] = { "n", "u", "m", "", "k", "M", "G", "T", "P", "E" };
	struct quantity q;
	size_t unit;

	if (!quantity_parse(text, &q))
		return NULL;
	bool negative = q.nano < 0;
	__int128 n = negative ? -q.nano : q.nano, one = 1000000000;

	if (q.format == BINARY && n >= 1024 * one) {
		n = (n + one - 1) / one;
		for (unit = 0; unit < 6 && n % 1024 == 0; unit++)
			n /= 1024;
		return xasprintf("%s%lld%s", negative ? "-" : "", (long long)n, binary[unit]);
	}
	if (!n)
		return xstrdup("0");
	for (unit = 0; unit < 9 && n % 1000 == 0; unit++)
		n /= 1000;
	if (q.format == EXPONENT && unit != 3)
		return xasprintf("%s%llde%d", negative ? "-" : "", (long long)n, ((int)unit - 3) * 3);
	return xasprintf("%s%lld%s", negative ? "-" : "", (long long)n, decimal[unit]);
}

int64_t jx_milli(const char *text)
{
	struct quantity q;

	if (!quantity_parse(text, &q))
		return 0;
	__int128 milli = q.nano / 1000000;

	return milli > INT64_MAX ? INT64_MAX : milli < INT64_MIN ? INT64_MIN : (int64_t)milli;
}
