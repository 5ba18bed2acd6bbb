package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/pattern"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/packager/bases"
	"github.com/wherry-run/wherry/runtime"
)

// openTarget opens what is to run. done frees it.
func (a *app) openTarget(ctx context.Context, what string, spec *runtime.Spec, o runOptions) (runtime.Image, func(), error) {
	if !isPath(what) {
		return a.openImage(ctx, what, o)
	}
	info, err := os.Stat(what)
	if err != nil {
		return nil, nil, noPath(what, err)
	}
	if info.IsDir() {
		if err := a.buildFolder(ctx, what); err != nil {
			return nil, nil, err
		}
		a.talk().Clear()
		o.pull = string(images.PullNever)
		spec.Stdin = a.In
		return a.openImage(ctx, folderName(what), o)
	}
	data, err := os.ReadFile(what)
	if err != nil {
		return nil, nil, err
	}
	spec.Stdin = a.In // a program of one's own reads what is piped to it
	return runtime.Program(filepath.Base(what), data), func() {}, nil
}

func (a *app) openImage(ctx context.Context, name string, o runOptions) (runtime.Image, func(), error) {
	if a.kept != nil {
		return a.kept.open(ctx)
	}
	if base, ok := bases.Lookup(name); ok {
		return a.openBase(ctx, base)
	}
	s, err := a.store(ctx)
	if err != nil {
		return nil, nil, err
	}
	client, shown := a.client()
	image, err := images.Open(ctx, s, name, images.Options{Fetcher: client, Pull: images.PullPolicy(o.pull), Progress: shown.event})
	if err != nil {
		err = a.absent(ctx, s, name, err)
		s.Close()
		return nil, nil, err
	}
	a.talk().Clear()
	if err := image.Underived(); err != nil {
		a.talk().Line("warning: %s starts later than it could: what was recorded of it cannot be used: %v", name, err)
	}
	return image, func() { image.Close(); s.Close() }, nil
}

// slowStart is from where a user wants to know why a program took so long that
// its image has a snapshot of.
const slowStart = 3 * time.Second

// tellSlow says in a line why a program did not start from its snapshot.
func (a *app) tellSlow(s runtime.Stats, took time.Duration) {
	if len(s.Notes) > 0 && took > slowStart {
		a.talk().Line("note: it did not start from its snapshot: %s (docs/snapshots.md says what that is about)", s.Notes[0])
	}
}

// openBase opens one of our own images, building it when it is not here yet.
func (a *app) openBase(ctx context.Context, base bases.Base) (runtime.Image, func(), error) {
	w, err := a.workshop(ctx)
	if err != nil {
		return nil, nil, err
	}
	img, err := packager.ResolveBase(ctx, w.options, base)
	if err != nil {
		w.close(context.WithoutCancel(ctx))
		return nil, nil, err
	}
	a.talk().Clear()
	return baseImage{img}, func() { w.close(context.WithoutCancel(ctx)) }, nil
}

var notInNames = pattern.New(`[^a-z0-9]+`)

// folderPrefix begins the names of images that run made of folders.
const folderPrefix = "folder/"

// folderName is the image name under which run keeps what it built of a
// folder: the folder's own name, and a digest of where it is.
func folderName(folder string) string {
	abs, err := filepath.Abs(folder)
	if err != nil {
		abs = folder
	}
	sum := sha256.Sum256([]byte(abs))
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(filepath.Base(abs)), "-"), "-")
	if name == "" {
		name = "root"
	}
	return folderPrefix + name + ":" + hex.EncodeToString(sum[:6])
}
