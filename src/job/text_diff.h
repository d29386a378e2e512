/*
 * text_diff: a unified diff of two texts (Myers' O(ND) algorithm, as GNU diff -u shows it). Private to src/job.
 */
#ifndef SLOTDECK_JOB_TEXT_DIFF_H
#define SLOTDECK_JOB_TEXT_DIFF_H

#include "base/str.h"

/* Appends hunks with context lines around; nothing when the texts are equal. Texts that differ in more than 2,000 lines are shown as
 * one hunk that takes the old text out and puts the new one in. */
void text_diff(struct str before, struct str after, unsigned context, struct buf *out);

#endif
