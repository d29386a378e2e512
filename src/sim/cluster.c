/* The smaller controllers: claims, endpoints, ingresses, custom kinds, quotas, budgets, autoscalers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/control.h"
#include "sim/quota.h"

/* ---- claims ---- */

static bool claim_used(struct sim *sim, const struct object *claim)
{
	const struct resource *pods = core(sim, "pods");
	size_t n, from = store_range(pods, claim->ns, &n);

	for (size_t i = from; i < from + n; i++) {
		json_t *pod = store_tree(pods->objects[i]), *volumes = jget(pod, "spec", "volumes");
		bool uses = false;

		for (size_t v = 0; v < json_array_size(volumes); v++)
			uses = uses || jx_is(jget(json_array_get(volumes, v), "persistentVolumeClaim", "claimName"), claim->name);
		uses = uses && strcmp(jstr(pod, "status", "phase"), "Succeeded") && strcmp(jstr(pod, "status", "phase"), "Failed");
		json_decref(pod);
		if (uses)
			return true;
	}
	return false;
}

static void release_claim(struct sim *sim, struct object *o, json_t *tree)
{
	json_t *list = jget(tree, "metadata", "finalizers");

	if (claim_used(sim, o)) {
		control_wake(sim, o, 500);
		return;
	}
	for (size_t i = json_array_size(list); i-- > 0;)
		if (jx_is(json_array_get(list, i), "kubernetes.io/pvc-protection")) {
			json_array_remove(list, i);
			store_put(sim, o->resource, o, tree);
			rest_finish_delete(sim, o);
			return;
		}
}

static void bind_claim(struct sim *sim, struct object *o, json_t *tree, const char *class_name, const json_t *class)
{
	AUTO_FREE char *volume = xasprintf("pvc-%s", o->uid);
	const char *size = jstr(tree, "spec", "resources", "requests", "storage");
	json_t *modes = json_deep_copy(jget(tree, "spec", "accessModes"));
	json_t *pv = json_pack(
		"{s:s,s:s,s:{s:s,s:{s:s},s:[s]},s:{s:{s:s},s:{s:s,s:s},s:O,s:{s:s,s:s,s:s,s:s,s:s},s:s,s:s,s:s}}", "kind",
		"PersistentVolume", "apiVersion", "v1", "metadata", "name", volume, "annotations", "pv.kubernetes.io/provisioned-by",
		jstr(class, "provisioner"), "finalizers", "kubernetes.io/pv-protection", "spec", "capacity", "storage", size, "hostPath",
		"path", "/sim", "type", "", "accessModes", modes, "claimRef", "kind", "PersistentVolumeClaim", "namespace", o->ns, "name",
		o->name, "uid", o->uid, "apiVersion", "v1", "persistentVolumeReclaimPolicy",
		*jstr(class, "reclaimPolicy") ? jstr(class, "reclaimPolicy") : "Delete", "storageClassName", class_name, "volumeMode",
		"Filesystem");
	struct object *made = rest_add(sim, core(sim, "persistentvolumes"), pv, KCM, NULL);

	if (made) {
		json_t *bound = store_tree(made);

		status_write(sim, made, bound, json_pack("{s:s}", "phase", "Bound"), KCM);
		json_decref(bound);
	}
	event_emit(sim, tree, "Normal", jstr(class, "provisioner"), "ProvisioningSucceeded", "Successfully provisioned volume %s", volume);
	jset(tree, json_string(volume), "spec", "volumeName");
	jset(tree, json_string("yes"), "metadata", "annotations", "pv.kubernetes.io/bind-completed");
	jset(tree, json_string("yes"), "metadata", "annotations", "pv.kubernetes.io/bound-by-controller");
	rest_write(sim, o, json_deep_copy(tree), KCM, NULL);
	json_t *now = store_tree(o);

	status_write(sim, o, now, json_pack("{s:s,s:o,s:{s:s}}", "phase", "Bound", "accessModes", modes, "capacity", "storage", size), KCM);
	json_decref(now);
}

void claim_step(struct sim *sim, struct object *o, json_t *tree)
{
	const char *class_name = jstr(tree, "spec", "storageClassName");
	struct object *class = store_find(kinds_plural(sim, "storage.k8s.io", "v1", "storageclasses"), "", class_name);

	if (o->deleting) {
		release_claim(sim, o, tree);
		return;
	}
	if (!strcmp(jstr(tree, "status", "phase"), "Bound") || !strcmp(fault_of(tree), "pending"))
		return;
	if (!*class_name) {
		event_emit(sim, tree, "Normal", "persistentvolume-controller", "FailedBinding",
			   "no persistent volumes available for this claim and no storage class is set");
		return;
	}
	if (!class) {
		event_emit(sim, tree, "Warning", "persistentvolume-controller", "ProvisioningFailed",
			   "storageclass.storage.k8s.io \"%s\" not found", class_name);
		control_wake(sim, o, 5000);
		return;
	}
	json_t *class_tree = store_tree(class);

	if (!strcmp(jstr(class_tree, "volumeBindingMode"), "WaitForFirstConsumer") &&
	    !jget(tree, "metadata", "annotations", "volume.kubernetes.io/selected-node")) {
		event_emit(sim, tree, "Normal", "persistentvolume-controller", "WaitForFirstConsumer",
			   "waiting for first consumer to be created before binding");
	} else if (!o->life.phase) {
		o->life.phase = 1;
		o->life.since = sim_now(sim);
		control_wake(sim, o, 200);
	} else if (sim_now(sim) - o->life.since < 200) {
		control_wake(sim, o, 200 - (sim_now(sim) - o->life.since));
	} else {
		AUTO_FREE char *name = xstrdup(class_name);

		bind_claim(sim, o, tree, name, class_tree);
	}
	json_decref(class_tree);
}

/* ---- services ---- */

static json_t *target_ports(const json_t *service, const json_t *pod)
{
	json_t *ports = jget(service, "spec", "ports"), *out = json_array(), *containers = jget(pod, "spec", "containers");

	for (size_t i = 0; i < json_array_size(ports); i++) {
		json_t *p = json_array_get(ports, i), *target = json_object_get(p, "targetPort");
		int64_t number = json_is_integer(target) ? json_integer_value(target) : jint(0, p, "port");

		for (size_t c = 0; json_is_string(target) && c < json_array_size(containers); c++) {
			json_t *list = json_object_get(json_array_get(containers, c), "ports");
			ptrdiff_t at = jx_find(list, "name", json_string_value(target));

			if (at >= 0)
				number = jint(number, json_array_get(list, (size_t)at), "containerPort");
		}
		json_array_append_new(out, json_pack("{s:s,s:I,s:s}", "name", jstr(p, "name"), "port", (json_int_t)number, "protocol",
						     jstr(p, "protocol")));
	}
	return out;
}

static void put_object(struct sim *sim, struct resource *r, json_t *wanted, const char *part, const char *part2)
{
	struct object *there = store_find(r, jstr(wanted, "metadata", "namespace"), jstr(wanted, "metadata", "name"));

	if (!there) {
		rest_add(sim, r, wanted, KCM, NULL);
		return;
	}
	json_t *tree = store_tree(there), *value = json_object_get(wanted, part), *value2 = json_object_get(wanted, part2);

	if (value)
		json_object_set(tree, part, value);
	else
		json_object_del(tree, part);
	if (value2)
		json_object_set(tree, part2, value2);
	json_decref(wanted);
	rest_write(sim, there, tree, KCM, NULL);
}

static void write_endpoints(struct sim *sim, struct object *o, const json_t *service)
{
	const struct resource *pods = core(sim, "pods");
	json_t *ready = json_array(), *not_ready = json_array(), *slice = json_array(), *ports = NULL;
	struct selector *selector = NULL;
	json_t *labels = json_pack("{s:O}", "matchLabels", jget(service, "spec", "selector"));
	size_t n, from = store_range(pods, o->ns, &n);

	selector_of_object(labels, &selector);
	for (size_t i = from; i < from + n; i++) {
		json_t *pod, *ref;
		bool good;

		if (!selector_labels(selector, pods->objects[i]->current->labels))
			continue;
		pod = store_tree(pods->objects[i]);
		if (*jstr(pod, "status", "podIP") && strcmp(jstr(pod, "status", "phase"), "Succeeded") &&
		    strcmp(jstr(pod, "status", "phase"), "Failed")) {
			good = condition_true(pod, "Ready") && !pods->objects[i]->deleting;
			ref = json_pack("{s:s,s:s,s:s,s:s}", "kind", "Pod", "namespace", o->ns, "name", pods->objects[i]->name, "uid",
					pods->objects[i]->uid);
			json_array_append_new(good ? ready : not_ready,
					      json_pack("{s:s,s:s,s:O}", "ip", jstr(pod, "status", "podIP"), "nodeName",
							jstr(pod, "spec", "nodeName"), "targetRef", ref));
			json_array_append_new(slice, json_pack("{s:[s],s:{s:b,s:b,s:b},s:s,s:o}", "addresses", jstr(pod, "status", "podIP"),
							       "conditions", "ready", good, "serving", good, "terminating",
							       pods->objects[i]->deleting, "nodeName", jstr(pod, "spec", "nodeName"),
							       "targetRef", ref));
			if (!ports)
				ports = target_ports(service, pod);
		}
		json_decref(pod);
	}
	selector_destroy(selector);
	json_decref(labels);
	if (!ports)
		ports = target_ports(service, service);
	json_t *subsets = NULL;

	if (json_array_size(ready) || json_array_size(not_ready)) {
		json_t *subset = json_object();

		if (json_array_size(ready))
			json_object_set(subset, "addresses", ready);
		if (json_array_size(not_ready))
			json_object_set(subset, "notReadyAddresses", not_ready);
		json_object_set(subset, "ports", ports);
		subsets = json_pack("[o]", subset);
	}
	json_t *endpoints = json_pack("{s:s,s:s,s:{s:s,s:s}}", "kind", "Endpoints", "apiVersion", "v1", "metadata", "name", o->name,
				      "namespace", o->ns);

	if (subsets)
		json_object_set_new(endpoints, "subsets", subsets);
	json_t *slices = json_pack("{s:s,s:s,s:{s:s,s:s,s:{s:s,s:s},s:[o]},s:s,s:o,s:o}", "kind", "EndpointSlice", "apiVersion",
				   "discovery.k8s.io/v1", "metadata", "name", o->name, "namespace", o->ns, "labels",
				   "kubernetes.io/service-name", o->name, "endpointslice.kubernetes.io/managed-by",
				   "endpointslice-controller.k8s.io", "ownerReferences", owner_reference(o->resource, service, true),
				   "addressType", "IPv4", "endpoints", slice, "ports", ports);

	jset(slices, json_sprintf("%s-%.5s", o->name, o->uid), "metadata", "name");
	json_decref(ready);
	json_decref(not_ready);
	put_object(sim, core(sim, "endpoints"), endpoints, "subsets", "");
	put_object(sim, kinds_plural(sim, "discovery.k8s.io", "v1", "endpointslices"), slices, "endpoints", "ports");
}

static void drop_endpoints(struct sim *sim, const char *ns, const char *name)
{
	struct object *o = store_find(core(sim, "endpoints"), ns, name);

	if (o)
		store_remove(sim, o);
}

void service_step(struct sim *sim, struct object *o, json_t *tree)
{
	if (o->deleting) {
		drop_endpoints(sim, o->ns, o->name);
		return;
	}
	if (json_object_size(jget(tree, "spec", "selector")))
		write_endpoints(sim, o, tree);
	if (!strcmp(jstr(tree, "spec", "type"), "LoadBalancer") && !jget(tree, "status", "loadBalancer", "ingress")) {
		if (!o->life.phase) {
			o->life.phase = 1;
			control_wake(sim, o, 1000);
		} else {
			status_write(sim, o, tree,
				     json_pack("{s:{s:[{s:o,s:s}]}}", "loadBalancer", "ingress", "ip",
					       json_sprintf("192.0.2.%d", (int)(sim_random(sim) % 200) + 10), "ipMode", "VIP"),
				     "cloud-controller-manager");
		}
	}
}

/* ---- nodes ---- */

void node_step(struct sim *sim, struct object *o, json_t *tree)
{
	bool ill = !strcmp(fault_of(tree), "notready");
	json_t *status = json_deep_copy(json_object_get(tree, "status"));

	if (!status)
		return;
	condition_set(status, "Ready", ill ? "Unknown" : "True", ill ? "NodeStatusUnknown" : "KubeletReady",
		      ill ? "Kubelet stopped posting node status." : "kubelet is posting ready status", false);
	status_write(sim, o, tree, status, ill ? KCM : "kubelet");
}

/* ---- ingresses ---- */

void ingress_step(struct sim *sim, struct object *o, json_t *tree)
{
	const char *class = jstr(tree, "spec", "ingressClassName");

	if (o->deleting || jget(tree, "status", "loadBalancer", "ingress"))
		return;
	if (!*class)
		class = jstr(tree, "metadata", "annotations", "kubernetes.io/ingress.class");
	if (*class && !store_find(kinds_plural(sim, "networking.k8s.io", "v1", "ingressclasses"), "", class)) {
		control_wake(sim, o, 2000);
		return;
	}
	if (!o->life.phase) {
		o->life.phase = 1;
		o->life.since = sim_now(sim);
	}
	if (sim_now(sim) - o->life.since < 1000) {
		control_wake(sim, o, 1000 - (sim_now(sim) - o->life.since));
		return;
	}
	status_write(sim, o, tree, json_pack("{s:{s:[{s:s}]}}", "loadBalancer", "ingress", "ip", "192.0.2.1"), "ingress-controller");
}

/* ---- custom kinds ---- */

/* Asks all objects of the kind to go; true while one is still there, held by its finalizers. */
static bool remove_instances(struct sim *sim, const json_t *spec)
{
	bool any = false;

	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];

		if (!(r->flags & KIND_CUSTOM) || r->gone || r->storage != r || strcmp(r->group, jstr(spec, "group")) ||
		    strcmp(r->plural, jstr(spec, "names", "plural")))
			continue;
		r->terminating = true;
		for (size_t k = r->n; k-- > 0;)
			if (!r->objects[k]->deleting)
				rest_remove(sim, r->objects[k], "Background", -1);
		any = any || r->n;
	}
	return any;
}

/* The kind goes when the last of its objects has gone. */
static void undefine(struct sim *sim, struct object *o, json_t *tree)
{
	bool left = remove_instances(sim, json_object_get(tree, "spec")), began = o->life.phase == 3;
	json_t *status = json_deep_copy(json_object_get(tree, "status"));

	if (!status)
		status = json_object();
	if (!began) {
		o->life.phase = 3;
		o->life.since = sim_now(sim);
	}
	condition_set(status, "Terminating", "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress", false);
	status_write(sim, o, tree, status, "kube-apiserver");
	if (left || sim_now(sim) - o->life.since < 200) {
		control_wake(sim, o, 200);
		return;
	}
	kinds_undefine(sim, tree);
	json_t *now = store_tree(o);

	jdel(now, "metadata", "finalizers");
	store_put(sim, o->resource, o, now);
	json_decref(now);
	rest_finish_delete(sim, o);
}

void definition_step(struct sim *sim, struct object *o, json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec"), *versions = json_object_get(spec, "versions"), *status, *stored = json_array();

	if (o->deleting) {
		json_decref(stored);
		undefine(sim, o, tree);
		return;
	}
	if (!o->life.phase) {
		o->life.phase = 1;
		o->life.since = sim_now(sim);
	}
	if (o->life.phase == 1 && sim_now(sim) - o->life.since < 60) {
		json_decref(stored);
		control_wake(sim, o, 60 - (sim_now(sim) - o->life.since));
		return;
	}
	int64_t late = duration_of(tree, "sim/serve-delay", 0); /* established, but not served yet */

	if (o->life.phase == 1) {
		o->life.phase = 2;
		o->life.since = sim_now(sim);
	}
	if (sim_now(sim) - o->life.since >= late)
		kinds_define(sim, tree);
	else
		control_wake(sim, o, late - (sim_now(sim) - o->life.since));
	status = json_deep_copy(json_object_get(tree, "status"));
	if (!status)
		status = json_object();
	json_object_set_new(status, "acceptedNames", json_deep_copy(json_object_get(spec, "names")));
	for (size_t i = 0; i < json_array_size(versions); i++)
		if (json_is_true(json_object_get(json_array_get(versions, i), "storage")))
			json_array_append(stored, json_object_get(json_array_get(versions, i), "name"));
	json_object_set_new(status, "storedVersions", stored);
	condition_set(status, "NamesAccepted", "True", "NoConflicts", "no conflicts found", false);
	condition_set(status, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted", false);
	if (!jget(tree, "metadata", "finalizers"))
		jset(tree, json_pack("[s]", "customresourcecleanup.apiextensions.k8s.io"), "metadata", "finalizers");
	status_write(sim, o, tree, status, "kube-apiserver");
}

/* ---- quotas ---- */

void quota_step(struct sim *sim, struct object *o, json_t *tree)
{
	json_t *hard = jget(tree, "spec", "hard");

	if (o->deleting || !hard)
		return;
	status_write(sim, o, tree, json_pack("{s:O,s:o}", "hard", hard, "used", quota_used(sim, o->ns, hard)), KCM);
}

/* ---- disruption budgets and autoscalers ---- */

void budget_step(struct sim *sim, struct object *o, json_t *tree)
{
	const struct resource *pods = core(sim, "pods");
	struct selector *selector = NULL;
	int64_t healthy = 0, expected = 0, wanted;
	size_t n, from = store_range(pods, o->ns, &n);
	json_t *least = jget(tree, "spec", "minAvailable"), *most = jget(tree, "spec", "maxUnavailable"), *status;

	if (o->deleting)
		return;
	selector_of_object(jget(tree, "spec", "selector"), &selector);
	for (size_t i = from; i < from + n; i++) {
		json_t *pod;

		if (!selector_labels(selector, pods->objects[i]->current->labels) || pods->objects[i]->deleting)
			continue;
		pod = store_tree(pods->objects[i]);
		expected++;
		healthy += condition_true(pod, "Ready");
		json_decref(pod);
	}
	selector_destroy(selector);
	if (json_is_string(least))
		wanted = (expected * (int64_t)strtol(json_string_value(least), NULL, 10) + 99) / 100;
	else if (json_is_string(most))
		wanted = expected - expected * (int64_t)strtol(json_string_value(most), NULL, 10) / 100;
	else
		wanted = least ? json_integer_value(least) : expected - (most ? json_integer_value(most) : 1);
	int64_t allowed = healthy > wanted ? healthy - wanted : 0;

	status = json_pack("{s:I,s:I,s:I,s:I,s:I}", "disruptionsAllowed", (json_int_t)allowed, "currentHealthy", (json_int_t)healthy,
			   "desiredHealthy", (json_int_t)(wanted < 0 ? 0 : wanted), "expectedPods", (json_int_t)expected,
			   "observedGeneration", (json_int_t)jint(1, tree, "metadata", "generation"));
	if (jget(tree, "status", "conditions"))
		json_object_set_new(status, "conditions", json_deep_copy(jget(tree, "status", "conditions")));
	condition_set(status, "DisruptionAllowed", allowed ? "True" : "False", allowed ? "SufficientPods" : "InsufficientPods", "", false);
	status_write(sim, o, tree, status, KCM);
}

void autoscaler_step(struct sim *sim, struct object *o, json_t *tree)
{
	const json_t *ref = jget(tree, "spec", "scaleTargetRef");
	const struct resource *r = kinds_kind(sim, jstr(ref, "apiVersion"), jstr(ref, "kind"));
	struct object *target = r ? store_find(r, o->ns, jstr(ref, "name")) : NULL;
	json_t *status = json_object();

	if (o->deleting) {
		json_decref(status);
		return;
	}
	if (jget(tree, "status", "conditions"))
		json_object_set_new(status, "conditions", json_deep_copy(jget(tree, "status", "conditions")));
	json_object_set_new(status, "currentMetrics", json_null());
	if (target) {
		json_t *t = store_tree(target);
		int64_t replicas = jint(1, t, "spec", "replicas"), low = jint(1, tree, "spec", "minReplicas"),
			high = jint(replicas, tree, "spec", "maxReplicas"), wanted = replicas < low ? low : replicas > high ? high : replicas;

		if (wanted != replicas) {
			jset(t, json_integer(wanted), "spec", "replicas");
			rest_write(sim, target, json_deep_copy(t), KCM, "scale");
			event_emit(sim, tree, "Normal", "horizontal-pod-autoscaler", "SuccessfulRescale", "New size: %lld; reason: %s",
				   (long long)wanted, wanted > replicas ? "Current number of replicas below Spec.MinReplicas" :
								       "Current number of replicas above Spec.MaxReplicas");
		}
		json_object_set_new(status, "currentReplicas", json_integer(replicas));
		json_object_set_new(status, "desiredReplicas", json_integer(wanted));
		json_decref(t);
		condition_set(status, "AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size", false);
	} else {
		json_object_set_new(status, "desiredReplicas", json_integer(0));
		condition_set(status, "AbleToScale", "False", "FailedGetScale", "the HPA controller was unable to get the target's current scale",
			      false);
	}
	control_wake(sim, o, 5000);
	status_write(sim, o, tree, status, KCM);
}
