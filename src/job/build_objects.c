#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "job/build_private.h"

#define LIVES_S 600 /* a Job that nobody removes */

/*
 * Each try unpacks into a folder of its own, which becomes `src` in one step when it is whole. The waiting container ends when that is there.
 */
static const char wait_script[] = "until [ -e " BUILD_VOLUME "/src ]; do sleep 1; done";

static void put_labels(struct json_writer *w, const struct build *b, const struct build_image *image)
{
	json_put_key(w, "labels");
	json_put_object(w);
	json_put_key(w, "app.kubernetes.io/managed-by");
	json_put_text(w, "slotdeck");
	json_put_key(w, BUILD_LABEL);
	json_put_text(w, image->name);
	json_put_key(w, "slotdeck.dev/run");
	json_put_text(w, b->run->id);
	json_put_end_object(w);
}

static void put_pair(struct json_writer *w, const char *key, const char *value)
{
	json_put_key(w, key);
	json_put_text(w, value);
}

static void put_argument(struct json_writer *w, const char *name, const char *value)
{
	AUTO_FREE char *text = xasprintf("--%s=%s", name, value);

	json_put_text(w, text);
}

static void put_arguments(struct json_writer *w, const struct build *b, const struct build_image *image)
{
	const struct build_options *o = b->options;
	const struct {
		bool on;
		const char *name;
	} switches[] = { { o->insecure, "--insecure" }, { o->skip_tls_verify, "--skip-tls-verify" }, { o->skip_tls_verify_pull, "--skip-tls-verify-pull" } };

	json_put_key(w, "args");
	json_put_array(w);
	put_argument(w, "context", "dir://" BUILD_VOLUME "/src/context");
	put_argument(w, "dockerfile", BUILD_VOLUME "/src/Dockerfile");
	put_argument(w, "destination", image->destination);
	put_argument(w, "digest-file", "/dev/termination-log");
	put_argument(w, "log-format", "text");
	put_argument(w, "push-retry", "3");
	put_argument(w, "image-download-retry", "3");
	for (size_t i = 0; i < ARRAY_LEN(switches); i++)
		if (switches[i].on)
			json_put_text(w, switches[i].name);
	for (size_t i = 0; i < image->args.len; i++) {
		AUTO_FREE char *pair = xasprintf("%s=%s", image->args.entries[i].key, (const char *)image->args.entries[i].value);

		put_argument(w, "build-arg", pair);
	}
	json_put_end_array(w);
}

static void put_mount(struct json_writer *w, const char *volume, const char *path)
{
	json_put_object(w);
	put_pair(w, "name", volume);
	put_pair(w, "mountPath", path);
	json_put_end_object(w);
}

static void begin_container(struct json_writer *w, const struct build *b, const char *name)
{
	json_put_object(w);
	put_pair(w, "name", name);
	put_pair(w, "image", b->options->builder_image ? b->options->builder_image : BUILD_BUILDER_IMAGE);
	json_put_key(w, "securityContext");
	json_put_raw(w, STR("{\"runAsUser\":0}"));
}

static void put_uploader(struct json_writer *w, const struct build *b)
{
	json_put_key(w, "initContainers");
	json_put_array(w);
	begin_container(w, b, BUILD_UPLOADER);
	json_put_key(w, "command");
	json_put_array(w);
	json_put_text(w, "sh");
	json_put_text(w, "-c");
	json_put_text(w, wait_script);
	json_put_end_array(w);
	json_put_key(w, "volumeMounts");
	json_put_array(w);
	put_mount(w, "context", BUILD_VOLUME);
	json_put_end_array(w);
	json_put_end_object(w);
	json_put_end_array(w);
}

static void put_resources(struct json_writer *w, const struct build_options *o)
{
	if (!o->cpu && !o->memory)
		return;
	json_put_key(w, "resources");
	json_put_object(w);
	json_put_key(w, "requests");
	json_put_object(w);
	if (o->cpu)
		put_pair(w, "cpu", o->cpu);
	if (o->memory)
		put_pair(w, "memory", o->memory);
	json_put_end_object(w);
	if (o->memory) {
		json_put_key(w, "limits");
		json_put_object(w);
		put_pair(w, "memory", o->memory);
		json_put_end_object(w);
	}
	json_put_end_object(w);
}

static void put_builder(struct json_writer *w, const struct build *b, const struct build_image *image, bool has_login)
{
	json_put_key(w, "containers");
	json_put_array(w);
	begin_container(w, b, BUILD_BUILDER);
	put_arguments(w, b, image);
	put_resources(w, b->options);
	json_put_key(w, "volumeMounts");
	json_put_array(w);
	put_mount(w, "context", BUILD_VOLUME);
	if (has_login)
		put_mount(w, "login", "/kaniko/.docker");
	json_put_end_array(w);
	json_put_end_object(w);
	json_put_end_array(w);
}

static void put_volumes(struct json_writer *w, const struct build_image *image, bool has_login)
{
	json_put_key(w, "volumes");
	json_put_array(w);
	json_put_raw(w, STR("{\"name\":\"context\",\"emptyDir\":{}}"));
	if (has_login) {
		json_put_object(w);
		put_pair(w, "name", "login");
		json_put_key(w, "secret");
		json_put_object(w);
		put_pair(w, "secretName", image->name);
		json_put_end_object(w);
		json_put_end_object(w);
	}
	json_put_end_array(w);
}

static void put_pod(struct json_writer *w, const struct build *b, const struct build_image *image, bool has_login)
{
	json_put_key(w, "template");
	json_put_object(w);
	json_put_key(w, "metadata");
	json_put_object(w);
	put_labels(w, b, image);
	json_put_end_object(w);
	json_put_key(w, "spec");
	json_put_object(w);
	put_pair(w, "restartPolicy", "Never");
	json_put_key(w, "terminationGracePeriodSeconds");
	json_put_int(w, 1);
	json_put_key(w, "automountServiceAccountToken");
	json_put_bool(w, false);
	json_put_key(w, "enableServiceLinks");
	json_put_bool(w, false);
	put_uploader(w, b);
	put_builder(w, b, image, has_login);
	put_volumes(w, image, has_login);
	json_put_end_object(w);
	json_put_end_object(w);
}

static void put_head(struct json_writer *w, const struct build *b, const struct build_image *image, const char *api_version, const char *kind, const char *job_uid)
{
	put_pair(w, "apiVersion", api_version);
	put_pair(w, "kind", kind);
	json_put_key(w, "metadata");
	json_put_object(w);
	put_pair(w, "name", image->name);
	put_pair(w, "namespace", b->namespace);
	put_labels(w, b, image);
	if (job_uid) {
		json_put_key(w, "ownerReferences");
		json_put_array(w);
		json_put_object(w);
		put_pair(w, "apiVersion", "batch/v1");
		put_pair(w, "kind", "Job");
		put_pair(w, "name", image->name);
		put_pair(w, "uid", job_uid);
		json_put_end_object(w);
		json_put_end_array(w);
	}
	json_put_end_object(w);
}

void build_job_json(const struct build *b, const struct build_image *image, bool has_login, struct buf *out)
{
	struct json_writer w = JSON_WRITER_INIT(out);
	unsigned timeout_ms = b->options->build_timeout_ms ? b->options->build_timeout_ms : 3600 * 1000;

	json_put_object(&w);
	put_head(&w, b, image, "batch/v1", "Job", NULL);
	json_put_key(&w, "spec");
	json_put_object(&w);
	json_put_key(&w, "backoffLimit");
	json_put_int(&w, 0);
	json_put_key(&w, "activeDeadlineSeconds");
	json_put_int(&w, timeout_ms < 1000 ? 1 : timeout_ms / 1000);
	json_put_key(&w, "ttlSecondsAfterFinished");
	json_put_int(&w, LIVES_S);
	put_pod(&w, b, image, has_login);
	json_put_end_object(&w);
	json_put_end_object(&w);
}

void build_secret_json(const struct build *b, const struct build_image *image, const char *job_uid, struct str config, struct buf *out)
{
	struct json_writer w = JSON_WRITER_INIT(out);
	AUTO_RELEASE(buf) encoded = BUF_INIT(0);

	base64_encode(&encoded, config, BASE64_STANDARD);
	json_put_object(&w);
	put_head(&w, b, image, "v1", "Secret", job_uid);
	put_pair(&w, "type", "Opaque");
	json_put_key(&w, "data");
	json_put_object(&w);
	put_pair(&w, "config.json", encoded.p);
	json_put_end_object(&w);
	json_put_end_object(&w);
	secret_wipe(encoded.p, encoded.len);
}
