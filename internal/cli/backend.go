package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model/native"
	"github.com/wherry-run/wherry/oci"
)

// The ways to run an ONNX model.
const (
	backendSandbox = "sandbox"
	backendNative  = "native"
)

// backendOptions say what runs an ONNX model.
type backendOptions struct {
	backend, library string
	threads          int // of a request, natively; 0 is for the library to say
}

func (o *backendOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.backend, "backend", backendSandbox, "what runs an ONNX model: sandbox, or native for this machine's ONNX Runtime, outside the sandbox")
	f.StringVar(&o.library, "ort-library", "", "shared library of ONNX Runtime for --backend native; without it "+native.EnvLibrary+", or that of this machine's Python or Node.js")
}

// backend is what a model is loaded with; none for the sandbox. Whoever leaves the
// sandbox is told so.
func (a *app) backend(ctx context.Context, o backendOptions) ([]wherry.Option, error) {
	switch o.backend {
	case "", backendSandbox:
		if o.library != "" {
			return nil, &ux.UsageError{Text: "--ort-library is for --backend native"}
		}
		return nil, nil
	case backendNative:
	default:
		return nil, &ux.UsageError{Text: fmt.Sprintf("--backend %s: write sandbox or native", o.backend)}
	}
	program, err := native.FindProgram()
	if err != nil {
		return nil, &hinted{fmt.Errorf("--backend native: %w", err), "it comes with wherry; from the sources: go install github.com/wherry-run/wherry/cmd/" + native.ProgramName + "@latest"}
	}
	library, err := native.FindLibrary(ctx, o.library, a.env)
	if err != nil {
		var none *native.NoLibraryError
		if errors.As(err, &none) {
			return nil, err
		}
		return nil, fmt.Errorf("--backend native: %w", err)
	}
	version, err := native.Check(ctx, program, library)
	if err != nil {
		return nil, fmt.Errorf("--backend native: %w", err)
	}
	a.talk().Clear()
	ux.Line(a.Err, fmt.Sprintf("backend: native ONNX Runtime %s, OUTSIDE the sandbox: the model runs with your rights, and limits do not hold", version))
	return []wherry.Option{wherry.WithNative(native.Options{Program: program, Library: library, Threads: o.threads})}, nil
}

// modelBackend is what inspect says of one way to run a model.
type modelBackend struct {
	Name    string `json:"Name"`
	Sandbox bool   `json:"Sandbox"`
	Default bool   `json:"Default"`
	Missing string `json:"Missing,omitempty"` // what is not here of it
}

// backendsOf lists what can run a model of a kind. It runs no program to find out:
// whether there is a library is seen when one is needed.
func backendsOf(kind string) []modelBackend {
	list := []modelBackend{{Name: backendSandbox, Sandbox: true, Default: true}}
	if kind != oci.ModelONNX {
		return list
	}
	b := modelBackend{Name: backendNative}
	if _, err := native.FindProgram(); err != nil {
		b.Missing = err.Error()
	}
	return append(list, b)
}
