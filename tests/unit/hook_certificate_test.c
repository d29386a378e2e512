/* Whether a certificate and its key can serve some hosts, in seven ways of going wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "certs.h"
#include "job/hook_certificate.h"

#define DAY 86400

static const char names[] = "DNS:a.test,DNS:*.b.test";

/* Why a certificate made so is refused for the hosts (blanks between them); "" when it fits. Gives. */
static char *why_not(const struct test_cert_options *options, const char *hosts, const char *other_key)
{
	struct test_cert pair = test_cert_make(options);
	AUTO_RELEASE(map) set = MAP_INIT(NULL);
	AUTO_RELEASE(buf) why = BUF_INIT(0);
	struct str rest = str_of(hosts), host;
	int64_t not_before_s = 0;

	while (str_cut(&rest, ' ', &host))
		map_set(&set, host, NULL);
	map_set(&set, rest, NULL);
	bool good = certificate_fits(str_of(pair.cert_pem), str_of(other_key ? other_key : pair.key_pem), &set, time(NULL), &not_before_s, &why);

	assert_int_equal(good, why.len == 0);
	assert_int_equal(good, not_before_s != 0);
	test_cert_release(&pair);
	return buf_give(&why);
}

static void a_certificate_fits_only_in_time_and_for_every_host(void **state)
{
	(void)state;
	static const struct {
		long from_s, until_s;
		const char *dns, *hosts, *why;
	} table[] = {
		{ -DAY, 30 * DAY, names, "a.test x.b.test", "" },
		{ -DAY, 30 * DAY, names, "a.test *.b.test", "" },
		{ -DAY, 30 * DAY, names, "A.TEST", "" },
		{ -DAY, 30 * DAY, names, "a.test c.test d.test", "its certificate does not cover c.test, d.test" },
		{ -DAY, 30 * DAY, names, "b.test", "its certificate does not cover b.test" },
		{ -DAY, 30 * DAY, names, "x.y.b.test", "its certificate does not cover x.y.b.test" },
		{ -30 * DAY, -DAY, names, "a.test", "its certificate is expired, or will be within a day" },
		{ -30 * DAY, DAY / 2, names, "a.test", "its certificate is expired, or will be within a day" },
		{ DAY, 30 * DAY, names, "a.test", "its certificate is not valid yet" },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct test_cert_options options = { .name = "test", .dns = table[i].dns, .from_s = table[i].from_s, .until_s = table[i].until_s };
		AUTO_FREE char *why = why_not(&options, table[i].hosts, NULL);

		assert_string_equal(why, table[i].why);
	}
}

static const struct test_cert_options usual = { .name = "test", .dns = names, .from_s = -DAY, .until_s = 30 * DAY };

static void a_key_of_another_certificate_is_refused(void **state)
{
	(void)state;
	struct test_cert other = test_cert_make(&usual);
	AUTO_FREE char *why = why_not(&usual, "a.test", other.key_pem);

	assert_string_equal(why, "its private key belongs to another certificate");
	test_cert_release(&other);
}

static void what_is_no_key_is_refused(void **state)
{
	(void)state;
	AUTO_FREE char *why = why_not(&usual, "a.test", "no key");

	assert_string_equal(why, "its tls.key is no private key");
}

/* libcrypto would ask the terminal, and wait. */
static void an_encrypted_key_is_refused_without_asking_for_its_password(void **state)
{
	(void)state;
	struct test_cert pair = test_cert_make(&usual);
	BIO *in = BIO_new_mem_buf(pair.key_pem, -1), *out = BIO_new(BIO_s_mem());
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	char *text;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_128_cbc(), "pw", 2, NULL, NULL), 1);
	long len = BIO_get_mem_data(out, &text);
	AUTO_FREE char *encrypted = xmemdup0(text, (size_t)len);
	AUTO_FREE char *why = why_not(&usual, "a.test", encrypted);

	assert_non_null(strstr(encrypted, "ENCRYPTED"));
	assert_string_equal(why, "its tls.key is no private key");
	EVP_PKEY_free(key);
	BIO_free(in);
	BIO_free(out);
	test_cert_release(&pair);
}

static void what_is_no_certificate_is_refused(void **state)
{
	(void)state;
	AUTO_RELEASE(map) none = MAP_INIT(NULL);
	static const char *const texts[] = { "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO_RELEASE(buf) why = BUF_INIT(0);
		int64_t not_before_s;

		assert_false(certificate_fits(str_of(texts[i]), STR(""), &none, time(NULL), &not_before_s, &why));
		assert_string_equal(buf_cstr(&why), "its tls.crt is no certificate");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_fits_only_in_time_and_for_every_host),
		cmocka_unit_test(a_key_of_another_certificate_is_refused),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(an_encrypted_key_is_refused_without_asking_for_its_password),
		cmocka_unit_test(what_is_no_certificate_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
