/* The logs of what was under the cursor: one pane (ui/log_pane.h) over live logs, which stay open while Esc can lead back to them. */
#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "ui/change.h"
#include "ui/state.h"
#include "ui/text.h"

#define SAVE_LOOK_MS 50 /* between two looks whether a save has ended */
#define TEXT_LINES 10000 /* newest ones, for the editor */

/* ---- opening and closing ---- */

static const struct logs_range first_range = { .since_s = 900 };

static void close_logs(struct logs_view *view)
{
	logs_destroy(GIVE(view->logs));
	if (view->pane.lines)
		log_pane_release(&view->pane);
}

static void apply_filter(struct logs_view *view)
{
	logs_set_filter(view->logs, log_pane_filter(&view->pane), &view->pane);
}

static void open_logs(struct app *app)
{
	struct logs_view *view = &app->logs;
	AUTO_FREE struct logs_target *targets = xcalloc(view->nof, sizeof *targets);

	for (size_t i = 0; i < view->nof; i++) {
		const struct object_ref *object = &view->of[i].object;

		if (object_ref_is_empty(object))
			targets[i].title = view->of[i].title;
		else
			targets[i] = (struct logs_target){ kind_find_api(object->api_version, object->kind), object->namespace, object->name, NULL };
	}
	log_pane_init(&view->pane);
	view->logs = logs_create(app->live, targets, view->nof, &view->range, 0);
	view->saved = LOGS_NOT_SAVED;
	apply_filter(view);
}

/* Environments, pods, and what owns pods. */
bool app_has_logs(const struct target *target)
{
	const struct object_ref *object = &target->object;
	const struct kind *kind = object_ref_is_empty(object) ? NULL : kind_find_api(object->api_version, object->kind);

	if (object_ref_is_empty(object))
		return target->title && (!target->namespace || *target->namespace); /* a slot that is free is no environment */
	return kind && (kind->shape == SHAPE_POD || kind->shape == SHAPE_WORKLOAD || kind->shape == SHAPE_JOB || kind->shape == SHAPE_CRON_JOB);
}

static const char *name_of(const struct target *target)
{
	return object_ref_is_empty(&target->object) ? target->title : target->object.name;
}

static void forget(struct logs_view *view)
{
	close_logs(view);
	for (size_t i = 0; i < view->nof; i++)
		target_release(&view->of[i]);
	free(GIVE(view->of));
	view->nof = 0;
	free(GIVE(view->title));
}

static void take_target(struct logs_view *view, const struct target *target)
{
	struct target *own = &view->of[view->nof++];

	own->title = target->title ? xstrdup(target->title) : NULL;
	if (!object_ref_is_empty(&target->object))
		object_ref_copy(&own->object, &target->object);
}

/* "Deployment users", "slot 2", "3 marked: users, chat, web" */
static char *title_of(const struct logs_view *view)
{
	AUTO_RELEASE(buf) title = BUF_INIT(0);
	const struct object_ref *object = &view->of->object;

	if (view->nof == 1)
		return object_ref_is_empty(object) ? xstrdup(view->of->title) : xasprintf("%s %s", object->kind, object->name);
	buf_addf(&title, T("%zu marked"), view->nof);
	for (size_t i = 0; i < view->nof; i++)
		buf_addf(&title, "%s%s", i ? ", " : ": ", name_of(&view->of[i]));
	return buf_give(&title);
}

static void go_to_logs(struct app *app)
{
	app->logs.title = title_of(&app->logs);
	app->logs.range = first_range;
	open_logs(app);
	app_go(app, VIEW_LOGS);
}

void app_open_logs(struct app *app, const struct target *target)
{
	if (!app_has_logs(target)) {
		app_say(app, "%s has no logs: they are of pods and of what owns pods", target->object.kind ? target->object.kind : target->title);
		return;
	}
	forget(&app->logs);
	app->logs.of = xcalloc(1, sizeof *app->logs.of);
	take_target(&app->logs, target);
	go_to_logs(app);
}

void app_open_marked_logs(struct app *app, const struct targets *targets)
{
	struct logs_view *view = &app->logs;
	size_t n = 0;

	for (size_t i = 0; i < targets->len; i++)
		n += app_has_logs(&targets->items[i]);
	if (targets->count > targets->len) {
		app_say(app, "%zu are marked: the logs of at most %d are read at once", targets->count, CHANGE_MAX);
		return;
	}
	if (!n) {
		app_say(app, "nothing that is marked has logs: they are of pods and of what owns pods");
		return;
	}
	forget(view);
	view->of = xcalloc(n, sizeof *view->of);
	for (size_t i = 0; i < targets->len; i++)
		if (app_has_logs(&targets->items[i]))
			take_target(view, &targets->items[i]);
	go_to_logs(app);
	if (n < targets->len)
		app_say(app, "left out, as they have no logs: %zu", targets->len - n);
}

static bool has_job(const struct app *app, const struct target *t)
{
	return t->env && app_job_runs(app) && app->deploy.slot == t->slot && !strcmp(app->deploy.env, t->env);
}

void app_open_agent_logs(struct app *app, const struct target *t)
{
	const struct row *pod = t->namespace ? agent_pod(app->live, t->namespace) : NULL;
	AUTO_RELEASE(target) agent = { 0 };

	if (has_job(app, t)) {
		app_go(app, VIEW_APPLY);
	} else if (pod) {
		agent.title = t->title ? xstrdup(t->title) : NULL;
		object_ref_of_row(&agent.object, pod);
		app_open_logs(app, &agent);
	} else {
		app_say(app, "no agent is at work in %s", t->title ? t->title : t->object.name);
	}
}

static bool can_come_back(const struct app *app)
{
	bool can = app->view == VIEW_LOGS;

	for (size_t i = 0; i < app->ntrail; i++)
		can = can || app->trail[i] == VIEW_LOGS;
	return can;
}

static struct log_scene scene_of(const struct logs_view *view)
{
	struct log_scene scene = { .store = logs_store(view->logs), .nsources = logs_count(view->logs), .range = view->range, .title = view->title,
				   .held = logs_are_held(view->logs) };

	scene.sources = scene.nsources ? logs_source(view->logs, 0) : NULL;
	return scene;
}

/* ---- what comes by itself ---- */

static bool tell_saved(struct app *app)
{
	struct logs_view *view = &app->logs;
	enum logs_save_state before = view->saved;
	const char *text;

	view->saved = logs_save_state(view->logs, &text);
	if (before != LOGS_SAVING || view->saved == LOGS_SAVING)
		return false;
	app_notice(app, view->saved == LOGS_SAVE_FAILED, view->saved == LOGS_SAVED ? "saved %s" : "not saved: %s", text);
	return true;
}

bool logs_view_poll(struct app *app, int64_t budget_ms)
{
	struct logs_view *view = &app->logs;
	int64_t until_us = clock_now_us(NULL) + budget_ms * 1000;
	bool changed, searching;

	if (view->logs && !can_come_back(app))
		close_logs(view);
	if (!view->logs)
		return false;
	changed = logs_poll(view->logs, budget_ms, log_pane_keep(&view->pane));
	searching = view->pane.searching != 0;
	if (searching) {
		struct log_scene scene = scene_of(view);

		log_pane_work(&view->pane, &scene, budget_ms ? until_us : INT64_MAX);
	}
	return tell_saved(app) || changed || searching;
}

bool logs_view_is_settled(const struct app *app)
{
	const struct logs *logs = app->logs.logs;
	const struct logs_source *source;

	if (!logs || !logs_count(logs) || logs_has_more(logs))
		return false;
	for (size_t i = 0; (source = logs_source(logs, i)); i++)
		if (source->state == LOG_FOLLOW_OPENING && i < LOGS_STREAMS)
			return false;
	return true;
}

int logs_view_fd(const struct app *app)
{
	/* What is not taken now must not wake the loop again and again. */
	return app->logs.logs && !logs_are_held(app->logs.logs) ? logs_fd(app->logs.logs) : -1;
}

int64_t logs_view_due_ms(const struct app *app, int64_t now_ms)
{
	const struct logs_view *view = &app->logs;

	if (view->logs && (logs_has_more(view->logs) || view->pane.searching))
		return now_ms;
	return view->logs && view->saved == LOGS_SAVING ? now_ms + SAVE_LOOK_MS : INT64_MAX;
}

/* ---- drawing ---- */

static void draw(struct app *app, struct canvas *canvas, struct area area)
{
	struct logs_view *view = &app->logs;

	if (!view->logs && view->nof)
		open_logs(app);
	if (!view->logs) {
		canvas_text(canvas, area.top, 1, canvas->cols - 2, ROLE_DIM, T("l on an environment, a workload or a pod opens its logs"));
		return;
	}
	struct log_scene scene = scene_of(view);

	log_pane_settle(&view->pane, &scene, area.bottom - area.top, canvas->cols);
	log_pane_draw(&view->pane, &scene, canvas, area.top, area.bottom - area.top);
}

/* ---- acting ---- */

static void read_anew(struct app *app)
{
	struct logs_view *view = &app->logs;

	view->pane.follow = true;
	view->pane.top = view->pane.found = LOG_SERIAL_NONE;
	view->pane.searching = 0;
	view->pane.only = -1; /* sources are counted anew */
	apply_filter(view);
	logs_set_range(view->logs, &view->range);
}

static void step_range(struct app *app, int by)
{
	struct logs_view *view = &app->logs;
	bool previous = view->range.previous;
	size_t n, at = 0;
	const struct logs_range *ranges = log_ranges(&n);
	AUTO_RELEASE(buf) name = BUF_INIT(0);

	while (at < n && (ranges[at].since_s != view->range.since_s || ranges[at].tail != view->range.tail))
		at++;
	if ((by < 0 && at == 0) || (by > 0 && at + 1 >= n)) {
		app_say(app, by < 0 ? "these are the fewest lines" : "these are all lines that there are");
		return;
	}
	view->range = ranges[by < 0 ? at - 1 : at + 1];
	view->range.previous = previous;
	log_range_name(&view->range, &name);
	app_say(app, "reading anew: %s", buf_cstr(&name));
	read_anew(app);
}

static void go_farther(struct app *app)
{
	step_range(app, 1);
}

static void go_nearer(struct app *app)
{
	step_range(app, -1);
}

static void toggle_previous(struct app *app)
{
	app->logs.range.previous = !app->logs.range.previous;
	app_say(app, app->logs.range.previous ? "with the former run of each container" : "without former runs");
	read_anew(app);
}

static void toggle_follow(struct app *app)
{
	log_pane_follow(&app->logs.pane, !app->logs.pane.follow);
}

static void toggle_wrap(struct app *app)
{
	app->logs.pane.wrap = !app->logs.pane.wrap;
	app->logs.pane.shift = 0;
}

static void step_times(struct app *app)
{
	app->logs.pane.times = (app->logs.pane.times + 1) % LOG_TIMES_COUNT;
}

static void toggle_json(struct app *app)
{
	app->logs.pane.fold_json = !app->logs.pane.fold_json;
	if (app->logs.pane.filter) /* it looks at what is shown */
		apply_filter(&app->logs);
}

static void step_level(struct app *app)
{
	log_pane_step_level(&app->logs.pane);
	apply_filter(&app->logs);
	app_say(app, "%s", log_level_words(app->logs.pane.level));
}

static void show_only(struct app *app, const struct pick_item *item)
{
	if (!app->logs.logs)
		return;
	app->logs.pane.only = item->tag;
	apply_filter(&app->logs);
}

/* All are read on, so that nothing is missing when another one is chosen. */
static void choose_container(struct app *app)
{
	static const char *const states[] = { [LOG_FOLLOW_OPENING] = N_("not read yet"), [LOG_FOLLOW_LIVE] = N_("followed"), [LOG_FOLLOW_WAITING] = N_("waits"),
					      [LOG_FOLLOW_REFUSED] = N_("refused"), [LOG_FOLLOW_ENDED] = N_("gone") };
	const struct logs_source *source;

	picker_open(&app->picker, T("show the lines of"), show_only);
	picker_add(&app->picker, -1, T("all containers"), NULL, "", NULL, NULL);
	for (size_t i = 0; (source = logs_source(app->logs.logs, i)); i++) {
		size_t lines = log_store_counts_of(logs_store(app->logs.logs), (uint16_t)i).received;
		AUTO_FREE char *detail = xasprintf(TN("%s, %zu line", "%s, %zu lines", lines), T(states[source->state]), lines);

		picker_add(&app->picker, (int)i, source->short_name, detail, "", NULL, NULL);
	}
}

static void step_filter_mode(struct app *app)
{
	static const char *const words[LOG_FILTER_COUNT] = { N_("only what matches is shown"), N_("what matches is hidden"), N_("what does not match is dimmed") };
	struct log_pane *pane = &app->logs.pane;

	if (!pane->filter) {
		app_say(app, "there is no filter: & types one");
		return;
	}
	pane->filter_mode = (pane->filter_mode + 1) % LOG_FILTER_COUNT;
	app_say(app, "%s", T(words[pane->filter_mode]));
	apply_filter(&app->logs);
}

static void next_match(struct app *app, int direction)
{
	struct log_scene scene = scene_of(&app->logs);

	if (!app->logs.pane.search)
		app_say(app, "/ searches first");
	log_pane_next_match(&app->logs.pane, &scene, direction);
}

static void next_newer(struct app *app)
{
	next_match(app, 1);
}

static void next_older(struct app *app)
{
	next_match(app, -1);
}

static void shift_left(struct app *app)
{
	int step = app->canvas->cols / 4;

	app->logs.pane.shift -= app->logs.pane.shift < step ? app->logs.pane.shift : step;
}

static void shift_right(struct app *app)
{
	if (!app->logs.pane.wrap && app->logs.pane.shift < LOG_LINE_MAX)
		app->logs.pane.shift += app->canvas->cols / 4;
}

static void go_first(struct app *app)
{
	struct log_scene scene = scene_of(&app->logs);

	log_pane_first(&app->logs.pane, &scene);
}

static void go_last(struct app *app)
{
	log_pane_follow(&app->logs.pane, true);
}

static void retry(struct app *app)
{
	live_hurry(app->live);
	logs_hurry(app->logs.logs);
	app_say(app, "trying to reach the logs again");
}

/* "slotdeck-logs-users-2026-02-03T04.05.06Z.log" in the present folder. */
static void save(struct app *app)
{
	char when[UTC_TEXT_MAX];
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	const struct logs_view *view = &app->logs;

	if (app_replays(app, T("saving")))
		return;
	utc_format(clock_wall_us(NULL), when);
	buf_addf(&path, "slotdeck-logs-%s", name_of(view->of));
	if (view->nof > 1)
		buf_addf(&path, "-and-%zu-more", view->nof - 1);
	buf_addf(&path, "-%s.log", when);
	for (size_t i = 0; i < path.len; i++)
		if (path.p[i] == ':' || path.p[i] == '/' || path.p[i] == ' ')
			path.p[i] = path.p[i] == ':' ? '.' : '-';
	if (logs_save(app->logs.logs, buf_cstr(&path)))
		app_say(app, "saving what is shown ...");
	else
		app_say(app, "one save is under way already");
	app->logs.saved = LOGS_SAVING;
}

static const struct {
	enum action action;
	void (*fn)(struct app *app);
} acts[] = {
	{ ACTION_FIRST, go_first },	       { ACTION_LAST, go_last },	  { ACTION_LEFT, shift_left },	      { ACTION_RIGHT, shift_right },
	{ ACTION_FOLLOW, toggle_follow },      { ACTION_WRAP, toggle_wrap },	  { ACTION_TIMESTAMPS, step_times },
	{ ACTION_FOLD, toggle_json },	       { ACTION_NEXT_MATCH, next_newer }, { ACTION_PREVIOUS_MATCH, next_older }, { ACTION_SORT_INVERT, step_filter_mode },
	{ ACTION_SORT_NEXT, go_farther },      { ACTION_SORT_PREVIOUS, go_nearer }, { ACTION_RETRY, retry },	      { ACTION_SAVE, save },
	{ ACTION_PREVIOUS_CONTAINER, toggle_previous }, { ACTION_LEVEL, step_level }, { ACTION_OPEN, choose_container },
};

static bool act(struct app *app, enum action action)
{
	static const struct {
		enum action action;
		int by, pages;
	} moves[] = { { ACTION_UP, -1, 0 }, { ACTION_DOWN, 1, 0 }, { ACTION_PAGE_UP, 0, -1 }, { ACTION_PAGE_DOWN, 0, 1 } };
	int page = app->canvas->rows > 8 ? app->canvas->rows - 8 : 1;

	if (!app->logs.logs)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(moves); i++)
		if (moves[i].action == action) {
			struct log_scene scene = scene_of(&app->logs);

			log_pane_move(&app->logs.pane, &scene, moves[i].by + moves[i].pages * page);
			return true;
		}
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (acts[i].action == action) {
			acts[i].fn(app);
			return true;
		}
	return false;
}

static void find(struct app *app, const char *text)
{
	struct logs_view *view = &app->logs;

	if (!view->logs)
		return;
	struct log_scene scene = scene_of(view);

	if (app->find_is_filter) {
		log_pane_set_filter(&view->pane, text);
		apply_filter(view);
	} else {
		log_pane_set_search(&view->pane, &scene, text);
	}
	app_note_filter(app, VIEW_LOGS, view->pane.filter || view->pane.search ? "on" : NULL); /* the pane tells by what */
}

/* Of several: the environment that they are all of. */
static void target_of(struct app *app, struct target *ret)
{
	const struct logs_view *view = &app->logs;
	const struct environment *env = view->nof ? app_environment(app, view->of->title) : NULL;

	for (size_t i = 1; i < view->nof && env; i++)
		env = view->of[i].title && strcmp(view->of[i].title, env->title) == 0 ? env : NULL;
	if (env)
		target_of_environment(app, ret, env);
	if (view->nof == 1 && !object_ref_is_empty(&view->of->object))
		object_ref_copy(&ret->object, &view->of->object);
}

static void text(struct app *app, struct buf *out)
{
	struct log_store *store = app->logs.logs ? logs_store(app->logs.logs) : NULL;
	uint64_t serial = LOG_SERIAL_NONE, at;
	struct log_line line;

	if (!store)
		return;
	for (size_t n = 0; n < TEXT_LINES && (at = log_store_previous(store, serial)) != LOG_SERIAL_NONE; n++)
		serial = at;
	for (; serial != LOG_SERIAL_NONE; serial = log_store_next(store, serial))
		if (log_store_line(store, serial, &line)) {
			char when[UTC_TEXT_MAX];

			buf_addf(out, "%s %s ", utc_format_micro(line.time_ns / 1000, when), logs_source(app->logs.logs, line.source)->short_name);
			buf_add_plain(out, line.text);
			buf_addc(out, '\n');
		}
}

static void release(struct app *app)
{
	forget(&app->logs);
}

const struct view_ops logs_view_ops = { .name = N_("Logs"), .draw = draw, .act = act, .target = target_of, .find = find, .text = text, .release = release };
