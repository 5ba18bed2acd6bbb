package ux

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
)

// Progress shows running tasks: bars that redraw themselves on a terminal,
// plain lines elsewhere (one when a task has taken a second, then one every
// ten seconds, one when it ends). It is safe for concurrent use.
type Progress struct {
	mu       sync.Mutex
	w        io.Writer
	live     bool
	quiet    bool
	width    int
	tasks    []*Task
	drawn    int
	lastDraw time.Time
	now      func() time.Time
}

// NewProgress shows progress on w; quiet shows nothing.
func NewProgress(w io.Writer, quiet bool) *Progress {
	return &Progress{w: w, live: IsTerminal(w), quiet: quiet, width: Width(w), now: time.Now}
}

// A Task is one thing that takes time. Its methods may be called from any
// goroutine.
type Task struct {
	p       *Progress
	name    string
	bytes   bool
	done    int64
	total   int64
	note    string
	started time.Time
	said    time.Time
	ended   bool
}

// Start begins a task that counts bytes when bytes is set, else steps.
func (p *Progress) Start(name string, bytes bool) *Task {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &Task{p: p, name: Printable(name), bytes: bytes, started: p.now()}
	t.said = t.started
	p.tasks = append(p.tasks, t)
	return t
}

// Update says how far the task is; total 0 means unknown.
func (t *Task) Update(done, total int64) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.done, t.total = done, total
	t.p.tick(t)
}

// Rename changes what the task is called from here on.
func (t *Task) Rename(name string) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.name = Printable(name)
	t.p.tick(t)
}

// End finishes the task with a note ("done", "cached", ...). A task that took
// under a second leaves no line unless the note is non-empty.
func (t *Task) End(note string) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	if t.ended {
		return
	}
	t.ended, t.note = true, note
	t.p.finish(t)
}

// Line prints a line of talk above the running bars.
func (p *Progress) Line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return
	}
	p.erase()
	fmt.Fprintln(p.w, Printable(fmt.Sprintf(format, args...)))
	p.draw()
}

// Output is w for programs that speak while tasks run, on the same terminal:
// the bars give way to what they print.
func (p *Progress) Output(w io.Writer) io.Writer { return &output{p, w} }

type output struct {
	p *Progress
	w io.Writer
}

func (o *output) Write(b []byte) (int, error) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	o.p.erase()
	return o.w.Write(b)
}

// Clear removes the bars from the terminal, so that other output can follow.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.tasks = nil
}

func (p *Progress) tick(t *Task) {
	if p.quiet || t.ended {
		return
	}
	now := p.now()
	if p.live {
		if now.Sub(p.lastDraw) >= 100*time.Millisecond {
			p.erase()
			p.draw()
		}
		return
	}
	wait := 10 * time.Second
	if t.said.Equal(t.started) {
		wait = time.Second
	}
	if now.Sub(t.said) >= wait {
		t.said = now
		fmt.Fprintf(p.w, "%s %s\n", t.name, t.measure())
	}
}

func (p *Progress) finish(t *Task) {
	for i, x := range p.tasks {
		if x == t {
			p.tasks = append(p.tasks[:i:i], p.tasks[i+1:]...)
			break
		}
	}
	if p.quiet {
		return
	}
	p.erase()
	took := p.now().Sub(t.started)
	if t.note != "" || took >= time.Second {
		note := t.note
		if note == "" {
			note = "done"
		}
		fmt.Fprintf(p.w, "%s %s", t.name, note)
		if took >= 100*time.Millisecond {
			fmt.Fprintf(p.w, " %.1fs", took.Seconds())
		}
		fmt.Fprintln(p.w)
	}
	p.draw()
}

func (p *Progress) erase() {
	if !p.live || p.drawn == 0 {
		return
	}
	fmt.Fprintf(p.w, "\x1b[%dA\x1b[J", p.drawn)
	p.drawn = 0
}

const maxBars = 12

func (p *Progress) draw() {
	if !p.live || p.quiet {
		return
	}
	p.lastDraw = p.now()
	for i, t := range p.tasks {
		if i == maxBars {
			fmt.Fprintf(p.w, "... and %d more\n", len(p.tasks)-maxBars)
			p.drawn++
			break
		}
		fmt.Fprintln(p.w, t.bar(p.width))
		p.drawn++
	}
}

func (t *Task) bar(width int) string {
	right := t.measure()
	name := t.name
	const barWidth = 24
	if room := width - len(right) - barWidth - 6; room > 8 && len(name) > room {
		name = name[:room-1] + "~"
	}
	if t.total <= 0 {
		return clip(fmt.Sprintf("%s %s", name, right), width)
	}
	filled := int(min(t.done, t.total) * barWidth / t.total)
	return clip(fmt.Sprintf("%s [%s%s] %s", name, strings.Repeat("=", filled), strings.Repeat(" ", barWidth-filled), right), width)
}

func (t *Task) measure() string {
	took := t.p.now().Sub(t.started).Round(100 * time.Millisecond)
	switch {
	case t.bytes && t.total > 0:
		return fmt.Sprintf("%s/%s %s", units.HumanSize(float64(t.done)), units.HumanSize(float64(t.total)), took)
	case t.bytes && t.done > 0:
		return fmt.Sprintf("%s %s", units.HumanSize(float64(t.done)), took)
	case t.total > 0:
		return fmt.Sprintf("%d%% %s", min(t.done, t.total)*100/t.total, took)
	}
	return took.String()
}

func clip(s string, width int) string {
	if len(s) >= width {
		return s[:width-1]
	}
	return s
}
