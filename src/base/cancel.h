/*
 * cancel: one flag that stops a job wherever it waits.
 *
 * Created by whoever starts the work, given to everything that may wait. Setting it is async-signal-safe and may
 * happen on any thread; those who sleep poll cancel_fd() beside their own descriptors. Once set it stays set.
 */
#ifndef SLOTDECK_BASE_CANCEL_H
#define SLOTDECK_BASE_CANCEL_H

#include "base/error.h"

struct cancel;
struct cancel *cancel_create(void);
void cancel_destroy(struct cancel *cancel);
DEFINE_AUTO(cancel);
/* Async-signal-safe. signal_number is what the exit code will tell (0: a person's key). */
void cancel_request(struct cancel *cancel, int signal_number);
/* NULL is a flag that is never set, here and below. */
bool cancel_requested(const struct cancel *cancel);
int cancel_signal(const struct cancel *cancel);
/* Readable once the flag is set; -1 for NULL. Borrowed; never read from it. */
int cancel_fd(const struct cancel *cancel);
/* Sleeps, waking early when cancelled: then false with ERR_CANCELLED. */
bool cancel_sleep(const struct cancel *cancel, unsigned milliseconds, struct error *err);
/* False with ERR_CANCELLED if the flag is set. */
bool cancel_check(const struct cancel *cancel, struct error *err);

#endif
