/*
 * row_private: how fields of an object's JSON become members of a row. For row*.c and kinds.c only.
 *
 * A kind lists paths (base/json.h). Each says where its value goes: into the row, into the kind's detail, or into the
 * element that is being read of one of the lists below. A path that ends at an element (FIELD_END) comes after all that is
 * inside of it and moves the element into its list.
 */
#ifndef SLOTDECK_MODEL_ROW_PRIVATE_H
#define SLOTDECK_MODEL_ROW_PRIVATE_H

#include "model/kinds.h"

enum field_type {
	FIELD_TEXT,
	FIELD_SCALAR,	 /* text or number, kept as text */
	FIELD_MESSAGE,	 /* cut at ROW_MESSAGE_MAX */
	FIELD_JOIN,	 /* appended to the text behind a comma */
	FIELD_I32,
	FIELD_I64,
	FIELD_BOOL,
	FIELD_TIME,
	FIELD_TRI,	 /* "True", "False", "Unknown" */
	FIELD_MILLI_SUM, /* quantity, added to an int64_t */
	FIELD_WHOLE_SUM,
	FIELD_COUNT,	 /* an int32_t grows by one for each */
	FIELD_MARK,	 /* the byte becomes value: the path is there (and no null) */
	FIELD_PAIR,	 /* path.*: key and value into a list of pairs */
	FIELD_END
};

enum field_place { IN_ROW, IN_DETAIL, IN_ELEMENT };

enum field_list {
	LIST_NONE,
	LIST_LABELS,
	LIST_ANNOTATIONS,
	LIST_OWNERS,
	LIST_MANAGERS,
	LIST_CONDITIONS,
	LIST_SELECTOR,
	LIST_IMAGES,
	LIST_PORTS,
	LIST_CLAIMS,
	LIST_CONTAINERS, /* specification of main containers; the four must follow each other */
	LIST_INIT_CONTAINERS,
	LIST_STATUSES,
	LIST_INIT_STATUSES,
	LIST_EPHEMERAL_STATUSES,
};

struct field {
	const char *path;
	uint8_t type, place, list, value;
	uint16_t offset;
};

/* The element under construction: the members of every list side by side, so that one zeroing resets all. */
struct field_element {
	struct row_condition condition;
	struct row_container container;
	struct row_port port;
	struct row_image image;
	struct row_pair pair;
	const char *owner_uid, *owner_kind, *owner_name;
	const char *manager, *subresource;
	int64_t time_ms;
	int32_t probe_delay, probe_period, probe_failures;
	int32_t startup_delay, startup_period, startup_failures;
	const char *restart_policy;
	bool controller;
};

/* Paths that every object has. */
extern const struct field row_meta_fields[];
extern const size_t row_meta_nfields;

/* How a struct is copied: which members are texts, which are arrays of what. */
struct layout;
struct layout_array {
	uint16_t at, count_at; /* offsets of the pointer and of its uint16_t count */
	const struct layout *of;
};
struct layout {
	uint16_t size;
	uint8_t ntexts, narrays;
	const uint16_t *texts;
	const struct layout_array *arrays;
};
extern const struct layout row_layout;
/* Of the detail of each shape; size 0 for none. */
extern const struct layout row_shape_layouts[SHAPE_COUNT];
/* Fills in what is not zero when absent. detail has the size of the shape's layout. */
void row_detail_defaults(enum kind_shape shape, void *detail);
/* A text of the program's own that equals text, NULL if there is none. */
const char *row_common_text(struct str text);

#endif
