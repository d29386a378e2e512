/*
 * wire: a server for tests that can misbehave, because each answer is written byte by byte by the test.
 *
 * Listens on 127.0.0.1, plain or TLS, one thread per connection. The handler runs for every request read and writes
 * what it likes; false closes the connection. All requests are kept, in order of arrival.
 */
#ifndef SLOTDECK_TEST_WIRE_H
#define SLOTDECK_TEST_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "certs.h"

struct wire;
struct wire_peer; /* one connection */

struct wire_request {
	unsigned number;     /* of all requests of this server, from 1 */
	unsigned connection; /* from 1 */
	char *method, *target;
	char *head; /* header lines as they came */
	char *body;
	size_t body_len;
};
typedef bool wire_fn(struct wire_peer *peer, const struct wire_request *request, void *arg);

struct wire_options {
	wire_fn *handler;
	void *arg;
	const struct test_cert *cert;	   /* NULL: plain */
	const char *greeting;		   /* written at once, before anything is read, instead of all else; NULL */
	const struct test_cert *client_ca; /* wants client certificates of that authority; NULL: none */
};

struct wire *wire_start(const struct wire_options *options);
/* Closes all connections and ends the threads. */
void wire_stop(struct wire *wire);
unsigned wire_port(const struct wire *wire);
unsigned wire_count(struct wire *wire);
unsigned wire_connections(struct wire *wire);
/* The nth request (from 1), copied values valid until wire_stop(). */
const struct wire_request *wire_request(struct wire *wire, unsigned number);
/* Value of a header in a static-free copy; NULL if absent. free() it. */
char *wire_header(const struct wire_request *request, const char *name);

/* False: the other side is gone. */
bool wire_write(struct wire_peer *peer, const void *bytes, size_t len);
bool wire_puts(struct wire_peer *peer, const char *text);
/* "HTTP/1.1 STATUS X", extra header lines (each with \r\n, or ""), Content-Length, body. */
bool wire_answer(struct wire_peer *peer, int status, const char *headers, const char *body);
/* Reads what comes next, for protocols that follow an upgrade; 0: the other side is gone, or wire_stop() is called. */
size_t wire_read(struct wire_peer *peer, void *bytes, size_t max);
/* Sleeps until the other side closes or wire_stop() is called. */
void wire_hang(struct wire_peer *peer);
/* The next close sends RST. */
void wire_reset(struct wire_peer *peer);
bool wire_stopping(struct wire_peer *peer);

#endif
