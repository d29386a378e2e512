#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utc.h"
#include "model/health_private.h"

/*
 * Cron schedules as Kubernetes reads them (robfig/cron standard form): five fields, lists, ranges, steps, names of
 * months and days, and the macros. Only good enough to know how long a schedule may stay silent: time zones are left out.
 */
struct cron {
	uint64_t minutes, hours, days, months, weekdays;
	bool any_day, any_weekday;
	int64_t every_ms; /* "@every 5m" */
};

static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec" };
static const char *const day_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };

static const struct {
	const char *macro, *schedule;
} macros[] = {
	{ "@yearly", "0 0 1 1 *" },  { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" },
	{ "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" }, { "@hourly", "0 * * * *" },
};

struct cron_field {
	int low, high;
	const char *const *names;
	size_t nnames;
};
static const struct cron_field cron_fields[] = {
	{ 0, 59, NULL, 0 }, { 0, 23, NULL, 0 }, { 1, 31, NULL, 0 }, { 1, 12, month_names, 12 }, { 0, 7, day_names, 7 },
};

static bool number_parse(struct str text, const struct cron_field *f, int *ret)
{
	int value = 0;

	for (size_t i = 0; i < f->nnames; i++) {
		if (str_ieq(text, str_of(f->names[i]))) {
			*ret = (int)i + f->low;
			return true;
		}
	}
	if (!text.len || text.len > 3)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		value = value * 10 + (text.p[i] - '0');
	}
	*ret = value;
	return true;
}

/* "5", "1-5", "* / 10", "8-18/2" */
static bool range_parse(struct str text, const struct cron_field *f, uint64_t *bits, bool *any)
{
	static const struct cron_field plain = { 1, 999, NULL, 0 };
	struct str range, step_text = text, low_text;
	int low, high, step;
	bool stepped = str_cut(&step_text, '/', &range);

	if (!stepped) {
		range = text;
		step_text = STR("1");
	}
	if (!number_parse(step_text, &plain, &step) || step < 1)
		return false;
	if (str_is(range, "*") || str_is(range, "?")) {
		low = f->low;
		high = f->high;
		*any = *any || step == 1;
	} else if (str_cut(&range, '-', &low_text)) {
		if (!number_parse(low_text, f, &low) || !number_parse(range, f, &high))
			return false;
	} else {
		if (!number_parse(range, f, &low))
			return false;
		high = stepped ? f->high : low;
	}
	if (low < f->low || high > f->high || low > high)
		return false;
	for (int i = low; i <= high; i += step)
		*bits |= UINT64_C(1) << i;
	return true;
}

static bool field_parse(struct str text, const struct cron_field *f, uint64_t *bits, bool *any)
{
	struct str part;

	*any = false;
	while (str_cut(&text, ',', &part)) {
		if (!range_parse(part, f, bits, any))
			return false;
	}
	return range_parse(text, f, bits, any);
}

static bool cron_parse(const char *schedule, struct cron *cron)
{
	struct str rest = str_trim(str_of(schedule)), word;
	uint64_t bits[5] = { 0 };
	bool any[5];

	if (str_starts(rest, STR("@every "))) {
		rest.p += 7, rest.len -= 7;
		return duration_parse(str_trim(rest), &cron->every_ms) && cron->every_ms > 0;
	}
	if (str_starts(rest, STR("TZ=")) || str_starts(rest, STR("CRON_TZ="))) {
		if (!str_cut(&rest, ' ', &word))
			return false;
		rest = str_trim(rest);
	}
	for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
		if (str_is(rest, macros[i].macro))
			rest = str_of(macros[i].schedule);
	}
	for (size_t i = 0; i < 5; i++) {
		if (!str_cut(&rest, ' ', &word)) {
			if (i < 4)
				return false;
			word = rest;
			rest = STR("");
		}
		if (!field_parse(word, &cron_fields[i], &bits[i], &any[i]))
			return false;
		rest = str_trim(rest);
	}
	if (rest.len)
		return false;
	if (bits[4] & 1u << 7)
		bits[4] |= 1;
	*cron = (struct cron){ .minutes = bits[0], .hours = bits[1], .days = bits[2], .months = bits[3],
			       .weekdays = bits[4], .any_day = any[2], .any_weekday = any[4] };
	return true;
}

static bool day_fits(const struct cron *cron, const struct utc_fields *f)
{
	bool day = cron->days >> f->day & 1, weekday = cron->weekdays >> f->weekday & 1;

	if (!(cron->months >> f->month & 1))
		return false;
	return cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
}

/* Day by day for eight years (a 29th of February), then the first minute that fits. */
static bool cron_next(const struct cron *cron, int64_t after_ms, int64_t *ret_ms)
{
	int64_t minute = after_ms / 60000 + 1;

	if (cron->every_ms) {
		*ret_ms = after_ms + cron->every_ms;
		return true;
	}
	for (int days = 0; days < 8 * 366; days++) {
		struct utc_fields f = utc_split(minute * 60000000);
		int64_t next_day = (minute / 1440 + 1) * 1440;

		for (; day_fits(cron, &f) && minute < next_day; minute++) {
			int of_day = (int)(minute % 1440);

			if (cron->hours >> (of_day / 60) & 1 && cron->minutes >> (of_day % 60) & 1) {
				*ret_ms = minute * 60000;
				return true;
			}
		}
		minute = next_day;
	}
	return false;
}

bool cron_next_two(const char *schedule, int64_t after_ms, int64_t *ret_first_ms, int64_t *ret_second_ms)
{
	struct cron cron = { 0 };

	return after_ms >= 0 && cron_parse(schedule, &cron) && cron_next(&cron, after_ms, ret_first_ms) &&
	       cron_next(&cron, *ret_first_ms, ret_second_ms);
}
