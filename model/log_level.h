/*
 * log_level: how bad a line of a log is, by what the program wrote into it.
 *
 * Known are members of JSON lines (level, severity, lvl, levelname, log.level; as words, as numbers of pino and bunyan, or as syslog
 * severities), logfmt (level=warn), headers of klog and glog (E0203 …), words in brackets, in capitals, or with a colon near the beginning,
 * and the first lines of panics, tracebacks and exceptions. What follows such a line and names no level itself (indented lines,
 * "Caused by:", frames of goroutines) belongs to it. Only the beginning of a line is looked at: 200 bytes, of JSON 4 KiB.
 */
#ifndef SLOTDECK_MODEL_LOG_LEVEL_H
#define SLOTDECK_MODEL_LOG_LEVEL_H

#include <stdint.h>

#include "base/str.h"

enum log_level { LOG_LEVEL_NONE, LOG_LEVEL_TRACE, LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_FATAL, LOG_LEVEL_COUNT };

/* What the lines before mean for the next one of the same container; all zero at the start of a run. */
struct log_level_state {
	uint8_t last;  /* enum log_level */
	uint8_t trace; /* private */
};

/* The level of the next line of a container. */
enum log_level log_level_next(struct log_level_state *state, struct str text);
/* Of a word as programs write it ("warning", "ERR", "30"); LOG_LEVEL_NONE: it names none. */
enum log_level log_level_of_word(struct str word);

#endif
