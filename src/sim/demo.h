/*
 * demo: the life of the demo scenario: rollouts, restarts and other small events. Private to src/sim; under the lock.
 */
#ifndef SLOTDECK_SIM_DEMO_H
#define SLOTDECK_SIM_DEMO_H

#include "sim/world.h"

/* Does the next thing and sets sim->next_life. */
void demo_live(struct sim *sim);

#endif
