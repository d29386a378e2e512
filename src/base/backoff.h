/*
 * backoff: how long to wait before the next try. Doubles with each failure, and half of it is random, so that many that failed
 * together do not come back together. Any thread, one at a time.
 */
#ifndef SLOTDECK_BASE_BACKOFF_H
#define SLOTDECK_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
	int64_t first_ms, max_ms;
	uint64_t seed;
	unsigned failures; /* 0: all was well last */
};

/* Counts one failure more. Between a half of the pause and the whole of it; the first one is first_ms, none is longer than max_ms. */
int64_t backoff_next_ms(struct backoff *backoff);
/* 31 random bits. */
uint64_t backoff_random(struct backoff *backoff);

#endif
