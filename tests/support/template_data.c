#include "template_data.h"

#include <string.h>

#define TEXT &value_type_string

static const struct value_field pvc_fields[] = {
	{ "Size", TEXT },
	{ "StorageClass", TEXT },
	{ "AccessModes", &value_type_strings },
};
static const struct value_type pvc = VALUE_TYPE_STRUCT("config.PVCSpec", pvc_fields);
static const struct value_type pvc_pointer = VALUE_TYPE_POINTER("*config.PVCSpec", &pvc);
static const struct value_field storage_fields[] = {
	{ "Workspace", &pvc_pointer },
	{ "Data", &pvc_pointer },
	{ "Registry", &pvc_pointer },
};
static const struct value_type storage = VALUE_TYPE_STRUCT("config.StorageConfig", storage_fields);
static const struct value_type storage_pointer = VALUE_TYPE_POINTER("*config.StorageConfig", &storage);
static const struct value_field link_fields[] = { { "Title", TEXT }, { "Path", TEXT } };
static const struct value_type link_type = VALUE_TYPE_STRUCT("config.Link", link_fields);
static const struct value_type links = VALUE_TYPE_SLICE("[]config.Link", &link_type);
static const struct value_field timeouts_fields[] = { { "Exec", TEXT }, { "Rollout", TEXT }, { "DeployWait", TEXT } };
static const struct value_type timeouts = VALUE_TYPE_STRUCT("config.CodexTimeouts", timeouts_fields);
static const struct value_field block_fields[] = { { "Name", TEXT }, { "TOML", TEXT }, { "File", TEXT } };
static const struct value_type block = VALUE_TYPE_STRUCT("config.CodexConfigBlock", block_fields);
static const struct value_type blocks = VALUE_TYPE_SLICE("[]config.CodexConfigBlock", &block);
static const struct value_field ref_fields[] = {
	{ "Value", TEXT },
	{ "EnvRef", TEXT },
	{ "VarRef", TEXT },
	{ "Optional", &value_type_bool },
};
static const struct value_type ref = VALUE_TYPE_STRUCT("config.MCPValueRef", ref_fields);
static const struct value_type refs = VALUE_TYPE_MAP("map[string]config.MCPValueRef", &ref);
static const struct value_field service_fields[] = {
	{ "Name", TEXT }, { "Namespace", TEXT }, { "Port", &value_type_int }, { "Path", TEXT }, { "Scheme", TEXT },
};
static const struct value_type service = VALUE_TYPE_STRUCT("config.MCPServiceRef", service_fields);
static const struct value_type service_pointer = VALUE_TYPE_POINTER("*config.MCPServiceRef", &service);
static const struct value_field tool_fields[] = { { "Name", TEXT }, { "Description", TEXT } };
static const struct value_type tool = VALUE_TYPE_STRUCT("config.MCPTool", tool_fields);
static const struct value_type tools = VALUE_TYPE_SLICE("[]config.MCPTool", &tool);
static const struct value_field server_fields[] = {
	{ "Name", TEXT },
	{ "Type", TEXT },
	{ "Description", TEXT },
	{ "ToolTimeoutSec", &value_type_int },
	{ "StartupTimeoutSec", &value_type_int },
	{ "Command", TEXT },
	{ "Args", &value_type_strings },
	{ "Env", &refs },
	{ "Endpoint", TEXT },
	{ "Headers", &refs },
	{ "BearerTokenEnvVar", TEXT },
	{ "Service", &service_pointer },
	{ "Tools", &tools },
};
static const struct value_type server = VALUE_TYPE_STRUCT("config.MCPServer", server_fields);
static const struct value_type servers = VALUE_TYPE_SLICE("[]config.MCPServer", &server);
static const struct value_field mcp_fields[] = { { "Servers", &servers } };
static const struct value_type mcp = VALUE_TYPE_STRUCT("config.MCPConfig", mcp_fields);
static const struct value_field codex_fields[] = {
	{ "ConfigTemplate", TEXT },
	{ "PromptLang", TEXT },
	{ "Model", TEXT },
	{ "ModelReasoningEffort", TEXT },
	{ "Links", &links },
	{ "ExtraTools", &value_type_strings },
	{ "ProjectContext", TEXT },
	{ "ServicesOverview", TEXT },
	{ "Timeouts", &timeouts },
	{ "ConfigBlocks", &blocks },
	{ "ReviewMCPEnabled", &value_type_bool },
	{ "MCP", &mcp },
};
static const struct value_type codex = VALUE_TYPE_STRUCT("config.CodexConfig", codex_fields);
static const struct value_type comments = VALUE_TYPE_SLICE("[]config.IssueComment", &value_type_string);
static const struct value_type vars = VALUE_TYPE_MAP("env.Vars", &value_type_string);
static const struct value_field root_fields[] = {
	{ "Env", TEXT },
	{ "Namespace", TEXT },
	{ "Project", TEXT },
	{ "ProjectRoot", TEXT },
	{ "Slot", &value_type_int },
	{ "Now", &value_type_time },
	{ "UserVars", &vars },
	{ "Vars", &vars },
	{ "EnvMap", &value_type_string_map },
	{ "Versions", &value_type_string_map },
	{ "BaseDomain", &value_type_string_map },
	{ "Codex", &codex },
	{ "Storage", &storage_pointer },
	{ "IssueComments", &comments },
	{ "ReviewComments", &comments },
};
static const struct value_type root = VALUE_TYPE_STRUCT("config.TemplateContext", root_fields);

static struct value any_value(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_TRUE:
	case JSON_FALSE:
		return value_bool(json_is_true(json));
	case JSON_INTEGER:
		return value_int(json_integer_value(json));
	case JSON_REAL:
		return value_float(json_real_value(json));
	case JSON_STRING:
		return value_string((struct str){ json_string_value(json), json_string_length(json) });
	default:
		return value_none();
	}
}

static struct value typed(struct arena *arena, const struct value_type *type, const json_t *json);

static struct value typed_list(struct arena *arena, const struct value_type *type, const json_t *json)
{
	size_t n = json_array_size(json);
	struct value *items = arena_alloc(arena, (n + 1) * sizeof *items);

	for (size_t i = 0; i < n; i++)
		items[i] = typed(arena, type->elem, json_array_get(json, i));
	return value_list(type, items, n);
}

static struct value typed_map(struct arena *arena, const struct value_type *type, const json_t *json)
{
	struct value_entry *entries = arena_alloc(arena, (json_object_size(json) + 1) * sizeof *entries);
	const char *key;
	json_t *member;
	size_t n = 0;

	json_object_foreach((json_t *)json, key, member) entries[n++] =
		(struct value_entry){ str_of(key), typed(arena, type->elem, member) };
	return value_map(arena, type, entries, n);
}

static struct value typed_struct(struct arena *arena, const struct value_type *type, const json_t *json)
{
	struct value *fields = value_fields(arena, type);

	for (size_t i = 0; i < type->nfields; i++)
		if (json_object_get(json, type->fields[i].name))
			fields[i] = typed(arena, type->fields[i].type, json_object_get(json, type->fields[i].name));
	return value_struct(type, fields);
}

static struct value typed(struct arena *arena, const struct value_type *type, const json_t *json)
{
	if (type == &value_type_time)
		return template_data_now();
	if (json_is_null(json))
		return value_zero(type);
	switch (type->kind) {
	case VALUE_INTERFACE:
		return value_box(template_data_any(arena, json));
	case VALUE_SLICE:
		return typed_list(arena, type, json);
	case VALUE_MAP:
		return typed_map(arena, type, json);
	case VALUE_POINTER:
		return value_pointer(arena, type, typed(arena, type->elem, json));
	case VALUE_STRUCT:
		return typed_struct(arena, type, json);
	default:
		return any_value(json);
	}
}

struct value template_data_any(struct arena *arena, const json_t *json)
{
	if (json_is_object(json))
		return typed_map(arena, &value_type_any_map, json);
	if (json_is_array(json))
		return typed_list(arena, &value_type_anys, json);
	return any_value(json);
}

struct value template_data_context(struct arena *arena, const json_t *json)
{
	return typed(arena, &root, json);
}

struct value template_data_env_map(struct value context)
{
	for (size_t i = 0; i < root.nfields; i++)
		if (strcmp(root_fields[i].name, "EnvMap") == 0)
			return context.fields[i];
	return value_none();
}

struct value template_data_now(void)
{
	return value_time(1770091506, 789000000);
}
