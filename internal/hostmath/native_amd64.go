package hostmath

import "golang.org/x/sys/cpu"

// native lists the sets of this processor, the fastest first.
func native() (names []string) {
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL && cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		names = append(names, AVX512)
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		names = append(names, AVX2)
	}
	return names
}

// units returns what the sets compute with.
func units(name string) tools {
	const chunk = 1 << 22
	switch name {
	case AVX512:
		return tools{
			gemm: &gemm32{
				gemm: gemm[float32]{tiles: avx512Tiles(), chunk: chunk, dots: avx512Dots32}, runs: avx512Runs(),
				cuts: avx512Cut, taps: avx512Taps, copies: avx2Rows, halves: avx2Halves,
			},
			gemm64: &gemm[float64]{tiles: avx512Wides(), chunk: chunk / 2, dots: avx512Dots64},
			sort32: sorter[int32]{avx512Split32, avx512Rank32},
			sort64: sorter[int64]{avx512Split64, avx512Rank64},
			loops:  loops64{avx512Exp, avx512Log, avx512Tanh},
		}
	case AVX2:
		return tools{
			gemm: &gemm32{
				gemm: gemm[float32]{tiles: avx2Tiles(), chunk: chunk, dots: avx2Dots32}, runs: avx2Runs(),
				cuts: avx2Cut, taps: avx2Taps, copies: avx2Rows, halves: avx2Halves,
			},
			gemm64: &gemm[float64]{tiles: avx2Wides(), chunk: chunk / 2, dots: avx2Dots64},
		}
	}
	return goTools()
}
