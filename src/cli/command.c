#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cmd_render.h"
#include "cli/cmd_schema.h"
#include "cli/cmd_validate.h"
#include "cli/cluster.h"
#include "cli/print.h"
#include "job/job.h"

const enum option_id common_options[] = { OPT_CONFIG,	OPT_ENV,	OPT_NAMESPACE, OPT_LOG_LEVEL, OPT_LOG_FORMAT,
					  OPT_NO_COLOR, OPT_BATCH,	OPT_HELP,      OPT_COUNT };

#define STACK_OPTIONS	OPT_SLOT, OPT_VARS, OPT_VAR, OPT_VAR_FILE, OPT_ONLY_SERVICES, OPT_SKIP_SERVICES, OPT_ONLY_INFRA, OPT_SKIP_INFRA
#define CLUSTER_OPTIONS OPT_KUBECONFIG, OPT_CONTEXT, OPT_READ_ONLY, OPT_DENY_EXEC, OPT_OUTPUT, OPT_JUNIT, OPT_LENIENT
#define WAIT_OPTIONS	OPT_WAIT_TIMEOUT, OPT_SETTLE, OPT_GRACE
#define APPLY_OPTIONS                                                                                                  \
	OPT_WAIT, OPT_PREFLIGHT, OPT_DRY_RUN, OPT_PRUNE, OPT_PRUNE_ALSO, OPT_FORCE_CONFLICTS, OPT_HOOKS_OF_ALL,       \
		OPT_NO_HOOKS, OPT_PARALLEL, OPT_TIMEOUT, OPT_LEASE_WAIT

static const enum option_id no_options[] = { OPT_COUNT };
/* Beside the common ones. */
static const enum option_id dashboard_variables[] = { OPT_INSECURE,	     OPT_SKIP_TLS_VERIFY, OPT_SKIP_TLS_VERIFY_PULL, OPT_BUILDER_IMAGE, OPT_BUILDER_NAMESPACE,
						      OPT_BUILDER_CPU, OPT_BUILDER_MEMORY,  OPT_BUILD_TIMEOUT,	    OPT_COUNT };
/* codexctl's render never read CODEXCTL_SLOT: a slot there must not change its bytes. */
static const enum option_id render_variables[] = { OPT_VARS, OPT_VAR_FILE, OPT_ONLY_SERVICES, OPT_SKIP_SERVICES, OPT_ONLY_INFRA, OPT_SKIP_INFRA,
						   OPT_COUNT };
static const enum option_id render_options[] = { STACK_OPTIONS, OPT_OUTPUT, OPT_EXPLAIN, OPT_STRICT, OPT_MODERN, OPT_COUNT };
static const enum option_id validate_options[] = { STACK_OPTIONS, OPT_OUTPUT, OPT_STRICT, OPT_COUNT };
static const enum option_id apply_options[] = { STACK_OPTIONS, CLUSTER_OPTIONS, WAIT_OPTIONS, APPLY_OPTIONS, OPT_COUNT };
static const enum option_id ci_apply_options[] = { STACK_OPTIONS,     CLUSTER_OPTIONS,	 WAIT_OPTIONS,	   APPLY_OPTIONS,
						   OPT_APPLY_RETRIES, OPT_WAIT_RETRIES, OPT_APPLY_BACKOFF, OPT_WAIT_BACKOFF,
						   OPT_REQUEST_TIMEOUT, OPT_COUNT };
static const enum option_id diff_options[] = { STACK_OPTIONS, CLUSTER_OPTIONS, OPT_PRUNE, OPT_FORCE_CONFLICTS, OPT_PARALLEL, OPT_COUNT };
static const enum option_id wait_options[] = { STACK_OPTIONS, CLUSTER_OPTIONS, WAIT_OPTIONS, OPT_COUNT };
static const enum option_id status_options[] = { STACK_OPTIONS, CLUSTER_OPTIONS, OPT_COUNT };

#define IMAGE_OPTIONS                                                                                                  \
	OPT_SLOT, OPT_VARS, OPT_VAR, OPT_VAR_FILE, OPT_DENY_EXEC, OPT_READ_ONLY, OPT_OUTPUT, OPT_JUNIT, OPT_LENIENT, OPT_DRY_RUN, OPT_PARALLEL,  \
		OPT_TIMEOUT, OPT_ONLY_IMAGES, OPT_INSECURE, OPT_SKIP_TLS_VERIFY, OPT_SKIP_TLS_VERIFY_PULL
#define BUILD_OPTIONS OPT_KUBECONFIG, OPT_CONTEXT, OPT_BUILDER_IMAGE, OPT_BUILDER_NAMESPACE, OPT_BUILDER_CPU, OPT_BUILDER_MEMORY, OPT_BUILD_TIMEOUT
static const enum option_id mirror_options[] = { IMAGE_OPTIONS, OPT_PLATFORM, OPT_COUNT };
static const enum option_id build_options[] = { IMAGE_OPTIONS, BUILD_OPTIONS, OPT_COUNT };
static const enum option_id ci_images_options[] = { IMAGE_OPTIONS, OPT_PLATFORM, BUILD_OPTIONS, OPT_MIRROR, OPT_BUILD, OPT_COUNT };

static const enum option_id exec_options[] = { OPT_SLOT, OPT_KUBECONFIG, OPT_CONTEXT, OPT_READ_ONLY, OPT_DENY_EXEC, OPT_CONTAINER, OPT_STDIN,
					       OPT_TTY, OPT_COUNT };
static const enum option_id port_forward_options[] = { OPT_SLOT, OPT_KUBECONFIG, OPT_CONTEXT, OPT_READ_ONLY, OPT_DENY_EXEC, OPT_COUNT };

/* render shows what codexctl renders, with warnings where the specification calls it an error. */
static struct stack_options lenient_stack_options(const struct options *o)
{
	struct stack_options options = stack_options_from(o);

	options.lenient = true;
	return options;
}

static int run_render(const struct command *command, const struct options *o)
{
	(void)command;
	return cmd_render(&(struct render_command){ .stack = lenient_stack_options(o),
						    .filters = filters_from(o),
						    .output = option_text(o, OPT_OUTPUT),
						    .explain = option_flag(o, OPT_EXPLAIN),
						    .strict = option_flag(o, OPT_STRICT),
						    .modern = option_flag(o, OPT_MODERN),
						    .quiet = log_get_level() > LOG_LEVEL_WARN });
}

static int run_validate(const struct command *command, const struct options *o)
{
	(void)command;
	return cmd_validate(&(struct validate_command){ .stack = stack_options_from(o),
							.filters = filters_from(o),
							.output = option_text(o, OPT_OUTPUT),
							.strict = option_flag(o, OPT_STRICT) });
}

static int run_schema(const struct command *command, const struct options *o)
{
	(void)command, (void)o;
	return cmd_schema(NULL);
}

static int run_version(const struct command *command, const struct options *o)
{
	(void)command, (void)o;
	printf("slotdeck %s\n", SLOTDECK_VERSION);
	return EXIT_DONE;
}

const struct command commands[] = {
	{ .words = "apply", .summary = "apply the stack of an environment to the cluster", .options = apply_options,
	  .env_required = true, .run = cmd_apply,
	  .details = "Renders services.yaml, finds what would go wrong, then applies object by object with server-side apply, in layers. "
		     "What is proven unchanged is not sent. Output: text (default) or jsonl." },
	{ .words = "diff", .summary = "show what apply would change", .options = diff_options, .env_required = true, .run = cmd_diff,
	  .details = "Asks the server for a dry run and compares. Values of Secrets are never shown. Exit status 3 when there are differences." },
	{ .words = "wait", .summary = "wait until the stack is healthy", .options = wait_options, .env_required = true, .run = cmd_wait,
	  .details = "Watches the objects that the stack renders; ends early when something is hopeless, with the chain of causes." },
	{ .words = "status", .summary = "tell how the stack is, and why", .options = status_options, .env_required = true, .run = cmd_status,
	  .details = "Exit status 0 healthy, 1 degraded, 8 progressing, 4 no right to see it." },
	{ .words = "render", .summary = "print the Kubernetes objects of an environment as YAML", .options = render_options,
	  .env_required = true, .run = run_render, .variables = render_variables,
	  .details = "stdout holds YAML only, the same bytes as codexctl's. --output json gives one object per line, --output dir=FOLDER "
		     "writes one file per object." },
	{ .words = "validate", .summary = "check services.yaml and its manifests, all findings at once", .options = validate_options,
	  .run = run_validate, .details = "Without --env every environment is checked. Output: text (default) or json." },
	{ .words = "schema", .summary = "print the JSON schema of services.yaml, for editors", .options = no_options, .run = run_schema },
	{ .words = "ci apply", .summary = "apply, with the flags and variables of codexctl ci apply", .options = ci_apply_options,
	  .env_required = true, .run = cmd_apply },
	{ .words = "images mirror", .summary = "copy the external images of services.yaml to their local names", .options = mirror_options,
	  .env_required = true, .run = cmd_mirror,
	  .details = "As they are: all platforms, same digest. What is there is not sent; the tag moves last. Logins come from docker's config.json "
		     "(DOCKER_CONFIG, REGISTRY_AUTH_FILE) and its credential helpers. With --dry-run it only looks: exit status 3 when something is to be copied." },
	{ .words = "mirror", .summary = "the same as images mirror, for --batch mirror", .options = mirror_options, .env_required = true,
	  .run = cmd_mirror, .hidden = true },
	{ .words = "images build", .summary = "build the images of type build of services.yaml, in the cluster", .options = build_options,
	  .env_required = true, .run = cmd_build,
	  .details = "Each as a Job with kaniko, which gets its context through exec; some at a time. The Jobs are removed, however it ends. With --dry-run it only "
		     "looks at the files: exit status 3 when there is something to build." },
	{ .words = "build", .summary = "the same as images build, for --batch build", .options = build_options, .env_required = true,
	  .run = cmd_build, .hidden = true },
	{ .words = "ci images", .summary = "mirror images, then build images, with the flags and variables of codexctl ci images",
	  .options = ci_images_options, .env_required = true, .run = cmd_ci_images },
	{ .words = "exec", .summary = "run a command in a pod, or open a shell there", .options = exec_options, .run = cmd_exec,
	  .arguments = "POD|KIND/NAME [-- COMMAND…]",
	  .details = "Without a command, on a terminal: a shell. With KIND/NAME a running pod of that workload or Service is taken. Exit status: "
		     "the command's own." },
	{ .words = "port-forward", .summary = "make ports of a pod reachable on this machine", .options = port_forward_options,
	  .run = cmd_port_forward, .arguments = "POD|KIND/NAME [LOCAL:]PORT…",
	  .details = "Listens on loopback only, until interrupted. With KIND/NAME the next connection goes to another running pod when one is gone. "
		     "LOCAL left out before the colon: any free port." },
	{ .words = "completion", .summary = "print a completion script", .options = no_options, .arguments = "bash|zsh|fish",
	  .run = cmd_completion },
	{ .words = "man", .summary = "print the man page", .options = no_options, .run = cmd_man, .hidden = true },
	{ .words = "version", .summary = "print the version", .options = no_options, .run = run_version },
	{ .words = "help", .summary = "help of the program or of a command", .options = no_options, .arguments = "[COMMAND]", .run = cmd_help },
	{ .words = NULL },
};

/* codexctl's commands that this version does not have yet, so that nobody takes a typing error for one. */
static const char *const not_yet[] = {
	"ci sync-sources",		 "ci ensure-slot",
	"ci ensure-ready", "prompt run",   "plan resolve-root",	    "pr detect",		 "pr review-apply",
	"manage-env cleanup", "manage-env cleanup-pr", "manage-env cleanup-issue", "manage-env close-linked-issue",
	"manage-env delete-branch", "manage-env set", "manage-env comment", "manage-env comment-pr",
};

void command_print_error(const struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(buf) clean = BUF_INIT(0);

	buf_addf(&text, "Error: %s\n", err->message ? err->message : "unknown");
	if (err->hint)
		buf_addf(&text, "  hint: %s\n", err->hint);
	log_redact(&text);
	add_clean(&clean, buf_cstr(&text), true);
	fputs(buf_cstr(&clean), stderr);
}

static int fail(const struct error *err)
{
	command_print_error(err);
	return job_exit_of_error(err, 0);
}

/* How many leading words of options name the command; 0: they do not. */
static size_t matches(const struct command *command, const struct options *options)
{
	struct str rest = str_of(command->words), word;
	size_t n = 0;

	for (bool more = true; more; n++) {
		more = str_cut(&rest, ' ', &word);
		if (n >= options->nwords || !str_is(more ? word : rest, options->words[n]))
			return 0;
	}
	return n;
}

static const struct command *find_command(const struct options *options, size_t *ret_used)
{
	for (const struct command *c = commands; c->words; c++) {
		*ret_used = matches(c, options);
		if (*ret_used)
			return c;
	}
	return NULL;
}

static bool is_group(const char *word)
{
	size_t len = strlen(word);

	for (const struct command *c = commands; c->words; c++)
		if (strncmp(c->words, word, len) == 0 && c->words[len] == ' ')
			return true;
	return false;
}

static int unknown_command(const struct options *options)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(buf) typed = BUF_INIT(0);
	const char *names[64];
	size_t n = 0;

	for (size_t i = 0; i < options->nwords && i < 2; i++)
		buf_addf(&typed, "%s%s", i ? " " : "", options->words[i]);
	for (size_t i = 0; i < ARRAY_LEN(not_yet); i++) {
		if (strcmp(not_yet[i], buf_cstr(&typed)) != 0)
			continue;
		error_set(&err, ERR_INVALID, "codexctl's command \"%s\" is not part of slotdeck %s yet", not_yet[i], SLOTDECK_VERSION);
		return fail(&err);
	}
	for (const struct command *c = commands; c->words && n < ARRAY_LEN(names); c++)
		if (!c->hidden)
			names[n++] = c->words;
	const char *nearest = str_nearest(buf_cstr(&typed), names, n);

	error_set(&err, ERR_INVALID, "unknown command \"%s\"", buf_cstr(&typed));
	error_hint(&err, nearest ? "did you mean `slotdeck %s`?" : "`slotdeck help` lists them%s", nearest ? nearest : "");
	return fail(&err);
}

static bool knows(const struct command *command, enum option_id id)
{
	for (const enum option_id *o = common_options; *o != OPT_COUNT; o++)
		if (*o == id)
			return true;
	for (const enum option_id *o = command->options; *o != OPT_COUNT; o++)
		if (*o == id)
			return true;
	return false;
}

static bool check_flags(const struct command *command, const struct options *options, struct error *err)
{
	for (size_t i = 0; i < OPT_COUNT; i++) {
		if (!options->values[i].given || knows(command, (enum option_id)i))
			continue;
		error_set(err, ERR_INVALID, "unknown flag: --%s (for %s)", option_rows[i].name, command->words);
		return error_hint(err, "`slotdeck %s --help` lists its flags", command->words);
	}
	return true;
}

static bool check_words(const struct command *command, const struct options *options, size_t used, struct error *err)
{
	if (command->arguments || options->nwords <= used)
		return true;
	error_set(err, ERR_INVALID, "%s takes no argument, but got \"%s\"", command->words, options->words[used]);
	return error_hint(err, "`slotdeck %s --help` tells how it is called", command->words);
}

static bool check_env(const struct command *command, const struct options *options, struct error *err)
{
	if (!command->env_required || option_given(options, OPT_ENV))
		return true;
	error_set(err, ERR_INVALID, "required flag(s) \"env\" not set");
	return error_hint(err, "give --env or CODEXCTL_ENV, for example: slotdeck %s --env ai-staging", command->words);
}

static bool set_up_log(const struct options *options, struct error *err)
{
	const char *level = option_text(options, OPT_LOG_LEVEL), *form = option_text(options, OPT_LOG_FORMAT);
	enum log_level parsed = LOG_LEVEL_INFO;

	if (level)
		log_level_parse(level, &parsed); /* anything else is info, as codexctl has it */
	log_set_level(parsed);
	if (form && strcmp(form, "json") != 0 && strcmp(form, "text") != 0)
		return error_set(err, ERR_INVALID, "--log-format: invalid value \"%s\", wanted is text or json", form);
	if (form && strcmp(form, "json") == 0)
		log_set_form(LOG_FORM_JSON);
	if (option_flag(options, OPT_NO_COLOR))
		setenv("NO_COLOR", "1", 1);
	return true;
}

static int run_command(const struct command *command, struct options *options, size_t used)
{
	AUTO_RELEASE(error) err = { 0 };

	if (option_flag(options, OPT_HELP)) {
		print_help(stdout, command);
		return EXIT_DONE;
	}
	if (!check_flags(command, options, &err) || !check_words(command, options, used, &err) ||
	    !options_add_variables(options, common_options, &err) ||
	    !options_add_variables(options, command->variables ? command->variables : command->options, &err) || !check_env(command, options, &err) ||
	    !set_up_log(options, &err))
		return fail(&err);
	return command->run(command, options);
}

int command_main(int argc, char **argv, int (*dashboard)(const struct options *options))
{
	AUTO_RELEASE(options) options = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	size_t used;

	if (!options_parse(&options, argc - 1, argv + 1, &err))
		return fail(&err);
	if (option_flag(&options, OPT_VERSION))
		return run_version(NULL, &options);
	if (options.nwords == 0 && (option_flag(&options, OPT_HELP) || option_flag(&options, OPT_BATCH))) {
		print_help(option_flag(&options, OPT_HELP) ? stdout : stderr, NULL);
		return option_flag(&options, OPT_HELP) ? EXIT_DONE : EXIT_USAGE;
	}
	if (options.nwords == 0) {
		if (!options_add_variables(&options, common_options, &err) || !options_add_variables(&options, dashboard_variables, &err) ||
		    !set_up_log(&options, &err))
			return fail(&err);
		return dashboard(&options);
	}
	const struct command *command = find_command(&options, &used);

	if (command)
		return run_command(command, &options, used);
	if (options.nwords == 1 && is_group(options.words[0])) {
		print_help(stdout, NULL);
		return EXIT_DONE;
	}
	return unknown_command(&options);
}
