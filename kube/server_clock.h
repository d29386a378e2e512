/*
 * server_clock: the server's wall clock, driven by our monotonic one (and the time that this machine slept) and set by the Date of its answers.
 *
 * What rows, stores and health call now_ms. It never goes back by itself; a difference under two seconds is no
 * difference, as Date has whole seconds. Any thread may ask and tell.
 */
#ifndef SLOTDECK_KUBE_SERVER_CLOCK_H
#define SLOTDECK_KUBE_SERVER_CLOCK_H

#include <stdbool.h>

#include "base/clock.h"

struct server_clock {
	struct clock *clock;
	int64_t wall_ms, started_ms;
	_Atomic int64_t offset_ms;
	_Atomic bool heard;
};

/* Borrows clock (NULL: the system's). */
void server_clock_init(struct server_clock *server, struct clock *clock);
int64_t server_clock_now_ms(const struct server_clock *server);
void server_clock_hear(struct server_clock *server, int64_t date_ms);

#endif
