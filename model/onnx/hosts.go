package onnx

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/emscripten"
)

// World is what an instance of ONNX Runtime's module is given.
type World struct {
	// Module is the digest of the module, and Imports are its imports.
	Module  string
	Imports []wasi.Import
	// WASI has the functions of preview 1: it prints by them.
	WASI wasi.HostModule
	// Clock is its time.
	Clock wasi.Clock
	// Open opens a file that a model keeps weights in, by the name that the model has
	// for it; nil has none. A file that is an io.Closer is closed.
	Open func(name string) (Source, error)
	// Full has the guest make do with the memory that it has while it returns true; nil
	// never does.
	Full func() bool
}

// Hosts are the functions that an instance imports. A module that is not known is an
// *UnknownBuildError.
func Hosts(w World) (wasi.HostModule, error) {
	b, err := buildOf(w.Module)
	if err != nil {
		return wasi.HostModule{}, err
	}
	return emscripten.Module(emscripten.Config{
		Build: emscripten.Build{
			Module: b.module, Imports: b.imports, Exports: b.exports, Asm: map[uint32]emscripten.Asm{b.external: w.external},
		},
		Imports: w.Imports, WASI: w.WASI, Clock: w.Clock, Env: []string{}, Full: w.Full,
	}), nil
}

// What loading external data answers.
const (
	externalOK      = 0
	externalNone    = 1
	externalMissing = 2
	externalRange   = 3
	externalFailed  = 4
)

// external reads a piece of a file that a model's weights are in, from where it lies
// straight into the guest's memory.
func (w World) external(_ context.Context, g *wasi.Guest, args []uint64) uint32 {
	if len(args) != 4 {
		return externalFailed
	}
	if w.Open == nil {
		return externalNone
	}
	f, err := w.Open(cstring(g.Memory(), uint32(args[0])))
	if err != nil {
		return externalMissing
	}
	if c, ok := f.(io.Closer); ok {
		defer c.Close()
	}
	off, length := uint64(uint32(args[1])), uint64(uint32(args[2]))
	if off+length > uint64(max(0, f.Size())) {
		return externalRange
	}
	b, ok := g.Memory().Read(uint32(args[3]), uint32(length))
	if !ok || readFull(f, b, int64(off)) != nil {
		return externalFailed
	}
	return externalOK
}

// readFull fills b.
func readFull(f io.ReaderAt, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// maxFileName bounds the name of a file that a model names, in bytes.
const maxFileName = 4096

// cstring is a name in the guest's memory, as the guest has it.
func cstring(m wasi.Memory, at uint32) string {
	if uint64(at) >= m.Size() {
		return ""
	}
	b, _ := m.Read(at, uint32(min(maxFileName, m.Size()-uint64(at))))
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// beside is the file that a model names: beside the model, or below.
func beside(model, name string) (string, error) {
	clean := path.Clean(strings.ReplaceAll(name, "\\", "/"))
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%q is not beside the model", name)
	}
	return path.Join(path.Dir(model), clean), nil
}
