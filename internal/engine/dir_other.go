//go:build !unix

package engine

import "github.com/rogpeppe/go-internal/robustio"

// makePrivate leaves the folder as it is: a folder made in a user's profile on Windows is that user's by inheritance.
func makePrivate(string) error { return nil }

func syncDir(string) {}

// rename tries again while a virus scanner has one of the new files open.
func rename(from, to string) error { return robustio.Rename(from, to) }
