/* Sessions of the real program on a pty, recorded and run again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/process.h"
#include "pty_program.h"

#define F9    "\033[20~"
#define MARKS 10
#define PLANTED "sword-fish-77315"

struct session {
	char folder[32];
	char *path;
	char *screens[MARKS]; /* as the person saw them at the marks; NULL: they did not stand still */
	size_t nmarks;
	struct pty pty;
};

static void start_recording(struct session *s, const char *open)
{
	*s = (struct session){ .folder = "/tmp/replay-XXXXXX" };
	assert_non_null(mkdtemp(s->folder));
	s->path = xasprintf("%s/session.rec", s->folder);
	const char *const argv[] = { NULL, "--demo", "--record", s->path, open ? "--open" : NULL, open, "-A", NULL };

	pty_start(&s->pty, &(struct pty_options){ .cols = 120, .rows = 40, .argv = argv, .variable = "SHOP_DB_PASSWORD=" PLANTED });
}

static void remove_session(struct session *s)
{
	for (size_t i = 0; i < s->nmarks; i++)
		free(s->screens[i]);
	unlink(s->path);
	free(s->path);
	assert_int_equal(rmdir(s->folder), 0);
}

static void mark(struct session *s)
{
	AUTO_FREE char *said = xasprintf("mark %zu ", s->nmarks + 1);

	pty_type(&s->pty, F9);
	pty_wait_for(&s->pty, said);
	s->screens[s->nmarks++] = pty_screen(&s->pty);
}

/* Types, waits until what is meant to come is there, and marks it. */
static void go(struct session *s, const char *keys, const char *shows)
{
	pty_type(&s->pty, keys);
	pty_wait_for(&s->pty, shows);
	mark(s);
}

/* The same of a screen that an answer may still be on its way to: how it was at that moment is a matter of luck. */
static void go_where_it_moves(struct session *s, const char *keys, const char *shows)
{
	go(s, keys, shows);
	free(GIVE(s->screens[s->nmarks - 1]));
}

static void leave(struct session *s)
{
	pty_type(&s->pty, "Q");
	assert_int_equal(pty_finish(&s->pty), 0);
	pty_release(&s->pty);
}

/* Until why things are broken is known to the end: then little moves any more. */
static void wait_for_health(struct session *s)
{
	pty_type(&s->pty, "1");
	pty_wait_for(&s->pty, "error gave up");
	pty_wait_for(&s->pty, "\"fatal\"");
	pty_wait_for(&s->pty, "#|");
	pty_type(&s->pty, "-");
	pty_wait_for(&s->pty, "[Browse]");
}

static void visit_ten_places(struct session *s)
{
	start_recording(s, "secrets");
	pty_wait_for(&s->pty, "shop-db");
	wait_for_health(s);
	go_where_it_moves(s, "/shop-db\r", "shop-db");
	go_where_it_moves(s, "\r", "Secret shop-db");
	go_where_it_moves(s, "b", "POSTGRES_PASSWORD");
	go_where_it_moves(s, "\r", "POSTGRES_PASSWORD");
	pty_type(&s->pty, "1");
	pty_wait_for(&s->pty, "✗ slot 2");
	go(s, "j", "[1 Envs]");
	go(s, "w", "why: ");
	go(s, "2", "[2 Slots]");
	go(s, "3", "[3 Deploy]");
	go_where_it_moves(s, "l", "follow on");
	pty_type(&s->pty, "1");
	pty_wait_for(&s->pty, "[1 Envs]");
	go(s, "A", "A asks before it applies");
}

/* What the program prints with these arguments. */
static char *run(const char *const *argv, int wanted_code)
{
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	const char *all[16] = { getenv("SLOTDECK_BIN") };

	for (size_t i = 0; argv[i]; i++)
		all[i + 1] = argv[i];
	if (!process_run(&(struct process_options){ .argv = all, .timeout_ms = 60000, .max_output_bytes = (size_t)4 << 20 }, NULL, &result, &err))
		fail_msg("%s", err.message);
	if (result.exit_code != wanted_code)
		fail_msg("exit %d: %s", result.exit_code, buf_cstr(&result.err));
	return buf_give(wanted_code ? &result.err : &result.out);
}

static char *replay(const char *path, const char *at)
{
	const char *const argv[] = { "--replay", path, "--dump", "text", "--at", at, NULL };

	return run(argv, 0);
}

/* The n-th screen of a dump without its head line, which says that it is a replay; what follows it stays. */
static struct str screen_at(struct str dump, size_t n)
{
	struct str line;

	for (size_t i = 0; str_cut(&dump, '\n', &line);)
		if (str_starts(line, STR("==== ")) && i++ == n)
			break;
	assert_true(str_cut(&dump, '\n', &line));
	return dump;
}

static void assert_same_screen(struct str replayed, const char *seen, size_t n)
{
	struct str rest = str_of(seen), a, b;

	str_cut(&rest, '\n', &a);
	while (str_cut(&rest, '\n', &a)) {
		assert_true(str_cut(&replayed, '\n', &b));
		if (!str_eq(str_trim(a), str_trim(b)))
			fail_msg("mark %zu: was \"%.*s\", is \"%.*s\"", n + 1, STR_ARG(a), STR_ARG(b));
	}
}

static void assert_same_dump(const char *dump, const char *first)
{
	struct str x = str_of(dump), y = str_of(first), a = { 0 }, b = { 0 };

	while (str_cut(&x, '\n', &a) && str_cut(&y, '\n', &b))
		if (!str_eq(a, b))
			fail_msg("was \"%.*s\", is \"%.*s\"", STR_ARG(b), STR_ARG(a));
	assert_string_equal(dump, first);
}

static void a_session_of_ten_marks_is_the_same_in_every_replay_and_as_it_was(void **state)
{
	struct session s;
	char *dumps[3];

	(void)state;
	visit_ten_places(&s);
	leave(&s);
	for (size_t i = 0; i < ARRAY_LEN(dumps); i++)
		dumps[i] = replay(s.path, "marks");
	for (size_t i = 0; i < MARKS; i++)
		if (s.screens[i])
			assert_same_screen(screen_at(str_of(dumps[0]), i), s.screens[i], i);
	for (size_t i = 0; i < ARRAY_LEN(dumps); i++)
		assert_same_dump(dumps[i], dumps[0]);
	for (size_t i = 0; i < ARRAY_LEN(dumps); i++)
		free(dumps[i]);
	remove_session(&s);
}

static void no_value_of_a_secret_reaches_the_file(void **state)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(buf) encoded = BUF_INIT(0);
	struct session s;

	(void)state;
	visit_ten_places(&s);
	pty_type(&s.pty, "A");
	pty_wait_for(&s.pty, "Type ");
	pty_type(&s.pty, "n");
	pty_wait_for(&s.pty, "A asks before it applies");
	pty_type(&s.pty, "1/\033[200~token=" PLANTED "\033[201~\033");
	leave(&s);
	assert_true(file_read(s.path, 0, &text, &err));
	base64_encode(&encoded, str_of(PLANTED), BASE64_STANDARD);
	const char *const never[] = { PLANTED, buf_cstr(&encoded), "only-for-the-demo", "b25seS1mb3ItdGhlLWRlbW8" };

	assert_true(str_find(buf_str(&text), STR("POSTGRES_PASSWORD")) >= 0);
	assert_true(str_find(buf_str(&text), STR("token=***")) >= 0);
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_true(str_find(buf_str(&text), str_of(never[i])) < 0);
	remove_session(&s);
}

static void a_recording_that_a_kill_cut_off_is_run_up_to_there(void **state)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct session s;

	(void)state;
	start_recording(&s, NULL);
	pty_wait_for(&s.pty, "✗ slot 2");
	go(&s, "w", "why: ");
	kill(s.pty.pid, SIGKILL);
	pty_finish(&s.pty);
	pty_release(&s.pty);
	AUTO_FREE char *whole = replay(s.path, "end");

	assert_non_null(strstr(whole, "why: "));
	assert_true(file_read(s.path, 0, &text, &err));
	assert_true(file_write_atomic(s.path, (struct str){ text.p, text.len * 2 / 3 }, 0600, &err));
	AUTO_FREE char *half = replay(s.path, "end");

	assert_non_null(strstr(half, "REPLAY "));
	remove_session(&s);
}

static void replace_all(const struct session *s, const char *from, const char *to)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(buf) changed = BUF_INIT(0);

	assert_true(file_read(s->path, 0, &text, &err));
	const char *rest = buf_cstr(&text);

	for (const char *at; (at = strstr(rest, from)); rest = at + strlen(from)) {
		buf_add(&changed, rest, (size_t)(at - rest));
		buf_adds(&changed, to);
	}
	buf_adds(&changed, rest);
	assert_true(file_write_atomic(s->path, buf_str(&changed), 0600, &err));
}

static void a_replay_looks_at_the_environments_when_the_session_did(void **state)
{
	struct session s;

	(void)state;
	start_recording(&s, NULL);
	pty_wait_for(&s.pty, "✗ slot 2");
	leave(&s);
	AUTO_FREE char *as_it_was = replay(s.path, "end");

	replace_all(&s, "\"k\":\"poll\"}", "\"k\":\"poll\",\"rest\":1}");
	AUTO_FREE char *without_a_look = replay(s.path, "end");

	assert_non_null(strstr(as_it_was, "✗ slot 2"));
	assert_null(strstr(without_a_look, "✗ slot 2"));
	remove_session(&s);
}

/* A server of ours stands where that of the recording stood. */
static int listen_for(struct session *s)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(buf) changed = BUF_INIT(0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	assert_true(file_read(s->path, 0, &text, &err));
	const char *server = strstr(text.p, "\"server\":\"http://127.0.0.1:"), *end = server ? strchr(server + 12, '"') : NULL;

	assert_non_null(end);
	buf_add(&changed, text.p, (size_t)(server - text.p));
	buf_addf(&changed, "\"server\":\"http://127.0.0.1:%d", ntohs(address.sin_port));
	buf_add(&changed, end, text.len - (size_t)(end - text.p));
	assert_true(file_write_atomic(s->path, buf_str(&changed), 0600, &err));
	return fd;
}

static void a_replay_makes_no_connection(void **state)
{
	struct session s;

	(void)state;
	start_recording(&s, NULL);
	pty_wait_for(&s.pty, "✗ slot 2");
	go(&s, "3l", "follow on");
	leave(&s);
	int fd = listen_for(&s);
	AUTO_FREE char *dump = replay(s.path, "end");
	struct pollfd asked = { .fd = fd, .events = POLLIN };

	assert_non_null(strstr(dump, "follow on"));
	assert_int_equal(poll(&asked, 1, 0), 0);
	close(fd);
	remove_session(&s);
}

static void record_a_look_at_deploy(struct session *s)
{
	start_recording(s, NULL);
	pty_wait_for(&s->pty, "✗ slot 2");
	go(s, "3", "[3 Deploy]");
	leave(s);
}

static void a_replay_runs_on_the_terminal_and_changes_nothing(void **state)
{
	struct session s;
	struct pty p;

	(void)state;
	record_a_look_at_deploy(&s);
	const char *const argv[] = { NULL, "--replay", s.path, "--replay-speed", "50", NULL };

	pty_start(&p, &(struct pty_options){ .cols = 130, .rows = 42, .argv = argv });
	pty_wait_for(&p, "the recording ends here");
	pty_wait_for(&p, "REPLAY 0:");
	pty_wait_for(&p, "[3 Deploy]");
	pty_type(&p, "R");
	pty_wait_for(&p, "nothing can be changed");
	pty_type(&p, "2");
	pty_wait_for(&p, "[2 Slots]");
	pty_type(&p, "A");
	pty_wait_for(&p, "nothing can be changed");
	pty_type(&p, "Q");
	assert_int_equal(pty_finish(&p), 0);
	assert_true(pty_modes_are_restored(&p));
	pty_check_repertoire(&p);
	pty_release(&p);
	remove_session(&s);
}

static void a_person_pauses_a_replay_and_takes_it_over(void **state)
{
	struct session s;
	struct pty p;

	(void)state;
	record_a_look_at_deploy(&s);
	const char *const argv[] = { NULL, "--replay", s.path, "--replay-speed", "0.05", NULL };

	pty_start(&p, &(struct pty_options){ .cols = 120, .rows = 40, .argv = argv });
	pty_wait_for(&p, "Space pauses");
	pty_type(&p, " ");
	pty_wait_for(&p, "paused");
	pty_type(&p, "+");
	pty_wait_for(&p, "speed 0.1");
	pty_type(&p, "\r");
	pty_wait_for(&p, "recorded keys are ignored");
	pty_type(&p, "2");
	pty_wait_for(&p, "[2 Slots]");
	pty_type(&p, "Q");
	assert_int_equal(pty_finish(&p), 0);
	pty_release(&p);
	remove_session(&s);
}

static void what_is_no_recording_and_what_does_not_go_together_is_refused(void **state)
{
	static const struct {
		const char *argv[8];
		const char *says;
	} cases[] = {
		{ { "--replay", "/no/such.rec", "--dump", "text" }, "/no/such.rec: there is no such file" },
		{ { "--replay", "tests/unit/replay_test.c", "--dump", "text" }, "replay_test.c:1: this is no recording of slotdeck" },
		{ { "--replay", "x", "--demo" }, "--replay and --demo do not go together" },
		{ { "--record", "x", "--dump", "text" }, "--record and --dump do not go together" },
		{ { "--at", "end" }, "--at goes with --replay" },
		{ { "--replay", "x", "--replay-speed", "fast" }, "\"fast\" is no number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FREE char *said = run(cases[i].argv, 2);

		if (!strstr(said, cases[i].says))
			fail_msg("%s", said);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_of_ten_marks_is_the_same_in_every_replay_and_as_it_was),
		cmocka_unit_test(no_value_of_a_secret_reaches_the_file),
		cmocka_unit_test(a_recording_that_a_kill_cut_off_is_run_up_to_there),
		cmocka_unit_test(a_replay_looks_at_the_environments_when_the_session_did),
		cmocka_unit_test(a_replay_makes_no_connection),
		cmocka_unit_test(a_replay_runs_on_the_terminal_and_changes_nothing),
		cmocka_unit_test(a_person_pauses_a_replay_and_takes_it_over),
		cmocka_unit_test(what_is_no_recording_and_what_does_not_go_together_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
