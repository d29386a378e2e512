/*
 * lazy: functions of shared libraries that are loaded at their first call.
 *
 * The program needs libcurl, OpenSSL and libmicrohttpd, and they need 25 more: three quarters of the time that a command
 * such as `render` would take. So the program is linked without them. For each function of theirs that is used, the
 * Makefile makes one line LAZY(name, "library's soname") (see lazy-stubs), which defines the function as a jump to an
 * address: first to what loads the library, then to the function itself. Callers notice nothing. Any thread.
 *
 * Only on x86-64; elsewhere, in the tests and with `make LAZY=` the libraries are linked as usual.
 */
#ifndef SLOTDECK_BASE_LAZY_H
#define SLOTDECK_BASE_LAZY_H

struct lazy_function {
	void *address; /* first, for the jump */
	const char *name, *library;
};

/* Loads the library and returns the function's address, which is also kept. A library or function that is missing ends
 * the program as the dynamic loader would have: one line that names it, exit code 127. */
void *lazy_load(struct lazy_function *function);

#define LAZY(name, library)                                                                                                      \
	void lazy_first_##name(void);                                                                                            \
	extern struct lazy_function lazy_##name;                                                                                 \
	struct lazy_function lazy_##name = { lazy_first_##name, #name, library };                                                \
	__asm__(".text\n"                                                                                                        \
		".globl " #name "\n"                                                                                             \
		".type " #name ", @function\n"                                                                                   \
		#name ":\n"                                                                                                      \
		"	jmp *lazy_" #name "(%rip)\n"                                                                             \
		"lazy_first_" #name ":\n"                                                                                        \
		"	lea lazy_" #name "(%rip), %r11\n"                                                                        \
		"	jmp lazy_enter\n")

#endif
