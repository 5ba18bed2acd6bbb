package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/runtime"
)

// keptPackages is what this machine keeps of the packages of an application, imported.
type keptPackages struct {
	Place   string   `json:"place"` // of packager.Packages
	Modules []string `json:"modules"`
	// Snapshot is nil when none could be taken, and Refused says why.
	Snapshot *oci.Snapshot `json:"snapshot"`
	Refused  string        `json:"refused"`

	memory string // its file
}

// packageCache keeps them, each in a file by its key and its memory beside it.
type packageCache struct{ dir string }

// get reads one; nil when there is none, or none to trust.
func (c packageCache) get(key string) *keptPackages {
	data, err := os.ReadFile(filepath.Join(c.dir, key))
	k := &keptPackages{memory: filepath.Join(c.dir, key+".memory")}
	if err != nil || json.Unmarshal(data, k) != nil {
		return nil
	}
	if k.Snapshot == nil {
		return k
	}
	k.Snapshot.Packages = true
	if info, err := os.Stat(k.memory); err != nil || info.Size() != int64(k.Snapshot.Memory) {
		return nil
	}
	now := time.Now()
	_, _ = os.Chtimes(filepath.Join(c.dir, key), now, now), os.Chtimes(k.memory, now, now) // or it is made again in a month
	return k
}

// put keeps one, and gives it as it is kept.
func (c packageCache) put(key string, k keptPackages, memory []byte) (*keptPackages, error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	if k.Snapshot != nil {
		if err := writeWhole(filepath.Join(c.dir, key+".memory"), func(f *os.File) error { return writeSparse(f, memory) }); err != nil {
			return nil, err
		}
	}
	data, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	if err := copyWhole(filepath.Join(c.dir, key), bytes.NewReader(data)); err != nil {
		return nil, err
	}
	if out := c.get(key); out != nil {
		return out, nil
	}
	return nil, fmt.Errorf("%s is not as it was written", filepath.Join(c.dir, key))
}

// writeSparse writes memory, of which much is zero.
func writeSparse(f *os.File, memory []byte) error {
	const page = 64 << 10
	zero := make([]byte, page)
	if err := f.Truncate(int64(len(memory))); err != nil {
		return err
	}
	for at := 0; at < len(memory); at += page {
		piece := memory[at:min(at+page, len(memory))]
		if string(piece) == string(zero[:len(piece)]) {
			continue
		}
		if _, err := f.WriteAt(piece, int64(at)); err != nil {
			return err
		}
	}
	return nil
}

// importedPackages has a server of a Python application begin with the packages of it imported
// when it takes over changed files. No other run does.
type importedPackages struct {
	cache    packageCache
	recorder packager.Recorder
	settle   func() error // gives back what only a recording needed
	spec     runtime.Spec
	log      *slog.Logger

	again     sync.Mutex     // held while what does not fit any more is prepared again
	under     sync.WaitGroup // of that
	preparing sync.Mutex
	mu        sync.Mutex
	now       *keptPackages // nil: none yet
}

// importedPackages are those of a server.
func (a *app) importedPackages(rt *runtime.Runtime, spec runtime.Spec, log *slog.Logger) (*importedPackages, error) {
	places, err := locate(a.env)
	if err != nil {
		return nil, err
	}
	recorder := sandbox{rt, func(string) func() { return func() {} }} // nobody watches
	return &importedPackages{cache: packageCache{filepath.Join(places.Cache, "packages")}, recorder: recorder, settle: rt.Settle, spec: spec, log: log}, nil
}

// of finds out what the application of an image imports now; nil where that is not known.
func (p *importedPackages) of(image runtime.Image) (*packager.Packages, error) {
	config := oci.ImageConfig{ImageConfig: image.Config()}
	config.Entrypoint, config.Cmd = p.spec.Command(image.Config()), nil
	config.Env = slices.Concat(config.Env, p.spec.Env)
	if p.spec.WorkingDir != "" {
		config.WorkingDir = p.spec.WorkingDir
	}
	found, err := packager.FindPackages(image.Layers(), config)
	if found == nil || err != nil {
		return nil, err
	}
	for _, m := range p.spec.Mounts {
		if target := path.Clean("/" + m.Target); within(target, found.Folder()) || within(found.Folder(), target) {
			return nil, nil // its text is not the image's
		}
	}
	return found, nil
}

// within tells whether a path is that of a folder, or in it.
func within(name, folder string) bool {
	return strings.HasPrefix(name+"/", strings.TrimSuffix(folder, "/")+"/")
}

// fitting are packages that hold for an application as its text is now: it imports all of
// them, before it does anything to one. Otherwise it says why there are none.
func (p *importedPackages) fitting(found *packager.Packages) (*keptPackages, string) {
	p.mu.Lock()
	now := p.now
	p.mu.Unlock()
	if now == nil || now.Place != found.Place || !found.Imports(now.Modules) {
		if other := p.cache.get(found.Key()); other != nil {
			now = other
			p.mu.Lock()
			p.now = other
			p.mu.Unlock()
		}
	}
	switch {
	case now == nil:
		return nil, "they are not prepared yet"
	case now.Place != found.Place:
		return nil, "they have changed"
	case !found.Imports(now.Modules):
		return nil, "the application does not import the same any more, or something else before"
	case now.Snapshot == nil:
		return nil, now.Refused
	}
	return now, ""
}

// over is an image whose application begins with its packages imported, if they fit. It
// tells whether they are to be prepared for the change after this one.
func (p *importedPackages) over(image runtime.Image) (_ runtime.Image, stale bool) {
	found, err := p.of(image)
	if err != nil {
		p.log.Info("the packages of the application are imported again: " + err.Error())
	}
	if found == nil {
		return image, false
	}
	kept, why := p.fitting(found)
	if kept == nil {
		p.log.Info("the packages of the application are imported again: " + why)
		p.mu.Lock()
		defer p.mu.Unlock()
		return image, p.now == nil || p.now.Place != found.Place || !found.Imports(p.now.Modules)
	}
	return withPackages(image, found, kept, true), false
}

// prepare records the packages of an image's application, unless that was done, and gives the
// image as it is after a change: without a snapshot of the application itself.
func (p *importedPackages) prepare(ctx context.Context, image runtime.Image) (runtime.Image, error) {
	found, err := p.of(image)
	if found == nil || err != nil {
		return image, err
	}
	p.preparing.Lock()
	defer p.preparing.Unlock()
	key := found.Key()
	kept := p.cache.get(key)
	if kept == nil {
		if kept, err = p.record(ctx, image, found); err != nil {
			return image, fmt.Errorf("record the packages of the application: %w", err)
		}
	}
	p.mu.Lock()
	p.now = kept
	p.mu.Unlock()
	if kept.Snapshot == nil {
		p.log.Info("the packages of the application are imported again for each change: " + kept.Refused)
	} else {
		p.log.Info("the packages of the application are ready for changes of its files", "modules", len(kept.Modules))
	}
	return withPackages(image, found, kept, false), nil
}

// prepareAgain prepares for the change after this one, beside what is served, when what was
// prepared does not fit any more. Whoever holds the image is told when it is done.
func (p *importedPackages) prepareAgain(ctx context.Context, image runtime.Image, done func()) {
	if !p.again.TryLock() { // it is being done, and the next change tells whether that was enough
		done()
		return
	}
	p.under.Go(func() {
		defer p.again.Unlock()
		defer done()
		_, _ = p.prepare(ctx, image) // without them the next change takes longer
	})
}

// record has them imported, and keeps that.
func (p *importedPackages) record(ctx context.Context, image runtime.Image, found *packager.Packages) (*keptPackages, error) {
	r, err := found.Record(ctx, p.recorder, time.Now().Truncate(time.Second))
	k := keptPackages{Place: found.Place, Modules: found.Modules}
	var none *packager.NoRecordingError
	if errors.As(err, &none) {
		k.Refused = none.Reason
		return p.cache.put(found.Key(), k, nil)
	}
	if err != nil {
		return nil, err
	}
	if k.Snapshot, k.Refused = r.Snapshot, r.Refused; k.Snapshot != nil {
		k.Snapshot.Pages = []digest.Digest{digest.FromBytes(r.Memory)} // what it goes by in this process
		if d, ok := image.(runtime.DerivedImage); ok && d.Derived() != nil {
			for _, s := range d.Derived().Snapshots { // to import is what any program does
				if s.Content == r.Content && !found.Whole(&s) {
					k.Snapshot.Hot = prepare.Union(k.Snapshot.Hot, s.Hot)
				}
			}
		}
	}
	out, err := p.cache.put(found.Key(), k, r.Memory)
	_ = p.settle() // or the process stays larger than it has to
	return out, err
}

// withPackages is an image with a snapshot of packages, before those of the base; with whole,
// after those of the application itself, else in their place.
func withPackages(image runtime.Image, found *packager.Packages, kept *keptPackages, whole bool) runtime.Image {
	d, ok := image.(runtime.DerivedImage)
	if !ok || d.Derived() == nil {
		return image
	}
	o := overImage{Image: image, derived: &oci.Derived{Version: d.Derived().Version, Modules: d.Derived().Modules}, packages: kept.memory}
	if whole {
		o.hold(d.Derived(), found.Whole)
	}
	if kept.Snapshot != nil {
		o.derived.Snapshots, o.kept = append(o.derived.Snapshots, *kept.Snapshot), append(o.kept, ofPackages)
	}
	o.hold(d.Derived(), func(s *oci.Snapshot) bool { return !found.Whole(s) })
	return o
}

// sweep forgets what nobody used in a long time.
func (c packageCache) sweep(older time.Duration) error {
	err := buildCache{c.dir}.sweep(older)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
