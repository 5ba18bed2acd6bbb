// Prints what differs between runs and machines: clocks, randomness, the bits
// of NaNs, the order of directories, times of files, how input arrives.
#include <dirent.h>
#include <math.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasm_simd128.h>

static uint64_t hash = 14695981039346656037u;

static void bits64(const char *what, double d)
{
	uint64_t u;
	memcpy(&u, &d, 8);
	printf("%s %016llx\n", what, (unsigned long long)u);
}

static void bits32(const char *what, float f)
{
	uint32_t u;
	memcpy(&u, &f, 4);
	printf("%s %08x\n", what, u);
}

static void lanes(const char *what, v128_t v)
{
	printf("%s %016llx %016llx\n", what, (unsigned long long)wasm_i64x2_extract_lane(v, 0), (unsigned long long)wasm_i64x2_extract_lane(v, 1));
}

static double d64(uint64_t u)
{
	volatile uint64_t v = u;
	double d;
	u = v;
	memcpy(&d, &u, 8);
	return d;
}

static float d32(uint32_t u)
{
	volatile uint32_t v = u;
	float f;
	u = v;
	memcpy(&f, &u, 4);
	return f;
}

static void nans(void)
{
	double zero = d64(0), inf = d64(0x7ff0000000000000), one = d64(0x3ff0000000000000), mine = d64(0xfff8000000012345);
	float zerof = d32(0), inff = d32(0x7f800000), onef = d32(0x3f800000), minef = d32(0xffc12345);
	bits64("0/0", zero / zero);
	bits64("inf-inf", inf - inf);
	bits64("sqrt(-1)", __builtin_sqrt(-one));
	bits64("payload+1", mine + one);
	bits64("1+payload", one + mine);
	bits64("floor payload", __builtin_floor(mine));
	bits64("promoted", (double)minef);
	bits64("copied", mine);
	bits64("negated", -mine);
	bits32("f0/0", zerof / zerof);
	bits32("finf-inf", inff - inff);
	bits32("fsqrt(-1)", __builtin_sqrtf(-onef));
	bits32("fpayload+1", minef + onef);
	bits32("fdemoted", (float)mine);
	bits32("fcopied", minef);
	v128_t v = wasm_f32x4_make(minef, zerof, inff, onef), w = wasm_f64x2_make(mine, inf);
	lanes("f32x4.add", wasm_f32x4_add(v, wasm_f32x4_splat(onef)));
	lanes("f32x4.sub", wasm_f32x4_sub(v, v));
	lanes("f32x4.div", wasm_f32x4_div(v, wasm_f32x4_sub(v, v)));
	lanes("f32x4.min", wasm_f32x4_min(v, wasm_f32x4_splat(onef)));
	lanes("f64x2.sub", wasm_f64x2_sub(w, w));
	lanes("f64x2.sqrt", wasm_f64x2_sqrt(wasm_f64x2_neg(w)));
	lanes("f64x2.max", wasm_f64x2_max(wasm_f64x2_splat(one), w));
	lanes("f64x2 as f32x4", wasm_f32x4_add(wasm_f64x2_add(w, w), v));
}

static void clocks(void)
{
	for (int i = 0; i < 3; i++) {
		struct timespec r, m;
		clock_gettime(CLOCK_REALTIME, &r);
		clock_gettime(CLOCK_MONOTONIC, &m);
		printf("time %lld.%09ld, since start %lld.%09ld\n", (long long)r.tv_sec, r.tv_nsec, (long long)m.tv_sec, m.tv_nsec);
		usleep(1500);
	}
}

static void randomness(void)
{
	unsigned char b[40];
	getentropy(b, 20);
	FILE *f = fopen("/dev/urandom", "r");
	if (!f || fread(b + 20, 1, 20, f) != 20)
		exit(3);
	fclose(f);
	for (size_t i = 0; i < sizeof b; i++) {
		hash = (hash ^ b[i]) * 1099511628211u;
		printf("%02x", b[i]);
	}
	printf(" random, hash %016llx\n", (unsigned long long)hash);
}

static void list(const char *dir)
{
	DIR *d = opendir(dir);
	if (!d)
		return;
	printf("%s:", dir);
	for (struct dirent *e; (e = readdir(d));)
		printf(" %s", e->d_name);
	printf("\n");
	closedir(d);
}

static void files(void)
{
	mkdir("/made", 0755);
	const char *names[] = {"/made/zebra", "/made/apple", "/made/mango"};
	for (int i = 0; i < 3; i++) {
		FILE *f = fopen(names[i], "a");
		struct stat st;
		if (!f || fstat(fileno(f), &st))
			exit(4);
		printf("%s inode %llu, changed %lld.%09ld\n", names[i], (unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
		fclose(f);
	}
	list("/made");
	list("/dev");
	list("/in");
}

static void input(void)
{
	static char b[100000];
	struct pollfd p = {.fd = 0, .events = POLLIN};
	long total = 0;
	for (;;) {
		int due = poll(&p, 1, 5);
		ssize_t n = read(0, b, sizeof b);
		printf("poll %d, read %zd\n", due, n);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			hash = (hash ^ (unsigned char)b[i]) * 1099511628211u;
		total += n;
	}
	printf("input of %ld, hash %016llx\n", total, (unsigned long long)hash);
}

int main(int argc, char **argv)
{
	extern char **environ;
	for (char **e = environ; *e; e++)
		puts(*e);
	clocks();
	randomness();
	nans();
	files();
	input();
	clocks();
	fprintf(stderr, "%s ends\n", argc > 1 ? argv[1] : "guest");
	return 0;
}
