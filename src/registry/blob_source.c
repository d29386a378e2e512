/*
 *   net thread: on_data ► piece ─ queue, 512 KiB at most, then the socket is paused ─► reading thread: blob_source_read()
 */
#include "registry/blob_source.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/queue.h"
#include "registry/answer.h"

#define HELD_MAX_BYTES	 ((size_t)512 << 10)
#define HELD_LOW_BYTES	 ((size_t)128 << 10)
#define SILENCE_LIMIT_MS 60000
#define OPEN_LIMIT_MS	 30000
#define REDIRECTS	 5

enum piece_kind { PIECE_OPEN, PIECE_DATA, PIECE_END };

struct piece {
	enum piece_kind kind;
	struct buf bytes;
	struct http_response refusal; /* PIECE_END: status 0 when there was none */
	struct error error;
};

struct blob_source {
	struct registry *registry;
	const struct cancel *cancel;
	struct queue *pieces;
	struct http_stream *stream;
	atomic_size_t held_bytes;
	atomic_bool paused;
	struct piece *piece; /* that is being read */
	size_t read_bytes;   /* of it */
	int64_t skip_bytes;  /* the server began before the offset that was asked for */
	atomic_bool whole;   /* it answered 200, not 206 */
};

static void piece_free(void *arg)
{
	struct piece *piece = arg;

	if (!piece)
		return;
	buf_release(&piece->bytes);
	http_response_release(&piece->refusal);
	error_release(&piece->error);
	free(piece);
}

static void push(struct blob_source *s, enum piece_kind kind, struct str bytes, const struct http_response *refusal, const struct error *error)
{
	struct piece *piece = xcalloc(1, sizeof *piece);

	piece->kind = kind;
	buf_add_str(&piece->bytes, bytes);
	if (error)
		error_copy(&piece->error, error);
	if (refusal) {
		piece->refusal.status = refusal->status;
		buf_add_str(&piece->refusal.head, buf_str(&refusal->head));
		buf_add_str(&piece->refusal.body, buf_str(&refusal->body));
	}
	queue_push(s->pieces, piece);
}

static void on_open(const struct http_response *response, void *arg)
{
	struct blob_source *s = arg;

	atomic_store(&s->whole, response->status != 206);
	push(s, PIECE_OPEN, STR(""), NULL, NULL);
}

static bool on_data(struct str bytes, void *arg)
{
	struct blob_source *s = arg;

	push(s, PIECE_DATA, bytes, NULL, NULL);
	if (atomic_fetch_add(&s->held_bytes, bytes.len) + bytes.len > HELD_MAX_BYTES && !atomic_exchange(&s->paused, true))
		http_stream_pause(s->stream, true);
	return true;
}

static void on_end(const struct http_response *refusal, const struct error *err, void *arg)
{
	push(arg, PIECE_END, STR(""), refusal, err);
}

static void go_on(void *arg)
{
	struct blob_source *s = arg;

	atomic_store(&s->paused, false);
	http_stream_pause(s->stream, false);
}

static struct piece *take(struct blob_source *s, unsigned limit_ms, struct error *err)
{
	struct clock *clock = net_clock(s->registry->net);
	struct piece *piece = queue_wait(s->pieces, clock, s->cancel, clock_now_ms(clock) + limit_ms, err);

	if (!piece && err->kind == ERR_TIMEOUT)
		error_set(err, ERR_TIMEOUT, "registry %s: no byte of the blob came for %u s", s->registry->host, limit_ms / 1000);
	return piece;
}

/* ---- opening ---- */

static void close_stream(struct blob_source *s)
{
	http_stream_close(s->stream);
	s->stream = NULL;
	for (struct piece *piece; (piece = queue_pop(s->pieces));)
		piece_free(piece);
}

struct opening {
	struct blob_source *source;
	struct registry_request request;
	const struct registry_call *call;
	char *location; /* NULL: the registry itself */
	int64_t offset;
};

struct start { /* opens the stream on the net thread, so that no callback comes before its owner knows it */
	struct blob_source *source;
	struct http *http;
	const struct http_request *request;
};

static void start_posted(void *arg)
{
	static const struct http_stream_ops ops = { .on_open = on_open, .on_data = on_data, .on_end = on_end };
	struct start *start = arg;

	start->source->stream = http_stream_open(start->http, start->request, &ops, start->source);
}

static bool begin(struct opening *o, struct registry_place *place, const struct secret *authorization, struct error *err)
{
	AUTO_FREE char *line = NULL, *range = NULL;
	const char *headers[3] = { 0 };
	size_t n = 0;

	if (!registry_find_place(o->source->registry, &o->request, o->call, place, err))
		return false;
	if (place->ours && !secret_empty(authorization))
		headers[n++] = line = xasprintf("Authorization: %s", secret_reveal(authorization).p);
	if (o->offset)
		headers[n] = range = xasprintf("Range: bytes=%lld-", (long long)o->offset);
	const struct http_request request = {
		.path = place->path, .accept = "*/*", .headers = headers, .mode = HTTP_ALONE, .timeout_ms = OPEN_LIMIT_MS
	};
	struct start start = { o->source, place->http, &request };

	net_post_and_wait(o->source->registry->net, start_posted, &start);
	if (line)
		secret_wipe(line, strlen(line));
	return true;
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

enum outcome { OUTCOME_OPEN, OUTCOME_REDIRECTED, OUTCOME_LOGIN, OUTCOME_FAILED };

static enum outcome refused(struct opening *o, const struct registry_place *place, struct piece *end, bool *ret_temporary, struct error *err)
{
	struct registry *r = o->source->registry;

	if (!end->refusal.status) {
		*ret_temporary = end->error.kind != ERR_DENIED && end->error.kind != ERR_INVALID && end->error.kind != ERR_CANCELLED;
		error_move(err, &end->error);
		error_wrap(err, "registry %s", r->host);
		return OUTCOME_FAILED;
	}
	if (end->refusal.status == 401 && place->ours)
		return OUTCOME_LOGIN;
	if (is_redirect(end->refusal.status)) {
		char *location = registry_location(place, &end->refusal);

		free(o->location);
		o->request.location = o->location = location;
		if (location)
			return OUTCOME_REDIRECTED;
	}
	*ret_temporary = answer_is_temporary(end->refusal.status, buf_str(&end->refusal.body));
	registry_refused(r, &o->request, &end->refusal, err);
	return OUTCOME_FAILED;
}

static enum outcome try_once(struct opening *o, bool again, bool *ret_temporary, struct error *err)
{
	struct registry *r = o->source->registry;
	AUTO_RELEASE(registry_place) place = { 0 };
	AUTO_RELEASE(secret) authorization = { 0 };
	unsigned serial;

	if (!token_get(r, o->request.repository, o->call, &authorization, &serial, err) || !begin(o, &place, &authorization, err))
		return OUTCOME_FAILED;
	struct piece *piece = take(o->source, OPEN_LIMIT_MS + 5000, err);
	enum outcome outcome = OUTCOME_OPEN;

	if (!piece)
		return OUTCOME_FAILED;
	if (piece->kind == PIECE_END)
		outcome = refused(o, &place, piece, ret_temporary, err);
	if (outcome == OUTCOME_LOGIN && (again || !token_refused(r, o->request.repository, o->call, &piece->refusal, serial, err))) {
		if (!err->kind)
			registry_refused(r, &o->request, &piece->refusal, err);
		outcome = OUTCOME_FAILED;
	}
	piece_free(piece);
	if (outcome != OUTCOME_OPEN)
		close_stream(o->source);
	return outcome;
}

static bool open_at_last(struct opening *o, bool *ret_temporary, struct error *err)
{
	bool asked_for_login = false;

	for (unsigned n = 0; n <= REDIRECTS + 1; n++) {
		switch (try_once(o, asked_for_login, ret_temporary, err)) {
		case OUTCOME_OPEN:
			return true;
		case OUTCOME_FAILED:
			return false;
		case OUTCOME_LOGIN:
			asked_for_login = true;
			break;
		case OUTCOME_REDIRECTED:
			break;
		}
	}
	return error_set(err, ERR_SERVER, "registry %s: more than %d redirects for one blob", o->source->registry->host, REDIRECTS);
}

struct blob_source *blob_source_open(struct registry *registry, const char *repository, const char *digest, int64_t offset,
				     const struct registry_call *call, bool *ret_temporary, struct error *err)
{
	AUTO(blob_source) source = xcalloc(1, sizeof *source);
	AUTO_FREE char *path = xasprintf("/blobs/%s", digest), *what = xasprintf("the blob %s@%s", repository, digest);
	struct opening opening = { .source = source,
				   .request = { .repository = repository, .path = path, .what = what },
				   .call = call,
				   .offset = offset };

	*ret_temporary = false;
	source->registry = registry;
	source->cancel = call->cancel;
	source->pieces = queue_create(piece_free);
	bool good = open_at_last(&opening, ret_temporary, err);

	free(opening.location);
	if (!good)
		return NULL;
	source->skip_bytes = atomic_load(&source->whole) ? offset : 0;
	return GIVE(source);
}

void blob_source_destroy(struct blob_source *source)
{
	if (!source)
		return;
	http_stream_close(source->stream);
	piece_free(source->piece);
	queue_destroy(source->pieces);
	free(source);
}

/* ---- reading ---- */

static void let_go(struct blob_source *s)
{
	size_t len = s->piece->bytes.len;

	piece_free(s->piece);
	s->piece = NULL;
	s->read_bytes = 0;
	if (atomic_fetch_sub(&s->held_bytes, len) - len < HELD_LOW_BYTES && atomic_load(&s->paused))
		net_post_and_wait(s->registry->net, go_on, s);
}

static struct str unread(const struct blob_source *s)
{
	return (struct str){ s->piece->bytes.p + s->read_bytes, s->piece->bytes.len - s->read_bytes };
}

static void skip(struct blob_source *s)
{
	size_t left = unread(s).len;

	if ((int64_t)left > s->skip_bytes)
		left = (size_t)s->skip_bytes;
	s->read_bytes += left;
	s->skip_bytes -= (int64_t)left;
}

bool blob_source_read(struct blob_source *s, char *out, size_t room, size_t *ret_len, struct error *err)
{
	for (;;) {
		if (!s->piece && !(s->piece = take(s, SILENCE_LIMIT_MS, err)))
			return false;
		if (s->piece->kind == PIECE_END) {
			*ret_len = 0;
			return !s->piece->error.kind || error_copy(err, &s->piece->error);
		}
		skip(s);
		struct str rest = unread(s);

		if (rest.len) {
			*ret_len = rest.len < room ? rest.len : room;
			memcpy(out, rest.p, *ret_len);
			s->read_bytes += *ret_len;
			return true;
		}
		let_go(s);
	}
}
