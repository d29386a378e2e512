/*
 * change: what one confirmation covers: one object or several, each prepared beside the screen, all named in one dialog, then done one
 * after another beside the screen and kept in the history, each by itself. Private to ui.
 *
 *     struct change *change = change_create(app);
 *     change_add(app, change, ACT_RESTART, &target, NULL);
 *     change_begin(app, change);
 */
#ifndef SLOTDECK_UI_CHANGE_H
#define SLOTDECK_UI_CHANGE_H

#include "job/act.h"

#define CHANGE_MAX 100 /* objects */

struct app;
struct change;
struct list;
struct target;

struct change *change_create(struct app *app);
/* Of one that change_begin() did not take. */
void change_destroy(struct change *change);
/* The same, for a dialog to let go of it. */
void change_release(void *change);
/* left_out: why this one is named and not done; NULL: it is. Copies the texts. */
void change_add(struct app *app, struct change *change, enum act_kind kind, const struct target *target, const char *left_out);
/* What the kind wants: replicas, a revision. For all objects. */
void change_set_number(struct change *change, int64_t number);
/* That the objects are the marked ones of list, whose marks end with the yes; gone marked ones were there no more. */
void change_of_marks(struct change *change, struct list *list, size_t gone);
/* Takes change. Dry runs, then the question. Where nothing can be done it is said instead. */
void change_begin(struct app *app, struct change *change);

#endif
