/*
 * deadline: a cancel flag that follows another one, and also sets itself when the time is over. So a job that may take only so long stops
 * wherever it waits: in a request, in a hook, between two. Private to src/job.
 */
#ifndef SLOTDECK_JOB_DEADLINE_H
#define SLOTDECK_JOB_DEADLINE_H

#include "base/clock.h"

struct deadline;
/* Borrows clock and parent (may be NULL) until deadline_destroy(). due_ms: by clock. NULL: no thread to be had. */
struct deadline *deadline_create(struct clock *clock, const struct cancel *parent, int64_t due_ms);
/* What is to be waited with. Borrowed. */
struct cancel *deadline_cancel(const struct deadline *deadline);
/* The flag was set by the time, not by the parent. */
bool deadline_is_over(const struct deadline *deadline);
void deadline_destroy(struct deadline *deadline);

#endif
