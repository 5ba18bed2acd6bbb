package handler

import (
	"context"
	"errors"
	"fmt"

	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/web/wire"
	"github.com/wherry-run/wherry/wasi"
)

// What a reactor exports, and where its imports are.
const (
	allocExport = "wherry_alloc"
	// Export is the export by which a module is known to answer HTTP.
	Export = "wherry_http"
)

// cut is what a guest returns that has no whole answer.
const cut = ^uint64(0)

var errCut = errors.New("it cut its answer off")

// driver begins a reactor.
type driver struct {
	turn *turn     // the request that it works on
	head wire.Head // of its answer
}

// Name implements runtime.Driver.
func (*driver) Name() string { return "http/1" }

// Key implements runtime.Driver. What a guest does while it begins is its own affair: it
// may make secrets of random numbers, which others must not have.
func (*driver) Key() string { return "" }

// Hosts implements runtime.Driver.
func (d *driver) Hosts(*runtime.World) ([]wasi.HostModule, error) {
	function := func(name string, do func(t *turn, p []byte) int32) wasi.HostFunc {
		return wasi.HostFunc{
			Name: name, Params: []wasi.ValueType{wasi.I32, wasi.I32}, Results: []wasi.ValueType{wasi.I32},
			Call: func(_ context.Context, g *wasi.Guest, stack []uint64) {
				p, ok := g.Memory().Read(uint32(stack[0]), uint32(stack[1]))
				result := int32(-1)
				if ok && d.turn != nil {
					result = do(d.turn, p)
				}
				stack[0] = uint64(uint32(result))
			},
		}
	}
	return []wasi.HostModule{{Name: Export, Funcs: []wasi.HostFunc{
		function("read", (*turn).read), function("write", (*turn).write),
	}}}, nil
}

const begun = "begun" // the state of a reactor that has begun

// Begin implements runtime.Driver.
func (*driver) Begin(ctx context.Context, m *runtime.Machine, state []byte) ([]byte, error) {
	if string(state) == begun {
		return state, nil
	}
	if state != nil {
		return nil, runtime.ErrState
	}
	for _, name := range []string{allocExport, Export} {
		if !m.HasFunc(name) {
			return nil, fmt.Errorf("the module exports no %s: a reactor that answers HTTP does", name)
		}
	}
	if m.HasFunc("_initialize") {
		if _, err := m.Call(ctx, "_initialize"); err != nil {
			return nil, err
		}
	}
	return []byte(begun), nil
}

// ask has the guest answer a request, a frame, and gives what it returns: good until
// its next call.
func ask(ctx context.Context, m *runtime.Machine, request []byte) (answer []byte, err error) {
	err = m.Together(ctx, func(call runtime.Calling) error {
		answer, err = askBy(call, m, request)
		return err
	})
	return answer, err
}

func askBy(call runtime.Calling, m *runtime.Machine, request []byte) ([]byte, error) {
	at, err := call(allocExport, uint64(len(request)))
	if err != nil {
		return nil, err
	}
	if len(at) != 1 || uint32(at[0]) == 0 {
		return nil, fmt.Errorf("it has no room for a request of %d bytes", len(request))
	}
	room, ok := m.Memory().Read(uint32(at[0]), uint32(len(request)))
	if !ok {
		return nil, fmt.Errorf("its room for a request of %d bytes is not in its memory", len(request))
	}
	copy(room, request)
	v, err := call(Export, uint64(uint32(at[0])), uint64(len(request)))
	if err != nil {
		return nil, err
	}
	if len(v) != 1 {
		return nil, fmt.Errorf("%s gives %d values, and not one", Export, len(v))
	}
	if v[0] == cut {
		return nil, &protocolError{errCut}
	}
	answer, ok := m.Memory().Read(uint32(v[0]>>32), uint32(v[0]))
	if !ok {
		return nil, fmt.Errorf("its answer of %d bytes is not in its memory", uint32(v[0]))
	}
	return answer, nil
}

// Process is what is run of an image to record how its reactor starts.
func Process(c *runtime.Container) runtime.Process {
	return runtime.Process{Args: c.Command(), Driver: &driver{}}
}
