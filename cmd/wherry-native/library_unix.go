//go:build unix

package main

import "github.com/ebitengine/purego"

// symbol loads a library and finds a function of it.
func symbol(library, name string) (uintptr, error) {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return 0, err
	}
	return purego.Dlsym(handle, name)
}

// pathText is a path as the library takes it.
func pathText(path string) []byte { return append([]byte(path), 0) }
