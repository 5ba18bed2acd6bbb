package hostmath

// blasGemv is OpenBLAS' product of a matrix by columns and a vector,
//
//	int gemv(m, n, 0, alpha, A, lda, x, incx, y, incy, buffer)
//
// y += alpha A x, or, exchanged, y += alpha A' x.
func blasGemv[T number](g *gemm[T], exchanged bool) Func {
	return func(env Env, stack []uint64) (bool, error) {
		if len(stack) < 10 {
			return false, nil
		}
		u := func(i int) uint32 { return uint32(stack[i]) }
		m, n, lda, incx, incy := u(0), u(1), u(5), u(7), u(9)
		if m == 0 || n == 0 || incx == 0 || incy == 0 || max(m, n, lda, incx, incy) > maxSide {
			return false, nil
		}
		a := columnsOf[T](u(4), m, n, lda, false)
		t := task[T]{alpha: number64[T](stack[3]), beta: 1}
		if exchanged { // every element of y is a sum over a column
			t.m, t.n, t.k = int(n), 1, int(m)
			t.a, t.lda = a, int(lda)
			t.b = rowwise[T]{matrix[T](u(6), m, 1, incx), int(incx)}
			t.c, t.ldc = matrix[T](u(8), n, 1, incy), int(incy)
		} else { // y is a row, to which columns are added
			if incy != 1 {
				return false, nil
			}
			t.m, t.n, t.k = 1, int(m), int(n)
			t.a = matrix[T](u(6), n, 1, incx)
			t.lift, t.alpha = lifted(t.alpha, 0, int(incx)), 1
			t.b = rowwise[T]{a, int(lda)}
			t.c, t.ldc = area[T]{u(8), uint64(m)}, int(m)
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
