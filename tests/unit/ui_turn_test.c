/*
 * How long the main thread works between two looks at the keys: whatever the server does, and whatever is typed over ten thousand rows or
 * as many log lines as are kept, no turn takes more of the processor than a frame has time. The thread's own processor time is measured, so
 * that what else runs on the machine does not count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "kube_bed.h"
#include "model/log_store.h"
#include "ui/state.h"
#include "ui/term.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TURN_US 400000
#define PODS	1000
#define LOG_LINES 20000
#else
#define TURN_US 24000 /* what is optimised takes less than half of it: a frame has 16 ms */
#define PODS	10000
#define LOG_LINES 200000
#endif
#define BUDGET_MS 2 /* as the loop has it */
#define LIMIT_MS  60000
#define PER_DEPLOYMENT 10

struct bench {
	struct kube_bed bed;
	struct live *live;
	struct browse *browse;
	struct app_options options;
	struct app app;
	char state[32];
	int64_t longest_us;
	const char *doing;
};

static int64_t cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void judge(struct bench *b, int64_t begun_us, const char *what)
{
	int64_t took_us = cpu_us() - begun_us;

	if (took_us > b->longest_us)
		b->longest_us = took_us;
	if (took_us > TURN_US)
		print_error("%s: %s took %d us\n", b->doing, what, (int)took_us);
}

/* As the loop of the program: what came, then a frame. */
static void turn(struct bench *b)
{
	int64_t begun_us = cpu_us();

	app_poll(&b->app, BUDGET_MS);
	judge(b, begun_us, "taking in");
	begun_us = cpu_us();
	app_draw(&b->app);
	judge(b, begun_us, "drawing");
}

static void turns_of(struct bench *b, int64_t ms)
{
	for (int64_t due_ms = clock_now_ms(NULL) + ms; clock_now_ms(NULL) < due_ms; usleep(500))
		turn(b);
}

static void begin(struct bench *b, const char *doing)
{
	b->doing = doing;
	b->longest_us = 0;
}

static void end(struct bench *b)
{
	print_message("%-40s %6d us\n", b->doing, (int)b->longest_us);
	assert_in_range(b->longest_us, 0, TURN_US);
}

static void press(struct bench *b, const char *keys)
{
	struct str rest = str_of(keys);
	uint32_t key;

	while (utf8_next(&rest, &key)) {
		int64_t begun_us = cpu_us();

		app_key(&b->app, key == '\r' ? KEY_TERM_ENTER : key == 27 ? KEY_TERM_ESCAPE : key);
		judge(b, begun_us, "a key");
		turn(b);
		turn(b);
	}
}

static bool shows(struct bench *b, const char *text)
{
	AUTO_RELEASE(buf) shown = BUF_INIT(0);

	canvas_dump_text(b->app.canvas, &shown);
	return strstr(buf_cstr(&shown), text) != NULL;
}

static void turns_until(struct bench *b, const char *text)
{
	for (int64_t due_ms = clock_now_ms(NULL) + LIMIT_MS; !shows(b, text); usleep(500)) {
		turn(b);
		if (clock_now_ms(NULL) > due_ms)
			fail_msg("\"%s\" did not come", text);
	}
}

/* ---- the cluster ---- */

static void send(struct bench *b, const char *method, const char *path, const char *json)
{
	free(kube_bed_send(&b->bed, method, path, json));
}

static void make_pods(struct bench *b, int n)
{
	for (int i = 0; i < n; i++) {
		AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'load-%d-%05d','labels':{'app':'load-%d'}},'spec':{'nodeName':'node-%d',"
						 "'containers':[{'name':'main','image':'registry.example.test/load:%d'}]}}",
						 i % 97, i, i / PER_DEPLOYMENT, i % 3 + 1, i % 7);

		send(b, "POST", "/api/v1/namespaces/shop/pods", json);
	}
}

static void change_pods(struct bench *b, int from, int n)
{
	for (int i = from; i < from + n; i++) {
		AUTO_FREE char *path = xasprintf("/api/v1/namespaces/shop/pods/load-%d-%05d/status", i % PODS % 97, i % PODS);
		AUTO_FREE char *json = xasprintf("{'status':{'phase':'Running','containerStatuses':[{'name':'main','ready':true,'restartCount':%d,'image':'x','state':{'running':"
						 "{'startedAt':'2026-07-14T03:20:00Z'}}}]}}", i);

		send(b, "PATCH", path, json);
	}
}

static void open_bench(struct bench *b)
{
	*b = (struct bench){ .state = "/tmp/turns-XXXXXX" };
	assert_non_null(mkdtemp(b->state));
	setenv("XDG_STATE_HOME", b->state, 1);
	b->bed = kube_bed_create(&(struct kube_bed_options){ .features_off = "controllers" });
	kube_bed_namespace(&b->bed, "shop");
	send(b, "POST", "/api/v1/namespaces/shop/serviceaccounts", "{'apiVersion':'v1','kind':'ServiceAccount','metadata':{'name':'default'}}");
	b->live = live_create(&(struct live_options){ .watcher = { .net = b->bed.net, .http = kube_http(b->bed.kube) }, .envs = { .project = "shop" } });
	b->browse = browse_create(&(struct browse_options){ .kube = b->bed.kube });
	b->options = (struct app_options){ .project = "shop", .cluster = { .name = "test", .live = b->live, .browse = b->browse, .kube = b->bed.kube } };
}

static void open_app(struct bench *b)
{
	app_init(&b->app, &b->options, 120, 40);
}

static void close_bench(struct bench *b)
{
	AUTO_FREE char *command = xasprintf("rm -rf %s", b->state);

	app_release(&b->app);
	browse_destroy(b->browse);
	live_destroy(b->live);
	kube_bed_release(&b->bed);
	assert_int_equal(system(command), 0);
}

/* ---- tests ---- */

static void ten_thousand_rows_never_hold_the_keys_up(void **state)
{
	static const char *const sorts[] = { ">", ">", ">", ">", ">", ">", "i" };
	AUTO_FREE char *all = xasprintf("%d of %d  live", PODS, PODS);
	struct bench b;

	(void)state;
	open_bench(&b);
	make_pods(&b, PODS);
	open_app(&b);
	begin(&b, "the first lists");
	turns_until(&b, "live");
	press(&b, ":pods\r");
	turns_until(&b, all);
	end(&b);
	begin(&b, "sorting by each column");
	for (size_t i = 0; i < ARRAY_LEN(sorts); i++)
		press(&b, sorts[i]);
	end(&b);
	begin(&b, "moving and marking");
	press(&b, "GgjjjG*vg*");
	end(&b);
	begin(&b, "a filter, letter by letter");
	press(&b, "/load-9\r");
	press(&b, "\033");
	end(&b);
	begin(&b, "the palette, letter by letter");
	press(&b, ":load9\033");
	end(&b);
	begin(&b, "a flood of changes");
	for (int i = 0; i < 20; i++) {
		change_pods(&b, i * 200, 200);
		turns_of(&b, 5);
	}
	end(&b);
	close_bench(&b);
}

static void no_fault_of_the_server_holds_the_keys_up(void **state)
{
	static const struct {
		const char *name, *faults;
	} rows[] = {
		{ "a black hole", "[{'path':'.','action':'hang'}]" },
		{ "5 s for each answer", "[{'path':'.','action':'delay','ms':5000}]" },
		{ "lists of 100 MB", "[{'path':'limit=','action':'flood','bytes':100000000}]" },
		{ "lists that drip", "[{'path':'limit=','action':'drip','bytes':1,'ms':5}]" },
		{ "garbage", "[{'path':'limit=','action':'garbage','body':'{\\'items\\':[[[[[[[[[[{{{{{{'}]" },
		{ "refusals", "[{'path':'.','status':403}]" },
	};
	struct bench b;

	(void)state;
	open_bench(&b);
	make_pods(&b, 500);
	open_app(&b);
	turns_until(&b, "live");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		begin(&b, rows[i].name);
		kube_bed_faults(&b.bed, rows[i].faults);
		sim_forget_history(b.bed.sim);
		turns_of(&b, 1500);
		end(&b);
		kube_bed_faults(&b.bed, "[]");
	}
	close_bench(&b);
}

static void a_flood_of_log_lines_never_holds_the_keys_up(void **state)
{
	struct bench b;

	(void)state;
	open_bench(&b);
	sim_set_feature(b.bed.sim, "controllers", true);
	for (int i = 0; i < 4; i++) {
		AUTO_FREE char *json = xasprintf("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'loud-%d','annotations':{'testbed/log-rate':'100000',"
						 "'testbed/log-line':'level=info request {n} served in {n} us by a server with a line of the usual length'}},"
						 "'spec':{'containers':[{'name':'main','image':'registry.example.test/loud:1'}]}}", i);

		send(&b, "POST", "/api/v1/namespaces/shop/pods", json);
	}
	sim_wait_idle(b.bed.sim, 5000);
	open_app(&b);
	turns_until(&b, "live");
	begin(&b, "a flood of log lines");
	press(&b, "l");
	turns_until(&b, "request 1");
	while (log_store_end(logs_store(b.app.logs.logs)) < LOG_LINES)
		turns_of(&b, 50);
	end(&b);
	begin(&b, "a filter over it, letter by letter");
	press(&b, "&request .*9 us\r");
	turns_of(&b, 300);
	end(&b);
	begin(&b, "a search in it");
	press(&b, "/9999999\r");
	turns_of(&b, 300);
	press(&b, "nNnN");
	end(&b);
	begin(&b, "ends, wrapping, columns");
	press(&b, "gGWFgGWF");
	end(&b);
	close_bench(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_rows_never_hold_the_keys_up),
		cmocka_unit_test(no_fault_of_the_server_holds_the_keys_up),
		cmocka_unit_test(a_flood_of_log_lines_never_holds_the_keys_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
