/* CPU and memory as a person reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ui/usage.h"

static void amounts_are_short_and_keep_their_unit(void **state)
{
	static const struct {
		void (*add)(struct buf *out, int64_t value);
		int64_t value;
		const char *text;
	} rows[] = {
		{ add_cpu, 0, "0m" },	    { add_cpu, 38, "38m" },	{ add_cpu, 999, "999m" },
		{ add_cpu, 1000, "1.0" },   { add_cpu, 12500, "12.5" }, { add_memory, 0, "0Ki" },
		{ add_memory, 512 << 10, "512Ki" }, { add_memory, 162 << 20, "162Mi" }, { add_memory, INT64_C(1500) << 20, "1.5Gi" },
		{ add_memory, INT64_C(64) << 30, "64Gi" }, { add_memory, INT64_C(2) << 40, "2.0Ti" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(buf) text = BUF_INIT(0);

		rows[i].add(&text, rows[i].value);
		assert_string_equal(buf_cstr(&text), rows[i].text);
		assert_true(text.len <= 5); /* the width of its column */
	}
}

static void what_is_not_measured_is_a_dash(void **state)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	(void)state;
	assert_int_equal(usage_cell(NULL, NULL, METRICS_CPU, &text), ROLE_DIM);
	assert_string_equal(buf_cstr(&text), "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(amounts_are_short_and_keep_their_unit), cmocka_unit_test(what_is_not_measured_is_a_dash) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
