/*
 * Hostile text in every string that a cluster can hold (F27): whatever screen shows it, nothing but the program's own sequences is
 * written. A terminal that obeyed one of these would change its title, clear itself, hide or turn around what is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
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

/* ---- every string of every object ---- */

/* Without these nothing would be shown at all. */
static bool is_spared(const char *key, struct str value)
{
	static const char *const keys[] = { "apiVersion", "kind", "uid", "resourceVersion" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return value.len > 10 && isdigit((unsigned char)value.p[0]) && value.p[4] == '-' && value.p[7] == '-'; /* a time */
}

/* What holds objects together, so that they become environments, workloads and causes. */
static bool is_structure(const char *key)
{
	static const char *const keys[] = { "name", "namespace", "phase", "status", "type", "reason", "labels", "matchLabels", "selector", "data", "ownerReferences", "involvedObject" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

static json_t *evil_string(struct str before)
{
	json_t *evil = json_loads("\"" EVIL "\"", JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL), *whole;
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	buf_add(&text, before.p, before.len);
	buf_add(&text, json_string_value(evil), json_string_length(evil));
	whole = json_stringn(text.p, text.len);
	json_decref(evil);
	return whole;
}

static json_t *poisoned(const json_t *value, const char *key, bool keep_structure);

/* Names of labels, annotations and files are strings of the cluster, too. */
static json_t *poisoned_object(const json_t *value, const char *key, bool keep_structure)
{
	bool names_too = strcmp(key, "annotations") == 0 || strcmp(key, "data") == 0 || strcmp(key, "labels") == 0;
	json_t *result = json_object(), *one;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)value, name, one) {
		AUTO_FREE char *evil = names_too && !keep_structure ? xasprintf("%s\033]0;owned\a\033[2J", name) : xstrdup(name);
		bool kept = keep_structure && is_structure(name) && !(json_is_object(one) && strcmp(name, "status") == 0);

		json_object_set_new(result, evil, kept ? json_deep_copy(one) : poisoned(one, name, keep_structure));
	}
	return result;
}

static json_t *poisoned(const json_t *value, const char *key, bool keep_structure)
{
	struct str text = { json_string_value(value), json_string_length(value) };

	if (json_is_object(value))
		return poisoned_object(value, key, keep_structure);
	if (json_is_array(value)) {
		json_t *result = json_array();

		for (size_t i = 0; i < json_array_size(value); i++)
			json_array_append_new(result, poisoned(json_array_get(value, i), key, keep_structure));
		return result;
	}
	return json_is_string(value) && !is_spared(key, text) ? evil_string(text) : json_deep_copy(value);
}

/* The genuine answer to path, poisoned, for all requests that match pattern. */
static void add_rule(struct sim *sim, json_t *rules, const char *path, const char *pattern, bool keep_structure)
{
	unsigned status = 0;
	AUTO_FREE char *answer = sim_request(sim, "GET", path, NULL, NULL, &status);
	json_t *genuine = json_loads(answer, 0, NULL), *evil;

	if (status != 200 || !genuine)
		fail_msg("%s: %u: %s", path, status, answer);
	evil = poisoned(genuine, "", keep_structure);
	AUTO_FREE char *body = json_dumps(evil, 0);

	json_array_append_new(rules, json_pack("{s:s,s:s,s:i,s:s,s:s}", "method", "GET", "path", pattern, "status", 200, "body", body, "contentType", "application/json"));
	json_decref(evil);
	json_decref(genuine);
}

static void set_rules(struct sim *sim, json_t *rules)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *text = json_dumps(rules, 0);

	if (!sim_set_faults(sim, text, &err))
		fail_msg("%s", err.message);
	json_decref(rules);
}

static void poison_lists(struct sim *sim, bool keep_structure)
{
	static const char *const paths[] = { "/api/v1/pods", "/apis/apps/v1/deployments", "/apis/apps/v1/replicasets", "/apis/apps/v1/statefulsets", "/apis/apps/v1/daemonsets",
					     "/apis/batch/v1/jobs", "/apis/batch/v1/cronjobs", "/api/v1/persistentvolumeclaims", "/api/v1/services", "/api/v1/configmaps",
					     "/apis/networking.k8s.io/v1/ingresses", "/api/v1/events", "/apis/storage.k8s.io/v1/storageclasses", "/api/v1/namespaces", "/api/v1/nodes" };
	json_t *rules = json_array();

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO_FREE char *pattern = xasprintf("^%s[?]limit=", paths[i]);

		add_rule(sim, rules, paths[i], pattern, keep_structure);
	}
	add_rule(sim, rules, "/version", "^/version", false);
	add_rule(sim, rules, "/apis/apps/v1/namespaces/shop-dev-2/deployments/api", "^/apis/apps/v1/namespaces/shop-dev-2/deployments/api$", false);
	add_rule(sim, rules, "/apis/metrics.k8s.io/v1beta1/pods", "^/apis/metrics.k8s.io/v1beta1/pods", keep_structure);
	set_rules(sim, rules);
}

/* As a server prints rows: titles, descriptions and cells. */
static void poison_tables(struct sim *sim)
{
	static const char table[] =
		"{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"1\"},\"columnDefinitions\":["
		"{\"name\":\"Name\",\"type\":\"string\",\"format\":\"name\",\"description\":\"" EVIL "\",\"priority\":0},"
		"{\"name\":\"" EVIL "\",\"type\":\"" EVIL "\",\"format\":\"" EVIL "\",\"description\":\"\",\"priority\":0}],"
		"\"rows\":[{\"cells\":[\"" EVIL "\",\"" EVIL "\"],\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{"
		"\"name\":\"" EVIL "\",\"namespace\":\"" EVIL "\",\"uid\":\"1\",\"resourceVersion\":\"1\",\"creationTimestamp\":\"2026-07-14T01:33:20Z\"}}}]}";
	json_t *rules = json_array();

	json_array_append_new(rules, json_pack("{s:s,s:s,s:i,s:s,s:s}", "method", "GET", "path", "^/api/v1/(pods|secrets|nodes)[?]limit=", "status", 200, "body", table,
					       "contentType", "application/json"));
	set_rules(sim, rules);
}

static void poison_errors(struct sim *sim)
{
	static const char status[] = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"" EVIL "\",\"reason\":\"" EVIL "\","
				     "\"details\":{\"name\":\"" EVIL "\",\"kind\":\"" EVIL "\",\"causes\":[{\"reason\":\"" EVIL "\",\"message\":\"" EVIL "\",\"field\":\"" EVIL "\"}]},\"code\":422}";
	json_t *rules = json_array(), *plain = evil_string(STR("not JSON: "));

	json_array_append_new(rules, json_pack("{s:s,s:s,s:i,s:s,s:s}", "method", "GET", "path", "/(pods|events|deployments)", "status", 422, "body", status, "contentType", "application/json"));
	json_array_append_new(rules, json_pack("{s:s,s:i,s:O,s:s}", "path", "(services|jobs|ingresses|configmaps)", "status", 500, "body", plain, "contentType", "text/html"));
	json_array_append_new(rules, json_pack("{s:s,s:s,s:i,s:s,s:s}", "method", "PATCH", "path", ".", "status", 422, "body", status, "contentType", "application/json"));
	set_rules(sim, rules);
	json_decref(plain);
}

/* Every screen, every tab, and what changes something, up to its question. */
static void walk(struct evil *e)
{
	static const char *const keys[] = { "w", "\033", "e", "\033", "d", "\033", "!", "2", "jj", "\r", "\033", "3", "j\r", "e", "m", "d", "H", "\033", "\033", "4", "\r", "m", "O", "\033", "\033",
					    "6", "5", "1", ":deployments\r", "j\r", "m", "e", "O", "d", "H", "\033", "\033", ":pods\r", "\r", "m", "e", "O", "\033", ">", "i", "/evil\r", "\033",
					    ":events\r", "\r", "m", "\033", ":namespaces\r", "\r", "\033", ":secrets\r", "\r", "b", "\033", ":nodes\r", "\r", "\033", ":EVIL", "\033", "Y", "y", "\033",
					    "a", "\033", "R", "\033", "3jR", "\033", "D", "\033", "1l", "\033", "1A", "?", "\033", "@", "\033", "J", "\033", "\f" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		pty_type(&e->pty, keys[i]);
		pty_settle(&e->pty);
		for (int k = 0; k < 3; k++)
			pty_pump_for(&e->pty, 15);
	}
}

static void poison_everything(struct sim *sim)
{
	poison_lists(sim, false);
}

static void poison_all_but_structure(struct sim *sim)
{
	poison_lists(sim, true);
}

static void demo_begin(struct evil *e, void (*poison)(struct sim *sim))
{
	AUTO_RELEASE(error) err = { 0 };

	*e = (struct evil){ .kubeconfig = "/tmp/slotdeck-evil-XXXXXX" };
	close(mkstemp(e->kubeconfig));
	e->sim = sim_start(&(struct sim_options){ .kubeconfig = e->kubeconfig, .scenario = "demo", .features_off = "watchlist" }, &err);
	if (!e->sim)
		fail_msg("%s", err.message);
	sim_wait_idle(e->sim, 5000);
	poison(e->sim);
	const char *const argv[] = { NULL, "--kubeconfig", e->kubeconfig, NULL };

	pty_start(&e->pty, &(struct pty_options){ .cols = 160, .rows = 45, .argv = argv, .folder = "/tmp" });
	pty_wait_for(&e->pty, "[1 Envs]");
}

static void no_string_of_any_object_reaches_the_terminal_as_it_is(void **state)
{
	static const struct {
		const char *name;
		void (*poison)(struct sim *sim);
	} cases[] = { { "every string", poison_everything }, { "all but what holds objects together", poison_all_but_structure }, { "tables", poison_tables }, { "errors", poison_errors } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct evil e;

		print_message("%s\n", cases[i].name);
		demo_begin(&e, cases[i].poison);
		walk(&e);
		if (str_find(buf_str(&e.pty.output), STR("EVIL")) < 0)
			fail_msg("%s: nothing of it was shown", cases[i].name);
		evil_end(&e);
	}
}

/* ---- files and arguments ---- */

#define EVIL_YAML "\"EVIL\\e]0;owned\\a\\e[6n\\eP+q544e\\e\\\\\\u202e\\u200b\\r\\b\\x9b31m\""
#define EVIL_BYTES "EVIL\033]0;owned\a\033[6n\033P+q544e\033\\\342\200\256\233\r\b"

static char *evil_folder(void)
{
	AUTO_FREE char *outer = xstrdup("/tmp/evil-XXXXXX");

	assert_non_null(mkdtemp(outer));
	char *inner = xasprintf("%s/" EVIL_BYTES, outer);

	assert_int_equal(mkdir(inner, 0700), 0);
	return inner;
}

static void write_in(const char *folder, const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
	AUTO_RELEASE(error) err = { 0 };

	if (!file_write_atomic(path, str_of(text), 0600, &err))
		fail_msg("%s", err.message);
}

static void remove_folder(const char *inner)
{
	AUTO_FREE char *command = xasprintf("rm -rf '%.*s'", (int)strlen("/tmp/evil-XXXXXX"), inner);

	assert_int_equal(system(command), 0);
}

/* What the program says on a terminal without a screen, and with one. */
static void files_and_arguments_are_quoted_without_obeying_them(void **state)
{
	AUTO_FREE char *folder = evil_folder();
	const char *const cases[][7] = {
		{ NULL, "validate", NULL },
		{ NULL, "render", "--env", EVIL_BYTES, NULL },
		{ NULL, "status", "--env", "dev", "--kubeconfig", "kubeconfig", NULL },
		{ NULL, "apply", "--env", "dev", "--kubeconfig", EVIL_BYTES, NULL },
		{ NULL, EVIL_BYTES, NULL },
		{ NULL, "--kubeconfig", EVIL_BYTES, NULL },
		{ NULL, "--demo", "--screen", EVIL_BYTES, NULL },
	};

	(void)state;
	write_in(folder, "services.yaml", "project: " EVIL_YAML "\nenvironments: { dev: {}, " EVIL_YAML ": {} }\nnamespace: { patterns: { dev: " EVIL_YAML " } }\n"
					  "services: [{ name: " EVIL_YAML ", manifests: [{ path: " EVIL_YAML " }] }]\n");
	write_in(folder, "kubeconfig", "apiVersion: v1\nkind: Config\ncurrent-context: " EVIL_YAML "\ncontexts: [{ name: " EVIL_YAML ", context: { cluster: " EVIL_YAML ", user: " EVIL_YAML
				       " } }]\nclusters: [{ name: " EVIL_YAML ", cluster: { server: 'http://127.0.0.1:9' } }]\nusers: [{ name: " EVIL_YAML ", user: { token: x } }]\n");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pty pty;

		pty_start(&pty, &(struct pty_options){ .cols = 120, .rows = 40, .argv = cases[i], .folder = folder });
		if (pty_finish(&pty) == 0)
			fail_msg("%s %s succeeds", cases[i][1], cases[i][2] ? cases[i][2] : "");
		if (str_find(buf_str(&pty.output), STR("EVIL")) < 0)
			print_message("%s: says nothing of it\n", cases[i][1]);
		pty_check_repertoire(&pty);
		pty_release(&pty);
	}
	remove_folder(folder);
}

static void a_kubeconfig_of_hostile_names_is_shown_without_obeying_it(void **state)
{
	AUTO_FREE char *folder = evil_folder(), *kubeconfig = xasprintf("%s/kubeconfig", folder);
	const char *const argv[] = { NULL, "--kubeconfig", kubeconfig, NULL };
	struct evil e = { .kubeconfig = "" };
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	e.sim = sim_start(&(struct sim_options){ .scenario = "demo" }, &err);
	assert_non_null(e.sim);
	AUTO_FREE char *text = xasprintf("apiVersion: v1\nkind: Config\ncurrent-context: " EVIL_YAML "\ncontexts: [{ name: " EVIL_YAML ", context: { cluster: " EVIL_YAML ", user: " EVIL_YAML
					 " } }]\nclusters: [{ name: " EVIL_YAML ", cluster: { server: '%s' } }]\nusers: [{ name: " EVIL_YAML ", user: { token: x } }]\n", sim_url(e.sim));

	write_in(folder, "kubeconfig", text);
	pty_start(&e.pty, &(struct pty_options){ .cols = 160, .rows = 45, .argv = argv, .folder = folder });
	pty_wait_for(&e.pty, "EVIL");
	walk(&e);
	evil_end(&e);
	remove_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_of_any_kind_are_shown_without_obeying_them),
		cmocka_unit_test(logs_keep_colours_and_nothing_else),
		cmocka_unit_test(environments_say_why_without_obeying_it),
		cmocka_unit_test(no_string_of_any_object_reaches_the_terminal_as_it_is),
		cmocka_unit_test(files_and_arguments_are_quoted_without_obeying_them),
		cmocka_unit_test(a_kubeconfig_of_hostile_names_is_shown_without_obeying_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
