package wasm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wabtAccepts asks wasm-validate.
func wabtAccepts(t *testing.T, validator, dir string, bin []byte) (bool, string) {
	t.Helper()
	path := filepath.Join(dir, "m.wasm")
	if err := os.WriteFile(path, bin, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(validator, append(wabtFeatures, "--no-debug-names", "--ignore-custom-section-errors", path)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return err == nil, string(out)
}

// allOpcodes lists every opcode of the table.
func allOpcodes() (ops []Opcode) {
	for _, page := range []Opcode{0, 0xfc00, 0xfd00, 0xfe00} {
		for i := range Opcode(0x100) {
			if (page | i).Imm() != ImmInvalid {
				ops = append(ops, page|i)
			}
		}
	}
	return ops
}

// TestTableAgainstWabt writes a function around every plain instruction from our table: its name, its operands and its
// result. wat2wasm must know the name, and wasm-validate must find the types exact. Then our own decoder reads back
// what wat2wasm wrote: opcode, natural alignment and length.
func TestTableAgainstWabt(t *testing.T) {
	validator := tool(t, "wasm-validate")
	immediates := map[Imm]string{
		ImmI32: " 5", ImmI64: " 5", ImmF32: " 5", ImmF64: " 5", ImmV128: " i32x4 1 2 3 4", ImmData: " 0", ImmElem: " 0", ImmDataMem: " 0",
		ImmShuffle: " 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 31", ImmElemTab: " 0 0", ImmTables: " 0 0",
	}
	var text strings.Builder
	text.WriteString("(module (memory 1) (table 1 funcref) (elem func) (data \"\")\n")
	var plain []Opcode
	for _, op := range allOpcodes() {
		info := &opTable[op.row()]
		if !info.plain {
			continue
		}
		plain = append(plain, op)
		text.WriteString("(func")
		for _, in := range info.in[:info.nin] {
			fmt.Fprintf(&text, " (param %s)", ValueType(in))
		}
		if info.out != 0 {
			fmt.Fprintf(&text, " (result %s)", ValueType(info.out))
		}
		for i := range info.nin {
			fmt.Fprintf(&text, " local.get %d", i)
		}
		imm := immediates[info.imm]
		if info.imm == ImmLane || info.imm == ImmMemLane {
			imm = fmt.Sprintf(" %d", info.lanes-1)
		}
		fmt.Fprintf(&text, " %s%s)\n", op, imm)
	}
	text.WriteString(")")
	bin := wat(t, text.String())
	if ok, out := wabtAccepts(t, validator, t.TempDir(), bin); !ok {
		t.Fatal(out)
	}
	m, err := Decode(bin, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if err := Validate(context.Background(), m, 1); err != nil {
		t.Fatal(err)
	}
	if len(plain) < 420 {
		t.Errorf("only %d plain instructions in the table", len(plain))
	}
	for i, want := range plain {
		body, err := m.Body(i)
		if err != nil {
			t.Fatal(err)
		}
		w := NewWalker(body.Bytes, body.Expr)
		var op Op
		for w.Next(&op) && op.Code == OpLocalGet {
			continue
		}
		if w.Err() != nil || op.Code != want {
			t.Errorf("%s is %#x for wabt and %s %#x for us", want, body.Bytes[op.Start:], op.Code, uint16(op.Code))
		}
		if info := &opTable[want.row()]; info.imm == ImmMemArg || info.imm == ImmMemLane {
			if op.Align != info.align {
				t.Errorf("%s is aligned to 2^%d for wabt and 2^%d for us", want, op.Align, info.align)
			}
		}
		if !w.Next(&op) || op.Code != OpEnd {
			t.Errorf("%s is not followed by end, but by %s", want, op.Code)
		}
	}
}

// TestHolesInTable checks that opcodes outside of every feature stay unknown.
func TestHolesInTable(t *testing.T) {
	for _, op := range []Opcode{0x16, 0x17, 0x1d, 0x1e, 0x27, 0xc5, 0xcf, 0xd3, 0xd7, 0xfa, 0xff, 0x100, 0x7ff, 0xfc12, 0xfcff, 0xfd9a, 0xfda2, 0xfdae + 1,
		0xfdc2, 0xfde2, 0xfdee, 0xfe04, 0xfe0f, 0xfe4f, 0xffff} {
		if op.Imm() != ImmInvalid || op.String() != "invalid" {
			t.Errorf("opcode %#x is known as %s", uint16(op), op)
		}
	}
}

// mutate changes a few bytes of a module. Most of the changes keep the sections' sizes, so that the damage reaches
// the validator and not only the decoder.
func mutate(r *rand.Rand, bin []byte) []byte {
	b := append([]byte(nil), bin...)
	for range 1 + r.IntN(3) {
		at := 8 + r.IntN(len(b)-8)
		switch r.IntN(6) {
		case 0:
			b[at] = byte(r.IntN(256))
		case 1:
			b[at] ^= 1 << r.IntN(8)
		case 2:
			b[at] = byte(r.IntN(4))
		case 3:
			b[at] = []byte{0x0b, 0x1a, 0x1b, 0x0f, 0x00, 0x40, 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f, 0x20, 0x41, 0x0c, 0x0d, 0x05}[r.IntN(18)]
		case 4: // swap with a neighbour
			if at+1 < len(b) {
				b[at], b[at+1] = b[at+1], b[at]
			}
		case 5: // a run of another place of the same length
			n := min(1+r.IntN(6), len(b)-at)
			from := 8 + r.IntN(len(b)-8-n+1)
			copy(b[at:at+n], bin[from:from+n])
		}
	}
	return b
}

// beyondWabt tells whether a module uses what the wabt of today's distributions does not know, or refuses although
// the texts of the proposals allow it: then its verdict says nothing.
func beyondWabt(bin []byte) bool {
	m, err := Decode(bin, DefaultLimits())
	if err != nil {
		return false
	}
	strange := func(t ValueType) bool { return t.IsRef() && t != FuncRef && t != ExternRef }
	anyStrange := func(ts []ValueType) bool {
		for _, t := range ts {
			if strange(t) {
				return true
			}
		}
		return false
	}
	for _, t := range m.Types {
		if anyStrange(t.Params) || anyStrange(t.Results) {
			return true
		}
	}
	for _, t := range m.tables {
		if strange(t.Elem) {
			return true
		}
	}
	for _, t := range m.Tables {
		if (t.Init != Span{}) {
			return true
		}
	}
	for _, g := range m.globals {
		if strange(g.Type) {
			return true
		}
	}
	for i := range m.Elems {
		for _, x := range m.Elems[i].Exprs {
			if strangeNull(m.Bytes(x)) {
				return true
			}
		}
	}
	for _, g := range m.Globals {
		if strangeNull(m.Bytes(g.Init)) {
			return true
		}
	}
	for i := range m.Code {
		body, err := m.Body(i)
		if err != nil {
			return false
		}
		for _, g := range body.Locals {
			if strange(g.Type) {
				return true
			}
		}
		w := NewWalker(body.Bytes, body.Expr)
		var op Op
		for w.Next(&op) {
			switch op.Code {
			case OpTryTable, OpThrowRef, OpCallRef, OpReturnCallRef, OpRefAsNonNull, OpBrOnNull, OpBrOnNonNull:
				return true
			case OpRefNull, OpSelectTyped:
				if strange(op.Type) {
					return true
				}
			case OpBlock, OpLoop, OpIf, OpTry:
				if t, ok := op.Block.Value(); ok && strange(t) {
					return true
				}
			}
		}
	}
	return false
}

// strangeNull tells whether code has a null of a type that wabt does not know.
func strangeNull(code []byte) (found bool) {
	_ = Walk(code, func(op *Op) error {
		found = found || op.Code == OpRefNull && op.Type != FuncRef && op.Type != ExternRef
		return nil
	})
	return found
}

// TestMutationsAgainstWabt compares our verdict on thousands of damaged modules with that of wasm-validate.
// WHERRY_MUTATIONS sets how many; WHERRY_MUTATION_SEED where to begin.
func TestMutationsAgainstWabt(t *testing.T) {
	validator := tool(t, "wasm-validate")
	count, seed := 1500, uint64(1)
	if n, err := strconv.Atoi(os.Getenv("WHERRY_MUTATIONS")); err == nil {
		count = n
	}
	if n, err := strconv.ParseUint(os.Getenv("WHERRY_MUTATION_SEED"), 10, 64); err == nil {
		seed = n
	}
	if testing.Short() {
		count /= 10
	}
	var seeds [][]byte
	for _, name := range slices.Sorted(maps.Keys(seedTexts)) {
		bin := wat(t, seedTexts[name])
		if err := validate(bin); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		seeds = append(seeds, bin)
	}
	dir := t.TempDir()
	valid, compared := 0, 0
	r := rand.New(rand.NewPCG(seed, 7))
	for i := range count {
		bin := mutate(r, seeds[i%len(seeds)])
		err := validate(bin)
		var e *Error
		if errors.As(err, &e) && (e.Feature != "" || e.Limit != "") || beyondWabt(bin) {
			continue
		}
		compared++
		theirs, out := wabtAccepts(t, validator, dir, bin)
		if theirs {
			valid++
		}
		if theirs != (err == nil) && !knownDifference(bin, err, theirs) {
			path := filepath.Join(os.TempDir(), fmt.Sprintf("wherry-mutation-%d-%d.wasm", seed, i))
			_ = os.WriteFile(path, bin, 0o600)
			t.Errorf("mutation %d (%s): we say %v, wasm-validate says %v: %s", i, path, err, theirs, out)
		}
	}
	t.Logf("%d mutations compared, %d of them valid", compared, valid)
	if valid < compared/20 || valid > compared*19/20 {
		t.Errorf("%d of %d mutations are valid: the mutations compare too little", valid, compared)
	}
}

// knownDifference lists what wabt 1.0.32 takes and the specification refuses. V8 sides with us in each of them.
func knownDifference(bin []byte, ours error, theirs bool) bool {
	if !theirs || ours == nil {
		return false
	}
	for _, part := range []string{
		"the function ends within",    // a function that ends in the middle of a block
		"not expected in a catch_all", // a catch behind the catch_all
		"custom section",              // a custom section without a name
		"select with 0 types",         // or any number of them
		"data segment flags",          // flags 5 and 7, as if they were bits
	} {
		if strings.Contains(ours.Error(), part) {
			return true
		}
	}
	// It forgets the type that a typed select gives.
	return strings.Contains(ours.Error(), "operand") && hasTypedSelect(bin)
}

func hasTypedSelect(bin []byte) (found bool) {
	m, err := Decode(bin, DefaultLimits())
	if err != nil {
		return false
	}
	for i := range m.Code {
		if body, err := m.Body(i); err == nil {
			_ = Walk(body.Bytes[body.Expr:], func(op *Op) error {
				found = found || op.Code == OpSelectTyped
				return nil
			})
		}
	}
	return found
}
