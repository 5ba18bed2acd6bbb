package hostmath

import "math"

// What a call of CBLAS calls a matrix that is meant as it lies, and one that is
// meant with rows and columns exchanged.
const (
	asItLies   = 111
	transposed = 112
)

// How much of a product is taken at a time, so that it stays in the caches: the
// length of the sums, and how much of B is packed.
const (
	depth  = 256
	packed = 1 << 18
)

// maxSide bounds every dimension of a matrix, so that products of two and the
// stride of a row fit into an int of any host.
const maxSide = 1 << 26

// A factor32 is the right side of a product, in whatever form it is in memory.
type factor32 interface {
	// in says whether all of it lies in the memory.
	in(mem []byte) bool
	// pack writes columns from j on of rows from k on into panels.
	pack(mem []byte, to []float32, k, rows, j, columns int)
}

// A task32 is a product C = alpha op(A) B + beta C of matrices in memory.
type task32 struct {
	m, n, k     int
	alpha, beta float32
	a           area
	lda         int
	exchanged   bool // A lies by columns
	b           factor32
	c           area
	ldc         int
	// finish is called with every part of C when it is done; it may be nil.
	finish func(c []float32, i, rows, j, columns int)
}

// sgemm is MLAS' product of matrices in general,
//
//	MlasSgemmOperation(opA, opB, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc)
func (s *Set) sgemm(env Env, stack []uint64) (bool, error) {
	if len(stack) < 13 {
		return false, nil
	}
	u := func(i int) uint32 { return uint32(stack[i]) }
	m, n, k, opA, opB := u(2), u(3), u(4), u(0), u(1)
	if m == 0 || n == 0 || k == 0 || max(m, n, k, u(7), u(9), u(12)) > maxSide || opA-asItLies > 1 || opB-asItLies > 1 {
		return false, nil
	}
	t := task32{
		m: int(m), n: int(n), k: int(k), alpha: math.Float32frombits(u(5)), beta: math.Float32frombits(u(10)),
		lda: int(u(7)), exchanged: opA == transposed, c: matrix(u(11), m, n, u(12)), ldc: int(u(12)),
	}
	if t.exchanged {
		t.a = matrix(u(6), k, m, u(7))
	} else {
		t.a = matrix(u(6), m, k, u(7))
	}
	if opB == transposed {
		t.b = columnwise{matrix(u(8), n, k, u(9)), int(u(9))}
	} else {
		t.b = rowwise{matrix(u(8), k, n, u(9)), int(u(9))}
	}
	if t.m == 1 && opB == asItLies {
		return false, nil // reads B once, and so does the body
	}
	w := newWork()
	defer w.free()
	return s.multiply(env, w, &t)
}

// multiply does a product, or declines.
func (s *Set) multiply(env Env, w *work, t *task32) (bool, error) {
	mem := env.Memory()
	if !t.a.in(mem) || !t.b.in(mem) || !t.c.in(mem) {
		return false, nil
	}
	deep := min(t.k, depth)
	wide := min(t.n+panel-1, max(s.gemm.columns(), packed/deep)) / panel * panel
	size := deep * wide
	if t.exchanged {
		size += deep * partRows
	}
	if !w.hold(env, size) {
		return false, nil
	}
	defer w.release(env)
	r := slabs32{set: s, env: env, task: t, w: w, packed: w.buffer[:deep*wide], exchanged: w.buffer[deep*wide : size]}
	if err := r.scale(); err != nil {
		return true, err
	}
	for j := 0; j < t.n; j += wide {
		for k := 0; k < t.k; k += deep {
			if err := r.slab(k, min(deep, t.k-k), j, min(wide, t.n-j)); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

// A slabs32 is a task that is being done.
type slabs32 struct {
	set       *Set
	env       Env
	task      *task32
	w         *work
	packed    []float32
	exchanged []float32
}

// scale multiplies C by beta where a product is not just put there or added.
func (r *slabs32) scale() error {
	t := r.task
	if t.beta == 0 || t.beta == 1 {
		return nil
	}
	rows := max(1, r.set.gemm.chunk/8/t.n)
	for i := 0; i < t.m; i += rows {
		c, height := t.c.view(r.env.Memory()), min(rows, t.m-i)
		for y := i; y < i+height; y++ {
			row := c[y*t.ldc:][:t.n]
			for x := range row {
				row[x] *= t.beta
			}
		}
		if err := r.env.Tick(uint64(height) * uint64(t.n)); err != nil {
			return err
		}
	}
	return nil
}

// slab adds the products of some rows of B, in some of its columns.
func (r *slabs32) slab(k, deep, j, wide int) error {
	t := r.task
	t.b.pack(r.env.Memory(), r.packed, k, deep, j, wide)
	if err := r.env.Tick(uint64(deep) * uint64(wide)); err != nil {
		return err
	}
	p := product32{
		k: deep, lda: t.lda, b: r.packed, step: panel, next: deep * panel, ldc: t.ldc,
		add: k > 0 || t.beta != 0, alpha: t.alpha, overhang: &r.w.overhang,
	}
	return r.set.gemm.parts(t.m, wide, deep, func(i, rows, column, columns int) error {
		mem := r.env.Memory()
		c, a := t.c.view(mem), t.a.view(mem)
		p.c = c[i*t.ldc+j:]
		if t.exchanged {
			if column == 0 {
				exchange(r.exchanged, a[k*t.lda+i:], t.lda, deep, rows)
			}
			p.a, p.lda = r.exchanged, deep
		} else {
			p.a = a[i*t.lda+k:]
		}
		r.set.gemm.rectangle(&p, 0, rows, column, columns)
		if t.finish != nil && k+deep == t.k {
			t.finish(c, i, rows, j+column, columns)
		}
		return r.env.Tick(uint64(rows) * uint64(columns) * uint64(deep))
	})
}

// exchange writes rows of a matrix as columns.
func exchange(to, from []float32, stride, rows, columns int) {
	for k := range rows {
		for i, v := range from[k*stride:][:columns] {
			to[i*rows+k] = v
		}
	}
}

// rowwise is a factor that lies by rows.
type rowwise struct {
	area
	stride int
}

func (f rowwise) pack(mem []byte, to []float32, k, rows, j, columns int) {
	// few panels at a time, for their lines would all want the same place in the cache
	const few = 8 * panel
	b := f.view(mem)
	for x := 0; x < columns; x += few {
		for y := range rows {
			spread(to[x*rows+y*panel:], b[(k+y)*f.stride+j+x:][:min(few, columns-x)], rows*panel)
		}
	}
}

// spread writes a row into panels, of which next are apart.
func spread(to, row []float32, next int) {
	for ; len(row) >= panel; row = row[panel:] {
		*(*[panel]float32)(to) = *(*[panel]float32)(row)
		if len(row) == panel {
			return
		}
		to = to[next:]
	}
	clear(to[copy(to[:panel], row):panel])
}

// columnwise is a factor that lies by columns.
type columnwise struct {
	area
	stride int
}

func (f columnwise) pack(mem []byte, to []float32, k, rows, j, columns int) {
	b := f.view(mem)
	for x := 0; x < columns; x += panel {
		part := to[x*rows:][:rows*panel]
		width := min(panel, columns-x)
		if width < panel {
			clear(part)
		}
		for i := range width {
			column := b[(j+x+i)*f.stride+k:][:rows]
			for y, v := range column {
				part[y*panel+i] = v
			}
		}
	}
}
