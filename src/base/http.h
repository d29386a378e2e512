/*
 * http: one server that we talk to, over libcurl on the net thread.
 *
 * HTTP/2 where TLS negotiates it (one connection for calls, one per 90 watches, one HTTP/1.1 connection per stream that
 * may pause), else HTTP/1.1 with reuse. Redirects are never followed, cookies do not exist. What is always bounded:
 * connect 10 s, response headers 10 s from their first byte and 64 KiB, body size after decompression, progress (at
 * least 1 KiB/s over 30 s, not for watches and followed logs), total time. Dead peers: TCP keepalive 15 s,
 * TCP_USER_TIMEOUT 30 s, and a probe request each 30 s on the connection of open streams, which ends them when there is
 * no answer in 15 s.
 *
 * What is retried, within timeout_ms and attempts (kube-client 6):
 *   - nothing was sent (refused, name not resolved, connect timeout): every method, name errors at most twice;
 *   - the connection broke: GET, HEAD and requests marked idempotent;
 *   - 429, and any 5xx but 504 with Retry-After: every method (the server says that it did not do it);
 *   - 502, 503, 504, and 500 with reason ServerTimeout: GET, HEAD and idempotent requests;
 *   - 401: once, after asking the authorise hook for a fresh credential; every method.
 * The pause is Retry-After (seconds or HTTP date, capped by retry_after_max_ms, up to 20 % more) or a random part of
 * 0.5 s·2^n, at most 30 s. A pause that would end after the deadline is not begun: the answer or error at hand is the
 * result.
 *
 * A status of 400 or more is an answer, not an error. An error means that there is no (whole) answer: ERR_NETWORK
 * (refused, reset, name, TLS: the text says which), ERR_TIMEOUT, ERR_LIMIT, ERR_CANCELLED, ERR_DENIED (read-only, or
 * the hook has no credential). Messages name method, URL without query, and cause; they never hold a credential.
 */
#ifndef SLOTDECK_BASE_HTTP_H
#define SLOTDECK_BASE_HTTP_H

#include "base/net.h"
#include "base/secret.h"

struct http;

/* What the authorise hook gives. */
struct http_credential {
	struct secret authorization; /* whole header value, "Bearer …"; empty: send none */
	uint64_t generation;	     /* any number that changes with the credential; never 0 */
};

enum http_auth_result { HTTP_AUTH_OK, HTTP_AUTH_WAIT, HTTP_AUTH_FAILED };

/*
 * Called before each request. First on the net thread with may_block false: return HTTP_AUTH_WAIT when the answer needs
 * a file or a process, and it is called again on a helper thread with may_block true, one call at a time per struct
 * http; when that fails, all requests that waited for it get its error. refused_generation is that of a credential the
 * server just answered with 401, else 0; giving the same generation again means that there is no better one, and the
 * 401 is the result. ret is zeroed before. Both calls may run at the same time, on their two threads. A new client
 * certificate is given by http_set_identity() from in here.
 */
typedef enum http_auth_result http_authorise_fn(struct http_credential *ret, uint64_t refused_generation,
						bool may_block, struct error *err, void *arg);

struct http_options {				    /* zero is a good default everywhere but base_url; all is copied */
	const char *base_url;			    /* "https://host:6443/prefix"; query and fragment refused */
	struct str ca_pem;			    /* empty: the system's roots */
	struct str client_cert_pem, client_key_pem; /* both or neither */
	const char *tls_server_name;		    /* for SNI and the certificate check, instead of the host; NULL */
	bool insecure_skip_tls_verify;
	const char *proxy_url; /* http, https, socks5; NULL: HTTPS_PROXY, HTTP_PROXY, NO_PROXY decide (never for
				  loopback) */
	bool disable_compression;
	bool http1_only;
	bool read_only;		      /* see http_request.safe */
	const char *user_agent;	      /* NULL: "slotdeck/VERSION (linux/ARCH)" */
	unsigned rate_per_s, burst;   /* token bucket for all requests of this server; 0: 50 and 100 */
	const char *probe_path;	      /* GET while streams are open; NULL: "/version"; "": no probe */
	unsigned connect_timeout_ms;  /* 0: 10 s */
	bool authorise_without_tls;   /* else a credential is never sent over plain http */
	http_authorise_fn *authorise; /* NULL: no Authorization header of ours */
	/* The hook may still run on its helper thread when http_destroy() returns; release (may be NULL) runs once, on
	 * any thread, when it will never be called again. */
	void (*authorise_release)(void *arg);
	void *authorise_arg;
};

/* First use of libcurl happens here. ERR_INVALID: bad URL, PEM that cannot be read, certificate without key. */
struct http *http_create(struct net *net, const struct http_options *options, struct error *err);
/*
 * From its return on nothing more is sent: what is asked later is refused, what is under way ends, both with ERR_CANCELLED. Returns at
 * once; whoever uses http may go on until http_destroy(). Any thread.
 */
void http_shut(struct http *http);
/*
 * Returns at once; sockets close later, on the net thread. Calls that are waiting end with ERR_CANCELLED, streams that
 * are open hear it in on_end. NULL is fine.
 */
void http_destroy(struct http *http);
DEFINE_AUTO(http);
/* New client certificate and key (empty: none) and, unless empty, new CA. Connections of the old identity take no new
 * requests and close with their last one. Nothing happens when all is equal. Any thread. */
bool http_set_identity(struct http *http, struct str cert_pem, struct str key_pem, struct str ca_pem,
		       struct error *err);
/* Connections of now take no new requests; open streams end with ERR_NETWORK "connections dropped: reason". Any thread.
 */
void http_drop_connections(struct http *http, const char *reason);
/* Changes the token bucket, for a job that may go faster. Any thread. */
void http_set_rate(struct http *http, unsigned rate_per_s, unsigned burst);
const char *http_base_url(const struct http *http);
bool http_is_read_only(const struct http *http);

/* In real time: for so long the sockets of watches are left alone after a turn that gave little. */
#define HTTP_WATCH_REST_MS 24

enum http_mode {
	HTTP_ANSWER, /* ends by itself: gzip, progress deadline */
	HTTP_WATCH,  /* may be silent for minutes; shares an HTTP/2 connection; never paused */
	HTTP_ALONE,  /* the same on a connection of its own, HTTP/1.1; may be paused: logs, copies */
	HTTP_UPGRADE /* streams only: a GET that asks by its headers for another protocol (Connection, Upgrade). 101 opens the
			stream, which then goes both ways; any other answer is a refusal. May be paused. */
};

/* What is waited for before the next attempt. Borrowed during the callback. */
struct http_wait {
	unsigned attempt; /* that failed, from 1 */
	int64_t wait_ms;
	int status;	    /* of the answer; 0: there was none */
	bool server_asked;  /* by Retry-After */
	const char *reason; /* "HTTP 503", "connection refused", … */
};
typedef void http_wait_fn(const struct http_wait *wait, void *arg);

struct http_request {	    /* zero is a good default everywhere but path */
	const char *method; /* NULL: GET */
	const char *path;   /* "/api/v1/pods?limit=500", escaped (base/url.h); goes behind the base URL's prefix */
	const char *accept; /* NULL: application/json */
	const char *content_type;
	struct str body;
	const char *const *headers;  /* more lines "Name: value", NULL at the end; or NULL */
	size_t max_body_bytes;	     /* of the answer, decompressed; 0: 16 MiB; streams that end by themselves: 1 GiB */
	unsigned timeout_ms;	     /* all attempts together; 0: 60 s. Streams: until the headers are there */
	unsigned attempt_timeout_ms; /* one attempt; 0: what is left of timeout_ms */
	unsigned attempts;	     /* at most; 0: 6; 1: no retry but after 401 */
	unsigned retry_after_max_ms; /* 0: 60 s */
	bool idempotent;	     /* asking twice is as good as once */
	/*
	 * Allowed on a read_only server although it is no GET. Believed only for access reviews of oneself and for URLs
	 * with dryRun=All; anything else is refused with ERR_DENIED before it reaches the wire.
	 */
	bool safe;
	enum http_mode mode;
	bool chatty; /* HTTP_WATCH: gives much, and shares a connection only with its like, so that the quiet ones need no look each time */
	http_wait_fn *on_wait; /* before each pause, on the caller's thread (streams: never); may be NULL */
	void *on_wait_arg;
	/* HTTP_UPGRADE: what http_stream_write() could not send at once is sent. Gets the stream's arg; may be NULL. */
	void (*on_drain)(void *arg);
};

struct http_response {
	int status;
	struct buf body;
	struct buf head;	/* header lines of the final answer, each ended by \n */
	int64_t retry_after_ms; /* as asked, not capped; -1: not asked or not understood */
	int64_t date_us;	/* the server's Date; 0: none */
	unsigned attempts;
	int64_t elapsed_ms; /* from the call to the end, pauses included */
	bool http2;
	unsigned local_port; /* tells connections apart, for tests and debug logs */
};
void http_response_release(struct http_response *response);
DEFINE_AUTO_RELEASE(http_response);
/* The nth (from 0) header of that name, case ignored. Borrowed from response. */
bool http_response_header(const struct http_response *response, const char *name, size_t nth, struct str *ret_value);
bool http_ok(const struct http_response *response); /* 200 to 299 */

/* Sleeps until answer, cancel or deadline. ret is replaced (what it held is released) on success only. Not on the net
 * thread. */
bool http_call(struct http *http, const struct http_request *request, const struct cancel *cancel,
	       struct http_response *ret, struct error *err);

/*
 * Many calls at once, at most `parallel` on the wire (0: 32), over one HTTP/2 connection:
 *
 *     AUTO(http_group) group = http_group_create(http, 0, cancel);
 *     http_group_add(group, &request, object);            more may be added at any time, also between results
 *     while (http_group_next(group, &result, &err)) …     in order of their ending
 *     if (err.kind) …                                     cancelled; without error: nothing is left
 *
 * One thread at a time. Destroying it abandons what is still under way, at once.
 */
struct http_group;
struct http_result {
	void *tag;
	struct http_response response;
	struct error error; /* kind ERR_NONE: there is a response */
};
void http_result_release(struct http_result *result);
DEFINE_AUTO_RELEASE(http_result);
struct http_group *http_group_create(struct http *http, unsigned parallel, const struct cancel *cancel);
void http_group_destroy(struct http_group *group);
DEFINE_AUTO(http_group);
/* Keeps a copy of the request; tag comes back with its result. Retries of it are reported through its on_wait. */
void http_group_add(struct http_group *group, const struct http_request *request, void *tag);
/* Gives the next result into ret (released first). False: none is left, or cancelled (err is set). */
bool http_group_next(struct http_group *group, struct http_result *ret, struct error *err);

/*
 * After a cancel, to learn what became of what was sent: nothing more goes out, and results come as from http_group_next() until due_ms.
 * What was added and never sent ends with ERR_CANCELLED and no attempts. False: none is left, or the time is over.
 */
bool http_group_drain(struct http_group *group, struct clock *clock, int64_t due_ms, struct http_result *ret);

/* The same for requests that are all known before. on_done (may be NULL) runs on the caller's thread as each ends. */
struct http_call {
	struct http_request request;
	struct http_response response;
	struct error error;
	bool done;
};
/* False only when cancelled: then those that did not end have done false. Release each call's response and error. */
bool http_call_group(struct http *http, struct http_call *calls, size_t n, unsigned parallel,
		     const struct cancel *cancel, void (*on_done)(struct http_call *call, void *arg), void *arg,
		     struct error *err);

/*
 * An answer read as it comes: list pages (HTTP_ANSWER), watches, logs. Callbacks run on the net thread, none inside
 * http_stream_open(). Not retried (whoever watches knows how to go on), except once after 401; takes from the token
 * bucket.
 */
struct http_stream;
struct http_stream_ops {
	/* Status 200 to 299 (HTTP_UPGRADE: 101) and headers are there (response->body is empty). May be NULL. */
	void (*on_open)(const struct http_response *response, void *arg);
	/* Borrowed bytes. False ends the stream with ERR_LIMIT "the reader refused …" (the reader knows why). */
	bool (*on_data)(struct str bytes, void *arg);
	/* Exactly once, last, unless closed before. refusal: an answer of another status, with its body (64 KiB at
	 * most). Both NULL: a clean end. */
	void (*on_end)(const struct http_response *refusal, const struct error *err, void *arg);
};
/* Copies request and ops. Refusals of read_only come through on_end too. Any thread. */
struct http_stream *http_stream_open(struct http *http, const struct http_request *request,
				     const struct http_stream_ops *ops, void *arg);
/* Frees it, also after on_end; wanted once per stream. No callback runs after this returns; from another thread it
 * waits for one that is running. Allowed inside the stream's own callbacks. NULL is fine. */
void http_stream_close(struct http_stream *stream);
/* HTTP_ALONE and HTTP_UPGRADE only: stops reading (TCP holds the server back) and goes on. Net thread only. */
void http_stream_pause(struct http_stream *stream, bool paused);
/* HTTP_UPGRADE, from on_open to on_end: sends bytes as soon as the other side takes them; a copy waits meanwhile. Net thread
 * only. */
void http_stream_write(struct http_stream *stream, struct str bytes);
/* How much of that still waits. */
size_t http_stream_unsent(const struct http_stream *stream);

/* "120", an HTTP date (then relative to wall_us); -1 when it is neither. Negative waits become 0. */
int64_t http_parse_retry_after(struct str text, int64_t wall_us);

#endif
