package onnx

import (
	"context"
	"encoding/json"
	"fmt"
	"path"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
)

// driverName is part of snapshots: it changes with what they hold.
const driverName = "onnx/2"

// driver has ONNX Runtime load one model. It is for one worker.
type driver struct {
	model string // its path in the container; "": none
	key   string // names the model's content
	files string // names what is beside it; "": not known

	signature *model.Signature // of the model, for a rehearsal; nil: not known
	world     *runtime.World
	full      bool // the guest's memory is not to grow
	session   Session
}

// newDriver is a driver for the model at a path of the container's; "" has ONNX
// Runtime begin, and loads none.
func newDriver(c *runtime.Container, name string) (*driver, error) {
	d := &driver{model: name}
	d.session.steady = true
	if name == "" {
		return d, nil
	}
	f, err := c.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open the model: %w", err)
	}
	defer f.Close()
	if d.key, err = f.Identity(); err != nil {
		return nil, fmt.Errorf("read the model: %w", err)
	}
	if files, ok := c.Identity(path.Dir(name)); ok { // those with its weights are among them
		d.files = files
	}
	return d, nil
}

// Name implements runtime.Driver.
func (d *driver) Name() string { return driverName }

// Key names the model by its file and those beside it.
func (d *driver) Key() string {
	if d.files == "" {
		return ""
	}
	return d.model + " " + d.key + " " + d.files
}

// Hosts implements runtime.Driver.
func (d *driver) Hosts(w *runtime.World) ([]wasi.HostModule, error) {
	digest, err := w.Module()
	if err != nil {
		return nil, err
	}
	d.world = w
	h, err := Hosts(World{Module: digest, Imports: w.Imports, WASI: w.WASI, Clock: w.Clock, Open: d.open, Full: func() bool { return d.full }})
	if err != nil {
		return nil, err
	}
	d.session.build, err = buildOf(digest)
	return []wasi.HostModule{h}, err
}

// open opens a file that the model's weights are in.
func (d *driver) open(name string) (Source, error) {
	file, err := beside(d.model, name)
	if err != nil {
		return nil, err
	}
	return d.world.Open(file)
}

// Begin has ONNX Runtime begin, and load the model, as far as that is not done yet.
func (d *driver) Begin(ctx context.Context, m *runtime.Machine, state []byte) (_ []byte, err error) {
	d.session.guest, d.session.loaded = m, loaded{}
	c := d.session.calls(ctx)
	if state == nil {
		c.start()
		c.rouse()
		if c.err != nil {
			return nil, c.err
		}
		d.world.Begun()
	} else if d.session.loaded, err = decode(state); err != nil {
		return nil, fmt.Errorf("%w: %w", runtime.ErrState, err)
	}
	switch l := &d.session.loaded; {
	case l.Session != 0 && l.Model == d.key:
		return state, nil
	case l.Session != 0:
		return nil, fmt.Errorf("the model that was loaded is another: %w", runtime.ErrState)
	case d.model != "" && c.err == nil:
		f, err := d.world.Open(d.model)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		*l = c.load(f)
		l.Model = d.key
		d.full = true
		c.wipe()
		d.full = false
	}
	if c.err != nil {
		return nil, c.err
	}
	return json.Marshal(d.session.loaded)
}
