#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "job/build_private.h"

/* ---- findings ---- */

static bool wrong(struct build *b, const struct build_image *image, struct spot at, struct error *err)
{
	error_wrap(err, "image \"%s\"", image->of->key.text);
	return image_find(b->run, at, err);
}

static void warn(struct build *b, struct spot at, const char *text, const char *hint)
{
	run_emit(b->run, &(struct job_event){
				 .kind = JOB_FINDING, .severity = DIAG_WARNING, .place = stack_place(b->run->stack, at), .text = text, .detail = hint });
}

/* ---- fields ---- */

/* Trimmed. */
static bool render(struct build *b, const char *name, struct stack_text text, struct buf *out, struct error *err)
{
	AUTO_RELEASE(buf) raw = BUF_INIT(0);

	if (!stack_render_text(b->run->stack, name, text, &raw, NULL, err))
		return false;
	buf_reset(out);
	buf_add_str(out, str_trim_unicode(buf_str(&raw)));
	return true;
}

static bool read_destination(struct build *b, struct build_image *image)
{
	const struct stack_image *of = image->of;
	struct str tag = str_trim_unicode(str_of(of->tag.text));
	struct spot at = tag.len ? of->tag.at : of->tag_template.at;
	AUTO_RELEASE(buf) rendered = BUF_INIT(0), text = BUF_INIT(0);
	AUTO_RELEASE(error) err = { 0 };

	if (!tag.len && !render(b, "image-tag", of->tag_template, &rendered, &err))
		return wrong(b, image, at, &err);
	if (!tag.len && !rendered.len) {
		error_set(&err, ERR_INVALID, "its tag is empty");
		return wrong(b, image, at, &err);
	}
	buf_addf(&text, "%.*s:", STR_ARG(str_trim_unicode(str_of(of->repository.text))));
	buf_add_str(&text, tag.len ? tag : buf_str(&rendered));
	if (!reference_parse(buf_str(&text), &image->to, &err))
		return wrong(b, image, of->repository.at, &err);
	image->destination = buf_give(&text);
	return true;
}

static bool looks_secret(const char *name)
{
	static const char *const words[] = { "secret", "token", "passw", "api_key", "apikey", "private_key", "credential" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	return false;
}

static bool read_args(struct build *b, struct build_image *image)
{
	const struct stack_text_map *args = &image->of->build_args;

	for (size_t i = 0; i < args->n; i++) {
		const char *name = args->items[i].name.text;
		AUTO_RELEASE(buf) value = BUF_INIT(0);
		AUTO_RELEASE(error) err = { 0 };

		if (!render(b, "build-arg", args->items[i].value, &value, &err))
			return wrong(b, image, args->items[i].value.at, &err);
		map_set_text(&image->args, name, buf_cstr(&value));
		if (!looks_secret(name))
			continue;
		AUTO_FREE char *text = xasprintf("image \"%s\": the build argument %s looks secret, but whoever may read pods or the image's history sees it",
						 image->of->key.text, name);

		warn(b, args->items[i].name.at, text, "let the Dockerfile take it from a mounted file, or do without it at build time");
	}
	return true;
}

/* Named contexts need a builder that knows them. */
static bool check_contexts(struct build *b, struct build_image *image)
{
	const struct stack_text_map *contexts = &image->of->build_contexts;

	for (size_t i = 0; i < contexts->n; i++) {
		AUTO_RELEASE(buf) value = BUF_INIT(0);
		AUTO_RELEASE(error) err = { 0 };

		if (!render(b, "build-context", contexts->items[i].value, &value, &err))
			return wrong(b, image, contexts->items[i].value.at, &err);
		if (!value.len)
			continue;
		error_set(&err, ERR_INVALID, "the named context \"%s\" can't be built: kaniko knows no --build-context", contexts->items[i].name.text);
		error_hint(&err, "copy what it holds below the context, and COPY it from there");
		return wrong(b, image, contexts->items[i].name.at, &err);
	}
	return true;
}

/* ---- files ---- */

static bool is_below(const char *root, const char *path)
{
	size_t len = strlen(root);

	return strncmp(path, root, len) == 0 && (!path[len] || path[len] == '/' || root[len - 1] == '/');
}

/* Below the project's folder, as everything that services.yaml names, and links lead to nowhere else. */
static bool find_path(struct build *b, const struct build_image *image, struct stack_text text, const char *otherwise, const char *what, char **ret)
{
	const char *root = b->run->stack->root;
	struct str path = str_trim_unicode(str_of(text.text));
	AUTO_FREE char *given = path.len ? str_dup(path) : xstrdup(otherwise), *joined = path_join(root, given), *whole = path_clean(joined);
	AUTO_FREE char *real_root = realpath(root, NULL), *real = realpath(whole, NULL);
	AUTO_RELEASE(error) err = { 0 };

	if (!is_below(root, whole) || (real_root && real && !is_below(real_root, real))) {
		error_set(&err, ERR_DENIED, "%s %s leaves the project's folder %s", what, given, root);
		error_hint(&err, "what is sent to the cluster must lie beside or below services.yaml");
		return wrong(b, image, text.text && *text.text ? text.at : image->of->at, &err);
	}
	*ret = GIVE(whole);
	return true;
}

/* "FROM --platform=x image AS name": the next word of a line. */
static struct str next_word(struct str *line)
{
	struct str word;

	*line = str_trim(*line);
	for (size_t i = 0; i < line->len; i++) {
		if (!isspace((unsigned char)line->p[i]))
			continue;
		word = (struct str){ line->p, i };
		*line = (struct str){ line->p + i, line->len - i };
		return word;
	}
	word = *line;
	line->len = 0;
	return word;
}

/* What is pulled from: images that are named without variables. A stage's name counts as one of docker.io's, which does no harm. */
static void note_pull(struct build_image *image, struct str line)
{
	AUTO_RELEASE(reference) from = { 0 };
	AUTO_RELEASE(error) ignored = { 0 };
	struct str word = next_word(&line);

	while (str_starts(word, STR("--")))
		word = next_word(&line);
	if (reference_parse(word, &from, &ignored) && !map_has(&image->pulls, str_of(from.registry)))
		map_set_text(&image->pulls, from.registry, from.repository);
}

/* FROM begins a stage unless the line continues another. */
static void read_dockerfile(struct build_image *image)
{
	struct str rest = build_context_dockerfile(image->archive), line;
	bool continues = false;

	while (rest.len) {
		if (!str_cut(&rest, '\n', &line)) {
			line = rest;
			rest.len = 0;
		}
		line = str_trim(line);
		if (str_starts(line, STR("#")) || (!line.len && continues))
			continue;
		struct str left = line;

		if (!continues && str_ieq(next_word(&left), STR("FROM"))) {
			image->stages++;
			note_pull(image, left);
		}
		continues = str_ends(line, STR("\\"));
	}
}

static bool look_at_files(struct build *b, struct build_image *image, struct error *ret_stopped)
{
	const struct stack_image *of = image->of;
	AUTO_RELEASE(error) err = { 0 };

	if (!find_path(b, image, of->context, ".", "the context", &image->context) ||
	    !find_path(b, image, of->dockerfile, "Dockerfile", "the Dockerfile", &image->dockerfile))
		return false;
	if (!build_context_open(image->context, image->dockerfile, b->run->cancel, &image->archive, &err)) {
		if (err.kind == ERR_CANCELLED)
			return error_move(ret_stopped, &err);
		return wrong(b, image, of->dockerfile.text && *of->dockerfile.text ? of->dockerfile.at : of->at, &err);
	}
	read_dockerfile(image);
	if (image->stages)
		return true;
	error_set(&err, ERR_INVALID, "%s has no FROM", image->dockerfile);
	return wrong(b, image, of->at, &err);
}

/* ---- all of them ---- */

/* Two images for one tag would leave it to chance which one wins. */
static bool check_places(struct build *b)
{
	bool good = true;

	for (size_t i = 0; i < b->n; i++)
		for (size_t k = 0; k < i; k++) {
			AUTO_RELEASE(error) err = { 0 };

			if (!b->images[i].destination || !b->images[k].destination || strcmp(b->images[i].destination, b->images[k].destination) != 0)
				continue;
			error_set(&err, ERR_INVALID, "it has the same name as \"%s\": %s", b->images[k].of->key.text, b->images[i].destination);
			good = wrong(b, &b->images[i], b->images[i].of->repository.at, &err);
		}
	return good;
}

/* "build-web-1-20261124-2231-7f3a9c": of 63 letters at most with what the Job appends for its pod. */
static char *job_name(const struct build *b, size_t at)
{
	AUTO_RELEASE(buf) name = BUF_INIT(0);

	buf_adds(&name, "build-");
	for (const char *c = b->images[at].of->key.text; *c && name.len < 26; c++)
		buf_addc(&name, isalnum((unsigned char)*c) && (unsigned char)*c < 128 ? (char)tolower((unsigned char)*c) : '-');
	buf_addf(&name, "-%zu-%s", at + 1, b->run->id);
	return buf_give(&name);
}

static bool read_image(struct build *b, size_t at, struct error *err)
{
	struct build_image *image = &b->images[at];

	image->args = (struct map)MAP_INIT(free);
	image->pulls = (struct map)MAP_INIT(free);
	image->name = job_name(b, at);
	bool good = read_destination(b, image);

	good = read_args(b, image) && good;
	good = check_contexts(b, image) && good;
	return look_at_files(b, image, err) && good;
}

bool build_choose(struct build *b, struct error *err)
{
	const struct stack *stack = b->run->stack;
	bool good = image_check_names(b->run, IMAGE_BUILD, "build", b->options->only);

	b->images = xcalloc(stack->images.n + 1, sizeof *b->images);
	for (size_t i = 0; i < stack->images.n && !err->kind; i++) {
		if (!image_is_chosen(&stack->images.items[i], IMAGE_BUILD, b->options->only))
			continue;
		b->images[b->n].of = &stack->images.items[i];
		b->n++;
		good = read_image(b, b->n - 1, err) && good;
	}
	if (b->n && !*b->namespace) {
		AUTO_RELEASE(error) none = { 0 };

		error_set(&none, ERR_INVALID, "there is no namespace to build in: the environment has none");
		error_hint(&none, "--builder-namespace names one");
		good = image_find(b->run, (struct spot){ 0 }, &none);
	}
	return check_places(b) && good && !err->kind;
}

void build_images_release(struct build *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct build_image *image = &b->images[i];

		reference_release(&image->to);
		build_context_destroy(image->archive);
		map_release(&image->args);
		map_release(&image->pulls);
		free(image->destination);
		free(image->context);
		free(image->dockerfile);
		free(image->name);
		free(image->doing);
		free(image->digest);
		error_release(&image->err);
	}
	free(b->images);
}
