#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/cancel.h"
#include "base/diag.h"
#include "base/error.h"
#include "base/map.h"
#include "base/str.h"

static void a_buffer_remembers_having_overflowed(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) b = BUF_INIT(4);

	buf_adds(&b, "abcd");
	assert_false(b.overflow);
	buf_adds(&b, "e");
	buf_truncate(&b, 1);
	buf_adds(&b, "f");
	assert_true(b.overflow);
	assert_string_equal(buf_cstr(&b), "a");
}

static void cutting_gives_head_and_rest(void **state)
{
	(void)state;
	struct str rest = STR("shop/web"), head;

	assert_true(str_cut(&rest, '/', &head));
	assert_true(str_is(head, "shop") && str_is(rest, "web"));
	assert_false(str_cut(&rest, '/', &head));
}

static void utf8_decodes_as_go_does(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t rune;
		size_t width;
	} table[] = {
		{ "a", 'a', 1 },	       { "\xc3\xa9", 0xe9, 2 },	  { "\xe2\x82\xac", 0x20ac, 3 },
		{ "\xf0\x9f\x98\x80", 0x1f600, 4 }, { "\xc0\x80", 0xfffd, 1 }, { "\xed\xa0\x80", 0xfffd, 1 },
		{ "\xff", 0xfffd, 1 },	       { "\xe2\x82", 0xfffd, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct str s = str_of(table[i].text);
		uint32_t rune;
		char back[4];

		assert_int_equal(utf8_next(&s, &rune), table[i].width);
		assert_int_equal(rune, table[i].rune);
		if (rune != 0xfffd)
			assert_memory_equal(back, table[i].text, utf8_put(back, rune));
	}
	assert_false(utf8_valid(STR("a\xff")));
	assert_true(utf8_valid(STR("\xef\xbf\xbd")));
}

static void trimming_knows_unicode_space(void **state)
{
	(void)state;
	assert_true(str_is(str_trim_unicode(STR("\xc2\xa0 a b\xe2\x80\x83\n")), "a b"));
	assert_true(str_is(str_trim_unicode(STR(" \t ")), ""));
}

static void wrapping_puts_the_outer_context_first(void **state)
{
	(void)state;
	AUTO_RELEASE(error) err = { 0 };

	assert_false(error_set(&err, ERR_INVALID, "unknown field \"%s\"", "replica"));
	error_wrap(&err, "deploy %s", "web");
	error_hint(&err, "did you mean replicas?");
	error_hint(&err, "a shallower hint is not kept");
	assert_string_equal(err.message, "deploy web: unknown field \"replica\"");
	assert_string_equal(err.hint, "did you mean replicas?");
}

static void a_map_keeps_insertion_order_and_survives_removal(void **state)
{
	(void)state;
	AUTO_RELEASE(map) map = MAP_INIT(free);
	char key[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof key, "k%d", i);
		map_set_text(&map, key, key);
	}
	assert_true(map_remove(&map, STR("k500")));
	assert_null(map_text(&map, "k500"));
	assert_string_equal(map.entries[500].key, "k501");
	for (int i = 501; i < 1000; i++) {
		snprintf(key, sizeof key, "k%d", i);
		assert_string_equal(map_text(&map, key), key);
	}
}

static void the_nearest_name_is_suggested_only_when_near(void **state)
{
	(void)state;
	static const char *const names[] = { "infrastructure", "services", "versions" };

	assert_string_equal(str_nearest("service", names, 3), "services");
	assert_null(str_nearest("zzz", names, 3));
}

static void a_cancelled_sleep_returns_at_once(void **state)
{
	(void)state;
	AUTO(cancel) cancel = cancel_create();
	AUTO_RELEASE(error) err = { 0 };

	cancel_request(cancel, 15);
	cancel_request(cancel, 2);
	assert_false(cancel_sleep(cancel, 60000, &err));
	assert_int_equal(err.kind, ERR_CANCELLED);
	assert_int_equal(cancel_signal(cancel), 15);
}

static void the_first_error_of_a_report_names_its_place(void **state)
{
	(void)state;
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	diags_add(&diags, DIAG_WARNING, (struct place){ "s.yaml", 9, 1 }, "w", "odd");
	diags_add(&diags, DIAG_ERROR, (struct place){ "s.yaml", 3, 7 }, "e", "bad %d", 1);
	diags_sort(&diags);
	assert_false(diags_check(&diags, &err));
	assert_string_equal(err.message, "s.yaml:3:7: bad 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_remembers_having_overflowed),
		cmocka_unit_test(cutting_gives_head_and_rest),
		cmocka_unit_test(utf8_decodes_as_go_does),
		cmocka_unit_test(trimming_knows_unicode_space),
		cmocka_unit_test(wrapping_puts_the_outer_context_first),
		cmocka_unit_test(a_map_keeps_insertion_order_and_survives_removal),
		cmocka_unit_test(the_nearest_name_is_suggested_only_when_near),
		cmocka_unit_test(a_cancelled_sleep_returns_at_once),
		cmocka_unit_test(the_first_error_of_a_report_names_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
