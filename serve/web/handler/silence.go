package handler

import (
	"sync"
	"time"
)

// silence is for how long an instance says nothing. Requests are over long before their
// time is, and to start and stop a timer takes a good part of one: so a timer that runs
// stays when a request ends, and sees for whom it is when it fires.
type silence struct {
	mu    sync.Mutex
	timer *time.Timer
	runs  bool
	turn  *turn // that is under way; nil: there is none
	most  time.Duration
	until time.Time
}

// begin listens for so long, and after all that is heard again.
func (s *silence) begin(t *turn, most time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn, s.most, s.until = t, most, time.Now().Add(most)
	if s.runs { // as it fires no later than that
		return
	}
	s.runs = true
	if s.timer == nil {
		s.timer = time.AfterFunc(most, s.fire)
		return
	}
	s.timer.Reset(most)
}

func (s *silence) heard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Now().Add(s.most)
}

func (s *silence) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn = nil
}

// fire is the timer's.
func (s *silence) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = false
	if s.turn == nil {
		return
	}
	if left := time.Until(s.until); left > 0 {
		s.runs = true
		s.timer.Reset(left)
		return
	}
	s.turn.expire()
}

// stop is called when there will be no more.
func (s *silence) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn = nil
	if s.timer != nil {
		s.timer.Stop()
	}
}
