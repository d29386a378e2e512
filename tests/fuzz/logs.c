/*
 * A log as a hostile program might write it, and patterns as a person might type them: the first line is a pattern, the second byte says how
 * things are shown. Lines go through block, store, filter, search and screen; nothing but printable characters may become a cell.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ui/log_pane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_lines(struct log_store *store, struct str text)
{
	struct log_block *block = log_block_create(LOG_BLOCK_BYTES);
	struct str line;

	for (int64_t n = 0; str_cut(&text, '\n', &line); n++) {
		line.len = line.len < LOG_LINE_MAX ? line.len : LOG_LINE_MAX;
		if (!log_block_add(block, &(struct log_line){ .text = line, .time_ns = n * 1000000000, .source = (uint16_t)(n % 3), .kind = n % 7 == 6 ? n % 3 : LOG_LINE }))
			break;
	}
	if (!log_store_add(store, log_block_trim(block), LOG_SERIAL_NONE))
		abort();
}

static void check(const struct canvas *canvas)
{
	for (int i = 0; i < canvas->cols * canvas->rows; i++) {
		uint32_t rune = canvas->cells[i].rune;

		if ((rune && rune < ' ') || (rune >= 0x7f && rune < 0xa0) || (rune >= 0x202a && rune <= 0x202e) || rune > 0x10ffff)
			abort();
	}
}

static void show(struct log_pane *pane, struct log_scene *scene, int cols)
{
	struct canvas *canvas = canvas_create(cols, 12, cols % 2);

	log_pane_settle(pane, scene, 12, cols);
	log_pane_draw(pane, scene, canvas, 0, 12);
	check(canvas);
	canvas_destroy(canvas);
}

static void check_sums(const struct log_store *store)
{
	struct log_counts counts = log_store_counts(store);
	uint64_t received = 0, filtered = 0;

	for (uint16_t source = 0; source < 3; source++) {
		received += log_store_counts_of(store, source).received;
		filtered += log_store_counts_of(store, source).filtered;
	}
	if (received != counts.received || filtered != counts.filtered || counts.unseen)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct logs_source sources[] = { { .short_name = "a", .why = "" }, { .short_name = "b", .why = "" } };
	struct log_store *store = log_store_create(1 << 20);
	struct log_scene scene = { .store = store, .sources = sources, .nsources = 2, .title = "fuzz" };
	struct str rest = { (const char *)data, size }, first;
	struct log_pane pane;

	log_pane_init(&pane);
	if (size > 1 && str_cut(&rest, '\n', &first)) {
		char *pattern = str_dup(first);

		pane.wrap = data[1] & 1;
		pane.fold_json = data[1] & 2;
		pane.filter_mode = (data[1] >> 2) % LOG_FILTER_COUNT;
		pane.shift = data[1] >> 4;
		add_lines(store, rest);
		show(&pane, &scene, 60);
		log_pane_set_filter(&pane, pattern);
		log_store_set_filter(store, log_pane_filter(&pane), &pane);
		while (log_store_work(store, INT64_MAX))
			;
		check_sums(store);
		log_pane_set_search(&pane, &scene, pattern);
		while (log_pane_work(&pane, &scene, INT64_MAX))
			;
		show(&pane, &scene, 33);
		log_pane_move(&pane, &scene, -5);
		show(&pane, &scene, 7);
		free(pattern);
	}
	log_pane_release(&pane);
	log_store_destroy(store);
	return 0;
}
