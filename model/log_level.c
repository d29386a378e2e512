#include "model/log_level.h"

#include <string.h>

#define TEXT_BYTES   200 /* that are looked at for words */
#define JSON_BYTES   4096
#define FIELDS_MAX   8	/* between blanks: behind times, thread and process stands the level */
#define INDENTED_MAX 2	/* the same for a line that begins with blanks: most of those go on with another */
#define COLON_FIELDS 4	/* "npm error: …", "Jan 2 10:00:00 web: error" is one no more */
#define REDIS_HEAD   48	/* bytes of process, role, time and mark */
#define LEVEL_SAME   LOG_LEVEL_COUNT /* PostgreSQL's DETAIL and its like belong to the line before */
#define ESC	     '\033'

/* ---- words and numbers ---- */

enum spelling { ANY_CASE, CAPITALS, WITH_COLON /* "fail:", "STATEMENT:" */ };

static const struct level_word {
	const char *word;
	uint8_t len, level, spelling;
} words[] = {
#define WORD(text, level, spelling) { text, sizeof(text) - 1, level, spelling }
	WORD("info", LOG_LEVEL_INFO, ANY_CASE),
	WORD("error", LOG_LEVEL_ERROR, ANY_CASE),
	WORD("warn", LOG_LEVEL_WARN, ANY_CASE),
	WORD("warning", LOG_LEVEL_WARN, ANY_CASE),
	WORD("debug", LOG_LEVEL_DEBUG, ANY_CASE),
	WORD("trace", LOG_LEVEL_TRACE, ANY_CASE),
	WORD("fatal", LOG_LEVEL_FATAL, ANY_CASE),
	WORD("panic", LOG_LEVEL_FATAL, ANY_CASE),
	WORD("dpanic", LOG_LEVEL_FATAL, ANY_CASE),
	WORD("critical", LOG_LEVEL_FATAL, ANY_CASE),
	WORD("crit", LOG_LEVEL_FATAL, ANY_CASE),
	WORD("alert", LOG_LEVEL_FATAL, ANY_CASE),
	WORD("emerg", LOG_LEVEL_FATAL, ANY_CASE),
	WORD("emergency", LOG_LEVEL_FATAL, ANY_CASE),
	WORD("notice", LOG_LEVEL_INFO, ANY_CASE),
	WORD("information", LOG_LEVEL_INFO, ANY_CASE),
	WORD("verbose", LOG_LEVEL_DEBUG, ANY_CASE),
	WORD("severe", LOG_LEVEL_ERROR, ANY_CASE),
	WORD("eror", LOG_LEVEL_ERROR, ANY_CASE),
	WORD("dbug", LOG_LEVEL_DEBUG, ANY_CASE),
	WORD("trce", LOG_LEVEL_TRACE, ANY_CASE),
	WORD("err", LOG_LEVEL_ERROR, ANY_CASE),
	WORD("fail", LOG_LEVEL_ERROR, WITH_COLON),
	WORD("inf", LOG_LEVEL_INFO, CAPITALS),
	WORD("wrn", LOG_LEVEL_WARN, CAPITALS),
	WORD("dbg", LOG_LEVEL_DEBUG, CAPITALS),
	WORD("trc", LOG_LEVEL_TRACE, CAPITALS),
	WORD("ftl", LOG_LEVEL_FATAL, CAPITALS),
	WORD("pnc", LOG_LEVEL_FATAL, CAPITALS),
	WORD("log", LOG_LEVEL_INFO, CAPITALS),
	WORD("config", LOG_LEVEL_DEBUG, CAPITALS),
	WORD("fine", LOG_LEVEL_DEBUG, CAPITALS),
	WORD("finer", LOG_LEVEL_TRACE, CAPITALS),
	WORD("finest", LOG_LEVEL_TRACE, CAPITALS),
	WORD("detail", LEVEL_SAME, WITH_COLON),
	WORD("hint", LEVEL_SAME, WITH_COLON),
	WORD("statement", LEVEL_SAME, WITH_COLON),
	WORD("context", LEVEL_SAME, WITH_COLON),
#undef WORD
};

static const struct level_word *find_word(struct str word)
{
	if (word.len < 3 || word.len > 11)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (words[i].len == word.len && (word.p[0] | 0x20) == words[i].word[0] && str_ieq(word, (struct str){ words[i].word, words[i].len }))
			return &words[i];
	return NULL;
}

/* pino and bunyan count in tens, upwards; syslog from 0 to 7, downwards. */
static enum log_level level_of_number(struct str digits)
{
	static const uint8_t syslog[] = { LOG_LEVEL_FATAL, LOG_LEVEL_FATAL, LOG_LEVEL_FATAL, LOG_LEVEL_ERROR,
					  LOG_LEVEL_WARN,  LOG_LEVEL_INFO,  LOG_LEVEL_INFO,  LOG_LEVEL_DEBUG };
	static const uint8_t tens[] = { LOG_LEVEL_NONE, LOG_LEVEL_TRACE, LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL };

	if (digits.len == 1 && digits.p[0] >= '0' && digits.p[0] <= '7')
		return syslog[digits.p[0] - '0'];
	if (digits.len == 2 && digits.p[0] >= '1' && digits.p[0] <= '6' && digits.p[1] >= '0' && digits.p[1] <= '9')
		return tens[digits.p[0] - '0'];
	return LOG_LEVEL_NONE;
}

enum log_level log_level_of_word(struct str word)
{
	const struct level_word *found = find_word(word);

	if (found)
		return found->level < LOG_LEVEL_COUNT ? found->level : LOG_LEVEL_NONE;
	return level_of_number(word);
}

static bool names_a_level(struct str key)
{
	static const struct str keys[] = { STR("level"), STR("lvl"), STR("severity"), STR("loglevel"), STR("levelname"),
					   STR("log.level"), STR("@l") };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (key.len == keys[i].len && str_ieq(key, keys[i]))
			return true;
	return false;
}

/* ---- a line of JSON ---- */

/* The text between quotes that begins behind at; leaves at behind its end, or at the end of text. */
static struct str quoted(struct str text, size_t *at)
{
	size_t from = *at;

	for (const char *quote; (quote = memchr(text.p + *at, '"', text.len - *at));) {
		size_t end = (size_t)(quote - text.p), escapes = 0;

		while (end - escapes > from && text.p[end - escapes - 1] == '\\')
			escapes++;
		*at = end + 1;
		if (escapes % 2 == 0)
			return (struct str){ text.p + from, end - from };
	}
	*at = text.len;
	return (struct str){ text.p + from, text.len - from };
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The value behind the key that ends before at. */
static struct str value_at(struct str text, size_t at)
{
	size_t end;

	while (at < text.len && (is_blank(text.p[at]) || text.p[at] == ':'))
		at++;
	if (at < text.len && text.p[at] == '"')
		return at++, quoted(text, &at);
	for (end = at; end < text.len && text.p[end] >= '0' && text.p[end] <= '9'; end++)
		;
	return (struct str){ text.p + at, end - at };
}

static enum log_level level_of_json(struct str text)
{
	int depth = 0;
	bool key_next = false;

	for (size_t at = 0; at < text.len;) {
		char c = text.p[at++];

		if (c == '{' || c == '[') {
			key_next = ++depth == 1;
		} else if (c == '}' || c == ']') {
			depth--;
		} else if (c == ',') {
			key_next = depth == 1;
		} else if (c == '"') {
			struct str found = quoted(text, &at);

			if (key_next && names_a_level(found))
				return log_level_of_word(value_at(text, at));
			key_next = false;
		}
	}
	return LOG_LEVEL_NONE;
}

/* ---- words of a line ---- */

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_capital(struct str word)
{
	for (size_t i = 0; i < word.len; i++)
		if (word.p[i] & 0x20)
			return false;
	return true;
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

struct place { /* of a word in its line */
	char before, behind; /* a blank at the ends of the line, ESC for a colour */
	unsigned field;	     /* from 1 */
	bool stamped;	     /* every field before it begins as times do */
};

/* Whether a word at that place is there to tell a level, and is no mere part of a message. */
static bool is_telling(const struct level_word *word, struct str text, const struct place *at)
{
	bool capitals = is_capital(text), colon = at->behind == ':' && is_one_of(at->before, " \t\033|");

	if (word->spelling == WITH_COLON)
		return colon;
	if (word->spelling == CAPITALS && !capitals)
		return false;
	if (is_one_of(at->before, "[<(|:\033") && is_one_of(at->behind, "]>)|\033"))
		return true;
	if (capitals)
		return is_one_of(at->before, " \t[<(|:\033-*") && is_one_of(at->behind, " \t]>)|:,![\033-");
	if (colon)
		return at->field <= COLON_FIELDS;
	return at->stamped && at->field > 1 && is_one_of(at->before, " \t") && is_one_of(at->behind, " \t");
}

/* Most words are told apart here, at little cost: small letters between blanks. */
static bool may_tell(struct str word, const struct place *at)
{
	return !is_blank(at->behind) || (at->stamped && at->field > 1) || !(word.p[0] & 0x20);
}

/* "level=warn", "level="warn"", "level=30" */
static enum log_level level_behind_equals(struct str text, size_t at)
{
	size_t end;

	if (at < text.len && text.p[at] == '"')
		at++;
	for (end = at; end < text.len && (is_letter(text.p[end]) || (text.p[end] >= '0' && text.p[end] <= '9')); end++)
		;
	return log_level_of_word((struct str){ text.p + at, end - at });
}

/* Behind an escape sequence that begins at at. */
static size_t skip_colour(struct str text, size_t at)
{
	for (at++; at < text.len && !is_letter(text.p[at]); at++)
		;
	return at < text.len ? at + 1 : at;
}

static enum log_level level_of_words(struct str text, unsigned fields_max)
{
	struct place at = { .before = ' ', .stamped = true };
	bool in_field = false;

	for (size_t i = 0; i < text.len;) {
		char c = text.p[i];
		size_t from = i;

		if (c == ESC) {
			i = skip_colour(text, i);
			at.before = ESC;
			continue;
		}
		if (is_blank(c)) {
			in_field = false;
			at.before = c;
			i++;
			continue;
		}
		if (!in_field) {
			if (at.field == fields_max)
				return LOG_LEVEL_NONE;
			at.field++;
			in_field = true;
		}
		if (!is_letter(c)) {
			at.before = c;
			i++;
			continue;
		}
		while (i < text.len && is_letter(text.p[i]))
			i++;
		struct str word = { text.p + from, i - from };
		const struct level_word *found;

		at.behind = i < text.len ? text.p[i] : ' ';
		if (at.behind == '=' && names_a_level(word))
			return level_behind_equals(text, i + 1);
		if (may_tell(word, &at) && (found = find_word(word)) && is_telling(found, word, &at))
			return found->level;
		if (is_one_of(at.before, " \t"))
			at.stamped = false;
		at.before = word.p[word.len - 1];
	}
	return LOG_LEVEL_NONE;
}

/* ---- what belongs together ---- */

enum trace { TRACE_NONE, TRACE_MESSAGE /* up to the next line that is not indented, with it */, TRACE_FRAMES /* of goroutines */ };

static const struct opener {
	const char *text;
	uint8_t level, trace;
} openers[] = { /* lines that begin a report of a program that fails */
	{ "panic: ", LOG_LEVEL_FATAL, TRACE_FRAMES },
	{ "fatal error: ", LOG_LEVEL_FATAL, TRACE_FRAMES },
	{ "thread '", LOG_LEVEL_FATAL, TRACE_MESSAGE },
	{ "Traceback (most recent call last)", LOG_LEVEL_ERROR, TRACE_MESSAGE },
	{ "Exception in thread ", LOG_LEVEL_ERROR, TRACE_NONE },
	{ "Unhandled ", LOG_LEVEL_ERROR, TRACE_NONE },
	{ "Uncaught ", LOG_LEVEL_ERROR, TRACE_NONE },
	{ "Segmentation fault", LOG_LEVEL_FATAL, TRACE_NONE },
};

static const char *const sequels[] = { /* lines that go on with one, though they are not indented */
	"Caused by: ", "goroutine ", "created by ", "exit status ", "[signal ", "During handling of the above", "The above exception was", "note: run with `RUST_",
	"stack backtrace:", "runtime stack:", "Stack trace:", "}", "]", ")" };

static bool is_sequel(struct str text)
{
	for (size_t i = 0; i < ARRAY_LEN(sequels); i++)
		if (text.p[0] == sequels[i][0] && str_starts(text, str_of(sequels[i])))
			return true;
	return false;
}

/* "java.lang.IllegalStateException: …", "TypeError: …", "KeyError" */
static bool is_exception(struct str text)
{
	size_t n = 0;

	while (n < text.len && (is_letter(text.p[n]) || (text.p[n] >= '0' && text.p[n] <= '9') || is_one_of(text.p[n], "._$")))
		n++;
	struct str name = { text.p, n };

	return (n == text.len || text.p[n] == ':') && (str_ends(name, STR("Error")) || str_ends(name, STR("Exception")));
}

/* "E0203 04:05:06.000007       1 main.go:3] …" */
static enum log_level level_of_klog(struct str text)
{
	static const struct {
		char letter;
		uint8_t level;
	} letters[] = { { 'I', LOG_LEVEL_INFO }, { 'W', LOG_LEVEL_WARN }, { 'E', LOG_LEVEL_ERROR }, { 'F', LOG_LEVEL_FATAL } };

	if (text.len < 6 || text.p[5] != ' ')
		return LOG_LEVEL_NONE;
	for (size_t i = 1; i < 5; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return LOG_LEVEL_NONE;
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if (letters[i].letter == text.p[0])
			return letters[i].level;
	return LOG_LEVEL_NONE;
}

/* "1:M 03 Feb 2026 04:05:06.007 # text" of Redis: process and role, a time, and a mark. */
static enum log_level level_of_redis(struct str text)
{
	static const char marks[] = ".-*#";
	static const uint8_t levels[] = { LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN };
	size_t n = 0;

	while (n < text.len && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	if (!n || n + 2 >= text.len || text.p[n] != ':' || !is_one_of(text.p[n + 1], "MSXC") || text.p[n + 2] != ' ')
		return LOG_LEVEL_NONE;
	for (n += 2; n + 2 < text.len && n < REDIS_HEAD; n++)
		if (text.p[n] == ' ' && text.p[n + 2] == ' ' && is_one_of(text.p[n + 1], marks))
			return levels[strchr(marks, text.p[n + 1]) - marks];
	return LOG_LEVEL_NONE;
}

static struct str first_bytes(struct str text, size_t n)
{
	return (struct str){ text.p, text.len < n ? text.len : n };
}

static const struct opener *find_opener(struct str text)
{
	for (size_t i = 0; i < ARRAY_LEN(openers); i++)
		if (text.p[0] == openers[i].text[0] && str_starts(text, str_of(openers[i].text)))
			return &openers[i];
	return NULL;
}

/* What the line itself says; opens a trace where it begins one. */
static enum log_level level_of_line(struct log_level_state *state, struct str text, bool indented)
{
	const struct opener *opener;
	enum log_level level;

	if (text.p[0] == '{')
		return level_of_json(first_bytes(text, JSON_BYTES));
	if (!indented && (opener = find_opener(text))) {
		state->trace = opener->trace;
		return opener->level;
	}
	level = level_of_klog(text);
	if (!level)
		level = level_of_redis(text);
	if (!level)
		level = level_of_words(first_bytes(text, TEXT_BYTES), indented ? INDENTED_MAX : FIELDS_MAX);
	if (!level && !indented && is_exception(first_bytes(text, TEXT_BYTES)))
		level = LOG_LEVEL_ERROR;
	if (level)
		state->trace = TRACE_NONE;
	return level;
}

static bool goes_on(struct log_level_state *state, struct str text, bool indented)
{
	enum trace trace = state->trace;

	if (!text.len || indented)
		return true;
	if (str_starts(text, STR("goroutine "))) {
		state->trace = TRACE_FRAMES;
		state->last = state->last < LOG_LEVEL_ERROR ? LOG_LEVEL_ERROR : state->last;
		return true;
	}
	if (is_sequel(text))
		return true;
	if (trace == TRACE_FRAMES && text.p[text.len - 1] == ')')
		return true;
	state->trace = TRACE_NONE;
	return trace == TRACE_MESSAGE;
}

enum log_level log_level_next(struct log_level_state *state, struct str text)
{
	bool indented = text.len && is_blank(text.p[0]);
	enum log_level level = LOG_LEVEL_NONE;

	while (text.len && is_blank(text.p[0])) {
		text.p++;
		text.len--;
	}
	if (text.len)
		level = level_of_line(state, text, indented);
	if (level == LEVEL_SAME || (!level && goes_on(state, text, indented)))
		return state->last;
	state->last = level;
	return level;
}
