#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "ui/canvas.h"
#include "ui/keymap.h"
#include "ui/sgr.h"
#include "ui/term.h"

static char *drawn(const char *text, int width)
{
	AUTO(canvas) canvas = canvas_create(width, 1, false);
	struct buf out = BUF_INIT(0);

	canvas_text(canvas, 0, 0, width, ROLE_TEXT, text);
	canvas_dump_text(canvas, &out);
	return buf_give(&out);
}

static void nothing_from_outside_becomes_a_control_character(void **state)
{
	(void)state;
	static const char *const hostile[] = { "\033[2J\033]0;title\007x", "a\rb\nc\td", "\x9b" "31m", "\xc2\x9b" "31m", "\xe2\x80\xae" "evil",
					       "\xff\xfe\xc0\x80", "\xed\xa0\x80", "\x7f\x01\x02", "e\xcc\x81\xcc\x82", "\xe2\x80\x8d\xe2\x80\x8b" };

	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		AUTO_FREE char *line = drawn(hostile[i], 40);
		struct str rest = str_of(line);
		uint32_t rune;

		assert_true(utf8_valid(rest));
		while (utf8_next(&rest, &rune))
			assert_true(rune == '\n' || (rune >= ' ' && rune != 0x7f && !(rune >= 0x80 && rune < 0xa0) && rune != 0x202e));
	}
}

static void what_does_not_fit_ends_in_a_mark(void **state)
{
	(void)state;
	AUTO_FREE char *cut = drawn("abcdefgh", 5), *whole = drawn("abcde", 5);

	assert_string_equal(cut, "abcd~\n");
	assert_string_equal(whole, "abcde\n");
}

static void names_are_cut_in_the_middle(void **state)
{
	(void)state;
	AUTO(canvas) canvas = canvas_create(9, 1, false);
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	canvas_name(canvas, 0, 0, 9, ROLE_TEXT, "users-6d9f-x2k");
	canvas_dump_text(canvas, &out);
	assert_string_equal(buf_cstr(&out), "user~-x2k\n");
}

static void wide_characters_take_two_cells_and_never_break_a_line(void **state)
{
	(void)state;
	assert_int_equal(text_width("漢字"), 4);
	assert_int_equal(text_width("e\xcc\x81"), 1);
	for (int width = 0; width < 12; width++) {
		AUTO(canvas) canvas = canvas_create(width, 1, false);

		assert_true(canvas_text(canvas, 0, 0, width, ROLE_TEXT, "a漢b字c漢漢") <= width);
	}
}

static void drawing_outside_is_clipped(void **state)
{
	(void)state;
	AUTO(canvas) canvas = canvas_create(3, 2, false);

	for (int row = -5; row < 6; row++)
		for (int col = -5; col < 6; col++) {
			canvas_text(canvas, row, col, 10, ROLE_TEXT, "漢abc");
			canvas_box(canvas, row, col, 4, 7, "t");
			canvas_select(canvas, row, col, 9);
			canvas_right(canvas, row, col, 5, ROLE_TEXT, "abcdefg");
		}
}

static void the_ascii_set_holds_only_ascii(void **state)
{
	(void)state;
	AUTO(canvas) canvas = canvas_create(20, 2, true);
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	canvas_rule(canvas, 0, "title", NULL);
	canvas_text(canvas, 1, 0, 20, ROLE_TEXT, "✓ ✗ ~ ? Привет 漢");
	canvas_dump_text(canvas, &out);
	for (size_t i = 0; i < out.len; i++)
		assert_true((unsigned char)out.p[i] < 0x80);
}

static void marks_stay_with_their_character(void **state)
{
	(void)state;
	AUTO_FREE char *line = drawn("e\xcc\x81x", 8), *many = drawn("z\xcc\x81\xcc\x82\xcc\x83\xcc\x84!", 8);
	AUTO_FREE char *nothing_before = drawn("\xcc\x81x", 8), *cut = drawn("ae\xcc\x81i\xcc\x81o", 3);

	assert_string_equal(line, "e\xcc\x81x\n");
	assert_string_equal(many, "z\xcc\x81\xcc\x82!\n");
	assert_string_equal(nothing_before, "x\n");
	assert_string_equal(cut, "ae\xcc\x81~\n");
}

static void an_emoji_sequence_shows_as_its_parts(void **state)
{
	static const struct {
		const char *text, *shown;
		int width;
	} cases[] = {
		{ "👨\u200d👩\u200d👧", "👨👩👧\n", 6 },	    /* joined: one picture here, three there */
		{ "👍🏽!", "👍!\n", 3 },			    /* skin tone */
		{ "❤\ufe0f!", "❤!\n", 2 },		    /* selector: one cell here, two there */
		{ "🇩🇪", "DE\n", 2 },			    /* flag */
		{ "1\ufe0f\u20e3", "1\u20e3\n", 1 },	    /* keycap */
		{ "\u2066a\u202eb\u200bc", "?a?b?c\n", 6 },    /* hides what the text says: seen */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FREE char *line = drawn(cases[i].text, 20);

		assert_string_equal(line, cases[i].shown);
		assert_int_equal(text_width(cases[i].text), cases[i].width);
	}
}

/* What ncurses and most terminals measure; a character that they measure otherwise would shift the rest of its line. */
static void widths_are_those_of_the_system(void **state)
{
	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		skip();
	for (uint32_t rune = ' '; rune < 0x20000; rune++) {
		char bytes[4];
		struct str text = { bytes, utf8_put(bytes, rune) };
		struct glyph glyph;
		int system = wcwidth((wchar_t)rune);

		if (system < 0 || !glyph_next(&text, &glyph) || glyph.rune != rune)
			continue;
		if (glyph.width != system)
			fail_msg("U+%04X takes %d cells here, %d there", rune, glyph.width, system);
	}
}

static void colours_of_a_program_become_runs(void **state)
{
	static const struct {
		const char *line;
		struct style style; /* of the x in it */
	} cases[] = {
		{ "x", { 0 } },
		{ "\033[31mx", { .fg = COLOUR_INDEX(1) } },
		{ "\033[1;97;44mx", { .fg = COLOUR_INDEX(15), .bg = COLOUR_INDEX(4), .attributes = STYLE_BOLD } },
		{ "\033[38;5;208mx", { .fg = COLOUR_INDEX(208) } },
		{ "\033[38;2;1;2;3mx", { .fg = COLOUR_RGB(1, 2, 3) } },
		{ "\033[38:2::1:2:3;4:3mx", { .fg = COLOUR_RGB(1, 2, 3), .attributes = STYLE_UNDERLINE } },
		{ "\033[1;3m\033[22mx", { .attributes = STYLE_ITALIC } },
		{ "\033[31mred\033[mx", { 0 } },
		{ "\033[31mred\033[39mx", { 0 } },
		{ "\033[8;5mx", { 0 } },			/* concealed, blinking: shown plainly */
		{ "\033[34;44mx", { .fg = COLOUR_INDEX(4) } }, /* invisible otherwise */
		{ "\033[38;5;999mx", { 0 } },
		{ "\033[38mx", { 0 } },
		{ "\033[>4;2mx", { 0 } },
		{ "\033[2J\033]0;title\007\033[?25lx", { 0 } },
	};
	AUTO_RELEASE(runs) runs = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		sgr_parse(str_of(cases[i].line), &runs);
		assert_true(runs.len > 0);
		assert_true(str_is(runs.items[runs.len - 1].text, "x"));
		assert_int_equal(runs.items[runs.len - 1].style.fg, cases[i].style.fg);
		assert_int_equal(runs.items[runs.len - 1].style.bg, cases[i].style.bg);
		assert_int_equal(runs.items[runs.len - 1].style.attributes, cases[i].style.attributes);
	}
}

static void a_line_is_read_without_its_colours(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) plain = BUF_INIT(0);

	sgr_plain(STR("\033[1merr\033[0mor: \033]8;;http://x\033\\link\033]8;;\033\\\033["), &plain);
	assert_string_equal(buf_cstr(&plain), "error: link");
}

static void a_styled_line_wraps_without_losing_a_character(void **state)
{
	(void)state;
	AUTO_RELEASE(runs) runs = { 0 };

	sgr_parse(STR("ab\033[31mc中de\033[0m文f"), &runs);
	for (int width = 1; width < 12; width++) {
		AUTO_RELEASE(buf) all = BUF_INIT(0);

		for (int skip = 0, used; skip < runs_width(runs.items, runs.len); skip += used) {
			AUTO(canvas) canvas = canvas_create(width, 1, false);

			used = canvas_styled(canvas, 0, 0, width, skip, ROLE_TEXT, runs.items, runs.len);
			assert_true(used > 0 && used <= width);
			canvas_dump_text(canvas, &all);
			buf_truncate(&all, all.len - 1);
		}
		assert_string_equal(buf_cstr(&all), width == 1 ? "abcdef" : "abc中de文f");
	}
}

static void a_painted_match_loses_the_colours_of_the_line(void **state)
{
	(void)state;
	AUTO(canvas) canvas = canvas_create(4, 1, false);
	AUTO_RELEASE(runs) runs = { 0 };

	sgr_parse(STR("\033[31mabcd"), &runs);
	canvas_styled(canvas, 0, 0, 4, 0, ROLE_TEXT, runs.items, runs.len);
	canvas_paint(canvas, 0, 1, 2, ROLE_MATCH);
	assert_int_equal(canvas->cells[0].style.fg, COLOUR_INDEX(1));
	assert_int_equal(canvas->cells[1].style.fg, COLOUR_OF_ROLE);
	assert_int_equal(canvas->cells[2].role, ROLE_MATCH);
	assert_int_equal(canvas->cells[3].role, ROLE_TEXT);
}

/* Where the thumb of a bar of ten cells is, as "first..last". */
static void check_thumb(size_t first, size_t shown, size_t total, int want_first, int want_last)
{
	AUTO(canvas) canvas = canvas_create(1, 10, false);
	int from = -1, to = -1;

	canvas_scrollbar(canvas, 0, 0, 10, first, shown, total);
	for (int i = 0; i < 10; i++) {
		if (canvas->cells[i].rune != 0x2588)
			continue;
		from = from < 0 ? i : from;
		to = i;
	}
	assert_int_equal(from, want_first);
	assert_int_equal(to, want_last);
}

static void a_scrollbar_touches_the_ends_only_at_the_ends(void **state)
{
	(void)state;
	check_thumb(0, 10, 10, -1, -1);
	check_thumb(0, 10, 20, 0, 4);
	check_thumb(1, 10, 20, 1, 5);
	check_thumb(9, 10, 20, 4, 8);
	check_thumb(10, 10, 20, 5, 9);
	check_thumb(99990, 10, 100000, 9, 9);
	check_thumb(99989, 10, 100000, 8, 8);
	check_thumb(500, 1, 2, 5, 9); /* beyond the end */
}

static void a_strip_shows_the_newest_values(void **state)
{
	(void)state;
	static const double values[] = { 9, 0, NAN, 1, 4, 7.9, 8, 1e9, -3 };
	AUTO(canvas) canvas = canvas_create(12, 2, false);
	AUTO(canvas) ascii = canvas_create(12, 1, true);
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	assert_int_equal(canvas_strip(canvas, 0, 0, 8, ROLE_TEXT, values, ARRAY_LEN(values), 8), 8);
	canvas_strip(canvas, 1, 0, 8, ROLE_TEXT, values, ARRAY_LEN(values), 0);
	canvas_strip(ascii, 0, 0, 8, ROLE_TEXT, values, ARRAY_LEN(values), 8);
	canvas_dump_text(canvas, &text);
	canvas_dump_text(ascii, &text);
	assert_string_equal(buf_cstr(&text), "▁ ▂▅███▁\n▁ ▁▁▁▁▁▁\n_ .+###_\n");
}

static const struct list_column pods[] = {
	{ .title = "S", .min = 1, .want = 1, .rank = 1 },
	{ .title = "NAME", .min = 12, .want = 30, .rank = 2, .grow = 3, .cut = CUT_MIDDLE },
	{ .title = "READY", .min = 5, .want = 5, .rank = 3, .right = true },
	{ .title = "NODE", .min = 8, .want = 20, .rank = 6, .grow = 1 },
	{ .title = "RESTARTS", .min = 8, .want = 8, .rank = 5, .right = true },
	{ .title = "AGE", .min = 4, .want = 4, .rank = 4, .right = true },
};

static void columns_go_by_rank_and_the_rest_fills_the_width(void **state)
{
	static const struct {
		int width, want[6];
	} cases[] = { { 200, { 1, 125, 5, 52, 8, 4 } }, { 80, { 1, 35, 5, 22, 8, 4 } }, { 40, { 1, 18, 5, 0, 8, 4 } },
		      { 30, { 1, 17, 5, 0, 0, 4 } },	{ 14, { 1, 12, 0, 0, 0, 0 } },	{ 5, { 1, 0, 0, 0, 0, 0 } },
		      { 0, { 0 } } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int widths[6], used = -1;

		list_fit(pods, 6, cases[i].width, widths);
		for (int c = 0; c < 6; c++) {
			if (widths[c] != cases[i].want[c])
				fail_msg("at %d column %d got %d, not %d", cases[i].width, c, widths[c], cases[i].want[c]);
			used += widths[c] ? widths[c] + 1 : 0;
		}
		assert_true(used <= cases[i].width);
		if (widths[1])
			assert_int_equal(used, cases[i].width);
	}
}

static void a_table_row_cuts_names_in_the_middle_and_numbers_never(void **state)
{
	(void)state;
	static const struct list_cell cells[] = { { "✓", ROLE_HEALTHY }, { "users-6d9f7b4c-x2k8z", ROLE_TEXT }, { "7/8", ROLE_TEXT },
						   { "node-1", ROLE_DIM },  { "1204", ROLE_TEXT },	    { "12d", ROLE_DIM } };
	AUTO(canvas) canvas = canvas_create(40, 2, false);
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	int widths[6];

	list_fit(pods, 6, 40, widths);
	canvas_list_head(canvas, 0, 0, pods, widths, 6);
	canvas_list_row(canvas, 1, 0, pods, widths, 6, cells);
	canvas_dump_text(canvas, &text);
	assert_string_equal(buf_cstr(&text), "S NAME               READY RESTARTS  AGE\n✓ users-6d~b4c-x2k8z   7/8     1204  12d\n");
}

static void keys_act_by_their_place_on_a_cyrillic_layout(void **state)
{
	(void)state;
	assert_int_equal(keymap_find(VIEW_ENVS, 0x439 /* й */)->action, ACTION_LEAVE);
	assert_int_equal(keymap_find(VIEW_ENVS, 0x424 /* Ф */)->action, ACTION_APPLY);
}

static void no_key_stands_for_two_things_on_one_screen(void **state)
{
	(void)state;
	for (size_t i = 0; i < nbindings; i++)
		for (size_t k = i + 1; k < nbindings; k++) {
			if (!(bindings[i].views & bindings[k].views) || !bindings[i].key || !bindings[k].key)
				continue;
			assert_int_not_equal(bindings[i].key, bindings[k].key);
			if (bindings[i].other_key)
				assert_int_not_equal(bindings[i].other_key, bindings[k].key);
			if (bindings[k].other_key)
				assert_int_not_equal(bindings[i].key, bindings[k].other_key);
		}
}

static void no_change_hangs_on_a_control_letter(void **state)
{
	(void)state;
	for (size_t i = 0; i < nbindings; i++)
		if (bindings[i].group == GROUP_CHANGE)
			assert_true((!bindings[i].key || bindings[i].key >= ' ') && !bindings[i].other_key);
}

static void a_key_of_another_screen_is_named(void **state)
{
	(void)state;
	assert_null(keymap_find(VIEW_ENVS, '['));
	assert_int_equal(keymap_view_of('['), VIEW_WORK);
	assert_int_equal(keymap_view_of('%'), VIEW_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_from_outside_becomes_a_control_character),
		cmocka_unit_test(what_does_not_fit_ends_in_a_mark),
		cmocka_unit_test(names_are_cut_in_the_middle),
		cmocka_unit_test(wide_characters_take_two_cells_and_never_break_a_line),
		cmocka_unit_test(drawing_outside_is_clipped),
		cmocka_unit_test(the_ascii_set_holds_only_ascii),
		cmocka_unit_test(marks_stay_with_their_character),
		cmocka_unit_test(an_emoji_sequence_shows_as_its_parts),
		cmocka_unit_test(widths_are_those_of_the_system),
		cmocka_unit_test(colours_of_a_program_become_runs),
		cmocka_unit_test(a_line_is_read_without_its_colours),
		cmocka_unit_test(a_styled_line_wraps_without_losing_a_character),
		cmocka_unit_test(a_painted_match_loses_the_colours_of_the_line),
		cmocka_unit_test(a_scrollbar_touches_the_ends_only_at_the_ends),
		cmocka_unit_test(a_strip_shows_the_newest_values),
		cmocka_unit_test(columns_go_by_rank_and_the_rest_fills_the_width),
		cmocka_unit_test(a_table_row_cuts_names_in_the_middle_and_numbers_never),
		cmocka_unit_test(keys_act_by_their_place_on_a_cyrillic_layout),
		cmocka_unit_test(no_key_stands_for_two_things_on_one_screen),
		cmocka_unit_test(no_change_hangs_on_a_control_letter),
		cmocka_unit_test(a_key_of_another_screen_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
