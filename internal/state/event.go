package state

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// Event is something that happened, in the shape of Docker's events.
type Event struct {
	Type     string // "container", "volume", "network", "image"
	Action   string
	Actor    Actor
	Scope    string    `json:"scope"`
	Time     int64     `json:"time"`
	TimeNano int64     `json:"timeNano"`
	At       time.Time `json:"-"`
}

// Actor is what it happened to.
type Actor struct {
	ID         string
	Attributes map[string]string
}

// Event is something that happens to a container now, for Store.Event.
func (c *Container) Event(action string) Event {
	attributes := map[string]string{"name": c.Name, "image": c.Image.Name}
	for k, v := range c.Labels {
		attributes[k] = v
	}
	return Event{Type: "container", Action: action, Actor: Actor{ID: c.ID, Attributes: attributes}}
}

const (
	eventFileSize = 4 << 20
	eventFiles    = 4
)

// Event writes an event down for those that look. That it could not be written is
// no reason to fail for what happened.
func (s *Store) Event(e Event) {
	now := s.options.Now()
	e.Scope, e.Time, e.TimeNano = "local", now.Unix(), now.UnixNano()
	b, err := json.Marshal(e)
	if err != nil || len(b) > maxEntry {
		return
	}
	dir := s.path(eventsDir)
	l, err := waitLock(filepath.Join(dir, lockFile), time.Second)
	if err != nil {
		return
	}
	defer func() { _ = l.Close() }()
	list, err := logFiles(dir)
	if err != nil {
		return
	}
	n := 1
	if len(list) > 0 {
		n = list[len(list)-1]
		if info, err := os.Stat(filepath.Join(dir, logName(n))); err == nil && info.Size() >= eventFileSize {
			n++
			for len(list) >= eventFiles {
				_ = os.Remove(filepath.Join(dir, logName(list[0])))
				list = list[1:]
			}
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, logName(n)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	_, _ = f.Write(append(b, '\n'))
	_ = f.Close()
}

// EventOptions say which events are wanted. Without Until they go on until ctx ends.
type EventOptions struct {
	Since, Until time.Time
	Want         func(Event) bool // nil: all
}

// Events gives events as they happen, and those since Since.
func (s *Store) Events(ctx context.Context, o EventOptions, give func(Event) error) error {
	r := &logReader{dir: s.path(eventsDir)}
	defer r.close()
	if o.Since.IsZero() {
		none := 0
		if err := r.seek(&none); err != nil {
			return err
		}
	}
	over := func() bool { return !o.Until.IsZero() && s.options.Now().After(o.Until) }
	return r.follow(ctx, true, over, func(line []byte) (bool, error) {
		e, ok := parseEvent(line)
		switch {
		case !ok, e.At.Before(o.Since), o.Want != nil && !o.Want(e):
			return true, nil
		case !o.Until.IsZero() && e.At.After(o.Until):
			return false, nil
		}
		return true, give(e)
	})
}

// parseEvent reads a line of the file of events.
func parseEvent(line []byte) (Event, bool) {
	var e Event
	if len(line) > maxEntry || json.Unmarshal(line, &e) != nil || e.Type == "" || e.Action == "" {
		return Event{}, false
	}
	e.At = time.Unix(0, e.TimeNano)
	return e, true
}
