/*
 * watch_server: a server for tests that has one collection, whatever its name below /api/v1/, and whose lists, audits and watches do what the test says.
 *
 * An object's uid is its name. Lists and audits show what watch_server_put() made, in pages as asked for, of which the later ones show
 * what was there at the first; watches send nothing by themselves: the test writes each byte of them. Every function may be called from any thread.
 */
#ifndef SLOTDECK_TEST_WATCH_SERVER_H
#define SLOTDECK_TEST_WATCH_SERVER_H

#include <stdbool.h>

/* ASK_STREAM is a watch that asks for the initial state (WatchList). */
enum watch_ask { ASK_LIST, ASK_AUDIT, ASK_WATCH, ASK_STREAM, ASK_N };

struct watch_answer {	      /* zero is as a good server does it */
	int status;	      /* of 400 and more: refused */
	unsigned retry_after_s; /* with the refusal; 0: not said */
	bool hangs;	      /* no answer at all */
	const char *greeting; /* what a watch sends as soon as it is open; borrowed until the server stops */
	bool ends;	      /* the watch ends behind its greeting, cleanly */
};

struct watch_server;
struct watch_server *watch_server_start(void);
void watch_server_stop(struct watch_server *server);
unsigned watch_server_port(const struct watch_server *server);

/* What the collection has from now on; the collection's version becomes this one. No watch is told. */
void watch_server_put(struct watch_server *server, const char *name, unsigned version);
void watch_server_drop(struct watch_server *server, const char *name, unsigned version);
void watch_server_answer(struct watch_server *server, enum watch_ask ask, struct watch_answer answer);
/* Writes to the open watch. */
void watch_server_send(struct watch_server *server, const char *text);
/* "ADDED", "MODIFIED", "DELETED" or "BOOKMARK" (name NULL); with whole: the bookmark that ends the initial state. */
void watch_server_event(struct watch_server *server, const char *type, const char *name, unsigned version);
void watch_server_whole(struct watch_server *server, unsigned version);
/* Ends the open watch, cleanly. */
void watch_server_end_watch(struct watch_server *server);
/* How many were asked so far; the query of the last one, given. */
unsigned watch_server_asked(struct watch_server *server, enum watch_ask ask);
char *watch_server_last(struct watch_server *server, enum watch_ask ask);
bool watch_server_is_watched(struct watch_server *server);
/* How often something was written to a watch, its end included. */
unsigned watch_server_writes(struct watch_server *server);

#endif
