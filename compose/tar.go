package compose

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// tar is an archive of files that are watched, to be unpacked below dir. Folders come
// before what is in them.
func (w *watched) tar(ctx context.Context, names []string) (dir string, r io.ReadCloser) {
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(w.archive(ctx, pw, names)) }()
	return "/", pr
}

func (w *watched) archive(ctx context.Context, to io.Writer, names []string) error {
	t := tar.NewWriter(to)
	folders := map[string]bool{}
	for _, name := range names {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		target := strings.TrimPrefix(w.target(name), "/")
		if err := w.add(t, folders, name, target); os.IsNotExist(err) { // it was there a moment ago
			continue
		} else if err != nil {
			return err
		}
	}
	return t.Close()
}

// add writes one file.
func (w *watched) add(t *tar.Writer, folders map[string]bool, name, target string) error {
	f, err := os.Open(filepath.Join(w.trigger.Path, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	for _, dir := range above(target) {
		if !folders[dir] {
			folders[dir] = true
			if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: info.ModTime()}); err != nil {
				return err
			}
		}
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: target, Mode: int64(info.Mode().Perm() | 0o444), Size: info.Size(), ModTime: info.ModTime()}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	// a file that shrinks meanwhile is filled up: the next look copies it again
	n, err := io.Copy(t, io.LimitReader(f, info.Size()))
	if err == nil && n < info.Size() {
		_, err = io.CopyN(t, zeros{}, info.Size()-n)
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	return nil
}

// zeros is an endless file of them.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// above are the folders that a path is in, the outermost first.
func above(name string) []string {
	var list []string
	for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
		list = append([]string{dir}, list...)
	}
	return list
}
