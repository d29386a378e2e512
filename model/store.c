#include "model/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "model/journal.h"

/*
 *   uid ──► node ─┬─ owner, children, events (by uid, also of objects not known themselves)
 *                 └─ group: one kind in one namespace, a list of its nodes ──► scope that proves it
 *
 * A node without a row is a placeholder and lives while something hangs on it.
 */

#define JOURNAL_CAPACITY 4000
#define EVENTS_PER_OBJECT 32
#define OWNER_DEPTH 16
#define NEWS_MS 60000 /* what was made longer ago was made before we looked */

struct group {
	const struct kind *kind;
	const char *namespace;
	struct node *first;
	size_t count;
	struct space *space;
	struct kind_groups *of_kind;
};

struct node {
	struct entry e; /* first, so that an entry is a node */
	char *uid_owned;
	uint64_t uid_hash, name_hash;
	struct node *uid_next;	/* chain of the uid table */
	struct node *name_next; /* chain of the name table; only with a row */
	struct group *group;	/* NULL: placeholder */
	struct node *next_in_group, *prev_in_group;
	uint64_t seen; /* store serial of the last PUT */
};

struct kind_groups {
	const struct kind *kind;
	struct group **groups;
	size_t len, cap, count;
};

struct space { /* a namespace */
	char *name;
	uint64_t serial, sideways_serial;
};

struct scope_item {
	struct scope scope;
	char *namespace, *why;
	uint64_t list_began; /* store serial; 0: no list under way */
	bool dropped;
};

struct table {
	struct node **slots;
	size_t n, used;
};

struct store {
	struct table uids, names;
	struct map groups; /* "group/kind\nnamespace" */
	struct map spaces;
	struct kind_groups **kinds;
	size_t nkinds, kinds_cap;
	struct scope_item **scopes;
	size_t nscopes, scopes_cap;
	uint64_t serial;
	struct journal *journal;
	void (*forget)(void *memory, void *arg);
	void *forget_arg;
};

static struct node *node_of(const struct entry *entry)
{
	return (struct node *)entry;
}

/* ---- hashing ---- */

static uint64_t hash_text(const char *text, uint64_t hash)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return hash ^ hash >> 29;
}

static uint64_t hash_uid(const char *uid)
{
	return hash_text(uid, 0xcbf29ce484222325u);
}

static uint64_t hash_name(const struct group *group, const char *name)
{
	return hash_text(name, (uint64_t)(uintptr_t)group * 0x9e3779b97f4a7c15u);
}

static void table_grow(struct table *table, bool names)
{
	struct table bigger = { .n = table->n ? table->n * 2 : 64, .used = table->used };

	bigger.slots = xcalloc(bigger.n, sizeof *bigger.slots);
	for (size_t i = 0; i < table->n; i++) {
		struct node *node = table->slots[i], *next;

		for (; node; node = next) {
			struct node **link = names ? &node->name_next : &node->uid_next;
			size_t at = (names ? node->name_hash : node->uid_hash) & (bigger.n - 1);

			next = *link;
			*link = bigger.slots[at];
			bigger.slots[at] = node;
		}
	}
	free(table->slots);
	*table = bigger;
}

static void uids_add(struct store *store, struct node *node)
{
	struct table *table = &store->uids;
	size_t at;

	if (table->used >= table->n)
		table_grow(table, false);
	at = node->uid_hash & (table->n - 1);
	node->uid_next = table->slots[at];
	table->slots[at] = node;
	table->used++;
}

static void names_add(struct store *store, struct node *node)
{
	struct table *table = &store->names;
	size_t at;

	if (table->used >= table->n)
		table_grow(table, true);
	at = node->name_hash & (table->n - 1);
	node->name_next = table->slots[at];
	table->slots[at] = node;
	table->used++;
}

static void uids_remove(struct store *store, struct node *node)
{
	struct node **at = &store->uids.slots[node->uid_hash & (store->uids.n - 1)];

	while (*at != node)
		at = &(*at)->uid_next;
	*at = node->uid_next;
	store->uids.used--;
}

static void names_remove(struct store *store, struct node *node)
{
	struct node **at = &store->names.slots[node->name_hash & (store->names.n - 1)];

	while (*at != node)
		at = &(*at)->name_next;
	*at = node->name_next;
	store->names.used--;
}

static struct node *find_uid(const struct store *store, const char *uid)
{
	uint64_t hash = hash_uid(uid);

	if (!store->uids.n || !*uid)
		return NULL;
	for (struct node *node = store->uids.slots[hash & (store->uids.n - 1)]; node; node = node->uid_next) {
		if (node->uid_hash == hash && !strcmp(node->e.uid, uid))
			return node;
	}
	return NULL;
}

/* ---- groups ---- */

static void group_key(const struct kind *kind, const char *namespace, struct buf *out)
{
	buf_addf(out, "%s/%s\n%s", kind->group, kind->kind, namespace);
}

static struct group *find_group(const struct store *store, const struct kind *kind, const char *namespace)
{
	AUTO_RELEASE(buf) key = BUF_INIT(0);

	group_key(kind, namespace, &key);
	return map_get(&store->groups, buf_str(&key));
}

static struct kind_groups *groups_of_kind(struct store *store, const struct kind *kind)
{
	struct kind_groups *of;

	for (size_t i = 0; i < store->nkinds; i++) {
		if (kind_same(store->kinds[i]->kind, kind))
			return store->kinds[i];
	}
	of = xcalloc(1, sizeof *of);
	of->kind = kind;
	LIST_PUSH(store->kinds, store->nkinds, store->kinds_cap) = of;
	return of;
}

static void space_free(void *p)
{
	struct space *space = p;

	free(space->name);
	free(space);
}

static struct space *space_of(struct store *store, const char *namespace)
{
	struct space *space = map_get(&store->spaces, str_of(namespace));

	if (!space) {
		space = xcalloc(1, sizeof *space);
		space->name = xstrdup(namespace);
		map_set(&store->spaces, str_of(namespace), space);
	}
	return space;
}

static struct group *make_group(struct store *store, const struct kind *kind, const char *namespace)
{
	AUTO_RELEASE(buf) key = BUF_INIT(0);
	struct group *group = find_group(store, kind, namespace);

	if (group)
		return group;
	group = xcalloc(1, sizeof *group);
	group->kind = kind;
	group->space = space_of(store, namespace);
	group->namespace = group->space->name;
	group->of_kind = groups_of_kind(store, kind);
	LIST_PUSH(group->of_kind->groups, group->of_kind->len, group->of_kind->cap) = group;
	group_key(kind, namespace, &key);
	map_set(&store->groups, buf_str(&key), group);
	return group;
}

static void group_add(struct group *group, struct node *node)
{
	node->group = group;
	node->prev_in_group = NULL;
	node->next_in_group = group->first;
	if (group->first)
		group->first->prev_in_group = node;
	group->first = node;
	group->count++;
	group->of_kind->count++;
}

static void group_remove(struct node *node)
{
	struct group *group = node->group;

	if (node->prev_in_group)
		node->prev_in_group->next_in_group = node->next_in_group;
	else
		group->first = node->next_in_group;
	if (node->next_in_group)
		node->next_in_group->prev_in_group = node->prev_in_group;
	node->group = NULL;
	group->count--;
	group->of_kind->count--;
}

/* ---- owners ---- */

static void touch(struct store *store, struct node *node)
{
	unsigned depth = 0;

	if (node->group)
		node->group->space->serial = store->serial;
	for (struct entry *e = &node->e; e && depth < OWNER_DEPTH; e = e->owner, depth++)
		e->tree_serial = store->serial;
}

static struct node *node_create(struct store *store, const char *uid)
{
	struct node *node = xcalloc(1, sizeof *node);

	node->uid_owned = xstrdup(uid);
	node->e.uid = node->uid_owned;
	node->uid_hash = hash_uid(uid);
	uids_add(store, node);
	return node;
}

/* Frees node if nothing hangs on it, and then perhaps its owner. */
static void node_collect(struct store *store, struct node *node);

static struct entry **list_head(struct entry *owner, bool event)
{
	return event ? &owner->events : &owner->children;
}

static struct entry **list_link(struct entry *entry, bool event)
{
	return event ? &entry->next_event : &entry->next_child;
}

static bool is_event(const struct node *node)
{
	return node->e.row && node->e.row->kind->shape == SHAPE_EVENT;
}

static void detach(struct store *store, struct node *node)
{
	struct entry *owner = node->e.owner;
	bool event = is_event(node);

	if (!owner)
		return;
	for (struct entry **at = list_head(owner, event); *at; at = list_link(*at, event)) {
		if (*at == &node->e) {
			*at = *list_link(&node->e, event);
			break;
		}
	}
	*list_link(&node->e, event) = NULL;
	node->e.owner = NULL;
	owner->tree_serial = store->serial;
	node_collect(store, node_of(owner));
}

static bool would_be_a_ring(const struct entry *owner, const struct entry *entry)
{
	unsigned depth = 0;

	for (; owner; owner = owner->owner) {
		if (owner == entry || ++depth >= OWNER_DEPTH)
			return true;
	}
	return false;
}

static void node_remove(struct store *store, struct node *node, int64_t now_ms);

/* Hangs node below its owner, or an event below what it is about. */
static void attach(struct store *store, struct node *node, int64_t now_ms)
{
	bool event = is_event(node);
	const char *uid = event ? node->e.row->event->about_uid : node->e.row->owner_uid;
	struct node *owner;
	struct entry *oldest = NULL;
	size_t n = 0;

	if (node->e.owner && !strcmp(node->e.owner->uid, uid))
		return;
	detach(store, node);
	if (!*uid)
		return;
	owner = find_uid(store, uid);
	if (!owner)
		owner = node_create(store, uid);
	if (would_be_a_ring(&owner->e, &node->e))
		return;
	node->e.owner = &owner->e;
	*list_link(&node->e, event) = *list_head(&owner->e, event);
	*list_head(&owner->e, event) = &node->e;
	if (!event)
		return;
	for (struct entry *e = owner->e.events; e; e = e->next_event, n++)
		oldest = e;
	if (n > EVENTS_PER_OBJECT)
		node_remove(store, node_of(oldest), now_ms);
}

/* ---- what others look at ---- */

static bool pairs_differ(const struct row_pair *a, size_t na, const struct row_pair *b, size_t nb)
{
	if (na != nb)
		return true;
	for (size_t i = 0; i < na; i++) {
		if (strcmp(a[i].key, b[i].key) || strcmp(a[i].value, b[i].value))
			return true;
	}
	return false;
}

static bool pods_differ(const struct row *a, const struct row *b)
{
	if (strcmp(a->pod->phase, b->pod->phase) || a->pod->ncontainers != b->pod->ncontainers ||
	    row_condition_is(a, "Ready", ROW_TRUE) != row_condition_is(b, "Ready", ROW_TRUE) ||
	    row_condition_is(a, "PodScheduled", ROW_FALSE) != row_condition_is(b, "PodScheduled", ROW_FALSE))
		return true;
	for (size_t i = 0; i < a->pod->ncontainers; i++) {
		const struct row_container *x = &a->pod->containers[i], *y = &b->pod->containers[i];

		if (x->state != y->state || x->ready != y->ready || x->restarts != y->restarts || strcmp(x->reason, y->reason))
			return true;
	}
	return false;
}

static bool sideways_differs(const struct row *a, const struct row *b)
{
	if (b->kind->shape == SHAPE_EVENT)
		return false;
	if (!a || a->deleted_ms != b->deleted_ms || pairs_differ(a->labels, a->nlabels, b->labels, b->nlabels))
		return true;
	switch (b->kind->shape) {
	case SHAPE_POD: return pods_differ(a, b);
	case SHAPE_WORKLOAD: return a->workload->want != b->workload->want;
	case SHAPE_CLAIM: return strcmp(a->claim->phase, b->claim->phase) != 0;
	default: return false;
	}
}

/* ---- rows ---- */

static void node_collect(struct store *store, struct node *node)
{
	if (node->e.row || node->e.children || node->e.events)
		return;
	detach(store, node);
	uids_remove(store, node);
	if (node->e.memory && store->forget)
		store->forget(node->e.memory, store->forget_arg);
	free(node->uid_owned);
	free(node);
}

static void node_remove(struct store *store, struct node *node, int64_t now_ms)
{
	struct row *row = (struct row *)node->e.row;

	store->serial++;
	touch(store, node);
	if (row->kind->shape != SHAPE_EVENT)
		node->group->space->sideways_serial = store->serial;
	journal_note(store->journal, row, NULL, now_ms);
	detach(store, node);
	names_remove(store, node);
	group_remove(node);
	node->e.row = NULL;
	/* Its namesake will have another uid and starts with a memory of its own. */
	if (node->e.memory && store->forget)
		store->forget(node->e.memory, store->forget_arg);
	node->e.memory = NULL;
	node_collect(store, node);
	row_destroy(row);
}

/* The server gives every object a uid; rows made by hand get one of their name. */
static char *uid_of_row(const struct row *row)
{
	return *row->uid ? xstrdup(row->uid)
			 : xasprintf("%s/%s/%s/%s", row->kind->group, row->kind->kind, row->namespace, row->name);
}

static struct node *find_in_group(const struct store *store, const struct group *group, const char *name)
{
	uint64_t hash = hash_name(group, name);

	if (!store->names.n)
		return NULL;
	for (struct node *node = store->names.slots[hash & (store->names.n - 1)]; node; node = node->name_next) {
		if (node->name_hash == hash && node->group == group && !strcmp(node->e.row->name, name))
			return node;
	}
	return NULL;
}

static void put(struct store *store, struct row *row, int64_t now_ms)
{
	AUTO_FREE char *uid = uid_of_row(row);
	struct group *group = make_group(store, row->kind, row->namespace);
	struct node *namesake = find_in_group(store, group, row->name);
	struct node *node;
	struct row *old;

	if (namesake && strcmp(namesake->e.uid, uid))
		node_remove(store, namesake, now_ms);
	store->serial++;
	node = find_uid(store, uid);
	if (!node)
		node = node_create(store, uid);
	/* One uid, another kind or name: nobody does this but a hostile server; the newer one holds. */
	if (node->e.row && (node->group != group || strcmp(node->e.row->name, row->name))) {
		node_remove(store, node, now_ms);
		node = find_uid(store, uid);
		if (!node)
			node = node_create(store, uid);
	}
	old = (struct row *)node->e.row;
	node->seen = store->serial;
	if (old && *old->resource_version && !strcmp(old->resource_version, row->resource_version)) {
		row_destroy(row); /* listed again, unchanged */
		return;
	}
	/* A first list tells of what was there already: that is no news. */
	if (old || row->created_ms > now_ms - NEWS_MS)
		journal_note(store->journal, old, row, now_ms);
	node->e.row = row;
	if (!old) {
		node->name_hash = hash_name(group, row->name);
		group_add(group, node);
		names_add(store, node);
	}
	attach(store, node, now_ms);
	touch(store, node);
	if (sideways_differs(old, row))
		group->space->sideways_serial = store->serial;
	row_destroy(old);
}

static void gone(struct store *store, struct row *row, int64_t now_ms)
{
	AUTO_FREE char *uid = uid_of_row(row);
	struct node *node = find_uid(store, uid);

	if (!node || !node->e.row) {
		/* A bare row may have only a name. */
		struct group *group = *row->uid ? NULL : find_group(store, row->kind, row->namespace);

		node = group ? find_in_group(store, group, row->name) : NULL;
	}
	if (node && node->e.row)
		node_remove(store, node, now_ms);
	row_destroy(row);
}

/* ---- scopes ---- */

static struct scope_item *find_scope(const struct store *store, const struct kind *kind, const char *namespace)
{
	for (size_t i = 0; i < store->nscopes; i++) {
		struct scope_item *item = store->scopes[i];

		if (kind_same(item->scope.kind, kind) && !strcmp(item->namespace, namespace))
			return item;
	}
	return NULL;
}

static struct scope_item *make_scope(struct store *store, const struct kind *kind, const char *namespace)
{
	struct scope_item *item = find_scope(store, kind, namespace);

	if (item)
		return item;
	item = xcalloc(1, sizeof *item);
	item->namespace = xstrdup(namespace);
	item->why = xstrdup("");
	item->scope = (struct scope){ .kind = kind, .namespace = item->namespace, .why = item->why, .state = SCOPE_LOADING };
	LIST_PUSH(store->scopes, store->nscopes, store->scopes_cap) = item;
	return item;
}

void store_set_scope(struct store *store, const struct kind *kind, const char *namespace, enum scope_state state,
		     const char *why, int64_t retry_ms)
{
	struct scope_item *item = make_scope(store, kind, namespace ? namespace : "");

	item->scope.state = state;
	item->scope.retry_ms = retry_ms;
	free(item->why);
	item->scope.why = item->why = xstrdup(why ? why : "");
	store->serial++;
}

const struct scope *store_scope(const struct store *store, const struct kind *kind, const char *namespace)
{
	const struct scope_item *item = find_scope(store, kind, namespace);

	/* Where both exist, one that works goes first. */
	if (*namespace && (!item || item->scope.state != SCOPE_LIVE)) {
		const struct scope_item *whole = find_scope(store, kind, "");

		item = whole && (!item || whole->scope.state == SCOPE_LIVE) ? whole : item;
	}
	return item ? &item->scope : NULL;
}

const struct scope *store_scope_at(const struct store *store, size_t n)
{
	return n < store->nscopes ? &store->scopes[n]->scope : NULL;
}

/* Removes what the scope covers and was last put before serial. */
static void sweep(struct store *store, const struct scope_item *item, uint64_t before, int64_t now_ms)
{
	struct kind_groups *of = groups_of_kind(store, item->scope.kind);

	for (size_t i = 0; i < of->len; i++) {
		struct node *node = of->groups[i]->first, *next;

		if (*item->namespace && strcmp(of->groups[i]->namespace, item->namespace))
			continue;
		for (; node; node = next) {
			next = node->next_in_group;
			if (node->seen < before)
				node_remove(store, node, now_ms);
		}
	}
}

void store_drop_scope(struct store *store, const struct kind *kind, const char *namespace)
{
	struct scope_item *item = find_scope(store, kind, namespace);
	size_t i = 0;

	if (!item)
		return;
	while (store->scopes[i] != item)
		i++;
	memmove(&store->scopes[i], &store->scopes[i + 1], (store->nscopes - i - 1) * sizeof *store->scopes);
	store->nscopes--;
	if (!*namespace || !find_scope(store, kind, ""))
		sweep(store, item, UINT64_MAX, item->scope.proof_ms);
	free(item->namespace);
	free(item->why);
	free(item);
	store->serial++;
}

/* ---- batches ---- */

void store_apply(struct store *store, struct row_batch *batch)
{
	struct scope_item *item = make_scope(store, batch->kind, batch->namespace);

	for (size_t i = 0; i < batch->len; i++) {
		struct row_change *change = &batch->changes[i];
		struct row *row = change->row;

		change->row = NULL;
		switch (change->op) {
		case ROW_LIST_BEGIN:
			item->list_began = ++store->serial;
			break;
		case ROW_LIST_END:
			if (item->list_began)
				sweep(store, item, item->list_began, batch->at_ms);
			item->list_began = 0;
			item->scope.synced_ms = batch->at_ms;
			item->scope.state = SCOPE_LIVE;
			item->scope.retry_ms = 0;
			*item->why = '\0';
			store->serial++;
			break;
		case ROW_PUT:
			item->scope.received++;
			put(store, row, batch->at_ms);
			break;
		case ROW_GONE:
			item->scope.received++;
			gone(store, row, batch->at_ms);
			break;
		case ROW_PROOF:
			row_destroy(row);
			break;
		}
	}
	/* Half a list proves nothing about what is not in it yet. */
	if (!item->list_began && batch->at_ms > item->scope.proof_ms)
		item->scope.proof_ms = batch->at_ms;
	row_batch_destroy(batch);
}

void store_touch(struct store *store, struct entry *entry)
{
	store->serial++;
	touch(store, node_of(entry));
}

/* ---- reading ---- */

uint64_t store_serial(const struct store *store)
{
	return store->serial;
}

uint64_t store_namespace_serial(const struct store *store, const char *namespace)
{
	const struct space *space = map_get(&store->spaces, str_of(namespace));

	return space ? space->serial : 0;
}

uint64_t store_sideways_serial(const struct store *store, const char *namespace)
{
	const struct space *space = map_get(&store->spaces, str_of(namespace));

	return space ? space->sideways_serial : 0;
}

struct entry *store_find_uid(const struct store *store, const char *uid)
{
	struct node *node = find_uid(store, uid);

	return node && node->e.row ? &node->e : NULL;
}

struct entry *store_find_name(const struct store *store, const struct kind *kind, const char *namespace, const char *name)
{
	struct group *group = find_group(store, kind, namespace);
	struct node *node = group ? find_in_group(store, group, name) : NULL;

	return node ? &node->e : NULL;
}

static struct entry *first_from(const struct kind_groups *of, size_t i)
{
	for (; i < of->len; i++) {
		if (of->groups[i]->first)
			return &of->groups[i]->first->e;
	}
	return NULL;
}

struct entry *store_first(const struct store *store, const struct kind *kind, const char *namespace)
{
	if (namespace) {
		struct group *group = find_group(store, kind, namespace);

		return group && group->first ? &group->first->e : NULL;
	}
	for (size_t i = 0; i < store->nkinds; i++) {
		if (kind_same(store->kinds[i]->kind, kind))
			return first_from(store->kinds[i], 0);
	}
	return NULL;
}

struct entry *store_next(const struct entry *entry, const char *namespace)
{
	const struct node *node = node_of(entry);
	const struct kind_groups *of = node->group->of_kind;

	if (node->next_in_group)
		return &node->next_in_group->e;
	if (namespace)
		return NULL;
	for (size_t i = 0; i < of->len; i++) {
		if (of->groups[i] == node->group)
			return first_from(of, i + 1);
	}
	return NULL;
}

size_t store_count(const struct store *store, const struct kind *kind)
{
	for (size_t i = 0; i < store->nkinds; i++) {
		if (kind_same(store->kinds[i]->kind, kind))
			return store->kinds[i]->count;
	}
	return 0;
}

const struct kind *store_kind_at(const struct store *store, size_t n)
{
	return n < store->nkinds ? store->kinds[n]->kind : NULL;
}

const char *store_namespace_at(const struct store *store, size_t n)
{
	return n < store->spaces.len ? ((struct space *)store->spaces.entries[n].value)->name : NULL;
}

/* After each telling event the kubelet says the container's state once more: "Error: ErrImagePull". */
static bool tells_more(const struct row *warning)
{
	const char *message = warning->event->message;

	return !starts_with(message, "Error: ") || strchr(message + strlen("Error: "), ' ');
}

static bool tells_later(const struct row *a, const struct row *b)
{
	return tells_more(a) != tells_more(b) ? tells_more(a) : a->event->last_ms > b->event->last_ms;
}

const struct row *store_last_warning(const struct entry *entry)
{
	const struct row *newest = NULL;

	for (const struct entry *e = entry->events; e; e = e->next_event) {
		if (e->row && !strcmp(e->row->event->type, "Warning") && (!newest || tells_later(e->row, newest)))
			newest = e->row;
	}
	return newest;
}

void store_set_forget(struct store *store, void (*fn)(void *memory, void *arg), void *arg)
{
	store->forget = fn;
	store->forget_arg = arg;
}

struct journal *store_journal(const struct store *store)
{
	return store->journal;
}

/* ---- life ---- */

struct store *store_create(void)
{
	struct store *store = xcalloc(1, sizeof *store);

	store->groups.free_value = free;
	store->spaces.free_value = space_free;
	store->journal = journal_create(JOURNAL_CAPACITY);
	return store;
}

void store_destroy(struct store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->uids.n; i++) {
		struct node *node = store->uids.slots[i], *next;

		for (; node; node = next) {
			next = node->uid_next;
			if (node->e.memory && store->forget)
				store->forget(node->e.memory, store->forget_arg);
			row_destroy((struct row *)node->e.row);
			free(node->uid_owned);
			free(node);
		}
	}
	for (size_t i = 0; i < store->nkinds; i++) {
		free(store->kinds[i]->groups);
		free(store->kinds[i]);
	}
	for (size_t i = 0; i < store->nscopes; i++) {
		free(store->scopes[i]->namespace);
		free(store->scopes[i]->why);
		free(store->scopes[i]);
	}
	free(store->kinds);
	free(store->scopes);
	free(store->uids.slots);
	free(store->names.slots);
	map_release(&store->groups);
	map_release(&store->spaces);
	journal_destroy(store->journal);
	free(store);
}
