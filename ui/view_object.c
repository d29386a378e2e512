/* One object as text: what it is, its manifest, events, owners and owned, changes, revisions. */
#include <stdlib.h>
#include <string.h>

#include "ui/state.h"
#include "ui/text.h"

static const char *const tab_names[OBJECT_TABS] = { N_("Summary"), N_("Manifest"), N_("Events"), N_("Tree"), N_("Changes"), N_("Revisions"), N_("Value") };

static const struct {
	bool asked; /* the server is asked; else made from what is known */
	enum inspect_what what;
	enum role (*role_of)(const char *line);
} tabs[OBJECT_TABS] = {
	[OBJECT_SUMMARY] = { true, INSPECT_SUMMARY, NULL },
	[OBJECT_MANIFEST] = { true, INSPECT_MANIFEST, role_of_yaml },
	[OBJECT_REVISIONS] = { true, INSPECT_REVISIONS, NULL },
	[OBJECT_VALUE] = { true, INSPECT_KEYS, NULL },
};

bool app_has_values(const struct object_ref *object)
{
	return strcmp(object->kind, "Secret") == 0 || strcmp(object->kind, "ConfigMap") == 0;
}

static bool has_tab(const struct object_view *view, enum object_tab tab)
{
	if (tab == OBJECT_REVISIONS)
		return act_fits(ACT_UNDO, view->object.api_version, view->object.kind);
	if (tab == OBJECT_VALUE)
		return app_has_values(&view->object);
	return true;
}

static void show_tab(struct app *app, enum object_tab tab)
{
	struct object_view *view = &app->object;

	view->tab = tab;
	pager_release(&view->text);
	fetch_reset(&view->fetch);
	view->made_of = 0;
	if (tabs[tab].asked)
		fetch_start(app, &view->fetch, tabs[tab].what, &view->object, NULL);
	app_note_filter(app, VIEW_OBJECT, NULL);
}

void app_open_object(struct app *app, const struct object_ref *object, enum object_tab tab)
{
	AUTO_RELEASE(object_ref) kept = { 0 };

	object_ref_copy(&kept, object);
	object_ref_copy(&app->object.object, &kept);
	show_tab(app, has_tab(&app->object, tab) ? tab : OBJECT_SUMMARY);
	app_go(app, VIEW_OBJECT);
}

/* ---- the tree ---- */

static void add_branch(struct app *app, struct pager *pager, struct entry *entry, int depth)
{
	int64_t now_ms = live_now_ms(app->live);

	if (depth > 16 || !entry->row)
		return;
	const struct verdict *v = health_of(live_health(app->live), entry, now_ms);
	AUTO_RELEASE(buf) why = BUF_INIT(0);

	verdict_format_why(v, now_ms, &why);
	pager_addf(pager, role_of_state(v->state), "%*s%s %s %s%s%s", 2 * depth, "", mark_of_state(v->state), entry->row->kind->kind, entry->row->name,
		   why.len ? "  " : "", buf_cstr(&why));
	for (struct entry *child = entry->children; child; child = child->next_child)
		add_branch(app, pager, child, depth + 1);
}

static void add_tree(struct app *app, struct pager *pager, const struct object_ref *object)
{
	struct entry *entry = app_entry(app, object);

	if (!entry) {
		pager_add(pager, ROLE_DIM, T("this kind is not watched: its owners are in the summary"));
		return;
	}
	while (entry->owner && entry->owner->row)
		entry = entry->owner;
	add_branch(app, pager, entry, 0);
}

/* ---- drawing ---- */

static void fill_known(struct app *app, struct object_view *view)
{
	if (view->tab == OBJECT_EVENTS)
		add_events(app, &view->text, &view->object, view->object.namespace);
	else if (view->tab == OBJECT_CHANGES)
		add_changes(app, &view->text, &view->object, NULL);
	else
		add_tree(app, &view->text, &view->object);
}

/* What was asked for is made into lines once, so that folds stay. */
static void fill(struct app *app, struct object_view *view)
{
	if (!tabs[view->tab].asked) {
		pager_clear(&view->text);
		fill_known(app, view);
	} else if (view->fetch.text && view->made_of != view->fetch.number && !view->fetch.under_way) {
		pager_clear(&view->text);
		pager_add_text(&view->text, view->fetch.text, tabs[view->tab].role_of);
		view->made_of = view->fetch.number;
	}
	pager_update(&view->text);
}

static const char *note_of(const struct object_view *view)
{
	if (view->fetch.under_way)
		return T("asking ...");
	return view->text.filter ? view->text.filter : view->text.find;
}

static void draw(struct app *app, struct canvas *canvas, struct area area)
{
	struct object_view *view = &app->object;
	struct entry *entry = app_entry(app, &view->object);
	const char *names[OBJECT_TABS];
	size_t n = 0, current = 0;
	int row = area.top;

	canvas_textf(canvas, row, 1, canvas->cols - 2, ROLE_TITLE, "%s %s%s%s", view->object.kind ? view->object.kind : "", view->object.name ? view->object.name : "",
		     view->object.namespace && *view->object.namespace ? T(" in ") : "", view->object.namespace ? view->object.namespace : "");
	if (entry) {
		enum health_state state = health_of(live_health(app->live), entry, live_now_ms(app->live))->state;
		AUTO_FREE char *text = xasprintf("%s %s", mark_of_state(state), T(health_state_name(state)));

		canvas_right(canvas, row, canvas->cols / 2, canvas->cols - canvas->cols / 2 - 1, role_of_state(state), text);
	}
	for (int tab = 0; tab < OBJECT_TABS; tab++) {
		if (!has_tab(view, (enum object_tab)tab))
			continue;
		current = tab == (int)view->tab ? n : current;
		names[n++] = tab_names[tab];
	}
	fill(app, view);
	draw_tabs(canvas, ++row, names, n, current, note_of(view));
	row++;
	if (view->fetch.failure)
		canvas_text(canvas, row++, 1, canvas->cols - 2, ROLE_BAD, view->fetch.failure);
	pager_draw(&view->text, canvas, row, area.bottom - row, 0, canvas->cols);
}

/* ---- acting ---- */

static void step_tab(struct app *app, int by)
{
	int tab = (int)app->object.tab;

	do
		tab = (tab + by + OBJECT_TABS) % OBJECT_TABS;
	while (!has_tab(&app->object, (enum object_tab)tab));
	show_tab(app, (enum object_tab)tab);
}

/* The text of the line under the cursor: a key on the tab of values. */
static const char *current_line(const struct object_view *view)
{
	return view->text.cursor < view->text.nshown ? view->text.lines[view->text.shown[view->text.cursor]].text : "";
}

/* Only now, and only this one: a Secret's value is not on the screen unless asked for by its key. */
static void show_value(struct app *app)
{
	struct object_view *view = &app->object;
	AUTO_FREE char *key = NULL;

	fill(app, view);
	key = xstrdup(current_line(view));
	if (view->tab != OBJECT_VALUE) {
		if (has_tab(view, OBJECT_VALUE))
			show_tab(app, OBJECT_VALUE);
		else
			app_say(app, "a %s has no values to show", view->object.kind);
	} else if (*key && !view->shows_value) {
		view->shows_value = true;
		fetch_start(app, &view->fetch, INSPECT_VALUE, &view->object, key);
	} else {
		view->shows_value = false;
		show_tab(app, OBJECT_VALUE);
	}
}

static bool act(struct app *app, enum action action)
{
	static const struct {
		enum action action;
		enum object_tab tab;
	} direct[] = { { ACTION_MANIFEST, OBJECT_MANIFEST }, { ACTION_EVENTS, OBJECT_EVENTS }, { ACTION_TREE, OBJECT_TREE }, { ACTION_CHANGES, OBJECT_CHANGES },
		       { ACTION_HISTORY, OBJECT_REVISIONS } };

	for (size_t i = 0; i < ARRAY_LEN(direct); i++) {
		if (direct[i].action == action && has_tab(&app->object, direct[i].tab)) {
			show_tab(app, direct[i].tab);
			return true;
		}
	}
	if (action == ACTION_NEXT_TAB || action == ACTION_NEXT_PANE || action == ACTION_RIGHT)
		step_tab(app, 1);
	else if (action == ACTION_PREVIOUS_TAB || action == ACTION_PREVIOUS_PANE || action == ACTION_LEFT)
		step_tab(app, -1);
	else if (action == ACTION_DECODE || (action == ACTION_OPEN && app->object.tab == OBJECT_VALUE))
		show_value(app);
	else if (action == ACTION_OPEN)
		pager_toggle_fold(&app->object.text);
	else if (action == ACTION_RETRY)
		show_tab(app, app->object.tab);
	else
		return pager_act(app, &app->object.text, action);
	return true;
}

static void target(struct app *app, struct target *ret)
{
	struct entry *entry = app_entry(app, &app->object.object);

	if (entry && entry->row)
		target_of_entry(app, ret, entry);
	else if (!object_ref_is_empty(&app->object.object))
		object_ref_copy(&ret->object, &app->object.object);
}

static void find(struct app *app, const char *text)
{
	text_find(app, &app->object.text, text);
}

static void text(struct app *app, struct buf *out)
{
	pager_text(&app->object.text, out);
}

static void release(struct app *app)
{
	object_ref_release(&app->object.object);
	pager_release(&app->object.text);
	fetch_reset(&app->object.fetch);
	app->object.tab = OBJECT_SUMMARY;
	app->object.made_of = 0;
	app->object.shows_value = false;
}

int64_t object_revision(const struct app *app)
{
	return app->view == VIEW_OBJECT && app->object.tab == OBJECT_REVISIONS ? strtoll(current_line(&app->object), NULL, 10) : 0;
}

const struct view_ops object_view_ops = {
	.name = N_("Object"), .draw = draw, .act = act, .target = target, .find = find, .text = text, .release = release
};
