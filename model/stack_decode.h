/*
 * stack_decode: YAML nodes into structs, driven by tables of fields.
 *
 * What a field accepts is what yaml.v3 accepts for the Go type of the original (spec services-yaml 1): any scalar is a
 * string, null is the zero value, a null entry of a list is dropped. Findings name the path of the field, what was expected
 * and found, and the place. For the files model/stack*.c, context.c and the schema test alone.
 */
#ifndef SLOTDECK_MODEL_STACK_DECODE_H
#define SLOTDECK_MODEL_STACK_DECODE_H

#include <stddef.h>

#include "model/stack.h"

struct arena;
struct value_type;

enum field_type {
	FIELD_TEXT,	 /* struct stack_text */
	FIELD_NUMBER,	 /* struct stack_number */
	FIELD_FLAG,	 /* struct stack_flag */
	FIELD_TEXT_LIST, /* struct stack_text_list */
	FIELD_TEXT_MAP,	 /* struct stack_text_map */
	FIELD_STRUCT,	 /* the fields of shape, at offset */
	FIELD_OPTIONAL,	 /* pointer to a struct of shape, NULL when absent */
	FIELD_LIST,	 /* { T *items; size_t n; } of shape */
	FIELD_MAP,	 /* the same; the key goes to the element's shape->key_offset */
	FIELD_NODE	 /* struct yaml_node *, a mapping */
};

enum field_flag {
	FIELD_TEMPLATE = 1, /* rendered again when used: text from variables stays masked */
	FIELD_HEADER = 2,   /* read by the raw header pass */
	FIELD_UNUSED = 4,   /* codexctl reads it and does nothing with it */
};

struct shape;

struct field {
	const char *key;	   /* in services.yaml */
	const char *go;		   /* the name templates see; NULL: not seen */
	enum field_type type;
	unsigned flags;
	size_t offset;
	const struct shape *shape;
	const struct value_type *go_type; /* FIELD_LIST, FIELD_MAP, FIELD_OPTIONAL that templates see: the Go type */
};

#define NO_OFFSET ((size_t)-1)

struct shape {
	const char *what;    /* "a service": for messages */
	const struct value_type *type; /* of the struct; NULL when templates cannot see it */
	size_t size;
	size_t spot_offset, key_offset; /* or NO_OFFSET */
	const struct field *fields;
	size_t n;
	const char *const *old; /* keys of former versions, ending with NULL; or NULL */
};

extern const struct shape stack_shape;	 /* struct stack */
extern const struct shape codex_shape;	 /* struct stack_codex */
extern const struct shape storage_shape; /* struct stack_storage */

/* The Go types of .Codex and .Storage. */
extern const struct value_type stack_go_codex, stack_go_storage_pointer;

/* Rendered place to source place; arg is the decoder's. */
typedef struct spot spot_fn(void *arg, unsigned line, unsigned column);

struct decoder {
	struct arena *arena; /* texts that change are put here; nodes must live as long */
	struct diags *diags;
	const char *file;
	spot_fn *spot;	     /* NULL: places are source places already */
	void *spot_arg;
	unsigned only_flags; /* when not 0: fields of the root without one of these are skipped */
	bool unknown_keys;   /* report them */
	bool lenient;	     /* a cut float is a warning */
	struct str (*unmask)(const void *arg, struct arena *arena, struct str text); /* NULL: texts are final */
	const void *unmask_arg;
};

/* root may be NULL or null. Findings go to diags; what is wrong stays zero. target must be zeroed. */
void stack_decode(const struct decoder *decoder, const struct shape *shape, const struct yaml_node *root, void *target);

#endif
