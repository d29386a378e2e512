/*
 * jx: short words for what the simulation does with jansson trees. Trees are owned as jansson says; "take" frees also
 * when it fails. A path is a list of keys; missing steps give NULL, "" or the default.
 */
#ifndef SLOTDECK_SIM_JX_H
#define SLOTDECK_SIM_JX_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "base/str.h"

json_t *jx_get(const json_t *root, ...) __attribute__((sentinel));
const char *jx_str(const json_t *root, ...) __attribute__((sentinel)); /* never NULL */
int64_t jx_int(int64_t otherwise, const json_t *root, ...) __attribute__((sentinel));
/* Takes value, makes the objects on the way. */
void jx_set(json_t *root, json_t *value, ...) __attribute__((sentinel));
void jx_del(json_t *root, ...) __attribute__((sentinel));

#define jget(...) jx_get(__VA_ARGS__, (char *)NULL)
#define jstr(...) jx_str(__VA_ARGS__, (char *)NULL)
#define jint(otherwise, ...) jx_int((otherwise), __VA_ARGS__, (char *)NULL)
#define jset(root, value, ...) jx_set((root), (value), __VA_ARGS__, (char *)NULL)
#define jdel(...) jx_del(__VA_ARGS__, (char *)NULL)

bool jx_is(const json_t *value, const char *text); /* a string equal to text */
bool jx_empty(const json_t *value);		   /* NULL, null, {}, [] */
json_t *jx_parse(const char *text, size_t len, char **ret_error); /* NULL on failure; *ret_error is given */
void jx_dump(const json_t *value, struct buf *out);
/* Puts the keys of an object into byte order. */
void jx_sort(json_t *object);
/* Index of the element whose key is text, or -1. */
ptrdiff_t jx_find(const json_t *list, const char *key, const char *text);

/* "2026-01-02T03:04:05Z", and with microseconds. */
json_t *jx_time(int64_t unix_ms);
json_t *jx_micro_time(int64_t unix_us);
/* Milliseconds since 1970; 0 when it is no RFC 3339 time. */
int64_t jx_time_ms(const char *text);

/* Gives the canonical spelling of a quantity as Go's resource.Quantity prints it, NULL when it is none. */
char *jx_quantity(const char *text);
/* Its value in thousandths, saturated. */
int64_t jx_milli(const char *text);

#endif
