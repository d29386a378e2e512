/*
 * server: sockets, the request log, fault play and /_sim/. Private to src/sim.
 */
#ifndef SLOTDECK_SIM_SERVER_H
#define SLOTDECK_SIM_SERVER_H

#include "sim/world.h"

struct faults;
bool server_start(struct sim *sim, const struct sim_options *options, struct error *err);
void server_stop(struct sim *sim);
struct faults *server_faults(struct server *server);
char *server_log(struct server *server);
/* Down: new connections are refused, open ones reset; what is stored stays. */
bool server_set_up(struct server *server, bool up, struct error *err);
bool server_freeze(struct server *server, const char *pattern, bool later, struct error *err);
void server_thaw(struct server *server);
/* Makes all resource versions so far too old. */
void server_compact(struct server *server);
void server_reset_watches(struct server *server);
unsigned long server_count(struct server *server);

#endif
