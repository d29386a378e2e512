#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/term.h"
#include "ui/state.h"

#define NOW INT64_C(1700000000000)

/* A screen as text against tests/screen/golden; UPDATE_GOLDEN=1 writes it instead. */
static void check_golden(const struct canvas *canvas, const char *name)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0), want = BUF_INIT(0);
	AUTO_FREE char *path = xasprintf("tests/screen/golden/%s-%dx%d.txt", name, canvas->cols, canvas->rows);
	bool update = getenv("UPDATE_GOLDEN") != NULL;
	FILE *file = fopen(path, update ? "w" : "r");
	char piece[4096];
	size_t n;

	canvas_dump_text(canvas, &text);
	if (!file)
		fail_msg("%s is missing; `make golden` writes it", path);
	if (update)
		fwrite(text.p, 1, text.len, file);
	while (!update && (n = fread(piece, 1, sizeof piece, file)) > 0)
		buf_add(&want, piece, n);
	fclose(file);
	if (!update && !str_eq(buf_str(&text), buf_str(&want)))
		fail_msg("%s differs; the screen is now:\n%s", path, buf_cstr(&text));
}

static const struct {
	int cols, rows;
} sizes[] = { { 80, 24 }, { 120, 40 }, { 40, 10 }, { 200, 60 } };

static const struct job_object web = { .item = "web", .kind = "Deployment", .namespace = "shop-dev", .name = "web", .layer = 4 };
static const struct job_object config = { .item = "web", .kind = "ConfigMap", .namespace = "shop-dev", .name = "app-config", .layer = 2 };

static void take(struct deploy_view *view, struct job_event event)
{
	deploy_view_event(view, &event, NOW);
}

static void plan(struct deploy_view *view)
{
	take(view, (struct job_event){ .kind = JOB_PLANNED, .object = config });
	take(view, (struct job_event){ .kind = JOB_PLANNED, .object = web });
}

static void draw_golden(const struct deploy_view *view, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO(canvas) canvas = canvas_create(sizes[i].cols, sizes[i].rows, false);

		deploy_view_draw(view, canvas, (struct area){ 2, canvas->rows - 1 }, NOW + 4000);
		check_golden(canvas, name);
	}
}

static void a_comparison_shows_what_differs_and_how(void **state)
{
	(void)state;
	struct deploy_view view = { 0 };

	deploy_view_begin(&view, "dev", "dev", 0, DEPLOY_COMPARING, NOW);
	plan(&view);
	take(&view, (struct job_event){ .kind = JOB_DIFF, .object = web, .change = CHANGE_WOULD_CONFIGURE, .detail = "restarts 1 pod",
					.text = "@@ spec.template.spec\n-  image: web:1\n+  image: web:2\n" });
	take(&view, (struct job_event){ .kind = JOB_FINISHED, .text = "1 of 2 objects would change", .exit_code = EXIT_DIFFERENCES });
	assert_int_equal(view.differences, 1);
	draw_golden(&view, "diff");
	deploy_view_release(&view);
}

static void an_apply_shows_progress_and_what_it_waits_for(void **state)
{
	(void)state;
	struct deploy_view view = { 0 };

	deploy_view_begin(&view, "dev", "dev", 0, DEPLOY_APPLYING, NOW);
	plan(&view);
	take(&view, (struct job_event){ .kind = JOB_OBJECT, .object = config, .change = CHANGE_UNCHANGED });
	take(&view, (struct job_event){ .kind = JOB_OBJECT, .object = web, .change = CHANGE_CONFIGURED });
	take(&view, (struct job_event){ .kind = JOB_STEP_STARTED, .step = "wait" });
	take(&view, (struct job_event){ .kind = JOB_PROGRESS, .step = "wait", .done = 1, .total = 2 });
	take(&view, (struct job_event){ .kind = JOB_WAIT, .object = web, .state = "progressing", .text = "0 of 1 new pods ready" });
	take(&view, (struct job_event){ .kind = JOB_CAUSE, .depth = 1, .text = "Pod web-1: ImagePullBackOff\033[31m" });
	draw_golden(&view, "apply");
	deploy_view_release(&view);
}

static void an_apply_with_earlier_runs_tells_when_it_ends(void **state)
{
	(void)state;
	struct deploy_view view = { 0 };

	deploy_view_begin(&view, "dev", "dev", 0, DEPLOY_APPLYING, NOW);
	for (int i = 0; i < 7; i++)
		LIST_PUSH(view.progress.runs, view.progress.nruns, view.progress.runs_cap) = (struct progress_run){ .took_ms = 88000 + 1000 * i };
	plan(&view);
	take(&view, (struct job_event){ .kind = JOB_STEP_STARTED, .step = "wait" });
	draw_golden(&view, "apply-eta");
	take(&view, (struct job_event){ .kind = JOB_FINISHED, .text = "applied, and healthy" });
	AUTO_RELEASE(buf) line = BUF_INIT(0);

	deploy_view_line(&view, NOW, &line);
	assert_string_equal(buf_cstr(&line), "dev: applied, and healthy");
	deploy_view_release(&view);
}

static void every_size_draws_within_its_canvas(void **state)
{
	(void)state;
	struct deploy_view view = { 0 };

	deploy_view_begin(&view, "dev", "dev", 0, DEPLOY_APPLYING, NOW);
	plan(&view);
	for (int cols = 1; cols < 130; cols += 7) {
		for (int rows = 1; rows < 45; rows += 3) {
			AUTO(canvas) canvas = canvas_create(cols, rows, cols % 2);

			deploy_view_draw(&view, canvas, (struct area){ 2, rows - 1 }, NOW);
		}
	}
	deploy_view_release(&view);
}

static void help_is_made_from_the_key_table(void **state)
{
	(void)state;
	AUTO(canvas) canvas = canvas_create(80, 60, false);
	struct app app = { .page.of_view = VIEW_APPLY };
	struct pager pager = { 0 };

	page_help(&app, &pager);
	pager_update(&pager);
	pager_draw(&pager, canvas, 0, canvas->rows, 0, canvas->cols);
	check_golden(canvas, "help");
	pager_release(&pager);
}

static void nothing_of_others_controls_the_terminal(void **state)
{
	(void)state;
	static const char *const hostile[] = { "\033]0;x\007", "\033[2J", "a\rb\nc\td", "\xc2\x9b" "31m", "\xe2\x80\xae" "abc", "\xff\xfe", "\x7f",
					       "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9", "\xcc\x81", "\033", "\xe4\xb8", "\xe2\x80\xa8x" };

	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		for (int width = 1; width < 12; width++) {
			AUTO(canvas) canvas = canvas_create(12, 2, false);

			canvas_text(canvas, 0, 0, width, ROLE_TEXT, hostile[i]);
			canvas_name(canvas, 1, 0, width, ROLE_TEXT, hostile[i]);
			for (int at = 0; at < 24; at++) {
				uint32_t rune = canvas->cells[at].rune;

				assert_false((rune > 0 && rune < 0x20) || (rune >= 0x7f && rune < 0xa0));
				assert_false((rune >= 0x200b && rune <= 0x200f) || (rune >= 0x2028 && rune <= 0x202e) || (rune >= 0x2060 && rune <= 0x206f));
			}
		}
	}
}

static void characters_take_the_cells_that_terminals_give_them(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int width;
	} cases[] = { { "abc", 3 }, { "é", 1 }, { "e\xcc\x81", 1 }, { "中文", 4 }, { "✓", 1 }, { "✗", 1 }, { "\xf0\x9f\x98\x80", 2 }, { "", 0 }, { "└─", 2 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(text_width(cases[i].text), cases[i].width);
}

static void what_is_cut_shows_it(void **state)
{
	(void)state;
	AUTO(canvas) canvas = canvas_create(9, 3, false);
	AUTO_RELEASE(buf) text = BUF_INIT(0);

	canvas_text(canvas, 0, 0, 9, ROLE_TEXT, "abcdefghijklm");
	canvas_name(canvas, 1, 0, 9, ROLE_TEXT, "abcdefghijklm");
	canvas_text(canvas, 2, 0, 4, ROLE_TEXT, "中文字");
	canvas_dump_text(canvas, &text);
	assert_string_equal(buf_cstr(&text), "abcdefgh~\nabcd~jklm\n中~\n");
}

static void half_of_a_wide_character_never_stays(void **state)
{
	(void)state;
	for (int at = 0; at < 4; at++) {
		AUTO(canvas) canvas = canvas_create(4, 1, false);

		canvas_text(canvas, 0, 0, 4, ROLE_TEXT, "中文");
		canvas_text(canvas, 0, at, 1, ROLE_TEXT, "x");
		assert_true(canvas->cells[at].rune == 'x');
		assert_true(canvas->cells[at ^ 1].rune == ' ');
	}
}

static void an_ascii_canvas_holds_ascii_only(void **state)
{
	(void)state;
	AUTO(canvas) canvas = canvas_create(12, 3, true);

	canvas_box(canvas, 0, 0, 3, 12, "é");
	canvas_text(canvas, 1, 1, 10, ROLE_TEXT, "✓✗é中└");
	for (int i = 0; i < 36; i++)
		assert_true(canvas->cells[i].rune >= ' ' && canvas->cells[i].rune < 0x7f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_comparison_shows_what_differs_and_how),
		cmocka_unit_test(an_apply_shows_progress_and_what_it_waits_for),
		cmocka_unit_test(an_apply_with_earlier_runs_tells_when_it_ends),
		cmocka_unit_test(every_size_draws_within_its_canvas),
		cmocka_unit_test(help_is_made_from_the_key_table),
		cmocka_unit_test(nothing_of_others_controls_the_terminal),
		cmocka_unit_test(characters_take_the_cells_that_terminals_give_them),
		cmocka_unit_test(what_is_cut_shows_it),
		cmocka_unit_test(half_of_a_wide_character_never_stays),
		cmocka_unit_test(an_ascii_canvas_holds_ascii_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
