/*
 * wherry.h has a C program answer requests of Wherry. Copy it beside a program of your
 * own, include it in one file of it, and define
 *
 *	const char wherry_model[] = "{...}";            the signature, as JSON
 *	void predict(wherry_request *q, wherry_response *p);
 *
 * One that gives its answer in parts has "streams":true in its signature, whose outputs
 * are those of a part, and calls wherry_emit(p) for each; what p has when predict returns
 * is the last part, if anything.
 *
 * Build it as a reactor: clang --target=wasm32-wasi -mexec-model=reactor.
 */
#ifndef WHERRY_H
#define WHERRY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WHERRY_MAX_DIMS 32
#define WHERRY_MAX_TENSORS 64

/* A tensor: its elements row by row, little-endian. An element of BYTES is its length in
 * 4 bytes and then itself. Only the data of the first input are sure to be aligned: take
 * numbers out of the others with memcpy. */
typedef struct {
	char name[256];
	char type[8];
	int dims;
	int64_t shape[WHERRY_MAX_DIMS];
	const void *data;
	uint32_t size; /* of the data, in bytes */
} wherry_tensor;

typedef struct {
	int count;
	wherry_tensor inputs[WHERRY_MAX_TENSORS];
} wherry_request;

/* An answer: outputs, or an error. */
typedef struct {
	char *json; /* what is written of it so far */
	uint32_t json_size, json_room;
	int count;
	const void *data[WHERRY_MAX_TENSORS];
	uint32_t size[WHERRY_MAX_TENSORS];
	int failed, emitted;
} wherry_response;

extern const char wherry_model[];
void predict(wherry_request *q, wherry_response *p);

/* wherry_find gives the input of a name, NULL when there is none. */
static inline wherry_tensor *wherry_find(wherry_request *q, const char *name) {
	for (int i = 0; i < q->count; i++)
		if (strcmp(q->inputs[i].name, name) == 0)
			return &q->inputs[i];
	return NULL;
}

/* ---- what is written ---- */

/* wherry_room has room for n more bytes, and gives where they go. */
static inline char *wherry_room(wherry_response *p, size_t n) {
	if (p->json_size + n > p->json_room) {
		do
			p->json_room = p->json_room ? 2 * p->json_room : 1024;
		while (p->json_size + n > p->json_room);
		p->json = realloc(p->json, p->json_room);
		if (p->json == NULL)
			abort();
	}
	return p->json + p->json_size;
}

static inline void wherry_add(wherry_response *p, const void *text, size_t n) {
	memcpy(wherry_room(p, n), text, n);
	p->json_size += n;
}

/* WHERRY_WORDS adds a text whose length the compiler knows. */
#define WHERRY_WORDS(p, text) wherry_add(p, text, sizeof text - 1)

static void wherry_quote(wherry_response *p, const char *text) {
	size_t n = strlen(text);
	char *begin = wherry_room(p, 6 * n + 2), *out = begin;
	*out++ = '"';
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\' || c < ' ') {
			memcpy(out, "\\u00", 4);
			out[4] = "0123456789abcdef"[c >> 4];
			out[5] = "0123456789abcdef"[c & 15];
			out += 6;
		} else {
			*out++ = (char)c;
		}
	}
	*out++ = '"';
	p->json_size += (uint32_t)(out - begin);
}

static void wherry_number(wherry_response *p, int64_t v) {
	char digits[24], *at = digits + sizeof digits;
	uint64_t n = v < 0 ? -(uint64_t)v : (uint64_t)v;
	do
		*--at = (char)('0' + n % 10);
	while (n /= 10);
	if (v < 0)
		*--at = '-';
	wherry_add(p, at, (size_t)(digits + sizeof digits - at));
}

/* wherry_output adds an output. Its data have to stay until the next request. */
static void wherry_output(wherry_response *p, const char *name, const char *type, int dims, const int64_t *shape,
                          const void *data, uint32_t size) {
	if (p->failed || p->count == WHERRY_MAX_TENSORS)
		return;
	if (p->count)
		WHERRY_WORDS(p, ",{\"name\":");
	else
		WHERRY_WORDS(p, "{\"outputs\":[{\"name\":");
	wherry_quote(p, name);
	WHERRY_WORDS(p, ",\"datatype\":");
	wherry_quote(p, type);
	WHERRY_WORDS(p, ",\"shape\":[");
	for (int i = 0; i < dims; i++) {
		if (i)
			WHERRY_WORDS(p, ",");
		wherry_number(p, shape[i]);
	}
	WHERRY_WORDS(p, "],\"parameters\":{\"binary_data_size\":");
	wherry_number(p, size);
	WHERRY_WORDS(p, "}}");
	p->data[p->count] = data;
	p->size[p->count++] = size;
}

/* wherry_refuse answers with an error. input names the input whose fault it is, "" is the
 * request's, and NULL the model's own. */
static void wherry_refuse(wherry_response *p, const char *input, const char *reason) {
	p->failed = 1;
	p->count = 0;
	p->json_size = 4;
	WHERRY_WORDS(p, "{\"error\":");
	wherry_quote(p, reason);
	if (input != NULL) {
		WHERRY_WORDS(p, ",\"input\":");
		wherry_quote(p, input);
	}
}

/* wherry_frame is all of an answer, one after the other. */
static void wherry_frame(wherry_response *p) {
	if (p->failed)
		WHERRY_WORDS(p, "}");
	else
		WHERRY_WORDS(p, "]}");
	uint32_t n = p->json_size - 4;
	memcpy(p->json, &n, 4);
	for (int i = 0; i < p->count; i++)
		wherry_add(p, p->data[i], p->size[i]);
}

static void wherry_clear(wherry_response *p) {
	p->json_size = 0;
	p->count = p->failed = 0;
	wherry_add(p, "\0\0\0\0", 4);
}

__attribute__((import_module("wherry_model"), import_name("emit"))) int wherry_host_emit(const void *at, uint32_t size);

/* wherry_emit hands on what p has as a part of the answer, and empties p for the next. It
 * returns 0 when nobody wants any more: predict returns then. */
static inline int wherry_emit(wherry_response *p) {
	p->emitted = 1;
	if (p->failed || p->count == 0)
		return !p->failed;
	wherry_frame(p);
	int stop = wherry_host_emit(p->json, p->json_size);
	wherry_clear(p);
	return !stop;
}

/* ---- what is read: JSON, as the host writes it ---- */

typedef struct {
	const char *at, *end;
	int wrong;
} wherry_json;

static char wherry_peek(wherry_json *j) {
	while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
		j->at++;
	return j->at < j->end ? *j->at : 0;
}

static int wherry_take(wherry_json *j, char c) {
	if (wherry_peek(j) != c)
		return 0;
	j->at++;
	return 1;
}

static void wherry_utf8(char *out, size_t room, size_t *n, uint32_t c) {
	char b[4];
	size_t k = 0;
	if (c < 0x80) {
		b[k++] = (char)c;
	} else if (c < 0x800) {
		b[k++] = (char)(0xc0 | c >> 6);
		b[k++] = (char)(0x80 | (c & 63));
	} else {
		b[k++] = (char)(0xe0 | c >> 12);
		b[k++] = (char)(0x80 | (c >> 6 & 63));
		b[k++] = (char)(0x80 | (c & 63));
	}
	for (size_t i = 0; i < k && *n + 1 < room; i++)
		out[(*n)++] = b[i];
}

/* wherry_string reads a string; what does not fit is left out. */
static void wherry_string(wherry_json *j, char *out, size_t room) {
	size_t n = 0;
	if (!wherry_take(j, '"')) {
		j->wrong = 1;
		return;
	}
	while (j->at < j->end && *j->at != '"') {
		char c = *j->at++;
		if (c == '\\' && j->at < j->end) {
			c = *j->at++;
			switch (c) {
			case 'n': c = '\n'; break;
			case 't': c = '\t'; break;
			case 'r': c = '\r'; break;
			case 'b': c = '\b'; break;
			case 'f': c = '\f'; break;
			case 'u': {
				char hex[5] = {0};
				if (j->end - j->at < 4) {
					j->wrong = 1;
					return;
				}
				memcpy(hex, j->at, 4);
				j->at += 4;
				wherry_utf8(out, room, &n, (uint32_t)strtoul(hex, NULL, 16));
				continue;
			}
			}
		}
		if (n + 1 < room)
			out[n++] = c;
	}
	if (room)
		out[n] = 0;
	if (!wherry_take(j, '"'))
		j->wrong = 1;
}

static int64_t wherry_integer(wherry_json *j) {
	int64_t n = 0;
	if (wherry_peek(j) < '0' || wherry_peek(j) > '9')
		j->wrong = 1;
	while (j->at < j->end && *j->at >= '0' && *j->at <= '9')
		n = 10 * n + (*j->at++ - '0');
	return n;
}

/* wherry_skip goes past a value, whatever it is. */
static void wherry_skip(wherry_json *j) {
	int depth = 0;
	do {
		char c = wherry_peek(j), none[1];
		if (c == '"') {
			wherry_string(j, none, 0);
		} else if (c == '{' || c == '[') {
			depth++;
			j->at++;
		} else if (c == '}' || c == ']') {
			depth--;
			j->at++;
		} else if (c == 0) {
			j->wrong = 1;
		} else {
			j->at++; /* a colon, a comma, or a part of a word */
			while (j->at < j->end && !strchr("{}[]\",: ", *j->at))
				j->at++;
		}
	} while (depth > 0 && !j->wrong);
}

/* wherry_next goes to the next member or element; 0 at the end. */
static int wherry_next(wherry_json *j, char end, int first) {
	if (j->wrong || wherry_take(j, end))
		return 0;
	if (!first && !wherry_take(j, ','))
		j->wrong = 1;
	return !j->wrong;
}

static void wherry_key(wherry_json *j, char *key, size_t room) {
	wherry_string(j, key, room);
	if (!wherry_take(j, ':'))
		j->wrong = 1;
}

static void wherry_input(wherry_json *j, wherry_tensor *t) {
	char key[32];
	memset(t, 0, sizeof *t);
	if (!wherry_take(j, '{'))
		j->wrong = 1;
	for (int first = 1; wherry_next(j, '}', first); first = 0) {
		wherry_key(j, key, sizeof key);
		if (strcmp(key, "name") == 0) {
			wherry_string(j, t->name, sizeof t->name);
		} else if (strcmp(key, "datatype") == 0) {
			wherry_string(j, t->type, sizeof t->type);
		} else if (strcmp(key, "shape") == 0 && wherry_take(j, '[')) {
			for (int head = 1; wherry_next(j, ']', head); head = 0) {
				int64_t n = wherry_integer(j);
				if (t->dims < WHERRY_MAX_DIMS)
					t->shape[t->dims++] = n;
			}
		} else if (strcmp(key, "parameters") == 0 && wherry_take(j, '{')) {
			for (int head = 1; wherry_next(j, '}', head); head = 0) {
				wherry_key(j, key, sizeof key);
				if (strcmp(key, "binary_data_size") == 0)
					t->size = (uint32_t)wherry_integer(j);
				else
					wherry_skip(j);
			}
		} else {
			wherry_skip(j);
		}
	}
}

static int wherry_inputs(wherry_json j, wherry_request *q) {
	char key[32];
	q->count = 0;
	if (!wherry_take(&j, '{'))
		return 0;
	for (int first = 1; wherry_next(&j, '}', first); first = 0) {
		wherry_key(&j, key, sizeof key);
		if (strcmp(key, "inputs") != 0 || !wherry_take(&j, '[')) {
			wherry_skip(&j);
			continue;
		}
		for (int head = 1; wherry_next(&j, ']', head); head = 0) {
			if (q->count == WHERRY_MAX_TENSORS)
				return 0;
			wherry_input(&j, &q->inputs[q->count++]);
		}
	}
	return !j.wrong;
}

/* ---- the same, for JSON without a space or anything else that is unusual ---- */

/* wherry_same compares with a text whose length the compiler knows. */
static inline int wherry_same(const char *a, const char *b, size_t n) {
	for (; n >= 8; n -= 8, a += 8, b += 8) {
		uint64_t x, y;
		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		if (x != y)
			return 0;
	}
	for (; n > 0; n--)
		if (*a++ != *b++)
			return 0;
	return 1;
}

/* WHERRY_PAST goes past a word if it comes next. */
#define WHERRY_PAST(j, word) \
	((size_t)((j)->end - (j)->at) >= sizeof word - 1 && wherry_same((j)->at, word, sizeof word - 1) && ((j)->at += sizeof word - 1))

/* wherry_plain reads letters up to a quote, of which there is room for all. */
static inline int wherry_plain(wherry_json *j, char *out, size_t room) {
	for (size_t n = 0; n < room && j->at < j->end; n++) {
		char c = *j->at++;
		if (c == '"') {
			out[n] = 0;
			return 1;
		}
		if (c == '\\')
			return 0;
		out[n] = c;
	}
	return 0;
}

/* wherry_digits reads a number of up to nine digits. */
static inline int wherry_digits(wherry_json *j, uint32_t *v) {
	const char *begin = j->at;
	uint32_t n = 0;
	for (; j->at < j->end && (uint8_t)(*j->at - '0') <= 9; j->at++)
		n = 10 * n + (uint32_t)(*j->at - '0');
	*v = n;
	return j->at > begin && j->at - begin <= 9;
}

/* wherry_usual is wherry_inputs for a request as the host nearly always writes it. What it
 * does not read is not wrong for that. */
static int wherry_usual(wherry_json j, wherry_request *q) {
	q->count = 0;
	if (!WHERRY_PAST(&j, "{\"inputs\":["))
		return 0;
	do {
		wherry_tensor *t = &q->inputs[q->count];
		uint32_t n;
		if (q->count++ == WHERRY_MAX_TENSORS || !WHERRY_PAST(&j, "{\"name\":\"") || !wherry_plain(&j, t->name, sizeof t->name) ||
		    !WHERRY_PAST(&j, ",\"datatype\":\"") || !wherry_plain(&j, t->type, sizeof t->type) || !WHERRY_PAST(&j, ",\"shape\":["))
			return 0;
		for (t->dims = 0; !WHERRY_PAST(&j, "]"); t->shape[t->dims++] = n)
			if (t->dims == WHERRY_MAX_DIMS || (t->dims > 0 && !WHERRY_PAST(&j, ",")) || !wherry_digits(&j, &n))
				return 0;
		if (!WHERRY_PAST(&j, ",\"parameters\":{\"binary_data_size\":") || !wherry_digits(&j, &t->size) || !WHERRY_PAST(&j, "}}"))
			return 0;
	} while (WHERRY_PAST(&j, ","));
	return WHERRY_PAST(&j, "]}"); /* nothing but spaces are behind it */
}

static int wherry_parse(const char *frame, uint32_t size, wherry_request *q) {
	uint32_t n;
	memcpy(&n, frame, 4);
	wherry_json j = {frame + 4, frame + 4 + n, 0};
	const char *rest = j.end;
	if (n > size - 4 || (!wherry_usual(j, q) && !wherry_inputs(j, q)))
		return 0;
	for (int i = 0; i < q->count; i++) {
		if (q->inputs[i].size > (size_t)(frame + size - rest))
			return 0;
		q->inputs[i].data = rest;
		rest += q->inputs[i].size;
	}
	return 1;
}

/* ---- what the host calls ---- */

static inline int64_t wherry_place(const void *at, uint32_t size) {
	return (int64_t)((uint64_t)(uintptr_t)at << 32 | size);
}

__attribute__((export_name("wherry_signature"))) int64_t wherry_signature(void) {
	return wherry_place(wherry_model, (uint32_t)strlen(wherry_model));
}

__attribute__((export_name("wherry_alloc"))) void *wherry_alloc(uint32_t size) {
	static void *room;
	static uint32_t have;
	if (size > have) {
		free(room);
		room = aligned_alloc(16, (size + 15) & ~(size_t)15);
		have = room ? size : 0;
	}
	return size <= have ? room : NULL;
}

__attribute__((export_name("wherry_predict"))) int64_t wherry_predict(const char *frame, uint32_t size) {
	static wherry_request q;
	static wherry_response p;
	wherry_clear(&p);
	p.emitted = 0;
	if (wherry_parse(frame, size, &q))
		predict(&q, &p);
	else
		wherry_refuse(&p, "", "the request cannot be read");
	if (!p.failed && p.count == 0) {
		if (p.emitted)
			return 0;
		wherry_refuse(&p, NULL, "the model gave no output");
	}
	wherry_frame(&p);
	return wherry_place(p.json, p.json_size);
}

#endif
