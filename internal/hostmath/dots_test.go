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
		u := units(name)
		t.Run(name, func(t *testing.T) {
			testDots(t, u.gemm64, 1e-15)
			testDots(t, &u.gemm.gemm, 5e-7)
		})
	}
}

func testDots[T number](t *testing.T, g *gemm[T], near float64) {
	if g.dots == nil {
		t.Skip("NOT TESTED: this set has none")
	}
	numbers, size := rand.New(rand.NewPCG(1, 2)), sizeOf[T]()
	some := func(n int) []T {
		list := make([]T, n)
		for i := range list {
			list[i] = T(numbers.NormFloat64())
		}
		return list
	}
	for k := 1; k <= 70; k++ {
		for rows := 1; rows <= 19; rows++ {
			lda := k + rows%3
			a, x, to, alone := some((rows-1)*lda+k), some(k), make([]T, rows), make([]T, 1)
			g.dots(rows, k, unsafe.Pointer(&a[0]), lda*size, unsafe.Pointer(&x[0]), unsafe.Pointer(&to[0]))
			for r := range rows {
				g.dots(1, k, unsafe.Pointer(&a[r*lda]), lda*size, unsafe.Pointer(&x[0]), unsafe.Pointer(&alone[0]))
				if to[r] != alone[0] {
					t.Fatalf("row %d of %d by %d: %v, alone %v", r, rows, k, to[r], alone[0])
				}
				want, most := 0.0, 0.0
				for i, v := range x {
					want += float64(a[r*lda+i]) * float64(v)
					most += math.Abs(float64(a[r*lda+i]) * float64(v))
				}
				if math.Abs(float64(to[r])-want) > near*most*float64(k) {
					t.Fatalf("row %d of %d by %d: %v, not %v", r, rows, k, to[r], want)
				}
			}
		}
	}
}
