package preview1

import (
	"context"
	"errors"
	"fmt"
	"io"
	gopath "path"
	"slices"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
)

// Config is everything that a guest is given. The zero Config gives nothing:
// no arguments, an empty input, outputs that discard, no files. A clock and
// randomness are the machine's unless set.
type Config struct {
	// Args are the arguments; the first is by custom the program's name.
	Args []string
	// Env are the variables, each NAME=VALUE.
	Env []string

	Stdin  *wasi.Input
	Stdout *wasi.Output
	Stderr *wasi.Output

	Clock  wasi.Clock
	Random io.Reader
	// Patient keeps the guest from seeing how fast its standard streams are: a
	// read or write with NONBLOCK waits all the same, and a poll that asks for
	// the input ends when it has come, before any time passes on the Clock.
	Patient bool

	// Tree is the file system that the preopens lie in.
	Tree *rootfs.Tree
	// Preopens are the directories that are open when the guest starts, after the
	// Listeners.
	Preopens []Preopen
	// Listeners are open before the preopens, from descriptor 3 on, where programs that
	// are given sockets look for them (sd_listen_fds).
	Listeners []wasi.Listener
	// Dial and Listen are what Sockets connect and listen by; nil is nothing.
	Dial   wasi.Dialer
	Listen wasi.Listen

	// Dir is the working directory, for ABIs that have one; "" is the root.
	Dir string

	Limits Limits
	// Observed is told what the guest looks at. It may be nil.
	Observed *Observed
	// Files bounds the descriptors of several guests together; one more than it
	// grants is ENFILE. nil bounds nothing.
	Files Quota
}

// Quota is a number that several guests share.
type Quota interface {
	// Grow asks for n more and reports whether they are granted.
	Grow(n uint64) bool
	// Release gives n back.
	Release(n uint64)
}

// ErrFiles is returned by New when Config.Files has no room for the descriptors
// that a guest starts with.
var ErrFiles = errors.New("too many open files of all guests together")

// A Preopen is a directory that is open when the guest starts.
type Preopen struct {
	// GuestPath is the name the guest knows it by, "/" for the root.
	GuestPath string
	Node      *rootfs.Node
}

// Limits bound what a guest can make its host hold or do in one call. A zero
// field means its default.
type Limits struct {
	// FDs is the number of descriptors open at once (1024).
	FDs int
	// Iovecs is the number of buffers in one read or write (1024).
	Iovecs int
	// Subscriptions is the number of things one poll waits for (4096).
	Subscriptions int
}

// The limits of a Config that sets none.
const (
	defaultFDs           = 1024
	defaultIovecs        = 1024
	defaultSubscriptions = 4096

	// The largest limits that may be asked for. A select takes 65,536 cases.
	maxFDs           = 1 << 20
	maxIovecs        = 1 << 16
	maxSubscriptions = 60_000
)

// defaultUmask is what new files may not be unless a guest says otherwise.
const defaultUmask = 0o022

// maxStartBytes bounds the arguments and variables together, as a kernel does.
const maxStartBytes = 32 << 20

// A Host serves one instance of a guest. Its functions are called by one
// goroutine at a time, the one that runs the guest; Close is called after the
// guest has ended.
type Host struct {
	args, env []string
	clock     wasi.Clock
	random    io.Reader
	tree      *rootfs.Tree
	patient   bool // see Config
	limits    Limits
	observed  *Observed
	config    Config
	began     []*descriptor // what was open at the start
	// Of POSIX: the working directory, and what new files may not be.
	workingDir string
	umask      uint32
	fds        fdTable

	started time.Duration // monotonic reading at the start
	blocked time.Duration // time spent waiting since
	outputs []*wasi.Output
	closing []*wasi.Conn // closed by the guest, perhaps still delivering
	killed  bool         // unwound because the context ended
	frame   call         // the call under way: there is one at a time
}

// New makes a Host. It opens the preopens, so Close must be called.
func New(c Config) (*Host, error) {
	limits, err := c.Limits.resolve()
	if err != nil {
		return nil, err
	}
	if err := checkStart(c.Args, c.Env); err != nil {
		return nil, err
	}
	h := &Host{
		args: c.Args, env: c.Env, clock: c.Clock, random: c.Random, tree: c.Tree,
		limits: limits, fds: fdTable{max: limits.FDs, quota: c.Files}, patient: c.Patient, observed: c.Observed,
	}
	if h.clock == nil {
		h.clock = wasi.NewSystemClock()
	}
	if h.random == nil {
		h.random = wasi.SystemRandom()
	}
	h.config = c
	if err := h.begin(); err != nil {
		return nil, err
	}
	return h, nil
}

// begin opens what the guest starts with.
func (h *Host) begin() error {
	h.started, h.workingDir, h.umask = h.clock.Monotonic(), gopath.Join("/", h.config.Dir), defaultUmask
	if err := h.open(h.config); err != nil {
		h.closeAll()
		return err
	}
	return nil
}

// Reset is for a guest that was put back to where it began: everything that it
// opened is closed, and what it starts with is open again. It must not be running.
func (h *Host) Reset() error {
	err := h.closeAll()
	h.fds.entries, h.blocked, h.killed = nil, 0, false
	return errors.Join(err, h.begin())
}

func (l Limits) resolve() (Limits, error) {
	for _, f := range []struct {
		name         string
		value        *int
		fallback, hi int
	}{
		{"descriptors", &l.FDs, defaultFDs, maxFDs},
		{"buffers in one call", &l.Iovecs, defaultIovecs, maxIovecs},
		{"subscriptions in one poll", &l.Subscriptions, defaultSubscriptions, maxSubscriptions},
	} {
		if *f.value == 0 {
			*f.value = f.fallback
		}
		if *f.value < 0 || *f.value > f.hi {
			return l, fmt.Errorf("limit of %s: %d is not between 1 and %d", f.name, *f.value, f.hi)
		}
	}
	return l, nil
}

// checkStart refuses arguments and variables that a guest could not be given
// whole: C strings end at a NUL.
func checkStart(args, env []string) error {
	total := 0
	for i, a := range args {
		if strings.IndexByte(a, 0) >= 0 {
			return fmt.Errorf("argument %d holds a NUL byte", i)
		}
		total += len(a) + 1
	}
	for _, v := range env {
		if strings.IndexByte(v, 0) >= 0 {
			return fmt.Errorf("variable %q holds a NUL byte", v)
		}
		if strings.IndexByte(v, '=') < 0 {
			return fmt.Errorf("variable %q is not of the form NAME=VALUE", v)
		}
		total += len(v) + 1
	}
	if total > maxStartBytes {
		return fmt.Errorf("arguments and variables take %d bytes, more than %d", total, maxStartBytes)
	}
	return nil
}

// open fills the table: three streams, the preopens, the listeners.
func (h *Host) open(c Config) error {
	if c.Stdin == nil {
		c.Stdin = wasi.NewInput(nil)
	}
	if c.Stdout == nil {
		c.Stdout = wasi.NewOutput(nil)
	}
	if c.Stderr == nil {
		c.Stderr = wasi.NewOutput(nil)
	}
	list := []*descriptor{
		{base: rightsOfInput, object: &input{c.Stdin}},
		{base: rightsOfOutput, object: &output{c.Stdout}},
		{base: rightsOfOutput, object: &output{c.Stderr}},
	}
	for _, l := range c.Listeners {
		list = append(list, &descriptor{
			base: rightsOfListener, inheriting: rightsOfConnection,
			object: newListener(l),
		})
	}
	for _, p := range c.Preopens {
		if c.Tree == nil {
			return fmt.Errorf("preopen %s: no tree", p.GuestPath)
		}
		file, err := c.Tree.Open(p.Node, ".", rootfs.How{Read: true, Dir: true})
		if err != nil {
			return fmt.Errorf("preopen %s: %w", p.GuestPath, err)
		}
		list = append(list, &descriptor{
			base: rightsOfDirectory, inheriting: rightsOfDirectory | rightsOfFile,
			object: &directory{file: file, preopen: true, name: p.GuestPath, path: gopath.Join("/", p.GuestPath)},
		})
	}
	if c.Files != nil && !c.Files.Grow(uint64(len(list))) {
		for _, d := range list {
			_ = d.object.close()
		}
		return ErrFiles
	}
	h.fds.entries, h.began = list, slices.Clone(list)
	h.outputs = []*wasi.Output{c.Stdout, c.Stderr}
	if len(list) > h.limits.FDs {
		return fmt.Errorf("%d descriptors at the start, more than the limit of %d", len(list), h.limits.FDs)
	}
	return nil
}

// flushTime is how long Close waits for what a guest wrote without waiting.
const flushTime = 5 * time.Second

// Close closes every descriptor that the guest left open. What was written to
// connections, or to standard streams without waiting, gets some seconds to be
// delivered, unless the guest was unwound because its context ended.
func (h *Host) Close() error {
	err := h.closeAll()
	if h.killed {
		return err
	}
	t := time.NewTimer(flushTime)
	defer t.Stop()
	for _, sent := range h.delivering() {
		select {
		case <-sent:
		case <-t.C:
			return err
		}
	}
	return err
}

// delivering lists what closes when everything written has been delivered.
func (h *Host) delivering() []<-chan struct{} {
	var list []<-chan struct{}
	for _, out := range h.outputs {
		list = append(list, out.Ready())
	}
	for _, c := range h.closing {
		list = append(list, c.Done())
	}
	return list
}

func (h *Host) closeAll() error {
	var errs []error
	for i, d := range h.fds.entries {
		if d != nil {
			h.fds.entries[i] = nil
			h.fds.removed(1)
			errs = append(errs, h.closeDescriptor(d))
		}
	}
	return errors.Join(errs...)
}

// closeDescriptor closes one that was taken out of the table, with its last number.
func (h *Host) closeDescriptor(d *descriptor) error {
	if d.holders > 0 {
		d.holders--
		return nil
	}
	return h.closeObject(d.object)
}

func (h *Host) closeObject(o object) error {
	if c, ok := o.(*connection); ok {
		h.remember(c.Conn)
	}
	return o.close()
}

// remember keeps a closed connection until it is gone, and drops those that
// are.
func (h *Host) remember(c *wasi.Conn) {
	kept := h.closing[:0]
	for _, old := range h.closing {
		select {
		case <-old.Done():
		default:
			kept = append(kept, old)
		}
	}
	h.closing = append(kept, c)
}

// wait runs f, which blocks, and keeps the time it takes off the guest's CPU
// clocks.
func (h *Host) wait(f func()) {
	if h.patient { // whether there is something to wait for must not show
		f()
		return
	}
	start := h.clock.Monotonic()
	f()
	h.blocked += h.clock.Monotonic() - start
}

// run calls one function of the table and reports its result, or why the guest
// must be unwound.
func (h *Host) run(ctx context.Context, l *layout, f *function, mem memory, args []uint64) (e errno, unwind error) {
	c := &h.frame
	*c = call{ctx: ctx, mem: mem, args: args, layout: l}
	if !c.canceled() {
		e = f.call(h, c)
	}
	unwind = c.unwind
	h.killed = h.killed || unwind != nil && ctx.Err() != nil
	*c = call{}
	return e, unwind
}
