package cli

import (
	"os"
	"path/filepath"

	"github.com/wherry-run/wherry/internal/places"
)

// cacheVariable names a folder for what can be made again, instead of the one
// that belongs to the home.
const cacheVariable = places.CacheVariable

// locate finds the folders of this user.
func locate(env func(string) string) (places.Places, error) { return places.Locate(env) }

// nearer is a path as it is seen from the working directory, where it is below that.
func nearer(name string) string {
	dir, err := os.Getwd()
	if err != nil {
		return name
	}
	if rel, err := filepath.Rel(dir, name); err == nil && filepath.IsAbs(name) && filepath.IsLocal(rel) {
		return rel
	}
	return name
}
