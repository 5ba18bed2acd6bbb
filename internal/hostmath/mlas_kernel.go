package hostmath

import "math"

// mlasKernel is MLAS' innermost function of a matrix product,
//
//	rows MlasGemmFloatKernel{Add,Zero}(A, B, C, K, M, N, lda, ldc, alpha)
//
// C = alpha A B, or C += alpha A B, with A and C by rows and B packed into
// panels. It returns how many rows it did; we do all.
func (s *Set) mlasKernel(env Env, stack []uint64, add bool) (bool, error) {
	if len(stack) < 9 {
		return false, nil
	}
	k, m, n := uint32(stack[3]), uint32(stack[4]), uint32(stack[5])
	if k > maxDepth || max(m, n, uint32(stack[6]), uint32(stack[7])) > maxSide {
		return false, nil
	}
	a := matrix[float32](uint32(stack[0]), m, k, uint32(stack[6]))
	b := area[float32]{uint32(stack[1]), (uint64(n) + panel - 1) / panel * panel * uint64(k)}
	c := matrix[float32](uint32(stack[2]), m, n, uint32(stack[7]))
	if mem := env.Memory(); !a.in(mem) || !b.in(mem) || !c.in(mem) {
		return false, nil
	}
	w := newWork()
	defer w.free()
	p := product[float32]{
		k: int(k), lda: int(uint32(stack[6])), step: panel, next: int(k) * panel, ldc: int(uint32(stack[7])),
		add: add, alpha: math.Float32frombits(uint32(stack[8])), overhang: overhang[float32](w),
	}
	err := s.gemm.parts(int(m), int(n), int(k), 1, func(i, rows, j, columns int) error {
		mem := env.Memory()
		p.a, p.b, p.c = a.view(mem), b.view(mem), c.view(mem)
		s.gemm.rectangle(&p, i, rows, j, columns)
		return env.Tick(uint64(rows) * uint64(columns) * uint64(k))
	})
	stack[0] = uint64(m)
	return true, err
}

// maxDepth bounds the sum of a tile, for a tile has no tick inside. MLAS sums
// less at a time.
const maxDepth = 4096
