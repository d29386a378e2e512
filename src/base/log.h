/*
 * log: records on stderr for people or machines.
 *
 * Text form: "Mon _2 15:04:05.000 INF message key=value" (Go layout, local time), coloured only on a terminal and never
 * with NO_COLOR; JSON form: one object per line with time, level, msg and the fields. Control characters are escaped
 * and live secrets masked on the way out, in both forms. Libraries do not log: whoever decides to go on is the one who
 * reports.
 *
 *     log_info("applied", LOG_TEXT("object", name), LOG_INT("ms", elapsed));
 *
 * Any thread. Level, form and sink are written by main before threads start (or by tests).
 */
#ifndef SLOTDECK_BASE_LOG_H
#define SLOTDECK_BASE_LOG_H

#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_form { LOG_FORM_TEXT, LOG_FORM_JSON };

struct log_field {
	const char *key;
	enum { LOG_FIELD_NONE, LOG_FIELD_TEXT, LOG_FIELD_INT, LOG_FIELD_BOOL, LOG_FIELD_MS } kind;
	struct str text;
	int64_t number;
};
#define LOG_TEXT(key_, text_) ((struct log_field){ .key = (key_), .kind = LOG_FIELD_TEXT, .text = str_of(text_) })
#define LOG_STR(key_, str_)   ((struct log_field){ .key = (key_), .kind = LOG_FIELD_TEXT, .text = (str_) })
#define LOG_INT(key_, n_)     ((struct log_field){ .key = (key_), .kind = LOG_FIELD_INT, .number = (n_) })
#define LOG_BOOL(key_, b_)    ((struct log_field){ .key = (key_), .kind = LOG_FIELD_BOOL, .number = (b_) })
/* Milliseconds, shown as a Go duration. */
#define LOG_MS(key_, ms_)     ((struct log_field){ .key = (key_), .kind = LOG_FIELD_MS, .number = (ms_) })
#define LOG_ERROR_FIELD(err_) LOG_TEXT("error", (err_)->message)

/* "debug", "info", "warn" or "warning", "error", any case. False: unknown, nothing changes. */
bool log_level_parse(const char *text, enum log_level *ret_level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_set_form(enum log_form form);
/* Where whole lines go instead of stderr; NULL: stderr again. Runs under the log's lock. */
void log_set_sink(void (*write_line)(struct str line, void *arg), void *arg);

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t nfields);
#define LOG_FIELDS_(...)                                                                                               \
	(struct log_field[])                                                                                           \
	{                                                                                                              \
		{ 0 }, ##__VA_ARGS__                                                                                   \
	}
#define log_at(level_, message_, ...)                                                                                  \
	do {                                                                                                           \
		if ((level_) >= log_get_level())                                                                       \
			log_write((level_), (message_), LOG_FIELDS_(__VA_ARGS__),                                      \
				  sizeof(LOG_FIELDS_(__VA_ARGS__)) / sizeof(struct log_field));                        \
	} while (0)
#define log_debug(message_, ...) log_at(LOG_LEVEL_DEBUG, message_, ##__VA_ARGS__)
#define log_info(message_, ...)	 log_at(LOG_LEVEL_INFO, message_, ##__VA_ARGS__)
#define log_warn(message_, ...)	 log_at(LOG_LEVEL_WARN, message_, ##__VA_ARGS__)
#define log_error(message_, ...) log_at(LOG_LEVEL_ERROR, message_, ##__VA_ARGS__)

/*
 * The list of live secrets. Counted: each add wants one remove. Values shorter than 6 bytes are not kept, because
 * masking "a" would hide nothing and spoil everything. struct secret does both by itself.
 */
void log_redact_add(struct str value);
void log_redact_remove(struct str value);
/* Replaces every live secret in text by "***", for any other sink (event streams, reports, recordings). In place. */
void log_redact(struct buf *text);

#endif
