/*
 * log_server: a server for tests that has pods with numbered log lines, and nothing else of Kubernetes.
 *
 * Pod pod-N has the container "main" and the lines "line 1" to "line TOTAL" behind text of the test's choice, 10,000 lines a second of log time
 * from 2026-01-01T00:00:00Z (each pod 10 µs after the one before). It answers GET of a pod and of its log (sinceTime, tailLines, timestamps);
 * a followed log stays open behind its last line. Which connections break, and where, the test says.
 */
#ifndef SLOTDECK_TEST_LOG_SERVER_H
#define SLOTDECK_TEST_LOG_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct log_server;

struct log_server_options {
	unsigned pods;
	uint64_t lines;	  /* of each pod */
	const char *text; /* behind the number; NULL: some 60 bytes */
};

struct log_server *log_server_start(const struct log_server_options *options);
void log_server_stop(struct log_server *server);
unsigned log_server_port(const struct log_server *server);
/* The connection that passes that line of that pod breaks in the middle of it, once. */
void log_server_break(struct log_server *server, unsigned pod, uint64_t line);
/* From now on the log begins at that line: what was before is rotated away. */
void log_server_rotate(struct log_server *server, unsigned pod, uint64_t line);
/* Ends the run and, with restarts more than before, begins another of as many lines, numbered on; the former run is "previous". */
void log_server_restart(struct log_server *server, unsigned pod);
void log_server_delete(struct log_server *server, unsigned pod);
/* Lines written so far, by all connections. */
uint64_t log_server_written(struct log_server *server);
/* Requests for logs so far. */
unsigned log_server_requests(struct log_server *server);

#endif
