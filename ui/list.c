#include "ui/list.h"
#include "ui/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void list_release(struct list *list)
{
	free(list->at);
	free(list->filter);
	free(list->order);
	map_release(&list->marks);
	map_release(&list->shown);
	*list = (struct list){ 0 };
}

/* ---- order ---- */

static double unit_of(const char *text)
{
	static const struct {
		const char *unit;
		double factor;
	} units[] = { { "ms", 0.001 }, { "s", 1 }, { "m", 60 },	  { "h", 3600 },  { "d", 86400 }, { "Ki", 1024 },
		      { "Mi", 1048576 }, { "Gi", 1073741824 }, { "Ti", 1099511627776 }, { "%", 1 }, { "", 1 } };
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%");

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strlen(units[i].unit) == len && strncmp(units[i].unit, text, len) == 0)
			return units[i].factor;
	return 0;
}

/* "2h13m", "90Mi", "7/8": the sum of its parts; false when it is no quantity. */
static bool quantity_of(const char *text, double *ret)
{
	char *end;

	*ret = 0;
	if (!isdigit((unsigned char)*text))
		return false;
	while (isdigit((unsigned char)*text)) {
		double number = strtod(text, &end), unit = unit_of(end);

		if (unit == 0)
			return false;
		*ret += number * unit;
		text = end + strspn(end, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%");
	}
	return *text == '\0' || *text == '/' || *text == ' ';
}

int natural_compare(const char *a, const char *b)
{
	double x, y;

	if (quantity_of(a, &x) && quantity_of(b, &y) && x != y)
		return x < y ? -1 : 1;
	while (*a && *b) {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			char *end_a, *end_b;
			unsigned long long m = strtoull(a, &end_a, 10), n = strtoull(b, &end_b, 10);

			if (m != n)
				return m < n ? -1 : 1;
			a = end_a;
			b = end_b;
		} else if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) {
			break;
		} else {
			a++;
			b++;
		}
	}
	return tolower((unsigned char)*a) - tolower((unsigned char)*b);
}

struct sorting {
	struct {
		char *text;
		size_t place, row;
	} *items;
	bool inverted;
};

static int compare_items(const void *a, const void *b, void *arg)
{
	const struct sorting *sorting = arg;
	const __typeof__(*sorting->items) *x = a, *y = b;
	int order = natural_compare(x->text, y->text);

	if (order)
		return sorting->inverted ? -order : order;
	return x->place < y->place ? -1 : 1;
}

static void sort_by_column(struct list *list, const struct list_source *source)
{
	struct sorting sorting = { .items = xcalloc(list->len + 1, sizeof *sorting.items), .inverted = list->inverted };

	for (size_t i = 0; i < list->len; i++) {
		AUTO_RELEASE(buf) text = BUF_INIT(0);

		source->cell(source->arg, list->order[i], list->sort - 1, &text);
		sorting.items[i].text = buf_give(&text);
		sorting.items[i].place = i;
		sorting.items[i].row = list->order[i];
	}
	qsort_r(sorting.items, list->len, sizeof *sorting.items, compare_items, &sorting);
	for (size_t i = 0; i < list->len; i++) {
		list->order[i] = sorting.items[i].row;
		free(sorting.items[i].text);
	}
	free(sorting.items);
}

static void invert(struct list *list)
{
	for (size_t i = 0, j = list->len; i + 1 < j; i++) {
		size_t kept = list->order[--j];

		list->order[j] = list->order[i];
		list->order[i] = kept;
	}
}

static bool matches(const struct list *list, const struct list_source *source, size_t n)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	for (size_t column = 0; column < source->ncolumns; column++) {
		source->cell(source->arg, n, column, &text);
		buf_addc(&text, ' ');
	}
	return strcasestr(buf_cstr(&text), list->filter) != NULL;
}

/* Rows that were shown keep their order, new ones come last. */
static void keep_places(struct list *list, const struct list_source *source, const struct map *places)
{
	size_t *fresh = xcalloc(list->len + 1, sizeof *fresh), len = 0;
	bool *taken = xcalloc(list->len + 1, sizeof *taken);
	AUTO_RELEASE(map) now = MAP_INIT(NULL);

	for (size_t i = 0; i < list->len; i++)
		map_set(&now, str_of(source->key(source->arg, list->order[i])), (void *)(i + 1));
	for (size_t i = 0; i < places->len; i++) {
		size_t at = (size_t)map_get(&now, str_of(places->entries[i].key));

		if (at && !taken[at - 1]) {
			taken[at - 1] = true;
			fresh[len++] = list->order[at - 1];
		}
	}
	for (size_t i = 0; i < list->len; i++)
		if (!taken[i])
			fresh[len++] = list->order[i];
	memcpy(list->order, fresh, len * sizeof *fresh);
	free(fresh);
	free(taken);
}

static void find_cursor(struct list *list, const struct list_source *source)
{
	if (list->at && list->cursor < list->len && strcmp(source->key(source->arg, list->order[list->cursor]), list->at) == 0)
		return;
	for (size_t i = 0; list->at && i < list->len; i++) {
		if (strcmp(source->key(source->arg, list->order[i]), list->at) == 0) {
			list->cursor = i;
			return;
		}
	}
	if (list->cursor >= list->len)
		list->cursor = list->len ? list->len - 1 : 0;
}

#define HOLD_MAX 500 /* rows; a longer list is ordered by name anyway */

static void note_places(struct list *list, const struct list_source *source)
{
	map_release(&list->shown);
	for (size_t i = 0; i < list->len && list->len <= HOLD_MAX; i++)
		map_set(&list->shown, str_of(source->key(source->arg, list->order[i])), (void *)(i + 1));
}

static void take_rows(struct list *list, const struct list_source *source)
{
	list->total = source->count(source->arg);
	if (list->total > list->cap) {
		list->cap = list->total + 16;
		list->order = xreallocarray(list->order, list->cap, sizeof *list->order);
	}
	list->len = 0;
	for (size_t i = 0; i < list->total; i++)
		if (!list->filter || matches(list, source, i))
			list->order[list->len++] = i;
}

void list_update(struct list *list, const struct list_source *source, bool hold)
{
	take_rows(list, source);
	if (list->sort && !list->presorted)
		sort_by_column(list, source);
	else if (list->inverted && !list->presorted)
		invert(list);
	if (hold && list->shown.len && list->len <= HOLD_MAX)
		keep_places(list, source, &list->shown);
	find_cursor(list, source);
	note_places(list, source);
}

/* ---- what a person does ---- */

size_t list_current(const struct list *list)
{
	return list->cursor < list->len ? list->order[list->cursor] : SIZE_MAX;
}

static void put_cursor(struct list *list, const struct list_source *source, size_t at)
{
	list->cursor = at;
	free(list->at);
	list->at = at < list->len ? xstrdup(source->key(source->arg, list->order[at])) : NULL;
}

void list_move(struct list *list, const struct list_source *source, long by)
{
	long at = (long)list->cursor + by, last = (long)list->len - 1;

	if (last >= 0)
		put_cursor(list, source, (size_t)(at < 0 ? 0 : at > last ? last : at));
}

void list_go_to(struct list *list, const struct list_source *source, const char *key)
{
	free(list->at);
	list->at = xstrdup(key);
	find_cursor(list, source);
}

void list_set_filter(struct list *list, const char *text)
{
	free(list->filter);
	list->filter = text && *text ? xstrdup(text) : NULL;
	list->first = 0;
	map_release(&list->shown);
}

void list_sort_step(struct list *list, const struct list_source *source, int by)
{
	unsigned count = (unsigned)source->ncolumns + 1;

	list->sort = (list->sort + count + (unsigned)by) % count;
	map_release(&list->shown);
}

static bool is_marked(const struct list *list, const struct list_source *source, size_t at)
{
	return list->marks.len && map_has(&list->marks, str_of(source->key(source->arg, list->order[at])));
}

static void mark(struct list *list, const struct list_source *source, size_t at, bool on)
{
	struct str key = str_of(source->key(source->arg, list->order[at]));

	if (on)
		map_set(&list->marks, key, list);
	else
		map_remove(&list->marks, key);
}

void list_toggle_mark(struct list *list, const struct list_source *source)
{
	if (list->cursor >= list->len)
		return;
	mark(list, source, list->cursor, !is_marked(list, source, list->cursor));
	list_move(list, source, 1);
}

void list_mark_range(struct list *list, const struct list_source *source)
{
	size_t from = list->cursor;

	while (from > 0 && !is_marked(list, source, from - 1))
		from--;
	for (size_t i = from; i <= list->cursor && i < list->len; i++)
		mark(list, source, i, true);
}

/* Thousands at once: not one by one. */
static void unmark_shown(struct list *list, const struct list_source *source)
{
	AUTO_RELEASE(map) shown = MAP_INIT(NULL);
	struct map kept = MAP_INIT(NULL);

	for (size_t i = 0; i < list->len; i++)
		map_set(&shown, str_of(source->key(source->arg, list->order[i])), list);
	for (size_t i = 0; i < list->marks.len; i++)
		if (!map_has(&shown, str_of(list->marks.entries[i].key)))
			map_set(&kept, str_of(list->marks.entries[i].key), list);
	map_release(&list->marks);
	list->marks = kept;
}

void list_mark_all(struct list *list, const struct list_source *source)
{
	bool all = true;

	for (size_t i = 0; i < list->len && all; i++)
		all = is_marked(list, source, i);
	if (all)
		unmark_shown(list, source);
	for (size_t i = 0; i < list->len && !all; i++)
		mark(list, source, i, true);
}

size_t list_marked(struct list *list, const struct list_source *source, size_t **ret, size_t *ret_n)
{
	size_t count = list->marks.len ? source->count(source->arg) : 0, before = list->marks.len, cap = 0;
	struct map kept = { 0 };

	*ret = NULL;
	*ret_n = 0;
	for (size_t i = 0; i < count; i++) {
		struct str key = str_of(source->key(source->arg, i));

		if (!map_has(&list->marks, key))
			continue;
		map_set(&kept, key, list);
		LIST_PUSH(*ret, *ret_n, cap) = i;
	}
	map_release(&list->marks);
	list->marks = kept;
	return before - kept.len;
}

/* ---- drawing ---- */

#define COLUMNS_MAX 32

static int left_of(const struct list_source *source)
{
	return source->mark ? 3 : 1;
}

static void draw_titles(const struct list *list, const struct list_source *source, const int *widths, struct canvas *canvas, int row, int col)
{
	struct list_cell cells[COLUMNS_MAX];
	AUTO_FREE char *sorted = list->sort ? xasprintf("%s%s", T(source->columns[list->sort - 1].title), list->inverted ? "^" : "v") : NULL;

	for (size_t i = 0; i < source->ncolumns; i++)
		cells[i] = (struct list_cell){ sorted && list->sort == i + 1 ? sorted : T(source->columns[i].title), ROLE_DIM };
	canvas_list_row(canvas, row, col, source->columns, widths, source->ncolumns, cells);
}

static void draw_row(const struct list *list, const struct list_source *source, const int *widths, struct canvas *canvas, size_t at, int row, int col,
		     int cols)
{
	bool selected = at == list->cursor;
	struct list_cell cells[COLUMNS_MAX];
	struct buf texts[COLUMNS_MAX] = { 0 };
	size_t n = list->order[at];
	enum role role = ROLE_TEXT;

	canvas_text(canvas, row, col, 1, ROLE_KEY, selected ? ">" : is_marked(list, source, at) ? "*" : " ");
	if (source->mark) {
		const char *text = source->mark(source->arg, n, &role);

		canvas_text(canvas, row, col + 1, 1, role, text);
	}
	for (size_t i = 0; i < source->ncolumns; i++) {
		if (widths[i])
			role = source->cell(source->arg, n, i, &texts[i]);
		cells[i] = (struct list_cell){ buf_cstr(&texts[i]), role };
	}
	canvas_list_row(canvas, row, col + left_of(source), source->columns, widths, source->ncolumns, cells);
	for (size_t i = 0; i < source->ncolumns; i++)
		buf_release(&texts[i]);
	canvas_hot(canvas, row, col, cols, HOT_MOVE((int)at - (int)list->cursor));
	if (selected)
		canvas_select(canvas, row, col, cols);
}

void list_draw(struct list *list, const struct list_source *source, struct canvas *canvas, int row, int rows, int col, int cols)
{
	size_t room = rows > 1 ? (size_t)(rows - (rows > 3)) : 1;
	int widths[COLUMNS_MAX], end = row + rows;

	list_fit(source->columns, source->ncolumns, cols - left_of(source) - 1, widths);
	if (rows > 3)
		draw_titles(list, source, widths, canvas, row++, col + left_of(source));
	if (list->cursor < list->first)
		list->first = list->cursor;
	if (list->cursor >= list->first + room)
		list->first = list->cursor - room + 1;
	if (list->first + room > list->len)
		list->first = list->len > room ? list->len - room : 0;
	canvas_scrollbar(canvas, row, col + cols - 1, end - row, list->first, room, list->len);
	for (size_t i = list->first; i < list->len && row < end; i++)
		draw_row(list, source, widths, canvas, i, row++, col, cols - 1);
}
