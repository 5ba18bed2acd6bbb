package runtime

import (
	"fmt"
	"slices"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi/ruby"
)

// unfit says why there can be no snapshot.
func (r *recorder) unfit(g *guest, protocol string) string {
	if extra := g.host.Extra(); extra != "" {
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
	if why := r.drawn(protocol); why != "" {
		return why
	}
	if r.observed.Full() || len(r.looked()) > maxLooked {
		return r.x.path + " looks for too many files while it loads"
	}
	return r.printed()
}

// take takes the snapshot.
func (r *recorder) take(i *engine.Instance, protocol string) {
	c := r.session.container
	memory, _ := i.Memory().Read(0, uint32(i.Memory().Size()))
	r.out.Memory = make([]byte, len(memory))
	inLargePages(r.out.Memory)
	copy(r.out.Memory, memory)
	s := &oci.Snapshot{
		Content: r.out.Content, Program: r.x.args, Protocol: protocol,
		Memory: uint64(len(memory)), Globals: i.Globals(),
		Realtime: c.clock.Now().UnixNano(), Monotonic: r.spec.Over.monotonic() + int64(c.clock.Monotonic()),
	}
	if d := r.p.Driver; d != nil {
		s.Driver, s.State = d.Name(), r.state
	}
	if r.reads != nil {
		s.Reads, s.Program = *r.reads, r.x.args[:r.fixed]
	} else {
		r.late = since(&r.observed)
	}
	if protocol == oci.ProtocolRuby {
		r.fixed = 1
		for _, run := range ruby.Rehearsals() {
			r.runs = append(r.runs, rehearsal{Args: run.Args, Stdin: run.Stdin, Rare: run.Rare})
		}
	}
	s.Reads.Dirs = r.looked()
	if o := r.spec.Over; o != nil {
		s.Reads.Dirs = slices.Concat(s.Reads.Dirs, o.Snapshot.Reads.Dirs)
		slices.Sort(s.Reads.Dirs)
		s.Reads.Dirs = slices.Compact(s.Reads.Dirs)
	}
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
