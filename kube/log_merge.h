/*
 * log_merge: the lines of several streams as one, in the order of their times. Plain data, one thread.
 *
 * A line goes out once no other stream can come with an older one: each has one waiting, or was at a newer one already. A stream
 * that is silent could still come with one. It is waited for LOG_MERGE_WINDOW_MS, and up to LOG_MERGE_LATE_MS while it is known to be
 * behind: its lines came so much later than those of the others lately, its connection was lost a moment ago, or its answer is
 * still to come and others took as long. So what is in step is never held back for longer than the window, what is late by less than
 * LOG_MERGE_LATE_MS comes out in order but for the first time that it is late, and what is alone is not held back at all. Only from a stream
 * that comes with older lines all the time the others wait longer. The order of one stream is never changed. Clocks of nodes are only
 * compared with each other; times now_ms are of any monotonic clock.
 */
#ifndef SLOTDECK_KUBE_LOG_MERGE_H
#define SLOTDECK_KUBE_LOG_MERGE_H

#include "model/log_block.h"

#define LOG_MERGE_WINDOW_MS 300
#define LOG_MERGE_LATE_MS 2000
#define LOG_MERGE_FULL_BYTES (256u << 10) /* of one input: hold its stream from here on … */
#define LOG_MERGE_LOW_BYTES (128u << 10)  /* … until it is below this */

struct log_merge;
struct log_input;

struct log_merge *log_merge_create(void);
void log_merge_destroy(struct log_merge *merge);
DEFINE_AUTO(log_merge);
/* Its lines get that source. Lives until it is removed, or as long as merge. It is closed at first. */
struct log_input *log_merge_add(struct log_merge *merge, uint16_t source);
/* With the lines that have not gone. */
void log_merge_remove(struct log_merge *merge, struct log_input *input);
/* An input that is open is waited for as said above; lines of closed ones go out all the same. Opening counts as having been heard. */
void log_input_set_open(struct log_input *input, bool open, int64_t now_ms);
/* Closed until it answers: waited for as long as answers took so far, within the two limits. */
void log_input_ask(struct log_input *input, int64_t now_ms);
/* Closed, and more is to come: waited for LOG_MERGE_LATE_MS. */
void log_input_lose(struct log_input *input, int64_t now_ms);
/* Copies line. */
void log_input_put(struct log_input *input, const struct log_line *line, int64_t now_ms);
/* It was held, and goes on: it is waited for again. */
void log_input_touch(struct log_input *input, int64_t now_ms);
size_t log_input_bytes(const struct log_input *input);
/* Moves what may go behind the lines of block. True: it is full, and there may be more. */
bool log_merge_take(struct log_merge *merge, struct log_block *block, int64_t now_ms);
/* When log_merge_take() gives more although no line comes; INT64_MAX: never. As the last take left it. */
int64_t log_merge_due_ms(const struct log_merge *merge);

#endif
