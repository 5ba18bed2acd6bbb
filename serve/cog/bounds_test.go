package cog_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/cog"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/task/tasktest"
)

// buggy are models, asking which panics.
type buggy struct{ plain.Models }

func (buggy) Infer(context.Context, *repository.Call) (*repository.Answer, error) { panic("a mistake") }

// TestBackgroundPanic: a panic in the background ends the prediction, whose client
// hears of it, and nothing else.
func TestBackgroundPanic(t *testing.T) {
	told := make(chan string, 2)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { told <- r.Method }))
	defer other.Close()
	u, _ := url.Parse(other.URL)
	var log atomic.Pointer[repository.PanicError]
	work := &repository.Work{Panicked: log.Store}
	h := tasktest.Handler(cog.Routes(buggy{tasktest.Open(t, upper("upper", nil))}, cog.Options{Background: work, Webhooks: []string{u.Host}}))
	ask(h, "PUT", "/predictions/b", `{"webhook":"`+other.URL+`","webhook_events_filter":["completed"],"input":{"text":"a"}}`, "Prefer", "respond-async")
	if err := work.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, got := ask(h, "GET", "/predictions/b", ""); !strings.Contains(got, `"status":"failed"`) || !strings.Contains(got, "its log says why") {
		t.Errorf("the prediction is %s", got)
	}
	if p := log.Load(); p == nil || p.Value != "a mistake" {
		t.Errorf("the log has %v", p)
	}
	select {
	case <-told:
	case <-time.After(time.Minute):
		t.Error("the webhook was not told")
	}
}

// TestManyWebhooks: a server that does not answer holds no more than a bound of calls,
// nor of predictions that it is to hear of. Those beyond are turned away, and after
// all each is told.
func TestManyWebhooks(t *testing.T) {
	var now, most, heard atomic.Int64
	let := make(chan struct{})
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-let
		now.Add(-1)
		heard.Add(1)
	}))
	defer other.Close()
	u, _ := url.Parse(other.URL)
	calls := &repository.Work{}
	h := handler(t, cog.Options{Webhooks: []string{u.Host}, Calls: calls}, nil)
	taken, refused := 0, 0
	for range 1100 {
		status, got := ask(h, "POST", "/predictions", `{"webhook":"`+other.URL+`/x","webhook_events_filter":["completed"],"input":{"text":"a"}}`)
		switch status {
		case 200:
			taken++
		case 409:
			refused++
		default:
			t.Fatalf("%d %s", status, got)
		}
	}
	if taken != 1024 || refused != 76 {
		t.Errorf("%d taken, %d refused", taken, refused)
	}
	if status, got := ask(h, "POST", "/predictions", `{"input":{"text":"a"}}`); status != 200 {
		t.Errorf("one that nobody is told of: %d %s", status, got)
	}
	close(let)
	if err := calls.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if heard.Load() != int64(taken) || most.Load() > 64 {
		t.Errorf("%d heard, %d at once", heard.Load(), most.Load())
	}
	if status, got := ask(h, "POST", "/predictions", `{"webhook":"`+other.URL+`/x","input":{"text":"a"}}`); status != 200 {
		t.Errorf("afterwards: %d %s", status, got)
	}
}

// TestEvents: a list of events is bounded before it is read.
func TestEvents(t *testing.T) {
	h := handler(t, cog.Options{}, nil)
	body := `{"input":{"text":"a"},"webhook_events_filter":[""` + strings.Repeat(`,""`, 1<<20) + `]}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	status, got := ask(h, "POST", "/predictions", body)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; status != 422 || took > 8*uint64(len(body)) {
		t.Errorf("%d %s, %d bytes for %d", status, got, took, len(body))
	}
}

// TestFind: without a model's name the default model's prediction is meant.
func TestFind(t *testing.T) {
	h := handler(t, cog.Options{}, nil)
	for model, input := range map[string]string{"/m/upper": `{"text":"a"}`, "/m/copier": `{"image":"data:,a"}`} {
		if status, got := ask(h, "PUT", model+"/predictions/one", `{"input":`+input+`}`); status != 200 {
			t.Fatalf("%d %s", status, got)
		}
	}
	for range 20 {
		if _, got := ask(h, "GET", "/predictions/one", ""); got != done("one", "succeeded", `{"text":"a"}`, `"A"`, "null") {
			t.Fatal(got)
		}
	}
}
