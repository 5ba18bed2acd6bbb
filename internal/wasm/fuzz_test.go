package wasm

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// addSeeds gives a fuzz target modules to start from: hand-made ones always, those in text when wabt is there.
func addSeeds(f *testing.F) {
	ref := TypedRef(1, true)
	f.Add(AppendHeader(nil))
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	f.Add(typed(sig(types(ref), types(I32)), nil, 0x41, 7, 0x20, 0, 0x14, 1))
	f.Add(typed(sig(types(ref), nil), []LocalGroup{{1, ref.AsNonNull()}}, 0x20, 0, 0xd4, 0x21, 1, 0x20, 1, 0x1a))
	f.Add(typed(sig(nil, types(I32)), nil, 0x1f, 0x40, 1, 0, 1, 0, 0x41, 5, 0x08, 1, 0x0b, 0x00))
	f.Add(typed(void, nil, 0x06, 0x40, 0x1f, 0x40, 0, 0x0b, 0x19, 0x09, 0, 0x0b))
	f.Add(append(fn1(void, nil), nameSection(0, "f")...))
	wat2wasm, err := exec.LookPath("wat2wasm")
	if err != nil {
		f.Log("wat2wasm is not installed: fewer seeds")
		return
	}
	dir := f.TempDir()
	for name, text := range seedTexts {
		src, dst := filepath.Join(dir, name+".wat"), filepath.Join(dir, name+".wasm")
		if err := os.WriteFile(src, []byte(text), 0o600); err != nil {
			f.Fatal(err)
		}
		if out, err := exec.Command(wat2wasm, append([]string{src, "-o", dst}, wabtFeatures...)...).CombinedOutput(); err != nil {
			f.Fatalf("%v: %s", err, out)
		}
		bin, err := os.ReadFile(dst)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bin)
	}
}

// FuzzModule checks that no input makes anything panic, that all errors say where, that both scans of functions agree
// on limits, and that a valid module rebuilt from its parts is still valid and has the same parts.
func FuzzModule(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, bin []byte) {
		ctx := context.Background()
		m, err := Decode(bin, DefaultLimits())
		if err != nil {
			checkError(t, err)
			return
		}
		NameOf(Names(m, nil), 1)
		err = Validate(ctx, m, 2)
		if err != nil {
			checkError(t, err)
			// What is not valid must not bring down those that walk it all the same.
			_ = CheckLimits(ctx, m, 1)
			c := NewChecker(m)
			for i := range m.Code {
				_ = c.Func(i, func(op *Op, c *Checker) error {
					c.Operand(0)
					c.Label(c.Depth() - 1)
					return nil
				})
			}
			return
		}
		if err := CheckLimits(ctx, m, 1); err != nil {
			t.Fatalf("valid within the limits, but CheckLimits says %v", err)
		}
		again, err := Decode(m.Assemble(Assembly{}), DefaultLimits())
		if err != nil {
			t.Fatalf("rebuilt module: %v", err)
		}
		if err := Validate(ctx, again, 1); err != nil {
			t.Fatalf("rebuilt module: %v", err)
		}
		if len(again.Code) != len(m.Code) || len(again.Exports) != len(m.Exports) || len(again.Datas) != len(m.Datas) {
			t.Fatal("rebuilt module has other parts")
		}
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Msg == "" {
		t.Fatalf("error %v is a %T", err, err)
	}
	if len(e.Error()) > 4096 {
		t.Fatalf("an error of %d bytes", len(e.Error()))
	}
}

// FuzzWalk checks that the Walker ends, moves forward, and covers the code without gaps.
func FuzzWalk(f *testing.F) {
	f.Add([]byte{0x41, 0x7f, 0x1a, 0x0b})
	f.Add([]byte{0x0e, 2, 0, 1, 2, 0xfd, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	f.Add([]byte{0x1f, 0x40, 2, 0, 0, 0, 2, 1, 0xfc, 0x08, 0, 0, 0xfe, 0x10, 2, 0})
	f.Fuzz(func(t *testing.T, code []byte) {
		w := NewWalker(code, 0)
		var op Op
		at := 0
		for w.Next(&op) {
			if op.Start != at || op.End <= at || op.End > len(code) {
				t.Fatalf("%s from %d to %d after %d", op.Code, op.Start, op.End, at)
			}
			at = op.End
			if op.Code.Imm() == ImmInvalid || op.Code.String() == "" {
				t.Fatalf("opcode %#x was decoded", uint16(op.Code))
			}
			n := 0
			if op.Code == OpBrTable {
				for range op.Labels(code) {
					n++
				}
				if n != int(op.Count)+1 {
					t.Fatalf("%d labels of %d", n, op.Count+1)
				}
			}
		}
		if w.Err() == nil && at != len(code) {
			t.Fatalf("stopped at %d of %d without an error", at, len(code))
		}
	})
}
