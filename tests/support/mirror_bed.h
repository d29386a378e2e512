/* mirror_bed: the job mirror for a services.yaml, and what it told. */
#ifndef SLOTDECK_TESTS_MIRROR_BED_H
#define SLOTDECK_TESTS_MIRROR_BED_H

#include "base/cancel.h"
#include "base/net.h"
#include "job/job.h"
#include "model/stack.h"

struct mirror_bed {
	struct net *net;
	struct stack *stack;
	struct cancel *cancel;
	struct buf story; /* the events of the last run, as JSON lines */
	unsigned retries; /* of the last run */
	void (*on_retry)(void *arg); /* on the calling thread; NULL */
	void *arg;
	char folder[32], *logins; /* docker's config.json, which names nobody */
	struct error err;
};

void mirror_bed_create(struct mirror_bed *bed);
void mirror_bed_release(struct mirror_bed *bed);
/* Of a services.yaml its images; takes the place of one that was loaded before. */
void mirror_bed_load(struct mirror_bed *bed, const char *images);
/* "a" to "i", from SOURCE/a:1 to DESTINATION/a:1. */
enum { MIRROR_BED_IMAGES = 9 };
void mirror_bed_load_nine(struct mirror_bed *bed, const char *source, const char *destination);
int mirror_bed_run(struct mirror_bed *bed, const struct mirror_options *options, bool dry_run);
/* As if nobody had cancelled. */
void mirror_bed_renew_cancel(struct mirror_bed *bed);
/* Gives the images in the order of their results: "a+b=c!" for copied, there, failed. */
char *mirror_bed_results(const struct mirror_bed *bed);

#endif
