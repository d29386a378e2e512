#include "sim/scenario.h"

#include <stdio.h>
#include <string.h>

#include "sim/demo.h"
#include "sim/rest.h"

static bool make(struct sim *sim, const char *path, const char *body, struct error *err)
{
	unsigned status;
	AUTO_FREE char *answer = sim_request(sim, "POST", path, NULL, body, &status);

	if (status == 201)
		return true;
	return error_set(err, ERR_BUG, "scenario: POST %s: %u: %s", path, status, answer);
}

static bool make_namespace(struct sim *sim, const char *name, struct error *err)
{
	AUTO_FREE char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"%s\"}}", name);

	return make(sim, "/api/v1/namespaces?fieldManager=kube-apiserver", body, err);
}

static bool make_node(struct sim *sim, unsigned number, struct error *err)
{
	AUTO_FREE char *name = xasprintf("node-%u", number);
	AUTO_FREE char *body = xasprintf(
		"{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/hostname\":\"%s\",\"kubernetes.io/os\":\"linux\",\"kubernetes.io/arch\":\"amd64\"}},\"spec\":{}}",
		name, name);

	if (!make(sim, "/api/v1/nodes?fieldManager=kubelet", body, err))
		return false;
	pthread_mutex_lock(&sim->lock);
	struct object *node = store_find(kinds_plural(sim, "", "v1", "nodes"), "", name);
	json_t *tree = store_tree(node), *now = jx_time(sim_wall_ms());

	json_object_set_new(tree, "status", json_pack(
		"{s:{s:s,s:s,s:s},s:{s:s,s:s,s:s},s:[{s:s,s:s,s:s,s:s,s:O,s:O}],s:[{s:s,s:o},{s:s,s:s}],s:{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}}",
		"capacity", "cpu", "64", "memory", "256Gi", "pods", "4000",
		"allocatable", "cpu", "64", "memory", "256Gi", "pods", "4000",
		"conditions", "type", "Ready", "status", "True", "reason", "KubeletReady", "message", "kubelet is posting ready status",
		"lastHeartbeatTime", now, "lastTransitionTime", now,
		"addresses", "type", "InternalIP", "address", json_sprintf("10.0.0.%u", number + 10), "type", "Hostname", "address", name,
		"nodeInfo", "machineID", name, "systemUUID", name, "bootID", name, "kernelVersion", "6.1.0", "osImage", "Debian GNU/Linux 12",
		"containerRuntimeVersion", "sim://1", "kubeletVersion", "v1.35.4", "kubeProxyVersion", "v1.35.4", "operatingSystem",
		"linux", "architecture", "amd64"));
	json_decref(now);
	rest_write(sim, node, tree, "kubelet", "status");
	pthread_mutex_unlock(&sim->lock);
	return true;
}

static bool build_empty(struct sim *sim, unsigned nodes, struct error *err)
{
	static const char *const namespaces[] = { "default", "kube-node-lease", "kube-public", "kube-system" };

	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++)
		if (!make_namespace(sim, namespaces[i], err))
			return false;
	for (unsigned i = 1; i <= nodes; i++)
		if (!make_node(sim, i, err))
			return false;
	return make(sim, "/apis/storage.k8s.io/v1/storageclasses?fieldManager=sim",
		    "{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\",\"metadata\":{\"name\":\"standard\",\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":\"true\"}},\"provisioner\":\"sim.slotdeck.dev/disk\",\"volumeBindingMode\":\"Immediate\"}",
		    err) &&
	       make(sim, "/api/v1/namespaces/default/services?fieldManager=kube-apiserver",
		    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"component\":\"apiserver\",\"provider\":\"kubernetes\"}},\"spec\":{\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"name\":\"https\",\"port\":443,\"targetPort\":6443}]}}",
		    err);
}

bool scenario_build(struct sim *sim, const char *name, unsigned nodes, struct error *err)
{
	if (strcmp(name, "empty") && strcmp(name, "demo"))
		return error_set(err, ERR_INVALID, "unknown scenario \"%s\" (there are empty and demo)", name);
	return build_empty(sim, nodes, err) && (strcmp(name, "demo") || demo_build(sim, err));
}
