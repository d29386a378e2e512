/*
 * Nodes to text. What runs stands on a stack of frames of our own: one per list of nodes, round of a loop or template
 * called, so that a template that calls itself for ever ends in Go's error and not in that of the kernel. Only
 * expressions recurse in C, as deep as the parser let parentheses nest.
 *
 * exec->at follows Go's state.at(): it is the node that an error names, so where it is set matters.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "template/format.h"
#include "template/function.h"
#include "template/literal.h"
#include "template/node.h"

#define CALL_DEPTH_MAX	     100000 /* as in Go */
#define FRAMES_MAX	     330000 /* some 48 MiB */
#define OUTPUT_BYTES_DEFAULT (16u << 20)
#define MEMORY_BYTES_DEFAULT (24u << 20)
#define STEPS_DEFAULT	     10000000
#define SCRATCH_BLOCK_BYTES  8192
#define BYTES_PER_STEP	     64 /* copied to the output, or looked at */
#define BYTES_MADE_PER_STEP  16

/* Memory of values made while executing. It is a stack: what an action or a round leaves behind goes in one step. */
struct block {
	struct block *before;
	size_t used, size;
	_Alignas(max_align_t) char bytes[];
};

struct mark {
	struct block *block;
	size_t used;
};

enum frame_kind { FRAME_LIST, FRAME_RANGE, FRAME_CALL };

struct frame {
	enum frame_kind kind;
	uint32_t next; /* node of the list */
	const struct node_list *list;
	struct value dot;
	struct mark mark;
	uint64_t assignments; /* how many there had been: without new ones, nothing made in here is still in use */
	uint32_t variables;   /* how many there are outside */
	union {
		struct {
			const struct node_branch *branch;
			struct value over;
			int64_t i, n;
		} range;
		struct {
			const struct definition *outer;
			uint32_t outer_variables;
		} call;
	};
};

struct variable {
	uint32_t name;
	struct value value;
};

struct exec {
	const struct template *t;
	const struct template_options *options;
	enum template_missing missing;
	struct buf *out;
	size_t out_start, out_max, memory_max;
	uint64_t steps, steps_max;
	struct error *err;

	const struct node *at;
	const struct definition *definition; /* that runs */
	unsigned depth;

	struct frame *frames;
	size_t nframes, frames_cap;
	struct variable *variables;
	size_t nvariables, variables_cap;
	size_t first_variable; /* of the definition that runs: its $ */
	uint64_t assignments;

	struct block *block;
	size_t memory;
	struct buf reason; /* of the function that failed */
	struct str callee;
	bool made_mistake; /* a printf printed %! */
};

/* Memory */

void *exec_alloc(struct exec *e, size_t size_bytes)
{
	const size_t align = _Alignof(max_align_t);
	size_t need = (size_bytes + align - 1) / align * align;
	struct block *block = e->block;

	if (!block || block->size - block->used < need) {
		size_t size = need > SCRATCH_BLOCK_BYTES ? need : SCRATCH_BLOCK_BYTES;

		block = xmalloc(sizeof *block + size);
		*block = (struct block){ e->block, 0, size };
		e->block = block;
		e->memory += sizeof *block + size;
	}
	block->used += need;
	return block->bytes + block->used - need;
}

static struct mark memory_mark(const struct exec *e)
{
	return (struct mark){ e->block, e->block ? e->block->used : 0 };
}

static void memory_reset(struct exec *e, struct mark mark)
{
	/* The first block stays, else a loop would allocate it each round. */
	while (e->block != mark.block && (mark.block || e->block->before)) {
		struct block *block = e->block;

		e->block = block->before;
		e->memory -= sizeof *block + block->size;
		free(block);
	}
	if (e->block)
		e->block->used = mark.used;
}

static void memory_release(struct exec *e)
{
	for (struct block *block = e->block, *before; block; block = before) {
		before = block->before;
		free(block);
	}
}

struct value exec_string(struct exec *e, struct buf *text)
{
	char *copy = exec_alloc(e, text->len + 1);
	struct str s = { copy, text->len };

	if (text->len)
		memcpy(copy, text->p, text->len);
	buf_reset(text);
	return value_string(s);
}

const struct template_options *exec_options(const struct exec *e)
{
	return e->options;
}

struct str exec_callee(const struct exec *e)
{
	return e->callee;
}

void exec_note_mistake(struct exec *e)
{
	e->made_mistake = true;
}

/* Errors. All return false. */

bool exec_fail(struct exec *e, const char *fmt, ...)
{
	va_list ap;

	buf_reset(&e->reason);
	va_start(ap, fmt);
	buf_vaddf(&e->reason, fmt, ap);
	va_end(ap);
	return false;
}

static bool fail_with(struct exec *e, enum err_kind kind, const struct buf *message)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct template_place place;

	buf_adds(&text, "template: ");
	template_locate(e->t, e->at->position, &text, &place);
	buf_adds(&text, ": executing ");
	literal_quote(&text, e->definition->name, false);
	buf_adds(&text, " at <");
	node_print(e->at, &text);
	buf_adds(&text, ">: ");
	buf_add_str(&text, buf_str(message));
	template_show_nul(&text);
	error_set(e->err, kind, "%s", buf_cstr(&text));
	template_show_line(e->t->text, place, e->err);
	if (e->options->ret_place)
		*e->options->ret_place = place;
	return false;
}

static bool fail(struct exec *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct exec *e, const char *fmt, ...)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&message, fmt, ap);
	va_end(ap);
	return fail_with(e, ERR_INVALID, &message);
}

static bool fail_limit(struct exec *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail_limit(struct exec *e, const char *fmt, ...)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&message, fmt, ap);
	va_end(ap);
	return fail_with(e, ERR_LIMIT, &message);
}

/* "before <node> after" */
static bool fail_showing(struct exec *e, const char *before, const struct node *node, const char *after)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);

	buf_adds(&message, before);
	node_print(node, &message);
	buf_adds(&message, after);
	return fail_with(e, ERR_INVALID, &message);
}

static bool fail_printing(struct exec *e, const char *before, struct value v, const char *after)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);

	buf_adds(&message, before);
	format_verb(&message, v, 'v');
	buf_adds(&message, after);
	return fail_with(e, ERR_INVALID, &message);
}

static bool fail_quoting(struct exec *e, const char *before, struct str quoted, const char *after)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);

	buf_adds(&message, before);
	literal_quote(&message, quoted, false);
	buf_adds(&message, after);
	return fail_with(e, ERR_INVALID, &message);
}

static bool spend(struct exec *e, uint64_t steps)
{
	e->steps += steps;
	if (e->steps > e->steps_max)
		return fail_limit(e, "the template runs for too long: more than %llu steps",
				  (unsigned long long)e->steps_max);
	if (e->memory > e->memory_max)
		return fail_limit(e, "the template needs more than %zu bytes of memory", e->memory_max);
	return true;
}

static bool check_output(struct exec *e)
{
	if (e->out->overflow || e->out->len - e->out_start > e->out_max)
		return fail_limit(e, "the output is larger than %zu bytes", e->out_max);
	return true;
}

/* Variables */

static void push_variable(struct exec *e, uint32_t name, struct value v)
{
	LIST_PUSH(e->variables, e->nvariables, e->variables_cap) = (struct variable){ name, v };
}

static bool find_variable(struct exec *e, const struct node_fields *v, struct variable **ret)
{
	for (size_t i = e->nvariables; i-- > e->first_variable;) {
		if (e->variables[i].name == v->variable) {
			*ret = &e->variables[i];
			return spend(e, (e->nvariables - i) / 16);
		}
	}
	return fail(e, "undefined variable: %.*s", STR_ARG(v->variable_name));
}

static bool assign_variable(struct exec *e, const struct node_fields *v, struct value value)
{
	struct variable *variable;

	if (!find_variable(e, v, &variable))
		return false;
	variable->value = value;
	e->assignments++;
	return true;
}

/* Values as reflect sees them */

/* Follows pointers and interfaces as far as they lead; true if there is a nil at the end. */
static bool follow(struct value *v)
{
	for (;;) {
		v->boxed = false;
		if (value_kind(*v) == VALUE_INTERFACE) {
			v->boxed = true;
			return true;
		}
		if (value_kind(*v) != VALUE_POINTER)
			return false;
		if (!v->target)
			return true;
		*v = *v->target;
	}
}

static void unbox(struct value *v)
{
	if (value_kind(*v) == VALUE_INTERFACE)
		*v = value_none();
	v->boxed = false;
}

static bool is_type(const struct value_type *a, const struct value_type *b)
{
	return a == b || (a->kind == b->kind && strcmp(a->name, b->name) == 0);
}

/* Makes sure that v fits a parameter of the type, NULL being no parameter at all, and turns it into that. */
static bool fit(struct exec *e, struct value *v, const struct value_type *type)
{
	if (!v->type) {
		if (!type || type == &function_any_value)
			return true;
		if (type->kind != VALUE_INTERFACE && type->kind != VALUE_MAP && type->kind != VALUE_POINTER &&
		    type->kind != VALUE_SLICE)
			return fail(e, "invalid value; expected %s", type->name);
		*v = value_zero(type);
		return true;
	}
	if (!type || type == &function_any_value || type->kind == VALUE_INTERFACE)
		return true;
	if (v->type->kind == VALUE_INTERFACE)
		return fail(e, "wrong type for value; expected %s; got %s", type->name, v->type->name);
	v->boxed = false;
	if (is_type(v->type, type))
		return true;
	if (v->type->kind == VALUE_POINTER && is_type(v->type->elem, type)) {
		if (!v->target)
			return fail(e, "dereference of nil pointer of type %s", type->name);
		*v = *v->target;
		return true;
	}
	return fail(e, "wrong type for value; expected %s; got %s", type->name, v->type->name);
}

/* Expressions. final, where it is not NULL, is what the command before gave. */

static bool eval_pipeline(struct exec *e, const struct value *dot, const struct node_pipe *pipe, struct value *ret);
static bool eval_argument(struct exec *e, const struct value *dot, const struct value_type *type,
			  const struct node *node, struct value *ret);

static bool has_any_of(struct str s, const char *set)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr(set, s.p[i]))
			return true;
	return false;
}

/* A number where nothing says of which type it should be: its spelling decides. */
static bool eval_number(struct exec *e, const struct node_number *n, struct value *ret)
{
	struct str text = n->text;
	bool is_rune = text.p[0] == '\'';
	bool is_hex = text.len > 2 && text.p[0] == '0' && (text.p[1] | 32) == 'x' && !has_any_of(text, "pP");

	e->at = &n->node;
	if (n->is_complex)
		*ret = (struct value){ .type = &value_type_complex128, .complex = n->complex };
	else if (n->is_float && !is_hex && !is_rune && has_any_of(text, ".eEpP"))
		*ret = value_float(n->real);
	else if (n->is_int)
		*ret = value_int(n->integer);
	else
		return fail(e, "%.*s overflows int", STR_ARG(text));
	return true;
}

static bool refuse_arguments(struct exec *e, const struct node *const *args, uint32_t nargs, const struct value *final)
{
	if (nargs > 1 || final)
		return fail_showing(e, "can't give argument to non-function ", args[0], "");
	return true;
}

static bool check_count(struct exec *e, const struct function *f, struct str name, uint32_t n, bool has_final)
{
	uint32_t given = n + has_final;

	if (f->variadic) {
		if (given < f->nparameters - 1)
			return fail(e, "wrong number of args for %.*s: want at least %u got %u", STR_ARG(name),
				    f->nparameters - 1, n);
	} else if (given != f->nparameters) {
		return fail(e, "wrong number of args for %.*s: want %u got %u", STR_ARG(name), f->nparameters, given);
	}
	if (f->bad_results)
		return fail(e, "%s", f->bad_results);
	return true;
}

static const struct value_type *parameter(const struct function *f, uint32_t i)
{
	return f->parameters[i < f->nparameters ? i : f->nparameters - 1];
}

/* and, or: the first argument that decides, else the last. */
static bool eval_short_circuit(struct exec *e, const struct value *dot, const struct function *f,
			       const struct node *const *args, uint32_t n, const struct value *final, struct value *ret)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!eval_argument(e, dot, &function_any_value, args[i], ret))
			return false;
		if (value_is_true(*ret) == f->stops_on)
			return true;
	}
	if (final)
		*ret = *final;
	return true;
}

/* What call calls its first argument in errors. */
static void set_callee(struct exec *e, const struct node *const *args, uint32_t n, const struct value *final)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	if (n)
		node_print(args[0], &text);
	else if (value_kind(*final) == VALUE_STRING)
		buf_add_str(&text, final->string);
	else
		buf_addf(&text, "<%s Value>", final->type ? format_static_type(*final) : "invalid");
	e->callee = exec_string(e, &text).string;
}

static uint64_t cost_of(const struct value *args, size_t n)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		if (value_kind(args[i]) == VALUE_STRING)
			bytes += args[i].string.len;
		else if (value_kind(args[i]) == VALUE_SLICE)
			bytes += args[i].list.len * (uint64_t)BYTES_PER_STEP / 4;
	return 1 + bytes / BYTES_PER_STEP;
}

/*
 * Calls a function, or a method of receiver. args[0] is the function itself, as in a shell; nargs may be 0 for none at
 * all. node is what an error of the function is reported at.
 */
static bool eval_call(struct exec *e, const struct value *dot, const struct function *f, const struct value *receiver,
		      const struct node *node, struct str name, const struct node *const *args, uint32_t nargs,
		      const struct value *final, struct value *ret)
{
	uint32_t n = nargs ? nargs - 1 : 0, given = n + (final != NULL), first = receiver != NULL, i;
	struct value *values;

	if (nargs)
		args++;
	if (!check_count(e, f, name, n, final != NULL))
		return false;
	if (f->short_circuits)
		return eval_short_circuit(e, dot, f, args, n, final, ret);
	values = exec_alloc(e, (first + given + 1) * sizeof *values);
	if (receiver)
		values[0] = *receiver;
	for (i = 0; i < n; i++)
		if (!eval_argument(e, dot, parameter(f, i), args[i], &values[first + i]))
			return false;
	if (final) {
		values[first + i] = *final;
		if (!fit(e, &values[first + i], parameter(f, i)))
			return false;
	}
	if (!receiver && str_is(name, "call"))
		set_callee(e, args, n, final);
	if (!spend(e, cost_of(values, first + given)))
		return false;
	if (!f->call(e, values, first + given, ret)) {
		e->at = node;
		return fail(e, "error calling %.*s: %s", STR_ARG(name), buf_cstr(&e->reason));
	}
	if (f->gives_any)
		*ret = value_box(*ret);
	return value_kind(*ret) != VALUE_STRING || spend(e, ret->string.len / BYTES_MADE_PER_STEP);
}

static bool missing_key(struct exec *e, const struct value_type *map, struct str name, struct value *ret)
{
	*ret = value_none();
	switch (e->missing) {
	case TEMPLATE_MISSING_DEFAULT:
	case TEMPLATE_MISSING_INVALID:
		return true;
	case TEMPLATE_MISSING_ZERO:
		*ret = value_zero(map->elem);
		return true;
	case TEMPLATE_MISSING_ERROR:
		break;
	}
	return fail_quoting(e, "map has no entry for key ", name, "");
}

static const struct value_field *find_field(const struct value_type *type, struct str name)
{
	for (size_t i = 0; i < type->nfields; i++)
		if (str_is(name, type->fields[i].name))
			return &type->fields[i];
	return NULL;
}

/* receiver.name; the arguments are for methods only. */
static bool eval_field(struct exec *e, const struct value *dot, struct str name, const struct node *node,
		       const struct node *const *args, uint32_t nargs, const struct value *final, struct value receiver,
		       struct value *ret)
{
	bool has_args = nargs > 1 || final, nil;
	const struct value_field *field;
	const struct function *method;
	const struct value *found;
	const char *type;

	if (!receiver.type) {
		*ret = value_none();
		if (e->missing == TEMPLATE_MISSING_ERROR)
			return fail_quoting(e, "nil data; no entry for key ", name, "");
		return true;
	}
	type = format_static_type(receiver);
	method = function_find_method(receiver.type, name);
	if (method)
		return eval_call(e, dot, method, &receiver, node, name, args, nargs, final, ret);
	nil = follow(&receiver);
	if (receiver.type->kind == VALUE_INTERFACE)
		return fail(e, "nil pointer evaluating %s.%.*s", type, STR_ARG(name));
	method = function_find_method(receiver.type, name);
	if (method)
		return eval_call(e, dot, method, &receiver, node, name, args, nargs, final, ret);
	switch (receiver.type->kind) {
	case VALUE_STRUCT:
		field = find_field(receiver.type, name);
		if (!field)
			break;
		if (has_args)
			return fail(e, "%.*s has arguments but cannot be invoked as function", STR_ARG(name));
		*ret = receiver.fields ? receiver.fields[field - receiver.type->fields] : value_zero(field->type);
		return true;
	case VALUE_MAP:
		if (has_args)
			return fail(e, "%.*s is not a method but has arguments", STR_ARG(name));
		found = value_map_get(receiver.map, name);
		if (!found)
			return missing_key(e, receiver.type, name, ret);
		*ret = *found;
		return true;
	case VALUE_POINTER:
		if (receiver.type->elem->kind == VALUE_STRUCT && !find_field(receiver.type->elem, name))
			break; /* of the two mistakes, the missing field is the one to tell */
		if (nil)
			return fail(e, "nil pointer evaluating %s.%.*s", type, STR_ARG(name));
		break;
	default:
		break;
	}
	return fail(e, "can't evaluate field %.*s in type %s", STR_ARG(name), type);
}

/* receiver.A.B.C, whose last name gets the arguments. */
static bool eval_names(struct exec *e, const struct value *dot, struct value receiver, const struct node_fields *fields,
		       const struct node *const *args, uint32_t nargs, const struct value *final, struct value *ret)
{
	uint32_t last = fields->nnames - 1;

	for (uint32_t i = 0; i < last; i++)
		if (!eval_field(e, dot, fields->names[i], &fields->node, NULL, 0, NULL, receiver, &receiver))
			return false;
	return eval_field(e, dot, fields->names[last], &fields->node, args, nargs, final, receiver, ret);
}

static bool eval_fields(struct exec *e, const struct value *dot, const struct node_fields *fields,
			const struct node *const *args, uint32_t nargs, const struct value *final, struct value *ret)
{
	struct variable *variable;
	struct value base = *dot;

	e->at = &fields->node;
	if (fields->node.type == NODE_CHAIN) {
		if (!eval_argument(e, dot, NULL, fields->base, &base))
			return false;
	} else if (fields->node.type == NODE_VARIABLE) {
		if (!find_variable(e, fields, &variable))
			return false;
		base = variable->value;
		if (!fields->nnames) {
			*ret = base;
			return refuse_arguments(e, args, nargs, final);
		}
	}
	return eval_names(e, dot, base, fields, args, nargs, final, ret);
}

static bool eval_identifier(struct exec *e, const struct value *dot, const struct node_identifier *id,
			    const struct node *command, const struct node *const *args, uint32_t nargs,
			    const struct value *final, struct value *ret)
{
	e->at = &id->node;
	return eval_call(e, dot, id->function, NULL, command, id->name, args, nargs, final, ret);
}

static bool eval_command(struct exec *e, const struct value *dot, const struct node_command *command,
			 const struct value *final, struct value *ret)
{
	const struct node *first = command->args[0];

	switch (first->type) {
	case NODE_FIELD:
	case NODE_CHAIN:
	case NODE_VARIABLE:
		return eval_fields(e, dot, (const struct node_fields *)first, command->args, command->nargs, final,
				   ret);
	case NODE_IDENTIFIER:
		return eval_identifier(e, dot, (const struct node_identifier *)first, &command->node, command->args,
				       command->nargs, final, ret);
	case NODE_PIPE:
		return refuse_arguments(e, command->args, command->nargs, final) &&
		       eval_pipeline(e, dot, (const struct node_pipe *)first, ret);
	default:
		break;
	}
	e->at = first;
	if (!refuse_arguments(e, command->args, command->nargs, final))
		return false;
	switch (first->type) {
	case NODE_BOOL:
		*ret = value_bool(first->is_true);
		return true;
	case NODE_DOT:
		*ret = *dot;
		return true;
	case NODE_NIL:
		return fail(e, "nil is not a command");
	case NODE_NUMBER:
		return eval_number(e, (const struct node_number *)first, ret);
	case NODE_STRING:
		*ret = value_string(((const struct node_string *)first)->text);
		return true;
	default:
		return fail_showing(e, "can't evaluate command ", first, "");
	}
}

static bool eval_pipeline(struct exec *e, const struct value *dot, const struct node_pipe *pipe, struct value *ret)
{
	struct value v = value_none(), final;

	e->at = &pipe->node;
	for (uint32_t i = 0; i < pipe->ncommands; i++) {
		final = v;
		if (!eval_command(e, dot, pipe->commands[i], i ? &final : NULL, &v))
			return false;
		unbox(&v);
	}
	for (uint32_t i = 0; i < pipe->ndeclared; i++) {
		if (!pipe->assigns)
			push_variable(e, pipe->declared[i]->variable, v);
		else if (!assign_variable(e, pipe->declared[i], v))
			return false;
	}
	*ret = v;
	return true;
}

/* A literal where a type is wanted. */
static bool eval_literal(struct exec *e, const struct value_type *type, const struct node *node, struct value *ret)
{
	bool is_any = type->kind == VALUE_INTERFACE || type == &function_any_value;
	const struct node_number *number = (const struct node_number *)node;

	if (type->kind == VALUE_BOOL || (is_any && node->type == NODE_BOOL)) {
		*ret = value_bool(node->is_true);
		return node->type == NODE_BOOL || fail_showing(e, "expected bool; found ", node, "");
	}
	if (type->kind == VALUE_STRING || (is_any && node->type == NODE_STRING)) {
		if (node->type != NODE_STRING)
			return fail_showing(e, "expected string; found ", node, "");
		*ret = value_string(((const struct node_string *)node)->text);
		return true;
	}
	if (is_any)
		return eval_number(e, number, ret);
	if (type->kind == VALUE_INT || type->kind == VALUE_INT64) {
		if (node->type != NODE_NUMBER || !number->is_int)
			return fail_showing(e, "expected integer; found ", node, "");
		*ret = (struct value){ .type = type, .integer = number->integer };
		return true;
	}

	AUTO_RELEASE(buf) after = BUF_INIT(0);

	buf_addf(&after, " for arg of type %s", type->name);
	return fail_showing(e, "can't handle ", node, buf_cstr(&after));
}

static bool eval_nil(struct exec *e, const struct value_type *type, struct value *ret)
{
	*ret = value_none();
	if (type == &function_any_value)
		return true;
	if (type->kind != VALUE_INTERFACE && type->kind != VALUE_SLICE && type->kind != VALUE_MAP &&
	    type->kind != VALUE_POINTER)
		return fail(e, "cannot assign nil to %s", type->name);
	*ret = value_zero(type);
	return true;
}

static bool eval_argument(struct exec *e, const struct value *dot, const struct value_type *type,
			  const struct node *node, struct value *ret)
{
	bool done;

	e->at = node;
	switch (node->type) {
	case NODE_DOT:
		*ret = *dot;
		done = true;
		break;
	case NODE_NIL:
		return eval_nil(e, type, ret);
	case NODE_FIELD:
	case NODE_CHAIN:
	case NODE_VARIABLE:
		done = eval_fields(e, dot, (const struct node_fields *)node, NULL, 0, NULL, ret);
		break;
	case NODE_PIPE:
		done = eval_pipeline(e, dot, (const struct node_pipe *)node, ret);
		break;
	case NODE_IDENTIFIER:
		done = eval_identifier(e, dot, (const struct node_identifier *)node, node, NULL, 0, NULL, ret);
		break;
	default:
		return eval_literal(e, type, node, ret);
	}
	return done && fit(e, ret, type);
}

/* Printing */

static bool report(struct exec *e, const struct node_action *action, enum template_finding_kind kind, size_t from)
{
	AUTO_RELEASE(buf) source = BUF_INIT(0);
	AUTO_RELEASE(buf) ignored = BUF_INIT(0);
	struct str printed = { buf_cstr(e->out) + from, e->out->len - from };
	struct template_place place;

	e->at = &action->node;
	if (e->options->strict && kind == TEMPLATE_PRINTED_NO_VALUE)
		return fail(e, "there is no value to print");
	if (e->options->strict)
		return fail(e, "printf does not fit its arguments: it prints %.*s", STR_ARG(printed));
	if (!e->options->lint)
		return true;
	template_locate(e->t, action->node.position, &ignored, &place);
	node_print(&action->pipe->node, &source);
	e->options->lint(
		&(struct template_finding){ kind, e->t->name, place.line, place.column, buf_str(&source), printed },
		e->options->lint_arg);
	return true;
}

static void print_result(struct exec *e, struct value v)
{
	if (!v.type) {
		buf_adds(e->out, "<no value>");
		return;
	}
	if (v.type->kind == VALUE_STRING) {
		buf_add_str(e->out, v.string);
		return;
	}
	if (v.type->kind == VALUE_POINTER && !v.type->methods)
		follow(&v);
	format_value(e->out, v);
}

static bool run_action(struct exec *e, const struct value *dot, const struct node_action *action)
{
	bool declares = action->pipe->ndeclared > 0;
	struct mark mark = memory_mark(e);
	size_t from = e->out->len, variables = e->nvariables;
	uint64_t assignments = e->assignments;
	struct value v;

	e->made_mistake = false;
	if (!eval_pipeline(e, dot, action->pipe, &v))
		return false;
	e->at = &action->node;
	if (!declares) {
		print_result(e, v);
		if (e->nvariables == variables && e->assignments == assignments) /* parentheses may declare, too */
			memory_reset(e, mark);
	}
	if (!spend(e, (e->out->len - from) / BYTES_PER_STEP) || !check_output(e))
		return false;
	if (!declares && !v.type && !report(e, action, TEMPLATE_PRINTED_NO_VALUE, from))
		return false;
	return !e->made_mistake || report(e, action, TEMPLATE_PRINTED_MISTAKE, from);
}

/* Control structures */

static bool push_frame(struct exec *e, enum frame_kind kind, const struct node_list *list, struct value dot,
		       size_t variables, struct frame **ret)
{
	if (e->nframes >= FRAMES_MAX)
		return fail_limit(e, "exceeded maximum template depth (%d)", CALL_DEPTH_MAX);

	struct frame *frame = &LIST_PUSH(e->frames, e->nframes, e->frames_cap);

	frame->kind = kind;
	frame->next = 0;
	frame->list = list;
	frame->dot = dot;
	frame->mark = memory_mark(e);
	frame->assignments = e->assignments;
	frame->variables = (uint32_t)variables;
	*ret = frame;
	return true;
}

/* Forgets what was made since the frame, or the round of its loop, began, if no variable outside can hold it. */
static void forget_values(struct exec *e, struct frame *frame)
{
	if (frame->assignments == e->assignments)
		memory_reset(e, frame->mark);
}

static void pop_frame(struct exec *e)
{
	struct frame *frame = &e->frames[e->nframes - 1];

	forget_values(e, frame);
	if (frame->kind == FRAME_CALL) {
		e->definition = frame->call.outer;
		e->first_variable = frame->call.outer_variables;
		e->depth--;
	}
	e->nvariables = frame->variables;
	e->nframes--;
}

static bool run_branch(struct exec *e, struct value dot, const struct node_branch *branch)
{
	size_t variables = e->nvariables;
	struct frame *frame;
	struct value v;

	if (!eval_pipeline(e, &dot, branch->pipe, &v))
		return false;
	if (value_is_true(v))
		return push_frame(e, FRAME_LIST, &branch->list, branch->node.type == NODE_WITH ? v : dot, variables,
				  &frame);
	if (branch->has_else)
		return push_frame(e, FRAME_LIST, &branch->else_list, dot, variables, &frame);
	e->nvariables = variables;
	return true;
}

/* How many rounds a range over v makes; false if it cannot. */
static bool count_rounds(struct exec *e, const struct node_branch *branch, struct value v, int64_t *ret)
{
	*ret = 0;
	switch (value_kind(v)) {
	case VALUE_INVALID:
		return true;
	case VALUE_INT:
	case VALUE_INT64:
	case VALUE_UINT8:
	case VALUE_UINT:
		if (branch->pipe->ndeclared > 1)
			return fail_printing(e, "can't use ", v, " to iterate over more than one variable");
		*ret = v.integer;
		return true;
	case VALUE_SLICE:
		*ret = v.list.len;
		return true;
	case VALUE_MAP:
		*ret = (int64_t)value_map_len(v.map);
		return true;
	default:
		return fail_printing(e, "range can't iterate over ", v, "");
	}
}

static bool set_loop_variables(struct exec *e, const struct node_pipe *pipe, struct value key, struct value element)
{
	const struct node_fields *const *declared = pipe->declared;

	if (!pipe->ndeclared)
		return true;
	if (!pipe->assigns) {
		e->variables[e->nvariables - 1].value = element;
		if (pipe->ndeclared > 1)
			e->variables[e->nvariables - 2].value = key;
		return true;
	}
	if (pipe->ndeclared == 1)
		return assign_variable(e, declared[0], element);
	return assign_variable(e, declared[0], key) && assign_variable(e, declared[1], element);
}

static bool next_round(struct exec *e, struct frame *frame)
{
	const struct node_pipe *pipe = frame->range.branch->pipe;
	struct value over = frame->range.over, key = value_none(), element;
	int64_t i = frame->range.i++;

	e->nvariables = frame->variables + (pipe->assigns ? 0 : pipe->ndeclared);
	if (over.type->kind == VALUE_SLICE) {
		key = value_int(i);
		element = over.list.items[i];
	} else if (over.type->kind == VALUE_MAP) {
		key = value_string(value_map_at(over.map, (size_t)i)->key);
		element = value_map_at(over.map, (size_t)i)->value;
	} else {
		element = (struct value){ .type = over.type, .integer = i };
	}
	frame->dot = element;
	frame->next = 0;
	frame->assignments = e->assignments;
	return spend(e, 1) && set_loop_variables(e, pipe, key, element);
}

static bool run_range(struct exec *e, struct value dot, const struct node_branch *branch)
{
	size_t variables = e->nvariables;
	struct frame *frame;
	struct value v;
	int64_t n;

	e->at = &branch->node;
	if (!eval_pipeline(e, &dot, branch->pipe, &v))
		return false;
	follow(&v);
	if (value_kind(v) == VALUE_INTERFACE)
		v = value_none();
	if (!count_rounds(e, branch, v, &n))
		return false;
	if (n <= 0) {
		if (branch->has_else)
			return push_frame(e, FRAME_LIST, &branch->else_list, dot, variables, &frame);
		e->nvariables = variables;
		return true;
	}
	if (!push_frame(e, FRAME_RANGE, &branch->list, dot, variables, &frame))
		return false;
	frame->range.branch = branch;
	frame->range.over = v;
	frame->range.i = 0;
	frame->range.n = n;
	return next_round(e, frame);
}

static bool leave_round(struct exec *e, enum node_type how)
{
	struct frame *frame;

	while (e->frames[e->nframes - 1].kind != FRAME_RANGE)
		pop_frame(e);
	frame = &e->frames[e->nframes - 1];
	if (how == NODE_BREAK)
		pop_frame(e);
	else
		frame->next = (uint32_t)frame->list->n;
	return true;
}

static bool enter_definition(struct exec *e, const struct definition *definition, struct value dot)
{
	struct frame *frame;

	if (!push_frame(e, FRAME_CALL, &definition->list, dot, e->nvariables, &frame))
		return false;
	frame->call.outer = e->definition;
	frame->call.outer_variables = (uint32_t)e->first_variable;
	e->depth++;
	e->definition = definition;
	e->first_variable = e->nvariables;
	push_variable(e, 0, dot); /* $ is the parser's first name */
	return true;
}

static bool run_template(struct exec *e, struct value dot, const struct node_template *call)
{
	struct value v = value_none();

	e->at = &call->node;
	if (!call->target)
		return fail_quoting(e, "template ", call->name, " not defined");
	if (e->depth > CALL_DEPTH_MAX)
		return fail(e, "exceeded maximum template depth (%d)", CALL_DEPTH_MAX);
	if (call->pipe && !eval_pipeline(e, &dot, call->pipe, &v))
		return false;
	return enter_definition(e, call->target, v);
}

/* A text knows better than its token where it starts: trimming moved it. */
static void trace(const struct exec *e, const struct node *node)
{
	const struct node_text *text = node->type == NODE_TEXT ? (const struct node_text *)node : NULL;

	e->options->trace(e->out->len - e->out_start, text ? (size_t)(text->text.p - e->t->text.p) : node->position,
			  text != NULL, e->options->trace_arg);
}

static bool run_node(struct exec *e, struct value dot, const struct node *node)
{
	e->at = node;
	if (e->options->trace)
		trace(e, node);
	if (!spend(e, 1))
		return false;
	switch (node->type) {
	case NODE_TEXT:
		buf_add_str(e->out, ((const struct node_text *)node)->text);
		return spend(e, ((const struct node_text *)node)->text.len / BYTES_PER_STEP) && check_output(e);
	case NODE_ACTION:
		return run_action(e, &dot, (const struct node_action *)node);
	case NODE_IF:
	case NODE_WITH:
		return run_branch(e, dot, (const struct node_branch *)node);
	case NODE_RANGE:
		return run_range(e, dot, (const struct node_branch *)node);
	case NODE_TEMPLATE:
		return run_template(e, dot, (const struct node_template *)node);
	case NODE_BREAK:
	case NODE_CONTINUE:
		return leave_round(e, node->type);
	default:
		return fail(e, "unknown node");
	}
}

static bool run(struct exec *e)
{
	while (e->nframes) {
		struct frame *frame = &e->frames[e->nframes - 1];

		if (frame->next < frame->list->n) {
			if (!run_node(e, frame->dot, frame->list->items[frame->next++]))
				return false;
		} else if (frame->kind == FRAME_RANGE && frame->range.i < frame->range.n) {
			forget_values(e, frame);
			frame->mark = memory_mark(e);
			if (!next_round(e, frame))
				return false;
		} else {
			pop_frame(e);
		}
	}
	return true;
}

static void exec_release(struct exec *e)
{
	memory_release(e);
	free(e->frames);
	free(e->variables);
	buf_release(&e->reason);
}
DEFINE_AUTO_RELEASE(exec);

bool template_execute(const struct template *t, struct value root, const struct template_options *options,
		      struct buf *out, struct error *err)
{
	static const struct template_options none;
	const struct template_options *o = options ? options : &none;
	AUTO_RELEASE(exec)
	e = {
		.t = t,
		.options = o,
		.missing = o->strict ? TEMPLATE_MISSING_ERROR : o->missing,
		.out = out,
		.out_start = out->len,
		.out_max = o->limits.output_bytes ? o->limits.output_bytes : OUTPUT_BYTES_DEFAULT,
		.memory_max = o->limits.memory_bytes ? o->limits.memory_bytes : MEMORY_BYTES_DEFAULT,
		.steps_max = o->limits.steps ? o->limits.steps : STEPS_DEFAULT,
		.err = err,
	};

	if (o->ret_place)
		*o->ret_place = (struct template_place){ 0 };
	unbox(&root);
	if (enter_definition(&e, t->main, root) && run(&e))
		return true;
	buf_truncate(out, e.out_start);
	return false;
}

bool template_render(const char *name, struct str text, struct value root, const struct template_options *options,
		     struct buf *out, struct error *err)
{
	AUTO(template) t = NULL;

	return template_parse(name, text, TEMPLATE_FUNCTIONS_PROJECT, options, &t, err) &&
	       template_execute(t, root, options, out, err);
}
