/* What Go does not have: limits, the strict mode, findings, hints; and what it has that no recorded template can show.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "template/template.h"
#include "template_data.h"

struct result {
	bool done;
	struct buf out;
	struct error err;
	struct template_place place;
};

static void result_release(struct result *r)
{
	buf_release(&r->out);
	error_release(&r->err);
}
DEFINE_AUTO_RELEASE(result);

static void render(const char *text, struct template_options *options, struct result *r)
{
	static const struct value_type map_type = VALUE_TYPE_MAP("map[string]string", &value_type_string);
	AUTO(arena) arena = arena_create();
	struct value_entry entry = { STR("known"), value_text("yes") };
	struct template_options none = { 0 };

	if (!options)
		options = &none;
	options->ret_place = &r->place;
	r->done = template_render("v", str_of(text), value_map(arena, &map_type, &entry, 1), options, &r->out, &r->err);
}

static void assert_fails(const char *text, struct template_options *options, enum err_kind kind, const char *part)
{
	AUTO_RELEASE(result) r = { 0 };

	render(text, options, &r);
	assert_false(r.done);
	assert_int_equal(r.out.len, 0);
	if (!strstr(r.err.message, part))
		fail_msg("\"%s\" is not in: %.300s", part, r.err.message);
	assert_int_equal(r.err.kind, kind);
}

static void assert_prints(const char *text, struct template_options *options, const char *wanted)
{
	AUTO_RELEASE(result) r = { 0 };

	render(text, options, &r);
	if (!r.done)
		fail_msg("%s", r.err.message);
	assert_string_equal(buf_cstr(&r.out), wanted);
}

static char *repeated(const char *part, size_t times, const char *middle, const char *end)
{
	struct buf b = BUF_INIT(0);

	for (size_t i = 0; i < times; i++)
		buf_adds(&b, part);
	buf_adds(&b, middle);
	for (size_t i = 0; i < times; i++)
		buf_adds(&b, end);
	return buf_give(&b);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void hostile_templates_end_in_an_error_soon(void **state)
{
	(void)state;
	static const struct {
		const char *text, *part;
		enum err_kind kind;
	} table[] = {
		{ "{{range 1000000000}}x{{end}}", "steps", ERR_LIMIT },
		{ "{{range 1000000000}}{{end}}", "steps", ERR_LIMIT },
		{ "{{range 9223372036854775807}}{{range 9223372036854775807}}{{end}}{{end}}", "steps", ERR_LIMIT },
		{ "{{range 1000000}}0123456789012345678901234567890123456789{{end}}", "output is larger", ERR_LIMIT },
		{ "{{range 1000000000}}{{$x := printf \"%1000000d\" 1}}{{end}}", "steps", ERR_LIMIT },
		{ "{{$x := printf \"%100d\" 1}}{{range 60}}{{$x = print $x $x}}{{end}}", "memory", ERR_LIMIT },
		{ "{{$x := \"\"}}{{range 1000000}}{{$x = printf \"%1000d\" .}}{{end}}", "memory", ERR_LIMIT },
		{ "{{indent 9000000000000 \"a\"}}", "more than 16777216 bytes", ERR_INVALID },
		{ "{{define \"a\"}}{{template \"a\" .}}{{end}}{{template \"a\"}}",
		  "at <{{template \"a\" .}}>: exceeded maximum template depth (100000)", ERR_INVALID },
		{ "{{define \"a\"}}{{if 1}}{{if 1}}{{if 1}}{{if 1}}{{template \"a\" "
		  ".}}{{end}}{{end}}{{end}}{{end}}{{end}}"
		  "{{template \"a\"}}",
		  "exceeded maximum template depth", ERR_LIMIT },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		double start = seconds_now();

		assert_fails(table[i].text, NULL, table[i].kind, table[i].part);
		if (seconds_now() - start >
		    20) /* a sanitizer on a busy machine; plain builds take well below one second */
			fail_msg("%s took %.1f s", table[i].text, seconds_now() - start);
	}
}

static void deep_nesting_does_not_exhaust_the_stack(void **state)
{
	(void)state;
	AUTO_FREE char *ifs = repeated("{{if 1}}", 30000, "x", "{{end}}");
	AUTO_FREE char *open_ifs = repeated("{{if 1}}", 300000, "", "");
	AUTO_FREE char *chain = repeated("", 1, "{{if 0}}", "");
	AUTO_FREE char *parens = repeated("(", 999, "1", ")");
	AUTO_FREE char *many = repeated("(", 1001, "1", ")");
	AUTO_FREE char *few_parens = xasprintf("{{%s}}", parens);
	AUTO_FREE char *many_parens = xasprintf("{{%s}}", many);
	AUTO_RELEASE(buf) elses = BUF_INIT(0);

	assert_prints(ifs, NULL, "x");
	assert_fails(open_ifs, NULL, ERR_LIMIT, "too many actions");
	buf_adds(&elses, chain);
	for (int i = 0; i < 20000; i++)
		buf_adds(&elses, "{{else if 0}}");
	buf_adds(&elses, "{{else}}last{{end}}");
	assert_prints(buf_cstr(&elses), NULL, "last");
	assert_prints(few_parens, NULL, "1");
	assert_fails(many_parens, NULL, ERR_INVALID, "template: v:1: max expression depth exceeded");
}

static void a_source_over_the_limit_is_refused(void **state)
{
	(void)state;
	struct template_options options = { .limits = { .source_bytes = 4 } };

	assert_prints("abcd", &options, "abcd");
	assert_fails("abcde", &options, ERR_LIMIT, "template: v:1: 5 bytes are more than the 4");
}

static void output_that_fails_leaves_the_buffer_as_it_was(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	buf_adds(&out, "kept");
	assert_false(template_render("v", STR("text {{index . 1}}"), value_int(1), NULL, &out, &err));
	assert_string_equal(buf_cstr(&out), "kept");
}

static void the_hint_shows_the_line_and_counts_columns_from_one(void **state)
{
	(void)state;
	AUTO_RELEASE(result) r = { 0 };
	AUTO_RELEASE(result) parse = { 0 };

	render("first\n  {{ len 1 }}\nlast", NULL, &r);
	assert_string_equal(r.err.hint, "line 2, column 6: {{ len 1 }}");
	assert_int_equal(r.place.line, 2);
	assert_int_equal(r.place.column, 6);
	render("first\n\n {{ if }} x", NULL, &parse);
	assert_string_equal(parse.err.hint, "line 3: {{ if }} x");
	assert_int_equal(parse.place.line, 3);
	assert_int_equal(parse.place.column, 0);
}

static void strict_refuses_what_is_missing_and_what_printf_got_wrong(void **state)
{
	(void)state;
	struct template_options strict = { .strict = true };

	assert_prints("{{ .known }}{{ index . \"zz\" }}{{ printf \"%s\" .known }}", &strict, "yesyes");
	assert_fails("a\n{{ .zz }}", &strict, ERR_INVALID,
		     "template: v:2:3: executing \"v\" at <.zz>: map has no entry for key \"zz\"");
	assert_fails("{{ ternary true nil 1 }}", &strict, ERR_INVALID,
		     "template: v:1:3: executing \"v\" at <{{ternary true nil 1}}>: there is no value to print");
	assert_fails("{{ printf \"%d\" .known }}", &strict, ERR_INVALID,
		     "printf does not fit its arguments: it prints %!d(string=yes)");
	assert_fails("{{ $x := printf \"%d\" .known }}", &strict, ERR_INVALID, "printf does not fit its arguments");
	assert_prints("{{ printf \"%s\" \"100%!\" }}", &strict, "100%!");
}

static void collect(const struct template_finding *finding, void *arg)
{
	buf_addf(arg, "%d %s:%u:%u %.*s => %.*s\n", finding->kind, finding->name, finding->line, finding->column,
		 STR_ARG(finding->source), STR_ARG(finding->printed));
}

static void findings_name_the_place_and_what_was_printed(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) findings = BUF_INIT(0);
	struct template_options options = { .lint = collect, .lint_arg = &findings };

	assert_prints("{{ .known }}\n  {{ .zz }}{{ printf \"%d\"  \"x\" }}", &options,
		      "yes\n  <no value>%!d(string=x)");
	assert_string_equal(buf_cstr(&findings),
			    "0 v:2:6 .zz => <no value>\n1 v:2:15 printf \"%d\" \"x\" => %!d(string=x)\n");
}

static void an_else_inside_a_block_is_told_at_the_line_of_the_block(void **state)
{
	(void)state;
	assert_fails("a\n{{ block \"b\" 1\n}}x\n\n{{ if true }}{{ else }}{{ end }}\n{{ else }}", NULL, ERR_INVALID,
		     "template: v:3: unexpected {{else}} in block clause");
}

static void a_nul_in_the_template_does_not_cut_the_message(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	assert_false(template_render("v", STR("{{ len `a\0b` 1 }}"), value_none(), NULL, &out, &err));
	assert_string_equal(err.message,
			    "template: v:1:3: executing \"v\" at <len>: wrong number of args for len: want 1 got 2");
	assert_false(template_render("v", STR("{{ `a\0b` 1 }}"), value_none(), NULL, &out, &err));
	assert_string_equal(
		err.message,
		"template: v:1:3: executing \"v\" at <`a\\x00b`>: can't give argument to non-function `a\\x00b`");
	assert_false(template_render("v", STR("{{ call `a\0b` }}"), value_none(), NULL, &out, &err));
	assert_non_null(strstr(err.message, "non-function `a\\x00b` of type string"));
	assert_true(template_render("v", STR("a\0{{ `b\0` }}"), value_none(), NULL, &out, &err));
	assert_memory_equal(out.p, "a\0b\0", 4);
}

static void variables_declared_in_parentheses_outlive_their_action(void **state)
{
	(void)state;
	assert_prints("{{ ($x := printf \"%d\" 1) }}{{ printf \"%d\" 2 }}{{ $x }}", NULL, "121");
	assert_prints("{{$x := \"\"}}{{range 3}}{{$x = printf \"%s%d\" $x .}}{{printf \"%d\" 9}}{{end}}{{$x}}", NULL,
		      "999012");
}

static void quote_is_for_templates_of_our_own(void **state)
{
	(void)state;
	AUTO(template) t = NULL;
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	assert_fails("{{ quote \"a\" }}", NULL, ERR_INVALID, "function \"quote\" not defined");
	assert_true(template_parse("own", STR("{{ quote . }}"), TEMPLATE_FUNCTIONS_TOOL, NULL, &t, &err));
	assert_true(template_execute(t, value_text("a\"b"), NULL, &out, &err));
	assert_string_equal(buf_cstr(&out), "\"a\\\"b\"");
	assert_false(template_parse("go", STR("{{ now }}"), TEMPLATE_FUNCTIONS_GO, NULL, &(struct template *){ NULL },
				    &err));
}

static void times_print_by_layout_and_compare(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	struct template_options options = { .now = template_data_now() };
	static const char text[] =
		"{{now.Format \"Mon Jan _2 15:04:05.000 MST 2006\"}}|{{(now.Add 3600000000000).Format "
		"\"3:04PM 002\"}}|{{now.AddDate 0 1 27}}|{{(now.Add 90500000000).Sub now}}|"
		"{{now.Truncate 3600000000000}}|{{now.Location}}|{{printf \"%d %s\" now.Month now.Weekday}}";

	assert_true(template_render("v", str_of(text), value_none(), &options, &out, &err));
	assert_string_equal(buf_cstr(&out),
			    "Tue Feb  3 04:05:06.789 UTC 2026|5:05AM 034|2026-03-30 04:05:06.789 +0000 UTC|1m30.5s|"
			    "2026-02-03 04:00:00 +0000 UTC|UTC|2 Tuesday");
}

static void a_map_keeps_the_last_of_equal_keys_and_finds_all(void **state)
{
	(void)state;
	AUTO(arena) arena = arena_create();
	struct value_entry entries[200];
	char keys[200][8];
	struct value map;

	for (int i = 0; i < 200; i++) {
		snprintf(keys[i], sizeof keys[i], "k%d", i % 100);
		entries[i] = (struct value_entry){ str_of(keys[i]), value_int(i) };
	}
	map = value_map(arena, &value_type_any_map, entries, 200);
	assert_int_equal(value_map_len(map.map), 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(value_map_get(map.map, str_of(keys[i]))->integer, 100 + i);
	assert_null(value_map_get(map.map, STR("k100")));
	assert_true(str_is(value_map_at(map.map, 1)->key, "k1"));
	assert_true(str_is(value_map_at(map.map, 2)->key, "k10"));
}

static void one_parsed_template_runs_many_times(void **state)
{
	(void)state;
	AUTO(template) t = NULL;
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	assert_true(template_parse("v", STR("{{ $x := . }}{{ with $x }}[{{ . }}]{{ end }}"), TEMPLATE_FUNCTIONS_PROJECT,
				   NULL, &t, &err));
	for (int i = 0; i < 3; i++)
		assert_true(template_execute(t, value_int(i), NULL, &out, &err));
	assert_string_equal(buf_cstr(&out), "[1][2]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_templates_end_in_an_error_soon),
		cmocka_unit_test(deep_nesting_does_not_exhaust_the_stack),
		cmocka_unit_test(a_source_over_the_limit_is_refused),
		cmocka_unit_test(output_that_fails_leaves_the_buffer_as_it_was),
		cmocka_unit_test(the_hint_shows_the_line_and_counts_columns_from_one),
		cmocka_unit_test(strict_refuses_what_is_missing_and_what_printf_got_wrong),
		cmocka_unit_test(findings_name_the_place_and_what_was_printed),
		cmocka_unit_test(an_else_inside_a_block_is_told_at_the_line_of_the_block),
		cmocka_unit_test(a_nul_in_the_template_does_not_cut_the_message),
		cmocka_unit_test(variables_declared_in_parentheses_outlive_their_action),
		cmocka_unit_test(quote_is_for_templates_of_our_own),
		cmocka_unit_test(times_print_by_layout_and_compare),
		cmocka_unit_test(a_map_keeps_the_last_of_equal_keys_and_finds_all),
		cmocka_unit_test(one_parsed_template_runs_many_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
