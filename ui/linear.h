/*
 * linear: the dashboard as lines, one event each, with a prompt: for screen readers, for logs, for `script`, and for TERM=dumb.
 * No cursor motion, no colours, no boxes; the same model.
 */
#ifndef SLOTDECK_UI_LINEAR_H
#define SLOTDECK_UI_LINEAR_H

#include "ui/app.h"

/* Runs until q, a signal, or the cancel flag. Commands are read once the first lists are there; the end of input only ends them. */
int linear_run(const struct app_options *options, struct error *err);

#endif
