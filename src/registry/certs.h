/*
 * certs: whom to trust as one registry, and who we are to it by certificate, as docker and podman keep it.
 *
 * The first of these folders that is there, HOST with its port as references write it:
 * $XDG_CONFIG_HOME (~/.config)/containers/certs.d/HOST, $XDG_CONFIG_HOME/docker/certs.d/HOST, /etc/containers/certs.d/HOST,
 * /etc/docker/certs.d/HOST. Authorities are *.crt; they alone are trusted then. NAME.cert with NAME.key is what we show. Any thread.
 */
#ifndef SLOTDECK_REGISTRY_CERTS_H
#define SLOTDECK_REGISTRY_CERTS_H

#include "base/error.h"
#include "base/secret.h"
#include "base/str.h"

struct certs {
	struct buf ca_pem, client_pem; /* empty: none */
	struct secret client_key_pem;
};

/* True with empty certs when there is no folder. False: a file in it can't be read. */
bool certs_find(const char *host, struct certs *ret, struct error *err);
void certs_release(struct certs *certs);
DEFINE_AUTO_RELEASE(certs);

#endif
