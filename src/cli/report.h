/*
 * report: what is written when a headless job has ended: JUnit, GitHub annotations, step summary and outputs.
 *
 * Collects copies of the events that matter. Sources: the JUnit schema as Jenkins and GitLab read it; GitHub's "Workflow
 * commands" page. Private to the printers.
 */
#ifndef SLOTDECK_CLI_REPORT_H
#define SLOTDECK_CLI_REPORT_H

#include "cli/print.h"

struct report;
struct report *report_create(const struct print_options *options);
void report_destroy(struct report *report);
DEFINE_AUTO(report);
void report_event(struct report *report, const struct job_event *event);
bool report_write(struct report *report, struct error *err);

#endif
