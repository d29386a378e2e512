/*
 * One blob on its way: source ► chunk of 4 MB, counted ► PATCH … PATCH ► PUT with the last chunk and the digest.
 *
 * Chunks, because base/http sends bodies that are whole, and because then an upload can go on where it broke. Some registries
 * take at most 4 MiB in one request, some choke on a closing PUT without a body; so the last chunk goes with it, and a small
 * blob is one POST and one PUT.
 */
#include <stdlib.h>
#include <string.h>

#include "registry/answer.h"
#include "registry/blob_source.h"
#include "registry/digest.h"

#define CHUNK_BYTES	((size_t)4000000)
#define CHUNK_MOST_BYTES ((size_t)64 << 20)
#define ATTEMPTS	4
#define CHUNK_LIMIT_MS	300000
#define FAREWELL_LIMIT_MS 3000
#define PROGRESS_BYTES	((int64_t)1 << 20)

struct way {
	const struct blob_copy *copy;
	struct registry_call reading, writing;
	struct blob_source *source;
	struct digest *digest;
	unsigned attempt;	/* of the whole blob, from 0 */
	int64_t read_bytes;	/* of the source, all counted in digest */
	int64_t sent_bytes;	/* that the registry has */
	struct buf chunk;
	size_t chunk_bytes;	/* how large one is to be */
	char *location;		/* of the upload; NULL: none is open */
	bool temporary;		/* the error at hand may pass */
	unsigned breaks;	/* of the source, without much that came in between */
	int64_t broke_at;	/* read_bytes then */
	char *what;
};

static void way_release(struct way *w)
{
	blob_source_destroy(w->source);
	digest_destroy(w->digest);
	buf_release(&w->chunk);
	free(w->location);
	free(w->what);
}
DEFINE_AUTO_RELEASE(way);

static void tell_bytes(struct way *w, int64_t bytes)
{
	if (w->copy->on_bytes && bytes)
		w->copy->on_bytes(bytes, w->copy->arg);
}

static bool pause_before(struct way *w, unsigned n, const char *why, struct error *err)
{
	AUTO_FREE char *reason = xstrdup(why);

	error_release(err);
	return registry_pause(w->copy->from, n, reason, w->copy->cancel, w->copy->on_retry, w->copy->arg, err);
}

/* ---- down ---- */

static bool open_source(struct way *w, struct error *err)
{
	const struct blob_copy *c = w->copy;

	if (!w->source)
		w->source = blob_source_open(c->from, c->from_repository, c->digest, w->read_bytes, &w->reading, &w->temporary, err);
	return w->source != NULL;
}

/* A source that broke is opened again where it broke, a few times; more often when something came each time. */
static bool mend_source(struct way *w, struct error *err)
{
	if (w->read_bytes - w->broke_at >= PROGRESS_BYTES)
		w->breaks = 0;
	w->broke_at = w->read_bytes;
	if (err->kind == ERR_CANCELLED || w->breaks >= ATTEMPTS) {
		w->temporary = false;
		return false;
	}
	blob_source_destroy(w->source);
	w->source = NULL;
	return pause_before(w, w->breaks++, err->message, err);
}

static bool read_some(struct way *w, char *out, size_t room, size_t *ret_len, struct error *err)
{
	for (;;) {
		*ret_len = 0;
		if (!open_source(w, err))
			return false;
		if (blob_source_read(w->source, out, room, ret_len, err) && *ret_len)
			return true;
		if (!err->kind)
			error_set(err, ERR_NETWORK, "registry %s sent %lld of %lld bytes of %s", w->copy->from->host, (long long)w->read_bytes,
				  (long long)w->copy->size_bytes, w->what);
		if (!mend_source(w, err))
			return false;
	}
}

static bool fill_chunk(struct way *w, struct error *err)
{
	int64_t left = w->copy->size_bytes - w->read_bytes;
	size_t want = left < (int64_t)w->chunk_bytes ? (size_t)left : w->chunk_bytes, n;
	AUTO_FREE char *piece = xmalloc(64 << 10);

	buf_reset(&w->chunk);
	while (w->chunk.len < want) {
		size_t room = want - w->chunk.len;

		if (!read_some(w, piece, room < 64 << 10 ? room : 64 << 10, &n, err))
			return false;
		digest_add(w->digest, (struct str){ piece, n });
		buf_add(&w->chunk, piece, n);
		w->read_bytes += (int64_t)n;
	}
	return true;
}

/* Nothing may follow, and what came must be what was promised. */
static bool check_source(struct way *w, struct error *err)
{
	char more;
	size_t n = 0;
	AUTO_RELEASE(error) ignored = { 0 };

	w->temporary = false;
	if (w->source && blob_source_read(w->source, &more, 1, &n, &ignored) && n)
		return error_set(err, ERR_SERVER, "registry %s sent more than the %lld bytes of %s; nothing of it was published", w->copy->from->host,
				 (long long)w->copy->size_bytes, w->what);
	AUTO_FREE char *digest = digest_finish(w->digest);

	if (strcmp(digest, w->copy->digest) == 0)
		return true;
	error_set(err, ERR_SERVER, "registry %s sent other bytes than %s: the digest of the %lld that came is %s; nothing of it was published",
		  w->copy->from->host, w->what, (long long)w->read_bytes, digest);
	return error_hint(err, "the registry, or a cache before it, holds a broken copy; push the image there again");
}

/* ---- up ---- */

static bool keep_location(struct way *w, const struct registry_request *asked, const struct http_response *response, struct error *err)
{
	AUTO_RELEASE(registry_place) place = { 0 };

	if (!registry_find_place(w->copy->to, asked, &w->writing, &place, err))
		return false;
	char *location = registry_location(&place, response);

	if (!location && w->location)
		return true; /* the same */
	if (!location)
		return error_set(err, ERR_SERVER, "registry %s began an upload, but did not say where to", w->copy->to->host);
	free(w->location);
	w->location = location;
	return true;
}

/* Of an upload that was begun: 404 and 416 say that the registry forgot it, or how far it came; a new one may go well. What it
 * calls another digest was counted here: something between us may have broken it, once. */
static bool may_go_well_again(const struct way *w, const struct http_response *response)
{
	struct answer_error said;

	answer_error(buf_str(&response->body), &said);
	return answer_is_temporary(response->status, buf_str(&response->body)) || (w->location && (response->status == 404 || response->status == 416)) ||
	       (!w->attempt && strcmp(said.code, "DIGEST_INVALID") == 0);
}

static bool ask(struct way *w, const struct registry_request *request, struct http_response *ret, struct error *err)
{
	bool good = registry_ask(w->copy->to, request, &w->writing, ret, err);

	w->temporary = good ? may_go_well_again(w, ret) : err->kind == ERR_NETWORK || err->kind == ERR_TIMEOUT;
	return good;
}

static size_t min_chunk(const struct http_response *response)
{
	struct str text;
	AUTO_FREE char *copy = http_response_header(response, "OCI-Chunk-Min-Length", 0, &text) ? str_dup(text) : NULL;
	unsigned long long least = copy ? strtoull(copy, NULL, 10) : 0;

	return least > CHUNK_MOST_BYTES ? CHUNK_MOST_BYTES : (size_t)least;
}

/* Opens an upload, or finds the blob mounted. */
static bool start_upload(struct way *w, bool *ret_mounted, struct error *err)
{
	AUTO_RELEASE(buf) path = BUF_INIT(0);
	AUTO_RELEASE(http_response) response = { 0 };
	struct registry_request request = { .method = "POST",
					    .repository = w->copy->to_repository,
					    .once = true,
					    .what = w->what };

	buf_adds(&path, "/blobs/uploads/");
	if (w->writing.mount_from) {
		url_add_query(&path, "mount", str_of(w->copy->digest));
		url_add_query(&path, "from", str_of(w->writing.mount_from));
	}
	request.path = buf_cstr(&path);
	bool answered = ask(w, &request, &response, err);

	if (w->writing.mount_from && (answered ? response.status != 201 && response.status != 202 : err->kind == ERR_DENIED)) {
		w->writing.mount_from = NULL; /* whatever it has against mounting: send the bytes */
		error_release(err);
		return start_upload(w, ret_mounted, err);
	}
	if (!answered)
		return false;
	*ret_mounted = response.status == 201 && w->writing.mount_from;
	if (*ret_mounted)
		return true;
	if (response.status != 202)
		return registry_refused(w->copy->to, &request, &response, err);
	size_t least = min_chunk(&response);

	w->chunk_bytes = least > CHUNK_BYTES ? least : CHUNK_BYTES;
	return keep_location(w, &request, &response, err);
}

/* After a broken PATCH: how far the registry came. False: it does not know. */
static bool find_offset(struct way *w, int64_t *ret_offset)
{
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(error) ignored = { 0 };
	const struct registry_request request = { .repository = w->copy->to_repository, .location = w->location, .what = w->what };
	struct str range;

	if (!registry_ask(w->copy->to, &request, &w->writing, &response, &ignored) || response.status != 204)
		return false;
	if (!http_response_header(&response, "Range", 0, &range) || !answer_offset(range, ret_offset))
		return false;
	AUTO_FREE char *old = w->location;

	w->location = xstrdup(old);
	return keep_location(w, &request, &response, &ignored);
}

static bool patch(struct way *w, struct str bytes, struct error *err)
{
	AUTO_FREE char *range = xasprintf("Content-Range: %lld-%lld", (long long)w->sent_bytes, (long long)(w->sent_bytes + (int64_t)bytes.len - 1));
	AUTO_RELEASE(http_response) response = { 0 };
	const struct registry_request request = { .method = "PATCH",
						  .repository = w->copy->to_repository,
						  .location = w->location,
						  .content_type = "application/octet-stream",
						  .body = bytes,
						  .header = range,
						  .timeout_ms = CHUNK_LIMIT_MS,
						  .once = true,
						  .what = w->what };
	AUTO_FREE char *asked = w->location; /* the request borrows it */

	w->location = xstrdup(asked);
	if (!ask(w, &request, &response, err))
		return false;
	if (!http_ok(&response))
		return registry_refused(w->copy->to, &request, &response, err);
	w->sent_bytes += (int64_t)bytes.len;
	tell_bytes(w, (int64_t)bytes.len);
	return keep_location(w, &request, &response, err);
}

/* The chunk that is not the last; what the registry has of it already is not sent again. */
static bool send_chunk(struct way *w, struct error *err)
{
	int64_t begins = w->sent_bytes, offset;

	if (patch(w, buf_str(&w->chunk), err))
		return true;
	if (!w->temporary || err->kind == ERR_CANCELLED || !find_offset(w, &offset) || offset < begins || offset > w->read_bytes)
		return false;
	if (!pause_before(w, 0, err->message, err))
		return false;
	tell_bytes(w, offset - begins);
	w->sent_bytes = offset;
	size_t there = (size_t)(offset - begins);

	return there == w->chunk.len || patch(w, (struct str){ w->chunk.p + there, w->chunk.len - there }, err);
}

static bool finish_upload(struct way *w, struct error *err)
{
	AUTO_RELEASE(buf) location = BUF_INIT(0);
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_FREE char *range = w->sent_bytes ? xasprintf("Content-Range: %lld-%lld", (long long)w->sent_bytes, (long long)w->read_bytes - 1) : NULL;

	buf_adds(&location, w->location);
	url_add_query(&location, "digest", str_of(w->copy->digest));
	const struct registry_request request = { .method = "PUT",
						  .repository = w->copy->to_repository,
						  .location = buf_cstr(&location),
						  .content_type = "application/octet-stream",
						  .body = buf_str(&w->chunk),
						  .header = range,
						  .timeout_ms = CHUNK_LIMIT_MS,
						  .once = true,
						  .what = w->what };

	if (!ask(w, &request, &response, err))
		return false;
	if (!http_ok(&response))
		return registry_refused(w->copy->to, &request, &response, err);
	tell_bytes(w, (int64_t)w->chunk.len);
	w->sent_bytes += (int64_t)w->chunk.len;
	free(w->location);
	w->location = NULL;
	return true;
}

/* An upload that comes to nothing is taken back, so that the registry need not keep it until it forgets. Whether that goes
 * well matters to nobody. */
static void abandon_upload(struct way *w)
{
	AUTO_RELEASE(http_response) response = { 0 };
	AUTO_RELEASE(error) ignored = { 0 };
	struct registry_call call = w->writing;
	const struct registry_request request = { .method = "DELETE",
						  .repository = w->copy->to_repository,
						  .location = w->location,
						  .timeout_ms = FAREWELL_LIMIT_MS,
						  .once = true,
						  .what = w->what };

	if (!w->location)
		return;
	call.cancel = NULL;
	call.on_retry = NULL;
	registry_ask(w->copy->to, &request, &call, &response, &ignored);
}

/* ---- the whole ---- */

static bool stream(struct way *w, struct error *err)
{
	while (w->read_bytes < w->copy->size_bytes) {
		if (!fill_chunk(w, err))
			return false;
		if (w->read_bytes < w->copy->size_bytes && !send_chunk(w, err))
			return false;
	}
	return check_source(w, err) && finish_upload(w, err);
}

static void way_init(struct way *w, const struct blob_copy *copy, unsigned attempt)
{
	*w = (struct way){ .copy = copy,
			   .attempt = attempt,
			   .reading = { .cancel = copy->cancel, .on_retry = copy->on_retry, .arg = copy->arg },
			   .writing = { .cancel = copy->cancel,
					.on_retry = copy->on_retry,
					.arg = copy->arg,
					.writes = true,
					.mount_from = copy->mount_from },
			   .digest = digest_create(copy->digest),
			   .what = xasprintf("the blob %s@%s", copy->to_repository, copy->digest) };
}

static bool try_copy(const struct blob_copy *copy, unsigned attempt, enum blob_result *ret, bool *ret_temporary, struct error *err)
{
	AUTO_RELEASE(way) way;
	bool mounted = false;

	way_init(&way, copy, attempt);
	bool good = start_upload(&way, &mounted, err) && (mounted || stream(&way, err));

	*ret_temporary = way.temporary && err->kind != ERR_CANCELLED;
	*ret = mounted ? BLOB_MOUNTED : BLOB_SENT;
	if (!good) {
		tell_bytes(&way, -way.sent_bytes);
		abandon_upload(&way);
	}
	return good;
}

bool blob_copy(const struct blob_copy *copy, enum blob_result *ret, struct error *err)
{
	unsigned attempts = copy->attempts ? copy->attempts : ATTEMPTS;
	bool temporary;

	for (unsigned n = 0;; n++) {
		if (try_copy(copy, n, ret, &temporary, err))
			return true;
		if (!temporary || n + 1 >= attempts)
			return false;
		AUTO_FREE char *why = xstrdup(err->message);

		error_release(err);
		if (!registry_pause(copy->to, n, why, copy->cancel, copy->on_retry, copy->arg, err))
			return false;
	}
}
