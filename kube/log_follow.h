/*
 * log_follow: the log of one container as lines with times, followed over restarts and lost connections. Net thread only.
 *
 * GET /api/v1/namespaces/N/pods/P/log (Kubernetes API, "Pod logs"), always with timestamps=true. A stream that ended, for
 * whatever reason, is resumed by sinceTime, which counts whole seconds: what was seen of that second is skipped. Before that the
 * pod is read, to tell a restart (a cut line, and the rest of the former run where the connection broke) from a deleted pod (the end)
 * and from a mere time limit (go on). A follow that is silent for 60 s is checked, because it stays silent for ever when the node
 * rotates the file (kubernetes#28369). Where lines are missing that nobody can count there is a gap line.
 */
#ifndef SLOTDECK_KUBE_LOG_FOLLOW_H
#define SLOTDECK_KUBE_LOG_FOLLOW_H

#include "base/http.h"
#include "model/log_block.h"
#include "model/row.h"

struct log_follow;

struct log_follow_options { /* texts are copied */
	const char *namespace, *pod, *uid, *container;
	int32_t run;		/* its restarts so far */
	enum row_container_state state;
	int32_t last_exit_code; /* of the former run */
	bool previous;		/* the former run first, then a cut line */
	int64_t since_s;	/* only the last so many seconds; 0: all there is */
	int64_t tail;		/* only the last so many lines; 0: all there is */
};

enum log_follow_state {
	LOG_FOLLOW_OPENING,
	LOG_FOLLOW_LIVE,
	LOG_FOLLOW_WAITING, /* the connection is lost, or the container does not run: why says it */
	LOG_FOLLOW_REFUSED, /* no right, or the server has no such log: asked again each 60 s */
	LOG_FOLLOW_ENDED    /* the pod is gone, or will not run again: nothing comes any more */
};

struct log_follow_ops {
	/* line->source is 0; text is borrowed. */
	void (*on_line)(const struct log_line *line, void *arg);
	/* After the lines of one piece of the answer. */
	void (*on_chunk)(void *arg);
	void (*on_state)(enum log_follow_state state, const char *why, void *arg);
	/* Adds to each request what this cluster wants. May be NULL. */
	void (*prepare)(struct http_request *request, void *arg);
};

/* Borrows net, http and ops; starts at once. No callback runs inside. */
struct log_follow *log_follow_create(struct net *net, struct http *http, const struct log_follow_options *options,
				     const struct log_follow_ops *ops, void *arg);
/* No callback runs after this. NULL is fine. */
void log_follow_destroy(struct log_follow *follow);
DEFINE_AUTO(log_follow);
/* Holds the server back (TCP); some lines may still come. */
void log_follow_hold(struct log_follow *follow, bool held);
/* Something about the pod changed, or a person asked: ends a pause. */
void log_follow_hurry(struct log_follow *follow);

#endif
