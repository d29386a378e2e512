/* services.yaml as a typed stack: places, findings, namespaces, hooks, and text from variables that stays text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/asset.h"
#include "base/file.h"
#include "base/yaml.h"
#include "cli/cmd_validate.h"
#include "model/namespace.h"
#include "model/render.h"
#include "model/stack.h"
#include "model/stack_decode.h"
#include "model/validate.h"

/* ---- a project in a folder of its own ---- */

struct project {
	char folder[64];
	char config[96];
	struct stack_options options;
	struct stack *stack;
	struct diags diags;
	struct error err;
};

static void put(struct project *p, const char *name, const char *text)
{
	AUTO_FREE char *path = path_join(p->folder, name);
	AUTO_FREE char *folder = path_folder(path);
	AUTO_RELEASE(error) err = { 0 };

	assert_true(file_make_folders(folder, 0777, &err));
	assert_true(file_write_atomic(path, str_of(text), 0666, &err));
}

static int setup(void **state)
{
	struct project *p = xcalloc(1, sizeof *p);

	strcpy(p->folder, "/tmp/slotdeck-stack-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->config, sizeof p->config, "%s/services.yaml", p->folder);
	p->options = (struct stack_options){ .config = p->config, .env = "dev", .lenient = true };
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *command = xasprintf("rm -rf '%s'", p->folder);

	stack_destroy(p->stack);
	diags_release(&p->diags);
	error_release(&p->err);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static bool load(struct project *p, const char *services)
{
	put(p, "services.yaml", services);
	return stack_load(&p->options, &p->stack, &p->diags, &p->err);
}

static void must_load(struct project *p, const char *services)
{
	if (!load(p, services))
		fail_msg("%s", p->err.message);
}

static const struct diag *find(const struct project *p, const char *code)
{
	for (size_t i = 0; i < p->diags.len; i++)
		if (strcmp(p->diags.items[i].code, code) == 0)
			return &p->diags.items[i];
	return NULL;
}

static void assert_found_at(const struct project *p, const char *code, unsigned line, unsigned column)
{
	const struct diag *d = find(p, code);

	if (!d)
		fail_msg("no finding \"%s\"", code);
	if (d->line != line || d->column != column)
		fail_msg("\"%s\" is at %u:%u: %s", code, d->line, d->column, d->message);
}

static char *text_of(struct project *p, const char *name, struct stack_text source)
{
	AUTO_RELEASE(buf) out = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	if (!stack_render_text(p->stack, name, source, &out, NULL, &err))
		fail_msg("%s", err.message);
	return buf_give(&out);
}

/* ---- decoding ---- */

static void every_field_is_decoded_with_its_place(void **state)
{
	struct project *p = *state;

	must_load(p, "project: shop\n"
		     "services:\n"
		     "  - name: web\n"
		     "    image: {repository: r/web, tagTemplate: '{{ .Env }}-1'}\n"
		     "    overlays:\n"
		     "      dev:\n"
		     "        pvcMounts:\n"
		     "          - {name: v, claimName: c, mountPath: /v, readOnly: yes}\n");
	assert_int_equal(p->stack->services.n, 1);
	const struct stack_item *web = &p->stack->services.items[0];

	assert_string_equal(web->name.text, "web");
	assert_int_equal(web->name.at.line, 3);
	assert_int_equal(web->name.at.column, 11);
	assert_string_equal(web->image_repository.text, "r/web");
	assert_string_equal(web->overlays.items[0].env.text, "dev");
	assert_true(web->overlays.items[0].pvc_mounts.items[0].read_only.value);
	assert_string_equal(web->when.text, "");
	assert_int_equal(p->diags.len, 0);
}

static void places_are_those_of_the_file_as_written(void **state)
{
	struct project *p = *state;

	assert_false(load(p, "# {{- $a := 1 -}}\n"
			     "# {{- $b := 2 -}}\n"
			     "\n"
			     "project: shop\n"
			     "# {{ range $i := .Codex.Links }}\n"
			     "# {{ end }}\n"
			     "maxSlots: '{{ if eq .Env \"dev\" }}many{{ end }}'\n"
			     "services:\n"
			     "  - name: [x]\n"));
	const struct diag *d = find(p, "wrong-type");

	assert_non_null(d);
	assert_int_equal(d->line, 7);
	assert_int_equal(d->column, 11);
	assert_int_equal(p->diags.errors, 2);
	assert_int_equal(p->diags.items[1].line, 9);
	assert_int_equal(p->diags.items[1].column, 11);
	assert_non_null(strstr(p->diags.items[1].message, "services[0].name: expected text, found a list"));
}

static void an_unknown_key_is_a_warning_with_the_nearest_name(void **state)
{
	struct project *p = *state;

	must_load(p, "project: shop\nservices:\n  - name: web\n    manifets: []\n");
	assert_found_at(p, "unknown-key", 4, 5);
	assert_string_equal(find(p, "unknown-key")->hint, "did you mean \"manifests\"?");
}

static void a_double_key_names_both_lines(void **state)
{
	struct project *p = *state;

	assert_false(load(p, "project: a\nregistry: x\nproject: b\n"));
	assert_found_at(p, "duplicate-key", 3, 1);
	assert_non_null(strstr(find(p, "duplicate-key")->message, "line 1"));
}

static void an_action_that_is_no_yaml_gets_a_hint(void **state)
{
	struct project *p = *state;

	assert_false(load(p, "project: a\n{{ if .Env }}\nregistry: x\n{{ end }}\n"));
	assert_non_null(find(p, "yaml"));
	assert_non_null(strstr(find(p, "yaml")->hint, "quotes"));
}

static void a_text_that_is_not_utf8_is_named_by_its_place(void **state)
{
	struct project *p = *state;

	assert_false(load(p, "project: a\nregistry: caf\xe9\n"));
	assert_found_at(p, "encoding", 2, 14);
}

static void the_project_comes_from_the_file_as_written(void **state)
{
	struct project *p = *state;

	must_load(p, "# {{- $x := \"1\" -}}\n\nproject: shop\nregistry: '{{ $x }}'\n");
	assert_string_equal(p->stack->project.text, "shop");
	assert_string_equal(p->stack->namespace, "shop-dev");
	assert_int_equal(p->diags.len, 0);
}

static void another_key_that_the_templating_swallows_is_told(void **state)
{
	struct project *p = *state;

	must_load(p, "# {{- $x := \"1\" -}}\n\nversions: {a: '1'}\nproject: shop\n");
	assert_found_at(p, "lost-key", 3, 1);
}

static void null_is_the_zero_value_and_null_entries_are_dropped(void **state)
{
	struct project *p = *state;

	must_load(p, "project: shop\nservices: [null, {name: 12, when: ~}]\nversions: {a: null, b: 1.10}\nstorage:\n");
	assert_int_equal(p->stack->services.n, 1);
	assert_string_equal(p->stack->services.items[0].name.text, "12");
	assert_string_equal(p->stack->versions.items[0].value.text, "");
	assert_string_equal(p->stack->versions.items[1].value.text, "1.10");
	assert_null(p->stack->storage);
}

/* ---- namespaces ---- */

static void the_namespace_is_explicit_or_the_pattern_or_built_in(void **state)
{
	static const struct {
		const char *env, *explicit;
		long long slot;
		const char *want;
	} rows[] = {
		{ "dev", NULL, 0, "p-x" },	   { "dev", "q", 0, "q" },	{ "dev", "   ", 0, "p-x" },
		{ "qa", NULL, 0, "p-qa" },	   { "ai", NULL, 4, "p-dev-4" }, { "ai-repair", NULL, 0, "p-ai-staging" },
		{ "slots", NULL, 3, "p-qa-3" },	   { "", NULL, 0, "" },
	};
	struct project *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		p->options.env = rows[i].env;
		p->options.namespace = rows[i].explicit;
		p->options.slot = rows[i].slot;
		must_load(p, "project: p\nnamespace: {patterns: {dev: '{{ .Project }}-x', slots: '{{ .Project }}-qa-{{ .Slot }}'}}\n");
		assert_string_equal(p->stack->namespace, rows[i].want);
		stack_destroy(GIVE(p->stack));
	}
}

static void another_slot_has_its_own_namespace(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *name = NULL;

	must_load(p, "project: p\nnamespace: {patterns: {ai: '{{ .Project }}-slot-{{ .Slot }}'}}\n");
	assert_true(stack_namespace(p->stack, "ai", 7, &name, &p->err));
	assert_string_equal(name, "p-slot-7");
}

static void env_ai_without_a_slot_is_refused_unless_lenient(void **state)
{
	struct project *p = *state;

	p->options.env = "ai";
	must_load(p, "project: p\n");
	assert_int_equal(find(p, "slot")->severity, DIAG_WARNING);
	diags_release(&p->diags);
	stack_destroy(GIVE(p->stack));
	p->options.lenient = false;
	assert_false(load(p, "project: p\n"));
	assert_non_null(strstr(find(p, "slot")->hint, "--slot"));
}

static void names_follow_the_rule_of_kubernetes(void **state)
{
	(void)state;
	assert_true(namespace_is_valid(STR("a-1")));
	assert_true(namespace_is_valid(STR("123")));
	assert_false(namespace_is_valid(STR("A")));
	assert_false(namespace_is_valid(STR("-a")));
	assert_false(namespace_is_valid(STR("a.")));
	assert_false(namespace_is_valid(STR("")));
	assert_false(namespace_is_valid(STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
}

/* ---- environments ---- */

static void an_environment_inherits_field_by_field(void **state)
{
	struct project *p = *state;
	struct stack_environment env;

	must_load(p, "project: p\ninfrastructure: [{name: a}, {name: b}]\nenvironments:\n"
		     "  dev: {imagePullPolicy: Always, slotBootstrapInfra: [a]}\n"
		     "  ai: {from: dev, imagePullPolicy: IfNotPresent}\n"
		     "  x: {from: ai, slotBootstrapInfra: [B]}\n");
	assert_true(stack_resolve_environment(p->stack, "ai", &env, &p->err));
	assert_string_equal(env.image_pull_policy.text, "IfNotPresent");
	assert_string_equal(env.slot_bootstrap_infra.items[0].text, "a");
	assert_true(stack_resolve_environment(p->stack, "x", &env, &p->err));
	assert_string_equal(env.image_pull_policy.text, "IfNotPresent");
	assert_string_equal(env.slot_bootstrap_infra.items[0].text, "B");
	assert_int_equal(p->diags.len, 0);
}

static void a_circle_of_environments_is_told_with_its_chain(void **state)
{
	struct project *p = *state;

	p->options.lenient = false;
	p->options.env = "a";
	assert_false(load(p, "project: p\nenvironments: {a: {from: b}, b: {from: a}}\n"));
	assert_non_null(strstr(find(p, "environment-from")->message, "a -> b -> a"));
}

static void an_unknown_environment_lists_the_known_ones(void **state)
{
	struct project *p = *state;

	p->options.lenient = false;
	p->options.env = "qa";
	assert_false(load(p, "project: p\nenvironments: {dev: {}, ai: {}}\n"));
	assert_string_equal(find(p, "unknown-env")->hint, "the file declares dev, ai");
}

/* ---- text from variables ---- */

static void text_of_a_variable_is_never_template_source(void **state)
{
	struct project *p = *state;
	char *environment[] = { "TITLE=fix {{ .Project }} now", "OPEN={", "REST={ .Project }}", "JSON={\"a\": 1}", NULL };

	p->options.environment = environment;
	must_load(p, "project: shop\nhooks:\n  beforeAll:\n"
		     "    - run: 'echo {{ envOr \"TITLE\" \"\" }}'\n"
		     "    - run: 'echo {{ envOr \"OPEN\" \"\" }}{{ envOr \"REST\" \"\" }}'\n"
		     "    - run: 'echo {{ envOr \"JSON\" \"\" }} {{ \"{{\" }} .Env {{ \"}}\" }}'\n"
		     "    - use: github.comment\n"
		     "      with: {body: '{{ envOr \"TITLE\" \"\" }} in {{ \"{{ .Env }}\" }}', pr: 1, note: '{{ envOr \"TITLE\" \"\" }}'}\n");
	const struct stack_hook *hooks = p->stack->hooks[HOOK_BEFORE_ALL].items;
	AUTO_FREE char *first = text_of(p, "hook-run", hooks[0].run);
	AUTO_FREE char *second = text_of(p, "hook-run", hooks[1].run);
	AUTO_FREE char *third = text_of(p, "hook-run", hooks[2].run);
	AUTO_FREE char *body = text_of(p, "github-comment-body", hooks[3].body);

	assert_string_equal(first, "echo fix {{ .Project }} now");
	assert_string_equal(second, "echo {{ .Project }}");
	assert_string_equal(third, "echo {\"a\": 1} dev");
	assert_string_equal(body, "fix {{ .Project }} now in dev");
	assert_string_equal(yaml_map_text(hooks[3].with, "note").p, "fix {{ .Project }} now");
}

static void an_unquoted_mapping_from_a_variable_is_still_a_mapping(void **state)
{
	struct project *p = *state;
	char *environment[] = { "ARGS={\"A\": \"1\"}", NULL };

	p->options.environment = environment;
	must_load(p, "project: shop\nimages:\n  x:\n    {type: build, repository: r, tag: t, buildArgs: {{ envOr \"ARGS\" \"\" }}}\n");
	assert_int_equal(p->stack->images.items[0].build_args.n, 1);
	assert_string_equal(p->stack->images.items[0].build_args.items[0].value.text, "1");
}

static void a_base_domain_is_rendered_before_it_is_used(void **state)
{
	struct project *p = *state;

	must_load(p, "project: shop\nbaseDomain: {dev: '{{ envOr \"D\" \"dev.test\" }}'}\n"
		     "registry: '{{ index .BaseDomain .Env }}/r'\n"
		     "hooks: {beforeAll: [{run: 'curl {{ index .BaseDomain .Env }}'}]}\n");
	AUTO_FREE char *run = text_of(p, "hook-run", p->stack->hooks[HOOK_BEFORE_ALL].items[0].run);

	assert_string_equal(p->stack->registry.text, "dev.test/r");
	assert_string_equal(run, "curl dev.test");
	assert_string_equal(p->stack->base_domain.items[0].value.text, "dev.test");
}

static void a_header_value_with_a_variable_waits_for_the_template_pass(void **state)
{
	struct project *p = *state;

	must_load(p, "# {{ $d := \"x.test\" }}\nproject: shop\nbaseDomain: {dev: '{{ $d }}'}\n");
	assert_string_equal(p->stack->base_domain.items[0].value.text, "x.test");
}

/* ---- `when` ---- */

static void when_is_true_false_or_refused(void **state)
{
	static const struct {
		const char *when;
		bool blank_is_true, want;
	} rows[] = {
		{ "", false, true },  { " ", false, true },   { "false", true, false }, { "False ", true, false },
		{ "0", true, false }, { "no", true, false },  { "{{ \"\" }}", true, true }, { "{{ \"\" }}", false, false },
		{ "off", true, true }, { "{{ eq .Env \"dev\" }}", true, true }, { "{{ eq .Env \"x\" }}", true, false },
	};
	struct project *p = *state;
	bool holds;

	must_load(p, "project: shop\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(stack_when(p->stack, "when", (struct stack_text){ rows[i].when, { 1, 1 } },
				       rows[i].blank_is_true, &holds, &p->diags, &p->err));
		assert_int_equal(holds, rows[i].want);
	}
	assert_int_equal(p->diags.warnings, 1); /* off */
	stack_destroy(GIVE(p->stack));
	p->options.lenient = false;
	must_load(p, "project: shop\n");
	assert_false(stack_when(p->stack, "when", (struct stack_text){ "off", { 3, 4 } }, true, &holds, NULL, &p->err));
	assert_false(stack_wrap_place(p->stack, (struct spot){ 3, 4 }, &p->err));
	assert_non_null(strstr(p->err.message, ":3:4: `when` gives"));
}

/* ---- findings ---- */

static void all_findings_come_at_once(void **state)
{
	struct project *p = *state;

	p->options.lenient = false;
	assert_false(load(p, "project: p\n"
			     "state: {backend: etcd}\n"
			     "images: {a: {type: pull}, b: {type: external, from: x}, c: {type: build, repository: r}}\n"
			     "infrastructure: [{name: i}, {name: I}]\n"
			     "hooks:\n"
			     "  beforeAll: [{use: slep, with: {duration: 5s}}, {use: sleep, with: {duration: bad}}, {run: a, use: sleep}]\n"
			     "  afterAll: [{run: x, timeout: '5'}, {run: '{{ \"{{ if }}\" }}'}]\n"
			     "codex: {timeouts: {exec: 60}, configBlocks: [{name: b}]}\n"
			     "environments: {dev: {slotBootstrapInfra: [nope]}}\n"));
	static const char *const codes[] = { "state-backend", "image-type", "missing-field", "duplicate-name", "hook-use",
					     "duration", "hook-both", "template", "config-block", "unknown-infra" };

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (!find(p, codes[i]))
			fail_msg("no finding \"%s\"", codes[i]);
	assert_string_equal(find(p, "hook-use")->hint, "did you mean \"sleep\"?");
	assert_found_at(p, "state-backend", 2, 18);
}

static void an_unknown_use_that_may_fail_is_a_warning(void **state)
{
	struct project *p = *state;

	p->options.lenient = false;
	must_load(p, "project: p\nhooks: {beforeAll: [{use: nope, continueOnError: true}]}\n");
	assert_int_equal(find(p, "hook-use")->severity, DIAG_WARNING);
}

static void a_missing_env_file_is_told_at_its_entry(void **state)
{
	struct project *p = *state;

	assert_false(load(p, "project: p\nenvFiles:\n  - nope.env\n"));
	assert_found_at(p, "env-file", 3, 5);
}

static void a_var_file_may_be_a_pipe(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *path = NULL;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "A=1\n", 4), 4);
	close(ends[1]);
	path = xasprintf("/dev/fd/%d", ends[0]);
	p->options.var_file = path;
	must_load(p, "project: p\nregistry: '{{ .Vars.A }}'\n");
	assert_string_equal(p->stack->registry.text, "1");
	close(ends[0]);
}

static void a_version_nobody_declares_is_told(void **state)
{
	struct project *p = *state;

	must_load(p, "project: p\nversions: {a: 1}\nregistry: '{{ index .Versions \"a\" }}{{ index .Versions \"b\" }}'\n");
	assert_found_at(p, "unknown-version", 3, 57);
}

/* ---- the schema ---- */

static const struct yaml_node *schema_of(const struct yaml_node *root, const struct yaml_node *node)
{
	struct str ref;

	while (yaml_is_string(yaml_map_get(node, "$ref"), &ref)) {
		AUTO_FREE char *name = str_dup((struct str){ ref.p + 8, ref.len - 8 }); /* "#/$defs/" */

		node = yaml_path(root, "$defs", name, NULL);
		assert_non_null(node);
	}
	return node;
}

static void compare(const struct yaml_node *root, const struct yaml_node *schema, const struct shape *shape)
{
	const struct yaml_node *properties;

	schema = schema_of(root, schema);
	properties = yaml_map_get(schema, "properties");
	assert_non_null(properties);
	if (properties->map.n != shape->n)
		fail_msg("%s: %zu keys in the schema, %zu in the program", shape->what, (size_t)properties->map.n, shape->n);
	for (size_t i = 0; i < shape->n; i++) {
		const struct field *field = &shape->fields[i];
		const struct yaml_node *node = schema_of(root, yaml_map_get(properties, field->key));

		if (!node)
			fail_msg("%s: the schema has no \"%s\"", shape->what, field->key);
		if (field->type == FIELD_LIST)
			node = yaml_map_get(node, "items");
		if (field->type == FIELD_MAP)
			node = yaml_map_get(node, "additionalProperties");
		if (field->shape)
			compare(root, node, field->shape);
	}
}

static void the_schema_has_exactly_the_keys_of_the_program(void **state)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO(yaml_doc) doc = NULL;
	struct str text;

	(void)state;
	assert_true(asset_find("services.schema.json", &text));
	assert_true(yaml_read(text, "schema", NULL, &doc, &err));
	compare(doc->root, doc->root, &stack_shape);
}

/* ---- validate ---- */

static void validate_looks_at_every_environment_and_tells_a_finding_once(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", "project: p\nenvironments: {dev: {}, qa: {}}\nbogus: 1\n"
				"services:\n  - {name: w, when: '{{ eq .Env \"qa\" }}', manifests: [{path: w.yaml}]}\n");
	put(p, "w.yaml", "kind: A\na: 1\na: 2\n");
	p->options.env = NULL;
	assert_int_equal(stack_validate(&p->options, NULL, &p->diags), 2);
	assert_int_equal(p->diags.errors, 1);
	assert_int_equal(p->diags.warnings, 1);
	assert_found_at(p, "manifest-yaml", 3, 1);
}

static void validate_tells_what_is_wrong_in_the_stack_and_in_its_manifests(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", "project: p\nstate: {backend: etcd, configmapNamespace: x}\n"
				"services: [{name: w, manifests: [{path: w.yaml}, {path: gone.yaml}]}]\n");
	put(p, "w.yaml", "a: {{ .Nope }}\n");
	stack_validate(&p->options, NULL, &p->diags);
	assert_non_null(find(p, "state-backend"));
	assert_non_null(find(p, "template"));
	assert_non_null(find(p, "manifest"));
	assert_int_equal(p->diags.errors, 3);
}

static void validate_goes_on_after_wrong_header_fields_and_variables_that_cannot_be_read(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", "project: p\nenvFiles: [nope.env]\nversions: {a: [1]}\n"
				"environments: {dev: {}}\nmaxSlots: x\nregistry: '{{ .EnvMap.OF_NOPE }}'\n"
				"images: {a: {type: build, repository: 'r:5/x:1', tag: v}}\n");
	stack_validate(&p->options, NULL, &p->diags);
	assert_found_at(p, "env-file", 2, 12);
	assert_found_at(p, "image-tag", 7, 39);
	assert_int_equal(p->diags.errors, 4); /* versions.a and maxSlots, once each */
	assert_null(find(p, "missing-value"));
}

static void a_when_and_a_tag_that_fail_are_told_at_their_place(void **state)
{
	struct project *p = *state;

	put(p, "a.yaml", "kind: A\n");
	put(p, "services.yaml", "project: p\nenvironments: {dev: {}}\ninfrastructure: [{name: i, when: maybe}]\n"
				"services: [{name: s, manifests: [{path: a.yaml}], image: {repository: r, tagTemplate: '{{ `{{ .X }}` }}'}}]\n");
	stack_validate(&p->options, NULL, &p->diags);
	assert_found_at(p, "when", 3, 34);
	assert_non_null(find(p, "when")->hint);
	assert_found_at(p, "image-tag", 4, 87);
}

static void validate_as_json_is_one_object_with_all_findings(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *out = NULL;
	AUTO_FREE char *want = xasprintf("{\"environments\":1,\"errors\":0,\"warnings\":1,\"findings\":[{\"severity\":"
					 "\"warning\",\"file\":\"%s\",\"line\":2,\"column\":1,\"code\":\"unknown-key\","
					 "\"message\":\"unknown key \\\"bogus\\\" in services.yaml is ignored\",\"hint\":null}]}\n",
					 p->config);
	size_t len;

	put(p, "services.yaml", "project: p\nbogus: 1\n");
	FILE *f = open_memstream(&out, &len);

	assert_int_equal(cmd_validate(&(struct validate_command){ .stack = p->options, .output = "json", .out = f }), 0);
	assert_int_equal(cmd_validate(&(struct validate_command){ .stack = p->options, .strict = true, .out = f }), 2);
	fclose(f);
	assert_int_equal(strncmp(out, want, strlen(want)), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(every_field_is_decoded_with_its_place),
		T(places_are_those_of_the_file_as_written),
		T(an_unknown_key_is_a_warning_with_the_nearest_name),
		T(a_double_key_names_both_lines),
		T(an_action_that_is_no_yaml_gets_a_hint),
		T(a_text_that_is_not_utf8_is_named_by_its_place),
		T(the_project_comes_from_the_file_as_written),
		T(another_key_that_the_templating_swallows_is_told),
		T(null_is_the_zero_value_and_null_entries_are_dropped),
		T(the_namespace_is_explicit_or_the_pattern_or_built_in),
		T(another_slot_has_its_own_namespace),
		T(env_ai_without_a_slot_is_refused_unless_lenient),
		T(names_follow_the_rule_of_kubernetes),
		T(an_environment_inherits_field_by_field),
		T(a_circle_of_environments_is_told_with_its_chain),
		T(an_unknown_environment_lists_the_known_ones),
		T(text_of_a_variable_is_never_template_source),
		T(an_unquoted_mapping_from_a_variable_is_still_a_mapping),
		T(a_base_domain_is_rendered_before_it_is_used),
		T(a_header_value_with_a_variable_waits_for_the_template_pass),
		T(when_is_true_false_or_refused),
		T(all_findings_come_at_once),
		T(an_unknown_use_that_may_fail_is_a_warning),
		T(a_missing_env_file_is_told_at_its_entry),
		T(a_var_file_may_be_a_pipe),
		T(a_version_nobody_declares_is_told),
		T(the_schema_has_exactly_the_keys_of_the_program),
		T(validate_looks_at_every_environment_and_tells_a_finding_once),
		T(validate_tells_what_is_wrong_in_the_stack_and_in_its_manifests),
		T(validate_goes_on_after_wrong_header_fields_and_variables_that_cannot_be_read),
		T(a_when_and_a_tag_that_fail_are_told_at_their_place),
		T(validate_as_json_is_one_object_with_all_findings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
