/* Screen 6: slots whose record names a pull request, with the state of what would be reviewed. */
#include <stdlib.h>
#include <string.h>

#include "ui/state.h"
#include "ui/text.h"

enum { COLUMN_PR, COLUMN_ISSUE, COLUMN_SLOT, COLUMN_OWNER, COLUMN_HEALTH, COLUMN_WHY, COLUMN_AGE };

static const struct list_column columns[] = {
	[COLUMN_PR] = { N_("PR"), 7, 7, 1, 0, false, CUT_END },	  [COLUMN_ISSUE] = { N_("ISSUE"), 7, 7, 1, 0, false, CUT_END },
	[COLUMN_SLOT] = { N_("ENV / SLOT"), 13, 13, 1, 0, false, CUT_MIDDLE }, [COLUMN_OWNER] = { N_("RUN"), 14, 14, 4, 0, false, CUT_MIDDLE },
	[COLUMN_HEALTH] = { N_("READY"), 6, 6, 2, 0, false, CUT_END }, [COLUMN_WHY] = { N_("STATE"), 10, 10, 1, 1, false, CUT_END },
	[COLUMN_AGE] = { N_("AGE"), 4, 4, 3, 0, true, CUT_END },
};

static const struct environment *env_at(struct app *app, size_t n)
{
	const struct environment *env;

	for (size_t i = 0; (env = envs_at(live_envs(app->live), i)); i++)
		if (env->pr && n-- == 0)
			return env;
	return NULL;
}

static size_t count(void *app)
{
	size_t n = 0;

	while (env_at(app, n))
		n++;
	return n;
}

static const char *key(void *app, size_t n)
{
	return env_at(app, n)->title;
}

static const char *mark(void *app, size_t n, enum role *ret_role)
{
	*ret_role = role_of_state(env_at(app, n)->shown);
	return mark_of_state(env_at(app, n)->shown);
}

static enum role cell(void *arg, size_t n, size_t column, struct buf *out)
{
	struct app *app = arg;
	const struct environment *env = env_at(app, n);

	if (column == COLUMN_PR)
		buf_addf(out, "PR%lld", (long long)env->pr);
	else if (column == COLUMN_ISSUE)
		buf_addf(out, env->issue ? "#%lld" : "-", (long long)env->issue);
	else if (column == COLUMN_SLOT)
		buf_adds(out, env->title);
	else if (column == COLUMN_OWNER)
		buf_adds(out, *env->owner ? env->owner : "-");
	else if (column == COLUMN_HEALTH)
		buf_addf(out, env->state == HEALTH_UNKNOWN ? "?/%u" : "%u/%u", env->state == HEALTH_UNKNOWN ? env->total : env->ready, env->total);
	else if (column == COLUMN_WHY)
		buf_adds(out, *env->why ? env->why : T(health_state_name(env->shown)));
	else if (env->created_ms)
		add_age(out, live_now_ms(app->live) - env->created_ms);
	return column == COLUMN_WHY ? role_of_state(env->shown) : ROLE_TEXT;
}

static struct list_source source_of(struct app *app)
{
	return (struct list_source){ columns, ARRAY_LEN(columns), count, key, cell, mark, app };
}

static const struct environment *current(struct app *app)
{
	struct list_source source = source_of(app);
	size_t at;

	list_update(&app->review.list, &source, app_holds_still(app));
	at = list_current(&app->review.list);
	return at == SIZE_MAX ? NULL : env_at(app, at);
}

/* Pull requests stand in the records of slots. */
static void draw_none(struct app *app, struct canvas *canvas, int row)
{
	const char *records = app->options->state_namespace;
	AUTO_RELEASE(buf) doubt = BUF_INIT(0);

	if (records && *records)
		app_add_doubt(app, &kind_config_map, records, &doubt);
	canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM, doubt.len ? buf_cstr(&doubt) : T("no slot's record names a pull request"));
}

static void draw(struct app *app, struct canvas *canvas, struct area area)
{
	const struct environment *env = current(app);
	struct list_source source = source_of(app);
	int row = area.top, rows = area.bottom - row;

	if (!env) {
		draw_none(app, canvas, row);
		return;
	}
	rows = rows > 12 ? rows / 2 : rows;
	list_draw(&app->review.list, &source, canvas, row, rows, 0, canvas->cols);
	row += rows;
	if (area.bottom - row < 3)
		return;
	AUTO_FREE char *title = xasprintf("%s, PR %lld", env->title, (long long)env->pr);

	canvas_rule(canvas, row++, title, NULL);
	draw_causes(env->causes, env->shown, canvas, &row, area.bottom);
	if (row < area.bottom)
		canvas_textf(canvas, row++, 1, canvas->cols - 2, role_of_state(env->shown), "%s %s: %u of %u workloads ready", mark_of_state(env->shown),
			     T(health_state_name(env->shown)), env->ready, env->total);
	if (row < area.bottom)
		canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM, T("what is known is the slot's record; the pull request itself is not read here"));
}

static bool act(struct app *app, enum action action)
{
	const struct environment *env = current(app);
	struct list_source source = source_of(app);

	if (action == ACTION_OPEN && env) {
		work_show(app, env->title, NULL);
		app_go(app, VIEW_WORK);
		return true;
	}
	return list_act(&app->review.list, &source, action, app->canvas->rows / 3);
}

static void target(struct app *app, struct target *ret)
{
	const struct environment *env = current(app);

	if (env)
		target_of_environment(app, ret, env);
}

static void find(struct app *app, const char *text)
{
	list_find(app, &app->review.list, text);
}

static void release(struct app *app)
{
	list_release(&app->review.list);
}

const struct view_ops review_view_ops = { .name = N_("Review"), .tab = 6, .draw = draw, .act = act, .target = target, .find = find, .release = release };
