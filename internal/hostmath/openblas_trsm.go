package hostmath

import "unsafe"

// blasTrsm is the driver of equations with a triangle, op(A) X = alpha B, or from
// the right X op(A) = alpha B. X takes the place of B.
func blasTrsm[T number](g *gemm[T], right, exchanged, lower, unit bool) Func {
	return triangular(right, exchanged, lower, unit, equations[T]{gemm: g, sign: -1}, (*equations[T]).solve)
}

// blasTrmm is the driver of a product with a triangle, B = alpha op(A) B, or from the
// right B = alpha B op(A).
func blasTrmm[T number](g *gemm[T], right, exchanged, lower, unit bool) Func {
	return triangular(right, exchanged, lower, unit, equations[T]{gemm: g, sign: 1}, (*equations[T]).apply)
}

// triangular does what there is to do of a triangle and a matrix. The factor is where
// the other drivers have their beta.
func triangular[T number](right, exchanged, lower, unit bool, of equations[T], do func(s *equations[T], from, n int) error) Func {
	return func(env Env, stack []uint64) (bool, error) {
		mem := env.Memory()
		a, ok := blasArgsOf(mem, stack)
		if !ok {
			return false, nil
		}
		alpha, ok := scalar[T](mem, a.at(20), 1)
		m, n := a.at(24), a.at(28)
		if !ok || alpha == 0 || m == 0 || n == 0 || a.most(24, 28, 36, 40) > maxSide {
			return false, nil
		}
		side, count := m, n
		if right {
			side, count = n, m
		}
		s := of
		s.env, s.w, s.right, s.across, s.unit, s.count = env, newWork(), right, right != exchanged, unit, int(count)
		s.a, s.lda = matrix[T](a.at(0), side, side, a.at(36)), int(a.at(36))
		s.b, s.ldb = matrix[T](a.at(4), n, m, a.at(40)), int(a.at(40))
		s.backward = lower == s.across
		defer s.w.free()
		if !s.a.in(mem) || !s.b.in(mem) || !disjoint(s.a, int(side), s.lda, s.b, int(m), s.ldb) || !holdBlocks[T](s.w, env) {
			return false, nil
		}
		defer s.w.release(env)
		var err error
		if alpha != 1 {
			err = times(env, s.gemm.chunk, s.b, int(n), int(m), s.ldb, alpha)
		}
		if err == nil {
			err = do(&s, 0, int(side))
		}
		stack[0] = 0
		return true, err
	}
}

// holdBlocks holds what products of blocks need, so that none of them declines.
func holdBlocks[T number](w *work, env Env) bool {
	return hold[T](w, env, packed*4/sizeOf[T]()+depth*(partRows+panelOf[T]())) != nil
}

// equations are of a triangle, with many right sides, which are found from the xs or
// the xs from them. The coefficient of x[p] in
// the equation i is a[p*lda+i], or across a[i*lda+p]. An x has a row of b, from
// the right, or else a column.
type equations[T number] struct {
	gemm     *gemm[T]
	sign     T // of what is added to other equations: -1 where the xs are found
	env      Env
	w        *work
	right    bool
	across   bool
	backward bool // the last x is found first
	unit     bool // the diagonal is of ones, and is not read
	count    int  // right sides
	a        area[T]
	lda      int
	b        area[T]
	ldb      int
}

// solve finds n of the xs, from one on. Of many it finds a half, takes it from
// the equations of the other, and so on.
func (s *equations[T]) solve(from, n int) error {
	if n <= blockSide {
		return s.block(from, n)
	}
	half := (n/2 + blockSide - 1) / blockSide * blockSide
	first, second := from, from+half
	if s.backward {
		first, second = from+n-half, from
	}
	if err := s.solve(first, half); err != nil {
		return err
	}
	if err := s.update(second, n-half, first, half); err != nil {
		return err
	}
	return s.solve(second, n-half)
}

// apply is the other way round: of many it finds the last half of the right sides, for
// which all xs are still there.
func (s *equations[T]) apply(from, n int) error {
	if n <= blockSide {
		return s.block(from, n)
	}
	half := (n/2 + blockSide - 1) / blockSide * blockSide
	first, second := from, from+half
	if s.backward {
		first, second = from+n-half, from
	}
	if err := s.apply(second, n-half); err != nil {
		return err
	}
	if err := s.update(second, n-half, first, half); err != nil {
		return err
	}
	return s.apply(first, half)
}

// update takes what has been found from other equations, or adds what is there.
func (s *equations[T]) update(to, n, from, k int) error {
	t := task[T]{alpha: s.sign, beta: 1, k: k, ldc: s.ldb}
	var by area[T] // the coefficients
	if s.across {
		by = part(s.a, to*s.lda+from, (n-1)*s.lda+k)
	} else {
		by = part(s.a, from*s.lda+to, (k-1)*s.lda+n)
	}
	if s.right {
		t.m, t.n = n, s.count
		t.a, t.lda, t.lift = by, s.lda, lifting[T](!s.across, s.lda)
		t.b = rowwise[T]{part(s.b, from*s.ldb, (k-1)*s.ldb+s.count), s.ldb}
		t.c = part(s.b, to*s.ldb, (n-1)*s.ldb+s.count)
	} else {
		t.m, t.n = s.count, n
		t.a, t.lda = part(s.b, from, (s.count-1)*s.ldb+k), s.ldb
		if t.b = (rowwise[T]{by, s.lda}); s.across {
			t.b = columnwise[T]{by, s.lda}
		}
		t.c = part(s.b, to, (s.count-1)*s.ldb+n)
	}
	return whole(multiply(s.gemm, s.env, s.w, &t))
}

// whole is the error of a product that cannot decline, for what it needs is held.
func whole(done bool, err error) error {
	if err == nil && !done {
		return errTorn
	}
	return err
}

// block finds few enough xs that their triangle fits into the block: strip by
// strip of the right sides, beside the matrix.
func (s *equations[T]) block(from, n int) error {
	t := unsafe.Slice((*T)(unsafe.Pointer(&s.w.block[0])), n*blockSide)
	s.triangle(t, from, n)
	if err := s.env.Tick(uint64(n * n / 2)); err != nil {
		return err
	}
	width := s.gemm.columns()
	strip := unsafe.Slice((*T)(unsafe.Pointer(&s.w.strip[0])), n*width)
	each := n * (n/2 + 16) * width // multiplications; few unknowns are mostly copied
	if !s.right {
		each *= 2 // every number is read and written far from the last
	}
	several := max(1, s.gemm.chunk/each) * width
	for j := 0; j < s.count; j += several {
		b, last := s.b.view(s.env.Memory()), min(j+several, s.count)
		for x := j; x < last; x += width {
			few := min(width, last-x)
			s.lift(strip, b, from, n, x, few)
			if s.sign > 0 {
				s.spread(t, strip, n)
			} else {
				s.strip(t, strip, n)
			}
			s.put(b, strip, from, n, x, few)
		}
		if err := s.env.Tick(uint64(last-j) * uint64(n) * uint64(n/2+2)); err != nil {
			return err
		}
	}
	return nil
}

// order is the x that is found as the i-th of n.
func (s *equations[T]) order(from, n, i int) int {
	if s.backward {
		return from + n - 1 - i
	}
	return from + i
}

// triangle writes coefficients by the order in which their xs are found, and on
// the diagonal what an equation is multiplied by.
func (s *equations[T]) triangle(t []T, from, n int) {
	a, next, step := s.a.view(s.env.Memory()), 1, s.lda
	if s.across {
		next, step = s.lda, 1
	}
	for i := range n {
		row := t[i*blockSide:][:i+1]
		equation := s.order(from, n, i) * next
		for p := range row {
			row[p] = a[equation+s.order(from, n, p)*step]
		}
		if s.sign < 0 {
			row[i] = 1 / row[i]
		}
	}
}

// lift writes few of the right sides from j on into a strip, a row for each x.
func (s *equations[T]) lift(strip, b []T, from, n, j, few int) {
	width := s.gemm.columns()
	if few < width {
		clear(strip)
	}
	for i := range n {
		row, at := strip[i*width:][:few], s.order(from, n, i)
		if s.right {
			copy(row, b[at*s.ldb+j:])
			continue
		}
		for x, at := 0, j*s.ldb+at; x < len(row); x, at = x+1, at+s.ldb {
			row[x] = b[at]
		}
	}
}

// put is the way back.
func (s *equations[T]) put(b, strip []T, from, n, j, few int) {
	width := s.gemm.columns()
	for i := range n {
		row, at := strip[i*width:][:few], s.order(from, n, i)
		if s.right {
			copy(b[at*s.ldb+j:], row)
			continue
		}
		for x, at := 0, j*s.ldb+at; x < len(row); x, at = x+1, at+s.ldb {
			b[at] = row[x]
		}
	}
}

// strip finds the xs of a strip: of a few at a time all that is known is taken
// from their equations, then one from the other.
func (s *equations[T]) strip(t, strip []T, n int) {
	const few = 4
	for i := 0; i < n; i += few {
		rows := min(few, n-i)
		if i > 0 {
			s.take(t, strip, i, rows, 0, i)
		}
		for r := i; r < i+rows; r++ {
			if r > i {
				s.take(t, strip, r, 1, i, r-i)
			}
			s.scale(t, strip, r)
		}
	}
}

// spread finds the right sides of a strip, the last first.
func (s *equations[T]) spread(t, strip []T, n int) {
	const few = 4
	for i := (n - 1) / few * few; i >= 0; i -= few {
		rows := min(few, n-i)
		for r := i + rows - 1; r >= i; r-- {
			s.scale(t, strip, r)
			if r > i {
				s.take(t, strip, r, 1, i, r-i)
			}
		}
		if i > 0 {
			s.take(t, strip, i, rows, 0, i)
		}
	}
}

// scale multiplies a row of a strip by what is on the diagonal.
func (s *equations[T]) scale(t, strip []T, r int) {
	if s.unit {
		return
	}
	width := s.gemm.columns()
	row, by := strip[r*width:][:width], t[r*blockSide+r]
	for x := range row {
		row[x] *= by
	}
}

// take takes k xs from on from equations from to on, or adds them.
func (s *equations[T]) take(t, strip []T, to, rows, from, k int) {
	panels, width, size := len(s.gemm.tiles), s.gemm.columns(), sizeOf[T]()
	a, b, c := t[to*blockSide+from:][:(rows-1)*blockSide+k], strip[from*width:][:k*width], strip[to*width:][:rows*width]
	s.gemm.tiles[panels-1][rows](k, unsafe.Pointer(&a[0]), blockSide*size, unsafe.Pointer(&b[0]), width*size, panelSize, unsafe.Pointer(&c[0]), width*size, 1, s.sign)
}
