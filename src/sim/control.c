#include "sim/control.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/demo.h"

static const struct {
	const char *group, *kind;
	reconcile_fn *step;
} steps[] = {
	{ "", "Pod", pod_step },
	{ "apps", "ReplicaSet", replica_set_step },
	{ "apps", "Deployment", deployment_step },
	{ "apps", "StatefulSet", stateful_set_step },
	{ "apps", "DaemonSet", daemon_set_step },
	{ "batch", "Job", job_step },
	{ "batch", "CronJob", cron_job_step },
	{ "", "PersistentVolumeClaim", claim_step },
	{ "", "Service", service_step },
	{ "", "Node", node_step },
	{ "networking.k8s.io", "Ingress", ingress_step },
	{ "apiextensions.k8s.io", "CustomResourceDefinition", definition_step },
	{ "", "ResourceQuota", quota_step },
	{ "policy", "PodDisruptionBudget", budget_step },
	{ "autoscaling", "HorizontalPodAutoscaler", autoscaler_step },
	{ "", "Namespace", namespace_step },
};

static reconcile_fn *step_of(const struct resource *r)
{
	if (r->flags & KIND_CUSTOM)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (!strcmp(steps[i].kind, r->kind) && !strcmp(steps[i].group, r->group))
			return steps[i].step;
	return NULL;
}

struct resource *core(const struct sim *sim, const char *plural)
{
	return kinds_plural(sim, "", "v1", plural);
}

/* ---- the queue and the timers ---- */

/* Custom kinds are the work of the API server itself, which never rests. */
static bool active(const struct sim *sim, const struct object *o)
{
	return sim_has(sim, FEATURE_CONTROLLERS) || !strcmp(o->resource->kind, "CustomResourceDefinition");
}

void control_queue(struct sim *sim, struct object *o)
{
	if (o->life.queued || !active(sim, o))
		return;
	o->life.queued = true;
	LIST_PUSH(sim->queue, sim->nqueue, sim->queue_cap) = o;
	pthread_cond_signal(&sim->work);
}

void control_wake(struct sim *sim, struct object *o, int64_t ms)
{
	int64_t at = sim_now(sim) + (ms > 0 ? ms : 0);

	if (!active(sim, o) || (o->life.wake && o->life.wake <= at))
		return;
	if (!o->life.wake)
		LIST_PUSH(sim->timers, sim->ntimers, sim->timers_cap) = o;
	o->life.wake = at;
	pthread_cond_signal(&sim->work);
}

void control_wake_all(struct sim *sim, const char *group, const char *plural, const char *ns, int64_t ms)
{
	struct resource *r = NULL;
	size_t n, from;

	for (size_t i = 0; i < sim->nresources && !r; i++)
		if (!strcmp(sim->resources[i]->plural, plural) && !strcmp(sim->resources[i]->group, group))
			r = sim->resources[i];
	if (!r)
		return;
	from = store_range(r, ns, &n);
	for (size_t i = from; i < from + n; i++)
		control_wake(sim, r->objects[i], ms);
}

void control_queue_all(struct sim *sim)
{
	for (size_t i = 0; i < sim->nresources; i++)
		for (size_t k = 0; k < sim->resources[i]->n; k++)
			control_queue(sim, sim->resources[i]->objects[k]);
}

static struct object *owner_object(const struct sim *sim, const struct object *o, const json_t *reference)
{
	const struct resource *r = kinds_kind(sim, jstr(reference, "apiVersion"), jstr(reference, "kind"));
	struct object *owner = r ? store_find(r, r->namespaced ? o->ns : "", jstr(reference, "name")) : NULL;

	return owner && !strcmp(owner->uid, jstr(reference, "uid")) ? owner : NULL;
}

static void tell_others(struct sim *sim, struct object *o)
{
	const struct resource *r = o->resource;

	for (size_t i = 0; i < json_array_size(o->owners); i++) {
		struct object *owner = owner_object(sim, o, json_array_get(o->owners, i));

		if (owner)
			control_queue(sim, owner);
	}
	if (!r->namespaced || (r->flags & KIND_CUSTOM))
		return;
	if (!strcmp(r->kind, "Pod") && !*r->group) {
		control_wake_all(sim, "", "services", o->ns, 50);
		control_wake_all(sim, "policy", "poddisruptionbudgets", o->ns, 200);
	} else if (!strcmp(r->kind, "PersistentVolumeClaim")) {
		control_wake_all(sim, "", "pods", o->ns, 20);
	}
	if (strcmp(r->kind, "Event") && strcmp(r->kind, "ResourceQuota"))
		control_wake_all(sim, "", "resourcequotas", o->ns, 150);
}

void control_notice(struct sim *sim, struct object *o)
{
	if (step_of(o->resource) || o->deleting || o->owners)
		control_queue(sim, o);
	if (sim_has(sim, FEATURE_CONTROLLERS))
		tell_others(sim, o);
}

/* Those that o owned must be looked at: without an owner they go. */
static void queue_dependents(struct sim *sim, const char *uid)
{
	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];

		for (size_t k = 0; k < r->n; k++)
			if (r->objects[k]->owners && jx_find(r->objects[k]->owners, "uid", uid) >= 0)
				control_queue(sim, r->objects[k]);
	}
}

void control_removed(struct sim *sim, struct object *o, const json_t *tree)
{
	queue_dependents(sim, o->uid);
	tell_others(sim, o);
	if (!strcmp(o->resource->kind, "CustomResourceDefinition"))
		kinds_undefine(sim, tree);
	if (!strcmp(o->resource->kind, "PersistentVolumeClaim") && *jstr(tree, "spec", "volumeName")) {
		struct object *volume = store_find(core(sim, "persistentvolumes"), "", jstr(tree, "spec", "volumeName"));

		if (volume)
			store_remove(sim, volume);
	}
	struct object *ns = o->resource->namespaced ? store_find(core(sim, "namespaces"), "", o->ns) : NULL;

	if (ns && ns->deleting)
		control_wake(sim, ns, 100);
}

void control_forget(struct sim *sim, struct object *o)
{
	size_t kept = 0;

	for (size_t i = 0; o->life.queued && i < sim->nqueue; i++)
		if (sim->queue[i] == o)
			sim->queue[i] = NULL;
	if (!o->life.wake)
		return;
	for (size_t i = 0; i < sim->ntimers; i++)
		if (sim->timers[i] != o)
			sim->timers[kept++] = sim->timers[i];
	sim->ntimers = kept;
}

/* ---- shared helpers ---- */

struct object **owned_by(const struct resource *r, const char *ns, const char *uid, size_t *ret_n)
{
	size_t n, from = store_range(r, ns, &n), found = 0;
	struct object **list = xcalloc(n + 1, sizeof *list);

	for (size_t i = from; i < from + n; i++)
		if (r->objects[i]->owner && !strcmp(r->objects[i]->owner, uid))
			list[found++] = r->objects[i];
	*ret_n = found;
	return list;
}

json_t *owner_reference(const struct resource *r, const json_t *tree, bool controller)
{
	json_t *reference = json_pack("{s:s,s:s,s:s,s:s}", "apiVersion", r->api_version, "kind", r->kind, "name",
				      jstr(tree, "metadata", "name"), "uid", jstr(tree, "metadata", "uid"));

	if (controller) {
		json_object_set_new(reference, "controller", json_true());
		json_object_set_new(reference, "blockOwnerDeletion", json_true());
	}
	return reference;
}

bool condition_set(json_t *status, const char *type, const char *value, const char *reason, const char *message, bool update_time)
{
	json_t *list = json_object_get(status, "conditions"), *now = jx_time(sim_wall_ms()), *c;
	ptrdiff_t at;
	bool flipped, changed;

	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(status, "conditions", list);
	}
	at = jx_find(list, "type", type);
	if (at < 0) {
		c = json_pack("{s:s}", "type", type);
		json_array_append_new(list, c);
	} else {
		c = json_array_get(list, (size_t)at);
	}
	flipped = !jx_is(json_object_get(c, "status"), value);
	changed = flipped || strcmp(jstr(c, "reason"), reason) || strcmp(jstr(c, "message"), message);
	if (changed) {
		json_object_set_new(c, "status", json_string(value));
		if (update_time)
			json_object_set(c, "lastUpdateTime", now);
		if (flipped)
			json_object_set(c, "lastTransitionTime", now);
		if (*reason)
			json_object_set_new(c, "reason", json_string(reason));
		else
			json_object_del(c, "reason");
		if (*message)
			json_object_set_new(c, "message", json_string(message));
		else
			json_object_del(c, "message");
	}
	json_decref(now);
	return changed;
}

static const json_t *condition(const json_t *tree, const char *type)
{
	json_t *list = jget(tree, "status", "conditions");
	ptrdiff_t at = jx_find(list, "type", type);

	return at < 0 ? NULL : json_array_get(list, (size_t)at);
}

const char *condition_reason(const json_t *tree, const char *type)
{
	return jstr(condition(tree, type), "reason");
}

bool condition_true(const json_t *tree, const char *type)
{
	return jx_is(json_object_get(condition(tree, type), "status"), "True");
}

void status_write(struct sim *sim, struct object *object, json_t *tree, json_t *status, const char *manager)
{
	json_t *old = json_object_get(tree, "status");

	if (old && json_equal(old, status)) {
		json_decref(status);
		return;
	}
	json_t *next = json_deep_copy(tree);

	json_object_set_new(next, "status", status);
	rest_write(sim, object, next, manager, "status");
}

const char *fault_of(const json_t *tree)
{
	const char *label = jstr(tree, "metadata", "labels", "testbed/fault");

	return *label ? label : jstr(tree, "metadata", "annotations", "testbed/fault");
}

int64_t duration_of(const json_t *tree, const char *annotation, int64_t otherwise_ms)
{
	const char *text = jstr(tree, "metadata", "annotations", annotation);
	char *unit;
	double value = strtod(text, &unit);

	if (!*text || unit == text)
		return otherwise_ms;
	return (int64_t)(!strcmp(unit, "ms") ? value : !strcmp(unit, "m") ? value * 60000 : value * 1000);
}

void template_hash(const json_t *template, char out[12])
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	json_t *copy = json_deep_copy(template);
	uint32_t h = 2166136261u;
	char digits[12];

	jdel(copy, "metadata", "labels", "pod-template-hash");
	char *dump = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);

	for (const char *p = dump; p && *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	free(dump);
	json_decref(copy);
	snprintf(digits, sizeof digits, "%u", h);
	size_t n = strlen(digits);

	for (size_t i = 0; i < n; i++)
		out[i] = letters[(unsigned char)digits[i] % (sizeof letters - 1)];
	out[n] = 0;
}

void event_emit(struct sim *sim, const json_t *tree, const char *type, const char *component, const char *reason, const char *fmt,
		...)
{
	struct resource *events = core(sim, "events");
	const char *name = jstr(tree, "metadata", "name"), *ns = jstr(tree, "metadata", "namespace");
	AUTO_RELEASE(buf) message = BUF_INIT(0);
	uint64_t h = 1469598103934665603u;
	json_t *now = jx_time(sim_wall_ms());
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&message, fmt, ap);
	va_end(ap);
	AUTO_FREE char *key = xasprintf("%s %s %s %s", jstr(tree, "metadata", "uid"), type, reason, buf_cstr(&message));

	for (const char *p = key; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	AUTO_FREE char *event_name = xasprintf("%.200s.%016llx", name, (unsigned long long)h);
	struct object *same = store_find(events, *ns ? ns : "default", event_name);

	bool new_style = !strcmp(component, "default-scheduler"); /* it speaks events.k8s.io: no count, no first and last time */

	if (same) {
		json_t *again = store_tree(same);

		if (new_style) {
			jset(again, json_integer(jint(1, again, "series", "count") + 1), "series", "count");
			jset(again, jx_micro_time(sim_wall_ms() * 1000), "series", "lastObservedTime");
		} else {
			json_object_set_new(again, "count", json_integer(jint(1, again, "count") + 1));
			json_object_set(again, "lastTimestamp", now);
		}
		rest_write(sim, same, again, component, NULL);
	} else {
		json_t *involved = json_pack("{s:s,s:s,s:s,s:s,s:s}", "kind", jstr(tree, "kind"), "apiVersion",
					     jstr(tree, "apiVersion"), "name", name, "uid", jstr(tree, "metadata", "uid"),
					     "resourceVersion", jstr(tree, "metadata", "resourceVersion"));
		json_t *event = json_pack("{s:s,s:s,s:{s:s,s:s},s:O,s:s,s:s,s:s,s:s}", "kind", "Event", "apiVersion", "v1", "metadata",
					  "name", event_name, "namespace", *ns ? ns : "default", "involvedObject", involved, "reason",
					  reason, "message", buf_cstr(&message), "type", type, "reportingComponent", component);

		if (*ns)
			json_object_set_new(involved, "namespace", json_string(ns));
		if (new_style) {
			json_object_set_new(event, "eventTime", jx_micro_time(sim_wall_ms() * 1000));
			json_object_set_new(event, "action", json_string(strcmp(reason, "Scheduled") ? "Scheduling" : "Binding"));
			json_object_set_new(event, "reportingInstance", json_sprintf("%s-sim", component));
		} else {
			json_object_set(event, "firstTimestamp", now);
			json_object_set(event, "lastTimestamp", now);
			json_object_set_new(event, "count", json_integer(1));
			jset(event, json_string(component), "source", "component");
			if (!strcmp(component, "kubelet"))
				jset(event, json_string(jstr(tree, "spec", "nodeName")), "source", "host");
		}
		json_decref(involved);
		rest_add(sim, events, event, component, NULL);
	}
	json_decref(now);
}

/* ---- garbage ---- */

static bool is_orphan(const struct sim *sim, const struct object *o)
{
	for (size_t i = 0; i < json_array_size(o->owners); i++) {
		const json_t *reference = json_array_get(o->owners, i);

		if (owner_object(sim, o, reference) || !kinds_kind(sim, jstr(reference, "apiVersion"), jstr(reference, "kind")))
			return false;
	}
	return json_array_size(o->owners) > 0;
}

static bool drop_finalizer(json_t *tree, const char *name)
{
	json_t *list = jget(tree, "metadata", "finalizers");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (jx_is(json_array_get(list, i), name)) {
			json_array_remove(list, i);
			return true;
		}
	return false;
}

/* Foreground deletion: dependents first. True when the object was changed or removed. */
static bool foreground(struct sim *sim, struct object *o, json_t *tree)
{
	json_t *list = jget(tree, "metadata", "finalizers");
	bool waits = false;

	for (size_t i = 0; i < json_array_size(list); i++)
		waits = waits || jx_is(json_array_get(list, i), "foregroundDeletion");
	if (!waits)
		return false;
	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];

		for (size_t k = 0; k < r->n; k++) {
			struct object *child = r->objects[k];

			if (!child->owners || jx_find(child->owners, "uid", o->uid) < 0)
				continue;
			if (!child->deleting)
				rest_remove(sim, child, "Foreground", -1);
			control_wake(sim, o, 100);
			return true;
		}
	}
	drop_finalizer(tree, "foregroundDeletion");
	store_put(sim, o->resource, o, tree);
	rest_finish_delete(sim, o);
	return true;
}

static void step(struct sim *sim, struct object *o)
{
	reconcile_fn *fn = step_of(o->resource);
	json_t *tree;

	if (!o->deleting && o->owners && is_orphan(sim, o)) {
		rest_remove(sim, o, "Background", -1);
		return;
	}
	tree = store_tree(o);
	if (o->deleting && foreground(sim, o, tree)) {
		json_decref(tree);
		return;
	}
	if (fn)
		fn(sim, o, tree);
	json_decref(tree);
}

/* ---- namespaces ---- */

static void make_defaults(struct sim *sim, struct object *o)
{
	struct resource *accounts = core(sim, "serviceaccounts"), *maps = core(sim, "configmaps");

	if (!store_find(accounts, o->name, "default"))
		rest_add(sim, accounts,
			 json_pack("{s:s,s:s,s:{s:s,s:s}}", "kind", "ServiceAccount", "apiVersion", "v1", "metadata", "name", "default",
				   "namespace", o->name),
			 KCM, NULL);
	if (!store_find(maps, o->name, "kube-root-ca.crt"))
		rest_add(sim, maps,
			 json_pack("{s:s,s:s,s:{s:s,s:s,s:{s:s}},s:{s:s}}", "kind", "ConfigMap", "apiVersion", "v1", "metadata", "name",
				   "kube-root-ca.crt", "namespace", o->name, "annotations", "kubernetes.io/description",
				   "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
				   "data", "ca.crt", "-----BEGIN CERTIFICATE-----\nc2ltdWxhdGlvbg==\n-----END CERTIFICATE-----\n"),
			 KCM, NULL);
}

static size_t empty_namespace(struct sim *sim, const char *ns, struct buf *left, bool *ret_held)
{
	size_t total = 0;

	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];
		size_t n, from, held = 0;

		if (!r->namespaced || r->storage != r || !r->stored)
			continue;
		from = store_range(r, ns, &n);
		for (size_t k = from + n; k-- > from;) {
			struct object *o = k < r->n ? r->objects[k] : NULL;

			if (o && !strcmp(o->ns, ns) && !o->deleting)
				rest_remove(sim, o, "Background", -1);
		}
		from = store_range(r, ns, &n);
		for (size_t k = from; k < from + n; k++) {
			json_t *tree = store_tree(r->objects[k]);

			held += json_array_size(jget(tree, "metadata", "finalizers")) > 0;
			json_decref(tree);
		}
		*ret_held = *ret_held || held;
		if (n)
			buf_addf(left, "%s%s%s%s has %zu resource instances", left->len ? ", " : "", r->plural, *r->group ? "." : ". ",
				 r->group, n);
		total += n;
	}
	return total;
}

void namespace_step(struct sim *sim, struct object *o, json_t *tree)
{
	AUTO_RELEASE(buf) left = BUF_INIT(0);
	bool held = false;

	if (!o->deleting) {
		if (!o->life.phase) {
			o->life.phase = 1;
			control_wake(sim, o, 30);
			return;
		}
		make_defaults(sim, o);
		return;
	}
	if (o->life.phase < 2) { /* a real controller comes a moment later, too */
		o->life.phase = 2;
		o->life.since = sim_now(sim);
	}
	if (sim_now(sim) < o->life.since + 800) {
		control_wake(sim, o, o->life.since + 800 - sim_now(sim));
		return;
	}
	size_t n = empty_namespace(sim, o->name, &left, &held);

	if (!n) {
		jset(tree, json_array(), "spec", "finalizers");
		store_put(sim, o->resource, o, tree);
		rest_finish_delete(sim, o);
		return;
	}
	AUTO_FREE char *message = xasprintf("Some resources are remaining: %s", buf_cstr(&left));
	json_t *status = json_deep_copy(json_object_get(tree, "status"));

	condition_set(status, "NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", "All resources successfully discovered",
		      false);
	condition_set(status, "NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions",
		      "All legacy kube types successfully parsed", false);
	condition_set(status, "NamespaceDeletionContentFailure", "False", "ContentDeleted",
		      "All content successfully deleted, may be waiting on finalization", false);
	condition_set(status, "NamespaceContentRemaining", "True", "SomeResourcesRemain", message, false);
	condition_set(status, "NamespaceFinalizersRemaining", held ? "True" : "False",
		      held ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
		      held ? "Some content in the namespace has finalizers remaining" : "All content-preserving finalizers finished",
		      false);
	status_write(sim, o, tree, status, KCM);
	control_wake(sim, o, 500);
}

/* ---- the thread ---- */

static void fire_timers(struct sim *sim, int64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < sim->ntimers; i++) {
		struct object *o = sim->timers[i];

		if (o->life.wake <= now) {
			o->life.wake = 0;
			control_queue(sim, o);
		} else {
			sim->timers[kept++] = o;
		}
	}
	sim->ntimers = kept;
}

static int64_t next_timer(const struct sim *sim)
{
	int64_t first = sim->demo ? sim->next_life : INT64_MAX;

	for (size_t i = 0; i < sim->ntimers; i++)
		if (sim->timers[i]->life.wake < first)
			first = sim->timers[i]->life.wake;
	return first;
}

static void sleep_until(struct sim *sim, int64_t at, int64_t now)
{
	struct timespec until;
	double ms = at == INT64_MAX ? 3600e3 : (double)(at - now) / sim->speed;

	if (ms > 3600e3)
		ms = 3600e3;
	if (ms < 0.2)
		ms = 0.2;
	clock_gettime(CLOCK_MONOTONIC, &until);
	int64_t ns = until.tv_nsec + (int64_t)(ms * 1e6);

	until.tv_sec += ns / 1000000000;
	until.tv_nsec = ns % 1000000000;
	pthread_cond_timedwait(&sim->work, &sim->lock, &until);
}

/* Lets requests in: the lock is not fair by itself. */
static void let_others_in(struct sim *sim)
{
	pthread_mutex_unlock(&sim->lock);
	for (int i = 0; i < 20 && __atomic_load_n(&sim->wanting, __ATOMIC_RELAXED); i++) {
		struct timespec moment = { 0, 50000 };

		nanosleep(&moment, NULL);
	}
	pthread_mutex_lock(&sim->lock);
}

static void *run(void *arg)
{
	struct sim *sim = arg;
	size_t next = 0;

	pthread_mutex_lock(&sim->lock);
	while (!sim->stopping) {
		int64_t now = sim_now(sim);

		fire_timers(sim, now);
		if (sim->demo && now >= sim->next_life)
			demo_live(sim);
		if (next >= sim->nqueue) {
			sim->nqueue = next = 0;
			sim->busy = false;
			pthread_cond_broadcast(&sim->idle);
			sleep_until(sim, next_timer(sim), now);
			continue;
		}
		sim->busy = true;
		struct object *o = sim->queue[next++];

		if (o) {
			o->life.queued = false;
			if (active(sim, o))
				step(sim, o);
		}
		if (next > 4096) { /* keep the queue from growing while it never runs empty */
			memmove(sim->queue, sim->queue + next, (sim->nqueue - next) * sizeof *sim->queue);
			sim->nqueue -= next;
			next = 0;
		}
		let_others_in(sim);
	}
	pthread_mutex_unlock(&sim->lock);
	return NULL;
}

void control_fast_forward(struct sim *sim, int64_t ms)
{
	int64_t end;
	size_t next = 0;

	if (!sim_has(sim, FEATURE_CONTROLLERS))
		return;
	pthread_mutex_lock(&sim->lock);
	end = sim_now(sim) + ms;
	for (;;) {
		fire_timers(sim, sim_now(sim));
		if (next < sim->nqueue) {
			struct object *o = sim->queue[next++];

			if (o) {
				o->life.queued = false;
				step(sim, o);
			}
			continue;
		}
		sim->nqueue = next = 0;
		int64_t timer = next_timer(sim), now = sim_now(sim);

		if (timer > end)
			break;
		if (timer > now)
			sim->aged_ms += timer - now;
	}
	if (end > sim_now(sim))
		sim->aged_ms += end - sim_now(sim);
	pthread_mutex_unlock(&sim->lock);
}

bool control_start(struct sim *sim, struct error *err)
{
	if (pthread_create(&sim->controller, NULL, run, sim))
		return error_set(err, ERR_IO, "no thread for the controllers");
	sim->controller_running = true;
	return true;
}

void control_stop(struct sim *sim)
{
	if (!sim->controller_running)
		return;
	pthread_mutex_lock(&sim->lock);
	sim->stopping = true;
	pthread_cond_broadcast(&sim->work);
	pthread_mutex_unlock(&sim->lock);
	pthread_join(sim->controller, NULL);
	sim->controller_running = false;
}
