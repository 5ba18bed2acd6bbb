package hostmath

import "unsafe"

// A dots is a function in assembly that sums up the products of each of some rows, lda bytes
// apart, and one of k numbers. What it finds for a row does not depend on the others.
type dots func(rows, k int, a unsafe.Pointer, lda int, x, to unsafe.Pointer)

// isDots says whether a task is a matrix by rows and one column, and there is a function for that: a tile
// would compute as many columns as a register has numbers.
func (t *task[T]) isDots(g *gemm[T]) bool {
	return g.dots != nil && t.n == 1 && t.lift == nil && t.finish == nil
}

// dots adds the products of the rows' numbers from k on, and of as many of the column.
func (r *slabs[T]) dots(k, deep int) error {
	t, size := r.task, sizeOf[T]()
	sums := overhang[T](r.w)
	x := r.packed[:deep]
	for i := 0; i < t.m; i += len(sums) {
		rows, mem := min(len(sums), t.m-i), r.env.Memory()
		if i == 0 {
			r.column(mem, x, k)
		}
		a := t.a.view(mem)[i*t.lda+k:]
		_ = a[(rows-1)*t.lda+deep-1]
		r.gemm.dots(rows, deep, unsafe.Pointer(&a[0]), t.lda*size, unsafe.Pointer(&x[0]), unsafe.Pointer(&sums[0]))
		c := t.into
		if c == nil {
			c = t.c.view(mem)
		}
		for y, sum := range sums[:rows] {
			at := (i + y) * t.ldc
			if k > 0 || t.beta != 0 {
				c[at] += t.alpha * sum
			} else {
				c[at] = t.alpha * sum
			}
		}
		if err := r.env.Tick(uint64(rows) * uint64(deep)); err != nil {
			return err
		}
	}
	return nil
}

// column copies the only column of B, from k on: its numbers lie where they like.
func (r *slabs[T]) column(mem []byte, to []T, k int) {
	t, panel := r.task, panelOf[T]()
	if f, ok := t.b.(rowwise[T]); ok {
		b := f.view(mem)
		for i := range to {
			to[i] = b[(k+i)*f.stride]
		}
		return
	}
	t.b.pack(mem, r.packed, k, len(to), 0, 1)
	for i := range to {
		to[i] = r.packed[i*panel]
	}
}
