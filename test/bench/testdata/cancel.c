// cancel never ends by itself: it does without end what its argument says.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

int main(int argc, char **argv) {
	const char *what = argc > 1 ? argv[1] : "";
	volatile unsigned sum = 0;
	if (!strcmp(what, "loop")) {
		for (;;)
			sum++;
	} else if (!strcmp(what, "calls")) {
		for (;;)
			sum += fib(40);
	} else if (!strcmp(what, "fill")) {
		size_t n = 256 << 20;
		char *volatile p = malloc(n);
		if (!p)
			return 1;
		for (;;)
			memset(p, sum++, n);
	} else if (!strcmp(what, "print")) {
		for (;;)
			puts("one more line");
	} else if (!strcmp(what, "sleep")) {
		for (;;)
			sleep(1000);
	} else if (!strcmp(what, "read")) {
		char c;
		while (read(0, &c, 1) == 1)
			;
	}
	return 1;
}
