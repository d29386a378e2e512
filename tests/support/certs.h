/*
 * certs: a TLS kit for tests: authorities and certificates made on the spot (P-256), so that none can expire in the
 * tree.
 */
#ifndef SLOTDECK_TEST_CERTS_H
#define SLOTDECK_TEST_CERTS_H

#include <stddef.h>
#include <stdbool.h>

struct test_cert {
	char *cert_pem, *key_pem;
};

struct test_cert_options {
	const char *name;     /* common name */
	const char *dns;      /* subject alternative names, "DNS:a,IP:127.0.0.1"; NULL for none */
	long from_s, until_s; /* from now; both 0: an hour before to an hour after */
	bool is_ca;
	const struct test_cert *issuer; /* NULL: signs itself */
};

struct test_cert test_cert_make(const struct test_cert_options *options);
void test_cert_release(struct test_cert *cert);

#endif
