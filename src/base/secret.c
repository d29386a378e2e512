#include "base/secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"

struct secret_bytes {
	size_t len;
	char bytes[];
};

void secret_wipe(void *p, size_t len)
{
	if (len)
		explicit_bzero(p, len);
}

void secret_release(struct secret *secret)
{
	struct secret_bytes *held = secret->held;

	secret->held = NULL;
	if (!held)
		return;
	log_redact_remove((struct str){ held->bytes, held->len });
	secret_wipe(held->bytes, held->len);
	free(held);
}

void secret_set(struct secret *secret, struct str bytes)
{
	struct secret_bytes *held = NULL;

	if (bytes.len) {
		held = xmalloc(sizeof *held + bytes.len + 1);
		held->len = bytes.len;
		memcpy(held->bytes, bytes.p, bytes.len);
		held->bytes[bytes.len] = '\0';
		log_redact_add(bytes);
	}
	secret_release(secret);
	secret->held = held;
}

void secret_set_take(struct secret *secret, char *text, size_t len)
{
	secret_set(secret, (struct str){ text, text ? len : 0 });
	if (text)
		secret_wipe(text, len);
	free(text);
}

void secret_copy(struct secret *secret, const struct secret *from)
{
	secret_set(secret, secret_reveal(from));
}

bool secret_empty(const struct secret *secret)
{
	return !secret->held;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	struct str x = secret_reveal(a), y = secret_reveal(b);
	unsigned char differ = x.len != y.len;

	for (size_t i = 0; i < x.len && i < y.len; i++)
		differ |= (unsigned char)(x.p[i] ^ y.p[i]);
	return !differ;
}

struct str secret_reveal(const struct secret *secret)
{
	if (!secret->held)
		return STR("");
	return (struct str){ secret->held->bytes, secret->held->len };
}

void secret_forbid_core_dumps(void)
{
	struct rlimit none = { 0, 0 };

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	(void)prctl(PR_SET_DUMPABLE, 0); /* sanitizers look at the process from a child, which this would forbid */
#endif
	(void)setrlimit(RLIMIT_CORE, &none);
}
