package wherry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/places"
	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/model/python/ort"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
)

// opened is an image and what it stands on.
type opened struct {
	folder  string // a temporary one, or ""
	store   *store.Store
	image   *images.Image
	runtime *runtime.Runtime
}

func open(ctx context.Context, ref string, s *settings) (*opened, error) {
	o := &opened{}
	if err := o.open(ctx, ref, s); err != nil {
		return nil, errors.Join(err, o.close(context.WithoutCancel(ctx)))
	}
	return o, nil
}

func (o *opened) open(ctx context.Context, ref string, s *settings) error {
	p, err := s.places()
	if s.files != nil {
		// The compiled modules of this user serve what has a store of its own, too.
		err = o.own(&p, s, err)
	}
	if err != nil {
		return err
	}
	if o.store, err = store.Open(ctx, p.Data); err != nil {
		return err
	}
	how := images.Options{Pull: s.pull}
	if s.files != nil {
		how.Pull = images.PullNever
		if ref, err = o.unpack(ctx, ref, s); err != nil {
			return err
		}
	} else if s.pull != images.PullNever {
		how.Fetcher = s.fetcher()
	}
	if o.image, err = images.Open(ctx, o.store, ref, how); err != nil {
		return err
	}
	options := s.runtime
	if p.Cache != "" {
		options = append([]runtime.Option{runtime.WithCacheDir(p.Modules())}, options...)
	}
	o.runtime, err = runtime.New(ctx, options...)
	return err
}

// fetcher gets images from registries.
func (s *settings) fetcher() images.Fetcher {
	return registry.New(append([]registry.Option{registry.WithUserAgent("wherry/" + version.Release)}, s.registry...)...)
}

// own makes a temporary folder for images that come with the program, unless a home
// was given.
func (o *opened) own(p *places.Places, s *settings, located error) (err error) {
	if s.home != "" {
		return nil
	}
	if located != nil { // no home at all: nothing is kept
		*p = places.Places{}
	}
	o.folder, err = os.MkdirTemp("", "wherry-")
	p.Data = o.folder
	return err
}

// unpack takes up the images that come with the program, and gives the name of the
// one that is meant.
func (o *opened) unpack(ctx context.Context, ref string, s *settings) (string, error) {
	name, which, _ := strings.Cut(ref, "#")
	loaded, err := images.LoadFS(ctx, o.store, s.files, name)
	if err != nil {
		return "", err
	}
	one, err := images.Only(loaded, which)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	if one.Ref.IsZero() {
		return string(one.ID), nil
	}
	return one.Ref.String(), nil
}

// baseFinder finds the image that has ONNX Runtime when a program loads a model.
type baseFinder struct {
	opened   *opened
	settings *settings

	mu    sync.Mutex
	image *images.Image // nil: not opened
}

func (b *baseFinder) open(ctx context.Context) (runtime.Image, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.image != nil {
		return b.image, nil
	}
	if b.settings.onnx == "" {
		return nil, fmt.Errorf("no image has it: add it to the program's, COPY --from=onnx %s %[1]s, or name one with WithONNXRuntime", ort.Module)
	}
	how := images.Options{Pull: b.settings.pull}
	if b.settings.files != nil {
		how.Pull = images.PullNever
	} else if b.settings.pull != images.PullNever {
		how.Fetcher = b.settings.fetcher()
	}
	var err error
	b.image, err = images.Open(ctx, b.opened.store, b.settings.onnx, how)
	if err != nil {
		return nil, err
	}
	return b.image, nil
}

func (b *baseFinder) close() {
	if b.image != nil {
		b.image.Close()
	}
}

func (o *opened) close(ctx context.Context) error {
	var errs []error
	if o.runtime != nil {
		errs = append(errs, o.runtime.Close(ctx))
	}
	if o.image != nil {
		errs = append(errs, o.image.Close())
	}
	if o.store != nil {
		errs = append(errs, o.store.Close())
	}
	if o.folder != "" {
		errs = append(errs, os.RemoveAll(o.folder))
	}
	return errors.Join(errs...)
}
