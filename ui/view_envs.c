#include <stdlib.h>
#include <string.h>

#include "ui/view.h"

enum role role_of_state(enum health_state state)
{
	static const enum role roles[] = { [HEALTH_HEALTHY] = ROLE_HEALTHY,	[HEALTH_SUSPENDED] = ROLE_DIM, [HEALTH_PROGRESSING] = ROLE_PROGRESS,
					   [HEALTH_DELETING] = ROLE_PROGRESS,	[HEALTH_MISSING] = ROLE_BAD,   [HEALTH_UNKNOWN] = ROLE_UNKNOWN,
					   [HEALTH_DEGRADED] = ROLE_BAD };

	return roles[state];
}

const char *mark_of_state(enum health_state state)
{
	static const char *const marks[] = { [HEALTH_HEALTHY] = "✓",  [HEALTH_SUSPENDED] = "-", [HEALTH_PROGRESSING] = "~", [HEALTH_DELETING] = "~",
					     [HEALTH_MISSING] = "✗", [HEALTH_UNKNOWN] = "?",	[HEALTH_DEGRADED] = "✗" };

	return marks[state];
}

void add_age(struct buf *out, int64_t ms)
{
	int64_t s = ms / 1000;

	if (s < 0)
		s = 0;
	if (s < 60)
		buf_addf(out, "%llds", (long long)s);
	else if (s < 3600)
		buf_addf(out, "%lldm", (long long)(s / 60));
	else if (s < 48 * 3600)
		buf_addf(out, "%lldh", (long long)(s / 3600));
	else
		buf_addf(out, "%lldd", (long long)(s / 86400));
}

/* ---- the cursor ---- */

static size_t index_of(struct live *live, const char *title)
{
	const struct environment *env;

	for (size_t i = 0; title && (env = envs_at(live_envs(live), i)); i++)
		if (strcmp(env->title, title) == 0)
			return i;
	return SIZE_MAX;
}

static size_t position(const struct envs_view *view, struct live *live)
{
	size_t count = envs_count(live_envs(live)), at = index_of(live, view->selected);

	if (at != SIZE_MAX)
		return at;
	return view->cursor < count ? view->cursor : count ? count - 1 : 0;
}

const struct environment *envs_view_current(struct envs_view *view, struct live *live)
{
	return envs_at(live_envs(live), position(view, live));
}

static void select_at(struct envs_view *view, struct live *live, size_t at)
{
	const struct environment *env = envs_at(live_envs(live), at);

	view->cursor = at;
	free(view->selected);
	view->selected = env ? xstrdup(env->title) : NULL;
}

void envs_view_move(struct envs_view *view, struct live *live, long by)
{
	long count = (long)envs_count(live_envs(live)), at = (long)position(view, live) + by;

	if (count)
		select_at(view, live, (size_t)(at < 0 ? 0 : at >= count ? count - 1 : at));
}

void envs_view_next_problem(struct envs_view *view, struct live *live)
{
	size_t count = envs_count(live_envs(live)), at = position(view, live);

	for (size_t i = 1; i <= count; i++) {
		const struct environment *env = envs_at(live_envs(live), (at + i) % count);

		if (env->shown == HEALTH_HEALTHY || env->shown == HEALTH_SUSPENDED)
			continue;
		select_at(view, live, (at + i) % count);
		return;
	}
}

/* ---- drawing ---- */

static void draw_counts(struct live *live, struct canvas *canvas, int row)
{
	static const enum health_state order[] = { HEALTH_DEGRADED, HEALTH_MISSING, HEALTH_UNKNOWN, HEALTH_PROGRESSING, HEALTH_HEALTHY };
	size_t counts[HEALTH_DEGRADED + 1] = { 0 };
	const struct environment *env;
	int col = 1;

	for (size_t i = 0; (env = envs_at(live_envs(live), i)); i++)
		counts[env->shown]++;
	col += canvas_textf(canvas, row, col, canvas->cols, ROLE_TEXT, "%zu environments  ", envs_count(live_envs(live)));
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (counts[order[i]])
			col += canvas_textf(canvas, row, col, canvas->cols - col, role_of_state(order[i]), "%s %zu %s  ", mark_of_state(order[i]),
					    counts[order[i]], health_state_name(order[i]));
}

static void draw_row(const struct environment *env, struct canvas *canvas, int row, bool selected, int64_t now_ms)
{
	AUTO_RELEASE(buf) age = BUF_INIT(0);
	bool narrow = canvas->cols < 70;
	int name_width = narrow ? 12 : canvas->cols >= 110 ? 18 : 13, why_col = narrow ? 3 + name_width : 3 + name_width + 8;
	int right = narrow ? 0 : 6, extra = canvas->cols >= 110 ? 14 : 0;

	canvas_text(canvas, row, 0, 1, ROLE_KEY, selected ? ">" : " ");
	canvas_text(canvas, row, 1, 1, role_of_state(env->shown), mark_of_state(env->shown));
	canvas_name(canvas, row, 3, name_width - 1, ROLE_TEXT, env->title);
	if (!narrow)
		canvas_textf(canvas, row, 3 + name_width, 7, ROLE_TEXT, env->state == HEALTH_UNKNOWN ? "?/%u" : "%u/%u",
			     env->state == HEALTH_UNKNOWN ? env->total : env->ready, env->total);
	canvas_text(canvas, row, why_col, canvas->cols - why_col - right - extra - 1, role_of_state(env->shown),
		    *env->why ? env->why : health_state_name(env->shown));
	if (extra && env->issue)
		canvas_textf(canvas, row, canvas->cols - right - extra, extra - 1, ROLE_DIM, env->pr ? "#%lld PR%lld" : "#%lld", (long long)env->issue,
			     (long long)env->pr);
	if (env->created_ms)
		add_age(&age, now_ms - env->created_ms);
	if (right)
		canvas_right(canvas, row, canvas->cols - right, right - 1, ROLE_DIM, buf_cstr(&age));
	if (selected)
		canvas_select(canvas, row, 0, canvas->cols);
}

/* Rows that are shown, so that the cursor is among them. */
static size_t first_row(size_t cursor, size_t count, size_t room)
{
	if (count <= room || cursor < room / 2)
		return 0;
	return cursor + room / 2 >= count ? count - room : cursor - room / 2;
}

static int draw_causes(const struct environment *env, struct canvas *canvas, int row, int end)
{
	for (size_t i = 0; i < env->causes->len && row < end; i++) {
		AUTO_RELEASE(buf) line = BUF_INIT(0);

		cause_format(&env->causes->items[i], &line);
		int indent = 1 + 2 * (int)i;

		if (i)
			canvas_text(canvas, row, indent, 2, ROLE_DIM, "└ ");
		canvas_text(canvas, row++, indent + (i ? 2 : 0), canvas->cols - indent - 2, i ? ROLE_TEXT : role_of_state(env->shown), buf_cstr(&line));
	}
	return row;
}

static int draw_members(struct live *live, const struct environment *env, struct canvas *canvas, int row, int end)
{
	AUTO_RELEASE(env_members) members = { 0 };
	int col = 1;

	envs_members(live_envs(live), env, &members, live_now_ms(live));
	for (size_t i = 0; i < members.len && row < end; i++) {
		const struct env_member *m = &members.items[i];

		if (!m->is_workload)
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

static void draw_preview(struct live *live, const struct environment *env, struct canvas *canvas, int row, int end)
{
	AUTO_RELEASE(buf) since = BUF_INIT(0);
	bool fine = env->shown == HEALTH_HEALTHY || env->shown == HEALTH_SUSPENDED;
	AUTO_FREE char *title = xasprintf("%s: %s%s", env->title, fine ? "" : "why ", health_state_name(env->shown));

	if (env->since_ms) {
		buf_adds(&since, "since ");
		add_age(&since, live_now_ms(live) - env->since_ms);
	}
	canvas_rule(canvas, row++, title, buf_cstr(&since));
	row = draw_causes(env, canvas, row, end);
	if (*env->finding && row < end)
		canvas_text(canvas, row++, 1, canvas->cols - 2, ROLE_PROGRESS, env->finding);
	if (row < end)
		row = draw_members(live, env, canvas, row, end);
	if (row < end)
		canvas_textf(canvas, row++, 1, canvas->cols - 2, ROLE_DIM, "namespace %s%s%s%s%s", *env->namespace ? env->namespace : "(none)",
			     *env->owner ? "  owner " : "", env->owner, *env->rule_id ? "  rule " : "", env->rule_id);
}

void envs_view_draw(const struct envs_view *view, struct live *live, struct canvas *canvas, int top)
{
	size_t count = envs_count(live_envs(live)), cursor = position(view, live);
	int body = canvas->rows - top - 1; /* the last line is the keys' */
	bool tall = body >= 8, small = canvas->cols < 70;
	int list = tall ? body * 2 / 5 : body, row = top;

	if (tall && !small)
		draw_counts(live, canvas, row++);
	if (list > (int)count)
		list = (int)count;
	if (list < 1)
		list = 1;
	if (!small && tall)
		canvas_textf(canvas, row++, 1, canvas->cols - 1, ROLE_DIM, canvas->cols >= 110 ? "S %-18s%-8s%s" : "S %-13s%-8s%s", "ENV / SLOT", "READY",
			     "WHY (worst cause first)");
	if (!count)
		canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM, "no environments yet: nothing was found that belongs to one");
	size_t first = first_row(cursor, count, (size_t)list);

	for (size_t i = first; i < count && i < first + (size_t)list; i++)
		draw_row(envs_at(live_envs(live), i), canvas, row++, i == cursor, live_now_ms(live));
	if (count && tall)
		draw_preview(live, envs_at(live_envs(live), cursor), canvas, row, canvas->rows - 1);
}
