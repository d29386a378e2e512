/*
 * logs: the logs of pods, workloads or environments, one or several, as one stream of lines, followed.
 *
 *   net thread: one log_follow per container ► log_merge (by time) ► blocks ─ queue ─► main thread: log_store (bounded) ► filter
 *
 * Which containers belong to it comes from the live model: new pods join, gone ones end. Nothing is lost on the way: when the main
 * thread does not take what is there, the servers are held back (TCP). Created, polled and destroyed on the thread of the live model;
 * nothing here waits for the network.
 */
#ifndef SLOTDECK_LIVE_LOGS_H
#define SLOTDECK_LIVE_LOGS_H

#include "kube/log_follow.h"
#include "live/live.h"
#include "live/log_save.h"
#include "model/log_store.h"

#define LOGS_MAX_BYTES (32u << 20) /* of kept lines */
#define LOGS_STREAMS   50	   /* containers that are followed at a time; others wait until one ends */

struct logs;

struct logs_target { /* texts are copied; title for an environment, else kind, namespace and name */
	const struct kind *kind; /* NULL: an environment; else Pod or whatever owns pods */
	const char *namespace, *name;
	const char *title; /* of the environment (struct environment) */
};

struct logs_range {
	int64_t since_s; /* 0: from the start */
	int64_t tail;	 /* lines of each container; 0: all */
	bool previous;	 /* with the former run of each container in front */
};

struct logs_source { /* one container of one pod, as long as logs live */
	char *namespace, *pod, *uid, *container;
	char *short_name; /* "x2k", "users-x2k/proxy", "slot 2/users-x2k": what tells it from the others here */
	enum log_follow_state state;
	char *why; /* of WAITING and REFUSED; never NULL */
};

/* Of all ntargets; a container that belongs to several is read once. Borrows live until logs_destroy(). max_bytes 0: LOGS_MAX_BYTES. */
struct logs *logs_create(struct live *live, const struct logs_target *targets, size_t ntargets, const struct logs_range *range, size_t max_bytes);
/* NULL is fine. */
void logs_destroy(struct logs *logs);
DEFINE_AUTO(logs);

/* Readable while lines wait; borrowed, never read from it. */
int logs_fd(const struct logs *logs);
/*
 * Takes lines and works off the filter, for budget_ms at most (0: all that is there). True: something that is shown may have
 * changed. Lines from keep on are not dropped for new ones: then the servers wait (LOG_SERIAL_NONE: any may go).
 */
bool logs_poll(struct logs *logs, int64_t budget_ms, uint64_t keep);
/* There is more to do at once. */
bool logs_has_more(const struct logs *logs);
/* The last logs_poll() did not take lines because of keep. */
bool logs_are_held(const struct logs *logs);
/* Stops taking lines, and goes on. Nothing is lost: the servers wait. */
void logs_pause(struct logs *logs, bool paused);

const struct logs_range *logs_range(const struct logs *logs);
/* Forgets all lines and reads again. */
void logs_set_range(struct logs *logs, const struct logs_range *range);
/* Borrowed until the range changes; lines come and go by logs_poll() only. */
struct log_store *logs_store(struct logs *logs);
/* Of the store (model/log_store.h); stays when the range changes. */
void logs_set_filter(struct logs *logs, log_filter_fn *wanted, void *arg);
size_t logs_count(const struct logs *logs);
const struct logs_source *logs_source(const struct logs *logs, size_t n); /* NULL past the end */
/* Ends all pauses: a person asked to try now. */
void logs_hurry(struct logs *logs);

/*
 * Saves what is shown (the filter counts) as "time source text" lines into a new file of mode 0600, on a thread of its own. An existing
 * file is never touched. Escape sequences and control characters are left out. One at a time: false when one is under way.
 */
bool logs_save(struct logs *logs, const char *path);
/* ret_text (may be NULL): the path and the lines, or why it failed; borrowed. */
enum logs_save_state logs_save_state(const struct logs *logs, const char **ret_text);

#endif
