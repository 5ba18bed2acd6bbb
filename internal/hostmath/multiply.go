package hostmath

import "unsafe"

// How much of a product is taken at a time, so that it stays in the caches: the
// length of the sums, and how much of B is packed, in numbers of four bytes.
const (
	depth  = 256
	packed = 1 << 18
)

// maxSide bounds every dimension of a matrix, so that products of two and the
// stride of a row fit into an int of any host.
const maxSide = 1 << 26

// A factor is the right side of a product, in whatever form it is in memory.
type factor[T number] interface {
	// in says whether all of it lies in the memory.
	in(mem []byte) bool
	// pack writes columns from j on of rows from k on into panels.
	pack(mem []byte, to []T, k, rows, j, columns int)
}

// A task is a product C = alpha op(A) B + beta C of matrices in memory.
type task[T number] struct {
	m, n, k     int
	alpha, beta T
	a           area[T]
	lda         int
	// lift writes deep numbers from k on of rows from i on of A, one row after the
	// other; nil where A lies by rows, lda apart.
	lift func(to, a []T, i, rows, k, deep int)
	b    factor[T]
	c    area[T]
	into []T // takes the place of c when it is not nil: memory of ours
	ldc  int
	// finish is called with every part of C when it is done; it may be nil.
	finish func(c []T, i, rows, j, columns int)
}

// multiply does a product, or declines.
func multiply[T number](g *gemm[T], env Env, w *work, t *task[T]) (bool, error) {
	mem := env.Memory()
	if !t.a.in(mem) || !t.b.in(mem) || t.into == nil && !t.c.in(mem) {
		return false, nil
	}
	panel, deep := panelOf[T](), min(t.k, depth)
	wide := min(t.n+panel-1, max(g.columns(), packed*4/sizeOf[T]()/deep)) / panel * panel
	size := deep * wide
	if t.lift != nil {
		size += deep * partRows
	}
	held := w.held
	buffer := hold[T](w, env, size)
	if buffer == nil {
		return false, nil
	}
	if held == 0 {
		defer w.release(env)
	}
	r := slabs[T]{gemm: g, env: env, task: t, w: w, packed: buffer[:deep*wide], lifted: buffer[deep*wide:]}
	if t.m > g.rows() && (t.into != nil || t.apart()) { // else what is found would depend on who is first
		r.crew = newCrew(env, uint64(t.m)*uint64(t.n)*uint64(t.k))
		defer r.crew.end()
	}
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

// apart says whether C is nowhere where A is.
func (t *task[T]) apart() bool {
	if t.lift != nil {
		return !overlap(t.a, t.c)
	}
	return disjoint(t.a, t.k, t.lda, t.c, t.n, t.ldc)
}

// A slabs is a task that is being done.
type slabs[T number] struct {
	gemm   *gemm[T]
	env    Env
	task   *task[T]
	w      *work
	packed []T
	lifted []T
	crew   *crew // nil for none
}

// scale multiplies C by beta where a product is not just put there or added.
func (r *slabs[T]) scale() error {
	t := r.task
	if t.beta == 0 || t.beta == 1 {
		return nil
	}
	return times(r.env, r.gemm.chunk, t.c, t.m, t.n, t.ldc, t.beta)
}

// packChunk is how many numbers are packed between two ticks that lie far apart, so that
// they come one by one from memory.
const packChunk = 1 << 14

// fewRows is of how many rows a product is for which B is read where it is: to
// pack it would be to read it once more.
const fewRows = 4

// slab adds the products of some rows of B, in some of its columns.
func (r *slabs[T]) slab(k, deep, j, wide int) error {
	t, panel := r.task, panelOf[T]()
	if t.isDots(r.gemm) {
		return r.dots(k, deep)
	}
	if f, ok := t.b.(rowwise[T]); ok && t.m <= fewRows && wide >= panel {
		whole := wide / panel * panel
		p := product[T]{step: f.stride, next: panel}
		err := r.columns(&p, k, deep, j, whole, func(mem []byte) []T { return f.view(mem)[k*f.stride+j:] })
		if err != nil || whole == wide {
			return err
		}
		j, wide = j+whole, wide-whole
	}
	few := wide
	if deep < leastDeep {
		few = max(1, packChunk/deep/panel) * panel
	}
	for x := 0; x < wide; x += few {
		columns := min(few, wide-x)
		t.b.pack(r.env.Memory(), r.packed[x*deep:], k, deep, j+x, columns)
		if err := r.env.Tick(uint64(deep) * uint64(columns)); err != nil {
			return err
		}
	}
	p := product[T]{step: panel, next: deep * panel}
	return r.columns(&p, k, deep, j, wide, func([]byte) []T { return r.packed })
}

// columns adds the products of rows of B from k on, in columns from j on, for
// which b gives the panels.
func (r *slabs[T]) columns(p *product[T], k, deep, j, wide int, b func(mem []byte) []T) error {
	t := r.task
	p.k, p.lda, p.ldc, p.alpha, p.overhang = deep, t.lda, t.ldc, t.alpha, overhang[T](r.w)
	p.add = k > 0 || t.beta != 0
	return r.gemm.parts(t.m, wide, deep, r.crew.cores(), func(i, rows, column, columns int) error {
		mem := r.env.Memory()
		c, a := t.into, t.a.view(mem)
		if c == nil {
			c = t.c.view(mem)
		}
		p.b, p.c = b(mem), c[i*t.ldc+j:]
		if t.lift != nil {
			if column == 0 {
				t.lift(r.lifted, a, i, rows, k, deep)
			}
			p.a, p.lda = r.lifted, deep
		} else {
			p.a = a[i*t.lda+k:]
		}
		r.rectangle(p, rows, column, columns)
		if t.finish != nil && k+deep == t.k {
			t.finish(c, i, rows, j+column, columns)
		}
		return r.env.Tick(uint64(rows) * uint64(columns) * uint64(deep))
	})
}

// rectangle computes a part of C, each member of a crew some rows: the sum of an
// element does not depend on which others are computed with it.
func (r *slabs[T]) rectangle(p *product[T], rows, column, columns int) {
	tall := r.gemm.rows()
	cores := r.crew.cores()
	each := ((rows+cores-1)/cores + tall - 1) / tall * tall
	if r.crew == nil || each >= rows {
		r.gemm.rectangle(p, 0, rows, column, columns)
		return
	}
	r.crew.share(func(member int) {
		from := member * each
		if from >= rows {
			return
		}
		q, w := *p, r.w
		if member > 0 {
			w = newWork()
			defer w.free()
			q.overhang = overhang[T](w)
		}
		r.gemm.rectangle(&q, from, min(each, rows-from), column, columns)
	})
}

// exchange writes rows of a matrix as columns.
func exchange[T number](to, from []T, stride, rows, columns int) {
	for k := range rows {
		for i, v := range from[k*stride:][:columns] {
			to[i*rows+k] = v
		}
	}
}

// rowwise is a factor that lies by rows.
type rowwise[T number] struct {
	area[T]
	stride int
}

func (f rowwise[T]) pack(mem []byte, to []T, k, rows, j, columns int) {
	// few panels at a time, for their lines would all want the same place in the cache
	panel := panelOf[T]()
	few := 8 * panel
	b := f.view(mem)
	for x := 0; x < columns; x += few {
		for y := range rows {
			spread(to[x*rows+y*panel:], b[(k+y)*f.stride+j+x:][:min(few, columns-x)], rows*panel)
		}
	}
}

// spread writes a row into panels, of which next are apart.
func spread[T number](to, row []T, next int) {
	panel := panelOf[T]()
	for ; len(row) >= panel; row = row[panel:] {
		_ = to[panel-1]
		*(*[panelSize]byte)(unsafe.Pointer(&to[0])) = *(*[panelSize]byte)(unsafe.Pointer(&row[0]))
		if len(row) == panel {
			return
		}
		to = to[next:]
	}
	clear(to[copy(to[:panel], row):panel])
}

// columnwise is a factor that lies by columns.
type columnwise[T number] struct {
	area[T]
	stride int
}

func (f columnwise[T]) pack(mem []byte, to []T, k, rows, j, columns int) {
	b, panel := f.view(mem), panelOf[T]()
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
