/*
 * diag: findings about input files, collected so that all of them are told at once.
 *
 * Lines and columns count from 1; 0 means unknown. Not thread-safe.
 */
#ifndef SLOTDECK_BASE_DIAG_H
#define SLOTDECK_BASE_DIAG_H

#include "base/error.h"
#include "base/str.h"

enum diag_severity { DIAG_WARNING, DIAG_ERROR };

struct place {
	const char *file; /* as the user would name it; NULL for none */
	unsigned line, column;
};

struct diag {
	enum diag_severity severity;
	char *file;
	unsigned line, column;
	char *code;    /* stable short word, such as "unknown-key" */
	char *message;
	char *hint;    /* or NULL */
};

struct diags {
	struct diag *items;
	size_t len, cap;
	size_t errors, warnings;
};

#define DIAGS_INIT { 0 }

void diags_release(struct diags *diags);
DEFINE_AUTO_RELEASE(diags);
void diags_add(struct diags *diags, enum diag_severity severity, struct place place, const char *code, const char *fmt,
	       ...) __attribute__((format(printf, 5, 6)));
/* Adds a hint to the newest finding. */
void diags_hint(struct diags *diags, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Turns every warning into an error (--strict). */
void diags_make_strict(struct diags *diags);
/* Sorts by file, line and column; findings of one place keep their order. */
void diags_sort(struct diags *diags);
/* Appends "file:line:column: error: message (code)" and an indented hint line. */
void diag_format(const struct diag *diag, struct buf *out);
/* Sets err from the first error and the number of the others; false if there is one, true otherwise. */
bool diags_check(const struct diags *diags, struct error *err);

#endif
