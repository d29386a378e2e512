/*
 * function: what a template may call. One row per function, for Go's own and for codexctl's alike.
 *
 * The evaluator checks number and types of the arguments by the row, so a function only sees what it asked for.
 */
#ifndef SLOTDECK_TEMPLATE_FUNCTION_H
#define SLOTDECK_TEMPLATE_FUNCTION_H

#include "template/template.h"

struct exec;

/* args are borrowed. False: the reason was given to exec_fail(). */
typedef bool function_call(struct exec *exec, const struct value *args, size_t n, struct value *ret);

enum function_set { FUNCTION_GO, FUNCTION_PROJECT, FUNCTION_TOOL };

#define FUNCTION_PARAMETERS_MAX 3

struct function {
	const char *name;
	function_call *call;
	enum function_set set;
	bool variadic;	     /* the last parameter may be given any number of times, also none */
	bool short_circuits; /* and, or: the evaluator does them itself */
	bool stops_on;	     /* the truth that ends them */
	bool gives_any;	     /* the result is an interface {} */
	unsigned nparameters;
	const struct value_type *parameters[FUNCTION_PARAMETERS_MAX];
	const char *bad_results; /* methods that templates cannot call: what Go says about their results, or NULL */
};

/* A method of a type of the time package: the first argument is the receiver, which is no parameter. */
struct value_method {
	struct function function;
};

/* The parameter type of functions that look at any value as it is, also at none: reflect.Value. */
extern const struct value_type function_any_value;

/* NULL if there is none by that name in the set. */
const struct function *function_find(struct str name, enum template_functions functions);
/* NULL if the type has none by that name. */
const struct function *function_find_method(const struct value_type *type, struct str name);

/* For functions: memory that lives as long as the execution, errors, and the options. */
void *exec_alloc(struct exec *exec, size_t size_bytes);
/* Gives the bytes of text as a string value; text is emptied. */
struct value exec_string(struct exec *exec, struct buf *text);
/* Returns false. */
bool exec_fail(struct exec *exec, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const struct template_options *exec_options(const struct exec *exec);
/* Notes that a printf printed %!…, which the action that runs is to be blamed for. */
void exec_note_mistake(struct exec *exec);
/* How call was given its first argument, for its error. */
struct str exec_callee(const struct exec *exec);

#endif
