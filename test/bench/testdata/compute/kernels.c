// The kinds of loops that programs spend their time in, for BenchmarkKernels: each
// exported function does n rounds of one of them and returns a checksum of all that
// it computed, so that two engines can be compared bit by bit. What is said to be of
// scalars is kept from becoming vectors; the rest is as the compiler makes it.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name))) uint32_t name
#define SCALAR _Pragma("clang loop vectorize(disable) interleave(disable)")
#define NOINLINE __attribute__((noinline))

static uint32_t seed;
static uint32_t next(void) {
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}
static float real(void) { return (float)next() / (1 << 23) - 1.0f; }

static uint32_t bits(double x) {
	uint64_t u;
	memcpy(&u, &x, 8);
	return (uint32_t)(u ^ u >> 32);
}

static uint32_t mix(uint32_t h, const void *p, uint32_t size) {
	const uint32_t *w = p;
	for (uint32_t i = 0; i < size / 4; i++)
		h = (h ^ w[i]) * 16777619u;
	return h;
}

#define N 4096
#define SIDE 96
static float xs[N], ys[N], zs[N], ma[SIDE][SIDE], mb[SIDE][SIDE], mc[SIDE][SIDE];
static double dx[N], dy[N];
static int8_t qa[N], qb[N];
static uint8_t text[1 << 16], copy[1 << 17];
static uint32_t keys[N], table[1 << 14];

EXPORT(init)(uint32_t n) {
	seed = 7;
	for (int i = 0; i < N; i++) {
		xs[i] = real(), ys[i] = real(), zs[i] = real();
		dx[i] = real(), dy[i] = real();
		qa[i] = (int8_t)next(), qb[i] = (int8_t)next();
		keys[i] = next();
	}
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++)
			ma[i][j] = real(), mb[i][j] = real();
	for (int i = 0; i < 1 << 16; i++)
		text[i] = "etaoin shrdlu,.\n"[next() & 15];
	return mix(n, keys, sizeof keys);
}

// Products of matrices and vectors.

EXPORT(matmul)(uint32_t n) {
	while (n--)
		for (int i = 0; i < SIDE; i++)
			for (int j = 0; j < SIDE; j++) {
				float s = 0;
				SCALAR for (int k = 0; k < SIDE; k++) s += ma[i][k] * mb[k][j];
				mc[i][j] = s;
			}
	return mix(1, mc, sizeof mc);
}

EXPORT(matmul_simd)(uint32_t n) {
	while (n--)
		for (int i = 0; i < SIDE; i++)
			for (int j = 0; j < SIDE; j += 8) {
				v128_t s = wasm_f32x4_splat(0), t = s;
				for (int k = 0; k < SIDE; k++) {
					v128_t a = wasm_v128_load32_splat(&ma[i][k]);
					s = wasm_f32x4_add(s, wasm_f32x4_mul(a, wasm_v128_load(&mb[k][j])));
					t = wasm_f32x4_add(t, wasm_f32x4_mul(a, wasm_v128_load(&mb[k][j + 4])));
				}
				wasm_v128_store(&mc[i][j], s);
				wasm_v128_store(&mc[i][j + 4], t);
			}
	return mix(1, mc, sizeof mc);
}

EXPORT(dot)(uint32_t n) {
	double s = 0;
	while (n--) {
		double t = 0;
		SCALAR for (int i = 0; i < N; i++) t += dx[i] * dy[i];
		dx[n % N] += 0.5, s += t;
	}
	return bits(s);
}

static NOINLINE int32_t products(const int8_t *a, const int8_t *b, int n) {
	v128_t s = wasm_i32x4_splat(0);
	for (int i = 0; i < n; i += 16) {
		v128_t x = wasm_v128_load(a + i), y = wasm_v128_load(b + i);
		s = wasm_i32x4_add(s, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(x), wasm_i16x8_extend_low_i8x16(y)));
		s = wasm_i32x4_add(s, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(x), wasm_i16x8_extend_high_i8x16(y)));
	}
	return wasm_i32x4_extract_lane(s, 0) + wasm_i32x4_extract_lane(s, 1) + wasm_i32x4_extract_lane(s, 2) + wasm_i32x4_extract_lane(s, 3);
}

EXPORT(q8dot)(uint32_t n) {
	uint32_t s = 0;
	while (n--)
		s = s * 31 + products(qa, qb, N), qa[n % N]++;
	return s;
}

static NOINLINE double row(const double *values, const uint32_t *columns, const double *x, int n) {
	double s = 0;
	for (int i = 0; i < n; i++)
		s += values[i] * x[columns[i] & (N - 1)];
	return s;
}

EXPORT(spmv)(uint32_t n) {
	double s = 0;
	while (n--)
		for (int r = 0; r < 64; r++)
			s += row(dx + r * 61, keys + r * 61, dy, 61);
	return bits(s);
}

// One pass over arrays.

static NOINLINE void relu_of(float *to, const float *from, int n) {
	SCALAR for (int i = 0; i < n; i++) to[i] = from[i] > 0 ? from[i] : 0;
}

EXPORT(relu)(uint32_t n) {
	while (n--)
		relu_of(zs, xs, N), xs[n % N] = -xs[n % N];
	return mix(2, zs, sizeof zs);
}

static NOINLINE void relu_vectors(float *to, const float *from, int n) {
	for (int i = 0; i < n; i += 4)
		wasm_v128_store(to + i, wasm_f32x4_max(wasm_v128_load(from + i), wasm_f32x4_splat(0)));
}

EXPORT(relu_simd)(uint32_t n) {
	while (n--)
		relu_vectors(zs, xs, N), xs[n % N] = -xs[n % N];
	return mix(2, zs, sizeof zs);
}

static NOINLINE void relu_pvectors(float *to, const float *from, int n) {
	for (int i = 0; i < n; i += 16) {
		v128_t zero = wasm_f32x4_splat(0);
		wasm_v128_store(to + i, wasm_f32x4_pmax(zero, wasm_v128_load(from + i)));
		wasm_v128_store(to + i + 4, wasm_f32x4_pmax(zero, wasm_v128_load(from + i + 4)));
		wasm_v128_store(to + i + 8, wasm_f32x4_pmax(zero, wasm_v128_load(from + i + 8)));
		wasm_v128_store(to + i + 12, wasm_f32x4_pmax(zero, wasm_v128_load(from + i + 12)));
	}
}

EXPORT(relu_psimd)(uint32_t n) {
	while (n--)
		relu_pvectors(zs, xs, N), xs[n % N] = -xs[n % N];
	return mix(2, zs, sizeof zs);
}

static NOINLINE void axpy_of(double *y, const double *x, double a, int n) {
	for (int i = 0; i < n; i++)
		y[i] += a * x[i];
}

EXPORT(axpy)(uint32_t n) {
	while (n--)
		axpy_of(dy, dx, n & 1 ? 0.25 : -0.25, N);
	return mix(3, dy, sizeof dy);
}

EXPORT(fminmax)(uint32_t n) {
	float low = 0, high = 0;
	while (n--) {
		SCALAR for (int i = 0; i < N; i++) {
			if (xs[i] < low) low = xs[i];
			if (xs[i] > high) high = xs[i];
		}
		xs[n % N] *= 1.0625f;
	}
	return bits(low) ^ bits(high);
}

static NOINLINE float power(float x) {
	float y = x * 1.44269504f;
	int32_t whole = (int32_t)y;
	float part = y - (float)whole, p = 0.0018775767f;
	p = p * part + 0.0089893397f;
	p = p * part + 0.0558263180f;
	p = p * part + 0.2401536107f;
	p = p * part + 0.6931530732f;
	p = p * part + 0.9999999404f;
	union { uint32_t u; float f; } scale = {(uint32_t)(whole + 127) << 23};
	return p * scale.f;
}

EXPORT(expk)(uint32_t n) {
	while (n--) {
		float sum = 0;
		SCALAR for (int i = 0; i < N; i++) zs[i] = power(ys[i]), sum += zs[i];
		ys[n % N] = 1 / sum;
	}
	return mix(4, zs, sizeof zs);
}

// A picture, three rows at a time.
EXPORT(stencil)(uint32_t n) {
	while (n--)
		for (int i = 1; i < SIDE - 1; i++)
			SCALAR for (int j = 1; j < SIDE - 1; j++)
				mc[i][j] = ma[i - 1][j] * 0.125f + ma[i + 1][j] * 0.125f + ma[i][j - 1] * 0.25f + ma[i][j] * 0.25f + ma[i][j + 1] * 0.25f;
	return mix(5, mc, sizeof mc);
}

EXPORT(nbody)(uint32_t n) {
	static double p[5][8];
	seed = 9;
	for (int i = 0; i < 5; i++)
		for (int k = 0; k < 8; k++)
			p[i][k] = real() + 2 * i;
	while (n--) {
		for (int i = 0; i < 5; i++)
			for (int j = i + 1; j < 5; j++) {
				double x = p[i][0] - p[j][0], y = p[i][1] - p[j][1], z = p[i][2] - p[j][2];
				double d = x * x + y * y + z * z + 0.01, m = 0.001 / (d * __builtin_sqrt(d));
				p[i][3] -= x * m, p[i][4] -= y * m, p[i][5] -= z * m;
				p[j][3] += x * m, p[j][4] += y * m, p[j][5] += z * m;
			}
		for (int i = 0; i < 5; i++)
			p[i][0] += 0.001 * p[i][3], p[i][1] += 0.001 * p[i][4], p[i][2] += 0.001 * p[i][5];
	}
	return mix(6, p, sizeof p);
}

// Integers.

#define ROT(x, n) ((x) >> (n) | (x) << (32 - (n)))

EXPORT(sha256)(uint32_t n) {
	uint32_t h[8], w[64];
	for (int i = 0; i < 8; i++)
		h[i] = keys[i];
	while (n--) {
		uint32_t v[8];
		for (int i = 0; i < 16; i++)
			w[i] = keys[(n * 16 + i) % N];
		for (int i = 16; i < 64; i++) {
			uint32_t x = w[i - 15], y = w[i - 2];
			w[i] = w[i - 16] + (ROT(x, 7) ^ ROT(x, 18) ^ x >> 3) + w[i - 7] + (ROT(y, 17) ^ ROT(y, 19) ^ y >> 10);
		}
		memcpy(v, h, sizeof v);
		for (int i = 0; i < 64; i++) {
			uint32_t t = v[7] + (ROT(v[4], 6) ^ ROT(v[4], 11) ^ ROT(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + keys[i] + w[i];
			uint32_t u = (ROT(v[0], 2) ^ ROT(v[0], 13) ^ ROT(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
			v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + t, v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = t + u;
		}
		for (int i = 0; i < 8; i++)
			h[i] += v[i];
	}
	return mix(7, h, sizeof h);
}

EXPORT(crc)(uint32_t n) {
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
		table[i] = c;
	}
	uint32_t c = ~0u;
	while (n--)
		for (int i = 0; i < 1 << 14; i++)
			c = table[(c ^ text[i]) & 255] ^ c >> 8;
	return ~c;
}

EXPORT(hash)(uint32_t n) {
	uint32_t found = 0;
	while (n--) {
		memset(table, 0, sizeof table);
		for (int i = 0; i < N; i++) {
			uint32_t k = keys[i] * 2654435761u + n, at = k >> 18;
			while (table[at] && table[at] != k)
				at = (at + 1) & ((1 << 14) - 1);
			table[at] = k, found += at;
		}
	}
	return found;
}

EXPORT(sieve)(uint32_t n) {
	uint32_t primes = 0;
	while (n--) {
		memset(copy, 1, sizeof copy);
		for (uint32_t i = 2; i < sizeof copy; i++) {
			if (!copy[i])
				continue;
			primes++;
			for (uint32_t k = 2 * i; k < sizeof copy; k += i)
				copy[k] = 0;
		}
	}
	return primes;
}

// Words of a text: bytes, and a branch for each.
EXPORT(words)(uint32_t n) {
	uint32_t h = 0;
	while (n--) {
		uint32_t word = 0, lines = 0;
		for (const uint8_t *p = text, *end = text + sizeof text; p < end; p++) {
			if (*p == '\n')
				lines++;
			if (*p >= 'a' && *p <= 'z')
				word = word * 31 + *p;
			else if (word)
				h ^= word, h = ROT(h, 5), word = 0;
		}
		h += lines;
	}
	return h;
}

static NOINLINE void short_copy(uint8_t *to, const uint8_t *from, uint32_t n) {
	while (n >= 8) {
		uint64_t x;
		memcpy(&x, from, 8);
		memcpy(to, &x, 8);
		from += 8, to += 8, n -= 8;
	}
	SCALAR while (n--) *to++ = *from++;
}

EXPORT(smallcpy)(uint32_t n) {
	uint32_t at = 0, from = 0;
	while (n--) {
		at = 0;
		for (int i = 0; i < 4096; i++) {
			uint32_t size = 1 + (keys[i] & 15);
			from = keys[i] >> 8 & 0xffff;
			short_copy(copy + at, text + (from < 65000 ? from : 0), size);
			at += size;
		}
	}
	return mix(8, copy, at & ~3);
}

// Calls, branches, recursion.

static uint32_t op_add(uint32_t a, uint32_t b) { return a + b; }
static uint32_t op_xor(uint32_t a, uint32_t b) { return a ^ ROT(b, 3); }
static uint32_t op_mul(uint32_t a, uint32_t b) { return a * (b | 1); }
static uint32_t op_sub(uint32_t a, uint32_t b) { return b - a; }
static uint32_t (*volatile ops[4])(uint32_t, uint32_t) = {op_add, op_xor, op_mul, op_sub};

EXPORT(icall)(uint32_t n) {
	uint32_t h = 1;
	while (n--)
		for (int i = 0; i < N; i++)
			h = ops[keys[i] >> 5 & 3](h, keys[i]);
	return h;
}

static NOINLINE uint32_t fib_of(uint32_t n) { return n < 2 ? n : fib_of(n - 1) + fib_of(n - 2); }

EXPORT(fib)(uint32_t n) {
	uint32_t s = 0;
	while (n--)
		s = s * 3 + fib_of(18 + (n & 3));
	return s;
}

static void quick(uint32_t *a, int low, int high) {
	while (low < high) {
		uint32_t pivot = a[(low + high) / 2];
		int i = low, j = high;
		while (i <= j) {
			while (a[i] < pivot) i++;
			while (a[j] > pivot) j--;
			if (i <= j) {
				uint32_t t = a[i];
				a[i++] = a[j], a[j--] = t;
			}
		}
		quick(a, low, j);
		low = i;
	}
}

EXPORT(quicksort)(uint32_t n) {
	uint32_t h = 0;
	while (n--) {
		for (int i = 0; i < N; i++)
			table[i] = keys[i] ^ n;
		quick(table, 0, N - 1);
		h = mix(h, table, 64);
	}
	return mix(h, table, N * 4);
}

static int compare(const void *a, const void *b) {
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

EXPORT(qsortlibc)(uint32_t n) {
	uint32_t h = 0;
	while (n--) {
		for (int i = 0; i < N; i++)
			table[i] = keys[i] ^ n;
		qsort(table, N, 4, compare);
		h = mix(h, table, 64);
	}
	return mix(h, table, N * 4);
}

// Trees of decisions, as an ensemble has them.
struct node { int32_t feature, left, right; float value; };

EXPORT(trees)(uint32_t n) {
	static struct node nodes[32][63];
	seed = 11;
	for (int t = 0; t < 32; t++)
		for (int i = 0; i < 63; i++)
			nodes[t][i] = (struct node){i < 31 ? (int32_t)(next() & 31) : -1, 2 * i + 1, 2 * i + 2, real()};
	double s = 0;
	while (n--)
		for (int r = 0; r + 32 <= N; r += 32)
			for (int t = 0; t < 32; t++) {
				const struct node *all = nodes[t], *at = all;
				while (at->feature >= 0)
					at = all + (xs[r + at->feature] < at->value ? at->left : at->right);
				s += at->value;
			}
	return bits(s);
}

// A machine that interprets: a switch in a loop.
EXPORT(interpret)(uint32_t n) {
	static uint8_t code[64];
	seed = 13;
	for (int i = 0; i < 63; i++)
		code[i] = next() % 7;
	code[63] = 7;
	uint32_t a = 1, b = 2, c = 3, steps = 0;
	while (n--)
		for (int loops = 0, pc = 0; loops < 64;) {
			steps++;
			switch (code[pc++]) {
			case 0: a += b; break;
			case 1: b ^= c << 1; break;
			case 2: c -= a; break;
			case 3: a = ROT(a, 7); break;
			case 4: if (a & 1) pc = (pc + 1) & 63; break;
			case 5: table[a & 1023] = b; break;
			case 6: c += table[b & 1023]; break;
			default: pc = 0, loops++;
			}
		}
	return a ^ b ^ c ^ steps;
}
