/*
 * pattern: regular expressions that cannot hang the program: telling whether a text matches takes time in proportion to its length, whatever
 * the pattern. Finding where may take the square of it: for texts on a screen.
 *
 * POSIX extended syntax without back-references: . [a-z] [^…] * + ? {n,m} | ( ) ^ $, and \d \w \s and their capitals, \t, \xNN; any other
 * character behind \ stands for itself. Matches Unicode code points; bytes that are not UTF-8 count as U+FFFD. The leftmost match is
 * given, the longest of those. Without capital letters in it a pattern ignores case. One thread at a time: matching learns.
 */
#ifndef SLOTDECK_BASE_PATTERN_H
#define SLOTDECK_BASE_PATTERN_H

#include "base/error.h"
#include "base/str.h"

struct pattern;

/* ERR_INVALID: where it is wrong and why; ERR_LIMIT: it is too large. */
struct pattern *pattern_create(const char *text, struct error *err);
void pattern_destroy(struct pattern *pattern);
DEFINE_AUTO(pattern);
/* Whether it matches anywhere in text. The fast way, for filters. */
bool pattern_matches(struct pattern *pattern, struct str text);
/* The leftmost match that begins at from or later. Matches of nothing are not given. */
bool pattern_find(struct pattern *pattern, struct str text, size_t from, struct str *ret);

#endif
