/* Every recorded template of tests/golden/template/data: what Go printed, or its error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/evp.h>

#include "template/template.h"
#include "template_data.h"

#define DATA "tests/golden/template/data/"

struct root {
	json_t *json;
	struct value value, env_map;
};

struct vectors {
	struct arena *arena;
	struct root json, rich, minimal, unicode;
};

static json_t *load(const char *path)
{
	json_error_t error;
	json_t *json = json_load_file(path, JSON_ALLOW_NUL, &error);

	if (!json)
		fail_msg("%s: %s", path, error.text);
	return json;
}

static struct root load_context(struct arena *arena, const char *path)
{
	struct root root = { .json = load(path) };

	root.value = template_data_context(arena, root.json);
	root.env_map = template_data_env_map(root.value);
	return root;
}

static int set_up(void **state)
{
	struct vectors *v = calloc(1, sizeof *v);
	struct value_entry set = { STR("SET"), value_text("set") };

	v->arena = arena_create();
	v->json.json = load(DATA "contexts/json.json");
	v->json.value = template_data_any(v->arena, v->json.json);
	v->json.env_map = value_map(v->arena, &value_type_string_map, &set, 1);
	v->rich = load_context(v->arena, DATA "contexts/rich/context.json");
	v->minimal = load_context(v->arena, DATA "contexts/minimal/context.json");
	v->unicode = load_context(v->arena, DATA "contexts/unicode/context.json");
	*state = v;
	return 0;
}

static int tear_down(void **state)
{
	struct vectors *v = *state;

	json_decref(v->json.json);
	json_decref(v->rich.json);
	json_decref(v->minimal.json);
	json_decref(v->unicode.json);
	arena_destroy(v->arena);
	free(v);
	return 0;
}

static const struct root *root_of(const struct vectors *v, const json_t *vector)
{
	const char *context = json_string_value(json_object_get(vector, "context"));

	if (!context)
		return &v->json;
	return strcmp(context, "rich") == 0 ? &v->rich : strcmp(context, "minimal") == 0 ? &v->minimal : &v->unicode;
}

static enum template_missing missing_of(const json_t *vector)
{
	static const char *const names[] = { "missingkey=default", "missingkey=invalid", "missingkey=zero",
					     "missingkey=error" };
	const char *option = json_string_value(json_array_get(json_object_get(vector, "options"), 0));

	for (size_t i = 0; option && i < ARRAY_LEN(names); i++)
		if (strcmp(option, names[i]) == 0)
			return (enum template_missing)i;
	return TEMPLATE_MISSING_DEFAULT;
}

static void add_wanted(const json_t *vector, struct buf *wanted)
{
	const json_t *text = json_object_get(vector, "want"), *coded = json_object_get(vector, "want_base64");
	AUTO_FREE unsigned char *bytes = NULL;
	size_t n = json_string_length(coded);

	if (text) {
		buf_add(wanted, json_string_value(text), json_string_length(text));
	} else if (n) {
		size_t padding = strcspn(json_string_value(coded), "=");

		bytes = xmalloc(n);
		padding = n - padding;
		n = (size_t)EVP_DecodeBlock(bytes, (const unsigned char *)json_string_value(coded), (int)n);
		buf_add(wanted, (const char *)bytes, n - padding);
	}
}

/* True if the vector came out as recorded; says what differs otherwise. */
static bool check(const struct vectors *v, const json_t *vector)
{
	const struct root *root = root_of(v, vector);
	const json_t *source = json_object_get(vector, "template");
	const char *error = json_string_value(json_object_get(vector, "error"));
	struct template_place place;
	struct template_options options = {
		.missing = missing_of(vector), .env_map = root->env_map, .now = template_data_now(), .ret_place = &place
	};
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(buf) wanted = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	struct str text = { json_string_value(source), json_string_length(source) };
	bool done = template_render("v", text, root->value, &options, &out, &err), same;

	add_wanted(vector, &wanted);
	if (error) {
		json_int_t column = json_integer_value(json_object_get(vector, "col"));

		same = !done && strcmp(err.message, error) == 0 &&
		       place.line == json_integer_value(json_object_get(vector, "line")) &&
		       (!json_object_get(vector, "col") || place.column == column + 1) && out.len == 0;
	} else {
		same = done && str_eq(buf_str(&out), buf_str(&wanted));
	}
	if (!same)
		printf("%s: %.*s\n  want %s\n  got  %s\n", json_string_value(json_object_get(vector, "id")),
		       STR_ARG(text), error ? error : buf_cstr(&wanted), done ? buf_cstr(&out) : err.message);
	return same;
}

static void every_recorded_template_gives_what_go_gave(void **state)
{
	FILE *file = fopen(DATA "vectors.jsonl", "r");
	AUTO_FREE char *line = NULL;
	size_t cap = 0, n = 0, wrong = 0;

	assert_non_null(file);
	while (getline(&line, &cap, file) > 0) {
		json_error_t error;
		json_t *vector = json_loads(line, JSON_ALLOW_NUL, &error);

		assert_non_null(vector);
		wrong += !check(*state, vector);
		n++;
		json_decref(vector);
	}
	fclose(file);
	printf("%zu templates, %zu wrong\n", n, wrong);
	assert_true(n > 1000);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_recorded_template_gives_what_go_gave),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
