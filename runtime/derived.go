package runtime

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/hostmath"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/ruby"
)

// A DerivedImage is an Image about whose programs something was found out when
// it was built. A Container starts them sooner by it, with the same answers.
type DerivedImage interface {
	// Derived is nil when there is nothing.
	Derived() *oci.Derived
	// Facts reads the facts of a module.
	Facts(ctx context.Context, m *oci.DerivedModule) ([]byte, error)
	// Memory opens the memory of a snapshot: its bytes, and nothing else.
	Memory(ctx context.Context, s *oci.Snapshot) (*os.File, error)
}

// plan is how a program is going to start.
type plan struct {
	snapshot *oci.Snapshot // nil: from its beginning
	memory   *os.File
	cutting  *cutting // nil: whole
	notes    []string // why not sooner
	pins     []hostmath.Pin
}

func (p *plan) close() {
	if p.memory != nil {
		p.memory.Close()
	}
}

// note adds a reason why a program does not start as soon as it could.
func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, line(fmt.Sprintf(format, args...)))
}

// maxLine bounds one note, in bytes.
const maxLine = 400

// line makes one line of what may have come from an image: of what a terminal
// would obey nothing is left.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "..."
	}
	return text
}

// abandon has the program start from its beginning and whole.
func (p *plan) abandon(format string, args ...any) {
	p.close()
	p.snapshot, p.memory, p.cutting = nil, nil, nil
	p.note(format, args...)
}

// clock is the program's clock.
func (p *plan) clock(c wasi.Clock) wasi.Clock {
	if p.snapshot == nil {
		return c
	}
	return continued{c, time.Duration(p.snapshot.Monotonic)}
}

// planner decides how a program is going to start.
type planner func(ctx context.Context, x *executable, p Process, ref layer.Ref, options prepare.Options) *plan

// planWhole is for a program whose derived data has turned out wrong.
func (s *session) planWhole(context.Context, *executable, Process, layer.Ref, prepare.Options) *plan {
	out := &plan{}
	out.note("its snapshot does not fit its module")
	return out
}

// planBeginning is for a program whose snapshots are none of it.
func (s *session) planBeginning(ctx context.Context, x *executable, p Process, ref layer.Ref, options prepare.Options) *plan {
	return s.planFrom(ctx, x, p, ref, options, false)
}

// planStart finds the soonest way to start a program. Whatever stands in the way
// of one is a note and no error: the program starts another way.
func (s *session) planStart(ctx context.Context, x *executable, p Process, ref layer.Ref, options prepare.Options) *plan {
	return s.planFrom(ctx, x, p, ref, options, true)
}

// planFrom is planStart, with snapshots or without.
func (s *session) planFrom(ctx context.Context, x *executable, p Process, ref layer.Ref, options prepare.Options, restored bool) *plan {
	out := &plan{}
	c, content := s.container, contentName(ref)
	if c.derived == nil || c.derived.Derived() == nil {
		return out
	}
	d := c.derived.Derived()
	at := slices.IndexFunc(d.Modules, func(m oci.DerivedModule) bool { return m.Content == content })
	if at < 0 {
		return out
	}
	if whole := d.Modules[at].Whole; whole != "" {
		out.note("its module stays whole: %s", whole)
		return out
	}
	switch {
	case options.Deterministic:
		out.note("a deterministic run begins at its beginning")
	case len(c.spec.Listeners) > 0:
		out.note("it is given ports, of which its snapshot knows nothing")
	case c.spec.NoSnapshot:
		out.note("it was told to begin at its beginning")
	case restored:
		s.findSnapshot(ctx, out, d, x, p, content)
	}
	out.cutting = c.cut(ctx, &d.Modules[at], ref, options)
	if out.snapshot != nil {
		out.cutting.restores(out.snapshot)
	}
	return out
}

// cut says how a module of the image is loaded in parts. The facts are read when
// a part has to be made: a start from the cache needs none.
func (c *Container) cut(ctx context.Context, m *oci.DerivedModule, ref layer.Ref, options prepare.Options) *cutting {
	derived, layers, late := c.derived, c.layers, context.WithoutCancel(ctx)
	return &cutting{content: m.Content, facts: string(m.Facts), hot: m.Hot, open: func() (*prepare.Split, io.Closer, error) {
		facts, err := derived.Facts(late, m)
		if err != nil {
			return nil, nil, fmt.Errorf("read facts: %w", err)
		}
		return openSplit(layers, ref, facts, options)
	}}
}

// restores makes it the cutting for a snapshot.
func (c *cutting) restores(s *oci.Snapshot) {
	c.hot, c.later, c.pages = s.Hot, s.Later, uint32(s.Memory>>16)
}

// findSnapshot takes the first snapshot that fits a program.
func (s *session) findSnapshot(ctx context.Context, out *plan, d *oci.Derived, x *executable, p Process, content string) {
	c := s.container
	for i := range d.Snapshots {
		snap := &d.Snapshots[i]
		if snap.Content != content || !isPrefix(snap.Program, x.args) {
			continue
		}
		if !drives(p.Driver, snap) {
			continue
		}
		if why := c.unfit(snap, x, p); why != "" {
			out.note("%s", why)
			continue
		}
		if s.limits.Memory > 0 && snap.Memory > s.limits.Memory {
			out.note("its snapshot has %d bytes of memory, more than the limit", snap.Memory)
			continue
		}
		f, err := c.derived.Memory(ctx, snap)
		if err != nil {
			out.note("its memory cannot be read: %v", err)
			continue
		}
		out.snapshot, out.memory = snap, f
		return
	}
}

func isPrefix(prefix, list []string) bool {
	return len(list) >= len(prefix) && slices.Equal(prefix, list[:len(prefix)])
}

// unfit says in what a run differs from the one the snapshot was taken of; ""
// when it does not.
func (c *Container) unfit(s *oci.Snapshot, x *executable, p Process) string {
	if s.Reads.Args && len(x.args) != len(s.Program) {
		return "the program looked at its arguments while it loaded"
	}
	if s.Protocol == oci.ProtocolRuby && !ruby.Plain(x.args) {
		return "the interpreter is given options, and it had begun without any"
	}
	env := p.environ()
	if s.Reads.AllEnv && len(env.names) != len(s.Reads.Env) {
		return "the program listed its environment while it loaded, and this one is another"
	}
	for name, want := range s.Reads.Env {
		have, set := env.values[name]
		if set != (want != nil) || set && have != *want {
			return fmt.Sprintf("the program looked at the variable %s while it loaded, and it has another value", name)
		}
	}
	if c.spec.Dir != "" {
		return "the container keeps its files, and they may be others than the image's"
	}
	for _, m := range c.spec.Mounts {
		if c.covered(m, s.Reads.Dirs) {
			return fmt.Sprintf("%s is mounted, and the program looked for files there while it loaded", m.Target)
		}
	}
	if s.Reads.Terminal && c.spec.Terminal {
		return "the program asked while it loaded whether it has a terminal"
	}
	if c.touched() {
		return "programs of the container have changed its files"
	}
	return ""
}

// image is what the engine restores.
func (p *plan) image() *engine.Image {
	if p.snapshot == nil {
		return nil
	}
	s := p.snapshot
	key := slices.Concat([]string{s.Content}, s.Program)
	for _, d := range s.Pages {
		key = append(key, d.String())
	}
	return &engine.Image{File: p.memory, Size: s.Memory, Globals: s.Globals, Key: keyOf(key...)}
}
