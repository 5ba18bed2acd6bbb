package hostmath

import (
	"encoding/binary"
	"unsafe"
)

// A loop64 computes a function of n numbers, a multiple of 8, with the function's
// table. Of each 8 it says in a byte which it leaves to be computed one by one.
type loop64 func(n int, to, from, table unsafe.Pointer, odd unsafe.Pointer)

// loops64 are those that there are; nil where a function is computed one by one.
type loops64 struct{ exp, log, tanh loop64 }

// What one number costs, in multiplications with an addition: as much as the
// module's own functions are charged for.
const (
	expWork  = 80
	logWork  = 80
	tanhWork = 144
)

// A function64 is a function that numpy computes of many numbers.
type function64 struct {
	single func(x float64, table []float64) float64
	many   loop64        // nil where there is none
	table  area[float64] // in the guest's memory; of none there is nothing
	work   uint64        // of one number
}

// loopChunk is how many numbers are taken at a time.
const loopChunk = 1 << 10

// numpyLoop is numpy's loop over numbers,
//
//	TYPE_function(addresses, count, strides, data)
//
// with the addresses of what is read and of what is written, and their strides.
func numpyLoop(f function64) Func {
	return func(env Env, stack []uint64) (bool, error) {
		if len(stack) < 3 {
			return false, nil
		}
		mem := env.Memory()
		places, count, strides := area[float32]{uint32(stack[0]), 2}, area[float32]{uint32(stack[1]), 1}, area[float32]{uint32(stack[2]), 2}
		if !places.in(mem) || !count.in(mem) || !strides.in(mem) || f.table.count > 0 && !f.table.in(mem) {
			return false, nil
		}
		u := func(a area[float32], i uint32) uint32 { return binary.LittleEndian.Uint32(mem[a.address+4*i:]) }
		n, step, toStep := u(count, 0), u(strides, 0), u(strides, 1)
		if n == 0 || n > maxSide || step%8 != 0 || toStep != 8 || step == 0 || step > maxSide {
			return false, nil
		}
		from, to := matrix[float64](u(places, 0), n, 1, step/8), area[float64]{u(places, 1), uint64(n)}
		if !from.in(mem) || !to.in(mem) || overlap(from, to) && !(from.address == to.address && step == 8) {
			return false, nil
		}
		if f.table.count > 0 && overlap(to, f.table) { // it would be another in the middle
			return false, nil
		}
		w := newWork()
		defer w.free()
		for i := 0; i < int(n); i += loopChunk {
			few := min(loopChunk, int(n)-i)
			f.chunk(w, env.Memory(), from, to, i, few, int(step/8))
			if err := env.Tick(uint64(few) * f.work); err != nil {
				return true, err
			}
		}
		return true, nil
	}
}

// chunk computes few of the numbers, from one on.
func (f *function64) chunk(w *work, mem []byte, from, to area[float64], i, few, step int) {
	var table []float64
	if f.table.count > 0 {
		table = f.table.view(mem)
	}
	list, into := from.view(mem)[i*step:], to.view(mem)[i:][:few]
	if f.many == nil {
		for x := range into {
			into[x] = f.single(list[x*step], table)
		}
		return
	}
	whole := (few + 7) &^ 7
	in, out := w.loop[0][:whole], w.loop[1][:whole]
	switch {
	case step == 1 && whole == few && from.address != to.address:
		in = list[:few]
	case step == 1:
		copy(in, list[:few])
	default:
		for x := range few {
			in[x] = list[x*step]
		}
	}
	clear(in[few:])
	if whole == few {
		out = into
	}
	f.many(whole, unsafe.Pointer(&out[0]), unsafe.Pointer(&in[0]), unsafe.Pointer(unsafe.SliceData(table)), unsafe.Pointer(&w.odd[0]))
	for j, odd := range w.odd[:whole/8] {
		for x := 8 * j; odd != 0; x, odd = x+1, odd>>1 {
			if odd&1 != 0 {
				out[x] = f.single(in[x], table)
			}
		}
	}
	if whole != few {
		copy(into, out)
	}
}
