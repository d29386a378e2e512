#include "template/node.h"

#include <string.h>

#include "template/literal.h"

static void print_pipe(const struct node_pipe *pipe, struct buf *out)
{
	for (uint32_t i = 0; i < pipe->ndeclared; i++) {
		if (i)
			buf_adds(out, ", ");
		node_print(&pipe->declared[i]->node, out);
	}
	if (pipe->ndeclared)
		buf_adds(out, pipe->assigns ? " = " : " := ");
	for (uint32_t i = 0; i < pipe->ncommands; i++) {
		if (i)
			buf_adds(out, " | ");
		node_print(&pipe->commands[i]->node, out);
	}
}

/* An operand: pipelines need their parentheses back. */
static void print_operand(const struct node *node, struct buf *out)
{
	if (node->type == NODE_PIPE)
		buf_addc(out, '(');
	node_print(node, out);
	if (node->type == NODE_PIPE)
		buf_addc(out, ')');
}

static void print_command(const struct node_command *command, struct buf *out)
{
	for (uint32_t i = 0; i < command->nargs; i++) {
		if (i)
			buf_addc(out, ' ');
		print_operand(command->args[i], out);
	}
}

static void print_fields(const struct node_fields *fields, struct buf *out)
{
	if (fields->node.type == NODE_VARIABLE)
		buf_add_str(out, fields->variable_name);
	if (fields->base)
		print_operand(fields->base, out);
	for (uint32_t i = 0; i < fields->nnames; i++) {
		buf_addc(out, '.');
		buf_add_str(out, fields->names[i]);
	}
}

static void print_list(struct node_list list, struct buf *out)
{
	for (size_t i = 0; i < list.n; i++)
		node_print(list.items[i], out);
}

static void print_branch(const struct node_branch *branch, const char *keyword, struct buf *out)
{
	buf_addf(out, "{{%s ", keyword);
	print_pipe(branch->pipe, out);
	buf_adds(out, "}}");
	print_list(branch->list, out);
	if (branch->has_else) {
		buf_adds(out, "{{else}}");
		print_list(branch->else_list, out);
	}
	buf_adds(out, "{{end}}");
}

static void print_template(const struct node_template *call, struct buf *out)
{
	buf_adds(out, "{{template ");
	literal_quote(out, call->name, false);
	if (call->pipe) {
		buf_addc(out, ' ');
		print_pipe(call->pipe, out);
	}
	buf_adds(out, "}}");
}

void node_print(const struct node *node, struct buf *out)
{
	switch (node->type) {
	case NODE_TEXT:
		buf_add_str(out, ((const struct node_text *)node)->text);
		break;
	case NODE_ACTION:
		buf_adds(out, "{{");
		print_pipe(((const struct node_action *)node)->pipe, out);
		buf_adds(out, "}}");
		break;
	case NODE_IF:
		print_branch((const struct node_branch *)node, "if", out);
		break;
	case NODE_RANGE:
		print_branch((const struct node_branch *)node, "range", out);
		break;
	case NODE_WITH:
		print_branch((const struct node_branch *)node, "with", out);
		break;
	case NODE_TEMPLATE:
		print_template((const struct node_template *)node, out);
		break;
	case NODE_BREAK:
		buf_adds(out, "{{break}}");
		break;
	case NODE_CONTINUE:
		buf_adds(out, "{{continue}}");
		break;
	case NODE_PIPE:
		print_pipe((const struct node_pipe *)node, out);
		break;
	case NODE_COMMAND:
		print_command((const struct node_command *)node, out);
		break;
	case NODE_DOT:
		buf_addc(out, '.');
		break;
	case NODE_NIL:
		buf_adds(out, "nil");
		break;
	case NODE_BOOL:
		buf_adds(out, node->is_true ? "true" : "false");
		break;
	case NODE_NUMBER:
		buf_add_str(out, ((const struct node_number *)node)->text);
		break;
	case NODE_STRING:
		buf_add_str(out, ((const struct node_string *)node)->quoted);
		break;
	case NODE_FIELD:
	case NODE_VARIABLE:
	case NODE_CHAIN:
		print_fields((const struct node_fields *)node, out);
		break;
	case NODE_IDENTIFIER:
		buf_add_str(out, ((const struct node_identifier *)node)->name);
		break;
	}
}

void template_locate(const struct template *t, uint32_t position, struct buf *out, struct template_place *ret_place)
{
	unsigned line = 1;
	size_t start = 0;

	for (size_t i = 0; i < position; i++) {
		if (t->text.p[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	*ret_place = (struct template_place){ line, (unsigned)(position - start) + 1 };
	buf_addf(out, "%s:%u:%u", t->name, line, ret_place->column - 1);
}

void template_show_nul(struct buf *message)
{
	AUTO_RELEASE(buf) shown = BUF_INIT(0);

	if (!message->len || !memchr(message->p, 0, message->len))
		return;
	for (size_t i = 0; i < message->len; i++) {
		if (message->p[i])
			buf_addc(&shown, message->p[i]);
		else
			buf_adds(&shown, "\\x00");
	}
	buf_reset(message);
	buf_add_str(message, buf_str(&shown));
}

/* Longer lines are cut around the column. */
#define SHOWN_MAX 120

void template_show_line(struct str text, struct template_place place, struct error *err)
{
	size_t start = 0, end, from;

	for (unsigned line = 1; line < place.line; line++) {
		const char *newline = memchr(text.p + start, '\n', text.len - start);

		if (!newline)
			return;
		start = (size_t)(newline - text.p) + 1;
	}
	for (end = start; end < text.len && text.p[end] != '\n';)
		end++;
	from = start;
	if (place.column > SHOWN_MAX / 2)
		from += place.column - SHOWN_MAX / 2;
	while (from < end && ((unsigned char)text.p[from] & 0xc0) == 0x80)
		from++;
	if (end > from + SHOWN_MAX)
		end = from + SHOWN_MAX;
	if (from >= end)
		return;

	struct str shown = str_trim((struct str){ text.p + from, end - from });

	if (place.column)
		error_hint(err, "line %u, column %u: %.*s", place.line, place.column, STR_ARG(shown));
	else
		error_hint(err, "line %u: %.*s", place.line, STR_ARG(shown));
}
