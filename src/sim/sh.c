#include "sim/sh.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOT_FOUND 127
#define USAGE 2
#define DEPTH_MAX 8

struct words {
	char **items;
	size_t n, cap;
};

static void words_release(struct words *words)
{
	for (size_t i = 0; i < words->n; i++)
		free(words->items[i]);
	free(words->items);
	*words = (struct words){ 0 };
}
DEFINE_AUTO_RELEASE(words);

static void put(struct sh *sh, enum sh_output output, struct str bytes)
{
	if (output == SH_STDOUT && sh->redirection == SH_TO_STDERR)
		output = SH_STDERR;
	if (bytes.len && (output == SH_STDERR || sh->redirection != SH_NOWHERE))
		sh->io->write(output, bytes, sh->io->arg);
}

static void say(struct sh *sh, enum sh_output output, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void say(struct sh *sh, enum sh_output output, const char *fmt, ...)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	put(sh, output, buf_str(&text));
}

/* ---- files ---- */

static const struct {
	const char *folder, *name, *text; /* text NULL: the pod's name */
} files[] = {
	{ "/", "app", "" },
	{ "/", "etc", "" },
	{ "/", "root", "" },
	{ "/", "tmp", "" },
	{ "/app", "README", "This container is played: look around with help.\n" },
	{ "/app", "config.json", "{\"listen\":\":8080\",\"log\":\"info\"}\n" },
	{ "/etc", "hostname", NULL },
	{ "/etc", "os-release", "NAME=\"Simulation\"\nID=sim\nPRETTY_NAME=\"slotdeck simulation\"\n" },
	{ "/etc", "passwd", "root:x:0:0:root:/root:/bin/sh\n" },
};
static const char *const folders[] = { "/", "/app", "/etc", "/root", "/tmp" };

static char *absolute(const struct sh *sh, const char *path)
{
	if (*path == '/')
		return strlen(path) > 1 && ends_with(path, "/") ? xmemdup0(path, strlen(path) - 1) : xstrdup(path);
	if (!strcmp(path, "."))
		return xstrdup(sh->folder);
	return xasprintf("%s/%s", strcmp(sh->folder, "/") ? sh->folder : "", path);
}

static const char *find_folder(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (!strcmp(folders[i], path))
			return folders[i];
	return NULL;
}

/* ---- commands ---- */

typedef int command_fn(struct sh *sh, char *const *argv, size_t argc);

static int do_echo(struct sh *sh, char *const *argv, size_t argc)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);
	bool newline = argc < 2 || strcmp(argv[1], "-n") != 0;

	for (size_t i = newline ? 1 : 2; i < argc; i++)
		buf_addf(&out, "%s%s", argv[i], i + 1 < argc ? " " : "");
	if (newline)
		buf_addc(&out, '\n');
	put(sh, SH_STDOUT, buf_str(&out));
	return 0;
}

static int do_ls(struct sh *sh, char *const *argv, size_t argc)
{
	AUTO_FREE char *path = absolute(sh, argc > 1 && argv[argc - 1][0] != '-' ? argv[argc - 1] : ".");

	if (!find_folder(path)) {
		say(sh, SH_STDERR, "ls: %s: No such file or directory\n", path);
		return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		if (!strcmp(files[i].folder, path))
			say(sh, SH_STDOUT, "%s\n", files[i].name);
	return 0;
}

static int copy_input(struct sh *sh, size_t limit)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	while (limit && sh->io->read(&line, sh->io->arg) == SH_LINE) {
		size_t n = line.len < limit ? line.len : limit;

		put(sh, SH_STDOUT, (struct str){ line.p, n });
		limit -= n;
		buf_reset(&line);
	}
	return 0;
}

static int cat_file(struct sh *sh, const char *name)
{
	AUTO_FREE char *path = absolute(sh, name);

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_FREE char *full = xasprintf("%s/%s", strcmp(files[i].folder, "/") ? files[i].folder : "", files[i].name);

		if (strcmp(full, path) != 0)
			continue;
		if (files[i].text && !*files[i].text)
			break;
		say(sh, SH_STDOUT, files[i].text ? "%s" : "%s\n", files[i].text ? files[i].text : sh->host);
		return 0;
	}
	say(sh, SH_STDERR, "cat: can't open '%s': %s\n", name, find_folder(path) ? "Is a directory" : "No such file or directory");
	return 1;
}

static int do_cat(struct sh *sh, char *const *argv, size_t argc)
{
	int status = 0;

	if (argc < 2)
		return copy_input(sh, SIZE_MAX);
	for (size_t i = 1; i < argc; i++)
		status = cat_file(sh, argv[i]) ? 1 : status;
	return status;
}

static int do_head(struct sh *sh, char *const *argv, size_t argc)
{
	if (argc == 3 && !strcmp(argv[1], "-c"))
		return copy_input(sh, strtoul(argv[2], NULL, 10));
	say(sh, SH_STDERR, "head: usage: head -c BYTES\n");
	return USAGE;
}

static int do_wc(struct sh *sh, char *const *argv, size_t argc)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);
	size_t bytes = 0;

	(void)argv, (void)argc;
	while (sh->io->read(&line, sh->io->arg) == SH_LINE) {
		bytes += line.len;
		buf_reset(&line);
	}
	say(sh, SH_STDOUT, "%zu\n", bytes);
	return 0;
}

static int do_env(struct sh *sh, char *const *argv, size_t argc)
{
	(void)argv, (void)argc;
	for (size_t i = 0; i < sh->env.len; i++)
		say(sh, SH_STDOUT, "%s=%s\n", sh->env.entries[i].key, (const char *)sh->env.entries[i].value);
	return 0;
}

static int do_cd(struct sh *sh, char *const *argv, size_t argc)
{
	AUTO_FREE char *path = absolute(sh, argc > 1 ? argv[1] : "/root");
	const char *folder = find_folder(!strcmp(path, "/..") || ends_with(path, "/..") ? "/" : path);

	if (!folder) {
		say(sh, SH_STDERR, "sh: cd: can't cd to %s: No such file or directory\n", path);
		return USAGE;
	}
	sh->folder = folder;
	return 0;
}

static int do_pwd(struct sh *sh, char *const *argv, size_t argc)
{
	(void)argv, (void)argc;
	say(sh, SH_STDOUT, "%s\n", sh->folder);
	return 0;
}

static int do_hostname(struct sh *sh, char *const *argv, size_t argc)
{
	(void)argv, (void)argc;
	say(sh, SH_STDOUT, "%s\n", sh->host);
	return 0;
}

static int do_id(struct sh *sh, char *const *argv, size_t argc)
{
	(void)argc;
	say(sh, SH_STDOUT, "%s\n", !strcmp(argv[0], "id") ? "uid=0(root) gid=0(root)" : "root");
	return 0;
}

static int do_date(struct sh *sh, char *const *argv, size_t argc)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[64];

	(void)argv, (void)argc;
	gmtime_r(&now, &tm);
	strftime(text, sizeof text, "%a %b %e %H:%M:%S UTC %Y", &tm);
	say(sh, SH_STDOUT, "%s\n", text);
	return 0;
}

static int do_ps(struct sh *sh, char *const *argv, size_t argc)
{
	(void)argv, (void)argc;
	say(sh, SH_STDOUT, "PID   USER     TIME  COMMAND\n    1 root      0:04 %s\n   27 root      0:00 sh\n   31 root      0:00 ps\n", sh->process);
	return 0;
}

static int do_seq(struct sh *sh, char *const *argv, size_t argc)
{
	long last = argc > 1 ? strtol(argv[argc - 1], NULL, 10) : 0, first = argc > 2 ? strtol(argv[1], NULL, 10) : 1;
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	for (long n = first; n <= last; n++) {
		buf_addf(&out, "%ld\n", n);
		if (out.len < 16384 && n < last)
			continue;
		put(sh, SH_STDOUT, buf_str(&out));
		buf_reset(&out);
		if (!sh->io->sleep(0, sh->io->arg))
			return 130;
	}
	return 0;
}

static int do_sleep(struct sh *sh, char *const *argv, size_t argc)
{
	if (argc != 2) {
		say(sh, SH_STDERR, "sleep: usage: sleep SECONDS\n");
		return USAGE;
	}
	return sh->io->sleep((int64_t)(strtod(argv[1], NULL) * 1000), sh->io->arg) ? 0 : 130;
}

static int do_stty(struct sh *sh, char *const *argv, size_t argc)
{
	unsigned columns = 0, rows = 0;

	sh->io->size(&columns, &rows, sh->io->arg);
	if (!columns) {
		say(sh, SH_STDERR, "stty: standard input: Not a tty\n");
		return 1;
	}
	if (argc > 1 && !strcmp(argv[1], "size"))
		say(sh, SH_STDOUT, "%u %u\n", rows, columns);
	else
		say(sh, SH_STDOUT, "speed 38400 baud; rows %u; columns %u;\n", rows, columns);
	return 0;
}

static int do_true(struct sh *sh, char *const *argv, size_t argc)
{
	(void)sh, (void)argc;
	return strcmp(argv[0], "false") == 0;
}

static int do_exit(struct sh *sh, char *const *argv, size_t argc)
{
	sh->over = true;
	return argc > 1 ? atoi(argv[1]) & 255 : sh->status;
}

static int do_exec(struct sh *sh, char *const *argv, size_t argc)
{
	if (argc < 2)
		return 0;
	int status = sh_run(sh, argv + 1, argc - 1);

	sh->over = true;
	return status;
}

static int do_command(struct sh *sh, char *const *argv, size_t argc)
{
	if (argc != 3 || strcmp(argv[1], "-v") != 0 || !sh_knows(argv[2]))
		return 1;
	say(sh, SH_STDOUT, "/bin/%s\n", argv[2]);
	return 0;
}

static command_fn do_sh, do_help;

static const struct {
	const char *name;
	command_fn *run;
	bool builtin; /* of the shell only: no program of that name */
} commands[] = {
	{ "cat", do_cat, false },     { "cd", do_cd, true },	     { "command", do_command, true }, { "date", do_date, false },
	{ "echo", do_echo, false },   { "env", do_env, false },	     { "exec", do_exec, true },	      { "exit", do_exit, true },
	{ "false", do_true, false },  { "head", do_head, false },    { "help", do_help, true },	      { "hostname", do_hostname, false },
	{ "id", do_id, false },	      { "ls", do_ls, false },	     { "ps", do_ps, false },	      { "pwd", do_pwd, false },
	{ "seq", do_seq, false },     { "sh", do_sh, false },	     { "sleep", do_sleep, false },    { "stty", do_stty, false },
	{ "true", do_true, false },   { "wc", do_wc, false },	     { "whoami", do_id, false },
};

static int do_help(struct sh *sh, char *const *argv, size_t argc)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	(void)argv, (void)argc;
	buf_adds(&out, "played commands:");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		buf_addf(&out, " %s", commands[i].name);
	buf_addc(&out, '\n');
	put(sh, SH_STDOUT, buf_str(&out));
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool sh_knows(const char *command)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!commands[i].builtin && !strcmp(commands[i].name, base_name(command)))
			return true;
	return false;
}

int sh_run(struct sh *sh, char *const *argv, size_t argc)
{
	if (!argc)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, base_name(argv[0])))
			return commands[i].run(sh, argv, argc);
	say(sh, SH_STDERR, "sh: %s: not found\n", argv[0]);
	return NOT_FOUND;
}

/* ---- the language ---- */

static void add_variable(const struct sh *sh, struct str *rest, struct buf *word)
{
	size_t n = 0;
	bool braces = rest->len && rest->p[0] == '{';

	if (rest->len && rest->p[0] == '?') {
		buf_addf(word, "%d", sh->status);
		*rest = (struct str){ rest->p + 1, rest->len - 1 };
		return;
	}
	if (braces)
		*rest = (struct str){ rest->p + 1, rest->len - 1 };
	while (n < rest->len && (isalnum((unsigned char)rest->p[n]) || rest->p[n] == '_'))
		n++;
	AUTO_FREE char *name = xmemdup0(rest->p, n);
	const char *value = map_text(&sh->env, name);

	buf_adds(word, n ? (value ? value : "") : "$");
	n += braces && n < rest->len && rest->p[n] == '}';
	*rest = (struct str){ rest->p + n, rest->len - n };
}

/* One word, quotes taken off and variables put in. */
static char *take_word(const struct sh *sh, struct str *rest)
{
	struct buf word = BUF_INIT(0);
	char quote = 0;

	buf_adds(&word, "");
	while (rest->len) {
		char c = rest->p[0];

		if (!quote && (isspace((unsigned char)c) || strchr(";&|<>", c)))
			break;
		*rest = (struct str){ rest->p + 1, rest->len - 1 };
		if (c == quote) {
			quote = 0;
		} else if (!quote && (c == '\'' || c == '"')) {
			quote = c;
		} else if (c == '$' && quote != '\'') {
			add_variable(sh, rest, &word);
		} else if (c == '\\' && quote != '\'' && rest->len) {
			buf_addc(&word, rest->p[0]);
			*rest = (struct str){ rest->p + 1, rest->len - 1 };
		} else {
			buf_addc(&word, c);
		}
	}
	return buf_give(&word);
}

/* ">/dev/null", ">&2", "2>&1": only what it does to stdout is played. */
static void take_redirection(struct sh *sh, struct str *rest, struct words *words)
{
	bool of_errors = words->n && !strcmp(words->items[words->n - 1], "2");

	if (of_errors)
		free(words->items[--words->n]);
	if (!of_errors && str_starts(*rest, STR(">&2")))
		sh->redirection = SH_TO_STDERR;
	else if (!of_errors && rest->p[0] == '>')
		sh->redirection = SH_NOWHERE;
	while (rest->len && strchr("<>& ", rest->p[0]))
		*rest = (struct str){ rest->p + 1, rest->len - 1 };
	free(take_word(sh, rest));
}

static bool is_assignment(const char *word)
{
	const char *equals = strchr(word, '=');

	return equals && equals != word && !isdigit((unsigned char)*word);
}

static int run_words(struct sh *sh, struct words *words)
{
	size_t first = 0;

	for (; first < words->n && is_assignment(words->items[first]); first++) {
		const char *equals = strchr(words->items[first], '=');

		map_set(&sh->env, (struct str){ words->items[first], (size_t)(equals - words->items[first]) }, xstrdup(equals + 1));
	}
	return sh_run(sh, words->items + first, words->n - first);
}

static void run_text(struct sh *sh, struct str rest)
{
	AUTO_RELEASE(words) words = { 0 };
	bool skip = false; /* what `&&` or `||` leaves out */

	while (!sh->over) {
		while (rest.len && isspace((unsigned char)rest.p[0]) && rest.p[0] != '\n')
			rest = (struct str){ rest.p + 1, rest.len - 1 };
		char c = rest.len ? rest.p[0] : '\n';

		if (c == '#') {
			while (rest.len && rest.p[0] != '\n')
				rest = (struct str){ rest.p + 1, rest.len - 1 };
		} else if (c == '<' || c == '>') {
			take_redirection(sh, &rest, &words);
		} else if (!strchr("\n;&|", c)) {
			LIST_PUSH(words.items, words.n, words.cap) = take_word(sh, &rest);
		} else {
			bool both = rest.len > 1 && (c == '&' || c == '|') && rest.p[1] == c;

			if (words.n && !skip)
				sh->status = run_words(sh, &words);
			sh->redirection = SH_NONE;
			words_release(&words);
			skip = both && (c == '&' ? sh->status != 0 : sh->status == 0);
			if (!rest.len)
				return;
			rest = (struct str){ rest.p + 1 + both, rest.len - 1 - both };
		}
	}
}

static void run_lines(struct sh *sh, bool prompt)
{
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	while (!sh->over) {
		if (prompt)
			say(sh, SH_STDOUT, "%s # ", sh->folder);
		enum sh_read what = sh->io->read(&line, sh->io->arg);

		if (what == SH_END)
			return;
		if (what == SH_LINE)
			run_text(sh, buf_str(&line));
		else
			sh->status = 130;
		buf_reset(&line);
	}
}

static int do_sh(struct sh *sh, char *const *argv, size_t argc)
{
	struct sh inner = { .io = sh->io, .host = sh->host, .process = sh->process, .folder = sh->folder, .env = MAP_INIT(free) };
	unsigned columns = 0, rows = 0;
	const char *depth = map_text(&sh->env, "SHLVL");
	int level = depth ? atoi(depth) + 1 : 1;

	if (level > DEPTH_MAX) {
		say(sh, SH_STDERR, "sh: too many shells within each other\n");
		return 1;
	}
	for (size_t i = 0; i < sh->env.len; i++)
		map_set(&inner.env, str_of(sh->env.entries[i].key), xstrdup(sh->env.entries[i].value));
	map_set(&inner.env, STR("SHLVL"), xasprintf("%d", level));
	sh->io->size(&columns, &rows, sh->io->arg);
	if (argc > 2 && !strcmp(argv[1], "-c"))
		run_text(&inner, str_of(argv[2]));
	else
		run_lines(&inner, columns != 0);
	map_release(&inner.env);
	return inner.status;
}
