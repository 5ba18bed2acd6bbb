//go:build !linux && !darwin && !windows

package engine

import "os"

// reserve refuses: on these systems guest memory lies on the Go heap.
func reserve(uint64) ([]byte, error) { return nil, errNoReserve }

func commit([]byte) error { return errNoReserve }

func unreserve([]byte) {}

// overlay refuses: on this system an image is copied.
func overlay([]byte, *os.File) error { return errNoReserve }
