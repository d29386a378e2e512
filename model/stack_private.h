/* What the files model/stack*.c share and nobody else sees. */
#ifndef SLOTDECK_MODEL_STACK_PRIVATE_H
#define SLOTDECK_MODEL_STACK_PRIVATE_H

#include "base/yaml.h"
#include "model/context.h"
#include "model/stack.h"
#include "model/stack_source.h"

struct stack_private {
	struct arena *arena;
	bool lenient;
	bool guesses;	       /* variables could not be read, and only more findings are looked for */
	struct buf source;     /* services.yaml as written */
	struct buf rendered;   /* by the template pass, masks not settled */
	struct buf settled;    /* the same with masks settled; empty when that changes nothing */
	struct source_map map; /* of rendered */
	struct yaml_doc *header, *typed;
	struct mask mask;
	bool masked;
	struct context context;
	/* by name, borrowed: environments exactly, items by stack_fold_name(); of several alike the first */
	struct map environments, infra, services;
};

/* Gives a name as names of items are compared: trimmed, lower case. */
char *stack_fold_name(const char *name);

/* A finding whose words are an error's. err is emptied. */
void stack_add_error(struct diags *diags, enum diag_severity severity, struct place place, const char *code,
		     struct error *err);
/* The severity of what codexctl lets pass. */
enum diag_severity stack_severity(const struct stack *stack);
/* All rules across fields (spec services-yaml 5, 6, 8 to 10, 13). */
void stack_check(const struct stack *stack, struct diags *diags);
/* Fills what follows from decoded texts: image types, hook timeouts and bodies. */
void stack_finish(struct stack *stack);
/* Pattern, explicit, built in. Findings about it go to diags. Gives "" when there is none. */
bool stack_resolve_namespace(const struct stack *stack, const struct context *context, const char *explicit,
			     const char *env, long long slot, char **ret, struct error *err);

#endif
