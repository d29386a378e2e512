#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utc.h"
#include "model/health.h"
#include "model/health_private.h"

/*
 * Situations are recorded from a real API server (tests/unit/data/health/record) and looked at with a clock that the test
 * moves. "at" is the moment of recording.
 */
struct cluster {
	struct store *store;
	struct health *health;
	int64_t at_ms;	/* of the recording */
	int64_t now_ms; /* what the test says */
	char namespace[64];
};

static const struct kind *const watched[] = { &kind_deployment, &kind_replica_set, &kind_stateful_set, &kind_daemon_set,
					      &kind_pod,	&kind_job,	   &kind_cron_job,     &kind_claim,
					      &kind_service,	&kind_ingress,	   &kind_event };

struct line {
	char api[64], kind[64], at[64];
};

static bool on_line_field(const struct json_field *field, void *arg, struct error *err)
{
	struct line *line = arg;
	char *to[] = { line->api, line->kind, line->at };

	(void)err;
	snprintf(to[field->path], 64, "%.*s", STR_ARG(field->text));
	return true;
}

static void put(struct cluster *c, const struct kind *kind, struct row *row)
{
	struct row_batch *batch = row_batch_create(kind, "", c->now_ms);

	row_batch_add(batch, ROW_PUT, row);
	store_apply(c->store, batch);
}

static void read_line(struct cluster *c, struct row_decoder *decoder, const struct json_fields *fields, struct str text)
{
	AUTO_RELEASE(error) err = { 0 };
	struct line line = { 0 };
	const struct kind *kind;
	struct row *row = NULL;
	int64_t us;

	assert_true(json_visit(fields, text, on_line_field, &line, &err));
	if (*line.at) {
		assert_true(utc_parse_rfc3339(str_of(line.at), &us));
		c->at_ms = c->now_ms = us / 1000;
		return;
	}
	kind = kind_find_api(line.api, line.kind);
	assert_non_null(kind);
	if (!row_decode(decoder, kind, text, &row, &err))
		fail_msg("%s", err.message);
	snprintf(c->namespace, sizeof c->namespace, "%s", row->namespace);
	put(c, kind, row);
}

/* Every watch proves at now that what we have is right. */
static void prove(struct cluster *c)
{
	for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
		struct row_batch *batch = row_batch_create(watched[i], "", c->now_ms);

		row_batch_add(batch, ROW_PROOF, NULL);
		store_apply(c->store, batch);
	}
}

static void pass(struct cluster *c, int64_t seconds)
{
	c->now_ms += seconds * 1000;
	prove(c);
}

static struct cluster cluster_create(void)
{
	struct cluster c = { .store = store_create(), .now_ms = INT64_C(1700000000000) };

	c.health = health_create(c.store, NULL);
	for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
		struct row_batch *batch = row_batch_create(watched[i], "", c.now_ms);

		row_batch_add(batch, ROW_LIST_BEGIN, NULL);
		row_batch_add(batch, ROW_LIST_END, NULL);
		store_apply(c.store, batch);
	}
	return c;
}

static struct cluster recorded(const char *situation)
{
	static const char *const paths[] = { "apiVersion", "kind", "at" };
	struct cluster c = cluster_create();
	AUTO(json_fields) fields = json_fields_create(paths, 3);
	AUTO(row_decoder) decoder = row_decoder_create();
	AUTO_FREE char *name = xasprintf("tests/unit/data/health/%s.json", situation);
	FILE *file = fopen(name, "r");
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;

	if (!file)
		fail_msg("cannot open %s", name);
	while ((n = getline(&text, &cap, file)) > 0)
		read_line(&c, decoder, fields, (struct str){ text, (size_t)n });
	free(text);
	fclose(file);
	prove(&c);
	return c;
}

static void cluster_release(struct cluster *c)
{
	health_destroy(c->health);
	store_destroy(c->store);
}
DEFINE_AUTO_RELEASE(cluster);

static const struct verdict *verdict(struct cluster *c, const struct kind *kind, const char *name)
{
	return health_of_name(c->health, kind, c->namespace, name, c->now_ms);
}

static struct row *object(struct cluster *c, const struct kind *kind, const char *json)
{
	AUTO(row_decoder) decoder = row_decoder_create();
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *text = xstrdup(json);
	struct row *row = NULL;

	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	if (!row_decode(decoder, kind, str_of(text), &row, &err))
		fail_msg("%s", err.message);
	snprintf(c->namespace, sizeof c->namespace, "%s", row->namespace);
	return row;
}

/* ---- the table ---- */

struct expectation {
	const char *situation;
	const struct kind *kind;
	const char *name;
	int64_t after_s; /* from the recording; looked at every second */
	enum health_state state;
	bool counts, hopeless;
	const char *rule_id;
	const char *message; /* a part of it */
};

static void check(const struct expectation *e)
{
	AUTO_RELEASE(cluster) c = recorded(e->situation);
	const struct verdict *v = verdict(&c, e->kind, e->name);

	for (int64_t i = 0; i < e->after_s; i++) {
		pass(&c, 1);
		v = verdict(&c, e->kind, e->name);
	}
	if (v->state != e->state || strcmp(v->rule_id, e->rule_id) || !strstr(v->message, e->message) ||
	    verdict_counts(v, c.now_ms) != e->counts || v->hopeless != e->hopeless)
		fail_msg("%s after %d s: %s by %s: %s: %s (counts %d, hopeless %d)", e->situation, (int)e->after_s,
			 health_state_name(v->state), v->rule_id, v->reason, v->message, verdict_counts(v, c.now_ms),
			 v->hopeless);
}

/* The column "Ours" of the comparison table in docs/health.md, and each rule with what a real server said. */
static const struct expectation expectations[] = {
	{ "healthy", &kind_deployment, "web", 0, HEALTH_HEALTHY, 0, 0, "deployment", "" },
	{ "healthy", &kind_service, "web", 0, HEALTH_HEALTHY, 0, 0, "address", "" },
	{ "new_crashes_old_serves", &kind_deployment, "web", 0, HEALTH_DEGRADED, 0, 1, "pod.crash", "last exit code 1" },
	{ "new_crashes_old_serves", &kind_deployment, "web", 60, HEALTH_DEGRADED, 1, 1, "pod.crash", "last exit code 1" },
	{ "crash_loop", &kind_deployment, "web", 60, HEALTH_DEGRADED, 1, 1, "pod.crash", "last exit code 1" },
	{ "quota", &kind_deployment, "web", 0, HEALTH_DEGRADED, 1, 1, "workload.quota", "exceeded quota: none" },
	{ "one_of_two", &kind_deployment, "web", 0, HEALTH_PROGRESSING, 0, 0, "deployment.rollout", "1 of 2 pods ready" },
	{ "stateful_half", &kind_stateful_set, "web", 0, HEALTH_PROGRESSING, 0, 0, "statefulset", "1 of 2 pods updated" },
	{ "stateful_half", &kind_stateful_set, "web", 600, HEALTH_DEGRADED, 0, 1, "workload.stuck", "no progress for 10 min" },
	{ "stateful", &kind_stateful_set, "web", 0, HEALTH_HEALTHY, 0, 0, "statefulset", "" },
	{ "daemon", &kind_daemon_set, "web", 0, HEALTH_HEALTHY, 0, 0, "daemonset", "" },
	{ "running_job", &kind_job, "web", 0, HEALTH_PROGRESSING, 0, 0, "job.running", "1 active" },
	{ "complete_job", &kind_job, "web", 0, HEALTH_HEALTHY, 0, 0, "job.complete", "" },
	{ "failed_job", &kind_job, "web", 0, HEALTH_DEGRADED, 1, 1, "job.failed", "exit code 1" },
	{ "failed_pod", &kind_pod, "web", 0, HEALTH_DEGRADED, 1, 1, "pod.failed", "exit code 3" },
	{ "claim_bound", &kind_claim, "data", 0, HEALTH_HEALTHY, 0, 0, "claim.bound", "" },
	{ "claim_lost", &kind_claim, "data", 0, HEALTH_DEGRADED, 1, 1, "claim.lost", "is gone" },
	{ "claim_pending", &kind_claim, "data", 0, HEALTH_PROGRESSING, 0, 0, "claim.pending", "waits for its volume" },
	{ "claim_pending", &kind_claim, "data", 60, HEALTH_DEGRADED, 0, 0, "claim.unbound", "not bound" },
	{ "claim_pending", &kind_claim, "data", 121, HEALTH_DEGRADED, 1, 0, "claim.unbound", "not bound" },
	{ "claim_no_class", &kind_claim, "data", 15, HEALTH_DEGRADED, 1, 1, "claim.class", "none-such" },
	{ "ingress_silent", &kind_ingress, "web", 0, HEALTH_PROGRESSING, 0, 0, "address.pending", "waits for an address" },
	{ "ingress_silent", &kind_ingress, "web", 121, HEALTH_HEALTHY, 0, 0, "address.none", "no address written" },
	{ "image", &kind_deployment, "web", 0, HEALTH_DEGRADED, 0, 1, "pod.image", "" },
	{ "image", &kind_deployment, "web", 10, HEALTH_DEGRADED, 1, 1, "pod.image", "" },
	{ "oom", &kind_deployment, "web", 61, HEALTH_DEGRADED, 1, 1, "pod.crash", "last exit code 137" },
	{ "unschedulable", &kind_deployment, "web", 0, HEALTH_PROGRESSING, 0, 0, "deployment.rollout", "0 of 1 pods ready" },
	{ "unschedulable", &kind_deployment, "web", 16, HEALTH_DEGRADED, 0, 1, "pod.unschedulable", "Insufficient cpu" },
	{ "unschedulable", &kind_deployment, "web", 61, HEALTH_DEGRADED, 1, 1, "pod.unschedulable", "Insufficient cpu" },
	{ "probe", &kind_deployment, "web", 30, HEALTH_PROGRESSING, 0, 0, "deployment.rollout", "0 of 1 pods ready" },
	{ "bad_secret", &kind_deployment, "web", 10, HEALTH_DEGRADED, 1, 1, "pod.config", "couldn't find key DB_DSN" },
	{ "init_fails", &kind_deployment, "web", 61, HEALTH_DEGRADED, 1, 1, "pod.crash", "init container migrate restarted 4 times" },
	{ "webhook", &kind_deployment, "web", 0, HEALTH_DEGRADED, 1, 1, "workload.webhook", "denied the request" },
	{ "evicted", &kind_deployment, "web", 60, HEALTH_HEALTHY, 0, 0, "deployment", "" },
	{ "paused", &kind_deployment, "web", 0, HEALTH_SUSPENDED, 0, 0, "deployment.paused", "" },
	{ "scaled_to_zero", &kind_deployment, "web", 0, HEALTH_HEALTHY, 0, 0, "deployment", "scaled to 0" },
	{ "scaled_to_zero", &kind_service, "web", 0, HEALTH_HEALTHY, 0, 0, "service.asleep", "scaled to 0" },
	{ "service_no_pods", &kind_service, "web", 0, HEALTH_DEGRADED, 0, 0, "service.endpoints", "matches no pod" },
	{ "service_no_pods", &kind_service, "web", 60, HEALTH_DEGRADED, 1, 0, "service.endpoints", "matches no pod" },
	{ "balancer", &kind_service, "web", 0, HEALTH_PROGRESSING, 0, 0, "address.pending", "" },
	{ "balancer", &kind_service, "web", 121, HEALTH_HEALTHY, 0, 0, "address.none", "no address written" },
	{ "rollout", &kind_deployment, "web", 0, HEALTH_PROGRESSING, 0, 0, "deployment.rollout", "0 of 1 pods ready" },
	{ "cron", &kind_cron_job, "web", 0, HEALTH_HEALTHY, 0, 0, "cronjob", "" },
	{ "cron", &kind_cron_job, "web", 20 * 60, HEALTH_DEGRADED, 1, 0, "cronjob.missed", "twice its period" },
	{ "deadline", &kind_deployment, "web", 0, HEALTH_DEGRADED, 0, 1, "deployment.deadline", "timed out progressing" },
	{ "deadline", &kind_deployment, "web", 60, HEALTH_DEGRADED, 1, 1, "deployment.deadline", "timed out progressing" },
};

static void each_situation_gets_the_verdict_of_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(expectations); i++)
		check(&expectations[i]);
}

/* ---- cause chains ---- */

static void chain_text(const struct verdict *v, struct buf *out)
{
	for (size_t i = 0; i < v->causes.len; i++) {
		cause_format(&v->causes.items[i], out);
		buf_addc(out, '\n');
	}
}

/* The first and last line of the chain of ambitions 2's failures, at the first look. */
static void each_failure_is_explained_from_its_object_to_its_cause(void **state)
{
	(void)state;
	static const struct {
		const char *situation;
		const struct kind *kind;
		const char *name, *first, *last;
	} table[] = {
		{ "image", &kind_deployment, "web", "Deployment web: 0 of 1 available", "last warning: " },
		{ "crash_loop", &kind_deployment, "web", "Deployment web: 0 of 1 available", "last warning: BackOff" },
		{ "oom", &kind_deployment, "web", "Deployment web: 0 of 1 available", "last warning: BackOff" },
		{ "quota", &kind_deployment, "web", "Deployment web: FailedCreate", "exceeded quota: none" },
		{ "unschedulable", &kind_deployment, "web", "Deployment web: 0 of 1 available", "last warning: FailedScheduling" },
		{ "claim_pending", &kind_deployment, "web", "Deployment web: 0 of 1 available", "PersistentVolumeClaim data: Pending" },
		{ "bad_secret", &kind_deployment, "web", "Deployment web: 0 of 1 available", "couldn't find key DB_DSN in Secret" },
		{ "probe", &kind_deployment, "web", "Deployment web: 0 of 1 available", "last warning: Unhealthy" },
		{ "init_fails", &kind_deployment, "web", "Deployment web: 0 of 1 available", "container migrate: CrashLoopBackOff" },
		{ "failed_job", &kind_job, "web", "Job web: BackoffLimitExceeded", "exit code 1" },
		{ "ingress_silent", &kind_ingress, "web", "Ingress web: NoAddress", "waits for an address" },
		{ "webhook", &kind_deployment, "web", "Deployment web: FailedCreate", "denied the request" },
		{ "new_crashes_old_serves", &kind_deployment, "web", "Deployment web: 1 of 1 available, 1 pod of the old revision", "exit code 1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_RELEASE(cluster) c = recorded(table[i].situation);
		AUTO_RELEASE(buf) text = BUF_INIT(0);

		chain_text(verdict(&c, table[i].kind, table[i].name), &text);
		if (!starts_with(buf_cstr(&text), table[i].first) || !strstr(buf_cstr(&text), table[i].last))
			fail_msg("%s:\n%s", table[i].situation, buf_cstr(&text));
	}
}

struct wishes {
	unsigned n;
	char uid[64], container[64];
	int32_t restarts;
};

static void on_wish(const struct health_log_wish *wish, void *arg)
{
	struct wishes *wishes = arg;

	wishes->n++;
	snprintf(wishes->uid, sizeof wishes->uid, "%s", wish->pod_uid);
	snprintf(wishes->container, sizeof wishes->container, "%s", wish->container);
	wishes->restarts = wish->restarts;
}

static void the_last_log_line_is_wished_for_once_and_joins_the_chain(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("crash_loop");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(buf) why = BUF_INIT(0);
	struct wishes wishes = { 0 };

	verdict(&c, &kind_deployment, "web");
	health_log_wishes(c.health, on_wish, &wishes);
	assert_int_equal(wishes.n, 1);
	assert_string_equal(wishes.container, "web");
	health_set_log_line(c.health, wishes.uid, "web", wishes.restarts, "fatal: env DB_DSN is not set");
	chain_text(verdict(&c, &kind_deployment, "web"), &text);
	assert_non_null(strstr(buf_cstr(&text), "last log line: fatal: env DB_DSN is not set"));
	verdict_format_why(verdict(&c, &kind_deployment, "web"), c.now_ms, &why);
	assert_non_null(strstr(buf_cstr(&why), "exit 1: fatal: env DB_DSN is not set"));
	pass(&c, 5);
	verdict(&c, &kind_deployment, "web");
	health_log_wishes(c.health, on_wish, &wishes);
	assert_int_equal(wishes.n, 1);
}

/* ---- rule 1 ---- */

static void a_dead_watch_makes_green_unknown(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("healthy");

	assert_int_equal(verdict(&c, &kind_deployment, "web")->state, HEALTH_HEALTHY);
	c.now_ms += 30000;
	assert_int_equal(verdict(&c, &kind_deployment, "web")->state, HEALTH_HEALTHY);
	c.now_ms += 1;
	assert_int_equal(verdict(&c, &kind_deployment, "web")->state, HEALTH_UNKNOWN);
	c.now_ms += 5 * 60000;
	assert_string_equal(verdict(&c, &kind_deployment, "web")->message, "no data for 5 min");
	prove(&c);
	assert_int_equal(verdict(&c, &kind_deployment, "web")->state, HEALTH_HEALTHY);
}

static void a_quiet_cluster_stays_green_while_proofs_come(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("healthy");

	for (int i = 0; i < 600 / 15; i++) {
		pass(&c, 15);
		assert_int_equal(verdict(&c, &kind_deployment, "web")->state, HEALTH_HEALTHY);
	}
}

static void a_missing_right_says_which(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("healthy");

	store_set_scope(c.store, &kind_deployment, "", SCOPE_FORBIDDEN, "403 for user dev", 0);
	assert_int_equal(verdict(&c, &kind_deployment, "web")->state, HEALTH_UNKNOWN);
	assert_string_equal(verdict(&c, &kind_deployment, "web")->message, "no right to list or watch deployments: 403 for user dev");
}

/* ---- rules 2 and 3 ---- */

static void what_is_being_deleted_for_five_minutes_is_stuck(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put(&c, &kind_deployment, object(&c, &kind_deployment, "{'metadata':{'namespace':'a','name':'web','uid':'d','deletionTimestamp':"
				 "'2023-11-14T22:13:20Z','finalizers':['x.example.com/keep']}}"));
	pass(&c, 1);
	assert_int_equal(verdict(&c, &kind_deployment, "web")->state, HEALTH_DELETING);
	pass(&c, 299);
	assert_int_equal(verdict(&c, &kind_deployment, "web")->state, HEALTH_DEGRADED);
	assert_string_equal(verdict(&c, &kind_deployment, "web")->message, "stuck deleting for 5 min, finalizers: x.example.com/keep");
}

static void a_controller_that_does_not_answer_is_named(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put(&c, &kind_deployment, object(&c, &kind_deployment, "{'metadata':{'namespace':'a','name':'web','uid':'d','generation':2,"
				 "'creationTimestamp':'2023-11-14T22:13:20Z'},'status':{'observedGeneration':1,'replicas':1,'updatedReplicas':1}}"));
	assert_string_equal(verdict(&c, &kind_deployment, "web")->rule_id, "behind");
	pass(&c, 60);
	assert_string_equal(verdict(&c, &kind_deployment, "web")->rule_id, "behind.silent");
	assert_false(verdict_counts(verdict(&c, &kind_deployment, "web"), c.now_ms));
}

/* ---- rule 5, 6, 7 by hand ---- */

static void on_delete_with_an_old_revision_is_healthy_with_a_note(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put(&c, &kind_stateful_set, object(&c, &kind_stateful_set, "{'metadata':{'namespace':'a','name':'web','uid':'s','generation':1},"
		"'spec':{'replicas':1,'updateStrategy':{'type':'OnDelete'}},'status':{'observedGeneration':1,'replicas':1,"
		"'readyReplicas':1,'currentRevision':'a','updateRevision':'b'}}"));
	assert_int_equal(verdict(&c, &kind_stateful_set, "web")->state, HEALTH_HEALTHY);
	assert_non_null(strstr(verdict(&c, &kind_stateful_set, "web")->message, "OnDelete"));
}

static void a_partition_holds_pods_back_by_wish(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put(&c, &kind_stateful_set, object(&c, &kind_stateful_set, "{'metadata':{'namespace':'a','name':'web','uid':'s','generation':1},"
		"'spec':{'replicas':3,'updateStrategy':{'type':'RollingUpdate','rollingUpdate':{'partition':2}}},'status':"
		"{'observedGeneration':1,'replicas':3,'readyReplicas':3,'updatedReplicas':1,'currentRevision':'a','updateRevision':'b'}}"));
	assert_int_equal(verdict(&c, &kind_stateful_set, "web")->state, HEALTH_HEALTHY);
}

static void a_claim_of_a_lazy_class_waits_for_its_first_pod(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put(&c, &kind_storage_class, object(&c, &kind_storage_class, "{'metadata':{'name':'lazy','uid':'sc'},'volumeBindingMode':'WaitForFirstConsumer'}"));
	put(&c, &kind_claim, object(&c, &kind_claim, "{'metadata':{'namespace':'a','name':'data','uid':'c','creationTimestamp':"
		"'2023-11-14T22:13:20Z'},'spec':{'storageClassName':'lazy'},'status':{'phase':'Pending'}}"));
	pass(&c, 600);
	assert_string_equal(verdict(&c, &kind_claim, "data")->rule_id, "claim.unused");
	assert_int_equal(verdict(&c, &kind_claim, "data")->state, HEALTH_HEALTHY);
	put(&c, &kind_pod, object(&c, &kind_pod, "{'metadata':{'namespace':'a','name':'p','uid':'p','creationTimestamp':'2023-11-14T22:23:20Z'},"
		"'spec':{'volumes':[{'name':'v','persistentVolumeClaim':{'claimName':'data'}}]},'status':{'phase':'Pending'}}"));
	assert_string_equal(verdict(&c, &kind_claim, "data")->rule_id, "claim.pending");
	pass(&c, 60);
	assert_int_equal(verdict(&c, &kind_claim, "data")->state, HEALTH_DEGRADED);
}

static void a_cron_job_is_judged_by_its_last_finished_run(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put(&c, &kind_cron_job, object(&c, &kind_cron_job, "{'metadata':{'namespace':'a','name':'cron','uid':'cj','creationTimestamp':"
		"'2023-11-14T22:13:20Z'},'spec':{'schedule':'0 * * * *'}}"));
	put(&c, &kind_job, object(&c, &kind_job, "{'metadata':{'namespace':'a','name':'cron-1','uid':'j1','creationTimestamp':"
		"'2023-11-14T22:13:00Z','ownerReferences':[{'uid':'cj','controller':true}]},'status':{'conditions':[{'type':'Failed','status':"
		"'True','reason':'BackoffLimitExceeded','lastTransitionTime':'2023-11-14T22:13:10Z'}]}}"));
	assert_string_equal(verdict(&c, &kind_cron_job, "cron")->rule_id, "cronjob.failed");
	put(&c, &kind_job, object(&c, &kind_job, "{'metadata':{'namespace':'a','name':'cron-2','uid':'j2','creationTimestamp':"
		"'2023-11-14T22:13:15Z','ownerReferences':[{'uid':'cj','controller':true}]},'status':{'conditions':[{'type':'Complete','status':"
		"'True'}]}}"));
	assert_int_equal(verdict(&c, &kind_cron_job, "cron")->state, HEALTH_HEALTHY);
}

static void schedules_are_understood(void **state)
{
	(void)state;
	static const struct {
		const char *schedule;
		int64_t first_s, second_s; /* after 2023-11-14T22:13:20Z, a Tuesday; -1: refused */
	} table[] = {
		{ "*/5 * * * *", 100, 400 },	     { "0 * * * *", 2800, 6400 },	  { "@hourly", 2800, 6400 },
		{ "0 3 * * 1-5", 17200, 103600 },    { "0 0 1 1 *", 4067200, 35689600 },  { "@every 90s", 90, 180 },
		{ "0 0 * * MON", 438400, 1043200 },  { "0 0 13 * FRI", 179200, 784000 },  { "30 22 14 NOV ?", 1000, 31623400 },
		{ "TZ=Europe/Paris 0 * * * *", 2800, 6400 },
		{ "* * * *", -1, 0 },		     { "60 * * * *", -1, 0 },		  { "a b c d e", -1, 0 },
		{ "", -1, 0 },			     { "0 0 31 2 *", -1, 0 },		  { "5-1 * * * *", -1, 0 },
		{ "*/0 * * * *", -1, 0 },	     { "* * * * * *", -1, 0 },
	};
	int64_t at = INT64_C(1700000000000);

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		int64_t first = 0, second = 0;
		bool ok = cron_next_two(table[i].schedule, at, &first, &second);

		if (ok != (table[i].first_s >= 0) ||
		    (ok && (first != at + table[i].first_s * 1000 || second != at + table[i].second_s * 1000)))
			fail_msg("%s: %d, %lld, %lld", table[i].schedule, ok, (long long)(first - at) / 1000,
				 (long long)(second - at) / 1000);
	}
}

/* ---- rules 9 and 11 ---- */

#define POD_HEAD "{'metadata':{'namespace':'a','name':'p','uid':'p','creationTimestamp':'2023-11-14T22:13:20Z'},'spec':{'containers':[{'name':'c'}]},"

static void put_pod(struct cluster *c, const char *status)
{
	AUTO_FREE char *json = xasprintf(POD_HEAD "'status':{'startTime':'2023-11-14T22:13:20Z',%s}}", status);

	put(c, &kind_pod, object(c, &kind_pod, json));
}

#define CRASHED(n) "'phase':'Running','containerStatuses':[{'name':'c','restartCount':" #n ",'state':{'waiting':{'reason':'CrashLoopBackOff'}}," \
	"'lastState':{'terminated':{'exitCode':1,'reason':'Error','finishedAt':'2023-11-14T22:13:25Z'}}}]"
#define READY_AT(n, time) "'phase':'Running','conditions':[{'type':'Ready','status':'True','lastTransitionTime':'" time "'}],'containerStatuses':[" \
	"{'name':'c','ready':true,'restartCount':" #n ",'state':{'running':{'startedAt':'" time "'}},'lastState':{'terminated':{'exitCode':1," \
	"'reason':'Error','finishedAt':'2023-11-14T22:13:25Z'}}}]"

static void one_crash_is_forgiven_within_the_grace(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put_pod(&c, CRASHED(1));
	assert_int_equal(verdict(&c, &kind_pod, "p")->state, HEALTH_DEGRADED);
	pass(&c, 20);
	assert_false(verdict_counts(verdict(&c, &kind_pod, "p"), c.now_ms));
	assert_int_equal(verdict_counted_state(verdict(&c, &kind_pod, "p"), c.now_ms), HEALTH_PROGRESSING);
	put_pod(&c, READY_AT(1, "2023-11-14T22:13:40Z"));
	assert_int_equal(verdict(&c, &kind_pod, "p")->state, HEALTH_PROGRESSING);
	pass(&c, 10);
	assert_int_equal(verdict(&c, &kind_pod, "p")->state, HEALTH_HEALTHY);
}

static void a_crash_loop_that_runs_in_between_keeps_its_grace(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put_pod(&c, CRASHED(1));
	verdict(&c, &kind_pod, "p");
	pass(&c, 20);
	put_pod(&c, READY_AT(1, "2023-11-14T22:13:40Z"));
	verdict(&c, &kind_pod, "p");
	pass(&c, 5);
	put_pod(&c, CRASHED(2));
	assert_int_equal(verdict(&c, &kind_pod, "p")->state, HEALTH_DEGRADED);
	pass(&c, 35);
	assert_true(verdict_counts(verdict(&c, &kind_pod, "p"), c.now_ms));
}

static void after_repeated_crashes_ready_must_last_longer(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put_pod(&c, CRASHED(2));
	verdict(&c, &kind_pod, "p");
	pass(&c, 10);
	put_pod(&c, READY_AT(2, "2023-11-14T22:13:30Z"));
	pass(&c, 15);
	assert_string_equal(verdict(&c, &kind_pod, "p")->rule_id, "pod.recovering");
	pass(&c, 15);
	assert_int_equal(verdict(&c, &kind_pod, "p")->state, HEALTH_HEALTHY);
}

static void a_rate_limit_is_forgiven_for_the_grace_only(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put_pod(&c, "'phase':'Pending','containerStatuses':[{'name':'c','state':{'waiting':{'reason':'ErrImagePull','message':"
		    "'429 Too Many Requests: toomanyrequests'}}}]");
	assert_string_equal(verdict(&c, &kind_pod, "p")->rule_id, "pod.image-limit");
	assert_int_equal(verdict(&c, &kind_pod, "p")->state, HEALTH_PROGRESSING);
	pass(&c, 60);
	assert_int_equal(verdict(&c, &kind_pod, "p")->state, HEALTH_DEGRADED);
}

static void image_trouble_counts_within_fifteen_seconds(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put_pod(&c, "'phase':'Pending','containerStatuses':[{'name':'c','state':{'waiting':{'reason':'ErrImagePull','message':'not found'}}}]");
	assert_false(verdict_counts(verdict(&c, &kind_pod, "p"), c.now_ms));
	pass(&c, 7);
	put_pod(&c, "'phase':'Pending','containerStatuses':[{'name':'c','state':{'waiting':{'reason':'ImagePullBackOff','message':'back-off'}}}]");
	verdict(&c, &kind_pod, "p");
	pass(&c, 7);
	assert_true(verdict_counts(verdict(&c, &kind_pod, "p"), c.now_ms));
}

static void an_invalid_image_name_counts_at_once(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put_pod(&c, "'phase':'Pending','containerStatuses':[{'name':'c','state':{'waiting':{'reason':'InvalidImageName','message':'x'}}}]");
	assert_true(verdict_counts(verdict(&c, &kind_pod, "p"), c.now_ms));
}

static void memory_that_ran_out_twice_is_hopeless(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put_pod(&c, "'phase':'Running','containerStatuses':[{'name':'c','restartCount':2,'ready':false,'state':{'running':{'startedAt':"
		    "'2023-11-14T22:13:30Z'}},'lastState':{'terminated':{'exitCode':137,'reason':'OOMKilled','finishedAt':"
		    "'2023-11-14T22:13:25Z'}}}]");
	assert_string_equal(verdict(&c, &kind_pod, "p")->rule_id, "pod.oom");
	assert_true(verdict(&c, &kind_pod, "p")->hopeless);
}

static void an_autoscaler_that_adds_a_node_is_waited_for(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();

	put_pod(&c, "'phase':'Pending','conditions':[{'type':'PodScheduled','status':'False','reason':'Unschedulable','message':'no room',"
		    "'lastTransitionTime':'2023-11-14T22:13:20Z'}]");
	pass(&c, 16);
	assert_int_equal(verdict(&c, &kind_pod, "p")->state, HEALTH_DEGRADED);
	put(&c, &kind_event, object(&c, &kind_event, "{'metadata':{'namespace':'a','name':'e','uid':'e'},'involvedObject':{'uid':'p'},'type':"
		"'Normal','reason':'TriggeredScaleUp','lastTimestamp':'2023-11-14T22:13:30Z'}"));
	assert_string_equal(verdict(&c, &kind_pod, "p")->rule_id, "pod.scale-up");
}

static void a_probe_that_fails_is_quoted(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("probe");
	const struct verdict *v = NULL;

	for (struct entry *e = store_first(c.store, &kind_pod, c.namespace); e; e = store_next(e, c.namespace))
		v = health_of(c.health, e, c.now_ms);
	assert_string_equal(v->rule_id, "pod.probe");
	assert_non_null(strstr(v->message, "probe failed"));
}

static void a_new_generation_starts_with_a_new_grace(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = cluster_create();
	static const char text[] = "{'metadata':{'namespace':'a','name':'web','uid':'x','generation':%d},'status':{'observedGeneration':%d,"
				   "'conditions':[{'type':'Stalled','status':'True','reason':'Bad','message':'m'}]}}";
	AUTO(kind) kind = kind_create_other("example.com", "v1", "Widget", "widgets", true);
	AUTO_FREE char *one = xasprintf(text, 1, 1), *two = xasprintf(text, 2, 2);

	store_set_scope(c.store, kind, "", SCOPE_LIVE, NULL, 0);
	struct row_batch *batch = row_batch_create(kind, "", c.now_ms);
	row_batch_add(batch, ROW_LIST_BEGIN, NULL);
	row_batch_add(batch, ROW_PUT, object(&c, kind, one));
	row_batch_add(batch, ROW_LIST_END, NULL);
	store_apply(c.store, batch);
	verdict(&c, kind, "web");
	pass(&c, 50);
	put(&c, kind, object(&c, kind, two));
	verdict(&c, kind, "web");
	c.now_ms += 25000;
	assert_false(verdict_counts(verdict(&c, kind, "web"), c.now_ms));
	health_destroy(c.health);
	store_destroy(c.store);
	c.store = store_create();
	c.health = health_create(c.store, NULL);
}

static void custom_kinds_follow_their_conditions(void **state)
{
	(void)state;
	static const struct {
		const char *conditions;
		int64_t after_s;
		enum health_state state;
		enum health_confidence confidence;
	} table[] = {
		{ "", 0, HEALTH_HEALTHY, HEALTH_LIKELY },
		{ "{'type':'Ready','status':'True'}", 0, HEALTH_HEALTHY, HEALTH_CERTAIN },
		{ "{'type':'Ready','status':'False','lastTransitionTime':'2023-11-14T22:13:20Z'}", 0, HEALTH_PROGRESSING, HEALTH_CERTAIN },
		{ "{'type':'Ready','status':'False','lastTransitionTime':'2023-11-14T22:13:20Z'}", 600, HEALTH_DEGRADED, HEALTH_CERTAIN },
		{ "{'type':'Reconciling','status':'True'},{'type':'Ready','status':'True'}", 0, HEALTH_PROGRESSING, HEALTH_CERTAIN },
		{ "{'type':'Stalled','status':'True'}", 0, HEALTH_DEGRADED, HEALTH_CERTAIN },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO(kind) kind = kind_create_other("example.com", "v1", "Widget", "widgets", true);
		AUTO_RELEASE(cluster) c = cluster_create();
		AUTO_FREE char *json = xasprintf("{'metadata':{'namespace':'a','name':'web','uid':'x'},'status':{'conditions':[%s]}}",
						 table[i].conditions);
		struct row_batch *batch;
		const struct verdict *v;

		c.now_ms += table[i].after_s * 1000;
		batch = row_batch_create(kind, "", c.now_ms);
		row_batch_add(batch, ROW_PUT, object(&c, kind, json));
		row_batch_add(batch, ROW_LIST_END, NULL);
		store_apply(c.store, batch);
		v = verdict(&c, kind, "web");
		if (v->state != table[i].state || v->confidence != table[i].confidence)
			fail_msg("%s: %s", table[i].conditions, health_state_name(v->state));
	}
}

/* ---- rule 12 ---- */

static void a_roll_up_takes_the_worst_that_counts(void **state)
{
	(void)state;
	struct verdict healthy = { .state = HEALTH_HEALTHY }, graced = { .state = HEALTH_DEGRADED, .counts_ms = 100, .since_ms = 1 },
		       missing = { .state = HEALTH_MISSING };
	struct entry a = { 0 }, b = { 0 }, c = { 0 };
	struct roll_up r = { 0 };

	roll_up_add(&r, &a, &healthy, 50);
	roll_up_add(&r, &b, &graced, 50);
	assert_int_equal(r.state, HEALTH_PROGRESSING);
	assert_ptr_equal(r.worst, &b);
	roll_up_add(&r, &c, &missing, 50);
	assert_int_equal(r.state, HEALTH_MISSING);
	r = (struct roll_up){ 0 };
	roll_up_add(&r, &c, &missing, 100);
	roll_up_add(&r, &b, &graced, 100);
	assert_int_equal(r.state, HEALTH_DEGRADED);
	assert_int_equal(r.total, 2);
}

/* ---- rule 14 ---- */

static void plan_one(struct plan *plan, struct cluster *c, const struct kind *kind, const char *name, int64_t generation)
{
	plan_add(plan, &(struct plan_object){ .kind = kind, .namespace = c->namespace, .name = name, .generation = generation });
}

static void a_plan_is_done_when_all_is_healthy_for_the_settle_time(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("healthy");
	AUTO(plan) plan = plan_create(c.health, 10000);
	int64_t recheck;

	plan_one(plan, &c, &kind_deployment, "web", 1);
	plan_one(plan, &c, &kind_service, "web", 0);
	plan_one(plan, &c, &kind_config_map, "never-watched", 0);
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_SETTLING);
	assert_true(recheck > c.now_ms && recheck <= c.now_ms + 10000);
	pass(&c, 9);
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_SETTLING);
	pass(&c, 1);
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_DONE);
	assert_int_equal(plan_done_count(plan), 3);
}

static void a_plan_does_not_settle_on_old_data(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("healthy");
	AUTO(plan) plan = plan_create(c.health, 60000);
	int64_t recheck;

	plan_one(plan, &c, &kind_deployment, "web", 1);
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_SETTLING);
	c.now_ms += 31000;
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_WAITING);
	prove(&c);
	c.now_ms += 29000;
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_SETTLING);
}

static void the_old_rollout_does_not_pass_for_the_new_one(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("healthy");
	AUTO(plan) plan = plan_create(c.health, 0);
	int64_t recheck;

	plan_one(plan, &c, &kind_deployment, "web", 2);
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_WAITING);
	assert_string_equal(plan_at(plan, 0)->verdict->rule_id, "plan.behind");
}

static void a_hopeless_image_fails_the_plan_within_fifteen_seconds(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("image");
	AUTO(plan) plan = plan_create(c.health, 10000);
	int64_t recheck, began = c.now_ms;

	plan_one(plan, &c, &kind_deployment, "web", 1);
	while (plan_check(plan, c.now_ms, &recheck) == PLAN_WAITING && c.now_ms - began < 60000)
		pass(&c, 1);
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_FAILED);
	assert_true(c.now_ms - began <= 15000);
	assert_true(plan_at(plan, 0)->failed);
	assert_true(plan_at(plan, 0)->verdict->causes.len >= 4);
}

static void what_failed_before_the_start_fails_at_once(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("deadline");
	AUTO(plan) plan = plan_create(c.health, 10000);
	int64_t recheck;

	pass(&c, 600);
	plan_one(plan, &c, &kind_deployment, "web", 1);
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_FAILED);
}

static void an_ingress_without_address_holds_nobody_up(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("ingress_silent");
	AUTO(plan) plan = plan_create(c.health, 0);
	int64_t recheck;

	plan_one(plan, &c, &kind_ingress, "web", 1);
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_DONE);
}

static void a_missing_object_keeps_a_plan_waiting_unless_it_is_dropped(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("healthy");
	AUTO(plan) plan = plan_create(c.health, 0);
	int64_t recheck;

	plan_one(plan, &c, &kind_deployment, "other", 1);
	plan_one(plan, &c, &kind_job, "gone", 1);
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_WAITING);
	assert_int_equal(plan_at(plan, 0)->verdict->state, HEALTH_MISSING);
	assert_true(plan_drop(plan, &kind_deployment, c.namespace, "other", "deleted by a hook"));
	assert_true(plan_drop(plan, &kind_job, c.namespace, "gone", NULL));
	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_DONE);
}

static void an_empty_plan_is_done(void **state)
{
	(void)state;
	AUTO_RELEASE(cluster) c = recorded("healthy");
	AUTO(plan) plan = plan_create(c.health, 10000);
	int64_t recheck;

	assert_int_equal(plan_check(plan, c.now_ms, &recheck), PLAN_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_situation_gets_the_verdict_of_the_table),
		cmocka_unit_test(each_failure_is_explained_from_its_object_to_its_cause),
		cmocka_unit_test(the_last_log_line_is_wished_for_once_and_joins_the_chain),
		cmocka_unit_test(a_dead_watch_makes_green_unknown),
		cmocka_unit_test(a_quiet_cluster_stays_green_while_proofs_come),
		cmocka_unit_test(a_missing_right_says_which),
		cmocka_unit_test(what_is_being_deleted_for_five_minutes_is_stuck),
		cmocka_unit_test(a_controller_that_does_not_answer_is_named),
		cmocka_unit_test(on_delete_with_an_old_revision_is_healthy_with_a_note),
		cmocka_unit_test(a_partition_holds_pods_back_by_wish),
		cmocka_unit_test(a_claim_of_a_lazy_class_waits_for_its_first_pod),
		cmocka_unit_test(a_cron_job_is_judged_by_its_last_finished_run),
		cmocka_unit_test(schedules_are_understood),
		cmocka_unit_test(one_crash_is_forgiven_within_the_grace),
		cmocka_unit_test(a_crash_loop_that_runs_in_between_keeps_its_grace),
		cmocka_unit_test(after_repeated_crashes_ready_must_last_longer),
		cmocka_unit_test(a_rate_limit_is_forgiven_for_the_grace_only),
		cmocka_unit_test(image_trouble_counts_within_fifteen_seconds),
		cmocka_unit_test(an_invalid_image_name_counts_at_once),
		cmocka_unit_test(memory_that_ran_out_twice_is_hopeless),
		cmocka_unit_test(an_autoscaler_that_adds_a_node_is_waited_for),
		cmocka_unit_test(a_probe_that_fails_is_quoted),
		cmocka_unit_test(a_new_generation_starts_with_a_new_grace),
		cmocka_unit_test(custom_kinds_follow_their_conditions),
		cmocka_unit_test(a_roll_up_takes_the_worst_that_counts),
		cmocka_unit_test(a_plan_is_done_when_all_is_healthy_for_the_settle_time),
		cmocka_unit_test(a_plan_does_not_settle_on_old_data),
		cmocka_unit_test(the_old_rollout_does_not_pass_for_the_new_one),
		cmocka_unit_test(a_hopeless_image_fails_the_plan_within_fifteen_seconds),
		cmocka_unit_test(what_failed_before_the_start_fails_at_once),
		cmocka_unit_test(an_ingress_without_address_holds_nobody_up),
		cmocka_unit_test(a_missing_object_keeps_a_plan_waiting_unless_it_is_dropped),
		cmocka_unit_test(an_empty_plan_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
