/* The job mirror, from services.yaml to tags, against the played registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/process.h"
#include "held_request.h"
#include "job/history.h"
#include "mirror_bed.h"
#include "sim/registry.h"
#include "state_place.h"

#define PASSWORD "pa55word-of-the-test"
enum { IMAGES = MIRROR_BED_IMAGES };

struct bed {
	struct mirror_bed job;
	struct sim_registry *sim;
};

static void bed_release(struct bed *bed)
{
	mirror_bed_release(&bed->job);
	sim_registry_stop(bed->sim);
}
DEFINE_AUTO_RELEASE(bed);

static const uint64_t small_layers[] = { 3000, 2000, 1000, 0 };

/* Nine images "a" to "i", from src/X:1 to dst/X:1, the first of these layers, the others of small ones. */
static void bed_create(struct bed *bed, const struct sim_registry_options *options, const uint64_t *layers)
{
	mirror_bed_create(&bed->job);
	bed->sim = sim_registry_start(options, &bed->job.err);
	assert_non_null(bed->sim);
	AUTO_FREE char *source = xasprintf("%s/src", sim_registry_host(bed->sim)), *destination = xasprintf("%s/dst", sim_registry_host(bed->sim));

	for (char name = 'a'; name < 'a' + IMAGES; name++) {
		AUTO_FREE char *repository = xasprintf("src/%c", name);

		free(sim_registry_add_image(bed->sim, repository, "1", name == 'a' ? layers : small_layers, (uint64_t)name * 100));
	}
	mirror_bed_load_nine(&bed->job, source, destination);
}

static int mirror_with(struct bed *bed, const struct mirror_options *options, bool dry_run)
{
	return mirror_bed_run(&bed->job, options, dry_run);
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
		AUTO_FREE char *told = mirror_bed_results(&bed.job);

		assert_string_equal(told, "b=e=h=a+c+d+f+g+i+");
		assert_int_equal(sim_registry_count(bed.sim, "PUT /v2/dst/", "/manifests/1 201"), 6);
		for (char name = 'a'; name < 'a' + IMAGES; name++)
			assert_true(is_mirrored(&bed, name));
		assert_whole(&bed);
	}
}

static size_t count_of(const struct history_record *record, const char *word)
{
	size_t n = 0;

	for (size_t i = 0; i < record->nrequests; i++)
		n += strstr(record->requests[i], word) != NULL;
	return n;
}

static void what_was_mirrored_is_in_the_history_with_what_was_sent(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(history) history = { 0 };

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
	assert_int_equal(mirror_with(&bed, &(struct mirror_options){ 0 }, true), EXIT_DIFFERENCES);
	assert_true(history_read(10, &history, &bed.job.err));
	assert_int_equal(history.len, 0); /* a look changes nothing */
	assert_int_equal(mirror(&bed), EXIT_DONE);
	assert_int_equal(mirror(&bed), EXIT_DONE); /* all is there */
	assert_true(history_read(10, &history, &bed.job.err));
	assert_int_equal(history.len, 1);
	assert_string_equal(history.items[0].action, "mirror");
	assert_string_equal(history.items[0].state, "done");
	assert_int_equal(count_of(&history.items[0], "/manifests/1"), IMAGES);
	assert_int_equal(count_of(&history.items[0], "/blobs/uploads/"), sim_registry_count(bed.sim, "PUT /v2/dst/", "/blobs/uploads/") +
									       count_of(&history.items[0], " mounts "));
	assert_non_null(strstr(history.items[0].command, "slotdeck images mirror --env "));
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
	assert_true(sim_registry_set_faults(bed.sim, "[{\"method\":\"PUT\",\"path\":\"/blobs/uploads/\",\"from\":3,\"count\":1,\"status\":500}]", &bed.job.err));
	assert_int_equal(mirror(&bed), EXIT_DONE);
	assert_int_equal(bed.job.retries, 1);
	assert_int_equal(sim_registry_count(bed.sim, "PUT /v2/dst/", "/blobs/uploads/"), 4 * IMAGES + 1);
	assert_whole(&bed);
}

static void one_broken_image_does_not_hold_up_the_others_and_the_exit_status_says_so(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
	assert_true(sim_registry_set_faults(
		bed.sim, "[{\"path\":\"/v2/src/c/manifests/\",\"status\":404,\"body\":\"{}\"}]", &bed.job.err));
	assert_int_equal(mirror(&bed), EXIT_PART_DONE);
	AUTO_FREE char *told = mirror_bed_results(&bed.job);

	assert_string_equal(told, "c!a+b+d+e+f+g+h+i+");
	assert_non_null(strstr(bed.job.story.p, "asked registry"));
	assert_whole(&bed);
}

static void an_index_is_copied_with_all_that_it_names_and_keeps_its_digest(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(buf) index = BUF_INIT(0), image = BUF_INIT(0);

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
	AUTO_FREE char *amd = sim_registry_add_image(bed.sim, "multi", NULL, small_layers, 1), *arm = sim_registry_add_image(bed.sim, "multi", NULL, small_layers, 2);

	buf_addf(&index,
		 "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":["
		 "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
		 "{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\",\"variant\":\"v8\"}}]}",
		 amd, arm);
	AUTO_FREE char *digest = sim_registry_add_manifest(bed.sim, "multi", "1", "application/vnd.oci.image.index.v1+json", buf_str(&index));

	buf_addf(&image, "  m: {type: external, from: '%s/multi:1', local: '%s/all:1'}\n", sim_registry_host(bed.sim), sim_registry_host(bed.sim));
	mirror_bed_load(&bed.job, buf_cstr(&image));
	assert_int_equal(mirror(&bed), EXIT_DONE);
	AUTO_FREE char *all = sim_registry_tag(bed.sim, "all", "1");

	assert_string_equal(all, digest);
	assert_whole(&bed);
	assert_int_equal(mirror_with(&bed, &(struct mirror_options){ .platform = "linux/arm64" }, false), EXIT_DONE);
	AUTO_FREE char *one = sim_registry_tag(bed.sim, "all", "1");

	assert_string_equal(one, arm);
	assert_int_equal(mirror_with(&bed, &(struct mirror_options){ .platform = "linux/s390x" }, false), EXIT_DEGRADED);
	assert_non_null(strstr(bed.job.story.p, "but for linux/amd64, linux/arm64/v8"));
}

static void a_digest_that_the_registry_got_wrong_is_told_and_the_bytes_count(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ .wrong_digests = true }, small_layers);
	assert_int_equal(mirror(&bed), EXIT_DONE);
	assert_non_null(strstr(bed.job.story.p, "but its digest is"));
	for (char name = 'a'; name < 'a' + IMAGES; name++)
		assert_true(is_mirrored(&bed, name));
	assert_whole(&bed);
}

static void a_look_sends_nothing_and_says_what_would_go(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
	assert_int_equal(mirror_with(&bed, &(struct mirror_options){ .read_only = true }, true), EXIT_DIFFERENCES);
	assert_non_null(strstr(bed.job.story.p, "\"would-create\""));
	assert_non_null(strstr(bed.job.story.p, "5.9 KiB to send, 0 of 4 blobs there"));
	for (const char *const *method = (const char *const[]){ "PUT", "POST", "PATCH", "DELETE", NULL }; *method; method++)
		assert_int_equal(sim_registry_count(bed.sim, *method, NULL), 0);
	assert_int_equal(mirror_with(&bed, &(struct mirror_options){ .read_only = true }, false), EXIT_DENIED);
}

/* ---- cancel ---- */

static void a_cancel_at_any_moment_leaves_no_broken_tag_and_the_next_run_ends_it(void **state)
{
	static const uint64_t layers[] = { 4500000, 2000, 0 };

	(void)state;
	for (unsigned long at = 1; at <= 200; at += 4) { /* 50 moments */
		AUTO_RELEASE(bed) bed;
		struct held_request held = { HELD_REQUEST_INIT, .at = at };

		bed_create(&bed, &(struct sim_registry_options){ .on_request = held_request_arrives, .arg = &held, .no_mounts = true }, layers);
		held.cancel = bed.job.cancel;
		/* What is held is answered afterwards only: to return at all, the job must not wait for it. */
		int code = mirror(&bed);

		assert_int_equal(code, held_request_arrived(&held) ? EXIT_SIGINT : EXIT_DONE);
		held_request_let_go(&held);
		assert_whole(&bed);
		if (code == EXIT_SIGINT)
			assert_non_null(strstr(bed.job.story.p, "every tag is the old or the new image"));
		if (at % 20 != 1)
			continue;
		mirror_bed_renew_cancel(&bed.job);
		assert_int_equal(mirror(&bed), EXIT_DONE);
		for (char name = 'a'; name < 'a' + IMAGES; name++)
			assert_true(is_mirrored(&bed, name));
		assert_whole(&bed);
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
	assert_true(file_write_atomic(bed.job.logins, buf_str(&text), 0600, &bed.job.err));
	assert_true(sim_registry_set_faults(bed.sim, "[{\"path\":\"/v2/src/d/blobs\",\"status\":500},{\"path\":\"/v2/dst/f/manifests\",\"status\":403}]", &bed.job.err));
	assert_int_equal(mirror(&bed), EXIT_PART_DONE);
	for (const char *const *secret = (const char *const[]){ PASSWORD, buf_cstr(&encoded), "sim-token", "s3cr3t", NULL }; *secret; secret++)
		assert_null(strstr(bed.job.story.p, *secret));
}

/* ---- the command ---- */

/* Two images in a file of the bed's folder; gives its name. */
static char *write_stack(struct bed *bed)
{
	AUTO_RELEASE(buf) yaml = BUF_INIT(0);
	char *path = xasprintf("%s/services.yaml", bed->job.folder);
	const char *host = sim_registry_host(bed->sim);

	buf_addf(&yaml, "project: shop\nnamespace: {patterns: {dev: shop-dev}}\nenvironments: {dev: {}}\nimages:\n"
			"  a: {type: external, from: '%s/src/a:1', local: '%s/dst/a:1'}\n  b: {type: external, from: '%s/src/b:1', local: '%s/dst/b:1'}\n",
		 host, host, host, host);
	assert_true(file_write_atomic(path, buf_str(&yaml), 0600, &bed->job.err));
	return path;
}

struct killer {
	atomic_ulong at; /* 0: never */
	atomic_int pid;
};

static void kill_at(unsigned long n, const char *method, const char *path, void *arg)
{
	struct killer *killer = arg;
	pid_t pid;

	(void)method, (void)path;
	if (n != atomic_load(&killer->at))
		return;
	while (!(pid = atomic_load(&killer->pid))) /* it may be faster than whoever started it */
		usleep(1000);
	kill(pid, SIGKILL);
}

/* Gives the wait status. */
static int run_command(const struct bed *bed, const char *config, struct killer *killer)
{
	AUTO_FREE char *docker = xasprintf("DOCKER_CONFIG=%s", bed->job.folder);
	char *const argv[] = { getenv("SLOTDECK_BIN"), (char *)"images", (char *)"mirror", (char *)"--env", (char *)"dev", (char *)"--config", (char *)config, NULL };
	char *const env[] = { docker, (char *)"KUBECONFIG=/nowhere", (char *)"PATH=/usr/bin:/bin", NULL };
	posix_spawn_file_actions_t quiet;
	int status = 0;
	pid_t pid;

	atomic_store(&killer->pid, 0);
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawn(&pid, argv[0], &quiet, NULL, argv, env), 0);
	atomic_store(&killer->pid, pid);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	posix_spawn_file_actions_destroy(&quiet);
	return status;
}

static void killed_at_any_request_each_tag_is_the_old_or_the_new_image_and_the_next_run_ends_it(void **state)
{
	static const uint64_t layers[] = { 4100000, 2000, 0 };
	bool ended = false;

	(void)state;
	if (!getenv("SLOTDECK_BIN"))
		skip();
	for (unsigned long at = 1; !ended; at += 3) {
		AUTO_RELEASE(bed) bed;
		struct killer killer = { .at = at };

		bed_create(&bed, &(struct sim_registry_options){ .on_request = kill_at, .arg = &killer, .no_mounts = true }, layers);
		AUTO_FREE char *config = write_stack(&bed), *old = sim_registry_add_image(bed.sim, "dst/a", "1", small_layers, 7);
		int status = run_command(&bed, config, &killer);

		ended = WIFEXITED(status);
		assert_true(ended ? WEXITSTATUS(status) == EXIT_DONE : WTERMSIG(status) == SIGKILL);
		AUTO_FREE char *is = sim_registry_tag(bed.sim, "dst/a", "1");

		assert_true(!strcmp(is, old) || is_mirrored(&bed, 'a'));
		assert_whole(&bed);
		atomic_store(&killer.at, 0);
		status = run_command(&bed, config, &killer);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE);
		assert_true(is_mirrored(&bed, 'a') && is_mirrored(&bed, 'b'));
		assert_whole(&bed);
		unlink(config);
	}
}

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

	(void)state;
	if (!getenv("SLOTDECK_BIN"))
		skip();
	bed_create(&bed, &(struct sim_registry_options){ 0 }, small_layers);
	AUTO_FREE char *config = write_stack(&bed);
	AUTO_FREE char *variable = xasprintf("CODEXCTL_CONFIG=%s", config), *docker = xasprintf("DOCKER_CONFIG=%s", bed.job.folder);
	const char *const env[] = { variable, docker, "KUBECONFIG=/nowhere", NULL };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *argv[8] = { getenv("SLOTDECK_BIN") };
		AUTO_RELEASE(process_result) result = { 0 };

		memcpy(argv + 1, rows[i].args, sizeof rows[i].args);
		assert_true(process_run(&(struct process_options){ .argv = argv, .env = env, .max_output_bytes = 1 << 20, .timeout_ms = 60000 }, NULL, &result,
					&bed.job.err));
		if (result.exit_code != rows[i].code || (!strstr(buf_cstr(&result.out), rows[i].says) && !strstr(buf_cstr(&result.err), rows[i].says)))
			fail_msg("row %zu: exit %d\n%s\n%s", i, result.exit_code, buf_cstr(&result.out), buf_cstr(&result.err));
	}
	unlink(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nine_images_with_three_there_are_six_transfers_in_the_same_order_in_each_run),
		cmocka_unit_test_setup_teardown(what_was_mirrored_is_in_the_history_with_what_was_sent, state_place_open, state_place_close),
		cmocka_unit_test(what_is_there_costs_two_requests_and_no_byte),
		cmocka_unit_test(one_500_costs_one_repetition_of_one_blob),
		cmocka_unit_test(one_broken_image_does_not_hold_up_the_others_and_the_exit_status_says_so),
		cmocka_unit_test(an_index_is_copied_with_all_that_it_names_and_keeps_its_digest),
		cmocka_unit_test(a_digest_that_the_registry_got_wrong_is_told_and_the_bytes_count),
		cmocka_unit_test(a_look_sends_nothing_and_says_what_would_go),
		cmocka_unit_test(a_cancel_at_any_moment_leaves_no_broken_tag_and_the_next_run_ends_it),
		cmocka_unit_test(no_event_and_no_report_holds_a_password_or_a_token),
		cmocka_unit_test(killed_at_any_request_each_tag_is_the_old_or_the_new_image_and_the_next_run_ends_it),
		cmocka_unit_test(the_command_mirrors_by_flags_or_variables_alone),
	};

	return cmocka_run_group_tests_name("mirror", tests, NULL, NULL);
}
