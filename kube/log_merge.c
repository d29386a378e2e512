#include "kube/log_merge.h"

#include <stdlib.h>
#include <string.h>

struct waiting { /* in front of each text in an input's buffer */
	int64_t time_ns, arrived_ms;
	uint32_t len, more_bytes;
	uint8_t kind, level;
};

struct log_input {
	uint16_t source;
	bool open;
	int64_t heard_ms;
	struct buf lines;
	size_t at; /* of the first line that has not gone */
	struct waiting head; /* that line, when there is one */
};

struct log_merge {
	struct log_input **inputs;
	size_t len, cap;
	int64_t due_ms;
};

struct log_merge *log_merge_create(void)
{
	struct log_merge *merge = xcalloc(1, sizeof *merge);

	merge->due_ms = INT64_MAX;
	return merge;
}

static void input_free(struct log_input *input)
{
	buf_release(&input->lines);
	free(input);
}

void log_merge_destroy(struct log_merge *merge)
{
	if (!merge)
		return;
	for (size_t i = 0; i < merge->len; i++)
		input_free(merge->inputs[i]);
	free(merge->inputs);
	free(merge);
}

struct log_input *log_merge_add(struct log_merge *merge, uint16_t source)
{
	struct log_input *input = xcalloc(1, sizeof *input);

	input->source = source;
	LIST_PUSH(merge->inputs, merge->len, merge->cap) = input;
	return input;
}

void log_merge_remove(struct log_merge *merge, struct log_input *input)
{
	size_t kept = 0;

	for (size_t i = 0; i < merge->len; i++)
		if (merge->inputs[i] != input)
			merge->inputs[kept++] = merge->inputs[i];
	merge->len = kept;
	input_free(input);
}

static bool has_line(const struct log_input *input)
{
	return input->at < input->lines.len;
}

void log_input_set_open(struct log_input *input, bool open, int64_t now_ms)
{
	input->open = open;
	input->heard_ms = now_ms;
}

void log_input_touch(struct log_input *input, int64_t now_ms)
{
	input->heard_ms = now_ms;
}

size_t log_input_bytes(const struct log_input *input)
{
	return input->lines.len - input->at;
}

void log_input_put(struct log_input *input, const struct log_line *line, int64_t now_ms)
{
	struct waiting head = { .time_ns = line->time_ns, .arrived_ms = now_ms, .len = (uint32_t)line->text.len,
				.more_bytes = line->more_bytes, .kind = line->kind, .level = line->level };

	if (!has_line(input))
		input->head = head;
	buf_add(&input->lines, (const char *)&head, sizeof head);
	buf_add_str(&input->lines, line->text);
	input->heard_ms = now_ms;
}

/* Moves the first line of input into block; false when it does not fit. */
static bool move_line(struct log_input *input, struct log_block *block)
{
	const struct waiting *head = &input->head;

	if (!log_block_add(block, &(struct log_line){ .text = { input->lines.p + input->at + sizeof *head, head->len }, .time_ns = head->time_ns,
						      .more_bytes = head->more_bytes, .source = input->source, .kind = head->kind, .level = head->level }))
		return false;
	input->at += sizeof *head + head->len;
	if (!has_line(input)) {
		buf_reset(&input->lines);
		input->at = 0;
	} else {
		if (input->at > LOG_MERGE_FULL_BYTES) {
			buf_consume(&input->lines, input->at);
			input->at = 0;
		}
		memcpy(&input->head, input->lines.p + input->at, sizeof input->head);
	}
	return true;
}

/* The input whose first line is the oldest; NULL: there is none. ret_until: the first line of the next one. */
static struct log_input *oldest(const struct log_merge *merge, int64_t *ret_until)
{
	struct log_input *first = NULL;

	*ret_until = INT64_MAX;
	for (size_t i = 0; i < merge->len; i++) {
		struct log_input *input = merge->inputs[i];

		if (!has_line(input))
			continue;
		if (!first || input->head.time_ns < first->head.time_ns) {
			*ret_until = first ? first->head.time_ns : INT64_MAX;
			first = input;
		} else if (input->head.time_ns < *ret_until) {
			*ret_until = input->head.time_ns;
		}
	}
	return first;
}

/* When the first line of input need not wait any more for streams that have none. */
static int64_t may_go_ms(const struct log_merge *merge, const struct log_input *input)
{
	int64_t may_ms = INT64_MIN;
	bool waits = false;

	for (size_t i = 0; i < merge->len; i++) {
		const struct log_input *other = merge->inputs[i];

		if (!other->open || has_line(other))
			continue;
		waits = true;
		if (other->heard_ms + LOG_MERGE_WINDOW_MS > may_ms)
			may_ms = other->heard_ms + LOG_MERGE_WINDOW_MS;
	}
	/* Behind a full input more lines wait than the window is worth. */
	if (waits && log_input_bytes(input) < LOG_MERGE_LOW_BYTES && input->head.arrived_ms + LOG_MERGE_WINDOW_MS > may_ms)
		may_ms = input->head.arrived_ms + LOG_MERGE_WINDOW_MS;
	return may_ms;
}

bool log_merge_take(struct log_merge *merge, struct log_block *block, int64_t now_ms)
{
	struct log_input *input;
	int64_t until_ns, may_ms;

	merge->due_ms = INT64_MAX;
	while ((input = oldest(merge, &until_ns))) {
		may_ms = may_go_ms(merge, input);
		if (may_ms > now_ms) {
			merge->due_ms = may_ms;
			return false;
		}
		do {
			if (!move_line(input, block))
				return true;
		} while (has_line(input) && input->head.time_ns <= until_ns &&
			 (may_ms == INT64_MIN || log_input_bytes(input) >= LOG_MERGE_LOW_BYTES || input->head.arrived_ms + LOG_MERGE_WINDOW_MS <= now_ms));
	}
	return false;
}

int64_t log_merge_due_ms(const struct log_merge *merge)
{
	return merge->due_ms;
}
