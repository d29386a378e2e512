/* The controllers of Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/control.h"

/* ---- pods of a workload ---- */

static bool pod_ready(const json_t *pod)
{
	return condition_true(pod, "Ready");
}

static bool pod_over(const json_t *pod)
{
	const char *phase = jstr(pod, "status", "phase");

	return !strcmp(phase, "Succeeded") || !strcmp(phase, "Failed");
}

static int64_t ready_since(const json_t *pod)
{
	json_t *list = jget(pod, "status", "conditions");
	ptrdiff_t at = jx_find(list, "type", "Ready");

	return at < 0 ? 0 : jx_time_ms(jstr(json_array_get(list, (size_t)at), "lastTransitionTime"));
}

/* Ready for minReadySeconds; when not yet, *ret_wait tells in how many (scaled) milliseconds to look again. */
static bool pod_available(const struct sim *sim, const json_t *pod, int64_t min_ready_s, int64_t *ret_wait)
{
	int64_t passed;

	if (!pod_ready(pod))
		return false;
	if (min_ready_s <= 0)
		return true;
	passed = (int64_t)((double)(sim_wall_ms() - ready_since(pod)) * sim->speed);
	if (passed >= min_ready_s * 1000)
		return true;
	if (!*ret_wait || min_ready_s * 1000 - passed < *ret_wait)
		*ret_wait = min_ready_s * 1000 - passed + 20;
	return false;
}

/* A pod from a template: name "" gives a generated one. */
static json_t *pod_from(const struct resource *r, const json_t *owner, const json_t *template, const char *name,
			const char *hash_key, const char *hash)
{
	json_t *pod = json_pack("{s:s,s:s,s:{}}", "kind", "Pod", "apiVersion", "v1", "metadata");
	json_t *labels = jget(template, "metadata", "labels"), *annotations = jget(template, "metadata", "annotations");

	if (labels)
		jset(pod, json_deep_copy(labels), "metadata", "labels");
	if (annotations)
		jset(pod, json_deep_copy(annotations), "metadata", "annotations");
	json_object_set_new(pod, "spec", json_deep_copy(json_object_get(template, "spec")));
	if (*name)
		jset(pod, json_string(name), "metadata", "name");
	else
		jset(pod, json_sprintf("%s-", jstr(owner, "metadata", "name")), "metadata", "generateName");
	jset(pod, json_string(jstr(owner, "metadata", "namespace")), "metadata", "namespace");
	jset(pod, json_pack("[o]", owner_reference(r, owner, true)), "metadata", "ownerReferences");
	if (hash)
		jset(pod, json_string(hash), "metadata", "labels", hash_key);
	return pod;
}

static bool pod_make(struct sim *sim, const json_t *owner, json_t *pod, const char *component, char **ret_message)
{
	const char *account = jstr(pod, "spec", "serviceAccountName"), *ns = jstr(owner, "metadata", "namespace");
	struct object *object = store_find(kinds_kind(sim, jstr(owner, "apiVersion"), jstr(owner, "kind")), ns,
					   jstr(owner, "metadata", "name"));
	json_t *status = NULL;

	if (object)
		control_wake(sim, object, 2000);
	if (!*account && object && !store_find(core(sim, "serviceaccounts"), ns, "default")) {
		control_wake(sim, object, 40); /* the namespace is so new that its account is still being made */
		json_decref(pod);
		return false;
	}
	struct object *made = rest_add(sim, core(sim, "pods"), pod, KCM, &status);

	if (made) {
		event_emit(sim, owner, "Normal", component, "SuccessfulCreate", strcmp(jstr(owner, "kind"), "StatefulSet") ?
			   "Created pod: %s" : "create Pod %s in StatefulSet successful", made->name);
		return true;
	}
	event_emit(sim, owner, "Warning", component, "FailedCreate", "Error creating: %s", jstr(status, "message"));
	if (ret_message)
		*ret_message = xstrdup(jstr(status, "message"));
	json_decref(status);
	return false;
}

static void pod_delete(struct sim *sim, const json_t *owner, struct object *pod, const char *component)
{
	AUTO_FREE char *name = xstrdup(pod->name);

	rest_remove(sim, pod, "Background", -1);
	event_emit(sim, owner, "Normal", component, "SuccessfulDelete", "Deleted pod: %s", name);
}

/* ---- ReplicaSet ---- */

static int deletion_rank(const struct object *o)
{
	json_t *pod = store_tree(o);
	int rank = !*jstr(pod, "spec", "nodeName") ? 0 : strcmp(jstr(pod, "status", "phase"), "Running") ? 1 : !pod_ready(pod) ? 2 : 3;

	json_decref(pod);
	return rank;
}

static void scale_down(struct sim *sim, const json_t *owner, struct object **pods, size_t n, int64_t count)
{
	for (int rank = 0; rank < 4 && count > 0; rank++)
		for (size_t i = n; i-- > 0 && count > 0;)
			if (pods[i] && deletion_rank(pods[i]) == rank) {
				pod_delete(sim, owner, pods[i], "replicaset-controller");
				pods[i] = NULL;
				count--;
			}
}

void replica_set_step(struct sim *sim, struct object *o, json_t *tree)
{
	int64_t want = jint(1, tree, "spec", "replicas"), have = 0, ready = 0, available = 0, wait = 0, leaving = 0;
	AUTO_FREE char *failure = NULL;
	AUTO_FREE char *ns = xstrdup(o->ns), *name = xstrdup(o->name);
	size_t n;
	struct object **pods;

	if (o->deleting)
		return;
	pods = owned_by(core(sim, "pods"), o->ns, o->uid, &n);
	for (size_t i = 0; i < n; i++) {
		json_t *pod = store_tree(pods[i]);

		if (pods[i]->deleting || pod_over(pod)) {
			leaving += pods[i]->deleting;
			pods[i] = NULL;
		} else {
			have++;
			ready += pod_ready(pod);
			available += pod_available(sim, pod, jint(0, tree, "spec", "minReadySeconds"), &wait);
		}
		json_decref(pod);
	}
	for (; have < want && !failure; have++)
		if (!pod_make(sim, tree, pod_from(o->resource, tree, jget(tree, "spec", "template"), "", NULL, NULL),
			      "replicaset-controller", &failure))
			break;
	if (have > want) {
		scale_down(sim, tree, pods, n, have - want);
		have = want;
	}
	free(pods);
	json_t *status = json_object(), *old = jget(tree, "status", "conditions");

	json_object_set_new(status, "replicas", json_integer(have));
	if (have)
		json_object_set_new(status, "fullyLabeledReplicas", json_integer(have));
	if (ready)
		json_object_set_new(status, "readyReplicas", json_integer(ready > have ? have : ready));
	if (available)
		json_object_set_new(status, "availableReplicas", json_integer(available > have ? have : available));
	json_object_set_new(status, "terminatingReplicas", json_integer(leaving));
	json_object_set_new(status, "observedGeneration", json_integer(jint(1, tree, "metadata", "generation")));
	if (failure) {
		if (old)
			json_object_set_new(status, "conditions", json_deep_copy(old));
		condition_set(status, "ReplicaFailure", "True", "FailedCreate", failure, false);
	}
	o = store_find(kinds_plural(sim, "apps", "v1", "replicasets"), ns, name);
	if (o) {
		status_write(sim, o, tree, status, KCM);
		if (failure)
			control_wake(sim, o, 2000);
		if (wait)
			control_wake(sim, o, wait);
	} else {
		json_decref(status);
	}
}

/* ---- Deployment ---- */

enum { SETS_MAX = 64 };

struct rollout {
	struct sim *sim;
	struct object *object;
	json_t *tree;
	struct replica_set {
		struct object *object;
		json_t *tree;
		int64_t spec, ready, available, current, leaving;
	} sets[SETS_MAX];
	size_t n;
	struct replica_set *latest; /* the one with the wanted template */
	int64_t want;
	bool created;
};

static bool same_template(const json_t *a, const json_t *b)
{
	json_t *copies[2] = { json_deep_copy(a), json_deep_copy(b) };

	for (size_t i = 0; i < 2; i++) {
		jdel(copies[i], "metadata", "labels", "pod-template-hash");
		if (jx_empty(jget(copies[i], "metadata", "labels")))
			jdel(copies[i], "metadata", "labels");
	}
	bool same = json_equal(copies[0], copies[1]);

	json_decref(copies[0]);
	json_decref(copies[1]);
	return same;
}

static int64_t revision_of(const json_t *tree)
{
	return strtoll(jstr(tree, "metadata", "annotations", "deployment.kubernetes.io/revision"), NULL, 10);
}

static void read_sets(struct rollout *d)
{
	size_t n;
	struct object **list = owned_by(kinds_plural(d->sim, "apps", "v1", "replicasets"), d->object->ns, d->object->uid, &n);

	for (size_t i = 0; i < n && d->n < SETS_MAX; i++) {
		struct replica_set *s = &d->sets[d->n++];

		*s = (struct replica_set){ .object = list[i], .tree = store_tree(list[i]) };
		s->spec = jint(1, s->tree, "spec", "replicas");
		s->current = jint(0, s->tree, "status", "replicas");
		s->ready = jint(0, s->tree, "status", "readyReplicas");
		s->available = jint(0, s->tree, "status", "availableReplicas");
		s->leaving = jint(0, s->tree, "status", "terminatingReplicas");
		if (same_template(jget(s->tree, "spec", "template"), jget(d->tree, "spec", "template")) &&
		    (!d->latest || revision_of(s->tree) > revision_of(d->latest->tree)))
			d->latest = s;
	}
	free(list);
}

static void free_sets(struct rollout *d)
{
	for (size_t i = 0; i < d->n; i++)
		json_decref(d->sets[i].tree);
}

static int64_t share(const json_t *value, int64_t of, bool up)
{
	const char *text = json_string_value(value);

	if (json_is_integer(value))
		return json_integer_value(value);
	if (!text)
		return 0;
	double part = strtod(text, NULL) * (double)of / 100;

	return (int64_t)(up ? ceil(part) : floor(part));
}

static void scale_set(struct rollout *d, struct replica_set *s, int64_t to)
{
	bool up = to > s->spec;
	int64_t from = s->spec;

	if (to == s->spec)
		return;
	jset(s->tree, json_integer(to), "spec", "replicas");
	jset(s->tree, json_sprintf("%lld", (long long)d->want), "metadata", "annotations", "deployment.kubernetes.io/desired-replicas");
	json_t *next = json_deep_copy(s->tree);

	s->spec = to;
	rest_write(d->sim, s->object, next, KCM, NULL);
	event_emit(d->sim, d->tree, "Normal", "deployment-controller", "ScalingReplicaSet", "Scaled %s replica set %s from %lld to %lld",
		   up ? "up" : "down", s->object->name, (long long)from, (long long)to);
}

static void make_set(struct rollout *d, int64_t surge)
{
	json_t *template = json_deep_copy(jget(d->tree, "spec", "template")), *selector = json_deep_copy(jget(d->tree, "spec", "selector"));
	struct resource *sets = kinds_plural(d->sim, "apps", "v1", "replicasets");
	int64_t revision = 0, replicas = d->want, total = 0;
	char hash[12];

	template_hash(template, hash);
	for (size_t i = 0; i < d->n; i++) {
		if (revision_of(d->sets[i].tree) > revision)
			revision = revision_of(d->sets[i].tree);
		total += d->sets[i].spec;
	}
	if (!strcmp(jstr(d->tree, "spec", "strategy", "type"), "RollingUpdate")) {
		int64_t room = d->want + surge - total;

		replicas = room < 0 ? 0 : room < d->want ? room : d->want;
	} else if (total) {
		replicas = 0;
	}
	jset(template, json_string(hash), "metadata", "labels", "pod-template-hash");
	jset(selector, json_string(hash), "matchLabels", "pod-template-hash");
	json_t *labels = json_deep_copy(jget(template, "metadata", "labels"));
	json_t *set = json_pack("{s:s,s:s,s:{s:o,s:s,s:o,s:{s:o,s:o,s:o},s:[o]},s:{s:I,s:o,s:o}}", "kind", "ReplicaSet", "apiVersion",
				"apps/v1", "metadata", "name", json_sprintf("%s-%s", d->object->name, hash), "namespace", d->object->ns,
				"labels", labels, "annotations", "deployment.kubernetes.io/desired-replicas",
				json_sprintf("%lld", (long long)d->want), "deployment.kubernetes.io/max-replicas",
				json_sprintf("%lld", (long long)(d->want + surge)), "deployment.kubernetes.io/revision",
				json_sprintf("%lld", (long long)revision + 1), "ownerReferences",
				owner_reference(d->object->resource, d->tree, true), "spec", "replicas", (json_int_t)replicas, "selector",
				selector, "template", template);

	if (jint(0, d->tree, "spec", "minReadySeconds"))
		jset(set, json_integer(jint(0, d->tree, "spec", "minReadySeconds")), "spec", "minReadySeconds");
	struct object *made = rest_add(d->sim, sets, set, KCM, NULL);

	if (!made || d->n == SETS_MAX)
		return;
	d->created = true;
	d->latest = &d->sets[d->n++];
	*d->latest = (struct replica_set){ .object = made, .tree = store_tree(made), .spec = replicas };
	if (replicas)
		event_emit(d->sim, d->tree, "Normal", "deployment-controller", "ScalingReplicaSet",
			   "Scaled up replica set %s from 0 to %lld", made->name, (long long)replicas);
}

static void roll(struct rollout *d, int64_t surge, int64_t unavailable)
{
	struct replica_set *latest = d->latest;
	int64_t total = 0, available = 0, least = d->want - unavailable, down;

	for (size_t i = 0; i < d->n; i++) {
		total += d->sets[i].spec;
		available += d->sets[i].available;
	}
	if (latest->spec > d->want) {
		scale_set(d, latest, d->want);
		return;
	}
	if (latest->spec < d->want && total < d->want + surge) {
		int64_t room = d->want + surge - total, missing = d->want - latest->spec;

		scale_set(d, latest, latest->spec + (room < missing ? room : missing));
		return;
	}
	down = total - least - (latest->spec - latest->available);
	for (size_t i = 0; i < d->n && down > 0; i++) { /* those that never got ready go first */
		struct replica_set *s = &d->sets[i];
		int64_t sick = s == latest ? 0 : s->spec - s->available;

		if (sick > 0) {
			int64_t n = sick < down ? sick : down;

			scale_set(d, s, s->spec - n);
			down -= n;
		}
	}
	down = available - least;
	for (size_t i = 0; i < d->n && down > 0; i++) {
		struct replica_set *s = &d->sets[i];

		if (s != latest && s->spec > 0) {
			int64_t n = s->spec < down ? s->spec : down;

			scale_set(d, s, s->spec - n);
			down -= n;
		}
	}
}

static void recreate(struct rollout *d)
{
	bool busy = false;

	for (size_t i = 0; i < d->n; i++)
		if (&d->sets[i] != d->latest) {
			size_t n;
			struct object **pods = owned_by(core(d->sim, "pods"), d->object->ns, d->sets[i].object->uid, &n);

			scale_set(d, &d->sets[i], 0);
			busy = busy || n > 0;
			free(pods);
		}
	if (busy)
		control_wake(d->sim, d->object, 200);
	else
		scale_set(d, d->latest, d->want);
}

static void drop_old_sets(struct rollout *d)
{
	int64_t limit = jint(10, d->tree, "spec", "revisionHistoryLimit");
	size_t old = 0;

	for (size_t i = 0; i < d->n; i++)
		old += &d->sets[i] != d->latest;
	while ((int64_t)old > limit) {
		struct replica_set *oldest = NULL;

		for (size_t i = 0; i < d->n; i++) {
			struct replica_set *s = &d->sets[i];

			if (s != d->latest && s->object && !s->spec && !s->current &&
			    (!oldest || revision_of(s->tree) < revision_of(oldest->tree)))
				oldest = s;
		}
		if (!oldest)
			return;
		rest_remove(d->sim, oldest->object, "Background", -1);
		oldest->object = NULL;
		old--;
	}
}

static void put_count(json_t *status, const char *key, int64_t value)
{
	if (value)
		json_object_set_new(status, key, json_integer(value));
}

static void tell_progress(struct rollout *d, json_t *status, int64_t total, int64_t updated, int64_t available, bool moved)
{
	const char *name = d->latest ? d->latest->object->name : "";
	const char *reason = condition_reason(d->tree, "Progressing");
	int64_t deadline = jint(600, d->tree, "spec", "progressDeadlineSeconds") * 1000, now = sim_now(d->sim);
	bool done = updated == d->want && total == d->want && available == d->want &&
		    jint(1, d->tree, "metadata", "generation") >= 0;
	AUTO_FREE char *text = NULL;

	if (done) {
		text = xasprintf("ReplicaSet \"%s\" has successfully progressed.", name);
		condition_set(status, "Progressing", "True", "NewReplicaSetAvailable", text, true);
		d->object->life.since = 0;
		return;
	}
	if (moved || !d->object->life.since || d->created)
		d->object->life.since = now;
	if (now >= d->object->life.since + deadline) {
		text = xasprintf("ReplicaSet \"%s\" has timed out progressing.", name);
		condition_set(status, "Progressing", "False", "ProgressDeadlineExceeded", text, true);
		return;
	}
	control_wake(d->sim, d->object, d->object->life.since + deadline - now + 10);
	if (!strcmp(reason, "ProgressDeadlineExceeded") && !moved && !d->created)
		return;
	if (d->created && !*reason) {
		text = xasprintf("Created new replica set \"%s\"", name);
		condition_set(status, "Progressing", "True", "NewReplicaSetCreated", text, true);
	} else if (moved || d->created || strcmp(reason, "NewReplicaSetCreated")) {
		text = xasprintf("ReplicaSet \"%s\" is progressing.", name);
		condition_set(status, "Progressing", "True", "ReplicaSetUpdated", text, true);
	}
}

static void deployment_status(struct rollout *d, int64_t unavailable)
{
	json_t *status = json_object(), *old = jget(d->tree, "status"), *failure = NULL;
	int64_t total = 0, ready = 0, available = 0, leaving = 0, updated = d->latest ? d->latest->current : 0;
	bool moved, paused = json_is_true(jget(d->tree, "spec", "paused"));

	for (size_t i = 0; i < d->n; i++) {
		total += d->sets[i].current;
		ready += d->sets[i].ready;
		available += d->sets[i].available;
		leaving += d->sets[i].leaving;
	}
	if (d->latest)
		failure = jget(d->latest->tree, "status", "conditions");
	json_object_set_new(status, "observedGeneration", json_integer(jint(1, d->tree, "metadata", "generation")));
	json_object_set_new(status, "terminatingReplicas", json_integer(leaving));
	put_count(status, "replicas", total);
	put_count(status, "updatedReplicas", updated);
	put_count(status, "readyReplicas", ready);
	put_count(status, "availableReplicas", available);
	put_count(status, "unavailableReplicas", d->want > available ? d->want - available : 0);
	if (jget(old, "conditions"))
		json_object_set_new(status, "conditions", json_deep_copy(jget(old, "conditions")));
	moved = updated > jint(0, old, "updatedReplicas") || ready > jint(0, old, "readyReplicas") ||
		available > jint(0, old, "availableReplicas") ||
		total - updated < jint(0, old, "replicas") - jint(0, old, "updatedReplicas");
	bool enough = available >= d->want - unavailable;

	condition_set(status, "Available", enough ? "True" : "False", enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
		      enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.", true);
	if (paused)
		condition_set(status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", true);
	else
		tell_progress(d, status, total, updated, available, moved);
	ptrdiff_t at = jx_find(json_object_get(status, "conditions"), "type", "ReplicaFailure");

	if (jx_find(failure, "type", "ReplicaFailure") >= 0)
		condition_set(status, "ReplicaFailure", "True", "FailedCreate",
			      jstr(json_array_get(failure, (size_t)jx_find(failure, "type", "ReplicaFailure")), "message"), true);
	else if (at >= 0)
		json_array_remove(json_object_get(status, "conditions"), (size_t)at);
	json_t *next = json_deep_copy(d->tree);

	if (d->latest) {
		AUTO_FREE char *revision = xasprintf("%lld", (long long)revision_of(d->latest->tree));

		jset(next, json_string(revision), "metadata", "annotations", "deployment.kubernetes.io/revision");
	}
	json_object_set_new(next, "status", status);
	rest_write(d->sim, d->object, next, KCM, "status");
}

/* An old template that is wanted again gets the newest revision. */
static void renew_revision(struct rollout *d)
{
	int64_t newest = 0;

	for (size_t i = 0; i < d->n; i++)
		if (revision_of(d->sets[i].tree) > newest)
			newest = revision_of(d->sets[i].tree);
	if (revision_of(d->latest->tree) == newest)
		return;
	jset(d->latest->tree, json_sprintf("%lld", (long long)newest + 1), "metadata", "annotations",
	     "deployment.kubernetes.io/revision");
	rest_write(d->sim, d->latest->object, json_deep_copy(d->latest->tree), KCM, NULL);
}

void deployment_step(struct sim *sim, struct object *o, json_t *tree)
{
	struct rollout d = { .sim = sim, .object = o, .tree = tree, .want = jint(1, tree, "spec", "replicas") };
	int64_t surge = 0, unavailable = 0;
	bool rolling = !strcmp(jstr(tree, "spec", "strategy", "type"), "RollingUpdate");
	bool paused = json_is_true(jget(tree, "spec", "paused"));

	if (o->deleting)
		return;
	if (rolling) {
		surge = share(jget(tree, "spec", "strategy", "rollingUpdate", "maxSurge"), d.want, true);
		unavailable = share(jget(tree, "spec", "strategy", "rollingUpdate", "maxUnavailable"), d.want, false);
		if (!surge && !unavailable)
			unavailable = 1;
	}
	read_sets(&d);
	if (!d.latest && !paused)
		make_set(&d, surge);
	else if (d.latest && !paused)
		renew_revision(&d);
	if (d.latest && !d.created) {
		if (paused && d.n == 1)
			scale_set(&d, d.latest, d.want);
		else if (!paused && rolling)
			roll(&d, surge, unavailable);
		else if (!paused)
			recreate(&d);
		drop_old_sets(&d);
	}
	deployment_status(&d, unavailable);
	free_sets(&d);
}

/* ---- StatefulSet ---- */

static struct object *ordinal_pod(struct object **pods, size_t n, const char *set, int64_t ordinal)
{
	AUTO_FREE char *name = xasprintf("%s-%lld", set, (long long)ordinal);

	for (size_t i = 0; i < n; i++)
		if (pods[i] && !strcmp(pods[i]->name, name))
			return pods[i];
	return NULL;
}

static void make_claims(struct sim *sim, struct object *o, const json_t *tree, const char *pod, json_t *volumes)
{
	json_t *templates = jget(tree, "spec", "volumeClaimTemplates");
	struct resource *claims = core(sim, "persistentvolumeclaims");

	for (size_t i = 0; i < json_array_size(templates); i++) {
		json_t *template = json_array_get(templates, i), *claim;
		AUTO_FREE char *name = xasprintf("%s-%s", jstr(template, "metadata", "name"), pod);
		ptrdiff_t at = jx_find(volumes, "name", jstr(template, "metadata", "name"));

		if (at >= 0)
			json_array_remove(volumes, (size_t)at);
		json_array_append_new(volumes, json_pack("{s:s,s:{s:s}}", "name", jstr(template, "metadata", "name"),
							 "persistentVolumeClaim", "claimName", name));
		if (store_find(claims, o->ns, name))
			continue;
		claim = json_deep_copy(template);
		jset(claim, json_string(name), "metadata", "name");
		jset(claim, json_string(o->ns), "metadata", "namespace");
		if (jget(tree, "spec", "selector", "matchLabels"))
			jset(claim, json_deep_copy(jget(tree, "spec", "selector", "matchLabels")), "metadata", "labels");
		json_object_del(claim, "status");
		if (rest_add(sim, claims, claim, KCM, NULL))
			event_emit(sim, tree, "Normal", "statefulset-controller", "SuccessfulCreate",
				   "create Claim %s Pod %s in StatefulSet %s success", name, pod, o->name);
	}
}

static void make_ordinal(struct sim *sim, struct object *o, const json_t *tree, int64_t ordinal, const char *revision)
{
	AUTO_FREE char *name = xasprintf("%s-%lld", o->name, (long long)ordinal);
	json_t *pod = pod_from(o->resource, tree, jget(tree, "spec", "template"), name, "controller-revision-hash", revision);
	json_t *volumes = jget(pod, "spec", "volumes");

	if (!volumes) {
		volumes = json_array();
		jset(pod, volumes, "spec", "volumes");
	}
	jset(pod, json_string(name), "metadata", "labels", "statefulset.kubernetes.io/pod-name");
	jset(pod, json_sprintf("%lld", (long long)ordinal), "metadata", "labels", "apps.kubernetes.io/pod-index");
	jset(pod, json_sprintf("%s-", o->name), "metadata", "generateName");
	jset(pod, json_string(name), "spec", "hostname");
	if (*jstr(tree, "spec", "serviceName"))
		jset(pod, json_string(jstr(tree, "spec", "serviceName")), "spec", "subdomain");
	make_claims(sim, o, tree, name, volumes);
	pod_make(sim, tree, pod, "statefulset-controller", NULL);
}

static void keep_revision(struct sim *sim, struct object *o, const json_t *tree, const char *name)
{
	struct resource *revisions = kinds_plural(sim, "apps", "v1", "controllerrevisions");
	size_t n;
	struct object **list = owned_by(revisions, o->ns, o->uid, &n);

	free(list);
	if (store_find(revisions, o->ns, name))
		return;
	rest_add(sim, revisions,
		 json_pack("{s:s,s:s,s:{s:s,s:s,s:[o]},s:{s:{s:O}},s:I}", "kind", "ControllerRevision", "apiVersion", "apps/v1",
			   "metadata", "name", name, "namespace", o->ns, "ownerReferences", owner_reference(o->resource, tree, true),
			   "data", "spec", "template", jget(tree, "spec", "template"), "revision", (json_int_t)n + 1),
		 KCM, NULL);
}

static bool of_revision(const struct object *pod, const char *revision)
{
	return jx_is(json_object_get(pod->current->labels, "controller-revision-hash"), revision);
}

static bool is_ready(const struct object *o)
{
	json_t *pod = store_tree(o);
	bool ready = pod_ready(pod) && !o->deleting;

	json_decref(pod);
	return ready;
}

/* One step towards the wanted ordinals: true when something was made or deleted. */
static bool stateful_move(struct sim *sim, struct object *o, const json_t *tree, struct object **pods, size_t n, int64_t want,
			  const char *revision)
{
	bool parallel = !strcmp(jstr(tree, "spec", "podManagementPolicy"), "Parallel");
	int64_t partition = jint(0, tree, "spec", "updateStrategy", "rollingUpdate", "partition");

	for (int64_t i = 0; i < want; i++) {
		struct object *pod = ordinal_pod(pods, n, o->name, i);
		json_t *seen = pod ? store_tree(pod) : NULL;
		bool over = seen && pod_over(seen);

		json_decref(seen);
		if (over && !pod->deleting) {
			rest_remove(sim, pod, "Background", 0);
			return true;
		}
		if (!pod) {
			make_ordinal(sim, o, tree, i, revision);
			if (!parallel)
				return true;
		} else if (!parallel && !is_ready(pod)) {
			/* an update mends a pod that cannot get ready; else its successors wait */
			if (!of_revision(pod, revision) && !pod->deleting && i >= partition)
				pod_delete(sim, tree, pod, "statefulset-controller");
			return true;
		}
	}
	for (size_t i = 0; i < n; i++) { /* too many: from the end, one by one */
		int64_t last = want;

		for (size_t k = 0; k < n; k++) {
			const char *dash = strrchr(pods[k]->name, '-');
			int64_t ordinal = dash ? strtoll(dash + 1, NULL, 10) : 0;

			if (ordinal >= last)
				last = ordinal + 1;
		}
		struct object *pod = last > want ? ordinal_pod(pods, n, o->name, last - 1) : NULL;

		if (!pod)
			break;
		if (!pod->deleting)
			pod_delete(sim, tree, pod, "statefulset-controller");
		return true;
	}
	if (strcmp(jstr(tree, "spec", "updateStrategy", "type"), "RollingUpdate"))
		return false;
	for (int64_t i = want - 1; i >= partition; i--) {
		struct object *pod = ordinal_pod(pods, n, o->name, i);

		if (!pod || pod->deleting || !is_ready(pod)) {
			if (pod && !pod->deleting && !of_revision(pod, revision))
				pod_delete(sim, tree, pod, "statefulset-controller");
			return true;
		}
		if (!of_revision(pod, revision)) {
			pod_delete(sim, tree, pod, "statefulset-controller");
			return true;
		}
	}
	return false;
}

void stateful_set_step(struct sim *sim, struct object *o, json_t *tree)
{
	int64_t want = jint(1, tree, "spec", "replicas"), have = 0, ready = 0, available = 0, updated = 0, wait = 0;
	char hash[12];
	size_t n;

	if (o->deleting)
		return;
	template_hash(jget(tree, "spec", "template"), hash);
	AUTO_FREE char *revision = xasprintf("%s-%s", o->name, hash), *ns = xstrdup(o->ns), *name = xstrdup(o->name);
	const char *current = jstr(tree, "status", "currentRevision");

	keep_revision(sim, o, tree, revision);
	struct object **pods = owned_by(core(sim, "pods"), o->ns, o->uid, &n);

	stateful_move(sim, o, tree, pods, n, want, revision);
	free(pods);
	pods = owned_by(core(sim, "pods"), ns, o->uid, &n);
	for (size_t i = 0; i < n; i++) {
		json_t *pod = store_tree(pods[i]);

		have++;
		if (!pods[i]->deleting) {
			ready += pod_ready(pod);
			available += pod_available(sim, pod, jint(0, tree, "spec", "minReadySeconds"), &wait);
			updated += of_revision(pods[i], revision);
		}
		json_decref(pod);
	}
	free(pods);
	bool done = updated == want && ready == want && have == want;

	if (!*current || done)
		current = revision;
	json_t *status = json_object();

	json_object_set_new(status, "observedGeneration", json_integer(jint(1, tree, "metadata", "generation")));
	json_object_set_new(status, "replicas", json_integer(have));
	put_count(status, "readyReplicas", ready);
	put_count(status, "currentReplicas", done || !strcmp(current, revision) ? updated : have - updated);
	put_count(status, "updatedReplicas", updated);
	json_object_set_new(status, "availableReplicas", json_integer(available));
	json_object_set_new(status, "currentRevision", json_string(current));
	json_object_set_new(status, "updateRevision", json_string(revision));
	json_object_set_new(status, "collisionCount", json_integer(0));
	o = store_find(kinds_plural(sim, "apps", "v1", "statefulsets"), ns, name);
	if (!o) {
		json_decref(status);
		return;
	}
	if (wait)
		control_wake(sim, o, wait);
	status_write(sim, o, tree, status, KCM);
}

/* ---- DaemonSet ---- */

static bool node_fits(const json_t *tree, const struct object *node)
{
	json_t *wanted = jget(tree, "spec", "template", "spec", "nodeSelector"), *value;
	const char *key;

	json_object_foreach(wanted, key, value)
		if (!jx_is(json_object_get(node->current->labels, key), json_string_value(value)))
			return false;
	return true;
}

void daemon_set_step(struct sim *sim, struct object *o, json_t *tree)
{
	const struct resource *nodes = core(sim, "nodes");
	int64_t desired = 0, current = 0, ready = 0, available = 0, updated = 0, wait = 0, broken = 0;
	char hash[12];
	size_t n;

	if (o->deleting)
		return;
	template_hash(jget(tree, "spec", "template"), hash);
	struct object **pods = owned_by(core(sim, "pods"), o->ns, o->uid, &n);
	struct object *stale = NULL;

	for (size_t i = 0; i < nodes->n; i++) {
		struct object *mine = NULL;

		if (!node_fits(tree, nodes->objects[i]))
			continue;
		desired++;
		for (size_t k = 0; k < n && !mine; k++) {
			json_t *pod = store_tree(pods[k]);
			const char *node = jstr(pod, "spec", "nodeName");

			if (!strcmp(*node ? node : jstr(pod, "metadata", "annotations", "sim/node"), nodes->objects[i]->name) &&
			    !pod_over(pod))
				mine = pods[k];
			json_decref(pod);
		}
		if (!mine) {
			json_t *pod = pod_from(o->resource, tree, jget(tree, "spec", "template"), "", "controller-revision-hash", hash);

			jset(pod, json_string(nodes->objects[i]->name), "metadata", "annotations", "sim/node");
			current += pod_make(sim, tree, pod, "daemonset-controller", NULL);
			updated++;
			continue;
		}
		json_t *pod = store_tree(mine);

		current++;
		ready += pod_ready(pod) && !mine->deleting;
		broken += !pod_ready(pod) || mine->deleting;
		available += !mine->deleting && pod_available(sim, pod, jint(0, tree, "spec", "minReadySeconds"), &wait);
		if (of_revision(mine, hash))
			updated++;
		else if (!mine->deleting && (!stale || !pod_ready(pod)))
			stale = mine;
		json_decref(pod);
	}
	free(pods);
	int64_t may = share(jget(tree, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable"), desired, true);

	if (stale && (broken < may || !is_ready(stale)) && !strcmp(jstr(tree, "spec", "updateStrategy", "type"), "RollingUpdate"))
		pod_delete(sim, tree, stale, "daemonset-controller");
	json_t *status = json_object();

	json_object_set_new(status, "currentNumberScheduled", json_integer(current));
	json_object_set_new(status, "numberMisscheduled", json_integer(0));
	json_object_set_new(status, "desiredNumberScheduled", json_integer(desired));
	json_object_set_new(status, "numberReady", json_integer(ready));
	json_object_set_new(status, "observedGeneration", json_integer(jint(1, tree, "metadata", "generation")));
	put_count(status, "updatedNumberScheduled", updated);
	put_count(status, "numberAvailable", available);
	put_count(status, "numberUnavailable", desired - available);
	if (wait)
		control_wake(sim, o, wait);
	status_write(sim, o, tree, status, KCM);
}

/* ---- Job ---- */

static void finish_job(struct sim *sim, json_t *tree, json_t *status, bool failed, const char *reason, const char *message)
{
	condition_set(status, failed ? "FailureTarget" : "SuccessCriteriaMet", "True", reason, message, false);
	condition_set(status, failed ? "Failed" : "Complete", "True", reason, message, false);
	if (!failed)
		json_object_set_new(status, "completionTime", jx_time(sim_wall_ms()));
	event_emit(sim, tree, failed ? "Warning" : "Normal", "job-controller", failed ? reason : "Completed", "%s",
		   failed ? message : "Job completed");
	json_t *conditions = json_object_get(status, "conditions");
	json_t *now = jx_time(sim_wall_ms());

	for (size_t i = 0; i < json_array_size(conditions); i++)
		json_object_set(json_array_get(conditions, i), "lastProbeTime", now);
	json_decref(now);
}

static bool job_finished(const json_t *tree)
{
	return condition_true(tree, "Complete") || condition_true(tree, "Failed");
}

static int64_t restarts_of(const json_t *pod)
{
	json_t *list = jget(pod, "status", "containerStatuses");
	int64_t sum = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		sum += jint(0, json_array_get(list, i), "restartCount");
	return sum;
}

static void stop_pods(struct sim *sim, const json_t *tree, struct object **pods, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		json_t *pod = store_tree(pods[i]);

		if (!pod_over(pod) && !pods[i]->deleting)
			pod_delete(sim, tree, pods[i], "job-controller");
		json_decref(pod);
	}
}

void job_step(struct sim *sim, struct object *o, json_t *tree)
{
	int64_t want = jint(1, tree, "spec", "completions"), parallel = jint(1, tree, "spec", "parallelism");
	int64_t limit = jint(6, tree, "spec", "backoffLimit"), active = 0, ready = 0, succeeded = 0, failed = 0, terminating = 0,
		restarts = 0;
	bool suspended = json_is_true(jget(tree, "spec", "suspend"));
	size_t n;

	if (o->deleting)
		return;
	if (job_finished(tree)) {
		json_t *ttl = jget(tree, "spec", "ttlSecondsAfterFinished");
		int64_t left = json_integer_value(ttl) * 1000 - (sim_now(sim) - o->life.since);

		if (ttl && o->life.phase == 2 && left <= 0) {
			rest_remove(sim, o, "Background", -1);
			return;
		}
		if (o->life.phase != 2) {
			o->life.phase = 2;
			o->life.since = sim_now(sim);
			left = json_integer_value(ttl) * 1000;
		}
		if (ttl)
			control_wake(sim, o, left + 1);
		return;
	}
	struct object **pods = owned_by(core(sim, "pods"), o->ns, o->uid, &n);

	for (size_t i = 0; i < n; i++) {
		json_t *pod = store_tree(pods[i]);
		const char *phase = jstr(pod, "status", "phase");

		restarts += restarts_of(pod);
		if (!strcmp(phase, "Succeeded"))
			succeeded++;
		else if (!strcmp(phase, "Failed"))
			failed++;
		else if (pods[i]->deleting)
			terminating++;
		else {
			active++;
			ready += pod_ready(pod);
		}
		json_decref(pod);
	}
	json_t *status = json_deep_copy(json_object_get(tree, "status"));

	if (!status)
		status = json_object();
	if (!suspended && !json_object_get(status, "startTime"))
		json_object_set_new(status, "startTime", jx_time(sim_wall_ms()));
	int64_t deadline = jint(0, tree, "spec", "activeDeadlineSeconds") * 1000;
	int64_t running = (int64_t)((double)(sim_wall_ms() - jx_time_ms(jstr(status, "startTime"))) * sim->speed);

	if (succeeded >= want) {
		finish_job(sim, tree, status, false, "CompletionsReached", "Reached expected number of succeeded pods");
	} else if (failed > limit || restarts > limit) {
		finish_job(sim, tree, status, true, "BackoffLimitExceeded", "Job has reached the specified backoff limit");
		stop_pods(sim, tree, pods, n);
		active = 0;
	} else if (deadline && running >= deadline) {
		finish_job(sim, tree, status, true, "DeadlineExceeded", "Job was active longer than specified deadline");
		stop_pods(sim, tree, pods, n);
		active = 0;
	} else if (suspended) {
		stop_pods(sim, tree, pods, n);
		condition_set(status, "Suspended", "True", "JobSuspended", "Job suspended", false);
	} else {
		int64_t more = want - succeeded < parallel ? want - succeeded : parallel;

		if (failed > o->life.number) { /* after each failure it waits twice as long: 10, 20, 40 s … */
			int64_t wait = 10000;

			for (int64_t i = 1; i < failed && wait < 360000; i++)
				wait *= 2;
			o->life.number = failed;
			o->life.since = sim_now(sim) + wait;
		}
		if (o->life.since > sim_now(sim) && active < more) {
			control_wake(sim, o, o->life.since - sim_now(sim) + 1);
		} else {
			for (; active < more; active++)
				if (!pod_make(sim, tree, pod_from(o->resource, tree, jget(tree, "spec", "template"), "", NULL, NULL),
					      "job-controller", NULL)) {
					control_wake(sim, o, 2000);
					break;
				}
		}
		if (deadline)
			control_wake(sim, o, deadline - running + 10);
	}
	free(pods);
	static const char *const keys[] = { "active", "ready", "succeeded", "failed", "terminating" };
	const int64_t values[] = { active, ready, succeeded, failed, terminating };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (values[i] || i == 1 || i == 4)
			json_object_set_new(status, keys[i], json_integer(values[i]));
		else
			json_object_del(status, keys[i]);
	}
	json_object_set_new(status, "uncountedTerminatedPods", json_object());
	status_write(sim, o, tree, status, KCM);
}

/* ---- CronJob ---- */

static bool field_matches(struct str field, int value, int low)
{
	struct str item;

	while (field.len) {
		if (!str_cut(&field, ',', &item)) {
			item = field;
			field.len = 0;
		}
		AUTO_FREE char *text = str_dup(item);
		char *slash = strchr(text, '/');
		int step = slash ? atoi(slash + 1) : 1, from, to;

		if (text[0] == '*') {
			if (step > 0 && (value - low) % step == 0)
				return true;
			continue;
		}
		from = atoi(text);
		char *dash = strchr(text, '-');

		to = dash ? atoi(dash + 1) : from;
		if (value >= from && value <= to && step > 0 && (value - from) % step == 0)
			return true;
	}
	return false;
}

static bool schedule_matches(const char *schedule, int64_t minute)
{
	static const struct {
		const char *name, *fields;
	} names[] = { { "@hourly", "0 * * * *" }, { "@daily", "0 0 * * *" }, { "@midnight", "0 0 * * *" }, { "@weekly", "0 0 * * 0" },
		      { "@monthly", "0 0 1 * *" }, { "@yearly", "0 0 1 1 *" } };
	time_t seconds = (time_t)(minute * 60);
	struct tm tm;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(schedule, names[i].name))
			schedule = names[i].fields;
	gmtime_r(&seconds, &tm);
	const int values[] = { tm.tm_min, tm.tm_hour, tm.tm_mday, tm.tm_mon + 1, tm.tm_wday }, lows[] = { 0, 0, 1, 1, 0 };
	struct str rest = str_of(schedule), word;

	for (size_t i = 0; i < 5; i++) {
		rest = str_trim(rest);
		if (!str_cut(&rest, ' ', &word)) {
			word = rest;
			rest.len = 0;
		}
		if (!word.len || !field_matches(word, values[i], lows[i]))
			return false;
	}
	return true;
}

static void trim_history(struct sim *sim, struct object *o, const json_t *tree, struct object **jobs, size_t n)
{
	int64_t keep[2] = { jint(3, tree, "spec", "successfulJobsHistoryLimit"), jint(1, tree, "spec", "failedJobsHistoryLimit") };

	(void)o;
	for (size_t i = n; i-- > 0;) { /* names end in their minute, so the newest come last */
		json_t *job = store_tree(jobs[i]);
		int kind = condition_true(job, "Complete") ? 0 : condition_true(job, "Failed") ? 1 : -1;

		json_decref(job);
		if (kind >= 0 && keep[kind]-- <= 0)
			rest_remove(sim, jobs[i], "Background", -1);
	}
}

void cron_job_step(struct sim *sim, struct object *o, json_t *tree)
{
	struct resource *jobs = kinds_plural(sim, "batch", "v1", "jobs");
	int64_t minute = sim_wall_ms() / 60000;
	json_t *status = json_deep_copy(json_object_get(tree, "status")), *active = json_array();
	size_t n;

	if (o->deleting) {
		json_decref(status);
		json_decref(active);
		return;
	}
	if (!status)
		status = json_object();
	struct object **list = owned_by(jobs, o->ns, o->uid, &n);

	for (size_t i = 0; i < n; i++) {
		json_t *job = store_tree(list[i]);

		if (!job_finished(job))
			json_array_append_new(active, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "kind", "Job", "apiVersion", "batch/v1", "name",
								list[i]->name, "namespace", list[i]->ns, "uid", list[i]->uid,
								"resourceVersion", jstr(job, "metadata", "resourceVersion")));
		else if (condition_true(job, "Complete"))
			json_object_set(status, "lastSuccessfulTime", jget(job, "status", "completionTime"));
		json_decref(job);
	}
	bool forbid = !strcmp(jstr(tree, "spec", "concurrencyPolicy"), "Forbid") && json_array_size(active);

	/* A controller that starts finds an old CronJob that never ran, and catches up. */
	bool late = !jget(status, "lastScheduleTime") && jx_time_ms(jstr(tree, "metadata", "creationTimestamp")) / 60000 + 10 < minute;
	bool due = o->life.number && o->life.number < minute && schedule_matches(jstr(tree, "spec", "schedule"), minute);

	if ((late || due) && !json_is_true(jget(tree, "spec", "suspend")) && !forbid) {
		json_t *template = jget(tree, "spec", "jobTemplate"), *meta = json_deep_copy(json_object_get(template, "metadata"));
		json_t *job = json_pack("{s:s,s:s,s:o,s:O}", "kind", "Job", "apiVersion", "batch/v1", "metadata",
					meta ? meta : json_object(), "spec", json_object_get(template, "spec"));
		json_t *copy = json_deep_copy(job);

		json_decref(job);
		jset(copy, json_sprintf("%s-%lld", o->name, (long long)minute), "metadata", "name");
		jset(copy, json_string(o->ns), "metadata", "namespace");
		jset(copy, json_pack("[o]", owner_reference(o->resource, tree, true)), "metadata", "ownerReferences");
		struct object *made = rest_add(sim, jobs, copy, KCM, NULL);

		if (made) {
			event_emit(sim, tree, "Normal", "cronjob-controller", "SuccessfulCreate", "Created job %s", made->name);
			json_object_set_new(status, "lastScheduleTime", jx_time(minute * 60000));
		}
	}
	o->life.number = minute;
	trim_history(sim, o, tree, list, n);
	free(list);
	if (json_array_size(active))
		json_object_set_new(status, "active", active);
	else {
		json_decref(active);
		json_object_del(status, "active");
	}
	/* the schedule is kept by the real clock, whatever the speed */
	control_wake(sim, o, (int64_t)((double)((minute + 1) * 60000 - sim_wall_ms() + 50) * sim->speed));
	status_write(sim, o, tree, status, KCM);
}
