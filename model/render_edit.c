#include "model/render_edit.h"

#include <string.h>

#include "base/map.h"
#include "base/yaml.h"

/* Kinds that codexctl gives no namespace; the rest of the cluster-scoped ones it does. */
static const char *const never_namespaced[] = {
	"Namespace", "ClusterRole", "ClusterRoleBinding", "PersistentVolume", "ValidatingWebhookConfiguration",
	"MutatingWebhookConfiguration",
};

static const char *const cluster_scoped[] = {
	"APIService",
	"CertificateSigningRequest",
	"ClusterIssuer",
	"ClusterRole",
	"ClusterRoleBinding",
	"ClusterTrustBundle",
	"CSIDriver",
	"CSINode",
	"CustomResourceDefinition",
	"DeviceClass",
	"FlowSchema",
	"GatewayClass",
	"IngressClass",
	"MutatingWebhookConfiguration",
	"Namespace",
	"Node",
	"PersistentVolume",
	"PriorityClass",
	"PriorityLevelConfiguration",
	"RuntimeClass",
	"StorageClass",
	"StorageVersionMigration",
	"ValidatingAdmissionPolicy",
	"ValidatingAdmissionPolicyBinding",
	"ValidatingWebhookConfiguration",
	"VolumeAttachment",
	"VolumeAttributesClass",
	"VolumeSnapshotClass",
};

/* Where a workload keeps its pod, ending with NULL; codexctl knows the first row only. */
static const struct workload {
	const char *kind;
	const char *path[6];
} workloads[] = {
	{ "Deployment", { "spec", "template", "spec", NULL } },
	{ "StatefulSet", { "spec", "template", "spec", NULL } },
	{ "DaemonSet", { "spec", "template", "spec", NULL } },
	{ "ReplicaSet", { "spec", "template", "spec", NULL } },
	{ "Job", { "spec", "template", "spec", NULL } },
	{ "CronJob", { "spec", "jobTemplate", "spec", "template", "spec", NULL } },
};

static bool is_among(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

bool render_kind_is_cluster_scoped(const char *kind)
{
	return is_among(kind, cluster_scoped, ARRAY_LEN(cluster_scoped));
}

static bool is_blank(const char *text)
{
	return !str_trim_unicode(str_of(text)).len;
}

static void find(const struct edit *edit, const struct yaml_node *at, const char *code, const char *message)
{
	edit->find(edit->find_arg, at, code, message);
}

/* The original sees mappings with other keys than strings as no mappings at all. */
static bool is_plain_map(const struct yaml_node *node)
{
	return yaml_is_map(node) && !node->general;
}

/* The mapping below key, made when there is none; anything else there is replaced, as the original does. */
static struct yaml_node *ensure_map(const struct edit *edit, struct yaml_node *map, const char *key)
{
	struct yaml_node *old = yaml_map_get(map, key), *made;

	if (is_plain_map(old))
		return old;
	if (old && old->kind != YAML_NULL) {
		AUTO_FREE char *message =
			yaml_is_map(old) ? xasprintf("`%s` has keys that are not text and is replaced by an empty mapping", key)
					 : xasprintf("`%s` is no mapping and is replaced by one", key);

		find(edit, old, "replaced", message);
	}
	made = yaml_new_map(edit->arena);
	yaml_map_set(edit->arena, map, key, made);
	return made;
}

/* ---- kinds ---- */

bool edit_drops(const struct edit *edit, const struct yaml_node *root)
{
	struct str kind;

	if (!edit->overlay || !yaml_is_string(yaml_map_get(root, "kind"), &kind))
		return false;
	/* The original trims the entry and not the kind. */
	for (size_t i = 0; i < edit->overlay->drop_kinds.n; i++)
		if (str_ieq(kind, str_trim_unicode(str_of(edit->overlay->drop_kinds.items[i].text))))
			return true;
	return false;
}

/* ---- namespace ---- */

static bool is_exempt(const struct edit *edit, const struct yaml_node *root, const char *kind)
{
	struct str api_version = yaml_map_text(root, "apiVersion");
	enum render_scope scope = SCOPE_UNKNOWN;
	bool better = edit->options->modern || !stack_is_lenient(edit->stack);

	if (edit->options->scope) {
		AUTO_FREE char *version = str_dup(api_version);

		scope = edit->options->scope(version, kind, edit->options->scope_arg);
	}
	if (better && scope != SCOPE_UNKNOWN)
		return scope == SCOPE_CLUSTER;
	if (is_among(kind, never_namespaced, ARRAY_LEN(never_namespaced)))
		return true;
	if (scope == SCOPE_CLUSTER || render_kind_is_cluster_scoped(kind)) {
		if (better)
			return true;
		find(edit, root, "cluster-scoped", "this kind belongs to no namespace, yet codexctl gives it one");
	}
	return false;
}

static void edit_namespace(struct edit *edit, struct yaml_node *root)
{
	struct str kind, current;
	struct yaml_node *metadata, *old;

	if (!*edit->stack->namespace || !yaml_is_string(yaml_map_get(root, "kind"), &kind))
		return;
	AUTO_FREE char *kind_text = str_dup(kind);

	if (is_exempt(edit, root, kind_text))
		return;
	metadata = ensure_map(edit, root, "metadata");
	old = yaml_map_get(metadata, "namespace");
	if (yaml_is_string(old, &current) && str_trim_unicode(current).len)
		return;
	yaml_map_set_string(edit->arena, metadata, "namespace", str_of(edit->stack->namespace));
	edit->did_namespace = true;
}

/* ---- pods ---- */

static const struct workload *workload_of(const struct edit *edit, const struct yaml_node *root)
{
	struct str kind;
	size_t n = edit->options->modern ? ARRAY_LEN(workloads) : 1;

	if (!yaml_is_string(yaml_map_get(root, "kind"), &kind))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (str_is(kind, workloads[i].kind))
			return &workloads[i];
	return NULL;
}

/* The pod of the workload that is named exactly as the service; NULL for every other object. */
static struct yaml_node *pod_of(const struct edit *edit, struct yaml_node *root)
{
	const struct workload *workload = workload_of(edit, root);
	const struct yaml_node *metadata = yaml_map_get(root, "metadata");
	struct yaml_node *node = root;
	struct str name;

	if (!workload || !is_plain_map(metadata) || !yaml_is_string(yaml_map_get(metadata, "name"), &name) ||
	    !str_is(name, edit->item->name.text))
		return NULL;
	if (!yaml_path(root, workload->path[0], workload->path[1], NULL))
		find(edit, root, "no-pod", "there is no pod template for the image and mounts of the service");
	for (size_t i = 0; workload->path[i]; i++)
		node = ensure_map(edit, node, workload->path[i]);
	return node;
}

struct containers { /* the mappings of a list */
	struct yaml_node **items;
	size_t n;
};

static struct containers containers_of(const struct edit *edit, const struct yaml_node *pod, const char *key)
{
	const struct yaml_node *list = yaml_map_get(pod, key);
	struct containers found = { 0 };

	if (!yaml_is_seq(list)) {
		if (list && list->kind != YAML_NULL)
			find(edit, list, "containers", "this is no list of containers and stays as it is");
		return found;
	}
	found.items = arena_alloc(edit->arena, (list->seq.n + 1) * sizeof *found.items);
	for (size_t i = 0; i < list->seq.n; i++) {
		if (is_plain_map(list->seq.items[i]))
			found.items[found.n++] = list->seq.items[i];
		else
			find(edit, list->seq.items[i], "containers",
			     yaml_is_map(list->seq.items[i])
				     ? "this container has keys that are not text and stays as it is"
				     : "this entry is no container and stays as it is");
	}
	return found;
}

static void set_image(struct edit *edit, struct yaml_node *container)
{
	yaml_map_set_string(edit->arena, container, "image", str_of(edit->image));
	edit->did_image = true;
}

static void edit_image(struct edit *edit, const struct containers *main, const struct containers *init)
{
	struct str old;

	if (!edit->image || !main->n)
		return;
	old = yaml_map_text(main->items[0], "image");
	set_image(edit, main->items[0]);
	for (size_t i = 0; i < init->n; i++) {
		struct str image = yaml_map_text(init->items[i], "image");

		if (!image.len || str_eq(image, old))
			set_image(edit, init->items[i]);
	}
}

/* ---- claims ---- */

/* The mappings of an old list whose name no mount has, in a new list. */
static struct yaml_node *others_of(const struct edit *edit, const struct yaml_node *list)
{
	struct yaml_node *kept = yaml_new_seq(edit->arena);

	if (list && list->kind != YAML_NULL && !yaml_is_seq(list))
		find(edit, list, "replaced", "this is no list and is replaced by one");
	for (size_t i = 0; yaml_is_seq(list) && i < list->seq.n; i++) {
		struct yaml_node *entry = list->seq.items[i];

		if (!is_plain_map(entry))
			find(edit, entry, "dropped", "this entry is no mapping of texts and is left out");
		else if (!map_has(edit->mount_names, yaml_map_text(entry, "name")))
			yaml_seq_push(edit->arena, kept, entry);
	}
	return kept;
}

static void edit_volumes(struct edit *edit, struct yaml_node *pod)
{
	struct yaml_node *volumes = others_of(edit, yaml_map_get(pod, "volumes"));
	bool once = edit->options->modern || !stack_is_lenient(edit->stack);
	AUTO_RELEASE(map) made = MAP_INIT(NULL);

	for (size_t i = 0; i < edit->overlay->pvc_mounts.n; i++) {
		const struct stack_pvc_mount *mount = &edit->overlay->pvc_mounts.items[i];
		struct yaml_node *volume, *claim;

		if (is_blank(mount->name.text) || is_blank(mount->claim_name.text) || is_blank(mount->mount_path.text) ||
		    (once && map_has(&made, str_of(mount->name.text))))
			continue;
		map_set(&made, str_of(mount->name.text), volumes);
		volume = yaml_new_map(edit->arena);
		claim = yaml_new_map(edit->arena);
		yaml_map_set_string(edit->arena, claim, "claimName", str_of(mount->claim_name.text));
		yaml_map_set_string(edit->arena, volume, "name", str_of(mount->name.text));
		yaml_map_set(edit->arena, volume, "persistentVolumeClaim", claim);
		yaml_seq_push(edit->arena, volumes, volume);
	}
	yaml_map_set(edit->arena, pod, "volumes", volumes);
}

static void mount_into(struct edit *edit, struct yaml_node *container)
{
	struct yaml_node *mounts = others_of(edit, yaml_map_get(container, "volumeMounts"));

	for (size_t i = 0; i < edit->overlay->pvc_mounts.n; i++) {
		const struct stack_pvc_mount *mount = &edit->overlay->pvc_mounts.items[i];
		struct yaml_node *made;

		if (is_blank(mount->name.text) || is_blank(mount->mount_path.text))
			continue;
		made = yaml_new_map(edit->arena);
		yaml_map_set_string(edit->arena, made, "name", str_of(mount->name.text));
		yaml_map_set_string(edit->arena, made, "mountPath", str_of(mount->mount_path.text));
		if (!is_blank(mount->sub_path.text))
			yaml_map_set_string(edit->arena, made, "subPath", str_of(mount->sub_path.text));
		if (mount->read_only.value)
			yaml_map_set(edit->arena, made, "readOnly", yaml_new_bool(edit->arena, true));
		yaml_seq_push(edit->arena, mounts, made);
	}
	if (mounts->seq.n)
		yaml_map_set(edit->arena, container, "volumeMounts", mounts);
	edit->did_mounts = true;
}

static void edit_mounts(struct edit *edit, struct yaml_node *pod, const struct containers *main,
			const struct containers *init)
{
	if (!edit->overlay || !edit->overlay->pvc_mounts.n || !main->n)
		return;
	edit_volumes(edit, pod);
	mount_into(edit, main->items[0]);
	for (size_t i = 0; i < init->n; i++)
		mount_into(edit, init->items[i]);
}

void edit_apply(struct edit *edit, struct yaml_node *root)
{
	struct yaml_node *pod;

	edit_namespace(edit, root);
	if (!edit->image && (!edit->overlay || !edit->overlay->pvc_mounts.n))
		return;
	pod = pod_of(edit, root);
	if (!pod)
		return;
	struct containers main = containers_of(edit, pod, "containers");
	struct containers init = containers_of(edit, pod, "initContainers");

	edit_image(edit, &main, &init);
	edit_mounts(edit, pod, &main, &init);
}
