/* Every key of services.yaml and what it is decoded into: the schema, the context of templates and the checks follow. */
#include "model/stack_decode.h"

#include "template/value.h"

#define SHAPE(what_text, go, c_type, spot, key, table)                                                                 \
	{ .what = (what_text), .type = (go), .size = sizeof(c_type), .spot_offset = (spot), .key_offset = (key),       \
	  .fields = (table), .n = ARRAY_LEN(table) }
#define AT(c_type, member) .offset = offsetof(c_type, member)

/* ---- the Go types that templates see, fields in Go's order ---- */

static const struct value_field go_pvc_fields[] = { { "Size", &value_type_string },
						    { "StorageClass", &value_type_string },
						    { "AccessModes", &value_type_strings } };
static const struct value_type go_pvc = VALUE_TYPE_STRUCT("config.PVCSpec", go_pvc_fields);
static const struct value_type go_pvc_pointer = VALUE_TYPE_POINTER("*config.PVCSpec", &go_pvc);
static const struct value_field go_storage_fields[] = { { "Workspace", &go_pvc_pointer },
							{ "Data", &go_pvc_pointer },
							{ "Registry", &go_pvc_pointer } };
static const struct value_type go_storage = VALUE_TYPE_STRUCT("config.StorageConfig", go_storage_fields);
const struct value_type stack_go_storage_pointer = VALUE_TYPE_POINTER("*config.StorageConfig", &go_storage);

static const struct value_field go_link_fields[] = { { "Title", &value_type_string }, { "Path", &value_type_string } };
static const struct value_type go_link = VALUE_TYPE_STRUCT("config.Link", go_link_fields);
static const struct value_type go_links = VALUE_TYPE_SLICE("[]config.Link", &go_link);
static const struct value_field go_timeouts_fields[] = { { "Exec", &value_type_string },
							 { "Rollout", &value_type_string },
							 { "DeployWait", &value_type_string } };
static const struct value_type go_timeouts = VALUE_TYPE_STRUCT("config.CodexTimeouts", go_timeouts_fields);
static const struct value_field go_block_fields[] = { { "Name", &value_type_string },
						      { "TOML", &value_type_string },
						      { "File", &value_type_string } };
static const struct value_type go_block = VALUE_TYPE_STRUCT("config.CodexConfigBlock", go_block_fields);
static const struct value_type go_blocks = VALUE_TYPE_SLICE("[]config.CodexConfigBlock", &go_block);

static const struct value_field go_mcp_value_fields[] = { { "Value", &value_type_string },
							  { "EnvRef", &value_type_string },
							  { "VarRef", &value_type_string },
							  { "Optional", &value_type_bool } };
static const struct value_type go_mcp_value = VALUE_TYPE_STRUCT("config.MCPValueRef", go_mcp_value_fields);
static const struct value_type go_mcp_values = VALUE_TYPE_MAP("map[string]config.MCPValueRef", &go_mcp_value);
static const struct value_field go_mcp_service_fields[] = { { "Name", &value_type_string },
							    { "Namespace", &value_type_string },
							    { "Port", &value_type_int },
							    { "Path", &value_type_string },
							    { "Scheme", &value_type_string } };
static const struct value_type go_mcp_service = VALUE_TYPE_STRUCT("config.MCPServiceRef", go_mcp_service_fields);
static const struct value_type go_mcp_service_pointer = VALUE_TYPE_POINTER("*config.MCPServiceRef", &go_mcp_service);
static const struct value_field go_mcp_tool_fields[] = { { "Name", &value_type_string },
							 { "Description", &value_type_string } };
static const struct value_type go_mcp_tool = VALUE_TYPE_STRUCT("config.MCPTool", go_mcp_tool_fields);
static const struct value_type go_mcp_tools = VALUE_TYPE_SLICE("[]config.MCPTool", &go_mcp_tool);
static const struct value_field go_mcp_server_fields[] = {
	{ "Name", &value_type_string },
	{ "Type", &value_type_string },
	{ "Description", &value_type_string },
	{ "ToolTimeoutSec", &value_type_int },
	{ "StartupTimeoutSec", &value_type_int },
	{ "Command", &value_type_string },
	{ "Args", &value_type_strings },
	{ "Env", &go_mcp_values },
	{ "Endpoint", &value_type_string },
	{ "Headers", &go_mcp_values },
	{ "BearerTokenEnvVar", &value_type_string },
	{ "Service", &go_mcp_service_pointer },
	{ "Tools", &go_mcp_tools },
};
static const struct value_type go_mcp_server = VALUE_TYPE_STRUCT("config.MCPServer", go_mcp_server_fields);
static const struct value_type go_mcp_servers = VALUE_TYPE_SLICE("[]config.MCPServer", &go_mcp_server);
static const struct value_field go_mcp_fields[] = { { "Servers", &go_mcp_servers } };
static const struct value_type go_mcp = VALUE_TYPE_STRUCT("config.MCPConfig", go_mcp_fields);

static const struct value_field go_codex_fields[] = {
	{ "ConfigTemplate", &value_type_string },
	{ "PromptLang", &value_type_string },
	{ "Model", &value_type_string },
	{ "ModelReasoningEffort", &value_type_string },
	{ "Links", &go_links },
	{ "ExtraTools", &value_type_strings },
	{ "ProjectContext", &value_type_string },
	{ "ServicesOverview", &value_type_string },
	{ "Timeouts", &go_timeouts },
	{ "ConfigBlocks", &go_blocks },
	{ "ReviewMCPEnabled", &value_type_bool },
	{ "MCP", &go_mcp },
};
const struct value_type stack_go_codex = VALUE_TYPE_STRUCT("config.CodexConfig", go_codex_fields);

/* ---- storage and state ---- */

static const struct field claim_fields[] = {
	{ "size", "Size", FIELD_TEXT, 0, AT(struct stack_storage_claim, size) },
	{ "storageClass", "StorageClass", FIELD_TEXT, 0, AT(struct stack_storage_claim, storage_class) },
	{ "accessModes", "AccessModes", FIELD_TEXT_LIST, 0, AT(struct stack_storage_claim, access_modes) },
};
static const struct shape claim_shape = SHAPE("a volume claim", &go_pvc, struct stack_storage_claim,
					      offsetof(struct stack_storage_claim, at), NO_OFFSET, claim_fields);
static const struct field storage_fields[] = {
	{ "workspace", "Workspace", FIELD_OPTIONAL, 0, AT(struct stack_storage, workspace), .shape = &claim_shape,
	  .go_type = &go_pvc_pointer },
	{ "data", "Data", FIELD_OPTIONAL, 0, AT(struct stack_storage, data), .shape = &claim_shape,
	  .go_type = &go_pvc_pointer },
	{ "registry", "Registry", FIELD_OPTIONAL, 0, AT(struct stack_storage, registry), .shape = &claim_shape,
	  .go_type = &go_pvc_pointer },
};
const struct shape storage_shape = SHAPE("the storage block", &go_storage, struct stack_storage,
					 offsetof(struct stack_storage, at), NO_OFFSET, storage_fields);

static const struct field state_fields[] = {
	{ "backend", NULL, FIELD_TEXT, 0, AT(struct stack_state_config, backend) },
	{ "configmapNamespace", NULL, FIELD_TEXT, 0, AT(struct stack_state_config, configmap_namespace) },
	{ "configmapPrefix", NULL, FIELD_TEXT, 0, AT(struct stack_state_config, configmap_prefix) },
};
static const struct shape state_shape = SHAPE("the state block", NULL, struct stack_state_config,
					      offsetof(struct stack_state_config, at), NO_OFFSET, state_fields);

/* ---- codex ---- */

static const struct field link_fields[] = {
	{ "title", "Title", FIELD_TEXT, 0, AT(struct stack_codex_link, title) },
	{ "path", "Path", FIELD_TEXT, 0, AT(struct stack_codex_link, path) },
};
static const struct shape link_shape = SHAPE("a link", &go_link, struct stack_codex_link,
					     offsetof(struct stack_codex_link, at), NO_OFFSET, link_fields);
static const struct field timeouts_fields[] = {
	{ "exec", "Exec", FIELD_TEXT, 0, AT(struct stack_codex, timeouts.exec) },
	{ "rollout", "Rollout", FIELD_TEXT, 0, AT(struct stack_codex, timeouts.rollout) },
	{ "deployWait", "DeployWait", FIELD_TEXT, 0, AT(struct stack_codex, timeouts.deploy_wait) },
};
/* Fields of a FIELD_STRUCT at offset 0 are offsets into the struct around it. */
static const struct shape timeouts_shape = SHAPE("the timeouts block", &go_timeouts, struct stack_codex,
						 offsetof(struct stack_codex, timeouts.at), NO_OFFSET, timeouts_fields);
static const struct field block_fields[] = {
	{ "name", "Name", FIELD_TEXT, 0, AT(struct stack_config_block, name) },
	{ "toml", "TOML", FIELD_TEXT, FIELD_TEMPLATE, AT(struct stack_config_block, toml) },
	{ "file", "File", FIELD_TEXT, 0, AT(struct stack_config_block, file) },
};
static const struct shape block_shape = SHAPE("a config block", &go_block, struct stack_config_block,
					      offsetof(struct stack_config_block, at), NO_OFFSET, block_fields);
static const struct field mcp_value_fields[] = {
	{ "value", "Value", FIELD_TEXT, 0, AT(struct stack_mcp_value, value) },
	{ "envRef", "EnvRef", FIELD_TEXT, 0, AT(struct stack_mcp_value, env_ref) },
	{ "varRef", "VarRef", FIELD_TEXT, 0, AT(struct stack_mcp_value, var_ref) },
	{ "optional", "Optional", FIELD_FLAG, 0, AT(struct stack_mcp_value, optional) },
};
static const struct shape mcp_value_shape = SHAPE("a value reference", &go_mcp_value, struct stack_mcp_value,
						  offsetof(struct stack_mcp_value, at),
						  offsetof(struct stack_mcp_value, key), mcp_value_fields);
static const struct field mcp_service_fields[] = {
	{ "name", "Name", FIELD_TEXT, 0, AT(struct stack_mcp_service, name) },
	{ "namespace", "Namespace", FIELD_TEXT, 0, AT(struct stack_mcp_service, namespace) },
	{ "port", "Port", FIELD_NUMBER, 0, AT(struct stack_mcp_service, port) },
	{ "path", "Path", FIELD_TEXT, 0, AT(struct stack_mcp_service, path) },
	{ "scheme", "Scheme", FIELD_TEXT, 0, AT(struct stack_mcp_service, scheme) },
};
static const struct shape mcp_service_shape = SHAPE("a service reference", &go_mcp_service, struct stack_mcp_service,
						    offsetof(struct stack_mcp_service, at), NO_OFFSET,
						    mcp_service_fields);
static const struct field mcp_tool_fields[] = {
	{ "name", "Name", FIELD_TEXT, 0, AT(struct stack_mcp_tool, name) },
	{ "description", "Description", FIELD_TEXT, 0, AT(struct stack_mcp_tool, description) },
};
static const struct shape mcp_tool_shape = SHAPE("a tool", &go_mcp_tool, struct stack_mcp_tool,
						 offsetof(struct stack_mcp_tool, at), NO_OFFSET, mcp_tool_fields);
static const struct field mcp_server_fields[] = {
	{ "name", "Name", FIELD_TEXT, 0, AT(struct stack_mcp_server, name) },
	{ "type", "Type", FIELD_TEXT, 0, AT(struct stack_mcp_server, type) },
	{ "description", "Description", FIELD_TEXT, 0, AT(struct stack_mcp_server, description) },
	{ "tool_timeout_sec", "ToolTimeoutSec", FIELD_NUMBER, 0, AT(struct stack_mcp_server, tool_timeout_sec) },
	{ "startup_timeout_sec", "StartupTimeoutSec", FIELD_NUMBER, 0, AT(struct stack_mcp_server, startup_timeout_sec) },
	{ "command", "Command", FIELD_TEXT, 0, AT(struct stack_mcp_server, command) },
	{ "args", "Args", FIELD_TEXT_LIST, 0, AT(struct stack_mcp_server, args) },
	{ "env", "Env", FIELD_MAP, 0, AT(struct stack_mcp_server, env), .shape = &mcp_value_shape, .go_type = &go_mcp_values },
	{ "endpoint", "Endpoint", FIELD_TEXT, 0, AT(struct stack_mcp_server, endpoint) },
	{ "headers", "Headers", FIELD_MAP, 0, AT(struct stack_mcp_server, headers), .shape = &mcp_value_shape,
	  .go_type = &go_mcp_values },
	{ "bearer_token_env_var", "BearerTokenEnvVar", FIELD_TEXT, 0, AT(struct stack_mcp_server, bearer_token_env_var) },
	{ "service", "Service", FIELD_OPTIONAL, 0, AT(struct stack_mcp_server, service), .shape = &mcp_service_shape,
	  .go_type = &go_mcp_service_pointer },
	{ "tools", "Tools", FIELD_LIST, 0, AT(struct stack_mcp_server, tools), .shape = &mcp_tool_shape,
	  .go_type = &go_mcp_tools },
};
static const struct shape mcp_server_shape = SHAPE("an MCP server", &go_mcp_server, struct stack_mcp_server,
						   offsetof(struct stack_mcp_server, at), NO_OFFSET,
						   mcp_server_fields);
static const struct field mcp_fields[] = {
	{ "servers", "Servers", FIELD_LIST, 0, AT(struct stack_codex, mcp.servers), .shape = &mcp_server_shape,
	  .go_type = &go_mcp_servers },
};
static const struct shape mcp_shape = SHAPE("the mcp block", &go_mcp, struct stack_codex,
					    offsetof(struct stack_codex, mcp.at), NO_OFFSET, mcp_fields);
static const struct field codex_fields[] = {
	{ "configTemplate", "ConfigTemplate", FIELD_TEXT, 0, AT(struct stack_codex, config_template) },
	{ "promptLang", "PromptLang", FIELD_TEXT, 0, AT(struct stack_codex, prompt_lang) },
	{ "model", "Model", FIELD_TEXT, 0, AT(struct stack_codex, model) },
	{ "modelReasoningEffort", "ModelReasoningEffort", FIELD_TEXT, 0, AT(struct stack_codex, model_reasoning_effort) },
	{ "links", "Links", FIELD_LIST, 0, AT(struct stack_codex, links), .shape = &link_shape, .go_type = &go_links },
	{ "extraTools", "ExtraTools", FIELD_TEXT_LIST, 0, AT(struct stack_codex, extra_tools) },
	{ "projectContext", "ProjectContext", FIELD_TEXT, 0, AT(struct stack_codex, project_context) },
	{ "servicesOverview", "ServicesOverview", FIELD_TEXT, 0, AT(struct stack_codex, services_overview) },
	{ "timeouts", "Timeouts", FIELD_STRUCT, .shape = &timeouts_shape },
	{ "configBlocks", "ConfigBlocks", FIELD_LIST, 0, AT(struct stack_codex, config_blocks), .shape = &block_shape,
	  .go_type = &go_blocks },
	{ "reviewMCPEnabled", "ReviewMCPEnabled", FIELD_FLAG, 0, AT(struct stack_codex, review_mcp_enabled) },
	{ "mcp", "MCP", FIELD_STRUCT, .shape = &mcp_shape },
};
const struct shape codex_shape = SHAPE("the codex block", &stack_go_codex, struct stack_codex,
				       offsetof(struct stack_codex, at), NO_OFFSET, codex_fields);

/* ---- images and environments ---- */

static const struct field image_fields[] = {
	{ "type", NULL, FIELD_TEXT, 0, AT(struct stack_image, type_text) },
	{ "from", NULL, FIELD_TEXT, 0, AT(struct stack_image, from) },
	{ "local", NULL, FIELD_TEXT, 0, AT(struct stack_image, local) },
	{ "repository", NULL, FIELD_TEXT, 0, AT(struct stack_image, repository) },
	{ "tag", NULL, FIELD_TEXT, 0, AT(struct stack_image, tag) },
	{ "tagTemplate", NULL, FIELD_TEXT, FIELD_TEMPLATE, AT(struct stack_image, tag_template) },
	{ "dockerfile", NULL, FIELD_TEXT, 0, AT(struct stack_image, dockerfile) },
	{ "context", NULL, FIELD_TEXT, 0, AT(struct stack_image, context) },
	{ "buildArgs", NULL, FIELD_TEXT_MAP, FIELD_TEMPLATE, AT(struct stack_image, build_args) },
	{ "buildContexts", NULL, FIELD_TEXT_MAP, FIELD_TEMPLATE, AT(struct stack_image, build_contexts) },
};
static const struct shape image_shape = SHAPE("an image", NULL, struct stack_image, offsetof(struct stack_image, at),
					      offsetof(struct stack_image, key), image_fields);

static const struct field local_registry_fields[] = {
	{ "enabled", NULL, FIELD_FLAG, 0, AT(struct stack_local_registry, enabled) },
	{ "name", NULL, FIELD_TEXT, 0, AT(struct stack_local_registry, name) },
	{ "port", NULL, FIELD_NUMBER, 0, AT(struct stack_local_registry, port) },
};
static const struct shape local_registry_shape = SHAPE("the localRegistry block", NULL, struct stack_local_registry,
						       offsetof(struct stack_local_registry, at), NO_OFFSET,
						       local_registry_fields);
static const struct field environment_fields[] = {
	{ "from", NULL, FIELD_TEXT, 0, AT(struct stack_environment, from) },
	{ "imagePullPolicy", NULL, FIELD_TEXT, FIELD_UNUSED, AT(struct stack_environment, image_pull_policy) },
	{ "slotBootstrapInfra", NULL, FIELD_TEXT_LIST, 0, AT(struct stack_environment, slot_bootstrap_infra) },
	{ "localRegistry", NULL, FIELD_OPTIONAL, FIELD_UNUSED, AT(struct stack_environment, local_registry),
	  .shape = &local_registry_shape },
};
static const char *const old_environment_keys[] = { "kubeconfig", NULL };
static const struct shape environment_shape = {
	.what = "an environment", .size = sizeof(struct stack_environment),
	.spot_offset = offsetof(struct stack_environment, at), .key_offset = offsetof(struct stack_environment, name),
	.fields = environment_fields, .n = ARRAY_LEN(environment_fields), .old = old_environment_keys,
};

/* ---- hooks ---- */

static const struct field hook_fields[] = {
	{ "name", NULL, FIELD_TEXT, 0, AT(struct stack_hook, name) },
	{ "run", NULL, FIELD_TEXT, FIELD_TEMPLATE, AT(struct stack_hook, run) },
	{ "use", NULL, FIELD_TEXT, 0, AT(struct stack_hook, use) },
	{ "with", NULL, FIELD_NODE, FIELD_TEMPLATE, AT(struct stack_hook, with) },
	{ "when", NULL, FIELD_TEXT, FIELD_TEMPLATE, AT(struct stack_hook, when) },
	{ "continueOnError", NULL, FIELD_FLAG, 0, AT(struct stack_hook, continue_on_error) },
	{ "timeout", NULL, FIELD_TEXT, 0, AT(struct stack_hook, timeout) },
};
static const struct shape hook_shape = SHAPE("a hook step", NULL, struct stack_hook, offsetof(struct stack_hook, at),
					     NO_OFFSET, hook_fields);

#define STAGE(key_text, c_type, stage)                                                                                 \
	{ key_text, NULL, FIELD_LIST, .offset = offsetof(c_type, hooks) + (stage) * sizeof(struct stack_hook_list),    \
	  .shape = &hook_shape }
static const struct field root_hook_fields[] = {
	STAGE("beforeAll", struct stack, HOOK_BEFORE_ALL),
	STAGE("afterAll", struct stack, HOOK_AFTER_ALL),
};
static const struct shape root_hooks_shape = SHAPE("the hooks block", NULL, struct stack, NO_OFFSET, NO_OFFSET,
						   root_hook_fields);
static const struct field item_hook_fields[] = {
	STAGE("beforeApply", struct stack_item, HOOK_BEFORE_APPLY),
	STAGE("afterApply", struct stack_item, HOOK_AFTER_APPLY),
	STAGE("beforeDestroy", struct stack_item, HOOK_BEFORE_DESTROY),
	STAGE("afterDestroy", struct stack_item, HOOK_AFTER_DESTROY),
};
static const struct shape item_hooks_shape = SHAPE("a hooks block", NULL, struct stack_item, NO_OFFSET, NO_OFFSET,
						   item_hook_fields);

/* ---- infrastructure and services ---- */

static const struct field manifest_fields[] = {
	{ "path", NULL, FIELD_TEXT, 0, AT(struct stack_manifest, path) },
};
static const struct shape manifest_shape = SHAPE("a manifest", NULL, struct stack_manifest,
						 offsetof(struct stack_manifest, at), NO_OFFSET, manifest_fields);
static const struct field pvc_mount_fields[] = {
	{ "name", NULL, FIELD_TEXT, 0, AT(struct stack_pvc_mount, name) },
	{ "claimName", NULL, FIELD_TEXT, 0, AT(struct stack_pvc_mount, claim_name) },
	{ "mountPath", NULL, FIELD_TEXT, 0, AT(struct stack_pvc_mount, mount_path) },
	{ "subPath", NULL, FIELD_TEXT, 0, AT(struct stack_pvc_mount, sub_path) },
	{ "readOnly", NULL, FIELD_FLAG, 0, AT(struct stack_pvc_mount, read_only) },
};
static const struct shape pvc_mount_shape = SHAPE("a pvcMount", NULL, struct stack_pvc_mount,
						  offsetof(struct stack_pvc_mount, at), NO_OFFSET, pvc_mount_fields);
static const struct field overlay_fields[] = {
	{ "pvcMounts", NULL, FIELD_LIST, 0, AT(struct stack_overlay, pvc_mounts), .shape = &pvc_mount_shape },
	{ "dropKinds", NULL, FIELD_TEXT_LIST, 0, AT(struct stack_overlay, drop_kinds) },
};
static const char *const old_overlay_keys[] = { "hostMounts", NULL };
static const struct shape overlay_shape = {
	.what = "an overlay", .size = sizeof(struct stack_overlay), .spot_offset = offsetof(struct stack_overlay, at),
	.key_offset = offsetof(struct stack_overlay, env), .fields = overlay_fields, .n = ARRAY_LEN(overlay_fields),
	.old = old_overlay_keys,
};
static const struct field item_image_fields[] = {
	{ "repository", NULL, FIELD_TEXT, 0, AT(struct stack_item, image_repository) },
	{ "tagTemplate", NULL, FIELD_TEXT, FIELD_TEMPLATE, AT(struct stack_item, image_tag_template) },
};
static const struct shape item_image_shape = SHAPE("a service's image", NULL, struct stack_item, NO_OFFSET, NO_OFFSET,
						   item_image_fields);
static const struct field ingress_fields[] = {
	{ "hosts", NULL, FIELD_TEXT_MAP, FIELD_UNUSED, AT(struct stack_item, ingress_hosts) },
};
static const struct shape ingress_shape = SHAPE("a service's ingress", NULL, struct stack_item, NO_OFFSET, NO_OFFSET,
						ingress_fields);

static const struct field infra_fields[] = {
	{ "name", NULL, FIELD_TEXT, 0, AT(struct stack_item, name) },
	{ "manifests", NULL, FIELD_LIST, 0, AT(struct stack_item, manifests), .shape = &manifest_shape },
	{ "when", NULL, FIELD_TEXT, FIELD_TEMPLATE, AT(struct stack_item, when) },
	{ "hooks", NULL, FIELD_STRUCT, .shape = &item_hooks_shape },
};
static const struct shape infra_shape = SHAPE("an infrastructure item", NULL, struct stack_item,
					      offsetof(struct stack_item, at), NO_OFFSET, infra_fields);
static const struct field service_fields[] = {
	{ "name", NULL, FIELD_TEXT, 0, AT(struct stack_item, name) },
	{ "manifests", NULL, FIELD_LIST, 0, AT(struct stack_item, manifests), .shape = &manifest_shape },
	{ "image", NULL, FIELD_STRUCT, .shape = &item_image_shape },
	{ "ingress", NULL, FIELD_STRUCT, .shape = &ingress_shape },
	{ "when", NULL, FIELD_TEXT, FIELD_TEMPLATE, AT(struct stack_item, when) },
	{ "overlays", NULL, FIELD_MAP, 0, AT(struct stack_item, overlays), .shape = &overlay_shape },
	{ "hooks", NULL, FIELD_STRUCT, .shape = &item_hooks_shape },
};
static const struct shape service_shape = SHAPE("a service", NULL, struct stack_item, offsetof(struct stack_item, at),
						NO_OFFSET, service_fields);

/* ---- the root ---- */

static const struct field namespace_fields[] = {
	{ "patterns", NULL, FIELD_TEXT_MAP, FIELD_HEADER, AT(struct stack, namespace_patterns) },
};
static const struct shape namespace_shape = SHAPE("the namespace block", NULL, struct stack, NO_OFFSET, NO_OFFSET,
						  namespace_fields);
static const struct field root_fields[] = {
	{ "project", NULL, FIELD_TEXT, FIELD_HEADER, AT(struct stack, project) },
	{ "envFiles", NULL, FIELD_TEXT_LIST, FIELD_HEADER, AT(struct stack, env_files) },
	{ "codex", NULL, FIELD_STRUCT, 0, AT(struct stack, codex), .shape = &codex_shape },
	{ "namespace", NULL, FIELD_STRUCT, FIELD_HEADER, .shape = &namespace_shape },
	{ "maxSlots", NULL, FIELD_NUMBER, FIELD_UNUSED, AT(struct stack, max_slots) },
	{ "registry", NULL, FIELD_TEXT, FIELD_UNUSED, AT(struct stack, registry) },
	{ "images", NULL, FIELD_MAP, 0, AT(struct stack, images), .shape = &image_shape },
	{ "baseDomain", NULL, FIELD_TEXT_MAP, FIELD_HEADER, AT(struct stack, base_domain) },
	{ "environments", NULL, FIELD_MAP, 0, AT(struct stack, environments), .shape = &environment_shape },
	{ "infrastructure", NULL, FIELD_LIST, 0, AT(struct stack, infrastructure), .shape = &infra_shape },
	{ "services", NULL, FIELD_LIST, 0, AT(struct stack, services), .shape = &service_shape },
	{ "hooks", NULL, FIELD_STRUCT, .shape = &root_hooks_shape },
	{ "storage", NULL, FIELD_OPTIONAL, 0, AT(struct stack, storage), .shape = &storage_shape },
	{ "state", NULL, FIELD_OPTIONAL, 0, AT(struct stack, state), .shape = &state_shape },
	{ "versions", NULL, FIELD_TEXT_MAP, FIELD_HEADER, AT(struct stack, versions) },
};
static const char *const old_root_keys[] = { "dataPaths", NULL };
const struct shape stack_shape = {
	.what = "services.yaml", .size = sizeof(struct stack), .spot_offset = NO_OFFSET, .key_offset = NO_OFFSET,
	.fields = root_fields, .n = ARRAY_LEN(root_fields), .old = old_root_keys,
};
