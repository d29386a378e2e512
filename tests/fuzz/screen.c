/*
 * Any bytes as a text on a screen: every cell can be shown, wide ones are whole, and what was shown shows as itself. The first two bytes
 * are width and offset.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ui/osc.h"
#include "ui/sgr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_cells(const struct canvas *canvas)
{
	for (int i = 0; i < canvas->cols * canvas->rows; i++) {
		const struct cell *cell = &canvas->cells[i];
		uint32_t rune = cell->rune;
		bool second = rune == 0;

		if (second && (i % canvas->cols == 0 || canvas->cells[i - 1].rune == 0))
			abort();
		if (!second && (rune < ' ' || (rune >= 0x7f && rune < 0xa0) || (rune >= 0x202a && rune <= 0x202e) || (rune >= 0x2066 && rune <= 0x2069) ||
				rune == 0x200b || rune > 0x10ffff || (canvas->ascii && rune >= 0x7f)))
			abort();
		for (size_t m = 0; m < GLYPH_MARKS; m++)
			if (cell->marks[m] && (cell->marks[m] < 0x300 || canvas->ascii))
				abort();
	}
}

static void draw(struct canvas *canvas, const char *text, int offset)
{
	AUTO_RELEASE(runs) runs = { 0 };

	sgr_parse(str_of(text), &runs);
	canvas_text(canvas, 0, offset, canvas->cols, ROLE_TEXT, text);
	canvas_name(canvas, 1, 0, canvas->cols - offset, ROLE_TEXT, text);
	canvas_right(canvas, 2, offset, canvas->cols, ROLE_TEXT, text);
	canvas_styled(canvas, 3, 0, canvas->cols, offset, ROLE_TEXT, runs.items, runs.len);
	canvas_text(canvas, 4, 0, canvas->cols, ROLE_TEXT, text);
	canvas_text(canvas, 4, offset, 3, ROLE_TEXT, text);
	check_cells(canvas);
}

static void check_idempotent(const char *text)
{
	AUTO(canvas) first = canvas_create(400, 1, false);
	AUTO(canvas) second = canvas_create(400, 1, false);
	AUTO_RELEASE(buf) once = BUF_INIT(0);
	AUTO_RELEASE(buf) twice = BUF_INIT(0);

	canvas_text(first, 0, 0, 400, ROLE_TEXT, text);
	canvas_dump_text(first, &once);
	buf_truncate(&once, once.len - 1);
	canvas_text(second, 0, 0, 400, ROLE_TEXT, buf_cstr(&once));
	canvas_dump_text(second, &twice);
	buf_truncate(&twice, twice.len - 1);
	if (!str_eq(buf_str(&once), buf_str(&twice)))
		abort();
}

/* Nothing between the two ends of a sequence may end it. */
static void check_sequences(const char *text)
{
	AUTO_RELEASE(buf) title = BUF_INIT(0);
	AUTO_RELEASE(buf) copy = BUF_INIT(0);

	osc_title(&title, text);
	for (size_t i = 4; i + 1 < title.len; i++)
		if ((unsigned char)title.p[i] < ' ' || title.p[i] == 0x7f)
			abort();
	if (osc_copy(&copy, str_of(text), false))
		for (size_t i = 7; i + 1 < copy.len; i++)
			if ((unsigned char)copy.p[i] <= ' ')
				abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	AUTO_FREE char *text = xmemdup0((const char *)data + 2, size - 2);

	for (int ascii = 0; ascii < 2; ascii++) {
		AUTO(canvas) canvas = canvas_create(data[0] % 90 + 1, 5, ascii);

		draw(canvas, text, data[1] % 20);
	}
	check_idempotent(text);
	check_sequences(text);
	return 0;
}
