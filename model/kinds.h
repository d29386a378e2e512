/*
 * kinds: the resource kinds that the program knows by heart, one table row each.
 *
 * A row says how the server names the kind, which JSON fields of its objects are kept and where (model/row.h), which columns
 * a list of them has, and which health rule judges them (model/health.h). Kinds that a server has beside these get a
 * struct kind of the common shape from kind_create_other(). Immutable; any thread.
 */
#ifndef SLOTDECK_MODEL_KINDS_H
#define SLOTDECK_MODEL_KINDS_H

#include "model/row.h"

enum kind_shape { /* which member of struct row's union */
	SHAPE_OTHER,
	SHAPE_WORKLOAD,
	SHAPE_POD,
	SHAPE_JOB,
	SHAPE_CRON_JOB,
	SHAPE_CLAIM,
	SHAPE_SERVICE,
	SHAPE_INGRESS,
	SHAPE_EVENT,
	SHAPE_NAMESPACE,
	SHAPE_RECORD,
	SHAPE_STORAGE_CLASS,
	SHAPE_AUTOSCALER,
	SHAPE_COUNT
};

struct column {
	const char *title;
	unsigned width;	  /* cells wanted */
	bool right;	  /* aligned to the right: numbers, ages */
	/* Appends the cell's text. now_ms is for ages. */
	void (*cell)(const struct row *row, int64_t now_ms, struct buf *out);
};

struct field;	   /* model/row_private.h: a JSON path and where its value goes */
struct health_rule; /* model/health.h */

struct kind {
	const char *group, *version, *kind;    /* group "" is the core group */
	const char *resource, *singular, *alias; /* "pods", "pod", "po"; alias "" when there is none */
	bool namespaced;
	enum kind_shape shape;
	const char *crowd_selector; /* field selector for what is watched of it where there are thousands; NULL: all */
	bool chatty; /* changes often even where all is well: its watch is kept apart from the quiet ones */
	bool still; /* has no status worth waiting for: there is healthy (ConfigMap, Role, …) */
	const struct field *fields; /* of the object besides metadata */
	size_t nfields;
	const struct column *columns;
	size_t ncolumns;
	const struct health_rule *rule; /* NULL: the common rule for custom kinds, or none when still */
};

/* Built-in kinds, for direct use. */
extern const struct kind kind_deployment, kind_stateful_set, kind_daemon_set, kind_replica_set, kind_pod, kind_job,
	kind_cron_job, kind_claim, kind_service, kind_ingress, kind_event, kind_namespace, kind_config_map, kind_secret,
	kind_storage_class, kind_autoscaler, kind_crd;

/* The n-th built-in kind, NULL past the end. */
const struct kind *kind_at(size_t n);
/* By group and kind ("apps", "Deployment"), the version does not matter. NULL: not built in. */
const struct kind *kind_find(const char *group, const char *kind);
/* By "apps/v1" and "Deployment". */
const struct kind *kind_find_api(const char *api_version, const char *kind);
/* By what a person types: "pods", "pod", "po", "Pod", "deployments.apps". */
const struct kind *kind_find_word(const char *word);
/* "apps/v1" or "v1". */
void kind_api_version(const struct kind *kind, struct buf *out);

/* Gives a kind that is not built in (a custom resource). Copies its texts. Every row of it must be gone before it is. */
struct kind *kind_create_other(const char *group, const char *version, const char *kind, const char *resource,
			       bool namespaced);
void kind_destroy(struct kind *kind);
DEFINE_AUTO(kind);
bool kind_same(const struct kind *a, const struct kind *b);

#endif
