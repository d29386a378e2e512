/*
 * images: what the jobs mirror and build share: choosing among the images of services.yaml, and telling of them. Private to src/job.
 */
#ifndef SLOTDECK_JOB_IMAGES_H
#define SLOTDECK_JOB_IMAGES_H

#include "job/run.h"

/* Of that type, and among only (NULL at the end; NULL or empty: all are). */
bool image_is_chosen(const struct stack_image *image, enum stack_image_type type, const char *const *only);
/* Tells a finding that is an error. Returns false. */
bool image_find(struct run *run, struct spot at, const struct error *err);
/* False: a name in only is none of that type; word is the type's: "external". */
bool image_check_names(struct run *run, enum stack_image_type type, const char *word, const char *const *only);
struct job_object image_object(const struct run *run, const struct stack_image *image);
/* JOB_OBJECT: failed, with the error and its hint. */
void image_tell_failed(struct run *run, const struct stack_image *image, const struct error *err);
/* "29.3 MiB" */
const char *bytes_text(int64_t bytes, char out[32]);

#endif
