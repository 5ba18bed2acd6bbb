package runtime

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
)

// meter is the account of work of one container: every program in it draws on
// the same fuel.
type meter struct {
	limit uint64 // 0 is unbounded
	spent atomic.Uint64
}

// Yield is called by the engine whenever a guest has used up its slice.
func (m *meter) Yield(ctx context.Context, spent uint64) (uint64, error) {
	total := m.spent.Add(spent)
	if m.limit == 0 {
		return math.MaxUint64, nil
	}
	if total >= m.limit {
		return 0, &LimitError{Resource: "fuel", Limit: fmt.Sprint(m.limit)}
	}
	return m.limit - total, nil
}
