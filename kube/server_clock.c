#include "kube/server_clock.h"

#include <stdatomic.h>

#define SLACK_MS 2000

void server_clock_init(struct server_clock *server, struct clock *clock)
{
	server->clock = clock;
	server->wall_ms = clock_wall_ms(clock);
	server->mono_ms = clock_now_ms(clock);
	atomic_init(&server->offset_ms, 0);
}

static int64_t own_now_ms(const struct server_clock *server)
{
	return server->wall_ms + (clock_now_ms(server->clock) - server->mono_ms);
}

int64_t server_clock_now_ms(const struct server_clock *server)
{
	return own_now_ms(server) + atomic_load(&server->offset_ms);
}

void server_clock_hear(struct server_clock *server, int64_t date_ms)
{
	int64_t offset = date_ms - own_now_ms(server), was = atomic_load(&server->offset_ms);

	/* Later dates only: rows must never come from our future, and time must not go back. */
	if (offset > was + SLACK_MS || (was == 0 && offset < -SLACK_MS))
		atomic_store(&server->offset_ms, offset);
}
