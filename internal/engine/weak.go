package engine

import (
	"runtime"
	"strings"
)

// Weak says of what the compiler makes less than it could, so that code is better written in another way before it is
// compiled. It is known by version: what a version that nobody has looked at makes of code is not guessed at, and code is
// left as it is.
type Weak struct {
	Branches bool // comparisons and conditional branches become one instruction only where the label has one branch
	Checks   bool // accesses are checked one by one, unless their address is the same value
	Loops    bool // loops are compiled as they are written
	Splats   bool // v128.load32_splat waits for what its register held before
	Selects  bool // select of floats has to be written by other instructions
}

// weakNewest is the version that this module is built with. A build that does not say its version is taken for it.
const weakNewest = "v1.12.0"

// weakVersions are the versions of wazero that have been looked at; see TestWeak.
var weakVersions = map[string]Weak{
	weakNewest: {Branches: true, Checks: true, Loops: true, Splats: true, Selects: true},
}

// Weak returns what is known of the compiler of this machine.
func (e *Engine) Weak() Weak {
	s := e.self()
	if !s.compiler {
		return Weak{}
	}
	w, known := weakVersions[s.version]
	if !known && strings.HasPrefix(s.version, "dev-") {
		w = weakVersions[weakNewest]
	}
	if runtime.GOARCH != "amd64" {
		w.Splats = false // it is one instruction there
	}
	w.Selects = w.Selects && s.inexact
	return w
}
