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

enum trouble { FINE, ROLLING, CRASHING, NO_IMAGE };

static const struct place {
	const char *env, *namespace;
	int slot, issue, pr;
	enum trouble trouble;
	int64_t age_s, trouble_age_s; /* how long ago it was made, and when the trouble began */
} places[] = {
	{ "dev", "shop-dev", 0, 0, 0, FINE, 40 * DAY, 0 },
	{ "ai-staging", "shop-ai-staging", 0, 0, 0, ROLLING, 12 * DAY, 0 },
	{ "ai", "shop-dev-1", 1, 118, 42, FINE, 5 * HOUR, 0 },
	{ "ai", "shop-dev-2", 2, 123, 0, CRASHING, 2 * HOUR, 8 * MINUTE },
	{ "ai", "shop-dev-3", 3, 127, 51, NO_IMAGE, 3 * HOUR, 3 * MINUTE },
	{ "ai-repair", "shop-ai-staging", 4, 130, 0, FINE, 40 * MINUTE, 0 },
};

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

/* What was deployed before, where it is not what services.yaml says today. */
static void make_older(json_t *object, const struct place *p)
{
	if ((p->trouble == ROLLING || p->trouble == NO_IMAGE) && is(object, "Deployment", "web"))
		set_image(object, "registry.example.test/shop/web:1.3.9");
	if (p->trouble == CRASHING && is(object, "Deployment", "api"))
		set_image(object, "registry.example.test/shop/api:2.7.0");
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
		jset(object, json_string("crashloop"), "spec", "template", "metadata", "annotations", "testbed/fault");
		return true;
	}
	return false;
}

static bool deploy(struct sim *sim, const struct place *p, bool trouble, struct error *err)
{
	json_t *items = items_of(p);
	bool good = json_array_size(items) > 0 || error_set(err, ERR_BUG, "demo: no objects for %s", p->env);

	for (size_t i = 0; good && i < json_array_size(items); i++) {
		json_t *item = json_array_get(items, i), *object = json_object_get(item, "object");

		label(object, p, jstr(item, "item"));
		if (!trouble)
			make_older(object, p);
		if (!trouble || make_trouble(object, p))
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

static bool prepare(struct sim *sim, struct error *err)
{
	return call(sim, "POST", "/api/v1/namespaces?fieldManager=kubectl-create", NULL,
		    "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"codex-system\"}}", err) &&
	       call(sim, "POST", "/api/v1/namespaces?fieldManager=kubectl-create", NULL,
		    "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"ingress-nginx\"}}", err) &&
	       call(sim, "POST", "/apis/networking.k8s.io/v1/ingressclasses?fieldManager=helm", NULL,
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

/* Since when an object of a namespace is as it is. */
static int64_t age_in(const struct object *o, bool troubled)
{
	const char *ns = *o->ns ? o->ns : o->name;

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (!strcmp(places[i].namespace, ns) && (!places[i].slot || strcmp(places[i].env, "ai-repair")))
			return troubled ? places[i].trouble_age_s : places[i].age_s;
	return 40 * DAY;
}

static void age_all(struct sim *sim, bool troubled, int64_t after_rv)
{
	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];

		for (size_t k = 0; k < r->n; k++) {
			struct object *o = r->objects[k];
			int64_t age = age_in(o, troubled);

			if (o->current->rv <= after_rv || !age || !strcmp(o->ns, "codex-system"))
				continue;
			json_t *tree = store_tree(o), *aged = earlier(tree, age);

			store_put(sim, r, o, aged);
			json_decref(tree);
			json_decref(aged);
		}
	}
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

bool demo_build(struct sim *sim, struct error *err)
{
	bool good = prepare(sim, err);
	int64_t settled;

	control_fast_forward(sim, 1000);
	for (size_t i = 0; good && i < ARRAY_LEN(places); i++) {
		good = deploy(sim, &places[i], false, err) && (!places[i].slot || make_record(sim, &places[i], err));
		control_fast_forward(sim, 200);
	}
	control_fast_forward(sim, 30000);
	pthread_mutex_lock(&sim->lock);
	age_all(sim, false, 0);
	settled = sim->rv;
	pthread_mutex_unlock(&sim->lock);
	for (size_t i = 0; good && i < ARRAY_LEN(places); i++)
		if (places[i].trouble != FINE && places[i].trouble != ROLLING)
			good = deploy(sim, &places[i], true, err);
	control_fast_forward(sim, 70000);
	pthread_mutex_lock(&sim->lock);
	age_all(sim, true, settled);
	pthread_mutex_unlock(&sim->lock);
	/* in staging pods take their time, so that a rollout can be watched */
	good = good && call(sim, "PATCH", "/api/v1/namespaces/shop-ai-staging?fieldManager=demo", "application/merge-patch+json",
			    "{\"metadata\":{\"annotations\":{\"testbed/delay\":\"12s\"}}}", err);
	for (size_t i = 0; good && i < ARRAY_LEN(places); i++)
		if (places[i].trouble == ROLLING)
			good = deploy(sim, &places[i], true, err);
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
