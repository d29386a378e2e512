/*
 * print: what a headless job says, in the forms that people and programs read.
 *
 * Printers take the job's events in order, on its thread. text: results on stdout (objects, diffs, verdict), everything
 * else on stderr. jsonl: each event as one JSON object on stdout (docs/events.md). JUnit, GitHub annotations and step summary
 * come beside either. Text from outside is stripped of control characters; colours only on a terminal without NO_COLOR.
 */
#ifndef SLOTDECK_CLI_PRINT_H
#define SLOTDECK_CLI_PRINT_H

#include <stdio.h>

#include "job/progress.h"

struct printers;

struct print_options {
	const char *command;  /* "apply" */
	bool json_lines;
	const char *junit;    /* file; NULL: none */
	bool explain_objects; /* status, wait: all objects, not only those in trouble */
	const char *env, *namespace; /* for GITHUB_OUTPUT */
	long long slot;
	FILE *out, *err;      /* NULL: stdout, stderr */
	struct progress *progress; /* begun, borrowed; is told each event. NULL: nothing is learned */
};
struct printers *printers_create(const struct print_options *options);
void printers_sink(const struct job_event *event, void *printers); /* a job_sink_fn */
/* Writes the reports. False with err when one could not be written. Frees. */
bool printers_finish(struct printers *printers, struct error *err);

/* One event as one JSON object, without line end. */
void event_to_json(const struct job_event *event, struct buf *out);
/* Appends text without control characters (tab kept; newlines kept when lines is true), invalid UTF-8 as U+FFFD. */
void add_clean(struct buf *out, const char *text, bool lines);

#endif
