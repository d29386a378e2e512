#include "ui/log_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/log_level.h"

#define FIELDS_MAX 64

struct piece { /* of the folded line: bytes from .. of the text */
	size_t from, len;
	struct style style;
};

struct member {
	size_t key, key_len, value, value_len; /* in the values' buffer */
	enum json_kind kind;
};

struct log_lines {
	struct runs runs;
	struct buf plain;
	struct json_fields *fields;
	struct member members[FIELDS_MAX];
	size_t nmembers;
	struct buf values, text; /* what the members point into; the folded line */
	struct piece *pieces;
	size_t npieces, pieces_cap;
};

struct log_lines *log_lines_create(void)
{
	static const char *const all[] = { "*" };
	struct log_lines *lines = xcalloc(1, sizeof *lines);

	lines->fields = json_fields_create(all, 1);
	return lines;
}

void log_lines_destroy(struct log_lines *lines)
{
	if (!lines)
		return;
	runs_release(&lines->runs);
	buf_release(&lines->plain);
	buf_release(&lines->values);
	buf_release(&lines->text);
	json_fields_destroy(lines->fields);
	free(lines->pieces);
	free(lines);
}

/* ---- JSON ---- */

static bool on_member(const struct json_field *field, void *arg, struct error *err)
{
	struct log_lines *lines = arg;

	(void)err;
	if (lines->nmembers == FIELDS_MAX)
		return true;
	struct member *member = &lines->members[lines->nmembers++];

	*member = (struct member){ .key = lines->values.len, .key_len = field->key.len, .value_len = field->text.len, .kind = field->kind };
	buf_add_str(&lines->values, field->key);
	member->value = lines->values.len;
	buf_add_str(&lines->values, field->text);
	return true;
}

static struct str key_of(const struct log_lines *lines, const struct member *member)
{
	return (struct str){ lines->values.p + member->key, member->key_len };
}

static struct str value_of(const struct log_lines *lines, const struct member *member)
{
	return (struct str){ lines->values.p + member->value, member->value_len };
}

/* The first member with one of the names; its key is emptied, so that it is not shown again. NULL: there is none. */
static const struct member *take_member(struct log_lines *lines, const char *const *names, size_t n)
{
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < lines->nmembers; i++)
			if (str_is(key_of(lines, &lines->members[i]), names[k])) {
				lines->members[i].key_len = 0;
				return &lines->members[i];
			}
	return NULL;
}

static void add_piece(struct log_lines *lines, struct style style, struct str text)
{
	LIST_PUSH(lines->pieces, lines->npieces, lines->pieces_cap) = (struct piece){ lines->text.len, text.len, style };
	buf_add_str(&lines->text, text);
}

static void add_level(struct log_lines *lines, struct str text)
{
	static const struct {
		const char *shown;
		uint32_t colour;
	} levels[LOG_LEVEL_COUNT] = { [LOG_LEVEL_TRACE] = { "TRACE", COLOUR_INDEX(8) }, [LOG_LEVEL_DEBUG] = { "DEBUG", COLOUR_INDEX(8) },
				      [LOG_LEVEL_INFO] = { "INFO ", COLOUR_INDEX(2) },	[LOG_LEVEL_WARN] = { "WARN ", COLOUR_INDEX(3) },
				      [LOG_LEVEL_ERROR] = { "ERROR", COLOUR_INDEX(1) }, [LOG_LEVEL_FATAL] = { "FATAL", COLOUR_INDEX(1) } };
	enum log_level level = log_level_of_word(text);

	if (level)
		add_piece(lines, (struct style){ .fg = levels[level].colour, .attributes = STYLE_BOLD }, str_of(levels[level].shown));
	else
		add_piece(lines, (struct style){ .attributes = STYLE_BOLD }, text);
	add_piece(lines, (struct style){ 0 }, STR(" "));
}

static bool has_blank(struct str text)
{
	return !text.len || str_find_char(text, ' ') >= 0 || str_find_char(text, '\n') >= 0;
}

/* False: text is no JSON object, or an empty one. */
static bool fold(struct log_lines *lines, struct str text)
{
	static const char *const times[] = { "time", "ts", "timestamp", "@timestamp", "t" };
	static const char *const level_names[] = { "level", "lvl", "severity", "log.level", "levelname" };
	static const char *const messages[] = { "msg", "message", "event" };
	AUTO_RELEASE(error) ignored = { 0 };
	const struct member *member;

	text = str_trim(text);
	lines->nmembers = lines->npieces = 0;
	buf_reset(&lines->values);
	buf_reset(&lines->text);
	if (text.len < 2 || text.p[0] != '{' || text.p[text.len - 1] != '}' || !json_visit(lines->fields, text, on_member, lines, &ignored) || !lines->nmembers)
		return false;
	take_member(lines, times, ARRAY_LEN(times)); /* every line has one in front already */
	if ((member = take_member(lines, level_names, ARRAY_LEN(level_names))))
		add_level(lines, value_of(lines, member));
	if ((member = take_member(lines, messages, ARRAY_LEN(messages))))
		add_piece(lines, (struct style){ 0 }, value_of(lines, member));
	for (size_t i = 0; i < lines->nmembers; i++) {
		const struct member *m = &lines->members[i];
		bool quoted = m->kind == JSON_IS_STRING && has_blank(value_of(lines, m));

		if (!m->key_len)
			continue;
		if (lines->npieces)
			add_piece(lines, (struct style){ 0 }, STR("  "));
		add_piece(lines, (struct style){ .fg = COLOUR_INDEX(6) }, key_of(lines, m));
		add_piece(lines, (struct style){ .attributes = STYLE_DIM }, quoted ? STR("=\"") : STR("="));
		add_piece(lines, (struct style){ 0 }, value_of(lines, m));
		if (quoted)
			add_piece(lines, (struct style){ .attributes = STYLE_DIM }, STR("\""));
	}
	return true;
}

/* ---- the line ---- */

const struct runs *log_lines_runs(struct log_lines *lines, struct str text, bool fold_json)
{
	if (!fold_json || !fold(lines, text)) {
		sgr_parse(text, &lines->runs);
		return &lines->runs;
	}
	lines->runs.len = 0;
	for (size_t i = 0; i < lines->npieces; i++)
		LIST_PUSH(lines->runs.items, lines->runs.len, lines->runs.cap) =
			(struct run){ { lines->text.p + lines->pieces[i].from, lines->pieces[i].len }, lines->pieces[i].style };
	return &lines->runs;
}

struct str log_lines_plain(struct log_lines *lines, struct str text, bool fold_json)
{
	if (fold_json && fold(lines, text))
		return buf_str(&lines->text);
	if (!text.len || !memchr(text.p, '\033', text.len))
		return text;
	buf_reset(&lines->plain);
	sgr_plain(text, &lines->plain);
	return buf_str(&lines->plain);
}
