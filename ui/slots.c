#include "ui/slots.h"
#include "ui/text.h"

#include <stdlib.h>
#include <string.h>

void slot_cards_release(struct slot_cards *cards)
{
	free(cards->items);
	*cards = (struct slot_cards){ 0 };
}

bool is_agent_pod(const struct row *pod)
{
	return strcmp(row_label(pod, "app"), "codex") == 0;
}

/* A running one before others. */
const struct row *agent_pod(struct live *live, const char *namespace)
{
	const struct row *found = NULL;

	if (!*namespace)
		return NULL;
	for (struct entry *e = store_first(live_store(live), &kind_pod, namespace); e; e = store_next(e, namespace)) {
		if (!e->row || !is_agent_pod(e->row))
			continue;
		if (!found || strcmp(e->row->pod->phase, "Running") == 0)
			found = e->row;
	}
	return found;
}

static enum slot_state state_of(const struct slot_card *card)
{
	const struct environment *env = card->env;

	if (!env)
		return SLOT_FREE;
	if (env->shown == HEALTH_DEGRADED || env->shown == HEALTH_UNKNOWN || env->shown == HEALTH_MISSING)
		return SLOT_TROUBLE;
	if (!env->has_namespace || env->shown == HEALTH_PROGRESSING || env->shown == HEALTH_DELETING)
		return SLOT_PREPARING;
	if (env->pr)
		return SLOT_REVIEW;
	return card->agent && strcmp(card->agent->pod->phase, "Running") == 0 ? SLOT_AGENT : SLOT_IDLE;
}

static int by_number(const void *a, const void *b)
{
	const struct slot_card *x = a, *y = b;

	return x->slot < y->slot ? -1 : x->slot > y->slot;
}

void slot_cards_fill(struct slot_cards *cards, struct live *live, int64_t max_slots, const struct scope *records)
{
	const struct environment *env;
	size_t used;

	cards->len = 0;
	for (size_t i = 0; (env = envs_at(live_envs(live), i)); i++)
		if (env->slot > 0)
			LIST_PUSH(cards->items, cards->len, cards->cap) = (struct slot_card){ .slot = env->slot, .env = env, .agent = agent_pod(live, env->namespace) };
	used = cards->len;
	if (records && !records->synced_ms)
		max_slots = 0;
	for (int64_t slot = 1; slot <= max_slots && slot <= 1000; slot++) {
		bool taken = false;

		for (size_t i = 0; i < used; i++)
			taken = taken || cards->items[i].slot == slot;
		if (!taken)
			LIST_PUSH(cards->items, cards->len, cards->cap) = (struct slot_card){ .slot = slot };
	}
	for (size_t i = 0; i < cards->len; i++)
		cards->items[i].state = state_of(&cards->items[i]);
	if (cards->len)
		qsort(cards->items, cards->len, sizeof *cards->items, by_number);
}

const char *slot_state_name(enum slot_state state)
{
	static const char *const names[SLOT_STATES] = { N_("free"), N_("preparing"), N_("agent"), N_("review"), N_("idle"), N_("trouble") };

	return T(names[state]);
}

void slot_step(const struct slot_card *card, struct buf *out)
{
	const struct environment *env = card->env;

	if (!env)
		buf_adds(out, T("free"));
	else if (card->state == SLOT_TROUBLE || card->state == SLOT_PREPARING)
		buf_adds(out, *env->why ? env->why : *env->finding ? env->finding : T(health_state_name(env->shown)));
	else if (card->state == SLOT_REVIEW)
		buf_addf(out, T("PR %lld waits for review"), (long long)env->pr);
	else if (card->state == SLOT_AGENT)
		buf_addf(out, T("agent pod runs, %s"), card->agent->name);
	else
		buf_adds(out, T("no agent is running"));
}
