package hostmath

import (
	"encoding/binary"
	"unsafe"
)

// argsSize is how long OpenBLAS' struct of the arguments of a product is, as far
// as we read it: addresses of A, B and C, of alpha and beta, then m, n, k and the
// strides of A, B and C.
const argsSize = 48

// blasArgs are such arguments, as they are in memory.
type blasArgs [argsSize]byte

func (a *blasArgs) at(offset int) uint32 { return binary.LittleEndian.Uint32(a[offset:]) }

// most is the largest of some of them.
func (a *blasArgs) most(offsets ...int) (most uint32) {
	for _, at := range offsets {
		most = max(most, a.at(at))
	}
	return most
}

// blasArgsOf reads those of a driver that is asked for the whole, not for a range.
func blasArgsOf(mem []byte, stack []uint64) (a blasArgs, ok bool) {
	if len(stack) < 6 || uint32(stack[1]) != 0 || uint32(stack[2]) != 0 {
		return a, false
	}
	address := uint32(stack[0])
	if at := (area[float32]{address, argsSize / 4}); !at.in(mem) {
		return a, false
	}
	copy(a[:], mem[address:])
	return a, true
}

// scalar reads a number that a pointer is to; one that there is not is another.
func scalar[T number](mem []byte, address uint32, without T) (T, bool) {
	if address == 0 {
		return without, true
	}
	at := area[T]{address, 1}
	if !at.in(mem) {
		return 0, false
	}
	return at.view(mem)[0], true
}

// driver is one of OpenBLAS' drivers,
//
//	int driver(args, range_m, range_n, sa, sb, position)
//
// where it is asked for the whole of C: for a range, which is what a thread does,
// and for numbers that are not there, the guest's own is used.
func driver[T number](do func(env Env, a blasArgs, alpha, beta T) (bool, error)) Func {
	return func(env Env, stack []uint64) (bool, error) {
		mem := env.Memory()
		a, ok := blasArgsOf(mem, stack)
		if !ok {
			return false, nil
		}
		alpha, ok1 := scalar[T](mem, a.at(16), 0)
		beta, ok2 := scalar[T](mem, a.at(20), 1)
		if !ok1 || !ok2 || alpha == 0 {
			return false, nil
		}
		done, err := do(env, a, alpha, beta)
		if done {
			stack[0] = 0
		}
		return done, err
	}
}

// blasGemm is the driver of a product by columns: C = alpha op(A) op(B) + beta C. By
// rows, which is how our products go, that is C' = alpha op(B)' op(A)' + beta C'.
func blasGemm[T number](g *gemm[T], exchangeA, exchangeB bool) Func {
	return driver(func(env Env, a blasArgs, alpha, beta T) (bool, error) {
		m, n, k := a.at(24), a.at(28), a.at(32)
		if m == 0 || n == 0 || k == 0 || a.most(24, 28, 32, 36, 40, 44) > maxSide {
			return false, nil
		}
		w := newWork()
		defer w.free()
		return multiply(g, env, w, &task[T]{
			m: int(n), n: int(m), k: int(k), alpha: alpha, beta: beta,
			a: columnsOf[T](a.at(4), k, n, a.at(40), exchangeB), lda: int(a.at(40)), lift: lifting[T](exchangeB, int(a.at(40))),
			b: rightOf[T](a.at(0), m, k, a.at(36), exchangeA),
			c: matrix[T](a.at(8), n, m, a.at(44)), ldc: int(a.at(44)),
		})
	})
}

// columnsOf is the area of a matrix by columns, which may be meant exchanged.
func columnsOf[T number](address, rows, columns, stride uint32, exchanged bool) area[T] {
	if exchanged {
		return matrix[T](address, rows, columns, stride)
	}
	return matrix[T](address, columns, rows, stride)
}

// rightOf is a matrix by columns as the right side of the exchanged product.
func rightOf[T number](address, rows, columns, stride uint32, exchanged bool) factor[T] {
	at := columnsOf[T](address, rows, columns, stride, exchanged)
	if exchanged {
		return columnwise[T]{at, int(stride)}
	}
	return rowwise[T]{at, int(stride)}
}

// lifting is how the rows of a left side that lies by columns are taken.
func lifting[T number](exchanged bool, stride int) func(to, a []T, i, rows, k, deep int) {
	if !exchanged {
		return nil
	}
	return func(to, a []T, i, rows, k, deep int) { exchange(to, a[k*stride+i:], stride, deep, rows) }
}

// blasKernel is OpenBLAS' innermost function of a product by columns, from which
// its factorizations are made,
//
//	int gemm_kernel(m, n, k, alpha, A, B, C, ldc)
//
// C += alpha A B, where A and B are packed: two rows of A, or columns of B, one
// after the other, and one that is left over for itself.
func blasKernel[T number](g *gemm[T]) Func {
	return func(env Env, stack []uint64) (bool, error) {
		if len(stack) < 8 {
			return false, nil
		}
		m, n, k, ldc := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[7])
		if m == 0 || n == 0 || k == 0 || max(m, n, k, ldc) > maxSide {
			return false, nil
		}
		w := newWork()
		defer w.free()
		done, err := multiply(g, env, w, &task[T]{
			m: int(n), n: int(m), k: int(k), alpha: number64[T](stack[3]), beta: 1,
			a: area[T]{uint32(stack[5]), uint64(n) * uint64(k)},
			lift: func(to, a []T, i, rows, from, deep int) {
				for y := range rows {
					couple(to[y*deep:][:deep], a, i+y, int(n), int(k), from, 1)
				}
			},
			b: couples[T]{area[T]{uint32(stack[4]), uint64(m) * uint64(k)}, int(m), int(k)},
			c: matrix[T](uint32(stack[6]), n, m, ldc), ldc: int(ldc),
		})
		if done {
			stack[0] = 0
		}
		return done, err
	}
}

// number64 is a number of the stack.
func number64[T number](v uint64) T {
	return *(*T)(unsafe.Pointer(&v)) // the low half is the first: see littleEndian
}

// couple writes a part of one of the vectors that are packed two by two, of
// length k each, every step-th place.
func couple[T number](to, packed []T, which, vectors, k, from, step int) {
	if which == vectors-1 && vectors%2 == 1 {
		for i, v := range packed[which*k+from:][:(len(to)+step-1)/step] {
			to[i*step] = v
		}
		return
	}
	pair := packed[(which/2*2)*k+2*from+which%2:]
	for i := range (len(to) + step - 1) / step {
		to[i*step] = pair[2*i]
	}
}

// couples is a factor that is packed two by two.
type couples[T number] struct {
	area[T]
	vectors, k int
}

func (f couples[T]) pack(mem []byte, to []T, k, rows, j, columns int) {
	list, panel := f.view(mem), panelOf[T]()
	for x := 0; x < columns; x += panel {
		part, width := to[x*rows:][:rows*panel], min(panel, columns-x)
		if width < panel {
			clear(part)
		}
		for i := range width {
			couple(part[i:], list, j+x+i, f.vectors, f.k, k, panel)
		}
	}
}
