/*
 * world: what the parts of the simulation share. Private to src/sim.
 *
 * One lock guards everything but the server's own bookkeeping; a request takes it once, a controller once per step.
 * Objects are kept as JSON text (trees cost ten times as much) and parsed when somebody works on them. Versions are
 * immutable and counted, so a list or a watch can go on with an old one.
 */
#ifndef SLOTDECK_SIM_WORLD_H
#define SLOTDECK_SIM_WORLD_H

#include <pthread.h>
#include <stdint.h>

#include "base/map.h"
#include "sim/jx.h"
#include "sim/schema.h"
#include "sim/sim.h"

enum feature {
	FEATURE_AGGREGATED = 1 << 0,
	FEATURE_WATCHLIST = 1 << 1,
	FEATURE_VALIDATION = 1 << 2,
	FEATURE_APPLY = 1 << 3,
	FEATURE_BOOKMARKS = 1 << 4,
	FEATURE_SELF_REVIEW = 1 << 5,
	FEATURE_CONTROLLERS = 1 << 6,
	FEATURE_METRICS = 1 << 7,
	FEATURE_COMPARABLE_RV = 1 << 8,
	FEATURE_TABLES = 1 << 9,
	FEATURE_EXEC_V5 = 1 << 10,
};

enum kind_flag {
	KIND_STATUS = 1 << 0,	  /* has a status subresource */
	KIND_SCALE = 1 << 1,
	KIND_GENERATION = 1 << 2, /* spec changes count */
	KIND_REVIEW = 1 << 3,	  /* answered, not stored */
	KIND_CUSTOM = 1 << 4,	  /* from a CustomResourceDefinition */
	KIND_ALIAS = 1 << 5,	  /* events.k8s.io: the same objects in other words */
	KIND_METRICS = 1 << 6,
	KIND_NO_COLLECTION = 1 << 7,
};

struct version {
	unsigned refs;
	int64_t rv;
	char *text;	   /* {"kind":…,"apiVersion":…,"metadata":{…},…} */
	size_t len;
	size_t meta, rest; /* text+meta: "metadata":…; text+rest: after metadata's value */
	json_t *labels;	   /* or NULL */
	char *ns, *name;
};

/* What a controller remembers of an object between its steps; times are in milliseconds of sim_now(). */
struct life {
	int64_t wake;	   /* 0: no timer */
	int64_t since;	   /* start of the phase */
	int phase;
	int restarts;
	int64_t number;
	bool queued;
};

struct object {
	struct resource *resource;
	char *ns, *name, *uid;
	char *owner;	    /* uid of the controlling owner, or NULL */
	json_t *owners;	    /* ownerReferences, or NULL */
	bool deleting;
	struct version *current;
	struct life life;
};

struct event {
	enum event_type { EVENT_ADDED, EVENT_MODIFIED, EVENT_DELETED } type;
	struct version *now, *before; /* before: NULL when added */
	bool lost;		      /* no watch hears of it */
};

struct watcher {
	int wake_fd;
	struct watcher *next;
};

struct resource {
	char *group, *version, *api_version, *kind, *plural, *singular, *list_kind;
	char *shorts, *categories; /* comma-separated */
	bool namespaced;
	bool stored;		   /* its objects are kept, here or in storage */
	unsigned flags;
	const struct type *type;
	json_t *zero;
	json_t *columns, *open_api; /* of a custom kind */
	struct resource *storage;  /* of an alias: whose objects these are; else itself */
	struct object **objects;   /* sorted by namespace, name */
	size_t n, cap;
	struct event *events;	   /* oldest first */
	size_t nevents, events_cap;
	int64_t compacted;	   /* watches from before this are 410 */
	struct watcher *watchers;
	bool terminating;	   /* its definition is being deleted: nothing new is made */
	bool gone;		   /* it was deleted */
	unsigned lose;		   /* so many of the next changes are told to no watch */
};

struct snapshot { /* what the later pages of a list are cut from */
	int64_t id, rv, made_ms;
	struct resource *resource;
	struct version **items;
	size_t n;
};

struct server;
struct faults;
struct rbac;

struct sim {
	pthread_mutex_t lock;
	struct schema *schema;
	struct resource **resources;
	size_t nresources, resources_cap;
	int64_t rv;
	double speed;
	unsigned features_off;
	int64_t aged_ms; /* added to the controllers' clock by /_sim/age */
	uint64_t random;

	struct snapshot *snapshots;
	size_t nsnapshots, snapshots_cap;
	int64_t next_snapshot;

	/* controllers */
	pthread_t controller;
	bool controller_running;
	pthread_cond_t work, idle;
	struct object **queue;
	size_t nqueue, queue_cap;
	struct object **timers; /* those with life.wake set, in no order */
	size_t ntimers, timers_cap;
	int wanting; /* requests that wait for the lock */
	bool stopping, busy;
	int64_t next_life; /* of the demo */
	unsigned demo_step;
	bool demo;

	struct sim_registry *registry; /* borrowed; NULL */
	struct rbac *rbac;
	struct server *server;
	char *url;
	uint16_t port;
};

static inline bool sim_has(const struct sim *sim, unsigned feature)
{
	return !(sim->features_off & feature);
}

int64_t sim_wall_ms(void);			  /* since 1970 */
int64_t sim_now(const struct sim *sim);		  /* monotonic milliseconds, sped up */
uint64_t sim_random(struct sim *sim);
void sim_uid(struct sim *sim, char out[37]);
/* A suffix as generateName makes it. */
void sim_suffix(struct sim *sim, char *out, size_t len);

/* kinds.c */
bool kinds_load(struct sim *sim, struct error *err);
struct resource *kinds_add(struct sim *sim, struct resource row); /* takes its strings */
struct resource *kinds_plural(const struct sim *sim, const char *group, const char *version, const char *plural);
struct resource *kinds_kind(const struct sim *sim, const char *api_version, const char *kind);
void kinds_free(struct resource *resource);
/* Follows a CustomResourceDefinition: makes, changes or drops its kinds. */
void kinds_define(struct sim *sim, const json_t *definition);
void kinds_undefine(struct sim *sim, const json_t *definition);

/* store.c: all under the lock */
struct object *store_find(const struct resource *resource, const char *ns, const char *name);
/* Index of the first object of ns (of all when ns is ""), and how many follow. */
size_t store_range(const struct resource *resource, const char *ns, size_t *ret_count);
json_t *store_tree(const struct object *object);	    /* given */
json_t *version_tree(const struct version *version);
void version_ref(struct version *version);
void version_unref(struct version *version);
/* Writes tree (its metadata gets a new resourceVersion); object NULL adds it. Borrows tree. */
struct object *store_put(struct sim *sim, struct resource *resource, struct object *object, json_t *tree);
void store_remove(struct sim *sim, struct object *object);
void store_compact(struct sim *sim, struct resource *resource);
void store_free(struct sim *sim, struct resource *resource);

/* select.c */
struct selector;
/* NULL text or "" gives NULL, which matches all. */
bool selector_parse(const char *text, struct selector **ret, struct error *err);
bool selector_of_object(const json_t *label_selector, struct selector **ret); /* {matchLabels, matchExpressions} */
void selector_destroy(struct selector *selector);
bool selector_labels(const struct selector *selector, const json_t *labels);
/* Field selectors; what a kind does not support is an error. */
bool selector_fields_ok(const struct selector *selector, const struct resource *resource, struct error *err);
bool selector_fields(const struct selector *selector, const struct version *version);

/* decode.c */
/* Checks names and types of fields; unknown ones are removed and listed in unknown (["spec.foo"]). */
bool decode_check(const struct resource *resource, json_t *tree, json_t *unknown, struct buf *message);
/* Puts an object into the form a typed server keeps: no nulls, quantities canonical, maps sorted. */
void decode_normalise(const struct type *type, json_t *value);

/* defaults.c */
void defaults_fill(const struct resource *resource, json_t *tree); /* what the decoder fills in */
/* What registry and admission add: addresses, service accounts, classes. before is NULL on creation. */
void defaults_admit(struct sim *sim, const struct resource *resource, const json_t *before, json_t *tree);

/* validate.c: causes is a list of {reason, message, field} */
void validate_object(const struct resource *resource, const json_t *before, const json_t *tree, json_t *causes);

/* patch.c */
bool patch_json(json_t **object, const json_t *patch, struct error *err);
json_t *patch_merge(json_t *object, const json_t *patch);	/* gives */
json_t *patch_strategic(const struct type *type, json_t *object, const json_t *patch);

/* table.c */
json_t *table_columns(const struct resource *resource);
json_t *table_cells(const struct resource *resource, const json_t *tree, int64_t now_ms);

/* control.c */
void control_notice(struct sim *sim, struct object *object);	 /* it changed */
void control_removed(struct sim *sim, struct object *object, const json_t *tree);
void control_forget(struct sim *sim, struct object *object);	 /* its memory goes */
bool control_start(struct sim *sim, struct error *err);
void control_stop(struct sim *sim);

#endif
