#include <stdlib.h>
#include <string.h>

#include "base/utc.h"
#include "ui/pager.h"
#include "ui/view_apply.h"
#include "ui/text.h"

#define LOG_MAX 500

static void row_release(struct deploy_row *row)
{
	free(row->item);
	free(row->kind);
	free(row->namespace);
	free(row->name);
	free(row->message);
	free(row->diff);
	free(row->effect);
	free(row->state);
}

void deploy_view_release(struct deploy_view *view)
{
	for (size_t i = 0; i < view->len; i++)
		row_release(&view->rows[i]);
	for (size_t i = 0; i < view->nlog; i++)
		free(view->log[i]);
	free(view->rows);
	free(view->log);
	map_release(&view->by_identity);
	free(view->title);
	free(view->env);
	free(view->step);
	free(view->verdict);
	progress_release(&view->progress);
	*view = (struct deploy_view){ 0 };
}

void deploy_view_begin(struct deploy_view *view, const char *title, const char *env, int64_t slot, enum deploy_phase phase, int64_t now_ms)
{
	AUTO_FREE char *kept_title = xstrdup(title), *kept_env = xstrdup(env);

	deploy_view_release(view);
	view->title = GIVE(kept_title);
	view->env = GIVE(kept_env);
	view->slot = slot;
	view->phase = phase;
	progress_begin(&view->progress, NULL, now_ms);
}

/* ---- events ---- */

static void set(char **text, const char *value)
{
	free(*text);
	*text = value && *value ? xstrdup(value) : NULL;
}

static void say(struct deploy_view *view, const char *prefix, const char *text)
{
	if (view->nlog == LOG_MAX) {
		free(view->log[0]);
		memmove(view->log, view->log + 1, (view->nlog - 1) * sizeof *view->log);
		view->nlog--;
	}
	LIST_PUSH(view->log, view->nlog, view->log_cap) = xasprintf("%s%s", prefix, text ? text : "");
}

static struct deploy_row *row_of(struct deploy_view *view, const struct job_object *object)
{
	AUTO_FREE char *identity = xasprintf("%s %s/%s", object->kind, object->namespace ? object->namespace : "", object->name);
	size_t at = (size_t)map_get(&view->by_identity, str_of(identity));

	if (at)
		return &view->rows[at - 1];
	LIST_PUSH(view->rows, view->len, view->cap) = (struct deploy_row){ .item = xstrdup(object->item ? object->item : ""),
									   .kind = xstrdup(object->kind),
									   .namespace = xstrdup(object->namespace ? object->namespace : ""),
									   .name = xstrdup(object->name) };
	map_set(&view->by_identity, str_of(identity), (void *)view->len);
	return &view->rows[view->len - 1];
}

static void on_diff(struct deploy_view *view, const struct job_event *e)
{
	struct deploy_row *row = row_of(view, &e->object);

	row->change = e->change;
	set(&row->diff, e->text);
	set(&row->effect, e->detail);
	view->differences++;
	if (view->differences == 1)
		view->cursor = (size_t)(row - view->rows);
}

static void on_object(struct deploy_view *view, const struct job_event *e)
{
	struct deploy_row *row = row_of(view, &e->object);

	row->change = e->change;
	set(&row->message, e->text);
	view->conflicts += e->change == CHANGE_CONFLICT;
	if (e->change == CHANGE_FAILED || e->change == CHANGE_CONFLICT) {
		AUTO_FREE char *text = xasprintf("%s %s: %s", e->object.kind, e->object.name, e->text ? e->text : T("failed"));

		say(view, "✗ ", text);
	}
}

static void on_conflict(struct deploy_view *view, const struct job_event *e)
{
	struct deploy_row *row = row_of(view, &e->object);
	AUTO_FREE char *line = xasprintf(T("%s%s held by \"%s\": theirs %s, ours %s\n"), row->diff ? row->diff : "", e->field, e->text,
					 e->theirs ? e->theirs : "?", e->ours ? e->ours : "?");

	set(&row->diff, line);
}

static void on_wait(struct deploy_view *view, const struct job_event *e)
{
	struct deploy_row *row = row_of(view, &e->object);
	bool fine = e->state && strcmp(e->state, "healthy") == 0;

	if (!fine || (row->state && strcmp(row->state, "healthy") != 0)) {
		AUTO_FREE char *text = xasprintf("%s %s %s%s%s", e->object.kind, e->object.name, e->state, e->text && *e->text ? ": " : "", e->text ? e->text : "");

		say(view, fine ? "✓ " : "~ ", text);
	}
	set(&row->state, e->state);
}

static void on_cause(struct deploy_view *view, const struct job_event *e)
{
	AUTO_FREE char *prefix = xasprintf("%*s└ ", 2 + 2 * (int)e->depth, "");

	say(view, prefix, e->text);
}

static void on_step(struct deploy_view *view, const struct job_event *e)
{
	set(&view->step, e->step);
}

static void on_step_end(struct deploy_view *view, const struct job_event *e)
{
	char took[64];
	AUTO_FREE char *text = xasprintf("%s: %s (%s)", e->step ? e->step : "", e->text ? e->text : "", duration_format_short(e->elapsed_ms, took));

	say(view, e->ok ? "= " : "✗ ", text);
}

/* About an image: where it is now. */
static void on_note(struct deploy_view *view, const struct job_event *e)
{
	say(view, "  ", e->text);
	if (e->object.kind)
		set(&row_of(view, &e->object)->message, e->text);
}

static void on_line(struct deploy_view *view, const struct job_event *e)
{
	AUTO_FREE char *prefix = e->object.kind ? xasprintf("  %s | ", e->object.name) : xstrdup("  | ");

	say(view, prefix, e->text);
}

static void on_finished(struct deploy_view *view, const struct job_event *e)
{
	set(&view->verdict, e->text);
	set(&view->step, NULL);
	view->exit_code = e->exit_code;
	view->phase = view->phase == DEPLOY_COMPARING && (e->exit_code == EXIT_DONE || e->exit_code == EXIT_DIFFERENCES || e->exit_code == EXIT_CONFLICT ||
							  (view->about && view->differences)) /* one broken image does not hold up the others */
			      ? DEPLOY_COMPARED
			      : DEPLOY_ENDED;
	for (size_t i = 0; view->phase == DEPLOY_COMPARED && i < view->len; i++)
		if (view->rows[i].change == CHANGE_NONE)
			view->rows[i].change = CHANGE_UNCHANGED; /* a comparison is silent about what is equal */
}

void deploy_view_event(struct deploy_view *view, const struct job_event *e, int64_t now_ms)
{
	progress_event(&view->progress, e, now_ms);
	switch (e->kind) {
	case JOB_PLANNED:
		row_of(view, &e->object);
		break;
	case JOB_DIFF:
		on_diff(view, e);
		break;
	case JOB_OBJECT:
		on_object(view, e);
		break;
	case JOB_CONFLICT:
		on_conflict(view, e);
		break;
	case JOB_WAIT:
		on_wait(view, e);
		break;
	case JOB_CAUSE:
		on_cause(view, e);
		break;
	case JOB_STEP_STARTED:
		on_step(view, e);
		break;
	case JOB_STEP_FINISHED:
		on_step_end(view, e);
		break;
	case JOB_FINDING:
		say(view, e->severity == DIAG_ERROR ? "✗ " : "  ", e->text);
		break;
	case JOB_NOTE:
		on_note(view, e);
		break;
	case JOB_RETRY:
		say(view, "  ", e->text);
		break;
	case JOB_LINE:
		on_line(view, e);
		break;
	case JOB_HOOK:
		say(view, e->change == CHANGE_SKIPPED ? "- hook, skipped: " : "- hook: ", e->text);
		break;
	case JOB_FINISHED:
		on_finished(view, e);
		break;
	case JOB_PROGRESS:
	case JOB_STARTED:
		break;
	}
}

/* ---- drawing ---- */

static const struct {
	const char *mark;
	enum role role;
} change_marks[CHANGE_COUNT] = {
	[CHANGE_NONE] = { " ", ROLE_DIM },	       [CHANGE_CREATED] = { "+", ROLE_ADDED },	      [CHANGE_CONFIGURED] = { "~", ROLE_PROGRESS },
	[CHANGE_UNCHANGED] = { "=", ROLE_DIM },	       [CHANGE_PRUNED] = { "-", ROLE_REMOVED },	      [CHANGE_CONFLICT] = { "!", ROLE_BAD },
	[CHANGE_FAILED] = { "✗", ROLE_BAD },	       [CHANGE_SKIPPED] = { "-", ROLE_DIM },	      [CHANGE_WOULD_CREATE] = { "+", ROLE_ADDED },
	[CHANGE_WOULD_CONFIGURE] = { "~", ROLE_PROGRESS }, [CHANGE_WOULD_PRUNE] = { "-", ROLE_REMOVED }, [CHANGE_WOULD_RECREATE] = { "!", ROLE_BAD },
	[CHANGE_UNKNOWN] = { "?", ROLE_UNKNOWN },
};

static void draw_row(const struct deploy_row *row, struct canvas *canvas, int at, int width, bool selected)
{
	bool shows_state = row->state && strcmp(row->state, "healthy") != 0;

	canvas_text(canvas, at, 0, 1, ROLE_KEY, selected ? ">" : " ");
	canvas_text(canvas, at, 2, 1, change_marks[row->change].role, change_marks[row->change].mark);
	int used = canvas_textf(canvas, at, 4, width - 5, ROLE_DIM, "%s ", row->kind);
	int tail = shows_state ? (int)strlen(row->state) + 1 : row->state ? 2 : 0;

	canvas_name(canvas, at, 4 + used, width - 5 - used - tail, change_marks[row->change].role == ROLE_DIM ? ROLE_TEXT : change_marks[row->change].role,
		    row->name);
	if (shows_state)
		canvas_right(canvas, at, width - 1 - tail, tail, ROLE_PROGRESS, row->state);
	else if (row->state)
		canvas_right(canvas, at, width - 1 - tail, tail, ROLE_HEALTHY, "✓");
	if (selected)
		canvas_select(canvas, at, 0, width - 1);
}

/* The plan by item of services.yaml; the row under the cursor is always among those shown. */
static void draw_plan(const struct deploy_view *view, struct canvas *canvas, int top, int rows, int width)
{
	size_t lines = 0, cursor_line = 0;

	for (size_t i = 0; i < view->len; i++) {
		lines += i == 0 || strcmp(view->rows[i].item, view->rows[i - 1].item) != 0;
		if (i == view->cursor)
			cursor_line = lines;
		lines++;
	}
	size_t first = lines > (size_t)rows && cursor_line > (size_t)rows / 2 ? cursor_line - (size_t)rows / 2 : 0, line = 0;

	if (lines > (size_t)rows && first > lines - (size_t)rows)
		first = lines - (size_t)rows;
	for (size_t i = 0; i < view->len; i++) {
		if (i == 0 || strcmp(view->rows[i].item, view->rows[i - 1].item) != 0) {
			if (line >= first && line - first < (size_t)rows)
				canvas_name(canvas, top + (int)(line - first), 1, width - 2, ROLE_TITLE, *view->rows[i].item ? view->rows[i].item : T("(none)"));
			line++;
		}
		if (line >= first && line - first < (size_t)rows)
			draw_row(&view->rows[i], canvas, top + (int)(line - first), width, i == view->cursor);
		line++;
	}
}

static enum role role_of_diff_line(struct str line)
{
	if (str_starts(line, STR("@@")))
		return ROLE_KEY;
	return !line.len ? ROLE_TEXT : line.p[0] == '+' ? ROLE_ADDED : line.p[0] == '-' ? ROLE_REMOVED : ROLE_TEXT;
}

void deploy_view_details(const struct deploy_view *view, struct pager *pager)
{
	const struct deploy_row *object = view->cursor < view->len ? &view->rows[view->cursor] : NULL;
	struct str rest = str_of(object ? object->diff : NULL), line;

	if (!object)
		return;
	pager_addf(pager, ROLE_TITLE, "%s %s", object->kind, object->name);
	pager_addf(pager, change_marks[object->change].role, "%s%s%s",
		   object->change == CHANGE_NONE ? (object->message ? T("under way") : T("not looked at yet")) : T(job_change_name(object->change)), object->effect ? ": " : "",
		   object->effect ? object->effect : "");
	if (object->message)
		pager_add(pager, ROLE_TEXT, object->message);
	while (str_cut(&rest, '\n', &line)) {
		AUTO_FREE char *text = str_dup(line);

		pager_add(pager, role_of_diff_line(line), text);
	}
}

static void draw_detail(const struct deploy_view *view, struct canvas *canvas, int top, int rows, int col)
{
	size_t head = view->cursor < view->len && view->rows[view->cursor].message ? 3 : 2, at = 0;
	struct pager pager = { 0 };

	deploy_view_details(view, &pager);
	for (int row = 0; row < rows && at < pager.len; row++, at++) {
		at += at == head ? (size_t)view->scroll : 0;
		if (at < pager.len)
			canvas_text(canvas, top + row, col, canvas->cols - col - 1, pager.lines[at].role, pager.lines[at].text);
	}
	pager_release(&pager);
}

bool deploy_view_runs(const struct deploy_view *view)
{
	return view->phase == DEPLOY_COMPARING || view->phase == DEPLOY_APPLYING;
}

static int draw_bar(const struct progress_view *p, struct canvas *canvas, int row, int col, int width)
{
	AUTO_RELEASE(buf) bar = BUF_INIT(0);
	size_t full = p->total ? p->done * (size_t)width / p->total : 0;

	buf_addc(&bar, '[');
	buf_add_repeat(&bar, '#', full);
	buf_add_repeat(&bar, '.', (size_t)width - full);
	buf_adds(&bar, "] ");
	return canvas_text(canvas, row, col, canvas->cols - col - 1, ROLE_PROGRESS, buf_cstr(&bar));
}

static const char *doing(const struct deploy_view *view)
{
	if (view->about)
		return view->about == ABOUT_MIRRORING ? T("mirror") : T("build");
	return view->phase == DEPLOY_COMPARING ? T("compare") : T("apply");
}

/* "wait, 1 of 2, 0:41, eta 0:50 (median 1:31 of 7)" */
static void add_state(const struct deploy_view *view, const struct progress_view *p, struct buf *out)
{
	buf_adds(out, view->step ? view->step : T("starting"));
	if (p->counts_objects)
		buf_addf(out, T(", %zu of %zu"), p->done, p->total);
	else if (p->counted)
		buf_addf(out, ", %s", p->counted);
	buf_adds(out, ", ");
	progress_add_time(out, p->passed_ms);
	progress_add_estimate(out, p);
}

void deploy_view_line(const struct deploy_view *view, int64_t now_ms, struct buf *out)
{
	struct progress_view p;

	progress_look(&view->progress, now_ms, &p);
	if (!deploy_view_runs(view)) {
		buf_addf(out, "%s: %s", view->title, view->verdict ? view->verdict : "");
		return;
	}
	buf_addf(out, "%s %s: ", doing(view), view->title);
	add_state(view, &p, out);
}

void deploy_view_draw_line(const struct deploy_view *view, struct canvas *canvas, int row, int64_t now_ms)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct progress_view p;
	int col = 1, cancel = text_width(T("c cancel"));

	progress_look(&view->progress, now_ms, &p);
	if (!deploy_view_runs(view)) {
		deploy_view_line(view, now_ms, &text);
		canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM, buf_cstr(&text));
		return;
	}
	col += canvas_textf(canvas, row, col, canvas->cols / 4, ROLE_TEXT, "%s %s ", doing(view), view->title);
	if (p.total)
		col += draw_bar(&p, canvas, row, col, canvas->cols / 6);
	add_state(view, &p, &text);
	canvas_text(canvas, row, col, canvas->cols - col - cancel - 3, p.late ? ROLE_BAD : ROLE_TEXT, buf_cstr(&text));
	canvas_right(canvas, row, canvas->cols - cancel - 1, cancel, ROLE_KEY, T("c cancel"));
	canvas_hot(canvas, row, canvas->cols - cancel - 1, cancel, 'c');
}

static void draw_run(const struct deploy_view *view, struct canvas *canvas, int top, int rows, int64_t now_ms)
{
	AUTO_RELEASE(buf) took = BUF_INIT(0);
	AUTO_RELEASE(buf) state = BUF_INIT(0);
	int row = top, end = top + rows, col = 1;
	bool runs = deploy_view_runs(view);
	struct progress_view p;

	progress_look(&view->progress, now_ms, &p);
	if (view->verdict)
		progress_add_time(&took, p.passed_ms);
	canvas_rule(canvas, row++, T("run"), buf_cstr(&took));
	if (runs && row < end) {
		if (p.total)
			col += draw_bar(&p, canvas, row, col, canvas->cols < 80 ? 6 : 20);
		add_state(view, &p, &state);
		canvas_text(canvas, row++, col, canvas->cols - col - 1, p.late ? ROLE_BAD : ROLE_PROGRESS, buf_cstr(&state));
	} else if (view->verdict && row < end) {
		bool good = view->exit_code == EXIT_DONE || view->exit_code == EXIT_DIFFERENCES;

		canvas_textf(canvas, row++, 1, canvas->cols - 2, good ? ROLE_HEALTHY : ROLE_BAD, "%s (exit %d)", view->verdict, view->exit_code);
	}
	size_t room = row < end ? (size_t)(end - row) : 0, first = view->nlog > room ? view->nlog - room : 0;

	for (size_t i = first; i < view->nlog && row < end; i++)
		canvas_text(canvas, row++, 1, canvas->cols - 2, strncmp(view->log[i], "✗", strlen("✗")) == 0 ? ROLE_BAD : ROLE_TEXT, view->log[i]);
}

static const char *phase_name(const struct deploy_view *view)
{
	static const char *const names[3][5] = {
		{ "", N_("comparing with the cluster"), N_("compared: A asks before it applies"), N_("applying"), N_("ended") },
		{ "", N_("looking what is there"), N_("looked: M asks before it mirrors"), N_("mirroring"), N_("ended") },
		{ "", N_("looking at the files"), N_("looked: B asks before it builds"), N_("building"), N_("ended") },
	};
	const char *name = names[view->about][view->phase];

	return *name ? T(name) : "";
}

void deploy_view_draw(const struct deploy_view *view, struct canvas *canvas, struct area area, int64_t now_ms)
{
	int body = area.bottom - area.top, run_rows = body >= 12 ? body * 2 / 5 : body >= 6 ? 3 : 1, row = area.top;
	bool both = canvas->cols >= 70;
	int width = both ? canvas->cols * 2 / 5 : canvas->cols, plan_rows;

	if (view->phase == DEPLOY_IDLE) {
		canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM, T("nothing to show yet: A on an environment compares its stack with the cluster"));
		return;
	}
	if (view->about == ABOUT_BUILDING)
		canvas_textf(canvas, row++, 1, canvas->cols - 2, ROLE_TITLE, "build %s   images: %zu   %s", view->title, view->len, phase_name(view));
	else if (view->about)
		canvas_textf(canvas, row++, 1, canvas->cols - 2, ROLE_TITLE, "mirror %s   images: %zu   %s", view->title, view->len, phase_name(view));
	else
		canvas_textf(canvas, row++, 1, canvas->cols - 2, ROLE_TITLE, "apply %s   %zu objects, %zu differ%s   %s", view->title, view->len,
			     view->differences, view->conflicts ? T(", some in conflict") : "", phase_name(view));
	plan_rows = area.bottom - run_rows - row;
	draw_plan(view, canvas, row, plan_rows, width);
	if (both) {
		canvas_column(canvas, width - 1, row, plan_rows);
		draw_detail(view, canvas, row, plan_rows, width + 1);
	}
	draw_run(view, canvas, area.bottom - run_rows, run_rows, now_ms);
}

/* ---- moving ---- */

void deploy_view_move(struct deploy_view *view, long by)
{
	long at = (long)view->cursor + by, last = (long)view->len - 1;

	if (last < 0)
		return;
	view->cursor = (size_t)(at < 0 ? 0 : at > last ? last : at);
	view->scroll = 0;
}

void deploy_view_scroll(struct deploy_view *view, int by)
{
	int lines = 0, to = view->scroll + by;

	if (view->cursor >= view->len)
		return;
	for (const char *text = view->rows[view->cursor].diff; text && (text = strchr(text, '\n')); text++)
		lines++;
	view->scroll = to < 0 || !lines ? 0 : to >= lines ? lines - 1 : to;
}

static bool is_worth_a_look(const struct deploy_row *row)
{
	return row->change != CHANGE_NONE && row->change != CHANGE_UNCHANGED && row->change != CHANGE_SKIPPED;
}

bool deploy_view_next_problem(struct deploy_view *view)
{
	for (size_t i = 1; i <= view->len; i++) {
		size_t at = (view->cursor + i) % view->len;

		if (!is_worth_a_look(&view->rows[at]))
			continue;
		deploy_view_move(view, (long)at - (long)view->cursor);
		return true;
	}
	return false;
}
