#include <string.h>

#include "cli/command.h"
#include "sim/sim.h"

static int dashboard(const struct options *options)
{
	(void)options;
	print_help(stderr, NULL);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "sim") == 0)
		return sim_main(argc - 1, argv + 1);
	return command_main(argc, argv, dashboard);
}
