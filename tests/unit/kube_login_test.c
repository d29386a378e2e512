#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "kube/credential.h"
#include "kube/kubeconfig.h"
#include "wire.h"

#define FIRST_WALL_MS INT64_C(1770091506000)

/* One folder for each test, gone after it. Only HOME and what a test adds is in its environment. */
struct desk {
	char folder[64];
	char *home;
	char *kubeconfig; /* KUBECONFIG=… */
	const char *environment[8];
	struct kubeconfig_options options;
	struct error err;
	struct kube_login *login;
	struct clock *clock;
};

static int set_up(void **state)
{
	struct desk *d = xcalloc(1, sizeof *d);

	strcpy(d->folder, "/tmp/kube-login-XXXXXX");
	assert_non_null(mkdtemp(d->folder));
	d->home = xasprintf("HOME=%s", d->folder);
	d->environment[0] = d->home;
	d->options.environment = (char *const *)d->environment;
	d->options.service_account_folder = "/nonexistent/pod";
	d->clock = clock_create_manual(FIRST_WALL_MS);
	*state = d;
	return 0;
}

static int tear_down(void **state)
{
	struct desk *d = *state;
	AUTO_FREE char *command = xasprintf("rm -rf '%s'", d->folder);

	kube_login_destroy(d->login);
	error_release(&d->err);
	clock_destroy(d->clock);
	free(d->home);
	free(d->kubeconfig);
	free(d);
	return system(command);
}

static char *path_of(struct desk *d, const char *name)
{
	return path_join(d->folder, name);
}

static void put_mode(struct desk *d, const char *name, const char *text, mode_t mode)
{
	AUTO_FREE char *path = path_of(d, name);
	AUTO_FREE char *folder = path_folder(path);
	AUTO_RELEASE(error) err = { 0 };

	assert_true(file_make_folders(folder, 0700, &err));
	assert_true(file_write_atomic(path, str_of(text), mode, &err));
}

static void put(struct desk *d, const char *name, const char *text)
{
	put_mode(d, name, text, 0600);
}

static void set_variable(struct desk *d, const char *pair)
{
	size_t n = 0;

	while (d->environment[n])
		n++;
	assert_true(n + 1 < ARRAY_LEN(d->environment));
	d->environment[n] = pair;
}

/* Names below the folder, "a:b". */
static void set_list(struct desk *d, const char *names)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct str rest = str_of(names), name;

	buf_adds(&out, "KUBECONFIG=");
	for (bool more = true; more;) {
		more = str_cut(&rest, ':', &name);
		if (!more)
			name = rest;
		buf_addf(&out, "%s%s%.*s%s", name.len ? d->folder : "", name.len ? "/" : "", STR_ARG(name),
			 more ? ":" : "");
	}
	d->kubeconfig = buf_give(&out);
	set_variable(d, d->kubeconfig);
}

static bool load(struct desk *d)
{
	kube_login_destroy(GIVE(d->login));
	error_release(&d->err);
	d->err = (struct error){ 0 };
	return kubeconfig_load(&d->options, &d->login, &d->err);
}

static void load_well(struct desk *d)
{
	if (!load(d))
		fprintf(stderr, "%s\n", d->err.message), fail();
}

/* The message without the folder of the test in front. */
static void load_badly(struct desk *d, enum err_kind kind, const char *want)
{
	assert_false(load(d));
	if (!strstr(d->err.message, want))
		fprintf(stderr, "want \"%s\" in: %s\n", want, d->err.message), fail();
	assert_int_equal(d->err.kind, kind);
}

static const char one_context[] = "apiVersion: v1\n"
				  "kind: Config\n"
				  "current-context: shop\n"
				  "clusters:\n"
				  "- name: prod\n"
				  "  cluster: {server: \"https://k.example:6443/prefix?x=1#y\"}\n"
				  "contexts:\n"
				  "- name: shop\n"
				  "  context: {cluster: prod, user: me, namespace: web}\n"
				  "users:\n"
				  "- name: me\n"
				  "  user: {token: abcdef}\n";

/* A kubeconfig whose one user (or cluster) has these lines, the first of which is line 6. */
static void put_user(struct desk *d, const char *lines)
{
	AUTO_FREE char *text = xasprintf("current-context: c\n"
					 "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
					 "users:\n"
					 "- name: u\n"
					 "  user:\n"
					 "%s\n"
					 "clusters: [{name: k, cluster: {server: \"https://k.example\"}}]\n",
					 lines);

	put(d, ".kube/config", text);
}

static void put_cluster(struct desk *d, const char *lines)
{
	AUTO_FREE char *text = xasprintf("current-context: c\n"
					 "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
					 "clusters:\n"
					 "- name: k\n"
					 "  cluster:\n"
					 "%s\n"
					 "users: [{name: u, user: {token: abcdef}}]\n",
					 lines);

	put(d, ".kube/config", text);
}

/* ---- kubeconfig ---- */

static void the_current_context_of_the_home_folder_is_the_login(void **state)
{
	struct desk *d = *state;

	put(d, ".kube/config", one_context);
	load_well(d);
	assert_string_equal(d->login->context, "shop");
	assert_string_equal(d->login->cluster, "prod");
	assert_string_equal(d->login->user, "me");
	assert_string_equal(d->login->namespace, "web");
	assert_true(d->login->namespace_given);
	assert_string_equal(d->login->server, "https://k.example:6443/prefix");
	assert_true(str_is(secret_reveal(&d->login->token), "abcdef"));
	assert_true(ends_with(d->login->source, "/.kube/config"));
}

static void the_first_file_that_has_a_name_owns_the_whole_entry(void **state)
{
	struct desk *d = *state;

	put(d, "a", "clusters: [{name: prod, cluster: {server: \"https://a.example\"}}]\n"
		    "users: [{name: me, user: {as: root}}]\n");
	put(d, "b", one_context);
	set_list(d, "missing:a::b:a");
	load_well(d);
	assert_string_equal(d->login->server, "https://a.example");
	assert_true(secret_empty(&d->login->token));
	assert_string_equal(d->login->impersonate_user, "root");
	assert_true(ends_with(d->login->source, "/b"));
}

static void the_explicit_path_is_the_only_file_and_must_exist(void **state)
{
	struct desk *d = *state;
	AUTO_FREE char *path = path_of(d, "alone");

	put(d, ".kube/config", one_context);
	d->options.path = path;
	load_badly(d, ERR_NOT_FOUND, "/alone: ");
	put(d, "alone", "clusters: [{name: prod, cluster: {server: \"https://b.example\"}}]");
	load_badly(d, ERR_NOT_FOUND, "current-context is not set");
}

static void json_is_read_too(void **state)
{
	struct desk *d = *state;

	put(d, ".kube/config",
	    "{\n\t\"kind\": \"Config\", \"apiVersion\": \"v1\", \"current-context\": \"c\",\n"
	    "\t\"contexts\": [{\"name\": \"c\", \"context\": {\"cluster\": \"k\", \"user\": \"\"}}],\n"
	    "\t\"clusters\": [{\"name\": \"k\", \"cluster\": {\"server\": \"https:\\/\\/j.example\"}}],\n"
	    "\t\"users\": null\n}\n");
	load_well(d);
	assert_string_equal(d->login->server, "https://j.example");
	assert_null(d->login->user);
}

static void an_unknown_context_names_those_that_exist(void **state)
{
	struct desk *d = *state;

	put(d, ".kube/config", one_context);
	d->options.context = "shp";
	load_badly(d, ERR_NOT_FOUND, "context \"shp\" is not in ");
	assert_string_equal(d->err.hint, "did you mean \"shop\"? contexts: shop");
}

static void nothing_anywhere_lists_every_place(void **state)
{
	struct desk *d = *state;

	load_badly(d, ERR_NOT_FOUND, "no cluster is configured; looked at ");
	assert_non_null(strstr(d->err.message, "/.kube/config, /nonexistent/pod/token"));
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
	static const struct {
		const char *user, *want;
	} rows[] = {
		{ "    token: 123", "config:6:12: token must be a string, not int: put it in quotes" },
		{ "    token: [a]", "config:6:12: token must be a string, not sequence" },
		{ "    token: \"a\\r\\nHost: b\"", "config:6:12: token holds spaces or control characters" },
		{ "    token: abcdef\n    username: x", "config:6:5: more than one way to log in" },
		{ "    client-certificate-data: \"%%%\"", "config:6:30: client-certificate-data is no base64" },
		{ "    client-certificate-data: YWJj", "config:6:30: client-certificate-data holds no PEM" },
		{ "    client-certificate: nope.pem", "config:6:25: client-certificate: " },
		{ "    client-certificate: a\n    client-certificate-data: YWJj",
		  "config:7:30: client-certificate and client-certificate-data are both given" },
		{ "    client-certificate-data: LS0tLS1CRUdJTiA=", "config:6:5: a client certificate without client-key" },
		{ "    as-groups: [a]", "config:6:5: as-uid, as-groups and as-user-extra need \"as\"" },
		{ "    as: x\n    as-groups: [[]]", "config:7:17: as-groups must be a list of strings" },
		{ "    auth-provider: {name: gcp}", "config:6:20: auth-provider \"gcp\" is not supported" },
		{ "    exec: {}", "config:6:11: exec has no command" },
		{ "    exec: {command: x}", "config:6:11: exec has no apiVersion" },
		{ "    exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}",
		  "config:6:36: apiVersion \"client.authentication.k8s.io/v1alpha1\" of exec is not supported" },
		{ "    exec: {command: x, apiVersion: client.authentication.k8s.io/v1}",
		  "config:6:11: exec needs interactiveMode" },
		{ "    exec: {command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: No}",
		  "interactiveMode \"No\" is not known" },
		{ "    exec: {command: x, env: [{name: A=B, value: c}]}", "a name without \"=\"" },
		{ "    \"unclosed", "config:" },
		{ "    tokenFile: /dev/zero", "config:6:16: tokenFile: /dev/zero" },
		{ "    \"\\e[31mx\": &a [*a]", "config:6:" },
	};
	struct desk *d = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put_user(d, rows[i].user);
		load_badly(d, ERR_INVALID, rows[i].want);
		assert_true(str_starts(str_of(d->err.message), str_of(d->folder)));
	}
}

static void a_wrong_cluster_is_told_with_its_place(void **state)
{
	static const struct {
		const char *cluster, *want;
	} rows[] = {
		{ "    {}", "cluster \"k\" has no server" },
		{ "    server: \"ftp://x\"", "config:6:13: server: scheme \"ftp\" is not supported" },
		{ "    server: \"https://a b\"", "config:6:13: server: " },
		{ "    server: \"https://u:p@x\"", "config:6:13: server: a URL with a user or password" },
		{ "    server: \"https://x\"\n    proxy-url: \"gopher://p\"", "config:7:16: proxy-url: scheme \"gopher\"" },
		{ "    server: \"https://x\"\n    insecure-skip-tls-verify: \"yes\"",
		  "config:7:31: insecure-skip-tls-verify must be true or false" },
		{ "    server: \"https://x\"\n    insecure-skip-tls-verify: true\n"
		  "    certificate-authority-data: LS0tLS1CRUdJTiA=",
		  "config:6:5: insecure-skip-tls-verify contradicts certificate-authority" },
		{ "    server: \"https://x\"\n    certificate-authority: .", "certificate-authority: " },
	};
	struct desk *d = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put_cluster(d, rows[i].cluster);
		load_badly(d, ERR_INVALID, rows[i].want);
	}
}

static void names_that_lead_nowhere_are_told(void **state)
{
	struct desk *d = *state;

	put(d, ".kube/config", "current-context: c\ncontexts: [{name: c, context: {cluster: no, user: u}}]\n");
	load_badly(d, ERR_INVALID, "config:2:41: context \"c\": no cluster \"no\" in ");
	put(d, ".kube/config", "current-context: c\ncontexts: [{name: c, context: {cluster: \"n\\e[31mo\"}}]\n");
	load_badly(d, ERR_INVALID, "no cluster \"no\" in ");
	put(d, ".kube/config", "contexts: [{name: c}, {name: c}]\n");
	load_badly(d, ERR_INVALID, "config:1:23: contexts has the name \"c\" twice");
	put(d, ".kube/config", "kind: Deployment\n");
	load_badly(d, ERR_INVALID, "kind is \"Deployment\", not \"Config\"");
	put(d, ".kube/config", "- a\n");
	load_badly(d, ERR_INVALID, "a mapping is expected");
	put(d, ".kube/config", "current-context: c\ncontexts: [{name: c, context: {namespace: A_B, cluster: k}}]\n");
	load_badly(d, ERR_INVALID, "namespace \"A_B\" is no name");
}

static void all_broken_files_of_a_list_are_told(void **state)
{
	struct desk *d = *state;

	put(d, "a", "[");
	put(d, "b", one_context);
	put(d, "c", "kind: X");
	set_list(d, "a:b:c");
	load_badly(d, ERR_INVALID, "/a:");
	assert_non_null(strstr(d->err.message, "; "));
	assert_non_null(strstr(d->err.message, "/c:1:7: "));
}

static void hostile_files_are_refused_at_once(void **state)
{
	struct desk *d = *state;
	AUTO_FREE char *fifo = path_of(d, "fifo");
	AUTO_FREE char *large = path_of(d, "large");

	assert_int_equal(mkfifo(fifo, 0600), 0);
	d->options.path = fifo;
	load_badly(d, ERR_INVALID, "/fifo");
	d->options.path = "/dev/zero";
	load_badly(d, ERR_INVALID, "/dev/zero");
	d->options.path = d->folder;
	load_badly(d, ERR_INVALID, d->folder);

	AUTO_RELEASE(buf) text = BUF_INIT(0);

	buf_adds(&text, "clusters: [{name: k, cluster: {certificate-authority-data: ");
	buf_add_repeat(&text, 'A', 10 << 20);
	buf_adds(&text, "}}]\n");
	put(d, "large", buf_cstr(&text));
	d->options.path = large;
	load_badly(d, ERR_LIMIT, "/large");
}

static void paths_belong_to_the_folder_of_their_file(void **state)
{
	struct desk *d = *state;
	AUTO_FREE char *plugin = path_of(d, "sub/bin/login");
	AUTO_FREE char *token = path_of(d, "sub/token");

	put(d, "sub/token", "  from-file\n");
	put(d, "sub/ca.pem", "-----BEGIN CERTIFICATE-----\n");
	put(d, "sub/config", "current-context: t\n"
			     "contexts:\n"
			     "- {name: t, context: {cluster: k, user: t}}\n"
			     "- {name: e, context: {cluster: k, user: e}}\n"
			     "- {name: w, context: {cluster: k, user: w}}\n"
			     "clusters: [{name: k, cluster: {server: k.example, certificate-authority: ca.pem}}]\n"
			     "users:\n"
			     "- {name: t, user: {tokenFile: token}}\n"
			     "- {name: e, user: {exec: {command: ./bin/login, args: [\"-a\", b c], env: [{name: X, value: y}],\n"
			     "    apiVersion: client.authentication.k8s.io/v1beta1, installHint: buy it}}}\n"
			     "- {name: w, user: {exec: {command: login, apiVersion: client.authentication.k8s.io/v1beta1}}}\n");
	set_list(d, "sub/config");
	load_well(d);
	assert_string_equal(d->login->token_file, token);
	assert_true(str_is(secret_reveal(&d->login->token), "from-file"));
	assert_true(ends_with(d->login->ca_file, "/sub/ca.pem"));
	assert_string_equal(d->login->server, "https://k.example");
	d->options.context = "e";
	load_well(d);
	assert_string_equal(d->login->exec->command, plugin);
	assert_string_equal(d->login->exec->args[1], "b c");
	assert_null(d->login->exec->args[2]);
	assert_string_equal(d->login->exec->env[0], "X=y");
	assert_string_equal(d->login->exec->interactive_mode, "IfAvailable");
	d->options.context = "w";
	load_well(d);
	assert_string_equal(d->login->exec->command, "login");
}

static void a_plugin_is_for_those_who_have_nothing_else(void **state)
{
	struct desk *d = *state;

	put_user(d, "    token: abcdef\n    exec: {command: x, apiVersion: client.authentication.k8s.io/v1beta1}");
	load_well(d);
	assert_null(d->login->exec);
}

static void impersonation_is_read_whole(void **state)
{
	struct desk *d = *state;

	put_user(d, "    token: abcdef\n    as: jane\n    as-uid: \"7\"\n    as-groups: [dev, ops]\n"
		    "    as-user-extra: {scopes: [a, b]}");
	load_well(d);
	assert_string_equal(d->login->impersonate_user, "jane");
	assert_string_equal(d->login->impersonate_uid, "7");
	assert_string_equal(d->login->impersonate_groups[1], "ops");
	char **scopes = map_get(&d->login->impersonate_extra, STR("scopes"));

	assert_string_equal(scopes[1], "b");
	assert_null(scopes[2]);
}

static void flags_win_over_the_file(void **state)
{
	struct desk *d = *state;

	put_cluster(d, "    server: \"https://x\"\n    tls-server-name: y");
	d->options.server = "https://127.0.0.1:1";
	d->options.namespace = "flag";
	load_well(d);
	assert_string_equal(d->login->server, "https://127.0.0.1:1");
	assert_null(d->login->tls_server_name);
	assert_string_equal(d->login->namespace, "flag");
	d->options.namespace = "../x";
	load_badly(d, ERR_INVALID, "namespace \"../x\"");
}

static void the_pod_is_used_when_no_file_says_anything(void **state)
{
	struct desk *d = *state;
	AUTO_FREE char *pod = path_of(d, "pod");

	put(d, "pod/token", "pod-token\n");
	put(d, "pod/namespace", "inside\n");
	put(d, ".kube/config", "");
	d->options.service_account_folder = pod;
	load_badly(d, ERR_NOT_FOUND, "no cluster is configured");
	set_variable(d, "KUBERNETES_SERVICE_HOST=fd00::1");
	set_variable(d, "KUBERNETES_SERVICE_PORT=443");
	load_well(d);
	assert_string_equal(d->login->context, "in-cluster");
	assert_string_equal(d->login->server, "https://[fd00::1]:443");
	assert_string_equal(d->login->namespace, "inside");
	assert_true(d->login->namespace_given);
	assert_true(str_is(secret_reveal(&d->login->token), "pod-token"));
	assert_null(d->login->ca_pem);
	set_variable(d, "POD_NAMESPACE=other");
	load_well(d);
	assert_string_equal(d->login->namespace, "other");
	put(d, ".kube/config", "kind: Broken");
	load_badly(d, ERR_INVALID, "kind is \"Broken\"");
}

static void contexts_are_listed_in_the_order_of_the_files(void **state)
{
	struct desk *d = *state;
	struct kube_context_name *names;
	size_t n;

	put(d, "a", "contexts: [{name: z, context: {cluster: k1, namespace: n}}, {name: a}]\n");
	put(d, "b", "current-context: a\nclusters: [{name: k1, cluster: {server: 'https://one:6443'}}]\n"
		    "contexts: [{name: z, context: {cluster: k2}}, {name: m, context: {user: u, cluster: nowhere}}]\n");
	set_list(d, "a:b");
	assert_true(kubeconfig_contexts(&d->options, &names, &n, &d->err));
	assert_int_equal(n, 3);
	assert_string_equal(names[0].name, "z");
	assert_string_equal(names[0].cluster, "k1");
	assert_string_equal(names[0].namespace, "n");
	assert_string_equal(names[0].server, "https://one:6443");
	assert_false(names[0].current);
	assert_string_equal(names[1].name, "a");
	assert_true(names[1].current);
	assert_string_equal(names[2].user, "u");
	assert_null(names[2].server);
	kube_context_names_free(names, n);
}

/* ---- credentials ---- */

/* A credential and what its hook gave last. */
struct desk_credential {
	struct credential *c;
	struct http_credential got;
	struct error err;
	struct buf stderr_lines;
};

static void keep_stderr(const char *line, void *arg)
{
	buf_addf(arg, "%s\n", line);
}

static void open_credential(struct desk *d, struct desk_credential *dc, bool deny_exec)
{
	load_well(d);
	*dc = (struct desk_credential){ 0 };
	dc->c = credential_create(GIVE(d->login), &(struct credential_options){ .clock = d->clock,
										.deny_exec = deny_exec,
										.on_stderr = keep_stderr,
										.arg = &dc->stderr_lines });
}

static void close_credential(struct desk_credential *dc)
{
	credential_release(dc->c);
	secret_release(&dc->got.authorization);
	error_release(&dc->err);
	buf_release(&dc->stderr_lines);
}

static enum http_auth_result ask(struct desk_credential *dc, uint64_t refused, bool may_block)
{
	secret_release(&dc->got.authorization);
	dc->got = (struct http_credential){ 0 };
	error_release(&dc->err);
	dc->err = (struct error){ 0 };
	return credential_authorise(&dc->got, refused, may_block, &dc->err, dc->c);
}

/* As http does: first without blocking, then with. */
static void ask_well(struct desk_credential *dc, uint64_t refused, const char *want)
{
	enum http_auth_result result = ask(dc, refused, false);

	if (result == HTTP_AUTH_WAIT)
		result = ask(dc, refused, true);
	if (result != HTTP_AUTH_OK)
		fprintf(stderr, "%s\n", dc->err.message), fail();
	assert_string_equal(secret_reveal(&dc->got.authorization).p, want);
	assert_true(dc->got.generation != 0);
}

static void ask_badly(struct desk_credential *dc, const char *want)
{
	enum http_auth_result result = ask(dc, 0, false);

	if (result == HTTP_AUTH_WAIT)
		result = ask(dc, 0, true);
	assert_int_equal(result, HTTP_AUTH_FAILED);
	assert_int_equal(dc->err.kind, ERR_DENIED);
	if (!strstr(dc->err.message, want))
		fprintf(stderr, "want \"%s\" in: %s\n", want, dc->err.message), fail();
}

static void inline_tokens_and_passwords_need_no_waiting(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;

	put_user(d, "    token: abcdef");
	open_credential(d, &dc, false);
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_OK);
	assert_true(str_is(secret_reveal(&dc.got.authorization), "Bearer abcdef"));
	uint64_t generation = dc.got.generation;

	ask_well(&dc, generation, "Bearer abcdef");
	assert_int_equal(dc.got.generation, generation); /* there is no better one */
	close_credential(&dc);
	put_user(d, "    username: me\n    password: pass word");
	open_credential(d, &dc, false);
	ask_well(&dc, 0, "Basic bWU6cGFzcyB3b3Jk");
	close_credential(&dc);
	put_user(d, "    as: x");
	open_credential(d, &dc, false);
	ask_well(&dc, 0, "");
	close_credential(&dc);
}

static void a_token_file_is_read_again_each_50_seconds(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;
	AUTO_FREE char *from = path_of(d, ".kube/next"), *to = path_of(d, ".kube/token");

	put(d, ".kube/token", "one");
	put_user(d, "    tokenFile: token");
	open_credential(d, &dc, false);
	ask_well(&dc, 0, "Bearer one");
	uint64_t generation = dc.got.generation;

	put(d, ".kube/next", "two");
	assert_int_equal(rename(from, to), 0);
	clock_advance(d->clock, 49000);
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_OK);
	ask_well(&dc, 0, "Bearer one");
	clock_advance(d->clock, 1000);
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_WAIT);
	ask_well(&dc, 0, "Bearer two");
	assert_true(dc.got.generation != generation);
	close_credential(&dc);
}

static void a_refused_token_is_read_again_at_once(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;

	put(d, ".kube/token", "one");
	put_user(d, "    token: start\n    tokenFile: token");
	open_credential(d, &dc, false);
	ask_well(&dc, 0, "Bearer one"); /* the file wins */
	uint64_t refused = dc.got.generation;

	put(d, ".kube/token", "two");
	ask_well(&dc, refused, "Bearer two");
	ask_well(&dc, refused, "Bearer two"); /* another request with the old one: no reading needed */
	assert_int_equal(ask(&dc, refused, false), HTTP_AUTH_OK);
	close_credential(&dc);
}

static void a_token_file_that_fails_leaves_the_former_token(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;
	AUTO_FREE char *path = path_of(d, ".kube/token");

	put(d, ".kube/token", "one");
	put_user(d, "    tokenFile: token");
	open_credential(d, &dc, false);
	ask_well(&dc, 0, "Bearer one");
	put(d, ".kube/token", " \n");
	clock_advance(d->clock, 60000);
	ask_well(&dc, 0, "Bearer one");
	unlink(path);
	clock_advance(d->clock, 5000);
	ask_well(&dc, 0, "Bearer one");
	put(d, ".kube/token", "a\nb");
	clock_advance(d->clock, 5000);
	ask_well(&dc, 0, "Bearer one");
	put(d, ".kube/token", "two");
	clock_advance(d->clock, 5000);
	ask_well(&dc, 0, "Bearer two");
	close_credential(&dc);
}

static void certificate_files_are_read_again_each_5_minutes(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;
	struct str cert, key;

	put(d, ".kube/c.pem", "-----BEGIN ONE");
	put(d, ".kube/k.pem", "-----BEGIN KEY");
	put_user(d, "    client-certificate: c.pem\n    client-key: k.pem");
	open_credential(d, &dc, false);
	ask_well(&dc, 0, "");
	uint64_t generation = dc.got.generation;

	put(d, ".kube/c.pem", "-----BEGIN TWO");
	clock_advance(d->clock, 299000);
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_OK);
	clock_advance(d->clock, 1000);
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_WAIT);
	ask_well(&dc, 0, "");
	assert_true(dc.got.generation != generation);
	assert_true(credential_identity(dc.c, &cert, &key, &dc.err));
	assert_true(str_is(cert, "-----BEGIN TWO"));
	generation = dc.got.generation;
	put(d, ".kube/c.pem", "-----BEGIN THREE");
	ask_well(&dc, generation, ""); /* refused: at once */
	assert_true(dc.got.generation != generation);
	put(d, ".kube/c.pem", "");
	clock_advance(d->clock, 300000);
	ask_well(&dc, 0, "");
	assert_true(credential_identity(dc.c, &cert, &key, &dc.err));
	assert_true(str_is(cert, "-----BEGIN THREE"));
	close_credential(&dc);
}

#define V1 "client.authentication.k8s.io/v1"

/* The user is a plugin; script runs in its folder, $PWD being that of the desk. */
static void put_plugin(struct desk *d, const char *script, const char *more)
{
	AUTO_FREE char *text = xasprintf("#!/bin/sh\ncd '%s' || exit 9\n%s\n", d->folder, script);
	AUTO_FREE char *user = xasprintf("    exec: {command: ../plugin.sh, apiVersion: " V1
					 ", interactiveMode: Never%s}",
					 more);

	put_mode(d, "plugin.sh", text, 0700);
	put_user(d, user);
}

#define ANSWER(status) "printf '%s\\n' '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":" status "}'"

static unsigned runs_of(struct desk *d)
{
	AUTO_FREE char *path = path_of(d, "runs");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	if (!file_read(path, 0, &text, &err))
		return 0;
	unsigned n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.p[i] == '\n';
	return n;
}

static void a_plugin_gives_the_token(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;

	put_plugin(d,
		   "echo run >> runs; printf '%s|%s|%s' \"$1\" \"$ADDED\" \"$KUBERNETES_EXEC_INFO\" > saw\n"
		   "printf 'hello \\033[31mred\\033[0m\\n' >&2\n" ANSWER("{\"token\":\"tok-1\"}"),
		   ", args: [\"$(touch evil)\"], env: [{name: ADDED, value: yes}], provideClusterInfo: true");
	open_credential(d, &dc, false);
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_WAIT);
	ask_well(&dc, 0, "Bearer tok-1");
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_OK);
	assert_int_equal(runs_of(d), 1);
	assert_string_equal(buf_cstr(&dc.stderr_lines), "hello red\n");

	AUTO_FREE char *path = path_of(d, "saw");
	AUTO_RELEASE(buf) saw = BUF_INIT(0);

	assert_true(file_read(path, 0, &saw, &dc.err));
	assert_string_equal(buf_cstr(&saw), "$(touch evil)|yes|{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
					    "\",\"spec\":{\"cluster\":{\"server\":\"https://k.example\"},"
					    "\"interactive\":false}}");
	close_credential(&dc);
}

static void the_plugin_hears_what_the_cluster_has_for_it(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;
	AUTO_FREE char *plugin = path_of(d, "plugin.sh");
	AUTO_FREE char *text = xasprintf(
		"current-context: c\n"
		"contexts: [{name: c, context: {cluster: k, user: u}}]\n"
		"clusters: [{name: k, cluster: {server: \"https://k.example\", tls-server-name: n,\n"
		"  certificate-authority-data: LS0tLS1CRUdJTiA=, proxy-url: \"http://p:1\", disable-compression: true,\n"
		"  extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: [x, 1]}}]}}]\n"
		"users: [{name: u, user: {exec: {command: %s, apiVersion: " V1
		"beta1, provideClusterInfo: true}}}]\n",
		plugin);
	AUTO_FREE char *script =
		xasprintf("#!/bin/sh\nprintf %%s \"$KUBERNETES_EXEC_INFO\" > '%s/saw'\n"
			  "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
			  "beta1\",\"status\":{\"token\":\"tok-1\"}}'\n",
			  d->folder);
	AUTO_FREE char *path = path_of(d, "saw");
	AUTO_RELEASE(buf) saw = BUF_INIT(0);

	put(d, ".kube/config", text);
	put_mode(d, "plugin.sh", script, 0700);
	open_credential(d, &dc, false);
	ask_well(&dc, 0, "Bearer tok-1");
	assert_true(file_read(path, 0, &saw, &dc.err));
	assert_string_equal(buf_cstr(&saw),
			    "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
			    "beta1\",\"spec\":{\"cluster\":{\"server\":\"https://k.example\",\"tls-server-name\":\"n\","
			    "\"certificate-authority-data\":\"LS0tLS1CRUdJTiA=\",\"proxy-url\":\"http://p:1\","
			    "\"disable-compression\":true,\"config\":{\"audience\":[\"x\",1]}},\"interactive\":false}}");
	close_credential(&dc);
}

static void what_a_plugin_does_wrong_is_told(void **state)
{
	static const struct {
		const char *script, *want;
	} rows[] = {
		{ "echo 'go to \033]0;evil\007https://login' >&2; exit 1",
		  "ended with exit code 1: go to https://login" },
		{ "kill -9 $$", "was ended by signal 9" },
		{ "true", "wrote no credential" },
		{ "echo garbage", "gave no ExecCredential: byte 0: not JSON" },
		{ "echo '{\"kind\":\"Secret\",\"apiVersion\":\"" V1 "\",\"status\":{\"token\":\"t\"}}'",
		  "kind is not ExecCredential" },
		{ "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "beta1\",\"status\":{\"token\":\"t\"}}'",
		  "gave another apiVersion than " V1 },
		{ "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\"}'", "without status" },
		{ ANSWER("null"), "without status" },
		{ ANSWER("{}"), "gave neither a token nor a client certificate" },
		{ ANSWER("{\"token\":7}"), "status.token is no string" },
		{ ANSWER("{\"token\":\"a\\nb\"}"), "token with spaces or control characters" },
		{ ANSWER("{\"clientCertificateData\":\"x\"}"), "a client certificate without its key" },
		{ ANSWER("{\"token\":\"t\",\"expirationTimestamp\":\"soon\"}"), "no RFC 3339 time" },
		{ ANSWER("{\"token\":\"t\",\"expirationTimestamp\":\"2020-01-02T03:04:05Z\"}"),
		  "expired at 2020-01-02T03:04:05Z; the clock here says 2026-02-03T04:05:06Z" },
		{ "head -c 3000000 /dev/zero", "wrote more than 1024 KiB and was stopped" },
	};
	struct desk *d = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct desk_credential dc;

		put_plugin(d, rows[i].script, "");
		open_credential(d, &dc, false);
		ask_badly(&dc, rows[i].want);
		assert_true(starts_with(dc.err.message, "login of user \"u\": plugin /"));
		assert_null(strchr(dc.err.message, 0x1b));
		close_credential(&dc);
	}
}

static void a_plugin_that_is_missing_shows_its_install_hint(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;

	put_user(d, "    exec: {command: no-such-plugin-at-all, apiVersion: " V1
		    "beta1, installHint: \"get\\nit \\e[1mhere\"}");
	open_credential(d, &dc, false);
	ask_badly(&dc, "plugin no-such-plugin-at-all is not installed");
	assert_string_equal(dc.err.hint, "get it here");
	close_credential(&dc);
}

static void stderr_of_a_plugin_is_bounded(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;

	put_plugin(d, "yes 0123456789012345678901234567890 | head -n 10000 >&2\n" ANSWER("{\"token\":\"tok-1\"}"), "");
	open_credential(d, &dc, false);
	ask_well(&dc, 0, "Bearer tok-1");
	assert_true(dc.stderr_lines.len < 70000);
	assert_true(ends_with(buf_cstr(&dc.stderr_lines), "(more is not shown)\n"));
	close_credential(&dc);
}

static void a_plugin_may_be_forbidden(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;
	struct str cert, key;

	put_plugin(d, "echo run >> runs", "");
	open_credential(d, &dc, true);
	assert_false(credential_identity(dc.c, &cert, &key, &dc.err));
	assert_non_null(strstr(dc.err.message, "/plugin.sh, which --deny-exec forbids"));
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_FAILED);
	assert_int_equal(dc.err.kind, ERR_DENIED);
	assert_int_equal(runs_of(d), 0);
	close_credential(&dc);
}

static void a_plugin_that_must_ask_needs_the_terminal(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;

	put_user(d, "    exec: {command: \"true\", apiVersion: " V1 ", interactiveMode: Always}");
	open_credential(d, &dc, false);
	ask_badly(&dc, "must ask at the terminal");
	close_credential(&dc);
}

static void a_credential_that_expires_is_fetched_again(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;

	put_plugin(d,
		   "echo run >> runs; n=$(wc -l < runs)\n"
		   "echo \"{\\\"kind\\\":\\\"ExecCredential\\\",\\\"apiVersion\\\":\\\"" V1 "\\\",\\\"status\\\":"
		   "{\\\"token\\\":\\\"tok-$((n))\\\",\\\"expirationTimestamp\\\":\\\"2026-02-03T0$((n + 4)):05:06Z\\\"}}\"",
		   "");
	open_credential(d, &dc, false);
	ask_well(&dc, 0, "Bearer tok-1");
	uint64_t generation = dc.got.generation;

	clock_advance(d->clock, 3599000);
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_OK);
	clock_advance(d->clock, 1000);
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_WAIT);
	ask_well(&dc, 0, "Bearer tok-2");
	assert_true(dc.got.generation != generation);
	assert_int_equal(runs_of(d), 2);
	close_credential(&dc);
}

static void a_refused_credential_makes_one_run_and_the_same_one_is_final(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;

	put_plugin(d, "echo run >> runs\n" ANSWER("{\"token\":\"tok-1\"}"), "");
	open_credential(d, &dc, false);
	ask_well(&dc, 0, "Bearer tok-1");
	uint64_t refused = dc.got.generation;

	ask_well(&dc, refused, "Bearer tok-1");
	assert_int_equal(dc.got.generation, refused);
	assert_int_equal(runs_of(d), 2);
	for (int i = 0; i < 10; i++) /* others that were refused at the same time */
		ask_well(&dc, refused, "Bearer tok-1");
	assert_int_equal(runs_of(d), 2);
	clock_advance(d->clock, 1000);
	ask_well(&dc, refused, "Bearer tok-1");
	assert_int_equal(runs_of(d), 3);
	close_credential(&dc);
}

static void a_failure_is_told_to_all_without_running_again_at_once(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;

	put_plugin(d, "echo run >> runs; exit 3", "");
	open_credential(d, &dc, false);
	ask_badly(&dc, "exit code 3");
	assert_int_equal(ask(&dc, 0, false), HTTP_AUTH_FAILED);
	assert_int_equal(runs_of(d), 1);
	put_plugin(d, ANSWER("{\"token\":\"tok-1\"}"), "");
	clock_advance(d->clock, 1000);
	ask_well(&dc, 0, "Bearer tok-1");
	close_credential(&dc);
}

struct asker {
	struct credential *c;
	pthread_barrier_t *barrier;
	bool well;
};

static void *ask_in_thread(void *arg)
{
	struct asker *asker = arg;
	struct http_credential got = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	pthread_barrier_wait(asker->barrier);
	enum http_auth_result result = credential_authorise(&got, 0, false, &err, asker->c);

	if (result == HTTP_AUTH_WAIT)
		result = credential_authorise(&got, 0, true, &err, asker->c);
	asker->well = result == HTTP_AUTH_OK && str_is(secret_reveal(&got.authorization), "Bearer tok-1");
	secret_release(&got.authorization);
	return NULL;
}

static void twenty_requests_at_once_make_one_run(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;
	struct asker askers[20];
	pthread_t threads[20];
	pthread_barrier_t barrier;

	put_plugin(d, "echo run >> runs; sleep 0.2\n" ANSWER("{\"token\":\"tok-1\"}"), "");
	open_credential(d, &dc, false);
	pthread_barrier_init(&barrier, NULL, ARRAY_LEN(threads));
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		askers[i] = (struct asker){ dc.c, &barrier, false };
		assert_int_equal(pthread_create(&threads[i], NULL, ask_in_thread, &askers[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_true(askers[i].well);
	assert_int_equal(runs_of(d), 1);
	close_credential(&dc);
}

struct blocked {
	struct desk_credential *dc;
	enum http_auth_result result;
};

static void *ask_blocking(void *arg)
{
	struct blocked *blocked = arg;

	blocked->result = ask(blocked->dc, 0, true);
	return NULL;
}

static void wait_for_run(struct desk *d)
{
	for (int i = 0; i < 2000 && !runs_of(d); i++)
		usleep(5000);
	assert_int_equal(runs_of(d), 1);
}

static void a_plugin_that_hangs_is_stopped_after_a_minute(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;
	struct blocked blocked = { .dc = &dc };
	pthread_t thread;

	put_plugin(d, "echo run >> runs; echo 'open https://login' >&2; sleep 300", "");
	open_credential(d, &dc, false);
	assert_int_equal(pthread_create(&thread, NULL, ask_blocking, &blocked), 0);
	wait_for_run(d);
	clock_advance(d->clock, 60000);
	pthread_join(thread, NULL);
	assert_int_equal(blocked.result, HTTP_AUTH_FAILED);
	assert_non_null(strstr(dc.err.message, "gave no answer in time and was stopped"));
	close_credential(&dc);
}

static void detaching_stops_a_plugin_that_runs(void **state)
{
	struct desk *d = *state;
	struct desk_credential dc;
	struct blocked blocked = { .dc = &dc };
	pthread_t thread;

	put_plugin(d, "echo run >> runs; sleep 300", "");
	open_credential(d, &dc, false);
	assert_int_equal(pthread_create(&thread, NULL, ask_blocking, &blocked), 0);
	wait_for_run(d);
	credential_detach(dc.c);
	pthread_join(thread, NULL);
	assert_int_equal(blocked.result, HTTP_AUTH_FAILED);
	assert_int_equal(dc.err.kind, ERR_CANCELLED);
	close_credential(&dc);
}

/* ---- with a server ---- */

/* A net, a server and an http whose hook is the credential of the desk's kubeconfig. */
struct line {
	struct net *net;
	struct wire *wire;
	struct http *http;
	struct credential *c;
	struct error err;
};

static bool wants_second_token(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	AUTO_FREE char *value = wire_header(r, "Authorization");
	bool well = value && !strcmp(value, "Bearer tok-2");

	(void)arg;
	return wire_answer(peer, well ? 200 : 401, "", "{}");
}

static bool say_yes(struct wire_peer *peer, const struct wire_request *r, void *arg)
{
	(void)r;
	(void)arg;
	return wire_answer(peer, 200, "", "{}");
}

static void open_line(struct desk *d, struct line *l, const struct wire_options *server, const char *ca_pem)
{
	struct str cert, key;

	*l = (struct line){ 0 };
	load_well(d);
	l->wire = wire_start(server);
	l->net = net_create(NULL, &l->err);
	assert_non_null(l->net);
	l->c = credential_create(GIVE(d->login), &(struct credential_options){ .clock = d->clock });
	assert_true(credential_identity(l->c, &cert, &key, &l->err));
	AUTO_FREE char *url = xasprintf("%s://127.0.0.1:%u", server->cert ? "https" : "http", wire_port(l->wire));

	l->http = http_create(l->net,
			      &(struct http_options){ .base_url = url,
						      .ca_pem = str_of(ca_pem),
						      .client_cert_pem = cert,
						      .client_key_pem = key,
						      .http1_only = true,
						      .authorise_without_tls = true,
						      .authorise = credential_authorise,
						      .authorise_release = credential_release,
						      .authorise_arg = l->c },
			      &l->err);
	assert_non_null(l->http);
	credential_attach(l->c, l->http);
}

static void close_line(struct line *l)
{
	credential_detach(l->c);
	http_destroy(l->http);
	net_destroy(l->net);
	wire_stop(l->wire);
	error_release(&l->err);
}

static bool call_well(struct line *l)
{
	AUTO_RELEASE(http_response) response = { 0 };

	if (!http_call(l->http, &(struct http_request){ .path = "/x", .attempts = 1 }, NULL, &response, &l->err)) {
		fprintf(stderr, "%s\n", l->err.message);
		return false;
	}
	return response.status == 200;
}

static void many_calls_that_get_401_share_one_new_login(void **state)
{
	struct desk *d = *state;
	struct line l;
	AUTO_RELEASE(http_result) result = { 0 };
	int n = 0;

	put_plugin(d,
		   "echo run >> runs; n=$(wc -l < runs)\n"
		   "echo \"{\\\"kind\\\":\\\"ExecCredential\\\",\\\"apiVersion\\\":\\\"" V1 "\\\",\\\"status\\\":"
		   "{\\\"token\\\":\\\"tok-$((n))\\\"}}\"",
		   "");
	open_line(d, &l, &(struct wire_options){ .handler = wants_second_token }, NULL);
	AUTO(http_group) group = http_group_create(l.http, 20, NULL);

	for (int i = 0; i < 20; i++)
		http_group_add(group, &(struct http_request){ .path = "/x" }, NULL);
	while (http_group_next(group, &result, &l.err))
		n += http_ok(&result.response);
	assert_int_equal(n, 20);
	assert_int_equal(runs_of(d), 2);
	close_line(&l);
}

static void a_failing_login_is_the_error_of_the_call(void **state)
{
	struct desk *d = *state;
	struct line l;
	AUTO_RELEASE(http_response) response = { 0 };

	put_plugin(d, "echo 'session expired, run: login' >&2; exit 1", "");
	open_line(d, &l, &(struct wire_options){ .handler = say_yes }, NULL);
	assert_false(http_call(l.http, &(struct http_request){ .path = "/x" }, NULL, &response, &l.err));
	assert_int_equal(l.err.kind, ERR_DENIED);
	assert_non_null(strstr(l.err.message, "ended with exit code 1: session expired, run: login"));
	assert_int_equal(wire_count(l.wire), 0);
	close_line(&l);
}

static void a_client_certificate_that_rotates_opens_a_new_connection(void **state)
{
	struct desk *d = *state;
	struct line l;
	struct test_cert ca = test_cert_make(&(struct test_cert_options){ .name = "ca", .is_ca = true });
	struct test_cert server = test_cert_make(
		&(struct test_cert_options){ .name = "server", .dns = "IP:127.0.0.1", .issuer = &ca });
	struct test_cert one = test_cert_make(&(struct test_cert_options){ .name = "one", .issuer = &ca });
	struct test_cert two = test_cert_make(&(struct test_cert_options){ .name = "two", .issuer = &ca });

	put(d, ".kube/c.pem", one.cert_pem);
	put(d, ".kube/k.pem", one.key_pem);
	put_user(d, "    client-certificate: c.pem\n    client-key: k.pem");
	open_line(d, &l, &(struct wire_options){ .handler = say_yes, .cert = &server, .client_ca = &ca }, ca.cert_pem);
	assert_true(call_well(&l));
	assert_true(call_well(&l));
	assert_int_equal(wire_connections(l.wire), 1);
	put(d, ".kube/c.pem", two.cert_pem); /* the key is not there yet: the former pair stays in use */
	clock_advance(d->clock, 300000);
	assert_true(call_well(&l));
	assert_int_equal(wire_connections(l.wire), 1);
	put(d, ".kube/k.pem", two.key_pem);
	clock_advance(d->clock, 5000);
	assert_true(call_well(&l));
	assert_true(call_well(&l));
	assert_int_equal(wire_connections(l.wire), 2);
	close_line(&l);
	test_cert_release(&ca);
	test_cert_release(&server);
	test_cert_release(&one);
	test_cert_release(&two);
}

static void a_plugin_may_give_a_client_certificate(void **state)
{
	struct desk *d = *state;
	struct line l;
	struct test_cert ca = test_cert_make(&(struct test_cert_options){ .name = "ca", .is_ca = true });
	struct test_cert server = test_cert_make(
		&(struct test_cert_options){ .name = "server", .dns = "IP:127.0.0.1", .issuer = &ca });
	struct test_cert one = test_cert_make(&(struct test_cert_options){ .name = "one", .issuer = &ca });

	put(d, "c.pem", one.cert_pem);
	put(d, "k.pem", one.key_pem);
	put_plugin(d,
		   "c=$(awk '{printf \"%s\\\\n\", $0}' c.pem); k=$(awk '{printf \"%s\\\\n\", $0}' k.pem)\n"
		   "printf '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":"
		   "{\"clientCertificateData\":\"%s\",\"clientKeyData\":\"%s\"}}' \"$c\" \"$k\"",
		   "");
	open_line(d, &l, &(struct wire_options){ .handler = say_yes, .cert = &server, .client_ca = &ca }, ca.cert_pem);
	assert_true(call_well(&l));
	close_line(&l);
	test_cert_release(&ca);
	test_cert_release(&server);
	test_cert_release(&one);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_current_context_of_the_home_folder_is_the_login),
		T(the_first_file_that_has_a_name_owns_the_whole_entry),
		T(the_explicit_path_is_the_only_file_and_must_exist),
		T(json_is_read_too),
		T(an_unknown_context_names_those_that_exist),
		T(nothing_anywhere_lists_every_place),
		T(what_is_wrong_is_told_with_its_place),
		T(a_wrong_cluster_is_told_with_its_place),
		T(names_that_lead_nowhere_are_told),
		T(all_broken_files_of_a_list_are_told),
		T(hostile_files_are_refused_at_once),
		T(paths_belong_to_the_folder_of_their_file),
		T(a_plugin_is_for_those_who_have_nothing_else),
		T(impersonation_is_read_whole),
		T(flags_win_over_the_file),
		T(the_pod_is_used_when_no_file_says_anything),
		T(contexts_are_listed_in_the_order_of_the_files),
		T(inline_tokens_and_passwords_need_no_waiting),
		T(a_token_file_is_read_again_each_50_seconds),
		T(a_refused_token_is_read_again_at_once),
		T(a_token_file_that_fails_leaves_the_former_token),
		T(certificate_files_are_read_again_each_5_minutes),
		T(a_plugin_gives_the_token),
		T(the_plugin_hears_what_the_cluster_has_for_it),
		T(what_a_plugin_does_wrong_is_told),
		T(a_plugin_that_is_missing_shows_its_install_hint),
		T(stderr_of_a_plugin_is_bounded),
		T(a_plugin_may_be_forbidden),
		T(a_plugin_that_must_ask_needs_the_terminal),
		T(a_credential_that_expires_is_fetched_again),
		T(a_refused_credential_makes_one_run_and_the_same_one_is_final),
		T(a_failure_is_told_to_all_without_running_again_at_once),
		T(twenty_requests_at_once_make_one_run),
		T(a_plugin_that_hangs_is_stopped_after_a_minute),
		T(detaching_stops_a_plugin_that_runs),
		T(many_calls_that_get_401_share_one_new_login),
		T(a_failing_login_is_the_error_of_the_call),
		T(a_client_certificate_that_rotates_opens_a_new_connection),
		T(a_plugin_may_give_a_client_certificate),
	};

	return cmocka_run_group_tests_name("kube login", tests, NULL, NULL);
}
