/*
 * record: what enters the dashboard itself, into a recording and back: keys, sizes, draws, job events, settings. What servers say is
 * recorded where it comes in (base/http_tape.h). Nothing happens while nothing is recorded. Main thread. Private to ui.
 */
#ifndef SLOTDECK_UI_RECORD_H
#define SLOTDECK_UI_RECORD_H

#include <jansson.h>

#include "ui/state.h"

/* With app->mouse or app->pasted, whichever the key is about. */
void record_key(struct app *app, uint32_t key);
/* Of the screen, when it is another one. */
void record_size(struct app *app);
/* The screen is drawn: what the next key does depends on it. */
void record_draw(struct app *app);
/*
 * What has arrived is taken in now, all of it: from record_hold() to record_go_on() nothing new comes in, so that what a replay takes in
 * here is the same.
 */
void record_hold(struct app *app);
void record_poll(struct app *app);
void record_go_on(struct app *app);
/* What is done once a second is done. */
void record_tick(struct app *app);
void record_mark(struct app *app);
/* Whether the stack of an environment could be opened; err NULL: it could. */
void record_target(struct app *app, const struct error *err);
void record_job(struct app *app, const struct job_event *event);
void record_settings(struct app *app);

/* Tells what record_poll() told; before app_poll(). */
void recorded_poll(struct app *app, const json_t *json);
/* The key of a record, which fills app->mouse or app->pasted. */
uint32_t recorded_key(struct app *app, const json_t *json);
/* Gives. */
struct job_event *recorded_job(const json_t *json);

#endif
