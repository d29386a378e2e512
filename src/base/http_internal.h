/*
 * http_internal: what the files of the http module share. Nobody else includes this.
 *
 *   http.c           the server object, token bucket, credentials
 *   http_group.c     calls, one or many, for threads that sleep until the answer
 *   http_stream.c    answers read as they come, by callbacks
 *   http_request.c   a request is checked (also against read-only) and copied, on the caller's thread
 *   http_upgrade.c   a connection that left HTTP behind: both ways, byte by byte
 *   http_transfer.c  one request from submission to its end: attempts, deadlines, retries
 *   http_lane.c      one curl multi handle on the loop: its connections, its sockets, its probe
 *   http_tape.c      what goes into a recording, and what comes out of one instead of a server
 *   http_retry.c     what is tried again and when, as functions of plain values
 *   http_tls.c       PEM checks, and the words for what went wrong with TLS and transport
 *
 * Caller threads make a struct transfer, fill it and post it; from then on it belongs to the net thread. Answers come
 * back through the mailbox of a group, or as callbacks of a stream. No public function runs curl inline: everything is
 * posted, so that curl is never entered from one of its own callbacks.
 */
#ifndef SLOTDECK_BASE_HTTP_INTERNAL_H
#define SLOTDECK_BASE_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/http.h"
#include "base/queue.h"
#include "base/url.h"

#define HEADER_LIMIT_MS	     10000
#define HEADER_LIMIT_BYTES   ((size_t)64 << 10)
#define PROGRESS_WINDOW_MS   30000
#define PROGRESS_MIN_BYTES   (30 * 1024)
#define REFUSAL_MAX_BYTES    ((size_t)64 << 10)
#define DEFAULT_STREAM_BYTES ((size_t)1 << 30)
#define PAUSABLE_BUFFER_BYTES (1 << 20)
#define WATCHES_PER_LANE     90
#define WATCH_WINDOW_MS      100
#define WATCH_BURST          (512 * 1024) /* bytes in a window: more is coming, no rest */
#define PROBE_IDLE_MS	     30000
#define PROBE_LIMIT_MS	     15000
#define LANE_TICK_MS	     5000
#define SUSPEND_JUMP_MS	     60000

/* Who we are to the server and whom we trust. Shared, never changed once made. */
struct identity {
	atomic_uint refs;
	struct str ca_pem;
	struct secret cert_pem, key_pem;
};
struct identity *identity_ref(struct identity *identity);
void identity_unref(struct identity *identity);

/* What the certificate check of the newest handshake on a lane saw. */
struct tls_report {
	int code; /* X509_V_ERR_…; 0: the chain was good */
	int depth;
	int64_t not_before_us, not_after_us;
	struct buf subject, issuer, names;
};
void tls_report_release(struct tls_report *report);
/* For CURLOPT_SSL_CTX_FUNCTION; data is the struct tls_report. */
CURLcode tls_watch_handshake(CURL *easy, void *ssl_ctx, void *data);
/* ERR_INVALID when a PEM cannot be read, has no certificate, or the key is not the certificate's. */
bool tls_check_pem(struct str ca_pem, struct str cert_pem, struct str key_pem, struct error *err);

/* Why there is no answer, as far as retrying cares. */
enum cause {
	CAUSE_NONE,
	CAUSE_UNSENT, /* the server never saw the request */
	CAUSE_NAME,   /* the same, but the name was not resolved */
	CAUSE_BROKEN, /* it may or may not have acted on it */
	CAUSE_FINAL   /* trying again gives the same */
};
/* Sets err (without context) from curl's result and says which cause it is. */
enum cause http_explain(CURL *easy, CURLcode code, const char *error_text, const struct tls_report *report,
			const char *wanted_name, int64_t wall_us, struct error *err);

struct retry_input {
	bool repeatable;     /* GET, HEAD or marked idempotent */
	unsigned attempt;    /* that ended, from 1 */
	unsigned attempts;   /* at most */
	int status;	     /* 0: no answer */
	bool server_timeout; /* 500 whose Status says ServerTimeout */
	enum cause cause;
	int64_t retry_after_ms; /* -1: none */
	int64_t retry_after_max_ms;
	int64_t left_ms; /* until the deadline */
	double chance;	 /* 0 ≤ chance < 1 */
};
/* True: wait that long and try again. */
bool retry_decide(const struct retry_input *input, int64_t *ret_wait_ms);

/* Where results of a group go. Shared by the group and its transfers. */
struct mailbox {
	atomic_uint refs;
	struct queue *letters;
};
struct mailbox *mailbox_ref(struct mailbox *mailbox);
void mailbox_unref(struct mailbox *mailbox);

struct letter {
	bool is_wait;
	struct http_wait wait;
	char *wait_reason;
	http_wait_fn *on_wait;
	void *on_wait_arg;
	struct http_result result;
};

struct http_stream {
	atomic_uint refs;
	struct http *http;
	enum http_mode mode;
	struct http_stream_ops ops;
	void (*on_drain)(void *arg);
	void *arg;
	pthread_mutex_t lock;	   /* recursive; held while a callback runs */
	atomic_bool closed;	   /* set under lock */
	atomic_bool paused;	   /* the next bytes pause it */
	bool ended;		   /* under lock */
	struct transfer *transfer; /* net thread only */
};
void stream_unref(struct http_stream *stream);

enum transfer_state { TRANSFER_NEW, TRANSFER_QUEUED, TRANSFER_AUTHORISING, TRANSFER_ON_WIRE, TRANSFER_PAUSING };

struct track;	 /* of one attempt, into a recording */
struct exchange; /* one attempt, out of a recording */

struct transfer {
	struct transfer *next, **prev; /* in http->transfers; net thread only */
	struct transfer *next_waiting; /* in the bucket's or the authoriser's line */
	struct http *http;	       /* reference */
	enum transfer_state state;

	/* The request; ours. */
	char *method, *path, *accept, *content_type;
	char **headers;
	size_t nheaders, headers_cap;
	struct buf body;
	size_t max_body_bytes;
	unsigned timeout_ms, attempt_timeout_ms, attempts, retry_after_max_ms;
	bool idempotent, has_authorization, probe, chatty;
	enum http_mode mode;
	http_wait_fn *on_wait;
	void *on_wait_arg;

	/* Where the result goes. */
	void *tag;
	struct mailbox *mailbox;    /* reference, or NULL */
	struct http_stream *stream; /* reference, or NULL */

	/* The attempt under way. */
	CURL *easy;
	struct upgrade *upgrade; /* it is ours to read and write, or NULL */
	struct track *track;	 /* NULL: nothing is recorded */
	struct exchange *exchange; /* that stands for the wire, or NULL */
	struct lane *lane;	 /* NULL with exchange */
	struct identity *identity;
	struct curl_slist *lines, *connect_to;
	char curl_text[CURL_ERROR_SIZE];
	size_t body_sent;
	struct http_response response;
	struct error error; /* ours; goes before what curl says */
	enum cause cause;   /* of that error */
	size_t head_bytes;
	int64_t body_bytes, progress_mark;
	bool head_done, opened, received;
	int64_t attempt_due_ms, head_due_ms, progress_due_ms;

	/* Over all attempts. */
	unsigned attempt;
	int64_t started_ms, due_ms;
	struct timer timer;
	struct secret authorization, token;
	uint64_t generation, refused_generation;
	bool refreshed;
};

/* Gives a transfer that nobody has submitted; err when the request cannot be one. */
struct transfer *transfer_create(struct http *http, const struct http_request *request, struct error *err);
void transfer_free(struct transfer *t);
/* Net thread from here on. */
void transfer_start(struct transfer *t);
/* For http_post(): starts it, or fails it when the server object has gone meanwhile. arg is the transfer. */
void transfer_start_posted(void *arg);
/* Ends it without telling anybody. */
void transfer_abort(struct transfer *t);
/* Ends it with err as result; takes what is in err. */
void transfer_fail(struct transfer *t, struct error *err);
/* Ends the attempt, which may be repeated. */
void transfer_break(struct transfer *t, enum cause cause, struct error *err);
/* A token was there. */
void transfer_go(struct transfer *t);
/* The credential is there, or err says why not. */
void transfer_authorised(struct transfer *t, enum http_auth_result result, struct http_credential *credential,
			 struct error *err);
/* curl is done with it. */
void transfer_finish_attempt(struct transfer *t, CURLcode code);
/* What curl calls with a line of the head, and with a piece of the body. 0: no more is wanted. */
size_t transfer_take_header(char *bytes, size_t size, size_t n, void *transfer);
size_t transfer_take_body(char *bytes, size_t size, size_t n, void *transfer);
/* What was written to its stream is sent. */
void transfer_tell_drained(struct transfer *t);
/* Adds the method and URL to err. */
void transfer_wrap(const struct transfer *t, struct error *err);

/* What curl, or a recording in its stead, tells in the end; takes what is in err. */
void transfer_end_attempt(struct transfer *t, enum cause cause, struct error *err);

/* Into a recording; each does nothing when there is none. */
void tape_begin(struct transfer *t);
void tape_head(struct transfer *t);
void tape_body(struct transfer *t, struct str bytes);
void tape_answered(struct transfer *t);
void tape_failed(struct transfer *t, enum cause cause, const struct error *err);
/* The attempt is over, whether or not it came to an end. */
void tape_end(struct transfer *t);
/* Out of one: the attempt goes to the player instead of a server; false: there is no player. */
bool tape_plays(struct transfer *t);
/* The attempt is given up. */
void tape_leave(struct transfer *t);
/* It is not paused any more. */
void tape_go_on(struct transfer *t);

/* HTTP_UPGRADE: curl has made the connection. Sends the request, and reads from now on. */
bool upgrade_begin(struct transfer *t, struct error *err);
/* Lets go of the connection, which curl then closes. */
void upgrade_end(struct upgrade *upgrade);
void upgrade_write(struct upgrade *upgrade, struct str bytes);
size_t upgrade_unsent(const struct upgrade *upgrade);
void upgrade_pause(struct upgrade *upgrade, bool paused);
void upgrade_read(void *upgrade);

struct lane {
	struct lane *next;
	struct http *http; /* reference */
	enum http_mode mode;
	struct identity *identity;
	CURLM *multi;
	uv_timer_t timer;
	uv_idle_t soon; /* curl wants to be called again at once */
	uv_timer_t rest; /* runs while sockets rest */
	unsigned open_handles;
	struct lane_socket *sockets;
	struct tls_report report;
	unsigned refs; /* http's list, transfers, and whoever works on it */
	unsigned nstreams;
	bool chatty, retired;
	int64_t last_byte_ms, suspended_ms;
	uint64_t taken; /* bytes of bodies, ever */
	uint64_t window_ms, window_bytes; /* when a look at how much comes began, and what came since */
	struct timer tick;
	struct transfer *probe;
};
/* A lane of that mode with room, with a reference for the caller; chatty ones are apart. */
struct lane *lane_get(struct http *http, enum http_mode mode, bool chatty);
void lane_unref(struct lane *lane);
/* Takes no new transfers and closes with its last one. */
void lane_retire(struct lane *lane);
/* The same for all that were made with another identity, or before this machine slept. */
void lane_retire_stale(struct http *http, struct identity *identity);
/* Retires it and breaks all that runs on it. */
void lane_break(struct lane *lane, const char *why);
bool lane_add(struct lane *lane, struct transfer *t);
void lane_remove(struct lane *lane, struct transfer *t);
/* Lets curl work after something was changed from outside. */
void lane_kick(struct lane *lane);

struct http {
	atomic_uint refs;
	struct net *net;

	/* Never changed. */
	char *base_url;		  /* as given, without a trailing slash */
	char *origin;		  /* scheme://name:port, name being tls_server_name if there is one */
	char *prefix;		  /* path of the base URL without trailing slash */
	char *check_name;	  /* what the certificate must be for */
	char *connect_to;	  /* or NULL */
	char *host_header;	  /* or NULL */
	char *proxy;		  /* NULL: curl decides by the environment; "": none */
	struct secret proxy_user; /* so that logs mask it */
	char *user_agent, *probe_path;
	bool tls, insecure, disable_compression, http1_only, read_only, authorise_without_tls;
	unsigned connect_timeout_ms;
	http_authorise_fn *authorise;
	void (*authorise_release)(void *arg);
	void *authorise_arg;

	pthread_mutex_t lock;
	struct identity *identity; /* under lock */
	bool closed;		   /* under lock: destroyed, or the net is gone */

	/* Net thread only. */
	struct net_member member;
	bool joined, dead;
	struct transfer *transfers;
	struct lane *lanes;
	double rate_per_ms, burst, tokens;
	int64_t tokens_at_us;
	struct transfer *line_first, **line_last; /* waiting for a token */
	struct timer bucket;
	struct transfer *auth_first, **auth_last; /* waiting for the one blocking call of the hook */
	bool auth_running;
	uint64_t seed;
};
struct http *http_ref(struct http *http);
void http_unref(struct http *http);
/* Posts fn(arg) to the net thread unless the server object is closed: then false. */
bool http_post(struct http *http, void (*fn)(void *arg), void *arg);
int64_t http_now_ms(const struct http *http);
double http_chance(struct http *http);
struct identity *http_identity(struct http *http); /* gives a reference */
/* Calls transfer_go() now or when it is t's turn. */
void http_take_token(struct http *http, struct transfer *t);
/* Calls transfer_authorised() now or later. */
void http_authorise(struct http *http, struct transfer *t);
/* Lines of transfers, linked by next_waiting; last points to where the next one goes. */
void line_push(struct transfer ***last, struct transfer *t);
struct transfer *line_pop(struct transfer **first, struct transfer ***last);
/* t leaves every line it stands in. */
void http_forget_waiting(struct http *http, struct transfer *t);

#endif
