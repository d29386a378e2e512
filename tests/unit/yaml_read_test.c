#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"

static struct yaml_doc *read_ok(const char *text)
{
	AUTO_RELEASE(error) err = { 0 };
	struct yaml_doc *doc = NULL;

	if (!yaml_read(str_of(text), "f.yaml", NULL, &doc, &err))
		fail_msg("%s", err.message);
	assert_non_null(doc);
	return doc;
}

/* All documents in generic form, written again; NULL with err on failure. */
static char *written(struct str text, const struct yaml_limits *limits, struct error *err)
{
	AUTO(yaml_stream) stream = yaml_stream_create(text, "f.yaml", limits);
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	for (bool first = true;; first = false) {
		struct yaml_doc *next;

		if (!yaml_stream_next(stream, &next, err))
			return NULL;
		if (!next)
			return buf_give(&out);
		AUTO(yaml_doc) doc = next;

		if (!yaml_doc_make_generic(doc, "f.yaml", NULL, err))
			return NULL;
		yaml_emit_document(&out, doc->root, first);
	}
}

static void check_written(const char *text, const char *want)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *got = written(str_of(text), NULL, &err);

	if (!got)
		fail_msg("%s", err.message);
	assert_string_equal(got, want);
}

static void check_error_of(struct str text, enum err_kind kind, const char *want)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *got = written(text, NULL, &err);

	if (got)
		fail_msg("accepted: %s", got);
	assert_string_equal(err.message, want);
	assert_int_equal(err.kind, kind);
}

static void check_error(const char *text, const char *want)
{
	check_error_of(str_of(text), ERR_INVALID, want);
}

static void nodes_know_their_place_text_and_kind(void **state)
{
	(void)state;
	AUTO(yaml_doc) doc = read_ok("# c\na: 0644\nb:\n  - 'x'\n  - ! y\n\xd1\x8f: {z: 1.10}\n");
	struct yaml_node *a = yaml_map_get(doc->root, "a"), *b = yaml_map_get(doc->root, "b");
	struct yaml_node *z = yaml_path(doc->root, "\xd1\x8f", "z", NULL);

	assert_int_equal(doc->root->map.pairs[0].key->line, 2);
	assert_int_equal(a->line, 2);
	assert_int_equal(a->column, 4);
	assert_int_equal(a->kind, YAML_INT);
	assert_int_equal(a->i, 420);
	assert_true(a->plain && str_is(a->text, "0644"));
	assert_int_equal(b->seq.n, 2);
	assert_int_equal(b->seq.items[0]->line, 4);
	assert_int_equal(b->seq.items[0]->column, 5);
	assert_false(b->seq.items[0]->plain);
	assert_int_equal(z->line, 6);
	assert_int_equal(z->column, 8); /* in characters */
	assert_int_equal(z->kind, YAML_FLOAT);
	assert_string_equal(z->text.p, "1.10");
}

static void byte_order_mark_and_crlf_are_read(void **state)
{
	(void)state;
	check_written("\xef\xbb\xbf" "a: |\r\n  x\r\n  y\r\nb: 1\r\n", "a: |\n  x\n  y\nb: 1\n");
	check_written("a: 1\n\xef\xbb\xbf" "b: '\xef\xbb\xbf'\n", "\"\\uFEFF\\x62\": \"\\uFEFF\"\na: 1\n");
}

static void documents_come_one_by_one(void **state)
{
	(void)state;
	AUTO(yaml_stream) stream = yaml_stream_create(STR("a: 1\n---\n# nothing\n---\nb: 2\n...\n"), NULL, NULL);
	AUTO_RELEASE(error) err = { 0 };
	static const unsigned kinds[] = { YAML_MAPPING, YAML_NULL, YAML_MAPPING };
	struct yaml_doc *doc;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		assert_true(yaml_stream_next(stream, &doc, &err));
		assert_int_equal(doc->root->kind, kinds[i]);
		yaml_doc_destroy(doc);
	}
	for (int i = 0; i < 2; i++) {
		assert_true(yaml_stream_next(stream, &doc, &err));
		assert_null(doc);
	}
	assert_true(yaml_read(STR(""), NULL, NULL, &doc, &err));
	assert_null(doc);
}

static void an_error_does_not_hide_the_documents_before(void **state)
{
	(void)state;
	AUTO(yaml_stream) stream = yaml_stream_create(STR("a: 1\n---\nb: [\n---\nc: 1\n"), "f", NULL);
	AUTO_RELEASE(error) err = { 0 };
	unsigned line, column;
	struct yaml_doc *doc;

	assert_true(yaml_stream_next(stream, &doc, &err));
	yaml_doc_destroy(doc);
	for (int i = 0; i < 2; i++) {
		assert_false(yaml_stream_next(stream, &doc, &err));
		assert_null(doc);
		assert_true(strncmp(err.message, "f:4:1: ", 7) == 0);
	}
	yaml_stream_place(stream, &line, &column);
	assert_int_equal(line, 4);
	assert_int_equal(column, 1);
}

static void without_a_name_messages_hold_the_cause_alone(void **state)
{
	(void)state;
	AUTO_RELEASE(error) err = { 0 };
	struct yaml_doc *doc;

	assert_false(yaml_read(STR("a: 1\na: 2\n"), NULL, NULL, &doc, &err));
	assert_string_equal(err.message, "mapping key \"a\" already defined at line 1");
	AUTO(yaml_doc) list = read_ok("\n- a\n");

	assert_false(yaml_doc_make_generic(list, NULL, NULL, &err));
	assert_string_equal(err.message, "the document must be a mapping, not a sequence");
	assert_int_equal(list->error_line, 2);
	assert_int_equal(list->error_column, 1);
}

static void errors_name_place_and_cause(void **state)
{
	(void)state;
	check_error("a:\n  b: 1\n c: 2\n",
		    "f.yaml:3:2: did not find expected key, while parsing a block mapping that starts in line 1");
	check_error("a: 1\n\tb: 2\n", "f.yaml:2:1: found a tab character that violates indentation, "
				      "while scanning a plain scalar that starts in line 1");
	check_error("a: 1\nb\nc: 2\n", "f.yaml:2:1: could not find expected ':'");
	check_error("a: caf\xe9\nb: 1\n", "f.yaml:1:7: invalid trailing UTF-8 octet (byte 0xe9)");
	check_error("a: \x01\n", "f.yaml:1:4: control characters are not allowed (byte 0x01)");
	check_error("\xff\xfe" "a", "f.yaml:1:1: UTF-16 text; it must be UTF-8");
	check_error("a: *x\n", "f.yaml:1:4: unknown anchor 'x' referenced");
	check_error("a: &x [1, *x]\n", "f.yaml:1:11: anchor 'x' value contains itself");
	check_error("a:\n  b: !!int x\n", "f.yaml:2:6: cannot decode !!str `x` as a !!int");
	check_error("a: !!binary '?'\n", "f.yaml:1:4: !!binary value contains invalid base64 data");
	check_error("a: {<<: 1}\n", "f.yaml:1:9: map merge requires map or sequence of maps as the value");
	check_error("- a\n", "f.yaml:1:1: the document must be a mapping, not a sequence");
	check_error("~: a\n", "f.yaml:1:1: a null key; its value would be lost");
	check_error("a: {[b]: c}\n", "f.yaml:1:5: invalid map key: a sequence");
	check_error_of((struct str){ "a: \0b", 5 }, ERR_INVALID,
		       "f.yaml:1:4: control characters are not allowed (byte 0x00)");
}

static void common_mistakes_get_a_hint(void **state)
{
	(void)state;
	AUTO_RELEASE(error) err = { 0 };

	assert_null(written(STR("a: @x\n"), NULL, &err));
	assert_string_equal(err.hint, "a text that starts with @ needs quotes");
	error_release(&err);
	assert_null(written(STR("a:\n\t- b\n"), NULL, &err));
	assert_string_equal(err.hint, "a tab cannot indent; use spaces");
}

static void duplicate_keys_are_refused_with_both_lines(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) many = BUF_INIT(0);

	check_error("a:\n  b: 1\n  c: 2\n  \"b\": 3\n", "f.yaml:4:3: mapping key \"b\" already defined at line 2");
	check_error("k:\n  1: a\n  '1': b\n", "f.yaml:3:3: mapping key \"1\" already defined at line 2");
	check_error("k:\n  1: a\n  0x1: b\n", "f.yaml:3:3: mapping key \"0x1\" is the same as \"1\" at line 2");
	for (int i = 0; i < 1000; i++)
		buf_addf(&many, "k%d: %d\n", i, i);
	buf_adds(&many, "k7: 1\nk3: 2\n");
	check_error(buf_cstr(&many), "f.yaml:1001:1: mapping key \"k7\" already defined at line 8");
}

static void lenient_reading_lets_duplicates_odd_merges_and_texts_of_another_type_pass(void **state)
{
	(void)state;
	struct yaml_limits limits = YAML_LIMITS_INIT;
	AUTO_RELEASE(error) err = { 0 };
	struct yaml_doc *read;

	limits.lenient = true;
	assert_true(yaml_read(STR("a: 1\na: 2\n<<: x\nr: {{ .Env }}\nt: !!int '{{ .Slot }}'\nb: !!binary '{{ 1 }}'\n"), NULL,
			      &limits, &read, &err));
	AUTO(yaml_doc) doc = read;

	assert_int_equal(doc->root->map.n, 6);
	assert_true(str_is(yaml_map_text(doc->root, "t"), "{{ .Slot }}"));
	assert_int_equal(yaml_map_get(doc->root, "r")->map.pairs[0].key->kind, YAML_MAPPING);
}

static void merge_keys_give_way_to_own_and_earlier_ones(void **state)
{
	(void)state;
	check_written("a: &a {x: 1, y: 2}\nb: &b {x: 3, z: 4}\nc: {<<: [*a, *b], y: 5}\n",
		      "a:\n  x: 1\n  \"y\": 2\nb:\n  x: 3\n  z: 4\nc:\n  x: 1\n  \"y\": 5\n  z: 4\n");
	check_written("a: &a {<<: {p: 1}, q: 2}\nb: {<<: *a}\n", "a:\n  p: 1\n  q: 2\nb:\n  p: 1\n  q: 2\n");
	check_error("a: &a [{x: 1}]\nb: {<<: *a}\n", "f.yaml:2:5: map merge requires map or sequence of maps as the value");
	check_error("b: {<<: {~: x}}\n", "f.yaml:1:10: a null key; its value would be lost");
	check_written("b: {<<: {1: x}}\nc: {<<: {1: x}, 2: y}\n", "b:\n  \"1\": x\nc:\n  1: x\n  2: \"y\"\n");
}

static void expanded_nodes_are_not_shared(void **state)
{
	(void)state;
	AUTO(yaml_doc) doc = read_ok("a: &a {x: 1}\nb: *a\nc: {<<: *a}\n");

	yaml_map_set_string(doc->arena, yaml_map_get(doc->root, "b"), "x", STR("changed"));
	assert_int_equal(yaml_path(doc->root, "a", "x", NULL)->kind, YAML_INT);
	assert_int_equal(yaml_path(doc->root, "c", "x", NULL)->kind, YAML_INT);
}

static void anchors_live_on_in_later_documents(void **state)
{
	(void)state;
	check_written("a: &a {x: &b [1]}\n---\nb: *a\nc: *b\n---\nd: &a 2\ne: *a\n---\nf: [*a, *b]\n",
		      "a:\n  x:\n    - 1\n---\nb:\n  x:\n    - 1\nc:\n  - 1\n---\nd: 2\ne: 2\n---\nf:\n  - 2\n  - - 1\n");
	/* Also when a document has to be read again because libyaml refuses what yaml.v3 takes. */
	check_written("a: &a 1\n---\nb: *a\nc: &a 2\nd: \"\\'\"\ne: [x:, *a]\n",
		      "a: 1\n---\nb: 1\nc: 2\nd: ''''\ne:\n  - 'x:'\n  - 2\n");
}

static void alias_bombs_are_refused_at_once(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) bomb = BUF_INIT(0);
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	buf_adds(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 10; i++) {
		buf_addf(&bomb, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_addf(&bomb, "*a%d,", i - 1);
		buf_adds(&bomb, "]\n");
	}
	check_error_of(buf_str(&bomb), ERR_LIMIT, "f.yaml:4:18: document contains excessive aliasing");
	buf_adds(&text, "a: &a ");
	buf_add_repeat(&text, 'x', 1000000);
	buf_adds(&text, "\nb: [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n");
	check_error_of(buf_str(&text), ERR_LIMIT, "f.yaml:2:45: aliases expand to more than 10485760 bytes of text");
}

static void depth_size_and_memory_are_limited(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) deep = BUF_INIT(0);
	AUTO_RELEASE(buf) large = BUF_INIT(0);
	AUTO_RELEASE(buf) many = BUF_INIT(0);

	buf_adds(&deep, "a: ");
	buf_add_repeat(&deep, '[', 100000);
	check_error_of(buf_str(&deep), ERR_LIMIT, "f.yaml:1:1003: nested deeper than 1000 levels");
	buf_add_repeat(&large, ' ', (8u << 20) + 1);
	check_error_of(buf_str(&large), ERR_LIMIT, "f.yaml: larger than 8 MiB (8388609 bytes)");
	buf_adds(&many, "a:\n");
	for (int i = 0; i < 2000000; i++)
		buf_adds(&many, "-\n");
	AUTO_RELEASE(error) err = { 0 };

	assert_null(written(buf_str(&many), NULL, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_non_null(strstr(err.message, "needs more than 40 MiB of memory"));
}

static void changed_numbers_and_dates_are_warned_about(void **state)
{
	(void)state;
	AUTO(yaml_doc) doc = read_ok("mode: 0644\nv: 1.10\nd: 2020-01-01\nn: 1_000\nok: [1, 10, -5, 1.5, 'x', 0, \"0644\"]\n"
				     "big: 99999999999999999999\nm: {0x10: a}\n0777: root\n");
	AUTO_RELEASE(diags) warnings = DIAGS_INIT;
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	assert_true(yaml_doc_make_generic(doc, "f.yaml", &warnings, &err));
	for (size_t i = 0; i < warnings.len; i++)
		diag_format(&warnings.items[i], &text);
	assert_string_equal(buf_cstr(&text),
			    "f.yaml:1:7: warning: 0644 is read as the number 420 (yaml-number-text)\n"
			    "  hint: write \"0644\" in quotes to keep the text\n"
			    "f.yaml:2:4: warning: 1.10 is read as the number 1.1 (yaml-number-text)\n"
			    "  hint: write \"1.10\" in quotes to keep the text\n"
			    "f.yaml:3:4: warning: 2020-01-01 is read as the time 2020-01-01T00:00:00Z (yaml-date-text)\n"
			    "  hint: write \"2020-01-01\" in quotes to keep the text\n"
			    "f.yaml:4:4: warning: 1_000 is read as the number 1000 (yaml-number-text)\n"
			    "  hint: write \"1_000\" in quotes to keep the text\n"
			    "f.yaml:6:6: warning: 99999999999999999999 is read as the number 1e+20 (yaml-number-text)\n"
			    "  hint: write \"99999999999999999999\" in quotes to keep the text\n"
			    "f.yaml:7:5: warning: 0x10 is read as the number 16 (yaml-number-text)\n"
			    "  hint: write \"0x10\" in quotes to keep the text\n");
}

static void root_keys_become_strings_and_others_stay(void **state)
{
	(void)state;
	AUTO(yaml_doc) doc = read_ok("80: a\nm: {80: b}\ns: {a: 1}\n");
	AUTO_RELEASE(error) err = { 0 };

	assert_true(yaml_doc_make_generic(doc, NULL, NULL, &err));
	assert_non_null(yaml_map_get(doc->root, "80"));
	assert_true(yaml_map_get(doc->root, "m")->general);
	assert_null(yaml_map_get(yaml_map_get(doc->root, "m"), "80"));
	assert_false(yaml_map_get(doc->root, "s")->general);
}

static void maps_and_lists_can_be_changed(void **state)
{
	(void)state;
	AUTO(yaml_doc) doc = read_ok("a: 1\nb: [x, y, z]\nc: 3\n");
	struct yaml_node *b = yaml_map_get(doc->root, "b");
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	yaml_map_set(doc->arena, doc->root, "a", yaml_new_bool(doc->arena, true));
	yaml_map_set(doc->arena, doc->root, "d", yaml_new_float(doc->arena, 0.5));
	assert_true(yaml_map_remove(doc->root, "c"));
	assert_false(yaml_map_remove(doc->root, "c"));
	yaml_seq_remove(b, 1);
	yaml_seq_push(doc->arena, b, yaml_new_int(doc->arena, -1));
	yaml_seq_push(doc->arena, b, yaml_new_null(doc->arena));
	yaml_emit_document(&out, doc->root, true);
	assert_string_equal(buf_cstr(&out), "a: true\nb:\n  - x\n  - z\n  - -1\n  - null\nd: 0.5\n");
	assert_true(yaml_equal(doc->root, yaml_copy(doc->arena, doc->root)));
	assert_null(yaml_path(doc->root, "b", "x", NULL));
	assert_true(yaml_map_text(doc->root, "a").len == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_know_their_place_text_and_kind),
		cmocka_unit_test(byte_order_mark_and_crlf_are_read),
		cmocka_unit_test(documents_come_one_by_one),
		cmocka_unit_test(an_error_does_not_hide_the_documents_before),
		cmocka_unit_test(without_a_name_messages_hold_the_cause_alone),
		cmocka_unit_test(errors_name_place_and_cause),
		cmocka_unit_test(common_mistakes_get_a_hint),
		cmocka_unit_test(duplicate_keys_are_refused_with_both_lines),
		cmocka_unit_test(lenient_reading_lets_duplicates_odd_merges_and_texts_of_another_type_pass),
		cmocka_unit_test(merge_keys_give_way_to_own_and_earlier_ones),
		cmocka_unit_test(expanded_nodes_are_not_shared),
		cmocka_unit_test(anchors_live_on_in_later_documents),
		cmocka_unit_test(alias_bombs_are_refused_at_once),
		cmocka_unit_test(depth_size_and_memory_are_limited),
		cmocka_unit_test(changed_numbers_and_dates_are_warned_about),
		cmocka_unit_test(root_keys_become_strings_and_others_stay),
		cmocka_unit_test(maps_and_lists_can_be_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
