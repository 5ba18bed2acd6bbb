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
func units(name string) *gemm32 {
	if name == NEON {
		return &gemm32{tiles: neonTiles(), chunk: 1 << 21}
	}
	return &gemm32{tiles: goTiles(), chunk: 1 << 20}
}
