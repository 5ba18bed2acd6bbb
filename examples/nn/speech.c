/*
 * Says where in a recording somebody speaks. The recording is on standard input: 16
 * bits a sample, 16000 a second, one channel, no header. The model is silero's, which
 * the host runs: wasi-nn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasi_nn.h"

#define RATE 16000
#define CONTEXT 64 /* samples of the piece before that the model sees again */
#define PIECE 512
#define STATE (2 * 1 * 128)

static const char model[] = "/models/silero_vad.onnx";

static void check(const char *what, uint32_t code) {
	if (code == NN_SUCCESS)
		return;
	fprintf(stderr, "speech: %s: error %u\n", what, code);
	exit(1);
}

static float samples[CONTEXT + PIECE], state[STATE];

/* probability that somebody speaks in the piece that samples end with. */
static float listen(nn_context c) {
	static const uint32_t shape[] = {1, CONTEXT + PIECE}, state_shape[] = {2, 1, 128};
	static const int64_t rate = RATE;
	float speaks;
	uint32_t n;
	check("set_input", nn_set_input(c, 0, &(nn_tensor){shape, 2, NN_F32, samples, sizeof samples}));
	check("set_input", nn_set_input(c, 1, &(nn_tensor){state_shape, 3, NN_F32, state, sizeof state}));
	check("set_input", nn_set_input(c, 2, &(nn_tensor){NULL, 0, NN_I64, &rate, sizeof rate}));
	check("compute", nn_compute(c));
	check("get_output", nn_get_output(c, 0, &speaks, sizeof speaks, &n));
	check("get_output", nn_get_output(c, 1, state, sizeof state, &n));
	memmove(samples, samples + PIECE, CONTEXT * sizeof *samples);
	return speaks;
}

int main(int argc, char **argv) {
	float most = argc > 1 ? strtof(argv[1], NULL) : 0.5f;
	int16_t piece[PIECE];
	int speaking = 0;
	long at = 0;
	nn_graph graph;
	nn_context context;
	check(model, nn_load_by_name(model, sizeof model - 1, &graph));
	check("init_execution_context", nn_init_execution_context(graph, &context));
	for (; fread(piece, sizeof *piece, PIECE, stdin) == PIECE; at += PIECE) {
		for (int i = 0; i < PIECE; i++)
			samples[CONTEXT + i] = piece[i] / 32768.0f;
		int now = listen(context) >= most;
		if (now != speaking)
			printf("%8.3f s  %s\n", (double)at / RATE, now ? "speech" : "silence");
		speaking = now;
	}
	printf("%8.3f s  end\n", (double)at / RATE);
	return 0;
}
