/*
 * demo: the scenario "demo": the shop of services.yaml in several states, and its life. Private to src/sim.
 *
 * The objects come from assets/sim/demo.json, which tests/unit/sim_demo_test.c renders from services.yaml and compares.
 */
#ifndef SLOTDECK_SIM_DEMO_H
#define SLOTDECK_SIM_DEMO_H

#include "sim/world.h"

/* Fills the cluster; not under the lock, before the controllers run. */
bool demo_build(struct sim *sim, struct error *err);
/* Does the next thing and sets sim->next_life. Under the lock. */
void demo_live(struct sim *sim);

#endif
