package hostmath

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// expTable is a table as the C library's is, with the coefficients of the series.
func expTable() []float64 {
	t := make([]float64, expSize)
	t[expScale], t[expShift] = 128/math.Ln2, 0x1.8p52
	step := new(big.Float).SetPrec(200).Quo(ln2(), big.NewFloat(128))
	t[expHigh] = -math.Float64frombits(math.Float64bits(float(step)) &^ (1<<17 - 1))
	t[expLow] = -float(new(big.Float).Add(step, big.NewFloat(t[expHigh])))
	copy(t[expPoly:], []float64{1. / 2, 1. / 6, 1. / 24, 1. / 120})
	root := big.NewFloat(2).SetPrec(200)
	for range 7 {
		root.Sqrt(root)
	}
	power := big.NewFloat(1).SetPrec(200)
	for i := range uint64(128) {
		near := float(power)
		t[expSteps+2*i] = float(new(big.Float).SetPrec(200).Sub(new(big.Float).SetPrec(200).Quo(power, big.NewFloat(near)), big.NewFloat(1)))
		t[expSteps+2*i+1] = math.Float64frombits(math.Float64bits(near) - i<<45)
		power.Mul(power, root)
	}
	return t
}

// logTable is the same for the logarithm.
func logTable() []float64 {
	t := make([]float64, logSize)
	t[logHigh] = math.Float64frombits(math.Float64bits(math.Ln2) &^ (1<<12 - 1))
	t[logLow] = float(new(big.Float).Sub(ln2(), big.NewFloat(t[logHigh])))
	copy(t[logPoly:], []float64{-1. / 2, 1. / 3, -1. / 4, 1. / 5, -1. / 6})
	for i := range logSteps - logNear {
		t[logNear+i] = math.Copysign(1, float64(i%2)-0.5) / float64(i+2)
	}
	for i := range 128 {
		c := math.Float64frombits(0x3fe6000000000000 + uint64(i)<<45 + 1<<44)
		t[logSteps+2*i], t[logSteps+2*i+1] = 1/c, math.Log(c)
		t[logParts+2*i] = c
	}
	return t
}

func float(v *big.Float) float64 { f, _ := v.Float64(); return f }

// ln2 is the logarithm of two: a sum of inverses of powers.
func ln2() *big.Float {
	sum, power := new(big.Float).SetPrec(200), big.NewFloat(1).SetPrec(200)
	for i := range 200 {
		power.Quo(power, big.NewFloat(2))
		sum.Add(sum, new(big.Float).SetPrec(200).Quo(power, big.NewFloat(float64(i+1))))
	}
	return sum
}

// apart is how many numbers are between two.
func apart(x, y float64) uint64 {
	if x != x || y != y {
		if x != x && y != y {
			return 0
		}
		return math.MaxUint64
	}
	i, j := int64(math.Float64bits(x)), int64(math.Float64bits(y))
	if i < 0 {
		i = math.MinInt64 - i
	}
	if j < 0 {
		j = math.MinInt64 - j
	}
	return uint64(max(i-j, j-i))
}

// drawn are numbers of which functions think differently.
func drawn(r *rand.Rand, n int) []float64 {
	list := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0xfff0000000001234), 5e-324, 1, -1, 0x1p-54, 0x1p-55,
		512, -512, 709.78, 709.79, -708.4, -745.13, -745.14, 1024, -1024, 20, -20, 0.5493, 0.2554, 0.17328, 0.34657, 0.51986, 1.0397, 28.37, 28.5, 19.99, 6.58, 6.93, 13.5}
	for len(list) < n {
		v := r.NormFloat64()
		switch r.IntN(6) {
		case 0:
			v = math.Float64frombits(r.Uint64())
		case 1:
			v *= 300
		case 2:
			v *= 10
		case 3:
			v = 1 + v/30
		case 4:
			v = math.Abs(v)
		}
		list = append(list, v)
	}
	return list
}

// TestLoops holds every loop against its function, bit by bit, and that against Go's.
func TestLoops(t *testing.T) {
	list := drawn(rand.New(rand.NewPCG(3, 4)), 400_000)
	for _, name := range Available() {
		set := newSet(name)
		for _, f := range []struct {
			name   string
			many   loop64
			single func(float64, []float64) float64
			table  []float64
			is     func(float64) float64
			most   uint64
		}{
			{"exp", set.loops.exp, oneExp, expTable(), math.Exp, 2},
			{"log", set.loops.log, oneLog, logTable(), math.Log, 64},
			{"tanh", set.loops.tanh, oneTanh, nil, math.Tanh, 3},
		} {
			out, odd := make([]float64, len(list)), make([]byte, len(list)/8)
			if f.many == nil {
				for i, x := range list {
					out[i] = f.single(x, f.table)
				}
			} else {
				f.many(len(list), unsafe.Pointer(&out[0]), unsafe.Pointer(&list[0]), unsafe.Pointer(unsafe.SliceData(f.table)), unsafe.Pointer(&odd[0]))
			}
			left := 0
			for i, x := range list {
				if odd[i/8]>>(i%8)&1 != 0 {
					out[i] = f.single(x, f.table)
					left++
				}
				if want := f.single(x, f.table); math.Float64bits(out[i]) != math.Float64bits(want) && (want == want || out[i] == out[i]) {
					t.Fatalf("%s: %s(%x) = %x, want %x", name, f.name, x, out[i], want)
				}
				if math.Abs(x) > 709 && f.name == "exp" || math.Abs(x) < 0x1p-1022 && f.name == "log" {
					continue // Go's are wrong
				}
				if want := f.is(x); apart(out[i], want) > f.most && math.Abs(out[i]-want) > 0x1p-50*float64(f.most) {
					t.Fatalf("%s: %s(%x) = %x, and Go has %x", name, f.name, x, out[i], want)
				}
			}
			if left > len(list)/2 {
				t.Errorf("%s: %s leaves %d of %d", name, f.name, left, len(list))
			}
		}
	}
}

// flat is a guest that is never stopped.
type flat []byte

func (f flat) Memory() []byte  { return f }
func (flat) Tick(uint64) error { return nil }
func (flat) Hold(int64) bool   { return true }

// TestLoopStrides has a loop read every so many numbers, and write where it reads.
func TestLoopStrides(t *testing.T) {
	mem := make(flat, 1<<16)
	put := func(list ...uint32) {
		for i, v := range list {
			binary.LittleEndian.PutUint32(mem[4*i:], v)
		}
	}
	at := func(address, i int) float64 {
		return math.Float64frombits(binary.LittleEndian.Uint64(mem[address+8*i:]))
	}
	for _, name := range Available() {
		tanh := newSet(name).Func("numpy.tanh-f64")
		for i, c := range []struct {
			from, to, count, step uint32
			done                  bool
		}{
			{1024, 16384, 1000, 8, true}, {1024, 1024, 1021, 8, true}, {1024, 32768, 777, 24, true}, {1024, 1032, 10, 8, false},
			{1024, 1024, 10, 16, false}, {1024, 16384, 10, 0, false}, {1024, 16384, 10, 12, false}, {1020, 16384, 10, 8, false}, {1024, 1<<16 - 8, 2, 8, false},
		} {
			for i := range 8000 {
				binary.LittleEndian.PutUint64(mem[8*i:], math.Float64bits(float64(i)/1000))
			}
			put(c.from, c.to, c.count, 0, c.step, 8)
			before := slices.Clone(mem)
			done, err := tanh(mem, []uint64{0 | 7<<32, 8, 16})
			if done != c.done || err != nil {
				t.Fatalf("%s: case %d = %v, %v", name, i, done, err)
			}
			for j := range int(c.count) {
				if !done {
					break
				}
				was := math.Float64frombits(binary.LittleEndian.Uint64(before[c.from+uint32(j)*c.step:]))
				if got := at(int(c.to), j); got != oneTanh(was, nil) {
					t.Fatalf("%s: case %d: number %d is %g of %g", name, i, j, got, was)
				}
				copy(before[int(c.to)+8*j:], mem[int(c.to)+8*j:][:8])
			}
			if !slices.Equal(before, mem) {
				t.Fatalf("%s: case %d has written elsewhere", name, i)
			}
		}
	}
}

func BenchmarkLoops(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	in, out, odd := make([]float64, 1024), make([]float64, 1024), make([]byte, 128)
	for i := range in {
		in[i] = math.Abs(r.NormFloat64())
	}
	for _, name := range Available() {
		set := newSet(name)
		for _, f := range []struct {
			name  string
			f     function64
			table []float64
		}{{"exp", function64{single: oneExp, many: set.loops.exp}, expTable()}, {"log", function64{single: oneLog, many: set.loops.log}, logTable()}, {"tanh", function64{single: oneTanh, many: set.loops.tanh}, nil}} {
			b.Run(name+"/"+f.name, func(b *testing.B) {
				for b.Loop() {
					if f.f.many != nil {
						f.f.many(len(in), unsafe.Pointer(&out[0]), unsafe.Pointer(&in[0]), unsafe.Pointer(unsafe.SliceData(f.table)), unsafe.Pointer(&odd[0]))
						continue
					}
					for i, x := range in {
						out[i] = f.f.single(x, f.table)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/number")
			})
		}
	}
}
