#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *format(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		return xstrdup(fmt);
	return text;
}

bool error_set(struct error *err, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *message = format(fmt, ap);
	va_end(ap);
	error_release(err);
	err->kind = kind;
	err->message = message;
	return false;
}

bool error_wrap(struct error *err, const char *fmt, ...)
{
	if (err->kind == ERR_NONE)
		return false;
	va_list ap;

	va_start(ap, fmt);
	char *context = format(fmt, ap);
	va_end(ap);
	char *message = xasprintf("%s: %s", context, err->message);

	free(context);
	free(err->message);
	err->message = message;
	return false;
}

bool error_hint(struct error *err, const char *fmt, ...)
{
	if (err->hint)
		return false;
	va_list ap;

	va_start(ap, fmt);
	err->hint = format(fmt, ap);
	va_end(ap);
	return false;
}

static enum err_kind kind_of_errno(int code)
{
	switch (code) {
	case ENOENT:
		return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	default:
		return ERR_IO;
	}
}

bool error_errno(struct error *err, const char *fmt, ...)
{
	int code = errno;
	va_list ap;

	va_start(ap, fmt);
	char *what = format(fmt, ap);
	va_end(ap);
	error_set(err, kind_of_errno(code), "%s: %s", what, strerror(code));
	free(what);
	return false;
}

bool error_move(struct error *err, struct error *from)
{
	error_release(err);
	*err = *from;
	*from = (struct error){ 0 };
	return false;
}

bool error_copy(struct error *err, const struct error *from)
{
	struct error copy = { from->kind, from->message ? xstrdup(from->message) : NULL,
			      from->hint ? xstrdup(from->hint) : NULL };

	return error_move(err, &copy);
}

void error_release(struct error *err)
{
	free(err->message);
	free(err->hint);
	*err = (struct error){ 0 };
}

const char *error_kind_name(enum err_kind kind)
{
	static const char *const names[] = {
		[ERR_NONE] = "none",	     [ERR_INVALID] = "invalid",	  [ERR_NOT_FOUND] = "not-found",
		[ERR_CONFLICT] = "conflict", [ERR_DENIED] = "denied",	  [ERR_TIMEOUT] = "timeout",
		[ERR_CANCELLED] = "cancelled", [ERR_NETWORK] = "network", [ERR_SERVER] = "server",
		[ERR_LIMIT] = "limit",	     [ERR_IO] = "io",		  [ERR_BUG] = "bug",
	};

	return names[kind];
}
