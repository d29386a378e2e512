/*
 * Runs a fuzz target over its corpus once, without libFuzzer: NAME_fuzz_test reads the files of tests/fuzz/corpus/NAME.
 * With arguments it reads those files instead, to look at one input by itself.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool run_file(const char *path)
{
	AUTO_RELEASE(buf) text = BUF_INIT(0);
	char part[4096];
	FILE *file = fopen(path, "rb");
	size_t n;

	if (!file)
		return false;
	while ((n = fread(part, 1, sizeof part, file)) > 0)
		buf_add(&text, part, n);
	fclose(file);

	/* A copy of just that size lets the sanitizer see reads beyond the end. */
	uint8_t *copy = xmalloc(text.len);

	if (text.len)
		memcpy(copy, text.p, text.len);
	LLVMFuzzerTestOneInput(copy, text.len);
	free(copy);
	return true;
}

static unsigned run_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned n = 0;

	while (dir && (entry = readdir(dir))) {
		AUTO_FREE char *path = xasprintf("%s/%s", folder, entry->d_name);

		if (entry->d_name[0] != '.')
			n += run_file(path);
	}
	if (dir)
		closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	const char *end = strstr(name, "_fuzz_test");
	AUTO_FREE char *folder = xasprintf("tests/fuzz/corpus/%.*s", end ? (int)(end - name) : (int)strlen(name), name);
	unsigned n = 0;

	for (int i = 1; i < argc; i++)
		n += run_file(argv[i]);
	if (argc < 2)
		n = run_folder(folder);
	printf("%u passed, %d failed\n", n, n ? 0 : 1);
	return n ? 0 : 1;
}
