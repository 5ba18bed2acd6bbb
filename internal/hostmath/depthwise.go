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

// offsets lists them for all elements of one channel's filter, in bytes. There
// are none when that is too large for planes anyway.
func (p *planes) offsets(list []int) []int {
	if p.kernel[0]*p.kernel[1] > mostSums {
		return list
	}
	for ky := range p.kernel[0] {
		for kx := range p.kernel[1] {
			list = append(list, 4*p.offset(ky, kx))
		}
	}
	return list
}

// lay writes the planes of a picture.
func (p *planes) lay(g *gemm32, to, picture []float32) {
	clear(to[:p.count()])
	for py := range p.phases[0] {
		top, bottom := p.inside(0, py, p.rows)
		for px := range p.phases[1] {
			left, right := p.inside(1, px, p.pitch)
			if top < bottom && left < right {
				from := (top*p.stride[0]+py-p.padding[0])*p.input[1] + left*p.stride[1] + px - p.padding[1]
				p.copy(g, bottom-top, right-left, to[top*p.pitch+left:], p.pitch, picture[from:], p.stride[0]*p.input[1], p.stride[1])
			}
			to = to[p.rows*p.pitch:]
		}
	}
}

// inside gives the first of a plane's rows or columns that comes from the
// picture, and the first behind them that does not.
func (p *planes) inside(side, phase, size int) (first, end int) {
	stride, before := p.stride[side], p.padding[side]-phase
	if before > 0 {
		first = (before + stride - 1) / stride
	}
	return first, min(size, max(0, p.input[side]+before+stride-1)/stride)
}

// copy copies every step-th number of rows. What it reads and writes lies in the
// slices, as indexing their last numbers makes sure.
func (p *planes) copy(g *gemm32, rows, width int, to []float32, toNext int, from []float32, fromNext, step int) {
	_, _ = to[(rows-1)*toNext+width-1], from[(rows-1)*fromNext+(width-1)*step]
	switch step {
	case 1:
		g.copies(rows, width, unsafe.Pointer(&to[0]), 4*toNext, unsafe.Pointer(&from[0]), 4*fromNext)
	case 2:
		g.halves(rows, width, unsafe.Pointer(&to[0]), 4*toNext, unsafe.Pointer(&from[0]), 4*fromNext)
	default:
		for y := range rows {
			for x := range width {
				to[y*toNext+x] = from[y*fromNext+x*step]
			}
		}
	}
}

// depthwise is a convolution of one picture by one filter. It declines what is
// too large to be done between two ticks, for which there is another way.
func (s *Set) depthwise(env Env, w *work, in, filter, bias, out area[float32]) (bool, error) {
	p, v := &w.conv.planes, &w.conv.conv
	run := (v.output[0]-1)*p.pitch + v.output[1]
	length := (run + block - 1) / block * block
	if v.k > mostTaps || p.phases[0]*p.phases[1] > mostPhases || length*v.k > s.gemm.chunk || p.count() > packed/2 || length > packed/2 {
		return false, nil
	}
	// behind the planes there is a block that is read, though nothing comes of it
	size := p.count() + block + length
	buffer := hold[float32](w, env, size)
	if buffer == nil {
		return false, nil
	}
	defer w.release(env)
	mem := env.Memory()
	laid, made := buffer[:p.count()+block], buffer[p.count()+block:]
	p.lay(s.gemm, laid, in.view(mem))
	copy(w.weights[:], filter.view(mem))
	var b float32
	if bias.address != 0 {
		b = bias.view(mem)[0]
	}
	s.gemm.taps(length, unsafe.Pointer(&made[0]), unsafe.Pointer(&laid[0]), v.k, unsafe.Pointer(&w.conv.taps[0]), unsafe.Pointer(&w.weights[0]), b, v.act.low, v.act.high)
	c := out.view(mem)
	p.copy(s.gemm, v.output[0], v.output[1], c, v.output[1], made, p.pitch, 1)
	return true, env.Tick(uint64(length) * uint64(v.k))
}
