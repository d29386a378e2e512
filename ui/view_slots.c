/* Screen 2: the slots board. Rows when narrow, cards when there is room, columns by state when there is plenty. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/slots.h"
#include "ui/state.h"
#include "ui/text.h"

#define CARD_COLS  30
#define CARD_ROWS  6
#define CARDS_FROM 100 /* columns of the screen */
#define BOARD_FROM 180

enum { COLUMN_SLOT, COLUMN_STATE, COLUMN_OWNER, COLUMN_ISSUE, COLUMN_PR, COLUMN_HEALTH, COLUMN_STEP, COLUMN_AGE };

static const struct list_column columns[] = {
	[COLUMN_SLOT] = { N_("SLOT"), 5, 5, 1, 0, false, CUT_END },	     [COLUMN_STATE] = { N_("STATE"), 9, 9, 1, 0, false, CUT_END },
	[COLUMN_OWNER] = { N_("OWNER"), 12, 12, 6, 0, false, CUT_MIDDLE },     [COLUMN_ISSUE] = { N_("ISSUE"), 6, 6, 4, 0, false, CUT_END },
	[COLUMN_PR] = { N_("PR"), 6, 6, 3, 0, false, CUT_END },	     [COLUMN_HEALTH] = { N_("HEALTH"), 7, 7, 2, 0, false, CUT_END },
	[COLUMN_STEP] = { N_("STEP"), 12, 12, 1, 1, false, CUT_END },	     [COLUMN_AGE] = { N_("AGE"), 4, 4, 5, 0, true, CUT_END },
};

static const struct slot_card *card_at(struct app *app, size_t n)
{
	return &app->slots.cards.items[n];
}

static size_t count(void *app)
{
	return ((struct app *)app)->slots.cards.len;
}

static const char *key_of(struct app *app, const struct slot_card *card)
{
	snprintf(app->slots.key, sizeof app->slots.key, "%lld", (long long)card->slot);
	return app->slots.key;
}

static const char *key(void *app, size_t n)
{
	return key_of(app, card_at(app, n));
}

static const char *mark(void *arg, size_t n, enum role *ret_role)
{
	const struct slot_card *card = card_at(arg, n);

	*ret_role = card->env ? role_of_state(card->env->shown) : ROLE_DIM;
	return card->env ? mark_of_state(card->env->shown) : "-";
}

static void add_health(const struct environment *env, struct buf *out)
{
	buf_addf(out, env->state == HEALTH_UNKNOWN ? "?/%u" : "%u/%u", env->state == HEALTH_UNKNOWN ? env->total : env->ready, env->total);
}

static enum role cell(void *arg, size_t n, size_t column, struct buf *out)
{
	struct app *app = arg;
	const struct slot_card *card = card_at(app, n);
	const struct environment *env = card->env;

	if (column == COLUMN_SLOT)
		buf_addf(out, "%lld", (long long)card->slot);
	else if (column == COLUMN_STATE)
		buf_adds(out, slot_state_name(card->state));
	else if (!env)
		return ROLE_DIM;
	else if (column == COLUMN_OWNER)
		buf_adds(out, *env->owner ? env->owner : "-");
	else if (column == COLUMN_ISSUE)
		buf_addf(out, env->issue ? "#%lld" : "-", (long long)env->issue);
	else if (column == COLUMN_PR)
		buf_addf(out, env->pr ? "PR%lld" : "-", (long long)env->pr);
	else if (column == COLUMN_HEALTH)
		add_health(env, out);
	else if (column == COLUMN_STEP)
		slot_step(card, out);
	else if (env->created_ms)
		add_age(out, live_now_ms(app->live) - env->created_ms);
	return !env ? ROLE_DIM : column == COLUMN_STEP || column == COLUMN_STATE ? role_of_state(env->shown) : ROLE_TEXT;
}

static struct list_source source_of(struct app *app)
{
	return (struct list_source){ columns, ARRAY_LEN(columns), count, key, cell, mark, app };
}

/* NULL: no records of slots are kept. */
static const struct scope *records_of(const struct app *app)
{
	const char *namespace = app->options->state_namespace;

	return namespace && *namespace ? store_scope(live_store(app->live), &kind_config_map, namespace) : NULL;
}

static const struct slot_card *current(struct app *app)
{
	struct list_source source = source_of(app);
	size_t at;

	slot_cards_fill(&app->slots.cards, app->live, app->options->max_slots, records_of(app));
	list_update(&app->slots.list, &source, false);
	at = list_current(&app->slots.list);
	return at == SIZE_MAX ? NULL : card_at(app, at);
}

/* ---- drawing ---- */

static void draw_counts(struct app *app, struct canvas *canvas, int row)
{
	size_t counts[SLOT_STATES] = { 0 }, used = 0;
	int col = 1;

	for (size_t i = 0; i < app->slots.cards.len; i++) {
		counts[card_at(app, i)->state]++;
		used += card_at(app, i)->env != NULL;
	}
	if (app->slots.cards.len)
		col += canvas_textf(canvas, row, col, canvas->cols - col, ROLE_TEXT, "%zu of %zu slots used   ", used, app->slots.cards.len);
	if (app->slots.list.marks.len)
		col += canvas_textf(canvas, row, col, canvas->cols - col, ROLE_KEY, "%zu marked  ", app->slots.list.marks.len);
	for (size_t s = SLOT_PREPARING; s < SLOT_STATES; s++)
		if (counts[s])
			col += canvas_textf(canvas, row, col, canvas->cols - col, s == SLOT_TROUBLE ? ROLE_BAD : ROLE_DIM, "%zu %s   ", counts[s],
					    slot_state_name((enum slot_state)s));
}

static void draw_card(struct app *app, const struct slot_card *card, bool selected, struct canvas *canvas, int row, int col, int cols)
{
	const struct environment *env = card->env;
	const char *mark_of_card = app->slots.list.marks.len && map_has(&app->slots.list.marks, str_of(key_of(app, card))) ? "* " : "";
	AUTO_FREE char *title = xasprintf("%s%s%s %lld: %s", selected ? "> " : "", mark_of_card, T("slot"), (long long)card->slot, slot_state_name(card->state));
	AUTO_RELEASE(buf) step = BUF_INIT(0);
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	canvas_box(canvas, row, col, CARD_ROWS, cols, title);
	slot_step(card, &step);
	if (env) {
		add_health(env, &line);
		if (env->created_ms) {
			buf_adds(&line, "  ");
			add_age(&line, live_now_ms(app->live) - env->created_ms);
		}
		canvas_text(canvas, row + 1, col + 2, 1, role_of_state(env->shown), mark_of_state(env->shown));
		canvas_text(canvas, row + 1, col + 4, cols - 6, ROLE_TEXT, buf_cstr(&line));
		canvas_textf(canvas, row + 2, col + 2, cols - 4, ROLE_DIM, env->issue ? env->pr ? "#%lld PR%lld" : "#%lld" : "no issue", (long long)env->issue,
			     (long long)env->pr);
		canvas_textf(canvas, row + 4, col + 2, cols - 4, ROLE_DIM, "by %s", *env->owner ? env->owner : T("nobody"));
	}
	canvas_text(canvas, row + 3, col + 2, cols - 4, env ? role_of_state(env->shown) : ROLE_DIM, buf_cstr(&step));
	if (selected)
		canvas_select(canvas, row, col + 1, cols - 2);
}

/* The rows that the cards take. The row of the cursor is always among those drawn. */
static int draw_cards(struct app *app, struct canvas *canvas, int row, int rows)
{
	const struct list *list = &app->slots.list;
	size_t per_row = (size_t)(canvas->cols / CARD_COLS), lines = (list->len + per_row - 1) / per_row;
	int cols = canvas->cols / (int)per_row;
	size_t room = (size_t)(rows / CARD_ROWS), first = list->cursor / per_row;

	first = lines <= room || first < room / 2 ? 0 : first - room / 2;
	if (lines > room && first + room > lines)
		first = lines - room;
	for (size_t i = first * per_row; i < list->len && i < (first + room) * per_row; i++)
		draw_card(app, card_at(app, list->order[i]), i == list->cursor, canvas, row + (int)(i / per_row - first) * CARD_ROWS,
			  (int)(i % per_row) * cols, cols);
	app->slots.per_row = (long)per_row;
	return (int)(lines < room ? lines : room) * CARD_ROWS;
}

static int draw_board(struct app *app, struct canvas *canvas, int row, int rows)
{
	const struct list *list = &app->slots.list;
	int cols = canvas->cols / SLOT_STATES, used[SLOT_STATES] = { 0 }, most = 1;

	for (int s = 0; s < SLOT_STATES; s++)
		canvas_text(canvas, row, s * cols + 1, cols - 1, s == SLOT_TROUBLE ? ROLE_BAD : ROLE_TITLE, slot_state_name((enum slot_state)s));
	for (size_t i = 0; i < list->len; i++) {
		const struct slot_card *card = card_at(app, list->order[i]);
		int at = used[card->state], height = card->env ? CARD_ROWS : 1;

		if (1 + at + height > rows)
			continue;
		if (card->env)
			draw_card(app, card, i == list->cursor, canvas, row + 1 + at, (int)card->state * cols, cols - 1);
		else
			canvas_textf(canvas, row + 1 + at, 1, cols - 2, i == list->cursor ? ROLE_KEY : ROLE_DIM, "%c slot %lld", i == list->cursor ? '>' : ' ',
				     (long long)card->slot);
		used[card->state] += height;
		most = used[card->state] > most ? used[card->state] : most;
	}
	app->slots.per_row = 1;
	return most + 1;
}

static int draw_rows(struct app *app, struct canvas *canvas, int row, int rows)
{
	struct list_source source = source_of(app);
	int wanted = (int)app->slots.list.len + 1, most = rows > 10 ? rows / 2 : rows;

	wanted = wanted < 4 ? 4 : wanted > most ? most : wanted;
	list_draw(&app->slots.list, &source, canvas, row, wanted, 0, canvas->cols);
	app->slots.per_row = 1;
	return wanted;
}

static void draw_line(struct canvas *canvas, int *row, int end, const char *name, enum role role, const char *text)
{
	if (*row >= end || !*text)
		return;
	canvas_text(canvas, *row, 1, 9, ROLE_DIM, name);
	canvas_text(canvas, (*row)++, 11, canvas->cols - 12, role, text);
}

static void draw_detail(struct app *app, const struct slot_card *card, struct canvas *canvas, int row, int end)
{
	const struct environment *env = card->env;
	AUTO_FREE char *title = xasprintf(T("slot %lld"), (long long)card->slot);
	AUTO_FREE char *note = env ? xasprintf(T("ns %s"), *env->namespace ? env->namespace : T("(none)")) : NULL;
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct pager changes = { 0 };

	if (end - row < 3)
		return;
	canvas_rule(canvas, row++, title, note);
	if (!env) {
		draw_line(canvas, &row, end, T("state"), ROLE_DIM, T("free: the next ensure-slot takes it"));
		return;
	}
	buf_addf(&text, "%s %s%s%s", mark_of_state(env->shown), T(health_state_name(env->shown)), *env->why ? ": " : "", env->why);
	draw_line(canvas, &row, end, T("health"), role_of_state(env->shown), buf_cstr(&text));
	buf_reset(&text);
	if (card->agent)
		buf_addf(&text, T("pod %s, %s, %d restarts"), card->agent->name, card->agent->pod->phase,
			 card->agent->pod->ncontainers ? card->agent->pod->containers[0].restarts : 0);
	draw_line(canvas, &row, end, T("agent"), ROLE_TEXT, card->agent ? buf_cstr(&text) : T("no pod of an agent"));
	draw_line(canvas, &row, end, T("record"), ROLE_TEXT, env->has_record ? env->record_name : T("none: nobody holds this slot"));
	draw_line(canvas, &row, end, T("finding"), ROLE_PROGRESS, env->finding);
	draw_line(canvas, &row, end, T("changed"), ROLE_TEXT, env->changed);
	if (end - row > 2) {
		canvas_rule(canvas, row++, T("what changed"), NULL);
		add_changes(app, &changes, NULL, env->namespace);
		for (size_t i = 0; i < changes.len && row < end; i++)
			canvas_text(canvas, row++, 1, canvas->cols - 2, changes.lines[i].role, changes.lines[i].text);
		pager_release(&changes);
	}
}

static void draw_none(struct app *app, struct canvas *canvas, int row)
{
	const char *records = app->options->state_namespace;
	AUTO_RELEASE(buf) doubt = BUF_INIT(0);

	if (records && *records)
		app_add_doubt(app, &kind_config_map, records, &doubt);
	canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM,
		    doubt.len		     ? buf_cstr(&doubt)
		    : app->slots.list.filter ? T("no slot has this text")
					     : T("no slots: nothing holds one, and services.yaml names no maxSlots"));
}

static void draw(struct app *app, struct canvas *canvas, struct area area)
{
	const struct slot_card *card = current(app);
	int row = area.top;

	if (area.bottom - area.top >= 8)
		draw_counts(app, canvas, row++);
	if (!card) {
		draw_none(app, canvas, row);
		return;
	}
	int rows = area.bottom - row, detail = rows > 14 ? 6 : 0;

	row += canvas->cols >= BOARD_FROM && rows > 14 ? draw_board(app, canvas, row, rows - detail)
	       : canvas->cols >= CARDS_FROM && rows > 14 ? draw_cards(app, canvas, row, rows - detail)
							 : draw_rows(app, canvas, row, rows);
	draw_detail(app, card, canvas, row, area.bottom);
}

/* ---- acting ---- */

static bool next_problem(struct app *app)
{
	struct list *list = &app->slots.list;
	struct list_source source = source_of(app);

	for (size_t i = 1; i <= list->len; i++) {
		size_t at = (list->cursor + i) % list->len;

		if (card_at(app, list->order[at])->state != SLOT_TROUBLE)
			continue;
		list_move(list, &source, (long)at - (long)list->cursor);
		return true;
	}
	app_say_no_problem(app);
	return true;
}

static bool act(struct app *app, enum action action)
{
	const struct slot_card *card = current(app);
	struct list_source source = source_of(app);

	if (action == ACTION_NEXT_PROBLEM)
		return next_problem(app);
	if (action == ACTION_LEFT || action == ACTION_RIGHT) {
		list_move(&app->slots.list, &source, action == ACTION_LEFT ? -1 : 1);
		return true;
	}
	if (action == ACTION_UP || action == ACTION_DOWN) {
		list_move(&app->slots.list, &source, action == ACTION_UP ? -app->slots.per_row : app->slots.per_row);
		return true;
	}
	if (action == ACTION_OPEN && card && card->env) {
		work_show(app, card->env->title, NULL);
		app_go(app, VIEW_WORK);
		return true;
	}
	if (action == ACTION_OPEN) {
		app_say(app, "this slot is free");
		return true;
	}
	return list_act(&app->slots.list, &source, action, app->canvas->rows / 3);
}

static void marked(struct app *app, struct targets *ret)
{
	struct list_source source = source_of(app);
	AUTO_FREE size_t *rows = NULL;
	size_t n;

	current(app);
	ret->list = &app->slots.list;
	ret->gone = list_marked(ret->list, &source, &rows, &n);
	for (size_t i = 0; i < n; i++) {
		const struct slot_card *card = card_at(app, rows[i]);
		struct target *target = targets_add(ret);

		if (target && card->env)
			target_of_environment(app, target, card->env);
		else if (target)
			*target = (struct target){ .title = xasprintf(T("slot %lld"), (long long)card->slot), .env = xstrdup(""), .namespace = xstrdup("") };
	}
}

static void target(struct app *app, struct target *ret)
{
	const struct slot_card *card = current(app);

	if (card && card->env)
		target_of_environment(app, ret, card->env);
}

static void find(struct app *app, const char *text)
{
	list_find(app, &app->slots.list, text);
}

static void release(struct app *app)
{
	slot_cards_release(&app->slots.cards);
	list_release(&app->slots.list);
	app->slots.key[0] = '\0';
}

const struct view_ops slots_view_ops = { .name = N_("Slots"), .tab = 2, .draw = draw, .act = act, .target = target, .marked = marked, .find = find, .release = release };
