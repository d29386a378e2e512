/*
 * credential: the Authorization header of a login, kept fresh.
 *
 * Gives http its authorise hook: inline tokens, basic, token files (re-read each 50 s and after a 401; a failed re-read
 * keeps the former token), exec plugins (one run at a time, 60 s, no shell, stderr kept, at most 64 KiB and sanitised),
 * client certificate files (re-read each 5 min, then the identity of http is changed). Source: client-go
 * transport and plugin/pkg/client/auth/exec. Locked inside; the hook runs on the net thread and on its helper thread.
 */
#ifndef SLOTDECK_KUBE_CREDENTIAL_H
#define SLOTDECK_KUBE_CREDENTIAL_H

#include "base/http.h"
#include "kube/kubeconfig.h"

struct credential;

struct credential_options {
	struct clock *clock;
	bool deny_exec;	    /* --deny-exec: a login that needs a plugin is refused with its command named */
	bool stdin_is_ours; /* the terminal is free: a plugin may ask a person (interactiveMode) */
	/* Lines that a plugin wrote to stderr, sanitised; helper thread. May be NULL. */
	void (*on_stderr)(const char *line, void *arg);
	void *arg;
};

/* Takes login (struct kube stays allowed to read it until credential_release()). */
struct credential *credential_create(struct kube_login *login_take, const struct credential_options *options);
/* Client certificate and key that http should begin with; both empty when there are none. Borrowed. */
bool credential_identity(struct credential *credential, struct str *ret_cert_pem, struct str *ret_key_pem,
			 struct error *err);
/* Set once, after http_create(): where new client certificates go. */
void credential_attach(struct credential *credential, struct http *http);
/* Before http_destroy(). */
void credential_detach(struct credential *credential);
/* http_options.authorise; arg is the credential. */
http_authorise_fn credential_authorise;
/* http_options.authorise_release; also frees a credential that never came to an http. */
void credential_release(void *credential);

#endif
