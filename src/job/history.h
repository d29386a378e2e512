/*
 * history: what was done from this machine, by actions and by the jobs apply, mirror and build, as JSON lines in $XDG_STATE_HOME/slotdeck/history.jsonl; survives kill -9.
 *
 * Each change is written twice: before its first request ("begun") and when it is over ("done", "failed" with why). A record that
 * stayed "begun" was cut off: what became of it, the cluster knows. Lines are written whole and synced; the file is this user's alone
 * (0600) and is begun anew (the old one kept as history.jsonl.1) at 4 MiB. Any thread; several programs may append.
 */
#ifndef SLOTDECK_JOB_HISTORY_H
#define SLOTDECK_JOB_HISTORY_H

#include "base/state_file.h"

struct history_record {
	char *id;	 /* of the change: both lines carry it */
	int64_t time_ms; /* when it began, wall clock */
	char *cluster, *action, *object, *namespace;
	char *who;	 /* history_who(); NULL: history_write() fills it in */
	char *command;	 /* that does the same */
	char **requests; /* "PATCH /apis/…", in order */
	size_t nrequests, requests_cap;
	char *state;	 /* "begun", "done", "failed" */
	char *message;	 /* why it failed, or how it went; "" */
	char *evidence;	 /* file kept before; "" */
};
void history_record_release(struct history_record *record);
DEFINE_AUTO_RELEASE(history_record);

/* "anna@laptop pid 4711": who works here, where from; in a workflow its actor. Gives. */
char *history_who(void);
/* Appends. False: nothing was written, err says why. */
bool history_write(const struct history_record *record, struct error *err);

struct history {
	struct history_record *items; /* newest first; the two lines of a change joined */
	size_t len, cap;
	struct state_mark seen; /* the file as it was read */
};
void history_release(struct history *history);
DEFINE_AUTO_RELEASE(history);
/* The newest at most. A missing file is an empty history; lines that are no record are skipped. */
bool history_read(size_t most, struct history *ret, struct error *err);
/* Reads it again if the file has changed. */
bool history_refresh(size_t most, struct history *history, struct error *err);

#endif
