/* What a builder is sent: .dockerignore and the archive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "job/build_context.h"
#include "job/build_ignore.h"

/* ---- .dockerignore ---- */

static const struct {
	const char *ignore, *path;
	bool ignored;
} rules[] = {
	{ "", "a", false },
	{ "a", "a", true },
	{ "a", "a/b/c", true },
	{ "a", "ab", false },
	{ "a", "x/a", false },
	{ "/a", "a", true },
	{ "a/", "a/b", true },
	{ "./a/../b", "b", true },
	{ "  a  ", "a", true },
	{ "\xef\xbb\xbf" "a", "a", true },
	{ "a\r\n", "a", true },
	{ "# a\n#b", "#b", false },
	{ " #b", "#b", true },
	{ "*.md", "a.md", true },
	{ "*.md", "x/a.md", false },
	{ "*/*.md", "x/a.md", true },
	{ "**/*.md", "x/y/a.md", true },
	{ "**/*.md", "a.md", true },
	{ "**", "x/y", true },
	{ "a/**", "a/b/c", true },
	{ "a/**", "a", false },
	{ "a/**/z", "a/z", true },
	{ "a/**/z", "a/b/c/z", true },
	{ "a/**/z", "a/bz", false },
	{ "**/node_modules", "x/node_modules/y", true },
	{ "a?c", "abc", true },
	{ "a?c", "a/c", false },
	{ "a?c", "a\xc3\xa9" "c", true },
	{ "[a-c]x", "bx", true },
	{ "[a-c]x", "dx", false },
	{ "[^a-c]x", "dx", true },
	{ "a[[]b", "a[b", true },
	{ "[]x", "x", false },
	{ "a\\*", "a*", true },
	{ "a\\*", "ab", false },
	{ "a.c", "abc", false },
	{ ".", "a", false },
	{ "*\n!a", "a", false },
	{ "*\n!a", "b", true },
	{ "*\n!a/b", "a/b", false },
	{ "*\n!a/b", "a/c", true },
	{ "*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true },
	{ "*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false },
	{ "! a\n", "a", false },
};

static void the_last_pattern_that_matches_decides_as_in_docker(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		AUTO(build_ignore) ignore = NULL;
		AUTO_RELEASE(error) err = { 0 };

		if (strcmp(rules[i].ignore, "[]x") == 0) {
			assert_false(build_ignore_parse(str_of(rules[i].ignore), &ignore, &err));
			continue;
		}
		assert_true(build_ignore_parse(str_of(rules[i].ignore), &ignore, &err));
		if (build_ignore_matches(ignore, str_of(rules[i].path)) != rules[i].ignored)
			fail_msg("\"%s\" and %s", rules[i].ignore, rules[i].path);
	}
}

static void a_pattern_that_is_none_is_an_error_with_its_line(void **state)
{
	static const char *const wrong[] = { "a\n!", "a\n[b", "a\nb\\" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		AUTO(build_ignore) ignore = NULL;
		AUTO_RELEASE(error) err = { 0 };

		assert_false(build_ignore_parse(str_of(wrong[i]), &ignore, &err));
		assert_non_null(strstr(err.message, "line 2"));
	}
}

static void many_stars_cost_no_more_than_pattern_times_path(void **state)
{
	AUTO(build_ignore) ignore = NULL;
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) pattern = BUF_INIT(0), path = BUF_INIT(0);

	(void)state;
	for (int i = 0; i < 60; i++)
		buf_adds(&pattern, "**/*a*");
	buf_adds(&pattern, "z");
	for (int i = 0; i < 500; i++)
		buf_adds(&path, "aa/");
	buf_adds(&path, "y");
	assert_true(build_ignore_parse(buf_str(&pattern), &ignore, &err));
	assert_false(build_ignore_matches(ignore, buf_str(&path)));
}

/* ---- the archive ---- */

struct bed {
	char folder[40];
	char *context, *dockerfile;
	struct build_context *archive;
	struct buf bytes;
	struct error err;
};

static void put(const struct bed *bed, const char *path, const char *text)
{
	AUTO_FREE char *whole = path_join(bed->context, path), *folder = path_folder(whole);
	AUTO_RELEASE(error) err = { 0 };

	assert_true(file_make_folders(folder, 0755, &err));
	assert_true(file_write_atomic(whole, str_of(text), 0644, &err));
}

static struct bed bed_create(void)
{
	struct bed bed = { .folder = "/tmp/build-context-test-XXXXXX" };

	assert_non_null(mkdtemp(bed.folder));
	bed.context = path_join(bed.folder, "src");
	put(&bed, "Dockerfile", "FROM scratch\nCOPY . /\n");
	bed.dockerfile = path_join(bed.context, "Dockerfile");
	return bed;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
	(void)st, (void)type, (void)place;
	return remove(path);
}

static void bed_release(struct bed *bed)
{
	build_context_destroy(bed->archive);
	nftw(bed->folder, remove_one, 20, FTW_DEPTH | FTW_PHYS);
	free(bed->context);
	free(bed->dockerfile);
	buf_release(&bed->bytes);
	error_release(&bed->err);
}
DEFINE_AUTO_RELEASE(bed);

static bool pack(struct bed *bed, size_t piece)
{
	size_t before;

	build_context_destroy(GIVE(bed->archive));
	buf_reset(&bed->bytes);
	if (!build_context_open(bed->context, bed->dockerfile, NULL, &bed->archive, &bed->err))
		return false;
	do {
		before = bed->bytes.len;
		if (!build_context_read(bed->archive, piece, &bed->bytes, &bed->err))
			return false;
	} while (bed->bytes.len > before);
	assert_int_equal(bed->bytes.len, build_context_size_bytes(bed->archive));
	return true;
}

/* What tar says of the archive, without owner and time. */
static char *listing(const struct bed *bed)
{
	static const char *const argv[] = { "tar", "-tf", "-", "--quoting-style=literal", NULL };
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	if (!process_run(&(struct process_options){ .argv = argv, .stdin_text = buf_str(&bed->bytes), .max_output_bytes = 1 << 20 }, NULL, &result, &err))
		fail_msg("%s", err.message);
	assert_int_equal(result.exit_code, 0);
	return buf_give(&result.out);
}

static void the_archive_holds_what_is_not_ignored_in_order_and_the_mark_last(void **state)
{
	AUTO_RELEASE(bed) bed = bed_create();

	(void)state;
	put(&bed, ".dockerignore", "node_modules\n*.log\nlogs\n!logs/keep\n");
	put(&bed, "node_modules/x/y.js", "no");
	put(&bed, "a.log", "no");
	put(&bed, "logs/other", "no");
	put(&bed, "logs/keep", "yes");
	put(&bed, "b/c.js", "yes");
	assert_true(pack(&bed, 65536));
	AUTO_FREE char *told = listing(&bed);

	assert_string_equal(told, "context/\ncontext/.dockerignore\ncontext/Dockerfile\ncontext/b/\ncontext/b/c.js\ncontext/logs/\ncontext/logs/keep\n"
				  "Dockerfile\nwhole\n");
	assert_int_equal(build_context_files(bed.archive), 4);
}

static void an_ignored_folder_without_exceptions_in_it_leaves_nothing(void **state)
{
	AUTO_RELEASE(bed) bed = bed_create();

	(void)state;
	put(&bed, ".dockerignore", "*\n!b/c.js\n");
	put(&bed, "z/y/x", "no");
	put(&bed, "b/c.js", "yes");
	assert_true(pack(&bed, 65536));
	AUTO_FREE char *told = listing(&bed);

	assert_string_equal(told, "context/\ncontext/b/\ncontext/b/c.js\nDockerfile\nwhole\n");
}

static void a_dockerfile_with_an_ignore_file_of_its_own_takes_that(void **state)
{
	AUTO_RELEASE(bed) bed = bed_create();

	(void)state;
	put(&bed, ".dockerignore", "b\n");
	put(&bed, "Dockerfile.dockerignore", "a\n*ignore\n");
	put(&bed, "a", "no");
	put(&bed, "b", "yes");
	assert_true(pack(&bed, 65536));
	AUTO_FREE char *told = listing(&bed);

	assert_string_equal(told, "context/\ncontext/Dockerfile\ncontext/b\nDockerfile\nDockerfile.dockerignore\nwhole\n");
}

static void the_same_files_give_the_same_bytes_whatever_the_size_of_the_pieces(void **state)
{
	AUTO_RELEASE(bed) bed = bed_create();
	AUTO_RELEASE(buf) first = BUF_INIT(0), big = BUF_INIT(0);

	(void)state;
	buf_add_repeat(&big, 'x', 200000);
	put(&bed, "big", big.p);
	put(&bed, "empty", "");
	assert_true(pack(&bed, 65536));
	buf_add_str(&first, buf_str(&bed.bytes));
	assert_true(pack(&bed, 1000));
	assert_true(str_eq(buf_str(&first), buf_str(&bed.bytes)));
	build_context_rewind(bed.archive);
	buf_reset(&bed.bytes);
	assert_true(build_context_read(bed.archive, 10 << 20, &bed.bytes, &bed.err));
	assert_true(str_eq(buf_str(&first), buf_str(&bed.bytes)));
}

static void what_is_unpacked_is_what_was_packed(void **state)
{
	AUTO_RELEASE(bed) bed = bed_create();
	AUTO_RELEASE(buf) name = BUF_INIT(0);
	AUTO_FREE char *to = path_join(bed.folder, "out"), *unpacked = path_join(to, "context"), *link = path_join(bed.context, "link");
	const char *const unpack[] = { "tar", "-xpf", "-", "-C", to, NULL }, *const compare[] = { "diff", "-r", bed.context, unpacked, NULL };
	AUTO_RELEASE(process_result) result = { 0 };
	struct stat st;

	(void)state;
	buf_adds(&name, "long/");
	buf_add_repeat(&name, 'n', 150);
	buf_adds(&name, "/file");
	put(&bed, name.p, "deep");
	put(&bed, "run.sh", "#!/bin/sh\n");
	AUTO_FREE char *script = path_join(bed.context, "run.sh"), *there = path_join(unpacked, "run.sh"), *fifo = path_join(bed.context, "fifo");

	assert_int_equal(chmod(script, 0755), 0);
	assert_int_equal(symlink(name.p, link), 0);
	assert_int_equal(mkdir(to, 0755), 0);
	assert_true(pack(&bed, 4096));
	assert_true(process_run(&(struct process_options){ .argv = unpack, .stdin_text = buf_str(&bed.bytes) }, NULL, &result, &bed.err));
	assert_int_equal(result.exit_code, 0);
	process_result_release(&result);
	assert_true(process_run(&(struct process_options){ .argv = compare }, NULL, &result, &bed.err));
	assert_int_equal(result.exit_code, 0);
	assert_int_equal(stat(there, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(mkfifo(fifo, 0600), 0); /* not waited for, left out */
	assert_true(pack(&bed, 4096));
	AUTO_FREE char *told = listing(&bed);

	assert_null(strstr(told, "fifo"));
}

static void a_file_that_changes_while_it_is_read_is_an_error_that_names_it(void **state)
{
	AUTO_RELEASE(bed) bed = bed_create();

	(void)state;
	put(&bed, "data", "12345");
	assert_true(build_context_open(bed.context, bed.dockerfile, NULL, &bed.archive, &bed.err));
	put(&bed, "data", "123456");
	assert_false(build_context_read(bed.archive, 1 << 20, &bed.bytes, &bed.err));
	assert_non_null(strstr(bed.err.message, "data changed"));
}

static void what_is_missing_is_named(void **state)
{
	AUTO_RELEASE(bed) bed = bed_create();
	AUTO_FREE char *nowhere = path_join(bed.folder, "nowhere");

	(void)state;
	assert_false(build_context_open(nowhere, bed.dockerfile, NULL, &bed.archive, &bed.err));
	assert_non_null(strstr(bed.err.message, "nowhere"));
	assert_false(build_context_open(bed.context, nowhere, NULL, &bed.archive, &bed.err));
	assert_non_null(strstr(bed.err.message, "nowhere"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_pattern_that_matches_decides_as_in_docker),
		cmocka_unit_test(a_pattern_that_is_none_is_an_error_with_its_line),
		cmocka_unit_test(many_stars_cost_no_more_than_pattern_times_path),
		cmocka_unit_test(the_archive_holds_what_is_not_ignored_in_order_and_the_mark_last),
		cmocka_unit_test(an_ignored_folder_without_exceptions_in_it_leaves_nothing),
		cmocka_unit_test(a_dockerfile_with_an_ignore_file_of_its_own_takes_that),
		cmocka_unit_test(the_same_files_give_the_same_bytes_whatever_the_size_of_the_pieces),
		cmocka_unit_test(what_is_unpacked_is_what_was_packed),
		cmocka_unit_test(a_file_that_changes_while_it_is_read_is_an_error_that_names_it),
		cmocka_unit_test(what_is_missing_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
