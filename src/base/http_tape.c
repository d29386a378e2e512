#include "base/http_tape.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/http_internal.h"
#include "base/map.h"
#include "base/record.h"
#include "base/record_mask.h"

#define PIECE	      ((size_t)256 << 10)
#define LATE_MS	      40000 /* the longest pause between two attempts, and some more */
#define MAX_UNCLAIMED ((size_t)64 << 20)

/* ---- into a recording ---- */

struct track {
	uint64_t id;
	bool secret, over;
	struct record_mask *mask;
};

/* Tells equal requests from others; 32 bits, so that nobody finds what was in them. */
static int64_t fingerprint(struct str body)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < body.len; i++)
		hash = (hash ^ (unsigned char)body.p[i]) * 16777619u;
	return body.len ? hash : 0;
}

static bool is_of_secrets(const char *path)
{
	const char *at = strstr(path, "/secrets");

	return at && (at[8] == '\0' || strchr("/?", at[8]));
}

static struct json_writer *begin_line(struct transfer *t, const char *kind)
{
	struct json_writer *w = t->track && !t->track->over ? record_begin(net_recorder(t->http->net), kind) : NULL;

	if (!w)
		return NULL;
	json_put_key(w, "id");
	json_put_int(w, (int64_t)t->track->id);
	return w;
}

static void end_line(struct transfer *t)
{
	record_end(net_recorder(t->http->net));
}

static char *masked(const char *text)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	record_mask_text(str_of(text), &out);
	return buf_give(&out);
}

void tape_begin(struct transfer *t)
{
	static atomic_uint_fast64_t last_id;
	AUTO_FREE char *path = NULL;
	struct json_writer *w;

	if (!net_recorder(t->http->net) || t->probe || t->mode == HTTP_UPGRADE)
		return;
	t->track = xcalloc(1, sizeof *t->track);
	t->track->id = ++last_id;
	t->track->secret = is_of_secrets(t->path);
	w = begin_line(t, "ask");
	if (!w)
		return;
	path = masked(t->path);
	json_put_key(w, "method");
	json_put_text(w, t->method);
	json_put_key(w, "path");
	json_put_text(w, path);
	json_put_key(w, "accept");
	json_put_text(w, t->accept);
	json_put_key(w, "body");
	json_put_int(w, fingerprint(buf_str(&t->body)));
	end_line(t);
}

/* Only what the program reads: others may hold anything. */
void tape_head(struct transfer *t)
{
	static const char *const names[] = { "Content-Type", "Date", "ETag", "Retry-After", "Warning" };
	struct json_writer *w = begin_line(t, "head");
	struct str value;

	if (!w)
		return;
	json_put_key(w, "status");
	json_put_int(w, t->response.status);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!http_response_header(&t->response, names[i], 0, &value))
			continue;
		json_put_key(w, names[i]);
		json_put_str(w, value);
	}
	end_line(t);
	bool json = http_response_header(&t->response, "Content-Type", 0, &value) && str_find(value, STR("json")) >= 0;

	record_mask_destroy(t->track->mask);
	t->track->mask = record_mask_create(json, t->track->secret);
}

static void put_piece(struct transfer *t, struct str piece)
{
	AUTO_RELEASE(buf) encoded = BUF_INIT(0);
	bool plain = utf8_valid(piece) && !memchr(piece.p, '\0', piece.len);

	if (!plain)
		base64_encode(&encoded, piece, BASE64_STANDARD);
	struct json_writer *w = begin_line(t, "data");

	if (!w)
		return;
	json_put_key(w, plain ? "text" : "base64");
	json_put_str(w, plain ? piece : buf_str(&encoded));
	end_line(t);
}

static void put_pieces(struct transfer *t, struct str bytes)
{
	while (bytes.len) {
		size_t n = bytes.len < PIECE ? bytes.len : PIECE;

		put_piece(t, (struct str){ bytes.p, n });
		bytes = (struct str){ bytes.p + n, bytes.len - n };
	}
}

void tape_body(struct transfer *t, struct str bytes)
{
	AUTO_RELEASE(buf) clean = BUF_INIT(0);

	if (!t->track || t->track->over || !t->track->mask)
		return;
	record_mask_feed(t->track->mask, bytes, &clean);
	put_pieces(t, buf_str(&clean));
}

static void put_rest(struct transfer *t)
{
	AUTO_RELEASE(buf) clean = BUF_INIT(0);

	if (t->track->mask)
		record_mask_finish(t->track->mask, &clean);
	put_pieces(t, buf_str(&clean));
}

void tape_answered(struct transfer *t)
{
	if (!t->track || t->track->over)
		return;
	put_rest(t);
	if (begin_line(t, "answered"))
		end_line(t);
	t->track->over = true;
}

void tape_failed(struct transfer *t, enum cause cause, const struct error *err)
{
	AUTO_FREE char *text = NULL;
	struct json_writer *w;

	if (!t->track || t->track->over)
		return;
	put_rest(t);
	text = masked(err->message);
	w = begin_line(t, "failed");
	if (w) {
		json_put_key(w, "error");
		json_put_int(w, err->kind);
		json_put_key(w, "cause");
		json_put_int(w, cause);
		json_put_key(w, "text");
		json_put_text(w, text);
		end_line(t);
	}
	t->track->over = true;
}

void tape_end(struct transfer *t)
{
	if (!t->track)
		return;
	record_mask_destroy(t->track->mask);
	free(GIVE(t->track));
}

/* ---- out of one ---- */

struct exchange {
	int64_t ms, body;
	struct transfer *t; /* that hears it; NULL: none does (yet) */
	bool claimed, lost;
	json_t **items; /* heard of, and not handed on yet: records */
	size_t n, cap, size_bytes;
};

struct place_asked { /* one address: its exchanges, in order */
	struct exchange **items;
	size_t n, cap;
};

struct player {
	struct net *net;
	struct map places;	     /* "GET /path application/json" → struct place_asked */
	struct exchange **exchanges; /* by id - 1 */
	size_t n, cap;
	struct exchange **strangers; /* not in the recording */
	size_t nstrangers, strangers_cap;
	size_t unclaimed_bytes;
	int64_t begun_ms;
	uint64_t activity, seen_activity;
	int64_t due_ms;
};

static void free_place(void *value)
{
	struct place_asked *place = value;

	free(place->items);
	free(place);
}

static void drop_items(struct player *player, struct exchange *e)
{
	for (size_t i = 0; i < e->n; i++)
		json_decref(e->items[i]);
	free(GIVE(e->items));
	if (!e->claimed)
		player->unclaimed_bytes -= e->size_bytes;
	e->n = e->cap = e->size_bytes = 0;
}

static void exchange_destroy(struct player *player, struct exchange *e)
{
	if (!e)
		return;
	drop_items(player, e);
	free(e);
}

/* Without what is another number each time: how long a watch may last, and from where it goes on. */
static void add_lasting(const char *path, struct buf *out)
{
	bool watch = strstr(path, "watch=1") != NULL;
	struct str rest = str_of(path), part;

	for (bool more = true; more;) {
		more = str_cut(&rest, '&', &part);
		if (!more)
			part = rest;
		if (!str_starts(part, STR("timeoutSeconds=")) && !(watch && str_starts(part, STR("resourceVersion="))))
			buf_addf(out, "%.*s&", STR_ARG(part));
	}
}

static char *place_name(const char *method, const char *path, const char *accept)
{
	AUTO_RELEASE(buf) name = BUF_INIT(0);

	buf_addf(&name, "%s ", method);
	add_lasting(path, &name);
	buf_addf(&name, " %s", accept);
	return buf_give(&name);
}

static void add_asked(struct player *player, const struct record *record)
{
	int64_t id = record_int(record->json, "id", 0);
	AUTO_FREE char *name = place_name(record_text(record->json, "method", ""), record_text(record->json, "path", ""), record_text(record->json, "accept", ""));
	struct place_asked *place = map_get(&player->places, str_of(name));
	struct exchange *e;

	/* Ids count up from 1, but for those whose attempt was never sent. */
	if (id < 1 || id > INT32_MAX || (size_t)id <= player->n)
		return;
	while (player->n < (size_t)id)
		LIST_PUSH(player->exchanges, player->n, player->cap) = NULL;
	e = player->exchanges[id - 1] = xcalloc(1, sizeof *e);
	e->ms = record->ms;
	e->body = record_int(record->json, "body", 0);
	if (!place) {
		place = xcalloc(1, sizeof *place);
		map_set(&player->places, str_of(name), place);
	}
	LIST_PUSH(place->items, place->n, place->cap) = e;
}

struct player *player_create(struct net *net, const struct recording *recording)
{
	struct player *player = xcalloc(1, sizeof *player);
	const struct record *record;

	player->net = net;
	player->places = (struct map)MAP_INIT(free_place);
	player->begun_ms = clock_now_ms(net_clock(net));
	for (size_t i = 0; (record = recording_find(recording, "ask", i)); i++)
		add_asked(player, record);
	return player;
}

void player_destroy(struct player *player)
{
	if (!player)
		return;
	for (size_t i = 0; i < player->n; i++)
		exchange_destroy(player, player->exchanges[i]);
	for (size_t i = 0; i < player->nstrangers; i++)
		exchange_destroy(player, player->strangers[i]);
	free(player->exchanges);
	free(player->strangers);
	map_release(&player->places);
	free(player);
}

/* ---- handing on; net thread ---- */

static bool play_head(struct transfer *t, const json_t *item)
{
	static const char *const own[] = { "t", "k", "id", "status" };
	AUTO_RELEASE(buf) lines = BUF_INIT(0);
	struct str rest, line;
	const char *name;
	json_t *value;

	buf_addf(&lines, "HTTP/1.1 %d\n", (int)record_int(item, "status", 0));
	json_object_foreach((json_t *)item, name, value) {
		bool is_header = true;

		for (size_t i = 0; i < ARRAY_LEN(own); i++)
			is_header &= strcmp(name, own[i]) != 0;
		if (is_header && json_is_string(value))
			buf_addf(&lines, "%s: %s\n", name, json_string_value(value));
	}
	buf_addc(&lines, '\n');
	for (rest = buf_str(&lines); str_cut(&rest, '\n', &line);)
		transfer_take_header((char *)line.p, 1, line.len + 1, t);
	return true;
}

/* False: not now. */
static bool play_data(struct transfer *t, const json_t *item)
{
	AUTO_RELEASE(buf) decoded = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	const char *base64 = record_text(item, "base64", NULL);
	struct str bytes = str_of(record_text(item, "text", ""));

	if (base64 && base64_decode(&decoded, str_of(base64), BASE64_STANDARD))
		bytes = buf_str(&decoded);
	if (!bytes.len)
		return true;
	size_t taken = transfer_take_body((char *)bytes.p, 1, bytes.len, t);

	if (taken == CURL_WRITEFUNC_PAUSE)
		return false;
	if (taken != bytes.len && !(t->stream && t->stream->closed))
		transfer_end_attempt(t, CAUSE_FINAL, &err);
	return true;
}

static bool play_answered(struct transfer *t, const json_t *item)
{
	AUTO_RELEASE(error) none = { 0 };

	(void)item;
	transfer_end_attempt(t, CAUSE_NONE, &none);
	return true;
}

static bool play_failed(struct transfer *t, const json_t *item)
{
	AUTO_RELEASE(error) err = { 0 };

	error_set(&err, (enum err_kind)record_int(item, "error", ERR_NETWORK), "%s", record_text(item, "text", "?"));
	transfer_end_attempt(t, (enum cause)record_int(item, "cause", CAUSE_FINAL), &err);
	return true;
}

static const struct {
	const char *kind;
	bool (*play)(struct transfer *t, const json_t *item);
} plays[] = { { "head", play_head }, { "data", play_data }, { "answered", play_answered }, { "failed", play_failed } };

static bool play(struct transfer *t, const json_t *item)
{
	for (size_t i = 0; i < ARRAY_LEN(plays); i++)
		if (strcmp(record_text(item, "k", ""), plays[i].kind) == 0)
			return plays[i].play(t, item);
	return true;
}

/* All that has come for it, as far as it is wanted. */
static void hand_on(struct exchange *e)
{
	size_t done = 0;

	while (e->t && done < e->n && play(e->t, e->items[done]))
		done++;
	for (size_t i = 0; i < done; i++)
		json_decref(e->items[i]);
	if (done)
		memmove(e->items, e->items + done, (e->n - done) * sizeof *e->items);
	e->n -= done;
}

static void begin_posted(void *arg)
{
	struct exchange *e = arg;

	if (e->t && e->lost) {
		AUTO_RELEASE(error) err = { 0 };

		error_set(&err, ERR_NETWORK, "this is not in the recording");
		transfer_end_attempt(e->t, CAUSE_FINAL, &err);
		return;
	}
	hand_on(e);
}

static int64_t distance(int64_t a, int64_t b)
{
	return a < b ? b - a : a - b;
}

/* The nearest one that nobody has, with the same body rather than without; NULL: there is none. */
static struct exchange *find(struct player *player, const struct transfer *t)
{
	AUTO_FREE char *path = masked(t->path);
	AUTO_FREE char *name = place_name(t->method, path, t->accept);
	const struct place_asked *place = map_get(&player->places, str_of(name));
	int64_t now_ms = http_now_ms(t->http) - player->begun_ms, body = fingerprint(buf_str(&t->body));
	struct exchange *best = NULL;

	for (size_t i = 0; place && i < place->n; i++) {
		struct exchange *e = place->items[i];

		if (e->claimed || e->ms < now_ms - LATE_MS || (best && best->body == body && e->body != body))
			continue;
		if (!best || (best->body != body && e->body == body) || distance(e->ms, now_ms) < distance(best->ms, now_ms))
			best = e;
	}
	return best;
}

static struct exchange *add_stranger(struct player *player)
{
	struct exchange *e = xcalloc(1, sizeof *e);

	e->lost = true;
	LIST_PUSH(player->strangers, player->nstrangers, player->strangers_cap) = e;
	return e;
}

bool tape_plays(struct transfer *t)
{
	struct player *player = net_player(t->http->net);
	struct exchange *e;

	if (!player)
		return false;
	e = t->mode == HTTP_UPGRADE ? NULL : find(player, t);
	if (!e)
		e = add_stranger(player);
	if (!e->claimed)
		player->unclaimed_bytes -= e->size_bytes;
	e->claimed = true;
	e->t = t;
	t->exchange = e;
	if (!t->refreshed)
		t->generation = 1; /* there was a credential, for which another was got after a 401 */
	net_post(player->net, begin_posted, e); /* not from inside of what submits */
	return true;
}

void tape_leave(struct transfer *t)
{
	if (t->exchange)
		t->exchange->t = NULL;
	t->exchange = NULL;
}

void tape_go_on(struct transfer *t)
{
	hand_on(t->exchange);
}

/* Nobody has asked for it as yet: kept for a while, within bounds. */
static bool keep_unclaimed(struct player *player, struct exchange *e, size_t size_bytes)
{
	int64_t now_ms = clock_now_ms(net_clock(player->net)) - player->begun_ms;

	if (e->lost || now_ms - e->ms > LATE_MS || player->unclaimed_bytes + size_bytes > MAX_UNCLAIMED) {
		drop_items(player, e);
		e->lost = true;
		return false;
	}
	e->size_bytes += size_bytes;
	player->unclaimed_bytes += size_bytes;
	return true;
}

struct errand {
	struct player *player;
	const struct record *record;
};

static void take_posted(void *arg)
{
	const struct errand *errand = arg;
	struct player *player = errand->player;
	json_t *json = errand->record->json;
	int64_t id = record_int(json, "id", 0);
	struct exchange *e = id >= 1 && (size_t)id <= player->n ? player->exchanges[id - 1] : NULL;

	if (!e || (e->claimed && !e->t) || (!e->claimed && !keep_unclaimed(player, e, strlen(record_text(json, "text", "")) + 64)))
		return;
	LIST_PUSH(e->items, e->n, e->cap) = json_incref(json);
	if (e->claimed)
		hand_on(e);
}

bool player_take(struct player *player, const struct record *record)
{
	struct errand errand = { player, record };

	if (strcmp(record->kind, "ask") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(plays); i++)
		if (strcmp(record->kind, plays[i].kind) == 0) {
			net_post_and_wait(player->net, take_posted, &errand);
			return true;
		}
	return false;
}

static void look_posted(void *arg)
{
	struct player *player = arg;

	player->activity = loop_activity(net_loop(player->net));
	player->due_ms = loop_due_ms(net_loop(player->net));
}

int64_t player_due_ms(const struct player *player)
{
	return player->due_ms;
}

/* Twice nothing but our own looking, and nobody at work in between: what a worker does ends in a post or in sleep. */
bool player_rests(struct player *player)
{
	if (queue_workers_busy())
		return false;
	net_post_and_wait(player->net, look_posted, player);
	player->seen_activity = player->activity;
	net_post_and_wait(player->net, look_posted, player);
	return player->activity == player->seen_activity + 1 && !queue_workers_busy();
}
