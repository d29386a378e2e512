#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live/live.h"
#include "sim/sim.h"

/* A simulated cluster, and the live model of it. Every wait ends after 20 s of real time. */
struct bed {
	struct sim *sim;
	struct net *net;
	struct http *http;
	struct live *live;
	struct clock *clock; /* NULL: the system's */
};

static struct bed bed_create(struct clock *clock)
{
	struct bed bed = { .clock = clock };
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

static void bed_live(struct bed *bed)
{
	bed->live = live_create(&(struct live_options){
		.watcher = { .net = bed->net, .http = bed->http, .clock = bed->clock },
		.fetch_logs = true,
		.envs = { .project = "shop", .state_namespace = "codex-system", .record_prefix = "codex-env-", .show_other_namespaces = true },
	});
}

static void bed_release(struct bed *bed)
{
	live_destroy(bed->live);
	http_destroy(bed->http);
	net_destroy(bed->net);
	sim_stop(bed->sim);
}
DEFINE_AUTO_RELEASE(bed);

static void send(struct bed *bed, const char *method, const char *path, const char *json)
{
	AUTO_FREE char *body = json ? xstrdup(json) : NULL;
	AUTO_FREE char *answer = NULL;
	unsigned status;

	for (char *p = body; p && *p; p++)
		*p = *p == '\'' ? '"' : *p;
	answer = sim_request(bed->sim, method, path, strcmp(method, "PATCH") ? "application/json" : "application/merge-patch+json", body, &status);
	if (status >= 400)
		fail_msg("%s %s: %u %s", method, path, status, answer);
}

static void make_namespace(struct bed *bed, const char *name)
{
	AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'%s'}}", name);

	send(bed, "POST", "/api/v1/namespaces", json);
}

static void make_deployment(struct bed *bed, const char *namespace, const char *name, const char *fault)
{
	AUTO_FREE char *path = xasprintf("/apis/apps/v1/namespaces/%s/deployments", namespace);
	AUTO_FREE char *json = xasprintf("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'%s'},'spec':{'replicas':1,'selector':"
					 "{'matchLabels':{'app':'%s'}},'template':{'metadata':{'labels':{'app':'%s'%s%s%s}},'spec':{'containers':[{'name':"
					 "'main','image':'registry.local/%s:1'}]}}}}",
					 name, name, name, fault ? ",'testbed/fault':'" : "", fault ? fault : "", fault ? "'" : "", name);

	send(bed, "POST", path, json);
}

typedef bool until_fn(struct bed *bed, const void *arg);

static bool poll_until(struct bed *bed, until_fn *fn, const void *arg)
{
	int64_t end = clock_now_ms(NULL) + 20000;

	while (clock_now_ms(NULL) < end) {
		struct pollfd p = { .fd = live_fd(bed->live), .events = POLLIN };

		live_poll(bed->live, 2);
		if (fn(bed, arg))
			return true;
		poll(&p, 1, 50);
		if (bed->clock)
			clock_advance(bed->clock, 20); /* the network has short timers of its own */
	}
	return false;
}

struct wanted {
	const char *title;
	enum health_state shown;
	const char *why; /* a part; NULL: any */
};

static bool env_is(struct bed *bed, const void *arg)
{
	const struct wanted *w = arg;
	const struct environment *e = envs_find(live_envs(bed->live), w->title);

	return e && e->shown == w->shown && (!w->why || strstr(e->why, w->why));
}

static void expect_env(struct bed *bed, const char *title, enum health_state shown, const char *why)
{
	const struct environment *e;
	struct live_status status;

	if (poll_until(bed, env_is, &(struct wanted){ title, shown, why }))
		return;
	e = envs_find(live_envs(bed->live), title);
	live_status(bed->live, &status);
	fail_msg("%s: %s: %s (%zu environments; feed %d, %u live, %u loading, %u broken, %u forbidden: %s)", title,
		 e ? health_state_name(e->shown) : "not there", e ? e->why : "", envs_count(live_envs(bed->live)), status.state, status.live,
		 status.loading, status.broken, status.forbidden, status.why);
}

static void environments_appear_and_follow_the_cluster(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(NULL);

	make_namespace(&bed, "team-a");
	make_deployment(&bed, "team-a", "web", NULL);
	bed_live(&bed);
	expect_env(&bed, "team-a", HEALTH_HEALTHY, NULL);
	make_deployment(&bed, "team-a", "chat", "imagepull");
	expect_env(&bed, "team-a", HEALTH_DEGRADED, "chat: ");
	send(&bed, "DELETE", "/apis/apps/v1/namespaces/team-a/deployments/chat", "{'propagationPolicy':'Background'}");
	expect_env(&bed, "team-a", HEALTH_HEALTHY, NULL);
}

static bool has_log_line(struct bed *bed, const void *arg)
{
	const struct environment *e = envs_find(live_envs(bed->live), arg);

	for (size_t i = 0; e && i < e->causes->len; i++) {
		if (e->causes->items[i].what == CAUSE_LOG && *e->causes->items[i].message)
			return true;
	}
	return false;
}

static void a_crash_loop_is_explained_with_its_last_log_line(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(NULL);

	make_namespace(&bed, "team-a");
	make_deployment(&bed, "team-a", "web", "crashloop");
	bed_live(&bed);
	expect_env(&bed, "team-a", HEALTH_DEGRADED, "exit 1: ");
	assert_true(poll_until(&bed, has_log_line, "team-a"));
	assert_string_equal(envs_find(live_envs(bed.live), "team-a")->causes->items[0].kind, "Deployment");
}

static void slot_records_make_environments(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(NULL);

	make_namespace(&bed, "codex-system");
	make_namespace(&bed, "shop-dev-3");
	make_deployment(&bed, "shop-dev-3", "web", NULL);
	bed_live(&bed);
	send(&bed, "POST", "/api/v1/namespaces/codex-system/configmaps",
	     "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'codex-env-3'},'data':{'slot':'3','env':'ai','namespace':'shop-dev-3',"
	     "'issue':'12'}}");
	expect_env(&bed, "slot 3", HEALTH_HEALTHY, NULL);
	assert_int_equal(envs_find(live_envs(bed.live), "slot 3")->issue, 12);
}

static void sim_post(struct bed *bed, const char *path, const char *json)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_FREE char *body = json ? xstrdup(json) : NULL;
	struct http_request request = { .method = "POST", .path = path, .content_type = "application/json" };

	for (char *p = body; p && *p; p++)
		*p = *p == '\'' ? '"' : *p;
	request.body = str_of(body);
	if (!http_call(bed->http, &request, NULL, &response, &err))
		fail_msg("%s", err.message);
	assert_true(http_ok(&response));
}

static bool most_are_live(struct bed *bed, const void *arg)
{
	struct live_status status;

	(void)arg;
	live_status(bed->live, &status);
	return status.live >= 10;
}

static void without_cluster_rights_namespaces_are_watched_one_by_one(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(NULL);

	make_namespace(&bed, "team-a");
	make_namespace(&bed, "team-b");
	make_deployment(&bed, "team-a", "web", NULL);
	make_deployment(&bed, "team-b", "web", NULL);
	sim_post(&bed, "/_sim/deny", "[{'verb':'list','namespace':''},{'verb':'watch','namespace':''}]");
	bed_live(&bed);
	live_add_namespace(bed.live, "team-a");
	expect_env(&bed, "team-a", HEALTH_HEALTHY, NULL);
	assert_null(envs_find(live_envs(bed.live), "team-b"));
	assert_true(poll_until(&bed, most_are_live, NULL));
}

static bool status_is(struct bed *bed, const void *arg)
{
	struct live_status status;

	live_status(bed->live, &status);
	return status.state == *(const enum live_state *)arg;
}

static void a_missing_right_is_named_and_the_rest_lives(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(NULL);
	enum live_state wanted = LIVE_PARTLY;
	struct live_status status;

	make_namespace(&bed, "team-a");
	make_deployment(&bed, "team-a", "web", NULL);
	sim_post(&bed, "/_sim/deny", "[{'verb':'list','resource':'storageclasses'}]");
	bed_live(&bed);
	expect_env(&bed, "team-a", HEALTH_HEALTHY, NULL);
	assert_true(poll_until(&bed, status_is, &wanted));
	live_status(bed.live, &status);
	assert_int_equal(status.forbidden, 1);
	assert_ptr_equal(status.trouble, &kind_storage_class);
	assert_non_null(strstr(status.why, "HTTP 403"));
}

static void broken_watches_come_back_without_a_new_list(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(NULL);
	AUTO_FREE char *log = NULL;
	unsigned lists = 0;

	make_namespace(&bed, "team-a");
	bed_live(&bed);
	make_deployment(&bed, "team-a", "web", NULL);
	expect_env(&bed, "team-a", HEALTH_HEALTHY, NULL);
	sim_post(&bed, "/_sim/reset-watches", NULL);
	make_deployment(&bed, "team-a", "chat", "imagepull");
	expect_env(&bed, "team-a", HEALTH_DEGRADED, "chat: ");
	log = sim_requests(bed.sim);
	for (const char *p = log; (p = strstr(p, "\"path\":\"/api/v1/pods\"")); p++) {
		const char *end = strchr(p, '\n');
		const char *watch = strstr(p, "watch=1");
		const char *continues = strstr(p, "PartialObject");

		lists += !(watch && watch < end) && !(continues && continues < end);
	}
	assert_int_equal(lists, 1);
}

static void history_that_is_gone_lists_again(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(NULL);

	make_namespace(&bed, "team-a");
	make_deployment(&bed, "team-a", "web", NULL);
	bed_live(&bed);
	expect_env(&bed, "team-a", HEALTH_HEALTHY, NULL);
	make_deployment(&bed, "team-a", "chat", "imagepull");
	sim_post(&bed, "/_sim/compact", NULL);
	sim_post(&bed, "/_sim/reset-watches", NULL);
	expect_env(&bed, "team-a", HEALTH_DEGRADED, "chat: ");
}

static void garbage_in_a_watch_is_survived(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(NULL);
	AUTO_RELEASE(error) err = { 0 };

	make_namespace(&bed, "team-a");
	if (!sim_set_faults(bed.sim, "[{\"method\":\"GET\",\"path\":\"watch=1\",\"count\":20,\"action\":\"garbage\"},"
				     "{\"method\":\"GET\",\"path\":\"limit=\",\"count\":3,\"status\":503}]", &err))
		fail_msg("%s", err.message);
	bed_live(&bed);
	make_deployment(&bed, "team-a", "web", NULL);
	expect_env(&bed, "team-a", HEALTH_HEALTHY, NULL);
}

static void a_silent_watch_is_found_by_the_audit(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(bed) bed = bed_create(clock);
	AUTO_RELEASE(error) err = { 0 };
	struct wanted trouble = { "team-a", HEALTH_DEGRADED, "chat: " };
	int64_t began = clock_now_ms(NULL), seconds = 0;

	/* The watch of pods is accepted and never says anything; all others work. */
	if (!sim_set_faults(bed.sim, "[{\"method\":\"GET\",\"path\":\"/api/v1/pods.*watch=1\",\"action\":\"hang\"}]", &err))
		fail_msg("%s", err.message);
	make_namespace(&bed, "team-a");
	make_deployment(&bed, "team-a", "web", NULL);
	assert_true(sim_wait_idle(bed.sim, 10000));
	bed_live(&bed);
	expect_env(&bed, "team-a", HEALTH_HEALTHY, NULL);
	make_deployment(&bed, "team-a", "chat", "imagepull");
	while (!env_is(&bed, &trouble) && clock_now_ms(NULL) - began < 30000) {
		struct pollfd p = { .fd = live_fd(bed.live), .events = POLLIN };

		clock_advance(clock, 1000);
		seconds++;
		for (int i = 0; i < 3; i++) {
			poll(&p, 1, 30);
			live_poll(bed.live, 2);
		}
	}
	assert_true(env_is(&bed, &trouble));
	assert_in_range(seconds, 1, 45); /* 15 + 5, the same again if a change was just on its way */
}

static void it_ends_at_once_while_the_server_hangs(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(NULL);
	AUTO_RELEASE(error) err = { 0 };
	int64_t before;

	if (!sim_set_faults(bed.sim, "[{\"method\":\"GET\",\"path\":\".\",\"action\":\"hang\"}]", &err))
		fail_msg("%s", err.message);
	bed_live(&bed);
	live_poll(bed.live, 2);
	before = clock_now_ms(NULL);
	live_destroy(bed.live);
	bed.live = NULL;
	assert_true(clock_now_ms(NULL) - before < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(environments_appear_and_follow_the_cluster),
		cmocka_unit_test(a_crash_loop_is_explained_with_its_last_log_line),
		cmocka_unit_test(slot_records_make_environments),
		cmocka_unit_test(without_cluster_rights_namespaces_are_watched_one_by_one),
		cmocka_unit_test(a_missing_right_is_named_and_the_rest_lives),
		cmocka_unit_test(broken_watches_come_back_without_a_new_list),
		cmocka_unit_test(history_that_is_gone_lists_again),
		cmocka_unit_test(garbage_in_a_watch_is_survived),
		cmocka_unit_test(a_silent_watch_is_found_by_the_audit),
		cmocka_unit_test(it_ends_at_once_while_the_server_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
