#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

struct wire_peer {
	struct wire *wire;
	struct wire_peer *next;
	pthread_t thread;
	int fd;
	SSL *ssl;
	unsigned number;
	struct buf input;
};

struct wire {
	struct wire_options options;
	SSL_CTX *tls;
	int fd, stop_fd;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock;
	struct wire_peer *peers;
	struct wire_request **requests;
	size_t n, cap;
	unsigned connections;
};

static X509 *cert_of(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return cert;
}

static SSL_CTX *make_tls(const struct wire_options *options)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	X509 *cert = cert_of(options->cert->cert_pem);
	BIO *bio = BIO_new_mem_buf(options->cert->key_pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	SSL_CTX_use_certificate(tls, cert);
	SSL_CTX_use_PrivateKey(tls, key);
	if (options->client_ca) {
		X509 *ca = cert_of(options->client_ca->cert_pem);

		X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), ca);
		SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		SSL_CTX_set_session_id_context(tls, (const unsigned char *)"wire", 4);
		X509_free(ca);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return tls;
}

bool wire_stopping(struct wire_peer *peer)
{
	struct pollfd fd = { .fd = peer->wire->stop_fd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

static bool wait_readable(struct wire_peer *peer)
{
	struct pollfd fds[] = { { .fd = peer->fd, .events = POLLIN }, { .fd = peer->wire->stop_fd, .events = POLLIN } };

	if (peer->ssl && SSL_pending(peer->ssl) > 0)
		return true;
	while (poll(fds, 2, -1) < 0)
		;
	return !fds[1].revents;
}

static bool read_more(struct wire_peer *peer)
{
	char chunk[16384];

	if (!wait_readable(peer))
		return false;
	ssize_t n = peer->ssl ? SSL_read(peer->ssl, chunk, sizeof chunk) : recv(peer->fd, chunk, sizeof chunk, 0);

	if (n <= 0)
		return false;
	buf_add(&peer->input, chunk, (size_t)n);
	return true;
}

bool wire_write(struct wire_peer *peer, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = peer->ssl ? SSL_write(peer->ssl, p, (int)(len > 65536 ? 65536 : len))
				      : send(peer->fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

bool wire_puts(struct wire_peer *peer, const char *text)
{
	return wire_write(peer, text, strlen(text));
}

bool wire_answer(struct wire_peer *peer, int status, const char *headers, const char *body)
{
	AUTO_FREE char *text =
		xasprintf("HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);

	return wire_puts(peer, text);
}

size_t wire_read(struct wire_peer *peer, void *bytes, size_t max)
{
	if (!peer->input.len && !read_more(peer))
		return 0;
	size_t n = peer->input.len < max ? peer->input.len : max;

	memcpy(bytes, peer->input.p, n);
	buf_consume(&peer->input, n);
	return n;
}

void wire_hang(struct wire_peer *peer)
{
	while (read_more(peer))
		;
}

void wire_reset(struct wire_peer *peer)
{
	struct linger now = { 1, 0 };

	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static char *cut_word(struct str *rest)
{
	struct str word;

	if (!str_cut(rest, ' ', &word)) {
		word = *rest;
		rest->len = 0;
	}
	return str_dup(word);
}

char *wire_header(const struct wire_request *request, const char *name)
{
	struct str rest = str_of(request->head), line, key;

	while (str_cut(&rest, '\n', &line))
		if (str_cut(&line, ':', &key) && str_ieq(key, str_of(name)))
			return str_dup(str_trim(line));
	return NULL;
}

static struct wire_request *read_request(struct wire_peer *peer)
{
	ptrdiff_t end;

	while ((end = str_find(buf_str(&peer->input), STR("\r\n\r\n"))) < 0)
		if (!read_more(peer))
			return NULL;
	struct wire_request *r = xcalloc(1, sizeof *r);
	struct str head = { peer->input.p, (size_t)end + 2 }, line;

	str_cut(&head, '\n', &line);
	r->method = cut_word(&line);
	r->target = cut_word(&line);
	r->head = str_dup(head);
	buf_consume(&peer->input, (size_t)end + 4);
	AUTO_FREE char *length = wire_header(r, "Content-Length");

	r->body_len = length ? (size_t)atol(length) : 0;
	while (peer->input.len < r->body_len)
		if (!read_more(peer)) {
			r->body_len = peer->input.len;
			break;
		}
	r->body = str_dup((struct str){ peer->input.p, r->body_len });
	buf_consume(&peer->input, r->body_len);
	return r;
}

static void keep_request(struct wire_peer *peer, struct wire_request *r)
{
	struct wire *wire = peer->wire;

	pthread_mutex_lock(&wire->lock);
	LIST_PUSH(wire->requests, wire->n, wire->cap) = r;
	r->number = (unsigned)wire->n;
	r->connection = peer->number;
	pthread_mutex_unlock(&wire->lock);
}

/* A refused handshake: our alert must be read before the connection breaks, or the other side only sees a reset. */
static void drain(struct wire_peer *peer)
{
	char chunk[4096];

	shutdown(peer->fd, SHUT_WR);
	while (!wire_stopping(peer) && recv(peer->fd, chunk, sizeof chunk, 0) > 0)
		;
}

static void *serve_peer(void *arg)
{
	struct wire_peer *peer = arg;
	struct wire_request *r;

	if (peer->wire->options.greeting) {
		(void)(wire_puts(peer, peer->wire->options.greeting) && read_more(peer));
	} else if (!peer->ssl || SSL_accept(peer->ssl) == 1) {
		while ((r = read_request(peer))) {
			keep_request(peer, r);
			if (!peer->wire->options.handler(peer, r, peer->wire->options.arg))
				break;
		}
	} else {
		drain(peer);
	}
	if (peer->ssl)
		SSL_free(peer->ssl);
	pthread_mutex_lock(&peer->wire->lock);
	close(peer->fd);
	peer->fd = -1;
	pthread_mutex_unlock(&peer->wire->lock);
	buf_release(&peer->input);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct wire *wire = arg;
	struct pollfd fds[] = { { .fd = wire->fd, .events = POLLIN }, { .fd = wire->stop_fd, .events = POLLIN } };

	for (;;) {
		if (poll(fds, 2, -1) > 0 && fds[1].revents)
			return NULL;
		int fd = accept4(wire->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		struct wire_peer *peer = xcalloc(1, sizeof *peer);

		peer->wire = wire;
		peer->fd = fd;
		/* Else a second small write waits 40 ms for the acknowledgement of the first. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
		if (wire->tls) {
			peer->ssl = SSL_new(wire->tls);
			SSL_set_fd(peer->ssl, fd);
		}
		pthread_mutex_lock(&wire->lock);
		peer->number = ++wire->connections;
		peer->next = wire->peers;
		wire->peers = peer;
		pthread_mutex_unlock(&wire->lock);
		pthread_create(&peer->thread, NULL, serve_peer, peer);
	}
}

struct wire *wire_start(const struct wire_options *options)
{
	struct wire *wire = xcalloc(1, sizeof *wire);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;

	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	wire->options = *options;
	pthread_mutex_init(&wire->lock, NULL);
	wire->stop_fd = eventfd(0, EFD_CLOEXEC);
	wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(wire->fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(wire->fd, 128) < 0)
		abort();
	getsockname(wire->fd, (struct sockaddr *)&address, &len);
	wire->port = ntohs(address.sin_port);
	if (options->cert)
		wire->tls = make_tls(options);
	pthread_create(&wire->thread, NULL, accept_all, wire);
	return wire;
}

void wire_stop(struct wire *wire)
{
	uint64_t one = 1;

	if (write(wire->stop_fd, &one, sizeof one) < 0)
		abort();
	pthread_join(wire->thread, NULL);
	for (struct wire_peer *peer = wire->peers, *next; peer; peer = next) {
		next = peer->next;
		/* A handler may be stuck in a write that nobody reads. */
		pthread_mutex_lock(&wire->lock);
		if (peer->fd >= 0)
			shutdown(peer->fd, SHUT_RDWR);
		pthread_mutex_unlock(&wire->lock);
		pthread_join(peer->thread, NULL);
		free(peer);
	}
	for (size_t i = 0; i < wire->n; i++) {
		free(wire->requests[i]->method);
		free(wire->requests[i]->target);
		free(wire->requests[i]->head);
		free(wire->requests[i]->body);
		free(wire->requests[i]);
	}
	free(wire->requests);
	SSL_CTX_free(wire->tls);
	close(wire->fd);
	close(wire->stop_fd);
	pthread_mutex_destroy(&wire->lock);
	free(wire);
}

unsigned wire_port(const struct wire *wire)
{
	return wire->port;
}

unsigned wire_count(struct wire *wire)
{
	pthread_mutex_lock(&wire->lock);
	unsigned n = (unsigned)wire->n;

	pthread_mutex_unlock(&wire->lock);
	return n;
}

unsigned wire_connections(struct wire *wire)
{
	pthread_mutex_lock(&wire->lock);
	unsigned n = wire->connections;

	pthread_mutex_unlock(&wire->lock);
	return n;
}

const struct wire_request *wire_request(struct wire *wire, unsigned number)
{
	pthread_mutex_lock(&wire->lock);
	const struct wire_request *r = number >= 1 && number <= wire->n ? wire->requests[number - 1] : NULL;

	pthread_mutex_unlock(&wire->lock);
	return r;
}
