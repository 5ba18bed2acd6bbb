package wherry

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
)

var _ model.Streamer = (*Model)(nil)

// BatchOf is what an image says of answering requests together: how many rows, and how
// long a request waits for others; 0 when it says nothing.
func BatchOf(image runtime.Image) (rows int, delay time.Duration, err error) {
	text := image.Config().Labels[oci.LabelBatch]
	if text == "" {
		return 0, 0, nil
	}
	number, wait, more := strings.Cut(strings.TrimSpace(text), " ")
	rows, err = strconv.Atoi(number)
	if err == nil && more {
		delay, err = time.ParseDuration(strings.TrimSpace(wait))
	}
	if err != nil || rows < 0 || delay < 0 {
		return 0, 0, fmt.Errorf("label %s=%q: write a number of rows, and perhaps a time: 32 2ms", oci.LabelBatch, text)
	}
	return rows, delay, nil
}

// Stream answers one request in parts, where the model works in parts; see
// model.Streamer.
func (m *Model) Stream(ctx context.Context, r *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	usage, err := m.pool.Stream(ctx, r, emit)
	m.logTraceback(err)
	return usage, err
}

// Streams tells whether the model says that it works in parts.
func (m *Model) Streams() bool { return m.Signature().Streams }

// Instances is how many requests the model answers at once.
func (m *Model) Instances() int { return m.loader.settings.instances }

// Memory is how many bytes the memories of its instances have now. What native ONNX
// Runtime holds is not among them.
func (m *Model) Memory() int64 {
	if p, ok := m.pool.(*pipeline); ok {
		return p.memory()
	}
	return m.loader.live.memory()
}

// Stream answers a request in parts, and counts as Predict does.
func (i *instance) Stream(ctx context.Context, r *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	before := i.container.Stats().Fuel
	usage, err := model.Stream(ctx, i.Instance, r, emit)
	i.account(&usage, before)
	return usage, err
}

// instances are those of a model that were made and not closed.
type instances struct {
	mu   sync.Mutex
	list map[*instance]struct{}
}

// add notes one, and gives what takes it out again.
func (l *instances) add(i *instance) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil {
		l.list = map[*instance]struct{}{}
	}
	l.list[i] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.list, i)
	}
}

func (l *instances) memory() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	total := uint64(0)
	for i := range l.list {
		total += i.container.Stats().Memory
	}
	return int64(min(total, 1<<62))
}
