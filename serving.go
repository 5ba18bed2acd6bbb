package wherry

import (
	"context"
	"sync"

	"github.com/wherry-run/wherry/model"
)

var _ model.Streamer = (*Model)(nil)

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
	if err != nil {
		return usage, err
	}
	i.account(&usage, before)
	return usage, nil
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
