#include "job/build_ignore.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum token_kind {
	TOKEN_RUNE,
	TOKEN_ANY,     /* ? */
	TOKEN_STAR,    /* * */
	TOKEN_REST,    /* ** at the end */
	TOKEN_FOLDERS, /* **: none, or any number of them with their slashes; followed by TOKEN_INSIDE */
	TOKEN_INSIDE,  /* in one of those folders */
	TOKEN_CLASS    /* [a-z], [^a-z] */
};

struct token {
	enum token_kind kind;
	uint32_t rune;
	struct str set; /* of a class, without brackets and ^; in the pattern's text */
	bool negated;
};

struct pattern {
	char *text;
	bool exception;
	struct token *tokens;
	size_t n, cap;
};

struct build_ignore {
	struct pattern *patterns;
	size_t n, cap;
	size_t longest; /* tokens */
	bool has_exceptions;
};

/* ---- patterns ---- */

static void add(struct pattern *p, struct token token)
{
	LIST_PUSH(p->tokens, p->n, p->cap) = token;
}

static bool add_class(struct pattern *p, struct str *rest)
{
	struct token token = { .kind = TOKEN_CLASS, .negated = rest->len && *rest->p == '^' };
	size_t from = token.negated, end = from + 1;

	while (end < rest->len && rest->p[end] != ']')
		end += rest->p[end] == '\\' ? 2 : 1;
	if (end >= rest->len)
		return false;
	token.set = (struct str){ rest->p + from, end - from };
	*rest = (struct str){ rest->p + end + 1, rest->len - end - 1 };
	add(p, token);
	return true;
}

static void add_stars(struct pattern *p, struct str *rest)
{
	if (!rest->len || *rest->p != '*') {
		add(p, (struct token){ .kind = TOKEN_STAR });
		return;
	}
	*rest = (struct str){ rest->p + 1, rest->len - 1 };
	if (rest->len && *rest->p == '/')
		*rest = (struct str){ rest->p + 1, rest->len - 1 };
	if (!rest->len) {
		add(p, (struct token){ .kind = TOKEN_REST });
		return;
	}
	add(p, (struct token){ .kind = TOKEN_FOLDERS });
	add(p, (struct token){ .kind = TOKEN_INSIDE });
}

static bool compile(struct pattern *p)
{
	struct str rest = str_of(p->text);
	uint32_t rune;

	while (utf8_next(&rest, &rune)) {
		bool escaped = rune == '\\';

		if (escaped && !utf8_next(&rest, &rune))
			return false;
		if (!escaped && rune == '*')
			add_stars(p, &rest);
		else if (!escaped && rune == '?')
			add(p, (struct token){ .kind = TOKEN_ANY });
		else if (escaped || rune != '[')
			add(p, (struct token){ .rune = rune });
		else if (!add_class(p, &rest))
			return false;
	}
	return true;
}

/* ---- matching: all places of the pattern that the path may have come to, at once ---- */

static bool is_in_class(const struct token *token, uint32_t rune)
{
	struct str set = token->set;
	uint32_t low, high;

	while (utf8_next(&set, &low)) {
		if (low == '\\')
			utf8_next(&set, &low);
		high = low;
		if (set.len > 1 && *set.p == '-') {
			set = (struct str){ set.p + 1, set.len - 1 };
			utf8_next(&set, &high);
			if (high == '\\')
				utf8_next(&set, &high);
		}
		if (rune >= low && rune <= high)
			return true;
	}
	return false;
}

static bool takes(const struct token *token, uint32_t rune)
{
	switch (token->kind) {
	case TOKEN_RUNE:
		return rune == token->rune;
	case TOKEN_CLASS:
		return is_in_class(token, rune) != token->negated;
	case TOKEN_ANY:
	case TOKEN_STAR:
		return rune != '/';
	default:
		return true;
	}
}

/* What may stand for nothing is passed at once. */
static void enter(const struct pattern *p, bool *places, size_t at)
{
	while (at <= p->n && !places[at]) {
		places[at] = true;
		if (at == p->n)
			return;
		if (p->tokens[at].kind == TOKEN_STAR || p->tokens[at].kind == TOKEN_REST)
			at++;
		else if (p->tokens[at].kind == TOKEN_FOLDERS)
			at += 2;
		else
			return;
	}
}

static void step(const struct pattern *p, size_t at, uint32_t rune, bool *next)
{
	enum token_kind kind = p->tokens[at].kind;

	if (!takes(&p->tokens[at], rune))
		return;
	if (kind == TOKEN_STAR || kind == TOKEN_REST)
		enter(p, next, at);
	else if (kind != TOKEN_FOLDERS && kind != TOKEN_INSIDE)
		enter(p, next, at + 1);
	else {
		size_t inside = kind == TOKEN_FOLDERS ? at + 1 : at;

		next[inside] = true;
		if (rune == '/')
			enter(p, next, inside + 1);
	}
}

/* Whether the whole path matches, or a folder that it is in. */
static bool matches(const struct pattern *p, struct str path, bool *places, bool *next)
{
	uint32_t rune;

	memset(places, 0, p->n + 1);
	enter(p, places, 0);
	while (utf8_next(&path, &rune)) {
		if (rune == '/' && places[p->n])
			return true;
		memset(next, 0, p->n + 1);
		for (size_t i = 0; i < p->n; i++)
			if (places[i])
				step(p, i, rune, next);
		memcpy(places, next, p->n + 1);
	}
	return places[p->n];
}

bool build_ignore_matches(const struct build_ignore *ignore, struct str path)
{
	bool ignored = false;

	if (!ignore || !ignore->n)
		return false;
	AUTO_FREE bool *places = xcalloc(2, ignore->longest + 1);
	bool *next = places + ignore->longest + 1;

	for (size_t i = 0; i < ignore->n; i++)
		if (ignore->patterns[i].exception == ignored && matches(&ignore->patterns[i], path, places, next))
			ignored = !ignored;
	return ignored;
}

bool build_ignore_has_exceptions(const struct build_ignore *ignore)
{
	return ignore && ignore->has_exceptions;
}

/* ---- the file ---- */

static char *clean(struct str text)
{
	AUTO_FREE char *raw = str_dup(text);
	char *path = path_clean(raw);

	if (path[0] == '/' && path[1])
		memmove(path, path + 1, strlen(path));
	return path;
}

static bool add_line(struct build_ignore *ignore, struct str line, unsigned number, struct error *err)
{
	struct pattern p = { .exception = line.len && *line.p == '!' };

	if (p.exception)
		line = str_trim(((struct str){ line.p + 1, line.len - 1 }));
	if (!line.len)
		return error_set(err, ERR_INVALID, "line %u: \"!\" alone is no pattern", number);
	p.text = clean(line);
	bool good = compile(&p);

	LIST_PUSH(ignore->patterns, ignore->n, ignore->cap) = p;
	ignore->longest = p.n > ignore->longest ? p.n : ignore->longest;
	ignore->has_exceptions |= p.exception;
	return good || error_set(err, ERR_INVALID, "line %u: \"%.*s\" is no pattern", number, STR_ARG(line));
}

bool build_ignore_parse(struct str text, struct build_ignore **ret, struct error *err)
{
	AUTO(build_ignore) ignore = xcalloc(1, sizeof *ignore);
	struct str line;

	if (str_starts(text, STR("\xef\xbb\xbf")))
		text = (struct str){ text.p + 3, text.len - 3 };
	for (unsigned number = 1; text.len; number++) {
		if (!str_cut(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		}
		if (str_starts(line, STR("#")))
			continue;
		line = str_trim(line);
		if (line.len && !add_line(ignore, line, number, err))
			return false;
	}
	*ret = GIVE(ignore);
	return true;
}

void build_ignore_destroy(struct build_ignore *ignore)
{
	if (!ignore)
		return;
	for (size_t i = 0; i < ignore->n; i++) {
		free(ignore->patterns[i].text);
		free(ignore->patterns[i].tokens);
	}
	free(ignore->patterns);
	free(ignore);
}
