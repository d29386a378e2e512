#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>

#include "kube_bed.h"

static const struct kube_bed_options plain = { 0 };

static const struct kube_resource *find(struct kube_bed *bed, const char *word)
{
	AUTO_RELEASE(error) err = { 0 };
	const struct kube_resource *resource = kube_find_word(bed->kube, word, NULL, &err);

	if (err.kind)
		fail_msg("%s", err.message);
	return resource;
}

static char *crd_of(const char *plural, const char *kind, const char *annotations)
{
	return xasprintf("{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition','metadata':{'name':'%s.shop.example'%s},"
			 "'spec':{'group':'shop.example','scope':'Namespaced','names':{'plural':'%s','kind':'%s'},'versions':[{'name':'v1',"
			 "'served':true,'storage':true,'schema':{'openAPIV3Schema':{'type':'object','x-kubernetes-preserve-unknown-fields':"
			 "true}}}]}}",
			 plural, annotations, plural, kind);
}

static void define(struct kube_bed *bed, const char *plural, const char *kind, const char *annotations)
{
	AUTO_FREE char *crd = crd_of(plural, kind, annotations);

	free(kube_bed_send(bed, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd));
}

/* ---- discovery ---- */

static void words_that_people_type_name_kinds(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	static const struct {
		const char *word, *kind, *group;
	} table[] = {
		{ "po", "Pod", "" },		     { "pods", "Pod", "" },		       { "Pod", "Pod", "" },
		{ "deploy", "Deployment", "apps" },  { "deployments.apps", "Deployment", "apps" }, { "deploy.v1.apps", "Deployment", "apps" },
		{ "DEPLOYMENT", "Deployment", "apps" }, { "events", "Event", "" },	       { "events.events.k8s.io", "Event", "events.k8s.io" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const struct kube_resource *r = find(&bed, table[i].word);

		if (!r)
			fail_msg("no kind %s", table[i].word);
		assert_string_equal(r->kind, table[i].kind);
		assert_string_equal(r->group, table[i].group);
	}
	assert_null(find(&bed, "deployments.core"));
	assert_null(find(&bed, "po.v1.apps"));
	assert_null(find(&bed, "pod/status"));
	assert_int_equal(kube_bed_requests(&bed, "\"/api\"", NULL), 1);
}

static void scopes_verbs_and_subresources_are_told(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	const struct kube_resource *deployments = find(&bed, "deployments"), *namespaces = find(&bed, "ns");

	assert_true(deployments->namespaced && deployments->has_status && deployments->has_scale && deployments->can_patch);
	assert_false(namespaces->namespaced);
	assert_true(namespaces->has_status && !namespaces->has_scale);
}

static size_t count_kinds(struct kube_bed *bed)
{
	const struct kube_resource *ignored;
	size_t n = 0;

	while (kube_resource_at(bed->kube, n, &ignored))
		n++;
	return n;
}

static void servers_without_aggregated_discovery_are_read_group_by_group(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(kube_bed) old = kube_bed_create(&(struct kube_bed_options){ .features_off = "aggregated-discovery" });
	const struct kube_resource *r;

	assert_non_null(find(&bed, "pods"));
	assert_non_null(find(&old, "pods"));
	assert_int_equal(count_kinds(&bed), count_kinds(&old));
	for (size_t n = 0; kube_resource_at(bed.kube, n, &r); n++) {
		AUTO_RELEASE(error) err = { 0 };
		AUTO_FREE char *api_version = *r->group ? xasprintf("%s/%s", r->group, r->version) : xstrdup(r->version);
		const struct kube_resource *same = kube_find_kind(old.kube, api_version, r->kind, NULL, &err);

		if (!same)
			fail_msg("%s %s is not found group by group", api_version, r->kind);
		assert_string_equal(same->resource, r->resource);
		assert_int_equal(same->namespaced, r->namespaced);
		assert_int_equal(same->preferred, r->preferred);
		assert_int_equal(same->has_status, r->has_status);
		assert_int_equal(same->has_scale, r->has_scale);
		assert_int_equal(same->can_list, r->can_list);
	}
}

static void a_group_that_does_not_answer_hides_no_other(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&(struct kube_bed_options){ .features_off = "aggregated-discovery" });

	kube_bed_faults(&bed, "[{'path':'^/apis/metrics.k8s.io/v1beta1$','status':503}]");
	assert_non_null(find(&bed, "deployments"));
	assert_null(find(&bed, "podmetrics"));
	AUTO_FREE char *failed = kube_failed_groups(bed.kube);

	assert_string_equal(failed, "metrics.k8s.io/v1beta1");
}

static void a_stale_group_is_named_and_asked_again(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };

	kube_bed_faults(&bed, "[{'path':'^/apis$','count':1,'action':'status','status':200,'contentType':'application/json','body':"
			      "'{\\u0022kind\\u0022:\\u0022APIGroupDiscoveryList\\u0022,\\u0022items\\u0022:[{\\u0022metadata\\u0022:{\\u0022name\\u0022:"
			      "\\u0022metrics.k8s.io\\u0022},\\u0022versions\\u0022:[{\\u0022version\\u0022:\\u0022v1beta1\\u0022,\\u0022freshness\\u0022:"
			      "\\u0022Stale\\u0022}]}]}'}]");
	assert_non_null(find(&bed, "pods"));
	AUTO_FREE char *failed = kube_failed_groups(bed.kube);

	assert_string_equal(failed, "metrics.k8s.io/v1beta1");
	assert_null(find(&bed, "deployments"));
	assert_true(kube_discover(bed.kube, NULL, &err));
	assert_non_null(find(&bed, "deployments"));
	AUTO_FREE char *none = kube_failed_groups(bed.kube);

	assert_string_equal(none, "");
}

static void a_refresh_without_changes_is_two_empty_answers(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	const struct kube_resource *pods = find(&bed, "pods");
	size_t n = count_kinds(&bed);

	assert_true(kube_discover(bed.kube, NULL, &err));
	assert_int_equal(kube_bed_requests(&bed, "\"status\":304", NULL), 2);
	assert_int_equal(count_kinds(&bed), n);
	assert_ptr_equal(find(&bed, "pods"), pods);
}

static void a_refresh_finds_new_kinds_and_keeps_the_old_pointers(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	const struct kube_resource *deployments = find(&bed, "deployments"), *gadgets = NULL;

	assert_null(find(&bed, "gadgets"));
	define(&bed, "gadgets", "Gadget", "");
	for (int i = 0; i < 200 && !gadgets; i++) { /* served a moment after it was made */
		assert_true(kube_discover(bed.kube, NULL, &err));
		gadgets = find(&bed, "gadgets");
		clock_sleep(NULL, NULL, 10, &err);
	}
	assert_non_null(gadgets);
	assert_ptr_equal(find(&bed, "deployments"), deployments);
	/* gone again: not found, but whoever holds it may read it */
	free(kube_bed_send(&bed, "DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.shop.example", NULL));
	for (int i = 0; i < 200 && find(&bed, "gadgets"); i++) {
		assert_true(kube_discover(bed.kube, NULL, &err));
		clock_sleep(NULL, NULL, 10, &err);
	}
	assert_null(find(&bed, "gadgets"));
	assert_string_equal(gadgets->kind, "Gadget");
}

static void a_new_kind_is_waited_for_until_it_is_served(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	const struct kube_resource *found = NULL;
	size_t n;

	assert_non_null(find(&bed, "pods"));
	define(&bed, "gadgets", "Gadget", ",'annotations':{'sim/serve-delay':'3s'}");
	assert_true(kube_wait_for_kind(bed.kube, "shop.example/v1", "Gadget", 20000, NULL, &found, &err));
	assert_string_equal(found->resource, "gadgets");
	n = count_kinds(&bed);
	assert_true(kube_wait_for_kind(bed.kube, "shop.example/v1", "Gadget", 1000, NULL, &found, &err));
	assert_int_equal(count_kinds(&bed), n);
	assert_false(kube_wait_for_kind(bed.kube, "shop.example/v1", "Gizmo", 300, NULL, &found, &err));
	assert_int_equal(err.kind, ERR_TIMEOUT);
	assert_non_null(strstr(err.message, "Gizmo"));
}

/* ---- versions ---- */

static void old_server(struct kube_bed *bed)
{
	kube_bed_faults(bed, "[{'path':'^/version','action':'status','status':200,'contentType':'application/json','body':"
			     "'{\\u0022major\\u0022:\\u00221\\u0022,\\u0022minor\\u0022:\\u002222+\\u0022,\\u0022gitVersion\\u0022:"
			     "\\u0022v1.22.17-eks\\u0022}'}]");
}

static void the_version_is_asked_once(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	struct kube_version version;

	old_server(&bed);
	assert_true(kube_server_version(bed.kube, NULL, &version, &err));
	assert_true(kube_server_version(bed.kube, NULL, &version, &err));
	assert_int_equal(version.major, 1);
	assert_int_equal(version.minor, 22);
	assert_string_equal(version.git_version, "v1.22.17-eks");
	assert_int_equal(kube_bed_requests(&bed, "/version", NULL), 1);
}

static bool create_config_map(struct kube_bed *bed, const char *name, struct kube_status *status, struct error *err)
{
	AUTO_FREE char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\"},\"data\":{\"a\":\"b\"}}", name);

	return kube_create(bed->kube, find(bed, "configmaps"), "shop", str_of(body), NULL, NULL, status, err);
}

static void servers_before_1_24_are_only_looked_at(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	json_t *object;

	kube_bed_namespace(&bed, "shop");
	kube_bed_config_maps(&bed, "shop", "a", 0, 1);
	old_server(&bed);
	assert_false(create_config_map(&bed, "b", NULL, &err));
	assert_int_equal(err.kind, ERR_DENIED);
	assert_non_null(strstr(err.message, "the server is v1.22.17-eks: nothing is changed on servers before 1.24"));
	assert_int_equal(kube_bed_requests(&bed, "POST", "configmaps"), 0);
	error_release(&err);
	assert_true(kube_patch(bed.kube, find(&bed, "configmaps"), "shop", "a-0", NULL, "application/merge-patch+json",
			       STR("{\"data\":{\"a\":\"c\"}}"), true, NULL, NULL, NULL, &err));
	assert_true(kube_get(bed.kube, find(&bed, "configmaps"), "shop", "a-0", NULL, &object, &err));
	json_decref(object);
}

static void a_server_that_hides_its_version_is_written_to(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };

	kube_bed_namespace(&bed, "shop");
	kube_bed_faults(&bed, "[{'path':'^/version','status':403}]");
	assert_true(create_config_map(&bed, "b", NULL, &err));
}

/* ---- objects ---- */

static void an_object_is_created_read_replaced_and_deleted(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	const struct kube_resource *maps = find(&bed, "configmaps");
	json_t *object = NULL;

	kube_bed_namespace(&bed, "shop");
	assert_true(create_config_map(&bed, "a", NULL, &err));
	assert_true(kube_get(bed.kube, maps, "shop", "a", NULL, &object, &err));
	json_object_set_new(json_object_get(object, "data"), "a", json_string("new"));
	AUTO_FREE char *body = json_dumps(object, 0);

	json_decref(object);
	AUTO_RELEASE(http_response) answer = { 0 };
	AUTO_RELEASE(kube_status) status = { 0 };
	struct kube_send put = { .method = "PUT", .verb = "replace", .namespace = "shop", .name = "a", .content_type = "application/json",
				 .body = str_of(body) };

	assert_true(kube_send(bed.kube, maps, &put, NULL, &answer, NULL, &err));
	assert_non_null(strstr(buf_cstr(&answer.body), "\"new\""));
	/* the same again carries an old resource version */
	assert_false(kube_send(bed.kube, maps, &put, NULL, &answer, &status, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_true(kube_status_is(&status, "Conflict"));
	error_release(&err);
	assert_true(kube_delete(bed.kube, maps, "shop", "a", &(struct kube_delete_options){ 0 }, NULL, NULL, &err));
	assert_false(kube_get(bed.kube, maps, "shop", "a", NULL, &object, &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	error_release(&err);
	assert_true(kube_delete(bed.kube, maps, "shop", "a", &(struct kube_delete_options){ 0 }, NULL, NULL, &err));
}

static char *uid_of(struct kube_bed *bed, const char *name)
{
	AUTO_RELEASE(error) err = { 0 };
	json_t *object;

	if (!kube_get(bed->kube, find(bed, "configmaps"), "shop", name, NULL, &object, &err))
		fail_msg("%s", err.message);
	char *uid = xstrdup(json_string_value(json_object_get(json_object_get(object, "metadata"), "uid")));

	json_decref(object);
	return uid;
}

static void a_namesake_is_not_deleted(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	const struct kube_resource *maps = find(&bed, "configmaps");

	kube_bed_namespace(&bed, "shop");
	kube_bed_config_maps(&bed, "shop", "a", 0, 1);
	AUTO_FREE char *first = uid_of(&bed, "a-0");

	free(kube_bed_send(&bed, "DELETE", "/api/v1/namespaces/shop/configmaps/a-0", NULL));
	kube_bed_config_maps(&bed, "shop", "a", 0, 1);
	AUTO_FREE char *second = uid_of(&bed, "a-0");

	assert_string_not_equal(first, second);
	assert_false(kube_delete(bed.kube, maps, "shop", "a-0", &(struct kube_delete_options){ .uid = first }, NULL, NULL, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	error_release(&err);
	assert_false(kube_delete(bed.kube, maps, "shop", "a-0", &(struct kube_delete_options){ .uid = second, .resource_version = "1" }, NULL,
				 NULL, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	error_release(&err);
	assert_true(kube_delete(bed.kube, maps, "shop", "a-0", &(struct kube_delete_options){ .uid = second, .dry_run = true }, NULL, NULL, &err));
	free(uid_of(&bed, "a-0"));
	assert_true(kube_delete(bed.kube, maps, "shop", "a-0", &(struct kube_delete_options){ .uid = second }, NULL, NULL, &err));
}

static void patches_of_each_type_work_and_dry_runs_change_nothing(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	const struct kube_resource *maps = find(&bed, "configmaps");
	static const struct {
		const char *type, *body, *value;
	} table[] = {
		{ "application/merge-patch+json", "{\"data\":{\"a\":\"merged\"}}", "merged" },
		{ "application/json-patch+json", "[{\"op\":\"replace\",\"path\":\"/data/a\",\"value\":\"placed\"}]", "placed" },
		{ "application/strategic-merge-patch+json", "{\"data\":{\"a\":\"strategic\"}}", "strategic" },
	};

	kube_bed_namespace(&bed, "shop");
	kube_bed_config_maps(&bed, "shop", "a", 0, 1);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		for (int dry_run = 1; dry_run >= 0; dry_run--) {
			AUTO_RELEASE(error) err = { 0 };
			json_t *answer, *after;

			if (!kube_patch(bed.kube, maps, "shop", "a-0", NULL, table[i].type, str_of(table[i].body), dry_run, NULL, &answer, NULL, &err))
				fail_msg("%s", err.message);
			assert_string_equal(json_string_value(json_object_get(json_object_get(answer, "data"), "a")), table[i].value);
			json_decref(answer);
			assert_true(kube_get(bed.kube, maps, "shop", "a-0", NULL, &after, &err));
			bool changed = !strcmp(json_string_value(json_object_get(json_object_get(after, "data"), "a")), table[i].value);

			json_decref(after);
			assert_int_equal(changed, !dry_run);
		}
	}
	assert_int_equal(kube_bed_requests(&bed, "PATCH", "fieldManager=slotdeck"), 6);
}

static void names_that_would_change_the_path_never_reach_the_wire(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	static const char *const names[] = { "a/b", "..", ".", "a%2fb", "" };
	const struct kube_resource *maps = find(&bed, "configmaps");
	unsigned long before = sim_request_count(bed.sim);
	json_t *object;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_RELEASE(error) err = { 0 };

		assert_false(kube_get(bed.kube, maps, "shop", names[i], NULL, &object, &err));
		assert_int_equal(err.kind, ERR_INVALID);
		error_release(&err);
		if (!*names[i])
			continue;
		assert_false(kube_get(bed.kube, maps, names[i], "a", NULL, &object, &err));
		assert_int_equal(err.kind, ERR_INVALID);
	}
	assert_int_equal(sim_request_count(bed.sim), before);
}

static void a_lost_answer_is_asked_for_again_but_nothing_is_created_twice(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	struct kube_version version;
	json_t *object;

	kube_bed_namespace(&bed, "shop");
	assert_non_null(find(&bed, "configmaps"));
	assert_true(kube_server_version(bed.kube, NULL, &version, &err));
	kube_bed_faults(&bed, "[{'path':'/configmaps','count':1,'action':'reset','when':'after'}]");
	assert_false(create_config_map(&bed, "a", NULL, &err));
	assert_int_equal(err.kind, ERR_NETWORK);
	assert_int_equal(kube_bed_requests(&bed, "POST", "/configmaps"), 1);
	error_release(&err);
	kube_bed_faults(&bed, "[{'path':'/configmaps','count':1,'action':'reset','when':'after'}]");
	assert_true(kube_get(bed.kube, find(&bed, "configmaps"), "shop", "a", NULL, &object, &err)); /* it was executed */
	json_decref(object);
	assert_int_equal(kube_bed_requests(&bed, "GET", "/configmaps/a"), 2);
}

static void a_read_only_client_sends_no_change(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&(struct kube_bed_options){ .read_only = true });
	AUTO_RELEASE(error) err = { 0 };

	kube_bed_namespace(&bed, "shop");
	assert_true(kube_is_read_only(bed.kube));
	assert_false(create_config_map(&bed, "a", NULL, &err));
	assert_int_equal(err.kind, ERR_DENIED);
	error_release(&err);
	assert_false(kube_delete(bed.kube, find(&bed, "configmaps"), "shop", "a", &(struct kube_delete_options){ 0 }, NULL, NULL, &err));
	assert_int_equal(kube_bed_requests(&bed, "POST", NULL) + kube_bed_requests(&bed, "DELETE", NULL), 0);
	error_release(&err);
	assert_true(kube_patch(bed.kube, find(&bed, "namespaces"), NULL, "shop", NULL, "application/merge-patch+json",
			       STR("{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"), true, NULL, NULL, NULL, &err));
}

static void a_proxys_answer_is_quoted_without_its_control_characters(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(kube_status) status = { 0 };

	kube_bed_namespace(&bed, "shop");
	assert_non_null(find(&bed, "configmaps"));
	kube_bed_faults(&bed, "[{'path':'/configmaps','action':'status','status':418,'contentType':'text/html','body':'<html>\\u001b[2Jno</html>'}]");
	assert_false(create_config_map(&bed, "a", &status, &err));
	assert_int_equal(err.kind, ERR_SERVER);
	assert_int_equal(status.code, 418);
	assert_non_null(strstr(err.message, "create configmaps in namespace shop: HTTP 418: <html> [2Jno</html>"));
	assert_null(strchr(err.message, 27));
}

/* ---- rights, who we are, logs ---- */

static void rights_are_asked_many_at_a_time(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	struct kube_access questions[] = {
		{ .verb = "delete", .group = "apps", .resource = "deployments", .namespace = "shop" },
		{ .verb = "create", .resource = "pods", .subresource = "exec", .namespace = "shop" },
		{ .verb = "list", .resource = "secrets" },
	};

	kube_bed_deny(&bed, "[{'verb':'delete','group':'apps','resource':'deployments'}]");
	assert_true(kube_can(bed.kube, questions, ARRAY_LEN(questions), NULL, &err));
	assert_false(questions[0].allowed);
	assert_true(questions[1].allowed && questions[2].allowed);
	for (size_t i = 0; i < ARRAY_LEN(questions); i++)
		free(questions[i].reason);
}

static void servers_before_1_28_cannot_tell_who_we_are(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	char *who;

	assert_true(kube_whoami(bed.kube, NULL, &who, &err));
	assert_true(strlen(who) > 0);
	free(who);
	assert_true(sim_set_feature(bed.sim, "self-subject-review", false));
	assert_true(kube_whoami(bed.kube, NULL, &who, &err));
	assert_string_equal(who, "");
	free(who);
}

/* ---- lists ---- */

struct seen {
	unsigned n, last_n, fail_at;
	unsigned char times[1200];
	bool has_data;
};

static bool on_item(struct str object, void *arg, struct error *err)
{
	static const char prefix[] = "\"name\":\"many-";
	struct seen *seen = arg;
	ptrdiff_t at = str_find(object, (struct str){ prefix, sizeof prefix - 1 });

	seen->n++;
	if (at >= 0)
		seen->times[atoi(object.p + at + sizeof prefix - 1)]++;
	seen->has_data |= str_find(object, STR("\"data\"")) >= 0;
	return seen->n != seen->fail_at || error_set(err, ERR_LIMIT, "enough");
}

static bool list(struct kube_bed *bed, struct kube_list_options options, struct seen *seen, char **version, struct error *err)
{
	options.namespace = "shop";
	*seen = (struct seen){ .fail_at = seen->fail_at };
	return kube_list(bed->kube, find(bed, "configmaps"), &options, NULL, on_item, seen, version, err);
}

static void a_list_gives_each_object_once_over_all_pages(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *version = NULL;
	struct seen seen = { 0 };

	kube_bed_namespace(&bed, "shop");
	kube_bed_config_maps(&bed, "shop", "many", 0, 130);
	assert_true(list(&bed, (struct kube_list_options){ .page = 50 }, &seen, &version, &err));
	for (size_t i = 0; i < 130; i++)
		assert_int_equal(seen.times[i], 1);
	assert_true(atoi(version) > 0);
	assert_int_equal(kube_bed_requests(&bed, "limit=50", NULL), 3);
	assert_true(seen.has_data);
	assert_true(list(&bed, (struct kube_list_options){ .metadata_only = true }, &seen, NULL, &err));
	assert_true(seen.n >= 130);
	assert_false(seen.has_data);
	assert_true(list(&bed, (struct kube_list_options){ .field_selector = "metadata.name=many-7" }, &seen, NULL, &err));
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.times[7], 1);
}

static void a_token_that_expired_starts_the_list_again_once(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *version = NULL;
	struct seen seen = { 0 };

	kube_bed_namespace(&bed, "shop");
	kube_bed_config_maps(&bed, "shop", "many", 0, 120);
	assert_non_null(find(&bed, "configmaps"));
	kube_bed_faults(&bed, "[{'path':'continue=','count':1,'action':'status','status':410,'reason':'Expired'}]");
	assert_true(list(&bed, (struct kube_list_options){ .page = 50 }, &seen, &version, &err));
	assert_int_equal(seen.times[0], 2);
	assert_int_equal(seen.times[119], seen.times[118]);
	for (size_t i = 0; i < 120; i++)
		assert_true(seen.times[i] >= 1);
	assert_true(atoi(version) > 0);
	kube_bed_faults(&bed, "[{'path':'continue=','action':'status','status':410,'reason':'Expired'}]");
	assert_false(list(&bed, (struct kube_list_options){ .page = 50 }, &seen, NULL, &err));
	assert_int_equal(err.kind, ERR_SERVER);
	assert_int_equal(seen.times[0], 2);
}

static void a_list_ends_where_its_reader_says(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	struct seen seen = { .fail_at = 5 };

	kube_bed_namespace(&bed, "shop");
	kube_bed_config_maps(&bed, "shop", "many", 0, 20);
	assert_false(list(&bed, (struct kube_list_options){ .page = 10 }, &seen, NULL, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_string_equal(err.message, "list configmaps in namespace shop: enough");
	assert_int_equal(seen.n, 5);
}

static void a_list_cut_off_is_an_error(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	AUTO_RELEASE(error) err = { 0 };
	struct seen seen = { 0 };

	kube_bed_namespace(&bed, "shop");
	kube_bed_config_maps(&bed, "shop", "many", 0, 20);
	assert_non_null(find(&bed, "configmaps"));
	kube_bed_faults(&bed, "[{'path':'/configmaps','action':'garbage'}]");
	assert_false(list(&bed, (struct kube_list_options){ 0 }, &seen, NULL, &err));
	assert_int_equal(seen.n, 0);
}

struct create {
	struct kube_bed *bed;
	struct error err;
	bool good;
};

static void *create_one(void *arg)
{
	struct create *create = arg;

	create->good = create_config_map(create->bed, "under-way", NULL, &create->err);
	return NULL;
}

static void a_client_that_is_shut_sends_nothing_more(void **state)
{
	(void)state;
	AUTO_RELEASE(kube_bed) bed = kube_bed_create(&plain);
	struct create create = { .bed = &bed };
	AUTO_RELEASE(error) err = { 0 };
	pthread_t thread;

	kube_bed_namespace(&bed, "shop");
	assert_true(create_config_map(&bed, "a", NULL, &err));
	kube_bed_faults(&bed, "[{'method':'POST','path':'configmaps','action':'hang'}]");
	assert_int_equal(pthread_create(&thread, NULL, create_one, &create), 0);
	while (kube_bed_requests(&bed, "POST", "configmaps") < 2)
		usleep(1000);
	kube_shut(bed.kube);
	pthread_join(thread, NULL);
	assert_false(create.good);
	assert_int_equal(create.err.kind, ERR_CANCELLED);
	error_release(&create.err);
	kube_bed_faults(&bed, "[]");
	assert_false(create_config_map(&bed, "later", NULL, &err));
	assert_int_equal(err.kind, ERR_CANCELLED);
	assert_int_equal(kube_bed_requests(&bed, "POST", "configmaps"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_that_is_shut_sends_nothing_more),
		cmocka_unit_test(words_that_people_type_name_kinds),
		cmocka_unit_test(scopes_verbs_and_subresources_are_told),
		cmocka_unit_test(servers_without_aggregated_discovery_are_read_group_by_group),
		cmocka_unit_test(a_group_that_does_not_answer_hides_no_other),
		cmocka_unit_test(a_stale_group_is_named_and_asked_again),
		cmocka_unit_test(a_refresh_without_changes_is_two_empty_answers),
		cmocka_unit_test(a_refresh_finds_new_kinds_and_keeps_the_old_pointers),
		cmocka_unit_test(a_new_kind_is_waited_for_until_it_is_served),
		cmocka_unit_test(the_version_is_asked_once),
		cmocka_unit_test(servers_before_1_24_are_only_looked_at),
		cmocka_unit_test(a_server_that_hides_its_version_is_written_to),
		cmocka_unit_test(an_object_is_created_read_replaced_and_deleted),
		cmocka_unit_test(a_namesake_is_not_deleted),
		cmocka_unit_test(patches_of_each_type_work_and_dry_runs_change_nothing),
		cmocka_unit_test(names_that_would_change_the_path_never_reach_the_wire),
		cmocka_unit_test(a_lost_answer_is_asked_for_again_but_nothing_is_created_twice),
		cmocka_unit_test(a_read_only_client_sends_no_change),
		cmocka_unit_test(a_proxys_answer_is_quoted_without_its_control_characters),
		cmocka_unit_test(rights_are_asked_many_at_a_time),
		cmocka_unit_test(servers_before_1_28_cannot_tell_who_we_are),
		cmocka_unit_test(a_list_gives_each_object_once_over_all_pages),
		cmocka_unit_test(a_token_that_expired_starts_the_list_again_once),
		cmocka_unit_test(a_list_ends_where_its_reader_says),
		cmocka_unit_test(a_list_cut_off_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
