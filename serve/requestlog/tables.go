package requestlog

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// A sheet is a file of rows.
type sheet interface {
	// add takes a row.
	add(r *row) error
	// flush makes what was added visible to readers.
	flush() error
	// size is how long the file is, about.
	size() int64
	close() error
}

// flushEvery is after how long a row can be read, at most.
const flushEvery = 5 * time.Second

// parts is how many files the size of a table is divided into: the current one, and
// older ones.
const parts = 5

// tables are the files that rows go to: one, or one for each model.
type tables struct {
	log  *Log
	open map[string]*table
	said time.Time // when an error was logged last
}

// table is the current file of some rows.
type table struct {
	path  string
	sheet sheet
	dirty bool
}

// run writes what comes until the queue is closed.
func (w *tables) run() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case e, ok := <-w.log.queue:
			if !ok {
				w.close()
				return
			}
			if err := repository.Survive(func() error { w.write(&e); return nil }); err != nil {
				w.log.dropped.Add(1)
				w.report(err)
			}
			w.log.queued.Add(-e.size)
		case <-tick.C:
			for _, t := range w.open {
				w.report(repository.Survive(t.flush))
			}
		}
	}
}

func (w *tables) write(e *entry) {
	r := newRow(e)
	name := ""
	if w.log.folder && r.reason != route.ReasonNotFound { // a client can name any number of models
		name = r.model
	}
	t, err := w.table(name)
	if err == nil {
		t.dirty = true
		err = t.sheet.add(&r)
	}
	if err == nil && t.sheet.size() > w.log.config.Size/parts {
		err = w.rotate(t)
	}
	if err != nil {
		w.log.dropped.Add(1)
		w.report(err)
		return
	}
	w.log.written.Add(1)
}

// report logs an error, and not those that follow at once.
func (w *tables) report(err error) {
	if err != nil && time.Since(w.said) > time.Minute {
		w.said = time.Now()
		w.log.config.Log.Error("the request log cannot be written", "error", err)
	}
}

// maxTables bounds how many files are open.
const maxTables = 256

// table gives the file for the rows of a model; "" where all are in one.
func (w *tables) table(name string) (*table, error) {
	if t := w.open[name]; t != nil {
		return t, nil
	}
	path := w.log.config.Path
	if w.log.folder {
		if len(w.open) >= maxTables {
			return nil, fmt.Errorf("there are more than %d models", maxTables)
		}
		path = filepath.Join(path, fileName(name)+w.log.extend)
	}
	t := &table{path: path}
	if err := t.openSheet(w.log.config.Size); err != nil {
		return nil, err
	}
	w.open[name] = t
	return t, nil
}

// fileName is a model's name as a file can have it on every OS.
func fileName(model string) string {
	if model == "" {
		return "unknown"
	}
	name := strings.Trim(url.PathEscape(model), ".")
	if len(name) > 100 {
		name = name[:100]
	}
	return "model-" + strings.NewReplacer("%", "_", ":", "_", "*", "_").Replace(name)
}

func (t *table) openSheet(size int64) (err error) {
	if strings.EqualFold(filepath.Ext(t.path), extCSV) {
		t.sheet, err = openCSV(t.path)
		return err
	}
	// A Parquet file ends with its table of contents: one that is there is not
	// written on.
	if _, err := os.Stat(t.path); err == nil {
		if err := shift(t.path, size/parts*(parts-1)); err != nil {
			return err
		}
	}
	t.sheet, err = openParquet(t.path)
	return err
}

func (t *table) flush() error {
	if !t.dirty {
		return nil
	}
	t.dirty = false
	return t.sheet.flush()
}

// rotate begins a new file.
func (w *tables) rotate(t *table) error {
	err := t.sheet.close()
	if err == nil {
		err = shift(t.path, w.log.config.Size/parts*(parts-1))
	}
	if err == nil {
		err = t.openSheet(w.log.config.Size)
	}
	if err != nil {
		for name, one := range w.open {
			if one == t {
				delete(w.open, name) // to be opened again with the next row
			}
		}
	}
	return err
}

// stampForm is the time in the name of an older file. Names sort as times do.
const stampForm = "20060102T150405.000000"

// shift renames a file for the time at which it ended, and removes the oldest of
// those before it until all are no larger than most.
func shift(path string, most int64) error {
	ext := filepath.Ext(path)
	base := strings.TrimSuffix(path, ext) + "-"
	if err := os.Rename(path, base+time.Now().UTC().Format(stampForm)+ext); err != nil {
		return fmt.Errorf("rename a request log: %w", err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("look for old request logs: %w", err)
	}
	for _, f := range slices.Backward(files) { // the newest first
		stamp, ok := strings.CutPrefix(f.Name(), filepath.Base(base))
		if !ok || !strings.HasSuffix(stamp, ext) {
			continue
		}
		if _, err := time.Parse(stampForm, strings.TrimSuffix(stamp, ext)); err != nil {
			continue
		}
		info, err := f.Info()
		if err != nil {
			continue
		}
		if most -= info.Size(); most >= 0 {
			continue
		}
		if err := os.Remove(filepath.Join(filepath.Dir(path), f.Name())); err != nil {
			return fmt.Errorf("remove an old request log: %w", err)
		}
	}
	return nil
}

func (w *tables) close() {
	for _, t := range w.open {
		w.said = time.Time{}
		w.report(repository.Survive(t.sheet.close))
	}
}

// appendString appends a text as JSON.
func appendString(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // a string always has a JSON
		return append(b, `""`...)
	}
	return append(b, text...)
}
