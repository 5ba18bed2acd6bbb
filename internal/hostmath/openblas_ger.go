package hostmath

// mostRank bounds the vectors that are multiplied with each other: they are looked
// through without a tick.
const mostRank = 1 << 17

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
		t := task[T]{m: int(n), n: int(m), k: 1, alpha: number64[T](stack[3]), beta: 1, lda: int(incy), ldc: int(lda)}
		x := matrix[T](u(4), m, 1, incx)
		t.a, t.c = matrix[T](u(6), n, 1, incy), matrix[T](u(8), n, m, lda)
		if t.b = (columnwise[T]{x, int(incx)}); incx == 1 {
			t.b = rowwise[T]{x, int(m)}
		}
		if !x.in(mem) || !t.a.in(mem) || !t.c.in(mem) || overlap(x, t.c) || !disjoint(t.a, 1, t.lda, t.c, t.n, t.ldc) {
			return false, nil
		}
		if skips(t.a.view(mem), int(incy), t.alpha) && !allFinite(x.view(mem), int(incx)) {
			return false, nil
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

// skips says whether the body leaves out a column, for its factor is zero: where x is
// not finite, zero times it would be no number.
func skips[T number](y []T, step int, alpha T) bool {
	for i := 0; i < len(y); i += step {
		if alpha*y[i] == 0 {
			return true
		}
	}
	return false
}

// allFinite says whether every step-th number is finite.
func allFinite[T number](x []T, step int) bool {
	var sum T // not zero as soon as one is not finite
	for i := 0; i < len(x); i += step {
		sum += x[i] * 0
	}
	return sum == 0
}
