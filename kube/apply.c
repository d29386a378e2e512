#include "kube/apply.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/url.h"
#include "kube/fields.h"

#define MAX_ANSWER_BYTES (16 << 20)
#define MIGRATE_TRIES	 5
#define DRAIN_MS	 3000

void kube_apply_release(struct kube_apply *apply)
{
	for (size_t i = 0; i < apply->nconflicts; i++) {
		free(apply->conflicts[i].field);
		free(apply->conflicts[i].manager);
		free(apply->conflicts[i].detail);
	}
	free(apply->conflicts);
	free(apply->uid);
	free(apply->resource_version);
	free(apply->trouble);
	json_decref(apply->object);
	kube_status_release(&apply->status);
	error_release(&apply->error);
	apply->conflicts = NULL;
	apply->nconflicts = apply->conflicts_cap = 0;
	apply->uid = apply->resource_version = apply->trouble = NULL;
	apply->object = NULL;
}

/* ---- conflicts ---- */

/* 'conflict with "hpa" with subresource "scale" using apps/v1 at 2026-…' */
static void add_conflict(struct kube_apply *apply, const struct kube_cause *cause)
{
	const char *open = strchr(cause->message, '"'), *close = open ? strchr(open + 1, '"') : NULL;
	struct str manager = close ? (struct str){ open + 1, (size_t)(close - open - 1) } : STR("");

	LIST_PUSH(apply->conflicts, apply->nconflicts, apply->conflicts_cap) = (struct kube_conflict){
		.field = xstrdup(cause->field), .manager = str_dup(manager), .detail = str_dup(str_trim(str_of(close ? close + 1 : cause->message)))
	};
}

static void read_conflicts(struct kube_apply *apply)
{
	for (size_t i = 0; i < apply->status.ncauses; i++)
		if (strcmp(apply->status.causes[i].reason, "FieldManagerConflict") == 0)
			add_conflict(apply, &apply->status.causes[i]);
}

/* ---- answers ---- */

static bool on_field(const struct json_field *field, void *arg, struct error *err)
{
	struct kube_apply *apply = arg;

	(void)err;
	if (field->path == 0) {
		free(apply->uid);
		apply->uid = str_dup(field->text);
	} else if (field->path == 1) {
		free(apply->resource_version);
		apply->resource_version = str_dup(field->text);
	} else {
		json_field_int(field, &apply->generation);
	}
	return true;
}

static void take_answer(struct kube_apply *apply, const struct json_fields *fields, struct http_result *result)
{
	apply->attempts = result->response.attempts;
	if (result->error.kind) {
		error_move(&apply->error, &result->error);
		return;
	}
	if (!http_ok(&result->response)) {
		kube_status_decode(&result->response, &apply->status);
		read_conflicts(apply);
		return;
	}
	struct str body = buf_str(&result->response.body);

	apply->created = result->response.status == 201;
	apply->ok = json_visit(fields, body, on_field, apply, &apply->error);
	if (apply->ok && apply->want_object) {
		apply->object = json_loadb(body.p, body.len, JSON_ALLOW_NUL, NULL);
		apply->ok = apply->object || error_set(&apply->error, ERR_SERVER, "the answer cannot be read as JSON");
	}
}

/* ---- sending ---- */

static bool apply_path(const struct kube *kube, const struct kube_apply *apply, struct buf *path, struct error *err)
{
	if (!kube_path(apply->resource, apply->namespace, apply->name, path, err))
		return false;
	url_add_query(path, "fieldManager", str_of(kube_field_manager(kube)));
	url_add_query(path, "fieldValidation", STR("Strict"));
	if (apply->force)
		url_add_query(path, "force", STR("true"));
	if (apply->dry_run)
		url_add_query(path, "dryRun", STR("All"));
	return true;
}

struct slot { /* of one apply while it is under way; what its request points to */
	struct sending *sending;
	struct kube_apply *apply;
	bool under_way;
};

struct sending {
	struct kube *kube;
	struct http_group *group;
	const struct kube_apply_ops *ops;
	struct slot *slots; /* one for each apply */
	size_t n, next, on_wire, wire;
};

static void on_wait(const struct http_wait *wait, void *arg)
{
	struct slot *slot = arg;
	const struct kube_apply_ops *ops = slot->sending->ops;

	free(slot->apply->trouble);
	slot->apply->trouble = xstrdup(wait->reason);
	if (ops->on_wait)
		ops->on_wait(slot->apply, wait, ops->arg);
}

static bool add_apply(struct sending *s, struct slot *slot)
{
	struct kube_apply *apply = slot->apply;
	AUTO_RELEASE(buf) path = BUF_INIT(0);

	if (!apply_path(s->kube, apply, &path, &apply->error))
		return false;
	struct http_request request = { .method = "PATCH",
					.path = buf_cstr(&path),
					.content_type = "application/apply-patch+yaml",
					.body = apply->body,
					.max_body_bytes = MAX_ANSWER_BYTES,
					.idempotent = true,
					.safe = apply->dry_run,
					.on_wait = on_wait,
					.on_wait_arg = slot };

	kube_prepare(s->kube, &request);
	http_group_add(s->group, &request, slot);
	return true;
}

static void done(const struct sending *s, struct kube_apply *apply)
{
	if (s->ops->on_done)
		s->ops->on_done(apply, s->ops->arg);
}

/* Requests are added as results come, so that no more bodies are copied than the wire takes. */
static bool send_more(struct sending *s, struct error *err)
{
	while (s->next < s->n && s->on_wire < s->wire) {
		if (s->ops->may_send && !s->ops->may_send(s->ops->arg, err))
			return false;
		struct slot *slot = &s->slots[s->next++];

		slot->under_way = add_apply(s, slot);
		if (slot->under_way)
			s->on_wire++;
		else
			done(s, slot->apply);
	}
	return true;
}

static void take_result(struct sending *s, const struct json_fields *fields, struct http_result *result)
{
	struct slot *slot = result->tag;

	s->on_wire--;
	slot->under_way = false;
	if (result->error.kind == ERR_CANCELLED && !result->response.attempts)
		return;
	take_answer(slot->apply, fields, result);
	done(s, slot->apply);
}

/* What was sent may still be executed: its answers are the only truth about it. */
static void drain(struct sending *s, const struct json_fields *fields)
{
	struct clock *clock = net_clock(kube_net(s->kube));
	int64_t due_ms = clock_now_ms(clock) + DRAIN_MS;
	AUTO_RELEASE(http_result) result = { 0 };

	while (http_group_drain(s->group, clock, due_ms, &result))
		take_result(s, fields, &result);
	for (size_t i = 0; i < s->n; i++) {
		struct kube_apply *apply = s->slots[i].apply;

		if (!s->slots[i].under_way)
			continue;
		apply->unanswered = true;
		error_set(&apply->error, ERR_CANCELLED, "sent, and cancelled before the answer came%s%s: it may have been written",
			  apply->trouble ? ", after " : "", apply->trouble ? apply->trouble : "");
		done(s, apply);
	}
}

static bool all_dry_runs(const struct kube_apply *applies, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!applies[i].dry_run)
			return false;
	return true;
}

bool kube_apply_many(struct kube *kube, struct kube_apply *applies, size_t n, unsigned parallel, const struct cancel *cancel,
		     const struct kube_apply_ops *ops, struct error *err)
{
	static const char *const paths[] = { "metadata.uid", "metadata.resourceVersion", "metadata.generation" };
	static const struct kube_apply_ops none = { 0 };
	AUTO(json_fields) fields = json_fields_create(paths, ARRAY_LEN(paths));
	AUTO(http_group) group = http_group_create(kube_http(kube), parallel ? parallel : 8, cancel);
	AUTO_RELEASE(http_result) result = { 0 };
	struct sending s = { .kube = kube, .group = group, .ops = ops ? ops : &none, .n = n, .wire = parallel ? parallel : 8,
			     .slots = xcalloc(n + 1, sizeof *s.slots) };

	for (size_t i = 0; i < n; i++) {
		s.slots[i] = (struct slot){ .sending = &s, .apply = &applies[i] };
		applies[i].generation = -1;
	}
	if (!all_dry_runs(applies, n) && !kube_may_write(kube, cancel, err)) {
		free(s.slots);
		return false;
	}
	while (send_more(&s, err) && s.on_wire && http_group_next(group, &result, err))
		take_result(&s, fields, &result);
	if (err->kind)
		drain(&s, fields);
	free(s.slots);
	return err->kind == ERR_NONE;
}

/* ---- ownership ---- */

static char *migration_patch(const json_t *live, json_t *managed)
{
	const char *version = json_string_value(json_object_get(json_object_get(live, "metadata"), "resourceVersion"));
	json_t *patch = json_pack("[{s:s,s:s,s:o},{s:s,s:s,s:s}]", "op", "replace", "path", "/metadata/managedFields", "value", managed, "op",
				  "replace", "path", "/metadata/resourceVersion", "value", version ? version : "");
	char *text = patch ? json_dumps(patch, JSON_COMPACT) : NULL;

	json_decref(patch);
	return text;
}

bool kube_migrate_ownership(struct kube *kube, const struct kube_resource *resource, const char *namespace, const char *name, json_t *live,
			    const struct cancel *cancel, bool *ret_migrated, struct error *err)
{
	AUTO_FREE char *api_version = *resource->group ? xasprintf("%s/%s", resource->group, resource->version) : xstrdup(resource->version);
	json_t *now = json_incref(live);
	bool good = true;

	*ret_migrated = false;
	for (unsigned attempt = 0; good && attempt < MIGRATE_TRIES; attempt++) {
		json_t *managed = fields_migrated(now, kube_field_manager(kube), api_version);
		AUTO_RELEASE(kube_status) status = { 0 };

		if (!managed)
			break;
		AUTO_FREE char *patch = migration_patch(now, managed);

		if (kube_patch(kube, resource, namespace, name, NULL, "application/json-patch+json", str_of(patch), false, cancel, NULL, &status, err)) {
			*ret_migrated = true;
			break;
		}
		good = status.code == 409 && attempt + 1 < MIGRATE_TRIES;
		if (!good)
			break;
		error_release(err);
		json_decref(now);
		now = NULL;
		good = kube_get(kube, resource, namespace, name, cancel, &now, err);
	}
	json_decref(now);
	return good;
}
