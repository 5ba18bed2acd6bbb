// Four kernels of different character: floating-point loops, integer
// arithmetic without branches, a body problem, and calls with branches. Each
// exported function does n rounds of work and returns a checksum.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name)))

static uint32_t seed;

static uint32_t next(void) {
	seed = seed * 1664525u + 1013904223u;
	return seed;
}

#define SIDE 96
static double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

EXPORT(matmul) uint32_t matmul(uint32_t n) {
	seed = 1;
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++)
			a[i][j] = next() >> 16, b[i][j] = next() >> 16;
	double sum = 0;
	while (n--) {
		for (int i = 0; i < SIDE; i++)
			for (int j = 0; j < SIDE; j++) {
				double s = 0;
				for (int k = 0; k < SIDE; k++)
					s += a[i][k] * b[k][j];
				c[i][j] = s;
			}
		sum += c[n % SIDE][n % SIDE];
	}
	return (uint32_t)(uint64_t)sum;
}

static const uint32_t primes[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define ROT(x, n) ((x) >> (n) | (x) << (32 - (n)))

// sha256 chains the compression function over blocks of noise.
EXPORT(sha256) uint32_t sha256(uint32_t n) {
	uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	seed = 2;
	while (n--) {
		uint32_t w[64], v[8];
		for (int i = 0; i < 16; i++)
			w[i] = next();
		for (int i = 16; i < 64; i++) {
			uint32_t x = w[i - 15], y = w[i - 2];
			w[i] = w[i - 16] + (ROT(x, 7) ^ ROT(x, 18) ^ x >> 3) + w[i - 7] + (ROT(y, 17) ^ ROT(y, 19) ^ y >> 10);
		}
		for (int i = 0; i < 8; i++)
			v[i] = h[i];
		for (int i = 0; i < 64; i++) {
			uint32_t e = v[4], s = v[0];
			uint32_t t = v[7] + (ROT(e, 6) ^ ROT(e, 11) ^ ROT(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + primes[i] + w[i];
			uint32_t u = (ROT(s, 2) ^ ROT(s, 13) ^ ROT(s, 22)) + ((s & v[1]) ^ (s & v[2]) ^ (v[1] & v[2]));
			for (int j = 7; j > 0; j--)
				v[j] = v[j - 1];
			v[4] += t;
			v[0] = t + u;
		}
		for (int i = 0; i < 8; i++)
			h[i] += v[i];
	}
	return h[0];
}

#define BODIES 8
static struct { double x[3], v[3], mass; } body[BODIES];

EXPORT(nbody) uint32_t nbody(uint32_t n) {
	seed = 3;
	for (int i = 0; i < BODIES; i++) {
		for (int k = 0; k < 3; k++)
			body[i].x[k] = (double)(next() >> 8) / 65536, body[i].v[k] = 0;
		body[i].mass = 1 + (double)(next() >> 24);
	}
	while (n--) {
		for (int i = 0; i < BODIES; i++)
			for (int j = i + 1; j < BODIES; j++) {
				double d[3], r2 = 0.01;
				for (int k = 0; k < 3; k++)
					d[k] = body[i].x[k] - body[j].x[k], r2 += d[k] * d[k];
				double m = 0.001 / (r2 * __builtin_sqrt(r2));
				for (int k = 0; k < 3; k++)
					body[i].v[k] -= d[k] * body[j].mass * m, body[j].v[k] += d[k] * body[i].mass * m;
			}
		for (int i = 0; i < BODIES; i++)
			for (int k = 0; k < 3; k++)
				body[i].x[k] += 0.001 * body[i].v[k];
	}
	return (uint32_t)(int32_t)(body[0].x[0] * 1e6);
}

#define ITEMS 20000
static int32_t items[ITEMS];

static void sort(int32_t *p, int lo, int hi) {
	while (lo < hi) {
		int32_t pivot = p[lo + (hi - lo) / 2];
		int i = lo - 1, j = hi + 1;
		for (;;) {
			while (p[++i] < pivot);
			while (p[--j] > pivot);
			if (i >= j)
				break;
			int32_t t = p[i];
			p[i] = p[j];
			p[j] = t;
		}
		sort(p, lo, j);
		lo = j + 1;
	}
}

EXPORT(quicksort) uint32_t quicksort(uint32_t n) {
	uint32_t sum = 0;
	seed = 4;
	while (n--) {
		for (int i = 0; i < ITEMS; i++)
			items[i] = (int32_t)next();
		sort(items, 0, ITEMS - 1);
		sum = sum * 31 + (uint32_t)items[n % ITEMS];
	}
	return sum;
}

__attribute__((import_module("env"), import_name("add"))) uint32_t add(uint32_t, uint32_t);

// calls asks the host n times.
EXPORT(calls) uint32_t calls(uint32_t n) {
	uint32_t sum = 0;
	while (n--)
		sum = add(sum, n);
	return sum;
}
