#include "model/validate.h"

#include <string.h>

#include "base/file.h"
#include "base/yaml.h"

#define MAX_FILE_BYTES ((size_t)4 << 20)

static bool same(const struct diag *a, const struct diag *b)
{
	return a->line == b->line && a->column == b->column && strcmp(a->code, b->code) == 0 &&
	       strcmp(a->message, b->message) == 0 && strcmp(a->file ? a->file : "", b->file ? b->file : "") == 0;
}

/* Adds what is not there yet. */
static void merge(struct diags *all, const struct diags *more)
{
	for (size_t i = 0; i < more->len; i++) {
		const struct diag *d = &more->items[i];
		size_t k = 0;

		while (k < all->len && !same(&all->items[k], d))
			k++;
		if (k < all->len)
			continue;
		diags_add(all, d->severity, (struct place){ d->file, d->line, d->column }, d->code, "%s", d->message);
		if (d->hint)
			diags_hint(all, "%s", d->hint);
	}
}

static bool ignore_object(const struct render_object *object, void *arg, struct error *err)
{
	(void)object;
	(void)arg;
	(void)err;
	return true;
}

static void validate_one(const struct stack_options *options, const char *env, const struct render_options *render,
			 struct diags *diags)
{
	struct stack_options one = *options;
	AUTO(stack) stack = NULL;
	AUTO_RELEASE(diags) found = DIAGS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	one.env = env;
	one.lenient = false;
	if (strcmp(env, options->env ? options->env : "") != 0 && !one.slot)
		one.slot = 1;
	one.partial = true;
	stack_load(&one, &stack, &found, &err);
	if (stack)
		stack_render(stack, render, ignore_object, NULL, &found, &err);
	merge(diags, &found);
}

/* The environments as the untemplated file names them: those of `environments`, else those with a namespace pattern. */
static const struct yaml_node *environments_of(const struct yaml_doc *doc)
{
	const struct yaml_node *root = doc ? doc->root : NULL;
	const struct yaml_node *map = yaml_map_get(root, "environments");

	if (!yaml_is_map(map) || !map->map.n)
		map = yaml_path(root, "namespace", "patterns", NULL);
	return yaml_is_map(map) && map->map.n ? map : NULL;
}

size_t stack_validate(const struct stack_options *options, const struct render_options *render, struct diags *diags)
{
	struct yaml_limits limits = YAML_LIMITS_INIT;
	AUTO_RELEASE(buf) source = BUF_INIT(MAX_FILE_BYTES);
	AUTO_RELEASE(error) err = { 0 };
	AUTO(yaml_doc) doc = NULL;
	const char *config = options->config ? options->config : "services.yaml";
	const struct yaml_node *names = NULL;

	limits.lenient = true;
	if (options->env && *options->env) {
		validate_one(options, options->env, render, diags);
		return 1;
	}
	if (file_read(config, MAX_FILE_BYTES, &source, &err) && yaml_read(buf_str(&source), NULL, &limits, &doc, &err))
		names = environments_of(doc);
	if (!names) {
		validate_one(options, "", render, diags);
		return 1;
	}
	for (size_t i = 0; i < names->map.n; i++)
		if (names->map.pairs[i].key->kind < YAML_SEQUENCE)
			validate_one(options, names->map.pairs[i].key->text.p, render, diags);
	return names->map.n;
}
