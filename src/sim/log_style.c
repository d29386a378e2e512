#include "sim/log_style.h"

#include <stdio.h>
#include <string.h>

#include "sim/jx.h"

/*
 * A line is chosen, and its numbers are made, by n alone: the same line reads the same each time it is asked for. Rare lines
 * (one in `every`) are warnings and errors.
 */
struct style {
	const char *image; /* a part of its name */
	const char *first; /* lines 1, 2 … */
	const char *usual; /* the others, one of these */
	const char *rare;
	unsigned every;
	const char *last_words;
};

#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define RED "\033[31m"
#define DIM "\033[2m"
#define BOLD "\033[1m"
#define CYAN "\033[36m"
#define OFF "\033[0m"

static const struct style styles[] = {
	{ .image = "shop/web:",
	  .first = BOLD "web" OFF " starting\n" DIM "listening on" OFF " http://0.0.0.0:3000",
	  .usual = DIM "{clock}" OFF " " GREEN "200" OFF " GET / {ms}ms\n" DIM "{clock}" OFF " " GREEN "200" OFF " GET /products/{id} {ms}ms\n" DIM
		       "{clock}" OFF " " GREEN "200" OFF " POST /api/cart {ms}ms\n" DIM "{clock}" OFF " " CYAN "304" OFF " GET /assets/app.{id}.js 1ms",
	  .rare = DIM "{clock}" OFF " " YELLOW "404" OFF " GET /products/{id} 3ms\n" DIM "{clock}" OFF " " RED
		      "502" OFF " GET /api/products upstream api:8080 answered after {ms}00ms",
	  .every = 23,
	  .last_words = RED "error" OFF " Cannot find module '/app/server.js'" },
	{ .image = "shop/api:",
	  .first = "{\"time\":\"{time}\",\"level\":\"info\",\"msg\":\"reading settings\",\"file\":\"/etc/shop/api.json\"}\n"
		   "{\"time\":\"{time}\",\"level\":\"info\",\"msg\":\"connected\",\"database\":\"shop\",\"pool\":8}\n"
		   "{\"time\":\"{time}\",\"level\":\"info\",\"msg\":\"listening\",\"address\":\":8080\"}",
	  .usual = "{\"time\":\"{time}\",\"level\":\"info\",\"msg\":\"request\",\"method\":\"GET\",\"path\":\"/api/products\",\"status\":200,\"ms\":{ms},\"trace\":\"{id}\"}\n"
		   "{\"time\":\"{time}\",\"level\":\"info\",\"msg\":\"request\",\"method\":\"POST\",\"path\":\"/api/cart\",\"status\":201,\"ms\":{ms},\"trace\":\"{id}\"}\n"
		   "{\"time\":\"{time}\",\"level\":\"debug\",\"msg\":\"cache hit\",\"key\":\"product:{ms}\",\"trace\":\"{id}\"}",
	  .rare = "{\"time\":\"{time}\",\"level\":\"warn\",\"msg\":\"slow query\",\"query\":\"select * from orders where cart = $1\",\"ms\":{ms}00,\"trace\":\"{id}\"}\n"
		  "{\"time\":\"{time}\",\"level\":\"error\",\"msg\":\"payment refused\",\"order\":{n},\"reason\":\"card expired\",\"trace\":\"{id}\"}",
	  .every = 17,
	  .last_words = "{\"level\":\"info\",\"msg\":\"reading settings\",\"file\":\"/etc/shop/api.json\"}\n"
			"{\"level\":\"fatal\",\"msg\":\"env PAYMENT_API_KEY is not set\"}" },
	{ .image = "shop/worker:",
	  .first = "time={time} level=info msg=\"worker starts\" queue=orders",
	  .usual = "time={time} level=info msg=\"order packed\" order={n} ms={ms}\ntime={time} level=info msg=\"mail sent\" order={n} template=shipped\n"
		   "time={time} level=debug msg=\"queue polled\" waiting={ms}",
	  .rare = "time={time} level=warn msg=\"retry\" order={n} attempt=2 error=\"redis: connection reset\"\n"
		  "time={time} level=error msg=\"address not known\" order={n} postcode=00{ms}",
	  .every = 19 },
	{ .image = "shop/codex:",
	  .first = BOLD "agent" OFF " model gpt-5.3-codex, effort medium\n" DIM "reading AGENTS.md, services.yaml" OFF,
	  .usual = CYAN "exec" OFF " go test ./...\n" GREEN "ok" OFF "   shop/api/cart  0.{ms}s\n" CYAN "edit" OFF " services/api/cart/price.go (+{ms} -3)\n" DIM
		       "thinking: the rounding differs between cart and invoice" OFF "\n" CYAN "exec" OFF " git diff --stat",
	  .rare = RED "FAIL" OFF " shop/api/cart  TestRounding/line_{n}\n" YELLOW "warning" OFF " model answered 429, trying again in {ms} ms",
	  .every = 9,
	  .last_words = YELLOW "warning" OFF " model answered 429, trying again in 60000 ms\n" RED "error" OFF " gave up: the model answered 429 five times" },
	{ .image = "library/postgres:",
	  .first = "{time} [1] LOG:  starting PostgreSQL 16.4 on x86_64-pc-linux-gnu\n{time} [1] LOG:  listening on IPv4 address \"0.0.0.0\", port 5432\n"
		   "{time} [1] LOG:  database system is ready to accept connections",
	  .usual = "{time} [27] LOG:  checkpoint starting: time\n{time} [27] LOG:  checkpoint complete: wrote {ms} buffers (0.{ms}%)",
	  .rare = "{time} [{ms}] ERROR:  duplicate key value violates unique constraint \"orders_pkey\"\n"
		  "{time} [{ms}] DETAIL:  Key (id)=({n}) already exists.",
	  .every = 31 },
	{ .image = "library/redis:",
	  .first = "1:C {clock} * oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo\n1:M {clock} * Ready to accept connections tcp",
	  .usual = "1:M {clock} * DB saved on disk\n1:M {clock} * {ms} changes in 60 seconds. Saving...",
	  .rare = "1:M {clock} # WARNING Memory overcommit must be enabled!",
	  .every = 41 },
	{ .image = "ingress-nginx/controller:",
	  .first = "NGINX Ingress controller\nI{clock} Starting NGINX process",
	  .usual = "10.0.{ms}.17 - - [{time}] \"GET / HTTP/2.0\" 200 {ms}4 \"-\" \"Mozilla/5.0\" {n}\n"
		   "10.0.{ms}.23 - - [{time}] \"GET /api/products HTTP/2.0\" 200 {ms}81 \"-\" \"Mozilla/5.0\" {n}",
	  .rare = "{time} [error] 31#31: *{n} upstream timed out (110: Operation timed out) while reading response header",
	  .every = 37 },
};

static const struct style *style_of(const char *image)
{
	for (size_t i = 0; i < ARRAY_LEN(styles); i++)
		if (strstr(image, styles[i].image))
			return &styles[i];
	return NULL;
}

static uint64_t mix(int64_t n)
{
	uint64_t x = (uint64_t)n * 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	return x ^ (x >> 31);
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	for (const char *p = text; *p; p++)
		n += *p == '\n';
	return n;
}

static struct str nth_line(const char *text, size_t n)
{
	struct str rest = str_of(text), line = rest;

	for (size_t i = 0; i <= n; i++)
		if (!str_cut(&rest, '\n', &line)) {
			line = rest;
			break;
		}
	return line;
}

static void put_word(struct str word, const char *pod, int64_t n, int64_t at_ms, struct buf *out)
{
	json_t *time = jx_time(at_ms);
	const char *text = json_string_value(time);
	uint64_t chance = mix(n);

	if (str_is(word, "n"))
		buf_addf(out, "%lld", (long long)n);
	else if (str_is(word, "pod"))
		buf_adds(out, pod);
	else if (str_is(word, "ms"))
		buf_addf(out, "%d", (int)((chance >> 20) % 90) + 5);
	else if (str_is(word, "id"))
		buf_addf(out, "%08x", (unsigned)(chance >> 32));
	else if (str_is(word, "clock"))
		buf_addf(out, "%.8s", text + 11);
	else
		buf_addf(out, "%.*s.%03dZ", (int)strlen(text) - 1, text, (int)(at_ms % 1000));
	json_decref(time);
}

/* Words in braces are replaced; other braces (of JSON) stand for themselves. */
static void fill_in(struct str line, const char *pod, int64_t n, int64_t at_ms, struct buf *out)
{
	static const char *const words[] = { "n", "pod", "ms", "id", "clock", "time" };

	for (size_t i = 0; i < line.len; i++) {
		struct str rest = { line.p + i + 1, line.len - i - 1 }, word = { 0 };
		bool known = false;

		if (line.p[i] == '{' && str_cut(&rest, '}', &word))
			for (size_t w = 0; w < ARRAY_LEN(words); w++)
				known = known || str_is(word, words[w]);
		if (known) {
			put_word(word, pod, n, at_ms, out);
			i += word.len + 1;
		} else {
			buf_addc(out, line.p[i]);
		}
	}
}

bool log_style_line(const char *image, const char *pod, int64_t n, int64_t at_ms, struct buf *out)
{
	const struct style *s = style_of(image);
	const char *among;
	size_t which;

	if (!s)
		return false;
	if (n <= (int64_t)count_lines(s->first)) {
		fill_in(nth_line(s->first, (size_t)n - 1), pod, n, at_ms, out);
		return true;
	}
	among = mix(n) % s->every ? s->usual : s->rare;
	which = (mix(n) >> 16) % count_lines(among);
	fill_in(nth_line(among, which), pod, n, at_ms, out);
	return true;
}

const char *log_style_last_words(const char *image)
{
	const struct style *s = style_of(image);

	return s ? s->last_words : NULL;
}
