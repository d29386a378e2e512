/*
 * The real program under random keys: single ones, sequences and fragments of them, the mouse, pastes, other alphabets, resizes. Whatever
 * they do, each request that changes the cluster follows a question on the screen that names it, one outside of the slots follows the typed
 * name as well, and the program ends with the terminal as it was. RANDOM_KEYS (20,000) says how many, RANDOM_SEED where the dice begin; a
 * failure names its seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "pty_program.h"
#include "sim/sim.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEYS	   4000
#define GROWTH_MIB 2048 /* what was freed is kept back for a while */
#else
#define KEYS	   20000
#define GROWTH_MIB 24
#endif
#define KEYS_PER_CLUSTER 4000
#define BOX_COLS	 76
#define COLS		 120
#define ROWS		 36

/* One question that was on the screen. */
struct question {
	char *title, *text; /* without blanks */
	bool wants_word, has_word;
	struct buf answered; /* "METHOD path\n" of the requests that it stands for */
};

struct play {
	struct sim *sim;
	struct pty pty;
	char folder[32];
	uint64_t dice;
	unsigned long keys, runs, writes;
	bool asks, waits, types_word; /* now */
	char word[128]; /* that is asked for now; "": y */
	struct question *questions;
	size_t nquestions, questions_cap;
	unsigned long judged; /* requests of the log */
	long young_kib;
};

static uint64_t roll(struct play *p, uint64_t below)
{
	p->dice ^= p->dice << 13, p->dice ^= p->dice >> 7, p->dice ^= p->dice << 17; /* xorshift64 */
	return (p->dice >> 11) % below;
}

/* ---- what is asked ---- */

static uint32_t rune_at(const struct pty *pty, int row, int col)
{
	VTermScreenCell cell;

	if (!vterm_screen_get_cell(vterm_obtain_screen(pty->vterm), (VTermPos){ row, col }, &cell))
		return 0;
	return cell.chars[0];
}

/* Inside of the box from its column on; blanks stay out. */
static void add_row(const struct pty *pty, int row, int col, int cols, bool with_blanks, struct buf *out)
{
	for (int c = col + 1; c < col + cols - 1; c++) {
		uint32_t rune = rune_at(pty, row, c);

		if ((rune && rune != ' ' && rune != 0x2500) || with_blanks)
			buf_add_rune(out, rune ? rune : ' ');
	}
}

/* The row of the question when a box is on the screen, and the first row of the box; -1: none is. */
static int find_box(const struct pty *pty, int col, int *ret_top)
{
	for (int row = 1; row + 1 < pty->rows; row++) {
		if (rune_at(pty, row, col + 2) != 'T' || rune_at(pty, row, col + 3) != 'y' || rune_at(pty, row, col) != 0x2502 || rune_at(pty, row + 1, col) != 0x2514)
			continue;
		for (*ret_top = row; *ret_top >= 0 && rune_at(pty, *ret_top, col) == 0x2502;)
			--*ret_top;
		if (*ret_top >= 0 && rune_at(pty, *ret_top, col) == 0x250c)
			return row;
	}
	return -1;
}

/* "Type web, then Enter: we" */
static void read_word(struct play *p, struct question *q, char *line)
{
	char *begin = strstr(line, "Type "), *end = begin ? strstr(begin, ", then Enter:") : NULL;

	*p->word = '\0';
	q->wants_word = end != NULL;
	if (!end)
		return;
	begin += strlen("Type ");
	*end = '\0';
	char *field = end + strlen(", then Enter:");

	field += strspn(field, " ");
	snprintf(p->word, sizeof p->word, "%s", begin);
	q->has_word = q->has_word || strncmp(field, begin, strlen(begin)) == 0;
}

static void look(struct pty *pty, void *arg)
{
	struct play *p = arg;
	int cols = pty->cols < BOX_COLS ? pty->cols : BOX_COLS, col = (pty->cols - cols) / 2, top, row = find_box(pty, col, &top);
	AUTO_RELEASE(buf) title = BUF_INIT(0);
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	AUTO_RELEASE(buf) line = BUF_INIT(0);
	bool asked = p->asks;

	p->asks = row >= 0;
	if (!p->asks)
		return;
	add_row(pty, top, col, cols, false, &title);
	for (int r = top + 1; r < row; r++)
		add_row(pty, r, col, cols, false, &text);
	add_row(pty, row, col, cols, true, &line);
	if (!asked || strcmp(p->questions[p->nquestions - 1].title, buf_cstr(&title)) != 0)
		LIST_PUSH(p->questions, p->nquestions, p->questions_cap) = (struct question){ .title = xstrdup(buf_cstr(&title)), .text = xstrdup(""), .answered = BUF_INIT(0) };
	struct question *q = &p->questions[p->nquestions - 1];

	if (strlen(buf_cstr(&text)) > strlen(q->text)) {
		free(q->text);
		q->text = xstrdup(buf_cstr(&text));
	}
	AUTO_FREE char *last = buf_give(&line);

	read_word(p, q, last);
}

/* ---- what was sent ---- */

static void squeeze(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from != ' ')
			*to++ = *from;
	*to = '\0';
}

/* The object's name in a path of the API, without its subresource. */
static char *name_in(const char *path)
{
	static const char *const subresources[] = { "/scale", "/status", "/exec", "/eviction" };
	size_t len = strlen(path);

	for (size_t i = 0; i < ARRAY_LEN(subresources); i++)
		if (ends_with(path, subresources[i]))
			len -= strlen(subresources[i]);
	AUTO_FREE char *whole = xmemdup0(path, len);

	return xstrdup(strrchr(whole, '/') + 1);
}

/* What a slot is made of: its namespace and its record. */
static bool is_of_a_slot(const char *path)
{
	static const char digits[] = "123569"; /* of the demo, environment ai */

	for (const char *d = digits; *d; d++) {
		AUTO_FREE char *namespace = xasprintf("/namespaces/shop-dev-%c", *d), *record = xasprintf("/configmaps/codex-env-%c", *d);
		const char *at = strstr(path, namespace);

		if ((at && (at[strlen(namespace)] == '/' || !at[strlen(namespace)])) || ends_with(path, record))
			return true;
	}
	return false;
}

/* Whether the question stands for that request: it lists it, or (when the list did not fit) names the object. Each only once. */
static bool stands_for(struct question *q, const char *method, const char *path)
{
	AUTO_FREE char *request = xasprintf("%s %s", method, path), *line = xasprintf("%s\n", request), *name = name_in(path);

	if (strstr(buf_cstr(&q->answered), line) || (!is_of_a_slot(path) && !q->has_word))
		return false;
	squeeze(request);
	if (!strstr(q->text, request) && !strstr(q->title, name) && !strstr(q->text, name))
		return false;
	buf_adds(&q->answered, line);
	return true;
}

/* "Applytoslot2" stands for all that is applied there. */
static bool applies_to(const struct question *q, const char *path)
{
	static const struct {
		const char *title, *namespace;
	} places[] = { { "Applytoslot1", "shop-dev-1" }, { "Applytoslot2", "shop-dev-2" }, { "Applytoslot3", "shop-dev-3" },
		       { "Applytoslot4", "shop-ai-staging" }, { "Applytoslot5", "shop-dev-5" }, { "Applytoslot6", "shop-dev-6" }, { "Applytoslot9", "shop-dev-9" },
		       { "Applytodev", "shop-dev" }, { "Applytoai-staging", "shop-ai-staging" } };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		AUTO_FREE char *inside = xasprintf("/namespaces/%s/", places[i].namespace), *itself = xasprintf("/namespaces/%s", places[i].namespace);

		if (strcmp(q->title, places[i].title) == 0 && (strstr(path, inside) || ends_with(path, itself)))
			return is_of_a_slot(path) || q->has_word;
	}
	return false;
}

static void judge(struct play *p, const json_t *request)
{
	const char *method = json_string_value(json_object_get(request, "method")), *path = json_string_value(json_object_get(request, "path"));

	if (strcmp(method, "GET") == 0 || strstr(json_string_value(json_object_get(request, "query")), "dryRun") || strstr(path, "/selfsubject"))
		return;
	p->writes++;
	for (size_t i = p->nquestions; i-- > 0;)
		if (applies_to(&p->questions[i], path) || stands_for(&p->questions[i], method, path))
			return;
	for (size_t i = p->nquestions > 5 ? p->nquestions - 5 : 0; i < p->nquestions; i++)
		print_error("asked: %s: %s%s\n", p->questions[i].title, p->questions[i].text, p->questions[i].has_word ? " (word typed)" : "");
	fail_msg("nothing on the screen asked for %s %s", method, path);
}

static void judge_requests(struct play *p)
{
	AUTO_FREE char *log = sim_requests(p->sim);
	char *rest = log, *line;
	unsigned long number = 0;

	while ((line = strsep(&rest, "\n"))) {
		if (!*line || number++ < p->judged)
			continue;
		json_t *request = json_loads(line, 0, NULL);

		assert_non_null(request);
		judge(p, request);
		json_decref(request);
		p->judged++;
	}
}

/* ---- keys ---- */

static const char *one_of(struct play *p, const char *const *keys, size_t n)
{
	return keys[roll(p, n)];
}

static const char *random_place(struct play *p)
{
	static const char *const keys[] = { "1", "2", "3", "4", "5", "6", "3j\r", "3jj\r", "2jj", "6j", ":pods\r", ":deployments\r", ":statefulsets\r", ":secrets\r\rb",
					    ":nodes\r", ":cronjobs\r", ":api\r", "/slot 2\r", "/web\r", "/\025\r", "exit\r", ":scale\r", "a\r", "aj\r", "ajj\r" };

	return one_of(p, keys, ARRAY_LEN(keys));
}

static const char *random_sequence(struct play *p)
{
	static const char *const keys[] = { "\033OA", "\033OB", "\033OC", "\033OD", "\033[A", "\033[B", "\033OH", "\033OF", "\033[5~", "\033[6~", "\033[Z", "\033[2~", "\033[3~",
					    "\033OP", "\033OQ", "\033OR", "\033OS", "\033[15~", "\033[17~", "\033[18~", "\033[19~", "\033[20~", "\033[24~", "\033", "\r", "\t",
					    "\033[1;5A", "\033[?1;2c", "\033[I", "\033[M !!", "\0331", "\033x" };

	return one_of(p, keys, ARRAY_LEN(keys));
}

static const char *random_fragment(struct play *p)
{
	static const char *const keys[] = { "\033[", "\033O", "\033[<", "\033[<0;12", "\033[<0;5;3", "\033[<99999;99999;99999M", "\033[200", "\033[201~", "\033]52;c;", "\033P+q",
					    "\033[1;", "\xff", "\xd0", "\xe4\xb8", "\xf0\x9f", "\xc0\x80", "\033[38;5;1m", "\033[999999999999B", "\033[M" };

	return one_of(p, keys, ARRAY_LEN(keys));
}

/* A person waits for the question that such a key brings, most of the time. */
static const char *random_change(struct play *p)
{
	static const char *const keys[] = { "R", "R", "D", "U", "A", "A", "X", "c", "К", "В", "Ф" };

	p->waits = roll(p, 3) != 0;
	return one_of(p, keys, ARRAY_LEN(keys));
}

static void add_mouse(struct play *p, struct buf *out)
{
	static const int buttons[] = { 0, 0, 0, 2, 32, 34, 64, 65, 66, 128 };

	buf_addf(out, "\033[<%d;%d;%d%c", buttons[roll(p, ARRAY_LEN(buttons))], (int)roll(p, COLS + 10), (int)roll(p, ROWS + 4), roll(p, 3) ? 'M' : 'm');
}

/* Some leave the program, which takes time to come again: seldom. */
static void add_character(struct play *p, struct buf *out)
{
	char c = (char)(roll(p, 8) ? 33 + roll(p, 94) : 1 + roll(p, 31));

	if (c == 26 || (strchr("qQ\003", c) && roll(p, 4)))
		c = 'j'; /* Ctrl-Z has tests of its own */
	buf_addc(out, c);
}

static void add_random(struct play *p, struct buf *out)
{
	uint64_t kind = roll(p, 100);

	if (kind < 36)
		add_character(p, out);
	else if (kind < 56)
		buf_adds(out, random_sequence(p));
	else if (kind < 68)
		buf_adds(out, random_place(p));
	else if (kind < 78)
		buf_adds(out, random_change(p));
	else if (kind < 84)
		buf_add_rune(out, (uint32_t)(0x410 + roll(p, 64)));
	else if (kind < 92)
		add_mouse(p, out);
	else if (kind < 97)
		buf_adds(out, random_fragment(p));
	else if (kind < 98)
		buf_adds(out, "世👨‍👩‍👧é\u202e");
	else
		buf_addf(out, "\033[200~%s%s%s", random_place(p), random_change(p), roll(p, 8) ? "y\r\033[201~" : "");
}

static void add_answer(struct play *p, struct buf *out)
{
	p->waits = *p->word; /* until it can be read in its field */
	if (!*p->word)
		buf_adds(out, roll(p, 4) ? "y" : "н");
	else if ((p->types_word = roll(p, 4)))
		buf_adds(out, p->word);
	else
		buf_addf(out, "%.*s\r", (int)roll(p, strlen(p->word)), p->word);
}

/* ---- the play ---- */

static long resident_kib(pid_t pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/statm", (int)pid);
	long pages = 0;
	FILE *file = fopen(path, "r");

	if (file) {
		if (fscanf(file, "%*d %ld", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void begin_run(struct play *p)
{
	AUTO_FREE char *kubeconfig = xasprintf("%s/kubeconfig", p->folder);
	const char *const argv[] = { NULL, "--kubeconfig", kubeconfig, NULL };

	pty_start(&p->pty, &(struct pty_options){ .cols = COLS, .rows = ROWS, .argv = argv, .folder = p->folder });
	pty_wait_for(&p->pty, "[1 Envs]");
	p->pty.look = look;
	p->pty.lends = true;
	p->pty.look_arg = p;
	p->asks = false;
	p->young_kib = 0;
	p->runs++;
}

static void end_run(struct play *p)
{
	long kib = resident_kib(p->pty.pid);

	if (p->young_kib && kib > p->young_kib + GROWTH_MIB * 1024)
		fail_msg("it grew from %ld to %ld KiB", p->young_kib, kib);
	kill(p->pty.pid, SIGTERM);
	int status = pty_finish(&p->pty);

	if (!WIFEXITED(status) || (WEXITSTATUS(status) && WEXITSTATUS(status) != 128 + SIGTERM)) {
		size_t tail = p->pty.output.len > 4000 ? p->pty.output.len - 4000 : 0;

		fwrite(p->pty.output.p + tail, 1, p->pty.output.len - tail, stderr); /* of a sanitizer, perhaps */
		fail_msg("it ended with wait status %d", status);
	}
	assert_true(pty_modes_are_restored(&p->pty));
	assert_true(str_find(buf_str(&p->pty.output), STR("\033[?1049l")) >= 0);
	pty_check_repertoire(&p->pty);
	pty_release(&p->pty);
}

static void wait_quiet(struct play *p, int quiet_ms)
{
	for (size_t before = SIZE_MAX; before != p->pty.output.len;) {
		before = p->pty.output.len;
		pty_pump_for(&p->pty, quiet_ms);
	}
}

/* Nothing may be on its way when the size changes: what is drawn for one size cannot be read at another. (One column: libvterm 0.3
 * breaks off when a shell writes a wide character there.) */
static void random_resize(struct play *p)
{
	static const struct {
		int cols, rows;
	} sizes[] = { { 40, 10 }, { 80, 24 }, { 20, 4 }, { 200, 60 }, { 2, 2 }, { 7, 50 }, { COLS, ROWS }, { COLS, ROWS }, { COLS, ROWS } };
	uint64_t i = roll(p, ARRAY_LEN(sizes));

	wait_quiet(p, 30);
	pty_resize(&p->pty, sizes[i].cols, sizes[i].rows);
	wait_quiet(p, 50);
}

/* A word that was typed is read before Enter follows, however slow the machine is. */
static void wait_for_word(struct play *p)
{
	for (int i = 0; i < 100 && p->types_word && p->asks && !p->questions[p->nquestions - 1].has_word; i++)
		wait_quiet(p, 20);
	p->types_word = false;
}

static void play(struct play *p, unsigned long keys)
{
	AUTO_RELEASE(buf) out = BUF_INIT(0);

	begin_run(p);
	for (unsigned long i = 1; i <= keys; i++) {
		buf_reset(&out);
		if (p->asks && roll(p, 2))
			add_answer(p, &out);
		else if (p->asks && *p->word && roll(p, 2))
			buf_addc(&out, '\r');
		else
			add_random(p, &out);
		pty_type(&p->pty, buf_cstr(&out));
		if (!pty_settle(&p->pty)) {
			end_run(p);
			begin_run(p);
		}
		pty_pump_for(&p->pty, 1);
		if (p->waits || (p->asks && *p->word)) /* the word may come by a paste, too, and is read before the next key */
			wait_quiet(p, 20);
		wait_for_word(p);
		p->waits = false;
		if (i % 256 == 0)
			random_resize(p);
		if (i % 500 == 0) {
			judge_requests(p);
			p->young_kib = p->young_kib ? p->young_kib : resident_kib(p->pty.pid);
		}
	}
	end_run(p);
	judge_requests(p);
	p->keys += keys;
}

static void begin_cluster(struct play *p)
{
	AUTO_RELEASE(error) err = { 0 };

	snprintf(p->folder, sizeof p->folder, "/tmp/random-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	setenv("HOME", p->folder, 1);
	setenv("XDG_STATE_HOME", p->folder, 1);
	AUTO_FREE char *kubeconfig = xasprintf("%s/kubeconfig", p->folder);

	p->sim = sim_start(&(struct sim_options){ .scenario = "demo", .kubeconfig = kubeconfig, .speed = 4 }, &err);
	if (!p->sim || !sim_demo_write(p->folder, &err))
		fail_msg("%s", err.message);
	p->judged = 0;
}

static void end_cluster(struct play *p)
{
	AUTO_FREE char *command = xasprintf("rm -rf %s", p->folder);

	sim_stop(p->sim);
	for (size_t i = 0; i < p->nquestions; i++) {
		free(p->questions[i].title);
		free(p->questions[i].text);
		buf_release(&p->questions[i].answered);
	}
	free(p->questions);
	p->questions = NULL;
	p->nquestions = p->questions_cap = 0;
	assert_int_equal(system(command), 0);
}

static unsigned long number_of(const char *variable, unsigned long otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

static void random_keys_change_only_what_was_asked_for_by_name(void **state)
{
	static const char *const commands[] = { "EDITOR", "VISUAL", "BROWSER", "PAGER" };
	unsigned long keys = number_of("RANDOM_KEYS", KEYS), seed = number_of("RANDOM_SEED", 1), asked = 0;
	struct play p = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		setenv(commands[i], "true", 1);
	while (p.keys < keys) {
		unsigned long some = keys - p.keys < KEYS_PER_CLUSTER ? keys - p.keys : KEYS_PER_CLUSTER;

		p.dice = seed++ * UINT64_C(0x9E3779B97F4A7C15) | 1;
		print_message("RANDOM_SEED=%lu RANDOM_KEYS=%lu\n", seed - 1, some);
		begin_cluster(&p);
		play(&p, some);
		asked += p.nquestions;
		print_message("%lu keys, %lu starts, %lu questions, %lu changes\n", p.keys, p.runs, asked, p.writes);
		end_cluster(&p);
	}
	assert_true(keys < 4000 || p.writes > 0); /* otherwise nothing was shown */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_keys_change_only_what_was_asked_for_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
