// Package requestlog knows how requests and their answers are written down as a
// table, CSV or Parquet, for those who look later at what a model was asked. It never
// holds a request up: what cannot be written in time is left out, and counted.
package requestlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Config says what is written where.
type Config struct {
	// Path is a file that ends in .csv or .parquet, or a folder, which gets a Parquet
	// file for each model.
	Path string
	// Sample is the share of requests that is written; 0 means all.
	Sample float64
	// Size bounds the bytes of each table, the files before the current one included;
	// 0: DefaultSize.
	Size int64
	// Log gets what cannot be written; nil: nobody.
	Log *slog.Logger
}

// DefaultSize bounds a table.
const DefaultSize = 1 << 30

// Bounds of what waits to be written.
const (
	maxQueue  = 4096
	maxQueued = 64 << 20 // bytes of tensors
)

// Log writes requests down.
type Log struct {
	config  Config
	extend  string // of files: .csv, .parquet
	folder  bool
	queue   chan entry
	queued  atomic.Int64 // bytes
	written atomic.Int64
	dropped atomic.Int64
	ended   chan struct{} // the writer is done
	mu      sync.RWMutex  // of closed
	closed  bool
}

// entry is a request that waits to be written.
type entry struct {
	event          repository.Event
	id, trace, key string
	size           int64
}

// Open begins to write. Close ends it.
func Open(c Config) (*Log, error) {
	l := &Log{config: c, queue: make(chan entry, maxQueue), ended: make(chan struct{})}
	switch l.extend = strings.ToLower(filepath.Ext(c.Path)); l.extend {
	case extCSV, extParquet:
	default:
		l.folder, l.extend = true, extParquet
	}
	if c.Sample < 0 || c.Sample > 1 {
		return nil, fmt.Errorf("%g is no share of requests: it takes 0 to 1", c.Sample)
	}
	if l.config.Sample == 0 {
		l.config.Sample = 1
	}
	if l.config.Size <= 0 {
		l.config.Size = DefaultSize
	}
	if c.Log == nil {
		l.config.Log = slog.New(slog.DiscardHandler)
	}
	w := &tables{log: l, open: map[string]*table{}}
	if l.folder {
		if err := os.MkdirAll(c.Path, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of the request log: %w", err)
		}
	} else if _, err := w.table(""); err != nil { // what is wrong with it is to be known now
		return nil, err
	}
	go func() {
		defer close(l.ended)
		w.run()
	}()
	return l, nil
}

// The kinds of files.
const (
	extCSV     = ".csv"
	extParquet = ".parquet"
)

// Observe takes a request that came to its end: it is for repository.Config.
func (l *Log) Observe(ctx context.Context, e repository.Event) {
	if l.config.Sample < 1 && rand.Float64() >= l.config.Sample {
		return
	}
	one := entry{event: e, size: sizeOf(&e)}
	if r := guard.Of(ctx); r != nil {
		one.id, one.trace, one.key = r.ID, r.Trace, r.Key
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed || l.queued.Add(one.size) > maxQueued {
		if !l.closed {
			l.queued.Add(-one.size)
		}
		l.dropped.Add(1)
		return
	}
	select {
	case l.queue <- one:
	default:
		l.queued.Add(-one.size)
		l.dropped.Add(1)
	}
}

// sizeOf is what a request that waits holds.
func sizeOf(e *repository.Event) int64 {
	n := int64(512)
	if e.Call.Request != nil {
		for i := range e.Call.Request.Inputs {
			n += int64(len(e.Call.Request.Inputs[i].Data))
		}
	}
	if e.Answer != nil && e.Answer.Response != nil {
		for i := range e.Answer.Outputs {
			n += int64(len(e.Answer.Outputs[i].Data))
		}
	}
	return n
}

// Counts gives how many requests were written, and how many left out because they
// came too fast or could not be written.
func (l *Log) Counts() (written, dropped int64) { return l.written.Load(), l.dropped.Load() }

// Close writes what waits, and ends.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	l.mu.Unlock()
	select {
	case <-l.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("write the request log: %w", ctx.Err())
	}
}

// row is a line of a table.
type row struct {
	time                             time.Time
	id, trace, key                   string
	protocol, model, version, digest string
	status                           int64
	reason                           string
	seconds, queue, compute          float64
	fuel, memory, rows, batch        int64
	inputs, outputs                  string
}

func newRow(e *entry) row {
	ev := &e.event
	r := row{
		time: ev.Began, id: e.id, trace: e.trace, key: e.key, protocol: ev.Call.Protocol,
		model: ev.Receipt.Model, version: ev.Receipt.Version, digest: ev.Receipt.Digest, status: http.StatusOK,
		seconds: ev.Took.Seconds(), queue: ev.Receipt.Queue.Seconds(), compute: ev.Receipt.Compute.Seconds(),
		fuel: int64(ev.Receipt.Fuel), memory: int64(ev.Receipt.Memory), rows: int64(ev.Receipt.Rows), batch: int64(ev.Receipt.Batch),
		inputs: "{}", outputs: "{}",
	}
	if r.model == "" {
		r.model = ev.Call.Model
	}
	r.model, r.version = strings.ToValidUTF8(r.model, "?"), strings.ToValidUTF8(r.version, "?")
	if ev.Err != nil {
		p := route.ProblemOf(ev.Err)
		r.status, r.reason = int64(p.Status), p.Reason
	}
	if ev.Call.Request != nil {
		r.inputs = object(ev.Call.Request.Inputs)
	}
	if ev.Answer != nil && ev.Answer.Response != nil {
		r.outputs = object(ev.Answer.Outputs)
	}
	return r
}

// maxTensor bounds the data of a tensor that is written out, in bytes. Of larger
// ones the type and shape are.
const maxTensor = 64 << 10

// object writes tensors as a JSON object, by name: what POST /predict takes and
// gives.
func object(tensors []model.Tensor) string {
	b := []byte{'{'}
	for i := range tensors {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, tensors[i].Name)
		b = append(b, ':')
		b = appendTensor(b, &tensors[i])
	}
	return string(append(b, '}'))
}

var errLarge = errors.New("too large to be written down")

func appendTensor(b []byte, t *model.Tensor) []byte {
	err := errLarge
	if len(t.Data) <= maxTensor {
		var text []byte
		if text, err = t.AppendValue(b, nil); err == nil {
			return text
		}
	}
	b = append(b, `{"datatype":`...)
	b = appendString(b, string(t.Type))
	b = append(b, `,"shape":[`...)
	for i, n := range t.Shape {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%d", n)
	}
	return fmt.Appendf(b, `],"bytes":%d}`, len(t.Data))
}
