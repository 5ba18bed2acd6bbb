package hostmath

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// TestDots holds sums of products against what they are, and every row's against its own, computed alone.
func TestDots(t *testing.T) {
	for _, name := range native() {
		sums := units(name).gemm64.dots
		if sums == nil {
			continue
		}
		numbers := rand.New(rand.NewPCG(1, 2))
		for k := 1; k <= 70; k++ {
			for rows := 1; rows <= 19; rows++ {
				lda := k + rows%3
				a, x, to, alone := make([]float64, rows*lda), make([]float64, k), make([]float64, rows), make([]float64, 1)
				for i := range a {
					a[i] = numbers.NormFloat64()
				}
				for i := range x {
					x[i] = numbers.NormFloat64()
				}
				sums(rows, k, unsafe.Pointer(&a[0]), lda*8, unsafe.Pointer(&x[0]), unsafe.Pointer(&to[0]))
				for r := range rows {
					sums(1, k, unsafe.Pointer(&a[r*lda]), lda*8, unsafe.Pointer(&x[0]), unsafe.Pointer(&alone[0]))
					if to[r] != alone[0] {
						t.Fatalf("%s: row %d of %d by %d: %v, alone %v", name, r, rows, k, to[r], alone[0])
					}
					want, size := 0.0, 0.0
					for i, v := range x {
						want += a[r*lda+i] * v
						size += math.Abs(a[r*lda+i] * v)
					}
					if math.Abs(to[r]-want) > 1e-15*size*float64(k) {
						t.Fatalf("%s: row %d of %d by %d: %v, not %v", name, r, rows, k, to[r], want)
					}
				}
			}
		}
	}
}
