/*
 * secret: bytes that must not be seen.
 *
 * A struct secret fits no printf conversion; its bytes come out only by secret_reveal(), so that a search for that
 * word finds every place. While it lives, its bytes are masked in all logs (log_redact_add); when released they are
 * wiped. Zeroed memory is the empty secret. One secret belongs to one thread at a time.
 */
#ifndef SLOTDECK_BASE_SECRET_H
#define SLOTDECK_BASE_SECRET_H

#include "base/str.h"

struct secret {
	struct secret_bytes *held;
};

/* Keeps a copy of bytes, releasing what it held. */
void secret_set(struct secret *secret, struct str bytes);
/* Copies, then wipes and frees text (NULL is fine). */
void secret_set_take(struct secret *secret, char *text, size_t len);
void secret_copy(struct secret *secret, const struct secret *from);
void secret_release(struct secret *secret);
DEFINE_AUTO_RELEASE(secret);
bool secret_empty(const struct secret *secret);
/* In time that does not depend on where they differ. */
bool secret_equal(const struct secret *a, const struct secret *b);
/* Borrowed, and NUL-terminated behind the view. Never log it, never put it in an error, argv or a file. */
struct str secret_reveal(const struct secret *secret);
/* Overwrites memory, also when the compiler thinks nobody looks. */
void secret_wipe(void *p, size_t len);

/* Forbids core dumps and ptrace by others; called by whoever loads credentials first. Once is enough. */
void secret_forbid_core_dumps(void);

#endif
