#include "sim/webhook.h"

#include <string.h>

static bool lists(const json_t *list, const char *word)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (jx_is(json_array_get(list, i), word) || jx_is(json_array_get(list, i), "*"))
			return true;
	return false;
}

static bool rules_match(const json_t *hook, const struct resource *r, const char *operation)
{
	json_t *rules = json_object_get(hook, "rules");

	for (size_t i = 0; i < json_array_size(rules); i++) {
		const json_t *rule = json_array_get(rules, i);

		if (lists(json_object_get(rule, "apiGroups"), r->group) && lists(json_object_get(rule, "resources"), r->plural) &&
		    lists(json_object_get(rule, "operations"), operation))
			return true;
	}
	return false;
}

static bool selects(const json_t *label_selector, const json_t *labels)
{
	struct selector *selector = NULL;
	bool matches;

	selector_of_object(label_selector, &selector); /* an empty one selects everything */
	matches = selector_labels(selector, labels);
	selector_destroy(selector);
	return matches;
}

static bool hook_denies(struct sim *sim, const json_t *hook, const struct resource *r, const char *ns, const json_t *tree,
			const char *operation)
{
	struct object *space = *ns ? store_find(kinds_plural(sim, "", "v1", "namespaces"), "", ns) : NULL;

	return rules_match(hook, r, operation) && selects(json_object_get(hook, "objectSelector"), jget(tree, "metadata", "labels")) &&
	       (!space || selects(json_object_get(hook, "namespaceSelector"), space->current->labels));
}

bool webhooks_admit(struct sim *sim, const struct resource *resource, const char *ns, const json_t *tree, const char *operation,
		    struct error *err)
{
	const struct resource *configurations = kinds_plural(sim, "admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations");
	bool admitted = true;

	for (size_t i = 0; admitted && i < configurations->n; i++) {
		json_t *configuration = store_tree(configurations->objects[i]), *hooks = json_object_get(configuration, "webhooks");
		const char *deny = jstr(configuration, "metadata", "annotations", "sim/deny");

		for (size_t k = 0; admitted && *deny && k < json_array_size(hooks); k++) {
			const json_t *hook = json_array_get(hooks, k);

			if (hook_denies(sim, hook, resource, ns, tree, operation))
				admitted = error_set(err, ERR_DENIED, "admission webhook \"%s\" denied the request: %s",
						     jstr(hook, "name"), deny);
		}
		json_decref(configuration);
	}
	return admitted;
}
