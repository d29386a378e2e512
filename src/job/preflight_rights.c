/* The rights that a run needs: what the server says about each (SelfSubjectAccessReview), before the first write. */
#include <stdlib.h>
#include <string.h>

#include "job/inventory.h"
#include "job/preflight_private.h"
#include "model/kinds.h"

enum purpose {
	TO_WRITE,    /* the run does it, or fails */
	TO_COMPARE,  /* the run does it, or sends what is there already */
	TO_GRANT,    /* a Role of the plan lets others do it */
	TO_ESCALATE, /* grant what we have not */
};

struct asker {
	enum purpose purpose;
	const struct deploy_object *about; /* NULL: the run's own object */
};

struct rights {
	struct preflight *p;
	struct kube_access *questions;
	struct asker *askers; /* of each question */
	size_t n, cap, naskers, askers_cap;
	struct map seen; /* questions about the plan */
	struct map told;
	struct arena *arena; /* texts of questions */
};

static void ask_for(struct rights *r, enum purpose purpose, struct kube_access question, const struct deploy_object *about)
{
	LIST_PUSH(r->questions, r->n, r->cap) = question;
	LIST_PUSH(r->askers, r->naskers, r->askers_cap) = (struct asker){ purpose, about };
}

static void ask(struct rights *r, enum purpose purpose, struct kube_access question, const struct deploy_object *about)
{
	AUTO_FREE char *key = xasprintf("%s %s.%s %s/%s", question.verb, question.resource, question.group, question.namespace,
					question.name ? question.name : "");

	if (map_has(&r->seen, str_of(key)))
		return;
	map_set(&r->seen, str_of(key), NULL);
	ask_for(r, purpose, question, about);
}

/* ---- what the plan grants to others (kubernetes.io, "Privilege escalation prevention and bootstrapping") ---- */

static const char *keep(struct rights *r, const json_t *text)
{
	return arena_strndup(r->arena, json_string_value(text) ? json_string_value(text) : "", json_string_length(text));
}

/* "pods/log" is a resource and a subresource. */
static void ask_to_grant(struct rights *r, const struct deploy_object *o, const json_t *verb, const json_t *group, const json_t *resource,
			 const json_t *name)
{
	struct kube_access question = { .verb = keep(r, verb), .group = keep(r, group), .resource = keep(r, resource), .namespace = o->namespace,
					.name = name ? keep(r, name) : NULL };
	char *slash = strchr(question.resource, '/'); /* the arena's, ours to cut */

	if (slash) {
		*slash = '\0';
		question.subresource = slash + 1;
	}
	ask_for(r, TO_GRANT, question, o);
}

static void ask_for_rule(struct rights *r, const struct deploy_object *o, const json_t *rule)
{
	const json_t *names = json_object_get(rule, "resourceNames");
	size_t v, g, s, n;
	json_t *verb, *group, *resource, *name;

	json_array_foreach(json_object_get(rule, "verbs"), v, verb)
		json_array_foreach(json_object_get(rule, "apiGroups"), g, group)
			json_array_foreach(json_object_get(rule, "resources"), s, resource) {
				if (!json_array_size(names))
					ask_to_grant(r, o, verb, group, resource, NULL);
				json_array_foreach(names, n, name)
					ask_to_grant(r, o, verb, group, resource, name);
			}
}

/* The server lets nobody make a Role with more rights than they have themselves. One that is there may stay as it is. */
static void ask_for_grants(struct rights *r, const struct deploy_object *o)
{
	size_t i;
	json_t *rule;

	if (strcmp(o->resource->group, "rbac.authorization.k8s.io") != 0 || (strcmp(o->kind, "Role") != 0 && strcmp(o->kind, "ClusterRole") != 0) ||
	    preflight_look(r->p, o->api_version, o->kind, o->namespace, o->name) != PREFLIGHT_ABSENT)
		return;
	json_t *tree = json_loadb(o->json, o->json_len, 0, NULL);

	ask_for(r, TO_ESCALATE, (struct kube_access){ .verb = "escalate", .group = o->resource->group, .resource = o->resource->resource,
						      .namespace = o->namespace, .name = o->name }, o);
	json_array_foreach(json_object_get(tree, "rules"), i, rule)
		ask_for_rule(r, o, rule);
	json_decref(tree);
}

/* ---- what the run does ---- */

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
		ask(r, TO_WRITE, (struct kube_access){ .verb = verbs[v], .group = o->resource->group, .resource = o->resource->resource, .namespace = o->namespace }, o);
		for (size_t i = 0; *o->namespace && i < ARRAY_LEN(helpers); i++)
			ask(r, TO_WRITE, (struct kube_access){ .verb = verbs[v], .group = helpers[i]->group, .resource = helpers[i]->resource, .namespace = o->namespace }, o);
	}
}

static void ask_for_object(struct rights *r, const struct deploy_object *o)
{
	static const char *const verbs[] = { "get", "create", "patch", "delete" };
	const struct apply_options *options = r->p->run->options;
	/* Requests for a Namespace count as requests inside of it. */
	bool is_namespace = strcmp(o->kind, "Namespace") == 0 && !*o->resource->group;

	for (size_t v = 0; v < ARRAY_LEN(verbs) - !options->prune; v++)
		ask(r, v == 0 ? TO_COMPARE : TO_WRITE,
		    (struct kube_access){ .verb = verbs[v], .group = o->resource->group, .resource = o->resource->resource,
					  .namespace = is_namespace ? o->name : o->namespace, .name = is_namespace ? o->name : NULL }, o);
	if (options->wait && !options->dry_run && is_awaited(o))
		ask_for_watching(r, o);
	ask_for_grants(r, o);
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
		ask_for(r, TO_WRITE, question, NULL);
	}
}

/* Apply looks at its namespace first, and makes it when neither the plan nor anybody else does. */
static void ask_for_namespace(struct rights *r, const char *namespace)
{
	ask_for(r, TO_WRITE, (struct kube_access){ .verb = "get", .group = "", .resource = "namespaces", .namespace = namespace, .name = namespace }, NULL);
	if (!preflight_is_made(r->p, "Namespace", "", namespace) && !preflight_look(r->p, "v1", "Namespace", "", namespace))
		ask_for(r, TO_WRITE, (struct kube_access){ .verb = "create", .group = "", .resource = "namespaces", .namespace = "", .name = namespace }, NULL);
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

	if (strcmp(question->resource, "namespaces") == 0)
		return false; /* only asked for when it is not */
	AUTO_FREE char *name = xasprintf("%s-%s", is_lease ? "slotdeck" : "slotdeck-inventory", stem);

	return preflight_look(r->p, is_lease ? "coordination.k8s.io/v1" : "v1", is_lease ? "Lease" : "ConfigMap", question->namespace, name);
}

static bool may_escalate(const struct rights *r, const struct deploy_object *o)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->askers[i].purpose == TO_ESCALATE && r->askers[i].about == o)
			return r->questions[i].allowed;
	return false;
}

static void tell(struct rights *r, const struct kube_access *question, const struct deploy_object *about, enum diag_severity severity, const char *opening,
		 const char *end)
{
	AUTO_RELEASE(buf) what = BUF_INIT(0);

	buf_addf(&what, "%s %s %s", opening, question->verb, question->resource);
	if (question->subresource)
		buf_addf(&what, "/%s", question->subresource);
	buf_addf(&what, "%s%s", *question->group ? "." : "", question->group);
	if (*question->namespace)
		buf_addf(&what, " in namespace %s", question->namespace);
	buf_adds(&what, end);
	if (map_has(&r->told, buf_str(&what)))
		return;
	map_set(&r->told, buf_str(&what), NULL);
	r->p->denied = r->p->denied || severity == DIAG_ERROR;
	preflight_tell(r->p, about, severity, question->reason, "%s", buf_cstr(&what));
}

static void judge_grant(struct rights *r, const struct kube_access *question, const struct deploy_object *about)
{
	AUTO_FREE char *opening = xasprintf("%s %s grants a right that we have not:", about->kind, about->name);

	if (!may_escalate(r, about))
		tell(r, question, about, DIAG_ERROR, opening, "");
}

static void judge_compare(struct rights *r, const struct kube_access *question, const struct deploy_object *about)
{
	tell(r, question, about, DIAG_WARNING, "no right to", ": what is there can't be compared and is sent each time");
}

static void judge_write(struct rights *r, const struct kube_access *question, const struct deploy_object *about)
{
	bool creates = strcmp(question->verb, "create") == 0;

	if (creates && about && !(about = find_to_create(r, about)))
		return;
	if (creates && !about && own_is_there(r, question))
		return;
	tell(r, question, about, DIAG_ERROR, "no right to", "");
}

bool preflight_rights(struct preflight *p, struct error *err)
{
	static void (*const judges[])(struct rights *r, const struct kube_access *question, const struct deploy_object *about) = {
		[TO_WRITE] = judge_write, [TO_COMPARE] = judge_compare, [TO_GRANT] = judge_grant, [TO_ESCALATE] = NULL
	};
	AUTO(arena) arena = arena_create();
	struct rights r = { .p = p, .arena = arena };
	const char *namespace = p->run->stack->namespace;

	for (size_t i = 0; i < p->plan->len; i++)
		if (p->plan->objects[i].resource)
			ask_for_object(&r, &p->plan->objects[i]);
	if (!p->run->options->dry_run)
		ask_for_own(&r, *namespace ? namespace : kube_namespace(p->run->kube));
	if (!p->run->options->dry_run && *namespace)
		ask_for_namespace(&r, namespace);
	bool good = kube_can(p->run->kube, r.questions, r.n, p->run->cancel, err);

	for (size_t i = 0; good && i < r.n; i++)
		if (!r.questions[i].allowed && judges[r.askers[i].purpose])
			judges[r.askers[i].purpose](&r, &r.questions[i], r.askers[i].about);
	for (size_t i = 0; i < r.n; i++)
		free(r.questions[i].reason);
	free(r.questions);
	free(r.askers);
	map_release(&r.seen);
	map_release(&r.told);
	return good;
}
