#include "ui/log_pane.h"
#include "ui/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utc.h"

#define SOURCE_MAX   20 /* cells of a source's name */
#define ROWS_MAX     400 /* of one wrapped line; the whole is in the saved file */
#define MATCHES_MAX  50 /* coloured in one line */
#define MATCH_BYTES  2000 /* of a line that are looked at for colouring */
#define SEARCH_LINES 64 /* between two looks at the clock */
#define PART_GAP     3  /* cells between the parts of a status line */
#define LEVEL_COLS   60 /* of a screen that has room for a mark of the level */

struct layout {
	int head, body, status; /* rows */
	bool trouble;
	int time_col, time_width, source_col, source_width, level_col /* 0: no room */, text_col, text_width;
};

/* ---- layout ---- */

static const struct logs_source *first_in_trouble(const struct log_scene *scene, size_t *ret_n)
{
	const struct logs_source *first = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < scene->nsources; i++)
		if (scene->sources[i].state == LOG_FOLLOW_WAITING || scene->sources[i].state == LOG_FOLLOW_REFUSED) {
			first = first ? first : &scene->sources[i];
			++*ret_n;
		}
	return first;
}

static int time_width(const struct log_pane *pane, int cols)
{
	if (pane->times == LOG_TIMES_OFF)
		return 0;
	if (pane->times == LOG_TIMES_FULL && cols >= 80)
		return 30;
	return cols >= 60 ? 12 : 8;
}

static int source_width(const struct log_scene *scene, int cols)
{
	int width = 0, most = cols / 5 < SOURCE_MAX ? cols / 5 : SOURCE_MAX;

	for (size_t i = 0; scene->nsources > 1 && i < scene->nsources; i++) {
		int own = text_width(scene->sources[i].short_name);

		width = own > width ? own : width;
	}
	return width < most ? width : most;
}

static struct layout layout_of(const struct log_pane *pane, const struct log_scene *scene, int rows, int cols)
{
	struct layout l = { .time_col = 1, .time_width = time_width(pane, cols), .source_width = source_width(scene, cols) };
	size_t in_trouble;

	l.head = rows >= 4;
	l.status = rows >= 12 ? 2 : rows >= 5 ? 1 : 0;
	l.trouble = rows >= 7 && first_in_trouble(scene, &in_trouble);
	l.body = rows - l.head - l.status - l.trouble;
	l.body = l.body > 0 ? l.body : 0;
	l.source_col = l.time_col + l.time_width + (l.time_width > 0);
	l.text_col = l.source_col + l.source_width + (l.source_width > 0);
	if (cols >= LEVEL_COLS) {
		l.level_col = l.text_col;
		l.text_col += 2;
	}
	l.text_width = cols - l.text_col - 1;
	l.text_width = l.text_width > 1 ? l.text_width : 1;
	return l;
}

/* ---- lines ---- */

static const struct runs *runs_of(const struct log_pane *pane, const struct log_line *line)
{
	return log_lines_runs(pane->lines, line->text, pane->fold_json && line->kind == LOG_LINE);
}

static int rows_of(const struct log_pane *pane, const struct log_scene *scene, const struct layout *l, uint64_t serial)
{
	struct log_line line;
	struct glyph glyph;
	int rows = 1, at = 0;

	if (!pane->wrap || !log_store_line(scene->store, serial, &line) || line.kind != LOG_LINE)
		return 1;
	const struct runs *runs = runs_of(pane, &line);

	for (size_t i = 0; i < runs->len; i++)
		for (struct str rest = runs->items[i].text; rows < ROWS_MAX && glyph_next(&rest, &glyph);) {
			if (at + glyph.width > l->text_width) {
				rows++;
				at = 0;
			}
			at += glyph.width;
		}
	return rows;
}

/* Moves one row; false: there is no further one. */
static bool step(const struct log_pane *pane, const struct log_scene *scene, const struct layout *l, bool down, uint64_t *serial, int *row)
{
	uint64_t next;

	if (down ? *row + 1 < rows_of(pane, scene, l, *serial) : *row > 0) {
		*row += down ? 1 : -1;
		return true;
	}
	next = down ? log_store_next(scene->store, *serial) : log_store_previous(scene->store, *serial);
	if (next == LOG_SERIAL_NONE)
		return false;
	*serial = next;
	*row = down ? 0 : rows_of(pane, scene, l, next) - 1;
	return true;
}

/* Where the view begins when the last line stands at its end. */
static void end_position(const struct log_pane *pane, const struct log_scene *scene, const struct layout *l, uint64_t *serial, int *row)
{
	*serial = log_store_previous(scene->store, LOG_SERIAL_NONE);
	*row = 0;
	if (*serial == LOG_SERIAL_NONE)
		return;
	*row = rows_of(pane, scene, l, *serial) - 1;
	for (int i = 1; i < l->body && step(pane, scene, l, false, serial, row); i++)
		;
}

void log_pane_settle(struct log_pane *pane, const struct log_scene *scene, int rows, int cols)
{
	struct layout l = layout_of(pane, scene, rows, cols);

	pane->rows = rows;
	pane->cols = cols;
	if (pane->follow) {
		end_position(pane, scene, &l, &pane->top, &pane->top_row);
		return;
	}
	if (pane->at < log_store_first(scene->store)) {
		pane->at = log_store_first(scene->store);
		pane->at_row = 0;
	}
	pane->top = pane->at;
	pane->top_row = pane->at_row;
	if (log_store_shows(scene->store, pane->at)) {
		int last = rows_of(pane, scene, &l, pane->at) - 1;

		pane->top_row = pane->top_row < last ? pane->top_row : last;
		return;
	}
	/* The filter hides it: what is shown next stands in its place, and the place is kept. */
	pane->top_row = 0;
	pane->top = log_store_next(scene->store, pane->at);
	if (pane->top == LOG_SERIAL_NONE)
		pane->top = log_store_previous(scene->store, pane->at);
}

/* ---- moving ---- */

static void stay_at(struct log_pane *pane, uint64_t serial, int row)
{
	pane->follow = false;
	pane->at = pane->top = serial;
	pane->at_row = pane->top_row = row;
}

static bool is_behind(uint64_t serial, int row, uint64_t other, int other_row)
{
	return serial > other || (serial == other && row > other_row);
}

void log_pane_move(struct log_pane *pane, const struct log_scene *scene, long by)
{
	struct layout l = layout_of(pane, scene, pane->rows, pane->cols);
	uint64_t serial = pane->top, last;
	int row = pane->top_row, last_row;
	bool moved = false;

	if (serial == LOG_SERIAL_NONE || (by > 0 && pane->follow))
		return;
	for (long i = 0; i < labs(by) && step(pane, scene, &l, by > 0, &serial, &row); i++)
		moved = true;
	if (by > 0) {
		end_position(pane, scene, &l, &last, &last_row);
		if (is_behind(serial, row, last, last_row) && !is_behind(pane->top, pane->top_row, last, last_row)) {
			serial = last;
			row = last_row;
		} else if (is_behind(serial, row, last, last_row)) {
			return; /* the last page is in view already */
		}
	}
	if (moved)
		stay_at(pane, serial, row);
}

void log_pane_first(struct log_pane *pane, const struct log_scene *scene)
{
	uint64_t first = log_store_next(scene->store, LOG_SERIAL_NONE);

	if (first != LOG_SERIAL_NONE)
		stay_at(pane, first, 0);
}

void log_pane_follow(struct log_pane *pane, bool follow)
{
	if (!follow && pane->follow && pane->top != LOG_SERIAL_NONE)
		stay_at(pane, pane->top, pane->top_row);
	pane->follow = follow;
}

uint64_t log_pane_keep(const struct log_pane *pane)
{
	return pane->follow ? LOG_SERIAL_NONE : pane->at;
}

/* ---- searching and filtering ---- */

/* False: it is no pattern (yet), and what was stays. */
static bool set_pattern(struct log_pane *pane, const char *text, char **kept, struct pattern **pattern)
{
	AUTO_RELEASE(error) err = { 0 };
	struct pattern *made = text && *text ? pattern_create(text, &err) : NULL;

	free(GIVE(pane->pattern_error));
	if (err.kind) {
		pane->pattern_error = xstrdup(err.message);
		return false;
	}
	pattern_destroy(*pattern);
	free(*kept);
	*pattern = made;
	*kept = made ? xstrdup(text) : NULL;
	return true;
}

void log_pane_set_filter(struct log_pane *pane, const char *text)
{
	set_pattern(pane, text, &pane->filter_text, &pane->filter);
}

static void begin_search(struct log_pane *pane, int direction, uint64_t from)
{
	pane->searching = direction;
	pane->search_at = from;
	pane->search_failed = false;
}

void log_pane_set_search(struct log_pane *pane, const struct log_scene *scene, const char *text)
{
	(void)scene;
	if (!set_pattern(pane, text, &pane->search_text, &pane->search))
		return;
	pane->found = LOG_SERIAL_NONE;
	pane->searching = 0;
	pane->search_failed = false;
	if (pane->search) /* at the end the newest is what one looks for */
		begin_search(pane, pane->follow ? -1 : 1, pane->follow ? LOG_SERIAL_NONE : pane->top - 1);
}

void log_pane_next_match(struct log_pane *pane, const struct log_scene *scene, int direction)
{
	uint64_t from = pane->found;

	if (!pane->search)
		return;
	if (from == LOG_SERIAL_NONE || from < log_store_first(scene->store))
		from = pane->follow ? log_store_end(scene->store) : pane->top;
	begin_search(pane, direction, from);
}

/* As it was written, or as it is shown. */
static bool line_matches(const struct log_pane *pane, struct pattern *pattern, const struct log_line *line)
{
	return pattern_matches(pattern, log_lines_plain(pane->lines, line->text, false)) ||
	       (pane->fold_json && line->kind == LOG_LINE && pattern_matches(pattern, log_lines_plain(pane->lines, line->text, true)));
}

/* A third of the view stands in front of the match, and nothing empty behind the last line. */
static void show_match(struct log_pane *pane, const struct log_scene *scene, uint64_t serial)
{
	struct layout l = layout_of(pane, scene, pane->rows, pane->cols);
	uint64_t last;
	int row = 0, last_row;

	pane->found = serial;
	pane->searching = 0;
	for (int i = 0; i < l.body / 3 && step(pane, scene, &l, false, &serial, &row); i++)
		;
	end_position(pane, scene, &l, &last, &last_row);
	if (is_behind(serial, row, last, last_row))
		stay_at(pane, last, last_row);
	else
		stay_at(pane, serial, row);
}

bool log_pane_work(struct log_pane *pane, const struct log_scene *scene, int64_t until_us)
{
	struct log_line line;

	for (unsigned n = 0; pane->searching; n++) {
		uint64_t next = pane->searching > 0 ? log_store_next(scene->store, pane->search_at) : log_store_previous(scene->store, pane->search_at);

		if (n % SEARCH_LINES == SEARCH_LINES - 1 && clock_now_us(NULL) >= until_us)
			return true;
		if (next == LOG_SERIAL_NONE) {
			pane->searching = 0;
			pane->search_failed = true;
		} else if (log_store_line(scene->store, next, &line) && line_matches(pane, pane->search, &line)) {
			show_match(pane, scene, next);
		} else {
			pane->search_at = next;
		}
	}
	return false;
}

static bool hides_by_pattern(const struct log_pane *pane)
{
	return pane->filter && pane->filter_mode != LOG_FILTER_CONTEXT;
}

static bool wants(const struct log_line *line, void *arg)
{
	const struct log_pane *pane = arg;

	if (pane->only >= 0 && line->source != pane->only)
		return false;
	if (pane->level && (line->level ? line->level : LOG_LEVEL_INFO) < pane->level)
		return false;
	return !hides_by_pattern(pane) || line_matches(pane, pane->filter, line) == (pane->filter_mode == LOG_FILTER_ONLY);
}

log_filter_fn *log_pane_filter(const struct log_pane *pane)
{
	return pane->level || pane->only >= 0 || hides_by_pattern(pane) ? wants : NULL;
}

static const struct {
	enum log_level level;
	const char *words;
} level_steps[] = { { LOG_LEVEL_NONE, N_("level all") },
		    { LOG_LEVEL_INFO, N_("level info and above") },
		    { LOG_LEVEL_WARN, N_("level warn and above") },
		    { LOG_LEVEL_ERROR, N_("level error") } };

static size_t level_step(enum log_level level)
{
	size_t at = 0;

	while (at + 1 < ARRAY_LEN(level_steps) && level_steps[at].level != level)
		at++;
	return at;
}

void log_pane_step_level(struct log_pane *pane)
{
	pane->level = level_steps[(level_step(pane->level) + 1) % ARRAY_LEN(level_steps)].level;
}

const char *log_level_words(enum log_level level)
{
	return T(level_steps[level_step(level)].words);
}

/* ---- ranges ---- */

const struct logs_range *log_ranges(size_t *ret_n)
{
	static const struct logs_range ranges[] = { { .tail = 200 },	 { .since_s = 60 },	{ .since_s = 300 },	 { .since_s = 900 },
						    { .since_s = 3600 }, { .since_s = 21600 }, { .since_s = 86400 }, { 0 } };

	*ret_n = ARRAY_LEN(ranges);
	return ranges;
}

void log_range_name(const struct logs_range *range, struct buf *out)
{
	if (range->tail)
		buf_addf(out, T("last %" PRId64), range->tail);
	else if (!range->since_s)
		buf_adds(out, T("all"));
	else if (range->since_s % 3600 == 0)
		buf_addf(out, T("since %" PRId64 "h"), range->since_s / 3600);
	else
		buf_addf(out, T("since %" PRId64 "m"), range->since_s / 60);
}

/* ---- drawing ---- */

static void draw_time(const struct log_pane *pane, struct canvas *canvas, int row, const struct layout *l, int64_t ns)
{
	struct utc_fields t = utc_split(ns / 1000);
	char text[48];

	(void)pane;
	if (!l->time_width)
		return;
	if (l->time_width == 30)
		snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", (int)t.year % 10000, t.month % 100, t.day % 100, t.hour % 100, t.minute % 100,
			 t.second % 100, (int)(ns % 1000000000));
	else
		snprintf(text, sizeof text, "%02d:%02d:%02d.%03d", t.hour % 100, t.minute % 100, t.second % 100, t.us / 1000 % 1000);
	text[l->time_width] = '\0';
	canvas_text(canvas, row, l->time_col, l->time_width, ROLE_DIM, text);
}

static void paint_matches(const struct log_pane *pane, struct canvas *canvas, int row, const struct layout *l, int skip, const struct log_line *line)
{
	struct str text = log_lines_plain(pane->lines, line->text, pane->fold_json && line->kind == LOG_LINE), found;
	size_t from = 0;

	text.len = text.len < MATCH_BYTES ? text.len : MATCH_BYTES;
	for (size_t n = 0; n < MATCHES_MAX && pattern_find(pane->search, text, from, &found); n++) {
		int col = glyph_width((struct str){ text.p, (size_t)(found.p - text.p) }) - skip, width = glyph_width(found);

		if (col < 0) {
			width += col;
			col = 0;
		}
		width = col + width < l->text_width ? width : l->text_width - col;
		if (width > 0)
			canvas_paint(canvas, row, l->text_col + col, width, ROLE_MATCH);
		from = (size_t)(found.p - text.p) + found.len;
	}
}

/* A letter beside the colour; what is as usual has none. */
static void draw_level(struct canvas *canvas, int row, const struct layout *l, const struct log_line *line)
{
	static const struct {
		const char *letter;
		enum role role;
	} marks[LOG_LEVEL_COUNT] = { [LOG_LEVEL_TRACE] = { "T", ROLE_DIM },	[LOG_LEVEL_DEBUG] = { "D", ROLE_DIM }, [LOG_LEVEL_WARN] = { "W", ROLE_PROGRESS },
				     [LOG_LEVEL_ERROR] = { "E", ROLE_BAD }, [LOG_LEVEL_FATAL] = { "F", ROLE_BAD } };

	if (l->level_col && marks[line->level].letter)
		canvas_text(canvas, row, l->level_col, 1, marks[line->level].role, marks[line->level].letter);
}

static void draw_cut(const struct log_scene *scene, struct canvas *canvas, int row, const struct log_line *line)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	const char *source = scene->nsources > 1 && line->source < scene->nsources ? scene->sources[line->source].short_name : "";

	buf_addf(&text, "------ %s%s%.*s ", source, *source ? " " : "", STR_ARG(line->text));
	int used = canvas_text(canvas, row, 1, canvas->cols - 2, line->kind == LOG_GAP ? ROLE_BAD : ROLE_PROGRESS, buf_cstr(&text));

	for (int col = 1 + used; col < canvas->cols - 1 && col < 1 + used + 6; col++)
		canvas_text(canvas, row, col, 1, line->kind == LOG_GAP ? ROLE_BAD : ROLE_PROGRESS, "-");
}

/* Rows of one line from its row `from` on, at most max of them; how many were used. */
static int draw_line(const struct log_pane *pane, const struct log_scene *scene, struct canvas *canvas, int row, int max, int from, const struct layout *l,
		     uint64_t serial)
{
	struct log_line line;
	int used, skip = pane->wrap ? 0 : pane->shift, drawn = 0;

	if (!log_store_line(scene->store, serial, &line))
		return 1;
	if (line.kind != LOG_LINE) {
		draw_cut(scene, canvas, row, &line);
		return 1;
	}
	bool context = pane->filter && pane->filter_mode == LOG_FILTER_CONTEXT && !line_matches(pane, pane->filter, &line);
	int rows = rows_of(pane, scene, l, serial);

	for (int n = 0; n < rows && drawn < max; n++) {
		int at = n < from ? -1 : row + drawn; /* rows above the view are measured only */
		const struct runs *runs = runs_of(pane, &line);

		used = canvas_styled(canvas, at, l->text_col, l->text_width, skip, context ? ROLE_DIM : ROLE_TEXT, runs->items, runs->len);
		if (at >= 0) {
			if (context)
				canvas_paint(canvas, at, l->text_col, used, ROLE_DIM);
			if (pane->search)
				paint_matches(pane, canvas, at, l, skip, &line);
			if (!pane->wrap && line.more_bytes && used < l->text_width)
				canvas_textf(canvas, at, l->text_col + used, l->text_width - used, ROLE_DIM, " (%" PRIu32 " bytes more)", line.more_bytes);
			drawn++;
		}
		if (n == 0 && at >= 0) {
			draw_time(pane, canvas, at, l, line.time_ns);
			draw_level(canvas, at, l, &line);
			if (l->source_width && line.source < scene->nsources)
				canvas_name(canvas, at, l->source_col, l->source_width, (enum role)(ROLE_SERIES + line.source % ROLE_SERIES_COUNT),
					    scene->sources[line.source].short_name);
			if (serial == pane->found)
				canvas_text(canvas, at, 0, 1, ROLE_KEY, ">");
		}
		skip += used;
	}
	return drawn ? drawn : 1;
}

static void draw_body(const struct log_pane *pane, const struct log_scene *scene, struct canvas *canvas, int top, const struct layout *l)
{
	uint64_t serial = pane->top;
	int row = 0, from = pane->top_row;

	if (serial == LOG_SERIAL_NONE && l->body) {
		struct log_counts counts = log_store_counts(scene->store);

		canvas_text(canvas, top, 1, canvas->cols - 2, ROLE_DIM,
			    counts.received && !counts.unseen ? T("no line passes the filter") : counts.unseen ? T("filtering ...")
			    : scene->nsources ? T("no lines so far; > looks further back") : T("no container of it has run yet"));
		return;
	}
	while (row < l->body && serial != LOG_SERIAL_NONE) {
		row += draw_line(pane, scene, canvas, top + row, l->body - row, from, l, serial);
		from = 0;
		serial = log_store_next(scene->store, serial);
	}
}

/* 1204: "1,204" */
static void add_count(struct buf *out, uint64_t count)
{
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%" PRIu64, count);

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			buf_addc(out, ',');
		buf_addc(out, digits[i]);
	}
}

static void add_counter(struct buf *out, const char *name, uint64_t count)
{
	buf_addf(out, "%s%s ", out->len ? "   " : "", name);
	add_count(out, count);
}

/* Parts stand beside each other from col on as far as there is room: what does not fit is left out, never cut. The column behind. */
static int draw_parts(struct canvas *canvas, int row, int col, const char *const *parts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int width = text_width(parts[i]);

		if (!*parts[i] || col + width > canvas->cols - 1)
			continue;
		canvas_text(canvas, row, col, width, ROLE_DIM, parts[i]);
		col += width + PART_GAP;
	}
	return col;
}

static const char *filter_word(const struct log_pane *pane)
{
	static const char *const words[LOG_FILTER_COUNT] = { N_("filter"), N_("filter not"), N_("context of") };

	return T(words[pane->filter_mode]);
}

static const char *search_state(const struct log_pane *pane)
{
	return pane->searching ? " ..." : pane->search_failed ? T(" (no more)") : "";
}

/* "oldest 22:16:02": how far back one can scroll. */
static char *oldest_line(const struct log_scene *scene)
{
	struct log_line line;
	uint64_t first = log_store_next(scene->store, LOG_SERIAL_NONE);

	if (first == LOG_SERIAL_NONE || !log_store_line(scene->store, first, &line))
		return xstrdup("");
	struct utc_fields t = utc_split(line.time_ns / 1000);

	return xasprintf(T("oldest %02d:%02d:%02d"), t.hour % 100, t.minute % 100, t.second % 100);
}

/* Behind the counters stands how lines are shown. */
static void draw_manner(const struct log_pane *pane, const struct log_scene *scene, struct canvas *canvas, int row, int col)
{
	static const char *const times[LOG_TIMES_COUNT] = { N_("time ms"), N_("time full"), N_("time off") };
	AUTO_FREE char *search = pane->search ? xasprintf(T("search %s%s"), pane->search_text, search_state(pane)) : xstrdup(T("search none"));
	AUTO_FREE char *oldest = oldest_line(scene);
	const char *const parts[] = { search, T(times[pane->times]), oldest, pane->wrap ? T("wrap on") : T("wrap off"), pane->fold_json ? T("JSON folded") : "" };

	draw_parts(canvas, row, col, parts, ARRAY_LEN(parts));
}

static void draw_counts(const struct log_pane *pane, const struct log_scene *scene, struct canvas *canvas, int row)
{
	struct log_counts counts = log_store_counts(scene->store);
	AUTO_RELEASE(buf) text = BUF_INIT(0), shorter = BUF_INIT(0);

	add_counter(&text, T("received"), counts.received);
	add_counter(&text, T("shown"), log_counts_shown(&counts));
	add_counter(&text, T("filtered"), counts.filtered);
	add_counter(&text, T("dropped"), counts.dropped);
	if (counts.unseen)
		add_counter(&text, T("to filter"), counts.unseen);
	if (text_width(buf_cstr(&text)) <= canvas->cols - 2) {
		draw_manner(pane, scene, canvas, row, 1 + canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM, buf_cstr(&text)) + PART_GAP);
		return;
	}
	add_count(&shorter, counts.received);
	buf_adds(&shorter, " = ");
	add_count(&shorter, log_counts_shown(&counts));
	buf_adds(&shorter, " +f ");
	add_count(&shorter, counts.filtered + counts.unseen);
	buf_adds(&shorter, " +d ");
	add_count(&shorter, counts.dropped);
	canvas_text(canvas, row, 1, canvas->cols - 2, ROLE_DIM, buf_cstr(&shorter));
}

static size_t count_of(const struct log_scene *scene, enum log_follow_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < scene->nsources; i++)
		n += scene->sources[i].state == state;
	return n;
}

/* "containers 58 (50 at a time), 8 not read yet, 3 gone" */
static void add_sources(const struct log_scene *scene, struct buf *out)
{
	size_t ended = count_of(scene, LOG_FOLLOW_ENDED), opening = count_of(scene, LOG_FOLLOW_OPENING);

	buf_addf(out, T("containers %zu"), scene->nsources - ended);
	if (scene->nsources - ended > LOGS_STREAMS)
		buf_addf(out, T(" (%d at a time)"), LOGS_STREAMS);
	if (opening)
		buf_addf(out, T(", %zu not read yet"), opening);
	if (ended)
		buf_addf(out, T(", %zu gone"), ended);
}

static void draw_choices(const struct log_pane *pane, const struct log_scene *scene, struct canvas *canvas, int row)
{
	AUTO_RELEASE(buf) range = BUF_INIT(0);
	AUTO_RELEASE(buf) sources = BUF_INIT(0);
	AUTO_FREE char *filter = pane->filter ? xasprintf("%s %s", filter_word(pane), pane->filter_text) : xstrdup(T("filter none"));

	log_range_name(&scene->range, &range);
	add_sources(scene, &sources);
	const char *const parts[] = { pane->follow ? T("follow on") : T("follow off"), buf_cstr(&range), log_level_words(pane->level), buf_cstr(&sources),
				      scene->range.previous ? T("previous on") : T("previous off") };
	int col = draw_parts(canvas, row, 1, parts, pane->filter ? 3 : ARRAY_LEN(parts));

	if (!pane->filter) {
		draw_parts(canvas, row, col, (const char *const[]){ filter }, 1);
		return;
	}
	/* What is typed is more than what is usual: it has the room first, and is cut where it needs more. */
	int left = canvas->cols - 1 - col;

	if (left > 0)
		col += canvas_text(canvas, row, col, left, ROLE_DIM, filter) + PART_GAP;
	draw_parts(canvas, row, col, parts + 3, ARRAY_LEN(parts) - 3);
}

static void draw_trouble(const struct log_scene *scene, struct canvas *canvas, int row)
{
	size_t n;
	const struct logs_source *first = first_in_trouble(scene, &n);

	if (n > 1)
		canvas_textf(canvas, row, 1, canvas->cols - 2, ROLE_PROGRESS, "%zu of %zu wait; %s: %s", n, scene->nsources, first->short_name, first->why);
	else if (first)
		canvas_textf(canvas, row, 1, canvas->cols - 2, first->state == LOG_FOLLOW_REFUSED ? ROLE_BAD : ROLE_PROGRESS, "%s: %s", first->short_name,
			     first->why);
}

void log_pane_draw(const struct log_pane *pane, const struct log_scene *scene, struct canvas *canvas, int top, int rows)
{
	struct layout l = layout_of(pane, scene, rows, canvas->cols);
	int row = top + l.head + l.body;

	if (l.head) {
		bool one = pane->only >= 0 && (size_t)pane->only < scene->nsources;
		AUTO_FREE char *title = one ? xasprintf(T("logs of %s, only %s"), scene->title, scene->sources[pane->only].short_name)
					    : xasprintf(T("logs of %s"), scene->title);

		canvas_rule(canvas, top, title, pane->pattern_error ? pane->pattern_error : scene->held ? T("full: lines wait at the servers; f goes on") : pane->follow ? T("follow on") : T("follow off"));
	}
	draw_body(pane, scene, canvas, top + l.head, &l);
	if (l.trouble)
		draw_trouble(scene, canvas, row++);
	if (l.status == 2)
		draw_choices(pane, scene, canvas, row++);
	if (l.status)
		draw_counts(pane, scene, canvas, row);
}

/* ---- life ---- */

void log_pane_init(struct log_pane *pane)
{
	*pane = (struct log_pane){ .follow = true, .only = -1, .top = LOG_SERIAL_NONE, .found = LOG_SERIAL_NONE, .lines = log_lines_create() };
}

void log_pane_release(struct log_pane *pane)
{
	pattern_destroy(pane->filter);
	pattern_destroy(pane->search);
	free(pane->filter_text);
	free(pane->search_text);
	free(pane->pattern_error);
	log_lines_destroy(pane->lines);
	*pane = (struct log_pane){ 0 };
}
