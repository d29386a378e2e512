/* What was asked of pods, kept in a ring. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kube/client_private.h"

static bool is_of_a_pod(const char *path)
{
	static const char *const subresources[] = { "/log", "/exec", "/attach", "/portforward" };
	const char *pod = strstr(path, "/pods/"), *end = path + strcspn(path, "?");

	for (size_t i = 0; pod && pod < end && i < ARRAY_LEN(subresources); i++) {
		size_t len = strlen(subresources[i]);

		if ((size_t)(end - pod) > len && memcmp(end - len, subresources[i], len) == 0)
			return true;
	}
	return false;
}

/* Gives the entry of that path, moved to the end; a new one, with the oldest dropped if there is no room. */
static struct kube_asked *newest(struct kube_asked_ring *ring, const char *path)
{
	struct kube_asked found = { .path = NULL };
	size_t at = 0;

	while (at < ring->len && strcmp(ring->items[at].path, path) != 0)
		at++;
	if (at == KUBE_ASKED_MAX) {
		at = 0;
		free(ring->items[0].path);
	} else if (at < ring->len) {
		found = ring->items[at];
	} else {
		ring->len++;
	}
	memmove(ring->items + at, ring->items + at + 1, (ring->len - 1 - at) * sizeof *ring->items);
	ring->items[ring->len - 1] = found;
	return &ring->items[ring->len - 1];
}

void kube_asked_note(struct kube *kube, const struct http_request *request)
{
	struct kube_asked *asked;

	if (!is_of_a_pod(request->path))
		return;
	pthread_mutex_lock(&kube->lock);
	asked = newest(&kube->asked, request->path);
	if (!asked->path)
		asked->path = xstrdup(request->path);
	asked->at_ms = clock_wall_ms(NULL);
	asked->upgrade = request->mode == HTTP_UPGRADE;
	asked->times++;
	kube->asked.count++;
	pthread_mutex_unlock(&kube->lock);
}

void kube_asked(struct kube *kube, void (*tell)(const struct kube_asked *asked, void *arg), void *arg)
{
	pthread_mutex_lock(&kube->lock);
	for (size_t i = kube->asked.len; i > 0; i--)
		tell(&kube->asked.items[i - 1], arg);
	pthread_mutex_unlock(&kube->lock);
}

uint64_t kube_asked_count(struct kube *kube)
{
	pthread_mutex_lock(&kube->lock);
	uint64_t count = kube->asked.count;

	pthread_mutex_unlock(&kube->lock);
	return count;
}

void kube_asked_release(struct kube_asked_ring *ring)
{
	for (size_t i = 0; i < ring->len; i++)
		free(ring->items[i].path);
	ring->len = 0;
}
