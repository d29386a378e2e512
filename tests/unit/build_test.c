/* The job build, from services.yaml to digests, against the played cluster, builder and registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/net.h"
#include "cli/print.h"
#include "job/job.h"
#include "job/history.h"
#include "kube_bed.h"
#include "model/stack.h"
#include "sim/registry.h"
#include "state_place.h"

#define PASSWORD "pa55word-of-the-test"

struct bed {
	struct sim_registry *registry;
	struct kube_bed kube;
	struct stack *stack;
	struct cancel *cancel;
	struct buf story; /* the events, as JSON lines */
	struct build_options options;
	struct error err;
	char folder[32];
	char *logins;
	const char *cancel_at; /* with the first event that holds it */
};

static void on_event(const struct job_event *event, void *arg)
{
	struct bed *bed = arg;
	size_t before = bed->story.len;

	event_to_json(event, &bed->story);
	buf_addc(&bed->story, '\n');
	if (bed->cancel_at && strstr(bed->story.p + before, bed->cancel_at))
		cancel_request(bed->cancel, 0);
}

static void put(const struct bed *bed, const char *path, const char *text)
{
	AUTO_FREE char *whole = path_join(bed->folder, path), *folder = path_folder(whole);
	AUTO_RELEASE(error) err = { 0 };

	assert_true(file_make_folders(folder, 0755, &err));
	assert_true(file_write_atomic(whole, str_of(text), 0600, &err));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
	(void)st, (void)type, (void)place;
	return remove(path);
}

static void bed_release(struct bed *bed)
{
	stack_destroy(bed->stack);
	kube_bed_release(&bed->kube);
	sim_registry_stop(bed->registry);
	cancel_destroy(bed->cancel);
	buf_release(&bed->story);
	error_release(&bed->err);
	nftw(bed->folder, remove_one, 20, FTW_DEPTH | FTW_PHYS);
	free(bed->logins);
}
DEFINE_AUTO_RELEASE(bed);

/* images: below "images:" in services.yaml, REGISTRY being the registry. */
static void bed_create(struct bed *bed, const struct sim_registry_options *options, const char *images)
{
	AUTO_RELEASE(buf) yaml = BUF_INIT(0), words = BUF_INIT(0);
	AUTO_RELEASE(diags) diags = DIAGS_INIT;

	*bed = (struct bed){ .folder = "/tmp/build-test-XXXXXX" };
	assert_non_null(mkdtemp(bed->folder));
	bed->logins = path_join(bed->folder, "logins.json");
	put(bed, "logins.json", "{}");
	put(bed, ".dockerignore", "logins.json\n");
	bed->cancel = cancel_create();
	bed->registry = sim_registry_start(options, &bed->err);
	assert_non_null(bed->registry);
	bed->kube = kube_bed_create(&(struct kube_bed_options){ .registry = bed->registry });
	kube_bed_namespace(&bed->kube, "shop-dev");
	buf_adds(&yaml, "project: shop\nnamespace: {patterns: {dev: shop-dev}}\nenvironments: {dev: {}}\nimages:\n");
	for (const char *c = images; *c; c++) {
		if (strncmp(c, "REGISTRY", 8) != 0) {
			buf_addc(&yaml, *c);
			continue;
		}
		buf_adds(&yaml, sim_registry_host(bed->registry));
		c += 7;
	}
	AUTO_FREE char *config = path_join(bed->folder, "services.yaml");

	put(bed, "services.yaml", yaml.p);
	if (!stack_load(&(struct stack_options){ .config = config, .env = "dev" }, &bed->stack, &diags, &bed->err)) {
		for (size_t i = 0; i < diags.len; i++)
			diag_format(&diags.items[i], &words);
		fail_msg("%s %s", bed->err.message, buf_cstr(&words));
	}
	bed->options = (struct build_options){ .login_file = bed->logins, .look_ms = 20, .retry_pause_ms = 1 };
}

static int build_as(struct bed *bed, bool dry_run)
{
	struct job_context context = {
		.net = bed->kube.net, .kube = bed->kube.kube, .stack = bed->stack, .cancel = bed->cancel, .sink = on_event, .sink_arg = bed
	};

	buf_reset(&bed->story);
	return job_build(&context, &(struct apply_options){ .build = &bed->options, .dry_run = dry_run });
}

static int build(struct bed *bed)
{
	return build_as(bed, false);
}

static bool told(const struct bed *bed, const char *text)
{
	return strstr(buf_cstr(&bed->story), text) != NULL;
}

static void assert_told(const struct bed *bed, const char *text)
{
	if (!told(bed, text))
		fail_msg("not told: %s\n%s", text, buf_cstr(&bed->story));
}

/* No Job, pod or Secret of a build is there. */
static void assert_nothing_stays(struct bed *bed)
{
	static const char *const paths[] = { "/apis/batch/v1/namespaces/shop-dev/jobs", "/api/v1/namespaces/shop-dev/pods",
					     "/api/v1/namespaces/shop-dev/secrets" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO_FREE char *answer = kube_bed_send(&bed->kube, "GET", paths[i], NULL);

		if (strstr(answer, "\"build-"))
			fail_msg("%s\n%s", answer, buf_cstr(&bed->story));
	}
}

#define WEB "  web: {type: build, repository: REGISTRY/shop/web, tag: '1'}\n"
#define API "  api: {type: build, repository: REGISTRY/shop/api, tag: '2', dockerfile: api/Dockerfile, context: api, buildArgs: {VERSION: '2'}}\n"
#define QUICK "FROM node:20 AS build\nRUN npm ci\nFROM scratch\nCOPY --from=build /a /\n"

/* ---- the plan ---- */

static void the_plan_names_context_stages_and_arguments_and_asks_nobody(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB API);
	put(&bed, "Dockerfile", QUICK);
	put(&bed, "api/Dockerfile", "# syntax\nFROM golang \\\n  AS build\nRUN echo \\\nFROM nowhere\nCOPY a /\n");
	unsigned before = kube_bed_requests(&bed.kube, "/", NULL);

	assert_int_equal(build_as(&bed, true), EXIT_DIFFERENCES);
	assert_told(&bed, "2 images to build");
	assert_told(&bed, "2 stages");
	assert_told(&bed, "1 stage\\n");
	assert_told(&bed, "argument VERSION");
	assert_told(&bed, "context api, 1 file,");
	assert_int_equal(kube_bed_requests(&bed.kube, "/", NULL), before);
	assert_int_equal(sim_registry_count(bed.registry, "/", NULL), 0);
}

static void what_is_wrong_is_found_before_anything_is_begun(void **state)
{
	static const struct {
		const char *images, *finding;
	} wrong[] = {
		{ "  a: {type: build, repository: REGISTRY/a, tag: '1', dockerfile: Nowhere}\n", "Nowhere" },
		{ "  a: {type: build, repository: REGISTRY/a, tag: '1', context: nowhere}\n", "nowhere" },
		{ "  a: {type: build, repository: REGISTRY/a, tag: '1', context: ../..}\n", "leaves the project's folder" },
		{ "  a: {type: build, repository: REGISTRY/a, tag: '1', context: link}\n", "leaves the project's folder" },
		{ "  a: {type: build, repository: REGISTRY/A, tag: '1'}\n", "small letters" },
		{ "  a: {type: build, repository: REGISTRY/a, tag: '1', buildContexts: {lib: lib}}\n", "kaniko knows no --build-context" },
		{ "  a: {type: build, repository: REGISTRY/a, tagTemplate: '{{ \"{{ print }}\" }}'}\n", "tag is empty" },
		{ "  a: {type: build, repository: REGISTRY/a, tag: '1'}\n  b: {type: build, repository: REGISTRY/a, tag: '1'}\n", "same name as" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		AUTO_RELEASE(bed) bed;

		bed_create(&bed, &(struct sim_registry_options){ 0 }, wrong[i].images);
		put(&bed, "Dockerfile", QUICK);
		AUTO_FREE char *link = path_join(bed.folder, "link");

		assert_int_equal(symlink("/tmp", link), 0);
		assert_int_equal(build(&bed), EXIT_USAGE);
		assert_told(&bed, wrong[i].finding);
		assert_int_equal(kube_bed_requests(&bed.kube, "jobs", NULL), 0);
	}
}

static void an_argument_that_looks_secret_is_warned_of(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, "  a: {type: build, repository: REGISTRY/a, tag: '1', buildArgs: {NPM_TOKEN: x, VERSION: y}}\n");
	put(&bed, "Dockerfile", QUICK);
	assert_int_equal(build_as(&bed, true), EXIT_DIFFERENCES);
	assert_told(&bed, "NPM_TOKEN looks secret");
	assert_false(told(&bed, "VERSION looks secret"));
}

/* ---- builds that go well ---- */

static void two_images_are_built_pushed_and_checked_and_nothing_stays(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB API);
	put(&bed, "Dockerfile", QUICK);
	put(&bed, "api/Dockerfile", "FROM golang\nRUN go build\n");
	if (build(&bed) != EXIT_DONE)
		fail_msg("%s", bed.story.p);
	assert_told(&bed, "2 images built, 0 failed");
	assert_told(&bed, "web: stage 1 of 2: npm ci");
	assert_told(&bed, "INFO[0000] Retrieving image manifest node:20");
	AUTO_FREE char *web = sim_registry_tag(bed.registry, "shop/web", "1"), *api = sim_registry_tag(bed.registry, "shop/api", "2");

	assert_non_null(web);
	assert_non_null(api);
	assert_told(&bed, web);
	assert_told(&bed, api);
	assert_false(told(&bed, "not checked"));
	assert_nothing_stays(&bed);
}

static void what_was_built_is_in_the_history_with_what_was_sent(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(history) history = { 0 };

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, "  one: {type: build, repository: REGISTRY/shop/one, tag: '1'}\n");
	put(&bed, "Dockerfile", QUICK);
	assert_int_equal(build(&bed), EXIT_DONE);
	assert_true(history_read(1, &history, &bed.err));
	assert_int_equal(history.len, 1);
	assert_string_equal(history.items[0].action, "build");
	assert_string_equal(history.items[0].state, "done");
	assert_non_null(strstr(history.items[0].requests[0], "PATCH /apis/batch/v1/namespaces/shop-dev/jobs/build-one-1-"));
	assert_non_null(strstr(history.items[0].requests[1], "shop/one:1, sha256:"));
	assert_non_null(strstr(history.items[0].command, "slotdeck images build --env dev"));
}

static void a_login_goes_as_a_secret_that_the_job_owns_and_is_seen_nowhere_else(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ .login = SIM_LOGIN_BASIC, .user = "me", .password = PASSWORD }, WEB);
	put(&bed, "Dockerfile", QUICK);
	AUTO_RELEASE(buf) logins = BUF_INIT(0);

	buf_addf(&logins, "{\"auths\":{\"%s\":{\"username\":\"me\",\"password\":\"" PASSWORD "\"}}}", sim_registry_host(bed.registry));
	put(&bed, "logins.json", logins.p);
	if (build(&bed) != EXIT_DONE)
		fail_msg("%s", bed.story.p);
	assert_int_equal(kube_bed_requests(&bed.kube, "\"PATCH\"", "/secrets/build-web-1-"), 1);
	assert_int_equal(kube_bed_requests(&bed.kube, "\"DELETE\"", "/secrets/build-web-1-"), 1);
	assert_false(told(&bed, PASSWORD));
	assert_nothing_stays(&bed);
}

static void a_registry_that_lets_nobody_look_is_told_and_no_failure(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ .login = SIM_LOGIN_BASIC, .user = "me", .password = PASSWORD }, WEB);
	put(&bed, "Dockerfile", QUICK);
	assert_int_equal(build(&bed), EXIT_DONE);
	assert_told(&bed, "what the registry has was not checked");
	assert_told(&bed, ", not checked");
}

/* ---- builds that fail ---- */

static const struct {
	const char *command; /* of RUN */
	const char *why;
} failures[] = {
	{ "exit 3", "the builder ended with exit code 3" },
	{ "exit 3", "waiting for process to exit: exit status 3" },
	{ "sim-oom", "OOMKilled" },
	{ "sim-evict", "Evicted" },
	{ "sim-no-digest", "does not tell the digest" },
	{ "sim-wrong-digest", "leads to sha256:" },
};

static void each_failure_is_told_by_its_cause_and_nothing_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		AUTO_RELEASE(bed) bed;
		AUTO_FREE char *dockerfile = xasprintf("FROM scratch\nRUN %s\n", failures[i].command);

		bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB);
		put(&bed, "Dockerfile", dockerfile);
		assert_int_not_equal(build(&bed), EXIT_DONE);
		assert_told(&bed, failures[i].why);
		assert_told(&bed, "0 images built, 1 failed");
		assert_nothing_stays(&bed);
	}
}

static void what_fails_does_not_hold_up_the_rest(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB API);
	put(&bed, "Dockerfile", "FROM scratch\nRUN exit 1\n");
	put(&bed, "api/Dockerfile", QUICK);
	assert_int_equal(build(&bed), EXIT_PART_DONE);
	assert_told(&bed, "1 image built, 1 failed");
	assert_nothing_stays(&bed);
}

static void a_builder_that_cannot_be_pulled_is_given_up_with_what_to_do(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB);
	put(&bed, "Dockerfile", QUICK);
	bed.options.builder_image = "example.test/kaniko:missing";
	bed.options.pull_patience_ms = 1;
	assert_int_not_equal(build(&bed), EXIT_DONE);
	assert_told(&bed, "the builder's image can't be pulled");
	assert_told(&bed, "SLOTDECK_BUILDER_IMAGE");
	assert_nothing_stays(&bed);
}

static void a_pod_without_a_node_says_why_until_the_deadline(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB);
	put(&bed, "Dockerfile", QUICK);
	bed.options.cpu = "100";
	bed.options.build_timeout_ms = 20000; /* of the simulation's time, ten times ours */
	assert_int_equal(build(&bed), EXIT_DEADLINE);
	assert_told(&bed, "no node takes the pod");
	assert_told(&bed, "DeadlineExceeded");
	assert_nothing_stays(&bed);
}

static void a_build_that_takes_too_long_is_ended_by_the_cluster(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB);
	put(&bed, "Dockerfile", "FROM scratch\nRUN sleep 100000\n");
	bed.options.build_timeout_ms = 20000;
	assert_int_equal(build(&bed), EXIT_DEADLINE);
	assert_told(&bed, "DeadlineExceeded");
	assert_nothing_stays(&bed);
}

/* ---- connections that break ---- */

static void a_context_whose_connection_breaks_is_sent_again(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(buf) big = BUF_INIT(0);

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB);
	put(&bed, "Dockerfile", QUICK);
	buf_add_repeat(&big, 'x', 3 << 20);
	put(&bed, "big", big.p);
	kube_bed_faults(&bed.kube, "[{'path':'/exec','from':1,'count':1,'action':'cut','at':0}]");
	if (build(&bed) != EXIT_DONE)
		fail_msg("%s", bed.story.p);
	assert_told(&bed, "\"event\":\"retry\"");
	assert_nothing_stays(&bed);
}

static void a_context_that_never_arrives_ends_the_build(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB);
	put(&bed, "Dockerfile", QUICK);
	kube_bed_faults(&bed.kube, "[{'path':'/exec','action':'reset'}]");
	assert_int_not_equal(build(&bed), EXIT_DONE);
	assert_told(&bed, "send the context");
	assert_nothing_stays(&bed);
}

static void who_may_not_exec_is_told_so(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB);
	put(&bed, "Dockerfile", QUICK);
	kube_bed_faults(&bed.kube, "[{'path':'/exec','status':403,'reason':'Forbidden','message':'pods/exec is forbidden'}]");
	assert_int_equal(build(&bed), EXIT_DENIED);
	assert_told(&bed, "send the context");
	assert_nothing_stays(&bed);
}

static void who_may_not_make_jobs_is_told_so_and_no_more(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB);
	put(&bed, "Dockerfile", QUICK);
	kube_bed_deny(&bed.kube, "[{'resource':'jobs','verb':'patch'},{'resource':'jobs','verb':'create'},{'resource':'jobs','verb':'delete'}]");
	assert_int_equal(build(&bed), EXIT_DENIED);
	assert_told(&bed, "create the Job build-web-1-");
	assert_false(told(&bed, "not all is gone"));
}

/* ---- cancelling ---- */

static void cancelled_at_any_moment_no_job_pod_or_secret_stays(void **state)
{
	static const char *const moments[] = {
		"\"event\":\"started\"", "\"event\":\"planned\"",   "waits for a pod",	"context: 0 B", "the builder begins", "Retrieving image",
		"stage 1 of 2\"",	 "stage 1 of 2: npm ci", "stage 2 of 2\"", "pushing",	   "INFO[0004]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(moments); i++) {
		AUTO_RELEASE(bed) bed;

		bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB API);
		put(&bed, "Dockerfile", QUICK);
		put(&bed, "api/Dockerfile", QUICK);
		bed.cancel_at = moments[i];
		int code = build(&bed);

		assert_told(&bed, moments[i]);
		if (code != EXIT_SIGINT && code != EXIT_DONE && code != EXIT_PART_DONE)
			fail_msg("%s: %d\n%s", moments[i], code, bed.story.p);
		if (i < 8)
			assert_int_equal(code, EXIT_SIGINT);
		assert_nothing_stays(&bed);
		AUTO_FREE char *broken = sim_registry_broken(bed.registry);

		assert_string_equal(broken, "");
	}
}

static void whoever_deletes_the_job_ends_the_build(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, WEB);
	put(&bed, "Dockerfile", "FROM scratch\nRUN sleep 100000\n");
	kube_bed_faults(&bed.kube, "[{'method':'GET','path':'/jobs/build-web','from':20,'status':404,'reason':'NotFound'}]");
	assert_int_equal(build(&bed), EXIT_CONFLICT);
	assert_told(&bed, "somebody deleted the Job");
	assert_nothing_stays(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_plan_names_context_stages_and_arguments_and_asks_nobody),
		cmocka_unit_test(what_is_wrong_is_found_before_anything_is_begun),
		cmocka_unit_test(an_argument_that_looks_secret_is_warned_of),
		cmocka_unit_test(two_images_are_built_pushed_and_checked_and_nothing_stays),
		cmocka_unit_test(what_was_built_is_in_the_history_with_what_was_sent),
		cmocka_unit_test(a_login_goes_as_a_secret_that_the_job_owns_and_is_seen_nowhere_else),
		cmocka_unit_test(a_registry_that_lets_nobody_look_is_told_and_no_failure),
		cmocka_unit_test(each_failure_is_told_by_its_cause_and_nothing_stays),
		cmocka_unit_test(what_fails_does_not_hold_up_the_rest),
		cmocka_unit_test(a_builder_that_cannot_be_pulled_is_given_up_with_what_to_do),
		cmocka_unit_test(a_pod_without_a_node_says_why_until_the_deadline),
		cmocka_unit_test(a_build_that_takes_too_long_is_ended_by_the_cluster),
		cmocka_unit_test(a_context_whose_connection_breaks_is_sent_again),
		cmocka_unit_test(a_context_that_never_arrives_ends_the_build),
		cmocka_unit_test(who_may_not_exec_is_told_so),
		cmocka_unit_test(who_may_not_make_jobs_is_told_so_and_no_more),
		cmocka_unit_test(cancelled_at_any_moment_no_job_pod_or_secret_stays),
		cmocka_unit_test(whoever_deletes_the_job_ends_the_build),
	};

	return cmocka_run_group_tests(tests, state_place_open, state_place_close);
}
