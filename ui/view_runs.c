/* Screen 4: agents at work, as far as pods and slot records tell. */
#include <stdlib.h>
#include <string.h>

#include "ui/state.h"
#include "ui/text.h"

enum { COLUMN_POD, COLUMN_ENV, COLUMN_RUN, COLUMN_ISSUE, COLUMN_PR, COLUMN_PHASE, COLUMN_RESTARTS, COLUMN_AGE };

static const struct list_column columns[] = {
	[COLUMN_POD] = { N_("AGENT POD"), 22, 22, 1, 1, false, CUT_MIDDLE },      [COLUMN_ENV] = { N_("ENV / SLOT"), 13, 13, 1, 0, false, CUT_MIDDLE },
	[COLUMN_RUN] = { N_("RUN"), 14, 14, 5, 0, false, CUT_MIDDLE },	       [COLUMN_ISSUE] = { N_("ISSUE"), 6, 6, 2, 0, false, CUT_END },
	[COLUMN_PR] = { N_("PR"), 6, 6, 3, 0, false, CUT_END },	       [COLUMN_PHASE] = { N_("STATE"), 18, 18, 1, 0, false, CUT_END },
	[COLUMN_RESTARTS] = { N_("RST"), 4, 4, 6, 0, true, CUT_END },       [COLUMN_AGE] = { N_("AGE"), 4, 4, 4, 0, true, CUT_END },
};

static const struct row *pod_at(struct app *app, size_t n)
{
	return app->runs.pods[n]->row;
}

static const struct environment *environment_at(struct app *app, size_t n)
{
	return app_environment_in(app, pod_at(app, n)->namespace);
}

static size_t count(void *app)
{
	return ((struct app *)app)->runs.npods;
}

static const char *key(void *app, size_t n)
{
	return pod_at(app, n)->uid;
}

static const struct verdict *verdict_at(struct app *app, size_t n)
{
	return health_of(live_health(app->live), app->runs.pods[n], live_now_ms(app->live));
}

static const char *mark(void *app, size_t n, enum role *ret_role)
{
	enum health_state state = verdict_at(app, n)->state;

	*ret_role = role_of_state(state);
	return mark_of_state(state);
}

static int restarts_of(const struct row *pod)
{
	int restarts = 0;

	for (size_t i = 0; i < pod->pod->ncontainers; i++)
		restarts += pod->pod->containers[i].restarts;
	return restarts;
}

static enum role cell(void *arg, size_t n, size_t column, struct buf *out)
{
	struct app *app = arg;
	const struct row *pod = pod_at(app, n);
	const struct environment *env = environment_at(app, n);
	const struct verdict *v = verdict_at(app, n);

	if (column == COLUMN_POD)
		buf_adds(out, pod->name);
	else if (column == COLUMN_ENV)
		buf_adds(out, env ? env->title : pod->namespace);
	else if (column == COLUMN_RUN)
		buf_adds(out, env && *env->owner ? env->owner : "-");
	else if (column == COLUMN_ISSUE)
		buf_addf(out, env && env->issue ? "#%lld" : "-", env ? (long long)env->issue : 0);
	else if (column == COLUMN_PR)
		buf_addf(out, env && env->pr ? "PR%lld" : "-", env ? (long long)env->pr : 0);
	else if (column == COLUMN_PHASE)
		buf_adds(out, v->state == HEALTH_HEALTHY || !*v->reason ? pod->pod->phase : v->reason);
	else if (column == COLUMN_RESTARTS)
		buf_addf(out, "%d", restarts_of(pod));
	else
		add_age(out, live_now_ms(app->live) - pod->created_ms);
	return column == COLUMN_PHASE ? role_of_state(v->state) : ROLE_TEXT;
}

static struct list_source source_of(struct app *app)
{
	return (struct list_source){ columns, ARRAY_LEN(columns), count, key, cell, mark, app };
}

static struct entry *current(struct app *app)
{
	struct list_source source = source_of(app);
	struct runs_view *runs = &app->runs;
	size_t at;

	runs->npods = 0;
	for (struct entry *e = store_first(live_store(app->live), &kind_pod, NULL); e; e = store_next(e, NULL))
		if (e->row && is_agent_pod(e->row))
			LIST_PUSH(runs->pods, runs->npods, runs->pods_cap) = e;
	list_update(&runs->list, &source, app_holds_still(app));
	at = list_current(&runs->list);
	return at == SIZE_MAX ? NULL : runs->pods[at];
}

void run_of_environment(struct app *app, const struct environment *env, struct buf *out)
{
	const struct row *pod = agent_pod(app->live, env->namespace);

	if (!pod)
		buf_adds(out, "-");
	else if (strcmp(pod->pod->phase, "Running") != 0)
		buf_addf(out, T("agent %s"), pod->pod->phase);
	else
		buf_addf(out, T("agent %s"), *env->owner ? env->owner : T("runs"));
}

static void draw_none(struct app *app, struct canvas *canvas, int row)
{
	AUTO_RELEASE(buf) doubt = BUF_INIT(0);

	app_add_doubt(app, &kind_pod, "", &doubt);
	canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM,
		    app->runs.npods ? T("no agent has this text")
		    : doubt.len	    ? buf_cstr(&doubt)
				    : T("no agent's pod is known (pods with the label app: codex)"));
}

static void draw(struct app *app, struct canvas *canvas, struct area area)
{
	struct entry *entry = current(app);
	struct list_source source = source_of(app);
	struct list *list = &app->runs.list;
	int row = area.top, rows;

	if (!list->len) {
		draw_none(app, canvas, row);
		return;
	}
	rows = (int)list->len + 1 < 4 ? 4 : (int)list->len + 1;
	rows = rows > (area.bottom - row) / 2 + 1 ? (area.bottom - row) / 2 + 1 : rows;
	list_draw(list, &source, canvas, row, rows, 0, canvas->cols);
	row += rows;
	if (!entry || area.bottom - row < 3)
		return;
	const struct verdict *v = health_of(live_health(app->live), entry, live_now_ms(app->live));
	struct pager events = { 0 };
	AUTO_RELEASE(object_ref) object = { 0 };

	canvas_rule(canvas, row++, entry->row->name, entry->row->namespace);
	draw_causes(&v->causes, v->state, canvas, &row, area.bottom);
	object_ref_of_row(&object, entry->row);
	add_events(app, &events, &object, entry->row->namespace);
	for (size_t i = 0; i < events.len && row < area.bottom; i++)
		canvas_text(canvas, row++, 1, canvas->cols - 2, events.lines[i].role, events.lines[i].text);
	pager_release(&events);
}

static bool act(struct app *app, enum action action)
{
	struct entry *entry = current(app);
	struct list_source source = source_of(app);

	if (action == ACTION_OPEN && entry) {
		AUTO_RELEASE(object_ref) object = { 0 };

		object_ref_of_row(&object, entry->row);
		app_open_object(app, &object, OBJECT_SUMMARY);
		return true;
	}
	return list_act(&app->runs.list, &source, action, app->canvas->rows / 3);
}

static void target(struct app *app, struct target *ret)
{
	struct entry *entry = current(app);

	if (entry)
		target_of_entry(app, ret, entry);
}

static void find(struct app *app, const char *text)
{
	list_find(app, &app->runs.list, text);
}

static void release(struct app *app)
{
	list_release(&app->runs.list);
	free(GIVE(app->runs.pods));
	app->runs.npods = app->runs.pods_cap = 0;
}

const struct view_ops runs_view_ops = { .name = N_("Runs"), .tab = 4, .draw = draw, .act = act, .target = target, .find = find, .release = release };
