/*
 * log_pane: the log screen: which lines of a log store are in view, and how they are shown. Private to ui.
 *
 * The position never moves by itself: without follow it stays at its line whatever comes. Drawing is a function of pane and scene, after
 * log_pane_settle(). Lines that are found, hidden and coloured are so by one pattern each (base/pattern.h).
 */
#ifndef SLOTDECK_UI_LOG_PANE_H
#define SLOTDECK_UI_LOG_PANE_H

#include "base/pattern.h"
#include "live/logs.h"
#include "ui/log_line.h"

/* What there is to show; all is borrowed. */
struct log_scene {
	struct log_store *store;
	const struct logs_source *sources;
	size_t nsources;
	struct logs_range range;
	const char *title; /* "Deployment users", "slot 3" */
	bool held;	   /* lines wait at the servers until there is room */
};

enum log_times { LOG_TIMES_MS, LOG_TIMES_FULL, LOG_TIMES_OFF, LOG_TIMES_COUNT };
enum log_filter { LOG_FILTER_ONLY, LOG_FILTER_INVERSE, LOG_FILTER_CONTEXT, LOG_FILTER_COUNT };

struct log_pane {
	bool follow, wrap, fold_json;
	enum log_times times;
	enum log_filter filter_mode;
	enum log_level level; /* lines below it are hidden; LOG_LEVEL_NONE: all are shown. A line that names none counts as INFO */
	int only;	      /* the one source that is shown; -1: all */
	int shift; /* cells scrolled to the right, without wrap */
	uint64_t at; /* the line that stays in place, without follow */
	int at_row;  /* of its rows, when it is wrapped */
	char *filter_text, *search_text; /* NULL: none */
	struct pattern *filter, *search;
	char *pattern_error; /* of what is being typed; NULL */
	uint64_t found;	     /* line of the last match; LOG_SERIAL_NONE */
	int searching;	     /* direction; 0: not */
	uint64_t search_at;
	bool search_failed;
	struct log_lines *lines;
	/* By log_pane_settle(): the first row in view. */
	uint64_t top;
	int top_row;
	int cols, rows, source_width;
};

void log_pane_init(struct log_pane *pane);
void log_pane_release(struct log_pane *pane);
/* After lines came or went, and before drawing at that place; rows and cols as for log_pane_draw(). */
void log_pane_settle(struct log_pane *pane, const struct log_scene *scene, int rows, int cols);
/* Into rows from top on, the whole width. */
void log_pane_draw(const struct log_pane *pane, const struct log_scene *scene, struct canvas *canvas, int top, int rows);

/* By rows of the screen; ends follow when it goes up. */
void log_pane_move(struct log_pane *pane, const struct log_scene *scene, long by);
void log_pane_first(struct log_pane *pane, const struct log_scene *scene);
void log_pane_follow(struct log_pane *pane, bool follow);
/* What logs_poll() must not drop. */
uint64_t log_pane_keep(const struct log_pane *pane);

/* NULL or "": none. An unfinished pattern leaves the former one; pattern_error says why. */
void log_pane_set_search(struct log_pane *pane, const struct log_scene *scene, const char *text);
void log_pane_set_filter(struct log_pane *pane, const char *text);
void log_pane_next_match(struct log_pane *pane, const struct log_scene *scene, int direction);
/* Searches on, until until_us (clock_now_us of the real clock). True: it is not at the end yet. */
bool log_pane_work(struct log_pane *pane, const struct log_scene *scene, int64_t until_us);
/* To the next level: all, INFO, WARN, ERROR, all. */
void log_pane_step_level(struct log_pane *pane);
const char *log_level_words(enum log_level level);
/* For log_store_set_filter(), with the pane; NULL when nothing is hidden. */
log_filter_fn *log_pane_filter(const struct log_pane *pane);

/* The ranges that < and > go through. */
const struct logs_range *log_ranges(size_t *ret_n);
void log_range_name(const struct logs_range *range, struct buf *out);

#endif
