/*
 * From one cluster to another while the dashboard runs: in process with a clock of the test's own, and the real program on a pty. What is on
 * the screen is only ever of the cluster that the head line names, and one that does not answer keeps nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/record.h"
#include "kube/client.h"
#include "pty_program.h"
#include "sim/sim.h"
#include "ui/state.h"
#include "ui/term.h"

#define LIMIT_MS 30000
#define BACK_MS	 5000 /* from the return of a cluster to its data */
#define HOLE	 "[{'path':'.','action':'hang'}]"

/* ---- two clusters and a kubeconfig ---- */

struct world {
	struct sim *sims[2]; /* contexts one and two */
	char folder[32];
	char *kubeconfig;
};

static char *in_quotes(const char *json)
{
	char *text = xstrdup(json);

	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return text;
}

static void put(struct sim *sim, const char *path, const char *json)
{
	AUTO_FREE char *body = in_quotes(json);
	unsigned status;
	AUTO_FREE char *answer = sim_request(sim, "POST", path, "application/json", body, &status);

	if (status >= 400)
		fail_msg("%s: %u %s", path, status, answer);
}

static void set_faults(struct sim *sim, const char *rules)
{
	AUTO_FREE char *json = in_quotes(rules);
	AUTO_RELEASE(error) err = { 0 };

	if (!sim_set_faults(sim, json, &err))
		fail_msg("%s", err.message);
}

/* Neither what is open nor what is asked later is answered. */
static void black_hole(struct sim *sim)
{
	AUTO_RELEASE(error) err = { 0 };

	set_faults(sim, HOLE);
	assert_true(sim_freeze(sim, ".", true, &err));
}

static void lift(struct sim *sim)
{
	set_faults(sim, "[]");
	sim_thaw(sim);
}

static void deploy(struct sim *sim, const char *namespace)
{
	AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'Namespace','metadata':{'name':'%s'}}", namespace);
	AUTO_FREE char *path = xasprintf("/apis/apps/v1/namespaces/%s/deployments", namespace);

	put(sim, "/api/v1/namespaces", json);
	put(sim, path,
	    "{'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web'},'spec':{'replicas':1,'selector':{'matchLabels':{'app':'web'}},"
	    "'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'main','image':'registry.local/web:1'}]}}}}");
}

static struct sim *start_sim(const char *namespace)
{
	AUTO_RELEASE(error) err = { 0 };
	struct sim *sim = sim_start(&(struct sim_options){ .speed = 10 }, &err);

	if (!sim)
		fail_msg("%s", err.message);
	deploy(sim, namespace);
	return sim;
}

static void world_begin(struct world *w)
{
	AUTO_RELEASE(error) err = { 0 };

	*w = (struct world){ .folder = "/tmp/ui-switch-XXXXXX" };
	assert_non_null(mkdtemp(w->folder));
	setenv("XDG_STATE_HOME", w->folder, 1);
	w->kubeconfig = xasprintf("%s/kubeconfig", w->folder);
	w->sims[0] = start_sim("only-one");
	w->sims[1] = start_sim("only-two");
	AUTO_FREE char *text = xasprintf("current-context: one\n"
					 "clusters:\n"
					 "- {name: a, cluster: {server: '%s'}}\n"
					 "- {name: b, cluster: {server: '%s'}}\n"
					 "users:\n"
					 "- {name: nobody, user: {}}\n"
					 "- {name: without-file, user: {client-certificate: nowhere.pem, client-key: nowhere.key}}\n"
					 "- {name: with-plugin, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: 'false', interactiveMode: Never}}}\n"
					 "- {name: with-slow-plugin, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: sleep, args: ['600'],"
					 " interactiveMode: Never}}}\n"
					 "contexts:\n"
					 "- {name: one, context: {cluster: a, user: nobody}}\n"
					 "- {name: two, context: {cluster: b, user: nobody, namespace: only-two}}\n"
					 "- {name: certificate, context: {cluster: b, user: without-file}}\n"
					 "- {name: plugin, context: {cluster: b, user: with-plugin}}\n"
					 "- {name: slow, context: {cluster: b, user: with-slow-plugin}}\n",
					 sim_url(w->sims[0]), sim_url(w->sims[1]));

	assert_true(file_write_atomic(w->kubeconfig, str_of(text), 0600, &err));
}

static void world_end(struct world *w)
{
	AUTO_FREE char *command = xasprintf("rm -rf %s", w->folder);

	sim_stop(w->sims[0]);
	sim_stop(w->sims[1]);
	assert_int_equal(system(command), 0);
	free(w->kubeconfig);
}

/* ---- the dashboard in process ---- */

struct link {
	struct net *net;
	struct kube *kube;
	struct live *live;
	struct browse *browse;
};

struct deck {
	struct world world;
	struct clock *clock;
	struct link *link; /* on the screens */
	struct app_options options;
	struct app app;
};

static void link_destroy(struct link *link)
{
	browse_destroy(link->browse);
	live_destroy(link->live);
	kube_close(link->kube);
	net_destroy(link->net);
	free(link);
}

static void watch(struct deck *deck, struct link *link)
{
	link->live = live_create(&(struct live_options){ .watcher = { .net = link->net,
								      .http = kube_http(link->kube),
								      .clock = deck->clock,
								      .prepare = watcher_prepare_kube,
								      .prepare_arg = link->kube } });
	link->browse = browse_create(&(struct browse_options){ .kube = link->kube, .clock = deck->clock });
	deck->link = link;
}

static struct app_cluster cluster_of(struct link *link)
{
	const char *context = kube_login_of(link->kube)->context;

	return (struct app_cluster){ .name = context, .context = context, .kube = link->kube, .live = link->live, .browse = link->browse, .handle = link };
}

static bool list_contexts(struct app_contexts *ret, struct error *err, void *arg)
{
	static const char *const names[] = { "one", "two", "certificate", "plugin", "slow" };

	(void)err, (void)arg;
	ret->items = xcalloc(ARRAY_LEN(names), sizeof *ret->items);
	ret->len = ARRAY_LEN(names);
	for (size_t i = 0; i < ret->len; i++)
		ret->items[i] = (struct app_context){ xstrdup(names[i]), xstrdup("127.0.0.1"), xstrdup("default") };
	return true;
}

static bool open_cluster(const char *context, const struct cancel *cancel, struct app_cluster *ret, struct error *err, void *arg)
{
	struct deck *deck = arg;
	struct link *link = xcalloc(1, sizeof *link);
	const struct kube_options options = { .kubeconfig = { .path = deck->world.kubeconfig, .context = context } };

	link->net = net_create(deck->clock, err);
	if (link->net && kube_open(link->net, &options, &link->kube, err) && kube_log_in(link->kube, cancel, err)) {
		*ret = cluster_of(link);
		return true;
	}
	link_destroy(link);
	return false;
}

static void show_cluster(struct app_cluster *cluster, void *arg)
{
	struct deck *deck = arg;

	kube_shut(deck->link->kube);
	watch(deck, cluster->handle);
	*cluster = cluster_of(deck->link);
}

static void close_cluster(struct app_cluster *cluster, void *arg)
{
	(void)arg;
	link_destroy(cluster->handle);
}

static bool shows(struct deck *deck, const char *text)
{
	AUTO_RELEASE(buf) shown = BUF_INIT(0);

	app_draw(&deck->app);
	canvas_dump_text(deck->app.canvas, &shown);
	return strstr(buf_cstr(&shown), text) != NULL;
}

static void assert_shown(struct deck *deck, const char *text, bool wanted)
{
	AUTO_RELEASE(buf) shown = BUF_INIT(0);

	if (shows(deck, text) == wanted)
		return;
	canvas_dump_text(deck->app.canvas, &shown);
	fail_msg("\"%s\" is%s on the screen:\n%s", text, wanted ? " not" : "", buf_cstr(&shown));
}

/* The clock moves on by step_ms each time, or stands still. Gives how far it has moved. */
static int64_t await(struct deck *deck, const char *text, int64_t step_ms)
{
	int64_t due_ms = clock_now_ms(NULL) + LIMIT_MS, moved_ms = 0;

	while (!shows(deck, text)) {
		if (clock_now_ms(NULL) > due_ms) {
			AUTO_RELEASE(buf) shown = BUF_INIT(0);

			canvas_dump_text(deck->app.canvas, &shown);
			fail_msg("\"%s\" never came:\n%s", text, buf_cstr(&shown));
		}
		clock_advance(deck->clock, step_ms);
		moved_ms += step_ms;
		app_poll(&deck->app, 0);
		usleep(2000);
	}
	return moved_ms;
}

static void type(struct deck *deck, const char *keys)
{
	for (; *keys; keys++) {
		app_key(&deck->app, *keys == '\r' ? KEY_TERM_ENTER : *keys == '\033' ? KEY_TERM_ESCAPE : (uint32_t)*keys);
		app_draw(&deck->app);
	}
}

static void deck_begin(struct deck *deck)
{
	AUTO_RELEASE(error) err = { 0 };
	struct app_cluster first = { 0 };

	*deck = (struct deck){ .clock = clock_create_manual(clock_wall_us(NULL) / 1000) };
	world_begin(&deck->world);
	assert_true(open_cluster("one", NULL, &first, &err, deck));
	watch(deck, first.handle);
	deck->options = (struct app_options){ .project = "shop",
					      .cluster = cluster_of(deck->link),
					      .list_contexts = list_contexts,
					      .open_cluster = open_cluster,
					      .show_cluster = show_cluster,
					      .close_cluster = close_cluster,
					      .arg = deck };
	app_init(&deck->app, &deck->options, 120, 40);
	await(deck, "✓ only-one", 1);
}

static void deck_end(struct deck *deck)
{
	app_release(&deck->app);
	link_destroy(deck->link);
	clock_destroy(deck->clock);
	world_end(&deck->world);
}

/* Picks it from the list, and takes what comes until it is on the screens, or is not going to be. */
static void go_to(struct deck *deck, const char *context)
{
	AUTO_FREE char *wanted = xasprintf("context %s ", context);

	type(deck, "K");
	await(deck, wanted, 0);
	type(deck, wanted);
	type(deck, "\r");
	for (int64_t due_ms = clock_now_ms(NULL) + LIMIT_MS; deck->app.opening && clock_now_ms(NULL) < due_ms; usleep(1000))
		app_poll(&deck->app, 0);
	assert_null(deck->app.opening);
}

static unsigned requests_with(struct sim *sim, const char *text)
{
	AUTO_FREE char *log = sim_requests(sim);
	unsigned n = 0;

	for (const char *p = log; (p = strstr(p, text)); p++)
		n++;
	return n;
}

/* ---- what is shown ---- */

static void the_other_cluster_is_on_the_screens_at_once_and_nothing_of_the_first(void **state)
{
	struct deck deck;

	(void)state;
	deck_begin(&deck);
	type(&deck, ":deploymentweb");
	assert_shown(&deck, "deployment web", true);
	type(&deck, "\033");
	set_faults(deck.world.sims[1], HOLE);
	go_to(&deck, "two");
	assert_shown(&deck, "@ two ", true);
	assert_shown(&deck, "loading", true);
	assert_shown(&deck, "only-one", false);
	for (const char *view = "123456"; *view; view++) {
		char key[2] = { *view };

		type(&deck, key);
		assert_shown(&deck, "only-one", false);
	}
	type(&deck, "1:deploymentweb");
	assert_shown(&deck, "deployment web", false);
	type(&deck, "\033");
	deck_end(&deck);
}

static void a_cluster_that_hangs_is_left_for_another_and_come_back_to(void **state)
{
	struct deck deck;

	(void)state;
	deck_begin(&deck);
	black_hole(deck.world.sims[0]);
	clock_advance(deck.clock, 600000);
	await(&deck, "stale", 100);
	go_to(&deck, "two");
	await(&deck, "only-two", 0); /* no time has to pass */
	await(&deck, "live", 0);
	assert_shown(&deck, "only-one", false);
	lift(deck.world.sims[0]);
	go_to(&deck, "one");
	assert_shown(&deck, "@ one ", true);
	assert_shown(&deck, "only-two", false);
	assert_in_range(await(&deck, "only-one", 10), 0, BACK_MS);
	deck_end(&deck);
}

static void the_kind_that_is_browsed_is_browsed_there_too(void **state)
{
	struct deck deck;

	(void)state;
	deck_begin(&deck);
	assert_true(app_open_kind(&deck.app, "namespaces", NULL));
	await(&deck, "only-one", 1);
	go_to(&deck, "two");
	assert_shown(&deck, "only-one", false);
	await(&deck, "[Browse]", 1);
	await(&deck, "only-two", 1);
	deck_end(&deck);
}

static void each_context_is_listed_with_its_server_and_found_by_the_palette(void **state)
{
	struct deck deck;

	(void)state;
	deck_begin(&deck);
	type(&deck, "K");
	await(&deck, "context plugin", 0);
	assert_shown(&deck, "127.0.0.1, namespace default", true);
	assert_shown(&deck, "now", true);
	type(&deck, "one\r");
	assert_shown(&deck, "one is on the screens already", true);
	type(&deck, ":context two\r");
	await(&deck, "@ two ", 0);
	deck_end(&deck);
}

static void equal_commands_name_the_context(void **state)
{
	struct deck deck;

	(void)state;
	deck_begin(&deck);
	go_to(&deck, "two");
	await(&deck, "only-two", 1);
	assert_string_equal(asked_context_flag(deck.app.session->cluster.kube), " --context two");
	app_open_wanted(&deck.app, "deployments/web", "only-two");
	type(&deck, "y");
	await(&deck, "kubectl --context two -n", 1);
	type(&deck, "\033");
	deck_end(&deck);
}

/* ---- what ends, and what is not sent ---- */

static void restart_web(struct deck *deck)
{
	app_open_wanted(&deck->app, "deployments/web", "only-one");
	await(deck, "Deployment web", 1);
	type(deck, "R");
}

static void a_change_that_is_under_way_is_named_and_reaches_the_old_cluster_no_more(void **state)
{
	struct sim *first;
	struct deck deck;
	unsigned before;

	(void)state;
	deck_begin(&deck);
	first = deck.world.sims[0];
	restart_web(&deck);
	await(&deck, "Type web, then Enter", 1);
	set_faults(first, "[{'path':'.','action':'hang'}]"); /* the change itself */
	before = requests_with(first, "\"PATCH\"");
	type(&deck, "web\r");
	while (requests_with(first, "\"PATCH\"") == before)
		usleep(1000);
	go_to(&deck, "two");
	await(&deck, "changes that are being done", 0);
	type(&deck, "y");
	assert_shown(&deck, "@ two ", true);
	before = requests_with(first, "\"PATCH\"");
	set_faults(first, "[]");
	await(&deck, "only-two", 100);
	for (int i = 0; i < 100; i++) {
		clock_advance(deck.clock, 1000); /* whatever would be tried again has been by then */
		app_poll(&deck.app, 0);
		usleep(2000);
	}
	assert_int_equal(requests_with(first, "\"PATCH\""), before);
	assert_int_equal(requests_with(deck.world.sims[1], "\"PATCH\""), 0);
	deck_end(&deck);
}

static void a_change_that_is_being_prepared_does_not_ask_on_the_other_cluster(void **state)
{
	struct deck deck;

	(void)state;
	deck_begin(&deck);
	set_faults(deck.world.sims[0], "[{'method':'PATCH','path':'.','action':'pause'}]");
	restart_web(&deck);
	while (!requests_with(deck.world.sims[0], "\"PATCH\""))
		usleep(1000);
	go_to(&deck, "two");
	set_faults(deck.world.sims[0], "[]");
	await(&deck, "only-two", 1);
	for (int i = 0; i < 50; i++) {
		assert_shown(&deck, "then Enter", false);
		app_poll(&deck.app, 0);
		usleep(2000);
	}
	deck_end(&deck);
}

static void port_forwards_are_named_before_they_end_and_stay_on_a_no(void **state)
{
	struct deck deck;
	AUTO_RELEASE(error) err = { 0 };
	unsigned id;

	(void)state;
	deck_begin(&deck);
	for (bool good = false; !good; usleep(1000)) {
		error_release(&err);
		err = (struct error){ 0 };
		app_poll(&deck.app, 0);
		good = forwards_add(deck.app.session->forwards,
				    &(struct forward_target){ .kind = &kind_deployment, .namespace = "only-one", .name = "web", .port = 80 }, &id, &err);
	}
	go_to(&deck, "two");
	assert_shown(&deck, "what belongs to one ends:", true);
	assert_shown(&deck, "to Deployment web port 80", true);
	type(&deck, "n");
	assert_shown(&deck, "@ one ", true);
	assert_int_equal(forwards_count(deck.app.session->forwards), 1);
	go_to(&deck, "two");
	assert_shown(&deck, "Type y to go on", true);
	type(&deck, "y");
	assert_shown(&deck, "@ two ", true);
	assert_int_equal(forwards_count(deck.app.session->forwards), 0);
	deck_end(&deck);
}

static void a_context_that_cannot_be_opened_is_said_and_the_old_one_stays(void **state)
{
	static const struct {
		const char *context, *says;
	} rows[] = { { "certificate", "nowhere.pem" }, { "plugin", "plugin false ended with exit code 1" } };
	struct deck deck;

	(void)state;
	deck_begin(&deck);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		go_to(&deck, rows[i].context);
		if (!strstr(app_notice_at(&deck.app, 0)->text, rows[i].says))
			fail_msg("%s: %s", rows[i].context, app_notice_at(&deck.app, 0)->text);
		assert_shown(&deck, "@ one ", true);
		assert_shown(&deck, "only-one", true);
	}
	deploy(deck.world.sims[0], "news");
	await(&deck, "news", 1);
	deck_end(&deck);
}

static void a_job_and_a_recording_keep_the_cluster_and_say_so(void **state)
{
	struct deck deck;
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	deck_begin(&deck);
	AUTO_FREE char *path = xasprintf("%s/recording", deck.world.folder);

	deck.app.job_replayed = true;
	deck.app.deploy.title = xstrdup("dev");
	type(&deck, "K");
	assert_shown(&deck, "a job is running on dev", true);
	deck.app.job_replayed = false;
	deck.options.recorder = recorder_create(path, STR(""), &err);
	assert_non_null(deck.options.recorder);
	type(&deck, "K");
	assert_shown(&deck, "a recording is of one cluster", true);
	recorder_destroy(deck.options.recorder);
	deck.options.recorder = NULL;
	deck_end(&deck);
}

static void of_two_choices_the_last_counts_and_a_plugin_keeps_nobody(void **state)
{
	struct deck deck;
	int64_t began;

	(void)state;
	deck_begin(&deck);
	type(&deck, "K");
	await(&deck, "context slow", 0);
	type(&deck, "context slow\r");
	assert_shown(&deck, "@ one ", true);
	go_to(&deck, "two");
	assert_shown(&deck, "@ two ", true);
	await(&deck, "only-two", 1);
	type(&deck, "Kcontext slow\r");
	app_poll(&deck.app, 0);
	assert_non_null(deck.app.opening);
	assert_shown(&deck, "@ two ", true);
	began = clock_now_ms(NULL);
	deck_end(&deck);
	assert_in_range(clock_now_ms(NULL) - began, 0, LIMIT_MS);
}

/* ---- the real program ---- */

static void every_screen_opens(struct pty *pty)
{
	static const struct {
		const char *key, *shows;
	} screens[] = { { "2", "[2 Slots]" }, { "3", "[3 Deploy]" }, { "4", "[4 Runs]" }, { "5", "[5 Apply]" }, { "6", "[6 Review]" }, { "1", "[1 Envs]" } };

	for (size_t i = 0; i < ARRAY_LEN(screens); i++) {
		pty_type(pty, screens[i].key);
		pty_wait_for(pty, screens[i].shows);
	}
}

static void a_black_hole_is_left_by_the_palette_and_the_program_ends(void **state)
{
	struct world w;
	struct pty pty;
	int64_t began;

	(void)state;
	world_begin(&w);
	const char *const argv[] = { NULL, "--kubeconfig", w.kubeconfig, NULL };

	pty_start(&pty, &(struct pty_options){ .cols = 120, .rows = 40, .argv = argv, .folder = w.folder });
	pty_wait_for(&pty, "only-one");
	black_hole(w.sims[0]);
	every_screen_opens(&pty);
	pty_type(&pty, ":context two\r");
	pty_wait_for(&pty, "@ two ");
	pty_wait_for(&pty, "only-two");
	pty_wait_gone(&pty, "only-one");
	every_screen_opens(&pty);
	pty_type(&pty, ":context one\r");
	pty_wait_for(&pty, "@ one ");
	pty_wait_gone(&pty, "only-two");
	every_screen_opens(&pty);
	pty_type(&pty, ":context two\r");
	pty_wait_for(&pty, "only-two");
	lift(w.sims[0]);
	began = clock_now_ms(NULL);
	pty_type(&pty, ":context one\r");
	pty_wait_for(&pty, "only-one");
	assert_in_range(clock_now_ms(NULL) - began, 0, 2 * BACK_MS); /* 5 s, and as much for a busy machine; in process it is exact */
	black_hole(w.sims[0]);
	black_hole(w.sims[1]);
	pty_type(&pty, ":context two\r");
	pty_wait_for(&pty, "@ two ");
	began = clock_now_ms(NULL);
	pty_type(&pty, "Q");
	assert_int_equal(pty_finish(&pty), 0);
	assert_in_range(clock_now_ms(NULL) - began, 0, 5000);
	pty_release(&pty);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_other_cluster_is_on_the_screens_at_once_and_nothing_of_the_first),
		cmocka_unit_test(a_cluster_that_hangs_is_left_for_another_and_come_back_to),
		cmocka_unit_test(the_kind_that_is_browsed_is_browsed_there_too),
		cmocka_unit_test(each_context_is_listed_with_its_server_and_found_by_the_palette),
		cmocka_unit_test(equal_commands_name_the_context),
		cmocka_unit_test(a_change_that_is_under_way_is_named_and_reaches_the_old_cluster_no_more),
		cmocka_unit_test(a_change_that_is_being_prepared_does_not_ask_on_the_other_cluster),
		cmocka_unit_test(port_forwards_are_named_before_they_end_and_stay_on_a_no),
		cmocka_unit_test(a_context_that_cannot_be_opened_is_said_and_the_old_one_stays),
		cmocka_unit_test(a_job_and_a_recording_keep_the_cluster_and_say_so),
		cmocka_unit_test(of_two_choices_the_last_counts_and_a_plugin_keeps_nobody),
		cmocka_unit_test(a_black_hole_is_left_by_the_palette_and_the_program_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
