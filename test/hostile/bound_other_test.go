//go:build !linux

package hostile

import "runtime"

// watchMemory begins to watch the memory of the process; the function it
// returns tells by how much what Go took from the system has grown.
func watchMemory() (grown func() int64) {
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	return func() int64 {
		var after runtime.MemStats
		runtime.ReadMemStats(&after)
		return int64(after.Sys) - int64(before.Sys)
	}
}
