#include "cli/cmd_schema.h"

#include "base/asset.h"

int cmd_schema(FILE *out)
{
	struct str schema;

	if (!out)
		out = stdout;
	if (!asset_find("services.schema.json", &schema))
		return 1;
	return fwrite(schema.p, 1, schema.len, out) == schema.len && fflush(out) == 0 ? 0 : 1;
}
