package hostmath

// gemmOf returns the tiles of a set.
func gemmOf(name string) *gemm32 {
	if g := nativeGemm(name); g != nil {
		return g
	}
	return &gemm32{rows: 4, columns: panel, tile: tileGo}
}

// tileGo computes a tile without vector units, and is what the others are held
// against. The products of an element are added in the order of k.
func tileGo(rows, columns int, p *product32, a, b, c []float32, ldc int, add bool) {
	for r := range rows {
		a := a[r*p.lda:][:p.k]
		for j := 0; j < columns; j += panel {
			var sum [panel]float32
			b := b[j/panel*p.bs:][:p.k*panel]
			for k, v := range a {
				row := b[k*panel:][:panel:panel]
				for x := range sum {
					sum[x] += v * row[x]
				}
			}
			width := min(columns-j, panel)
			to := c[r*ldc+j:][:width]
			for x := range to {
				if add {
					to[x] += p.alpha * sum[x]
				} else {
					to[x] = p.alpha * sum[x]
				}
			}
		}
	}
}
