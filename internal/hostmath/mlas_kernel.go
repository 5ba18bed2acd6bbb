package hostmath

import (
	"math"
)

// panel is how many columns of a packed matrix lie together: all of the first
// row, then all of the second and so on. MLAS packs so, and so do we.
const panel = 16

// chunk is the work between two ticks: 0.1 ms on vector units, 1 ms without.
const chunk = 1 << 21

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
	lda, ldc := uint32(stack[6]), uint32(stack[7])
	at := func() (p product32, ok bool) {
		mem := env.Memory()
		p = product32{k: int(k), lda: int(lda), ldc: int(ldc), bs: int(k) * panel, add: add}
		p.a = floats(mem, uint32(stack[0]), extent(m, k, lda))
		p.b = floats(mem, uint32(stack[1]), (uint64(n)+panel-1)/panel*panel*uint64(k))
		p.c = floats(mem, uint32(stack[2]), extent(m, n, ldc))
		p.alpha = math.Float32frombits(uint32(stack[8]))
		return p, p.a != nil && p.b != nil && p.c != nil
	}
	if _, ok := at(); !ok {
		return false, nil
	}
	// rows of one column of tiles at a time, so that B's panels stay in the cache
	columns := s.gemm.columns
	for j := 0; j < int(n); j += columns {
		width := min(columns, int(n)-j)
		step := max(1, chunk/(int(k)*width)/s.gemm.rows) * s.gemm.rows
		for i := 0; i < int(m); i += step {
			p, ok := at()
			if !ok {
				return true, nil // the memory has shrunk: no memory does
			}
			height := min(step, int(m)-i)
			s.gemm.rectangle(&p, i, height, j, width)
			if err := env.Tick(uint64(height) * uint64(width) * uint64(k)); err != nil {
				return true, err
			}
		}
	}
	stack[0] = uint64(m)
	return true, nil
}
