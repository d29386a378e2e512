#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "kube/api_version.h"
#include "kube/client_private.h"

static const char accept_aggregated[] = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
					"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
					"application/json";

/* What one discovery run finds below /api or /apis, before it is published under the lock. */
struct finding {
	struct kube *kube;
	struct arena *arena;
	struct kube_resource **items;
	size_t len, cap;
	struct buf failed;
	char *etag;
	bool unchanged; /* since the answer with our ETag */
};

static void finding_release(struct finding *finding)
{
	arena_destroy(finding->arena);
	buf_release(&finding->failed);
	free(finding->items);
	free(finding->etag);
}
DEFINE_AUTO_RELEASE(finding);

static char *keep(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text ? text : "", text ? strlen(text) : 0);
}

static char **keep_list(struct arena *arena, const json_t *texts)
{
	size_t n = json_array_size(texts);
	char **list = n ? arena_alloc(arena, (n + 1) * sizeof *list) : NULL;

	for (size_t i = 0; i < n; i++)
		list[i] = keep(arena, json_string_value(json_array_get(texts, i)));
	return list;
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void set_verbs(struct kube_resource *resource, const json_t *verbs)
{
	static const struct {
		const char *verb;
		size_t offset;
	} known[] = {
		{ "list", offsetof(struct kube_resource, can_list) },	  { "watch", offsetof(struct kube_resource, can_watch) },
		{ "patch", offsetof(struct kube_resource, can_patch) },	  { "create", offsetof(struct kube_resource, can_create) },
		{ "delete", offsetof(struct kube_resource, can_delete) },
	};
	size_t i;
	json_t *verb;

	json_array_foreach(verbs, i, verb)
		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			if (json_is_string(verb) && strcmp(json_string_value(verb), known[k].verb) == 0)
				*(bool *)((char *)resource + known[k].offset) = true;
}

static void add_failed(struct finding *finding, const char *group, const char *version)
{
	buf_addf(&finding->failed, "%s%s/%s", finding->failed.len ? ", " : "", *group ? group : "core", version);
}

/* ---- aggregated (v2, v2beta1) ---- */

static void add_aggregated(struct finding *finding, const char *group, const char *version, bool preferred,
			   const json_t *entry)
{
	const json_t *kind = json_object_get(entry, "responseKind");
	size_t i;
	json_t *sub;

	if (!*text_at(kind, "kind"))
		return;
	struct kube_resource *r = arena_alloc(finding->arena, sizeof *r);

	*r = (struct kube_resource){
		.group = keep(finding->arena, group),
		.version = keep(finding->arena, version),
		.kind = keep(finding->arena, text_at(kind, "kind")),
		.resource = keep(finding->arena, text_at(entry, "resource")),
		.singular = keep(finding->arena, text_at(entry, "singularResource")),
		.short_names = keep_list(finding->arena, json_object_get(entry, "shortNames")),
		.namespaced = strcmp(text_at(entry, "scope"), "Namespaced") == 0,
		.preferred = preferred,
	};
	set_verbs(r, json_object_get(entry, "verbs"));
	json_array_foreach(json_object_get(entry, "subresources"), i, sub) {
		r->has_status |= strcmp(text_at(sub, "subresource"), "status") == 0;
		r->has_scale |= strcmp(text_at(sub, "subresource"), "scale") == 0;
	}
	LIST_PUSH(finding->items, finding->len, finding->cap) = r;
}

static void read_aggregated(struct finding *finding, const json_t *list)
{
	size_t g, v, r;
	json_t *group, *version, *resource;

	json_array_foreach(json_object_get(list, "items"), g, group) {
		const char *name = text_at(json_object_get(group, "metadata"), "name");

		json_array_foreach(json_object_get(group, "versions"), v, version) {
			if (strcmp(text_at(version, "freshness"), "Stale") == 0) {
				add_failed(finding, name, text_at(version, "version"));
				continue;
			}
			json_array_foreach(json_object_get(version, "resources"), r, resource)
				add_aggregated(finding, name, text_at(version, "version"), v == 0, resource);
		}
	}
}

/* ---- group by group ---- */

static struct kube_resource *find_in(struct finding *finding, size_t from, const char *resource, size_t len)
{
	for (size_t i = from; i < finding->len; i++)
		if (strlen(finding->items[i]->resource) == len && strncmp(finding->items[i]->resource, resource, len) == 0)
			return finding->items[i];
	return NULL;
}

static void read_resource_list(struct finding *finding, const char *group, const char *version, bool preferred,
			       const json_t *list)
{
	size_t first = finding->len, i;
	json_t *entry;

	json_array_foreach(json_object_get(list, "resources"), i, entry) {
		const char *name = text_at(entry, "name"), *slash = strchr(name, '/');

		if (slash) {
			struct kube_resource *owner = find_in(finding, first, name, (size_t)(slash - name));

			if (owner) {
				owner->has_status |= strcmp(slash, "/status") == 0;
				owner->has_scale |= strcmp(slash, "/scale") == 0;
			}
			continue;
		}
		struct kube_resource *r = arena_alloc(finding->arena, sizeof *r);

		*r = (struct kube_resource){
			.group = keep(finding->arena, group),
			.version = keep(finding->arena, version),
			.kind = keep(finding->arena, text_at(entry, "kind")),
			.resource = keep(finding->arena, name),
			.singular = keep(finding->arena, text_at(entry, "singularName")),
			.short_names = keep_list(finding->arena, json_object_get(entry, "shortNames")),
			.namespaced = json_is_true(json_object_get(entry, "namespaced")),
			.preferred = preferred,
		};
		set_verbs(r, json_object_get(entry, "verbs"));
		LIST_PUSH(finding->items, finding->len, finding->cap) = r;
	}
}

/* attempts 0: the usual number. */
static bool get_json(struct kube *kube, const char *path, const char *accept, const char *etag, unsigned attempts,
		     const struct cancel *cancel, struct http_response *response, struct kube_status *status, json_t **ret,
		     struct error *err)
{
	static const char what[] = "read what kinds the server has";
	struct http_request request = { .path = path, .accept = accept, .timeout_ms = 32000, .max_body_bytes = 32 << 20, .attempts = attempts };
	AUTO_FREE char *condition = xasprintf("If-None-Match: %s", etag ? etag : "");
	AUTO_FREE const char **headers = xcalloc(kube->nheaders + 2, sizeof *headers);

	/* Last, as the list of headers ends with NULL anyway. */
	for (size_t i = 0; i < kube->nheaders && kube->headers[i]; i++)
		headers[i] = kube->headers[i];
	for (size_t i = 0; etag; i++)
		if (!headers[i]) {
			headers[i] = condition;
			break;
		}
	request.headers = headers;
	*ret = NULL;
	if (!kube_call(kube, &request, what, cancel, response, status, err))
		return false;
	return response->status == 304 || kube_parse(response, what, ret, err);
}

/* A group version that does not answer is left out, and all wait for it: so it gets a second chance, no more. Only cancel ends
 * everything. */
static bool read_group_version(struct finding *finding, const char *group, const char *version, bool preferred,
			       const struct cancel *cancel, struct error *err)
{
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(error) why = { 0 };
	AUTO_FREE char *path = *group ? xasprintf("/apis/%s/%s", group, version) : xasprintf("/api/%s", version);
	json_t *list;

	if (!get_json(finding->kube, path, NULL, NULL, 2, cancel, &response, NULL, &list, &why)) {
		if (why.kind == ERR_CANCELLED || why.kind == ERR_DENIED || why.kind == ERR_NETWORK)
			return error_move(err, &why);
		add_failed(finding, group, version);
		return true;
	}
	read_resource_list(finding, group, version, preferred, list);
	json_decref(list);
	return true;
}

static bool read_group_list(struct finding *finding, const json_t *groups, const struct cancel *cancel, struct error *err)
{
	size_t g, v;
	json_t *group, *version;

	json_array_foreach(json_object_get(groups, "groups"), g, group) {
		const char *preferred = text_at(json_object_get(group, "preferredVersion"), "version");

		json_array_foreach(json_object_get(group, "versions"), v, version) {
			const char *name = text_at(version, "version");

			if (!read_group_version(finding, text_at(group, "name"), name, strcmp(name, preferred) == 0, cancel, err))
				return false;
		}
	}
	return true;
}

static bool is_aggregated(const json_t *body)
{
	return strcmp(text_at(body, "kind"), "APIGroupDiscoveryList") == 0;
}

/* Only what is whole may be remembered: with a group missing, the next answer must be looked at. */
static char *etag_of(const struct finding *finding, const struct http_response *response)
{
	struct str etag;

	return !finding->failed.len && http_response_header(response, "ETag", 0, &etag) && etag.len ? str_dup(etag) : NULL;
}

/* /api or /apis: aggregated, or the old way from its answer on. */
static bool read_root(struct finding *finding, const char *path, const char *etag, const struct cancel *cancel, struct error *err)
{
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(kube_status) status = { 0 };
	json_t *body;
	bool good = true;

	if (!get_json(finding->kube, path, accept_aggregated, etag, 0, cancel, &response, &status, &body, err)) {
		if (status.code != 404 || strcmp(path, "/api") != 0)
			return false;
		error_release(err);
		return true;
	}
	finding->unchanged = !body;
	if (!body)
		return true;
	if (is_aggregated(body)) {
		read_aggregated(finding, body);
		finding->etag = etag_of(finding, &response);
	} else if (strcmp(path, "/api") == 0) {
		good = read_group_version(finding, "", "v1", true, cancel, err);
	} else {
		good = read_group_list(finding, body, cancel, err);
	}
	json_decref(body);
	return good;
}

/* ---- publishing, under the lock ---- */

static bool same_names(char **a, char **b)
{
	for (; a && *a && b && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return (!a || !*a) == (!b || !*b);
}

static bool same_resource(const struct kube_resource *a, const struct kube_resource *b)
{
	return strcmp(a->resource, b->resource) == 0 && strcmp(a->group, b->group) == 0 && strcmp(a->version, b->version) == 0 &&
	       strcmp(a->kind, b->kind) == 0 && strcmp(a->singular, b->singular) == 0 && same_names(a->short_names, b->short_names) &&
	       a->namespaced == b->namespaced && a->preferred == b->preferred && a->can_list == b->can_list &&
	       a->can_watch == b->can_watch && a->can_patch == b->can_patch && a->can_create == b->can_create &&
	       a->can_delete == b->can_delete && a->has_status == b->has_status && a->has_scale == b->has_scale;
}

/*
 * What was ever found stays, as callers hold pointers to it; what is found again is the same thing. So refreshing a
 * thousand times takes no more memory than the changes.
 */
static struct kube_resource *adopt(struct kube *kube, const struct kube_resource *found)
{
	struct kube_resource *copy;
	size_t names = 0;

	for (size_t i = 0; i < kube->nknown; i++)
		if (same_resource(kube->known[i], found))
			return kube->known[i];
	copy = arena_alloc(kube->arena, sizeof *copy);
	*copy = *found;
	copy->group = keep(kube->arena, found->group);
	copy->version = keep(kube->arena, found->version);
	copy->kind = keep(kube->arena, found->kind);
	copy->resource = keep(kube->arena, found->resource);
	copy->singular = keep(kube->arena, found->singular);
	while (found->short_names && found->short_names[names])
		names++;
	if (names)
		copy->short_names = arena_alloc(kube->arena, (names + 1) * sizeof(char *));
	for (size_t i = 0; i < names; i++)
		copy->short_names[i] = keep(kube->arena, found->short_names[i]);
	LIST_PUSH(kube->known, kube->nknown, kube->known_cap) = copy;
	return copy;
}

static void root_take(struct kube *kube, struct kube_root *root, struct finding *finding)
{
	if (finding->unchanged)
		return;
	root->n = 0;
	for (size_t i = 0; i < finding->len; i++)
		LIST_PUSH(root->items, root->n, root->cap) = adopt(kube, finding->items[i]);
	free(root->etag);
	root->etag = GIVE(finding->etag);
	buf_reset(&root->failed);
	buf_add_str(&root->failed, buf_str(&finding->failed));
}

bool kube_discover(struct kube *kube, const struct cancel *cancel, struct error *err)
{
	static const char *const paths[KUBE_ROOTS] = { "/api", "/apis" };
	AUTO_RELEASE(finding) core = { .kube = kube, .arena = arena_create() };
	AUTO_RELEASE(finding) groups = { .kube = kube, .arena = arena_create() };
	struct finding *findings[KUBE_ROOTS] = { &core, &groups };

	for (size_t i = 0; i < KUBE_ROOTS; i++) {
		pthread_mutex_lock(&kube->lock);
		AUTO_FREE char *etag = kube->roots[i].etag ? xstrdup(kube->roots[i].etag) : NULL;

		pthread_mutex_unlock(&kube->lock);
		if (!read_root(findings[i], paths[i], etag, cancel, err))
			return false;
	}
	pthread_mutex_lock(&kube->lock);
	for (size_t i = 0; i < KUBE_ROOTS; i++)
		root_take(kube, &kube->roots[i], findings[i]);
	kube->discovered = true;
	pthread_mutex_unlock(&kube->lock);
	return true;
}

char *kube_failed_groups(struct kube *kube)
{
	pthread_mutex_lock(&kube->lock);
	struct buf failed = BUF_INIT(0);

	for (size_t i = 0; i < KUBE_ROOTS; i++)
		buf_addf(&failed, "%s%s", failed.len && kube->roots[i].failed.len ? ", " : "", buf_cstr(&kube->roots[i].failed));
	pthread_mutex_unlock(&kube->lock);
	return buf_give(&failed);
}

/* ---- looking up ---- */

static bool need_discovery(struct kube *kube, const struct cancel *cancel, struct error *err)
{
	pthread_mutex_lock(&kube->lock);
	bool discovered = kube->discovered;

	pthread_mutex_unlock(&kube->lock);
	return discovered || kube_discover(kube, cancel, err);
}

/* Core kinds, then all others. NULL past the end. */
static const struct kube_resource *at(const struct kube *kube, size_t n)
{
	const struct kube_root *core = &kube->roots[0], *groups = &kube->roots[1];

	if (n < core->n)
		return core->items[n];
	return n - core->n < groups->n ? groups->items[n - core->n] : NULL;
}

typedef bool match_fn(const struct kube_resource *resource, const void *arg);

/* The best match: core first, then preferred versions, then the server's order. */
static const struct kube_resource *find_best(struct kube *kube, match_fn *match, const void *arg)
{
	const struct kube_resource *best = NULL;
	int best_rank = 0;

	pthread_mutex_lock(&kube->lock);
	for (size_t i = 0; i < kube->roots[0].n + kube->roots[1].n; i++) {
		const struct kube_resource *r = at(kube, i);
		int rank = 1 + (r->preferred ? 1 : 0) + (*r->group ? 0 : 2);

		if (rank > best_rank && match(r, arg)) {
			best = r;
			best_rank = rank;
		}
	}
	pthread_mutex_unlock(&kube->lock);
	return best;
}

struct wanted {
	struct str group, version, word;
	bool any_version;
};

static bool has_kind(const struct kube_resource *r, const void *arg)
{
	const struct wanted *wanted = arg;

	return str_is(wanted->word, r->kind) && str_is(wanted->group, r->group) &&
	       (wanted->any_version || str_is(wanted->version, r->version));
}

static struct wanted split_api_version(const char *api_version, const char *kind)
{
	struct api_version halves = api_version_split(api_version);

	return (struct wanted){ .group = halves.group, .version = halves.version, .word = str_of(kind) };
}

const struct kube_resource *kube_find_kind(struct kube *kube, const char *api_version, const char *kind,
					   const struct cancel *cancel, struct error *err)
{
	struct wanted wanted = split_api_version(api_version, kind);

	return need_discovery(kube, cancel, err) ? find_best(kube, has_kind, &wanted) : NULL;
}

const struct kube_resource *kube_find_group_kind(struct kube *kube, const char *group, const char *kind,
						 const struct cancel *cancel, struct error *err)
{
	struct wanted wanted = { .group = str_of(group), .word = str_of(kind), .any_version = true };

	return need_discovery(kube, cancel, err) ? find_best(kube, has_kind, &wanted) : NULL;
}

static bool is_called(const struct kube_resource *r, struct str word)
{
	if (str_ieq(word, str_of(r->resource)) || str_ieq(word, str_of(r->singular)) || str_ieq(word, str_of(r->kind)))
		return true;
	for (char **name = r->short_names; name && *name; name++)
		if (str_ieq(word, str_of(*name)))
			return true;
	return false;
}

/* "deployments", "deployments.apps", "deployments.v1.apps" */
static bool matches_word(const struct kube_resource *r, const void *arg)
{
	struct str rest = str_of(arg), word, version, whole = rest;

	if (is_called(r, whole))
		return true;
	if (!str_cut(&rest, '.', &word) || !is_called(r, word))
		return false;
	if (str_ieq(rest, str_of(r->group)))
		return true;
	return str_cut(&rest, '.', &version) && str_is(version, r->version) && str_ieq(rest, str_of(r->group));
}

const struct kube_resource *kube_find_word(struct kube *kube, const char *word, const struct cancel *cancel,
					   struct error *err)
{
	return need_discovery(kube, cancel, err) ? find_best(kube, matches_word, word) : NULL;
}

bool kube_resource_at(struct kube *kube, size_t n, const struct kube_resource **ret)
{
	pthread_mutex_lock(&kube->lock);
	const struct kube_resource *found = at(kube, n);

	pthread_mutex_unlock(&kube->lock);
	if (found)
		*ret = found;
	return found;
}

static bool is_among(const struct kube_root *root, const struct kube_resource *resource)
{
	for (size_t i = 0; i < root->n; i++)
		if (root->items[i] == resource)
			return true;
	return false;
}

/* Publishes what one group version has, beside what is known of the others. */
static void publish(struct kube *kube, struct finding *finding)
{
	pthread_mutex_lock(&kube->lock);
	for (size_t i = 0; i < finding->len; i++) {
		struct kube_resource *resource = adopt(kube, finding->items[i]);
		struct kube_root *root = &kube->roots[*resource->group ? 1 : 0];

		if (!is_among(root, resource))
			LIST_PUSH(root->items, root->n, root->cap) = resource;
	}
	pthread_mutex_unlock(&kube->lock);
}

static bool look_again(struct kube *kube, const struct wanted *wanted, const struct cancel *cancel, struct error *err)
{
	AUTO_RELEASE(finding) finding = { .kube = kube, .arena = arena_create() };
	AUTO_FREE char *group = str_dup(wanted->group), *version = str_dup(wanted->version);
	bool good = read_group_version(&finding, group, version, true, cancel, err);

	publish(kube, &finding);
	return good;
}

bool kube_wait_for_kind(struct kube *kube, const char *api_version, const char *kind, unsigned timeout_ms,
			const struct cancel *cancel, const struct kube_resource **ret, struct error *err)
{
	struct clock *clock = net_clock(kube->net);
	struct wanted wanted = split_api_version(api_version, kind);
	int64_t due_ms = clock_now_ms(clock) + timeout_ms, pause_ms = 100;

	if (!need_discovery(kube, cancel, err))
		return false;
	for (;;) {
		*ret = find_best(kube, has_kind, &wanted);
		if (*ret)
			return true;
		if (clock_now_ms(clock) >= due_ms)
			return error_set(err, ERR_TIMEOUT, "the server does not serve kind %s of %s after %u s", kind, api_version,
					 timeout_ms / 1000);
		if (!look_again(kube, &wanted, cancel, err))
			return false;
		if (find_best(kube, has_kind, &wanted))
			continue;
		if (!clock_sleep(clock, cancel, pause_ms, err))
			return false;
		pause_ms = pause_ms < 1000 ? pause_ms * 2 : 2000;
	}
}
