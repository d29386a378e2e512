#include "live/health_strip.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/state_file.h"

#define HEAD	     "slotdeck health strip 1\n"
#define FILE_MAX     ((size_t)8 << 20)
#define ROOM_MIN     ((size_t)128 << 10) /* a file below that is not written anew */
#define PENDING_MAX  ((size_t)1 << 20)
#define END_WAIT_MS  200
#define KEPT_S	     (30 * 24 * 3600) /* files of clusters that nobody looks at any more */
#define FILES_MAX    200

struct lane {
	int64_t last; /* the newest cell */
	char states[HEALTH_STRIP_CELLS]; /* up to last; '.': no data */
};

struct health_strip {
	char *path; /* NULL: nothing is kept (any more) */
	struct map lanes; /* by title */
	struct buf pending; /* lines that are to be written */
	struct state_mark seen; /* the file as we left it */
	size_t room;	    /* beyond that many bytes it is written anew */
	int64_t failed;	    /* cell in which the file could not be used */
	bool trimmed;	    /* the other files were looked at */
	char *trouble;
};

static int64_t cell_at(int64_t now_ms)
{
	return now_ms / HEALTH_STRIP_CELL_MS;
}

/* ---- lanes ---- */

static const char ranks[] = "._-#"; /* from nothing to worst */

static size_t rank_of(char state)
{
	const char *at = state ? strchr(ranks, state) : NULL;

	return at ? (size_t)(at - ranks) : 0;
}

static struct lane *lane_of(struct health_strip *strip, struct str title, int64_t cell)
{
	struct lane *lane = map_get(&strip->lanes, title);

	if (lane)
		return lane;
	lane = xcalloc(1, sizeof *lane);
	lane->last = cell;
	memset(lane->states, ranks[0], sizeof lane->states);
	map_set(&strip->lanes, title, lane);
	return lane;
}

/* Positive: towards the past, so that cell last + by is the newest. */
static void lane_shift(struct lane *lane, int64_t by)
{
	size_t n = (size_t)llabs(by);
	char *states = lane->states;

	lane->last += by;
	if (n >= HEALTH_STRIP_CELLS) {
		memset(states, ranks[0], HEALTH_STRIP_CELLS);
	} else if (by > 0) {
		memmove(states, states + n, HEALTH_STRIP_CELLS - n);
		memset(states + HEALTH_STRIP_CELLS - n, ranks[0], n);
	} else if (by < 0) {
		memmove(states + n, states, HEALTH_STRIP_CELLS - n);
		memset(states, ranks[0], n);
	}
}

/* The worst stays. True: the cell is worse than it was. */
static bool lane_put(struct lane *lane, int64_t cell, char state)
{
	if (cell > lane->last)
		lane_shift(lane, cell - lane->last);
	int64_t at = HEALTH_STRIP_CELLS - 1 - (lane->last - cell);

	if (at < 0 || rank_of(state) <= rank_of(lane->states[at]))
		return false;
	lane->states[at] = state;
	return true;
}

static void forget_old(struct health_strip *strip, int64_t cell)
{
	for (size_t i = strip->lanes.len; i > 0; i--) {
		const struct map_entry *entry = &strip->lanes.entries[i - 1];

		if (((struct lane *)entry->value)->last <= cell - HEALTH_STRIP_CELLS)
			map_remove(&strip->lanes, (struct str){ entry->key, entry->key_len });
	}
}

/* ---- the file ---- */

static void set_trouble(struct health_strip *strip, const char *text)
{
	free(strip->trouble);
	strip->trouble = xstrdup(text);
}

struct entry_line {
	int64_t cell;
	struct str states, title;
};

/* False: that is no line of a record. */
static bool parse_line(struct str line, struct entry_line *ret)
{
	struct str cell;

	if (!str_cut(&line, ' ', &cell) || !str_number(cell, &ret->cell) || !str_cut(&line, ' ', &ret->states) || !ret->states.len || ret->states.len > HEALTH_STRIP_CELLS || !line.len)
		return false;
	for (size_t i = 0; i < ret->states.len; i++)
		if (!ret->states.p[i] || !strchr(ranks, ret->states.p[i]))
			return false;
	ret->title = line;
	return true;
}

/* Cells that are not yet, by the clock, are left out. */
static void take_line(struct health_strip *strip, const struct entry_line *line, int64_t now)
{
	for (size_t i = 0; i < line->states.len; i++) {
		int64_t cell = line->cell + (int64_t)i;

		if (line->states.p[i] != ranks[0] && cell > now - HEALTH_STRIP_CELLS && cell <= now + 1)
			lane_put(lane_of(strip, line->title, now), cell, line->states.p[i]);
	}
}

static bool is_head(struct str line)
{
	return str_eq(line, (struct str){ HEAD, sizeof HEAD - 2 });
}

/* Nothing is taken of what is damaged: false. */
static bool take_text(struct health_strip *strip, struct str text, int64_t now)
{
	struct str rest = text, line;
	struct entry_line parsed;

	if (text.len && !str_starts(text, STR(HEAD)))
		return false;
	while (str_cut(&rest, '\n', &line))
		if (!is_head(line) && !parse_line(line, &parsed))
			return false;
	if (rest.len)
		return false;
	while (str_cut(&text, '\n', &line))
		if (!is_head(line) && parse_line(line, &parsed))
			take_line(strip, &parsed, now);
	return true;
}

static void add_lanes(const struct health_strip *strip, struct buf *out)
{
	buf_adds(out, HEAD);
	for (size_t i = 0; i < strip->lanes.len; i++) {
		const struct lane *lane = strip->lanes.entries[i].value;

		buf_addf(out, "%lld %.*s %s\n", (long long)(lane->last - HEALTH_STRIP_CELLS + 1), HEALTH_STRIP_CELLS, lane->states, strip->lanes.entries[i].key);
	}
}

/* All that we know instead of what is there. The next look reads it again, as it is another file then. */
static bool write_anew(struct health_strip *strip, struct state_file *file, int64_t now, struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	forget_old(strip, now);
	add_lanes(strip, &text);
	buf_reset(&strip->pending);
	strip->room = 2 * text.len > ROOM_MIN ? 2 * text.len : ROOM_MIN;
	strip->seen = (struct state_mark){ 0 };
	return state_file_replace(file, buf_str(&text), err);
}

static bool set_aside(struct health_strip *strip, struct state_file *file, int64_t now, struct error *err)
{
	AUTO_FREE char *text = xasprintf("%s was damaged: it is kept as %s.damaged, and the record of health begins anew", file->path, file->path);

	if (!state_file_set_aside(file, err))
		return false;
	set_trouble(strip, text);
	return write_anew(strip, file, now, err);
}

static bool write_pending(struct health_strip *strip, struct state_file *file, int64_t now, struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	/* Before it is written anew it is read whatever it looks like: only then nothing of another program can be lost. */
	bool full = file->size > strip->room, look = full || !state_file_is(file, &strip->seen);

	if (look && !state_file_read(file, FILE_MAX, &text, err) && err->kind != ERR_LIMIT)
		return false;
	if (look && (err->kind == ERR_LIMIT || !take_text(strip, buf_str(&text), now))) {
		error_release(err);
		return set_aside(strip, file, now, err);
	}
	if (full)
		return write_anew(strip, file, now, err);
	if ((!file->size && !state_file_append(file, STR(HEAD), err)) || !state_file_append(file, buf_str(&strip->pending), err))
		return false;
	buf_reset(&strip->pending);
	state_file_mark(file, &strip->seen);
	return true;
}

/* Once, behind the first note, so that our own file is the newest: a cluster whose address changes leaves a file each time. */
static void trim_folder(struct health_strip *strip)
{
	const char *end = strrchr(strip->path, '/');
	AUTO_FREE char *folder = end ? str_dup((struct str){ strip->path, (size_t)(end - strip->path) }) : xstrdup(".");

	strip->trimmed = true;
	state_folder_trim(folder, KEPT_S, FILES_MAX);
}

static void flush(struct health_strip *strip, int64_t now, unsigned patience_ms)
{
	AUTO_RELEASE(state_file) file = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	if (!strip->path || !strip->pending.len || strip->failed == now)
		return;
	if (state_file_open(strip->path, patience_ms, &file, &err) && write_pending(strip, &file, now, &err)) {
		if (!strip->trimmed)
			trim_folder(strip);
		return;
	}
	if (err.kind == ERR_CONFLICT)
		return; /* the next time, then */
	strip->failed = now;
	error_wrap(&err, "the record of health can't be kept");
	set_trouble(strip, err.message);
}

/* ---- the record ---- */

struct health_strip *health_strip_create(const char *path)
{
	struct health_strip *strip = xcalloc(1, sizeof *strip);

	strip->path = path ? xstrdup(path) : NULL;
	strip->lanes.free_value = free;
	strip->pending.max = PENDING_MAX;
	strip->room = ROOM_MIN;
	strip->failed = -1;
	return strip;
}

void health_strip_destroy(struct health_strip *strip)
{
	int64_t newest = 0;

	if (!strip)
		return;
	for (size_t i = 0; i < strip->lanes.len; i++) {
		const struct lane *lane = strip->lanes.entries[i].value;

		newest = lane->last > newest ? lane->last : newest;
	}
	flush(strip, newest, END_WAIT_MS);
	map_release(&strip->lanes);
	buf_release(&strip->pending);
	free(strip->path);
	free(strip->trouble);
	free(strip);
}

static char state_char(enum health_state state)
{
	static const char chars[] = { [HEALTH_HEALTHY] = '_',	[HEALTH_SUSPENDED] = '_', [HEALTH_PROGRESSING] = '-', [HEALTH_DELETING] = '-',
				      [HEALTH_MISSING] = '#', [HEALTH_UNKNOWN] = '.',	[HEALTH_DEGRADED] = '#' };

	return chars[state];
}

bool health_strip_note(struct health_strip *strip, const char *title, enum health_state state, int64_t now_ms)
{
	char c = state_char(state);
	int64_t now = cell_at(now_ms);

	if (c == ranks[0] || !*title || strchr(title, '\n'))
		return false;
	struct lane *lane = lane_of(strip, str_of(title), now);

	if (lane->last > now + 1) /* the clock was set back */
		lane_shift(lane, now - lane->last);
	if (!lane_put(lane, now, c))
		return false;
	if (strip->path)
		buf_addf(&strip->pending, "%lld %c %s\n", (long long)now, c, title);
	return true;
}

void health_strip_flush(struct health_strip *strip, int64_t now_ms)
{
	flush(strip, cell_at(now_ms), 0);
}

void health_strip_cells(const struct health_strip *strip, const char *title, int64_t now_ms, char ret[HEALTH_STRIP_CELLS + 1])
{
	const struct lane *lane = map_get(&strip->lanes, str_of(title));
	int64_t oldest = cell_at(now_ms) - HEALTH_STRIP_CELLS + 1;

	for (int64_t i = 0; i < HEALTH_STRIP_CELLS; i++) {
		int64_t at = lane ? oldest + i - (lane->last - HEALTH_STRIP_CELLS + 1) : -1;
		char state = at >= 0 && at < HEALTH_STRIP_CELLS ? lane->states[at] : ranks[0];

		ret[i] = state == ranks[0] ? ' ' : state;
	}
	ret[HEALTH_STRIP_CELLS] = '\0';
}

const char *health_strip_trouble(const struct health_strip *strip)
{
	return strip->trouble ? strip->trouble : "";
}
