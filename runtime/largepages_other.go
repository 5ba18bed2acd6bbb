//go:build !linux

package runtime

// inLargePages is for Linux.
func inLargePages([]byte) {}
