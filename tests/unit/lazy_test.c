#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#include "base/lazy.h"
#include "base/process.h"

#ifdef __x86_64__
LAZY(swprintf, "libc.so.6");

static void the_first_call_gets_all_its_arguments_and_so_does_the_second(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		wchar_t text[100];

		swprintf(text, 100, L"%d %d %d %d %d|%.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f", 1, 2, 3, 4, 5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6,
			 0.7, 0.8, 0.9);
		assert_int_equal(wcscmp(text, L"1 2 3 4 5|0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9"), 0);
	}
}

/* What a command maps is told by the dynamic loader itself, as to ldd. */
static void a_command_without_network_loads_no_network_library(void **state)
{
	static const char *const libraries[] = { "libcurl", "libssl", "libcrypto", "libmicrohttpd" };
	const char *const argv[] = { getenv("SLOTDECK_BIN"), "--version", NULL };
	const char *const env[] = { "LD_TRACE_LOADED_OBJECTS=1", NULL };
	AUTO_RELEASE(process_result) result = { 0 };
	AUTO_RELEASE(error) err = { 0 };

	(void)state;
	assert_true(process_run(&(struct process_options){ .argv = argv, .env = env, .max_output_bytes = 65536 }, NULL, &result, &err));
	assert_non_null(strstr(buf_cstr(&result.out), "libyaml"));
	for (size_t i = 0; i < ARRAY_LEN(libraries); i++)
		if (strstr(buf_cstr(&result.out), libraries[i]))
			fail_msg("%s is loaded at the start", libraries[i]);
}
#endif

static void a_function_is_found_in_its_library(void **state)
{
	struct lazy_function function = { .name = "cos", .library = "libm.so.6" };
	double (*found)(double) = (double (*)(double))lazy_load(&function);

	(void)state;
	assert_ptr_equal(function.address, (void *)found);
	assert_true(found(0) == 1.0);
}

static void what_is_missing_ends_the_program_and_is_named(void **state)
{
	static struct lazy_function missing[] = { { .name = "f", .library = "libnone.so.9" },
						  { .name = "nobody_has_this", .library = "libm.so.6" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
		const char *name = i == 0 ? missing[i].library : missing[i].name;
		char text[300] = "";
		int ends[2], status;

		assert_int_equal(pipe(ends), 0);
		pid_t pid = fork();
		if (pid == 0) {
			dup2(ends[1], STDERR_FILENO);
			lazy_load(&missing[i]);
			_exit(0);
		}
		close(ends[1]);
		for (ssize_t n, len = 0; (n = read(ends[0], text + len, sizeof text - 1 - (size_t)len)) > 0;)
			len += n;
		close(ends[0]);
		waitpid(pid, &status, 0);
		assert_int_equal(WEXITSTATUS(status), 127);
		assert_ptr_equal(strstr(text, "slotdeck: "), text);
		assert_non_null(strstr(text, name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef __x86_64__
		cmocka_unit_test(the_first_call_gets_all_its_arguments_and_so_does_the_second),
		cmocka_unit_test(a_command_without_network_loads_no_network_library),
#endif
		cmocka_unit_test(a_function_is_found_in_its_library),
		cmocka_unit_test(what_is_missing_ends_the_program_and_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
