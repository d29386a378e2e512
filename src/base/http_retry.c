#include "base/http_internal.h"
#include "base/utc.h"

#define BASE_MS	       500
#define MAX_BACKOFF_MS 30000
#define NAME_ATTEMPTS  2

int64_t http_parse_retry_after(struct str text, int64_t wall_us)
{
	int64_t seconds = 0, date_us;

	text = str_trim(text);
	if (utc_parse_http_date(text, &date_us))
		return date_us > wall_us ? (date_us - wall_us + 999) / 1000 : 0;
	if (!text.len)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return -1;
		if (seconds < INT64_C(1000000000000))
			seconds = seconds * 10 + (text.p[i] - '0');
	}
	return seconds * 1000;
}

static bool answer_is_worth_it(const struct retry_input *in)
{
	if (in->status == 429)
		return true;
	/* 504: the operation may have completed all the same. */
	if (in->status >= 500 && in->status != 504 && in->retry_after_ms >= 0)
		return true;
	if (in->status == 502 || in->status == 503 || in->status == 504)
		return in->repeatable;
	return in->status == 500 && in->server_timeout && in->repeatable;
}

static bool failure_is_worth_it(const struct retry_input *in)
{
	switch (in->cause) {
	case CAUSE_UNSENT:
		return true;
	case CAUSE_NAME:
		return in->attempt < NAME_ATTEMPTS;
	case CAUSE_BROKEN:
		return in->repeatable;
	default:
		return false;
	}
}

static int64_t backoff_ms(const struct retry_input *in)
{
	int64_t ceiling = BASE_MS;

	for (unsigned n = 1; n < in->attempt && ceiling < MAX_BACKOFF_MS; n++)
		ceiling *= 2;
	if (ceiling > MAX_BACKOFF_MS)
		ceiling = MAX_BACKOFF_MS;
	return (int64_t)((double)ceiling * in->chance);
}

bool retry_decide(const struct retry_input *in, int64_t *ret_wait_ms)
{
	int64_t wait_ms;

	if (in->attempt >= in->attempts || !(in->status ? answer_is_worth_it(in) : failure_is_worth_it(in)))
		return false;
	if (in->status && in->retry_after_ms >= 0) {
		wait_ms = in->retry_after_ms < in->retry_after_max_ms ? in->retry_after_ms : in->retry_after_max_ms;
		wait_ms += (int64_t)((double)wait_ms * 0.2 * in->chance);
	} else {
		wait_ms = backoff_ms(in);
	}
	if (wait_ms >= in->left_ms)
		return false;
	*ret_wait_ms = wait_ms;
	return true;
}
