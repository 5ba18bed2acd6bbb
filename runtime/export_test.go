package runtime

import "github.com/wherry-run/wherry/internal/hostmath"

// WithGroupBytes makes groups of modules in parts small, so that small guests have several.
func WithGroupBytes(n int) Option { return func(c *config) { c.groupBytes = n } }

// Computing is how many guests of the Runtime compute now.
func (rt *Runtime) Computing() int { return int(rt.crew.computing.Load()) }

// WithPinned has a Runtime accelerate functions of modules that a test knows.
func WithPinned(name string, pins func(module [32]byte) []hostmath.Pin, kernel func(name string) hostmath.Func) Option {
	return func(c *config) { c.accelerator = &accelerator{name, pins, kernel} }
}
