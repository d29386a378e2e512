#include "base/cancel.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct cancel {
	atomic_int signal; /* -1 until requested */
	int fd;
};

struct cancel *cancel_create(void)
{
	struct cancel *cancel = xmalloc(sizeof *cancel);

	atomic_init(&cancel->signal, -1);
	cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return cancel;
}

void cancel_destroy(struct cancel *cancel)
{
	if (!cancel)
		return;
	if (cancel->fd >= 0)
		close(cancel->fd);
	free(cancel);
}

void cancel_request(struct cancel *cancel, int signal_number)
{
	int unset = -1;
	uint64_t one = 1;

	if (atomic_compare_exchange_strong(&cancel->signal, &unset, signal_number))
		(void)!write(cancel->fd, &one, sizeof one);
}

bool cancel_requested(const struct cancel *cancel)
{
	return cancel && atomic_load(&cancel->signal) >= 0;
}

int cancel_signal(const struct cancel *cancel)
{
	int signal = cancel ? atomic_load(&cancel->signal) : 0;

	return signal > 0 ? signal : 0;
}

int cancel_fd(const struct cancel *cancel)
{
	return cancel ? cancel->fd : -1;
}

bool cancel_sleep(const struct cancel *cancel, unsigned milliseconds, struct error *err)
{
	struct pollfd fd = { .fd = cancel_fd(cancel), .events = POLLIN };

	(void)poll(&fd, 1, (int)milliseconds);
	return cancel_check(cancel, err);
}

bool cancel_check(const struct cancel *cancel, struct error *err)
{
	if (!cancel_requested(cancel))
		return true;
	return error_set(err, ERR_CANCELLED, "cancelled");
}
