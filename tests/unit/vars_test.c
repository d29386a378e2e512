/* Env files, var files and inline vars: the vectors of tests/golden/vars, and what goes beyond them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/vars.h"

static bool read_vector(const char *kind, const json_t *in, struct vars *vars, struct error *err)
{
	for (size_t i = 0; i < json_array_size(in); i++) {
		const json_t *item = json_array_get(in, i);
		struct str text = { json_string_value(item), json_string_length(item) };
		const char *file = i ? "b.env" : "a.env";
		bool ok = strcmp(kind, "envfile") == 0	 ? vars_add_dotenv(vars, text, file, err)
			  : strcmp(kind, "varfile") == 0 ? vars_add_var_file(vars, text, file, NULL, err)
							 : vars_add_inline(vars, text, err);

		if (!ok)
			return false;
	}
	return true;
}

static bool equals(const struct vars *vars, const json_t *want)
{
	const char *key;
	json_t *value;

	if (json_object_size(want) != vars->map.len)
		return false;
	json_object_foreach((json_t *)want, key, value) {
		const struct var *var = vars_get(vars, key);

		if (!var || !str_eq(var->value, (struct str){ json_string_value(value), json_string_length(value) }))
			return false;
	}
	return true;
}

static bool check_vector(const json_t *v)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;
	AUTO_RELEASE(error) err = { 0 };
	const char *id = json_string_value(json_object_get(v, "id"));
	const json_t *want = json_object_get(v, "want");
	bool either = json_object_get(v, "expect") != NULL;
	bool ok = read_vector(json_string_value(json_object_get(v, "kind")), json_object_get(v, "in"), &vars, &err);

	if (either || (want ? ok && equals(&vars, want) : !ok))
		return true;
	print_message("%s: %s\n", id, ok ? "other variables" : err.message);
	for (size_t i = 0; i < vars.map.len; i++)
		print_message("  [%s] = [%s]\n", vars.map.entries[i].key, vars_text(&vars, vars.map.entries[i].key));
	return false;
}

static void every_vector_gives_the_recorded_variables(void **state)
{
	FILE *f = fopen("tests/golden/vars/vectors.jsonl", "r");
	char *line = NULL;
	size_t cap = 0, n = 0, bad = 0;

	(void)state;
	assert_non_null(f);
	while (getline(&line, &cap, f) > 0) {
		json_t *v = json_loads(line, JSON_ALLOW_NUL, NULL);

		assert_non_null(v);
		bad += !check_vector(v);
		n++;
		json_decref(v);
	}
	free(line);
	fclose(f);
	assert_int_equal(bad, 0);
	assert_true(n >= 145);
}

static const char *dotenv_value(struct vars *vars, const char *text)
{
	AUTO_RELEASE(error) err = { 0 };

	assert_true(vars_add_dotenv(vars, str_of(text), "a.env", &err));
	return vars_text(vars, "A");
}

static void a_value_that_ends_in_an_escaped_quote_keeps_it(void **state)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;

	(void)state;
	assert_string_equal(dotenv_value(&vars, "A=\"say \\\"hi\\\"\"\n"), "say \"hi\"");
}

static void a_command_substitution_stays_as_it_is(void **state)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;

	(void)state;
	assert_string_equal(dotenv_value(&vars, "B=1\nA=$(B) ${B}\n"), "$(B) 1");
}

static void a_broken_line_is_named_by_file_line_and_column_without_its_value(void **state)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_false(vars_add_dotenv(&vars, STR("A=1\nB-C=secret\n"), "sub/a.env", &err));
	assert_non_null(strstr(err.message, "sub/a.env:2:2:"));
	assert_null(strstr(err.message, "secret"));
	assert_int_equal(vars.map.len, 0);
}

static void an_unread_line_of_a_var_file_is_reported(void **state)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_true(vars_add_var_file(&vars, STR("A=1\nword\nB: {x\n"), "v.txt", &diags, &err));
	assert_int_equal(diags.warnings, 1);
	assert_int_equal(diags.items[0].line, 2);
	assert_string_equal(vars_text(&vars, "A"), "1");
}

static void a_var_file_that_is_yaml_is_read_as_yaml(void **state)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_true(vars_add_var_file(&vars, STR("---\nA: 'it''s'\nT: |\n  one\n  two\n"), "v.yaml", &diags, &err));
	assert_string_equal(vars_text(&vars, "A"), "it's");
	assert_string_equal(vars_text(&vars, "T"), "one\ntwo\n");
	assert_int_equal(diags.len, 0);
}

static void a_line_of_dashes_in_a_var_file_hides_nothing_behind_it(void **state)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_true(vars_add_var_file(&vars, STR("A: 1\n---\nB: 2\n"), "v.yaml", NULL, &err));
	assert_string_equal(vars_text(&vars, "A"), "1");
	assert_string_equal(vars_text(&vars, "B"), "2");
}

static void a_var_file_with_a_value_of_many_lines_is_read_as_dotenv(void **state)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_true(vars_add_var_file(&vars, STR("KEY=\"-----BEGIN\nabc\n-----END\"\n"), "v.env", NULL, &err));
	assert_string_equal(vars_text(&vars, "KEY"), "-----BEGIN\nabc\n-----END");
}

static void a_single_variable_may_hold_commas(void **state)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_true(vars_add_one(&vars, STR("A=1,B=2"), &err));
	assert_string_equal(vars_text(&vars, "A"), "1,B=2");
}

static void an_inline_error_does_not_show_the_value(void **state)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_false(vars_add_inline(&vars, STR("PASSWORD=abc,tail"), &err));
	assert_null(strstr(err.message, "tail"));
}

static void a_later_source_wins_and_is_remembered(void **state)
{
	AUTO_RELEASE(vars) vars = VARS_INIT;
	AUTO_RELEASE(error) err = { 0 };
	char *environment[] = { "A=process", "B=process", "no-equals", NULL };

	(void)state;
	vars_add_environment(&vars, environment);
	assert_true(vars_add_dotenv(&vars, STR("\nA=file\n"), "x.env", &err));
	assert_string_equal(vars_text(&vars, "A"), "file");
	assert_int_equal(vars_get(&vars, "A")->line, 2);
	assert_string_equal(vars_get(&vars, "A")->file, "x.env");
	assert_int_equal(vars_get(&vars, "B")->source, VAR_PROCESS);
	assert_int_equal(vars.map.len, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_gives_the_recorded_variables),
		cmocka_unit_test(a_value_that_ends_in_an_escaped_quote_keeps_it),
		cmocka_unit_test(a_command_substitution_stays_as_it_is),
		cmocka_unit_test(a_broken_line_is_named_by_file_line_and_column_without_its_value),
		cmocka_unit_test(an_unread_line_of_a_var_file_is_reported),
		cmocka_unit_test(a_var_file_that_is_yaml_is_read_as_yaml),
		cmocka_unit_test(a_line_of_dashes_in_a_var_file_hides_nothing_behind_it),
		cmocka_unit_test(a_var_file_with_a_value_of_many_lines_is_read_as_dotenv),
		cmocka_unit_test(a_single_variable_may_hold_commas),
		cmocka_unit_test(an_inline_error_does_not_show_the_value),
		cmocka_unit_test(a_later_source_wins_and_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
