#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_BLOCK_BYTES 16384

static void (*panic_hook)(void); /* written once, by main, before threads start */

void mem_set_panic_hook(void (*hook)(void))
{
	panic_hook = hook;
}

_Noreturn void mem_panic(int code, const char *message)
{
	if (panic_hook)
		panic_hook();
	(void)!write(STDERR_FILENO, "slotdeck: ", strlen("slotdeck: "));
	(void)!write(STDERR_FILENO, message, strlen(message));
	(void)!write(STDERR_FILENO, "\n", 1);
	_exit(code);
}

static _Noreturn void out_of_memory(void)
{
	mem_panic(1, "out of memory");
}

void *xmalloc(size_t size_bytes)
{
	void *p = malloc(size_bytes ? size_bytes : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xcalloc(size_t count, size_t size_bytes)
{
	void *p = calloc(count ? count : 1, size_bytes ? size_bytes : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xrealloc(void *p, size_t size_bytes)
{
	p = realloc(p, size_bytes ? size_bytes : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *xreallocarray(void *p, size_t count, size_t size_bytes)
{
	if (size_bytes && count > SIZE_MAX / size_bytes)
		out_of_memory();
	return xrealloc(p, count * size_bytes);
}

char *xmemdup0(const char *bytes, size_t len)
{
	char *copy = xmalloc(len + 1);

	if (len)
		memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

char *xstrdup(const char *text)
{
	return xmemdup0(text, strlen(text));
}

char *xasprintf(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		out_of_memory();
	return text;
}

void *mem_grow(void *items, size_t len, size_t *cap, size_t item_size_bytes)
{
	if (len < *cap)
		return items;
	*cap = *cap ? *cap * 2 : 8;
	return xreallocarray(items, *cap, item_size_bytes);
}

void mem_free_autop(void *p)
{
	free(*(void **)p);
}

struct block {
	struct block *next;
	_Alignas(max_align_t) char bytes[];
};

struct arena {
	struct block *blocks;
	char *at, *end;
	size_t size_bytes;
};

struct arena *arena_create(void)
{
	return xcalloc(1, sizeof(struct arena));
}

void arena_destroy(struct arena *arena)
{
	if (!arena)
		return;
	for (struct block *b = arena->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(arena);
}

static struct block *arena_add_block(struct arena *arena, size_t bytes)
{
	struct block *b = xmalloc(sizeof *b + bytes);

	b->next = arena->blocks;
	arena->blocks = b;
	arena->size_bytes += sizeof *b + bytes;
	return b;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
	const size_t align = _Alignof(max_align_t);
	size_t need = (size_bytes + align - 1) / align * align;

	if (need < size_bytes)
		out_of_memory();
	if (need > (size_t)(arena->end - arena->at)) {
		if (need > ARENA_BLOCK_BYTES / 4)
			return memset(arena_add_block(arena, need)->bytes, 0, need);
		arena->at = arena_add_block(arena, ARENA_BLOCK_BYTES)->bytes;
		arena->end = arena->at + ARENA_BLOCK_BYTES;
	}
	void *p = arena->at;

	arena->at += need;
	return memset(p, 0, need);
}

char *arena_strndup(struct arena *arena, const char *bytes, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

size_t arena_size_bytes(const struct arena *arena)
{
	return arena->size_bytes;
}
