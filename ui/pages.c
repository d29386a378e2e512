/* Texts made from what is known: help, why, jobs, what was done, events, changes. And the view that shows them. */
#include "ui/state.h"

#include <stdlib.h>
#include <string.h>

#include "live/asked.h"
#include "model/journal.h"
#include "ui/strip.h"
#include "ui/term.h"
#include "ui/text.h"

/* ---- help ---- */

void page_help(struct app *app, struct pager *pager)
{
	for (int group = 0; group < GROUP_COUNT; group++) {
		bool titled = false;

		for (size_t i = 0; i < nbindings; i++) {
			const struct binding *b = &bindings[i];

			if ((int)b->group != group || !(b->views & 1u << app->page.of_view))
				continue;
			if (!titled)
				pager_add(pager, ROLE_TITLE, key_group_name((enum key_group)group));
			titled = true;
			pager_addf(pager, ROLE_TEXT, "  %-14s %s", b->key ? b->label : T("(menu)"), T(b->help));
		}
	}
	pager_add(pager, ROLE_DIM, "");
	pager_add(pager, ROLE_DIM, T("Keys of the group Change ask before anything is sent; no other key changes anything."));
	pager_add(pager, ROLE_DIM, T("(menu): in the menu a, and in the palette :"));
}

/* ---- why ---- */

static void add_since(struct pager *pager, const struct verdict *v, int64_t now_ms)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	if (v->since_ms) {
		add_clock(&text, v->since_ms);
		buf_adds(&text, T(" (for "));
		add_age(&text, now_ms - v->since_ms);
		buf_addc(&text, ')');
		pager_addf(pager, ROLE_TEXT, "  since      %s", buf_cstr(&text));
	}
	buf_reset(&text);
	if (v->inputs_ms) {
		add_age(&text, now_ms - v->inputs_ms);
		pager_addf(pager, ROLE_TEXT, "  read       %s ago", buf_cstr(&text));
	}
	buf_reset(&text);
	if (v->deadline_ms) {
		add_clock(&text, v->deadline_ms);
		pager_addf(pager, ROLE_TEXT, "  deadline   %s: degraded from then on, unless it changes", buf_cstr(&text));
	}
}

static void add_verdict(struct app *app, struct pager *pager, const struct verdict *v, const char *what)
{
	int64_t now_ms = live_now_ms(app->live);

	pager_addf(pager, role_of_state(v->state), "%s %s: %s", mark_of_state(v->state), what, T(health_state_name(v->state)));
	pager_addf(pager, ROLE_TEXT, "  rule       %u, %s%s", v->rule, v->rule_id, v->confidence == HEALTH_CERTAIN ? "" : T(" (likely, not certain)"));
	if (*v->reason || *v->message)
		pager_addf(pager, ROLE_TEXT, "  reason     %s%s%s", v->reason, *v->reason && *v->message ? ": " : "", v->message);
	add_since(pager, v, now_ms);
	if (v->state == HEALTH_DEGRADED && !verdict_counts(v, now_ms))
		pager_add(pager, ROLE_DIM, T("  it may wobble a moment: until then its environment counts as progressing"));
	if (v->hopeless)
		pager_add(pager, ROLE_TEXT, T("  it does not heal by itself"));
	for (size_t i = 0; i < v->causes.len; i++) {
		AUTO_RELEASE(buf) line = BUF_INIT(0);

		cause_format(&v->causes.items[i], &line);
		pager_addf(pager, ROLE_TEXT, "  %*s%s%s", 2 * (int)i, "", i ? "└ " : "", buf_cstr(&line));
	}
}

static void add_members(struct app *app, struct pager *pager, const struct environment *env)
{
	AUTO_RELEASE(env_members) members = { 0 };
	size_t healthy = 0;

	envs_members(live_envs(app->live), env, &members, live_now_ms(app->live));
	for (size_t i = 0; i < members.len; i++) {
		const struct env_member *m = &members.items[i];
		AUTO_FREE char *what = xasprintf("%s %s", m->kind->kind, m->name);

		if (m->state == HEALTH_HEALTHY) {
			healthy++;
			continue;
		}
		pager_add(pager, ROLE_TEXT, "");
		if (m->entry)
			add_verdict(app, pager, health_of(live_health(app->live), m->entry, live_now_ms(app->live)), what);
		else
			pager_addf(pager, ROLE_BAD, "%s %s: it should be there and is not", mark_of_state(m->state), what);
	}
	pager_add(pager, ROLE_TEXT, "");
	pager_addf(pager, ROLE_HEALTHY, "✓ %zu of %zu objects healthy", healthy, members.len);
}

static void add_strip(struct app *app, struct pager *pager, const struct environment *env)
{
	char cells[HEALTH_STRIP_CELLS + 1];
	AUTO_RELEASE(buf) words = BUF_INIT(0);

	health_strip_cells(live_strip(app->live), env->title, live_now_ms(app->live), cells);
	strip_words(cells, &words);
	pager_add(pager, ROLE_TEXT, "");
	pager_addf(pager, ROLE_TEXT, "last 6 h, each 5 min: %s", buf_cstr(&words));
	pager_addf(pager, ROLE_TEXT, "  |%s|", cells);
}

void add_why_environment(struct app *app, struct pager *pager, const struct environment *env)
{
	pager_addf(pager, role_of_state(env->shown), "%s %s: %s", mark_of_state(env->shown), env->title, T(health_state_name(env->shown)));
	if (env->worst_kind)
		pager_addf(pager, ROLE_TEXT, "  because %s %s is, by rule %s", env->worst_kind->kind, env->worst_name, env->rule_id);
	if (*env->finding)
		pager_addf(pager, ROLE_PROGRESS, "  %s", env->finding);
	add_members(app, pager, env);
	add_strip(app, pager, env);
}

void page_why(struct app *app, struct pager *pager)
{
	const struct object_ref *object = &app->page.object;
	const struct environment *env = app_environment(app, app->page.of);
	struct entry *entry = app_entry(app, object);

	if (entry) {
		AUTO_RELEASE(buf) what = BUF_INIT(0);

		object_ref_format(object, &what);
		add_verdict(app, pager, health_of(live_health(app->live), entry, live_now_ms(app->live)), buf_cstr(&what));
	} else if (!object_ref_is_empty(object)) {
		pager_addf(pager, ROLE_UNKNOWN, "%s %s is gone, or its kind is not judged", object->kind, object->name);
	} else if (env) {
		add_why_environment(app, pager, env);
	} else {
		pager_add(pager, ROLE_DIM, T("what this was about is no longer there"));
	}
	pager_add(pager, ROLE_TEXT, "");
	pager_add(pager, ROLE_DIM, T("The rules are explained in docs/health.md."));
}

/* ---- jobs and notices ---- */

static void add_forwards(struct app *app, struct pager *pager)
{
	static const char *const words[] = { [FORWARD_READY] = N_("ready"), [FORWARD_NO_POD] = N_("no pod is ready"), [FORWARD_FAILING] = N_("failing") };

	if (!forwards_count(app->session->forwards))
		return;
	pager_add(pager, ROLE_TEXT, "");
	pager_add(pager, ROLE_TITLE, T("port-forwards (a stops one)"));
	for (size_t i = 0; i < forwards_count(app->session->forwards); i++) {
		const struct forward *f = forwards_at(app->session->forwards, i);

		pager_addf(pager, f->state == FORWARD_READY ? ROLE_TEXT : ROLE_BAD,
			   "  localhost:%u -> %s %s port %u in %s: %s, %llu connections, %llu bytes in, %llu out%s%s", f->local_port, f->kind->kind, f->name, f->port,
			   f->namespace, T(words[f->state]), (unsigned long long)f->connections, (unsigned long long)f->received_bytes,
			   (unsigned long long)f->sent_bytes, *f->last_error ? ": " : "", f->last_error);
	}
}

const struct notice *app_notice_at(const struct app *app, size_t n)
{
	return n < app->nnotices && n < NOTICES_MAX ? &app->notices[(app->nnotices - 1 - n) % NOTICES_MAX] : NULL;
}

void page_jobs(struct app *app, struct pager *pager)
{
	const struct notice *notice;

	pager_add(pager, ROLE_TITLE, T("jobs"));
	if (deploy_view_runs(&app->deploy) || app->deploy.verdict) {
		AUTO_RELEASE(buf) line = BUF_INIT(0);

		deploy_view_line(&app->deploy, live_now_ms(app->live), &line);
		pager_addf(pager, deploy_view_runs(&app->deploy) ? ROLE_PROGRESS : ROLE_TEXT, "  %s%s", buf_cstr(&line),
			   deploy_view_runs(&app->deploy) ? T("   5 shows it, c cancels it") : T(" (ended)"));
	} else {
		pager_add(pager, ROLE_DIM, T("  none"));
	}
	if (tasks_open(app->session->tasks))
		pager_addf(pager, ROLE_PROGRESS, TN("  %zu question to the cluster on the way", "  %zu questions to the cluster on the way", tasks_open(app->session->tasks)),
			   tasks_open(app->session->tasks));
	add_forwards(app, pager);
	pager_add(pager, ROLE_TEXT, "");
	pager_add(pager, ROLE_TITLE, T("notices, newest first"));
	for (size_t i = 0; (notice = app_notice_at(app, i)); i++) {
		AUTO_RELEASE(buf) clock = BUF_INIT(0);

		add_clock(&clock, notice->at_ms);
		pager_addf(pager, notice->bad ? ROLE_BAD : ROLE_TEXT, "  %s %s", buf_cstr(&clock), notice->text);
	}
	if (!app->nnotices)
		pager_add(pager, ROLE_DIM, T("  none"));
}

/* ---- what was done from here ---- */

/* Whether what was done can be taken back, and how or why not. */
static const char *undo_of(const struct history_record *r)
{
	static const struct {
		const char *action, *words;
	} undos[] = { { "restart", N_("nothing to take back: the same pods were made anew") },
		      { "scale", N_("possible: scale it to what it was") },
		      { "undo", N_("possible: U goes to the revision of before") },
		      { "delete", N_("not from here: the manifest lies in what was kept") },
		      { "suspend", N_("possible: let it run again") },
		      { "resume", N_("possible: suspend it again") },
		      { "run now", N_("possible: delete the Job that it made") },
		      { "free", N_("not possible: a namespace does not come back; what was kept tells what was in it") },
		      { "apply", N_("not as a whole: how it was before is not kept; U takes back one workload, A applies another stack") },
		      { "mirror", N_("not from here: registries keep what was sent; what a tag led to before stands beside it") },
		      { "build", N_("not from here: what a tag led to before was not asked") } };

	for (size_t i = 0; i < ARRAY_LEN(undos); i++)
		if (strcmp(undos[i].action, r->action) == 0)
			return T(undos[i].words);
	return NULL;
}

static void add_record(struct pager *pager, const struct history_record *r)
{
	AUTO_RELEASE(buf) clock = BUF_INIT(0);
	AUTO_RELEASE(buf) line = BUF_INIT(0);
	bool bad = strcmp(r->state, "failed") == 0, cut = strcmp(r->state, "begun") == 0;

	add_clock(&clock, r->time_ms);
	buf_addf(&line, "%s %s %s", buf_cstr(&clock), r->action, r->object);
	if (*r->namespace)
		buf_addf(&line, T(" in %s"), r->namespace);
	if (*r->cluster)
		buf_addf(&line, T(" on %s"), r->cluster);
	buf_addf(&line, ": %s%s%s", cut ? T("begun, its end is not known") : r->state, *r->message ? ": " : "", r->message);
	pager_add(pager, bad ? ROLE_BAD : cut ? ROLE_UNKNOWN : ROLE_TEXT, buf_cstr(&line));
	if (*r->who)
		pager_addf(pager, ROLE_DIM, "    by     %s", r->who);
	for (size_t i = 0; i < r->nrequests; i++)
		pager_addf(pager, ROLE_DIM, cut ? "    meant  %s" : "    sent   %s", r->requests[i]);
	if (*r->command)
		pager_addf(pager, ROLE_DIM, "    equal  %s", r->command);
	if (*r->evidence)
		pager_addf(pager, ROLE_DIM, "    kept   %s", r->evidence);
	if (undo_of(r))
		pager_addf(pager, ROLE_DIM, "    undo   %s", undo_of(r));
}

static void add_asked(struct pager *pager, const struct asked *asked)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	add_clock(&line, asked->at_ms);
	buf_addf(&line, " %s", asked->request);
	if (asked->times > 1)
		buf_addf(&line, "  (x%u)", asked->times);
	pager_add(pager, ROLE_TEXT, buf_cstr(&line));
	pager_addf(pager, ROLE_DIM, "    equal  %s", asked->command);
}

/* Of the present cluster, and behind it of those that were left. */
static const struct asked *nth_asked(const struct app *app, const struct asked_list *present, size_t n)
{
	if (n < present->len)
		return &present->items[n];
	return n - present->len < app->asked_before.len ? &app->asked_before.items[n - present->len] : NULL;
}

/* Changes from the file, and what this program asked of pods; both are newest first, and stay so together. */
void page_commands(struct app *app, struct pager *pager)
{
	struct history *history = &app->page.history;
	AUTO_RELEASE(asked_list) asked = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	size_t a = 0, h = 0;

	asked_read(app->session->cluster.kube, &asked);
	if (app->options->replay)
		pager_add(pager, ROLE_DIM, T("the history of changes is not part of a recording"));
	else if (!history_refresh(200, history, &err))
		pager_addf(pager, ROLE_BAD, "the history can't be read: %s", err.message);
	else if (!history->len)
		pager_add(pager, ROLE_DIM, T("nothing was changed from here yet"));
	for (const struct asked *next; (next = nth_asked(app, &asked, a)) || h < history->len;) {
		if (h == history->len || (next && next->at_ms > history->items[h].time_ms)) {
			add_asked(pager, next);
			a++;
		} else {
			add_record(pager, &history->items[h++]);
		}
	}
}

/* ---- events, changes ---- */

struct event_line {
	const struct row *row;
};

static int newest_first(const void *a, const void *b)
{
	const struct event_line *x = a, *y = b;

	return row_event_compare(y->row, x->row);
}

/* Whether what the event is about is object, or belongs to it by its chain of owners. */
static bool is_about(struct app *app, const struct row_event *event, const struct object_ref *object)
{
	struct entry *entry = store_find_uid(live_store(app->live), event->about_uid);

	if (strcmp(event->about_kind, object->kind) == 0 && strcmp(event->about_name, object->name) == 0)
		return true;
	for (unsigned depth = 0; entry && depth < 8; depth++, entry = entry->owner)
		if (entry->row && strcmp(entry->row->kind->kind, object->kind) == 0 && strcmp(entry->row->name, object->name) == 0)
			return true;
	return false;
}

/* title: of the environment, where events of several stand together; NULL. */
static void add_event(struct pager *pager, const struct row_event *e, const char *title)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	add_clock(&line, e->last_ms);
	if (title)
		buf_addf(&line, "  %-12s", title);
	buf_addf(&line, "  %-8s %s %s  %s  ", e->type, e->about_kind, e->about_name, e->reason);
	buf_add_plain(&line, str_of(e->message));
	if (e->count > 1)
		buf_addf(&line, "  (x%d)", e->count);
	pager_add(pager, strcmp(e->type, "Warning") == 0 ? ROLE_BAD : ROLE_TEXT, buf_cstr(&line));
}

/* What could not be read is not said to be none. */
static void add_no_events(struct app *app, struct pager *pager, const struct scope *scope)
{
	AUTO_RELEASE(buf) doubt = BUF_INIT(0);

	if (scope)
		health_format_scope(live_health(app->live), scope, live_now_ms(app->live), &doubt);
	pager_add(pager, ROLE_DIM, doubt.len ? buf_cstr(&doubt) : T("no events: the server keeps them for an hour"));
}

void add_events(struct app *app, struct pager *pager, const struct object_ref *object, const char *namespace)
{
	const struct scope *scope = store_scope(live_store(app->live), &kind_event, namespace);
	struct event_line *lines = NULL;
	size_t len = 0, cap = 0;

	for (struct entry *e = store_first(live_store(app->live), &kind_event, namespace); e; e = store_next(e, namespace))
		if (e->row && (!object || is_about(app, e->row->event, object)))
			LIST_PUSH(lines, len, cap) = (struct event_line){ e->row };
	if (len)
		qsort(lines, len, sizeof *lines, newest_first);
	for (size_t i = 0; i < len; i++)
		add_event(pager, lines[i].row->event, NULL);
	if (!len)
		add_no_events(app, pager, scope);
	if (scope && scope->state == SCOPE_LIVE && *scope->why)
		pager_add(pager, ROLE_DIM, scope->why);
	free(lines);
}

#define NEWEST_EVENTS 40

/* Sorts row in, newest first, if it is among the newest; what falls out at the end is forgotten. */
static void keep_newest(struct event_line lines[NEWEST_EVENTS], size_t *len, const struct row *row)
{
	size_t at = *len;

	while (at > 0 && row_event_compare(row, lines[at - 1].row) > 0)
		at--;
	if (at == NEWEST_EVENTS)
		return;
	if (*len < NEWEST_EVENTS)
		++*len;
	memmove(lines + at + 1, lines + at, (*len - at - 1) * sizeof *lines);
	lines[at].row = row;
}

void add_newest_events(struct app *app, struct pager *pager)
{
	struct event_line lines[NEWEST_EVENTS];
	size_t len = 0;

	for (struct entry *e = store_first(live_store(app->live), &kind_event, NULL); e; e = store_next(e, NULL))
		if (e->row && (len < NEWEST_EVENTS || row_event_compare(e->row, lines[len - 1].row) > 0) && app_environment_in(app, e->row->namespace))
			keep_newest(lines, &len, e->row);
	for (size_t i = 0; i < len; i++)
		add_event(pager, lines[i].row->event, app_environment_in(app, lines[i].row->namespace)->title);
	if (!len)
		add_no_events(app, pager, store_scope(live_store(app->live), &kind_event, ""));
}

static const char *word_of_change(enum journal_what what)
{
	static const char *const words[] = { [JOURNAL_MADE] = N_("made"), [JOURNAL_CHANGED] = N_("changed"), [JOURNAL_STATE] = N_("state"), [JOURNAL_DELETED] = N_("deleted") };

	return T(words[what]);
}

static bool is_of(const struct journal_item *item, const struct object_ref *object, const char *namespace)
{
	if (!object)
		return strcmp(item->namespace, namespace) == 0;
	return strcmp(item->kind->kind, object->kind) == 0 && strcmp(item->name, object->name) == 0 && strcmp(item->namespace, object->namespace) == 0;
}

/* Newest first; what happened at one moment by kind and name, in whatever order it came in. */
static int later_first(const void *a, const void *b)
{
	const struct journal_item *x = *(const struct journal_item *const *)a, *y = *(const struct journal_item *const *)b;
	int order;

	if (x->at_ms != y->at_ms)
		return x->at_ms > y->at_ms ? -1 : 1;
	order = strcmp(x->kind->kind, y->kind->kind);
	order = order ? order : strcmp(x->name, y->name);
	return order ? order : x->serial > y->serial ? -1 : x->serial < y->serial;
}

static void add_change(struct pager *pager, const struct journal_item *item)
{
	AUTO_RELEASE(buf) clock = BUF_INIT(0);

	add_clock(&clock, item->at_ms);
	pager_addf(pager, item->what == JOURNAL_STATE ? ROLE_DIM : ROLE_TEXT, "%s  %-8s %s %s%s%s%s%s", buf_cstr(&clock), word_of_change(item->what),
		   item->kind->kind, item->name, *item->manager ? T(" by ") : "", item->manager, *item->text ? ": " : "", item->text);
}

void add_changes(struct app *app, struct pager *pager, const struct object_ref *object, const char *namespace)
{
	const struct journal *journal = store_journal(live_store(app->live));
	const struct journal_item **items = NULL;
	size_t count = journal_count(journal), len = 0, cap = 0;

	for (size_t i = 0; i < count; i++)
		if (is_of(journal_at(journal, i), object, namespace))
			LIST_PUSH(items, len, cap) = journal_at(journal, i);
	if (len)
		qsort(items, len, sizeof *items, later_first);
	for (size_t i = 0; i < len; i++)
		add_change(pager, items[i]);
	if (!len)
		pager_add(pager, ROLE_DIM, T("nothing has changed since this program looks"));
	free(items);
}

void page_events(struct app *app, struct pager *pager)
{
	const struct environment *env = app_environment(app, app->page.of);

	if (env)
		add_events(app, pager, NULL, env->namespace);
}

void page_changes(struct app *app, struct pager *pager)
{
	const struct environment *env = app_environment(app, app->page.of);

	if (env)
		add_changes(app, pager, NULL, env->namespace);
}

/* ---- the view ---- */

static void draw(struct app *app, struct canvas *canvas, struct area area)
{
	struct page_view *page = &app->page;
	AUTO_FREE char *title = xasprintf("%s%s%s", page->title ? page->title : "", page->of ? ": " : "", page->of ? page->of : "");

	canvas_rule(canvas, area.top, title, page->text.filter ? page->text.filter : page->text.find);
	if (page->fill) {
		pager_clear(&page->text);
		page->fill(app, &page->text);
	}
	pager_update(&page->text);
	pager_draw(&page->text, canvas, area.top + 1, area.bottom - area.top - 1, 0, canvas->cols);
}

static bool act(struct app *app, enum action action)
{
	return pager_act(app, &app->page.text, action);
}

static void find(struct app *app, const char *text)
{
	text_find(app, &app->page.text, text);
}

static void text(struct app *app, struct buf *out)
{
	pager_text(&app->page.text, out);
}

static void release(struct app *app)
{
	free(GIVE(app->page.title));
	free(GIVE(app->page.of));
	object_ref_release(&app->page.object);
	history_release(&app->page.history);
	pager_release(&app->page.text);
}

const struct view_ops page_view_ops = { .name = N_("Text"), .draw = draw, .act = act, .find = find, .text = text, .release = release };
