/*
 * cmd_schema: `slotdeck schema`, the JSON schema of services.yaml for editors.
 */
#ifndef SLOTDECK_CLI_CMD_SCHEMA_H
#define SLOTDECK_CLI_CMD_SCHEMA_H

#include <stdio.h>

/* out NULL: stdout. The exit status: 0, or 1 when out cannot be written. */
int cmd_schema(FILE *out);

#endif
