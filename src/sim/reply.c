#include "sim/rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reply_release(struct reply *reply)
{
	free(reply->uri);
	for (size_t i = 0; i < reply->nheaders; i++) {
		free(reply->headers[i].name);
		free(reply->headers[i].value);
	}
	free(reply->headers);
	buf_release(&reply->body);
	watch_destroy(reply->watch);
	follow_destroy(reply->follow);
	if (reply->talk.free_arg)
		reply->talk.free_arg(reply->talk.arg);
	*reply = (struct reply){ 0 };
}

void reply_header(struct reply *reply, const char *name, const char *value)
{
	LIST_PUSH(reply->headers, reply->nheaders, reply->headers_cap) = (struct header){ xstrdup(name), xstrdup(value) };
}

void reply_json(struct reply *reply, unsigned code, json_t *body)
{
	buf_reset(&reply->body);
	jx_dump(body, &reply->body);
	buf_addc(&reply->body, '\n');
	json_decref(body);
	reply->status = code;
	reply->content_type = "application/json";
}

void reply_status(struct reply *reply, unsigned code, const char *reason, json_t *details, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	json_t *body = json_pack("{s:s,s:s,s:{},s:s}", "kind", "Status", "apiVersion", "v1", "metadata", "status", "Failure");
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	if (text.len) {
		json_t *message = json_stringn(text.p, text.len);

		json_object_set_new(body, "message", message ? message : json_string("(not UTF-8)"));
	}
	if (*reason)
		json_object_set_new(body, "reason", json_string(reason));
	if (details)
		json_object_set_new(body, "details", details);
	json_object_set_new(body, "code", json_integer(code));
	reply_json(reply, code, body);
}

json_t *details_of(const struct resource *resource, const char *name)
{
	json_t *details = json_object();

	if (*name)
		json_object_set_new(details, "name", json_string(name));
	if (*resource->group)
		json_object_set_new(details, "group", json_string(resource->group));
	json_object_set_new(details, "kind", json_string(resource->plural));
	return details;
}

const char *resource_label(const struct resource *resource, char out[256])
{
	snprintf(out, 256, "%s%s%s", resource->plural, *resource->group ? "." : "", resource->group);
	return out;
}

void reply_not_found(struct reply *reply, const struct resource *resource, const char *name)
{
	char label[256];

	reply_status(reply, 404, "NotFound", details_of(resource, name), "%s \"%s\" not found", resource_label(resource, label),
		     name);
}

void reply_path_not_found(struct reply *reply)
{
	reply_status(reply, 404, "NotFound", json_object(), "the server could not find the requested resource");
}

const char *query_text(const struct request *request, const char *key)
{
	const char *text = map_text(&request->query, key);

	return text ? text : "";
}

bool query_is(const struct request *request, const char *key)
{
	const char *text = query_text(request, key);

	return !strcmp(text, "true") || !strcmp(text, "1");
}

const char *manager_of(const struct request *request, char out[129])
{
	const char *text = query_text(request, "fieldManager");

	if (!*text)
		text = request->user_agent ? request->user_agent : "unknown";
	snprintf(out, 129, "%.128s", text);
	if (!*query_text(request, "fieldManager"))
		out[strcspn(out, "/")] = 0;
	return out;
}

enum form form_wanted(const struct request *request)
{
	const char *accept = request->accept ? request->accept : "";

	if (strstr(accept, "as=PartialObjectMetadata"))
		return FORM_PARTIAL;
	return strstr(accept, "as=Table") ? FORM_TABLE : FORM_OBJECT;
}

static json_t *table_of(const struct request *request, const struct resource *resource, const json_t *tree)
{
	const char *include = query_text(request, "includeObject");
	json_t *object, *meta = json_object_get(tree, "metadata");

	if (!strcmp(include, "None"))
		object = json_null();
	else if (!strcmp(include, "Object"))
		object = json_deep_copy(tree);
	else
		object = json_pack("{s:s,s:s,s:O}", "kind", "PartialObjectMetadata", "apiVersion", "meta.k8s.io/v1", "metadata", meta);
	return json_pack("{s:s,s:s,s:{s:s},s:o,s:[{s:o,s:o}]}", "kind", "Table", "apiVersion", "meta.k8s.io/v1", "metadata",
			 "resourceVersion", jstr(meta, "resourceVersion"), "columnDefinitions", table_columns(resource), "rows",
			 "cells", table_cells(resource, tree, sim_wall_ms()), "object", object);
}

void reply_object(struct reply *reply, const struct request *request, const struct resource *resource, unsigned code,
		  const json_t *tree)
{
	enum form form = form_wanted(request);
	json_t *body = NULL;

	if (form == FORM_TABLE) {
		body = table_of(request, resource, tree);
	} else if (form == FORM_PARTIAL) {
		body = json_pack("{s:s,s:s,s:O}", "kind", "PartialObjectMetadata", "apiVersion", "meta.k8s.io/v1", "metadata",
				 json_object_get(tree, "metadata"));
	} else {
		json_t *value;
		const char *key;

		body = json_pack("{s:s,s:s}", "kind", resource->kind, "apiVersion", resource->api_version);
		json_object_foreach((json_t *)tree, key, value)
			if (!json_object_get(body, key))
				json_object_set(body, key, value);
	}
	reply_json(reply, code, body);
}
