package hostmath

import "math"

// What a call of CBLAS calls a matrix that is meant as it lies, and one that is
// meant with rows and columns exchanged.
const (
	asItLies   = 111
	transposed = 112
)

// sgemm is MLAS' product of matrices in general,
//
//	MlasSgemmOperation(opA, opB, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc)
func (s *Set) sgemm(env Env, stack []uint64) (bool, error) {
	if len(stack) < 13 {
		return false, nil
	}
	u := func(i int) uint32 { return uint32(stack[i]) }
	m, n, k, opA, opB := u(2), u(3), u(4), u(0), u(1)
	if m == 0 || n == 0 || k == 0 || max(m, n, k, u(7), u(9), u(12)) > maxSide || opA-asItLies > 1 || opB-asItLies > 1 {
		return false, nil
	}
	t := task[float32]{
		m: int(m), n: int(n), k: int(k), alpha: math.Float32frombits(u(5)), beta: math.Float32frombits(u(10)),
		lda: int(u(7)), lift: lifting[float32](opA == transposed, int(u(7))), c: matrix[float32](u(11), m, n, u(12)), ldc: int(u(12)),
	}
	if opA == transposed {
		t.a = matrix[float32](u(6), k, m, u(7))
	} else {
		t.a = matrix[float32](u(6), m, k, u(7))
	}
	if opB == transposed {
		t.b = columnwise[float32]{matrix[float32](u(8), n, k, u(9)), int(u(9))}
	} else {
		t.b = rowwise[float32]{matrix[float32](u(8), k, n, u(9)), int(u(9))}
	}
	w := newWork()
	defer w.free()
	return multiply(&s.gemm.gemm, env, w, &t)
}
