/* M and B: from the key to tags in a registry, in process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "held_request.h"
#include "kube_bed.h"
#include "model/stack.h"
#include "sim/registry.h"
#include "ui/canvas.h"
#include "ui/term.h"
#include "ui/state.h"

enum { LIMIT_MS = 30000 };

struct deck {
	struct kube_bed bed;
	struct sim_registry *registry;
	struct live *live;
	struct browse *browse;
	struct mirror_options mirror;
	struct build_options build;
	struct app_options options;
	struct app app;
	char state[32];
};

static bool open_target(const char *env, int64_t slot, struct app_target *ret, struct error *err, void *arg)
{
	struct deck *deck = arg;
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	const char *host = sim_registry_host(deck->registry);
	AUTO_FREE char *yaml = xasprintf("project: shop\nnamespace: {patterns: {ai-staging: shop-ai-staging}}\nenvironments: {ai-staging: {}}\nimages:\n"
					 "  web: {type: external, from: '%s/src/web:1', local: '%s/dst/web:1'}\n"
					 "  api: {type: build, repository: '%s/dst/api', tag: '1', context: project, dockerfile: project/Dockerfile}\n",
					 host, host, host);
	AUTO_FREE char *config = path_join(deck->state, "services.yaml");
	struct stack_options options = { .config = config, .text = str_of(yaml), .env = env, .slot = slot };
	struct stack *stack;

	if (!stack_load(&options, &stack, &diags, err))
		return false;
	deck->mirror = (struct mirror_options){ .login_file = "/dev/null/none" };
	deck->build = (struct build_options){ .login_file = "/dev/null/none", .look_ms = 20 };
	*ret = (struct app_target){ .context = { .net = deck->bed.net, .kube = deck->bed.kube, .stack = stack },
				    .options = { .mirror = &deck->mirror, .build = &deck->build },
				    .handle = stack };
	return true;
}

static void close_target(struct app_target *target, void *arg)
{
	(void)arg;
	stack_destroy(target->handle);
}

static void open_deck(struct deck *deck, bool read_only, struct held_request *held)
{
	static const uint64_t layers[] = { 9000000, 2000, 0 };
	AUTO_RELEASE(error) err = { 0 };

	*deck = (struct deck){ .state = "/tmp/ui-images-XXXXXX" };
	assert_non_null(mkdtemp(deck->state));
	setenv("XDG_STATE_HOME", deck->state, 1);
	deck->registry = sim_registry_start(
		&(struct sim_registry_options){ .no_mounts = true, .on_request = held ? held_request_arrives : NULL, .arg = held }, &err);
	assert_non_null(deck->registry);
	free(sim_registry_add_image(deck->registry, "src/web", "1", layers, 5));
	deck->bed = kube_bed_create(&(struct kube_bed_options){ .registry = deck->registry });
	kube_bed_namespace(&deck->bed, "shop-ai-staging");
	deck->live = live_create(&(struct live_options){ .watcher = { .net = deck->bed.net, .http = kube_http(deck->bed.kube) }, .envs = { .project = "shop" } });
	envs_add_place(live_envs(deck->live), "ai-staging", 0, "shop-ai-staging");
	live_add_namespace(deck->live, "shop-ai-staging");
	deck->browse = browse_create(&(struct browse_options){ .kube = deck->bed.kube });
	deck->options = (struct app_options){ .project = "shop",
					      .cluster = { .name = "test", .live = deck->live, .browse = deck->browse, .kube = deck->bed.kube },
					      .read_only = read_only,
					      .open_target = open_target,
					      .close_target = close_target,
					      .arg = deck };
	app_init(&deck->app, &deck->options, 120, 40);
}

static void close_deck(struct deck *deck)
{
	AUTO_FREE char *command = xasprintf("rm -rf %s", deck->state);

	app_release(&deck->app);
	browse_destroy(deck->browse);
	live_destroy(deck->live);
	kube_bed_release(&deck->bed);
	sim_registry_stop(deck->registry);
	assert_int_equal(system(command), 0);
}

static bool shows(struct deck *deck, const char *text)
{
	AUTO_RELEASE(buf) shown = BUF_INIT(0);

	app_draw(&deck->app);
	canvas_dump_text(deck->app.canvas, &shown);
	return strstr(buf_cstr(&shown), text) != NULL;
}

static void await(struct deck *deck, const char *text)
{
	int64_t due_ms = clock_now_ms(NULL) + LIMIT_MS;

	while (!shows(deck, text)) {
		if (clock_now_ms(NULL) > due_ms) {
			AUTO_RELEASE(buf) shown = BUF_INIT(0);

			canvas_dump_text(deck->app.canvas, &shown);
			fail_msg("\"%s\" never came:\n%s", text, buf_cstr(&shown));
		}
		app_poll(&deck->app, 0);
		usleep(2000);
	}
}

static void type(struct deck *deck, const char *keys)
{
	for (; *keys; keys++) {
		app_key(&deck->app, *keys == '\r' ? KEY_TERM_ENTER : (uint32_t)*keys);
		app_draw(&deck->app);
	}
}

/* command: what RUN in its Dockerfile does. */
static void put_project(struct deck *deck, const char *command)
{
	AUTO_FREE char *path = xasprintf("%s/project/Dockerfile", deck->state), *folder = path_folder(path);
	AUTO_FREE char *text = xasprintf("FROM node:22\nRUN %s\n", command);
	AUTO_RELEASE(error) err = { 0 };

	assert_true(file_make_folders(folder, 0700, &err));
	assert_true(file_write_atomic(path, str_of(text), 0600, &err));
}

static bool is_built(struct deck *deck)
{
	AUTO_FREE char *tag = sim_registry_tag(deck->registry, "dst/api", "1");

	return tag != NULL;
}

static bool has_jobs(struct deck *deck)
{
	AUTO_FREE char *jobs = kube_bed_send(&deck->bed, "GET", "/apis/batch/v1/namespaces/shop-ai-staging/jobs", NULL);

	return strstr(jobs, "\"build-") != NULL;
}

static bool is_mirrored(struct deck *deck)
{
	AUTO_FREE char *tag = sim_registry_tag(deck->registry, "dst/web", "1");

	return tag != NULL;
}

static void m_looks_then_asks_for_the_name_then_mirrors(void **state)
{
	struct deck deck;

	(void)state;
	open_deck(&deck, false, NULL);
	await(&deck, "ai-staging");
	type(&deck, "M");
	await(&deck, "looked: M asks before it mirrors");
	assert_true(shows(&deck, "0 of 3 blobs there"));
	assert_int_equal(sim_registry_count(deck.registry, "POST", NULL), 0);
	type(&deck, "M");
	assert_true(shows(&deck, "copies web: 8.6 MiB to send"));
	type(&deck, "wrong\r");
	assert_false(is_mirrored(&deck));
	while (deck.app.dialog.kind)
		app_key(&deck.app, KEY_TERM_ESCAPE);
	type(&deck, "M");
	type(&deck, "ai-staging\r");
	await(&deck, "1 image mirrored");
	assert_true(is_mirrored(&deck));
	type(&deck, "M");
	await(&deck, "looked: M asks before it mirrors");
	type(&deck, "M");
	assert_true(shows(&deck, "nothing to mirror"));
	close_deck(&deck);
}

static void c_cancels_and_says_what_stays(void **state)
{
	struct held_request held = { HELD_REQUEST_INIT, .method = "GET", .path = "/src/web/blobs/" }; /* it can't end before */
	struct deck deck;

	(void)state;
	open_deck(&deck, false, &held);
	await(&deck, "ai-staging");
	type(&deck, "M");
	await(&deck, "looked: M asks before it mirrors");
	type(&deck, "M");
	type(&deck, "ai-staging\r");
	await(&deck, "mirroring");
	type(&deck, "c");
	assert_true(shows(&deck, "no tag is left broken"));
	type(&deck, "y");
	await(&deck, "cancelled: 0 images mirrored");
	AUTO_FREE char *broken = sim_registry_broken(deck.registry);

	assert_string_equal(broken, "");
	assert_false(is_mirrored(&deck));
	held_request_let_go(&held);
	close_deck(&deck);
}

static void read_only_looks_and_no_more(void **state)
{
	struct deck deck;

	(void)state;
	open_deck(&deck, true, NULL);
	await(&deck, "ai-staging");
	type(&deck, "M");
	await(&deck, "looked: M asks before it mirrors");
	type(&deck, "M");
	assert_true(shows(&deck, "read-only: nothing is mirrored"));
	assert_int_equal(sim_registry_count(deck.registry, "POST", NULL), 0);
	close_deck(&deck);
}

static void b_looks_then_asks_for_the_name_then_builds(void **state)
{
	struct deck deck;

	(void)state;
	open_deck(&deck, false, NULL);
	put_project(&deck, "npm ci");
	await(&deck, "ai-staging");
	type(&deck, "B");
	await(&deck, "looked: B asks before it builds");
	assert_true(shows(&deck, "1 file, "));
	type(&deck, "B");
	assert_true(shows(&deck, "builds api: 1 file, "));
	type(&deck, "wrong\r");
	assert_false(has_jobs(&deck));
	while (deck.app.dialog.kind)
		app_key(&deck.app, KEY_TERM_ESCAPE);
	type(&deck, "B");
	type(&deck, "ai-staging\r");
	await(&deck, "api | INFO[0000] RUN npm ci");
	await(&deck, "1 image built");
	assert_true(is_built(&deck));
	assert_false(has_jobs(&deck));
	close_deck(&deck);
}

static void c_cancels_a_build_and_its_job_is_away(void **state)
{
	struct deck deck;

	(void)state;
	open_deck(&deck, false, NULL);
	put_project(&deck, "sleep 100000"); /* it can't end before */
	await(&deck, "ai-staging");
	type(&deck, "B");
	await(&deck, "looked: B asks before it builds");
	type(&deck, "B");
	type(&deck, "ai-staging\r");
	await(&deck, "stage 1 of 1: sleep 100000");
	type(&deck, "c");
	assert_true(shows(&deck, "the Jobs of builds are removed"));
	type(&deck, "y");
	await(&deck, "cancelled: 0 images built");
	assert_false(has_jobs(&deck));
	assert_false(is_built(&deck));
	close_deck(&deck);
}

static void what_m_looked_at_is_not_built_by_b(void **state)
{
	struct deck deck;

	(void)state;
	open_deck(&deck, false, NULL);
	put_project(&deck, "npm ci");
	await(&deck, "ai-staging");
	type(&deck, "M");
	await(&deck, "looked: M asks before it mirrors");
	type(&deck, "B");
	await(&deck, "looked: B asks before it builds");
	assert_false(deck.app.dialog.kind);
	close_deck(&deck);
}

static void read_only_looks_at_what_is_to_be_built_and_no_more(void **state)
{
	struct deck deck;

	(void)state;
	open_deck(&deck, true, NULL);
	put_project(&deck, "npm ci");
	await(&deck, "ai-staging");
	type(&deck, "B");
	await(&deck, "looked: B asks before it builds");
	type(&deck, "B");
	assert_true(shows(&deck, "read-only: nothing is built"));
	assert_false(has_jobs(&deck));
	close_deck(&deck);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(m_looks_then_asks_for_the_name_then_mirrors),
		cmocka_unit_test(c_cancels_and_says_what_stays),
		cmocka_unit_test(read_only_looks_and_no_more),
		cmocka_unit_test(b_looks_then_asks_for_the_name_then_builds),
		cmocka_unit_test(c_cancels_a_build_and_its_job_is_away),
		cmocka_unit_test(what_m_looked_at_is_not_built_by_b),
		cmocka_unit_test(read_only_looks_at_what_is_to_be_built_and_no_more),
	};

	return cmocka_run_group_tests_name("ui images", tests, NULL, NULL);
}
