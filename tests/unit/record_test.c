/* Recordings as files: what is masked on the way in, and how a file that is none, or half of one, is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/record.h"
#include "base/record_mask.h"
#include "base/recording.h"
#include "base/secret.h"

/* ---- what is masked ---- */

static char *masked(bool json, bool secret, const char *text, size_t piece)
{
	AUTO(record_mask) mask = record_mask_create(json, secret);
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	for (size_t at = 0, len = strlen(text); at < len; at += piece)
		record_mask_feed(mask, (struct str){ text + at, at + piece < len ? piece : len - at }, &out);
	record_mask_finish(mask, &out);
	return buf_give(&out);
}

/* However it is cut. */
static void check(bool json, bool secret, const char *text, const char *wanted)
{
	for (size_t piece = 1; piece <= strlen(text); piece += piece < 8 ? 1 : 13) {
		AUTO_FREE char *got = masked(json, secret, text, piece);

		assert_string_equal(got, wanted);
	}
}

static void values_of_secrets_are_masked_and_their_names_kept(void **state)
{
	(void)state;
	check(true, true, "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"db\"},\"data\":{\"user\":\"YQ==\",\"empty\":\"\"},\"stringData\":{\"p\":\"swordfish\"},\"type\":\"Opaque\"}",
	      "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"db\"},\"data\":{\"user\":\"Kioq\",\"empty\":\"\"},\"stringData\":{\"p\":\"***\"},\"type\":\"Opaque\"}");
	check(true, true, "{\"type\":\"ADDED\",\"object\":{\"data\":{\"a\":\"c3dvcmRmaXNo\"}}}\n{\"type\":\"MODIFIED\",\"object\":{\"data\":{\"a\":\"c3dvcmRmaXNo\"}}}\n",
	      "{\"type\":\"ADDED\",\"object\":{\"data\":{\"a\":\"Kioq\"}}}\n{\"type\":\"MODIFIED\",\"object\":{\"data\":{\"a\":\"Kioq\"}}}\n");
}

static void what_kubectl_kept_of_an_object_is_masked(void **state)
{
	(void)state;
	check(true, false, "{\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"{\\\"data\\\":{\\\"a\\\":\\\"swordfish\\\"}}\"}}",
	      "{\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"***\"}}");
}

static void text_under_a_name_that_speaks_of_a_secret_is_masked(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"clientSecret\":\"swordfish\",\"secretName\":\"db\"}", "{\"clientSecret\":\"***\",\"secretName\":\"db\"}" },
		{ "{\"env\":[{\"name\":\"DB_PASSWORD\",\"value\":\"swordfish\"},{\"name\":\"HOST\",\"value\":\"db\"}]}",
		  "{\"env\":[{\"name\":\"DB_PASSWORD\",\"value\":\"***\"},{\"name\":\"HOST\",\"value\":\"db\"}]}" },
		{ "{\"args\":[\"--api-key\",\"swordfish\",\"--verbose\"]}", "{\"args\":[\"--api-key\",\"***\",\"--verbose\"]}" },
		{ "{\"args\":[\"--password=swordfish\"]}", "{\"args\":[\"--password=***\"]}" },
		{ "{\"command\":[\"sh\",\"-c\",\"mysql --password swordfish -h db\"]}", "{\"command\":[\"sh\",\"-c\",\"mysql --password *** -h db\"]}" },
		{ "{\"data\":{\"app.conf\":\"db.password=swordfish\\nhost=db\",\"x\":\"{\\\"token\\\":\\\"swordfish\\\"}\"}}",
		  "{\"data\":{\"app.conf\":\"db.password=***\\nhost=db\",\"x\":\"{\\\"token\\\":\\\"***\\\"}\"}}" },
		{ "{\"url\":\"postgres://shop:swordfish@db:5432/shop\"}", "{\"url\":\"postgres://***@db:5432/shop\"}" },
		{ "{\"m\":\"secret \\\"app-db\\\" not found\",\"n\":[1,true,null,-2.5]}", "{\"m\":\"secret \\\"app-db\\\" not found\",\"n\":[1,true,null,-2.5]}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(true, false, cases[i][0], cases[i][1]);
}

static void secrets_in_lines_of_a_log_are_masked(void **state)
{
	static const char *const cases[][2] = {
		{ "connect to https://bot:swordfish@git.example.test/x\n", "connect to https://***@git.example.test/x\n" },
		{ "> Authorization: Bearer abcdef0123456789\n", "> Authorization: Bearer ***\n" },
		{ "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl ok\n", "jwt *** ok\n" },
		{ "PASSWORD=swordfish", "PASSWORD=***" },
		{ "GET http://db:5432/ 200 in 5 ms\n", "GET http://db:5432/ 200 in 5 ms\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(false, false, cases[i][0], cases[i][1]);
}

static void the_programs_own_secrets_are_masked_wherever_they_stand(void **state)
{
	AUTO_RELEASE(secret) own = { 0 };

	(void)state;
	secret_set(&own, STR("q9-live-credential"));
	check(true, false, "{\"message\":\"got q9-live-credential from it\"}", "{\"message\":\"got *** from it\"}");
	check(false, false, "got q9-live-credential from it\n", "got *** from it\n");
}

/* ---- the file ---- */

struct place {
	char folder[32];
	char *path;
};

static void make_place(struct place *place)
{
	*place = (struct place){ .folder = "/tmp/record-XXXXXX" };
	assert_non_null(mkdtemp(place->folder));
	place->path = xasprintf("%s/session.rec", place->folder);
}

static void remove_place(struct place *place)
{
	unlink(place->path);
	assert_int_equal(rmdir(place->folder), 0);
	free(place->path);
}

static void add_keys(struct recorder *recorder, int n)
{
	for (int i = 0; i < n; i++) {
		struct json_writer *w = record_begin(recorder, "key");

		if (!w)
			return;
		json_put_key(w, "key");
		json_put_int(w, 'a' + i % 26);
		record_end(recorder);
	}
}

static void make_recording(const char *path, int keys)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO(recorder) recorder = recorder_create(path, STR(",\"cluster\":\"demo\""), &err);

	assert_non_null(recorder);
	add_keys(recorder, keys);
}

static size_t count(const char *path, bool *ret_whole)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO(recording) recording = NULL;
	struct record record;
	size_t n = 0;

	if (!recording_open(path, &recording, &err))
		fail_msg("%s", err.message);
	while (recording_next(recording, &record, &err) && record.kind)
		n++;
	assert_int_equal(err.kind, ERR_NONE);
	*ret_whole = recording_is_whole(recording);
	return n;
}

static void a_recording_is_readable_by_its_owner_alone_and_is_read_back(void **state)
{
	struct place place;
	struct stat about;
	bool whole;

	(void)state;
	make_place(&place);
	umask(0);
	make_recording(place.path, 3);
	assert_int_equal(stat(place.path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	assert_int_equal(count(place.path, &whole), 4);
	assert_true(whole);
	remove_place(&place);
}

static void a_file_that_is_there_is_not_written_over(void **state)
{
	AUTO_RELEASE(error) err = { 0 };
	struct place place;

	(void)state;
	make_place(&place);
	make_recording(place.path, 1);
	assert_null(recorder_create(place.path, STR(""), &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
	remove_place(&place);
}

static void write_text(const char *path, struct str text)
{
	AUTO_RELEASE(error) err = { 0 };

	assert_true(file_write_atomic(path, text, 0600, &err));
}

static void a_recording_that_was_cut_off_anywhere_is_read_up_to_its_last_whole_record(void **state)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct place place;
	bool whole;

	(void)state;
	make_place(&place);
	make_recording(place.path, 20);
	assert_true(file_read(place.path, 0, &text, &err));
	size_t header = strcspn(text.p, "\n") + 1;

	for (size_t len = header; len < text.len; len++) {
		size_t lines = 0;

		for (size_t i = header; i < len; i++)
			lines += text.p[i] == '\n';
		write_text(place.path, (struct str){ text.p, len });
		assert_int_equal(count(place.path, &whole), lines);
		assert_false(whole);
	}
	remove_place(&place);
}

static void what_is_no_recording_is_told_with_file_and_line(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "session.rec:1: this is no recording: it is empty" },
		{ "{\"slotdeck\":\"recor", "session.rec:1: this is no recording: it is empty, or cut off" },
		{ "#!/bin/sh\n", "session.rec:1: this is no recording of slotdeck" },
		{ "{\"slotdeck\":\"history\",\"format\":1}\n", "session.rec:1: this is no recording of slotdeck" },
		{ "{\"slotdeck\":\"recording\",\"format\":7,\"program\":\"9.1\"}\n", "session.rec:1: a recording of format 7, made by slotdeck 9.1" },
		{ "{\"slotdeck\":\"recording\",\"format\":1}\n{\"t\":0,\"k\":\"key\"}\n{\"t\":1,\n{\"t\":2,\"k\":\"end\"}\n", "session.rec:3:" },
		{ "{\"slotdeck\":\"recording\",\"format\":1}\n{\"k\":\"key\"}\n", "session.rec:2: this is no record: it has no time" },
		{ "{\"slotdeck\":\"recording\",\"format\":1}\n{\"t\":9,\"k\":\"key\"}\n{\"t\":8,\"k\":\"key\"}\n", "session.rec:3: its time is before" },
	};
	struct place place;

	(void)state;
	make_place(&place);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_RELEASE(error) err = { 0 };
		AUTO(recording) recording = NULL;

		write_text(place.path, str_of(cases[i].text));
		assert_false(recording_open(place.path, &recording, &err));
		assert_int_equal(err.kind, ERR_INVALID);
		assert_non_null(strstr(err.message, cases[i].says));
	}
	remove_place(&place);
	AUTO_RELEASE(error) err = { 0 };
	AUTO(recording) recording = NULL;

	assert_false(recording_open("/no/such/file", &recording, &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_false(recording_open("/dev/null", &recording, &err));
	assert_int_equal(err.kind, ERR_INVALID);
}

static void a_full_disk_stops_the_recording_and_says_so_once(void **state)
{
	AUTO_RELEASE(error) err = { 0 };
	struct rlimit before, limit;
	struct place place;
	bool whole;

	(void)state;
	make_place(&place);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){ 4096, before.rlim_max };
	struct recorder *recorder = recorder_create(place.path, STR(""), &err);

	assert_non_null(recorder);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	while (!record_trouble(recorder, &err))
		add_keys(recorder, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(err.message, "session.rec: "));
	assert_false(record_trouble(recorder, &err));
	assert_null(record_begin(recorder, "key"));
	recorder_destroy(recorder);
	assert_true(count(place.path, &whole) > 50);
	assert_false(whole);
	remove_place(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_of_secrets_are_masked_and_their_names_kept),
		cmocka_unit_test(what_kubectl_kept_of_an_object_is_masked),
		cmocka_unit_test(text_under_a_name_that_speaks_of_a_secret_is_masked),
		cmocka_unit_test(secrets_in_lines_of_a_log_are_masked),
		cmocka_unit_test(the_programs_own_secrets_are_masked_wherever_they_stand),
		cmocka_unit_test(a_recording_is_readable_by_its_owner_alone_and_is_read_back),
		cmocka_unit_test(a_file_that_is_there_is_not_written_over),
		cmocka_unit_test(a_recording_that_was_cut_off_anywhere_is_read_up_to_its_last_whole_record),
		cmocka_unit_test(what_is_no_recording_is_told_with_file_and_line),
		cmocka_unit_test(a_full_disk_stops_the_recording_and_says_so_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
