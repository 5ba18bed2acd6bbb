package scaffold

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx/graph"
)

func TestFolderKind(t *testing.T) {
	for _, c := range []struct {
		want  string
		files map[string]string
	}{
		{"", map[string]string{"config.json": "{}"}},
		{"", map[string]string{"config.json": "no JSON"}},
		{"", map[string]string{"config.json": `["model_type"]`}},
		{"huggingface", map[string]string{"config.json": `{"model_type": "bert"}`}},
		{"huggingface", map[string]string{"config.json": `{"architectures": ["BertModel"]}`}},
		{"mlflow", map[string]string{"MLmodel": "flavors: {}", "config.json": `{"model_type": "bert"}`}},
		{"", map[string]string{"model.onnx": ""}},
	} {
		files := fstest.MapFS{}
		for name, text := range c.files {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := FolderKind(files); got != c.want {
			t.Errorf("%v: %q, want %q", c.files, got, c.want)
		}
	}
}

// folderOf lays files into a folder.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestHuggingFaceRefused(t *testing.T) {
	const config = `{"model_type": "bert", "architectures": ["BertModel"]}`
	for _, c := range []struct {
		want  string
		files map[string]string
	}{
		{"save_pretrained", map[string]string{"config.json": config}},
		{"optimum-cli export onnx", map[string]string{"config.json": config, "tokenizer.json": "{}"}},
	} {
		_, err := HuggingFace(t.Context(), Options{Folder: folderOf(t, c.files)})
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Advice, c.want) {
			t.Errorf("%v: %v", c.files, err)
		}
	}
}

// TestHuggingFaceReads takes what the files of a folder say.
func TestHuggingFaceReads(t *testing.T) {
	h := &hf{}
	err := h.read(fstest.MapFS{
		"config.json":               {Data: []byte(`{"model_type": "roberta", "max_position_embeddings": 514, "id2label": {"1": "b", "0": "a"}}`)},
		"tokenizer.json":            {Data: []byte("{}")},
		"tokenizer_config.json":     {Data: []byte(`{"model_max_length": 1e30}`)},
		"modules.json":              {Data: []byte(`[{"path": "1_Pooling", "type": "x.Pooling"}, {"path": "", "type": "x.Normalize"}, {"path": "../..", "type": "x.Pooling"}]`)},
		"1_Pooling/config.json":     {Data: []byte(`{"pooling_mode_cls_token": true}`)},
		"onnx/model_quantized.onnx": {}, "onnx/model.onnx": {},
	}, "f")
	if err != nil {
		t.Fatal(err)
	}
	if h.length != 512 || h.pooling != "cls" || !h.sure || !h.normalize || h.model != "onnx/model.onnx" || strings.Join(h.labels, " ") != "a b" {
		t.Errorf("%+v", h)
	}
}

func fields(list ...string) []model.Field {
	var out []model.Field
	for _, name := range list {
		out = append(out, model.Field{Name: name, Type: model.Int64, Shape: []int64{-1, -1}})
	}
	return out
}

// TestHuggingFaceScripts has Python read what is written for each task.
func TestHuggingFaceScripts(t *testing.T) {
	texts := map[string]string{}
	for _, c := range []struct {
		architecture, output, want string
		change                     func(*hf)
	}{
		{"BertForSequenceClassification", "logits", "scores /= scores.sum()", nil},
		{"BertForSequenceClassification", "logits", "np.exp(-logits)", func(h *hf) { h.config.Problem = "multi_label_classification" }},
		{"BertForSequenceClassification", "logits", `"score": float(logits[0])`, func(h *hf) { h.labels = h.labels[:1] }},
		{"BertForTokenClassification", "logits", "special_tokens_mask", nil},
		{"BertModel", "last_hidden_state", "mean(axis=0)  # EDIT", func(h *hf) { h.pooling = "mean" }},
		{"BertModel", "last_hidden_state", "max(axis=0)", func(h *hf) { h.pooling, h.sure, h.normalize = "max", true, true }},
		{"BertModel", "sentence_embedding", "run(tokens).astype", nil},
		{"", "logits", "LABELS", nil},
	} {
		h := &hf{config: hfConfig{Architectures: strings.Fields(c.architecture)}, labels: []string{nasty, "b"}, model: "onnx/model.onnx", length: 128}
		if c.change != nil {
			c.change(h)
		}
		l := &graph.Lowered{Signature: &model.Signature{Inputs: fields("input_ids", "attention_mask"), Outputs: fields(c.output)}}
		if err := h.choose(l); err != nil {
			t.Errorf("%s: %v", c.architecture, err)
			continue
		}
		text := h.script("/x/" + nasty)
		if !strings.Contains(text, c.want) {
			t.Errorf("%s: want %q in\n%s", c.architecture, c.want, text)
		}
		texts[c.want] = text
	}
	for name, problem := range understood(t, texts) {
		t.Errorf("%s: %s\n%s", name, problem, texts[name])
	}
	h := &hf{config: hfConfig{Architectures: []string{"T5ForConditionalGeneration"}}}
	l := &graph.Lowered{Signature: &model.Signature{Inputs: fields("input_ids"), Outputs: fields("encoder")}}
	if err := h.choose(l); err == nil {
		t.Error("a model of an unknown task was taken")
	}
	l.Signature.Inputs = fields("pixel_values")
	if err := h.choose(l); err == nil {
		t.Error("a model of images was taken for one of text")
	}
}

func TestMLflowRefused(t *testing.T) {
	for _, c := range []struct{ report, want string }{
		{`{"mlflow": {"flavor": "xgboost", "file": "model.ubj"}}`, "onnxmltools.convert_xgboost"},
		{`{"mlflow": {"flavor": "spark", "file": ""}}`, "predict.py"},
		{`{"mlflow": {"flavor": "sklearn", "file": "../model.pkl"}}`, ""},
		{`{}`, ""},
	} {
		_, err := MLflow(t.Context(), Options{Folder: t.TempDir(), Sandbox: told{"report": c.report}})
		var refused *RefusedError
		errors.As(err, &refused)
		if err == nil || c.want != "" && (refused == nil || !strings.Contains(refused.Advice, c.want)) {
			t.Errorf("%s: %v", c.report, err)
		}
	}
}

// TestRandomRequest holds inputs that were made up against the signature.
func TestRandomRequest(t *testing.T) {
	s := &model.Signature{}
	m := &graph.Model{Graph: &graph.Graph{}}
	for name, kind := range map[string]model.DataType{
		"x": model.FP32, "d": model.FP64, "h": model.FP16, "b": model.Bool, "s": model.Bytes, "i": model.Int32, "u": model.Uint8, "input_ids": model.Int64, "attention_mask": model.Int64,
	} {
		s.Inputs = append(s.Inputs, model.Field{Name: name, Type: kind, Shape: []int64{-1, 3, -1}})
	}
	r := randomRequest(m, s, 8, 1)
	if err := s.Check(r); err != nil {
		t.Fatal(err)
	}
	for _, in := range r.Inputs {
		if len(in.Shape) != 3 || in.Shape[0] != 1 || in.Shape[2] != 8 {
			t.Errorf("%s has the shape %v", in.Name, in.Shape)
		}
	}
}

// dead is a sandbox that does nothing.
type dead struct{}

func (dead) ONNX(context.Context, string, string, *graph.Lowered, []*model.Request) ([]*model.Response, string, error) {
	return nil, "", errors.New("it is dead")
}

func TestONNXRefused(t *testing.T) {
	_, err := ONNX(t.Context(), Options{Folder: folderOf(t, map[string]string{"model.onnx": "no model"}), Model: "model.onnx", Engine: dead{}})
	var refused *RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "model.onnx") {
		t.Errorf("%v", err)
	}
}
