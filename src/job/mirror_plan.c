#include <stdlib.h>
#include <string.h>

#include "job/mirror_private.h"

#define LOOKERS	     8
#define INDEX_DEPTH  4
#define MANIFESTS_MAX 1000

/* ---- which images ---- */

static struct registry *registry_of(struct mirror *m, const char *host, bool push)
{
	AUTO_FREE char *key = xasprintf("%s %s", push ? "push" : "pull", host);
	AUTO_FREE char *endpoint = m->options->endpoint ? xasprintf("%s/%s", m->options->endpoint, host) : NULL;
	struct registry *registry = map_get(&m->registries, str_of(key));

	if (registry)
		return registry;
	registry = registry_create(&(struct registry_options){ .net = m->run->context->net,
							       .host = host,
							       .endpoint = endpoint,
							       .insecure = push && m->options->insecure,
							       .skip_tls_verify = push ? m->options->skip_tls_verify : m->options->skip_tls_verify_pull,
							       .read_only = m->options->read_only,
							       .login = { .file = m->options->login_file, .deny_exec = m->options->deny_exec, .on_note = crew_note, .arg = &m->crew },
							       .retry_pause_ms = m->options->retry_pause_ms });
	map_set(&m->registries, str_of(key), registry);
	return registry;
}

static bool read_image(struct mirror *m, const struct stack_image *of, struct mirror_image *image)
{
	AUTO_RELEASE(error) err = { 0 };

	image->of = of;
	if (!reference_parse(str_of(of->from.text), &image->from, &err)) {
		error_wrap(&err, "image \"%s\": from", of->key.text);
		return image_find(m->run, of->from.at, &err);
	}
	if (!reference_parse(str_of(of->local.text), &image->to, &err)) {
		error_wrap(&err, "image \"%s\": local", of->key.text);
		return image_find(m->run, of->local.at, &err);
	}
	image->source = registry_of(m, image->from.registry, false);
	image->destination = registry_of(m, image->to.registry, true);
	return true;
}

static bool is_same_place(const struct reference *a, const struct reference *b)
{
	return !strcmp(a->registry, b->registry) && !strcmp(a->repository, b->repository) && !strcmp(reference_target(a), reference_target(b));
}

/* Two images for one tag would leave it to chance which one wins. */
static bool check_places(struct mirror *m)
{
	bool good = true;

	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < i; k++) {
			const struct mirror_image *a = &m->images[k], *b = &m->images[i];
			AUTO_RELEASE(error) err = { 0 };

			if (!is_same_place(&a->to, &b->to) || is_same_place(&a->from, &b->from))
				continue;
			error_set(&err, ERR_INVALID, "the images \"%s\" and \"%s\" are to have the same local name", a->of->key.text, b->of->key.text);
			good = image_find(m->run, b->of->local.at, &err);
		}
	return good;
}

bool mirror_choose(struct mirror *m)
{
	const struct stack *stack = m->run->stack;
	bool good = image_check_names(m->run, IMAGE_EXTERNAL, "external", m->options->only);

	m->images = xcalloc(stack->images.n + 1, sizeof *m->images);
	for (size_t i = 0; i < stack->images.n; i++) {
		if (!image_is_chosen(&stack->images.items[i], IMAGE_EXTERNAL, m->options->only))
			continue;
		good = read_image(m, &stack->images.items[i], &m->images[m->n]) && good;
		m->n++;
	}
	return good && check_places(m);
}

/* ---- what an image is made of ---- */

struct look {
	struct mirror *mirror;
	struct mirror_image *image;
	struct registry_call reading, writing;
};

static void note_part(struct mirror_image *image, const struct descriptor *part)
{
	for (size_t i = 0; i < image->nparts; i++)
		if (strcmp(image->parts[i].digest, part->digest) == 0)
			return;
	if (!part->stays)
		LIST_PUSH(image->parts, image->nparts, image->parts_cap) = *part;
}

static bool has_manifest(const struct mirror_image *image, const char *digest)
{
	for (size_t i = 0; i < image->nmanifests; i++)
		if (strcmp(image->manifests[i].digest, digest) == 0)
			return true;
	return false;
}

static bool get_manifests(struct look *l, const char *digest, unsigned depth, struct error *err)
{
	struct mirror_image *image = l->image;
	AUTO_RELEASE(manifest) manifest = { 0 };

	if (has_manifest(image, digest))
		return true;
	if (depth > INDEX_DEPTH || image->nmanifests >= MANIFESTS_MAX)
		return error_set(err, ERR_LIMIT, "the index of %s nests deeper than %d levels or names more than %d manifests", image->from.repository,
				 INDEX_DEPTH, MANIFESTS_MAX);
	if (!registry_get_manifest(image->source, image->from.repository, digest, &l->reading, &manifest, err))
		return false;
	for (size_t i = 0; i < manifest.n; i++) {
		if (!manifest.is_index)
			note_part(image, &manifest.items[i]);
		else if (!get_manifests(l, manifest.items[i].digest, depth + 1, err))
			return false;
	}
	LIST_PUSH(image->manifests, image->nmanifests, image->manifests_cap) = manifest;
	manifest = (struct manifest){ 0 };
	return true;
}

/* Of an index the entry of the platform, else the image itself. Gives its digest. */
static char *digest_for_platform(struct look *l, struct error *err)
{
	struct mirror_image *image = l->image;
	AUTO_RELEASE(manifest) manifest = { 0 };
	const struct descriptor *entry;
	AUTO_RELEASE(buf) known = BUF_INIT(0);

	if (!registry_get_manifest(image->source, image->from.repository, reference_target(&image->from), &l->reading, &manifest, err))
		return NULL;
	if (!manifest.is_index)
		return xstrdup(manifest.digest);
	entry = manifest_for_platform(&manifest, l->mirror->options->platform);
	if (entry)
		return xstrdup(entry->digest);
	for (size_t i = 0; i < manifest.n; i++)
		if (*manifest.items[i].platform)
			buf_addf(&known, "%s%s", known.len ? ", " : "", manifest.items[i].platform);
	error_set(err, ERR_NOT_FOUND, "%s has no image for %s, but for %s", image->of->from.text, l->mirror->options->platform, buf_cstr(&known));
	return NULL;
}

static char *digest_of_source(struct look *l, struct error *err)
{
	struct mirror_image *image = l->image;
	AUTO_RELEASE(registry_head) head = { 0 };
	AUTO_RELEASE(manifest) manifest = { 0 };

	if (l->mirror->options->platform)
		return digest_for_platform(l, err);
	if (image->from.digest)
		return xstrdup(image->from.digest);
	if (!registry_head_manifest(image->source, image->from.repository, image->from.tag, &l->reading, &head, err))
		return NULL;
	if (head.found)
		return GIVE(head.digest);
	/* A GET says why, in words. */
	if (registry_get_manifest(image->source, image->from.repository, image->from.tag, &l->reading, &manifest, err))
		return xstrdup(manifest.digest);
	return NULL;
}

/* Some registries name a wrong digest beside a tag; then only the bytes tell. */
static bool get_by_tag(struct look *l, struct error *err)
{
	struct mirror_image *image = l->image;
	AUTO_RELEASE(manifest) manifest = { 0 };
	AUTO_RELEASE(error) why = { 0 };

	if (err->kind != ERR_NOT_FOUND || image->from.digest || l->mirror->options->platform ||
	    !registry_get_manifest(image->source, image->from.repository, image->from.tag, &l->reading, &manifest, &why))
		return why.kind == ERR_CANCELLED ? error_move(err, &why) : false;
	if (strcmp(manifest.digest, image->digest) == 0)
		return false;
	AUTO_FREE char *note = xasprintf("registry %s says that %s:%s is %s, but its digest is %s", image->from.registry, image->from.repository, image->from.tag,
					 image->digest, manifest.digest);

	crew_note(note, &l->mirror->crew);
	error_release(err);
	free(image->digest);
	image->digest = xstrdup(manifest.digest);
	image->there = image->was && strcmp(image->was, image->digest) == 0;
	return image->there || get_manifests(l, image->digest, 0, err);
}

static int by_size(const void *a, const void *b)
{
	const struct descriptor *x = a, *y = b;

	return x->size_bytes != y->size_bytes ? (x->size_bytes < y->size_bytes ? 1 : -1) : strcmp(x->digest, y->digest);
}

static bool look_at_image(struct look *l, struct error *err)
{
	struct mirror_image *image = l->image;
	AUTO_RELEASE(registry_head) head = { 0 };

	image->digest = digest_of_source(l, err);
	if (!image->digest)
		return false;
	if (image->to.digest && strcmp(image->to.digest, image->digest) != 0)
		return error_set(err, ERR_INVALID, "the local name wants the digest %s, but the source is %s", image->to.digest, image->digest);
	if (!registry_head_manifest(image->destination, image->to.repository, reference_target(&image->to), &l->writing, &head, err))
		return false;
	image->was = GIVE(head.digest);
	image->there = image->was && strcmp(image->was, image->digest) == 0;
	if (image->there)
		return true;
	if (!get_manifests(l, image->digest, 0, err) && !get_by_tag(l, err))
		return false;
	if (image->nparts)
		qsort(image->parts, image->nparts, sizeof *image->parts, by_size);
	return true;
}

static bool take_next(struct mirror *m, size_t n, size_t *ret)
{
	pthread_mutex_lock(&m->lock);
	bool more = m->next < n && !cancel_requested(m->crew.stop);

	if (more)
		*ret = m->next++;
	pthread_mutex_unlock(&m->lock);
	return more;
}

static bool image_work(void *mirror)
{
	struct mirror *m = mirror;
	size_t at;

	if (!take_next(m, m->n, &at))
		return false;
	struct mirror_image *image = &m->images[at];
	struct crew_voice voice = { &m->crew, image->of->key.text };
	struct look look = { .mirror = m,
			     .image = image,
			     .reading = { .cancel = m->crew.stop, .on_retry = crew_on_retry, .arg = &voice },
			     .writing = { .cancel = m->crew.stop, .on_retry = crew_on_retry, .arg = &voice, .writes = !m->run->options->dry_run } };

	look_at_image(&look, &image->err);
	return true;
}

/* ---- the list of blobs ---- */

static bool is_of_registry(const struct mirror_blob *blob, const struct mirror_image *image, const char *digest)
{
	return blob->to == image->destination && strcmp(blob->digest, digest) == 0;
}

static size_t blob_for(struct mirror *m, const struct mirror_image *image, const struct descriptor *part)
{
	size_t twin = 0;

	for (size_t i = 0; i < m->nblobs; i++) {
		if (!is_of_registry(&m->blobs[i], image, part->digest))
			continue;
		if (strcmp(m->blobs[i].to_repository, image->to.repository) == 0)
			return i;
		if (!twin)
			twin = i + 1;
	}
	LIST_PUSH(m->blobs, m->nblobs, m->blobs_cap) = (struct mirror_blob){ .from = image->source,
									     .to = image->destination,
									     .from_repository = image->from.repository,
									     .to_repository = image->to.repository,
									     .digest = xstrdup(part->digest),
									     .size_bytes = part->size_bytes,
									     .twin = twin };
	return m->nblobs - 1;
}

bool mirror_may_go(const struct mirror_image *image)
{
	return !image->there && !image->err.kind && image->digest;
}

static bool blob_work(void *mirror)
{
	struct mirror *m = mirror;
	size_t at;

	if (!take_next(m, m->nblobs, &at))
		return false;
	struct mirror_blob *blob = &m->blobs[at];
	struct crew_voice voice = { &m->crew, NULL };
	const struct registry_call call = { .cancel = m->crew.stop, .on_retry = crew_on_retry, .arg = &voice, .writes = !m->run->options->dry_run };

	if (registry_has_blob(blob->to, blob->to_repository, blob->digest, &call, &blob->there, &blob->err) && blob->there)
		blob->state = BLOB_DONE;
	else if (blob->err.kind)
		blob->state = BLOB_FAILED;
	return true;
}

void mirror_look(struct mirror *m)
{
	m->next = 0;
	crew_run(&m->crew, LOOKERS, image_work, NULL, m);
	for (size_t i = 0; i < m->n; i++) {
		struct mirror_image *image = &m->images[i];

		if (!mirror_may_go(image))
			continue;
		image->blobs = xcalloc(image->nparts + 1, sizeof *image->blobs);
		for (size_t k = 0; k < image->nparts; k++)
			image->blobs[k] = blob_for(m, image, &image->parts[k]);
	}
	m->next = 0;
	crew_run(&m->crew, LOOKERS, blob_work, NULL, m);
	for (size_t i = 0; i < m->nblobs; i++)
		if (!m->blobs[i].there)
			m->total_bytes += m->blobs[i].size_bytes;
}

static void destroy_registry(void *registry)
{
	registry_destroy(registry);
}

void mirror_release(struct mirror *m)
{
	for (size_t i = 0; i < m->nblobs; i++) {
		free(m->blobs[i].digest);
		error_release(&m->blobs[i].err);
	}
	for (size_t i = 0; i < m->n; i++) {
		struct mirror_image *image = &m->images[i];

		for (size_t k = 0; k < image->nmanifests; k++)
			manifest_release(&image->manifests[k]);
		reference_release(&image->from);
		reference_release(&image->to);
		error_release(&image->err);
		free(image->manifests);
		free(image->parts);
		free(image->blobs);
		free(image->digest);
		free(image->was);
	}
	free(m->blobs);
	free(m->images);
	m->registries.free_value = destroy_registry;
	map_release(&m->registries);
	crew_release(&m->crew);
	pthread_mutex_destroy(&m->lock);
	pthread_cond_destroy(&m->changed);
}
