#include "cli/cmd_validate.h"

#include <string.h>

#include "base/json.h"
#include "cli/print.h"
#include "model/validate.h"

static void put_finding(struct json_writer *json, const struct diag *d)
{
	json_put_object(json);
	json_put_key(json, "severity");
	json_put_text(json, d->severity == DIAG_ERROR ? "error" : "warning");
	json_put_key(json, "file");
	json_put_text(json, d->file);
	json_put_key(json, "line");
	json_put_int(json, d->line);
	json_put_key(json, "column");
	json_put_int(json, d->column);
	json_put_key(json, "code");
	json_put_text(json, d->code);
	json_put_key(json, "message");
	json_put_text(json, d->message);
	json_put_key(json, "hint");
	json_put_text(json, d->hint);
	json_put_end_object(json);
}

static void print_json(const struct diags *diags, size_t environments, FILE *out)
{
	AUTO_RELEASE(buf) text = { 0 };
	struct json_writer json = JSON_WRITER_INIT(&text);

	json_put_object(&json);
	json_put_key(&json, "environments");
	json_put_int(&json, (int64_t)environments);
	json_put_key(&json, "errors");
	json_put_int(&json, (int64_t)diags->errors);
	json_put_key(&json, "warnings");
	json_put_int(&json, (int64_t)diags->warnings);
	json_put_key(&json, "findings");
	json_put_array(&json);
	for (size_t i = 0; i < diags->len; i++)
		put_finding(&json, &diags->items[i]);
	json_put_end_array(&json);
	json_put_end_object(&json);
	buf_addc(&text, '\n');
	fwrite(text.p, 1, text.len, out);
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_text(const struct diags *diags, size_t environments, FILE *out)
{
	AUTO_RELEASE(buf) text = { 0 };
	AUTO_RELEASE(buf) clean = { 0 };

	for (size_t i = 0; i < diags->len; i++)
		diag_format(&diags->items[i], &text);
	buf_addf(&text, "%zu error%s, %zu warning%s in %zu environment%s\n", diags->errors, plural(diags->errors),
		 diags->warnings, plural(diags->warnings), environments, plural(environments));
	add_clean(&clean, buf_cstr(&text), true);
	fputs(buf_cstr(&clean), out);
}

int cmd_validate(const struct validate_command *command)
{
	const struct render_options render = { .filters = command->filters };
	FILE *out = command->out ? command->out : stdout;
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	size_t environments = stack_validate(&command->stack, &render, &diags);

	if (command->strict)
		diags_make_strict(&diags);
	diags_sort(&diags);
	if (command->output && strcmp(command->output, "json") == 0)
		print_json(&diags, environments, out);
	else
		print_text(&diags, environments, out);
	return fflush(out) != 0 ? 1 : diags.errors ? 2 : 0;
}
