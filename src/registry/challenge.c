#include "registry/challenge.h"

#include <stdlib.h>
#include <string.h>

static void skip(struct str *s, const char *set)
{
	while (s->len && s->p[0] && strchr(set, s->p[0]))
		*s = (struct str){ s->p + 1, s->len - 1 };
}

static struct str take_token(struct str *s)
{
	struct str token = { s->p, 0 };

	while (token.len < s->len && !strchr(" \t,=\"", s->p[token.len]) && s->p[token.len])
		token.len++;
	*s = (struct str){ s->p + token.len, s->len - token.len };
	return token;
}

/* A token, or a quoted string without its quotes and escapes. Gives. */
static char *take_value(struct str *s)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	if (!s->len || s->p[0] != '"')
		return str_dup(take_token(s));
	size_t i = 1;

	for (; i < s->len && s->p[i] != '"'; i++) {
		if (s->p[i] == '\\' && i + 1 < s->len)
			i++;
		buf_addc(&out, s->p[i]);
	}
	i = i < s->len ? i + 1 : s->len;
	*s = (struct str){ s->p + i, s->len - i };
	return buf_give(&out);
}

static void keep(struct challenge *into, struct challenge *found)
{
	if (found->scheme > into->scheme) {
		challenge_release(into);
		*into = *found;
		*found = (struct challenge){ 0 };
	}
	challenge_release(found);
}

static void set_parameter(struct challenge *challenge, struct str name, char *value_take)
{
	const struct {
		const char *name;
		char **into;
	} known[] = { { "realm", &challenge->realm }, { "service", &challenge->service }, { "scope", &challenge->scope } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_ieq(name, str_of(known[i].name)) && !*known[i].into) {
			*known[i].into = value_take;
			return;
		}
	free(value_take);
}

void challenge_read(struct challenge *challenge, struct str header)
{
	struct challenge found = { 0 };

	for (;;) {
		skip(&header, " \t,");
		struct str word = take_token(&header);

		if (!word.len)
			break;
		skip(&header, " \t");
		if (header.len && header.p[0] == '=') {
			skip(&header, "=");
			skip(&header, " \t");
			set_parameter(&found, word, take_value(&header));
		} else { /* no parameter: the next challenge begins */
			keep(challenge, &found);
			found.scheme = str_ieq(word, STR("Bearer")) ? CHALLENGE_BEARER : str_ieq(word, STR("Basic")) ? CHALLENGE_BASIC : CHALLENGE_NONE;
		}
	}
	keep(challenge, &found);
}

void challenge_release(struct challenge *challenge)
{
	free(challenge->realm);
	free(challenge->service);
	free(challenge->scope);
	*challenge = (struct challenge){ 0 };
}
