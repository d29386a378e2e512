/* The built-in actions of hooks: that each has its function, and how parameters are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/yaml.h"
#include "job/hook_use.h"

static struct yaml_doc *read(const char *text)
{
	AUTO_RELEASE(error) err = { 0 };
	struct yaml_doc *doc = NULL;

	assert_true(yaml_read(str_of(text), NULL, NULL, &doc, &err));
	return doc;
}

static void every_action_that_services_yaml_may_name_can_be_run(void **state)
{
	(void)state;
	size_t n = 0;

	for (; hook_uses[n]; n++)
		assert_non_null(hook_use_find(hook_uses[n]));
	assert_true(n >= 6);
	assert_null(hook_use_find("nope"));
	assert_null(hook_use_find("Sleep"));
}

static void a_number_may_be_a_number_or_text_and_is_0_otherwise(void **state)
{
	(void)state;
	static const struct {
		const char *yaml;
		int64_t number;
	} table[] = {
		{ "n: 43", 43 },      { "n: \"43\"", 43 },  { "n: \" 43 \"", 43 }, { "n: 43.9", 43 }, { "n: \"43x\"", 0 }, { "n: \"\"", 0 },
		{ "n: \"#43\"", 0 }, { "n: true", 0 },	   { "n: [43]", 0 },	  { "n: 1e300", 0 },  { "n: -1e300", 0 },   { "n: .nan", 0 },
		{ "n: null", 0 },    { "other: 43", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO(yaml_doc) doc = read(table[i].yaml);
		struct stack_hook hook = { .with = doc->root };
		struct hook_call call = { .hook = &hook };

		assert_int_equal(hook_number(&call, "n"), table[i].number);
	}
}

static void a_text_of_another_type_counts_as_missing(void **state)
{
	(void)state;
	static const struct {
		const char *yaml, *text;
	} table[] = { { "t: word", "word" }, { "t: \" word \"", "word" }, { "t: \"5\"", "5" }, { "t: 5", "" }, { "t: {a: b}", "" }, { "u: word", "" } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO(yaml_doc) doc = read(table[i].yaml);
		struct stack_hook hook = { .with = doc->root };
		struct hook_call call = { .hook = &hook };

		assert_true(str_is(hook_text(&call, "t"), table[i].text));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_action_that_services_yaml_may_name_can_be_run),
		cmocka_unit_test(a_number_may_be_a_number_or_text_and_is_0_otherwise),
		cmocka_unit_test(a_text_of_another_type_counts_as_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
