package model

import "math"

// Float32 is the number itself.
func (h Float16) Float32() float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch {
	case exp == 0x1f: // infinities and NaNs
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	case exp == 0: // zeros and subnormal numbers: frac * 2^-24
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(f))
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// ToFloat16 is the nearest Float16, of two the even one; beyond them an infinity.
func ToFloat16(v float64) Float16 {
	bits := math.Float64bits(v)
	sign := Float16(bits>>48) & 0x8000
	a := math.Abs(v)
	switch {
	case v != v:
		return sign | 0x7e00
	case a >= 65520: // half-way to what would come after the largest
		return sign | 0x7c00
	case a < 1.0/(1<<14): // subnormal: a multiple of 2^-24
		return sign | Float16(math.RoundToEven(a*(1<<24)))
	}
	exp := int(bits>>52)&0x7ff - 1023
	// 1 <= m < 2 in steps of 2^-10; what rounds up to 2 carries into the exponent.
	m := math.RoundToEven(math.Ldexp(a, 10-exp)) - 1024
	return sign | (Float16(exp+15)<<10 + Float16(m))
}

// Float32 is the number itself.
func (b BFloat16) Float32() float32 { return math.Float32frombits(uint32(b) << 16) }

// ToBFloat16 is the nearest BFloat16, of two the even one.
func ToBFloat16(v float64) BFloat16 {
	f := float32(v)
	bits := math.Float32bits(f)
	if f != f {
		return BFloat16(bits>>16) | 0x40
	}
	// Rounding twice: to odd first, so that the second rounding is the only one.
	if exact := float64(f); exact != v && !math.IsInf(exact, 0) {
		if math.Abs(exact) > math.Abs(v) {
			bits--
		}
		bits |= 1
	}
	return BFloat16((uint64(bits) + 0x7fff + uint64(bits>>16&1)) >> 16)
}
