#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/url.h"
#include "kube/client_private.h"

#define MAX_PAGE_BYTES (64 << 20)
#define MAX_OBJECT_BYTES (16 << 20)

static const char accept_metadata[] =
	"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";

struct page {
	char *next;		/* continue token; NULL: it was the last */
	char *resource_version; /* of the list */
};

static void page_release(struct page *page)
{
	free(page->next);
	free(page->resource_version);
	*page = (struct page){ 0 };
}
DEFINE_AUTO_RELEASE(page);

static bool look_path(const struct kube_look *look, const char *token, struct buf *out, struct error *err)
{
	const struct kube_list_options *options = &look->options;
	char limit[16];

	if (!kube_path(look->resource, options->namespace, look->name, out, err))
		return false;
	if (look->name)
		return true;
	snprintf(limit, sizeof limit, "%u", options->page ? options->page : 500);
	url_add_query(out, "limit", str_of(limit));
	if (options->label_selector)
		url_add_query(out, "labelSelector", str_of(options->label_selector));
	if (options->field_selector)
		url_add_query(out, "fieldSelector", str_of(options->field_selector));
	if (token)
		url_add_query(out, "continue", str_of(token));
	return true;
}

/* Gives each object of the page, then what the list says about itself. */
static bool page_read(struct str body, kube_item_fn *on_item, void *arg, struct page *ret, struct error *err)
{
	AUTO(json_reader) reader = json_reader_create(JSON_LIST, MAX_OBJECT_BYTES);
	struct str object;

	json_reader_feed(reader, body);
	for (;;) {
		if (!json_reader_next(reader, &object, err))
			return false;
		if (!object.p)
			break;
		if (!on_item(object, arg, err))
			return false;
	}
	if (!json_reader_finish(reader, err))
		return false;
	struct str envelope = json_reader_envelope(reader);
	json_t *list = json_loadb(envelope.p, envelope.len, 0, NULL);
	const char *next = NULL, *version = NULL;

	if (list) {
		const json_t *metadata = json_object_get(list, "metadata");

		next = json_string_value(json_object_get(metadata, "continue"));
		version = json_string_value(json_object_get(metadata, "resourceVersion"));
		ret->next = next && *next ? xstrdup(next) : NULL;
		ret->resource_version = xstrdup(version ? version : "");
	}
	json_decref(list);
	return list || error_set(err, ERR_SERVER, "the list has no metadata");
}

struct looking { /* one question under way */
	struct kube_look *look;
	struct page page; /* the newest */
	bool restarted, over;
};

/* Puts what was asked in front of the message. */
static bool say_what(const struct looking *l, struct error *err)
{
	const struct kube_look *look = l->look;
	const char *namespace = look->options.namespace ? look->options.namespace : "", *name = look->name;

	return error_wrap(err, "%s %s%s%s%s%s", name ? "get" : "list", look->resource->resource, name ? " " : "", name ? name : "",
			  *namespace ? " in namespace " : "", namespace);
}

static void fail(struct looking *l, struct error *why)
{
	say_what(l, why);
	error_move(&l->look->error, why);
	l->over = true;
}

/* Adds the request for the next page, or the only one. */
static void ask(struct kube *kube, struct http_group *group, struct looking *l)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	AUTO_RELEASE(error) why = { 0 };

	if (!look_path(l->look, l->page.next, &path, &why)) {
		fail(l, &why);
		return;
	}
	struct http_request request = { .path = buf_cstr(&path),
					.accept = l->look->options.metadata_only ? accept_metadata : NULL,
					.max_body_bytes = MAX_PAGE_BYTES };

	kube_prepare(kube, &request);
	http_group_add(group, &request, l);
}

/* A token that expired: from the start, once. */
static bool must_restart(struct looking *l, const struct http_response *response)
{
	if (response->status != 410 || l->restarted || !l->page.next)
		return false;
	l->restarted = true;
	page_release(&l->page);
	return true;
}

static bool read_answer(struct looking *l, const struct http_response *response, struct error *err)
{
	AUTO_RELEASE(kube_status) status = { 0 };

	if (!http_ok(response)) {
		kube_status_decode(response, &status);
		return kube_status_error(&status, NULL, err);
	}
	page_release(&l->page);
	return l->look->name ? l->look->on_item(buf_str(&response->body), l->look->arg, err)
			     : page_read(buf_str(&response->body), l->look->on_item, l->look->arg, &l->page, err);
}

static void take(struct kube *kube, struct http_group *group, struct http_result *result)
{
	struct looking *l = result->tag;
	AUTO_RELEASE(error) why = { 0 };

	if (result->error.kind) {
		fail(l, &result->error);
	} else if (must_restart(l, &result->response)) {
		ask(kube, group, l);
	} else if (!read_answer(l, &result->response, &why)) {
		fail(l, &why);
	} else if (l->page.next) {
		ask(kube, group, l);
	} else {
		l->over = true;
	}
}

static bool look_all(struct kube *kube, struct looking *lookings, size_t n, unsigned parallel, const struct cancel *cancel, struct error *err)
{
	AUTO(http_group) group = http_group_create(kube_http(kube), parallel, cancel);
	AUTO_RELEASE(http_result) result = { 0 };

	for (size_t i = 0; i < n; i++)
		ask(kube, group, &lookings[i]);
	while (http_group_next(group, &result, err))
		take(kube, group, &result);
	for (size_t i = 0; i < n && err->kind; i++)
		if (!lookings[i].over)
			return say_what(&lookings[i], err);
	return err->kind == ERR_NONE;
}

bool kube_look_many(struct kube *kube, struct kube_look *looks, size_t n, unsigned parallel, const struct cancel *cancel, struct error *err)
{
	struct looking *lookings = xcalloc(n + 1, sizeof *lookings);

	for (size_t i = 0; i < n; i++)
		lookings[i].look = &looks[i];
	bool good = look_all(kube, lookings, n, parallel, cancel, err);

	for (size_t i = 0; i < n; i++)
		page_release(&lookings[i].page);
	free(lookings);
	return good;
}

bool kube_list(struct kube *kube, const struct kube_resource *resource, const struct kube_list_options *options,
	       const struct cancel *cancel, kube_item_fn *on_item, void *arg, char **ret_resource_version,
	       struct error *err)
{
	struct kube_look look = { .resource = resource, .options = *options, .on_item = on_item, .arg = arg };
	struct looking looking = { .look = &look };
	bool good = look_all(kube, &looking, 1, 1, cancel, err) && (!look.error.kind || error_move(err, &look.error));

	if (good && ret_resource_version)
		*ret_resource_version = GIVE(looking.page.resource_version);
	page_release(&looking.page);
	return good;
}
