/*
 * dialog: one question in a box above the screen. Private to ui.
 *
 * The key that confirms is never the one that asked: y, or Enter behind a word that must be typed, or behind a text that is asked for.
 * Anything else but scrolling is a no. Keys that were typed before the question was on the screen are no answer to it: of them only
 * Esc is heard.
 */
#ifndef SLOTDECK_UI_DIALOG_H
#define SLOTDECK_UI_DIALOG_H

#include "ui/line_edit.h"
#include "ui/pager.h"

struct app;

enum dialog_kind {
	DIALOG_NONE,
	DIALOG_CONFIRM, /* y */
	DIALOG_TYPE,	/* the word, then Enter */
	DIALOG_ASK	/* any text, then Enter */
};

struct dialog {
	enum dialog_kind kind;
	bool seen; /* it was drawn */
	char *title;
	char *word;  /* DIALOG_TYPE: what must be typed; DIALOG_ASK: what is asked for */
	struct pager body;
	struct line_edit edit;
	/* On yes, when the dialog is closed. arg changes hands; text is what was typed. */
	void (*yes)(struct app *app, void *arg, const char *text);
	void *arg;
	void (*release)(void *arg); /* on no; NULL: arg is nobody's */
};

/* Replaces what was asked before. Add lines to dialog->body. */
void dialog_open(struct dialog *dialog, enum dialog_kind kind, const char *title, void (*yes)(struct app *app, void *arg, const char *text),
		 void *arg, void (*release)(void *arg));
void dialog_close(struct dialog *dialog);
/* False: it was not open. */
bool dialog_key(struct dialog *dialog, struct app *app, uint32_t key);
void dialog_draw(struct dialog *dialog, struct canvas *canvas);

#endif
