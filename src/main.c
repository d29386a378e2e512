#include <stdio.h>

int main(void)
{
	printf("slotdeck %s\n", SLOTDECK_VERSION);
	return 0;
}
