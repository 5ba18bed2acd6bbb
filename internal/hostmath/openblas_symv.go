package hostmath

// symvSide is how many columns of a symmetric matrix are taken at a time: four tiles, and
// three of the body's blocks.
const (
	symvSide  = 3 * symvBlock
	symvBlock = 16
)

// blasSymv is OpenBLAS' product of a symmetric matrix, of which a triangle is there,
// and a vector,
//
//	int symv(n, columns, alpha, A, lda, x, incx, y, incy, buffer)
//
// y += alpha A x. Who asks for some of the columns is a thread, and has the body.
func blasSymv[T number](g *gemm[T], lower bool) Func {
	return func(env Env, stack []uint64) (bool, error) {
		if len(stack) < 9 {
			return false, nil
		}
		u := func(i int) uint32 { return uint32(stack[i]) }
		n, lda, mem := u(0), u(4), env.Memory()
		if n == 0 || u(1) != n || max(n, lda) > maxSide || u(6) != 1 || u(8) != 1 {
			return false, nil
		}
		s := mirrored[T]{
			gemm: g, env: env, w: newWork(), lower: lower, n: int(n), alpha: number64[T](stack[2]),
			a: matrix[T](u(3), n, n, lda), lda: int(lda), x: area[T]{u(5), uint64(n)}, y: area[T]{u(7), uint64(n)},
		}
		defer s.w.free()
		if !s.a.in(mem) || !s.x.in(mem) || !s.y.in(mem) || overlap(s.y, s.x) || overlap(s.y, s.a) || !holdBlocks[T](s.w, env) {
			return false, nil
		}
		defer s.w.release(env)
		stack[0] = 0
		return true, s.do()
	}
}

// A mirrored is such a product that is being done.
type mirrored[T number] struct {
	gemm  *gemm[T]
	env   Env
	w     *work
	lower bool
	n     int
	alpha T
	a     area[T]
	lda   int
	x, y  area[T]
}

// do does some columns at a time: what is beside the diagonal counts twice, as it lies
// and as the rows that it is the mirror of.
func (s *mirrored[T]) do() error {
	for j := 0; j < s.n; j += symvSide {
		width := min(symvSide, s.n-j)
		first, count := 0, j
		if s.lower {
			first, count = j+width, s.n-j-width
		}
		if count > 0 {
			if err := s.beside(j, width, first, count); err != nil {
				return err
			}
		}
		s.square(j, width)
		if err := s.env.Tick(uint64(width) * uint64(width)); err != nil {
			return err
		}
	}
	return nil
}

// beside multiplies count rows from first on of width columns from j on.
func (s *mirrored[T]) beside(j, width, first, count int) error {
	at := part(s.a, j*s.lda+first, (width-1)*s.lda+count)
	err := whole(multiply(s.gemm, s.env, s.w, &task[T]{
		m: 1, n: count, k: width, alpha: 1, beta: 1, a: part(s.x, j, width), lift: lifted(s.alpha, 0, 1),
		b: rowwise[T]{at, s.lda}, c: part(s.y, first, count), ldc: count,
	}))
	if err != nil {
		return err
	}
	return whole(multiply(s.gemm, s.env, s.w, &task[T]{
		m: width, n: 1, k: count, alpha: s.alpha, beta: 1, a: at, lda: s.lda,
		b: rowwise[T]{part(s.x, first, count), 1}, c: part(s.y, j, width), ldc: 1,
	}))
}

// square multiplies what is on the diagonal. The body copies a block of its own with its
// mirror, and multiplies every x with alpha before; beside it, it sums up what is the mirror
// of columns, and multiplies the sum.
func (s *mirrored[T]) square(j, width int) {
	mem := s.env.Memory()
	a, x, y := s.a.view(mem)[j*s.lda+j:], s.x.view(mem)[j:][:width], s.y.view(mem)[j:][:width]
	for c := range width {
		first := c / symvBlock * symvBlock
		last := min(first+symvBlock, width)
		column, by := a[c*s.lda:][:width], s.alpha*x[c]
		y[c] += T(by * column[c])
		from, end, beside, behind := first, c, 0, first
		if s.lower {
			from, end, beside, behind = c+1, last, last, width
		}
		for r := from; r < end; r++ {
			y[r] += T(by * column[r])
			y[c] += T(T(s.alpha*x[r]) * column[r])
		}
		if beside == behind {
			continue
		}
		var sum T
		for r := beside; r < behind; r++ {
			y[r] += T(by * column[r])
			sum += T(column[r] * x[r])
		}
		y[c] += T(s.alpha * sum)
	}
}
