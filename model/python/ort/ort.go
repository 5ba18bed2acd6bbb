// Package ort runs the ONNX models of Python programs that import onnxruntime:
// each model in a container of its own over the program's image, which has ONNX
// Runtime's module.
package ort

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/model/onnx/graph"
	"github.com/wherry-run/wherry/model/python"
	"github.com/wherry-run/wherry/runtime"
)

// Module is where an image has ONNX Runtime.
const Module = "/usr/local/bin/onnxruntime.wasm"

// Engine opens models of an image; it is a python.Engine.
type Engine struct {
	Runtime *runtime.Runtime
	Image   runtime.Image
	// Program is the container of the program that asks, for which Image's files are
	// right as far as it has not changed or mounted others; nil: all of them are.
	Program *runtime.Container
	// Limits are those of each model.
	Limits runtime.Limits
	// Mounts are what the models' containers see besides.
	Mounts []runtime.Mount
	// Create makes the models' containers; nil is that of Runtime.
	Create func(ctx context.Context, image runtime.Image, spec runtime.Spec) (*runtime.Container, error)
	// Log gets what ONNX Runtime prints; nil discards it.
	Log io.Writer
}

// Open implements python.Engine.
func (e *Engine) Open(ctx context.Context, file string, data []byte) (python.Session, error) {
	c, err := e.container(ctx, nil)
	if err != nil {
		return nil, err
	}
	s, err := e.open(ctx, c, file, data)
	if err != nil {
		c.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

func (e *Engine) container(ctx context.Context, mounts []runtime.Mount) (*runtime.Container, error) {
	create := e.Create
	if create == nil {
		create = e.Runtime.Create
	}
	return create(ctx, e.Image, runtime.Spec{Mounts: slices.Concat(e.Mounts, mounts), Stdout: e.Log, Stderr: e.Log, Limits: e.Limits})
}

// open loads a model as it is, or, where ONNX Runtime needs another form of it, that
// form, beside it: files that it names are found from there.
func (e *Engine) open(ctx context.Context, c *runtime.Container, file string, data []byte) (*session, error) {
	if !exists(c, Module) {
		return nil, &model.ModelError{Type: "NO_ONNXRUNTIME", Message: "this image has no ONNX Runtime; write into its Wasmfile:  COPY --from=onnx " + Module + " " + Module}
	}
	var err error
	inMemory := data != nil
	if data == nil {
		if e.Program != nil && identity(c, file) != identity(e.Program, file) {
			return nil, noFile(file) // the program then sends what it has
		}
		if data, err = read(c, file); err != nil {
			return nil, err
		}
	}
	g, err := graph.Read(data)
	if err != nil {
		return nil, &model.ModelError{Type: "INVALID_PROTOBUF", Message: err.Error()}
	}
	lowered, err := g.Lower()
	if err != nil {
		return nil, &model.ModelError{Type: "NOT_IMPLEMENTED", Message: err.Error()}
	}
	if inMemory || lowered.Changed {
		file = path.Join(path.Dir(path.Clean("/"+file)), ".wherry-lowered.onnx")
		c.Close(context.WithoutCancel(ctx))
		const readable = 0o444
		mount := runtime.Mount{Target: file, ReadOnly: true, Data: lowered.Bytes.Bytes(), Mode: readable}
		if c, err = e.container(ctx, []runtime.Mount{mount}); err != nil {
			return nil, err
		}
	}
	i, err := onnx.Open(ctx, c, onnx.Options{Module: Module, Model: file, Limits: e.Limits, Log: e.Log})
	if err != nil {
		c.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return &session{i, lowered.Signature, c}, nil
}

func exists(c *runtime.Container, name string) bool {
	f, err := c.Open(name)
	if err == nil {
		f.Close()
	}
	return err == nil
}

// identity names the content of a file; "" when it cannot be read.
func identity(c *runtime.Container, file string) string {
	f, err := c.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	name, err := f.Identity()
	if err != nil {
		return ""
	}
	return name
}

func noFile(name string) error {
	return &model.ModelError{Type: "NO_SUCHFILE", Message: "Load model from " + name + " failed: File doesn't exist"}
}

// read reads a model's file, but not those that it names.
func read(c *runtime.Container, name string) ([]byte, error) {
	f, err := c.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noFile(name)
	}
	if err != nil {
		return nil, &model.ModelError{Type: "FAIL", Message: "Load model from " + name + " failed"}
	}
	defer f.Close()
	if f.Size() > graph.MaxBytes {
		return nil, &model.ModelError{Type: "FAIL", Message: fmt.Sprintf("%s has more than %d bytes", name, graph.MaxBytes)}
	}
	data := make([]byte, f.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, f.Size()), data); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// session is a model in its container.
type session struct {
	*onnx.Instance
	signature *model.Signature
	container *runtime.Container
}

// Signature says what the model takes and gives.
func (s *session) Signature() *model.Signature { return s.signature }

// Close frees the model and its container.
func (s *session) Close(ctx context.Context) error {
	return errors.Join(s.Instance.Close(ctx), s.container.Close(ctx))
}
