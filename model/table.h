/*
 * table: the objects of one kind as the server itself prints them, in small rows, sorted and filtered as they come.
 *
 * Source of truth: meta/v1 Table. Columns are the server's, cells are texts. Where a server prints no Tables there are the
 * columns Name and Age. Made for 10,000 rows that change all the time: a changed row costs a search and a move of
 * pointers, never a new sort, and only the view (what passes the filter, in its order) needs to be drawn.
 *
 * A row is one allocation, never changed after it was made; a new version takes its place. Texts are NUL-terminated, never
 * NULL, not promised to be UTF-8, and hold control characters if the server sent some: whoever prints sanitises. Cells are
 * cut at TABLE_CELL_MAX bytes. Times are milliseconds since 1970 UTC by the server's clock, 0 when absent.
 *
 * A table belongs to one thread. Batches are made on another and change hands.
 */
#ifndef SLOTDECK_MODEL_TABLE_H
#define SLOTDECK_MODEL_TABLE_H

#include "model/store.h"

#define TABLE_CELL_MAX 1024
#define TABLE_COLUMNS_MAX 64

struct table_column {
	char *name;	/* "Ready" */
	char *type;	/* "string", "integer", "number", "boolean", "date" */
	int priority;	/* 0: always shown; more: where there is room */
	bool is_age;	/* counts from the row's created_ms: the cell stands still, draw it from there */
};

struct table_row {
	const char *uid; /* never "": "namespace/name" where the server gives none (metrics) */
	const char *namespace, *name, *resource_version;
	const char *owner_uid, *owner_kind, *owner_name; /* the controlling owner, else the first; "" */
	int64_t created_ms, deleted_ms; /* deleted_ms: deletionTimestamp; 0: lives */
	uint32_t size_bytes;
	uint16_t ncells;
	bool completed; /* the server's mark for what has ended */
	const char *cells[];
};

struct table;

struct table *table_create(void);
void table_destroy(struct table *table);
DEFINE_AUTO(table);

/* Borrowed until the next batch with other columns. 0: not known yet. */
size_t table_columns_of(const struct table *table, const struct table_column **ret);
/* All rows, whether they pass the filter or not. */
size_t table_count(const struct table *table);
/* About how many there are in all while the first list comes in (the server's hint); else table_count(). */
size_t table_expected(const struct table *table);
/* NULL when unknown. Borrowed until the next batch. */
const struct table_row *table_find(const struct table *table, const char *uid);
/* "" past the last cell: a row may have fewer than there are columns. */
const char *table_cell(const struct table_row *row, size_t column);
/* Grows with each change that can be seen: of columns, counts, order or state, and of a row in the window that stays at its place. */
uint64_t table_serial(const struct table *table);

/* ---- the view ---- */

#define TABLE_BY_NAME (-1)  /* namespace, then name: how it begins */
#define TABLE_BY_AGE (-2)   /* the youngest first */
/*
 * Sorts by a column (its number, or one of the above). Cells that begin with a number go by the number, then by text; age
 * columns go by time, not by text; rows that are equal go by namespace and name.
 */
void table_sort(struct table *table, int column, bool descending);
int table_sorted_by(const struct table *table, bool *ret_descending);
/* Shows only rows for which fn says true; NULL: all. Asked once for each row and each change of it; call again when fn
 * would answer otherwise. */
typedef bool table_match_fn(const struct table_row *row, void *arg);
void table_filter(struct table *table, table_match_fn *fn, void *arg);
/* Rows in the view, and the n-th of them (NULL past the end). Borrowed until the next batch. */
size_t table_shown(const struct table *table);
const struct table_row *table_shown_at(const struct table *table, size_t n);
/* Where in the view the row is; -1: it does not pass the filter, or is not there. */
ptrdiff_t table_place(const struct table *table, const char *uid);
/* Tells what of the view is on the screen; all, before it was told. */
void table_set_window(struct table *table, size_t first, size_t n);

/* ---- freshness ---- */

struct table_state {
	enum scope_state state; /* SCOPE_LOADING … (model/store.h) */
	int64_t proof_ms;	/* last proof that the rows are right; 0: never */
	int64_t synced_ms;	/* last complete list; 0: never. Rows are shown before */
	int64_t retry_ms;	/* when the next try is made; 0: none planned */
	const char *why;	/* text of the trouble, sanitised; "" */
	uint64_t received;	/* changes since the start */
};
const struct table_state *table_state(const struct table *table);
/* why may be NULL. */
void table_set_state(struct table *table, enum scope_state state, const char *why, int64_t retry_ms);

/* ---- what comes in ---- */

struct table_row_parts { /* borrowed texts; empty where absent */
	struct str uid, namespace, name, resource_version, owner_uid, owner_kind, owner_name;
	int64_t created_ms, deleted_ms;
	const struct str *cells;
	size_t ncells;
	bool completed;
};
/* Gives a row with copies of all. */
struct table_row *table_row_create(const struct table_row_parts *parts);

struct table_change {
	enum row_op op; /* as of watched rows (model/row.h) */
	struct table_row *row; /* NULL but for PUT and GONE */
};
struct table_batch {
	int64_t at_ms;
	struct table_column *columns; /* NULL: as before; in force before the changes */
	size_t ncolumns;
	int64_t remaining; /* of the list, by the server's hint; -1: not told */
	struct table_change *changes;
	size_t len, cap;
};
struct table_batch *table_batch_create(int64_t at_ms);
void table_batch_destroy(struct table_batch *batch);
DEFINE_AUTO(table_batch);
/* Takes row. */
void table_batch_add(struct table_batch *batch, enum row_op op, struct table_row *row);
void table_columns_free(struct table_column *columns, size_t n);
/* Takes batch. */
void table_apply(struct table *table, struct table_batch *batch);

#endif
