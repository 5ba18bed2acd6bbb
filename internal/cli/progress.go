package cli

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/places"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager"
)

func moduleCache(p places.Places) string { return p.Modules() }

// transfers shows blobs that move or are unpacked, one bar each.
type transfers struct {
	talk func() *ux.Progress
	mu   sync.Mutex
	bars map[digest.Digest]*ux.Task
}

func newTransfers(talk func() *ux.Progress) *transfers {
	return &transfers{talk: talk, bars: map[digest.Digest]*ux.Task{}}
}

func (t *transfers) event(e oci.Event) {
	if e.Descriptor.Digest == "" || e.Status == oci.StatusWaiting {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	bar := t.bars[e.Descriptor.Digest]
	name := fmt.Sprintf("%s: %s", short(e.Descriptor.Digest), e.Status)
	switch e.Status {
	case oci.StatusPulled, oci.StatusPushed, oci.StatusExists, oci.StatusMounted:
		if bar == nil {
			bar = t.talk().Start(name, true)
		}
		bar.Rename(fmt.Sprintf("%s:", short(e.Descriptor.Digest)))
		bar.End(string(e.Status))
		delete(t.bars, e.Descriptor.Digest)
	default:
		if bar == nil {
			bar = t.talk().Start(name, true)
			t.bars[e.Descriptor.Digest] = bar
		}
		bar.Rename(name)
		bar.Update(e.Done, e.Total)
		if e.Status == images.StatusUnpacking && e.Done >= e.Total {
			bar.End("") // nothing else tells of that end
			delete(t.bars, e.Descriptor.Digest)
		}
	}
}

// short is a digest as people see it: the first 12 digits.
func short(d digest.Digest) string {
	hex := d.Encoded()
	if len(hex) > 12 {
		hex = hex[:12]
	}
	return hex
}

// compiling shows the preparation of a module when it takes long enough to be
// noticed.
type compiling struct {
	talk   func() *ux.Progress
	mu     sync.Mutex
	phase  string
	task   *ux.Task
	silent atomic.Bool // a program has begun to speak
}

// phaseTexts say what each phase is. Loading is quick, and not shown.
var phaseTexts = map[string]string{
	"wait":    "waiting for another wherry that compiles this module",
	"prepare": "checking the module",
	"compile": "compiling the module (once)",
	"groups":  "compiling more of the module (once)",
}

func (c *compiling) Report(phase string, done, total int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if phase == "groups" && c.silent.Load() {
		return
	}
	if phase != c.phase {
		c.end()
		c.phase = phase
		if name := phaseTexts[phase]; name != "" {
			c.task = c.talk().Start(name, false)
		}
	}
	if c.task == nil {
		return
	}
	if phase == "groups" {
		c.task.Rename(fmt.Sprintf("%s, part %d", phaseTexts[phase], done))
	}
	c.task.Update(done, total)
	if total > 0 && done >= total {
		c.end()
	}
}

// end ends the task that is shown. The caller holds mu.
func (c *compiling) end() {
	if c.task != nil {
		c.task.End("")
	}
	c.task, c.phase = nil, ""
}

// hush takes what is shown away, for good, as far as a running program is
// concerned: what it prints is not to be mixed with it.
func (c *compiling) hush() {
	if c.silent.Swap(true) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
}

// unheard is a stream of a program: what is shown of its start goes away when it
// first speaks.
func (a *app) unheard(w io.Writer) io.Writer { return &firstWord{w, a.compiling} }

type firstWord struct {
	w         io.Writer
	compiling *compiling
}

func (f *firstWord) Write(p []byte) (int, error) {
	f.compiling.hush()
	return f.w.Write(p)
}

// ticking shows that something goes on of which nobody knows how far it is,
// until it is stopped.
func (a *app) ticking(name string) (stop func()) {
	task := a.talk().Start(name, false)
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(tickEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				task.Update(0, 0)
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		ended.Wait()
		task.End("")
	}
}

// tickEvery is how often a time that is shown goes on.
const tickEvery = 200 * time.Millisecond

// building shows the steps of a build.
type building struct {
	talk func() *ux.Progress
	mu   sync.Mutex
	step map[string]*ux.Task
}

func newBuilding(talk func() *ux.Progress) *building {
	return &building{talk: talk, step: map[string]*ux.Task{}}
}

func (b *building) Report(e packager.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Note != "" {
		b.talk().Line("%s", e.Note)
		return
	}
	name := fmt.Sprintf("[%s %d/%d] %s", e.Stage, e.Step, e.Total, firstLine(e.Text))
	if !e.Done {
		b.step[name] = b.talk().Start(name, false)
		return
	}
	task := b.step[name]
	if task == nil {
		task = b.talk().Start(name, false)
	}
	delete(b.step, name)
	note := "done"
	if e.Cached {
		note = "cached"
	}
	task.End(note)
}

func firstLine(s string) string {
	for i, r := range s {
		if r == '\n' || i > 100 {
			return s[:i] + " ..."
		}
	}
	return s
}
