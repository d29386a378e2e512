#include "ui/line_edit.h"

#include <string.h>

#include "ui/term.h"

void line_edit_set(struct line_edit *edit, const char *text)
{
	size_t len = strlen(text);

	if (len >= sizeof edit->text)
		len = 0;
	memcpy(edit->text, text, len);
	edit->text[len] = '\0';
	edit->len = edit->at = len;
}

static bool is_inside(const struct line_edit *edit, size_t at)
{
	return ((unsigned char)edit->text[at] & 0xc0) == 0x80;
}

static size_t before(const struct line_edit *edit, size_t at)
{
	while (at > 0 && is_inside(edit, --at))
		;
	return at;
}

static size_t behind(const struct line_edit *edit, size_t at)
{
	if (at < edit->len)
		at++;
	while (at < edit->len && is_inside(edit, at))
		at++;
	return at;
}

static void cut(struct line_edit *edit, size_t from, size_t to)
{
	memmove(edit->text + from, edit->text + to, edit->len - to + 1);
	edit->len -= to - from;
	edit->at = from;
}

static void insert(struct line_edit *edit, uint32_t rune)
{
	char bytes[4];
	size_t n = utf8_put(bytes, rune);

	if (edit->len + n >= sizeof edit->text)
		return;
	memmove(edit->text + edit->at + n, edit->text + edit->at, edit->len - edit->at + 1);
	memcpy(edit->text + edit->at, bytes, n);
	edit->len += n;
	edit->at += n;
}

static size_t word_start(const struct line_edit *edit)
{
	size_t at = edit->at;

	while (at > 0 && edit->text[at - 1] == ' ')
		at--;
	while (at > 0 && edit->text[at - 1] != ' ')
		at--;
	return at;
}

bool line_edit_key(struct line_edit *edit, uint32_t key)
{
	if (key == KEY_TERM_BACKSPACE)
		cut(edit, before(edit, edit->at), edit->at);
	else if (key == KEY_TERM_DELETE)
		cut(edit, edit->at, behind(edit, edit->at));
	else if (key == KEY_TERM_LEFT)
		edit->at = before(edit, edit->at);
	else if (key == KEY_TERM_RIGHT)
		edit->at = behind(edit, edit->at);
	else if (key == KEY_TERM_HOME)
		edit->at = 0;
	else if (key == KEY_TERM_END)
		edit->at = edit->len;
	else if (key == ('u' & 31))
		cut(edit, 0, edit->at);
	else if (key == ('w' & 31))
		cut(edit, word_start(edit), edit->at);
	else if (key >= ' ' && key < KEY_TERM_UP)
		insert(edit, key);
	else
		return false;
	return true;
}

void line_edit_draw(const struct line_edit *edit, struct canvas *canvas, int row, int col, int width, const char *prefix)
{
	int used = canvas_text(canvas, row, col, width, ROLE_KEY, prefix);
	const char *text = edit->text;
	char left[sizeof edit->text];

	while (*text && text_width(text) >= width - used)
		text += behind(edit, (size_t)(text - edit->text)) - (size_t)(text - edit->text);
	canvas_textf(canvas, row, col + used, width - used, ROLE_TEXT, "%s ", text);
	if (edit->text + edit->at < text)
		return;
	memcpy(left, text, (size_t)(edit->text + edit->at - text));
	left[edit->text + edit->at - text] = '\0';
	canvas_select(canvas, row, col + used + text_width(left), 1);
}
