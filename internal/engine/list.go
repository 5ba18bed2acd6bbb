package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Cached is a compiled module on disk.
type Cached struct {
	Key string
	// Usable is false for what another version of the engine left, or what is damaged: it will never be loaded again.
	Usable bool
	// Size is what the entry takes on disk, and Native the part of it that is machine code.
	Size, Native int64
	Made, Used   time.Time
	// Compile is how long it took to compile.
	Compile time.Duration
}

// Cached lists the compiled modules on disk, in the order of their keys.
func (e *Engine) Cached() ([]Cached, error) {
	if e.cache == nil {
		return nil, nil
	}
	dirs, err := os.ReadDir(e.cache.path("entries"))
	if err != nil && !(e.cache.readOnly && errors.Is(err, fs.ErrNotExist)) {
		return nil, fmt.Errorf("list compiled modules: %w", err)
	}
	identity := e.Identity()
	var list []Cached
	for _, d := range dirs {
		if c, ok := e.cache.describe(d.Name(), identity); ok {
			list = append(list, c)
		}
	}
	return list, nil
}

// Forget removes a compiled module from disk. What has been loaded of it goes on.
func (e *Engine) Forget(key string) error {
	if e.cache == nil || !validKey(key) {
		return nil
	}
	e.cache.discard(key)
	if _, err := os.Lstat(e.cache.path("entries", key)); err == nil {
		return fmt.Errorf("forget compiled module %.12s: it is in use", key)
	}
	return nil
}

// describe reads what an entry says of itself, without checking its files.
func (c *cache) describe(key, identity string) (Cached, bool) {
	dir := c.path("entries", key)
	d := Cached{Key: key}
	err := filepath.WalkDir(dir, func(_ string, f fs.DirEntry, err error) error {
		if err != nil || !f.Type().IsRegular() {
			return err
		}
		info, err := f.Info()
		if err == nil {
			d.Size += info.Size()
		}
		return err
	})
	if err != nil {
		return d, false // removed meanwhile
	}
	file := filepath.Join(dir, entryFile)
	raw, err := readBounded(file, entryLimit)
	if err != nil {
		return d, true
	}
	sum, body, _ := bytes.Cut(raw, []byte("\n"))
	var e entry
	if hashOf(body) != string(sum) || json.Unmarshal(body, &e) != nil {
		return d, true
	}
	d.Usable = e.Format == cacheFormat && e.Key == key && e.Engine == identity
	d.Native, d.Made, d.Compile = e.Native.Size, e.Made, time.Duration(e.Compile*float64(time.Second))
	if info, err := os.Stat(file); err == nil {
		d.Used = info.ModTime()
	}
	return d, true
}
