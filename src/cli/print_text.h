/*
 * print_text: plain lines for people. Private to the printers.
 */
#ifndef SLOTDECK_CLI_PRINT_TEXT_H
#define SLOTDECK_CLI_PRINT_TEXT_H

#include "base/map.h"
#include "cli/print.h"

struct text_printer {
	FILE *out, *err;
	bool colour_out, colour_err;
	bool progress;	    /* stderr is a terminal: a line that is overwritten */
	bool progress_shown;
	bool all_objects;   /* status: also what is healthy */
	const struct progress *learned; /* for the line; NULL: nothing */
	struct map troubled; /* awaited objects of which something bad was said: their recovery is worth a line */
};

void text_printer_release(struct text_printer *printer);
void text_printer_event(struct text_printer *printer, const struct job_event *event);

#endif
