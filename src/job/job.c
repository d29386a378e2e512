#include "job/job.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

int job_exit_of_error(const struct error *err, int signal_number)
{
	static const int codes[] = {
		[ERR_NONE] = EXIT_DONE,		[ERR_INVALID] = EXIT_USAGE,	[ERR_NOT_FOUND] = EXIT_DEGRADED,
		[ERR_CONFLICT] = EXIT_CONFLICT, [ERR_DENIED] = EXIT_DENIED,	[ERR_TIMEOUT] = EXIT_DEADLINE,
		[ERR_CANCELLED] = EXIT_SIGINT,	[ERR_NETWORK] = EXIT_DEGRADED,	[ERR_SERVER] = EXIT_DEGRADED,
		[ERR_LIMIT] = EXIT_USAGE,	[ERR_IO] = EXIT_DEGRADED,	[ERR_BUG] = EXIT_DEGRADED,
	};

	if (err->kind == ERR_CANCELLED && signal_number == SIGTERM)
		return EXIT_SIGTERM;
	return codes[err->kind];
}

const char *job_event_name(enum job_event_kind kind)
{
	static const char *const names[] = {
		[JOB_STARTED] = "started",   [JOB_FINDING] = "finding",	      [JOB_STEP_STARTED] = "step-started",
		[JOB_STEP_FINISHED] = "step-finished", [JOB_PLANNED] = "planned", [JOB_OBJECT] = "object",
		[JOB_CONFLICT] = "conflict", [JOB_DIFF] = "diff",	      [JOB_HOOK] = "hook",
		[JOB_LINE] = "line",	     [JOB_WAIT] = "wait",	      [JOB_CAUSE] = "cause",
		[JOB_PROGRESS] = "progress", [JOB_NOTE] = "note",	      [JOB_RETRY] = "retry",
		[JOB_FINISHED] = "finished",
	};

	return names[kind];
}

const char *job_change_name(enum job_change change)
{
	static const char *const names[CHANGE_COUNT] = {
		[CHANGE_NONE] = "none",		  [CHANGE_CREATED] = "created",
		[CHANGE_CONFIGURED] = "configured", [CHANGE_UNCHANGED] = "unchanged",
		[CHANGE_PRUNED] = "pruned",	  [CHANGE_CONFLICT] = "conflict",
		[CHANGE_FAILED] = "failed",	  [CHANGE_SKIPPED] = "skipped",
		[CHANGE_WOULD_CREATE] = "would-create", [CHANGE_WOULD_CONFIGURE] = "would-configure",
		[CHANGE_WOULD_PRUNE] = "would-prune", [CHANGE_WOULD_RECREATE] = "would-recreate",
		[CHANGE_UNKNOWN] = "unknown",
	};

	return names[change];
}

/* Every text of an event, so that copying and freeing can't forget one. */
static const size_t texts[] = {
	offsetof(struct job_event, run),	    offsetof(struct job_event, step),
	offsetof(struct job_event, text),	    offsetof(struct job_event, detail),
	offsetof(struct job_event, field),	    offsetof(struct job_event, theirs),
	offsetof(struct job_event, ours),	    offsetof(struct job_event, object.item),
	offsetof(struct job_event, object.api_version), offsetof(struct job_event, object.kind),
	offsetof(struct job_event, object.namespace), offsetof(struct job_event, object.name),
	offsetof(struct job_event, object.file),    offsetof(struct job_event, place.file),
	offsetof(struct job_event, state),
};

struct job_event *job_event_copy(const struct job_event *event)
{
	struct job_event *copy = xmalloc(sizeof *copy);

	*copy = *event;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char **text = (const char **)((char *)copy + texts[i]);

		*text = *text ? xstrdup(*text) : NULL;
	}
	return copy;
}

void job_event_destroy(struct job_event *event)
{
	if (!event)
		return;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free(*(char **)((char *)event + texts[i]));
	free(event);
}
