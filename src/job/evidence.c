#include "job/evidence.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/state_file.h"
#include "base/utc.h"
#include "job/manifest.h"
#include "kube/client.h"

#define BUNDLE_MAX (8u << 20)
#define LOG_LINES  200
#define LOG_MAX	   (256u << 10)
#define BLOCK	   512

struct bundle {
	struct kube *kube;
	const struct cancel *cancel;
	const struct object_ref *object;
	const char *namespace;
	struct buf tar, missing;
	int64_t now_s;
	bool whole_namespace;
	const char *prefix; /* of the pods' names, when one workload is meant */
};

/* ---- tar (POSIX.1-1988 ustar) ---- */

static void put_octal(char *field, size_t size, uint64_t value)
{
	snprintf(field, size, "%0*llo", (int)size - 1, (unsigned long long)value);
}

static void add_header(struct bundle *b, const char *name, size_t size)
{
	char header[BLOCK] = { 0 };
	unsigned sum = 0;

	snprintf(header, 100, "%s", name);
	put_octal(header + 100, 8, 0600);
	put_octal(header + 108, 8, 0);
	put_octal(header + 116, 8, 0);
	put_octal(header + 124, 12, size);
	put_octal(header + 136, 12, (uint64_t)b->now_s);
	memset(header + 148, ' ', 8);
	header[156] = '0';
	memcpy(header + 257, "ustar\00000", 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	buf_add(&b->tar, header, BLOCK);
}

static void add_file(struct bundle *b, const char *name, struct str text)
{
	if (b->tar.len + text.len + 4 * BLOCK > BUNDLE_MAX) {
		buf_addf(&b->missing, "%s: left out, the bundle is full\n", name);
		return;
	}
	add_header(b, name, text.len);
	buf_add_str(&b->tar, text);
	buf_add_repeat(&b->tar, '\0', (BLOCK - text.len % BLOCK) % BLOCK);
}

/* ---- what goes in ---- */

static void add_manifest(struct bundle *b, json_t *object)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	const char *kind = json_string_value(json_object_get(object, "kind")),
		   *name = json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));
	AUTO_FREE char *file = xasprintf("manifests/%.30s-%.60s.yaml", kind ? kind : "object", name ? name : "unnamed");

	manifest_text(object, &text);
	add_file(b, file, buf_str(&text));
}

static void add_log(struct bundle *b, const char *pod, const char *container, bool previous)
{
	AUTO_RELEASE(buf) text = BUF_INIT(LOG_MAX);
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *file = xasprintf("logs/%.50s-%.30s%s.log", pod, container, previous ? ".previous" : "");

	if (kube_log_tail(b->kube, b->namespace, pod, container, previous, LOG_LINES, LOG_MAX, b->cancel, &text, &err))
		add_file(b, file, buf_str(&text));
	else if (!previous)
		buf_addf(&b->missing, "%s: %s\n", file, err.message);
}

static void add_logs(struct bundle *b, const json_t *pod)
{
	const char *name = json_string_value(json_object_get(json_object_get(pod, "metadata"), "name"));
	const json_t *status = json_object_get(pod, "status");
	static const char *const lists[] = { "initContainerStatuses", "containerStatuses" };

	for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
		size_t i;
		json_t *container;

		json_array_foreach(json_object_get(status, lists[l]), i, container) {
			const char *of = json_string_value(json_object_get(container, "name"));

			if (!name || !of)
				continue;
			add_log(b, name, of, false);
			if (json_integer_value(json_object_get(container, "restartCount")) > 0)
				add_log(b, name, of, true);
		}
	}
}

static bool belongs(const struct bundle *b, const json_t *object)
{
	const char *name = json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));

	return name && (b->whole_namespace || starts_with(name, b->prefix));
}

struct listing {
	struct bundle *bundle;
	const char *api_version, *kind;
	bool logs;
};

static bool on_object(struct str text, void *arg, struct error *err)
{
	struct listing *listing = arg;
	json_t *object = json_loadb(text.p, text.len, JSON_ALLOW_NUL, NULL);

	(void)err;
	if (object && belongs(listing->bundle, object)) {
		json_object_set_new(object, "apiVersion", json_string(listing->api_version));
		json_object_set_new(object, "kind", json_string(listing->kind));
		add_manifest(listing->bundle, object);
		if (listing->logs)
			add_logs(listing->bundle, object);
	}
	json_decref(object);
	return true;
}

static void add_kind(struct bundle *b, const char *api_version, const char *kind, bool logs)
{
	AUTO_RELEASE(error) err = { 0 };
	struct listing listing = { b, api_version, kind, logs };
	const struct kube_resource *resource = kube_find_kind(b->kube, api_version, kind, b->cancel, &err);
	const struct kube_list_options options = { .namespace = b->namespace };

	if (!resource || !kube_list(b->kube, resource, &options, b->cancel, on_object, &listing, NULL, &err))
		buf_addf(&b->missing, "%s: %s\n", kind, err.kind ? err.message : "the server has no such kind");
}

static bool on_event(struct str text, void *arg, struct error *err)
{
	struct buf *out = arg;

	(void)err;
	if (out->len < LOG_MAX) {
		buf_add_str(out, text);
		buf_addc(out, '\n');
	}
	return true;
}

static void add_events(struct bundle *b)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	const struct kube_resource *events = kube_find_kind(b->kube, "v1", "Event", b->cancel, &err);
	const struct kube_list_options options = { .namespace = b->namespace };

	if (events && kube_list(b->kube, events, &options, b->cancel, on_event, &text, NULL, &err))
		add_file(b, "events.jsonl", buf_str(&text));
	else
		buf_addf(&b->missing, "events: %s\n", err.kind ? err.message : "the server has no such kind");
}

static void add_object_itself(struct bundle *b)
{
	AUTO_RELEASE(error) err = { 0 };
	const struct object_ref *o = b->object;
	const struct kube_resource *resource = kube_find_kind(b->kube, o->api_version, o->kind, b->cancel, &err);
	json_t *object = NULL;

	if (resource && kube_get(b->kube, resource, o->namespace, o->name, b->cancel, &object, &err))
		add_manifest(b, object);
	else
		buf_addf(&b->missing, "%s %s: %s\n", o->kind, o->name, err.kind ? err.message : "the server has no such kind");
	json_decref(object);
}

static void collect(struct bundle *b)
{
	static const char *const workloads[][2] = { { "apps/v1", "Deployment" }, { "apps/v1", "StatefulSet" }, { "apps/v1", "DaemonSet" },
						    { "apps/v1", "ReplicaSet" }, { "batch/v1", "Job" },	       { "batch/v1", "CronJob" },
						    { "v1", "ConfigMap" },	 { "v1", "Service" },	       { "v1", "PersistentVolumeClaim" } };

	add_object_itself(b);
	if (!*b->namespace)
		return;
	add_kind(b, "v1", "Pod", true);
	for (size_t i = 0; b->whole_namespace && i < ARRAY_LEN(workloads); i++)
		add_kind(b, workloads[i][0], workloads[i][1], false);
	add_events(b);
}

static char *path_for(const struct object_ref *object, int64_t now_us, struct error *err)
{
	AUTO_FREE char *state = state_folder(err), *folder = NULL;
	char when[UTC_TEXT_MAX];

	if (!state)
		return NULL;
	folder = xasprintf("%s/evidence", state);
	if (!file_make_folders(folder, 0700, err))
		return NULL;
	utc_format(now_us, when);
	for (char *c = when; *c; c++)
		*c = *c == ':' ? '.' : *c;
	/* The same name may be deleted in several namespaces within a second. */
	return xasprintf("%s/%s-%s%s%s-%s.tar", folder, when, object->namespace, *object->namespace ? "-" : "", object->kind, object->name);
}

char *evidence_save(struct kube *kube, const struct object_ref *object, const struct cancel *cancel, struct error *err)
{
	int64_t now_us = clock_wall_us(NULL);
	bool is_namespace = strcmp(object->kind, "Namespace") == 0;
	struct bundle bundle = { .kube = kube,
				 .cancel = cancel,
				 .object = object,
				 .namespace = is_namespace ? object->name : object->namespace,
				 .now_s = now_us / 1000000,
				 .whole_namespace = is_namespace,
				 .prefix = object->name };
	AUTO_FREE char *path = path_for(object, now_us, err);

	if (path) {
		collect(&bundle);
		if (bundle.missing.len)
			add_file(&bundle, "MISSING.txt", buf_str(&bundle.missing));
		buf_add_repeat(&bundle.tar, '\0', 2 * BLOCK);
		if (cancel_requested(cancel) || !file_write_atomic(path, buf_str(&bundle.tar), 0600, err))
			free(GIVE(path));
	}
	buf_release(&bundle.tar);
	buf_release(&bundle.missing);
	return GIVE(path);
}
