package ort_test

import (
	"bytes"
	"errors"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/python/ort"
	"github.com/wherry-run/wherry/runtime"
)

// image has some files.
type image struct{ layers []layer.Layer }

func (i image) Config() ispec.ImageConfig { return ispec.ImageConfig{} }
func (i image) Layers() []layer.Layer     { return i.layers }

func newImage(t *testing.T, dirs []string, files map[string]string) image {
	t.Helper()
	memory, index := &layer.Memory{}, &layer.Index{Entries: []layer.Entry{{Kind: layer.Dir, Mode: 0o755}}}
	for _, d := range dirs {
		index.Entries = append(index.Entries, layer.Entry{Path: d, Kind: layer.Dir, Mode: 0o755})
	}
	for name, text := range files {
		digest, size, err := memory.Put(t.Context(), bytes.NewReader([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		index.Entries = append(index.Entries, layer.Entry{
			Path: name, Kind: layer.File, Mode: 0o644, Size: size, Content: layer.Ref{Digest: digest, Size: size},
		})
	}
	index.Sort()
	return image{[]layer.Layer{{Index: index, Content: memory}}}
}

// TestOwnFiles opens a model of the image where the program sees another file under
// its name, or none: it is told that there is none, and sends its own.
func TestOwnFiles(t *testing.T) {
	i := newImage(t, []string{"app", "usr", "usr/local", "usr/local/bin"}, map[string]string{"app/model.onnx": "old", ort.Module[1:]: "a module"})
	rt, err := runtime.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close(t.Context())
	for _, c := range []struct {
		name   string
		mounts []runtime.Mount
		want   string
	}{
		{"the image's", nil, "INVALID_PROTOBUF"},
		{"mounted over it", []runtime.Mount{{Target: "/app/model.onnx", Data: []byte("new"), ReadOnly: true}}, "NO_SUCHFILE"},
		{"a folder over its folder", []runtime.Mount{{Source: t.TempDir(), Target: "/app"}}, "NO_SUCHFILE"},
	} {
		program, err := rt.Create(t.Context(), i, runtime.Spec{Mounts: c.mounts})
		if err != nil {
			t.Fatal(err)
		}
		e := &ort.Engine{Runtime: rt, Image: i, Program: program}
		_, err = e.Open(t.Context(), "/app/model.onnx", nil)
		var own *model.ModelError
		if !errors.As(err, &own) || own.Type != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		program.Close(t.Context())
	}
}
