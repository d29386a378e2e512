/*
 * node: the parsed form of a template. For the parser, the evaluator and their errors only.
 *
 * Nodes live in the template's arena and point into its text. A node's position is a byte offset into that text; which
 * position a node has, and how it prints, is what users see in errors, so both follow Go's text/template/parse closely.
 */
#ifndef SLOTDECK_TEMPLATE_NODE_H
#define SLOTDECK_TEMPLATE_NODE_H

#include "template/template.h"

enum node_type {
	NODE_TEXT,
	NODE_ACTION, /* {{pipeline}} */
	NODE_IF,
	NODE_RANGE,
	NODE_WITH,
	NODE_TEMPLATE,
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_PIPE,
	NODE_COMMAND,
	NODE_DOT,
	NODE_NIL,
	NODE_BOOL,
	NODE_NUMBER,
	NODE_STRING,
	NODE_FIELD,	 /* .A.B */
	NODE_VARIABLE,	 /* $x.A.B */
	NODE_CHAIN,	 /* (pipeline).A.B or function.A */
	NODE_IDENTIFIER, /* a function's name */
};

/* The head of every node; also the whole of dot, nil, bool, break and continue. */
struct node {
	enum node_type type;
	uint32_t position;
	bool is_true; /* of a bool */
};

struct node_list {
	const struct node **items;
	size_t n;
};

struct node_text {
	struct node node;
	struct str text;
};

struct node_pipe {
	struct node node;
	bool assigns; /* = instead of := */
	uint32_t ndeclared, ncommands;
	const struct node_fields **declared; /* variables */
	const struct node_command **commands;
};

struct node_action {
	struct node node;
	const struct node_pipe *pipe;
};

struct node_command {
	struct node node;
	uint32_t nargs;
	const struct node **args; /* the first is what is called */
};

/* A field, a variable or a chain. */
struct node_fields {
	struct node node;
	uint32_t variable;	  /* number of the variable's name */
	struct str variable_name; /* with its $ */
	const struct node *base;  /* of a chain */
	uint32_t nnames;
	const struct str *names; /* without dots */
};

struct node_identifier {
	struct node node;
	struct str name;
	const struct function *function;
};

/* A number under all the types that can hold it, as Go's ideal constants. */
struct node_number {
	struct node node;
	struct str text;
	bool is_int, is_uint, is_float, is_complex;
	int64_t integer;
	uint64_t uinteger;
	double real;
	_Complex double complex;
};

struct node_string {
	struct node node;
	struct str quoted; /* as in the source */
	struct str text;
};

struct node_branch { /* if, range, with */
	struct node node;
	bool has_else;
	const struct node_pipe *pipe;
	struct node_list list, else_list;
};

struct node_template {
	struct node node;
	struct str name;
	const struct node_pipe *pipe;	 /* may be NULL */
	const struct definition *target; /* NULL: not defined */
	struct node_template *next;	 /* all of them, for linking */
};

/* What a name stands for: the text itself, or a define or block in it. */
struct definition {
	struct str name;
	struct node_list list;
};

struct template
{
	char *name;
	struct str text;
	struct arena *arena;
	struct map definitions; /* struct definition *, in the arena */
	const struct definition *main;
};

/* Appends the node as Go prints it. */
void node_print(const struct node *node, struct buf *out);
/* "NAME:LINE:COLUMN", and both counted from 1 into ret_place. */
void template_locate(const struct template *t, uint32_t position, struct buf *out, struct template_place *ret_place);
/* A message ends at a NUL: those that the template's text put into it become \\x00. */
void template_show_nul(struct buf *message);
/* Gives the error a hint that shows the line of the place. */
void template_show_line(struct str text, struct template_place place, struct error *err);

#endif
