//go:build !unix

package bench

import "time"

var started = time.Now()

// processor is the clock on the wall, where the process does not know better.
func processor() time.Duration { return time.Since(started) }
