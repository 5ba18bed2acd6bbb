//go:build !unix

package cli

import "os"

// hangups tells of nothing: there is no such signal here.
func hangups() (<-chan os.Signal, func()) { return nil, func() {} }
