/*
 * client: one cluster, as one kubeconfig context says: login, HTTP, discovery, and plain requests.
 *
 * Source of truth: Kubernetes API concepts. Nothing here runs a child but credential plugins. Functions block the
 * calling job's thread (never the net or main thread) until answer, deadline or cancel; several threads may use one
 * struct kube at a time. What the server refuses comes as an error (401, 403: ERR_DENIED; 404: ERR_NOT_FOUND; 409:
 * ERR_CONFLICT; else ERR_SERVER) and, where ret_status is given, whole.
 */
#ifndef SLOTDECK_KUBE_CLIENT_H
#define SLOTDECK_KUBE_CLIENT_H

#include <jansson.h>

#include "base/http.h"
#include "kube/kubeconfig.h"
#include "kube/status.h"

struct kube;

struct kube_options {
	struct kubeconfig_options kubeconfig;
	bool read_only;
	bool deny_exec, stdin_is_ours;
	const char *field_manager; /* NULL: "slotdeck" */
	unsigned timeout_ms;	   /* of one call with its retries; 0: 60 s */
	void (*on_wait)(const struct http_wait *wait, void *arg); /* told before each pause of a retry; may be NULL */
	void *on_wait_arg;
	/* Told each line that a credential plugin writes to stderr, sanitised, on a helper thread; may be NULL. */
	void (*on_stderr)(const char *line, void *arg);
	void *on_stderr_arg;
};

/* Reads the configuration; does not talk yet. Borrows net until kube_close(). */
bool kube_open(struct net *net, const struct kube_options *options, struct kube **ret, struct error *err);
/*
 * Gets the credential that the first request will want, without talking to the server: token files, credential plugins. ERR_DENIED says
 * which failed and why. May be cancelled; after that kube is good for kube_close() only.
 */
bool kube_log_in(struct kube *kube, const struct cancel *cancel, struct error *err);
/* From its return on nothing more is sent; what is under way ends with ERR_CANCELLED. Returns at once; any thread. */
void kube_shut(struct kube *kube);
/* Never waits for sockets. NULL is fine. */
void kube_close(struct kube *kube);
static inline void kube_destroy(struct kube *kube)
{
	kube_close(kube);
}
DEFINE_AUTO(kube);
struct http *kube_http(const struct kube *kube);
struct net *kube_net(const struct kube *kube);
const struct kube_login *kube_login_of(const struct kube *kube);
const char *kube_namespace(const struct kube *kube); /* the context's */
/* " --context NAME", as a shell wants it, where kubectl would not take this context by itself; else "". Borrowed. */
const char *kube_context_flag(const struct kube *kube);
const char *kube_field_manager(const struct kube *kube);
bool kube_is_read_only(const struct kube *kube);

/*
 * on_change is told each changing request before it goes out, with its path and query; dry runs and questions change nothing. On the
 * thread that asks, under a lock: it must not ask this kube anything. NULL: nobody is told any more.
 */
void kube_tell_changes(struct kube *kube, void (*on_change)(const char *method, const char *path, void *arg), void *arg);

/* ---- server ---- */

struct kube_version {
	int major, minor; /* "27+" gives 27 */
	char git_version[64];
};
/* Asked once, then remembered. */
bool kube_server_version(struct kube *kube, const struct cancel *cancel, struct kube_version *ret, struct error *err);
/* Servers before 1.24 are only looked at: ERR_DENIED names the version. Every changing request asks this by itself; dry runs
 * do not. */
bool kube_may_write(struct kube *kube, const struct cancel *cancel, struct error *err);

/* ---- discovery ---- */

struct kube_resource {
	char *group, *version, *kind; /* group "" is the core group */
	char *resource, *singular;    /* "deployments", "deployment" */
	char **short_names;	      /* NULL at the end; may be NULL */
	bool namespaced;
	bool preferred; /* of its group's versions */
	bool can_list, can_watch, can_patch, can_create, can_delete;
	bool has_status, has_scale; /* subresources */
};
/*
 * Reads what kinds the server has: aggregated (v2, v2beta1), else group by group. Groups that fail (a dead aggregated API)
 * are left out and named in kube_failed_groups(); the rest works. Done by itself at first need; call it to refresh, which
 * costs two empty answers when nothing changed (ETag). What was found before stays valid until kube_close(), and what is
 * found again unchanged is the same pointer.
 */
bool kube_discover(struct kube *kube, const struct cancel *cancel, struct error *err);
/* "" if all groups answered. Gives. */
char *kube_failed_groups(struct kube *kube);
/* By "apps/v1" and "Deployment"; NULL: the server has none. Borrowed until kube_close(). Discovers at first use: err is
 * set only if that failed. */
const struct kube_resource *kube_find_kind(struct kube *kube, const char *api_version, const char *kind,
					   const struct cancel *cancel, struct error *err);
/* By a word as a person types it: po, pods, Pod, deployments.apps, deploy.v1.apps. */
const struct kube_resource *kube_find_word(struct kube *kube, const char *word, const struct cancel *cancel,
					   struct error *err);
/* The preferred version of a group's kind. */
const struct kube_resource *kube_find_group_kind(struct kube *kube, const char *group, const char *kind,
						 const struct cancel *cancel, struct error *err);
/* Walks all; false at the end. */
bool kube_resource_at(struct kube *kube, size_t n, const struct kube_resource **ret);
/* Waits until a kind that a CustomResourceDefinition just defined is served, asking at 0.1, 0.2 … 2 s. ERR_TIMEOUT. */
bool kube_wait_for_kind(struct kube *kube, const char *api_version, const char *kind, unsigned timeout_ms,
			const struct cancel *cancel, const struct kube_resource **ret, struct error *err);

/* ---- paths ---- */

/* Appends "/apis/apps/v1/namespaces/N/deployments[/NAME]". namespace NULL or "" on a namespaced kind: all. Escapes; false
 * (ERR_INVALID) for names with '/', '%', "." or "..". */
bool kube_path(const struct kube_resource *resource, const char *namespace, const char *name, struct buf *out,
	       struct error *err);

/* ---- requests ---- */

/* The answer's JSON tree, to be json_decref'd. ERR_NOT_FOUND when it is not there. */
bool kube_get(struct kube *kube, const struct kube_resource *resource, const char *namespace, const char *name,
	      const struct cancel *cancel, json_t **ret, struct error *err);

struct kube_list_options {
	const char *namespace; /* NULL or "": all */
	const char *label_selector, *field_selector;
	bool metadata_only; /* PartialObjectMetadata: no data of Secrets ever enters our memory */
	unsigned page;	    /* objects a page; 0: 500 */
};
/* object: the raw JSON of one item (without kind and apiVersion, as lists have it), borrowed. False (err set) stops. */
typedef bool kube_item_fn(struct str object, void *arg, struct error *err);
/* Page by page, each object cut out of the stream and forgotten. A continue token that expired (410) starts again from the
 * first page once: on_item then sees objects twice. ret_resource_version (may be NULL) is the list's, given. */
bool kube_list(struct kube *kube, const struct kube_resource *resource, const struct kube_list_options *options,
	       const struct cancel *cancel, kube_item_fn *on_item, void *arg, char **ret_resource_version,
	       struct error *err);

struct kube_look { /* one question of many: a list, or one object */
	const struct kube_resource *resource;
	const char *name; /* NULL: a list, as kube_list() */
	struct kube_list_options options; /* with a name only the namespace counts */
	kube_item_fn *on_item;
	void *arg;
	/* out */
	struct error error; /* ERR_NONE: all was seen; release it */
};
/* Asks all, at most `parallel` at a time; on_item runs on the calling thread, pages of different questions in any order. False only when
 * cancelled; what went wrong with one question is in its error, and does not touch the others. */
bool kube_look_many(struct kube *kube, struct kube_look *looks, size_t n, unsigned parallel, const struct cancel *cancel,
		    struct error *err);

/* body is JSON. POST is not repeated blind: after a lost answer the caller sees ERR_NETWORK. ret (may be NULL) gives. */
bool kube_create(struct kube *kube, const struct kube_resource *resource, const char *namespace, struct str body,
		 const struct cancel *cancel, json_t **ret, struct kube_status *ret_status, struct error *err);
bool kube_patch(struct kube *kube, const struct kube_resource *resource, const char *namespace, const char *name,
		const char *subresource, const char *content_type, struct str body, bool dry_run,
		const struct cancel *cancel, json_t **ret, struct kube_status *ret_status, struct error *err);

struct kube_delete_options {
	const char *uid, *resource_version; /* preconditions; NULL: none */
	const char *propagation;	    /* NULL: "Background" */
	bool dry_run;
};
/* Not there already is success. */
bool kube_delete(struct kube *kube, const struct kube_resource *resource, const char *namespace, const char *name,
		 const struct kube_delete_options *options, const struct cancel *cancel, struct kube_status *ret_status,
		 struct error *err);

/* The above in one: what they have in common, and the answer as it came. */
struct kube_send {
	const char *method, *verb;		  /* "PATCH", and "patch" for messages */
	const char *namespace, *name;		  /* name NULL: the collection */
	const char *subresource, *content_type; /* NULL: none */
	struct str body;
	bool idempotent; /* asking twice is as good as once */
	bool dry_run;
	unsigned timeout_ms; /* with all retries; 0: as kube_options has it */
};
bool kube_send(struct kube *kube, const struct kube_resource *resource, const struct kube_send *send, const struct cancel *cancel,
	       struct http_response *ret, struct kube_status *ret_status, struct error *err);

/* A raw call for what has no function here. 400 and more: false, ret_status (may be NULL) whole. */
bool kube_call(struct kube *kube, const struct http_request *request, const char *what, const struct cancel *cancel,
	       struct http_response *ret, struct kube_status *ret_status, struct error *err);
/* Fills what every request to this cluster carries (impersonation, deadlines, wait callback), for http_group users; path is set already. */
void kube_prepare(struct kube *kube, struct http_request *request);

/* ---- what was asked of pods ---- */

struct kube_asked {
	int64_t at_ms; /* wall clock, the last time */
	unsigned times;
	bool upgrade;  /* to a WebSocket */
	char *path;    /* of a log, exec, attach or portforward, as it was sent; always a GET */
};
/* Such requests since kube_open(), newest first, equal ones as one; the last 200. tell borrows and must not call the client. Any thread. */
void kube_asked(struct kube *kube, void (*tell)(const struct kube_asked *asked, void *arg), void *arg);
/* How many there were. */
uint64_t kube_asked_count(struct kube *kube);

/* ---- rights ---- */

struct kube_access {
	const char *verb, *group, *resource, *subresource, *namespace, *name; /* NULL: none */
	bool allowed;
	char *reason; /* of a denial, may be NULL; free() */
};
/* Asks SelfSubjectAccessReview for all at once, in parallel. */
bool kube_can(struct kube *kube, struct kube_access *questions, size_t n, const struct cancel *cancel,
	      struct error *err);
struct kube_rules;
/* All that we may do in one namespace, at once (SelfSubjectRulesReview). Gives. */
bool kube_rules_ask(struct kube *kube, const char *namespace, const struct cancel *cancel, struct kube_rules **ret,
		    struct error *err);
void kube_rules_destroy(struct kube_rules *rules);
DEFINE_AUTO(kube_rules);
/* False: the server left some out (authorizers that don't list rules), so each question wants kube_can(). */
bool kube_rules_are_complete(const struct kube_rules *rules);
/* As RBAC reads rules, wildcards and names too. The question's namespace doesn't count: it is that of the rules. */
bool kube_rules_allow(const struct kube_rules *rules, const struct kube_access *question);
/* Who the server thinks we are; "" when it can't tell (before 1.28). Gives. */
bool kube_whoami(struct kube *kube, const struct cancel *cancel, char **ret, struct error *err);

/* ---- what explains ---- */

/* The last lines of a container's log, newest last; previous: of its former run. Bounded by max_bytes. */
bool kube_log_tail(struct kube *kube, const char *namespace, const char *pod, const char *container, bool previous,
		   unsigned lines, size_t max_bytes, const struct cancel *cancel, struct buf *ret, struct error *err);

#endif
