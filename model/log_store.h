/*
 * log_store: the log lines that a view keeps, oldest first, in bounded memory.
 *
 * Lines have serial numbers in the order of their arrival, from 0; they never change. When memory is full the oldest go, and are
 * counted for their source. Each line of a program is exactly one of shown, filtered and dropped (or not looked at yet, while a filter is
 * being worked off). Cut lines of ours are kept in their place, always shown, and counted nowhere. One thread, but for
 * snapshots.
 */
#ifndef SLOTDECK_MODEL_LOG_STORE_H
#define SLOTDECK_MODEL_LOG_STORE_H

#include "model/log_block.h"

#define LOG_SERIAL_NONE UINT64_MAX

struct log_store;

struct log_store *log_store_create(size_t max_bytes);
void log_store_destroy(struct log_store *store);
DEFINE_AUTO(log_store);

/*
 * Takes block. Memory is made by dropping the oldest lines, but none from keep on (LOG_SERIAL_NONE: any may go): false, and the block
 * still the caller's, when there is no room without.
 */
bool log_store_add(struct log_store *store, struct log_block *block, uint64_t keep);
/* Serials of the oldest line that is kept and of the line that comes next; equal: there are none. */
uint64_t log_store_first(const struct log_store *store);
uint64_t log_store_end(const struct log_store *store);
size_t log_store_bytes(const struct log_store *store);
/* Borrowed until the next call that changes the store. False: it is not kept. */
bool log_store_line(struct log_store *store, uint64_t serial, struct log_line *ret);

/* wanted tells whether a line of a program is to be shown. NULL: all are. arg is borrowed until the next filter. */
typedef bool log_filter_fn(const struct log_line *line, void *arg);
void log_store_set_filter(struct log_store *store, log_filter_fn *wanted, void *arg);
/* Looks at lines that the filter has not seen, newest first, until until_us (clock_now_us of the real clock). True: some are left. */
bool log_store_work(struct log_store *store, int64_t until_us);
/* The next line that is shown after (before) serial, which may be no line's; LOG_SERIAL_NONE: there is none. */
uint64_t log_store_next(struct log_store *store, uint64_t serial);
uint64_t log_store_previous(struct log_store *store, uint64_t serial);
/* Whether the line is shown. */
bool log_store_shows(struct log_store *store, uint64_t serial);

struct log_counts {
	uint64_t received, filtered, dropped;
	uint64_t unseen; /* by the filter: neither shown nor filtered yet */
};
static inline uint64_t log_counts_shown(const struct log_counts *counts)
{
	return counts->received - counts->filtered - counts->dropped - counts->unseen;
}
/* Of all sources. */
struct log_counts log_store_counts(const struct log_store *store);
/* unseen is not told by source: 0. */
struct log_counts log_store_counts_of(const struct log_store *store, uint16_t source);

/* What is shown now, for another thread, while the store goes on. */
struct log_snapshot;
struct log_snapshot *log_store_snapshot(const struct log_store *store);
void log_snapshot_destroy(struct log_snapshot *snapshot);
/* Calls on_line for each; false from it ends the walk with false. */
bool log_snapshot_walk(const struct log_snapshot *snapshot, bool (*on_line)(const struct log_line *line, void *arg), void *arg);

#endif
