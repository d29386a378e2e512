#include "ui/pager.h"
#include "ui/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pager_clear(struct pager *pager)
{
	for (size_t i = 0; i < pager->len; i++)
		free(pager->lines[i].text);
	pager->len = pager->nshown = 0;
}

void pager_release(struct pager *pager)
{
	pager_clear(pager);
	free(pager->lines);
	free(pager->shown);
	free(pager->find);
	free(pager->filter);
	*pager = (struct pager){ 0 };
}

static int indent_of(const char *text)
{
	int indent = (int)strspn(text, " ");

	return text[indent] == '-' && text[indent + 1] == ' ' ? indent + 1 : indent;
}

void pager_add(struct pager *pager, enum role role, const char *text)
{
	LIST_PUSH(pager->lines, pager->len, pager->cap) = (struct pager_line){ .text = xstrdup(text), .role = role, .indent = indent_of(text) };
}

void pager_addf(struct pager *pager, enum role role, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, text_of(fmt), ap);
	va_end(ap);
	pager_add(pager, role, buf_cstr(&text));
}

void pager_add_text(struct pager *pager, const char *text, enum role (*role_of)(const char *line))
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		AUTO_FREE char *line = xmemdup0(text, len);

		pager_add(pager, role_of ? role_of(line) : ROLE_TEXT, line);
		text += len + (text[len] == '\n');
	}
}

void pager_update(struct pager *pager)
{
	int hidden_below = -1; /* indentation of the folded line above; -1: none */

	pager->nshown = 0;
	for (size_t i = 0; i < pager->len; i++) {
		const struct pager_line *line = &pager->lines[i];

		if (hidden_below >= 0 && (line->indent > hidden_below || !*line->text))
			continue;
		hidden_below = line->folded ? line->indent : -1;
		if (!pager->filter || strcasestr(line->text, pager->filter))
			LIST_PUSH(pager->shown, pager->nshown, pager->shown_cap) = i;
	}
	if (pager->cursor >= pager->nshown)
		pager->cursor = pager->nshown ? pager->nshown - 1 : 0;
}

void pager_move(struct pager *pager, long by)
{
	long at = (long)pager->cursor + by, last = (long)pager->nshown - 1;

	if (last >= 0)
		pager->cursor = (size_t)(at < 0 ? 0 : at > last ? last : at);
}

static bool matches(const struct pager *pager, size_t at)
{
	return strcasestr(pager->lines[pager->shown[at]].text, pager->find) != NULL;
}

bool pager_next_match(struct pager *pager, int direction)
{
	for (size_t i = 1; pager->find && i <= pager->nshown; i++) {
		size_t at = (pager->cursor + (direction > 0 ? i : pager->nshown - i)) % pager->nshown;

		if (!matches(pager, at))
			continue;
		pager->cursor = at;
		return true;
	}
	return false;
}

bool pager_search(struct pager *pager, const char *text)
{
	free(pager->find);
	pager->find = text && *text ? xstrdup(text) : NULL;
	if (!pager->find || !pager->nshown)
		return false;
	return matches(pager, pager->cursor) || pager_next_match(pager, 1);
}

void pager_set_filter(struct pager *pager, const char *text)
{
	free(pager->filter);
	pager->filter = text && *text ? xstrdup(text) : NULL;
	pager->first = 0;
	pager_update(pager);
}

static bool has_below(const struct pager *pager, size_t line)
{
	return line + 1 < pager->len && pager->lines[line + 1].indent > pager->lines[line].indent;
}

void pager_fold(struct pager *pager, bool fold)
{
	if (pager->cursor >= pager->nshown)
		return;
	size_t line = pager->shown[pager->cursor];

	/* Inside of something: its head is what folds. */
	while (fold && line > 0 && !has_below(pager, line) && pager->lines[line].indent > 0) {
		int indent = pager->lines[line].indent;

		while (line > 0 && pager->lines[line].indent >= indent)
			line--;
	}
	pager->lines[line].folded = fold && has_below(pager, line);
	pager_update(pager);
	for (size_t i = 0; i < pager->nshown; i++)
		if (pager->shown[i] == line)
			pager->cursor = i;
}

void pager_toggle_fold(struct pager *pager)
{
	if (pager->cursor < pager->nshown)
		pager_fold(pager, !pager->lines[pager->shown[pager->cursor]].folded);
}

/* ---- drawing ---- */

/* Where the word ends that does not fit behind len, unless that would leave half of the line empty. */
static size_t before_word(const char *text, size_t len)
{
	size_t space = len;

	while (space > 0 && text[space] != ' ')
		space--;
	return space > len / 2 ? space : len;
}

/* Cells of text that fit into width: how many bytes. At least one character, so that wrapping ends. */
static size_t fitting(const char *text, int width)
{
	struct str rest = str_of(text);
	size_t len = 0;
	uint32_t rune;

	while (rest.len) {
		size_t bytes = utf8_next(&rest, &rune);
		AUTO_FREE char *piece = xmemdup0(text, len + bytes);

		if (len && text_width(piece) > width)
			return before_word(text, len);
		len += bytes;
	}
	return len;
}

static size_t cut_piece(const char *text, int width, size_t *ret_next)
{
	size_t len = fitting(text, width);

	*ret_next = len + (text[len] == ' ');
	return len;
}

int pager_rows(const struct pager *pager, int cols)
{
	int rows = 0;

	for (size_t i = 0, next; i < pager->nshown; i++) {
		const char *text = pager->lines[pager->shown[i]].text;

		do {
			next = strlen(text);
			if (pager->wrap)
				cut_piece(text, cols - 1, &next);
			text += next;
			rows++;
		} while (*text);
	}
	return rows;
}

static int draw_line(const struct pager *pager, size_t at, struct canvas *canvas, int row, int end, int col, int cols)
{
	const struct pager_line *line = &pager->lines[pager->shown[at]];
	const char *text = line->text;
	bool hit = pager->find && matches(pager, at);
	int first = row;

	do {
		size_t next = strlen(text), len = pager->wrap ? cut_piece(text, cols - 1, &next) : next;
		AUTO_FREE char *piece = xmemdup0(text, len);

		canvas_textf(canvas, row, col + 1, cols - 1, hit ? ROLE_KEY : line->role, "%s%s", piece, line->folded ? " ..." : "");
		text += next;
		row++;
	} while (pager->wrap && *text && row < end);
	if (at == pager->cursor && !pager->no_cursor) {
		canvas_text(canvas, first, col, 1, ROLE_KEY, ">");
		canvas_select(canvas, first, col, cols);
	}
	return row;
}

void pager_draw(struct pager *pager, struct canvas *canvas, int row, int rows, int col, int cols)
{
	int end = row + rows;
	size_t room = rows > 0 ? (size_t)rows : 1;

	if (pager->cursor < pager->first)
		pager->first = pager->cursor;
	if (pager->cursor >= pager->first + room)
		pager->first = pager->cursor - room + 1;
	if (!pager->wrap && pager->first + room > pager->nshown)
		pager->first = pager->nshown > room ? pager->nshown - room : 0;
	for (size_t i = pager->first; i < pager->nshown && row < end; i++)
		row = draw_line(pager, i, canvas, row, end, col, cols);
}

void pager_text(const struct pager *pager, struct buf *out)
{
	for (size_t i = 0; i < pager->len; i++) {
		buf_adds(out, pager->lines[i].text);
		buf_addc(out, '\n');
	}
}

enum role role_of_yaml(const char *line)
{
	const char *text = line + strspn(line, " -");

	if (*text == '#')
		return ROLE_DIM;
	return *text && text[strlen(text) - 1] == ':' ? ROLE_TITLE : ROLE_TEXT;
}

enum role role_of_diff(const char *line)
{
	return *line == '+' ? ROLE_ADDED : *line == '-' ? ROLE_REMOVED : *line == '@' ? ROLE_TITLE : ROLE_TEXT;
}
