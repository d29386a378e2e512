/*
 * registry: an OCI registry, played in memory on loopback, for --demo and the tests.
 *
 * Source of truth: the OCI distribution spec 1.1. Every path before /v2/ is a registry of its own, so that one server
 * plays several: http://127.0.0.1:PORT/docker.io/v2/library/redis/manifests/7.4. Layers can be made of a size without
 * holding their bytes; of what is uploaded only the digest is kept when it is larger than 4 MiB. Faults as in sim.h
 * (status, delay, cut, close, reset, hang; when: before). Any thread.
 */
#ifndef SLOTDECK_SIM_REGISTRY_H
#define SLOTDECK_SIM_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

struct sim_registry;

enum sim_registry_login { SIM_LOGIN_NONE, SIM_LOGIN_BASIC, SIM_LOGIN_BEARER };

struct sim_registry_options {
	enum sim_registry_login login;
	const char *user, *password; /* that are right; user NULL: the token service asks for none */
	const char *refresh_token;   /* an identity token that is right */
	unsigned token_lives_s;	     /* 0: 300 */
	uint64_t bytes_per_s;	     /* of each blob that is read; 0: no limit */
	unsigned min_chunk_bytes;    /* OCI-Chunk-Min-Length */
	bool redirects;		     /* blobs are read from a second port, which refuses who sends it a credential */
	bool no_mounts;		     /* mounting is answered with 405 */
	bool no_offsets;	     /* nobody is told how far an upload came */
	bool wrong_digests;	     /* Docker-Content-Digest beside a tag is that of something else */
	bool demo;		     /* the demo's images are there, made with the first request */
	/* Before each request is looked at, on its thread; n from 1. */
	void (*on_request)(unsigned long n, const char *method, const char *path, void *arg);
	void *arg;
};

struct sim_registry *sim_registry_start(const struct sim_registry_options *options, struct error *err);
/* NULL is fine. */
void sim_registry_stop(struct sim_registry *registry);
#define sim_registry_destroy sim_registry_stop
DEFINE_AUTO(sim_registry);

/* "http://127.0.0.1:PORT" and "127.0.0.1:PORT", borrowed. */
const char *sim_registry_url(const struct sim_registry *registry);
const char *sim_registry_host(const struct sim_registry *registry);

/* repository here and below: with the path before /v2/, "docker.io/library/redis"; or without, "library/redis". */

/* Adds bytes as a blob under a digest, which may be a lie (NULL: the true one). Gives the digest. */
char *sim_registry_add_blob(struct sim_registry *registry, const char *repository, struct str bytes, const char *digest);
/* Adds a blob of made up bytes. Gives its digest. */
char *sim_registry_add_layer(struct sim_registry *registry, const char *repository, uint64_t size_bytes, uint64_t seed);
/* Adds a manifest as it is, whatever it says, with a tag (NULL: none). Gives the digest. */
char *sim_registry_add_manifest(struct sim_registry *registry, const char *repository, const char *tag, const char *media_type, struct str bytes);
/* Adds a whole image for one platform: a config and layers of these sizes (0 ends). Gives the manifest's digest. */
char *sim_registry_add_image(struct sim_registry *registry, const char *repository, const char *tag, const uint64_t *layer_bytes, uint64_t seed);
bool sim_registry_set_faults(struct sim_registry *registry, const char *json, struct error *err);
/* Gives the requests so far, one a line: "PUT /v2/a/manifests/1 201". */
char *sim_registry_log(struct sim_registry *registry);
/* How many of them hold both texts (the second may be NULL). */
unsigned sim_registry_count(struct sim_registry *registry, const char *text, const char *and_text);
/* Digest behind a tag, given; NULL. */
char *sim_registry_tag(struct sim_registry *registry, const char *repository, const char *tag);
/* Gives what is wrong: tags whose manifests lack a part, one a line; "" when all is whole. */
char *sim_registry_broken(struct sim_registry *registry);
/* How many uploads are open. */
size_t sim_registry_uploads(struct sim_registry *registry);

#endif
