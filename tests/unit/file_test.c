#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "base/file.h"

/* A folder of its own for each test: root/inner/a.txt, and secret.txt beside root. */
static int make_tree(void **state)
{
	char *top = xstrdup("/tmp/slotdeck-file-XXXXXX");
	AUTO_RELEASE(error) err = { 0 };

	if (!mkdtemp(top))
		return -1;
	AUTO_FREE char *inner = xasprintf("%s/root/inner", top);
	AUTO_FREE char *a = xasprintf("%s/a.txt", inner);
	AUTO_FREE char *secret = xasprintf("%s/secret.txt", top);

	assert_true(file_make_folders(inner, 0755, &err));
	assert_true(file_write_atomic(a, STR("hello"), 0644, &err));
	assert_true(file_write_atomic(secret, STR("outside"), 0644, &err));
	*state = top;
	return 0;
}

static int remove_tree(void **state)
{
	AUTO_FREE char *command = xasprintf("rm -rf '%s'", (char *)*state);

	free(*state);
	return system(command);
}

static char *in(void **state, const char *path)
{
	return xasprintf("%s/%s", (char *)*state, path);
}

static void link_to(void **state, const char *target, const char *path)
{
	AUTO_FREE char *at = in(state, path);

	assert_int_equal(symlink(target, at), 0);
}

static void a_regular_file_is_read_whole(void **state)
{
	AUTO_FREE char *path = in(state, "root/inner/a.txt");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	assert_true(file_read(path, 0, &text, &err));
	assert_string_equal(buf_cstr(&text), "hello");
	assert_true(file_read("/proc/self/status", 0, &text, &err));
	assert_true(text.len > 10);
}

static void a_named_pipe_is_refused_without_waiting(void **state)
{
	AUTO_FREE char *path = in(state, "pipe");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(file_read(path, 0, &text, &err));
	assert_int_equal(err.kind, ERR_INVALID);
	assert_non_null(strstr(err.message, "is a named pipe"));
	assert_false(file_read(*state, 0, &text, &err));
	assert_non_null(strstr(err.message, "is a folder"));
}

static void a_file_over_the_limit_is_refused(void **state)
{
	AUTO_FREE char *path = in(state, "root/inner/a.txt");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	assert_false(file_read(path, 4, &text, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_false(file_read("/dev/zero", 0, &text, &err));
	assert_false(file_read("/proc/self/status", 4, &text, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void a_missing_file_is_not_found(void **state)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_false(file_read("/nonexistent/services.yaml", 0, &text, &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.message, "/nonexistent/services.yaml: No such file or directory");
}

static void expect_below(void **state, const char *path, enum err_kind kind)
{
	AUTO_FREE char *root = in(state, "root");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	if (file_read_below(root, path, 0, &text, &err) != (kind == ERR_NONE) || err.kind != kind)
		fail_msg("%s: kind %s, %s", path, error_kind_name(err.kind), err.message ? err.message : text.p);
	if (kind == ERR_NONE)
		assert_string_equal(buf_cstr(&text), "hello");
}

static void check_paths_below_a_root(void **state)
{
	AUTO_FREE char *absolute = in(state, "root/inner/a.txt");

	link_to(state, "a.txt", "root/inner/same");
	link_to(state, "../inner/a.txt", "root/inner/round");
	link_to(state, "../../secret.txt", "root/inner/out");
	link_to(state, "..", "root/up");
	link_to(state, "inner", "root/in");
	link_to(state, "/etc/passwd", "root/absolute");
	link_to(state, "loop", "root/loop");

	expect_below(state, "inner/a.txt", ERR_NONE);
	expect_below(state, "./inner//a.txt", ERR_NONE);
	expect_below(state, "inner/../inner/a.txt", ERR_NONE);
	expect_below(state, "in/a.txt", ERR_NONE);
	expect_below(state, "inner/same", ERR_NONE);
	expect_below(state, "inner/round", ERR_NONE);
	expect_below(state, "../secret.txt", ERR_DENIED);
	expect_below(state, "inner/../../secret.txt", ERR_DENIED);
	expect_below(state, "inner/out", ERR_DENIED);
	expect_below(state, "up/secret.txt", ERR_DENIED);
	expect_below(state, "absolute", ERR_DENIED);
	expect_below(state, absolute, ERR_DENIED);
	expect_below(state, "loop", ERR_IO);
	expect_below(state, "inner/none", ERR_NOT_FOUND);
	expect_below(state, "inner", ERR_INVALID);
}

static void no_path_or_link_leads_out_of_the_root(void **state)
{
	check_paths_below_a_root(state);
}

static void the_walk_without_openat2_decides_the_same(void **state)
{
	setenv("SLOTDECK_TEST_NO_OPENAT2", "1", 1);
	check_paths_below_a_root(state);
	unsetenv("SLOTDECK_TEST_NO_OPENAT2");
}

static void a_full_disk_leaves_the_old_file_and_no_temporary(void **state)
{
	AUTO_FREE char *path = in(state, "root/inner/a.txt");
	AUTO_FREE char *list = xasprintf("test \"$(ls %s/root/inner)\" = a.txt", (char *)*state);
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *large = xcalloc(1, 100000);
	struct rlimit old, small;

	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){ 1000, old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	bool written = file_write_atomic(path, (struct str){ large, 100000 }, 0644, &err);

	setrlimit(RLIMIT_FSIZE, &old);
	assert_false(written);
	assert_int_equal(err.kind, ERR_IO);
	assert_true(file_read(path, 0, &text, &err));
	assert_string_equal(buf_cstr(&text), "hello");
	assert_int_equal(system(list), 0);
}

static void writing_through_a_link_replaces_its_target(void **state)
{
	AUTO_FREE char *link = in(state, "link"), *target = in(state, "root/inner/a.txt");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	struct stat status;

	link_to(state, "root/inner/a.txt", "link");
	assert_true(file_write_atomic(link, STR("new"), 0600, &err));
	assert_true(file_read(target, 0, &text, &err));
	assert_string_equal(buf_cstr(&text), "new");
	assert_int_equal(lstat(link, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
}

static void paths_are_cleaned_as_go_does(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{ "", "." },
		{ "a//b/./c", "a/b/c" },
		{ "a/../b", "b" },
		{ "../a", "../a" },
		{ "../../a/..", "../.." },
		{ "/../a", "/a" },
		{ "/", "/" },
		{ "a/..", "." },
		{ "/a/b/../..", "/" },
		{ "a/b/", "a/b" },
		{ "./", "." },
		{ "a/../..", ".." },
		{ "..", ".." },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_FREE char *clean = path_clean(table[i].in);

		assert_string_equal(clean, table[i].out);
	}
	AUTO_FREE char *joined = path_join("a/b", "../c");
	AUTO_FREE char *folder = path_folder("a/b.txt"), *none = path_folder("b"), *top = path_folder("/b");

	assert_string_equal(joined, "a/c");
	assert_string_equal(folder, "a");
	assert_string_equal(none, ".");
	assert_string_equal(top, "/");
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(a_regular_file_is_read_whole),
		TREE_TEST(a_named_pipe_is_refused_without_waiting),
		TREE_TEST(a_file_over_the_limit_is_refused),
		cmocka_unit_test(a_missing_file_is_not_found),
		TREE_TEST(no_path_or_link_leads_out_of_the_root),
		TREE_TEST(the_walk_without_openat2_decides_the_same),
		TREE_TEST(a_full_disk_leaves_the_old_file_and_no_temporary),
		TREE_TEST(writing_through_a_link_replaces_its_target),
		cmocka_unit_test(paths_are_cleaned_as_go_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
