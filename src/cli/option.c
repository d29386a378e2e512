#include "cli/option.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"

#define TEXT(name_, variable_, value_, help_)	{ .name = name_, .kind = OPTION_TEXT, .variable = variable_, .value = value_, .help = help_ }
#define LIST(name_, value_, help_)		{ .name = name_, .kind = OPTION_LIST, .value = value_, .help = help_ }
#define INT(name_, variable_, value_, help_)	{ .name = name_, .kind = OPTION_INT, .variable = variable_, .value = value_, .help = help_ }
#define BOOL(name_, variable_, help_)		{ .name = name_, .kind = OPTION_BOOL, .variable = variable_, .help = help_ }
#define DURATION(name_, variable_, help_)	{ .name = name_, .kind = OPTION_DURATION, .variable = variable_, .value = "DURATION", .help = help_ }

const struct option_row option_rows[OPT_COUNT] = {
	[OPT_CONFIG] = { .name = "config", .letter = 'c', .kind = OPTION_TEXT, .variable = "CODEXCTL_CONFIG", .value = "FILE",
			 .help = "services.yaml to read (default services.yaml)" },
	[OPT_ENV] = TEXT("env", "CODEXCTL_ENV", "ENV", "environment: dev, ai-staging, ai, ai-repair, …"),
	[OPT_NAMESPACE] = { .name = "namespace", .letter = 'n', .kind = OPTION_TEXT, .variable = "CODEXCTL_NAMESPACE", .value = "NAME",
			    .help = "namespace instead of the one that services.yaml gives" },
	[OPT_SLOT] = INT("slot", "CODEXCTL_SLOT", "N", "number of the slot, for env ai"),
	[OPT_LOG_LEVEL] = TEXT("log-level", "CODEXCTL_LOG_LEVEL", "LEVEL", "debug, info, warn or error (default info)"),
	[OPT_LOG_FORMAT] = TEXT("log-format", NULL, "FORM", "text or json, on stderr"),
	[OPT_NO_COLOR] = BOOL("no-color", NULL, "no colours, as NO_COLOR=1"),
	[OPT_HELP] = { .name = "help", .letter = 'h', .kind = OPTION_BOOL, .help = "help of this command" },
	[OPT_VERSION] = BOOL("version", NULL, "print the version"),
	[OPT_BATCH] = BOOL("batch", NULL, "headless: the command follows (the same as without --batch)"),
	[OPT_VARS] = TEXT("vars", "CODEXCTL_VARS", "K=V,…", "variables for templates"),
	[OPT_VAR] = LIST("var", "K=V", "one variable; may be repeated, the value may hold commas"),
	[OPT_VAR_FILE] = TEXT("var-file", "CODEXCTL_VAR_FILE", "FILE", "file with variables"),
	[OPT_ONLY_SERVICES] = TEXT("only-services", "CODEXCTL_ONLY_SERVICES", "A,B", "only these services"),
	[OPT_SKIP_SERVICES] = TEXT("skip-services", "CODEXCTL_SKIP_SERVICES", "A,B", "all services but these"),
	[OPT_ONLY_INFRA] = TEXT("only-infra", "CODEXCTL_ONLY_INFRA", "A,B", "only these infrastructure items"),
	[OPT_SKIP_INFRA] = TEXT("skip-infra", "CODEXCTL_SKIP_INFRA", "A,B", "all infrastructure items but these"),
	[OPT_KUBECONFIG] = TEXT("kubeconfig", NULL, "FILE", "kubeconfig instead of KUBECONFIG, ~/.kube/config, the pod's account"),
	[OPT_CONTEXT] = TEXT("context", NULL, "NAME", "context of the kubeconfig"),
	[OPT_READ_ONLY] = BOOL("read-only", NULL, "refuse every changing request before it is sent"),
	[OPT_DENY_EXEC] = BOOL("deny-exec", NULL, "run no credential plugin"),
	[OPT_OUTPUT] = { .name = "output", .letter = 'o', .kind = OPTION_TEXT, .value = "FORM", .help = "form of the result, see the command" },
	[OPT_EXPLAIN] = BOOL("explain", NULL, "tell on stderr which file, item and overlay made each object"),
	[OPT_STRICT] = BOOL("strict", NULL, "warnings are errors"),
	[OPT_MODERN] = BOOL("modern", NULL, "mend what codexctl renders wrong, where bytes change (docs/compat.md)"),
	[OPT_LENIENT] = BOOL("lenient", NULL, "let pass what codexctl lets pass, with a warning"),
	[OPT_WAIT] = BOOL("wait", "CODEXCTL_WAIT", "wait until everything is healthy"),
	[OPT_PREFLIGHT] = BOOL("preflight", "CODEXCTL_PREFLIGHT", "look for everything that could go wrong before the first write"),
	[OPT_DRY_RUN] = BOOL("dry-run", NULL, "let the server check and compare, write nothing"),
	[OPT_PRUNE] = BOOL("prune", NULL, "delete what this stack once applied and no longer renders"),
	[OPT_PRUNE_ALSO] = LIST("prune-also", "KIND/NAME", "a Namespace, CRD, PVC or PV that may be pruned too; may be repeated"),
	[OPT_FORCE_CONFLICTS] = BOOL("force-conflicts", NULL, "take fields that another manager holds"),
	[OPT_HOOKS_OF_ALL] = BOOL("hooks-of-all", NULL, "run hooks also of items that filters leave out, as codexctl does"),
	[OPT_NO_HOOKS] = BOOL("no-hooks", NULL, "run no hooks"),
	[OPT_PARALLEL] = INT("parallel", NULL, "N", "requests at a time (default 64)"),
	[OPT_TIMEOUT] = DURATION("timeout", NULL, "limit for everything but the wait (default 10m, more for large stacks)"),
	[OPT_WAIT_TIMEOUT] = DURATION("wait-timeout", "CODEXCTL_WAIT_TIMEOUT", "limit for the wait (default codex.timeouts.deployWait, else 600s)"),
	[OPT_SETTLE] = DURATION("settle", NULL, "how long ready must last (default 10s)"),
	[OPT_GRACE] = DURATION("grace", NULL, "how long wobble is forgiven (default 60s)"),
	[OPT_LEASE_WAIT] = DURATION("lease-wait", NULL, "wait that long for another deployer (default 0s: fail at once)"),
	[OPT_JUNIT] = TEXT("junit", NULL, "FILE", "write a JUnit report"),
	[OPT_APPLY_RETRIES] = INT("apply-retries", "CODEXCTL_APPLY_RETRIES", "N", "attempts for one transient error of one object (default: as the cause allows)"),
	[OPT_WAIT_RETRIES] = INT("wait-retries", "CODEXCTL_WAIT_RETRIES", "N", "the wait lasts at most N times --wait-timeout (default 3)"),
	[OPT_APPLY_BACKOFF] = DURATION("apply-backoff", "CODEXCTL_APPLY_BACKOFF", "pause before an object is sent again, doubled each time (default 250ms, at most 5s)"),
	[OPT_WAIT_BACKOFF] = DURATION("wait-backoff", "CODEXCTL_WAIT_BACKOFF", "so much longer may the wait last between two of the N, doubled each time (default 5s)"),
	[OPT_REQUEST_TIMEOUT] = DURATION("request-timeout", "CODEXCTL_REQUEST_TIMEOUT", "limit for one request with its retries (default 60s)"),
	[OPT_CONTAINER] = TEXT("container", NULL, "NAME", "container of the pod (default: its only one)"),
	[OPT_STDIN] = { .name = "stdin", .letter = 'i', .kind = OPTION_BOOL, .help = "pass our input to the command" },
	[OPT_TTY] = { .name = "tty", .letter = 't', .kind = OPTION_BOOL, .help = "give the command a terminal; Ctrl-] twice leaves it" },
	[OPT_MIRROR] = BOOL("mirror", "CODEXCTL_MIRROR_IMAGES", "mirror the external images (default true)"),
	[OPT_BUILD] = BOOL("build", "CODEXCTL_BUILD_IMAGES", "build the images of type build (default true)"),
	[OPT_ONLY_IMAGES] = LIST("only-images", "NAME", "only these of services.yaml; may be repeated"),
	[OPT_PLATFORM] = TEXT("platform", NULL, "OS/ARCH", "copy only this one of each image, linux/amd64 for example (default: all, as they are)"),
	[OPT_INSECURE] = BOOL("insecure", "CODEXCTL_KANIKO_INSECURE", "speak plain http to the registry that is pushed to, if it has no https"),
	[OPT_SKIP_TLS_VERIFY] = BOOL("skip-tls-verify", "CODEXCTL_KANIKO_SKIP_TLS_VERIFY", "take any certificate of the registry that is pushed to"),
	[OPT_SKIP_TLS_VERIFY_PULL] = BOOL("skip-tls-verify-pull", "CODEXCTL_KANIKO_SKIP_TLS_VERIFY_PULL", "take any certificate of registries that are pulled from"),
	[OPT_BUILDER_IMAGE] = TEXT("builder-image", "SLOTDECK_BUILDER_IMAGE", "IMAGE", "kaniko in its -debug flavour (default: one of the living fork, by digest)"),
	[OPT_BUILDER_NAMESPACE] = TEXT("builder-namespace", "SLOTDECK_BUILDER_NAMESPACE", "NAME", "where builds run (default: the environment's namespace)"),
	[OPT_BUILDER_CPU] = TEXT("builder-cpu", "SLOTDECK_BUILDER_CPU", "N", "processor that a build asks for, 2 or 500m for example"),
	[OPT_BUILDER_MEMORY] = TEXT("builder-memory", "SLOTDECK_BUILDER_MEMORY", "SIZE", "memory that a build asks for and may take, 2Gi for example"),
	[OPT_BUILD_TIMEOUT] = DURATION("build-timeout", "SLOTDECK_BUILD_TIMEOUT", "limit of one build, kept by the cluster (default 1h)"),
	[OPT_DEMO] = BOOL("demo", NULL, "open the demo: a simulated cluster, nothing else needed"),
	[OPT_THEME] = TEXT("theme", NULL, "NAME", "colours: dark, light, high-contrast, colour-blind, mono, or one of yours (docs/settings.md)"),
	[OPT_ASCII] = BOOL("ascii", NULL, "draw with ASCII only"),
	[OPT_OPEN] = TEXT("open", NULL, "KIND[/NAME]", "begin with a kind of the server (pods, deploy, …) or one object; -n and -A say where"),
	[OPT_ALL_NAMESPACES] = { .name = "all-namespaces", .letter = 'A', .kind = OPTION_BOOL, .help = "with --open: in all namespaces" },
	[OPT_SCREEN] = TEXT("screen", NULL, "NAME", "begin with envs, slots, deploy, runs, apply or review; with logs of --open KIND/NAME, or of --env"),
	[OPT_LINEAR] = BOOL("linear", NULL, "one line an event and a prompt, no screen: for screen readers, logs and TERM=dumb"),
	[OPT_DUMP] = TEXT("dump", NULL, "FORM", "print that screen as text or svg and leave"),
	[OPT_SIZE] = TEXT("size", NULL, "COLSxROWS", "size of the dump (default 120x40; with --replay as recorded)"),
	[OPT_RECORD] = TEXT("record", NULL, "FILE", "keep everything that enters the dashboard in a file, secrets masked (docs/record.md)"),
	[OPT_REPLAY] = TEXT("replay", NULL, "FILE", "run the dashboard from such a file: no cluster, no network, nothing can be changed"),
	[OPT_REPLAY_SPEED] = TEXT("replay-speed", NULL, "N", "so many times as fast as it was (default 1; 0: as fast as possible)"),
	[OPT_AT] = TEXT("at", NULL, "WHEN", "with --replay and --dump: end, marks (F9 sets them), times such as 90s, joined by commas"),
};

/* Base 0: a flag such as 010 or 0x10 means what it meant to codexctl. */
static bool parse_int(const char *text, long long *ret)
{
	char *end;

	if (!*text || isspace((unsigned char)*text))
		return false;
	*ret = strtoll(text, &end, 0);
	return *end == '\0' && end != text && *ret >= INT32_MIN && *ret <= INT32_MAX;
}

static bool parse_bool(const char *text, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = { { "1", true },	 { "t", true },	     { "T", true },    { "TRUE", true },
		      { "true", true },	 { "True", true },   { "0", false },   { "f", false },
		      { "F", false },	 { "FALSE", false }, { "false", false }, { "False", false } };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i].word) != 0)
			continue;
		*ret = words[i].value;
		return true;
	}
	return false;
}

/* source is "--slot" or "CODEXCTL_SLOT". */
static bool set_value(struct option_value *value, const struct option_row *row, const char *source, const char *text,
		      struct error *err)
{
	static const char *const wants[] = {
		[OPTION_INT] = "a whole number", [OPTION_BOOL] = "true or false", [OPTION_DURATION] = "a duration such as 90s or 1h30m"
	};
	int64_t ms = 0;
	bool good = true;

	if (row->kind == OPTION_INT)
		good = parse_int(text, &value->number);
	else if (row->kind == OPTION_BOOL)
		good = parse_bool(text, &value->flag);
	else if (row->kind == OPTION_DURATION)
		good = duration_parse(str_of(text), &ms) && ms >= 0;
	if (!good)
		return error_set(err, ERR_INVALID, "%s: invalid value \"%s\", wanted is %s", source, text, wants[row->kind]);
	if (row->kind == OPTION_DURATION)
		value->number = ms;
	if (row->kind == OPTION_LIST)
		LIST_PUSH(value->list, value->n, value->cap) = text;
	value->given = true;
	value->text = text;
	return true;
}

static bool find_row(struct str name, enum option_id *ret)
{
	for (size_t i = 0; i < OPT_COUNT; i++) {
		if (!option_rows[i].name || !str_is(name, option_rows[i].name))
			continue;
		*ret = (enum option_id)i;
		return true;
	}
	return false;
}

static bool unknown_flag(struct str name, struct error *err)
{
	const char *names[OPT_COUNT];
	size_t n = 0;
	AUTO_FREE char *typed = str_dup(name);

	for (size_t i = 0; i < OPT_COUNT; i++)
		if (option_rows[i].name && !option_rows[i].hidden)
			names[n++] = option_rows[i].name;
	const char *nearest = str_nearest(typed, names, n);

	error_set(err, ERR_INVALID, "unknown flag: --%s", typed);
	return nearest ? error_hint(err, "did you mean --%s?", nearest) : false;
}

static bool parse_long(struct options *options, int *at, int argc, char **argv, struct error *err)
{
	struct str name = str_of(argv[*at] + 2), head;
	const char *text = NULL;
	enum option_id id;

	if (str_cut(&name, '=', &head)) {
		text = name.p;
		name = head;
	}
	if (!find_row(name, &id))
		return unknown_flag(name, err);
	const struct option_row *row = &option_rows[id];
	AUTO_FREE char *source = xasprintf("--%s", row->name);

	if (!text && row->kind == OPTION_BOOL)
		text = "true";
	if (!text && *at + 1 >= argc)
		return error_set(err, ERR_INVALID, "flag needs an argument: --%s", row->name);
	if (!text)
		text = argv[++*at];
	return set_value(&options->values[id], row, source, text, err);
}

/* One letter at text; *ret_more: what follows are letters, too ("-it"). */
static bool parse_letter(struct options *options, const char *letters, int *at, int argc, char **argv, bool *ret_more, struct error *err)
{
	for (size_t i = 0; i < OPT_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		char source[3] = { '-', row->letter, '\0' };
		const char *text;

		if (!row->letter || row->letter != letters[0])
			continue;
		*ret_more = row->kind == OPTION_BOOL && letters[1] && letters[1] != '=';
		if (row->kind == OPTION_BOOL)
			text = letters[1] == '=' ? letters + 2 : "true";
		else if (letters[1])
			text = letters[1] == '=' ? letters + 2 : letters + 1;
		else if (*at + 1 < argc)
			text = argv[++*at];
		else
			return error_set(err, ERR_INVALID, "flag needs an argument: -%c", row->letter);
		return set_value(&options->values[i], row, source, text, err);
	}
	return error_set(err, ERR_INVALID, "unknown shorthand flag: -%s", letters);
}

static bool parse_short(struct options *options, int *at, int argc, char **argv, struct error *err)
{
	const char *letters = argv[*at] + 1;

	for (bool more = true; more; letters++)
		if (!parse_letter(options, letters, at, argc, argv, &more, err))
			return false;
	return true;
}

bool options_parse(struct options *options, int argc, char **argv, struct error *err)
{
	bool only_words = false;

	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i];

		if (!only_words && strcmp(arg, "--") == 0) {
			only_words = true;
		} else if (!only_words && starts_with(arg, "--")) {
			if (!parse_long(options, &i, argc, argv, err))
				return false;
		} else if (!only_words && arg[0] == '-' && arg[1]) {
			if (!parse_short(options, &i, argc, argv, err))
				return false;
		} else {
			LIST_PUSH(options->words, options->nwords, options->words_cap) = arg;
		}
	}
	return true;
}

bool options_add_variables(struct options *options, const enum option_id *ids, struct error *err)
{
	for (; *ids != OPT_COUNT; ids++) {
		const struct option_row *row = &option_rows[*ids];
		const char *text = row->variable ? getenv(row->variable) : NULL;
		struct option_value *value = &options->values[*ids];
		bool was_given = value->given;

		if (!text || !str_trim(str_of(text)).len)
			continue;
		struct option_value from_variable = { 0 };

		if (!set_value(&from_variable, row, row->variable, text, err))
			return false;
		if (!was_given)
			*value = from_variable;
	}
	return true;
}

void options_release(struct options *options)
{
	for (size_t i = 0; i < OPT_COUNT; i++)
		free(options->values[i].list);
	free(options->words);
	*options = (struct options){ 0 };
}

const char *option_text(const struct options *options, enum option_id id)
{
	const char *text = options->values[id].text;

	return text && str_trim(str_of(text)).len ? text : NULL;
}

bool option_flag(const struct options *options, enum option_id id)
{
	return options->values[id].flag;
}

bool option_given(const struct options *options, enum option_id id)
{
	return options->values[id].given;
}

long long option_number(const struct options *options, enum option_id id, long long otherwise)
{
	return options->values[id].given ? options->values[id].number : otherwise;
}
