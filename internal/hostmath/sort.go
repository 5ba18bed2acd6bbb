package hostmath

import (
	"math/bits"
	"slices"
	"unsafe"
)

// A key is what numbers are sorted by: signed integers in their order.
type key interface{ int32 | int64 }

// A sorter sorts keys with vector units; without, split is nil.
type sorter[K key] struct {
	// split writes the keys below a pivot to low, the others to high, and counts
	// the first. Behind either it may write panelSize bytes more. What is low may
	// be where the keys are.
	split func(n int, from, low, high unsafe.Pointer, pivot K) (lows int)
	// rank sorts up to 4*panelSize bytes of keys.
	rank func(n int, list unsafe.Pointer)
}

// How the bits of numbers become keys.
const (
	signed   = iota // they are
	unsigned        // the highest bit is another
	floating        // of a negative number all others are others
)

// numpySort is numpy's sort,
//
//	quicksort_<type>(start, count)
//
// What is no number comes last, in any order, as equal numbers do.
func numpySort[K key, T number](s *sorter[K], kind int) Func {
	return func(env Env, stack []uint64) (bool, error) {
		if len(stack) < 2 {
			return false, nil
		}
		at := area[T]{uint32(stack[0]), uint64(uint32(stack[1]))}
		if !at.in(env.Memory()) {
			return false, nil
		}
		w := newWork()
		defer w.free()
		n := int(at.count)
		if n > mostSorted/sizeOf[T]() {
			return false, nil
		}
		scratch := hold[T](w, env, n+panelSize)
		if scratch == nil {
			return false, nil
		}
		defer w.release(env)
		r := sorting[K, T]{sorter: s, env: env, area: at, scratch: unsafe.Slice((*K)(unsafe.Pointer(&scratch[0])), len(scratch))}
		r.list = r.keys()
		end, err := r.begin(kind)
		if err == nil {
			err = r.sort(0, end)
		}
		if err == nil && kind != signed {
			err = r.flip(0, end, kind)
		}
		if err == nil {
			err = r.pay()
		}
		return true, err
	}
}

// mostSorted is how many bytes are sorted at most: the scratch is as large.
const mostSorted = 1 << 29

// A sorting is a sort that is being done.
type sorting[K key, T number] struct {
	*sorter[K]
	env     Env
	area    area[T]
	list    []K // in the guest's memory, up to the next tick
	scratch []K
	done    int                  // keys that have been looked at, and were not paid for
	some    [4 * panelSize / 4]K // from which a pivot is taken
}

func (r *sorting[K, T]) keys() []K {
	v := r.area.view(r.env.Memory())
	return unsafe.Slice((*K)(unsafe.Pointer(&v[0])), len(v))
}

// sortWork is the work of looking at one key: as much as the module is charged for a
// comparison.
const sortWork = 35

// sortChunk is how many keys are looked at between two ticks.
const sortChunk = 1 << 16

// tick counts keys that have been looked at.
func (r *sorting[K, T]) tick(keys int) error {
	if r.done += keys; r.done < sortChunk {
		return nil
	}
	return r.pay()
}

// pay ticks for the keys that were counted.
func (r *sorting[K, T]) pay() error {
	if r.done == 0 {
		return nil
	}
	err := r.env.Tick(uint64(r.done) * sortWork)
	r.done, r.list = 0, r.keys()
	return err
}

// begin makes keys of the numbers, and puts what is none behind them.
func (r *sorting[K, T]) begin(kind int) (end int, err error) {
	end = len(r.list)
	for i := 0; i < end && kind == floating; {
		list, looks := r.list, min(sortChunk, end-i)
		for range looks {
			if v := *(*T)(unsafe.Pointer(&list[i])); v == v {
				i++
				continue
			}
			end--
			list[i], list[end] = list[end], list[i]
		}
		if err := r.tick(looks); err != nil {
			return end, err
		}
	}
	if kind != signed {
		err = r.flip(0, end, kind)
	}
	return end, err
}

// flip makes keys of numbers, or the other way round.
func (r *sorting[K, T]) flip(from, end, kind int) error {
	last := int(8*unsafe.Sizeof(r.list[0])) - 1
	for ; from < end; from += sortChunk {
		list := r.list[from:min(from+sortChunk, end)]
		if kind == unsigned {
			for i := range list {
				list[i] ^= -1 << last
			}
		} else {
			for i, v := range list {
				list[i] = v ^ v>>last&^(-1<<last)
			}
		}
		if err := r.tick(len(list)); err != nil {
			return err
		}
	}
	return nil
}

// sort sorts keys from one up to another.
func (r *sorting[K, T]) sort(from, end int) error {
	if r.split == nil {
		return r.radix(from, end)
	}
	return r.quick(from, end, 2*bits.Len(uint(end-from)))
}

// quick sorts with splits. Where they are not even, as somebody may have arranged,
// it does not go on for ever.
func (r *sorting[K, T]) quick(from, end, depth int) error {
	few := 4 * panelOf[T]()
	for end-from > few {
		if depth--; depth < 0 {
			return r.radix(from, end)
		}
		middle, equal, err := r.halve(from, end)
		if err != nil {
			return err
		}
		first, second := [2]int{from, middle}, [2]int{middle, end}
		if equal { // what is below is sorted
			from = middle
			continue
		}
		if first[1]-first[0] > second[1]-second[0] {
			first, second = second, first
		}
		if err := r.quick(first[0], first[1], depth); err != nil {
			return err
		}
		from, end = second[0], second[1]
	}
	if end > from {
		r.rank(end-from, unsafe.Pointer(&r.list[from:end][0]))
	}
	return r.tick(end - from)
}

// halve splits keys at a pivot of their own, and says where the second half is, and
// whether those of the first are equal.
func (r *sorting[K, T]) halve(from, end int) (middle int, equal bool, err error) {
	pivot := r.pivot(from, end)
	middle, err = r.divide(from, end, pivot)
	if err != nil || middle > from {
		return middle, false, err
	}
	// none is below it, so it is the least: those that are equal to it come first
	if pivot == ^(-1 << (8*unsafe.Sizeof(pivot) - 1)) {
		return end, true, nil
	}
	middle, err = r.divide(from, end, pivot+1)
	return middle, true, err
}

// pivot is the middle of some keys.
func (r *sorting[K, T]) pivot(from, end int) K {
	count := 4 * panelOf[T]()
	if end-from < 1<<10 {
		count = panelOf[T]()
	}
	step := (end - from) / count
	for i := range count {
		r.some[i] = r.list[from+i*step+step/2]
	}
	r.rank(count, unsafe.Pointer(&r.some[0]))
	return r.some[count/2]
}

// divide puts the keys below a pivot before the others.
func (r *sorting[K, T]) divide(from, end int, pivot K) (middle int, err error) {
	middle = from
	high := 0
	for i := from; i < end; i += sortChunk {
		part := r.list[i:min(i+sortChunk, end)]
		rest := r.scratch[high : high+len(part)+panelSize/int(unsafe.Sizeof(pivot))]
		lows := r.split(len(part), unsafe.Pointer(&part[0]), unsafe.Pointer(&r.list[middle]), unsafe.Pointer(&rest[0]), pivot)
		middle, high = middle+lows, high+len(part)-lows
		if err := r.tick(len(part)); err != nil {
			return middle, err
		}
	}
	return middle, r.back(middle, high)
}

// back copies the first keys of the scratch to the list, from one on.
func (r *sorting[K, T]) back(to, keys int) error {
	for i := 0; i < keys; i += sortChunk {
		few := min(sortChunk, keys-i)
		copy(r.list[to+i:][:few], r.scratch[i:])
		if err := r.tick((few + 3) / 4); err != nil { // to look at them takes longer
			return err
		}
	}
	return nil
}

// fewKeys is of how many keys it is not worth counting digits.
const fewKeys = 1 << 11

// radix sorts by digits, the last first.
func (r *sorting[K, T]) radix(from, end int) error {
	if end-from < fewKeys {
		slices.Sort(r.list[from:end])
		return r.tick((end - from) * 8)
	}
	const digit = 11
	size := int(8 * unsafe.Sizeof(r.list[0]))
	for shift := 0; shift < size; shift += digit {
		var counts [1 << digit]int
		for i := from; i < end; i += sortChunk {
			for _, v := range r.list[i:min(i+sortChunk, end)] {
				counts[uint64(v^-1<<(size-1))>>shift&(1<<digit-1)]++
			}
			if err := r.tick(min(sortChunk, end-i)); err != nil {
				return err
			}
		}
		if slices.Contains(counts[:], end-from) {
			continue // they all have the same
		}
		sum := 0
		for i, n := range counts {
			counts[i], sum = sum, sum+n
		}
		for i := from; i < end; i += sortChunk {
			for _, v := range r.list[i:min(i+sortChunk, end)] {
				to := &counts[uint64(v^-1<<(size-1))>>shift&(1<<digit-1)]
				r.scratch[*to] = v
				*to++
			}
			if err := r.tick(min(sortChunk, end-i)); err != nil {
				return err
			}
		}
		if err := r.back(from, end-from); err != nil {
			return err
		}
	}
	return nil
}
