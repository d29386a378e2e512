#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube_bed.h"
#include "live/browse.h"

/* A simulated cluster and a browser of it. Every wait ends after 20 s of real time. */
struct bed {
	struct kube_bed kube;
	struct browse *browse;
};

static struct bed bed_create(const struct kube_bed_options *options)
{
	struct bed bed = { .kube = kube_bed_create(options) };

	kube_bed_namespace(&bed.kube, "shop");
	return bed;
}

static void bed_browse(struct bed *bed)
{
	bed->browse = browse_create(&(struct browse_options){ .kube = bed->kube.kube, .clock = bed->kube.clock });
}

static void bed_release(struct bed *bed)
{
	browse_destroy(bed->browse);
	kube_bed_release(&bed->kube);
}
DEFINE_AUTO_RELEASE(bed);

static void turn(struct bed *bed)
{
	struct pollfd p = { .fd = browse_fd(bed->browse), .events = POLLIN };

	poll(&p, 1, bed->kube.clock ? 3 : 30);
	browse_poll(bed->browse, 2);
	if (bed->kube.clock)
		clock_advance(bed->kube.clock, 20); /* the network has short timers of its own */
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

static void wait_for_kinds(struct bed *bed)
{
	const char *why;

	UNTIL(bed, browse_kinds(bed->browse, &why) != KINDS_ASKED);
}

static struct table *open(struct bed *bed, const char *word, const char *namespace)
{
	const struct kube_resource *resource = browse_find_kind(bed->browse, word);

	if (!resource)
		fail_msg("no kind %s", word);
	return browse_open(bed->browse, &(struct browse_list){ .resource = resource, .namespace = namespace });
}

static bool is_live(const struct table *table)
{
	return table_state(table)->state == SCOPE_LIVE;
}

/* The row of that name, NULL when there is none. */
static const struct table_row *row_of(const struct table *table, const char *name)
{
	for (size_t i = 0; i < table_shown(table); i++)
		if (!strcmp(table_shown_at(table, i)->name, name))
			return table_shown_at(table, i);
	return NULL;
}

static const char *cell_of(const struct table *table, const char *name, const char *column)
{
	const struct table_column *columns;
	size_t n = table_columns_of(table, &columns);
	const struct table_row *row = row_of(table, name);

	for (size_t i = 0; i < n && row; i++)
		if (!strcmp(columns[i].name, column))
			return table_cell(row, i);
	return "(none)";
}

/* ---- kinds ---- */

static const char crd[] = "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{'name':"
			  "'widgets.shop.example'},'spec':{'group':'shop.example','scope':'Namespaced','names':{'plural':'widgets',"
			  "'singular':'widget','kind':'Widget','shortNames':['wd']},'versions':[{'name':'v1','served':true,'storage':true,"
			  "'schema':{'openAPIV3Schema':{'type':'object','x-kubernetes-preserve-unknown-fields':true}},"
			  "'additionalPrinterColumns':[{'name':'Colour','type':'string','jsonPath':'.spec.colour'}]}]}}";

static void the_kinds_of_the_server_are_found_custom_ones_too(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	const struct kube_resource *widget;
	size_t pods = 0, autoscalers = 0;
	const char *why;

	free(kube_bed_send(&bed.kube, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd));
	bed_browse(&bed);
	wait_for_kinds(&bed);
	assert_int_equal(browse_kinds(bed.browse, &why), KINDS_KNOWN);
	assert_string_equal(why, "");
	/* served a moment after it was made */
	UNTIL(&bed, (browse_refresh_kinds(bed.browse), browse_find_kind(bed.browse, "wd")));
	widget = browse_find_kind(bed.browse, "wd");
	assert_string_equal(widget->kind, "Widget");
	assert_true(widget->namespaced && widget->can_watch);
	for (size_t i = 0; browse_kind_at(bed.browse, i); i++) {
		pods += !strcmp(browse_kind_at(bed.browse, i)->resource, "pods") && !*browse_kind_at(bed.browse, i)->group;
		autoscalers += !strcmp(browse_kind_at(bed.browse, i)->kind, "HorizontalPodAutoscaler");
		assert_true(browse_kind_at(bed.browse, i)->can_list);
	}
	assert_int_equal(pods, 1);
	assert_int_equal(autoscalers, 1);
	assert_string_equal(browse_kind_at(bed.browse, 0)->group, "");
	assert_null(browse_find_kind(bed.browse, "gadgets"));
}

static void before_the_server_told_the_usual_kinds_are_known(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	const struct kube_resource *pods;
	const char *why;

	kube_bed_faults(&bed.kube, "[{'path':'^/apis?$','action':'hang'}]");
	bed_browse(&bed);
	pods = browse_find_kind(bed.browse, "po");
	assert_non_null(pods);
	assert_string_equal(pods->resource, "pods");
	assert_ptr_equal(browse_find_api(bed.browse, "v1", "Pod"), pods);
	assert_int_equal(browse_kinds(bed.browse, &why), KINDS_ASKED);
	assert_null(browse_find_kind(bed.browse, "wd"));
}

/* ---- tables ---- */

static void a_table_has_the_servers_columns_and_follows_the_cluster(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	struct table *table;
	const struct table_row *row;
	const struct table_column *columns;

	kube_bed_deployment(&bed.kube, "shop", "web");
	bed_browse(&bed);
	wait_for_kinds(&bed);
	table = open(&bed, "pods", "");
	UNTIL(&bed, is_live(table) && table_shown(table) == 1);
	row = table_shown_at(table, 0);
	assert_string_equal(row->namespace, "shop");
	assert_string_equal(row->owner_kind, "ReplicaSet");
	assert_int_equal(strlen(row->uid), 36);
	assert_int_equal(strlen(row->owner_uid), 36);
	assert_true(row->created_ms > INT64_C(1600000000000));
	UNTIL(&bed, !strcmp(cell_of(table, table_shown_at(table, 0)->name, "Status"), "Running"));
	assert_true(table_columns_of(table, &columns) >= 5);
	assert_string_equal(columns[0].name, "Name");
	assert_int_equal(columns[0].priority, 0);
	assert_true(columns[4].is_age);
	/* added, changed, deleted */
	kube_bed_deployment(&bed.kube, "shop", "chat");
	UNTIL(&bed, table_shown(table) == 2);
	free(kube_bed_send(&bed.kube, "DELETE", "/apis/apps/v1/namespaces/shop/deployments/web", NULL));
	UNTIL(&bed, table_shown(table) == 1 && !strncmp(table_shown_at(table, 0)->name, "chat-", 5));
	browse_close(bed.browse, table);
}

static void a_long_list_is_shown_from_its_first_page_on(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	struct table *table;

	kube_bed_config_maps(&bed.kube, "shop", "many", 0, 1100);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	kube_bed_faults(&bed.kube, "[{'path':'configmaps.*continue=','action':'pause'}]");
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, table_shown(table) == 500);
	assert_int_equal(table_state(table)->state, SCOPE_LOADING);
	assert_true(table_expected(table) >= 1100);
	kube_bed_faults(&bed.kube, "[]");
	kube_bed_control(&bed.kube, "release", NULL);
	UNTIL(&bed, is_live(table));
	assert_true(table_shown(table) >= 1100); /* kube-root-ca.crt comes when it comes */
	assert_int_equal(kube_bed_requests(&bed.kube, "/configmaps", "limit=500"), 3);
	UNTIL(&bed, kube_bed_requests(&bed.kube, "/configmaps", "watch=1") == 1);
}

static void a_server_without_tables_gives_names_and_ages(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ .features_off = "tables" });
	const struct table_column *columns;
	struct table *table;

	kube_bed_config_maps(&bed.kube, "shop", "plain", 0, 2);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, is_live(table));
	assert_int_equal(table_columns_of(table, &columns), 2);
	assert_string_equal(columns[0].name, "Name");
	assert_true(columns[1].is_age);
	assert_string_equal(cell_of(table, "plain-1", "Name"), "plain-1");
	assert_true(row_of(table, "plain-1")->created_ms > 0);
	kube_bed_config_maps(&bed.kube, "shop", "plain", 2, 1);
	UNTIL(&bed, row_of(table, "plain-2"));
	free(kube_bed_send(&bed.kube, "DELETE", "/api/v1/namespaces/shop/configmaps/plain-0", NULL));
	UNTIL(&bed, !row_of(table, "plain-0"));
}

static void a_watch_that_ends_goes_on_without_a_new_list(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	struct table *table;

	bed_browse(&bed);
	wait_for_kinds(&bed);
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, is_live(table));
	UNTIL(&bed, kube_bed_requests(&bed.kube, "/configmaps", "watch=1") == 1);
	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 1);
	UNTIL(&bed, row_of(table, "a-0"));
	kube_bed_control(&bed.kube, "reset-watches", NULL);
	kube_bed_config_maps(&bed.kube, "shop", "a", 1, 1);
	UNTIL(&bed, row_of(table, "a-1"));
	assert_int_equal(kube_bed_requests(&bed.kube, "/configmaps", "limit=500"), 1);
}

static void history_that_is_gone_lists_again_and_keeps_the_rows(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	struct table *table;

	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 2);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, is_live(table));
	kube_bed_faults(&bed.kube, "[{'path':'watch=1','count':1,'action':'status','status':410,'reason':'Expired'}]");
	free(kube_bed_send(&bed.kube, "DELETE", "/api/v1/namespaces/shop/configmaps/a-0", NULL));
	kube_bed_control(&bed.kube, "reset-watches", NULL);
	UNTIL(&bed, kube_bed_requests(&bed.kube, "/configmaps", "limit=500") == 2);
	assert_non_null(row_of(table, "a-1"));
	UNTIL(&bed, !row_of(table, "a-0") && is_live(table));
	assert_non_null(row_of(table, "a-1"));
}

static void a_refused_list_says_why_and_is_live_when_allowed(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	struct table *table;

	bed_browse(&bed);
	wait_for_kinds(&bed);
	kube_bed_deny(&bed.kube, "[{'verb':'list','resource':'configmaps'},{'verb':'watch','resource':'configmaps'}]");
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, table_state(table)->state == SCOPE_FORBIDDEN);
	assert_non_null(strstr(table_state(table)->why, "cannot list resource"));
	assert_true(table_state(table)->retry_ms > browse_now_ms(bed.browse));
	kube_bed_deny(&bed.kube, "[]");
	browse_hurry(bed.browse);
	UNTIL(&bed, is_live(table));
	assert_string_equal(table_state(table)->why, "");
}

static void where_only_a_watch_is_allowed_it_streams_the_first_state(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	const struct table_column *columns;
	struct table *table;

	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 3);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	kube_bed_deny(&bed.kube, "[{'verb':'list','resource':'configmaps'}]");
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, is_live(table));
	assert_non_null(row_of(table, "a-0"));
	assert_non_null(row_of(table, "a-2"));
	assert_true(table_columns_of(table, &columns) >= 3);
	kube_bed_config_maps(&bed.kube, "shop", "a", 3, 1);
	UNTIL(&bed, row_of(table, "a-3"));
	assert_int_equal(kube_bed_requests(&bed.kube, "sendInitialEvents=true", NULL), 1);
}

static void a_stream_that_never_says_that_it_is_whole_is_given_up(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ .clock = clock, .features_off = "bookmarks" });
	struct table *table;

	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 1);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	kube_bed_deny(&bed.kube, "[{'verb':'list','resource':'configmaps'}]");
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, row_of(table, "a-0") || kube_bed_requests(&bed.kube, "sendInitialEvents=true", NULL));
	assert_int_equal(table_state(table)->state, SCOPE_LOADING);
	clock_advance(clock, 10000);
	UNTIL(&bed, table_state(table)->state == SCOPE_FORBIDDEN);
	assert_non_null(strstr(table_state(table)->why, "cannot list resource"));
	clock_advance(clock, 61000); /* the list is asked again, the stream is not */
	UNTIL(&bed, kube_bed_requests(&bed.kube, "/configmaps", "limit=500") == 2);
	turn(&bed);
	assert_int_equal(kube_bed_requests(&bed.kube, "sendInitialEvents=true", NULL), 1);
}

static void where_no_watch_is_allowed_the_list_is_read_again(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ .clock = clock });
	struct table *table;

	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 1);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	kube_bed_deny(&bed.kube, "[{'verb':'watch','resource':'configmaps'}]");
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, is_live(table) && kube_bed_requests(&bed.kube, "/configmaps", "watch=1") == 1);
	kube_bed_config_maps(&bed.kube, "shop", "a", 1, 1);
	turn(&bed);
	assert_null(row_of(table, "a-1"));
	clock_advance(clock, 10000);
	UNTIL(&bed, row_of(table, "a-1"));
	assert_true(is_live(table));
	assert_int_equal(kube_bed_requests(&bed.kube, "/configmaps", "limit=500"), 2);
	assert_int_equal(kube_bed_requests(&bed.kube, "/configmaps", "watch=1"), 1);
}

static void a_broken_watch_says_so_and_comes_back(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	struct table *table;

	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 1);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, is_live(table));
	UNTIL(&bed, kube_bed_requests(&bed.kube, "/configmaps", "watch=1") == 1);
	kube_bed_faults(&bed.kube, "[{'path':'watch=1','count':1,'status':503},{'path':'watch=1','count':1,'action':'garbage'}]");
	kube_bed_control(&bed.kube, "reset-watches", NULL);
	UNTIL(&bed, table_state(table)->state == SCOPE_BROKEN);
	assert_true(table_state(table)->retry_ms > 0);
	assert_non_null(row_of(table, "a-0"));
	kube_bed_config_maps(&bed.kube, "shop", "a", 1, 1);
	UNTIL(&bed, row_of(table, "a-1") && is_live(table));
}

static void a_server_that_was_away_for_ten_minutes_is_found_within_seconds(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ .clock = clock });
	AUTO_RELEASE(error) err = { 0 };
	struct table *table;
	int64_t back;

	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 1);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, is_live(table));
	assert_true(sim_set_up(bed.kube.sim, false, &err));
	UNTIL(&bed, table_state(table)->state == SCOPE_BROKEN);
	for (int i = 0; i < 600; i++) {
		clock_advance(clock, 1000);
		turn(&bed);
	}
	assert_non_null(row_of(table, "a-0"));
	assert_true(browse_now_ms(bed.browse) - table_state(table)->proof_ms > 590000);
	assert_true(sim_set_up(bed.kube.sim, true, &err));
	back = clock_now_ms(clock);
	while (!is_live(table) && clock_now_ms(clock) - back < 60000)
		turn(&bed);
	assert_in_range(clock_now_ms(clock) - back, 0, 5000);
}

static void a_watch_that_missed_changes_is_doubted(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ .clock = clock });
	struct table *table;
	int64_t since;

	bed_browse(&bed);
	wait_for_kinds(&bed);
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, is_live(table) && kube_bed_requests(&bed.kube, "/configmaps", "watch=1") == 1);
	kube_bed_control(&bed.kube, "freeze", "{'path':'configmaps.*watch=1'}");
	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 1);
	since = clock_now_ms(clock);
	while (!row_of(table, "a-0") && clock_now_ms(clock) - since < 120000) {
		clock_advance(clock, 200);
		turn(&bed);
	}
	assert_in_range(clock_now_ms(clock) - since, 0, 45000);
	UNTIL(&bed, is_live(table));
}

static void what_the_server_cannot_watch_is_listed_again_and_goes_by_name(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	struct table *table;

	kube_bed_deployment(&bed.kube, "shop", "web");
	bed_browse(&bed);
	wait_for_kinds(&bed);
	assert_false(browse_find_kind(bed.browse, "podmetrics")->can_watch);
	table = open(&bed, "podmetrics", "shop");
	UNTIL(&bed, (browse_hurry(bed.browse), is_live(table) && table_shown(table) == 1));
	assert_memory_equal(table_shown_at(table, 0)->uid, "shop/web-", 9);
	assert_int_equal(kube_bed_requests(&bed.kube, "metrics.k8s.io", "watch=1"), 0);
}

static void two_tables_of_one_kind_do_not_mix(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	struct table *here, *all;

	kube_bed_namespace(&bed.kube, "other");
	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 1);
	kube_bed_config_maps(&bed.kube, "other", "b", 0, 1);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	here = open(&bed, "cm", "shop");
	all = open(&bed, "cm", NULL);
	UNTIL(&bed, is_live(here) && is_live(all));
	assert_null(row_of(here, "b-0"));
	assert_non_null(row_of(all, "b-0"));
	browse_close(bed.browse, all);
	kube_bed_config_maps(&bed.kube, "shop", "a", 1, 1);
	UNTIL(&bed, row_of(here, "a-1"));
	browse_close(bed.browse, all);
}

/* ---- questions and changes ---- */

struct got {
	bool told, ok;
	int code;
	char *text, *message;
	char reason[32];
	size_t nevents;
	char last_event[32];
};

static void got_release(struct got *got)
{
	free(got->text);
	free(got->message);
}
DEFINE_AUTO_RELEASE(got);

static void on_answer(const struct browse_answer *answer, void *arg)
{
	struct got *got = arg;

	got_release(got);
	*got = (struct got){ .told = true, .ok = answer->ok, .code = answer->code, .text = str_dup(answer->text),
			     .message = xstrdup(answer->error->message ? answer->error->message : ""), .nevents = answer->nevents };
	snprintf(got->reason, sizeof got->reason, "%s", answer->reason);
	for (size_t i = 0; i < answer->nevents; i++) {
		assert_true(!i || answer->events[i]->event->last_ms / 1000 >= answer->events[i - 1]->event->last_ms / 1000);
		snprintf(got->last_event, sizeof got->last_event, "%s", answer->events[i]->event->reason);
	}
}

static struct browse_object config_map(struct bed *bed, const char *name)
{
	return (struct browse_object){ .resource = browse_find_kind(bed->browse, "configmaps"), .namespace = "shop", .name = name };
}

static void an_object_is_got_whole_and_a_refusal_says_why(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	AUTO_RELEASE(got) got = { 0 };
	struct browse_object object;

	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 1);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	object = config_map(&bed, "a-0");
	assert_true(browse_get(bed.browse, &object, on_answer, &got) > 0);
	UNTIL(&bed, got.told);
	assert_true(got.ok);
	assert_non_null(strstr(got.text, "\"data\":{\"a\":\"b\"}"));
	object.name = "missing";
	got.told = false;
	browse_get(bed.browse, &object, on_answer, &got);
	UNTIL(&bed, got.told);
	assert_false(got.ok);
	assert_int_equal(got.code, 404);
	assert_string_equal(got.reason, "NotFound");
	assert_non_null(strstr(got.message, "configmaps \"missing\" not found"));
}

static void a_forgotten_question_is_not_answered(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	AUTO_RELEASE(got) forgotten = { 0 };
	AUTO_RELEASE(got) got = { 0 };
	struct browse_object object;

	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 1);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	object = config_map(&bed, "a-0");
	browse_forget(bed.browse, browse_get(bed.browse, &object, on_answer, &forgotten));
	browse_get(bed.browse, &object, on_answer, &got);
	UNTIL(&bed, got.told);
	turn(&bed);
	assert_false(forgotten.told);
}

static void events_are_those_of_the_object_newest_last(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	AUTO_RELEASE(got) got = { 0 };
	struct table *table;
	AUTO_FREE char *uid = NULL, *name = NULL;

	kube_bed_deployment(&bed.kube, "shop", "web");
	kube_bed_deployment(&bed.kube, "shop", "chat");
	bed_browse(&bed);
	wait_for_kinds(&bed);
	table = open(&bed, "pods", "shop");
	UNTIL(&bed, table_shown(table) == 2 && !strcmp(table_cell(table_shown_at(table, 1), 2), "Running"));
	uid = xstrdup(table_shown_at(table, 1)->uid);
	name = xstrdup(table_shown_at(table, 1)->name);
	browse_events(bed.browse, &(struct browse_object){ browse_find_kind(bed.browse, "pods"), "shop", name, uid }, on_answer, &got);
	UNTIL(&bed, got.told);
	assert_true(got.ok);
	assert_in_range(got.nevents, 2, 6);
	assert_string_equal(got.last_event, "Started");
	got.told = false;
	browse_events(bed.browse, &(struct browse_object){ browse_find_kind(bed.browse, "nodes"), "", "no-such-node", NULL }, on_answer, &got);
	UNTIL(&bed, got.told);
	assert_true(got.ok);
	assert_int_equal(got.nevents, 0);
}

static void changes_carry_preconditions_and_the_servers_message(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	AUTO_RELEASE(got) got = { 0 };
	struct browse_object object;
	struct table *table;

	kube_bed_config_maps(&bed.kube, "shop", "a", 0, 1);
	bed_browse(&bed);
	wait_for_kinds(&bed);
	table = open(&bed, "configmaps", "shop");
	UNTIL(&bed, row_of(table, "a-0"));
	object = config_map(&bed, "a-0");
	browse_patch(bed.browse, &object, PATCH_MERGE, NULL, STR("{\"data\":{\"a\":\"new\"}}"), true, on_answer, &got);
	UNTIL(&bed, got.told);
	assert_true(got.ok && strstr(got.text, "\"a\":\"new\""));
	got.told = false;
	browse_patch(bed.browse, &object, PATCH_JSON, NULL, STR("[{\"op\":\"test\",\"path\":\"/data/a\",\"value\":\"new\"}]"), false, on_answer, &got);
	UNTIL(&bed, got.told);
	assert_false(got.ok); /* the dry run changed nothing */
	got.told = false;
	browse_create_object(bed.browse, &object, STR("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a-0\"}}"), false,
			     on_answer, &got);
	UNTIL(&bed, got.told);
	assert_false(got.ok);
	assert_string_equal(got.reason, "AlreadyExists");
	got.told = false;
	object.uid = "11111111-2222-3333-4444-555555555555";
	browse_delete(bed.browse, &object, NULL, NULL, false, on_answer, &got);
	UNTIL(&bed, got.told);
	assert_false(got.ok);
	assert_int_equal(got.code, 409);
	assert_non_null(strstr(got.message, "UID"));
	got.told = false;
	AUTO_FREE char *uid = xstrdup(row_of(table, "a-0")->uid);

	object.uid = uid;
	browse_delete(bed.browse, &object, NULL, "Foreground", false, on_answer, &got);
	UNTIL(&bed, got.told && !row_of(table, "a-0"));
	assert_true(got.ok);
}

/* ---- rights ---- */

#define REVIEWS "selfsubjectaccessreviews"
#define RULES "selfsubjectrulesreviews"

static const struct kube_access delete_maps = { .verb = "delete", .group = "", .resource = "configmaps", .namespace = "shop" };
static const struct kube_access read_logs = { .verb = "get", .group = "", .resource = "pods", .subresource = "log", .namespace = "shop" };

static enum browse_right may(struct bed *bed, const struct kube_access *question)
{
	browse_ask_right(bed->browse, question);
	return browse_may(bed->browse, question);
}

static void all_rights_of_a_namespace_cost_one_request_and_hold_for_five_minutes(void **state)
{
	(void)state;
	AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ .clock = clock });

	kube_bed_deny(&bed.kube, "[{'verb':'delete','resource':'configmaps','namespace':'shop'}]");
	bed_browse(&bed);
	wait_for_kinds(&bed);
	assert_int_equal(browse_may(bed.browse, &delete_maps), RIGHT_UNKNOWN);
	assert_int_equal(kube_bed_requests(&bed.kube, RULES, NULL), 0);
	UNTIL(&bed, may(&bed, &delete_maps) == RIGHT_NO);
	assert_int_equal(may(&bed, &read_logs), RIGHT_YES);
	assert_int_equal(kube_bed_requests(&bed.kube, RULES, NULL), 1);
	assert_int_equal(kube_bed_requests(&bed.kube, REVIEWS, NULL), 0);
	kube_bed_deny(&bed.kube, "[]");
	clock_advance(clock, 299000);
	assert_int_equal(may(&bed, &delete_maps), RIGHT_NO);
	turn(&bed);
	assert_int_equal(kube_bed_requests(&bed.kube, RULES, NULL), 1);
	clock_advance(clock, 1000);
	assert_int_equal(may(&bed, &delete_maps), RIGHT_NO);
	UNTIL(&bed, may(&bed, &delete_maps) == RIGHT_YES);
}

static void after_a_refusal_the_rights_are_asked_anew(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });

	bed_browse(&bed);
	UNTIL(&bed, may(&bed, &delete_maps) == RIGHT_YES);
	kube_bed_deny(&bed.kube, "[{'verb':'delete'}]");
	browse_doubt_rights(bed.browse);
	UNTIL(&bed, may(&bed, &delete_maps) == RIGHT_NO);
}

static void what_an_incomplete_list_does_not_hold_is_asked_by_itself(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	const struct kube_access delete_one = { .verb = "delete", .group = "", .resource = "configmaps", .namespace = "shop", .name = "a" };
	const struct kube_access delete_other = { .verb = "delete", .group = "", .resource = "configmaps", .namespace = "shop", .name = "b" };
	const struct kube_access delete_pods = { .verb = "delete", .group = "", .resource = "pods", .namespace = "shop" };

	kube_bed_faults(&bed.kube, "[{'path':'selfsubjectrulesreviews','status':201,'contentType':'application/json','body':'{\\'status\\':{\\'incomplete\\':true,"
				   "\\'resourceRules\\':[{\\'verbs\\':[\\'get\\'],\\'apiGroups\\':[\\'\\'],\\'resources\\':[\\'*/log\\']},"
				   "{\\'verbs\\':[\\'*\\'],\\'apiGroups\\':[\\'\\'],\\'resources\\':[\\'configmaps\\'],\\'resourceNames\\':[\\'a\\']}]}}'}]");
	kube_bed_deny(&bed.kube, "[{'verb':'delete','resource':'configmaps'}]");
	bed_browse(&bed);
	UNTIL(&bed, may(&bed, &read_logs) == RIGHT_YES);
	assert_int_equal(may(&bed, &delete_one), RIGHT_YES);
	assert_int_equal(kube_bed_requests(&bed.kube, REVIEWS, NULL), 0);
	UNTIL(&bed, may(&bed, &delete_other) == RIGHT_NO);
	UNTIL(&bed, may(&bed, &delete_pods) == RIGHT_YES);
	assert_int_equal(kube_bed_requests(&bed.kube, RULES, NULL), 1);
}

static void rights_on_cluster_wide_kinds_are_asked_one_by_one(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	const struct kube_access delete_volume = { .verb = "delete", .group = "", .resource = "persistentvolumes", .name = "data" };

	kube_bed_deny(&bed.kube, "[{'verb':'delete','resource':'persistentvolumes'}]");
	bed_browse(&bed);
	UNTIL(&bed, may(&bed, &delete_volume) == RIGHT_NO);
	assert_int_equal(kube_bed_requests(&bed.kube, RULES, NULL), 0);
}

static void when_the_server_does_not_tell_the_person_may_try(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });

	kube_bed_faults(&bed.kube, "[{'path':'selfsubject','status':403,'reason':'Forbidden','message':'ask nothing'}]");
	bed_browse(&bed);
	UNTIL(&bed, (may(&bed, &delete_maps), kube_bed_requests(&bed.kube, REVIEWS, NULL) == 1));
	turn(&bed);
	assert_int_equal(may(&bed, &delete_maps), RIGHT_UNKNOWN);
	assert_int_equal(kube_bed_requests(&bed.kube, RULES, NULL), 1);
}

static void an_old_server_is_known_before_a_change_is_tried(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });

	kube_bed_faults(&bed.kube, "[{'path':'^/version','status':200,'contentType':'application/json','body':'{\\'major\\':\\'1\\',\\'minor\\':\\'23\\',\\'gitVersion\\':\\'v1.23.1\\'}'}]");
	bed_browse(&bed);
	assert_string_equal(browse_only_looks(bed.browse), "");
	wait_for_kinds(&bed);
	assert_non_null(strstr(browse_only_looks(bed.browse), "1.23"));
}

static void it_ends_at_once_while_the_server_hangs(void **state)
{
	(void)state;
	AUTO_RELEASE(bed) bed = bed_create(&(struct kube_bed_options){ 0 });
	int64_t before;

	kube_bed_faults(&bed.kube, "[{'path':'.','action':'hang'}]");
	bed_browse(&bed);
	open(&bed, "pods", "");
	turn(&bed);
	before = clock_now_ms(NULL);
	browse_destroy(bed.browse);
	bed.browse = NULL;
	assert_true(clock_now_ms(NULL) - before < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kinds_of_the_server_are_found_custom_ones_too),
		cmocka_unit_test(before_the_server_told_the_usual_kinds_are_known),
		cmocka_unit_test(a_table_has_the_servers_columns_and_follows_the_cluster),
		cmocka_unit_test(a_long_list_is_shown_from_its_first_page_on),
		cmocka_unit_test(a_server_without_tables_gives_names_and_ages),
		cmocka_unit_test(a_watch_that_ends_goes_on_without_a_new_list),
		cmocka_unit_test(history_that_is_gone_lists_again_and_keeps_the_rows),
		cmocka_unit_test(a_refused_list_says_why_and_is_live_when_allowed),
		cmocka_unit_test(where_only_a_watch_is_allowed_it_streams_the_first_state),
		cmocka_unit_test(a_stream_that_never_says_that_it_is_whole_is_given_up),
		cmocka_unit_test(where_no_watch_is_allowed_the_list_is_read_again),
		cmocka_unit_test(a_broken_watch_says_so_and_comes_back),
		cmocka_unit_test(a_server_that_was_away_for_ten_minutes_is_found_within_seconds),
		cmocka_unit_test(a_watch_that_missed_changes_is_doubted),
		cmocka_unit_test(what_the_server_cannot_watch_is_listed_again_and_goes_by_name),
		cmocka_unit_test(two_tables_of_one_kind_do_not_mix),
		cmocka_unit_test(an_object_is_got_whole_and_a_refusal_says_why),
		cmocka_unit_test(a_forgotten_question_is_not_answered),
		cmocka_unit_test(events_are_those_of_the_object_newest_last),
		cmocka_unit_test(changes_carry_preconditions_and_the_servers_message),
		cmocka_unit_test(all_rights_of_a_namespace_cost_one_request_and_hold_for_five_minutes),
		cmocka_unit_test(after_a_refusal_the_rights_are_asked_anew),
		cmocka_unit_test(what_an_incomplete_list_does_not_hold_is_asked_by_itself),
		cmocka_unit_test(rights_on_cluster_wide_kinds_are_asked_one_by_one),
		cmocka_unit_test(when_the_server_does_not_tell_the_person_may_try),
		cmocka_unit_test(an_old_server_is_known_before_a_change_is_tried),
		cmocka_unit_test(it_ends_at_once_while_the_server_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
