package serve

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/dock"
)

// chain is a model in C that has a model of ONNX, loaded when it begins, compute again
// and again on what that gave.
const chain = `#include "wherry.h"
#include "wasi_nn.h"
const char wherry_model[] = "{\"name\":\"chain\",\"streams\":true,"
	"\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,4]},{\"name\":\"times\",\"datatype\":\"INT32\",\"shape\":[1]}],"
	"\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\",\"shape\":[1,4]}]}";
static nn_context context;
static uint32_t wrong;
__attribute__((constructor)) static void load(void) {
	static const char name[] = "/models/sum.onnx";
	nn_graph graph;
	wrong = nn_load_by_name(name, sizeof name - 1, &graph);
	if (!wrong) wrong = nn_init_execution_context(graph, &context);
}
void predict(wherry_request *q, wherry_response *p) {
	static float v[4];
	static const uint32_t dims[] = {4};
	static const int64_t shape[] = {1, 4};
	int times;
	memcpy(v, wherry_find(q, "x")->data, sizeof v);
	memcpy(&times, wherry_find(q, "times")->data, 4);
	for (int i = 0; i < times; i++) {
		nn_tensor t = {dims, 1, NN_F32, v, sizeof v};
		uint32_t got;
		if (!wrong) wrong = nn_set_input(context, 0, &t);
		if (!wrong) wrong = nn_compute(context);
		if (!wrong) wrong = nn_get_output(context, 0, v, sizeof v, &got);
		if (wrong) {
			wherry_refuse(p, NULL, "wasi-nn failed");
			return;
		}
		wherry_output(p, "y", "FP32", 2, shape, v, sizeof v);
		if (!wherry_emit(p)) return;
	}
}
`

// neural is a folder with it.
func neural(t *testing.T) string {
	g := ort.NewGraph()
	g.Input("x", ort.Float, 4)
	g.NodeAs("Add", "", []string{"x", g.Constant(ort.Float, ort.Floats([]float32{1, 2, 3, 4}), 4)}, []string{"y"})
	g.Output("y", ort.Float, 4)
	dir := t.TempDir()
	files := map[string]string{"chain.c": chain, "sum.onnx": string(g.Model()), "Wasmfile": `FROM toolchain:c AS build
COPY *.c *.h /src/
RUN clang -O2 -mexec-model=reactor -o /chain /src/chain.c

FROM scratch
COPY --from=onnx /usr/local/bin/onnxruntime.wasm /usr/local/bin/onnxruntime.wasm
COPY --from=build /chain /usr/bin/chain
COPY sum.onnx /models/
ENTRYPOINT ["chain"]
`}
	for _, name := range []string{"guest-c/wherry.h", "nn/wasi_nn.h"} {
		text, err := os.ReadFile(filepath.Join(dock.Root(t), "examples", name))
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = string(text)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestNeural: a module that answers has the model of its image computed by wasi-nn,
// while it is served, in several instances, in parts.
func TestNeural(t *testing.T) {
	image := "localhost/test-serve:chain"
	wherry(t, "build", "-q", "-t", image, neural(t))
	s := Start(t, "chain="+image, "--instances", "2")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				got, status := postJSON(t, s.URL+"/predict", `{"x":[[0,0,0,0.5]],"times":3}`)
				if status != http.StatusOK || strings.TrimSpace(got) != `{"y":[[1,2,3,4.5],[2,4,6,8.5],[3,6,9,12.5]]}` {
					t.Errorf("%d, %s", status, got)
				}
			}
		})
	}
	all.Wait()
	got := streamed(t.Context(), t, s.URL+"/predict", `{"x":[0,0,0,0],"times":2}`).rest()
	if len(got) != 3 || got[0] != `{"y":[[1,2,3,4]]}` || got[1] != `{"y":[[2,4,6,8]]}` || !strings.Contains(got[2], `"fuel":`) {
		t.Errorf("%q", got)
	}
}
