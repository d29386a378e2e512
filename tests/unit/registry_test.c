/* The registry client, against the played registry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file.h"
#include "held_request.h"
#include "registry/answer.h"
#include "registry/challenge.h"
#include "registry/digest.h"
#include "registry/reference.h"
#include "registry/registry.h"
#include "sim/registry.h"

#define PASSWORD "pa55word-of-the-test"
#define REFRESH	 "refresh-token-of-the-test"
#define OCI	 "application/vnd.oci.image.manifest.v1+json"

static void references_are_taken_apart_as_docker_does(void **state)
{
	static const char sum[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	static const struct {
		const char *text, *whole; /* NULL: refused */
	} rows[] = {
		{ "nginx", "docker.io/library/nginx:latest" },
		{ "a/b", "docker.io/a/b:latest" },
		{ "localhost/x", "localhost/x:latest" },
		{ "host:5000/x", "host:5000/x:latest" },
		{ "host:5000", "docker.io/library/host:5000" },
		{ "index.docker.io/nginx:1", "docker.io/library/nginx:1" },
		{ "r.io/a-b__c/d.e:V1_x-2.3", "r.io/a-b__c/d.e:V1_x-2.3" },
		{ "[::1]:5000/a:1", "[::1]:5000/a:1" },
		{ "R.io/a", "R.io/a:latest" },
		{ "R.io/A", NULL },
		{ "r.io/a..b", NULL },
		{ "r.io/../a", NULL },
		{ "r.io/a%2e", NULL },
		{ "r.io/a_-b", NULL },
		{ "r.io/-a", NULL },
		{ "r.io/", NULL },
		{ "r.io:port/a", NULL },
		{ "r.io:70000/a", NULL },
		{ "a:", NULL },
		{ "a@sha256:12", NULL },
		{ "a@md5:e3b0c44298fc1c149afbf4c8996fb924", NULL },
		{ "", NULL },
		{ "a b", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(reference) reference = { 0 };
		AUTO_RELEASE(error) err = { 0 };
		AUTO_RELEASE(buf) whole = BUF_INIT(0);

		if (!reference_parse(str_of(rows[i].text), &reference, &err)) {
			if (rows[i].whole)
				fail_msg("\"%s\": %s", rows[i].text, err.message);
			assert_int_equal(err.kind, ERR_INVALID);
			continue;
		}
		reference_format(&reference, &whole);
		if (!rows[i].whole)
			fail_msg("\"%s\" was taken as %s", rows[i].text, buf_cstr(&whole));
		assert_string_equal(buf_cstr(&whole), rows[i].whole);
	}
	AUTO_RELEASE(reference) pinned = { 0 };
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *text = xasprintf("r.io/a:t@%s", sum);

	assert_true(reference_parse(str_of(text), &pinned, &err));
	assert_string_equal(pinned.tag, "t");
	assert_string_equal(reference_target(&pinned), sum); /* the digest decides */
}

static void challenges_are_read_with_commas_in_quotes_and_bearer_is_taken_before_basic(void **state)
{
	AUTO_RELEASE(challenge) challenge = { 0 };

	(void)state;
	challenge_read(&challenge, STR("Negotiate, Basic realm=\"a \\\"b\\\"\", Bearer realm=\"https://t/token?x=1\",service=\"s, 1\" , "
				       "scope=\"repository:a:pull,push\", Digest nonce=x"));
	assert_int_equal(challenge.scheme, CHALLENGE_BEARER);
	assert_string_equal(challenge.realm, "https://t/token?x=1");
	assert_string_equal(challenge.service, "s, 1");
	assert_string_equal(challenge.scope, "repository:a:pull,push");
}

/* ---- answers ---- */

static void links_and_locations_are_read_in_all_their_forms(void **state)
{
	static const char asked[] = "https://r.io/v2/a/tags/list?n=1";
	static const struct {
		const char *reference, *whole;
	} rows[] = {
		{ "/v2/a?x=1", "https://r.io/v2/a?x=1" },
		{ "?last=b", "https://r.io/v2/a/tags/list?last=b" },
		{ "list?last=b", "https://r.io/v2/a/tags/list?last=b" },
		{ "//s.io/x", "https://s.io/x" },
		{ "http://s.io/x", "http://s.io/x" },
	};
	static const struct {
		const char *link, *next; /* NULL: none */
	} links[] = {
		{ "</a?n=1>; rel=\"next\"", "/a?n=1" },
		{ "</a>;rel=next", "/a" },
		{ "<b>; rel=\"prev\", </a>; title=\"x\"; rel=\"next\"", "/a" },
		{ "</a>; rel=\"prev\"", NULL },
		{ "</a>; title=next", NULL },
		{ "next", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *whole = answer_resolve(asked, str_of(rows[i].reference));

		assert_string_equal(whole, rows[i].whole);
	}
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		struct str next;
		bool found = answer_next_page(str_of(links[i].link), &next);

		assert_int_equal(found, links[i].next != NULL);
		assert_true(!found || str_is(next, links[i].next));
	}
}

static void an_offset_that_may_be_none_is_none(void **state)
{
	static const struct {
		const char *range;
		int64_t bytes; /* 0: not said */
	} rows[] = { { "0-4095", 4096 }, { "bytes=0-9", 10 }, { "0-0", 0 }, { "1-5", 0 }, { "0-", 0 }, { "0-x", 0 }, { "", 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t bytes = 0;

		assert_int_equal(answer_offset(str_of(rows[i].range), &bytes), rows[i].bytes > 0);
		assert_int_equal(bytes, rows[i].bytes);
	}
}

/* ---- the bed ---- */

struct bed {
	struct sim_registry *sim;
	struct net *net;
	struct registry *registry;
	struct clock *clock; /* NULL: the system's */
	char folder[32], *logins;
	atomic_int retries;
	struct error err;
};

static void bed_release(struct bed *bed)
{
	registry_destroy(bed->registry);
	net_destroy(bed->net);
	sim_registry_stop(bed->sim);
	if (bed->logins)
		unlink(bed->logins);
	rmdir(bed->folder);
	free(bed->logins);
	error_release(&bed->err);
}
DEFINE_AUTO_RELEASE(bed);

static struct clock *next_clock; /* of the bed that is made next */

/* logins: the text of a docker config.json with HOST for the registry's host, or NULL for an empty one. */
static void bed_create(struct bed *bed, const struct sim_registry_options *options, const char *logins)
{
	*bed = (struct bed){ .folder = "/tmp/registry-test-XXXXXX", .clock = next_clock };
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	assert_non_null(mkdtemp(bed->folder));
	bed->sim = sim_registry_start(options, &bed->err);
	assert_non_null(bed->sim);
	bed->net = net_create(bed->clock, &bed->err);
	bed->logins = xasprintf("%s/config.json", bed->folder);
	for (const char *p = logins ? logins : "{}"; *p; p++)
		if (starts_with(p, "HOST")) {
			buf_adds(&text, sim_registry_host(bed->sim));
			p += 3;
		} else {
			buf_addc(&text, *p);
		}
	assert_true(file_write_atomic(bed->logins, buf_str(&text), 0600, &bed->err));
	bed->registry = registry_create(&(struct registry_options){ .net = bed->net,
								    .host = sim_registry_host(bed->sim),
								    .endpoint = sim_registry_url(bed->sim),
								    .login.file = bed->logins,
								    .retry_pause_ms = 1 });
}

static void count_retry(const char *why, int64_t pause_ms, void *arg)
{
	struct bed *bed = arg;

	(void)why, (void)pause_ms;
	atomic_fetch_add(&bed->retries, 1);
}

static struct registry_call call_of(struct bed *bed, bool writes)
{
	return (struct registry_call){ .on_retry = count_retry, .arg = bed, .writes = writes };
}

static void must(struct bed *bed, bool good)
{
	if (!good)
		fail_msg("%s", bed->err.message);
}

static char *login_text(const char *password)
{
	AUTO_FREE char *plain = xasprintf("robot:%s", password);
	AUTO_RELEASE(buf) encoded = BUF_INIT(0);

	base64_encode(&encoded, str_of(plain), BASE64_STANDARD);
	return xasprintf("{\"auths\":{\"https://HOST/v2/\":{\"auth\":\"%s\"}}}", buf_cstr(&encoded));
}

static bool copy_blob(struct bed *bed, const char *digest, int64_t size, const char *mount_from, enum blob_result *ret)
{
	return blob_copy(&(struct blob_copy){ .from = bed->registry,
					      .to = bed->registry,
					      .from_repository = "from",
					      .to_repository = "to",
					      .digest = digest,
					      .size_bytes = size,
					      .mount_from = mount_from,
					      .on_retry = count_retry,
					      .arg = bed },
			 ret, &bed->err);
}

/* ---- logging in ---- */

static void every_way_of_logging_in_leads_to_a_push(void **state)
{
	static const struct {
		enum sim_registry_login login;
		const char *user, *refresh;
	} rows[] = {
		{ SIM_LOGIN_NONE, NULL, NULL },
		{ SIM_LOGIN_BASIC, "robot", NULL },
		{ SIM_LOGIN_BEARER, NULL, NULL },
		{ SIM_LOGIN_BEARER, "robot", NULL },
		{ SIM_LOGIN_BEARER, "robot", REFRESH },
	};
	static const uint64_t layers[] = { 1000, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(bed) bed;
		AUTO_FREE char *logins = rows[i].refresh ? xstrdup("{\"auths\":{\"HOST\":{\"identitytoken\":\"" REFRESH "\"}}}") : login_text(PASSWORD);
		AUTO_RELEASE(manifest) manifest = { 0 };
		struct registry_call reads, writes;

		bed_create(&bed,
			   &(struct sim_registry_options){
				   .login = rows[i].login, .user = rows[i].user, .password = PASSWORD, .refresh_token = rows[i].refresh },
			   rows[i].user ? logins : NULL);
		reads = call_of(&bed, false);
		writes = call_of(&bed, true);
		free(sim_registry_add_image(bed.sim, "from", "1", layers, 7));
		must(&bed, registry_get_manifest(bed.registry, "from", "1", &reads, &manifest, &bed.err));
		must(&bed, registry_put_manifest(bed.registry, "from", "2", &manifest, &writes, &bed.err));
		AUTO_FREE char *tag = sim_registry_tag(bed.sim, "from", "2");

		assert_string_equal(tag, manifest.digest);
	}
}

static void a_wrong_password_is_told_once_with_what_to_do_and_without_the_password(void **state)
{
	static const enum sim_registry_login logins[] = { SIM_LOGIN_BASIC, SIM_LOGIN_BEARER };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
		AUTO_RELEASE(bed) bed;
		AUTO_RELEASE(manifest) manifest = { 0 };
		AUTO_FREE char *text = login_text("wr0ng-password");
		struct registry_call call;

		bed_create(&bed, &(struct sim_registry_options){ .login = logins[i], .user = "robot", .password = PASSWORD }, text);
		call = call_of(&bed, false);
		assert_false(registry_get_manifest(bed.registry, "from", "1", &call, &manifest, &bed.err));
		assert_int_equal(bed.err.kind, ERR_DENIED);
		assert_non_null(strstr(bed.err.hint, "docker login"));
		assert_null(strstr(bed.err.message, "wr0ng"));
		assert_true(sim_registry_count(bed.sim, "/v2/from", NULL) <= 2);
	}
}

static void a_token_that_would_add_header_lines_is_none(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(manifest) manifest = { 0 };
	struct registry_call call;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ .login = SIM_LOGIN_BEARER }, NULL);
	call = call_of(&bed, false);
	must(&bed, sim_registry_set_faults(bed.sim, "[{\"path\":\"/token\",\"status\":200,\"body\":\"{\\\"token\\\":\\\"a\\\\r\\\\nX-Evil: 1\\\"}\"}]",
					   &bed.err));
	assert_false(registry_get_manifest(bed.registry, "from", "1", &call, &manifest, &bed.err));
	assert_non_null(strstr(bed.err.message, "holds no token"));
	assert_int_equal(sim_registry_count(bed.sim, "/v2/from", NULL), 1);
}

static void a_token_is_fetched_once_for_many_requests_and_again_when_it_is_over(void **state)
{
	AUTO(clock) clock = clock_create_manual(1700000000000);
	AUTO_RELEASE(bed) bed;
	static const uint64_t layers[] = { 1000, 0 };
	struct registry_call call;

	(void)state;
	next_clock = clock;
	bed_create(&bed, &(struct sim_registry_options){ .login = SIM_LOGIN_BEARER }, NULL);
	next_clock = NULL;
	call = call_of(&bed, false);
	free(sim_registry_add_image(bed.sim, "from", "1", layers, 7));
	for (unsigned i = 0; i < 5; i++) {
		AUTO_RELEASE(registry_head) head = { 0 };

		if (i == 3)
			clock_advance(clock, 250000); /* it lives for 300 s */
		must(&bed, registry_head_manifest(bed.registry, "from", "1", &call, &head, &bed.err));
		assert_true(head.found);
	}
	assert_int_equal(sim_registry_count(bed.sim, "GET /token", NULL), 2);
}

static void a_helper_gives_the_login_and_one_that_fails_is_only_told(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(error) err = { 0 };
	AUTO_FREE char *program = NULL, *path = NULL, *script = NULL;
	AUTO_FREE char *old = xstrdup(getenv("PATH"));
	AUTO_RELEASE(manifest) manifest = { 0 };
	static const uint64_t layers[] = { 1000, 0 };
	struct registry_call call;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ .login = SIM_LOGIN_BASIC, .user = "robot", .password = PASSWORD },
		   "{\"credHelpers\":{\"HOST\":\"of-the-test\"}}");
	program = xasprintf("%s/docker-credential-of-the-test", bed.folder);
	script = xasprintf("#!/bin/sh\nread host; [ \"$1 $host\" = 'get %s' ] && echo '{\"ServerURL\":\"\",\"Username\":\"robot\",\"Secret\":\"%s\"}'\n",
			   sim_registry_host(bed.sim), PASSWORD);
	assert_true(file_write_atomic(program, str_of(script), 0700, &err));
	path = xasprintf("%s:%s", bed.folder, old);
	setenv("PATH", path, 1);
	free(sim_registry_add_image(bed.sim, "from", "1", layers, 7));
	call = call_of(&bed, false);
	must(&bed, registry_get_manifest(bed.registry, "from", "1", &call, &manifest, &bed.err));
	unlink(program);
	setenv("PATH", old, 1);
}

/* ---- manifests ---- */

static void hostile_manifests_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *type, *text, *why;
	} rows[] = {
		{ "text/html", "<html>", "no image manifest" },
		{ "application/vnd.docker.distribution.manifest.v1+prettyjws", "{}", "schema 1" },
		{ OCI, "[]", "no JSON object" },
		{ OCI, "{\"schemaVersion\":1}", "schema version 2" },
		{ OCI, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\"}", "calls itself" },
		{ OCI, "{\"schemaVersion\":2}", "lacks" },
		{ OCI, "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:../../x\",\"size\":1},\"layers\":[]}", "without a digest" },
		{ OCI,
		  "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":-1},"
		  "\"layers\":[]}",
		  "impossible" },
		{ OCI, "{\"schemaVersion\":2,\"config\":", "no JSON object" },
	};
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(buf) deep = BUF_INIT(0);
	struct registry_call call;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
	call = call_of(&bed, false);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(manifest) manifest = { 0 };

		free(sim_registry_add_manifest(bed.sim, "from", "bad", rows[i].type, str_of(rows[i].text)));
		assert_false(registry_get_manifest(bed.registry, "from", "bad", &call, &manifest, &bed.err));
		if (!strstr(bed.err.message, rows[i].why))
			fail_msg("row %zu: %s", i, bed.err.message);
	}
	AUTO_RELEASE(manifest) manifest = { 0 };

	buf_adds(&deep, "{\"schemaVersion\":2,\"x\":");
	buf_add_repeat(&deep, '[', 100000);
	free(sim_registry_add_manifest(bed.sim, "from", "deep", OCI, buf_str(&deep)));
	assert_false(registry_get_manifest(bed.registry, "from", "deep", &call, &manifest, &bed.err));
	assert_int_equal(bed.err.kind, ERR_LIMIT);
	buf_reset(&deep);
	buf_add_repeat(&deep, ' ', MANIFEST_MAX_BYTES + 10);
	free(sim_registry_add_manifest(bed.sim, "from", "large", OCI, buf_str(&deep)));
	assert_false(registry_get_manifest(bed.registry, "from", "large", &call, &manifest, &bed.err));
	assert_int_equal(bed.err.kind, ERR_LIMIT);
}

static void what_is_not_there_is_told_with_who_was_asked_for_what(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(manifest) manifest = { 0 };
	AUTO_RELEASE(registry_head) head = { 0 };
	struct registry_call call;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
	call = call_of(&bed, false);
	must(&bed, registry_head_manifest(bed.registry, "no/where", "1", &call, &head, &bed.err));
	assert_false(head.found);
	assert_false(registry_get_manifest(bed.registry, "no/where", "1", &call, &manifest, &bed.err));
	assert_int_equal(bed.err.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(bed.err.message, "the manifest no/where:1: it answered 404 MANIFEST_UNKNOWN"));
	assert_non_null(strstr(bed.err.message, sim_registry_host(bed.sim)));
}

static void all_pages_of_tags_are_read(void **state)
{
	AUTO_RELEASE(bed) bed;
	static const uint64_t layers[] = { 10, 0 };
	struct registry_call call;
	char **tags;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
	call = call_of(&bed, false);
	for (unsigned i = 0; i < 8; i++) {
		AUTO_FREE char *tag = xasprintf("v%u", i);

		free(sim_registry_add_image(bed.sim, "from", tag, layers, 7));
	}
	must(&bed, registry_list_tags(bed.registry, "from", &call, &tags, &bed.err));
	for (unsigned i = 0; i < 8; i++) {
		AUTO_FREE char *tag = xasprintf("v%u", i);

		assert_string_equal(tags[i], tag);
	}
	assert_null(tags[8]);
	registry_free_tags(tags);
}

static void a_500_to_what_may_be_repeated_costs_one_repetition(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(manifest) manifest = { 0 };
	static const uint64_t layers[] = { 10, 0 };
	struct registry_call call;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
	call = call_of(&bed, false);
	free(sim_registry_add_image(bed.sim, "from", "1", layers, 7));
	must(&bed, sim_registry_set_faults(bed.sim, "[{\"path\":\"/manifests/\",\"count\":1,\"status\":500}]", &bed.err));
	must(&bed, registry_get_manifest(bed.registry, "from", "1", &call, &manifest, &bed.err));
	assert_int_equal(atomic_load(&bed.retries), 1);
}

static void a_limit_that_lasts_for_hours_is_told_at_once(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(manifest) manifest = { 0 };
	struct registry_call call;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
	call = call_of(&bed, false);
	must(&bed, sim_registry_set_faults(bed.sim, "[{\"path\":\"/manifests/\",\"status\":429,\"retryAfter\":\"21600\",\"body\":\"\"}]", &bed.err));
	assert_false(registry_get_manifest(bed.registry, "from", "1", &call, &manifest, &bed.err));
	assert_int_equal(atomic_load(&bed.retries), 0);
	assert_non_null(strstr(bed.err.message, "429"));
	assert_non_null(strstr(bed.err.hint, "log in, or wait"));
}

static void a_head_that_names_no_digest_is_followed_by_a_get(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(registry_head) head = { 0 };
	static const uint64_t layers[] = { 10, 0 };
	struct registry_call call;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
	call = call_of(&bed, false);
	AUTO_FREE char *digest = sim_registry_add_image(bed.sim, "from", "1", layers, 7);

	must(&bed, sim_registry_set_faults(bed.sim, "[{\"method\":\"HEAD\",\"status\":200,\"body\":\"\"}]", &bed.err));
	must(&bed, registry_head_manifest(bed.registry, "from", "1", &call, &head, &bed.err));
	assert_string_equal(head.digest, digest);
}

/* ---- blobs ---- */

static void a_blob_of_many_chunks_arrives_whole(void **state)
{
	static const struct sim_registry_options rows[] = {
		{ 0 },
		{ .redirects = true, .login = SIM_LOGIN_BEARER },
		{ .min_chunk_bytes = 5 << 20 },
	};
	static const uint64_t sizes[] = { 0, 1, 4000000, 4000001, 9000000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(bed) bed;

		bed_create(&bed, &rows[i], NULL);
		for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
			AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "from", sizes[k], k);
			struct registry_call call = call_of(&bed, false);
			enum blob_result result;
			bool there;

			must(&bed, copy_blob(&bed, digest, (int64_t)sizes[k], NULL, &result));
			assert_int_equal(result, BLOB_SENT);
			must(&bed, registry_has_blob(bed.registry, "to", digest, &call, &there, &bed.err));
			assert_true(there);
		}
		assert_int_equal(sim_registry_uploads(bed.sim), 0);
	}
}

static void a_blob_of_the_same_registry_is_mounted_and_else_sent(void **state)
{
	(void)state;
	for (unsigned no_mounts = 0; no_mounts < 2; no_mounts++) {
		AUTO_RELEASE(bed) bed;
		enum blob_result result;

		bed_create(&bed, &(struct sim_registry_options){ .no_mounts = no_mounts, .login = SIM_LOGIN_BEARER }, NULL);
		AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "from", 5000, 1);

		must(&bed, copy_blob(&bed, digest, 5000, "from", &result));
		assert_int_equal(result, no_mounts ? BLOB_SENT : BLOB_MOUNTED);
		assert_int_equal(sim_registry_count(bed.sim, "GET /v2/from/blobs", NULL) > 0, no_mounts);
	}
}

static void bytes_with_another_digest_or_size_are_never_published(void **state)
{
	static const struct {
		int64_t size;
		bool lie;
	} rows[] = { { 11, true }, { 5, false }, { 20, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(bed) bed;
		AUTO_FREE char *lie = digest_of("sha256:", STR("hello.world")), *digest = NULL;
		struct registry_call call;
		enum blob_result result;
		bool there;

		bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
		digest = sim_registry_add_blob(bed.sim, "from", STR("hello world"), rows[i].lie ? lie : NULL);
		assert_false(copy_blob(&bed, digest, rows[i].size, NULL, &result));
		call = call_of(&bed, false);
		error_release(&bed.err);
		must(&bed, registry_has_blob(bed.registry, "to", digest, &call, &there, &bed.err));
		assert_false(there);
		assert_int_equal(sim_registry_count(bed.sim, "PUT", NULL), 0);
		assert_int_equal(sim_registry_uploads(bed.sim), 0);
	}
}

static void a_download_that_breaks_goes_on_where_it_broke(void **state)
{
	AUTO_RELEASE(bed) bed;
	enum blob_result result;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
	AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "from", 9000000, 1);

	must(&bed, sim_registry_set_faults(bed.sim, "[{\"method\":\"GET\",\"path\":\"/v2/from/blobs/\",\"count\":2,\"action\":\"cut\",\"at\":3000000}]",
					   &bed.err));
	must(&bed, copy_blob(&bed, digest, 9000000, NULL, &result));
	assert_int_equal(atomic_load(&bed.retries), 2);
	assert_int_equal(sim_registry_count(bed.sim, "GET /v2/from/blobs/", " 206"), 2);
	assert_int_equal(sim_registry_count(bed.sim, "POST", NULL), 1);
}

static void a_download_that_breaks_often_goes_on_as_long_as_something_comes(void **state)
{
	AUTO_RELEASE(bed) bed;
	enum blob_result result;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
	AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "from", 12000000, 1);

	must(&bed, sim_registry_set_faults(bed.sim, "[{\"method\":\"GET\",\"path\":\"/v2/from/blobs/\",\"action\":\"cut\",\"at\":1200000}]", &bed.err));
	must(&bed, copy_blob(&bed, digest, 12000000, NULL, &result));
	assert_true(atomic_load(&bed.retries) >= 9);
	must(&bed, sim_registry_set_faults(bed.sim, "[{\"method\":\"GET\",\"path\":\"/v2/from/blobs/\",\"action\":\"cut\",\"at\":1000}]", &bed.err));
	assert_false(copy_blob(&bed, digest, 12000000, NULL, &result));
}

static void an_upload_that_breaks_goes_on_if_the_registry_knows_where_else_it_begins_again(void **state)
{
	(void)state;
	for (unsigned forgets = 0; forgets < 2; forgets++) {
		AUTO_RELEASE(bed) bed;
		enum blob_result result;

		bed_create(&bed, &(struct sim_registry_options){ .no_offsets = forgets }, NULL);
		AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "from", 9000000, 1);

		must(&bed, sim_registry_set_faults(bed.sim, "[{\"method\":\"PATCH\",\"from\":2,\"count\":1,\"status\":503}]", &bed.err));
		must(&bed, copy_blob(&bed, digest, 9000000, NULL, &result));
		assert_int_equal(atomic_load(&bed.retries), 1);
		assert_int_equal(sim_registry_count(bed.sim, "POST", NULL), forgets ? 2 : 1);
		assert_int_equal(sim_registry_uploads(bed.sim), 0);
	}
}

static void one_500_costs_one_repetition_of_one_blob(void **state)
{
	static const char *const faults[] = {
		"[{\"method\":\"POST\",\"count\":1,\"status\":500}]",
		"[{\"method\":\"PUT\",\"count\":1,\"status\":500}]",
		"[{\"method\":\"GET\",\"path\":\"/blobs/\",\"count\":1,\"status\":500}]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		AUTO_RELEASE(bed) bed;
		enum blob_result result;

		bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
		AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "from", 5000, 1);

		must(&bed, sim_registry_set_faults(bed.sim, faults[i], &bed.err));
		must(&bed, copy_blob(&bed, digest, 5000, NULL, &result));
		assert_int_equal(atomic_load(&bed.retries), 1);
	}
}

static void a_mount_that_is_denied_is_sent(void **state)
{
	AUTO_RELEASE(bed) bed;
	enum blob_result result;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
	AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "from", 5000, 1);

	must(&bed, sim_registry_set_faults(bed.sim, "[{\"method\":\"POST\",\"count\":1,\"status\":401,\"body\":\"\"}]", &bed.err));
	must(&bed, copy_blob(&bed, digest, 5000, "from", &result));
	assert_int_equal(result, BLOB_SENT);
}

static void an_upload_that_was_forgotten_or_arrived_broken_begins_again(void **state)
{
	static const struct {
		const char *faults;
		bool good;
		unsigned begun;
	} rows[] = {
		{ "[{\"method\":\"PATCH\",\"from\":2,\"count\":1,\"status\":404,\"body\":\"<html>\"}]", true, 1 },
		{ "[{\"method\":\"PUT\",\"count\":1,\"status\":416,\"body\":\"\"}]", true, 2 },
		{ "[{\"method\":\"PUT\",\"count\":1,\"status\":400,\"body\":\"{\\\"errors\\\":[{\\\"code\\\":\\\"DIGEST_INVALID\\\"}]}\"}]", true, 2 },
		{ "[{\"method\":\"PUT\",\"status\":400,\"body\":\"{\\\"errors\\\":[{\\\"code\\\":\\\"DIGEST_INVALID\\\"}]}\"}]", false, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_RELEASE(bed) bed;
		enum blob_result result;

		bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
		AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "from", 9000000, 1);

		must(&bed, sim_registry_set_faults(bed.sim, rows[i].faults, &bed.err));
		assert_int_equal(copy_blob(&bed, digest, 9000000, NULL, &result), rows[i].good);
		assert_int_equal(sim_registry_count(bed.sim, "POST", NULL), rows[i].begun);
		assert_int_equal(sim_registry_uploads(bed.sim), 0);
	}
}

static void a_large_blob_takes_no_more_memory_than_a_small_one(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };
	enum blob_result result;
	const char *peak;
	long before, after;

	(void)state;
	bed_create(&bed, &(struct sim_registry_options){ 0 }, NULL);
	AUTO_FREE char *small = sim_registry_add_layer(bed.sim, "from", 20 << 20, 1), *large = sim_registry_add_layer(bed.sim, "from", 200 << 20, 2);

	must(&bed, copy_blob(&bed, small, 20 << 20, NULL, &result));
	assert_true(file_read("/proc/self/status", 0, &text, &err) || true);
	peak = text.len ? strstr(text.p, "VmHWM:") : NULL;
	before = peak ? strtol(peak + 6, NULL, 10) : 0;
	must(&bed, copy_blob(&bed, large, 200 << 20, NULL, &result));
	if (!peak)
		return; /* no such file here */
	assert_true(file_read("/proc/self/status", 0, &text, &err));
	after = strtol(strstr(text.p, "VmHWM:") + 6, NULL, 10);
	if (after - before > 16 << 10)
		fail_msg("%ld KiB more", after - before);
}

static void a_cancel_while_a_request_is_not_answered_ends_at_once_and_takes_the_upload_back(void **state)
{
	enum { REQUESTS = 7 }; /* POST, GET, four PATCH, PUT */

	(void)state;
	for (unsigned long at = 1; at <= REQUESTS; at++) {
		AUTO(cancel) cancel = cancel_create();
		struct held_request held = { HELD_REQUEST_INIT, .at = at, .cancel = cancel };
		AUTO_RELEASE(bed) bed;
		enum blob_result result;

		bed_create(&bed, &(struct sim_registry_options){ .on_request = held_request_arrives, .arg = &held }, NULL);
		AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "from", 17000000, 1);

		/* The held request is answered after this only: to return at all, it must not wait for it. */
		bool good = blob_copy(&(struct blob_copy){ .from = bed.registry,
							   .to = bed.registry,
							   .from_repository = "from",
							   .to_repository = "to",
							   .digest = digest,
							   .size_bytes = 17000000,
							   .cancel = cancel },
				      &result, &bed.err);

		assert_false(good);
		assert_int_equal(bed.err.kind, ERR_CANCELLED);
		/* Before the first answer nobody has told us the name of the upload. */
		assert_int_equal(sim_registry_count(bed.sim, "DELETE", " 204"), at > 1);
		assert_int_equal(sim_registry_uploads(bed.sim), 0);
		held_request_let_go(&held);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_are_taken_apart_as_docker_does),
		cmocka_unit_test(challenges_are_read_with_commas_in_quotes_and_bearer_is_taken_before_basic),
		cmocka_unit_test(every_way_of_logging_in_leads_to_a_push),
		cmocka_unit_test(a_wrong_password_is_told_once_with_what_to_do_and_without_the_password),
		cmocka_unit_test(a_token_is_fetched_once_for_many_requests_and_again_when_it_is_over),
		cmocka_unit_test(a_helper_gives_the_login_and_one_that_fails_is_only_told),
		cmocka_unit_test(hostile_manifests_are_refused_with_a_reason),
		cmocka_unit_test(what_is_not_there_is_told_with_who_was_asked_for_what),
		cmocka_unit_test(all_pages_of_tags_are_read),
		cmocka_unit_test(a_500_to_what_may_be_repeated_costs_one_repetition),
		cmocka_unit_test(a_blob_of_many_chunks_arrives_whole),
		cmocka_unit_test(a_blob_of_the_same_registry_is_mounted_and_else_sent),
		cmocka_unit_test(bytes_with_another_digest_or_size_are_never_published),
		cmocka_unit_test(a_download_that_breaks_goes_on_where_it_broke),
		cmocka_unit_test(an_upload_that_breaks_goes_on_if_the_registry_knows_where_else_it_begins_again),
		cmocka_unit_test(one_500_costs_one_repetition_of_one_blob),
		cmocka_unit_test(a_large_blob_takes_no_more_memory_than_a_small_one),
		cmocka_unit_test(links_and_locations_are_read_in_all_their_forms),
		cmocka_unit_test(an_offset_that_may_be_none_is_none),
		cmocka_unit_test(a_token_that_would_add_header_lines_is_none),
		cmocka_unit_test(a_limit_that_lasts_for_hours_is_told_at_once),
		cmocka_unit_test(a_head_that_names_no_digest_is_followed_by_a_get),
		cmocka_unit_test(a_download_that_breaks_often_goes_on_as_long_as_something_comes),
		cmocka_unit_test(a_mount_that_is_denied_is_sent),
		cmocka_unit_test(an_upload_that_was_forgotten_or_arrived_broken_begins_again),
		cmocka_unit_test(a_cancel_while_a_request_is_not_answered_ends_at_once_and_takes_the_upload_back),
	};

	return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
