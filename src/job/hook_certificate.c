#include "job/hook_certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

/* Without it libcrypto asks the terminal for the password of an encrypted key. */
static int no_password(char *out, int size, int writing, void *arg)
{
	(void)out, (void)size, (void)writing, (void)arg;
	return -1;
}

static X509 *read_certificate(struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return certificate;
}

static EVP_PKEY *read_key(struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return key;
}

static bool seconds_of(const ASN1_TIME *time, int64_t *ret)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return false;
	*ret = timegm(&tm);
	return true;
}

static bool is_in_time(const X509 *certificate, int64_t now_s, int64_t *ret_not_before_s, struct buf *why)
{
	int64_t from_s, until_s;

	if (!seconds_of(X509_get0_notBefore(certificate), &from_s) || !seconds_of(X509_get0_notAfter(certificate), &until_s))
		buf_adds(why, "the times of its certificate can't be read");
	else if (from_s > now_s)
		buf_adds(why, "its certificate is not valid yet");
	else if (until_s <= now_s + CERTIFICATE_VALID_FOR_S)
		buf_adds(why, "its certificate is expired, or will be within a day");
	else
		*ret_not_before_s = from_s;
	return !why->len;
}

static bool covers(X509 *certificate, const struct map *hosts, struct buf *why)
{
	for (size_t i = 0; i < hosts->len; i++)
		if (X509_check_host(certificate, hosts->entries[i].key, hosts->entries[i].key_len, 0, NULL) != 1)
			buf_addf(why, "%s%s", why->len ? ", " : "its certificate does not cover ", hosts->entries[i].key);
	return !why->len;
}

static bool has_key(const X509 *certificate, struct str key_pem, struct buf *why)
{
	EVP_PKEY *key = read_key(key_pem);

	if (!key)
		buf_adds(why, "its tls.key is no private key");
	else if (X509_check_private_key(certificate, key) != 1)
		buf_adds(why, "its private key belongs to another certificate");
	EVP_PKEY_free(key);
	return !why->len;
}

bool certificate_fits(struct str chain_pem, struct str key_pem, const struct map *hosts, int64_t now_s, int64_t *ret_not_before_s,
		      struct buf *why)
{
	X509 *certificate = read_certificate(chain_pem);
	AUTO_RELEASE(buf) wrong = BUF_INIT(0);
	int64_t not_before_s = 0;
	bool good = false;

	if (!certificate)
		buf_adds(&wrong, "its tls.crt is no certificate");
	else
		good = is_in_time(certificate, now_s, &not_before_s, &wrong) && covers(certificate, hosts, &wrong) && has_key(certificate, key_pem, &wrong);
	X509_free(certificate);
	ERR_clear_error(); /* this thread's; TLS of others looks at it */
	if (good)
		*ret_not_before_s = not_before_s;
	buf_add_str(why, buf_str(&wrong));
	return good;
}
