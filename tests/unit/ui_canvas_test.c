#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ui/canvas.h"
#include "ui/keymap.h"
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

static void keys_act_by_their_place_on_a_cyrillic_layout(void **state)
{
	(void)state;
	assert_int_equal(keymap_find(VIEW_ENVS, 0x439 /* й */), ACTION_LEAVE);
	assert_int_equal(keymap_find(VIEW_ENVS, 0x424 /* Ф */), ACTION_APPLY);
}

static void no_key_stands_for_two_things_on_one_screen(void **state)
{
	(void)state;
	for (size_t i = 0; i < nbindings; i++)
		for (size_t k = i + 1; k < nbindings; k++) {
			if (!(bindings[i].views & bindings[k].views))
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
		if (strcmp(bindings[i].group, "Change") == 0)
			assert_true(bindings[i].key >= ' ' && !bindings[i].other_key);
}

static void a_key_of_another_screen_is_named(void **state)
{
	(void)state;
	assert_int_equal(keymap_find(VIEW_ENVS, '['), ACTION_NONE);
	assert_int_equal(keymap_view_of('['), VIEW_APPLY);
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
		cmocka_unit_test(keys_act_by_their_place_on_a_cyrillic_layout),
		cmocka_unit_test(no_key_stands_for_two_things_on_one_screen),
		cmocka_unit_test(no_change_hangs_on_a_control_letter),
		cmocka_unit_test(a_key_of_another_screen_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
