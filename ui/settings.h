/*
 * settings: what a person has chosen, from $XDG_CONFIG_HOME/slotdeck/config.yaml (~/.config without it). docs/settings.md describes
 * the file for people; this header and that page name the same keys.
 *
 * A file that is wrong anywhere counts as a whole as not there: former settings stay. Errors name file, line and column. Main thread.
 */
#ifndef SLOTDECK_UI_SETTINGS_H
#define SLOTDECK_UI_SETTINGS_H

#include "base/error.h"
#include "base/str.h"

struct key_choice {
	const char *action;
	const uint32_t *keys; /* instead of all that the action has; none: the action has no key */
	size_t n;
};

struct column_choice {
	const char *resource; /* as kubectl names it: "pods", "deployments.apps" */
	const char *const *columns;
	size_t n;
};

struct settings { /* nothing is NULL; all text belongs to the settings file */
	const char *theme;    /* "dark" */
	const char *language; /* "auto": as the locale says */
	const char *preset;   /* "default", "k9s", "vim" */
	bool ascii, mouse, title;
	int64_t refresh_ms;   /* at least so long between two draws that no key asked for; 30 */
	const char *const *type_name; /* confirm: slots in which the name must be typed as well; patterns as of a shell */
	size_t ntype_name;
	const struct key_choice *keys; /* of the preset, then of the person; a later one replaces an earlier one of its action */
	size_t nkeys;
	const struct column_choice *columns;
	size_t ncolumns;
};

struct settings_action { /* what a key can be given to */
	const char *name;
	bool changes; /* never on Ctrl and a letter */
};

struct settings_file;
/*
 * Reads the file. path NULL: the one above, which need not be there; a path that was asked for must. actions (borrowed; NULL: not
 * checked) are the names that keys may have. False with ERR_INVALID when the file is wrong; the default settings are given all the
 * same, so that the program can start and say so.
 */
bool settings_open(const char *path, const struct settings_action *actions, size_t nactions, struct settings_file **ret_file, struct error *err);
/* The same of a text that was recorded: a theme that is not here does not matter. */
bool settings_open_text(const char *text, const struct settings_action *actions, size_t nactions, struct settings_file **ret_file, struct error *err);
/* What was read; borrowed as settings_get() is. */
const char *settings_text(const struct settings_file *file);
void settings_file_destroy(struct settings_file *file);
DEFINE_AUTO(settings_file);
/* Borrowed until settings_check() says SETTINGS_NEW, or settings_file_destroy(). */
const struct settings *settings_get(const struct settings_file *file);
const char *settings_path(const struct settings_file *file);
/* The folder of the person's own themes: "themes" beside the file. */
const char *settings_theme_folder(const struct settings_file *file);

enum settings_news {
	SETTINGS_SAME,
	SETTINGS_NEW,	/* the file or the theme's own file has changed, and settings_get() gives what it says */
	SETTINGS_WRONG, /* it has changed and is wrong: err says where; told once, the former settings stay */
};
/* Looks whether the file has changed since the last look; cheap: one or two stat(). Call it once a second. */
enum settings_news settings_check(struct settings_file *file, struct error *err);

/* Whether the name must be typed before something is changed in that slot ("slot 2"), as it must outside of slots. */
bool settings_asks_name(const struct settings *settings, const char *slot);
/* The columns chosen for a resource of a group ("" for the core one); NULL: those of the server. */
const struct column_choice *settings_columns(const struct settings *settings, const char *resource, const char *group);

#endif
