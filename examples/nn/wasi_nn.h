/*
 * wasi-nn for C: loads a model, gives it tensors and has it compute. Every function
 * returns 0, or why not. For clang --target=wasm32-wasip1; nothing to link.
 */
#ifndef WASI_NN_H
#define WASI_NN_H

#include <stdint.h>

#define NN_IMPORT(name) __attribute__((import_module("wasi_ephemeral_nn"), import_name(#name)))

typedef uint32_t nn_graph;
typedef uint32_t nn_context;

/* The bytes of a model's file. */
typedef struct {
	const void *data;
	uint32_t length;
} nn_builder;

typedef struct {
	const uint32_t *dims;
	uint32_t rank;
	uint8_t type; /* enum nn_type */
	const void *data;
	uint32_t length; /* in bytes */
} nn_tensor;

enum nn_type { NN_F16, NN_F32, NN_F64, NN_U8, NN_I32, NN_I64 };
enum nn_encoding { NN_ONNX = 1, NN_AUTODETECT = 5 };
enum nn_target { NN_CPU, NN_GPU, NN_TPU };
enum nn_errno {
	NN_SUCCESS,
	NN_INVALID_ARGUMENT,
	NN_INVALID_ENCODING,
	NN_MISSING_MEMORY,
	NN_BUSY,
	NN_RUNTIME_ERROR,
	NN_UNSUPPORTED_OPERATION,
	NN_TOO_LARGE, /* the buffer is too small: the length says how large it must be */
	NN_NOT_FOUND
};

/* One builder for a model of ONNX. */
NN_IMPORT(load)
uint32_t nn_load(const nn_builder *builders, uint32_t count, uint32_t encoding, uint32_t target, nn_graph *graph);

/* A file of the image by its path, or what --nn-model has named. */
NN_IMPORT(load_by_name)
uint32_t nn_load_by_name(const char *name, uint32_t length, nn_graph *graph);

NN_IMPORT(init_execution_context)
uint32_t nn_init_execution_context(nn_graph graph, nn_context *context);

/* Inputs and outputs are numbered as the model has them. */
NN_IMPORT(set_input)
uint32_t nn_set_input(nn_context context, uint32_t index, const nn_tensor *tensor);

NN_IMPORT(compute)
uint32_t nn_compute(nn_context context);

NN_IMPORT(get_output)
uint32_t nn_get_output(nn_context context, uint32_t index, void *buffer, uint32_t room, uint32_t *length);

/* WasmEdge's: frees a graph and its contexts. */
NN_IMPORT(unload)
uint32_t nn_unload(nn_graph graph);

#endif
