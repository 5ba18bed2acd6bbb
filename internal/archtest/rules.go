// Package archtest knows which room of the repository may import which, and
// why. Its test reads the import clauses of every Go file in-process (a test
// that runs `go list` is silently served from the test cache) and fails on any
// other arrow.
package archtest

import (
	"fmt"
	"strings"
)

// Module is the module path whose packages the rules speak of.
const Module = "github.com/wherry-run/wherry"

// levels lists the rooms from the top of the flow to its bottom. A package may
// import packages of lower levels only; rooms of one level do not import each
// other. "" is the root package. A child stands at its parent's level.
var levels = [][]string{
	{"cmd", "examples", "test"},
	{"internal/cli"},
	{"compose", "internal/dashboard"},
	{"serve", "hub", "internal/postgres"},
	{"internal/state", "internal/network"},
	{"packager"},
	{""},
	{"model"},
	{"images"},
	{"runtime"},
	{"oci/store", "oci/registry"},
	{"wasi", "internal/hostmath"},
	{"internal/engine", "internal/prepare"},
	{"internal/rootfs", "internal/shell"},
	{"internal/layer"},
	{"internal/wasm", "oci"},
	{"internal/changes", "internal/late", "internal/local", "internal/pattern", "internal/places", "internal/process", "internal/servercmd", "internal/spelling", "internal/version"},
}

// A ban forbids a room something that the order alone would allow.
type ban struct {
	room   string // room it holds for, children included
	what   string // import path (prefix by path element), ours or foreign
	reason string
}

const (
	wazero    = "github.com/tetratelabs/wazero"
	cobra     = "github.com/spf13/cobra"
	buildkit  = "github.com/moby/buildkit"
	composeGo = "github.com/compose-spec/compose-go/v2"
	purego    = "github.com/ebitengine/purego" // makes a binary dynamic
	ggcr      = "github.com/google/go-containerregistry/pkg/v1/remote"
)

const validator = "it links a validator of JSON schemas that every start of the program pays for"

var bans = []ban{
	{"cmd", Module + "/packager", "cmd is a door: it knows internal/cli alone"},
	{"cmd", Module + "/runtime", "cmd is a door: it knows internal/cli alone"},
	{"cmd", Module + "/images", "cmd is a door: it knows internal/cli alone"},
	{"cmd/wherry-native", Module + "/internal/cli", "the companion answers frames: model/native is all that it knows"},
	{"cmd", cobra, "cmd is a door: flags belong to internal/cli"},
	{"internal/cli", wazero, "the engine is reached through runtime"},
	{"internal/cli", "archive/tar", "archives belong to internal/layer and images"},
	{"internal/cli/ux", Module, "output knows no domain package"},
	{"", Module + "/packager", "a Go service that runs images must not link the builder"},
	{"", cobra, "a Go service that runs images must not link the command line"},
	{"compose", cobra, "a stack is library calls, not commands"},
	{"compose", composeGo + "/cli", validator},
	{"compose", composeGo + "/loader", validator},
	{"compose", composeGo + "/schema", validator},
	{"compose/spec", Module + "/internal/state", "a format knows no containers"},
	{"serve", cobra, "serving is a library"},
	{"serve", Module + "/oci/registry", "serving knows Predictors, not registries"},
	{"serve", Module + "/packager", "serving knows Predictors, not recipes"},
	{"internal/dashboard", wazero, "the page shows state, it runs nothing"},
	{"internal/dashboard", Module + "/runtime", "the page shows state, it runs nothing"},
	{"internal/dashboard", Module + "/oci", "images come through an interface"},
	{"hub", wazero, "the hub stores and shows; it runs nothing"},
	{"hub", Module + "/runtime", "the hub stores and shows; it runs nothing"},
	{"internal/state", wazero, "state is about processes and files"},
	{"internal/network", wazero, "the network carries bytes"},
	{"internal/network", Module + "/images", "the network carries bytes"},
	{"packager", Module + "/oci/store", "the builder asks small interfaces for storage"},
	{"packager", Module + "/oci/registry", "the builder asks small interfaces for images"},
	{"packager", wazero, "RUN goes through an interface"},
	{"packager/recipe", Module, "recipes are pure text"},
	{"packager/recipe", "os", "recipes are pure text: no input or output"},
	{"packager/recipe", "net/http", "recipes are pure text: no input or output"},
	{"packager/toolchain", Module + "/oci", "a compiler knows no images"},
	{"packager/python", Module + "/oci", "wheels become entries of a layer; images are made above"},
	{"model", Module + "/oci", "a model knows tensors and containers"},
	{"model", "net/http", "a model knows tensors and containers"},
	{"images", Module + "/runtime", "an opened image satisfies runtime's interface by shape"},
	{"images", Module + "/oci/registry", "fetching is handed in, so that local images need no client"},
	{"images", wazero, "pulling must not link the engine"},
	{"images", buildkit, "images know no recipes"},
	{"runtime", Module + "/oci/registry", "an embedder that pulls nothing must not link the client"},
	{"runtime", Module + "/oci/store", "a container knows an opened image, not where it is kept"},
	{"runtime", cobra, "runtime is the embeddable API"},
	{"runtime", "net/http", "runtime is the embeddable API: no HTTP"},
	{"runtime", buildkit, "runtime knows no recipes"},
	{"runtime", wazero, "the engine is internal/engine's"},
	{"oci/store", "net/http", "the store is a disk"},
	{"oci/store", wazero, "the store keeps bytes"},
	{"oci/registry", wazero, "pulling must not link the engine"},
	{"oci", "os", "vocabulary and validation do no input or output"},
	{"oci", "net/http", "vocabulary and validation do no input or output"},
	{"wasi", wazero, "host modules are tables of functions over engine.Guest"},
	{"internal/hostmath", Module, "kernels know bytes and numbers"},
	{"internal/changes", Module, "files, and nothing of ours"},
	{"internal/late", Module, "contexts, and nothing of ours"},
	{"internal/process", Module, "what the system says of this process, and nothing of ours"},
	{"internal/prepare", wazero, "rewriting is pure bytes in, bytes out"},
	{"internal/wasm", wazero, "the format stands alone"},
	{"internal/rootfs", wazero, "files know no guests"},
	{"internal/layer", wazero, "files know no guests"},
	{"internal/shell", wazero, "programs run through the World handed in"},
}

// soleImporters names foreign modules that one room alone may import.
var soleImporters = map[string][]string{
	wazero:    {"internal/engine"},
	cobra:     {"internal/cli"},
	composeGo: {"compose"},
	buildkit:  {"packager"},
	ggcr:      {"oci/registry"},
	purego:    {"cmd/wherry-native"},
}

// child rooms that carry their own rules in bans although they stand at their
// parent's level.
var nested = map[string]string{
	"oci/store":    "oci",
	"oci/registry": "oci",
}

// planned are rooms that have a level, or a floor, before they have a folder.
var planned = map[string]bool{"internal/postgres": true}

// openParents import their children, which then do not import them.
var openParents = map[string]bool{"internal/cli": true, "packager": true, "serve": true, "serve/oipgrpc": true, "serve/web": true}

// formats are children that know a file format and nothing above it: their parents
// read it through them.
var formats = map[string]bool{"model/onnx/graph": true, "compose/spec": true}

// floors order the children of a room from its top to its bottom, as levels order the
// rooms. Each holds for what is below it, too. Children of one floor do not import each
// other: protocols, for one, know nothing of each other.
var floors = map[string][][]string{
	"serve": {
		{
			"serve/oip", "serve/oipgrpc", "serve/predict", "serve/openai", "serve/cog", "serve/mlflow", "serve/tei", "serve/ollama",
			"serve/page", "serve/metrics", "serve/requestlog", "serve/tracing", "serve/web",
		},
		{"serve/guard", "serve/inference", "serve/task"},
		{"serve/plain"},
		{"serve/route"},
		{"serve/openapi", "serve/repository", "serve/load", "serve/direct"},
	},
	"serve/web": {
		{"serve/web/cgi", "serve/web/handler", "serve/web/proxy", "serve/web/python", "serve/web/static"},
		{"serve/web/pool", "serve/web/socket", "serve/web/wire"},
	},
	"packager": {{"packager/bases", "packager/python", "packager/recipe", "packager/scaffold", "packager/source", "packager/toolchain"}},
	"model": {
		{"model/onnx/nn"},
		{"model/native", "model/python/ort", "model/reactor"},
		{"model/onnx", "model/python"},
		{"model/onnx/graph"},
	},
	"wasi": {{"wasi/emscripten", "wasi/kdf", "wasi/ruby", "wasi/sock"}, {"wasi/door", "wasi/nn", "wasi/preview1"}},
}

// Room returns the room that the package at rel (slash path below the module
// root) belongs to, and its level; ok is false when no room claims it.
func Room(rel string) (room string, level int, ok bool) {
	best := -1
	for i, rooms := range levels {
		for _, r := range rooms {
			if !within(rel, r) {
				continue
			}
			if len(r) > best {
				best, room, level, ok = len(r), r, i, true
			}
		}
	}
	return room, level, ok
}

func within(rel, room string) bool {
	if room == "" {
		return rel == "" || rel == "."
	}
	return rel == room || strings.HasPrefix(rel, room+"/")
}

// Check tells why the package at rel (slash path below the module root) must
// not import target; nil when it may. Test files are judged by allowances of
// their own, so they are not given to Check.
func Check(rel, target string) error {
	for _, b := range bans {
		if !holdsFor(b.room, rel) || !matches(target, b.what) {
			continue
		}
		return fmt.Errorf("%s imports %s: %s", show(rel), target, b.reason)
	}
	for mod, rooms := range soleImporters {
		if matches(target, mod) && !anyWithin(rel, rooms) && !strings.HasPrefix(rel, "test/") {
			return fmt.Errorf("%s imports %s: only %s may", show(rel), target, strings.Join(rooms, ", "))
		}
	}
	if !matches(target, Module) {
		return nil
	}
	return checkOrder(rel, strings.TrimPrefix(strings.TrimPrefix(target, Module), "/"))
}

func checkOrder(from, to string) error {
	fr, fl, ok := Room(from)
	if !ok {
		return fmt.Errorf("%s belongs to no room of design.md: add it to the table with its reason", show(from))
	}
	tr, tl, ok := Room(to)
	if !ok {
		return fmt.Errorf("%s imports %s, which belongs to no room", show(from), show(to))
	}
	switch {
	case fr == tr:
		return checkFamily(fr, from, to)
	case tl > fl:
		return nil
	case tl == fl:
		return fmt.Errorf("%s imports %s: rooms of one level do not import each other", show(from), show(to))
	}
	return fmt.Errorf("%s imports %s: arrows go down only", show(from), show(to))
}

// checkFamily judges arrows inside one room: a child may import its parent, a parent
// imports its children only where openParents says so, and others go by floors.
func checkFamily(room, from, to string) error {
	switch {
	case from == to, within(from, to), room == "test", room == "cmd", room == "examples":
		return nil
	case within(to, from):
		if openParents[from] || formats[to] {
			return nil
		}
		return fmt.Errorf("%s imports its child %s: a parent does not know its children", show(from), show(to))
	}
	for ; room != ""; room = family(from, to, room) {
		fr, fl := floorOf(room, from)
		tr, tl := floorOf(room, to)
		switch {
		case fr == "" || tr == "":
			return fmt.Errorf("%s imports %s: one of them stands on no floor of %s: add it with its reason", show(from), show(to), room)
		case fr != tr && tl > fl:
			return nil
		case fr != tr && tl == fl:
			return fmt.Errorf("%s imports %s: children of one floor do not know each other; what they share is below them", show(from), show(to))
		case fr != tr:
			return fmt.Errorf("%s imports %s: arrows go down only", show(from), show(to))
		}
	}
	return nil
}

// floorOf is the child of a room that a folder is of, and its floor.
func floorOf(room, rel string) (child string, floor int) {
	for i, children := range floors[room] {
		for _, c := range children {
			if within(rel, c) && len(c) > len(child) {
				child, floor = c, i
			}
		}
	}
	return child, floor
}

// family is the child of a room that both folders are of, where it has floors itself;
// "" when it has none.
func family(from, to, room string) string {
	child, _ := floorOf(room, from)
	if other, _ := floorOf(room, to); other != child || floors[child] == nil {
		return ""
	}
	return child
}

// holdsFor: a ban on a room holds for its children, except that a nested room
// of another name ("oci/store") follows its own rules only.
func holdsFor(room, rel string) bool {
	if !within(rel, room) {
		return false
	}
	own, _, _ := Room(rel)
	return !(nested[own] == room && own != room)
}

func matches(target, what string) bool {
	return target == what || strings.HasPrefix(target, what+"/")
}

func anyWithin(rel string, rooms []string) bool {
	for _, r := range rooms {
		if within(rel, r) {
			return true
		}
	}
	return false
}

func show(rel string) string {
	if rel == "" || rel == "." {
		return "the root package"
	}
	return rel
}
