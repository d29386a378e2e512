#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/rest.h"

static const char *const all_verbs[] = { "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch" };

static json_t *verbs_of(const struct resource *r)
{
	json_t *list;

	if (r->flags & KIND_REVIEW)
		return json_pack("[s]", "create");
	if (r->flags & KIND_METRICS)
		return json_pack("[s,s]", "get", "list");
	list = json_array();
	for (size_t i = 0; i < ARRAY_LEN(all_verbs); i++)
		if (i != 2 || !(r->flags & KIND_NO_COLLECTION))
			json_array_append_new(list, json_string(all_verbs[i]));
	return list;
}

static json_t *words(const char *text)
{
	json_t *list = json_array();
	struct str rest = str_of(text), word;

	while (rest.len) {
		if (!str_cut(&rest, ',', &word)) {
			word = rest;
			rest.len = 0;
		}
		json_array_append_new(list, json_stringn(word.p, word.len));
	}
	return list;
}

static void put_words(json_t *object, const char *key, const char *text)
{
	if (*text)
		json_object_set_new(object, key, words(text));
}

static const struct sub {
	const char *group, *plural, *name, *kind, *sub_group, *sub_version, *verbs;
	unsigned flag;
} subs[] = {
	{ "", "pods", "attach", "PodAttachOptions", "", "", "create,get", 0 },
	{ "", "pods", "binding", "Binding", "", "", "create", 0 },
	{ "", "pods", "eviction", "Eviction", "policy", "v1", "create", 0 },
	{ "", "pods", "exec", "PodExecOptions", "", "", "create,get", 0 },
	{ "", "pods", "log", "Pod", "", "", "get", 0 },
	{ "", "pods", "portforward", "PodPortForwardOptions", "", "", "create,get", 0 },
	{ "", "namespaces", "finalize", "Namespace", "", "", "update", 0 },
	{ NULL, NULL, "scale", "Scale", "autoscaling", "v1", "get,patch,update", KIND_SCALE },
	{ NULL, NULL, "status", NULL, "", "", "get,patch,update", KIND_STATUS },
};

static bool has_sub(const struct resource *r, const struct sub *sub)
{
	if (sub->flag)
		return r->flags & sub->flag;
	return !strcmp(sub->group, r->group) && !strcmp(sub->plural, r->plural) && !(r->flags & KIND_METRICS);
}

static bool served(const struct sim *sim, const struct resource *r)
{
	if ((r->flags & KIND_METRICS) && !sim_has(sim, FEATURE_METRICS))
		return false;
	if (!strcmp(r->kind, "SelfSubjectReview") && !sim_has(sim, FEATURE_SELF_REVIEW))
		return false;
	return !r->gone;
}

/* ---- the old form: one list per group and version ---- */

static void old_entries(const struct resource *r, json_t *list)
{
	json_t *entry = json_pack("{s:s,s:s,s:b,s:s,s:o}", "name", r->plural, "singularName", r->singular, "namespaced",
				  r->namespaced, "kind", r->kind, "verbs", verbs_of(r));

	put_words(entry, "shortNames", r->shorts);
	put_words(entry, "categories", r->categories);
	if (r->stored)
		json_object_set_new(entry, "storageVersionHash", json_sprintf("%.10s=", r->kind));
	json_array_append_new(list, entry);
	for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
		if (!has_sub(r, &subs[i]))
			continue;
		entry = json_pack("{s:o,s:s,s:b}", "name", json_sprintf("%s/%s", r->plural, subs[i].name), "singularName", "",
				  "namespaced", r->namespaced);
		if (*subs[i].sub_group) {
			json_object_set_new(entry, "group", json_string(subs[i].sub_group));
			json_object_set_new(entry, "version", json_string(subs[i].sub_version));
		}
		json_object_set_new(entry, "kind", json_string(subs[i].kind ? subs[i].kind : r->kind));
		json_object_set_new(entry, "verbs", words(subs[i].verbs));
		json_array_append_new(list, entry);
	}
}

static json_t *old_list(const struct sim *sim, const char *group, const char *version)
{
	json_t *list = json_array();

	for (size_t i = 0; i < sim->nresources; i++) {
		const struct resource *r = sim->resources[i];

		if (served(sim, r) && !strcmp(r->group, group) && !strcmp(r->version, version))
			old_entries(r, list);
	}
	if (!json_array_size(list)) {
		json_decref(list);
		return NULL;
	}
	json_t *body = json_pack("{s:s}", "kind", "APIResourceList");

	if (*group)
		json_object_set_new(body, "apiVersion", json_string("v1"));
	json_object_set_new(body, "groupVersion", *group ? json_sprintf("%s/%s", group, version) : json_string(version));
	json_object_set_new(body, "resources", list);
	return body;
}

/* ---- groups and their versions, in the order of the table ---- */

static bool first_of(const struct sim *sim, size_t at, bool by_version)
{
	const struct resource *r = sim->resources[at];

	for (size_t i = 0; i < at; i++) {
		const struct resource *before = sim->resources[i];

		if (served(sim, before) && !strcmp(before->group, r->group) && (!by_version || !strcmp(before->version, r->version)))
			return false;
	}
	return true;
}

static json_t *group_entry(const struct sim *sim, const char *group, bool alone)
{
	json_t *versions = json_array(), *entry;

	for (size_t i = 0; i < sim->nresources; i++) {
		const struct resource *r = sim->resources[i];

		if (served(sim, r) && !strcmp(r->group, group) && first_of(sim, i, true))
			json_array_append_new(versions, json_pack("{s:s,s:s}", "groupVersion", r->api_version, "version", r->version));
	}
	if (!json_array_size(versions)) {
		json_decref(versions);
		return NULL;
	}
	entry = alone ? json_pack("{s:s,s:s}", "kind", "APIGroup", "apiVersion", "v1") : json_object();
	json_object_set_new(entry, "name", json_string(group));
	json_object_set_new(entry, "versions", versions);
	json_object_set(entry, "preferredVersion", json_array_get(versions, 0));
	return entry;
}

static json_t *group_list(const struct sim *sim)
{
	json_t *groups = json_array();

	for (size_t i = 0; i < sim->nresources; i++)
		if (served(sim, sim->resources[i]) && *sim->resources[i]->group && first_of(sim, i, false))
			json_array_append_new(groups, group_entry(sim, sim->resources[i]->group, false));
	return json_pack("{s:s,s:s,s:o}", "kind", "APIGroupList", "apiVersion", "v1", "groups", groups);
}

/* ---- the aggregated form ---- */

static json_t *response_kind(const char *group, const char *version, const char *kind)
{
	return json_pack("{s:s,s:s,s:s}", "group", group, "version", version, "kind", kind);
}

static json_t *new_entry(const struct resource *r)
{
	bool custom = r->flags & KIND_CUSTOM;
	json_t *sub_list = json_array();
	json_t *entry = json_pack("{s:s,s:o,s:s,s:s,s:o}", "resource", r->plural, "responseKind",
				  response_kind(custom ? r->group : "", custom ? r->version : "", r->kind), "scope",
				  r->namespaced ? "Namespaced" : "Cluster", "singularResource", r->singular, "verbs", verbs_of(r));

	put_words(entry, "shortNames", r->shorts);
	put_words(entry, "categories", r->categories);
	for (size_t i = 0; i < ARRAY_LEN(subs); i++)
		if (has_sub(r, &subs[i]))
			json_array_append_new(sub_list,
					      json_pack("{s:s,s:o,s:o}", "subresource", subs[i].name, "responseKind",
							response_kind(subs[i].sub_group, subs[i].sub_version,
								      subs[i].kind ? subs[i].kind : r->kind),
							"verbs", words(subs[i].verbs)));
	if (json_array_size(sub_list))
		json_object_set_new(entry, "subresources", sub_list);
	else
		json_decref(sub_list);
	return entry;
}

static json_t *new_group(const struct sim *sim, const char *group)
{
	json_t *versions = json_array();

	for (size_t i = 0; i < sim->nresources; i++) {
		const struct resource *r = sim->resources[i];
		json_t *list;

		if (!served(sim, r) || strcmp(r->group, group) || !first_of(sim, i, true))
			continue;
		list = json_array();
		for (size_t k = i; k < sim->nresources; k++)
			if (served(sim, sim->resources[k]) && !strcmp(sim->resources[k]->api_version, r->api_version))
				json_array_append_new(list, new_entry(sim->resources[k]));
		json_array_append_new(versions, json_pack("{s:s,s:o,s:s}", "version", r->version, "resources", list, "freshness",
							  "Current"));
	}
	json_t *item = json_pack("{s:{},s:o}", "metadata", "versions", versions);

	if (*group)
		jset(item, json_string(group), "metadata", "name");
	return item;
}

static json_t *aggregated(const struct sim *sim, bool core, const char *version)
{
	json_t *items = json_array(), *body;

	for (size_t i = 0; i < sim->nresources; i++)
		if (served(sim, sim->resources[i]) && !*sim->resources[i]->group == core && first_of(sim, i, false))
			json_array_append_new(items, new_group(sim, sim->resources[i]->group));
	body = json_pack("{s:s,s:o,s:{},s:o}", "kind", "APIGroupDiscoveryList", "apiVersion",
			 json_sprintf("apidiscovery.k8s.io/%s", version), "metadata", "items", items);
	return body;
}

/* "v2", "v2beta1" or NULL: the first aggregated form of the Accept header that this server speaks. */
static const char *aggregated_version(const struct sim *sim, const char *accept)
{
	struct str rest = str_of(accept), item;

	if (!sim_has(sim, FEATURE_AGGREGATED))
		return NULL;
	while (rest.len) {
		if (!str_cut(&rest, ',', &item)) {
			item = rest;
			rest.len = 0;
		}
		bool asked = str_find(item, STR("as=APIGroupDiscoveryList")) >= 0 && str_find(item, STR("g=apidiscovery.k8s.io")) >= 0;

		if (asked && str_find(item, STR("v=v2beta1")) >= 0)
			return "v2beta1";
		if (asked && str_find(item, STR("v=v2")) >= 0)
			return "v2";
		if (!asked && str_find(item, STR("application/json")) >= 0)
			return NULL;
	}
	return NULL;
}

static uint64_t hash(const char *bytes, size_t len)
{
	uint64_t h = 1469598103934665603u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)bytes[i]) * 1099511628211u;
	return h;
}

static void send_aggregated(const struct sim *sim, const struct request *request, bool core, const char *version,
			    struct reply *reply)
{
	char etag[32];

	reply_json(reply, 200, aggregated(sim, core, version));
	reply->content_type = !strcmp(version, "v2") ? "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" :
						       "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
	snprintf(etag, sizeof etag, "\"%016llX\"", (unsigned long long)hash(reply->body.p, reply->body.len));
	reply_header(reply, "ETag", etag);
	reply_header(reply, "Vary", "Accept");
	if (request->if_none_match && !strcmp(request->if_none_match, etag)) {
		buf_reset(&reply->body);
		reply->status = 304;
	}
}

bool rest_discovery(struct sim *sim, const struct request *request, char **segments, size_t n, struct reply *reply)
{
	bool core = !strcmp(segments[0], "api");
	const char *version = aggregated_version(sim, request->accept ? request->accept : "");
	json_t *body = NULL;

	if (strcmp(request->method, "GET")) {
		reply_status(reply, 405, "MethodNotAllowed", json_object(),
			     "the server does not allow this method on the requested resource");
		return true;
	}
	if (n == 1 && version) {
		send_aggregated(sim, request, core, version, reply);
		return true;
	}
	if (n == 1 && core)
		body = json_pack("{s:s,s:[s],s:[{s:s,s:o}]}", "kind", "APIVersions", "versions", "v1", "serverAddressByClientCIDRs",
				 "clientCIDR", "0.0.0.0/0", "serverAddress", json_sprintf("127.0.0.1:%d", sim->port));
	else if (n == 1)
		body = group_list(sim);
	else if (core && n == 2)
		body = old_list(sim, "", segments[1]);
	else if (!core && n == 2)
		body = group_entry(sim, segments[1], true);
	else if (!core && n == 3)
		body = old_list(sim, segments[1], segments[2]);
	else
		return false;
	if (body) {
		reply_json(reply, 200, body);
	} else {
		buf_reset(&reply->body);
		buf_adds(&reply->body, "404 page not found\n");
		reply->status = 404;
		reply->content_type = "text/plain; charset=utf-8";
	}
	return true;
}
