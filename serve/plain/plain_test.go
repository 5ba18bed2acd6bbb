package plain_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
)

func TestAccepts(t *testing.T) {
	const json, csv, image = "application/json", "text/csv", "image/*"
	for accept, want := range map[string]string{
		"":                                    json,
		"*/*":                                 json,
		"text/csv":                            csv,
		"TEXT/CSV; charset=utf-8":             csv,
		"text/*":                              csv,
		"text/csv;q=0.5, application/json":    json,
		"text/csv, application/json;q=0.5":    csv,
		"text/csv, */*;q=0.8":                 csv,
		"text/csv;q=0, */*":                   json,
		"application/json;q=0, */*;q=0.1":     csv,
		"image/png":                           image,
		"image/png;q=0.9, image/*;q=0.1":      image,
		"audio/*":                             json,
		"garbage;;;":                          json,
		"text/csv;q=nonsense":                 csv,
		strings.Repeat("a/b,", 40) + csv:      json,
		"text/html,application/xhtml+xml,*/*": json,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		if got := plain.Accepts(r, json, csv, image); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
}

// models answers with the name of the first output that is asked for.
type models struct {
	mu   sync.Mutex
	most int
	now  int
}

func (m *models) Status(string, string) (repository.Status, error) { return repository.Status{}, nil }
func (m *models) Index() []repository.Status                       { return nil }
func (m *models) Infer(ctx context.Context, c *repository.Call) (*repository.Answer, error) {
	m.mu.Lock()
	m.now++
	m.most = max(m.most, m.now)
	m.mu.Unlock()
	defer func() { m.mu.Lock(); m.now--; m.mu.Unlock() }()
	switch c.Request.ID {
	case "bad":
		return nil, errBad
	case "panic":
		panic("a mistake")
	}
	return &repository.Answer{Response: &model.Response{Outputs: []model.Tensor{{Name: c.Request.ID}}}, Receipt: repository.Receipt{Fuel: 1, Memory: uint64(len(c.Request.ID))}}, ctx.Err()
}

var errBad = errors.New("bad")

func TestEach(t *testing.T) {
	var list []*model.Request
	for i := range 1000 {
		list = append(list, &model.Request{ID: strings.Repeat("x", i%7+1)})
	}
	m := &models{}
	answers, err := plain.Each(t.Context(), m, repository.Call{}, list)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if a.Outputs[0].Name != list[i].ID {
			t.Fatalf("answer %d is another's", i)
		}
	}
	if m.most > 16 {
		t.Errorf("%d at once", m.most)
	}
	if r := plain.Total(answers); r.Fuel != 1000 || r.Memory != 7 {
		t.Errorf("%+v", r)
	}
	half := &repository.Answer{Receipt: repository.Receipt{Fuel: 10, Rows: 2, Batch: 4}}
	if r := plain.Total([]*repository.Answer{half, half}); r.Fuel != 10 || r.Rows != 4 || r.Batch != 4 {
		t.Errorf("of one batch: %+v", r)
	}
	list[500].ID = "bad"
	if _, err := plain.Each(t.Context(), m, repository.Call{}, list); !errors.Is(err, errBad) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := plain.Each(ctx, m, repository.Call{}, list[:3]); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if answers, err := plain.Each(t.Context(), m, repository.Call{}, nil); err != nil || len(answers) != 0 {
		t.Errorf("%v %v", answers, err)
	}
	list[500].ID = "panic"
	if _, err := plain.Each(t.Context(), m, repository.Call{}, list); !errors.As(err, new(*repository.PanicError)) {
		t.Errorf("%v", err)
	}
}

func TestCall(t *testing.T) {
	for _, c := range []struct {
		timeout, priority string
		want              repository.Call
		wrong             bool
	}{
		{"", "", repository.Call{}, false},
		{"500ms", "1", repository.Call{Timeout: 500 * time.Millisecond, Priority: 1}, false},
		{"2", "", repository.Call{Timeout: 2 * time.Second}, false},
		{"0.25", "", repository.Call{Timeout: 250 * time.Millisecond}, false},
		{"0", "", repository.Call{}, true},
		{"-1s", "", repository.Call{}, true},
		{"NaN", "", repository.Call{}, true},
		{"1e300", "", repository.Call{}, true},
		{"soon", "", repository.Call{}, true},
		{"", "high", repository.Call{}, true},
		{"", "-1", repository.Call{}, true},
	} {
		r := httptest.NewRequest("POST", "/", nil)
		if c.timeout != "" {
			r.Header.Set(plain.HeaderTimeout, c.timeout)
		}
		if c.priority != "" {
			r.Header.Set(plain.HeaderPriority, c.priority)
		}
		c.want.Protocol = "p"
		got, err := plain.Call(r, "p")
		if (err != nil) != c.wrong || err == nil && (got.Timeout != c.want.Timeout || got.Priority != c.want.Priority || got.Protocol != "p") {
			t.Errorf("%q %q: %+v %v", c.timeout, c.priority, got, err)
		}
	}
}

func TestFind(t *testing.T) {
	var unready *repository.NotReadyError
	if _, err := plain.Find(&models{}, ""); !errors.As(err, &unready) {
		t.Errorf("%v", err)
	}
}
