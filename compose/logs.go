package compose

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wherry-run/wherry/internal/state"
)

// A Line is something that a container printed.
type Line struct {
	Member Member
	state.Entry
}

// Logs gives what containers printed, in the order in which they did.
func (e *Engine) Logs(ctx context.Context, members []Member, o state.LogOptions, give func(Line) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o.Follow = false
	var heads []*logHead
	for _, m := range members {
		if m.Log.Off {
			continue
		}
		h := &logHead{member: m, next: make(chan state.Entry)}
		heads = append(heads, h)
		go func() {
			defer close(h.next)
			h.err = e.Containers.Logs(ctx, m.ID, o, func(e state.Entry) error {
				select {
				case h.next <- e:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			})
		}()
	}
	for _, h := range heads {
		h.advance()
	}
	for {
		var first *logHead
		for _, h := range heads {
			if h.more && (first == nil || h.entry.Time.Before(first.entry.Time)) {
				first = h
			}
		}
		if first == nil {
			break
		}
		if err := give(Line{first.member, first.entry}); err != nil {
			return err
		}
		first.advance()
	}
	var errs []error
	for _, h := range heads {
		if !missing(h.err) {
			errs = append(errs, h.err)
		}
	}
	return errors.Join(errs...)
}

// logHead is the next entry of one container's log.
type logHead struct {
	member Member
	next   chan state.Entry
	entry  state.Entry
	more   bool
	err    error // once next is closed
}

func (h *logHead) advance() { h.entry, h.more = <-h.next }

// FollowOptions say which containers of a stack are followed.
type FollowOptions struct {
	state.LogOptions
	// Want tells which containers are; nil is all but those of `run`.
	Want func(Member) bool
	// Ended hears of a container that has ended, its state the one at the end; nil
	// hears nothing.
	Ended func(Member)
	// Until has it end when it returns true and nothing runs; nil is never.
	Until func() bool
}

// followEvery is how often a stack is looked at for containers that have begun.
const followEvery = 150 * time.Millisecond

// Follow gives what the containers of a stack print, those that begin later included.
// give and Ended are not called at the same time.
func (e *Engine) Follow(ctx context.Context, project string, o FollowOptions, give func(Line)) error {
	f := &follower{engine: e, options: o, give: give, followed: map[string]time.Time{}, since: map[string]time.Time{}}
	defer f.all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		running, err := f.look(ctx, project)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case !running && o.Until != nil && o.Until():
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// follower has a goroutine for each container that is followed.
type follower struct {
	engine  *Engine
	options FollowOptions
	all     sync.WaitGroup

	mu       sync.Mutex
	give     func(Line)
	followed map[string]time.Time // by ID: the beginning of the life that is followed
	since    map[string]time.Time // by ID: the last line that was given
	active   int
}

// look follows what has begun, and tells whether anything runs or is followed still.
func (f *follower) look(ctx context.Context, project string) (running bool, err error) {
	members, err := f.engine.Members(ctx, project)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range members {
		if f.options.Want == nil && m.OneOff || f.options.Want != nil && !f.options.Want(m) {
			continue
		}
		running = running || m.State.Status.Alive()
		begun, ever := f.followed[m.ID]
		again := m.State.Status.Alive() && !m.State.Started.Equal(begun)
		if !m.State.Status.Alive() && m.State.Finished.Before(f.options.Since) { // of a life before
			continue
		}
		if m.Log.Off || m.State.Status == state.Created || ever && !again || begun.Equal(busy) {
			continue
		}
		f.followed[m.ID] = busy
		f.active++
		f.all.Go(func() { f.one(ctx, m) })
	}
	return running || f.active > 0, nil
}

// busy is the beginning of a life that is being followed.
var busy = time.Unix(0, 1)

// one follows a container until it has ended.
func (f *follower) one(ctx context.Context, m Member) {
	o := f.options.LogOptions
	o.Follow = true
	f.mu.Lock()
	if last, ok := f.since[m.ID]; ok {
		o.Since, o.Tail = last.Add(1), nil
	}
	f.mu.Unlock()
	_ = f.engine.Containers.Logs(ctx, m.ID, o, func(e state.Entry) error { // it may be gone by now
		f.mu.Lock()
		defer f.mu.Unlock()
		f.since[m.ID] = e.Time
		f.give(Line{m, e})
		return nil
	})
	now, err := f.engine.Containers.Get(context.WithoutCancel(ctx), m.ID)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active--
	f.followed[m.ID] = m.State.Started
	if err == nil {
		f.followed[m.ID] = now.State.Started
		if !now.State.Status.Alive() && f.options.Ended != nil && ctx.Err() == nil {
			m.Container = now
			f.options.Ended(m)
		}
	}
}
