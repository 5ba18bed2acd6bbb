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
#include <stdio.h>
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

static void wherry_add(wherry_response *p, const char *text, size_t n) {
	while (p->json_size + n > p->json_room) {
		p->json_room = p->json_room ? 2 * p->json_room : 1024;
		p->json = realloc(p->json, p->json_room);
		if (p->json == NULL)
			abort();
	}
	memcpy(p->json + p->json_size, text, n);
	p->json_size += n;
}

static void wherry_text(wherry_response *p, const char *text) { wherry_add(p, text, strlen(text)); }

static void wherry_quote(wherry_response *p, const char *text) {
	wherry_text(p, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		char escaped[8];
		if (c == '"' || c == '\\' || c < ' ') {
			snprintf(escaped, sizeof escaped, "\\u%04x", c);
			wherry_text(p, escaped);
		} else {
			wherry_add(p, text, 1);
		}
	}
	wherry_text(p, "\"");
}

/* wherry_output adds an output. Its data have to stay until the next request. */
static void wherry_output(wherry_response *p, const char *name, const char *type, int dims, const int64_t *shape,
                          const void *data, uint32_t size) {
	char number[32];
	if (p->failed || p->count == WHERRY_MAX_TENSORS)
		return;
	wherry_text(p, p->count ? ",{\"name\":" : "{\"outputs\":[{\"name\":");
	wherry_quote(p, name);
	wherry_text(p, ",\"datatype\":");
	wherry_quote(p, type);
	wherry_text(p, ",\"shape\":[");
	for (int i = 0; i < dims; i++) {
		snprintf(number, sizeof number, i ? ",%lld" : "%lld", (long long)shape[i]);
		wherry_text(p, number);
	}
	snprintf(number, sizeof number, "%lu", (unsigned long)size);
	wherry_text(p, "],\"parameters\":{\"binary_data_size\":");
	wherry_text(p, number);
	wherry_text(p, "}}");
	p->data[p->count] = data;
	p->size[p->count++] = size;
}

/* wherry_refuse answers with an error. input names the input whose fault it is, "" is the
 * request's, and NULL the model's own. */
static void wherry_refuse(wherry_response *p, const char *input, const char *reason) {
	p->failed = 1;
	p->count = 0;
	p->json_size = 4;
	wherry_text(p, "{\"error\":");
	wherry_quote(p, reason);
	if (input != NULL) {
		wherry_text(p, ",\"input\":");
		wherry_quote(p, input);
	}
}

/* wherry_frame is all of an answer, one after the other. */
static void wherry_frame(wherry_response *p) {
	wherry_text(p, p->failed ? "}" : "]}");
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

static int wherry_parse(const char *frame, uint32_t size, wherry_request *q) {
	uint32_t n;
	char key[32];
	memcpy(&n, frame, 4);
	wherry_json j = {frame + 4, frame + 4 + n, 0};
	const char *rest = j.end;
	q->count = 0;
	if (n > size - 4 || !wherry_take(&j, '{'))
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
	for (int i = 0; i < q->count; i++) {
		if (q->inputs[i].size > (size_t)(frame + size - rest))
			return 0;
		q->inputs[i].data = rest;
		rest += q->inputs[i].size;
	}
	return !j.wrong;
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
