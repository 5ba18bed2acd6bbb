package wasm

import (
	"context"
	"errors"
	"strings"
	"testing"
)

var (
	void   = FuncType{}
	exnRef = ExnRef.AsNonNull()
)

// typed is a module around one function for the features that no oracle at hand knows: typed function references and
// exceptions by reference.
//
//	types  0 () -> ()   1 (i32) -> (i32)   2 (ref null 1) -> ()   3 (i32) -> (i32), equal to 1
//	tags   0 ()   1 (i32), of a type of its own
//	function 0 has type 1 and is exported; tables 0 funcref, 1 (ref null 1)
func typed(t FuncType, locals []LocalGroup, code ...byte) []byte {
	m := new(mod).fn(sig(types(I32), types(I32)), nil, 0x20, 0)
	m.types = []FuncType{void, sig(types(I32), types(I32)), sig(types(TypedRef(1, true)), nil), sig(types(I32), types(I32)), sig(types(I32), nil)}
	m.funcs[0] = 1
	m.tags = []uint32{0, 4}
	m.tables = []TableType{{Elem: FuncRef, Size: Size{Min: 1}}, {Elem: TypedRef(1, true), Size: Size{Min: 1}}}
	m.exports = []Export{{Name: "f", Kind: ExternFunc, Index: 0}}
	return m.fn(t, locals, code...).bytes()
}

// TestTypedReferences checks call_ref and its companions, nullability, subtypes and locals without default.
func TestTypedReferences(t *testing.T) {
	f := TypedRef(1, true)
	tests := []struct {
		name   string
		typ    FuncType
		locals []LocalGroup
		code   []byte
		want   string // part of the error, "" when valid
	}{
		{"call_ref", sig(types(f), types(I32)), nil, []byte{0x41, 7, 0x20, 0, 0x14, 1}, ""},
		{"call_ref of an equal type", sig(types(f), types(I32)), nil, []byte{0x41, 7, 0x20, 0, 0x14, 3}, ""},
		{"call_ref of another type", sig(types(f), types(I32)), nil, []byte{0x41, 7, 0x20, 0, 0x14, 2}, "operand is"},
		{"call_ref of funcref", sig(types(FuncRef), types(I32)), nil, []byte{0x41, 7, 0x20, 0, 0x14, 1}, "operand is funcref"},
		{"call_ref of unknown type", void, nil, []byte{0x00, 0x14, 9}, "unknown type 9"},
		{"call_ref in dead code", sig(nil, types(I32)), nil, []byte{0x00, 0x14, 1}, ""},
		{"ref.func gives its type", sig(nil, types(I32)), nil, []byte{0x41, 7, 0xd2, 0, 0x14, 1}, ""},
		{"ref.func undeclared", void, nil, []byte{0xd2, 1, 0x1a}, "not declared"},
		{"return_call_ref", sig(types(f), types(I32)), nil, []byte{0x41, 7, 0x20, 0, 0x15, 1}, ""},
		{"return_call_ref, other results", sig(types(f), types(I64)), nil, []byte{0x41, 7, 0x20, 0, 0x15, 1}, "results"},
		{"as_non_null", sig(types(f), types(f.AsNonNull())), nil, []byte{0x20, 0, 0xd4}, ""},
		{"null is not non-null", sig(types(f), types(f.AsNonNull())), nil, []byte{0x20, 0}, "operand is (ref null 1), not (ref 1)"},
		{"as_non_null of i32", sig(types(I32), nil), nil, []byte{0x20, 0, 0xd4, 0x1a}, "not a reference"},
		{"typed is a funcref", sig(types(f), types(FuncRef)), nil, []byte{0x20, 0}, ""},
		{"funcref is not typed", sig(types(FuncRef), types(f)), nil, []byte{0x20, 0}, "operand is funcref"},
		{"non-null func", sig(types(f), types(FuncRef.AsNonNull())), nil, []byte{0x20, 0, 0xd4}, ""},
		{"typed is no externref", sig(types(f), types(ExternRef)), nil, []byte{0x20, 0}, "operand is"},
		{"br_on_null", sig(types(f), types(f.AsNonNull())), nil, []byte{0x02, 0x40, 0x20, 0, 0xd5, 0, 0x0f, 0x0b, 0x00}, ""},
		{"br_on_null, label takes more", sig(types(f), types(I32)), nil, []byte{0x20, 0, 0xd5, 0, 0x1a, 0x41, 0}, "empty"},
		{"br_on_non_null", sig(types(f), types(f.AsNonNull())), nil, []byte{0x20, 0, 0xd6, 0, 0x00}, ""},
		{"br_on_non_null, no operand at label", sig(types(f), nil), nil, []byte{0x20, 0, 0xd6, 0}, "label 0 does not take"},
		{"local unset", void, []LocalGroup{{1, f.AsNonNull()}}, []byte{0x20, 0, 0x1a}, "before it is set"},
		{"local set", sig(types(f), nil), []LocalGroup{{1, f.AsNonNull()}}, []byte{0x20, 0, 0xd4, 0x21, 1, 0x20, 1, 0x1a}, ""},
		{"local set in a block is forgotten", sig(types(f), nil), []LocalGroup{{1, f.AsNonNull()}},
			[]byte{0x02, 0x40, 0x20, 0, 0xd4, 0x21, 1, 0x0b, 0x20, 1, 0x1a}, "before it is set"},
		{"local set in then is unset in else", sig(types(f), nil), []LocalGroup{{1, f.AsNonNull()}},
			[]byte{0x41, 0, 0x04, 0x40, 0x20, 0, 0xd4, 0x21, 1, 0x05, 0x20, 1, 0x1a, 0x0b}, "before it is set"},
		{"tee sets", sig(types(f), nil), []LocalGroup{{1, f.AsNonNull()}}, []byte{0x20, 0, 0xd4, 0x22, 1, 0x1a, 0x20, 1, 0x1a}, ""},
		{"null of a type", sig(nil, types(f)), nil, []byte{0xd0, 1}, ""},
		{"null of an unknown type", void, nil, []byte{0xd0, 9, 0x1a}, "unknown type 9"},
		{"local of an unknown type", void, []LocalGroup{{1, TypedRef(9, true)}}, nil, "unknown type 9"},
		{"block of a typed reference", sig(types(f), types(f)), nil, cat([]byte{0x02}, AppendValueType(nil, f), []byte{0x20, 0, 0x0b}), ""},
		{"select of references", sig(types(f), types(f)), nil, []byte{0x20, 0, 0x20, 0, 0x41, 1, 0x1b}, "must name its type"},
		{"typed select", sig(types(f), types(f)), nil, cat([]byte{0x20, 0, 0x20, 0, 0x41, 1, 0x1c, 1}, AppendValueType(nil, f)), ""},
		{"table of typed references", void, nil, []byte{0x41, 0, 0xd2, 0, 0x26, 1}, ""},
		{"funcref into a typed table", sig(types(FuncRef), nil), nil, []byte{0x41, 0, 0x20, 0, 0x26, 1}, "operand is funcref"},
		{"copy typed to funcref", void, nil, []byte{0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 14, 0, 1}, ""},
		{"copy funcref to typed", void, nil, []byte{0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 14, 1, 0}, "elements are"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, validate(typed(tt.typ, tt.locals, tt.code...)), tt.want) })
	}
}

// TestTryTable checks exceptions by reference.
func TestTryTable(t *testing.T) {
	tests := []struct {
		name string
		typ  FuncType
		code []byte
		want string
	}{
		{"catch a tag", sig(nil, types(I32)), []byte{0x1f, 0x40, 1, 0, 1, 0, 0x41, 5, 0x08, 1, 0x0b, 0x00}, ""},
		{"catch with payload missing", void, []byte{0x1f, 0x40, 1, 0, 1, 0, 0x0b}, "catch clause takes (), not (i32)"},
		{"catch_ref", sig(nil, types(I32, ExnRef)), []byte{0x1f, 0x40, 1, 1, 1, 0, 0x0b, 0x00}, ""},
		{"catch_ref gives no null", sig(nil, types(I32, exnRef)), []byte{0x1f, 0x40, 1, 1, 1, 0, 0x0b, 0x00}, ""},
		{"catch_ref without exception", sig(nil, types(I32)), []byte{0x1f, 0x40, 1, 1, 1, 0, 0x0b, 0x00}, "does not take the exception"},
		{"catch_all", void, []byte{0x1f, 0x40, 1, 2, 0, 0x0b}, ""},
		{"catch_all with results", sig(nil, types(I32)), []byte{0x1f, 0x40, 1, 2, 0, 0x0b, 0x00}, "catch clause takes (i32)"},
		{"catch_all_ref", sig(nil, types(ExnRef)), []byte{0x1f, 0x40, 1, 3, 0, 0x0b, 0x00}, ""},
		{"four clauses", void, []byte{0x02, 0x40, 0x1f, 0x40, 4, 0, 0, 0, 2, 0, 0, 0, 1, 2, 1, 0x0b, 0x0b}, ""},
		{"label counts from outside", void, []byte{0x1f, 0x40, 1, 2, 1, 0x0b}, "unknown label 1"},
		{"unknown tag", void, []byte{0x1f, 0x40, 1, 0, 7, 0, 0x0b}, "unknown tag 7"},
		{"unknown clause", void, []byte{0x1f, 0x40, 1, 4, 0, 0x0b}, "no catch clause"},
		{"block type", sig(nil, types(I32)), []byte{0x1f, 0x7f, 0, 0x41, 1, 0x0b}, ""},
		{"throw_ref", sig(types(ExnRef), types(I64)), []byte{0x20, 0, 0x0a}, ""},
		{"throw_ref of funcref", sig(types(FuncRef), nil), []byte{0x20, 0, 0x0a}, "operand is funcref"},
		{"legacy catch in try_table", void, []byte{0x1f, 0x40, 0, 0x07, 0, 0x0b}, "not expected in a try_table"},
		{"else in try_table", void, []byte{0x1f, 0x40, 0, 0x05, 0x0b}, "not expected in a try_table"},
		{"both forms in one function", void, []byte{0x06, 0x40, 0x1f, 0x40, 0, 0x0b, 0x19, 0x09, 0, 0x0b}, ""},
		{"rethrow outside of catch", void, []byte{0x06, 0x40, 0x09, 0, 0x0b}, "not within a catch"},
		{"delegate too far", void, []byte{0x06, 0x40, 0x18, 1}, "unknown label 1"},
		{"delegate to the function", void, []byte{0x06, 0x40, 0x18, 0}, ""},
		{"catch after catch_all", void, []byte{0x06, 0x40, 0x19, 0x07, 0, 0x0b}, "not expected in a catch_all"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, validate(typed(tt.typ, nil, tt.code...)), tt.want) })
	}
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	switch {
	case part == "" && err != nil:
		t.Errorf("refused: %v", err)
	case part != "" && err == nil:
		t.Errorf("accepted, want an error with %q", part)
	case part != "" && !strings.Contains(err.Error(), part):
		t.Errorf("error is %v, want one with %q", err, part)
	}
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Errorf("error %v is a %T", err, err)
	}
}

// TestModuleChecks checks what stands outside of code.
func TestModuleChecks(t *testing.T) {
	section := func(id SectionID, content ...byte) []byte { return AppendSection(AppendHeader(nil), id, content) }
	i32 := sig(types(I32), nil)
	shared := (&mod{memories: []MemoryType{{Size{1, 2, true}, true}}}).bytes()
	tests := []struct {
		name string
		bin  []byte
		want string
	}{
		{"empty module", AppendHeader(nil), ""},
		{"section twice", append(section(SectionType, 0), emptySection(SectionType)...), "twice or out of order"},
		{"unknown section", section(14, 0), "unknown section 14"},
		{"bytes after content", section(SectionType, 0, 0), "1 bytes after the end"},
		{"section longer than the module", append(AppendHeader(nil), 1, 5, 0), "do not fit"},
		{"function without body", section(SectionFunction, 1, 0), "0 function bodies for 1 functions"},
		{"unknown type", (&mod{funcs: []uint32{3}, bodies: [][]byte{{0, 0x0b}}}).bytes(), "unknown type 3"},
		{"export twice", (&mod{memories: []MemoryType{{}}, exports: []Export{{"a", ExternMemory, 0}, {"a", ExternMemory, 0}}}).bytes(), "exported twice"},
		{"export of nothing", (&mod{exports: []Export{{"a", ExternGlobal, 0}}}).bytes(), "unknown global 0"},
		{"name is not UTF-8", section(SectionExport, 1, 1, 0xff, 0, 0), "not UTF-8"},
		{"start takes nothing", new(mod).fn(i32, nil).with(func(m *mod) { m.start = []byte{0} }).bytes(), "must take and give nothing"},
		{"start of nothing", (&mod{start: []byte{4}}).bytes(), "unknown function 4"},
		{"two memories", (&mod{memories: []MemoryType{{}, {}}}).bytes(), "needs the multi-memory feature"},
		{"imported and own memory", (&mod{imports: []Import{{Module: "m", Name: "n", Kind: ExternMemory}}, memories: []MemoryType{{}}}).bytes(), "needs the multi-memory feature"},
		{"64-bit memory", section(SectionMemory, 1, 4, 1), "needs the memory64 feature"},
		{"shared memory", shared, "needs the threads feature"},
		{"memory of 5 GiB", (&mod{memories: []MemoryType{{Size: Size{1, 70000, true}}}}).bytes(), "more than 65536 pages"},
		{"memory min above max", (&mod{memories: []MemoryType{{Size: Size{2, 1, true}}}}).bytes(), "least size 2, greatest 1"},
		{"table min above max", (&mod{tables: []TableType{{FuncRef, Size{2, 1, true}}}}).bytes(), "least size 2, greatest 1"},
		{"non-null table", (&mod{tables: []TableType{{FuncRef.AsNonNull(), Size{Min: 1}}}}).bytes(), "needs an initial value"},
		{"table with initial value", section(SectionTable, 1, 0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b), ""},
		{"struct type", section(SectionType, 1, 0x5f, 1, 0x7f, 0), "needs the gc feature"},
		{"i31ref", section(SectionType, 1, 0x60, 1, 0x6c, 0), "needs the gc feature"},
		{"type of a later type", section(SectionType, 1, 0x60, 1, 0x63, 1, 0), "unknown type 1"},
		{"type of itself", section(SectionType, 1, 0x60, 1, 0x63, 0, 0), ""},
		{"tag with results", new(mod).fn(sig(nil, types(I32)), nil, 0x00).with(func(m *mod) { m.tags = []uint32{0} }).bytes(), "tag has results"},
		{"global of another type", (&mod{globals: []byte{1, 0x7f, 0, 0x42, 0, 0x0b}}).bytes(), "gives (i64), not i32"},
		{"global of nothing", (&mod{globals: []byte{1, 0x7f, 0, 0x0b}}).bytes(), "gives (), not i32"},
		{"global of two values", (&mod{globals: []byte{1, 0x7f, 0, 0x41, 0, 0x41, 0, 0x0b}}).bytes(), "gives (i32, i32)"},
		{"global reads an own one", (&mod{globals: []byte{2, 0x7f, 0, 0x41, 0, 0x0b, 0x7f, 0, 0x23, 0, 0x0b}}).bytes(), "not imported"},
		{"global with a call", (&mod{globals: []byte{1, 0x7f, 0, 0x10, 0, 0x0b}}).bytes(), "call in a constant expression"},
		{"extended constants", (&mod{globals: []byte{1, 0x7e, 0, 0x42, 2, 0x42, 3, 0x7e, 0x42, 1, 0x7d, 0x0b}}).bytes(), ""},
		{"extended constants of mixed types", (&mod{globals: []byte{1, 0x7e, 0, 0x42, 2, 0x41, 3, 0x7e, 0x0b}}).bytes(), "lacks operands"},
		{"endless constant", (&mod{globals: []byte{1, 0x7f, 0, 0x41, 0}}).bytes(), "without end"},
		{"data without memory", (&mod{datas: []byte{1, 0, 0x41, 0, 0x0b, 0}}).bytes(), "has no memory"},
		{"passive data without memory", (&mod{datas: []byte{1, 1, 0}}).bytes(), ""},
		{"element without table", (&mod{elems: []byte{1, 0, 0x41, 0, 0x0b, 0}}).bytes(), "unknown table 0"},
		{"element of nothing", (&mod{tables: []TableType{{Elem: FuncRef}}, elems: []byte{1, 0, 0x41, 0, 0x0b, 1, 7}}).bytes(), "unknown function 7"},
		{"element of another type", (&mod{tables: []TableType{{Elem: ExternRef}}, elems: []byte{1, 0, 0x41, 0, 0x0b, 0}}).bytes(), "elements are (ref func), those of table 0 externref"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, validate(tt.bin), tt.want) })
	}
}

// emptySection is an empty section.
func emptySection(id SectionID) []byte { return []byte{byte(id), 1, 0} }

func (m *mod) with(change func(*mod)) *mod {
	change(m)
	return m
}

// TestFeaturesRefused checks that what is known and not supported is named.
func TestFeaturesRefused(t *testing.T) {
	tests := []struct {
		name, feature string
		code          []byte
	}{
		{"relaxed swizzle", "relaxed-simd", []byte{0x00, 0xfd, 0x80, 0x02}},
		{"struct.new", "gc", []byte{0xfb, 0x00, 0x00}},
		{"ref.null any", "gc", []byte{0xd0, 0x6e, 0x1a}},
		{"load from memory 1", "multi-memory", []byte{0x41, 0, 0x28, 0x42, 1, 0, 0x1a}},
		{"memory.size of memory 1", "multi-memory", []byte{0x3f, 1, 0x1a}},
		{"memory.copy between memories", "multi-memory", []byte{0x00, 0xfc, 10, 0, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e *Error
			if err := validate(fn1(void, nil, tt.code...)); !errors.As(err, &e) || e.Feature != tt.feature {
				t.Fatalf("error is %v, want one that names %s", err, tt.feature)
			}
			if !strings.Contains(e.Error(), tt.feature) || e.Func != 0 {
				t.Errorf("the error does not name the feature or the function: %v", e)
			}
		})
	}
}

// TestFirstErrorWins checks that the number of workers does not change which error is reported.
func TestFirstErrorWins(t *testing.T) {
	m := &mod{types: []FuncType{{}}}
	for i := range 2000 {
		m.funcs = append(m.funcs, 0)
		body := []byte{0, 0x0b}
		if i%100 == 77 {
			body = []byte{0, 0x1a, 0x0b}
		}
		m.bodies = append(m.bodies, body)
	}
	d, err := Decode(m.bytes(), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		for _, workers := range []int{-1, 1, 2, 8, 100} {
			var e *Error
			if err := Validate(context.Background(), d, workers); !errors.As(err, &e) || e.Func != 77 {
				t.Fatalf("%d workers: %v, want an error in function 77", workers, err)
			}
		}
	}
}

// TestValidateCancelled checks that a cancelled context ends the work.
func TestValidateCancelled(t *testing.T) {
	m, err := Decode(thousands(), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Validate(ctx, m, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
