#include "ui/usage.h"

#include <math.h>

#include "ui/text.h"

#define NEAR_PERCENT 90 /* of the limit */
#define STRIP_CELLS 20

void add_cpu(struct buf *out, int64_t cpu_m)
{
	if (cpu_m < 1000)
		buf_addf(out, "%dm", (int)cpu_m);
	else
		buf_addf(out, "%.1f", (double)cpu_m / 1000);
}

void add_memory(struct buf *out, int64_t bytes)
{
	static const char *const units[] = { "Ki", "Mi", "Gi", "Ti" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	while (value >= 1000 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	buf_addf(out, value < 10 && unit > 1 ? "%.1f%s" : "%.0f%s", value, units[unit]);
}

struct measure {
	int64_t used, request, limit;
	void (*add)(struct buf *out, int64_t value);
	const char *name;
};

/* A limit of some pods only is none of the whole. */
static struct measure measure_of(const struct usage *usage, enum metrics_what what)
{
	if (what == METRICS_CPU)
		return (struct measure){ usage->cpu_m, usage->cpu_request_m, usage->cpu_limited == usage->pods ? usage->cpu_limit_m : 0, add_cpu, N_("cpu") };
	return (struct measure){ usage->memory_b, usage->memory_request_b, usage->memory_limited == usage->pods ? usage->memory_limit_b : 0, add_memory,
				 N_("memory") };
}

static bool is_near(const struct measure *m)
{
	return m->limit > 0 && m->used * 100 >= m->limit * NEAR_PERCENT;
}

enum role usage_cell(const struct metrics *metrics, const struct entry *entry, enum metrics_what what, struct buf *out)
{
	struct usage usage = { 0 };
	struct measure m;

	if (metrics && entry)
		metrics_add_usage(metrics, entry, &usage);
	if (!usage.measured) {
		buf_adds(out, "-");
		return ROLE_DIM;
	}
	m = measure_of(&usage, what);
	m.add(out, m.used);
	return is_near(&m) ? ROLE_BAD : ROLE_TEXT;
}

static int draw_one(const struct metrics *metrics, const struct entry *entry, const struct usage *usage, enum metrics_what what, struct canvas *canvas,
		    int row, int col)
{
	struct measure m = measure_of(usage, what);
	AUTO_RELEASE(buf) text = BUF_INIT(0), used = BUF_INIT(0), of = BUF_INIT(0);
	double values[METRICS_SAMPLES], max = 0;
	struct strip strip;

	m.add(&used, m.used);
	m.add(&of, m.limit ? m.limit : m.request);
	if (m.limit)
		buf_addf(&text, T("%s %s (%d%% of %s)"), T(m.name), buf_cstr(&used), (int)(m.used * 100 / m.limit), buf_cstr(&of));
	else if (m.request)
		buf_addf(&text, T("%s %s of %s requested"), T(m.name), buf_cstr(&used), buf_cstr(&of));
	else
		buf_addf(&text, "%s %s", T(m.name), buf_cstr(&used));
	col += canvas_text(canvas, row, col, canvas->cols - col, is_near(&m) ? ROLE_BAD : ROLE_TEXT, buf_cstr(&text)) + 1;
	strip_init(&strip);
	metrics_add_strip(metrics, entry, what, &strip);
	for (size_t i = 0; i < METRICS_SAMPLES; i++) {
		values[i] = strip.values[i] < 0 ? NAN : (double)strip.values[i];
		max = values[i] > max ? values[i] : max; /* never true for NAN */
	}
	if (col + STRIP_CELLS < canvas->cols && !canvas->ascii)
		col += canvas_strip(canvas, row, col, STRIP_CELLS, ROLE_DIM, values, METRICS_SAMPLES, m.limit > 0 ? (double)m.limit : max);
	return col + 3;
}

bool draw_usage(const struct metrics *metrics, const struct entry *entry, struct canvas *canvas, int row)
{
	struct usage usage = { 0 };
	int col;

	if (metrics)
		metrics_add_usage(metrics, entry, &usage);
	if (!usage.measured)
		return false;
	col = draw_one(metrics, entry, &usage, METRICS_CPU, canvas, row, 1);
	draw_one(metrics, entry, &usage, METRICS_MEMORY, canvas, row, col);
	return true;
}
