package wasm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// skipOrFail skips a test for want of a tool, and fails it where everything must be there.
func skipOrFail(t *testing.T, tool string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and CI=true allows no skipped tests", tool)
	}
	t.Skipf("SKIPPED: %s is not installed; it comes with wabt", tool)
}

// tool finds a program of wabt.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		skipOrFail(t, name)
	}
	return path
}

var wabtFeatures = []string{"--enable-exceptions", "--enable-threads", "--enable-tail-call", "--enable-extended-const"}

// wat compiles text with wat2wasm, without checking it there.
func wat(t *testing.T, text string, flags ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "a.wat"), filepath.Join(dir, "a.wasm")
	if err := os.WriteFile(src, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(append([]string{"--no-check", src, "-o", dst}, wabtFeatures...), flags...)
	if out, err := exec.Command(tool(t, "wat2wasm"), args...).CombinedOutput(); err != nil {
		t.Fatalf("wat2wasm: %v\n%s\n%s", err, out, text)
	}
	bin, err := os.ReadFile(dst)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// validate decodes and validates with two workers.
func validate(bin []byte) error {
	m, err := Decode(bin, DefaultLimits())
	if err != nil {
		return err
	}
	return Validate(context.Background(), m, 2)
}

// mod writes small modules by hand.
type mod struct {
	types    []FuncType
	imports  []Import
	tables   []TableType
	memories []MemoryType
	tags     []uint32
	globals  []byte // the section, when not nil
	exports  []Export
	start    []byte
	elems    []byte
	datas    []byte
	bodies   [][]byte
	funcs    []uint32
}

// fn adds a function: a type, groups of locals and instructions without the last end.
func (m *mod) fn(typ FuncType, locals []LocalGroup, code ...byte) *mod {
	m.types = append(m.types, typ)
	m.funcs = append(m.funcs, uint32(len(m.types)-1))
	m.bodies = append(m.bodies, append(append(AppendLocals(nil, locals), code...), byte(OpEnd)))
	return m
}

func (m *mod) bytes() []byte {
	b := AppendHeader(nil)
	b = AppendSection(b, SectionType, AppendVector(nil, m.types, AppendFuncType))
	if m.imports != nil {
		b = AppendSection(b, SectionImport, AppendVector(nil, m.imports, AppendImport))
	}
	b = AppendSection(b, SectionFunction, AppendVector(nil, m.funcs, AppendU32))
	if m.tables != nil {
		b = AppendSection(b, SectionTable, AppendVector(nil, m.tables, AppendTableType))
	}
	if m.memories != nil {
		b = AppendSection(b, SectionMemory, AppendVector(nil, m.memories, AppendMemoryType))
	}
	if m.tags != nil {
		b = AppendSection(b, SectionTag, AppendVector(nil, m.tags, func(b []byte, t uint32) []byte { return AppendU32(append(b, 0), t) }))
	}
	if m.globals != nil {
		b = AppendSection(b, SectionGlobal, m.globals)
	}
	if m.exports != nil {
		b = AppendSection(b, SectionExport, AppendVector(nil, m.exports, AppendExport))
	}
	if m.start != nil {
		b = AppendSection(b, SectionStart, m.start)
	}
	if m.elems != nil {
		b = AppendSection(b, SectionElement, m.elems)
	}
	b = AppendCodeSection(b, m.bodies)
	if m.datas != nil {
		b = AppendSection(b, SectionData, m.datas)
	}
	return b
}

// fn1 is a module of one function.
func fn1(typ FuncType, locals []LocalGroup, code ...byte) []byte {
	return new(mod).fn(typ, locals, code...).bytes()
}

func sig(params, results []ValueType) FuncType { return FuncType{Params: params, Results: results} }

func types(ts ...ValueType) []ValueType { return ts }

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func rep(n int, b ...byte) []byte { return bytes.Repeat(b, n) }
