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
	return symmetric(g, lower, exchanged, false)
}

// blasSyr2k is that of C = alpha (A B' + B A') + beta C, or C = alpha (A' B + B' A) + beta C.
func blasSyr2k[T number](g *gemm[T], lower, exchanged bool) Func {
	return symmetric(g, lower, exchanged, true)
}

func symmetric[T number](g *gemm[T], lower, exchanged, two bool) Func {
	return driver(func(env Env, a blasArgs, alpha, beta T) (bool, error) {
		n, k := a.at(28), a.at(32)
		if n == 0 || k == 0 || a.most(28, 32, 36, 44) > maxSide || two && a.at(40) > maxSide {
			return false, nil
		}
		t := triangle[T]{
			gemm: g, env: env, w: newWork(), lower: lower, exchanged: exchanged, n: int(n), k: int(k), alpha: alpha, beta: beta,
			a: vectorsOf[T](a.at(0), n, k, a.at(36), exchanged), c: matrix[T](a.at(8), n, n, a.at(44)), ldc: int(a.at(44)),
		}
		t.b = t.a
		if two {
			t.b = vectorsOf[T](a.at(4), n, k, a.at(40), exchanged)
		}
		defer t.w.free()
		mem := env.Memory()
		if !t.a.in(mem) || !t.b.in(mem) || !t.c.in(mem) || two && !(t.apart(t.a) && t.apart(t.b)) ||
			hold[T](t.w, env, packed+depth*(partRows+panelOf[T]())) == nil {
			return false, nil
		}
		defer t.w.release(env)
		err := t.do()
		if two && err == nil {
			t.a, t.b, t.beta = t.b, t.a, 1
			err = t.do()
		}
		return true, err
	})
}

// vectors are what is multiplied: the rows of a matrix by columns, or its columns.
type vectors[T number] struct {
	area[T]
	width, stride int // of a column
}

func vectorsOf[T number](address, n, k, stride uint32, exchanged bool) vectors[T] {
	if exchanged {
		return vectors[T]{matrix[T](address, n, k, stride), int(k), int(stride)}
	}
	return vectors[T]{matrix[T](address, k, n, stride), int(n), int(stride)}
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
	a, b             vectors[T] // b is a where there is but one
	c                area[T]
	ldc              int
}

// apart says whether C is nowhere where vectors are.
func (t *triangle[T]) apart(v vectors[T]) bool {
	return disjoint(v.area, v.width, v.stride, t.c, t.n, t.ldc)
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
	p := task[T]{m: width, n: count, k: t.k, alpha: t.alpha, beta: t.beta, lda: t.a.stride, ldc: t.ldc}
	left, right := t.some(t.a, j, width), t.some(t.b, i, count)
	p.a, p.lift = left, lifting[T](!t.exchanged, t.a.stride)
	if t.exchanged {
		p.b = columnwise[T]{right, t.b.stride}
	} else {
		p.b = rowwise[T]{right, t.b.stride}
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

// some is the area of some of the vectors that are multiplied.
func (t *triangle[T]) some(v vectors[T], first, count int) area[T] {
	if t.exchanged {
		return part(v.area, first*v.stride, (count-1)*v.stride+t.k)
	}
	return part(v.area, first, (t.k-1)*v.stride+count)
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
