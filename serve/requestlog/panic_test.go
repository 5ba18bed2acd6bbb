package requestlog

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/serve/repository"
)

// broken is a sheet that panics.
type broken struct{ sheet }

func (broken) add(*row) error { panic("a mistake") }
func (broken) flush() error   { panic("a mistake") }
func (broken) close() error   { panic("a mistake") }

// TestPanic: a row that cannot be written is left out, and nothing else happens.
func TestPanic(t *testing.T) {
	var said bytes.Buffer
	path := filepath.Join(t.TempDir(), "log.csv")
	l := &Log{config: Config{Path: path, Size: 1 << 20, Sample: 1, Log: slog.New(slog.NewTextHandler(&said, nil))}, queue: make(chan entry, 9), ended: make(chan struct{})}
	w := &tables{log: l, open: map[string]*table{"": {path: path, sheet: broken{}}}}
	for range 3 {
		l.Observe(t.Context(), repository.Event{Call: &repository.Call{}})
	}
	close(l.queue)
	w.run()
	if written, dropped := l.Counts(); written != 0 || dropped != 3 || !strings.Contains(said.String(), "a mistake") {
		t.Errorf("%d written, %d dropped, the log has %q", written, dropped, said.String())
	}
}
