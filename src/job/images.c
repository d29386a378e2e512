#include "job/images.h"

#include <stdio.h>
#include <string.h>

const char *bytes_text(int64_t bytes, char out[32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

bool image_is_chosen(const struct stack_image *image, enum stack_image_type type, const char *const *only)
{
	if (image->type != type)
		return false;
	for (const char *const *name = only; name && *name; name++)
		if (strcmp(*name, image->key.text) == 0)
			return true;
	return !only || !*only;
}

bool image_find(struct run *run, struct spot at, const struct error *err)
{
	run_emit(run, &(struct job_event){ .kind = JOB_FINDING, .severity = DIAG_ERROR, .place = stack_place(run->stack, at), .text = err->message, .detail = err->hint });
	return false;
}

bool image_check_names(struct run *run, enum stack_image_type type, const char *word, const char *const *only)
{
	const struct stack *stack = run->stack;
	bool good = true;

	for (const char *const *name = only; name && *name; name++) {
		bool known = false;
		AUTO_RELEASE(error) err = { 0 };

		for (size_t i = 0; i < stack->images.n; i++)
			known |= stack->images.items[i].type == type && strcmp(stack->images.items[i].key.text, *name) == 0;
		if (known)
			continue;
		error_set(&err, ERR_INVALID, "there is no %s image \"%s\" in services.yaml", word, *name);
		good = image_find(run, (struct spot){ 0 }, &err);
	}
	return good;
}

struct job_object image_object(const struct run *run, const struct stack_image *image)
{
	struct place place = stack_place(run->stack, image->at);

	return (struct job_object){ .kind = "Image", .name = image->key.text, .item = image->key.text, .file = place.file ? place.file : "", .line = place.line };
}

void image_tell_failed(struct run *run, const struct stack_image *image, const struct error *err)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	buf_adds(&text, err->message);
	if (err->hint)
		buf_addf(&text, "; %s", err->hint);
	run_emit(run, &(struct job_event){ .kind = JOB_OBJECT, .object = image_object(run, image), .change = CHANGE_FAILED, .text = buf_cstr(&text) });
}
