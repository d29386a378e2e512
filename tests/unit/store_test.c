#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "model/journal.h"
#include "model/store.h"

#define NOW INT64_C(1700000000000)

static struct row *row_of(const struct kind *kind, const char *fmt, ...)
{
	AUTO(row_decoder) decoder = row_decoder_create();
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) json = BUF_INIT(0);
	struct row *row = NULL;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&json, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < json.len; i++) {
		if (json.p[i] == '\'')
			json.p[i] = '"';
	}
	if (!row_decode(decoder, kind, buf_str(&json), &row, &err))
		fail_msg("%s", err.message);
	return row;
}

static struct row *pod(const char *namespace, const char *name, const char *uid, const char *version, const char *owner)
{
	return row_of(&kind_pod, "{'metadata':{'namespace':'%s','name':'%s','uid':'%s','resourceVersion':'%s','ownerReferences':"
				 "[{'uid':'%s','controller':true}]},'status':{'phase':'Running'}}",
		      namespace, name, uid, version, owner);
}

static void apply(struct store *store, const struct kind *kind, const char *scope, enum row_op op, struct row *row)
{
	struct row_batch *batch = row_batch_create(kind, scope, NOW);

	row_batch_add(batch, op, row);
	store_apply(store, batch);
}

static void objects_are_found_by_uid_and_by_name(void **state)
{
	(void)state;
	AUTO(store) store = store_create();

	apply(store, &kind_pod, "", ROW_PUT, pod("a", "p", "u1", "1", ""));
	apply(store, &kind_pod, "", ROW_PUT, pod("b", "p", "u2", "2", ""));
	assert_string_equal(store_find_uid(store, "u2")->row->namespace, "b");
	assert_string_equal(store_find_name(store, &kind_pod, "a", "p")->uid, "u1");
	assert_null(store_find_name(store, &kind_pod, "c", "p"));
	assert_null(store_find_uid(store, "u3"));
	assert_int_equal(store_count(store, &kind_pod), 2);
	apply(store, &kind_pod, "", ROW_GONE, pod("a", "p", "u1", "3", ""));
	assert_null(store_find_uid(store, "u1"));
	assert_int_equal(store_count(store, &kind_pod), 1);
}

static void a_pod_may_come_before_its_owner(void **state)
{
	(void)state;
	AUTO(store) store = store_create();
	struct entry *owner;

	apply(store, &kind_pod, "", ROW_PUT, pod("a", "p", "u1", "1", "rs1"));
	assert_null(store_find_uid(store, "rs1"));
	apply(store, &kind_replica_set, "", ROW_PUT, row_of(&kind_replica_set, "{'metadata':{'namespace':'a','name':'rs','uid':'rs1'}}"));
	owner = store_find_uid(store, "rs1");
	assert_non_null(owner);
	assert_string_equal(owner->children->row->name, "p");
	assert_ptr_equal(owner->children->owner, owner);
}

static void a_change_below_grows_the_serial_of_all_owners(void **state)
{
	(void)state;
	AUTO(store) store = store_create();
	uint64_t before;

	apply(store, &kind_deployment, "", ROW_PUT, row_of(&kind_deployment, "{'metadata':{'namespace':'a','name':'d','uid':'d1'}}"));
	apply(store, &kind_replica_set, "", ROW_PUT,
	      row_of(&kind_replica_set, "{'metadata':{'namespace':'a','name':'rs','uid':'rs1','ownerReferences':[{'uid':'d1'}]}}"));
	before = store_find_uid(store, "d1")->tree_serial;
	apply(store, &kind_pod, "", ROW_PUT, pod("a", "p", "u1", "1", "rs1"));
	assert_true(store_find_uid(store, "d1")->tree_serial > before);
	before = store_find_uid(store, "d1")->tree_serial;
	apply(store, &kind_event, "", ROW_PUT,
	      row_of(&kind_event, "{'metadata':{'namespace':'a','name':'e','uid':'e1'},'involvedObject':{'uid':'u1'},'type':'Warning'}"));
	assert_true(store_find_uid(store, "d1")->tree_serial > before);
	assert_string_equal(store_last_warning(store_find_uid(store, "u1"))->name, "e");
	before = store_find_uid(store, "d1")->tree_serial;
	apply(store, &kind_pod, "", ROW_GONE, pod("a", "p", "u1", "2", "rs1"));
	assert_true(store_find_uid(store, "d1")->tree_serial > before);
}

static void put_warning(struct store *store, const char *name, const char *when, const char *message)
{
	AUTO_FREE char *text = xasprintf("{'metadata':{'namespace':'a','name':'%s','uid':'%s'},'involvedObject':{'uid':'u1'},'type':'Warning',"
					 "'reason':'Failed','message':'%s','lastTimestamp':'2026-01-02T03:04:%sZ'}",
					 name, name, message, when);

	apply(store, &kind_event, "", ROW_PUT, row_of(&kind_event, text));
}

static void the_last_warning_is_one_that_tells_why(void **state)
{
	(void)state;
	AUTO(store) store = store_create();

	apply(store, &kind_pod, "", ROW_PUT, pod("a", "p", "u1", "1", ""));
	put_warning(store, "dull", "01", "Error: ErrImagePull");
	assert_string_equal(store_last_warning(store_find_uid(store, "u1"))->name, "dull");
	put_warning(store, "why", "02", "Failed to pull image: not found");
	put_warning(store, "duller", "03", "Error: ImagePullBackOff");
	assert_string_equal(store_last_warning(store_find_uid(store, "u1"))->name, "why");
	put_warning(store, "newer", "04", "Error: secret app-db not found");
	assert_string_equal(store_last_warning(store_find_uid(store, "u1"))->name, "newer");
}

static void a_new_list_drops_what_is_not_in_it(void **state)
{
	(void)state;
	AUTO(store) store = store_create();
	struct row_batch *batch = row_batch_create(&kind_pod, "a", NOW);

	apply(store, &kind_pod, "a", ROW_PUT, pod("a", "old", "u1", "1", ""));
	apply(store, &kind_pod, "a", ROW_PUT, pod("a", "kept", "u2", "1", ""));
	apply(store, &kind_pod, "b", ROW_PUT, pod("b", "other", "u3", "1", ""));
	row_batch_add(batch, ROW_LIST_BEGIN, NULL);
	row_batch_add(batch, ROW_PUT, pod("a", "kept", "u2", "1", ""));
	row_batch_add(batch, ROW_PUT, pod("a", "new", "u4", "2", ""));
	row_batch_add(batch, ROW_LIST_END, NULL);
	store_apply(store, batch);
	assert_null(store_find_uid(store, "u1"));
	assert_non_null(store_find_uid(store, "u2"));
	assert_non_null(store_find_uid(store, "u3"));
	assert_non_null(store_find_uid(store, "u4"));
	assert_int_equal(store_scope(store, &kind_pod, "a")->state, SCOPE_LIVE);
	assert_int_equal(store_scope(store, &kind_pod, "a")->synced_ms, NOW);
}

static void a_namesake_with_another_uid_replaces_the_object(void **state)
{
	(void)state;
	AUTO(store) store = store_create();

	apply(store, &kind_pod, "", ROW_PUT, pod("a", "p", "u1", "1", ""));
	apply(store, &kind_pod, "", ROW_PUT, pod("a", "p", "u2", "2", ""));
	assert_null(store_find_uid(store, "u1"));
	assert_string_equal(store_find_name(store, &kind_pod, "a", "p")->uid, "u2");
	apply(store, &kind_pod, "", ROW_GONE, pod("a", "p", "u1", "3", ""));
	assert_non_null(store_find_uid(store, "u2"));
}

static void objects_that_own_each_other_do_no_harm(void **state)
{
	(void)state;
	AUTO(store) store = store_create();

	apply(store, &kind_pod, "", ROW_PUT, pod("a", "p", "u1", "1", "u2"));
	apply(store, &kind_pod, "", ROW_PUT, pod("a", "q", "u2", "1", "u1"));
	apply(store, &kind_pod, "", ROW_PUT, pod("a", "r", "u3", "1", "u3"));
	apply(store, &kind_pod, "", ROW_GONE, pod("a", "p", "u1", "2", "u2"));
	assert_int_equal(store_count(store, &kind_pod), 2);
}

static void iteration_visits_each_object_once(void **state)
{
	(void)state;
	AUTO(store) store = store_create();
	char seen[300] = { 0 };
	size_t n = 0;

	for (int i = 0; i < 300; i++) {
		AUTO_FREE char *name = xasprintf("p%d", i), *uid = xasprintf("u%d", i), *ns = xasprintf("n%d", i % 7);

		apply(store, &kind_pod, "", ROW_PUT, pod(ns, name, uid, "1", "o"));
	}
	for (int i = 0; i < 300; i += 3) {
		AUTO_FREE char *name = xasprintf("p%d", i), *uid = xasprintf("u%d", i), *ns = xasprintf("n%d", i % 7);

		apply(store, &kind_pod, "", ROW_GONE, pod(ns, name, uid, "2", "o"));
	}
	for (struct entry *e = store_first(store, &kind_pod, NULL); e; e = store_next(e, NULL), n++)
		seen[atoi(e->row->name + 1)]++;
	assert_int_equal(n, 200);
	for (int i = 0; i < 300; i++)
		assert_int_equal(seen[i], i % 3 != 0);
	n = 0;
	for (struct entry *e = store_first(store, &kind_pod, "n3"); e; e = store_next(e, "n3"), n++)
		assert_string_equal(e->row->namespace, "n3");
	assert_int_equal(n, 28);
}

static void events_about_one_object_are_bounded(void **state)
{
	(void)state;
	AUTO(store) store = store_create();

	apply(store, &kind_pod, "", ROW_PUT, pod("a", "p", "u1", "1", ""));
	for (int i = 0; i < 500; i++)
		apply(store, &kind_event, "", ROW_PUT,
		      row_of(&kind_event, "{'metadata':{'namespace':'a','name':'e%d','uid':'e%d'},'involvedObject':{'uid':'u1'}}", i, i));
	assert_int_equal(store_count(store, &kind_event), 32);
}

static void the_journal_names_the_manager_and_the_field(void **state)
{
	(void)state;
	AUTO(store) store = store_create();
	static const char text[] = "{'metadata':{'namespace':'a','name':'d','uid':'d1','creationTimestamp':'2023-11-14T22:13:00Z','generation':%d,'resourceVersion':'%d','managedFields':"
				   "[{'manager':'%s','time':'2023-11-14T22:13:%02dZ'}]},'spec':{'replicas':%d,'template':{'spec':{'containers':"
				   "[{'name':'web','image':'r/web:%d'}]}}},'status':{'replicas':%d}}";
	const struct journal_item *item;

	apply(store, &kind_deployment, "", ROW_PUT, row_of(&kind_deployment, text, 1, 1, "slotdeck", 1, 1, 1, 0));
	apply(store, &kind_deployment, "", ROW_PUT, row_of(&kind_deployment, text, 1, 2, "slotdeck", 1, 1, 1, 1));
	assert_int_equal(journal_count(store_journal(store)), 1);
	apply(store, &kind_deployment, "", ROW_PUT, row_of(&kind_deployment, text, 2, 3, "kubectl-edit", 9, 3, 2, 1));
	item = journal_at(store_journal(store), 0);
	assert_int_equal(item->what, JOURNAL_CHANGED);
	assert_string_equal(item->manager, "kubectl-edit");
	assert_string_equal(item->text, "image web: r/web:1 -> r/web:2; replicas 1 -> 3");
	assert_ptr_equal(journal_last_change(store_journal(store), "a", &kind_deployment, "d"), item);
	assert_null(journal_last_change(store_journal(store), "b", NULL, NULL));
}

static void the_journal_forgets_the_oldest(void **state)
{
	(void)state;
	AUTO(journal) journal = journal_create(3);

	for (int i = 0; i < 5; i++) {
		AUTO_FREE char *name = xasprintf("p%d", i);
		AUTO(row) row = pod("a", name, name, "1", "");

		journal_note(journal, NULL, row, NOW);
	}
	assert_int_equal(journal_count(journal), 3);
	assert_string_equal(journal_at(journal, 0)->name, "p4");
	assert_string_equal(journal_at(journal, 2)->name, "p2");
	assert_null(journal_at(journal, 3));
}

static void dropping_a_scope_forgets_what_only_it_covered(void **state)
{
	(void)state;
	AUTO(store) store = store_create();

	apply(store, &kind_pod, "a", ROW_PUT, pod("a", "p", "u1", "1", ""));
	apply(store, &kind_pod, "b", ROW_PUT, pod("b", "p", "u2", "1", ""));
	store_drop_scope(store, &kind_pod, "a");
	assert_null(store_find_uid(store, "u1"));
	assert_non_null(store_find_uid(store, "u2"));
	assert_null(store_scope(store, &kind_pod, "a"));
}

static void ten_thousand_pods_take_little_memory(void **state)
{
	(void)state;
	AUTO(store) store = store_create();
	size_t bytes = 0;

	for (int i = 0; i < 1000; i++) {
		AUTO_FREE char *name = xasprintf("web-6d9f8c7b5-%05d", i);
		struct row *row = row_of(&kind_pod,
			"{'metadata':{'namespace':'load-12','name':'%s','uid':'0a1b2c3d-1111-2222-3333-%012d','resourceVersion':'1234567',"
			"'labels':{'app':'web','pod-template-hash':'6d9f8c7b5','slotdeck.dev/env':'dev','slotdeck.dev/item':'web'},"
			"'ownerReferences':[{'uid':'0a1b2c3d-1111-2222-3333-444444444444','kind':'ReplicaSet','name':'web-6d9f8c7b5','controller':true}]},"
			"'spec':{'nodeName':'node-3','containers':[{'name':'web','image':'registry.local/web:1.2.3'}]},'status':{'phase':'Running',"
			"'podIP':'10.0.12.7','conditions':[{'type':'Ready','status':'True'},{'type':'PodScheduled','status':'True'}],"
			"'containerStatuses':[{'name':'web','ready':true,'state':{'running':{'startedAt':'2026-01-02T03:04:05Z'}}}]}}", name, i);

		bytes += row->size_bytes;
		apply(store, &kind_pod, "", ROW_PUT, row);
	}
	/* The row, and 250 bytes of the entry around it. */
	assert_in_range(bytes / 1000, 100, 1048576 / 1000 - 250);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_found_by_uid_and_by_name),
		cmocka_unit_test(a_pod_may_come_before_its_owner),
		cmocka_unit_test(a_change_below_grows_the_serial_of_all_owners),
		cmocka_unit_test(the_last_warning_is_one_that_tells_why),
		cmocka_unit_test(a_new_list_drops_what_is_not_in_it),
		cmocka_unit_test(a_namesake_with_another_uid_replaces_the_object),
		cmocka_unit_test(objects_that_own_each_other_do_no_harm),
		cmocka_unit_test(iteration_visits_each_object_once),
		cmocka_unit_test(events_about_one_object_are_bounded),
		cmocka_unit_test(the_journal_names_the_manager_and_the_field),
		cmocka_unit_test(the_journal_forgets_the_oldest),
		cmocka_unit_test(dropping_a_scope_forgets_what_only_it_covered),
		cmocka_unit_test(ten_thousand_pods_take_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
