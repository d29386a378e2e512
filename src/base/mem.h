/*
 * mem: allocation that cannot fail, and ownership that shows in the declaration.
 *
 * Running out of memory runs the hook (which restores the terminal), says so on stderr and ends the program with
 * status 1; every other failure is a struct error. Any thread.
 */
#ifndef SLOTDECK_BASE_MEM_H
#define SLOTDECK_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* Gives size_bytes of memory, undefined or zeroed; size 0 gives a valid pointer. */
void *xmalloc(size_t size_bytes) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size_bytes) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size_bytes) __attribute__((returns_nonnull));
void *xreallocarray(void *p, size_t count, size_t size_bytes) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
/* Gives a NUL-terminated copy of len bytes. */
char *xmemdup0(const char *bytes, size_t len) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* Runs before mem_panic() ends the program; main sets it once. It must be async-signal-safe. */
void mem_set_panic_hook(void (*hook)(void));
/* Ends the program with that code and one line on stderr: for want of memory, or of a library. */
_Noreturn void mem_panic(int code, const char *message);

/*
 * Grows *items (of *cap elements of item_size bytes) so that one more than len fits. Use the macro:
 *     LIST_PUSH(list->items, list->len, list->cap) = item;
 */
void *mem_grow(void *items, size_t len, size_t *cap, size_t item_size_bytes);
#define LIST_PUSH(items, len, cap)                                                                                     \
	(*({                                                                                                           \
		(items) = mem_grow((items), (len), &(cap), sizeof *(items));                                           \
		&(items)[(len)++];                                                                                     \
	}))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* AUTO(type) x = …: x is destroyed at the end of its scope; GIVE(x) hands it on. */
#define DEFINE_AUTO(type)                                                                                              \
	static inline void type##_autop(struct type **p)                                                               \
	{                                                                                                              \
		type##_destroy(*p);                                                                                    \
	}                                                                                                              \
	struct type
#define AUTO(type) __attribute__((cleanup(type##_autop))) struct type *
/* The same for types that live inside memory of the caller: AUTO_RELEASE(buf) b = BUF_INIT(1024); */
#define DEFINE_AUTO_RELEASE(type)                                                                                      \
	static inline void type##_autor(struct type *p)                                                                \
	{                                                                                                              \
		type##_release(p);                                                                                     \
	}                                                                                                              \
	struct type
#define AUTO_RELEASE(type) __attribute__((cleanup(type##_autor))) struct type
#define GIVE(p)                                                                                                        \
	({                                                                                                             \
		__typeof__(p) given_ = (p);                                                                            \
		(p) = NULL;                                                                                            \
		given_;                                                                                                \
	})

/* AUTO_FREE char *text = …: freed at the end of its scope. */
void mem_free_autop(void *p);
#define AUTO_FREE __attribute__((cleanup(mem_free_autop)))

/*
 * An arena: many small allocations that die together. Not thread-safe. Memory is aligned for any type and zeroed.
 */
struct arena;
struct arena *arena_create(void);
void arena_destroy(struct arena *arena);
DEFINE_AUTO(arena);
void *arena_alloc(struct arena *arena, size_t size_bytes) __attribute__((malloc, returns_nonnull));
/* Gives a NUL-terminated copy that lives as long as the arena. */
char *arena_strndup(struct arena *arena, const char *bytes, size_t len) __attribute__((malloc, returns_nonnull));
size_t arena_size_bytes(const struct arena *arena);

#endif
