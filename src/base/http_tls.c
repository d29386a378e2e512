#include "base/http_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/utc.h"

#define NAMES_MAX_BYTES 512

void tls_report_release(struct tls_report *report)
{
	buf_release(&report->subject);
	buf_release(&report->issuer);
	buf_release(&report->names);
	*report = (struct tls_report){ 0 };
}

static void put_name(struct buf *out, const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	buf_reset(out);
	X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
	long len = BIO_get_mem_data(bio, &text);

	buf_add(out, text, len > 256 ? 256 : (size_t)len);
	BIO_free(bio);
}

static int64_t time_us(const ASN1_TIME *time)
{
	struct tm tm = { 0 };

	if (!ASN1_TIME_to_tm(time, &tm))
		return 0;
	return (utc_days(tm.tm_year + INT64_C(1900), tm.tm_mon + 1, tm.tm_mday) * 86400 + tm.tm_hour * 3600 +
		tm.tm_min * 60 + tm.tm_sec) *
	       INT64_C(1000000);
}

static void put_alternative(struct buf *out, const GENERAL_NAME *name)
{
	int kind;
	ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);

	if (out->len > NAMES_MAX_BYTES || (kind != GEN_DNS && kind != GEN_IPADD))
		return;
	if (out->len)
		buf_adds(out, ", ");
	const unsigned char *p = ASN1_STRING_get0_data(value);
	int len = ASN1_STRING_length(value);

	if (kind == GEN_DNS)
		buf_add(out, (const char *)p, len > 255 ? 255 : (size_t)len);
	else if (len == 4)
		buf_addf(out, "%d.%d.%d.%d", p[0], p[1], p[2], p[3]);
	else
		for (int i = 0; i + 1 < len; i += 2)
			buf_addf(out, "%s%x", i ? ":" : "", p[i] << 8 | p[i + 1]);
}

static void put_names(struct buf *out, X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	buf_reset(out);
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++)
		put_alternative(out, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
}

static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static int report_index; /* written once, by the first handshake */

static void make_index(void)
{
	report_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* Runs for every certificate of the chain, the server's own last; keeps what people want to know about the first bad
 * one. */
static int on_certificate(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_report *report = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), report_index);
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	int depth = X509_STORE_CTX_get_error_depth(store);

	if (!report || !certificate)
		return good;
	if (depth == 0)
		put_names(&report->names, certificate);
	if (good)
		return good;
	report->code = X509_STORE_CTX_get_error(store);
	report->depth = depth;
	report->not_before_us = time_us(X509_get0_notBefore(certificate));
	report->not_after_us = time_us(X509_get0_notAfter(certificate));
	put_name(&report->subject, X509_get_subject_name(certificate));
	put_name(&report->issuer, X509_get_issuer_name(certificate));
	return good;
}

CURLcode tls_watch_handshake(CURL *easy, void *ssl_ctx, void *data)
{
	struct tls_report *report = data;

	(void)easy;
	pthread_once(&index_once, make_index);
	report->code = 0;
	SSL_CTX_set_ex_data(ssl_ctx, report_index, report);
	if (SSL_CTX_get_verify_mode(ssl_ctx) != SSL_VERIFY_NONE)
		SSL_CTX_set_verify(ssl_ctx, SSL_CTX_get_verify_mode(ssl_ctx), on_certificate);
	return CURLE_OK;
}

static BIO *bio_of(struct str bytes)
{
	return BIO_new_mem_buf(bytes.p, (int)bytes.len);
}

/* Never asks on the terminal for a pass phrase. */
static int no_pass_phrase(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool has_certificate(struct str pem, const char *what, X509 **ret_first, struct error *err)
{
	BIO *bio = bio_of(pem);
	X509 *certificate = PEM_read_bio_X509_AUX(bio, NULL, no_pass_phrase, NULL);

	BIO_free(bio);
	ERR_clear_error();
	if (!certificate)
		return error_set(err, ERR_INVALID, "the %s holds no PEM certificate that can be read", what);
	if (ret_first)
		*ret_first = certificate;
	else
		X509_free(certificate);
	return true;
}

static bool check_pair(X509 *certificate, struct str key_pem, struct error *err)
{
	BIO *bio = bio_of(key_pem);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
	bool same = key && X509_check_private_key(certificate, key) == 1;

	BIO_free(bio);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (!key)
		return error_set(err, ERR_INVALID,
				 "the client key holds no PEM private key that can be read without a pass phrase");
	return same || error_set(err, ERR_INVALID, "the client key does not belong to the client certificate");
}

bool tls_check_pem(struct str ca_pem, struct str cert_pem, struct str key_pem, struct error *err)
{
	X509 *certificate;

	if (ca_pem.len && !has_certificate(ca_pem, "certificate authority", NULL, err))
		return false;
	if (!cert_pem.len != !key_pem.len)
		return error_set(err, ERR_INVALID, "a client %s is given without its %s",
				 cert_pem.len ? "certificate" : "key", cert_pem.len ? "key" : "certificate");
	if (!cert_pem.len)
		return true;
	if (!has_certificate(cert_pem, "client certificate", &certificate, err))
		return false;
	bool same = check_pair(certificate, key_pem, err);

	X509_free(certificate);
	return same;
}

static void explain_certificate(const struct tls_report *r, const char *wanted, int64_t wall_us, struct error *err)
{
	char date[UTC_TEXT_MAX], now[UTC_TEXT_MAX];
	const char *whose = buf_cstr(&r->subject);

	switch (r->code) {
	case X509_V_OK:
		error_set(err, ERR_NETWORK, "TLS: the server's certificate is for %s, not for %s",
			  r->names.len ? buf_cstr(&r->names) : "no host name at all", wanted);
		return;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		error_set(err, ERR_NETWORK, "TLS: the certificate of %s expired on %s (our clock says %s)", whose,
			  utc_format(r->not_after_us, date), utc_format(wall_us, now));
		return;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		error_set(err, ERR_NETWORK, "TLS: the certificate of %s is not valid before %s (our clock says %s)",
			  whose, utc_format(r->not_before_us, date), utc_format(wall_us, now));
		return;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		error_set(err, ERR_NETWORK,
			  "TLS: the certificate of %s was signed by %s, whom we do not know (certificate authority)",
			  whose, buf_cstr(&r->issuer));
		return;
	default:
		error_set(err, ERR_NETWORK, "TLS: the certificate of %s is not accepted: %s", whose,
			  X509_verify_cert_error_string(r->code));
	}
}

static enum cause explain_connect(CURL *easy, struct error *err)
{
	long code = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &code);
	switch (code) {
	case ECONNREFUSED:
		error_set(err, ERR_NETWORK, "connection refused: nothing listens there");
		break;
	case 0:
	case EINPROGRESS:
		error_set(err, ERR_NETWORK, "cannot connect");
		break;
	default:
		error_set(err, ERR_NETWORK, "cannot connect: %s", strerror((int)code));
	}
	return CAUSE_UNSENT;
}

/* OpenSSL's text without its "error:0A000086:SSL routines::" head. */
static const char *short_tls_text(const char *text)
{
	const char *at = strstr(text, "::");

	return at && at[2] ? at + 2 : text;
}

static enum cause explain_handshake(const char *text, struct error *err)
{
	if (strstr(text, "wrong version number") || strstr(text, "http request")) {
		error_set(err, ERR_NETWORK, "TLS: the server does not speak TLS here");
		error_hint(err, "is it plain http://, or another port?");
	} else if (strstr(text, "alert") && (strstr(text, "certificate") || strstr(text, "unknown ca"))) {
		error_set(err, ERR_NETWORK, "TLS: the server refuses our client certificate: %s", short_tls_text(text));
	} else if (strstr(text, "SSL_ERROR_SYSCALL") || strstr(text, "unexpected eof") || strstr(text, "Recv failure") || strstr(text, "Send failure")) {
		error_set(err, ERR_NETWORK, "connection closed during the TLS handshake");
		return CAUSE_UNSENT;
	} else {
		error_set(err, ERR_NETWORK, "TLS: handshake failed: %s", short_tls_text(text));
	}
	return CAUSE_FINAL;
}

static enum cause explain_broken(const char *text, const struct tls_report *report, struct error *err)
{
	if (strstr(text, "alert"))
		return explain_handshake(text, err);
	if (strstr(text, "reset"))
		error_set(err, ERR_NETWORK, "connection reset by the server");
	else
		error_set(err, ERR_NETWORK, "connection lost: %s", text);
	/* With TLS 1.3 the refusal comes after our handshake and may be lost in the reset. */
	if (strstr(text, "Broken pipe") && report->names.len)
		error_hint(err, "the server may have refused our client certificate");
	return CAUSE_BROKEN;
}

enum cause http_explain(CURL *easy, CURLcode code, const char *error_text, const struct tls_report *report,
			const char *wanted_name, int64_t wall_us, struct error *err)
{
	const char *text = error_text[0] ? error_text : curl_easy_strerror(code);
	long proxy_answer = 0;

	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxy_answer);
	if (proxy_answer >= 300) {
		error_set(err, ERR_NETWORK, "the proxy answers %ld", proxy_answer);
		return proxy_answer >= 500 ? CAUSE_UNSENT : CAUSE_FINAL;
	}
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		error_set(err, ERR_NETWORK, "the host name cannot be resolved");
		return CAUSE_NAME;
	case CURLE_COULDNT_RESOLVE_PROXY:
		error_set(err, ERR_NETWORK, "the proxy's host name cannot be resolved");
		return CAUSE_NAME;
	case CURLE_COULDNT_CONNECT:
		return explain_connect(easy, err);
	case CURLE_OPERATION_TIMEDOUT:
		error_set(err, ERR_NETWORK, "no connection within the time limit");
		return CAUSE_UNSENT;
	case CURLE_PEER_FAILED_VERIFICATION:
		explain_certificate(report, wanted_name, wall_us, err);
		return CAUSE_FINAL;
	case CURLE_SSL_CONNECT_ERROR:
		return explain_handshake(text, err);
	case CURLE_GOT_NOTHING:
		error_set(err, ERR_NETWORK, "the server closed the connection without an answer");
		return CAUSE_BROKEN;
	case CURLE_PARTIAL_FILE:
		error_set(err, ERR_NETWORK, "the answer was cut off: %s", text);
		return CAUSE_BROKEN;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_FAIL_REWIND:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return explain_broken(text, report, err);
	case CURLE_OUT_OF_MEMORY: /* what 7.88 says to a header line over 100 KiB */
		error_set(err, ERR_LIMIT, "the response headers are larger than 64 KiB");
		return CAUSE_FINAL;
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		error_set(err, ERR_SERVER, "the answer is not HTTP as we know it: %s", text);
		return CAUSE_FINAL;
	default:
		error_set(err, ERR_NETWORK, "%s", text);
		return CAUSE_FINAL;
	}
}
