package packager

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/wherry-run/wherry/model/onnx/graph"
	"github.com/wherry-run/wherry/oci"
)

// message and its fields make protobuf.
func message(fields ...[]byte) []byte { return bytes.Join(fields, nil) }

func text(n protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, n, protowire.BytesType), s)
}

func within(n protowire.Number, fields ...[]byte) []byte { return text(n, string(message(fields...))) }

func number(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

// onnxFile is y = op(x) over rows of three floats, plus more of a graph.
func onnxFile(opset uint64, op string, more ...[]byte) string {
	value := func(n protowire.Number, name string) []byte {
		shape := within(2, within(1, text(2, "n")), within(1, number(1, 3)))
		return within(n, text(1, name), within(2, within(1, number(1, 1), shape)))
	}
	node := within(1, text(1, "x"), text(2, "y"), text(4, op))
	g := append([][]byte{node, text(2, "g"), value(11, "x"), value(12, "y")}, more...)
	return string(message(number(1, 8), within(8, number(2, opset)), within(7, g...)))
}

// external is an initializer of three floats that lies in a file.
func external(name string) []byte {
	return within(5, number(1, 3), number(2, 1), text(8, "w"), number(14, 1),
		within(13, text(1, "location"), text(2, name)), within(13, text(1, "offset"), text(2, "4")))
}

// onnxBase stands for the base onnx.
const onnxBase = "FROM scratch AS onnx\nCOPY ort.wasm /ort.wasm\nLABEL run.wherry.onnx=1.18.0\nENTRYPOINT [\"/ort.wasm\"]\nFROM onnx\n"

const signatureOfX = `{"name":"model","platform":"onnxruntime_onnx","inputs":[{"name":"x","datatype":"FP32","shape":[-1,3]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,3]}]}`

func TestMODELonnx(t *testing.T) {
	old := onnxFile(17, "Relu")
	b := newBench(t, map[string]string{"ort.wasm": "\x00asm", "model.onnx": old})
	img := b.build(onnxBase + "MODEL model.onnx /models/")
	c := img.img.Config.Config
	for label, want := range map[string]string{LabelModel: "onnx", LabelModelPath: "/models/model.onnx", LabelSignature: signatureOfX} {
		if got := c.Labels[label]; got != want {
			t.Errorf("%s is %q, want %q", label, got, want)
		}
	}
	if got := strings.Join(append(c.Entrypoint, c.Cmd...), " "); got != "/ort.wasm /models/model.onnx" {
		t.Errorf("it runs %s", got)
	}
	if img.read("models/model.onnx") != old || img.Model == nil {
		t.Error("the model was changed, or has no ModelPack")
	}
	if again := b.build(onnxBase + "MODEL model.onnx /models/"); again.Index.Digest != img.Index.Digest {
		t.Error("another digest the second time")
	}
	var pack struct {
		Descriptor struct{ Name, Title string }
	}
	manifest, err := oci.ParseManifest(b.store.bytes(t, img.Model.Digest), img.Model.MediaType)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.store.bytes(t, manifest.Config.Digest), &pack); err != nil || pack.Descriptor.Name != "model" {
		t.Errorf("%+v, %v", pack, err)
	}
	own := b.build(onnxBase + "ENTRYPOINT [\"/mine\"]\nMODEL model.onnx /")
	if c := own.img.Config.Config; len(c.Entrypoint) != 2 || c.Entrypoint[0] != "/mine" {
		t.Errorf("an entrypoint of its own: %q", c.Entrypoint)
	}
}

func TestMODELonnxIsLowered(t *testing.T) {
	b := newBench(t, map[string]string{"ort.wasm": "\x00asm", "model.onnx": onnxFile(25, "Relu"), "w/a.onnx": onnxFile(17, "Relu", external("a.bin")), "w/a.bin": strings.Repeat("w", 16)})
	img := b.build(onnxBase + "MODEL model.onnx /model.onnx")
	m, err := graph.Read([]byte(img.read("model.onnx")))
	if err != nil || m.Opsets[""] != 21 {
		t.Errorf("opset %v, %v", m.Opsets, err)
	}
	// The weights come along, in a layer of their own.
	img = b.build(onnxBase + "MODEL w/a.onnx /m/b.onnx")
	if img.read("m/a.bin") != strings.Repeat("w", 16) || len(img.manifest.Layers) != 3 {
		t.Errorf("%d layers:\n%s", len(img.manifest.Layers), img.list())
	}
	img = b.build(onnxBase + "MODEL w /m/")
	if img.read("m/a.bin") == "" || len(img.manifest.Layers) != 3 {
		t.Errorf("a folder: %d layers:\n%s", len(img.manifest.Layers), img.list())
	}
	// The second of two is the image's.
	img = b.build(onnxBase + "MODEL w/a.onnx /\nMODEL model.onnx /")
	if c := img.img.Config.Config; c.Labels[LabelModelPath] != "/model.onnx" || c.Entrypoint[1] != "/model.onnx" {
		t.Errorf("%q, %q", c.Labels, c.Entrypoint)
	}
}

func TestMODELonnxProblems(t *testing.T) {
	files := map[string]string{
		"ort.wasm": "\x00asm", "new.onnx": onnxFile(24, "Swish"), "far.onnx": onnxFile(17, "Relu", external("gone.bin")),
		"short.onnx": onnxFile(17, "Relu", external("short.bin")), "short.bin": "1234", "bad.onnx": "hello", "net.pt": "PK\x03\x04....", "notes.txt": "hello",
		"two/a.onnx": onnxFile(17, "Relu"), "two/b.onnx": onnxFile(17, "Relu"), "model.onnx": onnxFile(17, "Relu"),
		"wrong.json": `{"cases":[{"inputs":{"z":[[1,2,3]]},"outputs":{"y":[[1,2,3]]}}]}`,
		"shape.json": `{"cases":[{"inputs":{"x":[[1,2]]},"outputs":{"y":[[1,2,3]]}}]}`,
	}
	for line, want := range map[string]string{
		"MODEL new.onnx /":                        "operator Swish: it is new in opset 24; ONNX Runtime 1.18 has opset 21\nexport with opset 18",
		"MODEL far.onnx /":                        "keeps weights in gone.bin, and that file is not beside it",
		"MODEL short.onnx /":                      "it has 4 bytes, and the model wants 12 from 4 on",
		"MODEL bad.onnx /":                        "no protobuf",
		"MODEL net.pt /":                          "torch.onnx.export",
		"MODEL two /m":                            "there are several models: a.onnx, b.onnx",
		"MODEL --golden=wrong.json model.onnx /":  `no such input`,
		"MODEL --golden=shape.json model.onnx /":  "x",
		"MODEL --golden=absent.json model.onnx /": "absent.json",
		"MODEL --golden=notes.txt model.onnx /":   "golden cases",
	} {
		_, err := newBench(t, files).tryBuild(onnxBase + line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %q", line, err, want)
		}
	}
	if _, err := newBench(t, files).tryBuild(onnxBase + "MODEL notes.txt /"); err != nil {
		t.Errorf("a file that is no model: %v", err)
	}
}

func TestMODELgolden(t *testing.T) {
	cases := `{"cases":[{"name":"one","inputs":{"x":[[1,-2,3]]},"outputs":{"y":[[1,0,3]]}}]}`
	b := newBench(t, map[string]string{"ort.wasm": "\x00asm", "model.onnx": onnxFile(17, "Relu"), "t/cases.json": cases, "m/model.onnx": onnxFile(17, "Relu"), "m/cases.json": cases})
	img := b.build(onnxBase + "MODEL --golden=t/cases.json model.onnx /models/")
	if img.img.Config.Config.Labels[LabelGolden] != "/models/cases.json" || img.read("models/cases.json") != cases {
		t.Errorf("%q\n%s", img.img.Config.Config.Labels, img.list())
	}
	if img = b.build(onnxBase + "MODEL --golden=m/cases.json m /models/"); img.img.Config.Config.Labels[LabelGolden] != "/models/cases.json" || len(img.manifest.Layers) != 3 {
		t.Errorf("among the files: %q, %d layers", img.img.Config.Config.Labels, len(img.manifest.Layers))
	}
	// For models of any kind.
	img = b.build("FROM scratch\nMODEL --golden=t/cases.json model.onnx /m/")
	if img.img.Config.Config.Labels[LabelGolden] != "/m/cases.json" || img.img.Config.Config.Labels[LabelModel] != "" {
		t.Errorf("%q", img.img.Config.Config.Labels)
	}
}
