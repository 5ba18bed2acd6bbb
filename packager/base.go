package packager

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/wherry-run/wherry/packager/bases"
	"github.com/wherry-run/wherry/packager/recipe"
)

// BaseRepository is where bases that were built here are kept in the store. No
// registry is asked for this name.
const BaseRepository = "base.wherry.invalid"

// BaseError says that a base could not be had in any way.
type BaseError struct {
	Base string
	Err  error
}

func (e *BaseError) Error() string {
	return fmt.Sprintf("base %s is not here and could not be built: %v\ninstall pip (or uv) and check that it reaches its index, or name a registry that has our bases:\nwherry --base-mirror REGISTRY/FOLDER, or WHERRY_BASE_MIRROR", e.Base, e.Err)
}

// Unwrap gives the reason.
func (e *BaseError) Unwrap() error { return e.Err }

// image finds what a FROM or --from names outside the recipe.
func (b *builder) image(ctx context.Context, from recipe.From) (*Image, error) {
	if b.Images == nil {
		return nil, fmt.Errorf("%s: there are no images here", from.Name)
	}
	if from.Kind == recipe.Base {
		base, ok := bases.Lookup(from.Name)
		if !ok {
			return nil, fmt.Errorf("%s: no such base", from.Name)
		}
		return ResolveBase(ctx, b.Options, base)
	}
	if !b.Pull {
		img, err := b.Images.Find(ctx, from.Name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return img, err
		}
	}
	return b.Images.Pull(ctx, from.Name)
}

// ResolveBase opens one of our bases: from the store, else from the mirror, else
// built here with the host's pip or npm. Only Store, Images, Mirror, Runner,
// Pip, Fetcher, Cache, Progress and the streams of o are used.
func ResolveBase(ctx context.Context, o Options, base bases.Base) (*Image, error) {
	tag, err := baseTag(base)
	if err != nil {
		return nil, err
	}
	local := BaseRepository + "/" + tag
	img, err := o.Images.Find(ctx, local)
	if err == nil {
		return named(img, base), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var tried []error
	if o.Mirror != "" {
		img, err := o.Images.Pull(ctx, strings.TrimRight(o.Mirror, "/")+"/"+tag)
		if err == nil {
			return named(img, base), nil
		}
		tried = append(tried, fmt.Errorf("mirror: %w", err))
	}
	img, err = buildBase(ctx, o, base, local)
	if err == nil {
		return named(img, base), nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, &BaseError{Base: base.Ref, Err: errors.Join(append(tried, err)...)}
}

// named gives a base the name that images record: the same whether it came from
// the store, a mirror or was built.
func named(img *Image, base bases.Base) *Image {
	n := *img
	n.Ref = base.Ref
	return &n
}

// baseTag is NAME:VERSION-DIGEST, with the digest of all that the base is built
// from: another release of ours never takes it for its own.
func baseTag(base bases.Base) (string, error) {
	k := newKey("base")
	k.add(string(base.Recipe))
	err := fs.WalkDir(base.Context, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := base.Context.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		k.add(path.Clean(name), hex.EncodeToString(h.Sum(nil)))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read base %s: %w", base.Ref, err)
	}
	return base.Ref + "-" + k.sum()[:12], nil
}

func buildBase(ctx context.Context, o Options, base bases.Base, ref string) (*Image, error) {
	file, err := recipe.Parse(base.Ref, bytes.NewReader(base.Recipe))
	if err != nil {
		return nil, err
	}
	if o.Progress != nil {
		o.Progress.Report(Event{Note: fmt.Sprintf("building base %s, once on this machine", base.Ref)})
	}
	res, err := Build(ctx, Options{
		Context: base.Context, Recipe: file, Epoch: DefaultEpoch,
		Store: o.Store, Images: o.Images, Mirror: o.Mirror, Runner: o.Runner, Recorder: o.Recorder, Pip: o.Pip,
		Fetcher: o.Fetcher, Cache: o.Cache, Progress: o.Progress, Stdout: o.Stdout, Stderr: o.Stderr,
	})
	if err != nil {
		return nil, err
	}
	if err := o.Images.Keep(ctx, ref, res.Index); err != nil {
		return nil, fmt.Errorf("keep base %s: %w", base.Ref, err)
	}
	return o.Images.Find(ctx, ref)
}
