//go:build !unix

package hostmath_test

import "testing"

// fenced gives memory, which this system does not fence for us.
func fenced(t testing.TB, size int) []byte { return make([]byte, size) }
