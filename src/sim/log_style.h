/*
 * log_style: what the programs of the demo write, told by their image. Private to src/sim.
 */
#ifndef SLOTDECK_SIM_LOG_STYLE_H
#define SLOTDECK_SIM_LOG_STYLE_H

#include "base/str.h"

/* Appends line n (from 1) of a container of that image, without its end; at_ms is its moment. False: no style of its own. */
bool log_style_line(const char *image, const char *pod, int64_t n, int64_t at_ms, struct buf *out);
/* What it writes before it ends with an error, lines separated by \n; NULL: no style of its own. */
const char *log_style_last_words(const char *image);

#endif
