package prepare

import "github.com/wherry-run/wherry/internal/wasm"

// The code of modules, in bytes, up to which it is noted where everything was: without being asked, and when asked. For
// every place that can trap the engine then keeps sixteen bytes beside the machine code, which it reads one number at a
// time: code takes a quarter more space, and several times as long to load.
const (
	tracedAnyway = 64 << 10
	tracedAsked  = 64 << 20
)

func (o Options) traces(code int) bool {
	return code <= tracedAnyway || o.Trace && code <= tracedAsked
}

// place notes where the function that was just written was in the original.
func (e *emitter) place(size, head int) {
	var before wasm.Span
	if e.f > 0 {
		before = e.p.mod.Code[e.f-1]
	}
	e.places = wasm.AppendPlace(e.places, before, e.p.mod.Code[e.f], size, int(e.facts.expr), head, e.Runs())
}

// sidecar is what is kept beside the module for traces: the names of functions and, unless that were too much, where
// the code was in the original.
func (p *plan) sidecar() []byte {
	names := p.names()
	if !p.traced {
		return names
	}
	places := make([][]byte, len(p.chunks))
	for i := range p.chunks {
		places[i] = p.chunks[i].places
	}
	return wasm.AddPlaces(names, int(p.newIndex(p.imported)), len(p.facts)+len(p.added), places...)
}
