#include "registry/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/mem.h"

struct digest {
	EVP_MD_CTX *context;
	const char *name;
};

struct digest *digest_create(const char *like)
{
	struct digest *digest = xcalloc(1, sizeof *digest);
	bool long_one = starts_with(like, "sha512:");

	digest->context = EVP_MD_CTX_new();
	digest->name = long_one ? "sha512" : "sha256";
	if (!digest->context || EVP_DigestInit_ex(digest->context, long_one ? EVP_sha512() : EVP_sha256(), NULL) != 1)
		mem_panic(1, "there is no SHA-2 to be had from libcrypto");
	return digest;
}

void digest_destroy(struct digest *digest)
{
	if (!digest)
		return;
	EVP_MD_CTX_free(digest->context);
	free(digest);
}

void digest_add(struct digest *digest, struct str bytes)
{
	EVP_DigestUpdate(digest->context, bytes.p, bytes.len);
}

char *digest_finish(struct digest *digest)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	EVP_DigestFinal_ex(digest->context, sum, &len);
	buf_addf(&out, "%s:", digest->name);
	for (unsigned i = 0; i < len; i++)
		buf_addf(&out, "%02x", sum[i]);
	return buf_give(&out);
}

char *digest_of(const char *like, struct str bytes)
{
	AUTO(digest) digest = digest_create(like);

	digest_add(digest, bytes);
	return digest_finish(digest);
}
