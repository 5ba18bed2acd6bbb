package hostmath

import "golang.org/x/sys/cpu"

// native lists the sets of this processor.
func native() []string {
	if cpu.ARM64.HasASIMD {
		return []string{NEON}
	}
	return nil
}

// units returns what the sets compute with.
func units(name string) tools {
	const chunk = 1 << 21
	if name == NEON {
		return tools{
			gemm: &gemm32{
				gemm: gemm[float32]{tiles: neonTiles(), chunk: chunk}, runs: neonRuns(),
				cuts: neonCut, taps: neonTaps, copies: neonRows, halves: neonHalves,
			},
			gemm64: &gemm[float64]{tiles: neonWides(), chunk: chunk / 2},
		}
	}
	return goTools()
}
