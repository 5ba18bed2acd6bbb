package hostmath

import "unsafe"

// panel is how many columns a panel of float32 has.
const panel = panelSize / 4

// A run32 is a tile that finds the rows of b at offsets in bytes, one for each
// of k.
type run32 func(k int, a unsafe.Pointer, lda int, b, offsets, c unsafe.Pointer, ldc int, add int, alpha float32)

// A cuts32 adds a bias to n numbers, and cuts them to what lies between two.
type cuts32 func(n int, list unsafe.Pointer, bias, low, high float32)

// A taps32 computes n numbers, a multiple of 64, of which each is the sum of a
// bias and of weights times the numbers at offsets in bytes from its place in in.
type taps32 func(n int, out, in unsafe.Pointer, count int, offsets, weights unsafe.Pointer, bias, low, high float32)

// A rows32 copies numbers of rows, which are so many bytes apart.
type rows32 func(rows, width int, to unsafe.Pointer, toNext int, from unsafe.Pointer, fromNext int)

// A gemm32 computes on numbers of float32.
type gemm32 struct {
	gemm[float32]
	runs   [][]run32
	cuts   cuts32
	taps   taps32
	copies rows32 // all numbers of the rows
	halves rows32 // the first number, and every second after it
}
