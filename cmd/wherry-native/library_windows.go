package main

import (
	"encoding/binary"

	"golang.org/x/sys/windows"
)

// symbol loads a library, with those beside it, and finds a function of it.
func symbol(library, name string) (uintptr, error) {
	const flags = windows.LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | windows.LOAD_LIBRARY_SEARCH_DEFAULT_DIRS
	handle, err := windows.LoadLibraryEx(library, 0, flags)
	if err != nil {
		return 0, err
	}
	return windows.GetProcAddress(handle, name)
}

// pathText is a path as the library takes it.
func pathText(path string) []byte {
	wide, err := windows.UTF16FromString(path)
	if err != nil { // a NUL in it: no file has this name
		wide = []uint16{0}
	}
	var text []byte
	for _, c := range wide {
		text = binary.LittleEndian.AppendUint16(text, c)
	}
	return text
}
