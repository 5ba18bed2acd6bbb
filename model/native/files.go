package native

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/wherry-run/wherry/model/onnx/graph"
)

// A File is a file of an image.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Extract copies a model, and the files that its weights are in, from an image into a
// folder of the host, where a native library can read them. It gives the path of the
// model's file.
func Extract(dir, model string, open func(name string) (File, error)) (string, error) {
	file := filepath.Join(dir, "model.onnx")
	if err := extract(file, model, open); err != nil {
		return "", err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	g, err := graph.Read(data)
	if err != nil {
		return "", fmt.Errorf("read the model: %w", err)
	}
	lowered, err := g.Lower()
	if err != nil {
		return "", fmt.Errorf("read the model: %w", err)
	}
	for _, name := range lowered.ExternalFiles() {
		to := filepath.FromSlash(path.Clean(name))
		if !filepath.IsLocal(to) || to == filepath.Base(file) {
			return "", fmt.Errorf("the model's weights are in %q, which is not beside it", name)
		}
		to = filepath.Join(dir, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return "", err
		}
		if err := extract(to, path.Join(path.Dir(model), name), open); err != nil {
			return "", err
		}
	}
	return file, nil
}

func extract(to, name string, open func(string) (File, error)) error {
	f, err := open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, io.NewSectionReader(f, 0, f.Size())); err != nil {
		out.Close()
		return fmt.Errorf("copy %s out of the image: %w", name, err)
	}
	return out.Close()
}
