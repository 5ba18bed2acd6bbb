package prepare

import "github.com/wherry-run/wherry/internal/wasm"

// tableType is table i with a greatest size of its own, if the module can make it grow. A table lies on the heap of the
// host, and the engine has no hook for its growth: without a bound, one table.grow of 2^32 elements ends the process.
//
// What may be added is divided evenly among the tables that grow, so that they cannot exceed it together.
func (p *plan) tableType(i uint32, t wasm.TableType) wasm.TableType {
	growing := p.growing()
	if !growing[i] {
		return t
	}
	room := uint64(p.opts.limits().TableMax)
	for j := range uint32(p.mod.NumTables()) {
		other, _ := p.mod.TableType(j)
		room -= min(room, uint64(other.Size.Min))
	}
	most := uint32(min(uint64(t.Size.Min)+room/uint64(len(growing)), 1<<32-1))
	if !t.Size.HasMax || t.Size.Max > most {
		t.Size.HasMax, t.Size.Max = true, most
	}
	return t
}

// growing are the tables that an instruction of the module grows. Nothing of the host does.
func (p *plan) growing() map[uint32]bool {
	tables := map[uint32]bool{}
	for i := range p.chunks {
		for b := range p.chunks[i].bulk {
			if b.code == wasm.OpTableGrow {
				tables[b.a] = true
			}
		}
	}
	return tables
}
