/*
 * registry: one OCI registry that we pull from or push to. Source: the OCI distribution spec 1.1, docker's token pages.
 *
 * Calls block until the answer, cancel or deadline; not on the net thread. Any number of threads may share a registry:
 * tokens are fetched once for all that want the same scope. Logging in: anonymous, Basic, Bearer with the token service that
 * the registry names (registry/login.h says where passwords come from).
 *
 * Plain http is only tried for hosts that are marked insecure, for this machine (loopback, localhost) and for private addresses,
 * and only after TLS was not spoken there. A password goes over plain http only to this machine and to hosts marked insecure. What a registry points to elsewhere
 * (token service, storage of blobs) must be https, not a private address unless the registry is one, and gets no
 * credential of the registry but the token service its login.
 *
 * What is tried again: 429 after Retry-After, 500 to 504 and broken connections of requests that may be repeated, by
 * `attempts`; on_retry hears of it. Errors say which registry was asked for what, what it answered and what to do.
 */
#ifndef SLOTDECK_REGISTRY_REGISTRY_H
#define SLOTDECK_REGISTRY_REGISTRY_H

#include "base/http.h"
#include "registry/login.h"
#include "registry/manifest.h"

struct registry;

struct registry_options { /* all is copied but net and login.arg */
	struct net *net;
	const char *host;     /* as references have it: "docker.io", "localhost:5000" */
	const char *endpoint; /* base URL behind which the registry is instead; NULL: the host decides. For simulations */
	bool insecure;	      /* plain http is allowed */
	bool skip_tls_verify;
	bool read_only;	      /* nothing is sent that changes */
	struct login_options login;
	unsigned retry_pause_ms; /* before the first repetition, three times as long before the next; 0: 1 s */
};

/* Gives a registry that nobody has talked to yet. */
struct registry *registry_create(const struct registry_options *options);
void registry_destroy(struct registry *registry);
DEFINE_AUTO(registry);
const char *registry_host(const struct registry *registry);

/* Of one piece of work: borrowed by the calls. */
struct registry_call {
	const struct cancel *cancel;
	/* Before a pause, on the calling thread. May be NULL. */
	void (*on_retry)(const char *why, int64_t pause_ms, void *arg);
	void *arg;
	bool writes; /* ask for the right to push at once */
	const char *mount_from; /* a repository that is read beside; NULL */
};

/* What stands behind a tag or digest. found false: it is not there (or not for us). */
struct registry_head {
	bool found;
	char *digest;
};
void registry_head_release(struct registry_head *head);
DEFINE_AUTO_RELEASE(registry_head);
bool registry_head_manifest(struct registry *registry, const char *repository, const char *target, const struct registry_call *call,
			    struct registry_head *ret, struct error *err);
bool registry_get_manifest(struct registry *registry, const char *repository, const char *target, const struct registry_call *call,
			   struct manifest *ret, struct error *err);
/* The same bytes and type. target: tag or digest. Everything that it names must be there. */
bool registry_put_manifest(struct registry *registry, const char *repository, const char *target, const struct manifest *manifest,
			   const struct registry_call *call, struct error *err);
bool registry_has_blob(struct registry *registry, const char *repository, const char *digest, const struct registry_call *call, bool *ret,
		       struct error *err);

/* All tags, in the registry's order; NULL at the end. Gives; free with registry_free_tags(). */
bool registry_list_tags(struct registry *registry, const char *repository, const struct registry_call *call, char ***ret, struct error *err);
void registry_free_tags(char **tags);

/* ---- one blob from one registry to another ---- */

enum blob_result { BLOB_SENT, BLOB_MOUNTED };

struct blob_copy {
	struct registry *from, *to;
	const char *from_repository, *to_repository;
	const char *digest;
	int64_t size_bytes;
	const char *mount_from; /* a repository of `to` that has the blob; NULL */
	const struct cancel *cancel;
	unsigned attempts; /* 0: 4 */
	/* On the calling thread: bytes that went up, negative when they must go again. May be NULL. */
	void (*on_bytes)(int64_t bytes, void *arg);
	void (*on_retry)(const char *why, int64_t pause_ms, void *arg);
	void *arg;
};
/*
 * Streams it: at most some 10 MiB are held, whatever its size. Counted while it passes: what does not have the stated digest
 * or size is never published. A broken download goes on where it broke, and an upload does if the registry
 * knows how far it came.
 */
bool blob_copy(const struct blob_copy *copy, enum blob_result *ret, struct error *err);

#endif
