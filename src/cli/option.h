/*
 * option: flags and CODEXCTL_ variables of all commands, from one table.
 *
 * GNU style: --flag value, --flag=value, --bool, --bool=false, anywhere on the line. A flag beats its variable, the variable
 * beats the default; a variable that is unset or blank counts as absent (spec commands 1.4). Help, completion and the man
 * page are made from the same rows.
 */
#ifndef SLOTDECK_CLI_OPTION_H
#define SLOTDECK_CLI_OPTION_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum option_id {
	/* everywhere */
	OPT_CONFIG, OPT_ENV, OPT_NAMESPACE, OPT_SLOT, OPT_LOG_LEVEL, OPT_LOG_FORMAT, OPT_NO_COLOR, OPT_HELP, OPT_VERSION, OPT_BATCH,
	/* variables and filters */
	OPT_VARS, OPT_VAR, OPT_VAR_FILE, OPT_ONLY_SERVICES, OPT_SKIP_SERVICES, OPT_ONLY_INFRA, OPT_SKIP_INFRA,
	/* cluster */
	OPT_KUBECONFIG, OPT_CONTEXT, OPT_READ_ONLY, OPT_DENY_EXEC,
	/* render and validate */
	OPT_OUTPUT, OPT_EXPLAIN, OPT_STRICT, OPT_MODERN, OPT_LENIENT,
	/* deploy */
	OPT_WAIT, OPT_PREFLIGHT, OPT_DRY_RUN, OPT_PRUNE, OPT_PRUNE_ALSO, OPT_FORCE_CONFLICTS, OPT_HOOKS_OF_ALL, OPT_NO_HOOKS,
	OPT_PARALLEL, OPT_TIMEOUT, OPT_WAIT_TIMEOUT, OPT_SETTLE, OPT_GRACE, OPT_LEASE_WAIT, OPT_JUNIT,
	OPT_APPLY_RETRIES, OPT_WAIT_RETRIES, OPT_APPLY_BACKOFF, OPT_WAIT_BACKOFF, OPT_REQUEST_TIMEOUT,
	/* pods */
	OPT_CONTAINER, OPT_STDIN, OPT_TTY,
	/* images */
	OPT_MIRROR, OPT_BUILD, OPT_ONLY_IMAGES, OPT_PLATFORM, OPT_INSECURE, OPT_SKIP_TLS_VERIFY, OPT_SKIP_TLS_VERIFY_PULL,
	OPT_BUILDER_IMAGE, OPT_BUILDER_NAMESPACE, OPT_BUILDER_CPU, OPT_BUILDER_MEMORY, OPT_BUILD_TIMEOUT,
	/* dashboard */
	OPT_DEMO, OPT_THEME, OPT_ASCII, OPT_OPEN, OPT_ALL_NAMESPACES, OPT_SCREEN, OPT_LINEAR, OPT_DUMP, OPT_SIZE,
	OPT_RECORD, OPT_REPLAY, OPT_REPLAY_SPEED, OPT_AT,
	OPT_COUNT
};

enum option_kind { OPTION_TEXT, OPTION_LIST, OPTION_INT, OPTION_BOOL, OPTION_DURATION };

struct option_row {
	const char *name; /* "wait-timeout" */
	char letter;	  /* 'c'; 0: none */
	enum option_kind kind;
	const char *variable; /* "CODEXCTL_WAIT_TIMEOUT"; NULL: none */
	const char *value;    /* word for the help: "DURATION"; NULL for bools */
	const char *help;
	bool hidden;
};
extern const struct option_row option_rows[OPT_COUNT];

struct option_value {
	bool given;	  /* by flag or variable */
	const char *text; /* of the last one, borrowed from argv or environ */
	const char **list; /* OPTION_LIST: all */
	size_t n, cap;
	long long number; /* INT; DURATION in milliseconds */
	bool flag;
};

struct options {
	struct option_value values[OPT_COUNT];
	const char **words; /* what is no flag, in order */
	size_t nwords, words_cap;
};

/* argv without the program's name. Checks flags against all rows and `--`; what a command does not know is its matter.
 * ERR_INVALID with a suggestion. */
bool options_parse(struct options *options, int argc, char **argv, struct error *err);
/* Fills what no flag gave from variables, for the options listed (OPT_COUNT ends). */
bool options_add_variables(struct options *options, const enum option_id *ids, struct error *err);
void options_release(struct options *options);
DEFINE_AUTO_RELEASE(options);

const char *option_text(const struct options *options, enum option_id id); /* NULL: not given or blank */
bool option_flag(const struct options *options, enum option_id id);
bool option_given(const struct options *options, enum option_id id);
long long option_number(const struct options *options, enum option_id id, long long otherwise);

#endif
