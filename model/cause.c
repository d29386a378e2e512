#include "model/cause.h"

#include <stdlib.h>
#include <string.h>

static char *copy_of(const char *text)
{
	return xstrdup(text ? text : "");
}

static void cause_release(struct cause *cause)
{
	free(cause->kind);
	free(cause->namespace);
	free(cause->name);
	free(cause->uid);
	free(cause->container);
	free(cause->reason);
	free(cause->message);
}

void causes_release(struct causes *causes)
{
	for (size_t i = 0; i < causes->len; i++)
		cause_release(&causes->items[i]);
	free(causes->items);
	*causes = (struct causes){ 0 };
}

struct cause *causes_add(struct causes *causes, enum cause_what what, const char *kind, const char *namespace,
			 const char *name, const char *reason, const char *message)
{
	/* Ten thousand pods that are not known yet have a chain of one each: room for eight would be 8 MB. */
	if (causes->len == causes->cap) {
		causes->cap = causes->cap ? causes->cap * 2 : 1;
		causes->items = xreallocarray(causes->items, causes->cap, sizeof *causes->items);
	}
	causes->items[causes->len++] = (struct cause){
		.what = what,
		.kind = copy_of(kind),
		.namespace = copy_of(namespace),
		.name = copy_of(name),
		.uid = copy_of(NULL),
		.container = copy_of(NULL),
		.reason = copy_of(reason),
		.message = copy_of(message),
		.exit_code = -1,
		.restarts = -1,
	};
	return &causes->items[causes->len - 1];
}

void causes_copy(struct causes *to, const struct causes *from)
{
	causes_release(to);
	for (size_t i = 0; i < from->len; i++) {
		const struct cause *c = &from->items[i];
		struct cause *copy = causes_add(to, c->what, c->kind, c->namespace, c->name, c->reason, c->message);

		free(copy->uid);
		copy->uid = copy_of(c->uid);
		free(copy->container);
		copy->container = copy_of(c->container);
		copy->exit_code = c->exit_code;
		copy->restarts = c->restarts;
		copy->at_ms = c->at_ms;
	}
}

const struct cause *causes_deepest(const struct causes *causes)
{
	for (size_t i = causes->len; i > 0; i--) {
		if (causes->items[i - 1].what != CAUSE_EVENT)
			return &causes->items[i - 1];
	}
	return causes->len ? &causes->items[causes->len - 1] : NULL;
}

static void format_detail(const struct cause *cause, struct buf *out)
{
	const char *sep = " ";

	if (*cause->reason) {
		buf_addf(out, " %s", cause->reason);
		sep = ", ";
	}
	if (cause->restarts > 0) {
		buf_addf(out, "%s%d restart%s", sep, cause->restarts, cause->restarts == 1 ? "" : "s");
		sep = ", ";
	}
	if (cause->exit_code >= 0) {
		buf_addf(out, "%slast exit code %d", sep, cause->exit_code);
		sep = ", ";
	}
	if (*cause->message)
		buf_addf(out, "%s%s", *sep == ',' ? ": " : " ", cause->message);
}

void cause_format(const struct cause *cause, struct buf *out)
{
	static const char *const leads[] = {
		[CAUSE_CONTAINER] = "container", [CAUSE_LOG] = "last log line", [CAUSE_EVENT] = "last warning"
	};

	if (cause->what == CAUSE_OBJECT)
		buf_addf(out, "%s %s:", cause->kind, cause->name);
	else if (cause->what == CAUSE_CONTAINER)
		buf_addf(out, "%s %s:", leads[cause->what], cause->container);
	else
		buf_addf(out, "%s:", leads[cause->what]);
	format_detail(cause, out);
}
