/*
 * Reading: events of libyaml become nodes, bottom up, without recursion.
 *
 *     events ─► nodes ─ at "*x": a copy of the anchored node, counted against the budget
 *            └► end of the document: anchored nodes are saved for later documents, then merge keys are expanded
 *
 * Children wait on one stack until their collection ends; so every list is allocated once, at its size.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/map.h"
#include "base/yaml_private.h"

#define DEFAULT_LIMITS (struct yaml_limits)YAML_LIMITS_INIT
#define TEXT_CHUNK_BYTES 4096
#define MAX_REREAD_BYTES (24u << 20)
#define MAX_TAG_DIRECTIVES 1000
#define MAX_ANCHORS 50000
#define MAX_FLOW_WORK 100000000u

struct frame {
	struct yaml_node *node;
	size_t first_child;
	bool is_flow;
};

struct anchored {
	struct yaml_node *node;
	struct str name;
};

struct yaml_stream {
	yaml_parser_t parser;
	bool parser_ready;
	struct str text;
	char *own_text; /* a changed copy, see "what libyaml reads otherwise" */
	size_t reread_bytes;
	uint32_t bom_substitute, colon_substitute;
	size_t cursor_index, cursor_offset; /* a character of the text and its byte */
	size_t documents; /* returned so far */
	char *name;
	struct yaml_limits limits;

	struct arena *saved;	/* anchored nodes of former documents */
	struct map saved_anchors, anchors; /* name → node; of former documents, and of this one */
	struct anchored *marked; /* the anchored nodes of this document, in order of their start */
	size_t nmarked, marked_cap;

	struct arena *arena; /* of this document */
	char *chunk;	     /* room for short texts */
	size_t chunk_left;
	struct yaml_node **children;
	size_t nchildren, children_cap;
	struct frame *frames;
	size_t nframes, frames_cap;
	bool has_merges;
	bool reread; /* the text was changed: read this document again */

	/* What aliases cost: of all documents for our limits, of this one for the ratio that yaml.v3 allows. */
	size_t expanded_nodes, expanded_bytes;
	size_t doc_nodes, doc_alias_nodes;
	size_t nanchors; /* in all documents */
	unsigned flow_depth;
	uint64_t flow_work; /* libyaml looks at every open flow collection for each token */

	struct error failure;
	unsigned error_line, error_column;
	bool at_end;
};

struct yaml_stream *yaml_stream_create(struct str text, const char *name, const struct yaml_limits *limits)
{
	struct yaml_stream *stream = xcalloc(1, sizeof *stream);

	stream->text = text;
	stream->name = name ? xstrdup(name) : NULL;
	stream->limits = limits ? *limits : DEFAULT_LIMITS;
	return stream;
}

void yaml_stream_destroy(struct yaml_stream *stream)
{
	if (!stream)
		return;
	if (stream->parser_ready)
		yaml_parser_delete(&stream->parser);
	free(stream->own_text);
	free(stream->name);
	arena_destroy(stream->saved);
	arena_destroy(stream->arena);
	map_release(&stream->anchors);
	map_release(&stream->saved_anchors);
	free(stream->marked);
	free(stream->children);
	free(stream->frames);
	error_release(&stream->failure);
	free(stream);
}

void yaml_stream_place(const struct yaml_stream *stream, unsigned *ret_line, unsigned *ret_column)
{
	*ret_line = stream->error_line;
	*ret_column = stream->error_column;
}

/* ---- errors ---- */

static bool fail_at(struct yaml_stream *stream, enum err_kind kind, unsigned line, unsigned column, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static bool fail_at(struct yaml_stream *stream, enum err_kind kind, unsigned line, unsigned column, const char *fmt, ...)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);
	va_list ap;

	if (line)
		yaml_add_place(&message, stream->name, line, column);
	else if (stream->name)
		buf_addf(&message, "%s: ", stream->name);
	va_start(ap, fmt);
	buf_vaddf(&message, fmt, ap);
	va_end(ap);
	stream->error_line = line;
	stream->error_column = column;
	return error_set(&stream->failure, kind, "%s", buf_cstr(&message));
}

#define FAIL_NODE(stream, kind, node, ...) fail_at(stream, kind, (node)->line, (node)->column, __VA_ARGS__)

/* A byte that breaks the encoding: libyaml knows its offset only. */
static bool fail_at_offset(struct yaml_stream *stream, size_t offset, const char *problem)
{
	unsigned line = 1, column = 1;

	if (strcmp(problem, "invalid trailing UTF-8 octet") == 0)
		for (size_t back = 1; back <= 3 && back <= offset; back++)
			if ((unsigned char)stream->text.p[offset - back] >= 0xc0) {
				offset -= back; /* to the byte that began the character */
				break;
			}
	for (size_t i = 0; i < offset && i < stream->text.len; i++) {
		if (stream->text.p[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)stream->text.p[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	unsigned char byte = offset < stream->text.len ? (unsigned char)stream->text.p[offset] : ' ';

	if (byte < 0x20 || byte >= 0x7f)
		return fail_at(stream, ERR_INVALID, line, column, "%s (byte 0x%02x)", problem, byte);
	return fail_at(stream, ERR_INVALID, line, column, "%s", problem);
}

/* The bytes of the text from the place of a mark on; marks count characters, and mostly move forward. */
static struct str text_at(struct yaml_stream *stream, yaml_mark_t mark)
{
	const char *text = stream->text.p;
	size_t at = stream->cursor_offset, index = stream->cursor_index;

	if (mark.index < index)
		at = index = 0;
	for (; at < stream->text.len && index < mark.index; index++)
		for (at++; at < stream->text.len && ((unsigned char)text[at] & 0xc0) == 0x80;)
			at++;
	stream->cursor_offset = at;
	stream->cursor_index = index;
	return (struct str){ text + at, stream->text.len - at };
}

/* What people stumble over, by the character that stands at the place of the error. */
static void add_hint(struct yaml_stream *stream)
{
	static const struct {
		char at;
		const char *hint;
	} hints[] = {
		{ '\t', "a tab cannot indent; use spaces" },
		{ '@', "a text that starts with @ needs quotes" },
		{ '`', "a text that starts with ` needs quotes" },
		{ '%', "a text that starts with % needs quotes" },
		{ ':', "a text that contains \": \" needs quotes" },
	};
	struct str rest = text_at(stream, stream->parser.problem_mark);

	for (size_t i = 0; rest.len && i < ARRAY_LEN(hints); i++)
		if (rest.p[0] == hints[i].at)
			error_hint(&stream->failure, "%s", hints[i].hint);
}

static bool fail_parser(struct yaml_stream *stream)
{
	const yaml_parser_t *p = &stream->parser;
	const char *problem = p->problem ? p->problem : "unreadable";

	if (p->error == YAML_READER_ERROR)
		return fail_at_offset(stream, p->problem_offset, problem);
	/* A key without colon is found out behind it. */
	bool at_context = p->context && strcmp(problem, "could not find expected ':'") == 0;
	yaml_mark_t mark = at_context ? p->context_mark : p->problem_mark;
	unsigned line = (unsigned)mark.line + 1, column = (unsigned)mark.column + 1;

	if (p->context && p->context_mark.line != mark.line)
		fail_at(stream, ERR_INVALID, line, column, "%s, %s that starts in line %zu", problem, p->context,
			p->context_mark.line + 1);
	else
		fail_at(stream, ERR_INVALID, line, column, "%s", problem);
	add_hint(stream);
	return false;
}

/* ---- events ---- */

static void start_parser(struct yaml_stream *stream)
{
	if (stream->parser_ready)
		yaml_parser_delete(&stream->parser);
	stream->parser_ready = true;
	yaml_parser_initialize(&stream->parser);
	yaml_parser_set_encoding(&stream->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&stream->parser, (const unsigned char *)stream->text.p, stream->text.len);
}

/* ---- what libyaml reads otherwise ----
 *
 * Where libyaml 0.2.5 refuses or misreads what yaml.v3 takes, a copy of the text is changed and read again from the
 * document on. Characters of private use that do not occur in the text stand for others, and are put back in scalars;
 * so lines and columns stay what they are.
 */

static uint32_t unused_rune(const struct yaml_stream *stream, uint32_t first)
{
	char bytes[4];

	for (uint32_t rune = first; rune < first + 100; rune++)
		if (!memmem(stream->text.p, stream->text.len, bytes, utf8_put(bytes, rune)))
			return rune;
	return 0;
}

static void set_own_text(struct yaml_stream *stream, char *text, size_t len)
{
	free(stream->own_text);
	stream->own_text = text;
	stream->text = (struct str){ text, len };
	stream->cursor_index = stream->cursor_offset = 0;
}

static bool may_reread(struct yaml_stream *stream)
{
	stream->reread_bytes += stream->text.len;
	return stream->reread_bytes <= MAX_REREAD_BYTES;
}

/* Puts bytes in the place of the first drop bytes of rest, a tail of the text. */
static void change_text(struct yaml_stream *stream, struct str rest, size_t drop, struct str bytes)
{
	struct buf out = BUF_INIT(0);

	buf_add(&out, stream->text.p, stream->text.len - rest.len);
	buf_add_str(&out, bytes);
	buf_add(&out, rest.p + drop, rest.len - drop);
	size_t len = out.len;

	set_own_text(stream, buf_give(&out), len);
}

/*
 * yaml.v3 reads \' between double quotes and libyaml does not. Only an error tells that we are between double quotes;
 * then the backslashes of that scalar are dropped. Columns behind it in the line are too small.
 */
static bool mend_escape(struct yaml_stream *stream)
{
	struct str rest = text_at(stream, stream->parser.context_mark); /* the opening quote */
	char *copy = xmemdup0(stream->text.p, stream->text.len);
	size_t at = stream->text.len - rest.len, out = at;
	bool changed = false, open = true;

	if (rest.len)
		copy[out++] = copy[at++];
	for (; at < stream->text.len; at++) {
		if (open && copy[at] == '"')
			open = false;
		if (open && copy[at] == '\\' && at + 1 < stream->text.len) {
			bool drop = copy[at + 1] == '\'';

			changed |= drop;
			if (!drop)
				copy[out++] = copy[at];
			at++;
		}
		copy[out++] = copy[at];
	}
	if (changed)
		set_own_text(stream, copy, out);
	else
		free(copy);
	return changed;
}

/* In {a:} and [a:,b] yaml.v3 takes the colon for a part of the text. */
static bool mend_colon(struct yaml_stream *stream)
{
	struct str rest = text_at(stream, stream->parser.problem_mark);
	char bytes[4];

	if (!stream->colon_substitute)
		stream->colon_substitute = unused_rune(stream, 0xe100);
	if (!stream->colon_substitute || !rest.len || rest.p[0] != ':')
		return false;
	size_t n = utf8_put(bytes, stream->colon_substitute);

	change_text(stream, rest, 1, (struct str){ bytes, n });
	return true;
}

static bool mend(struct yaml_stream *stream)
{
	static const struct {
		const char *problem;
		bool (*mend)(struct yaml_stream *);
	} table[] = {
		{ "found unknown escape character", mend_escape },
		{ "found unexpected ':'", mend_colon },
	};
	const char *problem = stream->parser.problem;

	for (size_t i = 0; problem && i < ARRAY_LEN(table); i++)
		if (strcmp(problem, table[i].problem) == 0)
			return may_reread(stream) && table[i].mend(stream);
	return false;
}

static bool has_byte(struct str text, char byte)
{
	return text.len && memchr(text.p, byte, text.len);
}

/* libyaml skips a byte order mark at the start of any line and counts a column; yaml.v3 takes it as text. */
static void hide_line_boms(struct yaml_stream *stream)
{
	static const char mark[] = "\n\xef\xbb\xbf";
	char other[4];

	if (!has_byte(stream->text, mark[1]) || !memmem(stream->text.p, stream->text.len, mark, sizeof mark - 1))
		return;
	stream->bom_substitute = unused_rune(stream, 0xe000);
	if (!stream->bom_substitute)
		return;
	utf8_put(other, stream->bom_substitute);
	set_own_text(stream, xmemdup0(stream->text.p, stream->text.len), stream->text.len);
	for (char *p = stream->own_text; (p = memmem(p, stream->text.len - (size_t)(p - stream->own_text), mark, 4));)
		memcpy(p + 1, other, 3);
}

static void put_back(uint32_t substitute, struct str original, struct str *text)
{
	char bytes[4], *p = (char *)text->p;
	size_t n, out = 0;

	if (!substitute || !text->len)
		return;
	n = utf8_put(bytes, substitute);
	if (!memmem(p, text->len, bytes, n))
		return;
	for (size_t i = 0; i < text->len;) {
		bool hit = i + n <= text->len && memcmp(p + i, bytes, n) == 0;

		memmove(p + out, hit ? original.p : p + i, hit ? original.len : 1);
		out += hit ? original.len : 1;
		i += hit ? n : 1;
	}
	p[out] = '\0';
	text->len = out;
}

/* ---- nodes ---- */

static struct str keep_text(struct yaml_stream *stream, const char *bytes, size_t len)
{
	if (len + 1 > TEXT_CHUNK_BYTES / 4)
		return (struct str){ arena_strndup(stream->arena, bytes, len), len };
	if (len + 1 > stream->chunk_left) {
		stream->chunk = arena_alloc(stream->arena, TEXT_CHUNK_BYTES);
		stream->chunk_left = TEXT_CHUNK_BYTES;
	}
	char *text = stream->chunk;

	if (len)
		memcpy(text, bytes, len);
	stream->chunk += len + 1;
	stream->chunk_left -= len + 1;
	return (struct str){ text, len };
}

static struct yaml_node *new_node(struct yaml_stream *stream, enum yaml_kind kind, const yaml_event_t *event)
{
	struct yaml_node *node = arena_alloc(stream->arena, sizeof *node);

	node->kind = (uint8_t)kind;
	node->line = (unsigned)event->start_mark.line + 1;
	node->column = (unsigned)event->start_mark.column + 1;
	node->text = STR("");
	stream->doc_nodes++;
	return node;
}

static bool check_memory(struct yaml_stream *stream, const struct yaml_node *node)
{
	size_t used = arena_size_bytes(stream->arena) + (stream->saved ? arena_size_bytes(stream->saved) : 0);

	if (used <= stream->limits.max_memory_bytes)
		return true;
	return FAIL_NODE(stream, ERR_LIMIT, node, "the document needs more than %zu MiB of memory",
			 stream->limits.max_memory_bytes >> 20);
}

static bool set_anchor(struct yaml_stream *stream, struct yaml_node *node, const yaml_char_t *anchor)
{
	if (!anchor)
		return true;
	struct str name = str_of((const char *)anchor);

	if (++stream->nanchors > MAX_ANCHORS)
		return FAIL_NODE(stream, ERR_LIMIT, node, "more than %d anchors", MAX_ANCHORS);

	node->marks |= YAML_MARK_ANCHOR;
	if (node->kind >= YAML_SEQUENCE)
		node->marks |= YAML_MARK_OPEN;
	map_set(&stream->anchors, name, node);
	LIST_PUSH(stream->marked, stream->nmarked, stream->marked_cap) =
		(struct anchored){ node, keep_text(stream, name.p, name.len) };
	return true;
}

enum tag { TAG_NONE, TAG_STR, TAG_INT, TAG_FLOAT, TAG_BOOL, TAG_NULL, TAG_TIMESTAMP, TAG_BINARY, TAG_MERGE, TAG_OTHER };

static const char *const tag_names[] = {
	[TAG_STR] = "str",   [TAG_INT] = "int",		    [TAG_FLOAT] = "float",   [TAG_BOOL] = "bool",
	[TAG_NULL] = "null", [TAG_TIMESTAMP] = "timestamp", [TAG_BINARY] = "binary", [TAG_MERGE] = "merge",
};

static enum tag find_tag(const yaml_char_t *tag)
{
	static const char prefix[] = "tag:yaml.org,2002:";

	if (!tag || strcmp((const char *)tag, "!") == 0)
		return TAG_NONE;
	if (!starts_with((const char *)tag, prefix))
		return TAG_OTHER;
	for (size_t i = TAG_STR; i < ARRAY_LEN(tag_names); i++)
		if (strcmp((const char *)tag + sizeof prefix - 1, tag_names[i]) == 0)
			return (enum tag)i;
	return TAG_OTHER;
}

/* Standard base64 with padding; line breaks are skipped, as Go does. */
static bool decode_base64(struct str in, char *out, size_t *ret_len)
{
	uint32_t bits = 0;
	size_t n = 0, count = 0, padding = 0;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];
		int value = c >= 'A' && c <= 'Z' ? c - 'A' :
			    c >= 'a' && c <= 'z' ? c - 'a' + 26 :
			    c >= '0' && c <= '9' ? c - '0' + 52 :
			    c == '+'		 ? 62 :
			    c == '/'		 ? 63 :
						   -1;

		if (c == '\n' || c == '\r')
			continue;
		if (c == '=' && count % 4 >= 2)
			padding++;
		else if (value < 0 || padding)
			return false;
		bits = bits << 6 | (uint32_t)(value < 0 ? 0 : value);
		if (++count % 4 != 0)
			continue;
		out[n++] = (char)(bits >> 16);
		out[n++] = (char)(bits >> 8);
		out[n++] = (char)bits;
	}
	*ret_len = n - padding;
	return count % 4 == 0 && padding <= 2;
}

static bool resolve_binary(struct yaml_stream *stream, struct yaml_node *node)
{
	char *bytes = arena_alloc(stream->arena, node->text.len + 3);
	size_t len;

	if (!decode_base64(node->text, bytes, &len))
		return stream->limits.lenient ||
		       FAIL_NODE(stream, ERR_INVALID, node, "!!binary value contains invalid base64 data");
	bytes[len] = '\0';
	node->text = (struct str){ bytes, len };
	node->kind = YAML_STRING;
	node->marks |= YAML_MARK_TAGGED;
	return true;
}

static const char *short_tag(unsigned kind)
{
	return kind == YAML_STRING ? "str" : kind == YAML_UINT ? "int" : yaml_kind_name(kind);
}

/* A scalar whose tag says what it must be. */
static bool resolve_as(struct yaml_stream *stream, struct yaml_node *node, enum tag tag)
{
	static const enum yaml_kind kinds[] = {
		[TAG_INT] = YAML_INT,	[TAG_FLOAT] = YAML_FLOAT,	  [TAG_BOOL] = YAML_BOOL,
		[TAG_NULL] = YAML_NULL, [TAG_TIMESTAMP] = YAML_TIMESTAMP,
	};

	yaml_resolve(node->text, node);
	if (node->kind == YAML_TIMESTAMP && tag != TAG_TIMESTAMP)
		node->kind = YAML_STRING; /* a time is looked for without tag only; it is no number either */
	if (node->kind == kinds[tag] || (tag == TAG_INT && node->kind == YAML_UINT))
		return true;
	if (tag == TAG_FLOAT && node->kind == YAML_INT) {
		node->f = (double)node->i;
		node->kind = YAML_FLOAT;
		return true;
	}
	if (stream->limits.lenient) {
		node->kind = YAML_STRING;
		return true;
	}
	return FAIL_NODE(stream, ERR_INVALID, node, "cannot decode !!%s `%.*s%s` as a !!%s", short_tag(node->kind),
			 node->text.len > 40 ? 40 : (int)node->text.len, node->text.p, node->text.len > 40 ? "..." : "",
			 tag_names[tag]);
}

static bool resolve(struct yaml_stream *stream, struct yaml_node *node, enum tag tag)
{
	bool is_merge_word = str_is(node->text, "<<");

	switch (tag) {
	case TAG_NONE:
		if (!node->plain)
			break;
		if (is_merge_word) {
			node->marks |= YAML_MARK_MERGE;
			break;
		}
		yaml_resolve(node->text, node);
		return true;
	case TAG_STR:
		break;
	case TAG_MERGE:
		node->marks |= is_merge_word ? YAML_MARK_MERGE : 0;
		break;
	case TAG_BINARY:
		return resolve_binary(stream, node);
	case TAG_OTHER:
		node->marks |= YAML_MARK_TAGGED;
		break;
	default:
		return resolve_as(stream, node, tag);
	}
	node->kind = YAML_STRING;
	return true;
}

static bool add_child(struct yaml_stream *stream, struct yaml_node *node)
{
	LIST_PUSH(stream->children, stream->nchildren, stream->children_cap) = node;
	stream->flow_work += stream->flow_depth;
	if (stream->flow_work > MAX_FLOW_WORK)
		return FAIL_NODE(stream, ERR_LIMIT, node, "flow collections too large for their depth");
	return check_memory(stream, node);
}

static bool in_flow(const struct yaml_stream *stream)
{
	return stream->nframes && stream->frames[stream->nframes - 1].is_flow;
}

/* yaml.v3: a question mark in a flow collection starts a key wherever it stands. */
static bool refuse_question_mark(struct yaml_stream *stream, const yaml_event_t *event, const struct yaml_node *node)
{
	if (!in_flow(stream) || event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || !node->text.len ||
	    !memchr(node->text.p, '?', node->text.len))
		return false;
	if (node->text.p[0] == '?' && !event->data.scalar.anchor && !event->data.scalar.tag && may_reread(stream)) {
		change_text(stream, text_at(stream, event->start_mark), 1, STR("? "));
		stream->reread = true;
		return true;
	}
	FAIL_NODE(stream, ERR_INVALID, node, "a text with ? in a flow collection needs quotes");
	return true;
}

/* yaml.v3 takes , [ and ] behind a tag for a part of it, libyaml does not; neither is what was meant. */
static bool check_tag(struct yaml_stream *stream, const yaml_event_t *event, const yaml_char_t *tag)
{
	if (!tag || !in_flow(stream))
		return true;
	struct str rest = text_at(stream, event->start_mark);
	size_t i = 0;

	while (i < rest.len && rest.p[i] != '!') /* an anchor may stand before */
		i++;
	if (i + 1 < rest.len && rest.p[i + 1] == '<')
		return true;
	while (i < rest.len && !strchr(" \t\r\n,[]{}", rest.p[i]))
		i++;
	if (i == rest.len || !strchr(",[]", rest.p[i]))
		return true;
	return fail_at(stream, ERR_INVALID, (unsigned)event->start_mark.line + 1,
		       (unsigned)event->start_mark.column + 1 + (unsigned)i, "a tag must be followed by white space");
}

static bool add_scalar(struct yaml_stream *stream, const yaml_event_t *event)
{
	struct yaml_node *node = new_node(stream, YAML_STRING, event);
	enum tag tag = find_tag(event->data.scalar.tag);

	node->text = keep_text(stream, (const char *)event->data.scalar.value, event->data.scalar.length);
	put_back(stream->bom_substitute, STR("\xef\xbb\xbf"), &node->text);
	put_back(stream->colon_substitute, STR(":"), &node->text);
	node->plain = tag == TAG_NONE && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (refuse_question_mark(stream, event, node) || !check_tag(stream, event, event->data.scalar.tag) ||
	    !resolve(stream, node, tag))
		return false;
	if (node->marks & YAML_MARK_MERGE)
		stream->has_merges = true;
	return set_anchor(stream, node, event->data.scalar.anchor) && add_child(stream, node);
}

static bool too_deep(struct yaml_stream *stream, size_t depth, const struct yaml_node *node)
{
	if (depth <= stream->limits.max_depth)
		return false;
	FAIL_NODE(stream, ERR_LIMIT, node, "nested deeper than %u levels", stream->limits.max_depth);
	return true;
}

static bool open_collection(struct yaml_stream *stream, const yaml_event_t *event)
{
	bool is_map = event->type == YAML_MAPPING_START_EVENT;
	struct yaml_node *node = new_node(stream, is_map ? YAML_MAPPING : YAML_SEQUENCE, event);

	bool is_flow = is_map ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE :
				event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;

	if (!set_anchor(stream, node, is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor) ||
	    !check_tag(stream, event, is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag) ||
	    !add_child(stream, node))
		return false;
	stream->flow_depth += is_flow;
	LIST_PUSH(stream->frames, stream->nframes, stream->frames_cap) =
		(struct frame){ node, stream->nchildren, is_flow };
	return !too_deep(stream, stream->nframes, node);
}

static bool check_unique(struct yaml_stream *stream, const struct yaml_node *map)
{
	size_t earlier, later;

	if (stream->limits.lenient || !yaml_find_duplicate(map->map.pairs, map->map.n, false, &earlier, &later))
		return true;
	const struct yaml_node *first = map->map.pairs[earlier].key, *second = map->map.pairs[later].key;

	FAIL_NODE(stream, ERR_INVALID, second, "mapping key \"%.*s\" already defined at line %u",
		  second->text.len > 100 ? 100 : (int)second->text.len, second->text.p, first->line);
	return false;
}

static bool close_collection(struct yaml_stream *stream)
{
	struct frame frame = stream->frames[--stream->nframes];
	struct yaml_node **children = stream->children + frame.first_child, *node = frame.node;
	size_t n = stream->nchildren - frame.first_child;

	stream->nchildren = frame.first_child;
	stream->flow_depth -= frame.is_flow;
	node->marks &= (uint8_t)~YAML_MARK_OPEN;
	if (node->kind == YAML_SEQUENCE) {
		node->seq.n = node->seq.cap = (uint32_t)n;
		node->seq.items = n ? arena_alloc(stream->arena, n * sizeof *node->seq.items) : NULL;
		if (n)
			memcpy(node->seq.items, children, n * sizeof *children);
		return check_memory(stream, node);
	}
	n /= 2;
	node->map.n = node->map.cap = (uint32_t)n;
	node->map.pairs = n ? arena_alloc(stream->arena, n * sizeof *node->map.pairs) : NULL;
	for (size_t i = 0; i < n; i++)
		node->map.pairs[i] = (struct yaml_pair){ children[2 * i], children[2 * i + 1] };
	return check_memory(stream, node) && check_unique(stream, node);
}

/* ---- aliases ---- */

/* yaml.v3: 99 % of what is decoded may come from aliases, of very large documents less. */
static bool is_excessive(const struct yaml_stream *stream)
{
	const double low = 400000, high = 4000000;
	double total = (double)stream->doc_nodes, share = 0.99;

	if (stream->doc_alias_nodes <= 100 || total <= 1000)
		return false;
	if (total >= high)
		share = 0.10;
	else if (total > low)
		share = 0.99 - 0.89 * ((total - low) / (high - low));
	return (double)stream->doc_alias_nodes / total > share;
}

static bool count_expansion(struct yaml_stream *stream, const struct yaml_node *alias, const struct yaml_node *node)
{
	const struct yaml_limits *limits = &stream->limits;

	stream->expanded_nodes++;
	stream->doc_nodes++;
	stream->doc_alias_nodes++;
	stream->expanded_bytes += node->kind < YAML_SEQUENCE ? node->text.len : 0;
	if (stream->expanded_nodes > limits->max_nodes)
		return FAIL_NODE(stream, ERR_LIMIT, alias, "aliases expand to more than %zu nodes", limits->max_nodes);
	if (stream->expanded_bytes > limits->max_expanded_bytes)
		return FAIL_NODE(stream, ERR_LIMIT, alias, "aliases expand to more than %zu bytes of text",
				 limits->max_expanded_bytes);
	if (is_excessive(stream))
		return FAIL_NODE(stream, ERR_LIMIT, alias, "document contains excessive aliasing");
	return true;
}

/* Copies what an alias stands for. Texts live in this document or in the saved anchors, and are copied from there. */
static struct yaml_node *expand(struct yaml_stream *stream, const struct yaml_node *alias, const struct yaml_node *node,
				size_t depth)
{
	if (!count_expansion(stream, alias, node) || (node->kind >= YAML_SEQUENCE && too_deep(stream, depth + 1, alias)))
		return NULL;
	struct yaml_node *copy = arena_alloc(stream->arena, sizeof *copy);

	*copy = *node;
	copy->marks &= (uint8_t)~YAML_MARK_ANCHOR;
	if (node->kind < YAML_SEQUENCE)
		copy->text = keep_text(stream, node->text.p, node->text.len);
	if (node->kind == YAML_SEQUENCE && node->seq.n) {
		copy->seq.cap = node->seq.n;
		copy->seq.items = arena_alloc(stream->arena, node->seq.n * sizeof *copy->seq.items);
		for (uint32_t i = 0; i < node->seq.n; i++)
			if (!(copy->seq.items[i] = expand(stream, alias, node->seq.items[i], depth + 1)))
				return NULL;
	}
	if (node->kind == YAML_MAPPING && node->map.n) {
		copy->map.cap = node->map.n;
		copy->map.pairs = arena_alloc(stream->arena, node->map.n * sizeof *copy->map.pairs);
		for (uint32_t i = 0; i < node->map.n; i++) {
			struct yaml_pair *pair = &copy->map.pairs[i];

			if (!(pair->key = expand(stream, alias, node->map.pairs[i].key, depth + 1)) ||
			    !(pair->value = expand(stream, alias, node->map.pairs[i].value, depth + 1)))
				return NULL;
		}
	}
	stream->has_merges |= (copy->marks & YAML_MARK_MERGE) != 0;
	return copy;
}

static bool add_alias(struct yaml_stream *stream, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	struct yaml_node *target = map_get(&stream->anchors, str_of(name));

	if (!target)
		target = map_get(&stream->saved_anchors, str_of(name));
	struct yaml_node place = { .line = (unsigned)event->start_mark.line + 1,
				   .column = (unsigned)event->start_mark.column + 1 };

	if (!target)
		return FAIL_NODE(stream, ERR_INVALID, &place, "unknown anchor '%s' referenced", name);
	if (target->marks & YAML_MARK_OPEN)
		return FAIL_NODE(stream, ERR_INVALID, &place, "anchor '%s' value contains itself", name);
	stream->doc_nodes++;
	struct yaml_node *copy = expand(stream, &place, target, stream->nframes);

	if (!copy)
		return false;
	copy->marks |= YAML_MARK_ALIAS;
	return add_child(stream, copy);
}

/* ---- end of a document ---- */

/* Copies an anchored node out of the document; nodes inside that have anchors themselves are saved with it. */
static struct yaml_node *save(struct yaml_stream *stream, const struct yaml_node *node, size_t *next)
{
	struct yaml_node *copy = arena_alloc(stream->saved, sizeof *copy);

	*copy = *node;
	copy->marks &= (uint8_t)~YAML_MARK_ANCHOR;
	for (; *next < stream->nmarked && stream->marked[*next].node == node; (*next)++)
		if (map_get(&stream->anchors, stream->marked[*next].name) == node)
			map_set(&stream->saved_anchors, stream->marked[*next].name, copy);
	if (node->kind == YAML_SEQUENCE) {
		copy->seq.items = arena_alloc(stream->saved, node->seq.n * sizeof *copy->seq.items);
		for (uint32_t i = 0; i < node->seq.n; i++)
			copy->seq.items[i] = save(stream, node->seq.items[i], next);
	} else if (node->kind == YAML_MAPPING) {
		copy->map.pairs = arena_alloc(stream->saved, node->map.n * sizeof *copy->map.pairs);
		for (uint32_t i = 0; i < node->map.n; i++) {
			copy->map.pairs[i].key = save(stream, node->map.pairs[i].key, next);
			copy->map.pairs[i].value = save(stream, node->map.pairs[i].value, next);
		}
	} else {
		copy->text.p = arena_strndup(stream->saved, node->text.p, node->text.len);
	}
	return copy;
}

/* Later documents may name the anchors of this one, whose arena is about to become the caller's. */
static void save_anchors(struct yaml_stream *stream)
{
	bool wanted = stream->nmarked && memchr(stream->text.p, '*', stream->text.len);

	if (wanted && !stream->saved)
		stream->saved = arena_create();
	for (size_t next = 0; wanted && next < stream->nmarked;)
		save(stream, stream->marked[next].node, &next);
}

/* As yaml.v3: a list of mappings must be written in place, not be named by an alias. */
static bool is_merge_value(const struct yaml_node *value)
{
	if (value->kind != YAML_SEQUENCE)
		return value->kind == YAML_MAPPING;
	if (value->marks & YAML_MARK_ALIAS)
		return false;
	for (uint32_t i = 0; i < value->seq.n; i++)
		if (value->seq.items[i]->kind != YAML_MAPPING)
			return false;
	return true;
}

struct merge {
	struct yaml_pair *pairs; /* own ones first, then what is merged, in order of precedence */
	size_t n, cap, nown;
	bool own_collected;
};

static bool collect(struct yaml_stream *stream, struct yaml_node *map, struct merge *into)
{
	struct yaml_node *merged = NULL;

	for (uint32_t i = 0; i < map->map.n; i++) {
		struct yaml_pair pair = map->map.pairs[i];
		bool merges = (pair.key->marks & YAML_MARK_MERGE) != 0, fits = is_merge_value(pair.value);

		if (merges && !fits && !stream->limits.lenient)
			return FAIL_NODE(stream, ERR_INVALID,
					 pair.value->marks & YAML_MARK_ALIAS ? pair.key : pair.value,
					 "map merge requires map or sequence of maps as the value");
		if (merges && fits)
			merged = pair.value;
		else
			LIST_PUSH(into->pairs, into->n, into->cap) = pair;
	}
	if (!into->own_collected)
		into->nown = into->n;
	into->own_collected = true;
	if (!merged)
		return true;
	if (merged->kind == YAML_MAPPING)
		return collect(stream, merged, into);
	for (uint32_t i = 0; i < merged->seq.n; i++)
		if (!collect(stream, merged->seq.items[i], into))
			return false;
	return true;
}

/* A mapping whose own keys are all strings takes every merged key as a string. */
static bool make_merged_keys_strings(struct yaml_stream *stream, struct merge *merge)
{
	for (size_t i = 0; i < merge->nown; i++)
		if (merge->pairs[i].key->kind != YAML_STRING || (merge->pairs[i].key->marks & YAML_MARK_TAGGED))
			return true;
	for (size_t i = merge->nown; i < merge->n; i++) {
		struct yaml_node *key = merge->pairs[i].key;

		if (key->kind == YAML_NULL && !stream->limits.lenient)
			return FAIL_NODE(stream, ERR_INVALID, key, "a null key; its value would be lost");
		if (key->kind >= YAML_SEQUENCE || key->kind == YAML_NULL)
			continue;
		key->kind = YAML_STRING;
		key->marks &= (uint8_t)~YAML_MARK_TAGGED;
	}
	return true;
}

static bool merge_map(struct yaml_stream *stream, struct yaml_node *map)
{
	struct merge merge = { 0 };

	if (!collect(stream, map, &merge) || !make_merged_keys_strings(stream, &merge)) {
		free(merge.pairs);
		return false;
	}
	merge.n = yaml_drop_later(merge.pairs, merge.n, merge.nown, false);
	merge.n = yaml_drop_later(merge.pairs, merge.n, merge.nown, true);
	map->map.pairs = arena_alloc(stream->arena, merge.n * sizeof *map->map.pairs);
	if (merge.n)
		memcpy(map->map.pairs, merge.pairs, merge.n * sizeof *map->map.pairs);
	map->map.n = map->map.cap = (uint32_t)merge.n;
	free(merge.pairs);
	return check_memory(stream, map);
}

static bool has_merge_key(const struct yaml_node *map)
{
	for (uint32_t i = 0; i < map->map.n; i++)
		if (map->map.pairs[i].key->marks & YAML_MARK_MERGE)
			return true;
	return false;
}

static bool expand_merges(struct yaml_stream *stream, struct yaml_node *node)
{
	if (node->kind == YAML_SEQUENCE)
		for (uint32_t i = 0; i < node->seq.n; i++)
			if (!expand_merges(stream, node->seq.items[i]))
				return false;
	if (node->kind != YAML_MAPPING)
		return true;
	if (has_merge_key(node) && !merge_map(stream, node))
		return false;
	for (uint32_t i = 0; i < node->map.n; i++)
		if (!expand_merges(stream, node->map.pairs[i].key) || !expand_merges(stream, node->map.pairs[i].value))
			return false;
	return true;
}

/* ---- documents ---- */

enum step { STEP_FAILED, STEP_MORE, STEP_DOCUMENT, STEP_END };

static void start_document(struct yaml_stream *stream)
{
	arena_destroy(stream->arena);
	stream->arena = arena_create();
	stream->chunk_left = 0;
	stream->nchildren = stream->nframes = stream->nmarked = stream->flow_depth = 0;
	map_release(&stream->anchors);
	stream->has_merges = false;
	stream->doc_nodes = 1;
	stream->doc_alias_nodes = 0;
}

static bool end_document(struct yaml_stream *stream)
{
	save_anchors(stream);
	return !stream->has_merges || expand_merges(stream, stream->children[0]);
}

static enum step take_event(struct yaml_stream *stream, const yaml_event_t *event)
{
	bool ok = true;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		start_document(stream);
		break;
	case YAML_DOCUMENT_END_EVENT:
		return end_document(stream) ? STEP_DOCUMENT : STEP_FAILED;
	case YAML_STREAM_END_EVENT:
		return STEP_END;
	case YAML_SCALAR_EVENT:
		ok = add_scalar(stream, event);
		break;
	case YAML_ALIAS_EVENT:
		ok = add_alias(stream, event);
		break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		ok = open_collection(stream, event);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		ok = close_collection(stream);
		break;
	default:
		break;
	}
	return ok ? STEP_MORE : STEP_FAILED;
}

/* Reads again, up to the document that could not be read. */
static bool skip_documents(struct yaml_stream *stream)
{
	start_parser(stream);
	for (size_t ended = 0; ended < stream->documents;) {
		yaml_event_t event;

		if (!yaml_parser_parse(&stream->parser, &event))
			return false;
		ended += event.type == YAML_DOCUMENT_END_EVENT;
		yaml_event_delete(&event);
	}
	return true;
}

static enum step next_step(struct yaml_stream *stream)
{
	yaml_event_t event;

	while (!yaml_parser_parse(&stream->parser, &event)) {
		if (mend(stream) && skip_documents(stream))
			continue;
		fail_parser(stream);
		return STEP_FAILED;
	}
	enum step step = take_event(stream, &event);

	yaml_event_delete(&event);
	if (!stream->reread)
		return step;
	stream->reread = false;
	if (skip_documents(stream))
		return STEP_MORE;
	fail_parser(stream);
	return STEP_FAILED;
}

/* libyaml compares every %TAG of a document with every other. */
static bool check_directives(struct yaml_stream *stream)
{
	static const char directive[] = "\n%TAG";
	const char *p = stream->text.p, *end = p + stream->text.len;
	size_t n = 0;

	if (!has_byte(stream->text, directive[1]))
		return true;
	while ((p = memmem(p, (size_t)(end - p), directive, sizeof directive - 1)) && n <= MAX_TAG_DIRECTIVES) {
		n++;
		p++;
	}
	return n <= MAX_TAG_DIRECTIVES ||
	       fail_at(stream, ERR_LIMIT, 1, 1, "more than %d %%TAG directives", MAX_TAG_DIRECTIVES);
}

static bool start_stream(struct yaml_stream *stream)
{
	const struct str boms[] = { STR("\xff\xfe"), STR("\xfe\xff") };

	if (stream->text.len > stream->limits.max_bytes)
		return fail_at(stream, ERR_LIMIT, 0, 0, "larger than %zu MiB (%zu bytes)",
			       stream->limits.max_bytes >> 20, stream->text.len);
	if (str_starts(stream->text, STR("\xef\xbb\xbf")))
		stream->text = (struct str){ stream->text.p + 3, stream->text.len - 3 };
	for (size_t i = 0; i < ARRAY_LEN(boms); i++)
		if (str_starts(stream->text, boms[i]))
			return fail_at(stream, ERR_INVALID, 1, 1, "UTF-16 text; it must be UTF-8");
	if (!check_directives(stream))
		return false;
	hide_line_boms(stream);
	start_parser(stream);
	return true;
}

static struct yaml_doc *give_document(struct yaml_stream *stream)
{
	struct yaml_doc *doc = arena_alloc(stream->arena, sizeof *doc);

	doc->root = stream->children[0];
	doc->arena = GIVE(stream->arena);
	stream->documents++;
	return doc;
}

bool yaml_stream_next(struct yaml_stream *stream, struct yaml_doc **ret_doc, struct error *err)
{
	enum step step = STEP_MORE;

	*ret_doc = NULL;
	if (stream->at_end)
		return true;
	if (stream->failure.kind || (!stream->parser_ready && !start_stream(stream)))
		return error_copy(err, &stream->failure);
	while (step == STEP_MORE)
		step = next_step(stream);
	if (step == STEP_FAILED)
		return error_copy(err, &stream->failure);
	if (step == STEP_DOCUMENT)
		*ret_doc = give_document(stream);
	stream->at_end = step == STEP_END;
	return true;
}

bool yaml_read(struct str text, const char *name, const struct yaml_limits *limits, struct yaml_doc **ret_doc,
	       struct error *err)
{
	AUTO(yaml_stream) stream = yaml_stream_create(text, name, limits);

	return yaml_stream_next(stream, ret_doc, err);
}
