/*
 * journal: what changed in the cluster, by whom and when; a ring of the newest changes.
 *
 * Filled by store_apply(). Only what a person would call a change is noted: made, deleted, spec or labels or record changed
 * (a new generation, with the field manager), state words (phase, reason, restarts) changed. Thread: the store's.
 */
#ifndef SLOTDECK_MODEL_JOURNAL_H
#define SLOTDECK_MODEL_JOURNAL_H

#include "model/kinds.h"

enum journal_what { JOURNAL_MADE, JOURNAL_CHANGED, JOURNAL_STATE, JOURNAL_DELETED };

struct journal_item {
	uint64_t serial; /* grows by one */
	int64_t at_ms;	 /* by the object's own times where it tells them, else when we saw it */
	enum journal_what what;
	const struct kind *kind;
	char *namespace, *name, *uid;
	char *manager; /* "" when unknown or not asked */
	char *text;    /* "image users: 0.1.0 → 0.1.1", "phase Pending → Running" */
};

struct journal;
struct journal *journal_create(size_t capacity);
void journal_destroy(struct journal *journal);
DEFINE_AUTO(journal);
/* Notes the step from before (NULL: new) to after (NULL: deleted), if it is worth it. */
void journal_note(struct journal *journal, const struct row *before, const struct row *after, int64_t now_ms);
size_t journal_count(const struct journal *journal);
/* n = 0 is the newest. Borrowed until the next note. */
const struct journal_item *journal_at(const struct journal *journal, size_t n);
/* The newest change by a person or program (MADE, CHANGED, DELETED) of that object, or of any in namespace when name is NULL. */
const struct journal_item *journal_last_change(const struct journal *journal, const char *namespace,
					       const struct kind *kind, const char *name);

#endif
