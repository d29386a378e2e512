/*
 * value: what a Go template can see, with Go's kinds and type names.
 *
 * Templates tell a string from an int, a nil pointer from an absent key and `config.PVCSpec` from `*config.PVCSpec`,
 * and say so in their errors; so every value carries a type descriptor that names itself as Go's %T does. Descriptors
 * are `static const`: write one per Go type, with fields in Go's order.
 *
 *     static const struct value_field pvc_fields[] = {
 *             { "Size", &value_type_string }, { "StorageClass", &value_type_string }, { "AccessModes",
 * &value_type_strings },
 *     };
 *     static const struct value_type type_pvc = VALUE_TYPE_STRUCT("config.PVCSpec", pvc_fields);
 *     static const struct value_type type_pvc_pointer = VALUE_TYPE_POINTER("*config.PVCSpec", &type_pvc);
 *
 *     struct value *f = value_fields(arena, &type_pvc);          (all zero values, one per field)
 *     f[PVC_SIZE] = value_text("10Gi");
 *     context[STORAGE_DATA] = value_pointer(arena, &type_pvc_pointer, value_struct(&type_pvc, f));
 *
 * A struct value is small, passed by value and never owns: strings, items and fields are borrowed and must outlive it,
 * which is what the arena is for. A value that was built never changes, so many threads may read it.
 */
#ifndef SLOTDECK_TEMPLATE_VALUE_H
#define SLOTDECK_TEMPLATE_VALUE_H

#include "base/map.h"
#include "base/str.h"

enum value_kind {
	VALUE_INVALID, /* no value at all: an absent map key */
	VALUE_BOOL,
	VALUE_INT, /* Go's int; the sized ones differ in name only */
	VALUE_INT64,
	VALUE_UINT8,
	VALUE_UINT,
	VALUE_FLOAT64,
	VALUE_COMPLEX128,
	VALUE_STRING,
	VALUE_SLICE,
	VALUE_MAP, /* keys are strings */
	VALUE_POINTER,
	VALUE_STRUCT,
	VALUE_INTERFACE, /* only as a static type, and as the nil interface */
};

struct value_type;

struct value_field {
	const char *name; /* Go's, capitalised */
	const struct value_type *type;
};

struct value_type {
	enum value_kind kind;
	const char *name;		  /* as %T prints it */
	const struct value_type *elem;	  /* of a slice, map or pointer */
	const struct value_field *fields; /* of a struct */
	size_t nfields;
	const struct value_method *methods; /* of time.Time and its relatives only; see moment.h */
};

#define VALUE_TYPE_STRUCT(go_name, field_table)                                                                        \
	{                                                                                                              \
		.kind = VALUE_STRUCT, .name = (go_name), .fields = (field_table), .nfields = ARRAY_LEN(field_table)    \
	}
#define VALUE_TYPE_POINTER(go_name, elem_type)                                                                         \
	{                                                                                                              \
		.kind = VALUE_POINTER, .name = (go_name), .elem = (elem_type)                                          \
	}
#define VALUE_TYPE_SLICE(go_name, elem_type)                                                                           \
	{                                                                                                              \
		.kind = VALUE_SLICE, .name = (go_name), .elem = (elem_type)                                            \
	}
#define VALUE_TYPE_MAP(go_name, elem_type)                                                                             \
	{                                                                                                              \
		.kind = VALUE_MAP, .name = (go_name), .elem = (elem_type)                                              \
	}

extern const struct value_type value_type_bool, value_type_int, value_type_int64, value_type_uint8, value_type_uint;
extern const struct value_type value_type_float64, value_type_complex128, value_type_string;
extern const struct value_type value_type_strings;    /* []string */
extern const struct value_type value_type_string_map; /* map[string]string */
extern const struct value_type value_type_any;	      /* interface {} */
extern const struct value_type value_type_anys;	      /* []interface {} */
extern const struct value_type value_type_any_map;    /* map[string]interface {} */
extern const struct value_type value_type_time;	      /* time.Time */

struct value_map;

struct value {
	const struct value_type *type; /* NULL: VALUE_INVALID */
	bool boxed;		       /* read from a place of type interface {}; type is what it holds */
	union {
		bool boolean;
		int64_t integer;
		uint64_t uinteger;
		double real;
		_Complex double complex;
		struct str string;
		struct {
			const struct value *items;
			uint32_t len, cap; /* items NULL: a nil slice */
		} list;
		const struct value_map *map; /* NULL: a nil map */
		const struct value *target;  /* of a pointer; NULL: nil */
		const struct value *fields;  /* of a struct; NULL: all fields zero */
		struct {
			int64_t seconds; /* since 1970, UTC */
			int32_t nanoseconds;
		} time;
	};
};

static inline enum value_kind value_kind(struct value v)
{
	return v.type ? v.type->kind : VALUE_INVALID;
}

struct value value_none(void); /* no value */
struct value value_bool(bool b);
struct value value_int(int64_t i);
struct value value_float(double f);
/* Borrows the bytes. */
struct value value_string(struct str s);
struct value value_text(const char *text);    /* NULL gives the empty string */
#define VALUE_TIME_ZERO INT64_C(-62135596800) /* seconds of Go's zero time, the year 1 */
/* A moment in UTC; nanoseconds below 1e9. */
struct value value_time(int64_t seconds, int32_t nanoseconds);
/* Go's zero value of any type: "", 0, a nil slice, a struct of zeros, the nil interface… */
struct value value_zero(const struct value_type *type);
/* The same value as held by an interface {}: elements of []interface {} and map[string]interface {} must be boxed. No
 * value gives the nil interface. */
struct value value_box(struct value v);

/* type is that of the slice. Borrows items; n 0 with items not NULL is an empty, non-nil slice. */
struct value value_list(const struct value_type *type, const struct value *items, size_t n);
/* []string from C strings, which are borrowed; items NULL gives a nil slice. */
struct value value_list_of_texts(struct arena *arena, const char *const *items, size_t n);

struct value_entry {
	struct str key; /* borrowed */
	struct value value;
};
/* Copies entries into the arena, sorted and indexed. Of equal keys the last wins. entries NULL gives a nil map. */
struct value value_map(struct arena *arena, const struct value_type *type, const struct value_entry *entries, size_t n);
/* map[string]string from a map of plain C strings, whose texts are borrowed. Never nil. */
struct value value_map_of_texts(struct arena *arena, const struct map *texts);

/* Gives an array of type->nfields zero values to fill in. */
struct value *value_fields(struct arena *arena, const struct value_type *type);
/* Borrows fields: one value per row of type->fields, in that order. */
struct value value_struct(const struct value_type *type, const struct value *fields);
/* Copies target into the arena. type is that of the pointer. value_zero(type) is the nil pointer. */
struct value value_pointer(struct arena *arena, const struct value_type *type, struct value target);

/* Reading, for functions and tests. */
size_t value_map_len(const struct value_map *map); /* NULL is fine */
/* The n-th entry in key order. */
const struct value_entry *value_map_at(const struct value_map *map, size_t n);
/* NULL if absent. */
const struct value *value_map_get(const struct value_map *map, struct str key);
/* Truth as `if` sees it. */
bool value_is_true(struct value v);

#endif
