/* state_place: a folder of its own for what the program keeps between runs, as cmocka setup and teardown of one test. */
#ifndef SLOTDECK_TESTS_STATE_PLACE_H
#define SLOTDECK_TESTS_STATE_PLACE_H

/* Makes the folder, names it in XDG_STATE_HOME and leaves its path (char *) in *state. */
int state_place_open(void **state);
/* Removes it with all that is in it. */
int state_place_close(void **state);

#endif
