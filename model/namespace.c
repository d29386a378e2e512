#include "model/namespace.h"

#include <string.h>

char *namespace_default(const char *project, const char *env, long long slot)
{
	if (!*project || !*env)
		return NULL;
	if (strcmp(env, "ai") == 0 && slot > 0)
		return xasprintf("%s-dev-%lld", project, slot);
	if (strcmp(env, "ai-repair") == 0)
		return xasprintf("%s-ai-staging", project);
	return xasprintf("%s-%s", project, env);
}

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool namespace_is_valid(struct str name)
{
	if (!name.len || name.len > 63 || !is_alphanumeric(name.p[0]) || !is_alphanumeric(name.p[name.len - 1]))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!is_alphanumeric(name.p[i]) && name.p[i] != '-')
			return false;
	return true;
}
