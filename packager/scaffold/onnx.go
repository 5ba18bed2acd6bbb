package scaffold

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx/graph"
)

// An Engine answers with ONNX models.
type Engine interface {
	// ONNX answers requests with a model of a folder that was lowered; its weights
	// may lie in files beside it. by says who answered.
	ONNX(ctx context.Context, folder, name string, m *graph.Lowered, requests []*model.Request) (answers []*model.Response, by string, err error)
}

// ONNX looks at an ONNX file and drafts what its image needs.
func ONNX(ctx context.Context, o Options) (*Draft, error) {
	m, lowered, err := readONNX(o.Folder, o.Model)
	if err != nil {
		return nil, err
	}
	d := &Draft{Found: fmt.Sprintf("ONNX model of %s: %s", comment(or(m.Producer, "an unknown exporter")), shownFields(lowered.Signature))}
	for _, n := range lowered.Notes {
		d.Notes = append(d.Notes, comment(n))
	}
	kept, err := has(o.Folder, "cases.json")
	if err != nil {
		return nil, err
	}
	if kept {
		d.Notes = append(d.Notes, "the golden cases of cases.json stay as they are")
		d.Files = append(d.Files, File{"Wasmfile", []byte(onnxRecipe(o.Model, true))})
		return d, nil
	}
	cases, err := onnxCases(ctx, o, m, lowered)
	if err != nil {
		d.Notes = append(d.Notes, "no golden cases: with random inputs the model says: "+comment(err.Error()))
	}
	if cases != nil {
		d.Files, d.Notes = append(d.Files, *cases), append(d.Notes, madeUp)
	}
	d.Files = append(d.Files, File{"Wasmfile", []byte(onnxRecipe(o.Model, cases != nil))})
	d.Edits = marked(d.Files)
	return d, nil
}

// maxModel bounds an ONNX file, without the weights beside it.
const maxModel = 2 << 30

// readONNX reads the model of a folder, and makes of it what the engine can run.
func readONNX(folder, name string) (*graph.Model, *graph.Lowered, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxModel))
	if err != nil {
		return nil, nil, err
	}
	m, err := graph.Read(data)
	if err != nil {
		return nil, nil, refusedONNX(name, err)
	}
	lowered, err := m.Lower()
	if err != nil {
		return nil, nil, refusedONNX(name, err)
	}
	err = lowered.CheckExternal(func(file string) (int64, error) {
		info, err := root.Stat(filepath.FromSlash(path.Join(path.Dir(name), file)))
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	})
	if err != nil {
		return nil, nil, refusedONNX(name, err)
	}
	return m, lowered, nil
}

// has tells whether a folder has a file.
func has(folder, name string) (bool, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return false, err
	}
	defer root.Close()
	_, err = root.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func refusedONNX(name string, err error) error {
	return &RefusedError{Reason: fmt.Sprintf("%s: %v", name, err)}
}

func shownFields(s *model.Signature) string {
	show := func(list []model.Field) string {
		var words []string
		for _, f := range list {
			var dims []string
			for _, d := range f.Shape {
				if d < 0 {
					dims = append(dims, "?")
				} else {
					dims = append(dims, fmt.Sprint(d))
				}
			}
			words = append(words, fmt.Sprintf("%s %s[%s]", f.Name, f.Type, strings.Join(dims, ",")))
		}
		return short(strings.Join(words, ", "), 200)
	}
	return comment(show(s.Inputs) + " -> " + show(s.Outputs))
}

func onnxRecipe(name string, golden bool) string {
	flag := ""
	if golden {
		flag = "--golden=cases.json "
	}
	return "# Written by wherry init.\nFROM onnx\nMODEL " + flag + words(name) + "\n"
}

// sizes are tried for dimensions of any length, the first that the model takes is
// kept: that of the batch is 1.
var sizes = []int64{8, 64, 224, 640, 1, 512}

// onnxCases asks the model about random inputs.
func onnxCases(ctx context.Context, o Options, m *graph.Model, lowered *graph.Lowered) (*File, error) {
	if o.Engine == nil {
		return nil, errors.New("there is no engine")
	}
	var first error
	for _, size := range sizes {
		requests := []*model.Request{
			randomRequest(m, lowered.Signature, size, 1),
			randomRequest(m, lowered.Signature, size, 2),
		}
		answers, by, err := o.Engine.ONNX(ctx, o.Folder, o.Model, lowered, requests)
		if err == nil {
			return writeRandom(lowered.Signature, requests, answers, by)
		}
		if first == nil {
			first = err
		}
		var refused *model.ModelError
		if !errors.As(err, &refused) && ctx.Err() != nil {
			return nil, err
		}
		if !free(lowered.Signature) {
			break
		}
	}
	return nil, first
}

// free tells whether an input has a dimension of any length besides the first.
func free(s *model.Signature) bool {
	for _, f := range s.Inputs {
		for i, d := range f.Shape {
			if d < 0 && i > 0 {
				return true
			}
		}
	}
	return false
}

// maxCase bounds what one golden case may hold, in elements.
const maxCase = 1 << 16

func writeRandom(s *model.Signature, requests []*model.Request, answers []*model.Response, by string) (*File, error) {
	var cases []goldenCase
	for i, r := range requests {
		c, err := model.NewCase(fmt.Sprintf("EDIT: random input %d", i+1), s, r, answers[i])
		if err != nil {
			return nil, err
		}
		elements := 0
		for _, t := range answers[i].Outputs {
			elements += len(t.Data)
		}
		if elements > maxCase*8 && len(cases) > 0 {
			break
		}
		cases = append(cases, goldenCase{Name: c.Name, Inputs: raw(c.Inputs), Outputs: c.Outputs})
	}
	return writeCases(cases, by)
}

func raw(m map[string]json.RawMessage) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// randomRequest makes up inputs: the same in every run.
func randomRequest(m *graph.Model, s *model.Signature, size int64, seed uint64) *model.Request {
	random := rand.New(rand.NewPCG(seed, 6))
	named := map[string][]string{}
	for _, v := range m.Graph.Inputs {
		if v.Type != nil {
			named[v.Name] = v.Type.Symbols
		}
	}
	r := &model.Request{}
	left := int64(maxCase * 64)
	for _, f := range s.Inputs {
		shape := make([]int64, len(f.Shape))
		for i, d := range f.Shape {
			switch {
			case d >= 0:
				shape[i] = d
			case i == 0 || i < len(named[f.Name]) && strings.Contains(strings.ToLower(named[f.Name][i]), "batch"):
				shape[i] = 1
			default:
				shape[i] = size
			}
			if strings.Contains(strings.ToLower(symbol(named[f.Name], i)), "past") {
				shape[i] = 0
			}
		}
		t := randomTensor(random, &f, shape, left)
		n, _ := model.Elements(t.Shape)
		left -= n
		r.Inputs = append(r.Inputs, t)
	}
	return r
}

func symbol(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// randomTensor fills a tensor with what its name and type let one expect; one of more
// than most elements is empty.
func randomTensor(random *rand.Rand, f *model.Field, shape []int64, most int64) model.Tensor {
	n, ok := model.Elements(shape)
	if !ok || n > most {
		n, shape = 0, []int64{0}
	}
	count := int(n)
	name := strings.ToLower(f.Name)
	switch f.Type {
	case model.Bytes:
		words := strings.Fields("a boat on the river carries cargo and people")
		return model.Of(f.Name, fill(count, func(int) string { return words[random.IntN(len(words))] }), shape...)
	case model.Bool:
		return model.Of(f.Name, fill(count, func(int) bool { return random.IntN(2) == 1 }), shape...)
	case model.FP64:
		return model.Of(f.Name, fill(count, func(int) float64 { return rounded(random) }), shape...)
	case model.FP32:
		return model.Of(f.Name, fill(count, func(int) float32 { return float32(rounded(random)) }), shape...)
	case model.FP16:
		return model.Of(f.Name, fill(count, func(int) model.Float16 { return model.Float16(0x3400 + random.IntN(0x800)) }), shape...)
	}
	whole := func(int) int64 { return int64(1 + random.IntN(99)) }
	switch {
	case strings.Contains(name, "mask"):
		whole = func(int) int64 { return 1 }
	case strings.Contains(name, "type_ids"):
		whole = func(int) int64 { return 0 }
	case strings.Contains(name, "position"):
		whole = func(i int) int64 { return int64(i) % max(shape[len(shape)-1], 1) }
	}
	return integers(f, fill(count, whole), shape)
}

// rounded is a number near 0 with few digits.
func rounded(random *rand.Rand) float64 { return math.Round(random.NormFloat64()*1000) / 1000 }

func fill[T any](n int, value func(int) T) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = value(i)
	}
	return list
}

// integers are whole numbers as the type that a field has.
func integers(f *model.Field, values []int64, shape []int64) model.Tensor {
	switch f.Type {
	case model.Int32:
		return model.Of(f.Name, as[int32](values), shape...)
	case model.Int16:
		return model.Of(f.Name, as[int16](values), shape...)
	case model.Int8:
		return model.Of(f.Name, as[int8](values), shape...)
	case model.Uint8:
		return model.Of(f.Name, as[uint8](values), shape...)
	case model.Uint16:
		return model.Of(f.Name, as[uint16](values), shape...)
	case model.Uint32:
		return model.Of(f.Name, as[uint32](values), shape...)
	case model.Uint64:
		return model.Of(f.Name, as[uint64](values), shape...)
	}
	return model.Of(f.Name, values, shape...)
}

func as[T int8 | int16 | int32 | uint8 | uint16 | uint32 | uint64](values []int64) []T {
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = T(v)
	}
	return out
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
