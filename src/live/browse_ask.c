#include "live/browse_private.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX_BYTES (16 << 20)
#define EVENTS_MAX 500

/*
 * An ask is made on the owner's thread, worked on by a worker, and told on the owner's thread; between those it has one
 * owner at a time. fn and arg are the owner's thread's alone.
 */
enum ask_what { ASK_GET, ASK_EVENTS, ASK_SEND, ASK_DELETE };

struct ask {
	browse_id id;
	enum ask_what what;
	struct kube *kube;
	const struct kube_resource *resource;
	char *namespace, *name, *uid;
	char *subresource, *resource_version, *propagation, *verb;
	const char *method, *content_type;
	struct buf body;
	bool dry_run;
	browse_fn *fn; /* NULL: nobody wants to know */
	void *arg;
	/* what came of it */
	struct error error;
	struct kube_status status;
	struct http_response response;
	struct row **events;
	size_t nevents, events_cap;
};

static char *copy_or_null(const char *text)
{
	return text && *text ? xstrdup(text) : NULL;
}

static void ask_release(void *arg)
{
	struct ask *ask = arg;

	for (size_t i = 0; i < ask->nevents; i++)
		row_destroy(ask->events[i]);
	free(ask->events);
	free(ask->namespace);
	free(ask->name);
	free(ask->uid);
	free(ask->subresource);
	free(ask->resource_version);
	free(ask->propagation);
	free(ask->verb);
	buf_release(&ask->body);
	error_release(&ask->error);
	kube_status_release(&ask->status);
	http_response_release(&ask->response);
	free(ask);
}

/* ---- the work ---- */

static bool send(struct ask *ask, const struct cancel *cancel)
{
	struct kube_send send = { .method = ask->method, .verb = ask->verb, .namespace = ask->namespace, .name = ask->name,
				  .subresource = ask->subresource, .content_type = ask->content_type, .body = buf_str(&ask->body),
				  .idempotent = ask->dry_run || !strcmp(ask->method, "GET"), .dry_run = ask->dry_run };

	return kube_send(ask->kube, ask->resource, &send, cancel, &ask->response, &ask->status, &ask->error);
}

static bool send_delete(struct ask *ask, const struct cancel *cancel)
{
	struct kube_delete_options options = { .uid = ask->uid, .resource_version = ask->resource_version,
					       .propagation = ask->propagation, .dry_run = ask->dry_run };

	return kube_delete(ask->kube, ask->resource, ask->namespace, ask->name, &options, cancel, &ask->status, &ask->error);
}

struct event_reading {
	struct ask *ask;
	struct row_decoder *decoder;
};

static bool on_event(struct str object, void *arg, struct error *err)
{
	struct event_reading *reading = arg;
	struct ask *ask = reading->ask;
	AUTO_RELEASE(error) ignored = { 0 };
	struct row *row;

	if (ask->nevents == EVENTS_MAX)
		return error_set(err, ERR_LIMIT, "more than %d events", EVENTS_MAX);
	if (row_decode(reading->decoder, &kind_event, object, &row, &ignored))
		LIST_PUSH(ask->events, ask->nevents, ask->events_cap) = row;
	return true;
}

static int compare_events(const void *a, const void *b)
{
	return row_event_compare(*(struct row *const *)a, *(struct row *const *)b);
}

/* Kubelets write a Node's name where its uid belongs, so cluster-wide objects go by name. */
static bool fetch_events(struct ask *ask, const struct cancel *cancel)
{
	static const struct kube_resource events = { .group = (char *)"", .version = (char *)"v1", .kind = (char *)"Event",
						     .resource = (char *)"events", .namespaced = true };
	bool by_uid = ask->uid && ask->namespace;
	AUTO_FREE char *selector = by_uid ? xasprintf("involvedObject.uid=%s", ask->uid) :
					    xasprintf("involvedObject.kind=%s,involvedObject.name=%s", ask->resource->kind, ask->name);
	AUTO(row_decoder) decoder = row_decoder_create();
	struct kube_list_options options = { .namespace = ask->namespace, .field_selector = selector, .page = EVENTS_MAX };
	struct event_reading reading = { ask, decoder };
	bool good = kube_list(ask->kube, &events, &options, cancel, on_event, &reading, NULL, &ask->error);

	if (ask->error.kind == ERR_LIMIT) {
		error_release(&ask->error);
		good = true;
	}
	if (ask->nevents)
		qsort(ask->events, ask->nevents, sizeof(struct row *), compare_events);
	return good;
}

static void ask_work(const struct cancel *cancel, void *arg)
{
	static bool (*const works[])(struct ask *ask, const struct cancel *cancel) = {
		[ASK_GET] = send, [ASK_EVENTS] = fetch_events, [ASK_SEND] = send, [ASK_DELETE] = send_delete,
	};
	struct ask *ask = arg;

	works[ask->what](ask, cancel);
}

/* ---- asking and telling ---- */

static void ask_end(void *arg, void *owner)
{
	struct ask *ask = arg;
	struct browse *browse = owner;
	struct browse_answer answer = {
		.ok = ask->error.kind == ERR_NONE, .error = &ask->error, .code = ask->status.code,
		.reason = ask->status.reason ? ask->status.reason : "", .text = buf_str(&ask->response.body),
		.events = (const struct row *const *)ask->events, .nevents = ask->nevents,
	};

	for (size_t i = 0; i < browse->nasks; i++) {
		if (browse->asks[i] != ask)
			continue;
		browse->asks[i] = browse->asks[--browse->nasks];
		break;
	}
	if (ask->fn)
		ask->fn(&answer, ask->arg);
}

static struct ask *ask_create(struct browse *browse, enum ask_what what, const struct browse_object *object, browse_fn *fn, void *arg)
{
	struct ask *ask = xcalloc(1, sizeof *ask);

	ask->id = ++browse->last_ask;
	ask->what = what;
	ask->kube = browse->kube;
	ask->resource = object->resource;
	ask->namespace = copy_or_null(object->namespace);
	ask->name = copy_or_null(object->name);
	ask->uid = copy_or_null(object->uid);
	ask->method = "GET";
	ask->fn = fn;
	ask->arg = arg;
	return ask;
}

static browse_id ask_run(struct browse *browse, struct ask *ask)
{
	browse_id id = ask->id;

	LIST_PUSH(browse->asks, browse->nasks, browse->asks_cap) = ask;
	tasks_run(browse->tasks, &(struct task){ .work = ask_work, .end = ask_end, .release = ask_release, .arg = ask });
	return id;
}

void browse_forget(struct browse *browse, browse_id id)
{
	for (size_t i = 0; i < browse->nasks; i++)
		if (browse->asks[i]->id == id)
			browse->asks[i]->fn = NULL;
}

browse_id browse_get(struct browse *browse, const struct browse_object *object, browse_fn *fn, void *arg)
{
	struct ask *ask = ask_create(browse, ASK_GET, object, fn, arg);

	ask->verb = xstrdup("get");
	return ask_run(browse, ask);
}

browse_id browse_events(struct browse *browse, const struct browse_object *object, browse_fn *fn, void *arg)
{
	return ask_run(browse, ask_create(browse, ASK_EVENTS, object, fn, arg));
}

browse_id browse_patch(struct browse *browse, const struct browse_object *object, enum browse_patch type, const char *subresource,
		       struct str body, bool dry_run, browse_fn *fn, void *arg)
{
	static const char *const types[] = { [PATCH_MERGE] = "application/merge-patch+json",
					     [PATCH_JSON] = "application/json-patch+json",
					     [PATCH_STRATEGIC] = "application/strategic-merge-patch+json" };
	struct ask *ask = ask_create(browse, ASK_SEND, object, fn, arg);

	ask->method = "PATCH";
	ask->verb = xstrdup("patch");
	ask->content_type = types[type];
	ask->subresource = copy_or_null(subresource);
	ask->dry_run = dry_run;
	buf_add_str(&ask->body, body);
	return ask_run(browse, ask);
}

browse_id browse_create_object(struct browse *browse, const struct browse_object *object, struct str body, bool dry_run,
			       browse_fn *fn, void *arg)
{
	struct ask *ask = ask_create(browse, ASK_SEND, object, fn, arg);

	free(ask->name);
	ask->name = NULL;
	ask->method = "POST";
	ask->verb = xstrdup("create");
	ask->content_type = "application/json";
	ask->dry_run = dry_run;
	buf_add_str(&ask->body, body);
	return ask_run(browse, ask);
}

browse_id browse_delete(struct browse *browse, const struct browse_object *object, const char *resource_version,
			const char *propagation, bool dry_run, browse_fn *fn, void *arg)
{
	struct ask *ask = ask_create(browse, ASK_DELETE, object, fn, arg);

	ask->resource_version = copy_or_null(resource_version);
	ask->propagation = copy_or_null(propagation);
	ask->dry_run = dry_run;
	return ask_run(browse, ask);
}
