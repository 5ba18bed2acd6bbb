//go:build !linux

package bench

import "testing"

// runc is for Linux.
func runc(b *testing.B, _ string) []contender {
	b.Log("NOT MEASURED: runc is for Linux")
	return nil
}
