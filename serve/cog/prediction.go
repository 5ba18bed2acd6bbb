package cog

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// States of predictions.
const (
	statusStarting   = "starting"
	statusProcessing = "processing"
	statusSucceeded  = "succeeded"
	statusFailed     = "failed"
	statusCanceled   = "canceled"
)

// said is what is told of a prediction.
type said struct {
	ID        string             `json:"id"`
	Version   string             `json:"version,omitempty"`
	Status    string             `json:"status"`
	Input     json.RawMessage    `json:"input"`
	Output    json.RawMessage    `json:"output"`
	Error     *string            `json:"error"`
	Logs      string             `json:"logs"`
	Metrics   map[string]float64 `json:"metrics"`
	Created   string             `json:"created_at"`
	Started   *string            `json:"started_at"`
	Completed *string            `json:"completed_at"`
}

// over tells whether nothing will change any more.
func (s *said) over() bool {
	return s.Status == statusSucceeded || s.Status == statusFailed || s.Status == statusCanceled
}

// prediction is one that was asked for.
type prediction struct {
	model     string
	signature *model.Signature
	call      *repository.Call // until it has ended
	webhook   string
	events    events
	cancel    func(error)
	receipt   *repository.Receipt // when it has succeeded

	mu    sync.Mutex
	said  said
	began time.Time
}

// now is what can be told of it.
func (p *prediction) now() said {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said
}

func (p *prediction) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = time.Now()
	at := stamp(p.began)
	p.said.Status, p.said.Started = statusProcessing, &at
}

func (p *prediction) end(status string, output json.RawMessage, problem string, r *repository.Receipt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	at := stamp(now)
	p.receipt, p.call = r, nil
	p.said.Status, p.said.Output, p.said.Completed = status, output, &at
	if problem != "" {
		p.said.Error = &problem
	}
	p.said.Metrics = map[string]float64{"predict_time": now.Sub(p.began).Seconds()}
	if r != nil {
		p.said.Metrics["predict_time"] = r.Compute.Seconds()
		p.said.Metrics["queue_time"] = r.Queue.Seconds()
		p.said.Metrics["fuel"] = float64(r.Fuel)
		p.said.Metrics["peak_memory"] = float64(r.Memory)
	}
}

// stamp is a time as the protocol has it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000+00:00") }

// output is the value of an answer: that of the only output, else an object by the
// names of the outputs. Files are data URLs.
func output(a *model.Response, s *model.Signature) (json.RawMessage, error) {
	if len(s.Outputs) == 1 && len(a.Outputs) == 1 {
		return value(nil, &a.Outputs[0], s)
	}
	b := []byte{'{'}
	for i := range a.Outputs {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(a.Outputs[i].Name)
		if err != nil {
			return nil, err
		}
		if b, err = value(append(append(b, name...), ':'), &a.Outputs[i], s); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// value appends the value of an output.
func value(b []byte, t *model.Tensor, s *model.Signature) ([]byte, error) {
	f := s.Output(t.Name)
	if f == nil || t.Type != model.Bytes || !f.IsKind(model.KindFile, model.KindImage) {
		return t.AppendValue(b, f)
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	if n, _ := model.Elements(t.Shape); n != 1 {
		return t.AppendValue(b, f)
	}
	content := t.Data[4:][:binary.LittleEndian.Uint32(t.Data)]
	b = fmt.Appendf(b, `"data:%s;base64,`, http.DetectContentType(content))
	return append(base64.StdEncoding.AppendEncode(b, content), '"'), nil
}

// Bounds of what is kept.
const (
	maxUnfinished = 1024      // predictions under way, and those whose webhook has to hear yet that they are over
	maxFinished   = 256       // predictions that are over
	maxKeptBytes  = 64 << 20  // of their inputs and outputs
	maxAwaited    = 256 << 20 // bytes of the inputs of those of the background, and of what webhooks have to hear yet
)

// kept are the predictions under way, and those of a name or of the background that
// ended last, so that their clients can be told.
type kept struct {
	mu       sync.Mutex
	all      map[key]*prediction
	keep     map[*prediction]bool // beyond its end
	finished []*prediction        // the oldest first
	bytes    int
	awaited  int
	telling  int // those that are over, and whose webhook has to hear that yet
	told     int // their bytes
}

type key struct{ model, id string }

func newKept() *kept { return &kept{all: map[key]*prediction{}, keep: map[*prediction]bool{}} }

// add takes up a prediction; there is one that has its name already.
func (k *kept) add(p *prediction, keep bool) (there *prediction, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := key{p.model, p.said.ID}
	if there := k.all[at]; there != nil {
		return there, nil
	}
	size := 0
	if keep {
		size = len(p.said.Input)
	}
	under, bytes := len(k.all)-len(k.finished), k.awaited
	if p.webhook != "" { // others are not to wait for a server that does not answer
		under, bytes = under+k.telling, bytes+k.told
	}
	if under >= maxUnfinished || bytes > 0 && bytes+size > maxAwaited {
		return nil, &repository.OverloadedError{Model: p.model, Full: true, RetryAfter: time.Second}
	}
	k.all[at] = p
	k.awaited += size
	if keep {
		k.keep[p] = true
	}
	return nil, nil
}

// finish forgets a prediction that is over, or keeps it for a while.
func (k *kept) finish(p *prediction) {
	now := p.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.keep[p] {
		delete(k.all, key{p.model, now.ID})
		return
	}
	k.awaited -= len(now.Input)
	k.finished = append(k.finished, p)
	k.bytes += len(now.Input) + len(now.Output)
	for len(k.finished) > maxFinished || k.bytes > maxKeptBytes && len(k.finished) > 0 {
		old := k.finished[0]
		k.finished = k.finished[1:]
		was := old.now()
		k.bytes -= len(was.Input) + len(was.Output)
		delete(k.all, key{old.model, was.ID})
		delete(k.keep, old)
	}
}

// tells counts a prediction that is over while its webhook has to hear of that.
func (k *kept) tells(p *prediction) (told func()) {
	now := p.now()
	size := len(now.Input) + len(now.Output)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.telling++
	k.told += size
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.telling--
		k.told -= size
	}
}

// find gives a prediction of a model, "" for any; nil when there is none.
func (k *kept) find(name, id string) *prediction {
	k.mu.Lock()
	defer k.mu.Unlock()
	if name != "" {
		return k.all[key{name, id}]
	}
	for at, p := range k.all {
		if at.id == id {
			return p
		}
	}
	return nil
}
