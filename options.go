package wherry

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	goruntime "runtime"
	"sync"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/places"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/native"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/runtime"
)

// An Option says how an image is found and how its model works.
type Option func(*settings)

// settings are what the options come to.
type settings struct {
	home      string // "" is the user's
	files     fs.FS
	pull      images.PullPolicy
	registry  []registry.Option
	runtime   []runtime.Option
	spec      runtime.Spec
	limits    runtime.Limits
	instances int
	waiting   int
	reuse     model.Reuse
	log       io.Writer
	onnx      string // the image that has ONNX Runtime; "": none
	native    *native.Options
}

func newSettings(options []Option) (*settings, error) {
	s := &settings{log: io.Discard, instances: goruntime.GOMAXPROCS(0)}
	for _, o := range options {
		o(s)
	}
	if s.instances < 1 || s.waiting < 0 {
		return nil, fmt.Errorf("a model of %d instances, for which %d may wait", s.instances, s.waiting)
	}
	return s, nil
}

// WithHome keeps images and compiled modules in dir. Without it they are where the
// wherry command keeps those of this user: below WHERRY_HOME, or where the OS wants
// such things.
func WithHome(dir string) Option { return func(s *settings) { s.home = dir } }

// FromFS takes the image out of files, an embed.FS for one: ref is then the name of
// an archive in it, as wherry save or docker save writes, or of the folder of an OCI
// image layout; "NAME#IMAGE" where it has several images. It is unpacked into a
// temporary folder, or below WithHome to be there the next time.
func FromFS(files fs.FS) Option { return func(s *settings) { s.files = files } }

// WithPull says when the registry is asked: images.PullMissing without it.
func WithPull(p images.PullPolicy) Option { return func(s *settings) { s.pull = p } }

// WithRegistry says how registries are talked to.
func WithRegistry(options ...registry.Option) Option {
	return func(s *settings) { s.registry = append(s.registry, options...) }
}

// WithRuntime says how the engine works that Open starts.
func WithRuntime(options ...runtime.Option) Option {
	return func(s *settings) { s.runtime = append(s.runtime, options...) }
}

// WithInstances has at most n requests answered at once, each by an instance with a
// memory of its own; they are made when they are needed. Without it they are as many
// as there are processors.
func WithInstances(n int) Option { return func(s *settings) { s.instances = n } }

// WithWaiting has at most n requests wait for an instance; those beyond get
// model.ErrBusy. Without it all wait, as long as their contexts say.
func WithWaiting(n int) Option { return func(s *settings) { s.waiting = n } }

// WithReuse says what a request may find of those before it; model.ReuseAlways
// without it.
func WithReuse(r model.Reuse) Option { return func(s *settings) { s.reuse = r } }

// WithLimits bounds each request, and the memory, tables, open files and processes
// of each instance.
func WithLimits(l runtime.Limits) Option { return func(s *settings) { s.limits = l } }

// WithSpec gives instances more than their image: variables, mounted folders, a
// clock. Its limits bound an instance in its whole life; its command and streams are
// not used.
func WithSpec(spec runtime.Spec) Option { return func(s *settings) { s.spec = spec } }

// WithLog gets what the model prints, and the tracebacks of its errors.
func WithLog(w io.Writer) Option { return func(s *settings) { s.log = w } }

// WithONNXRuntime names the image whose ONNX Runtime runs the models that programs
// load by wasi-nn, and whose own images have none: what the base onnx is called
// where Run finds its images.
func WithONNXRuntime(ref string) Option { return func(s *settings) { s.onnx = ref } }

// WithNative has ONNX models run by native ONNX Runtime, in processes of the program
// wherry-native outside of the sandbox: limits do not hold there, and the model's file
// is trusted as a program is. native.FindProgram and native.FindLibrary say where they
// are.
func WithNative(o native.Options) Option { return func(s *settings) { s.native = &o } }

// places finds the folders to work in.
func (s *settings) places() (places.Places, error) {
	if s.home != "" {
		return places.In(s.home), nil
	}
	return places.Locate(os.Getenv)
}

// containerSpec is what an instance is given.
func (s *settings) containerSpec(log io.Writer) runtime.Spec {
	spec := s.spec
	spec.Entrypoint, spec.Args, spec.Stdin, spec.Terminal = nil, nil, nil, false
	spec.Stdout, spec.Stderr = log, log
	return spec
}

// sharedWriter lets instances write one after the other.
type sharedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
