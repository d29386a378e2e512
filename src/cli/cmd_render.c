#include "cli/cmd_render.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/yaml.h"
#include "cli/print.h"

#define MAX_OUTPUT_BYTES ((size_t)256 << 20)
#define MAX_ALIKE 5 /* warnings of one code that are told */

struct piece { /* one file of --output dir= */
	char *name;
	size_t start, len;
};

struct writer {
	const struct render_command *command;
	const struct stack *stack;
	struct diags *diags;
	struct buf out, explain;
	size_t objects;
	struct piece *pieces;
	size_t npieces, pieces_cap;
};

static void writer_release(struct writer *w)
{
	for (size_t i = 0; i < w->npieces; i++)
		free(w->pieces[i].name);
	free(w->pieces);
	buf_release(&w->out);
	buf_release(&w->explain);
}
DEFINE_AUTO_RELEASE(writer);

static bool is_output(const struct writer *w, const char *name)
{
	return w->command->output && strcmp(w->command->output, name) == 0;
}

static const char *folder_of(const struct writer *w)
{
	return w->command->output && starts_with(w->command->output, "dir=") ? w->command->output + 4 : NULL;
}

static struct str name_of(const struct render_object *object)
{
	const struct yaml_node *name = yaml_path(object->root, "metadata", "name", NULL);

	return name && name->kind < YAML_SEQUENCE && name->text.len ? name->text : STR("unnamed");
}

/* ---- the forms of output ---- */

static bool write_yaml(struct writer *w, const struct render_object *object, struct error *err)
{
	(void)err;
	if (w->command->modern || w->command->strict) {
		yaml_emit_document(&w->out, object->root, w->objects == 0);
	} else if (!yaml_emit_document_as_original(&w->out, object->root, w->objects == 0)) {
		diags_add(w->diags, DIAG_WARNING, (struct place){ object->file, object->line, 0 }, "not-read-back",
			  "a text of line breaks alone, or a key \"<<\", means something else when this output is read");
		diags_hint(w->diags, "--modern writes it right");
	}
	return true;
}

static bool write_json(struct writer *w, const struct render_object *object, struct error *err)
{
	buf_adds(&w->out, w->objects ? ",\n" : "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n");
	if (yaml_to_json(object->root, &w->out, err))
		return true;
	return error_wrap(err, "%s", object->file);
}

static void add_safe(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';

		if (c >= 'A' && c <= 'Z')
			buf_addc(out, (char)(c | 0x20));
		else
			buf_addc(out, plain ? c : '_');
	}
}

/* "0007-service-web.yaml": files sort in the order of the stream. */
static bool write_piece(struct writer *w, const struct render_object *object, struct error *err)
{
	AUTO_RELEASE(buf) name = { 0 };
	struct str kind = yaml_map_text(object->root, "kind");
	struct piece piece = { .start = w->out.len };

	(void)err;
	buf_addf(&name, "%04zu-", w->objects + 1);
	add_safe(&name, kind.len ? kind : STR("object"));
	buf_addc(&name, '-');
	add_safe(&name, name_of(object));
	if (name.len > 200)
		buf_truncate(&name, 200);
	buf_adds(&name, ".yaml");
	yaml_emit_document(&w->out, object->root, true);
	piece.name = buf_give(&name);
	piece.len = w->out.len - piece.start;
	LIST_PUSH(w->pieces, w->npieces, w->pieces_cap) = piece;
	return true;
}

/* "web.yaml:3: Service web from service "web", overlay "dev", sets namespace" */
static void explain(struct writer *w, const struct render_object *object, bool dropped)
{
	struct str kind = yaml_map_text(object->root, "kind");
	AUTO_RELEASE(buf) line = { 0 };

	buf_addf(&line, "%s:%u: %.*s %.*s from %s \"%s\"", object->file, object->line, STR_ARG(kind), STR_ARG(name_of(object)),
		 object->item->is_infra ? "infrastructure" : "service", object->item->name.text);
	if (object->overlay)
		buf_addf(&line, ", overlay \"%s\"", object->overlay->env.text);
	if (dropped)
		buf_adds(&line, ", left out by dropKinds");
	else if (*object->applied)
		buf_addf(&line, ", sets %s", object->applied);
	add_clean(&w->explain, buf_cstr(&line), false);
	buf_addc(&w->explain, '\n');
}

static bool on_drop(const struct render_object *object, void *arg, struct error *err)
{
	(void)err;
	explain(arg, object, true);
	return true;
}

static bool on_object(const struct render_object *object, void *arg, struct error *err)
{
	struct writer *w = arg;
	bool ok = is_output(w, "json") ? write_json(w, object, err)
		  : folder_of(w)       ? write_piece(w, object, err)
				       : write_yaml(w, object, err);

	if (!ok)
		return false;
	if (w->command->explain)
		explain(w, object, false);
	w->objects++;
	if (w->out.overflow)
		return error_set(err, ERR_LIMIT, "the output is larger than %zu MiB", MAX_OUTPUT_BYTES >> 20);
	return true;
}

/* ---- the end ---- */

static bool write_all(FILE *out, const struct buf *text, struct error *err)
{
	if ((text->len && fwrite(text->p, 1, text->len, out) != text->len) || fflush(out) != 0)
		return error_errno(err, "stdout");
	return true;
}

/* As a redirection in the shell would make them: what a manifest holds may be a secret. */
static mode_t file_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static bool write_folder(const struct writer *w, const char *folder, struct error *err)
{
	mode_t mode = file_mode();

	if (!file_make_folders(folder, 0777, err))
		return false;
	for (size_t i = 0; i < w->npieces; i++) {
		const struct piece *piece = &w->pieces[i];
		AUTO_FREE char *path = path_join(folder, piece->name);

		if (!file_write_atomic(path, (struct str){ w->out.p + piece->start, piece->len }, mode, err))
			return false;
	}
	return true;
}

/* "0007-…yaml": a name that only --output dir= gives. */
static bool is_piece_name(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits >= 4 && name[digits] == '-' && ends_with(name, ".yaml");
}

static bool is_written(const struct writer *w, const char *name)
{
	for (size_t i = 0; i < w->npieces; i++)
		if (strcmp(w->pieces[i].name, name) == 0)
			return true;
	return false;
}

/* Whoever applies the folder would apply these, too. */
static void warn_stale(const struct writer *w, const char *folder, FILE *err)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_piece_name(entry->d_name) && !is_written(w, entry->d_name))
			fprintf(err, "%s/%s: warning: left by an earlier render, not made by this one (stale-file)\n", folder, entry->d_name);
	if (dir)
		closedir(dir);
}

static bool finish(struct writer *w, FILE *out, FILE *notes, struct error *err)
{
	const char *folder = folder_of(w);

	if (folder && write_folder(w, folder, err)) {
		warn_stale(w, folder, notes);
		return true;
	}
	if (folder)
		return false;
	if (is_output(w, "json"))
		buf_adds(&w->out, w->objects ? "\n]}\n" : "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[]}\n");
	return write_all(out, &w->out, err);
}

/* How many warnings of its code stand before this one. */
static size_t earlier(const struct diags *diags, size_t at)
{
	size_t n = 0;

	for (size_t i = 0; i < at && n <= MAX_ALIKE; i++)
		n += diags->items[i].severity == DIAG_WARNING && strcmp(diags->items[i].code, diags->items[at].code) == 0;
	return n;
}

/* A project with 200 files of one habit need not scroll its errors away: of many alike only the first are told. */
static void print_findings(const struct render_command *command, const struct diags *diags, FILE *err)
{
	AUTO_RELEASE(buf) text = { 0 };
	AUTO_RELEASE(buf) clean = { 0 };
	size_t left_out = 0;

	for (size_t i = 0; i < diags->len; i++) {
		bool warning = diags->items[i].severity == DIAG_WARNING;

		if (warning && (command->quiet || earlier(diags, i) >= MAX_ALIKE))
			left_out++;
		else
			diag_format(&diags->items[i], &text);
	}
	if (left_out && !command->quiet)
		buf_addf(&text, "%zu more warnings of the same kinds; `slotdeck validate` tells them all\n", left_out);
	add_clean(&clean, buf_cstr(&text), true);
	fputs(buf_cstr(&clean), err);
}

static int fail(FILE *err, const struct error *error, int status)
{
	AUTO_RELEASE(buf) text = { 0 };
	AUTO_RELEASE(buf) clean = { 0 };

	buf_addf(&text, "error: %s\n", error->message);
	if (error->hint)
		buf_addf(&text, "  %s\n", error->hint);
	add_clean(&clean, buf_cstr(&text), true);
	fputs(buf_cstr(&clean), err);
	return status;
}

static bool is_known_output(const char *output)
{
	return !output || !*output || strcmp(output, "yaml") == 0 || strcmp(output, "json") == 0 ||
	       (starts_with(output, "dir=") && output[4]);
}

static bool render(struct writer *w, struct stack **stack, struct diags *diags, struct error *error)
{
	const struct render_command *command = w->command;
	struct stack_options options = command->stack;
	const struct render_options how = {
		.filters = command->filters,
		.modern = command->modern,
		.cancel = command->cancel,
		.on_drop = command->explain ? on_drop : NULL,
	};

	options.lenient = !command->strict;
	if (!stack_load(&options, stack, diags, error))
		return false;
	w->stack = *stack;
	return stack_render(*stack, &how, on_object, w, diags, error);
}

int cmd_render(const struct render_command *command)
{
	FILE *out = command->out ? command->out : stdout, *err = command->err ? command->err : stderr;
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO_RELEASE(writer) w = { .command = command, .diags = &diags, .out = BUF_INIT(MAX_OUTPUT_BYTES) };
	AUTO_RELEASE(error) error = { 0 };
	AUTO(stack) stack = NULL;
	bool ok;

	if (!is_known_output(command->output)) {
		error_set(&error, ERR_INVALID, "--output %s: there are yaml, json and dir=FOLDER", command->output);
		return fail(err, &error, 2);
	}
	ok = render(&w, &stack, &diags, &error);
	print_findings(command, &diags, err);
	if (!ok) {
		if (error.kind == ERR_CANCELLED)
			return 128 + (cancel_signal(command->cancel) ? cancel_signal(command->cancel) : 2);
		return diags.errors ? 2 : fail(err, &error, 2);
	}
	if (command->explain && w.explain.len)
		fwrite(w.explain.p, 1, w.explain.len, err);
	if (!w.objects)
		fputs("nothing selected: no object to render\n", err);
	return finish(&w, out, err, &error) ? 0 : fail(err, &error, 1);
}
