/*
 * print_text: plain lines for people. Private to the printers.
 */
#ifndef SLOTDECK_CLI_PRINT_TEXT_H
#define SLOTDECK_CLI_PRINT_TEXT_H

#include "cli/print.h"

struct text_printer {
	FILE *out, *err;
	bool colour_out, colour_err;
	bool progress;	    /* stderr is a terminal: a line that is overwritten */
	bool progress_shown;
	bool all_objects;   /* status, wait: also what is healthy */
};

void text_printer_event(struct text_printer *printer, const struct job_event *event);

#endif
