package hostmath

import "unsafe"

// Bounds of a convolution over planes: its scratch, and the length of its sums.
const (
	mostPlanes = 1 << 20
	mostSums   = 1 << 15
)

// planar is a convolution of one picture by many filters. What every element of
// the filters sees is a run of a plane, so that a product's rows need not be
// copied together: they are where the planes have them. The output comes in rows
// that are as far apart as the planes' and is copied without what is between.
func (s *Set) planar(env Env, w *work, in, filter, bias, out area[float32]) (bool, error) {
	p, v := &w.conv.planes, &w.conv.conv
	channels := v.k / (v.kernel[0] * v.kernel[1])
	run := (v.output[0]-1)*p.pitch + v.output[1]
	if v.k > mostSums || p.phases[0]*p.phases[1] > mostPhases || uint64(channels)*uint64(p.count()) > mostPlanes || p.count() > packed {
		return false, nil
	}
	unit := s.gemm.columns()
	wide := min((run+panel-1)/panel*panel, max(unit, packed/v.filters/unit*unit))
	laid := channels*p.count() + unit // what is behind is read, though nothing comes of it
	if v.filters*unit > packed {
		return false, nil
	}
	buffer := hold[float32](w, env, laid+v.filters*wide+2*v.k) // the offsets, too
	if buffer == nil {
		return false, nil
	}
	defer w.release(env)
	w.offsets = w.offsets[:0]
	for ch := range channels {
		for _, at := range w.conv.taps {
			w.offsets = append(w.offsets, at+4*ch*p.count())
		}
	}
	c := planar{s, env, p, buffer[:laid], buffer[laid:][:v.filters*wide], w.offsets, wide, filter, bias, out}
	if err := c.lay(channels, in); err != nil {
		return true, err
	}
	for j := 0; j < run; j += wide {
		if err := c.columns(j, min(wide, run-j)); err != nil {
			return true, err
		}
	}
	return true, nil
}

// A planar is a convolution over planes that is being done.
type planar struct {
	set               *Set
	env               Env
	planes            *planes
	laid, made        []float32
	offsets           []int
	wide              int
	filter, bias, out area[float32]
}

// lay lays the planes of all channels.
func (c *planar) lay(channels int, in area[float32]) error {
	size, step := c.planes.inputSize, max(1, c.set.gemm.chunk/16/c.planes.count())
	for i := 0; i < channels; i += step {
		pictures := in.view(c.env.Memory())
		last := min(i+step, channels)
		for ch := i; ch < last; ch++ {
			c.planes.lay(c.set.gemm, c.laid[ch*c.planes.count():], pictures[ch*size:][:size])
		}
		if err := c.env.Tick(uint64(last-i) * uint64(c.planes.count())); err != nil {
			return err
		}
	}
	return nil
}

// columns computes columns of the output from j on.
func (c *planar) columns(j, columns int) error {
	m, k, gemm := c.planes.filters, c.planes.k, c.set.gemm
	for from := 0; from < k; from += depth {
		deep := min(depth, k-from)
		err := gemm.parts(m, columns, deep, 1, func(i, rows, x, width int) error {
			filter := c.filter.view(c.env.Memory())
			c.rectangle(filter[i*k+from:], deep, from, i, rows, j, x, width)
			return c.env.Tick(uint64(rows) * uint64(width) * uint64(deep))
		})
		if err != nil {
			return err
		}
	}
	c.put(j, columns)
	return c.env.Tick(uint64(m) * uint64(columns))
}

// rectangle adds products of some of the sums' elements to a part of the made.
func (c *planar) rectangle(a []float32, deep, from, i, rows, j, x, width int) {
	k, gemm := c.planes.k, c.set.gemm
	add := min(from, 1)
	offsets := c.offsets[from : from+deep]
	for right := x + width; x < right; {
		panels := (min(right-x, gemm.columns()) + panel - 1) / panel
		b := c.laid[j+x:]
		_ = b[offsets[0]/4+panels*panel-1]
		for y := 0; y < rows; y += gemm.rows() {
			height := min(gemm.rows(), rows-y)
			to := c.made[(i+y)*c.wide+x : (i+y+height-1)*c.wide+x+panels*panel]
			of := a[y*k : (y+height-1)*k+deep]
			gemm.runs[panels-1][height](deep, unsafe.Pointer(&of[0]), k*4, unsafe.Pointer(&b[0]), unsafe.Pointer(&offsets[0]), unsafe.Pointer(&to[0]), c.wide*4, add, 1)
		}
		x += panels * panel
	}
}

// put writes what was made to the output, with bias and activation.
func (c *planar) put(j, columns int) {
	p, mem := c.planes, c.env.Memory()
	out, bias := c.out.view(mem), biasAt(mem, c.bias)
	for f := range p.filters {
		made, to := c.made[f*c.wide:][:columns], out[f*p.outputSize:][:p.outputSize]
		first, last := len(to), 0
		for y := j / p.pitch; y*p.pitch < j+columns && y < p.output[0]; y++ {
			from, end := max(j, y*p.pitch), min(j+columns, y*p.pitch+p.output[1])
			if from >= end {
				continue
			}
			at := y*p.output[1] + from - y*p.pitch
			copy(to[at:], made[from-j:end-j])
			first, last = min(first, at), at+end-from
		}
		if first < last {
			c.set.finish(to, 0, bias[min(f, len(bias)):], p.act, 0, 1, first, last-first)
		}
	}
}
