#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "kube/apply.h"
#include "kube_bed.h"

static const struct kube_bed_options plain = { 0 };

static const struct kube_resource *find(struct kube_bed *bed, const char *word)
{
	AUTO_RELEASE(error) err = { 0 };
	const struct kube_resource *resource = kube_find_word(bed->kube, word, NULL, &err);

	if (!resource)
		fail_msg("no kind %s: %s", word, err.message ? err.message : "");
	return resource;
}

static struct kube_apply config_map(struct kube_bed *bed, const char *name, const char *body)
{
	return (struct kube_apply){ .resource = find(bed, "configmaps"), .namespace = "shop", .name = name, .body = str_of(body) };
}

static void apply(struct kube_bed *bed, struct kube_apply *a)
{
	AUTO_RELEASE(error) err = { 0 };

	if (!kube_apply_many(bed->kube, a, 1, 0, NULL, NULL, &err))
		fail_msg("%s", err.message);
	if (a->error.kind)
		fail_msg("%s", a->error.message);
}

static char *data_of(struct kube_bed *bed, const char *name, const char *key)
{
	AUTO_RELEASE(error) err = { 0 };
	json_t *object;

	if (!kube_get(bed->kube, find(bed, "configmaps"), "shop", name, NULL, &object, &err))
		return NULL;
	const char *value = json_string_value(json_object_get(json_object_get(object, "data"), key));
	char *copy = value ? xstrdup(value) : NULL;

	json_decref(object);
	return copy;
}

#define MAP(data) "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},\"data\":{" data "}}"

static void an_object_is_created_then_changed_then_left_as_it_is(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	struct kube_apply first = config_map(&bed, "a", MAP("\"k\":\"1\"")), second = config_map(&bed, "a", MAP("\"k\":\"2\""));
	struct kube_apply third = config_map(&bed, "a", MAP("\"k\":\"2\""));

	kube_bed_namespace(&bed, "shop");
	apply(&bed, &first);
	apply(&bed, &second);
	third.want_object = true;
	apply(&bed, &third);
	assert_true(first.ok && first.created && second.ok && !second.created && third.ok);
	assert_string_equal(first.uid, second.uid);
	assert_string_not_equal(first.resource_version, second.resource_version);
	assert_string_equal(second.resource_version, third.resource_version);
	assert_int_equal(first.generation, -1);
	assert_null(first.object);
	assert_string_equal(json_string_value(json_object_get(json_object_get(third.object, "data"), "k")), "2");
	assert_int_equal(kube_bed_requests(&bed, "fieldManager=slotdeck", "fieldValidation=Strict"), 3);
	kube_apply_release(&first);
	kube_apply_release(&second);
	kube_apply_release(&third);
}

static void a_dry_run_answers_and_changes_nothing(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	struct kube_apply a = config_map(&bed, "a", MAP("\"k\":\"1\""));

	kube_bed_namespace(&bed, "shop");
	a.dry_run = true;
	apply(&bed, &a);
	assert_true(a.ok && a.created);
	assert_null(data_of(&bed, "a", "k"));
	kube_apply_release(&a);
}

static void a_conflict_names_field_and_manager_and_force_takes_the_field(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	struct kube_apply first = config_map(&bed, "a", MAP("\"k\":\"1\"")), second = config_map(&bed, "a", MAP("\"k\":\"1\""));
	struct kube_apply forced = config_map(&bed, "a", MAP("\"k\":\"1\""));

	kube_bed_namespace(&bed, "shop");
	apply(&bed, &first);
	free(kube_bed_send(&bed, "PATCH", "/api/v1/namespaces/shop/configmaps/a?fieldManager=kubectl-edit", "{'data':{'k':'mine'}}"));
	apply(&bed, &second);
	assert_false(second.ok);
	assert_int_equal(second.status.code, 409);
	assert_int_equal(second.nconflicts, 1);
	assert_string_equal(second.conflicts[0].field, ".data.k");
	assert_string_equal(second.conflicts[0].manager, "kubectl-edit");
	assert_non_null(strstr(second.conflicts[0].detail, "using v1"));
	forced.force = true;
	apply(&bed, &forced);
	assert_true(forced.ok);
	AUTO_FREE char *value = data_of(&bed, "a", "k");

	assert_string_equal(value, "1");
	kube_apply_release(&first);
	kube_apply_release(&second);
	kube_apply_release(&forced);
}

static void a_refusal_carries_the_servers_words(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	struct kube_apply unknown = config_map(&bed, "a", "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},\"dtaa\":{}}");
	struct kube_apply nowhere = config_map(&bed, "a", MAP(""));
	struct kube_apply bad_name = config_map(&bed, "a/b", MAP(""));
	AUTO_RELEASE(error) err = { 0 };

	kube_bed_namespace(&bed, "shop");
	apply(&bed, &unknown);
	assert_false(unknown.ok);
	assert_true(unknown.status.code >= 400);
	assert_non_null(strstr(unknown.status.message, "dtaa"));
	nowhere.namespace = "nowhere";
	apply(&bed, &nowhere);
	assert_false(nowhere.ok);
	assert_true(kube_status_is(&nowhere.status, "NotFound"));
	assert_true(kube_apply_many(bed.kube, &bad_name, 1, 0, NULL, NULL, &err));
	assert_false(bad_name.ok);
	assert_int_equal(bad_name.error.kind, ERR_INVALID);
	assert_int_equal(bad_name.generation, -1);
	kube_apply_release(&unknown);
	kube_apply_release(&nowhere);
	kube_apply_release(&bad_name);
}

/* Our reader takes it, jansson does not: \ud800 alone is no character. */
static void an_answer_that_is_wanted_and_cannot_be_read_is_an_error(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	struct kube_apply a = config_map(&bed, "a", MAP("\"k\":\"1\""));
	AUTO_RELEASE(error) err = { 0 };

	kube_bed_namespace(&bed, "shop");
	kube_bed_faults(&bed, "[{'method':'PATCH','action':'garbage','body':'{\\\"metadata\\\":{\\\"uid\\\":\\\"u\\\"},\\\"data\\\":{\\\"k\\\":\\\"\\\\ud800\\\"}}'}]");
	a.want_object = true;
	assert_true(kube_apply_many(bed.kube, &a, 1, 0, NULL, NULL, &err));
	assert_false(a.ok);
	assert_null(a.object);
	assert_int_equal(a.error.kind, ERR_SERVER);
	kube_apply_release(&a);
}

struct telling {
	unsigned told, sent, stop_after;
};

static void on_done(struct kube_apply *a, void *arg)
{
	struct telling *telling = arg;

	telling->told++;
	assert_true(a->ok || a->unanswered);
}

static bool may_send(void *arg, struct error *err)
{
	struct telling *telling = arg;

	return telling->sent++ < telling->stop_after || error_set(err, ERR_CONFLICT, "the lease is lost");
}

/* 60 ConfigMaps m-0 …; bodies are given. */
static void many(struct kube_bed *bed, struct kube_apply *applies, char **names, char **bodies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		names[i] = xasprintf("m-%zu", i);
		bodies[i] = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m-%zu\"}}", i);
		applies[i] = config_map(bed, names[i], bodies[i]);
	}
}

static void free_many(struct kube_apply *applies, char **names, char **bodies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		kube_apply_release(&applies[i]);
		free(names[i]);
		free(bodies[i]);
	}
}

enum { MANY = 60 };

static void many_are_sent_in_parallel_and_faults_on_the_way_are_retried(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	struct kube_apply applies[MANY];
	char *names[MANY], *bodies[MANY];
	struct telling telling = { 0 };
	struct kube_apply_ops ops = { .on_done = on_done, .arg = &telling };

	kube_bed_namespace(&bed, "shop");
	many(&bed, applies, names, bodies, MANY);
	kube_bed_faults(&bed, "[{'method':'PATCH','from':5,'count':1,'action':'reset','when':'after'},"
			      "{'method':'PATCH','from':20,'count':2,'status':503},{'method':'PATCH','from':30,'count':1,'status':429,'retryAfter':'0'}]");
	assert_true(kube_apply_many(bed.kube, applies, MANY, 16, NULL, &ops, &err));
	assert_int_equal(telling.told, MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_true(applies[i].ok);
	assert_int_equal(kube_bed_requests(&bed, "PATCH", NULL), MANY + 4);
	free_many(applies, names, bodies, MANY);
}

static void nothing_is_sent_once_sending_is_no_longer_allowed(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	struct kube_apply applies[MANY];
	char *names[MANY], *bodies[MANY];
	struct telling telling = { .stop_after = 30 };
	struct kube_apply_ops ops = { .may_send = may_send, .on_done = on_done, .arg = &telling };

	kube_bed_namespace(&bed, "shop");
	many(&bed, applies, names, bodies, MANY);
	assert_false(kube_apply_many(bed.kube, applies, MANY, 16, NULL, &ops, &err));
	assert_string_equal(err.message, "the lease is lost");
	/* What never left is not told of; what left is, each once. */
	assert_in_range(telling.told, 1, 30);
	assert_int_equal(kube_bed_requests(&bed, "PATCH", NULL), telling.told);
	free_many(applies, names, bodies, MANY);
}

static void nothing_is_applied_to_a_server_that_is_too_old(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	struct kube_apply a = config_map(&bed, "a", MAP(""));

	kube_bed_namespace(&bed, "shop");
	kube_bed_faults(&bed, "[{'path':'^/version','action':'status','status':200,'body':'{\\u0022major\\u0022:\\u00221\\u0022,\\u0022minor"
			      "\\u0022:\\u002223\\u0022,\\u0022gitVersion\\u0022:\\u0022v1.23.5\\u0022}'}]");
	assert_false(kube_apply_many(bed.kube, &a, 1, 0, NULL, NULL, &err));
	assert_int_equal(err.kind, ERR_DENIED);
	assert_non_null(strstr(err.message, "v1.23.5"));
	assert_int_equal(kube_bed_requests(&bed, "PATCH", NULL), 0);
	a.dry_run = true;
	error_release(&err);
	assert_true(kube_apply_many(bed.kube, &a, 1, 0, NULL, NULL, &err));
	kube_apply_release(&a);
}

/* ---- what kubectl made ---- */

static const char by_kubectl[] = "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'a','annotations':"
				 "{'kubectl.kubernetes.io/last-applied-configuration':'{}'}},'data':{'k':'1','dropped':'2'}}";

static json_t *live_of(struct kube_bed *bed)
{
	AUTO_RELEASE(error) err = { 0 };
	json_t *live;

	if (!kube_get(bed->kube, find(bed, "configmaps"), "shop", "a", NULL, &live, &err))
		fail_msg("%s", err.message);
	return live;
}

static void make_with_kubectl(struct kube_bed *bed)
{
	kube_bed_namespace(bed, "shop");
	free(kube_bed_send(bed, "POST", "/api/v1/namespaces/shop/configmaps?fieldManager=kubectl-client-side-apply", by_kubectl));
	free(kube_bed_send(bed, "PATCH", "/api/v1/namespaces/shop/configmaps/a?fieldManager=controller", "{'data':{'other':'3'}}"));
}

static void fields_that_kubectl_applied_and_we_drop_are_gone(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	struct kube_apply a = config_map(&bed, "a", MAP("\"k\":\"1\""));
	bool migrated;

	make_with_kubectl(&bed);
	json_t *live = live_of(&bed);

	assert_true(kube_migrate_ownership(bed.kube, find(&bed, "configmaps"), "shop", "a", live, NULL, &migrated, &err));
	json_decref(live);
	assert_true(migrated);
	apply(&bed, &a);
	assert_true(a.ok);
	AUTO_FREE char *kept = data_of(&bed, "a", "k"), *other = data_of(&bed, "a", "other");

	assert_string_equal(kept, "1");
	assert_string_equal(other, "3");
	assert_null(data_of(&bed, "a", "dropped"));
	live = live_of(&bed);
	assert_true(kube_migrate_ownership(bed.kube, find(&bed, "configmaps"), "shop", "a", live, NULL, &migrated, &err));
	assert_false(migrated);
	json_decref(live);
	kube_apply_release(&a);
}

static void ownership_is_taken_from_the_newest_version(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	bool migrated;

	make_with_kubectl(&bed);
	json_t *live = live_of(&bed);

	free(kube_bed_send(&bed, "PATCH", "/api/v1/namespaces/shop/configmaps/a?fieldManager=controller", "{'data':{'other':'4'}}"));
	assert_true(kube_migrate_ownership(bed.kube, find(&bed, "configmaps"), "shop", "a", live, NULL, &migrated, &err));
	assert_true(migrated);
	assert_int_equal(kube_bed_requests(&bed, "PATCH", "\"status\":409"), 1);
	AUTO_FREE char *other = data_of(&bed, "a", "other");

	assert_string_equal(other, "4");
	json_decref(live);
}

static void ownership_is_not_taken_for_ever(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	bool migrated;

	make_with_kubectl(&bed);
	json_t *live = live_of(&bed);

	kube_bed_faults(&bed, "[{'method':'PATCH','status':409,'reason':'Conflict','message':'changed'}]");
	assert_false(kube_migrate_ownership(bed.kube, find(&bed, "configmaps"), "shop", "a", live, NULL, &migrated, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_false(migrated);
	assert_int_equal(kube_bed_requests(&bed, "PATCH", NULL), 5);
	json_decref(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_object_is_created_then_changed_then_left_as_it_is),
		cmocka_unit_test(a_dry_run_answers_and_changes_nothing),
		cmocka_unit_test(a_conflict_names_field_and_manager_and_force_takes_the_field),
		cmocka_unit_test(a_refusal_carries_the_servers_words),
		cmocka_unit_test(an_answer_that_is_wanted_and_cannot_be_read_is_an_error),
		cmocka_unit_test(many_are_sent_in_parallel_and_faults_on_the_way_are_retried),
		cmocka_unit_test(nothing_is_sent_once_sending_is_no_longer_allowed),
		cmocka_unit_test(nothing_is_applied_to_a_server_that_is_too_old),
		cmocka_unit_test(fields_that_kubectl_applied_and_we_drop_are_gone),
		cmocka_unit_test(ownership_is_taken_from_the_newest_version),
		cmocka_unit_test(ownership_is_not_taken_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
