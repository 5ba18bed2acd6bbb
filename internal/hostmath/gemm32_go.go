package hostmath

import "unsafe"

// goTools computes with what every processor has.
func goTools() tools {
	wide := goGemm[float64]()
	return tools{
		gemm:   &gemm32{gemm: goGemm[float32](), runs: goRuns(), cuts: goCut, taps: goTaps, copies: goRows(1), halves: goRows(2)},
		gemm64: &wide,
	}
}

// goGemm has tiles without vector units, which the others are held against.
func goGemm[T number]() gemm[T] {
	list := []tile[T]{nil}
	for rows := 1; rows <= 4; rows++ {
		list = append(list, func(k int, a unsafe.Pointer, lda int, b unsafe.Pointer, step, next int, c unsafe.Pointer, ldc int, add int, alpha T) {
			goTile(k, rows, a, lda, func(i int) unsafe.Pointer { return unsafe.Add(b, i*step) }, c, ldc, add != 0, alpha)
		})
	}
	return gemm[T]{tiles: [][]tile[T]{list}, chunk: 1 << 20}
}

// goRuns are tiles of rows at offsets.
func goRuns() [][]run32 {
	list := []run32{nil}
	for rows := 1; rows <= 4; rows++ {
		list = append(list, func(k int, a unsafe.Pointer, lda int, b, offsets, c unsafe.Pointer, ldc int, add int, alpha float32) {
			by := unsafe.Slice((*int)(offsets), k)
			goTile(k, rows, a, lda, func(i int) unsafe.Pointer { return unsafe.Add(b, by[i]) }, c, ldc, add != 0, alpha)
		})
	}
	return [][]run32{list}
}

// goTile adds the products of an element in the order of k.
func goTile[T number](k, rows int, a unsafe.Pointer, lda int, row func(i int) unsafe.Pointer, c unsafe.Pointer, ldc int, add bool, alpha T) {
	var sums [panelSize / 4]T
	for r := range rows {
		sum := sums[:panelOf[T]()]
		clear(sum)
		for i, v := range unsafe.Slice((*T)(unsafe.Add(a, r*lda)), k) {
			for x, f := range unsafe.Slice((*T)(row(i)), len(sum)) {
				sum[x] += v * f
			}
		}
		to := unsafe.Slice((*T)(unsafe.Add(c, r*ldc)), len(sum))
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

// goRows copies every so many numbers of rows.
func goRows(step int) rows32 {
	return func(rows, width int, to unsafe.Pointer, toNext int, from unsafe.Pointer, fromNext int) {
		for y := range rows {
			list := unsafe.Slice((*float32)(unsafe.Add(from, y*fromNext)), (width-1)*step+1)
			for x := range unsafe.Slice((*float32)(unsafe.Add(to, y*toNext)), width) {
				*(*float32)(unsafe.Add(to, y*toNext+4*x)) = list[x*step]
			}
		}
	}
}
