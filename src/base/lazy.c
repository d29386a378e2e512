#include "base/lazy.h"

#include <dlfcn.h>

#include "base/mem.h"

void *lazy_load(struct lazy_function *function)
{
	void *library = dlopen(function->library, RTLD_LAZY); /* never closed: it counts uses */
	void *address = library ? dlsym(library, function->name) : NULL;

	if (!address)
		mem_panic(127, dlerror());
	__atomic_store_n(&function->address, address, __ATOMIC_RELAXED);
	return address;
}

#ifdef __x86_64__
/* Comes from a LAZY function with its struct in r11, so it must keep everything that may hold an argument. */
__asm__(".text\n"
	".globl lazy_enter\n"
	".type lazy_enter, @function\n"
	"lazy_enter:\n"
	"	push %rdi; push %rsi; push %rdx; push %rcx; push %r8; push %r9; push %rax\n"
	"	sub $128, %rsp\n"
	"	movaps %xmm0, (%rsp); movaps %xmm1, 16(%rsp); movaps %xmm2, 32(%rsp); movaps %xmm3, 48(%rsp)\n"
	"	movaps %xmm4, 64(%rsp); movaps %xmm5, 80(%rsp); movaps %xmm6, 96(%rsp); movaps %xmm7, 112(%rsp)\n"
	"	mov %r11, %rdi\n"
	"	call lazy_load\n"
	"	mov %rax, %r11\n"
	"	movaps (%rsp), %xmm0; movaps 16(%rsp), %xmm1; movaps 32(%rsp), %xmm2; movaps 48(%rsp), %xmm3\n"
	"	movaps 64(%rsp), %xmm4; movaps 80(%rsp), %xmm5; movaps 96(%rsp), %xmm6; movaps 112(%rsp), %xmm7\n"
	"	add $128, %rsp\n"
	"	pop %rax; pop %r9; pop %r8; pop %rcx; pop %rdx; pop %rsi; pop %rdi\n"
	"	jmp *%r11\n");
#endif
