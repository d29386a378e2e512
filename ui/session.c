/* What belongs to the cluster on the screens, as a whole. */
#include <stdlib.h>

#include "live/logs.h"
#include "ui/state.h"

static void free_event(void *event)
{
	job_event_destroy(event);
}

struct session *session_create(const struct app_cluster *cluster)
{
	struct session *session = xcalloc(1, sizeof *session);

	session->cluster = *cluster;
	session->events = queue_create(free_event);
	session->tasks = tasks_create();
	session->forwards = forwards_create(cluster->kube, live_store(cluster->live));
	return session;
}

void session_close_job(struct session *session, const struct app_options *options)
{
	job_destroy(GIVE(session->job));
	if (session->has_target)
		options->close_target(&session->target, options->arg);
	session->has_target = false;
}

void session_destroy(struct session *session, const struct app_options *options)
{
	tasks_destroy(session->tasks);
	logs_destroy(session->logs);
	forwards_destroy(session->forwards);
	session_close_job(session, options);
	queue_destroy(session->events);
	free(session);
}
