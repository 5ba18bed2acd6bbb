package runtime

import (
	"io"
	"slices"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/nn"
)

// An Image is what a Container is made from: a configuration and the layers of
// a file system, bottom first. Package images opens them from a store;
// [Program] wraps a bare module.
type Image interface {
	Config() ispec.ImageConfig
	Layers() []layer.Layer
}

// A Spec says how one Container differs from its image, and what of the host
// it is given. Its zero value runs the image's own command with nothing of the
// host: no files, variables, network or streams.
type Spec struct {
	// Entrypoint replaces the image's when it is not nil.
	Entrypoint []string
	// Args replace the image's Cmd when they are not nil; they follow the
	// entrypoint.
	Args []string
	// Env adds variables, as "NAME=value", to the image's. Later ones win.
	Env []string
	// WorkingDir replaces the image's working directory.
	WorkingDir string

	// Stdin is the program's standard input; nil is an empty one.
	Stdin io.Reader
	// Stdout and Stderr receive the program's output; nil discards it.
	Stdout, Stderr io.Writer
	// Terminal tells the program that its streams are a terminal.
	Terminal bool

	// Mounts are folders and files that the container sees besides its image.
	Mounts []Mount
	// ReadOnly refuses every change of the image's files.
	ReadOnly bool
	// Dir is a folder of the host that keeps what the container writes, so that
	// it is there again for the next Container with the same Dir. Empty keeps
	// it in memory, for the life of the Container.
	Dir string

	// Limits bound what the program may use. Zero fields take DefaultLimits.
	Limits Limits
	// Clock is the program's time; nil is the host's.
	Clock wasi.Clock
	// Random is the program's source of randomness; nil is the host's.
	Random io.Reader
	// Deterministic has every run do the same, on every OS and CPU, as long as
	// its inputs are the same: the image, this Spec, what Stdin holds and what
	// is mounted. Time begins at SOURCE_DATE_EPOCH of the environment, or at
	// 1980, and goes on by what the program asks of it; randomness is a fixed
	// stream; every computed NaN has the same bits; a shell runs one command at a
	// time. A Clock and a Random that are given take the place of these two.
	Deterministic bool
	// KeepNaNs leaves NaNs out of Deterministic: their bits are the processor's,
	// and a module that was compiled for other runs need not be compiled anew.
	KeepNaNs bool
	// NoAcceleration leaves all of a program's linear algebra to the program. Without
	// it, and unless the run is Deterministic, kernels of the host do what known
	// modules, ONNX Runtime's and OpenBLAS', would do in some of their functions: some
	// times faster, with results that may differ in the last bits, as they do between
	// processors; see Runtime.Kernels.
	NoAcceleration bool
	// NoSnapshot begins the program at its beginning, even where its image holds a
	// snapshot of it that would do.
	NoSnapshot bool
	// RecordFunctions has the container remember which functions its programs run,
	// see Container.WriteFunctions. They run some per cent slower.
	RecordFunctions bool
	// Trace has the trace of a program that traps name the place in each
	// function by its offset in the module's file, for modules of up to 64 MiB of
	// code: a larger module is compiled once more for that, and loads several times
	// slower. Those of up to 64 KiB always have it.
	Trace bool
	// Dial is what the programs' sockets connect by: those of programs that are linked
	// with the socket extension of WASI (package wasi/sock). A Dialer that is a
	// wasi.Resolver looks names up for them. nil connects to nothing.
	Dial wasi.Dialer
	// Listen is what their sockets listen by; nil listens nowhere.
	Listen wasi.Listen
	// Listeners are open when a program begins that takes connections but cannot listen
	// by itself, as WASI has it: they are its descriptors from 3 on, which LISTEN_FDS and
	// LISTEN_FDNAMES say. Such a program begins at its beginning, without a snapshot.
	Listeners []Listener
	// HostModules give the program Go functions to import, besides WASI.
	HostModules []wasi.HostModule
	// Door gives each call what answers the messages that its programs send with
	// host.call, when the first of them comes; a Worker is one call. nil tells the
	// programs that nobody answers.
	Door func(c *Caller) Door
	// NN gives each program that imports wasi_ephemeral_nn what runs its models; nil
	// offers no such module.
	NN func(c *Caller) nn.Backend
	// Reached hears of each program when it has come through a phase of Times:
	// "load", "start" and "run". It is for measuring, and called by the goroutines
	// that run the programs.
	Reached func(phase string)
	// UnknownImports lets a module start although it imports functions that
	// nobody provides; calling one of them traps.
	UnknownImports bool
}

// Command is the program that an image runs, and its arguments, by Docker's rules: an
// entrypoint given in the Spec drops the image's Cmd.
func (s *Spec) Command(c ispec.ImageConfig) []string {
	entrypoint, args := c.Entrypoint, c.Cmd
	if s.Entrypoint != nil {
		entrypoint, args = s.Entrypoint, nil
	}
	if s.Args != nil {
		args = s.Args
	}
	return slices.Concat(entrypoint, args)
}

// A Mount puts a folder or file of the host, or an empty tmpfs, into a
// container.
type Mount struct {
	// Source is the path on the host; empty mounts a tmpfs.
	Source string
	// Target is the absolute path in the container.
	Target string
	// ReadOnly refuses every change.
	ReadOnly bool
	// Data, when it is not nil, is the content of a file in memory that is only
	// read; Source is empty then.
	Data []byte
	// Mode are the permission bits of such a file.
	Mode uint32
	// Size bounds a tmpfs in bytes; 0 takes the container's Limits.Disk.
	Size int64
}
