/*
 * pager: a text of many lines that a person reads: scrolls, searches, filters, folds by indentation. Private to ui.
 */
#ifndef SLOTDECK_UI_PAGER_H
#define SLOTDECK_UI_PAGER_H

#include "ui/canvas.h"

struct pager_line {
	char *text;
	enum role role;
	int indent; /* leading blanks, a list's dash counted as one of them */
	bool folded; /* what is indented deeper below it is hidden */
};

struct pager {
	struct pager_line *lines;
	size_t len, cap;
	size_t *shown; /* lines that neither filter nor folds hide */
	size_t nshown, shown_cap;
	size_t cursor, first; /* places among shown */
	char *find, *filter;  /* NULL: none; case is ignored */
	bool wrap;
	bool no_cursor; /* of a dialog: only scrolls */
};

void pager_release(struct pager *pager);
/* Drops the lines; cursor, search and filter stay, for a text that is written anew as things change. */
void pager_clear(struct pager *pager);
void pager_add(struct pager *pager, enum role role, const char *text);
void pager_addf(struct pager *pager, enum role role, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Each line of text; role_of NULL: plain. */
void pager_add_text(struct pager *pager, const char *text, enum role (*role_of)(const char *line));
/* Call after adding, before anything below. */
void pager_update(struct pager *pager);
void pager_move(struct pager *pager, long by);
/* Goes to the first line that has text at or behind the cursor. False: there is none. */
bool pager_search(struct pager *pager, const char *text);
bool pager_next_match(struct pager *pager, int direction);
void pager_set_filter(struct pager *pager, const char *text);
void pager_fold(struct pager *pager, bool fold);
void pager_toggle_fold(struct pager *pager);
void pager_draw(struct pager *pager, struct canvas *canvas, int row, int rows, int col, int cols);
/* How many rows what is shown takes in cols columns, wrapped as it is drawn. */
int pager_rows(const struct pager *pager, int cols);
/* The whole text as it is shown (folds opened), for saving and copying. */
void pager_text(const struct pager *pager, struct buf *out);

/* Roles for the lines of a YAML text and of a difference. */
enum role role_of_yaml(const char *line);
enum role role_of_diff(const char *line);

#endif
