/*
 * feed_private: what the rooms of a feed share. kube/feed.h says what a feed does.
 *
 *   feed.c          what it tells, what it sends, its life
 *   feed_trouble.c  pauses, and answers that are no data
 *   feed_list.c     pages
 *   feed_watch.c    events, bookmarks and how a watch ends
 *   feed_audit.c    what the server has against what was delivered (kube/feed_known.h)
 */
#ifndef SLOTDECK_KUBE_FEED_PRIVATE_H
#define SLOTDECK_KUBE_FEED_PRIVATE_H

#include "base/backoff.h"
#include "base/json.h"
#include "kube/feed.h"
#include "kube/feed_known.h"

#define FEED_PAGE "500" /* larger ones cost the server more: docs/performance.md */
#define FEED_OBJECT_MAX (8u << 20)
#define PAUSE_MAX_MS 30000
#define REFUSED_MS 60000
#define NO_STREAM_MS 3600000 /* a server or a role that refused to stream is not asked again so soon */
#define AUDIT_AGAIN_MS 5000
#define SILENT_MS 30000 /* without any proof: the watch is opened anew */
#define AUDIT_DIFFERENCES 64 /* as many are remembered; one is enough */
#define WATCH_SHORTEST_MS 800
#define HASTY_MAX 5 /* so many watches in a row may end earlier, each with news, and are resumed at once */

enum phase { PHASE_IDLE, PHASE_LISTING, PHASE_WATCHING, PHASE_PAUSED };

struct audit {
	struct http_stream *stream;
	struct json_reader *reader;
	struct json_fields *fields;
	struct timer timer;
	uint32_t round;
	char *from, *next; /* continue tokens: of the part at hand, of the next one; NULL is the start */
	size_t seen;
	/* What differed in this round and in the one before: hashes of uid and of the version that we have. */
	uint64_t now[AUDIT_DIFFERENCES], before[AUDIT_DIFFERENCES];
	size_t nnow, nbefore;
	bool behind; /* something differed that the watch will bring yet */
	struct known_set gone; /* since the round began */
};

struct feed {
	struct net *net;
	struct http *http;
	struct buf path; /* of the collection */
	char *label_selector, *field_selector, *crowd_selector;
	bool crowded; /* crowd_selector holds */
	const struct feed_ops *ops;
	void *arg;

	enum phase phase;
	enum scope_state told;
	char *told_why;
	struct http_stream *stream;
	struct json_reader *reader;
	struct json_fields *event_fields;
	struct timer timer, flush_timer;
	char *version;	/* resource version to watch from; NULL: list first */
	char noted_version[64]; /* of the object noted last; "": none, or a longer one */
	char *next;	/* continue token of the list */
	bool envelope_told;
	bool list_again; /* the stream at hand ends in a new list */
	bool streaming;	 /* the watch at hand gives the initial state */
	bool chatty, no_watch;
	enum scope_state list_state; /* what the list was refused with, while a stream is tried */
	char *list_why;
	int64_t no_watch_until_ms, no_stream_until_ms; /* by the loop's clock */
	unsigned relists;
	unsigned garbage;	/* watches in a row that ended in it */
	unsigned garbage_so_far;
	unsigned hasty;		/* watches in a row that ended early, with news */
	struct backoff backoff;
	int64_t opened_ms; /* of the stream, by the loop's clock */
	int64_t proof_ms;  /* the last one, the same */
	int64_t moved_ms;  /* when the watch last brought another version, the same */
	bool answered;	   /* the stream's headers are there */
	bool delivered;	   /* the watch at hand showed something that makes sense */
	bool busy;	   /* the server ended it, since it has too much to do (429) */
	int64_t busy_ms;   /* and asked us to wait so long; 0: it did not say */
	bool flimsy;	   /* the one before it ended early, with nothing */
	bool asked_to_wait; /* by the server: Retry-After, or its refusal */
	bool doubted;	   /* a watch missed changes; the next one has not proved itself yet */
	bool listed;	   /* what we have came from a list, so the list may be asked */
	struct known_set known;
	struct audit audit;
	struct error decode_error;
};

/* ---- feed.c ---- */

int64_t feed_now(const struct feed *feed); /* by the loop's clock */
/* Nothing is told twice but a pause. */
void feed_tell(struct feed *feed, enum scope_state state, const char *why, int64_t retry_after_ms);
void feed_tell_live(struct feed *feed);
void feed_tell_doubted(struct feed *feed);
/* Lists take the place of watches. */
bool feed_is_polled(const struct feed *feed);
void feed_mark(struct feed *feed, enum row_op op);
void feed_flush(struct feed *feed);
/* The watch is open, and what we have was proven since; with believe: by an audit. */
void feed_proven(struct feed *feed);
void feed_believe(struct feed *feed);
/* An object of a list or a watch. False: it makes no sense. */
bool feed_take_object(struct feed *feed, enum row_op op, struct str object);
void feed_log_garbage(struct feed *feed, struct str bytes, const char *why);
void feed_path_add(const struct feed *feed, struct buf *path);
void feed_prepare(struct feed *feed, struct http_request *request);
void feed_on_open(const struct http_response *response, void *arg);
/* In place of the one that is open. */
void feed_open_stream(struct feed *feed, const struct buf *path, enum http_mode mode, const struct http_stream_ops *ops, enum json_stream stream);
void feed_drop_stream(struct http_stream **stream);

/* ---- feed_trouble.c ---- */

struct feed_status {
	int64_t code, retry_after_s;
	struct buf reason, message;
};
void feed_status_release(struct feed_status *status);
DEFINE_AUTO_RELEASE(feed_status);

void feed_status_read(struct feed_status *status, struct str json);
void feed_pause(struct feed *feed, int64_t ms);
/* Says why, and tries again after a pause. */
void feed_trouble(struct feed *feed, const char *why, int64_t at_least_ms);
/* How long we wait when a server asks for so much: within reason, and 0 when it does not. */
int64_t feed_wait_asked_ms(int64_t asked_ms);
/* What an answer of 400 and more means for the list or watch at hand. */
void feed_refused(struct feed *feed, const struct http_response *refusal);
void feed_expired(struct feed *feed);
void feed_stay_out(struct feed *feed, enum scope_state state, const char *why, int64_t ms);
void feed_poll_soon(struct feed *feed);
/* The next try begins with a list. */
void feed_list_afresh(struct feed *feed);
/* A list begins: nothing is known yet. */
void feed_start_over(struct feed *feed);

/* ---- feed_list.c ---- */

struct feed_envelope {
	char *version, *next;
	int64_t remaining;
};

/* Behind the last byte of a page. The texts are given. */
bool feed_envelope_read(struct json_reader *reader, struct feed_envelope *ret, struct error *err);
void feed_list(struct feed *feed);
/* The last page, or the initial state of a stream, is there. */
void feed_list_whole(struct feed *feed);

/* ---- feed_watch.c ---- */

/* What is read of an event; given. */
struct json_fields *feed_event_fields(void);
void feed_watch(struct feed *feed);
/* A watch that gives the initial state first. */
void feed_stream(struct feed *feed);

/* ---- feed_audit.c ---- */

void feed_audit_plan(struct feed *feed, int64_t ms);
void feed_audit_afresh(struct feed *feed, int64_t ms);
int64_t feed_audit_pace(const struct feed *feed);

#endif
