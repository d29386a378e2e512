/*
 * Hostile text in every string that a cluster can hold (F27): whatever screen shows it, nothing but the program's own sequences is
 * written. A terminal that obeyed one of these would change its title, clear itself, hide or turn around what is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pty_program.h"
#include "sim/sim.h"

/* As JSON: OSC title, clear, C1 CSI, direction and zero width, carriage return, backspace, DCS, cursor report, colours, marks, DEL. */
#define EVIL                                                                                                                                       \
	"EVIL\\u001b]0;owned\\u0007\\u001b]52;c;b3duZWQ=\\u0007\\u001b[2J\\u001b[1;1H\\u009b31m\\u202egnirts\\u2066\\u200b\\rover\\b\\b\\u001bP+q544e"  \
	"\\u001b\\\\\\u001b[6n\\u001b[?1049l\\u001b[31;5;8mred\\u001b]8;;http://evil\\u001b\\\\\\u0007\\u000e\\u007fe\\u0301\\u0302\\u0303\\u0000z"

static void post(struct sim *sim, const char *path, const char *body)
{
	unsigned status = 0;
	AUTO_FREE char *answer = sim_request(sim, "POST", path, "application/json", body, &status);

	if (status != 201)
		fail_msg("%s: %u: %s", path, status, answer);
}

/* A workload that fails with a message, one that logs, a ConfigMap, an Event: all in a namespace that becomes an environment. */
static void fill(struct sim *sim)
{
	post(sim, "/api/v1/namespaces", "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"evil\",\"annotations\":{\"note\":\"" EVIL "\"}}}");
	post(sim, "/apis/apps/v1/namespaces/evil/deployments",
	     "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"crash\",\"annotations\":{\"note\":\"" EVIL "\"}},\"spec\":{\"replicas\":1,"
	     "\"selector\":{\"matchLabels\":{\"app\":\"crash\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"crash\"},\"annotations\":{\"testbed/fault\":\"crashloop\","
	     "\"testbed/log-line\":\"" EVIL "\",\"testbed/crash-log\":\"" EVIL "\",\"testbed/termination\":\"" EVIL "\"}},\"spec\":{\"containers\":[{\"name\":\"crash\",\"image\":"
	     "\"registry.example.test/crash:1\",\"env\":[{\"name\":\"A\",\"value\":\"" EVIL "\"}],\"command\":[\"" EVIL "\"]}]}}}}");
	post(sim, "/apis/apps/v1/namespaces/evil/deployments",
	     "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"chatty\"},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":\"chatty\"}},"
	     "\"template\":{\"metadata\":{\"labels\":{\"app\":\"chatty\"},\"annotations\":{\"testbed/log-rate\":\"20\",\"testbed/log-line\":\"" EVIL " {n}\"}},\"spec\":{"
	     "\"containers\":[{\"name\":\"chatty\",\"image\":\"registry.example.test/chatty:1\"}]}}}}");
	post(sim, "/api/v1/namespaces/evil/configmaps",
	     "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"settings\",\"annotations\":{\"note\":\"" EVIL "\"}},\"data\":{\"key\":\"" EVIL "\"}}");
	post(sim, "/api/v1/namespaces/evil/events",
	     "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"crash.1\"},\"type\":\"Warning\",\"reason\":\"" EVIL "\",\"message\":\"" EVIL "\","
	     "\"source\":{\"component\":\"" EVIL "\"},\"count\":3,\"lastTimestamp\":\"2030-01-01T00:00:00Z\",\"involvedObject\":{\"apiVersion\":\"apps/v1\","
	     "\"kind\":\"Deployment\",\"namespace\":\"evil\",\"name\":\"crash\"}}");
}

struct evil {
	struct sim *sim;
	struct pty pty;
	char kubeconfig[64];
};

static void evil_begin(struct evil *e, const char *open, const char *what)
{
	AUTO_RELEASE(error) err = { 0 };

	*e = (struct evil){ .kubeconfig = "/tmp/slotdeck-evil-XXXXXX" };
	int fd = mkstemp(e->kubeconfig);

	assert_true(fd >= 0);
	close(fd);
	e->sim = sim_start(&(struct sim_options){ .kubeconfig = e->kubeconfig, .speed = 10 }, &err);
	if (!e->sim)
		fail_msg("%s", err.message);
	fill(e->sim);
	sim_wait_idle(e->sim, 5000);
	const char *const argv[] = { NULL, "--kubeconfig", e->kubeconfig, "-n", "evil", open, what, NULL };

	pty_start(&e->pty, &(struct pty_options){ .cols = 160, .rows = 45, .argv = argv, .folder = "/tmp" });
}

/* Looks a while at what comes; what must come says that there is something to see. */
static void look_at(struct evil *e, const char *keys, const char *must_come)
{
	pty_type(&e->pty, keys);
	pty_wait_for(&e->pty, must_come);
	for (int i = 0; i < 10; i++)
		pty_pump(&e->pty);
	pty_check_repertoire(&e->pty);
}

static void evil_end(struct evil *e)
{
	pty_type(&e->pty, "Q");
	assert_int_equal(pty_finish(&e->pty), 0);
	pty_check_repertoire(&e->pty);
	pty_release(&e->pty);
	sim_stop(e->sim);
	unlink(e->kubeconfig);
}

static void objects_of_any_kind_are_shown_without_obeying_them(void **state)
{
	struct evil e;

	(void)state;
	evil_begin(&e, "--open", "deployments/crash");
	look_at(&e, "", "crash");
	look_at(&e, "m", "EVIL");
	look_at(&e, "e", "EVIL");
	look_at(&e, ":events\r", "EVIL");
	look_at(&e, "\r", "EVIL");
	look_at(&e, "\033", "EVIL");
	look_at(&e, ":configmaps\r", "settings");
	look_at(&e, "/settings\r\r", "settings");
	look_at(&e, "m", "EVIL");
	evil_end(&e);
}

static void logs_keep_colours_and_nothing_else(void **state)
{
	struct evil e;

	(void)state;
	evil_begin(&e, "--open", "deployments/chatty");
	look_at(&e, "l", "EVIL");
	look_at(&e, "W", "EVIL"); /* wrapped */
	look_at(&e, "/red\r", "EVIL");
	look_at(&e, "J", "EVIL");
	evil_end(&e);
}

static void environments_say_why_without_obeying_it(void **state)
{
	struct evil e;

	(void)state;
	evil_begin(&e, "--screen", "envs");
	look_at(&e, "", "evil");
	look_at(&e, "w", "EVIL");
	look_at(&e, "\033", "evil");
	look_at(&e, "3", "crash");
	look_at(&e, "\r", "EVIL");
	evil_end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_of_any_kind_are_shown_without_obeying_them),
		cmocka_unit_test(logs_keep_colours_and_nothing_else),
		cmocka_unit_test(environments_say_why_without_obeying_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
