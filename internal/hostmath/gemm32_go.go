package hostmath

import "unsafe"

// goUnits computes with what every processor has.
func goUnits() *gemm32 { return &gemm32{tiles: goTiles(), cuts: goCut, taps: goTaps, chunk: 1 << 20} }

// goTiles are tiles without vector units, which the others are held against.
func goTiles() [][]tile32 {
	list := []tile32{nil}
	for rows := 1; rows <= 4; rows++ {
		list = append(list, func(k int, a unsafe.Pointer, lda int, b unsafe.Pointer, step, next int, c unsafe.Pointer, ldc int, add int, alpha float32) {
			goTile(k, rows, unsafe.Slice((*float32)(a), (rows-1)*lda/4+k), lda/4, unsafe.Slice((*float32)(b), (k-1)*step/4+panel), step/4,
				unsafe.Slice((*float32)(c), (rows-1)*ldc/4+panel), ldc/4, add != 0, alpha)
		})
	}
	return [][]tile32{list}
}

// goTile adds the products of an element in the order of k.
func goTile(k, rows int, a []float32, lda int, b []float32, step int, c []float32, ldc int, add bool, alpha float32) {
	for r := range rows {
		var sum [panel]float32
		for i, v := range a[r*lda:][:k] {
			row := b[i*step:][:panel:panel]
			for x := range sum {
				sum[x] += v * row[x]
			}
		}
		to := c[r*ldc:][:panel]
		for x, v := range sum {
			if add {
				to[x] += alpha * v
			} else {
				to[x] = alpha * v
			}
		}
	}
}

func goCut(n int, list unsafe.Pointer, bias, low, high float32) {
	part := unsafe.Slice((*float32)(list), n)
	for i, v := range part {
		part[i] = min(max(v+bias, low), high)
	}
}

func goTaps(n int, out, in unsafe.Pointer, count int, offsets, weights unsafe.Pointer, bias, low, high float32) {
	to := unsafe.Slice((*float32)(out), n)
	for i := range to {
		to[i] = bias
	}
	by := unsafe.Slice((*int)(offsets), count)
	for t, w := range unsafe.Slice((*float32)(weights), count) {
		from := unsafe.Slice((*float32)(unsafe.Add(in, by[t])), n)
		for i, v := range from {
			to[i] += w * v
		}
	}
	goCut(n, out, 0, low, high)
}
