/*
 * usage: CPU and memory of workloads and pods as cells and as a line with strips. Private to ui.
 */
#ifndef SLOTDECK_UI_USAGE_H
#define SLOTDECK_UI_USAGE_H

#include "live/metrics.h"
#include "ui/canvas.h"

/* "150m", "1.2", "90Mi", "1.4Gi". */
void add_cpu(struct buf *out, int64_t cpu_m);
void add_memory(struct buf *out, int64_t bytes);
/* What entry uses, "-" when it is not known; near its limit the role says so. metrics NULL: not known. */
enum role usage_cell(const struct metrics *metrics, const struct entry *entry, enum metrics_what what, struct buf *out);
/* One line: used, asked for, limit, and the last ten minutes. False, nothing drawn: no sample of it. */
bool draw_usage(const struct metrics *metrics, const struct entry *entry, struct canvas *canvas, int row);

#endif
