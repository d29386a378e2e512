/*
 * asked: what was asked of pods beside what is watched: logs, commands, terminals, ports; with a kubectl command that asks the same.
 *
 * It is what the client itself sent since the start (kube/client.h), the ones that repeat counted. Live secrets are masked.
 */
#ifndef SLOTDECK_LIVE_ASKED_H
#define SLOTDECK_LIVE_ASKED_H

#include "base/str.h"

struct kube;

struct asked {
	int64_t at_ms;	 /* wall clock, the last time */
	unsigned times;
	char *request;	 /* "GET /api/v1/namespaces/…/log?…" */
	char *command;	 /* "kubectl logs …" */
};
struct asked_list {
	struct asked *items; /* newest first */
	size_t len, cap;
};
void asked_release(struct asked *asked);
void asked_list_release(struct asked_list *list);
DEFINE_AUTO_RELEASE(asked_list);
/* Any thread. */
void asked_read(struct kube *kube, struct asked_list *ret);
/* Changes whenever asked_read() would give something else. */
uint64_t asked_count(struct kube *kube);
/* The command for a path of a pod's log, exec, attach or portforward; false: it is none. context_flag: as the next one gives it. */
bool asked_command(const char *path, const char *context_flag, struct buf *out);
/* What an equal kubectl command needs to reach the same cluster: " --context NAME", or "". Borrowed from kube. */
const char *asked_context_flag(const struct kube *kube);

#endif
