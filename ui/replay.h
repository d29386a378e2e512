/*
 * replay: the dashboard fed from a recording (docs/record.md) instead of a terminal and a cluster.
 *
 * Time is the recording's: the clock moves from record to record, and before it moves on all threads have come to rest, so that every
 * replay shows the same. A person may look on (pause, speed, take over: from then on the recorded keys are ignored and the person's
 * count); what would change anything, or leave the program, is off.
 */
#ifndef SLOTDECK_UI_REPLAY_H
#define SLOTDECK_UI_REPLAY_H

#include "base/http_tape.h"
#include "ui/app.h"

struct replay_options { /* borrowed until replay_destroy() */
	struct recording *recording;
	struct player *player;
	struct clock *clock; /* manual, and what NULL means (clock_drive_system()) */
	double speed;	     /* 1: as it was; 0: as fast as possible */
};
struct replay *replay_create(const struct replay_options *options);
void replay_destroy(struct replay *replay);
DEFINE_AUTO(replay);

/* On the terminal. The exit status, as app_run() gives it. */
int replay_run(const struct app_options *options, struct error *err);
/*
 * Runs through it and appends the screens of the moments that at names: "end" (also NULL), "marks", or times since the beginning
 * ("90s"), joined by commas; a line stands above each if there are several. cols 0: as wide and high as it was.
 */
bool replay_dump(const struct app_options *options, const char *at, int cols, int rows, bool svg, struct buf *out, struct error *err);

/* Next of what the recording says of stacks that were opened; false with what it said, or that it says nothing. */
bool replay_open_target(struct replay *replay, struct error *err);
/* "REPLAY 1:05/2:30", for the head line. */
const char *replay_position(struct replay *replay);
/* The person's own keys count. False for NULL. */
bool replay_is_taken(const struct replay *replay);

#endif
