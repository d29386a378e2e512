/*
 * Tokens to nodes. The control structures that are open stand on a stack of our own rather than on C's, so that no
 * input can exhaust that; only parentheses recurse, and their depth is bounded.
 *
 * Finished nodes wait on one shared stack until their list, pipeline or command is complete and moves to the arena.
 */
#include <stdlib.h>
#include <string.h>

#include "template/function.h"
#include "template/lex.h"
#include "template/literal.h"
#include "template/node.h"

/* Go allows 10000; a thread's stack must hold both parsing and evaluating these. */
#define PAREN_DEPTH_MAX 1000

#define SOURCE_BYTES_DEFAULT (8u << 20)
#define MEMORY_BYTES_DEFAULT (24u << 20)

enum open_kind { OPEN_ROOT, OPEN_DEFINE, OPEN_BLOCK, OPEN_IF, OPEN_RANGE, OPEN_WITH };

static const char *const open_words[] = { "", "define clause", "block clause", "if", "range", "with" };

/* What Go keeps per tree; define and block begin a new one. */
struct tree {
	size_t variables;     /* where this tree's variables begin */
	unsigned action_line; /* 0: outside of actions */
	unsigned range_depth, paren_depth;
};

struct open {
	enum open_kind kind;
	bool in_else;
	bool shares_end;  /* an "else if": the end that closes it closes the one around it, too */
	size_t nodes;	  /* where its list begins on the stack of nodes */
	size_t variables; /* how many there were before it */
	struct node_branch *branch;
	struct str name;		  /* of a define or block */
	const struct node_template *call; /* of a block */
	unsigned line;			  /* where a block's action ends */
	struct tree outer;
};

struct declared {
	uint32_t name;
	uint32_t before; /* index + 1 of the one that this one hides */
};

struct parser {
	struct template *t;
	const struct template_options *options;
	enum template_functions functions;
	struct error *err;
	size_t memory_max;

	struct lexer lexer;
	struct token tokens[3];
	unsigned npeeked;

	struct open *open;
	size_t nopen, open_cap;
	const struct node **nodes;
	size_t nnodes, nodes_cap;

	struct tree tree;
	struct declared *variables;
	size_t nvariables, variables_cap;
	uint32_t *newest; /* by name: index + 1 of its newest declaration */
	size_t nnames, newest_cap;
	struct map names; /* of variables, to number + 1 */
	struct node_template *calls;
};

/* Errors. All return false. */

static bool fail_with(struct parser *p, enum err_kind kind, struct buf *message)
{
	const struct token *token = &p->tokens[0];
	struct template_place place = { token->line, 0 };

	template_show_nul(message);
	error_set(p->err, kind, "template: %s:%u: %s", p->t->name, token->line, buf_cstr(message));
	template_show_line(p->t->text, place, p->err);
	if (p->options && p->options->ret_place)
		*p->options->ret_place = place;
	return false;
}

static bool fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct parser *p, const char *fmt, ...)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&message, fmt, ap);
	va_end(ap);
	return fail_with(p, ERR_INVALID, &message);
}

static bool fail_quoting(struct parser *p, const char *before, struct str quoted, const char *after)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);

	buf_adds(&message, before);
	literal_quote(&message, quoted, false);
	buf_adds(&message, after);
	return fail_with(p, ERR_INVALID, &message);
}

static bool fail_unexpected(struct parser *p, const struct token *token, const char *context)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);

	if (token->type != TOKEN_ERROR) {
		buf_adds(&message, "unexpected ");
		token_print(token, &message);
		buf_addf(&message, " in %s", context);
	} else {
		token_print(token, &message);
		if (p->tree.action_line && p->tree.action_line != token->line)
			buf_addf(&message, "%s started at %s:%u",
				 str_ends(token->value, STR(" action")) ? "" : " in action", p->t->name,
				 p->tree.action_line);
	}
	return fail_with(p, ERR_INVALID, &message);
}

/* Tokens, with up to three to look ahead */

static struct token next(struct parser *p)
{
	if (p->npeeked > 0)
		p->npeeked--;
	else
		p->tokens[0] = lexer_next(&p->lexer);
	return p->tokens[p->npeeked];
}

static void back(struct parser *p)
{
	p->npeeked++;
}

static struct token peek(struct parser *p)
{
	if (!p->npeeked) {
		p->npeeked = 1;
		p->tokens[0] = lexer_next(&p->lexer);
	}
	return p->tokens[p->npeeked - 1];
}

static struct token next_non_space(struct parser *p)
{
	struct token token;

	do
		token = next(p);
	while (token.type == TOKEN_SPACE);
	return token;
}

static struct token peek_non_space(struct parser *p)
{
	struct token token = next_non_space(p);

	back(p);
	return token;
}

static bool expect(struct parser *p, enum token_type type, const char *context)
{
	struct token token = next_non_space(p);

	return token.type == type || fail_unexpected(p, &token, context);
}

/* Nodes */

static void *new_node(struct parser *p, size_t size_bytes, enum node_type type, uint32_t position)
{
	struct node *node = arena_alloc(p->t->arena, size_bytes);

	node->type = type;
	node->position = position;
	return node;
}

#define NEW_NODE(p, type, kind, position) ((type *)new_node((p), sizeof(type), (kind), (position)))

static void push(struct parser *p, const void *node)
{
	LIST_PUSH(p->nodes, p->nnodes, p->nodes_cap) = node;
}

/* Moves what stands on the stack from mark on into the arena. */
static void *pop_nodes(struct parser *p, size_t mark, size_t *ret_n)
{
	size_t n = p->nnodes - mark;
	void *items = NULL;

	if (n) {
		items = arena_alloc(p->t->arena, n * sizeof *p->nodes);
		memcpy(items, p->nodes + mark, n * sizeof *p->nodes);
	}
	p->nnodes = mark;
	*ret_n = n;
	return items;
}

static struct node_list pop_list(struct parser *p, size_t mark)
{
	struct node_list list;

	list.items = pop_nodes(p, mark, &list.n);
	return list;
}

/* Variables */

static uint32_t name_number(struct parser *p, struct str name)
{
	uintptr_t number = (uintptr_t)map_get(&p->names, name);

	if (!number) {
		number = p->nnames + 1;
		map_set(&p->names, name, (void *)number);
		LIST_PUSH(p->newest, p->nnames, p->newest_cap) = 0;
	}
	return (uint32_t)number - 1;
}

static void declare(struct parser *p, uint32_t name)
{
	LIST_PUSH(p->variables, p->nvariables, p->variables_cap) = (struct declared){ name, p->newest[name] };
	p->newest[name] = (uint32_t)p->nvariables;
}

static void forget_variables(struct parser *p, size_t n)
{
	while (p->nvariables > n) {
		struct declared *last = &p->variables[--p->nvariables];

		p->newest[last->name] = last->before;
	}
}

static struct node_fields *new_variable(struct parser *p, const struct token *token)
{
	struct node_fields *v = NEW_NODE(p, struct node_fields, NODE_VARIABLE, token->position);

	v->variable_name = token->value;
	v->variable = name_number(p, token->value);
	return v;
}

static void start_tree(struct parser *p)
{
	p->tree = (struct tree){ .variables = p->nvariables };
	declare(p, name_number(p, STR("$")));
}

/* Operands */

static bool parse_pipeline(struct parser *p, const char *context, enum token_type end, const struct node_pipe **ret);

static bool parse_char_constant(struct parser *p, struct node_number *n)
{
	struct str rest = { n->text.p + 1, n->text.len - 1 };
	uint32_t rune;
	bool multibyte;

	if (!literal_unquote_char(&rest, '\'', &rune, &multibyte))
		return fail(p, "invalid syntax");
	if (!str_is(rest, "'"))
		return fail(p, "malformed character constant: %.*s", STR_ARG(n->text));
	n->is_int = n->is_uint = n->is_float = true;
	n->integer = (int64_t)rune;
	n->uinteger = rune;
	n->real = rune;
	return true;
}

/* An integer that a float holds exactly is one, too. */
static void ints_of_float(struct node_number *n)
{
	if (!n->is_int && n->real >= -0x1p63 && n->real < 0x1p63 && (double)(int64_t)n->real == n->real) {
		n->is_int = true;
		n->integer = (int64_t)n->real;
	}
	if (!n->is_uint && n->real >= 0 && n->real < 0x1p64 && (double)(uint64_t)n->real == n->real) {
		n->is_uint = true;
		n->uinteger = (uint64_t)n->real;
	}
}

static void set_complex(struct node_number *n, double real, double imaginary)
{
	n->is_complex = true;
	n->complex = __builtin_complex(real, imaginary);
	n->is_float = imaginary == 0;
	if (n->is_float) {
		n->real = real;
		ints_of_float(n);
	}
}

/* 1+2i: the sign that parts the two is the last one that follows no exponent mark. */
static bool parse_complex(struct parser *p, struct node_number *n)
{
	struct str text = n->text;
	bool hex = text.len > 2 && memchr(text.p, 'x', text.len) != NULL;
	size_t at = text.len - 1;
	double real, imaginary;

	while (at > 1 && !((text.p[at] == '+' || text.p[at] == '-') && (text.p[at - 1] | 32) != (hex ? 'p' : 'e')))
		at--;
	if (!literal_parse_float((struct str){ text.p, at }, &real) ||
	    !literal_parse_float((struct str){ text.p + at, text.len - at - 1 }, &imaginary))
		return fail(p, "syntax error scanning complex number");
	set_complex(n, real, imaginary);
	return true;
}

static bool has_float_mark(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (strchr(".eEpP", text.p[i]))
			return true;
	return false;
}

static bool parse_plain_number(struct parser *p, struct node_number *n)
{
	struct str text = n->text;
	double f;

	if (text.len && text.p[text.len - 1] == 'i' && literal_parse_float((struct str){ text.p, text.len - 1 }, &f)) {
		set_complex(n, 0, f);
		return true;
	}
	n->is_uint = literal_parse_uint(text, &n->uinteger);
	n->is_int = literal_parse_int(text, &n->integer);
	if (n->is_int && n->integer == 0)
		n->is_uint = true; /* -0 */
	n->is_float = true;
	if (n->is_int) {
		n->real = (double)n->integer;
	} else if (n->is_uint) {
		n->real = (double)n->uinteger;
	} else if (literal_parse_float(text, &f)) {
		if (!has_float_mark(text))
			return fail_quoting(p, "integer overflow: ", text, "");
		n->real = f;
		ints_of_float(n);
	} else {
		return fail_quoting(p, "illegal number syntax: ", text, "");
	}
	return true;
}

static bool parse_number(struct parser *p, const struct token *token, const struct node **ret)
{
	struct node_number *n = NEW_NODE(p, struct node_number, NODE_NUMBER, token->position);

	n->text = token->value;
	*ret = &n->node;
	if (token->type == TOKEN_CHAR_CONSTANT)
		return parse_char_constant(p, n);
	if (token->type == TOKEN_COMPLEX)
		return parse_complex(p, n);
	return parse_plain_number(p, n);
}

static bool parse_identifier(struct parser *p, const struct token *token, const struct node **ret)
{
	struct node_identifier *id = NEW_NODE(p, struct node_identifier, NODE_IDENTIFIER, token->position);

	id->name = token->value;
	id->function = function_find(token->value, p->functions);
	if (!id->function)
		return fail_quoting(p, "function ", token->value, " not defined");
	*ret = &id->node;
	return true;
}

static bool parse_string(struct parser *p, const struct token *token, const struct node **ret)
{
	struct node_string *s = NEW_NODE(p, struct node_string, NODE_STRING, token->position);

	s->quoted = token->value;
	if (!literal_unquote(p->t->arena, token->value, &s->text))
		return fail(p, "invalid syntax");
	*ret = &s->node;
	return true;
}

static bool parse_variable(struct parser *p, const struct token *token, const struct node **ret)
{
	struct node_fields *v = new_variable(p, token);

	if (p->newest[v->variable] <= p->tree.variables)
		return fail_quoting(p, "undefined variable ", token->value, "");
	*ret = &v->node;
	return true;
}

static bool parse_parentheses(struct parser *p, const struct node **ret)
{
	const struct node_pipe *pipe;

	if (p->tree.paren_depth >= PAREN_DEPTH_MAX)
		return fail(p, "max expression depth exceeded");
	p->tree.paren_depth++;
	if (!parse_pipeline(p, "parenthesized pipeline", TOKEN_RIGHT_PAREN, &pipe))
		return false;
	p->tree.paren_depth--;
	*ret = &pipe->node;
	return true;
}

static void set_names(struct parser *p, struct node_fields *fields, const struct str *names, uint32_t n)
{
	struct str *copy = arena_alloc(p->t->arena, n * sizeof *copy);

	memcpy(copy, names, n * sizeof *copy);
	fields->names = copy;
	fields->nnames = n;
}

static const struct node *new_field(struct parser *p, const struct token *token)
{
	struct node_fields *f = NEW_NODE(p, struct node_fields, NODE_FIELD, token->position);

	set_names(p, f, &(struct str){ token->value.p + 1, token->value.len - 1 }, 1);
	return &f->node;
}

/* A literal, a function, dot, a field, a variable or a parenthesised pipeline; *ret is NULL if none of these is next.
 */
static bool parse_term(struct parser *p, const struct node **ret)
{
	struct token token = next_non_space(p);
	struct node *node;

	*ret = NULL;
	switch (token.type) {
	case TOKEN_IDENTIFIER:
		return parse_identifier(p, &token, ret);
	case TOKEN_DOT:
	case TOKEN_NIL:
	case TOKEN_BOOL:
		node = NEW_NODE(p, struct node,
				token.type == TOKEN_DOT	  ? NODE_DOT
				: token.type == TOKEN_NIL ? NODE_NIL
							  : NODE_BOOL,
				token.position);
		node->is_true = str_is(token.value, "true");
		*ret = node;
		return true;
	case TOKEN_VARIABLE:
		return parse_variable(p, &token, ret);
	case TOKEN_FIELD:
		*ret = new_field(p, &token);
		return true;
	case TOKEN_CHAR_CONSTANT:
	case TOKEN_COMPLEX:
	case TOKEN_NUMBER:
		return parse_number(p, &token, ret);
	case TOKEN_LEFT_PAREN:
		return parse_parentheses(p, ret);
	case TOKEN_STRING:
	case TOKEN_RAW_STRING:
		return parse_string(p, &token, ret);
	default:
		back(p);
		return true;
	}
}

static bool refuse_field_of_literal(struct parser *p, const struct node *node)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	node_print(node, &text);
	return fail_quoting(p, "unexpected . after term ", buf_str(&text), "");
}

/* Adds the fields that follow a term: to the term itself where it is a field or variable, else around it. */
static bool parse_chain(struct parser *p, const struct node *term, const struct node **ret)
{
	bool extends = term->type == NODE_FIELD || term->type == NODE_VARIABLE;
	struct node_fields *chain =
		NEW_NODE(p, struct node_fields, extends ? term->type : NODE_CHAIN, peek(p).position);
	AUTO_FREE struct str *names = NULL;
	size_t n = 0, cap = 0;

	if (extends) {
		const struct node_fields *first = (const struct node_fields *)term;

		chain->variable = first->variable;
		chain->variable_name = first->variable_name;
		if (first->nnames)
			LIST_PUSH(names, n, cap) = first->names[0];
	} else {
		chain->base = term;
	}
	while (peek(p).type == TOKEN_FIELD) {
		struct token token = next(p);

		LIST_PUSH(names, n, cap) = (struct str){ token.value.p + 1, token.value.len - 1 };
	}
	set_names(p, chain, names, (uint32_t)n);
	*ret = &chain->node;
	switch (term->type) {
	case NODE_BOOL:
	case NODE_STRING:
	case NODE_NUMBER:
	case NODE_NIL:
	case NODE_DOT:
		return refuse_field_of_literal(p, term);
	default:
		return true;
	}
}

static bool parse_operand(struct parser *p, const struct node **ret)
{
	const struct node *term;

	if (!parse_term(p, &term))
		return false;
	if (term && peek(p).type == TOKEN_FIELD)
		return parse_chain(p, term, ret);
	*ret = term;
	return true;
}

/* Commands and pipelines */

/* Operands up to a pipe, which is taken, or the end of the pipeline, which is left. */
static bool parse_command(struct parser *p)
{
	struct node_command *command = NEW_NODE(p, struct node_command, NODE_COMMAND, peek_non_space(p).position);
	size_t mark = p->nnodes, n;

	for (;;) {
		const struct node *operand;
		struct token token;

		peek_non_space(p);
		if (!parse_operand(p, &operand))
			return false;
		if (operand)
			push(p, operand);
		token = next(p);
		if (token.type == TOKEN_SPACE)
			continue;
		if (token.type == TOKEN_RIGHT_DELIM || token.type == TOKEN_RIGHT_PAREN)
			back(p);
		else if (token.type != TOKEN_PIPE)
			return fail_unexpected(p, &token, "operand");
		break;
	}
	if (p->nnodes == mark)
		return fail(p, "empty command");
	command->args = pop_nodes(p, mark, &n);
	command->nargs = (uint32_t)n;
	push(p, command);
	return true;
}

/*
 * The variables that a pipeline declares or assigns, pushed as nodes. "$x foo" needs three tokens of look-ahead:
 * whether $x is declared shows only behind the space.
 */
static bool parse_declarations(struct parser *p, struct node_pipe *pipe, const char *context)
{
	bool is_range = strcmp(context, "range") == 0;

	for (;;) {
		struct token variable = peek_non_space(p), after, following;
		struct node_fields *node;

		if (variable.type != TOKEN_VARIABLE)
			return true;
		next(p);
		after = peek(p);
		following = peek_non_space(p);
		if (following.type != TOKEN_ASSIGN && following.type != TOKEN_DECLARE &&
		    !(following.type == TOKEN_CHAR && str_is(following.value, ","))) {
			if (after.type == TOKEN_SPACE) {
				p->tokens[1] = after;
				p->tokens[2] = variable;
				p->npeeked = 3;
			} else {
				p->tokens[1] = variable;
				p->npeeked = 2;
			}
			return true;
		}
		next_non_space(p);
		node = new_variable(p, &variable);
		push(p, node);
		declare(p, node->variable);
		pipe->ndeclared++;
		if (following.type != TOKEN_CHAR) {
			pipe->assigns = following.type == TOKEN_ASSIGN;
			return true;
		}
		if (!is_range || pipe->ndeclared >= 2)
			return fail(p, "too many declarations in %s", context);
		switch (peek_non_space(p).type) {
		case TOKEN_VARIABLE:
		case TOKEN_RIGHT_DELIM:
		case TOKEN_RIGHT_PAREN:
			continue;
		default:
			return fail(p, "range can only initialize variables");
		}
	}
}

static bool starts_command(enum token_type type)
{
	switch (type) {
	case TOKEN_BOOL:
	case TOKEN_CHAR_CONSTANT:
	case TOKEN_COMPLEX:
	case TOKEN_DOT:
	case TOKEN_FIELD:
	case TOKEN_IDENTIFIER:
	case TOKEN_NUMBER:
	case TOKEN_NIL:
	case TOKEN_RAW_STRING:
	case TOKEN_STRING:
	case TOKEN_VARIABLE:
	case TOKEN_LEFT_PAREN:
		return true;
	default:
		return false;
	}
}

/* Only the first command of a pipeline may begin with something that cannot be called. */
static bool check_pipeline(struct parser *p, const struct node_pipe *pipe, const char *context)
{
	if (!pipe->ncommands)
		return fail(p, "missing value for %s", context);
	for (uint32_t i = 1; i < pipe->ncommands; i++) {
		switch (pipe->commands[i]->args[0]->type) {
		case NODE_BOOL:
		case NODE_DOT:
		case NODE_NIL:
		case NODE_NUMBER:
		case NODE_STRING:
			return fail(p, "non executable command in pipeline stage %u", i + 1);
		default:
			break;
		}
	}
	return true;
}

static bool parse_pipeline(struct parser *p, const char *context, enum token_type end, const struct node_pipe **ret)
{
	struct node_pipe *pipe = NEW_NODE(p, struct node_pipe, NODE_PIPE, peek_non_space(p).position);
	size_t mark = p->nnodes, n;

	if (!parse_declarations(p, pipe, context))
		return false;
	pipe->declared = pop_nodes(p, mark, &n);
	for (;;) {
		struct token token = next_non_space(p);

		if (token.type == end)
			break;
		if (!starts_command(token.type))
			return fail_unexpected(p, &token, context);
		back(p);
		if (!parse_command(p))
			return false;
	}
	pipe->commands = pop_nodes(p, mark, &n);
	pipe->ncommands = (uint32_t)n;
	*ret = pipe;
	return check_pipeline(p, pipe, context);
}

/* Definitions */

static bool text_is_blank(struct str text)
{
	return str_trim_unicode(text).len == 0;
}

/* Nothing but white space; a definition like that replaces none and may be replaced. */
static bool list_is_blank(struct node_list list)
{
	for (size_t i = 0; i < list.n; i++)
		if (list.items[i]->type != NODE_TEXT || !text_is_blank(((const struct node_text *)list.items[i])->text))
			return false;
	return true;
}

static bool add_definition(struct parser *p, struct str name, struct node_list list)
{
	struct definition *former = map_get(&p->t->definitions, name);

	if (!former) {
		struct definition *definition = arena_alloc(p->t->arena, sizeof *definition);

		*definition = (struct definition){ name, list };
		map_set(&p->t->definitions, name, definition);
	} else if (list_is_blank(former->list)) {
		former->list = list;
	} else if (!list_is_blank(list)) {
		return fail_quoting(p, "template: multiple definition of template ", name, "");
	}
	return true;
}

/* Control structures */

static struct open *open_clause(struct parser *p, enum open_kind kind)
{
	struct open *open = &LIST_PUSH(p->open, p->nopen, p->open_cap);

	*open = (struct open){ .kind = kind, .nodes = p->nnodes, .variables = p->nvariables, .outer = p->tree };
	return open;
}

static bool open_branch(struct parser *p, enum open_kind kind, bool shares_end)
{
	static const enum node_type types[] = {
		[OPEN_IF] = NODE_IF, [OPEN_RANGE] = NODE_RANGE, [OPEN_WITH] = NODE_WITH
	};
	size_t variables = p->nvariables;
	const struct node_pipe *pipe;
	struct node_branch *branch;
	struct open *open;

	if (!parse_pipeline(p, open_words[kind], TOKEN_RIGHT_DELIM, &pipe))
		return false;
	branch = NEW_NODE(p, struct node_branch, types[kind], pipe->node.position);
	branch->pipe = pipe;
	if (kind == OPEN_RANGE)
		p->tree.range_depth++;
	open = open_clause(p, kind);
	open->branch = branch;
	open->shares_end = shares_end;
	open->variables = variables;
	return true;
}

static bool parse_template_name(struct parser *p, const struct token *token, const char *context, struct str *ret)
{
	if (token->type != TOKEN_STRING && token->type != TOKEN_RAW_STRING)
		return fail_unexpected(p, token, context);
	return literal_unquote(p->t->arena, token->value, ret) || fail(p, "invalid syntax");
}

static bool open_define(struct parser *p)
{
	struct tree outer = p->tree;
	struct open *open;
	struct token token;
	struct str name;

	p->tree = (struct tree){ 0 };
	token = next_non_space(p);
	if (!parse_template_name(p, &token, open_words[OPEN_DEFINE], &name) ||
	    !expect(p, TOKEN_RIGHT_DELIM, open_words[OPEN_DEFINE]))
		return false;
	open = open_clause(p, OPEN_DEFINE);
	open->name = name;
	open->outer = outer;
	start_tree(p);
	return true;
}

static struct node_template *new_call(struct parser *p, uint32_t position, struct str name)
{
	struct node_template *call = NEW_NODE(p, struct node_template, NODE_TEMPLATE, position);

	call->name = name;
	call->next = p->calls;
	p->calls = call;
	return call;
}

static bool open_block(struct parser *p)
{
	struct token token = next_non_space(p);
	struct node_template *call;
	struct open *open;
	struct str name;
	size_t variables;

	if (!parse_template_name(p, &token, open_words[OPEN_BLOCK], &name))
		return false;
	call = new_call(p, token.position, name);
	if (!parse_pipeline(p, open_words[OPEN_BLOCK], TOKEN_RIGHT_DELIM, &call->pipe))
		return false;
	variables = p->nvariables; /* those of the pipeline stay, as those of an action do */
	open = open_clause(p, OPEN_BLOCK);
	open->name = name;
	open->call = call;
	open->line = p->tokens[0].line;
	open->variables = variables;
	start_tree(p);
	return true;
}

static bool parse_template(struct parser *p)
{
	struct token token = next_non_space(p);
	struct node_template *call;
	struct str name;

	if (!parse_template_name(p, &token, "template clause", &name))
		return false;
	call = new_call(p, token.position, name);
	if (next_non_space(p).type != TOKEN_RIGHT_DELIM) {
		back(p);
		if (!parse_pipeline(p, "template clause", TOKEN_RIGHT_DELIM, &call->pipe))
			return false;
	}
	push(p, call);
	p->tree.action_line = 0;
	return true;
}

static bool parse_loop_exit(struct parser *p, const struct token *keyword)
{
	bool breaks = keyword->type == TOKEN_BREAK;
	const char *shown = breaks ? "{{break}}" : "{{continue}}";

	if (!expect(p, TOKEN_RIGHT_DELIM, shown))
		return false;
	if (!p->tree.range_depth)
		return fail(p, "%s outside {{range}}", shown);
	push(p, NEW_NODE(p, struct node, breaks ? NODE_BREAK : NODE_CONTINUE, keyword->position));
	p->tree.action_line = 0;
	return true;
}

/* The first list of a branch is complete. */
static void end_first_list(struct parser *p, struct open *open)
{
	open->branch->list = pop_list(p, open->nodes);
	if (open->kind == OPEN_RANGE)
		p->tree.range_depth--;
}

static bool close_definition(struct parser *p, struct open *open)
{
	struct open closed = *open;

	if (!add_definition(p, closed.name, pop_list(p, closed.nodes)))
		return false;
	forget_variables(p, closed.variables);
	p->tree = closed.outer;
	p->tree.action_line = 0;
	p->nopen--;
	if (closed.call)
		push(p, closed.call);
	return true;
}

static bool parse_end(struct parser *p)
{
	if (!expect(p, TOKEN_RIGHT_DELIM, "end"))
		return false;
	p->tree.action_line = 0;
	for (bool again = true; again;) {
		struct open *open = &p->open[p->nopen - 1];

		if (open->kind == OPEN_ROOT)
			return fail(p, "unexpected {{end}}");
		if (!open->branch)
			return close_definition(p, open);
		if (open->in_else)
			open->branch->else_list = pop_list(p, open->nodes);
		else
			end_first_list(p, open);
		forget_variables(p, open->variables);
		push(p, open->branch);
		again = open->shares_end;
		p->nopen--;
	}
	return true;
}

static bool parse_else(struct parser *p)
{
	enum token_type follows = peek_non_space(p).type;
	struct open *open = &p->open[p->nopen - 1];
	bool chained = follows == TOKEN_IF || follows == TOKEN_WITH;

	if (!chained && !expect(p, TOKEN_RIGHT_DELIM, "else"))
		return false;
	p->tree.action_line = 0;
	if (open->kind == OPEN_ROOT)
		return fail(p, "unexpected {{else}}");
	if (open->call)
		p->tokens[0].line = open->line; /* Go tells it from the tree around the block */
	if (!open->branch)
		return fail(p, "unexpected {{else}} in %s", open_words[open->kind]);
	if (open->in_else)
		return fail(p, "expected end; found {{else}}");
	end_first_list(p, open);
	open->in_else = open->branch->has_else = true;
	if ((open->kind == OPEN_IF && follows == TOKEN_IF) || (open->kind == OPEN_WITH && follows == TOKEN_WITH)) {
		next(p);
		return open_branch(p, open->kind, true);
	}
	return true; /* any other chain is found out as an unexpected token */
}

static bool parse_action(struct parser *p)
{
	struct token token = next_non_space(p);
	struct node_action *action;

	switch (token.type) {
	case TOKEN_BLOCK:
		return open_block(p);
	case TOKEN_BREAK:
	case TOKEN_CONTINUE:
		return parse_loop_exit(p, &token);
	case TOKEN_ELSE:
		return parse_else(p);
	case TOKEN_END:
		return parse_end(p);
	case TOKEN_IF:
		return open_branch(p, OPEN_IF, false);
	case TOKEN_RANGE:
		return open_branch(p, OPEN_RANGE, false);
	case TOKEN_WITH:
		return open_branch(p, OPEN_WITH, false);
	case TOKEN_TEMPLATE:
		return parse_template(p);
	default:
		break;
	}
	back(p);
	action = NEW_NODE(p, struct node_action, NODE_ACTION, peek(p).position);
	if (!parse_pipeline(p, "command", TOKEN_RIGHT_DELIM, &action->pipe))
		return false;
	push(p, action);
	p->tree.action_line = 0;
	return true;
}

static bool parse_text_or_action(struct parser *p)
{
	struct token token = next_non_space(p);

	if (token.type == TOKEN_TEXT) {
		struct node_text *text = NEW_NODE(p, struct node_text, NODE_TEXT, token.position);

		text->text = token.value;
		push(p, text);
		return true;
	}
	if (token.type != TOKEN_LEFT_DELIM)
		return fail_unexpected(p, &token, "input");
	p->tree.action_line = token.line;
	return parse_action(p);
}

/* At the top level only, a define may be next. */
static bool at_define(struct parser *p)
{
	struct token delim;

	if (p->open[p->nopen - 1].kind != OPEN_ROOT || peek(p).type != TOKEN_LEFT_DELIM)
		return false;
	delim = next(p);
	if (next_non_space(p).type == TOKEN_DEFINE)
		return true;
	p->tokens[1] = delim;
	p->npeeked = 2;
	return false;
}

static bool check_memory(struct parser *p)
{
	/* The last two: what the tables of names cost per entry, roughly. */
	size_t used = arena_size_bytes(p->t->arena) + p->nodes_cap * sizeof *p->nodes + p->open_cap * sizeof *p->open +
		      p->nnames * 96 + p->t->definitions.len * 96;

	if (used <= p->memory_max)
		return true;

	AUTO_RELEASE(buf) message = BUF_INIT(0);

	buf_addf(&message, "too many actions: more than %zu bytes of memory", p->memory_max);
	return fail_with(p, ERR_LIMIT, &message);
}

static bool parse_all(struct parser *p)
{
	open_clause(p, OPEN_ROOT);
	start_tree(p);
	for (;;) {
		bool is_root = p->open[p->nopen - 1].kind == OPEN_ROOT;

		if ((is_root ? peek(p) : peek_non_space(p)).type == TOKEN_EOF) {
			if (!is_root)
				return fail(p, "unexpected EOF");
			break;
		}
		if (!(at_define(p) ? open_define(p) : parse_text_or_action(p)) || !check_memory(p))
			return false;
	}
	return add_definition(p, str_of(p->t->name), pop_list(p, 0));
}

static void link_calls(struct parser *p)
{
	for (struct node_template *call = p->calls; call; call = call->next)
		call->target = map_get(&p->t->definitions, call->name);
	p->t->main = map_get(&p->t->definitions, str_of(p->t->name));
}

static void parser_release(struct parser *p)
{
	free(p->open);
	free(p->nodes);
	free(p->variables);
	free(p->newest);
	map_release(&p->names);
}
DEFINE_AUTO_RELEASE(parser);

bool template_parse(const char *name, struct str text, enum template_functions functions,
		    const struct template_options *options, struct template **ret, struct error *err)
{
	const struct template_limits *limits = options ? &options->limits : &(struct template_limits){ 0 };
	size_t source_max = limits->source_bytes ? limits->source_bytes : SOURCE_BYTES_DEFAULT;
	AUTO(template) t = xcalloc(1, sizeof *t);
	AUTO_RELEASE(parser) p = { .t = t, .options = options, .functions = functions, .err = err };

	if (!text.p)
		text = STR("");
	t->name = xstrdup(name);
	t->text = text;
	t->arena = arena_create();
	p.memory_max = limits->memory_bytes ? limits->memory_bytes : MEMORY_BYTES_DEFAULT;
	if (options && options->ret_place)
		*options->ret_place = (struct template_place){ 0 };
	if (text.len > source_max)
		return error_set(err, ERR_LIMIT,
				 "template: %s:1: %zu bytes are more than the %zu that a template may have", name,
				 text.len, source_max);
	lexer_init(&p.lexer, text, t->arena);
	if (!parse_all(&p))
		return false;
	link_calls(&p);
	*ret = GIVE(t);
	return true;
}

void template_destroy(struct template *t)
{
	if (!t)
		return;
	map_release(&t->definitions);
	arena_destroy(t->arena);
	free(t->name);
	free(t);
}
