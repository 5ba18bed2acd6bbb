package runtime

import (
	"slices"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
)

// Stats are what a container, or a Runtime, has used so far. Programs that run
// are part of it up to their last millisecond or so.
type Stats struct {
	// Fuel is the work of all programs, in units of about one instruction. The
	// programs of the built-in shell and its commands are not measured.
	Fuel uint64
	// CPU is the time they computed, as Limits.CPUTime counts it.
	CPU time.Duration
	// Throttled is how long they rested to keep to their share of the
	// processors.
	Throttled time.Duration
	// Memory is the linear memory of the programs that run now, and PeakMemory
	// the most that there was at one time, in bytes.
	Memory, PeakMemory uint64
	// Disk is what the open containers hold of files that they wrote, in bytes.
	Disk uint64
	// OpenFiles is how many descriptors the programs that run now have, and
	// PeakOpenFiles the most that there were at one time.
	OpenFiles, PeakOpenFiles uint64
	// Programs counts those that were started, the shell's own included.
	Programs int64
	// Running is how many of them run now.
	Running uint64
	// Output counts the bytes written to standard output and error.
	Output int64
	// Read and Written count the bytes that programs moved through descriptors:
	// files, pipes, streams and sockets.
	Read, Written uint64
	// Restored counts the programs that started from a snapshot, and Groups the
	// parts of modules that were loaded while they ran. Notes say why a program did
	// not start as soon as the image would allow.
	Restored int64
	Groups   int64
	Notes    []string
	// Accelerated is what kernels of the host did for the programs, by kernel. A
	// Runtime lists none.
	Accelerated []Accelerated
	// Times are those of the programs that have ended. A Runtime counts none.
	Times
}

// Times say where the time went.
type Times struct {
	// Load is the time until modules were ready, of which Wait was spent waiting
	// for another process to compile the same module, Prepare checking and
	// rewriting it, and Compile compiling.
	Load, Wait, Prepare, Compile time.Duration
	// Start is the time spent making instances, their memory included, and Run
	// running them, of which Parts was spent waiting for groups.
	Start, Run, Parts time.Duration
}

func (t *Times) add(u Times) {
	t.Load += u.Load
	t.Wait += u.Wait
	t.Prepare += u.Prepare
	t.Compile += u.Compile
	t.Start += u.Start
	t.Run += u.Run
	t.Parts += u.Parts
}

// loaded books how a module came to be ready.
func (t *Times) loaded(took time.Duration, s engine.LoadStats) {
	t.Load, t.Wait, t.Prepare, t.Compile = took, s.Wait, s.Prepare, s.Compile
}

// Stats returns what the container has used so far. It may be called while the
// container runs, and after its Close.
func (c *Container) Stats() Stats {
	s := c.account.stats()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Times = c.stats
	s.Accelerated = c.acceleration.list(c.rt.Kernels())
	s.Restored, s.Groups, s.Notes = c.restored, c.groups, slices.Clone(c.notes)
	return s
}

// Stats returns what all containers of the Runtime have used so far, those that
// are closed included.
func (rt *Runtime) Stats() Stats { return rt.account.stats() }

func (a *account) stats() Stats {
	return Stats{
		Fuel: a.fuel.Load(), CPU: time.Duration(a.computed.Load()), Throttled: time.Duration(a.throttled.Load()),
		Memory: a.memory.now.Load(), PeakMemory: a.memory.peak.Load(), Programs: a.started.Load(), Running: a.programs.now.Load(), Disk: a.disk.now.Load(),
		OpenFiles: a.files.now.Load(), PeakOpenFiles: a.files.peak.Load(),
		Output: a.output.Load(), Read: a.read.Load(), Written: a.written.Load(),
	}
}

// maxNotes bounds what is remembered of how programs started.
const maxNotes = 20

// started books how a program started.
func (c *Container) started(p *plan, groups int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.snapshot != nil {
		c.restored++
	}
	c.groups += int64(groups)
	c.notes = append(c.notes, p.notes[:min(len(p.notes), maxNotes-min(maxNotes, len(c.notes)))]...)
}

// loaded books groups that a program had loaded while it ran.
func (c *Container) loaded(groups int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.groups += int64(groups)
}

func (c *Container) book(t Times) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.add(t)
}
