#include "job/preflight.h"

#include <jansson.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "model/quantity.h"

#define RESOLVE_LIMIT_MS 3000

struct check {
	struct run *run;
	const struct deploy_plan *plan;
	size_t errors;
	bool denied;
	struct map made;      /* "Kind namespace/name" of the plan */
	struct map asked;     /* what was looked up in the cluster: "Kind namespace/name" → found? (void *)1 */
	struct map hosts;     /* image hosts → first object that names it */
};

static void tell(struct check *c, const struct deploy_object *o, enum diag_severity severity, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void tell(struct check *c, const struct deploy_object *o, enum diag_severity severity, const char *hint, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	c->errors += severity == DIAG_ERROR;
	run_emit(c->run, &(struct job_event){ .kind = JOB_FINDING,
					      .severity = severity,
					      .text = buf_cstr(&text),
					      .detail = hint,
					      .object = o ? deploy_job_object(o) : (struct job_object){ 0 },
					      .place = { o ? o->file : NULL, o ? o->line : 0, 0 } });
}

/* ---- rights ---- */

struct rights {
	struct kube_access *questions;
	const struct deploy_object **askers; /* NULL: the deployment itself */
	size_t n, questions_cap, naskers, askers_cap;
	struct map seen; /* "resource.group namespace" */
};

/* verbs ends with NULL. What was asked about before is not asked again. */
static void ask(struct rights *r, const char *const *verbs, const char *group, const char *resource, const char *namespace,
		const struct deploy_object *asker)
{
	AUTO_FREE char *key = xasprintf("%s.%s %s", resource, group, namespace);

	if (map_has(&r->seen, str_of(key)))
		return;
	map_set(&r->seen, str_of(key), NULL);
	for (; *verbs; verbs++) {
		LIST_PUSH(r->questions, r->n, r->questions_cap) =
			(struct kube_access){ .verb = *verbs, .group = group, .resource = resource, .namespace = namespace };
		LIST_PUSH(r->askers, r->naskers, r->askers_cap) = asker;
	}
}

static void ask_all(struct check *c, struct rights *r)
{
	static const char *const apply[] = { "get", "create", "patch", NULL }, *const prune[] = { "get", "create", "patch", "delete", NULL },
				 *const lease[] = { "get", "create", "update", NULL };
	const char *namespace = *c->run->stack->namespace ? c->run->stack->namespace : kube_namespace(c->run->kube);

	for (size_t i = 0; i < c->plan->len; i++) {
		const struct deploy_object *o = &c->plan->objects[i];

		if (o->resource)
			ask(r, c->run->options->prune ? prune : apply, o->resource->group, o->resource->resource, o->namespace, o);
	}
	if (c->run->options->dry_run)
		return;
	ask(r, lease, "coordination.k8s.io", "leases", namespace, NULL);
	ask(r, apply, "", "configmaps", namespace, NULL); /* the inventory */
}

static bool check_rights(struct check *c, struct error *err)
{
	struct rights r = { .seen = MAP_INIT(NULL) };

	ask_all(c, &r);
	bool good = r.n == 0 || kube_can(c->run->kube, r.questions, r.n, c->run->cancel, err);

	for (size_t i = 0; i < r.n; i++) {
		const struct kube_access *q = &r.questions[i];

		if (good && !q->allowed) {
			c->denied = true;
			tell(c, r.askers[i], DIAG_ERROR, q->reason, "no right to %s %s%s%s%s%s", q->verb, q->resource, *q->group ? "." : "", q->group,
			     *q->namespace ? " in namespace " : "", q->namespace);
		}
		free(r.questions[i].reason);
	}
	map_release(&r.seen);
	free(r.questions);
	free(r.askers);
	return good;
}

/* ---- what objects point to ---- */

static bool find_in_cluster(struct check *c, const char *api_version, const char *kind, const char *namespace, const char *name)
{
	AUTO_RELEASE(error) why = { 0 };
	AUTO_FREE char *key = xasprintf("%s %s/%s", kind, namespace, name);
	json_t *object;

	if (map_has(&c->asked, str_of(key)))
		return map_get(&c->asked, str_of(key)) != NULL;
	const struct kube_resource *r = kube_find_kind(c->run->kube, api_version, kind, c->run->cancel, &why);
	bool found = true; /* what can't be looked at is not called absent */

	if (r && kube_get(c->run->kube, r, namespace, name, c->run->cancel, &object, &why))
		json_decref(object);
	else if (why.kind == ERR_NOT_FOUND)
		found = false;
	map_set(&c->asked, str_of(key), found ? (void *)1 : NULL);
	return found;
}

static bool is_made(struct check *c, const char *kind, const char *namespace, const char *name)
{
	AUTO_FREE char *key = xasprintf("%s %s/%s", kind, namespace, name);

	return map_has(&c->made, str_of(key));
}

static void need(struct check *c, const struct deploy_object *o, const char *api_version, const char *kind, const char *namespace,
		 const char *name, const char *what)
{
	if (!name || !*name || is_made(c, kind, namespace, name) || find_in_cluster(c, api_version, kind, namespace, name))
		return;
	tell(c, o, DIAG_WARNING, NULL, "%s %s needs %s \"%s\", which is neither in the plan nor in the cluster: %s", o->kind, o->name, kind, name, what);
}

static const char *text_at(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool is_optional(const json_t *reference)
{
	return json_is_true(json_object_get(reference, "optional"));
}

static void need_reference(struct check *c, const struct deploy_object *o, const json_t *reference, const char *kind, const char *name_key)
{
	if (reference && !is_optional(reference))
		need(c, o, "v1", kind, o->namespace, text_at(reference, name_key), "its pods will not start");
}

static void check_host(struct check *c, const struct deploy_object *o, const char *image)
{
	const char *slash = image ? strchr(image, '/') : NULL;

	if (!slash)
		return;
	struct str host = { image, (size_t)(slash - image) };

	/* Only what looks like a host is one: a dot, a port, or localhost. */
	if (str_find_char(host, '.') < 0 && str_find_char(host, ':') < 0 && !str_is(host, "localhost"))
		return;
	if (!map_has(&c->hosts, host))
		map_set(&c->hosts, host, (void *)o);
}

static void check_container(struct check *c, const struct deploy_object *o, const json_t *container)
{
	size_t i;
	json_t *env;

	check_host(c, o, text_at(container, "image"));
	json_array_foreach(json_object_get(container, "env"), i, env) {
		const json_t *from = json_object_get(env, "valueFrom");

		need_reference(c, o, json_object_get(from, "secretKeyRef"), "Secret", "name");
		need_reference(c, o, json_object_get(from, "configMapKeyRef"), "ConfigMap", "name");
	}
	json_array_foreach(json_object_get(container, "envFrom"), i, env) {
		need_reference(c, o, json_object_get(env, "secretRef"), "Secret", "name");
		need_reference(c, o, json_object_get(env, "configMapRef"), "ConfigMap", "name");
	}
}

static void check_pod_spec(struct check *c, const struct deploy_object *o, const json_t *spec)
{
	static const char *const lists[] = { "initContainers", "containers" };
	const char *account = text_at(spec, "serviceAccountName");
	size_t i;
	json_t *item;

	for (size_t l = 0; l < ARRAY_LEN(lists); l++)
		json_array_foreach(json_object_get(spec, lists[l]), i, item)
			check_container(c, o, item);
	json_array_foreach(json_object_get(spec, "volumes"), i, item) {
		need_reference(c, o, json_object_get(item, "secret"), "Secret", "secretName");
		need_reference(c, o, json_object_get(item, "configMap"), "ConfigMap", "name");
		need_reference(c, o, json_object_get(item, "persistentVolumeClaim"), "PersistentVolumeClaim", "claimName");
	}
	if (account && strcmp(account, "default") != 0)
		need(c, o, "v1", "ServiceAccount", o->namespace, account, "its pods will not be made");
}

/* The pod spec inside of an object; NULL if the kind has none. */
static const json_t *pod_spec_of(const struct deploy_object *o, const json_t *object)
{
	const json_t *spec = json_object_get(object, "spec");

	if (strcmp(o->kind, "Pod") == 0)
		return spec;
	if (strcmp(o->kind, "CronJob") == 0)
		spec = json_object_get(json_object_get(spec, "jobTemplate"), "spec");
	return json_object_get(json_object_get(spec, "template"), "spec");
}

static void check_references(struct check *c)
{
	for (size_t i = 0; i < c->plan->len; i++) {
		const struct deploy_object *o = &c->plan->objects[i];
		json_t *object = json_loadb(o->json, o->json_len, 0, NULL);
		const json_t *spec = json_object_get(object, "spec"), *pod = pod_spec_of(o, object);

		if (pod)
			check_pod_spec(c, o, pod);
		if (strcmp(o->kind, "PersistentVolumeClaim") == 0)
			need(c, o, "storage.k8s.io/v1", "StorageClass", "", text_at(spec, "storageClassName"), "it will stay unbound");
		if (strcmp(o->kind, "Ingress") == 0)
			need(c, o, "networking.k8s.io/v1", "IngressClass", "", text_at(spec, "ingressClassName"), "nobody will serve it");
		json_decref(object);
	}
}

/* ---- image hosts ---- */

/* The resolver can't be cancelled, so it runs aside and owns what it needs. */
struct resolution {
	atomic_int refs;
	char *host;
	atomic_int answer; /* 0: none yet, 1: there is an address, 2: there is none */
	struct cancel *done;
};

static void resolution_unref(struct resolution *r)
{
	if (atomic_fetch_sub(&r->refs, 1) > 1)
		return;
	cancel_destroy(r->done);
	free(r->host);
	free(r);
}

static void *resolve(void *arg)
{
	struct resolution *r = arg;
	struct addrinfo *addresses = NULL;
	int code = getaddrinfo(r->host, NULL, &(struct addrinfo){ .ai_socktype = SOCK_STREAM }, &addresses);

	if (!code)
		freeaddrinfo(addresses);
	atomic_store(&r->answer, code ? 2 : 1);
	cancel_request(r->done, 0);
	resolution_unref(r);
	return NULL;
}

/* True when it is known that the name has no address. */
static bool is_unknown_host(struct str host)
{
	struct resolution *r = xcalloc(1, sizeof *r);
	ptrdiff_t colon = str_find_char(host, ':');
	AUTO_RELEASE(error) ignored = { 0 };
	pthread_t thread;

	atomic_init(&r->refs, 2);
	r->host = str_dup(colon >= 0 ? (struct str){ host.p, (size_t)colon } : host);
	r->done = cancel_create();
	if (pthread_create(&thread, NULL, resolve, r) != 0) {
		resolution_unref(r);
		resolution_unref(r);
		return false;
	}
	pthread_detach(thread);
	cancel_sleep(r->done, RESOLVE_LIMIT_MS, &ignored);
	bool unknown = atomic_load(&r->answer) == 2;

	resolution_unref(r);
	return unknown;
}

static void check_hosts(struct check *c)
{
	for (size_t i = 0; i < c->hosts.len && !cancel_requested(c->run->cancel); i++) {
		const struct deploy_object *o = c->hosts.entries[i].value;
		const char *host = c->hosts.entries[i].key;

		/* Names inside of the cluster are never known outside. */
		if (strstr(host, ".svc.") || ends_with(host, ".svc"))
			continue;
		if (is_unknown_host(str_of(host)))
			tell(c, o, DIAG_WARNING, NULL, "image host \"%s\" is not known from here; the nodes may know it", host);
	}
}

/* ---- quota ---- */

static int64_t nano_of(const json_t *value)
{
	struct quantity q;
	AUTO_FREE char *number = json_is_integer(value) ? xasprintf("%lld", (long long)json_integer_value(value)) : NULL;
	const char *text = number ? number : json_string_value(value);

	return text && quantity_parse(str_of(text), &q) ? quantity_milli(q) : 0;
}

/* What the new object alone asks for, in thousandths of a unit; a breach is certain when even that does not fit. */
static int64_t asks_for(const json_t *pod, const char *group, const char *resource)
{
	int64_t sum = 0;
	size_t i;
	json_t *container;

	json_array_foreach(json_object_get(pod, "containers"), i, container)
		sum += nano_of(json_object_get(json_object_get(json_object_get(container, "resources"), group), resource));
	return sum;
}

static void check_quota_against(struct check *c, const char *quota, const char *name, const json_t *hard)
{
	static const struct {
		const char *quota, *group, *resource;
	} rules[] = { { "requests.cpu", "requests", "cpu" },	   { "cpu", "requests", "cpu" },
		      { "requests.memory", "requests", "memory" }, { "memory", "requests", "memory" },
		      { "limits.cpu", "limits", "cpu" },	   { "limits.memory", "limits", "memory" } };

	for (size_t r = 0; r < ARRAY_LEN(rules); r++) {
		if (strcmp(rules[r].quota, name) != 0)
			continue;
		for (size_t i = 0; i < c->plan->len; i++) {
			const struct deploy_object *o = &c->plan->objects[i];
			json_t *object = json_loadb(o->json, o->json_len, 0, NULL);
			int64_t wanted = asks_for(pod_spec_of(o, object), rules[r].group, rules[r].resource), limit = nano_of(hard);

			if (wanted > limit)
				tell(c, o, DIAG_ERROR, NULL, "%s %s: one pod asks for more %s than quota %s allows in all (%s)", o->kind, o->name, name, quota,
				     json_string_value(hard) ? json_string_value(hard) : "?");
			json_decref(object);
		}
	}
}

static bool on_quota(struct str object, void *arg, struct error *err)
{
	json_t *quota = json_loadb(object.p, object.len, 0, NULL);
	const json_t *status = json_object_get(quota, "status");
	const char *name = text_at(json_object_get(quota, "metadata"), "name"), *key;
	json_t *hard;

	(void)err;
	json_object_foreach(json_object_get(status, "hard"), key, hard)
		check_quota_against(arg, name ? name : "?", key, hard);
	json_decref(quota);
	return true;
}

static void check_quotas(struct check *c)
{
	AUTO_RELEASE(error) ignored = { 0 };
	const struct kube_resource *r = kube_find_kind(c->run->kube, "v1", "ResourceQuota", c->run->cancel, &ignored);
	struct kube_list_options options = { .namespace = c->run->stack->namespace };

	if (r && *c->run->stack->namespace)
		kube_list(c->run->kube, r, &options, c->run->cancel, on_quota, c, NULL, &ignored);
}

/* ---- namespaces ---- */

/* A namespace that nobody makes: every object in it would fail. The stack's own is made by apply. */
static void check_namespaces(struct check *c)
{
	AUTO_RELEASE(map) seen = MAP_INIT(NULL);

	for (size_t i = 0; i < c->plan->len; i++) {
		const struct deploy_object *o = &c->plan->objects[i];

		if (!*o->namespace || strcmp(o->namespace, c->run->stack->namespace) == 0 || map_has(&seen, str_of(o->namespace)))
			continue;
		map_set(&seen, str_of(o->namespace), NULL);
		if (!is_made(c, "Namespace", "", o->namespace) && !find_in_cluster(c, "v1", "Namespace", "", o->namespace))
			tell(c, o, DIAG_ERROR, "create it, or leave the item out", "namespace \"%s\" is neither in the plan nor in the cluster",
			     o->namespace);
	}
}

/* ---- all ---- */

static void note_what_is_made(struct check *c)
{
	for (size_t i = 0; i < c->plan->len; i++) {
		const struct deploy_object *o = &c->plan->objects[i];
		AUTO_FREE char *key = xasprintf("%s %s/%s", o->kind, o->namespace, o->name);

		map_set(&c->made, str_of(key), NULL);
	}
}

bool preflight(struct run *run, const struct deploy_plan *plan, struct error *err)
{
	struct check c = { .run = run, .plan = plan };

	run_step(run, "preflight");
	note_what_is_made(&c);
	check_namespaces(&c);
	bool good = !run->options->preflight || check_rights(&c, err);

	if (good && run->options->preflight) {
		check_quotas(&c);
		check_references(&c);
		check_hosts(&c);
		}
	good = good && cancel_check(run->cancel, err);
	map_release(&c.made);
	map_release(&c.asked);
	map_release(&c.hosts);
	if (good && c.errors)
		good = error_set(err, c.denied ? ERR_DENIED : ERR_INVALID, "preflight: %zu finding%s; nothing was written", c.errors,
				 c.errors == 1 ? "" : "s");
	run_step_end(run, good, good ? "nothing in the way" : err->message);
	return good;
}
