#include "model/render.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/yaml.h"
#include "model/render_edit.h"
#include "model/stack.h"
#include "model/stack_private.h"
#include "template/template.h"

#define MAX_MANIFEST_BYTES ((size_t)8 << 20)
#define MAX_MEMORY_BYTES ((size_t)24 << 20) /* of one document; a server takes no object of more than 3 MiB */
#define MAX_SHOWN_BYTES 160 /* of a line in a hint */

/* ---- filters ---- */

struct filter {
	const char *only, *skip;
};

/* Calls with each name of a comma separated list; true as soon as one gives true. */
static bool any_name(const char *list, bool (*match)(struct str name, const void *arg), const void *arg)
{
	struct str rest = str_of(list), name;

	while (rest.len) {
		if (!str_cut(&rest, ',', &name)) {
			name = rest;
			rest.len = 0;
		}
		name = str_trim_unicode(name);
		if (name.len && match(name, arg))
			return true;
	}
	return false;
}

static bool is_any(struct str name, const void *arg)
{
	(void)name;
	(void)arg;
	return true;
}

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* Names are compared without case and surrounding blanks. */
static bool is_item(struct str name, const void *arg)
{
	const struct stack_item *item = arg;
	struct str own = str_trim_unicode(str_of(item->name.text));

	if (str_ieq(name, own) || is_ascii(name) || is_ascii(own))
		return str_ieq(name, own);
	AUTO_FREE char *text = str_dup(name);
	AUTO_FREE char *a = stack_fold_name(text);
	AUTO_FREE char *b = stack_fold_name(item->name.text);

	return strcmp(a, b) == 0;
}

static bool passes(const struct filter *filter, const struct stack_item *item)
{
	if (any_name(filter->only, is_any, NULL) && !any_name(filter->only, is_item, item))
		return false;
	return !any_name(filter->skip, is_item, item);
}

struct unknown_names {
	const struct stack *stack;
	const struct stack_item_list *items;
	const char *flag;
	struct diags *diags;
};

static bool check_name(struct str name, const void *arg)
{
	const struct unknown_names *u = arg;
	AUTO_RELEASE(buf) known = { 0 };

	for (size_t i = 0; i < u->items->n; i++) {
		if (is_item(name, &u->items->items[i]))
			return false;
		buf_addf(&known, "%s%s", i ? ", " : "", u->items->items[i].name.text);
	}
	diags_add(u->diags, stack_is_lenient(u->stack) ? DIAG_WARNING : DIAG_ERROR, (struct place){ 0 }, "unknown-name",
		  "--%s: there is no \"%.*s\"", u->flag, STR_ARG(name));
	diags_hint(u->diags, "there are %s", known.len ? known.p : "none at all");
	return false;
}

static void check_filters(const struct stack *stack, const struct render_filters *f, struct diags *diags)
{
	const struct {
		const char *names, *flag;
		const struct stack_item_list *items;
	} rows[] = {
		{ f->only_infra, "only-infra", &stack->infrastructure },
		{ f->skip_infra, "skip-infra", &stack->infrastructure },
		{ f->only_services, "only-services", &stack->services },
		{ f->skip_services, "skip-services", &stack->services },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		any_name(rows[i].names, check_name,
			 &(const struct unknown_names){ stack, rows[i].items, rows[i].flag, diags });
}

static bool is_selected(const struct render_filters *f, const struct stack_item *item)
{
	const struct filter filter = item->is_infra ? (struct filter){ f->only_infra, f->skip_infra }
						    : (struct filter){ f->only_services, f->skip_services };

	return passes(&filter, item);
}

static bool is_wanted(const struct stack *stack, const struct stack_item *item, bool *ret, struct diags *diags,
		      struct error *err)
{
	return stack_when(stack, item->is_infra ? "infra-when" : "service-when", item->when, true, ret, diags, err);
}

/* ---- selection ---- */

struct selection {
	const struct stack *stack;
	bool *infra, *services;
};

static bool select_list(const struct stack *stack, const struct render_filters *f, const struct stack_item_list *list,
			bool *chosen, struct diags *diags, struct error *err)
{
	for (size_t i = 0; i < list->n; i++) {
		chosen[i] = is_selected(f, &list->items[i]);
		if (!chosen[i] || is_wanted(stack, &list->items[i], &chosen[i], diags, err))
			continue;
		error_wrap(err, "%s \"%s\"", list->items[i].is_infra ? "infra" : "service", list->items[i].name.text);
		return stack_wrap_place(stack, list->items[i].when.at, err);
	}
	return true;
}

bool stack_select(const struct stack *stack, const struct render_filters *filters, struct selection **ret,
		  struct diags *diags, struct error *err)
{
	static const struct render_filters none;
	const struct render_filters *f = filters ? filters : &none;
	AUTO(selection) s = xcalloc(1, sizeof *s);

	s->stack = stack;
	s->infra = xcalloc(stack->infrastructure.n + 1, sizeof *s->infra);
	s->services = xcalloc(stack->services.n + 1, sizeof *s->services);
	check_filters(stack, f, diags);
	if (!diags_check(diags, err) || !select_list(stack, f, &stack->infrastructure, s->infra, diags, err) ||
	    !select_list(stack, f, &stack->services, s->services, diags, err))
		return false;
	*ret = GIVE(s);
	return true;
}

bool selection_has(const struct selection *s, const struct stack_item *item)
{
	if (item->is_infra)
		return s->infra[item - s->stack->infrastructure.items];
	return s->services[item - s->stack->services.items];
}

void selection_destroy(struct selection *s)
{
	if (!s)
		return;
	free(s->infra);
	free(s->services);
	free(s);
}

/* ---- one manifest ---- */

struct render {
	const struct stack *stack;
	const struct render_options *options;
	render_fn *on_object;
	void *arg;
	struct diags *diags;
	struct error *err;	   /* of the callback or a cancel: ends everything */
	bool ended;
	size_t errors_before;
	char *folder;		   /* of services.yaml, as the user named it */

	/* of the item at hand */
	const struct stack_item *item;
	const struct stack_overlay *overlay;
	bool did_image, did_mounts;
	struct map mount_names;
	bool *dropped;		   /* which entry of dropKinds met an object */

	/* of the manifest at hand; memory is used again */
	const struct stack_manifest *manifest;
	char *shown;		   /* its path as the user would name it */
	struct buf source, text;
	struct source_map map;
	unsigned document;
};

static void render_release(struct render *r)
{
	free(r->folder);
	free(r->shown);
	free(r->dropped);
	map_release(&r->mount_names);
	buf_release(&r->source);
	buf_release(&r->text);
	source_map_release(&r->map);
}
DEFINE_AUTO_RELEASE(render);

static enum diag_severity severity(const struct render *r)
{
	return stack_is_lenient(r->stack) ? DIAG_WARNING : DIAG_ERROR;
}

static const char *what(const struct render *r)
{
	return r->item->is_infra ? "infra" : "service";
}

/* A finding with the words of an error, about the item at hand. */
static void add_error(struct render *r, struct place place, const char *code, struct error *err)
{
	error_wrap(err, "%s \"%s\"", what(r), r->item->name.text);
	diags_add(r->diags, DIAG_ERROR, place, code, "%s", err->message);
	if (err->hint)
		diags_hint(r->diags, "%s", err->hint);
	error_release(err);
}

/* Where a line of the rendered text comes from, in the manifest as written. */
static struct place source_place(struct render *r, unsigned line, unsigned column)
{
	struct spot spot = source_map_find(&r->map, buf_str(&r->text), line, column);

	return (struct place){ r->shown, spot.line, spot.column };
}

static char *relative_to_root(const struct render *r, const char *path)
{
	size_t n = strlen(r->stack->root);

	if (path[0] == '/' && strncmp(path, r->stack->root, n) == 0 && path[n] == '/')
		return xstrdup(path + n + 1);
	return xstrdup(path);
}

static bool read_manifest(struct render *r, struct error *err)
{
	const char *path = r->manifest->path.text;
	AUTO_FREE char *below = relative_to_root(r, path);
	AUTO_FREE char *whole = path_join(r->stack->root, path);

	if (file_read_below(r->stack->root, below, MAX_MANIFEST_BYTES, &r->source, err))
		return true;
	if (err->kind != ERR_DENIED || !stack_is_lenient(r->stack))
		return error_hint(err, "manifest paths are relative to the folder of services.yaml and stay below it");
	error_release(err);
	if (!file_read(whole, MAX_MANIFEST_BYTES, &r->source, err))
		return false;
	diags_add(r->diags, DIAG_WARNING, stack_place(r->stack, r->manifest->path.at), "outside",
		  "manifest \"%s\" lies outside of the project; apply refuses that", path);
	return true;
}

static void on_trace(size_t out, size_t source, bool literal, void *arg)
{
	struct render *r = arg;

	source_map_add(&r->map, out, source, literal);
}

static void on_lint(const struct template_finding *f, void *arg)
{
	struct render *r = arg;

	diags_add(r->diags, DIAG_WARNING, (struct place){ r->shown, f->line, f->column }, "missing-value",
		  "{{%.*s}} prints \"%.*s\"", STR_ARG(f->source), STR_ARG(f->printed));
}

/* "manifests/web.yaml" beside "team/services.yaml" is told as "team/manifests/web.yaml". */
static char *shown_path(const struct render *r, const char *path)
{
	return strcmp(r->folder, ".") == 0 ? xstrdup(path) : path_join(r->folder, path);
}

static bool run_template(struct render *r)
{
	AUTO_FREE char *name = path_join(r->stack->root, r->manifest->path.text);
	struct template_options options = stack_template_options(r->stack);
	struct template_place where = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	buf_reset(&r->text);
	source_map_reset(&r->map, buf_str(&r->source));
	options.lint = on_lint;
	options.lint_arg = r;
	options.ret_place = &where;
	options.trace = on_trace;
	options.trace_arg = r;
	if (template_render(name, buf_str(&r->source), *stack_context(r->stack), &options, &r->text, &err))
		return true;
	add_error(r, (struct place){ r->shown, where.line, where.column }, "template", &err);
	return false;
}

static bool load_manifest(struct render *r)
{
	AUTO_RELEASE(error) err = { 0 };

	if (!str_trim_unicode(str_of(r->manifest->path.text)).len) {
		error_set(&err, ERR_INVALID, "a manifest has no `path`");
		add_error(r, stack_place(r->stack, r->manifest->at), "missing-field", &err);
		return false;
	}
	free(r->shown);
	r->shown = shown_path(r, r->manifest->path.text);
	if (!read_manifest(r, &err)) {
		add_error(r, stack_place(r->stack, r->manifest->path.at), "manifest", &err);
		return false;
	}
	return run_template(r);
}

/* ---- one object ---- */

static void on_edit(void *arg, const struct yaml_node *at, const char *code, const char *message)
{
	struct render *r = arg;

	diags_add(r->diags, severity(r), source_place(r, at->line, at->column), code, "%s", message);
}

static const char *applied_words(const struct edit *edit)
{
	static const char *const words[] = {
		"", "namespace", "image", "namespace, image", "pvcMounts", "namespace, pvcMounts", "image, pvcMounts",
		"namespace, image, pvcMounts",
	};

	return words[edit->did_namespace + 2 * edit->did_image + 4 * edit->did_mounts];
}

/* The whole reference, NULL when the service overrides none. The tag is rendered for each document, as the original does. */
static bool image_of(struct render *r, char **ret, struct error *err)
{
	struct str repository = str_trim_unicode(str_of(r->item->image_repository.text));
	AUTO_RELEASE(buf) tag = { 0 };

	*ret = NULL;
	if (!repository.len)
		return true;
	if (!stack_render_text(r->stack, "tag", r->item->image_tag_template, &tag, r->diags, err))
		return false;
	struct str text = str_trim_unicode(buf_str(&tag));

	*ret = text.len ? xasprintf("%.*s:%.*s", STR_ARG(repository), STR_ARG(text)) : str_dup(repository);
	return true;
}

static void mark_dropped(struct render *r, const struct yaml_node *root)
{
	for (size_t i = 0; i < r->overlay->drop_kinds.n; i++)
		r->dropped[i] |= str_ieq(yaml_map_text(root, "kind"),
					 str_trim_unicode(str_of(r->overlay->drop_kinds.items[i].text)));
}

static bool edit_object(struct render *r, struct yaml_doc *doc, const char **ret_applied, bool *ret_dropped)
{
	struct edit edit = {
		.stack = r->stack, .options = r->options, .item = r->item, .overlay = r->overlay, .mount_names = &r->mount_names,
		.arena = doc->arena,
		.find = on_edit, .find_arg = r,
	};
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *image = NULL;

	*ret_applied = "";
	*ret_dropped = false;
	if (r->item->is_infra)
		return true;
	if (edit_drops(&edit, doc->root)) {
		mark_dropped(r, doc->root);
		*ret_dropped = true;
		return true;
	}
	if (!image_of(r, &image, &err)) {
		add_error(r, stack_place(r->stack, r->item->image_tag_template.at), "image-tag", &err);
		return false;
	}
	edit.image = image;
	edit_apply(&edit, doc->root);
	r->did_image |= edit.did_image;
	r->did_mounts |= edit.did_mounts;
	*ret_applied = applied_words(&edit);
	return true;
}

static bool give_object(struct render *r, struct yaml_doc *doc, const char *applied, render_fn *to)
{
	const struct render_object object = {
		.root = doc->root, .arena = doc->arena, .item = r->item, .manifest = r->manifest, .file = r->shown,
		.line = source_place(r, doc->root->line, doc->root->column).line,
		.document = r->document, .overlay = r->overlay, .applied = applied,
	};

	/* After an error the rest is only looked at for more findings. */
	if (!to || r->diags->errors > r->errors_before)
		return true;
	if (to(&object, r->arg, r->err))
		return true;
	r->ended = true;
	return false;
}

/* Findings about the rendered text, moved to where they come from. */
static void add_moved(struct render *r, const struct diags *found)
{
	for (size_t i = 0; i < found->len; i++) {
		const struct diag *d = &found->items[i];

		diags_add(r->diags, d->severity, source_place(r, d->line, d->column), d->code, "%s", d->message);
		if (d->hint)
			diags_hint(r->diags, "%s", d->hint);
	}
}

static struct str line_of(struct str text, unsigned number)
{
	struct str line = { 0 };

	for (unsigned i = 0; i < number; i++)
		if (!str_cut(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		}
	return line;
}

static void add_yaml_error(struct render *r, unsigned line, unsigned column, struct error *err)
{
	struct str shown = line_of(buf_str(&r->text), line);

	if (shown.len > MAX_SHOWN_BYTES)
		shown.len = MAX_SHOWN_BYTES;
	if (line)
		error_hint(err, "after templating, line %u is: %.*s", line, STR_ARG(shown));
	add_error(r, source_place(r, line, column), "manifest-yaml", err);
}

static bool render_document(struct render *r, struct yaml_doc *doc)
{
	AUTO_RELEASE(diags) found = DIAGS_INIT;
	AUTO_RELEASE(error) err = { 0 };
	const char *applied;
	bool ok, dropped;

	ok = yaml_doc_make_generic(doc, NULL, &found, &err);
	add_moved(r, &found);
	if (!ok) {
		add_yaml_error(r, doc->error_line, doc->error_column, &err);
		return false;
	}
	if (!yaml_is_map(doc->root) || !doc->root->map.n)
		return true;
	if (!edit_object(r, doc, &applied, &dropped))
		return false;
	return give_object(r, doc, applied, dropped ? r->options->on_drop : r->on_object);
}

static void render_manifest(struct render *r)
{
	struct yaml_limits limits = YAML_LIMITS_INIT;
	struct yaml_doc *next;
	AUTO_RELEASE(error) err = { 0 };

	limits.max_memory_bytes = MAX_MEMORY_BYTES;
	if (!load_manifest(r))
		return;
	stack_check_versions(r->stack, buf_str(&r->source), r->shown, r->diags);
	AUTO(yaml_stream) stream = yaml_stream_create(buf_str(&r->text), NULL, &limits);

	for (r->document = 0;; r->document++) {
		if (!yaml_stream_next(stream, &next, &err)) {
			unsigned line, column;

			yaml_stream_place(stream, &line, &column);
			add_yaml_error(r, line, column, &err);
			return;
		}
		if (!next)
			return;
		AUTO(yaml_doc) doc = next;

		if (!render_document(r, doc))
			return;
	}
}

/* ---- one item ---- */

static const struct stack_overlay *overlay_of(const struct stack *stack, const struct stack_item *item)
{
	for (size_t i = 0; i < item->overlays.n; i++)
		if (strcmp(item->overlays.items[i].env.text, stack->env) == 0)
			return &item->overlays.items[i];
	return NULL;
}

/* What the service asks for and no object of it took. */
static void warn_unused(struct render *r)
{
	const struct stack_item *item = r->item;

	if (str_trim_unicode(str_of(item->image_repository.text)).len && !r->did_image)
		diags_add(r->diags, DIAG_WARNING, stack_place(r->stack, item->image_repository.at), "unused-image",
			  "the image of service \"%s\" goes nowhere: it has no Deployment of that name with a container",
			  item->name.text);
	if (!r->overlay)
		return;
	if (r->overlay->pvc_mounts.n && !r->did_mounts)
		diags_add(r->diags, DIAG_WARNING, stack_place(r->stack, r->overlay->at), "unused-mounts",
			  "the pvcMounts of service \"%s\" go nowhere: it has no Deployment of that name with a container",
			  item->name.text);
	for (size_t i = 0; i < r->overlay->drop_kinds.n; i++)
		if (!r->dropped[i])
			diags_add(r->diags, DIAG_WARNING, stack_place(r->stack, r->overlay->drop_kinds.items[i].at),
				  "unused-kind", "dropKinds of service \"%s\": there is no %s to drop", item->name.text,
				  r->overlay->drop_kinds.items[i].text);
}

static void render_item(struct render *r, const struct stack_item *item)
{
	AUTO_RELEASE(error) err = { 0 };
	size_t errors = r->diags->errors;
	bool wanted;

	if (!is_selected(&r->options->filters, item))
		return;
	r->item = item;
	if (!is_wanted(r->stack, item, &wanted, r->diags, &err)) {
		add_error(r, stack_place(r->stack, item->when.at), "when", &err);
		return;
	}
	if (!wanted)
		return;
	r->overlay = item->is_infra ? NULL : overlay_of(r->stack, item);
	r->did_image = r->did_mounts = false;
	map_release(&r->mount_names);
	for (size_t i = 0; r->overlay && i < r->overlay->pvc_mounts.n; i++)
		map_set(&r->mount_names, str_of(r->overlay->pvc_mounts.items[i].name.text), r);
	free(r->dropped);
	r->dropped = xcalloc(r->overlay ? r->overlay->drop_kinds.n + 1 : 1, sizeof *r->dropped);
	for (size_t i = 0; i < item->manifests.n && !r->ended; i++) {
		r->manifest = &item->manifests.items[i];
		render_manifest(r);
	}
	if (!item->is_infra && !r->ended && r->diags->errors == errors)
		warn_unused(r);
}

static void render_list(struct render *r, const struct stack_item_list *list)
{
	for (size_t i = 0; i < list->n && !r->ended; i++) {
		if (!cancel_check(r->options->cancel, r->err)) {
			r->ended = true;
			return;
		}
		render_item(r, &list->items[i]);
	}
}

bool stack_render(const struct stack *stack, const struct render_options *options, render_fn *on_object, void *arg,
		  struct diags *diags, struct error *err)
{
	static const struct render_options none;
	AUTO_RELEASE(render) r = {
		.stack = stack, .options = options ? options : &none, .on_object = on_object, .arg = arg, .diags = diags,
		.err = err, .errors_before = diags->errors, .folder = path_folder(stack->config_path),
	};

	check_filters(stack, &r.options->filters, diags);
	if (diags->errors == r.errors_before) {
		render_list(&r, &stack->infrastructure);
		render_list(&r, &stack->services);
	}
	return !r.ended && diags_check(diags, err);
}
