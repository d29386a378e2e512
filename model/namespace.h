/*
 * namespace: which namespace a stack lives in, by the one rule for every command (spec services-yaml 4.3).
 *
 * Explicit and not blank; else the pattern of the environment as written in services.yaml, rendered with the real slot;
 * else the built-in names. Kubernetes' own rule for names (RFC 1123 label) is checked apart.
 */
#ifndef SLOTDECK_MODEL_NAMESPACE_H
#define SLOTDECK_MODEL_NAMESPACE_H

#include <stdbool.h>

#include "base/str.h"

/* The built-in name: <project>-dev-<slot>, <project>-ai-staging, <project>-<env>; NULL where there is none. Gives. */
char *namespace_default(const char *project, const char *env, long long slot);
/* Lower-case letters, digits and "-", at most 63, alphanumeric at both ends. */
bool namespace_is_valid(struct str name);

#endif
