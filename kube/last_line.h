/*
 * last_line: fetches the last log line of containers that crashed, a few at a time. Net thread only.
 */
#ifndef SLOTDECK_KUBE_LAST_LINE_H
#define SLOTDECK_KUBE_LAST_LINE_H

#include "base/http.h"
#include "model/health.h"

struct last_lines;
/* line is "" when there is none to be had; both are borrowed. */
typedef void last_line_fn(const struct health_log_wish *wish, const char *line, void *arg);
/* Borrows http until destroyed. */
struct last_lines *last_lines_create(struct http *http, last_line_fn *on_line,
				     void (*prepare)(struct http_request *request, void *arg), void *arg);
/* No callback runs after this; NULL is fine. */
void last_lines_destroy(struct last_lines *lines);
DEFINE_AUTO(last_lines);
/* Copies wish. Beyond 200 that wait, the oldest is dropped: it will be wished for again at the next crash. */
void last_lines_fetch(struct last_lines *lines, const struct health_log_wish *wish);

#endif
