#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"

static void check_string(struct str text, const char *want)
{
	AUTO(yaml_doc) doc = yaml_doc_create();
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	yaml_map_set_string(doc->arena, doc->root, "k", text);
	yaml_emit_document(&out, doc->root, true);
	assert_string_equal(buf_cstr(&out), want);

	/* Whatever the style, it is read back as the same string. */
	AUTO_RELEASE(error) err = { 0 };
	struct yaml_doc *read;

	if (!yaml_read(buf_str(&out), NULL, NULL, &read, &err))
		fail_msg("%s in %s", err.message, want);
	AUTO(yaml_doc) again = read;
	struct str back;

	assert_true(yaml_is_string(yaml_map_get(again->root, "k"), &back));
	assert_true(str_eq(back, text));
}

static void texts_get_the_style_they_need(void **state)
{
	(void)state;
	static const struct {
		struct str text;
		const char *want;
	} table[] = {
#define ROW(text, want) { { text, sizeof(text) - 1 }, "k: " want "\n" }
		ROW("web", "web"),
		ROW("", "\"\""),
		ROW("true", "\"true\""),
		ROW("yes", "\"yes\""),
		ROW("y", "\"y\""),
		ROW("0644", "\"0644\""),
		ROW("1e3", "\"1e3\""),
		ROW("12:30", "\"12:30\""),
		ROW("2020-01-01", "\"2020-01-01\""),
		ROW("1.2.3", "1.2.3"),
		ROW("nan", "nan"),
		ROW("<<", "<<"),
		ROW("-", "'-'"),
		ROW("--", "--"),
		ROW("---", "'---'"),
		ROW("-a", "-a"),
		ROW(":a", ":a"),
		ROW("a:", "'a:'"),
		ROW("a: b", "'a: b'"),
		ROW("a #b", "'a #b'"),
		ROW("a#b", "a#b"),
		ROW("#a", "'#a'"),
		ROW("it's", "it's"),
		ROW("it's: x", "'it''s: x'"),
		ROW(" a", "' a'"),
		ROW("a ", "'a '"),
		ROW("a\tb", "\"a\\tb\""),
		ROW("\xf0\x9f\x98\x80", "\"\\U0001F600\""),
		ROW("\xd0\x96", "\xd0\x96"),
		ROW("\xef\xbb\xbf" "ab", "\"\\uFEFF\\x61\\x62\""),
		ROW("a\r\nb", "\"a\\r\\nb\""),
		ROW("a\0b", "\"a\\0b\""),
		ROW("\xff\xfe", "!!binary //4="),
#undef ROW
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		check_string(table[i].text, table[i].want);
}

static void texts_of_lines_become_blocks(void **state)
{
	(void)state;
	check_string(STR("a\nb"), "k: |-\n  a\n  b\n");
	check_string(STR("a\n\nb\n"), "k: |\n  a\n\n  b\n");
	check_string(STR("a\n\n"), "k: |+\n  a\n\n");
	check_string(STR("  a\nb"), "k: |2-\n    a\n  b\n");
	check_string(STR("a \nb"), "k: \"a \\nb\"\n");
	check_string(STR("a\nb "), "k: \"a\\nb \"\n");
}

static void texts_that_the_original_spoils_read_back(void **state)
{
	(void)state;
	check_string(STR("\na"), "k: \"\\na\"\n");
	check_string(STR("\n"), "k: |2+\n\n");
	check_string(STR("\n\n"), "k: |2+\n\n\n");
	check_string(STR("\ta\nb"), "k: \"\\ta\\nb\"\n");
}

static void a_quoted_merge_word_stays_a_plain_key(void **state)
{
	(void)state;
	AUTO(yaml_doc) doc = yaml_doc_create();
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	yaml_map_set_string(doc->arena, doc->root, "<<", STR("x"));
	yaml_emit_document(&out, doc->root, true);
	assert_string_equal(buf_cstr(&out), "\"<<\": x\n");
}

static void long_and_many_line_keys_are_explicit(void **state)
{
	(void)state;
	AUTO(yaml_doc) doc = yaml_doc_create();
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(buf) want = BUF_INIT(0);
	char key[130];

	memset(key, 'a', 129);
	key[128] = '\0';
	yaml_map_set_string(doc->arena, doc->root, key, STR("x"));
	buf_addf(&want, "%s: x\n? ", key);
	key[128] = 'a';
	key[129] = '\0';
	buf_addf(&want, "%s\n: - \"y\"\n? |-\n  b\n  c\n: d: {}\n", key);
	struct yaml_node *list = yaml_new_seq(doc->arena), *map = yaml_new_map(doc->arena);

	yaml_seq_push(doc->arena, list, yaml_new_string(doc->arena, STR("y")));
	yaml_map_set(doc->arena, doc->root, key, list);
	yaml_map_set(doc->arena, map, "d", yaml_new_map(doc->arena));
	yaml_map_set(doc->arena, doc->root, "b\nc", map);
	yaml_emit_document(&out, doc->root, true);
	assert_string_equal(buf_cstr(&out), buf_cstr(&want));
}

static void keys_are_sorted_as_the_original_does(void **state)
{
	(void)state;
	static const char *const order[] = { "", "-x", "<<", "~", "1", "2", "10", "A1", "B", "a b", "a-1", "a_1", "a1", "a1b",
					     "a01", "a9", "a10", "a010", "apiVersion", "b", "data", "metadata", "\xc3\xa9" };
	AUTO_RELEASE(buf) want = BUF_INIT(0);

	for (size_t start = 0; start < ARRAY_LEN(order); start++) {
		AUTO(yaml_doc) doc = yaml_doc_create();
		AUTO_RELEASE(buf) out = BUF_INIT(0);

		for (size_t i = 0; i < ARRAY_LEN(order); i++)
			yaml_map_set_string(doc->arena, doc->root, order[(start + i * 7) % ARRAY_LEN(order)], STR("v"));
		yaml_emit_document(&out, doc->root, true);
		if (!start)
			buf_add_str(&want, buf_str(&out));
		assert_string_equal(buf_cstr(&out), buf_cstr(&want));
		for (size_t i = 0; i < ARRAY_LEN(order); i++) {
			struct yaml_node *key = doc->root->map.pairs[i].key;

			if (!str_is(key->text, order[i]) && !str_is(key->text, "a010"))
				fail_msg("%zu: %.*s instead of %s", i, STR_ARG(key->text), order[i]);
		}
	}
}

static void numbers_of_keys_compare_by_value_then_kind(void **state)
{
	(void)state;
	AUTO_RELEASE(error) err = { 0 };
	struct yaml_doc *read;

	assert_true(yaml_read(STR("k: {b: 1, ~: 2, 2.5: 3, 10: 4, -1: 5, true: 6, 1: 7, false: 8, 18446744073709551615: 9}\n"),
			      NULL, NULL, &read, &err));
	AUTO(yaml_doc) doc = read;
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	assert_true(yaml_doc_make_generic(doc, NULL, NULL, &err));
	yaml_emit_document(&out, doc->root, true);
	assert_string_equal(buf_cstr(&out), "k:\n  -1: 5\n  false: 8\n  true: 6\n  1: 7\n  2.5: 3\n  10: 4\n"
					    "  18446744073709551615: 9\n  null: 2\n  b: 1\n");
}

static void many_keys_are_sorted_too(void **state)
{
	(void)state;
	AUTO(yaml_doc) doc = yaml_doc_create();
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(buf) want = BUF_INIT(0);

	for (int i = 0; i < 1000; i++) {
		char key[16];

		snprintf(key, sizeof key, "k%d", (i * 617) % 1000);
		yaml_map_set(doc->arena, doc->root, key, yaml_new_null(doc->arena));
		buf_addf(&want, "k%d: null\n", i);
	}
	yaml_emit_document(&out, doc->root, true);
	assert_string_equal(buf_cstr(&out), buf_cstr(&want));
}

static void floats_have_the_fewest_digits(void **state)
{
	(void)state;
	static const struct {
		double value;
		const char *want;
	} table[] = {
		{ 1.5, "1.5" },		  { 100000.0, "100000" },   { 123456.7, "123456.7" }, { 1234567.5, "1.2345675e+06" },
		{ 1e6, "1e+06" },	  { 3e10, "3e+10" },	    { 1e20, "1e+20" },	      { 1e-4, "0.0001" },
		{ 0.00012345, "0.00012345" }, { 1e-5, "1e-05" },    { 0.1, "0.1" },	      { 0.3, "0.3" },
		{ -0.0, "-0" },		  { 5e-324, "5e-324" },	    { INFINITY, ".inf" },     { -INFINITY, "-.inf" },
		{ NAN, ".nan" },	  { 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ 5.684341886080802e-14, "5.684341886080802e-14" }, { 9007199254740993.0, "9.007199254740992e+15" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_RELEASE(buf) out = BUF_INIT(0);

		yaml_format_float(&out, table[i].value);
		assert_string_equal(buf_cstr(&out), table[i].want);
	}
}

static void times_keep_their_zone(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} table[] = {
		{ "2001-12-14t21:59:43.10-05:00", "2001-12-14T21:59:43.1-05:00" },
		{ "2001-12-14 21:59:43.123456789", "2001-12-14T21:59:43.123456789Z" },
		{ "2000-2-29", "2000-02-29T00:00:00Z" },
		{ "0000-01-01", "0000-01-01T00:00:00Z" },
		{ "9999-12-31T23:59:59+14:00", "9999-12-31T23:59:59+14:00" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_RELEASE(buf) out = BUF_INIT(0);
		struct yaml_node node = { 0 };

		assert_int_equal(yaml_resolve(str_of(table[i].text), &node), YAML_TIMESTAMP);
		yaml_format_time(&out, node.time);
		assert_string_equal(buf_cstr(&out), table[i].want);
	}
	assert_int_equal(yaml_resolve(STR("2001-02-29"), NULL), YAML_STRING);
	assert_int_equal(yaml_resolve(STR("2001-13-01"), NULL), YAML_STRING);
}

static void json_keeps_order_and_types(void **state)
{
	(void)state;
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct yaml_doc *read;

	assert_true(yaml_read(STR("z: [1, 1.5, 1e21, true, ~, \"q\\\"\", 2020-01-01, {}, []]\na: {80: x, b: -0.0}\n"
				  "u: 18446744073709551615\n"),
			      NULL, NULL, &read, &err));
	AUTO(yaml_doc) doc = read;

	assert_true(yaml_doc_make_generic(doc, NULL, NULL, &err));
	assert_true(yaml_to_json(doc->root, &out, &err));
	assert_string_equal(buf_cstr(&out), "{\"z\":[1,1.5,1e+21,true,null,\"q\\\"\",\"2020-01-01T00:00:00Z\",{},[]],"
					    "\"a\":{\"80\":\"x\",\"b\":-0},\"u\":18446744073709551615}");
}

static void json_cannot_hold_everything(void **state)
{
	(void)state;
	static const char *const texts[] = { "k: .nan\n", "k: .inf\n", "k: !!binary /w==\n" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_RELEASE(error) err = { 0 };
		AUTO_RELEASE(buf) out = BUF_INIT(0);
		struct yaml_doc *read;

		assert_true(yaml_read(str_of(texts[i]), NULL, NULL, &read, &err));
		AUTO(yaml_doc) doc = read;

		assert_false(yaml_to_json(doc->root, &out, &err));
		assert_true(strncmp(err.message, "line 1, column 4: ", 18) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_get_the_style_they_need),
		cmocka_unit_test(texts_of_lines_become_blocks),
		cmocka_unit_test(texts_that_the_original_spoils_read_back),
		cmocka_unit_test(a_quoted_merge_word_stays_a_plain_key),
		cmocka_unit_test(long_and_many_line_keys_are_explicit),
		cmocka_unit_test(keys_are_sorted_as_the_original_does),
		cmocka_unit_test(numbers_of_keys_compare_by_value_then_kind),
		cmocka_unit_test(many_keys_are_sorted_too),
		cmocka_unit_test(floats_have_the_fewest_digits),
		cmocka_unit_test(times_keep_their_zone),
		cmocka_unit_test(json_keeps_order_and_types),
		cmocka_unit_test(json_cannot_hold_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
