/* exec and port-forward: the command line's way into pods. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/print.h"
#include "job/job.h"
#include "kube/watcher.h"
#include "live/forward.h"
#include "live/shell.h"

#define LOOK_MS 1000
#define FIRST_LOOK_MS 30000 /* for the lists that say which pods there are */

/* A cluster, and what is known of the pods in one namespace. */
struct site {
	struct net *net;
	struct kube *kube;
	char *namespace;
	struct store *store;
	struct watcher *watcher;
};

static void site_release(struct site *p)
{
	watcher_destroy(p->watcher);
	store_destroy(p->store);
	kube_close(p->kube);
	net_destroy(p->net);
	free(p->namespace);
}
DEFINE_AUTO_RELEASE(site);

/* --namespace, else that of --env, else the context's. */
static bool find_namespace(const struct options *o, const struct kube *kube, char **ret, struct error *err)
{
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	struct stack_options stack_options = stack_options_from(o);
	struct stack *stack = NULL;

	if (option_text(o, OPT_NAMESPACE) || !option_given(o, OPT_ENV)) {
		*ret = xstrdup(option_text(o, OPT_NAMESPACE) ? option_text(o, OPT_NAMESPACE) : kube_namespace(kube));
		return true;
	}
	stack_options.lenient = true;
	if (!stack_load(&stack_options, &stack, &diags, err))
		return false;
	*ret = xstrdup(stack->namespace);
	stack_destroy(stack);
	return true;
}

static bool site_open(struct site *p, const struct options *o, struct error *err)
{
	p->net = net_create(NULL, err);
	return p->net && cluster_open(p->net, o, &p->kube, err) && find_namespace(o, p->kube, &p->namespace, err);
}

/* "web", "pod/web", "deployment/web", "svc/web". */
static bool read_target(const char *word, const struct kind **ret_kind, const char **ret_name, struct error *err)
{
	struct str rest = str_of(word), head;

	*ret_kind = &kind_pod;
	*ret_name = word;
	if (!str_cut(&rest, '/', &head))
		return true;
	AUTO_FREE char *kind = str_dup(head);

	*ret_kind = kind_find_word(kind);
	*ret_name = word + head.len + 1;
	if (*ret_kind && (*ret_kind)->namespaced)
		return true;
	return error_set(err, ERR_INVALID, "\"%s\": there is no kind \"%s\" that has pods", word, kind);
}

/* Kinds between a target and its pods. */
static const struct kind *const between[] = { &kind_replica_set, &kind_job };

static bool is_known(const struct site *p, const struct kind *kind, struct error *err)
{
	const struct scope *scope = store_scope(p->store, kind, p->namespace);

	if (scope->state == SCOPE_FORBIDDEN)
		return error_set(err, ERR_DENIED, "list %s in namespace %s: %s", kind->resource, p->namespace, scope->why);
	return scope->synced_ms != 0;
}

static bool all_known(const struct site *p, const struct kind *kind, struct error *err)
{
	return is_known(p, kind, err) && is_known(p, &kind_pod, err) && (err->kind || is_known(p, &kind_replica_set, err)) &&
	       (err->kind || is_known(p, &kind_job, err));
}

/* Watches the target's kind, pods and what is between, until the first lists are there. */
static bool site_look(struct site *p, const struct kind *kind, const struct cancel *cancel, struct error *err)
{
	p->store = store_create();
	p->watcher = watcher_create(&(struct watcher_options){
		.net = p->net, .http = kube_http(p->kube), .prepare = watcher_prepare_kube, .prepare_arg = p->kube });
	watcher_watch(p->watcher, p->store, kind, p->namespace);
	watcher_watch(p->watcher, p->store, &kind_pod, p->namespace);
	for (size_t i = 0; i < ARRAY_LEN(between); i++)
		watcher_watch(p->watcher, p->store, between[i], p->namespace);
	int64_t end = watcher_now_ms(p->watcher) + FIRST_LOOK_MS;

	while (!all_known(p, kind, err)) {
		if (err->kind || !watcher_wait(p->watcher, cancel, end, err))
			return false;
		watcher_take(p->watcher, p->store, NULL, 0);
		if (watcher_now_ms(p->watcher) >= end)
			return error_set(err, ERR_TIMEOUT, "the pods of namespace %s are not known after %d s", p->namespace, FIRST_LOOK_MS / 1000);
	}
	return true;
}

static int fail(const struct error *err, const struct cancel *cancel)
{
	command_print_error(err);
	return job_exit_of_error(err, cancel_signal(cancel));
}

/* The words of the command line behind the command's own, and behind the target. */
static const char *const *words_after(const struct options *o, size_t used)
{
	return o->words + (o->nwords < used ? o->nwords : used);
}

/* ---- exec ---- */

static bool choose_pod(struct site *p, const char *word, const struct cancel *cancel, char **ret, struct error *err)
{
	const struct kind *kind;
	const char *name;

	if (!read_target(word, &kind, &name, err))
		return false;
	if (kind == &kind_pod) {
		*ret = xstrdup(name);
		return true;
	}
	if (!site_look(p, kind, cancel, err))
		return false;
	if (!store_find_name(p->store, kind, p->namespace, name))
		return error_set(err, ERR_NOT_FOUND, "there is no %s %s in namespace %s", kind->kind, name, p->namespace);
	*ret = xstrdup(forward_choose_pod(p->store, kind, p->namespace, name, ""));
	return **ret || error_set(err, ERR_NOT_FOUND, "%s %s in namespace %s has no running pod", kind->kind, name, p->namespace);
}

int cmd_exec(const struct command *command, const struct options *o)
{
	AUTO(cancel) cancel = signals_watch();
	AUTO_RELEASE(site) site = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *pod = NULL;
	AUTO_FREE const char **argv = xcalloc(o->nwords + 1, sizeof *argv);
	struct shell_result result;
	size_t n = o->nwords > 2 ? o->nwords - 2 : 0;

	(void)command;
	if (o->nwords < 2) {
		error_set(&err, ERR_INVALID, "exec needs a pod, or KIND/NAME of what has pods");
		error_hint(&err, "for example: slotdeck exec -it deployment/web, or: slotdeck exec web-0 -- cat /etc/hostname");
		return fail(&err, cancel);
	}
	memcpy(argv, words_after(o, 2), n * sizeof *argv);
	bool shell = !n && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

	if (!n && !shell && !option_flag(o, OPT_STDIN)) {
		error_set(&err, ERR_INVALID, "there is no command, and no terminal for a shell");
		error_hint(&err, "name a command, or give a script with -i");
		return fail(&err, cancel);
	}
	if (!site_open(&site, o, &err) || !choose_pod(&site, o->words[1], cancel, &pod, &err) ||
	    !shell_run(site.kube,
		       &(struct shell_options){ .namespace = site.namespace,
						.pod = pod,
						.container = option_text(o, OPT_CONTAINER),
						.command = n ? argv : NULL,
						.tty = shell || option_flag(o, OPT_TTY),
						.no_input = !shell && !option_flag(o, OPT_STDIN),
						.cancel = cancel },
		       &result, &err))
		return fail(&err, cancel);
	return result.exit_code;
}

/* ---- port-forward ---- */

/* "8080", "8080:80", ":80". */
static bool read_ports(const char *word, uint16_t *ret_local, uint16_t *ret_port, struct error *err)
{
	const char *colon = strchr(word, ':');
	char *end_local = (char *)word, *end_port;
	unsigned long local = colon ? strtoul(word, &end_local, 10) : 0, port = strtoul(colon ? colon + 1 : word, &end_port, 10);
	bool local_good = !colon || end_local == colon || colon == word;

	if (!local_good || *end_port || port < 1 || port > 65535 || local > 65535)
		return error_set(err, ERR_INVALID, "\"%s\" is no port, and not LOCAL:PORT", word);
	*ret_port = (uint16_t)port;
	*ret_local = (uint16_t)(colon ? local : port);
	return true;
}

static bool add_forwards(struct forwards *forwards, struct site *p, const struct kind *kind, const char *name,
			 const char *const *ports, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct forward_target target = { .kind = kind, .namespace = p->namespace, .name = name };
		unsigned id;

		if (!read_ports(ports[i], &target.local_port, &target.port, err) || !forwards_add(forwards, &target, &id, err))
			return false;
		const struct forward *f = forwards_at(forwards, i);

		printf("127.0.0.1:%u -> %s/%s port %u%s%s\n", f->local_port, kind->singular, name, f->port, *f->pod ? ", now pod " : ", no pod runs yet",
		       f->pod);
	}
	fflush(stdout);
	return true;
}

/* Tells each failure once. */
static void print_failures(const struct forwards *forwards, uint64_t *failed)
{
	for (size_t i = 0; i < forwards_count(forwards); i++) {
		const struct forward *f = forwards_at(forwards, i);

		if (f->failed != failed[i])
			fprintf(stderr, "port %u: %s\n", f->local_port, f->last_error);
		failed[i] = f->failed;
	}
}

/* Until cancelled, which is its only end. */
static void stay(struct site *p, struct forwards *forwards, const struct cancel *cancel, struct error *err)
{
	AUTO_FREE uint64_t *failed = xcalloc(forwards_count(forwards), sizeof *failed);

	while (watcher_wait(p->watcher, cancel, watcher_now_ms(p->watcher) + LOOK_MS, err)) {
		watcher_take(p->watcher, p->store, NULL, 0);
		if (forwards_poll(forwards))
			print_failures(forwards, failed);
	}
}

int cmd_port_forward(const struct command *command, const struct options *o)
{
	AUTO(cancel) cancel = signals_watch();
	AUTO_RELEASE(site) site = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	const struct kind *kind;
	const char *name;

	(void)command;
	if (o->nwords < 3) {
		error_set(&err, ERR_INVALID, "port-forward needs a pod, or KIND/NAME of what has pods, and a port");
		error_hint(&err, "for example: slotdeck port-forward deployment/web 8080:80");
		return fail(&err, cancel);
	}
	if (!read_target(o->words[1], &kind, &name, &err) || !site_open(&site, o, &err) || !site_look(&site, kind, cancel, &err))
		return fail(&err, cancel);
	AUTO(forwards) forwards = forwards_create(site.kube, site.store);

	if (add_forwards(forwards, &site, kind, name, words_after(o, 2), o->nwords - 2, &err))
		stay(&site, forwards, cancel, &err);
	return err.kind == ERR_CANCELLED ? job_exit_of_error(&err, cancel_signal(cancel)) : fail(&err, cancel);
}
