#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/quantity.h"

static struct quantity parsed(const char *text)
{
	struct quantity q = { 0 };

	assert_true(quantity_parse(str_of(text), &q));
	return q;
}

static void quantities_are_read_in_all_forms(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t milli, whole;
	} table[] = {
		{ "0", 0, 0 },		  { "1", 1000, 1 },	       { "250m", 250, 1 },
		{ "1.5", 1500, 2 },	  { "100n", 1, 1 },	       { "2u", 1, 1 },
		{ "12345678n", 13, 1 },	  { "1k", 1000000, 1000 },     { "1Ki", 1024000, 1024 },
		{ "1.5Gi", INT64_C(1610612736000), INT64_C(1610612736) }, { "12e6", INT64_C(12000000000), 12000000 },
		{ "5E-1", 500, 1 },	  { "1E", INT64_MAX, INT64_C(1000000000000000000) },
		{ "-250m", -250, -1 },	  { "+3", 3000, 3 },	       { ".5", 500, 1 },
		{ "5.", 5000, 5 },	  { "0.0000000001", 1, 1 },    { "7Ei", INT64_MAX, INT64_C(8070450532247928832) },
		{ "1000Ei", INT64_MAX, INT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct quantity q = parsed(table[i].text);

		if (quantity_milli(q) != table[i].milli || quantity_whole(q) != table[i].whole)
			fail_msg("%s: %lld milli, %lld whole", table[i].text, (long long)quantity_milli(q),
				 (long long)quantity_whole(q));
	}
}

static void what_is_no_quantity_is_refused(void **state)
{
	(void)state;
	static const char *const table[] = { "", ".", "-", "m", "1.2.3", "1KiB", "1e", "1e+", "0x10", " 1", "1 ", "1mm", "e3",
					     "1e999", "99999999999999999999999999999999999999999", "9999999999999999Ei" };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct quantity q;

		if (quantity_parse(str_of(table[i]), &q))
			fail_msg("accepted: \"%s\"", table[i]);
	}
}

static void quantities_compare_by_value(void **state)
{
	(void)state;
	assert_int_equal(quantity_cmp(parsed("1Gi"), parsed("1024Mi")), 0);
	assert_int_equal(quantity_cmp(parsed("1G"), parsed("1Gi")), -1);
	assert_int_equal(quantity_cmp(parsed("0.5"), parsed("499m")), 1);
	assert_int_equal(quantity_cmp(parsed("-1"), parsed("0")), -1);
}

static void sums_say_when_they_do_not_fit(void **state)
{
	(void)state;
	struct quantity sum = parsed("900000000Ei");
	bool fits = true;

	for (int i = 0; i < 16 && fits; i++)
		fits = quantity_add(sum, sum, &sum);
	assert_false(fits);
	assert_true(quantity_add(parsed("250m"), parsed("750m"), &sum));
	assert_int_equal(quantity_whole(sum), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantities_are_read_in_all_forms),
		cmocka_unit_test(what_is_no_quantity_is_refused),
		cmocka_unit_test(quantities_compare_by_value),
		cmocka_unit_test(sums_say_when_they_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
