/*
 * line: the connections of the server as a network treats them: streams that fall silent while their socket stays open, and
 * sockets that are reset. Private to src/sim. Has its own lock; any thread.
 */
#ifndef SLOTDECK_SIM_LINE_H
#define SLOTDECK_SIM_LINE_H

#include "base/error.h"

struct line;
struct line *line_create(void);
void line_destroy(struct line *line);

void line_opened(struct line *line, int fd);
void line_closed(struct line *line, int fd);
/* Ends each open connection with a reset. */
void line_reset(struct line *line);

/*
 * Streams (watches, followed logs) whose path?query matches the pattern send nothing any more, until line_thaw(); then they
 * send what they held back. number: that of the last request so far; later ones are frozen too if `later`.
 */
bool line_freeze(struct line *line, const char *pattern, unsigned long number, bool later, struct error *err);
void line_thaw(struct line *line);
bool line_is_frozen(struct line *line, const char *uri, unsigned long number);

#endif
