/* Runs a fuzz target over every file of a folder: the corpus replay of `make check`.  No folder: nothing to replay is an error. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
replay(const char *dir, const char *name)
{
	char path[4096];
	uint8_t *data = NULL;
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return 0;
	fseek(f, 0, SEEK_END);
	n = (size_t)ftell(f);
	rewind(f);
	/* Exactly n bytes, so that ASan sees one read too far. */
	data = malloc(n == 0 ? 1 : n);
	if (data == NULL || fread(data, 1, n, f) != n) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(1);
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 1;
}

int
main(int argc, char **argv)
{
	int done = 0;
	DIR *d = argc == 2 ? opendir(argv[1]) : NULL;

	if (d == NULL) {
		fprintf(stderr, "usage: %s CORPUS_FOLDER (readable)\n", argv[0]);
		return 1;
	}
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.')
			done += replay(argv[1], e->d_name);
	closedir(d);
	printf("%d inputs\n", done);
	return done == 0;
}
