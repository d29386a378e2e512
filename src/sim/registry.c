#include "sim/registry.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/base64.h"
#include "base/map.h"
#include "base/url.h"
#include "sim/faults.h"
#include "sim/jx.h"

enum { KEEP_MAX = 4 << 20, MANIFEST_MAX = 16 << 20, STACK_BYTES = 1 << 20, PIECE_BYTES = 64 << 10 };

struct blob {
	uint64_t size, seed;
	struct buf bytes;
	bool made_up; /* by seed */
};

struct stored_manifest {
	char *type;
	struct buf bytes;
};

struct repository {
	struct map blobs;     /* digest → any non-NULL */
	struct map manifests; /* digest → struct stored_manifest */
	struct map tags;      /* tag → digest */
};

struct upload {
	char *repository;
	EVP_MD_CTX *sum;
	uint64_t size;
	struct buf bytes; /* the first KEEP_MAX */
	bool busy;	  /* a request writes into it */
	bool dropped;	  /* meanwhile; gone for all others */
};

struct sim_registry {
	struct sim_registry_options options;
	char *user, *password, *refresh_token;
	struct MHD_Daemon *daemon, *storage;
	char *url, *host, *storage_url;
	struct faults *faults;
	pthread_mutex_t lock;
	struct map blobs;	 /* digest → struct blob */
	struct map repositories; /* name → struct repository */
	struct map uploads;	 /* id → struct upload */
	struct map tokens;	 /* token → "expiry scope" */
	struct buf log;
	unsigned long requests, ids;
	pthread_mutex_t fill_lock;
	bool filled; /* under fill_lock */
	atomic_bool stopping;
};

/* One request. */
struct exchange {
	struct sim_registry *registry;
	const char *method;
	char *path; /* still escaped, without the query */
	struct buf body;
	struct upload *upload; /* that the body goes to, busy meanwhile */
	char *upload_id;
	unsigned early; /* a status that is clear before the body */
	unsigned long number;
	struct MHD_Connection *connection;
	struct MHD_Response *response;
	bool struck;
	uint64_t cut_at;
};

/* ---- digests ---- */

static char *hex_of(EVP_MD_CTX *sum)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	EVP_DigestFinal_ex(sum, bytes, &len);
	buf_adds(&out, "sha256:");
	for (unsigned i = 0; i < len; i++)
		buf_addf(&out, "%02x", bytes[i]);
	return buf_give(&out);
}

static EVP_MD_CTX *sum_begin(void)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();

	EVP_DigestInit_ex(sum, EVP_sha256(), NULL);
	return sum;
}

static char *digest_of_bytes(struct str bytes)
{
	EVP_MD_CTX *sum = sum_begin();

	EVP_DigestUpdate(sum, bytes.p, bytes.len);
	char *digest = hex_of(sum);

	EVP_MD_CTX_free(sum);
	return digest;
}

/* splitmix64 of the place, so that any part can be made without the rest. */
static void make_up(uint64_t seed, uint64_t offset, char *out, size_t len)
{
	while (len) {
		uint64_t x = seed + (offset / 8 + 1) * 0x9e3779b97f4a7c15u;
		size_t from = offset % 8, n = 8 - from < len ? 8 - from : len;

		x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
		x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
		x ^= x >> 31;
		memcpy(out, (const char *)&x + from, n);
		out += n;
		offset += n;
		len -= n;
	}
}

static void read_blob(const struct blob *blob, uint64_t offset, char *out, size_t len)
{
	if (blob->made_up)
		make_up(blob->seed, offset, out, len);
	else
		memcpy(out, blob->bytes.p + offset, len);
}

/* ---- what is stored ---- */

static void blob_free(void *arg)
{
	struct blob *blob = arg;

	buf_release(&blob->bytes);
	free(blob);
}

static void manifest_free(void *arg)
{
	struct stored_manifest *manifest = arg;

	free(manifest->type);
	buf_release(&manifest->bytes);
	free(manifest);
}

static void repository_free(void *arg)
{
	struct repository *repository = arg;

	map_release(&repository->blobs);
	map_release(&repository->manifests);
	map_release(&repository->tags);
	free(repository);
}

static void upload_free(void *arg)
{
	struct upload *upload = arg;

	if (!upload)
		return;
	EVP_MD_CTX_free(upload->sum);
	buf_release(&upload->bytes);
	free(upload->repository);
	free(upload);
}

static struct repository *repository_of(struct sim_registry *r, const char *name)
{
	struct repository *repository = map_get(&r->repositories, str_of(name));

	if (repository)
		return repository;
	repository = xcalloc(1, sizeof *repository);
	*repository = (struct repository){ MAP_INIT(NULL), MAP_INIT(manifest_free), MAP_INIT(free) };
	map_set(&r->repositories, str_of(name), repository);
	return repository;
}

static void link_blob(struct sim_registry *r, const char *repository, const char *digest)
{
	map_set(&repository_of(r, repository)->blobs, str_of(digest), r);
}

static bool has_blob(struct sim_registry *r, const char *repository, const char *digest)
{
	const struct repository *found = map_get(&r->repositories, str_of(repository));

	return found && map_has(&found->blobs, str_of(digest));
}

char *sim_registry_add_blob(struct sim_registry *r, const char *repository, struct str bytes, const char *digest)
{
	struct blob *blob = xcalloc(1, sizeof *blob);
	char *name = digest ? xstrdup(digest) : digest_of_bytes(bytes);

	blob->size = bytes.len;
	buf_add_str(&blob->bytes, bytes);
	pthread_mutex_lock(&r->lock);
	map_set(&r->blobs, str_of(name), blob);
	link_blob(r, repository, name);
	pthread_mutex_unlock(&r->lock);
	return name;
}

char *sim_registry_add_layer(struct sim_registry *r, const char *repository, uint64_t size_bytes, uint64_t seed)
{
	struct blob *blob = xcalloc(1, sizeof *blob);
	AUTO_FREE char *piece = xmalloc(PIECE_BYTES);
	EVP_MD_CTX *sum = sum_begin();

	*blob = (struct blob){ .size = size_bytes, .seed = seed, .made_up = true };
	for (uint64_t at = 0; at < size_bytes; at += PIECE_BYTES) {
		size_t len = size_bytes - at < PIECE_BYTES ? (size_t)(size_bytes - at) : PIECE_BYTES;

		make_up(seed, at, piece, len);
		EVP_DigestUpdate(sum, piece, len);
	}
	char *digest = hex_of(sum);

	EVP_MD_CTX_free(sum);
	pthread_mutex_lock(&r->lock);
	if (map_has(&r->blobs, str_of(digest)))
		blob_free(blob);
	else
		map_set(&r->blobs, str_of(digest), blob);
	link_blob(r, repository, digest);
	pthread_mutex_unlock(&r->lock);
	return digest;
}

static char *store_manifest(struct sim_registry *r, const char *repository, const char *tag, const char *type, struct str bytes)
{
	struct stored_manifest *manifest = xcalloc(1, sizeof *manifest);
	struct repository *into = repository_of(r, repository);
	char *digest = digest_of_bytes(bytes);

	manifest->type = xstrdup(type);
	buf_add_str(&manifest->bytes, bytes);
	map_set(&into->manifests, str_of(digest), manifest);
	if (tag)
		map_set(&into->tags, str_of(tag), xstrdup(digest));
	return digest;
}

char *sim_registry_add_manifest(struct sim_registry *r, const char *repository, const char *tag, const char *media_type, struct str bytes)
{
	pthread_mutex_lock(&r->lock);
	char *digest = store_manifest(r, repository, tag, media_type, bytes);

	pthread_mutex_unlock(&r->lock);
	return digest;
}

char *sim_registry_add_image(struct sim_registry *r, const char *repository, const char *tag, const uint64_t *layer_bytes, uint64_t seed)
{
	AUTO_FREE char *config = xasprintf("{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"seed %llu\"}", (unsigned long long)seed);
	AUTO_FREE char *config_digest = sim_registry_add_blob(r, repository, str_of(config), NULL);
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	buf_addf(&out,
		 "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
		 "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[",
		 config_digest, strlen(config));
	for (size_t i = 0; layer_bytes[i]; i++) {
		AUTO_FREE char *digest = sim_registry_add_layer(r, repository, layer_bytes[i], seed + i);

		buf_addf(&out, "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"%s\",\"size\":%llu}", i ? "," : "", digest,
			 (unsigned long long)layer_bytes[i]);
	}
	buf_adds(&out, "]}");
	return sim_registry_add_manifest(r, repository, tag, "application/vnd.oci.image.manifest.v1+json", buf_str(&out));
}

static void add_demo(struct sim_registry *r)
{
	static const uint64_t postgres[] = { 29 << 20, 12 << 20, 7 << 20, 2 << 20, 0 }, redis[] = { 29 << 20, 9 << 20, 1 << 20, 0 },
			      busybox[] = { 2 << 20, 0 };
	static const struct {
		const char *name, *tag;
		const uint64_t *layers;
		uint64_t seed; /* the first layer of postgres and redis is the same */
		bool there;
	} images[] = {
		{ "library/postgres", "16.4", postgres, 100, false },
		{ "library/redis", "7.4", redis, 100, false },
		{ "library/busybox", "1.37.0", busybox, 300, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(images); i++) {
		AUTO_FREE char *from = xasprintf("docker.io/%s", images[i].name), *to = xasprintf("registry.example.test/%s", images[i].name);

		free(sim_registry_add_image(r, from, images[i].tag, images[i].layers, images[i].seed));
		if (images[i].there)
			free(sim_registry_add_image(r, to, images[i].tag, images[i].layers, images[i].seed));
	}
}

static void fill_once(struct sim_registry *r)
{
	pthread_mutex_lock(&r->fill_lock);
	if (r->options.demo && !r->filled)
		add_demo(r);
	r->filled = true;
	pthread_mutex_unlock(&r->fill_lock);
}

/* ---- answers ---- */

/* Under the lock. */
static struct upload *find_upload(struct sim_registry *r, const char *id)
{
	struct upload *upload = map_get(&r->uploads, str_of(id));

	return upload && !upload->busy ? upload : NULL;
}

/* The body of a PATCH or PUT goes into the upload as it comes. */
static void take_upload(struct exchange *x, const char *id)
{
	struct sim_registry *r = x->registry;

	pthread_mutex_lock(&r->lock);
	x->upload = find_upload(r, id);
	if (x->upload) {
		x->upload->busy = true;
		x->upload_id = xstrdup(id);
	}
	pthread_mutex_unlock(&r->lock);
}

static void give_back(struct exchange *x)
{
	struct sim_registry *r = x->registry;

	if (!x->upload)
		return;
	pthread_mutex_lock(&r->lock);
	x->upload->busy = false;
	if (x->upload->dropped)
		map_remove(&r->uploads, str_of(x->upload_id));
	pthread_mutex_unlock(&r->lock);
	x->upload = NULL;
}

static enum MHD_Result queue_response(struct exchange *x, unsigned status, struct MHD_Response *response)
{
	struct sim_registry *r = x->registry;

	give_back(x); /* whoever hears the answer may go on at once */
	enum MHD_Result result = MHD_queue_response(x->connection, status, response);

	MHD_destroy_response(response);
	pthread_mutex_lock(&r->lock);
	buf_addf(&r->log, "%s %s %u\n", x->method, x->path, status);
	pthread_mutex_unlock(&r->lock);
	return result;
}

static struct MHD_Response *text_response(const char *text)
{
	return MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result answer(struct exchange *x, unsigned status)
{
	return queue_response(x, status, text_response(""));
}

static enum MHD_Result answer_error(struct exchange *x, unsigned status, const char *code, const char *message)
{
	AUTO_FREE char *text = xasprintf("{\"errors\":[{\"code\":\"%s\",\"message\":\"%s\"}]}", code, message);
	struct MHD_Response *response = text_response(text);

	MHD_add_response_header(response, "Content-Type", "application/json");
	return queue_response(x, status, response);
}

struct reading { /* a blob on its way out */
	struct sim_registry *registry;
	struct blob blob; /* bytes are a copy */
	uint64_t offset, cut_at;
};

static void reading_free(void *arg)
{
	struct reading *reading = arg;

	buf_release(&reading->blob.bytes);
	free(reading);
}

static void slow_down(const struct sim_registry *r, size_t len)
{
	uint64_t ns = r->options.bytes_per_s ? len * UINT64_C(1000000000) / r->options.bytes_per_s : 0;
	struct timespec pause = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

	if (ns)
		nanosleep(&pause, NULL);
}

static ssize_t read_on(void *arg, uint64_t pos, char *into, size_t max)
{
	struct reading *reading = arg;
	uint64_t at = reading->offset + pos, left = reading->blob.size - at;

	if (atomic_load(&reading->registry->stopping) || pos >= reading->cut_at)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (!left)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (max > left)
		max = (size_t)left;
	if (max > reading->cut_at - pos)
		max = (size_t)(reading->cut_at - pos);
	read_blob(&reading->blob, at, into, max);
	slow_down(reading->registry, max);
	return (ssize_t)max;
}

static const char *header_of(const struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static const char *query_of(const struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result send_blob(struct exchange *x, const char *digest)
{
	struct reading *reading = xcalloc(1, sizeof *reading);
	const char *range = header_of(x, "Range");
	uint64_t offset = range && starts_with(range, "bytes=") ? strtoull(range + 6, NULL, 10) : 0;
	struct sim_registry *r = x->registry;

	pthread_mutex_lock(&r->lock);
	const struct blob *blob = map_get(&r->blobs, str_of(digest));

	if (blob) {
		reading->blob = (struct blob){ .size = blob->size, .seed = blob->seed, .made_up = blob->made_up };
		buf_add_str(&reading->blob.bytes, buf_str(&blob->bytes));
	}
	pthread_mutex_unlock(&r->lock);
	if (!blob || offset > reading->blob.size) {
		reading_free(reading);
		return answer_error(x, blob ? 416 : 404, "BLOB_UNKNOWN", "blob unknown to registry");
	}
	reading->registry = r;
	reading->offset = offset;
	reading->cut_at = x->cut_at;
	struct MHD_Response *response =
		MHD_create_response_from_callback(reading->blob.size - offset, PIECE_BYTES, read_on, reading, reading_free);

	MHD_add_response_header(response, "Content-Type", "application/octet-stream");
	return queue_response(x, offset ? 206 : 200, response);
}

/* ---- logging in ---- */

static bool is_basic(const struct sim_registry *r, const char *line)
{
	AUTO_RELEASE(buf) plain = BUF_INIT(0);

	if (!r->user)
		return true;
	if (!line || !starts_with(line, "Basic ") || !base64_decode(&plain, str_of(line + 6), BASE64_STANDARD))
		return false;
	AUTO_FREE char *wanted = xasprintf("%s:%s", r->user, r->password ? r->password : "");

	return strcmp(buf_cstr(&plain), wanted) == 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Tokens hold the time of their end and what they are for: "123456 repository:a/b:pull,push repository:c:pull". */
static bool is_token(struct sim_registry *r, const char *line, const char *repository, bool writes)
{
	const char *token = line && starts_with(line, "Bearer ") ? line + 7 : "";
	AUTO_FREE char *push = xasprintf(" repository:%s:pull,push", repository), *pull = xasprintf(" repository:%s:pull", repository);

	pthread_mutex_lock(&r->lock);
	const char *grant = map_get(&r->tokens, str_of(token));
	bool good = grant && strtoll(grant, NULL, 10) > now_ms() && strstr(grant, writes ? push : pull);

	pthread_mutex_unlock(&r->lock);
	return good;
}

static enum MHD_Result give_token(struct exchange *x)
{
	struct sim_registry *r = x->registry;
	AUTO_RELEASE(buf) grant = BUF_INIT(0), form = BUF_INIT(0);
	unsigned lives_s = r->options.token_lives_s ? r->options.token_lives_s : 300;
	bool by_post = strcmp(x->method, "POST") == 0;
	struct str query = buf_str(&x->body), value;
	const char *scope;

	buf_addf(&grant, "%lld", (long long)(now_ms() + lives_s * 1000));
	if (by_post) {
		if (!r->refresh_token || !url_query_get(query, "refresh_token", 0, &value) || !str_is(value, r->refresh_token))
			return answer_error(x, r->refresh_token ? 401 : 405, "UNAUTHORIZED", "wrong identity token");
		if (url_query_get(query, "scope", 0, &value) && url_unescape(&form, value, true))
			buf_addf(&grant, " %s", buf_cstr(&form));
	} else if (!is_basic(r, header_of(x, "Authorization"))) {
		return answer_error(x, 401, "UNAUTHORIZED", "wrong user or password");
	} else {
		scope = query_of(x, "scope");
		buf_addf(&grant, " %s", scope ? scope : "");
	}
	pthread_mutex_lock(&r->lock);
	AUTO_FREE char *token = xasprintf("sim-token-%lu", ++r->ids);

	map_set(&r->tokens, str_of(token), buf_give(&grant));
	pthread_mutex_unlock(&r->lock);
	AUTO_FREE char *text = xasprintf("{\"token\":\"%s\",\"expires_in\":%u}", token, lives_s);

	return queue_response(x, 200, text_response(text));
}

static enum MHD_Result challenge(struct exchange *x, const char *repository)
{
	struct sim_registry *r = x->registry;
	AUTO_FREE char *line = r->options.login == SIM_LOGIN_BASIC ?
				       xstrdup("Basic realm=\"sim\"") :
				       xasprintf("Bearer realm=\"%s/token\",service=\"sim, the registry\",scope=\"repository:%s:pull\"", r->url, repository);
	struct MHD_Response *response = text_response("{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}");

	MHD_add_response_header(response, "WWW-Authenticate", line);
	return queue_response(x, 401, response);
}

static bool is_let_in(struct exchange *x, const char *repository)
{
	struct sim_registry *r = x->registry;
	bool writes = strcmp(x->method, "GET") != 0 && strcmp(x->method, "HEAD") != 0;

	if (r->options.login == SIM_LOGIN_NONE)
		return true;
	if (r->options.login == SIM_LOGIN_BASIC)
		return is_basic(r, header_of(x, "Authorization"));
	return is_token(r, header_of(x, "Authorization"), repository, writes);
}

/* ---- manifests ---- */

static const char *resolve(const struct repository *repository, const char *target)
{
	const char *tagged = repository ? map_get(&repository->tags, str_of(target)) : NULL;

	return tagged ? tagged : target;
}

/* Appends what a manifest names and the repository lacks. */
static void find_missing(struct sim_registry *r, const char *repository, struct str bytes, struct buf *out)
{
	const struct repository *where = map_get(&r->repositories, str_of(repository));
	json_t *root = json_loadb(bytes.p, bytes.len, 0, NULL), *list;
	static const char *const lists[] = { "manifests", "layers" };

	for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
		list = json_object_get(root, lists[k]);
		for (size_t i = 0; i < json_array_size(list); i++) {
			const char *digest = jstr(json_array_get(list, i), "digest");
			bool there = k ? has_blob(r, repository, digest) : where && map_has(&where->manifests, str_of(digest));

			if (!there)
				buf_addf(out, "%s lacks %s\n", repository, digest);
		}
	}
	const char *config = jstr(root, "config", "digest");

	if (*config && !has_blob(r, repository, config))
		buf_addf(out, "%s lacks %s\n", repository, config);
	json_decref(root);
}

static enum MHD_Result put_manifest(struct exchange *x, const char *repository, const char *target)
{
	struct sim_registry *r = x->registry;
	AUTO_RELEASE(buf) missing = BUF_INIT(0);
	const char *type = header_of(x, "Content-Type");
	char *digest = NULL;

	pthread_mutex_lock(&r->lock);
	find_missing(r, repository, buf_str(&x->body), &missing);
	if (!missing.len)
		digest = store_manifest(r, repository, strchr(target, ':') ? NULL : target, type ? type : "", buf_str(&x->body));
	pthread_mutex_unlock(&r->lock);
	if (!digest)
		return answer_error(x, 400, "MANIFEST_BLOB_UNKNOWN", "manifest references a manifest or blob unknown to registry");
	struct MHD_Response *response = text_response("");

	MHD_add_response_header(response, "Docker-Content-Digest", digest);
	free(digest);
	return queue_response(x, 201, response);
}

static enum MHD_Result get_manifest(struct exchange *x, const char *name, const char *target)
{
	struct sim_registry *r = x->registry;

	pthread_mutex_lock(&r->lock);
	const struct repository *repository = map_get(&r->repositories, str_of(name));
	AUTO_FREE char *digest = xstrdup(resolve(repository, target));
	AUTO_FREE char *lie = digest_of_bytes(str_of(target));
	const struct stored_manifest *manifest = repository ? map_get(&repository->manifests, str_of(digest)) : NULL;
	struct MHD_Response *response = NULL;

	if (manifest) {
		response = MHD_create_response_from_buffer(manifest->bytes.len, manifest->bytes.p, MHD_RESPMEM_MUST_COPY);
		MHD_add_response_header(response, "Content-Type", manifest->type);
		MHD_add_response_header(response, "Docker-Content-Digest", r->options.wrong_digests && strcmp(digest, target) ? lie : digest);
	}
	pthread_mutex_unlock(&r->lock);
	return response ? queue_response(x, 200, response) : answer_error(x, 404, "MANIFEST_UNKNOWN", "manifest unknown");
}

static enum MHD_Result list_tags(struct exchange *x, const char *name)
{
	struct sim_registry *r = x->registry;
	const char *last = query_of(x, "last"), *n_text = query_of(x, "n");
	size_t n = n_text ? strtoul(n_text, NULL, 10) : 1000, given = 0;
	json_t *tags = json_array();
	const char *newest = NULL;
	bool more = false;

	if (n > 3) /* so that a test of pages needs few tags */
		n = 3;
	pthread_mutex_lock(&r->lock);
	struct repository *repository = map_get(&r->repositories, str_of(name));

	if (repository)
		map_sort(&repository->tags);
	for (size_t i = 0; repository && i < repository->tags.len; i++) {
		if (last && strcmp(repository->tags.entries[i].key, last) <= 0)
			continue;
		more = given == n;
		if (more)
			break;
		newest = repository->tags.entries[i].key;
		json_array_append_new(tags, json_string(newest));
		given++;
	}
	AUTO_FREE char *link = more ? xasprintf("<%s?n=3&last=%s>; rel=\"next\"", x->path, newest) : NULL;

	pthread_mutex_unlock(&r->lock);
	json_t *body = json_pack("{s:s,s:o}", "name", name, "tags", tags);
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	jx_dump(body, &text);
	json_decref(body);
	struct MHD_Response *response = text_response(buf_cstr(&text));

	if (link)
		MHD_add_response_header(response, "Link", link);
	return queue_response(x, 200, response);
}

/* ---- blobs ---- */

static enum MHD_Result get_blob(struct exchange *x, const char *repository, const char *digest)
{
	struct sim_registry *r = x->registry;

	pthread_mutex_lock(&r->lock);
	bool there = has_blob(r, repository, digest);

	pthread_mutex_unlock(&r->lock);
	if (!there)
		return answer_error(x, 404, "BLOB_UNKNOWN", "blob unknown to registry");
	if (!r->storage || !strcmp(x->method, "HEAD"))
		return send_blob(x, digest);
	AUTO_FREE char *location = xasprintf("%s/stored/%s?signature=s3cr3t", r->storage_url, digest);
	struct MHD_Response *response = text_response("");

	MHD_add_response_header(response, "Location", location);
	return queue_response(x, 307, response);
}

static enum MHD_Result session_answer(struct exchange *x, unsigned status, const char *repository, const char *id, uint64_t size)
{
	const char *slash = strstr(x->path, "/v2/");
	AUTO_FREE char *location = xasprintf("%.*s/v2/%s/blobs/uploads/%s?state=%llu", (int)(slash - x->path), x->path,
					     repository + (slash == x->path ? 0 : slash - x->path), id, (unsigned long long)size);
	AUTO_FREE char *range = xasprintf("0-%llu", (unsigned long long)(size ? size - 1 : 0)), *least = xasprintf("%u", x->registry->options.min_chunk_bytes);
	struct MHD_Response *response = text_response("");

	MHD_add_response_header(response, "Location", location);
	MHD_add_response_header(response, "Range", range);
	if (x->registry->options.min_chunk_bytes)
		MHD_add_response_header(response, "OCI-Chunk-Min-Length", least);
	return queue_response(x, status, response);
}

static enum MHD_Result begin_upload(struct exchange *x, const char *repository)
{
	struct sim_registry *r = x->registry;
	const char *mount = query_of(x, "mount"), *from = query_of(x, "from");
	const char *slash = strstr(x->path, "/v2/");
	AUTO_FREE char *from_name = from ? xasprintf("%.*s%s%s", slash == x->path ? 0 : (int)(slash - x->path - 1), x->path + 1, slash == x->path ? "" : "/", from) : NULL;

	if (mount && r->options.no_mounts)
		return answer_error(x, 405, "UNSUPPORTED", "no mounts here");
	pthread_mutex_lock(&r->lock);
	bool mounted = mount && from && has_blob(r, from_name, mount);
	AUTO_FREE char *id = xasprintf("upload-%lu", ++r->ids);

	if (mounted) {
		link_blob(r, repository, mount);
	} else {
		struct upload *upload = xcalloc(1, sizeof *upload);

		upload->repository = xstrdup(repository);
		upload->sum = sum_begin();
		map_set(&r->uploads, str_of(id), upload);
	}
	pthread_mutex_unlock(&r->lock);
	return mounted ? answer(x, 201) : session_answer(x, 202, repository, id, 0);
}

static void upload_add(struct upload *upload, struct str bytes)
{
	EVP_DigestUpdate(upload->sum, bytes.p, bytes.len);
	upload->size += bytes.len;
	if (upload->bytes.len + bytes.len <= KEEP_MAX)
		buf_add_str(&upload->bytes, bytes);
}

static bool is_in_order(const struct exchange *x)
{
	const char *range = header_of(x, "Content-Range");

	return !range || (x->upload && strtoull(range, NULL, 10) == x->upload->size);
}

static enum MHD_Result patch_upload(struct exchange *x, const char *repository)
{
	if (!x->upload)
		return answer_error(x, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
	if (x->early)
		return answer_error(x, x->early, "BLOB_UPLOAD_INVALID", "out of order");
	return session_answer(x, 202, repository, x->upload_id, x->upload->size);
}

static enum MHD_Result put_upload(struct exchange *x, const char *repository)
{
	struct sim_registry *r = x->registry;
	struct upload *upload = x->upload;
	const char *wanted = query_of(x, "digest");

	if (!upload)
		return answer_error(x, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
	if (x->early)
		return patch_upload(x, repository);
	AUTO_FREE char *digest = hex_of(upload->sum);
	bool good = wanted && !strcmp(digest, wanted);

	pthread_mutex_lock(&r->lock);
	if (good && !map_has(&r->blobs, str_of(digest))) {
		struct blob *blob = xcalloc(1, sizeof *blob);

		blob->size = upload->bytes.len;
		blob->bytes = upload->bytes;
		upload->bytes = (struct buf){ 0 };
		map_set(&r->blobs, str_of(digest), blob);
	}
	if (good)
		link_blob(r, repository, digest);
	upload->dropped = true;
	pthread_mutex_unlock(&r->lock);
	return good ? answer(x, 201) : answer_error(x, 400, "DIGEST_INVALID", "provided digest did not match uploaded content");
}

static enum MHD_Result look_at_upload(struct exchange *x, const char *repository, const char *id)
{
	struct sim_registry *r = x->registry;
	bool drop = !strcmp(x->method, "DELETE");

	pthread_mutex_lock(&r->lock);
	struct upload *upload = drop ? map_get(&r->uploads, str_of(id)) : find_upload(r, id);
	uint64_t size = upload && !drop ? upload->size : 0; /* what is dropped may still grow */
	bool there = upload && !upload->dropped && !(r->options.no_offsets && !drop);

	if (upload && drop && upload->busy)
		upload->dropped = true;
	else if (upload && drop)
		map_remove(&r->uploads, str_of(id));
	pthread_mutex_unlock(&r->lock);
	if (!there)
		return answer_error(x, 404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
	return drop ? answer(x, 204) : session_answer(x, 204, repository, id, size);
}

/* ---- routing ---- */

struct route {
	const char *mark; /* in the path behind the repository */
	enum MHD_Result (*go)(struct exchange *x, const char *repository, const char *rest);
};

static enum MHD_Result go_manifests(struct exchange *x, const char *repository, const char *rest)
{
	return strcmp(x->method, "PUT") ? get_manifest(x, repository, rest) : put_manifest(x, repository, rest);
}

static enum MHD_Result go_uploads(struct exchange *x, const char *repository, const char *rest)
{
	if (!strcmp(x->method, "POST"))
		return begin_upload(x, repository);
	if (!strcmp(x->method, "PATCH"))
		return patch_upload(x, repository);
	return strcmp(x->method, "PUT") ? look_at_upload(x, repository, rest) : put_upload(x, repository);
}

static enum MHD_Result go_tags(struct exchange *x, const char *repository, const char *rest)
{
	(void)rest;
	return list_tags(x, repository);
}

static const struct route routes[] = {
	{ "/manifests/", go_manifests },
	{ "/blobs/uploads/", go_uploads },
	{ "/blobs/", get_blob },
	{ "/tags/", go_tags },
};

/* "/docker.io/v2/library/redis/blobs/sha256:…" is the repository docker.io/library/redis. */
static const struct route *find_route(const char *path, char **ret_repository, const char **ret_rest)
{
	const char *v2 = strstr(path, "/v2/");

	for (size_t i = 0; v2 && i < ARRAY_LEN(routes); i++) {
		const char *mark = strstr(v2, routes[i].mark);

		if (!mark)
			continue;
		*ret_repository = xasprintf("%.*s%s%.*s", v2 == path ? 0 : (int)(v2 - path - 1), path + 1, v2 == path ? "" : "/", (int)(mark - v2 - 4), v2 + 4);
		*ret_rest = mark + strlen(routes[i].mark);
		return &routes[i];
	}
	return NULL;
}

/* What a token calls the repository: without the path before /v2/. */
static const char *scope_name(const char *path, const char *repository)
{
	const char *v2 = strstr(path, "/v2/");

	return v2 == path ? repository : repository + (v2 - path);
}

static enum MHD_Result route(struct exchange *x)
{
	AUTO_FREE char *repository = NULL;
	const char *rest;

	if (!strcmp(x->path, "/token"))
		return give_token(x);
	if (ends_with(x->path, "/v2/"))
		return x->registry->options.login ? challenge(x, "") : answer(x, 200);
	const struct route *found = find_route(x->path, &repository, &rest);

	if (!found)
		return answer(x, 404);
	if (!is_let_in(x, scope_name(x->path, repository)))
		return challenge(x, scope_name(x->path, repository));
	return found->go(x, repository, rest);
}

static void hit_hard(int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	connect(fd, &none, sizeof none); /* on a connected TCP socket: a reset */
}

/* A fault that strikes before the request is executed. False: it goes on. */
static bool strike(struct exchange *x, const struct fault *fault, enum MHD_Result *ret)
{
	struct timespec pause = { .tv_sec = jint(0, fault->rule, "ms") / 1000, .tv_nsec = jint(0, fault->rule, "ms") % 1000 * 1000000 };
	AUTO_FREE char *after = json_object_get(fault->rule, "retryAfter") ? xstrdup(jstr(fault->rule, "retryAfter")) : NULL;
	struct MHD_Response *response;

	*ret = MHD_NO;
	switch (fault->action) {
	case FAULT_STATUS:
		response = text_response(jstr(fault->rule, "body"));
		if (after)
			MHD_add_response_header(response, "Retry-After", after);
		*ret = queue_response(x, (unsigned)jint(500, fault->rule, "status"), response);
		return true;
	case FAULT_RESET:
		hit_hard(MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
		return true;
	case FAULT_CLOSE:
		return true;
	case FAULT_HANG:
		while (!atomic_load(&x->registry->stopping))
			nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
		return true;
	case FAULT_DELAY:
		nanosleep(&pause, NULL);
		return false;
	case FAULT_CUT:
		x->cut_at = (uint64_t)jint(0, fault->rule, "at");
		return false;
	default:
		return false;
	}
}

static struct exchange *exchange_begin(struct sim_registry *r, struct MHD_Connection *connection, const char *uri, const char *method)
{
	struct exchange *x = xcalloc(1, sizeof *x);
	const char *rest;
	AUTO_FREE char *repository = NULL;

	x->registry = r;
	x->connection = connection;
	x->method = method;
	x->path = xstrdup(uri);
	x->cut_at = UINT64_MAX;
	fill_once(r);
	pthread_mutex_lock(&r->lock);
	x->number = ++r->requests;
	pthread_mutex_unlock(&r->lock);
	if (r->options.on_request)
		r->options.on_request(x->number, method, uri, r->options.arg);
	const struct route *found = find_route(uri, &repository, &rest);

	if (found && found->go == go_uploads && (!strcmp(method, "PATCH") || !strcmp(method, "PUT")))
		take_upload(x, rest);
	if (x->upload && !is_in_order(x))
		x->early = 416;
	return x;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *uri, const char *method, const char *version,
				  const char *bytes, size_t *nbytes, void **state)
{
	struct sim_registry *r = arg;
	struct exchange *x = *state;

	(void)version;
	if (!x) {
		*state = exchange_begin(r, connection, uri, method);
		return MHD_YES;
	}
	if (*nbytes) {
		struct str piece = { bytes, *nbytes };

		if (x->upload && !x->early)
			upload_add(x->upload, piece);
		else if (x->body.len + piece.len <= MANIFEST_MAX)
			buf_add_str(&x->body, piece);
		*nbytes = 0;
		return MHD_YES;
	}
	struct fault fault = faults_match(r->faults, x->number, method, uri, "");
	enum MHD_Result result;

	if (!fault.action || !strike(x, &fault, &result))
		result = route(x);
	fault_release(&fault);
	return result;
}

static enum MHD_Result on_storage_request(void *arg, struct MHD_Connection *connection, const char *uri, const char *method, const char *version,
					  const char *bytes, size_t *nbytes, void **state)
{
	struct exchange *x = *state;

	(void)version, (void)bytes, (void)nbytes;
	if (!x) {
		x = xcalloc(1, sizeof *x);
		*x = (struct exchange){ .registry = arg, .connection = connection, .method = method, .path = xstrdup(uri), .cut_at = UINT64_MAX };
		*state = x;
		return MHD_YES;
	}
	if (header_of(x, "Authorization"))
		return answer_error(x, 400, "DENIED", "a credential was sent to the storage");
	return send_blob(x, strrchr(uri, '/') + 1);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
	struct exchange *x = *state;

	(void)arg, (void)connection, (void)why;
	if (!x)
		return;
	give_back(x);
	buf_release(&x->body);
	free(x->path);
	free(x->upload_id);
	free(x);
	*state = NULL;
}

/* ---- life ---- */

static struct MHD_Daemon *start_daemon(MHD_AccessHandlerCallback handler, struct sim_registry *r, unsigned *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handler, r,
						     MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
						     MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_END);
	const union MHD_DaemonInfo *info = daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;

	*ret_port = info ? info->port : 0;
	return daemon;
}

static char *copy_of(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

struct sim_registry *sim_registry_start(const struct sim_registry_options *options, struct error *err)
{
	struct sim_registry *r = xcalloc(1, sizeof *r);
	unsigned port = 0, storage_port = 0;

	r->options = *options;
	r->user = copy_of(options->user);
	r->password = copy_of(options->password);
	r->refresh_token = copy_of(options->refresh_token);
	r->blobs = (struct map)MAP_INIT(blob_free);
	r->repositories = (struct map)MAP_INIT(repository_free);
	r->uploads = (struct map)MAP_INIT(upload_free);
	r->tokens = (struct map)MAP_INIT(free);
	r->faults = faults_create();
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->fill_lock, NULL);
	r->daemon = start_daemon(on_request, r, &port);
	if (options->redirects)
		r->storage = start_daemon(on_storage_request, r, &storage_port);
	r->host = xasprintf("127.0.0.1:%u", port);
	r->url = xasprintf("http://%s", r->host);
	r->storage_url = xasprintf("http://127.0.0.1:%u", storage_port);
	if (r->daemon && (r->storage || !options->redirects))
		return r;
	sim_registry_stop(r);
	error_set(err, ERR_IO, "the simulated registry can't listen on loopback");
	return NULL;
}

void sim_registry_stop(struct sim_registry *r)
{
	if (!r)
		return;
	atomic_store(&r->stopping, true);
	if (r->daemon)
		MHD_stop_daemon(r->daemon);
	if (r->storage)
		MHD_stop_daemon(r->storage);
	map_release(&r->blobs);
	map_release(&r->repositories);
	map_release(&r->uploads);
	map_release(&r->tokens);
	faults_destroy(r->faults);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->fill_lock);
	buf_release(&r->log);
	free(r->user);
	free(r->password);
	free(r->refresh_token);
	free(r->url);
	free(r->host);
	free(r->storage_url);
	free(r);
}

const char *sim_registry_url(const struct sim_registry *r)
{
	return r->url;
}

const char *sim_registry_host(const struct sim_registry *r)
{
	return r->host;
}

bool sim_registry_set_faults(struct sim_registry *r, const char *json, struct error *err)
{
	json_t *rules = json_loads(json, 0, NULL);
	bool good = faults_load(r->faults, rules, err);

	json_decref(rules);
	return good;
}

char *sim_registry_log(struct sim_registry *r)
{
	pthread_mutex_lock(&r->lock);
	char *text = str_dup(buf_str(&r->log));

	pthread_mutex_unlock(&r->lock);
	return text;
}

unsigned sim_registry_count(struct sim_registry *r, const char *text, const char *and_text)
{
	AUTO_FREE char *log = sim_registry_log(r);
	struct str rest = str_of(log), line;
	unsigned n = 0;

	while (str_cut(&rest, '\n', &line))
		n += str_find(line, str_of(text)) >= 0 && (!and_text || str_find(line, str_of(and_text)) >= 0);
	return n;
}

char *sim_registry_tag(struct sim_registry *r, const char *name, const char *tag)
{
	pthread_mutex_lock(&r->lock);
	const struct repository *repository = map_get(&r->repositories, str_of(name));
	const char *digest = repository ? map_get(&repository->tags, str_of(tag)) : NULL;
	char *copy = copy_of(digest);

	pthread_mutex_unlock(&r->lock);
	return copy;
}

char *sim_registry_broken(struct sim_registry *r)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	buf_adds(&out, "");
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->repositories.len; i++) {
		const struct repository *repository = r->repositories.entries[i].value;

		for (size_t k = 0; k < repository->manifests.len; k++) {
			const struct stored_manifest *manifest = repository->manifests.entries[k].value;

			find_missing(r, r->repositories.entries[i].key, buf_str(&manifest->bytes), &out);
		}
		for (size_t k = 0; k < repository->tags.len; k++)
			if (!map_has(&repository->manifests, str_of(repository->tags.entries[k].value)))
				buf_addf(&out, "%s:%s leads nowhere\n", r->repositories.entries[i].key, repository->tags.entries[k].key);
	}
	pthread_mutex_unlock(&r->lock);
	return buf_give(&out);
}

size_t sim_registry_uploads(struct sim_registry *r)
{
	size_t n = 0;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->uploads.len; i++)
		n += !((const struct upload *)r->uploads.entries[i].value)->dropped;
	pthread_mutex_unlock(&r->lock);
	return n;
}
