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
	code := e.p.whole.Code
	if e.f > 0 {
		before = code[e.f-1]
	}
	runs := e.Runs()
	if m, ok := e.p.moved[int(e.f)]; ok {
		runs = through(runs, m.runs)
	}
	e.places = wasm.AppendPlace(e.places, before, code[e.f], size, int(e.facts.expr), head, runs)
}

// through follows runs that were copied from what was itself copied, by the runs before.
func through(runs, before []wasm.Run) (out []wasm.Run) {
	for _, b := range before {
		for len(runs) > 0 && runs[0].Old+runs[0].N <= b.New {
			runs = runs[1:]
		}
		for _, r := range runs {
			from, to := max(r.Old, b.New), min(r.Old+r.N, b.New+b.N)
			if from >= to {
				break
			}
			out = append(out, wasm.Run{New: r.New + from - r.Old, Old: b.Old + from - b.New, N: to - from})
		}
	}
	return out
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
