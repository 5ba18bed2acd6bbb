//go:build !linux && !darwin && !windows

package engine

// reserve refuses: on these systems guest memory lies on the Go heap.
func reserve(uint64) ([]byte, error) { return nil, errNoReserve }

func commit([]byte) error { return errNoReserve }

func unreserve([]byte) {}
