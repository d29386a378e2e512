#include "model/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "model/namespace.h"
#include "model/stack_decode.h"
#include "model/stack_private.h"

#define MAX_FILE_BYTES ((size_t)4 << 20) /* of services.yaml */
#define MAX_VARS_BYTES ((size_t)1 << 20) /* of each file of variables */
#define MAX_MEMORY_BYTES ((size_t)16 << 20) /* of its nodes, in each of two passes; some 5000 services */
#define MAX_PIPE_WAIT_MS 30000		 /* for the next piece of a var file that is a pipe */
#define MAX_INHERITANCE 32 /* environments one behind another */

/* ---- small things ---- */

static bool is_blank(const char *text)
{
	return !text || !str_trim_unicode(str_of(text)).len;
}

void stack_add_error(struct diags *diags, enum diag_severity severity, struct place place, const char *code,
		     struct error *err)
{
	diags_add(diags, severity, place, code, "%s", err->message);
	if (err->hint)
		diags_hint(diags, "%s", err->hint);
	error_release(err);
}

enum diag_severity stack_severity(const struct stack *stack)
{
	return stack->private->lenient ? DIAG_WARNING : DIAG_ERROR;
}

bool stack_is_lenient(const struct stack *stack)
{
	return stack->private->lenient;
}

struct template_options stack_template_options(const struct stack *stack)
{
	struct template_options options = stack->private->context.options;

	options.strict = !stack->private->lenient;
	return options;
}

struct place stack_place(const struct stack *stack, struct spot spot)
{
	return (struct place){ stack->config_path, spot.line, spot.column };
}

bool stack_wrap_place(const struct stack *stack, struct spot spot, struct error *err)
{
	return spot.line ? error_wrap(err, "%s:%u:%u", stack->config_path, spot.line, spot.column) : false;
}

const struct value *stack_context(const struct stack *stack)
{
	return &stack->private->context.root;
}

void stack_destroy(struct stack *stack)
{
	struct stack_private *p;

	if (!stack)
		return;
	p = stack->private;
	vars_release(&stack->env_map);
	vars_release(&stack->vars);
	vars_release(&stack->user_vars);
	free(stack->config_path);
	free(stack->root);
	free(stack->env);
	free(stack->namespace);
	yaml_doc_destroy(p->header);
	yaml_doc_destroy(p->typed);
	source_map_release(&p->map);
	map_release(&p->environments);
	map_release(&p->infra);
	map_release(&p->services);
	buf_release(&p->source);
	buf_release(&p->rendered);
	buf_release(&p->settled);
	arena_destroy(p->arena);
	free(p);
	free(stack);
}

static char *absolute_folder(const char *config)
{
	AUTO_FREE char *cwd = config[0] == '/' ? NULL : getcwd(NULL, 0);
	AUTO_FREE char *whole = path_join(cwd ? cwd : "/", config);

	return path_folder(whole);
}

static struct stack *stack_create(const struct stack_options *options)
{
	struct stack *stack = xcalloc(1, sizeof *stack);

	stack->private = xcalloc(1, sizeof *stack->private);
	stack->private->arena = arena_create();
	stack->private->lenient = options->lenient;
	stack->config_path = xstrdup(is_blank(options->config) ? "services.yaml" : options->config);
	stack->root = absolute_folder(stack->config_path);
	stack->env = xstrdup(options->env ? options->env : "");
	stack->namespace = xstrdup("");
	stack->slot = options->slot;
	if (options->now)
		stack->now = *options->now;
	else
		clock_gettime(CLOCK_REALTIME, &stack->now);
	return stack;
}

/* ---- reading the file ---- */

/* Bytes that are no UTF-8 are named here, because a template would carry them on to a worse place. */
static bool check_bytes(const struct stack *stack, struct str text, struct diags *diags)
{
	struct place place = { stack->config_path, 1, 1 };
	struct str rest = text;
	uint32_t rune;

	if (str_starts(text, STR("\xff\xfe")) || str_starts(text, STR("\xfe\xff"))) {
		diags_add(diags, DIAG_ERROR, place, "encoding", "the file is UTF-16; save it as UTF-8");
		return false;
	}
	while (rest.len) {
		const char *at = rest.p;

		if ((unsigned char)*at >= 0x80 && utf8_next(&rest, &rune) == 1) {
			diags_add(diags, DIAG_ERROR, place, "encoding", "byte 0x%02X is not UTF-8",
				  (unsigned char)*at);
			diags_hint(diags, "save the file as UTF-8; is it Latin-1?");
			return false;
		}
		if (at == rest.p)
			rest = (struct str){ at + 1, rest.len - 1 };
		place.column++;
		if (*at == '\n')
			place = (struct place){ place.file, place.line + 1, 1 };
	}
	return true;
}

static bool read_source(struct stack *stack, const struct stack_options *options, struct diags *diags)
{
	AUTO_RELEASE(error) err = { 0 };

	if (options->text.p) {
		buf_add_str(&stack->private->source, options->text);
	} else if (!file_read(stack->config_path, MAX_FILE_BYTES, &stack->private->source, &err)) {
		error_hint(&err, "name the file with --config, or go to the folder that holds services.yaml");
		stack_add_error(diags, DIAG_ERROR, (struct place){ 0 }, "config", &err);
		return false;
	}
	return check_bytes(stack, buf_str(&stack->private->source), diags);
}

/* ---- pass one: the raw header ---- */

static bool is_action_trouble(struct str source, unsigned line)
{
	for (unsigned i = 1; i < line; i++) {
		ptrdiff_t end = str_find_char(source, '\n');

		if (end < 0)
			return false;
		source = (struct str){ source.p + end + 1, source.len - (size_t)end - 1 };
	}
	ptrdiff_t end = str_find_char(source, '\n');

	return str_find((struct str){ source.p, end < 0 ? source.len : (size_t)end }, STR("{{")) >= 0;
}

static bool read_header(struct stack *stack, struct diags *diags)
{
	struct stack_private *p = stack->private;
	struct yaml_limits limits = YAML_LIMITS_INIT;
	AUTO_RELEASE(error) err = { 0 };
	unsigned line, column;

	limits.lenient = true;
	limits.max_memory_bytes = MAX_MEMORY_BYTES;
	AUTO(yaml_stream) stream = yaml_stream_create(buf_str(&p->source), NULL, &limits);

	if (!yaml_stream_next(stream, &p->header, &err)) {
		yaml_stream_place(stream, &line, &column);
		if (line > 1 && !is_action_trouble(buf_str(&p->source), line) &&
		    is_action_trouble(buf_str(&p->source), line - 1))
			line--;
		if (is_action_trouble(buf_str(&p->source), line))
			error_hint(&err, "the file must be YAML before its templating too: put the action into "
					 "quotes, a block text or a comment");
		stack_add_error(diags, DIAG_ERROR, (struct place){ stack->config_path, line, column }, "yaml", &err);
		return false;
	}
	const struct decoder decoder = {
		.arena = p->arena, .diags = diags, .file = stack->config_path, .only_flags = FIELD_HEADER,
		.lenient = p->lenient,
	};
	size_t errors = diags->errors;

	stack_decode(&decoder, &stack_shape, p->header ? p->header->root : NULL, stack);
	return diags->errors == errors;
}

/* ---- variables ---- */

static void read_env_files(struct stack *stack, struct diags *diags)
{
	for (size_t i = 0; i < stack->env_files.n; i++) {
		const struct stack_text *name = &stack->env_files.items[i];
		struct str trimmed = str_trim_unicode(str_of(name->text));
		AUTO_FREE char *relative = str_dup(trimmed);
		AUTO_FREE char *path = path_join(stack->root, relative);
		AUTO_FREE char *folder = path_folder(stack->config_path);
		AUTO_FREE char *shown = path_join(folder, relative);
		AUTO_RELEASE(buf) text = BUF_INIT(MAX_VARS_BYTES);
		AUTO_RELEASE(error) err = { 0 };

		if (!trimmed.len)
			continue;
		if (!file_read(path, MAX_VARS_BYTES, &text, &err)) {
			error_wrap(&err, "env file");
			stack_add_error(diags, DIAG_ERROR, stack_place(stack, name->at), "env-file", &err);
		} else if (!vars_add_dotenv(&stack->env_map, buf_str(&text), shown, &err)) {
			error_wrap(&err, "env file");
			stack_add_error(diags, DIAG_ERROR, stack_place(stack, name->at), "env-file", &err);
		}
	}
}

/* A pipe that the shell made, as in --var-file <(decrypt vars): waits for each piece, not for ever. */
static bool read_pipe(const char *path, struct buf *ret, struct error *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	char piece[4096];
	ssize_t n;

	if (fd < 0)
		return error_errno(err, "%s", path);
	for (;;) {
		n = poll(&poller, 1, MAX_PIPE_WAIT_MS);
		if (n > 0)
			n = read(fd, piece, sizeof piece);
		else if (n == 0)
			errno = ETIMEDOUT, n = -1;
		if (n <= 0 && !(n < 0 && (errno == EINTR || errno == EAGAIN)))
			break;
		if (n > 0)
			buf_add(ret, piece, (size_t)n);
	}
	if (n < 0)
		error_errno(err, "%s", path);
	close(fd);
	if (n == 0 && ret->overflow)
		return error_set(err, ERR_LIMIT, "%s: larger than the %zu bytes allowed", path, ret->max);
	return n == 0;
}

static bool read_regular_or_pipe(const char *path, struct buf *ret, struct error *err)
{
	struct stat status;

	if (stat(path, &status) == 0 && S_ISFIFO(status.st_mode))
		return read_pipe(path, ret, err);
	return file_read(path, MAX_VARS_BYTES, ret, err);
}

static void read_var_file(struct stack *stack, const char *path, struct diags *diags)
{
	AUTO_RELEASE(buf) text = BUF_INIT(MAX_VARS_BYTES);
	AUTO_RELEASE(error) err = { 0 };

	if (is_blank(path))
		return;
	if (!read_regular_or_pipe(path, &text, &err) ||
	    !vars_add_var_file(&stack->vars, buf_str(&text), path, diags, &err)) {
		error_wrap(&err, "var file");
		stack_add_error(diags, DIAG_ERROR, (struct place){ 0 }, "var-file", &err);
	}
}

static bool read_vars(struct stack *stack, const struct stack_options *options, struct diags *diags)
{
	size_t errors = diags->errors;
	AUTO_RELEASE(error) err = { 0 };
	bool inline_ok = vars_add_inline(&stack->user_vars, str_of(options->inline_vars), &err);

	for (size_t i = 0; i < options->n_one_vars && inline_ok; i++)
		inline_ok = vars_add_one(&stack->user_vars, str_of(options->one_vars[i]), &err);
	if (!inline_ok)
		stack_add_error(diags, DIAG_ERROR, (struct place){ 0 }, "vars", &err);
	vars_add_environment(&stack->env_map, options->environment);
	read_env_files(stack, diags);
	read_var_file(stack, options->var_file, diags);
	vars_merge(&stack->vars, &stack->user_vars);
	vars_merge(&stack->env_map, &stack->vars);
	return diags->errors == errors;
}

/* ---- the namespace ---- */

static const struct stack_text *find_pattern(const struct stack *stack, const char *env)
{
	for (size_t i = 0; i < stack->namespace_patterns.n; i++)
		if (strcmp(stack->namespace_patterns.items[i].name.text, env) == 0)
			return &stack->namespace_patterns.items[i].value;
	return NULL;
}

bool stack_resolve_namespace(const struct stack *stack, const struct context *context, const char *explicit,
			     const char *env, long long slot, char **ret, struct error *err)
{
	const struct stack_text *pattern = *env ? find_pattern(stack, env) : NULL;
	AUTO_RELEASE(buf) out = { 0 };
	AUTO(arena) arena = arena_create();

	if (!is_blank(explicit)) {
		*ret = xstrdup(explicit);
		return true;
	}
	if (pattern && !is_blank(pattern->text)) {
		if (!template_render("namespace", str_of(pattern->text), context->root, &context->options, &out,
				     err))
			return error_wrap(err, "namespace pattern of env \"%s\"", env);
		struct str name = mask_remove(&stack->private->mask, arena,
					      str_trim_unicode(buf_str(&out)));
		if (name.len) {
			*ret = str_dup(name);
			return true;
		}
	}
	char *name = namespace_default(stack->project.text, env, slot);

	*ret = name ? name : xstrdup("");
	return true;
}

static bool needs_slot(const struct stack *stack)
{
	return strcmp(stack->env, "ai") == 0 && stack->slot <= 0;
}

static void check_namespace(const struct stack *stack, struct diags *diags)
{
	const struct stack_text *pattern = *stack->env ? find_pattern(stack, stack->env) : NULL;
	struct place place = pattern ? stack_place(stack, pattern->at) : (struct place){ 0 };

	if (needs_slot(stack)) {
		diags_add(diags, stack_severity(stack), (struct place){ 0 }, "slot",
			  "env \"ai\" needs the number of a slot");
		diags_hint(diags, "give --slot N or set CODEXCTL_SLOT");
	}
	if (*stack->namespace && !namespace_is_valid(str_of(stack->namespace))) {
		diags_add(diags, stack_severity(stack), place, "namespace",
			  "\"%s\" is no valid name of a namespace", stack->namespace);
		diags_hint(diags, "lower-case letters, digits and \"-\", at most 63, a letter or digit at both ends");
	}
}

static bool find_namespace(struct stack *stack, const char *explicit, const struct context *context,
			   struct diags *diags)
{
	const struct stack_text *pattern = find_pattern(stack, stack->env);
	AUTO_RELEASE(error) err = { 0 };
	char *name = NULL;

	if (!stack_resolve_namespace(stack, context, explicit, stack->env, stack->slot, &name, &err)) {
		stack_add_error(diags, DIAG_ERROR, stack_place(stack, pattern->at), "namespace-pattern", &err);
		return false;
	}
	free(stack->namespace);
	stack->namespace = name;
	check_namespace(stack, diags);
	return true;
}

/* ---- header values before they are used ---- */

/* What is not known before the typed pass, or differs after it, stays template source until the second rendering. */
static bool can_render_early(struct str text, bool namespace_known)
{
	static const char *const later[] = { ".Codex", ".Storage", ".Versions", ".BaseDomain", ".IssueComments",
					     ".ReviewComments", "$" };

	if (str_find(text, STR("{{")) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(later); i++)
		if (str_find(text, str_of(later[i])) >= 0)
			return false;
	return namespace_known || str_find(text, STR(".Namespace")) < 0;
}

static void render_early(struct stack *stack, struct stack_text_map *map, const struct context *context,
			 bool namespace_known)
{
	for (size_t i = 0; i < map->n; i++) {
		struct stack_text *value = &map->items[i].value;
		AUTO_RELEASE(buf) out = { 0 };
		AUTO_RELEASE(error) err = { 0 };

		/* An error here may never matter: the value stays as it is and fails where it is used, if it is. */
		if (can_render_early(str_of(value->text), namespace_known) &&
		    template_render("services.yaml", str_of(value->text), context->root, &context->options, &out, &err))
			value->text = arena_strndup(stack->private->arena, buf_cstr(&out), out.len);
	}
}

static void render_header(struct stack *stack, struct arena *arena, struct context *context, const struct mask *mask,
			  bool namespace_known)
{
	*context = context_build(arena, stack, stack->namespace, mask, false);
	render_early(stack, &stack->versions, context, namespace_known);
	render_early(stack, &stack->base_domain, context, namespace_known);
	*context = context_build(arena, stack, stack->namespace, mask, false);
}

/* ---- pass two: the template ---- */

struct lint {
	const struct stack *stack;
	struct diags *diags;
	struct place place; /* file NULL: where the finding says, in services.yaml */
};

static void on_lint(const struct template_finding *f, void *arg)
{
	const struct lint *lint = arg;
	struct place place = lint->place.file ? lint->place
					      : (struct place){ lint->stack->config_path, f->line, f->column };

	diags_add(lint->diags, DIAG_WARNING, place, "missing-value", "{{%.*s}} prints \"%.*s\"", STR_ARG(f->source),
		  STR_ARG(f->printed));
}

static void on_trace(size_t out, size_t source, bool literal, void *arg)
{
	source_map_add(arg, out, source, literal);
}

static bool run_template(struct stack *stack, const struct context *context, struct diags *diags)
{
	struct stack_private *p = stack->private;
	struct str source = buf_str(&p->source);
	struct lint lint = { stack, diags, { 0 } };
	struct template_place where = { 0 };
	struct template_options options = context->options;
	AUTO_RELEASE(error) err = { 0 };

	source_map_reset(&p->map, source);
	options.strict = !p->lenient && !p->guesses;
	options.lint = p->guesses ? NULL : on_lint;
	options.lint_arg = &lint;
	options.ret_place = &where;
	options.trace = on_trace;
	options.trace_arg = &p->map;
	if (!template_render("services.yaml", source, context->root, &options, &p->rendered, &err)) {
		stack_add_error(diags, DIAG_ERROR, (struct place){ stack->config_path, where.line, where.column },
				"template", &err);
		return false;
	}
	mask_settle(&p->mask, buf_str(&p->rendered), &p->settled);
	return true;
}

/* ---- pass three: the typed stack ---- */

static struct spot rendered_spot(void *arg, unsigned line, unsigned column)
{
	struct stack_private *p = arg;

	return source_map_find(&p->map, buf_str(&p->rendered), line, column);
}

static struct str unmask(const void *arg, struct arena *arena, struct str text)
{
	return mask_remove(arg, arena, text);
}

static bool read_typed(struct stack *stack, struct diags *diags)
{
	struct stack_private *p = stack->private;
	struct str text = p->settled.len ? buf_str(&p->settled) : buf_str(&p->rendered);
	AUTO_RELEASE(error) err = { 0 };
	struct yaml_limits limits = YAML_LIMITS_INIT;
	unsigned line, column;
	struct spot spot;

	limits.max_memory_bytes = MAX_MEMORY_BYTES;
	AUTO(yaml_stream) stream = yaml_stream_create(text, NULL, &limits);

	if (!yaml_stream_next(stream, &p->typed, &err)) {
		yaml_stream_place(stream, &line, &column);
		spot = rendered_spot(p, line, column);
		error_wrap(&err, "after templating");
		stack_add_error(diags, DIAG_ERROR, stack_place(stack, spot), "yaml", &err);
		return false;
	}
	return true;
}

/* A top-level key that the template pass swallowed: a trimming action glued it to a comment (W-04). */
static void warn_lost_keys(const struct stack *stack, struct diags *diags)
{
	const struct yaml_node *before = stack->private->header ? stack->private->header->root : NULL;
	const struct yaml_node *after = stack->private->typed ? stack->private->typed->root : NULL;
	AUTO_RELEASE(map) left = MAP_INIT(NULL);

	for (size_t i = 0; yaml_is_map(after) && i < after->map.n; i++)
		if (after->map.pairs[i].key->kind < YAML_SEQUENCE)
			map_set(&left, after->map.pairs[i].key->text, after->map.pairs[i].key);
	for (size_t i = 0; yaml_is_map(before) && i < before->map.n; i++) {
		const struct yaml_node *key = before->map.pairs[i].key;

		if (key->kind >= YAML_SEQUENCE || str_is(key->text, "project") || map_has(&left, key->text))
			continue;
		diags_add(diags, DIAG_WARNING, (struct place){ stack->config_path, key->line, key->column }, "lost-key",
			  "\"%.*s\" is gone after templating: an action that ends in \"-}}\" takes the line break "
			  "before it",
			  STR_ARG(key->text));
		diags_hint(diags, "end the last comment line above it with \"}}\" instead of \"-}}\"");
	}
}

/* What only the raw header knows for sure. */
struct header {
	struct stack_text project;
	struct stack_text_list env_files;
	struct stack_text_map namespace_patterns;
};

static void decode_typed(struct stack *stack, struct diags *diags)
{
	struct stack_private *p = stack->private;
	const struct header header = { stack->project, stack->env_files, stack->namespace_patterns };
	const struct decoder decoder = {
		.arena = p->arena, .diags = diags, .file = stack->config_path,
		.spot = rendered_spot, .spot_arg = p,
		.unknown_keys = true, .lenient = p->lenient,
		.unmask = p->masked ? unmask : NULL, .unmask_arg = &p->mask,
	};

	stack->env_files = (struct stack_text_list){ 0 };
	stack->namespace_patterns = stack->versions = stack->base_domain = (struct stack_text_map){ 0 };
	stack_decode(&decoder, &stack_shape, p->typed ? p->typed->root : NULL, stack);
	stack->project = header.project;
	stack->env_files = header.env_files;
	stack->namespace_patterns = header.namespace_patterns;
}

static bool load_typed(struct stack *stack, struct diags *diags)
{
	if (!read_typed(stack, diags))
		return false;
	decode_typed(stack, diags);
	warn_lost_keys(stack, diags);
	stack_finish(stack);
	stack_check(stack, diags);
	return true;
}

/* ---- all together ---- */

/* False: there is no stack at all. Values in it may still be wrong. */
static bool load(struct stack *stack, const struct stack_options *options, struct diags *diags)
{
	struct stack_private *p = stack->private;
	AUTO(arena) early = arena_create(); /* for contexts that are used up when this returns */
	struct context context;
	const struct mask *mask;

	if (!read_source(stack, options, diags) || (!read_header(stack, diags) && !(options->partial && p->header)))
		return false;
	p->guesses = !read_vars(stack, options, diags);
	if (p->guesses && !options->partial)
		return false;
	p->masked = mask_choose(stack, buf_str(&p->source), &p->mask);
	mask = p->masked ? &p->mask : NULL;
	render_header(stack, early, &context, mask, false);
	if (!find_namespace(stack, options->namespace, &context, diags))
		return false;
	render_header(stack, early, &context, mask, true);
	if (!run_template(stack, &context, diags) || !load_typed(stack, diags))
		return false;
	p->context = context_build(p->arena, stack, stack->namespace, NULL, true);
	return !p->guesses;
}

bool stack_load(const struct stack_options *options, struct stack **ret, struct diags *diags, struct error *err)
{
	AUTO(stack) stack = stack_create(options);
	bool usable = load(stack, options, diags), right = diags_check(diags, err);

	if (right || (usable && options->partial))
		*ret = GIVE(stack);
	return right;
}

/* ---- rendering again ---- */

bool stack_render_text(const struct stack *stack, const char *name, struct stack_text source, struct buf *out,
		       struct diags *diags, struct error *err)
{
	const struct stack_private *p = stack->private;
	struct lint lint = { stack, diags, stack_place(stack, source.at) };
	struct template_options options = stack_template_options(stack);
	AUTO_RELEASE(buf) text = { 0 };

	if (diags) {
		options.lint = on_lint;
		options.lint_arg = &lint;
	}
	if (!strstr(source.text, "{{")) {
		buf_adds(&text, source.text);
	} else if (!template_render(name, str_of(source.text), p->context.root, &options, &text, err)) {
		return false;
	}
	AUTO(arena) arena = p->masked ? arena_create() : NULL;

	buf_add_str(out, p->masked ? mask_remove(&p->mask, arena, buf_str(&text)) : buf_str(&text));
	return true;
}

static bool is_word_of(struct str text, const char *const *words)
{
	for (; *words; words++)
		if (str_ieq(text, str_of(*words)))
			return true;
	return false;
}

bool stack_when(const struct stack *stack, const char *name, struct stack_text when, bool blank_is_true, bool *ret_true,
		struct diags *diags, struct error *err)
{
	static const char *const no[] = { "false", "0", "no", NULL }, *const yes[] = { "true", "1", "yes", "on", NULL };
	AUTO_RELEASE(buf) out = { 0 };
	struct place place = stack_place(stack, when.at);

	*ret_true = true;
	if (is_blank(when.text))
		return true;
	if (!stack_render_text(stack, name, when, &out, diags, err))
		return false;
	struct str text = str_trim_unicode(buf_str(&out));

	*ret_true = text.len ? !is_word_of(text, no) : blank_is_true;
	if (!text.len || !*ret_true || is_word_of(text, yes))
		return true;
	if (!stack->private->lenient) {
		error_set(err, ERR_INVALID, "`when` gives \"%.*s\", which is neither true nor false", STR_ARG(text));
		return error_hint(err, "codexctl takes it for true; write true, 1, yes, on or false, 0, no");
	}
	if (diags) {
		diags_add(diags, DIAG_WARNING, place, "when",
			  "`when` gives \"%.*s\", which is neither true nor false; taken for true", STR_ARG(text));
	}
	return true;
}

/* ---- looking up ---- */

const struct stack_item *stack_find_item(const struct stack *stack, bool is_infra, const char *name)
{
	AUTO_FREE char *key = stack_fold_name(name);

	return map_get(is_infra ? &stack->private->infra : &stack->private->services, str_of(key));
}

const struct stack_environment *stack_find_environment(const struct stack *stack, const char *name)
{
	return map_get(&stack->private->environments, str_of(name));
}

static bool bad_from(const struct stack *stack, const struct stack_environment *env, const char *why, struct error *err)
{
	return error_set(err, ERR_INVALID, "%s:%u:%u: environment \"%s\" is from \"%s\", %s", stack->config_path,
			 env->from.at.line, env->from.at.column, env->name.text, env->from.text, why);
}

static bool circle(const struct stack *stack, const struct stack_environment *const *chain, size_t n, struct error *err)
{
	const struct stack_environment *last = chain[n - 1];
	AUTO_RELEASE(buf) names = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_addf(&names, "%s -> ", chain[i]->name.text);
	return error_set(err, ERR_INVALID, "%s:%u:%u: environments go round in a circle: %s%s", stack->config_path,
			 last->from.at.line, last->from.at.column, names.p, last->from.text);
}

/* The environment and its ancestors, nearest first. */
static bool find_chain(const struct stack *stack, const struct stack_environment *env,
		       const struct stack_environment **chain, size_t *ret_n, struct error *err)
{
	size_t n = 0;

	for (;;) {
		chain[n++] = env;
		if (is_blank(env->from.text))
			break;
		if (n == MAX_INHERITANCE)
			return bad_from(stack, env, "and this goes on too far", err);
		const struct stack_environment *parent = stack_find_environment(stack, env->from.text);

		if (!parent)
			return bad_from(stack, env, "which is not there", err);
		for (size_t i = 0; i < n; i++)
			if (chain[i] == parent)
				return circle(stack, chain, n, err);
		env = parent;
	}
	*ret_n = n;
	return true;
}

static void inherit(struct stack_environment *into, const struct stack_environment *env)
{
	into->name = env->name;
	into->at = env->at;
	into->from = env->from;
	if (*env->image_pull_policy.text)
		into->image_pull_policy = env->image_pull_policy;
	if (env->slot_bootstrap_infra.n)
		into->slot_bootstrap_infra = env->slot_bootstrap_infra;
	if (env->local_registry)
		into->local_registry = env->local_registry;
}

bool stack_resolve_environment(const struct stack *stack, const char *name, struct stack_environment *ret,
			       struct error *err)
{
	const struct stack_environment *env = stack_find_environment(stack, name);
	struct stack_environment all = { .image_pull_policy.text = "" };
	const struct stack_environment *chain[MAX_INHERITANCE];
	size_t n = 0;

	if (!env)
		return error_set(err, ERR_NOT_FOUND, "%s has no environment \"%s\"", stack->config_path, name);
	if (!find_chain(stack, env, chain, &n, err))
		return false;
	while (n)
		inherit(&all, chain[--n]);
	*ret = all;
	return true;
}

bool stack_namespace(const struct stack *stack, const char *env, long long slot, char **ret, struct error *err)
{
	AUTO(arena) arena = arena_create();
	struct stack other = *stack;
	struct context context;

	other.env = (char *)env;
	other.slot = slot;
	context = context_build(arena, &other, "", NULL, true);
	return stack_resolve_namespace(&other, &context, NULL, env, slot, ret, err);
}
