/*
 * The twelve failures that a person meets most, each played by the simulation (sim_play()) and seen through the real live
 * model: first and last line of the chain are right within 3 s of the event, and the state word follows its rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live_bed.h"

#define SPACE "shop-x"
#define RIGHT_WITHIN_MS 3000

static const struct failure {
	const char *name;
	const struct kind *kind; /* of what was wished for: its chain is looked at */
	const char *object;
	const char *first[2], *last[2]; /* words of the first and the deepest line of its chain */
	/* The word now, after a while, and which rule says it. */
	enum health_state now;
	int64_t after_s;
	enum health_state then;
	const char *rule_id;
} failures[] = {
	{ "image-missing", &kind_deployment, "checkout", { "Deployment checkout:", "0 of 1 available" },
	  { "container checkout:", "shop/checkout:2.8.1-missing" }, HEALTH_DEGRADED, 0, HEALTH_DEGRADED, "pod.image" },
	{ "crash", &kind_deployment, "payments", { "Deployment payments:", "0 of 1 available" },
	  { "last log line:", "env PAYMENTS_DB_DSN is not set" }, HEALTH_DEGRADED, 0, HEALTH_DEGRADED, "pod.crash" },
	{ "oom", &kind_deployment, "search", { "Deployment search:", "0 of 1 available" },
	  { "last log line:", "index of products" }, HEALTH_DEGRADED, 0, HEALTH_DEGRADED, "pod.crash" },
	{ "quota", &kind_deployment, "embeddings", { "Deployment embeddings:", "0 of 1 available" },
	  { "ReplicaSet embeddings-", "exceeded quota: accelerators" }, HEALTH_DEGRADED, 0, HEALTH_DEGRADED, "workload.quota" },
	{ "unschedulable", &kind_deployment, "renderer", { "Deployment renderer:", "0 of 1 available" },
	  { "Pod renderer-", "Insufficient cpu" }, HEALTH_PROGRESSING, 20, HEALTH_DEGRADED, "pod.unschedulable" },
	{ "claim-pending", &kind_deployment, "media", { "Deployment media:", "0 of 1 available" },
	  { "PersistentVolumeClaim uploads:", "storageclass.storage.k8s.io \"fast-ssd\" not found" }, HEALTH_PROGRESSING, 20,
	  HEALTH_DEGRADED, "pod.unschedulable" },
	{ "secret-key", &kind_deployment, "mailer", { "Deployment mailer:", "0 of 1 available" },
	  { "container mailer:", "couldn't find key SMTP_PASSWORD in Secret " SPACE "/mailer-smtp" }, HEALTH_DEGRADED, 0, HEALTH_DEGRADED,
	  "pod.config" },
	{ "probe", &kind_deployment, "catalog", { "Deployment catalog:", "0 of 1 available" },
	  { "container catalog:", "statuscode: 503" }, HEALTH_PROGRESSING, 20, HEALTH_PROGRESSING, "deployment.rollout" },
	{ "init", &kind_deployment, "ledger", { "Deployment ledger:", "0 of 1 available" },
	  { "last log line:", "relation \"accounts\" already exists" }, HEALTH_DEGRADED, 0, HEALTH_DEGRADED, "pod.crash" },
	{ "job", &kind_job, "import-prices", { "Job import-prices:", "exit code 2" }, { "last log line:", "is no number" },
	  HEALTH_DEGRADED, 0, HEALTH_DEGRADED, "job.failed" },
	{ "ingress", &kind_ingress, "handbook", { "Ingress handbook:", "waits for an address" },
	  { "Ingress handbook:", "waits for an address" }, HEALTH_PROGRESSING, 125, HEALTH_HEALTHY, "address.none" },
	{ "webhook", &kind_deployment, "legacy-sync", { "Deployment legacy-sync:", "0 of 1 available" },
	  { "ReplicaSet legacy-sync-", "\"signed.images.example.test\" denied the request: image" }, HEALTH_DEGRADED, 0,
	  HEALTH_DEGRADED, "workload.webhook" },
};

static const struct verdict *verdict_of(struct live_bed *bed, const struct failure *f)
{
	return health_of_name(live_health(bed->live), f->kind, SPACE, f->object, live_now_ms(bed->live));
}

static bool line_has(const struct cause *cause, const char *const words[2])
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	if (!cause)
		return false;
	cause_format(cause, &line);
	return strstr(buf_cstr(&line), words[0]) && strstr(buf_cstr(&line), words[1]);
}

static bool chain_is_right(struct live_bed *bed, const void *arg)
{
	const struct failure *f = arg;
	const struct causes *causes = &verdict_of(bed, f)->causes;

	return causes->len && line_has(&causes->items[0], f->first) && line_has(causes_deepest(causes), f->last);
}

/* Something of what is wrong stands in the cluster: from then on the time counts. */
static bool it_has_happened(struct live_bed *bed, const void *arg)
{
	static const char *const paths[] = { "/api/v1/namespaces/" SPACE "/pods", "/apis/apps/v1/namespaces/" SPACE "/replicasets",
					     "/api/v1/namespaces/" SPACE "/events", "/apis/batch/v1/namespaces/" SPACE "/jobs",
					     "/apis/networking.k8s.io/v1/namespaces/" SPACE "/ingresses" };
	static const char *const words[] = { "ErrImagePull", "\"exitCode\":1,", "OOMKilled", "exceeded quota", "Insufficient cpu",
					     "\\\"fast-ssd\\\" not found", "couldn't find key", "statuscode: 503", "\"exitCode\":3",
					     "BackoffLimitExceeded", "handbook", "denied the request" };
	const struct failure *f = arg;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO_FREE char *answer = sim_request(bed->sim, "GET", paths[i], NULL, NULL, NULL);

		if (strstr(answer, words[f - failures]))
			return true;
	}
	return false;
}

static void print_chain(struct live_bed *bed, const struct failure *f)
{
	const struct verdict *v = verdict_of(bed, f);

	print_message("%s: %s, %s, rule %s\n", f->name, health_state_name(v->state), v->message, v->rule_id);
	for (size_t i = 0; i < v->causes.len; i++) {
		AUTO_RELEASE(buf) line = BUF_INIT(0);

		cause_format(&v->causes.items[i], &line);
		print_message("    %s\n", buf_cstr(&line));
	}
}

static void play(struct live_bed *bed, const struct failure *f)
{
	AUTO_RELEASE(error) err = { 0 };

	if (!sim_play(bed->sim, f->name, SPACE, &err))
		fail_msg("%s", err.message);
}

static void each_failure_is_explained_within_3_s(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		const struct failure *f = &failures[i];
		AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);
		int64_t happened;

		live_bed_open(&bed);
		play(&bed, f);
		if (!live_bed_until(&bed, it_has_happened, f))
			fail_msg("%s never happened", f->name);
		happened = clock_now_ms(NULL);
		if (!live_bed_until(&bed, chain_is_right, f) || clock_now_ms(NULL) - happened > RIGHT_WITHIN_MS) {
			print_chain(&bed, f);
			fail_msg("%s: not explained after %d ms", f->name, (int)(clock_now_ms(NULL) - happened));
		}
	}
}

/* The row of the environment says the same as the object below it, or what is worse of its parts (the claim). */
static bool environment_is_right(struct live_bed *bed, const void *arg)
{
	const struct failure *f = arg;
	const struct environment *e = envs_find(live_envs(bed->live), SPACE);

	return e && line_has(causes_deepest(e->causes), f->last) && !health_is_worse(f->now, e->shown) && verdict_of(bed, f)->state == f->now;
}

static void the_word_follows_its_rule_on_the_clock(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		const struct failure *f = &failures[i];
		AUTO(clock) clock = clock_create_manual(INT64_C(1700000000000));
		AUTO_RELEASE(live_bed) bed = live_bed_create(clock);
		const struct verdict *v;

		live_bed_open(&bed);
		play(&bed, f);
		if (!live_bed_until(&bed, environment_is_right, f)) {
			print_chain(&bed, f);
			fail_msg("%s: the environment does not say so", f->name);
		}
		/* What is certain counts from 10 s on, a quota at once, the rest after a minute. */
		live_bed_pass(&bed, f->after_s, NULL, NULL);
		v = verdict_of(&bed, f);
		if (v->state != f->then || strcmp(v->rule_id, f->rule_id)) {
			print_chain(&bed, f);
			fail_msg("%s: after %d s", f->name, (int)f->after_s);
		}
		if (v->state != HEALTH_DEGRADED)
			continue;
		live_bed_pass(&bed, 65, NULL, NULL);
		v = verdict_of(&bed, f);
		if (!verdict_counts(v, live_now_ms(bed.live))) {
			print_chain(&bed, f);
			fail_msg("%s: does not count after its grace", f->name);
		}
	}
}

static void a_failure_that_is_taken_back_leaves_nothing_degraded(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	const char *body = "{\"name\":\"quota\",\"namespace\":\"team-a\"}";

	live_bed_namespace(&bed, "team-a");
	live_bed_deployment(&bed, "team-a", "web", NULL);
	live_bed_open(&bed);
	live_bed_control(&bed, "/_sim/trouble", body);
	live_bed_expect(&bed, "team-a", HEALTH_DEGRADED, "exceeded quota");
	assert_true(http_call(bed.http, &(struct http_request){ .method = "DELETE", .path = "/_sim/trouble", .body = str_of(body) }, NULL,
			      &response, &err));
	assert_true(http_ok(&response));
	live_bed_expect(&bed, "team-a", HEALTH_HEALTHY, NULL);
}

static void the_last_log_line_is_shown_without_its_colours(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = live_bed_create(NULL);
	const struct environment *e;

	live_bed_namespace(&bed, "team-a");
	live_bed_open(&bed);
	live_bed_send(&bed, "POST", "/apis/apps/v1/namespaces/team-a/deployments",
		      "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'agent'},'spec':{'selector':{'matchLabels':{'app':'agent'}},"
		      "'template':{'metadata':{'labels':{'app':'agent'},'annotations':{'testbed/fault':'crashloop','testbed/crash-log':"
		      "'\\u001b[31merror\\u001b[0m gave up\\n\\u001b[0m'}},'spec':{'containers':[{'name':'main','image':'registry.local/agent:1'}]}}}}");
	live_bed_expect(&bed, "team-a", HEALTH_DEGRADED, "exit 1: error gave up");
	e = envs_find(live_envs(bed.live), "team-a");
	assert_string_equal(causes_deepest(e->causes)->message, "error gave up");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_failure_is_explained_within_3_s),
					    cmocka_unit_test(the_word_follows_its_rule_on_the_clock),
					    cmocka_unit_test(a_failure_that_is_taken_back_leaves_nothing_degraded),
					    cmocka_unit_test(the_last_log_line_is_shown_without_its_colours) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
