/*
 * cluster: what commands that talk to a cluster set up first: signals, network, login, stack.
 */
#ifndef SLOTDECK_CLI_CLUSTER_H
#define SLOTDECK_CLI_CLUSTER_H

#include "cli/option.h"
#include "kube/client.h"
#include "model/render.h"
#include "model/stack.h"

/* SIGINT and SIGTERM request it; the second one ends the program at once. One per program. */
struct cancel *signals_watch(void);
struct stack_options stack_options_from(const struct options *options);
struct render_filters filters_from(const struct options *options);
struct kube_options kube_options_from(const struct options *options);
/* kube_open() for a headless command: whatever is wrong is the configuration, so ERR_INVALID; pauses between tries and
 * what a credential plugin says are logged. */
bool cluster_open(struct net *net, const struct options *options, struct kube **ret, struct error *err);

#endif
