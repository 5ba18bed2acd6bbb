// A guest that answers requests, in the frames of a worker: what a Python model is, in small.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

__attribute__((import_module("host"), import_name("call"))) int host_call(const void *at, uint32_t n, void **out, uint32_t *size);

static unsigned table[4096];
static unsigned turns, begun, loads;
static char seed[64];
static unsigned char dirt[1 << 16];

__attribute__((export_name("host_alloc"))) void *host_alloc(uint32_t n) { return malloc(n ? n : 1); }

static char *say(const void *data, uint32_t n, uint32_t *size) {
	void *out = 0;
	*size = 0;
	return host_call(data, n, &out, size) ? 0 : out;
}

// A frame of so many bytes of JSON, and bytes behind them; 9 bytes for the head, the
// version and the kind.
static uint32_t tell_more(char kind, const char *json, uint32_t n, const char *data, uint32_t m) {
	char *b = malloc(13 + n + m);
	memcpy(b, "\0wherry\1", 8);
	b[8] = kind;
	for (int i = 0; i < 4; i++) b[9 + i] = n >> 8 * i;
	memcpy(b + 13, json, n);
	memcpy(b + 13 + n, data, m);
	uint32_t size;
	free(say(b, 13 + n + m, &size));
	free(b);
	return size;
}

static void tell(char kind, const char *json, uint32_t n) { tell_more(kind, json, n, json, 0); }

// The answer to a request that carries bytes: how many, and the bytes turned round.
static void answer_bytes(char *json, uint32_t n, char *data, uint32_t m) {
	char head[64];
	char *r = malloc(n + 1);
	memcpy(r, json, n);
	r[n] = 0;
	for (uint32_t i = 0; i < m / 2; i++) {
		char c = data[i];
		data[i] = data[m - 1 - i], data[m - 1 - i] = c;
	}
	if (strstr(r, "trap")) __builtin_trap();
	if (strstr(r, "as JSON")) return tell('a', "[]", 2);
	if (strstr(r, "no JSON")) {
		tell_more('m', "{", 1, data, m);
		return;
	}
	char *parts = strstr(r, "parts ");
	for (int i = 0, most = parts ? atoi(parts + 6) : 0; i < most; i++) {
		int n = snprintf(head, sizeof head, "{\"part\":%d}", i);
		if (tell_more('p', head, n, data, m) && !strstr(r, "on and on")) break;
		if (strstr(r, "no part")) tell_more('p', "{", 1, data, m);
	}
	const char *e = "{\"type\":\"Misuse\",\"message\":\"no\",\"misuse\":true,\"argument\":\"x\"}";
	if (strstr(r, "raise")) return tell('e', e, strlen(e));
	if (strstr(r, "silent")) return;
	int size = snprintf(head, sizeof head, "{\"n\":%u,\"turns\":%u}", (unsigned)m, ++turns);
	tell_more('m', head, size, data, m);
	free(r);
}

// The JSON of what the host has to say; nothing when it carries bytes, and was
// answered.
static char *fetch(void) {
	uint32_t size;
	char *frame = say("\0wherry\1n", 9, &size);
	if (!frame || size < 13) __builtin_trap();
	if (frame[8] == 'm') {
		uint32_t n = 0;
		for (int i = 0; i < 4; i++) n |= (uint32_t)(unsigned char)frame[9 + i] << 8 * i;
		answer_bytes(frame + 13, n, frame + 13 + n, size - 13 - n);
		free(frame);
		return 0;
	}
	char *request = malloc(size - 12);
	memcpy(request, frame + 13, size - 13);
	request[size - 13] = 0;
	free(frame);
	return request;
}

__attribute__((noinline)) static unsigned rare(unsigned x) { return x * 31 + table[x % 4096]; }
__attribute__((noinline)) static unsigned rarer(unsigned x) { return x * 37 ^ table[(x * 3) % 4096]; }
__attribute__((noinline)) static unsigned common(unsigned x) { return x ^ table[(x * 7) % 4096]; }

extern void __wasm_call_ctors(void); // nobody calls _initialize

static void load(void) {
	__wasm_call_ctors();
	unsigned x = 12345;
	for (unsigned i = 0; i < 4096; i++) table[i] = x = x * 1664525 + 1013904223;
	loads++;
	puts("loading");
	fflush(stdout);
}

static void answer(const char *r) {
	char text[256];
	unsigned sum = 0;
	for (unsigned i = 0; i < 100; i++) sum = common(sum + i);
	if (strstr(r, "rare")) sum = rare(sum);
	if (strstr(r, "rarer")) sum = rarer(sum);
	if (strstr(r, "trap")) __builtin_trap();
	if (strstr(r, "exit")) _exit(strstr(r, "exit0") ? 0 : 7);
	if (strstr(r, "loop")) for (volatile unsigned i = 1; i; i |= 1) sum += i;
	if (strstr(r, "door")) {
		uint32_t size;
		char *a = say(r, strlen(r), &size);
		sum += a ? *a : 0;
		free(a);
	}
	if (strstr(r, "grow")) sum += __builtin_wasm_memory_grow(0, 16);
	if (strstr(r, "dirty")) memset(dirt, ++begun, sizeof dirt);
	if (strstr(r, "print")) puts("printed"), fflush(stdout);
	if (strstr(r, "flood")) for (int i = 0; i < 10000; i++) puts("printed"), fflush(stdout);
	if (strstr(r, "write")) close(open("/tmp/new", O_CREAT | O_WRONLY, 0644));
	if (strstr(r, "silent")) return;
	if (strstr(r, "garbage")) return tell('a', "{", 1);
	if (strstr(r, "huge")) {
		uint32_t n = (64 << 20) + 2;
		char *b = malloc(n);
		memset(b, '1', n);
		return tell('a', b, n);
	}
	if (strstr(r, "raise")) {
		const char *e = "{\"type\":\"ValueError\",\"message\":\"no\",\"traceback\":\"Traceback\\nValueError: no\\n\"}";
		return tell('e', e, strlen(e));
	}
	int fd = -1;
	if (strstr(r, "open")) fd = open("/data/words", O_RDONLY);
	unsigned char random[8] = {0};
	if (strstr(r, "random")) getentropy(random, sizeof random);
	turns++;
	int n = snprintf(text, sizeof text, "{\"turns\":%u,\"sum\":%u,\"loads\":%u,\"fd\":%d,\"dirt\":%u,\"seed\":\"%s\",\"random\":\"%02x%02x%02x%02x\"}", turns, sum, loads, fd,
		dirt[9], seed, random[0], random[1], random[2], random[3]);
	tell('a', text, n);
}

__attribute__((export_name("turn"))) int turn(char *source, uint32_t n) {
	char *text = malloc(n + 1);
	memcpy(text, source, n);
	text[n] = 0;
	uint32_t size;
	if (strstr(text, "turn.prepare(")) {
		load();
		const char *reads = "{\"wherry\":\"reads\",\"args\":false,\"env\":{},\"fixed\":1,\"printed\":8}";
		say(reads, strlen(reads), &size);
	} else if (strstr(text, "turn.begin()")) {
		if (!loads) load();
		char *request = fetch(), *at = strstr(request, "seed\":\"");
		if (at) memcpy(seed, at + 7, 20);
		if (strstr(request, "FAIL=1")) {
			const char *e = "{\"type\":\"ImportError\",\"message\":\"nothing here\",\"traceback\":\"\"}";
			tell('e', e, strlen(e));
		}
		free(request);
	} else if (strstr(text, "turn.work()")) {
		char *request = fetch();
		if (request) answer(request);
		free(request);
	} else if (strstr(text, "turn.resume(")) {
		_exit(0);
	}
	free(text);
	free(source);
	return 0;
}

__attribute__((export_name("run"))) int run(void) { return 0; }
