package hostmath

import "math"

// What numpy's loops call in the module for every number is the C library's. It is
// written here once more, operation by operation, so that the bits are the same:
// float64() around a product keeps a processor from adding without rounding it. Its
// tables are read where the module has them.

// Where the numbers of the exponential function's table are.
const (
	expScale = 0 // what a step of the table is the inverse of
	expShift = 1 // makes a whole number the low bits
	expHigh  = 2 // a step, negative, in two parts
	expLow   = 3
	expPoly  = 4
	expSteps = 14 // for each step what is lost of its power, and the power
	expSize  = expSteps + 2*128
)

// oneExp is e to the power of x.
func oneExp(x float64, t []float64) float64 {
	top := uint32(math.Float64bits(x)>>52) & 0x7ff
	far := false
	if top-969 >= 63 { // not between 2^-54 and 512
		switch {
		case top < 969:
			return 1
		case top < 1033:
			far = true
		case math.Float64bits(x) == math.Float64bits(math.Inf(-1)):
			return 0
		case top == 0x7ff:
			return x + 1
		case x > 0:
			return math.Inf(1)
		default:
			return 0
		}
	}
	steps := float64(x*t[expScale]) + t[expShift]
	whole := math.Float64bits(steps)
	steps -= t[expShift]
	r := float64(steps*t[expLow]) + (float64(steps*t[expHigh]) + x)
	r2 := float64(r * r)
	at := expSteps + int(whole%128)*2
	low := float64(r2*(float64(r*t[expPoly+1])+t[expPoly])) + (t[at] + r)
	low += float64(float64(r2*r2) * (float64(r*t[expPoly+3]) + t[expPoly+2]))
	bits := math.Float64bits(t[at+1]) + whole<<45
	if far {
		return farExp(low, bits, whole)
	}
	scale := math.Float64frombits(bits)
	return float64(scale*low) + scale
}

// farExp is the last step for a result that may be too large or too small.
func farExp(low float64, bits, whole uint64) float64 {
	if whole&0x80000000 == 0 {
		scale := math.Float64frombits(bits - 1009<<52)
		return 0x1p1009 * (scale + float64(scale*low))
	}
	scale := math.Float64frombits(bits + 1022<<52)
	y := scale + float64(scale*low)
	if y < 1 {
		rest := scale - y + float64(scale*low)
		high := 1 + y
		rest = 1 - high + y + rest
		if y = high + rest - 1; y == 0 {
			y = 0
		}
	}
	return 0x1p-1022 * y
}

// Where the numbers of the logarithm's table are.
const (
	logHigh  = 0 // the logarithm of two in two parts
	logLow   = 1
	logPoly  = 2
	logNear  = 7  // polynomial for numbers near one
	logSteps = 18 // for each step an inverse, and its logarithm
	logParts = logSteps + 2*128
	logSize  = logParts + 2*128
)

// oneLog is the natural logarithm of x.
func oneLog(x float64, t []float64) float64 {
	ix := math.Float64bits(x)
	if ix-0x3fee000000000000 <= 854320534781951 {
		return nearLog(x, t)
	}
	if top := uint32(ix >> 48); top-0x10 >= 0x7ff0-0x10 {
		switch {
		case x == 0:
			return math.Inf(-1)
		case ix == math.Float64bits(math.Inf(1)):
			return x
		case top&0x8000 != 0 || top&0x7ff0 == 0x7ff0:
			none := x - x
			return none / none
		}
		ix = math.Float64bits(x*0x1p52) - 52<<52
	}
	over := ix - 0x3fe6000000000000
	at := int(over>>45&127) * 2
	k := float64(int64(over) >> 52)
	z := math.Float64frombits(ix - over&^(1<<52-1))
	r := float64((z - t[logParts+at] - t[logParts+at+1]) * t[logSteps+at])
	w := float64(k*t[logHigh]) + t[logSteps+at+1]
	high := w + r
	r2 := float64(r * r)
	y := float64(float64(r*r2) * (float64(r2*(float64(r*t[logPoly+4])+t[logPoly+3])) + (float64(r*t[logPoly+2]) + t[logPoly+1])))
	return high + (y + (float64(r2*t[logPoly]) + (float64(k*t[logLow]) + (r + (w - high)))))
}

// nearLog is the logarithm of a number near one.
func nearLog(x float64, t []float64) float64 {
	b := t[logNear:logSteps]
	r := x - 1
	w := float64(r * 0x1p27)
	part := r + w - w
	square := float64(float64(part*part) * b[0])
	high := r + square
	r2 := float64(r * r)
	r3 := float64(r * r2)
	y := float64(r3*b[10]) + (float64(r2*b[9]) + (float64(r*b[8]) + b[7]))
	y = float64(r3*y) + (float64(r2*b[6]) + (float64(r*b[5]) + b[4]))
	y = float64(r3*y) + (float64(r2*b[3]) + (float64(r*b[2]) + b[1]))
	return high + (float64(r3*y) + (float64(float64((r-part)*b[0])*(r+part)) + (square + (r - high))))
}

// The coefficients of expm1, and the logarithm of two in two parts.
const (
	expm1Q1 = -3.33333333333331316428e-02
	expm1Q2 = 1.58730158725481460165e-03
	expm1Q3 = -7.93650757867487942473e-05
	expm1Q4 = 4.00821782732936239552e-06
	expm1Q5 = -2.01099218183624371326e-07
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
)

// oneTanh is the hyperbolic tangent of x.
func oneTanh(x float64, _ []float64) float64 {
	y := math.Abs(x)
	switch bits := math.Float64bits(y); {
	case bits >= 0x4034000000000000:
		y = math.Copysign(0, -1)/y + 1
	case bits >= 0x3fe193ea00000000:
		y = 1 - 2/(expm1(y+y)+2)
	case bits >= 0x3fd058ae00000000:
		y = expm1(y + y)
		y = y / (y + 2)
	case bits >= 0x0010000000000000:
		y = expm1(-2 * y)
		y = -y / (y + 2)
	}
	return math.Float64frombits(math.Float64bits(y) ^ math.Float64bits(x)&(1<<63))
}

// expm1 is e to the power of x less one, for an x from -0.52 to 40.
func expm1(x float64) float64 {
	steps := 0.0
	switch bits := math.Float64bits(math.Abs(x)); {
	case bits < 0x3c90000000000000:
		return x
	case bits >= 0x3ff0a2b200000000:
		steps = math.Trunc(float64(x*0x1.71547652b82fep+0) + 0.5)
	case bits >= 0x3fd62e4300000000:
		steps = math.Copysign(1, x)
	}
	high, low := x-float64(steps*ln2High), float64(steps*ln2Low)
	x = high - low
	c := high - x - low
	half := float64(x * 0.5)
	square := float64(x * half)
	r := float64(square*expm1Q5) + expm1Q4
	r = float64(square*r) + expm1Q3
	r = float64(square*r) + expm1Q2
	r = float64(square*r) + expm1Q1
	r = float64(square*r) + 1
	t := 3 - float64(r*half)
	e := float64(square * ((r - t) / (6 - float64(x*t))))
	e = float64(x*(e-c)) - c - square
	k := int(steps)
	power := math.Float64frombits(uint64(1023+k) << 52)
	inverse := math.Float64frombits(uint64(1023-k) << 52)
	switch {
	case k == 0:
		return x - e
	case k == -1:
		return float64((x-e)*0.5) - 0.5
	case k == 1 && x < -0.25:
		return (e - (x + 0.5)) * -2
	case k == 1:
		return (x - e) + (x - e) + 1
	case k >= 57:
		return float64((x-e+1)*power) - 1
	case k < 20:
		return (1 - inverse + (x - e)) * power
	}
	return (x - (e + inverse) + 1) * power
}
