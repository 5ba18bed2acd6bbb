package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
)

// TestWorkersUnderStress creates workers, has them answer, resets, cancels and
// closes them at random, several at a time, while the groups of their module load
// from a cache that was filled before. Afterwards nothing may be left: goroutines,
// open files, mappings, guest memory. WHERRY_SEQUENCES is how many, 100 if it is
// not set; WHERRY_SEQUENCES_SEED repeats a run.
func TestWorkersUnderStress(t *testing.T) {
	n, seed := (numberOf(t, "WHERRY_SEQUENCES", 100)+15)/16*16, numberOf(t, "WHERRY_SEQUENCES_SEED", 11)
	dir := t.TempDir()
	filler := newRuntime(t, runtime.WithCacheDir(dir))
	d := derive(t, filler, turningImage(t))
	d.doc.Snapshots[0].Hot = nil
	w, c := hire(t, filler, d, runtime.Spec{}, runtime.Process{})
	work(t, w, "rare", "rarer", "random", "open", "print")
	c.Close(t.Context())
	filler.Close(t.Context())

	before := holding(t, d)
	var groups, resets, answers, broken atomic.Int64
	for round := range 4 { // each with a Runtime that has loaded nothing
		rt := newRuntime(t, runtime.WithCacheDir(dir))
		var all sync.WaitGroup
		for lane := range 4 {
			all.Go(func() {
				r := rand.New(rand.NewPCG(uint64(seed), uint64(round*4+lane)))
				for range n / 16 {
					s := sequence{t: t, rt: rt, r: r, image: d}
					s.run()
					groups.Add(s.groups)
					resets.Add(s.resets.Load())
					answers.Add(s.answers.Load())
					broken.Add(s.broken.Load())
				}
			})
		}
		all.Wait()
		if s := rt.Stats(); s.Memory != 0 || s.OpenFiles != 0 || s.Disk != 0 {
			t.Errorf("left: %d bytes of memory, %d open files, %d bytes of files", s.Memory, s.OpenFiles, s.Disk)
		}
		if err := rt.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d sequences: %d answers, %d resets, %d ends, %d groups loaded", n, answers.Load(), resets.Load(), broken.Load(), groups.Load())
	if groups.Load() == 0 || resets.Load() == 0 || answers.Load() == 0 || broken.Load() == 0 {
		t.Error("not everything has happened")
	}
	var after held
	for range 1000 { // goroutines end a little after what they were for
		if after = holding(t, d); !after.more(before, n) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("before: %+v, after: %+v", before, after)
}

func numberOf(t *testing.T, name string, usual int) int {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q: a number is wanted", name, text)
	}
	return n
}

// held is what a process holds. What is not known on this OS is 0.
type held struct{ goroutines, files, mappings, images int }

// holding counts. images are the mappings of the snapshot.
func holding(t *testing.T, d *derivedImage) held {
	t.Helper()
	goruntime.GC()
	h := held{goroutines: goruntime.NumGoroutine()}
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		h.files = len(list)
	}
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil {
		h.mappings = bytes.Count(maps, []byte("\n"))
		h.images = strings.Count(string(maps), filepath.Join(d.dir, "memory"))
	}
	return h
}

// more tells of a leak. Go's own heap has a few mappings more now and then; a
// leak would have one for each of many sequences.
func (h held) more(before held, sequences int) bool {
	return h.goroutines > before.goroutines || h.files > before.files || h.images > before.images || h.mappings > before.mappings+sequences/4
}

// sequence is one worker's life.
type sequence struct {
	t                       *testing.T
	rt                      *runtime.Runtime
	r                       *rand.Rand
	image                   runtime.Image
	groups                  int64
	answers, resets, broken atomic.Int64
}

// run makes a worker and does things to it.
func (s *sequence) run() {
	c, err := s.rt.Create(s.t.Context(), s.image, runtime.Spec{})
	if err != nil {
		s.t.Error(err)
		return
	}
	defer func() {
		if err := c.Close(s.t.Context()); err != nil {
			s.t.Error(err)
		}
		s.groups = c.Stats().Groups
	}()
	if s.r.IntN(8) == 0 { // somebody closes it all while it goes on
		stop := time.AfterFunc(s.soon(), func() { c.Close(context.WithoutCancel(s.t.Context())) })
		defer stop.Stop()
	}
	ctx, cancel := s.context()
	defer cancel()
	w, err := c.Worker(ctx, runtime.Process{Limits: runtime.Limits{Fuel: 200_000_000}})
	if err != nil {
		s.expect(err)
		return
	}
	var users sync.WaitGroup
	for range 1 + s.r.IntN(2) {
		steps, r := 1+s.r.IntN(5), rand.New(rand.NewPCG(s.r.Uint64(), 0))
		users.Go(func() {
			u := sequence{t: s.t, r: r}
			for range steps {
				u.step(w)
			}
			s.answers.Add(u.answers.Load())
			s.resets.Add(u.resets.Load())
			s.broken.Add(u.broken.Load())
		})
	}
	users.Wait()
	if s.r.IntN(2) == 0 {
		if err := w.Close(s.t.Context()); err != nil {
			s.t.Error(err)
		}
	}
}

// step is one call.
func (s *sequence) step(w *runtime.Worker) {
	ctx, cancel := s.context()
	defer cancel()
	switch s.r.IntN(6) {
	case 0, 1:
		if err := w.Reset(ctx); err != nil {
			s.expect(err)
			return
		}
		s.resets.Add(1)
	case 2:
		if s.r.IntN(6) == 0 {
			w.Close(ctx)
		}
	default:
		word := []string{"rare", "rarer", "random", "dirty", "grow", "open", "raise", "trap", "exit", "loop", "silent"}[s.r.IntN(11)]
		answer, err := w.Turn(ctx, fmt.Appendf(nil, "[%q]", word))
		if err != nil {
			s.expect(err)
			return
		}
		if !bytes.HasPrefix(answer, []byte(`{"turns":`)) {
			s.t.Errorf("%s: %s", word, answer)
		}
		s.answers.Add(1)
	}
}

// context is one that often ends soon.
func (s *sequence) context() (context.Context, context.CancelFunc) {
	if s.r.IntN(3) > 0 {
		return context.WithTimeout(s.t.Context(), time.Minute)
	}
	return context.WithTimeout(s.t.Context(), s.soon())
}

func (s *sequence) soon() time.Duration { return time.Duration(s.r.IntN(5000)) * time.Microsecond }

// expect fails for an error that nobody caused.
func (s *sequence) expect(err error) {
	var broken *runtime.BrokenError
	var exit *runtime.ExitError
	var trap *runtime.TrapError
	var limit *runtime.LimitError
	var raised *runtime.ExceptionError
	switch {
	case errors.As(err, &broken), errors.As(err, &exit), errors.As(err, &trap), errors.As(err, &limit):
		s.broken.Add(1)
	case errors.As(err, &raised), errors.Is(err, runtime.ErrClosed):
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.broken.Add(1)
	case strings.Contains(err.Error(), "did not answer"):
	default:
		s.t.Errorf("%v (%T)", err, err)
	}
}
