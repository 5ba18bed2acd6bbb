package packager

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/model/onnx/graph"
)

// LabelONNX is the release of ONNX Runtime that a base has; its command is the
// module.
const LabelONNX = "run.wherry.onnx"

const modelONNX = "onnx"

// onONNX tells whether the models of a stage are run by ONNX Runtime.
func onONNX(s *state) bool { return s.config.Config.Labels[LabelONNX] != "" }

func isONNX(name string) bool { return strings.EqualFold(path.Ext(name), ".onnx") }

// onnxModel is a model that MODEL packs for ONNX Runtime.
type onnxModel struct {
	// path is where its file goes.
	path    string
	lowered *graph.Lowered
}

// readONNX makes of the ONNX model among the files of a MODEL what the engine can
// run, and adds the files that hold its weights. It gives nil when there is none.
func (c *copier) readONNX(s *state, weights []weight) ([]weight, *onnxModel, error) {
	var at []int
	for i, w := range weights {
		if isONNX(w.source) {
			at = append(at, i)
		}
	}
	switch {
	case len(at) == 0 && len(weights) == 1 && s.config.Config.Labels[LabelModel] == "":
		// It may be a model under another name, or of another kind.
		if is, err := looksONNX(weights[0].node); err != nil || !is {
			return weights, nil, err
		}
		at = []int{0}
	case len(at) == 0:
		return weights, nil, nil
	}
	i := at[0]
	if len(at) > 1 {
		i = slices.IndexFunc(weights, func(w weight) bool { return path.Base(w.source) == "model.onnx" })
	}
	if i < 0 {
		var names []string
		for _, j := range at {
			names = append(names, path.Base(weights[j].source))
		}
		return nil, nil, fmt.Errorf("there are several models: %s\nan image answers with one: name it, as in MODEL %s", strings.Join(names, ", "), weights[at[0]].source)
	}
	lowered, err := lowerONNX(weights[i].node)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", weights[i].source, err)
	}
	m := &onnxModel{path: weights[i].path, lowered: lowered}
	weights[i].node.open = func() (io.ReadCloser, error) { return io.NopCloser(lowered.Bytes.Reader()), nil }
	all, err := c.external(weights, i, lowered)
	return all, m, err
}

// looksONNX tells whether a file is an ONNX model. It is an error when it is a
// model of a kind that can be named.
func looksONNX(n node) (bool, error) {
	_, err := parseONNX(n)
	var other *graph.UnsupportedError
	var damaged *graph.FormatError
	switch {
	case errors.As(err, &other):
		return false, err
	case errors.As(err, &damaged):
		return false, nil
	}
	return err == nil, err
}

// lowerONNX reads a model and makes of it what the engine can run.
func lowerONNX(n node) (*graph.Lowered, error) {
	m, err := parseONNX(n)
	if err != nil {
		return nil, err
	}
	return m.Lower()
}

func parseONNX(n node) (*graph.Model, error) {
	r, err := n.open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var b bytes.Buffer
	if n.size > 0 && n.size <= graph.MaxBytes {
		b.Grow(int(n.size) + bytes.MinRead)
	}
	if _, err := io.Copy(&b, io.LimitReader(r, graph.MaxBytes+1)); err != nil {
		return nil, err
	}
	return graph.Read(b.Bytes())
}

// lowerBeside does the same for the models of an image that is no ONNX image:
// what of it calls the engine finds them as the engine wants them. A model that
// cannot be lowered stays as it is.
func (c *copier) lowerBeside(s *state, weights []weight) ([]weight, error) {
	for i := range weights {
		if !isONNX(weights[i].source) {
			continue
		}
		lowered, err := lowerONNX(weights[i].node)
		if err != nil {
			c.b.note(s, "%s stays as it is: %v", weights[i].source, err)
			continue
		}
		weights[i].node.open = func() (io.ReadCloser, error) { return io.NopCloser(lowered.Bytes.Reader()), nil }
		if weights, err = c.external(weights, i, lowered); err != nil {
			return nil, err
		}
	}
	return weights, nil
}

// external adds the files beside the model that hold its weights, as far as they
// are not there already.
func (c *copier) external(weights []weight, i int, lowered *graph.Lowered) ([]weight, error) {
	from, to := path.Dir(weights[i].source), path.Dir(weights[i].path)
	sizes := map[string]int64{}
	for _, name := range lowered.ExternalFiles() {
		source := path.Join(from, name)
		at, err := follow(c.src, source, true)
		if err != nil {
			return nil, err
		}
		n, ok, err := c.src.lookup(at)
		if err != nil {
			return nil, err
		}
		if !ok || n.kind != layer.File {
			return nil, fmt.Errorf("the model keeps weights in %s, and that file is not beside it\nput it there; if it is, look whether .wasmignore or .dockerignore leaves it out", source)
		}
		sizes[name] = n.size
		w := weight{source, clean(path.Join(to, name)), n}
		if !slices.ContainsFunc(weights, func(have weight) bool { return have.path == w.path }) {
			weights = append(weights, w)
		}
	}
	return weights, lowered.CheckExternal(func(name string) (int64, error) { return sizes[name], nil })
}

// describeONNX writes down what the image is: its labels, and what it runs unless
// the recipe says so itself.
func (b *builder) describeONNX(s *state, m *onnxModel) error {
	file, old := "/"+m.path, s.config.Config.Labels[LabelModelPath]
	if s.said(LabelModelPath) && old != file {
		b.note(s, "the image's model is %s now, no longer %s", file, old)
	}
	m.lowered.Signature.Name = strings.TrimSuffix(path.Base(file), path.Ext(file))
	text, err := json.Marshal(m.lowered.Signature)
	if err != nil {
		return err
	}
	if len(text) > MaxSignature {
		return fmt.Errorf("its inputs and outputs take %d bytes to describe, and %d is the most", len(text), MaxSignature)
	}
	s.label(LabelModel, modelONNX)
	s.label(LabelModelPath, file)
	s.label(LabelSignature, string(text))
	for _, note := range m.lowered.Notes {
		b.note(s, "%s: %s", path.Base(file), note)
	}
	delete(s.config.Config.Labels, LabelGolden)
	c := &s.config.Config
	ours := len(c.Entrypoint) == 2 && c.Entrypoint[1] == old // of an earlier MODEL
	if s.base != nil && !ours && !slices.Equal(c.Entrypoint, s.base.Config.Config.Entrypoint) {
		return nil
	}
	command := slices.Concat(c.Entrypoint, c.Cmd)
	if len(command) == 0 {
		return errors.New("the base names no program that runs it")
	}
	c.Entrypoint = []string{command[0], file}
	if !s.ownCmd {
		c.Cmd = nil
	}
	return nil
}
