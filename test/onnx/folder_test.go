package onnx

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/onnx/suite"
)

// TestFolder is what somebody types who has a folder with a model.
func TestFolder(t *testing.T) {
	wherry := dock.Native(t, dock.Home(t))
	model := func(name string) string {
		dir := t.TempDir()
		for _, c := range suite.Load(t) {
			if c.Name == name {
				if err := os.WriteFile(filepath.Join(dir, "model.onnx"), c.Model(t), 0o600); err != nil {
					t.Fatal(err)
				}
				return dir
			}
		}
		t.Fatalf("no case %s", name)
		return ""
	}
	dir, image := model("node/test_clip_example"), "localhost/test-onnx:clip"
	first := wherry.Must(t, "", "build", "-q", "-t", image, dir)
	wherry.Must(t, "", "init", dir)
	if again := wherry.Must(t, "", "build", "-q", "-t", image, dir); again != first {
		t.Errorf("%s without a Wasmfile, %s with the one that init wrote", first, again)
	}
	out := wherry.Must(t, "", "run", image, "x=[-2, 0.5, 2]", "min=-1", "max=1")
	var said map[string][]float64
	if err := json.Unmarshal([]byte(out), &said); err != nil || len(said["y"]) != 3 || said["y"][0] != -1 || said["y"][1] != 0.5 || said["y"][2] != 1 {
		t.Errorf("it answers %s (%v)", out, err)
	}
	for name, want := range map[string][]string{
		"pytorch-operator/test_operator_addmm": {"Wasmfile:2", "operator Gemm", "torch.onnx.export"},
		"node/test_identity_sequence":          {"input x", "seq(tensor(float))"},
	} {
		r := wherry.Run(t, "", "build", "-q", model(name))
		for _, text := range want {
			if r.Code == 0 || !strings.Contains(r.Err, text) {
				t.Errorf("build of %s: exit code %d: %s\nwant %q", name, r.Code, r.Err, text)
			}
		}
	}
}
