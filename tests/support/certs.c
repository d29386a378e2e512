#include "certs.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(BIO *bio)
{
	char *p;
	long len = BIO_get_mem_data(bio, &p);
	char *text = calloc(1, (size_t)len + 1);

	memcpy(text, p, (size_t)len);
	BIO_free(bio);
	return text;
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);

	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

static X509 *read_cert(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return cert;
}

static EVP_PKEY *read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return key;
}

struct test_cert test_cert_make(const struct test_cert_options *o)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509 *issuer = o->issuer ? read_cert(o->issuer->cert_pem) : cert;
	EVP_PKEY *signer = o->issuer ? read_key(o->issuer->key_pem) : key;
	X509_NAME *name = X509_get_subject_name(cert);
	bool usual = !o->from_s && !o->until_s;
	uint32_t serial;

	arc4random_buf(&serial, sizeof serial);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)(serial & 0x7fffffff) + 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), usual ? -3600 : o->from_s);
	X509_gmtime_adj(X509_getm_notAfter(cert), usual ? 3600 : o->until_s);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)o->name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer));
	X509_set_pubkey(cert, key);
	add_extension(cert, issuer, NID_basic_constraints, o->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (o->dns)
		add_extension(cert, issuer, NID_subject_alt_name, o->dns);
	X509_sign(cert, signer, EVP_sha256());

	BIO *cert_out = BIO_new(BIO_s_mem()), *key_out = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(cert_out, cert);
	PEM_write_bio_PrivateKey(key_out, key, NULL, NULL, 0, NULL, NULL);
	if (o->issuer) {
		X509_free(issuer);
		EVP_PKEY_free(signer);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return (struct test_cert){ text_of(cert_out), text_of(key_out) };
}

void test_cert_release(struct test_cert *cert)
{
	free(cert->cert_pem);
	free(cert->key_pem);
	*cert = (struct test_cert){ 0 };
}
