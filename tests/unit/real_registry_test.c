/* The registry client and the job mirror against a registry that others wrote: Debian's docker-registry (distribution 2.8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file.h"
#include "certs.h"
#include "mirror_bed.h"
#include "real_registry.h"
#include "registry/registry.h"
#include "sim/registry.h"

#define PASSWORD "pa55word-of-the-test"
#define HTPASSWD "robot:$2b$04$BSJwyNdYYXQ13k6L.xoN4uFCHzsjUTgNhc.kt9pAW415Kd.RGsotW\n" /* that password */
#define INDEX	 "application/vnd.oci.image.index.v1+json"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"

static const uint64_t small_layers[] = { 3000, 2000, 0 };

/* A played registry to take from, a real one to bring to. */
struct bed {
	struct mirror_bed job;
	struct sim_registry *sim;
	struct real_registry *real;
	struct registry *from, *to;
};

static void bed_release(struct bed *bed)
{
	registry_destroy(bed->from);
	registry_destroy(bed->to);
	mirror_bed_release(&bed->job);
	sim_registry_stop(bed->sim);
	real_registry_stop(bed->real);
}
DEFINE_AUTO_RELEASE(bed);

static struct registry *connect_to(struct bed *bed, const char *host)
{
	return registry_create(
		&(struct registry_options){ .net = bed->job.net, .host = host, .login.file = bed->job.logins, .retry_pause_ms = 1 });
}

static void bed_create_with(struct bed *bed, const struct real_registry_options *options, const struct sim_registry_options *sim)
{
	mirror_bed_create(&bed->job);
	bed->sim = sim_registry_start(sim, &bed->job.err);
	assert_non_null(bed->sim);
	bed->real = real_registry_start(options);
	bed->from = connect_to(bed, sim_registry_host(bed->sim));
	bed->to = connect_to(bed, real_registry_host(bed->real));
}

static void bed_create(struct bed *bed, const struct real_registry_options *options)
{
	bed_create_with(bed, options, &(struct sim_registry_options){ 0 });
}

static void must(struct bed *bed, bool good)
{
	if (!good)
		fail_msg("%s", bed->job.err.message);
}

static struct blob_copy copy_of(struct bed *bed, const char *repository, const char *digest, int64_t size)
{
	return (struct blob_copy){ .from = bed->from, .to = bed->to, .from_repository = "src", .to_repository = repository, .digest = digest, .size_bytes = size };
}

static bool copy_blob(struct bed *bed, const struct blob_copy *copy, enum blob_result *ret)
{
	return blob_copy(copy, ret, &bed->job.err);
}

/* Brings "src" with these layers to "dst", all under the tag 1. */
static int mirror_one(struct bed *bed, const char *destination)
{
	AUTO_FREE char *image = xasprintf("  a: {type: external, from: '%s/src:1', local: '%s/%s:1'}\n", sim_registry_host(bed->sim),
					  real_registry_host(bed->real), destination);

	mirror_bed_load(&bed->job, image);
	return mirror_bed_run(&bed->job, &(struct mirror_options){ 0 }, false);
}

/* ---- blobs ---- */

static void blobs_of_none_one_and_many_chunks_arrive_whole(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 4000000, 4000001, 9000000 };
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct real_registry_options){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "src", sizes[i], i);
		struct blob_copy copy = copy_of(&bed, "some/where", digest, (int64_t)sizes[i]);
		enum blob_result result;

		must(&bed, copy_blob(&bed, &copy, &result));
		assert_int_equal(result, BLOB_SENT);
		assert_true(real_registry_holds_blob(bed.real, "some/where", digest));
	}
	real_registry_await_uploads(bed.real, "some/where", 0);
}

static void a_blob_of_another_repository_is_mounted_and_sent_if_it_is_not_there(void **state)
{
	AUTO_RELEASE(bed) bed;
	enum blob_result result;

	(void)state;
	bed_create(&bed, &(struct real_registry_options){ 0 });
	AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "src", 5000, 1);
	struct blob_copy copy = copy_of(&bed, "one", digest, 5000);

	copy.mount_from = "no/where";
	must(&bed, copy_blob(&bed, &copy, &result));
	assert_int_equal(result, BLOB_SENT);
	copy.to_repository = "two";
	copy.mount_from = "one";
	must(&bed, copy_blob(&bed, &copy, &result));
	assert_int_equal(result, BLOB_MOUNTED);
	assert_true(real_registry_holds_blob(bed.real, "two", digest));
	assert_int_equal(sim_registry_count(bed.sim, "GET /v2/src/blobs", NULL), 1);
}

struct trouble { /* made in the middle of an upload, and mended before it is tried again */
	struct bed *bed;
	int64_t after_bytes, sent_bytes;
	bool done;
	unsigned retries;
};

static void kill_in_the_middle(int64_t bytes, void *arg)
{
	struct trouble *t = arg;

	t->sent_bytes += bytes;
	if (t->done || t->sent_bytes < t->after_bytes)
		return;
	t->done = true;
	real_registry_kill(t->bed->real);
}

static void start_again(const char *why, int64_t pause_ms, void *arg)
{
	struct trouble *t = arg;

	(void)why, (void)pause_ms;
	t->retries++;
	if (!real_registry_runs(t->bed->real))
		real_registry_start_again(t->bed->real);
}

static void an_upload_outlives_its_registry_if_that_still_knows_it_and_else_begins_again(void **state)
{
	(void)state;
	for (unsigned forgets = 0; forgets < 2; forgets++) {
		AUTO_RELEASE(bed) bed;
		struct trouble trouble = { .bed = &bed, .after_bytes = 5000000 };
		enum blob_result result;

		bed_create(&bed, &(struct real_registry_options){ .forgets_uploads = forgets });
		AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "src", 17000000, 1);
		struct blob_copy copy = copy_of(&bed, "dst", digest, 17000000);

		copy.on_bytes = kill_in_the_middle;
		copy.on_retry = start_again;
		copy.arg = &trouble;
		must(&bed, copy_blob(&bed, &copy, &result));
		assert_true(trouble.done && trouble.retries > 0);
		assert_int_equal(trouble.sent_bytes, 17000000); /* what went twice was taken back in between */
		assert_true(real_registry_holds_blob(bed.real, "dst", digest));
		assert_int_equal(real_registry_count(bed.real, "POST", " 202"), forgets ? 2 : 1);
	}
}

static void stop_in_the_middle(int64_t bytes, void *arg)
{
	(void)bytes;
	cancel_request(arg, 0);
}

static void a_cancel_takes_the_upload_back_although_nothing_may_be_deleted(void **state)
{
	AUTO_RELEASE(bed) bed;
	enum blob_result result;

	(void)state;
	bed_create(&bed, &(struct real_registry_options){ 0 });
	AUTO_FREE char *digest = sim_registry_add_layer(bed.sim, "src", 9000000, 1);
	struct blob_copy copy = copy_of(&bed, "dst", digest, 9000000);

	copy.cancel = bed.job.cancel;
	copy.on_bytes = stop_in_the_middle;
	copy.arg = bed.job.cancel;
	assert_false(copy_blob(&bed, &copy, &result));
	assert_int_equal(bed.job.err.kind, ERR_CANCELLED);
	real_registry_await_uploads(bed.real, "dst", 0);
	assert_false(real_registry_holds_blob(bed.real, "dst", digest));
}

/* ---- manifests and tags ---- */

static char *index_of(const char *amd64, const char *arm64)
{
	return xasprintf("{\"schemaVersion\":2,\"mediaType\":\"" INDEX "\",\"manifests\":["
			 "{\"mediaType\":\"" MANIFEST "\",\"digest\":\"%s\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
			 "{\"mediaType\":\"" MANIFEST "\",\"digest\":\"%s\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}}]}",
			 amd64, arm64);
}

static void an_index_keeps_its_digest_with_all_platforms_and_what_is_there_costs_one_head(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct real_registry_options){ 0 });
	AUTO_FREE char *amd64 = sim_registry_add_image(bed.sim, "src", NULL, small_layers, 1), *arm64 = sim_registry_add_image(bed.sim, "src", NULL, small_layers, 9);
	AUTO_FREE char *text = index_of(amd64, arm64), *digest = sim_registry_add_manifest(bed.sim, "src", "1", INDEX, str_of(text));

	assert_int_equal(mirror_one(&bed, "dst"), EXIT_DONE);
	real_registry_await_whole(bed.real, "dst");
	AUTO_FREE char *there = real_registry_tag(bed.real, "dst", "1");

	assert_string_equal(there, digest);
	unsigned before = real_registry_count(bed.real, NULL, NULL);

	assert_int_equal(mirror_one(&bed, "dst"), EXIT_DONE);
	assert_int_equal(real_registry_count(bed.real, NULL, NULL), before + 1);
	assert_int_equal(real_registry_count(bed.real, "HEAD /v2/dst/manifests/1", " 200"), 1);
}

static void a_manifest_under_another_digest_or_with_parts_that_lack_is_refused_and_the_tag_stays(void **state)
{
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(manifest) first = { 0 }, second = { 0 };
	const struct registry_call reads = { 0 }, writes = { .writes = true };

	(void)state;
	bed_create(&bed, &(struct real_registry_options){ 0 });
	AUTO_FREE char *digest = sim_registry_add_image(bed.sim, "src", "1", small_layers, 1), *other = sim_registry_add_image(bed.sim, "src", "2", small_layers, 9);

	assert_int_equal(mirror_one(&bed, "dst"), EXIT_DONE);
	must(&bed, registry_get_manifest(bed.from, "src", "1", &reads, &first, &bed.job.err));
	must(&bed, registry_get_manifest(bed.from, "src", "2", &reads, &second, &bed.job.err));
	assert_false(registry_put_manifest(bed.to, "dst", other, &first, &writes, &bed.job.err));
	assert_non_null(strstr(bed.job.err.message, "DIGEST_INVALID"));
	error_release(&bed.job.err);
	assert_false(registry_put_manifest(bed.to, "dst", "1", &second, &writes, &bed.job.err));
	assert_non_null(strstr(bed.job.err.message, "BLOB_UNKNOWN"));
	AUTO_FREE char *there = real_registry_tag(bed.real, "dst", "1");

	assert_string_equal(there, digest);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void all_tags_are_listed(void **state)
{
	enum { TAGS = 120 };
	AUTO_RELEASE(bed) bed;
	AUTO_RELEASE(manifest) manifest = { 0 };
	const struct registry_call reads = { 0 }, writes = { .writes = true };
	char **tags;

	(void)state;
	bed_create(&bed, &(struct real_registry_options){ 0 });
	free(sim_registry_add_image(bed.sim, "src", "1", small_layers, 1));
	assert_int_equal(mirror_one(&bed, "dst"), EXIT_DONE);
	must(&bed, registry_get_manifest(bed.from, "src", "1", &reads, &manifest, &bed.job.err));
	for (unsigned i = 0; i < TAGS; i++) {
		AUTO_FREE char *tag = xasprintf("v%03u", i);

		must(&bed, registry_put_manifest(bed.to, "dst", tag, &manifest, &writes, &bed.job.err));
	}
	must(&bed, registry_list_tags(bed.to, "dst", &reads, &tags, &bed.job.err));
	qsort(tags, TAGS + 1, sizeof *tags, by_name);
	assert_string_equal(tags[0], "1");
	assert_string_equal(tags[1], "v000");
	assert_string_equal(tags[TAGS], "v119");
	assert_null(tags[TAGS + 1]);
	registry_free_tags(tags);
	assert_false(registry_list_tags(bed.to, "no/where", &reads, &tags, &bed.job.err));
	assert_int_equal(bed.job.err.kind, ERR_NOT_FOUND);
}

/* ---- logging in ---- */

static void write_login(struct bed *bed, const char *password)
{
	AUTO_FREE char *plain = xasprintf("robot:%s", password);
	AUTO_RELEASE(buf) encoded = BUF_INIT(0);

	base64_encode(&encoded, str_of(plain), BASE64_STANDARD);
	AUTO_FREE char *text = xasprintf("{\"auths\":{\"%s\":{\"auth\":\"%s\"}}}", real_registry_host(bed->real), buf_cstr(&encoded));

	assert_true(file_write_atomic(bed->job.logins, str_of(text), 0600, &bed->job.err));
}

static void a_password_opens_it_and_a_wrong_one_or_none_is_told(void **state)
{
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct real_registry_options){ .htpasswd = HTPASSWD });
	free(sim_registry_add_image(bed.sim, "src", "1", small_layers, 1));
	assert_int_equal(mirror_one(&bed, "dst"), EXIT_DENIED);
	assert_non_null(strstr(bed.job.story.p, "docker login"));
	write_login(&bed, "wr0ng");
	assert_int_equal(mirror_one(&bed, "dst"), EXIT_DENIED);
	assert_null(strstr(bed.job.story.p, "wr0ng"));
	write_login(&bed, PASSWORD);
	assert_int_equal(mirror_one(&bed, "dst"), EXIT_DONE);
	real_registry_await_whole(bed.real, "dst");
}

static void an_authority_of_ones_own_is_trusted_when_it_stands_in_certs_d(void **state)
{
	struct test_cert authority = test_cert_make(&(struct test_cert_options){ .name = "authority", .is_ca = true });
	struct test_cert cert = test_cert_make(&(struct test_cert_options){ .name = "registry", .dns = "IP:127.0.0.1", .issuer = &authority });
	AUTO_RELEASE(bed) bed;

	(void)state;
	bed_create(&bed, &(struct real_registry_options){ .cert = &cert });
	AUTO_FREE char *folder = xasprintf("%s/containers/certs.d/%s", bed.job.folder, real_registry_host(bed.real)), *file = path_join(folder, "ca.crt");
	AUTO_FREE char *command = xasprintf("rm -r %s/containers", bed.job.folder);

	setenv("XDG_CONFIG_HOME", bed.job.folder, 1);
	free(sim_registry_add_image(bed.sim, "src", "1", small_layers, 1));
	assert_int_equal(mirror_one(&bed, "dst"), EXIT_DEGRADED);
	assert_non_null(strstr(bed.job.story.p, "certificate"));
	assert_true(file_make_folders(folder, 0700, &bed.job.err) && file_write_atomic(file, str_of(authority.cert_pem), 0600, &bed.job.err));
	assert_int_equal(mirror_one(&bed, "dst"), EXIT_DONE);
	real_registry_await_whole(bed.real, "dst");
	assert_int_equal(system(command), 0);
	unsetenv("XDG_CONFIG_HOME");
	test_cert_release(&authority);
	test_cert_release(&cert);
}

/* ---- the job ---- */

static void kill_at(unsigned long n, const char *method, const char *path, void *arg)
{
	struct trouble *t = arg;

	(void)method, (void)path;
	if ((int64_t)n == t->after_bytes)
		real_registry_kill(t->bed->real);
}

static void run_again(void *arg)
{
	start_again(NULL, 0, arg);
}

/* Requests of the source are the clock: at each of them the destination dies once. */
static void a_registry_that_dies_and_comes_back_at_any_moment_ends_with_a_whole_image(void **state)
{
	static const uint64_t layers[] = { 9000000, 2000, 0 };
	enum { REQUESTS = 5 }; /* HEAD and GET of the manifest, three blobs */

	(void)state;
	for (int at = 1; at <= REQUESTS; at++) {
		AUTO_RELEASE(bed) bed;
		struct trouble trouble = { .bed = &bed, .after_bytes = at };

		bed_create_with(&bed, &(struct real_registry_options){ .forgets_uploads = at % 2 }, &(struct sim_registry_options){ .on_request = kill_at, .arg = &trouble });
		bed.job.on_retry = run_again;
		bed.job.arg = &trouble;
		AUTO_FREE char *digest = sim_registry_add_image(bed.sim, "src", "1", layers, 1);

		assert_int_equal(mirror_one(&bed, "dst"), EXIT_DONE);
		assert_true(trouble.retries > 0);
		real_registry_await_whole(bed.real, "dst");
		AUTO_FREE char *there = real_registry_tag(bed.real, "dst", "1");

		assert_string_equal(there, digest);
	}
}

/* A second real registry, which holds nine images below src that came through the first. */
struct two {
	struct bed bed;
	struct real_registry *source;
	char *source_url, *digests[MIRROR_BED_IMAGES];
};

static void two_create(struct two *two)
{
	static const uint64_t layers[] = { 30000, 2000, 0 };

	bed_create(&two->bed, &(struct real_registry_options){ 0 });
	two->source = real_registry_start(&(struct real_registry_options){ 0 });
	two->source_url = xasprintf("%s/src", real_registry_host(two->source));
	for (int i = 0; i < MIRROR_BED_IMAGES; i++) {
		AUTO_FREE char *repository = xasprintf("%c", 'a' + i);

		two->digests[i] = sim_registry_add_image(two->bed.sim, repository, "1", layers, (uint64_t)i * 100);
	}
	mirror_bed_load_nine(&two->bed.job, sim_registry_host(two->bed.sim), two->source_url);
	assert_int_equal(mirror_bed_run(&two->bed.job, &(struct mirror_options){ 0 }, false), EXIT_DONE);
	real_registry_await_whole(two->source, "src");
}

static void two_release(struct two *two)
{
	real_registry_stop(two->source);
	bed_release(&two->bed);
	free(two->source_url);
	for (int i = 0; i < MIRROR_BED_IMAGES; i++)
		free(two->digests[i]);
}
DEFINE_AUTO_RELEASE(two);

/* Each round brings them to repositories of its own. */
static void load_round(struct two *two, unsigned round)
{
	AUTO_FREE char *destination = xasprintf("%s/round%u", real_registry_host(two->bed.real), round);

	mirror_bed_load_nine(&two->bed.job, two->source_url, destination);
}

static void assert_all_there(struct two *two, unsigned round)
{
	for (int i = 0; i < MIRROR_BED_IMAGES; i++) {
		AUTO_FREE char *repository = xasprintf("round%u/%c", round, 'a' + i), *tag = real_registry_tag(two->bed.real, repository, "1");

		assert_non_null(tag);
		assert_string_equal(tag, two->digests[i]);
	}
}

/* "acdfgi": whose tags were put, in that order. */
static char *order_of_tags(struct two *two, unsigned round)
{
	AUTO_FREE char *head = xasprintf("PUT /v2/round%u/", round), *log = real_registry_log(two->bed.real, head);
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	struct str rest = str_of(log), line;

	buf_adds(&out, "");
	while (str_cut(&rest, '\n', &line))
		if (str_ends(line, STR("/manifests/1 201")))
			buf_addc(&out, line.p[strlen(head)]);
	return buf_give(&out);
}

static void of_nine_images_with_three_there_six_go_in_the_same_order_each_time(void **state)
{
	static const char *const three[] = { "b", "e", "h", NULL };
	AUTO_RELEASE(two) two;

	(void)state;
	two_create(&two);
	for (unsigned round = 0; round < 3; round++) {
		load_round(&two, round);
		assert_int_equal(mirror_bed_run(&two.bed.job, &(struct mirror_options){ .only = three }, false), EXIT_DONE);
		AUTO_FREE char *before = order_of_tags(&two, round);

		assert_int_equal(strlen(before), 3);
		assert_int_equal(mirror_bed_run(&two.bed.job, &(struct mirror_options){ .parallel = 1 }, false), EXIT_DONE);
		AUTO_FREE char *after = order_of_tags(&two, round), *told = mirror_bed_results(&two.bed.job);

		assert_string_equal(after + 3, "acdfgi");
		assert_string_equal(told, "b=e=h=a+c+d+f+g+i+");
		assert_all_there(&two, round);
	}
	real_registry_await_whole(two.bed.real, "");
}

struct alarm {
	struct cancel *cancel;
	int64_t after_us;
};

static void *ring(void *arg)
{
	const struct alarm *alarm = arg;

	usleep((useconds_t)alarm->after_us);
	cancel_request(alarm->cancel, 0);
	return NULL;
}

static void a_cancel_at_fifty_random_moments_leaves_no_broken_tag(void **state)
{
	enum { MOMENTS = 50 };
	AUTO_RELEASE(two) two;
	unsigned seed = 20261124;

	(void)state;
	two_create(&two);
	int64_t begin_ms = clock_now_ms(NULL);

	load_round(&two, 0);
	assert_int_equal(mirror_bed_run(&two.bed.job, &(struct mirror_options){ 0 }, false), EXIT_DONE);
	int64_t whole_ms = clock_now_ms(NULL) - begin_ms;

	for (unsigned round = 1; round <= MOMENTS; round++) {
		struct alarm alarm = { two.bed.job.cancel, (int64_t)(rand_r(&seed) % 1000) * whole_ms };
		pthread_t thread;

		load_round(&two, round);
		assert_int_equal(pthread_create(&thread, NULL, ring, &alarm), 0);
		int code = mirror_bed_run(&two.bed.job, &(struct mirror_options){ 0 }, false);

		pthread_join(thread, NULL);
		assert_true(code == EXIT_SIGINT || code == EXIT_DONE);
		AUTO_FREE char *folder = xasprintf("round%u", round);

		real_registry_await_whole(two.bed.real, folder);
		mirror_bed_renew_cancel(&two.bed.job);
		if (code == EXIT_DONE)
			assert_all_there(&two, round);
		if (round % 10)
			continue;
		assert_int_equal(mirror_bed_run(&two.bed.job, &(struct mirror_options){ 0 }, false), EXIT_DONE);
		assert_all_there(&two, round);
		real_registry_await_whole(two.bed.real, folder);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blobs_of_none_one_and_many_chunks_arrive_whole),
		cmocka_unit_test(a_blob_of_another_repository_is_mounted_and_sent_if_it_is_not_there),
		cmocka_unit_test(an_upload_outlives_its_registry_if_that_still_knows_it_and_else_begins_again),
		cmocka_unit_test(a_cancel_takes_the_upload_back_although_nothing_may_be_deleted),
		cmocka_unit_test(an_index_keeps_its_digest_with_all_platforms_and_what_is_there_costs_one_head),
		cmocka_unit_test(a_manifest_under_another_digest_or_with_parts_that_lack_is_refused_and_the_tag_stays),
		cmocka_unit_test(all_tags_are_listed),
		cmocka_unit_test(a_password_opens_it_and_a_wrong_one_or_none_is_told),
		cmocka_unit_test(an_authority_of_ones_own_is_trusted_when_it_stands_in_certs_d),
		cmocka_unit_test(a_registry_that_dies_and_comes_back_at_any_moment_ends_with_a_whole_image),
		cmocka_unit_test(of_nine_images_with_three_there_six_go_in_the_same_order_each_time),
		cmocka_unit_test(a_cancel_at_fifty_random_moments_leaves_no_broken_tag),
	};

	if (!real_registry_is_there())
		return 0;
	return cmocka_run_group_tests_name("real registry", tests, NULL, NULL);
}
