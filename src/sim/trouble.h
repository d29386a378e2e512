/*
 * trouble: the scripts of assets/sim/trouble.json, each a failure as it happens in real clusters. Private to src/sim.
 *
 * A script is a list of objects; what goes wrong with them follows from the objects themselves and from the controllers.
 */
#ifndef SLOTDECK_SIM_TROUBLE_H
#define SLOTDECK_SIM_TROUBLE_H

#include "sim/world.h"

/* Deletes what sim_play() made; not under the lock. */
bool trouble_end(struct sim *sim, const char *name, const char *ns, struct error *err);
/* Gives [{"name", "about"}]. */
json_t *trouble_list(void);

#endif
