// probe does one thing per name, so that tests see what a container allows.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
	const char *what = argc > 1 ? argv[1] : "args";
	if (!strcmp(what, "args")) {
		for (int i = 0; i < argc; i++)
			printf("%s\n", argv[i]);
	} else if (!strcmp(what, "env")) {
		for (char **e = environ; *e; e++)
			printf("%s\n", *e);
	} else if (!strcmp(what, "read")) {
		FILE *f = fopen(argv[2], "r");
		if (!f) {
			printf("%s\n", strerror(errno));
			return 1;
		}
		char buf[4096];
		size_t n = fread(buf, 1, sizeof buf, f);
		fwrite(buf, 1, n, stdout);
	} else if (!strcmp(what, "write")) {
		FILE *f = fopen(argv[2], "w");
		if (!f || fputs(argv[3], f) < 0 || fclose(f)) {
			printf("%s\n", strerror(errno));
			return 1;
		}
	} else if (!strcmp(what, "fill")) { // until the disk is full
		FILE *f = fopen(argv[2], "w");
		char buf[65536];
		memset(buf, 'x', sizeof buf);
		long total = 0;
		while (fwrite(buf, 1, sizeof buf, f) == sizeof buf && !fflush(f))
			total += sizeof buf;
		printf("%s\n", strerror(errno));
	} else if (!strcmp(what, "spin")) {
		for (volatile unsigned i = 0;; i++)
			;
	} else if (!strcmp(what, "sleep")) {
		sleep(1000);
	} else if (!strcmp(what, "stdin")) {
		int c;
		while ((c = getchar()) != EOF)
			putchar(c);
	} else if (!strcmp(what, "line")) { // one byte a time, as a shell reads
		char c;
		while (read(0, &c, 1) == 1) {
			putchar(c);
			if (c == '\n')
				break;
		}
	} else if (!strcmp(what, "exit")) {
		return atoi(argv[2]);
	} else if (!strcmp(what, "trap")) {
		__builtin_trap();
	} else if (!strcmp(what, "grow")) {
		size_t got = 0;
		for (volatile char *p; (p = malloc(1 << 20)); got++)
			*p = 1;
		printf("%zu MiB\n", got);
	} else if (!strcmp(what, "recurse")) {
		volatile char frame[1024];
		frame[argc % 1024] = 1;
		return main(argc + 1, argv) + frame[0];
	} else if (!strcmp(what, "flood")) { // as much as it is told, whatever comes of it
		for (long n = atol(argv[2]); n > 0; n--)
			putchar('x');
	} else if (!strcmp(what, "open")) { // until no more can be
		int n = 0;
		while (open(argv[2], O_RDONLY) >= 0)
			n++;
		printf("%d %s\n", n, strerror(errno));
	} else if (!strcmp(what, "hold")) { // MiB, until its input ends
		char *volatile p = malloc(atol(argv[2]) << 20);
		puts(p ? "has it" : "does not get it");
		fflush(stdout);
		while (getchar() != EOF)
			;
		free(p);
	} else if (!strcmp(what, "time")) {
		printf("%ld\n", (long)time(NULL));
	} else if (!strcmp(what, "random")) {
		unsigned long long n;
		getentropy(&n, sizeof n);
		printf("%llx\n", n);
	}
	return 0;
}
