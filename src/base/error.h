/*
 * error: what went wrong, in words for a person and one kind for the program.
 *
 * A function that can fail returns bool and takes a struct error, never NULL, last (or before a callback). Each layer
 * adds only what it knows: "deploy web: manifests/web.yaml:12:3: unknown field". Nothing here is global.
 */
#ifndef SLOTDECK_BASE_ERROR_H
#define SLOTDECK_BASE_ERROR_H

#include "base/mem.h"

enum err_kind {
	ERR_NONE,
	ERR_INVALID,   /* bad input, usage or configuration: exit 2 */
	ERR_NOT_FOUND, /* the thing asked for is not there */
	ERR_CONFLICT,  /* somebody else owns it or changed it: exit 7 */
	ERR_DENIED,    /* not logged in or not allowed: exit 4 */
	ERR_TIMEOUT,   /* a deadline passed: exit 5 */
	ERR_CANCELLED, /* a person or a signal: exit 130/143 */
	ERR_NETWORK,   /* no answer: refused, reset, TLS, name not resolved */
	ERR_SERVER,    /* an answer that says failure, or is no answer at all */
	ERR_LIMIT,     /* larger or deeper than we accept */
	ERR_IO,	       /* a local file, process or terminal */
	ERR_BUG
};

struct error { /* all zero: no error */
	enum err_kind kind;
	char *message; /* outermost context first */
	char *hint;    /* what to do next, or NULL */
};

/* Both return false, so that a failing function can `return error_set(…)`. A former content is freed. */
bool error_set(struct error *err, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "context: " in front of the message. Does nothing (but still returns false) when there is no error. */
bool error_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Sets the hint, unless a deeper layer gave one already. */
bool error_hint(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Sets from errno: "what: strerror". */
bool error_errno(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Moves from into err (whose content is freed) and leaves from empty. Returns false. */
bool error_move(struct error *err, struct error *from);
/* Keeps a copy of from in err. Returns false. */
bool error_copy(struct error *err, const struct error *from);
void error_release(struct error *err);
DEFINE_AUTO_RELEASE(error);
/* "invalid", "not-found", …: the word used in JSON output. */
const char *error_kind_name(enum err_kind kind);

#endif
