package hostmath_test

import (
	"encoding/binary"
	"math/rand/v2"
)

// solveSuspects are the kernels of OpenBLAS that put a result in the place of what
// they are given.
func solveSuspects() (list []suspect) {
	for _, kd := range kinds {
		at := func(r *rand.Rand) uint32 { return place(r) &^ uint32(kd.size-1) }
		args := func(r *rand.Rand, g *guest, list ...uint32) []uint32 {
			kd.put(g, 512, 1.5)
			g.words(256, list...)
			for range r.IntN(3) - 1 {
				g.words(256+4*r.IntN(12), wild(r))
			}
			return []uint32{256, 0, 0, 16, 32, 0}
		}
		read := func(mem []byte, a []uint32, offset uint32) uint32 {
			if uint64(a[0])+48 > uint64(len(mem)) {
				return 0
			}
			return binary.LittleEndian.Uint32(mem[a[0]+offset:])
		}
		for _, of := range triangles {
			list = append(list, suspect{kernel: "openblas." + kd.letter + "trsm-" + of, params: 6, put: func(r *rand.Rand, g *guest) []uint32 {
				m, n := few(r), few(r)
				if r.IntN(8) == 0 { // more than a block
					m += 50 * r.Uint32N(2)
					n += 50 * r.Uint32N(2)
				}
				factor := []uint32{0, 512}[r.IntN(2)]
				return args(r, g, at(r), at(r), 0, 0, 0, factor, m, n, 0, max(m, n)+r.Uint32N(3), m+r.Uint32N(3), 0)
			}, out: func(mem []byte, a []uint32) sheet {
				return sheet{read(mem, a, 4), read(mem, a, 28), read(mem, a, 24), read(mem, a, 40), kd.size}
			}})
		}
		list = append(list, suspect{kernel: "openblas." + kd.letter + "getrf", params: 6, put: func(r *rand.Rand, g *guest) []uint32 {
			m := few(r)
			return args(r, g, at(r), 0, at(r), 0, 0, 0, m, few(r), 0, m+r.Uint32N(3), 0, 0)
		}, out: func(mem []byte, a []uint32) sheet {
			return sheet{read(mem, a, 0), read(mem, a, 28), read(mem, a, 24), read(mem, a, 36), kd.size}
		}, also: func(mem []byte, a []uint32) sheet {
			return sheet{read(mem, a, 8), 1, min(read(mem, a, 24), read(mem, a, 28)), 0, 4}
		}})
	}
	return list
}
