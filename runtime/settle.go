package runtime

import "runtime/debug"

// Settle gives back memory that only the beginning of programs needed: what was
// allocated for it, and, where the system can do that and the Runtime has a cache,
// machine code that other processes hold as well. It is for processes that then wait
// for long. Programs run on meanwhile, and after an error everything is as before.
func (rt *Runtime) Settle() error {
	err := rt.engine.ShareCode()
	debug.FreeOSMemory()
	debug.FreeOSMemory() // pools let go of what they have at the second collection
	return err
}
