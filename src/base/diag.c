#include "base/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void diags_release(struct diags *diags)
{
	for (size_t i = 0; i < diags->len; i++) {
		struct diag *d = &diags->items[i];

		free(d->file);
		free(d->code);
		free(d->message);
		free(d->hint);
	}
	free(diags->items);
	*diags = (struct diags)DIAGS_INIT;
}

static char *format(const char *fmt, va_list ap)
{
	struct buf text = BUF_INIT(0);

	buf_vaddf(&text, fmt, ap);
	return buf_give(&text);
}

void diags_add(struct diags *diags, enum diag_severity severity, struct place place, const char *code, const char *fmt,
	       ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *message = format(fmt, ap);
	va_end(ap);
	LIST_PUSH(diags->items, diags->len, diags->cap) = (struct diag){
		.severity = severity,
		.file = place.file ? xstrdup(place.file) : NULL,
		.line = place.line,
		.column = place.column,
		.code = xstrdup(code),
		.message = message,
	};
	if (severity == DIAG_ERROR)
		diags->errors++;
	else
		diags->warnings++;
}

void diags_hint(struct diags *diags, const char *fmt, ...)
{
	struct diag *newest = &diags->items[diags->len - 1];
	va_list ap;

	va_start(ap, fmt);
	free(newest->hint);
	newest->hint = format(fmt, ap);
	va_end(ap);
}

void diags_make_strict(struct diags *diags)
{
	for (size_t i = 0; i < diags->len; i++)
		diags->items[i].severity = DIAG_ERROR;
	diags->errors = diags->len;
	diags->warnings = 0;
}

static bool comes_after(const struct diag *a, const struct diag *b)
{
	int order = strcmp(a->file ? a->file : "", b->file ? b->file : "");

	if (order)
		return order > 0;
	if (a->line != b->line)
		return a->line > b->line;
	return a->column > b->column;
}

void diags_sort(struct diags *diags)
{
	for (size_t i = 1; i < diags->len; i++) { /* stable; the list is short and nearly sorted */
		struct diag d = diags->items[i];
		size_t at = i;

		for (; at > 0 && comes_after(&diags->items[at - 1], &d); at--)
			diags->items[at] = diags->items[at - 1];
		diags->items[at] = d;
	}
}

static void add_place(const struct diag *diag, struct buf *out)
{
	if (!diag->file)
		return;
	buf_adds(out, diag->file);
	if (diag->line)
		buf_addf(out, ":%u", diag->line);
	if (diag->line && diag->column)
		buf_addf(out, ":%u", diag->column);
	buf_adds(out, ": ");
}

void diag_format(const struct diag *diag, struct buf *out)
{
	add_place(diag, out);
	buf_addf(out, "%s: %s (%s)\n", diag->severity == DIAG_ERROR ? "error" : "warning", diag->message, diag->code);
	if (diag->hint)
		buf_addf(out, "  hint: %s\n", diag->hint);
}

bool diags_check(const struct diags *diags, struct error *err)
{
	for (size_t i = 0; i < diags->len; i++) {
		const struct diag *d = &diags->items[i];

		if (d->severity != DIAG_ERROR)
			continue;
		AUTO_RELEASE(buf) place = BUF_INIT(0);

		add_place(d, &place);
		error_set(err, ERR_INVALID, "%s%s", buf_cstr(&place), d->message);
		if (d->hint)
			error_hint(err, "%s", d->hint);
		if (diags->errors > 1)
			error_hint(err, "%zu more errors; `slotdeck validate` lists them all", diags->errors - 1);
		return false;
	}
	return true;
}
