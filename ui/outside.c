/* What leaves the dashboard and comes back: a shell in a container, ports, $EDITOR, a browser. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "live/shell.h"
#include "ui/state.h"
#include "ui/term.h"
#include "ui/text.h"

/* ---- which pod ---- */

/* The first running pod below entry, newest first; NULL: none. */
static const struct row *running_pod(const struct entry *entry, unsigned depth)
{
	if (entry->row && entry->row->kind == &kind_pod)
		return strcmp(entry->row->pod->phase, "Running") == 0 && !entry->row->deleted_ms ? entry->row : NULL;
	for (const struct entry *child = entry->children; child && depth < 4; child = child->next_child) {
		const struct row *pod = running_pod(child, depth + 1);

		if (pod)
			return pod;
	}
	return NULL;
}

static const struct row *pod_of(struct app *app, const struct target *target)
{
	struct entry *entry = app_entry(app, &target->object);

	return entry ? running_pod(entry, 0) : NULL;
}

/* ---- shell ---- */

struct shell_wish {
	char *namespace, *pod, *container;
};

static void free_wish(void *arg)
{
	struct shell_wish *wish = arg;

	free(wish->namespace);
	free(wish->pod);
	free(wish->container);
	free(wish);
}

/* The model stays fresh while somebody else has the terminal. */
static bool keep_fresh(void *arg)
{
	struct app *app = arg;

	live_poll(app->live, 20);
	return !cancel_requested(app->options->cancel) && !term_signal();
}

static void run_shell(struct app *app, void *arg, const char *text)
{
	struct shell_wish *wish = arg;
	AUTO_RELEASE(error) err = { 0 };
	struct shell_result result;
	const struct shell_options options = { .namespace = wish->namespace,
					       .pod = wish->pod,
					       .container = wish->container,
					       .tty = true,
					       .tick = keep_fresh,
					       .arg = app,
					       .cancel = app->options->cancel };
	bool good;

	(void)text;
	if (app_replays(app, T("a shell"))) {
		free_wish(wish);
		return;
	}
	term_pause(app->term);
	printf("shell in %s/%s, container %s; Ctrl-] twice leaves\r\n", wish->namespace, wish->pod, wish->container);
	fflush(stdout);
	good = shell_run(app->session->cluster.kube, &options, &result, &err);
	term_resume(app->term);
	AUTO_FREE char *what = xasprintf(T("shell in %s"), wish->pod);

	if (!good)
		app_notice_error(app, what, &err);
	else if (result.end == SHELL_DETACHED)
		app_notice(app, false, "shell in %s: left; what ran there may go on", wish->pod);
	else
		app_notice(app, false, "shell in %s: ended with %d", wish->pod, result.exit_code);
	free_wish(wish);
}

static void ask_shell(struct app *app, const char *namespace, const char *pod, const char *container)
{
	struct shell_wish *wish = xcalloc(1, sizeof *wish);
	const struct environment *env = app_environment_in(app, namespace);
	AUTO_RELEASE(target) t = { 0 };

	if (env)
		target_of_environment(app, &t, env);
	AUTO_FREE char *word = app_word_for(app, &t, pod);

	*wish = (struct shell_wish){ xstrdup(namespace), xstrdup(pod), xstrdup(container) };
	dialog_open(&app->dialog, word ? DIALOG_TYPE : DIALOG_CONFIRM, T("Shell"), run_shell, wish, free_wish);
	app->dialog.word = GIVE(word);
	pager_addf(&app->dialog.body, ROLE_TEXT, "%s, namespace %s, cluster %s", t.title ? t.title : T("no environment"), namespace, app->session->cluster.name);
	pager_addf(&app->dialog.body, ROLE_TEXT, "runs bash or sh in container %s of pod %s", container, pod);
	pager_add(&app->dialog.body, ROLE_DIM, T("will send: POST pods/exec; what is typed there is nobody's business here"));
}

/* Its text is "namespace\tpod\tcontainer". */
static void pick_container(struct app *app, const struct pick_item *item)
{
	AUTO_FREE char *copy = xstrdup(item->text);
	char *rest = copy;
	const char *namespace = strsep(&rest, "\t"), *pod = strsep(&rest, "\t");

	ask_shell(app, namespace, pod, rest);
}

static void offer_shell(struct app *app, const struct row *pod)
{
	if (pod->pod->ncontainers == 1) {
		ask_shell(app, pod->namespace, pod->name, pod->pod->containers[0].name);
		return;
	}
	picker_open(&app->picker, T("shell: which container"), pick_container);
	for (size_t i = 0; i < pod->pod->ncontainers; i++) {
		const struct row_container *container = &pod->pod->containers[i];
		AUTO_FREE char *text = xasprintf("%s\t%s\t%s", pod->namespace, pod->name, container->name);

		picker_add(&app->picker, 0, container->name, container->image, "", container->state == ROW_RUNNING ? NULL : T("it is not running"), text);
	}
}

/* A pod that the live model does not have, as the server knows it. */
static void on_pod(const struct browse_answer *answer, void *arg)
{
	struct app *app = arg;
	AUTO(row_decoder) decoder = row_decoder_create();
	AUTO_RELEASE(error) err = { 0 };
	struct row *pod;

	if (!answer->ok) {
		app_notice_error(app, T("shell"), answer->error);
	} else if (!row_decode(decoder, &kind_pod, answer->text, &pod, &err)) {
		app_notice_error(app, T("shell"), &err);
	} else {
		if (strcmp(pod->pod->phase, "Running") == 0)
			offer_shell(app, pod);
		else
			app_say(app, "pod %s does not run: it is %s", pod->name, pod->pod->phase);
		row_destroy(pod);
	}
}

static void say_why_no_pod(struct app *app, const char *namespace)
{
	const struct scope *scope = store_scope(live_store(app->live), &kind_pod, namespace);

	if (scope && scope->synced_ms)
		app_say(app, "no pod of it is running");
	else if (scope && *scope->why)
		app_say(app, "its pods are not known: %s", scope->why);
	else if (scope)
		app_say(app, "the pods of %s are still being read: press the key again in a moment", namespace);
	else
		app_say(app, "the pods of %s are not watched: choose one in the list of pods", namespace);
}

void app_shell(struct app *app, const struct target *t)
{
	const struct row *pod = pod_of(app, t);

	if (pod) {
		offer_shell(app, pod);
	} else if (strcmp(t->object.kind, "Pod") == 0) {
		app_say(app, "asking the cluster …");
		browse_get(app->session->cluster.browse,
			   &(struct browse_object){ browse_find_api(app->session->cluster.browse, "v1", "Pod"), t->object.namespace, t->object.name, NULL }, on_pod, app);
	} else {
		say_why_no_pod(app, t->object.namespace);
	}
}

/* ---- ports ---- */

static void free_ref(void *arg)
{
	object_ref_release(arg);
	free(arg);
}

/* "8080" or "9000:8080": ours and the pod's. */
static bool parse_ports(const char *text, uint16_t *ret_local, uint16_t *ret_port)
{
	unsigned local = 0, port = 0;
	char rest;

	if (sscanf(text, "%u:%u%c", &local, &port, &rest) != 2) {
		local = 0;
		if (sscanf(text, "%u%c", &port, &rest) != 1)
			return false;
	}
	*ret_local = (uint16_t)local;
	*ret_port = (uint16_t)port;
	return port > 0 && port <= 65535 && local <= 65535;
}

static void say_forward(struct app *app, unsigned id)
{
	for (size_t i = 0; i < forwards_count(app->session->forwards); i++) {
		const struct forward *f = forwards_at(app->session->forwards, i);

		if (f->id == id)
			app_notice(app, false, "http://localhost:%u leads to %s %s port %u; J lists and stops it", f->local_port, f->kind->kind, f->name, f->port);
	}
}

static void on_ports(struct app *app, void *arg, const char *text)
{
	struct object_ref *object = arg;
	AUTO_RELEASE(error) err = { 0 };
	struct forward_target target = { .kind = kind_find_api(object->api_version, object->kind),
					 .namespace = object->namespace,
					 .name = object->name };
	unsigned id;

	if (app_replays(app, T("a port-forward"))) {
		free_ref(object);
		return;
	}
	if (!parse_ports(text, &target.local_port, &target.port))
		app_say(app, "\"%s\" is no port: 8080, or 9000:8080 for another one here", text);
	else if (!target.kind || !forwards_add(app->session->forwards, &target, &id, &err))
		app_notice(app, true, "forward a port to %s: %s%s%s", object->name, target.kind ? err.message : T("its kind has no pods"), err.hint ? "; " : "",
			   err.hint ? err.hint : "");
	else
		say_forward(app, id);
	free_ref(object);
}

void app_forward(struct app *app, const struct target *t)
{
	struct object_ref *object = xcalloc(1, sizeof *object);

	object_ref_copy(object, &t->object);
	dialog_open(&app->dialog, DIALOG_ASK, T("Forward a port"), on_ports, object, free_ref);
	app->dialog.word = xstrdup(T("port"));
	pager_addf(&app->dialog.body, ROLE_TEXT, "%s %s in %s", t->object.kind, t->object.name, t->object.namespace);
	pager_add(&app->dialog.body, ROLE_DIM, T("8080 listens on a free port of this machine, 9000:8080 on 9000; on loopback only"));
}

static void pick_stop(struct app *app, const struct pick_item *item)
{
	forwards_remove(app->session->forwards, (unsigned)item->tag);
	app_notice(app, false, "stopped: %s", item->label);
}

void app_stop_forward(struct app *app)
{
	if (!forwards_count(app->session->forwards)) {
		app_say(app, "no port is forwarded");
		return;
	}
	picker_open(&app->picker, T("stop which port-forward"), pick_stop);
	for (size_t i = 0; i < forwards_count(app->session->forwards); i++) {
		const struct forward *f = forwards_at(app->session->forwards, i);
		AUTO_FREE char *label = xasprintf(T("localhost:%u to %s %s port %u"), f->local_port, f->kind->kind, f->name, f->port);

		picker_add(&app->picker, (int)f->id, label, f->namespace, "", NULL, NULL);
	}
}

/* ---- $EDITOR ---- */

/* Waits; the exit status, -1: it could not be run. */
static int run_in_terminal(struct app *app, const char *const *argv)
{
	extern char **environ;
	pid_t pid;
	int status = -1;

	term_pause(app->term);
	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	term_resume(app->term);
	return status;
}

void app_edit(struct app *app)
{
	const char *visual = getenv("VISUAL"), *editor = visual && *visual ? visual : getenv("EDITOR"), *base = getenv("TMPDIR");
	AUTO_FREE char *path = xasprintf("%s/slotdeck-XXXXXX", base && *base ? base : "/tmp");
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_FREE char *command = NULL;
	int fd;

	if (app_replays(app, T("an editor")))
		return;
	if (!editor || !*editor) {
		app_say(app, "neither VISUAL nor EDITOR names an editor; s saves the text to a file");
		return;
	}
	if (!views[app->view]->text) {
		app_say(app, "there is no text to edit here");
		return;
	}
	views[app->view]->text(app, &text);
	fd = mkstemp(path);
	if (fd < 0 || write(fd, buf_cstr(&text), text.len) != (ssize_t)text.len) {
		app_notice(app, true, "%s: %s", path, strerror(errno));
	} else {
		command = xasprintf("%s \"$1\"", editor); /* as git does: the variable may hold arguments */
		const char *const argv[] = { "sh", "-c", command, editor, path, NULL };
		int status = run_in_terminal(app, argv);

		if (status != 0)
			app_notice(app, true, "%s did not run well (status %d)", editor, status < 0 ? status : WEXITSTATUS(status));
	}
	if (fd >= 0)
		close(fd);
	unlink(path);
}

/* ---- browser ---- */

/* The first host of an Ingress of the namespace; NULL: none. Gives. */
static char *address_of(struct app *app, const char *namespace)
{
	for (struct entry *e = store_first(live_store(app->live), &kind_ingress, namespace); e; e = store_next(e, namespace)) {
		size_t len = e->row ? strcspn(e->row->ingress->hosts, ",") : 0;

		if (len && e->row->ingress->hosts[0] != '*')
			return xasprintf("https://%.*s", (int)len, e->row->ingress->hosts);
	}
	return NULL;
}

static bool has_display(void)
{
	const char *display = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY"), *browser = getenv("BROWSER");

	return (display && *display) || (wayland && *wayland) || (browser && *browser);
}

struct browse_task {
	char *url;
	struct error err;
};

static void open_url(const struct cancel *cancel, void *arg)
{
	struct browse_task *task = arg;
	const char *browser = getenv("BROWSER");
	const char *const argv[] = { browser && *browser ? browser : "xdg-open", task->url, NULL };
	AUTO_RELEASE(process_result) result = { 0 };

	process_run(&(struct process_options){ .argv = argv, .timeout_ms = 20000 }, cancel, &result, &task->err);
}

static void url_opened(void *arg, void *owner)
{
	struct browse_task *task = arg;

	if (task->err.kind)
		app_notice(owner, true, "%s: %s", task->url, task->err.message);
}

static void release_url(void *arg)
{
	struct browse_task *task = arg;

	free(task->url);
	error_release(&task->err);
	free(task);
}

void app_browser(struct app *app, const struct target *t)
{
	const char *namespace = object_ref_is_empty(&t->object) ? t->namespace : t->object.namespace;
	AUTO_FREE char *url = address_of(app, namespace);
	struct browse_task *task;

	if (app_replays(app, T("a browser")))
		return;
	if (!url) {
		app_say(app, "no Ingress of namespace %s has a host", namespace);
		return;
	}
	if (!has_display()) {
		app_copy(app, url, url);
		return;
	}
	task = xcalloc(1, sizeof *task);
	task->url = GIVE(url);
	app_say(app, "opening %s", task->url);
	tasks_run(app->chores, &(struct task){ .work = open_url, .end = url_opened, .release = release_url, .arg = task });
}
