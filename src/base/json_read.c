/*
 * The reader: brackets and strings only, as fast as memory. Where it stands in the text is kept over chunks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_scan.h"

#define MAX_DEPTH 512
#define MAX_ENVELOPE_BYTES (4u << 20)

enum state {
	STATE_BEFORE,	/* between the values of a sequence, or before the list */
	STATE_OBJECT,	/* inside an object that will be given */
	STATE_ENVELOPE, /* inside the list, outside of its items */
	STATE_ITEMS,	/* between items */
	STATE_DONE	/* behind the list */
};

struct json_reader {
	enum json_stream stream;
	size_t max_object_bytes;
	enum state state;
	bool in_string, after_backslash; /* of the object or envelope */
	bool items_seen, has_item, needs_item;
	unsigned depth;
	uint64_t is_object[MAX_DEPTH / 64]; /* one bit for each open bracket */

	struct str chunk; /* what is left of it */
	uint64_t offset;  /* of chunk in the stream */
	struct buf object, envelope;
	bool object_given;
	struct error failure;
};

struct json_reader *json_reader_create(enum json_stream stream, size_t max_object_bytes)
{
	struct json_reader *r = xcalloc(1, sizeof *r);

	r->max_object_bytes = max_object_bytes;
	r->envelope.max = MAX_ENVELOPE_BYTES;
	json_reader_reset(r, stream);
	return r;
}

void json_reader_destroy(struct json_reader *r)
{
	if (!r)
		return;
	buf_release(&r->object);
	buf_release(&r->envelope);
	error_release(&r->failure);
	free(r);
}

void json_reader_reset(struct json_reader *r, enum json_stream stream)
{
	r->stream = stream;
	r->state = STATE_BEFORE;
	r->in_string = r->after_backslash = r->items_seen = r->has_item = r->needs_item = r->object_given = false;
	r->depth = 0;
	r->chunk = STR("");
	r->offset = 0;
	buf_reset(&r->object);
	buf_reset(&r->envelope);
	error_release(&r->failure);
}

void json_reader_feed(struct json_reader *r, struct str bytes)
{
	r->chunk = bytes;
}

struct str json_reader_envelope(const struct json_reader *r)
{
	return buf_str(&r->envelope);
}

uint64_t json_reader_offset(const struct json_reader *r)
{
	return r->offset;
}

static bool fail(struct json_reader *r, enum err_kind kind, const char *what)
{
	return error_set(&r->failure, kind, "byte %llu: %s", (unsigned long long)r->offset, what);
}

static bool fail_unexpected(struct json_reader *r, char c)
{
	if (c > 0x20 && c < 0x7f)
		return error_set(&r->failure, ERR_SERVER, "byte %llu: not the expected JSON: unexpected '%c'",
				 (unsigned long long)r->offset, c);
	return error_set(&r->failure, ERR_SERVER, "byte %llu: not the expected JSON: unexpected byte 0x%02x",
			 (unsigned long long)r->offset, (unsigned char)c);
}

static void consume(struct json_reader *r, size_t n)
{
	r->chunk = (struct str){ r->chunk.p + n, r->chunk.len - n };
	r->offset += n;
}

static bool skip_space(struct json_reader *r)
{
	size_t n = 0;

	while (n < r->chunk.len && json_is_space(r->chunk.p[n]))
		n++;
	consume(r, n);
	return r->chunk.len > 0;
}

static bool open_bracket(struct json_reader *r, char c)
{
	if (r->depth == MAX_DEPTH)
		return false;
	uint64_t bit = UINT64_C(1) << (r->depth & 63);

	if (c == '{')
		r->is_object[r->depth / 64] |= bit;
	else
		r->is_object[r->depth / 64] &= ~bit;
	r->depth++;
	return true;
}

static bool close_bracket(struct json_reader *r, char c)
{
	if (!r->depth)
		return false;
	r->depth--;
	return ((r->is_object[r->depth / 64] >> (r->depth & 63)) & 1) == (c == '}');
}

/* Goes on inside of a string; gives the byte behind it, or the end of the chunk. */
static const char *finish_string(struct json_reader *r, const char *p, const char *end)
{
	while (p < end) {
		if (r->after_backslash) {
			r->after_backslash = false;
			p++;
			continue;
		}
		p = json_string_run(p, end);
		if (p == end)
			break;
		char c = *p++;

		if (c == '"') {
			r->in_string = false;
			break;
		}
		r->after_backslash = c == '\\'; /* control characters are json_visit()'s to refuse */
	}
	return p;
}

static const bool is_bracket_or_quote[256] = { ['"'] = true, ['{'] = true, ['}'] = true, ['['] = true, [']'] = true };

enum found { FOUND_NOTHING, FOUND_END, FOUND_LIST, FOUND_ERROR };

/*
 * Walks until depth falls to stop_depth (FOUND_END, behind the bracket) or, with want_list, to an opening '[' at depth 1
 * (FOUND_LIST, on it). *ret_used is what was passed.
 */
static enum found walk(struct json_reader *r, unsigned stop_depth, bool want_list, size_t *ret_used)
{
	const char *start = r->chunk.p, *p = start, *end = start + r->chunk.len;
	enum found found = FOUND_NOTHING;

	while (p < end && found == FOUND_NOTHING) {
		if (r->in_string) {
			p = finish_string(r, p, end);
			continue;
		}
		while (p < end && !is_bracket_or_quote[(unsigned char)*p])
			p++;
		if (p == end)
			break;
		char c = *p;

		if (c == '"') {
			r->in_string = true;
		} else if (c == '{' || c == '[') {
			if (want_list && c == '[' && r->depth == 1) {
				found = FOUND_LIST;
				break;
			}
			if (!open_bracket(r, c)) {
				*ret_used = (size_t)(p - start);
				consume(r, *ret_used);
				fail(r, ERR_LIMIT, "JSON nested deeper than 512 levels");
				return FOUND_ERROR;
			}
		} else if (!close_bracket(r, c)) {
			consume(r, (size_t)(p - start));
			fail_unexpected(r, c);
			return FOUND_ERROR;
		} else if (r->depth == stop_depth) {
			found = FOUND_END;
		}
		p++;
	}
	*ret_used = (size_t)(p - start);
	return found;
}

/* Whether what stands before a '[' is the key "items" of a list, or "rows" of a Table. */
static bool is_items_key(struct str before)
{
	before = str_trim(before);
	if (!str_ends(before, STR(":")))
		return false;
	before.len--;
	before = str_trim(before);
	if (str_ends(before, STR("\"items\"")))
		before.len -= 7;
	else if (str_ends(before, STR("\"rows\"")))
		before.len -= 6;
	else
		return false;
	before = str_trim(before);
	return before.len && (before.p[before.len - 1] == '{' || before.p[before.len - 1] == ',');
}

static bool start_object(struct json_reader *r)
{
	char c = r->chunk.p[0];

	if (c != '{')
		return fail_unexpected(r, c);
	buf_reset(&r->object);
	r->state = STATE_OBJECT;
	return true;
}

static unsigned outer_depth(const struct json_reader *r)
{
	return r->stream == JSON_LIST ? 2 : 0;
}

static bool step_before(struct json_reader *r)
{
	if (!skip_space(r))
		return true;
	if (r->stream == JSON_SEQUENCE)
		return start_object(r);
	if (r->chunk.p[0] != '{')
		return fail_unexpected(r, r->chunk.p[0]);
	r->state = STATE_ENVELOPE;
	return true;
}

static bool step_object(struct json_reader *r, struct str *ret_object)
{
	struct str part = r->chunk;
	enum found found = walk(r, outer_depth(r), false, &part.len);

	if (found == FOUND_ERROR)
		return false;
	if (r->object.len + part.len > r->max_object_bytes)
		return error_set(&r->failure, ERR_LIMIT, "byte %llu: an object is larger than %zu bytes",
				 (unsigned long long)r->offset, r->max_object_bytes);
	consume(r, part.len);
	if (r->object.len || found != FOUND_END)
		buf_add_str(&r->object, part);
	if (found != FOUND_END)
		return true;
	*ret_object = r->object.len ? buf_str(&r->object) : part;
	r->object_given = true;
	r->has_item = true;
	r->needs_item = false;
	r->state = r->stream == JSON_LIST ? STATE_ITEMS : STATE_BEFORE;
	return true;
}

static bool step_envelope(struct json_reader *r)
{
	struct str part = r->chunk;
	enum found found = walk(r, 0, true, &part.len);

	if (found == FOUND_ERROR)
		return false;
	buf_add_str(&r->envelope, part);
	if (r->envelope.overflow)
		return fail(r, ERR_LIMIT, "the list is too large outside of its items");
	consume(r, part.len);
	if (found == FOUND_END)
		r->state = STATE_DONE;
	if (found != FOUND_LIST)
		return true;
	bool is_items = !r->items_seen && is_items_key(buf_str(&r->envelope));

	open_bracket(r, '[');
	consume(r, 1);
	buf_addc(&r->envelope, '[');
	if (is_items) {
		r->items_seen = true;
		r->state = STATE_ITEMS;
	}
	return true;
}

static bool step_items(struct json_reader *r)
{
	if (!skip_space(r))
		return true;
	char c = r->chunk.p[0];

	if (c == ']' && !r->needs_item) {
		r->depth--;
		buf_addc(&r->envelope, c);
		consume(r, 1);
		r->state = STATE_ENVELOPE;
		return true;
	}
	if (c == ',' && r->has_item && !r->needs_item) {
		r->needs_item = true;
		consume(r, 1);
		return true;
	}
	if (r->has_item && !r->needs_item)
		return fail_unexpected(r, c);
	return start_object(r);
}

static bool step_done(struct json_reader *r)
{
	return !skip_space(r) || fail_unexpected(r, r->chunk.p[0]);
}

static bool step(struct json_reader *r, struct str *ret_object)
{
	switch (r->state) {
	case STATE_BEFORE:
		return step_before(r);
	case STATE_OBJECT:
		return step_object(r, ret_object);
	case STATE_ENVELOPE:
		return step_envelope(r);
	case STATE_ITEMS:
		return step_items(r);
	case STATE_DONE:
		break;
	}
	return step_done(r);
}

bool json_reader_next(struct json_reader *r, struct str *ret_object, struct error *err)
{
	*ret_object = (struct str){ NULL, 0 };
	if (r->object_given) {
		r->object_given = false;
		buf_reset(&r->object);
	}
	if (r->failure.kind)
		return error_copy(err, &r->failure);
	while (r->chunk.len && !ret_object->p)
		if (!step(r, ret_object))
			return error_copy(err, &r->failure);
	return true;
}

bool json_reader_finish(struct json_reader *r, struct error *err)
{
	bool complete = r->stream == JSON_LIST ? r->state == STATE_DONE : r->state == STATE_BEFORE;

	if (r->failure.kind)
		return error_copy(err, &r->failure);
	if (complete)
		return true;
	if (!r->offset)
		return error_set(err, ERR_SERVER, "empty, where JSON was expected");
	return error_set(err, ERR_SERVER, "byte %llu: the JSON text is cut off", (unsigned long long)r->offset);
}
