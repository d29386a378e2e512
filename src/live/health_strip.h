/*
 * health_strip: the worst state of each environment in each five minutes of the last six hours: our own record.
 *
 *     ____--____##__   healthy '_', progressing '-', degraded '#', no data ' '; the newest at the right
 *
 * Nothing of it comes from the cluster: where no program looked, or what it saw was in doubt, there is no data. What is noted goes to a
 * file (base/state_file.h) that several programs share and read again when another one has added to it; each line is `CELL STATES TITLE`:
 * states from that cell on, '.' for no data. A cell is the server's wall clock in units of five minutes. A file that is no such record is
 * kept beside and begun anew. With the first note other files of its folder go that nobody has written to for 30 days, and all beyond the
 * newest 200. One thread.
 */
#ifndef SLOTDECK_LIVE_HEALTH_STRIP_H
#define SLOTDECK_LIVE_HEALTH_STRIP_H

#include "model/health.h"

#define HEALTH_STRIP_CELLS   72
#define HEALTH_STRIP_CELL_MS INT64_C(300000)

struct health_strip;

/* path NULL: nothing is kept. The file is opened with the first note. */
struct health_strip *health_strip_create(const char *path);
/* Writes what is not written yet. NULL is fine. */
void health_strip_destroy(struct health_strip *strip);
DEFINE_AUTO(health_strip);
/* The environment was seen so just now. A state in doubt is no data. True: its strip has changed. */
bool health_strip_note(struct health_strip *strip, const char *title, enum health_state state, int64_t now_ms);
/* Writes what was noted, if the file can be had at once, else with a later call; cheap when there is nothing to write. */
void health_strip_flush(struct health_strip *strip, int64_t now_ms);
/* Oldest first, the present cell last; ended by NUL. */
void health_strip_cells(const struct health_strip *strip, const char *title, int64_t now_ms, char ret[HEALTH_STRIP_CELLS + 1]);
/* What was wrong with the file, for the person to know; "": nothing. */
const char *health_strip_trouble(const struct health_strip *strip);

#endif
