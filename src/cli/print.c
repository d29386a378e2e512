#include "cli/print.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/print_text.h"
#include "cli/report.h"

struct printers {
	struct print_options options;
	struct text_printer text;
	struct report *report;
};

static bool wants_colour(FILE *file)
{
	const char *no_colour = getenv("NO_COLOR");

	return isatty(fileno(file)) && !(no_colour && *no_colour);
}

struct printers *printers_create(const struct print_options *options)
{
	struct printers *printers = xcalloc(1, sizeof *printers);

	printers->options = *options;
	if (!printers->options.out)
		printers->options.out = stdout;
	if (!printers->options.err)
		printers->options.err = stderr;
	printers->text = (struct text_printer){ .out = printers->options.out,
						.err = printers->options.err,
						.colour_out = wants_colour(printers->options.out),
						.colour_err = wants_colour(printers->options.err),
						.progress = isatty(fileno(printers->options.err)),
						.all_objects = options->explain_objects,
						.learned = options->progress };
	printers->report = report_create(&printers->options);
	return printers;
}

void printers_sink(const struct job_event *event, void *arg)
{
	struct printers *printers = arg;

	if (printers->options.progress)
		progress_event(printers->options.progress, event, clock_now_ms(NULL));
	report_event(printers->report, event);
	if (!printers->options.json_lines) {
		text_printer_event(&printers->text, event);
		return;
	}
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	event_to_json(event, &line);
	log_redact(&line);
	fprintf(printers->options.out, "%s\n", buf_cstr(&line));
	fflush(printers->options.out);
}

bool printers_finish(struct printers *printers, struct error *err)
{
	bool good = report_write(printers->report, err);

	report_destroy(printers->report);
	text_printer_release(&printers->text);
	free(printers);
	return good;
}
