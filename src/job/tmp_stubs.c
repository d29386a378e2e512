#include "job/run.h"
bool hooks_run(struct run *run, enum hook_stage stage, const struct selection *selection, struct error *err) { (void)run;(void)stage;(void)selection;(void)err; return true; }
int wait_for_plan(struct run *run, struct deploy_plan *plan, char **v) { (void)run;(void)plan; *v = xstrdup("not waited"); return 0; }
int job_wait(const struct job_context *c, const struct apply_options *o) { (void)c;(void)o; return 0; }
int job_status(const struct job_context *c, const struct apply_options *o) { (void)c;(void)o; return 0; }
