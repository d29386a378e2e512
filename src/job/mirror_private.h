/*
 * mirror_private: what the files of the job mirror share. Nobody else includes this.
 *
 *   mirror.c       the job: what it says, its verdict
 *   mirror_plan.c  which images, what of each is there already: the list of blobs, in the order in which they go
 *   mirror_copy.c  blobs, then manifests, then the tag
 *
 * Workers share the plan under its lock; only the job's thread calls the sink.
 */
#ifndef SLOTDECK_JOB_MIRROR_PRIVATE_H
#define SLOTDECK_JOB_MIRROR_PRIVATE_H

#include <pthread.h>

#include "base/map.h"
#include "job/crew.h"
#include "job/images.h"
#include "registry/reference.h"
#include "registry/registry.h"

enum blob_state { BLOB_WAITS, BLOB_RUNS, BLOB_DONE, BLOB_FAILED };

/* A blob that is to be in a repository. */
struct mirror_blob {
	struct registry *from, *to; /* borrowed from the mirror */
	const char *from_repository, *to_repository; /* of the first image that wants it */
	char *digest;
	int64_t size_bytes;
	size_t twin; /* an earlier one that brings the same to another repository of that registry: index + 1; 0: none */
	bool there;  /* before we came */
	bool mounted;
	enum blob_state state; /* under the lock */
	struct error err;
};

enum image_state { IMAGE_OPEN, IMAGE_PUBLISHING, IMAGE_ENDED };

struct mirror_image {
	const struct stack_image *of;
	struct reference from, to;
	struct registry *source, *destination; /* borrowed */
	char *digest;	/* that the tag will lead to */
	char *was;	/* that it leads to now; NULL: there is none */
	bool there;	/* both are the same */
	struct manifest *manifests; /* in the order in which they go; the image's own last */
	size_t nmanifests, manifests_cap;
	struct descriptor *parts; /* all blobs of all of them, once each, largest first; texts borrowed from the manifests */
	size_t nparts, parts_cap;
	size_t *blobs; /* indices into the mirror's, as parts */
	enum image_state state; /* under the lock */
	bool told;
	struct error err;
};

struct mirror {
	struct run *run;
	struct crew crew;
	const struct mirror_options *options;
	struct map registries; /* role and host → struct registry */
	struct mirror_image *images; /* in the file's order */
	size_t n;
	struct mirror_blob *blobs;
	size_t nblobs, blobs_cap;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t next; /* of the phase that is under way */
	_Atomic int64_t done_bytes; /* of what is to be copied */
	int64_t total_bytes;
	int64_t told_bytes, told_ms; /* the progress that was told last */
};

/* ---- plan ---- */

/* Reads the images of the stack. False: a finding was told that is an error. */
bool mirror_choose(struct mirror *m);
/* Asks registries what the images are made of and what is there. Failures stay with the images. */
void mirror_look(struct mirror *m);
void mirror_release(struct mirror *m);
bool mirror_may_go(const struct mirror_image *image); /* it is to be copied, and nothing stands against it */

/* ---- copy ---- */

/* "PUT registry.example/v2/REPOSITORY/manifests/TARGET", and what it replaces. Gives. */
char *mirror_put(const struct mirror_image *image, const char *target);
/* One step of the copying: a blob, or an image whose blobs are all there. False: nothing is left. */
bool copy_work(void *mirror);

#endif
