/*
 * Every screen at every size against its golden file, and sessions typed key by key, without a terminal: the dashboard over a
 * simulated cluster in which nothing moves by itself and the time stands still. UPDATE_GOLDEN=1 writes the files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "golden.h"
#include "kube_bed.h"
#include "ui/state.h"
#include "ui/term.h"

#define NOW_MS	 INT64_C(1784000000000) /* 2026-07-14T03:33:20Z */
#define LIMIT_MS 20000
#define NOTED_MS 1100 /* by then the health strip has its first note, however fast the machine is */

/* ---- the world ---- */

#define PLACE "/apis/apps/v1/namespaces/"

static void send(struct kube_bed *bed, const char *method, const char *path, const char *json)
{
	free(kube_bed_send(bed, method, path, json));
}

static void config_map(struct kube_bed *bed, int slot, int issue, int pr)
{
	AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'codex-env-%d'},'data':{'slot':'%d','env':'ai',"
					 "'namespace':'shop-dev-%d','owner':'410%d','issue':'%d','pr':'%d','createdAt':'2026-07-14T01:33:20Z'}}",
					 slot, slot, slot, slot, issue, pr);

	send(bed, "POST", "/api/v1/namespaces/codex-system/configmaps", json);
}

static char *uid_of(struct kube_bed *bed, const char *path)
{
	AUTO_FREE char *text = kube_bed_send(bed, "GET", path, NULL);
	const char *uid = strstr(text, "\"uid\":\"");

	assert_non_null(uid);
	return xmemdup0(uid + 7, strcspn(uid + 7, "\""));
}

/* Made, then given a status as its controller would. */
static void make(struct kube_bed *bed, const char *collection, const char *name, const char *json, const char *status)
{
	AUTO_FREE char *path = xasprintf("%s/%s/status", collection, name), *patch = xasprintf("{'status':%s}", status);

	send(bed, "POST", collection, json);
	if (*status)
		send(bed, "PATCH", path, patch);
}

/* A Deployment, its ReplicaSet and one pod. status is the pod's; ready tells the Deployment's. */
static void deployment(struct kube_bed *bed, const char *ns, const char *name, const char *image, bool ready, const char *pod_status)
{
	AUTO_FREE char *deployments = xasprintf(PLACE "%s/deployments", ns), *sets = xasprintf(PLACE "%s/replicasets", ns);
	AUTO_FREE char *pods = xasprintf("/api/v1/namespaces/%s/pods", ns), *path = xasprintf("%s/%s", deployments, name);
	AUTO_FREE char *template = xasprintf("{'metadata':{'labels':{'app':'%s','pod-template-hash':'7d9f'}},'spec':{'containers':[{'name':'%s','image':'%s'}]}}",
					     name, name, image);
	AUTO_FREE char *json = xasprintf("{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'%s','annotations':{'deployment.kubernetes.io/revision':'2'}},"
					 "'spec':{'replicas':1,'selector':{'matchLabels':{'app':'%s'}},'template':%s}}", name, name, template);
	AUTO_FREE char *status = xasprintf("{'observedGeneration':1,'replicas':1,'updatedReplicas':1,'readyReplicas':%d,'availableReplicas':%d,'conditions':["
					   "{'type':'Available','status':'%s','reason':'%s','lastTransitionTime':'2026-07-14T03:20:00Z'},"
					   "{'type':'Progressing','status':'True','reason':'%s','lastTransitionTime':'2026-07-14T03:20:00Z','lastUpdateTime':'2026-07-14T03:30:00Z'}]}",
					   ready, ready, ready ? "True" : "False", ready ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
					   ready ? "NewReplicaSetAvailable" : "ReplicaSetUpdated");

	make(bed, deployments, name, json, status);
	AUTO_FREE char *uid = uid_of(bed, path);
	AUTO_FREE char *set_name = xasprintf("%s-7d9f", name), *set_path = xasprintf("%s/%s", sets, set_name);
	AUTO_FREE char *set = xasprintf("{'apiVersion':'apps/v1','kind':'ReplicaSet','metadata':{'name':'%s','labels':{'app':'%s','pod-template-hash':'7d9f'},"
					"'annotations':{'deployment.kubernetes.io/revision':'2'},'ownerReferences':[{'apiVersion':'apps/v1','kind':'Deployment',"
					"'name':'%s','uid':'%s','controller':true}]},'spec':{'replicas':1,'selector':{'matchLabels':{'app':'%s','pod-template-hash':'7d9f'}},'template':%s}}",
					set_name, name, name, uid, name, template);

	make(bed, sets, set_name, set, ready ? "{'replicas':1,'readyReplicas':1,'availableReplicas':1,'observedGeneration':1}" : "{'replicas':1,'observedGeneration':1}");
	AUTO_FREE char *set_uid = uid_of(bed, set_path);
	AUTO_FREE char *pod_name = xasprintf("%s-7d9f-x2kzq", name);
	AUTO_FREE char *pod = xasprintf("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'%s','labels':{'app':'%s','pod-template-hash':'7d9f'},"
					"'ownerReferences':[{'apiVersion':'apps/v1','kind':'ReplicaSet','name':'%s','uid':'%s','controller':true}]},"
					"'spec':{'nodeName':'node-1','containers':[{'name':'%s','image':'%s'}]}}", pod_name, name, set_name, set_uid, name, image);

	make(bed, pods, pod_name, pod, pod_status);
}

#define RUNS "{'phase':'Running','startTime':'2026-07-14T03:20:00Z','conditions':[{'type':'Ready','status':'True','lastTransitionTime':'2026-07-14T03:20:00Z'}]," \
	     "'containerStatuses':[{'name':'%s','ready':true,'started':true,'restartCount':0,'image':'x','state':{'running':{'startedAt':'2026-07-14T03:20:00Z'}}}]}"
#define CRASHES "{'phase':'Running','startTime':'2026-07-14T03:20:00Z','conditions':[{'type':'Ready','status':'False','reason':'ContainersNotReady','lastTransitionTime':'2026-07-14T03:24:00Z'}]," \
		"'containerStatuses':[{'name':'%s','ready':false,'started':false,'restartCount':6,'image':'x','state':{'waiting':{'reason':'CrashLoopBackOff','message':'back-off 5m0s restarting failed container'}}," \
		"'lastState':{'terminated':{'exitCode':1,'reason':'Error','startedAt':'2026-07-14T03:28:00Z','finishedAt':'2026-07-14T03:28:01Z'}}}]}"

static void running(struct kube_bed *bed, const char *ns, const char *name, const char *image)
{
	AUTO_FREE char *status = xasprintf(RUNS, name);

	deployment(bed, ns, name, image, true, status);
}

static void build_world(struct kube_bed *bed)
{
	static const char *const namespaces[] = { "codex-system", "shop-ai-staging", "shop-dev-2", "shop-dev-3" };
	AUTO_FREE char *crash = xasprintf(CRASHES, "users");

	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'%s'}}", namespaces[i]);

		AUTO_FREE char *accounts = xasprintf("/api/v1/namespaces/%s/serviceaccounts", namespaces[i]);

		send(bed, "POST", "/api/v1/namespaces", json);
		send(bed, "POST", accounts, "{'apiVersion':'v1','kind':'ServiceAccount','metadata':{'name':'default'}}");
	}
	config_map(bed, 2, 123, 0);
	config_map(bed, 3, 118, 42);
	running(bed, "shop-ai-staging", "web", "registry.example.test/web:1.4.0");
	running(bed, "shop-dev-2", "codex", "registry.example.test/codex:1");
	deployment(bed, "shop-dev-2", "users", "registry.example.test/users:0.1.1", false, crash);
	running(bed, "shop-dev-3", "web", "registry.example.test/web:1.5.0");
	send(bed, "POST", "/api/v1/namespaces/shop-dev-2/secrets",
	     "{'apiVersion':'v1','kind':'Secret','metadata':{'name':'app-db'},'stringData':{'DB_PASSWORD':'swordfish'}}");
	AUTO_FREE char *uid = uid_of(bed, "/api/v1/namespaces/shop-dev-2/pods/users-7d9f-x2kzq");
	AUTO_FREE char *event = xasprintf("{'apiVersion':'v1','kind':'Event','metadata':{'name':'users.1'},'involvedObject':{'apiVersion':'v1','kind':'Pod',"
					  "'name':'users-7d9f-x2kzq','namespace':'shop-dev-2','uid':'%s'},'type':'Warning','reason':'BackOff',"
					  "'message':'Back-off restarting failed container users','count':6,'firstTimestamp':'2026-07-14T03:24:10Z',"
					  "'lastTimestamp':'2026-07-14T03:31:00Z'}", uid);

	send(bed, "POST", "/api/v1/namespaces/shop-dev-2/events", event);
}

/* ---- the dashboard over it ---- */

struct deck {
	struct kube_bed bed;
	struct clock *clock;
	struct live *live;
	struct browse *browse;
	struct app_options options;
	struct app app;
	char state[32];
	bool troubled, hangs; /* not everything will come; nothing will */
};

static bool no_stack(const char *env, int64_t slot, struct app_target *ret, struct error *err, void *arg)
{
	(void)slot, (void)ret, (void)arg;
	return error_set(err, ERR_NOT_FOUND, "there is no services.yaml here: nothing to apply to %s", env);
}

static void close_nothing(struct app_target *target, void *arg)
{
	(void)target, (void)arg;
}

static bool is_quiet(struct deck *deck, int64_t quiet_ms)
{
	struct live_status status;

	live_status(deck->live, &status);
	return !status.loading && status.live && !tasks_open(deck->app.session->tasks) && clock_now_ms(NULL) - quiet_ms > 60;
}

/* Until nothing comes any more, and nothing that was put off until later either. */
static void take(struct deck *deck)
{
	int64_t quiet_ms = clock_now_ms(NULL), due_ms = quiet_ms + LIMIT_MS;
	bool later = false;

	while (!later || !is_quiet(deck, quiet_ms)) {
		if (!later && is_quiet(deck, quiet_ms)) {
			clock_advance(deck->clock, 300);
			later = true;
			quiet_ms = clock_now_ms(NULL);
		}
		clock_advance(deck->clock, 1);
		if (app_poll(&deck->app, 0))
			quiet_ms = clock_now_ms(NULL);
		if (clock_now_ms(NULL) > due_ms)
			fail_msg("the screen did not come to rest");
		usleep(1000);
	}
}

/* denied: rules of the simulation, with ' for " */
/* Each list has come or failed; a server that hangs never gets so far. */
static bool all_is_answered(struct deck *deck)
{
	const struct scope *scope;

	for (size_t i = 0; !deck->hangs && (scope = store_scope_at(live_store(deck->live), i)); i++)
		if (scope->state == SCOPE_UNWATCHED || (scope->state == SCOPE_LOADING && !*scope->why))
			return false;
	return true;
}

/* Until the screen rests although not all has come: a server that is in trouble. */
static void take_trouble(struct deck *deck)
{
	for (int64_t quiet_ms = clock_now_ms(NULL), due_ms = quiet_ms + LIMIT_MS; clock_now_ms(NULL) - quiet_ms < 100; usleep(1000))
		if ((app_poll(&deck->app, 0) || !all_is_answered(deck)) && clock_now_ms(NULL) < due_ms)
			quiet_ms = clock_now_ms(NULL);
	app_draw(&deck->app);
}

/* What is there, and how the server gives it. */
struct deck_world {
	bool empty;
	const char *denied; /* as the simulation's rules; NULL: nothing */
	const char *faults; /* NULL: none, and all comes */
};

static void open_deck_in(struct deck *deck, int cols, int rows, const struct deck_world *world)
{
	*deck = (struct deck){ .clock = clock_create_manual(NOW_MS), .state = "/tmp/screens-XXXXXX" };
	assert_non_null(mkdtemp(deck->state));
	setenv("XDG_STATE_HOME", deck->state, 1);
	setenv("TZ", "UTC", 1);
	sim_set_wall_ms(NOW_MS);
	deck->bed = kube_bed_create(&(struct kube_bed_options){ .clock = deck->clock, .features_off = "controllers" });
	if (!world->empty)
		build_world(&deck->bed);
	kube_bed_deny(&deck->bed, world->denied ? world->denied : "[]");
	if (world->faults)
		kube_bed_faults(&deck->bed, world->faults);
	deck->live = live_create(&(struct live_options){
		.watcher = { .net = deck->bed.net, .http = kube_http(deck->bed.kube), .clock = deck->clock, .prepare = watcher_prepare_kube, .prepare_arg = deck->bed.kube },
		.envs = { .project = "shop", .state_namespace = "codex-system", .record_prefix = "codex-env-" } });
	envs_add_place(live_envs(deck->live), "ai-staging", 0, "shop-ai-staging");
	deck->browse = browse_create(&(struct browse_options){ .kube = deck->bed.kube, .clock = deck->clock });
	deck->options = (struct app_options){ .project = "shop", .cluster = { .name = "test", .live = deck->live, .browse = deck->browse, .kube = deck->bed.kube },
					      .state_namespace = "codex-system", .max_slots = 4, .open_target = no_stack, .close_target = close_nothing };
	app_init(&deck->app, &deck->options, cols, rows);
	deck->troubled = world->faults != NULL;
	deck->hangs = deck->troubled && strstr(world->faults, "hang");
	if (deck->troubled) {
		take_trouble(deck);
		return;
	}
	take(deck);
	clock_advance(deck->clock, NOTED_MS);
	take(deck);
}

static void open_deck_denied(struct deck *deck, int cols, int rows, const char *denied)
{
	open_deck_in(deck, cols, rows, &(struct deck_world){ .denied = denied });
}

static void open_deck(struct deck *deck, int cols, int rows)
{
	open_deck_in(deck, cols, rows, &(struct deck_world){ 0 });
}

static void close_deck(struct deck *deck)
{
	AUTO_FREE char *command = xasprintf("rm -rf %s", deck->state);

	app_release(&deck->app);
	browse_destroy(deck->browse);
	live_destroy(deck->live);
	kube_bed_release(&deck->bed);
	clock_destroy(deck->clock);
	sim_set_wall_ms(0);
	assert_int_equal(system(command), 0);
}

static void press(struct deck *deck, uint32_t key)
{
	app_key(&deck->app, key == '\r' ? KEY_TERM_ENTER : key == 27 ? KEY_TERM_ESCAPE : key);
}

static void type(struct deck *deck, const char *keys)
{
	struct str rest = str_of(keys);
	uint32_t key;

	while (utf8_next(&rest, &key)) {
		press(deck, key);
		(deck->troubled ? take_trouble : take)(deck);
		app_draw(&deck->app);
	}
}

/* The keys in one go. */
static void rush(struct deck *deck, const char *keys)
{
	struct str rest = str_of(keys);
	uint32_t key;

	while (utf8_next(&rest, &key))
		app_key(&deck->app, key == '\r' ? KEY_TERM_ENTER : key == 27 ? KEY_TERM_ESCAPE : key);
	take(deck);
	app_draw(&deck->app);
}

/* Seconds of the clock and of "live" move while a test runs. */
static void mask(char *text)
{
	for (char *p = text; *p; p++) {
		if (isdigit((unsigned char)p[0]) && p[1] == 's' && !isdigit((unsigned char)p[-1]))
			p[0] = '0';
		if (strncmp(p, "03:33:", 6) == 0)
			memcpy(p, "03:33:20", 8);
		if (strncmp(p, "kube-api-access-", 16) == 0)
			memcpy(p + 16, "xxxxx", 5);
		if (strncmp(p, "03:34:", 6) == 0)
			memcpy(p, "03:33:20", 8);
	}
}

static char *screen(struct deck *deck)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	app_draw(&deck->app);
	canvas_dump_text(deck->app.canvas, &text);
	mask(text.p);
	return buf_give(&text);
}

static bool shows(struct deck *deck, const char *text)
{
	AUTO_FREE char *shown = screen(deck);

	return strstr(shown, text) != NULL;
}

static void see(struct deck *deck, const char *text)
{
	AUTO_FREE char *shown = screen(deck);

	if (!strstr(shown, text))
		fail_msg("\"%s\" is not on the screen:\n%s", text, shown);
}

/* Waits for it. */
static void come(struct deck *deck, const char *text)
{
	for (int64_t due_ms = clock_now_ms(NULL) + LIMIT_MS; clock_now_ms(NULL) < due_ms; usleep(1000)) {
		AUTO_FREE char *shown = screen(deck);

		if (strstr(shown, text))
			return;
		app_poll(&deck->app, 0);
	}
	see(deck, text);
}

static const struct {
	int cols, rows;
} sizes[] = { { 40, 10 }, { 80, 24 }, { 120, 40 }, { 200, 60 } };

static void check_every_size(struct deck *deck, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO_FREE char *text = NULL;

		canvas_destroy(deck->app.canvas);
		deck->app.canvas = canvas_create(sizes[i].cols, sizes[i].rows, false);
		text = screen(deck);
		check_screen_text(str_of(text), name, sizes[i].cols, sizes[i].rows);
	}
}

static void check_at_every_size(const char *name, const char *keys)
{
	struct deck deck;

	open_deck(&deck, sizes[0].cols, sizes[0].rows);
	type(&deck, keys);
	check_every_size(&deck, name);
	close_deck(&deck);
}

/* ---- goldens ---- */

static void every_screen_looks_as_its_golden(void **state)
{
	static const struct {
		const char *name, *keys;
	} screens[] = {
		{ "envs", "" },		    { "slots", "2" },		 { "work", "3" },	       { "work-open", "3j\r" },	    { "work-events", "3j\re" },
		{ "runs", "4" },	    { "apply-empty", "5" },	 { "review", "6" },	       { "why", "w" },		    { "events", "e" },
		{ "changes", "d" },	    { "jobs", "J" },		 { "commands", "@" },	       { "menu", "3ja" },	    { "palette", ":users" },
		{ "pods", ":pods\r" },	    { "object", "3j\r\r" },	 { "object-tree", "3j\r\rO" }, { "filter", "/slot 2\r" },   { "restart", "3jR" },
		{ "delete", "6" "3jD" },    { "help-envs", "?" },	 { "secret", ":secrets\r\rb" },
		{ "restart-typed", "j3R" }, { "scale", "3j:scale\r" },	 { "slots-filter", "2/4103\r" }, { "work-filter", "3/user\r" }, { "runs-filter", "4/4102\r" },
		{ "review-filter", "6/42\r" }, { "pods-filter", ":pods\r/users\r" }, { "pods-marked", ":pods\r* " }, { "events-filter", "e&back\r" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(screens); i++)
		check_at_every_size(screens[i].name, screens[i].keys);
}

/* As if a job ran; none does. */
static void pretend_job(struct deck *deck)
{
	struct deploy_view *view = &deck->app.deploy;
	int64_t now_ms = live_now_ms(deck->live);

	deploy_view_begin(view, "ai-staging", "ai-staging", 0, DEPLOY_APPLYING, now_ms - 41000);
	for (int i = 0; i < 7; i++)
		LIST_PUSH(view->progress.runs, view->progress.nruns, view->progress.runs_cap) = (struct progress_run){ .took_ms = 88000 + 1000 * i };
	deploy_view_event(view, &(struct job_event){ .kind = JOB_STEP_STARTED, .step = "wait" }, now_ms - 30000);
	deploy_view_event(view, &(struct job_event){ .kind = JOB_PROGRESS, .done = 3, .total = 5 }, now_ms);
	app_notice(&deck->app, true, "slot 4: cannot list pods");
	app_notice(&deck->app, false, "slot 2: idle for 26 h");
	app_key(&deck->app, 'j'); /* the notice leaves the message line */
	app_key(&deck->app, 'k');
}

static void jobs_and_notices_stand_below_the_environments(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 80, 24);
	pretend_job(&deck);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO_FREE char *text = NULL;

		canvas_destroy(deck.app.canvas);
		deck.app.canvas = canvas_create(sizes[i].cols, sizes[i].rows, false);
		text = screen(&deck);
		check_screen_text(str_of(text), "envs-job", sizes[i].cols, sizes[i].rows);
	}
	type(&deck, "J");
	see(&deck, "apply ai-staging: wait, 3 of 5, 0:4");
	see(&deck, "(median 1:31 of 7)   5 shows it, c cancels it");
	close_deck(&deck);
}

#define LISTS "'path':'limit=|watch='"

/* Nothing there, nothing yet, nothing allowed, nothing but mistakes: each screen says which. */
static void every_screen_tells_why_it_is_empty(void **state)
{
	static const struct {
		const char *name, *faults;
	} states[] = { { "empty", NULL },
		       { "loading", "[{" LISTS ",'action':'hang'}]" },
		       { "forbidden", "[{" LISTS ",'status':403,'reason':'Forbidden','message':'it is forbidden: User eve cannot list it'}]" },
		       { "error", "[{" LISTS ",'status':500,'reason':'InternalError','message':'etcdserver: no leader'}]" } };
	static const struct {
		const char *name, *keys;
	} screens[] = { { "envs", "1" }, { "slots", "2" }, { "work", "3" }, { "runs", "4" }, { "review", "6" }, { "pods", ":pods\r" }, { "events", "1e" }, { "jobs", "1J" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		struct deck deck;

		open_deck_in(&deck, sizes[0].cols, sizes[0].rows, &(struct deck_world){ .empty = true, .faults = states[i].faults });
		for (size_t k = 0; k < ARRAY_LEN(screens); k++) {
			AUTO_FREE char *name = xasprintf("%s-%s", screens[k].name, states[i].name);

			type(&deck, screens[k].keys);
			check_every_size(&deck, name);
		}
		close_deck(&deck);
	}
}

/* One object, and its logs, that the server does not give. */
static void an_object_that_does_not_come_says_so(void **state)
{
	static const struct {
		const char *name, *faults, *says;
	} states[] = { { "loading", "'action':'hang'", "" },
		       { "forbidden", "'status':403,'reason':'Forbidden','message':'it is forbidden: User eve cannot get it'", "forbidden" },
		       { "error", "'status':500,'reason':'InternalError','message':'etcdserver: no leader'", "etcdserver" } };
	static const struct {
		const char *name, *keys;
	} screens[] = { { "manifest", "3j\r\rm" }, { "log", "3jl" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		AUTO_FREE char *faults = xasprintf("[{'path':'/pods/[^/]*(/log|$)|/deployments/[^/]*$',%s}]", states[i].faults);

		for (size_t k = 0; k < ARRAY_LEN(screens); k++) {
			AUTO_FREE char *name = xasprintf("%s-%s", screens[k].name, states[i].name);
			struct deck deck;

			open_deck(&deck, 200, 60); /* where the whole reason has room */
			kube_bed_faults(&deck.bed, faults);
			deck.troubled = true;
			type(&deck, screens[k].keys);
			come(&deck, states[i].says);
			check_every_size(&deck, name);
			kube_bed_faults(&deck.bed, "[]");
			close_deck(&deck);
		}
	}
}

/* ---- sessions ---- */

/* Lines of the server's log that have part and are no reading. only_changes: dry runs and questions about rights don't count. */
static size_t requests(struct deck *deck, const char *part, bool only_changes)
{
	AUTO_FREE char *log = sim_requests(deck->bed.sim);
	size_t count = 0;
	char *rest = log, *line;

	while ((line = strsep(&rest, "\n")))
		if (*line && !strstr(line, "\"method\":\"GET\"") && strstr(line, part) &&
		    !(only_changes && (strstr(line, "dryRun") || strstr(line, "selfsubject"))))
			count++;
	return count;
}

static size_t writes(struct deck *deck, const char *part)
{
	return requests(deck, part, true);
}

static void a_workload_of_a_slot_is_restarted_after_a_yes(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, "3j\rR");
	see(&deck, "Restart Deployment codex");
	see(&deck, "will send: PATCH /apis/apps/v1/namespaces/shop-dev-2/deployments/codex");
	assert_int_equal(writes(&deck, ""), 0);
	type(&deck, "R"); /* the key that asked does not confirm */
	assert_int_equal(writes(&deck, ""), 0);
	type(&deck, "Ry");
	see(&deck, "Restart Deployment codex: done");
	assert_int_equal(writes(&deck, "deployments/codex"), 1);
	type(&deck, "@");
	see(&deck, "kubectl rollout restart deployment/codex -n shop-dev-2");
	close_deck(&deck);
}

/* Whoever types faster than the cluster answers has not read what is asked. */
static void a_question_that_was_not_on_the_screen_yet_takes_no_answer(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, "3j\r");
	press(&deck, 'R');
	take(&deck);
	assert_int_equal(deck.app.dialog.kind, DIALOG_CONFIRM);
	press(&deck, 'y');
	press(&deck, '\r');
	take(&deck);
	assert_int_equal(writes(&deck, ""), 0);
	see(&deck, "Restart Deployment codex"); /* still asked */
	type(&deck, "y");
	assert_int_equal(writes(&deck, "deployments/codex"), 1);
	close_deck(&deck);
}

static void outside_of_slots_the_name_must_be_typed(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, "j3R");
	see(&deck, "Type web, then Enter:");
	type(&deck, "y\r");
	assert_int_equal(writes(&deck, ""), 0);
	type(&deck, "Rwe\r");
	see(&deck, "\"we\" is not \"web\": nothing was sent");
	assert_int_equal(writes(&deck, ""), 0);
	type(&deck, "Rweb\r");
	see(&deck, "Restart Deployment web: done");
	assert_int_equal(writes(&deck, "shop-ai-staging/deployments/web"), 1);
	close_deck(&deck);
}

static void a_slot_is_freed_and_its_evidence_kept(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, "2/4102\rD");
	see(&deck, "namespace shop-dev-2 with everything in it goes");
	type(&deck, "y");
	see(&deck, "evidence in ");
	assert_int_equal(writes(&deck, "/api/v1/namespaces/shop-dev-2\""), 1);
	assert_int_equal(writes(&deck, "configmaps/codex-env-2"), 1);
	AUTO_FREE char *list = xasprintf("tar tf %s/slotdeck/evidence/*.tar | grep -q '^manifests/Pod-users' && tar xOf %s/slotdeck/evidence/*.tar | grep -c swordfish | grep -qx 0",
					 deck.state, deck.state);

	assert_int_equal(system(list), 0);
	close_deck(&deck);
}

static void a_value_of_a_secret_shows_by_its_key_only(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, ":secrets\r\r");
	see(&deck, "values are hidden");
	type(&deck, "m");
	see(&deck, "(hidden)");
	type(&deck, "bb");
	see(&deck, "swordfish");
	type(&deck, "b\r");
	see(&deck, "swordfish");
	see(&deck, "b values");
	close_deck(&deck);
}

static void an_open_palette_gets_the_kinds_that_become_known(void **state)
{
	(void)state;
	struct deck deck;

	open_deck_in(&deck, 120, 40, &(struct deck_world){ .faults = "[{\"path\":\"/apis?$\",\"action\":\"hang\"}]" });
	type(&deck, ":ingresscl");
	see(&deck, "nothing has these letters");
	kube_bed_faults(&deck.bed, "[]");
	for (int s = 0; s < 90 && !shows(&deck, "ingressclasses"); s++) {
		clock_advance(deck.clock, 1000);
		take_trouble(&deck);
	}
	see(&deck, "ingressclasses");
	see(&deck, ": ingresscl");
	close_deck(&deck);
}

static void read_only_offers_no_change_and_says_why(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	deck.options.read_only = true;
	type(&deck, "3jR");
	see(&deck, "read-only: the program was started with --read-only");
	type(&deck, "a");
	see(&deck, "read-only");
	type(&deck, "\033\033");
	assert_int_equal(writes(&deck, ""), 0);
	close_deck(&deck);
}

/* To the row that the keys lead to, from the first screen. */
static void go(struct deck *deck, const char *keys)
{
	while (deck->app.picker.open || deck->app.dialog.kind || deck->app.filtered[deck->app.view] || deck->app.view != VIEW_ENVS)
		app_key(&deck->app, KEY_TERM_ESCAPE);
	rush(deck, keys);
}

static void try_every_change(struct deck *deck, const char *keys)
{
	for (size_t i = 0; i < nbindings; i++) {
		AUTO_FREE char *palette = xasprintf(":%s", bindings[i].help);

		if (bindings[i].group != GROUP_CHANGE)
			continue;
		go(deck, keys);
		if (!(bindings[i].views & 1u << deck->app.view))
			continue;
		if (bindings[i].key)
			app_key(&deck->app, bindings[i].key);
		rush(deck, "");
		assert_int_equal(deck->app.dialog.kind, DIALOG_NONE);
		go(deck, keys);
		rush(deck, palette);
		assert_true(deck->app.picker.nshown);
		rush(deck, "\r");
		assert_int_equal(deck->app.dialog.kind, DIALOG_NONE);
	}
}

static void read_only_sends_nothing_but_gets_whatever_key_or_action_is_chosen(void **state)
{
	static const char *const places[] = { "", "2/4102\r", "3j", "3j\r", "5", ":pods\r", ":pods\r\r", ":configmaps\r" };
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	deck.options.read_only = true;
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		try_every_change(&deck, places[i]);
	assert_int_equal(requests(&deck, "", false), 0);
	close_deck(&deck);
}

static void what_one_may_not_do_is_named_before_it_is_tried(void **state)
{
	static const struct {
		const char *keys, *action, *reason;
	} rows[] = {
		{ "3j", "restart a workload", "restart needs patch on deployments in shop-dev-2, which you may not" },
		{ "3j", "scale: how many", "scale needs patch on deployments/scale in shop-dev-2, which you may not" },
		{ "3j", "go back to an earlier", "undo needs patch on deployments in shop-dev-2, which you may not" },
		{ "3j", "delete; on a slot", "delete needs delete on deployments in shop-dev-2, which you may not" },
		{ "3j", "a shell in a", "shell needs create on pods/exec in shop-dev-2, which you may not" },
		{ "3j", "forward a port", "port-forward needs create on pods/portforward in shop-dev-2, which you may not" },
		{ "2/4102\r", "delete; on a slot", "free needs delete on configmaps in codex-system, which you may not" },
	};
	(void)state;
	struct deck deck;

	open_deck_denied(&deck, 120, 40, "[{'verb':'patch'},{'verb':'delete'},{'resource':'pods/exec'},{'resource':'pods/portforward'}]");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *menu = xasprintf("a%s", rows[i].action), *palette = xasprintf("\033:%s", rows[i].action);

		go(&deck, rows[i].keys);
		rush(&deck, menu);
		see(&deck, rows[i].reason);
		rush(&deck, palette);
		see(&deck, rows[i].reason);
		rush(&deck, "\r");
		see(&deck, rows[i].reason);
	}
	go(&deck, "3jR");
	see(&deck, "restart needs patch on deployments in shop-dev-2, which you may not");
	assert_int_equal(requests(&deck, "PATCH", false), 0);
	assert_int_equal(requests(&deck, "DELETE", false), 0);
	assert_int_equal(requests(&deck, "selfsubjectaccessreviews", false), 0);
	close_deck(&deck);
}

static void rights_that_are_not_known_yet_stand_against_nothing(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	kube_bed_faults(&deck.bed, "[{'path':'selfsubjectrulesreviews','action':'hang'}]");
	type(&deck, "3jR");
	see(&deck, "Restart Deployment codex");
	type(&deck, "y");
	see(&deck, "Restart Deployment codex: done");
	close_deck(&deck);
}

static void who_may_only_look_into_one_namespace_sees_it_and_what_he_may_not(void **state)
{
	(void)state;
	struct deck deck;

	open_deck_denied(&deck, 120, 40,
			 "[{'namespace':''},{'namespace':['codex-system','shop-dev-2','shop-dev-3']},{'verb':['patch','delete','create'],'namespace':'shop-ai-staging'}]");
	see(&deck, "ai-staging");
	type(&deck, "3");
	see(&deck, "Deployment");
	rush(&deck, "a");
	rush(&deck, "restart a workload");
	see(&deck, "restart needs patch on deployments in shop-ai-staging, which you may not");
	go(&deck, ":pods\r");
	see(&deck, "forbidden");
	close_deck(&deck);
}

/* ---- what is marked ---- */

static void marked_workloads_are_restarted_after_one_question_that_names_each(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	go(&deck, "3  R");
	see(&deck, "restart, objects: 2");
	see(&deck, "Restart Deployment users");
	see(&deck, "Restart Deployment codex");
	see(&deck, "Type y to go on");
	assert_int_equal(writes(&deck, ""), 0);
	rush(&deck, "y");
	see(&deck, "restart: 2 done, 0 failed, 0 left out");
	assert_int_equal(writes(&deck, "deployments/users"), 1);
	assert_int_equal(writes(&deck, "deployments/codex"), 1);
	rush(&deck, "@");
	see(&deck, "kubectl rollout restart deployment/codex -n shop-dev-2");
	see(&deck, "kubectl rollout restart deployment/users -n shop-dev-2");
	go(&deck, "3jD"); /* the marks ended with the yes */
	see(&deck, "Delete Deployment codex");
	close_deck(&deck);
}

static void one_that_fails_neither_hides_nor_stops_the_others(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	kube_bed_faults(&deck.bed, "[{'method':'PATCH','path':'deployments/users[?]fieldManager=[^&]*$','status':409,'reason':'Conflict','message':'not now'}]");
	go(&deck, "3  R");
	rush(&deck, "y");
	see(&deck, "restart: 1 done, 1 failed, 0 left out");
	rush(&deck, "JW");
	see(&deck, "Restart Deployment users: ");
	see(&deck, "not now");
	see(&deck, "Restart Deployment codex: done");
	rush(&deck, "@");
	see(&deck, "failed");
	see(&deck, "done");
	close_deck(&deck);
}

static void marks_in_several_namespaces_ask_for_the_act_and_their_number(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	go(&deck, ":deployments\r");
	rush(&deck, "*");
	see(&deck, "4 marked");
	rush(&deck, "R");
	see(&deck, "Type restart 4, then Enter");
	rush(&deck, "y\r");
	rush(&deck, "R");
	rush(&deck, "4\r");
	rush(&deck, "R");
	rush(&deck, "web\r");
	assert_int_equal(writes(&deck, ""), 0);
	rush(&deck, "R");
	rush(&deck, "restart 4\r");
	see(&deck, "restart: 4 done");
	assert_int_equal(writes(&deck, "deployments/web"), 2);
	close_deck(&deck);
}

static void marked_objects_of_an_environment_ask_for_its_name(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	send(&deck.bed, "POST", "/api/v1/namespaces/shop-ai-staging/configmaps", "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'one'}}");
	send(&deck.bed, "POST", "/api/v1/namespaces/shop-ai-staging/configmaps", "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'two'}}");
	app_open_kind(&deck.app, "configmaps", "shop-ai-staging");
	rush(&deck, "");
	see(&deck, "2 of 2");
	rush(&deck, "*");
	rush(&deck, "D");
	see(&deck, "Delete ConfigMap one");
	see(&deck, "Delete ConfigMap two");
	see(&deck, "Type ai-staging, then Enter");
	rush(&deck, "ai-staging\r");
	see(&deck, "delete: 2 done, 0 failed");
	assert_int_equal(writes(&deck, "\"DELETE\""), 2);
	close_deck(&deck);
}

static void marked_objects_that_are_gone_are_dropped_and_told(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	go(&deck, ":deployments\r");
	rush(&deck, "*");
	send(&deck.bed, "DELETE", "/apis/apps/v1/namespaces/shop-dev-3/deployments/web", NULL);
	rush(&deck, "");
	see(&deck, "3 of 3");
	rush(&deck, "R");
	see(&deck, "restart, objects: 3");
	see(&deck, "marked objects that are gone by now: 1");
	rush(&deck, "\033");
	send(&deck.bed, "DELETE", "/apis/apps/v1/namespaces/shop-dev-2/deployments/users", NULL);
	send(&deck.bed, "DELETE", "/apis/apps/v1/namespaces/shop-dev-2/deployments/codex", NULL);
	send(&deck.bed, "DELETE", "/apis/apps/v1/namespaces/shop-ai-staging/deployments/web", NULL);
	rush(&deck, "");
	rush(&deck, "R");
	see(&deck, "marked objects that are gone by now: 3");
	assert_int_equal(deck.app.dialog.kind, DIALOG_NONE);
	close_deck(&deck);
}

static void marked_slots_are_freed_and_free_ones_left_out(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	go(&deck, "2*D");
	see(&deck, "free, objects: 2");
	see(&deck, "namespace shop-dev-2 with everything in it goes");
	see(&deck, "namespace shop-dev-3 with everything in it goes");
	see(&deck, "left out: slot 1: no slot with a record");
	rush(&deck, "y");
	see(&deck, "free: 2 done, 0 failed, 2 left out");
	assert_int_equal(writes(&deck, "configmaps/codex-env-2"), 1);
	assert_int_equal(writes(&deck, "configmaps/codex-env-3"), 1);
	AUTO_FREE char *count = xasprintf("test $(ls %s/slotdeck/evidence/*.tar | wc -l) = 2", deck.state);

	assert_int_equal(system(count), 0);
	close_deck(&deck);
}

static void what_is_not_begun_yet_is_cancelled_and_leaving_asks(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	go(&deck, "3  R");
	app_key(&deck.app, 'y');
	app_key(&deck.app, 'Q');
	see(&deck, "changes are being done");
	app_key(&deck.app, 'n');
	assert_false(deck.app.quit);
	app_key(&deck.app, 'c');
	see(&deck, "what is not begun stops");
	rush(&deck, "y");
	see(&deck, "restart: 1 done, 0 failed, 1 left out");
	assert_int_equal(writes(&deck, "deployments/"), 1);
	rush(&deck, "Q");
	assert_true(deck.app.quit);
	close_deck(&deck);
}

static void several_are_scaled_to_one_number(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	go(&deck, "3  a");
	see(&deck, "actions on what is marked: 2");
	rush(&deck, "scale: how\r");
	rush(&deck, "3\r");
	see(&deck, "scale, objects: 2");
	see(&deck, "replicas 1 -> 3");
	rush(&deck, "y");
	assert_int_equal(writes(&deck, "deployments/users/scale"), 1);
	assert_int_equal(writes(&deck, "deployments/codex/scale"), 1);
	close_deck(&deck);
}

static void logs_of_all_that_is_marked_are_one_stream_that_says_so(void **state)
{
	static const struct {
		const char *keys, *title, *said;
	} cases[] = { { "3*l", "logs of 2 marked: ", "users" },
		      { "3 l", "logs of Deployment ", "follow on" },
		      { "*l", "logs of 3 marked: ", "slot 3" },
		      { "2*l", "logs of 2 marked: slot 2, slot 3", "left out, as they have no logs: 2" },
		      { ":pods\r*l", "logs of 4 marked: ", "containers 4" },
		      { ":secrets\r*l", "nothing that is marked has logs", "app-db" } };
	struct deck deck;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		open_deck(&deck, 120, 40);
		type(&deck, cases[i].keys);
		see(&deck, cases[i].title);
		see(&deck, cases[i].said);
		close_deck(&deck);
	}
}

static bool each_has_lines(struct logs *logs, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		if (!log_store_counts_of(logs_store(logs), i).received)
			return false;
	return true;
}

/* Each line of each of them is received once, and what the level hides is told. */
static void counters_of_several_logs_add_up(void **state)
{
	struct deck deck;

	(void)state;
	open_deck(&deck, 120, 40);
	type(&deck, ":pods\r*l");
	struct logs *logs = deck.app.logs.logs;

	for (int64_t due_ms = clock_now_ms(NULL) + LIMIT_MS; !each_has_lines(logs, 4) && clock_now_ms(NULL) < due_ms; usleep(1000)) {
		clock_advance(deck.clock, 10); /* they wait for each other */
		app_poll(&deck.app, 0);
	}
	type(&deck, "vvv");
	see(&deck, "level error");
	struct log_counts all = log_store_counts(logs_store(logs));
	uint64_t received = 0, filtered = 0;

	assert_int_equal(logs_count(logs), 4);
	for (uint16_t i = 0; i < 4; i++) {
		struct log_counts one = log_store_counts_of(logs_store(logs), i);

		assert_true(one.received > 0);
		received += one.received;
		filtered += one.filtered;
	}
	assert_int_equal(received, all.received);
	assert_int_equal(filtered, all.filtered);
	assert_int_equal(all.received, log_counts_shown(&all) + all.filtered + all.dropped + all.unseen);
	close_deck(&deck);
}

static void marks_outlive_a_look_at_their_logs(void **state)
{
	struct deck deck;

	(void)state;
	open_deck(&deck, 120, 40);
	type(&deck, "*l\033");
	see(&deck, "3 marked");
	close_deck(&deck);
}

static void a_pod_that_the_live_model_lacks_is_asked_for_before_a_shell(void **state)
{
	(void)state;
	struct deck deck;

	open_deck_denied(&deck, 120, 40, "[{'resource':'pods','verb':['list','watch']}]");
	app_open_wanted(&deck.app, "pods/codex-7d9f-x2kzq", "shop-dev-2");
	rush(&deck, "X");
	see(&deck, "slot 2, namespace shop-dev-2");
	see(&deck, "runs bash or sh in container codex of pod codex-7d9f-x2kzq");
	rush(&deck, "\033");
	app_open_wanted(&deck.app, "pods/nobody", "shop-dev-2");
	rush(&deck, "X");
	see(&deck, "pods \"nobody\" not found");
	go(&deck, "3jX");
	see(&deck, "its pods are not known: HTTP 403");
	close_deck(&deck);
}

static void a_difference_is_opened_at_its_whole_width(void **state)
{
	(void)state;
	const struct job_object web = { .item = "web", .kind = "Deployment", .namespace = "shop", .name = "web" };
	struct deck deck;

	open_deck(&deck, 80, 24);
	deploy_view_begin(&deck.app.deploy, "slot 2", "ai", 2, DEPLOY_COMPARING, live_now_ms(deck.live));
	deploy_view_event(&deck.app.deploy, &(struct job_event){ .kind = JOB_DIFF, .object = web, .change = CHANGE_WOULD_CONFIGURE,
								 .text = "@@ spec @@\n+  image: registry.example.test/a/rather/long/path/web:1.5.0-missing\n" },
			  live_now_ms(deck.live));
	type(&deck, "5");
	see(&deck, "Enter details");
	type(&deck, "\r");
	see(&deck, "+  image: registry.example.test/a/rather/long/path/web:1.5.0-missing");
	type(&deck, "\033");
	see(&deck, "[5 Apply]");
	close_deck(&deck);
}

static void a_filter_that_hides_rows_is_on_the_screen(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 80, 24);
	type(&deck, "/slot\r");
	see(&deck, "RW  /slot ");
	type(&deck, "2");
	see(&deck, "RW   ");
	type(&deck, "1\033");
	see(&deck, "RW   ");
	close_deck(&deck);
}

static void no_problem_is_said_where_there_is_none(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 80, 24);
	type(&deck, "/staging\r!");
	see(&deck, "nothing here is in trouble");
	close_deck(&deck);
}

/* That nothing is there can be said only of a cluster that answers. */
static void a_cluster_that_does_not_answer_is_not_called_empty(void **state)
{
	(void)state;
	struct deck deck;

	open_deck_in(&deck, 80, 24, &(struct deck_world){ .empty = true, .faults = "[{'path':'limit=|watch=','status':500,'reason':'InternalError','message':'etcdserver: no leader'}]" });
	see(&deck, "r try again");
	see(&deck, " deployments are being listed: HTTP 500: etcdserver: no leader\n");
	close_deck(&deck);
}

/* Whoever opens a broken environment finds there what is broken. */
static void a_job_that_failed_stands_among_the_workloads(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	make(&deck.bed, "/apis/batch/v1/namespaces/shop-dev-3/jobs", "migrate",
	     "{'apiVersion':'batch/v1','kind':'Job','metadata':{'name':'migrate'},'spec':{'template':{'spec':{'restartPolicy':'Never',"
	     "'containers':[{'name':'migrate','image':'x'}]}}}}",
	     "{'failed':1,'startTime':'2026-07-14T03:20:00Z','conditions':[{'type':'Failed','status':'True','reason':'BackoffLimitExceeded',"
	     "'message':'it failed too often','lastTransitionTime':'2026-07-14T03:24:00Z'}]}");
	come(&deck, "migrate: it failed too often");
	type(&deck, "/slot 3\r");
	see(&deck, "✗ Job migrate");
	type(&deck, "\r");
	see(&deck, ">✗ Job         migrate");
	type(&deck, "\r");
	see(&deck, "slot 3 > Job migrate");
	type(&deck, "D");
	see(&deck, "Delete Job migrate");
	close_deck(&deck);
}

static void an_agent_is_looked_at_from_its_run(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, "4");
	see(&deck, "codex-7d9f-x2kzq");
	type(&deck, "/4102\r");
	see(&deck, "codex-7d9f-x2kzq");
	type(&deck, "e");
	see(&deck, "events");
	type(&deck, "\033m");
	see(&deck, "kind: Pod");
	type(&deck, "\033O");
	see(&deck, "ReplicaSet codex-7d9f");
	type(&deck, "\033");
	see(&deck, "[4 Runs]");
	assert_int_equal(writes(&deck, ""), 0);
	close_deck(&deck);
}

static void a_pull_request_leads_to_its_slot(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, "6");
	see(&deck, "42");
	type(&deck, "\r");
	see(&deck, "shop-dev-3");
	type(&deck, "\033");
	see(&deck, "[6 Review]");
	type(&deck, "/nothing has this\r");
	type(&deck, "\033");
	see(&deck, "42");
	close_deck(&deck);
}

static void any_kind_is_found_narrowed_marked_and_opened(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, ":pods\r");
	see(&deck, "4 of 4");
	type(&deck, "/users\r");
	see(&deck, "1 of 4");
	type(&deck, " ");
	see(&deck, "1 marked");
	type(&deck, "\r");
	see(&deck, "[Summary]");
	type(&deck, "\t");
	see(&deck, "kind: Pod");
	type(&deck, "\033");
	see(&deck, "1 of 4");
	type(&deck, "\033");
	see(&deck, "4 of 4");
	type(&deck, "/users\r/\025\r");
	see(&deck, "4 of 4");
	close_deck(&deck);
}

static void the_way_back_is_the_way_that_was_gone(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, "3j\r\r");
	see(&deck, "[Summary]");
	type(&deck, "\033");
	see(&deck, "Deployment codex");
	type(&deck, "\033");
	see(&deck, "2 workloads ready");
	type(&deck, "\033");
	see(&deck, "[1 Envs]");
	type(&deck, "/nothing has this\r");
	see(&deck, "nothing here has this text");
	type(&deck, "\033");
	see(&deck, "slot 2");
	close_deck(&deck);
}

static void what_was_read_is_listed_with_what_was_sent(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 200, 60);
	type(&deck, "3j\rRy");
	see(&deck, "Restart Deployment codex: done");
	type(&deck, "l\033@");
	see(&deck, "GET /api/v1/namespaces/shop-dev-2/pods/codex-7d9f-x2kzq/log?container=codex&timestamps=true");
	see(&deck, "equal  kubectl logs -n shop-dev-2 codex-7d9f-x2kzq -c=codex");
	see(&deck, "kubectl rollout restart deployment/codex -n shop-dev-2");
	close_deck(&deck);
}

static void what_a_job_changed_is_listed_with_who_did_it_and_whether_it_can_be_undone(void **state)
{
	char *request = (char *)"PATCH /api/v1/namespaces/shop-dev/configmaps/app";
	struct history_record record = { .id = (char *)"1", .time_ms = NOW_MS - 60000, .cluster = (char *)"test", .action = (char *)"apply",
					 .object = (char *)"dev", .namespace = (char *)"shop-dev", .who = (char *)"anna@laptop pid 7",
					 .command = (char *)"slotdeck apply --env dev", .state = (char *)"begun", .message = (char *)"",
					 .evidence = (char *)"", .requests = &request, .nrequests = 1 };
	AUTO_RELEASE(error) err = { 0 };
	struct deck deck;

	(void)state;
	open_deck(&deck, 120, 40);
	assert_true(history_write(&record, &err));
	type(&deck, "@");
	see(&deck, "apply dev in shop-dev on test: begun, its end is not known");
	see(&deck, "meant  PATCH /api/v1/namespaces/shop-dev/configmaps/app");
	record.state = (char *)"done";
	record.message = (char *)"1 written, 0 unchanged";
	assert_true(history_write(&record, &err));
	type(&deck, "1@");
	see(&deck, "apply dev in shop-dev on test: done: 1 written, 0 unchanged");
	see(&deck, "by     anna@laptop pid 7");
	see(&deck, "sent   PATCH /api/v1/namespaces/shop-dev/configmaps/app");
	see(&deck, "equal  slotdeck apply --env dev");
	see(&deck, "undo   not as a whole");
	close_deck(&deck);
}

static void the_strip_shows_what_was_seen_and_is_saved_as_text(void **state)
{
	(void)state;
	struct deck deck;
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	open_deck(&deck, 200, 60);
	see(&deck, "health over the last 6 h (1 cell = 5 min;");
	for (int64_t passed_ms = 0; passed_ms < HEALTH_STRIP_CELL_MS; passed_ms += 5000) {
		clock_advance(deck.clock, 5000);
		usleep(5000);
		app_poll(&deck.app, 0);
	}
	take(&deck);
	see(&deck, "                ##");
	views[VIEW_ENVS]->text(&deck.app, &text);
	assert_non_null(strstr(buf_cstr(&text), " ##| slot 2\n"));
	assert_non_null(strstr(buf_cstr(&text), " __| slot 3\n"));
	assert_non_null(strstr(buf_cstr(&text), "degraded 10m, no data 5h50m"));
	close_deck(&deck);
}

/* Where text stands on the screen. */
static size_t place(struct deck *deck, const char *text)
{
	AUTO_FREE char *shown = screen(deck);
	const char *at = strstr(shown, text);

	if (!at)
		fail_msg("\"%s\" is not on the screen:\n%s", text, shown);
	return (size_t)(at - shown);
}

static void an_inverted_order_is_the_other_way_round(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, ":pods\r");
	assert_true(place(&deck, "codex-7d9f") < place(&deck, "users-7d9f"));
	type(&deck, "i");
	assert_true(place(&deck, "codex-7d9f") > place(&deck, "users-7d9f"));
	type(&deck, ">>");
	see(&deck, "^");
	assert_true(place(&deck, "codex-7d9f") > place(&deck, "users-7d9f"));
	close_deck(&deck);
}

/* Marks that a filter hides stay when all that is shown loses its own. */
static void marks_that_are_not_shown_stay(void **state)
{
	(void)state;
	struct deck deck;

	open_deck(&deck, 120, 40);
	type(&deck, ":pods\r*");
	see(&deck, "4 marked");
	type(&deck, "/codex\r*");
	see(&deck, "3 marked");
	type(&deck, "*");
	see(&deck, "4 marked");
	close_deck(&deck);
}

/*
 * No key string, however long, changes what lies outside of slots, and none ends the program otherwise than by asking. RANDOM_KEYS says how
 * many, RANDOM_SEED where the dice begin. ui_random_test does the same by bytes, to the real program.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RANDOM_KEYS 100000
#else
#define RANDOM_KEYS 1000000
#endif

static unsigned long number_of(const char *variable, unsigned long otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

static uint64_t roll(uint64_t *dice)
{
	*dice ^= *dice << 13, *dice ^= *dice >> 7, *dice ^= *dice << 17; /* xorshift64 */
	return *dice;
}

/* 0: one that leaves the dashboard or writes into the present folder. */
static uint32_t random_key(uint64_t *dice)
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ!@#$%^&*()-=[]{};:'\",.<>/?`~|\\ \t\r\033\010\014\004\025";
	uint64_t x = roll(dice);
	uint32_t key = x % 8 == 0 ? KEY_TERM_UP + (uint32_t)(x >> 20) % 30 : (unsigned char)letters[(x >> 20) % (sizeof letters - 1)];

	return key == KEY_TERM_GONE || key == KEY_TERM_MOUSE || key == KEY_TERM_PASTE || (key < 128 && strchr("XEso", (int)key)) ? 0 : key;
}

static void press_random(struct deck *deck, unsigned long i, uint64_t *dice)
{
	struct dialog *dialog = &deck->app.dialog;
	uint32_t key = random_key(dice);

	if (i % 16 == 0) {
		clock_advance(deck->clock, 1);
		app_poll(&deck->app, 1);
	}
	if (i % 64 == 0 || (dialog->kind && !dialog->seen))
		app_draw(&deck->app);
	if (dialog->kind == DIALOG_CONFIRM && roll(dice) % 2)
		key = 'y';
	if (key)
		press(deck, key);
	deck->app.quit = false;
}

static void a_million_random_keys_do_no_harm(void **state)
{
	(void)state;
	struct deck deck;
	unsigned long count = number_of("RANDOM_KEYS", RANDOM_KEYS), seed = number_of("RANDOM_SEED", 1);
	uint64_t dice = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
	int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	print_message("RANDOM_SEED=%lu RANDOM_KEYS=%lu\n", seed, count);
	open_deck(&deck, 80, 24);
	assert_int_equal(chdir(deck.state), 0); /* the menu may save a view */
	for (unsigned long i = 0; i < count; i++)
		press_random(&deck, i, &dice);
	for (int64_t due_ms = clock_now_ms(NULL) + LIMIT_MS; tasks_open(deck.app.session->tasks) && clock_now_ms(NULL) < due_ms; usleep(1000)) {
		clock_advance(deck.clock, 20);
		app_poll(&deck.app, 0);
	}
	assert_int_equal(tasks_open(deck.app.session->tasks), 0);
	print_message("%zu changes\n", writes(&deck, ""));
	assert_int_equal(writes(&deck, "shop-ai-staging"), 0);
	assert_int_equal(writes(&deck, "/api/v1/namespaces/codex-system\""), 0);
	assert_int_equal(fchdir(home), 0);
	close(home);
	close_deck(&deck);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_screen_looks_as_its_golden),
		cmocka_unit_test(jobs_and_notices_stand_below_the_environments),
		cmocka_unit_test(every_screen_tells_why_it_is_empty),
		cmocka_unit_test(an_object_that_does_not_come_says_so),
		cmocka_unit_test(a_job_that_failed_stands_among_the_workloads),
		cmocka_unit_test(a_difference_is_opened_at_its_whole_width),
		cmocka_unit_test(a_filter_that_hides_rows_is_on_the_screen),
		cmocka_unit_test(no_problem_is_said_where_there_is_none),
		cmocka_unit_test(a_cluster_that_does_not_answer_is_not_called_empty),
		cmocka_unit_test(an_agent_is_looked_at_from_its_run),
		cmocka_unit_test(a_pull_request_leads_to_its_slot),
		cmocka_unit_test(any_kind_is_found_narrowed_marked_and_opened),
		cmocka_unit_test(a_workload_of_a_slot_is_restarted_after_a_yes),
		cmocka_unit_test(a_question_that_was_not_on_the_screen_yet_takes_no_answer),
		cmocka_unit_test(outside_of_slots_the_name_must_be_typed),
		cmocka_unit_test(a_slot_is_freed_and_its_evidence_kept),
		cmocka_unit_test(a_value_of_a_secret_shows_by_its_key_only),
		cmocka_unit_test(an_open_palette_gets_the_kinds_that_become_known),
		cmocka_unit_test(read_only_offers_no_change_and_says_why),
		cmocka_unit_test(read_only_sends_nothing_but_gets_whatever_key_or_action_is_chosen),
		cmocka_unit_test(what_one_may_not_do_is_named_before_it_is_tried),
		cmocka_unit_test(rights_that_are_not_known_yet_stand_against_nothing),
		cmocka_unit_test(who_may_only_look_into_one_namespace_sees_it_and_what_he_may_not),
		cmocka_unit_test(marked_workloads_are_restarted_after_one_question_that_names_each),
		cmocka_unit_test(one_that_fails_neither_hides_nor_stops_the_others),
		cmocka_unit_test(marks_in_several_namespaces_ask_for_the_act_and_their_number),
		cmocka_unit_test(marked_objects_of_an_environment_ask_for_its_name),
		cmocka_unit_test(marked_objects_that_are_gone_are_dropped_and_told),
		cmocka_unit_test(marked_slots_are_freed_and_free_ones_left_out),
		cmocka_unit_test(what_is_not_begun_yet_is_cancelled_and_leaving_asks),
		cmocka_unit_test(several_are_scaled_to_one_number),
		cmocka_unit_test(logs_of_all_that_is_marked_are_one_stream_that_says_so),
		cmocka_unit_test(counters_of_several_logs_add_up),
		cmocka_unit_test(marks_outlive_a_look_at_their_logs),
		cmocka_unit_test(a_pod_that_the_live_model_lacks_is_asked_for_before_a_shell),
		cmocka_unit_test(the_way_back_is_the_way_that_was_gone),
		cmocka_unit_test(what_a_job_changed_is_listed_with_who_did_it_and_whether_it_can_be_undone),
		cmocka_unit_test(the_strip_shows_what_was_seen_and_is_saved_as_text),
		cmocka_unit_test(an_inverted_order_is_the_other_way_round),
		cmocka_unit_test(marks_that_are_not_shown_stay),
		cmocka_unit_test(what_was_read_is_listed_with_what_was_sent),
		cmocka_unit_test(a_million_random_keys_do_no_harm),
	};

	cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
