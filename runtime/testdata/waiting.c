// A guest that loads a table, and then works with it: what a snapshot is for.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

static unsigned table[4096];
static char mode[64];
static unsigned loaded;
static FILE *kept;
static char secret[8];

__attribute__((noinline)) static void load(void) {
	unsigned x = 12345;
	for (unsigned i = 0; i < 4096; i++) table[i] = x = x * 1664525 + 1013904223;
	loaded++;
}

__attribute__((export_name("wizer.initialize"))) void initialize(void) {
	const char *m = getenv("MODE");
	strncpy(mode, m ? m : "none", sizeof mode - 1);
	if (!strcmp(mode, "keep")) kept = fopen("/data/words", "r");
	if (!strcmp(mode, "write")) fclose(fopen("/data/new", "w"));
	struct stat st;
	char link[64];
	if (!strcmp(mode, "probe") && !access("/data/config", R_OK)) strcpy(mode, "configured");
	if (!strcmp(mode, "stat") && !stat("/conf", &st)) strcpy(mode, "there");
	if (!strcmp(mode, "linked")) {
		FILE *f = fopen("/link/words", "r");
		if (f) fclose(f);
		else strcpy(mode, "gone");
	}
	if (!strcmp(mode, "readlink") && readlink("/link", link, sizeof link) < 0) strcpy(mode, "no link");
	if (!strcmp(mode, "mkdir")) mkdir("/tmp/made", 0700);
	if (!strcmp(mode, "again")) mkdir("/data", 0700);
	if (!strcmp(mode, "remove")) unlink("/data/words");
	if (!strcmp(mode, "swap")) close(0), open("/data/words", O_RDONLY);
	if (!strcmp(mode, "draw") || !strcmp(mode, "redraw")) getentropy(secret, sizeof secret);
	if (!strcmp(mode, "device")) {
		FILE *f = fopen("/dev/urandom", "r");
		fread(secret, 1, sizeof secret, f);
		fclose(f);
	}
	if (!strcmp(mode, "print")) puts("loading"), fflush(stdout);
	load();
}

__attribute__((noinline)) static unsigned rare(unsigned x) { return x * 31 + table[x % 4096]; }
__attribute__((noinline)) static unsigned common(unsigned x) { return x ^ table[(x * 7) % 4096]; }

__attribute__((export_name("run"))) int run(void) {
	char buf[8][64];
	char *argv[8];
	__wasi_size_t n, size;
	static char *list[64];
	static char text[4096];
	if (__wasi_args_sizes_get(&n, &size) || n > 64 || size > sizeof text || __wasi_args_get((uint8_t **)list, (uint8_t *)text)) return 9;
	(void)buf, (void)argv;
	if (!loaded) initialize();
	if (!strcmp(mode, "redraw")) getentropy(secret, sizeof secret);
	unsigned sum = 0;
	for (unsigned i = 0; i < 1000; i++) sum = common(sum + i);
	if (n > 1 && !strcmp(list[1], "rare")) sum = rare(sum);
	if (n > 1 && !strcmp(list[1], "trap")) __builtin_trap();
	printf("%u %s loaded %u\n", sum, mode, loaded);
	if (n > 1 && !strcmp(list[1], "random")) {
		unsigned char r[8];
		getentropy(r, sizeof r);
		for (int i = 0; i < 8; i++) printf("%02x", r[i]);
		printf("\n");
	}
	if (n > 1 && !strcmp(list[1], "clock")) {
		struct timespec t;
		clock_gettime(CLOCK_MONOTONIC, &t);
		printf("%lld\n", t.tv_sec * 1000000000LL + t.tv_nsec);
	}
	fflush(stdout);
	return n > 1 && !strcmp(list[1], "seven") ? 7 : 0;
}
