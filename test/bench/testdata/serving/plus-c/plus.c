/* A model that costs nothing: it adds one to numbers. */
#include "wherry.h"

const char wherry_model[] = "{\"name\":\"plus\",\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1]}],"
			    "\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[-1]}]}";

static float out[1024];

void predict(wherry_request *q, wherry_response *p) {
	wherry_tensor *x = wherry_find(q, "x");
	if (x == NULL || x->shape[0] > 1024) {
		wherry_refuse(p, "x", "it has more than 1024 numbers");
		return;
	}
	for (int64_t i = 0; i < x->shape[0]; i++)
		out[i] = ((const float *)x->data)[i] + 1;
	wherry_output(p, "y", "FP32", 1, x->shape, out, x->size);
}
