/*
 * cause: the chain from an object down to what is wrong: object, its ReplicaSet, pod, container, last log line, last
 * warning event.
 *
 * Plain data that owns its texts; copied freely between threads with causes_copy().
 */
#ifndef SLOTDECK_MODEL_CAUSE_H
#define SLOTDECK_MODEL_CAUSE_H

#include <stdint.h>

#include "base/str.h"

enum cause_what { CAUSE_OBJECT, CAUSE_CONTAINER, CAUSE_LOG, CAUSE_EVENT };

struct cause {
	enum cause_what what;
	char *kind, *namespace, *name, *uid; /* of the object it is about */
	char *container;		     /* "" when it is none */
	char *reason;			     /* one word, or "" */
	char *message;			     /* one line, or "" */
	int32_t exit_code;		     /* of the last ended run; -1: none */
	int32_t restarts;		     /* -1: does not apply */
	int64_t at_ms;			     /* when it happened; 0: unknown */
};

struct causes {
	struct cause *items;
	size_t len, cap;
};
void causes_release(struct causes *causes);
DEFINE_AUTO_RELEASE(causes);
/* Appends a cause with copies of the texts (NULL is ""); borrowed, to fill in the rest. */
struct cause *causes_add(struct causes *causes, enum cause_what what, const char *kind, const char *namespace,
			 const char *name, const char *reason, const char *message);
void causes_copy(struct causes *to, const struct causes *from);
/* The deepest object, container or log line. NULL when empty. */
const struct cause *causes_deepest(const struct causes *causes);
/* "Pod users-6d9f-x2k: CrashLoopBackOff, 6 restarts, last exit code 1" */
void cause_format(const struct cause *cause, struct buf *out);

#endif
