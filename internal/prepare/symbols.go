package prepare

import (
	"cmp"
	"slices"

	"github.com/wherry-run/wherry/internal/wasm"
)

// symbols follows straight code, which nothing branches into or out of, and keeps of every i32 on the stack and in locals
// which unknown value it is, plus which constant. Equal sums of equal unknowns are the same unknown.
type symbols struct {
	stack []address
	vars  []variable // by local
	age   uint32     // of variables that are known
	roots uint32     // unknowns so far
	reads []uint32   // locals, in the order in which they were first read: so their unknowns ascend
	sums  [sumsMost]namedSum
	last  memoryAccess
}

// address is an unknown plus a constant; unknown 0 is zero.
type address struct {
	root uint32
	c    int32
	at   int32 // where the instruction begins that left it on the stack, below zero when it cannot be taken hold of there
}

type variable struct {
	age   uint32
	v     address
	first uint32 // the unknown that it was before anything was written to it; 0 when that was not read
}

// sum is an operation on unknowns.
type sum struct {
	code wasm.Opcode
	a, b uint32
}

// slot is where a sum is remembered. It depends on nothing but the sum, so that code is rewritten alike everywhere.
func (k sum) slot() uint32 {
	h := uint64(k.code)<<58 ^ uint64(k.a)<<29 ^ uint64(k.b)
	return uint32(h * 0x9e3779b97f4a7c15 >> (64 - sumsBits))
}

// namedSum is a sum that is remembered, and its unknown.
type namedSum struct {
	sum
	age, root uint32
}

// memoryAccess is what the last access was.
type memoryAccess struct {
	base  address
	bytes uint32
	store bool
}

// How many unknowns that are sums of others are remembered in straight code. Each has one place, where the next one that
// comes there takes it: a sum that was forgotten is another unknown when it comes again, which is always true. Nothing is
// cleared between one straight code and the next, of which a module may have millions.
const (
	sumsBits = 8
	sumsMost = 1 << sumsBits
)

// effect is what an instruction of straight code does besides computing.
type effect uint8

const (
	onlyComputes effect = iota
	accessesMemory
	mayTrap
	writesGlobal
	endsStraight // what follows is not the same straight code
)

// begin forgets everything: straight code begins.
func (s *symbols) begin(locals int) {
	if len(s.vars) < locals {
		s.vars = append(s.vars, make([]variable, locals-len(s.vars))...)
	}
	s.stack, s.roots, s.reads = s.stack[:0], 0, s.reads[:0]
	if s.age++; s.age == 0 {
		clear(s.vars)
		clear(s.sums[:])
		s.age = 1
	}
}

func (s *symbols) fresh() address {
	s.roots++
	return address{root: s.roots, at: -1}
}

// push leaves a value on the stack, which can be taken hold of when at is the place of the instruction.
func (s *symbols) push(v address, at int) {
	v.at = int32(at)
	s.stack = append(s.stack, v)
}

// pop takes a value. What was there before the straight code began is not known.
func (s *symbols) pop() address {
	n := len(s.stack)
	if n == 0 {
		return s.fresh()
	}
	v := s.stack[n-1]
	s.stack = s.stack[:n-1]
	return v
}

func (s *symbols) get(local uint32) address {
	x := &s.vars[local]
	if x.age != s.age {
		v := s.fresh()
		*x = variable{s.age, v, v.root}
		s.reads = append(s.reads, local)
	}
	return x.v
}

func (s *symbols) set(local uint32, v address) {
	x := &s.vars[local]
	if x.age != s.age {
		*x = variable{age: s.age}
	}
	x.v = v
}

// step takes in one instruction.
func (s *symbols) step(op *wasm.Op) effect {
	switch op.Code {
	case wasm.OpLocalGet:
		s.push(s.get(op.Index), op.Start)
	case wasm.OpLocalSet:
		s.set(op.Index, s.pop())
	case wasm.OpLocalTee:
		v := s.pop()
		s.set(op.Index, v)
		s.push(v, op.Start)
	case wasm.OpI32Const:
		s.push(address{c: int32(op.Value)}, op.Start)
	case wasm.OpI32Add, wasm.OpI32Sub:
		y, x := s.pop(), s.pop()
		s.push(s.sum(op.Code, x, y), op.Start)
	case wasm.OpI32Shl, wasm.OpI32Mul:
		y, x := s.pop(), s.pop()
		s.push(s.sum(op.Code, x, y), -1)
	case wasm.OpDrop:
		s.pop()
	case wasm.OpGlobalGet:
		s.push(s.fresh(), -1)
	case wasm.OpSelect:
		s.pop()
		s.pop()
		s.pop()
		s.push(s.fresh(), -1)
	case wasm.OpNop:
	case wasm.OpGlobalSet:
		s.pop()
		return writesGlobal
	default:
		return s.other(op)
	}
	return onlyComputes
}

// other takes in accesses, what only computes, and the end of straight code.
func (s *symbols) other(op *wasm.Op) effect {
	if bytes, store, value, ok := op.Code.Access(); ok {
		if value {
			s.pop()
		}
		s.last = memoryAccess{s.pop(), bytes, store}
		if !store {
			s.push(s.fresh(), -1)
		}
		return accessesMemory
	}
	operands, result, traps, pure := op.Code.Pure()
	if !pure {
		return endsStraight
	}
	for range operands {
		s.pop()
	}
	if result {
		s.push(s.fresh(), -1)
	}
	if traps {
		return mayTrap
	}
	return onlyComputes
}

// sum is the value of an operation on two others.
func (s *symbols) sum(c wasm.Opcode, x, y address) address {
	switch {
	case y.root == 0 && c == wasm.OpI32Add:
		return address{root: x.root, c: x.c + y.c}
	case y.root == 0 && c == wasm.OpI32Sub:
		return address{root: x.root, c: x.c - y.c}
	case x.root == 0 && c == wasm.OpI32Add:
		return address{root: y.root, c: x.c + y.c}
	case y.root == 0 && c == wasm.OpI32Shl:
		return address{root: s.named(sum{c, x.root, uint32(y.c) & 31}), c: x.c << (uint32(y.c) & 31)}
	case y.root == 0 && c == wasm.OpI32Mul:
		return address{root: s.named(sum{c, x.root, uint32(y.c)}), c: x.c * y.c}
	case c == wasm.OpI32Add:
		return address{root: s.named(sum{c, min(x.root, y.root), max(x.root, y.root)}), c: x.c + y.c}
	case c == wasm.OpI32Sub:
		return address{root: s.named(sum{c, x.root, y.root}), c: x.c - y.c}
	}
	return s.fresh()
}

// named gives the unknown that is an operation on others.
func (s *symbols) named(k sum) uint32 {
	if k.a == 0 && k.code != wasm.OpI32Sub {
		return 0 // a multiple of zero
	}
	x := &s.sums[k.slot()]
	if x.age != s.age || x.sum != k {
		s.roots++
		*x = namedSum{k, s.age, s.roots}
	}
	return x.root
}

// source finds the local that was the unknown of v when the straight code began.
func (s *symbols) source(v address) (uint32, bool) {
	i, ok := slices.BinarySearchFunc(s.reads, v.root, func(local, root uint32) int {
		return cmp.Compare(s.vars[local].first, root)
	})
	if !ok {
		return 0, false
	}
	return s.reads[i], true
}
