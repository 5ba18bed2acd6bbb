// Package ort runs the ONNX models of programs that import onnxruntime, or
// wasi_ephemeral_nn: each model in a container of its own that works for the program,
// over an image that has ONNX Runtime's module, and of the files that the program sees.
package ort

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/model/onnx/graph"
	"github.com/wherry-run/wherry/model/python"
	"github.com/wherry-run/wherry/runtime"
)

// Module is where an image has ONNX Runtime.
const Module = "/usr/local/bin/onnxruntime.wasm"

// Door is a Spec's Door for a Python program: it runs the ONNX models that the program
// opens, by the ONNX Runtime of an image, and within the program's limits.
func Door(image runtime.Image) func(c *runtime.Caller) runtime.Door {
	return func(c *runtime.Caller) runtime.Door {
		return python.NewDoor(&Engine{Image: image, Create: c.Create, Files: c, Log: c.Stderr()})
	}
}

// Engine opens models; it is a python.Engine.
type Engine struct {
	// Image has ONNX Runtime's module.
	Image runtime.Image
	// Create makes the models' containers.
	Create func(ctx context.Context, image runtime.Image, spec runtime.Spec) (*runtime.Container, error)
	// Files are where models and their weights are looked for: those of the program.
	Files onnx.Files
	// Log gets what ONNX Runtime prints; nil discards it.
	Log io.Writer
}

// Open loads a model: a file, or data where that is not nil.
func (e *Engine) Open(ctx context.Context, file string, data []byte) (python.Session, error) {
	m, err := e.Find(ctx, file, data)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return m.Open(ctx)
}

// Find implements python.Engine. Files that the model names are not read.
func (e *Engine) Find(_ context.Context, file string, data []byte) (python.Model, error) {
	m := &found{engine: e, name: path.Clean("/" + file), files: e.Files}
	if data != nil {
		sum := sha256.Sum256(data)
		m.key, m.name, m.files = hex.EncodeToString(sum[:]), "/model.onnx", nothing{}
	} else {
		var err error
		if data, err = m.read(); err != nil {
			m.Close()
			return nil, err
		}
	}
	if err := m.lower(data); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// found is a model that was looked at.
type found struct {
	engine    *Engine
	name      string
	files     onnx.Files
	file      *runtime.File // nil: it is in memory
	key       string        // names the content of all that it consists of
	content   *graph.Blob   // nil: the file as it is
	signature *model.Signature
}

// read gives the bytes of the model's file, without copying them where it is mapped.
func (m *found) read() ([]byte, error) {
	f, err := m.files.Open(m.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &model.ModelError{Type: "NO_SUCHFILE", Message: "Load model from " + m.name + " failed: File doesn't exist"}
	}
	if err != nil {
		return nil, &model.ModelError{Type: "FAIL", Message: "Load model from " + m.name + " failed"}
	}
	m.file = f
	if m.key, err = f.Identity(); err != nil {
		return nil, fmt.Errorf("read %s: %w", m.name, err)
	}
	return content(f, m.name)
}

// content is all of a file.
func content(f *runtime.File, name string) ([]byte, error) {
	if b, ok := f.Bytes(); ok {
		return b, nil
	}
	if f.Size() > graph.MaxBytes {
		return nil, &model.ModelError{Type: "FAIL", Message: fmt.Sprintf("%s has more than %d bytes", name, graph.MaxBytes)}
	}
	data := make([]byte, f.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, f.Size()), data); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// lower finds the form of the model that ONNX Runtime can run, and names it with the
// files that it needs besides.
func (m *found) lower(data []byte) error {
	g, err := graph.Read(data)
	if err != nil {
		return &model.ModelError{Type: "INVALID_PROTOBUF", Message: err.Error()}
	}
	lowered, err := g.Lower()
	if err != nil {
		return &model.ModelError{Type: "NOT_IMPLEMENTED", Message: err.Error()}
	}
	m.signature = lowered.Signature
	if lowered.Changed || m.file == nil {
		m.content = lowered.Bytes
	}
	if names := lowered.ExternalFiles(); len(names) > 0 && m.file != nil {
		m.key = m.withFiles(names)
	}
	return nil
}

// withFiles names the content of the model and of files that it names. What cannot be
// opened is left to who loads it.
func (m *found) withFiles(names []string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", m.key)
	for _, name := range names {
		identity := ""
		if f, err := m.files.Open(path.Join(path.Dir(m.name), name)); err == nil {
			identity, _ = f.Identity()
			f.Close()
		}
		fmt.Fprintf(h, "%q %s\n", name, identity)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Key implements python.Model.
func (m *found) Key() string { return m.key }

// Close implements python.Model. What was opened stays.
func (m *found) Close() {
	if m.file != nil {
		m.file.Close()
		m.file = nil
	}
}

// Open implements python.Model.
func (m *found) Open(ctx context.Context) (python.Session, error) {
	e := m.engine
	c, err := e.Create(ctx, e.Image, runtime.Spec{Stdout: e.Log, Stderr: e.Log})
	if err != nil {
		return nil, err
	}
	s, err := m.load(ctx, c)
	if err != nil {
		c.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

func (m *found) load(ctx context.Context, c *runtime.Container) (*session, error) {
	if f, err := c.Open(Module); err == nil {
		f.Close()
	} else {
		return nil, &model.ModelError{Type: "NO_ONNXRUNTIME", Message: "this image has no ONNX Runtime; write into its Wasmfile:  COPY --from=onnx " + Module + " " + Module}
	}
	o := onnx.Options{Module: Module, Model: m.name, Log: m.engine.Log, Files: m.files}
	if m.content != nil {
		o.Content, o.Key = onnx.Bytes(m.content.Bytes()), "lowered "+m.key
	}
	i, err := onnx.Open(ctx, c, o)
	if err != nil {
		return nil, err
	}
	s := &session{Instance: i, signature: m.signature, container: c}
	if m.content != nil { // it is read again when the instance is made anew
		s.file, m.file = m.file, nil
	}
	return s, nil
}

// nothing is beside a model in memory.
type nothing struct{}

func (nothing) Open(name string) (*runtime.File, error) {
	return nil, fmt.Errorf("open %s beside a model in memory: %w", name, fs.ErrNotExist)
}

func (nothing) Identity(string) (string, bool) { return "nothing", true }

// session is a model in its container.
type session struct {
	*onnx.Instance
	signature *model.Signature
	container *runtime.Container
	file      *runtime.File // nil: nobody needs it
}

// Signature says what the model takes and gives.
func (s *session) Signature() *model.Signature { return s.signature }

// Close frees the model and its container.
func (s *session) Close(ctx context.Context) error {
	err := errors.Join(s.Instance.Close(ctx), s.container.Close(ctx))
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	return err
}
