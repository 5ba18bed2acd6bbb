package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
)

// instances is how many workers of one model there are in this process.
const instances = 100

// BenchmarkInstances is a hundred workers of the model of examples/iris in this
// process, each in a container of its own: what it takes to make both, to put one
// back to its snapshot, and to have one answer, after that and without; and the
// memory of all of them when each has answered, in shares of what it has in
// common with other processes. Machine code is at hand.
func BenchmarkInstances(b *testing.B) {
	heavy(b)
	m := models[0]
	builder, _ := programs(b)
	name, _ := m.build(b, builder)
	crowd := newCrowd(b, name)
	request, err := json.Marshal(m.args)
	if err != nil {
		b.Fatal(err)
	}
	first := crowd.start() // which loads the machine code
	crowd.answer(first, request, m.want)
	for b.Loop() {
		before := resident(b)
		var all []*runtime.Worker
		started := each(instances, func(int) { all = append(all, crowd.start()) })
		greeted := each(instances, func(i int) { crowd.answer(all[i], request, m.want) })
		goruntime.GC()
		after := resident(b)
		var plain, reset, fresh series
		for range 5 {
			for _, w := range all {
				plain = append(plain, inProcess(func() { crowd.answer(w, request, m.want) })())
				reset = append(reset, inProcess(func() { crowd.reset(w) })())
				fresh = append(fresh, inProcess(func() { crowd.answer(w, request, m.want) })())
			}
		}
		for side, s := range map[string]series{"start": started, "first-request": greeted, "reset": reset, "request": plain, "request-after-reset": fresh} {
			report(b, side+"-min-ms", least(s.wall()), time.Millisecond)
			report(b, side+"-median-ms", median(s.wall()), time.Millisecond)
			report(b, side+"-cpu-ms", median(s.cpu()), time.Millisecond)
		}
		ratio(b, "after-reset/without", median(fresh.wall()), median(plain.wall()))
		ratio(b, "after-reset/without-cpu", median(fresh.cpu()), median(plain.cpu()))
		b.ReportMetric(megabytes(after), "all-PSS-MB")
		b.ReportMetric(megabytes(after-before)/instances, "each-PSS-MB")
		for _, w := range all {
			crowd.stop(w)
		}
	}
	quiet(b)
}

// each measures so many calls one by one.
func each(n int, call func(i int)) series {
	s := make(series, n)
	for i := range s {
		s[i] = inProcess(func() { call(i) })()
	}
	return s
}

// crowd starts workers of one image.
type crowd struct {
	b          *testing.B
	rt         *runtime.Runtime
	image      *images.Image
	containers map[*runtime.Worker]*runtime.Container
}

// newCrowd opens an image of the home that the tests share.
func newCrowd(b *testing.B, name string) *crowd {
	b.Helper()
	home, ctx := dock.Home(b), context.WithoutCancel(b.Context())
	s, err := store.Open(ctx, filepath.Join(home, "data"))
	if err != nil {
		b.Fatal(err)
	}
	image, err := images.Open(ctx, s, name, images.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { image.Close() })
	rt, err := runtime.New(ctx, runtime.WithCacheDir(filepath.Join(home, "cache", "modules")))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rt.Close(ctx) })
	return &crowd{b, rt, image, map[*runtime.Worker]*runtime.Container{}}
}

// start makes a container and a worker in it.
func (c *crowd) start() *runtime.Worker {
	made, err := c.rt.Create(c.b.Context(), c.image, runtime.Spec{})
	if err != nil {
		c.b.Fatal(err)
	}
	w, err := made.Worker(c.b.Context(), runtime.Process{})
	if err != nil {
		c.b.Fatal(err)
	}
	if s := made.Stats(); s.Restored != 1 {
		c.b.Fatalf("not from its snapshot: %v", s.Notes)
	}
	c.containers[w] = made
	return w
}

func (c *crowd) answer(w *runtime.Worker, request []byte, want string) {
	answer, err := w.Turn(c.b.Context(), request)
	if err != nil || !bytes.Contains(answer, []byte(want)) {
		c.b.Fatalf("%s, %v", answer, err)
	}
}

func (c *crowd) reset(w *runtime.Worker) {
	if err := w.Reset(c.b.Context()); err != nil {
		c.b.Fatal(err)
	}
}

func (c *crowd) stop(w *runtime.Worker) {
	if err := c.containers[w].Close(c.b.Context()); err != nil {
		c.b.Fatal(err)
	}
	delete(c.containers, w)
}

// resident is the memory of this process, in shares of what others map too.
func resident(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0 // it is not known here
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	b.Fatalf("smaps_rollup says nothing of PSS:\n%s", text)
	return 0
}
