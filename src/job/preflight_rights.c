/* The rights that a run needs: what the server says about each (SelfSubjectAccessReview), before the first write. */
#include <stdlib.h>
#include <string.h>

#include "job/inventory.h"
#include "job/preflight_private.h"
#include "model/kinds.h"

#define GRANTS_TOLD 8 /* of one object */

enum purpose {
	TO_WRITE,    /* the run does it, or fails */
	TO_COMPARE,  /* the run does it, or sends what is there already */
	TO_ESCALATE, /* grant what we have not; without it each right that an object of the plan grants is asked for */
	TO_GRANT,    /* an object of the plan lets others do it */
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
	const struct deploy_object *granting; /* whose grants are collected: */
	struct buf grants;
	size_t ngrants;
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

static void ask_for_rules(struct rights *r, const struct deploy_object *o, const json_t *role)
{
	size_t i;
	json_t *rule;

	json_array_foreach(json_object_get(role, "rules"), i, rule)
		ask_for_rule(r, o, rule);
}

static const struct deploy_object *find_planned_role(const struct rights *r, const char *kind, const char *namespace, const char *name)
{
	for (size_t i = 0; i < r->p->plan->len; i++) {
		const struct deploy_object *o = &r->p->plan->objects[i];

		if (strcmp(o->kind, kind) == 0 && strcmp(o->namespace, namespace) == 0 && strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

/* The role that a binding refers to, as it will be; NULL when it can't be known. Gives. */
static json_t *role_of(const struct rights *r, const struct deploy_object *o, const json_t *binding)
{
	AUTO_RELEASE(error) ignored = { 0 };
	const json_t *reference = json_object_get(binding, "roleRef");
	const char *kind = json_string_value(json_object_get(reference, "kind")), *name = json_string_value(json_object_get(reference, "name"));
	json_t *role = NULL;

	if (!kind || !name)
		return NULL;
	const char *namespace = strcmp(kind, "Role") == 0 ? o->namespace : "";
	const struct deploy_object *planned = find_planned_role(r, kind, namespace, name);
	const struct kube_resource *resource = kube_find_kind(r->p->run->kube, o->api_version, kind, r->p->run->cancel, &ignored);

	if (planned)
		return json_loadb(planned->json, planned->json_len, 0, NULL);
	return resource && kube_get(r->p->run->kube, resource, namespace, name, r->p->run->cancel, &role, &ignored) ? role : NULL;
}

static bool is_binding(const struct deploy_object *o)
{
	return strcmp(o->kind, "RoleBinding") == 0 || strcmp(o->kind, "ClusterRoleBinding") == 0;
}

static bool is_role(const struct deploy_object *o)
{
	return strcmp(o->kind, "Role") == 0 || strcmp(o->kind, "ClusterRole") == 0;
}

/* The server lets nobody grant more than they have themselves. What is there may stay as it is. */
static void ask_to_escalate(struct rights *r, const struct deploy_object *o)
{
	struct kube_access question = { .verb = "escalate", .group = o->resource->group, .resource = o->resource->resource, .namespace = o->namespace,
					.name = o->name };

	if (strcmp(o->resource->group, "rbac.authorization.k8s.io") != 0 || !(is_role(o) || is_binding(o)) ||
	    preflight_look(r->p, o->api_version, o->kind, o->namespace, o->name) != PREFLIGHT_ABSENT)
		return;
	if (is_binding(o)) {
		json_t *tree = json_loadb(o->json, o->json_len, 0, NULL);
		const json_t *reference = json_object_get(tree, "roleRef");
		const char *kind = json_string_value(json_object_get(reference, "kind"));

		question.verb = "bind";
		question.resource = kind && strcmp(kind, "Role") == 0 ? "roles" : "clusterroles";
		question.name = keep(r, json_object_get(reference, "name"));
		json_decref(tree);
	}
	ask_for(r, TO_ESCALATE, question, o);
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
	ask_to_escalate(r, o);
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

/* "get pods/log.apps" */
static void add_right(struct buf *out, const struct kube_access *question)
{
	buf_addf(out, "%s %s", question->verb, question->resource);
	if (question->subresource)
		buf_addf(out, "/%s", question->subresource);
	buf_addf(out, "%s%s", *question->group ? "." : "", question->group);
}

static void tell_grants(struct rights *r)
{
	const struct deploy_object *o = r->granting;

	if (!o)
		return;
	r->p->denied = true;
	preflight_tell(r->p, o, DIAG_ERROR, NULL, "%s %s grants what we have no right to ourselves: %s%s%s%s", o->kind, o->name, buf_cstr(&r->grants),
		       r->ngrants > GRANTS_TOLD ? ", …" : "", *o->namespace ? " in namespace " : "", o->namespace);
	buf_reset(&r->grants);
	r->ngrants = 0;
	r->granting = NULL;
}

static void tell(struct rights *r, const struct kube_access *question, const struct deploy_object *about, enum diag_severity severity, const char *end)
{
	AUTO_RELEASE(buf) what = BUF_INIT(0);

	buf_adds(&what, "no right to ");
	add_right(&what, question);
	if (*question->namespace)
		buf_addf(&what, " in namespace %s", question->namespace);
	buf_adds(&what, end);
	if (map_has(&r->told, buf_str(&what)))
		return;
	map_set(&r->told, buf_str(&what), NULL);
	r->p->denied = r->p->denied || severity == DIAG_ERROR;
	preflight_tell(r->p, about, severity, question->reason, "%s", buf_cstr(&what));
}

/* Rights that are missing in a row, all of one object, are told as one. */
static void judge_grant(struct rights *r, const struct kube_access *question, const struct deploy_object *about)
{
	if (r->granting != about)
		tell_grants(r);
	r->granting = about;
	if (r->ngrants++ < GRANTS_TOLD) {
		buf_adds(&r->grants, r->ngrants > 1 ? ", " : "");
		add_right(&r->grants, question);
	}
}

/* Asks more, so that question is not what it was afterwards. */
static void judge_escalate(struct rights *r, const struct kube_access *question, const struct deploy_object *about)
{
	json_t *tree = json_loadb(about->json, about->json_len, 0, NULL);
	json_t *role = is_binding(about) ? role_of(r, about, tree) : json_incref(tree);

	(void)question;
	ask_for_rules(r, about, role);
	json_decref(role);
	json_decref(tree);
}

static void judge_compare(struct rights *r, const struct kube_access *question, const struct deploy_object *about)
{
	tell(r, question, about, DIAG_WARNING, ": what is there can't be compared and is sent each time");
}

static void judge_write(struct rights *r, const struct kube_access *question, const struct deploy_object *about)
{
	bool creates = strcmp(question->verb, "create") == 0;

	if (creates && about && !(about = find_to_create(r, about)))
		return;
	if (creates && !about && own_is_there(r, question))
		return;
	tell(r, question, about, DIAG_ERROR, "");
}

/* From the first question that was not asked yet to the last; answers may lead to more. */
static bool ask_and_judge(struct rights *r, struct error *err)
{
	static void (*const judges[])(struct rights *r, const struct kube_access *question, const struct deploy_object *about) = {
		[TO_WRITE] = judge_write, [TO_COMPARE] = judge_compare, [TO_ESCALATE] = judge_escalate, [TO_GRANT] = judge_grant
	};

	for (size_t from = 0, to; from < r->n; from = to) {
		to = r->n;
		if (!kube_can(r->p->run->kube, r->questions + from, to - from, r->p->run->cancel, err))
			return false;
		for (size_t i = from; i < to; i++) {
			struct kube_access question = r->questions[i];
			struct asker asker = r->askers[i];

			if (!question.allowed)
				judges[asker.purpose](r, &question, asker.about);
		}
	}
	tell_grants(r);
	return true;
}

bool preflight_rights(struct preflight *p, struct error *err)
{
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
	bool good = ask_and_judge(&r, err);

	for (size_t i = 0; i < r.n; i++)
		free(r.questions[i].reason);
	free(r.questions);
	free(r.askers);
	buf_release(&r.grants);
	map_release(&r.seen);
	map_release(&r.told);
	return good;
}
