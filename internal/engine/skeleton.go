package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/wherry-run/wherry/internal/wasm"
)

// To load machine code, wazero first decodes and validates the module it belongs to, which for a module of a hundred
// megabytes takes three times as long as reading the code, and looks the code up by the hash of the module. An entry
// therefore holds the module's skeleton: the same module with `unreachable` for the body of each function. Its machine
// code, which wazero names, is replaced by that of the real module. Everything that wazero reads from a module beside
// machine code - types, imports, tables, memories, globals, segments, exports - is outside of the bodies, and the bodies
// were validated when they were compiled.
//
// Skeletons of different modules may be the same. That does no harm, because each entry is a cache of its own; and what
// wazero finds under the skeleton's name must be the file that the entry describes, before and after.

// skeletonOf replaces the bodies of all functions.
func skeletonOf(bin []byte) ([]byte, error) {
	m, err := wasm.Decode(bin, outlineLimits())
	if err != nil {
		return nil, err
	}
	trap := []byte{0, byte(wasm.OpUnreachable), byte(wasm.OpEnd)} // no locals
	bodies := make([][]byte, len(m.Code))
	for i := range bodies {
		bodies[i] = trap
	}
	// What else is left of custom sections names the parts of a module in traces.
	keep := func(name string) bool { return isDebug(name) || name == "name" }
	return m.Assemble(wasm.Assembly{Bodies: bodies, KeepCustom: keep}), nil
}

// transplant puts the machine code in a draft under the name that wazero gives to the skeleton's, and returns the
// skeleton. It does so by having the skeleton compiled, since only wazero knows the name.
func (e *Engine) transplant(ctx context.Context, dir string, bin []byte) ([]byte, error) {
	code, err := findNative(dir)
	if err != nil || code == "" {
		return bin, err
	}
	skeleton, err := skeletonOf(bin)
	if err != nil {
		return nil, fmt.Errorf("make skeleton: %w", err)
	}
	work := filepath.Join(dir, "skeleton")
	if err := os.Mkdir(work, 0o700); err != nil { // the draft is gone when it was abandoned, and is not to come back
		return nil, fmt.Errorf("make folder of skeleton: %w", err)
	}
	defer removeAll(work)
	c, err := e.newCode(ctx, nil, &outline{}, work, "")
	if err != nil {
		return nil, err
	}
	_, err = c.runtime.CompileModule(ctx, skeleton)
	c.free()
	if err != nil {
		return nil, fmt.Errorf("compile skeleton: %w", err)
	}
	name, err := findNative(work)
	if err != nil || name == "" {
		return nil, fmt.Errorf("find the skeleton's machine code: %w", err)
	}
	if filepath.Dir(name) != filepath.Dir(code) {
		return nil, fmt.Errorf("machine code in %s and %s", code, name)
	}
	return skeleton, os.Rename(filepath.Join(dir, code), filepath.Join(dir, name))
}
