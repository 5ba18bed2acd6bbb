package network

import (
	"net/netip"
	"slices"
	"sync"
)

// Bounds of what is remembered of names.
const (
	maxKnown      = 1024
	maxKnownNames = 8
)

// lookups remembers which names a container was told an address for: it connects
// to the address, and the rules are about names.
type lookups struct {
	mu    sync.Mutex
	of    map[netip.Addr][]string
	order []netip.Addr // the oldest first
}

func newLookups() *lookups { return &lookups{of: map[netip.Addr][]string{}} }

func (l *lookups) add(a netip.Addr, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := l.of[a]
	if slices.Contains(names, name) {
		return
	}
	if names == nil {
		if l.order = append(l.order, a); len(l.order) > maxKnown {
			delete(l.of, l.order[0])
			l.order = l.order[1:]
		}
	}
	if len(names) == maxKnownNames {
		names = names[1:]
	}
	l.of[a] = append(slices.Clone(names), name)
}

// names are those that an address was given for.
func (l *lookups) names(a netip.Addr) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of[a]
}
