#include "watch_server.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "wire.h"

struct object {
	char name[32];
	unsigned version;
};

struct open_watch { /* lives on its connection's thread */
	struct buf out;
	bool ends;
};

struct watch_server {
	struct wire *wire;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct object *objects, *snapshot; /* now; as the list that is being read in pages shows it */
	size_t nobjects, cap, nsnapshot;
	unsigned version, snapshot_version;
	struct watch_answer answers[ASK_N];
	unsigned asked[ASK_N], under_way;
	char *last[ASK_N];
	struct open_watch *watch; /* the newest; NULL: none */
	unsigned nwatches;	  /* opened so far */
	unsigned writes;
	bool stops;
};

static enum watch_ask ask_of(const struct wire_request *request)
{
	AUTO_FREE char *accept = wire_header(request, "Accept");

	if (strstr(request->target, "sendInitialEvents="))
		return ASK_STREAM;
	if (strstr(request->target, "watch=1"))
		return ASK_WATCH;
	return accept && strstr(accept, "PartialObjectMetadata") ? ASK_AUDIT : ASK_LIST;
}

static void add_object(struct buf *out, const char *name, unsigned version)
{
	buf_addf(out, "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\",\"resourceVersion\":\"%u\"}}", name, name, version);
}

static size_t number_behind(const char *target, const char *name, size_t otherwise)
{
	const char *at = strstr(target, name);

	return at ? strtoul(at + strlen(name), NULL, 10) : otherwise;
}

/* A continue token is the number of the object that follows. */
static char *list_text(struct watch_server *server, const char *target)
{
	struct buf out = BUF_INIT(0);
	size_t from = number_behind(target, "continue=", 0), end = from + number_behind(target, "limit=", SIZE_MAX / 2);

	if (!from) {
		free(server->snapshot);
		server->snapshot = xreallocarray(NULL, server->nobjects + 1, sizeof *server->objects);
		if (server->nobjects)
			memcpy(server->snapshot, server->objects, server->nobjects * sizeof *server->objects);
		server->nsnapshot = server->nobjects;
		server->snapshot_version = server->version;
	}
	buf_addf(&out, "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"%u\"", server->snapshot_version);
	if (end < server->nsnapshot)
		buf_addf(&out, ",\"continue\":\"%zu\",\"remainingItemCount\":%zu", end, server->nsnapshot - end);
	buf_adds(&out, "},\"items\":[");
	for (size_t i = from; i < end && i < server->nsnapshot; i++) {
		buf_adds(&out, i > from ? "," : "");
		add_object(&out, server->snapshot[i].name, server->snapshot[i].version);
	}
	buf_adds(&out, "]}");
	return buf_give(&out);
}

static bool write_chunk(struct wire_peer *peer, struct str bytes)
{
	AUTO_FREE char *head = xasprintf("%zx\r\n", bytes.len);

	return !bytes.len || (wire_puts(peer, head) && wire_write(peer, bytes.p, bytes.len) && wire_puts(peer, "\r\n"));
}

/* Until the test ends it, another watch takes its place, or the server stops. Lock held, but not while it writes. */
static bool serve_watch(struct watch_server *server, struct wire_peer *peer, const struct watch_answer *answer)
{
	struct open_watch watch = { .out = BUF_INIT(0), .ends = answer->ends };
	bool good;

	buf_adds(&watch.out, answer->greeting ? answer->greeting : "");
	server->watch = &watch;
	server->nwatches++;
	good = wire_puts(peer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (good && server->watch == &watch && !server->stops && !(watch.ends && !watch.out.len)) {
		if (!watch.out.len) {
			pthread_cond_wait(&server->moved, &server->lock);
			continue;
		}
		good = write_chunk(peer, buf_str(&watch.out));
		server->writes++;
		buf_reset(&watch.out);
		pthread_cond_broadcast(&server->moved);
	}
	server->writes++;
	if (server->watch == &watch)
		server->watch = NULL;
	good = good && watch.ends && wire_puts(peer, "0\r\n\r\n");
	pthread_cond_broadcast(&server->moved);
	buf_release(&watch.out);
	return good;
}

static bool serve(struct wire_peer *peer, const struct wire_request *request, void *arg)
{
	struct watch_server *server = arg;
	enum watch_ask ask = ask_of(request);
	struct watch_answer answer;
	bool good;

	if (!strstr(request->target, "/api/v1/"))
		return wire_answer(peer, 200, "", "{}");
	pthread_mutex_lock(&server->lock);
	server->asked[ask]++;
	free(server->last[ask]);
	server->last[ask] = xstrdup(request->target);
	answer = server->answers[ask];
	if (answer.hangs) {
		pthread_mutex_unlock(&server->lock);
		wire_hang(peer);
		return false;
	}
	if (answer.status >= 400) {
		AUTO_FREE char *why = xasprintf("{\"kind\":\"Status\",\"code\":%d,\"message\":\"the test says so\"}", answer.status);

		AUTO_FREE char *header = answer.retry_after_s ? xasprintf("Retry-After: %u\r\n", answer.retry_after_s) : xstrdup("");

		good = wire_answer(peer, answer.status, header, why);
	} else if (ask == ASK_WATCH || ask == ASK_STREAM) {
		good = serve_watch(server, peer, &answer);
	} else {
		AUTO_FREE char *list = list_text(server, request->target);

		good = wire_answer(peer, 200, "", list);
	}
	pthread_mutex_unlock(&server->lock);
	return good;
}

struct watch_server *watch_server_start(void)
{
	struct watch_server *server = xcalloc(1, sizeof *server);

	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->moved, NULL);
	server->version = 1;
	server->wire = wire_start(&(struct wire_options){ .handler = serve, .arg = server });
	return server;
}

void watch_server_stop(struct watch_server *server)
{
	pthread_mutex_lock(&server->lock);
	server->stops = true;
	pthread_cond_broadcast(&server->moved);
	pthread_mutex_unlock(&server->lock);
	wire_stop(server->wire);
	for (size_t i = 0; i < ASK_N; i++)
		free(server->last[i]);
	free(server->objects);
	free(server->snapshot);
	pthread_cond_destroy(&server->moved);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

unsigned watch_server_port(const struct watch_server *server)
{
	return wire_port(server->wire);
}

static size_t find_object(const struct watch_server *server, const char *name)
{
	size_t i = 0;

	while (i < server->nobjects && strcmp(server->objects[i].name, name))
		i++;
	return i;
}

void watch_server_put(struct watch_server *server, const char *name, unsigned version)
{
	pthread_mutex_lock(&server->lock);
	size_t i = find_object(server, name);

	if (i == server->nobjects)
		snprintf(LIST_PUSH(server->objects, server->nobjects, server->cap).name, sizeof server->objects->name, "%s", name);
	server->objects[i].version = server->version = version;
	pthread_mutex_unlock(&server->lock);
}

void watch_server_drop(struct watch_server *server, const char *name, unsigned version)
{
	pthread_mutex_lock(&server->lock);
	size_t i = find_object(server, name);

	if (i < server->nobjects)
		server->objects[i] = server->objects[--server->nobjects];
	server->version = version;
	pthread_mutex_unlock(&server->lock);
}

void watch_server_answer(struct watch_server *server, enum watch_ask ask, struct watch_answer answer)
{
	pthread_mutex_lock(&server->lock);
	server->answers[ask] = answer;
	pthread_mutex_unlock(&server->lock);
}

/* Returns when it is written, so that what the test does next comes later. */
static void write_watch(struct watch_server *server, const char *text, bool ends)
{
	unsigned nwatches;

	pthread_mutex_lock(&server->lock);
	nwatches = server->nwatches;
	if (server->watch) {
		buf_adds(&server->watch->out, text);
		server->watch->ends = ends;
		pthread_cond_broadcast(&server->moved);
	}
	while (server->watch && server->nwatches == nwatches && (server->watch->out.len || ends))
		pthread_cond_wait(&server->moved, &server->lock);
	pthread_mutex_unlock(&server->lock);
}

void watch_server_send(struct watch_server *server, const char *text)
{
	write_watch(server, text, false);
}

void watch_server_event(struct watch_server *server, const char *type, const char *name, unsigned version)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	buf_addf(&text, "{\"type\":\"%s\",\"object\":", type);
	if (name)
		add_object(&text, name, version);
	else
		buf_addf(&text, "{\"kind\":\"ConfigMap\",\"metadata\":{\"resourceVersion\":\"%u\"}}", version);
	buf_adds(&text, "}\n");
	watch_server_send(server, buf_cstr(&text));
}

void watch_server_whole(struct watch_server *server, unsigned version)
{
	AUTO_FREE char *text = xasprintf("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"ConfigMap\",\"metadata\":{\"resourceVersion\":\"%u\",\"annotations\":"
					 "{\"k8s.io/initial-events-end\":\"true\"}}}}\n", version);

	watch_server_send(server, text);
}

void watch_server_end_watch(struct watch_server *server)
{
	write_watch(server, "", true);
}

unsigned watch_server_asked(struct watch_server *server, enum watch_ask ask)
{
	unsigned asked;

	pthread_mutex_lock(&server->lock);
	asked = server->asked[ask];
	pthread_mutex_unlock(&server->lock);
	return asked;
}

char *watch_server_last(struct watch_server *server, enum watch_ask ask)
{
	char *last;

	pthread_mutex_lock(&server->lock);
	last = xstrdup(server->last[ask] ? server->last[ask] : "");
	pthread_mutex_unlock(&server->lock);
	return last;
}

bool watch_server_is_watched(struct watch_server *server)
{
	bool watched;

	pthread_mutex_lock(&server->lock);
	watched = server->watch != NULL;
	pthread_mutex_unlock(&server->lock);
	return watched;
}

unsigned watch_server_writes(struct watch_server *server)
{
	unsigned writes;

	pthread_mutex_lock(&server->lock);
	writes = server->writes;
	pthread_mutex_unlock(&server->lock);
	return writes;
}
