/*
 * slots: the slots of the project as cards, from their environments: which is free, at work, waiting, forgotten. Private to ui.
 */
#ifndef SLOTDECK_UI_SLOTS_H
#define SLOTDECK_UI_SLOTS_H

#include "live/live.h"

enum slot_state { /* as columns of the board, left to right */
	SLOT_FREE,
	SLOT_PREPARING, /* a record, and its objects are not all there yet */
	SLOT_AGENT,	/* an agent's pod runs */
	SLOT_REVIEW,	/* a pull request waits */
	SLOT_IDLE,	/* nothing is going on */
	SLOT_TROUBLE,	/* degraded, or nothing is known */
	SLOT_STATES
};

struct slot_card {
	int64_t slot;
	const struct environment *env; /* NULL: free; borrowed as by envs_at() */
	enum slot_state state;
	const struct row *agent;       /* its pod; NULL: none; borrowed from the store */
};
struct slot_cards {
	struct slot_card *items;
	size_t len, cap;
};
void slot_cards_release(struct slot_cards *cards);
DEFINE_AUTO_RELEASE(slot_cards);

/*
 * All slots that have an environment, and the free ones up to max_slots (0: none are shown), by number. records: where the slots' records
 * are; until they were listed none is called free. NULL: there are none.
 */
struct scope;
void slot_cards_fill(struct slot_cards *cards, struct live *live, int64_t max_slots, const struct scope *records);
const char *slot_state_name(enum slot_state state);
/* "agent 41 runs", "approval of PR 42", "3 of 8 ready": what it does now. */
void slot_step(const struct slot_card *card, struct buf *out);
/* Whether a pod is an agent's (agents 1: label app: codex). */
bool is_agent_pod(const struct row *pod);
/* The pod of the agent in a namespace: that of the Deployment codex; NULL: none. */
const struct row *agent_pod(struct live *live, const char *namespace);

#endif
