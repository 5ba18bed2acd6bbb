package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci/store"
)

// Config is what a registry is made of.
type Config struct {
	// Store has the content. One registry at a time may have it; programs that only
	// read, or pull into it, may have it, too.
	Store *store.Store
	// Users tells who may ask. nil: everybody.
	Users Users
	// ReadOnly refuses everything that changes something.
	ReadOnly bool
	// Local refuses requests that do not name this machine, so that no page of the web
	// that claims to be this machine reaches it: for a registry without Users that
	// listens on the loopback addresses alone.
	Local bool
	// MaxBytes bounds the content of the store, with uploads under way; 0: the disk does.
	MaxBytes int64
	// Patience is how long a client that sends or takes nothing is waited for; 0: a minute.
	Patience time.Duration
	// Loose is how long a blob that no manifest needs, and an upload that nobody goes on
	// with, are kept; 0: a day.
	Loose time.Duration
	// Log gets what changes and what fails; nil: nobody.
	Log *slog.Logger
}

// Hub is a registry. It is safe for concurrent use.
type Hub struct {
	store    *store.Store
	dir      string // of journals and uploads, below the store's
	users    Users
	readOnly bool
	local    bool
	patience time.Duration
	loose    time.Duration
	log      *slog.Logger
	lock     *flock.Flock
	origins  *http.CrossOriginProtection
	now      func() time.Time
	space    space
	uploads  uploads
	reading  chan struct{} // a place for each manifest in memory

	// gate is held shared while content comes to a repository, and alone while a sweep
	// decides what nobody has. lease keeps what is on its way in.
	gate  sync.RWMutex
	lease *store.Lease

	mu    sync.RWMutex
	repos map[string]*repository
}

// ErrInUse says that another program serves this folder.
var ErrInUse = errors.New("another registry serves this folder")

// maxReading bounds the manifests that are in memory at a time.
const maxReading = 16

// New makes a registry of a store, with what it had before.
func New(ctx context.Context, c Config) (*Hub, error) {
	h := &Hub{
		store: c.Store, dir: filepath.Join(c.Store.Dir(), "hub"), users: c.Users, readOnly: c.ReadOnly, local: c.Local,
		patience: c.Patience, loose: c.Loose, log: c.Log, now: time.Now, origins: http.NewCrossOriginProtection(),
		reading: make(chan struct{}, maxReading), repos: map[string]*repository{},
	}
	if h.patience <= 0 {
		h.patience = time.Minute
	}
	if h.loose <= 0 {
		h.loose = 24 * time.Hour
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	for _, dir := range []string{h.journals(), h.parts()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("open registry: %w", err)
		}
	}
	h.lock = flock.New(filepath.Join(h.dir, "lock"), flock.SetPermissions(0o600))
	if ok, err := h.lock.TryLock(); err != nil || !ok {
		_ = h.lock.Close()
		return nil, fmt.Errorf("open registry %s: %w", h.dir, errors.Join(ErrInUse, err))
	}
	if err := h.load(ctx, c.MaxBytes); err != nil {
		_ = h.Close()
		return nil, fmt.Errorf("open registry %s: %w", h.dir, err)
	}
	return h, nil
}

func (h *Hub) journals() string { return filepath.Join(h.dir, "repositories") }
func (h *Hub) parts() string    { return filepath.Join(h.dir, "uploads") }

const journalSuffix = ".journal"

func (h *Hub) load(ctx context.Context, maxBytes int64) error {
	var err error
	if h.lease, err = h.store.Lease(ctx); err != nil {
		return err
	}
	entries, err := os.ReadDir(h.journals())
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), journalSuffix) {
			continue
		}
		if err := h.loadRepository(ctx, filepath.Join(h.journals(), e.Name())); err != nil {
			return err
		}
	}
	usage, err := h.store.Usage(ctx)
	if err != nil {
		return err
	}
	parts, err := h.uploads.load(h.parts())
	if err != nil {
		return err
	}
	h.space.begin(maxBytes, usage.BlobBytes+parts)
	return nil
}

// loadRepository reads a journal. What the store has lost meanwhile is not there, and
// what it has is pinned again if a power failure took the pin.
func (h *Hub) loadRepository(ctx context.Context, file string) error {
	r := newRepository("", file, h.store)
	whole, damaged, err := readJournal(file, func(rec record) {
		if r.records++; rec.Op == opName {
			if r.name == "" {
				*r = *newRepository(rec.Name, file, h.store)
			}
			return
		}
		r.apply(rec)
	})
	if err != nil {
		return err
	}
	r.whole = whole
	if r.name == "" || repositoryID(r.name)+journalSuffix != filepath.Base(file) {
		h.log.Warn("a journal does not say whose it is, and is left alone", "file", filepath.Base(file))
		return nil
	}
	lost := h.dropLost(r)
	if damaged+lost > 0 {
		h.log.Warn("a repository has lost something", "repository", r.name, "damaged records", damaged, "lost content", lost)
	}
	h.repos[r.name] = r
	_, pinned := r.snapshot()
	return h.pinAgain(ctx, r, pinned)
}

// dropLost forgets content that the store does not have and tells how much it was.
func (h *Hub) dropLost(r *repository) (n int) {
	missing := func(d digest.Digest) bool {
		_, err := h.store.Size(d)
		return errors.Is(err, fs.ErrNotExist)
	}
	for d := range r.blobs {
		if missing(d) {
			delete(r.blobs, d)
			n++
		}
	}
	for d := range r.manifests {
		if missing(d) {
			r.dropManifest(d, 0)
			n++
		}
	}
	r.shrunk = r.shrunk || n > 0
	return n
}

func (h *Hub) pinAgain(ctx context.Context, r *repository, want []digest.Digest) error {
	have, err := h.store.Pinned(r.pin)
	if err != nil {
		return err
	}
	there := make(map[digest.Digest]bool, len(have))
	for _, d := range have {
		there[d] = true
	}
	if !slices.ContainsFunc(want, func(d digest.Digest) bool { return !there[d] }) {
		return nil
	}
	return h.store.Pin(ctx, r.pin, want...)
}

// Close gives the folder back. Requests under way fail.
func (h *Hub) Close() error {
	h.gate.Lock()
	defer h.gate.Unlock()
	var err error
	if h.lease != nil {
		err = h.lease.Release()
		h.lease = nil
	}
	if cerr := h.lock.Close(); err == nil {
		err = cerr
	}
	return err
}

// find is a repository; nil when there is none.
func (h *Hub) find(name string) *repository {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.repos[name]
}

// obtain is a repository, made when there is none: the caller has the gate.
func (h *Hub) obtain(name string) (*repository, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.repos[name]; r != nil {
		return r, nil
	}
	if len(h.repos) >= maxRepositories {
		return nil, refuse(http.StatusForbidden, codeDenied, "the registry has %d repositories, and no more may be", maxRepositories)
	}
	r := newRepository(name, filepath.Join(h.journals(), repositoryID(name)+journalSuffix), h.store)
	h.repos[name] = r
	return r, nil
}

// bring calls fn with a repository that content comes to, and with the lease that keeps
// the content until the repository has it.
func (h *Hub) bring(name string, fn func(r *repository, l *store.Lease) error) error {
	h.gate.RLock()
	defer h.gate.RUnlock()
	if h.lease == nil {
		return refuse(http.StatusServiceUnavailable, codeUnknown, "the registry ends")
	}
	r, err := h.obtain(name)
	if err != nil {
		return err
	}
	return fn(r, h.lease)
}

// ThisMachine reports whether a host, with a port or without, names the machine itself.
func ThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
