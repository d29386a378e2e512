/* Screen 3: the workloads of an environment; and one of them with its pods and what is said about it. */
#include <stdlib.h>
#include <string.h>

#include "ui/state.h"
#include "ui/text.h"
#include "ui/usage.h"

/* ---- what it shows ---- */

void work_show(struct app *app, const char *title, const struct object_ref *object)
{
	struct work_view *work = &app->work;
	AUTO_FREE char *kept = xstrdup(title);

	if (!work->title || strcmp(work->title, title) != 0)
		list_release(&work->workloads);
	free(work->title);
	work->title = GIVE(kept);
	object_ref_release(&work->object);
	if (object && !object_ref_is_empty(object))
		object_ref_copy(&work->object, object);
	list_release(&work->pods);
	pager_release(&work->text);
	work->in_text = false;
}

static const struct environment *environment_of(struct app *app)
{
	const struct environment *env = app_environment(app, app->work.title);

	return env ? env : envs_at(live_envs(app->live), 0);
}

static bool is_open(const struct work_view *work)
{
	return !object_ref_is_empty(&work->object);
}

/* ---- the list of workloads ---- */

enum { COLUMN_KIND, COLUMN_NAME, COLUMN_READY, COLUMN_WHY, COLUMN_CPU, COLUMN_MEMORY, COLUMN_IMAGE, COLUMN_AGE };

static const struct list_column workload_columns[] = {
	[COLUMN_KIND] = { N_("KIND"), 11, 11, 4, 0, false, CUT_END },	 [COLUMN_NAME] = { N_("NAME"), 18, 18, 1, 0, false, CUT_MIDDLE },
	[COLUMN_READY] = { N_("READY"), 6, 6, 2, 0, false, CUT_END }, [COLUMN_WHY] = { N_("STATE"), 12, 12, 1, 1, false, CUT_END },
	[COLUMN_CPU] = { N_("CPU"), 5, 5, 5, 0, true, CUT_END },	 [COLUMN_MEMORY] = { N_("MEM"), 5, 5, 5, 0, true, CUT_END },
	[COLUMN_IMAGE] = { N_("IMAGE"), 30, 30, 6, 0, false, CUT_MIDDLE }, [COLUMN_AGE] = { N_("AGE"), 4, 4, 3, 0, true, CUT_END },
};

static void fill_members(struct app *app)
{
	struct env_members *members = &app->work.members;
	const struct environment *env = environment_of(app);
	size_t kept = 0;

	members->len = 0;
	if (!env)
		return;
	envs_members(live_envs(app->live), env, members, live_now_ms(app->live));
	for (size_t i = 0; i < members->len; i++)
		if (env_member_is_listed(&members->items[i]))
			members->items[kept++] = members->items[i];
	members->len = kept;
}

static const struct env_member *member_at(struct app *app, size_t n)
{
	return &app->work.members.items[n];
}

static size_t count_workloads(void *app)
{
	return ((struct app *)app)->work.members.len;
}

static const char *workload_key(void *arg, size_t n)
{
	struct app *app = arg;
	const struct env_member *m = member_at(app, n);

	buf_reset(&app->work.key);
	buf_addf(&app->work.key, "%s/%s", m->kind->kind, m->name);
	return buf_cstr(&app->work.key);
}

static const char *workload_mark(void *app, size_t n, enum role *ret_role)
{
	enum health_state state = member_at(app, n)->state;

	*ret_role = role_of_state(state);
	return mark_of_state(state);
}

static void add_ready(const struct row *row, struct buf *out)
{
	if (row->kind->shape == SHAPE_WORKLOAD)
		buf_addf(out, "%d/%d", row->workload->ready < 0 ? 0 : row->workload->ready, row->workload->want);
	else if (row->kind->shape == SHAPE_JOB)
		buf_addf(out, "%d/%d", row->job->succeeded < 0 ? 0 : row->job->succeeded, row->job->completions < 0 ? 1 : row->job->completions);
	else if (row->kind->shape == SHAPE_CRON_JOB)
		buf_addf(out, row->cron_job->suspended ? T("off") : "%d", row->cron_job->active);
	else
		buf_adds(out, "-");
}

static enum role workload_cell(void *arg, size_t n, size_t column, struct buf *out)
{
	struct app *app = arg;
	const struct env_member *m = member_at(app, n);
	const struct row *row = m->entry ? m->entry->row : NULL;
	int64_t now_ms = live_now_ms(app->live);

	if (column == COLUMN_KIND) {
		buf_adds(out, m->kind->kind);
		return ROLE_DIM;
	}
	if (column == COLUMN_NAME)
		buf_adds(out, m->name);
	else if (column == COLUMN_WHY && m->entry && m->state != HEALTH_HEALTHY)
		verdict_format_why(health_of(live_health(app->live), m->entry, now_ms), now_ms, out);
	else if (column == COLUMN_WHY)
		buf_adds(out, T(health_state_name(m->state)));
	else if (column == COLUMN_READY && row)
		add_ready(row, out);
	else if (column == COLUMN_IMAGE && row && row->kind->shape == SHAPE_WORKLOAD && row->workload->nimages)
		buf_adds(out, row->workload->images[0].image);
	else if (column == COLUMN_AGE && row)
		add_age(out, now_ms - row->created_ms);
	else if (column == COLUMN_CPU || column == COLUMN_MEMORY)
		return usage_cell(live_metrics(app->live), m->entry, column == COLUMN_CPU ? METRICS_CPU : METRICS_MEMORY, out);
	return column == COLUMN_WHY ? role_of_state(m->state) : ROLE_TEXT;
}

static struct list_source workloads_of(struct app *app)
{
	return (struct list_source){ workload_columns, ARRAY_LEN(workload_columns), count_workloads, workload_key, workload_cell, workload_mark, app };
}

static const struct env_member *current_member(struct app *app)
{
	struct list_source source = workloads_of(app);
	size_t at;

	fill_members(app);
	list_update(&app->work.workloads, &source, app_holds_still(app));
	at = list_current(&app->work.workloads);
	return at == SIZE_MAX ? NULL : member_at(app, at);
}

/* ---- the pods of one ---- */

enum { COLUMN_POD, COLUMN_POD_READY, COLUMN_POD_STATE, COLUMN_RESTARTS, COLUMN_POD_CPU, COLUMN_POD_MEMORY, COLUMN_POD_AGE, COLUMN_NODE };

static const struct list_column pod_columns[] = {
	[COLUMN_POD] = { N_("POD"), 24, 24, 1, 0, false, CUT_MIDDLE },	    [COLUMN_POD_READY] = { N_("READY"), 5, 5, 2, 0, false, CUT_END },
	[COLUMN_POD_STATE] = { N_("STATE"), 14, 14, 1, 1, false, CUT_END }, [COLUMN_RESTARTS] = { N_("RST"), 4, 4, 3, 0, true, CUT_END },
	[COLUMN_POD_CPU] = { N_("CPU"), 5, 5, 5, 0, true, CUT_END },	    [COLUMN_POD_MEMORY] = { N_("MEM"), 5, 5, 5, 0, true, CUT_END },
	[COLUMN_POD_AGE] = { N_("AGE"), 4, 4, 4, 0, true, CUT_END },	    [COLUMN_NODE] = { N_("NODE"), 14, 14, 6, 0, false, CUT_MIDDLE },
};

static void collect_pods(struct work_view *work, struct entry *entry, unsigned depth)
{
	if (entry->row && entry->row->kind == &kind_pod)
		LIST_PUSH(work->pod_entries, work->npods, work->pods_cap) = entry;
	for (struct entry *child = entry->children; child && depth < 4; child = child->next_child)
		collect_pods(work, child, depth + 1);
}

static const struct row *pod_at(struct app *app, size_t n)
{
	return app->work.pod_entries[n]->row;
}

static size_t count_pods(void *app)
{
	return ((struct app *)app)->work.npods;
}

static const char *pod_key(void *app, size_t n)
{
	return pod_at(app, n)->uid;
}

static enum health_state pod_state(struct app *app, size_t n)
{
	return health_of(live_health(app->live), app->work.pod_entries[n], live_now_ms(app->live))->state;
}

static const char *pod_mark(void *app, size_t n, enum role *ret_role)
{
	enum health_state state = pod_state(app, n);

	*ret_role = role_of_state(state);
	return mark_of_state(state);
}

static void add_pod_state(struct app *app, size_t n, struct buf *out)
{
	const struct row *row = pod_at(app, n);
	const struct verdict *v = health_of(live_health(app->live), app->work.pod_entries[n], live_now_ms(app->live));

	if (row->deleted_ms)
		buf_adds(out, "Terminating");
	else if (v->state == HEALTH_HEALTHY)
		buf_adds(out, row->pod->phase);
	else
		verdict_format_why(v, live_now_ms(app->live), out);
	if (!out->len)
		buf_adds(out, row->pod->phase);
}

static enum role pod_cell(void *arg, size_t n, size_t column, struct buf *out)
{
	struct app *app = arg;
	const struct row *row = pod_at(app, n);
	unsigned ready = 0, main = 0;
	int restarts = 0;

	for (size_t i = 0; i < row->pod->ncontainers; i++) {
		main += row->pod->containers[i].role != ROW_INIT;
		ready += row->pod->containers[i].role != ROW_INIT && row->pod->containers[i].ready;
		restarts += row->pod->containers[i].restarts;
	}
	if (column == COLUMN_POD)
		buf_adds(out, row->name);
	else if (column == COLUMN_POD_READY)
		buf_addf(out, "%u/%u", ready, main);
	else if (column == COLUMN_POD_STATE)
		add_pod_state(app, n, out);
	else if (column == COLUMN_RESTARTS)
		buf_addf(out, "%d", restarts);
	else if (column == COLUMN_POD_AGE)
		add_age(out, live_now_ms(app->live) - row->created_ms);
	else if (column == COLUMN_POD_CPU || column == COLUMN_POD_MEMORY)
		return usage_cell(live_metrics(app->live), app->work.pod_entries[n], column == COLUMN_POD_CPU ? METRICS_CPU : METRICS_MEMORY, out);
	else
		buf_adds(out, row->pod->node);
	return column == COLUMN_POD_STATE ? role_of_state(pod_state(app, n)) : ROLE_TEXT;
}

static struct list_source pods_of(struct app *app)
{
	return (struct list_source){ pod_columns, ARRAY_LEN(pod_columns), count_pods, pod_key, pod_cell, pod_mark, app };
}

static struct entry *current_pod(struct app *app)
{
	struct list_source source = pods_of(app);
	struct entry *entry = app_entry(app, &app->work.object);
	size_t at;

	app->work.npods = 0;
	if (entry)
		collect_pods(&app->work, entry, 0);
	list_update(&app->work.pods, &source, app_holds_still(app));
	at = list_current(&app->work.pods);
	return at == SIZE_MAX ? NULL : app->work.pod_entries[at];
}

/* ---- the text below ---- */

static const char *const tab_names[WORK_TABS] = { N_("Why"), N_("Events"), N_("Changes"), N_("Revisions"), N_("Manifest") };

static void show_tab(struct app *app, enum work_tab tab)
{
	struct work_view *work = &app->work;

	work->tab = tab;
	pager_release(&work->text);
	fetch_reset(&work->fetch);
	work->made_of = 0;
	if (tab == WORK_REVISIONS || tab == WORK_MANIFEST)
		fetch_start(app, &work->fetch, tab == WORK_MANIFEST ? INSPECT_MANIFEST : INSPECT_REVISIONS, &work->object, NULL);
}

static void add_why(struct app *app, struct pager *pager)
{
	struct entry *entry = app_entry(app, &app->work.object);

	if (!entry)
		return;
	const struct verdict *v = health_of(live_health(app->live), entry, live_now_ms(app->live));

	if (!v->causes.len)
		pager_addf(pager, role_of_state(v->state), "%s %s", T(health_state_name(v->state)), v->message);
	for (size_t i = 0; i < v->causes.len; i++) {
		AUTO_RELEASE(buf) line = BUF_INIT(0);

		cause_format(&v->causes.items[i], &line);
		pager_addf(pager, i ? ROLE_TEXT : role_of_state(v->state), "%*s%s%s", 2 * (int)i, "", i ? "└ " : "", buf_cstr(&line));
	}
}

static void fill_text(struct app *app)
{
	struct work_view *work = &app->work;

	if (work->tab == WORK_REVISIONS || work->tab == WORK_MANIFEST) {
		if (work->fetch.text && work->made_of != work->fetch.number && !work->fetch.under_way) {
			pager_clear(&work->text);
			pager_add_text(&work->text, work->fetch.text, work->tab == WORK_MANIFEST ? role_of_yaml : NULL);
			work->made_of = work->fetch.number;
		}
	} else {
		pager_clear(&work->text);
		if (work->tab == WORK_WHY)
			add_why(app, &work->text);
		else if (work->tab == WORK_EVENTS)
			add_events(app, &work->text, &work->object, work->object.namespace);
		else
			add_changes(app, &work->text, &work->object, NULL);
	}
	pager_update(&work->text);
}

/* ---- drawing ---- */

static int draw_facts(const struct row *row, struct canvas *canvas, int at)
{
	if (row->kind->shape != SHAPE_WORKLOAD)
		return at;
	const struct row_workload *w = row->workload;

	canvas_textf(canvas, at, 1, canvas->cols - 2, ROLE_TEXT, "want %d   updated %d   ready %d   available %d   generation %lld, seen %lld%s%s%s", w->want,
		     w->updated < 0 ? 0 : w->updated, w->ready < 0 ? 0 : w->ready, w->available < 0 ? 0 : w->available, (long long)row->generation,
		     (long long)row->observed_generation, *w->strategy ? "   " : "", w->strategy, w->paused ? T("   paused") : "");
	return at + 1;
}

static void draw_open(struct app *app, struct canvas *canvas, struct area area)
{
	struct work_view *work = &app->work;
	struct entry *entry = app_entry(app, &work->object);
	const struct environment *env = environment_of(app);
	struct list_source source = pods_of(app);
	int row = area.top, rows;

	canvas_textf(canvas, row, 1, canvas->cols - 2, ROLE_TITLE, "%s > %s %s", env ? env->title : work->object.namespace, work->object.kind,
		     work->object.name);
	if (!entry || !entry->row) {
		canvas_text(canvas, row + 1, 1, canvas->cols - 2, ROLE_UNKNOWN, T("it is gone; Esc goes back"));
		return;
	}
	const struct verdict *v = health_of(live_health(app->live), entry, live_now_ms(app->live));
	AUTO_RELEASE(buf) state = BUF_INIT(0);

	buf_addf(&state, "%s %s ", mark_of_state(v->state), T(health_state_name(v->state)));
	if (v->since_ms)
		add_age(&state, live_now_ms(app->live) - v->since_ms);
	canvas_right(canvas, row++, canvas->cols / 2, canvas->cols - canvas->cols / 2 - 1, role_of_state(v->state), buf_cstr(&state));
	row = draw_facts(entry->row, canvas, row);
	row += draw_usage(live_metrics(app->live), entry, canvas, row);
	current_pod(app);
	rows = (int)work->pods.len + 1 < 4 ? 4 : (int)work->pods.len + 1;
	rows = rows > (area.bottom - row) / 2 ? (area.bottom - row) / 2 : rows;
	if (!work->zoomed && rows > 1) {
		list_draw(&work->pods, &source, canvas, row, rows, 0, canvas->cols);
		row += rows;
	}
	fill_text(app);
	draw_tabs(canvas, row++, tab_names, WORK_TABS, work->tab, work->fetch.under_way ? T("asking ...") : work->in_text ? T("Tab: pods") : T("Tab: text"));
	if (work->fetch.failure)
		canvas_text(canvas, row++, 1, canvas->cols - 2, ROLE_BAD, work->fetch.failure);
	work->text.no_cursor = !work->in_text && !work->zoomed;
	pager_draw(&work->text, canvas, row, area.bottom - row, 0, canvas->cols);
}

static void draw_list(struct app *app, struct canvas *canvas, struct area area)
{
	const struct environment *env = environment_of(app);
	const struct env_member *member = current_member(app);
	struct list_source source = workloads_of(app);
	struct list *list = &app->work.workloads;
	int row = area.top, rows;

	if (!env) {
		canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM, T("no environment is known yet"));
		return;
	}
	rows = canvas_textf(canvas, row, 1, canvas->cols - 2, role_of_state(env->shown), "%s: %s %s, %u of %u workloads ready, namespace %s", env->title,
			    mark_of_state(env->shown), T(health_state_name(env->shown)), env->ready, env->total, *env->namespace ? env->namespace : T("(none)"));
	if (list->marks.len)
		canvas_textf(canvas, row, 1 + rows, canvas->cols - rows - 2, ROLE_KEY, "  %zu marked", list->marks.len);
	row++;
	rows = (int)list->len + 1 < 4 ? 4 : (int)list->len + 1;
	rows = area.bottom - row > 10 && rows > (area.bottom - row) * 3 / 5 ? (area.bottom - row) * 3 / 5 : rows;
	rows = rows > area.bottom - row ? area.bottom - row : rows;
	if (!list->len) {
		canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM,
			    env->state == HEALTH_UNKNOWN && *env->why ? env->why
			    : list->filter			      ? T("no workload has this text")
								      : T("no workloads here"));
		return;
	}
	list_draw(list, &source, canvas, row, rows, 0, canvas->cols);
	row += rows;
	if (!member || !member->entry || area.bottom - row < 3)
		return;
	AUTO_FREE char *title = xasprintf("%s %s", member->kind->kind, member->name);
	const struct verdict *v = health_of(live_health(app->live), member->entry, live_now_ms(app->live));

	canvas_rule(canvas, row++, title, v->rule_id);
	draw_causes(&v->causes, v->state, canvas, &row, area.bottom);
	if (!v->causes.len)
		canvas_textf(canvas, row, 1, canvas->cols - 2, role_of_state(v->state), "%s %s", T(health_state_name(v->state)), v->message);
}

static void draw(struct app *app, struct canvas *canvas, struct area area)
{
	if (is_open(&app->work))
		draw_open(app, canvas, area);
	else
		draw_list(app, canvas, area);
}

/* ---- acting ---- */

static void open_member(struct app *app, const struct env_member *member)
{
	if (!member->entry) {
		app_say(app, "%s %s is missing: A compares the stack with the cluster", member->kind->kind, member->name);
		return;
	}
	object_ref_of_row(&app->work.object, member->entry->row);
	list_release(&app->work.pods);
	app->work.in_text = app->work.zoomed = false;
	show_tab(app, WORK_WHY);
}

static void next_problem(struct app *app)
{
	struct list *list = &app->work.workloads;
	struct list_source source = workloads_of(app);

	for (size_t i = 1; i <= list->len; i++) {
		size_t at = (list->cursor + i) % list->len;

		if (health_is_fine(member_at(app, list->order[at])->state))
			continue;
		list_move(list, &source, (long)at - (long)list->cursor);
		return;
	}
	app_say_no_problem(app);
}

static bool act_in_list(struct app *app, enum action action)
{
	const struct env_member *member = current_member(app);
	struct list_source source = workloads_of(app);

	if (action == ACTION_NEXT_PROBLEM)
		next_problem(app);
	else if (action == ACTION_OPEN && member)
		open_member(app, member);
	else
		return list_act(&app->work.workloads, &source, action, app->canvas->rows / 3);
	return true;
}

static bool step_tab(struct app *app, int by)
{
	show_tab(app, (enum work_tab)(((int)app->work.tab + by + WORK_TABS) % WORK_TABS));
	return true;
}

static bool act_in_open(struct app *app, enum action action)
{
	static const struct {
		enum action action;
		enum work_tab tab;
	} direct[] = { { ACTION_EVENTS, WORK_EVENTS }, { ACTION_CHANGES, WORK_CHANGES }, { ACTION_HISTORY, WORK_REVISIONS }, { ACTION_MANIFEST, WORK_MANIFEST } };
	struct work_view *work = &app->work;
	struct entry *pod = current_pod(app);
	struct list_source source = pods_of(app);

	for (size_t i = 0; i < ARRAY_LEN(direct); i++) {
		if (direct[i].action == action) {
			show_tab(app, direct[i].tab);
			return true;
		}
	}
	if (action == ACTION_BACK || action == ACTION_LEAVE) {
		if (app->filtered[app->view])
			return false;
		object_ref_release(&work->object);
	} else if (action == ACTION_NEXT_PANE || action == ACTION_PREVIOUS_PANE) {
		work->in_text = !work->in_text;
	} else if (action == ACTION_NEXT_TAB || action == ACTION_RIGHT) {
		step_tab(app, 1);
	} else if (action == ACTION_PREVIOUS_TAB || action == ACTION_LEFT) {
		step_tab(app, -1);
	} else if (action == ACTION_ZOOM) {
		work->zoomed = !work->zoomed;
	} else if (action == ACTION_OPEN && !work->in_text && pod) {
		AUTO_RELEASE(object_ref) object = { 0 };

		object_ref_of_row(&object, pod->row);
		app_open_object(app, &object, OBJECT_SUMMARY);
	} else if (work->in_text || work->zoomed) {
		return pager_act(app, &work->text, action);
	} else {
		return list_act(&work->pods, &source, action, app->canvas->rows / 3);
	}
	return true;
}

static bool act(struct app *app, enum action action)
{
	return is_open(&app->work) ? act_in_open(app, action) : act_in_list(app, action);
}

static void target(struct app *app, struct target *ret)
{
	const struct environment *env = environment_of(app);

	if (env)
		target_of_environment(app, ret, env);
	if (is_open(&app->work)) {
		object_ref_copy(&ret->object, &app->work.object);
		return;
	}
	const struct env_member *member = current_member(app);

	if (member && member->entry)
		object_ref_of_row(&ret->object, member->entry->row);
}

static void mark_pods(struct app *app, struct targets *ret)
{
	struct list_source source = pods_of(app);
	AUTO_FREE size_t *rows = NULL;
	size_t n;

	current_pod(app);
	ret->list = &app->work.pods;
	ret->gone = list_marked(ret->list, &source, &rows, &n);
	for (size_t i = 0; i < n; i++) {
		struct target *target = targets_add(ret);

		if (target)
			target_of_entry(app, target, app->work.pod_entries[rows[i]]);
	}
}

static void mark_workloads(struct app *app, struct targets *ret)
{
	const struct environment *env = environment_of(app);
	struct list_source source = workloads_of(app);
	AUTO_FREE size_t *rows = NULL;
	size_t n;

	current_member(app);
	ret->list = &app->work.workloads;
	ret->gone = list_marked(ret->list, &source, &rows, &n);
	for (size_t i = 0; i < n; i++) {
		const struct env_member *member = member_at(app, rows[i]);
		struct target *target = member->entry ? targets_add(ret) : NULL;

		ret->gone += !member->entry; /* the stack has it, the cluster does not */
		if (!target)
			continue;
		target_of_environment(app, target, env);
		object_ref_of_row(&target->object, member->entry->row);
	}
}

static void marked(struct app *app, struct targets *ret)
{
	if (is_open(&app->work))
		mark_pods(app, ret);
	else if (environment_of(app))
		mark_workloads(app, ret);
}

static void find(struct app *app, const char *text)
{
	if (!is_open(&app->work))
		list_find(app, &app->work.workloads, text);
	else if (app->work.in_text || app->work.zoomed)
		text_find(app, &app->work.text, text);
	else
		list_find(app, &app->work.pods, text);
}

static void release(struct app *app)
{
	struct work_view *work = &app->work;

	free(GIVE(work->title));
	object_ref_release(&work->object);
	list_release(&work->workloads);
	list_release(&work->pods);
	pager_release(&work->text);
	fetch_reset(&work->fetch);
	env_members_release(&work->members);
	free(GIVE(work->pod_entries));
	work->npods = work->pods_cap = 0;
	buf_release(&work->key);
	work->tab = WORK_WHY;
	work->in_text = work->zoomed = false;
	work->made_of = 0;
}

int64_t work_revision(struct app *app)
{
	const struct pager *text = &app->work.text;

	if (app->view != VIEW_WORK || app->work.tab != WORK_REVISIONS || !app->work.in_text || text->cursor >= text->nshown)
		return object_revision(app);
	return strtoll(text->lines[text->shown[text->cursor]].text, NULL, 10);
}

const struct view_ops work_view_ops = { .name = N_("Deploy"), .tab = 3, .draw = draw, .act = act, .target = target, .marked = marked, .find = find, .release = release };
