#include "mirror_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/print.h"

static void on_event(const struct job_event *event, void *arg)
{
	struct mirror_bed *bed = arg;

	event_to_json(event, &bed->story);
	buf_addc(&bed->story, '\n');
	if (event->kind != JOB_RETRY)
		return;
	bed->retries++;
	if (bed->on_retry)
		bed->on_retry(bed->arg);
}

void mirror_bed_create(struct mirror_bed *bed)
{
	*bed = (struct mirror_bed){ .folder = "/tmp/mirror-test-XXXXXX", .cancel = cancel_create() };
	assert_non_null(mkdtemp(bed->folder));
	bed->logins = xasprintf("%s/config.json", bed->folder);
	assert_true(file_write_atomic(bed->logins, STR("{}"), 0600, &bed->err));
	bed->net = net_create(NULL, &bed->err);
	assert_non_null(bed->net);
}

void mirror_bed_release(struct mirror_bed *bed)
{
	stack_destroy(bed->stack);
	net_destroy(bed->net);
	cancel_destroy(bed->cancel);
	buf_release(&bed->story);
	error_release(&bed->err);
	unlink(bed->logins);
	rmdir(bed->folder);
	free(bed->logins);
}

void mirror_bed_load(struct mirror_bed *bed, const char *images)
{
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO_RELEASE(buf) words = BUF_INIT(0);
	AUTO_FREE char *text = xasprintf("project: shop\nnamespace: {patterns: {dev: shop-dev}}\nenvironments: {dev: {}}\nimages:\n%s", images);
	struct stack_options options = { .config = "/nowhere/services.yaml", .text = str_of(text), .env = "dev" };

	stack_destroy(GIVE(bed->stack));
	if (stack_load(&options, &bed->stack, &diags, &bed->err))
		return;
	for (size_t i = 0; i < diags.len; i++)
		diag_format(&diags.items[i], &words);
	fail_msg("%s %s", bed->err.message, buf_cstr(&words));
}

void mirror_bed_load_nine(struct mirror_bed *bed, const char *source, const char *destination)
{
	AUTO_RELEASE(buf) images = BUF_INIT(0);

	for (char name = 'a'; name < 'a' + MIRROR_BED_IMAGES; name++)
		buf_addf(&images, "  %c: {type: external, from: '%s/%c:1', local: '%s/%c:1'}\n", name, source, name, destination, name);
	mirror_bed_load(bed, buf_cstr(&images));
}

int mirror_bed_run(struct mirror_bed *bed, const struct mirror_options *options, bool dry_run)
{
	struct job_context context = { .net = bed->net, .stack = bed->stack, .cancel = bed->cancel, .sink = on_event, .sink_arg = bed };
	struct mirror_options mirror = *options;
	struct apply_options all = { .mirror = &mirror, .dry_run = dry_run };

	if (!mirror.login_file)
		mirror.login_file = bed->logins;
	mirror.retry_pause_ms = 1;
	buf_reset(&bed->story);
	bed->retries = 0;
	return job_mirror(&context, &all);
}

void mirror_bed_renew_cancel(struct mirror_bed *bed)
{
	cancel_destroy(bed->cancel);
	bed->cancel = cancel_create();
}

char *mirror_bed_results(const struct mirror_bed *bed)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct str rest = buf_str(&bed->story), line;

	while (str_cut(&rest, '\n', &line)) {
		ptrdiff_t at = str_find(line, STR("\"name\":\""));

		if (!str_starts(line, STR("{\"event\":\"object\"")))
			continue;
		buf_addc(&out, line.p[at + 8]);
		buf_addc(&out, str_find(line, STR("\"created\"")) >= 0 ? '+' : str_find(line, STR("\"unchanged\"")) >= 0 ? '=' : '!');
	}
	return buf_give(&out);
}
