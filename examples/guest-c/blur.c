/* A model: it smooths the rows of a table of numbers with a kernel of three. */
#include "wherry.h"

const char wherry_model[] =
	"{\"name\":\"blur\","
	"\"inputs\":[{\"name\":\"rows\",\"datatype\":\"FP32\",\"shape\":[-1,-1]}],"
	"\"outputs\":[{\"name\":\"smooth\",\"datatype\":\"FP32\",\"shape\":[-1,-1]}]}";

void predict(wherry_request *q, wherry_response *p) {
	static float *out; /* stays until the next request */
	wherry_tensor *t = wherry_find(q, "rows");
	if (t == NULL || t->shape[1] < 1) {
		wherry_refuse(p, "rows", "a row needs a number or more");
		return;
	}
	const float *in = t->data;
	int64_t rows = t->shape[0], width = t->shape[1];
	free(out);
	if ((out = malloc(t->size ? t->size : 1)) == NULL) {
		wherry_refuse(p, NULL, "there is no memory for the answer");
		return;
	}
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < width; c++) {
			const float *row = in + r * width;
			float left = row[c > 0 ? c - 1 : 0], right = row[c + 1 < width ? c + 1 : c];
			out[r * width + c] = (left + 2 * row[c] + right) / 4;
		}
	wherry_output(p, "smooth", "FP32", 2, t->shape, out, t->size);
}
