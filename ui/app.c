#include "ui/app.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utc.h"
#include "ui/term.h"
#include "ui/view.h"

#define MIN_COLS      20
#define MIN_ROWS      4
#define TICK_MS	      1000 /* ages and countdowns */
#define FRAME_MS      100  /* between two draws while a lot happens: a key is never held back by it */
#define POLL_BUDGET_MS 2
#define DUMP_LIMIT_MS 5000
#define DUMP_QUIET_MS 500

enum question { QUESTION_NONE, QUESTION_APPLY, QUESTION_LEAVE, QUESTION_CANCEL };

struct app {
	const struct app_options *options;
	struct term *term;
	struct canvas *canvas;
	enum view_id view, before_help;
	struct envs_view envs;
	struct deploy_view deploy;
	size_t help_scroll;
	struct queue *events; /* of the job: struct job_event */
	struct job *job;
	struct app_target target;
	bool has_target;
	enum question question;
	char *message; /* one line, until the next key */
	bool dirty, quit;
	int64_t drawn_ms;
};

enum input_kind { INPUT_KEY, INPUT_LIVE, INPUT_JOB, INPUT_TICK };
struct input {
	enum input_kind kind;
	uint32_t key;
	const struct job_event *event;
};

/* ---- jobs ---- */

static void free_event(void *event)
{
	job_event_destroy(event);
}

static void on_event(const struct job_event *event, void *events)
{
	queue_push(events, job_event_copy(event));
}

static bool job_runs(const struct app *app)
{
	int code;

	return app->job && !job_ended(app->job, &code);
}

static void close_target(struct app *app)
{
	job_destroy(GIVE(app->job));
	if (app->has_target)
		app->options->close_target(&app->target, app->options->arg);
	app->has_target = false;
}

static void set_message(struct app *app, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void set_message(struct app *app, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	free(app->message);
	app->message = buf_give(&text);
}

static void start_job(struct app *app, job_fn *fn, const char *title, const char *env, int64_t slot, enum deploy_phase phase)
{
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *kept_title = xstrdup(title), *kept_env = xstrdup(env);

	close_target(app);
	if (!app->options->open_target(kept_env, slot, &app->target, &err, app->options->arg)) {
		set_message(app, "%s: %s", kept_title, err.message);
		return;
	}
	app->has_target = true;
	deploy_view_begin(&app->deploy, kept_title, kept_env, slot, phase, live_now_ms(app->options->live));
	app->target.context.sink = on_event;
	app->target.context.sink_arg = app->events;
	app->target.options.wait = fn == job_apply;
	app->job = job_start(fn, &app->target.context, &app->target.options);
	app->view = VIEW_APPLY;
}

/* ---- actions ---- */

static void compare(struct app *app)
{
	const struct environment *env = envs_view_current(&app->envs, app->options->live);

	if (job_runs(app))
		set_message(app, "a job is running on %s: c on the apply screen cancels it", app->deploy.title);
	else if (app->view == VIEW_APPLY && app->deploy.title)
		start_job(app, job_diff, app->deploy.title, app->deploy.env, app->deploy.slot, DEPLOY_COMPARING);
	else if (env && *env->env)
		start_job(app, job_diff, env->title, env->env, env->slot, DEPLOY_COMPARING);
	else if (env)
		set_message(app, "%s is no environment of services.yaml: there is nothing to apply", env->title);
}

static void act_apply(struct app *app)
{
	if (app->view == VIEW_APPLY && app->deploy.phase == DEPLOY_COMPARED) {
		if (app->options->read_only)
			set_message(app, "read-only: nothing is applied (the program was started with --read-only)");
		else
			app->question = QUESTION_APPLY;
		return;
	}
	compare(app);
}

static void move(struct app *app, long by)
{
	long at = (long)app->deploy.cursor + by, last = (long)app->deploy.len - 1;

	if (app->view == VIEW_ENVS)
		envs_view_move(&app->envs, app->options->live, by);
	else if (app->view == VIEW_APPLY && last >= 0) {
		app->deploy.cursor = (size_t)(at < 0 ? 0 : at > last ? last : at);
		app->deploy.scroll = 0;
	} else if (app->view == VIEW_HELP) {
		long scroll = (long)app->help_scroll + by;

		app->help_scroll = (size_t)(scroll < 0 ? 0 : scroll > (long)nbindings ? (long)nbindings : scroll);
	}
}

static void leave_view(struct app *app)
{
	if (app->view == VIEW_HELP)
		app->view = app->before_help;
	else if (app->view == VIEW_APPLY)
		app->view = VIEW_ENVS;
	else if (job_runs(app))
		app->question = QUESTION_LEAVE;
	else
		app->quit = true;
}

static void quit(struct app *app)
{
	if (job_runs(app))
		app->question = QUESTION_LEAVE;
	else
		app->quit = true;
}

static void do_action(struct app *app, enum action action)
{
	int page = app->canvas->rows / 2;

	switch (action) {
	case ACTION_UP:
		move(app, -1);
		break;
	case ACTION_DOWN:
		move(app, 1);
		break;
	case ACTION_PAGE_UP:
		move(app, -page);
		break;
	case ACTION_PAGE_DOWN:
		move(app, page);
		break;
	case ACTION_FIRST:
		move(app, -1000000);
		break;
	case ACTION_LAST:
		move(app, 1000000);
		break;
	case ACTION_NEXT_PROBLEM:
		envs_view_next_problem(&app->envs, app->options->live);
		break;
	case ACTION_ENVS:
		app->view = VIEW_ENVS;
		break;
	case ACTION_APPLY_SCREEN:
		app->view = VIEW_APPLY;
		break;
	case ACTION_BACK:
		if (app->view != VIEW_ENVS)
			leave_view(app);
		break;
	case ACTION_SCROLL_UP:
		app->deploy.scroll -= app->deploy.scroll > 0 ? (app->deploy.scroll < page ? app->deploy.scroll : page) : 0;
		break;
	case ACTION_SCROLL_DOWN:
		app->deploy.scroll += page;
		break;
	case ACTION_RETRY:
		live_hurry(app->options->live);
		set_message(app, "trying again");
		break;
	case ACTION_REDRAW:
		term_redraw(app->term);
		break;
	case ACTION_APPLY:
		act_apply(app);
		break;
	case ACTION_CANCEL:
		if (job_runs(app)) {
			app->question = QUESTION_CANCEL;
		} else {
			set_message(app, "no job is running");
		}
		break;
	case ACTION_HELP:
		if (app->view != VIEW_HELP)
			app->before_help = app->view;
		app->view = VIEW_HELP;
		app->help_scroll = 0;
		break;
	case ACTION_LEAVE:
		leave_view(app);
		break;
	case ACTION_QUIT:
		quit(app);
		break;
	case ACTION_NONE:
		break;
	}
}

/* The key that confirms is never the one that asked. */
static void answer(struct app *app, uint32_t key)
{
	enum question question = app->question;
	bool yes = key == 'y' || key == 0x43d; /* on a Cyrillic layout the same key is н */

	app->question = QUESTION_NONE;
	if (!yes)
		return;
	if (question == QUESTION_LEAVE)
		app->quit = true;
	else if (question == QUESTION_CANCEL && job_runs(app)) {
		job_cancel(app->job);
		set_message(app, "cancelling; what is applied stays");
	} else if (question == QUESTION_APPLY)
		start_job(app, job_apply, app->deploy.title, app->deploy.env, app->deploy.slot, DEPLOY_APPLYING);
}

static void on_key(struct app *app, uint32_t key)
{
	free(GIVE(app->message));
	if (key == KEY_TERM_GONE) {
		app->quit = true;
		return;
	}
	if (key == KEY_TERM_RESIZE)
		return;
	if (app->question != QUESTION_NONE) {
		answer(app, key);
		return;
	}
	enum action action = keymap_find(app->view, key);
	enum view_id other = keymap_view_of(key);

	if (action != ACTION_NONE)
		do_action(app, action);
	else if (other != VIEW_COUNT)
		set_message(app, "this key works on the screen %s", view_name(other));
	else
		set_message(app, "this key does nothing here; ? shows the keys");
}

/* The one way in: everything that changes what is shown. */
static void app_input(struct app *app, const struct input *input)
{
	if (input->kind == INPUT_KEY)
		on_key(app, input->key);
	else if (input->kind == INPUT_JOB)
		deploy_view_event(&app->deploy, input->event);
	app->dirty = true;
}

/* ---- drawing ---- */

static void draw_freshness(struct app *app, int row)
{
	struct live_status status;
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	enum role role = ROLE_HEALTHY;
	char clock[16];
	struct utc_fields now;

	live_status(app->options->live, &status);
	if (status.state == LIVE_LOADING) {
		buf_adds(&text, "loading");
		role = ROLE_PROGRESS;
	} else if (status.state == LIVE_STALE) {
		buf_adds(&text, "stale ");
		add_age(&text, status.age_ms);
		role = ROLE_BAD;
	} else if (status.state == LIVE_PARTLY) {
		buf_addf(&text, "partly live");
		role = ROLE_PROGRESS;
	} else {
		buf_adds(&text, "live ");
		add_age(&text, status.age_ms);
	}
	if (status.retry_in_ms >= 0) {
		buf_adds(&text, "  retry in ");
		add_age(&text, status.retry_in_ms);
	}
	if (job_runs(app))
		buf_adds(&text, "  job 1");
	now = utc_split(live_now_ms(app->options->live) * 1000);
	snprintf(clock, sizeof clock, "  %02d:%02d", now.hour % 100, now.minute % 100);
	buf_adds(&text, clock);
	canvas_right(app->canvas, row, 0, app->canvas->cols - 1, role, buf_cstr(&text));
}

static int draw_head(struct app *app)
{
	static const enum view_id tabs[] = { VIEW_ENVS, VIEW_APPLY };
	struct canvas *canvas = app->canvas;
	int col = 1;

	canvas_textf(canvas, 0, 1, canvas->cols - (canvas->cols >= 70 ? 30 : 24), ROLE_TITLE, canvas->cols >= 70 ? "%s @ %s  %s" : "%.0s%s %s",
		     app->options->project, app->options->cluster, app->options->read_only ? "RO" : "RW");
	draw_freshness(app, 0);
	if (canvas->rows < 8)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(tabs); i++) {
		const char *name = view_name(tabs[i]);
		int number = tabs[i] == VIEW_ENVS ? 1 : 5;

		col += canvas_textf(canvas, 1, col, canvas->cols - col, app->view == tabs[i] ? ROLE_TITLE : ROLE_DIM,
				    app->view == tabs[i] ? "[%d %s] " : " %d %s  ", number, name);
	}
	return 2;
}

static void draw_keys(struct app *app)
{
	struct canvas *canvas = app->canvas;
	struct live_status status;

	live_status(app->options->live, &status);
	if (app->message)
		canvas_text(canvas, canvas->rows - 1, 1, canvas->cols - 2, ROLE_PROGRESS, app->message);
	else if (*status.why && status.state != LIVE_LIVE && status.state != LIVE_LOADING)
		canvas_textf(canvas, canvas->rows - 1, 1, canvas->cols - 2, ROLE_PROGRESS, "%s%s%s", status.trouble ? status.trouble->resource : "",
			     status.trouble ? ": " : "", status.why);
	else if (app->view == VIEW_ENVS)
		canvas_text(canvas, canvas->rows - 1, 1, canvas->cols - 2, ROLE_KEY, "A compare and apply   ! next problem   5 apply screen   ? keys   q leave");
	else if (app->view == VIEW_APPLY)
		canvas_text(canvas, canvas->rows - 1, 1, canvas->cols - 2, ROLE_KEY,
			    job_runs(app) ? "c cancel   up down object   [ ] scroll   Esc back   ? keys"
					  : app->deploy.phase == DEPLOY_COMPARED ? "A apply this   up down object   [ ] scroll diff   Esc back   ? keys"
										  : "A compare again   up down object   [ ] scroll   Esc back   ? keys");
	else
		canvas_text(canvas, canvas->rows - 1, 1, canvas->cols - 2, ROLE_KEY, "Esc back");
}

static void draw_question(struct app *app)
{
	struct canvas *canvas = app->canvas;
	int cols = canvas->cols < 66 ? canvas->cols : 66, rows = 6, col = (canvas->cols - cols) / 2, row = (canvas->rows - rows) / 2;

	if (app->question == QUESTION_NONE)
		return;
	if (row < 0)
		row = 0;
	if (app->question == QUESTION_APPLY) {
		canvas_box(canvas, row, col, rows, cols, "Apply");
		canvas_textf(canvas, row + 1, col + 2, cols - 4, ROLE_TEXT, "%s, cluster %s", app->deploy.title, app->options->cluster);
		canvas_textf(canvas, row + 2, col + 2, cols - 4, ROLE_TEXT, "%zu of %zu objects differ; each is sent as a server-side apply", app->deploy.differences,
			     app->deploy.len);
		canvas_text(canvas, row + 3, col + 2, cols - 4, app->deploy.conflicts ? ROLE_BAD : ROLE_DIM,
			    app->deploy.conflicts ? "fields in conflict are kept: those objects will fail" : "hooks run; nothing is pruned; then it waits");
	} else if (app->question == QUESTION_CANCEL) {
		canvas_box(canvas, row, col, rows, cols, "Cancel");
		canvas_textf(canvas, row + 1, col + 2, cols - 4, ROLE_TEXT, "the job on %s", app->deploy.title);
		canvas_text(canvas, row + 2, col + 2, cols - 4, ROLE_TEXT, "what is not begun stops; what is applied stays");
	} else {
		canvas_box(canvas, row, col, rows, cols, "Leave");
		canvas_textf(canvas, row + 1, col + 2, cols - 4, ROLE_TEXT, "a job is running on %s", app->deploy.title);
		canvas_text(canvas, row + 2, col + 2, cols - 4, ROLE_TEXT, "leaving cancels it; what is applied stays");
	}
	canvas_text(canvas, row + 4, col + 2, cols - 4, ROLE_KEY, "Type y to go on          [ any other key: no ]");
}

static void draw(struct app *app)
{
	struct canvas *canvas = app->canvas;

	canvas_clear(canvas);
	if (canvas->cols < MIN_COLS || canvas->rows < MIN_ROWS) {
		canvas_text(canvas, 0, 0, canvas->cols, ROLE_TEXT, "too small");
		return;
	}
	int top = draw_head(app);

	if (app->view == VIEW_ENVS)
		envs_view_draw(&app->envs, app->options->live, canvas, top);
	else if (app->view == VIEW_APPLY)
		deploy_view_draw(&app->deploy, canvas, top, live_now_ms(app->options->live));
	else
		help_view_draw(canvas, top, app->help_scroll);
	draw_keys(app);
	draw_question(app);
}

static void show(struct app *app)
{
	int cols, rows;

	term_size(app->term, &cols, &rows);
	if (cols != app->canvas->cols || rows != app->canvas->rows) {
		canvas_destroy(app->canvas);
		app->canvas = canvas_create(cols, rows, term_is_ascii(app->term));
	}
	draw(app);
	term_show(app->term, app->canvas);
	app->dirty = false;
	app->drawn_ms = clock_now_ms(NULL);
}

/* ---- the loop ---- */

static void take_keys(struct app *app)
{
	for (uint32_t key; !app->quit && (key = term_key(app->term)) != KEY_TERM_NONE;)
		app_input(app, &(struct input){ .kind = INPUT_KEY, .key = key });
}

static void take_events(struct app *app)
{
	struct job_event *event;

	while ((event = queue_pop(app->events))) {
		app_input(app, &(struct input){ .kind = INPUT_JOB, .event = event });
		job_event_destroy(event);
	}
}

static int sleep_ms(const struct app *app)
{
	int64_t now_ms = clock_now_ms(NULL), due_ms = now_ms + TICK_MS, live_ms = live_due_ms(app->options->live);

	if (live_ms < due_ms)
		due_ms = live_ms;
	if (app->dirty && app->drawn_ms + FRAME_MS < due_ms)
		due_ms = app->drawn_ms + FRAME_MS;
	return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

static void turn(struct app *app)
{
	struct pollfd fds[] = { { .fd = term_fd(app->term), .events = POLLIN },
				{ .fd = live_fd(app->options->live), .events = POLLIN },
				{ .fd = queue_fd(app->events), .events = POLLIN },
				{ .fd = cancel_fd(app->options->cancel), .events = POLLIN } };
	int64_t before_ms = clock_now_ms(NULL);
	int ready = poll(fds, ARRAY_LEN(fds), sleep_ms(app));
	bool key = ready < 0 || (fds[0].revents != 0);

	take_keys(app);
	take_events(app);
	if (live_poll(app->options->live, POLL_BUDGET_MS))
		app->dirty = true;
	if (clock_now_ms(NULL) / TICK_MS != before_ms / TICK_MS)
		app->dirty = true; /* ages count on */
	if (cancel_requested(app->options->cancel))
		app->quit = true;
	if (app->dirty && !app->quit && (key || clock_now_ms(NULL) - app->drawn_ms >= FRAME_MS))
		show(app);
}

int app_run(const struct app_options *options, struct error *err)
{
	struct app app = { .options = options, .dirty = true, .canvas = canvas_create(0, 0, false), .events = queue_create(free_event) };

	app.term = term_open(&(struct term_options){ .ascii = options->ascii, .no_colour = options->no_colour, .theme = options->theme }, err);
	if (app.term) {
		show(&app);
		while (!app.quit)
			turn(&app);
	}
	bool opened = app.term != NULL;

	term_close(app.term);
	close_target(&app);
	deploy_view_release(&app.deploy);
	free(app.envs.selected);
	free(app.message);
	queue_destroy(app.events);
	canvas_destroy(app.canvas);
	if (opened && term_signal())
		return 128 + term_signal();
	return opened ? EXIT_DONE : EXIT_USAGE;
}

bool app_dump(const struct app_options *options, int cols, int rows, bool svg, struct buf *out, struct error *err)
{
	struct app app = { .options = options, .canvas = canvas_create(cols, rows, options->ascii) };
	int64_t due_ms = clock_now_ms(NULL) + DUMP_LIMIT_MS;
	struct live_status status;
	bool good = true;

	for (int64_t changed_ms = clock_now_ms(NULL);;) {
		if (live_poll(options->live, 0))
			changed_ms = clock_now_ms(NULL);
		live_status(options->live, &status);
		/* Log lines that explain come after the lists: quiet for a moment is complete. */
		if (status.live && !status.loading && clock_now_ms(NULL) - changed_ms > DUMP_QUIET_MS)
			break;
		if (clock_now_ms(NULL) > due_ms)
			break;
		good = clock_wait_fd(NULL, options->cancel, live_fd(options->live), clock_now_ms(NULL) + 50) >= 0;
		if (!good)
			break;
	}
	if (good) {
		draw(&app);
		if (svg)
			canvas_dump_svg(app.canvas, out);
		else
			canvas_dump_text(app.canvas, out);
	} else {
		error_set(err, ERR_CANCELLED, "cancelled");
	}
	canvas_destroy(app.canvas);
	return good;
}
