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
#include "base/utc.h"
#include "kube/credential.h"
#include "kube/kubeconfig.h"

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
__attribute__((unused)) static void set_list(struct desk *d, const char *names)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct str rest = str_of(names), name;

	buf_adds(&out, "KUBECONFIG=");
	for (bool more = true; more;) {
		more = str_cut(&rest, ':', &name);
		if (!more)
			name = rest;
		buf_addf(&out, "%s/%.*s%s", d->folder, STR_ARG(name), more ? ":" : "");
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
		fail_msg("%s", d->err.message);
}

/* The message without the folder of the test in front. */
__attribute__((unused)) static void load_badly(struct desk *d, enum err_kind kind, const char *want)
{
	assert_false(load(d));
	if (!strstr(d->err.message, want))
		fail_msg("want \"%s\" in: %s", want, d->err.message);
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
__attribute__((unused)) static void put_user(struct desk *d, const char *lines)
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

__attribute__((unused)) static void put_cluster(struct desk *d, const char *lines)
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

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_current_context_of_the_home_folder_is_the_login),
	};

	return cmocka_run_group_tests_name("kube login", tests, NULL, NULL);
}
