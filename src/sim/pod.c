/* The scheduler and the kubelet: the life of a pod, one phase after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/builder.h"
#include "sim/control.h"

enum phase { NEW, SCHEDULED, PULLING, BACKOFF_PULL, INIT_CRASHED, INITS, STARTED, READY, CRASHED, DONE, PINNED, LEAVING };

struct pod {
	struct sim *sim;
	struct object *object;
	json_t *tree, *status; /* status: what will be written */
	const char *fault;
	bool dirty;
};

static int64_t between(struct sim *sim, int64_t low, int64_t high)
{
	return low + (int64_t)(sim_random(sim) % (uint64_t)(high - low + 1));
}

static void enter(struct pod *p, enum phase phase, int64_t wake_ms)
{
	p->object->life.phase = phase;
	p->object->life.since = sim_now(p->sim);
	if (wake_ms >= 0)
		control_wake(p->sim, p->object, wake_ms);
}

static int64_t passed(const struct pod *p)
{
	return sim_now(p->sim) - p->object->life.since;
}

static void set(struct pod *p, const char *type, bool value, const char *reason, const char *message)
{
	p->dirty = condition_set(p->status, type, value ? "True" : "False", reason, message, false) || p->dirty;
}

static void save(struct pod *p)
{
	struct object *o = p->object;

	status_write(p->sim, o, p->tree, GIVE(p->status), "kubelet");
	json_decref(p->tree);
	p->tree = store_tree(o);
	p->status = json_deep_copy(json_object_get(p->tree, "status"));
	p->dirty = false;
}

/* ---- scheduling ---- */

static bool node_matches(const struct object *node, const json_t *pod)
{
	json_t *wanted = jget(pod, "spec", "nodeSelector"), *value;
	const char *key, *pinned = jstr(pod, "metadata", "annotations", "sim/node");

	if (*pinned && strcmp(pinned, node->name))
		return false;
	json_object_foreach(wanted, key, value)
		if (!jx_is(json_object_get(node->current->labels, key), json_string_value(value)))
			return false;
	return true;
}

static const char *too_large(const json_t *pod)
{
	json_t *list = jget(pod, "spec", "containers");
	int64_t cpu = 0, memory = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		cpu += jx_milli(jstr(json_array_get(list, i), "resources", "requests", "cpu"));
		memory += jx_milli(jstr(json_array_get(list, i), "resources", "requests", "memory")) / 1000;
	}
	if (cpu > 64000)
		return "Insufficient cpu";
	return memory > (int64_t)256 << 30 ? "Insufficient memory" : NULL;
}

static struct object *choose_node(struct sim *sim, const json_t *pod)
{
	const struct resource *nodes = core(sim, "nodes");
	size_t start = nodes->n ? sim_random(sim) % nodes->n : 0;

	for (size_t i = 0; i < nodes->n; i++) {
		struct object *node = nodes->objects[(start + i) % nodes->n];

		if (node_matches(node, pod))
			return node;
	}
	return NULL;
}

/* Why the claims of a pod keep it from a node; NULL when they don't. Given. */
static char *claims_missing(struct sim *sim, const struct object *o, const json_t *pod)
{
	json_t *volumes = jget(pod, "spec", "volumes");
	bool waiting = false;

	for (size_t i = 0; i < json_array_size(volumes); i++) {
		const char *name = jstr(json_array_get(volumes, i), "persistentVolumeClaim", "claimName");
		struct object *claim = *name ? store_find(core(sim, "persistentvolumeclaims"), o->ns, name) : NULL;

		if (!*name)
			continue;
		if (!claim || claim->deleting)
			return xasprintf("persistentvolumeclaim \"%s\" %s", name, claim ? "is being deleted" : "not found");
		json_t *tree = store_tree(claim);
		bool bound = !strcmp(jstr(tree, "status", "phase"), "Bound");
		struct object *class = store_find(kinds_plural(sim, "storage.k8s.io", "v1", "storageclasses"), "",
						  jstr(tree, "spec", "storageClassName"));
		json_t *class_tree = class ? store_tree(class) : NULL;
		bool on_use = !strcmp(jstr(class_tree, "volumeBindingMode"), "WaitForFirstConsumer");

		json_decref(class_tree);
		if (!bound && on_use && !jget(tree, "metadata", "annotations", "volume.kubernetes.io/selected-node")) {
			struct object *node = choose_node(sim, pod);

			jset(tree, json_string(node ? node->name : "node-1"), "metadata", "annotations",
			     "volume.kubernetes.io/selected-node");
			rest_write(sim, claim, json_incref(tree), "kube-scheduler", NULL);
		}
		waiting = waiting || !bound;
		if (!bound && !on_use) {
			json_decref(tree);
			return xstrdup("pod has unbound immediate PersistentVolumeClaims");
		}
		json_decref(tree);
	}
	return waiting ? xstrdup("") : NULL;
}

static void unschedulable(struct pod *p, const char *why)
{
	size_t n = core(p->sim, "nodes")->n;
	AUTO_FREE char *message = xasprintf(
		"0/%zu nodes are available: %s. preemption: 0/%zu nodes are available: %zu Preemption is not helpful for scheduling.", n, why,
		n, n);

	set(p, "PodScheduled", false, "Unschedulable", message);
	if (p->dirty) {
		event_emit(p->sim, p->tree, "Warning", "default-scheduler", "FailedScheduling", "%s", message);
		save(p);
	}
	control_wake(p->sim, p->object, 3000);
}

static json_t *waiting_statuses(const json_t *containers, const char *reason)
{
	json_t *list = json_array();

	for (size_t i = 0; i < json_array_size(containers); i++) {
		const json_t *c = json_array_get(containers, i);

		json_array_append_new(list, json_pack("{s:s,s:{s:{s:s}},s:{},s:b,s:i,s:s,s:s,s:b}", "name", jstr(c, "name"), "state",
						      "waiting", "reason", reason, "lastState", "ready", 0, "restartCount", 0, "image",
						      jstr(c, "image"), "imageID", "", "started", 0));
	}
	return list;
}

static void tell_unready(struct pod *p)
{
	AUTO_RELEASE(buf) names = BUF_INIT(0);
	json_t *list = json_object_get(p->status, "containerStatuses");

	for (size_t i = 0; i < json_array_size(list); i++)
		if (!json_is_true(json_object_get(json_array_get(list, i), "ready")))
			buf_addf(&names, "%s%s", names.len ? " " : "", jstr(json_array_get(list, i), "name"));
	AUTO_FREE char *message = names.len ? xasprintf("containers with unready status: [%s]", names.p) : xstrdup("");

	set(p, "Ready", !names.len, names.len ? "ContainersNotReady" : "", message);
	set(p, "ContainersReady", !names.len, names.len ? "ContainersNotReady" : "", message);
}

static void place(struct pod *p, struct object *node)
{
	json_t *bound = json_deep_copy(p->tree), *node_tree = store_tree(node);
	json_t *init = jget(p->tree, "spec", "initContainers");

	jset(bound, json_string(node->name), "spec", "nodeName");
	rest_write(p->sim, p->object, bound, "kube-scheduler", "binding");
	json_decref(p->tree);
	json_decref(p->status);
	p->tree = store_tree(p->object);
	p->status = json_deep_copy(json_object_get(p->tree, "status"));
	event_emit(p->sim, p->tree, "Normal", "default-scheduler", "Scheduled", "Successfully assigned %s/%s to %s", p->object->ns,
		   p->object->name, node->name);
	set(p, "PodScheduled", true, "", "");
	set(p, "PodReadyToStartContainers", false, "", "");
	set(p, "Initialized", !json_array_size(init), json_array_size(init) ? "ContainersNotInitialized" : "", "");
	json_object_set_new(p->status, "hostIP", json_string(jstr(json_array_get(jget(node_tree, "status", "addresses"), 0), "address")));
	json_object_set_new(p->status, "hostIPs", json_pack("[{s:s}]", "ip", jstr(p->status, "hostIP")));
	json_object_set_new(p->status, "startTime", jx_time(sim_wall_ms()));
	json_object_set_new(p->status, "containerStatuses",
			    waiting_statuses(jget(p->tree, "spec", "containers"), json_array_size(init) ? "PodInitializing" : "ContainerCreating"));
	if (json_array_size(init))
		json_object_set_new(p->status, "initContainerStatuses", waiting_statuses(init, "PodInitializing"));
	tell_unready(p);
	json_decref(node_tree);
	save(p);
	enter(p, SCHEDULED, between(p->sim, 30, 120));
}

static void schedule(struct pod *p)
{
	AUTO_FREE char *claims = NULL;
	struct object *node;
	const char *large = too_large(p->tree);

	if (!strcmp(p->fault, "pending")) {
		unschedulable(p, "Insufficient cpu");
		return;
	}
	if (large) {
		unschedulable(p, large);
		return;
	}
	claims = claims_missing(p->sim, p->object, p->tree);
	if (claims) {
		if (*claims)
			unschedulable(p, claims);
		else
			control_wake(p->sim, p->object, 200);
		return;
	}
	node = choose_node(p->sim, p->tree);
	if (!node) {
		AUTO_FREE char *why = xasprintf("%zu node(s) didn't match Pod's node affinity/selector", core(p->sim, "nodes")->n);

		unschedulable(p, why);
		return;
	}
	place(p, node);
}

/* ---- what a container needs before it starts ---- */

static bool has_key(struct sim *sim, const char *ns, const char *plural, const char *name, const char *key)
{
	struct object *o = store_find(core(sim, plural), ns, name);
	json_t *tree = o ? store_tree(o) : NULL;
	bool there = tree && (!*key || jget(tree, "data", key) || jget(tree, "binaryData", key));

	json_decref(tree);
	return there;
}

static bool exists(struct sim *sim, const char *ns, const char *plural, const char *name)
{
	return store_find(core(sim, plural), ns, name) != NULL;
}

static char *env_missing(struct sim *sim, const char *ns, const json_t *container)
{
	static const struct {
		const char *ref, *from, *plural, *kind, *word;
	} kinds[] = { { "configMapKeyRef", "configMapRef", "configmaps", "ConfigMap", "configmap" },
		      { "secretKeyRef", "secretRef", "secrets", "Secret", "secret" } };
	json_t *env = json_object_get(container, "env"), *from = json_object_get(container, "envFrom");

	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < json_array_size(env); i++) {
			const json_t *ref = jget(json_array_get(env, i), "valueFrom", kinds[k].ref);

			if (!ref || json_is_true(json_object_get(ref, "optional")))
				continue;
			if (!exists(sim, ns, kinds[k].plural, jstr(ref, "name")))
				return xasprintf("%s \"%s\" not found", kinds[k].word, jstr(ref, "name"));
			if (!has_key(sim, ns, kinds[k].plural, jstr(ref, "name"), jstr(ref, "key")))
				return xasprintf("couldn't find key %s in %s %s/%s", jstr(ref, "key"), kinds[k].kind, ns, jstr(ref, "name"));
		}
		for (size_t i = 0; i < json_array_size(from); i++) {
			const json_t *ref = json_object_get(json_array_get(from, i), kinds[k].from);

			if (ref && !json_is_true(json_object_get(ref, "optional")) && !exists(sim, ns, kinds[k].plural, jstr(ref, "name")))
				return xasprintf("%s \"%s\" not found", kinds[k].word, jstr(ref, "name"));
		}
	}
	return NULL;
}

static char *mount_missing(struct sim *sim, const char *ns, const json_t *pod)
{
	json_t *volumes = jget(pod, "spec", "volumes");

	for (size_t i = 0; i < json_array_size(volumes); i++) {
		const json_t *v = json_array_get(volumes, i);
		const char *map = jstr(v, "configMap", "name"), *secret = jstr(v, "secret", "secretName");

		if (*map && !json_is_true(jget(v, "configMap", "optional")) && !exists(sim, ns, "configmaps", map))
			return xasprintf("MountVolume.SetUp failed for volume \"%s\" : configmap \"%s\" not found", jstr(v, "name"), map);
		if (*secret && !json_is_true(jget(v, "secret", "optional")) && !exists(sim, ns, "secrets", secret))
			return xasprintf("MountVolume.SetUp failed for volume \"%s\" : secret \"%s\" not found", jstr(v, "name"), secret);
	}
	return NULL;
}

/* ---- images ---- */

static bool image_missing(const struct pod *p, const char *image)
{
	const char *tag = strrchr(image, ':');

	return !strcmp(p->fault, "imagepull") || (tag && !strchr(tag, '/') && ends_with(tag, "missing"));
}

static bool image_invalid(const char *image)
{
	for (const char *c = image; *c; c++)
		if (*c == ' ' || (*c >= 'A' && *c <= 'Z' && !strchr(image, ':')))
			return true;
	return strstr(image, "::") || strchr(image, '<');
}

static json_t *status_of(struct pod *p, size_t i)
{
	return json_array_get(json_object_get(p->status, "containerStatuses"), i);
}

static void wait_state(struct pod *p, size_t i, const char *reason, const char *message)
{
	json_t *s = status_of(p, i);

	json_object_set_new(s, "state", json_pack("{s:{s:s,s:s}}", "waiting", "reason", reason, "message", message));
	json_object_set_new(s, "ready", json_false());
	json_object_set_new(s, "started", json_false());
	p->dirty = true;
}

/* True when all images are there. */
static bool pull(struct pod *p)
{
	json_t *list = jget(p->tree, "spec", "containers");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *image = jstr(json_array_get(list, i), "image");
		int attempt = (int)p->object->life.number;

		if (image_invalid(image)) {
			AUTO_FREE char *why = xasprintf("Failed to apply default image tag \"%s\": couldn't parse image name \"%s\": invalid reference format", image, image);

			wait_state(p, i, "InvalidImageName", why);
			event_emit(p->sim, p->tree, "Warning", "kubelet", "InspectFailed", "%s", why);
			event_emit(p->sim, p->tree, "Warning", "kubelet", "Failed", "Error: InvalidImageName");
			save(p);
			enter(p, BACKOFF_PULL, 10000);
			return false;
		}
		if (!image_missing(p, image))
			continue;
		AUTO_FREE char *why = xasprintf(
			"rpc error: code = NotFound desc = failed to pull and unpack image \"%s\": failed to resolve reference \"%s\": %s: not found",
			image, image, image);
		AUTO_FREE char *message = xasprintf("failed to pull image \"%s\": %s", image, why);

		event_emit(p->sim, p->tree, "Normal", "kubelet", "Pulling", "Pulling image \"%s\"", image);
		event_emit(p->sim, p->tree, "Warning", "kubelet", "Failed", "Failed to pull image \"%s\": %s", image, why);
		event_emit(p->sim, p->tree, "Warning", "kubelet", "Failed", "Error: ErrImagePull");
		wait_state(p, i, "ErrImagePull", message);
		save(p);
		p->object->life.number = attempt + 1;
		enter(p, BACKOFF_PULL, 2000);
		return false;
	}
	return true;
}

static int64_t pull_delay(int64_t attempt)
{
	int64_t wait = 10000;

	while (attempt-- > 1 && wait < 300000)
		wait *= 2;
	return wait > 300000 ? 300000 : wait;
}

static void back_off_pull(struct pod *p)
{
	json_t *list = jget(p->tree, "spec", "containers");
	bool told = false;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *image = jstr(json_array_get(list, i), "image");

		if (!strcmp(jstr(status_of(p, i), "state", "waiting", "reason"), "ErrImagePull")) {
			AUTO_FREE char *message = xasprintf("Back-off pulling image \"%s\"", image);

			wait_state(p, i, "ImagePullBackOff", message);
			event_emit(p->sim, p->tree, "Normal", "kubelet", "BackOff", "%s", message);
			event_emit(p->sim, p->tree, "Warning", "kubelet", "Failed", "Error: ImagePullBackOff");
			told = true;
		}
	}
	if (told) {
		save(p);
		control_wake(p->sim, p->object, pull_delay(p->object->life.number));
		return;
	}
	if (passed(p) < pull_delay(p->object->life.number)) { /* woken early: look whether the image is there now */
		for (size_t i = 0; i < json_array_size(list); i++)
			if (image_missing(p, jstr(json_array_get(list, i), "image")) || image_invalid(jstr(json_array_get(list, i), "image"))) {
				control_wake(p->sim, p->object, pull_delay(p->object->life.number) - passed(p));
				return;
			}
	}
	enter(p, SCHEDULED, 0);
}

/* ---- running ---- */

static void start_container(struct pod *p, size_t i, bool first)
{
	json_t *c = json_array_get(jget(p->tree, "spec", "containers"), i), *s = status_of(p, i);
	const char *image = jstr(c, "image"), *name = jstr(c, "name");
	AUTO_FREE char *id = xasprintf("sim://%s-%s-%lld", p->object->uid, name, (long long)jint(0, s, "restartCount"));

	if (first)
		event_emit(p->sim, p->tree, "Normal", "kubelet", "Pulled", "Successfully pulled image \"%s\" in %lldms", image,
			   (long long)passed(p));
	else
		event_emit(p->sim, p->tree, "Normal", "kubelet", "Pulled", "Container image \"%s\" already present on machine", image);
	event_emit(p->sim, p->tree, "Normal", "kubelet", "Created", "Container created: %s", name);
	event_emit(p->sim, p->tree, "Normal", "kubelet", "Started", "Container started: %s", name);
	json_object_set_new(s, "state", json_pack("{s:{s:o}}", "running", "startedAt", jx_time(sim_wall_ms())));
	json_object_set_new(s, "started", json_true());
	json_object_set_new(s, "image", json_string(image));
	json_object_set_new(s, "imageID", json_sprintf("sim://sha256/%s", image));
	json_object_set_new(s, "containerID", json_string(id));
	p->dirty = true;
}

static int64_t ready_delay(struct pod *p)
{
	json_t *list = jget(p->tree, "spec", "containers");
	int64_t longest = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *probe = json_object_get(json_array_get(list, i), "readinessProbe");
		int64_t delay = probe ? jint(0, probe, "initialDelaySeconds") * 1000 + 200 : 0;

		longest = delay > longest ? delay : longest;
	}
	struct object *ns = store_find(core(p->sim, "namespaces"), "", p->object->ns);
	json_t *ns_tree = ns ? store_tree(ns) : NULL;
	int64_t slow = duration_of(ns_tree, "testbed/delay", 0); /* on a namespace: all its pods take about that long */

	json_decref(ns_tree);
	if (slow)
		longest += between(p->sim, slow * 2 / 3, slow);
	if (!strcmp(p->fault, "slow"))
		return duration_of(p->tree, "testbed/delay", 30000);
	return longest + between(p->sim, 50, 250);
}

static bool of_job(const json_t *tree)
{
	json_t *owners = jget(tree, "metadata", "ownerReferences");

	return jx_find(owners, "kind", "Job") >= 0;
}

static bool runs_to_end(const struct pod *p)
{
	return strcmp(jstr(p->tree, "spec", "restartPolicy"), "Always") &&
	       (of_job(p->tree) || jget(p->tree, "metadata", "annotations", "testbed/duration"));
}

static bool crashes(const struct pod *p)
{
	const char *image = jstr(json_array_get(jget(p->tree, "spec", "containers"), 0), "image");

	return !strcmp(p->fault, "crashloop") || !strcmp(p->fault, "oom") || ends_with(image, "-broken");
}

static void start(struct pod *p)
{
	json_t *list = jget(p->tree, "spec", "containers");
	AUTO_FREE char *ip = xasprintf("10.244.%d.%d", (int)between(p->sim, 0, 250), (int)between(p->sim, 2, 250));

	for (size_t i = 0; i < json_array_size(list); i++)
		start_container(p, i, true);
	json_object_set_new(p->status, "phase", json_string("Running"));
	json_object_set_new(p->status, "podIP", json_string(ip));
	json_object_set_new(p->status, "podIPs", json_pack("[{s:s}]", "ip", ip));
	set(p, "PodReadyToStartContainers", true, "", "");
	set(p, "Initialized", true, "", "");
	tell_unready(p);
	save(p);
	if (runs_to_end(p))
		enter(p, STARTED, 20);
	else
		enter(p, STARTED, crashes(p) ? 1000 : 20);
	p->object->life.number = 0;
}

static void make_ready(struct pod *p)
{
	json_t *list = json_object_get(p->status, "containerStatuses");

	for (size_t i = 0; i < json_array_size(list); i++)
		json_object_set_new(json_array_get(list, i), "ready", json_true());
	tell_unready(p);
	save(p);
	enter(p, READY, crashes(p) ? 1000 : -1);
}

static void end_container(struct pod *p, size_t i, int code, const char *reason)
{
	json_t *s = status_of(p, i), *now = jx_time(sim_wall_ms());
	json_t *ended = json_pack("{s:{s:i,s:s,s:s,s:O,s:s}}", "terminated", "exitCode", code, "reason", reason, "startedAt",
				  *jstr(s, "state", "running", "startedAt") ? jstr(s, "state", "running", "startedAt") :
									      json_string_value(now),
				  "finishedAt", now, "containerID", jstr(s, "containerID"));

	json_object_set_new(s, "state", ended);
	json_object_set_new(s, "ready", json_false());
	json_object_set_new(s, "started", json_false());
	json_decref(now);
	p->dirty = true;
}

static void tell_ended(struct pod *p, int code)
{
	json_object_set_new(p->status, "phase", json_string(code ? "Failed" : "Succeeded"));
	set(p, "PodReadyToStartContainers", false, "", "");
	set(p, "Ready", false, code ? "PodFailed" : "PodCompleted", "");
	set(p, "ContainersReady", false, code ? "PodFailed" : "PodCompleted", "");
	save(p);
	enter(p, DONE, -1);
}

static void finish_pod(struct pod *p)
{
	const char *text = jstr(p->tree, "metadata", "annotations", "testbed/exit-code");
	int code = *text ? atoi(text) : !strcmp(p->fault, "fail") || crashes(p) ? 1 : 0;
	json_t *list = json_object_get(p->status, "containerStatuses");

	for (size_t i = 0; i < json_array_size(list); i++)
		end_container(p, i, code, code ? "Error" : "Completed");
	tell_ended(p, code);
}

/* The first time at once; then it backs off. */
static int64_t restart_delay(int restarts)
{
	static const int64_t waits[] = { 300, 2000, 4000, 8000, 16000, 30000 };

	return waits[restarts < (int)ARRAY_LEN(waits) ? (size_t)restarts : ARRAY_LEN(waits) - 1];
}

/* A container has ended and waits for its next start. */
static void back_off(struct pod *p, json_t *s)
{
	const char *name = jstr(s, "name");
	int restarts = p->object->life.restarts;

	json_object_set_new(s, "restartCount", json_integer(restarts));
	if (!restarts)
		return;
	AUTO_FREE char *message = xasprintf("back-off %llds restarting failed container=%s pod=%s_%s(%s)",
					    (long long)(restart_delay(restarts) / 1000), name, p->object->name, p->object->ns, p->object->uid);

	json_object_set(s, "lastState", json_object_get(s, "state"));
	json_object_set_new(s, "state", json_pack("{s:{s:s,s:s}}", "waiting", "reason", "CrashLoopBackOff", "message", message));
	event_emit(p->sim, p->tree, "Warning", "kubelet", "BackOff", "Back-off restarting failed container %s in pod %s_%s(%s)", name,
		   p->object->name, p->object->ns, p->object->uid);
}

static void crash(struct pod *p)
{
	bool oom = !strcmp(p->fault, "oom");
	int64_t wait = restart_delay(p->object->life.restarts);

	end_container(p, 0, oom ? 137 : 1, oom ? "OOMKilled" : "Error");
	back_off(p, status_of(p, 0));
	tell_unready(p);
	save(p);
	enter(p, CRASHED, wait);
}

static void restart(struct pod *p)
{
	json_t *s = status_of(p, 0);

	p->object->life.restarts++;
	json_object_set_new(s, "restartCount", json_integer(p->object->life.restarts));
	if (json_object_get(json_object_get(s, "state"), "terminated"))
		json_object_set(s, "lastState", json_object_get(s, "state"));
	start_container(p, 0, false);
	tell_unready(p);
	save(p);
	enter(p, STARTED, crashes(p) ? 1000 : 20);
}

static json_t *ended_init(const json_t *s, int code, const json_t *now)
{
	return json_pack("{s:{s:i,s:s,s:s,s:O}}", "terminated", "exitCode", code, "reason", code ? "Error" : "Completed", "startedAt",
			 jstr(s, "state", "running", "startedAt"), "finishedAt", now);
}

/* Init containers run one after the other; `testbed/init-exit-code` makes the first fail, again and again. */
static void run_inits(struct pod *p)
{
	json_t *list = json_object_get(p->status, "initContainerStatuses"), *now = jx_time(sim_wall_ms());
	int code = (int)strtol(jstr(p->tree, "metadata", "annotations", "testbed/init-exit-code"), NULL, 10);

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *s = json_array_get(list, i);

		if (!code && json_object_get(json_object_get(s, "state"), "terminated"))
			continue;
		if (code && json_object_get(json_object_get(s, "state"), "running")) {
			json_object_set_new(s, "state", ended_init(s, code, now));
			back_off(p, s);
			json_decref(now);
			save(p);
			enter(p, INIT_CRASHED, restart_delay(p->object->life.restarts++));
			return;
		}
		if (json_object_get(json_object_get(s, "state"), "running")) {
			json_object_set_new(s, "state", ended_init(s, 0, now));
			json_object_set_new(s, "ready", json_true());
			continue;
		}
		if (json_object_get(json_object_get(s, "state"), "terminated"))
			json_object_set(s, "lastState", json_object_get(s, "state"));
		json_object_set_new(s, "restartCount", json_integer(p->object->life.restarts));
		json_object_set_new(s, "state", json_pack("{s:{s:O}}", "running", "startedAt", now));
		event_emit(p->sim, p->tree, "Normal", "kubelet", "Started", "Container started: %s", jstr(s, "name"));
		json_decref(now);
		save(p);
		enter(p, INITS, between(p->sim, 150, 400));
		return;
	}
	json_decref(now);
	start(p);
}

static void prepare(struct pod *p)
{
	AUTO_FREE char *mount = mount_missing(p->sim, p->object->ns, p->tree);
	json_t *list = jget(p->tree, "spec", "containers");

	if (mount) {
		event_emit(p->sim, p->tree, "Warning", "kubelet", "FailedMount", "%s", mount);
		control_wake(p->sim, p->object, 2000);
		return;
	}
	if (!pull(p))
		return;
	for (size_t i = 0; i < json_array_size(list); i++) {
		AUTO_FREE char *missing = env_missing(p->sim, p->object->ns, json_array_get(list, i));

		if (!missing)
			continue;
		if (strcmp(jstr(status_of(p, i), "state", "waiting", "reason"), "CreateContainerConfigError"))
			event_emit(p->sim, p->tree, "Warning", "kubelet", "Failed", "Error: %s", missing);
		wait_state(p, i, "CreateContainerConfigError", missing);
		save(p);
		control_wake(p->sim, p->object, 2000);
		return;
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		event_emit(p->sim, p->tree, "Normal", "kubelet", "Pulling", "Pulling image \"%s\"",
			   jstr(json_array_get(list, i), "image"));
	enter(p, PULLING, between(p->sim, 150, 600));
}

static void finish_build(struct pod *p, const struct build_script *script)
{
	const char *reason = script->reason ? script->reason : script->code ? "Error" : "Completed";
	AUTO_FREE char *digest = script->code ? NULL : builder_push(p->sim, p->tree, script);
	bool evicted = !strcmp(reason, "Evicted");

	end_container(p, 0, script->code, evicted ? "Error" : reason);
	if (digest && *digest)
		json_object_set_new(jget(status_of(p, 0), "state", "terminated"), "message", json_string(digest));
	if (evicted) {
		json_object_set_new(p->status, "reason", json_string(reason));
		json_object_set_new(p->status, "message", json_string("The node was low on resource: ephemeral-storage."));
	}
	tell_ended(p, script->code);
}

static void run_build(struct pod *p)
{
	struct build_script *script = builder_script(p->tree);

	if (passed(p) < script->takes_ms)
		control_wake(p->sim, p->object, script->takes_ms - passed(p));
	else
		finish_build(p, script);
	builder_script_free(script);
}

static void run(struct pod *p)
{
	if (builder_is(p->tree)) {
		run_build(p);
		return;
	}
	if (runs_to_end(p)) {
		int64_t takes = duration_of(p->tree, "testbed/duration", 1000);

		if (passed(p) < takes) {
			if (p->object->life.phase == STARTED && !json_is_true(json_object_get(status_of(p, 0), "ready"))) {
				int64_t since = p->object->life.since;

				make_ready(p);
				p->object->life.phase = STARTED;
				p->object->life.since = since;
			}
			control_wake(p->sim, p->object, takes - passed(p));
			return;
		}
		finish_pod(p);
		return;
	}
	if (crashes(p)) {
		if (passed(p) < 1000)
			control_wake(p->sim, p->object, 1000 - passed(p));
		else
			crash(p);
		return;
	}
	if (!strcmp(p->fault, "unready")) {
		if (passed(p) >= 1000 && !p->object->life.number) {
			p->object->life.number = 1;
			event_emit(p->sim, p->tree, "Warning", "kubelet", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503");
		}
		control_wake(p->sim, p->object, 5000);
		return;
	}
	if (!p->object->life.number) /* when it will be ready, chosen once */
		p->object->life.number = p->object->life.since + ready_delay(p);
	if (sim_now(p->sim) < p->object->life.number) {
		control_wake(p->sim, p->object, p->object->life.number - sim_now(p->sim) + 1);
		return;
	}
	p->object->life.number = 0;
	make_ready(p);
}

/* A fault that was set on, or taken off, a living pod. */
static void stay_ready(struct pod *p)
{
	json_t *list = json_object_get(p->status, "containerStatuses");

	if (crashes(p)) {
		enter(p, STARTED, 1000);
		return;
	}
	if (!strcmp(p->fault, "unready") || (!strcmp(p->fault, "slow") && passed(p) < 0)) {
		for (size_t i = 0; i < json_array_size(list); i++)
			json_object_set_new(json_array_get(list, i), "ready", json_false());
		tell_unready(p);
		save(p);
		enter(p, STARTED, 1000);
	}
}

static void leave(struct pod *p)
{
	int64_t grace = jint(30, p->tree, "metadata", "deletionGracePeriodSeconds");
	int64_t takes = duration_of(p->tree, "testbed/termination", 250);

	if (!strcmp(p->fault, "stuck") && grace > 0)
		return;
	if (p->object->life.phase != LEAVING) {
		if (strcmp(jstr(p->status, "phase"), "Pending"))
			event_emit(p->sim, p->tree, "Normal", "kubelet", "Killing", "Stopping container %s",
				   jstr(json_array_get(jget(p->tree, "spec", "containers"), 0), "name"));
		enter(p, LEAVING, takes);
		return;
	}
	if (grace > 0 && passed(p) < takes) {
		control_wake(p->sim, p->object, takes - passed(p));
		return;
	}
	jset(p->tree, json_integer(0), "metadata", "deletionGracePeriodSeconds");
	if (json_array_size(jget(p->tree, "metadata", "finalizers"))) {
		if (grace > 0)
			store_put(p->sim, p->object->resource, p->object, p->tree);
		return;
	}
	store_remove(p->sim, p->object);
}

void pod_step(struct sim *sim, struct object *o, json_t *tree)
{
	struct pod p = { .sim = sim, .object = o, .tree = json_incref(tree),
			 .status = json_deep_copy(json_object_get(tree, "status")) };
	AUTO_FREE char *fault = xstrdup(fault_of(tree));

	p.fault = fault;
	if (!p.status)
		p.status = json_object();
	if (o->deleting) {
		leave(&p);
	} else {
		switch ((enum phase)o->life.phase) {
		case NEW:
			if (*jstr(tree, "spec", "nodeName")) { /* one that was there before: of the demo, or bound by hand */
				struct object *node = store_find(core(sim, "nodes"), "", jstr(tree, "spec", "nodeName"));

				if (node)
					place(&p, node);
			} else {
				schedule(&p);
			}
			break;
		case SCHEDULED:
			if (passed(&p) >= 30)
				prepare(&p);
			else
				control_wake(sim, o, 30 - passed(&p));
			break;
		case PULLING:
			if (passed(&p) < 150) {
				control_wake(sim, o, 150 - passed(&p));
				break;
			}
			if (json_array_size(jget(tree, "spec", "initContainers")))
				run_inits(&p);
			else
				start(&p);
			break;
		case BACKOFF_PULL:
			if (passed(&p) >= 2000 || image_invalid(jstr(json_array_get(jget(tree, "spec", "containers"), 0), "image")))
				back_off_pull(&p);
			else
				control_wake(sim, o, 2000 - passed(&p));
			break;
		case INITS:
			if (builder_waits(tree))
				break; /* what is unpacked wakes it */
			if (passed(&p) >= 150)
				run_inits(&p);
			else
				control_wake(sim, o, 150 - passed(&p));
			break;
		case INIT_CRASHED:
			if (passed(&p) >= restart_delay(o->life.restarts - 1))
				run_inits(&p);
			else
				control_wake(sim, o, restart_delay(o->life.restarts - 1) - passed(&p));
			break;
		case STARTED:
			run(&p);
			break;
		case READY:
			stay_ready(&p);
			break;
		case CRASHED:
			if (!crashes(&p) || passed(&p) >= restart_delay(o->life.restarts))
				restart(&p);
			else
				control_wake(sim, o, restart_delay(o->life.restarts) - passed(&p));
			break;
		default:
			break;
		}
	}
	json_decref(p.tree);
	json_decref(p.status);
}
