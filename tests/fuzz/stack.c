/*
 * services.yaml as text. What loads strictly loads leniently too, into the same namespace, and every template string
 * of it can be asked for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/render.h"
#include "model/stack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stack *load(struct str text, bool lenient)
{
	static char *const environment[] = { "A={{ .Env }}", "B={", "C=x", NULL };
	static const struct timespec now = { 1770091445, 0 };
	const struct stack_options options = {
		.config = "/nonexistent/services.yaml", .text = text, .env = "ai", .slot = 2, .environment = environment,
		.now = &now, .lenient = lenient, .inline_vars = "V={{ .Slot }}",
	};
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO_RELEASE(error) err = { 0 };
	struct stack *stack = NULL;

	if (!stack_load(&options, &stack, &diags, &err) && (stack || !err.message || !diags.errors))
		abort();
	return stack;
}

static void render_hooks(const struct stack *stack, const struct stack_hook_list *lists)
{
	for (size_t stage = 0; stage < HOOK_STAGES; stage++)
		for (size_t i = 0; i < lists[stage].n; i++) {
			AUTO_RELEASE(buf) out = BUF_INIT(1 << 20);
			AUTO_RELEASE(error) err = { 0 };
			bool holds;

			stack_when(stack, "when", lists[stage].items[i].when, false, &holds, NULL, &err);
			stack_render_text(stack, "hook-run", lists[stage].items[i].run, &out, NULL, &err);
		}
}

static bool ignore(const struct render_object *object, void *arg, struct error *err)
{
	(void)object;
	(void)arg;
	(void)err;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { size ? (const char *)data : "", size };
	AUTO(stack) lenient = load(text, true);
	AUTO(stack) strict = load(text, false);
	AUTO_RELEASE(diags) diags = DIAGS_INIT;
	AUTO_RELEASE(error) err = { 0 };

	if (strict && !lenient)
		abort();
	if (!lenient)
		return 0;
	if (strict && strcmp(strict->namespace, lenient->namespace) != 0)
		abort();
	render_hooks(lenient, lenient->hooks);
	for (size_t i = 0; i < lenient->services.n; i++)
		render_hooks(lenient, lenient->services.items[i].hooks);
	stack_render(lenient, NULL, ignore, NULL, &diags, &err);
	return 0;
}
