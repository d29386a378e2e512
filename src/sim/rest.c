#include "sim/rest.h"

#include <stdlib.h>
#include <string.h>

static void send_text(struct reply *reply, unsigned status, const char *text)
{
	buf_reset(&reply->body);
	buf_adds(&reply->body, text);
	reply->status = status;
	reply->content_type = "text/plain; charset=utf-8";
}

static void send_version(struct reply *reply)
{
	reply_json(reply, 200,
		   json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "major", "1", "minor", "35", "gitVersion", "v1.35.4", "gitCommit",
			     "sim", "gitTreeState", "clean", "buildDate", "1970-01-01T00:00:00Z", "goVersion", "c17", "compiler",
			     "cc", "platform", "linux/amd64"));
}

static void not_allowed(struct reply *reply)
{
	reply_status(reply, 405, "MethodNotAllowed", json_object(),
		     "the server does not allow this method on the requested resource");
}

enum { SEGMENTS_MAX = 12 };

struct path {
	char *segments[SEGMENTS_MAX];
	size_t n;
};

static void path_release(struct path *path)
{
	for (size_t i = 0; i < path->n; i++)
		free(path->segments[i]);
}
DEFINE_AUTO_RELEASE(path);

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* plus_is_space: as in a query. What is no escape stays as it is. */
static char *unescape(struct str s, bool plus_is_space)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	buf_adds(&out, "");
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '%' && i + 2 < s.len && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0) {
			buf_addc(&out, (char)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2])));
			i += 2;
		} else {
			buf_addc(&out, plus_is_space && s.p[i] == '+' ? ' ' : s.p[i]);
		}
	}
	return buf_give(&out);
}

void query_parse(const char *uri, struct map *query)
{
	const char *mark = strchr(uri, '?');
	struct str rest = str_of(mark ? mark + 1 : ""), pair;

	while (rest.len) {
		struct str key, value;

		if (!str_cut(&rest, '&', &pair)) {
			pair = rest;
			rest.len = 0;
		}
		value = pair;
		if (!str_cut(&value, '=', &key)) {
			key = pair;
			value = STR("true"); /* "?watch" */
		}
		AUTO_FREE char *name = unescape(key, true);

		map_set(query, str_of(name), unescape(value, true));
	}
}

static bool path_split(const char *text, struct path *path)
{
	struct str rest = str_of(text), word;

	while (rest.len) {
		if (!str_cut(&rest, '/', &word)) {
			word = rest;
			rest.len = 0;
		}
		if (!word.len)
			continue;
		if (path->n == SEGMENTS_MAX)
			return false;
		path->segments[path->n++] = unescape(word, false);
	}
	return true;
}

/* What the segments after the group and version name. */
static bool find_target(struct sim *sim, const char *group, const char *version, char **s, size_t n, struct target *t)
{
	*t = (struct target){ .ns = "", .name = "", .sub = "" };
	if (n >= 3 && !strcmp(s[0], "namespaces")) {
		t->resource = kinds_plural(sim, group, version, s[2]);
		if (t->resource && t->resource->namespaced && strcmp(s[2], "finalize") && strcmp(s[2], "status")) {
			t->ns = s[1];
			t->name = n > 3 ? s[3] : "";
			t->sub = n > 4 ? s[4] : "";
			return n <= 5;
		}
	}
	t->resource = kinds_plural(sim, group, version, s[0]);
	t->name = n > 1 ? s[1] : "";
	t->sub = n > 2 ? s[2] : "";
	if (!t->resource || n > 3 || (t->resource->namespaced && n > 1))
		return false;
	return true;
}

static bool has_sub(const struct resource *r, const char *sub)
{
	static const char *const pod_subs[] = { "log", "eviction", "exec", "attach", "portforward", "binding" };

	if (!*sub || (!strcmp(sub, "status") && (r->flags & KIND_STATUS)) || (!strcmp(sub, "scale") && (r->flags & KIND_SCALE)))
		return true;
	if (!strcmp(r->kind, "Namespace") && !strcmp(sub, "finalize"))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(pod_subs); i++)
		if (!strcmp(r->kind, "Pod") && !*r->group && !strcmp(sub, pod_subs[i]))
			return true;
	return false;
}

static void rest_get(struct sim *sim, const struct request *request, const struct target *t, struct reply *reply)
{
	struct object *o = store_find(t->resource, t->ns, t->name);

	if (!o) {
		reply_not_found(reply, t->resource, t->name);
		return;
	}
	(void)sim;
	if (!*t->sub && form_wanted(request) == FORM_OBJECT && t->resource->storage == t->resource) {
		buf_reset(&reply->body);
		buf_add(&reply->body, o->current->text, o->current->len);
		buf_addc(&reply->body, '\n');
		reply->status = 200;
		reply->content_type = "application/json";
		return;
	}
	json_t *tree = store_tree(o);

	if (t->resource->flags & KIND_ALIAS)
		tree = event_in_new_words(tree);
	if (!strcmp(t->sub, "scale"))
		reply_json(reply, 200,
			   json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:s},s:{s:I},s:{s:I}}", "kind", "Scale", "apiVersion", "autoscaling/v1",
				     "metadata", "name", o->name, "namespace", o->ns, "uid", o->uid, "resourceVersion",
				     jstr(tree, "metadata", "resourceVersion"), "spec", "replicas",
				     (json_int_t)jint(0, tree, "spec", "replicas"), "status", "replicas",
				     (json_int_t)jint(0, tree, "status", "replicas")));
	else
		reply_object(reply, request, t->resource, 200, tree);
	json_decref(tree);
}

static void evict(struct sim *sim, const struct target *t, struct reply *reply)
{
	struct object *o = store_find(t->resource, t->ns, t->name);

	if (!o) {
		reply_not_found(reply, t->resource, t->name);
		return;
	}
	rest_remove(sim, o, "Background", -1);
	reply_json(reply, 201, json_pack("{s:s,s:s,s:{},s:s,s:i}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
					 "Success", "code", 201));
}

static bool acceptable(const struct request *request)
{
	const char *accept = request->accept;

	return !accept || !*accept || strstr(accept, "application/json") || strstr(accept, "*/*") ||
	       strstr(accept, "application/*");
}

static const char *verb_of(const struct request *request, const struct target *t)
{
	const char *m = request->method;

	if (!strcmp(m, "GET") || !strcmp(m, "HEAD")) {
		if (query_is(request, "watch"))
			return "watch";
		return *t->name ? "get" : "list";
	}
	if (!strcmp(m, "POST"))
		return "create";
	if (!strcmp(m, "PUT"))
		return "update";
	if (!strcmp(m, "PATCH"))
		return "patch";
	if (!strcmp(m, "DELETE"))
		return *t->name ? "delete" : "deletecollection";
	return NULL;
}

static void dispatch(struct sim *sim, const struct request *request, const struct target *t, const char *verb,
		     struct reply *reply)
{
	const struct resource *r = t->resource;

	if (r->flags & KIND_REVIEW) {
		if (strcmp(verb, "create"))
			not_allowed(reply);
		else
			rest_review(sim, request, t, reply);
	} else if (r->flags & KIND_METRICS) {
		if (strcmp(verb, "get") && strcmp(verb, "list"))
			not_allowed(reply);
		else
			rest_metrics(sim, request, t, reply);
	} else if (!strcmp(t->sub, "log")) {
		rest_log(sim, request, t, reply);
	} else if (!strcmp(t->sub, "eviction") && !strcmp(verb, "create")) {
		evict(sim, t, reply);
	} else if (!strcmp(t->sub, "exec") || !strcmp(t->sub, "attach") || !strcmp(t->sub, "portforward")) {
		rest_connect(sim, request, t, reply);
	} else if (!strcmp(verb, "watch")) {
		rest_watch(sim, request, t, reply);
	} else if (!strcmp(verb, "get")) {
		rest_get(sim, request, t, reply);
	} else if (!strcmp(verb, "list")) {
		rest_list(sim, request, t, reply);
	} else if (!strcmp(verb, "create") && !*t->name) {
		if (r->namespaced && !*t->ns)
			not_allowed(reply);
		else
			rest_create(sim, request, t, reply);
	} else if (!strcmp(verb, "update") && *t->name) {
		rest_update(sim, request, t, reply);
	} else if (!strcmp(verb, "patch") && *t->name) {
		rest_patch(sim, request, t, reply);
	} else if (!strcmp(verb, "delete") && !*t->sub) {
		rest_delete(sim, request, t, reply);
	} else if (!strcmp(verb, "deletecollection") && !(r->flags & KIND_NO_COLLECTION)) {
		rest_delete_collection(sim, request, t, reply);
	} else {
		not_allowed(reply);
	}
}

static void resource_request(struct sim *sim, const struct request *request, struct path *path, struct reply *reply)
{
	bool core = !strcmp(path->segments[0], "api");
	size_t skip = core ? 2 : 3;
	struct target target;
	const char *verb;

	if (path->n <= skip) {
		rest_discovery(sim, request, path->segments, path->n, reply);
		return;
	}
	const char *group = core ? "" : path->segments[1], *version = path->segments[skip - 1];
	bool known = false;

	for (size_t i = 0; i < sim->nresources; i++)
		known = known || (!sim->resources[i]->gone && !strcmp(sim->resources[i]->group, group) &&
				  !strcmp(sim->resources[i]->version, version));
	if (!known) {
		send_text(reply, 404, "404 page not found\n");
		return;
	}
	char **rest = path->segments + skip;
	size_t n = path->n - skip;
	bool old_watch = !strcmp(rest[0], "watch") && n > 1;

	if (!find_target(sim, group, version, rest + old_watch, n - old_watch, &target) || !has_sub(target.resource, target.sub) ||
	    ((target.resource->flags & KIND_METRICS) && !sim_has(sim, FEATURE_METRICS)) ||
	    (!strcmp(target.resource->kind, "SelfSubjectReview") && !sim_has(sim, FEATURE_SELF_REVIEW))) {
		reply_path_not_found(reply);
		return;
	}
	verb = verb_of(request, &target);
	if (!verb) {
		not_allowed(reply);
		return;
	}
	if (!acceptable(request) && strcmp(target.sub, "log")) {
		reply_status(reply, 406, "NotAcceptable", json_object(),
			     "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch");
		return;
	}
	if (rest_allowed(sim, request, old_watch ? "watch" : verb, &target, reply))
		dispatch(sim, request, &target, old_watch ? "watch" : verb, reply);
}

static const char *token_of(const struct request *request)
{
	const char *text = request->authorization;

	return text && starts_with(text, "Bearer ") ? text + 7 : "";
}

void rest_handle(struct sim *sim, struct request *request, struct reply *reply)
{
	static const char *const alive[] = { "readyz", "livez", "healthz" };
	AUTO_RELEASE(path) path = { 0 };

	__atomic_add_fetch(&sim->wanting, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&sim->lock);
	__atomic_sub_fetch(&sim->wanting, 1, __ATOMIC_RELAXED);
	if (!path_split(request->path, &path)) {
		send_text(reply, 404, "404 page not found\n");
	} else if (!rbac_known(sim->rbac, token_of(request))) {
		reply_status(reply, 401, "Unauthorized", NULL, "Unauthorized");
	} else if (!path.n) {
		reply_json(reply, 200, json_pack("{s:[s,s,s,s]}", "paths", "/api", "/apis", "/readyz", "/version"));
	} else if (!strcmp(path.segments[0], "version")) {
		if (strcmp(request->method, "GET"))
			not_allowed(reply);
		else
			send_version(reply);
	} else if (!strcmp(path.segments[0], "api") || !strcmp(path.segments[0], "apis")) {
		resource_request(sim, request, &path, reply);
	} else {
		bool health = false;

		for (size_t i = 0; i < ARRAY_LEN(alive); i++)
			health = health || !strcmp(path.segments[0], alive[i]);
		send_text(reply, health ? 200 : 404, health ? "ok" : "404 page not found\n");
	}
	pthread_mutex_unlock(&sim->lock);
}

/* ---- reviews ---- */

static void access_review(struct sim *sim, const struct request *request, json_t *tree)
{
	const json_t *a = jget(tree, "spec", "resourceAttributes");
	bool allowed = !a || rbac_allows(sim->rbac, token_of(request), jstr(a, "verb"), jstr(a, "group"), jstr(a, "resource"),
					 jstr(a, "subresource"), jstr(a, "namespace"), jstr(a, "name"));

	json_object_set_new(tree, "status",
			    allowed ? json_pack("{s:b,s:s}", "allowed", 1, "reason", "the simulation allows what no script denies") :
				      json_pack("{s:b}", "allowed", 0));
}

/* Of a resource (sub "": itself), a rule with the verbs that no script denies. */
static void add_rule(struct sim *sim, const char *token, const struct resource *r, const char *sub, const char *ns, json_t *rules)
{
	static const char *const verbs[] = { "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection" };
	json_t *may = json_array();

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (rbac_allows(sim->rbac, token, verbs[i], r->group, r->plural, sub, ns, ""))
			json_array_append_new(may, json_string(verbs[i]));
	if (json_array_size(may)) {
		AUTO_FREE char *whole = *sub ? xasprintf("%s/%s", r->plural, sub) : xstrdup(r->plural);

		json_array_append_new(rules, json_pack("{s:O,s:[s],s:[s]}", "verbs", may, "apiGroups", r->group, "resources", whole));
	}
	json_decref(may);
}

/* What a denial by name takes away can't be said in rules: these are as if there were none. */
static void rules_review(struct sim *sim, const struct request *request, json_t *tree)
{
	static const char *const subresources[] = { "", "status", "scale", "log", "exec", "attach", "portforward", "eviction" };
	json_t *rules = json_array();

	for (size_t i = 0; i < sim->nresources; i++)
		for (size_t s = 0; s < ARRAY_LEN(subresources); s++)
			add_rule(sim, token_of(request), sim->resources[i], subresources[s], jstr(jget(tree, "spec"), "namespace"), rules);
	json_object_set_new(tree, "status",
			    json_pack("{s:o,s:[{s:[s],s:[s]}],s:b}", "resourceRules", rules, "nonResourceRules", "verbs", "*", "nonResourceURLs", "*",
				      "incomplete", 0));
}

void rest_review(struct sim *sim, const struct request *request, const struct target *target, struct reply *reply)
{
	const char *kind = target->resource->kind;
	json_t *tree = jx_parse(request->body.p, request->body.len, NULL);

	if (!json_is_object(tree)) {
		json_decref(tree);
		reply_status(reply, 400, "BadRequest", NULL, "the object provided is unrecognized (must be of type %s)", kind);
		return;
	}
	if (!json_is_object(json_object_get(tree, "metadata")))
		json_object_set_new(tree, "metadata", json_object());
	json_object_set_new(tree, "kind", json_string(kind));
	json_object_set_new(tree, "apiVersion", json_string(target->resource->api_version));
	if (!strcmp(kind, "SelfSubjectReview"))
		json_object_set_new(tree, "status",
				    json_pack("{s:{s:s,s:[s,s]}}", "userInfo", "username",
					      rbac_user(sim->rbac, token_of(request)), "groups", "system:masters",
					      "system:authenticated"));
	else if (!strcmp(kind, "SelfSubjectRulesReview"))
		rules_review(sim, request, tree);
	else
		access_review(sim, request, tree);
	reply_json(reply, 201, tree);
}
