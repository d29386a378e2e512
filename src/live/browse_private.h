/* browse_private: what the files of browse share. */
#ifndef SLOTDECK_LIVE_BROWSE_PRIVATE_H
#define SLOTDECK_LIVE_BROWSE_PRIVATE_H

#include "base/map.h"
#include "base/queue.h"
#include "kube/server_clock.h"
#include "live/browse.h"
#include "live/task.h"

struct open_table;
struct ask;

struct browse {
	struct kube *kube;
	struct clock *clock;
	struct server_clock server_clock; /* the net thread hears, the owner asks */
	struct queue *queue;		  /* what the feeds of tables send */
	struct tasks *tasks;
	int poll_fd; /* epoll over queue and tasks */

	struct open_table **tables;
	size_t ntables, tables_cap;
	unsigned last_table;

	enum browse_kinds kinds_state;
	bool kinds_asked; /* under way */
	int64_t kinds_asked_ms;
	char *kinds_why;
	const struct kube_resource **kinds;
	size_t nkinds, kinds_cap;
	struct arena *arena; /* of builtin */
	struct kube_resource **builtin;
	size_t nbuiltin, builtin_cap;

	struct ask **asks; /* open ones */
	size_t nasks, asks_cap;
	browse_id last_ask;
	struct map rights; /* struct right, by namespace, and by single question */
	char *only_looks;
};

void browse_right_free(void *right);

#endif
