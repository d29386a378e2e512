/*
 * Lines as a hostile server might list and watch out: a letter for what happened, then JSON. What decodes goes into a sorted
 * and filtered table, whose view must stay what sorting anew gives.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/table_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_row(enum row_op op, const struct table_row *row, void *arg)
{
	size_t *sum = arg;

	*sum += (size_t)op + strlen(row->uid) + strlen(row->owner_name) + row->ncells;
	for (size_t i = 0; i <= row->ncells; i++)
		*sum += strlen(table_cell(row, i));
}

static void take(struct table *table, struct table_decoder *decoder, struct str line, size_t *sum)
{
	struct table_batch *batch = table_batch_create(1);
	struct str json = { line.p + 1, line.len - 1 };

	switch (line.p[0]) {
	case 'e': table_decode_envelope(decoder, json, batch); break;
	case 'b': table_batch_add(batch, ROW_LIST_BEGIN, NULL); break;
	case 'z': table_batch_add(batch, ROW_LIST_END, NULL); break;
	case '-': table_decode(decoder, ROW_GONE, json, batch, on_row, sum); break;
	case 's': table_sort(table, (unsigned char)line.p[line.len - 1] % 8 - 2, line.len & 1); break;
	default: table_decode(decoder, ROW_PUT, json, batch, on_row, sum); break;
	}
	table_apply(table, batch);
}

static bool has_even_name(const struct table_row *row, void *arg)
{
	(void)arg;
	return strlen(row->name) % 2 == 0;
}

static void check_view(struct table *table)
{
	size_t n = table_shown(table);
	const struct table_row **before = xcalloc(n + 1, sizeof *before);
	bool descending;
	int column = table_sorted_by(table, &descending);

	for (size_t i = 0; i < n; i++) {
		before[i] = table_shown_at(table, i);
		if (table_place(table, before[i]->uid) != (ptrdiff_t)i)
			abort();
	}
	table_sort(table, column, descending);
	if (table_shown(table) != n)
		abort();
	for (size_t i = 0; i < n; i++)
		if (table_shown_at(table, i) != before[i])
			abort();
	free(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(table) table = table_create();
	AUTO(table_decoder) decoder = table_decoder_create();
	struct str rest = { (const char *)data, size }, line;
	size_t sum = 0;

	if (size && data[0] & 1)
		table_filter(table, has_even_name, NULL);
	while (str_cut(&rest, '\n', &line))
		if (line.len > 1)
			take(table, decoder, line, &sum);
	check_view(table);
	return sum == SIZE_MAX; /* 0, but the compiler cannot know */
}
