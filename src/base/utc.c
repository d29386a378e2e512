#include "base/utc.h"

#include <stdio.h>
#include <string.h>

#define US_PER_S  INT64_C(1000000)
#define S_PER_DAY INT64_C(86400)

static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};
static const char *const weekdays[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

/* Days of the civil calendar, counted in eras of 400 years that begin on 1 March. */
int64_t utc_days(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

struct utc_fields utc_split(int64_t us)
{
	struct utc_fields f = { 0 };
	int64_t seconds = floor_div(us, US_PER_S), days = floor_div(seconds, S_PER_DAY);
	int64_t of_day = seconds - days * S_PER_DAY;

	f.us = (int)(us - seconds * US_PER_S);
	f.hour = (int)(of_day / 3600);
	f.minute = (int)(of_day / 60 % 60);
	f.second = (int)(of_day % 60);
	f.weekday = (int)(((days + 4) % 7 + 7) % 7);

	int64_t shifted = days + 719468, era = floor_div(shifted, 146097);
	int64_t day_of_era = shifted - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;

	f.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
	f.month = (int)(month < 10 ? month + 3 : month - 9);
	f.year = year_of_era + era * 400 + (f.month <= 2);
	f.yearday = (int)(days - utc_days(f.year, 1, 1) + 1);
	return f;
}

static int days_in_month(int64_t year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* A cursor that fails once and for all. */
struct scan {
	struct str rest;
	bool bad;
};

static int scan_digits(struct scan *scan, size_t n)
{
	int value = 0;

	if (scan->bad || scan->rest.len < n) {
		scan->bad = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		char c = scan->rest.p[i];

		scan->bad |= c < '0' || c > '9';
		value = value * 10 + (c - '0');
	}
	scan->rest = (struct str){ scan->rest.p + n, scan->rest.len - n };
	return scan->bad ? 0 : value;
}

static bool scan_char(struct scan *scan, char c)
{
	if (scan->bad || !scan->rest.len || scan->rest.p[0] != c)
		return false;
	scan->rest = (struct str){ scan->rest.p + 1, scan->rest.len - 1 };
	return true;
}

static void scan_text(struct scan *scan, const char *text)
{
	for (; *text; text++)
		if (!scan_char(scan, *text))
			scan->bad = true;
}

static int scan_name(struct scan *scan, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n && !scan->bad; i++)
		if (str_starts(scan->rest, str_of(names[i]))) {
			scan_text(scan, names[i]);
			return (int)i;
		}
	scan->bad = true;
	return 0;
}

static int scan_micro(struct scan *scan)
{
	int value = 0, digits = 0;

	while (scan->rest.len && scan->rest.p[0] >= '0' && scan->rest.p[0] <= '9') {
		if (digits++ < 6)
			value = value * 10 + (scan->rest.p[0] - '0');
		scan->rest = (struct str){ scan->rest.p + 1, scan->rest.len - 1 };
	}
	scan->bad |= digits == 0;
	for (; digits < 6; digits++)
		value *= 10;
	return value;
}

static int scan_offset_minutes(struct scan *scan)
{
	if (scan_char(scan, 'Z'))
		return 0;
	int sign = scan_char(scan, '-') ? -1 : 1;

	if (sign > 0 && !scan_char(scan, '+'))
		scan->bad = true;
	int hours = scan_digits(scan, 2);

	scan_text(scan, ":");
	int minutes = scan_digits(scan, 2);

	scan->bad |= hours > 23 || minutes > 59;
	return sign * (hours * 60 + minutes);
}

static bool join(const struct scan *scan, struct utc_fields f, int offset_minutes, int64_t *ret_us)
{
	if (scan->bad || scan->rest.len || f.month < 1 || f.month > 12 || f.day < 1 ||
	    f.day > days_in_month(f.year, f.month) || f.hour > 23 || f.minute > 59 || f.second > 59)
		return false;
	int64_t seconds = utc_days(f.year, f.month, f.day) * S_PER_DAY + f.hour * 3600 + f.minute * 60 + f.second;

	*ret_us = (seconds - offset_minutes * INT64_C(60)) * US_PER_S + f.us;
	return true;
}

static void scan_time_of_day(struct scan *scan, struct utc_fields *f)
{
	f->hour = scan_digits(scan, 2);
	scan_text(scan, ":");
	f->minute = scan_digits(scan, 2);
	scan_text(scan, ":");
	f->second = scan_digits(scan, 2);
}

bool utc_parse_rfc3339(struct str text, int64_t *ret_us)
{
	struct scan scan = { .rest = text };
	struct utc_fields f = { 0 };

	f.year = scan_digits(&scan, 4);
	scan_text(&scan, "-");
	f.month = scan_digits(&scan, 2);
	scan_text(&scan, "-");
	f.day = scan_digits(&scan, 2);
	scan_text(&scan, "T");
	scan_time_of_day(&scan, &f);
	if (scan_char(&scan, '.'))
		f.us = scan_micro(&scan);
	int offset = scan_offset_minutes(&scan);

	return join(&scan, f, offset, ret_us);
}

char *utc_format(int64_t us, char *out)
{
	struct utc_fields f = utc_split(us);

	snprintf(out, UTC_TEXT_MAX, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)f.year, f.month, f.day, f.hour,
		 f.minute, f.second);
	return out;
}

char *utc_format_micro(int64_t us, char *out)
{
	struct utc_fields f = utc_split(us);

	snprintf(out, UTC_TEXT_MAX, "%04lld-%02d-%02dT%02d:%02d:%02d.%06dZ", (long long)f.year, f.month, f.day, f.hour,
		 f.minute, f.second, f.us);
	return out;
}

char *utc_format_http_date(int64_t us, char *out)
{
	struct utc_fields f = utc_split(us);

	snprintf(out, UTC_TEXT_MAX, "%s, %02d %s %04lld %02d:%02d:%02d GMT", weekdays[f.weekday], f.day,
		 months[f.month - 1], (long long)f.year, f.hour, f.minute, f.second);
	return out;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool parse_imf(struct scan scan, int64_t *ret_us)
{
	struct utc_fields f = { 0 };

	scan_name(&scan, weekdays, 7);
	scan_text(&scan, ", ");
	f.day = scan_digits(&scan, 2);
	scan_text(&scan, " ");
	f.month = scan_name(&scan, months, 12) + 1;
	scan_text(&scan, " ");
	f.year = scan_digits(&scan, 4);
	scan_text(&scan, " ");
	scan_time_of_day(&scan, &f);
	scan_text(&scan, " GMT");
	return join(&scan, f, 0, ret_us);
}

/* "Sunday, 06-Nov-94 08:49:37 GMT" */
static bool parse_rfc850(struct scan scan, int64_t *ret_us)
{
	static const char *const names[] = { "Sunday",	 "Monday", "Tuesday", "Wednesday",
					     "Thursday", "Friday", "Saturday" };
	struct utc_fields f = { 0 };

	scan_name(&scan, names, 7);
	scan_text(&scan, ", ");
	f.day = scan_digits(&scan, 2);
	scan_text(&scan, "-");
	f.month = scan_name(&scan, months, 12) + 1;
	scan_text(&scan, "-");
	f.year = scan_digits(&scan, 2);
	f.year += f.year < 70 ? 2000 : 1900;
	scan_text(&scan, " ");
	scan_time_of_day(&scan, &f);
	scan_text(&scan, " GMT");
	return join(&scan, f, 0, ret_us);
}

/* "Sun Nov  6 08:49:37 1994" */
static bool parse_asctime(struct scan scan, int64_t *ret_us)
{
	struct utc_fields f = { 0 };

	scan_name(&scan, weekdays, 7);
	scan_text(&scan, " ");
	f.month = scan_name(&scan, months, 12) + 1;
	scan_text(&scan, " ");
	f.day = scan_char(&scan, ' ') ? scan_digits(&scan, 1) : scan_digits(&scan, 2);
	scan_text(&scan, " ");
	scan_time_of_day(&scan, &f);
	scan_text(&scan, " ");
	f.year = scan_digits(&scan, 4);
	return join(&scan, f, 0, ret_us);
}

bool utc_parse_http_date(struct str text, int64_t *ret_us)
{
	struct scan scan = { .rest = str_trim(text) };

	return parse_imf(scan, ret_us) || parse_rfc850(scan, ret_us) || parse_asctime(scan, ret_us);
}

/* Go counts durations in nanoseconds of an int64_t; what overflows there is refused here too. */
static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{ "ns", 1 },	   { "us", 1000 },	{ "\xc2\xb5s", 1000 },		{ "\xce\xbcs", 1000 },
	{ "ms", 1000000 }, { "s", 1000000000 }, { "m", UINT64_C(60000000000) }, { "h", UINT64_C(3600000000000) },
};

static bool scan_unit(struct str *text, uint64_t *ret_ns)
{
	size_t len = 0;

	while (len < text->len && text->p[len] != '.' && (text->p[len] < '0' || text->p[len] > '9'))
		len++;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (str_is((struct str){ text->p, len }, units[i].name)) {
			*ret_ns = units[i].ns;
			*text = (struct str){ text->p + len, text->len - len };
			return true;
		}
	return false;
}

static bool is_digit(struct str text)
{
	return text.len && text.p[0] >= '0' && text.p[0] <= '9';
}

/* One "1.5h": number, fraction, unit. */
static bool scan_part(struct str *text, uint64_t *ret_ns)
{
	unsigned __int128 whole = 0, fraction = 0, scale = 1;
	size_t digits = 0;
	uint64_t unit;

	for (; is_digit(*text); *text = (struct str){ text->p + 1, text->len - 1 }, digits++)
		if ((whole = whole * 10 + (unsigned)(text->p[0] - '0')) > UINT64_C(1) << 63)
			return false;
	if (text->len && text->p[0] == '.') {
		*text = (struct str){ text->p + 1, text->len - 1 };
		for (; is_digit(*text); *text = (struct str){ text->p + 1, text->len - 1 }, digits++)
			if (scale < UINT64_C(1000000000000000000)) {
				fraction = fraction * 10 + (unsigned)(text->p[0] - '0');
				scale *= 10;
			}
	}
	if (!digits || !scan_unit(text, &unit))
		return false;
	unsigned __int128 ns = whole * unit + fraction * unit / scale;

	if (ns > UINT64_C(1) << 63)
		return false;
	*ret_ns = (uint64_t)ns;
	return true;
}

bool duration_parse(struct str text, int64_t *ret_ms)
{
	bool negative = text.len && text.p[0] == '-';
	uint64_t total = 0, part;

	if (text.len && (text.p[0] == '-' || text.p[0] == '+'))
		text = (struct str){ text.p + 1, text.len - 1 };
	if (str_is(text, "0")) {
		*ret_ms = 0;
		return true;
	}
	if (!text.len)
		return false;
	while (text.len) {
		if (!scan_part(&text, &part) || part > (UINT64_C(1) << 63) - total)
			return false;
		total += part;
	}
	if (total > (uint64_t)INT64_MAX && !negative)
		return false;
	int64_t ms = (int64_t)(total / 1000000);

	*ret_ms = negative ? -ms : ms;
	return true;
}

static size_t put_seconds(char *out, int64_t ms)
{
	int n = snprintf(out, UTC_TEXT_MAX, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));

	while (out[n - 1] == '0')
		n--;
	if (out[n - 1] == '.')
		n--;
	out[n++] = 's';
	out[n] = '\0';
	return (size_t)n;
}

char *duration_format(int64_t ms, char *out)
{
	char *at = out;

	if (ms < 0) {
		*at++ = '-';
		ms = -ms;
	}
	if (ms > 0 && ms < 1000) {
		snprintf(at, UTC_TEXT_MAX - 1, "%dms", (int)ms);
		return out;
	}
	int64_t hours = ms / 3600000, minutes = ms / 60000 % 60;

	if (hours)
		at += snprintf(at, 24, "%lldh", (long long)hours);
	if (hours || minutes)
		at += snprintf(at, 4, "%dm", (int)minutes);
	char seconds[UTC_TEXT_MAX];

	put_seconds(seconds, ms % 60000);
	memcpy(at, seconds, strlen(seconds) + 1);
	return out;
}

char *duration_format_short(int64_t ms, char *out)
{
	static const struct {
		int64_t ms;
		const char *name;
	} parts[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" }, { 1, "ms" } };
	char *at = out;

	if (ms < 0) {
		*at++ = '-';
		ms = -ms;
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (ms < parts[i].ms && i + 1 < ARRAY_LEN(parts))
			continue;
		at += snprintf(at, 28, "%lld%s", (long long)(ms / parts[i].ms), parts[i].name);
		int64_t rest = ms % parts[i].ms;

		if (i < 3 && rest >= parts[i + 1].ms)
			snprintf(at, 16, "%d%s", (int)(rest / parts[i + 1].ms), parts[i + 1].name);
		return out;
	}
	return out;
}
