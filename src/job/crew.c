#include "job/crew.h"

#include <pthread.h>
#include <stdlib.h>

#define LOOK_MS	 200
#define CREW_MAX 32

enum letter_kind { LETTER_NOTE, LETTER_RETRY, LETTER_LINE, LETTER_WAKE, LETTER_LEFT };

struct letter {
	enum letter_kind kind;
	char *who, *text;
	int64_t pause_ms;
};

struct worker {
	struct crew *crew;
	bool (*work)(void *arg);
	void *arg;
	pthread_t thread;
};

static void free_letter(void *arg)
{
	struct letter *letter = arg;

	if (!letter)
		return;
	free(letter->who);
	free(letter->text);
	free(letter);
}

void crew_init(struct crew *crew, struct run *run, unsigned timeout_ms)
{
	*crew = (struct crew){ .run = run,
			       .stop = cancel_create(),
			       .letters = queue_create(free_letter),
			       .due_ms = timeout_ms ? run->started_ms + timeout_ms : INT64_MAX };
}

void crew_release(struct crew *crew)
{
	queue_destroy(crew->letters);
	cancel_destroy(crew->stop);
}

/* ---- workers ---- */

static void post(struct crew *crew, struct letter letter, const char *who, const char *text)
{
	struct letter *kept = xcalloc(1, sizeof *kept);

	*kept = letter;
	kept->who = who ? xstrdup(who) : NULL;
	kept->text = text ? xstrdup(text) : NULL;
	queue_push(crew->letters, kept);
}

void crew_note(const char *text, void *crew)
{
	post(crew, (struct letter){ .kind = LETTER_NOTE }, NULL, text);
}

void crew_retry(struct crew *crew, const char *who, const char *why, int64_t pause_ms)
{
	post(crew, (struct letter){ .kind = LETTER_RETRY, .pause_ms = pause_ms }, who, why);
}

void crew_line(struct crew *crew, const char *who, const char *text)
{
	post(crew, (struct letter){ .kind = LETTER_LINE }, who, text);
}

void crew_tell(struct crew *crew, const char *who, const char *text)
{
	AUTO_FREE char *line = xasprintf("%s: %s", who, text);

	post(crew, (struct letter){ .kind = LETTER_NOTE }, who, line);
}

void crew_on_retry(const char *why, int64_t pause_ms, void *arg)
{
	const struct crew_voice *voice = arg;

	crew_retry(voice->crew, voice->who, why, pause_ms);
}

static void *run_worker(void *arg)
{
	struct worker *worker = arg;

	while (worker->work(worker->arg))
		post(worker->crew, (struct letter){ .kind = LETTER_WAKE }, NULL, NULL);
	post(worker->crew, (struct letter){ .kind = LETTER_LEFT }, NULL, NULL);
	return NULL;
}

/* ---- the job's thread ---- */

static void read_letter(struct crew *crew, const struct letter *letter)
{
	static const enum job_event_kind kinds[] = { [LETTER_NOTE] = JOB_NOTE, [LETTER_RETRY] = JOB_RETRY, [LETTER_LINE] = JOB_LINE };
	struct job_event event = { .ok = true, .text = letter->text, .elapsed_ms = letter->pause_ms };

	if (letter->kind >= ARRAY_LEN(kinds))
		return;
	event.kind = kinds[letter->kind];
	if (letter->who)
		event.object = (struct job_object){ .kind = "Image", .name = letter->who, .item = letter->who };
	run_emit(crew->run, &event);
}

/* Real time also where the clock is a test's: workers are real. */
static void look_at_time(struct crew *crew, const struct error *err)
{
	if (err->kind == ERR_CANCELLED)
		cancel_request(crew->stop, cancel_signal(crew->run->cancel));
	if (clock_now_ms(crew->run->clock) < crew->due_ms)
		return;
	crew->timed_out = true;
	cancel_request(crew->stop, 0);
}

void crew_run(struct crew *crew, unsigned n, bool (*work)(void *arg), void (*tell)(void *arg), void *arg)
{
	struct worker workers[CREW_MAX];
	unsigned started = 0, left;

	for (unsigned i = 0; i < n && i < CREW_MAX; i++) {
		workers[started] = (struct worker){ .crew = crew, .work = work, .arg = arg };
		if (pthread_create(&workers[started].thread, NULL, run_worker, &workers[started]) == 0)
			started++;
	}
	if (!started)
		while (work(arg))
			;
	for (left = started; left;) {
		AUTO_RELEASE(error) err = { 0 };
		/* Once it is cancelled, only the workers' farewell is waited for. */
		const struct cancel *cancel = cancel_requested(crew->stop) ? NULL : crew->run->cancel;
		struct letter *letter = queue_wait(crew->letters, NULL, cancel, clock_now_ms(NULL) + LOOK_MS, &err);

		look_at_time(crew, &err);
		if (letter) {
			read_letter(crew, letter);
			left -= letter->kind == LETTER_LEFT;
			free_letter(letter);
		}
		if (tell)
			tell(arg);
	}
	for (unsigned i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
}
