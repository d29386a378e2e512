#include "ui/canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ui/text.h"
#include "ui/theme.h"

/* In the ASCII set every mark has a letter of its own. */
static uint32_t to_ascii(uint32_t rune)
{
	static const struct {
		uint32_t rune, ascii;
	} marks[] = { { 0x2713, 'v' }, { 0x2717, 'x' }, { 0x2500, '-' }, { 0x2502, '|' }, { 0x250c, '+' }, { 0x2510, '+' }, { 0x2514, '`' },
		      { 0x2518, '+' }, { 0x2026, '~' }, { 0x2581, '_' }, { 0x2582, '.' }, { 0x2583, '-' }, { 0x2584, '=' }, { 0x2585, '+' },
		      { 0x2586, '*' }, { 0x2587, '%' }, { 0x2588, '#' }, { 0x2591, '.' }, { 0x2190, '<' }, { 0x2191, '^' }, { 0x2192, '>' },
		      { 0x2193, 'v' }, { 0x00b7, '.' }, { 0x2013, '-' }, { 0x2014, '-' } };

	if (rune < 0x80)
		return rune;
	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (marks[i].rune == rune)
			return marks[i].ascii;
	return '?';
}

int text_width(const char *text)
{
	return glyph_width(str_of(text));
}

struct canvas *canvas_create(int cols, int rows, bool ascii)
{
	struct canvas *canvas = xcalloc(1, sizeof *canvas);

	canvas->cols = cols > 0 ? cols : 0;
	canvas->rows = rows > 0 ? rows : 0;
	canvas->ascii = ascii;
	canvas->cells = xcalloc((size_t)canvas->cols * (size_t)canvas->rows + 1, sizeof *canvas->cells);
	canvas->hot = xcalloc((size_t)canvas->cols * (size_t)canvas->rows + 1, sizeof *canvas->hot);
	canvas_clear(canvas);
	return canvas;
}

void canvas_destroy(struct canvas *canvas)
{
	if (!canvas)
		return;
	free(canvas->cells);
	free(canvas->hot);
	free(canvas);
}

void canvas_clear(struct canvas *canvas)
{
	for (int i = 0; i < canvas->cols * canvas->rows; i++)
		canvas->cells[i] = (struct cell){ .rune = ' ' };
	canvas_cool(canvas);
}

static void put_glyph(struct canvas *canvas, int row, int col, struct cell cell, int width)
{
	if (row < 0 || row >= canvas->rows || col < 0 || col + width > canvas->cols)
		return;
	struct cell *at = &canvas->cells[row * canvas->cols + col];

	/* Half of a wide character must not stay behind. */
	if (at->rune == 0 && col > 0)
		at[-1] = (struct cell){ .rune = ' ', .role = at[-1].role };
	if (col + width < canvas->cols && at[width].rune == 0)
		at[width].rune = ' ';
	if (canvas->ascii) {
		cell.rune = to_ascii(cell.rune);
		memset(cell.marks, 0, sizeof cell.marks);
	}
	*at = cell;
	if (width == 2)
		at[1] = (struct cell){ .rune = canvas->ascii ? ' ' : 0, .role = cell.role, .style = cell.style };
}

static void put(struct canvas *canvas, int row, int col, enum role role, uint32_t rune, int width)
{
	put_glyph(canvas, row, col, (struct cell){ .rune = rune, .role = (uint8_t)role }, width);
}

static struct cell cell_of(const struct glyph *glyph, enum role role)
{
	struct cell cell = { .rune = glyph->rune, .role = (uint8_t)role };

	memcpy(cell.marks, glyph->marks, sizeof cell.marks);
	return cell;
}

int canvas_text(struct canvas *canvas, int row, int col, int width, enum role role, const char *text)
{
	struct str rest = str_of(text);
	struct glyph glyph;
	int at = 0, whole = text_width(text);

	if (col + width > canvas->cols)
		width = canvas->cols - col;
	bool cut = whole > width;

	while (width > 0 && glyph_next(&rest, &glyph)) {
		if (at + glyph.width > width - (cut ? 1 : 0))
			break;
		put_glyph(canvas, row, col + at, cell_of(&glyph, role), glyph.width);
		at += glyph.width;
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
	buf_vaddf(&text, text_of(fmt), ap);
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
	struct glyph glyph;

	while (glyph_next(&rest, &glyph)) {
		if (at + glyph.width <= head)
			put_glyph(canvas, row, col + at, cell_of(&glyph, role), glyph.width);
		else if (at >= skip)
			put_glyph(canvas, row, col + head + 1 + at - skip, cell_of(&glyph, role), glyph.width);
		at += glyph.width;
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

/* ---- runs ---- */

int runs_width(const struct run *runs, size_t n)
{
	int width = 0;

	for (size_t i = 0; i < n; i++)
		width += glyph_width(runs[i].text);
	return width;
}

int canvas_styled(struct canvas *canvas, int row, int col, int width, int skip, enum role role, const struct run *runs, size_t n)
{
	struct glyph glyph;
	int at = -skip; /* of the next glyph, from col on */

	for (size_t i = 0; i < n; i++) {
		for (struct str rest = runs[i].text; glyph_next(&rest, &glyph); at += glyph.width) {
			if (at + glyph.width > width)
				return at > 0 ? at : width > 0 ? 1 : 0; /* never none: a wide one in one cell is left out */
			if (at < 0)
				continue;
			struct cell cell = cell_of(&glyph, role);

			cell.style = runs[i].style;
			put_glyph(canvas, row, col + at, cell, glyph.width);
		}
	}
	return at > 0 ? at : 0;
}

void canvas_paint(struct canvas *canvas, int row, int col, int width, enum role role)
{
	for (int i = col < 0 ? 0 : col; i < col + width && i < canvas->cols && row >= 0 && row < canvas->rows; i++) {
		struct cell *cell = &canvas->cells[row * canvas->cols + i];

		cell->role = (uint8_t)role;
		cell->style = (struct style){ 0 };
	}
}

void canvas_paste(struct canvas *canvas, int row, int col, const struct canvas *from)
{
	for (int r = 0; r < from->rows && row + r < canvas->rows; r++) {
		for (int c = 0; c < from->cols && col + c < canvas->cols; c++) {
			canvas->cells[(row + r) * canvas->cols + col + c] = from->cells[r * from->cols + c];
			canvas->hot[(row + r) * canvas->cols + col + c] = from->hot[r * from->cols + c];
		}
	}
}

void canvas_hot(struct canvas *canvas, int row, int col, int width, uint32_t key)
{
	for (int i = col < 0 ? 0 : col; i < col + width && i < canvas->cols && row >= 0 && row < canvas->rows; i++)
		canvas->hot[row * canvas->cols + i] = key;
}

void canvas_cool(struct canvas *canvas)
{
	memset(canvas->hot, 0, (size_t)canvas->cols * (size_t)canvas->rows * sizeof *canvas->hot);
}

uint32_t canvas_hot_at(const struct canvas *canvas, int row, int col)
{
	bool inside = row >= 0 && row < canvas->rows && col >= 0 && col < canvas->cols;

	return inside ? canvas->hot[row * canvas->cols + col] : 0;
}

/* ---- small pictures ---- */

void canvas_scrollbar(struct canvas *canvas, int row, int col, int rows, size_t first, size_t shown, size_t total)
{
	if (total <= shown || rows < 1)
		return;
	size_t track = (size_t)rows, thumb = track * shown / total, last = total - shown;

	if (thumb < 1)
		thumb = 1;
	/* Top and bottom are reached only when the list's are. */
	size_t at = first >= last ? track - thumb : first == 0 || track - thumb < 2 ? 0 : 1 + (first - 1) * (track - thumb - 1) / last;

	for (size_t i = 0; i < track; i++)
		put(canvas, row + (int)i, col, ROLE_BORDER, i >= at && i < at + thumb ? 0x2588 : 0x2502, 1);
}

int canvas_strip(struct canvas *canvas, int row, int col, int width, enum role role, const double *values, size_t n, double max)
{
	size_t first = n > (size_t)(width > 0 ? width : 0) ? n - (size_t)(width > 0 ? width : 0) : 0;

	for (size_t i = first; i < n; i++) {
		double part = max > 0 ? values[i] / max : 0;
		uint32_t height = !(part > 0) ? 0 : part >= 1 ? 7 : (uint32_t)(part * 8);

		put(canvas, row, col + (int)(i - first), role, isnan(values[i]) ? ' ' : 0x2581 + height, 1);
	}
	return (int)(n - first);
}

/* ---- lists ---- */

/* The column of the next higher rank than that of after (n: none before); the leftmost of several. n: no more. */
static size_t next_by_rank(const struct list_column *columns, size_t n, size_t after)
{
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		bool later = after == n || columns[i].rank > columns[after].rank || (columns[i].rank == columns[after].rank && i > after);

		if (later && (best == n || columns[i].rank < columns[best].rank))
			best = i;
	}
	return best;
}

/* Gives each column that fits its min; what is left of width. */
static int choose_columns(const struct list_column *columns, size_t n, int width, int *widths)
{
	bool any = false;

	for (size_t i = next_by_rank(columns, n, n); i < n; i = next_by_rank(columns, n, i)) {
		int need = columns[i].min + (any ? 1 : 0);

		if (need > width && any)
			continue;
		widths[i] = need <= width ? columns[i].min : width > 0 ? width : 0;
		width -= widths[i] + (any ? 1 : 0);
		any = true;
	}
	return width;
}

void list_fit(const struct list_column *columns, size_t n, int width, int *ret_widths)
{
	int shares = 0;

	memset(ret_widths, 0, n * sizeof *ret_widths);
	int left = choose_columns(columns, n, width, ret_widths);

	for (size_t i = next_by_rank(columns, n, n); i < n; i = next_by_rank(columns, n, i)) {
		int more = columns[i].want - ret_widths[i];

		if (!ret_widths[i])
			continue;
		if (more > 0) {
			more = more < left ? more : left;
			ret_widths[i] += more;
			left -= more;
		}
		shares += columns[i].grow;
	}
	for (size_t i = 0; i < n && shares > 0; i++) {
		int more = ret_widths[i] ? left * columns[i].grow / shares : 0;

		if (ret_widths[i])
			shares -= columns[i].grow;
		ret_widths[i] += more;
		left -= more;
	}
}

static void put_column(struct canvas *canvas, int row, int col, const struct list_column *column, int width, struct list_cell cell)
{
	if (column->right)
		canvas_right(canvas, row, col, width, cell.role, cell.text);
	else if (column->cut == CUT_MIDDLE)
		canvas_name(canvas, row, col, width, cell.role, cell.text);
	else
		canvas_text(canvas, row, col, width, cell.role, cell.text);
}

void canvas_list_row(struct canvas *canvas, int row, int col, const struct list_column *columns, const int *widths, size_t n,
			const struct list_cell *cells)
{
	for (size_t i = 0; i < n; i++) {
		if (!widths[i])
			continue;
		if (cells[i].text)
			put_column(canvas, row, col, &columns[i], widths[i], cells[i]);
		col += widths[i] + 1;
	}
}

void canvas_list_head(struct canvas *canvas, int row, int col, const struct list_column *columns, const int *widths, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct list_cell cell = { columns[i].title, ROLE_DIM };

		canvas_list_row(canvas, row, col, &columns[i], &widths[i], 1, &cell);
		col += widths[i] ? widths[i] + 1 : 0;
	}
}

/* ---- dumps ---- */

static void add_cell(struct buf *out, const struct cell *cell)
{
	buf_add_rune(out, cell->rune);
	for (size_t i = 0; i < GLYPH_MARKS && cell->marks[i]; i++)
		buf_add_rune(out, cell->marks[i]);
}

void canvas_dump_text(const struct canvas *canvas, struct buf *out)
{
	for (int row = 0; row < canvas->rows; row++) {
		size_t start = out->len;

		for (int col = 0; col < canvas->cols; col++) {
			const struct cell *cell = &canvas->cells[row * canvas->cols + col];

			if (cell->rune)
				add_cell(out, cell);
		}
		while (out->len > start && out->p[out->len - 1] == ' ')
			buf_truncate(out, out->len - 1);
		buf_addc(out, '\n');
	}
}

static void add_svg_cell(struct buf *out, const struct cell *cell)
{
	if (cell->rune == '<' || cell->rune == '&' || cell->rune == '>')
		buf_addf(out, "&#%u;", cell->rune);
	else if (cell->rune)
		add_cell(out, cell);
}

#define SVG_COL 9
#define SVG_ROW 19
#define SVG_PAD 8

static bool same_style(struct style a, struct style b)
{
	return a.fg == b.fg && a.bg == b.bg && a.attributes == b.attributes;
}

/* Cells first to end of a row, all of one style. */
static void add_svg_run(struct buf *out, const struct theme *theme, const struct cell *row, int y, int first, int end)
{
	struct style style = theme_style(theme, DEPTH_DIRECT, &row[first]);
	uint32_t fg = style.fg ? colour_rgb(style.fg) : theme_text(theme), bg = style.bg ? colour_rgb(style.bg) : theme_background(theme);
	bool reverse = style.attributes & STYLE_REVERSE;

	if (reverse || style.bg)
		buf_addf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#%06x\"/>\n", first * SVG_COL + SVG_PAD, y * SVG_ROW + SVG_PAD,
			 (end - first) * SVG_COL, SVG_ROW, reverse ? fg : bg);
	buf_addf(out, "<text x=\"%d\" y=\"%d\" fill=\"#%06x\" xml:space=\"preserve\" textLength=\"%d\"%s%s%s>", first * SVG_COL + SVG_PAD,
		 y * SVG_ROW + SVG_PAD + 14, reverse ? bg : fg, (end - first) * SVG_COL, style.attributes & STYLE_BOLD ? " font-weight=\"bold\"" : "",
		 style.attributes & STYLE_ITALIC ? " font-style=\"italic\"" : "", style.attributes & STYLE_UNDERLINE ? " text-decoration=\"underline\"" : "");
	for (int col = first; col < end; col++)
		add_svg_cell(out, &row[col]);
	buf_adds(out, "</text>\n");
}

static void add_svg_row(struct buf *out, const struct theme *theme, const struct cell *row, int y, int cols)
{
	for (int first = 0, end; first < cols; first = end) {
		struct style style = theme_style(theme, DEPTH_DIRECT, &row[first]);

		for (end = first + 1; end < cols && same_style(theme_style(theme, DEPTH_DIRECT, &row[end]), style);)
			end++;
		add_svg_run(out, theme, row, y, first, end);
	}
}

void canvas_dump_svg(const struct canvas *canvas, struct buf *out)
{
	AUTO(theme) dark = NULL;
	AUTO_RELEASE(error) err = { 0 };
	const struct theme *theme = canvas->theme;

	if (!theme && theme_load(NULL, NULL, &dark, &err))
		theme = dark;
	if (!theme)
		return; /* the built-in one is read by a test */
	buf_addf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" "
		      "font-size=\"15\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#%06x\"/>\n",
		 canvas->cols * SVG_COL + 2 * SVG_PAD, canvas->rows * SVG_ROW + 2 * SVG_PAD, theme_background(theme));
	for (int y = 0; y < canvas->rows; y++)
		add_svg_row(out, theme, canvas->cells + y * canvas->cols, y, canvas->cols);
	buf_adds(out, "</svg>\n");
}
