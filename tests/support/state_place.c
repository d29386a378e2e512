#include "state_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/str.h"

int state_place_open(void **state)
{
	char *folder = xstrdup("/tmp/slotdeck-state-XXXXXX");

	assert_non_null(mkdtemp(folder));
	setenv("XDG_STATE_HOME", folder, 1);
	*state = folder;
	return 0;
}

int state_place_close(void **state)
{
	AUTO_FREE char *folder = *state, *command = xasprintf("rm -rf %s", folder);

	return system(command);
}
