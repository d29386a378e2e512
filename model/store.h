/*
 * store: what is known of a cluster, as rows, found by uid, by name, by owner and by kind.
 *
 * Owned by one thread (main, or a job). Batches of watches go in with store_apply(); everything else reads. An entry is the
 * place of one object: it stays at its address as long as the object, its dependents or its events are known, and its row
 * is replaced as the object changes. Which times are meant: model/row.h; now_ms is wall time driven by the monotonic clock.
 */
#ifndef SLOTDECK_MODEL_STORE_H
#define SLOTDECK_MODEL_STORE_H

#include "model/kinds.h"

struct store;
struct journal;

struct entry {
	const struct row *row;	/* NULL: not known itself, only as the owner of others or what events are about */
	const char *uid;
	struct entry *owner;	/* NULL: none */
	struct entry *children, *next_child; /* owned objects, newest first */
	struct entry *events, *next_event;   /* events about it, in order of arrival, newest first */
	/* Grows with each change of the object, of anything it owns (at any depth), of their events, or of what else is known of them. */
	uint64_t tree_serial;
	void *memory; /* the health engine's */
};

struct store *store_create(void);
/* Frees entries, rows and journal. */
void store_destroy(struct store *store);
DEFINE_AUTO(store);

/* Takes batch. Rows whose uid is known replace it; a new uid under a known name replaces that object. */
void store_apply(struct store *store, struct row_batch *batch);
/* Something that is no row became known of entry, such as the last line of a log: for all that looks at serials it has changed. */
void store_touch(struct store *store, struct entry *entry);
/* Grows with each change; nothing changed when it is equal. */
uint64_t store_serial(const struct store *store);
/* The same for one namespace's objects and their events ("": cluster-wide ones). */
uint64_t store_namespace_serial(const struct store *store, const char *namespace);
/*
 * Grows when something changed in a namespace ("": cluster-wide objects) that other objects there may look at: objects
 * that come and go, labels, what pods report of themselves, wanted replicas, phases of claims. Not for mere messages.
 */
uint64_t store_sideways_serial(const struct store *store, const char *namespace);

/* NULL when unknown (entries without a row are not found). */
struct entry *store_find_uid(const struct store *store, const char *uid);
struct entry *store_find_name(const struct store *store, const struct kind *kind, const char *namespace, const char *name);
/* First of a kind, namespace NULL for all: go on with store_next() and the same arguments. No order is promised. */
struct entry *store_first(const struct store *store, const struct kind *kind, const char *namespace);
struct entry *store_next(const struct entry *entry, const char *namespace);
size_t store_count(const struct store *store, const struct kind *kind);
/* The n-th kind that has or had rows here, NULL past the end. */
const struct kind *store_kind_at(const struct store *store, size_t n);
/* The n-th namespace in which something is or was, NULL past the end. "" is among them. */
const char *store_namespace_at(const struct store *store, size_t n);
/* Newest warning event about entry itself, of those that tell more than their reason if there is one ("Error: ImagePullBackOff" does
 * not); NULL: none. */
const struct row *store_last_warning(const struct entry *entry);

/*
 * Freshness: how we know that what we have is still so (health rule 1). A scope is one kind in one namespace, or in all
 * ("").
 */
enum scope_state {
	SCOPE_UNWATCHED,
	SCOPE_LOADING,	 /* asked, first list not complete */
	SCOPE_LIVE,	 /* list complete, proofs come */
	SCOPE_BROKEN,	 /* the watch is down and tries again */
	SCOPE_DOUBTED,	 /* the watch was found to have missed changes; nothing has proved the new one yet */
	SCOPE_FORBIDDEN, /* no right to list or watch */
	SCOPE_ABSENT	 /* the server does not have the kind */
};
struct scope {
	const struct kind *kind;
	const char *namespace;
	enum scope_state state;
	int64_t proof_ms;  /* last proof that the copy is right; 0: never */
	int64_t synced_ms; /* last complete list; 0: never */
	int64_t retry_ms;  /* when the next try is made; 0: none planned */
	const char *why;   /* text of the trouble; "" */
	uint64_t received; /* changes since the start */
};
/* Tells what the watch itself knows; why may be NULL. No proof: those come with batches. */
void store_set_scope(struct store *store, const struct kind *kind, const char *namespace, enum scope_state state,
		     const char *why, int64_t retry_ms);
/* The scope that covers kind in namespace: the namespaced one, else the cluster-wide one; NULL: not watched. */
const struct scope *store_scope(const struct store *store, const struct kind *kind, const char *namespace);
/* The n-th scope, NULL past the end. */
const struct scope *store_scope_at(const struct store *store, size_t n);
/* Forgets a scope and what only it covered. */
void store_drop_scope(struct store *store, const struct kind *kind, const char *namespace);

/* For the health engine: forget frees an entry's memory (never NULL) before the entry goes. fn NULL: nobody. */
void store_set_forget(struct store *store, void (*fn)(void *memory, void *arg), void *arg);
/* What changed (model/journal.h). */
struct journal *store_journal(const struct store *store);

#endif
