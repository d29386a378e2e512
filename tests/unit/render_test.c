/* Rendering: what services.yaml does to objects, and what it says about them (spec render-and-apply 1 to 8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "cli/cmd_render.h"
#include "model/render.h"
#include "model/stack.h"

struct project {
	char folder[64], config[96];
	struct stack_options options;
	struct render_options how;
	struct stack *stack;
	struct diags diags;
	struct error err;
	struct buf out, explain;
	size_t objects;
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

	strcpy(p->folder, "/tmp/slotdeck-render-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->config, sizeof p->config, "%s/services.yaml", p->folder);
	p->options = (struct stack_options){ .config = p->config, .env = "dev", .lenient = true };
	*state = p;
	return 0;
}

static void forget(struct project *p)
{
	stack_destroy(GIVE(p->stack));
	diags_release(&p->diags);
	error_release(&p->err);
	buf_release(&p->out);
	buf_release(&p->explain);
	p->out = p->explain = (struct buf){ 0 };
	p->objects = 0;
}

static int teardown(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *command = xasprintf("rm -rf '%s'", p->folder);

	forget(p);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static bool on_object(const struct render_object *object, void *arg, struct error *err)
{
	struct project *p = arg;

	(void)err;
	yaml_emit_document(&p->out, object->root, p->objects++ == 0);
	buf_addf(&p->explain, "%s:%u %s [%s]\n", strrchr(object->file, '/') + 1, object->line, object->item->name.text,
		 object->applied);
	return true;
}

static bool render(struct project *p)
{
	return stack_load(&p->options, &p->stack, &p->diags, &p->err) &&
	       stack_render(p->stack, &p->how, on_object, p, &p->diags, &p->err);
}

static void must_render(struct project *p, const char *want)
{
	if (!render(p))
		fail_msg("%s", p->err.message);
	assert_string_equal(buf_cstr(&p->out), want);
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

#define ONE_SERVICE "project: p\nservices:\n  - name: web\n    manifests: [{path: m.yaml}]\n"

/* ---- order and selection ---- */

static void infrastructure_comes_first_and_each_object_knows_its_origin(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", "project: p\nservices: [{name: s, manifests: [{path: s.yaml}]}]\n"
				"infrastructure: [{name: i, manifests: [{path: i.yaml}]}]\n");
	put(p, "i.yaml", "{{ if true }}\n# comment\n{{ end }}\nkind: A\n---\n\nkind: B\n");
	put(p, "s.yaml", "kind: C\n");
	must_render(p, "kind: A\n---\nkind: B\n---\nkind: C\nmetadata:\n  namespace: p-dev\n");
	assert_string_equal(p->explain.p, "i.yaml:4 i []\ni.yaml:7 i []\ns.yaml:1 s [namespace]\n");
}

static void filters_select_by_name_and_unknown_names_are_told(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", "project: p\nservices: [{name: A, manifests: [{path: m.yaml}]}, {name: b, manifests: [{path: m.yaml}]}]\n");
	put(p, "m.yaml", "x: 1\n");
	p->how.filters.only_services = " a , nope";
	must_render(p, "x: 1\n");
	assert_string_equal(find(p, "unknown-name")->hint, "there are A, b");
	forget(p);
	p->options.lenient = false;
	assert_false(render(p));
	assert_int_equal(p->objects, 0);
}

static void nothing_selected_is_no_error(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", "project: p\nservices: [{name: a, when: 'false', manifests: [{path: nope.yaml}]}]\n");
	must_render(p, "");
}

static void hooks_follow_the_selection(void **state)
{
	struct project *p = *state;
	AUTO(selection) selection = NULL;

	put(p, "services.yaml", "project: p\ninfrastructure: [{name: a}, {name: b, when: 'no'}, {name: c}]\nservices: [{name: s}]\n");
	assert_true(stack_load(&p->options, &p->stack, &p->diags, &p->err));
	assert_true(stack_select(p->stack, &(struct render_filters){ .skip_infra = "c" }, &selection, &p->diags, &p->err));
	assert_true(selection_has(selection, &p->stack->infrastructure.items[0]));
	assert_false(selection_has(selection, &p->stack->infrastructure.items[1]));
	assert_false(selection_has(selection, &p->stack->infrastructure.items[2]));
	assert_true(selection_has(selection, &p->stack->services.items[0]));
}

/* ---- changes to objects ---- */

static void a_cluster_scoped_kind_gets_a_namespace_only_as_codexctl_does(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", "kind: StorageClass\n");
	must_render(p, "kind: StorageClass\nmetadata:\n  namespace: p-dev\n");
	assert_found_at(p, "cluster-scoped", 1, 1);
	forget(p);
	p->how.modern = true;
	must_render(p, "kind: StorageClass\n");
	forget(p);
	p->how.modern = false;
	p->options.lenient = false;
	must_render(p, "kind: StorageClass\n");
}

static enum render_scope widgets_are_cluster_scoped(const char *api_version, const char *kind, void *arg)
{
	(void)arg;
	return strcmp(api_version, "x/v1") || strcmp(kind, "Widget") ? SCOPE_UNKNOWN : SCOPE_CLUSTER;
}

static void discovery_decides_the_scope_of_a_kind(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", "apiVersion: x/v1\nkind: Widget\n");
	p->options.lenient = false;
	p->how.scope = widgets_are_cluster_scoped;
	must_render(p, "apiVersion: x/v1\nkind: Widget\n");
}

static void modern_rendering_knows_every_workload_and_mounts_a_claim_twice(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", "project: p\nservices:\n  - name: web\n    manifests: [{path: m.yaml}]\n"
				"    image: {repository: r, tagTemplate: '{{ .Env }}'}\n"
				"    overlays: {dev: {pvcMounts: [{name: v, claimName: c, mountPath: /a}, {name: v, claimName: c, mountPath: /b}]}}\n");
	put(p, "m.yaml", "kind: CronJob\nmetadata: {name: web, namespace: ns}\n"
			 "spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: old}]}}}}}\n");
	must_render(p, "kind: CronJob\nmetadata:\n  name: web\n  namespace: ns\nspec:\n  jobTemplate:\n    spec:\n"
		       "      template:\n        spec:\n          containers:\n            - image: old\n");
	assert_non_null(find(p, "unused-image"));
	assert_non_null(find(p, "unused-mounts"));
	forget(p);
	p->how.modern = true;
	must_render(p, "kind: CronJob\nmetadata:\n  name: web\n  namespace: ns\nspec:\n  jobTemplate:\n    spec:\n"
		       "      template:\n        spec:\n          containers:\n            - image: r:dev\n"
		       "              volumeMounts:\n                - mountPath: /a\n                  name: v\n"
		       "                - mountPath: /b\n                  name: v\n          volumes:\n"
		       "            - name: v\n              persistentVolumeClaim:\n                claimName: c\n");
	assert_string_equal(p->explain.p, "m.yaml:1 web [image, pvcMounts]\n");
}

static void a_kind_to_drop_that_never_comes_is_told(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", "project: p\nservices:\n  - name: web\n    manifests: [{path: m.yaml}]\n"
				"    overlays: {dev: {dropKinds: [ingress, Widget]}}\n");
	put(p, "m.yaml", "kind: Ingress\n");
	must_render(p, "");
	assert_int_equal(p->diags.warnings, 1);
	assert_found_at(p, "unused-kind", 5, 43);
}

/* ---- findings ---- */

static void a_yaml_error_is_told_where_it_was_written(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", "{{- if true }}\n{{- end }}\n# x\na: 1\n{{ \"b: 1\\nc: 2\\nb: 3\" }}\n");
	assert_false(render(p));
	assert_found_at(p, "manifest-yaml", 5, 4);
	assert_non_null(strstr(find(p, "manifest-yaml")->hint, "b: 3"));
}

static void a_missing_value_is_a_warning_or_an_error(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", "a: \"{{ .Versions.nope }}\"\n");
	must_render(p, "a: <no value>\n");
	assert_found_at(p, "missing-value", 1, 8);
	forget(p);
	p->options.lenient = false;
	assert_false(render(p));
	assert_found_at(p, "template", 1, 17);
}

static void a_number_that_changes_is_a_warning(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", "# {{ \"\\n\" }}\nmode: 0644\n");
	must_render(p, "mode: 420\n");
	assert_found_at(p, "yaml-number-text", 2, 7);
}

static void errors_of_all_manifests_come_at_once(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", "project: p\nservices: [{name: a, manifests: [{path: a.yaml}, {path: b.yaml}, {path: ok.yaml}]}]\n");
	put(p, "a.yaml", "a: {{ .Nope }}\n");
	put(p, "b.yaml", "- a\n");
	put(p, "ok.yaml", "a: 1\n");
	assert_false(render(p));
	assert_int_equal(p->diags.errors, 2);
	assert_int_equal(p->objects, 0);
}

/* ---- bad input ---- */

static void a_manifest_outside_of_the_project_is_read_only_when_lenient(void **state)
{
	static const char *const paths[] = { "../slotdeck-outside.yaml", "link.yaml", "/tmp/slotdeck-outside.yaml" };
	struct project *p = *state;

	put(p, "../slotdeck-outside.yaml", "x: 1\n");
	AUTO_FREE char *link = path_join(p->folder, "link.yaml");

	assert_int_equal(symlink("/tmp/slotdeck-outside.yaml", link), 0);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO_FREE char *services =
			xasprintf("project: p\nservices: [{name: a, manifests: [{path: %s}]}]\n", paths[i]);

		put(p, "services.yaml", services);
		p->options.lenient = true;
		must_render(p, "x: 1\n");
		assert_non_null(find(p, "outside"));
		forget(p);
		p->options.lenient = false;
		assert_false(render(p));
		assert_found_at(p, "manifest", 2, 41);
		forget(p);
	}
}

static void a_link_inside_of_the_project_is_followed(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *link = path_join(p->folder, "m.yaml");

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "real/m.yaml", "x: 1\n");
	assert_int_equal(symlink("real/m.yaml", link), 0);
	p->options.lenient = false;
	must_render(p, "x: 1\n");
}

static void a_named_pipe_or_folder_is_refused_at_once(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *pipe = path_join(p->folder, "m.yaml");

	put(p, "services.yaml", ONE_SERVICE);
	assert_int_equal(mkfifo(pipe, 0600), 0);
	assert_false(render(p));
	assert_found_at(p, "manifest", 4, 24);
	forget(p);
	assert_int_equal(unlink(pipe), 0);
	assert_int_equal(mkdir(pipe, 0700), 0);
	assert_false(render(p));
	assert_found_at(p, "manifest", 4, 24);
}

static void a_huge_file_is_refused_and_an_empty_one_gives_nothing(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *path = path_join(p->folder, "m.yaml");

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", "");
	must_render(p, "");
	forget(p);
	assert_int_equal(truncate(path, 100 << 20), 0);
	assert_false(render(p));
	assert_found_at(p, "manifest", 4, 24);
}

static void bytes_that_are_no_text_are_refused_with_their_place(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", "a: 1\nb: caf\xe9\n");
	assert_false(render(p));
	assert_int_equal(find(p, "manifest-yaml")->line, 2);
	forget(p);
	put(p, "m.yaml", "a: 1\nb: \x01\n");
	assert_false(render(p));
	assert_int_equal(find(p, "manifest-yaml")->line, 2);
}

static void an_alias_bomb_ends_in_an_error(void **state)
{
	AUTO_RELEASE(buf) bomb = { 0 };
	struct project *p = *state;

	buf_adds(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 12; i++) {
		buf_addf(&bomb, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_addf(&bomb, "*a%d, ", i - 1);
		buf_adds(&bomb, "]\n");
	}
	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", bomb.p);
	assert_false(render(p));
	assert_non_null(find(p, "manifest-yaml"));
}

static void a_template_that_never_ends_is_stopped(void **state)
{
	struct project *p = *state;

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", "{{ range 1000000000 }}{{ range 1000000000 }}{{ end }}{{ end }}\n");
	assert_false(render(p));
	assert_non_null(find(p, "template"));
}

/* ---- the command ---- */

static int command(struct project *p, struct render_command c, char **ret_out, char **ret_err)
{
	size_t out_len, err_len;

	c.stack = p->options;
	c.out = open_memstream(ret_out, &out_len);
	c.err = open_memstream(ret_err, &err_len);
	int status = cmd_render(&c);

	fclose(c.out);
	fclose(c.err);
	return status;
}

static void json_output_is_one_list(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *out = NULL, *err = NULL;

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", "a: 1\n---\nb: [x, 2.5]\n");
	assert_int_equal(command(p, (struct render_command){ .output = "json" }, &out, &err), 0);
	assert_string_equal(out, "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n{\"a\":1},\n{\"b\":[\"x\",2.5]}\n]}\n");
}

static void folder_output_is_one_file_for_each_object(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *out = NULL, *err = NULL;
	AUTO_FREE char *output = xasprintf("dir=%s/out/x", p->folder);
	AUTO_FREE char *path = xasprintf("%s/out/x/0002-configmap-a_b.yaml", p->folder);
	AUTO_RELEASE(buf) text = { 0 };
	AUTO_RELEASE(error) error = { 0 };

	put(p, "services.yaml", "project: ''\nservices: [{name: web, manifests: [{path: m.yaml}]}]\n");
	put(p, "m.yaml", "a: 1\n---\nkind: ConfigMap\nmetadata: {name: A/b}\n");
	assert_int_equal(command(p, (struct render_command){ .output = output }, &out, &err), 0);
	assert_string_equal(out, "");
	assert_true(file_read(path, 0, &text, &error));
	assert_string_equal(text.p, "kind: ConfigMap\nmetadata:\n  name: A/b\n");
	assert_string_equal(err, "");

	struct stat status;
	mode_t mask = umask(0);

	umask(mask);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0666 & ~mask);
}

static void files_of_an_earlier_render_are_named(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *out = NULL, *err = NULL, *more = NULL, *told = NULL;
	AUTO_FREE char *output = xasprintf("dir=%s/out", p->folder);

	put(p, "services.yaml", ONE_SERVICE);
	put(p, "m.yaml", "kind: A\n---\nkind: B\n");
	assert_int_equal(command(p, (struct render_command){ .output = output }, &out, &err), 0);
	put(p, "out/mine.yaml", "x: 1\n");
	put(p, "m.yaml", "kind: A\n");
	assert_int_equal(command(p, (struct render_command){ .output = output }, &more, &told), 0);
	assert_non_null(strstr(told, "out/0002-b-unnamed.yaml: warning: left by an earlier render"));
	assert_null(strstr(told, "mine.yaml"));
}

static void what_would_steer_a_terminal_is_not_told_as_it_is(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *out = NULL, *err = NULL;

	put(p, "services.yaml", "project: p\n\"k\\e[31m\": 1\nservices: [{name: w, manifests: [{path: m.yaml}]}]\n");
	put(p, "m.yaml", "kind: A\nmetadata: {name: \"x\\e]0;t\\ay\"}\n");
	assert_int_equal(command(p, (struct render_command){ .explain = true }, &out, &err), 0);
	assert_non_null(strstr(err, "unknown key \"k?[31m\""));
	assert_non_null(strstr(err, "A x?]0;t?y from"));
	assert_null(strchr(err, '\033'));
}

static void explain_tells_who_made_each_object(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *out = NULL, *err = NULL;

	put(p, "services.yaml", "project: p\nservices:\n  - name: web\n    manifests: [{path: m.yaml}]\n"
				"    overlays: {dev: {dropKinds: [Ingress]}}\n");
	put(p, "m.yaml", "kind: Secret\nmetadata: {name: s}\n---\nkind: Ingress\nmetadata: {name: i}\n");
	assert_int_equal(command(p, (struct render_command){ .explain = true }, &out, &err), 0);
	assert_non_null(strstr(err, "m.yaml:1: Secret s from service \"web\", overlay \"dev\", sets namespace\n"));
	assert_non_null(strstr(err, "m.yaml:4: Ingress i from service \"web\", overlay \"dev\", left out by dropKinds\n"));
}

static void a_failure_writes_nothing_to_stdout(void **state)
{
	struct project *p = *state;
	AUTO_FREE char *out = NULL, *err = NULL;

	put(p, "services.yaml", "project: p\nservices: [{name: a, manifests: [{path: a.yaml}, {path: b.yaml}]}]\n");
	put(p, "a.yaml", "a: 1\n");
	put(p, "b.yaml", "a: {{ .Nope }}\n");
	assert_int_equal(command(p, (struct render_command){ 0 }, &out, &err), 2);
	assert_string_equal(out, "");
	assert_non_null(strstr(err, "b.yaml:1:7: error: "));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(infrastructure_comes_first_and_each_object_knows_its_origin),
		T(filters_select_by_name_and_unknown_names_are_told),
		T(nothing_selected_is_no_error),
		T(hooks_follow_the_selection),
		T(a_cluster_scoped_kind_gets_a_namespace_only_as_codexctl_does),
		T(discovery_decides_the_scope_of_a_kind),
		T(modern_rendering_knows_every_workload_and_mounts_a_claim_twice),
		T(a_kind_to_drop_that_never_comes_is_told),
		T(a_yaml_error_is_told_where_it_was_written),
		T(a_missing_value_is_a_warning_or_an_error),
		T(a_number_that_changes_is_a_warning),
		T(errors_of_all_manifests_come_at_once),
		T(a_manifest_outside_of_the_project_is_read_only_when_lenient),
		T(a_link_inside_of_the_project_is_followed),
		T(a_named_pipe_or_folder_is_refused_at_once),
		T(a_huge_file_is_refused_and_an_empty_one_gives_nothing),
		T(bytes_that_are_no_text_are_refused_with_their_place),
		T(an_alias_bomb_ends_in_an_error),
		T(a_template_that_never_ends_is_stopped),
		T(json_output_is_one_list),
		T(folder_output_is_one_file_for_each_object),
		T(files_of_an_earlier_render_are_named),
		T(what_would_steer_a_terminal_is_not_told_as_it_is),
		T(explain_tells_who_made_each_object),
		T(a_failure_writes_nothing_to_stdout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
