package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
)

// maxOver bounds what was copied into a container whose program is a server: it is held
// in memory.
const maxOver = 256 << 20

// overImage is an image with what was written into its container on top: the instances
// of a server have files of their own, which begin as these.
type overImage struct {
	runtime.Image
	over    layer.Layer
	derived *oci.Derived
	kept    []int // which of the image's snapshots those of derived are, or ofPackages
	// packages is the file with the memory of the one that is ofPackages.
	packages string
}

// ofPackages is a snapshot of packages: it is no image's.
const ofPackages = -1

// Layers are the image's, and one more.
func (o overImage) Layers() []layer.Layer {
	if o.over.Index == nil {
		return o.Image.Layers()
	}
	return append(slices.Clone(o.Image.Layers()), o.over)
}

// Derived is what is known of the image's programs, without the snapshots of those that
// had looked where something has changed since.
func (o overImage) Derived() *oci.Derived { return o.derived }

// Facts reads the facts of a module.
func (o overImage) Facts(ctx context.Context, m *oci.DerivedModule) ([]byte, error) {
	return o.Image.(runtime.DerivedImage).Facts(ctx, m)
}

// Memory opens the memory of a snapshot.
func (o overImage) Memory(ctx context.Context, s *oci.Snapshot) (*os.File, error) {
	d := o.Image.(runtime.DerivedImage)
	for i := range o.kept {
		if s == &o.derived.Snapshots[i] { // an image knows its own by where they are
			if o.kept[i] == ofPackages {
				return os.Open(o.packages)
			}
			return d.Memory(ctx, &d.Derived().Snapshots[o.kept[i]])
		}
	}
	return nil, errors.New("the image has no such snapshot")
}

// overlaid is the image of a container whose program is a server, with what cp and exec
// have written into the container before this life of it.
func (k *keptRun) overlaid(ctx context.Context, image runtime.Image, spec runtime.Spec) (runtime.Image, error) {
	if list, err := os.ReadDir(k.job.Upper); err != nil || len(list) == 0 {
		return image, nil
	}
	rt, err := k.app.runtime(ctx)
	if err != nil {
		return nil, err
	}
	defer closeRuntime(ctx, rt)
	spec.Dir = k.job.Upper
	c, err := rt.Create(ctx, image, spec)
	if err != nil {
		return nil, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	return k.layered(ctx, image, c)
}

// layered is an image with what a container over it has changed.
func (k *keptRun) layered(ctx context.Context, image runtime.Image, c *runtime.Container) (runtime.Image, error) {
	pr, pw := io.Pipe()
	defer pr.Close()
	go func() { pw.CloseWithError(c.WriteLayer(ctx, pw)) }()
	content := &layer.Memory{}
	index, err := layer.Unpack(ctx, pr, content, layer.Limits{Bytes: maxOver})
	if err != nil {
		return nil, errors.Join(errors.New("read what was copied into the container"), err)
	}
	o := holding(image, func(s *oci.Snapshot) bool { return !overlooked(index, s.Reads.Dirs) })
	o.over = layer.Layer{Index: index, Content: content}
	k.mu.Lock()
	k.copied = &o
	k.mu.Unlock()
	return o, nil
}

// reloading has a server take over an image, or, with foresee, make ready for one whose
// files have changed. done is called when nothing of the image is needed any more.
type reloading func(ctx context.Context, image runtime.Image, foresee bool, done func()) error

// Reload implements state.Reloader.
func (k *keptRun) Reload(ctx context.Context, foresee bool) (state.Reloaded, error) {
	k.mu.Lock()
	reload, server := k.reload, k.server
	k.mu.Unlock()
	switch {
	case !server:
		return state.ReloadNeedless, nil
	case reload == nil:
		return state.ReloadRestart, nil
	}
	c, err := k.containerOf(ctx)
	if err != nil {
		return "", err
	}
	image, done, err := k.app.openKept(ctx)
	if err != nil {
		return "", err
	}
	over, err := k.layered(ctx, image, c)
	if err != nil {
		done()
		return "", err
	}
	return state.ReloadDone, reload(ctx, over, foresee, done)
}

// holding is an image with those of its snapshots that hold.
func holding(image runtime.Image, holds func(*oci.Snapshot) bool) overImage {
	o := overImage{Image: image}
	d, ok := image.(runtime.DerivedImage)
	if !ok || d.Derived() == nil {
		return o
	}
	o.derived = &oci.Derived{Version: d.Derived().Version, Modules: d.Derived().Modules}
	o.hold(d.Derived(), holds)
	return o
}

// hold adds those of an image's snapshots that hold.
func (o *overImage) hold(of *oci.Derived, holds func(*oci.Snapshot) bool) {
	for i := range of.Snapshots {
		if s := &of.Snapshots[i]; holds(s) {
			o.derived.Snapshots, o.kept = append(o.derived.Snapshots, *s), append(o.kept, i)
		}
	}
}

// ofProgram tells a snapshot of a whole program from those that serve other files of the
// same program, too.
func ofProgram(s *oci.Snapshot) bool {
	const shared = 3 // arguments of the latter
	return len(s.Program) > shared
}

// open opens the container's image as its server sees it.
func (k *keptRun) open(ctx context.Context) (runtime.Image, func(), error) {
	image, done, err := k.app.openKept(ctx)
	if err == nil && k.copied != nil {
		over := *k.copied
		over.Image = image
		return over, done, nil
	}
	return image, done, err
}

// overlooked tells whether a layer has something in one of the folders.
func overlooked(index *layer.Index, dirs []string) bool {
	for _, e := range index.Entries {
		if e.Kind == layer.Dir {
			continue
		}
		name := "/" + e.Path
		for _, dir := range dirs {
			if dir == name || dir == path.Dir(name) || strings.HasPrefix(dir, name+"/") {
				return true
			}
		}
	}
	return false
}
