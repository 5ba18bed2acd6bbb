// Package nn runs the models of programs that import wasi_ephemeral_nn with ONNX
// Runtime: each model in a sandbox of its own, beside the program, within the
// program's limits.
package nn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/model/python"
	"github.com/wherry-run/wherry/model/python/ort"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi/nn"
)

// Options say what programs find.
type Options struct {
	// Image is that of the program. Its files can be loaded by their paths.
	Image runtime.Image
	// Base gives the image that has ONNX Runtime, where Image has not. It is asked
	// when the first model is loaded, and stays the caller's.
	Base func(ctx context.Context) (runtime.Image, error)
	// Models are files of the host by the names that programs know them by.
	Models map[string]string
}

// New is what a container's Spec.NN takes.
func New(o Options) func(*runtime.Caller) nn.Backend {
	return func(c *runtime.Caller) nn.Backend { return &backend{Options: o, caller: c} }
}

// backend serves one program.
type backend struct {
	Options
	caller *runtime.Caller
	image  runtime.Image // has ONNX Runtime; nil: not looked for yet
}

// Load implements nn.Backend.
func (b *backend) Load(ctx context.Context, file []byte) (nn.Graph, error) {
	return b.open(ctx, "a model in memory", "", file, b.caller)
}

// Named implements nn.Backend: names that were given come first, then paths.
func (b *backend) Named(ctx context.Context, name string) (nn.Graph, error) {
	if host, ok := b.Models[name]; ok {
		return b.given(ctx, name, host)
	}
	file := path.Clean("/" + name)
	f, err := b.caller.Open(file)
	if err != nil {
		return nil, b.say(name, fmt.Errorf("%w: there is no such file in the container, nor was one named with --nn-model", nn.ErrNotFound))
	}
	f.Close()
	return b.open(ctx, name, file, nil, b.caller)
}

// given loads a model of the host: what is beside it may be its weights.
func (b *backend) given(ctx context.Context, name, host string) (nn.Graph, error) {
	host, err := filepath.Abs(host)
	if err == nil {
		_, err = os.Stat(host)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %s is not there any more", nn.ErrNotFound, host)
	}
	if err != nil {
		return nil, b.say(name, err)
	}
	// A container with nothing but its folder has the file, and what is beside it.
	const folder = "/models"
	mount := runtime.Mount{Source: filepath.Dir(host), Target: folder, ReadOnly: true}
	c, err := b.caller.Create(ctx, empty{}, runtime.Spec{Mounts: []runtime.Mount{mount}})
	if err != nil {
		return nil, b.say(name, err)
	}
	g, err := b.open(ctx, name, path.Join(folder, filepath.Base(host)), nil, c)
	if err != nil {
		c.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return &mounted{g, c}, nil
}

// empty is an image without files.
type empty struct{}

func (empty) Config() ispec.ImageConfig { return ispec.ImageConfig{} }
func (empty) Layers() []layer.Layer     { return nil }

// mounted is a model of the host's, and what has its files.
type mounted struct {
	nn.Graph
	files *runtime.Container
}

// Close implements nn.Graph.
func (m *mounted) Close(ctx context.Context) error {
	return errors.Join(m.Graph.Close(ctx), m.files.Close(ctx))
}

// open loads a model of the bytes, or of a file.
func (b *backend) open(ctx context.Context, name, file string, data []byte, files onnx.Files) (nn.Graph, error) {
	image, err := b.runtime(ctx)
	if err != nil {
		return nil, b.say(name, err)
	}
	engine := &ort.Engine{Image: image, Create: b.caller.Create, Files: files, Log: b.caller.Stderr()}
	s, err := engine.Open(ctx, file, data)
	if err != nil {
		return nil, b.say(name, err)
	}
	return newLoaded(b, name, s), nil
}

// say tells the program's user what the program is told by a number only.
func (b *backend) say(name string, err error) error {
	fmt.Fprintf(b.caller.Stderr(), "wasi-nn: %s: %v\n", printable(name), err)
	return translate(err)
}

// printable is a name of the program's as it may be shown.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
}

// translate makes of an error what a program is told of it.
func translate(err error) error {
	var refused *model.ModelError
	var input *model.InputError
	var limit *runtime.LimitError
	switch {
	case errors.As(err, &limit) && limit.Resource == "memory":
		return fmt.Errorf("%w: %w", nn.ErrMemory, err)
	case errors.As(err, &limit):
		return &nn.EndError{Err: err} // the program's own
	case errors.As(err, &input):
		return fmt.Errorf("%w: %w", nn.ErrInvalid, err)
	case !errors.As(err, &refused):
		return err
	}
	switch refused.Type {
	case "INVALID_PROTOBUF", "INVALID_GRAPH", "INVALID_ARGUMENT":
		return fmt.Errorf("%w: %w", nn.ErrInvalid, err)
	case "NOT_IMPLEMENTED":
		return fmt.Errorf("%w: %w", nn.ErrUnsupported, err)
	case "NO_SUCHFILE":
		return fmt.Errorf("%w: %w", nn.ErrNotFound, err)
	}
	return err
}

// runtime is an image with ONNX Runtime: the program's own, if it has that.
func (b *backend) runtime(ctx context.Context) (runtime.Image, error) {
	if b.image != nil {
		return b.image, nil
	}
	if has(b.Image, ort.Module) {
		b.image = b.Image
		return b.image, nil
	}
	if b.Base == nil {
		return nil, fmt.Errorf("%w: the image has no ONNX Runtime; write into its Wasmfile:  COPY --from=onnx %s %[2]s", nn.ErrUnsupported, ort.Module)
	}
	base, err := b.Base(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: ONNX Runtime, which runs the model: %w", nn.ErrUnsupported, err)
	}
	if !has(base, ort.Module) {
		return nil, fmt.Errorf("%w: the image that should have ONNX Runtime has no %s", nn.ErrUnsupported, ort.Module)
	}
	b.image = base
	return b.image, nil
}

func has(image runtime.Image, name string) bool {
	name = strings.TrimPrefix(name, "/")
	for _, l := range image.Layers() {
		if e := l.Index.Lookup(name); e != nil && e.Kind == layer.File {
			return true
		}
	}
	return false
}

// loaded is a model in its sandbox.
type loaded struct {
	backend   *backend
	name      string
	session   python.Session
	signature *model.Signature
}

func newLoaded(b *backend, name string, s python.Session) *loaded {
	return &loaded{b, name, s, s.Signature()}
}

// Inputs implements nn.Graph.
func (g *loaded) Inputs() []nn.Input {
	list := make([]nn.Input, len(g.signature.Inputs))
	for i := range list {
		list[i].Type = nn.Type(g.signature.Inputs[i].Type)
	}
	return list
}

// Run implements nn.Graph.
func (g *loaded) Run(ctx context.Context, inputs []nn.Tensor) ([]nn.Tensor, error) {
	var r model.Request
	for i := range inputs {
		if inputs[i].Type != "" {
			r.Inputs = append(r.Inputs, model.Tensor{
				Name: g.signature.Inputs[i].Name, Type: model.DataType(inputs[i].Type), Shape: inputs[i].Shape, Data: inputs[i].Data,
			})
		}
	}
	for i := range g.signature.Outputs {
		r.Outputs = append(r.Outputs, g.signature.Outputs[i].Name)
	}
	response, err := g.session.Predict(ctx, &r)
	if err != nil {
		return nil, g.backend.say(g.name, err)
	}
	outputs := make([]nn.Tensor, len(response.Outputs))
	for i, o := range response.Outputs {
		outputs[i] = nn.Tensor{Type: nn.Type(o.Type), Shape: o.Shape, Data: o.Data}
	}
	return outputs, nil
}

// Close implements nn.Graph.
func (g *loaded) Close(ctx context.Context) error { return g.session.Close(ctx) }
