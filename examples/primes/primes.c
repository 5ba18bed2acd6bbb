/*
 * The primes below a hundred million, from a table that is made when the image is
 * built: prepare() is called once, then the memory is kept as part of the image,
 * and every run begins in work().
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LIMIT 100000000u
#define BLOCK 4096u /* odd numbers to an entry of the index */

static uint64_t composite[LIMIT / 2 / 64 + 1]; /* a bit for every odd number */
static uint32_t before[LIMIT / 2 / BLOCK + 2]; /* odd primes before a block */

static int is_composite(uint32_t half) { return composite[half / 64] >> (half % 64) & 1; }

__attribute__((export_name("wizer.initialize"))) void prepare(void) {
	composite[0] |= 1; /* 1 is no prime */
	for (uint32_t n = 3; n <= LIMIT / n; n += 2)
		if (!is_composite(n / 2))
			for (uint32_t m = n * n / 2; m < LIMIT / 2; m += n)
				composite[m / 64] |= (uint64_t)1 << (m % 64);
	for (uint32_t half = 0; half < LIMIT / 2; half++) {
		uint32_t block = half / BLOCK;
		if (half % BLOCK == 0 && block > 0)
			before[block] += before[block - 1];
		before[block + 1] += !is_composite(half);
	}
}

static uint32_t nth(uint32_t n) {
	uint32_t low = 0, high = LIMIT / 2 / BLOCK;
	if (n == 1)
		return 2;
	while (low < high) { /* the last block before which there are fewer than n-1 */
		uint32_t middle = (low + high + 1) / 2;
		if (before[middle] < n - 1)
			low = middle;
		else
			high = middle - 1;
	}
	uint32_t left = n - 1 - before[low];
	for (uint32_t half = low * BLOCK;; half++)
		if (!is_composite(half) && --left == 0)
			return half * 2 + 1;
}

int main(int argc, char **argv) {
	uint32_t last = LIMIT / 2 / BLOCK, count = before[last];
	for (uint32_t half = last * BLOCK; half < LIMIT / 2; half++)
		count += !is_composite(half);
	for (int i = 1; i < argc; i++) {
		char *end;
		unsigned long n = strtoul(argv[i], &end, 10);
		if (*end || n < 1 || n > count + 1) {
			fprintf(stderr, "primes: %s: write a number from 1 to %u\n", argv[i], count + 1);
			return 2;
		}
		printf("%u\n", nth(n));
	}
	return 0;
}

int __main_void(void); /* of the C library: calls main with the run's arguments */

__attribute__((export_name("wizer.resume"))) void work(void) { exit(__main_void()); }
