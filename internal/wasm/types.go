package wasm

import (
	"fmt"
	"strings"
)

// ValueType is the type of a value. The low byte is the byte that begins the type in the binary format; reference
// types carry a non-null flag and typed function references the index of their type above it.
type ValueType uint32

// The value types. Bottom is the type of an operand in unreachable code, which matches every type.
const (
	Bottom    ValueType = 0
	I32       ValueType = 0x7f
	I64       ValueType = 0x7e
	F32       ValueType = 0x7d
	F64       ValueType = 0x7c
	V128      ValueType = 0x7b
	FuncRef   ValueType = 0x70
	ExternRef ValueType = 0x6f
	ExnRef    ValueType = 0x69
)

const (
	typedKind    = 0x63 // low byte of a reference to a concrete function type
	nonNull      = 0x100
	typeShift    = 9
	maxTypeIndex = 1<<(32-typeShift) - 1
)

// TypedRef returns the type of references to functions of the type with this index.
func TypedRef(typeIndex uint32, nullable bool) ValueType {
	t := ValueType(typedKind) | ValueType(typeIndex)<<typeShift
	if !nullable {
		t |= nonNull
	}
	return t
}

// IsRef tells whether t is a reference type.
func (t ValueType) IsRef() bool {
	switch t & 0xff {
	case FuncRef, ExternRef, ExnRef, typedKind:
		return true
	}
	return false
}

// IsNum tells whether t is a number type: i32, i64, f32 or f64.
func (t ValueType) IsNum() bool { return t >= F64 && t <= I32 }

// Nullable tells whether a value of the reference type t may be null.
func (t ValueType) Nullable() bool { return t&nonNull == 0 }

// AsNonNull returns the reference type t without null.
func (t ValueType) AsNonNull() ValueType { return t | nonNull }

// AsNullable returns the reference type t with null.
func (t ValueType) AsNullable() ValueType { return t &^ nonNull }

// TypeIndex returns the index of the function type a typed function reference points to.
func (t ValueType) TypeIndex() (uint32, bool) {
	return uint32(t >> typeShift), t&0xff == typedKind
}

// hasDefault tells whether a local of type t has a value before it is set.
func (t ValueType) hasDefault() bool { return t&nonNull == 0 }

// String gives the name the text format uses.
func (t ValueType) String() string {
	name := ""
	switch t & 0xff {
	case Bottom:
		return "any"
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		name = "func"
	case ExternRef:
		name = "extern"
	case ExnRef:
		name = "exn"
	case typedKind:
		name = fmt.Sprint(uint32(t >> typeShift))
		if t.Nullable() {
			return "(ref null " + name + ")"
		}
	}
	if t.Nullable() {
		return name + "ref"
	}
	return "(ref " + name + ")"
}

// FuncType is the type of a function, or of a block that names a type.
type FuncType struct {
	Params, Results []ValueType
}

// String gives "(i32, i64) -> (f32)".
func (t FuncType) String() string {
	return typeList(t.Params) + " -> " + typeList(t.Results)
}

// typeList words a list of types for people, who can do without the end of a long one.
func typeList(ts []ValueType) string {
	const most = 16
	var b strings.Builder
	b.WriteByte('(')
	for i, t := range ts {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == most {
			fmt.Fprintf(&b, "and %d more", len(ts)-most)
			break
		}
		b.WriteString(t.String())
	}
	b.WriteByte(')')
	return b.String()
}

// ExternKind is what an import or an export is.
type ExternKind uint8

// The kinds of imports and exports, by their byte in the format.
const (
	ExternFunc   ExternKind = 0
	ExternTable  ExternKind = 1
	ExternMemory ExternKind = 2
	ExternGlobal ExternKind = 3
	ExternTag    ExternKind = 4
)

// String names the kind as the text format does.
func (k ExternKind) String() string {
	if int(k) < len(externNames) {
		return externNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

var externNames = [...]string{"func", "table", "memory", "global", "tag"}

// Size is the least and, when HasMax, the greatest size of a table (in elements) or memory (in pages of 64 KiB).
type Size struct {
	Min, Max uint32
	HasMax   bool
}

// TableType is the type of a table.
type TableType struct {
	Elem ValueType
	Size Size
}

// MemoryType is the type of a memory.
type MemoryType struct {
	Size   Size
	Shared bool
}

// GlobalType is the type of a global.
type GlobalType struct {
	Type    ValueType
	Mutable bool
}

// BlockType is the immediate of block, loop, if, try and try_table.
type BlockType struct {
	kind blockKind
	val  uint32
}

type blockKind uint8

const (
	blockEmpty blockKind = iota
	blockValue
	blockTyped
)

// EmptyBlock is the type of a block without parameters and results.
func EmptyBlock() BlockType { return BlockType{} }

// ValueBlock is the type of a block without parameters and with one result.
func ValueBlock(t ValueType) BlockType { return BlockType{blockValue, uint32(t)} }

// TypedBlock is the type of a block with the parameters and results of the function type at this index.
func TypedBlock(typeIndex uint32) BlockType { return BlockType{blockTyped, typeIndex} }

// TypeIndex returns the index of the function type, when the block names one.
func (b BlockType) TypeIndex() (uint32, bool) { return b.val, b.kind == blockTyped }

// Value returns the single result type, when the block is of that form.
func (b BlockType) Value() (ValueType, bool) { return ValueType(b.val), b.kind == blockValue }
