/* The rights that a run needs: what the server says about each (SelfSubjectAccessReview), before the first write. */
#include <stdlib.h>
#include <string.h>

#include "job/inventory.h"
#include "job/preflight_private.h"
#include "model/kinds.h"

struct rights {
	struct preflight *p;
	struct kube_access *questions;
	const struct deploy_object **about; /* of each question; NULL: the run's own object */
	size_t n, cap, nabout, about_cap;
	struct map seen;
};

static void ask(struct rights *r, struct kube_access question, const struct deploy_object *about)
{
	AUTO_FREE char *key = xasprintf("%s %s.%s %s/%s", question.verb, question.resource, question.group, question.namespace,
					question.name ? question.name : "");

	if (map_has(&r->seen, str_of(key)))
		return;
	map_set(&r->seen, str_of(key), NULL);
	LIST_PUSH(r->questions, r->n, r->cap) = question;
	LIST_PUSH(r->about, r->nabout, r->about_cap) = about;
}

static bool is_awaited(const struct deploy_object *o)
{
	const struct kind *kind = kind_find_api(o->api_version, o->kind);

	return o->resource->can_watch && !(kind && kind->still);
}

static void ask_for_watching(struct rights *r, const struct deploy_object *o)
{
	static const struct kind *const helpers[] = { &kind_pod, &kind_replica_set, &kind_job };
	static const char *const verbs[] = { "list", "watch" };

	for (size_t v = 0; v < ARRAY_LEN(verbs); v++) {
		ask(r, (struct kube_access){ .verb = verbs[v], .group = o->resource->group, .resource = o->resource->resource, .namespace = o->namespace }, o);
		for (size_t i = 0; *o->namespace && i < ARRAY_LEN(helpers); i++)
			ask(r, (struct kube_access){ .verb = verbs[v], .group = helpers[i]->group, .resource = helpers[i]->resource, .namespace = o->namespace }, o);
	}
}

static void ask_for_object(struct rights *r, const struct deploy_object *o)
{
	static const char *const verbs[] = { "get", "create", "patch", "delete" };
	const struct apply_options *options = r->p->run->options;
	/* Requests for a Namespace count as requests inside of it. */
	bool is_namespace = strcmp(o->kind, "Namespace") == 0 && !*o->resource->group;

	for (size_t v = 0; v < ARRAY_LEN(verbs) - !options->prune; v++)
		ask(r, (struct kube_access){ .verb = verbs[v], .group = o->resource->group, .resource = o->resource->resource,
					     .namespace = is_namespace ? o->name : o->namespace, .name = is_namespace ? o->name : NULL }, o);
	if (options->wait && !options->dry_run && is_awaited(o))
		ask_for_watching(r, o);
}

/* The Lease that keeps others away, and the inventory. */
static void ask_for_own(struct rights *r, const char *namespace)
{
	static const struct kube_access rows[] = {
		{ .verb = "get", .group = "coordination.k8s.io", .resource = "leases" }, { .verb = "create", .group = "coordination.k8s.io", .resource = "leases" },
		{ .verb = "update", .group = "coordination.k8s.io", .resource = "leases" }, { .verb = "get", .group = "", .resource = "configmaps" },
		{ .verb = "create", .group = "", .resource = "configmaps" }, { .verb = "patch", .group = "", .resource = "configmaps" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct kube_access question = rows[i];

		question.namespace = namespace;
		ask(r, question, NULL);
	}
}

/* Nobody needs the right to create what is there. */
static const struct deploy_object *find_to_create(struct rights *r, const struct deploy_object *about)
{
	for (size_t i = 0; i < r->p->plan->len; i++) {
		const struct deploy_object *o = &r->p->plan->objects[i];

		if (o->resource == about->resource && strcmp(o->namespace, about->namespace) == 0 &&
		    !preflight_look(r->p, o->api_version, o->kind, o->namespace, o->name))
			return o;
	}
	return NULL;
}

static bool own_is_there(struct rights *r, const struct kube_access *question)
{
	AUTO_FREE char *stem = inventory_stem(r->p->run->stack);
	bool is_lease = strcmp(question->resource, "leases") == 0;
	AUTO_FREE char *name = xasprintf("%s-%s", is_lease ? "slotdeck" : "slotdeck-inventory", stem);

	return preflight_look(r->p, is_lease ? "coordination.k8s.io/v1" : "v1", is_lease ? "Lease" : "ConfigMap", question->namespace, name);
}

static void judge(struct rights *r, const struct kube_access *question, const struct deploy_object *about)
{
	bool creates = strcmp(question->verb, "create") == 0;

	if (question->allowed)
		return;
	if (creates && about && !(about = find_to_create(r, about)))
		return;
	if (creates && !about && own_is_there(r, question))
		return;
	r->p->denied = true;
	preflight_tell(r->p, about, DIAG_ERROR, question->reason, "no right to %s %s%s%s%s%s", question->verb, question->resource,
		       *question->group ? "." : "", question->group, *question->namespace ? " in namespace " : "", question->namespace);
}

bool preflight_rights(struct preflight *p, struct error *err)
{
	struct rights r = { .p = p };
	const char *namespace = p->run->stack->namespace;

	for (size_t i = 0; i < p->plan->len; i++)
		if (p->plan->objects[i].resource)
			ask_for_object(&r, &p->plan->objects[i]);
	if (!p->run->options->dry_run)
		ask_for_own(&r, *namespace ? namespace : kube_namespace(p->run->kube));
	bool good = kube_can(p->run->kube, r.questions, r.n, p->run->cancel, err);

	for (size_t i = 0; i < r.n; i++) {
		if (good)
			judge(&r, &r.questions[i], r.about[i]);
		free(r.questions[i].reason);
	}
	free(r.questions);
	free(r.about);
	map_release(&r.seen);
	return good;
}
