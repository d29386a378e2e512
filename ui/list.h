/*
 * list: rows under column titles with one row under the cursor, for every list of the program. Private to ui.
 *
 * The rows are the source's; the list keeps what a person did with them: cursor (on a key, so that it stays on its object
 * while rows move), filter, order, marks. Cells are asked for only where they are shown, filtered or sorted by.
 */
#ifndef SLOTDECK_UI_LIST_H
#define SLOTDECK_UI_LIST_H

#include "base/map.h"
#include "ui/canvas.h"

struct list_source {
	const struct list_column *columns;
	size_t ncolumns;
	size_t (*count)(void *arg);
	/* Borrowed until the source changes. Unique. */
	const char *(*key)(void *arg, size_t n);
	/* Appends the text of a cell; its role. */
	enum role (*cell)(void *arg, size_t n, size_t column, struct buf *out);
	/* State mark before the row, "" for none; NULL: rows have none. */
	const char *(*mark)(void *arg, size_t n, enum role *ret_role);
	void *arg;
};

struct list {
	char *at;	  /* key under the cursor; NULL: the first row */
	size_t cursor, first; /* places in order */
	char *filter;	  /* NULL: none; case is ignored */
	unsigned sort;	  /* column + 1; 0: the source's own order */
	bool inverted;
	bool presorted;	  /* the source has its rows in that order already: sort and inverted only tell */
	struct map marks; /* keys */
	struct map shown; /* keys in the order last shown, of lists short enough to hold still */
	size_t *order;	  /* of source rows, as shown */
	size_t len, cap, total;
};

void list_release(struct list *list);
/* Looks at the source anew. hold: rows keep their places as far as they can (a key was just pressed). */
void list_update(struct list *list, const struct list_source *source, bool hold);
/* The source's row under the cursor, SIZE_MAX: none. All below: after list_update(). */
size_t list_current(const struct list *list);
void list_move(struct list *list, const struct list_source *source, long by);
void list_go_to(struct list *list, const struct list_source *source, const char *key);
/* text NULL or "": none. */
void list_set_filter(struct list *list, const char *text);
void list_sort_step(struct list *list, const struct list_source *source, int by);
void list_toggle_mark(struct list *list, const struct list_source *source);
/* From the nearest marked row above (else below) to the cursor. */
void list_mark_range(struct list *list, const struct list_source *source);
void list_mark_all(struct list *list, const struct list_source *source);
/* The source's rows that are marked, those behind a filter too. Marks of rows that are no more are dropped; gives how many.
 * *ret, of *ret_n rows, is to be freed. */
size_t list_marked(struct list *list, const struct list_source *source, size_t **ret, size_t *ret_n);
/* Titles, then rows, in that rectangle. */
void list_draw(struct list *list, const struct list_source *source, struct canvas *canvas, int row, int rows, int col, int cols);
/* Compares as a person would: "9" before "10", "2m" before "1h", "90Mi" before "1Gi". */
int natural_compare(const char *a, const char *b);

#endif
