/* Screen 1: environments, worst first, with the reason of the one under the cursor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/state.h"
#include "ui/strip.h"
#include "ui/text.h"

#define NARROW 60 /* columns: below there is room for one list only */
#define STRIP_ROOM 100 /* columns: from there on the strip stands in the preview */
#define LOWEST	   16  /* rows: below there is none for jobs and notices */
#define WHY_ROWS    2
#define WHY_ROOM    5 /* for the title, two environments and the words */
#define LARGE	   30  /* rows: from there on jobs and notices have panes of their own */
#define NOTICES	   3   /* that these show */
#define WIDE   180 /* columns: there the preview stands beside the list */

enum { COLUMN_ENV, COLUMN_READY, COLUMN_WHY, COLUMN_RUN, COLUMN_ISSUE, COLUMN_AGE };

static const struct list_column columns[] = {
	[COLUMN_ENV] = { N_("ENV / SLOT"), 13, 13, 1, 0, false, CUT_MIDDLE },
	[COLUMN_READY] = { N_("READY"), 6, 6, 4, 0, false, CUT_END },
	[COLUMN_WHY] = { N_("WHY (worst cause first)"), 36, 60, 2, 1, false, CUT_END },
	[COLUMN_RUN] = { N_("AGENT"), 12, 12, 7, 0, false, CUT_END },
	[COLUMN_ISSUE] = { N_("ISSUE/PR"), 11, 11, 5, 0, false, CUT_END },
	[COLUMN_AGE] = { N_("AGE"), 4, 4, 3, 0, true, CUT_END },
};
/* Of a narrow screen: what is broken, and why. */
static const struct list_column narrow_columns[] = {
	[COLUMN_ENV] = { N_("ENV / SLOT"), 10, 13, 1, 0, false, CUT_MIDDLE },
	[COLUMN_READY] = { N_("READY"), 6, 6, 4, 0, false, CUT_END },
	[COLUMN_WHY] = { N_("WHY"), 8, 30, 2, 1, false, CUT_END },
};

static const struct environment *env_at(struct app *app, size_t n)
{
	return envs_at(live_envs(app->live), n);
}

static size_t count(void *app)
{
	return envs_count(live_envs(((struct app *)app)->live));
}

static const char *key(void *app, size_t n)
{
	return env_at(app, n)->title;
}

static const char *mark(void *app, size_t n, enum role *ret_role)
{
	const struct environment *env = env_at(app, n);

	*ret_role = role_of_state(env->shown);
	return mark_of_state(env->shown);
}

static enum role cell(void *arg, size_t n, size_t column, struct buf *out)
{
	struct app *app = arg;
	const struct environment *env = env_at(app, n);

	switch (column) {
	case COLUMN_ENV:
		buf_adds(out, env->title);
		return ROLE_TEXT;
	case COLUMN_READY:
		buf_addf(out, env->state == HEALTH_UNKNOWN ? "?/%u" : "%u/%u", env->state == HEALTH_UNKNOWN ? env->total : env->ready, env->total);
		return ROLE_TEXT;
	case COLUMN_WHY:
		buf_adds(out, *env->why ? env->why : *env->finding ? env->finding : T(health_state_name(env->shown)));
		return role_of_state(env->shown);
	case COLUMN_RUN:
		run_of_environment(app, env, out);
		return ROLE_DIM;
	case COLUMN_ISSUE:
		if (env->issue)
			buf_addf(out, "#%lld", (long long)env->issue);
		if (env->pr)
			buf_addf(out, " PR%lld", (long long)env->pr);
		return ROLE_DIM;
	default:
		if (env->created_ms)
			add_age(out, live_now_ms(app->live) - env->created_ms);
		return ROLE_DIM;
	}
}

static struct list_source source_of(struct app *app)
{
	bool narrow = app->canvas->cols < NARROW;

	return (struct list_source){ narrow ? narrow_columns : columns, narrow ? ARRAY_LEN(narrow_columns) : ARRAY_LEN(columns), count, key, cell, mark, app };
}

static const struct environment *current(struct app *app)
{
	struct list_source source = source_of(app);
	size_t at;

	list_update(&app->envs.list, &source, app_holds_still(app));
	at = list_current(&app->envs.list);
	return at == SIZE_MAX ? NULL : env_at(app, at);
}

/* ---- drawing ---- */

static void draw_counts(struct app *app, struct canvas *canvas, int row)
{
	static const enum health_state order[] = { HEALTH_DEGRADED, HEALTH_MISSING, HEALTH_UNKNOWN, HEALTH_PROGRESSING, HEALTH_HEALTHY };
	size_t counts[HEALTH_DEGRADED + 1] = { 0 }, slots = 0;
	const struct environment *env;
	int col = 1;

	for (size_t i = 0; (env = env_at(app, i)); i++) {
		counts[env->shown]++;
		slots += env->slot > 0;
	}
	col += canvas_textf(canvas, row, col, canvas->cols, ROLE_TEXT, "%zu environments, %zu of them slots   ", count(app), slots);
	if (app->envs.list.marks.len)
		col += canvas_textf(canvas, row, col, canvas->cols - col, ROLE_KEY, "%zu marked  ", app->envs.list.marks.len);
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (counts[order[i]])
			col += canvas_textf(canvas, row, col, canvas->cols - col, role_of_state(order[i]), "%s %zu %s   ", mark_of_state(order[i]),
					    counts[order[i]], T(health_state_name(order[i])));
}

static int draw_members(struct app *app, const struct environment *env, struct canvas *canvas, int row, int end)
{
	AUTO_RELEASE(env_members) members = { 0 };
	int col = 1;

	envs_members(live_envs(app->live), env, &members, live_now_ms(app->live));
	for (size_t i = 0; i < members.len && row < end; i++) {
		const struct env_member *m = &members.items[i];

		if (!env_member_is_listed(m))
			continue;
		AUTO_FREE char *text = xasprintf("%s %s %s  ", mark_of_state(m->state), m->kind->kind, m->name);
		int width = text_width(text);

		if (col > 1 && col + width > canvas->cols) {
			col = 1;
			row++;
		}
		if (row >= end)
			break;
		col += canvas_text(canvas, row, col, canvas->cols - col, role_of_state(m->state), text);
	}
	return row + 1;
}

static void draw_lines(const struct pager *pager, struct canvas *canvas, int *row, int end)
{
	for (size_t i = 0; i < pager->len && *row < end; i++)
		canvas_text(canvas, (*row)++, 1, canvas->cols - 2, pager->lines[i].role, pager->lines[i].text);
}

static void draw_lines_of(struct app *app, const char *title, void (*add)(struct app *app, struct pager *pager), struct canvas *canvas, int *row, int end)
{
	struct pager pager = { 0 };

	if (end - *row < 3)
		return;
	add(app, &pager);
	canvas_rule(canvas, (*row)++, title, NULL);
	draw_lines(&pager, canvas, row, end);
	pager_release(&pager);
}

static void draw_section(struct app *app, const char *title, void (*add)(struct app *app, struct pager *pager, const struct object_ref *object, const char *namespace),
			 const char *namespace, struct canvas *canvas, int *row, int end)
{
	struct pager pager = { 0 };

	if (end - *row < 3)
		return;
	add(app, &pager, NULL, namespace);
	canvas_rule(canvas, (*row)++, title, NULL);
	draw_lines(&pager, canvas, row, end);
	pager_release(&pager);
}

static void cells_of(struct app *app, const struct environment *env, char ret[HEALTH_STRIP_CELLS + 1])
{
	health_strip_cells(live_strip(app->live), env->title, live_now_ms(app->live), ret);
}

static int draw_own_strip(struct app *app, const struct environment *env, struct canvas *canvas, int row)
{
	char cells[HEALTH_STRIP_CELLS + 1];
	int col = 1 + canvas_textf(canvas, row, 1, canvas->cols - HEALTH_STRIP_CELLS - 3, ROLE_DIM, "last 6 h, each 5 min ");

	cells_of(app, env, cells);
	canvas_text(canvas, row, col, 1, ROLE_DIM, "|");
	strip_draw(canvas, row, col + 1, HEALTH_STRIP_CELLS, cells);
	canvas_text(canvas, row, col + 1 + HEALTH_STRIP_CELLS, 1, ROLE_DIM, "|");
	return row + 1;
}

/* The strips of all that are listed, in the order of the list. */
static void draw_strips(struct app *app, struct canvas *canvas, int row, int rows, int width)
{
	const struct list *list = &app->envs.list;
	int end = row + rows;

	canvas_textf(canvas, row++, 1, width - 2, ROLE_DIM, "health over the last 6 h (1 cell = 5 min; healthy '_', progressing '-', degraded '#', no data ' ')");
	for (size_t i = 0; i < list->len && row < end; i++, row++) {
		const struct environment *env = env_at(app, list->order[i]);
		char cells[HEALTH_STRIP_CELLS + 1];

		if (row == end - 1 && i + 1 < list->len) {
			canvas_textf(canvas, row, 1, width - 2, ROLE_DIM, "and %zu more", list->len - i);
			break;
		}
		cells_of(app, env, cells);
		canvas_name(canvas, row, 1, 16, ROLE_TEXT, env->title);
		strip_draw(canvas, row, 18, HEALTH_STRIP_CELLS, cells);
	}
}

static void draw_preview(struct app *app, const struct environment *env, struct canvas *canvas, int row, int end)
{
	AUTO_RELEASE(buf) since = BUF_INIT(0);
	bool fine = health_is_fine(env->shown);
	AUTO_FREE char *title = xasprintf("%s: %s%s", env->title, fine ? "" : T("why "), T(health_state_name(env->shown)));
	int rest = end - row;

	if (env->since_ms) {
		buf_adds(&since, T("since "));
		add_age(&since, live_now_ms(app->live) - env->since_ms);
	}
	canvas_rule(canvas, row++, title, buf_cstr(&since));
	draw_causes(env->causes, env->shown, canvas, &row, end);
	if (!env->causes->len && !fine && *env->why && row < end)
		canvas_text(canvas, row++, 1, canvas->cols - 2, role_of_state(env->shown), env->why);
	if (*env->finding && row < end)
		canvas_text(canvas, row++, 1, canvas->cols - 2, ROLE_PROGRESS, env->finding);
	if (row < end)
		row = draw_members(app, env, canvas, row, end);
	if (canvas->cols >= STRIP_ROOM && rest >= 14 && row < end)
		row = draw_own_strip(app, env, canvas, row);
	if (*env->changed && row < end)
		canvas_textf(canvas, row++, 1, canvas->cols - 2, ROLE_TEXT, "changed: %s", env->changed);
	if (row < end)
		canvas_textf(canvas, row++, 1, canvas->cols - 2, ROLE_DIM, "namespace %s%s%s%s%s", *env->namespace ? env->namespace : T("(none)"),
			     *env->owner ? T("  owner ") : "", env->owner, *env->rule_id ? T("  rule ") : "", env->rule_id);
	if (rest >= 14)
		draw_section(app, T("what changed"), add_changes, env->namespace, canvas, &row, row + (end - row) / 2);
	draw_section(app, T("events"), add_events, env->namespace, canvas, &row, end);
}

static int list_rows(const struct list *list, int most)
{
	int wanted = (int)list->len + 1 < 4 ? 4 : (int)list->len + 1;

	return wanted > most ? most : wanted;
}

/* The list and the strips left, the preview right. */
static void draw_wide(struct app *app, const struct environment *env, struct canvas *canvas, int row, int rows)
{
	struct list_source source = source_of(app);
	int left = canvas->cols * 3 / 5, listed = list_rows(&app->envs.list, rows * 2 / 5 + 1), strips = (int)app->envs.list.len + 2, events;
	AUTO(canvas) here = canvas_create(left, rows, canvas->ascii);
	AUTO(canvas) there = canvas_create(canvas->cols - left - 1, rows, canvas->ascii);

	if (listed + 3 > rows)
		strips = 0;
	else if (listed + strips > rows)
		strips = rows - listed;
	list_draw(&app->envs.list, &source, here, 0, strips ? listed : rows, 0, left);
	if (strips)
		draw_strips(app, here, listed + 1, strips - 1, left);
	events = listed + strips + 1;
	if (strips)
		draw_lines_of(app, T("events of all environments, newest first"), add_newest_events, here, &events, rows);
	if (env)
		draw_preview(app, env, there, 0, rows);
	canvas_paste(canvas, row, 0, here);
	canvas_column(canvas, left, row, rows);
	canvas_paste(canvas, row, left + 1, there);
}

/* ---- below ---- */

static void draw_notices(struct app *app, struct canvas *canvas, int row, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct notice *notice = app_notice_at(app, i);
		AUTO_RELEASE(buf) line = BUF_INIT(0);

		add_clock(&line, notice->at_ms);
		buf_addf(&line, " %s", notice->text);
		canvas_text(canvas, row + (int)i, 1, canvas->cols - 2, notice->bad ? ROLE_BAD : ROLE_TEXT, buf_cstr(&line));
	}
}

static void draw_titled(struct canvas *canvas, int row, const char *title, const char *note)
{
	canvas_rule(canvas, row, title, note);
	canvas_hot(canvas, row, canvas->cols - 4 - text_width(note), text_width(note) + 2, 'J');
}

/* The running job and what was said last, as far as there is any of it; gives the row above which the rest has room. */
static int draw_bottom(struct app *app, struct canvas *canvas, struct area area)
{
	bool large = area.bottom - area.top >= LARGE, job = deploy_view_runs(&app->deploy) || (large && app->deploy.verdict);
	size_t notices = large ? NOTICES : 1;
	int top;

	notices = app->nnotices < notices ? app->nnotices : notices;
	top = area.bottom - (job ? 2 : 0) - (notices ? (int)notices + large : 0);
	area.top = top;
	if (job) {
		draw_titled(canvas, area.top, T("jobs"), T("J all jobs"));
		deploy_view_draw_line(&app->deploy, canvas, area.top + 1, live_now_ms(app->live));
		area.top += 2;
	}
	if (notices && large)
		draw_titled(canvas, area.top++, T("notices"), T("J all of them"));
	draw_notices(app, canvas, area.top, notices);
	return top;
}

/* Lets go of the text. */
static void draw_wrapped(struct pager *text, struct canvas *canvas, int row, int end)
{
	text->wrap = text->no_cursor = true;
	pager_update(text);
	pager_draw(text, canvas, row, end - row, 0, canvas->cols - 1);
	pager_release(text);
}

/* That nothing was found is said of a cluster that answers only. */
static void draw_none(struct app *app, struct canvas *canvas, int row, int end)
{
	struct pager text = { 0 };
	struct live_status status;

	live_status(app->live, &status);
	if (app->envs.list.filter)
		pager_add(&text, ROLE_DIM, T("nothing here has this text"));
	else if (status.state == LIVE_LOADING)
		pager_add(&text, ROLE_PROGRESS, T("the cluster is being asked what is there"));
	else if (status.state == LIVE_STALE)
		pager_addf(&text, ROLE_BAD, "the cluster does not tell what is there: %s", status.why);
	else
		pager_add(&text, ROLE_DIM, T("no environments yet: nothing was found that belongs to one"));
	draw_wrapped(&text, canvas, row, end);
}

/* On a screen too low for a preview, below the list: what its row had to cut. */
static void draw_low(struct app *app, const struct environment *env, struct canvas *canvas, int row, int end)
{
	struct pager text = { 0 };
	struct list_source source = source_of(app);
	bool said = env && !health_is_fine(env->shown) && *env->why && end - row >= WHY_ROOM;
	int listed = said ? list_rows(&app->envs.list, end - row - WHY_ROWS) : end - row;

	list_draw(&app->envs.list, &source, canvas, row, listed, 0, canvas->cols);
	if (!said)
		return;
	pager_add(&text, role_of_state(env->shown), env->why);
	draw_wrapped(&text, canvas, row + listed, end);
}

static void draw(struct app *app, struct canvas *canvas, struct area area)
{
	const struct environment *env = current(app);
	struct list_source source = source_of(app);
	bool tall = area.bottom - area.top >= 8, small = canvas->cols < NARROW;
	int row = area.top, rows;

	if (tall && !small && count(app))
		draw_counts(app, canvas, row++);
	if (!app->envs.list.len) {
		draw_none(app, canvas, row, area.bottom);
		return;
	}
	if (area.bottom - area.top >= LOWEST)
		area.bottom = draw_bottom(app, canvas, area);
	if (tall && canvas->cols >= WIDE) {
		draw_wide(app, env, canvas, row, area.bottom - row);
		return;
	}
	if (!tall) {
		draw_low(app, env, canvas, row, area.bottom);
		return;
	}
	rows = list_rows(&app->envs.list, (area.bottom - row) * 2 / 5 + 1);
	list_draw(&app->envs.list, &source, canvas, row, rows, 0, canvas->cols);
	if (env)
		draw_preview(app, env, canvas, row + rows, area.bottom);
}

/* ---- acting ---- */

static void next_problem(struct app *app)
{
	struct list *list = &app->envs.list;
	struct list_source source = source_of(app);

	for (size_t i = 1; i <= list->len; i++) {
		const struct environment *env = env_at(app, list->order[(list->cursor + i) % list->len]);

		if (health_is_fine(env->shown))
			continue;
		list_go_to(list, &source, env->title);
		return;
	}
	app_say_no_problem(app);
}

static bool act(struct app *app, enum action action)
{
	const struct environment *env = current(app);
	struct list_source source = source_of(app);

	if (action == ACTION_NEXT_PROBLEM) {
		next_problem(app);
	} else if (action == ACTION_OPEN && env) {
		work_show(app, env->title, NULL);
		app_go(app, VIEW_WORK);
	} else {
		return list_act(&app->envs.list, &source, action, app->canvas->rows / 3);
	}
	return true;
}

static void target(struct app *app, struct target *ret)
{
	const struct environment *env = current(app);

	if (env)
		target_of_environment(app, ret, env);
}

static void marked(struct app *app, struct targets *ret)
{
	struct list_source source = source_of(app);
	AUTO_FREE size_t *rows = NULL;
	size_t n;

	ret->list = &app->envs.list;
	ret->gone = list_marked(ret->list, &source, &rows, &n);
	for (size_t i = 0; i < n; i++) {
		struct target *target = targets_add(ret);

		if (target)
			target_of_environment(app, target, env_at(app, rows[i]));
	}
}

static void add_row_text(struct app *app, size_t n, struct buf *out)
{
	const struct environment *env = env_at(app, n);

	buf_adds(out, mark_of_state(env->shown));
	for (size_t column = 0; column < ARRAY_LEN(columns); column++) {
		AUTO_RELEASE(buf) text = BUF_INIT(0);

		cell(app, n, column, &text);
		buf_addf(out, " %-*s", columns[column].min, buf_cstr(&text));
	}
	buf_addc(out, '\n');
}

/* All that are listed, why the one under the cursor is as it is, and how all were. */
static void text(struct app *app, struct buf *out)
{
	const struct environment *env = current(app);
	const struct list *list = &app->envs.list;
	struct pager why = { 0 };

	for (size_t i = 0; i < list->len; i++)
		add_row_text(app, list->order[i], out);
	if (env) {
		buf_addc(out, '\n');
		add_why_environment(app, &why, env);
		pager_update(&why);
		pager_text(&why, out);
		pager_release(&why);
	}
	buf_addf(out, "\n%s\n", T("health over the last 6 h (1 cell = 5 min; healthy '_', progressing '-', degraded '#', no data ' ')"));
	for (size_t i = 0; i < list->len; i++) {
		char cells[HEALTH_STRIP_CELLS + 1];

		env = env_at(app, list->order[i]);
		cells_of(app, env, cells);
		buf_addf(out, "|%s| %s\n", cells, env->title);
	}
}

static void find(struct app *app, const char *text)
{
	list_find(app, &app->envs.list, text);
}

static void release(struct app *app)
{
	list_release(&app->envs.list);
}

const struct view_ops envs_view_ops = { .name = N_("Envs"), .tab = 1, .draw = draw, .act = act, .target = target, .marked = marked, .find = find, .text = text, .release = release };
