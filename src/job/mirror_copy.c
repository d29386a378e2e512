#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "job/mirror_private.h"

/* ---- one blob ---- */

struct carried { /* what the callbacks need */
	struct mirror *mirror;
	const char *who;
};

static void on_bytes(int64_t bytes, void *arg)
{
	atomic_fetch_add(&((struct carried *)arg)->mirror->done_bytes, bytes);
}

static void on_retry(const char *why, int64_t pause_ms, void *arg)
{
	const struct carried *carried = arg;

	crew_retry(&carried->mirror->crew, carried->who, why, pause_ms);
}

/* The first image that wants a blob, for what is said of it. */
static const char *who_wants(const struct mirror *m, size_t blob)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; m->images[i].blobs && k < m->images[i].nparts; k++)
			if (m->images[i].blobs[k] == blob)
				return m->images[i].of->key.text;
	return NULL;
}

/* Where the destination has it already: another repository that it was brought to, or the source in the same registry. */
static const char *mount_source(const struct mirror *m, const struct mirror_blob *blob)
{
	const struct mirror_blob *twin = blob->twin ? &m->blobs[blob->twin - 1] : NULL;

	if (twin && (twin->there || twin->state == BLOB_DONE))
		return twin->to_repository;
	return strcmp(registry_host(blob->from), registry_host(blob->to)) == 0 ? blob->from_repository : NULL;
}

static bool carry(struct mirror *m, size_t at, struct error *err)
{
	struct mirror_blob *blob = &m->blobs[at];
	struct carried carried = { m, who_wants(m, at) };
	enum blob_result result;

	if (!blob_copy(&(struct blob_copy){ .from = blob->from,
					    .to = blob->to,
					    .from_repository = blob->from_repository,
					    .to_repository = blob->to_repository,
					    .digest = blob->digest,
					    .size_bytes = blob->size_bytes,
					    .mount_from = mount_source(m, blob),
					    .cancel = m->crew.stop,
					    .on_bytes = on_bytes,
					    .on_retry = on_retry,
					    .arg = &carried },
		       &result, err))
		return false;
	run_record_note(m->run, "POST %s/v2/%s/blobs/uploads/ %s %s", registry_host(blob->to), blob->to_repository,
			result == BLOB_MOUNTED ? "mounts" : "sends", blob->digest);
	blob->mounted = result == BLOB_MOUNTED;
	if (blob->mounted)
		on_bytes(blob->size_bytes, &carried);
	return true;
}

/* ---- one image ---- */

char *mirror_put(const struct mirror_image *image, const char *target)
{
	bool replaces = image->was && !strchr(target, ':');

	return xasprintf("PUT %s/v2/%s/manifests/%s%s%s", registry_host(image->destination), image->to.repository, target, replaces ? " instead of " : "",
			 replaces ? image->was : "");
}

static bool put_all(struct mirror *m, struct mirror_image *image, struct error *err)
{
	struct crew_voice voice = { &m->crew, image->of->key.text };
	const struct registry_call call = { .cancel = m->crew.stop, .on_retry = crew_on_retry, .arg = &voice, .writes = true };

	for (size_t i = 0; i < image->nmanifests; i++) {
		const struct manifest *manifest = &image->manifests[i];
		bool last = i + 1 == image->nmanifests;
		const char *target = last && !image->to.digest ? image->to.tag : manifest->digest;

		AUTO_FREE char *request = mirror_put(image, target);

		if (!cancel_check(m->crew.stop, err))
			return false;
		run_record_note(m->run, "%s", request);
		if (!registry_put_manifest(image->destination, image->to.repository, target, manifest, &call, err))
			return false;
	}
	return true;
}

static bool carry_again(struct mirror *m, const struct mirror_image *image, struct error *err)
{
	for (size_t i = 0; i < image->nparts; i++) {
		int64_t before = atomic_load(&m->done_bytes);

		if (!carry(m, image->blobs[i], err))
			return false;
		atomic_store(&m->done_bytes, before); /* it was counted the first time */
	}
	return true;
}

/* A registry may have thrown away what it had when we looked; then its blobs go once more. */
static bool publish(struct mirror *m, struct mirror_image *image, struct error *err)
{
	if (put_all(m, image, err))
		return true;
	if (!err->message || !strstr(err->message, "BLOB_UNKNOWN"))
		return false;
	error_release(err);
	return carry_again(m, image, err) && put_all(m, image, err);
}

/* ---- what is next, under the lock ---- */

enum readiness { READY, NOT_YET, HOPELESS };

static enum readiness readiness_of(struct mirror *m, const struct mirror_image *image, size_t *ret_failed)
{
	enum readiness readiness = READY;

	for (size_t i = 0; i < image->nparts; i++) {
		enum blob_state state = m->blobs[image->blobs[i]].state;

		if (state == BLOB_FAILED) {
			*ret_failed = image->blobs[i];
			return HOPELESS;
		}
		if (state != BLOB_DONE)
			readiness = NOT_YET;
	}
	return readiness;
}

static struct mirror_image *next_image(struct mirror *m)
{
	size_t failed;

	for (size_t i = 0; i < m->n; i++) {
		struct mirror_image *image = &m->images[i];

		if (image->state != IMAGE_OPEN || !mirror_may_go(image))
			continue;
		switch (readiness_of(m, image, &failed)) {
		case READY:
			return image;
		case HOPELESS:
			error_copy(&image->err, &m->blobs[failed].err);
			image->state = IMAGE_ENDED;
			break;
		case NOT_YET:
			break;
		}
	}
	return NULL;
}

static bool is_wanted(const struct mirror *m, size_t blob)
{
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; mirror_may_go(&m->images[i]) && k < m->images[i].nparts; k++)
			if (m->images[i].blobs[k] == blob)
				return true;
	return false;
}

/* A twin that is on its way is waited for, so that it is mounted and not sent twice. */
static bool may_begin(const struct mirror *m, size_t at)
{
	const struct mirror_blob *blob = &m->blobs[at];

	if (blob->state != BLOB_WAITS || !is_wanted(m, at))
		return false;
	enum blob_state twin = blob->twin ? m->blobs[blob->twin - 1].state : BLOB_DONE;

	return twin == BLOB_DONE || twin == BLOB_FAILED || (twin == BLOB_WAITS && !is_wanted(m, blob->twin - 1));
}

static bool next_blob(const struct mirror *m, size_t *ret)
{
	for (size_t i = 0; i < m->nblobs; i++)
		if (may_begin(m, i)) {
			*ret = i;
			return true;
		}
	return false;
}

static bool somebody_works(const struct mirror *m)
{
	for (size_t i = 0; i < m->nblobs; i++)
		if (m->blobs[i].state == BLOB_RUNS)
			return true;
	for (size_t i = 0; i < m->n; i++)
		if (m->images[i].state == IMAGE_PUBLISHING)
			return true;
	return false;
}

/* True: an image or (NULL) a blob was taken. */
static bool take(struct mirror *m, struct mirror_image **ret_image, size_t *ret_blob)
{
	*ret_image = NULL;
	while (!cancel_requested(m->crew.stop)) {
		*ret_image = next_image(m);
		if (*ret_image) {
			(*ret_image)->state = IMAGE_PUBLISHING;
			return true;
		}
		if (next_blob(m, ret_blob)) {
			m->blobs[*ret_blob].state = BLOB_RUNS;
			return true;
		}
		if (!somebody_works(m))
			return false;
		pthread_cond_wait(&m->changed, &m->lock);
	}
	return false;
}

bool copy_work(void *mirror)
{
	struct mirror *m = mirror;
	struct mirror_image *image;
	AUTO_RELEASE(error) err = { 0 };
	size_t blob = 0;
	bool good;

	pthread_mutex_lock(&m->lock);
	bool taken = take(m, &image, &blob);

	pthread_mutex_unlock(&m->lock);
	if (taken)
		good = image ? publish(m, image, &err) : carry(m, blob, &err);
	pthread_mutex_lock(&m->lock);
	if (taken && image) {
		image->state = IMAGE_ENDED;
		error_move(&image->err, &err);
	} else if (taken) {
		m->blobs[blob].state = good ? BLOB_DONE : BLOB_FAILED;
		error_move(&m->blobs[blob].err, &err);
	}
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	return taken;
}
