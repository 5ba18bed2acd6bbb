package hub

import (
	"net/http"
	"sync"
)

// space is how much content there may be, and is. What an upload brings is taken
// before it is written.
type space struct {
	mu   sync.Mutex
	most int64 // 0: no bound
	used int64
}

func (s *space) begin(most, used int64) { s.most, s.used = most, used }

// take takes n bytes, or refuses.
func (s *space) take(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most > 0 && n > s.most-s.used {
		return s.full()
	}
	s.used += n
	return nil
}

// fits refuses what is known beforehand to be too much. Nothing is taken.
func (s *space) fits(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most > 0 && n > s.most-s.used {
		return s.full()
	}
	return nil
}

func (s *space) full() error {
	return refuse(http.StatusForbidden, codeDenied, "the registry may have %d bytes and has %d: delete something", s.most, s.used)
}

// give gives n bytes back.
func (s *space) give(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used = max(s.used-n, 0)
}
