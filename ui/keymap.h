/*
 * keymap: which key does what on which screen, as one table. Help, bottom lines, the action menu, the palette and the answers to
 * unknown keys come from it. Keys of the group Change ask before anything is sent; no other key changes anything.
 */
#ifndef SLOTDECK_UI_KEYMAP_H
#define SLOTDECK_UI_KEYMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum view_id {
	VIEW_ENVS,
	VIEW_SLOTS,
	VIEW_WORK,   /* "Deploy": workloads of an environment, and one of them in detail */
	VIEW_RUNS,
	VIEW_APPLY,
	VIEW_REVIEW,
	VIEW_BROWSE, /* a kind as a table */
	VIEW_OBJECT, /* one object as text: summary, manifest, events, tree, changes */
	VIEW_LOGS,
	VIEW_PAGE,   /* any other text: help, why, jobs, commands, notices */
	VIEW_COUNT
};

enum action {
	ACTION_NONE,
	/* move */
	ACTION_UP, ACTION_DOWN, ACTION_LEFT, ACTION_RIGHT, ACTION_PAGE_UP, ACTION_PAGE_DOWN, ACTION_FIRST, ACTION_LAST,
	ACTION_NEXT_PANE, ACTION_PREVIOUS_PANE, ACTION_NEXT_PROBLEM, ACTION_OPEN, ACTION_BACK, ACTION_PREVIOUS_VIEW,
	ACTION_PREVIOUS_TAB, ACTION_NEXT_TAB,
	ACTION_ENVS, ACTION_SLOTS, ACTION_WORK, ACTION_RUNS, ACTION_APPLY_SCREEN, ACTION_REVIEW,
	/* find */
	ACTION_FIND, ACTION_FILTER, ACTION_NEXT_MATCH, ACTION_PREVIOUS_MATCH, ACTION_PALETTE, ACTION_SORT_NEXT, ACTION_SORT_PREVIOUS,
	ACTION_SORT_INVERT, ACTION_FOLD, ACTION_UNFOLD,
	/* mark */
	ACTION_MARK, ACTION_MARK_RANGE, ACTION_MARK_ALL,
	/* look */
	ACTION_LOGS, ACTION_AGENT_LOGS, ACTION_EVENTS, ACTION_MANIFEST, ACTION_CHANGES, ACTION_HISTORY, ACTION_WHY, ACTION_TREE, ACTION_TIMESTAMPS, ACTION_WRAP,
	ACTION_FOLLOW, ACTION_PREVIOUS_CONTAINER, ACTION_LEVEL, ACTION_ZOOM, ACTION_BROWSER, ACTION_EDITOR, ACTION_COPY_MENU,
	ACTION_COPY, ACTION_SAVE, ACTION_JOBS, ACTION_COMMANDS, ACTION_RETRY, ACTION_REDRAW, ACTION_DECODE,
	/* change */
	ACTION_APPLY, ACTION_MIRROR, ACTION_BUILD, ACTION_RESTART, ACTION_SCALE, ACTION_UNDO, ACTION_DELETE, ACTION_SUSPEND_CRON, ACTION_TRIGGER_CRON, ACTION_SHELL,
	ACTION_FORWARD, ACTION_STOP_FORWARD, ACTION_CANCEL,
	/* program */
	ACTION_HELP, ACTION_MENU, ACTION_CONTEXT, ACTION_LEAVE, ACTION_QUIT, ACTION_MOUSE, ACTION_RECORD_MARK,
	ACTION_COUNT
};

enum key_group { GROUP_MOVE, GROUP_FIND, GROUP_MARK, GROUP_LOOK, GROUP_CHANGE, GROUP_PROGRAM, GROUP_COUNT };
const char *key_group_name(enum key_group group);

struct binding {
	uint32_t key;	     /* Unicode, or KEY_TERM_…; 0: none, the action is in menu and palette only */
	uint32_t other_key;  /* does the same; 0: none */
	const char *label;   /* as shown: "A", "Ctrl-L" */
	const char *hint;    /* one or two words for the bottom line; NULL: not shown there */
	const char *help;    /* a line */
	unsigned views;	     /* bits 1 << VIEW_… */
	enum key_group group;
	enum action action;
};
extern const struct binding built_in_bindings[];
extern const size_t nbuilt_in_bindings;
/* Those that hold: the built-in ones until keymap_choose() is called. */
extern const struct binding *bindings;
extern size_t nbindings;

struct key_choice;
struct settings_action;
/* Other keys for actions, see settings.h; n 0: the built-in ones. The table before is not to be used any more. Main thread. */
void keymap_choose(const struct key_choice *choices, size_t n);
/* Gives what keys can be given to, for settings_open(). */
struct settings_action *keymap_actions(size_t *ret_n);
/* "page-up": the action's name in settings. */
const char *action_name(enum action action);

/* What key does on view; NULL: nothing. On a Cyrillic layout letters act by their place on the keyboard. */
const struct binding *keymap_find(enum view_id view, uint32_t key);
/* The view that has key, if another has; VIEW_COUNT: none. */
enum view_id keymap_view_of(uint32_t key);
/* The row of an action on view; NULL when it has none there. */
const struct binding *keymap_of_action(enum view_id view, enum action action);
/* The Latin letter at the same place of the keyboard; key itself when it is none. */
uint32_t keymap_latin(uint32_t key);

#endif
