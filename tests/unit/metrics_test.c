/* CPU and memory of pods, read from the simulation through the live model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "live_bed.h"

static struct metrics_status status_of(const struct live_bed *bed)
{
	struct metrics_status status;

	metrics_status(live_metrics(bed->live), &status);
	return status;
}

static struct usage usage_of(struct live_bed *bed, const char *namespace, const char *deployment)
{
	struct entry *entry = store_find_name(live_store(bed->live), &kind_deployment, namespace, deployment);
	struct usage usage = { 0 };

	if (entry)
		metrics_add_usage(live_metrics(bed->live), entry, &usage);
	return usage;
}

static bool is_measured(struct live_bed *bed, const void *arg)
{
	return usage_of(bed, "team-a", arg).measured > 0;
}

static bool both_are_measured(struct live_bed *bed, const void *arg)
{
	(void)arg;
	return usage_of(bed, "team-a", "web").measured == 2;
}

static bool state_is(struct live_bed *bed, const void *arg)
{
	return status_of(bed).state == *(const enum metrics_state *)arg;
}

static bool rounds_are(struct live_bed *bed, const void *arg)
{
	return status_of(bed).rounds >= *(const uint64_t *)arg;
}

/* A Deployment of two pods that use what the test says. */
static void make_measured(struct live_bed *bed, const char *name)
{
	AUTO_FREE char *json = xasprintf(
		"{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'%s'},'spec':{'replicas':2,'selector':{'matchLabels':{'app':'%s'}},"
		"'template':{'metadata':{'labels':{'app':'%s'},'annotations':{'testbed/cpu':'150m','testbed/memory':'64Mi'}},'spec':{'containers':"
		"[{'name':'main','image':'registry.local/x:1','resources':{'requests':{'cpu':'100m','memory':'32Mi'},'limits':{'memory':'128Mi'}}}]}}}}",
		name, name, name);

	live_bed_send(bed, "POST", "/apis/apps/v1/namespaces/team-a/deployments", json);
}

static struct live_bed open_bed(struct clock *clock)
{
	struct live_bed bed = live_bed_create(clock);

	live_bed_namespace(&bed, "team-a");
	make_measured(&bed, "web");
	assert_true(sim_wait_idle(bed.sim, 10000));
	return bed;
}

static void a_workload_uses_what_its_pods_use(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(live_bed) bed = open_bed(clock);
	struct usage usage;

	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	live_bed_pass(&bed, 60, both_are_measured, NULL);
	usage = usage_of(&bed, "team-a", "web");
	assert_int_equal(usage.pods, 2);
	assert_int_equal(usage.measured, 2);
	assert_int_equal(usage.cpu_m, 300);
	assert_int_equal(usage.memory_b, 128 << 20);
	assert_int_equal(usage.cpu_request_m, 200);
	assert_int_equal(usage.cpu_limited, 0);
	assert_int_equal(usage.memory_limited, 2);
	assert_int_equal(usage.memory_limit_b, 256 << 20);
	assert_true(metrics_node_usage(live_metrics(bed.live), "node-1", &usage));
	assert_true(usage.cpu_m > 0);
}

static void it_is_asked_every_15_s_and_the_strip_grows(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(live_bed) bed = open_bed(clock);
	struct strip strip;
	size_t measured = 0;
	unsigned asked;

	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	live_bed_pass(&bed, 92, NULL, NULL);
	asked = live_bed_count(&bed, "/apis/metrics.k8s.io/v1beta1/pods", "");
	assert_in_range(asked, 6, 8);
	strip_init(&strip);
	metrics_add_strip(live_metrics(bed.live), store_find_name(live_store(bed.live), &kind_deployment, "team-a", "web"), METRICS_CPU, &strip);
	for (size_t i = 0; i < METRICS_SAMPLES; i++)
		measured += strip.values[i] > 0;
	assert_in_range(measured, status_of(&bed).rounds - 1, status_of(&bed).rounds);
	assert_int_equal(strip.values[METRICS_SAMPLES - 1], 300);
	assert_int_equal(strip.values[0], -1);
}

static void what_does_not_run_uses_nothing_that_is_known(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(live_bed) bed = open_bed(clock);

	live_bed_deployment(&bed, "team-a", "chat", "imagepull");
	live_bed_open(&bed);
	live_bed_pass(&bed, 60, is_measured, "web");
	assert_int_equal(usage_of(&bed, "team-a", "chat").pods, 1);
	assert_int_equal(usage_of(&bed, "team-a", "chat").measured, 0);
}

static void a_server_without_metrics_is_left_alone(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(live_bed) bed = open_bed(clock);
	enum metrics_state wanted = METRICS_ABSENT;

	sim_set_feature(bed.sim, "metrics", false);
	live_bed_open(&bed);
	assert_true(live_bed_until(&bed, state_is, &wanted));
	live_bed_pass(&bed, 120, NULL, NULL);
	assert_int_equal(live_bed_count(&bed, "/apis/metrics.k8s.io/v1beta1/pods", ""), 1);
	assert_int_equal(usage_of(&bed, "team-a", "web").measured, 0);
	assert_int_equal(usage_of(&bed, "team-a", "web").cpu_request_m, 200);
	/* It is installed: found after 10 min at most. */
	sim_set_feature(bed.sim, "metrics", true);
	assert_in_range(live_bed_pass(&bed, 700, is_measured, "web"), 1, 600);
}

static void without_cluster_rights_each_namespace_is_asked(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(live_bed) bed = open_bed(clock);

	live_bed_control(&bed, "/_sim/deny", "[{'verb':'list','namespace':''}]");
	live_bed_open(&bed);
	live_add_namespace(bed.live, "team-a");
	live_add_namespace(bed.live, "team-b");
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	assert_in_range(live_bed_pass(&bed, 60, is_measured, "web"), 0, 40);
	assert_int_equal(usage_of(&bed, "team-a", "web").cpu_m, 300);
	assert_int_equal(status_of(&bed).state, METRICS_LIVE);
}

static void what_is_refused_everywhere_says_so_and_is_asked_again(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(live_bed) bed = open_bed(clock);
	enum metrics_state wanted = METRICS_FORBIDDEN;

	live_bed_control(&bed, "/_sim/deny", "[{'group':'metrics.k8s.io'}]");
	live_bed_open(&bed);
	assert_true(live_bed_until(&bed, state_is, &wanted));
	assert_non_null(strstr(status_of(&bed).why, "no right"));
	live_bed_control(&bed, "/_sim/deny", "[]");
	assert_in_range(live_bed_pass(&bed, 120, is_measured, "web"), 1, 65);
}

static void an_outage_makes_old_samples_old(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(live_bed) bed = open_bed(clock);
	enum metrics_state wanted = METRICS_BROKEN;
	uint64_t more;

	live_bed_open(&bed);
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
	assert_in_range(live_bed_pass(&bed, 60, is_measured, "web"), 0, 40);
	live_bed_faults(&bed, "[{'path':'metrics.k8s.io','status':503}]");
	live_bed_pass(&bed, 40, state_is, &wanted);
	assert_int_equal(status_of(&bed).state, METRICS_BROKEN);
	assert_string_equal(status_of(&bed).why, "HTTP 503");
	assert_true(status_of(&bed).age_ms >= 13000);
	more = status_of(&bed).rounds + 1;
	live_bed_faults(&bed, "[]");
	assert_in_range(live_bed_pass(&bed, 60, rounds_are, &more), 1, 35);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_workload_uses_what_its_pods_use),
		cmocka_unit_test(it_is_asked_every_15_s_and_the_strip_grows),
		cmocka_unit_test(what_does_not_run_uses_nothing_that_is_known),
		cmocka_unit_test(a_server_without_metrics_is_left_alone),
		cmocka_unit_test(without_cluster_rights_each_namespace_is_asked),
		cmocka_unit_test(what_is_refused_everywhere_says_so_and_is_asked_again),
		cmocka_unit_test(an_outage_makes_old_samples_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
