/* slotdeck: knows everybody. Commands are src/cli's; what is here joins the dashboard to cluster, stack and simulation. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/http_tape.h"
#include "base/process.h"
#include "base/record.h"
#include "base/secret.h"
#include "base/state_file.h"
#include "base/url.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "live/browse.h"
#include "live/live.h"
#include "sim/registry.h"
#include "sim/sim.h"
#include "ui/app.h"
#include "ui/linear.h"
#include "ui/replay.h"

struct demo { /* --demo: a simulated cluster and the project that it runs */
	struct sim *sim;
	struct sim_registry *registry;
	char *folder; /* temporary, removed at the end */
	char *kubeconfig, *config;
};

/* One cluster with a network thread of its own, so that it can be let go of whatever state it is in. */
struct link {
	struct net *net;
	struct kube *kube;
	struct live *live;
	struct browse *browse;
};

static void link_destroy(struct link *link)
{
	if (!link)
		return;
	browse_destroy(link->browse);
	live_destroy(link->live);
	kube_close(link->kube);
	net_destroy(link->net);
	free(link);
}
DEFINE_AUTO(link);

/* Gives; not watched yet. NULL with err. */
static struct link *link_open(const struct kube_options *options, struct error *err)
{
	AUTO(link) link = xcalloc(1, sizeof *link);

	link->net = net_create(NULL, err);
	return link->net && kube_open(link->net, options, &link->kube, err) ? GIVE(link) : NULL;
}

struct dashboard {
	const struct options *options;
	struct demo demo;
	struct cancel *cancel;
	struct stack *stack; /* of the project as a whole; NULL: there is no services.yaml */
	struct link *link;
	struct mirror_options mirror;
	struct build_options build;
	struct recorder *recorder;   /* --record */
	struct recording *recording; /* --replay, with the three below */
	struct clock *clock;
	struct player *player;
	struct replay *replay;
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
	demo->sim = sim_start(&(struct sim_options){ .kubeconfig = demo->kubeconfig, .scenario = "demo", .registry = demo->registry }, err);
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
	return stack_load(&options, &d->stack, &diags, err) ||
	       error_hint(err, "`slotdeck validate` finds all that is wrong with it; in a folder without one the dashboard shows namespaces and workloads");
}

static bool open_target(const char *env, int64_t slot, struct app_target *ret, struct error *err, void *arg)
{
	struct dashboard *d = arg;
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	struct stack_options options = stack_options_for(d, env, slot);
	struct stack *stack;

	*ret = (struct app_target){ 0 };
	if (d->replay)
		return replay_open_target(d->replay, err);
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
	d->build = (struct build_options){ .insecure = d->mirror.insecure,
					   .skip_tls_verify = d->mirror.skip_tls_verify,
					   .skip_tls_verify_pull = d->mirror.skip_tls_verify_pull,
					   .deny_exec = d->mirror.deny_exec,
					   .read_only = d->mirror.read_only,
					   .builder_image = option_text(d->options, OPT_BUILDER_IMAGE),
					   .namespace = option_text(d->options, OPT_BUILDER_NAMESPACE),
					   .cpu = option_text(d->options, OPT_BUILDER_CPU),
					   .memory = option_text(d->options, OPT_BUILDER_MEMORY),
					   .build_timeout_ms = (unsigned)option_number(d->options, OPT_BUILD_TIMEOUT, 0),
					   .endpoint = d->mirror.endpoint,
					   .login_file = d->mirror.login_file };
	*ret = (struct app_target){ .context = { .net = d->link->net, .kube = d->link->kube, .stack = stack },
				    .options = { .settle_ms = UINT_MAX, .grace_ms = UINT_MAX, .preflight = true, .mirror = &d->mirror, .build = &d->build },
				    .handle = stack };
	return true;
}

static void close_target(struct app_target *target, void *arg)
{
	(void)arg;
	stack_destroy(target->handle);
}

/* ---- live ---- */

/* Environments with a namespace of their own; slots come from their records. Gives the namespace of the n-th, NULL: it has none. */
static char *place_of(const struct stack *stack, size_t n)
{
	const char *env = stack->environments.items[n].name.text;
	AUTO_RELEASE(error) ignored = { 0 };
	char *namespace = NULL;

	if (strcmp(env, "ai") == 0 || strcmp(env, "ai-repair") == 0 || !stack_namespace(stack, env, 0, &namespace, &ignored) || *namespace)
		return namespace;
	free(namespace);
	return NULL;
}

static void add_place(struct dashboard *d, const char *env, const char *namespace)
{
	envs_add_place(live_envs(d->link->live), env, 0, namespace);
	live_add_namespace(d->link->live, namespace);
}

static void add_places(struct dashboard *d)
{
	for (size_t i = 0; i < d->stack->environments.n; i++) {
		AUTO_FREE char *namespace = place_of(d->stack, i);

		if (namespace)
			add_place(d, d->stack->environments.items[i].name.text, namespace);
	}
}

/* The record of a cluster and a project. The demo is another cluster each time, and where nothing can be kept there is none. */
static char *strip_path(const struct dashboard *d)
{
	const struct kube_login *login = kube_login_of(d->link->kube);
	const char *const words[] = { login->context, d->stack ? d->stack->project.text : "", login->server, NULL };
	AUTO_RELEASE(error) ignored = { 0 };

	return d->demo.sim ? NULL : state_path("health", words, &ignored);
}

/* The cluster, and what the dashboard knows of it. live: what is known so far. */
static void start_live(struct dashboard *d, struct live_options *live)
{
	live->fetch_logs = live->fetch_metrics = true;
	live->watcher = (struct watcher_options){ .net = d->link->net, .http = kube_http(d->link->kube), .prepare = watcher_prepare_kube, .prepare_arg = d->link->kube };
	d->link->live = live_create(live);
	live_add_namespace(d->link->live, kube_namespace(d->link->kube));
	d->link->browse = browse_create(&(struct browse_options){ .kube = d->link->kube });
}

static struct envs_options envs_of_stack(const struct stack *stack)
{
	const struct stack_state_config *state = stack->state;

	return (struct envs_options){ .project = stack->project.text,
				      .state_namespace = state ? state->configmap_namespace.text : "",
				      .record_prefix = state && *state->configmap_prefix.text ? state->configmap_prefix.text : "codex-env-" };
}

/* ---- recording and replay (docs/record.md) ---- */

/* Where --open looks: everywhere, in --namespace, or in the context's. */
static const char *open_namespace(const struct dashboard *d)
{
	const char *namespace = option_text(d->options, OPT_NAMESPACE);

	if (option_flag(d->options, OPT_ALL_NAMESPACES))
		return "";
	return namespace ? namespace : kube_namespace(d->link->kube);
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

static const char *project_name(const struct dashboard *d)
{
	return d->stack && *d->stack->project.text ? d->stack->project.text : "slotdeck";
}

/* The one that the demo begins with is called so everywhere. */
static const char *cluster_name(const struct dashboard *d, const struct link *link)
{
	return d->demo.sim ? "demo" : kube_login_of(link->kube)->context;
}

static void put_text(struct json_writer *w, const char *name, const char *text)
{
	json_put_key(w, name);
	json_put_text(w, text);
}

static void put_stack(const struct stack *stack, struct json_writer *w)
{
	struct envs_options envs = envs_of_stack(stack);

	put_text(w, "state_project", envs.project);
	put_text(w, "state_namespace", envs.state_namespace);
	put_text(w, "record_prefix", envs.record_prefix);
	json_put_key(w, "max_slots");
	json_put_int(w, stack->max_slots.value);
	json_put_key(w, "places");
	json_put_object(w);
	for (size_t i = 0; i < stack->environments.n; i++) {
		AUTO_FREE char *namespace = place_of(stack, i);

		if (namespace)
			put_text(w, stack->environments.items[i].name.text, namespace);
	}
	json_put_end_object(w);
}

/* What the screens were told besides what comes later. */
static bool start_recording(struct dashboard *d, struct error *err)
{
	AUTO_FREE char *logs_of = environment_title(d->options);
	AUTO_RELEASE(buf) header = BUF_INIT(0);
	struct json_writer w = JSON_WRITER_INIT(&header);

	if (!option_text(d->options, OPT_RECORD))
		return true;
	json_put_object(&w);
	put_text(&w, "project", project_name(d));
	put_text(&w, "cluster", cluster_name(d, d->link));
	put_text(&w, "context", kube_login_of(d->link->kube)->context);
	put_text(&w, "server", kube_login_of(d->link->kube)->server);
	put_text(&w, "namespace", kube_namespace(d->link->kube));
	json_put_key(&w, "read_only");
	json_put_bool(&w, option_flag(d->options, OPT_READ_ONLY));
	put_text(&w, "screen", option_text(d->options, OPT_SCREEN));
	put_text(&w, "logs_of", logs_of);
	put_text(&w, "open", option_text(d->options, OPT_OPEN));
	put_text(&w, "open_namespace", open_namespace(d));
	if (d->stack)
		put_stack(d->stack, &w);
	header.p[0] = ','; /* its members go on the header of every recording */
	d->recorder = recorder_create(option_text(d->options, OPT_RECORD), buf_str(&header), err);
	net_set_recorder(d->link->net, d->recorder);
	return d->recorder != NULL;
}

/* A kubeconfig without a login, for a server that is never asked. */
static bool open_recorded_cluster(struct dashboard *d, const json_t *header, struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct json_writer w = JSON_WRITER_INIT(&text);
	struct kube_options options = { .read_only = json_is_true(json_object_get(header, "read_only")), .deny_exec = true };
	int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", fd);

	buf_adds(&text, "{\"apiVersion\":\"v1\",\"kind\":\"Config\",\"users\":[{\"name\":\"none\",\"user\":{}}],\"clusters\":[{\"name\":\"recorded\",\"cluster\":{\"server\":");
	json_put_text(&w, record_text(header, "server", "http://recorded.invalid"));
	buf_adds(&text, "}}],\"contexts\":[{\"name\":\"recorded\",\"context\":{\"cluster\":\"recorded\",\"user\":\"none\",\"namespace\":");
	json_put_text(&w, record_text(header, "namespace", "default"));
	buf_adds(&text, "}}],\"current-context\":\"recorded\"}");
	options.kubeconfig.path = path;
	bool good = fd >= 0 && write(fd, text.p, text.len) == (ssize_t)text.len ? kube_open(d->link->net, &options, &d->link->kube, err)
										: error_errno(err, "keep what the recording says of the cluster");

	if (fd >= 0)
		close(fd);
	return good;
}

static bool parse_speed(const char *text, double *ret, struct error *err)
{
	char *end = NULL;

	*ret = text ? strtod(text, &end) : 1;
	if (!text || (end != text && !*end && *ret >= 0 && *ret <= 1000))
		return true;
	return error_set(err, ERR_INVALID, "--replay-speed: \"%s\" is no number from 0 to 1000", text);
}

static bool open_replay(struct dashboard *d, struct error *err)
{
	struct live_options options = { 0 };
	const char *env;
	json_t *namespace;
	double speed;

	if (!parse_speed(option_text(d->options, OPT_REPLAY_SPEED), &speed, err) || !recording_open(option_text(d->options, OPT_REPLAY), &d->recording, err))
		return false;
	json_t *header = recording_header(d->recording);

	d->clock = clock_create_manual(record_int(header, "wall_ms", 0));
	clock_drive_system(d->clock);
	d->link = xcalloc(1, sizeof *d->link);
	d->link->net = net_create(NULL, err);
	if (!d->link->net)
		return false;
	d->player = player_create(d->link->net, d->recording);
	net_set_player(d->link->net, d->player);
	if (!open_recorded_cluster(d, header, err))
		return false;
	d->replay = replay_create(&(struct replay_options){ .recording = d->recording, .player = d->player, .clock = d->clock, .speed = speed });
	options.envs.project = record_text(header, "state_project", NULL);
	options.envs.state_namespace = record_text(header, "state_namespace", NULL);
	options.envs.record_prefix = record_text(header, "record_prefix", NULL);
	start_live(d, &options);
	json_object_foreach(json_object_get(header, "places"), env, namespace)
		add_place(d, env, json_string_value(namespace) ? json_string_value(namespace) : "");
	return true;
}

static struct kube_options kube_options_for(const struct dashboard *d)
{
	struct kube_options options = kube_options_from(d->options);

	if (d->demo.kubeconfig)
		options.kubeconfig.path = d->demo.kubeconfig;
	options.stdin_is_ours = false;
	return options;
}

static void watch(struct dashboard *d)
{
	struct live_options options = { 0 };
	AUTO_FREE char *path = NULL;

	if (d->stack)
		options.envs = envs_of_stack(d->stack);
	options.strip_path = path = strip_path(d);
	start_live(d, &options);
	if (d->stack)
		add_places(d);
}

static bool open_live(struct dashboard *d, struct error *err)
{
	struct kube_options options = kube_options_for(d);

	d->link = link_open(&options, err);
	if (!d->link || !start_recording(d, err))
		return false;
	watch(d);
	return true;
}

/* ---- other clusters ---- */

/* With the port, which is what tells clusters on one machine apart. */
static char *host_of(const char *server)
{
	AUTO_RELEASE(error) ignored = { 0 };
	struct url url;

	if (!server || !url_parse(str_of(server), &url, &ignored))
		return xstrdup(server ? server : "");
	return xasprintf("%.*s%s%.*s", STR_ARG(url.host), url.port.len ? ":" : "", STR_ARG(url.port));
}

static bool list_contexts(struct app_contexts *ret, struct error *err, void *arg)
{
	struct kube_options options = kube_options_for(arg);
	struct kube_context_name *names;
	size_t n;

	if (!kubeconfig_contexts(&options.kubeconfig, &names, &n, err))
		return false;
	ret->items = xcalloc(n + 1, sizeof *ret->items);
	ret->len = n;
	for (size_t i = 0; i < n; i++)
		ret->items[i] = (struct app_context){ .name = xstrdup(names[i].name),
						      .server = host_of(names[i].server),
						      .namespace = xstrdup(names[i].namespace ? names[i].namespace : "default") };
	kube_context_names_free(names, n);
	return true;
}

static struct app_cluster cluster_of(const struct dashboard *d, struct link *link)
{
	return (struct app_cluster){ .name = cluster_name(d, link),
				     .context = kube_login_of(link->kube)->context,
				     .kube = link->kube,
				     .live = link->live,
				     .browse = link->browse,
				     .handle = link };
}

static bool open_cluster(const char *context, const struct cancel *cancel, struct app_cluster *ret, struct error *err, void *arg)
{
	const struct dashboard *d = arg;
	struct kube_options options = kube_options_for(d);

	options.kubeconfig.context = context;
	AUTO(link) link = link_open(&options, err);

	if (!link || !kube_log_in(link->kube, cancel, err))
		return false;
	*ret = cluster_of(d, GIVE(link));
	return true;
}

static void show_cluster(struct app_cluster *cluster, void *arg)
{
	struct dashboard *d = arg;

	kube_shut(d->link->kube);
	d->link = cluster->handle;
	watch(d);
	*cluster = cluster_of(d, d->link);
}

static void close_cluster(struct app_cluster *cluster, void *arg)
{
	(void)arg;
	link_destroy(cluster->handle);
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

static int run_app(struct dashboard *d, struct error *err)
{
	const char *dump = option_text(d->options, OPT_DUMP), *no_colour = getenv("NO_COLOR");
	AUTO_FREE char *logs_of = environment_title(d->options);
	const json_t *header = d->recording ? recording_header(d->recording) : NULL;
	const bool replays = header != NULL;
	const struct app_options options = {
		.project = replays ? record_text(header, "project", "?") : project_name(d),
		.cluster = replays ? (struct app_cluster){ .name = record_text(header, "cluster", "?"),
							   .kube = d->link->kube,
							   .live = d->link->live,
							   .browse = d->link->browse }
				   : cluster_of(d, d->link),
		.read_only = replays ? kube_is_read_only(d->link->kube) : option_flag(d->options, OPT_READ_ONLY),
		.ascii = option_flag(d->options, OPT_ASCII),
		.no_colour = no_colour && *no_colour,
		.theme = option_text(d->options, OPT_THEME),
		.state_namespace = replays ? record_text(header, "state_namespace", NULL)
				   : d->stack && d->stack->state ? d->stack->state->configmap_namespace.text : NULL,
		.max_slots = replays ? record_int(header, "max_slots", 0) : d->stack ? d->stack->max_slots.value : 0,
		.screen = replays ? record_text(header, "screen", NULL) : option_text(d->options, OPT_SCREEN),
		.logs_of = replays ? record_text(header, "logs_of", NULL) : logs_of,
		.open = replays ? record_text(header, "open", NULL) : option_text(d->options, OPT_OPEN),
		.open_namespace = replays ? record_text(header, "open_namespace", "") : open_namespace(d),
		.open_target = open_target,
		.close_target = close_target,
		.list_contexts = list_contexts,
		.open_cluster = open_cluster,
		.show_cluster = show_cluster,
		.close_cluster = close_cluster,
		.arg = d,
		.cancel = d->cancel,
		.recorder = d->recorder,
		.replay = d->replay,
	};
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	int cols, rows;

	if (!dump)
		return wants_lines(d->options) ? linear_run(&options, err) : app_run(&options, err);
	if (strcmp(dump, "text") != 0 && strcmp(dump, "svg") != 0) {
		error_set(err, ERR_INVALID, "--dump: \"%s\" is none of text, svg", dump);
		return EXIT_USAGE;
	}
	bool svg = strcmp(dump, "svg") == 0, sized = option_given(d->options, OPT_SIZE);
	const char *at = option_text(d->options, OPT_AT);

	if (!parse_size(option_text(d->options, OPT_SIZE), &cols, &rows, err) ||
	    !(replays ? replay_dump(&options, at, sized ? cols : 0, sized ? rows : 0, svg, &text, err) : app_dump(&options, cols, rows, svg, &text, err)))
		return job_exit_of_error(err, cancel_signal(d->cancel));
	fputs(buf_cstr(&text), stdout);
	return EXIT_DONE;
}

static void dashboard_close(struct dashboard *d)
{
	link_destroy(d->link);
	stack_destroy(d->stack);
	recorder_destroy(d->recorder);
	replay_destroy(d->replay);
	player_destroy(d->player);
	clock_drive_system(NULL);
	clock_destroy(d->clock);
	recording_destroy(d->recording);
	demo_stop(&d->demo);
	cancel_destroy(d->cancel);
}

static bool open_dashboard(struct dashboard *d, struct error *err)
{
	if (option_text(d->options, OPT_REPLAY))
		return open_replay(d, err);
	return (!option_flag(d->options, OPT_DEMO) || demo_start(&d->demo, err)) && open_stack(d, err) && open_live(d, err);
}

/* What says two things at once. */
static bool check_options(const struct options *options, struct error *err)
{
	static const enum option_id pairs[][2] = { { OPT_RECORD, OPT_REPLAY }, { OPT_RECORD, OPT_DUMP },	{ OPT_RECORD, OPT_LINEAR },
						   { OPT_REPLAY, OPT_DEMO },   { OPT_REPLAY, OPT_LINEAR },	{ OPT_REPLAY, OPT_KUBECONFIG },
						   { OPT_REPLAY, OPT_CONTEXT }, { OPT_REPLAY, OPT_OPEN },	{ OPT_REPLAY, OPT_SCREEN } };
	static const enum option_id of_replay[] = { OPT_AT, OPT_REPLAY_SPEED };

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (option_given(options, pairs[i][0]) && option_given(options, pairs[i][1]))
			return error_set(err, ERR_INVALID, "--%s and --%s do not go together", option_rows[pairs[i][0]].name, option_rows[pairs[i][1]].name);
	for (size_t i = 0; i < ARRAY_LEN(of_replay); i++)
		if (option_given(options, of_replay[i]) && !option_given(options, OPT_REPLAY))
			return error_set(err, ERR_INVALID, "--%s goes with --replay", option_rows[of_replay[i]].name);
	if (wants_lines(options) && (option_given(options, OPT_RECORD) || (option_given(options, OPT_REPLAY) && !option_given(options, OPT_DUMP))))
		return error_set(err, ERR_INVALID, "--record and --replay want a screen: TERM=dumb has none");
	return true;
}

static int dashboard(const struct options *options)
{
	/* The screen deals with signals itself. */
	struct dashboard d = { .options = options, .cancel = wants_lines(options) ? signals_watch() : cancel_create() };
	AUTO_RELEASE(error) err = { 0 };
	int code = EXIT_USAGE;

	if (check_options(options, &err) && open_dashboard(&d, &err))
		code = run_app(&d, &err);
	else
		code = err.kind == ERR_NOT_FOUND ? EXIT_USAGE : job_exit_of_error(&err, 0);
	dashboard_close(&d);
	if (err.kind) {
		command_print_error(&err);
		if (err.kind == ERR_NOT_FOUND && !option_flag(options, OPT_DEMO) && !option_given(options, OPT_REPLAY))
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
