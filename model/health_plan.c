/* Rule 14: a plan of objects, and whether all of it is done at the same fresh moment, for long enough. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/health_private.h"

struct item {
	struct plan_entry entry;
	char *namespace, *name, *uid;
	struct verdict verdict; /* own copy: those of missing objects share one place */
	char *reason, *message;
};

struct plan {
	struct health *health;
	int64_t settle_ms;
	int64_t all_done_ms; /* since when everything is done; 0: it is not */
	struct item **items;
	size_t len, cap, done;
};

struct plan *plan_create(struct health *health, int64_t settle_ms)
{
	struct plan *plan = xcalloc(1, sizeof *plan);

	plan->health = health;
	plan->settle_ms = settle_ms;
	return plan;
}

static void item_drop_verdict(struct item *item)
{
	free(item->reason);
	free(item->message);
	causes_release(&item->verdict.causes);
}

void plan_destroy(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->len; i++) {
		struct item *item = plan->items[i];

		item_drop_verdict(item);
		free(item->namespace);
		free(item->name);
		free(item->uid);
		free(item->entry.note);
		free(item);
	}
	free(plan->items);
	free(plan);
}

static struct item *find(const struct plan *plan, const struct kind *kind, const char *namespace, const char *name)
{
	for (size_t i = 0; i < plan->len; i++) {
		const struct plan_object *o = &plan->items[i]->entry.object;

		if (!strcmp(o->name, name) && !strcmp(o->namespace, namespace) && kind_same(o->kind, kind))
			return plan->items[i];
	}
	return NULL;
}

void plan_add(struct plan *plan, const struct plan_object *object)
{
	struct item *item = xcalloc(1, sizeof *item);

	item->namespace = xstrdup(object->namespace ? object->namespace : "");
	item->name = xstrdup(object->name);
	item->uid = xstrdup(object->uid ? object->uid : "");
	item->entry.object = (struct plan_object){ .kind = object->kind,
						   .namespace = item->namespace,
						   .name = item->name,
						   .uid = item->uid,
						   .generation = object->generation };
	item->verdict.rule_id = item->verdict.reason = item->verdict.message = "";
	item->verdict.state = HEALTH_UNKNOWN;
	item->entry.verdict = &item->verdict;
	LIST_PUSH(plan->items, plan->len, plan->cap) = item;
	plan->all_done_ms = 0;
}

bool plan_drop(struct plan *plan, const struct kind *kind, const char *namespace, const char *name, const char *note)
{
	struct item *item = find(plan, kind, namespace, name);

	if (!item)
		return false;
	item->entry.dropped = true;
	free(item->entry.note);
	item->entry.note = xstrdup(note ? note : "");
	return true;
}

static void item_say(struct item *item, enum health_state state, const char *rule_id, const char *reason, char *message_take)
{
	item_drop_verdict(item);
	item->verdict = (struct verdict){ .state = state, .rule = 14, .rule_id = rule_id, .recheck_ms = INT64_MAX };
	item->verdict.reason = item->reason = xstrdup(reason);
	item->verdict.message = item->message = message_take;
}

static void item_copy(struct item *item, const struct verdict *v)
{
	struct causes causes = { 0 };

	item_drop_verdict(item);
	causes_copy(&causes, &v->causes);
	item->verdict = *v;
	item->verdict.causes = causes;
	item->verdict.reason = item->reason = xstrdup(v->reason);
	item->verdict.message = item->message = xstrdup(v->message);
}

/* Whether what we see is what we applied: our own write may come back later than its answer. */
static bool is_behind_our_write(struct item *item, const struct row *row)
{
	const struct plan_object *o = &item->entry.object;

	if (*o->uid && strcmp(o->uid, row->uid)) {
		item_say(item, HEALTH_PROGRESSING, "plan.replaced", "Replaced", xstrdup("another object has taken its name"));
		return true;
	}
	if (row->generation < o->generation) {
		item_say(item, HEALTH_PROGRESSING, "plan.behind", "NotSeen",
			 xasprintf("generation %" PRId64 " was applied, %" PRId64 " is seen", o->generation, row->generation));
		return true;
	}
	return false;
}

static void item_check(struct plan *plan, struct item *item, int64_t now_ms, int64_t *recheck_ms)
{
	struct plan_entry *e = &item->entry;
	const struct plan_object *o = &e->object;
	struct store *store = health_store(plan->health);
	struct entry *entry = store_find_name(store, o->kind, o->namespace, o->name);

	e->done = e->failed = false;
	if (e->dropped) {
		e->done = true;
		return;
	}
	if (entry && is_behind_our_write(item, entry->row))
		return;
	item_copy(item, health_of_name(plan->health, o->kind, o->namespace, o->name, now_ms));
	e->done = health_is_fine(item->verdict.state) || item->verdict.lets_wait_go;
	e->failed = item->verdict.hopeless && verdict_counts(&item->verdict, now_ms);
	if (item->verdict.recheck_ms < *recheck_ms)
		*recheck_ms = item->verdict.recheck_ms;
}

enum plan_state plan_check(struct plan *plan, int64_t now_ms, int64_t *ret_recheck_ms)
{
	int64_t recheck = INT64_MAX;
	bool failed = false;

	plan->done = 0;
	for (size_t i = 0; i < plan->len; i++) {
		item_check(plan, plan->items[i], now_ms, &recheck);
		plan->done += plan->items[i]->entry.done;
		failed = failed || plan->items[i]->entry.failed;
	}
	if (plan->done < plan->len)
		plan->all_done_ms = 0;
	else if (!plan->all_done_ms)
		plan->all_done_ms = now_ms;
	*ret_recheck_ms = recheck;
	if (failed)
		return PLAN_FAILED;
	if (!plan->all_done_ms)
		return PLAN_WAITING;
	if (now_ms - plan->all_done_ms >= plan->settle_ms || !plan->len)
		return PLAN_DONE;
	if (plan->all_done_ms + plan->settle_ms < recheck)
		*ret_recheck_ms = plan->all_done_ms + plan->settle_ms;
	return PLAN_SETTLING;
}

size_t plan_count(const struct plan *plan)
{
	return plan->len;
}

const struct plan_entry *plan_at(const struct plan *plan, size_t n)
{
	return n < plan->len ? &plan->items[n]->entry : NULL;
}

size_t plan_done_count(const struct plan *plan)
{
	return plan->done;
}
