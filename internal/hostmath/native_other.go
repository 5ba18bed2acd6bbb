//go:build !amd64 && !arm64

package hostmath

// native lists the sets of this processor: none of those we have.
func native() []string { return nil }

// units returns what the sets compute with.
func units(string) tools { return goTools() }
