package wherry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/places"
	"github.com/wherry-run/wherry/internal/version"
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
		how.Fetcher = registry.New(append([]registry.Option{registry.WithUserAgent("wherry/" + version.Release)}, s.registry...)...)
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
