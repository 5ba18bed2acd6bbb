// endless says that it is ready, and then does without end what its argument
// says.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
	const char *what = argc > 1 ? argv[1] : "";
	size_t large = 512 << 20;
	char *volatile p = strcmp(what, "fill") ? 0 : malloc(large);
	puts("ready");
	fflush(stdout);
	for (volatile unsigned n = 0;; n++) {
		if (!strcmp(what, "sleep"))
			sleep(1000);
		else if (!strcmp(what, "read"))
			read(0, &(char){0}, 1);
		else if (!strcmp(what, "print"))
			puts("one more line, that nobody reads");
		else if (p)
			memset(p, n, large);
		else if (strcmp(what, "loop"))
			return 1;
	}
}
