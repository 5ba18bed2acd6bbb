package wherry

import (
	"fmt"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/model/python/ort"
	"github.com/wherry-run/wherry/oci"
)

// labelled is an image of labels alone.
type labelled map[string]string

func (l labelled) Config() ispec.ImageConfig { return ispec.ImageConfig{Labels: l} }
func (l labelled) Layers() []layer.Layer     { return nil }

// TestONNXModule: images are built with ONNX Runtime where models look for it.
func TestONNXModule(t *testing.T) {
	if ort.Module != oci.ONNXModule {
		t.Errorf("it is looked for at %s, and built to be at %s", ort.Module, oci.ONNXModule)
	}
}

func TestBatchOf(t *testing.T) {
	for text, want := range map[string]string{"": "0 0s", "32": "32 0s", " 8  2ms ": "8 2ms", "x": "", "-1": "", "8 x": "", "8 -1s": ""} {
		rows, delay, err := BatchOf(labelled{oci.LabelBatch: text})
		got := ""
		if err == nil {
			got = fmt.Sprint(rows, " ", delay)
		}
		if got != want {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
}
