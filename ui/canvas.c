#include "ui/canvas.h"

#include <stdlib.h>
#include <string.h>

#include "base/rune.h"

/* Unicode 15 East Asian Width W and F, and emoji shown wide. */
static const struct rune_range wide[] = {
	{ 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x2329, 0x232a },	  { 0x23e9, 0x23ec },	{ 0x23f0, 0x23f0 },   { 0x23f3, 0x23f3 },
	{ 0x25fd, 0x25fe },   { 0x2614, 0x2615 },   { 0x2648, 0x2653 },	  { 0x267f, 0x267f },	{ 0x2693, 0x2693 },   { 0x26a1, 0x26a1 },
	{ 0x26aa, 0x26ab },   { 0x26bd, 0x26be },   { 0x26c4, 0x26c5 },	  { 0x26ce, 0x26ce },	{ 0x26d4, 0x26d4 },   { 0x26ea, 0x26ea },
	{ 0x26f2, 0x26f3 },   { 0x26f5, 0x26f5 },   { 0x26fa, 0x26fa },	  { 0x26fd, 0x26fd },	{ 0x2705, 0x2705 },   { 0x270a, 0x270b },
	{ 0x2728, 0x2728 },   { 0x274c, 0x274c },   { 0x274e, 0x274e },	  { 0x2753, 0x2755 },	{ 0x2757, 0x2757 },   { 0x2795, 0x2797 },
	{ 0x27b0, 0x27b0 },   { 0x27bf, 0x27bf },   { 0x2b1b, 0x2b1c },	  { 0x2b50, 0x2b50 },	{ 0x2b55, 0x2b55 },   { 0x2e80, 0x303e },
	{ 0x3041, 0x33ff },   { 0x3400, 0x4dbf },   { 0x4e00, 0xa4cf },	  { 0xa960, 0xa97f },	{ 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },
	{ 0xfe10, 0xfe19 },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },	  { 0xffe0, 0xffe6 },	{ 0x16fe0, 0x18cff }, { 0x1aff0, 0x1b2ff },
	{ 0x1f004, 0x1f004 }, { 0x1f0cf, 0x1f0cf }, { 0x1f18e, 0x1f18e }, { 0x1f191, 0x1f19a }, { 0x1f200, 0x1f320 }, { 0x1f32d, 0x1f335 },
	{ 0x1f337, 0x1f37c }, { 0x1f37e, 0x1f393 }, { 0x1f3a0, 0x1f3ca }, { 0x1f3cf, 0x1f3d3 }, { 0x1f3e0, 0x1f3f0 }, { 0x1f3f4, 0x1f3f4 },
	{ 0x1f3f8, 0x1f43e }, { 0x1f440, 0x1f440 }, { 0x1f442, 0x1f4fc }, { 0x1f4ff, 0x1f53d }, { 0x1f54b, 0x1f567 }, { 0x1f57a, 0x1f57a },
	{ 0x1f595, 0x1f596 }, { 0x1f5a4, 0x1f5a4 }, { 0x1f5fb, 0x1f64f }, { 0x1f680, 0x1f6c5 }, { 0x1f6cc, 0x1f6cc }, { 0x1f6d0, 0x1f6d7 },
	{ 0x1f6dc, 0x1f6df }, { 0x1f6eb, 0x1f6ec }, { 0x1f6f4, 0x1f6fc }, { 0x1f7e0, 0x1f7f0 }, { 0x1f90c, 0x1f9ff }, { 0x1fa70, 0x1faff },
	{ 0x20000, 0x3fffd },
};

/* Combining marks, joiners and variation selectors; direction marks are here too, so that they are left out. */
static const struct rune_range none[] = {
	{ 0x00ad, 0x00ad }, { 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x05bf, 0x05bf }, { 0x05c1, 0x05c7 }, { 0x0600, 0x0605 },
	{ 0x0610, 0x061c }, { 0x064b, 0x065f }, { 0x0670, 0x0670 }, { 0x06d6, 0x06dd }, { 0x06df, 0x06e4 }, { 0x06e7, 0x06ed }, { 0x0711, 0x0711 },
	{ 0x0730, 0x074a }, { 0x0900, 0x0902 }, { 0x093a, 0x093a }, { 0x093c, 0x093c }, { 0x0941, 0x0948 }, { 0x094d, 0x094d }, { 0x0e31, 0x0e31 },
	{ 0x0e34, 0x0e3a }, { 0x0e47, 0x0e4e }, { 0x1160, 0x11ff }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200f }, { 0x2028, 0x202e },
	{ 0x2060, 0x206f }, { 0x20d0, 0x20f0 }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0x1f3fb, 0x1f3ff },
	{ 0xe0000, 0xe0fff },
};

static int rune_width(uint32_t rune)
{
	if (rune < 0x300)
		return rune == 0xad ? 0 : 1;
	if (rune_is_among(none, ARRAY_LEN(none), rune))
		return 0;
	return rune_is_among(wide, ARRAY_LEN(wide), rune) ? 2 : 1;
}

/* The next rune that may be shown; controls become '?', a tab or line break a blank. False at the end. */
static bool next_shown(struct str *text, uint32_t *ret_rune)
{
	while (utf8_next(text, ret_rune)) {
		if (*ret_rune == '\t' || *ret_rune == '\n')
			*ret_rune = ' ';
		else if (*ret_rune < ' ' || (*ret_rune >= 0x7f && *ret_rune < 0xa0))
			*ret_rune = '?';
		if (rune_width(*ret_rune) > 0)
			return true;
	}
	return false;
}

/* In the ASCII set every mark has a letter of its own. */
static uint32_t to_ascii(uint32_t rune)
{
	static const struct {
		uint32_t rune, ascii;
	} marks[] = { { 0x2713, 'v' }, { 0x2717, 'x' }, { 0x2500, '-' }, { 0x2502, '|' }, { 0x250c, '+' }, { 0x2510, '+' },
		      { 0x2514, '`' }, { 0x2518, '+' }, { 0x2026, '~' }, { 0x2588, '#' }, { 0x2591, '.' } };

	if (rune < 0x80)
		return rune;
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (marks[i].rune == rune)
			return marks[i].ascii;
	return '?';
}

int text_width(const char *text)
{
	struct str rest = str_of(text);
	uint32_t rune;
	int width = 0;

	while (next_shown(&rest, &rune))
		width += rune_width(rune);
	return width;
}

struct canvas *canvas_create(int cols, int rows, bool ascii)
{
	struct canvas *canvas = xcalloc(1, sizeof *canvas);

	canvas->cols = cols > 0 ? cols : 0;
	canvas->rows = rows > 0 ? rows : 0;
	canvas->ascii = ascii;
	canvas->cells = xcalloc((size_t)canvas->cols * (size_t)canvas->rows + 1, sizeof *canvas->cells);
	canvas_clear(canvas);
	return canvas;
}

void canvas_destroy(struct canvas *canvas)
{
	if (!canvas)
		return;
	free(canvas->cells);
	free(canvas);
}

void canvas_clear(struct canvas *canvas)
{
	for (int i = 0; i < canvas->cols * canvas->rows; i++)
		canvas->cells[i] = (struct cell){ .rune = ' ' };
}

static void put(struct canvas *canvas, int row, int col, enum role role, uint32_t rune, int width)
{
	if (row < 0 || row >= canvas->rows || col < 0 || col + width > canvas->cols)
		return;
	struct cell *cell = &canvas->cells[row * canvas->cols + col];

	/* Half of a wide character must not stay behind. */
	if (cell->rune == 0 && col > 0)
		cell[-1].rune = ' ';
	if (col + width < canvas->cols && cell[width].rune == 0)
		cell[width].rune = ' ';
	*cell = (struct cell){ .rune = canvas->ascii ? to_ascii(rune) : rune, .role = (uint8_t)role };
	if (width == 2) {
		cell[1] = (struct cell){ .rune = canvas->ascii ? ' ' : 0, .role = (uint8_t)role };
	}
}

int canvas_text(struct canvas *canvas, int row, int col, int width, enum role role, const char *text)
{
	struct str rest = str_of(text);
	uint32_t rune;
	int at = 0, whole = text_width(text);
	bool cut = whole > width;

	if (col + width > canvas->cols)
		width = canvas->cols - col, cut = whole > width;
	while (width > 0 && next_shown(&rest, &rune)) {
		int w = rune_width(rune);

		if (at + w > width - (cut ? 1 : 0))
			break;
		put(canvas, row, col + at, role, rune, w);
		at += w;
	}
	if (cut && width > 0)
		put(canvas, row, col + at++, role, '~', 1);
	return at;
}

int canvas_textf(struct canvas *canvas, int row, int col, int width, enum role role, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	return canvas_text(canvas, row, col, width, role, buf_cstr(&text));
}

int canvas_name(struct canvas *canvas, int row, int col, int width, enum role role, const char *text)
{
	int whole = text_width(text);

	if (whole <= width || width < 5)
		return canvas_text(canvas, row, col, width, role, text);
	int head = (width - 1) / 2, tail = width - 1 - head, skip = whole - tail, at = 0;
	struct str rest = str_of(text);
	uint32_t rune;

	while (next_shown(&rest, &rune)) {
		int w = rune_width(rune);

		if (at + w <= head)
			put(canvas, row, col + at, role, rune, w);
		else if (at >= skip)
			put(canvas, row, col + head + 1 + at - skip, role, rune, w);
		at += w;
	}
	put(canvas, row, col + head, role, '~', 1);
	return width;
}

void canvas_right(struct canvas *canvas, int row, int col, int width, enum role role, const char *text)
{
	int used = text_width(text);

	canvas_text(canvas, row, col + (used < width ? width - used : 0), used < width ? used : width, role, text);
}

void canvas_rule(struct canvas *canvas, int row, const char *title, const char *note)
{
	for (int col = 0; col < canvas->cols; col++)
		put(canvas, row, col, ROLE_DIM, 0x2500, 1);
	if (title && *title) {
		put(canvas, row, 1, ROLE_DIM, ' ', 1);
		int used = canvas_text(canvas, row, 2, canvas->cols - 4, ROLE_TITLE, title);

		put(canvas, row, 2 + used, ROLE_DIM, ' ', 1);
	}
	int width = note ? text_width(note) : 0;

	if (width && text_width(title ? title : "") + width + 8 < canvas->cols)
		canvas_textf(canvas, row, canvas->cols - width - 4, width + 2, ROLE_DIM, " %s ", note);
}

void canvas_column(struct canvas *canvas, int col, int row, int rows)
{
	for (int i = 0; i < rows; i++)
		put(canvas, row + i, col, ROLE_DIM, 0x2502, 1);
}

void canvas_select(struct canvas *canvas, int row, int col, int width)
{
	for (int i = col; i < col + width && row >= 0 && row < canvas->rows; i++)
		if (i >= 0 && i < canvas->cols)
			canvas->cells[row * canvas->cols + i].selected = true;
}

void canvas_box(struct canvas *canvas, int row, int col, int rows, int cols, const char *title)
{
	for (int r = 0; r < rows; r++) {
		for (int c = 0; c < cols; c++) {
			bool edge_row = r == 0 || r == rows - 1, edge_col = c == 0 || c == cols - 1;
			uint32_t corner = r == 0 ? (c == 0 ? 0x250c : 0x2510) : (c == 0 ? 0x2514 : 0x2518);

			put(canvas, row + r, col + c, ROLE_TITLE, edge_row && edge_col ? corner : edge_row ? 0x2500 : edge_col ? 0x2502 : ' ', 1);
		}
	}
	canvas_textf(canvas, row, col + 1, cols - 2, ROLE_TITLE, " %s ", title);
}

void canvas_dump_text(const struct canvas *canvas, struct buf *out)
{
	for (int row = 0; row < canvas->rows; row++) {
		size_t start = out->len;

		for (int col = 0; col < canvas->cols; col++) {
			uint32_t rune = canvas->cells[row * canvas->cols + col].rune;

			if (rune)
				buf_add_rune(out, rune);
		}
		while (out->len > start && out->p[out->len - 1] == ' ')
			buf_truncate(out, out->len - 1);
		buf_addc(out, '\n');
	}
}

static void add_svg_rune(struct buf *out, uint32_t rune)
{
	if (rune == '<' || rune == '&' || rune == '>')
		buf_addf(out, "&#%u;", rune);
	else if (rune)
		buf_add_rune(out, rune);
}

void canvas_dump_svg(const struct canvas *canvas, struct buf *out)
{
	static const char *const colours[ROLE_COUNT] = { "#d4d4d4", "#808080", "#ffffff", "#23d18b", "#f5d547",
							 "#f14c4c", "#c678dd", "#29b8db", "#23d18b", "#f14c4c" };
	enum { W = 9, H = 19 };

	buf_addf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" "
		      "font-size=\"15\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#1e1e1e\"/>\n",
		 canvas->cols * W + 16, canvas->rows * H + 16);
	for (int row = 0; row < canvas->rows; row++) {
		for (int col = 0; col < canvas->cols;) {
			const struct cell *first = &canvas->cells[row * canvas->cols + col];
			int end = col;

			while (end < canvas->cols && canvas->cells[row * canvas->cols + end].role == first->role &&
			       canvas->cells[row * canvas->cols + end].selected == first->selected)
				end++;
			if (first->selected)
				buf_addf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#3a3d41\"/>\n", col * W + 8, row * H + 8, (end - col) * W, H);
			buf_addf(out, "<text x=\"%d\" y=\"%d\" fill=\"%s\" xml:space=\"preserve\" textLength=\"%d\"%s>", col * W + 8, row * H + 22,
				 colours[first->role], (end - col) * W, first->role == ROLE_TITLE ? " font-weight=\"bold\"" : "");
			for (; col < end; col++)
				add_svg_rune(out, canvas->cells[row * canvas->cols + col].rune);
			buf_adds(out, "</text>\n");
		}
	}
	buf_adds(out, "</svg>\n");
}
