#include "sim/builder.h"

#include <stdlib.h>
#include <string.h>

#include "sim/control.h"
#include "sim/registry.h"

#define BLOCK	      512
#define DOCKERFILE    "sim/dockerfile" /* annotation: what was unpacked */
#define RUN_MS	      2500
#define OTHER_MS      400
#define PUSH_MS	      800

/* ---- the pod ---- */

static const char *argument(const json_t *pod, const char *name)
{
	json_t *args = jget(json_array_get(jget(pod, "spec", "containers"), 0), "args"), *arg;
	size_t i, len = strlen(name);

	json_array_foreach(args, i, arg)
		if (json_is_string(arg) && !strncmp(json_string_value(arg), name, len))
			return json_string_value(arg) + len;
	return NULL;
}

bool builder_is(const json_t *pod)
{
	return argument(pod, "--digest-file=") && argument(pod, "--destination=");
}

bool builder_waits(const json_t *pod)
{
	return builder_is(pod) && !jget(pod, "metadata", "annotations", DOCKERFILE);
}

/* ---- the script ---- */

static void add_line(struct build_script *s, const char *form, ...) __attribute__((format(printf, 2, 3)));
static void add_line(struct build_script *s, const char *form, ...)
{
	struct buf text = BUF_INIT(0);
	va_list ap;

	va_start(ap, form);
	buf_vaddf(&text, form, ap);
	va_end(ap);
	LIST_PUSH(s->lines, s->n, s->cap) = (struct build_line){ s->takes_ms, buf_give(&text) };
}

static void add_info(struct build_script *s, const char *what, struct str text)
{
	add_line(s, "INFO[%04lld] %s%.*s", (long long)(s->takes_ms / 1000), what, STR_ARG(text));
}

static void fail(struct build_script *s, int code, const char *reason)
{
	s->code = code;
	s->reason = reason;
	if (!reason)
		add_line(s, "error building image: error building stage: failed to execute command: waiting for process to exit: exit status %d", code);
}

static void run(struct build_script *s, struct str command)
{
	AUTO_FREE char *text = str_dup(command);

	s->takes_ms += starts_with(text, "sleep ") ? strtoll(text + 6, NULL, 10) * 1000 : RUN_MS;
	if (starts_with(text, "exit "))
		fail(s, (int)strtol(text + 5, NULL, 10), NULL);
	else if (!strcmp(text, "sim-oom"))
		fail(s, 137, "OOMKilled");
	else if (!strcmp(text, "sim-evict"))
		fail(s, 137, "Evicted");
	else
		add_line(s, "done: %s", text);
	s->wrong_digest |= !strcmp(text, "sim-wrong-digest");
	s->no_digest |= !strcmp(text, "sim-no-digest");
}

/* "FROM node:20 AS build" */
static void begin_stage(struct build_script *s, struct str rest, unsigned *stages)
{
	struct str image = rest;

	str_cut(&rest, ' ', &image);
	add_info(s, "Retrieving image manifest ", image);
	s->takes_ms += OTHER_MS;
	add_line(s, "INFO[%04lld] Building stage '%.*s' [idx: '%u', base-idx: '-1']", (long long)(s->takes_ms / 1000), STR_ARG(image), (*stages)++);
}

static void do_line(struct build_script *s, struct str line, unsigned *stages)
{
	struct str rest = line, word;

	if (!str_cut(&rest, ' ', &word))
		return;
	rest = str_trim(rest);
	if (str_ieq(word, STR("FROM"))) {
		begin_stage(s, rest, stages);
		return;
	}
	add_info(s, "", line);
	if (str_ieq(word, STR("RUN")))
		run(s, rest);
	else
		s->takes_ms += OTHER_MS;
}

struct build_script *builder_script(const json_t *pod)
{
	struct build_script *s = xcalloc(1, sizeof *s);
	struct str rest = str_of(jstr(pod, "metadata", "annotations", DOCKERFILE)), line;
	unsigned stages = 0;

	while (rest.len && !s->code) {
		if (!str_cut(&rest, '\n', &line)) {
			line = rest;
			rest.len = 0;
		}
		line = str_trim(line);
		if (line.len && *line.p != '#')
			do_line(s, line, &stages);
	}
	if (s->code)
		return s;
	add_info(s, "Pushing image to ", str_of(argument(pod, "--destination=")));
	s->takes_ms += PUSH_MS;
	add_info(s, "Pushed ", str_of(argument(pod, "--destination=")));
	return s;
}

void builder_script_free(struct build_script *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->lines[i].text);
	free(s->lines);
	free(s);
}

/* ---- the image ---- */

static uint64_t seed_of(const char *text)
{
	uint64_t seed = 14695981039346656037u; /* FNV-1a: the same Dockerfile gives the same image */

	for (; *text; text++)
		seed = (seed ^ (unsigned char)*text) * 1099511628211u;
	return seed >> 8;
}

char *builder_push(struct sim *sim, const json_t *pod, const struct build_script *s)
{
	static const uint64_t layers[] = { 3 << 20, 40 << 10, 0 };
	struct str rest = str_of(argument(pod, "--destination=")), host;
	AUTO_FREE char *whole = str_dup(rest);
	char *tag = strrchr(whole, ':');
	char *digest = xstrdup("sha256:0000000000000000000000000000000000000000000000000000000000000000");

	if (sim->registry && tag && str_cut(&rest, '/', &host)) {
		*tag++ = 0;
		const char *repository = str_is(host, sim_registry_host(sim->registry)) ? whole + host.len + 1 : whole;

		free(digest);
		digest = sim_registry_add_image(sim->registry, repository, tag, layers, seed_of(jstr(pod, "metadata", "annotations", DOCKERFILE)));
	}
	if (s->wrong_digest)
		memset(digest + 7, 'f', strlen(digest) - 7);
	if (s->no_digest)
		*digest = 0;
	return digest;
}

/* ---- the archive ---- */

int64_t builder_takes_bytes(char *const *argv, size_t argc)
{
	const char *head = argc == 3 && !strcmp(argv[0], "sh") && !strcmp(argv[1], "-c") ? strstr(argv[2], "head -c ") : NULL;

	return head && strstr(head, " | tar -xf - ") ? strtoll(head + 8, NULL, 10) : -1;
}

void unpacking_release(struct unpacking *u)
{
	buf_release(&u->block);
	buf_release(&u->dockerfile);
}

static bool sum_is_right(const char *header)
{
	unsigned sum = 8 * ' ';

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? 0 : (unsigned char)header[i];
	return sum == strtoul(header + 148, NULL, 8);
}

static void begin_file(struct unpacking *u, const char *header)
{
	if (!header[0])
		return; /* the end */
	u->broken |= memcmp(header + 257, "ustar", 5) != 0 || !sum_is_right(header);
	u->left = strtoll(header + 124, NULL, 8);
	u->pad = (BLOCK - u->left % BLOCK) % BLOCK;
	u->is_dockerfile = !strcmp(header, "Dockerfile");
	u->whole |= !strcmp(header, "whole");
}

void builder_unpack(struct unpacking *u, struct str bytes)
{
	while (bytes.len) {
		int64_t *skipped = u->left ? &u->left : &u->pad;
		size_t n = *skipped ? (bytes.len < (size_t)*skipped ? bytes.len : (size_t)*skipped) : BLOCK - u->block.len;

		n = n < bytes.len ? n : bytes.len;
		if (u->left && u->is_dockerfile)
			buf_add(&u->dockerfile, bytes.p, n);
		if (*skipped)
			*skipped -= (int64_t)n;
		else
			buf_add(&u->block, bytes.p, n);
		bytes = (struct str){ bytes.p + n, bytes.len - n };
		if (u->block.len == BLOCK) {
			begin_file(u, u->block.p);
			buf_reset(&u->block);
		}
	}
}

void builder_keep(struct sim *sim, const char *ns, const char *name, const struct unpacking *u)
{
	pthread_mutex_lock(&sim->lock);
	struct object *o = store_find(core(sim, "pods"), ns, name);

	if (o && !o->deleting) {
		json_t *tree = store_tree(o);

		jset(tree, json_string(buf_cstr(&u->dockerfile)), "metadata", "annotations", DOCKERFILE);
		rest_write(sim, o, tree, "kubelet", NULL);
	}
	pthread_mutex_unlock(&sim->lock);
}
