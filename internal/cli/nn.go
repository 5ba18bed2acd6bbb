package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model/onnx/nn"
	"github.com/wherry-run/wherry/packager/bases"
	"github.com/wherry-run/wherry/runtime"
	wasinn "github.com/wherry-run/wherry/wasi/nn"
)

// nnModels gives a program that loads models by wasi-nn what runs them: the base
// onnx, which is looked for, or built, when the first model is loaded.
type nnModels struct {
	app   *app
	lock  sync.Mutex
	image runtime.Image
	base  runtime.Image // nil: not opened yet
	done  func()
}

func (a *app) models(image runtime.Image) *nnModels { return &nnModels{app: a, image: image} }

// backend is for a Spec. named are NAME=FILE.
func (m *nnModels) backend(named []string) (func(*runtime.Caller) wasinn.Backend, error) {
	files, err := parseModels(named)
	if err != nil {
		return nil, err
	}
	return nn.New(nn.Options{Image: m.image, Models: files, Base: m.open}), nil
}

// open opens the base. Programs of a pipeline may ask at once.
func (m *nnModels) open(ctx context.Context) (runtime.Image, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.base != nil {
		return m.base, nil
	}
	base, ok := bases.Lookup("onnx")
	if !ok {
		return nil, fmt.Errorf("there is no base onnx")
	}
	image, done, err := m.app.openBase(ctx, base)
	if err != nil {
		return nil, err
	}
	m.base, m.done = image, done
	return image, nil
}

func (m *nnModels) close() {
	if m.done != nil {
		m.done()
	}
}

// parseModels reads the values of --nn-model.
func parseModels(named []string) (map[string]string, error) {
	files := map[string]string{}
	for _, text := range named {
		name, file, ok := strings.Cut(text, "=")
		if !ok || name == "" || file == "" {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--nn-model %q: write NAME=FILE.onnx", text)}
		}
		if _, twice := files[name]; twice {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--nn-model: %q is named twice", name)}
		}
		info, err := os.Stat(file)
		if err != nil {
			return nil, noPath(file, err)
		}
		if !info.Mode().IsRegular() {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--nn-model: %s is no file", file)}
		}
		files[name] = file
	}
	return files, nil
}
