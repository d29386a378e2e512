#include "cli/print_text.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utc.h"

enum paint { PAINT_NONE, PAINT_RED, PAINT_GREEN, PAINT_YELLOW, PAINT_CYAN, PAINT_DIM, PAINT_BOLD };
static const char *const paints[] = { "", "\033[31m", "\033[32m", "\033[33m", "\033[36m", "\033[2m", "\033[1m" };

static const enum paint change_paints[CHANGE_COUNT] = {
	[CHANGE_CREATED] = PAINT_GREEN,	   [CHANGE_CONFIGURED] = PAINT_YELLOW,	     [CHANGE_UNCHANGED] = PAINT_DIM,
	[CHANGE_PRUNED] = PAINT_RED,	   [CHANGE_CONFLICT] = PAINT_RED,	     [CHANGE_FAILED] = PAINT_RED,
	[CHANGE_WOULD_CREATE] = PAINT_GREEN, [CHANGE_WOULD_CONFIGURE] = PAINT_YELLOW, [CHANGE_WOULD_PRUNE] = PAINT_RED,
	[CHANGE_WOULD_RECREATE] = PAINT_RED, [CHANGE_UNKNOWN] = PAINT_YELLOW,
};

void add_clean(struct buf *out, const char *text, bool lines)
{
	struct str rest = str_of(text);
	uint32_t rune;

	for (const char *at = rest.p; utf8_next(&rest, &rune); at = rest.p) {
		bool control = rune < ' ' || (rune >= 0x7f && rune < 0xa0) || (rune >= 0x202a && rune <= 0x202e) ||
			       (rune >= 0x2066 && rune <= 0x2069);

		if (rune == '\t' || (rune == '\n' && lines))
			control = false;
		if (control)
			buf_addc(out, rune == '\n' ? ' ' : '?');
		else if (rune == 0xfffd)
			buf_add_rune(out, rune);
		else
			buf_add(out, at, (size_t)(rest.p - at));
	}
}

static void put_line(FILE *file, bool colour, enum paint paint, struct buf *line)
{
	log_redact(line);
	if (colour && paint != PAINT_NONE)
		fprintf(file, "%s%s\033[0m\n", paints[paint], buf_cstr(line));
	else
		fprintf(file, "%s\n", buf_cstr(line));
	fflush(file);
}

static void clear_progress(struct text_printer *p)
{
	if (!p->progress_shown)
		return;
	fputs("\r\033[K", p->err);
	p->progress_shown = false;
}

static void say(struct text_printer *p, enum paint paint, const char *prefix, const char *text)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	buf_adds(&line, prefix);
	add_clean(&line, text ? text : "", false);
	clear_progress(p);
	put_line(p->err, p->colour_err, paint, &line);
}

/* "deployment.apps/web", as kubectl names it. */
static void add_object(struct buf *out, const struct job_object *object)
{
	struct str group = str_of(object->api_version ? object->api_version : ""), head;
	bool has_group = str_cut(&group, '/', &head);

	for (const char *c = object->kind; *c; c++)
		buf_addc(out, *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
	if (has_group) {
		buf_addc(out, '.');
		buf_add_str(out, head);
	}
	buf_addc(out, '/');
	add_clean(out, object->name ? object->name : "", false);
}

static void on_started(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	buf_addf(&line, "%s %s  (run %s)", e->text, e->detail ? e->detail : "", e->run);
	say(p, PAINT_BOLD, "", buf_cstr(&line));
}

static void on_finding(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	if (e->place.file) {
		buf_adds(&line, e->place.file);
		if (e->place.line)
			buf_addf(&line, ":%u", e->place.line);
		if (e->place.line && e->place.column)
			buf_addf(&line, ":%u", e->place.column);
		buf_adds(&line, ": ");
	} else if (e->object.kind) {
		add_object(&line, &e->object);
		buf_adds(&line, ": ");
	}
	buf_addf(&line, "%s: %s", e->severity == DIAG_ERROR ? "error" : "warning", e->text);
	say(p, e->severity == DIAG_ERROR ? PAINT_RED : PAINT_YELLOW, "", buf_cstr(&line));
	if (e->detail)
		say(p, PAINT_DIM, "  hint: ", e->detail);
}

static void on_step_started(struct text_printer *p, const struct job_event *e)
{
	say(p, PAINT_CYAN, "- ", e->step);
}

static void on_step_finished(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);
	char took[64];

	buf_addf(&line, "%s %s: %s (%s)", e->ok ? "done" : "FAILED", e->step, e->text ? e->text : "", duration_format_short(e->elapsed_ms, took));
	say(p, e->ok ? PAINT_DIM : PAINT_RED, "  ", buf_cstr(&line));
}

static void on_object(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	add_object(&line, &e->object);
	buf_addf(&line, " %s", job_change_name(e->change));
	clear_progress(p);
	put_line(p->out, p->colour_out, change_paints[e->change], &line);
	if (e->text && *e->text)
		say(p, e->change == CHANGE_FAILED || e->change == CHANGE_CONFLICT ? PAINT_RED : PAINT_DIM, "    ", e->text);
}

static void on_conflict(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	add_object(&line, &e->object);
	buf_addf(&line, " %s: held by \"%s\" with %s, ours is %s", e->field, e->text, e->theirs ? e->theirs : "(unknown)",
		 e->ours ? e->ours : "(unknown)");
	say(p, PAINT_RED, "    conflict: ", buf_cstr(&line));
}

static enum paint paint_of_diff_line(struct str line)
{
	if (str_starts(line, STR("@@")))
		return PAINT_CYAN;
	if (str_starts(line, STR("---")) || str_starts(line, STR("+++")))
		return PAINT_BOLD;
	return !line.len ? PAINT_NONE : line.p[0] == '+' ? PAINT_GREEN : line.p[0] == '-' ? PAINT_RED : PAINT_NONE;
}

static void on_diff(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) head = BUF_INIT(0);
	AUTO_RELEASE(buf) clean = BUF_INIT(0);

	add_object(&head, &e->object);
	buf_addf(&head, " %s", job_change_name(e->change));
	if (e->detail && *e->detail)
		buf_addf(&head, "  (%s)", e->detail);
	clear_progress(p);
	put_line(p->out, p->colour_out, change_paints[e->change], &head);
	add_clean(&clean, e->text ? e->text : "", true);
	for (struct str rest = buf_str(&clean), line; rest.len;) {
		AUTO_RELEASE(buf) one = BUF_INIT(0);

		if (!str_cut(&rest, '\n', &line)) {
			line = rest;
			rest = (struct str){ 0 };
		}
		buf_add_str(&one, line);
		put_line(p->out, p->colour_out, paint_of_diff_line(line), &one);
	}
}

static void on_hook(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	buf_addf(&line, "hook %s (%s)%s", e->text ? e->text : "", e->detail ? e->detail : "", e->change == CHANGE_SKIPPED ? ": skipped" : "");
	say(p, PAINT_DIM, "  ", buf_cstr(&line));
}

static void on_line(struct text_printer *p, const struct job_event *e)
{
	AUTO_FREE char *prefix = e->object.kind ? xasprintf("  %s | ", e->object.name) : xstrdup("  | ");

	say(p, PAINT_NONE, prefix, e->text);
}

static enum paint paint_of_state(const char *state)
{
	if (strcmp(state, "healthy") == 0)
		return PAINT_GREEN;
	return strcmp(state, "degraded") == 0 || strcmp(state, "missing") == 0 ? PAINT_RED : PAINT_YELLOW;
}

static bool is_news(struct text_printer *p, const struct job_event *e, const char *state)
{
	AUTO_FREE char *key = xasprintf("%s %s/%s", e->object.kind, e->object.namespace ? e->object.namespace : "", e->object.name);

	if (strcmp(state, "healthy") == 0)
		return map_remove(&p->troubled, str_of(key));
	map_set(&p->troubled, str_of(key), NULL);
	return true;
}

static void on_wait(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);
	const char *state = e->state ? e->state : "unknown";

	add_object(&line, &e->object);
	buf_addf(&line, " %s", state);
	if (e->text && *e->text) {
		buf_adds(&line, ": ");
		add_clean(&line, e->text, false);
	}
	if (!p->all_objects && !is_news(p, e, state))
		return;
	clear_progress(p);
	if (p->all_objects)
		put_line(p->out, p->colour_out, paint_of_state(state), &line);
	else
		say(p, paint_of_state(state), "  ", buf_cstr(&line));
}

static void on_cause(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	buf_add_repeat(&line, ' ', 4 + 2 * (size_t)e->depth);
	buf_adds(&line, e->depth ? "└ " : "");
	add_clean(&line, e->text ? e->text : "", false);
	clear_progress(p);
	put_line(p->all_objects ? p->out : p->err, p->all_objects ? p->colour_out : p->colour_err, PAINT_NONE, &line);
}

/* The line is written with the next event only, so that it names the moment of the end and not what is left. */
static void add_end(const struct text_printer *p, struct buf *out)
{
	struct progress_view view;
	int64_t end_s;
	struct tm local;

	if (!p->learned)
		return;
	progress_look(p->learned, clock_now_ms(NULL), &view);
	if (!view.runs)
		return;
	if (view.left_ms >= 0) {
		end_s = (clock_wall_ms(NULL) + view.left_ms) / 1000;
		localtime_r(&(time_t){ end_s }, &local);
		buf_addf(out, ", done about %02d:%02d:%02d", local.tm_hour, local.tm_min, local.tm_sec);
		view.left_ms = -1;
	}
	progress_add_estimate(out, &view);
}

static void on_progress(struct text_printer *p, const struct job_event *e)
{
	enum { WIDTH = 24 };
	size_t full = e->total ? e->done * WIDTH / e->total : 0;
	AUTO_RELEASE(buf) end = BUF_INIT(0);

	if (!p->progress)
		return;
	add_end(p, &end);
	fprintf(p->err, "\r\033[K  [%.*s%.*s] ", (int)full, "########################", (int)(WIDTH - full), "........................");
	if (e->text)
		fprintf(p->err, "%zu %%  %s%s", e->total ? e->done * 100 / e->total : 100, e->text, buf_cstr(&end));
	else
		fprintf(p->err, "%zu of %zu  %s%s", e->done, e->total, e->step ? e->step : "", buf_cstr(&end));
	fflush(p->err);
	p->progress_shown = true;
}

static void on_note(struct text_printer *p, const struct job_event *e)
{
	say(p, PAINT_NONE, "  ", e->text);
}

static void on_retry(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);
	char pause[64];

	if (e->object.kind) {
		add_object(&line, &e->object);
		buf_adds(&line, ": ");
	}
	buf_addf(&line, "%s; again in %s", e->text ? e->text : "", duration_format_short(e->elapsed_ms, pause));
	say(p, PAINT_YELLOW, "  ", buf_cstr(&line));
}

static void on_finished(struct text_printer *p, const struct job_event *e)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);
	char took[64];

	add_clean(&line, e->text ? e->text : "", true);
	buf_addf(&line, " (%s, exit %d)", duration_format_short(e->elapsed_ms, took), e->exit_code);
	clear_progress(p);
	put_line(p->err, p->colour_err, e->exit_code == 0 ? PAINT_GREEN : PAINT_RED, &line);
}

void text_printer_event(struct text_printer *printer, const struct job_event *event)
{
	static void (*const on[])(struct text_printer *, const struct job_event *) = {
		[JOB_STARTED] = on_started, [JOB_FINDING] = on_finding,	  [JOB_STEP_STARTED] = on_step_started,
		[JOB_OBJECT] = on_object,   [JOB_CONFLICT] = on_conflict, [JOB_STEP_FINISHED] = on_step_finished,
		[JOB_DIFF] = on_diff,	    [JOB_HOOK] = on_hook,	  [JOB_LINE] = on_line,
		[JOB_WAIT] = on_wait,	    [JOB_CAUSE] = on_cause,	  [JOB_PROGRESS] = on_progress,
		[JOB_NOTE] = on_note,	    [JOB_RETRY] = on_retry,	  [JOB_FINISHED] = on_finished,
	};

	if (event->kind < ARRAY_LEN(on) && on[event->kind])
		on[event->kind](printer, event);
}

void text_printer_release(struct text_printer *printer)
{
	map_release(&printer->troubled);
}
