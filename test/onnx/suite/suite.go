// Package suite holds the ONNX backend tests as Debian packs them: models of one
// operator or a few, with inputs and the outputs that ONNX's reference has for
// them. It also has the build of ONNX Runtime that the base onnx has.
package suite

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx/graph"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/parcel"
)

// The package with the tests, and how many models it has.
const (
	debian   = "libonnx-testdata"
	version  = "1.12.0-2"
	checksum = "7dc0912e02f79ece102331411a751b091bc0e191c9fb1287f8cdfbe5530f6027"
	Models   = 1072
)

// A Case is a model with one request and its answer.
type Case struct {
	Name string // of its folder, as node/test_abs
	Dir  string // of its files
}

// Load gives all cases, by name.
func Load(t testing.TB) []Case {
	t.Helper()
	list := In(t, filepath.Join(data(t), "usr", "share", debian, "data"))
	if len(list) != Models {
		t.Fatalf("%s %s has %d models, expected %d", debian, version, len(list), Models)
	}
	return list
}

// In gives all cases below a folder, by name.
func In(t testing.TB, root string) []Case {
	t.Helper()
	found, err := fs.Glob(os.DirFS(root), "*/*/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	var list []Case
	for _, name := range found {
		dir := path.Dir(name)
		list = append(list, Case{Name: dir, Dir: filepath.Join(root, filepath.FromSlash(dir))})
	}
	slices.SortFunc(list, func(a, b Case) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// data is the unpacked package, downloaded once on this machine.
func data(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(dock.Root(t), ".cache", "packages", debian+"-"+version)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	draft, err := os.MkdirTemp(filepath.Dir(made(t, dir)), "draft-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(draft)
	download := exec.CommandContext(t.Context(), dock.Find(t, "apt-get"), "download", "-q", debian+"="+version)
	download.Dir = draft
	if text, err := download.CombinedOutput(); err != nil {
		dock.Missing(t, fmt.Sprintf("Debian's package %s %s (%v: %s)", debian, version, err, text))
	}
	packed, _ := filepath.Glob(filepath.Join(draft, debian+"_*.deb"))
	if len(packed) != 1 {
		t.Fatalf("apt-get left %q", packed)
	}
	text, err := os.ReadFile(packed[0])
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != checksum {
		t.Fatalf("%s has the checksum %x", packed[0], sum)
	}
	files := filepath.Join(draft, "files")
	if text, err := exec.CommandContext(t.Context(), dock.Find(t, "dpkg"), "-x", packed[0], files).CombinedOutput(); err != nil {
		t.Fatalf("dpkg: %v: %s", err, text)
	}
	if err := os.Rename(files, dir); err != nil {
		if _, exists := os.Stat(dir); exists != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// made makes the folder that a path is in.
func made(t testing.TB, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Module is ONNX Runtime compiled to WebAssembly, downloaded once on this machine.
func Module(t testing.TB) []byte { return parcel.ORT(t) }

// Model is the model's file.
func (c Case) Model(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.Dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Beside reads files that lie beside the model.
func (c Case) Beside(names []string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(c.Dir, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	return files, nil
}

// Request and Answer are the case's tensors, with the names of the signature. They
// are an error when something of them is no tensor.
func (c Case) Request(s *model.Signature) (*model.Request, error) {
	list, err := c.tensors("input", s.Inputs)
	return &model.Request{Inputs: list}, err
}

// Answer is what the outputs must be.
func (c Case) Answer(s *model.Signature) ([]model.Tensor, error) {
	return c.tensors("output", s.Outputs)
}

func (c Case) tensors(what string, fields []model.Field) ([]model.Tensor, error) {
	var list []model.Tensor
	for i := 0; ; i++ {
		data, err := os.ReadFile(filepath.Join(c.Dir, "test_data_set_0", fmt.Sprintf("%s_%d.pb", what, i)))
		if errors.Is(err, fs.ErrNotExist) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		v, err := graph.ParseTensor(data)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", what, i, err)
		}
		if !slices.ContainsFunc(fields, func(f model.Field) bool { return f.Name == v.Name }) {
			if i >= len(fields) {
				return nil, fmt.Errorf("%s %d: the model has %d", what, i, len(fields))
			}
			v.Name = fields[i].Name
		}
		at := slices.IndexFunc(fields, func(f model.Field) bool { return f.Name == v.Name })
		if fields[at].Type == model.BF16 && v.Type == model.Uint16 {
			v.Type = model.BF16 // as the suite's maker wrote them
		}
		list = append(list, *v)
	}
}

// Random are the operators whose outputs are drawn: their values say nothing.
func (c Case) Random() bool {
	return strings.Contains(c.Name, "test_bernoulli") || strings.Contains(c.Name, "test_training_dropout")
}
