/*
 * Freshness: whatever the server or the network does, the live model never shows old data as live, says why, keeps what it
 * has, and is in step again soon after. Each test is one failure that real clusters have shown; time is the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live_bed.h"

#define UNKNOWN_WITHIN_S 25 /* of a change that a silent watch kept to itself */
#define STALE_S		 45 /* nothing answers: known by then at the latest */
#define BACK_S		 35 /* in step again after the server is back */

static struct live_status status_of(struct live_bed *bed)
{
	struct live_status status;

	live_status(bed->live, &status);
	return status;
}

static const struct scope *pods(struct live_bed *bed)
{
	return store_scope(live_store(bed->live), &kind_pod, "");
}

static bool fresh(struct live_bed *bed, const struct kind *kind)
{
	return health_is_fresh(live_health(bed->live), store_scope(live_store(bed->live), kind, ""), live_now_ms(bed->live));
}

static bool pods_are_fresh(struct live_bed *bed, const void *arg)
{
	(void)arg;
	return fresh(bed, &kind_pod);
}

static bool pods_are_unknown(struct live_bed *bed, const void *arg)
{
	return !pods_are_fresh(bed, arg);
}

static bool all_is_live(struct live_bed *bed, const void *arg)
{
	struct live_status status = status_of(bed);

	(void)arg;
	return status.state == LIVE_LIVE && status.live > 10;
}

static bool nothing_is_live(struct live_bed *bed, const void *arg)
{
	(void)arg;
	return status_of(bed).state == LIVE_STALE;
}

/* A cluster with a healthy Deployment in team-a, all of it seen. */
static struct live_bed ready_bed(struct clock *clock)
{
	struct live_bed bed = live_bed_create(clock);

	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	live_bed_pass(&bed, 40, all_is_live, NULL);
	assert_true(all_is_live(&bed, NULL));
	return bed;
}

static struct clock *test_clock(void)
{
	return clock_create_manual(INT64_C(1700000000000));
}

static bool both_are_fresh(struct live_bed *bed, const void *arg)
{
	(void)arg;
	return fresh(bed, &kind_deployment) && fresh(bed, &kind_pod);
}

static bool chat_is_seen(struct live_bed *bed, const void *arg)
{
	(void)arg;
	return store_find_name(live_store(bed->live), &kind_deployment, "team-a", "chat") != NULL;
}

/* What is shown is what the cluster has: a Deployment with a missing image breaks team-a, and goes again. */
static void expect_in_step(struct live_bed *bed, int64_t within_s)
{
	live_bed_deployment(bed, "team-a", "chat", "imagepull");
	assert_in_range(live_bed_pass(bed, within_s + 60, chat_is_seen, NULL), 0, within_s);
	live_bed_expect(bed, "team-a", HEALTH_DEGRADED, "chat: ");
	/* While the clock runs ahead of a busy machine, what is only late looks missed: an audit clears it up. */
	assert_in_range(live_bed_pass(bed, 30, both_are_fresh, NULL), 0, 20);
	live_bed_send(bed, "DELETE", "/apis/apps/v1/namespaces/team-a/deployments/chat", "{'propagationPolicy':'Background'}");
	live_bed_expect(bed, "team-a", HEALTH_HEALTHY, NULL);
}

/* ---- ambition 1 ---- */

static void a_watch_that_falls_silent_makes_its_kind_unknown_and_no_other(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	struct live_bed_wanted broken = { "team-a", HEALTH_DEGRADED, "chat: " };
	AUTO_RELEASE(buf) why = BUF_INIT(512);
	struct live_status status;

	live_bed_control(&bed, "/_sim/freeze", "{'path':'/api/v1/pods.*watch=1'}");
	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	assert_in_range(live_bed_pass(&bed, 60, pods_are_unknown, NULL), 1, UNKNOWN_WITHIN_S);
	status = status_of(&bed);
	assert_int_equal(status.state, LIVE_PARTLY);
	assert_ptr_equal(status.trouble, &kind_pod);
	assert_non_null(strstr(status.why, "missed changes"));
	assert_true(status.age_ms >= 0);
	assert_true(fresh(&bed, &kind_service) && fresh(&bed, &kind_deployment));
	/* What acts on pods is off, and why. */
	assert_true(live_is_proven(bed.live, &kind_deployment, "team-a", NULL));
	assert_false(live_is_proven(bed.live, NULL, "team-a", &why));
	assert_string_equal(buf_cstr(&why), "pods may be older than shown: the watch missed changes; listed again, not proven yet");
	/* The list that followed is right already, and the new watch proves itself. */
	assert_in_range(live_bed_pass(&bed, 60, pods_are_fresh, NULL), 0, 10);
	assert_in_range(live_bed_pass(&bed, 60, live_bed_env_is, &broken), 0, 10);
	live_bed_control(&bed, "/_sim/thaw", NULL);
}

static void a_watch_that_stays_silent_is_never_believed_for_long(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	struct live_bed_wanted broken = { "team-a", HEALTH_DEGRADED, "chat: " };

	live_bed_control(&bed, "/_sim/freeze", "{'path':'/api/v1/pods.*watch=1','later':true}");
	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	assert_in_range(live_bed_pass(&bed, 60, live_bed_env_is, &broken), 1, STALE_S);
	live_bed_send(&bed, "DELETE", "/apis/apps/v1/namespaces/team-a/deployments/chat", "{'propagationPolicy':'Background'}");
	live_bed_pass(&bed, STALE_S, NULL, NULL);
	assert_int_equal(store_count(live_store(bed.live), &kind_pod), 1);
}

static void one_lost_change_is_found(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);

	live_bed_control(&bed, "/_sim/lose", "{'resource':'services','count':1}");
	live_bed_send(&bed, "POST", "/api/v1/namespaces/team-a/services",
		      "{'apiVersion':'v1','kind':'Service','metadata':{'name':'lost'},'spec':{'ports':[{'port':80}]}}");
	live_bed_pass(&bed, STALE_S, NULL, NULL);
	assert_non_null(store_find_name(live_store(bed.live), &kind_service, "team-a", "lost"));
	assert_true(all_is_live(&bed, NULL));
}

static void a_quiet_cluster_is_never_unknown(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);

	for (int minute = 0; minute < 10; minute++) {
		assert_int_equal(live_bed_pass(&bed, 60, pods_are_unknown, NULL), 60);
		assert_true(all_is_live(&bed, NULL));
		assert_int_equal(envs_find(live_envs(bed.live), "team-a")->shown, HEALTH_HEALTHY);
	}
}

/* ---- ambition 9 ---- */

static void a_black_hole_of_ten_minutes_keeps_the_data_and_ends_within_5_s(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	struct live_status status;
	int64_t began;

	live_bed_control(&bed, "/_sim/freeze", "{'path':'.','later':true}");
	live_bed_faults(&bed, "[{'path':'.','action':'hang'}]");
	assert_in_range(live_bed_pass(&bed, 120, nothing_is_live, NULL), 15, STALE_S);
	for (int i = 0; i < 57; i++) {
		live_bed_pass(&bed, 10, NULL, NULL);
		began = clock_now_ms(NULL);
		live_poll(bed.live, 2);
		assert_true(clock_now_ms(NULL) - began < 100);
		assert_int_equal(envs_find(live_envs(bed.live), "team-a")->shown, HEALTH_UNKNOWN);
	}
	status = status_of(&bed);
	assert_true(status.age_ms > 570000);
	assert_true(*status.why);
	assert_non_null(store_find_name(live_store(bed.live), &kind_deployment, "team-a", "web"));
	live_bed_faults(&bed, "[]");
	live_bed_control(&bed, "/_sim/thaw", NULL);
	assert_in_range(live_bed_pass(&bed, 60, all_is_live, NULL), 0, 5);
	expect_in_step(&bed, 10);
}

/* ---- F1: the server is gone ---- */

static void a_server_that_is_gone_leaves_the_table_and_is_found_again(void **state)
{
	static const int64_t gone_s[] = { 1, 60, 600 };
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);

	for (size_t i = 0; i < ARRAY_LEN(gone_s); i++) {
		AUTO_RELEASE(error) err = { 0 };
		struct live_status status;

		assert_true(sim_set_up(bed.sim, false, &err));
		live_bed_pass(&bed, gone_s[i], NULL, NULL);
		status = status_of(&bed);
		assert_non_null(envs_find(live_envs(bed.live), "team-a"));
		if (gone_s[i] > 30) {
			assert_int_equal(status.state, LIVE_STALE);
			assert_non_null(strstr(status.why, "refused"));
			assert_in_range(status.retry_in_ms, 0, 30000);
			assert_int_equal(envs_find(live_envs(bed.live), "team-a")->shown, HEALTH_UNKNOWN);
		}
		if (!sim_set_up(bed.sim, true, &err))
			fail_msg("%s", err.message);
		assert_in_range(live_bed_pass(&bed, 120, all_is_live, NULL), 0, BACK_S);
		expect_in_step(&bed, 10);
	}
}

/* Connections are made and reset: the log counts who tries how often. */
static void an_outage_costs_at_most_one_request_a_second_and_kind(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	unsigned before;

	live_bed_faults(&bed, "[{'path':'.','action':'reset'}]");
	live_bed_control(&bed, "/_sim/reset-watches", NULL);
	before = live_bed_count(&bed, "/api/v1/pods", "");
	live_bed_pass(&bed, 300, NULL, NULL);
	assert_in_range(live_bed_count(&bed, "/api/v1/pods", "") - before, 5, 100);
	live_bed_faults(&bed, "[]");
	assert_in_range(live_bed_pass(&bed, 120, all_is_live, NULL), 0, BACK_S);
	expect_in_step(&bed, 10);
}

/* ---- F2: the server forgets its history ---- */

static void a_storm_of_410_is_slowed_down_and_named(void **state)
{
	static const char *const storms[] = {
		"[{'path':'/api/v1/pods.*watch=1','status':410,'reason':'Expired','message':'too old resource version'}]",
		"[{'path':'/api/v1/pods.*watch=1','action':'garbage','body':'{\\u0022type\\u0022:\\u0022ERROR\\u0022,\\u0022object\\u0022:{\\u0022kind"
		"\\u0022:\\u0022Status\\u0022,\\u0022code\\u0022:410,\\u0022reason\\u0022:\\u0022Expired\\u0022,\\u0022message\\u0022:\\u0022too old"
		"\\u0022}}'}]"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(storms); i++) {
		AUTO(clock) clock = test_clock();
		AUTO_RELEASE(live_bed) bed = ready_bed(clock);
		unsigned lists = live_bed_count(&bed, "/api/v1/pods", "\"accept\":\"application/json\"");
		struct live_status status;

		live_bed_faults(&bed, storms[i]);
		live_bed_control(&bed, "/_sim/reset-watches", NULL);
		live_bed_pass(&bed, 600, NULL, NULL);
		/* 5 at once, then one in 30 s, each with the watch that fails. */
		assert_in_range(live_bed_count(&bed, "/api/v1/pods", "\"accept\":\"application/json\"") - lists, 10, 60);
		status = status_of(&bed);
		assert_ptr_equal(status.trouble, &kind_pod);
		assert_non_null(strstr(status.why, "410"));
		assert_true(fresh(&bed, &kind_service));
		live_bed_faults(&bed, "[]");
		assert_in_range(live_bed_pass(&bed, 120, all_is_live, NULL), 0, BACK_S);
		expect_in_step(&bed, 10);
	}
}

static void a_410_in_the_middle_of_a_list_starts_it_again(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = live_bed_create(clock);

	live_bed_namespace(&bed, "team-a");
	for (int i = 0; i < 700; i++) {
		AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'Service','metadata':{'name':'s%d'},'spec':{'ports':[{'port':80}]}}", i);

		live_bed_send(&bed, "POST", "/api/v1/namespaces/team-a/services", json);
	}
	live_bed_faults(&bed, "[{'path':'/api/v1/services.*continue=','count':1,'status':410,'reason':'Expired'}]");
	live_bed_open(&bed);
	live_bed_pass(&bed, 60, all_is_live, NULL);
	assert_true(all_is_live(&bed, NULL));
	assert_int_equal(store_count(live_store(bed.live), &kind_service), 701); /* and default/kubernetes */
}

/* ---- F3: what comes is no JSON ---- */

static void a_stream_that_is_cut_anywhere_goes_on(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	AUTO_RELEASE(buf) rules = BUF_INIT(0);

	for (int i = 1; i <= 40; i++)
		buf_addf(&rules, "%s{'path':'/api/v1/pods.*watch=1','from':%d,'count':1,'action':'cut','at':%d}", i > 1 ? "," : "[", i, i * 67 % 2500);
	buf_adds(&rules, "]");
	live_bed_faults(&bed, rules.p);
	live_bed_control(&bed, "/_sim/reset-watches", NULL);
	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	for (int i = 0; i < 20; i++) {
		AUTO_FREE char *patch = xasprintf("{'metadata':{'annotations':{'n':'%d'}}}", i);

		live_bed_send(&bed, "PATCH", "/apis/apps/v1/namespaces/team-a/deployments/chat", patch);
		live_bed_pass(&bed, 30, NULL, NULL);
	}
	live_bed_faults(&bed, "[]");
	live_bed_pass(&bed, BACK_S, all_is_live, NULL);
	assert_true(all_is_live(&bed, NULL));
	assert_int_equal(store_count(live_store(bed.live), &kind_pod), 2);
}

static void garbage_is_no_proof_and_is_named(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	struct live_status status;

	live_bed_faults(&bed, "[{'path':'/api/v1/pods.*','action':'garbage','body':'\\u0000\\u0001 this is no JSON'}]");
	live_bed_control(&bed, "/_sim/reset-watches", NULL);
	assert_in_range(live_bed_pass(&bed, 120, pods_are_unknown, NULL), 1, STALE_S);
	status = status_of(&bed);
	assert_ptr_equal(status.trouble, &kind_pod);
	assert_true(*status.why);
	assert_true(fresh(&bed, &kind_service));
	live_bed_faults(&bed, "[]");
	assert_in_range(live_bed_pass(&bed, 120, all_is_live, NULL), 0, BACK_S);
	expect_in_step(&bed, 10);
}

static void endless_white_space_is_no_sign_of_life(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);

	live_bed_faults(&bed, "[{'path':'/api/v1/pods','action':'flood','bytes':1000000}]");
	live_bed_control(&bed, "/_sim/reset-watches", NULL);
	assert_in_range(live_bed_pass(&bed, 120, pods_are_unknown, NULL), 1, STALE_S);
	assert_true(fresh(&bed, &kind_service));
	live_bed_faults(&bed, "[]");
	assert_in_range(live_bed_pass(&bed, 120, all_is_live, NULL), 0, BACK_S);
}

/* ---- F4: half-open ---- */

static void a_half_open_connection_is_unknown_within_45_s_and_replaced(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	AUTO_RELEASE(buf) why = BUF_INIT(0);

	live_bed_control(&bed, "/_sim/freeze", "{'path':'.'}"); /* of the connections that are open */
	live_bed_faults(&bed, "[{'path':'/api/v1/pods','action':'hang'}]");
	assert_in_range(live_bed_pass(&bed, 120, pods_are_unknown, NULL), 15, STALE_S);
	assert_false(live_is_proven(bed.live, &kind_pod, "team-a", &why));
	assert_non_null(strstr(buf_cstr(&why), "no data for 3"));
	live_bed_faults(&bed, "[]");
	assert_in_range(live_bed_pass(&bed, 120, pods_are_fresh, NULL), 0, BACK_S);
	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	assert_in_range(live_bed_pass(&bed, 60, live_bed_env_is, &(struct live_bed_wanted){ "team-a", HEALTH_DEGRADED, "chat: " }), 0, BACK_S);
	live_bed_control(&bed, "/_sim/thaw", NULL);
}

/* ---- F6, F7: rights come and go ---- */

static void a_right_that_is_taken_makes_its_kind_unknown_and_comes_back(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	struct live_status status;

	/* The watch that is open lives on, as on a real server: the audit finds it. */
	live_bed_control(&bed, "/_sim/deny", "[{'resource':'pods','group':''}]");
	assert_in_range(live_bed_pass(&bed, 120, pods_are_unknown, NULL), 1, STALE_S);
	live_bed_pass(&bed, 20, NULL, NULL);
	live_bed_faults(&bed, "[{'path':'/api/v1/services','status':500}]");
	live_bed_control(&bed, "/_sim/reset-watches", NULL);
	live_bed_pass(&bed, 5, NULL, NULL);
	assert_ptr_equal(status_of(&bed).trouble, &kind_service); /* what grows old comes before what is not ours to see */
	live_bed_faults(&bed, "[]");
	live_bed_pass(&bed, 20, NULL, NULL);
	status = status_of(&bed);
	assert_int_equal(status.state, LIVE_PARTLY);
	assert_int_equal(status.forbidden, 1);
	assert_ptr_equal(status.trouble, &kind_pod);
	assert_non_null(strstr(status.why, "403"));
	assert_true(fresh(&bed, &kind_service));
	live_bed_control(&bed, "/_sim/deny", "[]");
	assert_in_range(live_bed_pass(&bed, 120, all_is_live, NULL), 0, 65);
	expect_in_step(&bed, 10);
}

struct login {
	_Atomic int token; /* what the hook gives */
	_Atomic int better; /* what it gives when the server refuses that; 0: nothing better */
};

static enum http_auth_result give_token(struct http_credential *ret, uint64_t refused, bool may_block, struct error *err, void *arg)
{
	struct login *login = arg;
	AUTO_FREE char *header = NULL;

	(void)may_block, (void)err;
	if (refused == (uint64_t)login->token && login->better)
		login->token = login->better;
	header = xasprintf("Bearer token-%d", login->token);
	secret_set(&ret->authorization, str_of(header));
	ret->generation = (uint64_t)login->token;
	return HTTP_AUTH_OK;
}

static struct live_bed ready_bed_with_login(struct clock *clock, struct login *login)
{
	struct live_bed bed = live_bed_create(clock);
	AUTO_RELEASE(error) err = { 0 };

	http_destroy(bed.http);
	bed.http = http_create(bed.net, &(struct http_options){ .base_url = sim_url(bed.sim), .authorise = give_token, .authorise_arg = login,
								.authorise_without_tls = true }, &err);
	assert_non_null(bed.http);
	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_control(&bed, "/_sim/deny", "{'requireToken':['token-1','']}");
	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	live_bed_pass(&bed, 40, all_is_live, NULL);
	return bed;
}

static void a_token_that_rotates_is_not_noticed(void **state)
{
	(void)state;
	struct login login = { .token = 1, .better = 2 };
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed_with_login(clock, &login);

	live_bed_control(&bed, "/_sim/deny", "{'requireToken':['token-2','']}");
	live_bed_control(&bed, "/_sim/reset-watches", NULL);
	assert_int_equal(live_bed_pass(&bed, 60, pods_are_unknown, NULL), 60);
	expect_in_step(&bed, 10);
}

static void a_token_that_expired_asks_for_a_login_and_keeps_the_data(void **state)
{
	(void)state;
	struct login login = { .token = 1 };
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed_with_login(clock, &login);
	struct live_status status;

	live_bed_control(&bed, "/_sim/deny", "{'requireToken':['token-2','']}");
	assert_in_range(live_bed_pass(&bed, 120, pods_are_unknown, NULL), 1, STALE_S);
	live_bed_pass(&bed, 60, NULL, NULL);
	status = status_of(&bed);
	assert_non_null(strstr(status.why, "login needed"));
	assert_int_equal(status.live, 0);
	assert_int_equal(envs_find(live_envs(bed.live), "team-a")->shown, HEALTH_UNKNOWN);
	assert_non_null(store_find_name(live_store(bed.live), &kind_deployment, "team-a", "web"));
	login.token = 2;
	assert_in_range(live_bed_pass(&bed, 120, all_is_live, NULL), 0, BACK_S);
	expect_in_step(&bed, 10);
}

/* ---- F8: slow ---- */

static void a_slow_server_never_makes_the_model_wait(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);
	int64_t longest = 0;

	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_faults(&bed, "[{'path':'.','action':'delay','ms':700}]");
	live_bed_open(&bed);
	while (!all_is_live(&bed, NULL)) {
		int64_t began = clock_now_ms(NULL);

		live_poll(bed.live, 2);
		if (clock_now_ms(NULL) - began > longest)
			longest = clock_now_ms(NULL) - began;
		live_bed_take(&bed, 20);
	}
	assert_in_range(longest, 0, 100);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
}

/* ---- F9: asked to wait ---- */

static void retry_after_of_any_form_or_none_is_honoured_within_reason(void **state)
{
	static const char *const forms[] = { "1", "120", "Wed, 21 Oct 2015 07:28:00 GMT", "-1", "999999999", "abc", NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		AUTO(clock) clock = test_clock();
		AUTO_RELEASE(live_bed) bed = ready_bed(clock);
		AUTO_FREE char *header = forms[i] ? xasprintf(",'retryAfter':'%s'", forms[i]) : xstrdup("");
		AUTO_FREE char *rules = xasprintf("[{'path':'/api/v1/pods','status':429%s}]", header);
		unsigned before = live_bed_count(&bed, "/api/v1/pods", "");

		live_bed_faults(&bed, rules);
		live_bed_control(&bed, "/_sim/reset-watches", NULL);
		live_bed_pass(&bed, 60, NULL, NULL);
		assert_in_range(live_bed_count(&bed, "/api/v1/pods", "") - before, 1, 40);
		assert_false(fresh(&bed, &kind_pod));
		assert_non_null(strstr(pods(&bed)->why, "429"));
		assert_true(fresh(&bed, &kind_service));
		live_bed_faults(&bed, "[]");
		assert_in_range(live_bed_pass(&bed, 200, all_is_live, NULL), 0, 65);
	}
}

/* ---- F10: drop by drop ---- */

static void a_list_that_drips_is_given_up_and_hinders_no_other(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = live_bed_create(clock);

	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_faults(&bed, "[{'path':'/api/v1/pods','action':'drip','bytes':1,'ms':200}]");
	live_bed_open(&bed);
	live_bed_pass(&bed, 90, NULL, NULL);
	assert_true(fresh(&bed, &kind_service));
	assert_false(fresh(&bed, &kind_pod));
	assert_true(*pods(&bed)->why);
	assert_ptr_equal(status_of(&bed).trouble, &kind_pod);
	live_bed_faults(&bed, "[]");
	assert_in_range(live_bed_pass(&bed, 120, all_is_live, NULL), 0, BACK_S + 30);
}

/* ---- F12: another server in its place ---- */

static void a_server_restored_from_a_backup_replaces_everything(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	AUTO_RELEASE(error) err = { 0 };
	uint16_t port = sim_port(bed.sim);
	AUTO_FREE char *uid = xstrdup(store_find_name(live_store(bed.live), &kind_deployment, "team-a", "web")->uid);

	for (int i = 0; i < 300; i++) { /* resource versions that the other one will not have for long */
		AUTO_FREE char *patch = xasprintf("{'metadata':{'annotations':{'n':'%d'}}}", i);

		live_bed_send(&bed, "PATCH", "/apis/apps/v1/namespaces/team-a/deployments/web", patch);
	}
	live_bed_pass(&bed, 20, NULL, NULL);
	sim_stop(bed.sim);
	bed.sim = sim_start(&(struct sim_options){ .speed = 10, .port = port }, &err);
	if (!bed.sim)
		fail_msg("%s", err.message);
	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_pass(&bed, 60, NULL, NULL);
	assert_true(all_is_live(&bed, NULL));
	assert_string_not_equal(store_find_name(live_store(bed.live), &kind_deployment, "team-a", "web")->uid, uid);
	assert_null(store_find_uid(live_store(bed.live), uid));
	assert_int_equal(store_count(live_store(bed.live), &kind_pod), 1);
	expect_in_step(&bed, UNKNOWN_WITHIN_S);
}

/* ---- F13: watches that end at once ---- */

static void watches_that_end_at_once_do_not_spin(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	unsigned before = live_bed_count(&bed, "/api/v1/pods", "watch=1");

	live_bed_faults(&bed, "[{'path':'/api/v1/pods.*watch=1','action':'garbage','body':'\\n'}]");
	live_bed_control(&bed, "/_sim/reset-watches", NULL);
	live_bed_pass(&bed, 120, NULL, NULL);
	assert_in_range(live_bed_count(&bed, "/api/v1/pods", "watch=1") - before, 5, 150);
	assert_true(fresh(&bed, &kind_service));
	live_bed_faults(&bed, "[]");
	assert_in_range(live_bed_pass(&bed, 120, all_is_live, NULL), 0, BACK_S);
	live_bed_pass(&bed, BACK_S, NULL, NULL); /* the pause between watches is over */
	expect_in_step(&bed, 10);
}

/* ---- F14: the namesake ---- */

static void an_object_of_the_same_name_is_another_object(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);
	AUTO_FREE char *uid = xstrdup(store_find_name(live_store(bed.live), &kind_deployment, "team-a", "web")->uid);

	live_bed_control(&bed, "/_sim/freeze", "{'path':'deployments.*watch=1'}");
	live_bed_send(&bed, "DELETE", "/apis/apps/v1/namespaces/team-a/deployments/web", "{'propagationPolicy':'Background'}");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_control(&bed, "/_sim/thaw", NULL);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	live_bed_pass(&bed, 40, NULL, NULL);
	assert_null(store_find_uid(live_store(bed.live), uid));
	assert_string_not_equal(store_find_name(live_store(bed.live), &kind_deployment, "team-a", "web")->uid, uid);
}

/* ---- F14b: clocks ---- */

static void clocks_that_differ_by_an_hour_change_nothing(void **state)
{
	static const int64_t skews_s[] = { 3600, -3600 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(skews_s); i++) {
		AUTO(clock) clock = clock_create_manual(clock_wall_ms(NULL) - skews_s[i] * 1000); /* the server's is ahead, or behind */
		AUTO_RELEASE(live_bed) bed = ready_bed(clock);
		int64_t ahead = live_now_ms(bed.live) - clock_wall_ms(NULL);

		assert_in_range(ahead + 120000, 0, 240000); /* the test's clock runs ahead of the real one */
		assert_in_range(status_of(&bed).age_ms, 0, 30000);
		live_bed_pass(&bed, 60, NULL, NULL);
		assert_true(all_is_live(&bed, NULL));
		expect_in_step(&bed, 10);
	}
}

static void a_clock_that_jumps_ahead_makes_everything_unknown_at_once_and_heals(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);

	clock_advance(clock, 2 * 3600 * 1000);
	assert_true(pods_are_unknown(&bed, NULL));
	live_poll(bed.live, 0);
	assert_int_equal(envs_find(live_envs(bed.live), "team-a")->shown, HEALTH_UNKNOWN);
	assert_in_range(live_bed_pass(&bed, 120, all_is_live, NULL), 0, BACK_S);
	expect_in_step(&bed, 10);
}

static void a_machine_that_slept_knows_that_its_data_is_old(void **state)
{
	(void)state;
	AUTO(clock) clock = test_clock();
	AUTO_RELEASE(live_bed) bed = ready_bed(clock);

	live_bed_control(&bed, "/_sim/freeze", "{'path':'.'}"); /* nobody hears of these connections again */
	clock_suspend(clock, 2 * 3600 * 1000);
	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	assert_true(pods_are_unknown(&bed, NULL));
	live_poll(bed.live, 0);
	assert_int_equal(envs_find(live_envs(bed.live), "team-a")->shown, HEALTH_UNKNOWN);
	assert_in_range(live_bed_pass(&bed, 60, live_bed_env_is, &(struct live_bed_wanted){ "team-a", HEALTH_DEGRADED, "chat: " }), 0, 15);
	assert_in_range(live_bed_pass(&bed, 60, all_is_live, NULL), 0, 15);
	live_bed_control(&bed, "/_sim/thaw", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watch_that_falls_silent_makes_its_kind_unknown_and_no_other),
		cmocka_unit_test(a_watch_that_stays_silent_is_never_believed_for_long),
		cmocka_unit_test(one_lost_change_is_found),
		cmocka_unit_test(a_quiet_cluster_is_never_unknown),
		cmocka_unit_test(a_black_hole_of_ten_minutes_keeps_the_data_and_ends_within_5_s),
		cmocka_unit_test(a_server_that_is_gone_leaves_the_table_and_is_found_again),
		cmocka_unit_test(an_outage_costs_at_most_one_request_a_second_and_kind),
		cmocka_unit_test(a_storm_of_410_is_slowed_down_and_named),
		cmocka_unit_test(a_410_in_the_middle_of_a_list_starts_it_again),
		cmocka_unit_test(a_stream_that_is_cut_anywhere_goes_on),
		cmocka_unit_test(garbage_is_no_proof_and_is_named),
		cmocka_unit_test(endless_white_space_is_no_sign_of_life),
		cmocka_unit_test(a_half_open_connection_is_unknown_within_45_s_and_replaced),
		cmocka_unit_test(a_right_that_is_taken_makes_its_kind_unknown_and_comes_back),
		cmocka_unit_test(a_token_that_rotates_is_not_noticed),
		cmocka_unit_test(a_token_that_expired_asks_for_a_login_and_keeps_the_data),
		cmocka_unit_test(a_slow_server_never_makes_the_model_wait),
		cmocka_unit_test(retry_after_of_any_form_or_none_is_honoured_within_reason),
		cmocka_unit_test(a_list_that_drips_is_given_up_and_hinders_no_other),
		cmocka_unit_test(a_server_restored_from_a_backup_replaces_everything),
		cmocka_unit_test(watches_that_end_at_once_do_not_spin),
		cmocka_unit_test(an_object_of_the_same_name_is_another_object),
		cmocka_unit_test(clocks_that_differ_by_an_hour_change_nothing),
		cmocka_unit_test(a_clock_that_jumps_ahead_makes_everything_unknown_at_once_and_heals),
		cmocka_unit_test(a_machine_that_slept_knows_that_its_data_is_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
