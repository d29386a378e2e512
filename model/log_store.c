#include "model/log_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SMALL_BYTES (LOG_BLOCK_BYTES / 2) /* smaller blocks are joined to the last one */
#define WORK_LINES 256			  /* between two looks at the clock */

/* One block and what the filter says of its lines. */
struct shelf {
	struct log_block *block;
	uint64_t first;
	uint8_t *hidden;    /* a bit for each line, NULL: none is */
	uint32_t nbits;     /* that hidden has room for */
	uint32_t seen;	    /* lines the filter has looked at, from the first */
	uint32_t nhidden;
	struct log_cursor cursor; /* of the first line not seen */
};

/* Where each line of one block begins, so that any can be had at once. */
struct opened {
	const struct log_block *block;
	struct log_cursor *cursors;
	size_t len, cap;
	struct log_cursor end;
};

struct log_store {
	size_t max_bytes, bytes;
	struct shelf *shelves; /* ring */
	size_t first, len, cap;
	bool tail_grows; /* the last block is ours to add to */
	uint64_t end;
	log_filter_fn *wanted;
	void *arg;
	uint64_t unlooked; /* lines of any kind that the filter has not seen; those of programs are total.unseen */
	struct log_counts total;
	struct log_counts *sources;
	size_t nsources;
	struct opened opened;
};

static struct shelf *shelf_at(const struct log_store *store, size_t n)
{
	return &store->shelves[(store->first + n) % store->cap];
}

struct log_store *log_store_create(size_t max_bytes)
{
	struct log_store *store = xcalloc(1, sizeof *store);

	store->max_bytes = max_bytes;
	return store;
}

void log_store_destroy(struct log_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->len; i++) {
		log_block_unref(shelf_at(store, i)->block);
		free(shelf_at(store, i)->hidden);
	}
	free(store->shelves);
	free(store->sources);
	free(store->opened.cursors);
	free(store);
}

static size_t block_bytes(const struct log_block *block)
{
	return sizeof *block + block->cap;
}

static size_t shelf_bytes(const struct shelf *shelf)
{
	return sizeof *shelf + block_bytes(shelf->block) + shelf->nbits / 8;
}

static struct log_counts *counts_of(struct log_store *store, uint16_t source)
{
	if (source >= store->nsources) {
		size_t n = (size_t)source + 8;

		store->sources = xreallocarray(store->sources, n, sizeof *store->sources);
		memset(store->sources + store->nsources, 0, (n - store->nsources) * sizeof *store->sources);
		store->nsources = n;
	}
	return &store->sources[source];
}

static bool is_hidden(const struct shelf *shelf, uint32_t n)
{
	return n < shelf->nbits && (shelf->hidden[n / 8] & 1u << n % 8);
}

/* ---- going ---- */

static void drop_first(struct log_store *store)
{
	struct shelf *shelf = shelf_at(store, 0);
	struct log_cursor at = { 0 };
	struct log_line line;

	if (store->wanted)
		store->unlooked -= shelf->block->nlines - shelf->seen;
	for (uint32_t n = 0; log_block_next(shelf->block, &at, &line); n++) {
		if (line.kind != LOG_LINE)
			continue;
		struct log_counts *counts = counts_of(store, line.source);

		counts->dropped++;
		store->total.dropped++;
		if (is_hidden(shelf, n)) {
			counts->filtered--;
			store->total.filtered--;
		} else if (n >= shelf->seen && store->wanted) {
			store->total.unseen--;
		}
	}
	if (store->opened.block == shelf->block)
		store->opened.block = NULL;
	store->bytes -= shelf_bytes(shelf);
	log_block_unref(shelf->block);
	free(shelf->hidden);
	store->first = (store->first + 1) % store->cap;
	if (--store->len == 0)
		store->tail_grows = false;
}

static bool make_room(struct log_store *store, size_t bytes, uint64_t keep)
{
	while (store->len && store->bytes + bytes > store->max_bytes) {
		const struct shelf *shelf = shelf_at(store, 0);

		if (shelf->first + shelf->block->nlines > keep)
			return false;
		drop_first(store);
	}
	return true;
}

/* ---- coming ---- */

static void push_shelf(struct log_store *store, struct log_block *block)
{
	if (store->len == store->cap) {
		size_t cap = store->cap ? store->cap * 2 : 16;
		struct shelf *shelves = xcalloc(cap, sizeof *shelves);

		for (size_t i = 0; i < store->len; i++)
			shelves[i] = *shelf_at(store, i);
		free(store->shelves);
		store->shelves = shelves;
		store->first = 0;
		store->cap = cap;
	}
	struct shelf *shelf = &store->shelves[(store->first + store->len++) % store->cap];

	*shelf = (struct shelf){ .block = block, .first = store->end };
	store->bytes += shelf_bytes(shelf);
}

static void close_tail(struct log_store *store)
{
	struct shelf *shelf = store->len ? shelf_at(store, store->len - 1) : NULL;

	if (!store->tail_grows || !shelf)
		return;
	store->tail_grows = false;
	store->bytes -= shelf_bytes(shelf);
	if (store->opened.block == shelf->block)
		store->opened.block = NULL;
	shelf->block = log_block_trim(shelf->block);
	store->bytes += shelf_bytes(shelf);
}

static void count_line(struct log_store *store, const struct log_line *line)
{
	store->unlooked += store->wanted != NULL;
	if (line->kind != LOG_LINE)
		return;
	counts_of(store, line->source)->received++;
	store->total.received++;
	store->total.unseen += store->wanted != NULL;
}

static void count_block(struct log_store *store, const struct log_block *block)
{
	struct log_cursor at = { 0 };
	struct log_line line;

	while (log_block_next(block, &at, &line))
		count_line(store, &line);
}

/* Few lines at a time come in small blocks: one big one is made of them. */
static void join(struct log_store *store, struct log_block *block)
{
	struct log_cursor at = { 0 };
	struct log_line line;

	while (log_block_next(block, &at, &line)) {
		if (!store->tail_grows || !log_block_add(shelf_at(store, store->len - 1)->block, &line)) {
			close_tail(store);
			push_shelf(store, log_block_create(LOG_BLOCK_BYTES));
			store->tail_grows = true;
			log_block_add(shelf_at(store, store->len - 1)->block, &line);
		}
		store->end++;
		count_line(store, &line);
	}
	log_block_unref(block);
}

bool log_store_add(struct log_store *store, struct log_block *block, uint64_t keep)
{
	bool small = block->len < SMALL_BYTES;

	if (!make_room(store, small ? LOG_BLOCK_BYTES + sizeof(struct shelf) + sizeof *block : block_bytes(block) + sizeof(struct shelf), keep))
		return false;
	if (small) {
		join(store, block);
		return true;
	}
	close_tail(store);
	push_shelf(store, block);
	store->end += block->nlines;
	count_block(store, block);
	return true;
}

/* ---- reading ---- */

uint64_t log_store_first(const struct log_store *store)
{
	return store->len ? shelf_at(store, 0)->first : store->end;
}

uint64_t log_store_end(const struct log_store *store)
{
	return store->end;
}

size_t log_store_bytes(const struct log_store *store)
{
	return store->bytes;
}

/* The index of the shelf that has serial, or of the first behind it. */
static size_t find_shelf(const struct log_store *store, uint64_t serial)
{
	size_t low = 0, high = store->len;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct shelf *shelf = shelf_at(store, middle);

		if (shelf->first + shelf->block->nlines <= serial)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void open_block(struct opened *opened, const struct log_block *block)
{
	struct log_line line;

	if (opened->block != block) {
		opened->block = block;
		opened->len = 0;
		opened->end = (struct log_cursor){ 0 };
	}
	while (opened->len < block->nlines) {
		LIST_PUSH(opened->cursors, opened->len, opened->cap) = opened->end;
		log_block_next(block, &opened->end, &line);
	}
}

bool log_store_line(struct log_store *store, uint64_t serial, struct log_line *ret)
{
	size_t at = find_shelf(store, serial);
	const struct shelf *shelf = at < store->len ? shelf_at(store, at) : NULL;
	struct log_cursor cursor;

	if (!shelf || serial < shelf->first)
		return false;
	open_block(&store->opened, shelf->block);
	cursor = store->opened.cursors[serial - shelf->first];
	return log_block_next(shelf->block, &cursor, ret);
}

/* ---- the filter ---- */

void log_store_set_filter(struct log_store *store, log_filter_fn *wanted, void *arg)
{
	store->wanted = wanted;
	store->arg = arg;
	for (size_t i = 0; i < store->len; i++) {
		struct shelf *shelf = shelf_at(store, i);

		store->bytes -= shelf->nbits / 8;
		free(shelf->hidden);
		*shelf = (struct shelf){ .block = shelf->block, .first = shelf->first };
	}
	for (size_t i = 0; i < store->nsources; i++)
		store->sources[i].filtered = 0;
	store->total.filtered = 0;
	store->total.unseen = wanted ? store->total.received - store->total.dropped : 0;
	store->unlooked = wanted ? store->end - log_store_first(store) : 0;
}

static void hide(struct log_store *store, struct shelf *shelf, uint32_t n, const struct log_line *line)
{
	if (n >= shelf->nbits) {
		uint32_t bits = (shelf->block->nlines + 255) & ~255u;

		shelf->hidden = xrealloc(shelf->hidden, bits / 8);
		memset(shelf->hidden + shelf->nbits / 8, 0, (bits - shelf->nbits) / 8);
		store->bytes += (bits - shelf->nbits) / 8;
		shelf->nbits = bits;
	}
	shelf->hidden[n / 8] |= (uint8_t)(1u << n % 8);
	shelf->nhidden++;
	counts_of(store, line->source)->filtered++;
	store->total.filtered++;
}

static bool work_on(struct log_store *store, struct shelf *shelf, int64_t until_us)
{
	struct log_line line;

	while (shelf->seen < shelf->block->nlines) {
		if (shelf->seen % WORK_LINES == WORK_LINES - 1 && clock_now_us(NULL) >= until_us)
			return false;
		log_block_next(shelf->block, &shelf->cursor, &line);
		store->unlooked--;
		if (line.kind == LOG_LINE) {
			store->total.unseen--;
			if (!store->wanted(&line, store->arg))
				hide(store, shelf, shelf->seen, &line);
		}
		shelf->seen++;
	}
	return true;
}

bool log_store_work(struct log_store *store, int64_t until_us)
{
	for (size_t i = store->len; i-- > 0 && store->unlooked;) {
		struct shelf *shelf = shelf_at(store, i);

		if (shelf->seen < shelf->block->nlines && !work_on(store, shelf, until_us))
			return true;
		if (clock_now_us(NULL) >= until_us)
			break;
	}
	return store->unlooked > 0;
}

/* What the filter has not seen is not shown yet. */
static bool shows(const struct log_store *store, const struct shelf *shelf, uint32_t n)
{
	return !store->wanted || (n < shelf->seen && !is_hidden(shelf, n));
}

bool log_store_shows(struct log_store *store, uint64_t serial)
{
	size_t at = find_shelf(store, serial);

	return at < store->len && serial >= shelf_at(store, at)->first && shows(store, shelf_at(store, at), (uint32_t)(serial - shelf_at(store, at)->first));
}

static bool shows_any(const struct log_store *store, const struct shelf *shelf)
{
	return !store->wanted || shelf->seen > shelf->nhidden;
}

uint64_t log_store_next(struct log_store *store, uint64_t serial)
{
	uint64_t from = serial == LOG_SERIAL_NONE ? 0 : serial + 1;

	for (size_t i = find_shelf(store, from); i < store->len; i++) {
		const struct shelf *shelf = shelf_at(store, i);

		if (!shows_any(store, shelf))
			continue;
		for (uint32_t n = from > shelf->first ? (uint32_t)(from - shelf->first) : 0; n < shelf->block->nlines; n++)
			if (shows(store, shelf, n))
				return shelf->first + n;
	}
	return LOG_SERIAL_NONE;
}

uint64_t log_store_previous(struct log_store *store, uint64_t serial)
{
	size_t at = find_shelf(store, serial);

	for (size_t i = at < store->len ? at + 1 : store->len; i-- > 0;) {
		const struct shelf *shelf = shelf_at(store, i);

		if (shelf->first >= serial || !shows_any(store, shelf))
			continue;
		for (uint32_t n = serial - shelf->first < shelf->block->nlines ? (uint32_t)(serial - shelf->first) : shelf->block->nlines; n-- > 0;)
			if (shows(store, shelf, n))
				return shelf->first + n;
	}
	return LOG_SERIAL_NONE;
}

/* ---- counters ---- */

struct log_counts log_store_counts(const struct log_store *store)
{
	return store->total;
}

struct log_counts log_store_counts_of(const struct log_store *store, uint16_t source)
{
	return source < store->nsources ? store->sources[source] : (struct log_counts){ 0 };
}

/* ---- snapshots ---- */

struct log_snapshot {
	struct shelf *shelves;
	size_t len;
	bool filtered;
};

struct log_snapshot *log_store_snapshot(const struct log_store *store)
{
	struct log_snapshot *snapshot = xcalloc(1, sizeof *snapshot);

	snapshot->shelves = xcalloc(store->len + 1, sizeof *snapshot->shelves);
	snapshot->len = store->len;
	snapshot->filtered = store->wanted != NULL;
	for (size_t i = 0; i < store->len; i++) {
		struct shelf *copy = &snapshot->shelves[i];

		*copy = *shelf_at(store, i);
		copy->hidden = copy->nbits ? memcpy(xmalloc(copy->nbits / 8), copy->hidden, copy->nbits / 8) : NULL;
		if (store->tail_grows && i + 1 == store->len) { /* it still changes: a copy of our own */
			struct log_block *tail = log_block_create(copy->block->len);

			memcpy(tail->bytes, copy->block->bytes, copy->block->len);
			tail->len = copy->block->len;
			tail->nlines = copy->block->nlines;
			copy->block = tail;
		} else {
			log_block_ref(copy->block);
		}
	}
	return snapshot;
}

void log_snapshot_destroy(struct log_snapshot *snapshot)
{
	for (size_t i = 0; snapshot && i < snapshot->len; i++) {
		log_block_unref(snapshot->shelves[i].block);
		free(snapshot->shelves[i].hidden);
	}
	if (snapshot)
		free(snapshot->shelves);
	free(snapshot);
}

bool log_snapshot_walk(const struct log_snapshot *snapshot, bool (*on_line)(const struct log_line *line, void *arg), void *arg)
{
	for (size_t i = 0; i < snapshot->len; i++) {
		const struct shelf *shelf = &snapshot->shelves[i];
		struct log_cursor at = { 0 };
		struct log_line line;

		for (uint32_t n = 0; log_block_next(shelf->block, &at, &line); n++)
			if (!is_hidden(shelf, n) && (!snapshot->filtered || n < shelf->seen) && !on_line(&line, arg))
				return false;
	}
	return true;
}
