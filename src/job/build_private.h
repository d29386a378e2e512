/*
 * build_private: what the files of the job build share. Nobody else includes this.
 *
 *   build.c          the job: what it says, its verdict
 *   build_plan.c     which images, from what: all that is wrong with them before anything is begun
 *   build_context.c  the files, as a tar archive; build_ignore.c: without those that .dockerignore names
 *   build_objects.c  the Job and its Secret, as JSON
 *   build_run.c      one build: Job, Secret, context through exec, log, digest, and away with it all
 *   build_pod.c      what the Job and its pod say about how it goes
 *   build_log.c      what the builder's log says about where it is
 *
 * The Job's pod has two containers: `context` waits until the archive is unpacked in their common volume, then `builder` (kaniko) builds and
 * pushes. Its digest comes back as termination message. What the program leaves behind when it is killed, the cluster removes: the
 * Job has a deadline and a time to live, the Secret belongs to the Job.
 *
 * Workers share images under the lock of struct build; only the job's thread calls the sink.
 */
#ifndef SLOTDECK_JOB_BUILD_PRIVATE_H
#define SLOTDECK_JOB_BUILD_PRIVATE_H

#include <jansson.h>
#include <pthread.h>

#include "base/map.h"
#include "job/build_context.h"
#include "job/crew.h"
#include "job/images.h"
#include "registry/reference.h"
#include "registry/registry.h"

#define BUILD_VOLUME	"/kaniko/buildcontext" /* a path that kaniko keeps out of the image by itself */
#define BUILD_UPLOADER	"context"
#define BUILD_BUILDER	"builder"
#define BUILD_LABEL	"slotdeck.dev/build"

enum build_state { BUILD_WAITS, BUILD_RUNS, BUILD_ENDED };

struct build_image {
	const struct stack_image *of;
	struct reference to;
	char *destination; /* "host/repository:tag" */
	char *context, *dockerfile; /* absolute */
	struct map args; /* texts, in the file's order */
	struct map pulls; /* registries that the Dockerfile names → a repository there */
	struct build_context *archive;
	size_t stages;
	char *name; /* of the Job */
	/* under the lock */
	enum build_state state;
	unsigned thousandths;
	char *doing;
	/* of the worker, until it ended */
	char *digest;
	bool verified; /* the registry has it under the tag */
	struct error err;
	bool told;
};

struct build {
	struct run *run;
	struct crew crew;
	const struct build_options *options;
	const char *namespace;
	struct build_image *images; /* in the file's order */
	size_t n;
	pthread_mutex_t lock;
	size_t next;
	unsigned told_thousandths;
	char *told_doing;
	int64_t told_ms;
};

/* ---- plan ---- */

/* Reads the images of the stack and looks at their files. False: a finding was told that is an error, or it was cancelled (err). */
bool build_choose(struct build *b, struct error *err);
void build_images_release(struct build *b);

/* ---- objects ---- */

void build_job_json(const struct build *b, const struct build_image *image, bool has_login, struct buf *out);
/* config: docker's config.json; wiped by the caller, as out. */
void build_secret_json(const struct build *b, const struct build_image *image, const char *job_uid, struct str config, struct buf *out);

/* ---- what the cluster says ---- */

struct build_look {
	char *pod, *pod_uid; /* NULL: there is none */
	bool wants_context;  /* the container that waits for it runs */
	bool has_context;    /* it has ended well */
	bool started;	     /* the builder runs, or has run */
	bool complete, failed; /* the Job's conditions */
	bool pull_fails;
	char *waiting;	     /* why it does not go on, in words; NULL */
	char *digest;	     /* termination message; NULL */
	struct error end;    /* why it failed, without the log */
	bool wants_log;	     /* and the log tells more */
};
void build_look_release(struct build_look *look);
DEFINE_AUTO_RELEASE(build_look);
/* Asks for the Job and its pods. ERR_NOT_FOUND: the Job is gone. */
bool build_look(const struct build *b, const struct build_image *image, const struct cancel *cancel, struct build_look *ret, struct error *err);

/* ---- log ---- */

struct build_stage {
	size_t stage; /* from 1; 0: none yet */
	char *doing;  /* "npm ci" */
	bool pushes;
};
/* Takes in one line of kaniko's text log. True: there is something new to tell. */
bool build_stage_line(struct build_stage *stage, struct str line);
/* "stage 2 of 3: npm ci" */
char *build_stage_text(const struct build_stage *stage, size_t stages);

/* ---- one build ---- */

/* Takes the next image and builds it; false: nothing is left. */
bool build_work(void *build);

#endif
