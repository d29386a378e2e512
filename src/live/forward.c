#include "live/forward.h"

#include <stdlib.h>
#include <string.h>

#include "kube/port_forward.h"

#define OWNERS_MAX 4 /* CronJob, Job, Pod; Deployment, ReplicaSet, Pod; one to spare */

struct item {
	struct forward shown;
	char *namespace, *name;
	char *pod_name;
	struct port_forward *port_forward;
	struct port_forward_state state;
};

struct forwards {
	struct kube *kube;
	struct store *store;
	struct item **items;
	size_t n, cap;
	unsigned last_id;
	uint64_t serial; /* of the store when pods were chosen */
};

/* ---- which pod ---- */

/* 0: not to be used; a ready one is better than one that only runs. */
static int fitness(const struct row *row)
{
	if (!row || row->kind != &kind_pod || row->deleted_ms || strcmp(row->pod->phase, "Running") != 0)
		return 0;
	return row_condition_is(row, "Ready", ROW_TRUE) ? 2 : 1;
}

struct choice {
	const char *present; /* kept while it is as good as any */
	const struct row *best;
	int fitness;
};

static void consider(struct choice *choice, const struct row *row)
{
	int fit = fitness(row);

	if (fit > choice->fitness || (fit && fit == choice->fitness && strcmp(row->name, choice->present) == 0)) {
		choice->best = row;
		choice->fitness = fit;
	}
}

static void consider_owned(struct choice *choice, const struct entry *entry, unsigned depth)
{
	consider(choice, entry->row);
	for (const struct entry *child = entry->children; child && depth < OWNERS_MAX; child = child->next_child)
		consider_owned(choice, child, depth + 1);
}

static void consider_selected(struct choice *choice, const struct store *store, const struct row *service)
{
	for (struct entry *pod = store_first(store, &kind_pod, service->namespace); pod; pod = store_next(pod, service->namespace))
		if (pod->row && row_matches(pod->row, service->service->selector, service->service->nselector))
			consider(choice, pod->row);
}

const char *forward_choose_pod(const struct store *store, const struct kind *kind, const char *namespace, const char *name,
			       const char *present)
{
	const struct entry *target = store_find_name(store, kind, namespace, name);
	struct choice choice = { .present = present };

	if (target && target->row && target->row->kind == &kind_service)
		consider_selected(&choice, store, target->row);
	else if (target)
		consider_owned(&choice, target, 0);
	return choice.best ? choice.best->name : "";
}

/* True: another one than before. */
static bool choose_pod(struct forwards *forwards, struct item *item)
{
	const char *name = forward_choose_pod(forwards->store, item->shown.kind, item->namespace, item->name, item->pod_name);

	if (strcmp(name, item->pod_name) == 0)
		return false;
	free(item->pod_name);
	item->pod_name = xstrdup(name);
	if (item->port_forward)
		port_forward_set_pod(item->port_forward, name);
	return true;
}

/* ---- which port ---- */

static bool service_port(const struct row *row, uint16_t port, uint16_t *ret, struct error *err)
{
	const struct row_service *service = row->service;

	for (size_t i = 0; i < service->nports; i++) {
		const struct row_port *p = &service->ports[i];
		char *end;

		if (p->port != port)
			continue;
		unsigned long target = *p->target ? strtoul(p->target, &end, 10) : port;

		if (*p->target && (*end || target < 1 || target > 65535)) {
			error_set(err, ERR_INVALID, "port %u of Service %s leads to the port \"%s\" of its pods, whose number only they know", port,
				  row->name, p->target);
			return error_hint(err, "forward to the pod or its workload, with the number");
		}
		*ret = (uint16_t)target;
		return true;
	}
	return error_set(err, ERR_INVALID, "Service %s has no port %u", row->name, port);
}

static bool find_port(const struct forwards *forwards, const struct forward_target *target, uint16_t *ret, struct error *err)
{
	const struct entry *entry = store_find_name(forwards->store, target->kind, target->namespace, target->name);

	if (!entry || !entry->row)
		return error_set(err, ERR_NOT_FOUND, "there is no %s %s in namespace %s", target->kind->kind, target->name, target->namespace);
	*ret = target->port;
	return target->kind != &kind_service || service_port(entry->row, target->port, ret, err);
}

/* ---- the list ---- */

static void free_item(struct item *item)
{
	port_forward_stop(item->port_forward);
	port_forward_state_release(&item->state);
	free(item->namespace);
	free(item->name);
	free(item->pod_name);
	free(item);
}

/* Puts together what is shown; true when it differs from before. */
static bool show(struct item *item)
{
	struct port_forward_state before = item->state;
	enum forward_state state = FORWARD_READY;

	item->state = (struct port_forward_state){ 0 };
	port_forward_state(item->port_forward, &item->state);
	const struct port_forward_state *now = &item->state;
	bool changed = before.open != now->open || before.connections != now->connections || before.failed != now->failed ||
		       before.sent_bytes != now->sent_bytes || before.received_bytes != now->received_bytes;

	if (!*item->pod_name)
		state = FORWARD_NO_POD;
	else if (now->failing)
		state = FORWARD_FAILING;
	changed = changed || state != item->shown.state;
	item->shown.state = state;
	item->shown.pod = item->pod_name;
	item->shown.local_port = now->local_port;
	item->shown.open = now->open;
	item->shown.connections = now->connections;
	item->shown.failed = now->failed;
	item->shown.sent_bytes = now->sent_bytes;
	item->shown.received_bytes = now->received_bytes;
	item->shown.last_error = now->last_error ? now->last_error : "";
	item->shown.last_error_ms = now->last_error_ms;
	port_forward_state_release(&before);
	return changed;
}

bool forwards_add(struct forwards *forwards, const struct forward_target *target, unsigned *ret_id, struct error *err)
{
	uint16_t port = 0;

	if (!find_port(forwards, target, &port, err))
		return false;
	struct item *item = xcalloc(1, sizeof *item);

	item->namespace = xstrdup(target->namespace);
	item->name = xstrdup(target->name);
	item->pod_name = xstrdup("");
	item->shown = (struct forward){ .kind = target->kind, .namespace = item->namespace, .name = item->name, .port = port };
	choose_pod(forwards, item);
	item->port_forward = port_forward_start(forwards->kube,
						&(struct port_forward_options){ .namespace = item->namespace,
										.pod = item->pod_name,
										.port = port,
										.local_port = target->local_port },
						err);
	if (!item->port_forward) {
		free_item(item);
		return false;
	}
	*ret_id = item->shown.id = ++forwards->last_id;
	show(item);
	LIST_PUSH(forwards->items, forwards->n, forwards->cap) = item;
	return true;
}

void forwards_remove(struct forwards *forwards, unsigned id)
{
	for (size_t i = 0; i < forwards->n; i++) {
		if (forwards->items[i]->shown.id != id)
			continue;
		free_item(forwards->items[i]);
		memmove(forwards->items + i, forwards->items + i + 1, (forwards->n - i - 1) * sizeof *forwards->items);
		forwards->n--;
		return;
	}
}

size_t forwards_count(const struct forwards *forwards)
{
	return forwards->n;
}

const struct forward *forwards_at(const struct forwards *forwards, size_t n)
{
	return n < forwards->n ? &forwards->items[n]->shown : NULL;
}

bool forwards_poll(struct forwards *forwards)
{
	uint64_t serial = forwards->n ? store_serial(forwards->store) : 0;
	bool changed = false;

	for (size_t i = 0; i < forwards->n; i++) {
		if (serial != forwards->serial && choose_pod(forwards, forwards->items[i]))
			changed = true;
		if (show(forwards->items[i]))
			changed = true;
	}
	forwards->serial = serial;
	return changed;
}

struct forwards *forwards_create(struct kube *kube, struct store *store)
{
	struct forwards *forwards = xcalloc(1, sizeof *forwards);

	forwards->kube = kube;
	forwards->store = store;
	return forwards;
}

void forwards_destroy(struct forwards *forwards)
{
	if (!forwards)
		return;
	for (size_t i = 0; i < forwards->n; i++)
		free_item(forwards->items[i]);
	free(forwards->items);
	free(forwards);
}
