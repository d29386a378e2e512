#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* ---- the reader ---- */

/* Feeds text in pieces of piece bytes, the first one of first bytes; gives the objects, one a line. */
static bool cut(enum json_stream stream, struct str text, size_t first, size_t piece, size_t max, struct buf *out,
		struct buf *envelope, struct error *err)
{
	AUTO(json_reader) r = json_reader_create(stream, max);
	size_t at = 0, len = first;

	while (at < text.len) {
		if (len > text.len - at)
			len = text.len - at;
		AUTO_FREE char *copy = xmemdup0(text.p + at, len); /* so that reading past the end is seen */
		struct str object;

		json_reader_feed(r, (struct str){ copy, len });
		do {
			if (!json_reader_next(r, &object, err))
				return false;
			if (object.p) {
				buf_add_str(out, object);
				buf_addc(out, '\n');
			}
		} while (object.p);
		at += len;
		len = piece;
	}
	if (!json_reader_finish(r, err))
		return false;
	buf_add_str(envelope, json_reader_envelope(r));
	return true;
}

static void check_every_cut(enum json_stream stream, struct str text, const char *want, const char *want_envelope)
{
	for (size_t first = 1; first <= text.len; first++) {
		for (size_t piece = 1; piece <= text.len; piece = piece == 1 ? 7 : text.len + 1) {
			AUTO_RELEASE(buf) out = BUF_INIT(0);
			AUTO_RELEASE(buf) envelope = BUF_INIT(0);
			AUTO_RELEASE(error) err = { 0 };

			assert_true(cut(stream, text, first, piece, 1000, &out, &envelope, &err));
			assert_string_equal(buf_cstr(&out), want);
			assert_string_equal(buf_cstr(&envelope), want_envelope);
		}
	}
}

static void a_watch_is_cut_into_events_wherever_the_chunks_end(void **state)
{
	(void)state;
	check_every_cut(JSON_SEQUENCE,
			STR("{\"type\":\"ADDED\",\"object\":{\"a\":[1,{\"b\":\"}]\\\"\\\\\"}]}}\n{}\r\n {\"x\":\"\xd1\x8f\"}{\"y\":2}\n"),
			"{\"type\":\"ADDED\",\"object\":{\"a\":[1,{\"b\":\"}]\\\"\\\\\"}]}}\n{}\n{\"x\":\"\xd1\x8f\"}\n{\"y\":2}\n",
			"");
}

static void a_list_is_cut_into_items_wherever_the_chunks_end(void **state)
{
	(void)state;
	check_every_cut(JSON_LIST,
			STR("{\"kind\":\"PodList\",\"metadata\":{\"x\":[1],\"items\":[9]},\"y\":[\"items\"],"
			    "\"items\" : [ {\"n\":\"[1]\"} , {\"m\":{\"items\":[2]}} ],\"z\":{\"items\":[3]}} \n"),
			"{\"n\":\"[1]\"}\n{\"m\":{\"items\":[2]}}\n",
			"{\"kind\":\"PodList\",\"metadata\":{\"x\":[1],\"items\":[9]},\"y\":[\"items\"],"
			"\"items\" : [],\"z\":{\"items\":[3]}}");
}

static void a_table_is_cut_into_rows(void **state)
{
	(void)state;
	check_every_cut(JSON_LIST,
			STR("{\"kind\":\"Table\",\"columnDefinitions\":[{\"name\":\"rows\"}],\"rows\":[{\"cells\":[\"a\",1]},{\"cells\":[]}]}"),
			"{\"cells\":[\"a\",1]}\n{\"cells\":[]}\n",
			"{\"kind\":\"Table\",\"columnDefinitions\":[{\"name\":\"rows\"}],\"rows\":[]}");
}

static void lists_without_items_are_their_envelope(void **state)
{
	(void)state;
	check_every_cut(JSON_LIST, STR("{\"kind\":\"Status\",\"code\":410}"), "", "{\"kind\":\"Status\",\"code\":410}");
	check_every_cut(JSON_LIST, STR("{\"items\":null,\"a\":\"items\"}"), "", "{\"items\":null,\"a\":\"items\"}");
	check_every_cut(JSON_LIST, STR("{\"items\":[],\"a\":[]}"), "", "{\"items\":[],\"a\":[]}");
}

static bool cut_whole(enum json_stream stream, struct str text, size_t max, struct error *err)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(buf) envelope = BUF_INIT(0);

	return cut(stream, text, text.len, 1, max, &out, &envelope, err);
}

static void a_stream_that_ends_inside_of_a_value_is_told(void **state)
{
	(void)state;
	const struct str list = STR("{\"items\":[{\"a\":1},{\"b\":\"x\"}]}");
	const struct str event = STR("{\"a\":[\"\\\"\"]}");

	for (size_t len = 0; len < list.len; len++) {
		AUTO_RELEASE(error) err = { 0 };

		assert_false(cut_whole(JSON_LIST, (struct str){ list.p, len }, 100, &err));
		assert_int_equal(err.kind, ERR_SERVER);
	}
	for (size_t len = 1; len < event.len; len++) {
		AUTO_RELEASE(error) err = { 0 };

		assert_false(cut_whole(JSON_SEQUENCE, (struct str){ event.p, len }, 100, &err));
		assert_int_equal(err.kind, ERR_SERVER);
	}
}

static void text_that_is_no_json_is_refused_with_its_place(void **state)
{
	(void)state;
	static const struct {
		enum json_stream stream;
		struct str text;
		const char *want;
	} table[] = {
		{ JSON_SEQUENCE, { "{}x", 3 }, "byte 2: not the expected JSON: unexpected 'x'" },
		{ JSON_SEQUENCE, { "<html>", 6 }, "byte 0: not the expected JSON: unexpected '<'" },
		{ JSON_SEQUENCE, { "{}\0", 3 }, "byte 2: not the expected JSON: unexpected byte 0x00" },
		{ JSON_SEQUENCE, { "{\"a\":[}", 7 }, "byte 6: not the expected JSON: unexpected '}'" },
		{ JSON_LIST, { "[]", 2 }, "byte 0: not the expected JSON: unexpected '['" },
		{ JSON_LIST, { "{\"items\":[1]}", 13 }, "byte 10: not the expected JSON: unexpected '1'" },
		{ JSON_LIST, { "{\"items\":[{},]}", 15 }, "byte 13: not the expected JSON: unexpected ']'" },
		{ JSON_LIST, { "{\"items\":[{}{}]}", 16 }, "byte 12: not the expected JSON: unexpected '{'" },
		{ JSON_LIST, { "{\"items\":[]}{", 13 }, "byte 12: not the expected JSON: unexpected '{'" },
		{ JSON_LIST, { "", 0 }, "empty, where JSON was expected" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_RELEASE(error) err = { 0 };

		assert_false(cut_whole(table[i].stream, table[i].text, 100, &err));
		assert_string_equal(err.message, table[i].want);
	}
}

static void large_and_deep_objects_are_refused(void **state)
{
	(void)state;
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) deep = BUF_INIT(0);

	assert_true(cut_whole(JSON_SEQUENCE, STR("{\"a\":\"12\"}"), 10, &err));
	assert_false(cut_whole(JSON_SEQUENCE, STR("{\"a\":\"123\"}"), 10, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	for (int i = 0; i < 10000; i++)
		buf_adds(&deep, "{\"a\":");
	assert_false(cut_whole(JSON_SEQUENCE, buf_str(&deep), 1 << 20, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void a_failed_reader_stays_failed_until_reset(void **state)
{
	(void)state;
	AUTO(json_reader) r = json_reader_create(JSON_SEQUENCE, 100);
	AUTO_RELEASE(error) err = { 0 };
	struct str object;

	json_reader_feed(r, STR("x"));
	assert_false(json_reader_next(r, &object, &err));
	json_reader_feed(r, STR("{}"));
	assert_false(json_reader_next(r, &object, &err));
	assert_false(json_reader_finish(r, &err));
	json_reader_reset(r, JSON_SEQUENCE);
	json_reader_feed(r, STR("{}"));
	assert_true(json_reader_next(r, &object, &err) && str_is(object, "{}"));
	assert_true(json_reader_next(r, &object, &err) && !object.p);
	assert_true(json_reader_finish(r, &err));
}

/* ---- the visitor ---- */

static bool show(const struct json_field *f, void *arg, struct error *err)
{
	struct buf *out = arg;

	(void)err;
	buf_addf(out, "%u%c", f->path, "0bns{["[f->kind]);
	buf_add_str(out, f->text);
	for (unsigned i = 0; i < JSON_MAX_WILDCARDS && f->at[i]; i++)
		buf_addf(out, "@%u", f->at[i]);
	if (f->key.len) {
		buf_addc(out, '/');
		buf_add_str(out, f->key);
	}
	buf_addc(out, ' ');
	return true;
}

static void check_visit(const char *const *paths, size_t n, struct str text, struct str want)
{
	AUTO(json_fields) fields = json_fields_create(paths, n);
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	if (!json_visit(fields, text, show, &out, &err))
		fail_msg("%s", err.message);
	if (!str_eq(buf_str(&out), want))
		fail_msg("got {%s} want {%.*s}", buf_cstr(&out), STR_ARG(want));
}

static void wanted_fields_are_found_and_others_passed(void **state)
{
	(void)state;
	static const char *const paths[] = { "metadata.name", "spec.replicas", "status.conditions[].type", "spec.on",
					     "status.none" };

	check_visit(paths, ARRAY_LEN(paths),
		    STR(" { \"spec\" : {\"on\":true,\"x\":[{\"name\":1},[]],\"replicas\": 3 }, \"metadata\":{\"y\":{},"
			"\"name\":\"web\"}, \"status\":{\"none\":null,\"conditions\":[{\"type\":\"A\"},{},{\"type\":\"C\",\"z\":1}]}} "),
		    STR("3btrue 1n3 0sweb 40null 2sA 2sC@2 "));
}

static void a_star_gives_the_name_and_meets_plain_names(void **state)
{
	(void)state;
	static const char *const paths[] = { "labels.*", "labels.app", "c.*.v[]", "c.x.v[]", "a[\"k8s.io/x\"]" };

	check_visit(paths, ARRAY_LEN(paths),
		    STR("{\"labels\":{\"app\":\"w\",\"t\\u002fq\":\"1\"},\"c\":{\"x\":{\"v\":[1,2]},\"y\":{\"v\":[3]}},"
			"\"a\":{\"k8s.io/x\":\"z\"}}"),
		    STR("0sw/app 1sw 0s1@1/t/q 2n1/x 3n1 2n2/x 3n2@1 2n3@1/y 4sz "));
}

static void a_path_may_end_at_an_object_that_another_leads_through(void **state)
{
	(void)state;
	static const char *const paths[] = { "a", "a.b", "a.c[]", "" };

	check_visit(paths, ARRAY_LEN(paths), STR("{\"a\":{\"b\":1,\"c\":[{},[]]}}"),
		    STR("1n1 2{{} 2[[]@1 0{{\"b\":1,\"c\":[{},[]]} 3{{\"a\":{\"b\":1,\"c\":[{},[]]}} "));
}

static void strings_are_decoded(void **state)
{
	(void)state;
	static const char *const paths[] = { "a", "b\"" };

	check_visit(paths, 1, STR("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\\ud83dx\\u0000\xff\"}"),
		    STR("0s\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx\0\xff "));
	check_visit(paths, 2, STR("{\"b\\\"\":1,\"\\u0061\":2}"), STR("1n1 0n2 "));
}

static void broken_json_is_refused_also_where_nothing_is_wanted(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"", "{", "[", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "[1,]", "[1 2]", "01",
		"1.", "-", "1e", "tru", "nul", "\"", "\"\\x\"", "\"\\u12g4\"", "\"\n\"", "{}{}", "[}", "{\"x\":{\"y\":[1,{]}}",
		"{\"x\":.5}", "{\"x\":+1}", "{\"x\" 1}", "\"\\",
	};
	static const char *const paths[] = { "a", "x" };
	AUTO(json_fields) some = json_fields_create(paths, 2);
	AUTO(json_fields) none = json_fields_create(NULL, 0);

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_RELEASE(error) err = { 0 };
		AUTO_RELEASE(buf) out = BUF_INIT(0);
		size_t len = strlen(texts[i]);
		AUTO_FREE char *copy = malloc(len + !len);

		memcpy(copy, texts[i], len);
		if (json_visit(none, (struct str){ copy, len }, show, &out, &err) ||
		    json_visit(some, (struct str){ copy, len }, show, &out, &err))
			fail_msg("accepted %s", texts[i]);
		assert_int_equal(err.kind, ERR_SERVER);
	}
}

static void every_cut_of_an_object_is_an_error(void **state)
{
	(void)state;
	static const char *const paths[] = { "a[].b", "c" };
	const struct str text = STR("{\"a\":[{\"b\":\"\\u00e9\\n\"},null,-1.5e+3],\"c\":true,\"d\":{\"e\":[false]}}");
	AUTO(json_fields) fields = json_fields_create(paths, 2);

	for (size_t len = 0; len < text.len; len++) {
		AUTO_RELEASE(error) err = { 0 };
		AUTO_RELEASE(buf) out = BUF_INIT(0);
		AUTO_FREE char *copy = malloc(len + 1);

		memcpy(copy, text.p, len);
		copy = realloc(copy, len ? len : 1);
		assert_false(json_visit(fields, (struct str){ copy, len }, show, &out, &err));
	}
}

static bool refuse(const struct json_field *f, void *arg, struct error *err)
{
	(void)f;
	(void)arg;
	return error_set(err, ERR_BUG, "enough");
}

static void a_callback_can_stop_the_visit(void **state)
{
	(void)state;
	static const char *const paths[] = { "a" };
	AUTO(json_fields) fields = json_fields_create(paths, 1);
	AUTO_RELEASE(error) err = { 0 };

	assert_false(json_visit(fields, STR("{\"a\":1}"), refuse, NULL, &err));
	assert_string_equal(err.message, "enough");
}

static void deep_nesting_is_refused(void **state)
{
	(void)state;
	AUTO(json_fields) none = json_fields_create(NULL, 0);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) deep = BUF_INIT(0);

	buf_add_repeat(&deep, '[', 10000);
	assert_false(json_visit(none, buf_str(&deep), show, NULL, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void numbers_are_read_when_they_fit(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		int64_t value;
	} table[] = {
		{ "0", true, 0 },     { "-7", true, -7 }, { "9223372036854775807", true, INT64_MAX },
		{ "1.0", false, 0 },  { "1e3", false, 0 }, { "9223372036854775808", false, 0 },
		{ "123456789012345678901234567890123", false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct json_field f = { .kind = JSON_IS_NUMBER, .text = str_of(table[i].text) };
		int64_t value = 0;

		assert_int_equal(json_field_int(&f, &value), table[i].ok);
		assert_int_equal(value, table[i].value);
	}
}

/* ---- the writer ---- */

static void strings_are_escaped(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	json_write_string(&out, STR("a\"\\/\b\f\n\r\t\x01\x7f\xc3\xa9\xff\xf0\x9f\x98\x80\0z"));
	assert_string_equal(buf_cstr(&out),
			    "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\x7f\xc3\xa9\xef\xbf\xbd\xf0\x9f\x98\x80\\u0000z\"");
}

static void the_writer_places_commas(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct json_writer w = JSON_WRITER_INIT(&out);

	json_put_object(&w);
	json_put_key(&w, "a");
	json_put_array(&w);
	json_put_int(&w, -1);
	json_put_bool(&w, true);
	json_put_null(&w);
	json_put_object(&w);
	json_put_end_object(&w);
	json_put_array(&w);
	json_put_end_array(&w);
	json_put_end_array(&w);
	json_put_key(&w, "b");
	json_put_text(&w, NULL);
	json_put_key(&w, "c");
	json_put_raw(&w, STR("[1]"));
	json_put_end_object(&w);
	assert_string_equal(buf_cstr(&out), "{\"a\":[-1,true,null,{},[]],\"b\":null,\"c\":[1]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_watch_is_cut_into_events_wherever_the_chunks_end),
		cmocka_unit_test(a_list_is_cut_into_items_wherever_the_chunks_end),
		cmocka_unit_test(a_table_is_cut_into_rows),
		cmocka_unit_test(lists_without_items_are_their_envelope),
		cmocka_unit_test(a_stream_that_ends_inside_of_a_value_is_told),
		cmocka_unit_test(text_that_is_no_json_is_refused_with_its_place),
		cmocka_unit_test(large_and_deep_objects_are_refused),
		cmocka_unit_test(a_failed_reader_stays_failed_until_reset),
		cmocka_unit_test(wanted_fields_are_found_and_others_passed),
		cmocka_unit_test(a_star_gives_the_name_and_meets_plain_names),
		cmocka_unit_test(a_path_may_end_at_an_object_that_another_leads_through),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(broken_json_is_refused_also_where_nothing_is_wanted),
		cmocka_unit_test(every_cut_of_an_object_is_an_error),
		cmocka_unit_test(a_callback_can_stop_the_visit),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(numbers_are_read_when_they_fit),
		cmocka_unit_test(strings_are_escaped),
		cmocka_unit_test(the_writer_places_commas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
