package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/model/onnx/nn"
	"github.com/wherry-run/wherry/model/python"
	"github.com/wherry-run/wherry/model/python/ort"
	"github.com/wherry-run/wherry/model/reactor"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/packager/source"
	"github.com/wherry-run/wherry/packager/toolchain"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
)

// workshop is what builds need from outside, joined from the rooms below:
// storage, images, a sandbox, a cache. Close it when the build is done.
type workshop struct {
	store   *store.Store
	lease   *store.Lease
	finder  *finder
	runtime *runtime.Runtime
	options packager.Options
	// compilers are those of this machine.
	compilers *toolchain.Host
	// held is what programs of a quiet build printed, for the case that it fails; nil: it
	// is shown as it comes.
	held *heldOutput
}

// heldOutput keeps the last of what programs print.
type heldOutput struct {
	mu  sync.Mutex
	out []byte
}

// maxHeld bounds what is kept.
const maxHeld = 64 << 10

func (h *heldOutput) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.out = append(h.out, b...)
	h.out = h.out[max(0, len(h.out)-maxHeld):]
	return len(b), nil
}

// workshop opens what a build needs.
func (a *app) workshop(ctx context.Context) (_ *workshop, err error) {
	p, err := locate(a.env)
	if err != nil {
		return nil, err
	}
	w := &workshop{}
	defer func() {
		if err != nil {
			w.close(ctx)
		}
	}()
	if w.store, err = store.Open(ctx, p.Data); err != nil {
		return nil, err
	}
	if w.lease, err = w.store.Lease(ctx); err != nil {
		return nil, err
	}
	if w.runtime, err = a.runtime(ctx); err != nil {
		return nil, err
	}
	client, _ := a.client()
	w.finder = &finder{store: w.store, fetcher: client}
	w.compilers = toolchain.New()
	w.options = packager.Options{
		Store: w.lease, Images: w.finder, Mirror: a.env("WHERRY_BASE_MIRROR"),
		Runner: sandbox{w.runtime, a.ticking}, Recorder: sandbox{w.runtime, a.ticking}, Describer: sandbox{w.runtime, a.ticking}, Toolchain: w.compilers, Fetcher: source.New(),
		Pip:    packager.NewPip(),
		Cache:  buildCache{filepath.Join(p.Cache, "build")},
		Stdout: a.talk().Output(a.Err), Stderr: a.talk().Output(a.Err), Progress: newBuilding(a.talk),
	}
	if a.quiet {
		w.held = &heldOutput{}
		w.options.Stdout, w.options.Stderr = w.held, w.held
	}
	return w, nil
}

func (w *workshop) close(ctx context.Context) {
	if w.finder != nil {
		w.finder.close()
	}
	if w.runtime != nil {
		closeRuntime(ctx, w.runtime)
	}
	if w.lease != nil {
		w.lease.Release()
	}
	if w.store != nil {
		w.store.Close()
	}
}

// filesOnly lets go of what only builds need: the files that were built stay.
func (w *workshop) filesOnly(ctx context.Context) {
	closeRuntime(ctx, w.runtime)
	w.runtime = nil
}

// finder opens the images that a recipe names, and keeps them open until the
// build is done.
type finder struct {
	store   *store.Store
	fetcher images.Fetcher
	opened  []*images.Image
}

func (f *finder) close() {
	for _, i := range f.opened {
		i.Close()
	}
}

func (f *finder) Find(ctx context.Context, ref string) (*packager.Image, error) {
	return f.open(ctx, ref, images.Options{Pull: images.PullNever})
}

func (f *finder) Pull(ctx context.Context, ref string) (*packager.Image, error) {
	return f.open(ctx, ref, images.Options{Fetcher: f.fetcher, Pull: images.PullAlways})
}

func (f *finder) open(ctx context.Context, ref string, o images.Options) (*packager.Image, error) {
	img, err := images.Open(ctx, f.store, ref, o)
	if err != nil {
		return nil, err
	}
	f.opened = append(f.opened, img)
	return packaged(ref, img), nil
}

// packaged is an open image as the packager builds upon it.
func packaged(ref string, img *images.Image) *packager.Image {
	out := &packager.Image{Ref: ref, Digest: img.Digest(), Config: *img.Document()}
	files := img.Layers()
	for i, d := range img.LayerDescriptors() {
		out.Layers = append(out.Layers, packager.ImageLayer{Layer: d, Files: files[i]})
	}
	out.Derived, out.DerivedLayers, out.Memory = img.Derived(), img.DerivedLayers(), img.Memory
	out.Facts = img.Facts
	return out
}

func (f *finder) Keep(ctx context.Context, ref string, index ispec.Descriptor) error {
	name, err := oci.ParseReference(ref)
	if err != nil {
		return err
	}
	return f.store.Tag(ctx, name, index)
}

// sandbox runs the RUN lines of a build: no network, no host files, one clock,
// randomness from the build's inputs.
type sandbox struct {
	rt    *runtime.Runtime
	shown func(name string) (stop func())
}

func (s sandbox) Run(ctx context.Context, spec packager.RunSpec) (*packager.Changes, error) {
	image := stage{withTemp(spec.Layers, spec.Epoch), spec.Base}
	c, err := s.rt.Create(ctx, image, runtime.Spec{
		Entrypoint: spec.Args, Args: []string{}, Env: spec.Env, WorkingDir: spec.Dir,
		Stdout: spec.Stdout, Stderr: spec.Stderr, Mounts: runFiles(spec.Files),
		Clock:  wasi.NewFixedClock(spec.Epoch),
		Random: wasi.SeededRandom(spec.Seed[:]),
		// Programs of a pipeline share the clock and the randomness: they must
		// take turns that are the same in every build.
		Deterministic: true, KeepNaNs: true,
		Door: ort.Door(image), NN: nn.New(nn.Options{Image: image}),
	})
	if err != nil {
		return nil, err
	}
	if err := c.Run(ctx); err != nil {
		c.Close(ctx)
		return nil, err
	}
	index, content, err := c.Changes(ctx)
	if err != nil {
		c.Close(ctx)
		return nil, fmt.Errorf("read changes: %w", err)
	}
	return &packager.Changes{
		Entries: index.Entries, Open: layer.OpenFrom(content),
		Close: func() error { return c.Close(context.WithoutCancel(ctx)) },
	}, nil
}

// Record runs the program of an image to where it waits for work.
func (s sandbox) Record(ctx context.Context, spec packager.RecordSpec) (*packager.Recording, error) {
	defer s.shown("recording")()
	r, err := s.record(ctx, spec, true)
	if err == nil && !spec.Survey && r.Snapshot == nil && r.Guessed {
		spec.Stdout, spec.Stderr = io.Discard, io.Discard // it has been seen
		r, err = s.record(ctx, spec, false)
	}
	if err == nil && r.Snapshot == nil && len(r.Packages) > 0 && !spec.Exact { // without those that failed
		spec.Packages = r.Packages
		r, err = s.record(ctx, spec, false)
	}
	var whole *runtime.WholeError
	if errors.As(err, &whole) {
		return nil, &packager.NoRecordingError{Content: whole.Content, Reason: whole.Error()}
	}
	if err != nil {
		return nil, err
	}
	return &packager.Recording{
		Content: r.Content, Facts: r.Facts, Functions: r.Functions, Hot: r.Hot, Snapshot: r.Snapshot, Refused: r.Refused, Memory: r.Memory,
		Signature: r.Signature,
	}, nil
}

func (s sandbox) record(ctx context.Context, spec packager.RecordSpec, guess bool) (*runtime.Recording, error) {
	image := recorded{stage{spec.Layers, spec.Base}, spec.Config.ImageConfig}
	c, err := s.rt.Create(ctx, image, runtime.Spec{
		Stdout: spec.Stdout, Stderr: spec.Stderr, Door: ort.Door(image), NN: nn.New(nn.Options{Image: image}),
		Clock:          wasi.NewFixedClock(spec.Epoch),
		Random:         wasi.SeededRandom(spec.Seed[:]),
		UnknownImports: true, // whoever runs it says whether it may have them
	})
	if err != nil {
		return nil, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if spec.Survey {
		return c.Survey(ctx, runtime.Process{Args: c.Command()})
	}
	process := runtime.Process{Args: c.Command()}
	if labels := spec.Config.Labels; labels[packager.LabelONNX] != "" {
		file := "" // the base loads no model
		if labels[oci.LabelModel] == oci.ModelONNX {
			file = labels[oci.LabelModelPath]
		}
		signature := &model.Signature{}
		if json.Unmarshal([]byte(labels[oci.LabelSignature]), signature) != nil {
			signature = nil
		}
		if process, err = onnx.Process(c, file, signature); err != nil {
			return nil, err
		}
	}
	if spec.Config.Labels[oci.LabelModel] == oci.ModelWasm {
		process = reactor.Process(c)
	}
	return c.Record(ctx, runtime.RecordSpec{
		Process: process, Snapshot: true, Guess: guess, Cases: spec.Config.Labels[packager.LabelGolden], Packages: spec.Packages,
		Over: (*runtime.Staged)(spec.Over),
	})
}

// Describe asks the program of an image, a model, for its signature.
func (s sandbox) Describe(ctx context.Context, spec packager.RecordSpec) ([]byte, error) {
	image := recorded{stage{spec.Layers, nil}, spec.Config.ImageConfig}
	c, err := s.rt.Create(ctx, image, runtime.Spec{
		Door: ort.Door(image), NN: nn.New(nn.Options{Image: image}), Clock: wasi.NewFixedClock(spec.Epoch), Random: wasi.SeededRandom(spec.Seed[:]),
	})
	if err != nil {
		return nil, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if spec.Config.Labels[oci.LabelModel] == oci.ModelWasm {
		m, err := reactor.Open(ctx, c, reactor.Options{Log: spec.Stderr})
		if err != nil {
			return nil, err
		}
		defer m.Close(context.WithoutCancel(ctx))
		return json.Marshal(m.Signature())
	}
	m, err := python.Open(ctx, c, python.Options{Process: runtime.Process{Stdout: spec.Stdout, Stderr: spec.Stderr}})
	if err != nil {
		return nil, err
	}
	defer m.Close(context.WithoutCancel(ctx))
	return json.Marshal(m.Signature())
}

// recorded is a finished image that is not stored yet.
type recorded struct {
	stage
	config ispec.ImageConfig
}

func (r recorded) Config() ispec.ImageConfig { return r.config }

// withTemp puts an empty /tmp below the layers of a stage that has none. Without
// it the runtime mounts one, and what a RUN leaves there would be gone for the
// next RUN; as with Docker it stays.
func withTemp(layers []layer.Layer, epoch time.Time) []layer.Layer {
	const sticky = 0o1777
	temp := layer.Index{Entries: []layer.Entry{{Path: "tmp", Kind: layer.Dir, Mode: sticky, ModTime: epoch.UnixNano()}}}
	return slices.Insert(slices.Clone(layers), 0, layer.Layer{Index: &temp, Content: &layer.Memory{}})
}

// stage is the rootfs of a build's stage as the runtime takes images.
type stage struct {
	layers []layer.Layer
	base   *packager.Image // nil: nothing is known of its programs
}

func (s stage) Config() ispec.ImageConfig { return ispec.ImageConfig{} }
func (s stage) Layers() []layer.Layer     { return s.layers }

// Derived is what is known of the modules of the base. Its snapshots are left
// out: a build begins every program at its beginning.
func (s stage) Derived() *oci.Derived {
	if s.base == nil || s.base.Derived == nil {
		return nil
	}
	return &oci.Derived{Modules: s.base.Derived.Modules}
}

// Facts reads the facts of one of them.
func (s stage) Facts(ctx context.Context, m *oci.DerivedModule) ([]byte, error) {
	return s.base.Facts(ctx, m)
}

// Memory is never asked for.
func (s stage) Memory(context.Context, *oci.Snapshot) (*os.File, error) {
	return nil, errors.New("there are no snapshots in a build")
}

// runFiles are a step's secrets and scripts, in memory: they touch no disk.
func runFiles(files []packager.RunFile) []runtime.Mount {
	var mounts []runtime.Mount
	for _, f := range files {
		m := runtime.Mount{Target: f.Path}
		if !f.Dir {
			m.Data, m.Mode = append([]byte{}, f.Data...), f.Mode
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// buildCache keeps the small records of steps, one file each.
type buildCache struct{ dir string }

func (c buildCache) file(key string) string {
	sum := sha256.Sum256([]byte(key))
	hex := hex.EncodeToString(sum[:])
	return filepath.Join(c.dir, hex[:2], hex)
}

func (c buildCache) Get(_ context.Context, key string) ([]byte, error) {
	return os.ReadFile(c.file(key))
}

func (c buildCache) Put(_ context.Context, key string, record []byte) error {
	name := c.file(key)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return copyWhole(name, bytes.NewReader(record))
}

// sweep forgets records that nobody asked for in a long time.
func (c buildCache) sweep(older time.Duration) error {
	return filepath.WalkDir(c.dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() && time.Since(info.ModTime()) > older {
			return os.Remove(p)
		}
		return nil
	})
}
