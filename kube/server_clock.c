#include "kube/server_clock.h"

#include <stdatomic.h>

#define SLACK_MS 2000

/* A machine that slept has missed what happened meanwhile: that time counts. */
static int64_t awake_or_not_ms(const struct clock *clock)
{
	return clock_now_ms(clock) + clock_suspended_ms(clock);
}

void server_clock_init(struct server_clock *server, struct clock *clock)
{
	server->clock = clock;
	server->wall_ms = clock_wall_ms(clock);
	server->started_ms = awake_or_not_ms(clock);
	atomic_init(&server->offset_ms, 0);
	atomic_init(&server->heard, false);
}

static int64_t own_now_ms(const struct server_clock *server)
{
	return server->wall_ms + (awake_or_not_ms(server->clock) - server->started_ms);
}

int64_t server_clock_now_ms(const struct server_clock *server)
{
	return own_now_ms(server) + atomic_load(&server->offset_ms);
}

void server_clock_hear(struct server_clock *server, int64_t date_ms)
{
	int64_t offset = date_ms - own_now_ms(server), was = atomic_load(&server->offset_ms);

	bool first = !atomic_exchange(&server->heard, true);

	/* After the first one later dates only: rows must never come from our future, and time must not go back. */
	if (offset > was + SLACK_MS || (first && offset < -SLACK_MS))
		atomic_store(&server->offset_ms, offset);
}
