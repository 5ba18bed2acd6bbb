package packager

import (
	"context"
	"path"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/oci"
)

// stubDescriber gives signatures by the name of the file that is asked.
type stubDescriber map[string]string

func (d stubDescriber) Describe(_ context.Context, s RecordSpec) ([]byte, error) {
	if text := d[path.Base(s.Config.Entrypoint[1])]; text != "" {
		return []byte(text), nil
	}
	return nil, nil
}

func pythonSignature(in, out string) string {
	field := func(name string) string { return `{"name":"` + name + `","datatype":"FP32","shape":[-1,3]}` }
	return `{"name":"m","platform":"python","inputs":[` + field(in) + `],"outputs":[` + field(out) + `]}`
}

const pipelineBase = "FROM scratch AS python\nCOPY ort.wasm /usr/local/bin/onnxruntime.wasm\nLABEL run.wherry.python=3.15\nFROM python\n" +
	"WORKDIR /app\nMODEL model.onnx .\nCOPY pre.py post.py ./\n"

func pipelineBench(t *testing.T) *bench {
	b := newBench(t, map[string]string{
		"ort.wasm": "\x00asm", "model.onnx": onnxFile(17, "Relu"), "pre.py": "pre", "post.py": "post",
		"good.json": `{"cases":[{"inputs":{"a":[[1,2,3]]},"outputs":{"z":[[1,2,3]]}}]}`,
		"bad.json":  `{"cases":[{"inputs":{"x":[[1,2,3]]},"outputs":{"z":[[1,2,3]]}}]}`,
	})
	b.Describer = stubDescriber{"pre.py": pythonSignature("a", "x"), "post.py": pythonSignature("y", "z"), "odd.py": ""}
	return b
}

func TestPipelineLabels(t *testing.T) {
	b := pipelineBench(t)
	r := b.withRecorder(func(s RecordSpec) (*Recording, error) { return recording(s, "one"), nil })
	img := b.build(pipelineBase + "MODEL --golden=good.json good.json .\nENTRYPOINT [\"predict\", \"pre.py\", \"model.onnx\", \"/app/post.py\"]\n")
	labels := img.img.Config.Config.Labels
	if labels[LabelModel] != oci.ModelPipeline || labels[LabelModelPath] != "" {
		t.Errorf("labels %v", labels)
	}
	want := `{"name":"model","platform":"ensemble","inputs":[{"name":"a","datatype":"FP32","shape":[-1,3]}],"outputs":[{"name":"z","datatype":"FP32","shape":[-1,3]}]}`
	if got := labels[LabelSignature]; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	steps, err := oci.ParseSteps(labels[oci.LabelSteps])
	if err != nil || len(steps) != 3 || steps[0].Path != "/app/pre.py" || steps[1].Kind != oci.ModelONNX || string(steps[1].Signature) != signatureOfX {
		t.Errorf("steps %v, %v", steps, err)
	}
	var ran []string
	for _, s := range r.specs {
		ran = append(ran, strings.Join(s.Config.Entrypoint, " "))
	}
	if got := strings.Join(ran, "; "); got != "predict /app/pre.py; /usr/local/bin/onnxruntime.wasm /app/model.onnx; predict /app/post.py" {
		t.Errorf("recorded %s", got)
	}
	if n := len(img.img.Derived.Snapshots); n != 3 {
		t.Errorf("%d snapshots", n)
	}
	if again := b.build(pipelineBase + "MODEL --golden=good.json good.json .\nENTRYPOINT [\"predict\", \"pre.py\", \"model.onnx\", \"/app/post.py\"]\n"); again.Index.Digest != img.Index.Digest || len(r.specs) != 3 {
		t.Error("the second build is another")
	}
}

// TestPipelineONNX: ONNX models alone need no Python.
func TestPipelineONNX(t *testing.T) {
	b := newBench(t, map[string]string{"ort.wasm": "\x00asm", "a.onnx": onnxFile(17, "Relu"), "b.onnx": onnxFile(17, "Abs")})
	base := "FROM scratch AS onnx\nCOPY ort.wasm /usr/local/bin/onnxruntime.wasm\nLABEL run.wherry.onnx=1.18.0\nENTRYPOINT [\"/usr/local/bin/onnxruntime.wasm\"]\nFROM onnx\n"
	img := b.build(base + "MODEL a.onnx /\nMODEL b.onnx /\nENTRYPOINT [\"predict\", \"/a.onnx\", \"/b.onnx\"]\n")
	labels := img.img.Config.Config.Labels
	if labels[LabelModel] != oci.ModelPipeline || !strings.Contains(labels[LabelSignature], `"inputs":[{"name":"x"`) {
		t.Errorf("labels %v", labels)
	}
}

func TestPipelineErrors(t *testing.T) {
	for want, recipe := range map[string]string{
		"there is no /app/none.py in the image":  pipelineBase + `ENTRYPOINT ["predict", "none.py", "model.onnx"]`,
		"pre.py gives x FP32 [-1 3]":             pipelineBase + `ENTRYPOINT ["predict", "post.py", "pre.py"]`,
		"write above it:  COPY --from=onnx":      strings.Replace(pipelineBase, "/usr/local/bin/onnxruntime.wasm", "/other", 1) + `ENTRYPOINT ["predict", "pre.py", "model.onnx"]`,
		"begin with FROM python":                 strings.Replace(pipelineBase, "LABEL run.wherry.python=3.15\n", "", 1) + `ENTRYPOINT ["predict", "pre.py", "model.onnx"]`,
		"those of all its models together":       pipelineBase + "MODEL --golden=bad.json bad.json .\n" + `ENTRYPOINT ["predict", "pre.py", "model.onnx", "post.py"]`,
		"a pipeline of 17 models; 16 are the":    pipelineBase + `ENTRYPOINT ["predict"` + strings.Repeat(`, "pre.py"`, 17) + `]`,
		"a model of a pipeline must":             pipelineBase + "COPY pre.py odd.py\n" + `ENTRYPOINT ["predict", "odd.py", "model.onnx"]`,
		"nothing of what post.py gives is neede": pipelineBase + `ENTRYPOINT ["predict", "post.py", "pre.py", "model.onnx"]`,
	} {
		b := pipelineBench(t)
		if want == "pre.py gives x FP32 [-1 3]" { // after another type
			b.Describer = stubDescriber{"pre.py": strings.Replace(pythonSignature("a", "x"), "FP32", "INT64", 1), "post.py": pythonSignature("y", "z")}
			want = "pre.py takes a INT64 [-1 3], and post.py gives z FP32 [-1 3]"
		}
		if strings.HasPrefix(want, "nothing") {
			b.Describer = stubDescriber{"pre.py": pythonSignature("a", "x"), "post.py": strings.Replace(pythonSignature("y", "z"), `"outputs":[`, `"outputs":[{"name":"k","datatype":"BOOL","shape":[1]},`, 1)}
		}
		if _, err := b.tryBuild(recipe); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
