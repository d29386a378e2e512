/*
 * The visitor: paths become a tree of names; the text is walked once beside it. What no path leads into is checked and
 * passed without recursion. A name and a * at the same place are merged when the tree is made, so that one node of it
 * is all that has to be remembered at each level.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_scan.h"

#define MAX_DEPTH 512
#define MAX_LEVELS 16

struct end {
	unsigned path;
	unsigned nwild;
	unsigned char levels[JSON_MAX_WILDCARDS]; /* where [] and * stand */
	unsigned char star;			  /* level of the innermost *, or MAX_LEVELS */
};

struct node {
	struct str name;
	struct node **members;
	size_t nmembers, cap;
	struct node *any;      /* other members, for * */
	struct node *elements; /* for [] */
	struct end *ends;
	size_t nends, ends_cap;
};

struct json_fields {
	struct node *root;
};

/* ---- compiling ---- */

enum segment_kind { SEGMENT_NAME, SEGMENT_ANY, SEGMENT_ELEMENTS };

struct segment {
	enum segment_kind kind;
	struct str name;
};

static void free_node(struct node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->nmembers; i++)
		free_node(node->members[i]);
	free_node(node->any);
	free_node(node->elements);
	free((char *)node->name.p);
	free(node->members);
	free(node->ends);
	free(node);
}

static struct node *new_node(struct str name)
{
	struct node *node = xcalloc(1, sizeof *node);

	node->name = (struct str){ str_dup(name), name.len };
	return node;
}

static struct node *copy_node(const struct node *from, struct str name)
{
	struct node *node = new_node(name);

	if (!from)
		return node;
	for (size_t i = 0; i < from->nmembers; i++)
		LIST_PUSH(node->members, node->nmembers, node->cap) = copy_node(from->members[i], from->members[i]->name);
	for (size_t i = 0; i < from->nends; i++)
		LIST_PUSH(node->ends, node->nends, node->ends_cap) = from->ends[i];
	node->any = from->any ? copy_node(from->any, from->any->name) : NULL;
	node->elements = from->elements ? copy_node(from->elements, from->elements->name) : NULL;
	return node;
}

static struct node *find_member(const struct node *node, struct str name)
{
	for (size_t i = 0; i < node->nmembers; i++)
		if (str_eq(node->members[i]->name, name))
			return node->members[i];
	return NULL;
}

static void insert(struct node *node, const struct segment *segments, size_t n, const struct end *end)
{
	struct node *child;

	if (!n) {
		LIST_PUSH(node->ends, node->nends, node->ends_cap) = *end;
		return;
	}
	switch (segments->kind) {
	case SEGMENT_ELEMENTS:
		if (!node->elements)
			node->elements = new_node(STR("[]"));
		insert(node->elements, segments + 1, n - 1, end);
		break;
	case SEGMENT_ANY:
		if (!node->any)
			node->any = new_node(STR("*"));
		insert(node->any, segments + 1, n - 1, end);
		for (size_t i = 0; i < node->nmembers; i++)
			insert(node->members[i], segments + 1, n - 1, end);
		break;
	case SEGMENT_NAME:
		child = find_member(node, segments->name);
		if (!child)
			child = LIST_PUSH(node->members, node->nmembers, node->cap) =
				copy_node(node->any, segments->name);
		insert(child, segments + 1, n - 1, end);
		break;
	}
}

static _Noreturn void broken_path(const char *path)
{
	fprintf(stderr, "slotdeck: broken field path %s\n", path);
	abort();
}

static const char *cut_segment(const char *p, struct segment *ret)
{
	size_t len;

	if (starts_with(p, "[]")) {
		*ret = (struct segment){ SEGMENT_ELEMENTS, STR("") };
		return p + 2;
	}
	if (starts_with(p, "[\"")) {
		len = strcspn(p + 2, "\"");
		*ret = (struct segment){ SEGMENT_NAME, { p + 2, len } };
		return starts_with(p + 2 + len, "\"]") ? p + len + 4 : NULL;
	}
	len = strcspn(p, ".[");
	*ret = (struct segment){ SEGMENT_NAME, { p, len } };
	if (str_is(ret->name, "*"))
		ret->kind = SEGMENT_ANY;
	return len ? p + len : NULL;
}

static size_t parse_path(const char *path, struct segment *segments, struct end *end)
{
	size_t n = 0;

	for (const char *p = path; *p; n++) {
		struct segment *s = &segments[n];

		if (n == MAX_LEVELS || !(p = cut_segment(p, s)))
			broken_path(path);
		if (*p == '.' && p[1])
			p++;
		if (s->kind == SEGMENT_NAME)
			continue;
		if (end->nwild == JSON_MAX_WILDCARDS)
			broken_path(path);
		end->levels[end->nwild++] = (unsigned char)n;
		if (s->kind == SEGMENT_ANY)
			end->star = (unsigned char)n;
	}
	return n;
}

struct json_fields *json_fields_create(const char *const *paths, size_t n)
{
	struct json_fields *fields = xcalloc(1, sizeof *fields);

	fields->root = new_node(STR(""));
	for (size_t i = 0; i < n; i++) {
		struct segment segments[MAX_LEVELS];
		struct end end = { .path = (unsigned)i, .star = MAX_LEVELS };
		size_t nsegments = parse_path(paths[i], segments, &end);

		insert(fields->root, segments, nsegments, &end);
	}
	return fields;
}

void json_fields_destroy(struct json_fields *fields)
{
	if (!fields)
		return;
	free_node(fields->root);
	free(fields);
}

/* ---- scanning ---- */

struct visit {
	const char *start, *p, *end;
	json_field_fn *on_field;
	void *arg;
	struct error *err;
	unsigned index[MAX_LEVELS];
	struct str keys[MAX_LEVELS]; /* raw, between the quotes */
	struct buf text, key;
};

static bool fail(struct visit *v, const char *what)
{
	return error_set(v->err, ERR_SERVER, "byte %zu: not JSON: %s", (size_t)(v->p - v->start),
			 v->p == v->end ? "the text ends here" : what);
}

static inline void skip_space(struct visit *v)
{
	while (v->p < v->end && json_is_space(*v->p))
		v->p++;
}

static int hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex4(const char *p, const char *end, uint32_t *ret)
{
	*ret = 0;
	for (int i = 0; i < 4; i++) {
		int digit = p + i < end ? hex_of(p[i]) : -1;

		if (digit < 0)
			return false;
		*ret = *ret << 4 | (uint32_t)digit;
	}
	return true;
}

static bool skip_escape(struct visit *v)
{
	uint32_t unit;

	v->p++;
	if (v->p == v->end)
		return fail(v, "");
	if (*v->p == 'u') {
		if (!read_hex4(v->p + 1, v->end, &unit))
			return fail(v, "\\u without four hexadecimal digits");
		v->p += 5;
		return true;
	}
	if (!*v->p || !strchr("\"\\/bfnrt", *v->p))
		return fail(v, "an unknown escape");
	v->p++;
	return true;
}

/* At the opening quote; gives what stands between the quotes. */
static bool skip_string(struct visit *v, struct str *ret_raw, bool *ret_escaped)
{
	const char *start = ++v->p;

	*ret_escaped = false;
	for (;;) {
		v->p = json_string_run(v->p, v->end);
		if (v->p == v->end)
			return fail(v, "");
		if (*v->p == '"')
			break;
		if (*v->p != '\\')
			return fail(v, "a control character in a string");
		*ret_escaped = true;
		if (!skip_escape(v))
			return false;
	}
	*ret_raw = (struct str){ start, (size_t)(v->p - start) };
	v->p++;
	return true;
}

static bool skip_digits(struct visit *v)
{
	const char *start = v->p;

	while (v->p < v->end && *v->p >= '0' && *v->p <= '9')
		v->p++;
	return v->p > start || fail(v, "a number without digits");
}

static bool skip_number(struct visit *v)
{
	if (*v->p == '-')
		v->p++;
	if (v->p < v->end && *v->p == '0')
		v->p++;
	else if (!skip_digits(v))
		return false;
	if (v->p < v->end && *v->p == '.') {
		v->p++;
		if (!skip_digits(v))
			return false;
	}
	if (v->p < v->end && (*v->p | 0x20) == 'e') {
		v->p++;
		if (v->p < v->end && (*v->p == '+' || *v->p == '-'))
			v->p++;
		return skip_digits(v);
	}
	return true;
}

static bool skip_word(struct visit *v, struct str word)
{
	if ((size_t)(v->end - v->p) < word.len || memcmp(v->p, word.p, word.len) != 0)
		return fail(v, "a value was expected");
	v->p += word.len;
	return true;
}

/* At the first byte of a number, true, false or null. */
static bool skip_scalar(struct visit *v, enum json_kind *ret_kind)
{
	switch (v->p < v->end ? *v->p : '\0') {
	case 't':
		*ret_kind = JSON_IS_BOOL;
		return skip_word(v, STR("true"));
	case 'f':
		*ret_kind = JSON_IS_BOOL;
		return skip_word(v, STR("false"));
	case 'n':
		*ret_kind = JSON_IS_NULL;
		return skip_word(v, STR("null"));
	case '-':
	case '0' ... '9':
		*ret_kind = JSON_IS_NUMBER;
		return skip_number(v);
	default:
		return fail(v, "a value was expected");
	}
}

static bool expect(struct visit *v, char c, const char *what)
{
	skip_space(v);
	if (v->p == v->end || *v->p != c)
		return fail(v, what);
	v->p++;
	return true;
}

static bool skip_key(struct visit *v, struct str *ret_raw, bool *ret_escaped)
{
	skip_space(v);
	if (v->p == v->end || *v->p != '"')
		return fail(v, "the name of a member was expected");
	return skip_string(v, ret_raw, ret_escaped) && expect(v, ':', "a colon was expected");
}

static bool fail_depth(struct visit *v)
{
	return error_set(v->err, ERR_LIMIT, "byte %zu: JSON nested deeper than %d levels", (size_t)(v->p - v->start),
			 MAX_DEPTH);
}

struct brackets {
	unsigned depth;
	uint64_t is_object[MAX_DEPTH / 64];
};

static inline bool top_is_object(const struct brackets *b)
{
	return (b->is_object[(b->depth - 1) / 64] >> ((b->depth - 1) & 63)) & 1;
}

static bool push(struct visit *v, struct brackets *b, char c)
{
	if (b->depth == MAX_DEPTH)
		return fail_depth(v);
	uint64_t bit = UINT64_C(1) << (b->depth & 63), *word = &b->is_object[b->depth / 64];

	*word = c == '{' ? *word | bit : *word & ~bit;
	b->depth++;
	v->p++;
	return true;
}

/* After a value inside of brackets: closes those that end here, until a comma or the outermost end. */
static bool close_brackets(struct visit *v, struct brackets *b)
{
	while (b->depth) {
		skip_space(v);
		char c = v->p < v->end ? *v->p : '\0';
		bool is_object = top_is_object(b);

		if (c == ',') {
			v->p++;
			return true;
		}
		if (c != (is_object ? '}' : ']'))
			return fail(v, is_object ? "a comma or } was expected" : "a comma or ] was expected");
		v->p++;
		b->depth--;
	}
	return true;
}

/* Checks and passes one value. */
static bool skip_value(struct visit *v)
{
	struct brackets b = { 0 };
	enum json_kind kind;
	struct str raw;
	bool escaped;

	do {
		bool opened = false;

		if (b.depth && top_is_object(&b) && !skip_key(v, &raw, &escaped))
			return false;
		skip_space(v);
		char c = v->p < v->end ? *v->p : '\0';

		if (c == '"') {
			if (!skip_string(v, &raw, &escaped))
				return false;
		} else if (c == '{' || c == '[') {
			if (!push(v, &b, c))
				return false;
			skip_space(v);
			opened = v->p == v->end || *v->p != (c == '{' ? '}' : ']');
		} else if (!skip_scalar(v, &kind)) {
			return false;
		}
		if (!opened && !close_brackets(v, &b))
			return false;
	} while (b.depth);
	return true;
}

/* ---- strings ---- */

static const char *decode_escape(struct buf *out, const char *p, const char *end)
{
	static const char letters[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	uint32_t rune, low;

	if (*p != 'u') {
		for (size_t i = 0; i + 1 < sizeof letters; i += 2)
			if (letters[i] == *p)
				buf_addc(out, letters[i + 1]);
		return p + 1;
	}
	read_hex4(p + 1, end, &rune);
	p += 5;
	if (rune >= 0xd800 && rune < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
	    read_hex4(p + 2, end, &low) && low >= 0xdc00 && low < 0xe000) {
		rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	}
	buf_add_rune(out, rune); /* half a pair becomes U+FFFD */
	return p;
}

/* raw was checked by skip_string(). */
static struct str decode(struct buf *scratch, struct str raw)
{
	const char *p = raw.p, *end = p + raw.len;

	if (!memchr(raw.p, '\\', raw.len))
		return raw;
	buf_reset(scratch);
	while (p < end) {
		const char *run = p;

		while (p < end && *p != '\\')
			p++;
		buf_add(scratch, run, (size_t)(p - run));
		if (p < end)
			p = decode_escape(scratch, p + 1, end);
	}
	return buf_str(scratch);
}

/* ---- visiting ---- */

static bool report(struct visit *v, const struct node *node, enum json_kind kind, struct str text)
{
	for (size_t i = 0; i < node->nends; i++) {
		const struct end *end = &node->ends[i];
		struct json_field field = { .path = end->path, .kind = kind, .text = text };

		for (unsigned k = 0; k < end->nwild; k++)
			field.at[k] = v->index[end->levels[k]];
		if (end->star < MAX_LEVELS)
			field.key = decode(&v->key, v->keys[end->star]);
		if (!v->on_field(&field, v->arg, v->err))
			return false;
	}
	return true;
}

static bool visit_value(struct visit *v, const struct node *node, unsigned level);

static const struct node *match(struct visit *v, const struct node *node, struct str raw, bool escaped)
{
	struct str name = escaped ? decode(&v->text, raw) : raw;
	const struct node *member = find_member(node, name);

	return member ? member : node->any;
}

static bool visit_object(struct visit *v, const struct node *node, unsigned level)
{
	unsigned index = 0;

	v->p++;
	skip_space(v);
	if (v->p < v->end && *v->p == '}') {
		v->p++;
		return true;
	}
	for (;; index++) {
		struct str raw;
		bool escaped;

		if (!skip_key(v, &raw, &escaped))
			return false;
		const struct node *child = match(v, node, raw, escaped);

		v->index[level] = index;
		v->keys[level] = raw;
		if (!(child ? visit_value(v, child, level + 1) : skip_value(v)))
			return false;
		skip_space(v);
		if (v->p < v->end && *v->p == ',') {
			v->p++;
			continue;
		}
		return expect(v, '}', "a comma or } was expected");
	}
}

static bool visit_array(struct visit *v, const struct node *node, unsigned level)
{
	unsigned index = 0;

	v->p++;
	skip_space(v);
	if (v->p < v->end && *v->p == ']') {
		v->p++;
		return true;
	}
	for (;; index++) {
		v->index[level] = index;
		if (!visit_value(v, node->elements, level + 1))
			return false;
		skip_space(v);
		if (v->p < v->end && *v->p == ',') {
			v->p++;
			continue;
		}
		return expect(v, ']', "a comma or ] was expected");
	}
}

static bool visit_collection(struct visit *v, const struct node *node, unsigned level, bool is_object)
{
	const char *start = v->p;
	bool goes_on = is_object ? node->nmembers || node->any : node->elements != NULL;

	if (!goes_on) {
		if (!skip_value(v))
			return false;
	} else if (!(is_object ? visit_object(v, node, level) : visit_array(v, node, level))) {
		return false;
	}
	return report(v, node, is_object ? JSON_IS_OBJECT : JSON_IS_ARRAY, (struct str){ start, (size_t)(v->p - start) });
}

static bool visit_value(struct visit *v, const struct node *node, unsigned level)
{
	skip_space(v);
	const char *start = v->p;
	char c = v->p < v->end ? *v->p : '\0';
	enum json_kind kind;
	struct str raw;
	bool escaped;

	if (c == '{' || c == '[')
		return visit_collection(v, node, level, c == '{');
	if (c == '"') {
		if (!skip_string(v, &raw, &escaped))
			return false;
		return !node->nends || report(v, node, JSON_IS_STRING, escaped ? decode(&v->text, raw) : raw);
	}
	if (!skip_scalar(v, &kind))
		return false;
	return report(v, node, kind, (struct str){ start, (size_t)(v->p - start) });
}

bool json_visit(const struct json_fields *fields, struct str text, json_field_fn *on_field, void *arg,
		struct error *err)
{
	struct visit v = { .start = text.p, .p = text.p, .end = text.p + text.len, .on_field = on_field, .arg = arg,
			   .err = err };
	bool ok = visit_value(&v, fields->root, 0);

	if (ok) {
		skip_space(&v);
		if (v.p < v.end)
			ok = fail(&v, "something follows the value");
	}
	buf_release(&v.text);
	buf_release(&v.key);
	return ok;
}

bool json_field_int(const struct json_field *field, int64_t *ret)
{
	char digits[32];

	if (field->kind != JSON_IS_NUMBER || field->text.len >= sizeof digits)
		return false;
	*(char *)mempcpy(digits, field->text.p, field->text.len) = '\0';
	char *end;

	errno = 0;
	long long value = strtoll(digits, &end, 10);

	if (errno || *end)
		return false;
	*ret = value;
	return true;
}

bool json_field_bool(const struct json_field *field, bool *ret)
{
	if (field->kind != JSON_IS_BOOL)
		return false;
	*ret = field->text.p[0] == 't';
	return true;
}
