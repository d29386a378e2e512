#include "template/lex.h"

#include <string.h>

#include "template/literal.h"
#include "template/unicode.h"

/* What lex_next() gives at the end. */
#define END UINT32_MAX

static const struct {
	const char *word;
	enum token_type type;
} keywords[] = {
	{ "block", TOKEN_BLOCK },
	{ "break", TOKEN_BREAK },
	{ "continue", TOKEN_CONTINUE },
	{ "define", TOKEN_DEFINE },
	{ "else", TOKEN_ELSE },
	{ "end", TOKEN_END },
	{ "if", TOKEN_IF },
	{ "nil", TOKEN_NIL },
	{ "range", TOKEN_RANGE },
	{ "template", TOKEN_TEMPLATE },
	{ "with", TOKEN_WITH },
	{ "true", TOKEN_BOOL },
	{ "false", TOKEN_BOOL },
};

void lexer_init(struct lexer *lexer, struct str text, struct arena *arena)
{
	*lexer = (struct lexer){ .text = text, .arena = arena, .line = 1, .start_line = 1 };
}

static struct str rest_of(const struct lexer *lexer)
{
	return (struct str){ lexer->text.p + lexer->position, lexer->text.len - lexer->position };
}

static bool is_space(uint32_t rune)
{
	return rune == ' ' || rune == '\t' || rune == '\r' || rune == '\n';
}

static uint32_t lex_next(struct lexer *lexer)
{
	struct str rest = rest_of(lexer);
	uint32_t rune;

	if (!rest.len) {
		lexer->at_end = true;
		return END;
	}
	if ((unsigned char)rest.p[0] < 0x80) {
		rune = (unsigned char)rest.p[0];
		lexer->width = 1;
	} else {
		lexer->width = (unsigned)utf8_next(&rest, &rune);
	}
	lexer->position += lexer->width;
	if (rune == '\n')
		lexer->line++;
	return rune;
}

static void lex_back(struct lexer *lexer)
{
	if (lexer->at_end || !lexer->position)
		return;
	lexer->position -= lexer->width;
	if (lexer->text.p[lexer->position] == '\n')
		lexer->line--;
}

static uint32_t lex_peek(struct lexer *lexer)
{
	uint32_t rune = lex_next(lexer);

	lex_back(lexer);
	return rune;
}

static bool rune_in(uint32_t rune, const char *set)
{
	return rune && rune < 0x80 && strchr(set, (int)rune);
}

static bool lex_accept(struct lexer *lexer, const char *set)
{
	if (rune_in(lex_next(lexer), set))
		return true;
	lex_back(lexer);
	return false;
}

static void lex_accept_run(struct lexer *lexer, const char *set)
{
	while (rune_in(lex_next(lexer), set))
		;
	lex_back(lexer);
}

static struct token take(struct lexer *lexer, enum token_type type)
{
	struct token token = { type,
			       (uint32_t)lexer->start,
			       lexer->start_line,
			       { lexer->text.p + lexer->start, lexer->position - lexer->start } };

	lexer->start = lexer->position;
	lexer->start_line = lexer->line;
	return token;
}

static unsigned count_lines(const char *from, const char *to)
{
	unsigned n = 0;

	while ((from = memchr(from, '\n', (size_t)(to - from)))) {
		from++;
		n++;
	}
	return n;
}

/* Counts the lines of the pending text, for text that was skipped without lex_next(). */
static void count_pending(struct lexer *lexer)
{
	lexer->line += count_lines(lexer->text.p + lexer->start, lexer->text.p + lexer->position);
}

static void skip_pending(struct lexer *lexer)
{
	count_pending(lexer);
	lexer->start = lexer->position;
	lexer->start_line = lexer->line;
}

static struct token failure(struct lexer *lexer, struct str message)
{
	struct token token = { TOKEN_ERROR, (uint32_t)lexer->start, lexer->start_line, message };

	lexer->text = STR("");
	lexer->start = lexer->position = 0;
	return token;
}

/* "what: "quoted text of the token"" */
static struct token failure_quoting(struct lexer *lexer, const char *what)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);

	buf_addf(&message, "%s: ", what);
	literal_quote(&message, (struct str){ lexer->text.p + lexer->start, lexer->position - lexer->start }, false);
	return failure(lexer, (struct str){ arena_strndup(lexer->arena, message.p, message.len), message.len });
}

/* "what U+002D '-'" */
static struct token failure_naming(struct lexer *lexer, const char *what, uint32_t rune)
{
	AUTO_RELEASE(buf) message = BUF_INIT(0);

	buf_addf(&message, "%s U+%04X", what, rune);
	if (unicode_is_printable(rune)) {
		buf_adds(&message, " '");
		buf_add_rune(&message, rune);
		buf_addc(&message, '\'');
	}
	return failure(lexer, (struct str){ arena_strndup(lexer->arena, message.p, message.len), message.len });
}

/* Delimiters and trim markers */

static bool is_left_trim(struct str s)
{
	return s.len >= 2 && s.p[0] == '-' && is_space((unsigned char)s.p[1]);
}

static bool is_right_trim(struct str s)
{
	return s.len >= 2 && is_space((unsigned char)s.p[0]) && s.p[1] == '-';
}

static bool at_right_delim(const struct lexer *lexer, bool *ret_trims)
{
	struct str rest = rest_of(lexer);

	*ret_trims = is_right_trim(rest) && str_starts((struct str){ rest.p + 2, rest.len - 2 }, STR("}}"));
	return *ret_trims || str_starts(rest, STR("}}"));
}

static void skip_spaces(struct lexer *lexer)
{
	while (lexer->position < lexer->text.len && is_space((unsigned char)lexer->text.p[lexer->position]))
		lexer->position++;
}

static struct token lex_right_delim(struct lexer *lexer)
{
	bool trims;
	struct token token;

	at_right_delim(lexer, &trims);
	if (trims) {
		lexer->position += 2;
		skip_pending(lexer);
	}
	lexer->position += 2;
	token = take(lexer, TOKEN_RIGHT_DELIM);
	if (trims) {
		skip_spaces(lexer);
		skip_pending(lexer);
	}
	lexer->inside_action = false;
	return token;
}

/* Skips a comment whose opening mark is next. False: *ret_error is what is wrong. */
static bool lex_comment(struct lexer *lexer, struct token *ret_error)
{
	bool trims;
	ptrdiff_t end;

	lexer->position += 2;
	end = str_find(rest_of(lexer), STR("*/"));
	if (end < 0) {
		*ret_error = failure(lexer, STR("unclosed comment"));
		return false;
	}
	lexer->position += (size_t)end + 2;
	if (!at_right_delim(lexer, &trims)) {
		*ret_error = failure(lexer, STR("comment ends before closing delimiter"));
		return false;
	}
	lexer->position += trims ? 4 : 2;
	if (trims)
		skip_spaces(lexer);
	skip_pending(lexer);
	return true;
}

/* Plain text up to the next action. Comments vanish here. */
static struct token lex_text(struct lexer *lexer)
{
	for (;;) {
		ptrdiff_t found = str_find(rest_of(lexer), STR("{{"));
		struct token token;
		struct str after;
		bool trims;

		if (found < 0) {
			lexer->position = lexer->text.len;
			if (lexer->position == lexer->start)
				return take(lexer, TOKEN_EOF);
			count_pending(lexer);
			return take(lexer, TOKEN_TEXT);
		}
		lexer->position += (size_t)found;
		after = rest_of(lexer);
		after = (struct str){ after.p + 2, after.len - 2 };
		trims = is_left_trim(after);
		if (found > 0) {
			size_t delim = lexer->position;

			while (trims && lexer->position > lexer->start &&
			       is_space((unsigned char)lexer->text.p[lexer->position - 1]))
				lexer->position--;
			count_pending(lexer);
			token = take(lexer, TOKEN_TEXT);
			lexer->position = delim;
			skip_pending(lexer);
			if (token.value.len)
				return token;
		}
		if (str_starts((struct str){ after.p + (trims ? 2 : 0), after.len - (trims ? 2 : 0) }, STR("/*"))) {
			lexer->position += trims ? 4 : 2;
			skip_pending(lexer);
			if (!lex_comment(lexer, &token))
				return token;
			continue;
		}
		lexer->position += 2;
		token = take(lexer, TOKEN_LEFT_DELIM);
		lexer->position += trims ? 2 : 0;
		skip_pending(lexer);
		lexer->inside_action = true;
		lexer->paren_depth = 0;
		return token;
	}
}

/* Inside actions */

static struct token lex_space(struct lexer *lexer)
{
	unsigned n = 0;
	struct str last;

	while (is_space(lex_peek(lexer))) {
		lex_next(lexer);
		n++;
	}
	/* A closing delimiter that trims begins with the last of these spaces. */
	last = (struct str){ lexer->text.p + lexer->position - 1, lexer->text.len - lexer->position + 1 };
	if (is_right_trim(last) && str_starts((struct str){ last.p + 2, last.len - 2 }, STR("}}"))) {
		lexer->width = 1;
		lex_back(lexer);
		if (n == 1)
			return lex_right_delim(lexer);
	}
	return take(lexer, TOKEN_SPACE);
}

/* What may follow a name without a space. */
static bool at_terminator(struct lexer *lexer)
{
	uint32_t rune = lex_peek(lexer);

	return is_space(rune) || rune == END || rune_in(rune, ".,|:)(") || str_starts(rest_of(lexer), STR("}}"));
}

/* Takes word characters and gives the one that ended them. */
static uint32_t lex_word(struct lexer *lexer)
{
	uint32_t rune;

	do
		rune = lex_next(lexer);
	while (rune != END && unicode_is_word(rune));
	lex_back(lexer);
	return rune;
}

static struct token lex_identifier(struct lexer *lexer)
{
	uint32_t end = lex_word(lexer);
	struct str word = { lexer->text.p + lexer->start, lexer->position - lexer->start };

	if (!at_terminator(lexer))
		return failure_naming(lexer, "bad character", end);
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (str_is(word, keywords[i].word))
			return take(lexer, keywords[i].type);
	return take(lexer, TOKEN_IDENTIFIER);
}

static struct token lex_field_or_variable(struct lexer *lexer, enum token_type type)
{
	uint32_t end;

	if (at_terminator(lexer))
		return take(lexer, type == TOKEN_VARIABLE ? TOKEN_VARIABLE : TOKEN_DOT);
	end = lex_word(lexer);
	if (!at_terminator(lexer))
		return failure_naming(lexer, "bad character", end);
	return take(lexer, type);
}

/* Text in quotes with escapes, whose opening quote was taken. */
static struct token lex_quoted(struct lexer *lexer, char quote, enum token_type type, const char *name)
{
	for (;;) {
		uint32_t rune = lex_next(lexer);

		if (rune == (unsigned char)quote)
			return take(lexer, type);
		if (rune == '\\')
			rune = lex_next(lexer);
		if (rune == END || rune == '\n')
			return failure(lexer, str_of(name));
	}
}

static struct token lex_raw_quote(struct lexer *lexer)
{
	for (;;) {
		uint32_t rune = lex_next(lexer);

		if (rune == '`')
			return take(lexer, TOKEN_RAW_STRING);
		if (rune == END)
			return failure(lexer, STR("unterminated raw quoted string"));
	}
}

/* Not a perfect scanner: what it takes and is no number, the parser finds out. */
static bool scan_number(struct lexer *lexer)
{
	static const char decimal[] = "0123456789_", hexadecimal[] = "0123456789abcdefABCDEF_";
	const char *digits = decimal;

	lex_accept(lexer, "+-");
	if (lex_accept(lexer, "0")) {
		if (lex_accept(lexer, "xX"))
			digits = hexadecimal;
		else if (lex_accept(lexer, "oO"))
			digits = "01234567_";
		else if (lex_accept(lexer, "bB"))
			digits = "01_";
	}
	lex_accept_run(lexer, digits);
	if (lex_accept(lexer, "."))
		lex_accept_run(lexer, digits);
	if ((digits == decimal && lex_accept(lexer, "eE")) || (digits == hexadecimal && lex_accept(lexer, "pP"))) {
		lex_accept(lexer, "+-");
		lex_accept_run(lexer, decimal);
	}
	lex_accept(lexer, "i");

	uint32_t after = lex_peek(lexer);

	if (after != END && unicode_is_word(after)) {
		lex_next(lexer);
		return false;
	}
	return true;
}

static struct token lex_number(struct lexer *lexer)
{
	uint32_t sign;

	if (!scan_number(lexer))
		return failure_quoting(lexer, "bad number syntax");
	sign = lex_peek(lexer);
	if (sign != '+' && sign != '-')
		return take(lexer, TOKEN_NUMBER);
	/* 1+2i: no spaces, must end in i */
	if (!scan_number(lexer) || lexer->text.p[lexer->position - 1] != 'i')
		return failure_quoting(lexer, "bad number syntax");
	return take(lexer, TOKEN_COMPLEX);
}

static struct token lex_operator(struct lexer *lexer, uint32_t rune)
{
	switch (rune) {
	case '=':
		return take(lexer, TOKEN_ASSIGN);
	case ':':
		if (lex_next(lexer) != '=')
			return failure(lexer, STR("expected :="));
		return take(lexer, TOKEN_DECLARE);
	case '|':
		return take(lexer, TOKEN_PIPE);
	case '(':
		lexer->paren_depth++;
		return take(lexer, TOKEN_LEFT_PAREN);
	case ')':
		if (--lexer->paren_depth < 0)
			return failure(lexer, STR("unexpected right paren"));
		return take(lexer, TOKEN_RIGHT_PAREN);
	}
	if (rune < 0x80 && unicode_is_printable(rune))
		return take(lexer, TOKEN_CHAR);
	return failure_naming(lexer, "unrecognized character in action:", rune);
}

static struct token lex_inside_action(struct lexer *lexer)
{
	bool trims;
	uint32_t rune;
	struct str rest;

	if (at_right_delim(lexer, &trims)) {
		if (!lexer->paren_depth)
			return lex_right_delim(lexer);
		return failure(lexer, STR("unclosed left paren"));
	}
	rune = lex_next(lexer);
	if (rune == END)
		return failure(lexer, STR("unclosed action"));
	if (is_space(rune)) {
		lex_back(lexer);
		return lex_space(lexer);
	}
	rest = rest_of(lexer);
	switch (rune) {
	case '"':
		return lex_quoted(lexer, '"', TOKEN_STRING, "unterminated quoted string");
	case '\'':
		return lex_quoted(lexer, '\'', TOKEN_CHAR_CONSTANT, "unterminated character constant");
	case '`':
		return lex_raw_quote(lexer);
	case '$':
		return lex_field_or_variable(lexer, TOKEN_VARIABLE);
	case '.':
		if (rest.len && (rest.p[0] < '0' || rest.p[0] > '9'))
			return lex_field_or_variable(lexer, TOKEN_FIELD);
	}
	if (rune == '.' || rune == '+' || rune == '-' || (rune >= '0' && rune <= '9')) {
		lex_back(lexer);
		return lex_number(lexer);
	}
	if (unicode_is_word(rune)) {
		lex_back(lexer);
		return lex_identifier(lexer);
	}
	return lex_operator(lexer, rune);
}

struct token lexer_next(struct lexer *lexer)
{
	return lexer->inside_action ? lex_inside_action(lexer) : lex_text(lexer);
}

void token_print(const struct token *token, struct buf *out)
{
	struct str shown = token->value, rest = token->value;
	uint32_t rune;

	if (token->type == TOKEN_EOF) {
		buf_adds(out, "EOF");
	} else if (token->type == TOKEN_ERROR) {
		buf_add_str(out, token->value);
	} else if (token->type > TOKEN_KEYWORD) {
		buf_addf(out, "<%.*s>", STR_ARG(token->value));
	} else if (token->value.len > 10) {
		for (int i = 0; i < 10 && utf8_next(&rest, &rune); i++)
			;
		shown.len -= rest.len;
		literal_quote(out, shown, false);
		buf_adds(out, "...");
	} else {
		literal_quote(out, token->value, false);
	}
}
