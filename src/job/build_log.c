#include <stdlib.h>
#include <string.h>

#include "job/build_private.h"

/* "INFO[0012] RUN npm ci" gives "RUN npm ci". */
static struct str message_of(struct str line)
{
	ptrdiff_t end = str_find(line, STR("] "));

	if (!str_starts(line, STR("INFO[")) || end < 0)
		return (struct str){ 0 };
	return str_trim(((struct str){ line.p + end + 2, line.len - (size_t)end - 2 }));
}

/* "Building stage 'node:20' [idx: '1', base-idx: '-1']" */
static bool read_stage(struct build_stage *stage, struct str message)
{
	ptrdiff_t at = str_find(message, STR("[idx: '"));
	int64_t n = 0;

	if (!str_starts(message, STR("Building stage ")) || at < 0)
		return false;
	struct str rest = { message.p + at + 7, message.len - (size_t)at - 7 }, number;

	if (!str_cut(&rest, '\'', &number) || !str_number(number, &n))
		return false;
	stage->stage = (size_t)n + 1;
	free(GIVE(stage->doing));
	return true;
}

static void set_doing(struct build_stage *stage, struct str text)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(0);

	buf_add_plain(&plain, text.len > 200 ? (struct str){ text.p, 200 } : text);
	free(stage->doing);
	stage->doing = buf_give(&plain);
}

bool build_stage_line(struct build_stage *stage, struct str line)
{
	static const char *const instructions[] = { "RUN ", "COPY ", "ADD ", "WORKDIR " };
	struct str message = message_of(line);

	if (read_stage(stage, message))
		return true;
	if (str_starts(message, STR("Pushing image to "))) {
		stage->pushes = true;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(instructions); i++) {
		if (!str_starts(message, str_of(instructions[i])))
			continue;
		if (i == 0) /* what is run says it by itself */
			message = str_trim(((struct str){ message.p + 4, message.len - 4 }));
		set_doing(stage, message);
		return true;
	}
	return false;
}

char *build_stage_text(const struct build_stage *stage, size_t stages)
{
	if (stage->pushes)
		return xstrdup("pushing");
	if (!stage->stage)
		return xstrdup("the builder begins");
	return xasprintf("stage %zu of %zu%s%s", stage->stage, stages > stage->stage ? stages : stage->stage, stage->doing ? ": " : "",
			 stage->doing ? stage->doing : "");
}
