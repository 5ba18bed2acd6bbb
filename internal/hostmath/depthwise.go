package hostmath

import "unsafe"

// block is how many numbers taps32 computes at a time.
const block = 64

// Bounds of a convolution that is done in one go, between two ticks.
const (
	mostTaps   = 64
	mostPhases = 16
)

// planes is how a picture is laid out for a convolution by one filter: with its
// padding, and, where the filter steps over points, every step's points for
// themselves. Then what an element of the filter sees lies as the output does,
// at an offset, in rows that are pitch apart.
type planes struct {
	*convolution
	rows, pitch int // of one plane
	phases      [2]int
}

func (v *convolution) planes() planes {
	p := planes{convolution: v}
	var size [2]int
	for i := range size {
		p.phases[i] = min(v.stride[i], (v.kernel[i]-1)*v.dilation[i]+1)
		size[i] = v.output[i] + (v.kernel[i]-1)*v.dilation[i]/v.stride[i]
	}
	p.rows, p.pitch = size[0], size[1]
	return p
}

// count is how many numbers all planes have.
func (p *planes) count() int { return p.phases[0] * p.phases[1] * p.rows * p.pitch }

// offset is where what an element of the filter sees begins.
func (p *planes) offset(ky, kx int) int {
	y, x := ky*p.dilation[0], kx*p.dilation[1]
	phase := y%p.stride[0]*p.phases[1] + x%p.stride[1]
	return (phase*p.rows+y/p.stride[0])*p.pitch + x/p.stride[1]
}

// offsets lists them for all elements of the sums, in bytes.
func (p *planes) offsets(w *work) {
	w.offsets = w.offsets[:0]
	for channel := range p.k / (p.kernel[0] * p.kernel[1]) {
		for ky := range p.kernel[0] {
			for kx := range p.kernel[1] {
				w.offsets = append(w.offsets, 4*(channel*p.count()+p.offset(ky, kx)))
			}
		}
	}
}

// lay writes the planes of a picture.
func (p *planes) lay(to, picture []float32) {
	see := pictures{convolution: p.convolution}
	for py := range p.phases[0] {
		for px := range p.phases[1] {
			for y := range p.rows {
				row := to[:p.pitch]
				to = to[p.pitch:]
				if iy := y*p.stride[0] + py - p.padding[0]; iy < 0 || iy >= p.input[0] {
					clear(row)
				} else {
					see.seeRow(row, picture[iy*p.input[1]:][:p.input[1]], px-p.padding[1])
				}
			}
		}
	}
}

// depthwise is a convolution of one picture by one filter. It declines what is
// too large to be done between two ticks, for which there is another way.
func (s *Set) depthwise(env Env, v *convolution, in, filter, bias, out area) (bool, error) {
	p := v.planes()
	run := (v.output[0]-1)*p.pitch + v.output[1]
	length := (run + block - 1) / block * block
	if v.k > mostTaps || p.phases[0]*p.phases[1] > mostPhases || length*v.k > s.gemm.chunk || p.count() > packed/2 || length > packed/2 {
		return false, nil
	}
	// behind the planes there is a block that is read, though nothing comes of it
	w := newWork()
	defer w.free()
	size := p.count() + block + length
	if !w.hold(env, size) {
		return false, nil
	}
	defer w.release(env)
	mem := env.Memory()
	laid, made := w.buffer[:p.count()+block], w.buffer[p.count()+block:size]
	p.lay(laid, in.view(mem))
	p.offsets(w)
	copy(w.weights[:], filter.view(mem))
	var b float32
	if bias.address != 0 {
		b = bias.view(mem)[0]
	}
	s.gemm.taps(length, unsafe.Pointer(&made[0]), unsafe.Pointer(&laid[0]), v.k, unsafe.Pointer(&w.offsets[0]), unsafe.Pointer(&w.weights[0]), b, v.act.low, v.act.high)
	c := out.view(mem)
	for y := range v.output[0] {
		copy(c[y*v.output[1]:][:v.output[1]], made[y*p.pitch:])
	}
	return true, env.Tick(uint64(length) * uint64(v.k))
}
