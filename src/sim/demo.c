#include "sim/demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "sim/control.h"

#define MINUTE 60
#define HOUR 3600
#define DAY 86400

/* Slots stand as this number in demo.json. */
static const char any_slot[] = "9999", any_repair_slot[] = "8888";

enum trouble { FINE, ROLLING, CRASHING, NO_IMAGE, PREPARING, ASLEEP };
enum run { NO_RUN, RUN_ACTIVE, RUN_DONE, RUN_FAILED };

static const struct place {
	const char *env, *namespace;
	int slot, issue, pr;
	enum trouble trouble;
	enum run run;	     /* of the agent */
	bool lost;	     /* its record is gone */
	int64_t age_s, trouble_age_s; /* how long ago it was made, and when the trouble began */
} places[] = {
	{ .env = "dev", .namespace = "shop-dev", .age_s = 40 * DAY },
	{ .env = "ai-staging", .namespace = "shop-ai-staging", .trouble = ROLLING, .age_s = 12 * DAY },
	{ .env = "ai", .namespace = "shop-dev-1", .slot = 1, .issue = 118, .pr = 42, .run = RUN_DONE, .age_s = 5 * HOUR, .trouble_age_s = HOUR },
	{ .env = "ai", .namespace = "shop-dev-2", .slot = 2, .issue = 123, .trouble = CRASHING, .run = RUN_ACTIVE, .age_s = 2 * HOUR, .trouble_age_s = 8 * MINUTE },
	{ .env = "ai", .namespace = "shop-dev-3", .slot = 3, .issue = 127, .pr = 51, .trouble = NO_IMAGE, .age_s = 3 * HOUR, .trouble_age_s = 3 * MINUTE },
	{ .env = "ai-repair", .namespace = "shop-ai-staging", .slot = 4, .issue = 130, .run = RUN_FAILED, .age_s = 40 * MINUTE, .trouble_age_s = 11 * MINUTE },
	{ .env = "ai", .namespace = "shop-dev-5", .slot = 5, .issue = 131, .trouble = PREPARING, .age_s = 40 },
	{ .env = "ai", .namespace = "shop-dev-6", .slot = 6, .issue = 109, .pr = 37, .trouble = ASLEEP, .age_s = 26 * HOUR, .trouble_age_s = 2 * HOUR },
	{ .env = "ai", .namespace = "shop-dev-9", .slot = 9, .lost = true, .age_s = 3 * DAY },
};

/* What web was in staging and in slot 3 before, oldest first: revisions to go back to. */
static const char *const former[] = { "1.3.7", "1.3.8", "1.3.9" };

static bool call(struct sim *sim, const char *method, const char *path, const char *type, const char *body, struct error *err)
{
	unsigned status;
	AUTO_FREE char *answer = sim_request(sim, method, path, type, body, &status);

	if (status == 200 || status == 201)
		return true;
	return error_set(err, ERR_BUG, "demo: %s %s: %u: %s", method, path, status, answer);
}

static bool apply(struct sim *sim, const json_t *object, const char *manager, struct error *err)
{
	struct resource *r = kinds_kind(sim, jstr(object, "apiVersion"), jstr(object, "kind"));
	const char *ns = jstr(object, "metadata", "namespace");
	AUTO_RELEASE(buf) path = BUF_INIT(0), body = BUF_INIT(0);

	if (!r)
		return error_set(err, ERR_BUG, "demo: unknown kind %s", jstr(object, "kind"));
	buf_addf(&path, "%s/%s", *r->group ? "/apis" : "/api", r->api_version);
	if (*ns)
		buf_addf(&path, "/namespaces/%s", ns);
	buf_addf(&path, "/%s/%s?fieldManager=%s&force=true", r->plural, jstr(object, "metadata", "name"), manager);
	jx_dump(object, &body);
	return call(sim, "PATCH", path.p, "application/apply-patch+yaml", body.p, err);
}

static char *with_slot(const char *text, int slot)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	for (const char *p = text; *p;) {
		if (!strncmp(p, any_slot, 4) || !strncmp(p, any_repair_slot, 4)) {
			buf_addf(&out, "%d", slot);
			p += 4;
		} else {
			buf_addc(&out, *p++);
		}
	}
	return buf_give(&out);
}

static json_t *items_of(const struct place *p)
{
	struct str text;
	json_t *all, *items = NULL;

	if (!asset_find("sim/demo.json", &text))
		return NULL;
	AUTO_FREE char *whole = xmemdup0(text.p, text.len), *replaced = with_slot(whole, p->slot);

	all = json_loads(replaced, 0, NULL);
	items = json_incref(jget(all, p->env, "items"));
	json_decref(all);
	return items;
}

static void label(json_t *object, const struct place *p, const char *item)
{
	jset(object, json_string("slotdeck"), "metadata", "labels", "app.kubernetes.io/managed-by");
	jset(object, json_string("shop"), "metadata", "labels", "slotdeck.dev/project");
	jset(object, json_string(p->env), "metadata", "labels", "slotdeck.dev/env");
	jset(object, json_string(item), "metadata", "labels", "slotdeck.dev/item");
	if (p->slot)
		jset(object, json_sprintf("%d", p->slot), "metadata", "labels", "slotdeck.dev/slot");
}

static void set_image(json_t *object, const char *image)
{
	jset(json_array_get(jget(object, "spec", "template", "spec", "containers"), 0), json_string(image), "image");
}

static bool is(const json_t *object, const char *kind, const char *name)
{
	return !strcmp(jstr(object, "kind"), kind) && !strcmp(jstr(object, "metadata", "name"), name);
}

/* What was deployed before, where it is not what services.yaml says today; false: nothing, at that step. */
static bool make_older(json_t *object, const struct place *p, size_t step)
{
	if ((p->trouble == ROLLING || p->trouble == NO_IMAGE) && is(object, "Deployment", "web")) {
		AUTO_FREE char *image = xasprintf("registry.example.test/shop/web:%s", former[step]);

		set_image(object, image);
		return true;
	}
	if (p->trouble == CRASHING && is(object, "Deployment", "api"))
		set_image(object, "registry.example.test/shop/api:2.7.0");
	return step == 0;
}

/* What the last deployment did; true when it concerns this object. */
static bool make_trouble(json_t *object, const struct place *p)
{
	if (p->trouble == ROLLING)
		return is(object, "Deployment", "web");
	if (p->trouble == NO_IMAGE && is(object, "Deployment", "web")) {
		set_image(object, "registry.example.test/shop/web:1.5.0-missing");
		return true;
	}
	if (p->trouble == CRASHING && is(object, "Deployment", "api")) {
		set_image(object, "registry.example.test/shop/api:2.8.0-broken");
		return true;
	}
	if (p->trouble == ASLEEP && (!strcmp(jstr(object, "kind"), "Deployment") || !strcmp(jstr(object, "kind"), "StatefulSet"))) {
		jset(object, json_integer(0), "spec", "replicas");
		return true;
	}
	return p->trouble == PREPARING;
}

enum { TROUBLE = 100 }; /* a step behind all former ones */

static bool deploy(struct sim *sim, const struct place *p, size_t step, struct error *err)
{
	json_t *items = items_of(p);
	bool good = json_array_size(items) > 0 || error_set(err, ERR_BUG, "demo: no objects for %s", p->env);

	for (size_t i = 0; good && i < json_array_size(items); i++) {
		json_t *item = json_array_get(items, i), *object = json_object_get(item, "object");

		label(object, p, jstr(item, "item"));
		if (step == TROUBLE ? make_trouble(object, p) : make_older(object, p, step))
			good = apply(sim, object, "slotdeck", err);
	}
	json_decref(items);
	return good;
}

static bool make_record(struct sim *sim, const struct place *p, struct error *err)
{
	json_t *made = jx_time(sim_wall_ms() - p->age_s * 1000);
	AUTO_FREE char *body = xasprintf(
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"codex-env-%d\"},\"data\":{\"slot\":\"%d\",\"env\":\"%s\",\"namespace\":\"%s\",\"owner\":\"%d\",\"issue\":\"%d\",\"pr\":\"%d\",\"createdAt\":\"%s\"}}",
		p->slot, p->slot, p->env, p->namespace, 4100 + p->slot, p->issue, p->pr, json_string_value(made));

	json_decref(made);
	return call(sim, "POST", "/api/v1/namespaces/codex-system/configmaps?fieldManager=codexctl", NULL, body, err);
}

/* What the agent does in a slot: a Job, as the workflow makes it, with the numbers that it works for. */
static bool make_run(struct sim *sim, const struct place *p, struct error *err)
{
	AUTO_FREE char *name = xasprintf("codex-run-%d", 4100 + p->slot);
	json_t *labels = json_pack("{s:s,s:s,s:s,s:o,s:o,s:o}", "app", "codex-run", "slotdeck.dev/project", "shop", "slotdeck.dev/env", p->env,
				   "slotdeck.dev/slot", json_sprintf("%d", p->slot), "slotdeck.dev/issue", json_sprintf("%d", p->issue),
				   "slotdeck.dev/run", json_sprintf("%d", 4100 + p->slot));
	json_t *job = json_pack(
		"{s:s,s:s,s:{s:s,s:s,s:O},s:{s:i,s:{s:{s:O,s:{s:s,s:s}},s:{s:s,s:s,s:[{s:s,s:s,s:[s,s,s],s:{s:{s:s,s:s},s:{s:s}}}]}}}}", "apiVersion",
		"batch/v1", "kind", "Job", "metadata", "name", name, "namespace", p->namespace, "labels", labels, "spec", "backoffLimit", 0,
		"template", "metadata", "labels", labels, "annotations", "testbed/duration", p->run == RUN_ACTIVE ? "7200s" : "20s",
		"testbed/exit-code", p->run == RUN_FAILED ? "1" : "0", "spec", "serviceAccountName", "codex", "restartPolicy", "Never",
		"containers", "name", "codex", "image", "registry.example.test/shop/codex:0.3.0", "args", "exec", "--prompt-file",
		p->run == RUN_FAILED ? "/work/ai_repair_issue.md" : "/work/dev_issue.md", "resources", "requests", "cpu", "500m", "memory", "1Gi",
		"limits", "memory", "2Gi");

	if (p->pr)
		jset(job, json_sprintf("%d", p->pr), "metadata", "labels", "slotdeck.dev/pr");
	json_decref(labels);
	bool good = apply(sim, job, "github-actions", err);

	json_decref(job);
	return good;
}

static bool set_status(struct sim *sim, const json_t *object, const json_t *status, struct error *err)
{
	const struct resource *r = kinds_kind(sim, jstr(object, "apiVersion"), jstr(object, "kind"));
	AUTO_FREE char *path = xasprintf("/apis/%s/namespaces/%s/%s/%s/status?fieldManager=backup-operator", r->api_version,
					 jstr(object, "metadata", "namespace"), r->plural, jstr(object, "metadata", "name"));
	AUTO_RELEASE(buf) body = BUF_INIT(0);
	json_t *patch = json_pack("{s:O}", "status", status);

	jset(json_array_get(jget(patch, "status", "conditions"), 0), jx_time(sim_wall_ms()), "lastTransitionTime");
	jx_dump(patch, &body);
	json_decref(patch);
	return call(sim, "PATCH", path, "application/merge-patch+json", body.p, err);
}

/* What else is in such a cluster: assets/sim/demo-more.json. */
static bool make_more(struct sim *sim, struct error *err)
{
	struct str text;
	json_t *list = asset_find("sim/demo-more.json", &text) ? json_loadb(text.p, text.len, 0, NULL) : NULL;
	bool good = json_array_size(list) > 0 || error_set(err, ERR_BUG, "demo: demo-more.json is broken");

	for (size_t i = 0; good && i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i), *status = json_object_get(item, "status");

		good = apply(sim, json_object_get(item, "object"), jstr(item, "manager"), err) &&
		       (!status || set_status(sim, json_object_get(item, "object"), status, err));
		if (!strcmp(jstr(item, "object", "kind"), "CustomResourceDefinition"))
			control_fast_forward(sim, 200);
	}
	json_decref(list);
	return good;
}

static bool prepare(struct sim *sim, struct error *err)
{
	static const char *const namespaces[] = { "codex-system", "ingress-nginx", "monitoring" };

	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		AUTO_FREE char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}", namespaces[i]);

		if (!call(sim, "POST", "/api/v1/namespaces?fieldManager=kubectl-create", NULL, body, err))
			return false;
	}
	return call(sim, "POST", "/apis/networking.k8s.io/v1/ingressclasses?fieldManager=helm", NULL,
		    "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"IngressClass\",\"metadata\":{\"name\":\"nginx\"},\"spec\":{\"controller\":\"k8s.io/ingress-nginx\"}}",
		    err);
}

/* ---- making it look as if it had been there for long ---- */

static json_t *earlier(const json_t *value, int64_t by_s)
{
	const char *text = json_string_value(value), *key;
	json_t *out, *child;

	if (text && strlen(text) >= 20 && text[4] == '-' && text[10] == 'T' && text[strlen(text) - 1] == 'Z') {
		int64_t ms = jx_time_ms(text);

		/* what was moved already stays where it is */
		return ms > sim_wall_ms() - 60000 ? jx_time(ms - by_s * 1000) : json_deep_copy(value);
	}
	if (json_is_array(value)) {
		out = json_array();
		for (size_t i = 0; i < json_array_size(value); i++)
			json_array_append_new(out, earlier(json_array_get(value, i), by_s));
		return out;
	}
	if (!json_is_object(value))
		return json_deep_copy(value);
	out = json_object();
	json_object_foreach((json_t *)value, key, child)
		json_object_set_new(out, key, earlier(child, by_s));
	return out;
}

/* Since when an object of a namespace is as it is, at a step of its history (percent of its age), or in its trouble. */
static int64_t age_in(const struct object *o, unsigned percent)
{
	const char *ns = *o->ns ? o->ns : o->name, *slot = json_string_value(json_object_get(o->current->labels, "slotdeck.dev/slot"));

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		const struct place *p = &places[i];
		bool guest = !strcmp(p->env, "ai-repair"); /* lives in the namespace of another */

		if (!strcmp(p->namespace, ns) && (!guest || (slot && strtol(slot, NULL, 10) == p->slot)) && (guest || !slot || p->slot))
			return percent ? p->age_s * percent / 100 : p->trouble_age_s;
	}
	return 40 * DAY;
}

/* A CronJob has just run, however old it is. */
static bool is_of_now(const struct object *o, unsigned percent)
{
	return (!strcmp(o->resource->kind, "CronJob") && percent < 100) || jx_is(json_object_get(o->current->labels, "app"), "cleanup") ||
	       (!strcmp(o->resource->kind, "Job") && o->owner);
}

static void age_all(struct sim *sim, unsigned percent, int64_t *rv)
{
	int64_t after_rv = *rv;

	pthread_mutex_lock(&sim->lock);
	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];

		for (size_t k = 0; k < r->n; k++) {
			struct object *o = r->objects[k];
			int64_t age = age_in(o, percent);

			if (o->current->rv <= after_rv || !age || !strcmp(o->ns, "codex-system") || is_of_now(o, percent))
				continue;
			json_t *tree = store_tree(o), *aged = earlier(tree, age);

			store_put(sim, r, o, aged);
			json_decref(tree);
			json_decref(aged);
		}
	}
	*rv = sim->rv;
	pthread_mutex_unlock(&sim->lock);
}

/* Events live for an hour. */
static void forget_events(struct sim *sim)
{
	const struct resource *events = core(sim, "events");

	for (size_t i = events->n; i-- > 0;) {
		json_t *tree = store_tree(events->objects[i]);
		bool old = sim_wall_ms() - jx_time_ms(jstr(tree, "metadata", "creationTimestamp")) > 3600 * 1000;

		json_decref(tree);
		if (old || events->n > 3000)
			store_remove(sim, events->objects[i]);
	}
}

/* All places at one step of their history; those that only begin now have none. */
static bool deploy_all(struct sim *sim, size_t step, bool beginning, struct error *err)
{
	bool good = true;

	for (size_t i = 0; good && i < ARRAY_LEN(places); i++) {
		const struct place *p = &places[i];

		if (beginning != (p->trouble == PREPARING || (step == TROUBLE && p->trouble == ROLLING)))
			continue;
		good = deploy(sim, p, step, err);
		if (step == TROUBLE && p->run)
			good = good && make_run(sim, p, err);
		control_fast_forward(sim, 200);
	}
	return good;
}

static bool make_records(struct sim *sim, struct error *err)
{
	bool good = true;

	for (size_t i = 0; good && i < ARRAY_LEN(places); i++)
		good = !places[i].slot || places[i].lost || make_record(sim, &places[i], err);
	return good;
}

/* Pods of this namespace take their time, so that a rollout can be watched. */
static bool slow_down(struct sim *sim, const char *namespace, const char *delay, struct error *err)
{
	AUTO_FREE char *path = xasprintf("/api/v1/namespaces/%s?fieldManager=demo", namespace);
	AUTO_FREE char *body = xasprintf("{\"metadata\":{\"annotations\":{\"testbed/delay\":\"%s\"}}}", delay);

	return call(sim, "PATCH", path, "application/merge-patch+json", body, err);
}

bool demo_build(struct sim *sim, struct error *err)
{
	bool good = prepare(sim, err);
	int64_t rv = 0;

	control_fast_forward(sim, 1000);
	for (size_t step = 0; good && step < ARRAY_LEN(former); step++) {
		good = deploy_all(sim, step, false, err) && (step || (make_records(sim, err) && make_more(sim, err)));
		control_fast_forward(sim, 30000);
		age_all(sim, 100 - (unsigned)step * 30, &rv);
	}
	good = good && deploy_all(sim, TROUBLE, false, err);
	control_fast_forward(sim, 70000);
	age_all(sim, 0, &rv);
	good = good && slow_down(sim, "shop-ai-staging", "12s", err) && deploy_all(sim, TROUBLE, true, err) &&
	       slow_down(sim, "shop-dev-5", "60s", err);
	pthread_mutex_lock(&sim->lock);
	forget_events(sim);
	sim->demo = true;
	sim->next_life = sim_now(sim) + 45000;
	pthread_mutex_unlock(&sim->lock);
	return good;
}

/* ---- life ---- */

static struct object *pick(struct sim *sim, const char *plural, const char *ns)
{
	const struct resource *r = core(sim, plural);
	size_t n, from;

	if (!r)
		r = kinds_plural(sim, "apps", "v1", plural);
	from = store_range(r, ns, &n);
	return n ? r->objects[from + sim_random(sim) % n] : NULL;
}

static void restart_something(struct sim *sim)
{
	static const char *const names[] = { "web", "api", "worker" };
	struct object *o = store_find(kinds_plural(sim, "apps", "v1", "deployments"), "shop-ai-staging",
				      names[sim_random(sim) % ARRAY_LEN(names)]);
	json_t *tree = o ? store_tree(o) : NULL;

	if (tree && !o->deleting && !strcmp(condition_reason(tree, "Progressing"), "NewReplicaSetAvailable")) {
		jset(tree, jx_time(sim_wall_ms()), "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt");
		rest_write(sim, o, json_incref(tree), "kubectl-rollout", NULL);
	}
	json_decref(tree);
}

static void lose_a_pod(struct sim *sim)
{
	struct object *o = pick(sim, "pods", "shop-dev");

	if (o && o->owner && !o->deleting)
		rest_remove(sim, o, "Background", -1);
}

static void complain(struct sim *sim)
{
	struct object *o = pick(sim, "pods", sim_random(sim) % 2 ? "shop-dev" : "shop-dev-1");
	json_t *tree = o ? store_tree(o) : NULL;

	if (tree && !strcmp(jstr(tree, "status", "phase"), "Running"))
		event_emit(sim, tree, "Warning", "kubelet", "Unhealthy",
			   "Readiness probe failed: Get \"http://%s:8080/healthz\": context deadline exceeded", jstr(tree, "status", "podIP"));
	json_decref(tree);
}

void demo_live(struct sim *sim)
{
	static void (*const things[])(struct sim *) = { restart_something, complain, restart_something, lose_a_pod };

	things[sim->demo_step++ % ARRAY_LEN(things)](sim);
	if (sim->demo_step % 16 == 0)
		forget_events(sim);
	sim->next_life = sim_now(sim) + 15000 + (int64_t)(sim_random(sim) % 15000);
}
