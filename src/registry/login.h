/*
 * login: who we are to a registry, from the files that docker and podman write.
 *
 * Looked through in this order: $DOCKER_CONFIG/config.json or ~/.docker/config.json, $REGISTRY_AUTH_FILE,
 * $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json. In each: credHelpers of the host, credsStore,
 * then auths by the longest key that is a prefix of host/repository. A credential helper is the one child process that
 * mirroring knows: `docker-credential-NAME get`, without a shell, 30 s and 64 KiB at most; what fails is told by on_note
 * and nobody is logged in by it. Blocks; any thread.
 */
#ifndef SLOTDECK_REGISTRY_LOGIN_H
#define SLOTDECK_REGISTRY_LOGIN_H

#include "base/cancel.h"
#include "base/secret.h"

struct login_options {
	const char *file; /* only this one; NULL: as above */
	bool deny_exec;	  /* run no credential helper */
	void (*on_note)(const char *text, void *arg); /* on the calling thread; may be NULL */
	void *arg;
};

struct login { /* all empty: anonymous */
	char *user;
	struct secret password;
	struct secret identity_token; /* to be exchanged for an access token */
	struct secret registry_token; /* an access token itself */
};

/* False only when cancelled, or a file that is there can't be read as JSON. */
bool login_find(const struct login_options *options, const char *registry, const char *repository, const struct cancel *cancel, struct login *ret,
		struct error *err);
bool login_is_anonymous(const struct login *login);
/* "Basic …" into ret; false when there is no user. */
bool login_basic(const struct login *login, struct secret *ret);
void login_release(struct login *login);
DEFINE_AUTO_RELEASE(login);

#endif
