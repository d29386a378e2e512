/*
 * apply: server-side apply of many objects in parallel over one connection.
 *
 * Source of truth: kubernetes.io "Server-Side Apply"; kube-client spec 11, 12. One field manager, always the same. An
 * object that client-side `kubectl apply` made is migrated first: what that manager owned becomes ours, so that a field
 * that is no longer in the manifest goes. Blocks the calling thread.
 */
#ifndef SLOTDECK_KUBE_APPLY_H
#define SLOTDECK_KUBE_APPLY_H

#include "kube/client.h"

struct kube_conflict { /* one field that another manager holds with another value */
	char *field;   /* ".spec.replicas" */
	char *manager; /* "kubectl-edit" */
	char *detail;  /* 'subresource "scale"', "using apps/v1 at …"; may be "" */
};

struct kube_apply { /* in */
	const struct kube_resource *resource;
	const char *namespace, *name; /* namespace "" for cluster-scoped kinds */
	struct str body; /* JSON with apiVersion, kind, metadata.name; borrowed until its result came */
	bool dry_run, force;
	bool want_object; /* keep the answer in object */
	void *tag;
	/* out */
	bool ok;
	bool created;	/* 201 */
	json_t *object; /* the answer; NULL unless wanted */
	char *uid, *resource_version;
	int64_t generation;	   /* -1: the kind has none */
	struct kube_status status; /* when refused */
	struct kube_conflict *conflicts;
	size_t nconflicts, conflicts_cap;
	struct error error;
	bool unanswered; /* cancelled after it was sent: it may have been executed */
	char *trouble;	 /* why the last attempt but the present one failed; NULL: there was none */
	unsigned attempts;
};
void kube_apply_release(struct kube_apply *apply);

struct kube_apply_ops { /* all run on the calling thread and may be NULL */
	/* Asked before each is sent; false, with err set, ends the sending. */
	bool (*may_send)(void *arg, struct error *err);
	void (*on_done)(struct kube_apply *apply, void *arg);
	/* Before the pause of a retry. */
	void (*on_wait)(struct kube_apply *apply, const struct http_wait *wait, void *arg);
	void *arg;
};

/*
 * Sends all, at most `parallel` (0: 8) at a time. Transport faults, 429 and 5xx are retried by base/http; everything else is the caller's
 * to judge. False when cancelled or may_send said no: then what is on its way has 3 s to end, and on_done is told of it, answered or not;
 * it is not called for what was never sent. False too when the server is too old for changes (kube_may_write()). ops may be NULL.
 */
bool kube_apply_many(struct kube *kube, struct kube_apply *applies, size_t n, unsigned parallel, const struct cancel *cancel,
		     const struct kube_apply_ops *ops, struct error *err);

/*
 * If live (a whole object) was last applied by client-side apply: rewrites managedFields so that our manager owns what it
 * owned, guarded by resourceVersion, at most 5 tries. *ret_migrated tells whether anything was written.
 */
bool kube_migrate_ownership(struct kube *kube, const struct kube_resource *resource, const char *namespace,
			    const char *name, json_t *live, const struct cancel *cancel, bool *ret_migrated,
			    struct error *err);

#endif
