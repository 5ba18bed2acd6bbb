package onnx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/emscripten"
)

// driverName is part of snapshots: it changes with what they hold.
const driverName = "onnx/1"

// driver has ONNX Runtime load one model. It is for one worker.
type driver struct {
	model string // its path in the container; "": none
	key   string // names the model's content

	world   *runtime.World
	build   *build
	session *session
}

// newDriver is a driver for the model at a path of the container's; "" has ONNX
// Runtime begin, and loads none.
func newDriver(c *runtime.Container, path string) (*driver, error) {
	d := &driver{model: path}
	if path == "" {
		return d, nil
	}
	f, err := c.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the model: %w", err)
	}
	defer f.Close()
	if d.key, err = f.Identity(); err != nil {
		return nil, fmt.Errorf("read the model: %w", err)
	}
	return d, nil
}

func (d *driver) Name() string { return driverName }

// Key names the model by its file. Files that belong to it lie in the same image, and
// have that one's path in it.
func (d *driver) Key() string {
	if d.key == "" {
		return "none"
	}
	return d.key + " " + d.model
}

func (d *driver) Hosts(w *runtime.World) ([]wasi.HostModule, error) {
	digest, err := w.Module()
	if err != nil {
		return nil, err
	}
	if d.build, err = buildOf(digest); err != nil {
		return nil, err
	}
	d.world = w
	return []wasi.HostModule{emscripten.Module(emscripten.Config{
		Build: d.build.emscripten(d.external), Imports: w.Imports, WASI: w.WASI, Clock: w.Clock, Env: []string{},
	})}, nil
}

// Begin has ONNX Runtime begin, and load the model, as far as that is not done yet.
func (d *driver) Begin(ctx context.Context, m *runtime.Machine, state []byte) ([]byte, error) {
	d.session = &session{}
	c := newCalls(ctx, m, d.build)
	if state == nil {
		c.start()
	} else if s, err := decode(state); err != nil {
		return nil, err
	} else if d.session = s; s.Session != 0 && s.Model == d.key {
		return state, nil
	} else if s.Session != 0 {
		return nil, errors.New("the snapshot is of another model")
	}
	if d.model != "" && c.err == nil {
		f, err := d.world.Open(d.model)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if d.session = c.load(f); c.err == nil {
			d.session.Model = d.key
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	return d.session.encode()
}

// What loading external data answers.
const (
	externalOK      = 0
	externalMissing = 2
	externalRange   = 3
	externalFailed  = 4
)

// external reads a piece of one of the files that a model's weights are in, from where
// the container has it into the guest's memory.
func (d *driver) external(_ context.Context, g *wasi.Guest, args []uint64) uint32 {
	if len(args) != 4 {
		return externalFailed
	}
	f, err := d.world.Open(d.beside(cstring(g.Memory(), uint32(args[0]))))
	if err != nil {
		return externalMissing
	}
	defer f.Close()
	off, length := uint64(uint32(args[1])), uint64(uint32(args[2]))
	if off+length > uint64(f.Size()) {
		return externalRange
	}
	b, ok := g.Memory().Read(uint32(args[3]), uint32(length))
	if !ok {
		return externalFailed
	}
	if n, err := f.ReadAt(b, int64(off)); n < len(b) && err != io.EOF {
		return externalFailed
	}
	return externalOK
}

// beside is a file that a model names, which is beside it or below.
func (d *driver) beside(name string) string {
	return path.Join(path.Dir(d.model), path.Join("/", strings.TrimPrefix(name, "./")))
}

// cstring is a name in the guest's memory, as the guest has it.
func cstring(m wasi.Memory, at uint32) string {
	if uint64(at) >= m.Size() {
		return ""
	}
	b, _ := m.Read(at, uint32(min(maxText, m.Size()-uint64(at))))
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// Rehearse answers one request, with inputs of its own invention.
func (d *driver) Rehearse(ctx context.Context, m *runtime.Machine) error {
	if d.session.Session == 0 {
		return nil
	}
	_, err := newCalls(ctx, m, d.build).run(d.session, nil, nil)
	var refused *model.ModelError
	if errors.As(err, &refused) {
		return nil
	}
	return err
}
