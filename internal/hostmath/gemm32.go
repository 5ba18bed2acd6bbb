package hostmath

import "unsafe"

// panel is how many columns of a packed matrix lie together: all of the first
// row, then all of the second and so on. MLAS packs so, and so do we.
const panel = 16

// A tile32 is a function in assembly that computes a tile of a product,
// C = alpha A B or with add C += alpha A B. The rows of a and c are lda and ldc
// bytes apart, the rows of a panel of b are step and its panels next bytes apart.
// The number of rows and panels is the function's own.
type tile32 func(k int, a unsafe.Pointer, lda int, b unsafe.Pointer, step, next int, c unsafe.Pointer, ldc int, add int, alpha float32)

// A run32 is one that finds the rows of b at offsets in bytes, one for each of k.
type run32 func(k int, a unsafe.Pointer, lda int, b, offsets, c unsafe.Pointer, ldc int, add int, alpha float32)

// A cuts32 adds a bias to n numbers, and cuts them to what lies between two.
type cuts32 func(n int, list unsafe.Pointer, bias, low, high float32)

// A taps32 computes n numbers, a multiple of 64, of which each is the sum of a
// bias and of weights times the numbers at offsets in bytes from its place in in.
type taps32 func(n int, out, in unsafe.Pointer, count int, offsets, weights unsafe.Pointer, bias, low, high float32)

// A rows32 copies numbers of rows, which are so many bytes apart.
type rows32 func(rows, width int, to unsafe.Pointer, toNext int, from unsafe.Pointer, fromNext int)

// A gemm32 computes tiles of products of float32.
type gemm32 struct {
	tiles  [][]tile32 // by their width in panels, less one, and by their rows
	runs   [][]run32
	cuts   cuts32
	taps   taps32
	copies rows32 // all numbers of the rows
	halves rows32 // the first number, and every second after it
	chunk  int    // multiplications between two ticks, well below a millisecond
}

// rows and columns are those of the largest tile.
func (g *gemm32) rows() int    { return len(g.tiles[0]) - 1 }
func (g *gemm32) columns() int { return len(g.tiles) * panel }

// A product32 is a product of matrices: C = alpha A B, or with add C += alpha A B.
// A and C are by rows. B is in panels of whole columns; what is behind the last
// column of the product may be anything.
type product32 struct {
	k        int
	a        []float32
	lda      int
	b        []float32
	step     int // from a row of a panel to the next
	next     int // from a panel to the next
	c        []float32
	ldc      int
	add      bool
	alpha    float32
	overhang *[maxTile]float32
}

// maxTile is as much as any set's largest tile has.
const maxTile = 12 * 32

// rectangle computes a part of C: rows from i on and columns from j on, where j
// is the first of a panel.
func (g *gemm32) rectangle(p *product32, i, rows, j, columns int) {
	for right := j + columns; j < right; {
		width := min(right-j, g.columns())
		panels := (width + panel - 1) / panel
		from := j / panel * p.next
		b := p.b[from : from+(panels-1)*p.next+(p.k-1)*p.step+panel]
		for y := i; y < i+rows; y += g.rows() {
			height := min(g.rows(), i+rows-y)
			a := p.a[y*p.lda : (y+height-1)*p.lda+p.k]
			c := p.c[y*p.ldc+j : (y+height-1)*p.ldc+j+width]
			g.tile(p, height, panels, width, a, b, c)
		}
		j += width
	}
}

// tile computes one tile at the beginning of a, b and c. One that is not as wide
// as its panels is computed beside the matrix.
func (g *gemm32) tile(p *product32, rows, panels, width int, a, b, c []float32) {
	add := 0
	if p.add {
		add = 1
	}
	f := g.tiles[panels-1][rows]
	if width == panels*panel {
		f(p.k, unsafe.Pointer(&a[0]), p.lda*4, unsafe.Pointer(&b[0]), p.step*4, p.next*4, unsafe.Pointer(&c[0]), p.ldc*4, add, p.alpha)
		return
	}
	f(p.k, unsafe.Pointer(&a[0]), p.lda*4, unsafe.Pointer(&b[0]), p.step*4, p.next*4, unsafe.Pointer(&p.overhang[0]), panels*panel*4, 0, p.alpha)
	for r := range rows {
		to, from := c[r*p.ldc:][:width], p.overhang[r*panels*panel:][:width]
		if !p.add {
			copy(to, from)
			continue
		}
		for x, v := range from {
			to[x] += v
		}
	}
}
