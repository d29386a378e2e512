/*
 * cmd_render: `slotdeck render`, the objects of a stack on stdout and nothing else there.
 *
 * Output appears only when all of it could be made; findings and --explain go to stderr.
 */
#ifndef SLOTDECK_CLI_CMD_RENDER_H
#define SLOTDECK_CLI_CMD_RENDER_H

#include <stdio.h>

#include "model/render.h"
#include "model/stack.h"

struct render_command {
	struct stack_options stack; /* lenient is set by strict below */
	struct render_filters filters;
	const char *output;	    /* NULL or "yaml", "json", "dir=FOLDER" */
	bool explain;		    /* which file, item and overlay made each object */
	bool strict;		    /* what codexctl lets pass is an error */
	bool modern;		    /* render_options.modern */
	bool quiet;		    /* no warnings */
	const struct cancel *cancel;
	FILE *out, *err;	    /* NULL: stdout, stderr */
};

/* The exit status: 0, 2 for what is wrong in the project or the options, 1 when stdout or a file cannot be written. */
int cmd_render(const struct render_command *command);

#endif
