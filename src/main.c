/* slotdeck: knows everybody. Commands are src/cli's; what is here joins the dashboard to cluster, stack and simulation. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "base/secret.h"
#include "base/state_file.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "live/browse.h"
#include "live/live.h"
#include "sim/registry.h"
#include "sim/sim.h"
#include "ui/app.h"
#include "ui/linear.h"

struct demo { /* --demo: a simulated cluster and the project that it runs */
	struct sim *sim;
	struct sim_registry *registry;
	char *folder; /* temporary, removed at the end */
	char *kubeconfig, *config;
};

struct dashboard {
	const struct options *options;
	struct demo demo;
	struct cancel *cancel;
	struct net *net;
	struct kube *kube;
	struct stack *stack; /* of the project as a whole; NULL: there is no services.yaml */
	struct live *live;
	struct browse *browse;
	struct mirror_options mirror;
};

/* ---- demo ---- */

/* Of each blob, so that mirroring can be watched. */
#define DEMO_BYTES_PER_S (4 << 20)

static void remove_tree(const char *folder)
{
	const char *const argv[] = { "rm", "-rf", "--", folder, NULL };
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) ignored = { 0 };

	process_run(&(struct process_options){ .argv = argv, .timeout_ms = 10000 }, NULL, &result, &ignored);
}

static bool demo_start(struct demo *demo, struct error *err)
{
	const char *base = getenv("TMPDIR");
	char *folder = xasprintf("%s/slotdeck-demo-XXXXXX", base && *base ? base : "/tmp");

	if (!mkdtemp(folder)) {
		free(folder);
		return error_errno(err, "make a folder for the demo");
	}
	demo->folder = folder;
	demo->kubeconfig = xasprintf("%s/kubeconfig", folder);
	demo->config = xasprintf("%s/services.yaml", folder);
	if (!sim_demo_write(folder, err))
		return false;
	demo->registry = sim_registry_start(&(struct sim_registry_options){ .demo = true, .bytes_per_s = DEMO_BYTES_PER_S }, err);
	if (!demo->registry)
		return false;
	demo->sim = sim_start(&(struct sim_options){ .kubeconfig = demo->kubeconfig, .scenario = "demo" }, err);
	return demo->sim != NULL;
}

static void demo_stop(struct demo *demo)
{
	sim_stop(demo->sim);
	sim_registry_stop(demo->registry);
	if (demo->folder)
		remove_tree(demo->folder);
	free(demo->folder);
	free(demo->kubeconfig);
	free(demo->config);
}

/* ---- stack ---- */

static struct stack_options stack_options_for(const struct dashboard *d, const char *env, int64_t slot)
{
	struct stack_options options = stack_options_from(d->options);

	if (d->demo.config)
		options.config = d->demo.config;
	options.env = env;
	options.slot = slot;
	options.namespace = NULL;
	return options;
}

/* Without a services.yaml the dashboard is one of namespaces; a wrong one is told. */
static bool open_stack(struct dashboard *d, struct error *err)
{
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	struct stack_options options = stack_options_for(d, "", 0);
	const char *config = options.config ? options.config : "services.yaml";

	if (!file_exists(config) && !option_given(d->options, OPT_CONFIG) && !d->demo.config)
		return true;
	options.lenient = true;
	return stack_load(&options, &d->stack, &diags, err);
}

static bool open_target(const char *env, int64_t slot, struct app_target *ret, struct error *err, void *arg)
{
	struct dashboard *d = arg;
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	struct stack_options options = stack_options_for(d, env, slot);
	struct stack *stack;

	if (!d->stack)
		return error_set(err, ERR_NOT_FOUND, "there is no services.yaml here: nothing to apply");
	if (!stack_load(&options, &stack, &diags, err))
		return false;
	d->mirror = (struct mirror_options){ .insecure = option_flag(d->options, OPT_INSECURE),
					     .skip_tls_verify = option_flag(d->options, OPT_SKIP_TLS_VERIFY),
					     .skip_tls_verify_pull = option_flag(d->options, OPT_SKIP_TLS_VERIFY_PULL),
					     .deny_exec = option_flag(d->options, OPT_DENY_EXEC),
					     .read_only = option_flag(d->options, OPT_READ_ONLY),
					     .endpoint = d->demo.registry ? sim_registry_url(d->demo.registry) : NULL,
					     .login_file = d->demo.registry ? "/dev/null/none" : NULL };
	*ret = (struct app_target){ .context = { .net = d->net, .kube = d->kube, .stack = stack },
				    .options = { .settle_ms = UINT_MAX, .grace_ms = UINT_MAX, .preflight = true, .mirror = &d->mirror },
				    .handle = stack };
	return true;
}

static void close_target(struct app_target *target, void *arg)
{
	(void)arg;
	stack_destroy(target->handle);
}

/* ---- live ---- */

/* Environments with a namespace of their own; slots come from their records. */
static void add_places(struct dashboard *d)
{
	for (size_t i = 0; i < d->stack->environments.n; i++) {
		const char *env = d->stack->environments.items[i].name.text;
		AUTO_RELEASE(error) ignored = { 0 };
		AUTO_FREE char *namespace = NULL;

		if (strcmp(env, "ai") == 0 || strcmp(env, "ai-repair") == 0 || !stack_namespace(d->stack, env, 0, &namespace, &ignored) || !*namespace)
			continue;
		envs_add_place(live_envs(d->live), env, 0, namespace);
		live_add_namespace(d->live, namespace);
	}
}

/* The record of a cluster and a project. The demo is another cluster each time, and where nothing can be kept there is none. */
static char *strip_path(const struct dashboard *d)
{
	const struct kube_login *login = kube_login_of(d->kube);
	const char *const words[] = { login->context, d->stack ? d->stack->project.text : "", login->server, NULL };
	AUTO_RELEASE(error) ignored = { 0 };

	return d->demo.sim ? NULL : state_path("health", words, &ignored);
}

static bool open_live(struct dashboard *d, struct error *err)
{
	struct kube_options kube_options = kube_options_from(d->options);
	struct live_options options = { .fetch_logs = true, .fetch_metrics = true };
	AUTO_FREE char *path = NULL;

	if (d->demo.kubeconfig)
		kube_options.kubeconfig.path = d->demo.kubeconfig;
	kube_options.stdin_is_ours = false;
	d->net = net_create(NULL, err);
	if (!d->net || !kube_open(d->net, &kube_options, &d->kube, err))
		return false;
	options.watcher = (struct watcher_options){ .net = d->net, .http = kube_http(d->kube), .prepare = watcher_prepare_kube, .prepare_arg = d->kube };
	if (d->stack) {
		const struct stack_state_config *state = d->stack->state;

		options.envs.project = d->stack->project.text;
		options.envs.state_namespace = state ? state->configmap_namespace.text : "";
		options.envs.record_prefix = state && *state->configmap_prefix.text ? state->configmap_prefix.text : "codex-env-";
	}
	options.strip_path = path = strip_path(d);
	d->live = live_create(&options);
	if (d->stack)
		add_places(d);
	live_add_namespace(d->live, kube_namespace(d->kube));
	d->browse = browse_create(&(struct browse_options){ .kube = d->kube });
	return true;
}

/* ---- the whole ---- */

static bool wants_lines(const struct options *options)
{
	const char *term = getenv("TERM");

	return option_flag(options, OPT_LINEAR) || (term && strcmp(term, "dumb") == 0);
}

static bool parse_size(const char *text, int *ret_cols, int *ret_rows, struct error *err)
{
	*ret_cols = 120;
	*ret_rows = 40;
	if (!text || (sscanf(text, "%dx%d", ret_cols, ret_rows) == 2 && *ret_cols > 0 && *ret_rows > 0 && *ret_cols <= 1000 && *ret_rows <= 1000))
		return true;
	return error_set(err, ERR_INVALID, "--size: \"%s\" is no size such as 120x40", text);
}

/* Where --open looks: everywhere, in --namespace, or in the context's. */
static const char *open_namespace(const struct dashboard *d)
{
	const char *namespace = option_text(d->options, OPT_NAMESPACE);

	if (option_flag(d->options, OPT_ALL_NAMESPACES))
		return "";
	return namespace ? namespace : kube_namespace(d->kube);
}

/* What --env and --slot name; NULL: nothing. */
static char *environment_title(const struct options *options)
{
	long long slot = option_number(options, OPT_SLOT, 0);
	const char *env = option_text(options, OPT_ENV);

	if (slot > 0)
		return xasprintf("slot %lld", slot);
	return env && *env ? xstrdup(env) : NULL;
}

static int run_app(struct dashboard *d, struct error *err)
{
	const char *dump = option_text(d->options, OPT_DUMP), *no_colour = getenv("NO_COLOR");
	AUTO_FREE char *logs_of = environment_title(d->options);
	const struct app_options options = { .project = d->stack && *d->stack->project.text ? d->stack->project.text : "slotdeck",
					     .cluster = d->demo.sim ? "demo" : kube_login_of(d->kube)->context,
					     .read_only = option_flag(d->options, OPT_READ_ONLY),
					     .ascii = option_flag(d->options, OPT_ASCII),
					     .no_colour = no_colour && *no_colour,
					     .theme = option_text(d->options, OPT_THEME),
					     .live = d->live,
					     .browse = d->browse,
					     .kube = d->kube,
					     .state_namespace = d->stack && d->stack->state ? d->stack->state->configmap_namespace.text : NULL,
					     .max_slots = d->stack ? d->stack->max_slots.value : 0,
					     .screen = option_text(d->options, OPT_SCREEN),
					     .logs_of = logs_of,
					     .open = option_text(d->options, OPT_OPEN),
					     .open_namespace = open_namespace(d),
					     .open_target = open_target,
					     .close_target = close_target,
					     .arg = d,
					     .cancel = d->cancel };
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	int cols, rows;

	if (!dump)
		return wants_lines(d->options) ? linear_run(&options, err) : app_run(&options, err);
	if (strcmp(dump, "text") != 0 && strcmp(dump, "svg") != 0) {
		error_set(err, ERR_INVALID, "--dump: \"%s\" is none of text, svg", dump);
		return EXIT_USAGE;
	}
	if (!parse_size(option_text(d->options, OPT_SIZE), &cols, &rows, err) || !app_dump(&options, cols, rows, strcmp(dump, "svg") == 0, &text, err))
		return job_exit_of_error(err, cancel_signal(d->cancel));
	fputs(buf_cstr(&text), stdout);
	return EXIT_DONE;
}

static void dashboard_close(struct dashboard *d)
{
	browse_destroy(d->browse);
	live_destroy(d->live);
	kube_close(d->kube);
	stack_destroy(d->stack);
	net_destroy(d->net);
	demo_stop(&d->demo);
	cancel_destroy(d->cancel);
}

static int dashboard(const struct options *options)
{
	/* The screen deals with signals itself. */
	struct dashboard d = { .options = options, .cancel = wants_lines(options) ? signals_watch() : cancel_create() };
	AUTO_RELEASE(error) err = { 0 };
	int code = EXIT_USAGE;

	if ((!option_flag(options, OPT_DEMO) || demo_start(&d.demo, &err)) && open_stack(&d, &err) && open_live(&d, &err))
		code = run_app(&d, &err);
	else
		code = err.kind == ERR_NOT_FOUND ? EXIT_USAGE : job_exit_of_error(&err, 0);
	dashboard_close(&d);
	if (err.kind) {
		command_print_error(&err);
		if (err.kind == ERR_NOT_FOUND && !option_flag(options, OPT_DEMO))
			fputs("  `slotdeck --demo` needs no cluster\n", stderr);
	}
	return code;
}

int main(int argc, char **argv)
{
	secret_forbid_core_dumps();
	if (argc > 1 && strcmp(argv[1], "sim") == 0)
		return sim_main(argc - 1, argv + 1);
	return command_main(argc, argv, dashboard);
}
