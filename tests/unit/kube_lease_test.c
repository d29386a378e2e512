#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kube/lease.h"
#include "kube_bed.h"

#define PATH "/apis/coordination.k8s.io/v1/namespaces/shop/leases"

/* A cluster whose clients' clock runs some fifty times as fast as ours. */
struct bed {
	struct clock *clock;
	struct kube_bed kube;
	pthread_t ticker;
	atomic_bool stop;
};

static void *tick(void *arg)
{
	struct bed *bed = arg;

	while (!atomic_load(&bed->stop)) {
		usleep(4000);
		clock_advance(bed->clock, 200);
	}
	return NULL;
}

static int setup(void **state)
{
	struct bed *bed = xcalloc(1, sizeof *bed);

	bed->clock = clock_create_manual(INT64_C(1700000000000));
	bed->kube = kube_bed_create(&(struct kube_bed_options){ .clock = bed->clock });
	kube_bed_namespace(&bed->kube, "shop");
	pthread_create(&bed->ticker, NULL, tick, bed);
	*state = bed;
	return 0;
}

static int teardown(void **state)
{
	struct bed *bed = *state;

	atomic_store(&bed->stop, true);
	pthread_join(bed->ticker, NULL);
	kube_bed_release(&bed->kube);
	clock_destroy(bed->clock);
	free(bed);
	return 0;
}

static bool acquire(struct bed *bed, const char *identity, unsigned wait_ms, struct lease **ret, struct error *err)
{
	struct lease_options options = { .namespace = "shop", .name = "deploy", .identity = identity, .run_url = "https://ci.test/7",
					 .wait_ms = wait_ms };

	return lease_acquire(bed->kube.kube, &options, NULL, ret, err);
}

static struct lease *acquired(struct bed *bed, const char *identity)
{
	AUTO_RELEASE(error) err = { 0 };
	struct lease *lease;

	if (!acquire(bed, identity, 0, &lease, &err))
		fail_msg("%s", err.message);
	return lease;
}

/* One text of the Lease as the server has it: given. */
static char *text_of(struct bed *bed, const char *part, const char *key)
{
	AUTO_FREE char *json = kube_bed_send(&bed->kube, "GET", PATH "/deploy", NULL);
	json_t *object = json_loads(json, 0, NULL), *at = json_object_get(object, part);

	if (!strcmp(part, "metadata"))
		at = json_object_get(at, "annotations");
	const json_t *value = json_object_get(at, key);
	char *text = json_is_integer(value) ? xasprintf("%lld", (long long)json_integer_value(value)) :
					      xstrdup(json_is_string(value) ? json_string_value(value) : "");

	json_decref(object);
	return text;
}

static void expect(struct bed *bed, const char *key, const char *wanted)
{
	AUTO_FREE char *text = text_of(bed, "spec", key);

	assert_string_equal(text, wanted);
}

/* A holder that never renews, from another machine. */
static void plant(struct bed *bed, const char *annotations)
{
	AUTO_FREE char *json = xasprintf("{'apiVersion':'coordination.k8s.io/v1','kind':'Lease','metadata':{'name':'deploy'%s},'spec':{"
					 "'holderIdentity':'ghost','leaseDurationSeconds':15,'leaseTransitions':3}}",
					 annotations);

	free(kube_bed_send(&bed->kube, "POST", PATH, json));
}

static void a_lease_is_taken_renewed_and_given_back(void **state)
{
	struct bed *bed = *state;
	struct lease *lease = acquired(bed, "one");
	AUTO_RELEASE(error) err = { 0 };

	expect(bed, "holderIdentity", "one");
	AUTO_FREE char *first = text_of(bed, "spec", "renewTime"), *url = text_of(bed, "metadata", "slotdeck.dev/run-url");
	int64_t end = clock_now_ms(bed->clock) + 60000;

	assert_string_equal(url, "https://ci.test/7");
	for (bool renewed = false; !renewed && clock_now_ms(bed->clock) < end;) {
		AUTO_FREE char *now = text_of(bed, "spec", "renewTime");

		renewed = strcmp(first, now) != 0;
		assert_true(lease_held(lease, &err));
		clock_sleep(bed->clock, NULL, 500, &err);
	}
	assert_true(clock_now_ms(bed->clock) < end);
	lease_release(lease);
	expect(bed, "holderIdentity", "");
	expect(bed, "leaseTransitions", "0");
}

static void who_holds_it_and_where_is_told_to_the_next(void **state)
{
	struct bed *bed = *state;
	struct lease *lease = acquired(bed, "one"), *other = NULL;
	AUTO_RELEASE(error) err = { 0 };

	assert_false(acquire(bed, "two", 0, &other, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.message, "one holds Lease deploy since"));
	assert_non_null(strstr(err.message, "run https://ci.test/7"));
	expect(bed, "holderIdentity", "one");
	lease_release(lease);
	other = acquired(bed, "two");
	lease_release(other);
}

struct late {
	struct bed *bed;
	struct lease *lease;
};

static void *release_later(void *arg)
{
	struct late *late = arg;
	AUTO_RELEASE(error) ignored = { 0 };

	clock_sleep(late->bed->clock, NULL, 8000, &ignored);
	lease_release(late->lease);
	return NULL;
}

static void a_living_holder_is_waited_for_as_long_as_wanted(void **state)
{
	struct bed *bed = *state;
	struct late late = { bed, acquired(bed, "one") };
	AUTO_RELEASE(error) err = { 0 };
	struct lease *other = NULL;
	pthread_t thread;

	pthread_create(&thread, NULL, release_later, &late);
	assert_true(acquire(bed, "two", 60000, &other, &err));
	pthread_join(thread, NULL);
	expect(bed, "holderIdentity", "two");
	lease_release(other);
}

static void a_holder_that_stands_still_is_taken_over_after_its_time(void **state)
{
	struct bed *bed = *state;
	int64_t before = clock_now_ms(bed->clock);

	plant(bed, "");
	struct lease *lease = acquired(bed, "one");

	assert_in_range(clock_now_ms(bed->clock) - before, 15000, 25000);
	expect(bed, "holderIdentity", "one");
	expect(bed, "leaseTransitions", "4");
	lease_release(lease);
}

static void a_dead_process_of_this_machine_is_not_waited_for(void **state)
{
	struct bed *bed = *state;
	struct lease *lease = acquired(bed, "one");
	AUTO_FREE char *process = text_of(bed, "metadata", "slotdeck.dev/process");
	int64_t before;

	lease_release(lease);
	free(kube_bed_send(&bed->kube, "DELETE", PATH "/deploy", NULL));
	/* Our own number, but started at another time: that process has gone. */
	AUTO_FREE char *annotations = xasprintf(",'annotations':{'slotdeck.dev/process':'%s9'}", process);

	plant(bed, annotations);
	before = clock_now_ms(bed->clock);
	lease = acquired(bed, "two");
	assert_true(clock_now_ms(bed->clock) - before < 10000);
	expect(bed, "holderIdentity", "two");
	lease_release(lease);
}

static void a_lease_that_another_took_is_lost_and_stays_the_others(void **state)
{
	struct bed *bed = *state;
	struct lease *lease = acquired(bed, "one");
	AUTO_RELEASE(error) err = { 0 };
	int64_t end = clock_now_ms(bed->clock) + 60000;

	free(kube_bed_send(&bed->kube, "PATCH", PATH "/deploy", "{'spec':{'holderIdentity':'thief'}}"));
	while (lease_held(lease, &err) && clock_now_ms(bed->clock) < end)
		clock_sleep(bed->clock, NULL, 200, &err);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_non_null(strstr(err.message, "was taken by another deployment"));
	lease_release(lease);
	expect(bed, "holderIdentity", "thief");
}

static void without_renewals_nothing_may_be_written_until_they_work_again(void **state)
{
	struct bed *bed = *state;
	struct lease *lease = acquired(bed, "one");
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(error) ignored = { 0 };
	int64_t end = clock_now_ms(bed->clock) + 120000;

	kube_bed_faults(&bed->kube, "[{'method':'PUT','path':'/leases/','status':403}]");
	while (lease_held(lease, &err) && clock_now_ms(bed->clock) < end)
		clock_sleep(bed->clock, NULL, 200, &ignored);
	assert_non_null(strstr(err.message, "could not be renewed for 10 s"));
	kube_bed_faults(&bed->kube, "[]");
	while (!lease_held(lease, &ignored) && clock_now_ms(bed->clock) < end)
		clock_sleep(bed->clock, NULL, 200, &ignored);
	assert_true(clock_now_ms(bed->clock) < end);
	lease_release(lease);
	expect(bed, "holderIdentity", "");
}

struct racer {
	struct bed *bed;
	struct lease *lease;
	char identity[16];
	bool won;
};

static void *race(void *arg)
{
	struct racer *racer = arg;
	AUTO_RELEASE(error) ignored = { 0 };

	racer->won = acquire(racer->bed, racer->identity, 0, &racer->lease, &ignored);
	return NULL;
}

static void of_many_at_once_one_wins(void **state)
{
	struct bed *bed = *state;
	struct racer racers[6];
	pthread_t threads[ARRAY_LEN(racers)];
	unsigned winners = 0;

	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		racers[i] = (struct racer){ .bed = bed };
		snprintf(racers[i].identity, sizeof racers[i].identity, "racer %zu", i);
		pthread_create(&threads[i], NULL, race, &racers[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(racers); i++) {
		pthread_join(threads[i], NULL);
		if (!racers[i].won)
			continue;
		winners++;
		expect(bed, "holderIdentity", racers[i].identity);
	}
	assert_int_equal(winners, 1);
	for (size_t i = 0; i < ARRAY_LEN(racers); i++)
		if (racers[i].won)
			lease_release(racers[i].lease);
}

static void no_lease_is_written_on_a_server_that_is_too_old(void **state)
{
	struct bed *bed = *state;
	AUTO_RELEASE(error) err = { 0 };
	struct lease *lease = NULL;

	kube_bed_faults(&bed->kube, "[{'path':'^/version','action':'status','status':200,'body':'{\\u0022major\\u0022:\\u00221\\u0022,"
				    "\\u0022minor\\u0022:\\u002221\\u0022,\\u0022gitVersion\\u0022:\\u0022v1.21.0\\u0022}'}]");
	assert_false(acquire(bed, "one", 0, &lease, &err));
	assert_int_equal(err.kind, ERR_DENIED);
	assert_non_null(strstr(err.message, "v1.21.0"));
	assert_int_equal(kube_bed_requests(&bed->kube, "POST", "/leases"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_lease_is_taken_renewed_and_given_back, setup, teardown),
		cmocka_unit_test_setup_teardown(who_holds_it_and_where_is_told_to_the_next, setup, teardown),
		cmocka_unit_test_setup_teardown(a_living_holder_is_waited_for_as_long_as_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_holder_that_stands_still_is_taken_over_after_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_process_of_this_machine_is_not_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lease_that_another_took_is_lost_and_stays_the_others, setup, teardown),
		cmocka_unit_test_setup_teardown(without_renewals_nothing_may_be_written_until_they_work_again, setup, teardown),
		cmocka_unit_test_setup_teardown(of_many_at_once_one_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(no_lease_is_written_on_a_server_that_is_too_old, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
