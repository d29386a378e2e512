/*
 * quota_key: what one key of a ResourceQuota counts, and how much of it an object takes.
 *
 * Source: kubernetes.io "Resource Quotas", and how the API server reckons a pod (containers together, init containers before them). Counts
 * the least that an object takes for certain. Private to src/job. Any thread.
 */
#ifndef SLOTDECK_JOB_QUOTA_KEY_H
#define SLOTDECK_JOB_QUOTA_KEY_H

#include <jansson.h>

#include "model/quantity.h"

struct quota_key;
typedef struct quantity quota_measure_fn(const struct quota_key *key, const json_t *spec);

struct quota_key {
	const char *word;  /* the resource whose objects count, as people type it: "pods", "deployments.apps"; borrows from the text */
	quota_measure_fn *measure;
	const char *group; /* of containers' resources: "requests", "limits" or NULL */
	char *what;	   /* "cpu", or the storage class; NULL: any */
};

/* "requests.cpu", "count/deployments.apps", "fast.storageclass.storage.k8s.io/requests.storage", … False: a key that we make nothing of. */
bool quota_key_parse(const char *text, struct quota_key *ret);
void quota_key_release(struct quota_key *key);

/* What an object with that spec takes; for pods' keys the pod's spec. */
struct quantity quota_key_takes(const struct quota_key *key, const json_t *spec);
/* A container that does not say what it takes, which the key lets in no pod without; NULL: there is none. Borrowed from the pod's spec. */
const char *quota_key_silent_container(const struct quota_key *key, const json_t *pod_spec);
/* A JSON string or number; 0 for anything else. */
struct quantity quota_amount(const json_t *value);
/* Appends as people write it: 1500m, 3; bytes as 512Mi. */
void quota_key_format(const struct quota_key *key, struct quantity amount, struct buf *out);

#endif
