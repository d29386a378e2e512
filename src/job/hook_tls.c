/*
 * codex.reuse-dev-tls-secret: keeps a slot's certificate over the slot's re-creation by parking it in the staging namespace.
 *
 * Only a Secret of type kubernetes.io/tls is copied whose key fits its certificate, which is valid now and for a day at least and covers
 * every host that Ingresses and Certificates want the Secret for; and never over one that is good and newer. The slot's is waited for
 * only when somebody wants it, and at most two minutes. What goes wrong in the slot's namespace is an error; parking is a
 * convenience, so what goes wrong in the staging namespace is a warning.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "job/hook_certificate.h"
#include "job/hook_use.h"
#include "kube/api_version.h"

#define WAIT_LIMIT_MS (120 * 1000)
#define POLL_MS	      2000
#define MAX_PEM_BYTES (1 << 20)

struct side { /* the Secret in one of the two namespaces */
	const char *namespace;
	json_t *secret; /* NULL: it is not there */
	bool fits;
	int64_t not_before_s;
	struct buf unfit; /* why not */
};

struct parking {
	const struct hook_call *call;
	const struct kube_resource *secrets;
	char *name;
	struct side slot, staging;
	bool wanted;	   /* an Ingress or Certificate names the Secret */
	struct map hosts;  /* that it is wanted for */
	struct map planned; /* names of the plan's Ingresses: what lives under them may be an older form */
};

/* ---- who wants it ---- */

static void add_hosts(struct parking *p, const json_t *names)
{
	size_t i;
	json_t *name;

	json_array_foreach(names, i, name)
		if (json_string_length(name))
			map_set(&p->hosts, str_of(json_string_value(name)), NULL);
}

static bool names_our_secret(const struct parking *p, const json_t *spec)
{
	const char *secret = json_string_value(json_object_get(spec, "secretName"));

	return secret && strcmp(secret, p->name) == 0;
}

static void look_at_ingress(struct parking *p, const json_t *spec)
{
	size_t i;
	json_t *tls;

	json_array_foreach(json_object_get(spec, "tls"), i, tls) {
		if (!names_our_secret(p, tls))
			continue;
		p->wanted = true;
		add_hosts(p, json_object_get(tls, "hosts"));
	}
}

static void look_at_certificate(struct parking *p, const json_t *spec)
{
	if (!names_our_secret(p, spec))
		return;
	p->wanted = true;
	add_hosts(p, json_object_get(spec, "dnsNames"));
}

static void look_at_plan(struct parking *p)
{
	static const struct {
		const char *group, *kind;
		void (*look)(struct parking *p, const json_t *spec);
	} rows[] = { { "networking.k8s.io", "Ingress", look_at_ingress }, { "cert-manager.io", "Certificate", look_at_certificate } };

	for (size_t i = 0; i < p->call->run->plan->len; i++) {
		const struct deploy_object *o = &p->call->run->plan->objects[i];

		if (strcmp(o->namespace, p->slot.namespace) != 0)
			continue;
		for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
			if (strcmp(o->kind, rows[r].kind) != 0 || !str_is(api_version_split(o->api_version).group, rows[r].group))
				continue;
			json_t *object = json_loadb(o->json, o->json_len, 0, NULL);

			rows[r].look(p, json_object_get(object, "spec"));
			if (rows[r].look == look_at_ingress)
				map_set(&p->planned, str_of(o->name), NULL);
			json_decref(object);
		}
	}
}

static bool on_ingress(struct str object, void *arg, struct error *err)
{
	struct parking *p = arg;
	json_t *ingress = json_loadb(object.p, object.len, JSON_ALLOW_NUL, NULL);

	(void)err;
	if (!map_has(&p->planned, str_of(json_string_value(json_object_get(json_object_get(ingress, "metadata"), "name")))))
		look_at_ingress(p, json_object_get(ingress, "spec"));
	json_decref(ingress);
	return true;
}

static bool look_at_cluster(struct parking *p, struct error *err)
{
	struct kube *kube = p->call->run->kube;
	const struct kube_resource *ingresses = kube_find_kind(kube, "networking.k8s.io/v1", "Ingress", p->call->run->cancel, err);
	struct kube_list_options options = { .namespace = p->slot.namespace };

	if (!ingresses)
		return !err->kind;
	return kube_list(kube, ingresses, &options, p->call->run->cancel, on_ingress, p, NULL, err) ||
	       error_wrap(err, "who wants Secret %s of %s", p->name, p->slot.namespace);
}

/* ---- the Secrets ---- */

static bool decode(const json_t *data, const char *key, struct buf *pem, struct buf *why)
{
	const char *text = json_string_value(json_object_get(data, key));

	if (!text || !*text)
		buf_addf(why, "it lacks %s", key);
	else if (!base64_decode(pem, str_of(text), BASE64_STANDARD))
		buf_addf(why, "its %s can't be decoded", key);
	return !why->len;
}

static bool check_secret(const struct parking *p, struct side *side)
{
	const char *type = json_string_value(json_object_get(side->secret, "type"));
	const json_t *data = json_object_get(side->secret, "data");
	AUTO_RELEASE(buf) chain = BUF_INIT(MAX_PEM_BYTES);
	AUTO_RELEASE(buf) key = BUF_INIT(MAX_PEM_BYTES);

	if (!type || strcmp(type, "kubernetes.io/tls") != 0) {
		buf_adds(&side->unfit, "it is not of type kubernetes.io/tls");
		return false;
	}
	bool good = decode(data, "tls.crt", &chain, &side->unfit) && decode(data, "tls.key", &key, &side->unfit) &&
		    certificate_fits(buf_str(&chain), buf_str(&key), &p->hosts, clock_wall_ms(p->call->run->clock) / 1000, &side->not_before_s,
				     &side->unfit);

	secret_wipe(key.p, key.len);
	return good;
}

static bool look(const struct parking *p, struct side *side, struct error *err)
{
	json_decref(GIVE(side->secret));
	buf_reset(&side->unfit);
	side->fits = false;
	if (!kube_get(p->call->run->kube, p->secrets, side->namespace, p->name, p->call->run->cancel, &side->secret, err)) {
		if (err->kind != ERR_NOT_FOUND)
			return error_wrap(err, "Secret %s of %s", p->name, side->namespace);
		error_release(err);
		buf_adds(&side->unfit, "it is not there");
		return true;
	}
	side->fits = check_secret(p, side);
	return true;
}

static bool is_better(const struct side *a, const struct side *b)
{
	return a->fits && (!b->fits || a->not_before_s > b->not_before_s);
}

static void strip(json_t *secret, const char *namespace)
{
	static const char *const keys[] = { "resourceVersion", "uid", "creationTimestamp", "annotations", "ownerReferences", "managedFields", "generation",
					    "finalizers" };
	json_t *metadata = json_object_get(secret, "metadata");

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		json_object_del(metadata, keys[i]);
	json_object_del(secret, "status");
	json_object_set_new(metadata, "namespace", json_string(namespace));
	json_object_set_new(secret, "apiVersion", json_string("v1"));
	json_object_set_new(secret, "kind", json_string("Secret"));
}

static bool copy(const struct parking *p, const struct side *from, const struct side *to, struct error *err)
{
	strip(from->secret, to->namespace);
	AUTO_FREE char *body = json_dumps(from->secret, JSON_COMPACT);
	bool good = run_apply(p->call->run, p->secrets, to->namespace, p->name, str_of(body), "copy the Secret", err);

	secret_wipe(body, strlen(body));
	if (good)
		run_note(p->call->run, "Secret %s was copied from %s to %s", p->name, from->namespace, to->namespace);
	return good || error_wrap(err, "Secret %s of %s", p->name, to->namespace);
}

/* ---- the whole ---- */

/* Told, and no reason to stop; a run that was cancelled or lost its lease stops nevertheless. */
static bool only_warn(const struct parking *p, struct error *why, struct error *err)
{
	if (why->kind == ERR_CANCELLED || why->kind == ERR_CONFLICT)
		return error_move(err, why);
	run_note(p->call->run, "warning: %s", why->message);
	return true;
}

static bool wait_for_slot(struct parking *p, struct error *err)
{
	struct run *run = p->call->run;
	int64_t due_ms = clock_now_ms(run->clock) + WAIT_LIMIT_MS;

	if (!p->slot.fits)
		run_note(run, "waiting for Secret %s of %s, at most %d s: %s", p->name, p->slot.namespace, WAIT_LIMIT_MS / 1000, buf_cstr(&p->slot.unfit));
	while (!p->slot.fits && clock_now_ms(run->clock) < due_ms)
		if (!clock_sleep(run->clock, run->cancel, POLL_MS, err) || !look(p, &p->slot, err))
			return false;
	return true;
}

static bool park(struct parking *p, struct error *err)
{
	AUTO_RELEASE(error) why = { 0 };
	struct run *run = p->call->run;

	look_at_plan(p);
	if (!look_at_cluster(p, err))
		return false;
	bool staging_known = look(p, &p->staging, &why);

	if ((!staging_known && !only_warn(p, &why, err)) || !look(p, &p->slot, err))
		return false;
	if (p->staging.secret && !p->staging.fits)
		run_note(run, "Secret %s of %s is not used: %s", p->name, p->staging.namespace, buf_cstr(&p->staging.unfit));
	if (p->wanted && is_better(&p->staging, &p->slot))
		return copy(p, &p->staging, &p->slot, err);
	if (!p->wanted)
		run_note(run, "no Ingress or Certificate of %s names Secret %s: nothing to wait for", p->slot.namespace, p->name);
	else if (!wait_for_slot(p, err))
		return false;
	if (!p->slot.fits && (p->wanted || p->slot.secret))
		run_note(run, "warning: Secret %s of %s is not parked: %s", p->name, p->slot.namespace, buf_cstr(&p->slot.unfit));
	if (!staging_known || !is_better(&p->slot, &p->staging) || copy(p, &p->slot, &p->staging, &why))
		return true;
	return only_warn(p, &why, err);
}

static void side_release(struct side *side)
{
	json_decref(side->secret);
	buf_release(&side->unfit);
}

bool hook_reuse_dev_tls_secret(const struct hook_call *call, struct error *err)
{
	const struct stack *stack = call->run->stack;
	struct str name = hook_text(call, "secretName"), staging = hook_text(call, "stagingNamespace");
	struct parking p = { .call = call, .slot.namespace = stack->namespace };
	AUTO_FREE char *staging_namespace = NULL;
	bool good = true;

	if (!*stack->namespace || stack->slot <= 0 || !*stack->project.text)
		return true;
	p.secrets = kube_find_kind(call->run->kube, "v1", "Secret", call->run->cancel, err);
	if (!p.secrets)
		return err->kind ? false : error_set(err, ERR_SERVER, "the server has no kind Secret");
	if (staging.len)
		staging_namespace = str_dup(staging);
	else if (!stack_namespace(stack, "ai-staging", 0, &staging_namespace, err))
		return false;
	p.name = name.len ? str_dup(name) : xasprintf("%s-dev-%lld-tls", stack->project.text, stack->slot);
	p.staging.namespace = staging_namespace;
	if (*staging_namespace && strcmp(staging_namespace, stack->namespace) != 0)
		good = park(&p, err);
	side_release(&p.slot);
	side_release(&p.staging);
	map_release(&p.hosts);
	map_release(&p.planned);
	free(p.name);
	return good;
}
