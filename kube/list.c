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

static bool page_path(const struct kube_resource *resource, const struct kube_list_options *options, const char *token,
		      struct buf *out, struct error *err)
{
	char limit[16];

	if (!kube_path(resource, options->namespace, NULL, out, err))
		return false;
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

bool kube_list(struct kube *kube, const struct kube_resource *resource, const struct kube_list_options *options,
	       const struct cancel *cancel, kube_item_fn *on_item, void *arg, char **ret_resource_version,
	       struct error *err)
{
	AUTO_FREE char *what = xasprintf("list %s%s%s", resource->resource,
					 options->namespace && *options->namespace ? " in namespace " : "",
					 options->namespace ? options->namespace : "");
	AUTO_RELEASE(page) page = { 0 };
	bool restarted = false;

	do {
		AUTO_RELEASE(buf) path = BUF_INIT(0);
		AUTO_RELEASE(http_response) response = { 0 };
		AUTO_RELEASE(kube_status) status = { 0 };

		if (!page_path(resource, options, page.next, &path, err))
			return false;
		struct http_request request = { .path = buf_cstr(&path),
						.accept = options->metadata_only ? accept_metadata : NULL,
						.max_body_bytes = MAX_PAGE_BYTES };

		if (!kube_call(kube, &request, what, cancel, &response, &status, err)) {
			if (status.code != 410 || restarted || !page.next)
				return false;
			restarted = true;
			error_release(err);
			page_release(&page);
			continue;
		}
		page_release(&page);
		if (!page_read(buf_str(&response.body), on_item, arg, &page, err))
			return error_wrap(err, "%s", what);
	} while (page.next || (restarted && !page.resource_version));
	if (ret_resource_version)
		*ret_resource_version = GIVE(page.resource_version);
	return true;
}
