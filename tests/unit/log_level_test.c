#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "model/log_level.h"

#define NONE  LOG_LEVEL_NONE
#define TRACE LOG_LEVEL_TRACE
#define DEBUG LOG_LEVEL_DEBUG
#define INFO  LOG_LEVEL_INFO
#define WARN  LOG_LEVEL_WARN
#define ERROR LOG_LEVEL_ERROR
#define FATAL LOG_LEVEL_FATAL

struct want {
	const char *line;
	enum log_level level;
};

static void check_each_alone(const struct want *wants, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct log_level_state state = { 0 };
		enum log_level level = log_level_next(&state, str_of(wants[i].line));

		if (level != wants[i].level)
			fail_msg("level %d, not %d: %s", level, wants[i].level, wants[i].line);
	}
}

static void check_in_turn(const struct want *wants, size_t n)
{
	struct log_level_state state = { 0 };

	for (size_t i = 0; i < n; i++) {
		enum log_level level = log_level_next(&state, str_of(wants[i].line));

		if (level != wants[i].level)
			fail_msg("level %d, not %d: %s", level, wants[i].level, wants[i].line);
	}
}

static void lines_of_json_have_the_level_of_their_member(void **state)
{
	(void)state;
	static const struct want wants[] = {
		{ "{\"level\":\"warn\",\"ts\":1700000000.5,\"msg\":\"slow\"}", WARN },
		{ "{\"ts\":\"2026-01-01T00:00:00Z\", \"severity\": \"ERROR\", \"message\":\"x\"}", ERROR },
		{ "{\"name\":\"api\",\"hostname\":\"h\",\"pid\":1,\"level\":50,\"msg\":\"ERROR? no, 50\",\"v\":0}", ERROR },
		{ "{\"level\":30,\"time\":1700000000000,\"msg\":\"ok\"}", INFO },
		{ "{\"level\":20,\"msg\":\"x\"}", DEBUG },
		{ "{\"level\":60,\"msg\":\"x\"}", FATAL },
		{ "{\"lvl\":\"dbug\"}", DEBUG },
		{ "{\"levelname\": \"CRITICAL\"}", FATAL },
		{ "{\"log.level\":\"error\",\"message\":\"x\"}", ERROR },
		{ "{\"@t\":\"2026\",\"@mt\":\"x\",\"@l\":\"Warning\"}", WARN },
		{ "{\"version\":\"1.1\",\"host\":\"h\",\"level\":3}", ERROR },
		{ "{\"level\":7}", DEBUG },
		/* Members of members, and values, are not the level. */
		{ "{\"request\":{\"level\":\"error\"},\"msg\":\"level\"}", NONE },
		{ "{\"msg\":\"a \\\"level\\\":\\\"error\\\" b\",\"level\":\"info\"}", INFO },
		{ "{\"tags\":[\"level\",\"error\"],\"level\":\"info\"}", INFO },
		{ "{\"msg\":\"ERROR\"}", NONE },
		/* Cut off, or none at all. */
		{ "{\"msg\":\"x\",\"level\":\"err", ERROR },
		{ "{\"msg\":\"x\",\"level\":", NONE },
		{ "{\"msg\":\"x\\", NONE },
		{ "{", NONE },
	};

	check_each_alone(wants, ARRAY_LEN(wants));
}

static void words_of_common_loggers_are_known(void **state)
{
	(void)state;
	static const struct want wants[] = {
		{ "time=\"2026-01-01T00:00:00Z\" level=warning msg=\"slow\"", WARN },
		{ "level=info ts=2026 caller=main.go:1 msg=\"ERROR in text\"", INFO },
		{ "t=2026-01-01T00:00:00 lvl=eror msg=x", ERROR },
		{ "logger=x level=\"debug\" msg=x", DEBUG },
		{ "I0203 04:05:06.000007       1 main.go:3] started", INFO },
		{ "W0203 04:05:06.000007       1 main.go:3] slow", WARN },
		{ "E0203 04:05:06.000007       1 main.go:3] no", ERROR },
		{ "F0203 04:05:06.000007       1 main.go:3] no", FATAL },
		{ "2026-01-01 00:00:00.123  INFO 1 --- [main] c.e.App : Started", INFO },
		{ "00:00:00.123 [http-nio-8080-exec-1] ERROR c.e.App - failed", ERROR },
		{ "2026-01-01 00:00:00.123 UTC [12] FATAL:  database \"x\" does not exist", FATAL },
		{ "2026-01-01 00:00:00.123 UTC [12] LOG:  checkpoint starting: time", INFO },
		{ "2026/01/01 00:00:00 [error] 7#7: *1 open() failed", ERROR },
		{ "[Thu Jan 01 00:00:00 2026] [core:notice] [pid 1] resuming", INFO },
		{ "[2026-01-01 00:00:00.000][1][warning][main] [source/server.cc:1] x", WARN },
		{ "2026-01-01T00:00:00.000000Z\tinfo\tready", INFO },
		{ "2026-01-01T00:00:00.000Z\tERROR\tmain.go:1\tno", ERROR },
		{ "  2026-01-01T00:00:00Z  WARN crate::part: slow", WARN },
		{ "INFO[0000] started", INFO },
		{ "12:00PM WRN slow", WARN },
		{ "\033[90m12:00PM\033[0m \033[31mERR\033[0m no", ERROR },
		{ "\033[32minfo\033[39m: started", INFO },
		{ "fail: Microsoft.Hosting[0]", ERROR },
		{ "dbug: Microsoft.Hosting[0]", DEBUG },
		{ "INFO:     127.0.0.1:1 - \"GET / HTTP/1.1\" 200 OK", INFO },
		{ "fatal: env DB_DSN is not set", FATAL },
		{ "Error: Cannot find module 'x'", ERROR },
		{ "npm ERR! code ENOENT", ERROR },
		{ "SEVERE: no", ERROR },
		{ "[Nest] 1  - 01/01/2026, 12:00:00 AM     LOG [NestFactory] Starting", INFO },
		{ "<TRACE> x", TRACE },
		{ "java.lang.IllegalStateException: no", ERROR },
		{ "KeyError", ERROR },
		{ "panic: assignment to entry in nil map", FATAL },
		{ "1:M 03 Feb 2026 04:05:06.007 # Warning: no backlog", WARN },
		{ "12:S 03 Feb 2026 04:05:06.007 * Ready to accept connections", INFO },
		{ "1:C 03 Feb 2026 04:05:06.007 - 0 clients connected", DEBUG },
	};

	check_each_alone(wants, ARRAY_LEN(wants));
}

static void words_in_the_midst_of_a_message_are_no_level(void **state)
{
	(void)state;
	static const struct want wants[] = {
		{ "127.0.0.1 - - [01/Jan/2026:00:00:00 +0000] \"GET /error HTTP/1.1\" 200 12", NONE },
		{ "handled 3 requests without an error so far", NONE },
		{ "status=ERROR code=3", NONE },
		{ "warning lights are off", NONE },
		{ "information about /var/log/fatal.log", NONE },
		{ "one two three four five six seven eight ERROR", NONE },
		{ "MIRROR ERRORS", NONE },
		{ "log: of the day", NONE },
		{ "E12 x", NONE },
		{ "", NONE },
		{ "\033[", NONE },
		{ "   ", NONE },
	};

	check_each_alone(wants, ARRAY_LEN(wants));
}

static void what_follows_a_line_has_its_level(void **state)
{
	(void)state;
	static const struct want java[] = {
		{ "10:00:00 ERROR c.e.App - failed", ERROR },
		{ "java.lang.IllegalStateException: no", ERROR },
		{ "\tat c.e.App.run(App.java:3)", ERROR },
		{ "Caused by: java.io.IOException: gone", ERROR },
		{ "\t... 3 more", ERROR },
		{ "10:00:01 INFO c.e.App - going on", INFO },
		{ "plain words", NONE },
		{ "\tindented", NONE },
	};
	static const struct want python[] = {
		{ "Traceback (most recent call last):", ERROR },
		{ "  File \"app.py\", line 3, in main", ERROR },
		{ "    raise Stop(\"ERROR: no\")", ERROR },
		{ "", ERROR },
		{ "app.Stop", ERROR },
		{ "serving on port 80", NONE },
	};
	static const struct want go[] = {
		{ "panic: runtime error: index out of range [1] with length 1", FATAL },
		{ "", FATAL },
		{ "goroutine 1 [running]:", FATAL },
		{ "main.main()", FATAL },
		{ "\t/app/main.go:3 +0x1d", FATAL },
		{ "exit status 2", FATAL },
		{ "listening", NONE },
		{ "goroutine 7 [running]:", ERROR },
	};
	static const struct want postgres[] = {
		{ "2026-01-01 00:00:00 UTC [1] ERROR:  relation \"x\" does not exist", ERROR },
		{ "2026-01-01 00:00:00 UTC [1] STATEMENT:  SELECT * FROM x", ERROR },
		{ "2026-01-01 00:00:00 UTC [1] LOG:  ready", INFO },
		{ "2026-01-01 00:00:00 UTC [1] HINT:  none", INFO },
	};

	check_in_turn(java, ARRAY_LEN(java));
	check_in_turn(python, ARRAY_LEN(python));
	check_in_turn(go, ARRAY_LEN(go));
	check_in_turn(postgres, ARRAY_LEN(postgres));
}

static void bytes_of_any_kind_have_some_level(void **state)
{
	(void)state;
	static const char parts[] = "{\"level\":[]}\\,= \t\033[mERROR:warn\"30E0203 'x";
	struct log_level_state levels = { 0 };
	unsigned seed = 1;

	for (int round = 0; round < 20000; round++) {
		size_t len = (seed = seed * 1103515245 + 12345) >> 16 & 63;
		char *text = malloc(len + !len); /* exactly as long as it is: the sanitizer sees reading beyond it */

		for (size_t i = 0; i < len; i++)
			text[i] = parts[((seed = seed * 1103515245 + 12345) >> 16) % (sizeof parts - 1)];
		assert_true(log_level_next(&levels, (struct str){ text, len }) < LOG_LEVEL_COUNT);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_json_have_the_level_of_their_member),
		cmocka_unit_test(words_of_common_loggers_are_known),
		cmocka_unit_test(words_in_the_midst_of_a_message_are_no_level),
		cmocka_unit_test(what_follows_a_line_has_its_level),
		cmocka_unit_test(bytes_of_any_kind_have_some_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
