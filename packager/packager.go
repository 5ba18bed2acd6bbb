// Package packager turns a recipe and a folder of files into an image. The same
// inputs give the same digest on every machine: no clock, user, umask, folder or
// host version gets into a layer.
//
// What a build needs from outside is asked for through small interfaces: a Store
// for content, Images for what FROM names, a Runner that runs programs in the
// sandbox, a PipInstaller, a Cache.
package packager

import (
	"context"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager/recipe"
	"github.com/wherry-run/wherry/packager/toolchain"
)

// DefaultEpoch is the time of every file and every image whose build is given
// no other: the first second of 1980, the earliest that a zip archive can hold.
var DefaultEpoch = time.Unix(315532800, 0).UTC()

// Options say what to build and with what.
type Options struct {
	// Context holds the files that COPY and ADD can name. An fs.FS from os.Root
	// cannot be left through a symbolic link; other kinds are the caller's risk.
	Context fs.FS
	// Recipe is the parsed Wasmfile.
	Recipe *recipe.File
	// Target is the stage to build, by name or number; empty means the last.
	Target string
	// BuildArgs are the values for ARG.
	BuildArgs map[string]string
	// Secrets are what RUN --mount=type=secret,id=NAME can ask for.
	Secrets map[string]Secret
	// HotSet lists functions that programs of the image are known to run: they are
	// at hand when one starts.
	HotSet prepare.HotSet
	// Labels are added to the image's own.
	Labels map[string]string
	// NoCache builds every step anew; what is built is still remembered.
	NoCache bool
	// Pull fetches images anew although the store has them.
	Pull bool
	// Epoch is the one time of the build; zero means DefaultEpoch.
	Epoch time.Time

	// Store keeps file contents, layers and documents.
	Store Store
	// Images finds what FROM and --from name; nil allows scratch alone.
	Images Images
	// Mirror is a registry and folder that has our bases ready (for example
	// registry.example.com/wherry); empty means none.
	Mirror string
	// Runner runs programs in the sandbox; nil refuses RUN.
	Runner Runner
	// Recorder records how the program of the image starts; nil records nothing.
	Recorder Recorder
	// Describer asks a model for its signature; nil asks nothing.
	Describer Describer
	// Pip serves RUN pip install; nil refuses it.
	Pip PipInstaller
	// Toolchain calls the host's compilers for stages FROM toolchain:...; nil
	// refuses them, which is right for contexts from elsewhere.
	Toolchain Toolchain
	// Fetcher gets what ADD names by URL; nil refuses it.
	Fetcher Fetcher
	// Cache remembers steps; nil remembers nothing.
	Cache Cache
	// Progress is told about every step; nil means nobody looks.
	Progress Progress
	// Stdout and Stderr get what programs print; nil discards it.
	Stdout, Stderr io.Writer
}

// Result is a finished image.
type Result struct {
	// Index is what a tag should name.
	Index ispec.Descriptor
	// Manifest is the image manifest inside the index.
	Manifest ispec.Descriptor
	// Config is the image's config; its digest is the image ID.
	Config ispec.Descriptor
	// Model is the ModelPack manifest; nil without MODEL.
	Model *ispec.Descriptor
	// Derived is the manifest of derived data; nil without.
	Derived *ispec.Descriptor
	// Base is the reference and digest that the image was built on; empty for
	// scratch.
	Base       string
	BaseDigest digest.Digest
}

// Store keeps file contents, and ingests layers and documents. A descriptor
// without a digest asks Ingest to find it out.
type Store interface {
	oci.Sink
	layer.ContentWriter
	layer.Content
}

// Secret is a value that one RUN can see and no layer holds.
type Secret func() ([]byte, error)

// Image is an image opened for building upon.
type Image struct {
	// Ref is its full reference, Digest that of its index or manifest.
	Ref    string
	Digest digest.Digest
	Config oci.Image
	Layers []ImageLayer
	// Derived is what is known of its programs, nil for nothing, over
	// DerivedLayers. Memory opens the memory of one of its snapshots.
	Derived       *oci.Derived
	DerivedLayers []ispec.Descriptor
	Memory        func(ctx context.Context, s *oci.Snapshot) (*os.File, error)
	// Facts reads the facts of one of the modules of Derived.
	Facts func(ctx context.Context, m *oci.DerivedModule) ([]byte, error)
}

// ImageLayer is one layer, as a document lists it and as files are read from it.
type ImageLayer struct {
	oci.Layer
	Files rootfs.Layer
}

// Images finds images.
type Images interface {
	// Find opens an image that the store has; the error is fs.ErrNotExist when
	// it does not.
	Find(ctx context.Context, ref string) (*Image, error)
	// Pull fetches an image, stores it and opens it.
	Pull(ctx context.Context, ref string) (*Image, error)
	// Keep gives a reference to an index that the build has stored.
	Keep(ctx context.Context, ref string, index ispec.Descriptor) error
}

// Changes are what a program or an installer did to a rootfs.
type Changes struct {
	// Entries are the changed names, whiteouts included.
	Entries []layer.Entry
	// Open gives the content of an entry.
	Open func(layer.Ref) (io.ReadCloser, error)
	// Close frees what Open reads from; nil when there is nothing to free.
	Close func() error
}

// RunSpec is one program to run over layers.
type RunSpec struct {
	// Layers are the rootfs, bottom first.
	Layers []rootfs.Layer
	// Args is the program and its arguments. /bin/sh is always there.
	Args []string
	// Env is the whole environment, as NAME=value.
	Env []string
	// Dir is the working directory.
	Dir string
	// User is the USER of the stage; informative.
	User string
	// Files are seen by the program and are no part of the changes, nor is any
	// change to them: secrets, scripts, empty cache folders.
	Files          []RunFile
	Stdout, Stderr io.Writer
	// Epoch is the one time that all clocks show.
	Epoch time.Time
	// Seed makes the program's randomness.
	Seed [32]byte
	// Base is the image that the stage began with; nil for scratch. What is known
	// of its programs holds for them here.
	Base *Image
}

// RunFile is a file or an empty writable folder that one RUN sees.
type RunFile struct {
	// Path is absolute.
	Path string
	Mode uint32
	Data []byte
	// Dir makes it an empty folder in memory.
	Dir bool
}

// Runner runs a program in the sandbox: no network, no host files, one clock. A
// program that ends with a status other than 0 is an error.
type Runner interface {
	Run(ctx context.Context, spec RunSpec) (*Changes, error)
}

// PipRequest is one pip install.
type PipRequest struct {
	// Args is what followed "pip install", variables expanded.
	Args []string
	// Dir is the working directory inside the stage.
	Dir string
	// Env is the stage's environment, as NAME=value.
	Env []string
	// Config is the stage's image config so far; its labels say what the base has.
	Config oci.Image
	// Layers are the stage's rootfs, Root the same files for reading.
	Layers []rootfs.Layer
	Root   fs.FS
	// Files are the secrets that the RUN mounts (a pip.conf, a netrc).
	Files []RunFile
	// Store keeps the files that are installed.
	Store Store
	// Runner runs a program over Layers and what the installer adds, for a first
	// import; nil when there is no sandbox.
	Runner Runner
	// Base is the image that the stage began with; nil for scratch.
	Base           *Image
	Epoch          time.Time
	Stdout, Stderr io.Writer
}

// PipInstaller resolves and downloads packages with the host's pip and says
// which files they are.
type PipInstaller interface {
	Install(ctx context.Context, r PipRequest) (*Changes, error)
}

// Toolchain calls the host's compilers.
type Toolchain interface {
	// Version says which compiler a stage would call; it is part of cache keys.
	Version(ctx context.Context, lang, pinned string) (string, error)
	// Run checks one RUN line and executes it over the files of the stage.
	Run(ctx context.Context, job toolchain.Job) ([]toolchain.Output, error)
}

// FetchRequest is one remote source of an ADD.
type FetchRequest struct {
	// URL is an http(s) or package URL.
	URL string
	// Checksum is sha256:<hex>.
	Checksum digest.Digest
	Stderr   io.Writer
}

// Fetched is a downloaded file, already checked.
type Fetched struct {
	// Name is the file's own name.
	Name string
	Data io.ReadCloser
}

// Fetcher downloads one file and checks it.
type Fetcher interface {
	Fetch(ctx context.Context, r FetchRequest) (*Fetched, error)
}

// Cache remembers small records by key, across builds.
type Cache interface {
	// Get returns fs.ErrNotExist when nothing is remembered.
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, record []byte) error
}

// Event tells of one step of a build.
type Event struct {
	// Stage is the stage's name or number.
	Stage string
	// Step and Total count the steps of the stage, from 1.
	Step, Total int
	// Text is the instruction.
	Text string
	// Done is false when a step starts, true when it has ended.
	Done bool
	// Cached says that the step was remembered.
	Cached bool
	// Took is how long the step lasted.
	Took time.Duration
	// Note is something to tell besides; Text is empty then.
	Note string
}

// Progress hears of every step.
type Progress interface {
	Report(Event)
}
