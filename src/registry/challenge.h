/*
 * challenge: what a server wants as login: WWW-Authenticate (RFC 9110, 11.6.1), and the parameters of Bearer as the
 * distribution spec's token page has them.
 */
#ifndef SLOTDECK_REGISTRY_CHALLENGE_H
#define SLOTDECK_REGISTRY_CHALLENGE_H

#include "base/str.h"

enum challenge_scheme { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

struct challenge { /* owns its texts */
	enum challenge_scheme scheme;
	char *realm, *service, *scope; /* NULL: not given */
};

/* Reads one header, which may hold several challenges. The better one stays: Bearer before Basic; others are ignored. */
void challenge_read(struct challenge *challenge, struct str header);
void challenge_release(struct challenge *challenge);
DEFINE_AUTO_RELEASE(challenge);

#endif
