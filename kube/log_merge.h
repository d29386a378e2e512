/*
 * log_merge: the lines of several streams as one, in the order of their times. Plain data, one thread.
 *
 * A line goes out once every other open stream has a later one waiting. A stream that is silent is waited for no longer than
 * the window, so what is in step by less than that comes out in order, and nothing is ever held back longer. The order of one
 * stream is never changed. Times now_ms are of any monotonic clock.
 */
#ifndef SLOTDECK_KUBE_LOG_MERGE_H
#define SLOTDECK_KUBE_LOG_MERGE_H

#include "model/log_block.h"

#define LOG_MERGE_WINDOW_MS 300
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
/* Only open inputs are waited for; lines of closed ones go out all the same. Opening counts as having been heard. */
void log_input_set_open(struct log_input *input, bool open, int64_t now_ms);
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
