#include "live/logs.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "kube/log_reader.h"
#include "live/log_save.h"

_Static_assert(LOGS_STREAMS == LOG_READER_STREAMS, "what is said is what is done");

#define SYNC_MS 200 /* the pods are looked at again no more often */

struct known { /* what the live model said of a source when it was last looked at */
	int32_t restarts;
	uint8_t state;
};

struct logs {
	struct live *live;
	struct logs_target *targets;
	size_t ntargets;
	bool spread; /* they lie in several places: these are named */
	struct logs_range range;
	size_t max_bytes;
	struct log_reader *reader;
	struct log_store *store;
	struct log_block *waiting; /* taken, but there is no room for it */
	struct logs_source *sources;
	struct known *known;
	size_t len, cap, known_len, known_cap;
	struct map by_identity; /* "uid/container" → index + 1 */
	uint64_t serial; /* of the live model's store, at the last look */
	int64_t sync_ms;
	log_filter_fn *wanted;
	void *wanted_arg;
	bool paused, held, working;
	struct log_save *save;
};

/* ---- which containers ---- */

/* Where a target lies. */
static const char *place_of(const struct logs_target *target)
{
	return target->kind ? target->namespace : target->title;
}

/* "users-6d9f-x2k": with its workload named, "x2k" is enough; else the part that a ReplicaSet adds goes. */
static char *name_pod(const struct logs *logs, const struct entry *pod)
{
	const struct entry *owner = pod->owner;
	const char *name = pod->row->name;
	size_t own = owner && owner->row ? strlen(owner->row->name) : 0;
	const char *last = own && starts_with(name, owner->row->name) && name[own] == '-' ? name + own + 1 : NULL;

	if (!last)
		return xstrdup(name);
	if (logs->ntargets == 1 && logs->targets->kind)
		return xstrdup(last);
	if (owner->owner && owner->owner->row && owner->row->kind == &kind_replica_set)
		return xasprintf("%s-%s", owner->owner->row->name, last);
	return xstrdup(name);
}

static char *name_source(const struct logs *logs, const struct logs_target *target, const struct entry *pod, const struct row_container *container)
{
	AUTO_FREE char *name = name_pod(logs, pod);
	bool several = pod->row->pod->ncontainers > 1 || container->role == ROW_EPHEMERAL;

	return xasprintf("%s%s%s%s%s", logs->spread ? place_of(target) : "", logs->spread ? "/" : "", name, several ? "/" : "", several ? container->name : "");
}

static void add_source(struct logs *logs, const struct logs_target *target, const struct entry *pod, const struct row_container *container, const char *identity)
{
	struct log_follow_options options = { .namespace = pod->row->namespace,
					      .pod = pod->row->name,
					      .uid = pod->uid,
					      .container = container->name,
					      .run = container->restarts,
					      .state = (enum row_container_state)container->state,
					      .last_exit_code = container->last_exit_code,
					      .previous = logs->range.previous,
					      .since_s = logs->range.since_s,
					      .tail = logs->range.tail };

	if (logs->len > UINT16_MAX)
		return;
	log_reader_add(logs->reader, (uint16_t)logs->len, &options);
	LIST_PUSH(logs->known, logs->known_len, logs->known_cap) = (struct known){ container->restarts, container->state };
	LIST_PUSH(logs->sources, logs->len, logs->cap) = (struct logs_source){ .namespace = xstrdup(pod->row->namespace),
									       .pod = xstrdup(pod->row->name),
									       .uid = xstrdup(pod->uid),
									       .container = xstrdup(container->name),
									       .short_name = name_source(logs, target, pod, container),
									       .why = xstrdup("") };
	map_set(&logs->by_identity, str_of(identity), (void *)logs->len);
}

static void look_at_container(struct logs *logs, const struct logs_target *target, const struct entry *pod, const struct row_container *container)
{
	AUTO_FREE char *identity = xasprintf("%s/%s", pod->uid, container->name);
	size_t place = (size_t)map_get(&logs->by_identity, str_of(identity));
	bool ever_ran = container->restarts > 0 || container->state == ROW_RUNNING || container->state == ROW_TERMINATED;
	struct known *known = place ? &logs->known[place - 1] : NULL;

	if (!known && ever_ran) {
		add_source(logs, target, pod, container, identity);
	} else if (known && (known->restarts != container->restarts || known->state != container->state)) {
		*known = (struct known){ container->restarts, container->state };
		log_reader_hurry(logs->reader, (uint16_t)(place - 1));
	}
}

static void look_at_tree(struct logs *logs, const struct logs_target *target, const struct entry *entry)
{
	const struct row_container *container;

	if (entry->row && entry->row->kind == &kind_pod)
		for (size_t i = 0; (container = row_pod_container(entry->row->pod, i)); i++)
			look_at_container(logs, target, entry, container);
	for (const struct entry *child = entry->children; child; child = child->next_child)
		look_at_tree(logs, target, child);
}

static void look_at_environment(struct logs *logs, const struct logs_target *target)
{
	struct envs *envs = live_envs(logs->live);
	const struct environment *environment = envs_find(envs, target->title);
	AUTO_RELEASE(env_members) members = { 0 };

	if (!environment)
		return;
	envs_members(envs, environment, &members, live_now_ms(logs->live));
	for (size_t i = 0; i < members.len; i++)
		if (members.items[i].entry)
			look_at_tree(logs, target, members.items[i].entry);
}

static void look_at_target(struct logs *logs, const struct logs_target *target)
{
	const struct entry *entry;

	if (!target->kind)
		look_at_environment(logs, target);
	else if ((entry = store_find_name(live_store(logs->live), target->kind, target->namespace, target->name)))
		look_at_tree(logs, target, entry);
}

/* True: there are more sources than before. */
static bool look_at_pods(struct logs *logs)
{
	struct store *store = live_store(logs->live);
	int64_t now_ms = live_now_ms(logs->live);
	size_t before = logs->len;

	if (store_serial(store) == logs->serial || now_ms < logs->sync_ms)
		return false;
	logs->serial = store_serial(store);
	logs->sync_ms = now_ms + SYNC_MS;
	for (size_t i = 0; i < logs->ntargets; i++)
		look_at_target(logs, &logs->targets[i]);
	return logs->len > before;
}

/* ---- lines ---- */

static void take_state(struct logs *logs, struct log_news *news)
{
	struct logs_source *source = &logs->sources[news->source];

	source->state = news->state;
	free(source->why);
	source->why = GIVE(news->why);
}

/* Puts the block that waits into the store; false when there is no room without dropping what must stay. */
static bool store_waiting(struct logs *logs, uint64_t keep)
{
	if (!logs->waiting)
		return true;
	logs->held = !log_store_add(logs->store, logs->waiting, keep);
	if (logs->held)
		return false;
	logs->waiting = NULL;
	return true;
}

static bool take(struct logs *logs, int64_t until_us, uint64_t keep)
{
	AUTO_RELEASE(log_news) news = { 0 };
	bool any = logs->waiting && !logs->paused;

	if (logs->paused || !store_waiting(logs, keep))
		return false;
	while (log_reader_next(logs->reader, &news)) {
		any = true;
		if (!news.block) {
			take_state(logs, &news);
			continue;
		}
		logs->waiting = GIVE(news.block);
		if (!store_waiting(logs, keep) || clock_now_us(NULL) >= until_us)
			break;
	}
	return any;
}

bool logs_poll(struct logs *logs, int64_t budget_ms, uint64_t keep)
{
	int64_t until_us = budget_ms ? clock_now_us(NULL) + budget_ms * 1000 : INT64_MAX;
	uint64_t unseen = log_store_counts(logs->store).unseen;
	enum logs_save_state saving = log_save_state(logs->save, NULL);
	bool changed = look_at_pods(logs);

	changed = take(logs, until_us, keep) || changed;
	logs->working = log_store_work(logs->store, until_us);
	log_save_poll(logs->save);
	return changed || unseen != log_store_counts(logs->store).unseen || saving != log_save_state(logs->save, NULL);
}

bool logs_has_more(const struct logs *logs)
{
	return logs->working || (!logs->paused && !logs->held && (logs->waiting || log_reader_has_more(logs->reader)));
}

bool logs_are_held(const struct logs *logs)
{
	return logs->held;
}

void logs_pause(struct logs *logs, bool paused)
{
	logs->paused = paused;
}

int logs_fd(const struct logs *logs)
{
	return log_reader_fd(logs->reader);
}

/* ---- the rest ---- */

const struct logs_range *logs_range(const struct logs *logs)
{
	return &logs->range;
}

struct log_store *logs_store(struct logs *logs)
{
	return logs->store;
}

size_t logs_count(const struct logs *logs)
{
	return logs->len;
}

const struct logs_source *logs_source(const struct logs *logs, size_t n)
{
	return n < logs->len ? &logs->sources[n] : NULL;
}

void logs_hurry(struct logs *logs)
{
	for (size_t i = 0; i < logs->len; i++)
		log_reader_hurry(logs->reader, (uint16_t)i);
}

void logs_set_filter(struct logs *logs, log_filter_fn *wanted, void *arg)
{
	logs->wanted = wanted;
	logs->wanted_arg = arg;
	log_store_set_filter(logs->store, wanted, arg);
}

static void close_all(struct logs *logs)
{
	log_reader_destroy(logs->reader);
	log_store_destroy(logs->store);
	log_block_unref(GIVE(logs->waiting));
	map_release(&logs->by_identity);
	for (size_t i = 0; i < logs->len; i++) {
		free(logs->sources[i].namespace);
		free(logs->sources[i].pod);
		free(logs->sources[i].uid);
		free(logs->sources[i].container);
		free(logs->sources[i].short_name);
		free(logs->sources[i].why);
	}
	logs->len = logs->known_len = 0;
}

static void open_all(struct logs *logs)
{
	logs->by_identity = (struct map)MAP_INIT(NULL);
	logs->reader = log_reader_create(live_connection(logs->live));
	logs->store = log_store_create(logs->max_bytes);
	log_store_set_filter(logs->store, logs->wanted, logs->wanted_arg);
	logs->serial = UINT64_MAX;
	logs->sync_ms = 0;
	logs->held = false;
	look_at_pods(logs);
}

void logs_set_range(struct logs *logs, const struct logs_range *range)
{
	close_all(logs);
	logs->range = *range;
	open_all(logs);
}

static void add_target(struct logs *logs, const struct logs_target *target)
{
	struct logs_target *own = &logs->targets[logs->ntargets++];

	own->kind = target->kind;
	own->namespace = target->kind ? xstrdup(target->namespace) : NULL;
	own->name = target->kind ? xstrdup(target->name) : NULL;
	own->title = target->kind ? NULL : xstrdup(target->title);
	logs->spread = logs->spread || strcmp(place_of(own), place_of(logs->targets)) != 0;
	if (target->kind)
		live_add_namespace(logs->live, target->namespace); /* its pods may be of none that is watched yet */
}

struct logs *logs_create(struct live *live, const struct logs_target *targets, size_t ntargets, const struct logs_range *range, size_t max_bytes)
{
	struct logs *logs = xcalloc(1, sizeof *logs);

	logs->live = live;
	logs->targets = xcalloc(ntargets, sizeof *logs->targets);
	for (size_t i = 0; i < ntargets; i++)
		add_target(logs, &targets[i]);
	logs->range = *range;
	logs->max_bytes = max_bytes ? max_bytes : LOGS_MAX_BYTES;
	logs->save = log_save_create();
	open_all(logs);
	return logs;
}

void logs_destroy(struct logs *logs)
{
	if (!logs)
		return;
	close_all(logs);
	log_save_destroy(logs->save);
	free(logs->sources);
	free(logs->known);
	for (size_t i = 0; i < logs->ntargets; i++) {
		free((char *)logs->targets[i].namespace);
		free((char *)logs->targets[i].name);
		free((char *)logs->targets[i].title);
	}
	free(logs->targets);
	free(logs);
}

/* ---- saving ---- */

bool logs_save(struct logs *logs, const char *path)
{
	AUTO_FREE const char **names = xcalloc(logs->len + 1, sizeof *names);

	for (size_t i = 0; i < logs->len; i++)
		names[i] = logs->sources[i].short_name;
	return log_save_start(logs->save, logs->store, names, logs->len, path);
}

enum logs_save_state logs_save_state(const struct logs *logs, const char **ret_text)
{
	return log_save_state(logs->save, ret_text);
}
