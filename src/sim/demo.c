#include "sim/demo.h"

void demo_live(struct sim *sim)
{
	sim->next_life = sim_now(sim) + 20000;
}
