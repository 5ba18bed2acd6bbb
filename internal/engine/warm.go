package engine

import (
	"context"
	"errors"
	"fmt"
)

// Keep has the module with this key in the cache, ready for a later Load, and keeps nothing of it in memory. make is
// that of Load.
func (e *Engine) Keep(ctx context.Context, key string, make MakeFunc, p Progress) (LoadStats, error) {
	if !validKey(key) {
		return LoadStats{}, fmt.Errorf("keep module: key %.80q is not a hex SHA-256", key)
	}
	if entry, err := e.open(key); err == nil {
		entry.close()
		return LoadStats{Hit: true}, nil
	}
	if !e.keeps() {
		return LoadStats{}, errors.New("keep module: there is no cache that can be written")
	}
	m, err := e.Load(ctx, key, make, p)
	if err != nil {
		return LoadStats{}, err
	}
	stats := m.Stats()
	return stats, m.Close(ctx)
}
