/*
 * vars: the variables that templates and hooks see, and the four places they come from.
 *
 * Later sources win: process environment, envFiles (dotenv, spec templates 10), the var file (11), inline vars (12).
 * Each value remembers where it was set. Values may hold any byte; most of them are secrets: nothing here prints one,
 * and no error message quotes one. Not thread-safe.
 */
#ifndef SLOTDECK_MODEL_VARS_H
#define SLOTDECK_MODEL_VARS_H

#include "base/diag.h"
#include "base/map.h"

enum var_source { VAR_PROCESS, VAR_ENV_FILE, VAR_VAR_FILE, VAR_INLINE };

struct var {
	struct str value; /* NUL follows */
	enum var_source source;
	const char *file; /* borrowed from the name given to the parser's caller; NULL for process and inline */
	unsigned line;
	char bytes[];
};

struct vars {
	struct map map; /* name to struct var */
	struct map files; /* names kept for var.file */
};

#define VARS_INIT { .map = MAP_INIT(free) }

void vars_release(struct vars *vars);
DEFINE_AUTO_RELEASE(vars);
/* Copies name and value; a former value of that name goes. file (may be NULL) is kept. */
void vars_set(struct vars *vars, struct str name, struct str value, enum var_source source, const char *file,
	      unsigned line);
/* NULL if absent. */
const struct var *vars_get(const struct vars *vars, const char *name);
/* The value as a C string, NULL if absent; borrowed. */
const char *vars_text(const struct vars *vars, const char *name);
/* Copies all of from into vars. */
void vars_merge(struct vars *vars, const struct vars *from);

/* "NAME=value" entries as in environ, up to NULL; entries without "=" are skipped. */
void vars_add_environment(struct vars *vars, char *const *environment);
/*
 * Dotenv text (spec templates 10, with its required corrections: escaped quotes at the end of a value, "$(" untouched).
 * Variables expand from what this text set before. Errors name file, line and column.
 */
bool vars_add_dotenv(struct vars *vars, struct str text, const char *file, struct error *err);
/*
 * A var file: lines of KEY=VALUE or KEY: VALUE; a file with lines that are neither is read as a YAML mapping of scalars
 * or as dotenv if it is one. Lines that stay unread become warnings ("var-file-line") with their place.
 */
bool vars_add_var_file(struct vars *vars, struct str text, const char *file, struct diags *warnings, struct error *err);
/* "a=1,b=2" of --vars. */
bool vars_add_inline(struct vars *vars, struct str list, struct error *err);
/* One "k=v" of a repeated --var; the value may hold commas and is not trimmed. */
bool vars_add_one(struct vars *vars, struct str item, struct error *err);

#endif
