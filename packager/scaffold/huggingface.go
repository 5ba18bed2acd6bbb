package scaffold

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx/graph"
)

// FolderKind tells of what kind of model a folder is: "mlflow", "huggingface" or
// "".
func FolderKind(files fs.FS) string {
	is := func(name string) bool {
		info, err := fs.Stat(files, name)
		return err == nil && info.Mode().IsRegular()
	}
	switch {
	case is(MLmodel):
		return "mlflow"
	case !is("config.json"):
		return ""
	}
	var c hfConfig
	if readJSON(files, "config.json", &c) != nil || c.ModelType == "" && len(c.Architectures) == 0 {
		return ""
	}
	return "huggingface"
}

// hfConfig is what config.json says.
type hfConfig struct {
	ModelType     string            `json:"model_type"`
	Architectures []string          `json:"architectures"`
	Labels        map[string]string `json:"id2label"`
	Problem       string            `json:"problem_type"`
	Positions     int               `json:"max_position_embeddings"`
}

// hf is a Hugging Face folder.
type hf struct {
	config hfConfig
	// length is the most tokens, 0 for no bound.
	length int
	// pooling is how the vectors of tokens become one: "mean", "cls", "max"; sure
	// tells whether the folder says so.
	pooling         string
	sure, normalize bool
	labels          []string
	task            string
	model           string // the ONNX file
	inputs, outputs []model.Field
	files           []string // besides the model and tokenizer.json
}

const (
	taskClassify = "classify"
	taskEmbed    = "embed"
	taskTokens   = "tokens"
)

// maxConfig bounds a JSON file of a folder.
const maxConfig = 64 << 20

func readJSON(files fs.FS, name string, into any) error {
	f, err := files.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > maxConfig {
		return fmt.Errorf("%s has %d bytes", name, info.Size())
	}
	if err := json.NewDecoder(f).Decode(into); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// HuggingFace looks at a folder with config.json, tokenizer.json and an ONNX
// export, and drafts what its image needs: text goes in, and the tokenizer runs in
// the sandbox too.
func HuggingFace(ctx context.Context, o Options) (*Draft, error) {
	root, err := os.OpenRoot(o.Folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	h := &hf{}
	if err := h.read(root.FS(), o.Folder); err != nil {
		return nil, err
	}
	m, lowered, err := readONNX(o.Folder, h.model)
	if err != nil {
		return nil, err
	}
	if err := h.choose(lowered); err != nil {
		return nil, err
	}
	d := &Draft{Found: fmt.Sprintf("Hugging Face model, %s: %s", comment(or(strings.Join(h.config.Architectures, ", "), h.config.ModelType)), h.said())}
	if m.Producer != "" {
		d.Found += ", exported by " + comment(m.Producer)
	}
	for _, n := range lowered.Notes {
		d.Notes = append(d.Notes, comment(n))
	}
	text := h.script(o.Folder)
	d.Files = append(d.Files, File{"predict.py", []byte(text)})
	cases, err := h.cases(ctx, o, text, lowered)
	if err != nil {
		var refused *RefusedError
		if errors.As(err, &refused) {
			return nil, err
		}
		d.Notes = append(d.Notes, "no golden cases: "+comment(err.Error()))
	}
	if cases != nil {
		d.Files, d.Notes = append(d.Files, *cases), append(d.Notes, madeUp)
	}
	d.Files = append(d.Files, File{"Wasmfile", []byte(pythonRecipe(recipeOf{
		models: []string{h.model}, modules: []string{"tokenizer.json"}, golden: cases != nil, onnx: true,
	}))})
	d.Edits = marked(d.Files)
	return d, nil
}

// read takes what the files of JSON say.
func (h *hf) read(files fs.FS, folder string) error {
	if err := readJSON(files, "config.json", &h.config); err != nil {
		return err
	}
	if _, err := fs.Stat(files, "tokenizer.json"); err != nil {
		return &RefusedError{
			Reason: folder + " has no tokenizer.json",
			Advice: fmt.Sprintf("where you have transformers: python -c \"from transformers import AutoTokenizer as T; T.from_pretrained(%s).save_pretrained(%[1]s)\"", pythonQuote(folder)),
		}
	}
	if h.model = findONNX(files); h.model == "" {
		return &RefusedError{
			Reason: folder + " has no ONNX export",
			Advice: "where you have optimum: optimum-cli export onnx --model " + shellWord(folder) + " " + shellWord(folder+"-onnx"),
		}
	}
	h.bound(files)
	h.pool(files)
	for i := range len(h.config.Labels) {
		label, ok := h.config.Labels[strconv.Itoa(i)]
		if !ok {
			h.labels = nil
			break
		}
		h.labels = append(h.labels, label)
	}
	return nil
}

func pythonQuote(text string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `/`), "'", "") + "'"
}

// findONNX is the export that is meant: the plain one before quantized ones.
func findONNX(files fs.FS) string {
	for _, name := range []string{"onnx/model.onnx", "model.onnx", "onnx/model_quantized.onnx", "model_quantized.onnx"} {
		if _, err := fs.Stat(files, name); err == nil {
			return name
		}
	}
	for _, pattern := range []string{"onnx/*.onnx", "*.onnx"} {
		if found, err := fs.Glob(files, pattern); err == nil && len(found) > 0 {
			slices.Sort(found)
			return found[0]
		}
	}
	return ""
}

// bound finds how many tokens the model takes.
func (h *hf) bound(files fs.FS) {
	take := func(n float64) {
		if n >= 1 && n < 1<<20 && (h.length == 0 || int(n) < h.length) {
			h.length = int(n)
		}
	}
	var t struct {
		Length float64 `json:"model_max_length"`
	}
	if readJSON(files, "tokenizer_config.json", &t) == nil {
		take(t.Length)
	}
	var s struct {
		Length float64 `json:"max_seq_length"`
	}
	if readJSON(files, "sentence_bert_config.json", &s) == nil {
		take(s.Length)
	}
	positions := h.config.Positions
	if strings.Contains(h.config.ModelType, "roberta") || h.config.ModelType == "camembert" || h.config.ModelType == "mpnet" {
		positions -= 2 // the first two are for padding
	}
	take(float64(positions))
}

// pool finds how sentence-transformers makes one vector of many.
func (h *hf) pool(files fs.FS) {
	h.pooling = "mean"
	var modules []struct {
		Path string `json:"path"`
		Type string `json:"type"`
	}
	if readJSON(files, "modules.json", &modules) != nil {
		return
	}
	for _, m := range modules {
		if strings.HasSuffix(m.Type, ".Normalize") {
			h.normalize = true
		}
		if !strings.HasSuffix(m.Type, ".Pooling") || !fs.ValidPath(m.Path) {
			continue
		}
		var p struct {
			Mode string `json:"pooling_mode"`
			CLS  bool   `json:"pooling_mode_cls_token"`
			Mean bool   `json:"pooling_mode_mean_tokens"`
			Max  bool   `json:"pooling_mode_max_tokens"`
		}
		if readJSON(files, path.Join(m.Path, "config.json"), &p) != nil {
			continue
		}
		switch {
		case p.Mode == "mean" || p.Mode == "cls" || p.Mode == "max":
			h.pooling, h.sure = p.Mode, true
		case p.CLS:
			h.pooling, h.sure = "cls", true
		case p.Mean:
			h.pooling, h.sure = "mean", true
		case p.Max:
			h.pooling, h.sure = "max", true
		}
	}
}

// fields that a tokenizer gives.
var tokenFields = map[string]string{
	"input_ids": "tokens.ids", "attention_mask": "tokens.attention_mask", "token_type_ids": "tokens.type_ids",
	"position_ids": "list(range(len(tokens)))",
}

// choose finds the task out of the architecture and the file's outputs.
func (h *hf) choose(l *graph.Lowered) error {
	h.inputs, h.outputs = l.Signature.Inputs, l.Signature.Outputs
	for _, f := range h.inputs {
		if tokenFields[f.Name] == "" {
			return &RefusedError{
				Reason: fmt.Sprintf("%s wants %q besides tokens: it is no model of one text alone", h.model, comment(f.Name)),
				Advice: "take the model as it is, tensors in and out: wherry init " + shellWord(h.model),
			}
		}
	}
	architecture := strings.Join(h.config.Architectures, " ")
	out := func(name string) bool { return l.Signature.Output(name) != nil }
	switch {
	case strings.Contains(architecture, "ForSequenceClassification") && out("logits"):
		h.task = taskClassify
	case strings.Contains(architecture, "ForTokenClassification") && out("logits"):
		h.task = taskTokens
	case out("last_hidden_state") || out("sentence_embedding") || out("token_embeddings"):
		h.task = taskEmbed
	case architecture == "" && out("logits") && len(l.Signature.Output("logits").Shape) == 2:
		h.task = taskClassify
	default:
		return &RefusedError{
			Reason: fmt.Sprintf("nothing is known of what %s answers with %s", comment(or(architecture, h.config.ModelType)), shownFields(l.Signature)),
			Advice: "take the model as it is, tensors in and out: wherry init " + shellWord(h.model),
		}
	}
	return nil
}

func (h *hf) said() string {
	switch h.task {
	case taskClassify:
		return fmt.Sprintf("text to one of %d labels", len(h.labels))
	case taskTokens:
		return "text to a label for each token"
	}
	return "text to an embedding"
}

// cases asks predict.py about two sentences, with the model itself run by the
// engine.
func (h *hf) cases(ctx context.Context, o Options, text string, l *graph.Lowered) (*File, error) {
	cases := []goldenCase{
		{Name: "EDIT: made-up text 1", Inputs: map[string]any{"text": "The wherry carries cargo and people up the river."}},
		{Name: "EDIT: made-up text 2", Inputs: map[string]any{"text": "I would not wait for that boat again: late, wet and far too expensive!"}},
	}
	if o.Native != nil {
		d := &Draft{}
		f, err := golden(ctx, nil, o, text, cases, d)
		if f == nil && err == nil {
			err = errors.New(strings.Join(d.Notes, "; "))
		}
		return f, err
	}
	s, err := start(ctx, o.Sandbox, o.Folder)
	if err != nil {
		return nil, err
	}
	defer s.close()
	job := goldenJob(text, cases)
	session := map[string]any{"inputs": h.inputs, "outputs": h.outputs, "answers": []any{}}
	job["session"] = session
	by := ""
	for range maxPasses {
		said := &sessionSaid{}
		if err := s.ask("golden", job, said); err != nil {
			return nil, fmt.Errorf("ask the model: %w", err)
		}
		if p := said.Problem; p != nil {
			return nil, &RefusedError{Reason: fmt.Sprintf("the tokenizer or the model cannot be used: %s: %s", comment(p.Type), comment(p.Text))}
		}
		if len(said.Feeds) == 0 {
			if len(said.Outputs) != len(cases) {
				return nil, errors.New("the sandbox gave another number of answers")
			}
			for i := range cases {
				cases[i].Outputs = said.Outputs[i]
			}
			return writeCases(cases, by)
		}
		answers, who, err := h.answer(ctx, o, l, said.Feeds)
		if err != nil {
			return nil, err
		}
		by = who
		session["answers"] = append(session["answers"].([]any), answers...)
	}
	return nil, errors.New("predict asks its model without end")
}

// maxPasses bounds how often predict may ask its model for one answer.
const maxPasses = 4

// sessionSaid is what golden.py says of a predict.py with a model.
type sessionSaid struct {
	Outputs []any                        `json:"outputs"`
	Feeds   []map[string]json.RawMessage `json:"feeds"`
	Problem *problem                     `json:"problem"`
}

// answer has the engine answer what predict asked its session.
func (h *hf) answer(ctx context.Context, o Options, l *graph.Lowered, feeds []map[string]json.RawMessage) ([]any, string, error) {
	if o.Engine == nil {
		return nil, "", errors.New("there is no engine")
	}
	var requests []*model.Request
	for _, feed := range feeds {
		r := &model.Request{}
		for _, f := range h.inputs {
			t, err := f.Parse(feed[f.Name])
			if err != nil {
				return nil, "", err
			}
			r.Inputs = append(r.Inputs, t)
		}
		requests = append(requests, r)
	}
	responses, by, err := o.Engine.ONNX(ctx, o.Folder, h.model, l, requests)
	if err != nil {
		return nil, "", err
	}
	var answers []any
	for _, r := range responses {
		one := map[string]json.RawMessage{}
		for i := range r.Outputs {
			if one[r.Outputs[i].Name], err = r.Outputs[i].AppendValue(nil, nil); err != nil {
				return nil, "", err
			}
		}
		answers = append(answers, one)
	}
	return answers, by, nil
}
