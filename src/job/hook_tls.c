/*
 * codex.reuse-dev-tls-secret: keeps a slot's certificate over the slot's re-creation by parking it in the staging namespace.
 *
 * Only a Secret of type kubernetes.io/tls whose certificate is valid for a day at least is copied, either way. It is waited
 * for only when an Ingress of the slot names it, and at most two minutes. Never fails the run.
 */
#include <jansson.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "job/hook_use.h"

#define WAIT_LIMIT_MS	(120 * 1000)
#define POLL_MS		2000
#define VALID_FOR_S	(24 * 60 * 60)

struct parking {
	const struct hook_call *call;
	const struct kube_resource *secrets;
	char *name, *slot_namespace, *staging_namespace;
	char *host; /* that an Ingress of the slot wants it for; NULL: nobody does */
};

static bool get_secret(const struct parking *p, const char *namespace, json_t **ret, struct error *err)
{
	*ret = NULL;
	if (kube_get(p->call->run->kube, p->secrets, namespace, p->name, p->call->cancel, ret, err))
		return true;
	if (err->kind != ERR_NOT_FOUND)
		return false;
	error_release(err);
	return true;
}

/* Why the certificate is no good; NULL when it is. */
static const char *check_certificate(struct str pem, const char *host)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	time_t soon = time(NULL) + VALID_FOR_S;
	const char *why = NULL;

	if (!certificate)
		why = "its tls.crt is no certificate";
	else if (X509_cmp_time(X509_get0_notAfter(certificate), &soon) <= 0)
		why = "its certificate is expired, or will be within a day";
	else if (host && X509_check_host(certificate, host, 0, 0, NULL) != 1)
		why = "its certificate is for another host";
	X509_free(certificate);
	BIO_free(bio);
	return why;
}

static const char *check_secret(const struct parking *p, const json_t *secret)
{
	const json_t *data = json_object_get(secret, "data");
	const char *type = json_string_value(json_object_get(secret, "type"));
	const char *certificate = json_string_value(json_object_get(data, "tls.crt")), *key = json_string_value(json_object_get(data, "tls.key"));
	AUTO_RELEASE(buf) pem = BUF_INIT(1 << 20);

	if (!type || strcmp(type, "kubernetes.io/tls") != 0)
		return "it is not of type kubernetes.io/tls";
	if (!certificate || !*certificate || !key || !*key)
		return "it lacks tls.crt or tls.key";
	if (!base64_decode(&pem, str_of(certificate), BASE64_STANDARD))
		return "its tls.crt can't be decoded";
	return check_certificate(buf_str(&pem), p->host);
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

static bool put(const struct parking *p, json_t *secret, const char *namespace, struct error *err)
{
	strip(secret, namespace);
	AUTO_FREE char *body = json_dumps(secret, JSON_COMPACT);
	bool good = run_apply(p->call->run, p->secrets, namespace, p->name, str_of(body), "copy the Secret", err);

	secret_wipe(body, strlen(body));
	return good;
}

/* One way; what does not fit is told and left. False only when cancelled. */
static bool copy(const struct parking *p, const char *from, const char *to, bool *ret_copied, struct error *err)
{
	AUTO_RELEASE(error) why = { 0 };
	json_t *secret;
	const char *unfit;

	*ret_copied = false;
	if (get_secret(p, from, &secret, &why) && secret) {
		unfit = check_secret(p, secret);
		if (unfit)
			run_note(p->call->run, "Secret %s of %s is not copied: %s", p->name, from, unfit);
		else
			*ret_copied = put(p, secret, to, &why);
		json_decref(secret);
	}
	if (why.kind == ERR_CANCELLED || why.kind == ERR_CONFLICT)
		return error_move(err, &why);
	if (why.kind)
		run_note(p->call->run, "warning: Secret %s: %s to %s: %s", p->name, from, to, why.message);
	return true;
}

/* ---- who wants it ---- */

struct search {
	const char *name;
	char *host;
};

static bool on_ingress(struct str object, void *arg, struct error *err)
{
	struct search *search = arg;
	json_t *ingress = json_loadb(object.p, object.len, 0, NULL), *tls;
	size_t i;

	(void)err;
	json_array_foreach(json_object_get(json_object_get(ingress, "spec"), "tls"), i, tls) {
		const char *secret = json_string_value(json_object_get(tls, "secretName"));
		const char *host = json_string_value(json_array_get(json_object_get(tls, "hosts"), 0));

		if (!search->host && secret && strcmp(secret, search->name) == 0)
			search->host = xstrdup(host ? host : "");
	}
	json_decref(ingress);
	return true;
}

static void find_host(struct parking *p)
{
	AUTO_RELEASE(error) ignored = { 0 };
	struct run *run = p->call->run;
	const struct kube_resource *ingresses = kube_find_kind(run->kube, "networking.k8s.io/v1", "Ingress", p->call->cancel, &ignored);
	struct search search = { .name = p->name };
	struct kube_list_options options = { .namespace = p->slot_namespace };

	if (ingresses)
		kube_list(run->kube, ingresses, &options, p->call->cancel, on_ingress, &search, NULL, &ignored);
	p->host = search.host;
}

/* Waits until the slot has a good one; false only when cancelled or at the hook's own limit. */
static bool wait_for_secret(const struct parking *p, bool *ret_there, struct error *err)
{
	int64_t due_ms = clock_now_ms(p->call->run->clock) + WAIT_LIMIT_MS;

	for (*ret_there = false;;) {
		AUTO_RELEASE(error) why = { 0 };
		json_t *secret = NULL;

		if (!get_secret(p, p->slot_namespace, &secret, &why) && why.kind == ERR_CANCELLED)
			return error_move(err, &why);
		*ret_there = secret && !check_secret(p, secret);
		json_decref(secret);
		if (*ret_there || clock_now_ms(p->call->run->clock) >= due_ms)
			return true;
		if (!hook_sleep(p->call, POLL_MS, err))
			return false;
	}
}

static bool park(struct parking *p, struct error *err)
{
	bool copied, there;

	find_host(p);
	if (p->host && !*p->host)
		free(GIVE(p->host));
	else if (!p->host) {
		run_note(p->call->run, "no Ingress of %s names Secret %s: nothing to wait for", p->slot_namespace, p->name);
		return copy(p, p->slot_namespace, p->staging_namespace, &copied, err);
	}
	if (!copy(p, p->staging_namespace, p->slot_namespace, &copied, err))
		return false;
	if (copied)
		return true;
	if (!wait_for_secret(p, &there, err))
		return false;
	if (!there) {
		run_note(p->call->run, "warning: Secret %s did not appear in %s", p->name, p->slot_namespace);
		return true;
	}
	return copy(p, p->slot_namespace, p->staging_namespace, &copied, err);
}

bool hook_reuse_dev_tls_secret(const struct hook_call *call, struct error *err)
{
	const struct stack *stack = call->run->stack;
	struct str name = hook_text(call, "secretName"), staging = hook_text(call, "stagingNamespace");
	struct parking p = { .call = call, .slot_namespace = stack->namespace };
	bool good = true;

	if (!*stack->namespace || stack->slot <= 0 || !*stack->project.text)
		return true;
	p.secrets = kube_find_kind(call->run->kube, "v1", "Secret", call->cancel, err);
	if (!p.secrets)
		return false;
	if (staging.len)
		p.staging_namespace = str_dup(staging);
	else if (!stack_namespace(stack, "ai-staging", 0, &p.staging_namespace, err))
		return false;
	p.name = name.len ? str_dup(name) : xasprintf("%s-dev-%lld-tls", stack->project.text, stack->slot);
	if (*p.staging_namespace)
		good = park(&p, err);
	free(p.name);
	free(p.host);
	free(p.staging_namespace);
	return good;
}
