#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "kube/feed.h"
#include "kube/watcher.h"
#include "kube_bed.h"

/* A store kept up to date from a simulated cluster. Every wait ends after 20 s of real time. */
struct bed {
	struct kube_bed kube;
	struct watcher *watcher;
	struct store *store;
};

static struct bed bed_create(void)
{
	struct bed bed = { .kube = kube_bed_create(&(struct kube_bed_options){ 0 }) };

	kube_bed_namespace(&bed.kube, "shop");
	bed.store = store_create();
	bed.watcher = watcher_create(&(struct watcher_options){ .net = bed.kube.net, .http = kube_http(bed.kube.kube) });
	return bed;
}

static void bed_release(struct bed *bed)
{
	watcher_destroy(bed->watcher);
	store_destroy(bed->store);
	kube_bed_release(&bed->kube);
}
DEFINE_AUTO_RELEASE(bed);

static void turn(struct bed *bed)
{
	AUTO_RELEASE(error) ignored = { 0 };

	watcher_wait(bed->watcher, NULL, watcher_now_ms(bed->watcher) + 30, &ignored);
	watcher_take(bed->watcher, bed->store, NULL, 0);
}

#define UNTIL(bed, condition)                                             \
	do {                                                              \
		int64_t end_ = clock_now_ms(NULL) + 20000;                \
		while (!(condition)) {                                    \
			if (clock_now_ms(NULL) >= end_)                   \
				fail_msg("never came: %s", #condition);   \
			turn(bed);                                        \
		}                                                         \
	} while (0)

/* Named "x-0" …, x being the reason in small letters. */
static void post_events(struct bed *bed, const char *type, const char *reason, unsigned n)
{
	AUTO_FREE char *name = xstrdup(reason);

	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	for (unsigned i = 0; i < n; i++) {
		AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'Event','metadata':{'name':'%s-%u'},'involvedObject':{'kind':'Pod',"
						 "'namespace':'shop','name':'web-%u'},'type':'%s','reason':'%s','message':'so it was'}",
						 name, i, i, type, reason);

		free(kube_bed_send(&bed->kube, "POST", "/api/v1/namespaces/shop/events", json));
	}
}

static const struct scope *events(struct bed *bed)
{
	return store_scope(bed->store, &kind_event, "shop");
}

static void of_thousands_of_events_the_usual_ones_are_left_out(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	post_events(&bed, "Normal", "Started", FEED_CROWD + 600);
	post_events(&bed, "Warning", "BackOff", 3);
	watcher_watch(bed.watcher, bed.store, &kind_event, "shop");
	UNTIL(&bed, events(&bed)->state == SCOPE_LIVE && *events(&bed)->why);
	assert_string_equal(events(&bed)->why, "there are thousands: the usual ones are left out");
	assert_int_equal(store_count(bed.store, &kind_event), 3);
	/* The same for what comes. */
	free(kube_bed_send(&bed.kube, "DELETE", "/api/v1/namespaces/shop/events/started-1", NULL));
	free(kube_bed_send(&bed.kube, "DELETE", "/api/v1/namespaces/shop/events/backoff-0", NULL));
	post_events(&bed, "Normal", "Pulled", 1);
	post_events(&bed, "Warning", "Unhealthy", 1);
	UNTIL(&bed, store_find_name(bed.store, &kind_event, "shop", "unhealthy-0"));
	UNTIL(&bed, !store_find_name(bed.store, &kind_event, "shop", "backoff-0"));
	assert_null(store_find_name(bed.store, &kind_event, "shop", "pulled-0"));
	assert_int_equal(store_count(bed.store, &kind_event), 3);
}

static void fewer_events_are_all_kept(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	post_events(&bed, "Normal", "Started", 700);
	watcher_watch(bed.watcher, bed.store, &kind_event, "shop");
	UNTIL(&bed, events(&bed)->state == SCOPE_LIVE);
	assert_int_equal(store_count(bed.store, &kind_event), 700);
	assert_string_equal(events(&bed)->why, "");
}

static void a_page_that_breaks_off_is_listed_again_and_nothing_is_lost(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create();

	post_events(&bed, "Normal", "Started", 1200);
	kube_bed_faults(&bed.kube, "[{'path':'continue=','count':1,'action':'cut','at':9000},{'path':'continue=','count':1,'action':'status','status':410}]");
	watcher_watch(bed.watcher, bed.store, &kind_event, "shop");
	UNTIL(&bed, events(&bed)->state == SCOPE_LIVE);
	assert_int_equal(store_count(bed.store, &kind_event), 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_thousands_of_events_the_usual_ones_are_left_out),
		cmocka_unit_test(fewer_events_are_all_kept),
		cmocka_unit_test(a_page_that_breaks_off_is_listed_again_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
