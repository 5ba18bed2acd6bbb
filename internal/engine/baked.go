package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A cache is written by the one user that it belongs to. Where nothing can be written - the file system of a container
// is read-only, say - it is only read; and beside it there may be a baked cache, which somebody filled in advance and
// which is never written here. What is only read may belong to root, too, and others may read it; but nobody else may
// be able to write it: checksums tell damage, they do not tell forgery. In other respects an entry in it is believed as
// far as one in the user's own cache.

var errReadOnly = errors.New("the cache can only be read")

// openBaked opens a cache that is never written.
func openBaked(dir string) (*cache, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &cache{dir: dir, readOnly: true}
	st, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, fmt.Errorf("%s is no folder", dir)
	}
	if err := trusted(dir, st); err != nil {
		return nil, err
	}
	entries, err := os.Lstat(c.path("entries"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no compiled modules", dir)
	}
	if err != nil {
		return nil, err
	}
	return c, trusted(c.path("entries"), entries)
}

// readOnlyCache is a cache that could not be made ready for writing because of err, if it can be read at least.
func readOnlyCache(dir string, err error) (*cache, error) {
	if !isReadOnly(err) {
		return nil, err
	}
	c := &cache{dir: dir, readOnly: true}
	st, serr := os.Stat(dir)
	switch {
	case errors.Is(serr, fs.ErrNotExist): // there is nothing in it, and never will be
		return c, nil
	case serr != nil:
		return nil, serr
	}
	return c, trusted(dir, st)
}

// maxEntryFiles is more than the files and folders of an entry.
const maxEntryFiles = 16

// trustedEntry checks that nobody else can have written anything of an entry.
func trustedEntry(dir string) error {
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n++; n > maxEntryFiles {
			return errors.New("it has too many files")
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		return trusted(path, st)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errUnusable, err)
	}
	return nil
}

// shelves are the caches, in the order in which they are looked into.
func (e *Engine) shelves() []*cache {
	var list []*cache
	for _, c := range []*cache{e.cache, e.baked} {
		if c != nil {
			list = append(list, c)
		}
	}
	return list
}

// keeps tells whether what is compiled can be put into the cache.
func (e *Engine) keeps() bool { return e.cache != nil && !e.cache.readOnly }

// open finds an entry that can be used.
func (e *Engine) open(key string) (*entry, error) {
	err := fs.ErrNotExist
	for _, c := range e.shelves() {
		var entry *entry
		if entry, err = c.open(key, e.Identity()); err == nil {
			return entry, nil
		}
	}
	return nil, err
}

// session makes a folder for the machine code of the parts of one module: among files that are soon gone, when there is
// no cache to write to.
func (e *Engine) session() (string, error) {
	if e.keeps() {
		return e.cache.session()
	}
	return os.MkdirTemp("", "wherry-session-")
}

// Bake copies modules from the cache to a folder that other Engines can have as their BakedDir. What is there already
// stays. Everybody may read the folder.
func (e *Engine) Bake(dir string, keys []string) error {
	if err := os.MkdirAll(filepath.Join(dir, "entries"), 0o755); err != nil {
		return fmt.Errorf("bake cache: %w", err)
	}
	to, err := openBaked(dir)
	if err != nil {
		return fmt.Errorf("bake cache: %w", err)
	}
	to.sweepBaking()
	for _, key := range keys {
		if entry, err := to.open(key, e.Identity()); err == nil {
			entry.close()
			continue
		}
		if err := e.bake(to, key); err != nil {
			return fmt.Errorf("bake module %.12s: %w", key, err)
		}
	}
	syncDir(to.path("entries"))
	return nil
}

const bakingPrefix = ".baking-"

// sweepBaking removes what processes that died have left.
func (c *cache) sweepBaking() {
	list, _ := os.ReadDir(c.dir)
	for _, d := range list {
		if st, err := d.Info(); err == nil && strings.HasPrefix(d.Name(), bakingPrefix) && time.Since(st.ModTime()) > time.Hour {
			removeAll(c.path(d.Name()))
		}
	}
}

// bake copies one entry.
func (e *Engine) bake(to *cache, key string) error {
	entry, err := e.open(key)
	if err != nil {
		return err
	}
	defer entry.close()
	draft, err := os.MkdirTemp(to.dir, bakingPrefix)
	if err != nil {
		return err
	}
	defer removeAll(draft)
	files := []string{wasmFile, namesFile, entryFile}
	if entry.native != nil {
		path := filepath.FromSlash(entry.Native.Path)
		if err := os.Mkdir(filepath.Join(draft, filepath.Dir(path)), 0o755); err != nil {
			return err
		}
		files = append(files, path)
	}
	for _, name := range files {
		if err := bakeFile(filepath.Join(entry.dir, name), filepath.Join(draft, name)); err != nil {
			return err
		}
	}
	if err := os.Chmod(draft, 0o755); err != nil {
		return err
	}
	removeAll(to.path("entries", key)) // one that cannot be used
	return rename(draft, to.path("entries", key))
}

// bakeFile copies a file for everybody to read.
func bakeFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := copyFile(f, to); err != nil {
		return err
	}
	return os.Chmod(to, 0o644)
}
