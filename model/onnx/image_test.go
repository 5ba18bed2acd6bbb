package onnx_test

import (
	"context"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/places"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/parcel"
)

const (
	modulePath = "/usr/local/bin/onnxruntime.wasm"
	modelPath  = "/models/model.onnx"
)

// image is one in memory, with ONNX Runtime and some files.
type image struct{ layers []layer.Layer }

func (i image) Config() ispec.ImageConfig {
	return ispec.ImageConfig{Entrypoint: []string{modulePath, modelPath}}
}

func (i image) Layers() []layer.Layer { return i.layers }

func newImage(t testing.TB, files map[string][]byte) image {
	t.Helper()
	all := map[string][]byte{modulePath: parcel.ORT(t)}
	for name, data := range files {
		all[name] = data
	}
	return image{[]layer.Layer{dock.Layer(all)}}
}

// newRuntime is a runtime whose cache lives on: ONNX Runtime takes a while to compile.
func newRuntime(t testing.TB, options ...runtime.Option) *runtime.Runtime {
	t.Helper()
	cache := runtime.WithCacheDir(places.In(dock.Home(t)).Modules())
	rt, err := runtime.New(t.Context(), append([]runtime.Option{cache}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.WithoutCancel(t.Context())) })
	return rt
}

func create(t testing.TB, rt *runtime.Runtime, i runtime.Image, s runtime.Spec) *runtime.Container {
	t.Helper()
	c, err := rt.Create(t.Context(), i, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// load opens a model that is alone in its image.
func load(t testing.TB, rt *runtime.Runtime, file []byte) *onnx.Instance {
	t.Helper()
	return open(t, create(t, rt, newImage(t, map[string][]byte{modelPath: file}), runtime.Spec{}), onnx.Options{})
}

func open(t testing.TB, c *runtime.Container, o onnx.Options) *onnx.Instance {
	t.Helper()
	i, err := onnx.Open(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.WithoutCancel(t.Context())) })
	return i
}

func ask(t testing.TB, i *onnx.Instance, inputs ...model.Tensor) []model.Tensor {
	t.Helper()
	got, err := i.Predict(t.Context(), &model.Request{Inputs: inputs})
	if err != nil {
		t.Fatal(err)
	}
	return got.Outputs
}
