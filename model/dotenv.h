/*
 * dotenv: the envFiles format, as github.com/joho/godotenv v1.5.1 reads it (spec templates 10) without its two faults.
 *
 * A name expands only to what the same text set before. Errors are "FILE:LINE:COLUMN: cause" and quote no values.
 */
#ifndef SLOTDECK_MODEL_DOTENV_H
#define SLOTDECK_MODEL_DOTENV_H

#include "base/str.h"

struct vars;
struct error;

/* Adds to own, which should be empty. */
bool dotenv_parse(struct str text, const char *file, struct vars *own, struct error *err);

#endif
