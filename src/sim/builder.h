/*
 * builder: plays kaniko in the pods that `slotdeck images build` makes. Private to src/sim.
 *
 * Such a pod is known by the argument --digest-file of its container. Its init container waits until an archive was unpacked through exec;
 * the Dockerfile in it says what is "run", each instruction with its lines in kaniko's text log and its time. At the end an image of
 * made up layers is in the registry that sim_options names, and its digest is the termination message. What a Dockerfile can order:
 *
 *     RUN sleep 30          takes that long                 RUN sim-oom           is killed for want of memory
 *     RUN exit 3            fails with that code            RUN sim-evict         the pod is evicted
 *     RUN sim-wrong-digest  tells another digest            RUN sim-no-digest     tells none
 */
#ifndef SLOTDECK_SIM_BUILDER_H
#define SLOTDECK_SIM_BUILDER_H

#include "sim/websocket.h"
#include "sim/world.h"

bool builder_is(const json_t *pod);
/* Its context is not there yet. */
bool builder_waits(const json_t *pod);

struct build_script {
	struct build_line {
		int64_t ms; /* from the start, unscaled */
		char *text;
	} *lines;
	size_t n, cap;
	int64_t takes_ms;
	int code; /* of the container's end */
	const char *reason; /* "OOMKilled", "Evicted"; NULL: as the code says */
	bool wrong_digest, no_digest;
};
/* Gives what happens in such a pod. */
struct build_script *builder_script(const json_t *pod);
void builder_script_free(struct build_script *script);
/* Pushes; gives the termination message. */
char *builder_push(struct sim *sim, const json_t *pod, const struct build_script *script);

/* An exec of `sh -c "… head -c N | tar -xf - …"`: how many bytes it takes; -1: it is another command. */
int64_t builder_takes_bytes(char *const *argv, size_t argc);
struct unpacking { /* all zero: nothing came yet */
	struct buf block;
	int64_t left, pad; /* of the present file */
	bool is_dockerfile, whole, broken;
	struct buf dockerfile;
};
void unpacking_release(struct unpacking *u);
void builder_unpack(struct unpacking *u, struct str bytes);
/* All has come: keeps it with the pod. Takes the lock. */
void builder_keep(struct sim *sim, const char *ns, const char *name, const struct unpacking *u);

#endif
