package hostmath

import (
	"encoding/binary"
	"errors"
)

// blasGetrf is OpenBLAS' factorization of a matrix into triangles,
//
//	int getrf_single(args, range_m, range_n, sa, sb, position)
//
// P A = L U, where C in the arguments is the list of the rows that were exchanged,
// counted from one. It returns which pivot was zero first, or 0. A matrix with an
// infinity or what is no number is left to the body.
func blasGetrf[T number](g *gemm[T]) Func {
	return func(env Env, stack []uint64) (bool, error) {
		mem := env.Memory()
		a, ok := blasArgsOf(mem, stack)
		m, n := a.at(24), a.at(28)
		if !ok || m == 0 || n == 0 || a.most(24, 28, 36) > maxSide {
			return false, nil
		}
		f := factors[T]{
			gemm: g, env: env, w: newWork(), m: int(m), n: int(n), a: matrix[T](a.at(0), n, m, a.at(36)), lda: int(a.at(36)),
			list: area[float32]{a.at(8), uint64(min(m, n))},
		}
		defer f.w.free()
		if !f.a.in(mem) || !f.list.in(mem) || overlap(f.a, f.list) {
			return false, nil
		}
		if ok, err := finite(env, g.chunk, f.a, f.n, f.m, f.lda); !ok || err != nil {
			return err != nil, err
		}
		if !holdBlocks[T](f.w, env) {
			return false, nil
		}
		defer f.w.release(env)
		err := f.do()
		stack[0] = uint64(f.zero)
		return true, err
	}
}

// finite says whether a matrix is of nothing but finite numbers.
func finite[T number](env Env, chunk int, a area[T], rows, columns, stride int) (bool, error) {
	err := pieces(rows, columns, chunk/256, func(i, rows, j, columns int) error {
		list := a.view(env.Memory())
		for y := i; y < i+rows; y++ {
			var s0, s1, s2, s3 T // not zero as soon as one is not finite
			row := list[y*stride+j:][:columns]
			for ; len(row) >= 4; row = row[4:] {
				s0, s1, s2, s3 = s0+row[0]*0, s1+row[1]*0, s2+row[2]*0, s3+row[3]*0
			}
			for _, v := range row {
				s0 += v * 0
			}
			if s0+s1+s2+s3 != 0 {
				return errInfinite
			}
		}
		return env.Tick(uint64(rows) * uint64(columns) / 4)
	})
	if err == errInfinite {
		return false, nil
	}
	return err == nil, err
}

// errInfinite ends the search for what is not finite.
var errInfinite = errors.New("a number is not finite")

// factors are a matrix by columns that is being factored. By rows it is n rows of m.
type factors[T number] struct {
	gemm   *gemm[T]
	env    Env
	w      *work
	m, n   int
	a      area[T]
	lda    int
	list   area[float32] // of pivots, in the guest's memory; of their size
	pivots []int32       // ours: the guest's may be anywhere
	zero   uint32
}

// do factors all columns that have a pivot, then finds what is right of them.
func (f *factors[T]) do() error {
	k := min(f.m, f.n)
	if cap(f.w.pivots) < k {
		f.w.pivots = make([]int32, k)
	}
	f.pivots = f.w.pivots[:k]
	if err := f.columns(0, k); err != nil {
		return err
	}
	if err := f.beside(0, k, k, f.n-k); err != nil {
		return err
	}
	to := f.env.Memory()[f.list.address:][:4*k]
	for i, p := range f.pivots {
		binary.LittleEndian.PutUint32(to[4*i:], uint32(p)+1)
	}
	return f.env.Tick(uint64(k))
}

// panelColumns is how many columns are factored one by one.
const panelColumns = 16

// columns factors n columns from j on, from the row j on.
func (f *factors[T]) columns(j, n int) error {
	if n <= panelColumns {
		return f.panel(j, n)
	}
	half := (n/2 + panelColumns - 1) / panelColumns * panelColumns
	if err := f.columns(j, half); err != nil {
		return err
	}
	if err := f.beside(j, half, j+half, n-half); err != nil {
		return err
	}
	if rows := f.m - j - half; rows > 0 {
		k, to := half, n-half
		err := whole(multiply(f.gemm, f.env, f.w, &task[T]{
			m: to, n: rows, k: k, alpha: -1, beta: 1,
			a: part(f.a, (j+k)*f.lda+j, (to-1)*f.lda+k), lda: f.lda,
			b: rowwise[T]{part(f.a, j*f.lda+j+k, (k-1)*f.lda+rows), f.lda},
			c: part(f.a, (j+k)*f.lda+j+k, (to-1)*f.lda+rows), ldc: f.lda,
		}))
		if err != nil {
			return err
		}
	}
	if err := f.columns(j+half, n-half); err != nil {
		return err
	}
	return f.exchange(j+half, n-half, j, half)
}

// beside does for count columns from to on what was done to the k from j on: rows
// are exchanged, and those of the triangle become U's.
func (f *factors[T]) beside(j, k, to, count int) error {
	if count == 0 {
		return nil
	}
	if err := f.exchange(j, k, to, count); err != nil {
		return err
	}
	s := equations[T]{
		gemm: f.gemm, sign: -1, env: f.env, w: f.w, unit: true, count: count, a: part(f.a, j*f.lda+j, (k-1)*f.lda+k), lda: f.lda,
		b: part(f.a, to*f.lda+j, (count-1)*f.lda+k), ldb: f.lda,
	}
	return s.solve(0, k)
}

// exchange exchanges rows in count columns from to on, by k pivots from j on.
func (f *factors[T]) exchange(j, k, to, count int) error {
	return pieces(count, k, f.gemm.chunk/256, func(c, columns, from, pivots int) error { // each may be somewhere else
		a := f.a.view(f.env.Memory())
		for x := to + c; x < to+c+columns; x++ {
			column := a[x*f.lda:][:f.m]
			for i, p := range f.pivots[j+from:][:pivots] {
				column[j+from+i], column[p] = column[p], column[j+from+i]
			}
		}
		return f.env.Tick(uint64(columns) * uint64(pivots))
	})
}

// panel factors few columns: for each the pivot is looked for, rows of the panel
// are exchanged, and the column is taken from those right of it.
func (f *factors[T]) panel(j, n int) error {
	for c := j; c < j+n; c++ {
		if err := f.pivot(j, n, c); err != nil {
			return err
		}
		if c == j+n-1 {
			break
		}
		few := f.gemm.chunk / 4 / panelColumns
		for i := c + 1; i < f.m; i += few {
			f.take(f.a.view(f.env.Memory()), c, i, min(few, f.m-i), j+n-c-1)
			if err := f.env.Tick(uint64(min(few, f.m-i)) * uint64(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// least is the least normal number.
func least[T number]() T {
	if sizeOf[T]() == 4 {
		v := float32(0x1p-126)
		return T(v)
	}
	v := 0x1p-1022
	return T(v)
}

// pivotRows is of how many rows a pivot is looked for, or divided by, at a time.
const pivotRows = 1 << 14

// pivot finds the pivot of the column c, exchanges rows of the panel's columns, and
// divides what is below.
func (f *factors[T]) pivot(j, n, c int) error {
	p, err := f.largest(c)
	if err != nil {
		return err
	}
	a := f.a.view(f.env.Memory())
	f.pivots[c] = int32(p)
	by := a[c*f.lda+p]
	if by == 0 {
		if f.zero == 0 {
			f.zero = uint32(c) + 1
		}
		return nil
	}
	if p != c {
		for x := j; x < j+n; x++ {
			column := a[x*f.lda:][:f.m]
			column[c], column[p] = column[p], column[c]
		}
	}
	return f.divide(c, by)
}

// largest is in which row from c on the first number of the column c is that is the
// largest without its sign.
func (f *factors[T]) largest(c int) (at int, err error) {
	at = c
	most := T(-1)
	err = pieces(1, f.m-c, pivotRows, func(_, _, from, rows int) error {
		for i, v := range f.a.view(f.env.Memory())[c*f.lda+c+from:][:rows] {
			if v < 0 {
				v = -v
			}
			if v > most {
				most, at = v, c+from+i
			}
		}
		return f.env.Tick(uint64(rows))
	})
	return at, err
}

// divide divides what is below the pivot of the column c.
func (f *factors[T]) divide(c int, by T) error {
	normal := by >= least[T]() || -by >= least[T]()
	return pieces(1, f.m-c-1, pivotRows, func(_, _, from, rows int) error {
		below := f.a.view(f.env.Memory())[c*f.lda+c+1+from:][:rows]
		if normal {
			by := 1 / by
			for i := range below {
				below[i] *= by
			}
		} else {
			for i := range below {
				below[i] /= by
			}
		}
		return f.env.Tick(uint64(rows))
	})
}

// take takes the column c from n columns right of it, in so many rows from one on.
func (f *factors[T]) take(a []T, c, row, rows, n int) {
	panel := panelOf[T]()
	evenly := rows / panel * panel
	if evenly > 0 {
		p := product[T]{
			k: 1, a: a[(c+1)*f.lda+c:], lda: f.lda, b: a[c*f.lda+row:], step: panel, next: panel,
			c: a[(c+1)*f.lda+row:], ldc: f.lda, add: true, alpha: -1, overhang: overhang[T](f.w),
		}
		f.gemm.rectangle(&p, 0, n, 0, evenly)
	}
	from := a[c*f.lda+row:][evenly:rows]
	for y := c + 1; y <= c+n; y++ {
		by, to := a[y*f.lda+c], a[y*f.lda+row:][evenly:rows]
		for i, v := range from {
			to[i] -= by * v
		}
	}
}
