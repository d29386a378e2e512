/* registry_private: what registry.c, token.c and blob.c share. Nobody else includes this. */
#ifndef SLOTDECK_REGISTRY_REGISTRY_PRIVATE_H
#define SLOTDECK_REGISTRY_REGISTRY_PRIVATE_H

#include <pthread.h>

#include "base/map.h"
#include "base/url.h"
#include "registry/challenge.h"
#include "registry/registry.h"

struct token {
	struct secret authorization; /* whole header line */
	int64_t expires_ms;	     /* by the net's clock; INT64_MAX: never */
	unsigned serial;	     /* tells a new one from that which was refused */
};

struct registry {
	struct net *net;
	char *host, *endpoint, *login_file;
	bool insecure, skip_tls_verify, read_only;
	struct login_options login;
	unsigned retry_pause_ms;

	pthread_mutex_t connect_lock; /* held during the first contact */
	pthread_mutex_t login_lock;   /* held while a token is fetched */
	pthread_mutex_t lock;	      /* the rest */
	char *base_url;		      /* NULL: not known yet */
	struct map servers;	      /* origin → struct http */
	struct challenge challenge;
	struct map tokens; /* scope → struct token */
	unsigned serial;
};

struct registry_request {
	const char *method; /* NULL: GET */
	const char *repository;
	const char *path;     /* behind /v2/REPOSITORY, escaped: "/manifests/latest"; or… */
	const char *location; /* …a URL that an answer gave: "https://…" */
	const char *accept, *content_type;
	struct str body;
	const char *header; /* one more line; NULL */
	size_t max_body_bytes;
	unsigned timeout_ms; /* 0: 60 s */
	bool once;	     /* asking twice is not as good as once */
	const char *what;    /* for errors: "the manifest library/redis:7" */
};

/* Where a request goes. */
struct registry_place {
	struct http *http; /* borrowed from the registry */
	char *path;
	bool ours; /* the registry itself: it may see who we are */
};
void registry_place_release(struct registry_place *place);
DEFINE_AUTO_RELEASE(registry_place);
bool registry_find_place(struct registry *registry, const struct registry_request *request, const struct registry_call *call,
			 struct registry_place *ret, struct error *err);

/* One request with login and repetitions. Any status is an answer, but for 401, which is an error. */
bool registry_ask(struct registry *registry, const struct registry_request *request, const struct registry_call *call, struct http_response *ret,
		  struct error *err);
/* Says what an answer means that is not what was hoped for. False. */
bool registry_refused(struct registry *registry, const struct registry_request *request, const struct http_response *response, struct error *err);
/* Location of an answer, made absolute; NULL: it has none. Gives. */
char *registry_location(const struct registry_place *asked, const struct http_response *response);
/* Waits before repetition n (from 0), telling on_retry. */
bool registry_pause(struct registry *registry, unsigned n, const char *why, const struct cancel *cancel,
		    void (*on_retry)(const char *why, int64_t pause_ms, void *arg), void *arg, struct error *err);

/* ---- token.c ---- */

/* Copies the header line for the scope of the call into ret (empty: none), fetching a token when none is there. */
bool token_get(struct registry *registry, const char *repository, const struct registry_call *call, struct secret *ret, unsigned *ret_serial,
	       struct error *err);
/* After a 401: learns from it and forgets the token with that serial. False: there is nothing better. */
bool token_refused(struct registry *registry, const char *repository, const struct registry_call *call, const struct http_response *response,
		   unsigned serial, struct error *err);
void token_free(void *token);
/* The server of a URL, made when it is not known yet. False: it may not be asked, see registry.h. */
bool registry_server(struct registry *registry, const char *url, struct http **ret, struct error *err);

#endif
