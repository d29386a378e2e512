#include "base/backoff.h"

#define STEPS_MAX 16 /* doublings; max_ms comes sooner */

uint64_t backoff_random(struct backoff *backoff)
{
	backoff->seed = backoff->seed * 6364136223846793005u + 1442695040888963407u;
	return backoff->seed >> 33;
}

int64_t backoff_next_ms(struct backoff *backoff)
{
	int64_t ms = backoff->first_ms << (backoff->failures < STEPS_MAX ? backoff->failures : STEPS_MAX);

	backoff->failures++;
	if (ms > backoff->max_ms)
		ms = backoff->max_ms;
	return ms / 2 + (int64_t)(backoff_random(backoff) % (uint64_t)(ms / 2 + 1));
}
