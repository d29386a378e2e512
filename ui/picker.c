#include "ui/picker.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ui/state.h"
#include "ui/term.h"
#include "ui/text.h"

#define WIDTH 90

/* ---- matching ---- */

static bool begins_word(const char *text, size_t at)
{
	return at == 0 || !isalnum((unsigned char)text[at - 1]) || (isupper((unsigned char)text[at]) && islower((unsigned char)text[at - 1]));
}

static int lower(char c)
{
	return tolower((unsigned char)c);
}

/* The best of all ways is not looked for: from each possible first letter on, greedily. Good enough, and linear in practice. */
static int score_from(const char *query, const char *text, size_t at)
{
	int score = 0;
	bool runs = false;

	for (; *query; query++, at++) {
		if (*query == ' ') {
			runs = false;
			at--;
			continue;
		}
		while (text[at] && lower(text[at]) != lower(*query)) {
			at++;
			runs = false;
		}
		if (!text[at])
			return 0;
		score += runs ? 8 : begins_word(text, at) ? 6 : 1;
		runs = true;
	}
	return score;
}

int fuzzy_score(const char *query, const char *text)
{
	size_t len = strlen(text);
	int best = 0;

	query += strspn(query, " ");
	if (!*query)
		return 1;
	for (size_t i = 0; i < len; i++) {
		int score = lower(text[i]) == lower(*query) ? score_from(query, text, i) : 0;

		best = score > best ? score : best;
	}
	return best ? best * 64 + (len < 63 ? 63 - (int)len : 0) : 0;
}

/* ---- the list ---- */

static void free_items(struct picker *picker)
{
	for (size_t i = 0; i < picker->len; i++) {
		free(picker->items[i].label);
		free(picker->items[i].detail);
		free(picker->items[i].reason);
		free(picker->items[i].text);
	}
	free(picker->items);
	free(picker->shown);
}

void picker_clear(struct picker *picker)
{
	free_items(picker);
	picker->items = NULL;
	picker->shown = NULL;
	picker->len = picker->cap = picker->nshown = picker->shown_cap = picker->cursor = picker->first = 0;
}

void picker_close(struct picker *picker)
{
	free_items(picker);
	free(picker->title);
	*picker = (struct picker){ 0 };
}

static int compare_shown(const void *a, const void *b, void *arg)
{
	const struct picker *picker = arg;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int p = picker->items[x].score, q = picker->items[y].score;

	return p != q ? q - p : x < y ? -1 : 1;
}

void picker_look(struct picker *picker)
{
	picker->nshown = picker->cursor = picker->first = 0;
	for (size_t i = 0; i < picker->len; i++) {
		picker->items[i].score = fuzzy_score(picker->query.text, picker->items[i].label);
		if (picker->items[i].score)
			LIST_PUSH(picker->shown, picker->nshown, picker->shown_cap) = i;
	}
	if (picker->query.len)
		qsort_r(picker->shown, picker->nshown, sizeof *picker->shown, compare_shown, picker);
}

void picker_open(struct picker *picker, const char *title, void (*pick)(struct app *app, const struct pick_item *item))
{
	picker_close(picker);
	picker->open = true;
	picker->title = xstrdup(title);
	picker->pick = pick;
}

void picker_add(struct picker *picker, int tag, const char *label, const char *detail, const char *key, const char *reason, const char *text)
{
	LIST_PUSH(picker->items, picker->len, picker->cap) = (struct pick_item){ .label = xstrdup(label),
										 .detail = xstrdup(detail ? detail : ""),
										 .key = key ? key : "",
										 .reason = reason ? xstrdup(reason) : NULL,
										 .tag = tag,
										 .text = text ? xstrdup(text) : NULL };
	LIST_PUSH(picker->shown, picker->nshown, picker->shown_cap) = picker->len - 1;
}

static void choose(struct picker *picker, struct app *app)
{
	if (picker->cursor >= picker->nshown)
		return;
	if (picker->items[picker->shown[picker->cursor]].reason) {
		app_say(app, "%s", picker->items[picker->shown[picker->cursor]].reason);
		return;
	}
	struct picker taken = *picker;

	*picker = (struct picker){ 0 };
	taken.pick(app, &taken.items[taken.shown[taken.cursor]]);
	picker_close(&taken);
}

static void move(struct picker *picker, long by)
{
	long at = (long)picker->cursor + by, last = (long)picker->nshown - 1;

	picker->cursor = (size_t)(last < 0 || at < 0 ? 0 : at > last ? last : at);
}

bool picker_key(struct picker *picker, struct app *app, uint32_t key)
{
	if (!picker->open)
		return false;
	if (key == KEY_TERM_ESCAPE || key == ('c' & 31))
		picker_close(picker);
	else if (key == KEY_TERM_ENTER)
		choose(picker, app);
	else if (key == KEY_TERM_UP || key == KEY_TERM_BACKTAB)
		move(picker, -1);
	else if (key == KEY_TERM_DOWN || key == '\t')
		move(picker, 1);
	else if (key == KEY_TERM_PAGE_UP)
		move(picker, -10);
	else if (key == KEY_TERM_PAGE_DOWN)
		move(picker, 10);
	else if (line_edit_key(&picker->query, key))
		picker_look(picker);
	return true;
}

static void draw_item(const struct picker *picker, const struct pick_item *item, struct canvas *canvas, int row, int col, int cols, bool selected)
{
	int label = cols >= 50 ? cols / 2 : cols - 2, key = cols >= 50 ? 12 : 0, rest = cols - label - key - 2;

	(void)picker;
	canvas_text(canvas, row, col, 1, ROLE_KEY, selected ? ">" : " ");
	canvas_text(canvas, row, col + 1, label, item->reason ? ROLE_DIM : ROLE_TEXT, item->label);
	if (rest > 0) {
		canvas_text(canvas, row, col + label + 2, rest, item->reason ? ROLE_UNKNOWN : ROLE_DIM, item->reason ? item->reason : item->detail);
		canvas_right(canvas, row, col + cols - key, key, ROLE_KEY, item->key);
	}
	if (selected)
		canvas_select(canvas, row, col, cols);
}

/* Reasons are long: the one of the row under the cursor shows whole. */
static void draw_reason(const struct picker *picker, struct canvas *canvas, int row, int col, int cols)
{
	const char *reason = picker->cursor < picker->nshown ? picker->items[picker->shown[picker->cursor]].reason : NULL;

	if (reason)
		canvas_textf(canvas, row, col, cols, ROLE_UNKNOWN, " %s ", reason);
}

void picker_draw(struct picker *picker, struct canvas *canvas)
{
	if (!picker->open)
		return;
	int cols = canvas->cols < WIDTH ? canvas->cols : WIDTH, most = canvas->rows > 12 ? canvas->rows - 6 : canvas->rows - 3;
	int room = (int)picker->len < most ? (int)picker->len : most, row = canvas->rows > 12 ? 2 : 0, col = (canvas->cols - cols) / 2;

	room = room < 1 ? 1 : room;
	canvas_cool(canvas);
	canvas_box(canvas, row, col, room + 3, cols, picker->title);
	line_edit_draw(&picker->query, canvas, row + 1, col + 2, cols - 4, ": ");
	if (!picker->nshown)
		canvas_text(canvas, row + 2, col + 2, cols - 4, ROLE_DIM, T("nothing has these letters"));
	if (picker->cursor < picker->first)
		picker->first = picker->cursor;
	if (picker->cursor >= picker->first + (size_t)room)
		picker->first = picker->cursor - (size_t)room + 1;
	for (int i = 0; i < room && picker->first + (size_t)i < picker->nshown; i++) {
		canvas_hot(canvas, row + 2 + i, col + 1, cols - 2, HOT_MOVE((int)(picker->first + (size_t)i) - (int)picker->cursor));
		draw_item(picker, &picker->items[picker->shown[picker->first + (size_t)i]], canvas, row + 2 + i, col + 1, cols - 2,
			  picker->first + (size_t)i == picker->cursor);
	}
	draw_reason(picker, canvas, row + 2 + room, col + 1, cols - 2);
}
