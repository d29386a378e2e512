/*
 * cmd_validate: `slotdeck validate`, all findings about a project at once, as text or JSON on stdout.
 */
#ifndef SLOTDECK_CLI_CMD_VALIDATE_H
#define SLOTDECK_CLI_CMD_VALIDATE_H

#include <stdio.h>

#include "model/render.h"
#include "model/stack.h"

struct validate_command {
	struct stack_options stack; /* env "" or NULL: every environment */
	struct render_filters filters;
	const char *output;	    /* NULL or "text", "json" */
	bool strict;		    /* warnings are errors */
	FILE *out;		    /* NULL: stdout */
};

/* The exit status: 0 without errors, else 2. */
int cmd_validate(const struct validate_command *command);

#endif
