#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/utc.h"
#include "live/logs.h"
#include "live_bed.h"

/* What a test waits for: both ends polled, lines of the store looked at. */
struct wait {
	struct logs *logs;
	const char *text; /* of a line */
	size_t sources;
	uint64_t lines;
	enum logs_save_state saved;
};

static bool has_text(struct logs *logs, const char *text)
{
	struct log_store *store = logs_store(logs);
	struct log_line line;

	for (uint64_t s = LOG_SERIAL_NONE; (s = log_store_next(store, s)) != LOG_SERIAL_NONE;)
		if (log_store_line(store, s, &line) && str_find(line.text, str_of(text)) >= 0)
			return true;
	return false;
}

static bool is_there(struct live_bed *bed, const void *arg)
{
	const struct wait *w = arg;

	(void)bed;
	logs_poll(w->logs, 5, LOG_SERIAL_NONE);
	return logs_count(w->logs) >= w->sources && log_store_counts(logs_store(w->logs)).received >= w->lines && (!w->text || has_text(w->logs, w->text)) &&
	       (!w->saved || logs_save_state(w->logs, NULL) == w->saved);
}

static void wait_for(struct live_bed *bed, struct wait wait)
{
	if (!live_bed_until(bed, is_there, &wait))
		fail_msg("it does not come: %zu sources, %" PRIu64 " lines, \"%s\"", logs_count(wait.logs), log_store_counts(logs_store(wait.logs)).received,
			 wait.text ? wait.text : "");
}

static struct live_bed bed_with(const char *namespace)
{
	struct live_bed bed = live_bed_create(NULL);

	live_bed_namespace(&bed, namespace);
	return bed;
}

static void logs_of_a_workload_have_all_its_pods_and_new_ones_join(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = bed_with("shop-dev");

	live_bed_deployment(&bed, "shop-dev", "users", NULL);
	live_bed_deployment(&bed, "shop-dev", "other", NULL);
	live_bed_open(&bed);
	AUTO(logs) logs = logs_create(bed.live, &(struct logs_target){ .kind = &kind_deployment, .namespace = "shop-dev", .name = "users" }, 1,
				      &(struct logs_range){ 0 }, 0);

	wait_for(&bed, (struct wait){ logs, .sources = 1, .lines = 20 });
	live_bed_send(&bed, "PATCH", "/apis/apps/v1/namespaces/shop-dev/deployments/users", "{'spec':{'replicas':3}}");
	wait_for(&bed, (struct wait){ logs, .sources = 3, .lines = 60 });
	assert_int_equal(logs_count(logs), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_non_null(strstr(logs_source(logs, i)->pod, "users-"));
		assert_true(strlen(logs_source(logs, i)->short_name) < 12); /* without the workload's name */
	}
}

static const struct logs_source *source_of(struct logs *logs, const char *container)
{
	const struct logs_source *source;

	for (size_t i = 0; (source = logs_source(logs, i)); i++)
		if (!strcmp(source->container, container))
			return source;
	fail_msg("no lines of container %s", container);
	return NULL;
}

static bool has_ended(struct live_bed *bed, const void *arg)
{
	struct logs *logs = (struct logs *)arg;

	(void)bed;
	logs_poll(logs, 5, LOG_SERIAL_NONE);
	return source_of(logs, "debugger")->state == LOG_FOLLOW_ENDED;
}

/* Began five seconds ago: a container has a line for each half second of its life. */
static void set_debugger(struct live_bed *bed, const struct logs_source *of, bool runs)
{
	char began[UTC_TEXT_MAX], ended[UTC_TEXT_MAX];
	int64_t now_us = clock_wall_us(NULL);

	utc_format(now_us - 5000000, began);
	utc_format(now_us, ended);
	AUTO_FREE char *state = runs ? xasprintf("{'running':{'startedAt':'%s'}}", began) :
				       xasprintf("{'running':null,'terminated':{'exitCode':3,'startedAt':'%s','finishedAt':'%s'}}", began, ended);
	AUTO_FREE char *path = xasprintf("/api/v1/namespaces/shop-dev/pods/%s", of->pod), *status = xasprintf("%s/status", path),
		       *body = xasprintf("{'status':{'ephemeralContainerStatuses':[{'name':'debugger','image':'busybox','state':%s}]}}", state);

	live_bed_send(bed, "PATCH", path, "{'spec':{'ephemeralContainers':[{'name':'debugger','image':'busybox'}]}}");
	live_bed_send(bed, "PATCH", status, body);
}

static void init_containers_come_first_and_ephemeral_ones_join_later(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = bed_with("shop-dev");

	live_bed_send(&bed, "POST", "/apis/apps/v1/namespaces/shop-dev/deployments",
		      "{'metadata':{'name':'web'},'spec':{'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{'labels':{'app':'web'}},'spec':{"
		      "'initContainers':[{'name':'migrate','image':'migrate:1'}],'containers':[{'name':'main','image':'app:1'}]}}}}");
	live_bed_open(&bed);
	AUTO(logs) logs = logs_create(bed.live, &(struct logs_target){ .kind = &kind_deployment, .namespace = "shop-dev", .name = "web" }, 1,
				      &(struct logs_range){ 0 }, 0);

	wait_for(&bed, (struct wait){ logs, .sources = 2, .lines = 20 });
	assert_non_null(strstr(source_of(logs, "migrate")->short_name, "/migrate"));
	set_debugger(&bed, source_of(logs, "main"), true);
	wait_for(&bed, (struct wait){ logs, .sources = 3 });
	assert_non_null(strstr(source_of(logs, "debugger")->short_name, "/debugger"));
	set_debugger(&bed, source_of(logs, "main"), false);
	wait_for(&bed, (struct wait){ logs, .text = "container debugger exited, code 3" });
	assert_true(live_bed_until(&bed, has_ended, logs));
}

static void logs_of_an_environment_have_all_its_workloads(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = bed_with("shop-dev");

	live_bed_deployment(&bed, "shop-dev", "users", NULL);
	live_bed_deployment(&bed, "shop-dev", "chat", NULL);
	live_bed_open(&bed);
	live_bed_expect(&bed, "shop-dev", HEALTH_HEALTHY, NULL);
	AUTO(logs) logs = logs_create(bed.live, &(struct logs_target){ .title = "shop-dev" }, 1, &(struct logs_range){ 0 }, 0);

	wait_for(&bed, (struct wait){ logs, .sources = 2, .lines = 40 });
	for (size_t i = 0; i < 2; i++)
		assert_true(starts_with(logs_source(logs, i)->short_name, "users-") || starts_with(logs_source(logs, i)->short_name, "chat-"));
}

static void several_targets_are_one_stream_in_which_each_container_is_once(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = bed_with("shop-dev");
	static const struct logs_target targets[] = { { .kind = &kind_deployment, .namespace = "shop-dev", .name = "users" },
						      { .kind = &kind_deployment, .namespace = "shop-dev", .name = "chat" },
						      { .kind = &kind_deployment, .namespace = "shop-dev", .name = "users" } };

	live_bed_deployment(&bed, "shop-dev", "users", NULL);
	live_bed_deployment(&bed, "shop-dev", "chat", NULL);
	live_bed_deployment(&bed, "shop-dev", "other", NULL);
	live_bed_open(&bed);
	AUTO(logs) logs = logs_create(bed.live, targets, ARRAY_LEN(targets), &(struct logs_range){ 0 }, 0);

	wait_for(&bed, (struct wait){ logs, .sources = 2, .lines = 40 });
	assert_int_equal(logs_count(logs), 2);
	assert_true(starts_with(logs_source(logs, 0)->short_name, "users-"));
	assert_true(starts_with(logs_source(logs, 1)->short_name, "chat-"));
	struct log_counts one = log_store_counts_of(logs_store(logs), 0), other = log_store_counts_of(logs_store(logs), 1);

	assert_true(one.received && other.received);
	assert_int_equal(log_store_counts(logs_store(logs)).received, one.received + other.received);
}

static void pods_in_several_places_are_named_with_theirs(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = bed_with("shop-dev");

	live_bed_namespace(&bed, "shop-test");
	live_bed_deployment(&bed, "shop-dev", "users", NULL);
	live_bed_deployment(&bed, "shop-test", "users", NULL);
	live_bed_open(&bed);
	live_bed_expect(&bed, "shop-dev", HEALTH_HEALTHY, NULL);
	AUTO(logs) logs = logs_create(bed.live, (struct logs_target[]){ { .title = "shop-dev" }, { .kind = &kind_deployment, .namespace = "shop-test", .name = "users" } },
				      2, &(struct logs_range){ 0 }, 0);

	wait_for(&bed, (struct wait){ logs, .sources = 2, .lines = 40 });
	for (size_t i = 0; i < 2; i++) {
		AUTO_FREE char *begin = xasprintf("%s/users-", logs_source(logs, i)->namespace);

		assert_true(starts_with(logs_source(logs, i)->short_name, begin));
	}
	assert_string_not_equal(logs_source(logs, 0)->namespace, logs_source(logs, 1)->namespace);
}

static void a_crash_is_a_cut_line_and_the_next_run_follows(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = bed_with("shop-dev");

	live_bed_deployment(&bed, "shop-dev", "users", "crashloop");
	live_bed_open(&bed);
	AUTO(logs) logs = logs_create(bed.live, &(struct logs_target){ .kind = &kind_deployment, .namespace = "shop-dev", .name = "users" }, 1,
				      &(struct logs_range){ 0 }, 0);

	wait_for(&bed, (struct wait){ logs, .sources = 1, .text = "container main exited, code" });
	wait_for(&bed, (struct wait){ logs, .text = "restart" });
	assert_int_equal(logs_count(logs), 1);
}

static void another_range_reads_anew_and_keeps_the_filter(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = bed_with("shop-dev");

	live_bed_deployment(&bed, "shop-dev", "users", NULL);
	live_bed_open(&bed);
	AUTO(logs) logs = logs_create(bed.live, &(struct logs_target){ .kind = &kind_deployment, .namespace = "shop-dev", .name = "users" }, 1,
				      &(struct logs_range){ 0 }, 0);

	wait_for(&bed, (struct wait){ logs, .sources = 1, .lines = 20 });
	logs_set_range(logs, &(struct logs_range){ .tail = 5 });
	assert_int_equal(log_store_counts(logs_store(logs)).received, 0);
	wait_for(&bed, (struct wait){ logs, .sources = 1, .lines = 5 });
	assert_true(log_store_counts(logs_store(logs)).received < 20);
}

static void while_paused_nothing_is_taken_and_nothing_is_lost(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = bed_with("shop-dev");

	live_bed_deployment(&bed, "shop-dev", "users", NULL);
	live_bed_open(&bed);
	AUTO(logs) logs = logs_create(bed.live, &(struct logs_target){ .kind = &kind_deployment, .namespace = "shop-dev", .name = "users" }, 1,
				      &(struct logs_range){ 0 }, 0);

	logs_pause(logs, true);
	live_bed_take(&bed, 300);
	for (int i = 0; i < 10; i++)
		logs_poll(logs, 5, LOG_SERIAL_NONE);
	assert_int_equal(log_store_counts(logs_store(logs)).received, 0);
	logs_pause(logs, false);
	wait_for(&bed, (struct wait){ logs, .sources = 1, .lines = 20, .text = "line 1 " });
}

/* ---- saving ---- */

static bool is_odd(const struct log_line *line, void *arg)
{
	(void)arg;
	ptrdiff_t at = str_find(line->text, STR("line "));

	return at >= 0 && strtoull(line->text.p + at + 5, NULL, 10) % 2 == 1;
}

static void what_is_shown_is_saved_into_a_new_file_for_its_owner(void **state)
{
	(void)state;
	AUTO_RELEASE(live_bed) bed = bed_with("shop-dev");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	char folder[] = "/tmp/slotdeck-logs-XXXXXX";
	const char *said;
	struct stat status;

	assert_non_null(mkdtemp(folder));
	AUTO_FREE char *path = xasprintf("%s/users.log", folder);

	live_bed_deployment(&bed, "shop-dev", "users", NULL);
	live_bed_open(&bed);
	AUTO(logs) logs = logs_create(bed.live, &(struct logs_target){ .kind = &kind_deployment, .namespace = "shop-dev", .name = "users" }, 1,
				      &(struct logs_range){ 0 }, 0);

	logs_set_filter(logs, is_odd, NULL);
	wait_for(&bed, (struct wait){ logs, .sources = 1, .lines = 20 });
	assert_true(logs_save(logs, path));
	assert_false(logs_save(logs, path));
	wait_for(&bed, (struct wait){ logs, .saved = LOGS_SAVED });
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_true(file_read(path, 0, &text, &err));
	assert_true(str_find(buf_str(&text), STR("line 19 of ")) > 0);
	assert_int_equal(str_find(buf_str(&text), STR("line 18 of ")), -1);
	logs_save_state(logs, &said);
	assert_non_null(strstr(said, path));
	/* Once more: what is there stays as it is. */
	assert_true(file_write_atomic(path, STR("mine"), 0600, &err));
	assert_true(logs_save(logs, path));
	wait_for(&bed, (struct wait){ logs, .saved = LOGS_SAVE_FAILED });
	logs_save_state(logs, &said);
	assert_non_null(strstr(said, "exists already"));
	buf_reset(&text);
	assert_true(file_read(path, 0, &text, &err));
	assert_string_equal(buf_cstr(&text), "mine");
	/* Nothing half written lies around. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	logs_set_filter(logs, NULL, NULL);
}

static void a_save_that_cannot_be_done_leaves_nothing_behind(void **state)
{
	(void)state;
	AUTO(log_store) store = log_store_create(1 << 20);
	struct log_save *save = log_save_create();
	const char *said;

	assert_true(log_save_start(save, store, NULL, 0, "/nonexistent/folder/x.log"));
	for (int i = 0; i < 500 && log_save_state(save, &said) == LOGS_SAVING; i++) {
		clock_sleep(NULL, NULL, 10, &(struct error){ 0 });
		log_save_poll(save);
	}
	assert_int_equal(log_save_state(save, &said), LOGS_SAVE_FAILED);
	assert_non_null(strstr(said, "/nonexistent/folder/x.log"));
	log_save_destroy(save);
}

/* A limit on the size of files is like a full disk: writing stops in the middle. In a process of its own, which has the limit. */
static int save_without_room(const char *folder)
{
	struct log_store *store = log_store_create(1 << 20);
	struct log_save *save = log_save_create();
	char *path = xasprintf("%s/x.log", folder);
	bool failed;

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 100000, 100000 });
	for (int i = 0; i < 5; i++) {
		struct log_block *block = log_block_create(LOG_BLOCK_BYTES);

		while (log_block_add(block, &(struct log_line){ .text = STR("some line that takes its place") }))
			;
		log_store_add(store, block, LOG_SERIAL_NONE);
	}
	log_save_start(save, store, NULL, 0, path);
	while (log_save_state(save, NULL) == LOGS_SAVING) {
		clock_sleep(NULL, NULL, 5, &(struct error){ 0 });
		log_save_poll(save);
	}
	failed = log_save_state(save, NULL) == LOGS_SAVE_FAILED;
	log_save_destroy(save);
	log_store_destroy(store);
	free(path);
	return failed ? 0 : 1;
}

static void a_full_disk_ends_the_save_and_leaves_no_part_of_it(void **state)
{
	(void)state;
	char folder[] = "/tmp/slotdeck-logs-XXXXXX";
	int status;
	pid_t pid;

	assert_non_null(mkdtemp(folder));
	pid = fork();
	if (pid == 0)
		_exit(save_without_room(folder));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(rmdir(folder), 0); /* it is empty */
}

static void a_saved_file_has_no_control_characters(void **state)
{
	(void)state;
	AUTO(log_store) store = log_store_create(1 << 20);
	struct log_save *save = log_save_create();
	struct log_block *block = log_block_create(LOG_BLOCK_BYTES);
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	char folder[] = "/tmp/slotdeck-logs-XXXXXX";

	assert_non_null(mkdtemp(folder));
	AUTO_FREE char *path = xasprintf("%s/x.log", folder);
	const char *const names[] = { "web" };

	log_block_add(block, &(struct log_line){ .text = STR("a\033[31mb\033]0;t\007c\x9b" "2J\r\xe2\x80\xae"), .time_ns = INT64_C(1767225600000000001) });
	log_block_add(block, &(struct log_line){ .text = STR("pod x is gone"), .time_ns = INT64_C(1767225600000000001), .kind = LOG_CUT });
	log_block_add(block, &(struct log_line){ .text = STR("long"), .more_bytes = 17, .time_ns = INT64_C(1767225601000000000) });
	assert_true(log_store_add(store, block, LOG_SERIAL_NONE));
	assert_true(log_save_start(save, store, names, 1, path));
	for (int i = 0; i < 500 && log_save_state(save, NULL) == LOGS_SAVING; i++) {
		clock_sleep(NULL, NULL, 10, &(struct error){ 0 });
		log_save_poll(save);
	}
	assert_true(file_read(path, 0, &text, &err));
	for (size_t i = 0; i < text.len; i++)
		assert_true((unsigned char)text.p[i] >= ' ' || text.p[i] == '\n');
	assert_true(starts_with(text.p, "2026-01-01T00:00:00.000000001Z web abc"));
	assert_non_null(strstr(text.p, "2026-01-01T00:00:00.000000001Z web ------ pod x is gone\n"));
	assert_non_null(strstr(text.p, "2026-01-01T00:00:01.000000000Z web long (17 more bytes)\n"));
	unlink(path);
	rmdir(folder);
	log_save_destroy(save);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logs_of_a_workload_have_all_its_pods_and_new_ones_join),
		cmocka_unit_test(init_containers_come_first_and_ephemeral_ones_join_later),
		cmocka_unit_test(logs_of_an_environment_have_all_its_workloads),
		cmocka_unit_test(several_targets_are_one_stream_in_which_each_container_is_once),
		cmocka_unit_test(pods_in_several_places_are_named_with_theirs),
		cmocka_unit_test(a_crash_is_a_cut_line_and_the_next_run_follows),
		cmocka_unit_test(another_range_reads_anew_and_keeps_the_filter),
		cmocka_unit_test(while_paused_nothing_is_taken_and_nothing_is_lost),
		cmocka_unit_test(what_is_shown_is_saved_into_a_new_file_for_its_owner),
		cmocka_unit_test(a_save_that_cannot_be_done_leaves_nothing_behind),
		cmocka_unit_test(a_full_disk_ends_the_save_and_leaves_no_part_of_it),
		cmocka_unit_test(a_saved_file_has_no_control_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
