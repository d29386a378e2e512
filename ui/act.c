/* Which changes there are, what stands against them, and what they are done to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/change.h"
#include "ui/record.h"
#include "ui/replay.h"
#include "ui/settings.h"
#include "ui/state.h"
#include "ui/text.h"

void app_notice_error(struct app *app, const char *what, const struct error *err)
{
	if (err->kind == ERR_DENIED)
		browse_doubt_rights(app->session->cluster.browse);
	app_notice(app, true, "%s: %s%s%s", what, err->message, err->hint ? "; " : "", err->hint ? err->hint : "");
}

/* Slots are there to be broken, unless the settings say otherwise; elsewhere the name must be typed. */
char *app_word_for(const struct app *app, const struct target *t, const char *name)
{
	bool slot = t->env && strcmp(t->env, "ai") == 0;

	return slot && !(app->settings && settings_asks_name(settings_get(app->settings), t->title)) ? NULL : xstrdup(name);
}

/* ---- what is asked before it can be prepared ---- */

static void on_replicas(struct app *app, void *arg, const char *text)
{
	struct change *change = arg;
	char *end;
	long wanted = strtol(text, &end, 10);

	if (!*text || *end || wanted < 0) {
		app_say(app, "\"%s\" is no number of replicas", text);
		change_destroy(change);
		return;
	}
	change_set_number(change, wanted);
	change_begin(app, change);
}

/* Takes change, which is of these targets. */
static void ask_replicas(struct app *app, struct change *change, const struct target *targets, size_t n)
{
	dialog_open(&app->dialog, DIALOG_ASK, T("Scale"), on_replicas, change, change_release);
	app->dialog.word = xstrdup(T("replicas"));
	for (size_t i = 0; i < n; i++) {
		const struct object_ref *object = &targets[i].object;
		const struct entry *entry = app_entry(app, object);

		if (object_ref_is_empty(object))
			continue;
		pager_addf(&app->dialog.body, ROLE_TEXT, "%s %s in %s", object->kind, object->name, object->namespace);
		if (entry && entry->row && entry->row->kind->shape == SHAPE_WORKLOAD)
			pager_addf(&app->dialog.body, ROLE_DIM, "wants %d now", entry->row->workload->want);
	}
}

/* ---- the job: compare, apply ---- */

static void on_event(const struct job_event *event, void *events)
{
	queue_push(events, job_event_copy(event));
}

bool app_job_runs(const struct app *app)
{
	int code;

	return app->job_replayed || (app->session->job && !job_ended(app->session->job, &code));
}

static void run_job(struct app *app, job_fn *fn)
{
	progress_begin_job(&app->deploy.progress, fn, &app->session->target.context, &app->session->target.options, live_now_ms(app->live));
	if (app->deploy.progress.trouble)
		app_notice(app, true, "%s", app->deploy.progress.trouble);
	app->session->job = job_start(fn, &app->session->target.context, &app->session->target.options);
}

void app_start_job(struct app *app, job_fn *fn, const char *title, const char *env, int64_t slot, enum deploy_phase phase)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *kept_title = xstrdup(title), *kept_env = xstrdup(env);

	session_close_job(app->session, app->options);
	bool opened = app->options->open_target(kept_env, slot, &app->session->target, &err, app->options->arg);

	record_target(app, opened ? NULL : &err);
	if (!opened) {
		app_notice(app, true, "%s: %s", kept_title, err.message);
		return;
	}
	app->session->has_target = true;
	deploy_view_begin(&app->deploy, kept_title, kept_env, slot, phase, live_now_ms(app->live));
	app->deploy.about = fn == job_mirror ? ABOUT_MIRRORING : fn == job_build ? ABOUT_BUILDING : ABOUT_OBJECTS;
	app->session->target.options.dry_run = app->deploy.about && phase == DEPLOY_COMPARING;
	app->session->target.context.sink = on_event;
	app->session->target.context.sink_arg = app->session->events;
	app->session->target.options.wait = fn == job_apply;
	app->job_replayed = app->options->replay != NULL; /* what it said comes from the recording */
	if (!app->job_replayed)
		run_job(app, fn);
	app_go(app, VIEW_APPLY);
}

static void on_apply(struct app *app, void *arg, const char *text)
{
	(void)arg;
	(void)text;
	app_start_job(app, job_apply, app->deploy.title, app->deploy.env, app->deploy.slot, DEPLOY_APPLYING);
}

static void add_changes_to_ask(struct app *app, enum job_change change, const char *what)
{
	for (size_t i = 0; i < app->deploy.len; i++) {
		const struct deploy_row *row = &app->deploy.rows[i];

		if (row->change == change)
			pager_addf(&app->dialog.body, ROLE_TEXT, "%s %s %s%s%s", what, row->kind, row->name, row->effect && *row->effect ? ": " : "",
				   row->effect ? row->effect : "");
	}
}

static void ask_apply(struct app *app)
{
	const struct target target = { .title = app->deploy.title, .env = app->deploy.env };
	bool slot = strcmp(app->deploy.env, "ai") == 0;
	AUTO_FREE char *word = app_word_for(app, &target, slot ? app->deploy.title : app->deploy.env);
	struct pager *body = &app->dialog.body;
	AUTO_FREE char *title = xasprintf(T("Apply to %s"), app->deploy.title);

	dialog_open(&app->dialog, word ? DIALOG_TYPE : DIALOG_CONFIRM, title, on_apply, NULL, NULL);
	app->dialog.word = GIVE(word);
	pager_addf(body, ROLE_TEXT, "%s, cluster %s: %zu of %zu objects differ", app->deploy.title, app->session->cluster.name, app->deploy.differences,
		   app->deploy.len);
	add_changes_to_ask(app, CHANGE_WOULD_CREATE, T("creates"));
	add_changes_to_ask(app, CHANGE_WOULD_CONFIGURE, T("changes"));
	add_changes_to_ask(app, CHANGE_WOULD_RECREATE, T("must make anew"));
	if (app->deploy.conflicts)
		pager_add(body, ROLE_BAD, T("fields in conflict are kept: those objects will fail"));
	pager_add(body, ROLE_DIM, T("each is sent as a server-side apply; hooks run; nothing is pruned; then it waits"));
}

static void compare(struct app *app, const struct target *t)
{
	if (app_job_runs(app))
		app_say(app, "a job is running on %s: c cancels it", app->deploy.title);
	else if (app->view == VIEW_APPLY && app->deploy.title)
		app_start_job(app, job_diff, app->deploy.title, app->deploy.env, app->deploy.slot, DEPLOY_COMPARING);
	else if (!t->title)
		app_say(app, "no environment is under the cursor");
	else
		app_start_job(app, job_diff, t->title, t->env, t->slot, DEPLOY_COMPARING);
}

static void act_apply(struct app *app, const struct target *t)
{
	bool compared = app->view == VIEW_APPLY && app->deploy.phase == DEPLOY_COMPARED && !app->deploy.about;

	if (compared && app->options->read_only)
		app_say(app, "read-only: nothing is applied (the program was started with --read-only)");
	else if (compared && *browse_only_looks(app->session->cluster.browse))
		app_say(app, "%s", browse_only_looks(app->session->cluster.browse));
	else if (compared)
		ask_apply(app);
	else
		compare(app, t);
}

static void on_leave(struct app *app, void *arg, const char *text)
{
	(void)arg;
	(void)text;
	app->quit = true;
}

bool app_is_at_work(const struct app *app)
{
	return app_job_runs(app) || app->changing;
}

static void add_work(struct app *app)
{
	if (app_job_runs(app))
		pager_addf(&app->dialog.body, ROLE_TEXT, "the job on %s", app->deploy.title);
	if (app->changing)
		pager_add(&app->dialog.body, ROLE_TEXT, T("changes are being done"));
}

void app_ask_leave(struct app *app)
{
	dialog_open(&app->dialog, DIALOG_CONFIRM, T("Leave"), on_leave, NULL, NULL);
	add_work(app);
	pager_add(&app->dialog.body, ROLE_TEXT, app_what_stays(app, T("leaving cancels it; what is applied stays")));
}

static void on_cancel(struct app *app, void *arg, const char *text)
{
	(void)arg;
	(void)text;
	if (!app_is_at_work(app))
		return;
	app_say(app, "%s", app_what_stays(app, T("cancelling; what is applied stays")));
	if (app->session->job && app_job_runs(app))
		job_cancel(app->session->job);
	app->stops++;
}

void app_ask_cancel(struct app *app)
{
	if (!app_is_at_work(app)) {
		app_say(app, "no job is running");
		return;
	}
	dialog_open(&app->dialog, DIALOG_CONFIRM, T("Cancel"), on_cancel, NULL, NULL);
	add_work(app);
	pager_add(&app->dialog.body, ROLE_TEXT, app_what_stays(app, T("what is not begun stops; what is applied stays")));
}

/* ---- the table of changes ---- */

static bool is_suspended(struct app *app, const struct target *t)
{
	const struct entry *entry = app_entry(app, &t->object);

	return entry && entry->row && entry->row->kind->shape == SHAPE_CRON_JOB && entry->row->cron_job->suspended;
}

static bool act_kind_of(struct app *app, enum action action, const struct target *t, enum act_kind *ret)
{
	static const struct {
		enum action action;
		enum act_kind kind;
	} kinds[] = { { ACTION_RESTART, ACT_RESTART }, { ACTION_SCALE, ACT_SCALE },	     { ACTION_UNDO, ACT_UNDO },
		      { ACTION_DELETE, ACT_DELETE },   { ACTION_SUSPEND_CRON, ACT_SUSPEND }, { ACTION_TRIGGER_CRON, ACT_TRIGGER } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].action != action)
			continue;
		*ret = kinds[i].kind;
		if (*ret == ACT_SUSPEND && is_suspended(app, t))
			*ret = ACT_RESUME;
		if (*ret == ACT_DELETE && object_ref_is_empty(&t->object))
			*ret = ACT_FREE_SLOT;
		return true;
	}
	return false;
}

static char *reason_against_apply(struct app *app, const struct target *t)
{
	AUTO_RELEASE(buf) stale = BUF_INIT(512);

	if (app->view == VIEW_APPLY)
		return app->deploy.title ? NULL : xstrdup(T("nothing was compared yet"));
	if (!t->title)
		return xstrdup(T("no environment is under the cursor"));
	if (!live_is_proven(app->live, NULL, t->namespace, &stale))
		return xasprintf(T("what is shown may be old: %s"), buf_cstr(&stale));
	return *t->env ? NULL : xasprintf(T("%s is no environment of services.yaml"), t->title);
}

static bool has_pods(const struct target *t, bool service_too)
{
	static const char *const kinds[] = { "Service", "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job" };

	for (size_t i = service_too ? 0 : 1; i < ARRAY_LEN(kinds); i++)
		if (t->object.kind && strcmp(t->object.kind, kinds[i]) == 0)
			return true;
	return false;
}

/* ---- rights ---- */

struct needs {
	struct kube_access questions[2];
	size_t n;
	bool any; /* one of them will do */
	const char *name; /* of the action */
};
_Static_assert(ACT_NEEDS_MAX <= ARRAY_LEN(((struct needs *)NULL)->questions), "room for what an act needs");

/* Servers differ in which of the two they want for a WebSocket (kube/websocket.h). */
static struct needs needs_of_tunnel(const struct target *t, const char *subresource, const char *name)
{
	struct kube_access question = { .verb = "create", .group = "", .resource = "pods", .subresource = subresource, .namespace = t->object.namespace };
	struct needs needs = { .questions = { question, question }, .n = 2, .any = true, .name = name };

	needs.questions[1].verb = "get";
	return needs;
}

/* What an action takes, as far as it can be said before it is prepared. Texts are those of t. */
static struct needs needs_of(struct app *app, enum action action, const struct target *t)
{
	struct object_ref record = { .api_version = (char *)"v1", .kind = (char *)"ConfigMap", .namespace = t->record_namespace, .name = t->record_name };
	const struct object_ref *object = &t->object;
	const struct kube_resource *resource;
	struct needs needs = { 0 };
	enum act_kind kind;

	if (action == ACTION_SHELL && has_pods(t, false))
		return needs_of_tunnel(t, "exec", N_("shell"));
	if (action == ACTION_FORWARD && has_pods(t, true))
		return needs_of_tunnel(t, "portforward", N_("port-forward"));
	if (!act_kind_of(app, action, t, &kind))
		return needs;
	if (kind == ACT_FREE_SLOT)
		object = &record;
	if (!object->name || !act_fits(kind, object->api_version, object->kind))
		return needs;
	resource = browse_find_api(app->session->cluster.browse, object->api_version, object->kind);
	needs.name = act_name(kind);
	needs.n = resource ? act_needs(kind, object, resource, t->namespace, needs.questions) : 0;
	return needs;
}

static void ask_rights(struct app *app, const struct target *t)
{
	for (size_t i = 0; i < nbindings; i++) {
		struct needs needs = { 0 };

		if (bindings[i].group == GROUP_CHANGE && bindings[i].views & 1u << app->view)
			needs = needs_of(app, bindings[i].action, t);
		for (size_t q = 0; q < needs.n; q++)
			browse_ask_right(app->session->cluster.browse, &needs.questions[q]);
	}
}

void app_heed_rights(struct app *app, const struct targets *targets)
{
	if (app->options->read_only)
		return;
	ask_rights(app, &targets->at);
	for (size_t i = 0; i < targets->len; i++)
		ask_rights(app, &targets->items[i]);
}

/* What is not known (yet) stands against nothing: then it shows when the action is prepared. */
static char *reason_of_rights(struct app *app, enum action action, const struct target *t)
{
	struct needs needs = needs_of(app, action, t);
	const struct kube_access *missing = NULL;
	size_t count = 0;

	for (size_t i = needs.n; i-- > 0;) {
		if (browse_may(app->session->cluster.browse, &needs.questions[i]) != RIGHT_NO)
			continue;
		missing = &needs.questions[i];
		count++;
	}
	if (!missing || (needs.any && count < needs.n))
		return NULL;
	AUTO_FREE char *resource = xasprintf("%s%s%s", missing->resource, missing->subresource ? "/" : "", missing->subresource ? missing->subresource : "");

	if (missing->namespace && *missing->namespace)
		return xasprintf(T("%s needs %s on %s in %s, which you may not"), T(needs.name), missing->verb, resource, missing->namespace);
	return xasprintf(T("%s needs %s on %s, which you may not"), T(needs.name), missing->verb, resource);
}

/* ---- what stands against an action ---- */

/* Whether what is shown of the target is known to be so. */
static char *reason_of_age(struct app *app, const struct target *t)
{
	AUTO_RELEASE(buf) stale = BUF_INIT(512);
	const struct kind *kind = object_ref_is_empty(&t->object) ? NULL : kind_find_api(t->object.api_version, t->object.kind);

	if (t->doubt)
		return xasprintf(T("what is shown may be old: %s"), t->doubt);
	if (!live_is_proven(app->live, kind, "", &stale))
		return xasprintf(T("what is shown may be old: %s"), buf_cstr(&stale));
	return NULL;
}

static char *reason_of_fit(enum act_kind kind, const struct target *t)
{
	if (kind == ACT_FREE_SLOT)
		return t->record_name ? NULL : xstrdup(T("no slot with a record is under the cursor"));
	if (object_ref_is_empty(&t->object))
		return xstrdup(T("no object is under the cursor"));
	if (!act_fits(kind, t->object.api_version, t->object.kind))
		return xasprintf(T("%s cannot be done to a %s"), T(act_name(kind)), t->object.kind);
	return NULL;
}

/* Nothing is changed on a server that is too old, or when the program was told so. */
static char *reason_of_server(struct app *app, bool writes)
{
	struct live_status status;

	live_status(app->live, &status);
	if (app->options->read_only)
		return xstrdup(T("read-only: the program was started with --read-only"));
	if (writes && *browse_only_looks(app->session->cluster.browse))
		return xstrdup(browse_only_looks(app->session->cluster.browse));
	if (status.state == LIVE_STALE)
		return xstrdup(T("no contact with the cluster: what is shown is old"));
	return NULL;
}

/* Looks that only some kinds have. */
static char *reason_of_kind(enum action action, const struct target *t)
{
	if (object_ref_is_empty(&t->object) || (action == ACTION_LOGS ? app_has_logs(t) : app_has_values(&t->object)))
		return NULL;
	return action == ACTION_LOGS ? xasprintf(T("%s has no logs: they are of pods and of what owns pods"), t->object.kind)
				     : xasprintf(T("a %s has no values to show"), t->object.kind);
}

char *app_reason_against(struct app *app, const struct target *t, enum action action)
{
	bool outside = action == ACTION_SHELL || action == ACTION_FORWARD;
	enum act_kind kind;
	char *reason;

	if (replay_is_taken(app->options->replay) && (outside || action == ACTION_APPLY || action == ACTION_MIRROR || action == ACTION_BUILD || act_kind_of(app, action, t, &kind)))
		return xstrdup(T("this is a replay: nothing can be changed"));
	if (action == ACTION_LOGS || action == ACTION_DECODE)
		return reason_of_kind(action, t);
	if (action == ACTION_APPLY)
		return reason_against_apply(app, t);
	if (action == ACTION_MIRROR || action == ACTION_BUILD)
		return images_reason_against(app, t);
	if (!outside && !act_kind_of(app, action, t, &kind))
		return NULL;
	reason = reason_of_server(app, !outside);
	if (!reason && outside && !has_pods(t, action == ACTION_FORWARD))
		reason = xstrdup(T("it has no pods"));
	if (!reason && !outside)
		reason = reason_of_age(app, t);
	if (!reason && !outside)
		reason = reason_of_fit(kind, t);
	return reason ? reason : reason_of_rights(app, action, t);
}

/* ---- one object, or the marked ones ---- */

void targets_release(struct targets *targets)
{
	for (size_t i = 0; i < targets->len; i++)
		target_release(&targets->items[i]);
	free(targets->items);
	target_release(&targets->at);
	*targets = (struct targets){ 0 };
}

void app_targets(struct app *app, struct targets *ret)
{
	app_target(app, &ret->at);
	if (views[app->view]->marked)
		views[app->view]->marked(app, ret);
	if (ret->gone)
		app_notice(app, false, "marked objects that are gone by now: %zu; their marks went with them", ret->gone);
}

/* The others open a place of their own, for one. */
static bool takes_several(struct app *app, enum action action)
{
	const struct target none = { 0 };
	enum act_kind kind;

	return act_kind_of(app, action, &none, &kind);
}

char *app_reason_against_all(struct app *app, const struct targets *targets, enum action action)
{
	char *first = NULL;

	if (!targets->count || !takes_several(app, action))
		return app_reason_against(app, &targets->at, action);
	for (size_t i = 0; i < targets->len; i++) {
		char *reason = app_reason_against(app, &targets->items[i], action);

		if (!reason) {
			free(first);
			return NULL;
		}
		if (first)
			free(reason);
		else
			first = reason;
	}
	return first;
}

/* Of CronJobs that are not all suspended, those that run are. */
static bool resumes(struct app *app, const struct target *targets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_suspended(app, &targets[i]))
			return false;
	return true;
}

static void begin(struct app *app, enum action action, const struct target *targets, size_t n, const struct targets *marked)
{
	struct change *change = change_create(app);
	bool resume = resumes(app, targets, n);

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *reason = app_reason_against(app, &targets[i], action);
		enum act_kind kind;

		act_kind_of(app, action, &targets[i], &kind);
		if (!reason && kind == ACT_RESUME && !resume)
			reason = xstrdup(T("it is suspended already"));
		change_add(app, change, kind, &targets[i], reason);
	}
	if (marked)
		change_of_marks(change, marked->list, marked->gone);
	else if (action == ACTION_UNDO)
		change_set_number(change, work_revision(app));
	if (action == ACTION_SCALE)
		ask_replicas(app, change, targets, n);
	else
		change_begin(app, change);
}

static void act_on_one(struct app *app, enum action action, const struct target *t)
{
	if (action == ACTION_APPLY)
		act_apply(app, t);
	else if (action == ACTION_MIRROR || action == ACTION_BUILD)
		app_images(app, action == ACTION_BUILD ? ABOUT_BUILDING : ABOUT_MIRRORING, t);
	else if (action == ACTION_SHELL)
		app_shell(app, t);
	else if (action == ACTION_FORWARD)
		app_forward(app, t);
	else if (takes_several(app, action))
		begin(app, action, t, 1, NULL);
}

void app_act(struct app *app, enum action action)
{
	AUTO_RELEASE(targets) targets = { 0 };

	app_targets(app, &targets);
	app_heed_rights(app, &targets);
	AUTO_FREE char *reason = app_reason_against_all(app, &targets, action);

	if (targets.gone && !targets.count && takes_several(app, action))
		return; /* what was meant is gone: that was said, and nothing else is meant */
	if (reason)
		app_say(app, "%s", reason);
	else if (!targets.count || !takes_several(app, action))
		act_on_one(app, action, &targets.at);
	else if (targets.count > targets.len)
		app_say(app, "%zu are marked: at most %d are changed at once", targets.count, CHANGE_MAX);
	else
		begin(app, action, targets.items, targets.len, &targets);
}
