/* From view to view, and what an action means wherever the cursor is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utc.h"
#include "ui/change.h"
#include "ui/record.h"
#include "ui/state.h"
#include "ui/term.h"
#include "ui/text.h"

/* ---- targets ---- */

void target_release(struct target *target)
{
	free(target->title);
	free(target->env);
	free(target->namespace);
	free(target->record_name);
	free(target->record_namespace);
	free(target->doubt);
	object_ref_release(&target->object);
	*target = (struct target){ 0 };
}

void target_of_environment(struct app *app, struct target *target, const struct environment *env)
{
	target->title = xstrdup(env->title);
	target->env = xstrdup(env->env);
	target->namespace = xstrdup(env->namespace);
	target->slot = env->slot;
	if (*env->record_name) {
		target->record_name = xstrdup(env->record_name);
		target->record_namespace = xstrdup(app->options->state_namespace ? app->options->state_namespace : "");
	}
}

const struct environment *app_environment_in(struct app *app, const char *namespace)
{
	const struct environment *env;

	for (size_t i = 0; *namespace && (env = envs_at(live_envs(app->live), i)); i++)
		if (strcmp(env->namespace, namespace) == 0)
			return env;
	return NULL;
}

void target_of_entry(struct app *app, struct target *target, const struct entry *entry)
{
	const struct environment *env = app_environment_in(app, entry->row->namespace);

	object_ref_of_row(&target->object, entry->row);
	if (env)
		target_of_environment(app, target, env);
}

struct target *targets_add(struct targets *targets)
{
	if (targets->count++ >= CHANGE_MAX)
		return NULL;
	LIST_PUSH(targets->items, targets->len, targets->cap) = (struct target){ 0 };
	return &targets->items[targets->len - 1];
}

void app_target(struct app *app, struct target *ret)
{
	if (views[app->view]->target)
		views[app->view]->target(app, ret);
}

const struct environment *app_environment(struct app *app, const char *title)
{
	return title ? envs_find(live_envs(app->live), title) : NULL;
}

struct entry *app_entry(struct app *app, const struct object_ref *object)
{
	const struct kind *kind = object_ref_is_empty(object) ? NULL : kind_find_api(object->api_version, object->kind);

	return kind ? store_find_name(live_store(app->live), kind, object->namespace, object->name) : NULL;
}

void app_add_doubt(struct app *app, const struct kind *kind, const char *namespace, struct buf *out)
{
	const struct scope *scope;

	for (size_t i = 0; !out->len && (scope = store_scope_at(live_store(app->live), i)); i++)
		if (scope->kind == kind && (!*namespace || !*scope->namespace || strcmp(scope->namespace, namespace) == 0))
			health_format_scope(live_health(app->live), scope, live_now_ms(app->live), out);
}

/* ---- saying things ---- */

static void set_message(struct app *app, bool bad, const char *text)
{
	free(app->message);
	app->message = xstrdup(text);
	app->message_is_bad = bad;
	app->dirty = true;
}

void app_say(struct app *app, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, text_of(fmt), ap);
	va_end(ap);
	set_message(app, false, buf_cstr(&text));
}

void app_notice(struct app *app, bool bad, const char *fmt, ...)
{
	struct notice *notice = &app->notices[app->nnotices++ % NOTICES_MAX];
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, text_of(fmt), ap);
	va_end(ap);
	free(notice->text);
	*notice = (struct notice){ .at_ms = live_now_ms(app->live), .bad = bad, .text = xstrdup(buf_cstr(&text)) };
	set_message(app, bad, notice->text);
}

void app_say_no_problem(struct app *app)
{
	app_say(app, "nothing here is in trouble");
}

/* ---- going places ---- */

void app_go(struct app *app, enum view_id view)
{
	if (view == app->view)
		return;
	if (app->ntrail == TRAIL_MAX) {
		memmove(app->trail, app->trail + 1, (TRAIL_MAX - 1) * sizeof *app->trail);
		app->ntrail--;
	}
	app->trail[app->ntrail++] = app->view;
	app->previous = app->view;
	app->view = view;
	app->prompting = PROMPT_NONE;
	app->dirty = true;
}

void app_back(struct app *app)
{
	enum view_id from = app->view;

	if (!app->ntrail && from == VIEW_ENVS)
		return;
	app->view = app->ntrail ? app->trail[--app->ntrail] : VIEW_ENVS;
	app->previous = from;
	app->dirty = true;
}

void app_open_page(struct app *app, const char *title, void (*fill)(struct app *app, struct pager *pager), const struct object_ref *object,
		   const char *of)
{
	struct page_view *page = &app->page;
	AUTO_FREE char *kept_title = xstrdup(title), *kept_of = of ? xstrdup(of) : NULL;
	AUTO_RELEASE(object_ref) kept = { 0 };

	if (object && !object_ref_is_empty(object))
		object_ref_copy(&kept, object);
	free(page->title);
	free(page->of);
	object_ref_release(&page->object);
	pager_release(&page->text);
	page->title = GIVE(kept_title);
	page->of = GIVE(kept_of);
	page->object = kept;
	kept = (struct object_ref){ 0 };
	page->fill = fill;
	app_go(app, VIEW_PAGE);
}

static void open_help(struct app *app)
{
	enum view_id of = app->view;

	app_open_page(app, T("keys"), page_help, NULL, NULL);
	app->page.of_view = of;
}

static void leave(struct app *app)
{
	if (app->view != VIEW_ENVS || app->ntrail)
		app_back(app);
	else
		app_quit(app);
}

/* ---- looking at what is under the cursor ---- */

static void open_events(struct app *app, const struct target *t)
{
	if (object_ref_is_empty(&t->object))
		app_open_page(app, T("events"), page_events, NULL, t->title);
	else
		app_open_object(app, &t->object, OBJECT_EVENTS);
}

static void open_changes(struct app *app, const struct target *t)
{
	if (object_ref_is_empty(&t->object))
		app_open_page(app, T("what changed"), page_changes, NULL, t->title);
	else
		app_open_object(app, &t->object, OBJECT_CHANGES);
}

static void open_history(struct app *app, const struct target *t)
{
	if (object_ref_is_empty(&t->object) || !act_fits(ACT_UNDO, t->object.api_version, t->object.kind))
		app_open_page(app, T("what was done from here"), page_commands, NULL, NULL);
	else
		app_open_object(app, &t->object, OBJECT_REVISIONS);
}

static void open_manifest(struct app *app, const struct target *t)
{
	app_open_object(app, &t->object, OBJECT_MANIFEST);
}

static void open_tree(struct app *app, const struct target *t)
{
	app_open_object(app, &t->object, OBJECT_TREE);
}

static void open_why(struct app *app, const struct target *t)
{
	app_open_page(app, T("why"), page_why, &t->object, t->title);
}

static void copy_name(struct app *app, const struct target *t)
{
	const char *text = object_ref_is_empty(&t->object) ? t->namespace : t->object.name;

	app_copy(app, text, text);
}

static const struct {
	enum action action;
	bool wants_object;
	void (*look)(struct app *app, const struct target *target);
	void (*look_at_marked)(struct app *app, const struct targets *targets); /* NULL: it is of what is under the cursor only */
} looks[] = {
	{ ACTION_EVENTS, false, open_events, NULL },	   { ACTION_CHANGES, false, open_changes, NULL },
	{ ACTION_HISTORY, false, open_history, NULL },	   { ACTION_MANIFEST, true, open_manifest, NULL },
	{ ACTION_TREE, true, open_tree, NULL },		   { ACTION_WHY, false, open_why, NULL },
	{ ACTION_LOGS, false, app_open_logs, app_open_marked_logs }, { ACTION_AGENT_LOGS, false, app_open_agent_logs, NULL },
	{ ACTION_COPY, false, copy_name, NULL },	   { ACTION_BROWSER, false, app_browser, NULL },
	{ ACTION_COPY_MENU, false, app_open_copy_menu, NULL },
};

/* False: nothing is marked, and nothing was. */
static bool look_at_marked(struct app *app, void (*look)(struct app *app, const struct targets *targets))
{
	AUTO_RELEASE(targets) targets = { 0 };

	app_targets(app, &targets);
	if (targets.count)
		look(app, &targets);
	return targets.count || targets.gone;
}

static bool look(struct app *app, enum action action)
{
	AUTO_RELEASE(target) target = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
		if (looks[i].action != action)
			continue;
		if (looks[i].look_at_marked && look_at_marked(app, looks[i].look_at_marked))
			return true;
		app_target(app, &target);
		if (object_ref_is_empty(&target.object) && (!target.title || looks[i].wants_object))
			app_say(app, "nothing is under the cursor");
		else
			looks[i].look(app, &target);
		return true;
	}
	return false;
}

/* ---- the rest ---- */

static void begin_prompt(struct app *app, enum prompt_kind kind)
{
	if (!views[app->view]->find) {
		app_say(app, "there is nothing to search here");
		return;
	}
	app->prompting = kind;
	app->find_is_filter = kind == PROMPT_FILTER;
	line_edit_set(&app->prompt, "");
}

void app_note_filter(struct app *app, enum view_id view, const char *text)
{
	char *kept = text && *text ? xstrdup(text) : NULL;

	free(app->filtered[view]);
	app->filtered[view] = kept;
}

/* Esc closes the filter before the view. */
static void back(struct app *app)
{
	if (app->filtered[app->view] && views[app->view]->find) {
		app_note_filter(app, app->view, NULL);
		app->find_is_filter = true;
		views[app->view]->find(app, NULL);
		app->find_is_filter = false;
		views[app->view]->find(app, NULL);
	} else if (app->view != VIEW_ENVS) {
		app_back(app);
	}
}

static void toggle_view(struct app *app)
{
	enum view_id to = app->previous;

	app->previous = app->view;
	app->view = to;
}

static const struct {
	enum action action;
	enum view_id view;
} tabs[] = { { ACTION_ENVS, VIEW_ENVS }, { ACTION_SLOTS, VIEW_SLOTS },	      { ACTION_WORK, VIEW_WORK },
	     { ACTION_RUNS, VIEW_RUNS }, { ACTION_APPLY_SCREEN, VIEW_APPLY }, { ACTION_REVIEW, VIEW_REVIEW } };

static bool go_to_tab(struct app *app, enum action action)
{
	for (size_t i = 0; i < ARRAY_LEN(tabs); i++) {
		if (tabs[i].action != action)
			continue;
		if (tabs[i].view == VIEW_WORK && app->view != VIEW_WORK) {
			AUTO_RELEASE(target) target = { 0 };

			app_target(app, &target);
			if (target.title)
				work_show(app, target.title, NULL);
		}
		app_go(app, tabs[i].view);
		return true;
	}
	return false;
}

static void retry(struct app *app)
{
	live_hurry(app->live);
	app_say(app, "trying to reach the cluster again");
}

static void redraw(struct app *app)
{
	if (app->term)
		term_redraw(app->term);
}

static void open_jobs(struct app *app)
{
	app_open_page(app, T("jobs and notices"), page_jobs, NULL, NULL);
}

static void open_commands(struct app *app)
{
	app_open_page(app, T("what was done from here"), page_commands, NULL, NULL);
}

static void find(struct app *app)
{
	begin_prompt(app, PROMPT_FIND);
}

static void filter(struct app *app)
{
	begin_prompt(app, PROMPT_FILTER);
}

void app_quit(struct app *app)
{
	if (app_is_at_work(app))
		app_ask_leave(app);
	else
		app->quit = true;
}

static void toggle_mouse(struct app *app)
{
	if (!app->term)
		return;
	term_set_mouse(app->term, !term_has_mouse(app->term));
	app_say(app, term_has_mouse(app->term) ? "the mouse works here again" : "the mouse is the terminal's: text can be selected; F7 takes it back");
}

static void set_mark(struct app *app)
{
	if (app->options->recorder || app->options->replay)
		app_say(app, "mark %zu", ++app->nmarks);
	else
		app_say(app, "nothing is being recorded: `slotdeck --record FILE` does");
	record_mark(app);
}

static const struct {
	enum action action;
	void (*fn)(struct app *app);
} everywhere[] = {
	{ ACTION_BACK, back },		 { ACTION_PREVIOUS_VIEW, toggle_view }, { ACTION_PALETTE, app_open_palette }, { ACTION_FIND, find },
	{ ACTION_FILTER, filter },	 { ACTION_JOBS, open_jobs },		{ ACTION_COMMANDS, open_commands },   { ACTION_RETRY, retry },
	{ ACTION_REDRAW, redraw },	 { ACTION_SAVE, app_save },		{ ACTION_HELP, open_help },	      { ACTION_MENU, app_open_menu },
	{ ACTION_LEAVE, leave },	 { ACTION_QUIT, app_quit },		{ ACTION_CANCEL, app_ask_cancel },
	{ ACTION_MOUSE, toggle_mouse },	 { ACTION_RECORD_MARK, set_mark },
	{ ACTION_CONTEXT, app_open_contexts }, { ACTION_EDITOR, app_edit },	 { ACTION_STOP_FORWARD, app_stop_forward },
};

void app_do(struct app *app, enum action action)
{
	if ((views[app->view]->act && views[app->view]->act(app, action)) || go_to_tab(app, action) || look(app, action))
		return;
	for (size_t i = 0; i < ARRAY_LEN(everywhere); i++) {
		if (everywhere[i].action == action) {
			everywhere[i].fn(app);
			return;
		}
	}
	app_act(app, action);
}

/* ---- what lists and texts have in common ---- */

bool move_of(enum action action, int page, long *ret_by)
{
	static const struct {
		enum action action;
		long by;
		bool pages;
	} moves[] = { { ACTION_UP, -1, false },	 { ACTION_DOWN, 1, false },	    { ACTION_PAGE_UP, -1, true },
		      { ACTION_PAGE_DOWN, 1, true }, { ACTION_FIRST, -100000000, false }, { ACTION_LAST, 100000000, false } };

	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		if (moves[i].action != action)
			continue;
		*ret_by = moves[i].pages ? moves[i].by * page : moves[i].by;
		return true;
	}
	return false;
}

bool list_act(struct list *list, const struct list_source *source, enum action action, int page)
{
	long by;

	list_update(list, source, true);
	if (move_of(action, page, &by)) {
		list_move(list, source, by);
		return true;
	}
	if (action == ACTION_MARK)
		list_toggle_mark(list, source);
	else if (action == ACTION_MARK_RANGE)
		list_mark_range(list, source);
	else if (action == ACTION_MARK_ALL)
		list_mark_all(list, source);
	else if (action == ACTION_SORT_NEXT || action == ACTION_SORT_PREVIOUS)
		list_sort_step(list, source, action == ACTION_SORT_NEXT ? 1 : -1);
	else if (action == ACTION_SORT_INVERT) {
		list->inverted = !list->inverted;
		map_release(&list->shown);
	} else
		return false;
	return true;
}

void list_find(struct app *app, struct list *list, const char *text)
{
	list_set_filter(list, text);
	app_note_filter(app, app->view, text);
}

bool pager_act(struct app *app, struct pager *pager, enum action action)
{
	int page = app->canvas->rows / 2;
	long by;

	pager_update(pager);
	if (move_of(action, page, &by)) {
		pager_move(pager, by);
		return true;
	}
	if (action == ACTION_NEXT_MATCH || action == ACTION_PREVIOUS_MATCH) {
		if (!pager_next_match(pager, action == ACTION_NEXT_MATCH ? 1 : -1))
			app_say(app, pager->find ? "\"%s\" is nowhere in this text" : "/ searches first%s", pager->find ? pager->find : "");
	} else if (action == ACTION_FOLD) {
		pager_toggle_fold(pager);
	} else if (action == ACTION_UNFOLD) {
		pager_fold(pager, false);
	} else if (action == ACTION_WRAP) {
		pager->wrap = !pager->wrap;
	} else {
		return false;
	}
	return true;
}

void text_find(struct app *app, struct pager *pager, const char *text)
{
	pager_update(pager);
	if (app->find_is_filter)
		pager_set_filter(pager, text);
	else
		pager_search(pager, text);
	app_note_filter(app, app->view, pager->filter ? pager->filter : pager->find);
}
