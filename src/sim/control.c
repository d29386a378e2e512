#include "sim/world.h"

void control_notice(struct sim *sim, struct object *object) { (void)sim; (void)object; }
void control_removed(struct sim *sim, struct object *object, const json_t *tree) { (void)sim; (void)object; (void)tree; }
void control_forget(struct sim *sim, struct object *object) { (void)sim; (void)object; }
bool control_start(struct sim *sim, struct error *err) { (void)sim; (void)err; return true; }
void control_stop(struct sim *sim) { (void)sim; }
