// Package version knows which build of Wherry this is.
package version

import (
	"runtime"
	"runtime/debug"
)

// Release is the version of the next release; builds between releases say
// which commit they are instead.
const Release = "0.1.0"

// Info describes a build.
type Info struct {
	Version   string // the release, with "-dev" when built from a checkout
	Commit    string // git commit, when known
	GoVersion string
	OS        string
	Arch      string
}

// Get reads the description of this build from the binary.
func Get() Info {
	i := Info{Version: Release, GoVersion: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return i
	}
	for _, s := range b.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Commit = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				i.Version = Release + "-dev"
			}
		}
	}
	return i
}
