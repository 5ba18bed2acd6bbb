package hostmath

// A product32 is a product of matrices of float32: C = alpha A B, or with add
// C += alpha A B. A and C are by rows; B is packed, its panels are bs apart.
type product32 struct {
	a, b, c  []float32
	k        int
	lda, ldc int
	bs       int
	add      bool
	alpha    float32
}

// A gemm32 computes tiles of products of float32.
type gemm32 struct {
	rows, columns int // of the largest tile; columns is a multiple of panel
	// tile computes rows x columns at the beginning of a, b and c; columns is one
	// panel or gemm32.columns.
	tile func(rows, columns int, p *product32, a, b, c []float32, ldc int, add bool)
}

// rectangle computes a part of C: rows from i on and columns from j on, which is
// the first of a panel.
func (g *gemm32) rectangle(p *product32, i, rows, j, columns int) {
	var edge [16 * 32]float32
	for right := j + columns; j < right; {
		b := p.b[j/panel*p.bs:]
		width := min(right-j, g.columns)
		full := panel
		if width > panel {
			full = g.columns
		}
		for y := i; y < i+rows; y += g.rows {
			height := min(g.rows, i+rows-y)
			a := p.a[y*p.lda : (y+height-1)*p.lda+p.k]
			c := p.c[y*p.ldc+j : (y+height-1)*p.ldc+j+width]
			if width == full {
				g.tile(height, full, p, a, b, c, p.ldc, p.add)
				continue
			}
			g.tile(height, full, p, a, b, edge[:], full, false)
			for r := range height {
				copyEdge(c[r*p.ldc:][:width], edge[r*full:], p.add)
			}
		}
		j += width
	}
}

func copyEdge(to, from []float32, add bool) {
	from = from[:len(to)]
	if !add {
		copy(to, from)
		return
	}
	for i, v := range from {
		to[i] += v
	}
}
