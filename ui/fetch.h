/*
 * fetch: one text that the server is asked for beside the screen. Private to ui.
 *
 * Lives inside struct app, whose address does not change. Asked for again, the older answer no longer counts.
 */
#ifndef SLOTDECK_UI_FETCH_H
#define SLOTDECK_UI_FETCH_H

#include "job/inspect.h"

struct app;

struct fetch {
	_Atomic uint64_t number; /* of the request whose answer counts; 0: none was made. A worker looks whether it still does */
	bool under_way;
	char *text;	  /* the last answer; stays while the next is under way */
	char *failure;	  /* NULL: none */
};

/* Drops what there is. */
void fetch_reset(struct fetch *fetch);
/* key: for INSPECT_VALUE, else NULL. */
void fetch_start(struct app *app, struct fetch *fetch, enum inspect_what what, const struct object_ref *object, const char *key);

#endif
