/*
 * keymap: which key does what on which screen, as one table. Help, bottom lines and answers to unknown keys come from it.
 */
#ifndef SLOTDECK_UI_KEYMAP_H
#define SLOTDECK_UI_KEYMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum view_id { VIEW_ENVS, VIEW_APPLY, VIEW_HELP, VIEW_COUNT };

enum action {
	ACTION_NONE,
	ACTION_UP, ACTION_DOWN, ACTION_PAGE_UP, ACTION_PAGE_DOWN, ACTION_FIRST, ACTION_LAST,
	ACTION_NEXT_PROBLEM, ACTION_ENVS, ACTION_APPLY_SCREEN, ACTION_BACK,
	ACTION_SCROLL_UP, ACTION_SCROLL_DOWN, ACTION_RETRY, ACTION_REDRAW,
	ACTION_APPLY, ACTION_CANCEL, ACTION_HELP, ACTION_LEAVE, ACTION_QUIT
};

struct binding {
	uint32_t key;	     /* Unicode, or KEY_TERM_… */
	uint32_t other_key;  /* does the same; 0: none */
	const char *label;   /* as shown: "A", "Ctrl-L" */
	const char *group;   /* "Move", "Look", "Change", "Program" */
	const char *help;
	unsigned views;	     /* bits 1 << VIEW_… */
	enum action action;
};
extern const struct binding bindings[];
extern const size_t nbindings;

/* What key does on view; ACTION_NONE: nothing. On a Cyrillic layout letters act by their place on the keyboard. */
enum action keymap_find(enum view_id view, uint32_t key);
/* The view that has key, if another has; VIEW_COUNT: none. */
enum view_id keymap_view_of(uint32_t key);
const char *view_name(enum view_id view);

#endif
