package hostmath_test

import (
	"encoding/binary"
	"math/rand/v2"
)

// updateSuspects are the kernels of OpenBLAS that add to what there is, and the
// products with triangles.
func updateSuspects() (list []suspect) {
	for _, kd := range kinds {
		at := func(r *rand.Rand) uint32 { return place(r) &^ uint32(kd.size-1) }
		args := func(r *rand.Rand, g *guest, list ...uint32) []uint32 {
			kd.put(g, 512, 1.5)
			kd.put(g, 520, []float64{0, 1, 0.5}[r.IntN(3)])
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
			list = append(list, suspect{kernel: "openblas." + kd.letter + "trmm-" + of, params: 6, put: func(r *rand.Rand, g *guest) []uint32 {
				m, n := few(r), few(r)
				if r.IntN(8) == 0 { // more than a block
					m += 50 * r.Uint32N(2)
					n += 50 * r.Uint32N(2)
				}
				return args(r, g, at(r), at(r), 0, 0, 0, []uint32{0, 512}[r.IntN(2)], m, n, 0, max(m, n)+r.Uint32N(3), m+r.Uint32N(3), 0)
			}, out: func(mem []byte, a []uint32) sheet {
				return sheet{read(mem, a, 4), read(mem, a, 28), read(mem, a, 24), read(mem, a, 40), kd.size}
			}})
		}
		for _, of := range []string{"un", "ut", "ln", "lt"} {
			list = append(list, suspect{kernel: "openblas." + kd.letter + "syr2k-" + of, params: 6, put: func(r *rand.Rand, g *guest) []uint32 {
				n, k := few(r), few(r)
				return args(r, g, at(r), at(r), at(r), 0, 512, 520, 0, n, k, max(n, k), max(n, k)+r.Uint32N(3), n+r.Uint32N(3))
			}, out: func(mem []byte, a []uint32) sheet {
				return sheet{read(mem, a, 8), read(mem, a, 28), read(mem, a, 28), read(mem, a, 44), kd.size}
			}})
		}
		for _, of := range []string{"u", "l"} {
			list = append(list, suspect{kernel: "openblas." + kd.letter + "symv-" + of, params: 10, put: func(r *rand.Rand, g *guest) []uint32 {
				n := few(r) + few(r)
				return []uint32{n, n, 0x3fc00000, at(r), n + r.Uint32N(3), at(r), 1, at(r), 1, 16}
			}, out: func(_ []byte, a []uint32) sheet { return sheet{a[7], 1, a[0], 0, kd.size} }})
		}
		list = append(list, suspect{kernel: "openblas." + kd.letter + "ger", params: 11, put: func(r *rand.Rand, g *guest) []uint32 {
			m, n := few(r), few(r)
			return []uint32{m, n, 0, 0x3fc00000, at(r), 1 + r.Uint32N(2), at(r), 1 + r.Uint32N(3), at(r), m + r.Uint32N(3), 16}
		}, out: func(_ []byte, a []uint32) sheet { return sheet{a[8], a[1], a[0], a[9], kd.size} }})
	}
	return list
}
