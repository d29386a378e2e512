#include <stdlib.h>
#include <string.h>

#include "job/mirror_private.h"

#define LOOK_MS	  200
#define CREW_MAX  32

enum letter_kind { LETTER_NOTE, LETTER_RETRY, LETTER_WAKE, LETTER_LEFT };

struct letter {
	enum letter_kind kind;
	char *who, *text;
	int64_t pause_ms;
};

struct worker {
	struct mirror *mirror;
	bool (*work)(struct mirror *m);
	pthread_t thread;
};

void crew_free_letter(void *arg)
{
	struct letter *letter = arg;

	if (!letter)
		return;
	free(letter->who);
	free(letter->text);
	free(letter);
}

static void post(struct mirror *m, enum letter_kind kind, const char *who, const char *text, int64_t pause_ms)
{
	struct letter *letter = xcalloc(1, sizeof *letter);

	*letter = (struct letter){ kind, who ? xstrdup(who) : NULL, text ? xstrdup(text) : NULL, pause_ms };
	queue_push(m->letters, letter);
}

void crew_note(const char *text, void *mirror)
{
	post(mirror, LETTER_NOTE, NULL, text, 0);
}

void crew_retry(struct mirror *m, const char *who, const char *why, int64_t pause_ms)
{
	post(m, LETTER_RETRY, who, why, pause_ms);
}

void crew_on_retry(const char *why, int64_t pause_ms, void *arg)
{
	const struct crew_voice *voice = arg;

	crew_retry(voice->mirror, voice->who, why, pause_ms);
}

static void *run_worker(void *arg)
{
	struct worker *worker = arg;

	while (worker->work(worker->mirror))
		post(worker->mirror, LETTER_WAKE, NULL, NULL, 0);
	post(worker->mirror, LETTER_LEFT, NULL, NULL, 0);
	return NULL;
}

static void read_letter(struct mirror *m, const struct letter *letter)
{
	if (letter->kind == LETTER_NOTE)
		run_note(m->run, "%s", letter->text);
	if (letter->kind == LETTER_RETRY)
		run_emit(m->run, &(struct job_event){ .kind = JOB_RETRY,
						      .text = letter->text,
						      .elapsed_ms = letter->pause_ms,
						      .object = { .kind = letter->who ? "Image" : NULL, .name = letter->who, .item = letter->who } });
}

/* Real time also where the clock is a test's: workers are real. */
static void look_at_time(struct mirror *m, const struct error *err)
{
	if (err->kind == ERR_CANCELLED)
		cancel_request(m->stop, cancel_signal(m->run->cancel));
	if (clock_now_ms(m->run->clock) < m->due_ms)
		return;
	m->timed_out = true;
	cancel_request(m->stop, 0);
}

void crew_run(struct mirror *m, unsigned n, bool (*work)(struct mirror *m), void (*tell)(struct mirror *m))
{
	struct worker workers[CREW_MAX];
	unsigned started = 0, left;

	m->next = 0;
	for (unsigned i = 0; i < n && i < CREW_MAX; i++) {
		workers[started] = (struct worker){ .mirror = m, .work = work };
		if (pthread_create(&workers[started].thread, NULL, run_worker, &workers[started]) == 0)
			started++;
	}
	if (!started)
		while (work(m))
			;
	for (left = started; left;) {
		AUTO_RELEASE(error) err = { 0 };
		/* Once it is cancelled, only the workers' farewell is waited for. */
		const struct cancel *cancel = cancel_requested(m->stop) ? NULL : m->run->cancel;
		struct letter *letter = queue_wait(m->letters, NULL, cancel, clock_now_ms(NULL) + LOOK_MS, &err);

		look_at_time(m, &err);
		if (letter) {
			read_letter(m, letter);
			left -= letter->kind == LETTER_LEFT;
			crew_free_letter(letter);
		}
		if (tell)
			tell(m);
	}
	for (unsigned i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
}
