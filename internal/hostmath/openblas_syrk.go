package hostmath

import (
	"errors"
	"unsafe"
)

// blockSide is how many columns of a triangle are done at a time.
const blockSide = 64

// errTorn is told when a call could not end what it had begun. Nothing that a
// guest does leads there: its memory does not shrink, and scratch is held before.
var errTorn = errors.New("a product of a triangle was left half done")

// blasSyrk is the driver of a matrix times itself, of which a triangle is wanted:
// C = alpha A A' + beta C, or exchanged C = alpha A' A + beta C.
func blasSyrk[T number](g *gemm[T], lower, exchanged bool) Func {
	return driver(func(env Env, a blasArgs, alpha, beta T) (bool, error) {
		n, k := a.at(28), a.at(32)
		if n == 0 || k == 0 || a.most(28, 32, 36, 44) > maxSide {
			return false, nil
		}
		t := triangle[T]{
			gemm: g, env: env, w: newWork(), lower: lower, exchanged: exchanged, n: int(n), k: int(k), alpha: alpha, beta: beta,
			lda: int(a.at(36)), c: matrix[T](a.at(8), n, n, a.at(44)), ldc: int(a.at(44)),
		}
		defer t.w.free()
		if exchanged {
			t.a = matrix[T](a.at(0), n, k, a.at(36))
		} else {
			t.a = matrix[T](a.at(0), k, n, a.at(36))
		}
		mem := env.Memory()
		if !t.a.in(mem) || !t.c.in(mem) || hold[T](t.w, env, packed+depth*(partRows+panelOf[T]())) == nil {
			return false, nil
		}
		defer t.w.release(env)
		return true, t.do()
	})
}

// A triangle is such a product that is being done. By rows, C' is the other
// triangle of a product of the vectors with themselves.
type triangle[T number] struct {
	gemm             *gemm[T]
	env              Env
	w                *work
	lower, exchanged bool
	n, k             int
	alpha, beta      T
	a                area[T]
	lda              int
	c                area[T]
	ldc              int
}

// do does a block of columns at a time: what is beside the diagonal in one
// product, and a square on it beside the matrix.
func (t *triangle[T]) do() error {
	for j := 0; j < t.n; j += blockSide {
		width := min(blockSide, t.n-j)
		first, count := 0, j
		if t.lower {
			first, count = j+width, t.n-j-width
		}
		if count > 0 {
			if err := t.product(j, width, first, count, nil); err != nil {
				return err
			}
		}
		square := unsafe.Slice((*T)(unsafe.Pointer(&t.w.block[0])), width*width)
		if err := t.product(j, width, j, width, square); err != nil {
			return err
		}
		t.diagonal(j, width, square)
	}
	return nil
}

// product multiplies width vectors from j on with count from i on.
func (t *triangle[T]) product(j, width, i, count int, into []T) error {
	p := task[T]{m: width, n: count, k: t.k, alpha: t.alpha, beta: t.beta, lda: t.lda, ldc: t.ldc}
	left, right := t.vectors(j, width), t.vectors(i, count)
	p.a, p.lift = left, lifting[T](!t.exchanged, t.lda)
	if t.exchanged {
		p.b = columnwise[T]{right, t.lda}
	} else {
		p.b = rowwise[T]{right, t.lda}
	}
	if into != nil {
		p.into, p.ldc, p.beta = into, width, 0
	} else {
		p.c = part(t.c, j*t.ldc+i, (width-1)*t.ldc+count)
	}
	done, err := multiply(t.gemm, t.env, t.w, &p)
	if err == nil && !done {
		err = errTorn
	}
	return err
}

// vectors is the area of some of the vectors that are multiplied: the rows of A,
// or its columns.
func (t *triangle[T]) vectors(first, count int) area[T] {
	if t.exchanged {
		return part(t.a, first*t.lda, (count-1)*t.lda+t.k)
	}
	return part(t.a, first, (t.k-1)*t.lda+count)
}

// part is a part of an area.
func part[T number](a area[T], from, count int) area[T] {
	return area[T]{a.address + uint32(from*sizeOf[T]()), uint64(count)}
}

// diagonal adds the triangle of a square to that of C.
func (t *triangle[T]) diagonal(j, width int, square []T) {
	c := t.c.view(t.env.Memory())
	for y := range width {
		from, end := 0, y+1
		if t.lower {
			from, end = y, width
		}
		to := c[(j+y)*t.ldc+j:]
		for x := from; x < end; x++ {
			if t.beta == 0 {
				to[x] = square[y*width+x]
			} else {
				to[x] = t.beta*to[x] + square[y*width+x]
			}
		}
	}
}
