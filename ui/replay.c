#include "ui/replay.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utc.h"
#include "ui/record.h"
#include "ui/state.h"
#include "ui/text.h"
#include "ui/theme.h"

#define STEP_MS	      250 /* between two looks, when nothing is due */
#define REST_LIMIT_US 5000000
#define REST_NAP_US   20
#define WORK_US	      20000 /* before the person's keys are looked at again */
#define FRAME_US      30000
#define NOTE_US	      3000000
#define MAX_SPEED     1024
#define DEFAULT_COLS  80
#define DEFAULT_ROWS  24

struct dump {
	struct buf *out;
	bool svg, marks, several;
	int cols, rows; /* 0: as recorded */
};

struct replay {
	struct replay_options options;
	struct record next; /* kind NULL: there is none */
	int64_t now_ms;
	size_t ntargets; /* told so far */
	size_t nmarks;	 /* whose screen was shown */
	bool over, taken, paused, unsettled;
	struct dump *dump; /* NULL: a person looks on */
	/* Pace: so much recorded time had passed at that real time. */
	int64_t anchor_ms, anchor_us;
	double speed;
	char *note;
	int64_t note_us; /* until when it stands */
	struct buf position;
};

struct replay *replay_create(const struct replay_options *options)
{
	struct replay *replay = xcalloc(1, sizeof *replay);

	replay->options = *options;
	replay->speed = options->speed;
	return replay;
}

void replay_destroy(struct replay *replay)
{
	if (!replay)
		return;
	buf_release(&replay->position);
	free(replay->note);
	free(replay);
}

bool replay_is_taken(const struct replay *replay)
{
	return replay && replay->taken;
}

static void add_time(struct buf *out, int64_t ms)
{
	buf_addf(out, "%lld:%02d", (long long)(ms / 60000), (int)(ms / 1000 % 60));
}

const char *replay_position(struct replay *replay)
{
	buf_reset(&replay->position);
	buf_adds(&replay->position, T("REPLAY "));
	add_time(&replay->position, replay->now_ms);
	buf_addc(&replay->position, '/');
	add_time(&replay->position, recording_length_ms(replay->options.recording));
	return buf_cstr(&replay->position);
}

bool replay_open_target(struct replay *replay, struct error *err)
{
	const struct record *record = recording_find(replay->options.recording, "target", replay->ntargets);

	if (!record)
		return error_set(err, ERR_NOT_FOUND, "this is not in the recording");
	replay->ntargets++;
	enum err_kind kind = (enum err_kind)record_int(record->json, "error", ERR_NONE);

	return kind ? error_set(err, kind, "%s", record_text(record->json, "text", "?")) : true;
}

/* ---- time ---- */

/* Until net thread and workers have done all that they can at this moment. One that never rests must not stop the replay. */
static void rest(struct app *app)
{
	struct replay *replay = app->options->replay;
	int64_t due_us = clock_machine_us() + REST_LIMIT_US;

	replay->unsettled = false;
	while (!player_rests(replay->options.player) && clock_machine_us() < due_us)
		usleep(REST_NAP_US);
}

/* The same, and the main thread has taken it in: where no record says when it did. */
static void settle(struct app *app)
{
	struct replay *replay = app->options->replay;
	int64_t due_us = clock_machine_us() + REST_LIMIT_US;

	do {
		rest(app);
		if (app_poll(app, 0))
			app->dirty = true;
		else if (player_rests(replay->options.player))
			return;
	} while (clock_machine_us() < due_us);
}

/* How far the clock may go before the net thread does something by itself. */
static int64_t step_to(const struct replay *replay, int64_t to_ms)
{
	int64_t most_ms = to_ms - replay->now_ms, due_ms = player_due_ms(replay->options.player) - clock_now_ms(NULL);

	if (due_ms > 0 && due_ms < most_ms)
		most_ms = due_ms;
	return most_ms < STEP_MS ? most_ms : STEP_MS;
}

static void move_clock(struct app *app, int64_t to_ms)
{
	struct replay *replay = app->options->replay;

	if (replay->unsettled)
		rest(app);
	while (replay->now_ms < to_ms) {
		int64_t step_ms = step_to(replay, to_ms);

		replay->now_ms += step_ms;
		clock_advance(replay->options.clock, step_ms);
		rest(app);
	}
}

/* ---- records ---- */

static void take_key(struct app *app, const json_t *json)
{
	if (app->options->replay->taken)
		return;
	app_key(app, recorded_key(app, json));
	app->quit = false; /* the person who looks on leaves by his own keys */
}

static void resize(struct app *app, int cols, int rows)
{
	struct canvas *canvas = canvas_create(cols, rows, app->canvas->ascii);

	canvas->theme = app->canvas->theme;
	canvas_destroy(app->canvas);
	app->canvas = canvas;
}

static void take_size(struct app *app, const json_t *json)
{
	const struct replay *replay = app->options->replay;
	int64_t cols = record_int(json, "cols", 0), rows = record_int(json, "rows", 0);

	if (!replay->taken && !(replay->dump && replay->dump->cols) && cols > 0 && rows > 0 && cols <= 1000 && rows <= 1000)
		resize(app, (int)cols, (int)rows);
}

static void take_poll(struct app *app, const json_t *json)
{
	recorded_poll(app, json);
	app->dirty |= app_poll(app, 0);
}

static void take_tick(struct app *app, const json_t *json)
{
	(void)json;
	app_heed_targets(app);
}

static void take_job(struct app *app, const json_t *json)
{
	AUTO(job_event) event = recorded_job(json);

	if (event)
		app_job_event(app, event);
}

static void take_settings(struct app *app, const json_t *json)
{
	setup_replay(app, record_text(json, "text", ""), NULL);
}

static void take_wall(struct app *app, const json_t *json)
{
	clock_suspend(app->options->replay->options.clock, record_int(json, "jump", 0));
}

static void dump_screen(struct app *app, const char *what)
{
	const struct dump *dump = app->options->replay->dump;

	if (dump->several)
		buf_addf(dump->out, "==== %s, at %lld ms\n", what, (long long)app->options->replay->now_ms);
	if (dump->svg)
		canvas_dump_svg(app->canvas, dump->out);
	else
		canvas_dump_text(app->canvas, dump->out);
}

/* What the person saw: the screen that says that the mark is set. */
static void dump_marks(struct app *app)
{
	struct replay *replay = app->options->replay;

	for (; replay->nmarks < app->nmarks; replay->nmarks++) {
		AUTO_FREE char *name = xasprintf("mark %zu", replay->nmarks + 1);

		if (replay->dump && replay->dump->marks)
			dump_screen(app, name);
	}
}

static void take_draw(struct app *app, const json_t *json)
{
	(void)json;
	if (app->options->replay->taken)
		return;
	app_draw(app);
	dump_marks(app);
}

static void take_nothing(struct app *app, const json_t *json)
{
	(void)app, (void)json;
}

static const struct {
	const char *kind;
	void (*take)(struct app *app, const json_t *json);
} kinds[] = { { "key", take_key },	{ "draw", take_draw }, { "poll", take_poll }, { "tick", take_tick }, { "size", take_size }, { "job", take_job },	 { "mark", take_nothing },
	      { "settings", take_settings }, { "wall", take_wall }, { "target", take_nothing }, { "end", take_nothing } };

static bool take_own(struct app *app, const struct record *record, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(record->kind, kinds[i].kind) != 0)
			continue;
		if (app->options->replay->unsettled)
			rest(app);
		kinds[i].take(app, record->json);
		rest(app);
		return true;
	}
	return error_set(err, ERR_INVALID, "%s:%zu: unknown kind of record \"%s\"", recording_path(app->options->replay->options.recording), record->line,
			 record->kind);
}

/* What is next happens now. */
static bool take_next(struct app *app, struct error *err)
{
	struct replay *replay = app->options->replay;

	move_clock(app, replay->next.ms);
	if (!player_take(replay->options.player, &replay->next)) {
		if (!take_own(app, &replay->next, err))
			return false;
	} else if (strcmp(replay->next.kind, "data") == 0) {
		replay->unsettled = true; /* with what comes at the same time */
	} else {
		rest(app);
	}
	return recording_next(replay->options.recording, &replay->next, err);
}

/* All up to then, and the time itself. */
static bool run_to(struct app *app, int64_t ms, struct error *err)
{
	struct replay *replay = app->options->replay;

	while (replay->next.kind && replay->next.ms <= ms) {
		if (cancel_requested(app->options->cancel))
			return error_set(err, ERR_CANCELLED, "cancelled");
		if (!take_next(app, err))
			return false;
	}
	move_clock(app, ms < recording_length_ms(replay->options.recording) ? ms : recording_length_ms(replay->options.recording));
	return true;
}

static bool begin(struct app *app, const struct app_options *options, int cols, int rows, struct error *err)
{
	app_init(app, options, cols, rows);
	setup_replay(app, "", NULL);
	if (!app_begin(app, err))
		return false;
	rest(app);
	return recording_next(options->replay->options.recording, &options->replay->next, err);
}

static void finish(struct app *app)
{
	setup_end(app);
	app_release(app);
}

/* ---- pictures ---- */

struct moments {
	int64_t *times; /* INT64_MAX: the end */
	size_t n, cap;
};

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static bool parse_moments(const char *at, struct moments *ret, bool *ret_marks, struct error *err)
{
	struct str rest = str_of(at ? at : "end"), word;

	for (bool more = true; more;) {
		int64_t ms = INT64_MAX;

		more = str_cut(&rest, ',', &word);
		if (!more)
			word = rest;
		if (str_is(word, "marks")) {
			*ret_marks = true;
			continue;
		}
		if (!str_is(word, "end") && (!duration_parse(word, &ms) || ms < 0))
			return error_set(err, ERR_INVALID, "--at: \"%.*s\" is none of end, marks, or a time such as 90s", STR_ARG(word));
		LIST_PUSH(ret->times, ret->n, ret->cap) = ms;
	}
	if (ret->n)
		qsort(ret->times, ret->n, sizeof *ret->times, by_time);
	return true;
}

static bool dump_moments(struct app *app, const struct moments *moments, struct error *err)
{
	int64_t length_ms = recording_length_ms(app->options->replay->options.recording);

	for (size_t i = 0; i < moments->n; i++) {
		if (!run_to(app, moments->times[i] < length_ms ? moments->times[i] : length_ms, err))
			return false;
		app_draw(app);
		dump_screen(app, moments->times[i] == INT64_MAX ? "end" : "time");
	}
	if (!run_to(app, length_ms, err))
		return false;
	app_draw(app);
	dump_marks(app); /* of a session that ended before it was drawn again */
	return true;
}

bool replay_dump(const struct app_options *options, const char *at, int cols, int rows, bool svg, struct buf *out, struct error *err)
{
	struct dump dump = { .out = out, .svg = svg, .cols = cols, .rows = rows };
	struct moments moments = { 0 };
	AUTO(theme) theme = NULL;
	struct app app;
	bool good;

	if (!parse_moments(at, &moments, &dump.marks, err) || !setup_theme(options->theme, &theme, err)) {
		free(moments.times);
		return false;
	}
	dump.several = moments.n > 1 || dump.marks;
	options->replay->dump = &dump;
	good = begin(&app, options, cols ? cols : DEFAULT_COLS, rows ? rows : DEFAULT_ROWS, err);
	if (good) {
		app.canvas->theme = theme;
		good = dump_moments(&app, &moments, err);
	}
	finish(&app);
	options->replay->dump = NULL;
	free(moments.times);
	return good;
}

/* ---- the person who looks on ---- */

static void note(struct replay *replay, char *text)
{
	free(replay->note);
	replay->note = text;
	replay->note_us = clock_machine_us() + NOTE_US;
}

static void anchor(struct replay *replay)
{
	replay->anchor_ms = replay->now_ms;
	replay->anchor_us = clock_machine_us();
}

/* Where the recording should be by now. */
static int64_t wanted_ms(const struct replay *replay)
{
	int64_t length_ms = recording_length_ms(replay->options.recording);
	double ms = (double)replay->anchor_ms + (double)(clock_machine_us() - replay->anchor_us) / 1000.0 * replay->speed;

	if (replay->paused)
		return replay->now_ms;
	return replay->speed <= 0 || ms > (double)length_ms ? length_ms : (int64_t)ms;
}

static void set_speed(struct replay *replay, double speed)
{
	anchor(replay);
	replay->speed = speed > MAX_SPEED ? MAX_SPEED : speed < 1.0 / MAX_SPEED ? 1.0 / MAX_SPEED : speed;
	note(replay, xasprintf(T("speed %g"), replay->speed));
}

static void take_over(struct app *app, char *why)
{
	struct replay *replay = app->options->replay;

	replay->taken = true;
	app->dirty = true;
	note(replay, why);
}

static void pause_or_go_on(struct replay *replay)
{
	anchor(replay);
	replay->paused = !replay->paused;
	note(replay, xstrdup(replay->paused ? T("paused") : T("goes on")));
}

static void own_key(struct app *app, uint32_t key)
{
	struct replay *replay = app->options->replay;

	key = keymap_latin(key);
	if (key == ' ')
		pause_or_go_on(replay);
	else if (key == '+' || key == '=')
		set_speed(replay, replay->speed > 0 ? replay->speed * 2 : 1);
	else if (key == '-')
		set_speed(replay, replay->speed > 0 ? replay->speed / 2 : 1);
	else if (key == KEY_TERM_ENTER)
		take_over(app, xstrdup(T("yours: recorded keys are ignored from here on; nothing can be changed; Q leaves")));
	else if (key == 'q' || key == 'Q' || key == KEY_TERM_ESCAPE || key == KEY_CTRL('c'))
		app->quit = true;
	else
		note(replay, xstrdup(T("Space pauses, + and - change the speed, Enter takes over, q leaves")));
	app->dirty = true;
}

static void key_of_person(struct app *app, uint32_t key)
{
	if (key == KEY_TERM_MOUSE)
		app->mouse = term_mouse(app->term);
	if (key == KEY_TERM_PASTE) {
		free(app->pasted);
		app->pasted = xstrdup(term_pasted(app->term));
	}
	app_key(app, key);
	app->key_ms = 0; /* the recorded time may stand still, and nothing may wait for it */
	settle(app);
}

static void take_keys(struct app *app)
{
	for (uint32_t key; !app->quit && (key = term_key(app->term)) != KEY_TERM_NONE;) {
		if (key == KEY_TERM_GONE)
			app->quit = true;
		else if (key == KEY_TERM_RESIZE)
			app->dirty = true;
		else if (app->options->replay->taken)
			key_of_person(app, key);
		else
			own_key(app, key);
	}
}

static void draw_note(const struct replay *replay, struct canvas *canvas)
{
	AUTO_FREE char *line = xasprintf(" %s ", replay->note ? replay->note : "");

	if (replay->note && (replay->paused || clock_machine_us() < replay->note_us))
		canvas_text(canvas, canvas->rows - 1, 0, canvas->cols, ROLE_TITLE, line);
}

/* As it was recorded, in the corner of a larger terminal, or cut off in a smaller one. */
static void show(struct app *app)
{
	struct replay *replay = app->options->replay;
	int cols, rows;

	term_size(app->term, &cols, &rows);
	AUTO(canvas) shown = canvas_create(cols, rows, term_is_ascii(app->term));

	if (replay->taken && (app->canvas->cols != cols || app->canvas->rows != rows))
		resize(app, cols, rows);
	if (replay->taken)
		app_draw(app);
	canvas_paste(shown, 0, 0, app->canvas);
	draw_note(replay, shown);
	term_show(app->term, shown);
	app->dirty = false;
}

static void say_end(struct app *app)
{
	struct replay *replay = app->options->replay;

	replay->over = true;
	take_over(app, xstrdup(recording_is_whole(replay->options.recording) ? T("the recording ends here; look around, Q leaves")
									     : T("the recording was cut off here; look around, Q leaves")));
}

/* As much as is due, but not so long that a key waits. */
static bool play(struct app *app, struct error *err)
{
	struct replay *replay = app->options->replay;
	int64_t to_ms = wanted_ms(replay), until_us = clock_machine_us() + WORK_US;

	while (replay->next.kind && replay->next.ms <= to_ms && clock_machine_us() < until_us)
		if (!take_next(app, err))
			return false;
	if (!replay->next.kind)
		say_end(app);
	else if (replay->next.ms > to_ms)
		move_clock(app, to_ms);
	app->dirty = true;
	return true;
}

/* Real time until something is due. */
static int wait_ms(const struct replay *replay)
{
	int64_t next_ms = replay->now_ms + STEP_MS;

	if (replay->over || replay->paused)
		return 1000;
	if (replay->speed <= 0)
		return 0;
	if (replay->next.kind && replay->next.ms < next_ms)
		next_ms = replay->next.ms;
	double left_ms = (double)(next_ms - replay->anchor_ms) / replay->speed - (double)(clock_machine_us() - replay->anchor_us) / 1000.0;

	return left_ms <= 0 ? 0 : left_ms > 1000 ? 1000 : (int)left_ms + 1;
}

static bool turn(struct app *app, int64_t *shown_us, struct error *err)
{
	struct replay *replay = app->options->replay;
	struct pollfd fds[] = { { .fd = term_fd(app->term), .events = POLLIN }, { .fd = cancel_fd(app->options->cancel), .events = POLLIN } };

	poll(fds, ARRAY_LEN(fds), wait_ms(replay));
	take_keys(app);
	if (cancel_requested(app->options->cancel))
		app->quit = true;
	if (!replay->over && !replay->paused && !play(app, err))
		return false;
	if (replay->note && clock_machine_us() >= replay->note_us && !replay->paused)
		free(GIVE(replay->note)), app->dirty = true;
	if (!app->dirty || app->quit || clock_machine_us() - *shown_us < FRAME_US)
		return true;
	show(app);
	*shown_us = clock_machine_us();
	return true;
}

static bool run(struct app *app, struct error *err)
{
	int64_t shown_us = 0;
	bool good = true;

	own_key(app, KEY_TERM_NONE); /* says which keys there are */
	anchor(app->options->replay);
	while (good && !app->quit)
		good = turn(app, &shown_us, err);
	return good;
}

int replay_run(const struct app_options *options, struct error *err)
{
	struct term_options term;
	struct app app;
	bool good = begin(&app, options, DEFAULT_COLS, DEFAULT_ROWS, err);

	if (good) {
		setup_replay(&app, "", &term);
		app.term = term_open(&term, err);
		good = app.term && run(&app, err);
	}
	term_close(app.term);
	finish(&app);
	if (good && term_signal())
		return 128 + term_signal();
	return good ? EXIT_DONE : EXIT_USAGE;
}
