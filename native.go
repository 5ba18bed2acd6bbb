package wherry

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/native"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
)

// outside is a model's files in a folder of the host, for processes that are not in
// the sandbox.
type outside struct {
	mu     sync.Mutex
	folder string // "" before the first instance
	file   string
}

// native makes an instance that is a process of native ONNX Runtime.
func (l *loader) native(ctx context.Context) (model.Instance, error) {
	file, err := l.extract(ctx)
	if err != nil {
		return nil, fmt.Errorf("copy the model out of its image: %w", err)
	}
	o := *l.settings.native
	if o.Log == nil {
		o.Log = l.log
	}
	return native.Open(ctx, file, l.signature, o)
}

// extract copies the model's files, once.
func (l *loader) extract(ctx context.Context) (_ string, err error) {
	o := l.outside
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file != "" {
		return o.file, nil
	}
	c, err := l.runtime.Create(ctx, l.image, runtime.Spec{})
	if err != nil {
		return "", err
	}
	defer c.Close(context.WithoutCancel(ctx))
	folder, err := os.MkdirTemp("", "wherry-model-")
	if err != nil {
		return "", err
	}
	name := l.image.Config().Labels[oci.LabelModelPath]
	file, err := native.Extract(folder, name, func(name string) (native.File, error) { return c.Open(name) })
	if err != nil {
		os.RemoveAll(folder)
		return "", err
	}
	o.folder, o.file = folder, file
	return file, nil
}

// close removes the files. It comes after the processes.
func (o *outside) close(context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.folder == "" {
		return nil
	}
	return os.RemoveAll(o.folder)
}
