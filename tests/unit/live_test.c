#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live_bed.h"

static void environments_appear_and_follow_the_cluster(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);

	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	live_bed_expect(&bed, "team-a", HEALTH_DEGRADED, "chat: ");
	live_bed_send(&bed, "DELETE", "/apis/apps/v1/namespaces/team-a/deployments/chat", "{'propagationPolicy':'Background'}");
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
}

static bool has_log_line(struct live_bed *bed, const void *arg)
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
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);

	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", "crashloop");
	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_DEGRADED, "exit 1: ");
	assert_true(live_bed_until(&bed, has_log_line, "team-a"));
	assert_string_equal(envs_find(live_envs(bed.live), "team-a")->causes->items[0].kind, "Deployment");
}

static bool slot_3_has_its_issue(struct live_bed *bed, const void *arg)
{
	const struct environment *e = envs_find(live_envs(bed->live), "slot 3");

	(void)arg;
	return e && e->shown == HEALTH_HEALTHY && e->issue == 12;
}

static void slot_records_make_environments(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);

	live_bed_namespace(&bed, "codex-system");
	live_bed_namespace(&bed, "shop-dev-3");
	live_bed_deployment(&bed, "shop-dev-3", "web", NULL);
	live_bed_open(&bed);
	live_bed_send(&bed, "POST", "/api/v1/namespaces/codex-system/configmaps",
	     "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'codex-env-3'},'data':{'slot':'3','env':'ai','namespace':'shop-dev-3',"
	     "'issue':'12'}}");
	assert_true(live_bed_until(&bed, slot_3_has_its_issue, NULL));
}

static bool most_are_live(struct live_bed *bed, const void *arg)
{
	struct live_status status;

	(void)arg;
	live_status(bed->live, &status);
	return status.live >= 10;
}

static void without_cluster_rights_namespaces_are_watched_one_by_one(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);

	live_bed_namespace(&bed, "team-a");
	live_bed_namespace(&bed, "team-b");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_deployment(&bed, "team-b", "web", NULL);
	live_bed_control(&bed, "/_sim/deny", "[{'verb':'list','namespace':''},{'verb':'watch','namespace':''}]");
	live_bed_open(&bed);
	live_add_namespace(bed.live, "team-a");
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	assert_null(envs_find(live_envs(bed.live), "team-b"));
	assert_true(live_bed_until(&bed, most_are_live, NULL));
}

static bool status_is(struct live_bed *bed, const void *arg)
{
	struct live_status status;

	live_status(bed->live, &status);
	return status.state == *(const enum live_state *)arg;
}

static void a_missing_right_is_named_and_the_rest_lives(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);
	enum live_state wanted = LIVE_PARTLY;
	struct live_status status;

	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_control(&bed, "/_sim/deny", "[{'verb':'list','resource':'storageclasses'},{'verb':'watch','resource':'storageclasses'}]");
	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	assert_true(live_bed_until(&bed, status_is, &wanted));
	live_status(bed.live, &status);
	assert_int_equal(status.forbidden, 1);
	assert_ptr_equal(status.trouble, &kind_storage_class);
	assert_non_null(strstr(status.why, "HTTP 403"));
}

static void broken_watches_come_back_without_a_new_list(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);
	AUTO_FREE char *log = NULL;
	unsigned lists = 0;

	live_bed_namespace(&bed, "team-a");
	live_bed_open(&bed);
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	live_bed_control(&bed, "/_sim/reset-watches", NULL);
	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	live_bed_expect(&bed, "team-a", HEALTH_DEGRADED, "chat: ");
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
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);

	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	live_bed_control(&bed, "/_sim/compact", NULL);
	live_bed_control(&bed, "/_sim/reset-watches", NULL);
	live_bed_expect(&bed, "team-a", HEALTH_DEGRADED, "chat: ");
}

static void garbage_in_a_watch_is_survived(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);
	AUTO_RELEASE(error) err = { 0 };

	live_bed_namespace(&bed, "team-a");
	if (!sim_set_faults(bed.sim, "[{\"method\":\"GET\",\"path\":\"watch=1\",\"count\":20,\"action\":\"garbage\"},"
				     "{\"method\":\"GET\",\"path\":\"limit=\",\"count\":3,\"status\":503}]", &err))
		fail_msg("%s", err.message);
	live_bed_open(&bed);
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
}

static bool image_has_failed(struct live_bed *bed, const void *arg)
{
	unsigned status;
	AUTO_FREE char *pods = sim_request(bed->sim, "GET", "/api/v1/pods", NULL, NULL, &status);

	(void)arg;
	return strstr(pods, "ImagePull") != NULL;
}

static void a_silent_watch_is_found_by_the_audit(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(live_bed) bed = live_bed_create(clock);
	struct live_bed_wanted trouble = { "team-a", HEALTH_DEGRADED, "chat: " };
	int64_t seconds;

	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	assert_true(sim_wait_idle(bed.sim, 10000));
	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	/* From now on the watch of pods says nothing more; all others work. */
	live_bed_control(&bed, "/_sim/freeze", "{'path':'/api/v1/pods.*watch=1'}");
	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	assert_true(live_bed_until(&bed, image_has_failed, NULL));
	seconds = live_bed_pass(&bed, 60, live_bed_env_is, &trouble);
	assert_in_range(seconds, 1, 45); /* 15 + 5, the same again if a change was just on its way */
}

static void it_ends_at_once_while_the_server_hangs(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);
	AUTO_RELEASE(error) err = { 0 };
	int64_t before;

	if (!sim_set_faults(bed.sim, "[{\"method\":\"GET\",\"path\":\".\",\"action\":\"hang\"}]", &err))
		fail_msg("%s", err.message);
	live_bed_open(&bed);
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
