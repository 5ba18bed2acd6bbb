package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
	"github.com/wherry-run/wherry/wasi/ruby"
)

// A Recording is what Record found out about a program.
type Recording struct {
	// Content names the program's module, as oci.DerivedModule does.
	Content string
	// Facts are the facts of the module, encoded, and Functions is how many it has.
	Facts     []byte
	Functions uint32
	// Hot are the functions that ran. Those of the snapshot ran after it was
	// restored.
	Hot []uint32
	// Snapshot is the program when it was waiting for work, nil when none was
	// wanted or could be taken; Refused says why then. Its Pages are open.
	Snapshot *oci.Snapshot
	Refused  string
	// Memory is the memory of the snapshot.
	Memory []byte
	// Signature is what the program says its requests and answers are: JSON, or nil.
	Signature []byte
	// Guessed is set when the program made use of RecordSpec.Guess.
	Guessed bool
	// Packages is set when some of RecordSpec.Packages could not be imported by
	// themselves: those that could, with all that they import. Another Container may
	// record these.
	Packages []string
}

// RecordSpec says what to record.
type RecordSpec struct {
	// Process is the program, with the arguments that every run will have.
	Process Process
	// Snapshot asks for a snapshot at the point where the program waits for work;
	// otherwise the program runs to its end.
	Snapshot bool
	// Cases names a file of golden cases, which a program may do before its snapshot
	// is taken; "" is none.
	Cases string
	// Guess lets a program that knows no cases of its work do some before its
	// snapshot, with values of its own invention. When that leads to no snapshot,
	// it may be for the guess, and another Container may record it without.
	Guess bool
	// Packages are modules that a program of the Python base imports before its own,
	// none of which is looked for among its own files. The snapshot is of these alone:
	// it serves every version of the program. nil is a snapshot of the program.
	Packages []string
	// Over is a recording of the program's packages, made of the same module: the program
	// begins with what they came to. Where it would have found something else, had it
	// imported them itself, there is no snapshot, and another Container may record it
	// from its beginning.
	Over *Staged
}

// A WholeError says why a module cannot be loaded in parts.
type WholeError struct {
	// Content names the module, as oci.DerivedModule does, if it is one.
	Content, Reason string
}

func (e *WholeError) Error() string { return "the module has to stay whole: " + e.Reason }

// Record runs a program of the container once and finds out which functions of
// its module run, and what its memory holds when it waits for work. The
// container's clock and randomness should be fixed: the same inputs give the same
// recording. What the program prints is its container's.
func (c *Container) Record(ctx context.Context, spec RecordSpec) (*Recording, error) {
	if len(spec.Process.Args) == 0 {
		return nil, errors.New("record in container: no program is named")
	}
	call := c.bound(ctx, c.life, spec.Process.Limits, &deadline{})
	defer call.stop()
	ctx = call
	p := c.complete(spec.Process)
	if err := c.ensureDir(p.Dir); err != nil {
		return nil, fmt.Errorf("enter %s: %w", p.Dir, err)
	}
	s := c.newSession(p.Limits)
	s.deadline = call.deadline
	x, err := c.findModule(p)
	if err != nil {
		return nil, err
	}
	defer x.close()
	r := &recorder{session: s, x: x, p: p, spec: spec}
	out, err := r.record(ctx)
	return out, c.cause(ctx, err)
}

// findModule is find for a program that could be loaded in parts.
func (c *Container) findModule(p Process) (*executable, error) {
	x, err := c.find(p)
	if err == nil && x.builtin != nil {
		x.close()
		return nil, &WholeError{Reason: "it is a program of the shell"}
	}
	return x, err
}

// recorder records one program.
type recorder struct {
	session  *session
	x        *executable
	p        Process
	spec     RecordSpec
	out      Recording
	observed preview1.Observed
	reads    *oci.Reads
	fixed    int          // arguments that the snapshot is bound to; 0: all
	refused  string       // by the program itself
	runs     []rehearsal  // that the program wants made
	heard    atomic.Bool  // it read its standard input
	shown    atomic.Int64 // bytes that it printed before the curtain fell
	repeats  int64        // bytes of them that it prints again after a restore
	renews   bool         // it draws anew after a restore what it drew
	draws    bool         // it drew while it loaded, and has to again
	early    given        // what it looked at before it loaded
	late     given        // and while it did
	down     atomic.Bool  // the curtain
	facts    []byte
	open     func() (*prepare.Split, io.Closer, error)
	done     func() error        // with what it opens
	state    []byte              // what the driver has to know of the memory
	files    []string            // that it opened
	hits     map[uint32]struct{} // functions that ran after the snapshot
	later    map[uint32]struct{} // and those that ran in rare runs
}

// curtain is a stream that nobody sees any more once it is down.
type curtain struct {
	dst   io.Writer
	down  *atomic.Bool
	shown *atomic.Int64 // bytes before that
}

func (c *curtain) Write(p []byte) (int, error) {
	if c.down.Load() {
		return len(p), nil
	}
	c.shown.Add(int64(len(p)))
	return c.dst.Write(p)
}

// listened is a stream of which it is known that somebody read it.
type listened struct {
	src   io.Reader // nil: an empty one
	heard *atomic.Bool
}

func (l *listened) Read(p []byte) (int, error) {
	l.heard.Store(true)
	if l.src == nil {
		return 0, io.EOF
	}
	return l.src.Read(p)
}

func (r *recorder) record(ctx context.Context) (*Recording, error) {
	if r.spec.Snapshot { // what it prints in rehearsal is nobody's
		r.p.Stdin = &listened{src: r.p.Stdin, heard: &r.heard}
		r.p.Stdout, r.p.Stderr = &curtain{r.p.Stdout, &r.down, &r.shown}, &curtain{r.p.Stderr, &r.down, &r.shown}
	}
	r.session.stderr = r.p.Stderr
	defer r.session.close(ctx)
	r.done = func() error { return nil }
	defer func() { _ = r.done() }()
	if err := r.survey(ctx); err != nil {
		return nil, err
	}
	if o := r.spec.Over; o != nil && o.Snapshot.Content != r.out.Content {
		return nil, fmt.Errorf("record %s: its packages were recorded with another module", r.x.path)
	}
	g, err := r.guest(ctx, r.x, r.p, &r.observed, r.spec.Over.image())
	if err != nil {
		return nil, err
	}
	err = r.run(ctx, g)
	if err == nil {
		err = r.lateWork(ctx, g)
	}
	hot := g.Hits()
	g.close(ctx)
	if err == nil && r.out.Snapshot != nil {
		err = r.rehearseAll(ctx)
	}
	if err != nil {
		return nil, err
	}
	if s := r.out.Snapshot; s != nil {
		if hot, err = r.moderate(slices.Concat(hot, s.Hot, s.Later), slices.Concat(s.Hot, s.Later)); err != nil {
			return nil, err
		}
	}
	slices.Sort(hot)
	r.out.Hot = slices.Compact(hot)
	return &r.out, nil
}

// moderateHot is how much code is compiled at once for a program that is not
// restored: beyond it, compiling takes longer and more memory than the groups do,
// which images of one base share.
const moderateHot = 2 << 20

// moderate gives all functions, or those after the restore alone when all are too
// many.
func (r *recorder) moderate(all, after []uint32) ([]uint32, error) {
	split, file, err := r.open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	slices.Sort(all)
	if all = slices.Compact(all); split.Bytes(all) > moderateHot {
		return after, nil
	}
	return all, nil
}

// maxPackages bounds the modules that a program says it would import.
const maxPackages = 10_000

// maxSignature bounds what a program says of its requests, in bytes.
const maxSignature = 64 << 10

// guest is one instance of the program while it is recorded.
type guest struct {
	*engine.Instance
	host    *preview1.Host
	machine *Machine // of a driver
	close   func(ctx context.Context)
}

// guest makes an instance that notes what runs, from its beginning or from an
// image.
func (r *recorder) guest(ctx context.Context, x *executable, p Process, observed *preview1.Observed, image *engine.Image) (*guest, error) {
	c := r.session.container
	cut := cutting{content: r.out.Content, facts: keyOf(string(r.facts)), hot: r.spec.Over.hot(), record: true, open: r.open}
	clock := c.clock
	if image != nil {
		cut.pages = r.spec.Over.pages(image)
		began := r.spec.Over.monotonic()
		if r.out.Snapshot != nil {
			began = r.out.Snapshot.Monotonic
		}
		clock = continued{clock, time.Duration(began)}
	}
	module, _, release, err := c.rt.acquireParts(ctx, cut, r.options())
	if err != nil {
		return nil, refuse(r.x, err)
	}
	host, err := r.session.newHost(x, p, clock, observed, nil)
	if err != nil {
		release()
		return nil, err
	}
	m := newMeter(r.session.account, &c.rt.crew)
	m.work()
	config := r.session.instanceConfig(module, host, m, r.answer)
	config.Image = image
	if ruby.Is(exported(module)) {
		config.Imports = append(config.Imports, m.watch(ruby.New()))
	}
	g := &guest{host: host}
	g.close = func(ctx context.Context) {
		if g.Instance != nil {
			g.Instance.Close(context.WithoutCancel(ctx))
		}
		m.pause()
		host.Close()
		release()
	}
	if p.Driver != nil {
		var hosts []wasi.HostModule
		if g.machine, hosts, err = r.session.machineFor(p.Driver, x, p, module, host, clock, r.opened); err != nil {
			g.close(ctx)
			return nil, err
		}
		for _, h := range hosts {
			config.Imports = append(config.Imports, m.watch(h))
		}
	}
	g.Instance, err = c.rt.engine.Instantiate(ctx, module, config)
	if g.machine != nil {
		g.machine.instance, g.machine.World.begun = g.Instance, g.Instance.ForgetHits
	}
	if err != nil {
		g.close(ctx)
		return nil, c.translate(r.x, err)
	}
	return g, nil
}

// options are the passes of the module: those of a run, so that what is compiled is
// of use to it. No kernel does anything here: the same inputs give the same memory,
// whatever the processor, and the functions that a run needs where it has no kernel
// are seen to run.
func (r *recorder) options() prepare.Options {
	rt := r.session.container.rt
	ref, _, _ := r.x.file.Content()
	return accelerate(rt.prepareOptions(r.session.limits.Tables), rt.pins(contentName(ref)))
}

// answer is the door of a program that is recorded: it hears what the program
// looked at.
func (r *recorder) answer(ctx context.Context, message []byte) ([]byte, error) {
	if said, ok := parseReads(message); ok {
		r.reads = &oci.Reads{Args: said.Args, Env: said.Env, AllEnv: said.AllEnv, Terminal: said.Terminal}
		r.repeats, r.renews = said.Printed, said.Renews
		r.fixed = min(max(said.Fixed, 1), len(r.x.args))
		r.refused, r.out.Guessed = said.Refused, said.Guessed
		r.out.Packages = said.Packages[:min(len(said.Packages), maxPackages)]
		if len(said.Signature) <= maxSignature && string(said.Signature) != "null" {
			r.out.Signature = said.Signature
		}
		r.runs = said.Runs[:min(len(said.Runs), maxRehearsals)]
		return []byte("{}"), nil
	}
	if isFrame(message) { // it rehearses what a Worker does
		return appendFrame(frameRequest, []byte("[]")), nil
	}
	return r.session.answer(ctx, message)
}

// run takes the program to its point, or to its end.
func (r *recorder) run(ctx context.Context, i *guest) error {
	protocol := ""
	if r.spec.Snapshot {
		if protocol = protocolOf(i.HasFunc); r.p.Driver != nil {
			protocol = oci.ProtocolDriver
		}
		if protocol == "" {
			r.out.Refused = noPoint(r.x) // nobody asked for a run of it
			return nil
		}
	}
	if protocol == "" && r.p.Driver == nil {
		return r.ended(enter(ctx, i.Instance, r.x))
	}
	if err := r.prepare(ctx, i, protocol); err != nil {
		why := r.session.container.translate(r.x, err)
		if r.ended(err) != nil {
			return fmt.Errorf("take %s to where it waits for work: %w", r.x.path, why)
		}
		if r.out.Refused = "the program ends while it loads"; why != nil {
			r.out.Refused = fmt.Sprintf("the program ends while it loads: %v", why)
		}
		if protocol == oci.ProtocolWizer && i.HasFunc("_start") {
			r.out.Refused += "; a command that is not ready for wizer.initialize has to be a reactor (Go: -buildmode=c-shared, C: -mexec-model=reactor)"
		}
		return nil
	}
	if protocol == "" {
		return nil
	}
	if r.refused != "" {
		r.out.Refused = r.refused
		return nil
	}
	if r.out.Refused = r.unfit(i, protocol); r.out.Refused == "" {
		r.take(i.Instance, protocol)
	}
	return nil
}

// prepare runs the guest up to its point.
func (r *recorder) prepare(ctx context.Context, g *guest, protocol string) (err error) {
	if d := r.p.Driver; d != nil {
		if r.state, err = d.Begin(ctx, g.machine, nil); err == nil && len(r.state) > MaxState {
			err = fmt.Errorf("driver %s: a state of %d bytes", d.Name(), len(r.state))
		}
		return err
	}
	i := g.Instance
	if protocol == oci.ProtocolTurn {
		request := newRequest(r.x, r.p, nil)
		request.Guess, request.Cases, request.Packages = r.spec.Guess, r.spec.Cases, r.spec.Packages
		call := turnLoad
		if r.spec.Over != nil {
			call = turnOver
		}
		source, err := turnSource(call, request)
		if err != nil {
			return err
		}
		return turn(ctx, i, source)
	}
	if err := startReactor(ctx, i); err != nil {
		return err
	}
	if protocol == oci.ProtocolRuby {
		return ruby.Start(ctx, i)
	}
	r.early = since(&r.observed)
	_, err = i.Call(ctx, "wizer.initialize")
	return err
}

// ended judges how the program ended: whatever it made of its rehearsal, what ran
// is known. What stopped it from outside is an error.
func (r *recorder) ended(err error) error {
	var exit *engine.ExitError
	var own *ExitError
	var trap *engine.Trap
	if err == nil || errors.As(err, &exit) || errors.As(err, &own) || errors.As(err, &trap) {
		return nil
	}
	return err
}

func contentName(ref layer.Ref) string {
	return fmt.Sprintf("%s@%d+%d", ref.Digest, ref.Offset, ref.Size)
}
