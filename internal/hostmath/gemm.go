package hostmath

import "unsafe"

// panelSize is how many bytes of a row of a packed matrix lie together: those of
// the first row, then those of the second and so on. MLAS packs so, and so do
// we.
const panelSize = 64

// panelOf is how many columns a panel has.
func panelOf[T number]() int { return panelSize / sizeOf[T]() }

// maxTile is how many bytes of a matrix any set's largest tile has.
const maxTile = 12 * 2 * panelSize

// A tile is a function in assembly that computes a tile of a product,
// C = alpha A B or with add C += alpha A B. The rows of a and c are lda and ldc
// bytes apart, the rows of a panel of b are step and its panels next bytes apart.
// The number of rows and panels is the function's own.
type tile[T number] func(k int, a unsafe.Pointer, lda int, b unsafe.Pointer, step, next int, c unsafe.Pointer, ldc int, add int, alpha T)

// A gemm computes tiles of products.
type gemm[T number] struct {
	tiles [][]tile[T] // by their width in panels, less one, and by their rows
	chunk int         // multiplications between two ticks, well below a millisecond
	dots  dots        // nil where there is none
}

// rows and columns are those of the largest tile.
func (g *gemm[T]) rows() int    { return len(g.tiles[0]) - 1 }
func (g *gemm[T]) columns() int { return len(g.tiles) * panelOf[T]() }

// A product is a product of matrices: C = alpha A B, or with add C += alpha A B.
// A and C are by rows. B is in panels of whole columns; what is behind the last
// column of the product may be anything.
type product[T number] struct {
	k        int
	a        []T
	lda      int
	b        []T
	step     int // from a row of a panel to the next
	next     int // from a panel to the next
	c        []T
	ldc      int
	add      bool
	alpha    T
	overhang []T // of the largest tile
}

// rectangle computes a part of C: rows from i on and columns from j on, where j
// is the first of a panel.
func (g *gemm[T]) rectangle(p *product[T], i, rows, j, columns int) {
	panel := panelOf[T]()
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
func (g *gemm[T]) tile(p *product[T], rows, panels, width int, a, b, c []T) {
	add, panel, size := 0, panelOf[T](), sizeOf[T]()
	if p.add {
		add = 1
	}
	f := g.tiles[panels-1][rows]
	if width == panels*panel {
		f(p.k, unsafe.Pointer(&a[0]), p.lda*size, unsafe.Pointer(&b[0]), p.step*size, p.next*size, unsafe.Pointer(&c[0]), p.ldc*size, add, p.alpha)
		return
	}
	f(p.k, unsafe.Pointer(&a[0]), p.lda*size, unsafe.Pointer(&b[0]), p.step*size, p.next*size, unsafe.Pointer(&p.overhang[0]), panels*panel*size, 0, p.alpha)
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

// leastDeep is how many multiplications an element of C takes the time of at least: it is
// read and written.
const leastDeep = 16

// partRows is how many rows of A a part has at most.
const partRows = 128

// parts cuts a product into parts between which there are ticks. The rows of
// one part stay in the second cache while all columns pass, the columns of one
// tile in the first. A part that several cores do is that much larger.
func (g *gemm[T]) parts(m, n, k, cores int, do func(i, rows, j, columns int) error) error {
	k = max(k, leastDeep)
	height, chunk := max(1, partRows/g.rows())*g.rows(), g.chunk
	if fits := chunk / (k * g.columns()) / g.rows() * g.rows(); height > fits {
		height = max(g.rows(), fits)
	}
	if cores > 1 {
		chunk *= 2 * cores
	}
	width := max(1, chunk/(k*min(m, height))/g.columns()) * g.columns()
	for i := 0; i < m; i += height {
		for j := 0; j < n; j += width {
			if err := do(i, min(height, m-i), j, min(width, n-j)); err != nil {
				return err
			}
		}
	}
	return nil
}
