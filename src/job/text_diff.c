#include "job/text_diff.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CHANGES 2000

struct lines {
	struct str *items;
	size_t len, cap;
};

struct edit { /* one line of the script: ' ' kept, '-' taken out, '+' put in */
	char op;
	size_t before, after; /* line numbers from 0 */
};

struct edits {
	struct edit *items;
	size_t len, cap;
};

static struct lines split(struct str text)
{
	struct lines lines = { 0 };
	struct str line;

	while (str_cut(&text, '\n', &line))
		LIST_PUSH(lines.items, lines.len, lines.cap) = line;
	if (text.len)
		LIST_PUSH(lines.items, lines.len, lines.cap) = text;
	return lines;
}

static void push(struct edits *edits, char op, size_t before, size_t after)
{
	LIST_PUSH(edits->items, edits->len, edits->cap) = (struct edit){ op, before, after };
}

/* Walks the traces back from the end; the script comes out reversed. */
static void backtrack(const struct lines *a, const struct lines *b, int **traces, int d, struct edits *edits)
{
	int x = (int)a->len, y = (int)b->len;

	for (; d >= 0; d--) {
		const int *v = traces[d] + d + 1;
		int k = x - y, from_k = k == -d || (k != d && v[k - 1] < v[k + 1]) ? k + 1 : k - 1;
		int from_x = d ? v[from_k] : 0, from_y = d ? from_x - from_k : 0;

		while (x > from_x && y > from_y) {
			push(edits, ' ', (size_t)x - 1, (size_t)y - 1);
			x--, y--;
		}
		if (d == 0)
			break;
		if (x == from_x)
			push(edits, '+', (size_t)x, (size_t)y - 1);
		else
			push(edits, '-', (size_t)x - 1, (size_t)y);
		x = from_x, y = from_y;
	}
}

static void reverse(struct edits *edits)
{
	for (size_t i = 0, k = edits->len; i + 1 < k; i++) {
		struct edit e = edits->items[i];

		edits->items[i] = edits->items[--k];
		edits->items[k] = e;
	}
}

static void replace_all(const struct lines *a, const struct lines *b, struct edits *edits)
{
	for (size_t i = 0; i < a->len; i++)
		push(edits, '-', i, 0);
	for (size_t i = 0; i < b->len; i++)
		push(edits, '+', a->len, i);
}

/* Fills edits with the shortest script. traces[d] is the state before round d: v[-d-1 … d+1]. */
static void find_script(const struct lines *a, const struct lines *b, struct edits *edits)
{
	int n = (int)a->len, m = (int)b->len, limit = n + m < MAX_CHANGES ? n + m : MAX_CHANGES;
	int *storage = xcalloc((size_t)limit * 2 + 3, sizeof *storage), *v = storage + limit + 1;
	int **traces = xcalloc((size_t)limit + 1, sizeof *traces), d;
	bool found = false;

	for (d = 0; d <= limit && !found; d++) {
		traces[d] = xmalloc(((size_t)d * 2 + 3) * sizeof **traces);
		memcpy(traces[d], v - d - 1, ((size_t)d * 2 + 3) * sizeof **traces);
		for (int k = -d; k <= d && !found; k += 2) {
			int x = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1] : v[k - 1] + 1;

			while (x < n && x - k < m && str_eq(a->items[x], b->items[x - k]))
				x++;
			v[k] = x;
			found = x >= n && x - k >= m;
		}
	}
	if (found) {
		backtrack(a, b, traces, d - 1, edits);
		reverse(edits);
	} else {
		replace_all(a, b, edits);
	}
	for (int i = 0; i < d; i++)
		free(traces[i]);
	free(traces);
	free(storage);
}

static void put_hunk(const struct lines *a, const struct lines *b, const struct edit *edits, size_t n, struct buf *out)
{
	size_t before = 0, after = 0;

	for (size_t i = 0; i < n; i++) {
		before += edits[i].op != '+';
		after += edits[i].op != '-';
	}
	buf_addf(out, "@@ -%zu,%zu +%zu,%zu @@\n", edits[0].before + (before ? 1 : 0), before, edits[0].after + (after ? 1 : 0), after);
	for (size_t i = 0; i < n; i++) {
		buf_addc(out, edits[i].op);
		buf_add_str(out, edits[i].op == '+' ? b->items[edits[i].after] : a->items[edits[i].before]);
		buf_addc(out, '\n');
	}
}

void text_diff(struct str before, struct str after, unsigned context, struct buf *out)
{
	struct lines a = split(before), b = split(after);
	struct edits edits = { 0 };

	find_script(&a, &b, &edits);
	for (size_t i = 0; i < edits.len;) {
		size_t start = i, end, quiet = 0;

		if (edits.items[i].op == ' ') {
			i++;
			continue;
		}
		for (size_t back = 0; back < context && start > 0 && edits.items[start - 1].op == ' '; back++)
			start--;
		for (end = i; end < edits.len && quiet <= 2 * (size_t)context; end++)
			quiet = edits.items[end].op == ' ' ? quiet + 1 : 0;
		end -= quiet > context ? quiet - context : 0;
		put_hunk(&a, &b, edits.items + start, end - start, out);
		i = end;
	}
	free(edits.items);
	free(a.items);
	free(b.items);
}
