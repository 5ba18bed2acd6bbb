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
	if e.cache == nil {
		return LoadStats{}, errors.New("keep module: there is no cache to keep it in")
	}
	if e.has(key) {
		return LoadStats{Hit: true}, nil
	}
	m, err := e.Load(ctx, key, make, p)
	if err != nil {
		return LoadStats{}, err
	}
	stats := m.Stats()
	return stats, m.Close(ctx)
}

// has tells whether the cache has an entry that can be used.
func (e *Engine) has(key string) bool {
	entry, err := e.cache.open(key, e.Identity())
	if err != nil {
		return false
	}
	entry.close()
	return true
}
