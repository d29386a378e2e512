#include "job/preflight_private.h"

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RESOLVE_LIMIT_MS 3000

void preflight_tell(struct preflight *p, const struct deploy_object *o, enum diag_severity severity, const char *hint, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	p->errors += severity == DIAG_ERROR;
	p->warnings += severity == DIAG_WARNING;
	run_emit(p->run, &(struct job_event){ .kind = JOB_FINDING,
					      .severity = severity,
					      .text = buf_cstr(&text),
					      .detail = hint,
					      .object = o ? deploy_job_object(o) : (struct job_object){ 0 },
					      .place = { o ? o->file : NULL, o ? o->line : 0, 0 } });
}

/* ---- what objects point to ---- */

enum preflight_presence preflight_look(struct preflight *p, const char *api_version, const char *kind, const char *namespace, const char *name)
{
	AUTO_RELEASE(error) why = { 0 };
	AUTO_FREE char *key = xasprintf("%s %s/%s", kind, namespace, name);
	json_t *object;

	if (map_has(&p->asked, str_of(key)))
		return (enum preflight_presence)(uintptr_t)map_get(&p->asked, str_of(key));
	const struct kube_resource *r = kube_find_kind(p->run->kube, api_version, kind, p->run->cancel, &why);
	enum preflight_presence presence = PREFLIGHT_THERE;

	if (r && kube_get(p->run->kube, r, namespace, name, p->run->cancel, &object, &why)) {
		if (json_object_get(json_object_get(object, "metadata"), "deletionTimestamp"))
			presence = PREFLIGHT_GOING;
		json_decref(object);
	} else if (why.kind == ERR_NOT_FOUND) {
		presence = PREFLIGHT_ABSENT;
	}
	map_set(&p->asked, str_of(key), (void *)(uintptr_t)presence);
	return presence;
}

bool preflight_is_made(struct preflight *p, const char *kind, const char *namespace, const char *name)
{
	AUTO_FREE char *key = xasprintf("%s %s/%s", kind, namespace, name);

	return map_has(&p->made, str_of(key));
}

static void need(struct preflight *p, const struct deploy_object *o, const char *api_version, const char *kind, const char *namespace,
		 const char *name, const char *what)
{
	if (!name || !*name || preflight_is_made(p, kind, namespace, name) || preflight_look(p, api_version, kind, namespace, name))
		return;
	preflight_tell(p, o, DIAG_WARNING, NULL, "%s %s needs %s \"%s\", which is neither in the plan nor in the cluster: %s", o->kind, o->name, kind, name, what);
}

static const char *text_at(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool is_optional(const json_t *reference)
{
	return json_is_true(json_object_get(reference, "optional"));
}

static void need_reference(struct preflight *p, const struct deploy_object *o, const json_t *reference, const char *kind, const char *name_key)
{
	if (reference && !is_optional(reference))
		need(p, o, "v1", kind, o->namespace, text_at(reference, name_key), "its pods will not start");
}

static void check_host(struct preflight *p, const struct deploy_object *o, const char *image)
{
	const char *slash = image ? strchr(image, '/') : NULL;

	if (!slash)
		return;
	struct str host = { image, (size_t)(slash - image) };

	/* Only what looks like a host is one: a dot, a port, or localhost. */
	if (str_find_char(host, '.') < 0 && str_find_char(host, ':') < 0 && !str_is(host, "localhost"))
		return;
	if (!map_has(&p->hosts, host))
		map_set(&p->hosts, host, (void *)o);
}

static void check_container(struct preflight *p, const struct deploy_object *o, const json_t *container)
{
	size_t i;
	json_t *env;

	check_host(p, o, text_at(container, "image"));
	json_array_foreach(json_object_get(container, "env"), i, env) {
		const json_t *from = json_object_get(env, "valueFrom");

		need_reference(p, o, json_object_get(from, "secretKeyRef"), "Secret", "name");
		need_reference(p, o, json_object_get(from, "configMapKeyRef"), "ConfigMap", "name");
	}
	json_array_foreach(json_object_get(container, "envFrom"), i, env) {
		need_reference(p, o, json_object_get(env, "secretRef"), "Secret", "name");
		need_reference(p, o, json_object_get(env, "configMapRef"), "ConfigMap", "name");
	}
}

static void check_pod_spec(struct preflight *p, const struct deploy_object *o, const json_t *spec)
{
	static const char *const lists[] = { "initContainers", "containers" };
	const char *account = text_at(spec, "serviceAccountName");
	size_t i, k;
	json_t *item, *source;

	for (size_t l = 0; l < ARRAY_LEN(lists); l++)
		json_array_foreach(json_object_get(spec, lists[l]), i, item)
			check_container(p, o, item);
	json_array_foreach(json_object_get(spec, "volumes"), i, item) {
		need_reference(p, o, json_object_get(item, "secret"), "Secret", "secretName");
		need_reference(p, o, json_object_get(item, "configMap"), "ConfigMap", "name");
		need_reference(p, o, json_object_get(item, "persistentVolumeClaim"), "PersistentVolumeClaim", "claimName");
		json_array_foreach(json_object_get(json_object_get(item, "projected"), "sources"), k, source) {
			need_reference(p, o, json_object_get(source, "secret"), "Secret", "name");
			need_reference(p, o, json_object_get(source, "configMap"), "ConfigMap", "name");
		}
	}
	if (account && strcmp(account, "default") != 0)
		need(p, o, "v1", "ServiceAccount", o->namespace, account, "its pods will not be made");
}

const json_t *preflight_pod_spec(const struct deploy_object *o, const json_t *tree)
{
	const json_t *spec = json_object_get(tree, "spec");

	if (strcmp(o->kind, "Pod") == 0)
		return spec;
	if (strcmp(o->kind, "CronJob") == 0)
		spec = json_object_get(json_object_get(spec, "jobTemplate"), "spec");
	return json_object_get(json_object_get(spec, "template"), "spec");
}

static bool on_class(struct str object, void *arg, struct error *err)
{
	json_t *class = json_loadb(object.p, object.len, JSON_ALLOW_NUL, NULL);
	const json_t *annotations = json_object_get(json_object_get(class, "metadata"), "annotations");
	const char *is_default = text_at(annotations, "storageclass.kubernetes.io/is-default-class");
	bool *found = arg;

	(void)err;
	*found = *found || (is_default && strcmp(is_default, "true") == 0);
	json_decref(class);
	return true;
}

/* What can't be looked at is not called absent. */
static bool has_default_class(struct preflight *p)
{
	AUTO_RELEASE(error) ignored = { 0 };
	const struct kube_resource *r = kube_find_kind(p->run->kube, "storage.k8s.io/v1", "StorageClass", p->run->cancel, &ignored);
	struct kube_list_options options = { .metadata_only = true };
	bool found = false;

	return !r || !kube_list(p->run->kube, r, &options, p->run->cancel, on_class, &found, NULL, &ignored) || found;
}

static void need_storage_class(struct preflight *p, const struct deploy_object *o, const json_t *claim_spec)
{
	need(p, o, "storage.k8s.io/v1", "StorageClass", "", text_at(claim_spec, "storageClassName"), "it will stay unbound");
	if (!json_object_get(claim_spec, "storageClassName") && !json_object_get(claim_spec, "volumeName") && !has_default_class(p))
		preflight_tell(p, o, DIAG_WARNING, NULL, "%s %s names no storage class, and none is the default: a claim will stay unbound unless a volume fits it",
			       o->kind, o->name);
}

static void check_references(struct preflight *p)
{
	size_t t;
	json_t *template;

	for (size_t i = 0; i < p->plan->len; i++) {
		const struct deploy_object *o = &p->plan->objects[i];
		json_t *object = json_loadb(o->json, o->json_len, 0, NULL);
		const json_t *spec = json_object_get(object, "spec"), *pod = preflight_pod_spec(o, object);

		if (pod)
			check_pod_spec(p, o, pod);
		if (strcmp(o->kind, "PersistentVolumeClaim") == 0)
			need_storage_class(p, o, spec);
		json_array_foreach(json_object_get(spec, "volumeClaimTemplates"), t, template)
			need_storage_class(p, o, json_object_get(template, "spec"));
		if (strcmp(o->kind, "Ingress") == 0)
			need(p, o, "networking.k8s.io/v1", "IngressClass", "", text_at(spec, "ingressClassName"), "nobody will serve it");
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

static void check_hosts(struct preflight *p)
{
	for (size_t i = 0; i < p->hosts.len && !cancel_requested(p->run->cancel); i++) {
		const struct deploy_object *o = p->hosts.entries[i].value;
		const char *host = p->hosts.entries[i].key;

		/* Names inside of the cluster are never known outside. */
		if (strstr(host, ".svc.") || ends_with(host, ".svc"))
			continue;
		if (is_unknown_host(str_of(host)))
			preflight_tell(p, o, DIAG_WARNING, NULL, "image host \"%s\" is not known from here; the nodes may know it", host);
	}
}

/* ---- namespaces ---- */

/* A namespace that nobody makes: every object in it would fail. The stack's own is made by apply. */
static void check_namespaces(struct preflight *p)
{
	AUTO_RELEASE(map) seen = MAP_INIT(NULL);

	for (size_t i = 0; i < p->plan->len; i++) {
		const struct deploy_object *o = &p->plan->objects[i];

		if (!*o->namespace || strcmp(o->namespace, p->run->stack->namespace) == 0 || map_has(&seen, str_of(o->namespace)))
			continue;
		map_set(&seen, str_of(o->namespace), NULL);
		enum preflight_presence presence = preflight_look(p, "v1", "Namespace", "", o->namespace);

		if (presence == PREFLIGHT_GOING)
			preflight_tell(p, o, DIAG_ERROR, "wait until it is gone", "namespace \"%s\" is being deleted", o->namespace);
		else if (presence == PREFLIGHT_ABSENT && !preflight_is_made(p, "Namespace", "", o->namespace))
			preflight_tell(p, o, DIAG_ERROR, "create it, or leave the item out", "namespace \"%s\" is neither in the plan nor in the cluster",
				       o->namespace);
	}
}

/* ---- all ---- */

static void note_what_is_made(struct preflight *p)
{
	for (size_t i = 0; i < p->plan->len; i++) {
		const struct deploy_object *o = &p->plan->objects[i];
		AUTO_FREE char *key = xasprintf("%s %s/%s", o->kind, o->namespace, o->name);

		map_set(&p->made, str_of(key), NULL);
	}
}

/* summary: how it went if it went well. */
static bool check(struct run *run, const struct deploy_plan *plan, bool full, const char *consequence, struct buf *summary, struct error *err)
{
	struct preflight p = { .run = run, .plan = plan };

	note_what_is_made(&p);
	check_namespaces(&p);
	bool good = !full || preflight_rights(&p, err);

	if (good && full) {
		preflight_quotas(&p);
		check_references(&p);
		check_hosts(&p);
	}
	good = good && cancel_check(run->cancel, err);
	map_release(&p.made);
	map_release(&p.asked);
	map_release(&p.hosts);
	if (p.warnings)
		buf_addf(summary, "%zu warning%s", p.warnings, p.warnings == 1 ? "" : "s");
	else
		buf_adds(summary, "nothing in the way");
	return good && (!p.errors || error_set(err, p.denied ? ERR_DENIED : ERR_INVALID, "preflight: %zu finding%s%s", p.errors,
					       p.errors == 1 ? "" : "s", consequence));
}

bool preflight(struct run *run, const struct deploy_plan *plan, struct error *err)
{
	AUTO_RELEASE(buf) summary = BUF_INIT(0);

	run_step(run, "preflight");
	bool good = check(run, plan, run->options->preflight, "; nothing was written", &summary, err);

	run_step_end(run, good, good ? buf_cstr(&summary) : err->message);
	return good;
}

bool preflight_full(struct run *run, struct buf *summary, struct error *err)
{
	return check(run, run->plan, true, "", summary, err);
}
