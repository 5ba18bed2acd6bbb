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
	model   string // its path in the container; "": none
	content Source // of the model; nil: its file's
	source  Files  // where the model and its weights are; nil: the container
	key     string // names the model's content
	files   string // names what is beside it; "": not known

	whole     Bytes            // the model's, while it is loaded without its large constants
	signature *model.Signature // of the model, for a rehearsal; nil: not known
	world     *runtime.World
	full      bool // the guest's memory is not to grow
	session   Session
}

// know names the model and what is beside it. Without a model ONNX Runtime begins, and
// loads none.
func (d *driver) know(files Files) error {
	d.session.steady = true
	if d.model == "" {
		return nil
	}
	if d.content == nil {
		f, err := files.Open(d.model)
		if err != nil {
			return fmt.Errorf("open the model: %w", err)
		}
		defer f.Close()
		if d.key, err = f.Identity(); err != nil {
			return fmt.Errorf("read the model: %w", err)
		}
	}
	if beside, ok := files.Identity(path.Dir(d.model)); ok { // those with its weights are among them
		d.files = beside
	}
	return nil
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
	if d.whole != nil && path.Clean(name) == constants {
		return d.whole, nil
	}
	file, err := beside(d.model, name)
	if err != nil {
		return nil, err
	}
	return d.openFile(file)
}

func (d *driver) openFile(name string) (*runtime.File, error) {
	if d.source != nil {
		return d.source.Open(name)
	}
	return d.world.Open(name)
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
		if err := d.load(c); err != nil {
			return nil, err
		}
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
