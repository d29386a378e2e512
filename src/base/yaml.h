/*
 * yaml: YAML text to a tree of nodes and back, as gopkg.in/yaml.v3 v3.0.1 reads and writes it.
 *
 * libyaml cuts the text into events; what a scalar means, which keys clash, how merge keys and anchors work and every
 * byte of the output follow yaml.v3 instead (spec render-and-apply 7 and 8). Known differences, all on purpose: `\/`
 * in double quotes and %YAML 1.2 are read; a key that would be lost or overwritten silently is an error; a text that
 * starts with a line break or a tab is written so that it reads back.
 *
 * Every node knows the line and column (from 1) where its text starts; nodes made by the program have line 0. Nodes
 * live in the arena of their document and die with it; no node is shared between two parents. Columns count
 * characters. Not thread-safe; different documents may be used by different threads.
 *
 * Errors: ERR_INVALID for text that is not YAML (or not what was asked), ERR_LIMIT for what is too large. With a name
 * the message starts with "NAME:LINE:COLUMN: "; without one it is the cause alone, and yaml_stream_place() or the
 * document's error_line tell where, so that callers can map lines.
 */
#ifndef SLOTDECK_BASE_YAML_H
#define SLOTDECK_BASE_YAML_H

#include "base/diag.h"
#include "base/error.h"
#include "base/str.h"

enum yaml_kind {
	YAML_NULL,
	YAML_BOOL,
	YAML_INT,  /* fits int64_t */
	YAML_UINT, /* above INT64_MAX */
	YAML_FLOAT,
	YAML_STRING,
	YAML_TIMESTAMP,
	YAML_SEQUENCE,
	YAML_MAPPING
};

struct yaml_node;

struct yaml_pair {
	struct yaml_node *key; /* any kind in raw nodes, a scalar in generic ones */
	struct yaml_node *value;
};

struct yaml_time {
	int64_t unix_s; /* since 1970, UTC */
	int32_t ns;
	int32_t offset_s; /* of the zone it was written in */
};

struct yaml_node {
	uint8_t kind;	       /* enum yaml_kind */
	bool plain;	       /* a scalar without quotes, block indicator or tag */
	bool general;	       /* generic mapping with other keys than strings: Go's map[interface{}]interface{} */
	uint8_t marks;	       /* for the yaml files alone */
	unsigned line, column; /* 0, 0: not from a text */
	struct str text;       /* scalars: the text, quotes and escapes resolved (`0644`, `1.10`); NUL follows it */
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double f;
		struct yaml_time time;
		struct {
			struct yaml_node **items;
			uint32_t n, cap;
		} seq;
		struct {
			struct yaml_pair *pairs;
			uint32_t n, cap;
		} map;
	};
};

/* ---- reading ---- */

struct yaml_limits {
	size_t max_bytes;	   /* of the text; default 8 MiB */
	size_t max_nodes;	   /* made by expanding aliases and merge keys, in all documents together; 100,000 */
	size_t max_expanded_bytes; /* of text in them; 10 MiB */
	size_t max_memory_bytes;   /* of one document; 40 MiB */
	unsigned max_depth;	   /* 1000; the original tool allows 10,000 */
	/* Accept duplicate keys, a `<<` that is not a mapping as a plain key, and as text what is not of the type that its
	 * tag says: for looking at a file before its templating, where all of these may be meant. */
	bool lenient;
};
#define YAML_LIMITS_INIT                                                                                               \
	{                                                                                                              \
		.max_bytes = 8u << 20, .max_nodes = 100000, .max_expanded_bytes = 10u << 20,                           \
		.max_memory_bytes = 40u << 20, .max_depth = 1000                                                       \
	}

struct yaml_doc {
	struct arena *arena;
	struct yaml_node *root;		   /* YAML_NULL for an empty document */
	unsigned error_line, error_column; /* set by a failed yaml_doc_make_generic() */
};
void yaml_doc_destroy(struct yaml_doc *doc);
DEFINE_AUTO(yaml_doc);
/* Gives an empty document whose root is a new mapping, for trees made by the program. */
struct yaml_doc *yaml_doc_create(void);

struct yaml_stream;
/* Borrows text and keeps a copy of name (NULL: see "Errors"). limits NULL: the defaults above. */
struct yaml_stream *yaml_stream_create(struct str text, const char *name, const struct yaml_limits *limits);
void yaml_stream_destroy(struct yaml_stream *stream);
DEFINE_AUTO(yaml_stream);
/*
 * Gives the next document as raw nodes: scalars resolved, aliases and merge keys expanded, duplicate keys (by source
 * text) refused. *ret_doc is NULL at the end. Anchors live on into later documents. After a failure: always false.
 */
bool yaml_stream_next(struct yaml_stream *stream, struct yaml_doc **ret_doc, struct error *err);
/* Where the last failure was. */
void yaml_stream_place(const struct yaml_stream *stream, unsigned *ret_line, unsigned *ret_column);

/* The first document of a text (*ret_doc NULL if there is none); later ones are not looked at. */
bool yaml_read(struct str text, const char *name, const struct yaml_limits *limits, struct yaml_doc **ret_doc,
	       struct error *err);

/*
 * Turns raw nodes into what yaml.v3 decodes into a map[string]interface{}, in place: keys of the root become strings;
 * a mapping below keeps its key types (then it is `general`) unless all are strings. The root must be a mapping or
 * null. Warns ("yaml-number-text", "yaml-date-text") about plain scalars whose text changes when written again;
 * warnings may be NULL. file goes into warnings and errors and may be NULL.
 */
bool yaml_doc_make_generic(struct yaml_doc *doc, const char *file, struct diags *warnings, struct error *err);

/* ---- looking and changing; get functions accept NULL and other kinds (nothing is found) ---- */

/* "null", "bool", "int", "uint", "float", "string", "timestamp", "sequence", "mapping". */
const char *yaml_kind_name(unsigned kind);
bool yaml_is_map(const struct yaml_node *node);
bool yaml_is_seq(const struct yaml_node *node);
/* A string; its text goes to *ret_text (borrowed). */
bool yaml_is_string(const struct yaml_node *node, struct str *ret_text);
/* The value of a string key; NULL if absent. */
struct yaml_node *yaml_map_get(const struct yaml_node *map, const char *key);
struct yaml_node *yaml_map_get_str(const struct yaml_node *map, struct str key);
/* Follows mapping keys: yaml_path(root, "metadata", "name", NULL). */
struct yaml_node *yaml_path(const struct yaml_node *node, ...) __attribute__((sentinel));
/* The text of a string value; empty if absent or of another kind. */
struct str yaml_map_text(const struct yaml_node *map, const char *key);
/* Replaces or adds; value must be of the same arena and stand nowhere else. */
void yaml_map_set(struct arena *arena, struct yaml_node *map, const char *key, struct yaml_node *value);
void yaml_map_set_string(struct arena *arena, struct yaml_node *map, const char *key, struct str value);
bool yaml_map_remove(struct yaml_node *map, const char *key);
void yaml_seq_push(struct arena *arena, struct yaml_node *seq, struct yaml_node *item);
void yaml_seq_remove(struct yaml_node *seq, size_t at);

struct yaml_node *yaml_new_null(struct arena *arena);
struct yaml_node *yaml_new_bool(struct arena *arena, bool value);
struct yaml_node *yaml_new_int(struct arena *arena, int64_t value);
struct yaml_node *yaml_new_float(struct arena *arena, double value);
struct yaml_node *yaml_new_string(struct arena *arena, struct str text); /* copies */
struct yaml_node *yaml_new_map(struct arena *arena);
struct yaml_node *yaml_new_seq(struct arena *arena);
struct yaml_node *yaml_copy(struct arena *arena, const struct yaml_node *node);
/* Equal values whatever the order of keys; places do not count, 1 and 1.0 differ. */
bool yaml_equal(const struct yaml_node *a, const struct yaml_node *b);

/* What a plain scalar means: the kind, and the value in *ret if not NULL. */
enum yaml_kind yaml_resolve(struct str text, struct yaml_node *ret);

/* ---- writing ---- */

/*
 * Appends one document as yaml.v3's Encoder with indent 2 writes it, keys sorted, "---" before all but the first.
 * Sorts the pairs of root's mappings in place (hence not const).
 */
void yaml_emit_document(struct buf *out, struct yaml_node *root, bool first);
/* The same with yaml.v3's bytes also for two things that do not read back: a text of line breaks alone loses one, and a
 * quoted key "<<" is written plain. For output that is compared with codexctl's; false if there was one of these. */
bool yaml_emit_document_as_original(struct buf *out, struct yaml_node *root, bool first);
/* As Go's strconv.FormatFloat(value, 'g', -1, 64), but .inf, -.inf and .nan. */
void yaml_format_float(struct buf *out, double value);
/* The fewest digits that read back as value (finite), with an exponent of two or more digits when that of d.ddd is
 * under min_exponent or not under max_exponent: -4 and 6 for yaml, -4 and 21 for Go's %v. Any locale. */
void yaml_format_float_as(struct buf *out, double value, int min_exponent, int max_exponent);
void yaml_format_time(struct buf *out, struct yaml_time time);
/* Compact JSON, order of keys kept, other keys than strings as their text. Fails for NaN, infinities and bytes that are
 * not UTF-8, naming line and column. */
bool yaml_to_json(const struct yaml_node *node, struct buf *out, struct error *err);

#endif
