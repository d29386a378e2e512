/*
 * faults: the script that says which requests go wrong, and how (the form is told in sim.h). Has its own lock.
 */
#ifndef SLOTDECK_SIM_FAULTS_H
#define SLOTDECK_SIM_FAULTS_H

#include "sim/jx.h"
#include "base/error.h"

enum fault_action {
	FAULT_NONE, FAULT_DELAY, FAULT_DRIP, FAULT_CUT, FAULT_RESET, FAULT_CLOSE, FAULT_GARBAGE, FAULT_STATUS, FAULT_HANG,
	FAULT_HEADER, FAULT_PAUSE, FAULT_DIE, FAULT_FLOOD,
};

struct fault {
	enum fault_action action;
	bool after;   /* the request is executed first */
	json_t *rule; /* a copy, for the details; free it with fault_release() */
};

struct faults;
struct faults *faults_create(void);
void faults_destroy(struct faults *faults);
bool faults_load(struct faults *faults, const json_t *rules, struct error *err);
json_t *faults_list(struct faults *faults); /* given */
/* Counts this request for every rule and gives the first that strikes. */
struct fault faults_match(struct faults *faults, unsigned long number, const char *method, const char *uri,
			  const char *user_agent);
void fault_release(struct fault *fault);
const char *fault_name(enum fault_action action);

#endif
