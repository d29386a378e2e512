/* The job mirror, from services.yaml to tags, against the played registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/net.h"
#include "base/process.h"
#include "job/job.h"
#include "cli/print.h"
#include "model/stack.h"
#include "sim/registry.h"

#define PASSWORD "pa55word-of-the-test"
enum { IMAGES = 9 };

struct bed {
	struct sim_registry *sim;
	struct net *net;
	struct stack *stack;
	struct cancel *cancel;
	struct buf story; /* the events, as JSON lines */
	unsigned retries;
	struct error err;
	char folder[32];
	char *logins;
};

static void on_event(const struct job_event *event, void *arg)
{
	struct bed *bed = arg;

	event_to_json(event, &bed->story);
	buf_addc(&bed->story, '\n');
	bed->retries += event->kind == JOB_RETRY;
}

static void bed_release(struct bed *bed)
{
	stack_destroy(bed->stack);
	net_destroy(bed->net);
	sim_registry_stop(bed->sim);
	cancel_destroy(bed->cancel);
	buf_release(&bed->story);
	error_release(&bed->err);
	if (bed->logins)
		unlink(bed->logins);
	rmdir(bed->folder);
	free(bed->logins);
}
DEFINE_AUTO_RELEASE(bed);

static void load_stack(struct bed *bed, const char *text)
{
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO_RELEASE(buf) words = BUF_INIT(0);
	struct stack_options options = { .config = "/nowhere/services.yaml", .text = str_of(text), .env = "dev" };

	if (!stack_load(&options, &bed->stack, &diags, &bed->err)) {
		for (size_t i = 0; i < diags.len; i++)
			diag_format(&diags.items[i], &words);
		fail_msg("%s %s", bed->err.message, buf_cstr(&words));
	}
}

/* Nine images "a" to "i" of three layers, from src/X:1 to dst/X:1; the first layer is the same in all. */
static void bed_create(struct bed *bed, const struct sim_registry_options *options, const uint64_t *layers)
{
	AUTO_RELEASE(buf) yaml = BUF_INIT(0);

	*bed = (struct bed){ .folder = "/tmp/mirror-test-XXXXXX" };
	assert_non_null(mkdtemp(bed->folder));
	bed->logins = xasprintf("%s/config.json", bed->folder);
	assert_true(file_write_atomic(bed->logins, STR("{}"), 0600, &bed->err));
	bed->cancel = cancel_create();
	bed->sim = sim_registry_start(options, &bed->err);
	assert_non_null(bed->sim);
	bed->net = net_create(NULL, &bed->err);
	buf_adds(&yaml, "project: shop\nnamespace: {patterns: {dev: shop-dev}}\nenvironments: {dev: {}}\nimages:\n");
	for (char name = 'a'; name < 'a' + IMAGES; name++) {
		AUTO_FREE char *repository = xasprintf("src/%c", name);

		free(sim_registry_add_image(bed->sim, repository, "1", layers, (uint64_t)name * 100));
		buf_addf(&yaml, "  %c: {type: external, from: '%s/src/%c:1', local: '%s/dst/%c:1'}\n", name, sim_registry_host(bed->sim), name,
			 sim_registry_host(bed->sim), name);
	}
	load_stack(bed, buf_cstr(&yaml));
}

static int mirror_with(struct bed *bed, const struct mirror_options *options, bool dry_run)
{
	struct job_context context = { .net = bed->net, .stack = bed->stack, .cancel = bed->cancel, .sink = on_event, .sink_arg = bed };
	struct mirror_options mirror = *options;
	struct apply_options all = { .mirror = &mirror, .dry_run = dry_run };

	if (!mirror.login_file)
		mirror.login_file = bed->logins;
	mirror.retry_pause_ms = 1;
	buf_reset(&bed->story);
	bed->retries = 0;
	return job_mirror(&context, &all);
}

static int mirror(struct bed *bed)
{
	return mirror_with(bed, &(struct mirror_options){ 0 }, false);
}

static bool is_mirrored(struct bed *bed, char name)
{
	AUTO_FREE char *from = xasprintf("src/%c", name), *to = xasprintf("dst/%c", name);
	AUTO_FREE char *a = sim_registry_tag(bed->sim, from, "1"), *b = sim_registry_tag(bed->sim, to, "1");

	return b && strcmp(a, b) == 0;
}

static void assert_whole(struct bed *bed)
{
	AUTO_FREE char *broken = sim_registry_broken(bed->sim);

	assert_string_equal(broken, "");
	assert_int_equal(sim_registry_count(bed->sim, "PUT", " 400"), 0); /* nobody tried to publish what lacks a part */
}

/* Names of the images in the order in which their results stand. */
static char *results(const struct bed *bed)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct str rest = buf_str(&bed->story), line;

	while (str_cut(&rest, '\n', &line)) {
		ptrdiff_t at = str_find(line, STR("\"name\":\""));

		if (!str_starts(line, STR("{\"event\":\"object\"")))
			continue;
		buf_addc(&out, line.p[at + 8]);
		buf_addc(&out, str_find(line, STR("\"created\"")) >= 0 ? '+' : str_find(line, STR("\"unchanged\"")) >= 0 ? '=' : '!');
	}
	return buf_give(&out);
}

static const uint64_t small_layers[] = { 3000, 2000, 1000, 0 };

static void nine_images_with_three_there_are_six_transfers_in_the_same_order_in_each_run(void **state)
{
	AUTO_FREE char *first = NULL;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		AUTO_RELEASE(bed) bed;

		bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
		for (const char *name = "beh"; *name; name++) {
			AUTO_FREE char *to = xasprintf("dst/%c", *name);

			free(sim_registry_add_image(bed.sim, to, "1", small_layers, (uint64_t)*name * 100));
		}
		assert_int_equal(mirror(&bed), EXIT_DONE);
		AUTO_FREE char *told = results(&bed);

		assert_string_equal(told, "b=e=h=a+c+d+f+g+i+");
		assert_int_equal(sim_registry_count(bed.sim, "PUT /v2/dst/", "/manifests/1 201"), 6);
		for (char name = 'a'; name < 'a' + IMAGES; name++)
			assert_true(is_mirrored(&bed, name));
		assert_whole(&bed);
	}
}

static void what_is_there_costs_two_requests_and_no_byte(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
	assert_int_equal(mirror(&bed), EXIT_DONE);
	unsigned before = sim_registry_count(bed.sim, "/", NULL);

	assert_int_equal(mirror(&bed), EXIT_DONE);
	assert_int_equal(sim_registry_count(bed.sim, "/", NULL) - before, 2 * IMAGES);
}

static void one_500_costs_one_repetition_of_one_blob(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ .no_mounts = true }, small_layers);
	assert_true(sim_registry_set_faults(bed.sim, "[{\"method\":\"PUT\",\"path\":\"/blobs/uploads/\",\"from\":3,\"count\":1,\"status\":500}]", &bed.err));
	assert_int_equal(mirror(&bed), EXIT_DONE);
	assert_int_equal(bed.retries, 1);
	assert_int_equal(sim_registry_count(bed.sim, "PUT /v2/dst/", "/blobs/uploads/"), 4 * IMAGES + 1);
	assert_whole(&bed);
}

static void one_broken_image_does_not_hold_up_the_others_and_the_exit_status_says_so(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
	assert_true(sim_registry_set_faults(
		bed.sim, "[{\"path\":\"/v2/src/c/manifests/\",\"status\":404,\"body\":\"{}\"}]", &bed.err));
	assert_int_equal(mirror(&bed), EXIT_PART_DONE);
	AUTO_FREE char *told = results(&bed);

	assert_string_equal(told, "c!a+b+d+e+f+g+h+i+");
	assert_non_null(strstr(bed.story.p, "asked registry"));
	assert_whole(&bed);
}

static void an_index_is_copied_with_all_that_it_names_and_keeps_its_digest(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(buf) index = BUF_INIT(0), yaml = BUF_INIT(0);

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
	AUTO_FREE char *amd = sim_registry_add_image(bed.sim, "multi", NULL, small_layers, 1), *arm = sim_registry_add_image(bed.sim, "multi", NULL, small_layers, 2);

	buf_addf(&index,
		 "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":["
		 "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
		 "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"}}]}",
		 amd, arm);
	AUTO_FREE char *digest = sim_registry_add_manifest(bed.sim, "multi", "1", "application/vnd.oci.image.index.v1+json", buf_str(&index));

	buf_addf(&yaml, "project: shop\nnamespace: {patterns: {dev: shop-dev}}\nenvironments: {dev: {}}\nimages:\n  m: {type: external, from: '%s/multi:1', local: '%s/all:1'}\n",
		 sim_registry_host(bed.sim), sim_registry_host(bed.sim));
	stack_destroy(GIVE(bed.stack));
	load_stack(&bed, buf_cstr(&yaml));
	assert_int_equal(mirror(&bed), EXIT_DONE);
	AUTO_FREE char *all = sim_registry_tag(bed.sim, "all", "1");

	assert_string_equal(all, digest);
	assert_whole(&bed);
	assert_int_equal(mirror_with(&bed, &(struct mirror_options){ .platform = "linux/arm64" }, false), EXIT_DONE);
	AUTO_FREE char *one = sim_registry_tag(bed.sim, "all", "1");

	assert_string_equal(one, arm);
	assert_int_equal(mirror_with(&bed, &(struct mirror_options){ .platform = "linux/s390x" }, false), EXIT_DEGRADED);
	assert_non_null(strstr(bed.story.p, "but for linux/amd64, linux/arm64/v8"));
}

static void a_look_sends_nothing_and_says_what_would_go(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
	assert_int_equal(mirror_with(&bed, &(struct mirror_options){ .read_only = true }, true), EXIT_DIFFERENCES);
	assert_non_null(strstr(bed.story.p, "\"would-create\""));
	assert_non_null(strstr(bed.story.p, "5.9 KiB to send, 0 of 4 blobs there"));
	for (const char *const *method = (const char *const[]){ "PUT", "POST", "PATCH", "DELETE", NULL }; *method; method++)
		assert_int_equal(sim_registry_count(bed.sim, *method, NULL), 0);
	assert_int_equal(mirror_with(&bed, &(struct mirror_options){ .read_only = true }, false), EXIT_DENIED);
}

/* ---- cancel ---- */

struct stopper {
	struct bed *bed;
	unsigned long at;
};

static void stop_at(unsigned long n, const char *method, const char *path, void *arg)
{
	const struct stopper *stopper = arg;

	(void)method, (void)path;
	if (n == stopper->at)
		cancel_request(stopper->bed->cancel, 0);
}

static void a_cancel_at_any_moment_leaves_no_broken_tag_and_the_next_run_ends_it(void **state)
{
	static const uint64_t layers[] = { 4500000, 2000, 0 };

	(void)state;
	for (unsigned long at = 1; at <= 200; at += 4) { /* 50 moments */
		AUTO_RELEASE(bed) bed;
		struct stopper stopper = { &bed, at };

		bed_create(&bed, &(struct sim_registry_options){ .on_request = stop_at, .arg = &stopper, .no_mounts = true }, layers);
		int64_t begin = clock_now_ms(NULL);
		int code = mirror(&bed);

		assert_true(code == EXIT_SIGINT || code == EXIT_DONE);
		assert_true(clock_now_ms(NULL) - begin < 5000 + (code == EXIT_DONE) * 60000);
		assert_whole(&bed);
		if (code == EXIT_SIGINT)
			assert_non_null(strstr(bed.story.p, "every tag is the old or the new image"));
		if (at % 20 != 1)
			continue;
		cancel_destroy(bed.cancel);
		bed.cancel = cancel_create();
		stopper.at = 0;
		assert_int_equal(mirror(&bed), EXIT_DONE);
		for (char name = 'a'; name < 'a' + IMAGES; name++)
			assert_true(is_mirrored(&bed, name));
	}
}

static void no_event_and_no_report_holds_a_password_or_a_token(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(buf) encoded = BUF_INIT(0), text = BUF_INIT(0);

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ .login = SIM_LOGIN_BEARER, .user = "robot", .password = PASSWORD, .redirects = true, .no_mounts = true },
		   small_layers);
	base64_encode(&encoded, STR("robot:" PASSWORD), BASE64_STANDARD);
	buf_addf(&text, "{\"auths\":{\"%s\":{\"auth\":\"%s\"}}}", sim_registry_host(bed.sim), buf_cstr(&encoded));
	assert_true(file_write_atomic(bed.logins, buf_str(&text), 0600, &bed.err));
	assert_true(sim_registry_set_faults(bed.sim, "[{\"path\":\"/v2/src/d/blobs\",\"status\":500},{\"path\":\"/v2/dst/f/manifests\",\"status\":403}]", &bed.err));
	assert_int_equal(mirror(&bed), EXIT_PART_DONE);
	for (const char *const *secret = (const char *const[]){ PASSWORD, buf_cstr(&encoded), "sim-token", "s3cr3t", NULL }; *secret; secret++)
		assert_null(strstr(bed.story.p, *secret));
}

/* ---- the command ---- */

static void the_command_mirrors_by_flags_or_variables_alone(void **state)
{
	static const struct {
		const char *args[6], *says;
		int code;
	} rows[] = {
		{ { "images", "mirror", "--env", "dev", "--dry-run" }, "a", 3 },
		{ { "images", "mirror", "--env", "dev", "--only-images", "a" }, "image/a created", 0 },
		{ { "--batch", "mirror", "--env", "dev", "--output=jsonl" }, "\"exitCode\":0", 0 },
		{ { "ci", "images", "--env", "dev" }, "image/a unchanged", 0 },
		{ { "images", "mirror", "--env", "dev", "--only-images=nope" }, "no external image \"nope\"", 2 },
		{ { "images", "mirror" }, "env", 2 },
	};
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(buf) yaml = BUF_INIT(0);

	(void)state;
	if (!getenv("SLOTDECK_BIN"))
		skip();
	bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
	AUTO_FREE char *config = xasprintf("%s/services.yaml", bed.folder);

	buf_addf(&yaml, "project: shop\nnamespace: {patterns: {dev: shop-dev}}\nenvironments: {dev: {}}\nimages:\n"
			"  a: {type: external, from: '%s/src/a:1', local: '%s/dst/a:1'}\n  b: {type: external, from: '%s/src/b:1', local: '%s/dst/b:1'}\n",
		 sim_registry_host(bed.sim), sim_registry_host(bed.sim), sim_registry_host(bed.sim), sim_registry_host(bed.sim));
	assert_true(file_write_atomic(config, buf_str(&yaml), 0600, &bed.err));
	AUTO_FREE char *variable = xasprintf("CODEXCTL_CONFIG=%s", config), *docker = xasprintf("DOCKER_CONFIG=%s", bed.folder);
	const char *const env[] = { variable, docker, "KUBECONFIG=/nowhere", NULL };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *argv[8] = { getenv("SLOTDECK_BIN") };
		AUTO_RELEASE(process_result) result = { 0 };

		memcpy(argv + 1, rows[i].args, sizeof rows[i].args);
		assert_true(process_run(&(struct process_options){ .argv = argv, .env = env, .max_output_bytes = 1 << 20, .timeout_ms = 60000 }, NULL, &result,
					&bed.err));
		if (result.exit_code != rows[i].code || (!strstr(buf_cstr(&result.out), rows[i].says) && !strstr(buf_cstr(&result.err), rows[i].says)))
			fail_msg("row %zu: exit %d\n%s\n%s", i, result.exit_code, buf_cstr(&result.out), buf_cstr(&result.err));
	}
	unlink(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nine_images_with_three_there_are_six_transfers_in_the_same_order_in_each_run),
		cmocka_unit_test(what_is_there_costs_two_requests_and_no_byte),
		cmocka_unit_test(one_500_costs_one_repetition_of_one_blob),
		cmocka_unit_test(one_broken_image_does_not_hold_up_the_others_and_the_exit_status_says_so),
		cmocka_unit_test(an_index_is_copied_with_all_that_it_names_and_keeps_its_digest),
		cmocka_unit_test(a_look_sends_nothing_and_says_what_would_go),
		cmocka_unit_test(a_cancel_at_any_moment_leaves_no_broken_tag_and_the_next_run_ends_it),
		cmocka_unit_test(no_event_and_no_report_holds_a_password_or_a_token),
		cmocka_unit_test(the_command_mirrors_by_flags_or_variables_alone),
	};

	return cmocka_run_group_tests_name("mirror", tests, NULL, NULL);
}
