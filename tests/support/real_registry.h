/*
 * real_registry: Debian's docker-registry as a child, on a free port of this machine, its storage in a folder of its own.
 *
 * Functions that wait fail the test after REAL_REGISTRY_LIMIT_MS. The child does not outlive the thread that started it.
 */
#ifndef SLOTDECK_TESTS_REAL_REGISTRY_H
#define SLOTDECK_TESTS_REAL_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#define REAL_REGISTRY_LIMIT_MS 30000

struct test_cert;
struct real_registry;

struct real_registry_options {
	const char *htpasswd;	       /* lines of "user:bcrypt hash"; NULL: nobody needs to log in */
	const struct test_cert *cert;  /* speaks TLS with it; NULL: plain http */
	bool forgets_uploads;	       /* a new secret with each start, so that it no longer knows its own upload URLs */
};

/* Whether there is such a program on this machine (`make unit` unpacks it); says so if not. */
bool real_registry_is_there(void);
struct real_registry *real_registry_start(const struct real_registry_options *options);
/* Kills it and removes all that it stored. NULL is fine. */
void real_registry_stop(struct real_registry *registry);
void real_registry_kill(struct real_registry *registry); /* -9 */
void real_registry_start_again(struct real_registry *registry); /* the same port, the same storage */
bool real_registry_runs(const struct real_registry *registry);

const char *real_registry_host(const struct real_registry *registry); /* "127.0.0.1:PORT" */
/* How many requests were answered whose lines ("PUT /v2/a/manifests/1 201") hold both texts; NULL: any. */
unsigned real_registry_count(const struct real_registry *registry, const char *text, const char *and_text);
/* Gives those lines, all that hold text. */
char *real_registry_log(const struct real_registry *registry, const char *text);

/* ---- what is on its disk ---- */

/* Digest behind a tag, given; NULL. */
char *real_registry_tag(const struct real_registry *registry, const char *repository, const char *tag);
/* Gives what is wrong below a folder of repositories: tags that lead to something that is not whole; "" when nothing is. */
char *real_registry_broken(const struct real_registry *registry, const char *folder);
/* Waits until that is nothing, because answers that nobody waits for may still be under way. */
void real_registry_await_whole(const struct real_registry *registry, const char *folder);
bool real_registry_holds_blob(const struct real_registry *registry, const char *repository, const char *digest);
/* Waits until so many uploads are open. */
void real_registry_await_uploads(const struct real_registry *registry, const char *repository, size_t n);

#endif
