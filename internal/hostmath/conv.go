package hostmath

import (
	"bytes"
	"encoding/binary"
	"math"
)

// A convolution is MLAS' struct of the parameters of one, in two dimensions:
// the first of a pair is the height's, the second the width's.
type convolution struct {
	input, kernel, dilation, padding, stride, output [2]int
	filters, inputSize, outputSize, k                int
	beta                                             float32
	act                                              activation
}

// convSize is how long the struct is, as far as we read it.
const convSize = 124

// A lookup is the convolution that was asked for last, with what follows from
// its parameters: the same is asked for once for each channel of a picture.
type lookup struct {
	params [convSize]byte
	act    [actSize]byte
	ok     bool // these are in order and ours
	conv   convolution
	planes planes
	taps   []int // where the elements of one channel's filter begin in the planes
}

// at reads the parameters of a convolution, and says whether they are in order
// and ours.
func (l *lookup) at(mem []byte, address uint32) bool {
	p := area[float32]{address, convSize / 4}
	if !p.in(mem) {
		return false
	}
	params := mem[address:][:convSize]
	a := area[float32]{binary.LittleEndian.Uint32(params), actSize / 4}
	if !a.in(mem) {
		return false
	}
	act := mem[a.address:][:actSize]
	if l.ok && bytes.Equal(params, l.params[:]) && bytes.Equal(act, l.act[:]) {
		return true
	}
	copy(l.params[:], params)
	copy(l.act[:], act)
	if l.conv, l.ok = convolutionAt(mem, params); l.ok {
		l.planes = l.conv.planes()
		l.taps = l.planes.offsets(l.taps[:0])
	}
	return l.ok
}

// convolutionAt reads parameters, and says whether they are in order and ours.
func convolutionAt(mem, p []byte) (v convolution, ok bool) {
	u := func(at int) int { return int(min(binary.LittleEndian.Uint32(p[at:]), math.MaxInt32)) }
	pair := func(at int) [2]int { return [2]int{u(at), u(at + 4)} }
	v = convolution{
		input: pair(20), kernel: pair(32), dilation: pair(44), padding: pair(56), stride: pair(80), output: pair(96),
		filters: u(92), inputSize: u(108), outputSize: u(112), k: u(116),
		beta: math.Float32frombits(binary.LittleEndian.Uint32(p[120:])),
	}
	if v.act, ok = activationAt(mem, binary.LittleEndian.Uint32(p)); !ok {
		return v, false
	}
	const most = 1 << 14 // of a side: a product of two is far from an int's end
	for i := range 2 {
		if min(v.input[i], v.kernel[i], v.dilation[i], v.stride[i], v.output[i]) < 1 ||
			max(v.input[i], v.kernel[i], v.dilation[i], v.stride[i], v.output[i], v.padding[i]) > most {
			return v, false
		}
	}
	taps := v.kernel[0] * v.kernel[1]
	return v, u(4) == 2 && v.filters > 0 && v.filters <= maxSide && v.k > 0 && v.k <= maxSide && v.k%taps == 0 &&
		v.inputSize == v.input[0]*v.input[1] && v.outputSize == v.output[0]*v.output[1] && v.outputSize <= maxSide &&
		(v.beta == 0 || v.beta == 1)
}

// convolving is a function of MLAS of so many arguments, of which the first is the
// parameters of a convolution: they are in order and ours when do is called, in w.
func convolving(arguments int, do func(env Env, w *work, stack []uint64) (bool, error)) Func {
	return func(env Env, stack []uint64) (bool, error) {
		if len(stack) < arguments {
			return false, nil
		}
		w := newWork()
		defer w.free()
		if !w.conv.at(env.Memory(), uint32(stack[0])) {
			return false, nil
		}
		return do(env, w, stack)
	}
}

// conv is MLAS' convolution of one picture and one group,
//
//	MlasConvOperation(parameters, input, filter, bias, scratch, output, start, count)
//
// for count points of the output from start on. The guest's scratch is not used.
func (s *Set) conv(env Env, w *work, stack []uint64) (bool, error) {
	u := func(i int) uint32 { return uint32(stack[i]) }
	v, start, count := &w.conv.conv, u(6), u(7)
	if count == 0 || uint64(start)+uint64(count) > uint64(v.outputSize) {
		return false, nil
	}
	channels := v.k / (v.kernel[0] * v.kernel[1])
	in := pictures{area[float32]{u(1), uint64(channels) * uint64(v.inputSize)}, v, int(start)}
	filter := area[float32]{u(2), uint64(v.filters) * uint64(v.k)}
	bias := area[float32]{u(3), uint64(v.filters)}
	out := area[float32]{u(5), uint64(v.filters) * uint64(v.outputSize)}
	mem := env.Memory()
	if !in.in(mem) || !filter.in(mem) || !out.in(mem) || bias.address != 0 && !bias.in(mem) {
		return false, nil
	}
	if v.filters == 1 && channels == 1 && int(count) == v.outputSize && v.beta == 0 {
		if done, err := s.depthwise(env, w, in.area, filter, bias, out); done {
			return true, err
		}
	}
	if int(count) == v.outputSize && v.beta == 0 {
		if done, err := s.planar(env, w, in.area, filter, bias, out); done {
			return true, err
		}
	}
	c := area[float32]{out.address + 4*start, uint64(v.filters-1)*uint64(v.outputSize) + uint64(count)}
	return multiply(&s.gemm.gemm, env, w, &task[float32]{
		m: v.filters, n: int(count), k: v.k, alpha: 1, beta: v.beta,
		a: filter, lda: v.k, b: in, c: c, ldc: v.outputSize,
		finish: func(c []float32, i, rows, j, columns int) {
			s.finish(c, v.outputSize, biasAt(env.Memory(), bias), v.act, i, rows, j, columns)
		},
	})
}

// pictures is the factor that a convolution multiplies by: a column for each
// point of the output, with all that the kernel sees from there.
type pictures struct {
	area[float32]
	*convolution
	start int
}

func (p pictures) pack(mem []byte, to []float32, k, rows, j, columns int) {
	list := p.view(mem)
	var line [1024]float32
	for y := range rows {
		tap := (k + y) % (p.kernel[0] * p.kernel[1])
		picture := list[(k+y)/(p.kernel[0]*p.kernel[1])*p.inputSize:][:p.inputSize]
		for x := 0; x < columns; x += len(line) {
			part := line[:min(len(line), columns-x)]
			p.see(part, picture, tap/p.kernel[1], tap%p.kernel[1], p.start+j+x)
			spread(to[x*rows+y*panel:], part, rows*panel)
		}
	}
}

// see writes what one element of the kernel sees from points of the output.
func (p pictures) see(to, picture []float32, ky, kx, point int) {
	y, x := point/p.output[1], point%p.output[1]
	for len(to) > 0 {
		row := to[:min(len(to), p.output[1]-x)]
		iy := y*p.stride[0] + ky*p.dilation[0] - p.padding[0]
		if iy < 0 || iy >= p.input[0] {
			clear(row)
		} else {
			p.seeRow(row, picture[iy*p.input[1]:][:p.input[1]], x*p.stride[1]+kx*p.dilation[1]-p.padding[1])
		}
		to = to[len(row):]
		y, x = y+1, 0
	}
}

// seeRow writes every element of a row of the picture that lies a stride behind
// the one before, the first at an index that may be outside.
func (p pictures) seeRow(to, row []float32, at int) {
	stride := p.stride[1]
	for len(to) > 0 && at < 0 {
		to[0] = 0
		to, at = to[1:], at+stride
	}
	inside := 0
	if at < len(row) {
		inside = min(len(to), (len(row)-at+stride-1)/stride)
	}
	if stride == 1 && inside > 0 {
		copy(to[:inside], row[at:])
	} else {
		for i := range to[:inside] {
			to[i] = row[at]
			at += stride
		}
	}
	clear(to[inside:])
}

// im2col writes what elements of the filters see from points of the output,
//
//	MlasConvIm2Col(parameters, input, columns, k, countK, n, countN)
//
// a row for each element.
func (s *Set) im2col(env Env, w *work, stack []uint64) (bool, error) {
	u := func(i int) uint32 { return uint32(stack[i]) }
	v, k, rows, n, columns := &w.conv.conv, u(3), u(4), u(5), u(6)
	if rows == 0 || columns == 0 || uint64(k)+uint64(rows) > uint64(v.k) || uint64(n)+uint64(columns) > uint64(v.outputSize) {
		return false, nil
	}
	taps := v.kernel[0] * v.kernel[1]
	in := pictures{area[float32]{u(1), uint64((int(k)+int(rows)-1)/taps+1) * uint64(v.inputSize)}, v, int(n)}
	out := area[float32]{u(2), uint64(rows) * uint64(columns)}
	if mem := env.Memory(); !in.in(mem) || !out.in(mem) {
		return false, nil
	}
	const step = 1 << 16
	for y := range int(rows) {
		for x := 0; x < int(columns); x += step {
			mem := env.Memory()
			tap, part := (int(k)+y)%taps, min(step, int(columns)-x)
			picture := in.view(mem)[(int(k)+y)/taps*v.inputSize:][:v.inputSize]
			in.see(out.view(mem)[y*int(columns)+x:][:part], picture, tap/v.kernel[1], tap%v.kernel[1], in.start+x)
			if err := env.Tick(uint64(part)); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}
