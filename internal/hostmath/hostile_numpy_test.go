package hostmath_test

import (
	"encoding/binary"
	"math/rand/v2"
)

// numpySuspects are the kernels of numpy's own functions.
func numpySuspects() (list []suspect) {
	for _, s := range sortables {
		list = append(list, suspect{kernel: s.kernel, params: 2, put: func(r *rand.Rand, g *guest) []uint32 {
			n := few(r) << r.Uint32N(7)
			return []uint32{place(r) &^ uint32(s.size-1), n}
		}, out: func(_ []byte, a []uint32) sheet { return sheet{a[0], 1, a[1], 0, s.size} }})
	}
	for _, name := range []string{"exp", "log", "tanh"} {
		list = append(list, suspect{kernel: "numpy." + name + "-f64", params: 4, tables: true, put: func(r *rand.Rand, g *guest) []uint32 {
			g.words(256, place(r)&^7, place(r)&^7, few(r)<<r.Uint32N(6), 0, 8<<r.Uint32N(2), 8)
			for range r.IntN(3) - 1 {
				g.words(256+4*r.IntN(6), wild(r))
			}
			return []uint32{256, 264, 272, r.Uint32()}
		}, out: func(mem []byte, a []uint32) sheet {
			if uint64(a[0])+8 > uint64(len(mem)) || uint64(a[1])+4 > uint64(len(mem)) {
				return sheet{}
			}
			return sheet{binary.LittleEndian.Uint32(mem[a[0]+4:]), 1, binary.LittleEndian.Uint32(mem[a[1]:]), 0, 8}
		}})
	}
	return list
}
