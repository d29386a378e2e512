/*
 * validate: everything that can be said about a project without a cluster, at once.
 *
 * Loads services.yaml for one environment, or for each that it declares, and renders every manifest that would be applied.
 * What codexctl lets pass is an error here (spec services-yaml 13).
 */
#ifndef SLOTDECK_MODEL_VALIDATE_H
#define SLOTDECK_MODEL_VALIDATE_H

#include "model/render.h"
#include "model/stack.h"

/*
 * options->env "" or NULL: each declared environment, a slot number being 1 where none is given. A finding that several
 * environments share is told once. Returns the number of environments looked at.
 */
size_t stack_validate(const struct stack_options *options, const struct render_options *render, struct diags *diags);

#endif
