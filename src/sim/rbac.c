#include <stdlib.h>
#include <string.h>

#include "sim/rest.h"

struct rbac {
	json_t *denials; /* list of {token, verb, group, resource, namespace, name} */
	json_t *tokens;	 /* NULL: any, or none, is good */
};

struct rbac *rbac_create(void)
{
	struct rbac *rbac = xcalloc(1, sizeof *rbac);

	rbac->denials = json_array();
	return rbac;
}

void rbac_destroy(struct rbac *rbac)
{
	if (!rbac)
		return;
	json_decref(rbac->denials);
	json_decref(rbac->tokens);
	free(rbac);
}

bool rbac_load(struct rbac *rbac, const json_t *rules, struct error *err)
{
	if (json_is_object(rules) && json_object_get(rules, "requireToken")) {
		json_t *list = json_object_get(rules, "requireToken");

		json_decref(rbac->tokens);
		rbac->tokens = json_array_size(list) ? json_incref(list) : NULL;
		if (!json_object_get(rules, "deny"))
			return true;
		rules = json_object_get(rules, "deny");
	}
	if (!json_is_array(rules))
		return error_set(err, ERR_INVALID, "denials are a list of objects");
	json_decref(rbac->denials);
	rbac->denials = json_deep_copy(rules);
	return true;
}

bool rbac_known(const struct rbac *rbac, const char *token)
{
	if (!rbac->tokens)
		return true;
	for (size_t i = 0; i < json_array_size(rbac->tokens); i++)
		if (jx_is(json_array_get(rbac->tokens, i), token))
			return true;
	return false;
}

const char *rbac_user(const struct rbac *rbac, const char *token)
{
	(void)rbac;
	return *token ? token : "sim-admin";
}

static bool names(const json_t *rule, const char *key, const char *value)
{
	const json_t *want = json_object_get(rule, key);

	if (json_is_array(want)) {
		for (size_t i = 0; i < json_array_size(want); i++)
			if (jx_is(json_array_get(want, i), value) || jx_is(json_array_get(want, i), "*"))
				return true;
		return false;
	}
	return !want || jx_is(want, "*") || jx_is(want, value);
}

/* Everybody may ask about himself (ClusterRole system:basic-user), unless a rule takes that away by name. */
static bool spares(const json_t *rule, const char *resource)
{
	const json_t *want = json_object_get(rule, "resource");

	return starts_with(resource, "selfsubject") && (!want || jx_is(want, "*"));
}

bool rbac_allows(const struct rbac *rbac, const char *token, const char *verb, const char *group, const char *resource,
		 const char *sub, const char *ns, const char *name)
{
	AUTO_FREE char *whole = *sub ? xasprintf("%s/%s", resource, sub) : xstrdup(resource);

	for (size_t i = 0; i < json_array_size(rbac->denials); i++) {
		const json_t *rule = json_array_get(rbac->denials, i);

		if (!spares(rule, resource) && names(rule, "user", rbac_user(rbac, token)) && names(rule, "token", token) &&
		    names(rule, "verb", verb) && names(rule, "group", group) && names(rule, "resource", whole) &&
		    names(rule, "namespace", ns) && names(rule, "name", name))
			return false;
	}
	return true;
}

static const char *token_of(const struct request *request)
{
	const char *text = request->authorization;

	return text && starts_with(text, "Bearer ") ? text + 7 : "";
}

bool rest_allowed(struct sim *sim, const struct request *request, const char *verb, const struct target *target,
		  struct reply *reply)
{
	const struct resource *r = target->resource;
	char label[256];

	if (rbac_allows(sim->rbac, token_of(request), verb, r->group, r->plural, target->sub, target->ns, target->name))
		return true;
	AUTO_FREE char *where = *target->ns ? xasprintf("in the namespace \"%s\"", target->ns) : xstrdup("at the cluster scope");
	AUTO_FREE char *what = *target->sub ? xasprintf("%s/%s", r->plural, target->sub) : xstrdup(r->plural);

	reply_status(reply, 403, "Forbidden", details_of(r, target->name),
		     "%s %s%s%sis forbidden: User \"%s\" cannot %s resource \"%s\" in API group \"%s\" %s",
		     resource_label(r, label), *target->name ? "\"" : "", target->name, *target->name ? "\" " : "",
		     rbac_user(sim->rbac, token_of(request)), verb, what, r->group, where);
	return false;
}
