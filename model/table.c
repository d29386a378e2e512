#include "model/table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 *   items: hash by uid, owns the rows          view: pointers in order
 *   [uid → row, shown, round]                  [row, row, …]  each row is found by a binary search with itself
 *
 * The order is total (uid decides last), so a row has one place, which is what makes the search for it possible.
 */

struct item {
	struct table_row *row; /* NULL: free, or was deleted when hash is 1 */
	uint32_t hash;
	uint32_t round; /* the list that saw it last */
	bool shown;
};

enum order { ORDER_NAME, ORDER_TIME, ORDER_NUMBER, ORDER_DURATION };

struct table {
	struct item *items;
	size_t nitems, used, live; /* nitems is a power of two */
	const struct table_row **view;
	size_t nview, view_cap;
	struct table_column *columns;
	size_t ncolumns;
	int sort_column;
	enum order order;
	bool descending;
	table_match_fn *match;
	void *match_arg;
	uint32_t round;
	bool listing;
	int64_t remaining;
	uint64_t serial;
	size_t window, nwindow;
	struct table_state state;
	char *why;
};

/* ---- rows ---- */

static const char *put_text(char **at, struct str text)
{
	char *start = *at;

	if (text.len)
		memcpy(start, text.p, text.len);
	start[text.len] = '\0';
	*at += text.len + 1;
	return start;
}

/* A cut never splits a code point. */
static struct str cut_cell(struct str cell)
{
	if (cell.len <= TABLE_CELL_MAX)
		return cell;
	cell.len = TABLE_CELL_MAX;
	while (cell.len && ((unsigned char)cell.p[cell.len] & 0xc0) == 0x80)
		cell.len--;
	return cell;
}

struct table_row *table_row_create(const struct table_row_parts *parts)
{
	size_t ncells = parts->ncells < TABLE_COLUMNS_MAX ? parts->ncells : TABLE_COLUMNS_MAX;
	bool no_uid = !parts->uid.len;
	size_t size = sizeof(struct table_row) + ncells * sizeof(char *);

	size += no_uid ? parts->namespace.len + parts->name.len + 2 : parts->uid.len + 1;
	size += parts->namespace.len + parts->name.len + parts->resource_version.len + 3;
	size += parts->owner_uid.len + parts->owner_kind.len + parts->owner_name.len + 3;
	for (size_t i = 0; i < ncells; i++)
		size += str_eq(parts->cells[i], parts->name) ? 0 : cut_cell(parts->cells[i]).len + 1;

	struct table_row *row = xmalloc(size);
	char *at = (char *)row + sizeof *row + ncells * sizeof(char *);

	*row = (struct table_row){ .created_ms = parts->created_ms, .deleted_ms = parts->deleted_ms, .size_bytes = (uint32_t)size,
				   .ncells = (uint16_t)ncells, .completed = parts->completed };
	row->namespace = put_text(&at, parts->namespace);
	row->name = put_text(&at, parts->name);
	if (no_uid) {
		row->uid = at;
		put_text(&at, parts->namespace);
		at[-1] = '/';
		put_text(&at, parts->name);
	} else {
		row->uid = put_text(&at, parts->uid);
	}
	row->resource_version = put_text(&at, parts->resource_version);
	row->owner_uid = put_text(&at, parts->owner_uid);
	row->owner_kind = put_text(&at, parts->owner_kind);
	row->owner_name = put_text(&at, parts->owner_name);
	for (size_t i = 0; i < ncells; i++)
		row->cells[i] = str_eq(parts->cells[i], parts->name) ? row->name : put_text(&at, cut_cell(parts->cells[i]));
	return row;
}

const char *table_cell(const struct table_row *row, size_t column)
{
	return column < row->ncells ? row->cells[column] : "";
}

/* ---- order ---- */

static double number_of(const char *text)
{
	static const struct {
		const char *suffix;
		double factor;
	} suffixes[] = { { "Ki", 1024.0 }, { "Mi", 1048576.0 }, { "Gi", 1073741824.0 }, { "Ti", 1099511627776.0 }, { "m", 0.001 } };
	char *end;
	double value = isdigit((unsigned char)*text) ? strtod(text, &end) : -1;

	if (value < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (!strcmp(end, suffixes[i].suffix))
			return value * suffixes[i].factor;
	return value;
}

/* "3d4h" and "5m10s" in seconds, as servers print ages. -1: it is none. */
static double duration_of(const char *text)
{
	static const struct {
		char unit;
		double seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'y', 365 * 86400.0 } };
	double sum = 0;

	while (isdigit((unsigned char)*text)) {
		char *end;
		double value = (double)strtoul(text, &end, 10);

		for (size_t i = 0; i < ARRAY_LEN(units); i++)
			if (*end == units[i].unit)
				sum += value * units[i].seconds;
		text = *end ? end + 1 : end;
	}
	return *text ? -1 : sum;
}

static int compare_numbers(double a, double b)
{
	return a < b ? -1 : a > b;
}

static int compare_wanted(const struct table *table, const struct table_row *a, const struct table_row *b)
{
	const char *x, *y;
	int by_value = 0;

	if (table->order == ORDER_NAME)
		return 0;
	if (table->order == ORDER_TIME)
		return a->created_ms > b->created_ms ? -1 : a->created_ms < b->created_ms;
	x = table_cell(a, (size_t)table->sort_column);
	y = table_cell(b, (size_t)table->sort_column);
	if (table->order == ORDER_DURATION)
		by_value = compare_numbers(duration_of(x), duration_of(y));
	else if (isdigit((unsigned char)*x) || isdigit((unsigned char)*y))
		by_value = compare_numbers(number_of(x), number_of(y));
	return by_value ? by_value : strcmp(x, y);
}

static int compare(const struct table *table, const struct table_row *a, const struct table_row *b)
{
	int c = compare_wanted(table, a, b);

	if (!c)
		c = strcmp(a->namespace, b->namespace);
	if (!c)
		c = strcmp(a->name, b->name);
	if (!c)
		c = strcmp(a->uid, b->uid);
	return table->descending ? -c : c;
}

/* Where row is or belongs. */
static size_t place_of(const struct table *table, const struct table_row *row)
{
	size_t low = 0, high = table->nview;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(table, table->view[middle], row) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int compare_for_sort(const void *a, const void *b, void *table)
{
	return compare(table, *(const struct table_row *const *)a, *(const struct table_row *const *)b);
}

static void view_build(struct table *table)
{
	table->nview = 0;
	for (size_t i = 0; i < table->nitems; i++) {
		struct item *item = &table->items[i];

		if (!item->row)
			continue;
		item->shown = !table->match || table->match(item->row, table->match_arg);
		if (item->shown)
			LIST_PUSH(table->view, table->nview, table->view_cap) = item->row;
	}
	if (table->nview)
		qsort_r(table->view, table->nview, sizeof *table->view, compare_for_sort, table);
	table->serial++;
}

static void view_remove(struct table *table, const struct table_row *row)
{
	size_t at = place_of(table, row);

	table->nview--;
	table->serial++;
	memmove(&table->view[at], &table->view[at + 1], (table->nview - at) * sizeof *table->view);
}

static void view_insert(struct table *table, const struct table_row *row)
{
	size_t at = !table->nview || compare(table, table->view[table->nview - 1], row) < 0 ? table->nview : place_of(table, row);

	LIST_PUSH(table->view, table->nview, table->view_cap) = row;
	table->serial++;
	memmove(&table->view[at + 1], &table->view[at], (table->nview - 1 - at) * sizeof *table->view);
	table->view[at] = row;
}

/* Most changes leave a row where it is. */
static void view_replace(struct table *table, const struct table_row *old, const struct table_row *row)
{
	size_t at = place_of(table, old);
	bool behind = !at || compare(table, table->view[at - 1], row) < 0;
	bool before = at + 1 == table->nview || compare(table, row, table->view[at + 1]) < 0;

	if (behind && before) {
		table->view[at] = row;
		if (at - table->window < table->nwindow)
			table->serial++;
		return;
	}
	view_remove(table, old);
	view_insert(table, row);
}

/* ---- rows by uid ---- */

static uint32_t hash_of(const char *uid)
{
	uint32_t h = 2166136261u;

	for (; *uid; uid++)
		h = (h ^ (unsigned char)*uid) * 16777619u;
	h ^= h >> 15;
	return h < 2 ? h + 2 : h;
}

static struct item *find(const struct table *table, const char *uid, uint32_t hash)
{
	for (size_t i = hash; table->nitems; i++) {
		struct item *item = &table->items[i & (table->nitems - 1)];

		if (!item->hash)
			return NULL;
		if (item->hash == hash && !strcmp(item->row->uid, uid))
			return item;
	}
	return NULL;
}

static void grow(struct table *table)
{
	struct item *old = table->items;
	size_t nold = table->nitems;

	if (table->used * 4 < table->nitems * 3)
		return;
	table->nitems = table->live * 2 < 32 ? 64 : nold;
	while (table->nitems < table->live * 2)
		table->nitems *= 2;
	table->items = xcalloc(table->nitems, sizeof *table->items);
	table->used = table->live;
	for (size_t i = 0; i < nold; i++) {
		size_t at = old[i].hash;

		if (!old[i].row)
			continue;
		while (table->items[at & (table->nitems - 1)].hash)
			at++;
		table->items[at & (table->nitems - 1)] = old[i];
	}
	free(old);
}

static struct item *add(struct table *table, uint32_t hash)
{
	size_t at = hash;

	grow(table);
	while (table->items[at & (table->nitems - 1)].hash)
		at++;
	table->used++;
	table->live++;
	table->serial++;
	table->items[at & (table->nitems - 1)].hash = hash;
	return &table->items[at & (table->nitems - 1)];
}

static void put(struct table *table, struct table_row *row)
{
	uint32_t hash = hash_of(row->uid);
	struct item *item = find(table, row->uid, hash);
	bool show = !table->match || table->match(row, table->match_arg);

	if (!item) {
		item = add(table, hash);
		if (show)
			view_insert(table, row);
	} else {
		if (item->shown && show)
			view_replace(table, item->row, row);
		else if (item->shown)
			view_remove(table, item->row);
		else if (show)
			view_insert(table, row);
		free(item->row);
	}
	item->row = row;
	item->round = table->round;
	item->shown = show;
}

static void drop(struct table *table, struct item *item)
{
	if (item->shown)
		view_remove(table, item->row);
	free(item->row);
	*item = (struct item){ .hash = 1 };
	table->live--;
	table->serial++;
}

/* A marker of a deleted item must stay, or those that lie behind it would not be found. */
static void drop_uid(struct table *table, const char *uid)
{
	struct item *item = find(table, uid, hash_of(uid));

	if (item)
		drop(table, item);
}

static void drop_unseen(struct table *table)
{
	for (size_t i = 0; i < table->nitems; i++)
		if (table->items[i].row && table->items[i].round != table->round)
			drop(table, &table->items[i]);
}

/* ---- what comes in ---- */

struct table_batch *table_batch_create(int64_t at_ms)
{
	struct table_batch *batch = xcalloc(1, sizeof *batch);

	batch->at_ms = at_ms;
	batch->remaining = -1;
	return batch;
}

void table_columns_free(struct table_column *columns, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(columns[i].name);
		free(columns[i].type);
	}
	free(columns);
}

void table_batch_destroy(struct table_batch *batch)
{
	if (!batch)
		return;
	for (size_t i = 0; i < batch->len; i++)
		free(batch->changes[i].row);
	table_columns_free(batch->columns, batch->ncolumns);
	free(batch->changes);
	free(batch);
}

void table_batch_add(struct table_batch *batch, enum row_op op, struct table_row *row)
{
	LIST_PUSH(batch->changes, batch->len, batch->cap) = (struct table_change){ op, row };
}

static enum order order_of(const struct table *table)
{
	static const char *const durations[] = { "Last Seen", "First Seen", "Duration", "Last Schedule" };
	int column = table->sort_column;

	if (column == TABLE_BY_AGE)
		return ORDER_TIME;
	if (column < 0 || (size_t)column >= table->ncolumns)
		return ORDER_NAME;
	if (table->columns[column].is_age)
		return ORDER_TIME;
	for (size_t i = 0; i < ARRAY_LEN(durations); i++)
		if (!strcasecmp(table->columns[column].name, durations[i]))
			return ORDER_DURATION;
	return strcmp(table->columns[column].type, "date") ? ORDER_NUMBER : ORDER_DURATION;
}

static void take_columns(struct table *table, struct table_batch *batch)
{
	if (!batch->columns)
		return;
	table_columns_free(table->columns, table->ncolumns);
	table->columns = batch->columns;
	table->ncolumns = batch->ncolumns;
	batch->columns = NULL;
	batch->ncolumns = 0;
	table->serial++;
	if (order_of(table) != table->order) {
		table->order = order_of(table);
		view_build(table);
	}
}

static void take_change(struct table *table, struct table_change *change, int64_t at_ms)
{
	switch (change->op) {
	case ROW_LIST_BEGIN:
		table->round++;
		table->listing = true;
		break;
	case ROW_LIST_END:
		drop_unseen(table);
		table->listing = false;
		table->state.synced_ms = table->state.proof_ms = at_ms;
		table_set_state(table, SCOPE_LIVE, NULL, 0);
		break;
	case ROW_PUT:
		put(table, change->row);
		change->row = NULL;
		table->state.received++;
		if (!table->listing)
			table->state.proof_ms = at_ms;
		break;
	case ROW_GONE:
		drop_uid(table, change->row->uid);
		table->state.received++;
		table->state.proof_ms = at_ms;
		break;
	case ROW_PROOF:
		table->state.proof_ms = at_ms;
		break;
	}
}

void table_apply(struct table *table, struct table_batch *batch)
{
	take_columns(table, batch);
	if (table->remaining != batch->remaining)
		table->serial++;
	table->remaining = batch->remaining;
	for (size_t i = 0; i < batch->len; i++)
		take_change(table, &batch->changes[i], batch->at_ms);
	table_batch_destroy(batch);
}

/* ---- looking ---- */

size_t table_columns_of(const struct table *table, const struct table_column **ret)
{
	*ret = table->columns;
	return table->ncolumns;
}

size_t table_count(const struct table *table)
{
	return table->live;
}

size_t table_expected(const struct table *table)
{
	return table->live + (!table->state.synced_ms && table->remaining > 0 ? (size_t)table->remaining : 0);
}

const struct table_row *table_find(const struct table *table, const char *uid)
{
	const struct item *item = find(table, uid, hash_of(uid));

	return item ? item->row : NULL;
}

uint64_t table_serial(const struct table *table)
{
	return table->serial;
}

void table_set_window(struct table *table, size_t first, size_t n)
{
	table->window = first;
	table->nwindow = n;
}

void table_sort(struct table *table, int column, bool descending)
{
	table->sort_column = column;
	table->descending = descending;
	table->order = order_of(table);
	view_build(table);
}

int table_sorted_by(const struct table *table, bool *ret_descending)
{
	*ret_descending = table->descending;
	return table->sort_column;
}

void table_filter(struct table *table, table_match_fn *fn, void *arg)
{
	table->match = fn;
	table->match_arg = arg;
	view_build(table);
}

size_t table_shown(const struct table *table)
{
	return table->nview;
}

const struct table_row *table_shown_at(const struct table *table, size_t n)
{
	return n < table->nview ? table->view[n] : NULL;
}

ptrdiff_t table_place(const struct table *table, const char *uid)
{
	const struct item *item = find(table, uid, hash_of(uid));

	return item && item->shown ? (ptrdiff_t)place_of(table, item->row) : -1;
}

const struct table_state *table_state(const struct table *table)
{
	return &table->state;
}

void table_set_state(struct table *table, enum scope_state state, const char *why, int64_t retry_ms)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(ROW_MESSAGE_MAX);

	buf_add_plain(&plain, str_of(why));
	free(table->why);
	table->why = buf_give(&plain);
	table->state.state = state;
	table->state.why = table->why;
	table->state.retry_ms = retry_ms;
	table->serial++;
}

/* ---- life ---- */

struct table *table_create(void)
{
	struct table *table = xcalloc(1, sizeof *table);

	table->sort_column = TABLE_BY_NAME;
	table->remaining = -1;
	table->nwindow = SIZE_MAX;
	table->why = xstrdup("");
	table->state = (struct table_state){ .state = SCOPE_LOADING, .why = table->why };
	return table;
}

void table_destroy(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->nitems; i++)
		free(table->items[i].row);
	table_columns_free(table->columns, table->ncolumns);
	free(table->items);
	free(table->view);
	free(table->why);
	free(table);
}
