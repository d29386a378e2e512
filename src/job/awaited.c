#include "job/awaited.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What verdicts on workloads look at besides the objects themselves. */
static const struct kind *const helpers[] = { &kind_replica_set, &kind_pod, &kind_job, &kind_event };

static const struct kind *kind_of(struct awaited *a, const struct deploy_object *o)
{
	const struct kind *kind = kind_find_api(o->api_version, o->kind);

	if (kind || !o->resource)
		return kind;
	for (size_t i = 0; i < a->ncustom; i++)
		if (strcmp(a->custom[i]->group, o->resource->group) == 0 && strcmp(a->custom[i]->kind, o->kind) == 0)
			return a->custom[i];
	struct kind *custom = kind_create_other(o->resource->group, o->resource->version, o->kind, o->resource->resource, o->resource->namespaced);

	LIST_PUSH(a->custom, a->ncustom, a->custom_cap) = custom;
	return custom;
}

static void add_object(struct awaited *a, const struct deploy_object *o)
{
	const struct kind *kind = kind_of(a, o);

	/* What has no status is done when it is written; a kind that can't be watched can't be waited for. */
	if (!kind || kind->still || (o->resource && !o->resource->can_watch))
		return;
	plan_add(a->plan, &(struct plan_object){ .kind = kind, .namespace = o->namespace, .name = o->name, .uid = o->uid ? o->uid : "",
						 .generation = o->generation > 0 ? o->generation : 0 });
	LIST_PUSH(a->objects, a->nobjects, a->objects_cap) = o;
	watcher_watch(a->watcher, a->store, kind, o->namespace);
	if (kind == &kind_claim)
		watcher_watch(a->watcher, a->store, &kind_storage_class, "");
	if (!*o->namespace)
		return;
	for (size_t i = 0; i < ARRAY_LEN(helpers); i++)
		watcher_watch(a->watcher, a->store, helpers[i], o->namespace);
}

void awaited_open(struct awaited *a, struct run *run, const struct deploy_plan *plan, int64_t settle_ms)
{
	const struct health_config config = { .grace_ms = run->options->grace_ms == UINT_MAX ? 0 : run->options->grace_ms };

	*a = (struct awaited){ .run = run, .store = store_create() };
	a->watcher = watcher_create(&(struct watcher_options){ .net = kube_net(run->kube), .http = kube_http(run->kube), .clock = run->clock,
							       .prepare = watcher_prepare_kube, .prepare_arg = run->kube });
	a->health = health_create(a->store, &config);
	a->plan = plan_create(a->health, settle_ms);
	for (size_t i = 0; i < plan->len; i++)
		add_object(a, &plan->objects[i]);
}

void awaited_close(struct awaited *a)
{
	watcher_destroy(a->watcher);
	plan_destroy(a->plan);
	health_destroy(a->health);
	store_destroy(a->store);
	for (size_t i = 0; i < a->ncustom; i++)
		kind_destroy(a->custom[i]);
	free(a->custom);
	free(a->objects);
}

enum plan_state awaited_judge(struct awaited *a, int64_t *ret_recheck_ms)
{
	watcher_take(a->watcher, a->store, a->health, 0);

	enum plan_state state = plan_check(a->plan, watcher_now_ms(a->watcher), ret_recheck_ms);

	watcher_fetch_lines(a->watcher, a->health);
	return state;
}

bool awaited_is_complete(const struct awaited *a)
{
	const struct scope *scope;

	for (size_t i = 0; (scope = store_scope_at(a->store, i)); i++)
		if (scope->state == SCOPE_LOADING || scope->state == SCOPE_BROKEN || scope->state == SCOPE_DOUBTED || scope->state == SCOPE_UNWATCHED)
			return false;
	return true;
}

char *awaited_forbidden(const struct awaited *a)
{
	const struct scope *scope;

	for (size_t i = 0; (scope = store_scope_at(a->store, i)); i++)
		if (scope->state == SCOPE_FORBIDDEN && scope->kind != &kind_event && scope->kind != &kind_storage_class)
			return xasprintf("no right to list or watch %s%s%s", scope->kind->resource, *scope->namespace ? " in namespace " : "",
					 scope->namespace);
	return NULL;
}

static void count(const struct health_log_wish *wish, void *arg)
{
	(void)wish;
	++*(size_t *)arg;
}

bool awaited_wants_lines(struct awaited *a)
{
	size_t wishes = 0;

	health_log_wishes(a->health, count, &wishes);
	return wishes > 0;
}

void awaited_emit(struct awaited *a, size_t n, bool with_causes)
{
	const struct plan_entry *entry = plan_at(a->plan, n);
	AUTO_RELEASE(buf) why = BUF_INIT(0);
	int64_t now_ms = watcher_now_ms(a->watcher);

	verdict_format_why(entry->verdict, now_ms, &why);
	run_emit(a->run, &(struct job_event){ .kind = JOB_WAIT,
					      .object = deploy_job_object(a->objects[n]),
					      .state = health_state_name(entry->verdict->state),
					      .text = why.len ? buf_cstr(&why) : entry->verdict->message,
					      .deadline_ms = entry->verdict->deadline_ms });
	for (size_t i = 0; with_causes && i < entry->verdict->causes.len; i++) {
		AUTO_RELEASE(buf) line = BUF_INIT(0);

		cause_format(&entry->verdict->causes.items[i], &line);
		run_emit(a->run, &(struct job_event){ .kind = JOB_CAUSE, .object = deploy_job_object(a->objects[n]), .depth = (unsigned)i, .text = buf_cstr(&line) });
	}
}
