#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/table_decode.h"

#define NOW INT64_C(1700000000000)

static const char *const titles[] = { "Name", "Restarts", "Size", "Age", "Last Seen" };

static struct table *table_of_five_columns(void)
{
	struct table *table = table_create();
	struct table_batch *batch = table_batch_create(NOW);

	batch->ncolumns = ARRAY_LEN(titles);
	batch->columns = xcalloc(batch->ncolumns, sizeof *batch->columns);
	for (size_t i = 0; i < batch->ncolumns; i++)
		batch->columns[i] = (struct table_column){ .name = xstrdup(titles[i]), .type = xstrdup("string"), .is_age = !strcmp(titles[i], "Age") };
	table_apply(table, batch);
	return table;
}

struct one {
	const char *namespace, *name, *cells[4];
	int64_t age_s;
};

static struct table_row *row_of(const struct one *one)
{
	AUTO_FREE char *uid = xasprintf("uid-%s-%s", one->namespace, one->name);
	struct str cells[5] = { str_of(one->name), str_of(one->cells[0]), str_of(one->cells[1]), STR("5m"), str_of(one->cells[2]) };
	struct table_row_parts parts = { .uid = str_of(uid), .namespace = str_of(one->namespace), .name = str_of(one->name),
					 .created_ms = NOW - one->age_s * 1000, .cells = cells, .ncells = 5 };

	return table_row_create(&parts);
}

static void change(struct table *table, enum row_op op, const struct one *one)
{
	struct table_batch *batch = table_batch_create(NOW);

	table_batch_add(batch, op, one ? row_of(one) : NULL);
	table_apply(table, batch);
}

/* "b/x a/y": the view in its order. */
static void expect(const struct table *table, const char *wanted)
{
	AUTO_RELEASE(buf) shown = BUF_INIT(0);

	for (size_t i = 0; i < table_shown(table); i++) {
		const struct table_row *row = table_shown_at(table, i);

		buf_addf(&shown, "%s%s/%s", i ? " " : "", row->namespace, row->name);
		assert_int_equal(table_place(table, row->uid), i);
	}
	assert_string_equal(buf_cstr(&shown), wanted);
}

static const struct one ones[] = {
	{ "b", "x", { "10 (3m ago)", "5Gi", "2h" }, 100 },
	{ "a", "y", { "9", "512Mi", "90s" }, 300 },
	{ "b", "w", { "0", "<none>", "3d" }, 200 },
	{ "a", "z", { "9", "100m", "5m10s" }, 400 },
};

static struct table *table_of_ones(void)
{
	struct table *table = table_of_five_columns();

	for (size_t i = 0; i < ARRAY_LEN(ones); i++)
		change(table, ROW_PUT, &ones[i]);
	return table;
}

static void rows_stand_by_namespace_and_name_at_first(void **state)
{
	(void)state;
	AUTO(table) table = table_of_ones();

	expect(table, "a/y a/z b/w b/x");
	assert_int_equal(table_count(table), 4);
	assert_null(table_shown_at(table, 4));
	assert_int_equal(table_place(table, "uid-c-c"), -1);
}

static void columns_sort_by_what_they_mean(void **state)
{
	(void)state;
	AUTO(table) table = table_of_ones();
	bool descending;

	table_sort(table, 1, false);
	expect(table, "b/w a/y a/z b/x"); /* 10 after 9, equal ones by name */
	table_sort(table, 1, true);
	expect(table, "b/x a/z a/y b/w");
	table_sort(table, 2, false);
	expect(table, "b/w a/z a/y b/x"); /* no size, 100m, 512Mi, 5Gi */
	table_sort(table, 3, false);
	expect(table, "b/x b/w a/y a/z"); /* the youngest first, whatever the cell says */
	table_sort(table, 4, false);
	expect(table, "a/y a/z b/x b/w"); /* 90s, 5m10s, 2h, 3d */
	table_sort(table, TABLE_BY_AGE, true);
	expect(table, "a/z a/y b/w b/x");
	assert_int_equal(table_sorted_by(table, &descending), TABLE_BY_AGE);
	assert_true(descending);
	table_sort(table, 77, false);
	expect(table, "a/y a/z b/w b/x");
}

static void a_changed_row_moves_to_its_place(void **state)
{
	(void)state;
	AUTO(table) table = table_of_ones();
	struct one more = ones[2];
	uint64_t serial = table_serial(table);

	table_sort(table, 1, false);
	more.cells[0] = "11";
	change(table, ROW_PUT, &more);
	expect(table, "a/y a/z b/x b/w");
	assert_true(table_serial(table) > serial);
	assert_string_equal(table_cell(table_find(table, "uid-b-w"), 1), "11");
	assert_string_equal(table_cell(table_find(table, "uid-b-w"), 9), "");
	change(table, ROW_GONE, &ones[1]);
	expect(table, "a/z b/x b/w");
	assert_null(table_find(table, "uid-a-y"));
	change(table, ROW_GONE, &ones[1]);
	assert_int_equal(table_count(table), 3);
}

static void only_what_can_be_seen_raises_the_serial(void **state)
{
	(void)state;
	AUTO(table) table = table_of_ones();
	struct one in = ones[1], out = ones[2];
	uint64_t serial;

	table_sort(table, TABLE_BY_NAME, false);
	table_set_window(table, 0, 2);
	serial = table_serial(table);
	out.cells[0] = "changed";
	change(table, ROW_PUT, &out);
	assert_string_equal(table_cell(table_find(table, "uid-b-w"), 1), "changed");
	assert_true(table_serial(table) == serial);
	in.cells[0] = "changed";
	change(table, ROW_PUT, &in);
	assert_true(table_serial(table) > serial);
	serial = table_serial(table);
	change(table, ROW_GONE, &out);
	assert_true(table_serial(table) > serial);
	serial = table_serial(table);
	table_set_state(table, SCOPE_DOUBTED, "why", 0);
	assert_true(table_serial(table) > serial);
}

static bool in_namespace(const struct table_row *row, void *arg)
{
	return !strcmp(row->namespace, arg);
}

static bool has_no_restarts(const struct table_row *row, void *arg)
{
	(void)arg;
	return !strcmp(table_cell(row, 1), "0");
}

static void a_filter_follows_changes(void **state)
{
	(void)state;
	AUTO(table) table = table_of_ones();
	struct one changed = ones[0];

	table_filter(table, in_namespace, "a");
	expect(table, "a/y a/z");
	assert_int_equal(table_count(table), 4);
	table_filter(table, has_no_restarts, NULL);
	expect(table, "b/w");
	assert_int_equal(table_place(table, "uid-b-x"), -1);
	changed.cells[0] = "0";
	change(table, ROW_PUT, &changed);
	expect(table, "b/w b/x");
	change(table, ROW_PUT, &ones[0]);
	expect(table, "b/w");
	change(table, ROW_GONE, &ones[0]);
	table_filter(table, NULL, NULL);
	expect(table, "a/y a/z b/w");
}

static void a_new_list_drops_what_it_does_not_show(void **state)
{
	(void)state;
	AUTO(table) table = table_of_ones();

	assert_int_equal(table_state(table)->state, SCOPE_LOADING);
	change(table, ROW_LIST_BEGIN, NULL);
	change(table, ROW_PUT, &ones[1]);
	change(table, ROW_PUT, &ones[3]);
	expect(table, "a/y a/z b/w b/x"); /* nothing blinks while it comes in */
	change(table, ROW_LIST_END, NULL);
	expect(table, "a/y a/z");
	assert_int_equal(table_state(table)->state, SCOPE_LIVE);
	assert_int_equal(table_state(table)->proof_ms, NOW);
}

static void trouble_keeps_the_rows_and_is_one_harmless_line(void **state)
{
	(void)state;
	AUTO(table) table = table_of_ones();

	table_set_state(table, SCOPE_BROKEN, "no\033[2J\nroute", NOW + 5000);
	assert_int_equal(table_count(table), 4);
	assert_string_equal(table_state(table)->why, "no route");
	assert_int_equal(table_state(table)->retry_ms, NOW + 5000);
	change(table, ROW_LIST_END, NULL);
	assert_string_equal(table_state(table)->why, "");
	assert_int_equal(table_state(table)->retry_ms, 0);
}

static void an_object_without_uid_goes_by_its_name(void **state)
{
	(void)state;
	struct table_row *row = table_row_create(&(struct table_row_parts){ .namespace = STR("shop"), .name = STR("web") });

	assert_string_equal(row->uid, "shop/web");
	assert_string_equal(row->resource_version, "");
	free(row);
}

static void long_cells_are_cut_between_code_points(void **state)
{
	(void)state;
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	struct str cell;

	buf_addc(&text, 'x');
	while (text.len < 3000)
		buf_adds(&text, "я");
	cell = buf_str(&text);
	struct table_row *row = table_row_create(&(struct table_row_parts){ .uid = STR("u"), .name = STR("n"), .cells = &cell, .ncells = 1 });

	assert_int_equal(strlen(row->cells[0]), TABLE_CELL_MAX - 1);
	assert_true(utf8_valid(str_of(row->cells[0])));
	free(row);
}

/* ---- decoding ---- */

static void count_row(enum row_op op, const struct table_row *row, void *arg)
{
	(void)op;
	(void)row;
	++*(int *)arg;
}

/* JSON is written with ' for ". */
static bool decode(struct table *table, struct table_decoder *decoder, enum row_op op, const char *json)
{
	AUTO_FREE char *text = xstrdup(json);
	struct table_batch *batch = table_batch_create(NOW);
	int rows = 0;

	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	bool good = table_decode(decoder, op, str_of(text), batch, count_row, &rows);

	assert_int_equal(rows, batch->len);
	table_apply(table, batch);
	return good;
}

static void cells_of_any_type_become_text(void **state)
{
	(void)state;
	AUTO(table) table = table_create();
	AUTO(table_decoder) decoder = table_decoder_create();
	static const char *const wanted[] = { "web", "1", "", "true", "{\"a\":[1]}", "[\"x\"]", "я\t" };

	assert_true(decode(table, decoder, ROW_PUT, "{ 'cells': ['web', 1, null, true, {'a':[1]}, ['x'], '\\u044f\\t'], 'object':"
						     "{'metadata':{'name':'web','uid':'u'}}}"));
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		assert_string_equal(table_cell(table_find(table, "u"), i), wanted[i]);
	assert_ptr_equal(table_cell(table_find(table, "u"), 0), table_find(table, "u")->name); /* the name is kept once */
}

static void a_watched_table_tells_columns_rows_and_what_has_ended(void **state)
{
	(void)state;
	AUTO(table) table = table_create();
	AUTO(table_decoder) decoder = table_decoder_create();
	const struct table_column *columns;

	assert_true(decode(table, decoder, ROW_PUT, "{'kind':'Table','columnDefinitions':[{'name':'Name','type':'string','priority':0},{'name':'Age',"
						     "'type':'string','priority':1}],'rows':[{'cells':['a','1m'],'object':{'metadata':{'name':'a','uid':'1'}}},"
						     "{'cells':['b','1m'],'conditions':[{'type':'Completed','status':'True','reason':'Succeeded'}],"
						     "'object':{'metadata':{'name':'b','uid':'2'}}}]}"));
	assert_int_equal(table_columns_of(table, &columns), 2);
	assert_true(columns[1].is_age && columns[1].priority == 1 && !columns[0].is_age);
	assert_false(table_find(table, "1")->completed);
	assert_true(table_find(table, "2")->completed);
	assert_true(decode(table, decoder, ROW_GONE, "{'kind':'Table','columnDefinitions':null,'rows':[{'cells':['a','1m'],'object':{'metadata':"
						      "{'name':'a','uid':'1'}}}]}"));
	assert_null(table_find(table, "1"));
	assert_int_equal(table_columns_of(table, &columns), 2);
}

static void the_owner_that_controls_wins_else_the_first(void **state)
{
	(void)state;
	AUTO(table) table = table_create();
	AUTO(table_decoder) decoder = table_decoder_create();

	decode(table, decoder, ROW_PUT, "{'metadata':{'name':'a','uid':'1','ownerReferences':[{'kind':'A','name':'x','uid':'o1'},{'kind':'B','name':'y',"
					 "'uid':'o2','controller':true},{'kind':'C','name':'z','uid':'o3'}]}}");
	decode(table, decoder, ROW_PUT, "{'metadata':{'name':'b','uid':'2','ownerReferences':[{'kind':'A','name':'x','uid':'o1'},{'kind':'C','name':'z',"
					 "'uid':'o3'}]}}");
	decode(table, decoder, ROW_PUT, "{'metadata':{'name':'c','uid':'3'}}");
	assert_string_equal(table_find(table, "1")->owner_uid, "o2");
	assert_string_equal(table_find(table, "1")->owner_kind, "B");
	assert_string_equal(table_find(table, "1")->owner_name, "y");
	assert_string_equal(table_find(table, "2")->owner_uid, "o1");
	assert_string_equal(table_find(table, "2")->owner_name, "x");
	assert_string_equal(table_find(table, "3")->owner_uid, "");
}

static void what_is_no_row_is_left_out(void **state)
{
	(void)state;
	AUTO(table) table = table_create();
	AUTO(table_decoder) decoder = table_decoder_create();
	static const char *const garbage[] = { "{'cells':['a']}", "{}", "{'metadata':{'uid':'1'}}", "{'cells':['a'],'object':{'metadata':{'name':'a'}}",
					       "{'kind':'Table','rows':[{}]}", "{'kind':'Table','rows':[{'cells':[1]},{'cells':[" };

	for (size_t i = 0; i < ARRAY_LEN(garbage); i++)
		assert_false(decode(table, decoder, ROW_PUT, garbage[i]));
	assert_int_equal(table_count(table), 0);
}

/* The incremental view against one made anew, over many random changes. */
static void after_many_changes_the_view_is_what_sorting_would_give(void **state)
{
	(void)state;
	AUTO(table) table = table_of_five_columns();
	static const int by[] = { TABLE_BY_NAME, 1, 2, TABLE_BY_AGE, 4 };
	unsigned seed = 11;

	for (size_t round = 0; round < ARRAY_LEN(by); round++) {
		table_sort(table, by[round], round & 1);
		table_filter(table, round == 2 ? in_namespace : NULL, "n1");
		for (int i = 0; i < 2000; i++) {
			char name[16], restarts[16], size[16];
			struct one one = { rand_r(&seed) & 1 ? "n1" : "n2", name, { restarts, size, "5s" }, rand_r(&seed) % 50 };

			snprintf(name, sizeof name, "p%d", rand_r(&seed) % 300);
			snprintf(restarts, sizeof restarts, "%d", rand_r(&seed) % 12);
			snprintf(size, sizeof size, "%dMi", rand_r(&seed) % 5);
			change(table, rand_r(&seed) % 3 ? ROW_PUT : ROW_GONE, &one);
		}
		size_t n = table_shown(table);
		const struct table_row **before = xcalloc(n + 1, sizeof *before);

		for (size_t i = 0; i < n; i++)
			before[i] = table_shown_at(table, i);
		table_sort(table, by[round], round & 1);
		assert_int_equal(table_shown(table), n);
		for (size_t i = 0; i < n; i++)
			assert_ptr_equal(table_shown_at(table, i), before[i]);
		free(before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_stand_by_namespace_and_name_at_first),
		cmocka_unit_test(columns_sort_by_what_they_mean),
		cmocka_unit_test(a_changed_row_moves_to_its_place),
		cmocka_unit_test(only_what_can_be_seen_raises_the_serial),
		cmocka_unit_test(a_filter_follows_changes),
		cmocka_unit_test(a_new_list_drops_what_it_does_not_show),
		cmocka_unit_test(trouble_keeps_the_rows_and_is_one_harmless_line),
		cmocka_unit_test(an_object_without_uid_goes_by_its_name),
		cmocka_unit_test(long_cells_are_cut_between_code_points),
		cmocka_unit_test(cells_of_any_type_become_text),
		cmocka_unit_test(a_watched_table_tells_columns_rows_and_what_has_ended),
		cmocka_unit_test(the_owner_that_controls_wins_else_the_first),
		cmocka_unit_test(what_is_no_row_is_left_out),
		cmocka_unit_test(after_many_changes_the_view_is_what_sorting_would_give),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
