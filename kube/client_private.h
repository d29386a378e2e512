/*
 * client_private: what the files of the client share.
 */
#ifndef SLOTDECK_KUBE_CLIENT_PRIVATE_H
#define SLOTDECK_KUBE_CLIENT_PRIVATE_H

#include <pthread.h>

#include "kube/client.h"

struct credential;

struct kube {
	struct net *net;
	struct http *http;
	struct credential *credential;
	const struct kube_login *login; /* lives as long as credential */
	char *namespace, *field_manager;
	bool read_only;
	unsigned timeout_ms;
	void (*on_wait)(const struct http_wait *wait, void *arg);
	void *on_wait_arg;
	char **headers; /* impersonation; NULL at the end; NULL: none */
	size_t nheaders, headers_cap;

	pthread_mutex_t lock; /* all below */
	struct arena **arenas; /* of every resource ever found, so that pointers stay good */
	size_t narenas, arenas_cap;
	struct kube_resource **resources;
	size_t nresources, resources_cap;
	bool discovered;
	struct buf failed_groups;
	struct kube_version version;
	bool version_known;
};

/* Parses the answer as JSON; takes nothing. ERR_SERVER names what. */
bool kube_parse(const struct http_response *response, const char *what, json_t **ret, struct error *err);

#endif
