/*
 * status: what a Kubernetes API server says when it refuses.
 *
 * Source of truth: meta/v1 Status. Decisions are made on reason first, HTTP code second, message never. Bodies that are
 * no Status (proxies, load balancers) get a reason from the code and a bounded, sanitised piece of their text.
 */
#ifndef SLOTDECK_KUBE_STATUS_H
#define SLOTDECK_KUBE_STATUS_H

#include "base/http.h"

struct kube_cause {
	char *reason, *field, *message; /* never NULL */
};

struct kube_status {
	int code;     /* HTTP status; 0: none */
	char *reason; /* "Conflict", "NotFound", …; never NULL after kube_status_decode() */
	char *message;
	char *name, *kind; /* details; "" when absent: a NotFound without name is the path itself */
	struct kube_cause *causes;
	size_t ncauses, cap;
	int retry_after_s; /* -1: not told */
};

void kube_status_release(struct kube_status *status);
DEFINE_AUTO_RELEASE(kube_status);
/* Decodes an answer of 400 or more. Replaces ret. */
void kube_status_decode(const struct http_response *response, struct kube_status *ret);
bool kube_status_is(const struct kube_status *status, const char *reason);
/* The first cause with that reason, or NULL. Borrowed. */
const struct kube_cause *kube_status_cause(const struct kube_status *status, const char *reason);
/* err gets kind and message: "what: message (reason, HTTP code)", without "what: " if that is NULL. Returns false. */
bool kube_status_error(const struct kube_status *status, const char *what, struct error *err);

#endif
