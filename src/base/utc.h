/*
 * utc: points in time and lengths of time as text.
 *
 * Times are microseconds since 1970 UTC (as int64_t: about ±290,000 years); lengths are milliseconds. Sources: RFC 3339
 * (as Go's time.RFC3339 and Kubernetes' metav1.Time and MicroTime), RFC 9110 5.6.7 (HTTP dates), Go's
 * time.ParseDuration.
 */
#ifndef SLOTDECK_BASE_UTC_H
#define SLOTDECK_BASE_UTC_H

#include <stdint.h>

#include "base/str.h"

#define UTC_TEXT_MAX 40

/* "2026-02-03T04:05:06Z", with any fraction (cut to microseconds) and any offset. False when it is no such time. */
bool utc_parse_rfc3339(struct str text, int64_t *ret_us);
/* "2026-02-03T04:05:06Z"; out has UTC_TEXT_MAX bytes. Returns out. */
char *utc_format(int64_t us, char *out);
/* "2026-02-03T04:05:06.000007Z", as Kubernetes' MicroTime. */
char *utc_format_micro(int64_t us, char *out);
/* All three HTTP forms: IMF-fixdate, RFC 850, asctime. */
bool utc_parse_http_date(struct str text, int64_t *ret_us);
char *utc_format_http_date(int64_t us, char *out);

/* Calendar fields of a time, proleptic Gregorian. */
struct utc_fields {
	int64_t year;
	int month, day;		      /* from 1 */
	int hour, minute, second, us; /* from 0 */
	int weekday;		      /* 0 is Sunday */
	int yearday;		      /* from 1 */
};
struct utc_fields utc_split(int64_t us);
/* Days since 1970-01-01 of a calendar day. */
int64_t utc_days(int64_t year, int month, int day);

/*
 * Go's duration syntax: "1h30m", "90s", "500ms", "1.5h", "-2m", "0". A bare number other than 0 is refused, as Go
 * does. Fractions of a millisecond are cut. False when it is no duration or does not fit.
 */
bool duration_parse(struct str text, int64_t *ret_ms);
/* As Go prints it: "1h30m0s", "1.5s", "500ms", "0s". */
char *duration_format(int64_t ms, char *out);
/* For people, two units at most: "1h30m", "90s" as "1m30s", "4s", "350ms". */
char *duration_format_short(int64_t ms, char *out);

#endif
