/*
 * Which clusters there are, and from one to another.
 *
 *     K, :context ─► opened and logged in beside the screen ─► what would end is asked about ─► the session is another one
 *                    fails: said, nothing changes                                              the old one is closed beside the screen
 *
 * Nothing here waits for a server, so that a cluster can be left that does not answer.
 */
#include <stdlib.h>
#include <string.h>

#include "ui/state.h"
#include "ui/text.h"

/* ---- letting go ---- */

struct leaving { /* what is closed beside the screen */
	const struct app_options *options;
	struct session *session; /* NULL: the cluster was never shown */
	struct app_cluster cluster;
	bool closed;
};

static void close_left(struct leaving *leaving)
{
	if (leaving->closed)
		return;
	leaving->closed = true;
	if (leaving->session)
		session_destroy(leaving->session, leaving->options);
	leaving->options->close_cluster(&leaving->cluster, leaving->options->arg);
}

static void leave_work(const struct cancel *cancel, void *arg)
{
	(void)cancel;
	close_left(arg);
}

static void leave_release(void *arg)
{
	close_left(arg); /* the program ended first */
	free(arg);
}

/* Takes session. */
static void leave(struct app *app, struct session *session, const struct app_cluster *cluster)
{
	struct leaving *leaving = xcalloc(1, sizeof *leaving);

	*leaving = (struct leaving){ .options = app->options, .session = session, .cluster = *cluster };
	tasks_run(app->chores, &(struct task){ .work = leave_work, .release = leave_release, .arg = leaving });
}

/* ---- another one is shown ---- */

/* What was asked of the old one stays on the list of commands. */
static void keep_asked(struct app *app)
{
	struct asked_list all = { 0 };

	asked_read(app->session->cluster.kube, &all);
	for (size_t i = 0; i < app->asked_before.len; i++)
		LIST_PUSH(all.items, all.len, all.cap) = app->asked_before.items[i];
	free(app->asked_before.items);
	for (; all.len > ASKED_KEPT_MAX; all.len--)
		asked_release(&all.items[all.len - 1]);
	app->asked_before = all;
}

/* Nothing that the screens hold outlives the cluster that it is of; pages that are of none stay. */
static void forget_all(struct app *app)
{
	bool stays = app->view == VIEW_PAGE && !app->page.of && object_ref_is_empty(&app->page.object);

	dialog_close(&app->dialog);
	picker_close(&app->picker);
	app->prompting = PROMPT_NONE;
	for (size_t v = 0; v < VIEW_COUNT; v++)
		if (views[v]->release && !(v == VIEW_PAGE && stays))
			views[v]->release(app);
	for (size_t v = 0; v < VIEW_COUNT; v++)
		app_note_filter(app, v, NULL);
	app->ntrail = 0;
	app->previous = VIEW_ENVS;
	if (!views[app->view]->tab && !stays)
		app->view = VIEW_ENVS;
	free(GIVE(app->wanted));
	free(GIVE(app->wanted_namespace));
	free(GIVE(app->strip_trouble));
	app->changing = 0;
}

/* The kind that is browsed is looked for in the next cluster too. */
static char *browsed_kind(const struct app *app)
{
	const struct kube_resource *r = app->view == VIEW_BROWSE ? app->browse.resource : NULL;

	return r ? xasprintf("%s%s%s", r->resource, *r->group ? "." : "", r->group) : NULL;
}

static void show_cluster(struct app *app, struct app_cluster *cluster)
{
	struct session *old = app->session;
	AUTO_FREE char *kind = browsed_kind(app), *namespace = kind ? xstrdup(app->browse.namespace) : NULL;

	app->options->show_cluster(cluster, app->options->arg);
	tasks_cancel(old->tasks);
	keep_asked(app);
	old->logs = GIVE(app->logs.logs);
	app->browse.table = NULL; /* closed with the rest */
	forget_all(app);
	app->session = session_create(cluster);
	app->live = cluster->live;
	leave(app, old, &old->cluster);
	setup_title(app);
	app_notice(app, false, "the cluster on the screens is %s now", cluster->name);
	if (kind)
		app_open_wanted(app, kind, namespace);
}

/* ---- asking ---- */

struct wish { /* to show an opened cluster */
	struct app *app;
	struct app_cluster cluster;
};

static void on_yes(struct app *app, void *arg, const char *text)
{
	struct wish *wish = arg;

	(void)text;
	AUTO_FREE char *reason = app_reason_against_leaving(app);

	if (reason) {
		app_notice(app, true, "%s", reason);
		leave(app, NULL, &wish->cluster);
	} else {
		show_cluster(app, &wish->cluster);
	}
	free(wish);
}

static void on_no(void *arg)
{
	struct wish *wish = arg;

	leave(wish->app, NULL, &wish->cluster);
	free(wish);
}

static void ask(struct app *app, const struct app_cluster *cluster)
{
	struct wish *wish = xcalloc(1, sizeof *wish);
	AUTO_FREE char *title = xasprintf(T("Go to %s"), cluster->name);
	struct pager *body = &app->dialog.body;

	*wish = (struct wish){ app, *cluster };
	dialog_open(&app->dialog, DIALOG_CONFIRM, title, on_yes, wish, on_no);
	pager_addf(body, ROLE_TEXT, "what belongs to %s ends:", app->session->cluster.name);
	for (size_t i = 0; i < forwards_count(app->session->forwards); i++) {
		const struct forward *f = forwards_at(app->session->forwards, i);

		pager_addf(body, ROLE_TEXT, "  port-forward of localhost:%u to %s %s port %u", f->local_port, f->kind->kind, f->name, f->port);
	}
	if (app->changing)
		pager_add(body, ROLE_BAD, T("  changes that are being done: whether the last one arrives will not be known; @ names it"));
}

/* ---- opening ---- */

/* Owned by its task. */
struct opening {
	const struct app_options *options;
	struct cancel *cancel;
	char *context;
	struct app_cluster cluster;
	bool good;
	struct error err;
};

static void open_work(const struct cancel *cancel, void *arg)
{
	struct opening *opening = arg;

	if (!cancel_requested(cancel))
		opening->good = opening->options->open_cluster(opening->context, opening->cancel, &opening->cluster, &opening->err, opening->options->arg);
}

static void leave_opened(struct app *app, struct opening *opening)
{
	if (opening->good)
		leave(app, NULL, &opening->cluster);
	opening->good = false;
}

static void open_end(void *arg, void *owner)
{
	struct opening *opening = arg;
	struct app *app = owner;

	if (app->opening != opening) { /* another one was chosen since */
		leave_opened(app, opening);
		return;
	}
	app->opening = NULL;
	if (!opening->good) {
		app_notice(app, true, "context %s: %s%s%s; %s stays on the screens", opening->context, opening->err.message, opening->err.hint ? "; " : "",
			   opening->err.hint ? opening->err.hint : "", app->session->cluster.name);
		return;
	}
	AUTO_FREE char *reason = app_reason_against_leaving(app);

	if (reason) {
		app_notice(app, true, "%s", reason);
		leave_opened(app, opening);
		return;
	}
	opening->good = false; /* changes hands */
	if (app->changing || forwards_count(app->session->forwards))
		ask(app, &opening->cluster);
	else
		show_cluster(app, &opening->cluster);
}

static void open_release(void *arg)
{
	struct opening *opening = arg;

	if (opening->good)
		opening->options->close_cluster(&opening->cluster, opening->options->arg);
	cancel_destroy(opening->cancel);
	free(opening->context);
	error_release(&opening->err);
	free(opening);
}

static void give_up_opening(struct app *app)
{
	if (app->opening)
		cancel_request(app->opening->cancel, 0);
	app->opening = NULL;
}

static void go_to(struct app *app, const char *context)
{
	const struct app_cluster *present = &app->session->cluster;
	AUTO_FREE char *reason = app_reason_against_leaving(app);

	give_up_opening(app);
	if (reason) {
		app_say(app, "%s", reason);
		return;
	}
	if (present->context && strcmp(present->context, context) == 0) {
		app_say(app, "%s is on the screens already", context);
		return;
	}
	struct opening *opening = xcalloc(1, sizeof *opening);

	*opening = (struct opening){ .options = app->options, .cancel = cancel_create(), .context = xstrdup(context) };
	app->opening = opening;
	app_say(app, "logging in to context %s …", context);
	tasks_run(app->chores, &(struct task){ .work = open_work, .end = open_end, .release = open_release, .arg = opening });
}

/* ---- which there are ---- */

void app_contexts_release(struct app_contexts *contexts)
{
	for (size_t i = 0; i < contexts->len; i++) {
		free(contexts->items[i].name);
		free(contexts->items[i].server);
		free(contexts->items[i].namespace);
	}
	free(contexts->items);
	*contexts = (struct app_contexts){ 0 };
}

char *app_reason_against_leaving(const struct app *app)
{
	if (app->options->replay)
		return xstrdup(T("a replay has the one cluster that was recorded"));
	if (app->options->recorder)
		return xstrdup(T("a recording is of one cluster: start without --record to go to another"));
	if (!app->options->open_cluster)
		return xstrdup(T("there is no other cluster to go to"));
	if (app_job_runs(app))
		return xasprintf(T("a job is running on %s: c cancels it, then another cluster can be shown"), app->deploy.title);
	return NULL;
}

void app_pick_context(struct app *app, const struct pick_item *item)
{
	go_to(app, item->text);
}

void app_add_contexts(struct app *app, struct picker *picker, int tag)
{
	const char *present = app->session->cluster.context;
	AUTO_FREE char *reason = app_reason_against_leaving(app);

	for (size_t i = 0; i < app->contexts.len; i++) {
		const struct app_context *context = &app->contexts.items[i];
		AUTO_FREE char *label = xasprintf("context %s", context->name);
		AUTO_FREE char *detail = xasprintf(T("%s, namespace %s"), *context->server ? context->server : T("no server"), context->namespace);

		picker_add(picker, tag, label, detail, present && strcmp(present, context->name) == 0 ? T("now") : "", reason, context->name);
	}
}

struct reading {
	const struct app_options *options;
	struct app_contexts contexts;
	struct error err;
	bool good;
};

static void read_work(const struct cancel *cancel, void *arg)
{
	struct reading *reading = arg;

	if (!cancel_requested(cancel))
		reading->good = reading->options->list_contexts(&reading->contexts, &reading->err, reading->options->arg);
}

static void read_end(void *arg, void *owner)
{
	struct reading *reading = arg;
	struct app *app = owner;
	bool shown = app->picker.open && app->picker.pick == app_pick_context;

	if (!reading->good) {
		if (shown)
			app_notice(app, true, "%s%s%s", reading->err.message, reading->err.hint ? "; " : "", reading->err.hint ? reading->err.hint : "");
		return;
	}
	app_contexts_release(&app->contexts);
	app->contexts = reading->contexts;
	reading->contexts = (struct app_contexts){ 0 };
	if (!shown)
		return;
	picker_clear(&app->picker);
	app_add_contexts(app, &app->picker, 0);
	picker_look(&app->picker);
}

static void read_release(void *arg)
{
	struct reading *reading = arg;

	app_contexts_release(&reading->contexts);
	error_release(&reading->err);
	free(reading);
}

void app_read_contexts(struct app *app)
{
	struct reading *reading;

	if (app->options->replay || app->options->recorder || !app->options->list_contexts)
		return;
	reading = xcalloc(1, sizeof *reading);
	reading->options = app->options;
	tasks_run(app->chores, &(struct task){ .work = read_work, .end = read_end, .release = read_release, .arg = reading });
}

void app_open_contexts(struct app *app)
{
	AUTO_FREE char *reason = app_reason_against_leaving(app);

	if (reason) {
		app_say(app, "%s", reason);
		return;
	}
	picker_open(&app->picker, T("go to which cluster"), app_pick_context);
	app_add_contexts(app, &app->picker, 0);
	app_read_contexts(app);
}

void clusters_end(struct app *app)
{
	dialog_close(&app->dialog);
	give_up_opening(app);
	tasks_destroy(app->chores);
	app_contexts_release(&app->contexts);
	asked_list_release(&app->asked_before);
}
