#include "live_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define REAL_LIMIT_MS 20000
#define CREEP_MS 20	 /* the network has short timers of its own */
#define SETTLE_MS (HTTP_WATCH_REST_MS + 4) /* quiet for so long: what a second of the clock set off has arrived */

struct live_bed live_bed_create(struct clock *clock)
{
	struct live_bed bed = { .clock = clock };
	AUTO_RELEASE(error) err = { 0 };

	bed.sim = sim_start(&(struct sim_options){ .speed = 10 }, &err);
	if (!bed.sim)
		fail_msg("%s", err.message);
	bed.net = net_create(clock, &err);
	bed.http = http_create(bed.net, &(struct http_options){ .base_url = sim_url(bed.sim) }, &err);
	if (!bed.http)
		fail_msg("%s", err.message);
	return bed;
}

void live_bed_open(struct live_bed *bed)
{
	bed->live = live_create(&(struct live_options){
		.watcher = { .net = bed->net, .http = bed->http, .clock = bed->clock },
		.fetch_logs = true,
		.fetch_metrics = true,
		.envs = { .project = "shop", .state_namespace = "codex-system", .record_prefix = "codex-env-", .show_other_namespaces = true },
	});
}

void live_bed_release(struct live_bed *bed)
{
	live_destroy(bed->live);
	http_destroy(bed->http);
	net_destroy(bed->net);
	sim_stop(bed->sim);
}

static char *with_quotes(const char *json)
{
	char *text = json ? xstrdup(json) : NULL;

	for (char *p = text; p && *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return text;
}

void live_bed_send(struct live_bed *bed, const char *method, const char *path, const char *json)
{
	AUTO_FREE char *body = with_quotes(json);
	AUTO_FREE char *answer = NULL;
	unsigned status;

	answer = sim_request(bed->sim, method, path, strcmp(method, "PATCH") ? "application/json" : "application/merge-patch+json", body, &status);
	if (status >= 400)
		fail_msg("%s %s: %u %s", method, path, status, answer);
}

void live_bed_namespace(struct live_bed *bed, const char *name)
{
	AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'%s'}}", name);

	live_bed_send(bed, "POST", "/api/v1/namespaces", json);
}

void live_bed_deployment(struct live_bed *bed, const char *namespace, const char *name, const char *fault)
{
	AUTO_FREE char *path = xasprintf("/apis/apps/v1/namespaces/%s/deployments", namespace);
	AUTO_FREE char *json = xasprintf("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'%s'},'spec':{'replicas':1,'selector':"
					 "{'matchLabels':{'app':'%s'}},'template':{'metadata':{'labels':{'app':'%s'%s%s%s}},'spec':{'containers':[{'name':"
					 "'main','image':'registry.local/%s:1'}]}}}}",
					 name, name, name, fault ? ",'testbed/fault':'" : "", fault ? fault : "", fault ? "'" : "", name);

	live_bed_send(bed, "POST", path, json);
}

void live_bed_control(struct live_bed *bed, const char *path, const char *json)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_FREE char *body = with_quotes(json);
	struct http_request request = { .method = "POST", .path = path, .content_type = "application/json" };

	request.body = str_of(body);
	if (!http_call(bed->http, &request, NULL, &response, &err))
		fail_msg("%s: %s", path, err.message);
	if (!http_ok(&response))
		fail_msg("%s: %d %s", path, response.status, buf_cstr(&response.body));
}

void live_bed_faults(struct live_bed *bed, const char *json)
{
	AUTO_FREE char *rules = with_quotes(json);
	AUTO_RELEASE(error) err = { 0 };

	if (!sim_set_faults(bed->sim, rules, &err))
		fail_msg("%s", err.message);
}

unsigned live_bed_count(struct live_bed *bed, const char *path, const char *query_part)
{
	AUTO_FREE char *log = sim_requests(bed->sim);
	AUTO_FREE char *wanted = xasprintf("\"path\":\"%s\",", path);
	struct str rest = str_of(log), line;
	unsigned count = 0;

	while (str_cut(&rest, '\n', &line)) {
		AUTO_FREE char *text = str_dup(line);

		count += strstr(text, wanted) && strstr(text, query_part);
	}
	return count;
}

void live_bed_take(struct live_bed *bed, int64_t ms)
{
	int64_t end = clock_now_ms(NULL) + ms;

	for (int64_t left = ms; left >= 0; left = end - clock_now_ms(NULL)) {
		struct pollfd p = { .fd = live_fd(bed->live), .events = POLLIN };

		live_poll(bed->live, 2);
		poll(&p, 1, left < 50 ? (int)left : 50);
		if (!left)
			break;
	}
}

bool live_bed_until(struct live_bed *bed, live_bed_fn *fn, const void *arg)
{
	int64_t end = clock_now_ms(NULL) + REAL_LIMIT_MS;

	while (clock_now_ms(NULL) < end) {
		struct pollfd p = { .fd = live_fd(bed->live), .events = POLLIN };

		live_poll(bed->live, 2);
		if (fn(bed, arg))
			return true;
		poll(&p, 1, 50);
		if (bed->clock)
			clock_advance(bed->clock, CREEP_MS);
	}
	return false;
}

/* One request there and back: what the clock set off before has been sent, and had its turn, however slow the machine is. */
static void give_everybody_a_turn(struct live_bed *bed)
{
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(error) ignored = { 0 };

	http_call(bed->http, &(struct http_request){ .path = "/_sim/faults", .attempts = 1 }, NULL, &response, &ignored);
}

int64_t live_bed_pass(struct live_bed *bed, int64_t seconds, live_bed_fn *fn, const void *arg)
{
	for (int64_t s = 0; s < seconds; s++) {
		struct pollfd p = { .fd = live_fd(bed->live), .events = POLLIN };

		if (fn && fn(bed, arg))
			return s;
		clock_advance(bed->clock, 1000);
		give_everybody_a_turn(bed);
		do
			live_poll(bed->live, 2);
		while (poll(&p, 1, SETTLE_MS) > 0);
		give_everybody_a_turn(bed);
		live_poll(bed->live, 2);
	}
	return seconds;
}

bool live_bed_env_is(struct live_bed *bed, const void *arg)
{
	const struct live_bed_wanted *w = arg;
	const struct environment *e = envs_find(live_envs(bed->live), w->title);

	return e && e->shown == w->shown && (!w->why || strstr(e->why, w->why));
}

void live_bed_expect(struct live_bed *bed, const char *title, enum health_state shown, const char *why)
{
	const struct environment *e;
	struct live_status status;

	if (live_bed_until(bed, live_bed_env_is, &(struct live_bed_wanted){ title, shown, why }))
		return;
	e = envs_find(live_envs(bed->live), title);
	live_status(bed->live, &status);
	fail_msg("%s: %s: %s (%zu environments; feed %d, %u live, %u loading, %u broken, %u forbidden: %s)", title,
		 e ? health_state_name(e->shown) : "not there", e ? e->why : "", envs_count(live_envs(bed->live)), status.state, status.live,
		 status.loading, status.broken, status.forbidden, status.why);
}
