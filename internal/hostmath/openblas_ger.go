package hostmath

// mostRank bounds the vectors that are multiplied with each other, which are looked
// through before, and lookChunk how much of one between two ticks: every number may be in
// a page of its own.
const (
	mostRank  = 1 << 17
	lookChunk = 1 << 13
)

// blasGer is OpenBLAS' product of a column and a row, which is added to a matrix,
//
//	int ger(m, n, 0, alpha, x, incx, y, incy, A, lda, buffer)
//
// A += alpha x y'.
func blasGer[T number](g *gemm[T]) Func {
	return func(env Env, stack []uint64) (bool, error) {
		if len(stack) < 10 {
			return false, nil
		}
		u := func(i int) uint32 { return uint32(stack[i]) }
		m, n, incx, incy, lda, mem := u(0), u(1), u(5), u(7), u(9), env.Memory()
		if m == 0 || n == 0 || incx == 0 || incy == 0 || max(m, n) > mostRank || max(incx, incy, lda) > maxSide {
			return false, nil
		}
		alpha := number64[T](stack[3])
		t := task[T]{m: int(n), n: int(m), k: 1, alpha: 1, beta: 1, lda: int(incy), lift: lifted(alpha, int(incy), 0), ldc: int(lda)}
		x := matrix[T](u(4), m, 1, incx)
		t.a, t.c = matrix[T](u(6), n, 1, incy), matrix[T](u(8), n, m, lda)
		if t.b = (columnwise[T]{x, int(incx)}); incx == 1 {
			t.b = rowwise[T]{x, int(m)}
		}
		if !x.in(mem) || !t.a.in(mem) || !t.c.in(mem) || overlap(x, t.c) || !disjoint(t.a, 1, t.lda, t.c, t.n, t.ldc) {
			return false, nil
		}
		skipped, err := anyOf(env, t.a, int(incy), func(y T) bool { return alpha*y == 0 })
		if skipped && err == nil {
			skipped, err = anyOf(env, x, int(incx), func(x T) bool { return x-x != 0 })
		}
		if skipped || err != nil {
			return err != nil, err
		}
		w := newWork()
		defer w.free()
		done, err := multiply(g, env, w, &t)
		if done {
			stack[0] = 0
		}
		return done, err
	}
}

// anyOf says whether one of every step-th number of a vector is so. The body leaves out a
// column whose factor is zero: where x is not finite, zero times it would be no number.
func anyOf[T number](env Env, at area[T], step int, is func(T) bool) (bool, error) {
	for i := 0; i < int(at.count); {
		list := at.view(env.Memory())
		end := min(len(list), i+lookChunk*step)
		from := i
		for ; i < end; i += step {
			if is(list[i]) {
				return true, nil
			}
		}
		if err := env.Tick(uint64((end - from + step - 1) / step)); err != nil {
			return false, err
		}
	}
	return false, nil
}

// lifted takes numbers that are step apart in a row, and next from a row to the next, times
// alpha: where the body does so, a product that is too large for a number, or too small,
// is so here, too.
func lifted[T number](alpha T, next, step int) func(to, a []T, i, rows, k, deep int) {
	return func(to, a []T, i, rows, k, deep int) {
		for y := range rows {
			for p := range deep {
				to[y*deep+p] = alpha * a[(i+y)*next+(k+p)*step]
			}
		}
	}
}
