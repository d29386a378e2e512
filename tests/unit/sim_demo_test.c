/*
 * The demo of the simulation holds what services.yaml renders to. assets/sim/demo.json is written by this test too:
 * SIM_DEMO_WRITE=assets/sim/demo.json make unit T=sim_demo
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/yaml.h"
#include "model/render.h"
#include "model/stack.h"
#include "sim/jx.h"

static const struct {
	const char *env;
	long long slot; /* stands for any slot: demo.c puts the real number in its place */
} places[] = { { "dev", 0 }, { "ai-staging", 0 }, { "ai", 9999 }, { "ai-repair", 8888 } };

static bool collect(const struct render_object *object, void *arg, struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	json_t *tree;

	if (!yaml_to_json(object->root, &text, err))
		return false;
	tree = json_loads(text.p, 0, NULL);
	assert_non_null(tree);
	json_array_append_new(arg, json_pack("{s:s,s:o}", "item", object->item->name.text, "object", tree));
	return true;
}

static json_t *render(const char *env, long long slot)
{
	char *nothing[] = { NULL };
	struct stack_options options = { .config = "services.yaml", .env = env, .slot = slot, .environment = nothing };
	struct render_options how = { 0 };
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO_RELEASE(error) err = { 0 };
	struct stack *loaded = NULL;
	json_t *items = json_array();

	if (!stack_load(&options, &loaded, &diags, &err))
		fail_msg("%s: %s", env, err.message);
	AUTO(stack) stack = loaded;

	if (!stack_render(stack, &how, collect, items, &diags, &err))
		fail_msg("%s: %s", env, err.message);
	for (size_t i = 0; i < diags.len; i++)
		fail_msg("%s: %s:%u: %s", env, diags.items[i].file, diags.items[i].line, diags.items[i].message);
	return items;
}

static void the_demo_cluster_holds_what_services_yaml_renders_to(void **state)
{
	const char *target = getenv("SIM_DEMO_WRITE");
	json_t *made = json_object(), *kept = json_load_file("assets/sim/demo.json", 0, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		json_object_set_new(made, places[i].env, json_pack("{s:o}", "items", render(places[i].env, places[i].slot)));
	if (target)
		assert_int_equal(json_dump_file(made, target, JSON_COMPACT), 0);
	else
		assert_true(json_equal(made, kept));
	json_decref(made);
	json_decref(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_demo_cluster_holds_what_services_yaml_renders_to) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
