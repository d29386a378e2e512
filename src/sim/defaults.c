#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

/* Sets what is absent. value is a JSON text. */
static void fill(json_t *object, const char *key, const char *value)
{
	json_t *have = json_object_get(object, key);

	if (json_is_object(object) && (!have || json_is_null(have)))
		json_object_set_new(object, key, json_loads(value, JSON_DECODE_ANY, NULL));
}

static json_t *below(json_t *object, const char *key)
{
	json_t *have = json_object_get(object, key);

	if (!json_is_object(have)) {
		have = json_object();
		json_object_set_new(object, key, have);
	}
	return have;
}

static void probe(json_t *container, const char *name)
{
	json_t *p = json_object_get(container, name), *get = json_object_get(p, "httpGet");

	if (!p)
		return;
	fill(p, "timeoutSeconds", "1");
	fill(p, "periodSeconds", "10");
	fill(p, "successThreshold", "1");
	fill(p, "failureThreshold", "3");
	if (get) {
		fill(get, "path", "\"/\"");
		fill(get, "scheme", "\"HTTP\"");
	}
	if (json_object_get(p, "grpc"))
		fill(json_object_get(p, "grpc"), "service", "\"\"");
}

static const char *pull_policy(const char *image)
{
	const char *slash = strrchr(image, '/'), *tag = strchr(slash ? slash : image, ':');

	if (strchr(image, '@'))
		return "\"IfNotPresent\"";
	return !tag || !strcmp(tag, ":latest") ? "\"Always\"" : "\"IfNotPresent\"";
}

static void hook(json_t *container, const char *name)
{
	json_t *get = jget(container, "lifecycle", name, "httpGet");

	if (get) {
		fill(get, "path", "\"/\"");
		fill(get, "scheme", "\"HTTP\"");
	}
}

static void container(json_t *c, bool pod)
{
	json_t *ports = json_object_get(c, "ports"), *env = json_object_get(c, "env");
	json_t *limits = jget(c, "resources", "limits"), *value;
	const char *key;

	if (!json_is_object(c))
		return;
	for (size_t i = 0; i < json_array_size(ports); i++)
		fill(json_array_get(ports, i), "protocol", "\"TCP\"");
	for (size_t i = 0; i < json_array_size(env); i++) {
		json_t *ref = jget(json_array_get(env, i), "valueFrom", "fieldRef");

		if (ref)
			fill(ref, "apiVersion", "\"v1\"");
	}
	fill(c, "resources", "{}");
	json_object_foreach(limits, key, value)
		if (pod && !json_object_get(below(json_object_get(c, "resources"), "requests"), key))
			json_object_set(below(json_object_get(c, "resources"), "requests"), key, value);
	probe(c, "livenessProbe");
	probe(c, "readinessProbe");
	probe(c, "startupProbe");
	hook(c, "postStart");
	hook(c, "preStop");
	fill(c, "terminationMessagePath", "\"/dev/termination-log\"");
	fill(c, "terminationMessagePolicy", "\"File\"");
	fill(c, "imagePullPolicy", pull_policy(jstr(c, "image")));
}

static void downward(json_t *items)
{
	for (size_t i = 0; i < json_array_size(items); i++) {
		json_t *ref = json_object_get(json_array_get(items, i), "fieldRef");

		if (ref)
			fill(ref, "apiVersion", "\"v1\"");
	}
}

static void claim_spec(json_t *spec)
{
	fill(spec, "volumeMode", "\"Filesystem\"");
}

static void volume(json_t *v)
{
	static const char *const with_mode[] = { "configMap", "secret", "projected", "downwardAPI" };
	json_t *sources = jget(v, "projected", "sources"), *claim;

	for (size_t i = 0; i < ARRAY_LEN(with_mode); i++)
		if (json_is_object(json_object_get(v, with_mode[i])))
			fill(json_object_get(v, with_mode[i]), "defaultMode", "420");
	downward(jget(v, "downwardAPI", "items"));
	for (size_t i = 0; i < json_array_size(sources); i++) {
		json_t *source = json_array_get(sources, i);

		downward(jget(source, "downwardAPI", "items"));
		if (json_object_get(source, "serviceAccountToken"))
			fill(json_object_get(source, "serviceAccountToken"), "expirationSeconds", "3600");
	}
	if (json_object_get(v, "hostPath"))
		fill(json_object_get(v, "hostPath"), "type", "\"\"");
	if ((claim = jget(v, "ephemeral", "volumeClaimTemplate", "spec")))
		claim_spec(claim);
	if (json_object_size(v) == 1)
		json_object_set_new(v, "emptyDir", json_object());
}

static void pod_spec(json_t *spec, bool pod)
{
	static const char *const lists[] = { "containers", "initContainers", "ephemeralContainers" };
	json_t *list;

	if (!json_is_object(spec))
		return;
	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		list = json_object_get(spec, lists[l]);
		for (size_t i = 0; i < json_array_size(list); i++)
			container(json_array_get(list, i), pod);
	}
	list = json_object_get(spec, "volumes");
	for (size_t i = 0; i < json_array_size(list); i++)
		volume(json_array_get(list, i));
	fill(spec, "restartPolicy", "\"Always\"");
	fill(spec, "terminationGracePeriodSeconds", "30");
	fill(spec, "dnsPolicy", "\"ClusterFirst\"");
	if (*jstr(spec, "serviceAccountName") && !*jstr(spec, "serviceAccount"))
		json_object_set(spec, "serviceAccount", json_object_get(spec, "serviceAccountName"));
	else if (*jstr(spec, "serviceAccount") && !*jstr(spec, "serviceAccountName"))
		json_object_set(spec, "serviceAccountName", json_object_get(spec, "serviceAccount"));
	fill(spec, "securityContext", "{}");
	fill(spec, "schedulerName", "\"default-scheduler\"");
	if (pod)
		fill(spec, "enableServiceLinks", "true");
}

static void of_pod(json_t *tree)
{
	pod_spec(json_object_get(tree, "spec"), true);
	fill(below(tree, "status"), "phase", "\"Pending\"");
}

static void of_deployment(json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec"), *strategy;

	fill(spec, "replicas", "1");
	fill(spec, "strategy", "{}");
	strategy = json_object_get(spec, "strategy");
	fill(strategy, "type", "\"RollingUpdate\"");
	if (!strcmp(jstr(strategy, "type"), "RollingUpdate")) {
		fill(strategy, "rollingUpdate", "{}");
		fill(json_object_get(strategy, "rollingUpdate"), "maxUnavailable", "\"25%\"");
		fill(json_object_get(strategy, "rollingUpdate"), "maxSurge", "\"25%\"");
	}
	fill(spec, "revisionHistoryLimit", "10");
	fill(spec, "progressDeadlineSeconds", "600");
	pod_spec(jget(spec, "template", "spec"), false);
}

static void of_replica_set(json_t *tree)
{
	fill(json_object_get(tree, "spec"), "replicas", "1");
	pod_spec(jget(tree, "spec", "template", "spec"), false);
}

static void of_stateful_set(json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec"), *claims = json_object_get(spec, "volumeClaimTemplates"), *strategy;

	fill(spec, "replicas", "1");
	fill(spec, "podManagementPolicy", "\"OrderedReady\"");
	fill(spec, "updateStrategy", "{}");
	strategy = json_object_get(spec, "updateStrategy");
	fill(strategy, "type", "\"RollingUpdate\"");
	if (!strcmp(jstr(strategy, "type"), "RollingUpdate")) {
		fill(strategy, "rollingUpdate", "{}");
		fill(json_object_get(strategy, "rollingUpdate"), "partition", "0");
	}
	fill(spec, "revisionHistoryLimit", "10");
	fill(spec, "persistentVolumeClaimRetentionPolicy", "{}");
	fill(json_object_get(spec, "persistentVolumeClaimRetentionPolicy"), "whenDeleted", "\"Retain\"");
	fill(json_object_get(spec, "persistentVolumeClaimRetentionPolicy"), "whenScaled", "\"Retain\"");
	pod_spec(jget(spec, "template", "spec"), false);
	for (size_t i = 0; i < json_array_size(claims); i++) {
		json_t *claim = json_array_get(claims, i);

		fill(claim, "kind", "\"PersistentVolumeClaim\"");
		fill(claim, "apiVersion", "\"v1\"");
		claim_spec(json_object_get(claim, "spec"));
		fill(claim, "status", "{\"phase\":\"Pending\"}");
	}
}

static void of_daemon_set(json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec"), *strategy;

	fill(spec, "updateStrategy", "{}");
	strategy = json_object_get(spec, "updateStrategy");
	fill(strategy, "type", "\"RollingUpdate\"");
	if (!strcmp(jstr(strategy, "type"), "RollingUpdate")) {
		fill(strategy, "rollingUpdate", "{}");
		fill(json_object_get(strategy, "rollingUpdate"), "maxUnavailable", "1");
		fill(json_object_get(strategy, "rollingUpdate"), "maxSurge", "0");
	}
	fill(spec, "revisionHistoryLimit", "10");
	pod_spec(jget(spec, "template", "spec"), false);
}

static void job_spec(json_t *spec)
{
	if (!json_object_get(spec, "completions") && !json_object_get(spec, "parallelism"))
		fill(spec, "completions", "1");
	fill(spec, "parallelism", "1");
	fill(spec, "backoffLimit", "6");
	fill(spec, "completionMode", "\"NonIndexed\"");
	fill(spec, "suspend", "false");
	fill(spec, "podReplacementPolicy", "\"TerminatingOrFailed\"");
	pod_spec(jget(spec, "template", "spec"), false);
}

static void of_job(json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec");

	job_spec(spec);
	fill(spec, "manualSelector", "false");
	json_t *labels = jget(spec, "template", "metadata", "labels");

	if (json_object_size(labels) && !json_object_size(jget(tree, "metadata", "labels")))
		jset(tree, json_deep_copy(labels), "metadata", "labels");
}

static void of_cron_job(json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec"), *job = jget(spec, "jobTemplate", "spec");

	fill(spec, "concurrencyPolicy", "\"Allow\"");
	fill(spec, "suspend", "false");
	fill(spec, "successfulJobsHistoryLimit", "3");
	fill(spec, "failedJobsHistoryLimit", "1");
	pod_spec(jget(job, "template", "spec"), false);
}

static void of_service(json_t *tree)
{
	json_t *spec = below(tree, "spec"), *ports = json_object_get(spec, "ports");
	const char *type;

	fill(spec, "sessionAffinity", "\"None\"");
	fill(spec, "type", "\"ClusterIP\"");
	type = jstr(spec, "type");
	for (size_t i = 0; i < json_array_size(ports); i++) {
		json_t *port = json_array_get(ports, i), *target = json_object_get(port, "targetPort");

		fill(port, "protocol", "\"TCP\"");
		if (!target || (json_is_integer(target) && !json_integer_value(target)) || jx_is(target, ""))
			json_object_set(port, "targetPort", json_object_get(port, "port"));
	}
	if (strcmp(type, "ExternalName"))
		fill(spec, "internalTrafficPolicy", "\"Cluster\"");
	if (!strcmp(type, "NodePort") || !strcmp(type, "LoadBalancer"))
		fill(spec, "externalTrafficPolicy", "\"Cluster\"");
	if (!strcmp(type, "LoadBalancer"))
		fill(spec, "allocateLoadBalancerNodePorts", "true");
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *base64(const json_t *value)
{
	const unsigned char *p = (const unsigned char *)json_string_value(value);
	size_t len = json_string_length(value);
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	buf_adds(&out, "");
	for (size_t i = 0; i < len; i += 3) {
		unsigned long word = (unsigned long)p[i] << 16 | (i + 1 < len ? (unsigned long)p[i + 1] << 8 : 0) |
				     (i + 2 < len ? p[i + 2] : 0);

		buf_addc(&out, letters[word >> 18 & 63]);
		buf_addc(&out, letters[word >> 12 & 63]);
		buf_addc(&out, i + 1 < len ? letters[word >> 6 & 63] : '=');
		buf_addc(&out, i + 2 < len ? letters[word & 63] : '=');
	}
	return json_stringn(out.p, out.len);
}

static void of_secret(json_t *tree)
{
	json_t *plain = json_object_get(tree, "stringData"), *value;
	const char *key;

	fill(tree, "type", "\"Opaque\"");
	json_object_foreach(plain, key, value)
		if (json_is_string(value))
			json_object_set_new(below(tree, "data"), key, base64(value));
	json_object_del(tree, "stringData");
}

static void of_claim(json_t *tree)
{
	claim_spec(below(tree, "spec"));
	fill(below(tree, "status"), "phase", "\"Pending\"");
}

static void of_volume(json_t *tree)
{
	fill(below(tree, "spec"), "persistentVolumeReclaimPolicy", "\"Retain\"");
	fill(below(tree, "spec"), "volumeMode", "\"Filesystem\"");
	fill(below(tree, "status"), "phase", "\"Pending\"");
}

static void of_class(json_t *tree)
{
	fill(tree, "reclaimPolicy", "\"Delete\"");
	fill(tree, "volumeBindingMode", "\"Immediate\"");
}

static void of_policy(json_t *tree)
{
	json_t *spec = below(tree, "spec"), *types = json_object_get(spec, "policyTypes");
	static const char *const ways[] = { "ingress", "egress" };

	fill(spec, "podSelector", "{}");
	for (size_t w = 0; w < 2; w++) {
		json_t *rules = json_object_get(spec, ways[w]);

		for (size_t i = 0; i < json_array_size(rules); i++) {
			json_t *ports = json_object_get(json_array_get(rules, i), "ports");

			for (size_t k = 0; k < json_array_size(ports); k++)
				fill(json_array_get(ports, k), "protocol", "\"TCP\"");
		}
	}
	if (!json_array_size(types))
		json_object_set_new(spec, "policyTypes",
				    json_array_size(json_object_get(spec, "egress")) ? json_pack("[s,s]", "Ingress", "Egress") :
										      json_pack("[s]", "Ingress"));
}

static void of_binding(json_t *tree)
{
	json_t *subjects = json_object_get(tree, "subjects");

	fill(below(tree, "roleRef"), "apiGroup", "\"rbac.authorization.k8s.io\"");
	for (size_t i = 0; i < json_array_size(subjects); i++)
		if (strcmp(jstr(json_array_get(subjects, i), "kind"), "ServiceAccount"))
			fill(json_array_get(subjects, i), "apiGroup", "\"rbac.authorization.k8s.io\"");
}

static void of_autoscaler(json_t *tree)
{
	json_t *spec = below(tree, "spec");

	fill(spec, "minReplicas", "1");
	if (!json_array_size(json_object_get(spec, "metrics")))
		json_object_set_new(spec, "metrics",
				    json_loads("[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\",\"averageUtilization\":80}}}]",
					       0, NULL));
}

static void of_namespace(json_t *tree)
{
	jset(tree, json_string(jstr(tree, "metadata", "name")), "metadata", "labels", "kubernetes.io/metadata.name");
	fill(below(tree, "status"), "phase", "\"Active\"");
}

static void of_priority(json_t *tree)
{
	fill(tree, "preemptionPolicy", "\"PreemptLowerPriority\"");
}

static void of_definition(json_t *tree)
{
	json_t *spec = below(tree, "spec"), *names = below(spec, "names"), *versions = json_object_get(spec, "versions");
	const char *kind = jstr(names, "kind");

	if (!*jstr(names, "singular")) {
		AUTO_FREE char *singular = xstrdup(kind);

		for (char *p = singular; *p; p++)
			*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
		json_object_set_new(names, "singular", json_string(singular));
	}
	if (!*jstr(names, "listKind"))
		json_object_set_new(names, "listKind", json_sprintf("%sList", kind));
	fill(spec, "conversion", "{\"strategy\":\"None\"}");
	(void)versions;
}

static void of_webhooks(json_t *tree)
{
	json_t *hooks = json_object_get(tree, "webhooks");
	bool mutating = !strcmp(jstr(tree, "kind"), "MutatingWebhookConfiguration");

	for (size_t i = 0; i < json_array_size(hooks); i++) {
		json_t *h = json_array_get(hooks, i), *rules = json_object_get(h, "rules");

		fill(h, "failurePolicy", "\"Fail\"");
		fill(h, "matchPolicy", "\"Equivalent\"");
		fill(h, "namespaceSelector", "{}");
		fill(h, "objectSelector", "{}");
		fill(h, "timeoutSeconds", "10");
		if (mutating)
			fill(h, "reinvocationPolicy", "\"Never\"");
		if (jget(h, "clientConfig", "service"))
			fill(jget(h, "clientConfig", "service"), "port", "443");
		for (size_t k = 0; k < json_array_size(rules); k++)
			fill(json_array_get(rules, k), "scope", "\"*\"");
	}
}

static void of_endpoints(json_t *tree)
{
	json_t *subsets = json_object_get(tree, "subsets");

	for (size_t i = 0; i < json_array_size(subsets); i++) {
		json_t *ports = json_object_get(json_array_get(subsets, i), "ports");

		for (size_t k = 0; k < json_array_size(ports); k++)
			fill(json_array_get(ports, k), "protocol", "\"TCP\"");
	}
}

static const struct {
	const char *kind;
	void (*fill)(json_t *tree);
} fillers[] = {
	{ "Pod", of_pod },
	{ "Deployment", of_deployment },
	{ "ReplicaSet", of_replica_set },
	{ "ReplicationController", of_replica_set },
	{ "StatefulSet", of_stateful_set },
	{ "DaemonSet", of_daemon_set },
	{ "Job", of_job },
	{ "CronJob", of_cron_job },
	{ "Service", of_service },
	{ "Secret", of_secret },
	{ "PersistentVolumeClaim", of_claim },
	{ "PersistentVolume", of_volume },
	{ "StorageClass", of_class },
	{ "NetworkPolicy", of_policy },
	{ "RoleBinding", of_binding },
	{ "ClusterRoleBinding", of_binding },
	{ "HorizontalPodAutoscaler", of_autoscaler },
	{ "Namespace", of_namespace },
	{ "PriorityClass", of_priority },
	{ "CustomResourceDefinition", of_definition },
	{ "MutatingWebhookConfiguration", of_webhooks },
	{ "ValidatingWebhookConfiguration", of_webhooks },
	{ "Endpoints", of_endpoints },
};


static void custom_defaults(const json_t *schema, json_t *value)
{
	json_t *properties = json_object_get(schema, "properties"), *items = json_object_get(schema, "items"), *child, *fallback;
	const char *key;

	for (size_t i = 0; items && i < json_array_size(value); i++)
		custom_defaults(items, json_array_get(value, i));
	if (!json_is_object(value))
		return;
	json_object_foreach(properties, key, child) {
		if ((fallback = json_object_get(child, "default")) && !json_object_get(value, key))
			json_object_set_new(value, key, json_deep_copy(fallback));
		custom_defaults(child, json_object_get(value, key));
	}
}

void defaults_fill(const struct resource *resource, json_t *tree)
{
	if (resource->flags & KIND_CUSTOM) {
		custom_defaults(resource->open_api, tree);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(fillers); i++)
		if (!strcmp(fillers[i].kind, resource->kind))
			fillers[i].fill(tree);
}

/* ---- what registry and admission add on creation ---- */

static void admit_service(struct sim *sim, const json_t *before, json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec"), *ports = json_object_get(spec, "ports");
	const char *type = jstr(spec, "type");

	if (!strcmp(type, "ExternalName"))
		return;
	if (before && !*jstr(spec, "clusterIP")) {
		static const char *const kept[] = { "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy" };

		for (size_t i = 0; i < ARRAY_LEN(kept); i++)
			if (jget(before, "spec", kept[i]))
				json_object_set(spec, kept[i], jget(before, "spec", kept[i]));
	}
	if (!*jstr(spec, "clusterIP"))
		json_object_set_new(spec, "clusterIP", json_sprintf("10.96.%d.%d", (int)(sim_random(sim) % 250) + 1,
								    (int)(sim_random(sim) % 250) + 1));
	if (!json_object_get(spec, "clusterIPs"))
		json_object_set_new(spec, "clusterIPs", json_pack("[s]", jstr(spec, "clusterIP")));
	fill(spec, "ipFamilies", "[\"IPv4\"]");
	fill(spec, "ipFamilyPolicy", "\"SingleStack\"");
	if (!strcmp(type, "NodePort") || !strcmp(type, "LoadBalancer"))
		for (size_t i = 0; i < json_array_size(ports); i++) {
			json_t *old = json_array_get(jget(before, "spec", "ports"), i);
			int64_t port = jint(0, old, "nodePort");

			if (!jint(0, json_array_get(ports, i), "nodePort"))
				json_object_set_new(json_array_get(ports, i), "nodePort",
						    json_integer(port ? port : 30000 + (int64_t)(sim_random(sim) % 2768)));
		}
}

static const char *quality(const json_t *spec)
{
	bool any = false, all = true;
	static const char *const names[] = { "cpu", "memory" };
	json_t *list = json_object_get(spec, "containers");

	for (size_t i = 0; i < json_array_size(list); i++)
		for (size_t n = 0; n < 2; n++) {
			json_t *c = json_array_get(list, i), *limit = jget(c, "resources", "limits", names[n]);
			json_t *request = jget(c, "resources", "requests", names[n]);

			any = any || limit || request;
			all = all && limit && request && json_equal(limit, request);
		}
	return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

static void admit_pod(struct sim *sim, const json_t *before, json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec"), *tolerations, *list;
	char suffix[6];

	if (before)
		return;
	fill(spec, "serviceAccountName", "\"default\"");
	json_object_set(spec, "serviceAccount", json_object_get(spec, "serviceAccountName"));
	if (!json_is_false(json_object_get(spec, "automountServiceAccountToken"))) {
		sim_suffix(sim, suffix, 5);
		AUTO_FREE char *name = xasprintf("kube-api-access-%s", suffix);
		json_t *volume = json_pack(
			"{s:s,s:{s:[{s:{s:i,s:s}},{s:{s:s,s:[{s:s,s:s}]}},{s:{s:[{s:s,s:{s:s,s:s}}]}}],s:i}}", "name", name,
			"projected", "sources", "serviceAccountToken", "expirationSeconds", 3607, "path", "token", "configMap",
			"name", "kube-root-ca.crt", "items", "key", "ca.crt", "path", "ca.crt", "downwardAPI", "items", "path",
			"namespace", "fieldRef", "apiVersion", "v1", "fieldPath", "metadata.namespace", "defaultMode", 420);

		if (!json_is_array(json_object_get(spec, "volumes")))
			json_object_set_new(spec, "volumes", json_array());
		json_array_append_new(json_object_get(spec, "volumes"), volume);
		list = json_object_get(spec, "containers");
		for (size_t i = 0; i < json_array_size(list); i++) {
			json_t *c = json_array_get(list, i);

			if (!json_is_array(json_object_get(c, "volumeMounts")))
				json_object_set_new(c, "volumeMounts", json_array());
			json_array_append_new(json_object_get(c, "volumeMounts"),
					      json_pack("{s:s,s:b,s:s}", "name", name, "readOnly", 1, "mountPath",
							"/var/run/secrets/kubernetes.io/serviceaccount"));
		}
	}
	if (!json_is_array(json_object_get(spec, "tolerations")))
		json_object_set_new(spec, "tolerations", json_array());
	tolerations = json_object_get(spec, "tolerations");
	for (size_t i = 0; i < 2; i++) {
		const char *key = i ? "node.kubernetes.io/unreachable" : "node.kubernetes.io/not-ready";

		if (jx_find(tolerations, "key", key) < 0)
			json_array_append_new(tolerations, json_pack("{s:s,s:s,s:s,s:i}", "key", key, "operator", "Exists",
								     "effect", "NoExecute", "tolerationSeconds", 300));
	}
	fill(spec, "priority", "0");
	fill(spec, "preemptionPolicy", "\"PreemptLowerPriority\"");
	jset(tree, json_string(quality(spec)), "status", "qosClass");
}

static const char *default_class(struct sim *sim, const char *api_version, const char *kind, const char *annotation)
{
	const struct resource *classes = kinds_kind(sim, api_version, kind);

	for (size_t i = 0; classes && i < classes->n; i++) {
		json_t *tree = store_tree(classes->objects[i]);
		bool chosen = !strcmp(jstr(tree, "metadata", "annotations", annotation), "true");

		json_decref(tree);
		if (chosen)
			return classes->objects[i]->name;
	}
	return NULL;
}

static void admit_claim(struct sim *sim, const json_t *before, json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec");
	const char *name;

	if (before) {
		if (!json_object_get(spec, "volumeName") && jget(before, "spec", "volumeName"))
			json_object_set(spec, "volumeName", jget(before, "spec", "volumeName"));
		if (!json_object_get(spec, "storageClassName") && jget(before, "spec", "storageClassName"))
			json_object_set(spec, "storageClassName", jget(before, "spec", "storageClassName"));
		return;
	}
	json_t *finalizers = jget(tree, "metadata", "finalizers");

	if (!finalizers)
		jset(tree, json_pack("[s]", "kubernetes.io/pvc-protection"), "metadata", "finalizers");
	if (!json_object_get(spec, "storageClassName") &&
	    (name = default_class(sim, "storage.k8s.io/v1", "StorageClass", "storageclass.kubernetes.io/is-default-class")))
		json_object_set_new(spec, "storageClassName", json_string(name));
}

static void admit_ingress(struct sim *sim, const json_t *before, json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec");
	const char *name = default_class(sim, "networking.k8s.io/v1", "IngressClass", "ingressclass.kubernetes.io/is-default-class");

	if (!before && name && !json_object_get(spec, "ingressClassName") &&
	    !jget(tree, "metadata", "annotations", "kubernetes.io/ingress.class"))
		json_object_set_new(spec, "ingressClassName", json_string(name));
}

static void admit_job(struct sim *sim, const json_t *before, json_t *tree)
{
	json_t *spec = json_object_get(tree, "spec");
	static const char *const keys[] = { "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid",
					    "job-name" };

	(void)sim;
	if (before) {
		json_t *labels = jget(before, "spec", "template", "metadata", "labels");

		if (!json_object_get(spec, "selector") && jget(before, "spec", "selector"))
			json_object_set_new(spec, "selector", json_deep_copy(jget(before, "spec", "selector")));
		for (size_t i = 0; i < ARRAY_LEN(keys); i++)
			if (json_object_get(labels, keys[i]))
				jset(spec, json_incref(json_object_get(labels, keys[i])), "template", "metadata", "labels", keys[i]);
		return;
	}
	if (json_is_true(json_object_get(spec, "manualSelector")))
		return;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		jset(spec, json_string(i % 2 ? jstr(tree, "metadata", "name") : jstr(tree, "metadata", "uid")), "template",
		     "metadata", "labels", keys[i]);
	jset(spec, json_string(jstr(tree, "metadata", "uid")), "selector", "matchLabels", keys[0]);
	if (!json_object_size(jget(tree, "metadata", "labels")))
		jset(tree, json_deep_copy(jget(spec, "template", "metadata", "labels")), "metadata", "labels");
}

static void admit_namespace(struct sim *sim, const json_t *before, json_t *tree)
{
	(void)sim;
	if (!before)
		jset(tree, json_pack("[s]", "kubernetes"), "spec", "finalizers");
}

static void admit_definition(struct sim *sim, const json_t *before, json_t *tree)
{
	(void)sim;
	json_t *versions = jget(tree, "spec", "versions"), *stored = json_array();

	if (before) {
		json_decref(stored);
		return;
	}
	for (size_t i = 0; i < json_array_size(versions); i++)
		if (json_is_true(json_object_get(json_array_get(versions, i), "storage")))
			json_array_append(stored, json_object_get(json_array_get(versions, i), "name"));
	jset(tree, stored, "status", "storedVersions");
}

static void admit_daemon_set(struct sim *sim, const json_t *before, json_t *tree)
{
	static const char key[] = "deprecated.daemonset.template.generation";
	json_t *old = jget(before, "spec", "template"), *now = jget(tree, "spec", "template");
	long generation = before ? strtol(jstr(before, "metadata", "annotations", key), NULL, 10) : 1;

	(void)sim;
	if (before && !(old && now && json_equal(old, now)))
		generation++;
	jset(tree, json_sprintf("%ld", generation), "metadata", "annotations", key);
}

static const struct {
	const char *kind;
	void (*admit)(struct sim *sim, const json_t *before, json_t *tree);
} admissions[] = {
	{ "Service", admit_service }, { "Pod", admit_pod },	      { "PersistentVolumeClaim", admit_claim },
	{ "Ingress", admit_ingress }, { "Job", admit_job },	      { "Namespace", admit_namespace },
	{ "CustomResourceDefinition", admit_definition }, { "DaemonSet", admit_daemon_set },
};

void defaults_admit(struct sim *sim, const struct resource *resource, const json_t *before, json_t *tree)
{
	if (resource->flags & KIND_CUSTOM)
		return;
	for (size_t i = 0; i < ARRAY_LEN(admissions); i++)
		if (!strcmp(admissions[i].kind, resource->kind))
			admissions[i].admit(sim, before, tree);
}
