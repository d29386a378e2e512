/*
 * hook_use: the built-in actions of hooks, as rows of a table. Source: the hooks specification, section 5. Private to src/job.
 */
#ifndef SLOTDECK_JOB_HOOK_USE_H
#define SLOTDECK_JOB_HOOK_USE_H

#include "job/run.h"

/* What one execution of a hook is given. run->cancel also sets itself when the hook's timeout is over. */
struct hook_call {
	struct run *run;
	const struct stack_hook *hook;
};

struct hook_use {
	const char *name;
	bool (*fn)(const struct hook_call *call, struct error *err);
};
/* NULL: there is none of that name. */
const struct hook_use *hook_use_find(const char *name);

/* Parameters as the YAML gives them; a value of another type counts as missing. "" and 0 when missing. */
struct str hook_text(const struct hook_call *call, const char *key);
int64_t hook_number(const struct hook_call *call, const char *key);
/* A merged variable, trimmed; "" when absent. */
struct str hook_variable(const struct hook_call *call, const char *name);

bool hook_reuse_dev_tls_secret(const struct hook_call *call, struct error *err); /* hook_tls.c */
bool hook_github_comment(const struct hook_call *call, struct error *err);	 /* hook_github.c */

#endif
