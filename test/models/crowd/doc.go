// Package crowd asks models from a thousand goroutines at once, many of which are
// cancelled, late or harmful, as a Go service with bad luck would.
package crowd
