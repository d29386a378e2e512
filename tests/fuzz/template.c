/*
 * The first byte chooses the options, the rest is a template. Whatever it is: no crash, no leak, no output after a
 * failure, and never more than the limits allow.
 */
#include <stdint.h>
#include <stdlib.h>

#include "template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUTPUT_MAX 65536

static const struct value_field inner_fields[] = { { "Size", &value_type_string }, { "Modes", &value_type_strings } };
static const struct value_type inner = VALUE_TYPE_STRUCT("config.Inner", inner_fields);
static const struct value_type inner_pointer = VALUE_TYPE_POINTER("*config.Inner", &inner);
static const struct value_field root_fields[] = {
	{ "Env", &value_type_string },	   { "Slot", &value_type_int },	    { "Now", &value_type_time },
	{ "Map", &value_type_string_map }, { "Data", &inner_pointer },	    { "Nil", &inner_pointer },
	{ "Any", &value_type_any_map },	   { "List", &value_type_strings },
};
static const struct value_type root_type = VALUE_TYPE_STRUCT("config.Root", root_fields);

static struct value make_root(struct arena *arena)
{
	static const char *const texts[] = { "a", "\xc3\xa9", "\xff", "<&>" };
	struct value *fields = value_fields(arena, &root_type), *data = value_fields(arena, &inner);
	struct value items[] = { value_int(1), value_float(2.5), value_text("x"), value_none(), value_bool(true) };
	struct value *list = arena_alloc(arena, sizeof items);

	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		list[i] = value_box(items[i]);
	data[0] = value_text("10Gi");
	data[1] = value_list_of_texts(arena, texts, ARRAY_LEN(texts));
	fields[0] = value_text("ai");
	fields[1] = value_int(3);
	fields[2] = value_time(1770091506, 789000000);
	fields[3] =
		value_map(arena, &value_type_string_map,
			  (struct value_entry[]){ { STR("k"), value_text("v") }, { STR(""), value_text("%!") } }, 2);
	fields[4] = value_pointer(arena, &inner_pointer, value_struct(&inner, data));
	fields[6] = value_map(arena, &value_type_any_map,
			      (struct value_entry[]){
				      { STR("list"), value_box(value_list(&value_type_anys, list, ARRAY_LEN(items))) },
				      { STR("nil"), value_box(value_none()) },
				      { STR("n"), value_box(value_int(-7)) },
			      },
			      3);
	fields[7] = data[1];
	return value_struct(&root_type, fields);
}

static void count_finding(const struct template_finding *finding, void *arg)
{
	*(size_t *)arg += finding->source.len + finding->printed.len + finding->line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena) arena = arena_create();
	AUTO(template) t = NULL;
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	struct template_place place;
	size_t findings = 0;
	unsigned choice = size ? data[0] : 0;
	struct value root = make_root(arena);
	struct template_options options = {
		.missing = choice & 3,
		.strict = choice & 4,
		.env_map = root.fields[3],
		.now = root.fields[2],
		.lint = count_finding,
		.lint_arg = &findings,
		.ret_place = &place,
		.limits = { .output_bytes = OUTPUT_MAX, .memory_bytes = 4 << 20, .steps = 20000 },
	};

	buf_adds(&out, "before");
	if (!size ||
	    !template_parse("fuzz", (struct str){ (const char *)data + 1, size - 1 },
			    choice & 8 ? TEMPLATE_FUNCTIONS_TOOL : TEMPLATE_FUNCTIONS_PROJECT, &options, &t, &err)) {
		if (size && !err.kind)
			abort();
		return 0;
	}
	if (template_execute(t, root, &options, &out, &err) ? out.len > OUTPUT_MAX + 6 : out.len != 6 || !place.line)
		abort();
	return 0;
}
