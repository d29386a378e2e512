/*
 * schema: what the fields of each kind are, how their lists merge, and which are required.
 *
 * Built-in kinds come from assets/sim/schema.txt (cut from a real server's OpenAPI by tests/sim/make-schema):
 *     K group|- version Kind Type        a kind and its type
 *     T Type [atomic]                    a type; its fields follow, one a line, indented by one space:
 *      name TYPE [map=a,b] [set] [atomic] [merge=key] [retain] [required] [default=text]
 * TYPE is s(tring) b(ool) i(nteger) n(umber) q(uantity) x (integer or string) t(ime) a(ny) @Type [list {map.
 * Custom kinds bring their own. Types live as long as the schema; read-only once made, so any thread may look.
 */
#ifndef SLOTDECK_SIM_SCHEMA_H
#define SLOTDECK_SIM_SCHEMA_H

#include <jansson.h>

#include "base/error.h"
#include "base/str.h"

enum type_kind {
	TYPE_ANY,     /* opaque: replaced as a whole */
	TYPE_DEDUCED, /* no schema: maps are granular, lists atomic */
	TYPE_STRING, TYPE_BOOL, TYPE_INT, TYPE_NUMBER, TYPE_QUANTITY, TYPE_INT_OR_STRING, TYPE_TIME,
	TYPE_STRUCT, TYPE_LIST, TYPE_MAP,
};

struct field {
	const char *name;
	const struct type *type;
	bool required;
	const char *fallback; /* of a list key, or NULL */
};

struct type {
	enum type_kind kind;
	const char *name;	    /* of a struct */
	bool atomic;		    /* a list: neither set nor keyed */
	bool open;		    /* a struct that keeps unknown fields */
	bool set;
	const char **keys;	    /* of a keyed list */
	size_t nkeys;
	bool merge, retain;	    /* strategic merge patch */
	const char *merge_key;
	const struct type *element; /* of lists and maps; of an open struct's other fields */
	struct field *fields;	    /* by name */
	size_t nfields;
};

struct schema;
struct schema *schema_create(struct str text, struct error *err);
void schema_destroy(struct schema *schema);
DEFINE_AUTO(schema);
/* NULL when unknown. */
const struct type *schema_kind(const struct schema *schema, const char *group, const char *version, const char *kind);
/* The type of a custom kind from spec.versions[].schema.openAPIV3Schema (NULL: everything is kept). */
const struct type *schema_custom(struct schema *schema, const json_t *open_api);
const struct field *type_field(const struct type *type, const char *name);
/* The type below a key of a struct or map value. Never NULL. */
const struct type *type_below(const struct type *type, const char *key);
extern const struct type type_any, type_deduced;

#endif
