/*
 * webhook: admission webhooks as far as they say no. Private to src/sim; under the lock.
 *
 * Nothing is called: a ValidatingWebhookConfiguration with the annotation `sim/deny: TEXT` denies what its rules and
 * selectors match, in the words of the real server; without it everything is admitted.
 */
#ifndef SLOTDECK_SIM_WEBHOOK_H
#define SLOTDECK_SIM_WEBHOOK_H

#include "sim/world.h"

/* False when a webhook denies operation ("CREATE", "UPDATE") on tree: `admission webhook "NAME" denied the request: TEXT`. */
bool webhooks_admit(struct sim *sim, const struct resource *resource, const char *ns, const json_t *tree, const char *operation,
		    struct error *err);

#endif
