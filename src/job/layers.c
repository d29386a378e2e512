#include "job/layers.h"

#include <string.h>

#include "kube/api_version.h"

#define CUSTOM_LAYER 3 /* custom objects, beside the workloads */

static const struct {
	const char *kind;
	unsigned layer;
} layers[] = {
	{ "Namespace", 0 },	      { "PriorityClass", 0 },	   { "StorageClass", 0 },   { "CustomResourceDefinition", 0 },
	{ "ResourceQuota", 1 },	      { "LimitRange", 1 },	   { "NetworkPolicy", 1 },  { "ServiceAccount", 1 },
	{ "Role", 1 },		      { "ClusterRole", 1 },	   { "RoleBinding", 1 },    { "ClusterRoleBinding", 1 },
	{ "Secret", 1 },	      { "ConfigMap", 1 },	   { "PersistentVolume", 1 }, { "PersistentVolumeClaim", 1 },
	{ "IngressClass", 1 },	      { "Service", 2 },		   { "Endpoints", 2 },	    { "EndpointSlice", 2 },
	{ "Deployment", 3 },	      { "StatefulSet", 3 },	   { "DaemonSet", 3 },	    { "ReplicaSet", 3 },
	{ "Pod", 3 },		      { "ReplicationController", 3 }, { "HorizontalPodAutoscaler", 4 }, { "PodDisruptionBudget", 4 },
	{ "Ingress", 4 },	      { "Job", 4 },		   { "CronJob", 4 },	    { "APIService", 5 },
	{ "MutatingWebhookConfiguration", 5 }, { "ValidatingWebhookConfiguration", 5 },
};

unsigned layer_of(const char *api_version, const char *kind)
{
	struct str group = api_version_split(api_version).group;

	/* A custom kind that is merely called Service or Job has a dotted group that is not Kubernetes' own. */
	if (str_find_char(group, '.') >= 0 && !str_ends(group, STR(".k8s.io")))
		return CUSTOM_LAYER;
	for (size_t i = 0; i < ARRAY_LEN(layers); i++)
		if (strcmp(layers[i].kind, kind) == 0)
			return layers[i].layer;
	return CUSTOM_LAYER;
}
