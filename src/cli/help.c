#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "job/job.h"

/* The table of exit codes, for help and man page. */
static const struct {
	int code;
	const char *meaning;
} exit_codes[] = {
	{ EXIT_DONE, "done; diff: no difference; status: healthy" },
	{ EXIT_DEGRADED, "failed: an object or step is degraded" },
	{ EXIT_USAGE, "wrong usage or configuration" },
	{ EXIT_DIFFERENCES, "diff found differences" },
	{ EXIT_DENIED, "not allowed or not logged in" },
	{ EXIT_DEADLINE, "deadline passed, still progressing" },
	{ EXIT_PART_DONE, "part done: some objects applied, others not" },
	{ EXIT_CONFLICT, "conflict: another manager's field, another deployer's lease" },
	{ EXIT_PENDING, "pending: still progressing (status)" },
	{ EXIT_SIGINT, "cancelled by SIGINT" },
	{ EXIT_SIGTERM, "cancelled by SIGTERM" },
};

static void print_option(FILE *out, enum option_id id)
{
	const struct option_row *row = &option_rows[id];
	char left[64];

	if (row->hidden)
		return;
	snprintf(left, sizeof left, "%s%c%s--%s%s%s", row->letter ? "-" : "", row->letter ? row->letter : ' ', row->letter ? ", " : "   ",
		 row->name, row->value ? " " : "", row->value ? row->value : "");
	fprintf(out, "  %-32s %s", left, row->help);
	if (row->variable)
		fprintf(out, " [%s]", row->variable);
	fputc('\n', out);
}

static void print_options(FILE *out, const char *title, const enum option_id *ids)
{
	if (*ids == OPT_COUNT)
		return;
	fprintf(out, "\n%s:\n", title);
	for (; *ids != OPT_COUNT; ids++)
		print_option(out, *ids);
}

static void print_commands(FILE *out)
{
	for (const struct command *c = commands; c->words; c++)
		if (!c->hidden)
			fprintf(out, "  %-12s %s\n", c->words, c->summary);
}

void print_help(FILE *out, const struct command *command)
{
	static const enum option_id dashboard[] = { OPT_DEMO, OPT_KUBECONFIG, OPT_CONTEXT, OPT_READ_ONLY, OPT_OPEN, OPT_ALL_NAMESPACES, OPT_SCREEN, OPT_LINEAR,
						    OPT_THEME, OPT_ASCII, OPT_DUMP, OPT_SIZE, OPT_RECORD, OPT_REPLAY, OPT_REPLAY_SPEED, OPT_AT, OPT_VERSION, OPT_COUNT };

	if (command) {
		fprintf(out, "slotdeck %s: %s\n\nUsage: slotdeck %s [flags]%s%s\n", command->words, command->summary, command->words,
			command->arguments ? " " : "", command->arguments ? command->arguments : "");
		if (command->details)
			fprintf(out, "\n%s\n", command->details);
		print_options(out, "Flags", command->options);
	} else {
		fprintf(out, "slotdeck: environments of one services.yaml on Kubernetes, live in the terminal and headless in CI\n\n"
			     "Usage:\n  slotdeck                     open the dashboard\n  slotdeck --demo              open it on a simulated cluster\n"
			     "  slotdeck [--batch] COMMAND   do one job and leave\n\nCommands:\n");
		print_commands(out);
		print_options(out, "Flags of the dashboard", dashboard);
	}
	print_options(out, "Common flags", common_options);
	fprintf(out, "\nExit status:");
	for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++)
		fprintf(out, "\n  %3d  %s", exit_codes[i].code, exit_codes[i].meaning);
	fputc('\n', out);
}

static const struct command *command_of_words(const struct options *options)
{
	AUTO_RELEASE(buf) words = BUF_INIT(0);

	for (size_t i = 1; i < options->nwords; i++)
		buf_addf(&words, "%s%s", i > 1 ? " " : "", options->words[i]);
	for (const struct command *c = commands; c->words; c++)
		if (strcmp(c->words, buf_cstr(&words)) == 0)
			return c;
	return NULL;
}

int cmd_help(const struct command *command, const struct options *options)
{
	(void)command;
	print_help(stdout, command_of_words(options));
	return EXIT_DONE;
}

/* ---- completion ---- */

static void put_words(FILE *out, const char *separator)
{
	for (const struct command *c = commands; c->words; c++)
		if (!c->hidden && !strchr(c->words, ' '))
			fprintf(out, "%s%s", c->words, separator);
	fprintf(out, "ci%s", separator);
}

static void put_flags(FILE *out, const char *separator)
{
	for (size_t i = 0; i < OPT_COUNT; i++)
		if (option_rows[i].name && !option_rows[i].hidden)
			fprintf(out, "--%s%s", option_rows[i].name, separator);
}

static void complete_bash(FILE *out)
{
	fputs("_slotdeck() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]}\n\tcase $cur in\n\t-*) COMPREPLY=($(compgen -W \"", out);
	put_flags(out, " ");
	fputs("\" -- \"$cur\")) ;;\n\t*) if [ \"${COMP_WORDS[COMP_CWORD-1]}\" = ci ]; then COMPREPLY=($(compgen -W apply -- \"$cur\"))\n"
	      "\t   else COMPREPLY=($(compgen -W \"", out);
	put_words(out, " ");
	fputs("\" -- \"$cur\") $(compgen -f -- \"$cur\")); fi ;;\n\tesac\n}\ncomplete -F _slotdeck slotdeck codexctl\n", out);
}

static void complete_zsh(FILE *out)
{
	fputs("#compdef slotdeck codexctl\n_arguments -s \\\n", out);
	for (size_t i = 0; i < OPT_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		if (!row->name || row->hidden)
			continue;
		fprintf(out, "  '--%s%s[", row->name, row->value ? "=" : "");
		for (const char *c = row->help; *c; c++)
			fprintf(out, *c == '\'' ? "'\\''" : *c == ':' || *c == '[' || *c == ']' ? "\\%c" : "%c", *c);
		fprintf(out, "]%s%s%s' \\\n", row->value ? ":" : "", row->value ? row->value : "", row->value ? ":_files" : "");
	}
	fputs("  '1:command:(", out);
	put_words(out, " ");
	fputs(")'\n", out);
}

static void complete_fish(FILE *out)
{
	for (const struct command *c = commands; c->words; c++)
		if (!c->hidden && !strchr(c->words, ' '))
			fprintf(out, "complete -c slotdeck -n __fish_use_subcommand -f -a %s -d \"%s\"\n", c->words, c->summary);
	fputs("complete -c slotdeck -n __fish_use_subcommand -f -a ci\n"
	      "complete -c slotdeck -n '__fish_seen_subcommand_from ci' -f -a apply\n", out);
	for (size_t i = 0; i < OPT_COUNT; i++) {
		const struct option_row *row = &option_rows[i];

		if (row->name && !row->hidden)
			fprintf(out, "complete -c slotdeck -l %s%s -d \"%s\"\n", row->name, row->value ? " -r" : "", row->help);
	}
}

int cmd_completion(const struct command *command, const struct options *options)
{
	static const struct {
		const char *shell;
		void (*put)(FILE *out);
	} shells[] = { { "bash", complete_bash }, { "zsh", complete_zsh }, { "fish", complete_fish } };
	AUTO_RELEASE(error) err = { 0 };
	const char *shell = options->nwords > 1 ? options->words[1] : "";

	(void)command;
	for (size_t i = 0; i < ARRAY_LEN(shells); i++) {
		if (strcmp(shell, shells[i].shell) != 0)
			continue;
		shells[i].put(stdout);
		return EXIT_DONE;
	}
	error_set(&err, ERR_INVALID, "completion: \"%s\" is none of bash, zsh, fish", shell);
	command_print_error(&err);
	return EXIT_USAGE;
}

/* ---- man page ---- */

static void put_roff(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void man_option(FILE *out, enum option_id id)
{
	const struct option_row *row = &option_rows[id];

	if (row->hidden)
		return;
	fprintf(out, ".TP\n\\fB");
	if (row->letter)
		fprintf(out, "\\-%c\\fR, \\fB", row->letter);
	fprintf(out, "\\-\\-");
	put_roff(out, row->name);
	fprintf(out, "\\fR");
	if (row->value)
		fprintf(out, " \\fI%s\\fR", row->value);
	fputc('\n', out);
	put_roff(out, row->help);
	if (row->variable)
		fprintf(out, " (variable %s)", row->variable);
	fputc('\n', out);
}

static void man_commands(FILE *out)
{
	for (const struct command *c = commands; c->words; c++) {
		if (c->hidden)
			continue;
		fprintf(out, ".SS %s\n", c->words);
		put_roff(out, c->summary);
		fputs(".\n", out);
		if (c->details) {
			fputs(".PP\n", out);
			put_roff(out, c->details);
			fputc('\n', out);
		}
		for (const enum option_id *o = c->options; *o != OPT_COUNT; o++)
			man_option(out, *o);
	}
}

int cmd_man(const struct command *command, const struct options *options)
{
	FILE *out = stdout;

	(void)command, (void)options;
	fprintf(out, ".TH SLOTDECK 1 \"\" \"slotdeck %s\" \"User commands\"\n", SLOTDECK_VERSION);
	fputs(".SH NAME\nslotdeck \\- environments of one services.yaml on Kubernetes\n.SH SYNOPSIS\n.B slotdeck\n[\\fIflags\\fR]\n.br\n"
	      ".B slotdeck\n[\\fB\\-\\-batch\\fR] \\fIcommand\\fR [\\fIflags\\fR]\n.SH DESCRIPTION\n"
	      "Without a command the dashboard opens. A command does one job and leaves; flags may stand anywhere. A flag beats its variable, a "
	      "variable beats the default. stdout carries results only; everything else goes to stderr.\n.PP\nIn the dashboard \fB?\fR lists the keys, "
	      "\fB:\fR jumps to anything, and \fBK\fR goes to the cluster of another context of the kubeconfig.\n.SH COMMON FLAGS\n", out);
	for (const enum option_id *o = common_options; *o != OPT_COUNT; o++)
		man_option(out, *o);
	fputs(".SH COMMANDS\n", out);
	man_commands(out);
	fputs(".SH EXIT STATUS\n", out);
	for (size_t i = 0; i < ARRAY_LEN(exit_codes); i++)
		fprintf(out, ".TP\n.B %d\n%s\n", exit_codes[i].code, exit_codes[i].meaning);
	fputs(".SH HOOKS\nA hook runs once per run. After a run was killed it runs again, so it must bear repetition; SLOTDECK_RUN_ID holds the id "
	      "of the run.\n.SH FILES\nservices.yaml, KUBECONFIG, ~/.kube/config\n", out);
	return EXIT_DONE;
}
