/*
 * template_data: root objects for template tests, read from JSON.
 */
#ifndef TEST_TEMPLATE_DATA_H
#define TEST_TEMPLATE_DATA_H

#include <jansson.h>

#include "template/value.h"

/* Untyped data: objects are map[string]interface {}, arrays []interface {}. Lives as long as arena and json. */
struct value template_data_any(struct arena *arena, const json_t *json);
/* codexctl's context, from an object with Go's field names. Now is 2026-02-03T04:05:06.789Z. */
struct value template_data_context(struct arena *arena, const json_t *json);
/* Its .EnvMap and .Now. */
struct value template_data_env_map(struct value context);
struct value template_data_now(void);

#endif
