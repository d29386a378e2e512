/*
 * render: services.yaml and its manifests to Kubernetes objects, one at a time, in codexctl's order and bytes.
 *
 * Infrastructure first, then services, both in file order; manifests are templates of their own (spec render-and-apply
 * 1 to 8). Only the object at hand is in memory. Findings carry the place in the manifest as written.
 */
#ifndef SLOTDECK_MODEL_RENDER_H
#define SLOTDECK_MODEL_RENDER_H

#include "base/diag.h"
#include "base/str.h"

struct stack;
struct stack_item;
struct stack_manifest;
struct stack_overlay;
struct yaml_node;
struct arena;
struct cancel;

/* --only-infra, --skip-infra, --only-services, --skip-services: comma separated names. */
struct render_filters {
	const char *only_infra, *skip_infra, *only_services, *skip_services; /* NULL or blank: none */
};

enum render_scope { SCOPE_UNKNOWN, SCOPE_NAMESPACED, SCOPE_CLUSTER };

/*
 * What the spec calls an error and codexctl renders (paths that leave the project, missing values, shapes that a
 * transformation would replace, unknown filter names) is a warning with codexctl's bytes when the stack was loaded lenient,
 * an error otherwise.
 */
struct render_object;
/* Return false (with err set) to stop. */
typedef bool render_fn(const struct render_object *object, void *arg, struct error *err);

struct render_options {
	struct render_filters filters;
	/* --modern: what changes bytes for the better (docs/compat.md): volumes once per name, Kubernetes' cluster-scoped
	 * kinds left without namespace, all workload kinds get image and mounts. */
	bool modern;
	/* Scope by API discovery; NULL or SCOPE_UNKNOWN: the built-in list decides. */
	enum render_scope (*scope)(const char *api_version, const char *kind, void *arg);
	void *scope_arg;
	render_fn *on_drop; /* told of each object that dropKinds leaves out, with stack_render()'s arg; NULL: nobody */
	const struct cancel *cancel; /* NULL: none */
};

struct render_object {
	struct yaml_node *root; /* a mapping; may be changed by the callback */
	struct arena *arena;	/* root's, dies after the callback */
	const struct stack_item *item;
	const struct stack_manifest *manifest;
	const char *file;	/* the manifest as named in services.yaml */
	unsigned line;		/* of the object's first line in the manifest as written; 0 if unknown */
	unsigned document;	/* number within the manifest, from 0 */
	const struct stack_overlay *overlay; /* of the environment; NULL: none */
	const char *applied;	/* what the service and its overlay did: "namespace, image, pvcMounts"; "" for nothing */
};

/* Findings go to diags. False: err holds the first error, which is in diags too. */
bool stack_render(const struct stack *stack, const struct render_options *options, render_fn *on_object, void *arg,
		  struct diags *diags, struct error *err);

/* Which items the filters select and whose `when` holds: for hooks and plans (W-09). */
struct selection;
bool stack_select(const struct stack *stack, const struct render_filters *filters, struct selection **ret,
		  struct diags *diags, struct error *err);
bool selection_has(const struct selection *selection, const struct stack_item *item);
void selection_destroy(struct selection *selection);
DEFINE_AUTO(selection);

/* The built-in list of cluster-scoped kinds. */
bool render_kind_is_cluster_scoped(const char *kind);

#endif
