//go:build !linux

package engine

import "os"

func openSource(*os.File, int) ([]byte, error) { return nil, errNoReserve }

func closeSource([]byte) {}

// putBack refuses: here nobody tells which pages were written to.
func putBack(_, _ []byte, _ *ownPages) bool { return false }

// scan refuses as well.
func scan([]byte, []span) ([]span, bool) { return nil, false }

func faults() (n int64, ok bool) { return 0, false }
