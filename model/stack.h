/*
 * stack: a team's services.yaml, read, templated, checked and typed. The source of truth is the spec services-yaml.
 *
 * Three passes: the raw header (project, envFiles, versions, baseDomain, namespace patterns), the template pass over the
 * whole file, the typed pass. Every value knows where it stands in the file as written, also though the template pass moves
 * lines. What is wrong is collected: one load reports all errors.
 *
 * Strings that are templates to be rendered when used (`when`, `run`, image tags, build arguments, comment bodies) hold
 * template source; text that came from variables is masked in them so that it is never executed. Use stack_render_text()
 * for these and never print them raw. All other strings are final.
 *
 * A stack is immutable after stack_load() and may be read by several threads at once; stack_render_text() too.
 */
#ifndef SLOTDECK_MODEL_STACK_H
#define SLOTDECK_MODEL_STACK_H

#include <stdint.h>
#include <time.h>

#include "base/diag.h"
#include "model/vars.h"
#include "template/template.h"

struct yaml_node;

struct spot { /* in services.yaml; line 0: nowhere */
	unsigned line, column;
};

struct stack_text {
	const char *text; /* never NULL; "" when absent */
	struct spot at;	  /* line 0 when absent */
};

struct stack_text_list {
	struct stack_text *items;
	size_t n;
};

struct stack_text_pair {
	struct stack_text name, value;
};

struct stack_text_map { /* file order */
	struct stack_text_pair *items;
	size_t n;
};

struct stack_number {
	int64_t value;
	struct spot at;
};

struct stack_flag {
	bool value;
	struct spot at;
};

/* ---- hooks (spec hooks) ---- */

enum hook_stage {
	HOOK_BEFORE_ALL,
	HOOK_AFTER_ALL,
	HOOK_BEFORE_APPLY,
	HOOK_AFTER_APPLY,
	HOOK_BEFORE_DESTROY,
	HOOK_AFTER_DESTROY,
	HOOK_STAGES
};
const char *hook_stage_name(enum hook_stage stage); /* "beforeAll" */

struct stack_hook {
	struct spot at;
	struct stack_text name;
	struct stack_text run;  /* template */
	struct stack_text use;  /* one of hook_uses[] unless loading was lenient */
	struct stack_text when; /* template */
	struct yaml_node *with; /* a mapping or NULL; kinds as plain scalars mean them */
	struct stack_text body; /* template: with.body of github.comment */
	struct stack_flag continue_on_error;
	struct stack_text timeout;
	int64_t timeout_ms; /* 0: none */
};

struct stack_hook_list {
	struct stack_hook *items;
	size_t n;
};

/* The built-in actions, ending with NULL. */
extern const char *const hook_uses[];

/* ---- infrastructure and services ---- */

struct stack_manifest {
	struct spot at;
	struct stack_text path;
};

struct stack_manifest_list {
	struct stack_manifest *items;
	size_t n;
};

struct stack_pvc_mount {
	struct spot at;
	struct stack_text name, claim_name, mount_path, sub_path;
	struct stack_flag read_only;
};

struct stack_overlay {
	struct stack_text env; /* the key */
	struct spot at;
	struct {
		struct stack_pvc_mount *items;
		size_t n;
	} pvc_mounts;
	struct stack_text_list drop_kinds;
};

struct stack_item { /* an infrastructure item or a service */
	bool is_infra;
	struct spot at;
	struct stack_text name;
	struct stack_manifest_list manifests;
	struct stack_text when; /* template */
	struct stack_hook_list hooks[HOOK_STAGES]; /* without HOOK_BEFORE_ALL and HOOK_AFTER_ALL */
	/* services only */
	struct stack_text image_repository;
	struct stack_text image_tag_template; /* template */
	struct stack_text_map ingress_hosts;
	struct {
		struct stack_overlay *items;
		size_t n;
	} overlays;
};

struct stack_item_list {
	struct stack_item *items;
	size_t n;
};

/* ---- images, environments, storage, state, codex ---- */

enum stack_image_type { IMAGE_UNKNOWN, IMAGE_EXTERNAL, IMAGE_BUILD };

struct stack_image {
	struct stack_text key;
	struct spot at;
	struct stack_text type_text;
	enum stack_image_type type;
	struct stack_text from, local;			  /* external */
	struct stack_text repository, tag, tag_template, dockerfile, context; /* build; tag_template is a template */
	struct stack_text_map build_args, build_contexts;	  /* values are templates */
};

struct stack_local_registry {
	struct spot at;
	struct stack_flag enabled;
	struct stack_text name;
	struct stack_number port;
};

struct stack_environment {
	struct stack_text name; /* the key */
	struct spot at;
	struct stack_text from, image_pull_policy;
	struct stack_text_list slot_bootstrap_infra;
	struct stack_local_registry *local_registry; /* NULL: absent */
};

struct stack_storage_claim {
	struct spot at;
	struct stack_text size, storage_class;
	struct stack_text_list access_modes;
};

struct stack_storage {
	struct spot at;
	struct stack_storage_claim *workspace, *data, *registry; /* NULL: absent */
};

struct stack_state_config {
	struct spot at;
	struct stack_text backend, configmap_namespace, configmap_prefix;
};

struct stack_codex_link {
	struct spot at;
	struct stack_text title, path;
};

struct stack_config_block {
	struct spot at;
	struct stack_text name, toml /* template */, file;
};

struct stack_mcp_value {
	struct stack_text key;
	struct spot at;
	struct stack_text value, env_ref, var_ref;
	struct stack_flag optional;
};

struct stack_mcp_values {
	struct stack_mcp_value *items;
	size_t n;
};

struct stack_mcp_tool {
	struct spot at;
	struct stack_text name, description;
};

struct stack_mcp_service {
	struct spot at;
	struct stack_text name, namespace, path, scheme;
	struct stack_number port;
};

struct stack_mcp_server {
	struct spot at;
	struct stack_text name, type, description, command, endpoint, bearer_token_env_var;
	struct stack_number tool_timeout_sec, startup_timeout_sec;
	struct stack_text_list args;
	struct stack_mcp_values env, headers;
	struct stack_mcp_service *service; /* NULL: absent */
	struct {
		struct stack_mcp_tool *items;
		size_t n;
	} tools;
};

struct stack_codex {
	struct spot at;
	struct stack_text config_template, prompt_lang, model, model_reasoning_effort, project_context, services_overview;
	struct {
		struct stack_codex_link *items;
		size_t n;
	} links;
	struct stack_text_list extra_tools;
	struct {
		struct spot at;
		struct stack_text exec, rollout, deploy_wait;
	} timeouts;
	struct {
		struct stack_config_block *items;
		size_t n;
	} config_blocks;
	struct stack_flag review_mcp_enabled;
	struct {
		struct spot at;
		struct {
			struct stack_mcp_server *items;
			size_t n;
		} servers;
	} mcp;
};

/* ---- the stack ---- */

struct stack {
	/* what it was loaded with */
	char *config_path;  /* as the user named it: for messages */
	char *root;	    /* absolute folder of services.yaml */
	char *env;
	char *namespace;    /* resolved; "" if there is none */
	long long slot;
	struct timespec now; /* when it was loaded */

	/* raw header; versions, base_domain: rendered */
	struct stack_text project;
	struct stack_text_list env_files;
	struct stack_text_map namespace_patterns; /* as written */
	struct stack_text_map versions, base_domain;

	struct stack_number max_slots;
	struct stack_text registry;
	struct {
		struct stack_image *items;
		size_t n;
	} images;
	struct {
		struct stack_environment *items;
		size_t n;
	} environments;
	struct stack_item_list infrastructure, services;
	struct stack_hook_list hooks[HOOK_STAGES]; /* only HOOK_BEFORE_ALL and HOOK_AFTER_ALL */
	struct stack_storage *storage;	     /* NULL: absent */
	struct stack_state_config *state;	     /* NULL: absent */
	struct stack_codex codex;

	struct vars env_map;   /* everything merged: .EnvMap */
	struct vars vars;      /* var file and inline: .Vars */
	struct vars user_vars; /* inline: .UserVars */

	struct stack_private *private;
};

struct stack_options {
	const char *config;	 /* NULL: "services.yaml" */
	struct str text;	 /* p not NULL: the file's text, which is then not read; config still names it */
	const char *env;	 /* may be "" */
	const char *namespace;	 /* explicit; NULL or blank: resolved */
	long long slot;
	const char *inline_vars; /* --vars, NULL: none */
	const char *const *one_vars; /* repeated --var "k=v" */
	size_t n_one_vars;
	const char *var_file;	 /* NULL or blank: none */
	char *const *environment; /* process environment, as environ */
	const struct timespec *now; /* NULL: the clock's */
	/*
	 * What codexctl renders although the spec calls it an error (unknown env, duplicate names, bad hooks, an invalid
	 * namespace, missing values, …) is a warning for `render`, an error otherwise.
	 */
	bool lenient;
	bool partial; /* give the stack also when values in it are wrong, so that the rest can be looked at */
};

/*
 * Loads. Findings go to diags (all of them, warnings too); false if one is an error, then err tells the first and the
 * number of the others. *ret is untouched on failure, except as options->partial says.
 */
bool stack_load(const struct stack_options *options, struct stack **ret, struct diags *diags, struct error *err);
void stack_destroy(struct stack *stack);
DEFINE_AUTO(stack);

/* Where a spot is, for a finding. */
struct place stack_place(const struct stack *stack, struct spot spot);
/* Puts "services.yaml:LINE:COLUMN: " before the message. Returns false. */
bool stack_wrap_place(const struct stack *stack, struct spot spot, struct error *err);
/* The template context: `.` of every template. Borrowed. */
const struct value *stack_context(const struct stack *stack);

/*
 * Renders a template string of the stack (see above) under the name that codexctl gives it: "when", "hook-run", "tag",
 * "infra-when", "service-when", "github-comment-body", "image-tag", … Appends to out. Errors keep the template's own words
 * ("template: tag:1:3: …"); stack_wrap_place() tells where source stands. Unless the stack is lenient a missing value is an error;
 * else it is a warning in diags (which may be NULL).
 */
bool stack_render_text(const struct stack *stack, const char *name, struct stack_text source, struct buf *out,
		       struct diags *diags, struct error *err);
/*
 * Whether a `when` holds. Blank source: true. Rendered text: blank gives blank_is_true, false/0/no any case false, true/1/
 * yes/on true; anything else is true with a warning when the stack is lenient, else an error.
 */
bool stack_when(const struct stack *stack, const char *name, struct stack_text when, bool blank_is_true, bool *ret_true,
		struct diags *diags, struct error *err);
/* What codexctl lets pass is a warning. */
bool stack_is_lenient(const struct stack *stack);
/* For templates of their own (manifests, prompts): envOr, now, and missing values an error unless lenient. */
struct template_options stack_template_options(const struct stack *stack);

/* NULL if there is none of that name; names are trimmed, case does not count for items. */
const struct stack_item *stack_find_item(const struct stack *stack, bool is_infra, const char *name);
const struct stack_environment *stack_find_environment(const struct stack *stack, const char *name);
/* The environment with what it inherits through `from` filled in. The lists are borrowed from the stack. */
bool stack_resolve_environment(const struct stack *stack, const char *name, struct stack_environment *ret,
			       struct error *err);
/* The namespace another slot or environment of this stack would have. Gives; "" if none. */
bool stack_namespace(const struct stack *stack, const char *env, long long slot, char **ret, struct error *err);

/* Warns ("unknown-version") of each `index .Versions "KEY"` in a template text whose key services.yaml does not declare. */
void stack_check_versions(const struct stack *stack, struct str text, const char *file, struct diags *diags);

#endif
