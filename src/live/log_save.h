/*
 * log_save: writes what a log store shows into a new file, on a thread of its own. Private to live/logs.
 */
#ifndef SLOTDECK_LIVE_LOG_SAVE_H
#define SLOTDECK_LIVE_LOG_SAVE_H

#include "model/log_store.h"

enum logs_save_state { LOGS_NOT_SAVED, LOGS_SAVING, LOGS_SAVED, LOGS_SAVE_FAILED };

struct log_save;
struct log_save *log_save_create(void);
/* Stops one that is under way (its file is not left behind). NULL is fine. */
void log_save_destroy(struct log_save *save);
/*
 * Writes into a temporary file beside path (mode 0600), syncs it, and gives it the name path unless there is something of that name by
 * then. names of sources are copied. False: one is under way.
 */
bool log_save_start(struct log_save *save, const struct log_store *store, const char *const *names, size_t nnames, const char *path);
/* Looks whether it has ended. */
void log_save_poll(struct log_save *save);
enum logs_save_state log_save_state(const struct log_save *save, const char **ret_text);

#endif
