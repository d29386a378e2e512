#include "model/quantity.h"

#define NANO ((__int128)1000000000)
#define LIMIT ((__int128)1 << 120) /* nothing real comes near; leaves room for sums */

static const struct {
	const char *suffix;
	int base, power;
} suffixes[] = {
	{ "", 10, 0 },	 { "n", 10, -9 }, { "u", 10, -6 }, { "m", 10, -3 }, { "k", 10, 3 },  { "M", 10, 6 },  { "G", 10, 9 },
	{ "T", 10, 12 }, { "P", 10, 15 }, { "E", 10, 18 }, { "Ki", 2, 10 }, { "Mi", 2, 20 }, { "Gi", 2, 30 },
	{ "Ti", 2, 40 }, { "Pi", 2, 50 }, { "Ei", 2, 60 },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "e3", "E-3": an exponent of ten. */
static bool exponent_parse(struct str text, int *ret)
{
	bool negative = false;
	int value = 0;

	if (text.len < 2 || (text.p[0] != 'e' && text.p[0] != 'E'))
		return false;
	text.p++, text.len--;
	if (text.p[0] == '+' || text.p[0] == '-') {
		negative = text.p[0] == '-';
		text.p++, text.len--;
	}
	if (!text.len)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!is_digit(text.p[i]) || value > 99)
			return false;
		value = value * 10 + (text.p[i] - '0');
	}
	*ret = negative ? -value : value;
	return true;
}

static bool suffix_parse(struct str text, int *ret_base, int *ret_power)
{
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		if (str_is(text, suffixes[i].suffix)) {
			*ret_base = suffixes[i].base;
			*ret_power = suffixes[i].power;
			return true;
		}
	}
	*ret_base = 10;
	return exponent_parse(text, ret_power);
}

/* value × base^power, what is lost rounded away from zero. */
static bool scale(__int128 *value, int base, int power)
{
	bool inexact = false;

	for (; power > 0; power--) {
		if (*value > LIMIT / base)
			return false;
		*value *= base;
	}
	for (; power < 0; power++) {
		inexact = inexact || *value % base;
		*value /= base;
	}
	*value += inexact;
	return true;
}

bool quantity_parse(struct str text, struct quantity *ret)
{
	__int128 value = 0;
	bool negative = false, point = false, any = false;
	int fraction = 0, base, power;
	bool lost = false;

	if (text.len && (text.p[0] == '-' || text.p[0] == '+')) {
		negative = text.p[0] == '-';
		text.p++, text.len--;
	}
	for (; text.len && (is_digit(text.p[0]) || (text.p[0] == '.' && !point)); text.p++, text.len--) {
		if (text.p[0] == '.') {
			point = true;
			continue;
		}
		any = true;
		/* Digits far behind the point can only round up. */
		if (point && fraction >= 27) {
			lost = lost || text.p[0] != '0';
			continue;
		}
		if (value > LIMIT / 10)
			return false;
		value = value * 10 + (text.p[0] - '0');
		fraction += point;
	}
	if (!any || !suffix_parse(text, &base, &power))
		return false;
	/* Nano-units: × 10^9, ÷ 10^fraction, × the suffix. Powers of two first while the number is whole. */
	if (base == 2 && !scale(&value, 2, power))
		return false;
	if (!scale(&value, 10, 9 - fraction + (base == 10 ? power : 0)))
		return false;
	if (lost && value < LIMIT)
		value++;
	ret->nano = negative ? -value : value;
	return true;
}

int quantity_cmp(struct quantity a, struct quantity b)
{
	return (a.nano > b.nano) - (a.nano < b.nano);
}

bool quantity_add(struct quantity a, struct quantity b, struct quantity *ret)
{
	__int128 sum = a.nano + b.nano; /* both within ±2^121 */

	if (sum > LIMIT * 2 || sum < -LIMIT * 2)
		return false;
	ret->nano = sum;
	return true;
}

static int64_t divided(__int128 nano, __int128 by)
{
	__int128 q = nano / by;

	if (nano % by)
		q += nano > 0 ? 1 : -1;
	return q > INT64_MAX ? INT64_MAX : q < INT64_MIN ? INT64_MIN : (int64_t)q;
}

int64_t quantity_milli(struct quantity q)
{
	return divided(q.nano, NANO / 1000);
}

int64_t quantity_whole(struct quantity q)
{
	return divided(q.nano, NANO);
}
