/* The controllers of the simulation, with a clock that runs faster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/jx.h"
#include "sim/sim.h"

#define DEPLOYMENTS "/apis/apps/v1/namespaces/shop/deployments"
#define PODS "/api/v1/namespaces/shop/pods"

static struct sim *start(double speed)
{
	struct sim_options options = { .speed = speed };
	AUTO_RELEASE(error) err = { 0 };
	struct sim *sim = sim_start(&options, &err);

	if (!sim)
		fail_msg("%s", err.message);
	return sim;
}

static void must(struct sim *sim, const char *method, const char *path, const char *type, const char *body)
{
	unsigned status;
	AUTO_FREE char *answer = sim_request(sim, method, path, type, body, &status);

	if (status > 299)
		fail_msg("%s %s: %u %s", method, path, status, answer);
}

static json_t *read_object(struct sim *sim, const char *path)
{
	AUTO_FREE char *answer = sim_request(sim, "GET", path, NULL, NULL, NULL);

	return json_loads(answer, 0, NULL);
}

typedef bool check_fn(const json_t *tree);

/* Looks again and again until check is content; fails after 20 s. */
static void wait_for(struct sim *sim, const char *path, check_fn *check, const char *what)
{
	struct timespec moment = { 0, 5000000 };

	for (int i = 0; i < 4000; i++) {
		json_t *tree = read_object(sim, path);
		bool good = check(tree);

		json_decref(tree);
		if (good)
			return;
		nanosleep(&moment, NULL);
	}
	AUTO_FREE char *last = sim_request(sim, "GET", path, NULL, NULL, NULL);

	fail_msg("%s: %s never got there: %s", what, path, last);
}

static const json_t *condition(const json_t *tree, const char *type)
{
	json_t *list = jget(tree, "status", "conditions");
	ptrdiff_t at = jx_find(list, "type", type);

	return at < 0 ? NULL : json_array_get(list, (size_t)at);
}

static void make_shop(struct sim *sim)
{
	must(sim, "POST", "/api/v1/namespaces", NULL, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\"}}");
}

static void apply_deployment(struct sim *sim, const char *name, const char *image, int replicas, const char *labels, const char *more)
{
	AUTO_FREE char *path = xasprintf(DEPLOYMENTS "/%s?fieldManager=test&force=true", name);
	AUTO_FREE char *body = xasprintf(
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"%s\"},\"spec\":{\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"%s\"}},%s\"template\":{\"metadata\":{\"labels\":{\"app\":\"%s\"%s}},\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":\"%s\"}]}}}}",
		name, replicas, name, more, name, labels, image);

	must(sim, "PATCH", path, "application/apply-patch+yaml", body);
}

static bool rolled_out(const json_t *tree)
{
	int64_t want = jint(1, tree, "spec", "replicas");

	return jint(0, tree, "status", "observedGeneration") == jint(1, tree, "metadata", "generation") &&
	       jint(0, tree, "status", "updatedReplicas") == want && jint(0, tree, "status", "availableReplicas") == want &&
	       jint(0, tree, "status", "replicas") == want && !jget(tree, "status", "unavailableReplicas") &&
	       jx_is(json_object_get(condition(tree, "Progressing"), "reason"), "NewReplicaSetAvailable");
}

static void a_deployment_rolls_out_and_keeps_its_minimum(void **state)
{
	AUTO(sim) sim = start(10);
	struct timespec moment = { 0, 3000000 };
	int64_t least = 4, most = 0;

	(void)state;
	make_shop(sim);
	apply_deployment(sim, "web", "web:1", 4, "", "");
	wait_for(sim, DEPLOYMENTS "/web", rolled_out, "first rollout");
	apply_deployment(sim, "web", "web:2", 4, "", "");
	for (int i = 0; i < 4000; i++) {
		json_t *tree = read_object(sim, DEPLOYMENTS "/web");
		bool done = rolled_out(tree);

		if (jint(4, tree, "status", "availableReplicas") < least)
			least = jint(4, tree, "status", "availableReplicas");
		if (jint(0, tree, "status", "replicas") > most)
			most = jint(0, tree, "status", "replicas");
		json_decref(tree);
		if (done)
			break;
		nanosleep(&moment, NULL);
	}
	json_t *tree = read_object(sim, DEPLOYMENTS "/web");

	assert_true(rolled_out(tree));
	assert_string_equal(jstr(tree, "metadata", "annotations", "deployment.kubernetes.io/revision"), "2");
	json_decref(tree);
	assert_true(least >= 3);
	assert_true(most <= 5);
}

static bool is_stuck(const json_t *tree)
{
	return jx_is(json_object_get(condition(tree, "Progressing"), "reason"), "ProgressDeadlineExceeded") &&
	       jx_is(json_object_get(condition(tree, "Available"), "status"), "True");
}

static bool pulls_in_vain(const json_t *list)
{
	json_t *items = json_object_get(list, "items");

	for (size_t i = 0; i < json_array_size(items); i++) {
		const char *reason = jstr(json_array_get(jget(json_array_get(items, i), "status", "containerStatuses"), 0), "state",
					  "waiting", "reason");

		if (!strcmp(reason, "ImagePullBackOff") || !strcmp(reason, "ErrImagePull"))
			return true;
	}
	return false;
}

static void an_image_that_is_missing_stops_the_rollout_but_not_the_old_pods(void **state)
{
	AUTO(sim) sim = start(20);

	(void)state;
	make_shop(sim);
	apply_deployment(sim, "web", "web:1", 2, "", "\"progressDeadlineSeconds\":20,");
	wait_for(sim, DEPLOYMENTS "/web", rolled_out, "first rollout");
	apply_deployment(sim, "web", "web:missing", 2, "", "\"progressDeadlineSeconds\":20,");
	wait_for(sim, PODS, pulls_in_vain, "pull");
	wait_for(sim, DEPLOYMENTS "/web", is_stuck, "deadline");
	AUTO_FREE char *events = sim_request(sim, "GET", "/api/v1/namespaces/shop/events?fieldSelector=reason%3DFailed", NULL, NULL, NULL);

	assert_non_null(strstr(events, "Failed to pull image \\\"web:missing\\\""));
	apply_deployment(sim, "web", "web:3", 2, "", "\"progressDeadlineSeconds\":20,");
	wait_for(sim, DEPLOYMENTS "/web", rolled_out, "repair");
}

static bool crash_loops(const json_t *list)
{
	const json_t *status = json_array_get(jget(json_array_get(json_object_get(list, "items"), 0), "status", "containerStatuses"), 0);

	return jint(0, status, "restartCount") >= 2 && !strcmp(jstr(status, "state", "waiting", "reason"), "CrashLoopBackOff") &&
	       jint(0, status, "lastState", "terminated", "exitCode") == 1;
}

static void a_crashing_container_restarts_and_its_last_words_can_be_read(void **state)
{
	AUTO(sim) sim = start(20);
	unsigned status;

	(void)state;
	make_shop(sim);
	apply_deployment(sim, "api", "api:1", 1, ",\"testbed/fault\":\"crashloop\"", "");
	wait_for(sim, PODS, crash_loops, "crash loop");
	json_t *list = read_object(sim, PODS);
	AUTO_FREE char *path = xasprintf(PODS "/%s/log?previous=true", jstr(json_array_get(json_object_get(list, "items"), 0), "metadata", "name"));
	AUTO_FREE char *log = sim_request(sim, "GET", path, NULL, NULL, &status);

	json_decref(list);
	assert_int_equal(status, 200);
	assert_non_null(strstr(log, "line 1 of api-"));
	assert_non_null(strstr(log, "panic:"));
}

static bool set_is_ready(const json_t *tree)
{
	int64_t want = jint(1, tree, "spec", "replicas");

	return jint(0, tree, "status", "observedGeneration") == jint(1, tree, "metadata", "generation") &&
	       jint(0, tree, "status", "readyReplicas") == want && jint(0, tree, "status", "updatedReplicas") == want &&
	       jint(0, tree, "status", "replicas") == want &&
	       !strcmp(jstr(tree, "status", "currentRevision"), jstr(tree, "status", "updateRevision"));
}

static bool all_bound(const json_t *list)
{
	json_t *items = json_object_get(list, "items");

	for (size_t i = 0; i < json_array_size(items); i++)
		if (strcmp(jstr(json_array_get(items, i), "status", "phase"), "Bound"))
			return false;
	return json_array_size(items) == 2;
}

static void apply_set(struct sim *sim, const char *image)
{
	AUTO_FREE char *body = xasprintf(
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"db\"},\"spec\":{\"serviceName\":\"db\",\"replicas\":2,\"selector\":{\"matchLabels\":{\"app\":\"db\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"db\"}},\"spec\":{\"containers\":[{\"name\":\"pg\",\"image\":\"%s\",\"volumeMounts\":[{\"name\":\"data\",\"mountPath\":\"/d\"}]}]}},\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}]}}",
		image);

	must(sim, "PATCH", "/apis/apps/v1/namespaces/shop/statefulsets/db?fieldManager=test", "application/apply-patch+yaml", body);
}

static void a_stateful_set_makes_its_claims_and_updates_one_by_one(void **state)
{
	AUTO(sim) sim = start(20);

	(void)state;
	make_shop(sim);
	apply_set(sim, "pg:1");
	wait_for(sim, "/apis/apps/v1/namespaces/shop/statefulsets/db", set_is_ready, "stateful set");
	wait_for(sim, "/api/v1/namespaces/shop/persistentvolumeclaims", all_bound, "claims");
	apply_set(sim, "pg:2");
	wait_for(sim, "/apis/apps/v1/namespaces/shop/statefulsets/db", set_is_ready, "update");
	json_t *pod = read_object(sim, PODS "/db-0");

	assert_string_equal(jstr(json_array_get(jget(pod, "spec", "containers"), 0), "image"), "pg:2");
	json_decref(pod);
}

static bool job_complete(const json_t *tree)
{
	return jx_is(json_object_get(condition(tree, "Complete"), "status"), "True") && jget(tree, "status", "completionTime");
}

static bool job_failed(const json_t *tree)
{
	return jx_is(json_object_get(condition(tree, "Failed"), "reason"), "BackoffLimitExceeded");
}

static void make_job(struct sim *sim, const char *name, const char *labels)
{
	AUTO_FREE char *body = xasprintf(
		"{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"%s\"},\"spec\":{\"backoffLimit\":1,\"template\":{\"metadata\":{\"labels\":{%s}},\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"m\",\"image\":\"m:1\"}]}}}}",
		name, labels);

	must(sim, "POST", "/apis/batch/v1/namespaces/shop/jobs", NULL, body);
}

static void jobs_end_well_or_badly(void **state)
{
	AUTO(sim) sim = start(50);

	(void)state;
	make_shop(sim);
	make_job(sim, "good", "");
	make_job(sim, "bad", "\"testbed/fault\":\"fail\"");
	wait_for(sim, "/apis/batch/v1/namespaces/shop/jobs/good", job_complete, "good job");
	wait_for(sim, "/apis/batch/v1/namespaces/shop/jobs/bad", job_failed, "bad job");
}

static bool has_default_account(const json_t *tree)
{
	return !strcmp(jstr(tree, "kind"), "ServiceAccount");
}

static bool is_gone(const json_t *tree)
{
	return jint(0, tree, "code") == 404;
}

static void a_namespace_takes_everything_in_it_away(void **state)
{
	AUTO(sim) sim = start(20);
	unsigned status;

	(void)state;
	make_shop(sim);
	wait_for(sim, "/api/v1/namespaces/shop/serviceaccounts/default", has_default_account, "default account");
	apply_deployment(sim, "web", "web:1", 2, "", "");
	wait_for(sim, DEPLOYMENTS "/web", rolled_out, "rollout");
	must(sim, "DELETE", "/api/v1/namespaces/shop", NULL, NULL);
	AUTO_FREE char *refused = sim_request(sim, "POST", "/api/v1/namespaces/shop/configmaps", NULL,
					      "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"late\"}}", &status);

	assert_int_equal(status, 403);
	assert_non_null(strstr(refused, "NamespaceTerminating"));
	wait_for(sim, "/api/v1/namespaces/shop", is_gone, "namespace");
	json_t *pods = read_object(sim, "/api/v1/pods");

	assert_int_equal(json_array_size(json_object_get(pods, "items")), 0);
	json_decref(pods);
}

static bool no_pods(const json_t *list)
{
	return json_array_size(json_object_get(list, "items")) == 0;
}

static void what_an_owner_leaves_behind_follows_the_policy(void **state)
{
	AUTO(sim) sim = start(20);

	(void)state;
	make_shop(sim);
	apply_deployment(sim, "web", "web:1", 2, "", "");
	wait_for(sim, DEPLOYMENTS "/web", rolled_out, "rollout");
	must(sim, "DELETE", DEPLOYMENTS "/web?propagationPolicy=Orphan", NULL, NULL);
	sim_wait_idle(sim, 2000);
	json_t *sets = read_object(sim, "/apis/apps/v1/namespaces/shop/replicasets");

	assert_int_equal(json_array_size(json_object_get(sets, "items")), 1);
	json_decref(sets);
	must(sim, "DELETE", "/apis/apps/v1/namespaces/shop/replicasets", NULL, NULL);
	wait_for(sim, PODS, no_pods, "garbage collection");
	apply_deployment(sim, "web", "web:1", 1, "", "");
	wait_for(sim, DEPLOYMENTS "/web", rolled_out, "second rollout");
	must(sim, "DELETE", DEPLOYMENTS "/web?propagationPolicy=Foreground", NULL, NULL);
	wait_for(sim, DEPLOYMENTS "/web", is_gone, "foreground deletion");
	wait_for(sim, PODS, no_pods, "dependents");
}

static bool blocked_by_quota(const json_t *tree)
{
	const json_t *c = condition(tree, "ReplicaFailure");

	return jx_is(json_object_get(c, "reason"), "FailedCreate") && strstr(jstr(c, "message"), "exceeded quota: small, requested: pods=1");
}

static void a_quota_forbids_pods_and_the_deployment_says_so(void **state)
{
	AUTO(sim) sim = start(20);

	(void)state;
	make_shop(sim);
	must(sim, "POST", "/api/v1/namespaces/shop/resourcequotas", NULL,
	     "{\"apiVersion\":\"v1\",\"kind\":\"ResourceQuota\",\"metadata\":{\"name\":\"small\"},\"spec\":{\"hard\":{\"pods\":\"1\"}}}");
	apply_deployment(sim, "web", "web:1", 2, "", "");
	wait_for(sim, DEPLOYMENTS "/web", blocked_by_quota, "quota");
}

static bool established(const json_t *tree)
{
	return jx_is(json_object_get(condition(tree, "Established"), "status"), "True");
}

static void a_custom_kind_is_served_once_it_is_established(void **state)
{
	static const char definition[] =
		"{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":\"clusterissuers.cert-manager.io\"},\"spec\":{\"group\":\"cert-manager.io\",\"scope\":\"Cluster\",\"names\":{\"plural\":\"clusterissuers\",\"kind\":\"ClusterIssuer\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"acme\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}}}}}]}}";
	static const char object[] =
		"{\"apiVersion\":\"cert-manager.io/v1\",\"kind\":\"ClusterIssuer\",\"metadata\":{\"name\":\"le\"},\"spec\":{\"acme\":{\"server\":\"x\"}}}";
	AUTO(sim) sim = start(10);
	unsigned status;

	(void)state;
	free(sim_request(sim, "PATCH", "/apis/cert-manager.io/v1/clusterissuers/le?fieldManager=t", "application/apply-patch+yaml", object,
			 &status));
	assert_int_equal(status, 404);
	must(sim, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", NULL, definition);
	wait_for(sim, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clusterissuers.cert-manager.io", established, "definition");
	must(sim, "PATCH", "/apis/cert-manager.io/v1/clusterissuers/le?fieldManager=t", "application/apply-patch+yaml", object);
	AUTO_FREE char *groups = sim_request(sim, "GET", "/apis", NULL, NULL, NULL);

	assert_non_null(strstr(groups, "cert-manager.io/v1"));
	must(sim, "DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clusterissuers.cert-manager.io", NULL, NULL);
	wait_for(sim, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clusterissuers.cert-manager.io", is_gone, "definition");
	free(sim_request(sim, "GET", "/apis/cert-manager.io/v1/clusterissuers", NULL, NULL, &status));
	assert_int_equal(status, 404);
}

static bool unschedulable(const json_t *list)
{
	const json_t *pod = json_array_get(json_object_get(list, "items"), 0), *c = condition(pod, "PodScheduled");

	return jx_is(json_object_get(c, "reason"), "Unschedulable") && strstr(jstr(c, "message"), "persistentvolumeclaim \"data\" not found");
}

static bool running(const json_t *list)
{
	return !strcmp(jstr(json_array_get(json_object_get(list, "items"), 0), "status", "phase"), "Running");
}

static void a_pod_waits_for_its_claim(void **state)
{
	AUTO(sim) sim = start(20);

	(void)state;
	make_shop(sim);
	wait_for(sim, "/api/v1/namespaces/shop/serviceaccounts/default", has_default_account, "default account");
	must(sim, "POST", PODS, NULL,
	     "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"c:1\"}],\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"data\"}}]}}");
	wait_for(sim, PODS, unschedulable, "claim missing");
	must(sim, "POST", "/api/v1/namespaces/shop/persistentvolumeclaims", NULL,
	     "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}");
	wait_for(sim, PODS, running, "claim bound");
}

static bool has_endpoints(const json_t *tree)
{
	return json_array_size(jget(json_array_get(json_object_get(tree, "subsets"), 0), "addresses")) == 2;
}

static void a_service_gets_the_addresses_of_its_ready_pods(void **state)
{
	AUTO(sim) sim = start(20);

	(void)state;
	make_shop(sim);
	must(sim, "POST", "/api/v1/namespaces/shop/services", NULL,
	     "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"selector\":{\"app\":\"web\"},\"ports\":[{\"port\":80}]}}");
	apply_deployment(sim, "web", "web:1", 2, "", "");
	wait_for(sim, "/api/v1/namespaces/shop/endpoints/web", has_endpoints, "endpoints");
}

static void applying_again_moves_no_version(void **state)
{
	AUTO(sim) sim = start(50);

	(void)state;
	make_shop(sim);
	apply_deployment(sim, "web", "web:1", 2, "", "");
	wait_for(sim, DEPLOYMENTS "/web", rolled_out, "rollout");
	assert_true(sim_wait_idle(sim, 5000));
	json_t *before = read_object(sim, DEPLOYMENTS "/web");

	apply_deployment(sim, "web", "web:1", 2, "", "");
	json_t *after = read_object(sim, DEPLOYMENTS "/web");

	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);
}

static bool is_observed(const json_t *tree)
{
	return jint(0, tree, "status", "observedGeneration") == jint(1, tree, "metadata", "generation");
}

static void controllers_can_be_held_and_let_go(void **state)
{
	struct sim_options options = { .features_off = "controllers", .speed = 20 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO(sim) sim = sim_start(&options, &err);

	(void)state;
	assert_non_null(sim);
	make_shop(sim);
	apply_deployment(sim, "web", "web:1", 1, "", "");
	json_t *tree = read_object(sim, DEPLOYMENTS "/web");

	assert_false(is_observed(tree));
	json_decref(tree);
	sim_set_feature(sim, "controllers", true);
	wait_for(sim, DEPLOYMENTS "/web", rolled_out, "rollout");
	sim_set_feature(sim, "controllers", false);
	apply_deployment(sim, "web", "web:2", 1, "", "");
	tree = read_object(sim, DEPLOYMENTS "/web");
	assert_false(is_observed(tree));
	json_decref(tree);
}

static void apply_reads_yaml_too(void **state)
{
	AUTO(sim) sim = start(50);

	(void)state;
	must(sim, "PATCH", "/api/v1/namespaces/default/configmaps/y?fieldManager=t", "application/apply-patch+yaml",
	     "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\ndata:\n  a: \"1\"\n");
	json_t *map = read_object(sim, "/api/v1/namespaces/default/configmaps/y");

	assert_string_equal(jstr(map, "data", "a"), "1");
	json_decref(map);
}

static bool api_in_trouble(const json_t *list)
{
	json_t *items = json_object_get(list, "items");

	for (size_t i = 0; i < json_array_size(items); i++)
		if (jint(0, json_array_get(jget(json_array_get(items, i), "status", "containerStatuses"), 0), "restartCount") >= 3)
			return true;
	return false;
}

static bool rolls(const json_t *tree)
{
	return jint(0, tree, "status", "updatedReplicas") == 1 && jint(0, tree, "status", "availableReplicas") == 3 &&
	       jx_is(json_object_get(condition(tree, "Progressing"), "reason"), "ReplicaSetUpdated");
}

static void the_demo_stands_in_several_states(void **state)
{
	static const char *const fine[] = { "shop-dev/deployments/web", "shop-dev/deployments/api", "shop-dev/deployments/worker",
					    "shop-dev-1/deployments/web", "shop-dev-1/deployments/codex" };
	struct sim_options options = { .scenario = "demo" };
	AUTO_RELEASE(error) err = { 0 };
	AUTO(sim) sim = sim_start(&options, &err);

	(void)state;
	if (!sim)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
		AUTO_FREE char *path = xasprintf("/apis/apps/v1/namespaces/%s", fine[i]);

		wait_for(sim, path, rolled_out, "healthy");
	}
	wait_for(sim, "/apis/apps/v1/namespaces/shop-ai-staging/deployments/web", rolls, "rolling out");
	wait_for(sim, "/api/v1/namespaces/shop-dev-2/pods?labelSelector=app%3Dapi", api_in_trouble, "crash loop");
	wait_for(sim, "/api/v1/namespaces/shop-dev-3/pods?labelSelector=app%3Dweb", pulls_in_vain, "missing image");
	json_t *record = read_object(sim, "/api/v1/namespaces/codex-system/configmaps/codex-env-2");

	assert_string_equal(jstr(record, "data", "namespace"), "shop-dev-2");
	assert_string_equal(jstr(record, "data", "env"), "ai");
	json_decref(record);
}

static bool is_terminating(const json_t *tree)
{
	return jx_is(json_object_get(condition(tree, "Terminating"), "status"), "True");
}

static void a_definition_terminates_as_long_as_its_objects_are_held(void **state)
{
	static const char definition[] = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/lamps.shop.example.test";
	static const char lamps[] = "/apis/shop.example.test/v1/namespaces/shop/lamps";
	AUTO(sim) sim = start(10);
	unsigned status;

	(void)state;
	make_shop(sim);
	must(sim, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", NULL,
	     "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":\"lamps.shop.example.test\"},"
	     "\"spec\":{\"group\":\"shop.example.test\",\"scope\":\"Namespaced\",\"names\":{\"kind\":\"Lamp\",\"plural\":\"lamps\"},\"versions\":[{"
	     "\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}");
	wait_for(sim, definition, established, "definition");
	must(sim, "POST", lamps, NULL,
	     "{\"apiVersion\":\"shop.example.test/v1\",\"kind\":\"Lamp\",\"metadata\":{\"name\":\"held\",\"finalizers\":[\"shop.example.test/switch-off\"]}}");
	must(sim, "DELETE", definition, NULL, NULL);
	wait_for(sim, definition, is_terminating, "deletion");
	json_t *held = read_object(sim, "/apis/shop.example.test/v1/namespaces/shop/lamps/held");

	assert_non_null(jget(held, "metadata", "deletionTimestamp"));
	json_decref(held);
	AUTO_FREE char *answer = sim_request(sim, "POST", lamps, NULL,
					     "{\"apiVersion\":\"shop.example.test/v1\",\"kind\":\"Lamp\",\"metadata\":{\"name\":\"late\"}}", &status);

	assert_int_equal(status, 405);
	must(sim, "PATCH", "/apis/shop.example.test/v1/namespaces/shop/lamps/held", "application/merge-patch+json",
	     "{\"metadata\":{\"finalizers\":null}}");
	wait_for(sim, definition, is_gone, "definition");
	AUTO_FREE char *gone = sim_request(sim, "GET", lamps, NULL, NULL, &status);

	assert_int_equal(status, 404);
}

static int64_t count_items(struct sim *sim, const char *path)
{
	json_t *list = read_object(sim, path);
	int64_t n = (int64_t)json_array_size(json_object_get(list, "items"));

	json_decref(list);
	return n;
}

static void the_demo_has_something_for_every_screen(void **state)
{
	struct sim_options options = { .scenario = "demo" };
	AUTO_RELEASE(error) err = { 0 };
	AUTO(sim) sim = sim_start(&options, &err);

	(void)state;
	if (!sim)
		fail_msg("%s", err.message);
	/* Revisions to go back to, a CronJob that ran, agents at work for an issue, custom objects in both states, a slot asleep. */
	assert_int_equal(count_items(sim, "/apis/apps/v1/namespaces/shop-ai-staging/replicasets?labelSelector=app%3Dweb"), 4);
	assert_true(count_items(sim, "/apis/batch/v1/namespaces/shop-dev/jobs") >= 2);
	assert_int_equal(count_items(sim, "/api/v1/pods?labelSelector=app%3Dcodex-run,slotdeck.dev/issue%3D123"), 1);
	assert_int_equal(count_items(sim, "/api/v1/pods?labelSelector=app%3Dcodex-run"), 3);
	assert_int_equal(count_items(sim, "/apis/shop.example.test/v1/backups"), 3);
	assert_int_equal(count_items(sim, "/api/v1/namespaces/codex-system/configmaps?fieldSelector=metadata.name%3Dcodex-env-9"), 0);
	assert_int_equal(count_items(sim, "/api/v1/namespaces/shop-dev-6/pods?labelSelector=app%3Dweb"), 0);
	json_t *agents = read_object(sim, "/api/v1/namespaces/shop-dev-2/pods?labelSelector=app%3Dapi");
	AUTO_FREE char *path = xasprintf("/api/v1/namespaces/shop-dev-2/pods/%s/log?container=api&tailLines=3",
					 jstr(json_array_get(json_object_get(agents, "items"), 0), "metadata", "name"));
	AUTO_FREE char *log = sim_request(sim, "GET", path, NULL, NULL, NULL);

	json_decref(agents);
	assert_non_null(strstr(log, "{\"time\":\""));
}

static void the_demo_project_can_be_written_to_a_folder(void **state)
{
	char folder[] = "/tmp/sim-demo-XXXXXX";
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_true(sim_demo_write(folder, &err));
	AUTO_FREE char *stack = xasprintf("%s/services.yaml", folder), *manifest = xasprintf("%s/assets/demo/services/web.yaml", folder);
	AUTO_FREE char *clean = xasprintf("rm -rf %s", folder);

	assert_int_equal(access(stack, R_OK), 0);
	assert_int_equal(access(manifest, R_OK), 0);
	assert_int_equal(system(clean), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deployment_rolls_out_and_keeps_its_minimum),
		cmocka_unit_test(an_image_that_is_missing_stops_the_rollout_but_not_the_old_pods),
		cmocka_unit_test(a_crashing_container_restarts_and_its_last_words_can_be_read),
		cmocka_unit_test(a_stateful_set_makes_its_claims_and_updates_one_by_one),
		cmocka_unit_test(jobs_end_well_or_badly),
		cmocka_unit_test(a_namespace_takes_everything_in_it_away),
		cmocka_unit_test(what_an_owner_leaves_behind_follows_the_policy),
		cmocka_unit_test(a_quota_forbids_pods_and_the_deployment_says_so),
		cmocka_unit_test(a_custom_kind_is_served_once_it_is_established),
		cmocka_unit_test(a_pod_waits_for_its_claim),
		cmocka_unit_test(a_service_gets_the_addresses_of_its_ready_pods),
		cmocka_unit_test(applying_again_moves_no_version),
		cmocka_unit_test(controllers_can_be_held_and_let_go),
		cmocka_unit_test(apply_reads_yaml_too),
		cmocka_unit_test(the_demo_stands_in_several_states),
		cmocka_unit_test(a_definition_terminates_as_long_as_its_objects_are_held),
		cmocka_unit_test(the_demo_has_something_for_every_screen),
		cmocka_unit_test(the_demo_project_can_be_written_to_a_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
