/*
 * act: one change to one object, first prepared (may we, what will be sent, what will it do), then done exactly so.
 *
 * act_prepare() asks for the rights, reads what it needs, and sends every request as a server dry run; act_perform() sends the same
 * requests for good. Between them a person says yes. Both block; any thread. Sources: the Kubernetes API reference; the annotations
 * that kubectl writes for restart and manual runs, so that its history reads well.
 */
#ifndef SLOTDECK_JOB_ACT_H
#define SLOTDECK_JOB_ACT_H

#include "base/cancel.h"
#include "kube/client.h"
#include "model/ref.h"

enum act_kind {
	ACT_RESTART,   /* Deployment, StatefulSet, DaemonSet */
	ACT_SCALE,     /* what has a scale: number is the replicas wanted */
	ACT_UNDO,      /* Deployment, StatefulSet, DaemonSet: number is the revision, 0: the one before */
	ACT_DELETE,
	ACT_SUSPEND,   /* CronJob */
	ACT_RESUME,
	ACT_TRIGGER,   /* CronJob: a Job from its template, now */
	ACT_FREE_SLOT, /* the record (a ConfigMap) and the namespace that it names */
	ACT_COUNT
};

struct act {
	enum act_kind kind;
	struct object_ref object;
	int64_t number;
};
void act_release(struct act *act);

struct act_request {
	const char *method; /* static */
	char *path;	    /* escaped, with query but without dryRun */
	const char *content_type; /* static; NULL: no body */
	char *body;	    /* JSON; NULL */
};

struct act_plan {
	enum act_kind kind;
	struct object_ref object;
	char *title;	/* "Restart Deployment users" */
	char **lines;	/* what will happen and what will be sent, for a person */
	size_t nlines, lines_cap;
	struct act_request *requests;
	size_t nrequests, requests_cap;
	char *command;	/* a kubectl command that does the same */
	bool destructive; /* evidence is worth keeping before */
};
void act_plan_release(struct act_plan *plan);
DEFINE_AUTO_RELEASE(act_plan);

/* Whether kind can be done to objects of that kind at all ("Deployment"). */
bool act_fits(enum act_kind kind, const char *api_version, const char *object_kind);
/* "restart", … */
const char *act_name(enum act_kind kind);
#define ACT_NEEDS_MAX 2
/*
 * The rights that it takes: on object, whose kind is resource, and on what else is touched. slot_namespace is the one that ACT_FREE_SLOT
 * deletes; NULL: not known. Gives how many; the texts are those of the arguments.
 */
size_t act_needs(enum act_kind kind, const struct object_ref *object, const struct kube_resource *resource, const char *slot_namespace,
		 struct kube_access ret[ACT_NEEDS_MAX]);
/*
 * ret is empty before. ERR_DENIED: a right is missing (verb and resource are named), or the program is read-only; ERR_NOT_FOUND: the object,
 * or the revision, is not there; ERR_CONFLICT: it is another object by now (uid).
 */
bool act_prepare(struct kube *kube, const struct act *act, const struct cancel *cancel, struct act_plan *ret, struct error *err);
/* Stops at the first request that fails; err says which, and what was done before it. */
bool act_perform(struct kube *kube, const struct act_plan *plan, const struct cancel *cancel, struct error *err);

#endif
