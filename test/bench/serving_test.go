package bench

import (
	"bytes"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/load"
	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/dock"
)

// How servers are asked: each in turns of this length, by so many clients.
const (
	servingClients = 32
	servingTurn    = 2 * time.Second
	servingRounds  = 5
)

// BenchmarkServing is `wherry run -p` beside the servers that people write for the
// same model: FastAPI with uvicorn and onnxruntime or scikit-learn, with as many
// workers as processors, BentoML, and a handler of Go's net/http. 32 clients ask
// each in turns, on connections that stay open, in the same JSON.
func BenchmarkServing(b *testing.B) {
	heavy(b)
	builder, _ := programs(b)
	row := numbers(30)
	for _, m := range append(ort.Tables()[1:], ort.Perceptron(30, 64, 3)) {
		b.Run(m.Name, func(b *testing.B) {
			ask := question(b, map[string]any{"x": [][]float32{row}})
			file := filepath.Join(b.TempDir(), "model.onnx")
			writeFiles(b, map[string][]byte{file: m.File})
			set := []*rival{
				serveImage(b, builder, "wherry", onnxImage(b, builder, m), ask),
				uvicorn(b, "fastapi", "rows:app", file, "/predict", ask),
				uvicorn(b, "fastapi-async", "rows:app", file, "/async", ask),
				bento(b, file, ask),
			}
			compete(b, set...)
		})
	}
	b.Run("scikit-learn", func(b *testing.B) {
		ask := question(b, map[string]float64{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2})
		image, folder := models[0].build(b, builder)
		compete(b, serveImage(b, builder, "wherry", image, ask),
			uvicorn(b, "fastapi", "flowers:app", folder, "/predict", ask), uvicorn(b, "fastapi-async", "flowers:app", folder, "/async", ask))
	})
	b.Run("trivial", func(b *testing.B) {
		ask := question(b, map[string]any{"x": []float32{5.1, 3.5, 1.4, 0.2}})
		compete(b, serveImage(b, builder, "c-guest", trivial(b, builder, "c"), ask), serveImage(b, builder, "go-guest", trivial(b, builder, "go"), ask), netHTTP(b, ask))
	})
}

// numbers is a row of numbers between 0 and 1.
func numbers(n int) []float32 {
	row := make([]float32, n)
	for i := range row {
		row[i] = float32(math.Mod(float64(i)*0.618, 1))
	}
	return row
}

func question(b *testing.B, v any) []byte {
	b.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// A rival is a server that was started.
type rival struct {
	name   string
	target *load.Target
	pid    int
	turns  []measured
}

// measured is what came of asking for a while.
type measured struct {
	perSecond, p50, p99, cpu float64 // latencies in ms, processor time of the server in us for each answer
	own                      float64 // that of the clients
}

// contend starts a server that listens at address, and waits until it answers. An
// end of the benchmark ends it and what it started.
func contend(b *testing.B, name string, cmd *exec.Cmd, address, path string, body []byte) *rival {
	b.Helper()
	var talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &talk, &talk
	separateGroup(cmd)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(15 * time.Second):
		}
		endGroup(cmd)
	})
	u := &url.URL{Scheme: "http", Host: address, Path: path}
	c := &rival{name: name, pid: cmd.Process.Pid, target: &load.Target{URL: u, Method: http.MethodPost, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		status, text, err := c.target.Ask(b.Context())
		if err == nil && status == http.StatusOK {
			return c
		}
		select {
		case err := <-ended:
			b.Fatalf("%s ended: %v\n%s", name, err, talk.String())
		default:
		}
		if time.Since(began) > time.Minute {
			b.Fatalf("%s does not answer: %d, %s, %v\n%s", name, status, text, err, talk.String())
		}
	}
}

// freeAddress is one that nobody listens at.
func freeAddress(b *testing.B) (address, port string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return l.Addr().String(), port
}

// serveImage is `wherry run -p` of an image, as people type it.
func serveImage(b *testing.B, p dock.Program, name, image string, body []byte) *rival {
	b.Helper()
	address, _ := freeAddress(b)
	cmd := exec.Command(p.Command[0], append(p.Command[1:len(p.Command):len(p.Command)], "run", "-p", address+":8080", image)...)
	cmd.Env = append(os.Environ(), p.Env...)
	return contend(b, name, cmd, address, "/predict", body)
}

// servers is the host's Python with the servers of testdata/serving.
func servers(b *testing.B) dock.Program {
	b.Helper()
	list, err := os.ReadFile(filepath.Join("testdata", "serving", "requirements.txt"))
	if err != nil {
		b.Fatal(err)
	}
	file, err := filepath.Abs(filepath.Join("testdata", "serving", "requirements.txt"))
	if err != nil {
		b.Fatal(err)
	}
	p, _ := dock.Pinned(b, string(list), file)
	p.Env = append(p.Env, "PYTHONDONTWRITEBYTECODE=1")
	return p
}

// uvicorn serves an application of testdata/serving, with a worker for each
// processor, and without a log of requests.
func uvicorn(b *testing.B, name, app, model, path string, body []byte) *rival {
	b.Helper()
	address, port := freeAddress(b)
	cmd := pythonServer(b, model, "uvicorn", app, "--port", port, "--workers", strconv.Itoa(runtime.NumCPU()), "--log-level", "warning")
	return contend(b, name, cmd, address, path, body)
}

func bento(b *testing.B, model string, body []byte) *rival {
	b.Helper()
	address, port := freeAddress(b)
	cmd := pythonServer(b, model, "bentoml", "serve", "bento:Numbers", "--port", port, "--host", "127.0.0.1")
	cmd.Env = append(cmd.Env, "BENTOML_HOME="+b.TempDir(), "BENTOML_DO_NOT_TRACK=True")
	return contend(b, "bentoml", cmd, address, "/predict", body)
}

func pythonServer(b *testing.B, model string, args ...string) *exec.Cmd {
	b.Helper()
	p := servers(b)
	cmd := exec.Command(p.Command[0], append([]string{"-m"}, args...)...)
	cmd.Dir = filepath.Join("testdata", "serving")
	cmd.Env = append(append(os.Environ(), p.Env...), "MODEL="+model, "WORKERS="+strconv.Itoa(runtime.NumCPU()))
	return cmd
}

// trivial builds a guest that adds one, with the packages of the examples.
func trivial(b *testing.B, builder dock.Program, language string) string {
	b.Helper()
	dir, image := b.TempDir(), "localhost/test-bench:plus-"+language
	for _, from := range []string{filepath.Join(dock.Root(b), "examples", "guest-"+language), filepath.Join("testdata", "serving", "plus-"+language)} {
		for _, name := range []string{"wherry.h", "plus.c", "main.go", "go.mod", "guest/guest.go", "guest/frame.go", "Wasmfile"} {
			if text, err := os.ReadFile(filepath.Join(from, name)); err == nil {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
					b.Fatal(err)
				}
				writeFiles(b, map[string][]byte{filepath.Join(dir, name): text})
			}
		}
	}
	builder.Must(b, "", "build", "-q", "-t", image, dir)
	return image
}

// netHTTP is a handler of Go's net/http that does the same.
func netHTTP(b *testing.B, body []byte) *rival {
	b.Helper()
	out := filepath.Join(b.TempDir(), "native")
	if text, err := exec.CommandContext(b.Context(), "go", "build", "-o", out, "./testdata/serving/native").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, text)
	}
	address, _ := freeAddress(b)
	return contend(b, "net/http", exec.Command(out, address), address, "/predict", body)
}

// compete has rivals asked in turns, and reports each, and the first ones beside
// the others.
func compete(b *testing.B, set ...*rival) {
	b.Helper()
	concur(b, set)
	for b.Loop() {
		for _, c := range set { // to warm up
			c.ask(b)
			c.turns = nil
		}
		for round := range servingRounds {
			for i := range set {
				set[(i+round)%len(set)].ask(b)
			}
		}
	}
	quiet(b)
	for _, c := range set {
		for _, one := range figures {
			if v := c.median(one.of); v > 0 {
				b.ReportMetric(v, c.name+"-"+one.unit)
			}
		}
		if m := groupMemory(c.pid); m > 0 {
			b.ReportMetric(megabytes(m), c.name+"-PSS-MB")
		}
	}
	ours := slices.IndexFunc(set, func(c *rival) bool { return strings.HasPrefix(c.name, "fastapi") || c.name == "net/http" })
	for _, c := range set[:ours] {
		for _, other := range set[ours:] {
			of := c.name + "/" + other.name
			b.ReportMetric(c.median(throughput)/other.median(throughput), of)
			b.ReportMetric(c.median(tail)/other.median(tail), "p99-"+of)
			if cpu := other.median(processorTime); cpu > 0 {
				b.ReportMetric(c.median(processorTime)/cpu, "cpu-"+of)
			}
		}
	}
}

func throughput(t measured) float64    { return t.perSecond }
func tail(t measured) float64          { return t.p99 }
func processorTime(t measured) float64 { return t.cpu }

var figures = []struct {
	unit string
	of   func(measured) float64
}{
	{"req/s", throughput}, {"p50-ms", func(t measured) float64 { return t.p50 }}, {"p99-ms", tail},
	{"cpu-us", processorTime}, {"client-us", func(t measured) float64 { return t.own }},
}

func (c *rival) median(of func(measured) float64) float64 {
	var list []float64
	for _, t := range c.turns {
		list = append(list, of(t))
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// ask asks for one turn. All has to be answered.
func (c *rival) ask(b *testing.B) {
	b.Helper()
	before, own := groupProcessor(c.pid), processor()
	r, err := c.target.Run(b.Context(), servingClients, servingTurn)
	if err != nil || r.Failed() > 0 || len(r.Latencies) == 0 {
		b.Fatalf("%s: %v, %v, %v", c.name, err, r.Statuses, r.Errors)
	}
	n := float64(len(r.Latencies))
	t := measured{perSecond: n / r.Took.Seconds(), p50: quantile(r.Latencies, 0.5), p99: quantile(r.Latencies, 0.99), own: float64((processor() - own).Microseconds()) / n}
	if before >= 0 {
		t.cpu = float64((groupProcessor(c.pid) - before).Microseconds()) / n
	}
	c.turns = append(c.turns, t)
}

// quantile is a latency of a sorted list, in milliseconds.
func quantile(list []time.Duration, q float64) float64 {
	return float64(list[int(math.Ceil(q*float64(len(list))))-1]) / 1e6
}

// concur holds the answers of rivals against each other.
func concur(b *testing.B, set []*rival) {
	b.Helper()
	var first map[string]any
	for _, c := range set {
		status, text, err := c.target.Ask(b.Context())
		var got map[string]any
		if err == nil {
			err = json.Unmarshal(text, &got)
		}
		if err != nil || status != http.StatusOK || len(got) == 0 {
			b.Fatalf("%s: %d, %s, %v", c.name, status, text, err)
		}
		if first == nil {
			first = got
		}
		if !alike(first, got) {
			b.Fatalf("%s answers %s, and %s %v", c.name, text, set[0].name, first)
		}
	}
}

// alike tells whether two values of JSON are the same but for the last digits, and for
// lists of one, which may be written as what is in them.
func alike(x, y any) bool {
	if list, ok := y.([]any); ok && len(list) == 1 {
		if _, both := x.([]any); !both {
			y = list[0]
		}
	}
	switch x := x.(type) {
	case float64:
		y, ok := y.(float64)
		return ok && math.Abs(x-y) <= 1e-4*max(math.Abs(x), 1)
	case []any:
		y, ok := y.([]any)
		return ok && slices.EqualFunc(x, y, alike)
	case map[string]any:
		y, ok := y.(map[string]any)
		for name, v := range x {
			ok = ok && alike(v, y[name])
		}
		return ok && len(x) == len(y)
	}
	return x == y
}
