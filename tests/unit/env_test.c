#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "model/env.h"

#define NOW INT64_C(1700000000000)

struct cluster {
	struct store *store;
	struct health *health;
	struct envs *envs;
	int64_t now_ms;
};

static const struct kind *const watched[] = { &kind_deployment, &kind_replica_set, &kind_stateful_set, &kind_daemon_set,
					      &kind_pod,	&kind_job,	   &kind_cron_job,     &kind_claim,
					      &kind_service,	&kind_ingress,	   &kind_event,	       &kind_namespace,
					      &kind_config_map };

static struct cluster cluster_create(const struct envs_options *options)
{
	struct cluster c = { .store = store_create(), .now_ms = NOW };

	c.health = health_create(c.store, NULL);
	c.envs = envs_create(c.store, c.health, options);
	for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
		struct row_batch *batch = row_batch_create(watched[i], "", c.now_ms);

		row_batch_add(batch, ROW_LIST_BEGIN, NULL);
		row_batch_add(batch, ROW_LIST_END, NULL);
		store_apply(c.store, batch);
	}
	return c;
}

static void cluster_release(struct cluster *c)
{
	envs_destroy(c->envs);
	health_destroy(c->health);
	store_destroy(c->store);
}
DEFINE_AUTO_RELEASE(cluster);

static void put(struct cluster *c, const struct kind *kind, const char *fmt, ...)
{
	AUTO(row_decoder) decoder = row_decoder_create();
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) json = BUF_INIT(0);
	struct row_batch *batch = row_batch_create(kind, "", c->now_ms);
	struct row *row = NULL;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&json, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < json.len; i++)
		json.p[i] = json.p[i] == '\'' ? '"' : json.p[i];
	if (!row_decode(decoder, kind, buf_str(&json), &row, &err))
		fail_msg("%s", err.message);
	row_batch_add(batch, ROW_PUT, row);
	store_apply(c->store, batch);
}

/* A Deployment of one pod, ready or still rolling. */
static void deploy(struct cluster *c, const char *namespace, const char *name, bool ready, const char *labels)
{
	put(c, &kind_deployment, "{'metadata':{'namespace':'%s','name':'%s','uid':'%s/%s','generation':1,'labels':{%s}},'spec':{'replicas':1,"
				 "'progressDeadlineSeconds':600},'status':{'observedGeneration':1,'replicas':1,'updatedReplicas':1,"
				 "'readyReplicas':%d,'availableReplicas':%d,'conditions':[{'type':'Available','status':'%s'},{'type':'Progressing',"
				 "'status':'True','reason':'%s'}]}}",
	    namespace, name, namespace, name, labels, ready, ready, ready ? "True" : "False",
	    ready ? "NewReplicaSetAvailable" : "ReplicaSetUpdated");
}

static void record(struct cluster *c, const char *name, const char *slot, const char *env, const char *namespace)
{
	put(c, &kind_config_map, "{'metadata':{'namespace':'codex-system','name':'%s','uid':'cm-%s'},'data':{'slot':'%s','env':'%s','namespace':"
				 "'%s','owner':'41','issue':'123','pr':'0','createdAt':'2023-11-14T20:13:20Z'}}",
	    name, name, slot, env, namespace);
}

static void namespace(struct cluster *c, const char *name)
{
	put(c, &kind_namespace, "{'metadata':{'name':'%s','uid':'ns-%s','creationTimestamp':'2023-11-01T00:00:00Z'},'status':{'phase':'Active'}}",
	    name, name);
}

static const struct envs_options project = { .project = "shop", .state_namespace = "codex-system", .record_prefix = "codex-env-" };

static void the_worst_environment_comes_first_and_says_why(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&project);
	const struct environment *e;

	envs_add_place(c.envs, "dev", 0, "shop-dev");
	envs_add_place(c.envs, "ai-staging", 0, "shop-ai-staging");
	namespace(&c, "shop-dev");
	namespace(&c, "shop-ai-staging");
	deploy(&c, "shop-dev", "web", true, "");
	deploy(&c, "shop-ai-staging", "web", true, "");
	deploy(&c, "shop-ai-staging", "chat", false, "");
	assert_true(envs_update(c.envs, c.now_ms));
	assert_int_equal(envs_count(c.envs), 2);
	e = envs_at(c.envs, 0);
	assert_string_equal(e->title, "ai-staging");
	assert_int_equal(e->state, HEALTH_PROGRESSING);
	assert_int_equal(e->ready, 1);
	assert_int_equal(e->total, 2);
	assert_string_equal(e->why, "chat: 0 of 1 pods ready");
	assert_string_equal(e->worst_name, "chat");
	e = envs_at(c.envs, 1);
	assert_int_equal(e->state, HEALTH_HEALTHY);
	assert_string_equal(e->why, "");
	assert_false(envs_update(c.envs, c.now_ms));
	assert_false(envs_update(c.envs, c.now_ms + 1000));
}

static void slots_come_from_their_records(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&project);
	const struct environment *e;

	namespace(&c, "shop-dev-3");
	record(&c, "codex-env-3", "3", "ai", "shop-dev-3");
	record(&c, "codex-env-10", " 10 ", "ai", "shop-dev-10");
	record(&c, "unrelated", "9", "ai", "shop-dev-9");
	deploy(&c, "shop-dev-3", "web", true, "");
	envs_update(c.envs, c.now_ms);
	assert_int_equal(envs_count(c.envs), 2);
	e = envs_find(c.envs, "slot 3");
	assert_int_equal(e->state, HEALTH_HEALTHY);
	assert_int_equal(e->issue, 123);
	assert_string_equal(e->owner, "41");
	assert_int_equal(NOW - e->created_ms, 7200000);
	assert_string_equal(e->finding, "");
	e = envs_find(c.envs, "slot 10");
	assert_int_equal(e->state, HEALTH_MISSING);
	assert_string_equal(e->finding, "record codex-env-10 without namespace shop-dev-10");
}

static void contradictions_are_found(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&project);

	namespace(&c, "shop-dev-1");
	namespace(&c, "shop-dev-2");
	namespace(&c, "shop-dev-7");
	record(&c, "codex-env-1", "1", "ai", "shop-dev-1");
	record(&c, "codex-env-2", "2", "ai", "shop-dev-1");
	envs_update(c.envs, c.now_ms);
	assert_string_equal(envs_find(c.envs, "slot 1")->finding, "records codex-env-1 and codex-env-2 name the same namespace shop-dev-1");
	assert_string_equal(envs_find(c.envs, "slot 7")->finding, "namespace shop-dev-7 without a slot record");
}

static void two_environments_share_a_namespace_by_labels(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&project);

	envs_add_place(c.envs, "ai-staging", 0, "shop-ai-staging");
	namespace(&c, "shop-ai-staging");
	record(&c, "codex-env-4", "4", "ai-repair", "shop-ai-staging");
	deploy(&c, "shop-ai-staging", "web", true, "");
	deploy(&c, "shop-ai-staging", "agent", false, "'slotdeck.dev/env':'ai-repair','slotdeck.dev/slot':'4'");
	envs_update(c.envs, c.now_ms);
	assert_int_equal(envs_find(c.envs, "ai-staging")->total, 1);
	assert_int_equal(envs_find(c.envs, "ai-staging")->state, HEALTH_HEALTHY);
	assert_int_equal(envs_find(c.envs, "slot 4")->total, 1);
	assert_int_equal(envs_find(c.envs, "slot 4")->state, HEALTH_PROGRESSING);
	assert_string_equal(envs_namespace_at(c.envs, 0), "shop-ai-staging");
	assert_null(envs_namespace_at(c.envs, 1));
}

static void without_a_stack_namespaces_are_the_environments(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&(struct envs_options){ 0 });

	namespace(&c, "empty");
	deploy(&c, "kube-system", "dns", true, "");
	deploy(&c, "team-a", "web", true, "");
	deploy(&c, "team-b", "web", true, "'slotdeck.dev/env':'dev'");
	envs_update(c.envs, c.now_ms);
	assert_non_null(envs_find(c.envs, "dev"));
	assert_null(envs_find(c.envs, "team-a"));
	envs_destroy(c.envs);
	c.envs = envs_create(c.store, c.health, &(struct envs_options){ .show_other_namespaces = true });
	envs_update(c.envs, c.now_ms);
	assert_int_equal(envs_count(c.envs), 2);
	assert_non_null(envs_find(c.envs, "team-a"));
}

static void what_is_expected_and_not_there_is_missing(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&project);
	const struct environment *e;

	envs_add_place(c.envs, "dev", 0, "shop-dev");
	deploy(&c, "shop-dev", "web", true, "");
	envs_expect(c.envs, &kind_deployment, "shop-dev", "web");
	envs_expect(c.envs, &kind_deployment, "shop-dev", "chat");
	envs_update(c.envs, c.now_ms);
	e = envs_at(c.envs, 0);
	assert_int_equal(e->state, HEALTH_MISSING);
	assert_string_equal(e->why, "chat: not in the cluster");
	assert_int_equal(e->ready, 1);
	assert_int_equal(e->total, 2);
}

static void old_data_is_never_green(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&project);

	envs_add_place(c.envs, "dev", 0, "shop-dev");
	envs_add_place(c.envs, "empty", 0, "shop-empty");
	deploy(&c, "shop-dev", "web", true, "");
	envs_update(c.envs, c.now_ms);
	assert_int_equal(envs_find(c.envs, "dev")->state, HEALTH_HEALTHY);
	store_set_scope(c.store, &kind_pod, "", SCOPE_BROKEN, "connection refused", c.now_ms + 4000);
	c.now_ms += 95000;
	assert_true(envs_update(c.envs, c.now_ms));
	assert_int_equal(envs_find(c.envs, "dev")->state, HEALTH_UNKNOWN);
	assert_int_equal(envs_find(c.envs, "empty")->state, HEALTH_UNKNOWN);
	assert_non_null(strstr(envs_find(c.envs, "empty")->why, "no data for 95 s"));
}

static void the_last_change_names_who_and_what(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&project);
	static const char text[] = "{'metadata':{'namespace':'shop-dev','name':'web','uid':'d','generation':%d,'resourceVersion':'%d','managedFields':"
				   "[{'manager':'%s','time':'2023-11-14T22:%02d:00Z'},{'manager':'kube-controller-manager','subresource':'status',"
				   "'time':'2023-11-14T23:00:00Z'}]},'spec':{'replicas':%d}}";

	envs_add_place(c.envs, "dev", 0, "shop-dev");
	put(&c, &kind_deployment, text, 1, 1, "slotdeck", 1, 1);
	envs_update(c.envs, c.now_ms);
	assert_string_equal(envs_at(c.envs, 0)->changed, "Deployment web by slotdeck");
	put(&c, &kind_deployment, text, 2, 2, "kubectl-edit", 10, 3);
	envs_update(c.envs, c.now_ms);
	assert_string_equal(envs_at(c.envs, 0)->changed, "Deployment web by kubectl-edit: replicas 1 -> 3");
	assert_int_equal(NOW - envs_at(c.envs, 0)->changed_ms, 200000);
}

static void a_site_that_does_not_answer_outweighs_healthy_objects(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&project);

	envs_add_place(c.envs, "dev", 0, "shop-dev");
	deploy(&c, "shop-dev", "web", true, "");
	envs_set_site(c.envs, "dev", true, "", c.now_ms);
	envs_update(c.envs, c.now_ms);
	assert_int_equal(envs_at(c.envs, 0)->state, HEALTH_HEALTHY);
	envs_set_site(c.envs, "dev", false, "HTTP 502", c.now_ms);
	envs_update(c.envs, c.now_ms);
	assert_int_equal(envs_at(c.envs, 0)->state, HEALTH_PROGRESSING);
	assert_int_equal(envs_at(c.envs, 0)->shown, HEALTH_DEGRADED);
	assert_string_equal(envs_at(c.envs, 0)->why, "site does not answer: HTTP 502");
	envs_set_site(c.envs, "dev", true, "", c.now_ms - 61000);
	envs_update(c.envs, c.now_ms);
	assert_int_equal(envs_at(c.envs, 0)->state, HEALTH_UNKNOWN);
}

static void members_are_listed_worst_first(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&project);
	AUTO_RELEASE(env_members) members = { 0 };

	envs_add_place(c.envs, "dev", 0, "shop-dev");
	deploy(&c, "shop-dev", "web", true, "'slotdeck.dev/item':'web'");
	deploy(&c, "shop-dev", "chat", false, "");
	put(&c, &kind_pod, "{'metadata':{'namespace':'shop-dev','name':'done','uid':'p'},'status':{'phase':'Succeeded'}}");
	envs_update(c.envs, c.now_ms);
	envs_members(c.envs, envs_at(c.envs, 0), &members, c.now_ms);
	assert_int_equal(members.len, 2);
	assert_string_equal(members.items[0].name, "chat");
	assert_string_equal(members.items[1].item, "web");
}

static void answer_wish(const struct health_log_wish *wish, void *arg)
{
	health_set_log_line(arg, wish->pod_uid, wish->container, wish->restarts, "fatal: env DB_DSN is not set");
}

static void a_last_log_line_is_shown_as_soon_as_it_is_known(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create(&project);

	envs_add_place(c.envs, "dev", 0, "shop-dev");
	put(&c, &kind_pod, "{'metadata':{'namespace':'shop-dev','name':'web','uid':'p'},'spec':{'containers':[{'name':'web'}]},'status':{'phase':"
			   "'Running','containerStatuses':[{'name':'web','restartCount':6,'state':{'waiting':{'reason':'CrashLoopBackOff',"
			   "'message':'back-off 5m0s'}},'lastState':{'terminated':{'exitCode':1,'finishedAt':'2023-11-14T22:13:00Z'}}}]}}");
	envs_update(c.envs, c.now_ms);
	assert_string_equal(envs_at(c.envs, 0)->why, "web: CrashLoopBackOff x6, exit 1: back-off 5m0s");
	health_log_wishes(c.health, answer_wish, c.health);
	assert_true(envs_update(c.envs, c.now_ms));
	assert_string_equal(envs_at(c.envs, 0)->why, "web: CrashLoopBackOff x6, exit 1: fatal: env DB_DSN is not set");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worst_environment_comes_first_and_says_why),
		cmocka_unit_test(slots_come_from_their_records),
		cmocka_unit_test(contradictions_are_found),
		cmocka_unit_test(two_environments_share_a_namespace_by_labels),
		cmocka_unit_test(without_a_stack_namespaces_are_the_environments),
		cmocka_unit_test(what_is_expected_and_not_there_is_missing),
		cmocka_unit_test(old_data_is_never_green),
		cmocka_unit_test(the_last_change_names_who_and_what),
		cmocka_unit_test(a_site_that_does_not_answer_outweighs_healthy_objects),
		cmocka_unit_test(members_are_listed_worst_first),
		cmocka_unit_test(a_last_log_line_is_shown_as_soon_as_it_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
