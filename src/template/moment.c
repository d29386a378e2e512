#include "template/moment.h"

#include <stdlib.h>
#include <string.h>

#include "template/function.h"

#define SECONDS_PER_DAY 86400
#define NANOSECONDS	1000000000

static const struct value_method time_methods[], month_methods[], weekday_methods[], duration_methods[],
	location_methods[];

const struct value_type value_type_time = { .kind = VALUE_STRUCT, .name = "time.Time", .methods = time_methods };
static const struct value_type month_type = { .kind = VALUE_INT, .name = "time.Month", .methods = month_methods };
static const struct value_type weekday_type = { .kind = VALUE_INT, .name = "time.Weekday", .methods = weekday_methods };
static const struct value_type duration_type = { .kind = VALUE_INT64,
						 .name = "time.Duration",
						 .methods = duration_methods };
static const struct value_type location_struct = { .kind = VALUE_STRUCT, .name = "time.Location" };
static const struct value_type location_type = {
	.kind = VALUE_POINTER, .name = "*time.Location", .elem = &location_struct, .methods = location_methods
};
static const struct value utc = { .type = &location_struct };
static const struct value_type bytes_type = VALUE_TYPE_SLICE("[]uint8", &value_type_uint8);

static const char *const month_names[] = { "January", "February", "March",     "April",	  "May",      "June",
					   "July",    "August",	  "September", "October", "November", "December" };
static const char *const day_names[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };

/* The calendar */

struct calendar {
	int64_t year;
	int month, day, year_day, weekday; /* month and days from 1, weekday 0: Sunday */
	int hour, minute, second;
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970 of a date; months and days may run over. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	year += floor_div(month - 1, 12);
	month = month - 1 - floor_div(month - 1, 12) * 12 + 1;

	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = floor_div(y, 400), of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year + day - 1 - 719468;
}

static struct calendar calendar_of(struct value time)
{
	int64_t days = floor_div(time.time.seconds, SECONDS_PER_DAY);
	int rest = (int)(time.time.seconds - days * SECONDS_PER_DAY);
	int64_t z = days + 719468, era = floor_div(z, 146097), of_era = z - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;
	struct calendar c = {
		.year = year + era * 400 + (m >= 10),
		.month = (int)(m < 10 ? m + 3 : m - 9),
		.day = (int)(of_year - (153 * m + 2) / 5 + 1),
		.weekday = (int)(((days + 4) % 7 + 7) % 7),
		.hour = rest / 3600,
		.minute = rest / 60 % 60,
		.second = rest % 60,
	};

	c.year_day = (int)(days - days_of(c.year, 1, 1)) + 1;
	return c;
}

/* Layouts */

enum part {
	PART_LONG_MONTH,
	PART_MONTH,
	PART_NUMBER_MONTH,
	PART_ZERO_MONTH,
	PART_LONG_WEEKDAY,
	PART_WEEKDAY,
	PART_DAY,
	PART_UNDER_DAY,
	PART_ZERO_DAY,
	PART_UNDER_YEAR_DAY,
	PART_ZERO_YEAR_DAY,
	PART_HOUR,
	PART_HOUR12,
	PART_ZERO_HOUR12,
	PART_MINUTE,
	PART_ZERO_MINUTE,
	PART_SECOND,
	PART_ZERO_SECOND,
	PART_LONG_YEAR,
	PART_YEAR,
	PART_UPPER_PM,
	PART_LOWER_PM,
	PART_ZONE_NAME,
	PART_Z,		  /* Z, as we are at no offset */
	PART_ZERO_OFFSET, /* +0000 in the form of the layout */
};

/* Where several begin alike, the first that fits is it. */
static const struct {
	const char *text;
	enum part part;
	bool not_before_lower; /* "Jan" in "Janet" is no month */
} layout_parts[] = {
	{ "January", PART_LONG_MONTH, false },
	{ "Jan", PART_MONTH, true },
	{ "Monday", PART_LONG_WEEKDAY, false },
	{ "Mon", PART_WEEKDAY, true },
	{ "MST", PART_ZONE_NAME, false },
	{ "002", PART_ZERO_YEAR_DAY, false },
	{ "01", PART_ZERO_MONTH, false },
	{ "02", PART_ZERO_DAY, false },
	{ "03", PART_ZERO_HOUR12, false },
	{ "04", PART_ZERO_MINUTE, false },
	{ "05", PART_ZERO_SECOND, false },
	{ "06", PART_YEAR, false },
	{ "15", PART_HOUR, false },
	{ "1", PART_NUMBER_MONTH, false },
	{ "2006", PART_LONG_YEAR, false },
	{ "2", PART_DAY, false },
	{ "_2", PART_UNDER_DAY, false },
	{ "__2", PART_UNDER_YEAR_DAY, false },
	{ "3", PART_HOUR12, false },
	{ "4", PART_MINUTE, false },
	{ "5", PART_SECOND, false },
	{ "PM", PART_UPPER_PM, false },
	{ "pm", PART_LOWER_PM, false },
	{ "-070000", PART_ZERO_OFFSET, false },
	{ "-07:00:00", PART_ZERO_OFFSET, false },
	{ "-0700", PART_ZERO_OFFSET, false },
	{ "-07:00", PART_ZERO_OFFSET, false },
	{ "-07", PART_ZERO_OFFSET, false },
	{ "Z070000", PART_Z, false },
	{ "Z07:00:00", PART_Z, false },
	{ "Z0700", PART_Z, false },
	{ "Z07:00", PART_Z, false },
	{ "Z07", PART_Z, false },
};

static void add_number(struct buf *out, int64_t n, int width)
{
	if (n < 0)
		buf_addc(out, '-');
	buf_addf(out, "%0*lld", width, (long long)llabs(n));
}

static int hour12(const struct calendar *c)
{
	return c->hour % 12 ? c->hour % 12 : 12;
}

static void add_part(struct buf *out, const struct calendar *c, enum part part, struct str text)
{
	switch (part) {
	case PART_LONG_MONTH:
		buf_adds(out, month_names[c->month - 1]);
		break;
	case PART_MONTH:
		buf_add(out, month_names[c->month - 1], 3);
		break;
	case PART_NUMBER_MONTH:
		add_number(out, c->month, 0);
		break;
	case PART_ZERO_MONTH:
		add_number(out, c->month, 2);
		break;
	case PART_LONG_WEEKDAY:
		buf_adds(out, day_names[c->weekday]);
		break;
	case PART_WEEKDAY:
		buf_add(out, day_names[c->weekday], 3);
		break;
	case PART_DAY:
		add_number(out, c->day, 0);
		break;
	case PART_UNDER_DAY:
		buf_addf(out, "%2d", c->day);
		break;
	case PART_ZERO_DAY:
		add_number(out, c->day, 2);
		break;
	case PART_UNDER_YEAR_DAY:
		buf_addf(out, "%3d", c->year_day);
		break;
	case PART_ZERO_YEAR_DAY:
		add_number(out, c->year_day, 3);
		break;
	case PART_HOUR:
		add_number(out, c->hour, 2);
		break;
	case PART_HOUR12:
		add_number(out, hour12(c), 0);
		break;
	case PART_ZERO_HOUR12:
		add_number(out, hour12(c), 2);
		break;
	case PART_MINUTE:
		add_number(out, c->minute, 0);
		break;
	case PART_ZERO_MINUTE:
		add_number(out, c->minute, 2);
		break;
	case PART_SECOND:
		add_number(out, c->second, 0);
		break;
	case PART_ZERO_SECOND:
		add_number(out, c->second, 2);
		break;
	case PART_LONG_YEAR:
		add_number(out, c->year, 4);
		break;
	case PART_YEAR:
		add_number(out, llabs(c->year) % 100, 2);
		break;
	case PART_UPPER_PM:
		buf_adds(out, c->hour >= 12 ? "PM" : "AM");
		break;
	case PART_LOWER_PM:
		buf_adds(out, c->hour >= 12 ? "pm" : "am");
		break;
	case PART_ZONE_NAME:
		buf_adds(out, "UTC");
		break;
	case PART_Z:
		buf_addc(out, 'Z');
		break;
	case PART_ZERO_OFFSET:
		buf_addc(out, '+');
		for (size_t i = 1; i < text.len; i++)
			buf_addc(out, text.p[i] == ':' ? ':' : '0');
		break;
	}
}

/* ".000" or ",999" and the like at the start of layout; 0 if there is none. */
static size_t fraction_length(struct str layout)
{
	size_t n = 1;

	if (layout.len < 2 || (layout.p[0] != '.' && layout.p[0] != ',') || (layout.p[1] != '0' && layout.p[1] != '9'))
		return 0;
	while (n < layout.len && layout.p[n] == layout.p[1])
		n++;
	return n < layout.len && layout.p[n] >= '0' && layout.p[n] <= '9' ? 0 : n;
}

static void add_fraction(struct buf *out, int nanoseconds, struct str text)
{
	bool trims = text.p[1] == '9';
	size_t digits = text.len - 1 > 9 ? 9 : text.len - 1;
	char all[16];

	if (trims && !nanoseconds)
		return;
	for (int i = 8, n = nanoseconds; i >= 0; i--, n /= 10)
		all[i] = (char)('0' + n % 10);
	while (trims && digits && all[digits - 1] == '0')
		digits--;
	if (!trims || digits)
		buf_addc(out, text.p[0]);
	buf_add(out, all, digits);
}

void moment_format(struct value time, struct str layout, struct buf *out)
{
	struct calendar c = calendar_of(time);

	while (layout.len) {
		size_t used = fraction_length(layout), i;

		if (used) {
			add_fraction(out, time.time.nanoseconds, (struct str){ layout.p, used });
		} else if (str_starts(layout, STR("_2006"))) {
			buf_addc(out, '_'); /* that is an underscore and a year */
			used = 1;
		} else {
			for (i = 0; i < ARRAY_LEN(layout_parts); i++) {
				struct str text = str_of(layout_parts[i].text);

				if (!str_starts(layout, text))
					continue;
				if (layout_parts[i].not_before_lower && layout.len > text.len &&
				    layout.p[text.len] >= 'a' && layout.p[text.len] <= 'z')
					continue;
				add_part(out, &c, layout_parts[i].part, text);
				used = text.len;
				break;
			}
			if (!used) {
				buf_addc(out, layout.p[0]);
				used = 1;
			}
		}
		layout = (struct str){ layout.p + used, layout.len - used };
	}
}

/* String and GoString */

static void add_duration(struct buf *out, int64_t duration)
{
	uint64_t u = duration < 0 ? 0 - (uint64_t)duration : (uint64_t)duration;
	static const struct {
		uint64_t below, unit;
		int digits;
		const char *name;
	} small[] = { { 1000, 1, 0, "ns" }, { 1000000, 1000, 3, "\302\265s" }, { NANOSECONDS, 1000000, 6, "ms" } };
	uint64_t unit = NANOSECONDS;
	const char *name = "s";
	int digits = 9;
	char fraction[16];

	if (!u) {
		buf_adds(out, "0s");
		return;
	}
	if (duration < 0)
		buf_addc(out, '-');
	for (size_t i = 0; i < ARRAY_LEN(small); i++) {
		if (u < small[i].below) {
			unit = small[i].unit;
			digits = small[i].digits;
			name = small[i].name;
			break;
		}
	}

	uint64_t whole = u / unit, rest = u % unit;

	if (unit == NANOSECONDS && whole >= 3600)
		buf_addf(out, "%lluh", (unsigned long long)(whole / 3600));
	if (unit == NANOSECONDS && whole >= 60)
		buf_addf(out, "%llum", (unsigned long long)(whole / 60 % 60));
	buf_addf(out, "%llu", (unsigned long long)(unit == NANOSECONDS ? whole % 60 : whole));
	if (rest) {
		for (int i = digits - 1; i >= 0; i--, rest /= 10)
			fraction[i] = (char)('0' + rest % 10);
		while (fraction[digits - 1] == '0')
			digits--;
		buf_addc(out, '.');
		buf_add(out, fraction, (size_t)digits);
	}
	buf_adds(out, name);
}

static void add_name(struct buf *out, const char *const *names, size_t n, int64_t i, const char *type)
{
	if (i >= 0 && (size_t)i < n)
		buf_adds(out, names[i]);
	else
		buf_addf(out, "%%!%s(%llu)", type, (unsigned long long)i + (strcmp(type, "Month") ? 0 : 1));
}

bool moment_string(struct value v, struct buf *out)
{
	if (v.type == &value_type_time)
		moment_format(v, STR("2006-01-02 15:04:05.999999999 -0700 MST"), out);
	else if (v.type == &month_type)
		add_name(out, month_names, 12, v.integer - 1, "Month");
	else if (v.type == &weekday_type)
		add_name(out, day_names, 7, v.integer, "Weekday");
	else if (v.type == &duration_type)
		add_duration(out, v.integer);
	else if (v.type == &location_type && v.target)
		buf_adds(out, "UTC");
	else
		return false;
	return true;
}

bool moment_go_string(struct value v, struct buf *out)
{
	struct calendar c;

	if (v.type != &value_type_time)
		return false;
	c = calendar_of(v);
	buf_addf(out, "time.Date(%lld, time.%s, %d, %d, %d, %d, %d, time.UTC)", (long long)c.year,
		 month_names[c.month - 1], c.day, c.hour, c.minute, c.second, v.time.nanoseconds);
	return true;
}

/* Results */

static struct value of_type(const struct value_type *type, int64_t i)
{
	return (struct value){ .type = type, .integer = i };
}

static struct value of_int64(int64_t i)
{
	return of_type(&value_type_int64, i);
}

static __int128 nanoseconds_of(struct value time)
{
	return (__int128)time.time.seconds * NANOSECONDS + time.time.nanoseconds;
}

static struct value time_of(__int128 nanoseconds)
{
	__int128 seconds = nanoseconds / NANOSECONDS;
	int rest = (int)(nanoseconds % NANOSECONDS);

	if (rest < 0) {
		rest += NANOSECONDS;
		seconds--;
	}
	return value_time((int64_t)seconds, rest);
}

static int64_t saturated(__int128 n)
{
	return n > INT64_MAX ? INT64_MAX : n < INT64_MIN ? INT64_MIN : (int64_t)n;
}

#define METHOD(name)                                                                                                   \
	static bool name(struct exec *exec __attribute__((unused)), const struct value *args __attribute__((unused)),  \
			 size_t n __attribute__((unused)), struct value *ret)

/* A method that is one expression. */
#define GETTER(name, expression)                                                                                       \
	METHOD(name)                                                                                                   \
	{                                                                                                              \
		*ret = (expression);                                                                                   \
		return true;                                                                                           \
	}

GETTER(time_year, value_int(calendar_of(args[0]).year))
GETTER(time_month, of_type(&month_type, calendar_of(args[0]).month))
GETTER(time_day, value_int(calendar_of(args[0]).day))
GETTER(time_hour, value_int(calendar_of(args[0]).hour))
GETTER(time_minute, value_int(calendar_of(args[0]).minute))
GETTER(time_second, value_int(calendar_of(args[0]).second))
GETTER(time_nanosecond, value_int(args[0].time.nanoseconds))
GETTER(time_year_day, value_int(calendar_of(args[0]).year_day))
GETTER(time_weekday, of_type(&weekday_type, calendar_of(args[0]).weekday))
GETTER(time_unix, of_int64(args[0].time.seconds))
GETTER(time_unix_milli, of_int64((int64_t)(args[0].time.seconds * 1000 + args[0].time.nanoseconds / 1000000)))
GETTER(time_unix_micro, of_int64((int64_t)(args[0].time.seconds * 1000000 + args[0].time.nanoseconds / 1000)))
GETTER(time_unix_nano, of_int64((int64_t)(uint64_t)nanoseconds_of(args[0])))
GETTER(time_itself, args[0])
GETTER(time_is_zero, value_bool(nanoseconds_of(args[0]) == (__int128)VALUE_TIME_ZERO * NANOSECONDS))
GETTER(time_is_dst, value_bool(false))
GETTER(time_before, value_bool(nanoseconds_of(args[0]) < nanoseconds_of(args[1])))
GETTER(time_after, value_bool(nanoseconds_of(args[0]) > nanoseconds_of(args[1])))
GETTER(time_equal, value_bool(nanoseconds_of(args[0]) == nanoseconds_of(args[1])))
GETTER(time_compare, value_int((nanoseconds_of(args[0]) > nanoseconds_of(args[1])) -
			       (nanoseconds_of(args[0]) < nanoseconds_of(args[1]))))
GETTER(time_add, time_of(nanoseconds_of(args[0]) + args[1].integer))
GETTER(time_sub, of_type(&duration_type, saturated(nanoseconds_of(args[0]) - nanoseconds_of(args[1]))))
GETTER(time_location, ((struct value){ .type = &location_type, .target = &utc }))
GETTER(duration_hours, value_float((double)(args[0].integer / (INT64_C(3600) * NANOSECONDS)) +
				   (double)(args[0].integer % (INT64_C(3600) * NANOSECONDS)) / (3600 * 1e9)))
GETTER(duration_minutes, value_float((double)(args[0].integer / (INT64_C(60) * NANOSECONDS)) +
				     (double)(args[0].integer % (INT64_C(60) * NANOSECONDS)) / (60 * 1e9)))
GETTER(duration_seconds,
       value_float((double)(args[0].integer / NANOSECONDS) + (double)(args[0].integer % NANOSECONDS) / 1e9))
GETTER(duration_milliseconds, of_int64(args[0].integer / 1000000))
GETTER(duration_microseconds, of_int64(args[0].integer / 1000))
GETTER(duration_nanoseconds, of_int64(args[0].integer))
GETTER(duration_abs, of_type(&duration_type, args[0].integer == INT64_MIN ? INT64_MAX : llabs(args[0].integer)))

METHOD(any_string)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	moment_string(args[0], &text);
	*ret = exec_string(exec, &text);
	return true;
}

METHOD(time_go_string)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	moment_go_string(args[0], &text);
	*ret = exec_string(exec, &text);
	return true;
}

METHOD(time_format)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	moment_format(args[0], args[1].string, &text);
	*ret = exec_string(exec, &text);
	return true;
}

/* Beyond these Go wraps around; we stay where the calendar makes sense. */
#define DATE_STEP_MAX 1000000000

METHOD(time_add_date)
{
	struct calendar c = calendar_of(args[0]);
	int64_t days;

	for (size_t i = 1; i < 4; i++)
		if (args[i].integer > DATE_STEP_MAX || args[i].integer < -DATE_STEP_MAX)
			return exec_fail(exec, "date out of range");
	days = days_of(c.year + args[1].integer, c.month + args[2].integer, c.day + args[3].integer);
	*ret = value_time(days * SECONDS_PER_DAY + c.hour * 3600 + c.minute * 60 + c.second, args[0].time.nanoseconds);
	return true;
}

/* How far a time is beyond a multiple of step since the year 1. */
static int64_t time_beyond(struct value time, int64_t step)
{
	__int128 rest = (nanoseconds_of(time) - (__int128)VALUE_TIME_ZERO * NANOSECONDS) % step;

	return (int64_t)(rest < 0 ? rest + step : rest);
}

METHOD(time_truncate)
{
	int64_t step = args[1].integer;

	*ret = step <= 0 ? args[0] : time_of(nanoseconds_of(args[0]) - time_beyond(args[0], step));
	return true;
}

METHOD(time_round)
{
	int64_t step = args[1].integer, beyond;

	*ret = args[0];
	if (step <= 0)
		return true;
	beyond = time_beyond(args[0], step);
	if (beyond < step - beyond)
		*ret = time_of(nanoseconds_of(args[0]) - beyond);
	else
		*ret = time_of(nanoseconds_of(args[0]) + (step - beyond));
	return true;
}

METHOD(duration_truncate)
{
	int64_t step = args[1].integer;

	*ret = of_type(&duration_type, step <= 0 ? args[0].integer : args[0].integer - args[0].integer % step);
	return true;
}

METHOD(duration_round)
{
	int64_t d = args[0].integer, step = args[1].integer, rest;
	__int128 rounded;

	if (step <= 0) {
		*ret = of_type(&duration_type, d);
		return true;
	}
	rest = d % step;
	if (d < 0)
		rounded = -rest < step + rest ? (__int128)d - rest : (__int128)d - rest - step;
	else
		rounded = rest < step - rest ? (__int128)d - rest : (__int128)d - rest + step;
	*ret = of_type(&duration_type, saturated(rounded));
	return true;
}

/* What MarshalText and MarshalJSON give: bytes, which print as numbers. */
static bool marshal(struct exec *exec, struct value time, const char *quote, struct value *ret)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct value *bytes;

	buf_adds(&text, quote);
	moment_format(time, STR("2006-01-02T15:04:05.999999999Z07:00"), &text);
	buf_adds(&text, quote);
	bytes = exec_alloc(exec, text.len * sizeof *bytes);
	for (size_t i = 0; i < text.len; i++)
		bytes[i] = (struct value){ .type = &value_type_uint8, .uinteger = (unsigned char)text.p[i] };
	*ret = value_list(&bytes_type, bytes, text.len);
	return true;
}

METHOD(time_marshal_text)
{
	return marshal(exec, args[0], "", ret);
}

METHOD(time_marshal_json)
{
	return marshal(exec, args[0], "\"", ret);
}

#define M(go_name, function_name, ...)                                                                                 \
	{                                                                                                              \
		.function = {.name = (go_name), .call = (function_name), __VA_ARGS__ }                                 \
	}
#define TAKES(...)                                                                                                     \
	.parameters = { __VA_ARGS__ },                                                                                 \
	.nparameters = sizeof((const struct value_type *[]){ __VA_ARGS__ }) / sizeof(void *)
#define UNCALLABLE(go_name, reason)                                                                                    \
	{                                                                                                              \
		.function = {.name = (go_name), .bad_results = (reason) }                                              \
	}
#define SECOND_RESULT(go_name, type)                                                                                   \
	"invalid function signature for " go_name ": second return value should be error; is " type

static const struct value_method time_methods[] = {
	M("Add", time_add, TAKES(&duration_type)),
	M("AddDate", time_add_date, TAKES(&value_type_int, &value_type_int, &value_type_int)),
	M("After", time_after, TAKES(&value_type_time)),
	M("Before", time_before, TAKES(&value_type_time)),
	UNCALLABLE("Clock", "function Clock has 3 return values; should be 1 or 2"),
	M("Compare", time_compare, TAKES(&value_type_time)),
	UNCALLABLE("Date", "function Date has 3 return values; should be 1 or 2"),
	M("Day", time_day),
	M("Equal", time_equal, TAKES(&value_type_time)),
	M("Format", time_format, TAKES(&value_type_string)),
	M("GoString", time_go_string),
	M("Hour", time_hour),
	UNCALLABLE("ISOWeek", SECOND_RESULT("ISOWeek", "int")),
	M("In", time_itself, TAKES(&location_type)),
	M("IsDST", time_is_dst),
	M("IsZero", time_is_zero),
	M("Local", time_itself),
	M("Location", time_location),
	M("MarshalJSON", time_marshal_json),
	M("MarshalText", time_marshal_text),
	M("Minute", time_minute),
	M("Month", time_month),
	M("Nanosecond", time_nanosecond),
	M("Round", time_round, TAKES(&duration_type)),
	M("Second", time_second),
	M("String", any_string),
	M("Sub", time_sub, TAKES(&value_type_time)),
	M("Truncate", time_truncate, TAKES(&duration_type)),
	M("UTC", time_itself),
	M("Unix", time_unix),
	M("UnixMicro", time_unix_micro),
	M("UnixMilli", time_unix_milli),
	M("UnixNano", time_unix_nano),
	M("Weekday", time_weekday),
	M("Year", time_year),
	M("YearDay", time_year_day),
	UNCALLABLE("Zone", SECOND_RESULT("Zone", "int")),
	UNCALLABLE("ZoneBounds", SECOND_RESULT("ZoneBounds", "time.Time")),
	{ .function = { 0 } },
};

static const struct value_method month_methods[] = { M("String", any_string), { .function = { 0 } } };
static const struct value_method weekday_methods[] = { M("String", any_string), { .function = { 0 } } };
static const struct value_method location_methods[] = { M("String", any_string), { .function = { 0 } } };

static const struct value_method duration_methods[] = {
	M("Abs", duration_abs),
	M("Hours", duration_hours),
	M("Microseconds", duration_microseconds),
	M("Milliseconds", duration_milliseconds),
	M("Minutes", duration_minutes),
	M("Nanoseconds", duration_nanoseconds),
	M("Round", duration_round, TAKES(&duration_type)),
	M("Seconds", duration_seconds),
	M("String", any_string),
	M("Truncate", duration_truncate, TAKES(&duration_type)),
	{ .function = { 0 } },
};
