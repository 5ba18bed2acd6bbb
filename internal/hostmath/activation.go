package hostmath

import (
	"math"
	"unsafe"
)

// Kinds of activations, as MLAS numbers them.
const (
	identity = 0
	relu     = 1
	clip     = 5
)

// An activation is what is done to the numbers of a row after their bias is
// added: they are cut to what lies between two bounds. NaN stays NaN.
type activation struct{ low, high float32 }

// actSize is how long MLAS' struct of an activation is: its kind, two numbers.
const actSize = 12

// activationAt reads an activation. Those that are not a cut are not ours.
func activationAt(mem []byte, address uint32) (activation, bool) {
	at := area[float32]{address, actSize / 4}
	if !at.in(mem) {
		return activation{}, false
	}
	p := at.view(mem)
	low, high := float32(math.Inf(-1)), float32(math.Inf(1))
	switch math.Float32bits(p[0]) {
	case identity:
	case relu:
		low = 0
	case clip:
		low, high = p[1], p[2]
	default:
		return activation{}, false
	}
	return activation{low, high}, low <= high
}

// activation is MLAS' pass over a result,
//
//	MlasActivation(activation, C, bias, M, N, ldc)
//
// where bias has a number for each row, or is null.
func (s *Set) activation(env Env, stack []uint64) (bool, error) {
	if len(stack) < 6 {
		return false, nil
	}
	m, n, ldc := uint32(stack[3]), uint32(stack[4]), uint32(stack[5])
	mem := env.Memory()
	act, ok := activationAt(mem, uint32(stack[0]))
	c, bias := matrix[float32](uint32(stack[1]), m, n, ldc), area[float32]{uint32(stack[2]), uint64(m)}
	if !ok || !c.in(mem) || bias.address != 0 && !bias.in(mem) || max(m, n, ldc) > maxSide {
		return false, nil
	}
	if act == (activation{float32(math.Inf(-1)), float32(math.Inf(1))}) && bias.address == 0 {
		return true, nil
	}
	width := min(int(n), s.gemm.chunk/8)
	rows := max(1, s.gemm.chunk/8/width)
	for j := 0; j < int(n); j += width {
		for i := 0; i < int(m); i += rows {
			mem := env.Memory()
			height, columns := min(rows, int(m)-i), min(width, int(n)-j)
			s.finish(c.view(mem), int(ldc), biasAt(mem, bias), act, i, height, j, columns)
			if err := env.Tick(uint64(height) * uint64(columns)); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

// biasAt gives the numbers of a bias, or nil for null.
func biasAt(mem []byte, bias area[float32]) []float32 {
	if bias.address == 0 {
		return nil
	}
	return bias.view(mem)
}

// finish adds a bias to every row of a part of C, and cuts.
func (s *Set) finish(c []float32, ldc int, bias []float32, act activation, i, rows, j, columns int) {
	for y := i; y < i+rows; y++ {
		b := float32(math.Copysign(0, -1)) // changes nothing
		if bias != nil {
			b = bias[y]
		}
		s.gemm.cut(c[y*ldc+j:][:columns], b, act)
	}
}

// cut adds a bias to numbers and cuts them.
func (g *gemm32) cut(list []float32, bias float32, act activation) {
	g.cuts(len(list), unsafe.Pointer(&list[0]), bias, act.low, act.high)
}
