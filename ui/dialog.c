#include "ui/dialog.h"

#include <stdlib.h>
#include <string.h>

#include "ui/keymap.h"
#include "ui/state.h"
#include "ui/term.h"
#include "ui/text.h"

#define WIDTH	   76
#define LEAST_COLS 20 /* with less nobody can read what is asked */

void dialog_close(struct dialog *dialog)
{
	if (dialog->release)
		dialog->release(dialog->arg);
	free(dialog->title);
	free(dialog->word);
	pager_release(&dialog->body);
	*dialog = (struct dialog){ 0 };
}

void dialog_open(struct dialog *dialog, enum dialog_kind kind, const char *title, void (*yes)(struct app *app, void *arg, const char *text),
		 void *arg, void (*release)(void *arg))
{
	dialog_close(dialog);
	dialog->kind = kind;
	dialog->title = xstrdup(title);
	dialog->yes = yes;
	dialog->arg = arg;
	dialog->release = release;
	dialog->body.wrap = dialog->body.no_cursor = true;
}

static void confirm(struct dialog *dialog, struct app *app)
{
	struct dialog taken = *dialog;

	*dialog = (struct dialog){ 0 };
	taken.release = NULL;
	taken.yes(app, taken.arg, taken.edit.text);
	dialog_close(&taken);
}

static bool scrolls(struct dialog *dialog, uint32_t key)
{
	long by = key == KEY_TERM_UP ? -1 : key == KEY_TERM_DOWN ? 1 : key == KEY_TERM_PAGE_UP ? -10 : key == KEY_TERM_PAGE_DOWN ? 10 : 0;

	pager_update(&dialog->body);
	pager_move(&dialog->body, by);
	return by != 0;
}

bool dialog_key(struct dialog *dialog, struct app *app, uint32_t key)
{
	if (dialog->kind == DIALOG_NONE)
		return false;
	if ((!dialog->seen && key != KEY_TERM_ESCAPE) || scrolls(dialog, key))
		return true;
	if (dialog->kind == DIALOG_CONFIRM) {
		if (keymap_latin(key) == 'y')
			confirm(dialog, app);
		else
			dialog_close(dialog);
	} else if (key == KEY_TERM_ENTER) {
		if (dialog->kind == DIALOG_ASK || strcmp(dialog->edit.text, dialog->word) == 0) {
			confirm(dialog, app);
		} else {
			app_say(app, "\"%s\" is not \"%s\": nothing was sent", dialog->edit.text, dialog->word);
			dialog_close(dialog);
		}
	} else if (!line_edit_key(&dialog->edit, key)) {
		dialog_close(dialog);
	}
	return true;
}

static void draw_question(struct dialog *dialog, struct canvas *canvas, int row, int col, int cols)
{
	if (dialog->kind == DIALOG_CONFIRM) {
		canvas_text(canvas, row, col, cols, ROLE_KEY, T("Type y to go on"));
		canvas_right(canvas, row, col, cols, ROLE_TITLE, T("[ any other key: no ]"));
		canvas_hot(canvas, row, col + cols / 2, cols - cols / 2, KEY_TERM_ESCAPE); /* yes is never a click */
		return;
	}
	AUTO_FREE char *prefix = dialog->kind == DIALOG_TYPE ? xasprintf(T("Type %s, then Enter: "), dialog->word) : xasprintf("%s: ", dialog->word);

	line_edit_draw(&dialog->edit, canvas, row, col, cols, prefix);
}

void dialog_draw(struct dialog *dialog, struct canvas *canvas)
{
	if (dialog->kind == DIALOG_NONE)
		return;
	pager_update(&dialog->body);
	int cols = canvas->cols < WIDTH ? canvas->cols : WIDTH, most = canvas->rows - 3, lines = pager_rows(&dialog->body, cols - 3);

	if (lines > most)
		lines = most > 0 ? most : 0;
	int rows = lines + 3, row = (canvas->rows - rows) / 2, col = (canvas->cols - cols) / 2;

	row = row < 0 ? 0 : row;
	dialog->seen = lines > 0 && cols >= LEAST_COLS;
	canvas_cool(canvas);
	canvas_box(canvas, row, col, rows, cols, dialog->title);
	pager_draw(&dialog->body, canvas, row + 1, lines, col + 1, cols - 3);
	draw_question(dialog, canvas, row + rows - 2, col + 2, cols - 4);
}
