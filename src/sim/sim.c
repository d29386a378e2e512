#include "sim/sim.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/asset.h"
#include "sim/faults.h"
#include "sim/rest.h"
#include "sim/scenario.h"
#include "sim/server.h"

static _Atomic int64_t fixed_wall_ms; /* 0: the real time */

void sim_set_wall_ms(int64_t ms)
{
	fixed_wall_ms = ms;
}

int64_t sim_wall_ms(void)
{
	struct timespec now;

	if (fixed_wall_ms)
		return fixed_wall_ms;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t sim_now(const struct sim *sim)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)(((double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6) * sim->speed) + sim->aged_ms;
}

uint64_t sim_random(struct sim *sim)
{
	uint64_t x = sim->random += 0x9e3779b97f4a7c15u; /* splitmix64 */

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

void sim_uid(struct sim *sim, char out[37])
{
	uint64_t a = sim_random(sim), b = sim_random(sim);

	snprintf(out, 37, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
		 (unsigned)(0x8000 | (b >> 48 & 0x3fff)), (unsigned long long)(b & 0xffffffffffffu));
}

void sim_suffix(struct sim *sim, char *out, size_t len)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789"; /* no vowels: no words */

	for (size_t i = 0; i < len; i++)
		out[i] = letters[sim_random(sim) % (sizeof letters - 1)];
	out[len] = 0;
}

uint16_t sim_port(const struct sim *sim)
{
	return sim->port;
}

const char *sim_url(const struct sim *sim)
{
	return sim->url;
}

struct sim *sim_start(const struct sim_options *options, struct error *err)
{
	struct sim *sim = xcalloc(1, sizeof *sim);
	pthread_condattr_t attr;

	json_object_seed(0); /* once for all threads */
	pthread_mutex_init(&sim->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&sim->work, &attr);
	pthread_cond_init(&sim->idle, &attr);
	pthread_condattr_destroy(&attr);
	sim->registry = options->registry;
	sim->speed = options->speed > 0 ? options->speed : 1;
	if (getrandom(&sim->random, sizeof sim->random, 0) != (ssize_t)sizeof sim->random)
		sim->random = (uint64_t)sim_wall_ms();
	sim->rbac = rbac_create();
	sim->rv = 100;
	if (!kinds_load(sim, err) || !server_start(sim, options, err) ||
	    !scenario_build(sim, options->scenario ? options->scenario : "empty", options->nodes ? options->nodes : 3, err) ||
	    !control_start(sim, err)) {
		sim_stop(sim);
		return NULL;
	}
	return sim;
}

void sim_stop(struct sim *sim)
{
	if (!sim)
		return;
	pthread_mutex_lock(&sim->lock);
	sim->stopping = true;
	pthread_mutex_unlock(&sim->lock);
	control_stop(sim);
	server_stop(sim);
	for (size_t i = 0; i < sim->nsnapshots; i++) {
		for (size_t k = 0; k < sim->snapshots[i].n; k++)
			version_unref(sim->snapshots[i].items[k]);
		free(sim->snapshots[i].items);
	}
	free(sim->snapshots);
	for (size_t i = 0; i < sim->nresources; i++) {
		store_free(sim, sim->resources[i]);
		kinds_free(sim->resources[i]);
	}
	free(sim->resources);
	free(sim->queue);
	free(sim->timers);
	schema_destroy(sim->schema);
	rbac_destroy(sim->rbac);
	pthread_mutex_destroy(&sim->lock);
	pthread_cond_destroy(&sim->work);
	pthread_cond_destroy(&sim->idle);
	free(sim->url);
	free(sim);
}

char *sim_request(struct sim *sim, const char *method, const char *path_and_query, const char *content_type, const char *body,
		  unsigned *ret_status)
{
	AUTO_RELEASE(reply) reply = { 0 };
	AUTO_FREE char *path = xmemdup0(path_and_query, strcspn(path_and_query, "?"));
	struct request request = { .method = method, .path = path, .query = MAP_INIT(free), .accept = "application/json",
				   .content_type = content_type ? content_type : "application/json", .user_agent = "sim/1.0",
				   .body = str_of(body) };

	query_parse(path_and_query, &request.query);
	rest_handle(sim, &request, &reply);
	map_release(&request.query);
	if (ret_status)
		*ret_status = reply.status;
	return buf_give(&reply.body);
}

bool sim_set_faults(struct sim *sim, const char *json, struct error *err)
{
	AUTO_FREE char *why = NULL;
	json_t *rules = jx_parse(json, strlen(json), &why);

	if (!rules)
		return error_set(err, ERR_INVALID, "fault rules: %s", why ? why : "no JSON");
	bool good = faults_load(server_faults(sim->server), rules, err);

	json_decref(rules);
	return good;
}

bool sim_set_up(struct sim *sim, bool up, struct error *err)
{
	return server_set_up(sim->server, up, err);
}

bool sim_freeze(struct sim *sim, const char *pattern, bool later, struct error *err)
{
	return server_freeze(sim->server, pattern, later, err);
}

void sim_thaw(struct sim *sim)
{
	server_thaw(sim->server);
}

void sim_forget_history(struct sim *sim)
{
	server_compact(sim->server);
	server_reset_watches(sim->server);
}

char *sim_requests(struct sim *sim)
{
	return server_log(sim->server);
}

unsigned long sim_request_count(struct sim *sim)
{
	return server_count(sim->server);
}

bool sim_wait_idle(struct sim *sim, unsigned timeout_ms)
{
	struct timespec until;
	bool idle = true;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&sim->lock);
	while (idle && sim->controller_running && (sim->nqueue || sim->busy))
		idle = pthread_cond_timedwait(&sim->idle, &sim->lock, &until) == 0;
	pthread_mutex_unlock(&sim->lock);
	return idle;
}

static bool write_file(const char *folder, const char *path, struct str bytes, struct error *err)
{
	AUTO_FREE char *whole = xasprintf("%s/%s", folder, path);

	for (char *slash = strchr(whole + strlen(folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(whole, 0777) && errno != EEXIST)
			return error_errno(err, "%s", whole);
		*slash = '/';
	}
	FILE *file = fopen(whole, "we");

	if (!file)
		return error_errno(err, "%s", whole);
	bool good = fwrite(bytes.p, 1, bytes.len, file) == bytes.len;

	return fclose(file) == 0 && good ? true : error_errno(err, "%s", whole);
}

bool sim_demo_write(const char *folder, struct error *err)
{
	const char *path;
	struct str bytes;

	for (size_t i = 0; asset_at(i, &path, &bytes); i++) {
		AUTO_FREE char *place = starts_with(path, "demo/") ? xasprintf("assets/%s", path) : xstrdup(path);

		if ((starts_with(path, "demo/") || !strcmp(path, "services.yaml")) && !write_file(folder, place, bytes, err))
			return false;
	}
	return true;
}

/* ---- the command line ---- */

struct arguments {
	struct sim_options options;
	char *address;
	bool until_eof;
};

static bool parse_listen(struct arguments *a, const char *text, struct error *err)
{
	const char *colon = strrchr(text, ':');
	unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 65536;

	if (port > 65535)
		return error_set(err, ERR_INVALID, "--listen wants ADDRESS:PORT, not \"%s\"", text);
	free(a->address);
	a->address = xmemdup0(text, (size_t)(colon - text));
	a->options.address = a->address;
	a->options.port = (uint16_t)port;
	return true;
}

static bool parse_option(struct arguments *a, const char *name, const char *value, struct error *err)
{
	const struct {
		const char *name;
		const char **into;
	} texts[] = {
		{ "--kubeconfig", &a->options.kubeconfig }, { "--request-log", &a->options.request_log },
		{ "--faults", &a->options.faults },	    { "--features-off", &a->options.features_off },
		{ "--feature-off", &a->options.features_off }, { "--scenario", &a->options.scenario },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (!strcmp(name, texts[i].name)) {
			*texts[i].into = value;
			return true;
		}
	if (!strcmp(name, "--listen"))
		return parse_listen(a, value, err);
	if (!strcmp(name, "--speed"))
		a->options.speed = strtod(value, NULL);
	else if (!strcmp(name, "--nodes"))
		a->options.nodes = (unsigned)strtoul(value, NULL, 10);
	else
		return error_set(err, ERR_INVALID, "unknown option %s", name);
	return true;
}

static void wait_for_end(bool until_eof, int signals)
{
	struct pollfd fds[2] = { { .fd = signals, .events = POLLIN }, { .fd = 0, .events = POLLIN } };

	for (;;) {
		char text[256];

		if (poll(fds, until_eof ? 2 : 1, -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			return;
		if (until_eof && fds[1].revents && read(0, text, sizeof text) <= 0)
			return;
	}
}

int sim_main(int argc, char **argv)
{
	struct arguments a = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	bool good = true;
	sigset_t set;

	for (int i = 1; good && i < argc; i++) {
		if (!strcmp(argv[i], "--until-eof"))
			a.until_eof = true;
		else if (i + 1 == argc)
			good = error_set(&err, ERR_INVALID, "%s wants a value", argv[i]);
		else {
			good = parse_option(&a, argv[i], argv[i + 1], &err);
			i++;
		}
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	AUTO(sim) sim = good ? sim_start(&a.options, &err) : NULL;

	if (!sim) {
		fprintf(stderr, "slotdeck sim: %s\n", err.message);
		free(a.address);
		return err.kind == ERR_INVALID ? 2 : 1;
	}
	printf("ready %s\n", sim_url(sim));
	fflush(stdout);
	int signals = signalfd(-1, &set, SFD_CLOEXEC);

	wait_for_end(a.until_eof, signals);
	close(signals);
	free(a.address);
	return 0;
}
