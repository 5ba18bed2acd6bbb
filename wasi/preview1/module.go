package preview1

import (
	"context"
	"errors"

	"github.com/wherry-run/wherry/wasi"
)

// Module is the host's functions as wasi_snapshot_preview1, for one instance.
func (h *Host) Module() wasi.HostModule { return h.module(snapshot1) }

// UnstableModule is the host's functions as wasi_unstable, the first snapshot
// of preview 1: the same functions and descriptors with some older layouts.
func (h *Host) UnstableModule() wasi.HostModule { return h.module(unstable) }

func (h *Host) module(l *layout) wasi.HostModule {
	m := wasi.HostModule{Name: l.module}
	for _, f := range functions() {
		m.Funcs = append(m.Funcs, h.hostFunc(l, &f))
	}
	return m
}

func (h *Host) hostFunc(l *layout, f *function) wasi.HostFunc {
	hf := wasi.HostFunc{Name: f.name, Params: valueTypes(f.params)}
	if !f.noResult {
		hf.Results = []wasi.ValueType{wasi.I32}
	}
	hf.Call = func(ctx context.Context, g *wasi.Guest, stack []uint64) {
		e, unwind := h.run(ctx, l, f, g.Memory(), stack)
		if unwind != nil {
			var end *exit
			if errors.As(unwind, &end) {
				g.Exit(end.code)
			} else {
				g.Fail(unwind)
			}
			return
		}
		if !f.noResult {
			stack[0] = uint64(e)
		}
	}
	return hf
}

func valueTypes(params string) []wasi.ValueType {
	types := make([]wasi.ValueType, len(params))
	for i, p := range params {
		types[i] = wasi.I32
		if p == 'I' {
			types[i] = wasi.I64
		}
	}
	return types
}
