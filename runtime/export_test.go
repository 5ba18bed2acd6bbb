package runtime

// WithGroupBytes makes groups of modules in parts small, so that small guests have several.
func WithGroupBytes(n int) Option { return func(c *config) { c.groupBytes = n } }

// Computing is how many guests of the Runtime compute now.
func (rt *Runtime) Computing() int { return int(rt.crew.computing.Load()) }
