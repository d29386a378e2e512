#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "job/apply.h"
#include "job/conflicts.h"
#include "job/layers.h"
#include "kube/apply.h"
#include "kube/fields.h"

#define LAG_LIMIT_MS 10000     /* caches and controllers that follow a new namespace */
#define WEBHOOK_LIMIT_MS 60000 /* webhooks that come up with this very run */
#define CRD_LIMIT_MS 30000
#define FIRST_PAUSE_MS 250
#define LONGEST_PAUSE_MS 5000
#define LONGEST_ASKED_MS 60000 /* when the first pause was asked for */
#define GET_AT_MOST 2	/* so many objects of a kind are got one by one, more by a list */
#define LOOKS_AT_ONCE 8 /* each may hold a page of 500 objects in memory */

/* ---- what is there already ---- */

struct question { /* what a list of one kind in one namespace answers, or one get */
	struct looking *looking;
	struct map by_name; /* "namespace/name" → struct deploy_object */
	const struct deploy_object *first;
};

struct looking {
	struct run *run;
	bool keep; /* what differs, as text */
	struct json_fields *fields;
	struct question *questions;
	size_t nquestions, questions_cap;
	char *name, *namespace; /* of the object that is read now */
};

static bool on_identity(const struct json_field *field, void *arg, struct error *err)
{
	struct looking *l = arg;
	char **text = field->path == 0 ? &l->name : &l->namespace;

	(void)err;
	free(*text);
	*text = str_dup(field->text);
	return true;
}

static void set_message(struct deploy_object *o, const char *message)
{
	free(o->message);
	o->message = xstrdup(message);
}

/* Moves ownership from a client-side apply; a failure is told and does not stop: the apply then meets a conflict or not. */
static void migrate(struct run *run, struct deploy_object *o, json_t *live)
{
	AUTO_RELEASE(error) why = { 0 };
	bool migrated = false;

	if (run->options->dry_run) {
		run_note(run, "%s %s: fields of client-side apply would become ours", o->kind, o->name);
		return;
	}
	if (!run_may_write(run, &why))
		return;
	if (!kube_migrate_ownership(run->kube, o->resource, o->namespace, o->name, live, run->cancel, &migrated, &why))
		run_note(run, "%s %s: fields of client-side apply stay where they are: %s", o->kind, o->name, why.message);
	else if (migrated)
		run_note(run, "%s %s: fields of client-side apply are ours now", o->kind, o->name);
}

/* Compares one live object with what is wanted. */
static void compare(const struct looking *l, struct deploy_object *o, json_t *live, struct str text)
{
	json_t *wanted = json_loadb(o->json, o->json_len, 0, NULL), *metadata = json_object_get(live, "metadata");
	const char *version = json_string_value(json_object_get(metadata, "resourceVersion"));
	const char *uid = json_string_value(json_object_get(metadata, "uid"));
	const json_t *generation = json_object_get(metadata, "generation");

	free(o->live_version);
	free(o->uid);
	free(GIVE(o->live));
	o->live_version = xstrdup(version ? version : "");
	o->uid = xstrdup(uid ? uid : "");
	o->generation = json_is_integer(generation) ? json_integer_value(generation) : -1;
	if (!json_object_get(metadata, "deletionTimestamp") && wanted && fields_unchanged(wanted, live, kube_field_manager(l->run->kube))) {
		o->change = CHANGE_UNCHANGED;
	} else if (fields_made_by_client_side_apply(live)) {
		o->from_client_side = true;
		migrate(l->run, o, live);
	}
	if (l->keep && o->change != CHANGE_UNCHANGED)
		o->live = str_dup(text);
	json_decref(wanted);
}

static bool on_live(struct str object, void *arg, struct error *err)
{
	struct question *question = arg;
	struct looking *l = question->looking;

	free(GIVE(l->name));
	free(GIVE(l->namespace));
	if (!json_visit(l->fields, object, on_identity, l, err))
		return false;
	AUTO_FREE char *key = xasprintf("%s/%s", l->namespace ? l->namespace : "", l->name ? l->name : "");
	struct deploy_object *o = map_get(&question->by_name, str_of(key));

	if (!o)
		return true;
	json_t *live = json_loadb(object.p, object.len, JSON_ALLOW_NUL, NULL);

	if (live)
		compare(l, o, live, object);
	json_decref(live);
	return true;
}

static bool same_question(const struct deploy_object *a, const struct deploy_object *b)
{
	return a->resource == b->resource && strcmp(a->namespace, b->namespace) == 0;
}

static struct question *add_question(struct looking *l, const struct deploy_object *first)
{
	struct question *question = &LIST_PUSH(l->questions, l->nquestions, l->questions_cap);

	*question = (struct question){ .looking = l, .by_name = MAP_INIT(NULL), .first = first };
	return question;
}

static void add_object(struct question *question, struct deploy_object *o)
{
	AUTO_FREE char *key = xasprintf("%s/%s", o->namespace, o->name);

	map_set(&question->by_name, str_of(key), o);
}

static bool needs_a_look(const struct looking *l, struct deploy_object *o)
{
	if (o->asked_for || !o->resource)
		return false;
	if (l->run->namespace_is_new && strcmp(o->namespace, l->run->stack->namespace) == 0)
		o->asked_for = o->looked_at = true;
	return !o->asked_for;
}

/* Few objects of a kind are got one by one, more by a list. */
static void find_questions(struct looking *l, struct deploy_object **objects, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct question *question = NULL;
		size_t mates = 0;

		if (!needs_a_look(l, objects[i]))
			continue;
		for (size_t k = i; k < n; k++)
			mates += same_question(objects[i], objects[k]) && needs_a_look(l, objects[k]);
		for (size_t k = i; k < n; k++) {
			if (!same_question(objects[i], objects[k]) || !needs_a_look(l, objects[k]))
				continue;
			if (!question || mates <= GET_AT_MOST)
				question = add_question(l, objects[k]);
			add_object(question, objects[k]);
			objects[k]->asked_for = true;
		}
	}
}

static struct kube_look look_of(struct question *question)
{
	return (struct kube_look){ .resource = question->first->resource,
				   .name = question->by_name.len == 1 ? question->first->name : NULL,
				   .options = { .namespace = question->first->namespace },
				   .on_item = on_live,
				   .arg = question };
}

/* What may not be looked at is simply sent. Absent is what a list has not, and what was got and not found. */
static bool take_answer(const struct question *question, const struct kube_look *look, struct error *err)
{
	bool absent = look->error.kind == ERR_NOT_FOUND;

	if (look->error.kind && look->error.kind != ERR_DENIED && !absent)
		return error_copy(err, &look->error);
	for (size_t i = 0; i < question->by_name.len; i++) {
		struct deploy_object *o = question->by_name.entries[i].value;

		o->looked_at = !look->error.kind || (absent && look->name);
	}
	return true;
}

static bool ask_all(struct looking *l, struct error *err)
{
	struct kube_look *looks = xcalloc(l->nquestions + 1, sizeof *looks);

	for (size_t i = 0; i < l->nquestions; i++)
		looks[i] = look_of(&l->questions[i]);
	bool good = kube_look_many(l->run->kube, looks, l->nquestions, LOOKS_AT_ONCE, l->run->cancel, err);

	for (size_t i = 0; i < l->nquestions; i++) {
		good = good && take_answer(&l->questions[i], &looks[i], err);
		error_release(&looks[i].error);
	}
	free(looks);
	return good;
}

bool look_at_live(struct run *run, struct deploy_object **objects, size_t n, bool keep, struct error *err)
{
	static const char *const paths[] = { "metadata.name", "metadata.namespace" };
	struct looking l = { .run = run, .keep = keep, .fields = json_fields_create(paths, ARRAY_LEN(paths)) };

	find_questions(&l, objects, n);
	bool good = ask_all(&l, err);

	for (size_t i = 0; i < l.nquestions; i++)
		map_release(&l.questions[i].by_name);
	free(l.questions);
	free(l.name);
	free(l.namespace);
	json_fields_destroy(l.fields);
	return good;
}

/* ---- causes ---- */

/* Why an object may be sent again, and for how long. */
struct retry_cause {
	const char *name;
	bool (*applies)(const struct kube_apply *apply);
	int64_t limit_ms;
	unsigned times; /* 0: as often as the limit allows */
};

static bool says(const struct kube_apply *apply, const char *words)
{
	return apply->status.message && strstr(apply->status.message, words);
}

static bool webhook_certificate(const struct kube_apply *apply)
{
	return apply->status.code == 500 && says(apply, "failed calling webhook") && says(apply, "x509");
}

static bool webhook_not_ready(const struct kube_apply *apply)
{
	return apply->status.code == 500 && says(apply, "failed calling webhook") &&
	       (says(apply, "connection refused") || says(apply, "no endpoints available") || says(apply, "context deadline exceeded") ||
		says(apply, "no route to host"));
}

static bool terminating(const struct kube_apply *apply)
{
	return kube_status_cause(&apply->status, "NamespaceTerminating") != NULL;
}

static bool namespace_lag(const struct kube_apply *apply)
{
	return (apply->status.code == 404 && apply->status.kind && strcmp(apply->status.kind, "namespaces") == 0) ||
	       (apply->status.code == 403 && (says(apply, "service account") || says(apply, "serviceaccount")) && says(apply, "not found"));
}

static bool new_kind_lag(const struct kube_apply *apply)
{
	return apply->status.code == 404 && (!apply->status.name || !*apply->status.name);
}

/* Asked by whoever may not bind every role: is it known to grant nothing that he has not himself? */
static bool role_lag(const struct kube_apply *apply)
{
	return apply->status.code == 404 && !apply->dry_run && str_ends(str_of(apply->resource->resource), STR("rolebindings"));
}

static bool raced(const struct kube_apply *apply)
{
	return apply->status.code == 409 && apply->nconflicts == 0;
}

static bool busy(const struct kube_apply *apply)
{
	return apply->status.code == 429 || (apply->status.code >= 500 && !says(apply, "failed calling webhook"));
}

static const struct retry_cause causes[] = {
	{ "its webhook has no trusted certificate yet", webhook_certificate, 15000, 1 },
	{ "its webhook is not ready yet", webhook_not_ready, WEBHOOK_LIMIT_MS, 0 },
	{ "its namespace is being deleted", terminating, WEBHOOK_LIMIT_MS, 0 },
	{ "its namespace is not known everywhere yet", namespace_lag, LAG_LIMIT_MS, 0 },
	{ "its role is not known everywhere yet", role_lag, LAG_LIMIT_MS, 0 },
	{ "its kind is not served everywhere yet", new_kind_lag, CRD_LIMIT_MS, 0 },
	{ "somebody else changed it at the same time", raced, LAG_LIMIT_MS, 5 },
	{ "the server is busy", busy, LAG_LIMIT_MS, 3 },
};

static const struct retry_cause *cause_of(const struct kube_apply *apply)
{
	for (size_t i = 0; !apply->ok && i < ARRAY_LEN(causes); i++)
		if (causes[i].applies(apply))
			return &causes[i];
	return NULL;
}

/* ---- sending ---- */

struct sending { /* one object on its way */
	struct deploy_object *object;
	const struct retry_cause *cause;
	unsigned tries;
	int64_t since_ms;
	bool settled;
	bool force; /* dry run: the conflict would end with the migration */
};

struct batch {
	struct run *run;
	struct outcome *outcome;
	size_t done, total;
};

static void emit_object(struct batch *batch, struct deploy_object *o)
{
	run_emit(batch->run, &(struct job_event){ .kind = JOB_OBJECT, .object = deploy_job_object(o), .change = o->change, .text = o->message });
	batch->done++;
	run_emit(batch->run, &(struct job_event){ .kind = JOB_PROGRESS, .done = batch->done, .total = batch->total });
}

/* Their values need one look at the live object. */
static void tell_conflicts(struct run *run, const struct deploy_object *o, const struct kube_apply *apply)
{
	AUTO_RELEASE(error) ignored = { 0 };
	json_t *live = NULL;

	if (!kube_get(run->kube, o->resource, o->namespace, o->name, run->cancel, &live, &ignored))
		live = NULL;
	conflicts_tell(run, o, apply, live);
	json_decref(live);
}

static void succeed(struct batch *batch, struct deploy_object *o, const struct kube_apply *apply)
{
	bool same = o->live_version && apply->resource_version && strcmp(o->live_version, apply->resource_version) == 0;
	bool dry = batch->run->options->dry_run;

	free(GIVE(o->message));
	if (apply->created)
		o->change = dry ? CHANGE_WOULD_CREATE : CHANGE_CREATED;
	else if (same && !dry)
		o->change = CHANGE_UNCHANGED;
	else
		o->change = dry ? CHANGE_WOULD_CONFIGURE : CHANGE_CONFIGURED;
	if (o->change == CHANGE_UNCHANGED)
		batch->outcome->unchanged++;
	else
		batch->outcome->written++;
	free(o->uid);
	o->uid = xstrdup(apply->uid ? apply->uid : "");
	o->generation = apply->generation;
	emit_object(batch, o);
}

static const char *refusal(const struct kube_apply *apply)
{
	return apply->status.code ? apply->status.message : apply->error.message ? apply->error.message : "no answer";
}

static void fail(struct batch *batch, struct deploy_object *o, const struct kube_apply *apply)
{
	bool conflict = apply->nconflicts > 0;

	o->change = conflict ? CHANGE_CONFLICT : CHANGE_FAILED;
	set_message(o, refusal(apply));
	if (conflict)
		batch->outcome->conflicts++;
	else if (apply->status.code == 401 || apply->status.code == 403 || apply->error.kind == ERR_DENIED)
		batch->outcome->denied++;
	else
		batch->outcome->failed++;
	emit_object(batch, o);
	if (conflict)
		tell_conflicts(batch->run, o, apply);
}

/* Whether the object goes out again; tells so once per try. */
static bool again(struct batch *batch, struct sending *s, const struct kube_apply *apply)
{
	const struct retry_cause *cause = cause_of(apply);
	int64_t now_ms = clock_now_ms(batch->run->clock);

	if (!cause)
		return false;
	if (s->cause != cause) {
		s->cause = cause;
		s->tries = 0;
		s->since_ms = now_ms;
	}
	s->tries++;
	unsigned attempts = batch->run->options->attempts;

	if (attempts && s->tries >= attempts)
		return false;
	return now_ms - s->since_ms < cause->limit_ms && (!cause->times || s->tries <= cause->times);
}

/* In a dry run the namespace that this very plan makes is not there: the server can't be asked. */
static bool comes_with_plan(struct batch *batch, struct sending *s, const struct kube_apply *apply)
{
	struct deploy_object *o = s->object;

	if (!batch->run->options->dry_run || apply->ok || !namespace_lag(apply))
		return false;
	s->settled = true;
	o->change = CHANGE_WOULD_CREATE;
	set_message(o, "not checked by the server: its namespace comes with this plan");
	batch->outcome->written++;
	emit_object(batch, o);
	return true;
}

static void leave_unknown(struct batch *batch, struct sending *s, const struct kube_apply *apply)
{
	s->settled = true;
	s->object->change = CHANGE_UNKNOWN;
	set_message(s->object, apply->error.message);
	batch->outcome->unknown++;
	emit_object(batch, s->object);
}

static void judge(struct batch *batch, struct sending *s, const struct kube_apply *apply)
{
	if (comes_with_plan(batch, s, apply))
		return;
	if (batch->run->options->dry_run && s->object->from_client_side && !s->force && conflicts_end_with_migration(apply)) {
		s->force = true;
		return;
	}
	if (apply->unanswered) {
		leave_unknown(batch, s, apply);
		return;
	}
	if (!apply->ok && again(batch, s, apply)) {
		set_message(s->object, refusal(apply)); /* in case that it is the last word */
		return;
	}
	s->settled = true;
	if (apply->ok)
		succeed(batch, s->object, apply);
	else
		fail(batch, s->object, apply);
}

static void on_sent(struct kube_apply *apply, void *arg)
{
	judge(arg, apply->tag, apply);
	kube_apply_release(apply);
}

static void on_wait(struct kube_apply *apply, const struct http_wait *wait, void *arg)
{
	struct batch *batch = arg;
	const struct sending *s = apply->tag;

	run_emit(batch->run, &(struct job_event){ .kind = JOB_RETRY, .object = deploy_job_object(s->object), .text = wait->reason, .elapsed_ms = wait->wait_ms });
}

static bool may_send(void *arg, struct error *err)
{
	struct batch *batch = arg;

	return batch->run->options->dry_run || run_may_write(batch->run, err);
}

static size_t fill(struct batch *batch, struct sending *sendings, size_t n, struct kube_apply *applies)
{
	const struct apply_options *options = batch->run->options;
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		const struct deploy_object *o = sendings[i].object;

		if (sendings[i].settled)
			continue;
		applies[m++] = (struct kube_apply){ .resource = o->resource,
						    .namespace = o->namespace,
						    .name = o->name,
						    .body = { o->json, o->json_len },
						    .dry_run = options->dry_run,
						    .force = options->force_conflicts || sendings[i].force,
						    .tag = &sendings[i] };
	}
	return m;
}

static void tell_retries(struct batch *batch, const struct sending *sendings, size_t n, int64_t pause_ms)
{
	for (size_t i = 0; i < n; i++)
		if (!sendings[i].settled && sendings[i].cause)
			run_emit(batch->run, &(struct job_event){ .kind = JOB_RETRY, .object = deploy_job_object(sendings[i].object),
								  .text = sendings[i].cause->name, .elapsed_ms = pause_ms });
}

/* What was refused and did not get its next try has failed; it is not what nobody came to. */
static void give_up(struct batch *batch, struct sending *sendings, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sendings[i].settled || !sendings[i].cause)
			continue;
		sendings[i].object->change = CHANGE_FAILED;
		batch->outcome->failed++;
		emit_object(batch, sendings[i].object);
	}
}

static bool send_all(struct batch *batch, struct sending *sendings, size_t n, struct error *err)
{
	struct run *run = batch->run;
	struct kube_apply *applies = xcalloc(n, sizeof *applies);
	unsigned parallel = run->options->parallel ? run->options->parallel : APPLY_PARALLEL;
	const struct kube_apply_ops ops = { may_send, on_sent, on_wait, batch };
	unsigned asked_ms = run->options->retry_pause_ms;
	int64_t pause_ms = asked_ms ? asked_ms : FIRST_PAUSE_MS, longest_ms = asked_ms ? LONGEST_ASKED_MS : LONGEST_PAUSE_MS;
	bool good = true;
	size_t m;

	while (good && (m = fill(batch, sendings, n, applies)) > 0) {
		good = kube_apply_many(run->kube, applies, m, parallel, run->cancel, &ops, err);
		bool left = false;

		for (size_t i = 0; i < n; i++)
			left |= !sendings[i].settled;
		if (!good || !left)
			break;
		tell_retries(batch, sendings, n, pause_ms);
		good = clock_sleep(run->clock, run->cancel, pause_ms, err);
		pause_ms = pause_ms * 2 < longest_ms ? pause_ms * 2 : longest_ms;
	}
	if (!good)
		give_up(batch, sendings, n);
	free(applies);
	return good;
}

bool apply_objects(struct run *run, struct deploy_object **objects, size_t n, struct outcome *outcome, struct error *err)
{
	struct batch batch = { .run = run, .outcome = outcome, .total = n };
	struct sending *sendings = xcalloc(n, sizeof *sendings);
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		if (objects[i]->change == CHANGE_UNCHANGED) {
			outcome->unchanged++;
			emit_object(&batch, objects[i]);
		} else if (!objects[i]->resource) { /* dry run: its CRD is part of the plan, and not there yet */
			objects[i]->change = CHANGE_WOULD_CREATE;
			set_message(objects[i], "not checked by the server: its kind comes with this plan");
			emit_object(&batch, objects[i]);
		} else {
			sendings[m++].object = objects[i];
		}
	}
	bool good = m == 0 || send_all(&batch, sendings, m, err);

	free(sendings);
	return good;
}

/* ---- a layer ---- */

static bool is_established(const json_t *crd)
{
	size_t i;
	json_t *condition;

	json_array_foreach(json_object_get(json_object_get(crd, "status"), "conditions"), i, condition) {
		const char *type = json_string_value(json_object_get(condition, "type"));
		const char *status = json_string_value(json_object_get(condition, "status"));

		if (type && status && strcmp(type, "Established") == 0)
			return strcmp(status, "True") == 0;
	}
	return false;
}

static bool wait_established(struct run *run, const struct deploy_object *o, struct error *err)
{
	int64_t due_ms = clock_now_ms(run->clock) + CRD_LIMIT_MS, pause_ms = 100;

	for (;;) {
		json_t *crd;

		if (!kube_get(run->kube, o->resource, NULL, o->name, run->cancel, &crd, err))
			return false;
		bool established = is_established(crd);

		json_decref(crd);
		if (established)
			return true;
		if (clock_now_ms(run->clock) > due_ms)
			return error_set(err, ERR_TIMEOUT, "CustomResourceDefinition %s is not established after %d s", o->name, CRD_LIMIT_MS / 1000);
		if (!clock_sleep(run->clock, run->cancel, pause_ms, err))
			return false;
		pause_ms = pause_ms < 1000 ? pause_ms * 2 : 2000;
	}
}

/* After layer 0: kinds that its CRDs define must be served before objects of them can be sent. */
static bool wait_for_definitions(struct run *run, struct deploy_plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->len; i++) {
		struct deploy_object *o = &plan->objects[i];

		if (strcmp(o->kind, "CustomResourceDefinition") == 0 && o->change != CHANGE_UNCHANGED && !wait_established(run, o, err))
			return false;
	}
	for (size_t i = 0; i < plan->len; i++) {
		struct deploy_object *o = &plan->objects[i];

		if (!o->resource &&
		    !kube_wait_for_kind(run->kube, o->api_version, o->kind, CRD_LIMIT_MS, run->cancel, &o->resource, err))
			return error_wrap(err, "%s:%u: %s %s", o->file, o->line, o->kind, o->name);
	}
	return true;
}

bool look_at_plan(struct run *run, struct deploy_plan *plan, struct error *err)
{
	struct deploy_object **objects = xcalloc(plan->len + 1, sizeof *objects);
	size_t n = 0;

	for (size_t i = 0; i < plan->len; i++)
		if (plan->objects[i].change == CHANGE_NONE)
			objects[n++] = &plan->objects[i];
	bool good = look_at_live(run, objects, n, false, err);

	free(objects);
	return good;
}

bool apply_layer(struct run *run, struct deploy_plan *plan, unsigned layer, struct outcome *outcome, struct error *err)
{
	struct deploy_object **objects = xcalloc(plan->len + 1, sizeof *objects);
	size_t n = 0;

	for (size_t i = 0; i < plan->len; i++) {
		struct deploy_object *o = &plan->objects[i];

		if (o->layer == layer && (o->change == CHANGE_NONE || (o->change == CHANGE_UNCHANGED && o->asked_for)))
			objects[n++] = o;
	}
	bool good = look_at_live(run, objects, n, false, err) && apply_objects(run, objects, n, outcome, err);

	free(objects);
	if (good && layer == 0 && !run->options->dry_run && !outcome->failed && !outcome->denied && !outcome->conflicts)
		good = wait_for_definitions(run, plan, err);
	return good;
}
