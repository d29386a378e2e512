#include <string.h>

#include "base/json.h"
#include "base/utc.h"
#include "cli/print.h"

static void put_text(struct json_writer *w, const char *key, const char *text)
{
	if (!text)
		return;
	json_put_key(w, key);
	json_put_text(w, text);
}

static void put_int(struct json_writer *w, const char *key, int64_t value)
{
	json_put_key(w, key);
	json_put_int(w, value);
}

static void put_object(struct json_writer *w, const struct job_object *object)
{
	if (!object->kind)
		return;
	json_put_key(w, "object");
	json_put_object(w);
	put_text(w, "apiVersion", object->api_version);
	put_text(w, "kind", object->kind);
	if (object->namespace && *object->namespace)
		put_text(w, "namespace", object->namespace);
	put_text(w, "name", object->name);
	if (object->item && *object->item)
		put_text(w, "item", object->item);
	put_int(w, "layer", object->layer);
	if (object->file && *object->file) {
		put_text(w, "file", object->file);
		if (object->line)
			put_int(w, "line", object->line);
	}
	json_put_end_object(w);
}

static void put_counts(struct json_writer *w, const size_t counts[CHANGE_COUNT])
{
	json_put_key(w, "counts");
	json_put_object(w);
	for (unsigned c = CHANGE_NONE + 1; c < CHANGE_COUNT; c++)
		if (counts[c])
			put_int(w, job_change_name((enum job_change)c), (int64_t)counts[c]);
	json_put_end_object(w);
}

static void put_place(struct json_writer *w, const struct place *place)
{
	if (!place->file)
		return;
	put_text(w, "file", place->file);
	if (place->line)
		put_int(w, "line", place->line);
	if (place->column)
		put_int(w, "column", place->column);
}

/* What belongs to one kind of event only. */
static void put_particulars(struct json_writer *w, const struct job_event *event)
{
	switch (event->kind) {
	case JOB_FINDING:
		put_text(w, "severity", event->severity == DIAG_ERROR ? "error" : "warning");
		put_place(w, &event->place);
		break;
	case JOB_STEP_FINISHED:
		json_put_key(w, "ok");
		json_put_bool(w, event->ok);
		put_int(w, "elapsedMs", event->elapsed_ms);
		break;
	case JOB_LINE:
		put_text(w, "stream", event->ok ? "stdout" : "stderr");
		break;
	case JOB_CAUSE:
		put_int(w, "depth", event->depth);
		break;
	case JOB_PROGRESS:
		put_int(w, "done", (int64_t)event->done);
		put_int(w, "total", (int64_t)event->total);
		break;
	case JOB_RETRY:
		put_int(w, "pauseMs", event->elapsed_ms);
		break;
	case JOB_FINISHED:
		put_int(w, "exitCode", event->exit_code);
		put_int(w, "elapsedMs", event->elapsed_ms);
		put_counts(w, event->counts);
		break;
	default:
		break;
	}
	if (event->deadline_ms) {
		char when[64];

		put_text(w, "deadline", utc_format(event->deadline_ms * 1000, when));
	}
}

void event_to_json(const struct job_event *event, struct buf *out)
{
	struct json_writer w = JSON_WRITER_INIT(out);
	char when[64];

	json_put_object(&w);
	put_text(&w, "event", job_event_name(event->kind));
	put_int(&w, "seq", (int64_t)event->seq);
	put_text(&w, "time", utc_format_micro(event->time_ms * 1000, when));
	put_text(&w, "run", event->run);
	put_text(&w, "step", event->step);
	put_object(&w, &event->object);
	if (event->change != CHANGE_NONE)
		put_text(&w, "change", job_change_name(event->change));
	put_text(&w, "state", event->state);
	put_text(&w, "text", event->text);
	put_text(&w, "detail", event->detail);
	put_text(&w, "field", event->field);
	put_text(&w, "theirs", event->theirs);
	put_text(&w, "ours", event->ours);
	put_particulars(&w, event);
	json_put_end_object(&w);
}
