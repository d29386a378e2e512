/*
 * crew: workers of one run, and what they tell the job's thread. Private to src/job.
 *
 * crew_run() starts threads that call work() until it says that nothing is left. What they have to say goes through a queue and becomes
 * events on the job's own thread, the only one that calls the sink. On cancel and at the deadline `stop` is requested, which everything
 * that workers wait for listens to.
 */
#ifndef SLOTDECK_JOB_CREW_H
#define SLOTDECK_JOB_CREW_H

#include "base/queue.h"
#include "job/run.h"

struct crew {
	struct run *run;
	struct cancel *stop; /* the workers' */
	struct queue *letters;
	int64_t due_ms; /* of everything; INT64_MAX: none */
	bool timed_out;
};

/* timeout_ms 0: none. */
void crew_init(struct crew *crew, struct run *run, unsigned timeout_ms);
void crew_release(struct crew *crew);
/* Runs work on n threads until it gives false on each; meanwhile tells what they have to say, and calls tell (may be NULL) each 200 ms at least. */
void crew_run(struct crew *crew, unsigned n, bool (*work)(void *arg), void (*tell)(void *arg), void *arg);

/* For workers. who: the image it is about; NULL: none. */
void crew_note(const char *text, void *crew);
void crew_retry(struct crew *crew, const char *who, const char *why, int64_t pause_ms);
/* A line that a container of the image wrote. */
void crew_line(struct crew *crew, const char *who, const char *text);
/* What becomes of the image now: a note "who: text". */
void crew_tell(struct crew *crew, const char *who, const char *text);
/* As callbacks of registry calls; arg is a struct crew_voice. */
struct crew_voice {
	struct crew *crew;
	const char *who;
};
void crew_on_retry(const char *why, int64_t pause_ms, void *voice);

#endif
