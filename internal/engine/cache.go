package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// cache keeps compiled modules on disk, a folder for each:
//
//	entries/KEY/entry.json    what the entry is, with the sizes and hashes of all the rest
//	entries/KEY/module.wasm   the skeleton of the prepared module; without a compiler the module itself
//	entries/KEY/names         the sidecar with the names
//	entries/KEY/wazero-.../   wazero's own cache, with the machine code of this one module
//	drafts/KEY.*/             entries that are being made, or were when their process died
//	sessions/                 folders that are empty but while a part of a module is loaded
//	touched/KEY               which pages of an image a run touches
//	locks/KEY                 locked by the process that makes the entry; the lock dies with it
//	locks/compile             locked by the process that compiles a large module
//	rate                      how fast this machine compiled last
//
// An entry is made in drafts and moved to its place whole, so it is there or not. Entries are never changed. A baked
// cache has entries only.
type cache struct {
	dir      string
	readOnly bool
}

const (
	cacheFormat = 1
	entryFile   = "entry.json"
	wasmFile    = "module.wasm"
	namesFile   = "names"
	rateFile    = "rate-cpu"
	compileLock = "compile"
	writeTest   = "write"
	// entryLimit bounds what is read as a description. Imports and exports are in it, whose number is limited.
	entryLimit = 64 << 20
)

// entry is a cached module as it stands on disk.
type entry struct {
	Format  int       `json:"format"`
	Key     string    `json:"key"`
	Engine  string    `json:"engine"`
	Made    time.Time `json:"made"`
	Prepare float64   `json:"prepareSeconds"`
	Compile float64   `json:"compileSeconds"`
	Wasm    fileSum   `json:"wasm"` // the module's skeleton, or the module
	Names   fileSum   `json:"names"`
	Native  nativeSum `json:"native"`
	Outline outline   `json:"outline"`

	dir         string
	wasm, names []byte
	native      *os.File // the machine code, after it was checked; nil when there is none
}

// fileSum is the length and hash of a file.
type fileSum struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

var errUnusable = errors.New("cache entry cannot be used")

// openCache makes the folders and sees to it that they are this user's alone.
func openCache(dir string) (*cache, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &cache{dir: dir}
	for _, d := range []string{dir, c.path("entries"), c.path("drafts"), c.path("sessions"), c.path("locks")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return readOnlyCache(dir, err)
		}
	}
	if err := makePrivate(dir); err != nil {
		return readOnlyCache(dir, err)
	}
	if err := c.writable(); err != nil {
		return readOnlyCache(dir, err)
	}
	return c, nil
}

// writable finds out whether anything can be written.
func (c *cache) writable() error {
	f, err := os.OpenFile(c.path("locks", writeTest), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func (c *cache) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

// lock waits until this process is the only one that makes this entry. wait is called when it has to.
func (c *cache) lock(ctx context.Context, key string, wait func()) (unlock func(), err error) {
	l := c.lockFile(key)
	ok, err := l.TryLock()
	if err == nil && !ok {
		wait()
		ok, err = l.TryLockContext(ctx, 50*time.Millisecond)
	}
	if err != nil {
		return nil, fmt.Errorf("lock cache entry: %w", err)
	}
	if !ok {
		return nil, errors.New("lock cache entry: not granted")
	}
	return func() { _ = l.Close() }, nil
}

func (c *cache) lockFile(key string) *flock.Flock {
	return flock.New(c.path("locks", key), flock.SetPermissions(0o600))
}

// open reads an entry and checks all of it except the machine code itself, whose checksum wazero checks as it loads it.
func (c *cache) open(key, engine string) (*entry, error) {
	dir := c.path("entries", key)
	if c.readOnly {
		if err := trustedEntry(dir); err != nil {
			return nil, err
		}
	}
	raw, err := readBounded(filepath.Join(dir, entryFile), entryLimit)
	if err != nil {
		return nil, err
	}
	sum, body, ok := bytes.Cut(raw, []byte("\n"))
	if !ok || hashOf(body) != string(sum) {
		return nil, fmt.Errorf("%w: its description is damaged", errUnusable)
	}
	e := &entry{dir: dir}
	if err := json.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnusable, err)
	}
	if e.Format != cacheFormat || e.Key != key || e.Engine != engine {
		return nil, fmt.Errorf("%w: it is another module's or another engine's", errUnusable)
	}
	if e.native, err = e.Native.open(dir); err != nil {
		return nil, err
	}
	if err := e.read(); err != nil {
		e.close()
		return nil, err
	}
	if !c.readOnly {
		e.touch()
	}
	return e, nil
}

// read reads the files that are not machine code.
func (e *entry) read() (err error) {
	if e.names, err = e.Names.read(filepath.Join(e.dir, namesFile)); err != nil {
		return err
	}
	e.wasm, err = e.Wasm.read(filepath.Join(e.dir, wasmFile))
	return err
}

// touch notes that the entry was used now, for those who tidy up.
func (e *entry) touch() {
	now := time.Now()
	_ = os.Chtimes(filepath.Join(e.dir, entryFile), now, now)
}

// unchanged reports whether the machine code that was checked is still what its path leads to. If another process
// removed the entry meanwhile, wazero has compiled what it found instead, and that is a skeleton.
func (e *entry) unchanged() bool {
	if e.native == nil {
		return true
	}
	checked, err := e.native.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(filepath.Join(e.dir, filepath.FromSlash(e.Native.Path)))
	return err == nil && os.SameFile(checked, now)
}

func (e *entry) close() {
	if e.native != nil {
		e.native.Close()
	}
}

// discard takes an entry that cannot be used out of the way. Whoever has it open is not disturbed.
func (c *cache) discard(key string) {
	if c.readOnly {
		return
	}
	dead, err := os.MkdirTemp(c.path("drafts"), key+".dead.")
	if err != nil {
		return
	}
	_ = os.Rename(c.path("entries", key), filepath.Join(dead, "entry"))
	removeAll(dead)
}

// draft makes the folder of a new entry, under the entry's lock, and clears away those of processes that died.
func (c *cache) draft(key string) (string, error) {
	c.sweep(key)
	return os.MkdirTemp(c.path("drafts"), key+".")
}

// sweep removes the drafts of this key, whose lock we hold, and of keys that nobody has locked.
func (c *cache) sweep(key string) {
	drafts, _ := os.ReadDir(c.path("drafts"))
	for _, d := range drafts {
		owner, _, _ := strings.Cut(d.Name(), ".")
		if owner != key {
			l := c.lockFile(owner)
			if ok, err := l.TryLock(); err != nil || !ok {
				continue
			}
			defer l.Close()
		}
		removeAll(c.path("drafts", d.Name()))
	}
}

// session makes a folder for the machine code of the parts of one module, and clears away those of processes that
// died. One that is in use and very old may go too: it is made anew when the next part is loaded.
func (c *cache) session() (string, error) {
	if err := os.MkdirAll(c.path("sessions"), 0o700); err != nil {
		return "", err
	}
	old, _ := os.ReadDir(c.path("sessions"))
	for _, d := range old {
		if st, err := d.Info(); err == nil && time.Since(st.ModTime()) > oldSession {
			removeAll(c.path("sessions", d.Name()))
		}
	}
	return os.MkdirTemp(c.path("sessions"), "")
}

const oldSession = 24 * time.Hour

// dropDraft removes a draft that will not become an entry.
func (c *cache) dropDraft(dir string) {
	if dir != "" {
		removeAll(dir)
	}
}

// publish completes a draft, in which wazero has put the machine code, and makes it the entry of its key.
func (c *cache) publish(dir, key, engine string, a Artifact, o *outline, s LoadStats) error {
	e := entry{Format: cacheFormat, Key: key, Engine: engine, Made: time.Now().UTC(), Outline: *o,
		Prepare: s.Prepare.Seconds(), Compile: s.Compile.Seconds()}
	var err error
	if e.Wasm, err = writeFile(filepath.Join(dir, wasmFile), a.Wasm); err != nil {
		return err
	}
	if e.Names, err = writeFile(filepath.Join(dir, namesFile), a.Names); err != nil {
		return err
	}
	if e.Native, err = sumNative(dir); err != nil {
		return err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err := writeFile(filepath.Join(dir, entryFile), append([]byte(hashOf(body)+"\n"), body...)); err != nil {
		return err
	}
	c.discard(key)
	if err := rename(dir, c.path("entries", key)); err != nil {
		return err
	}
	syncDir(c.path("entries"))
	return nil
}

func hashOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > limit {
		return nil, fmt.Errorf("%w: %s is not what was written", errUnusable, filepath.Base(path))
	}
	b := make([]byte, st.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, err
	}
	return b, nil
}

// read reads a file that must be as it was written.
func (s fileSum) read(path string) ([]byte, error) {
	b, err := readBounded(path, s.Size)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != s.Size || hashOf(b) != s.SHA256 {
		return nil, fmt.Errorf("%w: %s is damaged", errUnusable, filepath.Base(path))
	}
	return b, nil
}

// writeFile writes a new file and has it reach the disk.
func writeFile(path string, b []byte) (fileSum, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fileSum{}, err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return fileSum{Size: int64(len(b)), SHA256: hashOf(b)}, err
}

// replaceFile writes a file whole or not at all, in the place of one that may be there. It need not survive a power
// failure.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".draft")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// copyFile copies what an open file holds to a new file.
func copyFile(from *os.File, to string) error {
	st, err := from.Stat()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.NewSectionReader(from, 0, st.Size()))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
