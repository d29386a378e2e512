/*
 * context: what `.` is in every template of a stack (spec templates 3): config.TemplateContext of the original.
 *
 * Values borrow from the stack and the arena. Before the typed pass .Codex is zero and .Storage nil.
 */
#ifndef SLOTDECK_MODEL_CONTEXT_H
#define SLOTDECK_MODEL_CONTEXT_H

#include "template/template.h"

struct arena;
struct mask;
struct stack;

struct context {
	struct value root;
	struct template_options options; /* envOr and now */
};

/* namespace "" where it is not known yet. mask NULL: values as they are; else text from variables is masked. */
struct context context_build(struct arena *arena, const struct stack *stack, const char *namespace,
			     const struct mask *mask, bool with_typed);

/*
 * Masks: text that came from a variable, an option or the process must never become template source when services.yaml's
 * strings are rendered the second time (W-27). While the file is rendered, braces that could open an action are replaced by
 * two Unicode noncharacters that occur nowhere in the input; afterwards they turn back, in template strings only after
 * the second rendering.
 */
struct mask {
	char brace[4]; /* stands for "{" */
	char edge[4];  /* a lone "{" at an end of a value, which could meet another one */
};
/* False if every candidate occurs in the texts (then nothing can be masked). */
bool mask_choose(const struct stack *stack, struct str source, struct mask *ret);
struct str mask_apply(const struct mask *mask, struct arena *arena, struct str value);
/*
 * In the rendered file: edges that met no brace turn back, the others become braces of the mask. Every character stays one
 * character. False, and nothing in out, when there is none.
 */
bool mask_settle(const struct mask *mask, struct str text, struct buf *out);
/* Turns back; gives text itself when nothing is masked. */
struct str mask_remove(const struct mask *mask, struct arena *arena, struct str text);

#endif
