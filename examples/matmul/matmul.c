/* matmul multiplies two square matrices with WebAssembly's 128-bit SIMD and
 * checks the product against a plain triple loop.
 *
 *     matmul [N]      N is rounded up to a multiple of 4; 256 unless given
 *
 * It prints the size, the largest difference and the speed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <wasm_simd128.h>

/* multiply computes four columns of a row of C at a time. */
static void multiply(int n, const float *a, const float *b, float *c) {
	for (int i = 0; i < n; i++) {
		for (int j = 0; j < n; j += 4) {
			v128_t sum = wasm_f32x4_splat(0);
			for (int k = 0; k < n; k++) {
				v128_t row = wasm_v128_load(&b[k * n + j]);
				sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_f32x4_splat(a[i * n + k]), row));
			}
			wasm_v128_store(&c[i * n + j], sum);
		}
	}
}

static float element(int n, const float *a, const float *b, int i, int j) {
	double sum = 0;
	for (int k = 0; k < n; k++)
		sum += (double)a[i * n + k] * b[k * n + j];
	return (float)sum;
}

/* fill writes the same numbers, between -1 and 1, on every run. */
static void fill(float *m, int count, unsigned seed) {
	for (int i = 0; i < count; i++) {
		seed = seed * 1664525u + 1013904223u;
		m[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
	}
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
	int n = argc > 1 ? atoi(argv[1]) : 256;
	if (n < 1 || n > 4096) {
		fprintf(stderr, "matmul: the size is a number from 1 to 4096\n");
		return 2;
	}
	n = (n + 3) / 4 * 4;
	size_t bytes = (size_t)n * n * sizeof(float);
	float *a = malloc(bytes), *b = malloc(bytes), *c = malloc(bytes);
	if (a == NULL || b == NULL || c == NULL) {
		fprintf(stderr, "matmul: not enough memory for %d x %d\n", n, n);
		return 1;
	}
	fill(a, n * n, 1);
	fill(b, n * n, 2);

	double start = now();
	multiply(n, a, b, c);
	double took = now() - start;

	float worst = 0;
	for (int i = 0; i < n; i += 1 + n / 16)
		for (int j = 0; j < n; j++)
			worst = fmaxf(worst, fabsf(c[i * n + j] - element(n, a, b, i, j)));
	printf("%d x %d, largest difference %s\n", n, n, worst < 1e-3f ? "below 0.001" : "TOO LARGE");
	if (took > 0)
		fprintf(stderr, "%.2f GFLOP/s\n", 2.0 * n * n * n / took / 1e9);
	return worst < 1e-3f ? 0 : 1;
}
