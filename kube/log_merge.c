#include "kube/log_merge.h"

#include <stdlib.h>
#include <string.h>

struct waiting { /* in front of each text in an input's buffer */
	int64_t time_ns, arrived_ms;
	uint32_t len, more_bytes;
	uint8_t kind, level;
};

#define LATE_SLACK_MS 100    /* a stream is waited for that much longer than it was late */
#define LATE_KEPT_MS  10000  /* how long it is known that it was; twice that at most */
#define PAST_STEP_MS  100
#define PAST_LEN      (LOG_MERGE_LATE_MS / PAST_STEP_MS + 3)

struct log_input {
	struct log_merge *merge;
	uint16_t source;
	enum { INPUT_CLOSED, INPUT_ASKED, INPUT_OPEN, INPUT_LOST } state;
	int64_t since_ms, heard_ms;
	int64_t newest_ns;   /* of its lines */
	int64_t late_ms[2];  /* the most that its lines were late since turn_ms - LATE_KEPT_MS, and in the same time before */
	int64_t turn_ms;
	struct buf lines;
	size_t at; /* of the first line that has not gone */
	struct waiting head; /* that line, when there is one */
};

struct past { /* what the newest line was, of those that had come within PAST_STEP_MS from at_ms on */
	int64_t at_ms, newest_ns;
};

struct log_merge {
	struct log_input **inputs;
	size_t len, cap;
	int64_t due_ms;
	struct past past[PAST_LEN]; /* ring */
	size_t npast;		    /* that there ever were */
	int64_t slowest_ms;	    /* answer so far */
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

	input->merge = merge;
	input->source = source;
	input->newest_ns = INT64_MIN;
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

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

void log_input_set_open(struct log_input *input, bool open, int64_t now_ms)
{
	int64_t took_ms = now_ms - input->since_ms;

	/* A container that only now has something to say is no slow answer. */
	if (open && input->state == INPUT_ASKED && took_ms > input->merge->slowest_ms && took_ms <= LOG_MERGE_LATE_MS)
		input->merge->slowest_ms = took_ms;
	input->state = open ? INPUT_OPEN : INPUT_CLOSED;
	input->since_ms = input->heard_ms = now_ms;
}

void log_input_ask(struct log_input *input, int64_t now_ms)
{
	input->state = INPUT_ASKED;
	input->since_ms = now_ms;
}

void log_input_lose(struct log_input *input, int64_t now_ms)
{
	input->state = INPUT_LOST;
	input->since_ms = now_ms;
}

/* Until then it is waited for although it is not open. */
static int64_t expected_until_ms(const struct log_input *input)
{
	if (input->state == INPUT_ASKED)
		return input->since_ms + clamp(2 * input->merge->slowest_ms, LOG_MERGE_WINDOW_MS, LOG_MERGE_LATE_MS);
	return input->state == INPUT_LOST ? input->since_ms + LOG_MERGE_LATE_MS : INT64_MIN;
}

void log_input_touch(struct log_input *input, int64_t now_ms)
{
	input->heard_ms = now_ms;
}

size_t log_input_bytes(const struct log_input *input)
{
	return input->lines.len - input->at;
}

/* ---- who is late ---- */

static struct past *past_at(struct log_merge *merge, size_t back)
{
	return &merge->past[(merge->npast - 1 - back) % PAST_LEN];
}

static void note_newest(struct log_merge *merge, int64_t ns, int64_t now_ms)
{
	int64_t before = merge->npast ? past_at(merge, 0)->newest_ns : INT64_MIN;

	if (ns <= before)
		return;
	if (!merge->npast || now_ms - past_at(merge, 0)->at_ms >= PAST_STEP_MS) {
		merge->npast++;
		past_at(merge, 0)->at_ms = now_ms;
	}
	past_at(merge, 0)->newest_ns = ns;
}

/* How long ago the first line newer than that one came. */
static int64_t lateness(struct log_merge *merge, int64_t ns, int64_t now_ms)
{
	int64_t since_ms = now_ms;

	for (size_t back = 0; back < merge->npast && back < PAST_LEN && past_at(merge, back)->newest_ns > ns; back++)
		since_ms = past_at(merge, back)->at_ms;
	return now_ms - since_ms;
}

/* Of what was written before a stream was opened, nobody knows how late it came; and for what is too late nobody can wait. */
static void learn(struct log_input *input, int64_t ns, int64_t now_ms)
{
	int64_t late_ms = lateness(input->merge, ns, now_ms);

	if (now_ms >= input->turn_ms) {
		input->late_ms[1] = now_ms < input->turn_ms + LATE_KEPT_MS ? input->late_ms[0] : 0;
		input->late_ms[0] = 0;
		input->turn_ms = now_ms + LATE_KEPT_MS;
	}
	if (late_ms > input->late_ms[0] && late_ms < LOG_MERGE_LATE_MS + PAST_STEP_MS && now_ms - input->since_ms >= LOG_MERGE_LATE_MS)
		input->late_ms[0] = late_ms;
}

/* How long a line of another stream waits for one of this. */
static int64_t window_of(const struct log_input *input, int64_t now_ms)
{
	int64_t late_ms = now_ms < input->turn_ms + LATE_KEPT_MS ? input->late_ms[0] : 0;

	if (now_ms < input->turn_ms && input->late_ms[1] > late_ms)
		late_ms = input->late_ms[1];
	return clamp(late_ms + LATE_SLACK_MS, LOG_MERGE_WINDOW_MS, LOG_MERGE_LATE_MS);
}

/* ---- lines ---- */

void log_input_put(struct log_input *input, const struct log_line *line, int64_t now_ms)
{
	struct waiting head = { .time_ns = line->time_ns, .arrived_ms = now_ms, .len = (uint32_t)line->text.len,
				.more_bytes = line->more_bytes, .kind = line->kind, .level = line->level };

	if (!has_line(input))
		input->head = head;
	buf_add(&input->lines, (const char *)&head, sizeof head);
	buf_add_str(&input->lines, line->text);
	input->heard_ms = now_ms;
	if (line->kind != LOG_LINE)
		return;
	learn(input, line->time_ns, now_ms);
	note_newest(input->merge, line->time_ns, now_ms);
	if (line->time_ns > input->newest_ns)
		input->newest_ns = line->time_ns;
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

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What lines of a time wait for: streams that have none waiting and were at no newer one yet. */
struct wait {
	int64_t heard_ms;    /* not before: one of them was heard a moment ago */
	int64_t window_ms;   /* from their arrival on; 0: there is no such stream */
	int64_t expected_ms; /* until then one of them is expected */
	int64_t until_ns;    /* lines up to that time wait for the same */
};

static struct wait wait_of(const struct log_merge *merge, int64_t time_ns, int64_t now_ms)
{
	struct wait wait = { .heard_ms = INT64_MIN, .expected_ms = INT64_MIN, .until_ns = INT64_MAX };

	for (size_t i = 0; i < merge->len; i++) {
		const struct log_input *other = merge->inputs[i];

		if (has_line(other) || (other->state != INPUT_OPEN && expected_until_ms(other) <= now_ms))
			continue;
		if (other->newest_ns >= time_ns) {
			wait.until_ns = other->newest_ns < wait.until_ns ? other->newest_ns : wait.until_ns;
		} else if (other->state == INPUT_OPEN) {
			wait.heard_ms = later(wait.heard_ms, other->heard_ms + LOG_MERGE_WINDOW_MS);
			wait.window_ms = later(wait.window_ms, window_of(other, now_ms));
		} else {
			wait.expected_ms = later(wait.expected_ms, expected_until_ms(other));
		}
	}
	return wait;
}

/* When the first line of input need not wait any more. */
static int64_t may_go_ms(const struct wait *wait, const struct log_input *input)
{
	int64_t arrived_ms = input->head.arrived_ms, may_ms = wait->heard_ms;

	if (log_input_bytes(input) >= LOG_MERGE_LOW_BYTES) /* behind it more lines wait than the window is worth */
		return may_ms;
	if (wait->window_ms)
		may_ms = later(may_ms, arrived_ms + wait->window_ms);
	return later(may_ms, wait->expected_ms < arrived_ms + LOG_MERGE_LATE_MS ? wait->expected_ms : arrived_ms + LOG_MERGE_LATE_MS);
}

bool log_merge_take(struct log_merge *merge, struct log_block *block, int64_t now_ms)
{
	struct log_input *input;
	int64_t until_ns;

	merge->due_ms = INT64_MAX;
	while ((input = oldest(merge, &until_ns))) {
		struct wait wait = wait_of(merge, input->head.time_ns, now_ms);

		until_ns = wait.until_ns < until_ns ? wait.until_ns : until_ns;
		if (may_go_ms(&wait, input) > now_ms) {
			merge->due_ms = may_go_ms(&wait, input);
			return false;
		}
		do {
			if (!move_line(input, block))
				return true;
		} while (has_line(input) && input->head.time_ns <= until_ns && may_go_ms(&wait, input) <= now_ms);
	}
	return false;
}

int64_t log_merge_due_ms(const struct log_merge *merge)
{
	return merge->due_ms;
}
