//go:build !unix

package main

import "testing"

func TestSignals(t *testing.T) {
	t.Skip("NOT TESTED: only Unix lets a test send the signals of a terminal")
}
