package runtime

import (
	"context"
	"io"
	"sync"

	"github.com/wherry-run/wherry/internal/prepare"
)

// sharedSplit is a module that was opened once for several who read it: what is known of a large
// one takes its time to be read.
type sharedSplit struct {
	split *prepare.Split

	mu    sync.Mutex
	users int
	file  io.Closer
}

// open is one more user, who closes what it returns in the end.
func (s *sharedSplit) open() (*prepare.Split, io.Closer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		return nil, nil, ErrClosed
	}
	s.users++
	return s.split, &splitUser{of: s}, nil
}

// splitUser is one of them.
type splitUser struct {
	of   *sharedSplit
	once sync.Once
	err  error
}

// Close implements io.Closer: the last one closes the module.
func (u *splitUser) Close() error {
	u.once.Do(func() {
		s := u.of
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.users--; s.users == 0 {
			u.err = s.file.Close()
		}
	})
	return u.err
}

// share opens the module for the recorder, and for all whom it has read it, until done.
func (r *recorder) share(open func() (*prepare.Split, io.Closer, error)) error {
	split, file, err := open()
	if err != nil {
		return err
	}
	s := &sharedSplit{split: split, users: 1, file: file}
	r.open, r.done, r.out.Functions = s.open, (&splitUser{of: s}).Close, split.Functions()
	return nil
}

// survey finds the facts of the module, unless the image has them: a base knows those of
// its interpreter.
func (r *recorder) survey(ctx context.Context) error {
	c, options := r.session.container, r.options()
	ref, _, _ := r.x.file.Content()
	layers := c.layers
	open := func() (*prepare.Split, io.Closer, error) { return openSplit(layers, ref, r.facts, options) }
	r.out.Content = contentName(ref)
	var err error
	if r.facts, err = c.toldFacts(ctx, ref); err == nil {
		if err = r.share(open); err == nil {
			r.out.Facts = r.facts
			return nil
		}
	}
	found, err := r.session.surveyed(ctx, r.x, options)
	if err != nil {
		return err
	}
	r.facts, r.out.Facts = found.encoded, found.encoded
	return r.share(open)
}
