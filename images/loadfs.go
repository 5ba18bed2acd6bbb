package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// LoadFS is Load of what a program carries in itself, or of a folder: name is an
// archive of files, or the folder of an OCI image layout.
func LoadFS(ctx context.Context, s *store.Store, files fs.FS, name string) ([]Loaded, error) {
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, fmt.Errorf("load images: %w", err)
	}
	if !info.IsDir() {
		f, err := files.Open(name)
		if err != nil {
			return nil, fmt.Errorf("load images: %w", err)
		}
		defer f.Close()
		return Load(ctx, s, f)
	}
	lease, err := s.Lease(ctx)
	if err != nil {
		return nil, err
	}
	loaded, err := loadLayout(ctx, lease, files, name)
	if rerr := lease.Release(); err == nil {
		err = rerr
	}
	if err != nil {
		return nil, fmt.Errorf("load images of %s: %w", name, err)
	}
	return loaded, nil
}

// loadLayout takes up the files of an image layout. Other files are left alone.
func loadLayout(ctx context.Context, lease *store.Lease, files fs.FS, dir string) ([]Loaded, error) {
	l := &loader{ctx: ctx, lease: lease, files: map[string]ispec.Descriptor{}, links: map[string]string{}, small: map[string][]byte{}}
	for _, name := range []string{ispec.ImageLayoutFile, "index.json"} {
		f, err := files.Open(path.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the folder is no image layout: it has no %s", name)
		}
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err == nil {
			err = l.file(name, info.Size(), io.LimitReader(f, info.Size()))
		}
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	blobs := path.Join(dir, "blobs")
	n := 0
	err := fs.WalkDir(files, blobs, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if n++; n > maxArchiveEntries {
			return fmt.Errorf("it has more than %d blobs", maxArchiveEntries)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f, err := files.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		algorithm, hex := path.Base(path.Dir(name)), path.Base(name)
		return l.file(path.Join("blobs", algorithm, hex), info.Size(), &contextReader{ctx, f})
	})
	if err != nil {
		return nil, err
	}
	return l.layout()
}

// Only picks the one image of those that were loaded: by its name, which may be
// left out when there is no other.
func Only(loaded []Loaded, name string) (Loaded, error) {
	if name == "" {
		if len(loaded) == 1 {
			return loaded[0], nil
		}
		list := ""
		for _, l := range loaded {
			list += " " + l.Ref.Familiar()
		}
		return Loaded{}, fmt.Errorf("it has %d images, and one is needed; say which:%s", len(loaded), list)
	}
	ref, err := oci.ParseReference(name)
	if err != nil {
		return Loaded{}, err
	}
	for _, l := range loaded {
		if l.Ref == storedName(ref) {
			return l, nil
		}
	}
	return Loaded{}, &NotFoundError{name}
}
