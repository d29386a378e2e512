/*
 * lex: cuts a template into tokens, as Go's text/template/parse does.
 *
 * The lexer gives one token at a time and never fails: what is wrong becomes a TOKEN_ERROR whose value is the message.
 */
#ifndef SLOTDECK_TEMPLATE_LEX_H
#define SLOTDECK_TEMPLATE_LEX_H

#include "base/str.h"

enum token_type {
	TOKEN_ERROR,
	TOKEN_BOOL,
	TOKEN_CHAR, /* any other printable ASCII character */
	TOKEN_CHAR_CONSTANT,
	TOKEN_COMPLEX,
	TOKEN_ASSIGN,
	TOKEN_DECLARE,
	TOKEN_EOF,
	TOKEN_FIELD, /* with its dot */
	TOKEN_IDENTIFIER,
	TOKEN_LEFT_DELIM,
	TOKEN_LEFT_PAREN,
	TOKEN_NUMBER,
	TOKEN_PIPE,
	TOKEN_RAW_STRING,
	TOKEN_RIGHT_DELIM,
	TOKEN_RIGHT_PAREN,
	TOKEN_SPACE,
	TOKEN_STRING,
	TOKEN_TEXT,
	TOKEN_VARIABLE,
	TOKEN_KEYWORD, /* only marks that keywords follow */
	TOKEN_BLOCK,
	TOKEN_BREAK,
	TOKEN_CONTINUE,
	TOKEN_DOT,
	TOKEN_DEFINE,
	TOKEN_ELSE,
	TOKEN_END,
	TOKEN_IF,
	TOKEN_NIL,
	TOKEN_RANGE,
	TOKEN_TEMPLATE,
	TOKEN_WITH,
};

struct token {
	enum token_type type;
	uint32_t position;
	unsigned line;
	struct str value; /* borrowed from the text, or in the arena */
};

struct lexer {
	struct str text;
	struct arena *arena; /* for messages */
	size_t position, start;
	unsigned line, start_line;
	unsigned width; /* of the character that lex_back() would give back */
	bool at_end, inside_action;
	int paren_depth;
};

/* Borrows text and arena. */
void lexer_init(struct lexer *lexer, struct str text, struct arena *arena);
struct token lexer_next(struct lexer *lexer);
/* Appends the token as Go's error messages show it. */
void token_print(const struct token *token, struct buf *out);

#endif
