package crowd

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/parcel"
)

// What a request does.
const (
	ok      = "ok"
	refuse  = "refuse"  // the model's own code says no
	trap    = "trap"    // the guest ends
	bomb    = "bomb"    // it takes all memory that it gets
	hang    = "hang"    // it computes to its limit
	cancel  = "cancel"  // it hangs, and its caller goes away
	expires = "expires" // it hangs, and its deadline passes
)

// engine is a model that can be told to do these.
type engine struct {
	image   string
	request func(what string, n int64) *model.Request
	answer  func(n int64) int64 // to ok
	// does are the bad things that it can do.
	does   []string
	limits runtime.Limits
	reuse  model.Reuse
}

func TestONNX(t *testing.T) {
	parcel.ORT(t) // skips, where there is no network
	folder := t.TempDir()
	write(t, filepath.Join(folder, "model.onnx"), busy())
	image := "localhost/test-crowd:onnx"
	dock.Native(t, dock.Home(t)).Must(t, "", "build", "-q", "-t", image, folder)
	crowd(t, engine{
		image: image, reuse: model.ReuseReset,
		does:   []string{refuse, bomb, hang, cancel, expires},
		limits: runtime.Limits{Memory: 256 << 20, Fuel: 200_000_000},
		answer: func(n int64) int64 { return n },
		request: func(what string, n int64) *model.Request {
			size := int64(8)
			switch what {
			case refuse:
				size = -1
			case bomb:
				size = 20_000
			case hang, cancel, expires:
				size = 2_500
			}
			return &model.Request{Inputs: []model.Tensor{model.Of("size", []int64{size, size}), model.Of("n", []float32{float32(n)})}}
		},
	})
}

// busy is a model that multiplies square matrices of a size that it is told, and
// gives n back.
func busy() []byte {
	g := ort.NewGraph()
	g.Input("size", ort.Int64, 2)
	g.Input("n", ort.Float, 1)
	a := g.Node("Expand", []string{g.Scalar(1), "size"})
	sum := g.Node("MatMul", []string{a, a})
	most := g.Node("ReduceMax", []string{sum})
	none := g.Node("Sub", []string{most, most})
	flat := g.Node("Reshape", []string{none, g.Integers(1)})
	g.NodeAs("Add", "", []string{"n", flat}, []string{"y"})
	g.Output("y", ort.Float, 1)
	return g.Model()
}

func TestPython(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: Python needs a module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	folder := t.TempDir()
	source, err := os.ReadFile(filepath.Join("testdata", "predict.py"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "predict.py"), source)
	write(t, filepath.Join(folder, "Wasmfile"), []byte("FROM python\nCOPY predict.py /app/\nENTRYPOINT [\"predict\", \"/app/predict.py\"]\n"))
	image := "localhost/test-crowd:python"
	wherry := dock.Native(t, dock.Home(t))
	wherry.Limit = 15 * time.Minute // the first one on a machine compiles the module
	wherry.Must(t, "", "build", "-q", "-t", image, folder)
	crowd(t, engine{
		image: image, reuse: model.ReuseAlways,
		does:   []string{refuse, trap, bomb, hang, cancel, expires},
		limits: runtime.Limits{Memory: 256 << 20, Fuel: 400_000_000},
		answer: func(n int64) int64 { return n + 1 },
		request: func(what string, n int64) *model.Request {
			if what == cancel || what == expires {
				what = hang
			}
			return &model.Request{Inputs: []model.Tensor{model.Of("what", []string{what}), model.Of("n", []int64{n})}}
		},
	})
}

func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// count is how many ask at once, first of them to begin with, and good how many of
// ten do no harm.
const (
	count = 1000
	first = 100
	good  = 8
)

func crowd(t *testing.T, e engine) {
	open := func() *wherry.Model {
		m, err := wherry.Open(t.Context(), e.image, wherry.WithHome(dock.Home(t)), wherry.WithPull(images.PullNever),
			wherry.WithInstances(4), wherry.WithReuse(e.reuse), wherry.WithLimits(e.limits))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	// What stays for the life of a process is there after a first model.
	m := open()
	e.rush(t, m, first)
	if err := m.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	goroutines := goruntime.NumGoroutine()
	files, mappings, space := held(t)

	m = open()
	began := time.Now()
	ends := e.rush(t, m, count)
	took := time.Since(began)
	stats := m.Stats()
	e.closeAmid(t, m)
	t.Logf("%d requests in %s: %v; %+v", count, took.Round(time.Millisecond), ends, stats)
	if stats.Instances > 4 || stats.Waiting != 0 {
		t.Errorf("left behind: %+v", stats)
	}
	for end := time.Now().Add(time.Minute); goruntime.NumGoroutine() > goroutines; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 64<<10)
			t.Fatalf("%d goroutines, %d before:\n%s", goruntime.NumGoroutine(), goroutines, stacks[:goruntime.Stack(stacks, true)])
		}
	}
	goruntime.GC()
	f, n, s := held(t)
	t.Logf("descriptors %d, before %d; mappings %d, before %d; MiB of address space %d, before %d", f, files, n, mappings, s>>20, space>>20)
	// Go's own heap may have grown; an instance has more than that, and dozens broke.
	if f > files || n > mappings+32 || s > space+512<<20 {
		t.Errorf("something is left that was not there before")
	}
}

// closeAmid closes a model while some requests compute and others wait.
func (e engine) closeAmid(t *testing.T, m *wherry.Model) {
	t.Helper()
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			err := e.ask(t.Context(), m, hang, int64(n))
			if !errors.Is(err, model.ErrClosed) && !deserved(hang, err) {
				t.Errorf("closed: %v", err)
			}
		})
	}
	for m.Stats().Waiting < 10 {
		time.Sleep(time.Millisecond)
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if s := m.Stats(); s.Instances != 0 || s.Waiting != 0 {
		t.Errorf("after Close: %+v", s)
	}
	if err := e.ask(t.Context(), m, ok, 1); !errors.Is(err, model.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// rush asks many times at once, and holds each end against what was asked.
func (e engine) rush(t *testing.T, m *wherry.Model, count int) map[string]int {
	ends := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var wrong atomic.Int64
	for n := range count {
		r := rand.New(rand.NewPCG(7, uint64(n)))
		what := ok
		if r.IntN(10) >= good {
			what = e.does[r.IntN(len(e.does))]
		}
		wg.Go(func() {
			ctx, stop := t.Context(), func() {}
			after := time.Duration(r.IntN(3000)) * time.Millisecond
			switch what {
			case expires:
				ctx, stop = context.WithTimeout(ctx, after)
			case cancel:
				var end context.CancelFunc
				ctx, end = context.WithCancel(ctx)
				timer := time.AfterFunc(after, end)
				stop = func() { timer.Stop(); end() }
			}
			defer stop()
			err := e.ask(ctx, m, what, int64(n))
			if !deserved(what, err) && wrong.Add(1) <= 10 {
				t.Errorf("%d, %s: %v", n, what, err)
			}
			mu.Lock()
			defer mu.Unlock()
			ends[what]++
		})
	}
	wg.Wait()
	return ends
}

func (e engine) ask(ctx context.Context, m *wherry.Model, what string, n int64) error {
	response, err := m.Predict(ctx, e.request(what, n))
	if err != nil {
		return err
	}
	t := response.Outputs[0]
	v, err := t.Convert(model.Int64)
	if err != nil {
		return err
	}
	got, err := model.Values[int64](v)
	if err != nil {
		return err
	}
	if !slices.Equal(got, []int64{e.answer(n)}) {
		return errors.New("the answer is another's: " + what)
	}
	return nil
}

// deserved tells whether a request ended as it should have.
func deserved(what string, err error) bool {
	var refusal *model.ModelError
	var trapped *runtime.TrapError
	var exit *runtime.ExitError
	var limit *runtime.LimitError
	stopped := errors.As(err, &limit)
	switch what {
	case ok:
		return err == nil
	case refuse:
		return errors.As(err, &refusal)
	case trap:
		return errors.As(err, &trapped) || errors.As(err, &exit)
	case bomb:
		return errors.As(err, &refusal) || stopped || errors.As(err, &trapped)
	case hang:
		return stopped
	case cancel:
		return stopped || errors.Is(err, context.Canceled)
	}
	return stopped || errors.Is(err, context.DeadlineExceeded)
}
