/*
 * answer: what registries and token services say in their answers, taken apart. Nothing in them is trusted: what is given was
 * checked, and fits into a URL, a header or a line of text as it is. Sources: the OCI distribution spec 1.1, docker's token
 * page, RFC 8288 (Link), RFC 3986 5.2 (relative references). Pure; any thread.
 */
#ifndef SLOTDECK_REGISTRY_ANSWER_H
#define SLOTDECK_REGISTRY_ANSWER_H

#include <stdint.h>

#include "base/error.h"
#include "base/secret.h"
#include "base/str.h"

/* The first of the errors in a body, without control characters; empty: it holds none. */
struct answer_error {
	char code[64], message[200];
};
void answer_error(struct str body, struct answer_error *ret);
/* Whether the same may go well later: by status and by that code. */
bool answer_is_temporary(int status, struct str body);

struct answer_tags { /* owns them */
	char **items;
	size_t len, cap;
};
/* Adds those of one page; names that no tag can have are left out. ERR_SERVER: it is no list. ERR_LIMIT: too many. */
bool answer_tags(struct str body, struct answer_tags *into, struct error *err);
void answer_tags_release(struct answer_tags *tags);
DEFINE_AUTO_RELEASE(answer_tags);
/* The next page of a Link header, as it stands there: `</v2/a/tags/list?last=b>; rel="next"`. Borrowed from link. */
bool answer_next_page(struct str link, struct str *ret);

/* "Bearer …" of a token service's answer, and how long it lives. False: it holds none. */
bool answer_token(struct str body, struct secret *ret, int64_t *ret_lives_ms);

/* How many bytes of an upload are there, by its Range header ("0-4095": 4096). False: it does not say, or says "0-0", which
 * stands for one byte and, with docker's registry, for none. */
bool answer_offset(struct str range, int64_t *ret_bytes);

/* What a Location or Link means behind the URL that was asked; gives. NULL: nothing. */
char *answer_resolve(const char *asked, struct str reference);

#endif
