#include "kube/lease.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/utc.h"

#define DURATION_S	  15
#define RENEW_EVERY_MS	  4000
#define RENEW_DEADLINE_MS 10000
#define RENEW_LIMIT_MS	  5000 /* of one renewal */
#define RENEW_AGAIN_MS	  500  /* once the deadline has passed: the server may be back */
#define POLL_MS		  1000
#define RELEASE_LIMIT_MS  2000
#define RUN_URL_KEY	  "slotdeck.dev/run-url"
#define PROCESS_KEY	  "slotdeck.dev/process" /* boot id, pid namespace, pid, start time */

struct lease {
	struct kube *kube;
	const struct kube_resource *resource;
	struct clock *clock;
	char *namespace, *name, *identity, *run_url;
	json_t *object; /* as we wrote it last; renewing thread, then lease_release() */
	struct cancel *stop;
	pthread_t thread;
	bool thread_runs;
	atomic_llong renewed_ms; /* when our last renewal began, monotonic */
	atomic_bool lost;
};

static void lease_free(struct lease *lease)
{
	free(lease->namespace);
	free(lease->name);
	free(lease->identity);
	free(lease->run_url);
	json_decref(lease->object);
	cancel_destroy(lease->stop);
	free(lease);
}

static const char *spec_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(json_object_get(object, "spec"), key));

	return text ? text : "";
}

/* ---- writing ---- */

#define START_UNKNOWN ULLONG_MAX
/* Start time of a process in clock ticks since boot; 0 when there is certainly no such process. */
static unsigned long long start_time_of(long pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%ld/stat", pid);
	FILE *file = fopen(path, "re");
	char line[1024] = "";
	unsigned long long start = START_UNKNOWN;

	if (!file)
		return errno == ENOENT ? 0 : START_UNKNOWN;
	if (fgets(line, sizeof line, file)) {
		const char *rest = strrchr(line, ')'); /* the name may hold anything */

		if (rest)
			sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start);
	}
	fclose(file);
	return start;
}

/* "BOOT NAMESPACE " of this machine and container: what makes process numbers comparable. Gives; "" if unknown. */
static char *process_space(void)
{
	char boot[64] = "", namespace[64] = "";
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (file) {
		if (!fgets(boot, sizeof boot, file))
			boot[0] = '\0';
		fclose(file);
	}
	boot[strcspn(boot, "\n")] = '\0';
	ssize_t n = readlink("/proc/self/ns/pid", namespace, sizeof namespace - 1);

	return *boot && n > 0 ? xasprintf("%s %s ", boot, namespace) : xstrdup("");
}

static char *own_process(void)
{
	AUTO_FREE char *space = process_space();

	return *space ? xasprintf("%s%ld %llu", space, (long)getpid(), start_time_of(getpid())) : NULL;
}

/* Whether the holder was a process of this very machine that is gone: then nobody needs to wait for it. */
static bool is_dead_neighbour(const json_t *object)
{
	const char *process = json_string_value(json_object_get(json_object_get(json_object_get(object, "metadata"), "annotations"), PROCESS_KEY));
	AUTO_FREE char *space = process_space();
	unsigned long long start;
	long pid;

	if (!process || !*space || !starts_with(process, space) || sscanf(process + strlen(space), "%ld %llu", &pid, &start) != 2)
		return false;
	unsigned long long now = start_time_of(pid);

	return now != START_UNKNOWN && start != START_UNKNOWN && now != start;
}

static void set_annotation(json_t *annotations, const char *key, const char *text)
{
	if (text)
		json_object_set_new(annotations, key, json_string(text));
	else
		json_object_del(annotations, key);
}

static void set_annotations(json_t *metadata, const char *url)
{
	json_t *annotations = json_object_get(metadata, "annotations");
	AUTO_FREE char *process = own_process();

	if (!annotations) {
		annotations = json_object();
		json_object_set_new(metadata, "annotations", annotations);
	}
	set_annotation(annotations, RUN_URL_KEY, url);
	set_annotation(annotations, PROCESS_KEY, process);
}

/* The Lease as it is when we hold it; before is what the server has, NULL for a new one. Gives. */
static json_t *held_object(const struct lease *lease, const json_t *before)
{
	json_t *object = before ? json_deep_copy(before) : json_pack("{s:s,s:s,s:{s:s,s:s}}", "apiVersion", "coordination.k8s.io/v1", "kind",
								     "Lease", "metadata", "name", lease->name, "namespace", lease->namespace);
	json_t *spec = json_object_get(object, "spec");
	bool renewal = strcmp(spec_text(object, "holderIdentity"), lease->identity) == 0;
	char now[64];

	if (!spec) {
		spec = json_object();
		json_object_set_new(object, "spec", spec);
	}
	utc_format_micro(clock_wall_us(lease->clock), now);
	json_object_set_new(spec, "holderIdentity", json_string(lease->identity));
	json_object_set_new(spec, "leaseDurationSeconds", json_integer(DURATION_S));
	json_object_set_new(spec, "renewTime", json_string(now));
	if (!renewal) {
		json_object_set_new(spec, "acquireTime", json_string(now));
		json_object_set_new(spec, "leaseTransitions", json_integer(json_integer_value(json_object_get(spec, "leaseTransitions")) + (before ? 1 : 0)));
		set_annotations(json_object_get(object, "metadata"), lease->run_url);
	}
	json_object_del(json_object_get(object, "metadata"), "managedFields");
	return object;
}

/*
 * One request on the Lease: POST without a name, PUT or GET with it. *ret, when given, is the server's answer. Only short requests are of
 * use to a holder: what hangs longer than limit_ms (0: as any other call) is better asked anew.
 */
static bool ask(struct lease *lease, const char *method, const json_t *object, unsigned limit_ms, const struct cancel *cancel, json_t **ret,
		struct kube_status *status, struct error *err)
{
	AUTO_FREE char *body = object ? json_dumps(object, JSON_COMPACT) : NULL;
	bool create = strcmp(method, "POST") == 0;
	struct kube_send call = { .method = method,
				  .verb = create ? "create" : object ? "replace" : "get",
				  .namespace = lease->namespace,
				  .name = create ? NULL : lease->name,
				  .content_type = object ? "application/json" : NULL,
				  .body = str_of(body),
				  .idempotent = !object,
				  .timeout_ms = limit_ms };
	AUTO_RELEASE(http_response) response = { 0 };

	if (!kube_send(lease->kube, lease->resource, &call, cancel, &response, status, err))
		return false;
	*ret = json_loadb(buf_cstr(&response.body), response.body.len, JSON_ALLOW_NUL, NULL);
	return *ret || error_set(err, ERR_SERVER, "%s Lease %s: the answer is no JSON", call.verb, lease->name);
}

/* Creates or replaces, guarded by the resourceVersion inside. On success lease->object is the server's answer. */
static bool put(struct lease *lease, const json_t *object, bool create, unsigned limit_ms, const struct cancel *cancel, struct kube_status *status,
		struct error *err)
{
	json_t *answer;

	if (!ask(lease, create ? "POST" : "PUT", object, limit_ms, cancel, &answer, status, err))
		return false;
	json_decref(lease->object);
	lease->object = answer;
	return true;
}

/* Our own write whose answer was lost looks like a conflict, too: the holder decides. True: lease->object is as the server has it. */
static bool still_ours(struct lease *lease, unsigned limit_ms, const struct cancel *cancel, struct error *err)
{
	AUTO_RELEASE(kube_status) status = { 0 };
	json_t *now;

	if (!ask(lease, "GET", NULL, limit_ms, cancel, &now, &status, err))
		return false;
	bool ours = strcmp(spec_text(now, "holderIdentity"), lease->identity) == 0;

	if (ours) {
		json_decref(lease->object);
		lease->object = json_incref(now);
	}
	json_decref(now);
	return ours || error_set(err, ERR_CONFLICT, "Lease %s has another holder", lease->name);
}

/* ---- renewing ---- */

/* One try; a conflict means that somebody took it. */
static void renew(struct lease *lease)
{
	AUTO_RELEASE(kube_status) status = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_RELEASE(error) why = { 0 };
	int64_t begun_ms = clock_now_ms(lease->clock);
	json_t *object = held_object(lease, lease->object);

	if (put(lease, object, false, RENEW_LIMIT_MS, lease->stop, &status, &err))
		atomic_store(&lease->renewed_ms, begun_ms);
	else if ((status.code == 409 || status.code == 404) && !still_ours(lease, RENEW_LIMIT_MS, lease->stop, &why) &&
		 (why.kind == ERR_CONFLICT || why.kind == ERR_NOT_FOUND))
		atomic_store(&lease->lost, true);
	json_decref(object);
}

static bool renewed_lately(const struct lease *lease)
{
	return clock_now_ms(lease->clock) - atomic_load(&lease->renewed_ms) <= RENEW_DEADLINE_MS;
}

static void *keep_renewing(void *arg)
{
	struct lease *lease = arg;
	AUTO_RELEASE(error) ignored = { 0 };

	while (!atomic_load(&lease->lost) && clock_sleep(lease->clock, lease->stop, renewed_lately(lease) ? RENEW_EVERY_MS : RENEW_AGAIN_MS, &ignored))
		renew(lease);
	return NULL;
}

bool lease_is_lost(const struct lease *lease)
{
	return atomic_load(&lease->lost);
}

bool lease_held(const struct lease *lease, struct error *err)
{
	if (atomic_load(&lease->lost))
		return error_set(err, ERR_CONFLICT, "Lease %s was taken by another deployment; nothing more is written", lease->name);
	if (!renewed_lately(lease))
		return error_set(err, ERR_CONFLICT, "Lease %s could not be renewed for %d s; nothing more is written", lease->name, RENEW_DEADLINE_MS / 1000);
	return true;
}

/* ---- acquiring ---- */

struct watching { /* what we have seen of another holder */
	char *version;
	int64_t since_ms; /* when it last changed, by our clock */
	unsigned changes; /* that happened while we looked: each proves that the holder lives */
	bool told;
};

static bool refuse(const struct lease *lease, const json_t *object, struct error *err)
{
	const char *url = json_string_value(json_object_get(json_object_get(json_object_get(object, "metadata"), "annotations"), RUN_URL_KEY));

	error_set(err, ERR_CONFLICT, "another deployment is under way: %s holds Lease %s since %s%s%s", spec_text(object, "holderIdentity"), lease->name,
		  spec_text(object, "acquireTime"), url ? ", run " : "", url ? url : "");
	return error_hint(err, "wait for its end, or pass --lease-wait DURATION");
}

/* Whether the record may be ours now: free, our own, or it stood still for its duration while we looked. */
static bool may_take(const struct lease *lease, const json_t *object, struct watching *seen)
{
	const char *holder = spec_text(object, "holderIdentity");
	const char *version = json_string_value(json_object_get(json_object_get(object, "metadata"), "resourceVersion"));
	const json_t *duration = json_object_get(json_object_get(object, "spec"), "leaseDurationSeconds");
	int64_t now_ms = clock_now_ms(lease->clock), limit_ms = DURATION_S * 1000;

	if (json_is_integer(duration) && json_integer_value(duration) < DURATION_S)
		limit_ms = json_integer_value(duration) * 1000;

	if (!*holder || strcmp(holder, lease->identity) == 0 || is_dead_neighbour(object))
		return true;
	if (!seen->version || strcmp(seen->version, version ? version : "") != 0) {
		seen->changes += seen->version != NULL;
		free(seen->version);
		seen->version = xstrdup(version ? version : "");
		seen->since_ms = now_ms;
	}
	return now_ms - seen->since_ms >= limit_ms;
}

static bool try_once(struct lease *lease, struct watching *seen, const struct cancel *cancel, bool *ret_done, json_t **ret_other, struct error *err)
{
	AUTO_RELEASE(error) why = { 0 };
	AUTO_RELEASE(kube_status) status = { 0 };
	json_t *before = NULL;

	*ret_done = false;
	if (!kube_get(lease->kube, lease->resource, lease->namespace, lease->name, cancel, &before, &why) && why.kind != ERR_NOT_FOUND)
		return error_move(err, &why);
	if (before && !may_take(lease, before, seen)) {
		*ret_other = before;
		return true;
	}
	int64_t begun_ms = clock_now_ms(lease->clock);
	json_t *object = held_object(lease, before);

	*ret_done = put(lease, object, !before, 0, cancel, &status, err);
	json_decref(object);
	json_decref(before);
	if (*ret_done)
		atomic_store(&lease->renewed_ms, begun_ms);
	/* Lost a race, or the answer of our own create was lost: look again. */
	if (!*ret_done && (status.code == 409 || err->kind == ERR_NETWORK))
		error_release(err);
	return err->kind == ERR_NONE;
}

bool lease_acquire(struct kube *kube, const struct lease_options *options, const struct cancel *cancel, struct lease **ret, struct error *err)
{
	struct lease *lease = xcalloc(1, sizeof *lease);
	struct watching seen = { 0 };
	int64_t started_ms;
	bool good, done = false;

	lease->kube = kube;
	lease->clock = net_clock(kube_net(kube));
	lease->namespace = xstrdup(options->namespace);
	lease->name = xstrdup(options->name);
	lease->identity = xstrdup(options->identity);
	lease->run_url = options->run_url ? xstrdup(options->run_url) : NULL;
	lease->stop = cancel_create();
	lease->resource = kube_find_kind(kube, "coordination.k8s.io/v1", "Lease", cancel, err);
	started_ms = clock_now_ms(lease->clock);
	good = lease->resource || (err->kind ? false : error_set(err, ERR_SERVER, "the server has no kind Lease"));
	while (good && !done) {
		json_t *other = NULL;

		good = try_once(lease, &seen, cancel, &done, &other, err);
		if (!good || done || !other) {
			json_decref(other);
			if (good && !done)
				good = clock_sleep(lease->clock, cancel, 50, err);
			continue;
		}
		/* A holder that renews while we look is alive; the first look proves nothing yet. */
		int64_t waited_ms = clock_now_ms(lease->clock) - started_ms;
		bool alive = seen.changes > 0;

		if (alive && waited_ms >= (int64_t)options->wait_ms)
			good = refuse(lease, other, err);
		if (good && options->on_wait && !seen.told) {
			options->on_wait(spec_text(other, "holderIdentity"), DURATION_S, options->arg);
			seen.told = true;
		}
		json_decref(other);
		good = good && clock_sleep(lease->clock, cancel, POLL_MS, err);
	}
	free(seen.version);
	if (!good) {
		lease_free(lease);
		return false;
	}
	lease->thread_runs = pthread_create(&lease->thread, NULL, keep_renewing, lease) == 0;
	*ret = lease;
	return true;
}

/* ---- giving back ---- */

/* A renewal that we cancelled may have been executed: then the version that we know is old, and the next try has the new one. */
static void give_back(struct lease *lease)
{
	int64_t due_ms = clock_now_ms(lease->clock) + RELEASE_LIMIT_MS, left_ms;
	bool again = true;

	while (again && (left_ms = due_ms - clock_now_ms(lease->clock)) > 0) {
		AUTO_RELEASE(kube_status) status = { 0 };
		AUTO_RELEASE(error) ignored = { 0 };
		json_t *object = json_deep_copy(lease->object);

		json_object_set_new(json_object_get(object, "spec"), "holderIdentity", json_string(""));
		json_object_del(json_object_get(object, "metadata"), "managedFields");
		again = !put(lease, object, false, (unsigned)left_ms, NULL, &status, &ignored) && status.code == 409 &&
			still_ours(lease, (unsigned)left_ms, NULL, &ignored);
		json_decref(object);
	}
}

void lease_release(struct lease *lease)
{
	if (!lease)
		return;
	cancel_request(lease->stop, 0);
	if (lease->thread_runs)
		pthread_join(lease->thread, NULL);
	if (!atomic_load(&lease->lost) && lease->object)
		give_back(lease);
	lease_free(lease);
}
