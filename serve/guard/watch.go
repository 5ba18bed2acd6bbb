package guard

import (
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often files are looked at, when somebody asks.
const lookEvery = 2 * time.Second

// watched reads files again when they have changed. It has no goroutine: it looks
// when it is asked, now and then.
type watched struct {
	log   *slog.Logger // of what went wrong later
	names []string
	read  func() error
	next  atomic.Int64 // when to look again, Unix nanoseconds

	mu    sync.Mutex
	stamp []stamp
}

type stamp struct {
	size int64
	time time.Time
}

// watch reads files for the first time.
func watch(log *slog.Logger, names []string, read func() error) (*watched, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	w := &watched{log: log, names: names, read: read}
	w.stamp = w.stamps()
	if err := read(); err != nil {
		return nil, err
	}
	w.next.Store(time.Now().Add(lookEvery).UnixNano())
	return w, nil
}

func (w *watched) stamps() []stamp {
	list := make([]stamp, len(w.names))
	for i, name := range w.names {
		if st, err := os.Stat(name); err == nil {
			list[i] = stamp{st.Size(), st.ModTime()}
		}
	}
	return list
}

// look reads the files again if they have changed. What was read before stays when
// they cannot be, until they change again.
func (w *watched) look() {
	now := time.Now()
	next := w.next.Load()
	if now.UnixNano() < next || !w.next.CompareAndSwap(next, now.Add(lookEvery).UnixNano()) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	stamps := w.stamps()
	same := true
	for i := range stamps {
		same = same && stamps[i].size == w.stamp[i].size && stamps[i].time.Equal(w.stamp[i].time)
	}
	if !same {
		w.reread(stamps)
	}
}

// again reads the files, whether they seem to have changed or not.
func (w *watched) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reread(w.stamps())
}

// reread reads the files. It is called with mu held.
func (w *watched) reread(stamps []stamp) {
	w.stamp = stamps
	if err := w.read(); err != nil {
		w.log.Error("a changed file is not used, what it was before holds", "error", err)
		return
	}
	w.log.Info("a changed file is read again", "files", w.names)
}
