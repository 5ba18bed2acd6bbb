// Package bases knows the images that a recipe may name in FROM without a
// registry: their recipes and the files those copy, embedded in the binary.
package bases

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
)

//go:embed python.Wasmfile all:python onnx.Wasmfile static.Wasmfile
var files embed.FS

// Base is one embedded recipe.
type Base struct {
	Name    string // as in FROM: "python"
	Ref     string // name and version: "python:3.15"
	Recipe  []byte // the text of its Wasmfile
	Context fs.FS  // its build context
}

// known is one of the bases.
type known struct {
	name, version string
	aliases       []string // tags that mean the same
	folder        string   // its context; "": nothing
	what          string   // what it has, for people
}

func table() []known {
	return []known{
		{"onnx", "1.18", []string{"1", "1.18.0", "latest", ""}, "", "ONNX Runtime 1.18 for WebAssembly"},
		{"python", "3.15", []string{"3", "3.15.0", "latest", ""}, "python", "Python 3.15 with numpy, pandas and scikit-learn"},
		{"static", "1", []string{"latest", ""}, "", "a web server for the files in /srv/http"},
	}
}

// Names lists the bases, sorted.
func Names() []string {
	var names []string
	for _, k := range table() {
		names = append(names, k.name)
	}
	return names
}

// find is the base of a reference's name, and the tag.
func find(ref string) (k known, tag string, ok bool) {
	name, tag, tagged := strings.Cut(ref, ":")
	for _, k := range table() {
		if k.name == name && !(tagged && tag == "") {
			return k, tag, true
		}
	}
	return known{}, "", false
}

// Lookup finds the base that a FROM names. A version that is not ours is not
// found: it must never silently become another one.
func Lookup(ref string) (Base, bool) {
	k, tag, ok := find(ref)
	if !ok || tag != k.version && !slices.Contains(k.aliases, tag) {
		return Base{}, false
	}
	recipe, err := files.ReadFile(k.name + ".Wasmfile")
	if err != nil {
		return Base{}, false
	}
	var context fs.FS = embed.FS{}
	if k.folder != "" {
		if context, err = fs.Sub(files, k.folder); err != nil {
			return Base{}, false
		}
	}
	return Base{Name: k.name, Ref: k.name + ":" + k.version, Recipe: recipe, Context: context}, true
}

// Unknown says what to write instead of a short name with the name of a base
// and a tag that we do not have.
func Unknown(ref string) (advice string, ok bool) {
	k, tag, ok := find(ref)
	if !ok || tag == "" {
		return "", false
	}
	if _, known := Lookup(ref); known {
		return "", false
	}
	return "there is no base " + k.name + ":" + tag + " for WebAssembly; write FROM " + k.name + " (" + k.what +
		"), or the full name of an image in a registry", true
}
