package serve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// adder gives what it is asked, plus one.
type adder struct {
	plus  float32
	delay time.Duration
	taken atomic.Int64
	wait  chan struct{} // nil: does not wait
	ended chan struct{} // closed by Close
}

var adderSignature = &model.Signature{
	Name:    "adder",
	Inputs:  []model.Field{{Name: "x", Type: model.FP32, Shape: []int64{-1}}},
	Outputs: []model.Field{{Name: "y", Type: model.FP32, Shape: []int64{-1}}},
}

func (a *adder) Signature() *model.Signature { return adderSignature }

func (a *adder) Close(context.Context) error {
	if a.ended != nil {
		close(a.ended)
	}
	return nil
}

func (a *adder) Predict(ctx context.Context, r *model.Request) (*model.Response, error) {
	a.taken.Add(1)
	if err := adderSignature.Check(r); err != nil {
		return nil, err
	}
	list, err := model.Values[float32](r.Inputs[0])
	if err != nil {
		return nil, err
	}
	for i, v := range list {
		if v == 13 {
			panic("a mistake")
		}
		list[i] = v + a.plus
	}
	if a.wait != nil {
		select {
		case <-a.wait:
		case <-a.ended:
			return nil, model.ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	time.Sleep(a.delay)
	return &model.Response{Outputs: []model.Tensor{model.Of("y", list)}}, nil
}

func server(t *testing.T, c repository.Config) *serve.Server {
	t.Helper()
	s, err := serve.New(t.Context(), serve.Config{Repository: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// post asks for x and gives the status and y.
func post(c *http.Client, url string, x float32) (int, float32, error) {
	r, err := c.Post(url, "application/json", strings.NewReader(fmt.Sprintf(`{"x":[%g]}`, x)))
	if err != nil {
		return 0, 0, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return r.StatusCode, 0, err
	}
	var answer struct{ Y []float32 }
	if err := json.Unmarshal(b, &answer); err != nil || len(answer.Y) != 1 {
		return r.StatusCode, 0, nil
	}
	return r.StatusCode, answer.Y[0], nil
}

// TestPaths: the routes of a protocol that names no model ask the default one, and
// are there for each model too.
func TestPaths(t *testing.T) {
	c := repository.Config{Sources: []repository.Source{
		serve.Source("one", &adder{plus: 1}, 0), serve.Source("ten", &adder{plus: 10}, 2),
	}}
	h := httptest.NewServer(server(t, c))
	defer h.Close()
	for path, want := range map[string]float32{"/predict": 2, "/m/one/predict": 2, "/m/ten/predict": 11} {
		if status, y, err := post(h.Client(), h.URL+path, 1); err != nil || status != 200 || y != want {
			t.Errorf("%s: %d, %g, %v", path, status, y, err)
		}
	}
	for path, want := range map[string]int{"/m/none/predict": 404, "/nothing": 404, "/m/one/nothing": 404} {
		if status, _, err := post(h.Client(), h.URL+path, 1); err != nil || status != want {
			t.Errorf("%s: %d, %v", path, status, err)
		}
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/predict": 405, "/m/ten/predict": 405, "/openapi.json": 200, "/m/ten/openapi.json": 200} {
		r, err := h.Client().Get(h.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, r.StatusCode, want)
		}
		if want == http.StatusMethodNotAllowed && (r.Header.Get("Allow") != "POST" || r.Header.Get("Content-Type") != "application/json") {
			t.Errorf("GET %s: %v", path, r.Header)
		}
	}
}

// TestKeys: of routes that share a pattern each needs a key that says so.
func TestKeys(t *testing.T) {
	keys, err := guard.NewKeys("secret-key", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	shown := func(r *http.Request) bool { return r.Header.Get("Accept") == "text/html" }
	s, err := serve.New(t.Context(), serve.Config{
		Repository: serve.Models("one", &adder{plus: 1}), Guard: guard.Config{Keys: keys},
		Routes: func(*repository.Repository) ([]route.Route, error) {
			return []route.Route{
				{Pattern: "GET /shared", PerModel: true, Open: true, When: shown, Handler: answer},
				{Pattern: "GET /shared", Handler: answer},
			}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	for _, c := range []struct {
		path, accept, key string
		status            int
	}{
		{"/shared", "text/html", "", 200}, {"/shared", "", "", 401}, {"/shared", "", "secret-key", 200},
		{"/m/one/shared", "text/html", "", 200}, {"/m/one/shared", "", "secret-key", 404},
		{"/readyz", "", "", 200}, {"/predict", "", "", 401}, {"/nothing", "", "", 401}, {"/nothing", "", "secret-key", 404},
	} {
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.Header.Set("Accept", c.accept)
		if c.key != "" {
			r.Header.Set("Authorization", "Bearer "+c.key)
		}
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != c.status {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}

// TestKeysFirst: of those without a key no body is read, whatever a route would look
// for in it.
func TestKeysFirst(t *testing.T) {
	keys, err := guard.NewKeys("secret-key", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	reads := func(r *http.Request) bool {
		b, err := io.ReadAll(r.Body)
		return err == nil && len(b) > 0
	}
	s, err := serve.New(t.Context(), serve.Config{
		Repository: serve.Models("one", &adder{plus: 1}), Guard: guard.Config{Keys: keys},
		Routes: func(*repository.Repository) ([]route.Route, error) {
			return []route.Route{{Pattern: "POST /looks", When: reads, Handler: answer}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	for key, want := range map[string]int{"": 401, "secret-key": 200} {
		body := strings.NewReader("words")
		r := httptest.NewRequest(http.MethodPost, "/looks", body)
		r.Header.Set("X-Api-Key", key)
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != want {
			t.Errorf("key %q: %d", key, w.Code)
		}
		if left := body.Len(); (want == 401) != (left == 5) {
			t.Errorf("key %q: %d bytes of the body are left", key, left)
		}
	}
}

// TestPanic: a mistake in one request ends that request.
func TestPanic(t *testing.T) {
	h := httptest.NewServer(server(t, serve.Models("one", &adder{plus: 1})))
	defer h.Close()
	if status, _, err := post(h.Client(), h.URL+"/predict", 13); err != nil || status != 500 {
		t.Errorf("%d, %v", status, err)
	}
	if status, y, err := post(h.Client(), h.URL+"/predict", 1); err != nil || status != 200 || y != 2 {
		t.Errorf("after it: %d, %g, %v", status, y, err)
	}
}

// TestSwap: while a model is loaded anew again and again, no request fails.
func TestSwap(t *testing.T) {
	var made atomic.Int64
	s := server(t, repository.Config{Sources: []repository.Source{{Name: "m", Open: func(context.Context) (*repository.Loaded, error) {
		return &repository.Loaded{Predictor: &adder{plus: float32(made.Add(1)), delay: time.Millisecond}, Instances: 2}, nil
	}}}})
	h := httptest.NewServer(s)
	defer h.Close()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var asked atomic.Int64
	for range 8 {
		wg.Go(func() {
			last := float32(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				status, y, err := post(h.Client(), h.URL+"/predict", 0)
				if err != nil || status != 200 || y < last {
					t.Errorf("%d, %g after %g, %v", status, y, last, err)
				}
				last = y
				asked.Add(1)
			}
		})
	}
	for range 20 {
		time.Sleep(10 * time.Millisecond)
		if err := s.Repository().Load(t.Context(), "m"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	if made.Load() != 21 || asked.Load() == 0 {
		t.Errorf("%d models, %d requests", made.Load(), asked.Load())
	}
}

// listening serves until end is called, which gives what Serve gave.
func listening(t *testing.T, s *serve.Server, c serve.ListenConfig) (url string, end func() <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, c, l) }()
	return "http://" + l.Addr().String(), func() <-chan error {
		cancel()
		return done
	}
}

// TestEnd: under load, every request that was taken is answered when the server is
// to end, and no other is.
func TestEnd(t *testing.T) {
	a := &adder{plus: 1, delay: 2 * time.Millisecond}
	s := server(t, repository.Config{Sources: []repository.Source{serve.Source("m", a, 4)}})
	url, end := listening(t, s, serve.ListenConfig{})
	var wg sync.WaitGroup
	var answered, refused atomic.Int64
	for range 16 {
		wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for {
				status, y, err := post(c, url+"/predict", 1)
				if err != nil {
					refused.Add(1)
					return
				}
				if status != 200 || y != 2 {
					t.Errorf("%d, %g", status, y)
				}
				answered.Add(1)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	if err := <-end(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if answered.Load() != a.taken.Load() || refused.Load() != 16 {
		t.Errorf("%d answered of %d taken, %d refused", answered.Load(), a.taken.Load(), refused.Load())
	}
}

// TestGrace: a request that takes too long is told that it is cut off, or else its
// connection is closed.
func TestGrace(t *testing.T) {
	for _, told := range []bool{true, false} {
		a := &adder{wait: make(chan struct{})}
		if told {
			a.ended = make(chan struct{})
		}
		s := server(t, serve.Models("m", a))
		url, end := listening(t, s, serve.ListenConfig{Grace: 50 * time.Millisecond})
		type result struct {
			status int
			err    error
		}
		answered := make(chan result, 1)
		go func() {
			status, _, err := post(http.DefaultClient, url+"/predict", 1)
			answered <- result{status, err}
		}()
		for a.taken.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		if err := <-end(); !errors.Is(err, serve.ErrGrace) {
			t.Errorf("%v", err)
		}
		got := <-answered
		if told && (got.err != nil || got.status != http.StatusServiceUnavailable) || !told && got.err == nil {
			t.Errorf("told %v: %+v", told, got)
		}
	}
}

// TestHTTP2 speaks HTTP/2 without TLS, as gRPC's clients and proxies do.
func TestHTTP2(t *testing.T) {
	url, end := listening(t, server(t, serve.Models("m", &adder{plus: 1})), serve.ListenConfig{})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	c := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	r, err := c.Post(url+"/predict", "application/json", bytes.NewReader([]byte(`{"x":[1]}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.ProtoMajor != 2 || r.StatusCode != 200 {
		t.Errorf("%s, %d", r.Proto, r.StatusCode)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Error(err)
	}
	if err := <-end(); err != nil {
		t.Error(err)
	}
}
