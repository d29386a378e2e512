#include "sim/world.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"

#define S KIND_STATUS
#define G KIND_GENERATION
#define POD_TEMPLATE "\"template\":{\"metadata\":{},\"spec\":{\"containers\":null}}"

/* zero: what an object without any value holds in the real server's types (structs that are no pointers, and lists
 * that are written even when empty). Fields below them get no "." in managedFields. */
static const struct row {
	const char *group, *version, *kind, *plural, *shorts, *categories;
	bool cluster;
	unsigned flags;
	const char *zero;
} rows[] = {
	{ "", "v1", "ConfigMap", "configmaps", "cm", "", 0, 0, "" },
	{ "", "v1", "Endpoints", "endpoints", "ep", "", 0, 0, "" },
	{ "", "v1", "Event", "events", "ev", "", 0, 0, "\"involvedObject\":{},\"source\":{},\"firstTimestamp\":null,\"lastTimestamp\":null,\"eventTime\":null,\"reportingComponent\":\"\",\"reportingInstance\":\"\"" },
	{ "", "v1", "LimitRange", "limitranges", "limits", "", 0, 0, "\"spec\":{\"limits\":null}" },
	{ "", "v1", "Namespace", "namespaces", "ns", "", 1, S | KIND_NO_COLLECTION, "\"spec\":{},\"status\":{}" },
	{ "", "v1", "Node", "nodes", "no", "", 1, S, "\"spec\":{},\"status\":{\"daemonEndpoints\":{\"kubeletEndpoint\":{\"Port\":0}},\"nodeInfo\":{}}" },
	{ "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", "", 0, S, "\"spec\":{\"resources\":{}},\"status\":{}" },
	{ "", "v1", "PersistentVolume", "persistentvolumes", "pv", "", 1, S, "\"spec\":{},\"status\":{}" },
	{ "", "v1", "Pod", "pods", "po", "all", 0, S | G, "\"spec\":{\"containers\":null},\"status\":{}" },
	{ "", "v1", "ReplicationController", "replicationcontrollers", "rc", "all", 0, S | G | KIND_SCALE, "\"spec\":{},\"status\":{\"replicas\":0}" },
	{ "", "v1", "ResourceQuota", "resourcequotas", "quota", "", 0, S, "\"spec\":{},\"status\":{}" },
	{ "", "v1", "Secret", "secrets", "", "", 0, 0, "" },
	{ "", "v1", "ServiceAccount", "serviceaccounts", "sa", "", 0, 0, "" },
	{ "", "v1", "Service", "services", "svc", "all", 0, S, "\"spec\":{},\"status\":{\"loadBalancer\":{}}" },
	{ "apiregistration.k8s.io", "v1", "APIService", "apiservices", "", "api-extensions", 1, S, "\"spec\":{\"groupPriorityMinimum\":0,\"versionPriority\":0},\"status\":{}" },
	{ "apps", "v1", "ControllerRevision", "controllerrevisions", "", "", 0, 0, "\"revision\":0" },
	{ "apps", "v1", "DaemonSet", "daemonsets", "ds", "all", 0, S | G, "\"spec\":{\"selector\":null," POD_TEMPLATE ",\"updateStrategy\":{}},\"status\":{\"currentNumberScheduled\":0,\"numberMisscheduled\":0,\"desiredNumberScheduled\":0,\"numberReady\":0}" },
	{ "apps", "v1", "Deployment", "deployments", "deploy", "all", 0, S | G | KIND_SCALE, "\"spec\":{\"selector\":null," POD_TEMPLATE ",\"strategy\":{}},\"status\":{}" },
	{ "apps", "v1", "ReplicaSet", "replicasets", "rs", "all", 0, S | G | KIND_SCALE, "\"spec\":{\"selector\":null," POD_TEMPLATE "},\"status\":{\"replicas\":0}" },
	{ "apps", "v1", "StatefulSet", "statefulsets", "sts", "all", 0, S | G | KIND_SCALE, "\"spec\":{\"selector\":null,\"serviceName\":\"\"," POD_TEMPLATE ",\"updateStrategy\":{}},\"status\":{\"replicas\":0,\"availableReplicas\":0}" },
	{ "events.k8s.io", "v1", "Event", "events", "ev", "", 0, KIND_ALIAS, "" },
	{ "authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", "", "", 1, KIND_REVIEW, "" },
	{ "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", "", "", 1, KIND_REVIEW, "" },
	{ "authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", "", "", 1, KIND_REVIEW, "" },
	{ "authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", "", "", 1, KIND_REVIEW, "" },
	{ "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", "all", 0, S, "\"spec\":{\"scaleTargetRef\":{},\"maxReplicas\":0},\"status\":{\"desiredReplicas\":0,\"currentMetrics\":null}" },
	{ "batch", "v1", "CronJob", "cronjobs", "cj", "all", 0, S | G, "\"spec\":{\"schedule\":\"\",\"jobTemplate\":{\"metadata\":{},\"spec\":{" POD_TEMPLATE "}}},\"status\":{}" },
	{ "batch", "v1", "Job", "jobs", "", "all", 0, S | G, "\"spec\":{" POD_TEMPLATE "},\"status\":{}" },
	{ "networking.k8s.io", "v1", "IngressClass", "ingressclasses", "", "", 1, G, "\"spec\":{}" },
	{ "networking.k8s.io", "v1", "Ingress", "ingresses", "ing", "", 0, S | G, "\"spec\":{},\"status\":{\"loadBalancer\":{}}" },
	{ "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol", "", 0, G, "\"spec\":{\"podSelector\":{}}" },
	{ "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", "", 0, S | G, "\"spec\":{},\"status\":{\"disruptionsAllowed\":0,\"currentHealthy\":0,\"desiredHealthy\":0,\"expectedPods\":0}" },
	{ "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", "", "", 1, 0, "\"roleRef\":{}" },
	{ "rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", "", "", 1, 0, "\"rules\":null" },
	{ "rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", "", "", 0, 0, "\"roleRef\":{}" },
	{ "rbac.authorization.k8s.io", "v1", "Role", "roles", "", "", 0, 0, "\"rules\":null" },
	{ "storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc", "", 1, 0, "" },
	{ "storage.k8s.io", "v1", "CSIDriver", "csidrivers", "", "", 1, 0, "\"spec\":{}" },
	{ "storage.k8s.io", "v1", "CSINode", "csinodes", "", "", 1, 0, "\"spec\":{\"drivers\":null}" },
	{ "storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", "", "", 1, S, "\"spec\":{\"source\":{}},\"status\":{}" },
	{ "admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "", "api-extensions", 1, G, "" },
	{ "admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "", "api-extensions", 1, G, "" },
	{ "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "crd,crds", "api-extensions", 1, S | G, "\"spec\":{\"group\":\"\",\"names\":{\"plural\":\"\",\"kind\":\"\"},\"scope\":\"\",\"versions\":null},\"status\":{\"conditions\":null,\"acceptedNames\":{\"plural\":\"\",\"kind\":\"\"},\"storedVersions\":null}" },
	{ "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc", "", 1, G, "" },
	{ "coordination.k8s.io", "v1", "Lease", "leases", "", "", 0, 0, "\"spec\":{}" },
	{ "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "", "", 0, G, "\"endpoints\":null,\"ports\":null,\"addressType\":\"\"" },
	{ "metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", "", "", 1, KIND_METRICS, "" },
	{ "metrics.k8s.io", "v1beta1", "PodMetrics", "pods", "", "", 0, KIND_METRICS, "" },
};

#undef S
#undef G

static json_t *zero_of(const char *text)
{
	AUTO_FREE char *json = xasprintf("{\"metadata\":{}%s%s}", *text ? "," : "", text);

	return json_loads(json, 0, NULL);
}

static char *lower(const char *text)
{
	char *copy = xstrdup(text);

	for (char *p = copy; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

struct resource *kinds_add(struct sim *sim, struct resource row)
{
	struct resource *r = xmalloc(sizeof *r);

	*r = row;
	r->api_version = *r->group ? xasprintf("%s/%s", r->group, r->version) : xstrdup(r->version);
	if (!r->singular)
		r->singular = lower(r->kind);
	if (!r->list_kind)
		r->list_kind = xasprintf("%sList", r->kind);
	r->storage = r;
	r->stored = !(r->flags & (KIND_REVIEW | KIND_METRICS));
	LIST_PUSH(sim->resources, sim->nresources, sim->resources_cap) = r;
	return r;
}

void kinds_free(struct resource *r)
{
	if (!r)
		return;
	char *owned[] = { r->group, r->version, r->api_version, r->kind, r->plural, r->singular, r->list_kind, r->shorts,
			  r->categories };

	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		free(owned[i]);
	json_decref(r->zero);
	json_decref(r->columns);
	json_decref(r->open_api);
	free(r);
}

bool kinds_load(struct sim *sim, struct error *err)
{
	struct str text;

	if (!asset_find("sim/schema.txt", &text))
		return error_set(err, ERR_BUG, "sim/schema.txt is not in this binary");
	sim->schema = schema_create(text, err);
	if (!sim->schema)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct resource *r = kinds_add(sim, (struct resource){
			.group = xstrdup(row->group), .version = xstrdup(row->version), .kind = xstrdup(row->kind),
			.plural = xstrdup(row->plural), .shorts = xstrdup(row->shorts), .categories = xstrdup(row->categories),
			.singular = strcmp(row->kind, "Endpoints") ? NULL : xstrdup("endpoints"),
			.namespaced = !row->cluster, .flags = row->flags, .zero = zero_of(row->zero) });

		r->type = schema_kind(sim->schema, row->group, row->version, row->kind);
		if (!r->type)
			r->type = &type_deduced;
		if (row->flags & KIND_ALIAS)
			r->storage = kinds_plural(sim, "", "v1", row->plural);
	}
	return true;
}

struct resource *kinds_plural(const struct sim *sim, const char *group, const char *version, const char *plural)
{
	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];

		if (!r->gone && !strcmp(r->plural, plural) && !strcmp(r->group, group) && !strcmp(r->version, version))
			return r;
	}
	return NULL;
}

struct resource *kinds_kind(const struct sim *sim, const char *api_version, const char *kind)
{
	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];

		if (!r->gone && !strcmp(r->kind, kind) && !strcmp(r->api_version, api_version))
			return r;
	}
	return NULL;
}

static char *joined(const json_t *list)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *word = json_string_value(json_array_get(list, i));

		buf_addf(&out, "%s%s", i ? "," : "", word ? word : "");
	}
	return buf_give(&out);
}

static void define_version(struct sim *sim, const json_t *spec, const json_t *version, struct resource *storage,
			   struct resource **ret)
{
	const char *name = jstr(version, "name"), *plural = jstr(spec, "names", "plural");
	struct resource *r = kinds_plural(sim, jstr(spec, "group"), name, plural);
	json_t *open_api = jget(version, "schema", "openAPIV3Schema");

	if (!r) {
		const char *singular = jstr(spec, "names", "singular"), *list = jstr(spec, "names", "listKind");

		for (size_t i = 0; i < sim->nresources && !r; i++) { /* a definition that comes back gets its row again */
			struct resource *old = sim->resources[i];

			if (old->gone && !strcmp(old->plural, plural) && !strcmp(old->group, jstr(spec, "group")) &&
			    !strcmp(old->version, name))
				r = old;
		}
		if (!r)
			r = kinds_add(sim, (struct resource){
				.group = xstrdup(jstr(spec, "group")), .version = xstrdup(name),
				.kind = xstrdup(jstr(spec, "names", "kind")), .plural = xstrdup(plural),
				.singular = *singular ? xstrdup(singular) : NULL, .list_kind = *list ? xstrdup(list) : NULL,
				.shorts = joined(jget(spec, "names", "shortNames")),
				.categories = joined(jget(spec, "names", "categories")), .zero = zero_of("") });
		r->gone = false;
	}
	r->namespaced = !strcmp(jstr(spec, "scope"), "Namespaced");
	r->flags = KIND_CUSTOM | KIND_GENERATION | (jget(version, "subresources", "status") ? KIND_STATUS : 0) |
		   (jget(version, "subresources", "scale") ? KIND_SCALE : 0);
	r->type = schema_custom(sim->schema, open_api);
	json_decref(r->columns);
	r->columns = json_incref(json_object_get(version, "additionalPrinterColumns"));
	json_decref(r->open_api);
	r->open_api = json_incref(open_api);
	r->storage = storage ? storage : r;
	*ret = r;
}

void kinds_define(struct sim *sim, const json_t *definition)
{
	const json_t *spec = json_object_get(definition, "spec"), *versions = json_object_get(spec, "versions");
	struct resource *storage = NULL, *r;

	for (size_t pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < json_array_size(versions); i++) {
			const json_t *version = json_array_get(versions, i);
			bool keeps = json_is_true(json_object_get(version, "storage"));

			if (json_is_true(json_object_get(version, "served")) && keeps == !pass) {
				define_version(sim, spec, version, keeps ? NULL : storage, &r);
				if (keeps)
					storage = r;
			}
		}
}

void kinds_undefine(struct sim *sim, const json_t *definition)
{
	const json_t *spec = json_object_get(definition, "spec");

	for (size_t i = 0; i < sim->nresources; i++) {
		struct resource *r = sim->resources[i];

		if ((r->flags & KIND_CUSTOM) && !strcmp(r->group, jstr(spec, "group")) &&
		    !strcmp(r->plural, jstr(spec, "names", "plural"))) {
			while (r->n)
				store_remove(sim, r->objects[r->n - 1]);
			r->gone = true;
		}
	}
}
