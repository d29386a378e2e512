/*
 * rest: what the API server does with one request, without sockets. Private to src/sim.
 *
 * rest_handle() takes the world's lock itself. A reply is either a body, a watch or a followed log; the server sends it.
 */
#ifndef SLOTDECK_SIM_REST_H
#define SLOTDECK_SIM_REST_H

#include "sim/websocket.h"
#include "sim/world.h"

struct request {
	const char *method, *path; /* path: decoded per segment by rest_handle() */
	struct map query;	   /* decoded texts */
	const char *accept, *content_type, *user_agent, *authorization, *if_none_match;
	const char *uri;   /* as it came; NULL: there is no socket */
	const char *upgrade, *websocket_key, *websocket_protocols; /* headers, or NULL */
	struct str body;
	const char *user; /* set by rest_handle() */
};

struct header {
	char *name, *value;
};

struct watch {
	struct resource *resource; /* whose words are used */
	char *ns;
	struct selector *labels, *fields;
	int64_t rv;
	bool bookmarks, initial_events, list_first;
	enum form { FORM_OBJECT, FORM_PARTIAL, FORM_TABLE } form;
	bool columns_sent;
	_Atomic int64_t ends_ms; /* of sim_wall_ms(); any thread may end a watch early */
	int64_t next_bookmark_ms;
	struct watcher watcher;
	bool attached, over;
	struct sim *sim;
	struct buf out; /* what is to be sent */
	size_t sent;
};

struct follow { /* a followed log */
	struct sim *sim;
	char *ns, *pod, *container, *uid;
	int64_t next_line;
	bool timestamps, over;
	struct buf out;
	size_t sent;
};

struct reply {
	unsigned status;
	const char *content_type;
	struct buf body;
	struct header *headers;
	size_t nheaders, headers_cap;
	struct watch *watch;   /* owned by the reply until taken */
	struct follow *follow;
	char *uri; /* of the request and its number in the log, as the server sets them; NULL */
	unsigned long number;
	struct ws_talk talk; /* after 101; run NULL: none */
};

void reply_release(struct reply *reply);
DEFINE_AUTO_RELEASE(reply);
void reply_header(struct reply *reply, const char *name, const char *value);
/* Answers with a Status; details is taken and may be NULL. */
void reply_status(struct reply *reply, unsigned code, const char *reason, json_t *details, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void reply_json(struct reply *reply, unsigned code, json_t *body_taken);

/* Takes a query (after the "?" of uri) apart; values are texts. */
void query_parse(const char *uri, struct map *query);

void rest_handle(struct sim *sim, struct request *request, struct reply *reply);

/* ---- between the files of the REST layer; under the lock ---- */

struct target { /* what a path names */
	struct resource *resource;
	char *ns, *name, *sub; /* "" when absent */
};

json_t *details_of(const struct resource *resource, const char *name); /* {"name","group","kind": plural} */
const char *resource_label(const struct resource *resource, char out[256]); /* "deployments.apps" */
void reply_not_found(struct reply *reply, const struct resource *resource, const char *name);
void reply_path_not_found(struct reply *reply);
void reply_object(struct reply *reply, const struct request *request, const struct resource *resource, unsigned code,
		  const json_t *tree);
enum form form_wanted(const struct request *request);
const char *query_text(const struct request *request, const char *key); /* never NULL */
bool query_is(const struct request *request, const char *key);		/* true, 1 */
const char *manager_of(const struct request *request, char out[129]);

void rest_create(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply);
void rest_update(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply);
void rest_patch(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply);
void rest_delete(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply);
void rest_delete_collection(struct sim *sim, const struct request *request, const struct target *target,
			    struct reply *reply);
void rest_list(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply);
void rest_watch(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply);
void rest_log(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply);
/* exec, attach and portforward of pods. */
void rest_connect(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply);
/* The container that a query names, or the only one; false: answered 400. Borrowed from tree or request. */
bool rest_choose_container(const struct request *request, const struct target *target, const json_t *tree, const char **ret,
			   struct reply *reply);
void rest_metrics(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply);
bool rest_discovery(struct sim *sim, const struct request *request, char **segments, size_t n, struct reply *reply);
void rest_review(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply);

/* Puts more text into watch->out; takes the lock. False when the watch is over and all is sent. */
bool watch_fill(struct watch *watch);
void watch_destroy(struct watch *watch);
bool follow_fill(struct follow *follow);
void follow_destroy(struct follow *follow);

/* Gives a core event in the words of events.k8s.io; takes core. */
json_t *event_in_new_words(json_t *core);

/* rbac.c */
struct rbac *rbac_create(void);
void rbac_destroy(struct rbac *rbac);
bool rbac_load(struct rbac *rbac, const json_t *rules, struct error *err);
bool rbac_known(const struct rbac *rbac, const char *token);
const char *rbac_user(const struct rbac *rbac, const char *token);
bool rbac_allows(const struct rbac *rbac, const char *token, const char *verb, const char *group, const char *resource,
		 const char *sub, const char *ns, const char *name);
/* Answers 403 and gives false when the request's user may not. */
bool rest_allowed(struct sim *sim, const struct request *request, const char *verb, const struct target *target,
		  struct reply *reply);

/* What controllers use: the same writes without a request. tree is taken. */
struct object *rest_write(struct sim *sim, struct object *object, json_t *tree, const char *manager,
			  const char *subresource);
struct object *rest_add(struct sim *sim, struct resource *resource, json_t *tree, const char *manager, json_t **ret_status);
void rest_remove(struct sim *sim, struct object *object, const char *policy, int64_t grace_s);
/* Removes the object when it is being deleted and nothing holds it any more; then true. */
bool rest_finish_delete(struct sim *sim, struct object *object);

#endif
