/*
 * awaited: the objects of a plan under watch, judged by the health engine. What wait and status have in common. Private to src/job.
 */
#ifndef SLOTDECK_JOB_AWAITED_H
#define SLOTDECK_JOB_AWAITED_H

#include "job/run.h"
#include "kube/watcher.h"

struct awaited {
	struct run *run;
	struct watcher *watcher;
	struct store *store;
	struct health *health;
	struct plan *plan;    /* of model/health.h */
	struct kind **custom; /* kinds that are not built in */
	size_t ncustom, custom_cap;
	const struct deploy_object **objects; /* by index of plan_at() */
	size_t nobjects, objects_cap;
};

/* Starts watches for every kind that a verdict may look at. */
void awaited_open(struct awaited *awaited, struct run *run, const struct deploy_plan *plan, int64_t settle_ms);
void awaited_close(struct awaited *awaited);
/* Takes in what came, asks for log lines that explain, judges. ret_recheck_ms as plan_check(). */
enum plan_state awaited_judge(struct awaited *awaited, int64_t *ret_recheck_ms);
/* Nothing is loading any more: every verdict stands on a whole list, or on the lack of a right. */
bool awaited_is_complete(const struct awaited *awaited);
/* A kind that may not be listed or watched, in words; NULL if there is none. Gives. */
char *awaited_forbidden(const struct awaited *awaited);
/* A log line is still on its way for some crashed container. */
bool awaited_wants_lines(struct awaited *awaited);
/* JOB_WAIT for entry n, and with causes its chain as JOB_CAUSE. */
void awaited_emit(struct awaited *awaited, size_t n, bool with_causes);

#endif
