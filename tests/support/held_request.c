#include "held_request.h"

#include <string.h>

#include "base/cancel.h"

static bool is_meant(const struct held_request *held, unsigned long n, const char *method, const char *path)
{
	return held->at ? n == held->at : held->path && strcmp(method, held->method) == 0 && strstr(path, held->path);
}

void held_request_arrives(unsigned long n, const char *method, const char *path, void *arg)
{
	struct held_request *held = arg;

	pthread_mutex_lock(&held->lock);
	if (!held->goes_on && is_meant(held, n, method, path)) {
		held->arrived = true;
		if (held->cancel)
			cancel_request(held->cancel, 0);
		while (!held->goes_on)
			pthread_cond_wait(&held->changed, &held->lock);
	}
	pthread_mutex_unlock(&held->lock);
}

bool held_request_arrived(struct held_request *held)
{
	pthread_mutex_lock(&held->lock);
	bool arrived = held->arrived;

	pthread_mutex_unlock(&held->lock);
	return arrived;
}

void held_request_let_go(struct held_request *held)
{
	pthread_mutex_lock(&held->lock);
	held->goes_on = true;
	pthread_cond_broadcast(&held->changed);
	pthread_mutex_unlock(&held->lock);
}
