/* The loop, the one way in, and what surrounds every screen: head lines, key lines, overlays. */
#include "ui/app.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/record.h"
#include "ui/record.h"
#include "ui/replay.h"
#include "ui/state.h"
#include "ui/text.h"
#include "ui/theme.h"

#define MIN_ROWS      4 /* for a head line and a key line */
#define TICK_MS	      1000 /* ages and countdowns */
#define HOLD_MS	      1000 /* rows keep their places behind a key */
#define WHEEL_ROWS    3
#define POLL_BUDGET_MS 2
#define HIDDEN_PACE_MS 2000 /* between two looks at environments that are not shown */
#define DUMP_LIMIT_MS 5000
#define DUMP_QUIET_MS 500

enum input_kind { INPUT_KEY, INPUT_JOB };
struct input {
	enum input_kind kind;
	uint32_t key;
	const struct job_event *event;
};

bool app_holds_still(const struct app *app)
{
	return app->key_ms && clock_now_ms(NULL) - app->key_ms < HOLD_MS;
}

/* ---- keys ---- */

static void end_prompt(struct app *app, bool keep)
{
	enum prompt_kind kind = app->prompting;

	app->prompting = PROMPT_NONE;
	if (kind == PROMPT_FIND && views[app->view]->find && !keep)
		views[app->view]->find(app, NULL);
}

/* A list is filtered while one types; a text is searched. */
static void prompt_key(struct app *app, uint32_t key)
{
	if (key == KEY_TERM_ENTER)
		end_prompt(app, true);
	else if (!line_edit_key(&app->prompt, key))
		end_prompt(app, false);
	else if (views[app->view]->find)
		views[app->view]->find(app, app->prompt.text);
}

static void view_key(struct app *app, uint32_t key)
{
	const struct binding *binding = keymap_find(app->view, key);
	enum view_id other;

	if (binding) {
		app_do(app, binding->action);
		return;
	}
	other = keymap_view_of(key);
	if (other != VIEW_COUNT)
		app_say(app, "this key works on %s; ? shows the keys of this view", T(views[other]->name));
	else
		app_say(app, "this key does nothing here; ? shows the keys of this view");
}

static bool text_has_focus(const struct app *app)
{
	return app->prompting || app->picker.open || app->dialog.kind == DIALOG_TYPE || app->dialog.kind == DIALOG_ASK;
}

static void key_pressed(struct app *app, uint32_t key);

/* Into a text field as if it were typed, up to the end of its line; anywhere else it is nothing, least of all keys. */
static void on_paste(struct app *app)
{
	struct str text = str_of(app->pasted);
	uint32_t rune;

	if (!text_has_focus(app))
		app_say(app, "pasted text is no command: it goes into / and other text fields only");
	while (text_has_focus(app) && utf8_next(&text, &rune) && rune != '\n')
		key_pressed(app, rune);
}

/* A click is the key that stands there, a wheel moves the cursor. */
static void on_mouse(struct app *app)
{
	struct mouse mouse = app->mouse;
	uint32_t hot = mouse.kind == MOUSE_WHEEL_UP ? HOT_MOVE(-WHEEL_ROWS) : mouse.kind == MOUSE_WHEEL_DOWN ? HOT_MOVE(WHEEL_ROWS) : 0;

	if (mouse.kind == MOUSE_PRESS && mouse.button == 1)
		hot = canvas_hot_at(app->canvas, mouse.row, mouse.col);
	int by = HOT_IS_MOVE(hot) ? HOT_MOVE_BY(hot) : 0;

	if (hot && !by)
		key_pressed(app, HOT_IS_MOVE(hot) ? KEY_TERM_ENTER : hot);
	for (; by; by += by < 0 ? 1 : -1)
		key_pressed(app, by < 0 ? KEY_TERM_UP : KEY_TERM_DOWN);
}

static void key_pressed(struct app *app, uint32_t key)
{
	free(GIVE(app->message));
	app->key_ms = clock_now_ms(NULL);
	if (key == KEY_TERM_GONE)
		app->quit = true;
	else if (key == KEY_TERM_RESIZE || dialog_key(&app->dialog, app, key) || picker_key(&app->picker, app, key))
		return;
	else if (app->prompting)
		prompt_key(app, key);
	else
		view_key(app, key);
}

static void on_key(struct app *app, uint32_t key)
{
	if (key == KEY_TERM_MOUSE)
		on_mouse(app);
	else if (key == KEY_TERM_PASTE)
		on_paste(app);
	else
		key_pressed(app, key);
}

/* The one way in: everything that changes what is shown. */
static void app_input(struct app *app, const struct input *input)
{
	if (input->kind == INPUT_KEY)
		on_key(app, input->key);
	else
		deploy_view_event(&app->deploy, input->event, live_now_ms(app->live));
	if (input->kind == INPUT_JOB && input->event->kind == JOB_FINISHED)
		app->job_replayed = false;
	app->dirty = true;
}

void app_key(struct app *app, uint32_t key)
{
	app_input(app, &(struct input){ .kind = INPUT_KEY, .key = key });
}

void app_job_event(struct app *app, const struct job_event *event)
{
	app_input(app, &(struct input){ .kind = INPUT_JOB, .event = event });
}

bool app_replays(struct app *app, const char *what)
{
	if (app->options->replay)
		app_say(app, "a replay leaves this machine and its clusters as they are: %s is off", what);
	return app->options->replay != NULL;
}

/* ---- drawing ---- */

static void add_freshness(const struct app *app, struct buf *text, enum role *ret_role)
{
	static const struct {
		const char *word;
		enum role role;
		bool age;
	} states[] = { [LIVE_LOADING] = { N_("loading"), ROLE_PROGRESS, false },
		       [LIVE_LIVE] = { N_("live"), ROLE_HEALTHY, false }, /* younger than 30 s: no number that moves on an idle screen */
		       [LIVE_PARTLY] = { N_("partly live "), ROLE_PROGRESS, false },
		       [LIVE_STALE] = { N_("stale "), ROLE_BAD, true } };
	struct live_status status;

	live_status(app->live, &status);
	*ret_role = states[status.state].role;
	buf_adds(text, T(states[status.state].word));
	if (states[status.state].age && status.age_ms >= 0)
		add_age(text, status.age_ms);
	if (status.retry_in_ms >= 0) {
		buf_adds(text, T("  retry in "));
		add_age(text, status.retry_in_ms);
	}
}

static void add_job(const struct app *app, struct buf *text)
{
	struct progress_view progress;

	if (app->canvas->cols < 60) {
		buf_adds(text, " J");
		return;
	}
	buf_adds(text, T("  1 job"));
	progress_look(&app->deploy.progress, live_now_ms(app->live), &progress);
	if (progress.left_ms >= 0) {
		buf_adds(text, T(", eta "));
		progress_add_time(text, progress.left_ms);
	}
}

static void draw_first_line(struct app *app)
{
	AUTO_RELEASE(buf) right = BUF_INIT(0);
	AUTO_RELEASE(buf) clock = BUF_INIT(0);
	struct canvas *canvas = app->canvas;
	enum role role;

	add_freshness(app, &right, &role);
	if (app_job_runs(app))
		add_job(app, &right);
	add_clock(&clock, live_now_ms(app->live));
	buf_truncate(&clock, 5); /* hours and minutes: an idle screen is not written to each second */
	buf_addf(&right, "  %s", buf_cstr(&clock));
	if (app->options->recorder)
		buf_adds(&right, canvas->cols >= 60 ? "  REC" : " R");
	int left = 1;

	if (app->options->replay)
		left += canvas_text(canvas, 0, left, canvas->cols, ROLE_PROGRESS, replay_position(app->options->replay)) + 2;
	int room = canvas->cols - 2 - left - text_width(buf_cstr(&right));

	int used = canvas->cols >= 70 ? canvas_textf(canvas, 0, left, room, ROLE_TITLE, "%s @ %s  %s", app->options->project, app->session->cluster.name,
						     app->options->read_only ? "RO" : "RW")
				      : canvas_textf(canvas, 0, left, room, ROLE_TITLE, "%s %s", app->session->cluster.name, app->options->read_only ? "RO" : "RW");

	if (app->filtered[app->view] && views[app->view]->tab) /* the others say it in their heads */
		canvas_textf(canvas, 0, left + used, room - used, ROLE_KEY, "  /%s", app->filtered[app->view]);
	canvas_right(canvas, 0, 0, canvas->cols - 1, role, buf_cstr(&right));
}

static bool tabs_have_room(const struct canvas *canvas)
{
	int cols = 1;

	for (size_t v = 0; v < VIEW_COUNT; v++)
		cols += views[v]->tab ? text_width(T(views[v]->name)) + 5 : 0;
	return cols <= canvas->cols;
}

static int draw_tab(struct canvas *canvas, int col, const struct view_ops *view, bool here, bool named)
{
	int room = canvas->cols - col;

	if (here)
		return canvas_textf(canvas, 1, col, room, ROLE_TITLE, "[%u %s] ", view->tab, T(view->name));
	if (named)
		return canvas_textf(canvas, 1, col, room, ROLE_DIM, " %u %s  ", view->tab, T(view->name));
	return canvas_textf(canvas, 1, col, room, ROLE_DIM, " %u ", view->tab);
}

/* Where the names have no room, the present screen's is said, and the numbers of all: they are the keys. */
static void draw_second_line(struct app *app)
{
	struct canvas *canvas = app->canvas;
	bool room = tabs_have_room(canvas);
	int col = 1;

	for (size_t v = 0; v < VIEW_COUNT; v++) {
		if (!views[v]->tab)
			continue;
		int used = draw_tab(canvas, col, views[v], app->view == v, room);

		canvas_hot(canvas, 1, col, used, '0' + views[v]->tab);
		col += used;
	}
	if (!views[app->view]->tab && app->view != VIEW_PAGE) /* a page has its title in its own head */
		canvas_textf(canvas, 1, col, canvas->cols - col, ROLE_TITLE, "[%s]", T(views[app->view]->name));
}

static int hint_width(const struct binding *b)
{
	return (int)strcspn(b->label, " ") + 1 + text_width(T(b->hint)) + 2;
}

static int draw_hint(const struct binding *b, struct canvas *canvas, int row, int col)
{
	int len = (int)strcspn(b->label, " ");

	canvas_textf(canvas, row, col, len, ROLE_KEY, "%.*s", len, b->label);
	canvas_text(canvas, row, col + len + 1, canvas->cols - col, ROLE_TEXT, T(b->hint));
	canvas_hot(canvas, row, col, hint_width(b) - 2, b->key);
	return hint_width(b);
}

struct hint_line {
	int row, col, room;
	bool *settled; /* by binding: it is there, or can't be done now */
};

static bool is_hint_here(const struct app *app, const struct binding *b, enum key_group group)
{
	return b->group == group && b->hint && b->key && b->action != ACTION_HELP && b->views & 1u << app->view;
}

/* At most limit hints of a group that are not there yet, of what can be done now. That is asked once for each: rights are looked up. */
static void draw_group(struct app *app, struct hint_line *line, const struct target *target, enum key_group group, size_t limit)
{
	for (size_t i = 0; i < nbindings && limit; i++) {
		const struct binding *b = &bindings[i];

		if (line->settled[i] || !is_hint_here(app, b, group) || line->col + hint_width(b) > line->room)
			continue;
		AUTO_FREE char *reason = app_reason_against(app, target, b->action);

		line->settled[i] = true;
		if (reason)
			continue;
		line->col += draw_hint(b, app->canvas, line->row, line->col);
		limit--;
	}
}

/*
 * "l logs  e events": what the view's keys do, as far as there is room; the way to all of them always has room. First the foremost of
 * each group, so that a narrow terminal names looks and repairs; then the rest.
 */
static void draw_hints(struct app *app, int row)
{
	static const enum key_group order[] = { GROUP_LOOK, GROUP_CHANGE, GROUP_PROGRAM, GROUP_MOVE, GROUP_FIND, GROUP_MARK };
	static const size_t limits[] = { 3, SIZE_MAX };
	const struct binding *help = keymap_of_action(app->view, ACTION_HELP);
	AUTO_FREE bool *settled = xcalloc(nbindings, sizeof *settled);
	AUTO_RELEASE(target) target = { 0 };
	struct hint_line line = { .row = row, .col = 1, .room = app->canvas->cols - hint_width(help), .settled = settled };

	app_target(app, &target);
	for (size_t pass = 0; pass < ARRAY_LEN(limits); pass++)
		for (size_t g = 0; g < ARRAY_LEN(order); g++)
			draw_group(app, &line, &target, order[g], limits[pass]);
	draw_hint(help, app->canvas, row, line.col);
}

/* F-keys mirror letters; only those that the view has are shown. */
static void draw_function_keys(const struct app *app, int row)
{
	static const struct {
		int number;
		const char *name;
		enum action action; /* another one there is of the settings, and has no short name */
	} keys[] = { { 1, N_("Help"), ACTION_HELP },	  { 3, N_("Find"), ACTION_FIND },   { 4, N_("Filter"), ACTION_FILTER }, { 5, N_("Fold"), ACTION_FOLD },
		     { 6, N_("Sort"), ACTION_SORT_NEXT }, { 7, N_("Mouse"), ACTION_MOUSE }, { 8, N_("Act"), ACTION_MENU },	{ 10, N_("Quit"), ACTION_QUIT } };
	struct canvas *canvas = app->canvas;
	int col = 1;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct binding *b = keymap_find(app->view, KEY_TERM_F1 + (uint32_t)keys[i].number - 1);

		if (!b || b->action != keys[i].action)
			continue;
		int from = col;

		col += canvas_textf(canvas, row, col, canvas->cols - col, ROLE_DIM, "F%d", keys[i].number);
		col += 1 + canvas_text(canvas, row, col, canvas->cols - col, ROLE_TEXT, T(keys[i].name));
		canvas_hot(canvas, row, from, col - from - 1, KEY_TERM_F1 + (uint32_t)keys[i].number - 1);
	}
}

static bool add_trouble(const struct app *app, struct buf *text)
{
	struct live_status status;

	live_status(app->live, &status);
	if (!*status.why || status.state == LIVE_LIVE || status.state == LIVE_LOADING)
		return false;
	buf_addf(text, "%s%s%s", status.trouble ? status.trouble->resource : "", status.trouble ? ": " : "", status.why);
	return true;
}

/* What is wrong, and the key that tries again: nothing else helps until then. */
static void draw_trouble(const struct app *app, int row, const char *trouble)
{
	const struct binding *b = keymap_of_action(app->view, ACTION_RETRY);
	AUTO_FREE char *hint = b ? xasprintf("  %.*s %s", (int)strcspn(b->label, " "), b->label, T("try again")) : xstrdup("");
	struct canvas *canvas = app->canvas;
	int width = text_width(hint);

	canvas_text(canvas, row, 1, canvas->cols - 2 - width, ROLE_PROGRESS, trouble);
	canvas_text(canvas, row, canvas->cols - 1 - width, width, ROLE_KEY, hint);
	canvas_hot(canvas, row, canvas->cols - 1 - width, width, b ? b->key : 0);
}

static void draw_message_line(struct app *app, int row)
{
	AUTO_RELEASE(buf) trouble = BUF_INIT(0);
	struct canvas *canvas = app->canvas;

	if (app->prompting)
		line_edit_draw(&app->prompt, canvas, row, 1, canvas->cols - 2, app->prompting == PROMPT_FIND ? "/" : "&");
	else if (app->message)
		canvas_text(canvas, row, 1, canvas->cols - 2, app->message_is_bad ? ROLE_BAD : ROLE_PROGRESS, app->message);
	else if (add_trouble(app, &trouble))
		draw_trouble(app, row, buf_cstr(&trouble));
	else
		draw_hints(app, row);
}

void app_draw(struct app *app)
{
	struct canvas *canvas = app->canvas;
	bool tall = canvas->rows >= 20;
	struct area area = { .top = canvas->rows >= 8 ? 2 : 1, .bottom = canvas->rows - (tall ? 2 : 1) };

	canvas_clear(canvas);
	if (canvas->rows < MIN_ROWS) { /* never a refusal: what matters most, and nothing else */
		views[app->view]->draw(app, canvas, (struct area){ 0, canvas->rows });
		return;
	}
	draw_first_line(app);
	if (area.top == 2)
		draw_second_line(app);
	views[app->view]->draw(app, canvas, area);
	draw_message_line(app, area.bottom);
	if (tall)
		draw_function_keys(app, canvas->rows - 1);
	picker_draw(&app->picker, canvas);
	dialog_draw(&app->dialog, canvas);
}

static void show(struct app *app)
{
	int cols, rows;

	term_size(app->term, &cols, &rows);
	if (cols != app->canvas->cols || rows != app->canvas->rows) {
		canvas_destroy(app->canvas);
		app->canvas = canvas_create(cols, rows, term_is_ascii(app->term));
		record_size(app);
	}
	record_draw(app);
	app_draw(app);
	term_show(app->term, app->canvas);
	app->dirty = false;
	app->drawn_ms = clock_now_ms(NULL);
}

/* ---- the loop ---- */

/* What the terminal says beside a key, while it says it. */
static void note_key(struct app *app, uint32_t key)
{
	if (key == KEY_TERM_MOUSE)
		app->mouse = term_mouse(app->term);
	if (key == KEY_TERM_PASTE) {
		free(app->pasted);
		app->pasted = xstrdup(term_pasted(app->term));
	}
	if (key != KEY_TERM_GONE && key != KEY_TERM_RESIZE)
		record_key(app, key);
}

static void take_keys(struct app *app)
{
	for (uint32_t key; !app->quit && (key = term_key(app->term)) != KEY_TERM_NONE;) {
		note_key(app, key);
		app_key(app, key);
	}
}

static void take_events(struct app *app)
{
	struct job_event *event;

	while ((event = queue_pop(app->session->events))) {
		record_job(app, event);
		app_job_event(app, event);
		job_event_destroy(event);
	}
}

/* Below these views nobody sees the environments; once they are known, they are only kept from growing old. */
static bool hides_environments(const struct app *app)
{
	struct live_status status;

	live_status(app->live, &status);
	return (app->view == VIEW_BROWSE || app->view == VIEW_LOGS) && !status.loading && status.live;
}

/* What is wrong with the record of health is said once. */
static void tell_strip_trouble(struct app *app)
{
	const char *trouble = health_strip_trouble(live_strip(app->live));

	if (!*trouble || (app->strip_trouble && strcmp(app->strip_trouble, trouble) == 0))
		return;
	free(app->strip_trouble);
	app->strip_trouble = xstrdup(trouble);
	app_notice(app, true, "%s", trouble);
}

static void open_wanted(struct app *app)
{
	AUTO_FREE char *word = GIVE(app->wanted), *namespace = GIVE(app->wanted_namespace);

	app_open_wanted(app, word, namespace);
}

bool app_poll(struct app *app, int64_t budget_ms)
{
	bool live, browse, tasks, logs, chores = tasks_poll(app->chores, app); /* first: the cluster may be another one behind it */

	live_set_pace(app->live, hides_environments(app) ? HIDDEN_PACE_MS : 0);
	record_poll(app);
	live = live_poll(app->live, budget_ms);
	browse = browse_poll(app->session->cluster.browse, budget_ms);
	tasks = tasks_poll(app->session->tasks, app);
	logs = logs_view_poll(app, budget_ms);
	if (browse) {
		app_refresh_palette(app);
		app_refresh_reasons(app);
	}
	if (browse && app->wanted)
		open_wanted(app);
	take_events(app);
	tell_strip_trouble(app);
	return live | browse | tasks | logs | chores | forwards_poll(app->session->forwards);
}

static int sleep_ms(const struct app *app)
{
	int64_t now_ms = clock_now_ms(NULL), due_ms = now_ms + TICK_MS - now_ms % TICK_MS, live_ms = live_due_ms(app->live);

	if (live_ms < due_ms)
		due_ms = live_ms;
	if (logs_view_due_ms(app, now_ms) < due_ms)
		due_ms = logs_view_due_ms(app, now_ms);
	if (app->dirty && app->drawn_ms + setup_frame_ms(app) < due_ms)
		due_ms = app->drawn_ms + setup_frame_ms(app);
	return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

void app_heed_targets(struct app *app)
{
	AUTO_RELEASE(targets) targets = { 0 };

	app_targets(app, &targets);
	app_heed_rights(app, &targets);
}

static void check_recording(struct app *app)
{
	AUTO_RELEASE(error) err = { 0 };

	if (record_trouble(app->options->recorder, &err))
		app_notice(app, true, "the recording has stopped: %s", err.message);
}

static bool take_in(struct app *app)
{
	if (!app->options->recorder)
		return app_poll(app, POLL_BUDGET_MS);
	record_hold(app);
	bool any = app_poll(app, 0);

	record_go_on(app);
	return any;
}

static void turn(struct app *app)
{
	struct pollfd fds[] = { { .fd = term_fd(app->term), .events = POLLIN },
				{ .fd = cancel_fd(app->options->cancel), .events = POLLIN },
				{ .fd = live_fd(app->live), .events = POLLIN },
				{ .fd = queue_fd(app->session->events), .events = POLLIN },
				{ .fd = tasks_fd(app->session->tasks), .events = POLLIN },
				{ .fd = tasks_fd(app->chores), .events = POLLIN },
				{ .fd = browse_fd(app->session->cluster.browse), .events = POLLIN },
				{ .fd = logs_view_fd(app), .events = POLLIN } };
	int64_t before_ms = clock_now_ms(NULL), begun_us;
	/* Until the next frame only a key or a signal wakes us, unless there was more to take in than one turn may. */
	int ready = poll(fds, app->dirty && !app->behind ? 2 : ARRAY_LEN(fds), sleep_ms(app));
	bool key = ready < 0 || (fds[0].revents != 0);

	if (key)
		take_keys(app);
	begun_us = clock_now_us(NULL);
	if (take_in(app))
		app->dirty = true;
	app->behind = clock_now_us(NULL) - begun_us >= POLL_BUDGET_MS * 1000;
	if (clock_now_ms(NULL) / TICK_MS != before_ms / TICK_MS) {
		setup_check(app);
		check_recording(app);
		record_tick(app);
		app_heed_targets(app);
		app->dirty = true; /* ages count on */
	}
	if (cancel_requested(app->options->cancel))
		app->quit = true;
	if (app->dirty && !app->quit && (key || clock_now_ms(NULL) - app->drawn_ms >= setup_frame_ms(app)))
		show(app);
}

/* ---- life ---- */

void app_init(struct app *app, const struct app_options *options, int cols, int rows)
{
	*app = (struct app){ .options = options,
			     .session = session_create(&options->cluster),
			     .live = options->cluster.live,
			     .chores = tasks_create(),
			     .dirty = true,
			     .canvas = canvas_create(cols, rows, options->ascii) };
}

void app_release(struct app *app)
{
	clusters_end(app);
	tasks_cancel(app->session->tasks);
	for (size_t v = 0; v < VIEW_COUNT; v++)
		if (views[v]->release)
			views[v]->release(app);
	for (size_t v = 0; v < VIEW_COUNT; v++)
		free(app->filtered[v]);
	for (size_t i = 0; i < NOTICES_MAX; i++)
		free(app->notices[i].text);
	dialog_close(&app->dialog);
	picker_close(&app->picker);
	free(app->message);
	free(app->pasted);
	free(app->strip_trouble);
	free(app->wanted);
	free(app->wanted_namespace);
	session_destroy(app->session, app->options);
	canvas_destroy(app->canvas);
}

/* To what --screen and --open name. */
static bool begin_with_logs(struct app *app, struct error *err)
{
	const struct app_options *options = app->options;

	if (options->open && strchr(options->open, '/'))
		app_open_wanted(app, options->open, options->open_namespace);
	else if (options->logs_of && !options->open)
		app_open_logs(app, &(struct target){ .title = (char *)options->logs_of });
	else
		return error_set(err, ERR_INVALID, "--screen logs: whose? --open KIND/NAME or --env ENV says it");
	return true;
}

bool app_begins_with_logs(const struct app *app)
{
	return app->options->screen && strcasecmp(app->options->screen, "logs") == 0;
}

bool app_begin(struct app *app, struct error *err)
{
	const char *screen = app->options->screen;
	enum view_id view = VIEW_ENVS;

	if (app_begins_with_logs(app))
		return begin_with_logs(app, err);
	while (screen && view < VIEW_COUNT && (!views[view] || !views[view]->tab || strcasecmp(views[view]->name, screen) != 0))
		view++;
	if (view == VIEW_COUNT)
		return error_set(err, ERR_INVALID, "--screen: \"%s\" is none of envs, slots, deploy, runs, apply, review, logs", screen);
	app->view = view;
	if (app->options->open)
		app_open_wanted(app, app->options->open, app->options->open_namespace);
	return true;
}

int app_run(const struct app_options *options, struct error *err)
{
	if (options->replay)
		return replay_run(options, err);
	struct term_options term;
	struct app app;
	bool opened;

	app_init(&app, options, 0, 0);
	if (!app_begin(&app, err)) {
		app_release(&app);
		return EXIT_USAGE;
	}
	setup_begin(&app, &term);
	app.term = term_open(&term, err);
	opened = app.term != NULL;
	if (opened) {
		setup_take_over(&app);
		app_read_contexts(&app);
		show(&app);
		while (!app.quit)
			turn(&app);
	}
	term_close(app.term);
	setup_end(&app);
	app_release(&app);
	if (opened && term_signal())
		return 128 + term_signal();
	return opened ? EXIT_DONE : EXIT_USAGE;
}

/* Lists and what explains them are complete when it is quiet for a moment; logs, which never are, when they were asked that long ago. */
static bool wait_until_complete(struct app *app, struct error *err)
{
	int64_t due_ms = clock_now_ms(NULL) + DUMP_LIMIT_MS, changed_ms = clock_now_ms(NULL);
	struct live_status status;
	bool logs = app_begins_with_logs(app);

	for (;;) {
		if (app_poll(app, 0) && !(logs && logs_view_is_settled(app)))
			changed_ms = clock_now_ms(NULL);
		live_status(app->live, &status);
		if ((status.live && !status.loading && !app->wanted && clock_now_ms(NULL) - changed_ms > DUMP_QUIET_MS) || clock_now_ms(NULL) > due_ms)
			return true;
		if (clock_wait_fd(NULL, app->options->cancel, live_fd(app->live), clock_now_ms(NULL) + 50) < 0)
			return error_set(err, ERR_CANCELLED, "cancelled");
	}
}

bool app_dump(const struct app_options *options, int cols, int rows, bool svg, struct buf *out, struct error *err)
{
	AUTO(theme) theme = NULL;
	struct app app;
	bool good;

	app_init(&app, options, cols, rows);
	good = setup_theme(options->theme, &theme, err) && app_begin(&app, err) && wait_until_complete(&app, err);
	if (good) {
		app.canvas->theme = theme;
		app_draw(&app);
		if (svg)
			canvas_dump_svg(app.canvas, out);
		else
			canvas_dump_text(app.canvas, out);
	}
	app_release(&app);
	return good;
}
