/*
 * picker: a list to choose from by typing: the palette, the action menu, and every other choice. Private to ui.
 */
#ifndef SLOTDECK_UI_PICKER_H
#define SLOTDECK_UI_PICKER_H

#include "ui/line_edit.h"

struct app;

struct pick_item {
	char *label, *detail;
	const char *key;    /* the key that does the same; static; "" */
	char *reason;	    /* why it can't be chosen now; NULL: it can */
	int tag;	    /* the owner's */
	char *text;	    /* the owner's; NULL */
	int score;	    /* by the query; 0: not shown */
};

struct picker {
	bool open;
	char *title;
	struct pick_item *items;
	size_t len, cap;
	struct line_edit query;
	size_t *shown;
	size_t nshown, shown_cap, cursor, first;
	void (*pick)(struct app *app, const struct pick_item *item);
};

void picker_open(struct picker *picker, const char *title, void (*pick)(struct app *app, const struct pick_item *item));
void picker_close(struct picker *picker);
/* Takes the items out, to put others in; then picker_look() finds among them what is typed. */
void picker_clear(struct picker *picker);
void picker_look(struct picker *picker);
/* Copies the texts; detail, reason and text may be NULL. */
void picker_add(struct picker *picker, int tag, const char *label, const char *detail, const char *key, const char *reason, const char *text);
/* False: it was not open. Chosen, it is closed first; an item with a reason is not chosen. */
bool picker_key(struct picker *picker, struct app *app, uint32_t key);
void picker_draw(struct picker *picker, struct canvas *canvas);

/*
 * How well the letters of query are found in text, in order: 0 not at all, else the higher the better (runs, beginnings of words, short
 * texts). Case is ignored.
 */
int fuzzy_score(const char *query, const char *text);

#endif
