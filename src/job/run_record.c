#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "job/history.h"
#include "job/run.h"

#define REQUESTS_MAX 400 /* in one record; of more their number is kept */

struct run_record {
	struct history_record history;
	pthread_mutex_t lock; /* all below, and the requests */
	size_t beyond;
};

static void set_text(char **text, const char *value)
{
	free(*text);
	*text = xstrdup(value);
}

static void forget_requests(struct run_record *record)
{
	struct history_record *history = &record->history;

	for (size_t i = 0; i < history->nrequests; i++)
		free(history->requests[i]);
	history->nrequests = 0;
	record->beyond = 0;
}

/* Takes request. */
static void add_request(struct run_record *record, char *request)
{
	struct history_record *history = &record->history;

	if (history->nrequests < REQUESTS_MAX) {
		LIST_PUSH(history->requests, history->nrequests, history->requests_cap) = request;
		return;
	}
	record->beyond++;
	free(request);
}

static void write_record(struct run *run)
{
	struct run_record *record = run->record;
	AUTO_RELEASE(error) err = { 0 };

	if (record->beyond)
		LIST_PUSH(record->history.requests, record->history.nrequests, record->history.requests_cap) = xasprintf("and %zu more", record->beyond);
	if (!history_write(&record->history, &err))
		run_note(run, "this run is missing in the history: %s", err.message);
}

static void on_change(const char *method, const char *path, void *arg)
{
	struct run *run = arg;

	if (!strstr(path, "/leases"))
		run_record_note(run, "%s %s", method, path);
}

static char *command_of(const struct run *run, const char *verb)
{
	struct buf out = BUF_INIT(0);

	buf_addf(&out, "slotdeck %s --env %s", verb, run->stack->env);
	if (run->stack->slot)
		buf_addf(&out, " --slot %lld", run->stack->slot);
	return buf_give(&out);
}

void run_record_begin(struct run *run, const char *action, const char *verb, char **planned, size_t nplanned)
{
	struct run_record *record = xcalloc(1, sizeof *record);

	pthread_mutex_init(&record->lock, NULL);
	record->history = (struct history_record){ .id = xstrdup(run->id),
						   .time_ms = clock_wall_ms(run->clock),
						   .cluster = xstrdup(run->kube ? kube_login_of(run->kube)->context : ""),
						   .action = xstrdup(action),
						   .object = run->stack->slot ? xasprintf("%s slot %lld", run->stack->env, run->stack->slot) : xstrdup(run->stack->env),
						   .namespace = xstrdup(run->stack->namespace),
						   .command = command_of(run, verb),
						   .state = xstrdup("begun"),
						   .message = xstrdup(""),
						   .evidence = xstrdup("") };
	for (size_t i = 0; i < nplanned; i++)
		add_request(record, planned[i]);
	free(planned);
	run->record = record;
	write_record(run);
	forget_requests(record);
	if (run->kube)
		kube_tell_changes(run->kube, on_change, run);
}

void run_record_note(struct run *run, const char *fmt, ...)
{
	struct run_record *record = run->record;
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	if (!record)
		return;
	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&record->lock);
	add_request(record, buf_give(&text));
	pthread_mutex_unlock(&record->lock);
}

void run_record_end(struct run *run, int exit_code, const char *verdict)
{
	struct run_record *record = run->record;

	if (!record)
		return;
	if (run->kube)
		kube_tell_changes(run->kube, NULL, NULL);
	set_text(&record->history.state, exit_code == EXIT_DONE ? "done" : "failed");
	set_text(&record->history.message, verdict);
	write_record(run);
	run->record = NULL;
	history_record_release(&record->history);
	pthread_mutex_destroy(&record->lock);
	free(record);
}
