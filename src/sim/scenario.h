/*
 * scenario: what is in a simulated cluster when it starts. Private to src/sim.
 */
#ifndef SLOTDECK_SIM_SCENARIO_H
#define SLOTDECK_SIM_SCENARIO_H

#include "sim/world.h"

bool scenario_build(struct sim *sim, const char *name, unsigned nodes, struct error *err);

#endif
