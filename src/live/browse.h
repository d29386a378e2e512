/*
 * browse: any kind that the server has, on demand: which kinds there are, their lists as living tables, whole objects, their
 * events, changes to them, and whether we may.
 *
 *   net thread: Tables listed and watched ─ queue ─┐
 *   workers: discovery, get, events, patch, … ─────┴─► browse_poll() on the owner's thread: tables, answers
 *
 * Created, polled and destroyed on one thread, the one that draws; nothing here waits for the network, browse_destroy()
 * neither. What a kind is called in requests is its struct kube_resource (kube/client.h): borrowed from
 * browse_kind_at() or browse_find_kind(), good until browse_destroy().
 *
 *     const struct kube_resource *pods = browse_find_kind(browse, "pods");
 *     struct table *table = browse_open(browse, &(struct browse_list){ .resource = pods, .namespace = "" });
 *     … when browse_fd() is readable: browse_poll(browse, 2); draw table_shown_at(table, n) of model/table.h
 *     browse_close(browse, table);
 */
#ifndef SLOTDECK_LIVE_BROWSE_H
#define SLOTDECK_LIVE_BROWSE_H

#include "kube/client.h"
#include "model/table.h"

struct browse;

struct browse_options {
	struct kube *kube;   /* borrowed until browse_destroy() */
	struct clock *clock; /* NULL: the system's */
};
/* Starts to ask which kinds there are. */
struct browse *browse_create(const struct browse_options *options);
/* No callback runs after this; closes what is open. NULL is fine. Before kube_close(). */
void browse_destroy(struct browse *browse);
DEFINE_AUTO(browse);
/* Readable while something waits; borrowed, never read from it. */
int browse_fd(const struct browse *browse);
/* Takes in what waits, for budget_ms at most (0: all of it), and calls back those whose answers came. True: something that
 * is shown may have changed. */
bool browse_poll(struct browse *browse, int64_t budget_ms);
/* Ends all pauses: the person asked to try now. */
void browse_hurry(struct browse *browse);

/* ---- kinds ---- */

enum browse_kinds {
	KINDS_ASKED, /* the first answer is under way */
	KINDS_KNOWN,
	KINDS_FAILED /* *ret_why says why; asked again by browse_refresh_kinds() */
};
/* ret_why: "", or what is wrong; also with KINDS_KNOWN, when groups of the server do not answer. Borrowed until the next
 * browse_poll(). */
enum browse_kinds browse_kinds(const struct browse *browse, const char **ret_why);
/* The n-th kind that can be listed, each in one version, the preferred: core kinds first, then by group and kind. NULL past
 * the end. May change with browse_poll(). */
const struct kube_resource *browse_kind_at(const struct browse *browse, size_t n);
/* By a word as a person types it: po, pods, Pod, deployments.apps. NULL: unknown. Before KINDS_KNOWN the kinds that the
 * program knows by heart are found. */
const struct kube_resource *browse_find_kind(struct browse *browse, const char *word);
/* By "apps/v1" and "Deployment": of an owner, an event. */
const struct kube_resource *browse_find_api(struct browse *browse, const char *api_version, const char *kind);
/* Asks again (a CRD came, a person asked). Costs little when nothing changed. */
void browse_refresh_kinds(struct browse *browse);

/* ---- tables ---- */

struct browse_list {
	const struct kube_resource *resource;
	const char *namespace;			     /* "" or NULL: all */
	const char *label_selector, *field_selector; /* NULL: none */
};
/*
 * Lists (500 rows a page, shown as they come) and then watches. Trouble is told by table_state(): refused, broken, stale;
 * rows stay. Where the server has no watch for the kind, it is listed each 10 s. Borrowed until browse_close(); sort and
 * filter it as you like.
 */
struct table *browse_open(struct browse *browse, const struct browse_list *list);
/* Stops and frees it. */
void browse_close(struct browse *browse, struct table *table);
/* The server's wall clock, for ages and table_state(). */
int64_t browse_now_ms(const struct browse *browse);

/* ---- questions and changes, each answered once by its callback from inside browse_poll() ---- */

struct browse_answer {
	bool ok;
	const struct error *error; /* when not ok: the server's own message is in it */
	int code;		   /* HTTP status of a refusal; 0: there was none */
	const char *reason;	   /* of a refusal: "Conflict", "NotFound", …; "" */
	struct str text;	   /* JSON: the object as the server sent it; empty after a delete */
	const struct row *const *events; /* of browse_events(): newest last */
	size_t nevents;
};
/* answer is borrowed until it returns. */
typedef void browse_fn(const struct browse_answer *answer, void *arg);
typedef unsigned long browse_id; /* never 0 */

struct browse_object {
	const struct kube_resource *resource;
	const char *namespace; /* "" for cluster-wide kinds */
	const char *name;
	const char *uid; /* events: of this object only; delete: precondition. NULL: any */
};
/* All texts are copied. */
browse_id browse_get(struct browse *browse, const struct browse_object *object, browse_fn *fn, void *arg);
/* The events about it, at most 500. */
browse_id browse_events(struct browse *browse, const struct browse_object *object, browse_fn *fn, void *arg);

enum browse_patch { PATCH_MERGE, PATCH_JSON, PATCH_STRATEGIC };
/* body is JSON. subresource ("scale", "status") NULL: the object itself. dry_run: the server says what would be. */
browse_id browse_patch(struct browse *browse, const struct browse_object *object, enum browse_patch type, const char *subresource,
		       struct str body, bool dry_run, browse_fn *fn, void *arg);
/* Deletes with uid and resource_version (NULL: any) as preconditions. propagation NULL: "Background". */
browse_id browse_delete(struct browse *browse, const struct browse_object *object, const char *resource_version,
			const char *propagation, bool dry_run, browse_fn *fn, void *arg);
/* object->name is not used: it is in body. */
browse_id browse_create_object(struct browse *browse, const struct browse_object *object, struct str body, bool dry_run,
			       browse_fn *fn, void *arg);
/* Its callback will not run; a change that was sent already is not undone. Unknown ids are fine. */
void browse_forget(struct browse *browse, browse_id id);

/* ---- rights ---- */

enum browse_right {
	RIGHT_UNKNOWN, /* not asked, not answered yet, or the server does not say: let the person try */
	RIGHT_YES,
	RIGHT_NO
};
/* Whether we may, as far as it is known; asks nothing. The group of question is never NULL. */
enum browse_right browse_may(const struct browse *browse, const struct kube_access *question);
/*
 * Sees to it that browse_may() will know: asks beside the screen what is not known, or older than 5 min; the old answer holds
 * until then. Costs one request for a whole namespace (SelfSubjectRulesReview); single ones (SelfSubjectAccessReview) for
 * cluster-wide kinds, and for what is not in a list that the server calls incomplete. Call it again and again.
 */
void browse_ask_right(struct browse *browse, const struct kube_access *question);
/* The server refused something: what is known is asked anew, by and by. */
void browse_doubt_rights(struct browse *browse);
/* Why this server is only looked at ("… is 1.23: …"); "": it is not, or its version is not known yet. Borrowed until the
 * next browse_poll(). */
const char *browse_only_looks(const struct browse *browse);

#endif
