/*
 * client_private: what the files of the client share.
 */
#ifndef SLOTDECK_KUBE_CLIENT_PRIVATE_H
#define SLOTDECK_KUBE_CLIENT_PRIVATE_H

#include <pthread.h>

#include "kube/client.h"

struct credential;

#define KUBE_ROOTS 2

/* What /api (the core group) or /apis (all others) has now. */
struct kube_root {
	struct kube_resource **items; /* among those known */
	size_t n, cap;
	char *etag; /* NULL: ask without */
	struct buf failed;
};

#define KUBE_ASKED_MAX 200

struct kube_asked_ring {
	struct kube_asked items[KUBE_ASKED_MAX]; /* oldest first */
	size_t len;
	uint64_t count;
};
void kube_asked_note(struct kube *kube, const struct http_request *request);
void kube_asked_release(struct kube_asked_ring *ring);

struct kube {
	struct net *net;
	struct http *http;
	struct credential *credential;
	const struct kube_login *login; /* lives as long as credential */
	char *namespace, *field_manager;
	char *context_flag;
	bool read_only;
	unsigned timeout_ms;
	void (*on_wait)(const struct http_wait *wait, void *arg);
	void *on_wait_arg;
	char **headers; /* impersonation; NULL at the end; NULL: none */
	size_t nheaders, headers_cap;

	pthread_mutex_t lock; /* all below */
	struct arena *arena; /* of every resource ever found, so that pointers stay good */
	struct kube_resource **known;
	size_t nknown, known_cap;
	struct kube_root roots[KUBE_ROOTS];
	bool discovered;
	struct kube_version version;
	bool version_known;
	struct kube_asked_ring asked;
	void (*on_change)(const char *method, const char *path, void *arg);
	void *on_change_arg;
};

/* Parses the answer as JSON; takes nothing. ERR_SERVER names what. */
bool kube_parse(const struct http_response *response, const char *what, json_t **ret, struct error *err);

#endif
