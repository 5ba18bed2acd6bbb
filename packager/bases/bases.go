// Package bases knows the images that a recipe may name in FROM without a
// registry: their recipes and the files those copy, embedded in the binary.
package bases

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed python.Wasmfile all:python
var files embed.FS

// Base is one embedded recipe.
type Base struct {
	Name    string // as in FROM: "python"
	Ref     string // name and version: "python:3.15"
	Recipe  []byte // the text of its Wasmfile
	Context fs.FS  // its build context
}

// Names lists the bases, sorted.
func Names() []string { return []string{"python"} }

// Lookup finds the base that a FROM names. A version that is not ours is not
// found: it must never silently become another one.
func Lookup(ref string) (Base, bool) {
	switch ref {
	case "python", "python:3", "python:3.15", "python:3.15.0", "python:latest":
	default:
		return Base{}, false
	}
	recipe, err := files.ReadFile("python.Wasmfile")
	if err != nil {
		return Base{}, false
	}
	context, err := fs.Sub(files, "python")
	if err != nil {
		return Base{}, false
	}
	return Base{Name: "python", Ref: "python:3.15", Recipe: recipe, Context: context}, true
}

// Unknown says what to write instead of a short name with the name of a base
// and a tag that we do not have.
func Unknown(ref string) (advice string, ok bool) {
	name, tag, tagged := strings.Cut(ref, ":")
	if name != "python" || !tagged {
		return "", false
	}
	if _, known := Lookup(ref); known {
		return "", false
	}
	return "there is no base python:" + tag + " for WebAssembly; write FROM python (Python 3.15 with " +
		"numpy, pandas and scikit-learn), or the full name of an image in a registry", true
}
