/*
 * render_edit: what services.yaml does to one object of a service: namespace, image, claims (spec render-and-apply 5).
 *
 * Changes the tree in place. What codexctl would replace or leave out without a word becomes a finding.
 */
#ifndef SLOTDECK_MODEL_RENDER_EDIT_H
#define SLOTDECK_MODEL_RENDER_EDIT_H

#include "model/render.h"
#include "model/stack.h"

struct edit {
	const struct stack *stack;
	const struct render_options *options;
	const struct stack_item *item;
	const struct stack_overlay *overlay; /* of the environment, or NULL */
	const struct map *mount_names;	     /* of the overlay's pvcMounts; values not NULL */
	const char *image;		     /* whole reference, or NULL */
	struct arena *arena;		     /* of the object */
	void (*find)(void *arg, const struct yaml_node *at, const char *code, const char *message); /* a finding */
	void *find_arg;
	/* what was done, set by the functions below */
	bool did_namespace, did_image, did_mounts;
};

/* Whether the overlay drops objects of this kind. */
bool edit_drops(const struct edit *edit, const struct yaml_node *root);
void edit_apply(struct edit *edit, struct yaml_node *root);

#endif
