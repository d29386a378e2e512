#include "ui/record.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/net.h"
#include "base/queue.h"
#include "base/record.h"
#include "base/record_mask.h"
#include "base/recording.h"
#include "ui/settings.h"

#define WORK_US 20000 /* that workers may take before the screen goes on without them */
#define NAP_US	50

static struct json_writer *begin(struct app *app, const char *kind)
{
	return record_begin(app->options->recorder, kind);
}

static void end(struct app *app)
{
	record_end(app->options->recorder);
}

static void put_int(struct json_writer *w, const char *name, int64_t value)
{
	json_put_key(w, name);
	json_put_int(w, value);
}

static void put_masked(struct json_writer *w, const char *name, const char *text)
{
	AUTO_RELEASE(buf) clean = BUF_INIT(0);

	record_mask_text(str_of(text), &clean);
	json_put_key(w, name);
	json_put_str(w, buf_str(&clean));
}

/* ---- keys ---- */

void record_key(struct app *app, uint32_t key)
{
	struct json_writer *w = begin(app, "key");

	if (!w)
		return;
	put_int(w, "key", key);
	if (key == KEY_TERM_MOUSE) {
		put_int(w, "mouse", app->mouse.kind);
		put_int(w, "button", app->mouse.button);
		put_int(w, "row", app->mouse.row);
		put_int(w, "col", app->mouse.col);
	} else if (key == KEY_TERM_PASTE) {
		put_masked(w, "text", app->pasted);
	}
	end(app);
}

uint32_t recorded_key(struct app *app, const json_t *json)
{
	app->mouse = (struct mouse){ .kind = (enum mouse_kind)record_int(json, "mouse", MOUSE_RELEASE),
				     .button = (int)record_int(json, "button", 0),
				     .row = (int)record_int(json, "row", -1),
				     .col = (int)record_int(json, "col", -1) };
	free(app->pasted);
	app->pasted = xstrdup(record_text(json, "text", ""));
	return (uint32_t)record_int(json, "key", KEY_TERM_NONE);
}

/* ---- the screen ---- */

void record_size(struct app *app)
{
	struct json_writer *w = begin(app, "size");

	if (!w)
		return;
	put_int(w, "cols", app->canvas->cols);
	put_int(w, "rows", app->canvas->rows);
	end(app);
}

static void record_moment(struct app *app, const char *kind)
{
	if (begin(app, kind))
		end(app);
}

void record_draw(struct app *app)
{
	record_moment(app, "draw");
}

void record_poll(struct app *app)
{
	struct json_writer *w = begin(app, "poll");

	if (!w)
		return;
	if (live_rests(app->live))
		put_int(w, "rest", 1);
	end(app);
}

void recorded_poll(struct app *app, const json_t *json)
{
	live_set_rest(app->live, record_int(json, "rest", 0) ? LIVE_REST_YES : LIVE_REST_NO);
}

static struct loop *loop_of_net(const struct app *app)
{
	return net_loop(live_connection(app->live)->net);
}

void record_hold(struct app *app)
{
	int64_t until_us = clock_machine_us() + WORK_US;

	loop_hold(loop_of_net(app));
	while (queue_workers_busy() && clock_machine_us() < until_us)
		usleep(NAP_US);
}

void record_go_on(struct app *app)
{
	loop_go_on(loop_of_net(app));
}

void record_tick(struct app *app)
{
	record_moment(app, "tick");
}

void record_mark(struct app *app)
{
	record_moment(app, "mark");
}

void record_settings(struct app *app)
{
	struct json_writer *w = begin(app, "settings");

	if (!w)
		return;
	put_masked(w, "text", settings_text(app->settings));
	end(app);
}

/* ---- jobs ---- */

void record_target(struct app *app, const struct error *err)
{
	struct json_writer *w = begin(app, "target");

	if (!w)
		return;
	put_int(w, "error", err ? err->kind : ERR_NONE);
	put_masked(w, "text", err ? err->message : "");
	end(app);
}

static const struct {
	const char *name;
	size_t offset;
} texts[] = {
	{ "run", offsetof(struct job_event, run) },
	{ "step", offsetof(struct job_event, step) },
	{ "text", offsetof(struct job_event, text) },
	{ "detail", offsetof(struct job_event, detail) },
	{ "field", offsetof(struct job_event, field) },
	{ "theirs", offsetof(struct job_event, theirs) },
	{ "ours", offsetof(struct job_event, ours) },
	{ "state", offsetof(struct job_event, state) },
	{ "item", offsetof(struct job_event, object.item) },
	{ "apiVersion", offsetof(struct job_event, object.api_version) },
	{ "kind", offsetof(struct job_event, object.kind) },
	{ "namespace", offsetof(struct job_event, object.namespace) },
	{ "name", offsetof(struct job_event, object.name) },
	{ "file", offsetof(struct job_event, object.file) },
	{ "placeFile", offsetof(struct job_event, place.file) },
};

static const char **text_of(struct job_event *event, size_t i)
{
	return (const char **)(void *)((char *)event + texts[i].offset);
}

static void put_numbers(struct json_writer *w, const struct job_event *e)
{
	put_int(w, "event", e->kind);
	put_int(w, "seq", (int64_t)e->seq);
	put_int(w, "time", e->time_ms);
	put_int(w, "infra", e->object.is_infra);
	put_int(w, "layer", e->object.layer);
	put_int(w, "line", e->object.line);
	put_int(w, "placeLine", e->place.line);
	put_int(w, "placeColumn", e->place.column);
	put_int(w, "severity", e->severity);
	put_int(w, "change", e->change);
	put_int(w, "ok", e->ok);
	put_int(w, "depth", e->depth);
	put_int(w, "done", (int64_t)e->done);
	put_int(w, "total", (int64_t)e->total);
	put_int(w, "elapsed", e->elapsed_ms);
	put_int(w, "deadline", e->deadline_ms);
	put_int(w, "exit", e->exit_code);
	json_put_key(w, "counts");
	json_put_array(w);
	for (size_t i = 0; i < CHANGE_COUNT; i++)
		json_put_int(w, (int64_t)e->counts[i]);
	json_put_end_array(w);
}

void record_job(struct app *app, const struct job_event *event)
{
	struct json_writer *w = begin(app, "job");

	if (!w)
		return;
	put_numbers(w, event);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *text = *text_of((struct job_event *)event, i);

		if (text)
			put_masked(w, texts[i].name, text);
	}
	end(app);
}

static void take_numbers(struct job_event *e, const json_t *json)
{
	const json_t *counts = json_object_get(json, "counts");

	e->kind = (enum job_event_kind)record_int(json, "event", JOB_NOTE);
	e->seq = (uint64_t)record_int(json, "seq", 0);
	e->time_ms = record_int(json, "time", 0);
	e->object.is_infra = record_int(json, "infra", 0);
	e->object.layer = (unsigned)record_int(json, "layer", 0);
	e->object.line = (unsigned)record_int(json, "line", 0);
	e->place.line = (unsigned)record_int(json, "placeLine", 0);
	e->place.column = (unsigned)record_int(json, "placeColumn", 0);
	e->severity = (enum diag_severity)record_int(json, "severity", 0);
	e->change = (enum job_change)record_int(json, "change", 0);
	e->ok = record_int(json, "ok", 0);
	e->depth = (unsigned)record_int(json, "depth", 0);
	e->done = (size_t)record_int(json, "done", 0);
	e->total = (size_t)record_int(json, "total", 0);
	e->elapsed_ms = record_int(json, "elapsed", 0);
	e->deadline_ms = record_int(json, "deadline", 0);
	e->exit_code = (int)record_int(json, "exit", 0);
	for (size_t i = 0; i < CHANGE_COUNT; i++)
		e->counts[i] = (size_t)json_integer_value(json_array_get(counts, i));
}

/* Its words index tables: a file that others made must not lead beyond them. */
static bool is_possible(const struct job_event *e)
{
	return e->kind <= JOB_FINISHED && e->change < CHANGE_COUNT && e->severity <= DIAG_ERROR;
}

struct job_event *recorded_job(const json_t *json)
{
	struct job_event event = { 0 };

	take_numbers(&event, json);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*text_of(&event, i) = record_text(json, texts[i].name, NULL);
	return is_possible(&event) ? job_event_copy(&event) : NULL;
}
