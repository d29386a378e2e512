/*
 * held_request: one request that a played registry does not answer until the test says so, so that nothing depends on
 * who is faster. Its address is sim_registry_options.arg, held_request_arrives the on_request beside it.
 */
#ifndef SLOTDECK_TESTS_HELD_REQUEST_H
#define SLOTDECK_TESTS_HELD_REQUEST_H

#include <pthread.h>
#include <stdbool.h>

struct cancel;

struct held_request {
	unsigned long at;	   /* the how many-th, from 1; or, at 0: … */
	const char *method, *path; /* …those of that method whose path holds this; NULL: none */
	struct cancel *cancel;	   /* requested when it arrives; NULL */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool arrived, goes_on;
};
#define HELD_REQUEST_INIT .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER

void held_request_arrives(unsigned long n, const char *method, const char *path, void *held);
bool held_request_arrived(struct held_request *held);
/* Before the registry is stopped, which waits for it. From now on nothing is held. */
void held_request_let_go(struct held_request *held);

#endif
