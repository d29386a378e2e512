#include "live/live.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define STALE_MS 30000
#define NOTE_MS	 1000 /* of health that does not change */

static const struct kind *const wide_kinds[] = {
	&kind_namespace, &kind_pod,	&kind_deployment, &kind_replica_set, &kind_stateful_set, &kind_daemon_set, &kind_job,
	&kind_cron_job,	 &kind_claim,	&kind_service,	  &kind_ingress,     &kind_event,	 &kind_storage_class,
};

struct live {
	struct watcher *watcher;
	struct watcher_options connection;
	struct metrics *metrics; /* or NULL */
	int fd;			 /* readable when one of both has something */
	struct clock *clock;
	struct store *store;
	struct health *health;
	struct envs *envs;
	char **namespaces; /* where kinds are watched one by one, if need be */
	size_t nnamespaces, namespaces_cap;
	bool narrow[ARRAY_LEN(wide_kinds)]; /* not allowed cluster-wide */
	bool fetch_logs;
	int64_t pace_ms;   /* least time between two looks at them */
	int64_t update_ms; /* the environments are not looked at again before, by the clock */
	enum live_rest rest; /* of the next look */
	bool waits;	   /* something arrived since */
	struct health_strip *strip;
	int64_t noted_ms;  /* by the server's clock */
};

/* ---- what is watched ---- */

static void watch_narrow(struct live *live, size_t kind, const char *namespace)
{
	if (wide_kinds[kind]->namespaced && live->narrow[kind])
		watcher_watch(live->watcher, live->store, wide_kinds[kind], namespace);
}

void live_add_namespace(struct live *live, const char *namespace)
{
	if (!*namespace)
		return;
	for (size_t i = 0; i < live->nnamespaces; i++) {
		if (!strcmp(live->namespaces[i], namespace))
			return;
	}
	LIST_PUSH(live->namespaces, live->nnamespaces, live->namespaces_cap) = xstrdup(namespace);
	for (size_t k = 0; k < ARRAY_LEN(wide_kinds); k++)
		watch_narrow(live, k, namespace);
	if (live->metrics)
		metrics_add_namespace(live->metrics, namespace);
}

/* Not allowed cluster-wide: ask in each namespace that we know of. */
static void narrow_where_forbidden(struct live *live)
{
	for (size_t k = 0; k < ARRAY_LEN(wide_kinds); k++) {
		const struct scope *scope = live->narrow[k] ? NULL : store_scope(live->store, wide_kinds[k], "");

		if (!scope || scope->state != SCOPE_FORBIDDEN)
			continue;
		live->narrow[k] = true;
		for (size_t i = 0; i < live->nnamespaces; i++)
			watch_narrow(live, k, live->namespaces[i]);
	}
}

static void follow_environments(struct live *live)
{
	const char *namespace;

	for (size_t i = 0; (namespace = envs_namespace_at(live->envs, i)); i++)
		live_add_namespace(live, namespace);
}

/* ---- what arrives ---- */

/* Lists that are not complete say of healthy things that they are not. */
static bool note_health(struct live *live, bool changed)
{
	int64_t now_ms = live_now_ms(live);
	const struct environment *env;
	struct live_status status;
	bool noted = false;

	if (!changed && llabs(now_ms - live->noted_ms) < NOTE_MS)
		return false;
	live_status(live, &status);
	if (status.loading || !status.live)
		return false;
	live->noted_ms = now_ms;
	for (size_t i = 0; (env = envs_at(live->envs, i)); i++)
		noted |= health_strip_note(live->strip, env->title, env->shown, now_ms);
	health_strip_flush(live->strip, now_ms);
	return noted;
}

void live_set_pace(struct live *live, int64_t pace_ms)
{
	if (pace_ms < live->pace_ms)
		live->update_ms = 0;
	live->pace_ms = pace_ms;
}

bool live_rests(const struct live *live)
{
	return live->rest == LIVE_REST_BY_CLOCK ? clock_now_ms(live->clock) < live->update_ms : live->rest == LIVE_REST_YES;
}

void live_set_rest(struct live *live, enum live_rest rest)
{
	live->rest = rest;
}

bool live_poll(struct live *live, int64_t budget_ms)
{
	int64_t rest_ms, began_us;
	bool changed = live->metrics && metrics_take(live->metrics), rests = live_rests(live);

	live->rest = LIVE_REST_BY_CLOCK;
	live->waits = watcher_take(live->watcher, live->store, live->health, budget_ms) || live->waits;
	if (live->waits && rests)
		return changed;
	live->waits = false;
	narrow_where_forbidden(live);
	began_us = clock_now_us(NULL);
	changed = envs_update(live->envs, live_now_ms(live)) || changed;
	/* A tenth of one core at most, however fast the cluster changes; a small one is looked at after each change. */
	rest_ms = (clock_now_us(NULL) - began_us) * 9 / 1000;
	live->update_ms = clock_now_ms(live->clock) + (rest_ms > live->pace_ms ? rest_ms : live->pace_ms);
	follow_environments(live);
	if (live->fetch_logs)
		watcher_fetch_lines(live->watcher, live->health);
	return note_health(live, changed) || changed;
}

int live_fd(const struct live *live)
{
	return live->fd;
}

int64_t live_due_ms(const struct live *live)
{
	int64_t recheck = envs_recheck_ms(live->envs);

	if (live->waits)
		return live->update_ms;
	return recheck == INT64_MAX ? INT64_MAX : watcher_to_monotonic_ms(live->watcher, recheck);
}

int64_t live_now_ms(const struct live *live)
{
	return watcher_now_ms(live->watcher);
}

struct store *live_store(struct live *live)
{
	return live->store;
}

struct health *live_health(struct live *live)
{
	return live->health;
}

struct envs *live_envs(struct live *live)
{
	return live->envs;
}

struct watcher *live_watcher(struct live *live)
{
	return live->watcher;
}

const struct watcher_options *live_connection(const struct live *live)
{
	return &live->connection;
}

const struct metrics *live_metrics(const struct live *live)
{
	return live->metrics;
}

const struct health_strip *live_strip(const struct live *live)
{
	return live->strip;
}

void live_hurry(struct live *live)
{
	watcher_hurry(live->watcher);
}

/* ---- status ---- */

/* A kind that is watched namespace by namespace is not in trouble for what it may not do as a whole. */
static bool counts_for_status(const struct live *live, const struct scope *scope)
{
	for (size_t k = 0; k < ARRAY_LEN(wide_kinds); k++) {
		if (wide_kinds[k] == scope->kind && live->narrow[k] && !*scope->namespace && scope->kind->namespaced)
			return live->nnamespaces == 0;
	}
	return true;
}

/* What grows old is worse than what was never ours to see. */
static unsigned trouble_rank(const struct scope *scope)
{
	static const unsigned ranks[] = { [SCOPE_ABSENT] = 1, [SCOPE_FORBIDDEN] = 2, [SCOPE_LOADING] = 3, [SCOPE_BROKEN] = 4, [SCOPE_DOUBTED] = 5 };

	return *scope->why && scope->state < ARRAY_LEN(ranks) ? ranks[scope->state] : 0;
}

void live_status(const struct live *live, struct live_status *ret)
{
	const struct scope *scope;
	unsigned worst = 0;
	int64_t now = live_now_ms(live), oldest = INT64_MAX, newest = 0;

	*ret = (struct live_status){ .age_ms = -1, .retry_in_ms = -1, .why = "", .received = watcher_received(live->watcher) };
	for (size_t i = 0; (scope = store_scope_at(live->store, i)); i++) {
		if (!counts_for_status(live, scope))
			continue;
		ret->loading += scope->state == SCOPE_LOADING;
		ret->live += scope->state == SCOPE_LIVE;
		ret->broken += scope->state == SCOPE_BROKEN || scope->state == SCOPE_DOUBTED;
		ret->forbidden += scope->state == SCOPE_FORBIDDEN;
		ret->absent += scope->state == SCOPE_ABSENT;
		if (scope->synced_ms && scope->state != SCOPE_FORBIDDEN && scope->state != SCOPE_ABSENT) {
			oldest = scope->proof_ms < oldest ? scope->proof_ms : oldest;
			newest = scope->proof_ms > newest ? scope->proof_ms : newest;
		}
		if (scope->retry_ms && scope->state != SCOPE_FORBIDDEN && scope->state != SCOPE_ABSENT) {
			int64_t in = scope->retry_ms > now ? scope->retry_ms - now : 0;

			ret->retry_in_ms = ret->retry_in_ms < 0 || in < ret->retry_in_ms ? in : ret->retry_in_ms;
		}
		if (trouble_rank(scope) > worst) {
			worst = trouble_rank(scope);
			ret->trouble = scope->kind;
			ret->why = scope->why;
		}
	}
	if (oldest != INT64_MAX)
		ret->age_ms = now > oldest ? now - oldest : 0;
	if (!newest)
		ret->state = ret->broken || *ret->why ? LIVE_STALE : LIVE_LOADING;
	else if (now - newest > STALE_MS)
		ret->state = LIVE_STALE;
	else if (ret->broken || ret->forbidden || ret->absent || ret->age_ms > STALE_MS)
		ret->state = LIVE_PARTLY;
	else
		ret->state = ret->loading ? LIVE_LOADING : LIVE_LIVE;
}

static bool concerns(const struct scope *scope, const struct kind *kind, const char *namespace)
{
	bool here = !*namespace || !*scope->namespace || !strcmp(scope->namespace, namespace);

	return here && (!kind || kind_same(scope->kind, kind)) && scope->synced_ms && scope->state != SCOPE_FORBIDDEN && scope->state != SCOPE_ABSENT;
}

bool live_is_proven(const struct live *live, const struct kind *kind, const char *namespace, struct buf *why)
{
	int64_t now = live_now_ms(live);
	const struct scope *scope;

	for (size_t i = 0; (scope = store_scope_at(live->store, i)); i++) {
		if (!counts_for_status(live, scope) || !concerns(scope, kind, namespace) || health_is_fresh(live->health, scope, now))
			continue;
		if (why)
			health_format_scope(live->health, scope, now, why);
		return false;
	}
	return true;
}

/* ---- life ---- */

static void listen_to(struct live *live, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (epoll_ctl(live->fd, EPOLL_CTL_ADD, fd, &event) < 0)
		mem_panic(1, "epoll refuses a descriptor");
}

static void start_metrics(struct live *live, const struct watcher_options *options)
{
	live->metrics = metrics_create(&(struct metrics_options){ .net = options->net,
								  .http = options->http,
								  .clock = options->clock,
								  .prepare = options->prepare,
								  .prepare_arg = options->prepare_arg });
	listen_to(live, metrics_fd(live->metrics));
}

struct live *live_create(const struct live_options *options)
{
	struct live *live = xcalloc(1, sizeof *live);
	const char *state_namespace = options->envs.state_namespace;

	live->connection = options->watcher;
	live->clock = options->watcher.clock;
	live->fd = epoll_create1(EPOLL_CLOEXEC);
	if (live->fd < 0)
		mem_panic(1, "no descriptor left for epoll");
	live->watcher = watcher_create(&options->watcher);
	listen_to(live, watcher_fd(live->watcher));
	if (options->fetch_metrics)
		start_metrics(live, &options->watcher);
	live->store = store_create();
	live->health = health_create(live->store, &options->health);
	live->envs = envs_create(live->store, live->health, &options->envs);
	live->fetch_logs = options->fetch_logs;
	live->strip = health_strip_create(options->strip_path);
	for (size_t k = 0; k < ARRAY_LEN(wide_kinds); k++)
		watcher_watch(live->watcher, live->store, wide_kinds[k], "");
	if (state_namespace && *state_namespace)
		watcher_watch(live->watcher, live->store, &kind_config_map, state_namespace);
	return live;
}

void live_destroy(struct live *live)
{
	if (!live)
		return;
	close(live->fd);
	metrics_destroy(live->metrics);
	watcher_destroy(live->watcher);
	health_strip_destroy(live->strip);
	envs_destroy(live->envs);
	health_destroy(live->health);
	store_destroy(live->store);
	for (size_t i = 0; i < live->nnamespaces; i++)
		free(live->namespaces[i]);
	free(live->namespaces);
	free(live);
}
