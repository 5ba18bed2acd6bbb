package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestArrows fails when any file of the repository imports what its room must
// not know.
func TestArrows(t *testing.T) {
	root := os.DirFS("../..")
	files := 0
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(root, p, d)
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		files++
		return checkFile(t, root, p)
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("read %d files: the walk does not see the repository", files)
	}
}

// skipDir leaves out what is not part of this module.
func skipDir(root fs.FS, p string, d fs.DirEntry) error {
	name := d.Name()
	if p != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "dist") {
		return fs.SkipDir
	}
	if p != "." {
		if _, err := fs.Stat(root, path.Join(p, "go.mod")); err == nil {
			return fs.SkipDir // a module of its own
		}
	}
	return nil
}

func checkFile(t *testing.T, root fs.FS, p string) error {
	src, err := fs.ReadFile(root, p)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(token.NewFileSet(), p, src, parser.ImportsOnly)
	if err != nil {
		return err
	}
	rel := filepath.ToSlash(path.Dir(p))
	if rel == "." {
		rel = ""
	}
	for _, imp := range f.Imports {
		target, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return err
		}
		if err := Check(rel, target); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	return nil
}

// TestPlanted proves that the rules can fail: each row is an import somebody
// might be tempted to write.
func TestPlanted(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"runtime", Module + "/oci/registry", false},
		{"runtime", Module + "/internal/engine", true},
		{"runtime", wazero, false},
		{"internal/engine", wazero + "/api", true},
		{"internal/engine", Module + "/internal/prepare", false},
		{"internal/engine", Module + "/wasi", false},
		{"oci/store", Module + "/oci", true},
		{"oci/store", "os", true},
		{"oci", "os", false},
		{"oci", Module + "/oci/store", false},
		{"oci/registry", Module + "/oci/store", false},
		{"wasi/preview1", Module + "/wasi", true},
		{"wasi", Module + "/wasi/preview1", false},
		{"packager", Module + "/packager/recipe", true},
		{"packager/recipe", Module + "/packager", false},
		{"packager", Module + "/oci/store", false},
		{"images", Module + "/oci/store", true},
		{"images", Module + "/runtime", false},
		{"internal/cli", Module + "/packager", true},
		{"internal/cli/ux", Module + "/runtime", false},
		{"serve", cobra, false},
		{"serve", Module + "/serve/oip", true},
		{"serve/oip", Module + "/serve/plain", true},
		{"serve/oip", Module + "/serve/openai", false},
		{"serve/oipgrpc", Module + "/serve/oipgrpc/pb", true},
		{"serve/oipgrpc", Module + "/serve/oip", false},
		{"serve/plain", Module + "/serve/task", false},
		{"serve/task", Module + "/serve/plain", true},
		{"serve/task", Module + "/serve/guard", false},
		{"serve/oip", Module + "/serve", true}, // which is a cycle, as the compiler says
		{"serve/new", Module + "/serve/plain", false},
		{"serve/web/cgi", Module + "/serve/web/pool", true},
		{"serve/web/cgi", Module + "/serve/web/static", false},
		{"serve/web/pool", Module + "/serve/web/cgi", false},
		{"serve/web/cgi", Module + "/serve/guard", true},
		{"serve/guard", Module + "/serve/web/pool", false},
		{"model", Module + "/model/onnx", false},
		{"model/onnx", Module + "/model/onnx/graph", true},
		{"model/python", Module + "/model/onnx/graph", true},
		{"model/python", Module + "/model/onnx", false},
		{"model/onnx", Module + "/model/onnx/nn", false},
		{"wasi/door", Module + "/wasi/preview1", false},
		{"packager/source", Module + "/packager/recipe", false},
		{"packager/source", Module + "/packager", true},
		{"internal/hostmath", Module + "/runtime", false},
		{"cmd/wherry", Module + "/internal/cli", true},
		{"cmd/wherry", Module + "/runtime", false},
		{"somewhere/new", Module + "/oci", false},
	} {
		err := Check(c.from, c.to)
		if (err == nil) != c.ok {
			t.Errorf("Check(%q, %q) = %v, want allowed=%v", c.from, c.to, err, c.ok)
		}
	}
}

// folders lists the folders that have Go files besides tests, without what only tests
// and generators need.
func folders(t *testing.T) map[string]bool {
	t.Helper()
	root := os.DirFS("../..")
	found := map[string]bool{}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (p == "test" || p == "examples" || name == "generate" || p != "." && strings.HasSuffix(name, "test") && p != "internal/archtest" || name == "testmodels"):
			return fs.SkipDir
		case d.IsDir():
			return skipDir(root, p, d)
		case strings.HasSuffix(p, ".go") && !strings.HasSuffix(p, "_test.go"):
			found[path.Dir(p)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestTable holds the table of docs/architecture.md against the folders that there are.
func TestTable(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text2, _ := strings.Cut(string(text), "\n## Rooms\n")
	table, _, _ := strings.Cut(text2, "\n## ")
	told := map[string]bool{}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		for i, word := range strings.Split(cells[1], "`") {
			if i%2 == 0 {
				continue
			}
			if word == "wherry" {
				word = "."
			}
			if told[word] {
				t.Errorf("docs/architecture.md tells of %s twice", word)
			}
			told[word] = true
		}
	}
	there := folders(t)
	for folder := range there {
		if !told[folder] {
			t.Errorf("docs/architecture.md does not say what %s knows", folder)
		}
	}
	for folder := range told {
		if !there[folder] && !planned[folder] {
			t.Errorf("docs/architecture.md tells of %s, which is not there", folder)
		}
	}
}

// TestRooms holds that every room and floor of the rules is there, or planned.
func TestRooms(t *testing.T) {
	there := folders(t)
	there["test"], there["examples"], there["cmd"] = true, true, true
	list := make([]string, 0, 100)
	for _, rooms := range levels {
		list = append(list, rooms...)
	}
	for _, rooms := range floors {
		for _, children := range rooms {
			list = append(list, children...)
		}
	}
	for _, room := range list {
		if room == "" {
			room = "."
		}
		if !there[room] && !planned[room] {
			t.Errorf("%s has a rule, and is neither there nor planned", room)
		}
	}
}
