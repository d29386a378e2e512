/*
 * command: the table of commands, and the way from argv to one of them.
 *
 * A command is one row: its words, what it is for, which options it knows, the function. Help, completion scripts, the man page and
 * the README's table are made from the rows. Also when the binary is called codexctl the same grammar holds.
 */
#ifndef SLOTDECK_CLI_COMMAND_H
#define SLOTDECK_CLI_COMMAND_H

#include <stdio.h>

#include "cli/option.h"

struct command {
	const char *words; /* "ci apply" */
	const char *summary;
	const char *details; /* paragraphs for --help and the man page; NULL */
	const enum option_id *options; /* OPT_COUNT ends; without those of every command */
	const enum option_id *variables; /* those whose variables count; NULL: all of options */
	bool env_required;
	const char *arguments;	       /* "SHELL"; NULL: takes no words */
	bool hidden;
	int (*run)(const struct command *command, const struct options *options);
};
/* Ends with a row without words. */
extern const struct command commands[];
/* Options of every command; OPT_COUNT ends. */
extern const enum option_id common_options[];

/* dashboard is called when no command was named (the program's interactive side; main gives it). Returns the exit status. */
int command_main(int argc, char **argv, int (*dashboard)(const struct options *options));

/* Prints "Error: …" and the hint on stderr, coloured on a terminal, sanitised. */
void command_print_error(const struct error *err);

void print_help(FILE *out, const struct command *command); /* NULL: of the program */
int cmd_completion(const struct command *command, const struct options *options);
/* The man page, roff. */
int cmd_man(const struct command *command, const struct options *options);
int cmd_help(const struct command *command, const struct options *options);

/* deploy.c: apply, diff, wait, status, ci apply */
int cmd_apply(const struct command *command, const struct options *options);
int cmd_diff(const struct command *command, const struct options *options);
int cmd_wait(const struct command *command, const struct options *options);
int cmd_status(const struct command *command, const struct options *options);
/* deploy.c: images mirror, ci images */
int cmd_mirror(const struct command *command, const struct options *options);
int cmd_build(const struct command *command, const struct options *options);
int cmd_ci_images(const struct command *command, const struct options *options);

/* pod.c */
int cmd_exec(const struct command *command, const struct options *options);
int cmd_port_forward(const struct command *command, const struct options *options);

#endif
