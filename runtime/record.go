package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// A Recording is what Record found out about a program.
type Recording struct {
	// Content names the program's module, as oci.DerivedModule does.
	Content string
	// Facts are the facts of the module, encoded.
	Facts []byte
	// Hot are the functions that ran.
	Hot []uint32
	// Snapshot is the program when it was waiting for work, nil when none was
	// wanted or could be taken; Refused says why then. Its Pages are open.
	Snapshot *oci.Snapshot
	Refused  string
	// Memory is the memory of the snapshot.
	Memory []byte
	// Guessed is set when the program made use of RecordSpec.Guess.
	Guessed bool
}

// RecordSpec says what to record.
type RecordSpec struct {
	// Process is the program, with the arguments that every run will have.
	Process Process
	// Snapshot asks for a snapshot at the point where the program waits for work;
	// otherwise the program runs to its end.
	Snapshot bool
	// Rehearsal are the arguments of one run after the snapshot, beyond those of
	// Process: what runs then is the hot set. The program may know more of them
	// itself.
	Rehearsal []string
	// Guess lets a program that knows no cases of its work do some before its
	// snapshot, with values of its own invention. When that leads to no snapshot,
	// it may be for the guess, and another Container may record it without.
	Guess bool
}

// A WholeError says why a module cannot be loaded in parts.
type WholeError struct{ Reason string }

func (e *WholeError) Error() string { return "the module has to stay whole: " + e.Reason }

// Record runs a program of the container once and finds out which functions of
// its module run, and what its memory holds when it waits for work. The
// container's clock and randomness should be fixed: the same inputs give the same
// recording. What the program prints is its container's.
func (c *Container) Record(ctx context.Context, spec RecordSpec) (*Recording, error) {
	if len(spec.Process.Args) == 0 {
		return nil, errors.New("record in container: no program is named")
	}
	ctx, deadline, cancel := c.bound(ctx, spec.Process.Limits)
	defer cancel()
	p := c.complete(spec.Process)
	if err := c.ensureDir(p.Dir); err != nil {
		return nil, fmt.Errorf("enter %s: %w", p.Dir, err)
	}
	s := c.newSession(p.Limits)
	s.deadline = deadline
	x, err := c.find(p)
	if err != nil {
		return nil, err
	}
	defer x.close()
	if x.builtin != nil {
		return nil, &WholeError{"it is a program of the shell"}
	}
	r := &recorder{session: s, x: x, p: p, spec: spec}
	out, err := r.record(ctx)
	return out, c.cause(ctx, err)
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
	fixed    int         // arguments that the snapshot is bound to; 0: all
	refused  string      // by the program itself
	heard    atomic.Bool // it read its standard input
	host     *preview1.Host
	instance *engine.Instance
	down     atomic.Bool // the curtain
}

// curtain is a stream that nobody sees any more once it is down.
type curtain struct {
	dst  io.Writer
	down *atomic.Bool
}

func (c *curtain) Write(p []byte) (int, error) {
	if c.down.Load() {
		return len(p), nil
	}
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
		r.p.Stdout, r.p.Stderr = &curtain{dst: r.p.Stdout, down: &r.down}, &curtain{dst: r.p.Stderr, down: &r.down}
	}
	module, release, err := r.load(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	c := r.session.container
	if r.host, err = r.session.newHost(r.x, r.p, c.clock, &r.observed); err != nil {
		return nil, err
	}
	defer r.host.Close()
	m := newMeter(r.session.account, &c.rt.crew)
	m.work()
	defer m.pause()
	config := r.session.instanceConfig(r.host, m, r.answer)
	if r.instance, err = c.rt.engine.Instantiate(ctx, module, config); err != nil {
		return nil, c.translate(r.x, err)
	}
	defer r.instance.Close(context.WithoutCancel(ctx))
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	r.out.Hot = r.instance.Hits()
	slices.Sort(r.out.Hot)
	if r.out.Snapshot != nil {
		r.out.Snapshot.Hot = r.out.Hot
	}
	return &r.out, nil
}

// load surveys the module and loads it in parts that note what runs.
func (r *recorder) load(ctx context.Context) (*engine.Module, func(), error) {
	c := r.session.container
	options := c.rt.prepareOptions(r.session.limits.Tables)
	ref, blob, ok := r.x.file.Content()
	if !ok {
		return nil, nil, &WholeError{"it is no file of a layer"}
	}
	if ref.Size > int64(options.Limits.Module) {
		return nil, nil, &FormatError{r.x.path, "exec format error: the module is too large"}
	}
	bin, err := moduleBytes(blob, ref)
	if err != nil {
		return nil, nil, err
	}
	facts, err := prepare.Survey(ctx, bin, options)
	if err != nil {
		return nil, nil, refuse(r.x, err)
	}
	if facts.Whole != "" {
		return nil, nil, &WholeError{facts.Whole}
	}
	if r.out.Facts, err = facts.MarshalBinary(); err != nil {
		return nil, nil, err
	}
	r.out.Content = contentName(ref)
	layers := c.layers
	encoded := r.out.Facts
	m, _, release, err := c.rt.acquireParts(ctx, cutting{
		content: r.out.Content, facts: keyOf(string(encoded)), record: true,
		open: func() (*prepare.Split, io.Closer, error) { return openSplit(layers, ref, encoded, options) },
	}, options)
	if err != nil {
		return nil, nil, refuse(r.x, err)
	}
	return m, release, nil
}

// answer is the door of a program that is recorded: it hears what the program
// looked at.
func (r *recorder) answer(_ context.Context, message []byte) ([]byte, error) {
	if said, ok := parseReads(message); ok {
		r.reads = &oci.Reads{Args: said.Args, Env: said.Env, AllEnv: said.AllEnv}
		r.fixed = min(max(said.Fixed, 1), len(r.x.args))
		r.refused, r.out.Guessed = said.Refused, said.Guessed
		return []byte("{}"), nil
	}
	return nil, errors.New("nobody answers while a program is recorded")
}

// run takes the program to its point, or to its end.
func (r *recorder) run(ctx context.Context) error {
	i := r.instance
	protocol := ""
	if r.spec.Snapshot {
		switch {
		case i.HasFunc("turn") && i.HasFunc("host_alloc"):
			protocol = oci.ProtocolTurn
		case i.HasFunc("wizer.initialize"):
			protocol = oci.ProtocolWizer
		default:
			r.out.Refused = r.x.path + " has no point at which it waits for work: it exports neither wizer.initialize nor turn"
		}
	}
	if protocol == "" {
		return r.ended(enter(ctx, i, r.x))
	}
	if err := r.prepare(ctx, protocol); err != nil {
		why := r.session.container.translate(r.x, err)
		if r.ended(err) != nil {
			return fmt.Errorf("take %s to where it waits for work: %w", r.x.path, why)
		}
		if r.out.Refused = "the program ends while it loads"; why != nil {
			r.out.Refused = fmt.Sprintf("the program ends while it loads: %v", why)
		}
		return nil
	}
	if r.refused != "" {
		r.out.Refused = r.refused
		return nil
	}
	if r.out.Refused = r.unfit(protocol); r.out.Refused == "" {
		r.take(protocol)
	}
	i.ForgetHits()
	r.down.Store(true)
	return r.rehearse(ctx, protocol)
}

// prepare runs the guest up to its point.
func (r *recorder) prepare(ctx context.Context, protocol string) error {
	i := r.instance
	if protocol == oci.ProtocolTurn {
		request := newRequest(r.x, r.p, nil)
		request.Guess = r.spec.Guess
		source, err := turnSource(turnLoad, request)
		if err != nil {
			return err
		}
		return turn(ctx, i, source)
	}
	if i.HasFunc("_initialize") {
		if _, err := i.Call(ctx, "_initialize"); err != nil {
			return err
		}
	}
	_, err := i.Call(ctx, "wizer.initialize")
	return err
}

// unfit says why there can be no snapshot.
func (r *recorder) unfit(protocol string) string {
	if extra := r.host.Extra(); extra != "" {
		return fmt.Sprintf("%s keeps %s open, which would not be open after a restore: close it when it has been read", r.x.path, extra)
	}
	if w := r.observed.Written(); w != "" {
		return fmt.Sprintf("%s writes %s while it loads, which would not be there after a restore", r.x.path, w)
	}
	if r.heard.Load() {
		return r.x.path + " reads its standard input while it loads, which is another in every run"
	}
	if protocol == oci.ProtocolTurn && r.reads == nil {
		return r.x.path + " does not say what it looked at while it loaded"
	}
	return ""
}

// take takes the snapshot.
func (r *recorder) take(protocol string) {
	i, c := r.instance, r.session.container
	memory, _ := i.Memory().Read(0, uint32(i.Memory().Size()))
	r.out.Memory = slices.Clone(memory)
	s := &oci.Snapshot{
		Content: r.out.Content, Program: r.x.args, Protocol: protocol,
		Memory: uint64(len(memory)), Globals: i.Globals(),
		Realtime: c.clock.Now().UnixNano(), Monotonic: int64(c.clock.Monotonic()),
	}
	if r.reads != nil {
		s.Reads, s.Program = *r.reads, r.x.args[:r.fixed]
	} else {
		s.Reads = oci.Reads{Args: r.observed.Args}
		if r.observed.Env {
			s.Reads.AllEnv, s.Reads.Env = true, allOf(r.p)
		}
	}
	s.Reads.Dirs = r.observed.Dirs()
	r.out.Snapshot = s
}

// allOf is the whole environment of a process.
func allOf(p Process) map[string]*string {
	env := p.environ()
	all := make(map[string]*string, len(env.names))
	for _, n := range env.names {
		v := env.values[n]
		all[n] = &v
	}
	return all
}

// rehearse runs what a run does after a restore.
func (r *recorder) rehearse(ctx context.Context, protocol string) error {
	x := *r.x
	x.args = slices.Concat(x.args, r.spec.Rehearsal)
	if protocol == oci.ProtocolTurn {
		source, err := turnSource(turnRehearse, newRequest(&x, r.p, nil))
		if err != nil {
			return err
		}
		if err := turn(ctx, r.instance, source); err != nil {
			return r.ended(err)
		}
	}
	snapshot := &oci.Snapshot{Protocol: protocol}
	return r.ended(resume(ctx, r.instance, snapshot, &x, r.p, make([]byte, seedBytes)))
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
